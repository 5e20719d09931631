/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passive mode behind firewalls and gateways: which port, which address, from where. */
#include "talk.h"

#include "peer_private.h"
#include "tls/dial.h"

static void serve(struct talk *t, peer_script *first, peer_script *second)
{
	talk_start(t, &(struct peer_config){ .scripts = { first, second } });
}

static void open_fails(struct talk *t, int error, const char *words)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	t->words.text[0] = '\0';
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), error);
	talk_assert_words(t, words);
}

static void sends(struct session *c)
{
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

/* Where the client's end of the data connection is. */
static struct endpoint data_peer(struct session *c)
{
	struct endpoint e = { 0 };

	if (!c->failed && endpoint_peer(c->data.fd, &e) < 0) {
		peer_fail(c, "no data connection");
	}
	return e;
}

/* ---- EPSV that fails ---- */

LAST_SCRIPT(peer_login, ignores_epsv)
{
	peer_expect(c, "EPSV");
}

SCRIPT(peer_login, knows_pasv)
{
	peer_pasv(c, "127,0,0,1");
	sends(c);
}

static void test_silent_epsv(void **state)
{
	struct talk *t = *state;

	serve(t, ignores_epsv, knows_pasv);
	t->server.io_timeout = 700;
	(void)talk_login(t);
	open_fails(t, -ETIMEDOUT, "did not answer EPSV");
	assert_false(control_alive(t->control));
	assert_true(t->host.epsv_bad);
	control_close(t->control);
	t->control = NULL;
	t->server.io_timeout = 5000;
	(void)talk_login(t);
	talk_download_ok(t);
	talk_end(t);
}

/* Waits five seconds and not io_timeout. */
static void test_silent_epsv_patience(void **state)
{
	struct talk *t = *state;
	int64_t begin;

	serve(t, ignores_epsv, NULL);
	t->server.io_timeout = 30000;
	(void)talk_login(t);
	begin = now_ms();
	open_fails(t, -ETIMEDOUT, "did not answer EPSV within 5 s");
	assert_in_range(now_ms() - begin, 4900, 8000);
	talk_end(t);
}

/* Once it has worked, silence is the server's, not EPSV's. */
LAST_SCRIPT(peer_login, falls_silent)
{
	peer_download(c, "RETR /f", TALK_TEXT);
	peer_expect(c, "EPSV");
}

static void test_silent_after_success(void **state)
{
	struct talk *t = *state;

	serve(t, falls_silent, NULL);
	t->server.io_timeout = 1000;
	(void)talk_login(t);
	talk_download_ok(t);
	open_fails(t, -ETIMEDOUT, "did not answer EPSV");
	assert_false(t->host.epsv_bad);
	talk_end(t);
}

static const char *const mangled[] = {
	"229 Entering Extended Passive Mode (|||0|)",
	"229 Entering Extended Passive Mode (|||99999|)",
	"229 Entering Extended Passive Mode",
	"229 Entering Extended Passive Mode (||||)",
	"200 OK",
};

SCRIPT(peer_login, epsv_is_mangled)
{
	for (size_t i = 0; i < ARRAY_LEN(mangled); i++) {
		peer_answer(c, "EPSV", mangled[i]);
		peer_pasv(c, "127,0,0,1");
		sends(c);
	}
}

static void test_mangled_epsv(void **state)
{
	struct talk *t = *state;

	serve(t, epsv_is_mangled, NULL);
	(void)talk_login(t);
	for (size_t i = 0; i < ARRAY_LEN(mangled); i++) {
		t->host.epsv_bad = false;
		talk_download_ok(t);
		assert_true(t->host.epsv_bad);
	}
	talk_end(t);
}

SCRIPT(peer_login, both_are_mangled)
{
	peer_answer(c, "EPSV", "229 Entering (|||0|)");
	peer_answer(c, "PASV", "227 Entering Passive Mode (127,0,0,1,0,0)");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_both_mangled(void **state)
{
	struct talk *t = *state;

	serve(t, both_are_mangled, NULL);
	(void)talk_login(t);
	open_fails(t, -EPROTO, "no usable port");
	assert_false(t->host.epsv_bad);
	talk_noop_ok(t);
	talk_end(t);
}

/* epsv=yes: no other way is tried. */
SCRIPT(peer_login, epsv_is_refused)
{
	peer_answer(c, "EPSV", "500 EPSV not understood");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_epsv_only(void **state)
{
	struct talk *t = *state;
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;

	serve(t, epsv_is_refused, NULL);
	t->server.epsv = TRI_YES;
	(void)talk_login(t);
	assert_int_equal(talk_open(t, "RETR", 0, &tr, &refusal), 1);
	assert_int_equal(refusal.code, 500);
	talk_noop_ok(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "PASV"), 0);
}

/* ---- what PASV is answered with ---- */

/* %u,%u: the port's bytes; %3$u: the port. */
static const char *const shapes[] = {
	"227 Entering Passive Mode (127,0,0,1,%u,%u).",
	"227 Entering Passive Mode. 127,0,0,1,%u,%u",
	"227 Entering Passive Mode =127,0,0,1,%u,%u",
	"227 Passive ( 127, 0, 0, 1, %u, %u )",
	"227-remark\n227 Entering Passive Mode (127,0,0,1,%u,%u)",
	"229 Entering Passive Mode (127,0,0,1,%u,%u)",
};
static const char extended_shape[] = "229 Entering Extended Passive Mode (|||%u|)";

SCRIPT(peer_login, answers_in_shapes)
{
	for (size_t i = 0; i <= ARRAY_LEN(shapes); i++) {
		char text[128];
		uint16_t port;

		peer_expect(c, "PASV");
		port = peer_listen(c);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (i < ARRAY_LEN(shapes)) {
			snprintf(text, sizeof(text), shapes[i], port >> 8, port & 255);
		} else {
			snprintf(text, sizeof(text), extended_shape, port);
		}
#pragma GCC diagnostic pop
		peer_say(c, "%s", text);
		sends(c);
	}
}

static void test_shapes(void **state)
{
	struct talk *t = *state;

	serve(t, answers_in_shapes, NULL);
	t->server.epsv = TRI_NO;
	(void)talk_login(t);
	for (size_t i = 0; i <= ARRAY_LEN(shapes); i++) {
		talk_download_ok(t);
	}
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "EPSV"), 0);
}

