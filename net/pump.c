/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/pump.h"

#include "net/pool.h"
#include "net/transfer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	AHEAD_FIRST = 512 * 1024, /* window of a stream that was re-aimed */
	DRAIN_MAX =
		64 * 1024, /* so close to the end, reading on is cheaper than leaving */
	LINGER_MS = 5000, /* a full window keeps its connection so long without a read */
	QUANTUM_MS =
		1000, /* of streaming before a busy stream yields to the pool's queue, */
	QUANTUM_HUNGRY_MS = 2000, /* and when its readers will have to wait then */
	SETTLE_MS = 1,
	PUMP_STACK = 256 * 1024,
};

static void check_locked(const struct stream *s) REQUIRES(s->lock)
{
#ifndef NDEBUG
	assert(s->state == STREAM_IDLE || s->joinable);
	assert(s->state == STREAM_IDLE ? !s->control : true);
	assert((s->state != STREAM_FLOWING && s->state != STREAM_FULL) || s->control);
	assert(s->window.base <= s->window.end);
	assert(s->eof == UINT64_MAX || s->window.end <= s->eof || s->reaim);
	assert(!s->reaim || s->aimed);
#else
	(void)s;
#endif
}

static void state_set_locked(struct stream *s, enum stream_state state) REQUIRES(s->lock)
{
	s->state = state;
	check_locked(s);
}

static bool demand_locked(const struct stream *s) REQUIRES(s->lock)
{
	uint64_t want = stream_wanted_locked(s);

	if (s->stopping) {
		return false;
	}
	if (s->reaim) {
		return want > 0;
	}
	return s->aimed && s->window.end < s->eof && (want > s->window.end || s->resume);
}

static size_t room_locked(const struct stream *s) REQUIRES(s->lock)
{
	uint64_t to = MAX(s->highest + s->ahead, stream_wanted_locked(s));

	return to > s->window.end ? (size_t)(to - s->window.end) : 0;
}

static bool nearly_done_locked(const struct stream *s) REQUIRES(s->lock)
{
	return s->window.end <= s->size && s->size - s->window.end <= DRAIN_MAX;
}

static bool leave_wanted_locked(const struct stream *s) REQUIRES(s->lock)
{
	return (s->stopping || s->reaim) && !nearly_done_locked(s);
}

static bool pump_leaves(void *arg)
{
	struct stream *s = arg;
	bool leave;

	mutex_lock(&s->lock);
	leave = leave_wanted_locked(s);
	mutex_unlock(&s->lock);
	return leave;
}

/* For commands: cancelling one loses the conversation, which a re-aim is not worth. */
static bool pump_stops(void *arg)
{
	struct stream *s = arg;
	bool stop;

	mutex_lock(&s->lock);
	stop = s->stopping;
	mutex_unlock(&s->lock);
	return stop;
}

static void fail_readers(struct stream *s, int error)
{
	mutex_lock(&s->lock);
	for (struct reader *r = s->readers; r; r = r->next) {
		r->error = error;
	}
	s->reaim = false;
	s->resume = false;
	cond_broadcast(&s->arrival);
	mutex_unlock(&s->lock);
}

/* ---- the pump ---- */

struct pump {
	struct stream *s;
	struct wait stop; /* cancelled by stream_free */
	struct control *control;
	unsigned tries; /* transfers in a row that brought nothing */
};

/* What a transfer came to, where it is not a negative errno for the readers. */
enum { DONE = 0, TRY_AGAIN = 1 };

