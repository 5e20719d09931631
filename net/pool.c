/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/pool.h"
#include "tls/dial.h"

#include <errno.h>
#include <string.h>

enum {
	SLOTS_MAX = 64,
	HOLD_MIN_MS = 300,
	HOLD_MAX_MS = 30000,
	/* A connection that just died may still count on the server: a refusal for "too
	 * many" is tried again so long when we have none at all. */
	LIMIT_PATIENCE_MS = 5000,
	LIMIT_PROBE_MS = 600 * 1000, /* after that, one more may fit again */
	SHUTDOWN_MS = 5000,
	TICK_MS = 1000,
};

/* The keep-alive thread borrows like anyone.
 *
 * state	who touches control		leaves by
 * FREE		nobody, NULL			borrow -> DIALING
 * DIALING	nobody yet, NULL		dial ok -> LENT, failed -> FREE
 * LENT		the borrower			return -> IDLE or FREE
 * IDLE		nobody				borrow -> LENT, too old -> FREE */
enum slot_state { SLOT_FREE, SLOT_DIALING, SLOT_LENT, SLOT_IDLE };

struct slot {
	enum slot_state state;
	enum pool_use use; /* while DIALING or LENT */
	struct control *control;
	int64_t wanted; /* now_ms() when somebody last asked for it; keep-alive does not
			   count */
};

/* Lives on the stack of a blocked borrower. */
struct waiter {
	struct waiter *next;
	enum pool_use use;
};

struct pool {
	const struct server *server;
	struct host host;

	struct mutex lock; /* a leaf: nothing else is taken under it */
	struct cond changed;
	struct slot slots[SLOTS_MAX] GUARDED_BY(lock);
	struct waiter *queue GUARDED_BY(lock);
	_Atomic unsigned limit; /* learnt; <= max_conns; changed under the lock */
	int64_t probe_at GUARDED_BY(lock); /* when to try one more than limit */
	/* The address that worked (#43); len 0: none. */
	struct endpoint at GUARDED_BY(lock);
	int hold_errno GUARDED_BY(lock); /* why dialling failed last */
	int64_t hold_until GUARDED_BY(lock);
	struct words hold_words GUARDED_BY(lock);
	/* A login has worked: several may be tried at once. */
	bool proven GUARDED_BY(lock);
	bool refused GUARDED_BY(
		lock); /* the password: no further attempt, accounts get locked */
	bool stopping GUARDED_BY(lock);
	bool ticking; /* the keep-alive thread exists */
	pthread_t ticker;
};

int pool_new(const struct server *server, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p) {
		return -ENOMEM;
	}
	p->server = server;
	mutex_init(&p->lock);
	cond_init(&p->changed);
	p->limit = MIN(MAX(server->max_conns, 1u), (unsigned)SLOTS_MAX);
	*ret = p;
	return 0;
}

struct host *pool_host(struct pool *p)
{
	return &p->host;
}

const struct server *pool_server(const struct pool *p)
{
	return p->server;
}

static unsigned count_locked(struct pool *p, enum slot_state state) REQUIRES(p->lock)
{
	unsigned n = 0;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		n += p->slots[i].state == state;
	}
	return n;
}

static unsigned open_locked(struct pool *p) REQUIRES(p->lock)
{
	return SLOTS_MAX - count_locked(p, SLOT_FREE);
}

static struct slot *find_locked(struct pool *p, enum slot_state state) REQUIRES(p->lock)
{
	struct slot *best = NULL;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &p->slots[i];

		if (s->state != state) {
			continue;
		}
		/* Of the idle ones the one used last: the others may grow old and go. */
		if (!best ||
		    (state == SLOT_IDLE &&
		     control_last_used(s->control) > control_last_used(best->control))) {
			best = s;
		}
	}
	return best;
}

/* ---- who may go ---- */

static bool use_allowed_locked(struct pool *p, enum pool_use use) REQUIRES(p->lock)
{
	unsigned transfers = 0;

	if (use == POOL_COMMAND) {
		return true;
	}
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		enum slot_state state = p->slots[i].state;

		transfers += (state == SLOT_LENT || state == SLOT_DIALING) &&
			     p->slots[i].use == POOL_TRANSFER;
	}
	return transfers < MAX(1u, p->limit - 1);
}

static bool may_dial_locked(struct pool *p) REQUIRES(p->lock)
{
	unsigned n = open_locked(p);

	if (p->limit < p->server->max_conns && p->limit < SLOTS_MAX &&
	    now_ms() >= p->probe_at) {
		p->limit++;
		p->probe_at = now_ms() + LIMIT_PROBE_MS;
	}
	if (!p->proven && count_locked(p, SLOT_DIALING)) {
		return false; /* a wrong password is to be tried once, not max_conns times */
	}
	/* While others work, a hold-down only means to wait for them. */
	return n < p->limit && (n == 0 || now_ms() >= p->hold_until);
}

