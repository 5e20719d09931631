/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/notify.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

enum {
	STOP_MS = 2000,
	AWAIT_MS = 1000,
};

enum notice_kind { NOTICE_CONTENT, NOTICE_GONE, NOTICE_NAME };

struct notice {
	struct notice *next;
	enum notice_kind kind;
	struct node *parent, *n; /* referenced: their addresses stay theirs */
	char *name;
};

struct notifier {
	struct fuse_session *se;
	struct tree *tree;
	struct cond sent;
	/* All under tree->lock. */
	struct notice *first, **last;
	const struct node *sending;
	size_t queued;
	bool running, joinable, stopping;
	pthread_t thread;
};

static struct notice *notice_new_locked(struct tree *t, enum notice_kind kind,
					struct node *n) REQUIRES(t->lock)
{
	struct notice *new = calloc(1, sizeof(*new));

	if (!new) {
		return NULL;
	}
	new->name = strdup(node_name(n));
	if (!new->name) {
		free(new);
		return NULL;
	}
	new->kind = kind;
	new->n = n;
	new->parent = n->parent ? n->parent : n;
	node_ref_locked(t, new->n);
	node_ref_locked(t, new->parent);
	return new;
}

static void notice_free_locked(struct tree *t, struct notice *notice) REQUIRES(t->lock)
{
	node_unref_locked(t, notice->n);
	node_unref_locked(t, notice->parent);
	free(notice->name);
	free(notice);
}

/* ---- the thread ---- */

static void notice_send(struct notifier *f, const struct notice *notice)
{
	fuse_ino_t ino = node_ino(f->tree, notice->n);
	fuse_ino_t parent = node_ino(f->tree, notice->parent);
	size_t len = strlen(notice->name);

	switch (notice->kind) {
	case NOTICE_CONTENT:
		(void)fuse_lowlevel_notify_inval_inode(f->se, ino, 0, 0);
		break;
	case NOTICE_GONE:
		/* With the inode's number, so that what we have made meanwhile under the same
		 * name is not hit; it also tells inotify. */
		if (fuse_lowlevel_notify_delete(f->se, parent, ino, notice->name, len) ==
		    -ENOTEMPTY) {
			(void)fuse_lowlevel_notify_expire_entry(
				f->se, parent, notice->name, len, FUSE_LL_EXPIRE_ONLY);
		}
		break;
	case NOTICE_NAME:
		(void)fuse_lowlevel_notify_inval_entry(f->se, parent, notice->name, len);
		break;
	}
}

static void enqueue_locked(struct notifier *f, struct notice *notice)
{
	*f->last = notice;
	f->last = &notice->next;
	f->queued++;
}

static struct notice *next_locked(struct notifier *f) REQUIRES(f->tree->lock)
{
	struct notice *notice;

	notice = f->stopping ? NULL : f->first;
	if (notice) {
		f->first = notice->next;
		f->last = f->first ? f->last : &f->first;
		f->queued--;
	}
	return notice;
}

static void *notify_thread(void *arg)
{
	struct notifier *f = arg;
	struct notice *notice;

	mutex_lock(&f->tree->lock);
	while ((notice = next_locked(f))) {
		f->sending = notice->n;
		mutex_unlock(&f->tree->lock);
		notice_send(f, notice);
		mutex_lock(&f->tree->lock);
		f->sending = NULL;
		notice_free_locked(f->tree, notice);
		cond_broadcast(&f->sent);
	}
	f->running = false;
	cond_broadcast(&f->sent);
	mutex_unlock(&f->tree->lock);
	return NULL;
}

/* Signals are for the session loop. */
static void run_locked(struct tree *t, struct notifier *f) REQUIRES(t->lock)
{
	sigset_t all, old;

	(void)t;
	if (f->running || f->stopping) {
		return;
	}
	if (f->joinable) { /* it has passed its last lock */
		(void)pthread_join(f->thread, NULL);
	}
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	f->joinable = f->running =
		pthread_create(&f->thread, NULL, notify_thread, f) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void notify_locked(struct tree *t, enum notice_kind kind, struct node *n)
	REQUIRES(t->lock)
{
	struct notifier *f = t->notifier;
	struct notice *notice;

	if (!f || f->stopping || f->queued >= NOTICES_MAX) {
		return;
	}
	notice = notice_new_locked(t, kind, n);
	if (notice) {
		enqueue_locked(f, notice);
		run_locked(t, f);
	}
}

/* ---- what there is to say ---- */

void notify_content_locked(struct tree *t, struct node *n)
{
	if (n->nlookup) {
		notify_locked(t, NOTICE_CONTENT, n);
	}
}

void notify_gone_locked(struct tree *t, struct node *n)
{
	if (n->nlookup) {
		notify_locked(t, NOTICE_GONE, n);
	}
}

void notify_unwanted_locked(struct tree *t, struct node *n)
{
	if (n->nlookup) {
		notify_locked(t, NOTICE_NAME, n);
	}
}

void notify_appeared_locked(struct tree *t, struct node *n)
{
	notify_locked(t, NOTICE_NAME, n);
}

static bool pending_locked(const struct notifier *f, const struct node *n)
{
	const struct notice *i = f->first;

	while (i && i->n != n) {
		i = i->next;
	}
	return i || f->sending == n;
}

void notify_await(struct mount *m, struct node *n, const struct wait *w)
{
	struct tree *t = &m->tree;
	int64_t deadline = now_ms() + AWAIT_MS;

	mutex_lock(&t->lock);
	while (t->notifier && t->notifier->running && pending_locked(t->notifier, n)) {
		if (cond_wait(&t->notifier->sent, &t->lock, w, deadline) < 0) {
			break;
		}
	}
	mutex_unlock(&t->lock);
}

/* ---- start and end ---- */

int notify_start(struct mount *m)
{
	struct notifier *f = calloc(1, sizeof(*f));

	if (!f) {
		return -ENOMEM;
	}
	f->se = m->se;
	f->tree = &m->tree;
	f->last = &f->first;
	cond_init(&f->sent);
	mutex_lock(&m->tree.lock);
	m->tree.notifier = f;
	mutex_unlock(&m->tree.lock);
	return 0;
}

bool notify_stop(struct mount *m)
{
	struct tree *t = &m->tree;
	struct notifier *f;
	int64_t deadline = now_ms() + STOP_MS;

	mutex_lock(&t->lock);
	f = t->notifier;
	if (!f) {
		mutex_unlock(&t->lock);
		return true;
	}
	f->stopping = true;
	while (f->running) {
		if (cond_wait(&f->sent, &t->lock, NULL, deadline) < 0) {
			mutex_unlock(&t->lock);
			return false;
		}
	}
	while (f->first) {
		struct notice *next = f->first->next;

		notice_free_locked(t, f->first);
		f->first = next;
	}
	t->notifier = NULL;
	mutex_unlock(&t->lock);
	if (f->joinable) {
		(void)pthread_join(f->thread, NULL);
	}
	cond_finish(&f->sent);
	free(f);
	return true;
}
