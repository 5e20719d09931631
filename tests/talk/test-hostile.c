/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logins where something else answers than the user's server, or one that means harm. */
#include "talk.h"

static void nothing_secret_was_sent(struct talk *t)
{
	assert_int_equal(peer_count(t->peer, "USER"), 0);
	assert_int_equal(peer_count(t->peer, "PASS"), 0);
}

/* ---- somebody in between, or the wrong server ---- */

static void injects(struct session *c)
{
	static const char text[] = "234 go ahead\r\n230 you are logged in already\r\n";

	peer_say(c, "220 ready");
	peer_expect(c, "AUTH TLS");
	peer_raw(c, text, sizeof(text) - 1);
	peer_expect_end(c);
}

static void injects_half_a_line(struct session *c)
{
	static const char text[] = "234 go ahead\r\n2";

	peer_say(c, "220 ready");
	peer_expect(c, "AUTH TLS");
	peer_raw(c, text, sizeof(text) - 1);
	peer_expect_end(c);
}

static void check_injection(struct talk *t, peer_script *script)
{
	talk_start(t, &(struct peer_config){ .scripts = { script } });
	assert_int_equal(talk_dial(t), -EPROTO);
	talk_assert_words(t, "behind its answer to AUTH");
	talk_end(t);
	nothing_secret_was_sent(t);
}

static void test_injection(void **state)
{
	check_injection(*state, injects);
}

static void test_injection_half(void **state)
{
	check_injection(*state, injects_half_a_line);
}

static void greets_with_230(struct session *c)
{
	peer_say(c, "230 you are logged in already");
	peer_expect_end(c);
}

static void test_230_greeting(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { greets_with_230 } });
	assert_int_equal(talk_dial(t), -EPROTO);
	talk_assert_words(t, "230");
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "AUTH"), 0);
	nothing_secret_was_sent(t);
}

static void is_full(struct session *c)
{
	peer_say(c, "421 too many connections");
	peer_expect_end(c);
}

static void test_421_greeting(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { is_full } });
	assert_int_equal(talk_dial(t), -EUSERS);
	talk_assert_words(t, "too many connections");
	talk_end(t);
}

static void has_no_tls(struct session *c)
{
	peer_say(c, "220 ready");
	peer_answer(c, "AUTH TLS", "502 AUTH not implemented");
	peer_expect_end(c);
}

static void test_auth_refused(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { has_no_tls } });
	assert_int_equal(talk_dial(t), -EPROTONOSUPPORT);
	talk_assert_words(t, "refuses TLS");
	talk_end(t);
	nothing_secret_was_sent(t);
}

static void is_not_trusted(struct session *c)
{
	peer_say(c, "220 ready");
	peer_answer(c, "AUTH TLS", "234 go ahead");
	peer_start_tls_fails(c);
}

static void is_not_trusted_implicitly(struct session *c)
{
	peer_start_tls_fails(c);
}

static void check_untrusted(struct talk *t, bool implicit, const char *version)
{
	talk_start(t, &(struct peer_config){
			      .implicit = implicit,
			      .tls = version,
			      .scripts = { implicit ? is_not_trusted_implicitly
						    : is_not_trusted } });
	talk_trust(t, &(struct trust_config){ .cacert = peer_other_cacert(t->peer) });
	assert_int_equal(talk_dial(t), -EKEYREJECTED);
	talk_assert_words(t, "cacert=");
	talk_end(t);
	nothing_secret_was_sent(t);
}

static void test_untrusted(void **state)
{
	check_untrusted(*state, false, "1.3");
}

static void test_untrusted_12(void **state)
{
	check_untrusted(*state, false, "1.2");
}

static void test_untrusted_implicit(void **state)
{
	check_untrusted(*state, true, NULL);
}

static void test_wrong_host(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { is_not_trusted } });
	talk_trust(t, &(struct trust_config){ .cacert = peer_cacert(t->peer),
					      .tls_hostname = "ftp.example.net" });
	assert_int_equal(talk_dial(t), -EKEYREJECTED);
	talk_assert_words(t, "another name");
	talk_assert_words(t, "localhost");
	talk_end(t);
	nothing_secret_was_sent(t);
}

static void is_mute(struct session *c)
{
	peer_expect_end(c);
}

static void test_no_greeting(void **state)
{
	struct talk *t = *state;
	int64_t start;

	talk_start(t, &(struct peer_config){ .scripts = { is_mute } });
	t->server.connect_timeout = 200;
	start = now_ms();
	assert_int_equal(talk_dial(t), -ETIMEDOUT);
	assert_true(now_ms() - start < 2000);
	talk_assert_words(t, "tls=implicit");
	talk_end(t);
}

/* Explicit: an implicit server waits for the hello. Implicit: an explicit one greets. */
static void greets_in_clear(struct session *c)
{
	peer_say(c, "220 ready");
	peer_sleep(c, 300);
}

