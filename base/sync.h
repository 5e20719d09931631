/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks and waits. Every wait of the program, for a socket or for another
 * thread, goes through wait_poll() or cond_wait(): they wake at most every
 * WAIT_SLICE_MS to ask whether the waiter still wants to wait, so that Ctrl-C
 * on a blocked program acts in a fraction of a second. */
#ifndef BASE_SYNC_H
#define BASE_SYNC_H

#include "base/defs.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { WAIT_SLICE_MS = 200 };

struct CAPABILITY("mutex") mutex {
	pthread_mutex_t m;
};

void mutex_init(struct mutex *m);
void mutex_finish(struct mutex *m);
void mutex_lock(struct mutex *m) ACQUIRES(m);
void mutex_unlock(struct mutex *m) RELEASES(m);

struct cond {
	pthread_cond_t c; /* CLOCK_MONOTONIC */
};

void cond_init(struct cond *c);
void cond_finish(struct cond *c);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

/* Who waits. The lower layers do not know it is a FUSE request, or a thread
 * that can be told to stop: they only ask. cancelled() is called from the
 * waiting thread, possibly with a lock held: it must be quick and take at most
 * a leaf lock. A NULL struct wait pointer waits for the deadline only. */
struct wait {
	bool (*cancelled)(void *arg);
	void *arg;
};

bool wait_cancelled(const struct wait *w);

/* Monotonic clock, milliseconds. Deadlines are values of this clock. */
int64_t now_ms(void);

/* poll(2) until something is ready (returns how many), the deadline has passed
 * (-ETIMEDOUT) or w is cancelled (-EINTR). EINTR of poll itself is retried. */
int wait_poll(const struct wait *w, struct pollfd *fds, nfds_t n, int64_t deadline);

/* One turn of waiting on c with m held; call it in a loop around the
 * predicate. 0: look again (woken, or a slice has passed); -ETIMEDOUT;
 * -EINTR. */
int cond_wait(struct cond *c, struct mutex *m, const struct wait *w, int64_t deadline)
	REQUIRES(m);

/* Sleeps until the deadline: 0, or -EINTR when cancelled before it. */
int wait_sleep(const struct wait *w, int64_t deadline);

#endif
