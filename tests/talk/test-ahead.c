/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Further connections: made for those who wait, lent for work ahead of requests. */
#include "borrower.h"

/* The second connection logs in only when the test says so. */
static void takes_its_time(struct session *c)
{
	if (peer_nth(c) > 0) {
		peer_say(c, "120 in a moment");
		if (!peer_await(peer_of(c), peer_nth(c))) {
			peer_fail(c, "the flag did not come");
		}
	}
	peer_idle(c);
}

/* Who waits takes what is free first, and nobody else need dial later. */
static void test_free_before_dialled(void **state)
{
	struct talk *t = *state;
	struct control *first, *second;
	struct borrower b;

	talk_start(t, &(struct peer_config){
			      .scripts = { takes_its_time, takes_its_time } });
	(void)talk_pool(t);
	assert_int_equal(pool_start(t->pool), 0);
	first = talk_borrow(t, POOL_COMMAND);
	borrower_start(&b, t, POOL_COMMAND);
	assert_false(borrower_is_done(&b, 200));
	pool_return(t->pool, first);
	assert_true(borrower_is_done(&b, 2000));
	/* It holds the first; the second comes up by itself. */
	peer_raise(t->peer, 1);
	second = talk_borrow(t, POOL_COMMAND);
	assert_ptr_not_equal(second, first);
	pool_return(t->pool, second);
	assert_int_equal(borrower_end(&b), 0);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

/* Several that wait have several connections made side by side: none of these logins ends
 * before all have begun. */
static void all_at_once(struct session *c)
{
	unsigned n = peer_nth(c);

	if (n > 0) {
		peer_raise(peer_of(c), n);
		for (unsigned i = 1; i < 4; i++) {
			if (!peer_await(peer_of(c), i)) {
				peer_fail(c, "login %u did not begin beside %u", i, n);
			}
		}
	}
	peer_idle(c);
}

static void test_dials_side_by_side(void **state)
{
	struct talk *t = *state;
	struct control *first;
	struct borrower b[3];

	talk_start(t, &(struct peer_config){ .more = all_at_once });
	(void)talk_pool(t);
	assert_int_equal(pool_start(t->pool), 0);
	first = talk_borrow(t, POOL_COMMAND);
	for (int i = 0; i < 3; i++) {
		borrower_start(&b[i], t, POOL_COMMAND);
	}
	for (int i = 0; i < 3; i++) {
		assert_true(borrower_is_done(&b[i], 5000));
	}
	pool_return(t->pool, first);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(borrower_end(&b[i]), 0);
	}
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 4);
}

static int ahead(struct talk *t, struct control **ret)
{
	return pool_borrow(t->pool, POOL_AHEAD, false, NULL, ret, NULL);
}

/* Work ahead of requests: what is idle only, one connection stays for commands, and a further
 * one is on its way after the first refusal. */
static void test_ahead(void **state)
{
	struct talk *t = *state;
	struct control *c[2] = { NULL }, *none = NULL;
	int r = -EAGAIN;

	talk_start(t, &(struct peer_config){ .scripts = { peer_idle, peer_idle } });
	t->server.max_conns = 2;
	(void)talk_pool(t);
	assert_int_equal(pool_start(t->pool), 0);
	pool_return(t->pool, talk_borrow(t, POOL_COMMAND));
	assert_int_equal(ahead(t, &none), -EAGAIN);
	for (int i = 0; i < 500 && r == -EAGAIN; i++) {
		usleep(10000);
		r = ahead(t, &c[0]);
	}
	assert_int_equal(r, 0);
	assert_int_equal(ahead(t, &none), -EAGAIN);
	/* The other one is there for a command. */
	c[1] = talk_borrow(t, POOL_COMMAND);
	pool_return(t->pool, c[0]);
	/* A command is short: what it leaves behind may be used. */
	assert_int_equal(ahead(t, &c[0]), 0);
	pool_return(t->pool, c[0]);
	pool_return(t->pool, c[1]);
	c[1] = talk_borrow(t, POOL_TRANSFER);
	assert_int_equal(ahead(t, &none), -EAGAIN);
	pool_return(t->pool, c[1]);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

static void test_ahead_while_short(void **state)
{
	struct talk *t = *state;
	struct control *c, *none = NULL;
	struct borrower b;

	talk_start(t, &(struct peer_config){ .scripts = { peer_idle } });
	t->server.max_conns = 1;
	(void)talk_pool(t);
	assert_int_equal(pool_start(t->pool), 0);
	c = talk_borrow(t, POOL_COMMAND);
	borrower_start(&b, t, POOL_COMMAND);
	await_short(t);
	assert_int_equal(ahead(t, &none), -EAGAIN);
	pool_return(t->pool, c);
	assert_true(borrower_is_done(&b, 3000));
	assert_int_equal(borrower_end(&b), 0);
	/* The only connection is never used for it. */
	assert_int_equal(ahead(t, &none), -EAGAIN);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

/* A dial that nobody waits for any more ends with the pool. */
static void stays_in_login(struct session *c)
{
	peer_say(c, "120 in a moment");
	peer_raise(peer_of(c), 1);
	peer_expect_end(c);
}

static void test_shutdown_dialling_ahead(void **state)
{
	struct talk *t = *state;
	struct control *c;
	struct borrower b;
	int64_t begin;

	talk_start(t, &(struct peer_config){ .scripts = { peer_idle, stays_in_login } });
	(void)talk_pool(t);
	assert_int_equal(pool_start(t->pool), 0);
	c = talk_borrow(t, POOL_COMMAND);
	borrower_start(&b, t, POOL_COMMAND);
	assert_true(peer_await(t->peer, 1));
	pool_return(t->pool, c);
	assert_true(borrower_is_done(&b, 2000));
	assert_int_equal(borrower_end(&b), 0);
	begin = now_ms();
	pool_shutdown(t->pool);
	assert_true(now_ms() - begin < 2500);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_free_before_dialled),
		TALK(test_dials_side_by_side),
		TALK(test_ahead),
		TALK(test_ahead_while_short),
		TALK(test_shutdown_dialling_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
