/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes the server have what programs wrote, and what makes the spool have what the
 * server has: the half of struct file that waits for the network. */
#include "fs/file_private.h"

#include "fs/dir.h"
#include "fs/options.h"
#include "fs/writeback.h"
#include "net/replace.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	FETCH_PART = 1024 * 1024,
	LOST_NAMES = 1000,
};

static char *path_of(struct file *f)
{
	return node_path(&f->m->tree, remote_base(f->m->remote), f->n);
}

/* ---- fetching ---- */

/* One absent range, or the first part of it. */
static int fetch_part_locked(struct file *f, const struct wait *w, uint64_t off,
			     uint64_t len) REQUIRES(f->lock)
{
	struct slice slice = { 0 };
	int r = file_stream_locked(f, w, off, (size_t)MIN(len, (uint64_t)FETCH_PART),
				   &slice);

	if (r < 0) {
		return r;
	}
	if (slice.len == 0) {
		_cleanup_free_ char *path = path_of(f);

		hook_printf(f->m->hook, LEVEL_ERROR,
			    "%s: the server's file ends at byte %llu, the unchanged part "
			    "of it was "
			    "needed",
			    path ? path : "?", (unsigned long long)off);
		r = -EIO;
	}
	for (int i = 0; i < slice.n && r == 0; i++) {
		r = file_has_room_locked(f, slice.iov[i].iov_len) ? 0 : -ENOSPC;
		if (r == 0) {
			r = spool_fill(f->spool, slice.iov[i].iov_base,
				       slice.iov[i].iov_len, off);
		}
		off += slice.iov[i].iov_len;
	}
	file_account_locked(f);
	slice_release(&slice);
	return r;
}

