/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct endpoint at(const char *text, uint16_t port)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, port, &e), 0);
	return e;
}

static int listen_on(const char *host, struct endpoint *ret)
{
	struct endpoint here = at(host, 0);
	int fd = -1;

	assert_int_equal(dial_listen(&here, 0, 0, &fd), 0);
	assert_int_equal(endpoint_local(fd, ret), 0);
	return fd;
}

static struct endpoint closed_port(const char *host)
{
	struct endpoint e;

	close(listen_on(host, &e));
	return e;
}

/* A listener whose queue is full: the kernel drops further SYNs, as a firewall does. */
struct wall {
	int listener, fds[4];
	struct endpoint at;
};

static void wall_init(struct wall *wall, const char *host)
{
	wall->listener = listen_on(host, &wall->at);
	assert_int_equal(listen(wall->listener, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(wall->fds); i++) {
		wall->fds[i] = -1;
		(void)dial_connect(&wall->at, NULL, NULL, now_ms() + 100, &wall->fds[i]);
	}
}

static void wall_finish(struct wall *wall)
{
	for (size_t i = 0; i < ARRAY_LEN(wall->fds); i++) {
		close_fd(&wall->fds[i]);
	}
	close(wall->listener);
}

static bool has_ipv6(void)
{
	struct endpoint here = at("::1", 0);
	int fd = -1;

	if (dial_listen(&here, 0, 0, &fd) < 0) {
		return false;
	}
	close(fd);
	return true;
}

/* ---- endpoints ---- */

static void test_parse(void **state)
{
	static const char *const bad[] = { "",	       "localhost", "1.2.3.4:21",
					   "[::1]",    "::g",	    "256.1.1.1",
					   "1.2.3.4 ", "1",	    "127.1" };
	static const struct {
		const char *text, *host, *full;
	} good[] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1:21" },
		{ "2001:db8::1", "2001:db8::1", "[2001:db8::1]:21" },
		{ "0.0.0.0", "0.0.0.0", "0.0.0.0:21" },
	};
	struct endpoint e = { .len = 77 };
	char text[ENDPOINT_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		print_message("%s\n", bad[i]);
		assert_int_equal(endpoint_parse(bad[i], 21, &e), -EINVAL);
		assert_int_equal(e.len, 77);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		e = at(good[i].text, 21);
		assert_int_equal(endpoint_port(&e), 21);
		endpoint_format_host(&e, text);
		assert_string_equal(text, good[i].host);
		endpoint_format(&e, text);
		assert_string_equal(text, good[i].full);
	}
}

static void test_same_host(void **state)
{
	struct endpoint a = at("192.0.2.1", 1), b = at("192.0.2.1", 2),
			c = at("192.0.2.2", 1), six = at("2001:db8::1", 1),
			mapped = at("::ffff:192.0.2.1", 9);

	(void)state;
	assert_true(endpoint_same_host(&a, &b));
	assert_false(endpoint_same_host(&a, &c));
	assert_false(endpoint_same_host(&a, &six));
	assert_true(endpoint_same_host(&six, &six));
	assert_true(endpoint_same_host(&a, &mapped));
	assert_true(endpoint_same_host(&mapped, &b));
	assert_false(endpoint_same_host(&mapped, &c));
}

/* ---- ranges ---- */

static void test_range(void **state)
{
	struct endpoint server, taken, local, from = at("127.0.0.1", 0);
	int listener = listen_on("127.0.0.1", &server);
	int other = listen_on("127.0.0.1", &taken);
	uint16_t lo = endpoint_port(&taken);
	int fds[2], r;

	(void)state;
	if (lo == UINT16_MAX) {
		skip();
	}
	/* The first is taken by a listener; the second serves one connection to one place. */
	r = dial_connect_range(&server, &from, lo, lo + 1, NULL, now_ms() + 2000,
			       &fds[0]);
	if (r == -EADDRINUSE || r == -EADDRNOTAVAIL) {
		skip(); /* somebody else has it */
	}
	assert_int_equal(r, 0);
	assert_int_equal(endpoint_local(fds[0], &local), 0);
	assert_int_equal(endpoint_port(&local), lo + 1);
	r = dial_connect_range(&server, &from, lo, lo + 1, NULL, now_ms() + 2000,
			       &fds[1]);
	assert_true(r == -EADDRINUSE || r == -EADDRNOTAVAIL);
	close(fds[0]);
	close(other);
	close(listener);
}

static void test_range_stops_at_refusal(void **state)
{
	struct endpoint gone = closed_port("127.0.0.1"), from = at("127.0.0.1", 0);
	int fd;

	(void)state;
	assert_int_equal(dial_connect_range(&gone, &from, 20000, 60000, NULL,
					    now_ms() + 2000, &fd),
			 -ECONNREFUSED);
}

