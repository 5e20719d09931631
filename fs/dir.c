/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listings and lookups: the half that asks the server.
 *
 * Loading, by dir->loading and dir->round:
 *
 *	state    loading  who acts                     leaves by
 *	idle     false    anybody may become leader    load_locked()
 *	loading  true     the leader, without the      end of remote_list(): round
 *	                  lock; others wait, or go     counts up, error is set, all
 *	                  on with what is cached       waiters wake */
#include "fs/dir.h"

#include "fs/children.h"
#include "fs/evict.h"
#include "fs/links.h"
#include "fs/options.h"
#include "net/path.h"

#include <errno.h>
#include <string.h>

enum {
	BURST_MS = 2000, /* a third lone question within this: list instead */
	RELOAD_LIMIT =
		5000, /* a larger directory is not listed again for three stale files */
	EVICT_MORE =
		1024, /* nodes looked at for eviction per load, beside twice what it brought */
	EVICT_FEW = 32, /* and per lone lookup */
	TRIES = 5, /* when our own changes overtake an answer */
	MISSED_MS = 1000, /* open(O_CREAT) asks right behind the kernel's own lookup */
};

/* What an answer of the server is judged by once the lock is held again. */
struct question {
	char *path;
	uint32_t clock; /* tree->clock when it was put */
};

static void question_release(struct question *q)
{
	free(q->path);
}

/* The path of n (and of the name below it, when given), and the time of the
 * question. Drops the lock while the first connection is made. */
static int ask_locked(struct mount *m, struct node *n, const char *name,
		      const struct wait *w, struct question *q) REQUIRES(m->tree.lock)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (!remote_base(m->remote)) {
		mutex_unlock(&m->tree.lock);
		r = remote_connect(m->remote, w, NULL);
		mutex_lock(&m->tree.lock);
		if (r < 0) {
			return remote_errno(r);
		}
	}
	path = node_path_locked(&m->tree, remote_base(m->remote), n);
	if (path && name) {
		char *joined = path_join(path, name);

		free(path);
		path = joined;
	}
	if (!path) {
		return -ENOMEM;
	}
	q->path = steal(&path);
	q->clock = m->tree.clock;
	return 0;
}

/* Whether a rename of ours has taken the ground from under the question. */
static bool moved_since_locked(struct mount *m, struct node *n, const char *name,
			       const struct question *q) REQUIRES(m->tree.lock)
{
	_cleanup_(question_release) struct question again = { 0 };

	if (m->tree.dir_moved <= q->clock) {
		return false;
	}
	return ask_locked(m, n, name, NULL, &again) < 0 ||
	       strcmp(again.path, q->path) != 0;
}

static void load_end_locked(struct tree *t, struct dir *d, int error) REQUIRES(t->lock)
{
	for (size_t i = 0; i < d->n_removed; i++) {
		free(d->removed[i]);
	}
	d->n_removed = 0;
	d->lost_track = false;
	d->loading = false;
	d->error = error;
	d->round++;
	cond_broadcast(&t->loaded);
}

/* -EAGAIN: overtaken by a change of ours, look again. */
static int load_locked(struct mount *m, struct node *n, const struct wait *w)
	REQUIRES(m->tree.lock)
{
	_cleanup_(question_release) struct question q = { 0 };
	_cleanup_(listing_freep) struct listing *l = NULL;
	struct dir *d = n->dir;
	int r;

	d->loading = true;
	r = ask_locked(m, n, NULL, w, &q);
	if (r == 0) {
		mutex_unlock(&m->tree.lock);
		r = remote_list(m->remote, w, q.path, &l);
		if (r == 0) {
			links_filter(m, w, q.path, l);
		}
		mutex_lock(&m->tree.lock);
	}
	if (n->flags & NODE_GONE) {
		r = -ENOENT;
	} else if (r != -EINTR && q.path &&
		   (d->lost_track || moved_since_locked(m, n, NULL, &q))) {
		r = -EAGAIN;
	} else if (r == 0) {
		r = children_merge_locked(&m->tree, n, l, q.clock);
		evict_locked(&m->tree, 2 * l->n + EVICT_MORE, d);
	} else if ((r == -ENOENT || r == -ENOTDIR) && n != m->tree.root &&
		   !child_is_ours(n, q.clock)) {
		children_vanish_locked(&m->tree, n);
	}
	load_end_locked(&m->tree, d, r);
	return r;
}

static bool listed_within(const struct dir *d, int64_t age)
{
	return d->snap->loaded != NEVER && now_ms() - d->snap->loaded < age;
}