static bool can_serve_locked(struct pool *p, enum pool_use use) REQUIRES(p->lock)
{
	return use_allowed_locked(p, use) &&
	       (find_locked(p, SLOT_IDLE) || may_dial_locked(p));
}

/* First come, first served, but a command need not wait behind a transfer that must. */
static bool my_turn_locked(struct pool *p, const struct waiter *me) REQUIRES(p->lock)
{
	for (const struct waiter *o = p->queue; o && o != me; o = o->next) {
		if (can_serve_locked(p, o->use)) {
			return false;
		}
	}
	return can_serve_locked(p, me->use);
}

static void enqueue_locked(struct pool *p, struct waiter *me) REQUIRES(p->lock)
{
	struct waiter **at = &p->queue;

	while (*at) {
		at = &(*at)->next;
	}
	*at = me;
}

static void dequeue_locked(struct pool *p, struct waiter *me) REQUIRES(p->lock)
{
	struct waiter **at = &p->queue;

	while (*at != me) {
		at = &(*at)->next;
	}
	*at = me->next;
	cond_broadcast(&p->changed); /* somebody else is first now */
}

bool pool_is_short(struct pool *p)
{
	bool yes;

	mutex_lock(&p->lock);
	yes = p->queue != NULL;
	mutex_unlock(&p->lock);
	return yes;
}

unsigned pool_limit(struct pool *p)
{
	return p->limit;
}

/* Waits for a slot: LENT with a control, or DIALING without one. */
static int take_slot_locked(struct pool *p, enum pool_use use, bool fresh,
			    const struct wait *w, struct slot **ret, struct words *words)
	REQUIRES(p->lock)
{
	struct waiter me = { .use = use };
	int64_t deadline = now_ms() + 4 * p->server->io_timeout;
	struct slot *slot;
	int r = 0;

	enqueue_locked(p, &me);
	for (;;) {
		if (p->stopping) {
			r = -ESHUTDOWN;
		} else if (p->refused) {
			words_set(words, "%s", p->hold_words.text);
			r = -EACCES;
		} else if (open_locked(p) == 0 && now_ms() < p->hold_until) {
			words_set(words, "%s", p->hold_words.text);
			r = p->hold_errno;
		} else if (my_turn_locked(p, &me)) {
			break;
		}
		if (r == 0) {
			r = cond_wait(&p->changed, &p->lock, w, deadline);
		}
		if (r < 0) {
			dequeue_locked(p, &me);
			return r;
		}
	}
	slot = fresh && may_dial_locked(p) ? NULL : find_locked(p, SLOT_IDLE);
	if (slot) {
		slot->state = SLOT_LENT;
	} else {
		slot = find_locked(p, SLOT_FREE);
		slot->state = SLOT_DIALING;
	}
	slot->use = use;
	slot->wanted = now_ms();
	dequeue_locked(p, &me);
	*ret = slot;
	return 0;
}

static int take_slot(struct pool *p, enum pool_use use, bool fresh, const struct wait *w,
		     struct slot **ret, struct words *words)
{
	int r;

	mutex_lock(&p->lock);
	r = take_slot_locked(p, use, fresh, w, ret, words);
	mutex_unlock(&p->lock);
	return r;
}

static void release_slot(struct pool *p, struct slot *slot)
{
	mutex_lock(&p->lock);
	slot->state = SLOT_FREE;
	slot->control = NULL;
	cond_broadcast(&p->changed);
	mutex_unlock(&p->lock);
}

