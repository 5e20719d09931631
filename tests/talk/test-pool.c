/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets a connection, when, and what the pool learns from servers that refuse one. */
#include "borrower.h"

enum { BORROWERS = 8 };

/* ---- the server's limit ---- */

static void is_full_421(struct session *c)
{
	peer_say(c, "421 There are too many connections from your internet address.");
	peer_close(c, WIRE_FIN);
}

static void is_full_530(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass",
		    "530 Sorry, the maximum number of clients (1) already connected.");
	peer_skip_flight(c);
	peer_expect_end(c);
}

static void check_limit(struct talk *t, peer_script *full)
{
	struct control *first;
	struct borrower b, d;

	talk_start(t, &(struct peer_config){ .scripts = { peer_idle, full } });
	(void)talk_pool(t);
	first = talk_borrow(t, POOL_COMMAND);
	borrower_start(&b, t, POOL_COMMAND);
	assert_false(borrower_is_done(&b, 500));
	borrower_start(&d, t, POOL_TRANSFER);
	assert_false(borrower_is_done(&d, 100));
	assert_true(pool_is_short(t->pool));
	pool_return(t->pool, first);
	assert_true(borrower_is_done(&b, 3000));
	assert_int_equal(borrower_end(&b), 0);
	/* With a limit of one, transfers share it with commands. */
	assert_true(borrower_is_done(&d, 3000));
	assert_int_equal(borrower_end(&d), 0);
	assert_false(pool_is_short(t->pool));
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

static void test_limit_421(void **state)
{
	check_limit(*state, is_full_421);
}

static void test_limit_530(void **state)
{
	check_limit(*state, is_full_530);
}

/* The limit is met by the first connection of all: tried again for a while, since the
 * server may still count one that just died. */
static void test_limit_first(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { is_full_421, peer_idle } });
	(void)talk_pool(t);
	pool_return(t->pool, talk_borrow(t, POOL_COMMAND));
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

/* ---- a refused password ---- */

static void refuses_password(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_sleep(c, 100);
	peer_answer(c, "PASS s3cret-Pass", "530 Login incorrect.");
	peer_skip_flight(c);
	peer_expect_end(c);
}

static void takes_password(struct session *c)
{
	if (peer_nth(c) == 0) {
		refuses_password(c);
	} else {
		peer_idle(c);
	}
}

/* Servers lock accounts after a few failures: one attempt is all they get, however many ask. */
static void test_wrong_password(void **state)
{
	struct talk *t = *state;
	struct borrower b[BORROWERS];
	struct control *c = NULL;

	talk_start(t, &(struct peer_config){ .more = refuses_password });
	(void)talk_pool(t);
	for (int i = 0; i < BORROWERS; i++) {
		borrower_start(&b[i], t, i % 2 ? POOL_COMMAND : POOL_TRANSFER);
	}
	for (int i = 0; i < BORROWERS; i++) {
		assert_true(borrower_is_done(&b[i], 8000));
	}
	for (int i = 0; i < BORROWERS; i++) {
		assert_int_equal(borrower_end(&b[i]), -EACCES);
		assert_non_null(strstr(b[i].words.text, "Login incorrect"));
	}
	assert_int_equal(pool_borrow(t->pool, POOL_COMMAND, true, NULL, &c, NULL),
			 -EACCES);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "PASS"), 1);
}

static void test_forgive(void **state)
{
	struct talk *t = *state;
	struct control *c = NULL;

	talk_start(t, &(struct peer_config){
			      .scripts = { takes_password, takes_password } });
	(void)talk_pool(t);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			pool_borrow(t->pool, POOL_COMMAND, false, NULL, &c, NULL),
			-EACCES);
	}
	pool_forgive(t->pool);
	pool_return(t->pool, talk_borrow(t, POOL_COMMAND));
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

/* ---- who is next ---- */

