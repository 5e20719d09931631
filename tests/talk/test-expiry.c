/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS sessions that data connections resumed, and then no longer do; that they are passed on
 * from one to the next shows in tests/mount/test_expiry.py. */
#include "peer_private.h"
#include "talk.h"

static void download(struct session *c)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void new_ticket_key(struct session *c)
{
	struct identity *id = &c->peer->identity;

	gnutls_free(id->ticket_key.data);
	if (gnutls_session_ticket_key_generate(&id->ticket_key) < 0) {
		peer_fail(c, "no ticket key");
	}
}

/* ---- expired ---- */

static void refuses_data(struct session *c, const char *reply)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls_as(c, PEER_NO_RESUME);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "%s", reply);
}

LAST_SCRIPT(peer_login, resumes_once)
{
	download(c);
	new_ticket_key(c);
	refuses_data(c, "425 Unable to build data connection: Operation not permitted");
}

static void check_expired(struct talk *t, const char *tls)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;
	char buf[64];
	size_t len;
	int r;

	talk_start(t, &(struct peer_config){ .tls = tls, .scripts = { resumes_once } });
	(void)talk_login(t);
	talk_download_ok(t);
	/* The refusal comes in place of the transfer, or as its verdict. */
	r = talk_open(t, "RETR", 0, &tr, &refusal);
	if (r == 0) {
		(void)talk_read_all(tr, buf, sizeof(buf), &len);
		assert_int_equal(transfer_finish(tr, NULL, &refusal), 0);
	}
	assert_int_equal(refusal.code, 425);
	assert_false(control_alive(t->control));
	assert_true(talk_logged(t, "no longer resumes"));
	assert_false(talk_logged(t, "1 127.0.0.1"));
	talk_end(t);
}

static void test_expired_12(void **state)
{
	check_expired(*state, "1.2");
}

static void test_expired_13(void **state)
{
	check_expired(*state, "1.3");
}

SCRIPT(peer_login, never_resumes)
{
	refuses_data(c, "522 SSL connection failed: session reuse required");
	peer_answer(c, "NOOP", "200 ok");
}

/* It was never different: that is no expiry, and told as a warning. */
static void test_never_resumed(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;
	char buf[64];
	size_t len;

	talk_start(t, &(struct peer_config){ .scripts = { never_resumes } });
	(void)talk_login(t);
	if (talk_open(t, "RETR", 0, &tr, &refusal) == 0) {
		(void)talk_read_all(tr, buf, sizeof(buf), &len);
		assert_int_equal(transfer_finish(tr, NULL, &refusal), 0);
	}
	assert_int_equal(refusal.code, 522);
	assert_true(control_alive(t->control));
	assert_true(talk_logged(t, "1 127.0.0.1 refuses the data connection (522"));
	talk_noop_ok(t);
	talk_end(t);
}

/* ---- as users see it: not at all ---- */

static void list(struct session *c)
{
	peer_epsv(c);
	peer_answer(c, "MLSD /", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, "type=file;size=1;modify=20260102030405; a\r\n");
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

LAST_SCRIPT(peer_connected, lists_once)
{
	list(c);
	new_ticket_key(c);
	peer_epsv(c);
	peer_answer(c, "MLSD /", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls_as(c, PEER_NO_RESUME);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "425 Unable to build data connection: Operation not permitted");
}

SCRIPT(peer_login, lists_again)
{
	list(c);
}

static void test_repeated_silently(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, lists_once, lists_again);

	for (int i = 0; i < 2; i++) {
		struct listing *l = NULL;

		assert_int_equal(remote_list(r, NULL, "/", &l), 0);
		assert_int_equal(l->n, 1);
		listing_free(l);
	}
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
	assert_false(talk_logged(t, "\n1 ") || talk_logged(t, "\n0 "));
}

/* ---- through a proxy ---- */

/* An upload's verdict is waited for before FIN, but not for ever: this server needs FIN. */
SCRIPT(peer_login, wants_fin)
{
	char got[64];
	int end;

	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 go on");
	peer_data_accept(c);
	peer_data_tls(c);
	(void)peer_data_recv(c, got, sizeof(got), &end);
	(void)peer_data_await_close(c);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void test_fin_after_all(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;
	int64_t before;

	talk_start(t, &(struct peer_config){ .scripts = { wants_fin } });
	(void)talk_login(t);
	tr = talk_open_ok(t, "STOR");
	assert_int_equal(transfer_write(tr, NULL, "bytes", 5), 0);
	t->server.proxy = "socks5h://127.0.0.1:9"; /* for the end only */
	before = now_ms();
	talk_finish_with(t, tr, 226);
	assert_in_range(now_ms() - before, 2500, 4900);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_expired_12),	  TALK(test_expired_13),
		TALK(test_never_resumed), TALK(test_repeated_silently),
		TALK(test_fin_after_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
