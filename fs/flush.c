/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/flush.h"

#include "fs/dir.h"

#include <string.h>

enum { MISSES = 256, NAME_SIZE = 256 };

struct miss {
	fuse_ino_t parent; /* 0: none */
	char name[NAME_SIZE];
};

struct misses {
	struct mutex lock; /* a leaf */
	unsigned next GUARDED_BY(lock);
	struct miss ring[MISSES] GUARDED_BY(lock);
};

struct misses *misses_new(void)
{
	struct misses *s = calloc(1, sizeof(*s));

	if (s) {
		mutex_init(&s->lock);
	}
	return s;
}

struct misses *misses_free(struct misses *s)
{
	if (s) {
		mutex_finish(&s->lock);
	}
	free(s);
	return NULL;
}

void misses_add(struct misses *s, fuse_ino_t parent, const char *name)
{
	struct miss *miss;

	mutex_lock(&s->lock);
	miss = &s->ring[s->next++ % MISSES];
	miss->parent = parent;
	strncpy(miss->name, name, NAME_SIZE - 1);
	mutex_unlock(&s->lock);
}

static void forget_misses(struct mount *m)
{
	for (unsigned i = 0; i < MISSES; i++) {
		struct miss miss;

		mutex_lock(&m->misses->lock);
		miss = m->misses->ring[i];
		m->misses->ring[i].parent = 0;
		mutex_unlock(&m->misses->lock);
		if (miss.parent) {
			(void)fuse_lowlevel_notify_inval_entry(
				m->se, miss.parent, miss.name, strlen(miss.name));
		}
	}
}

/* The inodes that the kernel holds. A number that it has forgotten meanwhile is not found, or
 * means another inode, whose attributes are asked for once more: no harm. */
static fuse_ino_t *held_locked(struct tree *t, size_t *ret_n) REQUIRES(t->lock)
{
	fuse_ino_t *held = malloc((t->n_nodes + 1) * sizeof(*held));
	size_t n = 0;

	if (!held) {
		return NULL;
	}
	for (size_t i = 0; i < t->n_buckets; i++) {
		for (struct node *node = t->buckets[i]; node; node = node->hash_next) {
			if (node->nlookup > 0) {
				held[n++] = node_ino(t, node);
			}
		}
	}
	held[n++] = FUSE_ROOT_ID;
	*ret_n = n;
	return held;
}

void flush_all(struct mount *m)
{
	_cleanup_free_ fuse_ino_t *held = NULL;
	size_t n = 0;

	dir_forget_all(m);
	mutex_lock(&m->tree.lock);
	held = held_locked(&m->tree, &n);
	mutex_unlock(&m->tree.lock);
	for (size_t i = 0; held && i < n; i++) {
		(void)fuse_lowlevel_notify_inval_inode(m->se, held[i], -1, 0);
	}
	forget_misses(m);
}
