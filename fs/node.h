/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree: what the mount knows of names and attributes. The inode table is the listing
 * cache: every entry of a cached listing is a node, and so is every inode that the kernel
 * holds.
 *
 * Invariants (tree.lock): a node is hashed under (parent, name) exactly while that name
 * is believed to exist; parent holds one reference per hashed child; a node is freed when
 * refs and nlookup are both 0. A node's address is its fuse_ino_t (the root's is
 * FUSE_ROOT_ID); number is its st_ino and never reused. An unlinked node that the kernel
 * still holds is unhashed (NODE_GONE) and keeps its attributes. (It stays in the table,
 * where node_find_locked() passes it over, so that tree_finish() reaches every node.) A
 * parent also stays as long as any child of it, gone or not: paths can always be told. */
#ifndef FS_NODE_H
#define FS_NODE_H

#include "base/sync.h"
#include "net/listing.h"

#include <stdbool.h>
#include <stdint.h>

struct dir; /* fs/dir.c: a directory's listing state */
struct file; /* fs/file.c: what is shared by all open handles of a file */
struct notifier; /* fs/notify.c */

enum {
	NODE_GONE = 1, /* unlinked or replaced here, or missing on the server */
	NODE_LOCAL =
		2, /* created here, the server has nothing yet (first settle makes it) */
	NODE_HAS_MODE = 4, /* mode is the server's, not a default */
	NODE_DIRTY = 8, /* size and mtime are those of the open file's spool: no listing
			   overrides them */
	NODE_COARSE = 16, /* mtime is from a LIST line */
	NODE_KEEP_MTIME = 32, /* directory whose time the server cannot set: ours, while
				 the node lives */
	NODE_CACHED = 64, /* the kernel may hold pages that match cache_size/cache_mtime
			     of the file */
	NODE_FAR_NAME = 128, /* private to fs/node.c: renamed, the name lies elsewhere */
};

/* Set in node.perm once the server gave perm facts: an empty fact forbids everything, a
 * missing one says nothing. */
#define NODE_PERM_GIVEN (1u << 31)

struct node {
	struct node *parent;
	struct node *hash_next;
	uint64_t number;
	uint64_t size;
	int64_t mtime; /* seconds UTC */
	int64_t checked; /* now_ms() when the attributes were last known true; INT64_MIN:
			    never */
	union {
		struct dir *dir; /* ENTRY_DIR, NULL until needed */
		struct file *file; /* ENTRY_FILE, while open */
		char *target; /* ENTRY_SYMLINK, NULL until known */
	};
	uint32_t nlookup; /* the kernel's references; UINT32_MAX: too many to count, kept
			     for ever */
	uint32_t refs; /* everybody else's: hashed-ness, snapshots, handles, children */
	uint32_t stamp; /* tree->clock at our own last change of it */
	uint32_t perm; /* perm fact bits and NODE_PERM_GIVEN, 0 unknown */
	uint32_t slot; /* hashed: where it is in the snapshot of parent (fs/children.c) */
	uint16_t mode; /* permission bits 07777 */
	uint16_t steady_ms; /* how long size and mtime were seen to stay as they are; does
			       not grow beyond its type */
	uint8_t kind; /* enum entry_kind */
	uint8_t flags; /* NODE_* */
	char tail[]; /* private to fs/node.c: the name, or where it lies */
};

/* A million of them fit in memory: what one costs beyond its name is counted by
 * tests/unit/test-scale.c. */
struct tree {
	struct mutex lock;
	struct node **buckets GUARDED_BY(lock);
	size_t n_buckets GUARDED_BY(lock), n_nodes GUARDED_BY(lock);
	uint64_t next_number GUARDED_BY(lock);
	uint32_t clock GUARDED_BY(lock); /* counts our own changes */
	uint32_t dir_moved GUARDED_BY(lock); /* clock when a directory was last renamed:
						paths made before are suspect */
	uint64_t key[2]; /* of the name hash: a server must not choose who collides */
	struct cond loaded; /* a directory load ended (fs/dir.c) */
	struct node *root;
	size_t max_nodes; /* dir_cache_max; 0: no limit */
	/* fs/evict.c: directories by when they were last used */
	struct dir *oldest GUARDED_BY(lock), *newest GUARDED_BY(lock);
	struct notifier *notifier GUARDED_BY(lock); /* NULL: the kernel is told nothing */
};

int tree_init(struct tree *t); /* makes the root: a directory, number 1 */
void tree_finish(struct tree *t);

struct node *node_of(struct tree *t, uint64_t ino); /* fuse_ino_t -> node */
uint64_t node_ino(struct tree *t, struct node *n);
const char *node_name(
	const struct node *n); /* raw bytes; tree.lock, or until the next rename */

/* The _locked functions want tree.lock. */
struct node *node_find_locked(struct tree *t, struct node *parent, const char *name)
	REQUIRES(t->lock);
/* Hashed under parent, refs = 1 (the hash's). NULL on ENOMEM. */
struct node *node_new_locked(struct tree *t, struct node *parent, const char *name,
			     enum entry_kind kind) REQUIRES(t->lock);
void node_ref_locked(struct tree *t, struct node *n) REQUIRES(t->lock);
void node_looked_up_locked(struct tree *t, struct node *n)
	REQUIRES(t->lock); /* one more reference of the kernel's */
void node_unref_locked(struct tree *t, struct node *n)
	REQUIRES(t->lock); /* may free n, and its parents */
/* Unhashes and marks NODE_GONE; drops the hash's reference. */
void node_remove_locked(struct tree *t, struct node *n) REQUIRES(t->lock);
/* Moves a hashed node; whatever was hashed at (parent, name) is removed first. -ENOMEM:
 * nothing changed. */
int node_move_locked(struct tree *t, struct node *n, struct node *parent,
		     const char *name) REQUIRES(t->lock);
/* Takes the attributes of a listing or MLST row (not the name). NODE_DIRTY nodes keep
 * size and mtime. A coarse mtime does not replace an exact one that agrees with it (same
 * minute, or same day when the row has no clock time) while the size is the same. */
void node_update_locked(struct tree *t, struct node *n, const struct entry *e,
			int64_t now) REQUIRES(t->lock);

/* Whether equal size and mtime prove that the content is the same. Servers tell seconds:
 * somebody may write twice within one, with the same size, and only a look after that second
 * shows that nobody did. Old files need no second look: a write would have made them young. */
bool node_is_proven_locked(struct tree *t, const struct node *n) REQUIRES(t->lock);

void node_ref(struct tree *t, struct node *n) EXCLUDES(t->lock);
void node_unref(struct tree *t, struct node *n) EXCLUDES(t->lock);
void node_forget(struct tree *t, struct node *n, uint64_t nlookup) EXCLUDES(t->lock);

/* base + the names from the root down, absolute, fresh memory. NULL on ENOMEM. For a gone
 * node the path it had. */
char *node_path_locked(struct tree *t, const char *base, struct node *n)
	REQUIRES(t->lock);
char *node_path(struct tree *t, const char *base, struct node *n) EXCLUDES(t->lock);

#endif
