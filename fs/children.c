/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children: snapshots, merging a listing into them, and our own changes. */
#include "fs/children.h"

#include "fs/evict.h"
#include "fs/notify.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

static struct snapshot *snapshot_new(size_t cap)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s) {
		return NULL;
	}
	s->children = calloc(cap, sizeof(struct node *));
	if (!s->children) {
		free(s);
		return NULL;
	}
	s->cap = cap;
	s->refs = 1;
	s->loaded = NEVER;
	return s;
}

static void snapshot_unref_locked(struct tree *t, struct snapshot *s) REQUIRES(t->lock)
{
	if (!s || --s->refs > 0) {
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		if (s->children[i]) {
			node_unref_locked(t, s->children[i]);
		}
	}
	free(s->children);
	free(s);
}

void snapshot_unref(struct mount *m, struct snapshot *s)
{
	mutex_lock(&m->tree.lock);
	snapshot_unref_locked(&m->tree, s);
	mutex_unlock(&m->tree.lock);
}

/* Only nobody's offsets may change. */
static void snapshot_compact(struct snapshot *s)
{
	size_t to = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->children[i]) {
			s->children[i]->slot = (uint32_t)to;
			s->children[to++] = s->children[i];
		}
	}
	s->n = to;
	s->dead = 0;
}

static int snapshot_reserve(struct snapshot *s)
{
	size_t cap = s->cap ? s->cap * 2 : 8;
	struct node **grown;

	if (s->n < s->cap) {
		return 0;
	}
	if (s->refs == 1 && s->dead > s->n / 2) {
		snapshot_compact(s);
		return 0;
	}
	grown = realloc(s->children, cap * sizeof(struct node *));
	if (!grown) {
		return -ENOMEM;
	}
	s->children = grown;
	s->cap = cap;
	return 0;
}

/* The room for what might have been kept of the old listing, mostly not needed. */
static void snapshot_trim(struct snapshot *s)
{
	size_t cap = s->n + 8;
	struct node **fit =
		cap < s->cap ? realloc(s->children, cap * sizeof(struct node *)) : NULL;

	if (fit) {
		s->children = fit;
		s->cap = cap;
	}
}

static void snapshot_append(struct tree *t, struct snapshot *s, struct node *n)
	REQUIRES(t->lock)
{
	assert(s->n < s->cap);
	node_ref_locked(t, n);
	n->slot = (uint32_t)s->n;
	s->children[s->n++] = n;
}

/* Only the current snapshot of a directory is asked: slots are of that one. */
static bool snapshot_has(const struct snapshot *s, const struct node *n)
{
	return n->slot < s->n && s->children[n->slot] == n;
}

static void snapshot_remove(struct tree *t, struct snapshot *s, struct node *n)
	REQUIRES(t->lock)
{
	assert(snapshot_has(s, n));
	s->children[n->slot] = NULL;
	s->dead++;
	node_unref_locked(t, n);
}

/* The children of a directory that dies are gone already, or die with the
 * whole tree. */
void dir_free_locked(struct tree *t, struct dir *d)
{
	if (!d) {
		return;
	}
	evict_unlink_locked(t, d);
	if (d->snap && --d->snap->refs == 0) {
		free(d->snap->children);
		free(d->snap);
	}
	for (size_t i = 0; i < d->n_removed; i++) {
		free(d->removed[i]);
	}
	free(d->removed);
	free(d->missed);
	free(d);
}

int children_of_locked(struct tree *t, struct node *n, struct dir **ret)
{
	struct dir *d;

	if (n->kind != ENTRY_DIR) {
		return -ENOTDIR;
	}
	if (n->flags & NODE_GONE) {
		return -ENOENT;
	}
	if (!n->dir) {
		d = calloc(1, sizeof(*d));
		if (!d) {
			return -ENOMEM;
		}
		d->snap = snapshot_new(8);
		if (!d->snap) {
			free(d);
			return -ENOMEM;
		}
		n->dir = d;
		evict_used_locked(t, d);
	}
	*ret = n->dir;
	return 0;
}

/* Takes the name out of the tree, and all below it: nothing may be hashed under
 * a gone directory. A loop, since depth is the server's choice. The caller
 * takes care of the slot that top has in its parent. */
static void bury_locked(struct tree *t, struct node *top) REQUIRES(t->lock)
{
	struct node *at = top;

	for (;;) {
		struct snapshot *s =
			at->kind == ENTRY_DIR && at->dir ? at->dir->snap : NULL;
		struct node *up = at->parent;

		while (s && s->n > 0 && !s->children[s->n - 1]) {
			s->n--;
		}
		if (s && s->n > 0) {
			at = s->children[s->n - 1];
			continue;
		}
		if (s) { /* a rename may still bring top back: not as an empty directory
			  */
			s->loaded = NEVER;
		}
		if (at == top) {
			break;
		}
		up->dir->snap->n--;
		node_remove_locked(t, at);
		node_unref_locked(t, at); /* the slot's */
		at = up;
	}
	node_remove_locked(t, top);
}