static void test_clear_greeting_on_implicit(void **state)
{
	struct talk *t = *state;

	/* The second time it is given a chance to greet before the handshake. */
	talk_start(t, &(struct peer_config){
			      .scripts = { greets_in_clear, greets_in_clear } });
	t->server.tls = TLS_IMPLICIT;
	assert_int_equal(talk_dial(t), -EPROTO);
	talk_assert_words(t, "tls=explicit");
	talk_end(t);
	nothing_secret_was_sent(t);
}

static void speaks_http(struct session *c)
{
	peer_say(c, "HTTP/1.1 400 Bad Request\nServer: web\n");
	peer_expect_end(c);
}

static void test_not_ftp(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { speaks_http } });
	assert_int_equal(talk_dial(t), -EPROTO);
	talk_assert_words(t, "not an FTP server");
	talk_end(t);
}

static void cuts_after_pass(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_expect_prefix(c, "PASS ");
	if (peer_nth(c) == 1) {
		peer_expect_quiet(c, 30);
	}
	peer_close(c, WIRE_FIN);
}

static void test_cut_after_pass(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){
			      .scripts = { cuts_after_pass, cuts_after_pass } });
	assert_int_equal(talk_dial(t), -ENOTCONN);
	talk_assert_words(t, "after PASS");
	/* One command at a time did no better: that was not why. */
	assert_false(t->host.no_pipeline);
	talk_end(t);
}

/* ---- floods ---- */

/* What the client can have taken: its limit and the socket buffers of both ends. */
enum { OFFERED = 64 << 20, TAKEN_MAX = 16 << 20 };

/* expected: 0 for any error. */
static void check_flood(struct talk *t, peer_script *script, int expected)
{
	int64_t start;
	int r;

	talk_start(t, &(struct peer_config){ .scripts = { script } });
	t->server.io_timeout = t->server.connect_timeout = 1500;
	start = now_ms();
	r = talk_dial(t);
	assert_true(expected ? r == expected : r < 0);
	assert_true(now_ms() - start < 6000);
	talk_end(t);
}

static void must_be_cut_off(struct session *c, const char *text)
{
	size_t n = peer_flood(c, text, OFFERED, 8000);

	if (n > TAKEN_MAX) {
		peer_fail(c, "the client took %zu bytes", n);
	}
}

static void greets_for_ever(struct session *c)
{
	peer_say(c, "220-hello");
	must_be_cut_off(c, "220-and hello again\r\n");
}

static void test_endless_lines(void **state)
{
	check_flood(*state, greets_for_ever, -EPROTO);
}

static void has_no_line_end(struct session *c)
{
	must_be_cut_off(
		c, "220 hellohellohellohellohellohellohellohellohellohellohellohello");
}

static void test_endless_line(void **state)
{
	check_flood(*state, has_no_line_end, -EPROTO);
}

static void endless_feat(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	for (int i = 0; i < 5; i++) {
		peer_expect_prefix(c, "");
	}
	peer_say(c, "200 ok\n200 ok\n200 ok\n257 \"/\"\n211-Features");
	must_be_cut_off(c, " FEATURE\r\n");
}

static void test_endless_feat(void **state)
{
	check_flood(*state, endless_feat, -EPROTO);
}

static void is_always_nearly_ready(struct session *c)
{
	/* Each is forgotten at once, so that only time counts. */
	(void)peer_flood(c, "120 ready in a moment\r\n", (size_t)-1, 8000);
}

static void test_endless_120(void **state)
{
	check_flood(*state, is_always_nearly_ready, 0);
}

static void remarks_for_ever(struct session *c)
{
	peer_greet(c);
	peer_expect(c, "USER alice");
	for (int i = 0; i < 400; i++) {
		peer_sleep(c, 20);
		if (peer_flood(c, "150 still thinking\r\n", 1, 1000) == 0) {
			return;
		}
	}
	peer_fail(c, "the client listened to remarks for 8 s, io_timeout is 1.5 s");
}

/* Remarks are no progress: a server must not hold a command for ever with them. */
static void test_endless_remarks(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { remarks_for_ever } });
	t->server.io_timeout = 1500;
	assert_true(talk_dial(t) < 0);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_injection),
		TALK(test_injection_half),
		TALK(test_230_greeting),
		TALK(test_421_greeting),
		TALK(test_auth_refused),
		TALK(test_untrusted),
		TALK(test_untrusted_12),
		TALK(test_untrusted_implicit),
		TALK(test_wrong_host),
		TALK(test_no_greeting),
		TALK(test_clear_greeting_on_implicit),
		TALK(test_not_ftp),
		TALK(test_cut_after_pass),
		TALK(test_endless_lines),
		TALK(test_endless_line),
		TALK(test_endless_feat),
		TALK(test_endless_120),
		TALK(test_endless_remarks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
