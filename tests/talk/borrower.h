/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that want a connection of t->pool. */
#ifndef TALK_BORROWER_H
#define TALK_BORROWER_H

#include "talk.h"

#include "net/pool.h"

/* A thread that borrows, and holds what it got until told. */
struct borrower {
	struct talk *t;
	enum pool_use use;
	pthread_t thread;
	struct mutex lock;
	struct cond changed;
	bool done, release; /* under lock */
	int result;
	int64_t took;
	struct words words;
};

void borrower_start(struct borrower *b, struct talk *t, enum pool_use use);
bool borrower_is_done(struct borrower *b, int64_t ms); /* within that time */
/* Lets go, joins, returns what pool_borrow() said. */
int borrower_end(struct borrower *b);
void await_short(struct talk *t); /* somebody waits */

#endif
