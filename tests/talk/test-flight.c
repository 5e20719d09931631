/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The login in one flight, and servers that do not take it. */
#include "peer_private.h"
#include "talk.h"

/* ---- passwords ---- */

static void knows_nobody(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS wr0ng-Pass", "530 Login incorrect.");
	peer_skip_flight(c);
	if (c->peer->config.implicit) {
		peer_close(c, WIRE_FIN);
	} else {
		peer_expect_end(c);
	}
}

/* Once, whether the server answers the rest of the flight, is silent or hangs up. */
static void check_wrong_password(struct talk *t, bool hangs_up)
{
	talk_start(t, &(struct peer_config){ .implicit = hangs_up,
					     .scripts = { knows_nobody } });
	t->server.io_timeout = 400;
	t->server.password = "wr0ng-Pass";
	assert_int_equal(talk_dial(t), -EACCES);
	talk_assert_words(t, "Login incorrect");
	talk_end(t);
	assert_false(talk_logged(t, "wr0ng"));
	assert_null(strstr(t->words.text, "wr0ng"));
	assert_false(t->host.no_pipeline);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

static void test_wrong_password(void **state)
{
	check_wrong_password(*state, false);
}

static void test_wrong_password_end(void **state)
{
	check_wrong_password(*state, true);
}

static void refuses_late(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_expect(c, "PASS wr0ng-Pass");
	peer_answer(c, "PBSZ 0", "200 ok");
	peer_answer(c, "PROT P", "200 ok");
	while (!c->failed && c->wire.at < c->wire.end) {
		(void)peer_expect_prefix(c, "");
		peer_say(c, "530 log in first");
	}
	peer_sleep(c, 100);
	peer_say(c, "530 Login incorrect.");
	peer_expect_end(c);
}

/* pyftpdlib. */
static void test_wrong_password_late(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { refuses_late } });
	t->server.password = "wr0ng-Pass";
	assert_int_equal(talk_dial(t), -EACCES);
	talk_assert_words(t, "Login incorrect");
	talk_end(t);
}

static void hears_odd_password(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS  %n\xff\xff\xc3\xa4\t\"; ", "230 welcome");
	peer_settings(c);
	peer_goodbye(c);
}

/* All but line ends; 0xFF is doubled for telnet. */
static void test_odd_password(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { hears_odd_password } });
	t->server.password = " %n\xff\xc3\xa4\t\"; ";
	(void)talk_login(t);
	talk_end(t);
}

/* ---- pipelining ---- */

static void shuffles(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_expect(c, "PBSZ 0");
	peer_expect(c, "PROT P");
	peer_expect(c, "TYPE I");
	peer_expect(c, "PWD");
	peer_expect(c, "FEAT");
	peer_expect(c, "OPTS UTF8 ON");
	peer_say(c, "257 \"/\"");
	peer_say(c, "200 PBSZ 0");
	peer_say(c, "200 protected");
	peer_say(c, "200 binary");
	peer_say(c, "211-Features\n211 End");
	peer_say(c, "200 UTF8");
	peer_expect_end(c);
}

static void one_at_a_time(struct session *c)
{
	static const char *const dialogue[][2] = {
		{ "USER alice", "331 password?" },
		{ "PASS s3cret-Pass", "230 welcome" },
		{ "PBSZ 0", "200 ok" },
		{ "PROT P", "200 ok" },
		{ "TYPE I", "200 ok" },
		{ "PWD", "257 \"/home/a\"" },
		{ "FEAT", "211-Features:\n SIZE\n211 End" },
	};

	peer_greet(c);
	for (size_t i = 0; i < ARRAY_LEN(dialogue); i++) {
		peer_expect(c, dialogue[i][0]);
		peer_expect_quiet(c, 30);
		peer_say(c, "%s", dialogue[i][1]);
	}
	peer_goodbye(c);
}

static void test_out_of_order(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { shuffles, one_at_a_time } });
	assert_string_equal(control_home(talk_login(t)), "/home/a");
	assert_true(t->host.no_pipeline);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

static void takes_one_of_a_batch(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_answer(c, "PBSZ 0", "200 ok");
	peer_skip_flight(c);
	peer_expect_end(c);
}

/* A server that reads one command a record and forgets the rest. */
static void test_batch_swallowed(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .scripts = { takes_one_of_a_batch, one_at_a_time } });
	t->server.io_timeout = 400;
	(void)talk_login(t);
	assert_true(t->host.no_pipeline);
	talk_end(t);
}

static void drops_what_was_typed_ahead(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_skip_flight(c);
	if (c->peer->config.implicit) {
		peer_close(c, WIRE_FIN);
	} else {
		peer_expect_end(c);
	}
}

