/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/file_private.h"

#include "fs/dir.h"
#include "fs/options.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#define FOREVER (INT64_MAX / 2)

void file_check_locked(struct file *f)
{
#ifndef NDEBUG
	assert(!f->detached || f->spool || f->worthless);
	assert(!f->has_mode || f->mode <= 07777);
	assert(!f->follow || (f->spool && spool_is_modified(f->spool)));
	assert(!f->follow_ended || f->follow);
	assert(f->owed.lock < 0 || f->handles > 0);
	assert(f->held == (f->spool ? spool_held(f->spool) : 0));
	for (size_t i = 0; i < FILE_SLOTS; i++) {
		assert(f->slots[i].stream ||
		       (!f->slots[i].users && !f->slots[i].retired));
	}
#else
	(void)f;
#endif
}

int file_own_locked(struct file *f, const struct wait *w)
{
	while (f->busy) {
		int r = cond_wait(&f->idle, &f->lock, w, FOREVER);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* What the server has does not matter now. */
static bool file_is_ours_locked(struct file *f) REQUIRES(f->lock)
{
	return f->busy || f->detached || (f->spool && spool_is_modified(f->spool));
}

/* ---- handles ---- */

static struct file *file_new(struct mount *m, struct node *n)
{
	struct file *f = calloc(1, sizeof(*f));

	if (f) {
		f->m = m;
		f->n = n;
		f->owed = JOURNAL_SLOT_NONE;
		mutex_init(&f->lock);
		cond_init(&f->idle);
	}
	return f;
}

static void file_free(struct file *f)
{
	mutex_lock(&f->lock);
	assert(!f->busy);
	file_retire_locked(f);
	mutex_unlock(&f->lock);
	file_reap(f);
	file_follow_free(f); /* it reads the spool */
	mutex_lock(&f->lock);
	f->spool = spool_free(f->spool);
	file_account_locked(f);
	mutex_unlock(&f->lock);
	node_unref(&f->m->tree, f->n);
	cond_finish(&f->idle);
	mutex_finish(&f->lock);
	free(f);
}

struct file *file_pin(struct mount *m, struct node *n)
{
	struct file *f = NULL;

	mutex_lock(&m->tree.lock);
	if (n->kind == ENTRY_FILE && n->file) {
		f = n->file;
		assert(f->m == m);
		f->handles++;
	}
	mutex_unlock(&m->tree.lock);
	return f;
}

static int get_locked(struct mount *m, struct node *n, struct file **ret)
	REQUIRES(m->tree.lock)
{
	struct file *f;

	switch (n->kind) {
	case ENTRY_FILE:
		break;
	case ENTRY_DIR:
		return -EISDIR;
	case ENTRY_SYMLINK:
		return -ELOOP;
	default:
		return -ENXIO;
	}
	f = n->file;
	if (!f) {
		if (n->flags & NODE_GONE) {
			return -ENOENT;
		}
		f = file_new(m, n);
		if (!f) {
			return -ENOMEM;
		}
		node_ref_locked(&m->tree, n);
		n->file = f;
	}
	*ret = f;
	return 0;
}

int file_get(struct mount *m, struct node *n, struct file **ret)
{
	struct file *f = NULL;
	bool local;
	int r;

	mutex_lock(&m->tree.lock);
	r = get_locked(m, n, &f);
	local = n->flags & NODE_LOCAL;
	if (r == 0) {
		assert(f->m == m);
		f->handles++;
	}
	mutex_unlock(&m->tree.lock);
	if (r < 0) {
		return r;
	}
	mutex_lock(&f->lock);
	if (local && !f->spool) {
		r = file_empty_locked(f);
	}
	mutex_unlock(&f->lock);
	if (r < 0) {
		file_drop(f, NULL);
		return r;
	}
	*ret = f;
	return 0;
}

/* Under both locks: whether this is the end of f. If so the node no longer knows it. */
static bool let_go_locked(struct file *f, bool unsettled) REQUIRES(f->lock)
	REQUIRES(f->m->tree.lock)
{
	struct node *n = f->n;

	if (--f->handles > 0) {
		return false;
	}
	n->file = NULL;
	if (!f->detached) {
		n->flags &= (uint8_t)~NODE_DIRTY;
		if (unsettled) {
			n->checked = INT64_MIN;
		}
	}
	return true;
}

void file_drop(struct file *f, const struct wait *w)
{
	bool tried = false, last = false, local = false, keep = false;

	for (;;) {
		bool unsettled, settle;

		mutex_lock(&f->lock);
		unsettled = file_unsettled_locked(f);
		mutex_lock(&f->m->tree.lock);
		settle = f->handles == 1 && unsettled && !tried && f->error == 0 &&
			 !f->worthless;
		if (!settle) {
			last = let_go_locked(f, unsettled);
			local = f->n->flags & NODE_LOCAL;
			keep = last && unsettled && !f->worthless;
		}
		mutex_unlock(&f->m->tree.lock);
		if (!settle) {
			cond_broadcast(&f->idle);
		}
		mutex_unlock(&f->lock);
		if (!settle) {
			break;
		}
		(void)file_settle(f, w);
		tried = true;
	}
	if (last) {
		if (keep) {
			file_keep_lost(f);
		}
		if (local) {
			dir_removed(f->m, f->n);
		}
		file_free(f);
	}
}

void file_close(struct file *f, const struct wait *w)
{
	file_drop(f, w);
}

void file_count_writer(struct file *f, int step)
{
	mutex_lock(&f->m->tree.lock);
	assert(step > 0 || f->writers > 0);
	f->writers += (unsigned)step;
	mutex_unlock(&f->m->tree.lock);
}

int file_open(struct mount *m, struct node *n, int flags, const struct wait *w,
	      struct file **ret, bool *ret_keep)
{
	struct file *f;
	bool keep;
	int r = file_get(m, n, &f);

	if (r < 0) {
		return r;
	}
	mutex_lock(&f->lock);
	if (flags & O_TRUNC) {
		r = file_own_locked(f, w);
		if (r == 0) {
			file_compare_locked(f); /* whether there is something to lose */
			r = file_unfollow_locked(f, w);
		}
		if (r == 0) {
			r = file_empty_locked(f);
		}
	} else {
		/* What is in hand may be of the same second's last writer but one. */
		if (!f->proven && !file_is_ours_locked(f)) {
			f->seen = false;
		}
		file_compare_locked(f);
	}
	mutex_lock(&m->tree.lock);
	keep = n->flags & NODE_CACHED;
	if (node_is_proven_locked(&m->tree, n)) {
		n->flags |= NODE_CACHED;
	} else {
		n->flags &= (uint8_t)~NODE_CACHED;
	}
	mutex_unlock(&m->tree.lock);
	mutex_unlock(&f->lock);
	file_reap(f);
	if (r < 0) {
		file_drop(f, w);
		return r;
	}
	*ret = f;
	*ret_keep = keep;
	return 0;
}

/* ---- the spool ---- */

void file_account_locked(struct file *f)
{
	uint64_t held = f->spool ? spool_held(f->spool) : 0;

	f->m->spooled += held - f->held;
	f->held = held;
}

static int new_spool_locked(struct file *f, uint64_t remote_size) REQUIRES(f->lock)
{
	const char *dir = f->m->opt->spool_dir;

	return spool_new(dir && *dir ? dir : "/var/tmp", remote_size, &f->spool);
}

int file_spool_locked(struct file *f)
{
	if (f->spool) {
		return 0;
	}
	file_compare_locked(f);
	return new_spool_locked(f, f->seen_size);
}

int file_empty_locked(struct file *f)
{
	int r = f->spool ? spool_truncate(f->spool, 0) : new_spool_locked(f, 0);

	if (r == 0) {
		f->only_appends = f->no_follow = false;
		spool_set_modified(f->spool);
		file_touched_locked(f);
		file_retire_locked(f);
	}
	return r;
}

void file_touched_locked(struct file *f)
{
	struct tree *t = &f->m->tree;

	f->error = 0;
	f->worthless = false;
	f->has_mtime = false;
	mutex_lock(&t->lock);
	f->n->size = spool_size(f->spool);
	f->n->mtime = (int64_t)time(NULL);
	f->n->flags = (uint8_t)((f->n->flags | NODE_DIRTY) & ~NODE_COARSE);
	f->n->stamp = ++t->clock;
	mutex_unlock(&t->lock);
	file_account_locked(f);
	file_check_locked(f);
}

void file_compare_locked(struct file *f)
{
	uint64_t size;
	int64_t mtime;
	bool proven;

	if (file_is_ours_locked(f)) {
		return;
	}
	mutex_lock(&f->m->tree.lock);
	size = f->n->size;
	mtime = f->n->mtime;
	proven = node_is_proven_locked(&f->m->tree, f->n);
	mutex_unlock(&f->m->tree.lock);
	if (f->seen && f->seen_size == size && f->seen_mtime == mtime) {
		return;
	}
	f->spool = spool_free(f->spool);
	file_account_locked(f);
	file_retire_locked(f);
	f->seen = true;
	f->proven = proven;
	f->seen_size = size;
	f->seen_mtime = mtime;
}

static int write_locked(struct file *f, const struct wait *w, const char *data,
			size_t len, uint64_t off, bool append) REQUIRES(f->lock)
{
	int r = file_own_locked(f, w);

	if (r == 0) {
		r = file_follow_prepare_locked(f, w, append ? UINT64_MAX : off, len);
	}
	/* Waiting for room gave the file to others for a moment. */
	if (r == 0) {
		r = file_own_locked(f, w);
	}
	if (r == 0) {
		r = file_spool_locked(f);
	}
	if (r < 0) {
		return r;
	}
	f->only_appends = append && (f->only_appends || !spool_is_modified(f->spool));
	r = spool_write(f->spool, data, len, append ? spool_size(f->spool) : off);
	/* After an error a part of it may be in. */
	if (spool_is_modified(f->spool)) {
		file_touched_locked(f);
	}
	if (r == 0) {
		file_follow_written_locked(f);
	}
	return r;
}

int file_write(struct file *f, const struct wait *w, const char *data, size_t len,
	       uint64_t off, bool append)
{
	int r;

	if (len == 0) {
		return 0;
	}
	mutex_lock(&f->lock);
	r = write_locked(f, w, data, len, off, append);
	mutex_unlock(&f->lock);
	file_reap(f); /* where a follower has begun */
	return r;
}

/* ---- reading ---- */

void file_data_release(struct file_data *d)
{
	slice_release(&d->slice);
	free(d->buf);
	*d = (struct file_data){ 0 };
}

static int read_spool_locked(struct file *f, const struct wait *w, uint64_t off,
			     size_t len, struct file_data *ret) REQUIRES(f->lock)
{
	uint64_t at, n;
	ssize_t got;
	char *buf;

	while (f->spool && spool_missing(f->spool, off, len, &at, &n)) {
		int r = file_own_locked(f, w);

		if (r == 0 && f->spool) {
			r = file_fetch_locked(f, w, off, len);
		}
		if (r < 0) {
			return r;
		}
	}
	if (!f->spool) {
		return -EAGAIN;
	}
	if (off >= spool_size(f->spool)) {
		return 0;
	}
	len = (size_t)MIN((uint64_t)len, spool_size(f->spool) - off);
	if (spool_is_gone(f->spool, off, len)) {
		int r = file_own_locked(f, w);

		/* Only the server has it now, once it has all. */
		r = r == 0 ? file_unfollow_locked(f, w) : r;
		return r < 0 ? r : -EAGAIN;
	}
	buf = malloc(len);
	if (!buf) {
		return -ENOMEM;
	}
	got = spool_read(f->spool, buf, len, off);
	if (got < 0) {
		free(buf);
		return (int)got;
	}
	ret->buf = buf;
	ret->len = (size_t)got;
	return 0;
}

/* The server's file ends before the size that programs were told: somebody has replaced it.
 * Answered short, the kernel would fill the page with zeros. */
static int shorter_locked(struct file *f, uint64_t end) REQUIRES(f->lock)
{
	struct node *n = f->n;
	_cleanup_free_ char *path = node_path(&f->m->tree, remote_base(f->m->remote), n);

	hook_printf(f->m->hook, LEVEL_WARN,
		    "%s: ends at byte %llu, %llu were listed: changed on the server "
		    "while it was read",
		    path ? path : "?", (unsigned long long)end,
		    (unsigned long long)f->seen_size);
	mutex_lock(&f->m->tree.lock);
	n->checked = INT64_MIN;
	n->flags &= (uint8_t)~NODE_CACHED;
	mutex_unlock(&f->m->tree.lock);
	return -EIO;
}

static int read_locked(struct file *f, const struct wait *w, uint64_t off, size_t len,
		       struct file_data *ret) REQUIRES(f->lock)
{
	uint64_t size;
	int r;

	file_compare_locked(f);
	while (f->spool) {
		r = read_spool_locked(f, w, off, len, ret);
		/* -EAGAIN: a clean copy was dropped while we waited. */
		if (r != -EAGAIN) {
			return r;
		}
	}
	size = f->seen_size;
	if (off >= size) {
		return 0;
	}
	len = (size_t)MIN((uint64_t)len, size - off);
	r = file_stream_locked(f, w, off, len, &ret->slice);
	ret->len = ret->slice.len;
	if (r == 0 && ret->len < len) {
		r = shorter_locked(f, off + ret->len);
	}
	return r;
}

int file_read(struct file *f, const struct wait *w, uint64_t off, size_t len,
	      struct file_data *ret)
{
	struct file_data data = { 0 };
	int r;

	if (len == 0) {
		*ret = data;
		return 0;
	}
	mutex_lock(&f->lock);
	r = read_locked(f, w, off, len, &data);
	mutex_unlock(&f->lock);
	if (r < 0) {
		file_data_release(&data);
		return r;
	}
	*ret = data;
	return 0;
}
