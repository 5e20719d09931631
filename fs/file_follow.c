/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are uploaded while they are written, and the room that spools take on the local
 * disk: what a follower has sent makes room for what comes. */
#include "fs/file_private.h"

#include "fs/options.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

enum {
	FOLLOW_MIN = 1024 * 1024, /* smaller files are one STOR at close() */
	MARGIN_MAX = 8 * 1024 * 1024, /* of socket buffers, ours and the server's */
	FREE_PERCENT = 5, /* that the local disk keeps, unless spool_min_free says */
};

/* ---- room ---- */

bool file_has_room_locked(struct file *f, uint64_t len)
{
	const struct options *opt = f->m->opt;
	struct statvfs st;
	uint64_t keep;

	if (opt->spool_max && f->m->spooled + len > opt->spool_max) {
		return false;
	}
	if (!f->spool || fstatvfs(spool_fd(f->spool), &st) < 0) {
		return true;
	}
	keep = opt->spool_min_free ? opt->spool_min_free
				   : st.f_blocks * st.f_frsize / 100 * FREE_PERCENT;
	return st.f_bavail * st.f_frsize >= keep + len;
}

/* Until there is room: bytes that went out are given up. */
static int make_room_locked(struct file *f, const struct wait *w, uint64_t len)
	REQUIRES(f->lock)
{
	while (!file_has_room_locked(f, len)) {
		struct follow *follow = f->follow;
		uint64_t given;
		int r;

		if (!follow) {
			return -ENOSPC;
		}
		given = follow_give_up(follow);
		r = spool_give_up(f->spool, given);
		file_account_locked(f);
		if (r < 0) {
			return -ENOSPC;
		}
		if (file_has_room_locked(f, len)) {
			break;
		}
		f->busy = true; /* so that the follower stays */
		mutex_unlock(&f->lock);
		r = follow_await(follow, w, given);
		mutex_lock(&f->lock);
		file_busy_end_locked(f);
		if (r < 0) {
			return r == -ENODATA ? -ENOSPC : r;
		}
		r = file_own_locked(f, w);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int file_follow_prepare_locked(struct file *f, const struct wait *w, uint64_t off,
			       uint64_t len)
{
	int r = 0;

	if (f->follow && (f->follow_ended || off < spool_size(f->spool))) {
		f->no_follow = !f->follow_ended;
		r = file_unfollow_locked(f, w);
	}
	return r < 0 ? r : make_room_locked(f, w, len);
}

/* ---- following ---- */

/* What an upload of the spool would be. False: not one that may go ahead of close(). */
static bool plan_locked(struct file *f, struct upload_job *job, bool *ret_replace,
			int *ret_keep_mode) REQUIRES(f->lock)
{
	uint64_t from = 0;

	*ret_keep_mode = -1;
	*ret_replace = false;
	job->append = !f->no_append && spool_is_append(f->spool, &from);
	if (spool_size(f->spool) - from < FOLLOW_MIN) {
		return false;
	}
	if (job->append) {
		job->append_at = from;
		job->append_anywhere = f->only_appends;
		return true;
	}
	job->fresh = file_is_fresh_locked(f);
	*ret_replace = file_replaces_locked(f, ret_keep_mode);
	/* In place of old bytes: only when all of the new ones are here. */
	return job->fresh || *ret_replace;
}

static void mark_locked(struct file *f, bool followed) REQUIRES(f->lock)
{
	struct mount *m = f->m;

	mutex_lock(&m->tree.lock);
	m->followed += followed ? 1u : -1u;
	f->followed = followed;
	mutex_unlock(&m->tree.lock);
}

/* The follower is gone. */
static void forget_locked(struct file *f) REQUIRES(f->lock)
{
	f->follow = NULL;
	f->follow_ended = false;
	mark_locked(f, false);
}

static void start_locked(struct file *f) REQUIRES(f->lock)
{
	struct mount *m = f->m;
	uint64_t max = m->opt->spool_max;
	_cleanup_free_ char *path = NULL;
	struct upload_job job = { .fd = spool_fd(f->spool) };
	bool replace;
	int keep_mode;

	if (!plan_locked(f, &job, &replace, &keep_mode)) {
		return;
	}
	path = node_path(&m->tree, remote_base(m->remote), f->n);
	job.path = path;
	/* Where it cannot be had close() sends all. */
	if (!path || follow_new(m->remote, &job, replace, keep_mode, spool_size(f->spool),
				max ? MIN(max / 4, (uint64_t)MARGIN_MAX) : MARGIN_MAX,
				&f->follow) < 0) {
		f->no_follow = true;
		return;
	}
	mark_locked(f, true);
	/* vsftpd locks files: not behind our own downloads. */
	file_retire_locked(f);
	if (!replace) {
		/* The server has a part of it from now on. */
		mutex_lock(&m->tree.lock);
		f->n->flags &= (uint8_t)~NODE_LOCAL;
		mutex_unlock(&m->tree.lock);
	}
}

void file_follow_written_locked(struct file *f)
{
	if (f->follow) {
		follow_advance(f->follow, spool_size(f->spool));
	} else if (!f->no_follow && !f->detached && spool_is_forward(f->spool) &&
		   pool_limit(remote_pool(f->m->remote)) > 1) {
		start_locked(f);
	}
}

int file_follow_end_locked(struct file *f, const struct wait *w,
			   struct upload_result *ret)
{
	struct follow *follow = f->follow;
	uint64_t size = spool_size(f->spool);
	int r;

	f->follow_ended = true;
	mutex_unlock(&f->lock);
	r = follow_end(follow, w, size, ret);
	/* Interrupted: it goes on, and is asked again at the last close. */
	if (r != -EINTR) {
		follow_free(follow);
	}
	mutex_lock(&f->lock);
	if (r != -EINTR) {
		forget_locked(f);
	}
	if (r == -ESTALE && !spool_is_gone(f->spool, 0, size)) {
		f->no_append = true;
		return 1;
	}
	return r;
}

void file_follow_free(struct file *f)
{
	struct follow *follow;

	mutex_lock(&f->lock);
	follow = f->follow;
	if (follow) {
		forget_locked(f);
	}
	mutex_unlock(&f->lock);
	follow_free(follow);
}

int file_unfollow_locked(struct file *f, const struct wait *w)
{
	struct follow *follow = f->follow;

	if (!follow) {
		return 0;
	}
	if (spool_is_gone(f->spool, 0, spool_size(f->spool))) {
		return file_settle_locked(f, w);
	}
	f->busy = true;
	mutex_unlock(&f->lock);
	follow_free(follow);
	mutex_lock(&f->lock);
	forget_locked(f);
	file_busy_end_locked(f);
	return 0;
}
