/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One data connection at a time: sessions resumed, orders of events, refusals. */
#include "talk.h"

/* ---- sessions ---- */

SCRIPT(peer_login, three_downloads)
{
	for (int i = 0; i < 3; i++) {
		peer_download(c, "RETR /f", TALK_TEXT);
	}
}

static void check_resumed(struct talk *t, const char *version, bool tickets,
			  unsigned resumed)
{
	struct peer_facts facts;

	talk_start(t, &(struct peer_config){ .tls = version,
					     .no_tickets = !tickets,
					     .scripts = { three_downloads } });
	(void)talk_login(t);
	for (int i = 0; i < 3; i++) {
		talk_download_ok(t);
	}
	assert_true(t->host.data_worked);
	talk_end(t);
	facts = peer_facts(t->peer);
	assert_int_equal(facts.data, 3);
	assert_int_equal(facts.data_resumed, resumed);
}

static void test_resumed_13(void **state)
{
	check_resumed(*state, "1.3", true, 3);
}

static void test_resumed_12(void **state)
{
	check_resumed(*state, "1.2", true, 3);
}

/* Without tickets the certificate is shown again, and must be the same. */
static void test_no_tickets_13(void **state)
{
	check_resumed(*state, "1.3", false, 0);
}

static void test_no_tickets_12(void **state)
{
	check_resumed(*state, "1.2", false, 0);
}

static void test_reuse_off(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { three_downloads } });
	t->server.session_reuse = TRI_NO;
	(void)talk_login(t);
	for (int i = 0; i < 3; i++) {
		talk_download_ok(t);
	}
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).data_resumed, 0);
}

LAST_SCRIPT(peer_login, does_not_resume)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here");
	peer_data_accept(c);
	peer_data_tls_as(c, PEER_NO_RESUME);
	(void)peer_data_await_close(c);
}

static void test_reuse_required(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	talk_start(t, &(struct peer_config){ .scripts = { does_not_resume } });
	t->server.session_reuse = TRI_YES;
	(void)talk_login(t);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), -ECONNABORTED);
	talk_assert_words(t, "did not resume");
	assert_false(control_alive(t->control));
	talk_end(t);
}

LAST_SCRIPT(peer_login, shows_another_certificate)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here");
	peer_data_accept(c);
	peer_data_tls_fails(c, PEER_OTHER_CERT);
}

static void check_other_certificate(struct talk *t, const char *version)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	talk_start(t, &(struct peer_config){ .tls = version,
					     .scripts = { shows_another_certificate } });
	(void)talk_login(t);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), -EKEYREJECTED);
	talk_assert_words(t, "another certificate");
	assert_false(control_alive(t->control));
	talk_end(t);
}

static void test_other_certificate_13(void **state)
{
	check_other_certificate(*state, "1.3");
}

static void test_other_certificate_12(void **state)
{
	check_other_certificate(*state, "1.2");
}

/* ProFTPD when the session was not resumed: the handshake is fine, the end in order, the file
 * empty. */
SCRIPT(peer_login, refuses_after_handshake)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here");
	peer_data_accept(c);
	peer_data_tls_as(c, PEER_NO_RESUME);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "425 Unable to build data connection: TLS session of data connection "
		    "not reused");
}

static void test_425_after_handshake(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;
	char buf[16];
	size_t len;
	int r;

	talk_serve(t, refuses_after_handshake);
	r = talk_open(t, "RETR", 0, &tr, &refusal);
	/* Which one depends on what came first; never a success. */
	if (r == 0) {
		(void)talk_read_all(tr, buf, sizeof(buf), &len);
		assert_int_equal(len, 0);
		talk_finish_with(t, tr, 425);
	} else {
		assert_int_equal(r, 1);
		assert_int_equal(refusal.code, 425);
	}
	assert_true(t->host.reuse_demanded);
	assert_true(control_alive(t->control));
	talk_end(t);
}

/* ---- the order of things ---- */

