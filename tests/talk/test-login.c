/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the socket to a session: the dialogue as it should be, who we are, what a server offers. */
#include "peer_private.h"
#include "talk.h"

#include "tls/channel.h"
#include "tls/dial.h"

static void nothing_secret_was_sent(struct talk *t)
{
	assert_int_equal(peer_count(t->peer, "USER"), 0);
	assert_int_equal(peer_count(t->peer, "PASS"), 0);
}

/* ---- as it should be ---- */

static void quiet_day(struct session *c)
{
	peer_login(c);
	peer_answer(c, "NOOP", "200 ok");
	peer_expect(c, "QUIT");
	peer_expect_end(c);
}

static void check_happy(struct talk *t)
{
	_cleanup_reply_ struct reply reply = { 0 };
	struct control *c = talk_login(t);

	assert_string_equal(control_home(c), "/");
	assert_true(channel_is_tls(control_channel(c)));
	assert_true(t->host.known && t->host.mlst && t->host.time_ways && t->host.size &&
		    t->host.mdtm);
	assert_false(t->host.time_proven);
	assert_string_equal(t->host.opts_mlst, "");
	assert_int_equal(control_owed(c), 0);
	assert_int_equal(control_check(c), 0);
	assert_int_equal(control_command(c, NULL, "NOOP", NULL, &reply), 0);
	assert_int_equal(reply.code, 200);
	talk_end(t);
	assert_false(talk_logged(t, t->server.password));
	assert_true(talk_logged(t, "PASS ****"));
}

static void test_explicit(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { quiet_day } });
	check_happy(t);
}

static void test_implicit(void **state)
{
	struct talk *t = *state;

	talk_start(t,
		   &(struct peer_config){ .implicit = true, .scripts = { quiet_day } });
	check_happy(t);
	assert_int_equal(peer_count(t->peer, "AUTH"), 0);
}

static void test_tls12(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .tls = "1.2", .scripts = { quiet_day } });
	check_happy(t);
	assert_true(talk_logged(t, "TLS1.2"));
}

static void test_sni(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { quiet_day, quiet_day } });
	t->server.host = "localhost";
	peer_forget_feat(t->peer);
	check_happy(t);
	assert_string_equal(peer_facts(t->peer).sni, "localhost");
}

/* RFC 6066 forbids addresses there. */
static void test_no_sni_for_address(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { quiet_day } });
	check_happy(t);
	assert_string_equal(peer_facts(t->peer).sni, "");
}

static void long_greeting(struct session *c)
{
	peer_say(c, "120 a moment");
	peer_say(c, "220-Welcome\n421 is not the code of this line\n220x neither\n 220 "
		    "nor this\n\n220 ready");
	peer_answer(c, "AUTH TLS", "234-go\n234 ahead");
	peer_start_tls(c);
	peer_answer(c, "USER alice", "230 no password needed");
	peer_answer(c, "PASS s3cret-Pass", "503 but you are in");
	peer_settings(c);
	peer_goodbye(c);
}

static void test_long_greeting(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { long_greeting } });
	(void)talk_login(t);
	talk_end(t);
}

static void asks_for_nothing(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "230 no password needed");
	peer_settings(c);
	peer_goodbye(c);
}

static void test_no_password(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { asks_for_nothing } });
	t->server.password = NULL;
	(void)talk_login(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "PASS"), 0);
}

/* ---- who we are ---- */

static void wants_account(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "332 account?");
	if (peer_nth(c) == 1) {
		peer_skip_flight(c);
		peer_expect_end(c);
		return;
	}
	peer_answer(c, "ACCT acc0unt", "230 welcome");
	peer_settings(c);
	peer_goodbye(c);
}

static void test_account(void **state)
{
	struct talk *t = *state;

	talk_start(t,
		   &(struct peer_config){ .scripts = { wants_account, wants_account } });
	t->server.account = "acc0unt";
	t->server.io_timeout = 400;
	(void)talk_login(t);
	control_close(t->control);
	t->control = NULL;
	t->server.account = NULL;
	assert_int_equal(talk_dial(t), -EACCES);
	talk_assert_words(t, "account=");
	talk_end(t);
	assert_false(talk_logged(t, "acc0unt"));
}

static void hears_nothing_more(struct session *c)
{
	peer_greet(c);
	peer_expect_end(c);
}

static void test_line_break_in_user(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { hears_nothing_more } });
	t->server.user = "alice\r\nDELE precious";
	assert_int_equal(talk_dial(t), -EACCES);
	talk_assert_words(t, "line break");
	talk_end(t);
	nothing_secret_was_sent(t);
	assert_int_equal(peer_count(t->peer, "DELE"), 0);
}

static void hears_only_noop(struct session *c)
{
	peer_login(c);
	peer_answer(c, "NOOP", "200 ok");
	peer_goodbye(c);
}

