/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by pool.c and pool_dial.c only. */
#ifndef NET_POOL_PRIVATE_H
#define NET_POOL_PRIVATE_H

#include "net/pool.h"
#include "tls/dial.h"

enum {
	SLOTS_MAX = 64,
	LIMIT_PROBE_MS = 600 * 1000 /* after that, one more may fit again */
};

/* The keep-alive thread borrows like anyone.
 *
 * state	who touches control		leaves by
 * FREE		nobody, NULL			borrow -> DIALING
 * DIALING	nobody yet, NULL		dial ok -> LENT, or IDLE if ahead; failed -> FREE
 * LENT		the borrower			return -> IDLE or FREE
 * IDLE		nobody				borrow -> LENT, too old -> FREE */
enum slot_state { SLOT_FREE, SLOT_DIALING, SLOT_LENT, SLOT_IDLE };

struct slot {
	enum slot_state state;
	enum pool_use use; /* while DIALING or LENT */
	struct control *control;
	bool ahead; /* DIALING for nobody in particular */
	int64_t wanted; /* now_ms() when somebody last asked for it; keep-alive does not
			   count */
};

/* Lives on the stack of a blocked borrower. */
struct waiter {
	struct waiter *next;
	enum pool_use use;
	bool fresh;
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
	bool started GUARDED_BY(lock); /* there may be threads */
	bool ticking; /* the keep-alive thread exists */
	pthread_t ticker;
};

unsigned pool_count_locked(struct pool *p, enum slot_state state) REQUIRES(p->lock);
static inline unsigned pool_open_locked(struct pool *p) REQUIRES(p->lock)
{
	return SLOTS_MAX - pool_count_locked(p, SLOT_FREE);
}

/* Dials into a DIALING slot, which is LENT then, or IDLE if ahead. 0; 1: it failed, others are
 * there to be waited for; negative. outer may be NULL. */
int pool_dial(struct pool *p, struct slot *slot, const struct wait *outer,
	      struct words *words);
/* The same on a thread of its own. False: there is none; the slot is as before. */
bool pool_dial_ahead_locked(struct pool *p, struct slot *slot) REQUIRES(p->lock);

#endif