/* The bytes ended, in order or not: were they all? */
static int pump_end(struct pump *p, struct transfer *t, bool in_order)
{
	struct stream *s = p->s;
	const struct log_hook *hook = remote_server(s->remote)->hook;
	_cleanup_reply_ struct reply reply = { 0 };
	bool have_all, whole;
	uint64_t end;
	int r;

	mutex_lock(&s->lock);
	end = s->window.end;
	have_all = s->size != UINT64_MAX && end >= s->size;
	mutex_unlock(&s->lock);
	if (in_order && have_all) {
		transfer_note_whole(t);
	}
	/* Also when the stream is given up: programs close a file right behind its last byte, and a
	 * verdict not waited for costs the connection. stream_free() bounds it. */
	r = transfer_finish(t, NULL, &reply);
	mutex_lock(&s->lock);
	if (r < 0) {
		whole = in_order && have_all;
	} else {
		whole = reply_is(&reply, 2) &&
			(in_order || have_all || s->size == UINT64_MAX);
	}
	if (whole) {
		s->eof = end;
		s->resume = false;
		cond_broadcast(&s->arrival);
	}
	mutex_unlock(&s->lock);

	if (whole) {
		if (!have_all && s->size != UINT64_MAX) {
			hook_printf(hook, LEVEL_INFO,
				    "file ended at byte %llu, %llu were listed",
				    (unsigned long long)end, (unsigned long long)s->size);
		}
		return DONE;
	}
	if (r == -EINTR) {
		return r;
	}
	hook_printf(hook, LEVEL_INFO, "download stopped at byte %llu (%s)",
		    (unsigned long long)end, r < 0 ? strerror(-r) : reply_words(&reply));
	return TRY_AGAIN;
}

/* A full window: holds on to the transfer while somebody may read on. True: there is room
 * again. */
static bool pump_linger(struct pump *p)
{
	struct stream *s = p->s;
	struct pool *pool = remote_pool(s->remote);
	bool go_on = false;

	mutex_lock(&s->lock);
	state_set_locked(s, STREAM_FULL);
	for (;;) {
		bool is_short;

		if (s->stopping || s->reaim) {
			break;
		}
		/* Not for every read of a few bytes: a quarter of the window at a time.
		 */
		if (stream_wanted_locked(s) > s->window.end ||
		    room_locked(s) >= MIN(s->ahead / 4, (size_t)1 << 20)) {
			go_on = true;
			break;
		}
		if (now_ms() - s->last_read >= LINGER_MS) {
			break;
		}
		mutex_unlock(&s->lock);
		is_short = pool_is_short(pool);
		mutex_lock(&s->lock);
		if (is_short) {
			break;
		}
		(void)cond_wait(&s->demand, &s->lock, NULL, INT64_MAX / 2);
	}
	state_set_locked(s, STREAM_FLOWING);
	mutex_unlock(&s->lock);
	return go_on;
}

/* A busy stream lets others have the connection once in a while; it queues behind them.
 */
static bool pump_yields(struct pump *p, int64_t since)
{
	struct stream *s = p->s;
	int64_t streamed = now_ms() - since;
	bool fed;

	if (streamed < QUANTUM_MS || !pool_is_short(remote_pool(s->remote))) {
		return false;
	}
	mutex_lock(&s->lock);
	fed = s->window.end >= s->highest + CHUNK_SIZE;
	mutex_unlock(&s->lock);
	return fed || streamed >= QUANTUM_HUNGRY_MS;
}

/* True: the transfer is no longer wanted. */
static bool pump_commit(struct pump *p, size_t len)
{
	struct stream *s = p->s;
	bool leave;

	p->tries = 0;
	mutex_lock(&s->lock);
	window_commit(&s->window, len);
	if (s->window.end > s->eof) {
		s->eof = UINT64_MAX; /* it has grown since */
	}
	s->progressed = now_ms();
	for (struct reader *r = s->readers; r; r = r->next) {
		if (r->goal <= s->window.end) {
			cond_broadcast(&s->arrival);
			break;
		}
	}
	leave = leave_wanted_locked(s);
	mutex_unlock(&s->lock);
	return leave;
}

