/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories: listings with an age, loaded once for all who wait, patched by our own
 * changes; lookups and fresh attributes.
 *
 * Freshness: a listing or attribute is good for dir_ttl after it was learnt. A complete
 * fresh listing proves that a name is missing. A lookup in an unlisted directory is one
 * MLST, the third one within two seconds lists the directory; where the server has no
 * MLST it lists at once. An error never looks like an empty directory. */
#ifndef FS_DIR_H
#define FS_DIR_H

#include "fs/mount.h"

/* What an opendir handle holds: the children in a fixed order. readdir offset i + 1
 * follows children[i]; NULL is a tombstone. Own additions are appended, own removals
 * become tombstones, in the current snapshot; a reload makes a new one, and handles keep
 * theirs. refs and children are guarded by tree.lock. */
struct snapshot {
	uint32_t refs;
	size_t n, cap;
	struct node **children; /* each holds a reference */
	bool complete;
	int64_t loaded; /* now_ms(); INT64_MIN: never listed, what lone lookups found */
	size_t dead; /* private: tombstones */
};
void snapshot_unref(struct mount *m, struct snapshot *s); /* takes NULL */

/* A fresh listing of n, loading it when needed (single flight: others wait for the one
 * load). */
int dir_get(struct mount *m, struct node *n, const struct wait *w, struct snapshot **ret);

/* Whether a name may be one of a directory: 0; -EINVAL: CR, LF, '/', "." or "..";
 * -ENAMETOOLONG: above 255 bytes. */
int dir_name_check(const char *name);

/* The child `name`, with attributes fresh as of dir_ttl, nlookup raised by one (the
 * kernel's reference to reply with). -ENOENT when it does not exist; *ret_ttl_ms: how
 * long that (the node, or the -ENOENT) may be cached. -EINVAL: a name with CR or LF;
 * -ENAMETOOLONG: above 255 bytes. */
int dir_lookup(struct mount *m, struct node *parent, const char *name,
	       const struct wait *w, struct node **ret, int64_t *ret_ttl_ms);

/* Whether the server has the name now, whatever a listing says: 0, -ENOENT, or why it is not
 * known. Where it turns out to be there the listing counts as old. */
int dir_ask(struct mount *m, struct node *parent, const char *name, const struct wait *w);

/* Makes n's attributes at most max_age_ms old (NODE_DIRTY, NODE_LOCAL and the root always
 * are). -ENOENT: it is gone; -ESTALE: it is something else now under the same name (the
 * kernel looks the path up again). */
int dir_refresh(struct mount *m, struct node *n, int64_t max_age_ms,
		const struct wait *w);

/* n's path on the server, made after the first connection where that is still to come.
 * Fresh memory. */
int dir_path(struct mount *m, struct node *n, const struct wait *w, char **ret);

/* Finds the targets of the links in link's directory, which MLSD does not tell
 * everywhere: one LIST for all of them. */
int dir_learn_links(struct mount *m, struct node *link, const struct wait *w);

/* Our own changes, after the server agreed. added: returns the node (referenced; existing
 * or new); its flags say what e knows. A new directory is known to be empty. moved: also
 * revives a node that a listing missed in between. */
int dir_added(struct mount *m, struct node *parent, const char *name,
	      const struct entry *e, struct node **ret);
void dir_removed(struct mount *m, struct node *n);
int dir_moved(struct mount *m, struct node *n, struct node *parent, const char *name);

/* A name came or went by us: the directory's time is now, also where we kept one of our own
 * for it (NODE_KEEP_MTIME). */
void dir_touched(struct mount *m, struct node *dir);

/* A change of ours has failed in a way that says nothing, or that contradicts us: n's
 * listing and attributes count as old. */
void dir_distrust(struct mount *m, struct node *n);

/* Forgets every listing and attribute age (SIGHUP, --flush). */
void dir_forget_all(struct mount *m);

/* ms left of the ttl for n's attributes, 0 when stale. */
int64_t dir_ttl_left_locked(struct mount *m, const struct node *n) REQUIRES(m->tree.lock);

/* Private to node.c: frees what a directory node holds. */
void dir_free_locked(struct tree *t, struct dir *d) REQUIRES(t->lock);

#endif
