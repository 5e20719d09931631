/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data connections opened ahead, and what their host is found to bear. */
#include "talk.h"

#include "net/warm.h"

static void serve(struct talk *t, peer_script *first, peer_script *second)
{
	talk_start(t, &(struct peer_config){ .scripts = { first, second } });
	t->server.prewarm = TRI_YES;
	t->server.retry = 1;
	(void)talk_login(t);
}

/* All of /f, and that no verdict is needed. What transfer_finish() says. */
static int download(struct talk *t)
{
	_cleanup_reply_ struct reply reply = { 0 };
	struct transfer *tr = talk_open_ok(t, "RETR");
	char buf[256];
	size_t len;

	assert_int_equal(talk_read_all(tr, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, strlen(TALK_TEXT));
	assert_memory_equal(buf, TALK_TEXT, len);
	transfer_note_whole(tr);
	return transfer_finish(tr, NULL, &reply);
}

/* The command stands alone: its data connection is there. Up to the end of the data. */
static void peer_serves(struct session *c)
{
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
}

static void peer_says_port(struct session *c)
{
	peer_say(c, "229 Entering Extended Passive Mode (|||%u|)", peer_listen(c));
}

/* The next one is asked for before the verdict: both are answered in one flight. */
static void peer_goes_on(struct session *c)
{
	peer_expect(c, "EPSV");
	peer_say(c, "226 done");
	peer_says_port(c);
}

/* Flights awaited by the client: EPSV, then for each file its command, and close and EPSV. */
SCRIPT(peer_login, three_in_a_row)
{
	peer_epsv(c);
	for (int i = 0; i < 3; i++) {
		peer_serves(c);
		peer_goes_on(c);
	}
}

static void test_three_in_a_row(void **state)
{
	struct talk *t = *state;

	serve(t, three_in_a_row, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(download(t), 0);
		assert_true(control_is_warm(t->control));
	}
	assert_int_equal(t->host.early_epsv, TRI_YES);
	assert_int_equal(t->host.early_hello, TRI_YES);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "EPSV"), 4);
	assert_int_equal(peer_facts(t->peer).data_resumed, 3);
}

/* An upload takes it, too, and leaves none: its verdict is to be waited for. */
SCRIPT(peer_login, upload_behind)
{
	char buf[16];
	int end;

	peer_epsv(c);
	peer_serves(c);
	peer_goes_on(c);
	peer_expect(c, "STOR /f");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_say(c, "150 send it");
	if (peer_data_recv(c, buf, sizeof(buf), &end) != 3 || end != 0) {
		peer_fail(c, "another upload came");
	}
	peer_say(c, "226 done");
}

static void test_upload_behind(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;

	serve(t, upload_behind, NULL);
	assert_int_equal(download(t), 0);
	tr = talk_open_ok(t, "STOR");
	assert_int_equal(transfer_write(tr, NULL, "abc", 3), 0);
	talk_finish_with(t, tr, 226);
	assert_false(control_is_warm(t->control));
	talk_end(t);
}

/* pyftpdlib in an unlucky moment: what was under way is over, without a word. */
LAST_SCRIPT(peer_login, loses_its_verdict)
{
	peer_epsv(c);
	peer_serves(c);
	peer_expect(c, "EPSV");
	peer_says_port(c);
}

SCRIPT(peer_login, in_turn)
{
	peer_epsv(c);
	peer_serves(c);
	peer_say(c, "226 done");
	peer_expect(c, "EPSV");
	peer_says_port(c);
}

static void test_verdict_lost(void **state)
{
	struct talk *t = *state;

	serve(t, loses_its_verdict, in_turn);
	assert_true(download(t) < 0);
	assert_false(control_alive(t->control));
	assert_int_equal(t->host.early_epsv, TRI_NO);
	control_close(t->control);
	(void)talk_login(t);
	/* The verdict is waited for now; nobody asks before it. */
	assert_int_equal(download(t), 0);
	talk_end(t);
	assert_true(talk_logged(t, "loses its reply"));
}

/* Never in front of a verdict that decides: a listing's, or where the size is unknown. */
SCRIPT(peer_login, verdict_first)
{
	peer_epsv(c);
	peer_serves(c);
	peer_expect_quiet(c, 100);
	peer_say(c, "226 done");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_unproven(void **state)
{
	struct talk *t = *state;

	serve(t, verdict_first, NULL);
	talk_download_ok(t);
	talk_noop_ok(t);
	assert_int_equal(t->host.early_epsv, TRI_AUTO);
	talk_end(t);
}

LAST_SCRIPT(peer_login, resets_early_bytes)
{
	peer_epsv(c);
	peer_expect(c, "RETR /f");
	peer_data_accept(c);
	peer_data_end(c, WIRE_RST);
}

SCRIPT(peer_login, hears_nothing_early)
{
	peer_epsv(c);
	peer_expect(c, "RETR /f");
	peer_data_accept(c);
	peer_sleep(c, 50);
	peer_say(c, "150 now");
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_goes_on(c);
}

static void test_early_bytes_reset(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	serve(t, resets_early_bytes, hears_nothing_early);
	assert_true(talk_open(t, "RETR", 0, &tr, &refusal) < 0);
	assert_int_equal(t->host.early_hello, TRI_NO);
	control_close(t->control);
	(void)talk_login(t);
	assert_int_equal(download(t), 0);
	talk_end(t);
	assert_true(talk_logged(t, "begin before its 150"));
}

/* Idea FTP Server: 150 only after the handshake. */
SCRIPT(peer_login, says_150_late)
{
	peer_epsv(c);
	peer_expect(c, "RETR /f");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_say(c, "150 at last");
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_goes_on(c);
}

static void test_150_late(void **state)
{
	struct talk *t = *state;

	serve(t, says_150_late, NULL);
	assert_int_equal(download(t), 0);
	talk_end(t);
}

/* FileZilla Server shakes hands before it looks at the command: still a refusal. */
SCRIPT(peer_login, refuses_behind_handshake)
{
	peer_epsv(c);
	peer_expect(c, "RETR /f");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_say(c, "550 no such file");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_refused_behind_handshake(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	serve(t, refuses_behind_handshake, NULL);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), 1);
	assert_int_equal(refusal.code, 550);
	talk_noop_ok(t);
	talk_end(t);
}

