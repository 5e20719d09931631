/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/pool_private.h"
#include "net/warm.h"

#include <errno.h>
#include <string.h>

enum { SHUTDOWN_MS = 5000, TICK_MS = 1000 };

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

unsigned pool_count_locked(struct pool *p, enum slot_state state)
{
	unsigned n = 0;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		n += p->slots[i].state == state;
	}
	return n;
}

static struct slot *find_locked(struct pool *p, enum slot_state state) REQUIRES(p->lock)
{
	struct slot *best = NULL;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &p->slots[i];

		if (s->state != state) {
			continue;
		}
		if (!best ||
		    (state == SLOT_IDLE && warm_better(s->control, best->control))) {
			best = s;
		}
	}
	return best;
}

/* ---- who may go ---- */

/* One connection is left to commands where there are two. */
static bool use_allowed_locked(struct pool *p, enum pool_use use) REQUIRES(p->lock)
{
	unsigned long_uses = 0;

	if (use == POOL_COMMAND) {
		return true;
	}
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		const struct slot *s = &p->slots[i];

		long_uses += (s->state == SLOT_LENT ||
			      (s->state == SLOT_DIALING && !s->ahead)) &&
			     s->use != POOL_COMMAND;
	}
	return long_uses < MAX(1u, p->limit - 1);
}

static bool may_dial_locked(struct pool *p) REQUIRES(p->lock)
{
	unsigned n = pool_open_locked(p);

	if (p->limit < p->server->max_conns && p->limit < SLOTS_MAX &&
	    now_ms() >= p->probe_at) {
		p->limit++;
		p->probe_at = now_ms() + LIMIT_PROBE_MS;
	}
	if (!p->proven && pool_count_locked(p, SLOT_DIALING)) {
		return false; /* a wrong password is to be tried once, not max_conns times */
	}
	/* While others work, a hold-down only means to wait for them. */
	return n < p->limit && (n == 0 || now_ms() >= p->hold_until);
}

/* Who has no connection to wait for dials; the others wait for what is free first: one that
 * comes back, or one that is made for them meanwhile. */
static bool dials_locked(struct pool *p, bool fresh) REQUIRES(p->lock)
{
	bool own = fresh || !p->started || pool_open_locked(p) == 0;

	return own && may_dial_locked(p);
}

static bool can_serve_locked(struct pool *p, const struct waiter *o) REQUIRES(p->lock)
{
	return use_allowed_locked(p, o->use) &&
	       (find_locked(p, SLOT_IDLE) || dials_locked(p, o->fresh));
}

/* As many connections are on their way as requests wait for one. */
static void dial_ahead_locked(struct pool *p, unsigned wanted) REQUIRES(p->lock)
{
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		wanted -=
			wanted && p->slots[i].state == SLOT_DIALING && p->slots[i].ahead;
	}
	while (wanted-- && p->started && !p->stopping && pool_open_locked(p) &&
	       may_dial_locked(p)) {
		struct slot *slot = find_locked(p, SLOT_FREE);

		*slot = (struct slot){ .state = SLOT_DIALING,
				       .ahead = true,
				       .wanted = now_ms() };
		if (!pool_dial_ahead_locked(p, slot)) {
			slot->state = SLOT_FREE;
			return;
		}
	}
}

static void dial_for_queue_locked(struct pool *p) REQUIRES(p->lock)
{
	unsigned wanted = 0;

	for (const struct waiter *o = p->queue; o; o = o->next) {
		wanted += use_allowed_locked(p, o->use);
	}
	dial_ahead_locked(p, wanted);
}

/* First come, first served, but a command need not wait behind a transfer that must. */
static bool my_turn_locked(struct pool *p, const struct waiter *me) REQUIRES(p->lock)
{
	for (const struct waiter *o = p->queue; o && o != me; o = o->next) {
		if (can_serve_locked(p, o)) {
			return false;
		}
	}
	return can_serve_locked(p, me);
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
	struct waiter me = { .use = use, .fresh = fresh };
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
		} else if (pool_open_locked(p) == 0 && now_ms() < p->hold_until) {
			words_set(words, "%s", p->hold_words.text);
			r = p->hold_errno;
		} else if (my_turn_locked(p, &me)) {
			break;
		}
		if (r == 0) {
			dial_for_queue_locked(p);
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
		slot->ahead = false;
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
	*slot = (struct slot){ .state = SLOT_FREE };
	cond_broadcast(&p->changed);
	mutex_unlock(&p->lock);
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
		slot->ahead = false;
		slot->control = NULL;
	}
	mutex_unlock(&p->lock);
	if (!keep) {
		control_close(c);
		release_slot(p, slot);
	}
}

/* An idle connection that leaves one to commands: another idle one, or one that will be back
 * soon. */
static struct slot *spare_locked(struct pool *p) REQUIRES(p->lock)
{
	unsigned left = pool_count_locked(p, SLOT_IDLE);

	if (!use_allowed_locked(p, POOL_AHEAD)) {
		return NULL;
	}
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		left += p->slots[i].state == SLOT_LENT && p->slots[i].use == POOL_COMMAND;
	}
	return left > 1 ? find_locked(p, SLOT_IDLE) : NULL;
}

/* Where there is none, one is on its way for the next time. */
static int take_ahead(struct pool *p, struct slot **ret)
{
	struct slot *slot = NULL;

	mutex_lock(&p->lock);
	if (!p->queue && !p->stopping && !p->refused && p->limit > 1) {
		slot = spare_locked(p);
		if (slot) {
			slot->state = SLOT_LENT;
			slot->use = POOL_AHEAD;
			slot->wanted = now_ms();
		} else if (use_allowed_locked(p, POOL_AHEAD)) {
			dial_ahead_locked(p, 1);
		}
	}
	mutex_unlock(&p->lock);
	*ret = slot;
	return slot ? 0 : -EAGAIN;
}

static int borrow_ahead(struct pool *p, struct control **ret)
{
	struct slot *slot = NULL;
	int r;

	while ((r = take_ahead(p, &slot)) == 0) {
		if (control_check(slot->control) == 0) {
			*ret = slot->control;
			return 0;
		}
		give_back(p, slot->control, false);
	}
	return r;
}

int pool_borrow(struct pool *p, enum pool_use use, bool fresh, const struct wait *w,
		struct control **ret, struct words *words)
{
	if (use == POOL_AHEAD) {
		return borrow_ahead(p, ret);
	}
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
		r = pool_dial(p, slot, w, words);
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

		if (slot->state == SLOT_IDLE) {
			warm_expire(slot->control);
		}
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
	mutex_lock(&p->lock);
	p->started = true;
	mutex_unlock(&p->lock);
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
	while (pool_count_locked(p, SLOT_LENT) + pool_count_locked(p, SLOT_DIALING) > 0) {
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