/* Bytes from t into the window until something ends it. Ends t. */
static int pump_flow(struct pump *p, struct transfer *t)
{
	struct stream *s = p->s;
	struct wait leave = { .cancelled = pump_leaves, .arg = s };
	int64_t since = now_ms();

	for (;;) {
		size_t room, len = 0;
		char *space = NULL;
		ssize_t n;

		mutex_lock(&s->lock);
		room = room_locked(s);
		if (room > 0) {
			space = window_room(&s->window, &len);
		}
		mutex_unlock(&s->lock);
		if (room == 0) {
			if (pump_linger(p)) {
				continue;
			}
			transfer_abort(t, NULL);
			return DONE;
		}
		if (!space) {
			transfer_abort(t, NULL);
			return -ENOMEM;
		}
		n = transfer_read(t, &leave, space, len);
		if (n > 0) {
			if (pump_commit(p, (size_t)n) || pump_yields(p, since)) {
				transfer_abort(t, NULL);
				return DONE;
			}
			continue;
		}
		if (n == 0 || n == -ECONNABORTED) {
			return pump_end(p, t, n == 0);
		}
		/* On -EINTR the other side is well: its word is worth waiting for, so
		 * that the connection stays usable. */
		transfer_abort(t, NULL);
		return n == -EINTR ? DONE : TRY_AGAIN;
	}
}

/* Takes the aim: where to start and what to ask for. */
static int pump_aim(struct stream *s, char **ret_path, uint64_t *ret_rest)
{
	int r = 0;

	mutex_lock(&s->lock);
	if (s->reaim && s->target > 0) {
		/* Of several reads sent at once the lowest may come last: let it lower
		 * the target. */
		(void)cond_wait(&s->demand, &s->lock, NULL, now_ms() + SETTLE_MS);
	}
	if (s->reaim) {
		s->reaim = false;
		window_reset(&s->window, s->target);
		s->highest = s->grown_at = s->target;
		s->ahead = s->target == 0 ? s->limit : MIN(s->limit, (size_t)AHEAD_FIRST);
	}
	*ret_rest = s->window.end;
	*ret_path = strdup(s->path);
	if (!*ret_path) {
		r = -ENOMEM;
	}
	mutex_unlock(&s->lock);
	return r;
}

static int pump_refused(struct pump *p, const char *path, uint64_t rest,
			const struct reply *reply)
{
	int r;

	if (reply_is_passing(reply)) {
		return TRY_AGAIN;
	}
	/* With REST in front it may be REST that was refused. */
	if (rest > 0 && (reply->code == 500 || reply->code == 501 || reply->code == 502 ||
			 reply->code == 504 || reply->code == 554)) {
		hook_printf(remote_server(p->s->remote)->hook, LEVEL_WARN,
			    "server cannot start a download at byte %llu: %s",
			    (unsigned long long)rest, reply_words(reply));
		return -EIO;
	}
	r = remote_refusal(p->s->remote, p->control, &p->stop, "RETR", path, reply);
	return r < 0 ? r : -EIO;
}

static int pump_transfer(struct pump *p)
{
	struct stream *s = p->s;
	_cleanup_free_ char *path = NULL;
	_cleanup_reply_ struct reply reply = { 0 };
	const struct log_hook *hook = remote_server(s->remote)->hook;
	struct transfer *t = NULL;
	struct words words = { "" };
	uint64_t rest;
	int r = pump_aim(s, &path, &rest);

	if (r < 0) {
		return r;
	}
	r = transfer_open(p->control, &p->stop, "RETR", path, rest, &t, &reply, &words);
	if (r == 1) {
		return pump_refused(p, path, rest, &reply);
	}
	if (r < 0 && r != -EINTR) {
		hook_printf(hook, LEVEL_WARN, "RETR %s: %s", path,
			    words.text[0] ? words.text : strerror(-r));
	}
	if (r == -EINTR || r == -ENOMEM || r == -EINVAL || r == -ENAMETOOLONG) {
		return r;
	}
	if (r < 0) {
		/* No data connection though the conversation is well: a firewall, or the
		 * wrong mode. Another login would run into the same, a timeout later. */
		return control_alive(p->control) ? -EIO : TRY_AGAIN;
	}
	mutex_lock(&s->lock);
	s->resume = false;
	state_set_locked(s, STREAM_FLOWING);
	mutex_unlock(&s->lock);
	return pump_flow(p, t);
}