SCRIPT(peer_login, says_150_late)
{
	peer_epsv(c);
	peer_expect(c, "RETR /f");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_say(c, "150 here it comes");
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void test_150_late(void **state)
{
	struct talk *t = *state;

	talk_serve(t, says_150_late);
	talk_download_ok(t);
	talk_end(t);
}

SCRIPT(peer_login, never_says_150)
{
	peer_epsv(c);
	peer_expect(c, "RETR /f");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void test_150_never(void **state)
{
	struct talk *t = *state;

	talk_serve(t, never_says_150);
	talk_download_ok(t);
	talk_end(t);
}

SCRIPT(peer_login, says_226_early)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_send(c, TALK_TEXT, 4);
	peer_say(c, "226 done");
	peer_sleep(c, 100);
	peer_data_text(c, TALK_TEXT + 4);
	peer_data_end(c, WIRE_NOTIFY);
}

static void test_226_early(void **state)
{
	struct talk *t = *state;

	talk_serve(t, says_226_early);
	talk_download_ok(t);
	talk_end(t);
}

/* 150 and 226 in one packet before the handshake. */
SCRIPT(peer_login, says_226_before_handshake)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes\n226 done");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
}

static void test_226_before_handshake(void **state)
{
	struct talk *t = *state;

	talk_serve(t, says_226_before_handshake);
	talk_download_ok(t);
	talk_end(t);
}

/* ProFTPD and vsftpd hold the verdict until they have seen our close_notify. */
SCRIPT(peer_login, waits_for_close_notify)
{
	char byte;
	int end = -1;

	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_notify(c);
	(void)peer_data_recv(c, &byte, 1, &end);
	if (end != 0) {
		peer_fail(c, "the client did not answer close_notify: %d", end);
	}
	peer_say(c, "226 done");
}

static void test_answers_close_notify(void **state)
{
	struct talk *t = *state;
	int64_t begin;

	talk_serve(t, waits_for_close_notify);
	begin = now_ms();
	talk_download_ok(t);
	assert_true(now_ms() - begin < 3000);
	talk_end(t);
}

/* ---- the way there ---- */

static void send_as_asked(struct session *c)
{
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

SCRIPT(peer_login, knows_pasv_only)
{
	peer_answer(c, "EPSV", "500 EPSV not understood");
	/* An address that is not ours to dial. */
	peer_pasv(c, "192,0,2,77");
	send_as_asked(c);
	peer_pasv(c, "0,0,0,0");
	send_as_asked(c);
}

static void test_pasv(void **state)
{
	struct talk *t = *state;

	talk_serve(t, knows_pasv_only);
	talk_download_ok(t);
	assert_true(t->host.epsv_bad);
	talk_download_ok(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "EPSV"), 1);
}

/* An ALG that mangles EPSV: the port is not there. */
SCRIPT(peer_login, epsv_leads_nowhere)
{
	peer_expect(c, "EPSV");
	peer_say(c, "229 Entering (|||%u|)", peer_closed_port());
	peer_pasv(c, "127,0,0,1");
	send_as_asked(c);
}

static void test_epsv_unreachable(void **state)
{
	struct talk *t = *state;

	talk_serve(t, epsv_leads_nowhere);
	talk_download_ok(t);
	assert_true(t->host.epsv_bad);
	talk_end(t);
}

SCRIPT(peer_login, ports_are_short)
{
	peer_answer(c, "EPSV", "425 Cannot prepare for data connection.");
	peer_answer(c, "EPSV", "425 Cannot prepare for data connection.");
	peer_epsv(c);
	send_as_asked(c);
}

static void test_ports_short(void **state)
{
	struct talk *t = *state;

	talk_serve(t, ports_are_short);
	talk_download_ok(t);
	assert_false(t->host.epsv_bad);
	talk_end(t);
}

SCRIPT(peer_login, has_no_ports)
{
	for (int i = 0; i < 4; i++) {
		peer_answer(c, "EPSV", "425 Cannot prepare for data connection.");
	}
	for (int i = 0; i < 4; i++) {
		peer_answer(c, "PASV", "425 Cannot prepare for data connection.");
	}
	peer_answer(c, "NOOP", "200 ok");
}

static void test_no_ports(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	talk_serve(t, has_no_ports);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), 1);
	assert_int_equal(refusal.code, 425);
	assert_false(t->host.epsv_bad);
	talk_noop_ok(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "RETR"), 0);
}

SCRIPT(peer_login, offers_nonsense)
{
	peer_answer(c, "EPSV", "229 Entering (|||99999|)");
	peer_answer(c, "PASV", "227 Entering (1,2,3)");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_bad_epsv(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	talk_serve(t, offers_nonsense);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), -EPROTO);
	talk_noop_ok(t);
	talk_end(t);
}

/* ---- refusals ---- */

