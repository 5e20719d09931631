/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stage   what is known                       leaves by
 * ------  ----------------------------------  ---------------------------------------
 * SEND    nothing, or that a part is there    all was sent and confirmed -> AFTER, verdict
 *                                             lost -> DOUBT, cut or passing refusal -> SEND,
 *                                             the feed pauses, confirmed -> PAUSED
 * PAUSED  all so far is confirmed; no         more -> SEND (by APPE), the end -> AFTER
 *         connection is held
 * DOUBT   everything was sent, no verdict     size equal -> AFTER, else -> SEND
 * AFTER   the server confirmed the transfer   size equal -> done, else -> SEND
 *
 * Losing the connection leads to a fresh one in the stage reached. */
#include "net/upload_private.h"

#include "net/look.h"
#include "net/remote_private.h"
#include "net/transfer.h"

#include <errno.h>
#include <string.h>

enum {
	BLOCK = 256 * 1024,
	SILENT_MAX = 2,
	RESUME_MIN = 1024 * 1024, /* less than this is sent again sooner than asked for */
};

int upload_lost(int r)
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

/* ---- where to go on ---- */

uint64_t upload_whole(const struct upload *u)
{
	return (uint64_t)((int64_t)u->size + u->shift);
}

/* Whether the local file still has what is to be sent from `at` on. */
static bool hold(const struct upload *u, uint64_t at)
{
	const struct upload_feed *feed = u->job->feed;

	return !feed || feed->hold(feed->arg, at);
}

static int gone(const struct upload *u, uint64_t has)
{
	hook_printf(
		u->hook, LEVEL_ERROR,
		"%s: the server has %llu bytes of it, and what follows is no longer here "
		"(spool_max): the upload cannot go on",
		u->job->path, (unsigned long long)has);
	return -EIO;
}