/* ---- dialling ---- */

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
	if (p->at.len && open_locked(p) > 1) {
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
	unsigned others = count_locked(p, SLOT_LENT) + count_locked(p, SLOT_IDLE);

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

/* Dials into the slot, without the lock. 0; 1: queue again; negative. */
static int dial_slot(struct pool *p, struct slot *slot, const struct wait *outer,
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
		others = count_locked(p, SLOT_LENT) + count_locked(p, SLOT_IDLE);
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
		slot->state = SLOT_LENT;
		p->hold_until = 0;
		p->proven = true;
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

/* ---- lending ---- */

static void give_back(struct pool *p, struct control *c, bool keep)
{
	struct slot *slot = NULL;

	mutex_lock(&p->lock);
	for (size_t i = 0; i < SLOTS_MAX && !slot; i++) {
		slot = p->slots[i].control == c ? &p->slots[i] : NULL;
	}
	keep = keep && !p->stopping && control_alive(c) && control_owed(c) == 0;
	if (keep) {
		slot->state = SLOT_IDLE;
		cond_broadcast(&p->changed);
	} else {
		/* Still counted as open until it is closed, but out of pool_shutdown()'s
		 * reach. */
		slot->state = SLOT_DIALING;
		slot->control = NULL;
	}
	mutex_unlock(&p->lock);
	if (!keep) {
		control_close(c);
		release_slot(p, slot);
	}
}

int pool_borrow(struct pool *p, enum pool_use use, bool fresh, const struct wait *w,
		struct control **ret, struct words *words)
{
	for (;;) {
		struct slot *slot = NULL;
		int r = take_slot(p, use, fresh, w, &slot, words);

		if (r < 0) {
			return r;
		}
		if (slot->control) {
			if (!fresh && control_check(slot->control) == 0) {
				*ret = slot->control;
				return 0;
			}
			/* Dead, or suspected so: its place goes to a new one. */
			give_back(p, slot->control, false);
			continue;
		}
		r = dial_slot(p, slot, w, words);
		if (r == 0) {
			*ret = slot->control;
			return 0;
		}
		if (r < 0) {
			return r;
		}
		fresh = false;
	}
}

void pool_return(struct pool *p, struct control *c)
{
	give_back(p, c, true);
}

void pool_forgive(struct pool *p)
{
	mutex_lock(&p->lock);
	p->refused = p->proven = false;
	p->hold_until = 0;
	cond_broadcast(&p->changed);
	mutex_unlock(&p->lock);
}

/* ---- keep-alive ---- */

/* An idle connection that is due for a NOOP, or so long unused that it may go; LENT to us
 * then. */
static struct control *next_due(struct pool *p, bool *ret_old)
{
	const struct server *s = p->server;
	struct control *due = NULL;
	int64_t now = now_ms();

	mutex_lock(&p->lock);
	for (size_t i = 0; i < SLOTS_MAX && !due && !p->queue && !p->stopping; i++) {
		struct slot *slot = &p->slots[i];
		bool old = s->idle_timeout && now - slot->wanted >= s->idle_timeout;

		if (slot->state == SLOT_IDLE &&
		    (old || (s->keepalive &&
			     now - control_last_used(slot->control) >= s->keepalive))) {
			slot->state = SLOT_LENT;
			slot->use = POOL_COMMAND;
			due = slot->control;
			*ret_old = old;
		}
	}
	mutex_unlock(&p->lock);
	return due;
}

static bool ticker_stopped(void *arg)
{
	struct pool *p = arg;
	bool stopping;

	mutex_lock(&p->lock);
	stopping = p->stopping;
	mutex_unlock(&p->lock);
	return stopping;
}

static void *ticker_thread(void *arg)
{
	struct pool *p = arg;
	struct wait w = { .cancelled = ticker_stopped, .arg = p };

	while (wait_sleep(&w, now_ms() + TICK_MS) == 0) {
		struct control *c;
		bool old;

		while ((c = next_due(p, &old)) != NULL) {
			_cleanup_reply_ struct reply reply = { 0 };

			if (control_check(c) == 0 && !old) {
				(void)control_command(c, &w, "NOOP", NULL, &reply);
			}
			give_back(p, c, !old);
		}
	}
	return NULL;
}

int pool_start(struct pool *p)
{
	int r;

	if (p->ticking) {
		return 0;
	}
	r = pthread_create(&p->ticker, NULL, ticker_thread, p);
	p->ticking = r == 0;
	return -r;
}

/* ---- the end ---- */

void pool_shutdown(struct pool *p)
{
	int64_t deadline = now_ms() + SHUTDOWN_MS;

	mutex_lock(&p->lock);
	p->stopping = true;
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		if (p->slots[i].state == SLOT_LENT) {
			control_kill(p->slots[i].control);
		}
	}
	cond_broadcast(&p->changed);
	while (count_locked(p, SLOT_LENT) + count_locked(p, SLOT_DIALING) > 0) {
		if (cond_wait(&p->changed, &p->lock, NULL, deadline) < 0) {
			break;
		}
	}
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *slot = &p->slots[i];

		/* Nobody can borrow any more: the idle ones are ours alone, and QUIT does
		 * not wait. */
		if (slot->state == SLOT_IDLE) {
			control_close(slot->control);
			*slot = (struct slot){ 0 };
		}
	}
	mutex_unlock(&p->lock);
	if (p->ticking) {
		pthread_join(p->ticker, NULL);
		p->ticking = false;
	}
}

void pool_free(struct pool *p)
{
	if (!p) {
		return;
	}
	cond_finish(&p->changed);
	mutex_finish(&p->lock);
	free(p);
}