SCRIPT(peer_login, refuses_rest)
{
	peer_epsv(c);
	peer_answer(c, "REST 100", "502 REST not implemented");
	peer_answer(c, "REST 0", "502 REST not implemented");
	peer_answer(c, "NOOP", "200 ok");
}

/* RETR came along with REST, and begins at byte 0 then. */
SCRIPT(peer_login, refuses_rest_in_front)
{
	peer_epsv(c);
	peer_answer(c, "REST 100", "502 REST not implemented");
	peer_answer(c, "RETR /f", "150 from the start, then");
	peer_data_accept(c);
	peer_data_await_reset(c);
	peer_say(c, "426 the data connection is gone");
	peer_answer(c, "REST 0", "502 REST not implemented");
	peer_answer(c, "NOOP", "200 ok");
}

static void check_rest_refused(struct talk *t, enum tristate pipelining,
			       peer_script *script)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	talk_start(t, &(struct peer_config){ .scripts = { script } });
	t->server.pipelining = pipelining;
	(void)talk_login(t);
	assert_int_equal(talk_open(t, "RETR", 100, &tr, &refusal), 1);
	assert_int_equal(refusal.code, 502);
	talk_noop_ok(t);
	talk_end(t);
}

static void test_rest_refused(void **state)
{
	struct talk *t = *state;

	check_rest_refused(t, TRI_NO, refuses_rest);
	assert_int_equal(peer_count(t->peer, "RETR"), 0);
}

static void test_rest_refused_in_front(void **state)
{
	check_rest_refused(*state, TRI_AUTO, refuses_rest_in_front);
}

/* REST is the command right before RETR, behind EPSV: FileZilla Server forgets it otherwise. */
SCRIPT(peer_login, takes_rest)
{
	peer_epsv(c);
	peer_answer(c, "REST 5", "350 from 5");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT + 5);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void test_rest(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;
	char buf[64];
	size_t len;

	talk_serve(t, takes_rest);
	assert_int_equal(talk_open(t, "RETR", 5, &tr, &refusal), 0);
	assert_int_equal(talk_read_all(tr, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, strlen(TALK_TEXT) - 5);
	assert_memory_equal(buf, TALK_TEXT + 5, len);
	talk_finish_with(t, tr, 226);
	talk_end(t);
}

SCRIPT(peer_login, has_no_such_file)
{
	peer_epsv(c);
	peer_answer(c, "REST 7", "350 from 7");
	peer_expect(c, "RETR /f");
	peer_data_accept(c);
	peer_sleep(c, 50);
	peer_say(c, "550 /f: No such file or directory");
	/* REST would be left over for the next transfer (pyftpdlib). */
	peer_answer(c, "REST 0", "350 from 0");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_550_while_data_waits(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	talk_serve(t, has_no_such_file);
	assert_int_equal(talk_open(t, "RETR", 7, &tr, &refusal), 1);
	assert_int_equal(refusal.code, 550);
	assert_int_equal(reply_errno(&refusal), ENOENT);
	talk_noop_ok(t);
	talk_end(t);
}

/* The refusal comes when the handshake has begun and nobody answers it. */
SCRIPT(peer_login, refuses_slowly)
{
	peer_epsv(c);
	peer_expect(c, "RETR /f");
	peer_sleep(c, 600);
	peer_say(c, "550 /f: Permission denied");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_550_slow(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	talk_serve(t, refuses_slowly);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), 1);
	assert_int_equal(refusal.code, 550);
	talk_noop_ok(t);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_resumed_13),
		TALK(test_resumed_12),
		TALK(test_no_tickets_13),
		TALK(test_no_tickets_12),
		TALK(test_reuse_off),
		TALK(test_reuse_required),
		TALK(test_other_certificate_13),
		TALK(test_other_certificate_12),
		TALK(test_425_after_handshake),
		TALK(test_150_late),
		TALK(test_150_never),
		TALK(test_226_early),
		TALK(test_226_before_handshake),
		TALK(test_answers_close_notify),
		TALK(test_pasv),
		TALK(test_epsv_unreachable),
		TALK(test_ports_short),
		TALK(test_no_ports),
		TALK(test_bad_epsv),
		TALK(test_rest_refused),
		TALK(test_rest_refused_in_front),
		TALK(test_rest),
		TALK(test_550_while_data_waits),
		TALK(test_550_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