/* A listing at most `age` ms old, or one that ended while we waited for it. The
 * caller keeps n alive. */
static int ensure_locked(struct mount *m, struct node *n, int64_t age,
			 const struct wait *w) REQUIRES(m->tree.lock)
{
	for (int tries = 0; tries < TRIES;) {
		struct dir *d = NULL;
		uint32_t round;
		int r = children_of_locked(&m->tree, n, &d);

		if (r < 0) {
			return r;
		}
		if (listed_within(d, age)) {
			return 0;
		}
		round = d->round;
		if (!d->loading) {
			r = load_locked(m, n, w);
			if (r != -EAGAIN) {
				return r;
			}
			tries++;
			continue;
		}
		while (d->round == round) {
			r = cond_wait(&m->tree.loaded, &m->tree.lock, w, INT64_MAX);
			if (r < 0) {
				return r;
			}
		}
		/* The leader was interrupted or overtaken: that is not our end. */
		if (d->error != -EINTR && d->error != -EAGAIN) {
			return d->error;
		}
	}
	return -EIO;
}

int dir_get(struct mount *m, struct node *n, const struct wait *w, struct snapshot **ret)
{
	int r;

	mutex_lock(&m->tree.lock);
	r = ensure_locked(m, n, m->opt->dir_ttl, w);
	if (r == 0) {
		evict_used_locked(&m->tree, n->dir);
		n->dir->snap->refs++;
		*ret = n->dir->snap;
	}
	mutex_unlock(&m->tree.lock);
	return r;
}

/* Judges a stat of (parent, name). 0 with *ret; -ENOENT; -EAGAIN. */
static int apply_locked(struct tree *t, struct node *parent, const char *name,
			const struct question *q, int error, const struct stat_result *st,
			struct node **ret) REQUIRES(t->lock)
{
	struct node *c = node_find_locked(t, parent, name);
	struct entry e = st->entry;
	int r;

	if (c && child_is_ours(c, q->clock)) {
		*ret = c;
		return 0;
	}
	if (!c && parent->dir->removed_at > q->clock) {
		return -EAGAIN;
	}
	if (error == -ENOENT) {
		if (c) {
			children_vanish_locked(t, c);
		}
		return -ENOENT;
	}
	/* Some servers look through links here. The listing told the truth. */
	if (c && c->kind == ENTRY_SYMLINK && e.kind != ENTRY_SYMLINK) {
		c->checked = now_ms();
		*ret = c;
		return 0;
	}
	if (c && child_kind_differs(c, e.kind)) {
		children_vanish_locked(t, c);
		c = NULL;
	}
	if (!c) {
		r = children_add_locked(t, parent, name, e.kind, &c);
		if (r < 0) {
			return r;
		}
	}
	e.target = st->target;
	node_update_locked(t, c, &e, now_ms());
	*ret = c;
	return 0;
}

/* The server has just said that it has no such name. */
static void note_missed(struct dir *d, const char *name)
{
	free(d->missed);
	d->missed = strdup(name);
	d->missed_at = now_ms();
}

static bool just_missed(const struct mount *m, const struct dir *d, const char *name)
{
	int64_t age = MIN(MIN(m->opt->neg_ttl, m->opt->dir_ttl), (int64_t)MISSED_MS);

	return d->missed && now_ms() - d->missed_at < age && strcmp(d->missed, name) == 0;
}

/* One remote_stat() of a name. Results as of apply_locked(), or why it failed. */
static int stat_locked(struct mount *m, struct node *parent, const char *name,
		       const struct wait *w, struct node **ret) REQUIRES(m->tree.lock)
{
	_cleanup_(question_release) struct question q = { 0 };
	_cleanup_(stat_result_release) struct stat_result st = { 0 };
	struct dir *d = NULL;
	int r = ask_locked(m, parent, name, w, &q);

	if (r < 0) {
		return r;
	}
	mutex_unlock(&m->tree.lock);
	r = remote_stat(m->remote, w, q.path, &st);
	r = links_filter_stat(m, w, q.path, r, &st);
	mutex_lock(&m->tree.lock);
	if (r < 0 && r != -ENOENT) {
		return r;
	}
	if (moved_since_locked(m, parent, name, &q)) {
		return -EAGAIN;
	}
	if (children_of_locked(&m->tree, parent, &d) < 0) {
		return -ENOENT;
	}
	/* SIZE and CWD look through links, and tell no mode: a name that is new to us is taken
	 * from a listing. */
	if (r == 0 && (links_want_listing(m, &st.entry) || !remote_has_stat(m->remote)) &&
	    !node_find_locked(&m->tree, parent, name)) {
		r = ensure_locked(m, parent, MAX(m->opt->dir_ttl, (int64_t)1), w);
		*ret = r == 0 ? node_find_locked(&m->tree, parent, name) : NULL;
		if (r < 0 || *ret || children_of_locked(&m->tree, parent, &d) < 0 ||
		    d->snap->complete) {
			return r < 0 ? r : *ret ? 0 : -ENOENT;
		}
	}
	r = apply_locked(&m->tree, parent, name, &q, r, &st, ret);
	if (r == -ENOENT) {
		note_missed(d, name);
	}
	return r;
}

