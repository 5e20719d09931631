/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Active mode: we listen, the scripted server connects, or somebody else does. */
#include "talk.h"

#include "peer_active.h"
#include "peer_private.h"
#include "tls/dial.h"

static void serve(struct talk *t, enum data_mode mode, peer_script *first,
		  peer_script *second)
{
	talk_start(t, &(struct peer_config){ .scripts = { first, second } });
	t->server.mode = mode;
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

/* A port that is taken, and the descriptor that takes it. */
static int take_port(uint16_t *ret)
{
	return peer_listen_any(ret);
}

/* ---- what works ---- */

SCRIPT(peer_login, eprt_twice)
{
	peer_serves_eprt(c);
	peer_serves_eprt(c);
}

static void test_eprt(void **state)
{
	struct talk *t = *state;
	struct peer_facts facts;

	serve(t, MODE_ACTIVE, eprt_twice, NULL);
	talk_download_ok(t);
	talk_download_ok(t);
	assert_true(t->host.active_worked);
	talk_end(t);
	facts = peer_facts(t->peer);
	assert_int_equal(facts.data, 2);
	assert_int_equal(facts.data_resumed, 2);
}

SCRIPT(peer_login, eprt_takes_file)
{
	char got[16];
	uint16_t port = peer_eprt(c, "127.0.0.1");
	int end = -1;

	peer_say(c, "200 EPRT command successful");
	peer_expect(c, "STOR /f");
	peer_data_connect(c, 0, port);
	peer_say(c, "150 send it");
	peer_data_tls(c);
	if (peer_data_recv(c, got, sizeof(got), &end) != 5 ||
	    memcmp(got, "hello", 5) != 0 || end != 0) {
		peer_fail(c, "not what was sent, or no end in order: %d", end);
	}
	peer_say(c, "226 done");
}

static void test_upload(void **state)
{
	struct talk *t = *state;
	struct transfer *tr;

	serve(t, MODE_ACTIVE, eprt_takes_file, NULL);
	tr = talk_open_ok(t, "STOR");
	assert_int_equal(transfer_write(tr, NULL, "hello", 5), 0);
	talk_finish_with(t, tr, 226);
	talk_end(t);
}

/* The server says 150 only once it has connected (vsftpd), or much later than we shake hands. */
SCRIPT(peer_login, eprt_says_150_late)
{
	uint16_t port = peer_eprt(c, "127.0.0.1");

	peer_say(c, "200 EPRT command successful");
	peer_expect(c, "RETR /f");
	peer_sleep(c, 500);
	peer_data_connect(c, 0, port);
	peer_data_tls(c);
	peer_say(c, "150 here it comes");
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void test_150_late(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, eprt_says_150_late, NULL);
	talk_download_ok(t);
	talk_end(t);
}

SCRIPT(peer_login, knows_port_only)
{
	uint16_t port;

	peer_expect_prefix(c, "EPRT |1|127.0.0.1|");
	peer_say(c, "500 EPRT not understood");
	for (int i = 0; i < 2; i++) {
		port = peer_port_command(c);
		peer_say(c, "200 PORT command successful");
		peer_sends_to(c, port);
	}
}

static void test_port_remembered(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, knows_port_only, NULL);
	talk_download_ok(t);
	assert_true(t->host.eprt_bad);
	talk_download_ok(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "EPRT"), 1);
}

SCRIPT(peer_login, is_told_by_port)
{
	uint16_t port = peer_port_command(c);

	peer_say(c, "200 PORT command successful");
	peer_sends_to(c, port);
}

/* epsv=no: the old commands only, here too. */
static void test_port_only(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, is_told_by_port, NULL);
	t->server.epsv = TRI_NO;
	talk_download_ok(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "EPRT"), 0);
}

SCRIPT(peer_login, refuses_eprt)
{
	peer_eprt(c, "127.0.0.1");
	peer_say(c, "500 EPRT not understood");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_eprt_only(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, refuses_eprt, NULL);
	t->server.epsv = TRI_YES;
	open_fails(t, -EHOSTUNREACH, "500 EPRT not understood");
	talk_noop_ok(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "PORT"), 0);
}

SCRIPT(peer_login, told_another_address)
{
	uint16_t port = peer_eprt(c, "192.0.2.9");

	peer_say(c, "200 EPRT command successful");
	peer_sends_to(c, port);
}