/* The first logins run side by side and learn the same things. */
static void test_parallel_first(void **state)
{
	struct talk *t = *state;
	struct borrower b[4];

	talk_start(t, &(struct peer_config){ .more = peer_idle });
	(void)talk_pool(t);
	for (int i = 0; i < 4; i++) {
		borrower_start(&b[i], t, POOL_COMMAND);
	}
	for (int i = 0; i < 4; i++) {
		assert_true(borrower_is_done(&b[i], 5000));
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(borrower_end(&b[i]), 0);
	}
	assert_true(pool_host(t->pool)->mlst);
	talk_end(t);
	assert_in_range(peer_facts(t->peer).connections, 1, 4);
}

static void test_reservation(void **state)
{
	struct talk *t = *state;
	struct control *transfer, *command;
	struct borrower b;

	talk_start(t, &(struct peer_config){ .scripts = { peer_idle, peer_idle } });
	t->server.max_conns = 2;
	(void)talk_pool(t);
	transfer = talk_borrow(t, POOL_TRANSFER);
	borrower_start(&b, t, POOL_TRANSFER);
	assert_false(borrower_is_done(&b, 300));
	/* A command does not wait behind the transfer that must. */
	command = talk_borrow(t, POOL_COMMAND);
	pool_return(t->pool, command);
	assert_false(borrower_is_done(&b, 300));
	pool_return(t->pool, transfer);
	assert_true(borrower_is_done(&b, 3000));
	assert_int_equal(borrower_end(&b), 0);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

static void test_fifo(void **state)
{
	struct talk *t = *state;
	struct control *c;
	struct borrower b[4];

	talk_start(t, &(struct peer_config){ .scripts = { peer_idle } });
	t->server.max_conns = 1;
	(void)talk_pool(t);
	c = talk_borrow(t, POOL_COMMAND);
	for (int i = 0; i < 4; i++) {
		borrower_start(&b[i], t, POOL_COMMAND);
		await_short(t);
		usleep(50000);
	}
	pool_return(t->pool, c);
	for (int i = 0; i < 4; i++) {
		assert_true(borrower_is_done(&b[i], 3000));
		for (int j = i + 1; j < 4; j++) {
			assert_false(borrower_is_done(&b[j], 0));
		}
		assert_int_equal(borrower_end(&b[i]), 0);
	}
	talk_end(t);
}

static void test_cancelled_wait(void **state)
{
	struct talk *t = *state;
	int64_t begin = now_ms(), when;
	struct wait w = { .cancelled = talk_is_after, .arg = &when };
	struct control *c, *none = NULL;

	talk_start(t, &(struct peer_config){ .scripts = { peer_idle } });
	t->server.max_conns = 1;
	(void)talk_pool(t);
	c = talk_borrow(t, POOL_COMMAND);
	begin = now_ms();
	when = begin + 100;
	assert_int_equal(pool_borrow(t->pool, POOL_COMMAND, false, &w, &none, NULL),
			 -EINTR);
	assert_in_range(now_ms() - begin, 100, 500);
	assert_false(pool_is_short(t->pool));
	pool_return(t->pool, c);
	talk_end(t);
}

/* ---- the end, and no server ---- */

static void holds_its_answer(struct session *c)
{
	peer_login(c);
	peer_expect(c, "NOOP");
	peer_raise(peer_of(c), 0);
	peer_expect_end(c);
}

static void *noop_thread(void *arg)
{
	struct talk *t = arg;
	struct control *c = talk_borrow(t, POOL_COMMAND);
	struct reply reply = { 0 };
	int r = control_command(c, NULL, "NOOP", NULL, &reply);

	pool_return(t->pool, c);
	return r < 0 ? t : NULL;
}

static void test_shutdown(void **state)
{
	struct talk *t = *state;
	struct borrower b;
	pthread_t busy;
	void *was_cut;
	int64_t begin;

	talk_start(t, &(struct peer_config){ .scripts = { holds_its_answer } });
	t->server.max_conns = 1;
	t->server.io_timeout = 20000;
	(void)talk_pool(t);
	assert_int_equal(pthread_create(&busy, NULL, noop_thread, t), 0);
	assert_true(peer_await(t->peer, 0));
	borrower_start(&b, t, POOL_COMMAND);
	await_short(t);
	begin = now_ms();
	pool_shutdown(t->pool);
	assert_true(now_ms() - begin < 2000);
	pthread_join(busy, &was_cut);
	assert_ptr_equal(was_cut, t);
	assert_true(borrower_is_done(&b, 1000));
	assert_int_equal(borrower_end(&b), -ESHUTDOWN);
	talk_end(t);
}

static void stalls_in_login(struct session *c)
{
	peer_say(c, "220 ready");
	peer_expect(c, "AUTH TLS");
	peer_raise(peer_of(c), 0);
	peer_expect_end(c);
}

static void test_shutdown_dialling(void **state)
{
	struct talk *t = *state;
	struct borrower b;
	int64_t begin;
	int r;

	talk_start(t, &(struct peer_config){ .scripts = { stalls_in_login } });
	(void)talk_pool(t);
	borrower_start(&b, t, POOL_COMMAND);
	assert_true(peer_await(t->peer, 0));
	begin = now_ms();
	pool_shutdown(t->pool);
	assert_true(now_ms() - begin < 1500);
	r = borrower_end(&b);
	assert_true(r == -EINTR || r == -ESHUTDOWN);
	talk_end(t);
}

static void hangs_up(struct session *c)
{
	peer_close(c, WIRE_FIN);
}

static void test_hold_down(void **state)
{
	struct talk *t = *state;
	struct control *c = NULL;
	struct words words = { "" };
	int64_t begin;

	talk_start(t, &(struct peer_config){ .scripts = { hangs_up, peer_idle } });
	(void)talk_pool(t);
	assert_int_equal(pool_borrow(t->pool, POOL_COMMAND, false, NULL, &c, &t->words),
			 -ENOTCONN);
	begin = now_ms();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(
			pool_borrow(t->pool, POOL_COMMAND, false, NULL, &c, &words),
			-ENOTCONN);
	}
	assert_true(now_ms() - begin < 150);
	assert_string_equal(words.text, t->words.text);
	assert_true(words.text[0]);
	assert_int_equal(peer_facts(t->peer).connections, 1);
	usleep(400000);
	pool_return(t->pool, talk_borrow(t, POOL_COMMAND));
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

static void test_nobody_listens(void **state)
{
	struct talk *t = *state;
	struct control *c = NULL;

	talk_start(t, &(struct peer_config){ .implicit = false });
	t->server.port = peer_closed_port();
	(void)talk_pool(t);
	assert_int_equal(pool_borrow(t->pool, POOL_COMMAND, false, NULL, &c, &t->words),
			 -ECONNREFUSED);
	talk_assert_words(t, "refused the connection");
	talk_end(t);
}

/* The second connection cannot be made for another reason than a limit: the first serves all
 * the same. */
static void test_hold_down_with_others(void **state)
{
	struct talk *t = *state;
	struct control *c;
	struct borrower b;

	talk_start(t, &(struct peer_config){ .scripts = { peer_idle, hangs_up, hangs_up,
							  hangs_up, hangs_up, hangs_up,
							  hangs_up },
					     .more = hangs_up });
	(void)talk_pool(t);
	c = talk_borrow(t, POOL_COMMAND);
	borrower_start(&b, t, POOL_COMMAND);
	assert_false(borrower_is_done(&b, 700));
	pool_return(t->pool, c);
	assert_true(borrower_is_done(&b, 3000));
	assert_int_equal(borrower_end(&b), 0);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_limit_421),	      TALK(test_limit_530),
		TALK(test_limit_first),	      TALK(test_wrong_password),
		TALK(test_forgive),	      TALK(test_parallel_first),
		TALK(test_reservation),	      TALK(test_fifo),
		TALK(test_cancelled_wait),    TALK(test_shutdown),
		TALK(test_shutdown_dialling), TALK(test_hold_down),
		TALK(test_nobody_listens),    TALK(test_hold_down_with_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
