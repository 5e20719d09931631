/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stage   what is known                       leaves by
 * ------  ----------------------------------  ---------------------------------------
 * SEND    nothing of this job is confirmed    all was sent and confirmed -> AFTER, verdict
 *                                             lost -> DOUBT, cut or passing refusal -> SEND
 * DOUBT   everything was sent, no verdict     size equal -> AFTER, else -> SEND
 * AFTER   the server confirmed the transfer   size equal -> done, else -> SEND
 *
 * Losing the connection leads to a fresh one in the stage reached. */
#include "net/upload.h"

#include "net/look.h"
#include "net/path.h"
#include "net/remote_private.h"
#include "net/transfer.h"
#include "net/wish.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	BLOCK = 256 * 1024,
	LOOK_AGAIN_MS = 300,
	SILENT_MAX = 2,
	JUST_WRITTEN =
		120, /* s: how far the server's clock may be off for its time of a file
			       just stored */
};

enum stage { SEND, DOUBT, AFTER };

struct upload {
	struct remote *remote;
	const struct wait *wait;
	const struct upload_job *job;
	const struct log_hook *hook;
	enum stage stage;
	unsigned silent; /* how often the server cut the data without a word */
	int64_t shift; /* the server had so many bytes more than append_at */
	bool begun; /* an APPE may have left something behind */
	bool mode_sent, mtime_sent;
	struct upload_result result;
};

/* Beside 0 and negative errnos, which are final: */
enum { TRY_AGAIN = 1 };

/* A lost conversation is worth another; what was wrong with us is not. */
static int lost(int r)
{
	switch (r) {
	case -EINTR:
	case -ENOMEM:
	case -EINVAL:
	case -ENAMETOOLONG:
		return r;
	default:
		return TRY_AGAIN;
	}
}

/* ---- sending ---- */

/* What the server has when all is done. */
static uint64_t whole(const struct upload *u)
{
	return (uint64_t)((int64_t)u->job->size + u->shift);
}

/* Where to go on with an append. 0, TRY_AGAIN, negative. */
static int append_from(struct upload *u, struct control *c, uint64_t *ret_at)
{
	const struct upload_job *job = u->job;
	struct look look;
	int64_t at;
	int r = look_at(c, u->wait, u->job->path, &look);

	if (r < 0) {
		return lost(r);
	}
	if (!look.has_size) {
		/* Nobody says how much is there. The first time the listing is believed.
		 */
		if (u->begun || look.missing) {
			return -EIO;
		}
		*ret_at = job->append_at;
		return 0;
	}
	if (!u->begun && job->append_anywhere) {
		u->shift = (int64_t)look.size - (int64_t)job->append_at;
	}
	at = (int64_t)look.size - u->shift;
	if (at < (int64_t)job->append_at || at > (int64_t)job->size ||
	    (!u->begun && at != (int64_t)job->append_at)) {
		hook_printf(u->hook, LEVEL_WARN,
			    "%s: has %llu bytes on the server, %llu expected", job->path,
			    (unsigned long long)look.size,
			    (unsigned long long)job->append_at);
		return u->begun ? -EIO : -ESTALE;
	}
	*ret_at = (uint64_t)at;
	return 0;
}

/* The bytes [at, size). Negative: as transfer_write(), or of the local file (*ret_local).
 */
static int send_bytes(struct upload *u, struct transfer *t, uint64_t at, bool *ret_local)
{
	_cleanup_free_ char *block = malloc(BLOCK);

	*ret_local = true;
	if (!block) {
		return -ENOMEM;
	}
	while (at < u->job->size) {
		size_t want = (size_t)MIN(u->job->size - at, (uint64_t)BLOCK);
		ssize_t n = pread(u->job->fd, block, want, (off_t)at);
		int r;

		if (n < 0) {
			if (errno == EINTR) {
				continue;
			}
			return -errno;
		}
		if (n == 0) {
			return -EIO; /* the local copy is shorter than its size */
		}
		if (wait_cancelled(u->wait)) {
			return -EINTR;
		}
		r = transfer_write(t, u->wait, block, (size_t)n);
		if (r < 0) {
			*ret_local = false;
			return r;
		}
		at += (uint64_t)n;
	}
	return 0;
}

static int refused(struct upload *u, struct control *c, const char *verb,
		   const struct reply *reply)
{
	int r;

	if (reply_is_passing(reply)) {
		hook_printf(u->hook, LEVEL_INFO, "%s %s: %s", verb, u->job->path,
			    reply_words(reply));
		return TRY_AGAIN;
	}
	r = remote_refusal(u->remote, c, u->wait, verb, u->job->path, reply);
	return r < 0 ? r : -EIO;
}

static int send_all(struct upload *u, struct control *c)
{
	const struct upload_job *job = u->job;
	const char *verb = job->append ? "APPE" : "STOR";
	_cleanup_reply_ struct reply reply = { 0 };
	struct transfer *t = NULL;
	struct words words = { "" };
	uint64_t at = 0;
	bool local;
	int r, sent;

	if (job->append) {
		r = append_from(u, c, &at);
		if (r != 0) {
			return r;
		}
	}
	r = transfer_open(c, u->wait, verb, job->path, 0, &t, &reply, &words);
	if (r == 1) {
		return refused(u, c, verb, &reply);
	}
	if (r < 0 && r != -EINTR) {
		hook_printf(u->hook, LEVEL_WARN, "%s %s: %s", verb, job->path,
			    words.text[0] ? words.text : strerror(-r));
	}
	/* Even a failed start may have emptied or made the target (FileZilla Server). */
	u->begun = true;
	if (r < 0) {
		/* As for downloads: a firewall, or the wrong mode. */
		return control_alive(c) && lost(r) == TRY_AGAIN ? -EIO : lost(r);
	}
	sent = send_bytes(u, t, at, &local);
	if (sent < 0 && (local || sent == -EINTR || sent == -ETIMEDOUT)) {
		transfer_abort(t, NULL);
		return local ? sent : lost(sent);
	}
	/* When the server cut the data it says why: 552, 452, 426. */
	r = transfer_finish(t, u->wait, &reply);
	if (r < 0) {
		if (sent == 0) {
			u->stage = DOUBT;
		} else if (r == -ETIMEDOUT && ++u->silent >= SILENT_MAX) {
			return -EIO; /* pyftpdlib on a full disk: it will not get better */
		}
		return lost(r);
	}
	if (!reply_is(&reply, 2)) {
		return refused(u, c, verb, &reply);
	}
	if (sent < 0) {
		return TRY_AGAIN;
	}
	u->stage = AFTER;
	return 0;
}

