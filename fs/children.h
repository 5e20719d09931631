/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of a directory's children, in memory: the half of fs/dir.h that
 * never asks the server. Private to dir.c and children.c.
 *
 * Invariant (tree.lock): every hashed child of a directory is in dir->snap
 * exactly once, and dir->snap holds nothing else but tombstones. A directory
 * that was never listed has a snapshot too, of what lone lookups found; so a
 * listing can tell which names vanished without walking the whole table. */
#ifndef FS_CHILDREN_H
#define FS_CHILDREN_H

#include "fs/dir.h"

#define NEVER INT64_MIN

enum { NAME_LIMIT = 255 };

struct dir {
	struct snapshot *snap;
	char **removed; /* names removed here while a listing is under way */
	size_t n_removed;
	int64_t lookups[2], refreshes[2]; /* when the last lone ones went out */
	uint32_t removed_at; /* tree->clock of our last removal of a child */
	uint32_t round; /* loads that have ended */
	struct dir *older, *newer; /* fs/evict.c: the order of use */
	size_t swept; /* how many slots evict_locked() has looked at */
	char *missed; /* the name that the server was last asked for and did not have */
	int64_t missed_at;
	int64_t absent_until; /* the kernel may believe until then that names are missing */
	int error; /* of the last of them */
	bool loading;
	bool lost_track; /* a removal could not be noted: the load is worthless */
};

/* The directory state of n, made when needed. -ENOTDIR, -ENOENT (gone), -ENOMEM. */
int children_of_locked(struct tree *t, struct node *n, struct dir **ret)
	REQUIRES(t->lock);

/* A new child. */
int children_add_locked(struct tree *t, struct node *parent, const char *name,
			enum entry_kind kind, struct node **ret) REQUIRES(t->lock);

/* Whether n is a directory with a file that only we know of yet: the server would take it for
 * empty. */
bool children_any_local_locked(struct tree *t, struct node *n) REQUIRES(t->lock);

/* n's name, and all below it, is gone. */
void children_drop_locked(struct tree *t, struct node *n) REQUIRES(t->lock);
/* The same, as the server has it: the kernel does not know yet. */
void children_vanish_locked(struct tree *t, struct node *n) REQUIRES(t->lock);

/* For fs/evict.c: n, which stays hashed, out of its slot; and the room of empty slots
 * given back, which moves the others. */
void children_unlist_locked(struct tree *t, struct node *n) REQUIRES(t->lock);
void children_tidy_locked(struct tree *t, struct dir *d) REQUIRES(t->lock);

/* Makes l, asked for at `clock`, the listing of n. Nodes keep their identity by
 * name. 0 or -ENOMEM: then nothing is lost, and nothing proven. */
int children_merge_locked(struct tree *t, struct node *n, const struct listing *l,
			  uint32_t clock) REQUIRES(t->lock);

/* Neither a listing nor a stat that was asked for at `clock` says anything about
 * a node that we changed since, or that the server does not have yet. */
static inline bool child_is_ours(const struct node *n, uint32_t clock)
{
	return (n->flags & (NODE_DIRTY | NODE_LOCAL)) || n->stamp > clock;
}

static inline bool child_kind_differs(const struct node *n, uint8_t kind)
{
	return kind != ENTRY_UNKNOWN && kind != n->kind;
}

#endif
