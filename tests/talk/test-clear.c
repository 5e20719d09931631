/* SPDX-License-Identifier: GPL-2.0-or-later */
/* prot=C: data in clear beside an encrypted control connection. */
#include "talk.h"

static void login_clear(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_answer(c, "PBSZ 0", "200 PBSZ 0");
	peer_answer(c, "PROT C", "200 in clear");
	peer_answer(c, "TYPE I", "200 binary");
	peer_answer(c, "PWD", "257 \"/\" is where you are");
	peer_answer(c, "FEAT", PEER_FEAT);
	peer_answer(c, "OPTS UTF8 ON", "500 what?");
}

static void login_in_clear(struct talk *t, peer_script *script)
{
	talk_start(t, &(struct peer_config){ .scripts = { script } });
	t->server.prot_clear = true;
	(void)talk_login(t);
}

SCRIPT(login_clear, sends_in_clear)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_FIN);
	peer_say(c, "226 done");
}

static void test_clear_download(void **state)
{
	struct talk *t = *state;

	login_in_clear(t, sends_in_clear);
	talk_download_ok(t);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).data, 0);
}

/* FIN ends it whether it is all or not: the verdict decides. */
SCRIPT(login_clear, breaks_off_in_clear)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_send(c, TALK_TEXT, 4);
	peer_data_end(c, WIRE_FIN);
	peer_sleep(c, 200);
	peer_say(c, "426 the disk went away");
}

static void test_clear_download_cut(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;
	char buf[64];
	size_t len;

	login_in_clear(t, breaks_off_in_clear);
	tr = talk_open_ok(t, "RETR");
	assert_int_equal(talk_read_all(tr, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, 4);
	talk_finish_with(t, tr, 426);
	talk_end(t);
}

SCRIPT(login_clear, resets_in_clear)
{
	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_send(c, TALK_TEXT, 4);
	peer_sleep(c, 100);
	peer_data_end(c, WIRE_RST);
	peer_say(c, "426 cut");
}

static void test_clear_download_reset(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;
	char buf[64];
	size_t len;

	login_in_clear(t, resets_in_clear);
	tr = talk_open_ok(t, "RETR");
	assert_true(talk_read_all(tr, buf, sizeof(buf), &len) < 0);
	talk_finish_with(t, tr, 426);
	talk_end(t);
}

SCRIPT(login_clear, takes_in_clear)
{
	char got[16];
	int end = -1;

	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	if (peer_data_recv(c, got, sizeof(got), &end) != 5 ||
	    memcmp(got, "hello", 5) != 0 || end != 0) {
		peer_fail(c, "not what was sent, or no FIN: %d", end);
	}
	peer_data_end(c, WIRE_FIN);
	peer_say(c, "226 done");
}

static void test_clear_upload(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;

	login_in_clear(t, takes_in_clear);
	tr = talk_open_ok(t, "STOR");
	assert_int_equal(transfer_write(tr, NULL, "hello", 5), 0);
	talk_finish_with(t, tr, 226);
	talk_end(t);
}

SCRIPT(login_clear, takes_half_in_clear)
{
	char got[16];

	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	(void)peer_data_recv(c, got, sizeof(got), NULL);
	peer_data_end(c, WIRE_FIN);
	peer_say(c, "552 quota exceeded");
}

static void test_clear_upload_refused(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;

	login_in_clear(t, takes_half_in_clear);
	tr = talk_open_ok(t, "STOR");
	assert_int_equal(transfer_write(tr, NULL, "hello", 5), 0);
	talk_finish_with(t, tr, 552);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_clear_download),	 TALK(test_clear_download_cut),
		TALK(test_clear_download_reset), TALK(test_clear_upload),
		TALK(test_clear_upload_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
