/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of connections that nobody uses for a while. */
#include "talk.h"

/* ---- idle connections ---- */

static void answers_twice(struct session *c)
{
	peer_login(c);
	peer_expect(c, "NOOP");
	peer_say(c, "200 ok\n200 ok, again");
	peer_raise(peer_of(c), 0);
	peer_expect_end(c);
}

static void answers_500(struct session *c)
{
	peer_login(c);
	peer_answer(c, "NOOP", "500 no");
	peer_goodbye(c);
}

/* An answer too many must not answer the next borrower's command. */
static void test_extra_answer(void **state)
{
	struct talk *t = *state;
	struct reply reply = { 0 };
	struct control *c;

	talk_start(t, &(struct peer_config){ .scripts = { answers_twice, answers_500 } });
	(void)talk_pool(t);
	c = talk_borrow(t, POOL_COMMAND);
	assert_int_equal(control_command(c, NULL, "NOOP", NULL, &reply), 0);
	assert_int_equal(reply.code, 200);
	reply_release(&reply);
	pool_return(t->pool, c);
	c = talk_borrow(t, POOL_COMMAND);
	assert_int_equal(control_command(c, NULL, "NOOP", NULL, &reply), 0);
	assert_int_equal(reply.code, 500);
	reply_release(&reply);
	pool_return(t->pool, c);
	talk_end(t);
}

static void dies_idle(struct session *c)
{
	peer_login(c);
	(void)peer_await(peer_of(c), 0);
	peer_close(c, WIRE_FIN);
	peer_raise(peer_of(c), 1);
}

static void says_goodbye_idle(struct session *c)
{
	peer_login(c);
	(void)peer_await(peer_of(c), 0);
	peer_say(c, "421 Timeout.");
	peer_raise(peer_of(c), 1);
	peer_expect_end(c);
}

static void dies_with_notify(struct session *c)
{
	peer_login(c);
	(void)peer_await(peer_of(c), 0);
	peer_close(c, WIRE_NOTIFY);
	peer_raise(peer_of(c), 1);
}

static void answers_one_noop(struct session *c)
{
	peer_login(c);
	peer_answer(c, "NOOP", "200 ok");
	peer_goodbye(c);
}

static void check_idle_death(struct talk *t, peer_script *script)
{
	_cleanup_reply_ struct reply reply = { 0 };
	struct control *c;

	talk_start(t, &(struct peer_config){ .scripts = { script, answers_one_noop } });
	(void)talk_pool(t);
	pool_return(t->pool, talk_borrow(t, POOL_COMMAND));
	peer_raise(t->peer, 0);
	assert_true(peer_await(t->peer, 1));
	usleep(50000);
	c = talk_borrow(t, POOL_COMMAND);
	assert_int_equal(control_command(c, NULL, "NOOP", NULL, &reply), 0);
	assert_int_equal(reply.code, 200);
	pool_return(t->pool, c);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

static void test_idle_fin(void **state)
{
	check_idle_death(*state, dies_idle);
}

static void test_idle_notify(void **state)
{
	check_idle_death(*state, dies_with_notify);
}

static void test_idle_421(void **state)
{
	check_idle_death(*state, says_goodbye_idle);
}

/* Tickets that arrived meanwhile are no sign of death. */
static void test_reused(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .tls = "1.3", .scripts = { peer_idle } });
	(void)talk_pool(t);
	for (int i = 0; i < 5; i++) {
		pool_return(t->pool,
			    talk_borrow(t, i % 2 ? POOL_COMMAND : POOL_TRANSFER));
		usleep(20000);
	}
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

static void owes_an_answer(struct session *c)
{
	peer_login(c);
	peer_expect(c, "NOOP");
	peer_expect_end(c);
}

/* Replies would answer the next one's commands. */
static void test_owing_is_not_lent(void **state)
{
	struct talk *t = *state;
	struct control *c;

	talk_start(t, &(struct peer_config){ .scripts = { owes_an_answer, peer_idle } });
	(void)talk_pool(t);
	c = talk_borrow(t, POOL_COMMAND);
	assert_int_equal(control_send(c, NULL, "NOOP", NULL), 0);
	pool_return(t->pool, c);
	pool_return(t->pool, talk_borrow(t, POOL_COMMAND));
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

static void answers_keepalive(struct session *c)
{
	peer_login(c);
	peer_answer(c, "NOOP", "200 ok");
	peer_raise(peer_of(c), 0);
	/* Idle for too long by then. */
	peer_expect(c, "QUIT");
	peer_expect_end(c);
	peer_raise(peer_of(c), 1);
}

static void test_keepalive(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { answers_keepalive } });
	t->server.keepalive = 500;
	t->server.idle_timeout = 1900;
	(void)talk_pool(t);
	pool_return(t->pool, talk_borrow(t, POOL_COMMAND));
	assert_int_equal(pool_start(t->pool), 0);
	assert_true(peer_await(t->peer, 0));
	assert_true(peer_await(t->peer, 1));
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_extra_answer), TALK(test_idle_fin),
		TALK(test_idle_notify),	 TALK(test_idle_421),
		TALK(test_reused),	 TALK(test_owing_is_not_lent),
		TALK(test_keepalive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
