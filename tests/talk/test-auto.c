/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mode=auto: passive, then active, and what is remembered. */
#include "talk.h"

#include "peer_active.h"

/* A server whose passive port nobody can reach. */
static void is_walled(struct session *c)
{
	peer_expect(c, "EPSV");
	peer_say(c, "229 Entering (|||%u|)", peer_closed_port());
	peer_expect(c, "PASV");
	peer_say(c, "227 Entering Passive Mode (127,0,0,1,0,1)");
}

static void serve(struct talk *t, peer_script *script)
{
	talk_start(t, &(struct peer_config){ .scripts = { script } });
	t->server.mode = MODE_AUTO;
	(void)talk_login(t);
}

static void open_fails(struct talk *t, int error, const char *words)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	t->words.text[0] = '\0';
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), error);
	talk_assert_words(t, words);
}

SCRIPT(peer_login, walled_but_active)
{
	is_walled(c);
	peer_serves_eprt(c);
	peer_serves_eprt(c);
}

static void test_auto_goes_active(void **state)
{
	struct talk *t = *state;

	serve(t, walled_but_active);
	talk_download_ok(t);
	assert_true(talk_logged(t, "trying active"));
	talk_download_ok(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "EPSV"), 1);
	assert_int_equal(peer_count(t->peer, "PASV"), 1);
}

SCRIPT(peer_login, refuses_passive)
{
	peer_answer(c, "EPSV", "502 passive mode is disabled");
	peer_answer(c, "PASV", "502 passive mode is disabled");
	peer_serves_eprt(c);
}

static void test_auto_passive_refused(void **state)
{
	struct talk *t = *state;

	serve(t, refuses_passive);
	talk_download_ok(t);
	assert_true(talk_logged(t, "passive mode is disabled"));
	talk_end(t);
}

SCRIPT(peer_login, offers_port_outside)
{
	peer_epsv(c);
	peer_serves_eprt(c);
}

static void test_auto_outside_range(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { offers_port_outside } });
	t->server.mode = MODE_AUTO;
	t->server.pasv_ports = (struct port_range){ 7, 8 };
	(void)talk_login(t);
	talk_download_ok(t);
	talk_end(t);
}

SCRIPT(peer_login, passive_is_fine)
{
	peer_download(c, "RETR /f", TALK_TEXT);
	peer_download(c, "RETR /f", TALK_TEXT);
}

static void test_auto_stays_passive(void **state)
{
	struct talk *t = *state;

	serve(t, passive_is_fine);
	talk_download_ok(t);
	talk_download_ok(t);
	assert_true(t->host.passive_worked);
	assert_false(t->host.active_worked);
	talk_end(t);
}

SCRIPT(peer_login, nothing_works)
{
	is_walled(c);
	peer_expect_prefix(c, "EPRT ");
	peer_say(c, "500 Illegal EPRT command.");
	peer_expect_prefix(c, "PORT ");
	peer_say(c, "500 Illegal PORT command.");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_auto_names_both(void **state)
{
	struct talk *t = *state;

	serve(t, nothing_works);
	open_fails(t, -EHOSTUNREACH,
		   "passive: the data connection to 127.0.0.1:1 was refused");
	talk_assert_words(t, "; active: ");
	talk_assert_words(t, "active_addr");
	talk_noop_ok(t);
	talk_end(t);
}

/* What worked is not final: the network may have changed. */
SCRIPT(peer_login, active_then_passive)
{
	is_walled(c);
	peer_serves_eprt(c);
	peer_expect_prefix(c, "EPRT ");
	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_say(c, "425 Cannot connect");
	peer_download(c, "RETR /f", TALK_TEXT);
}

static void test_auto_looks_again(void **state)
{
	struct talk *t = *state;

	serve(t, active_then_passive);
	talk_download_ok(t);
	open_fails(t, 1, "could not connect");
	talk_download_ok(t);
	assert_true(t->host.passive_worked);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_auto_goes_active),   TALK(test_auto_passive_refused),
		TALK(test_auto_outside_range), TALK(test_auto_stays_passive),
		TALK(test_auto_names_both),    TALK(test_auto_looks_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
