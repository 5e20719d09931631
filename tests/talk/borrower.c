/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "borrower.h"

static void *borrow_thread(void *arg)
{
	struct borrower *b = arg;
	struct control *c = NULL;
	int64_t start = now_ms();
	int r = pool_borrow(b->t->pool, b->use, false, NULL, &c, &b->words);

	mutex_lock(&b->lock);
	b->result = r;
	b->took = now_ms() - start;
	b->done = true;
	cond_broadcast(&b->changed);
	while (r == 0 && !b->release) {
		(void)cond_wait(&b->changed, &b->lock, NULL, now_ms() + 1000);
	}
	mutex_unlock(&b->lock);
	if (r == 0) {
		pool_return(b->t->pool, c);
	}
	return NULL;
}

void borrower_start(struct borrower *b, struct talk *t, enum pool_use use)
{
	*b = (struct borrower){ .t = t, .use = use };
	mutex_init(&b->lock);
	cond_init(&b->changed);
	assert_int_equal(pthread_create(&b->thread, NULL, borrow_thread, b), 0);
}

bool borrower_is_done(struct borrower *b, int64_t ms)
{
	int64_t deadline = now_ms() + ms;
	bool done;

	mutex_lock(&b->lock);
	while (!b->done && cond_wait(&b->changed, &b->lock, NULL, deadline) == 0) {
	}
	done = b->done;
	mutex_unlock(&b->lock);
	return done;
}

int borrower_end(struct borrower *b)
{
	mutex_lock(&b->lock);
	b->release = true;
	cond_broadcast(&b->changed);
	mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	cond_finish(&b->changed);
	mutex_finish(&b->lock);
	return b->result;
}

void await_short(struct talk *t)
{
	for (int i = 0; i < 500 && !pool_is_short(t->pool); i++) {
		usleep(10000);
	}
	assert_true(pool_is_short(t->pool));
}