/* The patience for that is connect_timeout. */
static void test_typed_ahead_dropped(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .scripts = { drops_what_was_typed_ahead, one_at_a_time } });
	t->server.connect_timeout = 400;
	t->server.io_timeout = 60000;
	(void)talk_login(t);
	assert_true(t->host.no_pipeline);
	talk_end(t);
}

static void test_typed_ahead_end(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .implicit = true,
			      .scripts = { drops_what_was_typed_ahead, one_at_a_time } });
	(void)talk_login(t);
	assert_true(t->host.no_pipeline);
	talk_end(t);
}

static void begins_early(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	while (!c->failed && c->wire.at < c->wire.end) {
		(void)peer_expect_prefix(c, "");
		peer_say(c, "530 log in first");
	}
	peer_expect_end(c);
}

/* Commands are looked at before the password is: each is refused. */
static void test_typed_ahead_refused(void **state)
{
	struct talk *t = *state;

	talk_start(t,
		   &(struct peer_config){ .scripts = { begins_early, one_at_a_time } });
	(void)talk_login(t);
	assert_true(t->host.no_pipeline);
	talk_end(t);
}

static void takes_one_record(struct session *c)
{
	static const char *const flight[] = {
		"USER alice", "PASS s3cret-Pass", "PBSZ 0", "PROT P",	    "TYPE I",
		"PWD",	      "CWD /pub",	  "FEAT",   "OPTS UTF8 ON",
	};

	peer_greet(c);
	for (size_t i = 0; i < ARRAY_LEN(flight); i++) {
		peer_expect(c, flight[i]);
		if (c->wire.at == c->wire.end && i + 1 < ARRAY_LEN(flight)) {
			peer_fail(c, "the record ended behind %s", flight[i]);
		}
	}
	peer_say(c, "331 password?\n230 welcome\n200 PBSZ 0\n200 PROT\n200 TYPE\n"
		    "257 \"/home\"\n250 there\n211-Features:\n UTF8\n211 End\n200 UTF8");
	peer_goodbye(c);
}

static void takes_one_more(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_answer(c, "PBSZ 0", "200 ok");
	peer_answer(c, "PROT P", "200 ok");
	peer_answer(c, "TYPE I", "200 ok");
	peer_answer(c, "PWD", "257 \"/home\"");
	peer_answer(c, "OPTS UTF8 ON", "200 UTF8");
	peer_goodbye(c);
}

/* Five round trips: TCP, greeting, AUTH, TLS, and this. */
static void test_one_flight(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .scripts = { takes_one_record, takes_one_more } });
	t->server.dir = "//pub/./";
	assert_string_equal(control_home(talk_login(t)), "/home");
	assert_int_equal(control_entered(t->control)->code, 250);
	control_close(t->control);
	t->control = NULL;
	(void)talk_login(t);
	assert_int_equal(control_entered(t->control)->code, 0);
	talk_end(t);
}

static void is_full_behind_pass(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "421 too many users");
	peer_close(c, WIRE_FIN);
}

static void test_421_in_flight(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { is_full_behind_pass } });
	assert_int_equal(talk_dial(t), -EUSERS);
	talk_assert_words(t, "too many users");
	talk_end(t);
	assert_false(t->host.no_pipeline);
}

static void speaks_plainly(struct session *c)
{
	static const char *const dialogue[][2] = {
		{ "USER alice", "331 password?" },
		{ "PASS s3cret-Pass", "230 welcome" },
		{ "TYPE I", "200 ok" },
		{ "PWD", "257 \"/\"" },
		{ "FEAT", "211-F\n UTF8\n211 End" },
		{ "OPTS UTF8 ON", "200 ok" },
	};

	peer_say(c, "220 plain");
	for (size_t i = 0; i < ARRAY_LEN(dialogue); i++) {
		peer_expect(c, dialogue[i][0]);
		peer_expect_quiet(c, 30);
		peer_say(c, "%s", dialogue[i][1]);
	}
	peer_goodbye(c);
}

/* Firewalls that read along expect one command a packet. */
static void test_never_flies_in_clear(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { speaks_plainly } });
	t->server.tls = TLS_NONE;
	(void)talk_login(t);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_wrong_password),	TALK(test_wrong_password_end),
		TALK(test_odd_password),	TALK(test_wrong_password_late),
		TALK(test_out_of_order),	TALK(test_batch_swallowed),
		TALK(test_typed_ahead_dropped), TALK(test_typed_ahead_end),
		TALK(test_typed_ahead_refused), TALK(test_one_flight),
		TALK(test_421_in_flight),	TALK(test_never_flies_in_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
