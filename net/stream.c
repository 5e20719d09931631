/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/pump.h"

#include "net/pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { STOP_MS = 1000 };

bool stream_in_reach_locked(const struct stream *s, uint64_t off) REQUIRES(s->lock)
{
	uint64_t from = s->reaim ? s->target : s->window.base;
	uint64_t end = s->reaim ? s->target : s->window.end;

	return s->aimed && off >= from && (off <= end || off - end <= STREAM_REACH);
}

uint64_t stream_wanted_locked(const struct stream *s) REQUIRES(s->lock)
{
	uint64_t want = 0;

	for (const struct reader *r = s->readers; r; r = r->next) {
		if (r->error == 0 && stream_in_reach_locked(s, r->off)) {
			want = MAX(want, r->goal);
		}
	}
	return want;
}

int stream_new(struct remote *r, const char *path, uint64_t size, size_t window,
	       struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s) {
		return -ENOMEM;
	}
	s->path = strdup(path);
	if (!s->path) {
		free(s);
		return -ENOMEM;
	}
	s->remote = r;
	s->size = size;
	s->limit = MAX(window, (size_t)CHUNK_SIZE);
	mutex_init(&s->lock);
	cond_init(&s->demand);
	cond_init(&s->arrival);
	mutex_lock(&s->lock);
	s->eof = UINT64_MAX;
	window_init(&s->window, 0);
	s->last_read = now_ms();
	mutex_unlock(&s->lock);
	*ret = s;
	return 0;
}

void stream_free(struct stream *s)
{
	int64_t deadline;

	if (!s) {
		return;
	}
	deadline = now_ms() + STOP_MS;
	mutex_lock(&s->lock);
	assert(!s->readers);
	s->stopping = true;
	cond_broadcast(&s->demand);
	/* A connection that is left in order can be used again: worth a moment. */
	while (s->state != STREAM_IDLE) {
		if (cond_wait(&s->arrival, &s->lock, NULL, deadline) < 0) {
			if (s->control) {
				control_kill(s->control);
			}
			deadline = now_ms() + STOP_MS;
		}
	}
	pump_join_locked(s);
	window_finish(&s->window);
	free(s->path);
	mutex_unlock(&s->lock);
	cond_finish(&s->demand);
	cond_finish(&s->arrival);
	mutex_finish(&s->lock);
	free(s);
}

/* True: off is, or has become, what the pump is aimed at. False: somebody else is
 * still waiting for the present aim; look again when he has been served. */
static bool aim_locked(struct stream *s, uint64_t off) REQUIRES(s->lock)
{
	if (stream_in_reach_locked(s, off)) {
		return true;
	}
	if (s->reaim && off < s->target && s->target - off <= WINDOW_BEHIND) {
		s->target = off;
		return true;
	}
	if (s->reaim
		    ? stream_wanted_locked(s) > 0
		    : s->window.end < s->eof && stream_wanted_locked(s) > s->window.end) {
		return false;
	}
	s->aimed = true;
	s->reaim = true;
	s->target = off;
	cond_signal(&s->demand);
	return true;
}

void stream_aim(struct stream *s, uint64_t off)
{
	mutex_lock(&s->lock);
	if (s->eof == UINT64_MAX || off < s->eof) {
		(void)aim_locked(s, off);
	}
	mutex_unlock(&s->lock);
}

int64_t stream_distance(struct stream *s, uint64_t off)
{
	int64_t d = -1;

	mutex_lock(&s->lock);
	if (s->eof != UINT64_MAX && off >= s->eof) {
		d = 0;
	} else if (s->reaim && off < s->target && s->target - off <= WINDOW_BEHIND) {
		d = (int64_t)(s->target - off);
	} else if (stream_in_reach_locked(s, off)) {
		uint64_t end = s->reaim ? s->target : s->window.end;

		d = off < end ? 0 : (int64_t)MAX(off - end, (uint64_t)1);
	}
	mutex_unlock(&s->lock);
	return d;
}

int64_t stream_last_read(struct stream *s)
{
	int64_t t;

	mutex_lock(&s->lock);
	t = s->last_read;
	mutex_unlock(&s->lock);
	return t;
}