enum { CLOSED = 1 };

SCRIPT(peer_login, closes_an_idle_one)
{
	peer_epsv(c);
	peer_serves(c);
	peer_goes_on(c);
	peer_data_accept(c);
	peer_data_end(c, WIRE_FIN);
	peer_raise(peer_of(c), CLOSED);
	peer_epsv(c);
	peer_serves(c);
	peer_goes_on(c);
}

static void test_idle_one_closed(void **state)
{
	struct talk *t = *state;

	serve(t, closes_an_idle_one, NULL);
	assert_int_equal(download(t), 0);
	assert_true(peer_await(t->peer, CLOSED));
	assert_int_equal(download(t), 0);
	talk_end(t);
}

/* What was opened ahead is no good when it comes to it: asked for again, unseen. */
SCRIPT(peer_login, says_425_to_a_warm_one)
{
	peer_epsv(c);
	peer_serves(c);
	peer_goes_on(c);
	peer_answer(c, "RETR /f", "425 Can't open data connection");
	peer_epsv(c);
	peer_serves(c);
	peer_say(c, "226 done");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_warm_one_refused(void **state)
{
	struct talk *t = *state;

	serve(t, says_425_to_a_warm_one, NULL);
	/* Else the refusal might speak of the session. */
	t->server.session_reuse = TRI_NO;
	assert_int_equal(download(t), 0);
	assert_int_equal(download(t), 0);
	assert_true(t->host.warm_hold > now_ms());
	assert_false(control_is_warm(t->control));
	talk_noop_ok(t);
	talk_end(t);
}

/* No port is free: none is held in vain for a while. */
SCRIPT(peer_login, has_no_port)
{
	peer_epsv(c);
	peer_serves(c);
	peer_expect(c, "EPSV");
	peer_say(c, "226 done");
	peer_say(c, "425 Cannot prepare for data connection");
	peer_epsv(c);
	peer_serves(c);
	peer_say(c, "226 done");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_no_port(void **state)
{
	struct talk *t = *state;

	serve(t, has_no_port, NULL);
	assert_int_equal(download(t), 0);
	assert_false(control_is_warm(t->control));
	assert_int_equal(download(t), 0);
	talk_noop_ok(t);
	talk_end(t);
}

LAST_SCRIPT(peer_login, taken_by_another)
{
	peer_epsv(c);
	peer_serves(c);
	peer_goes_on(c);
	peer_expect(c, "RETR /f");
	peer_data_accept(c);
	peer_data_tls_fails(c, PEER_OTHER_CERT);
}

static void test_other_certificate(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	serve(t, taken_by_another, NULL);
	assert_int_equal(download(t), 0);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), -EKEYREJECTED);
	talk_assert_words(t, "another certificate");
	assert_false(control_alive(t->control));
	talk_end(t);
}

/* SIZE and MDTM in front cost no flight; REST stays right before RETR. */
SCRIPT(peer_login, asked_on_the_way)
{
	peer_epsv(c);
	peer_expect(c, "SIZE /f");
	peer_expect(c, "MDTM /f");
	peer_expect(c, "REST 5");
	peer_expect(c, "RETR /f");
	peer_say(c, "213 19");
	peer_say(c, "550 no times here");
	peer_say(c, "350 from 5");
	peer_say(c, "150 here");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT + 5);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void test_commands_in_front(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	const struct command ahead[] = { { "SIZE", "/f" }, { "MDTM", "/f" } };
	struct reply replies[2];
	const struct transfer_job job = { "RETR", "/f", 5, ahead, 2, replies };
	struct transfer *tr = NULL;
	char buf[64];
	size_t len;

	talk_serve(t, asked_on_the_way);
	assert_int_equal(transfer_begin(t->control, NULL, &job, &tr, &refusal, &t->words),
			 0);
	assert_int_equal(replies[0].code, 213);
	assert_int_equal(replies[1].code, 550);
	reply_release(&replies[0]);
	reply_release(&replies[1]);
	assert_int_equal(talk_read_all(tr, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, strlen(TALK_TEXT) - 5);
	talk_finish_with(t, tr, 226);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_three_in_a_row),
		TALK(test_upload_behind),
		TALK(test_verdict_lost),
		TALK(test_unproven),
		TALK(test_early_bytes_reset),
		TALK(test_150_late),
		TALK(test_refused_behind_handshake),
		TALK(test_idle_one_closed),
		TALK(test_warm_one_refused),
		TALK(test_no_port),
		TALK(test_other_certificate),
		TALK(test_commands_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
