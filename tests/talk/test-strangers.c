/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Active mode: who may connect to our listener. */
#include "talk.h"

#include "peer_active.h"
#include "peer_private.h"

static bool own_network; /* set by main() */

static void serve(struct talk *t, peer_script *script)
{
	talk_start(t, &(struct peer_config){ .scripts = { script } });
	t->server.mode = MODE_ACTIVE;
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

SCRIPT(peer_login, stranger_comes_first)
{
	uint16_t port = peer_eprt(c, "127.0.0.1");
	int stranger;

	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes");
	stranger = peer_knock("127.0.0.2", 0, port);
	if (stranger < 0 || write(stranger, "evil", 4) != 4) {
		peer_fail(c, "the stranger could not knock");
	}
	peer_sleep(c, 100);
	peer_data_connect(c, 0, port);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
	close_fd(&stranger);
}

static void test_stranger(void **state)
{
	struct talk *t = *state;

	serve(t, stranger_comes_first);
	talk_download_ok(t);
	assert_true(talk_logged(t, "closed a connection from 127.0.0.2:"));
	assert_true(talk_logged(t, "not the server"));
	talk_end(t);
}

/* The door is shut behind the server's connection. */
SCRIPT(peer_login, tries_the_door_again)
{
	uint16_t port = peer_eprt(c, "127.0.0.1");
	int second;

	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_connect(c, 0, port);
	peer_data_tls(c);
	second = peer_knock("127.0.0.1", 0, port);
	if (second >= 0) {
		close(second);
		peer_fail(c, "still listening");
	}
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void test_one_connection(void **state)
{
	struct talk *t = *state;

	serve(t, tries_the_door_again);
	talk_download_ok(t);
	talk_end(t);
}

LAST_SCRIPT(peer_login, connects_from_any_port)
{
	uint16_t port = peer_eprt(c, "127.0.0.1");

	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_connect(c, 0, port);
}

static void test_wrong_source_port(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { connects_from_any_port } });
	t->server.mode = MODE_ACTIVE;
	t->server.active_source_default = true;
	t->server.connect_timeout = 1000;
	(void)talk_login(t);
	open_fails(t, -ETIMEDOUT, "instead of 20: use active_source_port=any");
	assert_true(talk_logged(t, "not from port 20"));
	assert_false(control_alive(t->control));
	talk_end(t);
}

SCRIPT(peer_login, connects_as_rfc_says)
{
	uint16_t port = peer_eprt(c, "127.0.0.1");

	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_connect(c, c->peer->config.implicit ? 989 : 20, port);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void check_default_port(struct talk *t, bool implicit)
{
	if (!own_network) {
		skip(); /* port 20 may be taken, or not for us */
	}
	talk_start(t, &(struct peer_config){ .implicit = implicit,
					     .scripts = { connects_as_rfc_says } });
	t->server.mode = MODE_ACTIVE;
	t->server.active_source_default = true;
	(void)talk_login(t);
	talk_download_ok(t);
	talk_end(t);
}

static void test_source_port_20(void **state)
{
	check_default_port(*state, false);
}

static void test_source_port_989(void **state)
{
	check_default_port(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_stranger),	      TALK(test_one_connection),
		TALK(test_wrong_source_port), TALK(test_source_port_20),
		TALK(test_source_port_989),
	};

	own_network = peer_own_network();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
