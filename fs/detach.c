/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that lose their name while they are open: their handles live on, from the spool. */
#include "fs/file_private.h"

#include <errno.h>

enum { CLOSING_MS = 50 }; /* a close() just made has its release on the way */

static bool alone_locked(struct file *f) REQUIRES(f->lock)
{
	bool alone;

	mutex_lock(&f->m->tree.lock);
	alone = f->handles == 1;
	mutex_unlock(&f->m->tree.lock);
	return alone;
}

static int detach_locked(struct file *f, const struct wait *w) REQUIRES(f->lock)
{
	int64_t deadline = now_ms() + CLOSING_MS;
	bool local;
	int r;

	/* Programs close and unlink in one breath: not worth a download. */
	while (!alone_locked(f) &&
	       cond_wait(&f->idle, &f->lock, w, MIN(now_ms() + 10, deadline)) == 0) {
	}
	r = file_own_locked(f, w);
	if (r < 0 || f->detached) {
		return r;
	}
	r = file_unfollow_locked(f, w);
	if (r < 0) {
		return r;
	}
	mutex_lock(&f->m->tree.lock);
	local = f->n->flags & NODE_LOCAL;
	mutex_unlock(&f->m->tree.lock);
	if (alone_locked(f)) {
		f->worthless = true;
	} else if (!local) {
		r = file_spool_locked(f);
		if (r == 0) {
			r = file_fetch_locked(f, w, 0, spool_size(f->spool));
		}
		if (r < 0) {
			return r;
		}
	}
	f->detached = true;
	mutex_lock(&f->m->tree.lock);
	f->n->flags |= NODE_DIRTY;
	mutex_unlock(&f->m->tree.lock);
	file_retire_locked(f);
	file_check_locked(f);
	return 0;
}

int file_detach(struct mount *m, struct node *n, const struct wait *w)
{
	struct file *f = file_pin(m, n);
	int r;

	if (!f) {
		return 0;
	}
	mutex_lock(&f->lock);
	r = detach_locked(f, w);
	mutex_unlock(&f->lock);
	file_reap(f);
	file_drop(f, w);
	return r;
}

void file_reattach(struct mount *m, struct node *n)
{
	struct file *f = file_pin(m, n);

	if (!f) {
		return;
	}
	mutex_lock(&f->lock);
	f->detached = false;
	f->worthless = false;
	if (!f->spool || !spool_is_modified(f->spool)) {
		mutex_lock(&f->m->tree.lock);
		n->flags &= (uint8_t)~NODE_DIRTY;
		mutex_unlock(&f->m->tree.lock);
	}
	mutex_unlock(&f->lock);
	file_drop(f, NULL);
}