/* ---- where to ---- */

SCRIPT(peer_login, advertises_another)
{
	for (int i = 0; i < 2; i++) {
		peer_pasv(c, "10,0,0,5");
		sends(c);
	}
}

static void test_advertised_address(void **state)
{
	static const char line[] = "server advertised 10.0.0.5, using 127.0.0.1";
	struct talk *t = *state;
	const char *found;

	serve(t, advertises_another, NULL);
	t->server.epsv = TRI_NO;
	(void)talk_login(t);
	talk_download_ok(t);
	talk_download_ok(t);
	found = strstr(buf_str(&t->log), line);
	assert_non_null(found);
	assert_null(strstr(found + 1, line)); /* once a mount */
	talk_end(t);
}

/* A gateway whose data connections live at another address: listens there only. */
static void listens_at(struct session *c, const char *host, const char *says)
{
	struct endpoint at;
	uint16_t port;

	peer_expect(c, "PASV");
	if (c->failed || endpoint_parse(host, 0, &at) < 0 ||
	    dial_listen(&at, 0, 0, &c->listener) < 0 ||
	    endpoint_local(c->listener, &at) < 0) {
		peer_fail(c, "cannot listen at %s", host);
		return;
	}
	port = endpoint_port(&at);
	peer_say(c, "227 Entering Passive Mode (%s,%u,%u)", says, port >> 8, port & 255);
	sends(c);
}

SCRIPT(peer_login, lives_elsewhere)
{
	listens_at(c, "127.0.0.2", "127,0,0,2");
}

static void test_pasv_addr_reply(void **state)
{
	struct talk *t = *state;

	serve(t, lives_elsewhere, NULL);
	t->server.pasv_addr = "reply";
	(void)talk_login(t);
	talk_download_ok(t);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "EPSV"), 0);
}

SCRIPT(peer_login, does_not_say_where)
{
	listens_at(c, "127.0.0.2", "10,0,0,5");
}

static void test_pasv_addr_literal(void **state)
{
	struct talk *t = *state;

	serve(t, does_not_say_where, NULL);
	t->server.pasv_addr = "127.0.0.2";
	(void)talk_login(t);
	talk_download_ok(t);
	assert_true(talk_logged(t, "server advertised 10.0.0.5, using 127.0.0.2"));
	talk_end(t);
}

/* A reply without an address: the server's own. */
SCRIPT(peer_login, says_any)
{
	peer_pasv(c, "0,0,0,0");
	sends(c);
}

static void test_pasv_addr_any(void **state)
{
	struct talk *t = *state;

	serve(t, says_any, NULL);
	t->server.pasv_addr = "reply";
	(void)talk_login(t);
	talk_download_ok(t);
	assert_false(talk_logged(t, "server advertised"));
	talk_end(t);
}

/* ---- the firewall's range ---- */

