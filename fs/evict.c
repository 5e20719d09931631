/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/evict.h"

#include "fs/notify.h"

#include <string.h>

/* Its name's and its slot's. */
enum { REFS_OF_A_NAME = 2 };

void evict_unlink_locked(struct tree *t, struct dir *d)
{
	if (t->oldest == d) {
		t->oldest = d->newer;
	}
	if (t->newest == d) {
		t->newest = d->older;
	}
	if (d->newer) {
		d->newer->older = d->older;
	}
	if (d->older) {
		d->older->newer = d->newer;
	}
	d->older = d->newer = NULL;
}

void evict_used_locked(struct tree *t, struct dir *d)
{
	if (t->newest == d) {
		return;
	}
	evict_unlink_locked(t, d);
	d->older = t->newest;
	if (d->older) {
		d->older->newer = d;
	} else {
		t->oldest = d;
	}
	t->newest = d;
}

static bool only_named(const struct node *n)
{
	return n->refs == REFS_OF_A_NAME &&
	       !(n->flags & (NODE_DIRTY | NODE_LOCAL | NODE_KEEP_MTIME));
}

/* Programs hold offsets into a snapshot that is lent out, and a load counts on its names. */
static bool in_use(const struct dir *d)
{
	return d->loading || d->snap->refs > 1;
}

static void distrust(struct snapshot *s)
{
	s->complete = false;
	s->loaded = NEVER;
}

/* One child out of the tree. */
static void give_up_locked(struct tree *t, struct node *n) REQUIRES(t->lock)
{
	struct snapshot *s = n->parent->dir->snap;

	distrust(s);
	node_ref_locked(t, n);
	children_unlist_locked(t, n);
	node_remove_locked(t, n);
	node_unref_locked(t, n);
}

/* From where the last sweep of d ended; returns how many slots were looked at. */
static size_t sweep_locked(struct tree *t, struct dir *d, size_t work) REQUIRES(t->lock)
{
	struct snapshot *s = d->snap;
	size_t looked = 0;

	for (; d->swept < s->n && looked < work && t->n_nodes > t->max_nodes; looked++) {
		struct node *n = s->children[d->swept++];

		if (!n || !only_named(n)) {
			continue;
		}
		if (n->nlookup == 0) {
			give_up_locked(t, n);
		} else if (n->kind == ENTRY_FILE) {
			distrust(s);
			notify_unwanted_locked(t, n);
		}
	}
	return looked + 1;
}

void evict_locked(struct tree *t, size_t work, const struct dir *keep)
{
	const struct dir *last = t->newest;
	bool more = true;

	while (t->max_nodes && t->n_nodes > t->max_nodes && work > 0 && more) {
		struct dir *d = t->oldest;

		more = d != last;
		if (d != keep && !in_use(d)) {
			work -= MIN(work, sweep_locked(t, d, work));
			if (d->swept < d->snap->n) {
				return;
			}
			children_tidy_locked(t, d);
		}
		d->swept = 0;
		evict_used_locked(t, d);
	}
}

bool evict_forgotten_locked(struct tree *t, struct node *n)
{
	const struct dir *d = n->parent ? n->parent->dir : NULL;

	if (!d || !t->max_nodes || t->n_nodes <= t->max_nodes || (n->flags & NODE_GONE) ||
	    !only_named(n) || in_use(d) || d->snap->loaded != NEVER) {
		return false;
	}
	give_up_locked(t, n);
	return true;
}