bool children_any_local_locked(struct tree *t, struct node *n)
{
	struct snapshot *s = n->kind == ENTRY_DIR && n->dir ? n->dir->snap : NULL;

	(void)t;
	for (size_t i = 0; s && i < s->n; i++) {
		struct node *c = s->children[i];

		if (c && (c->flags & NODE_LOCAL) && !(c->flags & NODE_GONE)) {
			return true;
		}
	}
	return false;
}

void children_drop_locked(struct tree *t, struct node *n)
{
	struct snapshot *s = n->parent->dir->snap;

	node_ref_locked(t, n);
	snapshot_remove(t, s, n);
	bury_locked(t, n);
	node_unref_locked(t, n);
}

void children_vanish_locked(struct tree *t, struct node *n)
{
	notify_gone_locked(t, n);
	children_drop_locked(t, n);
}

void children_unlist_locked(struct tree *t, struct node *n)
{
	snapshot_remove(t, n->parent->dir->snap, n);
}

void children_tidy_locked(struct tree *t, struct dir *d)
{
	(void)t;
	if (d->snap->refs == 1 && d->snap->dead > d->snap->n / 2) {
		snapshot_compact(d->snap);
		snapshot_trim(d->snap);
	}
}

int children_add_locked(struct tree *t, struct node *parent, const char *name,
			enum entry_kind kind, struct node **ret)
{
	struct dir *d = NULL;
	struct node *n;
	int r = children_of_locked(t, parent, &d);

	if (r < 0) {
		return r;
	}
	r = snapshot_reserve(d->snap);
	if (r < 0) {
		return r;
	}
	n = node_new_locked(t, parent, name, kind);
	if (!n) {
		return -ENOMEM;
	}
	snapshot_append(t, d->snap, n);
	*ret = n;
	return 0;
}

