/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sync.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

/* pthread functions fail here only on misuse: a bug, not a condition. */
static void must(int r)
{
	assert(r == 0);
	(void)r;
}

void mutex_init(struct mutex *m)
{
	must(pthread_mutex_init(&m->m, NULL));
}

void mutex_finish(struct mutex *m)
{
	must(pthread_mutex_destroy(&m->m));
}

void mutex_lock(struct mutex *m) NO_TSA
{
	must(pthread_mutex_lock(&m->m));
}

void mutex_unlock(struct mutex *m) NO_TSA
{
	must(pthread_mutex_unlock(&m->m));
}

void cond_init(struct cond *c)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr));
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	must(pthread_cond_init(&c->c, &attr));
	must(pthread_condattr_destroy(&attr));
}

void cond_finish(struct cond *c)
{
	must(pthread_cond_destroy(&c->c));
}

void cond_signal(struct cond *c)
{
	must(pthread_cond_signal(&c->c));
}

void cond_broadcast(struct cond *c)
{
	must(pthread_cond_broadcast(&c->c));
}

bool wait_cancelled(const struct wait *w)
{
	return w && w->cancelled && w->cancelled(w->arg);
}

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int wait_poll(const struct wait *w, struct pollfd *fds, nfds_t n, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - now_ms();
		int slice = left < 0 ? 0 : (int)MIN(left, (int64_t)WAIT_SLICE_MS);
		int r;

		if (wait_cancelled(w)) {
			return -EINTR;
		}
		r = poll(fds, n, slice);
		if (r > 0) {
			return r;
		}
		if (r < 0 && errno != EINTR) {
			return -errno;
		}
		if (left <= slice) {
			return -ETIMEDOUT;
		}
	}
}

int cond_wait(struct cond *c, struct mutex *m, const struct wait *w, int64_t deadline)
{
	int64_t now = now_ms();
	int64_t until = MIN(deadline, now + WAIT_SLICE_MS);
	struct timespec t = {
		.tv_sec = until / 1000,
		.tv_nsec = (until % 1000) * 1000000,
	};

	if (now >= deadline) {
		return -ETIMEDOUT;
	}
	if (wait_cancelled(w)) {
		return -EINTR;
	}
	/* ETIMEDOUT here is the slice's end, not the deadline's. */
	(void)pthread_cond_timedwait(&c->c, &m->m, &t);
	return 0;
}

int wait_sleep(const struct wait *w, int64_t deadline)
{
	int r = wait_poll(w, NULL, 0, deadline);

	return r == -ETIMEDOUT ? 0 : r;
}
