/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool's further connections: how one is made, and what a failure teaches. */
#include "net/pool_private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

enum {
	HOLD_MIN_MS = 300,
	HOLD_MAX_MS = 30000,
	/* A connection that just died may still count on the server: a refusal for "too
	 * many" is tried again so long when we have none at all. */
	LIMIT_PATIENCE_MS = 5000,
};

/* The borrower's wait, which also ends when the pool stops. */
struct pool_wait {
	struct pool *pool;
	const struct wait *outer;
};

static bool pool_wait_cancelled(void *arg)
{
	struct pool_wait *pw = arg;
	bool stopping;

	mutex_lock(&pw->pool->lock);
	stopping = pw->pool->stopping;
	mutex_unlock(&pw->pool->lock);
	return stopping || wait_cancelled(pw->outer);
}

static int dial_any(struct pool *p, const struct wait *w, struct control **ret,
		    struct words *words)
{
	const struct server *s = p->server;
	struct endpoints all = { 0 };
	int r = 0;

	mutex_lock(&p->lock);
	if (p->at.len && pool_open_locked(p) > 1) {
		all.v[0] = p->at;
		all.n = 1;
	}
	mutex_unlock(&p->lock);
	if (all.n == 0 && !s->proxy) {
		r = dial_resolve(s->host, s->port, s->family, w,
				 now_ms() + s->connect_timeout, &all, words);
	}
	while (r == 0) {
		/* One that connects and then does not do is left out of the next race. */
		r = control_open(s, &p->host, &all, w, ret, words);
		if (r == 0) {
			mutex_lock(&p->lock);
			p->at = all.v[0];
			mutex_unlock(&p->lock);
			return 0;
		}
		/* A refusal comes from the server itself: its other addresses say the
		 * same. */
		if (all.n <= 1 || r == -EINTR || r == -EACCES || r == -EUSERS ||
		    r == -EKEYREJECTED || r == -EPROTONOSUPPORT) {
			break;
		}
		memmove(&all.v[0], &all.v[1], --all.n * sizeof(all.v[0]));
		r = 0;
	}
	return r;
}

/* What a failed dial teaches. true: the slot is given up and the borrower queues again.
 */
static bool learn_failure_locked(struct pool *p, int r, int64_t took,
				 const struct words *words) REQUIRES(p->lock)
{
	unsigned others =
		pool_count_locked(p, SLOT_LENT) + pool_count_locked(p, SLOT_IDLE);

	if (r == -EINTR || r == -ENOMEM) {
		return false;
	}
	if (others && (r == -EUSERS || r == -EACCES)) {
		/* Logins that worked a moment ago fail: that is the server's limit,
		 * however it words it. */
		p->limit = others;
		p->probe_at = now_ms() + LIMIT_PROBE_MS;
		return true;
	}
	p->hold_errno = r;
	p->hold_words = *words;
	p->hold_until =
		now_ms() + MIN(MAX(took, (int64_t)HOLD_MIN_MS), (int64_t)HOLD_MAX_MS);
	p->refused = r == -EACCES;
	return others > 0; /* they still work: wait for one of them */
}

int pool_dial(struct pool *p, struct slot *slot, const struct wait *outer,
	      struct words *words)
{
	struct pool_wait pw = { .pool = p, .outer = outer };
	struct wait w = { .cancelled = pool_wait_cancelled, .arg = &pw };
	struct words why = { "" };
	struct control *c = NULL;
	int64_t start = now_ms();
	bool again;
	int r;

	for (int64_t pause = 250;; pause *= 2) {
		unsigned others;

		r = dial_any(p, &w, &c, &why);
		mutex_lock(&p->lock);
		others =
			pool_count_locked(p, SLOT_LENT) + pool_count_locked(p, SLOT_IDLE);
		mutex_unlock(&p->lock);
		if (r != -EUSERS || others ||
		    now_ms() - start + pause > LIMIT_PATIENCE_MS ||
		    wait_sleep(&w, now_ms() + pause) < 0) {
			break;
		}
	}
	mutex_lock(&p->lock);
	if (r == 0) {
		slot->control = c;
		slot->state = slot->ahead ? SLOT_IDLE : SLOT_LENT;
		p->hold_until = 0;
		p->proven = true;
		cond_broadcast(&p->changed);
	} else {
		slot->state = SLOT_FREE;
		again = learn_failure_locked(p, r, now_ms() - start, &why);
		cond_broadcast(&p->changed);
	}
	mutex_unlock(&p->lock);
	if (r == 0) {
		return 0;
	}
	words_set(words, "%s", why.text);
	if (again) {
		hook_printf(p->server->hook, LEVEL_INFO,
			    "no further connection for now: %s", why.text);
	}
	return again ? 1 : r;
}

struct dialler {
	struct pool *pool;
	struct slot *slot;
};

/* pool_shutdown() waits for its slot to leave DIALING: nothing is touched after that. */
static void *dial_thread(void *arg)
{
	struct dialler d = *(struct dialler *)arg;
	struct words words = { "" };

	free(arg);
	(void)pool_dial(d.pool, d.slot, NULL, &words);
	return NULL;
}

bool pool_dial_ahead_locked(struct pool *p, struct slot *slot)
{
	struct dialler *d = malloc(sizeof(*d));
	sigset_t all, old;
	pthread_t thread;
	bool ok;

	if (!d) {
		return false;
	}
	*d = (struct dialler){ p, slot };
	/* Signals are for the threads that await them. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	ok = pthread_create(&thread, NULL, dial_thread, d) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ok) {
		pthread_detach(thread);
	} else {
		free(d);
	}
	return ok;
}
