/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CCC: the way back to clear text, with servers that end TLS early, late, in pieces or never. */
#include "peer_private.h"
#include "talk.h"

#include "tls/channel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

static void cork(struct session *c, int on)
{
	if (!c->failed &&
	    setsockopt(c->wire.fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)) < 0) {
		peer_fail(c, "TCP_CORK");
	}
}

static void notify(struct session *c)
{
	if (!c->failed && gnutls_bye(c->wire.tls, GNUTLS_SHUT_WR) < 0) {
		peer_fail(c, "cannot send close_notify");
	}
}

/* The client's close_notify, and nothing before it. */
static void await_notify(struct session *c)
{
	char byte;

	if (!c->failed && wire_recv(&c->wire, &byte, 1, &c->wait, now_ms() + 8000) != 0) {
		peer_fail(c, "expected close_notify");
	}
}

static void clear(struct session *c)
{
	if (!c->failed) {
		gnutls_deinit(c->wire.tls);
		c->wire.tls = NULL;
	}
}

/* What makes firewalls see the lines that follow. */
static void first_line(struct session *c)
{
	peer_answer(c, "NOOP", "200 ok");
}

static void clears(struct session *c)
{
	peer_login(c);
	peer_answer(c, "CCC", "200 in clear then");
	await_notify(c);
	notify(c);
	clear(c);
	first_line(c);
}

static void start(struct talk *t, const char *tls, peer_script *script)
{
	talk_start(t, &(struct peer_config){ .tls = tls, .scripts = { script } });
	t->server.ccc = CCC_REQUIRE;
}

static void serve(struct talk *t, peer_script *script)
{
	start(t, "1.2", script);
	(void)talk_login(t);
	assert_true(control_is_clear(t->control));
	assert_false(channel_is_tls(control_channel(t->control)));
}

/* ---- as it should be ---- */

static void download(struct session *c)
{
	peer_pasv(c, "127,0,0,1");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

SCRIPT(clears, two_downloads)
{
	download(c);
	peer_answer(c, "NOOP", "200 ok");
	download(c);
}

static void check_downloads(struct talk *t)
{
	talk_download_ok(t);
	talk_noop_ok(t);
	talk_download_ok(t);
	talk_end(t);
	/* Data connections keep TLS, and the session of the control connection. */
	assert_int_equal(peer_facts(t->peer).data, 2);
	assert_int_equal(peer_facts(t->peer).data_resumed, 2);
	assert_true(talk_logged(t, "in clear > PASV"));
	assert_true(talk_logged(t, "in clear > RETR /f"));
	assert_false(talk_logged(t, "in clear > USER"));
	assert_false(talk_logged(t, "in clear > PASS"));
	assert_int_equal(peer_count(t->peer, "EPSV"), 0);
}

static void test_downloads(void **state)
{
	struct talk *t = *state;

	serve(t, two_downloads);
	check_downloads(t);
}

static void test_downloads_13(void **state)
{
	struct talk *t = *state;

	start(t, "1.3", two_downloads);
	(void)talk_login(t);
	check_downloads(t);
}

SCRIPT(clears, data_of_another)
{
	peer_pasv(c, "127,0,0,1");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls_fails(c, PEER_NO_RESUME | PEER_OTHER_CERT);
	peer_say(c, "425 no TLS");
}

/* The certificate is still compared with the one that the control connection had. */
static void test_other_certificate(void **state)
{
	struct talk *t = *state;
	struct reply refusal = { 0 };
	struct transfer *tr;

	serve(t, data_of_another);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), -EKEYREJECTED);
	talk_assert_words(t, "another certificate");
	talk_end(t);
}

SCRIPT(clears, one_by_one)
{
	peer_expect(c, "SIZE /a");
	peer_expect_quiet(c, 50);
	peer_say(c, "213 1");
	peer_answer(c, "SIZE /b", "213 2");
}