static void test_active_addr(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { told_another_address } });
	t->server.mode = MODE_ACTIVE;
	t->server.active_addr = "192.0.2.9";
	(void)talk_login(t);
	talk_download_ok(t);
	talk_end(t);
}

/* ---- ports to listen on ---- */

static uint16_t free_port; /* the only one of the range; set before the script runs */

SCRIPT(peer_login, told_the_free_port)
{
	uint16_t port = peer_eprt(c, "127.0.0.1");

	if (port != free_port) {
		peer_fail(c, "port %u instead of %u", port, free_port);
	}
	peer_say(c, "200 EPRT command successful");
	peer_sends_to(c, port);
}

/* Two neighbours, the lower one taken. */
static int take_lower_of_two(uint16_t *ret)
{
	for (;;) {
		struct endpoint at;
		int second, fd = take_port(ret);

		assert_int_equal(endpoint_parse("127.0.0.1", 0, &at), 0);
		if (*ret < UINT16_MAX &&
		    dial_listen(&at, *ret + 1, *ret + 1, &second) == 0) {
			close(second);
			return fd;
		}
		close(fd);
	}
}

static void test_active_ports(void **state)
{
	struct talk *t = *state;
	uint16_t taken;
	int fd = take_lower_of_two(&taken);

	free_port = taken + 1;
	talk_start(t, &(struct peer_config){ .scripts = { told_the_free_port } });
	t->server.mode = MODE_ACTIVE;
	t->server.active_ports = (struct port_range){ taken, free_port };
	(void)talk_login(t);
	talk_download_ok(t);
	close(fd);
	talk_end(t);
}

static void says_noop_ok(struct session *c)
{
	peer_login(c);
	peer_answer(c, "NOOP", "200 ok");
	peer_goodbye(c);
}

static void test_active_ports_taken(void **state)
{
	struct talk *t = *state;
	char range[64];
	uint16_t taken;
	int fd = take_port(&taken);

	talk_start(t, &(struct peer_config){ .scripts = { says_noop_ok } });
	t->server.mode = MODE_ACTIVE;
	t->server.active_ports = (struct port_range){ taken, taken };
	(void)talk_login(t);
	snprintf(range, sizeof(range), "active_ports=%u-%u", taken, taken);
	open_fails(t, -EADDRINUSE, range);
	talk_noop_ok(t);
	close(fd);
	talk_end(t);
}

/* ---- what does not work ---- */

SCRIPT(peer_login, finds_it_illegal)
{
	peer_expect_prefix(c, "EPRT ");
	peer_say(c, "500 Illegal EPRT command.");
	peer_expect_prefix(c, "PORT ");
	peer_say(c, "500 Illegal PORT command.");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_illegal_port(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, finds_it_illegal, NULL);
	open_fails(t, -EHOSTUNREACH, "active_addr");
	talk_assert_words(t, "500 Illegal PORT command.");
	assert_false(t->host.eprt_bad);
	talk_noop_ok(t);
	talk_end(t);
}

SCRIPT(peer_login, has_no_active_mode)
{
	peer_expect_prefix(c, "EPRT ");
	peer_say(c, "502 EPRT not implemented");
	peer_expect_prefix(c, "PORT ");
	peer_say(c, "502 Active mode is disabled");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_no_active_mode(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, has_no_active_mode, NULL);
	open_fails(t, -EHOSTUNREACH, "refuses active mode (502 Active mode is disabled)");
	talk_noop_ok(t);
	talk_end(t);
}

SCRIPT(peer_login, cannot_connect)
{
	peer_expect_prefix(c, "EPRT ");
	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_sleep(c, 100);
	peer_say(c, "425 Unable to build data connection: Connection timed out");
	peer_answer(c, "NOOP", "200 ok");
}

/* The server's word ends the wait. */
static void test_425_at_once(void **state)
{
	struct talk *t = *state;
	int64_t begin;

	serve(t, MODE_ACTIVE, cannot_connect, NULL);
	begin = now_ms();
	open_fails(t, 1, "could not connect to 127.0.0.1:");
	assert_true(now_ms() - begin < 3000);
	talk_noop_ok(t);
	talk_end(t);
}

LAST_SCRIPT(peer_login, never_connects)
{
	peer_expect_prefix(c, "EPRT ");
	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes");
}

