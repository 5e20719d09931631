/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After the server's 226: the time and mode that are wanted, and what it has now. */
#include "net/upload_private.h"
#include "net/warm.h"

#include "net/look.h"
#include "net/remote_private.h"
#include "net/warm.h"
#include "net/wish.h"

#include <errno.h>
#include <time.h>

enum {
	LOOK_AGAIN_MS = 300,
	JUST_WRITTEN =
		120, /* s: how far the server's clock may be off for its time of a file
			       just stored */
};

/* A grant of a time is judged by the look that follows. */
static void note_time(struct upload *u, struct host *host, const struct wish *wish,
		      const struct reply *reply, int64_t seen)
{
	int64_t wanted = u->job->mtime, now = time(NULL);
	bool had_other = wanted < now - JUST_WRITTEN || wanted > now + JUST_WRITTEN;
	bool forgotten;

	if (!reply_is(reply, 2)) {
		u->result.mtime_error = wish_time_refused(host, wish, reply);
	} else if (!wish_time_verify(host, wish, u->hook, wanted, seen, had_other)) {
		u->result.mtime_error = -EOPNOTSUPP;
	} else {
		u->result.mtime_error = 0;
	}
	forgotten = !(host->time_ways & wish->way);
	/* upload_late_wishes() goes the other ways. */
	u->mtime_sent = !forgotten || !remote_has_utime(u->remote);
}

static void note_mode(struct upload *u, struct host *host, const struct wish *wish,
		      const struct reply *reply)
{
	int e = reply_is(reply, 2) ? 0 : wish_mode_refused(host, wish, reply);

	u->result.mode_error = e || reply_is(reply, 2) ? e : -EPERM;
	u->mode_sent = e != -EOPNOTSUPP || !remote_has_chmod(u->remote);
}

/* Wishes first, then the look, in one batch: it tells the final truth. The next data connection
 * comes along. */
static int wish_and_look(struct upload *u, struct control *c, struct look *ret)
{
	const struct upload_job *job = u->job;
	struct host *host = control_host(c);
	struct wish mtime, mode;
	struct command cmds[5];
	struct reply replies[5] = { { 0 } };
	const char *next = warm_verb(c);
	size_t n = 0, n_time = 0, wishes;
	int r = 0;

	if (job->mtime >= 0 && !u->mtime_sent) {
		r = wish_time(host, job->path, job->mtime, 0, &mtime);
		if (r > 0) {
			cmds[n++] = mtime.cmd;
			n_time = n;
		}
	}
	/* A mode of creation is compared first, where the look shows modes. */
	if (r >= 0 && job->mode >= 0 && !u->mode_sent &&
	    (job->mode_required || !host->mlst)) {
		r = wish_mode(host, job->path, (unsigned)job->mode, &mode);
		if (r > 0) {
			cmds[n++] = mode.cmd;
		}
	}
	if (r < 0) {
		return r;
	}
	wishes = n;
	n += look_commands(host, job->path, cmds + n);
	if (next) {
		cmds[n] = (struct command){ next };
	}
	r = n ? control_batch(c, u->wait, cmds, n + (next != NULL), replies) : 0;
	if (r == 0) {
		if (next && n) {
			warm_begin(c, &replies[n]);
		}
		look_replies(host, cmds + wishes, replies + wishes, n - wishes, ret);
		if (n_time > 0) {
			note_time(u, host, &mtime, &replies[0],
				  ret->link ? -1 : ret->mtime);
		}
		if (wishes > n_time) {
			note_mode(u, host, &mode, &replies[n_time]);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		reply_release(&replies[i]);
	}
	return r;
}

/* The creation mode where the server chose another: its umask is not the program's. */
static int adjust_mode(struct upload *u, struct control *c, struct look *look)
{
	const struct upload_job *job = u->job;
	struct host *host = control_host(c);
	_cleanup_reply_ struct reply reply = { 0 };
	struct wish wish;
	int r;

	if (job->mode < 0 || u->mode_sent || look->mode < 0 || look->mode == job->mode) {
		return 0;
	}
	r = wish_mode(host, job->path, (unsigned)job->mode, &wish);
	if (r > 0) {
		r = control_command(c, u->wait, wish.cmd.verb, wish.cmd.arg, &reply);
	}
	if (r < 0 || !reply.code) {
		return r;
	}
	note_mode(u, host, &wish, &reply);
	if (u->result.mode_error == 0) {
		look->mode = job->mode;
	}
	return 0;
}

/* What the server has, or did not get. */
static bool size_differs(const struct upload *u, const struct look *look)
{
	return look->has_size ? look->size != upload_whole(u) : look->missing;
}

/* 0: it has all of it. */
static int check_size(struct upload *u, struct control *c, struct look *look)
{
	const struct upload_job *job = u->job;
	int r = 0;

	/* A file just uploaded may be seen late, or short, once (T48). */
	if (size_differs(u, look) || (!look->has_size && control_host(c)->size)) {
		r = wait_sleep(u->wait, now_ms() + LOOK_AGAIN_MS);
		if (r == 0) {
			r = look_at(c, u->wait, job->path, look);
		}
	}
	if (r < 0) {
		return upload_lost(r);
	}
	if (size_differs(u, look)) {
		hook_printf(
			u->hook, LEVEL_WARN,
			"%s: the server confirmed the upload of %llu bytes but has %lld",
			job->path, (unsigned long long)upload_whole(u),
			look->has_size ? (long long)look->size : -1LL);
		u->stage = SEND;
		return TRY_AGAIN;
	}
	return upload_verify(u, c);
}

int upload_after(struct upload *u, struct control *c)
{
	const struct upload_job *job = u->job;
	bool believes = remote_server(u->remote)->verify == VERIFY_NO;
	struct look look = { .mtime = -1, .mode = -1 };
	int r = 0;

	if (!believes || job->mtime >= 0 || job->mode >= 0) {
		r = wish_and_look(u, c, &look);
	}
	if (r < 0) {
		return upload_lost(r);
	}
	r = believes ? 0 : check_size(u, c, &look);
	if (r != 0) {
		return r;
	}
	r = adjust_mode(u, c, &look);
	if (r < 0) {
		return upload_lost(r);
	}
	u->result.size = upload_whole(u);
	u->result.mtime = look.mtime;
	u->result.mode = look.mode;
	if (look.mtime < 0 && u->mtime_sent && u->result.mtime_error == 0) {
		u->result.mtime = job->mtime;
	}
	if (look.mode < 0 && u->mode_sent && u->result.mode_error == 0) {
		u->result.mode = job->mode;
	}
	return 0;
}

void upload_late_wishes(struct upload *u)
{
	const struct upload_job *job = u->job;

	if (job->mtime >= 0 && !u->mtime_sent) {
		u->result.mtime_error =
			remote_utime(u->remote, u->wait, job->path, job->mtime);
		if (u->result.mtime_error == 0) {
			u->result.mtime = job->mtime;
		}
	}
	if (job->mode >= 0 && job->mode_required && !u->mode_sent) {
		u->result.mode_error =
			remote_chmod(u->remote, u->wait, job->path, (unsigned)job->mode);
		if (u->result.mode_error == 0) {
			u->result.mode = job->mode;
		}
	}
	if (!job->mode_required) {
		u->result.mode_error = 0;
	}
}