SCRIPT(peer_login, offers_any_port)
{
	struct pollfd p;

	peer_epsv(c);
	peer_answer(c, "NOOP", "200 ok");
	p = (struct pollfd){ .fd = c->listener, .events = POLLIN };
	if (!c->failed && poll(&p, 1, 0) != 0) {
		peer_fail(c, "the client connected to a port outside the range");
	}
}

static void test_outside_range(void **state)
{
	struct talk *t = *state;

	serve(t, offers_any_port, NULL);
	t->server.pasv_ports = (struct port_range){ 7, 8 };
	(void)talk_login(t);
	open_fails(t, -EHOSTUNREACH, "outside pasv_ports=7-8");
	talk_assert_words(t, "offered data port ");
	talk_assert_words(t,
			  "set the server's passive range to 7-8, or open its own range");
	talk_noop_ok(t);
	talk_end(t);
	/* PASV would be offered the same. */
	assert_int_equal(peer_count(t->peer, "PASV"), 0);
}

SCRIPT(peer_login, offers_a_port)
{
	peer_download(c, "RETR /f", TALK_TEXT);
}

static void test_inside_range(void **state)
{
	struct talk *t = *state;

	serve(t, offers_a_port, NULL);
	t->server.pasv_ports = (struct port_range){ 1024, 65535 };
	(void)talk_login(t);
	talk_download_ok(t);
	talk_end(t);
}

/* ---- from where ---- */

static struct port_range our_range; /* set before the script runs */

SCRIPT(peer_login, looks_at_source_port)
{
	for (int i = 0; i < 3; i++) {
		struct endpoint from;

		peer_epsv(c);
		peer_answer(c, "RETR /f", "150 here it comes");
		peer_data_accept(c);
		from = data_peer(c);
		if (!port_range_has(&our_range, endpoint_port(&from))) {
			peer_fail(c, "data from port %u", endpoint_port(&from));
		}
		peer_data_tls(c);
		peer_data_text(c, TALK_TEXT);
		peer_data_end(c, WIRE_NOTIFY);
		peer_say(c, "226 done");
	}
}

/* Of three ports the first is taken: two for three connections. */
static void test_source_ports(void **state)
{
	struct talk *t = *state;
	uint16_t taken;
	int fd;

	do {
		fd = peer_listen_any(&taken);
	} while (taken > UINT16_MAX - 2 && close(fd) == 0);
	our_range = (struct port_range){ taken, taken + 2 };
	serve(t, looks_at_source_port, NULL);
	t->server.data_source_ports = our_range;
	(void)talk_login(t);
	for (int i = 0; i < 3; i++) {
		talk_download_ok(t);
	}
	close(fd);
	talk_end(t);
}

SCRIPT(peer_login, gets_no_connection)
{
	peer_epsv(c);
	peer_pasv(c, "127,0,0,1");
	peer_answer(c, "NOOP", "200 ok");
}

static void test_source_ports_taken(void **state)
{
	struct talk *t = *state;
	char range[64];
	uint16_t taken;
	int fd = peer_listen_any(&taken);

	serve(t, gets_no_connection, NULL);
	t->server.data_source_ports = (struct port_range){ taken, taken };
	(void)talk_login(t);
	snprintf(range, sizeof(range), "no port of data_source_ports=%u-%u is free",
		 taken, taken);
	open_fails(t, -EADDRINUSE, range);
	talk_noop_ok(t);
	close(fd);
	talk_end(t);
}

SCRIPT(peer_login, looks_at_source_address)
{
	struct endpoint from, wanted;

	peer_epsv(c);
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_accept(c);
	from = data_peer(c);
	if (!c->failed && (endpoint_parse("127.0.0.3", 0, &wanted) < 0 ||
			   !endpoint_same_host(&from, &wanted))) {
		peer_fail(c, "data from another address than the control connection's");
	}
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static void test_bind(void **state)
{
	struct talk *t = *state;

	serve(t, looks_at_source_address, NULL);
	t->server.bind = "127.0.0.3";
	(void)talk_login(t);
	talk_download_ok(t);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_silent_epsv),
		TALK(test_silent_epsv_patience),
		TALK(test_silent_after_success),
		TALK(test_mangled_epsv),
		TALK(test_both_mangled),
		TALK(test_epsv_only),
		TALK(test_shapes),
		TALK(test_advertised_address),
		TALK(test_pasv_addr_reply),
		TALK(test_pasv_addr_literal),
		TALK(test_pasv_addr_any),
		TALK(test_outside_range),
		TALK(test_inside_range),
		TALK(test_source_ports),
		TALK(test_source_ports_taken),
		TALK(test_bind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