static void test_nobody_comes(void **state)
{
	struct talk *t = *state;
	int64_t begin;

	talk_start(t,
		   &(struct peer_config){ .scripts = { never_connects, says_noop_ok } });
	t->server.mode = MODE_ACTIVE;
	t->server.connect_timeout = 1000;
	(void)talk_login(t);
	open_fails(t, -ETIMEDOUT, "did not connect to 127.0.0.1:");
	talk_assert_words(t, "within 1 s: a firewall or NAT on this side drops it");
	assert_false(control_alive(t->control));
	control_close(t->control);
	t->control = NULL;
	/* The retry that follows is told at once. */
	(void)talk_login(t);
	begin = now_ms();
	open_fails(t, -ETIMEDOUT, "a moment ago");
	assert_true(now_ms() - begin < 500);
	talk_noop_ok(t);
	talk_end(t);
}

/* pyftpdlib connects at once and answers EPRT when it has, or not. */
LAST_SCRIPT(peer_login, ignores_eprt)
{
	peer_eprt(c, "127.0.0.1");
}

static void test_silent_eprt(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, ignores_eprt, NULL);
	t->server.connect_timeout = 1000;
	open_fails(t, -ETIMEDOUT, "did not connect to 127.0.0.1:");
	talk_assert_words(t, "within 1 s");
	assert_false(control_alive(t->control));
	assert_true(t->host.active_hold > now_ms());
	talk_end(t);
}

SCRIPT(peer_login, cannot_connect_at_eprt)
{
	peer_eprt(c, "127.0.0.1");
	peer_say(c, "425 Can't connect to specified address.");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_425_to_eprt(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, cannot_connect_at_eprt, NULL);
	open_fails(t, 1, "could not connect to 127.0.0.1:");
	talk_noop_ok(t);
	talk_end(t);
}

/* A verdict without any connection: nothing was transferred. */
LAST_SCRIPT(peer_login, says_226_without_connecting)
{
	peer_expect_prefix(c, "EPRT ");
	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes\n226 done");
}

static void test_226_without_connection(void **state)
{
	struct talk *t = *state;
	int64_t begin;

	serve(t, MODE_ACTIVE, says_226_without_connecting, NULL);
	begin = now_ms();
	open_fails(t, -ETIMEDOUT, "could not connect");
	talk_assert_words(t, "(226 done)");
	assert_true(now_ms() - begin < 4000);
	talk_end(t);
}

LAST_SCRIPT(peer_login, hangs_up_instead)
{
	peer_expect_prefix(c, "EPRT ");
	peer_say(c, "200 EPRT command successful");
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_close(c, WIRE_FIN);
}

static void test_hangs_up(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;
	int64_t begin;

	serve(t, MODE_ACTIVE, hangs_up_instead, NULL);
	begin = now_ms();
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), -ENOTCONN);
	assert_true(now_ms() - begin < 3000);
	talk_end(t);
}

static void test_interrupted(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	int64_t when = now_ms() + 500;
	const struct wait w = { .cancelled = talk_is_after, .arg = &when };
	struct transfer *tr = NULL;

	serve(t, MODE_ACTIVE, never_connects, NULL);
	assert_int_equal(
		transfer_open(t->control, &w, "RETR", "/f", 0, &tr, &refusal, NULL),
		-EINTR);
	assert_true(now_ms() < when + 1500);
	/* That was us: no reason to hold active mode against this host. */
	assert_int_equal(t->host.active_hold, 0);
	talk_end(t);
}

static void test_not_through_proxy(void **state)
{
	struct talk *t = *state;

	serve(t, MODE_ACTIVE, says_noop_ok, NULL);
	t->server.proxy = "socks5h://127.0.0.1:9";
	open_fails(t, -EHOSTUNREACH, "proxy");
	talk_noop_ok(t);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_eprt),
		TALK(test_upload),
		TALK(test_150_late),
		TALK(test_port_remembered),
		TALK(test_port_only),
		TALK(test_eprt_only),
		TALK(test_active_addr),
		TALK(test_active_ports),
		TALK(test_active_ports_taken),
		TALK(test_illegal_port),
		TALK(test_no_active_mode),
		TALK(test_425_at_once),
		TALK(test_nobody_comes),
		TALK(test_silent_eprt),
		TALK(test_425_to_eprt),
		TALK(test_226_without_connection),
		TALK(test_hangs_up),
		TALK(test_interrupted),
		TALK(test_not_through_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