/* Where to go on with an append. 0, TRY_AGAIN, negative. */
static int append_from(struct upload *u, struct control *c, uint64_t *ret_at)
{
	const struct upload_job *job = u->job;
	uint64_t most = u->begun ? MAX(u->sent, job->append_at) : job->append_at;
	struct look look;
	int64_t at;
	int r = look_at(c, u->wait, u->job->path, &look);

	if (r < 0) {
		return upload_lost(r);
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
	if (at < (int64_t)job->append_at || at > (int64_t)most) {
		hook_printf(u->hook, LEVEL_WARN,
			    "%s: has %llu bytes on the server, %llu expected", job->path,
			    (unsigned long long)look.size,
			    (unsigned long long)job->append_at);
		return u->begun ? -EIO : -ESTALE;
	}
	*ret_at = (uint64_t)at;
	return hold(u, *ret_at) ? 0 : gone(u, look.size);
}

/* The same for a STOR that was cut, or has paused: 0 (from the start, if *ret_at is 0),
 * TRY_AGAIN, negative. */
static int resume_from(struct upload *u, struct control *c, uint64_t *ret_at)
{
	struct look look = { 0 };
	int r;

	*ret_at = 0;
	if (u->opened && u->job->fresh && !u->no_resume && u->sent >= RESUME_MIN) {
		r = look_at(c, u->wait, u->job->path, &look);
		if (r < 0) {
			return upload_lost(r);
		}
		if (look.has_size && look.size <= u->sent && hold(u, look.size)) {
			*ret_at = look.size;
			return 0;
		}
	}
	return hold(u, 0) ? 0 : gone(u, look.size);
}

/* ---- sending ---- */

/* How far may be sent now, waiting for the feed. 0 with u->size: `at` is the end where it is
 * no more; UPLOAD_PAUSE; negative. */
static int more(struct upload *u, uint64_t at, bool idle)
{
	const struct upload_feed *feed = u->job->feed;

	return feed ? feed->more(feed->arg, at, idle, &u->size) : 0;
}

/* The bytes from `at` on. 0; UPLOAD_PAUSE; negative: as transfer_write(), or of the local
 * file (*ret_local). */
static int send_bytes(struct upload *u, struct transfer *t, uint64_t at, bool *ret_local)
{
	_cleanup_free_ char *block = malloc(BLOCK);

	*ret_local = true;
	if (!block) {
		return -ENOMEM;
	}
	for (;;) {
		int r = more(u, at, false);
		ssize_t n;

		if (r != 0 || at >= u->size) {
			return r;
		}
		n = pread(u->job->fd, block, (size_t)MIN(u->size - at, (uint64_t)BLOCK),
			  (off_t)at);
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
		upload_digest(u, block, (size_t)n, at);
		at += (uint64_t)n;
		u->sent = MAX(u->sent, at);
	}
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

/* APPE to go on with a STOR: a server may not like that. */
static int append_refused(struct upload *u, struct control *c, const struct reply *reply)
{
	int r = refused(u, c, "APPE", reply);

	if (u->job->append) {
		return r;
	}
	u->no_resume = r != TRY_AGAIN;
	return TRY_AGAIN;
}

/* The data connection and what goes over it. As send_all(), which has chosen `at`. */
static int send_from(struct upload *u, struct control *c, uint64_t at)
{
	const char *verb = u->job->append || at ? "APPE" : "STOR";
	_cleanup_reply_ struct reply reply = { 0 };
	struct transfer *t = NULL;
	struct words words = { "" };
	bool local;
	int r, sent;

	r = transfer_open(c, u->wait, verb, u->job->path, 0, &t, &reply, &words);
	if (r == 1) {
		return at ? append_refused(u, c, &reply) : refused(u, c, verb, &reply);
	}
	if (r < 0 && r != -EINTR) {
		hook_printf(u->hook, LEVEL_WARN, "%s %s: %s", verb, u->job->path,
			    words.text[0] ? words.text : strerror(-r));
	}
	/* Even a failed start may have emptied or made the target (FileZilla Server). */
	u->begun = true;
	if (r < 0) {
		/* As for downloads: a firewall, or the wrong mode. */
		return control_alive(c) && upload_lost(r) == TRY_AGAIN ? -EIO
								       : upload_lost(r);
	}
	u->opened = true;
	u->sent = at;
	sent = send_bytes(u, t, at, &local);
	if (sent < 0 && (local || sent == -EINTR || sent == -ETIMEDOUT)) {
		transfer_abort(t, NULL);
		return local ? sent : upload_lost(sent);
	}
	/* When the server cut the data it says why: 552, 452, 426. */
	r = transfer_finish(t, u->wait, &reply);
	if (r < 0) {
		if (sent == 0) {
			u->stage = DOUBT;
		} else if (r == -ETIMEDOUT && ++u->silent >= SILENT_MAX) {
			return -EIO; /* pyftpdlib on a full disk: it will not get better */
		}
		return upload_lost(r);
	}
	if (!reply_is(&reply, 2)) {
		return refused(u, c, verb, &reply);
	}
	if (sent < 0) {
		return TRY_AGAIN;
	}
	u->stage = sent == UPLOAD_PAUSE ? PAUSED : AFTER;
	return 0;
}

static int send_all(struct upload *u, struct control *c)
{
	uint64_t at = 0;
	int r = u->job->append ? append_from(u, c, &at) : resume_from(u, c, &at);

	if (r != 0) {
		return r;
	}
	/* All of it had arrived before the connection was lost. */
	if (u->opened && at && at == u->size && !u->job->feed) {
		u->stage = AFTER;
		return 0;
	}
	return send_from(u, c, at);
}

/* Everything was sent and the verdict got lost (interop #7): the size tells. */
static int resolve_doubt(struct upload *u, struct control *c)
{
	struct look look;
	int r = look_at(c, u->wait, u->job->path, &look);

	if (r < 0) {
		return upload_lost(r);
	}
	u->stage = look.has_size && look.size == upload_whole(u) ? AFTER : SEND;
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
		return r == -EACCES ? r : r == -ESHUTDOWN ? -EIO : upload_lost(r);
	}
	if (u->stage == DOUBT) {
		r = resolve_doubt(u, c);
	}
	if (r == 0 && u->stage == SEND) {
		r = send_all(u, c);
	}
	if (r == 0 && u->stage == AFTER) {
		r = upload_after(u, c);
	}
	pool_return(pool, c);
	return r;
}

/* Until the feed has more, or says that this was all. */
static int await_feed(struct upload *u)
{
	int r = more(u, u->sent, true);

	if (r == 0) {
		u->stage = u->size > u->sent ? SEND : AFTER;
	}
	return r;
}

/* Attempts until all is there. */
static int upload_try(struct upload *u)
{
	const struct server *server = remote_server(u->remote);
	unsigned tries = 0;
	bool fresh = false;

	for (;;) {
		uint64_t before = u->sent;
		int s = u->stage == PAUSED ? await_feed(u) : 0;

		if (s == 0) {
			s = attempt(u, fresh);
		}
		if (s < 0 || (s == 0 && u->stage != PAUSED)) {
			return s;
		}
		fresh = s != 0;
		if (s == 0 || u->sent >= before + RESUME_MIN) {
			tries = 0;
		}
		if (s == 0) {
			continue;
		}
		if (++tries > server->retry) {
			hook_printf(u->hook, LEVEL_ERROR,
				    "%s: upload given up after %u attempts", u->job->path,
				    tries);
			return -EIO;
		}
		if (tries > 1) {
			s = wait_sleep(u->wait,
				       now_ms() +
					       MIN((int64_t)100 << MIN(tries, 5u), 2000));
			if (s < 0) {
				return s;
			}
		}
	}
}

int upload_run(struct remote *r, const struct wait *w, const struct upload_job *job,
	       struct upload_result *ret)
{
	struct upload u = {
		.remote = r,
		.wait = w,
		.job = job,
		.hook = remote_server(r)->hook,
		.size = job->size,
		.result = { .mtime = -1, .mode = -1 },
	};
	int s = upload_try(&u);

	if (s == 0) {
		upload_late_wishes(&u);
		*ret = u.result;
	}
	u.digest = digest_free(u.digest);
	return s;
}