/* Notes one more; true for the third within BURST_MS. */
static bool burst(int64_t times[static 2])
{
	int64_t now = now_ms();
	bool third = times[0] && now - times[0] <= BURST_MS;

	times[0] = times[1];
	times[1] = now;
	return third;
}

static int64_t ttl_left(const struct mount *m, int64_t since)
{
	int64_t left;

	if (since == NEVER) {
		return 0;
	}
	left = since + m->opt->dir_ttl - now_ms();
	return MAX(left, (int64_t)0);
}

int64_t dir_ttl_left_locked(struct mount *m, const struct node *n)
{
	if (n == m->tree.root || (n->flags & (NODE_DIRTY | NODE_LOCAL))) {
		return m->opt->dir_ttl;
	}
	return n->flags & NODE_GONE ? 0 : ttl_left(m, n->checked);
}

static int lookup_locked(struct mount *m, struct node *parent, const char *name,
			 bool has_stat, const struct wait *w, struct node **ret,
			 int64_t *ret_absent_ms) REQUIRES(m->tree.lock)
{
	for (int tries = 0; tries < TRIES; tries++) {
		struct dir *d = NULL;
		struct node *c;
		bool known;
		int r = children_of_locked(&m->tree, parent, &d);

		if (r < 0) {
			return r;
		}
		c = node_find_locked(&m->tree, parent, name);
		known = c && c->kind != ENTRY_UNKNOWN && dir_ttl_left_locked(m, c) > 0;
		if (!known && !listed_within(d, m->opt->dir_ttl) && m->opt->dir_ttl > 0 &&
		    (!has_stat || burst(d->lookups))) {
			r = ensure_locked(m, parent, m->opt->dir_ttl, w);
			if (r < 0) {
				return r;
			}
			c = node_find_locked(&m->tree, parent, name);
			known = c && c->kind != ENTRY_UNKNOWN;
		}
		if (known) {
			*ret = c;
			return 0;
		}
		if (!c && d->snap->complete && listed_within(d, m->opt->dir_ttl)) {
			*ret_absent_ms = ttl_left(m, d->snap->loaded);
			return -ENOENT;
		}
		r = !c && just_missed(m, d, name) ? -ENOENT
						  : stat_locked(m, parent, name, w, ret);
		if (r != -EAGAIN) {
			*ret_absent_ms = MIN(m->opt->neg_ttl, m->opt->dir_ttl);
			return r;
		}
	}
	return -EIO;
}

int dir_name_check(const char *name)
{
	size_t len = strlen(name);

	return len > NAME_LIMIT ? -ENAMETOOLONG : path_name_check(name, len);
}

int dir_lookup(struct mount *m, struct node *parent, const char *name,
	       const struct wait *w, struct node **ret, int64_t *ret_ttl_ms)
{
	bool has_stat = remote_has_stat(m->remote);
	struct node *n = NULL;
	int64_t absent_ms = 0;
	int r = dir_name_check(name);

	if (r < 0) {
		return r;
	}
	mutex_lock(&m->tree.lock);
	r = lookup_locked(m, parent, name, has_stat, w, &n, &absent_ms);
	if (r == 0) {
		node_looked_up_locked(&m->tree, n);
		*ret = n;
		*ret_ttl_ms = dir_ttl_left_locked(m, n);
		evict_locked(&m->tree, EVICT_FEW, parent->dir);
	} else if (r == -ENOENT) {
		*ret_ttl_ms = absent_ms;
		if (parent->dir) {
			parent->dir->absent_until =
				MAX(parent->dir->absent_until, now_ms() + absent_ms);
		}
	}
	mutex_unlock(&m->tree.lock);
	return r;
}

