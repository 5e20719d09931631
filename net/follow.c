/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/follow.h"

#include "net/pool.h"
#include "net/replace.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	/* A writer that stands still gives the connection back at once when others wait for
	 * one, else before the server loses patience with the data connection. */
	STILL_MS = 500,
	STILL_MAX_MS = 15 * 1000,
	FOLLOW_STACK = 256 * 1024,
};

struct follow {
	struct remote *remote;
	struct upload_job job;
	struct upload_feed feed;
	char *path;
	bool replace;
	int keep_mode;
	uint64_t margin;
	pthread_t thread;

	struct mutex lock;
	struct cond changed;
	uint64_t end GUARDED_BY(lock); /* bytes that may be sent */
	uint64_t sent GUARDED_BY(lock);
	uint64_t safe GUARDED_BY(lock); /* bytes below it could be given up */
	uint64_t given GUARDED_BY(lock); /* bytes below it were */
	bool ended GUARDED_BY(lock), cancelled GUARDED_BY(lock), done GUARDED_BY(lock);
	bool hungry GUARDED_BY(lock); /* the thread waits for the writer */
	int error GUARDED_BY(lock);
	struct upload_result result GUARDED_BY(lock);
};

static void check_locked(const struct follow *f) REQUIRES(f->lock)
{
#ifndef NDEBUG
	assert(f->sent <= f->end);
	assert(f->given <= MAX(f->sent, f->job.append_at));
	assert(!f->done || !f->hungry);
#else
	(void)f;
#endif
}

/* ---- the thread ---- */

static bool is_cancelled(void *arg)
{
	struct follow *f = arg;
	bool yes;

	mutex_lock(&f->lock);
	yes = f->cancelled;
	mutex_unlock(&f->lock);
	return yes;
}

static bool must_pause(struct follow *f, int64_t since)
{
	int64_t still = now_ms() - since;

	return still >= STILL_MAX_MS ||
	       (still >= STILL_MS && pool_is_short(remote_pool(f->remote)));
}

/* The feed of the upload. */
static int more(void *arg, uint64_t at, bool idle, uint64_t *ret_end)
{
	struct follow *f = arg;
	int64_t since = now_ms();
	int r = 0;

	mutex_lock(&f->lock);
	f->sent = at;
	if (at > f->safe + f->margin) {
		f->safe = at - f->margin;
	}
	check_locked(f);
	cond_broadcast(&f->changed);
	while (r == 0 && !f->cancelled && f->end <= at && !f->ended) {
		f->hungry = true;
		(void)cond_wait(&f->changed, &f->lock, NULL, now_ms() + WAIT_SLICE_MS);
		mutex_unlock(&f->lock);
		r = !idle && must_pause(f, since) ? UPLOAD_PAUSE : 0;
		mutex_lock(&f->lock);
	}
	f->hungry = false;
	if (f->cancelled) {
		r = -ECANCELED;
	} else if (f->end > at || f->ended) {
		r = 0;
		*ret_end = f->end;
	}
	mutex_unlock(&f->lock);
	return r;
}

static bool hold(void *arg, uint64_t at)
{
	struct follow *f = arg;
	bool here;

	mutex_lock(&f->lock);
	here = at >= f->given;
	if (here) {
		f->safe = MIN(f->safe, at);
	}
	mutex_unlock(&f->lock);
	return here;
}

static void *follow_main(void *arg)
{
	struct follow *f = arg;
	struct wait w = { .cancelled = is_cancelled, .arg = f };
	struct upload_result result = { 0 };
	int r = f->replace ? upload_replace(f->remote, &w, &f->job, f->keep_mode, &result)
			   : upload_run(f->remote, &w, &f->job, &result);

	mutex_lock(&f->lock);
	f->done = true;
	f->error = r;
	f->result = result;
	check_locked(f);
	cond_broadcast(&f->changed);
	mutex_unlock(&f->lock);
	return NULL;
}

/* ---- the writer's side ---- */

static int start(struct follow *f)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r == 0) {
		(void)pthread_attr_setstacksize(&attr, FOLLOW_STACK);
		r = pthread_create(&f->thread, &attr, follow_main, f);
		(void)pthread_attr_destroy(&attr);
	}
	return r == 0 ? 0 : -ENOMEM;
}

static void release(struct follow *f)
{
	cond_finish(&f->changed);
	mutex_finish(&f->lock);
	free(f->path);
	free(f);
}

int follow_new(struct remote *r, const struct upload_job *job, bool replace,
	       int keep_mode, uint64_t end, uint64_t margin, struct follow **ret)
{
	struct follow *f = calloc(1, sizeof(*f));
	int e;

	if (!f) {
		return -ENOMEM;
	}
	mutex_init(&f->lock);
	cond_init(&f->changed);
	f->remote = r;
	f->path = strdup(job->path);
	f->replace = replace;
	f->keep_mode = keep_mode;
	f->margin = margin;
	f->feed = (struct upload_feed){ .more = more, .hold = hold, .arg = f };
	f->job = *job;
	f->job.path = f->path;
	f->job.feed = &f->feed;
	f->job.size = 0;
	f->job.mtime = f->job.mode = -1;
	mutex_lock(&f->lock);
	f->end = end;
	f->sent = f->safe = f->given = job->append ? job->append_at : 0;
	mutex_unlock(&f->lock);
	e = f->path ? start(f) : -ENOMEM;
	if (e < 0) {
		release(f);
		return e;
	}
	*ret = f;
	return 0;
}

void follow_free(struct follow *f)
{
	if (!f) {
		return;
	}
	mutex_lock(&f->lock);
	f->cancelled = true;
	cond_broadcast(&f->changed);
	mutex_unlock(&f->lock);
	(void)pthread_join(f->thread, NULL);
	release(f);
}

void follow_advance(struct follow *f, uint64_t end)
{
	mutex_lock(&f->lock);
	assert(end >= f->end && !f->ended);
	f->end = end;
	if (f->hungry) {
		cond_broadcast(&f->changed);
	}
	mutex_unlock(&f->lock);
}

uint64_t follow_give_up(struct follow *f)
{
	uint64_t given;

	mutex_lock(&f->lock);
	given = f->given = MAX(f->given, f->safe);
	mutex_unlock(&f->lock);
	return given;
}

int follow_await(struct follow *f, const struct wait *w, uint64_t than)
{
	int r = 0;

	mutex_lock(&f->lock);
	while (r == 0 && f->safe <= than) {
		if (f->done) {
			r = f->error ? f->error : -ENODATA;
		} else if (f->hungry && f->sent == f->end) {
			r = -ENODATA;
		} else {
			r = cond_wait(&f->changed, &f->lock, w, INT64_MAX / 2);
		}
	}
	mutex_unlock(&f->lock);
	return r;
}

int follow_end(struct follow *f, const struct wait *w, uint64_t size,
	       struct upload_result *ret)
{
	int r = 0;

	mutex_lock(&f->lock);
	assert(size >= f->end && (!f->ended || size == f->end));
	f->end = size;
	f->ended = true;
	cond_broadcast(&f->changed);
	while (r == 0 && !f->done) {
		r = cond_wait(&f->changed, &f->lock, w, INT64_MAX / 2);
	}
	if (r == 0) {
		r = f->error;
		*ret = f->result;
	}
	mutex_unlock(&f->lock);
	return r;
}