static void test_no_pipelining(void **state)
{
	struct talk *t = *state;
	const struct command cmds[] = { { "SIZE", "/a" }, { "SIZE", "/b" } };
	struct reply replies[2];

	serve(t, one_by_one);
	assert_int_equal(control_batch(t->control, NULL, cmds, 2, replies), 0);
	assert_int_equal(replies[0].code, 213);
	assert_int_equal(replies[1].code, 213);
	reply_release(&replies[0]);
	reply_release(&replies[1]);
	talk_end(t);
}

LAST_SCRIPT(clears, no_second_login)
{
	peer_answer(c, "NOOP", "200 ok");
}

static void test_nothing_secret(void **state)
{
	static const char *const verbs[] = { "PASS", "ACCT" };
	struct talk *t = *state;
	struct reply reply = { 0 };

	serve(t, no_second_login);
	talk_noop_ok(t);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		assert_int_equal(
			control_command(t->control, NULL, verbs[i], "secret", &reply),
			-EPROTO);
		assert_false(control_alive(t->control));
	}
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "PASS"), 1); /* of the login */
	assert_int_equal(peer_count(t->peer, "ACCT"), 0);
}

/* ---- how the server ends TLS ---- */

/* Past the TLS session, which still reads. */
static void say_clear(struct session *c, const char *line)
{
	if (!c->failed &&
	    send(c->wire.fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) {
		peer_fail(c, "cannot send in clear");
	}
}

/* Its answer, its close_notify and a line in clear: all in one packet. */
static void all_in_one(struct session *c)
{
	peer_login(c);
	peer_expect(c, "CCC");
	cork(c, 1);
	peer_say(c, "200 in clear then");
	notify(c);
	say_clear(c, "299-not a byte is missing\r\n");
	cork(c, 0);
	await_notify(c);
	clear(c);
	peer_answer(c, "NOOP", "299 end");
	peer_goodbye(c);
}

static void check_whole_line(struct talk *t)
{
	assert_true(talk_logged(t, "< 299-not a byte is missing"));
	talk_end(t);
}

static void test_one_packet(void **state)
{
	struct talk *t = *state;

	serve(t, all_in_one);
	check_whole_line(t);
}

static void test_one_packet_13(void **state)
{
	struct talk *t = *state;

	start(t, "1.3", all_in_one);
	(void)talk_login(t);
	check_whole_line(t);
}

/* No close_notify at all, and at once in clear. */
static void without_notify(struct session *c)
{
	peer_login(c);
	peer_expect(c, "CCC");
	cork(c, 1);
	peer_say(c, "200 in clear then");
	say_clear(c, "299-not a byte is missing\r\n");
	cork(c, 0);
	await_notify(c);
	clear(c);
	peer_answer(c, "NOOP", "299 end");
	peer_goodbye(c);
}

static void test_clear_without_notify(void **state)
{
	struct talk *t = *state;

	serve(t, without_notify);
	check_whole_line(t);
}

static void speaks_first(struct session *c)
{
	peer_login(c);
	peer_expect(c, "CCC");
	peer_say(c, "200 in clear then");
	notify(c);
	await_notify(c);
	clear(c);
	first_line(c);
	download(c);
	peer_goodbye(c);
}

static void test_speaks_first(void **state)
{
	struct talk *t = *state;

	serve(t, speaks_first);
	talk_download_ok(t);
	talk_end(t);
}

static void never_ends(struct session *c)
{
	peer_login(c);
	peer_answer(c, "CCC", "200 in clear then");
	await_notify(c);
	clear(c);
	first_line(c);
	peer_answer(c, "NOOP", "200 ok");
	peer_goodbye(c);
}

static void test_never_ends(void **state)
{
	struct talk *t = *state;
	int64_t before = now_ms();

	serve(t, never_ends);
	assert_in_range(now_ms() - before, 2900, 6000);
	talk_noop_ok(t);
	talk_end(t);
}

/* Its close_notify comes when the client has given it up, with the next reply behind it. */
static void ends_late(struct session *c)
{
	peer_login(c);
	peer_answer(c, "CCC", "200 in clear then");
	await_notify(c);
	peer_sleep(c, 3300);
	cork(c, 1);
	notify(c);
	clear(c);
	peer_answer(c, "NOOP", "200 ok");
	cork(c, 0);
	peer_answer(c, "NOOP", "200 ok");
	peer_answer(c, "NOOP", "200 ok");
	peer_goodbye(c);
}

static void test_ends_late(void **state)
{
	struct talk *t = *state;

	serve(t, ends_late);
	talk_noop_ok(t);
	talk_noop_ok(t);
	talk_end(t);
}

/* ---- what is no way back ---- */

static void more_under_tls(struct session *c)
{
	peer_login(c);
	peer_expect(c, "CCC");
	cork(c, 1);
	peer_say(c, "200 in clear then");
	peer_say(c, "230 and now log in");
	cork(c, 0);
	await_notify(c);
	peer_expect_end(c);
}

static void test_more_under_tls(void **state)
{
	struct talk *t = *state;

	start(t, "1.2", more_under_tls);
	assert_int_equal(talk_dial(t), -EPROTO);
	talk_assert_words(t, "CCC");
	talk_end(t);
}

static void half_a_record(struct session *c)
{
	peer_login(c);
	peer_answer(c, "CCC", "200 in clear then");
	await_notify(c);
	clear(c);
	peer_raw(c, "\x15\x03\x03\x00\x1a\x00", 6);
	peer_expect_end(c);
}

static void test_half_a_record(void **state)
{
	struct talk *t = *state;

	start(t, "1.2", half_a_record);
	assert_int_equal(talk_dial(t), -EPROTO);
	talk_assert_words(t, "middle of a TLS record");
	talk_end(t);
}

static void hangs_up(struct session *c)
{
	peer_login(c);
	peer_answer(c, "CCC", "200 in clear then");
	await_notify(c);
	peer_close(c, WIRE_FIN);
}

static void test_hangs_up(void **state)
{
	struct talk *t = *state;

	start(t, "1.2", hangs_up);
	assert_int_equal(talk_dial(t), -ENOTCONN);
	talk_assert_words(t, "CCC");
	talk_end(t);
}

static void refuses(struct session *c)
{
	peer_login(c);
	peer_answer(c, "CCC", "534 not allowed here");
	peer_expect_end(c);
}

static void test_required_and_refused(void **state)
{
	struct talk *t = *state;

	start(t, "1.2", refuses);
	assert_int_equal(talk_dial(t), -EPROTONOSUPPORT);
	talk_assert_words(t, "CCC: 534 not allowed here");
	talk_end(t);
}

static void refuses_and_goes_on(struct session *c)
{
	peer_login(c);
	if (peer_nth(c) == 0) {
		peer_answer(c, "CCC", "500 CCC not understood");
	}
	peer_answer(c, "NOOP", "200 ok");
	peer_goodbye(c);
}

/* ccc=yes: told once, and not asked again. */
static void test_wanted_and_refused(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .scripts = { refuses_and_goes_on, refuses_and_goes_on } });
	t->server.ccc = CCC_YES;
	for (int i = 0; i < 2; i++) {
		(void)talk_login(t);
		assert_false(control_is_clear(t->control));
		assert_true(channel_is_tls(control_channel(t->control)));
		talk_noop_ok(t);
		control_close(t->control);
		t->control = NULL;
	}
	talk_end(t);
	assert_true(talk_logged(t, "stays encrypted"));
	assert_int_equal(peer_count(t->peer, "CCC"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_downloads),
		TALK(test_downloads_13),
		TALK(test_other_certificate),
		TALK(test_no_pipelining),
		TALK(test_nothing_secret),
		TALK(test_one_packet),
		TALK(test_one_packet_13),
		TALK(test_clear_without_notify),
		TALK(test_speaks_first),
		TALK(test_never_ends),
		TALK(test_ends_late),
		TALK(test_more_under_tls),
		TALK(test_half_a_record),
		TALK(test_hangs_up),
		TALK(test_required_and_refused),
		TALK(test_wanted_and_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