static bool recent(const struct mount *m, const struct node *n, int64_t age)
{
	return n == m->tree.root || (n->flags & (NODE_DIRTY | NODE_LOCAL)) ||
	       (n->checked != NEVER && now_ms() - n->checked < age);
}

static int refresh_locked(struct mount *m, struct node *n, int64_t age, bool has_stat,
			  const struct wait *w) REQUIRES(m->tree.lock)
{
	for (int tries = 0; tries < TRIES && !(n->flags & NODE_GONE); tries++) {
		_cleanup_free_ char *name = NULL;
		struct node *parent = n->parent, *c = NULL;
		struct dir *d;
		int r = 0;

		if (recent(m, n, age)) {
			return 0;
		}
		d = parent->dir;
		name = strdup(node_name(n));
		if (!name) {
			return -ENOMEM;
		}
		node_ref_locked(&m->tree, parent);
		if (age > 0 &&
		    (!has_stat || (burst(d->refreshes) && d->snap->n <= RELOAD_LIMIT))) {
			r = ensure_locked(m, parent, age, w);
		}
		if (r == 0 && !(n->flags & NODE_GONE) && !recent(m, n, age)) {
			r = stat_locked(m, parent, name, w, &c);
		}
		node_unref_locked(&m->tree, parent);
		if (r < 0 && r != -EAGAIN) {
			return r;
		}
		if (r == 0 && c) {
			return c == n ? 0 : -ESTALE;
		}
	}
	return n->flags & NODE_GONE ? -ENOENT : -EIO;
}

int dir_refresh(struct mount *m, struct node *n, int64_t max_age_ms, const struct wait *w)
{
	bool has_stat = remote_has_stat(m->remote);
	int r;

	mutex_lock(&m->tree.lock);
	node_ref_locked(&m->tree, n);
	r = refresh_locked(m, n, max_age_ms, has_stat, w);
	node_unref_locked(&m->tree, n);
	mutex_unlock(&m->tree.lock);
	return r;
}

int dir_ask(struct mount *m, struct node *parent, const char *name, const struct wait *w)
{
	_cleanup_(question_release) struct question q = { 0 };
	_cleanup_(stat_result_release) struct stat_result st = { 0 };
	const struct node *n;
	struct dir *d = NULL;
	bool known = false;
	int r = dir_name_check(name);

	if (r < 0) {
		return r;
	}
	mutex_lock(&m->tree.lock);
	r = children_of_locked(&m->tree, parent, &d);
	n = r == 0 ? node_find_locked(&m->tree, parent, name) : NULL;
	if (n && (n->flags & (NODE_LOCAL | NODE_DIRTY))) {
		known = true;
	} else if (r == 0 && !n && just_missed(m, d, name)) {
		r = -ENOENT;
	} else if (r == 0) {
		r = ask_locked(m, parent, name, w, &q);
	}
	mutex_unlock(&m->tree.lock);
	if (r < 0 || known) {
		return r;
	}
	r = remote_stat(m->remote, w, q.path, &st);
	if (r == 0) {
		dir_distrust(m, parent);
	}
	return r;
}

int dir_path(struct mount *m, struct node *n, const struct wait *w, char **ret)
{
	struct question q = { 0 };
	int r;

	mutex_lock(&m->tree.lock);
	r = ask_locked(m, n, NULL, w, &q);
	mutex_unlock(&m->tree.lock);
	if (r == 0) {
		*ret = q.path;
	}
	return r;
}

int dir_learn_links(struct mount *m, struct node *link, const struct wait *w)
{
	_cleanup_(question_release) struct question q = { 0 };
	_cleanup_(listing_freep) struct listing *l = NULL;
	struct node *parent;
	int r;

	mutex_lock(&m->tree.lock);
	parent = link->parent;
	node_ref_locked(&m->tree, parent);
	r = ask_locked(m, parent, NULL, w, &q);
	mutex_unlock(&m->tree.lock);
	if (r == 0) {
		r = remote_links(m->remote, w, q.path, &l);
	}
	mutex_lock(&m->tree.lock);
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		const struct entry *e = &l->entries[i];
		struct node *n =
			e->target ? node_find_locked(&m->tree, parent, e->name) : NULL;

		if (n && n->kind == ENTRY_SYMLINK && !n->target) {
			n->target = strdup(e->target);
			r = n->target ? 0 : -ENOMEM;
		}
	}
	node_unref_locked(&m->tree, parent);
	mutex_unlock(&m->tree.lock);
	return r;
}
