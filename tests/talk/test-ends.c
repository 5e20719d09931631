/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How data connections end: cut, stalled, given up, and in order. */
#include "talk.h"

/* ---- cuts and stalls ---- */

static void cut_by(struct session *c, enum wire_end how)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_sleep(c, 100);
	peer_data_end(c, how);
	peer_say(c, "426 cut");
}

SCRIPT(peer_login, cuts_with_fin)
{
	cut_by(c, WIRE_FIN);
}

SCRIPT(peer_login, cuts_with_rst)
{
	cut_by(c, WIRE_RST);
}

static void check_cut(struct talk *t, peer_script *script)
{
	struct transfer *tr;
	char buf[64];
	size_t len;

	talk_serve(t, script);
	tr = talk_open_ok(t, "RETR");
	assert_int_equal(talk_read_all(tr, buf, sizeof(buf), &len), -ECONNABORTED);
	assert_int_equal(len, strlen(TALK_TEXT));
	talk_finish_with(t, tr, 426);
	assert_true(control_alive(t->control));
	talk_end(t);
}

static void test_cut_fin(void **state)
{
	check_cut(*state, cuts_with_fin);
}

static void test_cut_rst(void **state)
{
	check_cut(*state, cuts_with_rst);
}

static void cuts_control(struct session *c)
{
	peer_login(c);
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_send(c, TALK_TEXT, 4);
	peer_close(c, WIRE_FIN);
	peer_sleep(c, 100);
	peer_data_text(c, TALK_TEXT + 4);
	peer_data_end(c, WIRE_NOTIFY);
}

/* All bytes came and no verdict: they count, the connection does not. */
static void test_control_cut(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply reply = { 0 };
	struct transfer *tr;
	char buf[64];
	size_t len;

	talk_serve(t, cuts_control);
	tr = talk_open_ok(t, "RETR");
	assert_int_equal(talk_read_all(tr, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, strlen(TALK_TEXT));
	assert_int_equal(transfer_finish(tr, NULL, &reply), -ENOTCONN);
	assert_null(reply.text);
	assert_false(control_alive(t->control));
	talk_end(t);
}

static void remarks_for_ever(struct session *c)
{
	int64_t end = now_ms() + 8000;

	peer_login(c);
	peer_epsv(c);
	peer_expect(c, "RETR /f");
	if (peer_flood(c, "150 here it comes\r\n", 64 << 20, 8000) >= 64 << 20 ||
	    now_ms() >= end) {
		peer_fail(c, "the client listens to remarks for ever");
	}
}

/* A flood on the control connection must not hold the transfer, nor the one who wants to leave. */
static void test_150_flood(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;
	int64_t begin;

	talk_start(t, &(struct peer_config){ .scripts = { remarks_for_ever } });
	t->server.io_timeout = 1000;
	t->hook.level = LEVEL_INFO;
	(void)talk_login(t);
	begin = now_ms();
	assert_true(talk_open(t, "RETR", 0, &tr, &refusal) < 0);
	assert_true(now_ms() - begin < 7000);
	assert_false(control_alive(t->control));
	talk_end(t);
}

SCRIPT(peer_login, stalls)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	(void)peer_data_await_close(c);
	peer_say(c, "426 you left");
}

static void test_stall(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;
	char buf[64];
	size_t len;
	int64_t begin;

	talk_start(t, &(struct peer_config){ .scripts = { stalls } });
	t->server.io_timeout = 500;
	(void)talk_login(t);
	tr = talk_open_ok(t, "RETR");
	begin = now_ms();
	assert_int_equal(talk_read_all(tr, buf, sizeof(buf), &len), -ETIMEDOUT);
	assert_in_range(now_ms() - begin, 450, 2000);
	assert_int_equal(len, strlen(TALK_TEXT));
	transfer_abort(tr, NULL);
	assert_true(control_alive(t->control));
	talk_end(t);
}

static void test_cancel(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;
	int64_t begin = now_ms(), when;
	struct wait w = { .cancelled = talk_is_after, .arg = &when };
	char buf[64];
	ssize_t n;

	talk_serve(t, stalls);
	tr = talk_open_ok(t, "RETR");
	when = begin = now_ms();
	when += 150;
	do {
		n = transfer_read(tr, &w, buf, sizeof(buf));
	} while (n > 0);
	assert_int_equal(n, -EINTR);
	assert_in_range(now_ms() - begin, 100, 150 + 400);
	transfer_abort(tr, NULL);
	assert_true(control_alive(t->control));
	talk_end(t);
}

/* Nobody answers the data handshake. */
LAST_SCRIPT(peer_login, ignores_handshake)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	(void)peer_data_await_close(c);
}

static void test_cancel_handshake(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;
	int64_t begin, when;
	struct wait w = { .cancelled = talk_is_after, .arg = &when };

	talk_serve(t, ignores_handshake);
	begin = now_ms();
	when = begin + 150;
	assert_int_equal(
		transfer_open(t->control, &w, "RETR", "/f", 0, &tr, &refusal, NULL),
		-EINTR);
	assert_in_range(now_ms() - begin, 100, 150 + 400);
	assert_false(control_alive(t->control));
	talk_end(t);
}

/* ---- giving up ---- */