static int fetch_busy_locked(struct file *f, const struct wait *w, uint64_t off,
			     uint64_t len) REQUIRES(f->lock)
{
	uint64_t at, n;

	assert(f->busy);
	while (spool_missing(f->spool, off, len, &at, &n)) {
		int r = fetch_part_locked(f, w, at, n);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

void file_busy_end_locked(struct file *f)
{
	f->busy = false;
	cond_broadcast(&f->idle);
	file_check_locked(f);
}

int file_fetch_locked(struct file *f, const struct wait *w, uint64_t off, uint64_t len)
{
	int r;

	assert(!f->busy);
	f->busy = true;
	r = fetch_busy_locked(f, w, off, len);
	file_busy_end_locked(f);
	return r;
}

/* ---- delivering ---- */

bool file_unsettled_locked(struct file *f)
{
	return !f->detached &&
	       ((f->spool && spool_is_modified(f->spool)) || f->has_mtime || f->has_mode);
}

/* What a delivery takes with it, and puts back if it fails. */
struct wishes {
	bool has_mtime, has_mode, mode_required;
	int64_t mtime;
	unsigned mode;
};

static struct wishes wishes_take_locked(struct file *f) REQUIRES(f->lock)
{
	struct wishes w = { f->has_mtime, f->has_mode, f->mode_required, f->mtime,
			    f->mode };

	f->has_mtime = f->has_mode = false;
	return w;
}

/* Those that came meanwhile are newer. */
static void wishes_put_back_locked(struct file *f, const struct wishes *w)
	REQUIRES(f->lock)
{
	if (w->has_mtime && !f->has_mtime) {
		f->has_mtime = true;
		f->mtime = w->mtime;
	}
	if (w->has_mode && !f->has_mode) {
		f->has_mode = true;
		f->mode = w->mode;
		f->mode_required = w->mode_required;
	}
}

/* The program was told long ago that its wish was granted: all that is left is to say so.
 */
static void wish_refused(struct file *f, const char *what, int error)
{
	_cleanup_free_ char *path = error < 0 ? path_of(f) : NULL;

	if (error < 0) {
		hook_printf(f->m->hook, LEVEL_WARN,
			    "%s: the server did not set the %s: %s", path ? path : "?",
			    what, strerror(-error));
	}
}

static void delivered_locked(struct file *f, const struct wishes *wishes,
			     const struct upload_result *result) REQUIRES(f->lock)
{
	struct tree *t = &f->m->tree;
	struct node *n = f->n;

	mutex_lock(&t->lock);
	n->size = result->size;
	if (result->mtime >= 0 && !f->has_mtime) {
		n->mtime = result->mtime;
		n->flags &= (uint8_t)~NODE_COARSE;
	}
	if (result->mode >= 0 && !f->has_mode) {
		n->mode = (uint16_t)(result->mode & 07777);
		n->flags |= NODE_HAS_MODE;
	}
	n->flags &= (uint8_t) ~(NODE_DIRTY | NODE_LOCAL);
	n->checked = now_ms();
	n->steady_ms = 0;
	n->stamp = ++t->clock;
	f->seen_size = n->size;
	f->seen_mtime = n->mtime;
	mutex_unlock(&t->lock);
	f->seen = true;
	f->proven = false;
	f->no_append = false;
	if (result->size != spool_size(f->spool)) {
		/* Others have appended, too: ours is not the whole file. */
		f->spool = spool_free(f->spool);
		f->seen = false;
	} else if (spool_is_gone(f->spool, 0, result->size)) {
		f->spool = spool_free(f->spool);
	} else {
		spool_set_clean(f->spool);
	}
	file_account_locked(f);
	file_retire_locked(f);
	wish_refused(f, "time", wishes->has_mtime ? result->mtime_error : 0);
	wish_refused(f, "mode",
		     wishes->has_mode && wishes->mode_required ? result->mode_error : 0);
}

/* Unless the very name was refused the server may have a part of a new file now: whoever
 * removes the file must remove it there too. */
static void may_have_begun_locked(struct file *f, int error) REQUIRES(f->lock)
{
	if (error != -EACCES && error != -EPERM && error != -EROFS && error != -ENOENT) {
		mutex_lock(&f->m->tree.lock);
		f->n->flags &= (uint8_t)~NODE_LOCAL;
		mutex_unlock(&f->m->tree.lock);
	}
}

bool file_replaces_locked(struct file *f, int *ret_mode)
{
	const struct node *n = f->n;
	bool replaces;

	mutex_lock(&f->m->tree.lock);
	replaces = f->m->opt->upload == UPLOAD_ATOMIC ||
		   (f->m->opt->upload == UPLOAD_AUTO && !(n->flags & NODE_LOCAL) &&
		    /* it may be a link that is shown as its target */
		    f->m->opt->symlinks != LINKS_FOLLOW && f->seen && f->seen_size > 0);
	*ret_mode = n->flags & NODE_HAS_MODE ? n->mode : -1;
	mutex_unlock(&f->m->tree.lock);
	return replaces;
}

bool file_is_fresh_locked(struct file *f)
{
	bool local;

	mutex_lock(&f->m->tree.lock);
	local = f->n->flags & NODE_LOCAL;
	mutex_unlock(&f->m->tree.lock);
	return local || (f->seen && f->seen_size == 0);
}

/* One upload of the spool as it is. */
static int upload_locked(struct file *f, const struct wait *w, bool append,
			 uint64_t append_at) REQUIRES(f->lock)
{
	_cleanup_free_ char *path = path_of(f);
	struct wishes wishes;
	struct upload_job job;
	struct upload_result result;
	int keep_mode = -1, r;
	uint64_t gap, gap_len;
	bool replaces;

	if (!path) {
		return -ENOMEM;
	}
	wishes = wishes_take_locked(f);
	job = (struct upload_job){
		.path = path,
		.fd = spool_fd(f->spool),
		.size = spool_size(f->spool),
		.append = append,
		.append_at = append_at,
		.whole = append && !spool_missing(f->spool, 0, append_at, &gap, &gap_len),
		.append_anywhere = f->only_appends,
		.fresh = !append && file_is_fresh_locked(f),
		.mtime = wishes.has_mtime ? wishes.mtime : -1,
		.mode = wishes.has_mode ? (int)wishes.mode : -1,
		.mode_required = wishes.mode_required,
	};
	replaces = !append && file_replaces_locked(f, &keep_mode);
	/* vsftpd locks files: an upload waits for every download of that file, our own
	 * lingering ones, too. */
	file_retire_locked(f);
	mutex_unlock(&f->lock);
	file_reap(f);
	if (replaces) {
		r = upload_replace(f->m->remote, w, &job, keep_mode, &result);
	} else {
		r = upload_run(f->m->remote, w, &job, &result);
	}
	mutex_lock(&f->lock);
	if (r < 0) {
		may_have_begun_locked(f, r);
		wishes_put_back_locked(f, &wishes);
		f->no_append = f->no_append || append;
	} else {
		delivered_locked(f, &wishes, &result);
	}
	return r;
}

static int wishes_only_locked(struct file *f, const struct wait *w) REQUIRES(f->lock)
{
	struct remote *remote = f->m->remote;
	_cleanup_free_ char *path = path_of(f);
	struct wishes wishes;
	int time_error = 0, mode_error = 0;

	if (!path) {
		return -ENOMEM;
	}
	wishes = wishes_take_locked(f);
	mutex_unlock(&f->lock);
	if (wishes.has_mtime) {
		time_error = remote_utime(remote, w, path, wishes.mtime);
	}
	if (wishes.has_mode) {
		mode_error = remote_chmod(remote, w, path, wishes.mode);
	}
	mutex_lock(&f->lock);
	if (time_error == -EINTR || mode_error == -EINTR) {
		wishes_put_back_locked(f, &wishes);
		return -EINTR;
	}
	wish_refused(f, "time", time_error);
	wish_refused(f, "mode", wishes.mode_required ? mode_error : 0);
	return 0;
}

/* The end of an upload that has followed the writer, and then what it could not know. */
static int end_followed_locked(struct file *f, const struct wait *w) REQUIRES(f->lock)
{
	const struct wishes none = { 0 };
	struct upload_result result;
	int r = file_follow_end_locked(f, w, &result);

	if (r < 0) {
		may_have_begun_locked(f, r);
	}
	if (r != 0) {
		return r;
	}
	if (f->has_mode && result.mode == (int)f->mode) {
		f->has_mode = false;
	}
	delivered_locked(f, &none, &result);
	return f->has_mode || f->has_mtime ? wishes_only_locked(f, w) : 0;
}

static int deliver_locked(struct file *f, const struct wait *w) REQUIRES(f->lock)
{
	uint64_t at = 0;
	int r;

	if (f->follow) {
		r = end_followed_locked(f, w);
		if (r != 1) {
			return r;
		}
	}
	if (!f->spool || !spool_is_modified(f->spool)) {
		return wishes_only_locked(f, w);
	}
	if (!f->no_append && spool_is_append(f->spool, &at)) {
		r = upload_locked(f, w, true, at);
		/* Somebody else changed the file: nothing was sent, our whole view of it
		 * goes. */
		if (r != -ESTALE) {
			return r;
		}
	}
	r = fetch_busy_locked(f, w, 0, spool_size(f->spool));
	return r < 0 ? r : upload_locked(f, w, false, 0);
}

int file_settle_locked(struct file *f, const struct wait *w)
{
	int r;

	assert(!f->busy);
	f->busy = true;
	r = deliver_locked(f, w);
	/* Who was interrupted may still be delivered at the last close. */
	f->error = r == -EINTR ? 0 : r;
	file_busy_end_locked(f);
	return r;
}

int file_settle(struct file *f, const struct wait *w)
{
	int r;

	mutex_lock(&f->lock);
	r = file_own_locked(f, w);
	if (r == 0 && file_unsettled_locked(f)) {
		r = file_settle_locked(f, w);
	}
	mutex_unlock(&f->lock);
	file_reap(f);
	return r;
}

int file_settle_node(struct mount *m, struct node *n, const struct wait *w)
{
	struct file *f = file_pin(m, n);
	int r;

	if (!f) {
		return 0;
	}
	r = file_settle(f, w);
	file_drop(f, w);
	return r;
}

/* An open file that a follower uploads, with a handle. */
static struct file *pin_followed(struct mount *m)
{
	struct file *f = NULL;

	mutex_lock(&m->tree.lock);
	for (size_t i = 0; i < m->tree.n_buckets && !f; i++) {
		for (struct node *n = m->tree.buckets[i]; n && !f; n = n->hash_next) {
			f = n->kind == ENTRY_FILE && n->file && n->file->followed
				    ? n->file
				    : NULL;
		}
	}
	if (f) {
		f->handles++;
	}
	mutex_unlock(&m->tree.lock);
	return f;
}

int file_settle_pending(struct mount *m, const struct wait *w)
{
	int r = m->back ? writeback_drain(m->back, w) : 0;

	while (r == 0 && m->followed > 0) {
		struct file *f = pin_followed(m);

		if (!f) {
			break;
		}
		r = file_settle(f, w);
		file_drop(f, w);
	}
	return r;
}

/* Any open file, all of its handles now ours: no release will come for them any more. */
static struct file *take_over(struct mount *m)
{
	struct file *f = NULL;

	mutex_lock(&m->tree.lock);
	for (size_t i = 0; i < m->tree.n_buckets && !f; i++) {
		struct node *n = m->tree.buckets[i];

		while (n && !(n->kind == ENTRY_FILE && n->file)) {
			n = n->hash_next;
		}
		f = n ? n->file : NULL;
	}
	if (f) {
		assert(f->m == m);
		f->handles = 1;
	}
	mutex_unlock(&m->tree.lock);
	return f;
}

void file_settle_all(struct mount *m)
{
	struct file *f;

	while ((f = take_over(m))) {
		file_drop(f, NULL);
	}
}

/* ---- what could not be delivered ---- */

/* "<name>.<pid>.<n>.ftpsfs-lost", the name cut to what a name may be long. */
static int keep_locked(struct file *f, const char *path, char *name, size_t size)
	REQUIRES(f->lock)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	int r = -EEXIST;

	for (unsigned i = 0; i < LOST_NAMES && r == -EEXIST; i++) {
		(void)snprintf(name, size, "%.180s.%ld.%u.ftpsfs-lost",
			       slash ? slash + 1 : "file", (long)getpid(), i);
		r = spool_keep(f->spool, name);
	}
	return r;
}

void file_keep_lost(struct file *f)
{
	_cleanup_free_ char *path = path_of(f);
	char name[256];
	uint64_t size, at, n;
	int r, why;
	bool holes;

	mutex_lock(&f->lock);
	if (!f->spool || !spool_is_modified(f->spool)) {
		mutex_unlock(&f->lock);
		return;
	}
	size = spool_size(f->spool);
	why = f->error;
	holes = spool_missing(f->spool, 0, size, &at, &n) ||
		spool_is_gone(f->spool, 0, size);
	r = keep_locked(f, path, name, sizeof(name));
	mutex_unlock(&f->lock);
	if (r < 0) {
		hook_printf(f->m->hook, LEVEL_ERROR,
			    "%s: %llu bytes could not be delivered (%s), and not be kept "
			    "either (%s)",
			    path ? path : "?", (unsigned long long)size, strerror(-why),
			    strerror(-r));
		return;
	}
	hook_printf(f->m->hook, LEVEL_ERROR,
		    "%s: could not be delivered (%s); kept as %s (%llu bytes%s)",
		    path ? path : "?", strerror(-why), name, (unsigned long long)size,
		    holes ? ", parts that only the server has left out" : "");
}