static void test_line_break_in_path(void **state)
{
	struct talk *t = *state;
	const struct command cmds[] = { { "SIZE", "/a" }, { "MDTM", "/a\nDELE b" } };
	struct reply replies[2], reply = { 0 };
	struct control *c;

	talk_start(t, &(struct peer_config){ .scripts = { hears_only_noop } });
	c = talk_login(t);
	assert_int_equal(control_command(c, NULL, "SIZE", "/a\r\nDELE b", &reply),
			 -EINVAL);
	assert_int_equal(control_batch(c, NULL, cmds, 2, replies), -EINVAL);
	assert_null(replies[0].text);
	assert_true(control_alive(c));
	assert_int_equal(control_owed(c), 0);
	assert_int_equal(control_command(c, NULL, "NOOP", NULL, &reply), 0);
	reply_release(&reply);
	talk_end(t);
}

/* ---- features ---- */

static void test_no_feat(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = "500 FEAT not understood",
					     .scripts = { hears_only_noop } });
	(void)talk_login(t);
	assert_false(t->host.mlst);
	assert_true(t->host.size && t->host.mdtm);
	assert_true(t->host.known);
	_cleanup_reply_ struct reply reply = { 0 };
	assert_int_equal(control_command(t->control, NULL, "NOOP", NULL, &reply), 0);
	talk_end(t);
}

static void wants_opts(struct session *c)
{
	peer_login(c);
	if (peer_nth(c) > 0) {
		peer_answer(c, "OPTS UTF8 ON", "202 always");
	}
	peer_answer(c, "OPTS MLST Type;Size;Modify;Perm;UNIX.mode;", "200 ok");
	peer_goodbye(c);
}

/* pyftpdlib's way: facts that are off must be asked for, with those that are on, in its
 * spelling. */
static void test_opts(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .feat = "211-Features:\n UTF8\n MLST "
				      "Type*;Size*;Modify*;Perm;Unique;UNIX.mode;"
				      "media-type*;\n SIZE\n211 End",
			      .scripts = { wants_opts, wants_opts } });
	(void)talk_login(t);
	control_close(t->control);
	t->control = NULL;
	/* The next connection needs no FEAT, but OPTS all the same. */
	(void)talk_login(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "FEAT"), 1);
}

static void refuses_prot(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_answer(c, "PBSZ 0", "200 ok");
	peer_answer(c, "PROT P", "536 not here");
	peer_answer(c, "TYPE I", "200 ok");
	peer_answer(c, "PWD", "257 \"/\"");
	peer_answer(c, "FEAT", PEER_FEAT);
	peer_answer(c, "OPTS UTF8 ON", "500 what?");
	peer_expect_end(c);
}

static void test_prot_refused(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { refuses_prot } });
	assert_int_equal(talk_dial(t), -EPROTONOSUPPORT);
	talk_assert_words(t, "PROT P: 536");
	talk_end(t);
}

/* ---- HOST, quote, bind ---- */

static void chooses_host(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "HOST ftp.example.com",
		    peer_nth(c) == 0   ? "220-Welcome to\n220 ftp.example.com"
		    : peer_nth(c) == 1 ? "504 HOST unknown"
				       : "500 what?");
	if (peer_nth(c) > 0) {
		peer_expect_end(c);
		return;
	}
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_settings(c);
	peer_goodbye(c);
}

static void test_ftp_host(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .scripts = { chooses_host, chooses_host, chooses_host } });
	t->server.ftp_host = "ftp.example.com";
	(void)talk_login(t);
	control_close(t->control);
	t->control = NULL;
	assert_int_equal(talk_dial(t), -EPROTONOSUPPORT);
	talk_assert_words(t, "does not have that virtual host");
	assert_int_equal(talk_dial(t), -EPROTONOSUPPORT);
	talk_assert_words(t, "drop ftp_host=");
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "PASS"), 1);
}

static void hears_quotes(struct session *c)
{
	peer_login(c);
	peer_answer(c, "SITE UMASK 022", "200 ok");
	peer_answer(c, "SITE NAMEFMT 1", "150 a remark");
	peer_say(c, "500 not here");
	peer_answer(c, "ALLO", "202 superfluous");
	peer_answer(c, "NOOP", "200 ok");
	peer_goodbye(c);
}

/* On every connection; a refusal is told once and does no harm. */
static void test_quote(void **state)
{
	struct talk *t = *state;
	const char *told;

	talk_start(t, &(struct peer_config){ .scripts = { hears_quotes, hears_quotes } });
	t->server.quote = "SITE UMASK 022\nSITE NAMEFMT 1\nALLO";
	for (int i = 0; i < 2; i++) {
		(void)talk_login(t);
		talk_noop_ok(t);
		control_close(t->control);
		t->control = NULL;
	}
	talk_end(t);
	assert_true(talk_logged(t, "1 quote: 127.0.0.1 refuses SITE NAMEFMT 1: 500"));
	told = strstr(buf_str(&t->log), "1 quote: ");
	assert_null(strstr(told + 1, "1 quote: "));
}