static void test_accept(void **state)
{
	struct endpoint here, peer;
	int listener = listen_on("127.0.0.1", &here), fd, accepted;

	(void)state;
	assert_int_equal(dial_accept(listener, &accepted, &peer), -EAGAIN);
	assert_int_equal(dial_connect(&here, NULL, NULL, now_ms() + 2000, &fd), 0);
	assert_int_equal(dial_accept(listener, &accepted, &peer), 0);
	here = at("127.0.0.1", 0);
	assert_true(endpoint_same_host(&peer, &here));
	close(accepted);
	close(fd);
	close(listener);
}

/* ---- the race ---- */

static void test_race_refused_first(void **state)
{
	struct endpoint good;
	int listener = listen_on("127.0.0.1", &good), fd;
	struct endpoints to = {
		.n = 3, .v = { closed_port("127.0.0.1"), closed_port("127.0.0.1"), good }
	};
	int64_t begin = now_ms();

	(void)state;
	assert_int_equal(dial_race(&to, NULL, NULL, now_ms() + 5000, &fd), 0);
	/* At once, not step by step. */
	assert_true(now_ms() - begin < RACE_STEP_MS);
	assert_int_equal(endpoint_port(&to.v[0]), endpoint_port(&good));
	assert_int_equal(to.n, 3);
	close(fd);
	close(listener);
}

static void test_race_silent_first(void **state)
{
	struct endpoint good;
	int listener = listen_on("127.0.0.1", &good), fd;
	struct wall wall;
	struct endpoints to;
	int64_t begin;

	(void)state;
	wall_init(&wall, "127.0.0.1");
	to = (struct endpoints){ .n = 2, .v = { wall.at, good } };
	begin = now_ms();
	assert_int_equal(dial_race(&to, NULL, NULL, now_ms() + 5000, &fd), 0);
	assert_in_range(now_ms() - begin, RACE_STEP_MS - 10, 3000);
	assert_int_equal(endpoint_port(&to.v[0]), endpoint_port(&good));
	assert_int_equal(endpoint_port(&to.v[1]), endpoint_port(&wall.at));
	close(fd);
	wall_finish(&wall);
	close(listener);
}

static void test_race_all_fail(void **state)
{
	struct wall wall;
	struct endpoints to;
	uint16_t refused;
	int fd = -7;

	(void)state;
	wall_init(&wall, "127.0.0.1");
	to = (struct endpoints){ .n = 2, .v = { wall.at, closed_port("127.0.0.1") } };
	refused = endpoint_port(&to.v[1]);
	/* A refusal tells more than silence. */
	assert_int_equal(dial_race(&to, NULL, NULL, now_ms() + 800, &fd), -ECONNREFUSED);
	assert_int_equal(endpoint_port(&to.v[0]), refused);
	to = (struct endpoints){ .n = 1, .v = { wall.at } };
	assert_int_equal(dial_race(&to, NULL, NULL, now_ms() + 300, &fd), -ETIMEDOUT);
	assert_int_equal(fd, -7);
	wall_finish(&wall);
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static void test_race_cancelled(void **state)
{
	const struct wait w = { .cancelled = always };
	struct wall wall;
	struct endpoints to;
	int fd;

	(void)state;
	wall_init(&wall, "127.0.0.1");
	to = (struct endpoints){ .n = 1, .v = { wall.at } };
	assert_int_equal(dial_race(&to, NULL, &w, now_ms() + 5000, &fd), -EINTR);
	wall_finish(&wall);
}

/* Four, four, six, six becomes four, six, four, six. */
static void test_race_families(void **state)
{
	struct endpoint good;
	struct endpoints to;
	struct wall wall;
	int listener, fd;
	int64_t begin;

	(void)state;
	if (!has_ipv6()) {
		skip();
	}
	wall_init(&wall, "127.0.0.1");
	listener = listen_on("::1", &good);
	to = (struct endpoints){ .n = 4, .v = { wall.at, wall.at, wall.at, good } };
	begin = now_ms();
	assert_int_equal(dial_race(&to, NULL, NULL, now_ms() + 5000, &fd), 0);
	assert_true(now_ms() - begin < 2 * RACE_STEP_MS);
	assert_int_equal(to.v[0].addr.ss_family, AF_INET6);
	close(fd);
	wall_finish(&wall);
	close(listener);
}

static void test_race_from(void **state)
{
	struct endpoint good, local, from = at("127.0.0.9", 0), six = at("::1", 1);
	int listener = listen_on("127.0.0.1", &good), fd;
	struct endpoints to = { .n = 2, .v = { six, good } };

	(void)state;
	assert_int_equal(dial_race(&to, &from, NULL, now_ms() + 2000, &fd), 0);
	assert_int_equal(endpoint_local(fd, &local), 0);
	assert_true(endpoint_same_host(&local, &from));
	close(fd);
	to = (struct endpoints){ .n = 1, .v = { six } };
	assert_int_equal(dial_race(&to, &from, NULL, now_ms() + 2000, &fd),
			 -EAFNOSUPPORT);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_same_host),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_range_stops_at_refusal),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_race_refused_first),
		cmocka_unit_test(test_race_silent_first),
		cmocka_unit_test(test_race_all_fail),
		cmocka_unit_test(test_race_cancelled),
		cmocka_unit_test(test_race_families),
		cmocka_unit_test(test_race_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