/* A removal of ours: a listing that is under way may still show the name. */
static void note_removed_locked(struct tree *t, struct dir *d, const char *name)
	REQUIRES(t->lock)
{
	char **grown, *copy;

	d->removed_at = ++t->clock;
	if (!d->loading || d->lost_track) {
		return;
	}
	copy = strdup(name);
	grown = realloc(d->removed, (d->n_removed + 1) * sizeof(char *));
	if (grown) {
		d->removed = grown;
	}
	if (!copy || !grown) {
		free(copy);
		d->lost_track = true;
		return;
	}
	d->removed[d->n_removed++] = copy;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool was_removed(const struct dir *d, const char *name)
{
	return d->n_removed &&
	       bsearch(&name, d->removed, d->n_removed, sizeof(char *), compare_names);
}

static int merge_row_locked(struct tree *t, struct node *parent, const struct entry *e,
			    uint32_t clock, int64_t now, struct snapshot *s)
	REQUIRES(t->lock)
{
	struct node *c = node_find_locked(t, parent, e->name);
	bool fresh = false;

	/* The slot in the old snapshot keeps a buried node alive until the merge has
	 * passed it. */
	if (c && child_kind_differs(c, e->kind) && !child_is_ours(c, clock) &&
	    !snapshot_has(s, c)) {
		notify_gone_locked(t, c);
		bury_locked(t, c);
		c = NULL;
	}
	if (!c) {
		if (strlen(e->name) > NAME_LIMIT || was_removed(parent->dir, e->name)) {
			return 0;
		}
		c = node_new_locked(t, parent, e->name, e->kind);
		if (!c) {
			return -ENOMEM;
		}
		fresh = true;
		if (now < parent->dir->absent_until) {
			notify_appeared_locked(t, c);
		}
	}
	if (snapshot_has(s, c)) {
		return 0; /* the same name twice */
	}
	if (fresh || !(c->stamp > clock)) {
		node_update_locked(t, c, e, now);
	}
	snapshot_append(t, s, c);
	return 0;
}

int children_merge_locked(struct tree *t, struct node *n, const struct listing *l,
			  uint32_t clock)
{
	struct dir *d = n->dir;
	struct snapshot *old = d->snap, *s = snapshot_new(l->n + old->n + 8);
	bool proves = !l->incomplete && l->rejected == 0;
	int64_t now = now_ms();
	int r = 0;

	if (!s) {
		return -ENOMEM;
	}
	if (d->n_removed) {
		qsort(d->removed, d->n_removed, sizeof(char *), compare_names);
	}
	for (size_t i = 0; i < l->n && r == 0; i++) {
		r = merge_row_locked(t, n, &l->entries[i], clock, now, s);
	}
	for (size_t i = 0; i < old->n; i++) {
		struct node *c = old->children[i];

		if (!c || (c->flags & NODE_GONE) || snapshot_has(s, c)) {
			continue;
		}
		if (r == 0 && proves && !child_is_ours(c, clock)) {
			notify_gone_locked(t, c);
			bury_locked(t, c);
		} else {
			snapshot_append(t, s, c);
		}
	}
	if (r == 0) {
		s->complete = proves;
		s->loaded = now;
	}
	snapshot_trim(s);
	d->snap = s;
	snapshot_unref_locked(t, old);
	return r;
}

static int added_locked(struct tree *t, struct node *parent, const char *name,
			const struct entry *e, struct node **ret) REQUIRES(t->lock)
{
	struct node *n = node_find_locked(t, parent, name);
	struct dir *d = NULL;
	int r;

	if (n && child_kind_differs(n, e->kind)) {
		children_drop_locked(t, n);
		n = NULL;
	}
	if (!n) {
		r = children_add_locked(t, parent, name, e->kind, &n);
		if (r < 0) {
			return r;
		}
		if (e->kind == ENTRY_DIR && children_of_locked(t, n, &d) == 0) {
			d->snap->complete = true;
			d->snap->loaded = now_ms();
		}
	}
	node_update_locked(t, n, e, now_ms());
	n->stamp = ++t->clock;
	node_ref_locked(t, n);
	*ret = n;
	return 0;
}

int dir_added(struct mount *m, struct node *parent, const char *name,
	      const struct entry *e, struct node **ret)
{
	int r;

	mutex_lock(&m->tree.lock);
	r = added_locked(&m->tree, parent, name, e, ret);
	mutex_unlock(&m->tree.lock);
	return r;
}

void dir_removed(struct mount *m, struct node *n)
{
	mutex_lock(&m->tree.lock);
	if (n != m->tree.root && n->parent->dir) {
		note_removed_locked(&m->tree, n->parent->dir, node_name(n));
		if (!(n->flags & NODE_GONE)) {
			children_drop_locked(&m->tree, n);
		}
	}
	mutex_unlock(&m->tree.lock);
}

static int moved_locked(struct tree *t, struct node *n, struct node *parent,
			const char *name) REQUIRES(t->lock)
{
	struct node *target = node_find_locked(t, parent, name);
	struct dir *from = n->parent->dir, *to = NULL;
	int r;

	if (target == n) {
		return 0;
	}
	if (target) {
		children_drop_locked(t, target);
	}
	note_removed_locked(t, from, node_name(n));
	if (!(n->flags & NODE_GONE)) {
		snapshot_remove(t, from->snap, n);
	}
	r = children_of_locked(t, parent, &to);
	if (r == 0) {
		r = snapshot_reserve(to->snap);
	}
	if (r == 0) {
		r = node_move_locked(t, n, parent, name);
	}
	if (r == 0) {
		snapshot_append(t, to->snap, n);
	} else if (!(n->flags & NODE_GONE)) {
		bury_locked(t, n);
	}
	n->stamp = ++t->clock;
	if (n->kind == ENTRY_DIR) {
		t->dir_moved = t->clock;
	}
	return r;
}

int dir_moved(struct mount *m, struct node *n, struct node *parent, const char *name)
{
	int r;

	mutex_lock(&m->tree.lock);
	node_ref_locked(&m->tree, n);
	r = moved_locked(&m->tree, n, parent, name);
	if (r < 0 && parent->kind == ENTRY_DIR && parent->dir) {
		parent->dir->snap->loaded =
			NEVER; /* it has a name that we could not add */
	}
	node_unref_locked(&m->tree, n);
	mutex_unlock(&m->tree.lock);
	return r;
}

static void forget_locked(struct tree *t, struct node *n) REQUIRES(t->lock)
{
	(void)t;
	n->checked = NEVER;
	if (n->kind == ENTRY_DIR && n->dir) {
		n->dir->snap->loaded = NEVER;
		n->dir->missed_at = NEVER / 2;
	}
}

void dir_touched(struct mount *m, struct node *dir)
{
	mutex_lock(&m->tree.lock);
	dir->mtime = time(NULL);
	dir->flags &= (uint8_t) ~(NODE_COARSE | NODE_KEEP_MTIME);
	mutex_unlock(&m->tree.lock);
}

void dir_distrust(struct mount *m, struct node *n)
{
	mutex_lock(&m->tree.lock);
	forget_locked(&m->tree, n);
	mutex_unlock(&m->tree.lock);
}

void dir_forget_all(struct mount *m)
{
	mutex_lock(&m->tree.lock);
	for (size_t i = 0; i < m->tree.n_buckets; i++) {
		for (struct node *n = m->tree.buckets[i]; n; n = n->hash_next) {
			forget_locked(&m->tree, n);
		}
	}
	forget_locked(&m->tree, m->tree.root);
	mutex_unlock(&m->tree.lock);
}