static void hangs_up_on_quote(struct session *c)
{
	peer_login(c);
	peer_expect(c, "SITE UMASK 022");
	peer_close(c, WIRE_NOTIFY);
}

static void test_quote_lost(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { hangs_up_on_quote } });
	t->server.quote = "SITE UMASK 022";
	assert_int_equal(talk_dial(t), -ENOTCONN);
	talk_assert_words(t, "quote=");
	talk_end(t);
}

static void test_bind(void **state)
{
	struct talk *t = *state;
	struct endpoint local, wanted;

	talk_start(t, &(struct peer_config){ .scripts = { hears_only_noop } });
	t->server.bind = "127.0.0.2";
	(void)talk_login(t);
	assert_int_equal(endpoint_parse("127.0.0.2", 0, &wanted), 0);
	assert_int_equal(endpoint_local(control_fd(t->control), &local), 0);
	assert_true(endpoint_same_host(&local, &wanted));
	talk_noop_ok(t);
	control_close(t->control);
	t->control = NULL;
	t->server.bind = "192.0.2.1";
	assert_int_equal(talk_dial(t), -EADDRNOTAVAIL);
	talk_assert_words(t, "bind=192.0.2.1 is not an address of this machine");
	t->server.bind = "::1";
	assert_true(talk_dial(t) < 0);
	talk_assert_words(t, "bind=::1");
	talk_end(t);
}

/* ---- the wrong mode ---- */

static void greets_then_tls(struct session *c)
{
	peer_say(c, "220 z/OS");
	if (peer_nth(c) == 0) {
		char sink[4096];

		/* The client's hello came first, which this one does not wait for. */
		(void)wire_recv(&c->wire, sink, sizeof(sink), &c->wait, now_ms() + 5000);
		peer_close(c, WIRE_FIN);
		return;
	}
	peer_start_tls(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_settings(c);
	peer_goodbye(c);
}

/* z/OS by default: implicit TLS behind a greeting in clear. Learnt with the first connection. */
static void test_greets_first(void **state)
{
	struct talk *t = *state;

	talk_start(t,
		   &(struct peer_config){ .scripts = { greets_then_tls, greets_then_tls,
						       greets_then_tls } });
	t->server.tls = TLS_IMPLICIT;
	for (int i = 0; i < 2; i++) {
		(void)talk_login(t);
		assert_true(t->host.greets_first);
		control_close(t->control);
		t->control = NULL;
	}
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 3);
	assert_int_equal(peer_count(t->peer, "AUTH"), 0);
}

/* A greeting in clear that is none must not get us out of TLS. */
static void greets_and_asks(struct session *c)
{
	peer_say(c, "220 plain");
	if (peer_nth(c) == 0) {
		peer_sleep(c, 100);
		return;
	}
	peer_say(c, "331 password?");
	peer_expect_end(c);
}

static void test_never_in_clear(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .scripts = { greets_and_asks, greets_and_asks } });
	t->server.tls = TLS_IMPLICIT;
	assert_int_equal(talk_dial(t), -EPROTO);
	talk_assert_words(t, "tls=explicit");
	assert_false(t->host.greets_first);
	talk_end(t);
	nothing_secret_was_sent(t);
}

static void speaks_tls(struct session *c)
{
	peer_raw(c, "\x15\x03\x03\x00\x02\x02\x28", 7);
	peer_close(c, WIRE_FIN);
}

static void test_alert_for_greeting(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { speaks_tls } });
	assert_int_equal(talk_dial(t), -EPROTO);
	talk_assert_words(t, "speaks TLS: use tls=implicit");
	talk_end(t);
}

static void knows_no_tls(struct session *c)
{
	peer_say(c, "220 plain");
	peer_answer(c, "AUTH TLS", "502 not here");
	peer_expect_end(c);
}

static void test_plain_only(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { knows_no_tls } });
	assert_int_equal(talk_dial(t), -EPROTONOSUPPORT);
	talk_assert_words(t, "refuses TLS");
	talk_assert_words(t, "tls=none would mount without any protection");
	talk_end(t);
	nothing_secret_was_sent(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_explicit),
		TALK(test_implicit),
		TALK(test_tls12),
		TALK(test_sni),
		TALK(test_no_sni_for_address),
		TALK(test_long_greeting),
		TALK(test_no_password),
		TALK(test_account),
		TALK(test_line_break_in_user),
		TALK(test_line_break_in_path),
		TALK(test_no_feat),
		TALK(test_opts),
		TALK(test_prot_refused),
		TALK(test_ftp_host),
		TALK(test_quote),
		TALK(test_quote_lost),
		TALK(test_bind),
		TALK(test_greets_first),
		TALK(test_never_in_clear),
		TALK(test_alert_for_greeting),
		TALK(test_plain_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