static bool served_locked(const struct stream *s, const struct reader *me)
	REQUIRES(s->lock)
{
	if (s->eof != UINT64_MAX && me->off >= s->eof) {
		return true;
	}
	return me->off >= s->window.base && me->off <= s->window.end &&
	       (me->goal <= s->window.end || s->window.end == s->eof);
}

static void reader_leave_locked(struct stream *s, struct reader *me) REQUIRES(s->lock)
{
	struct reader **at = &s->readers;

	while (*at != me) {
		at = &(*at)->next;
	}
	*at = me->next;
	/* Those out of reach wait for the last one in reach to be served. */
	if (s->readers) {
		cond_broadcast(&s->arrival);
	}
}

static int await_locked(struct stream *s, const struct wait *w, const char *path,
			struct reader *me) REQUIRES(s->lock)
{
	const struct server *server = remote_server(s->remote);
	int64_t patience = server->io_timeout * ((int64_t)server->retry + 1);
	int64_t start = now_ms();
	int r = 0;

	if (strcmp(s->path, path) != 0) {
		char *copy = strdup(path);

		if (!copy) {
			return -ENOMEM;
		}
		free(s->path);
		s->path = copy;
	}
	s->last_read = start;
	me->next = s->readers;
	s->readers = me;
	while (r == 0 && !served_locked(s, me)) {
		if (aim_locked(s, me->off)) {
			if (s->state == STREAM_FULL) {
				cond_signal(&s->demand);
			}
			r = pump_start_locked(s);
			if (r < 0) {
				break;
			}
		}
		r = cond_wait(&s->arrival, &s->lock, w,
			      MAX(start, s->progressed) + patience);
		if (me->error) {
			r = me->error;
		}
	}
	reader_leave_locked(s, me);
	return r;
}

/* After a read: the window moves on, and doubles while progress is forward. */
static void advance_locked(struct stream *s, uint64_t end) REQUIRES(s->lock)
{
	uint64_t keep;

	if (end > s->highest) {
		s->highest = end;
		if (s->highest - s->grown_at >= s->ahead / 2) {
			s->ahead = MIN(s->ahead * 2, s->limit);
			s->grown_at = s->highest;
		}
	}
	s->last_read = now_ms();
	keep = s->highest > WINDOW_BEHIND ? s->highest - WINDOW_BEHIND : 0;
	for (const struct reader *r = s->readers; r; r = r->next) {
		if (r->off >= s->window.base) {
			keep = MIN(keep, r->off);
		}
	}
	window_trim(&s->window, keep);
	if (s->state == STREAM_FULL) {
		cond_signal(&s->demand);
	}
}

int stream_read(struct stream *s, const struct wait *w, const char *path, uint64_t off,
		size_t len, struct slice *ret)
{
	struct reader me = { .off = off };
	struct slice slice = { 0 };
	bool low = false;
	int r = 0;

	/* More would not fit the slice. */
	len = MIN(len, (size_t)(SLICE_IOV_MAX - 1) * CHUNK_SIZE);
	me.goal = off + len;
	if (off < s->size && s->size != UINT64_MAX) {
		me.goal = MIN(me.goal, s->size);
	}
	mutex_lock(&s->lock);
	if (!served_locked(s, &me)) {
		r = await_locked(s, w, path, &me);
	}
	if (r == 0) {
		(void)window_pin(&s->window, off, len, &slice);
		advance_locked(s, off + slice.len);
		low = s->state == STREAM_IDLE && s->window.end < s->eof && !s->stopping &&
		      s->window.end - MIN(s->highest, s->window.end) < s->ahead / 2;
		*ret = slice;
	}
	mutex_unlock(&s->lock);
	/* A parked stream starts again before its reader has to wait, unless others wait.
	 */
	if (low && slice.len > 0 && !pool_is_short(remote_pool(s->remote))) {
		mutex_lock(&s->lock);
		s->resume = true;
		(void)pump_start_locked(s);
		mutex_unlock(&s->lock);
	}
	return r;
}