static void abort_after_some(struct talk *t)
{
	struct transfer *tr = talk_open_ok(t, "RETR");
	char buf[4];

	assert_int_equal(transfer_read(tr, NULL, buf, sizeof(buf)), sizeof(buf));
	transfer_abort(tr, NULL);
	talk_noop_ok(t);
}

static void begin_abandoned(struct session *c)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	(void)peer_data_await_close(c);
}

SCRIPT(peer_login, answers_426)
{
	begin_abandoned(c);
	peer_say(c, "426 Failure writing network stream.");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_abort_426(void **state)
{
	struct talk *t = *state;

	talk_serve(t, answers_426);
	abort_after_some(t);
	talk_end(t);
}

/* Pure-FTPd: a second 150, and nothing else for this download. */
SCRIPT(peer_login, answers_150_again)
{
	begin_abandoned(c);
	peer_say(c, "150 Accepted data connection");
	peer_answer(c, "NOOP", "200 zzz...");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_abort_150(void **state)
{
	struct talk *t = *state;

	talk_serve(t, answers_150_again);
	abort_after_some(t);
	talk_end(t);
}

/* The same beginning, but the verdict comes after all. */
SCRIPT(peer_login, answers_150_then_426)
{
	begin_abandoned(c);
	peer_say(c, "150 Accepted data connection");
	peer_expect(c, "NOOP");
	peer_say(c, "426 aborted");
	peer_say(c, "200 zzz...");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_abort_150_426(void **state)
{
	struct talk *t = *state;

	talk_serve(t, answers_150_then_426);
	abort_after_some(t);
	talk_end(t);
}

LAST_SCRIPT(peer_login, answers_nothing)
{
	begin_abandoned(c);
}

static void test_abort_silence(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;
	int64_t begin;
	char buf[4];

	talk_serve(t, answers_nothing);
	tr = talk_open_ok(t, "RETR");
	assert_int_equal(transfer_read(tr, NULL, buf, sizeof(buf)), sizeof(buf));
	begin = now_ms();
	transfer_abort(tr, NULL);
	assert_in_range(now_ms() - begin, 1500, 3500);
	assert_false(control_alive(t->control));
	talk_end(t);
}

/* ---- uploads ---- */

static char big[4 << 20];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(big); i++) {
		big[i] = (char)(i * 31 >> 7);
	}
}

/* The server's tickets arrive on the data connection. Unread at the client's close they would make
 * a reset of it, and the tail of the upload could be lost. */
static void takes_upload(struct session *c)
{
	static char got[sizeof(big) + 1];
	size_t n;
	int r;

	peer_login(c);
	n = peer_upload(c, "STOR /f", got, sizeof(got));
	if (n != sizeof(big) || memcmp(got, big, n) != 0) {
		peer_fail(c, "%zu bytes came, or other ones", n);
	}
	peer_say(c, "226 stored");
	r = peer_data_await_close(c);
	if (r != 0) {
		peer_fail(c, "the upload's data connection was reset: %d", r);
	}
	peer_goodbye(c);
}

static void check_upload(struct talk *t, const char *version)
{
	struct transfer *tr;

	fill();
	talk_start(t,
		   &(struct peer_config){ .tls = version, .scripts = { takes_upload } });
	(void)talk_login(t);
	tr = talk_open_ok(t, "STOR");
	assert_int_equal(transfer_write(tr, NULL, big, sizeof(big)), 0);
	talk_finish_with(t, tr, 226);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).data_resumed, 1);
}

static void test_upload_13(void **state)
{
	check_upload(*state, "1.3");
}

static void test_upload_12(void **state)
{
	check_upload(*state, "1.2");
}

SCRIPT(peer_login, takes_empty_upload)
{
	char byte;

	if (peer_upload(c, "STOR /f", &byte, 1) != 0) {
		peer_fail(c, "bytes of an empty file");
	}
	peer_say(c, "226 stored");
}

static void test_upload_empty(void **state)
{
	struct talk *t = *state;

	talk_serve(t, takes_empty_upload);
	talk_finish_with(t, talk_open_ok(t, "STOR"), 226);
	talk_end(t);
}

SCRIPT(peer_login, is_full)
{
	static char some[64 * 1024];

	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	peer_data_tls(c);
	(void)peer_data_recv(c, some, sizeof(some), NULL);
	peer_say(c, "552 Disk full");
	/* Nothing is read any more, so the client has to wait, and to listen while it does. */
	(void)peer_await(peer_of(c), 0);
	(void)peer_data_await_close(c);
	peer_answer(c, "NOOP", "200 ok");
}

static void test_upload_552(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;
	int r = 0;

	fill();
	talk_serve(t, is_full);
	tr = talk_open_ok(t, "STOR");
	for (int i = 0; i < 16 && r == 0; i++) {
		r = transfer_write(tr, NULL, big, sizeof(big));
	}
	assert_int_equal(r, -ECONNABORTED);
	peer_raise(t->peer, 0);
	talk_finish_with(t, tr, 552);
	talk_noop_ok(t);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_cut_fin),
		TALK(test_cut_rst),
		TALK(test_control_cut),
		TALK(test_150_flood),
		TALK(test_stall),
		TALK(test_cancel),
		TALK(test_cancel_handshake),
		TALK(test_abort_426),
		TALK(test_abort_150),
		TALK(test_abort_150_426),
		TALK(test_abort_silence),
		TALK(test_upload_13),
		TALK(test_upload_12),
		TALK(test_upload_empty),
		TALK(test_upload_552),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