static int pump_borrow(struct pump *p)
{
	struct stream *s = p->s;
	struct control *c = NULL;
	struct words words = { "" };
	int r = pool_borrow(remote_pool(s->remote), POOL_TRANSFER, p->tries > 0, &p->stop,
			    &c, &words);

	if (r < 0 && r != -EINTR) {
		hook_printf(remote_server(s->remote)->hook, LEVEL_WARN, "download: %s",
			    words.text[0] ? words.text : strerror(-r));
	}
	if (r < 0) {
		switch (r) {
		case -EINTR:
		case -EACCES:
		case -ENOMEM:
			return r;
		case -ESHUTDOWN:
			return -EIO;
		default:
			return TRY_AGAIN;
		}
	}
	p->control = c;
	mutex_lock(&s->lock);
	s->control = c;
	mutex_unlock(&s->lock);
	return DONE;
}

static void pump_give_back(struct pump *p)
{
	if (!p->control) {
		return;
	}
	mutex_lock(&p->s->lock);
	state_set_locked(p->s, STREAM_ASKING);
	p->s->control = NULL;
	mutex_unlock(&p->s->lock);
	pool_return(remote_pool(p->s->remote), p->control);
	p->control = NULL;
}

static void pump_fail(struct pump *p, int r)
{
	unsigned retry = remote_server(p->s->remote)->retry;

	pump_give_back(p);
	if (r == TRY_AGAIN && p->tries < retry) {
		p->tries++;
		/* The first time at once: most often an idle connection had died. */
		if (p->tries > 1) {
			(void)wait_sleep(
				&p->stop,
				now_ms() + MIN((int64_t)100 << MIN(p->tries, 5u), 2000));
		}
		return;
	}
	p->tries = 0;
	fail_readers(p->s, r == TRY_AGAIN ? -EIO : r);
}

static void *pump_main(void *arg)
{
	struct stream *s = arg;
	struct pump p = { .s = s, .stop = { .cancelled = pump_stops, .arg = s } };

	mutex_lock(&s->lock);
	for (;;) {
		bool more = demand_locked(s);
		int r;

		state_set_locked(s, STREAM_ASKING);
		if (!more && !p.control) {
			break;
		}
		mutex_unlock(&s->lock);
		if (!more || (p.control && (!control_alive(p.control) ||
					    pool_is_short(remote_pool(s->remote))))) {
			pump_give_back(&p);
		}
		if (more) {
			r = p.control ? DONE : pump_borrow(&p);
			if (r == DONE) {
				r = pump_transfer(&p);
			}
			if (r != DONE) {
				pump_fail(&p, r);
			}
		}
		mutex_lock(&s->lock);
	}
	state_set_locked(s, STREAM_IDLE);
	cond_broadcast(&s->arrival);
	mutex_unlock(&s->lock);
	return NULL;
}

/* Joins a pump that has passed its last lock (or is just about to return). */
void pump_join_locked(struct stream *s) REQUIRES(s->lock)
{
	if (s->joinable) {
		(void)pthread_join(s->thread, NULL);
		s->joinable = false;
	}
}

int pump_start_locked(struct stream *s) REQUIRES(s->lock)
{
	pthread_attr_t attr;
	int r;

	if (s->state != STREAM_IDLE || s->stopping) {
		return 0;
	}
	pump_join_locked(s);
	r = pthread_attr_init(&attr);
	if (r == 0) {
		(void)pthread_attr_setstacksize(&attr, PUMP_STACK);
		r = pthread_create(&s->thread, &attr, pump_main, s);
		(void)pthread_attr_destroy(&attr);
	}
	if (r != 0) {
		return -ENOMEM;
	}
	s->joinable = true;
	state_set_locked(s, STREAM_ASKING);
	return 0;
}
