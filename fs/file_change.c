/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What setattr asks for, where a file is open or becomes so: sizes, times, modes. */
#include "fs/file_private.h"

#include <errno.h>
#include <fcntl.h>

/* ---- truncating ---- */

static int resize_locked(struct file *f, const struct wait *w, uint64_t size)
	REQUIRES(f->lock)
{
	int r = file_own_locked(f, w);

	if (r < 0) {
		return r;
	}
	file_compare_locked(f);
	if (size == (f->spool ? spool_size(f->spool) : f->seen_size)) {
		return 0;
	}
	r = file_unfollow_locked(f, w);
	if (r < 0) {
		return r;
	}
	if (size == 0) {
		return file_empty_locked(f);
	}
	r = file_spool_locked(f);
	if (r == 0) {
		r = spool_truncate(f->spool, size);
	}
	if (r == 0) {
		f->only_appends = false;
		file_touched_locked(f);
	}
	return r;
}

static int allocate_locked(struct file *f, const struct wait *w, int mode, uint64_t off,
			   uint64_t len) REQUIRES(f->lock)
{
	bool zeros = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	bool grows = !(mode & FALLOC_FL_KEEP_SIZE);
	uint64_t size;
	int r = file_own_locked(f, w);

	if (r < 0) {
		return r;
	}
	file_compare_locked(f);
	size = f->spool ? spool_size(f->spool) : f->seen_size;
	if (zeros && off < size) {
		r = file_unfollow_locked(f, w);
		r = r == 0 ? file_spool_locked(f) : r;
		r = r == 0 ? spool_zero(f->spool, off, len) : r;
		if (r == 0) {
			f->only_appends = false;
			file_touched_locked(f);
		}
	}
	return r == 0 && grows && off + len > size ? resize_locked(f, w, off + len) : r;
}

int file_allocate(struct file *f, const struct wait *w, int mode, uint64_t off,
		  uint64_t len)
{
	int r;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		return -EOPNOTSUPP;
	}
	if (off > INT64_MAX - len) {
		return -EFBIG;
	}
	mutex_lock(&f->lock);
	r = allocate_locked(f, w, mode, off, len);
	mutex_unlock(&f->lock);
	file_reap(f);
	return r;
}

int file_truncate(struct mount *m, struct node *n, uint64_t size, const struct wait *w)
{
	struct file *f;
	bool writers;
	int r;

	if (size > INT64_MAX) {
		return -EFBIG;
	}
	r = file_get(m, n, &f);
	if (r < 0) {
		return r;
	}
	mutex_lock(&f->lock);
	r = resize_locked(f, w, size);
	mutex_lock(&f->m->tree.lock);
	writers = f->writers > 0;
	mutex_unlock(&f->m->tree.lock);
	mutex_unlock(&f->lock);
	file_reap(f);
	if (r == 0 && !writers) {
		r = file_settle(f, w);
	}
	mutex_lock(&f->lock);
	mutex_lock(&f->m->tree.lock);
	/* The caller learns that it failed: nothing worth keeping then. */
	f->worthless = f->worthless || (r < 0 && f->handles == 1);
	mutex_unlock(&f->m->tree.lock);
	mutex_unlock(&f->lock);
	file_drop(f, w);
	return r;
}

/* ---- times and modes ---- */

/* Under f->lock: whether a wish waits for a delivery. */
static bool takes_wishes_locked(struct file *f) REQUIRES(f->lock)
{
	return f->detached || f->busy || (f->spool && spool_is_modified(f->spool));
}

bool file_defer_mtime(struct mount *m, struct node *n, int64_t mtime)
{
	struct file *f = file_pin(m, n);
	bool taken;

	if (!f) {
		return false;
	}
	mutex_lock(&f->lock);
	taken = takes_wishes_locked(f) && (f->detached || remote_has_utime(m->remote));
	if (taken) {
		f->has_mtime = true;
		f->mtime = mtime;
		f->error = 0;
		mutex_lock(&f->m->tree.lock);
		n->mtime = mtime;
		n->stamp = ++f->m->tree.clock;
		mutex_unlock(&f->m->tree.lock);
	}
	mutex_unlock(&f->lock);
	file_drop(f, NULL);
	return taken;
}

static void mode_set_locked(struct file *f, unsigned mode, bool required)
	REQUIRES(f->lock)
{
	f->has_mode = true;
	f->mode = mode & 07777;
	f->mode_required = required;
	mutex_lock(&f->m->tree.lock);
	f->n->mode = (uint16_t)f->mode;
	f->n->flags |= NODE_HAS_MODE;
	f->n->stamp = ++f->m->tree.clock;
	mutex_unlock(&f->m->tree.lock);
}

bool file_defer_mode(struct mount *m, struct node *n, unsigned mode)
{
	struct file *f = file_pin(m, n);
	bool taken;

	if (!f) {
		return false;
	}
	mutex_lock(&f->lock);
	taken = takes_wishes_locked(f) && (f->detached || remote_has_chmod(m->remote));
	if (taken) {
		mode_set_locked(f, mode, true);
		f->error = 0;
	}
	mutex_unlock(&f->lock);
	file_drop(f, NULL);
	return taken;
}

void file_create_mode(struct file *f, unsigned mode)
{
	mutex_lock(&f->lock);
	mode_set_locked(f, mode, false);
	mutex_unlock(&f->lock);
}
