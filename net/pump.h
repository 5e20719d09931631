/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to stream.c (the readers) and pump.c (the thread that fetches).
 *
 * The pump thread exists only while there is something to fetch: a stream that nobody
 * waits for costs memory, but no thread and no connection.
 *
 *  state    thread  connection      readers           leaves by
 *  IDLE     none    none            none that waits   a read beyond the frontier
 *  ASKING   pump    none, or idle   any               RETR accepted, failure, no demand
 *  FLOWING  pump    transfer open   any               window full, end of file, cut,
 *                                                     re-aim, yield
 *  FULL     pump    transfer open   none waits for    room, re-aim, a short pool,
 *                                   bytes in reach    LINGER_MS without a read
 *
 * "waits" means: in s->readers with error 0. stopping may be set in any state; the
 * pump then leaves for IDLE. */
#ifndef NET_PUMP_H
#define NET_PUMP_H

#include "net/stream.h"

enum stream_state { STREAM_IDLE, STREAM_ASKING, STREAM_FLOWING, STREAM_FULL };

/* A waiting stream_read(), on its stack. */
struct reader {
	struct reader *next;
	uint64_t off, goal; /* wants [off, goal) */
	int error; /* the download failed while it waited */
};

struct stream {
	struct remote *remote;
	size_t limit; /* of the window ahead */
	uint64_t size; /* as listed */

	struct mutex lock;
	struct cond demand; /* the pump's: room, re-aim, stop */
	struct cond arrival; /* the readers': bytes, end, failure, the pump's end */

	enum stream_state state GUARDED_BY(lock);
	bool joinable GUARDED_BY(lock); /* thread is to be joined */
	bool stopping GUARDED_BY(lock);
	pthread_t thread GUARDED_BY(lock);
	struct control *control GUARDED_BY(
		lock); /* the pump's, to be killed by stream_free */
	char *path GUARDED_BY(lock);
	struct reader *readers GUARDED_BY(lock);

	struct window window GUARDED_BY(lock); /* only the pump resets and commits */
	uint64_t eof GUARDED_BY(lock); /* UINT64_MAX: not seen yet */
	bool aimed GUARDED_BY(lock);
	bool reaim GUARDED_BY(lock); /* the pump shall start over at target */
	uint64_t target GUARDED_BY(lock);
	bool resume GUARDED_BY(lock); /* fetch ahead though nobody waits yet */

	uint64_t highest GUARDED_BY(lock); /* end of the furthest read */
	size_t ahead GUARDED_BY(lock); /* present size of the window ahead */
	uint64_t grown_at GUARDED_BY(lock);
	int64_t progressed GUARDED_BY(lock); /* when bytes last came */
	int64_t last_read GUARDED_BY(lock);
};

/* Whether off is in hand or close behind the frontier of the present aim. */
bool stream_in_reach_locked(const struct stream *s, uint64_t off) REQUIRES(s->lock);
/* The end of the furthest waiting read in reach; 0: nobody waits. */
uint64_t stream_wanted_locked(const struct stream *s) REQUIRES(s->lock);

/* Has a pump look at what is wanted. 0 or -ENOMEM. */
int pump_start_locked(struct stream *s) REQUIRES(s->lock);
/* Only while IDLE: takes back the thread of the last pump. */
void pump_join_locked(struct stream *s) REQUIRES(s->lock);

#endif