/* Everything was sent and the verdict got lost (interop #7): the size tells. */
static int resolve_doubt(struct upload *u, struct control *c)
{
	struct look look;
	int r = look_at(c, u->wait, u->job->path, &look);

	if (r < 0) {
		return lost(r);
	}
	u->stage = look.has_size && look.size == whole(u) ? AFTER : SEND;
	return 0;
}

/* ---- afterwards ---- */

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
	/* late_wishes() goes the other ways. */
	u->mtime_sent = !forgotten || !remote_has_utime(u->remote);
}

static void note_mode(struct upload *u, struct host *host, const struct wish *wish,
		      const struct reply *reply)
{
	int e = reply_is(reply, 2) ? 0 : wish_mode_refused(host, wish, reply);

	u->result.mode_error = e || reply_is(reply, 2) ? e : -EPERM;
	u->mode_sent = e != -EOPNOTSUPP || !remote_has_chmod(u->remote);
}

/* Wishes first, then the look, in one batch: it tells the final truth. */
static int wish_and_look(struct upload *u, struct control *c, struct look *ret)
{
	const struct upload_job *job = u->job;
	struct host *host = control_host(c);
	struct wish mtime, mode;
	struct command cmds[4];
	struct reply replies[4] = { { 0 } };
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
	r = n ? control_batch(c, u->wait, cmds, n, replies) : 0;
	if (r == 0) {
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

static int finish_after(struct upload *u, struct control *c)
{
	const struct upload_job *job = u->job;
	struct look look;
	int r = wish_and_look(u, c, &look);

	/* A file just uploaded may be seen late, or short, once (T48). */
	if (r == 0 && (look.has_size ? look.size != whole(u)
				     : look.missing || control_host(c)->size)) {
		r = wait_sleep(u->wait, now_ms() + LOOK_AGAIN_MS);
		if (r == 0) {
			r = look_at(c, u->wait, u->job->path, &look);
		}
	}
	if (r < 0) {
		return lost(r);
	}
	if (look.has_size ? look.size != whole(u) : look.missing) {
		hook_printf(
			u->hook, LEVEL_WARN,
			"%s: the server confirmed the upload of %llu bytes but has %lld",
			job->path, (unsigned long long)whole(u),
			look.has_size ? (long long)look.size : -1LL);
		u->stage = SEND;
		return TRY_AGAIN;
	}
	r = adjust_mode(u, c, &look);
	if (r < 0) {
		return lost(r);
	}
	u->result.size = whole(u);
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

/* 0: done. TRY_AGAIN: on a fresh connection. Negative: final. */
static int attempt(struct upload *u, bool fresh)
{
	struct pool *pool = remote_pool(u->remote);
	struct control *c = NULL;
	struct words words = { "" };
	int r = pool_borrow(pool, POOL_TRANSFER, fresh, u->wait, &c, &words);

	if (r < 0 && r != -EINTR) {
		hook_printf(u->hook, LEVEL_WARN, "upload of %s: %s", u->job->path,
			    words.text[0] ? words.text : strerror(-r));
	}
	if (r < 0) {
		return r == -EACCES ? r : r == -ESHUTDOWN ? -EIO : lost(r);
	}
	if (u->stage == DOUBT) {
		r = resolve_doubt(u, c);
	}
	if (r == 0 && u->stage == SEND) {
		r = send_all(u, c);
	}
	if (r == 0) {
		assert(u->stage == AFTER);
		r = finish_after(u, c);
	}
	pool_return(pool, c);
	return r;
}

/* What the batch could not carry: the whole ladder of ways to set a time, on whatever
 * connection is free. */
static void late_wishes(struct upload *u)
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

int upload_run(struct remote *r, const struct wait *w, const struct upload_job *job,
	       struct upload_result *ret)
{
	const struct server *server = remote_server(r);
	struct upload u = {
		.remote = r,
		.wait = w,
		.job = job,
		.hook = server->hook,
		.result = { .mtime = -1, .mode = -1 },
	};
	unsigned tries = 0;
	bool fresh = false;

	for (;;) {
		int s;

		s = attempt(&u, fresh);
		if (s == 0) {
			break;
		}
		if (s < 0) {
			return s;
		}
		if (++tries > server->retry) {
			hook_printf(u.hook, LEVEL_ERROR,
				    "%s: upload given up after %u attempts", job->path,
				    tries);
			return -EIO;
		}
		fresh = true;
		if (tries > 1) {
			s = wait_sleep(
				w, now_ms() + MIN((int64_t)100 << MIN(tries, 5u), 2000));
			if (s < 0) {
				return s;
			}
		}
	}
	late_wishes(&u);
	*ret = u.result;
	return 0;
}
