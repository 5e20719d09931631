/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_passive_good(void **state)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: none given */
		unsigned port;
	} cases[] = {
		{ "229 Entering Extended Passive Mode (|||50123|)", NULL, 50123 },
		{ "229 Entering Extended Passive Mode (|||50123|).", NULL, 50123 },
		{ "229 ok (!!!7!)", NULL, 7 },
		{ "229 ok (~~~65535~)", NULL, 65535 },
		{ "229 ok (111500001)", NULL, 50000 },
		{ "229 ok (6661666)", NULL, 166 },
		{ "229 Extended Passive mode OK |||2121|", NULL, 2121 },
		{ "229 (strange) (|||2121|)", NULL, 2121 },
		{ "227 Entering Extended Passive Mode (|||50123|)", NULL, 50123 },
		{ "227 Entering Passive Mode (127,0,0,1,4,1)", "127.0.0.1", 1025 },
		{ "227 Entering Passive Mode (127,0,0,1,4,1).", "127.0.0.1", 1025 },
		{ "227 Entering Passive Mode. 10,1,2,3,255,255", "10.1.2.3", 65535 },
		{ "227 Entering Passive Mode =10,1,2,3,0,21", "10.1.2.3", 21 },
		{ "227 =10,1,2,3,0,21", "10.1.2.3", 21 },
		{ "227 10,1,2,3,0,21 is it", "10.1.2.3", 21 },
		{ "227 Passive ( 10, 1 ,2,3 , 195,80 )", "10.1.2.3", 50000 },
		{ "227 Passive (0,0,0,0,195,80)", "0.0.0.0", 50000 },
		{ "227 mode 2 (1,2,3,4,5,6)", "1.2.3.4", 1286 },
		{ "229 Entering Passive Mode (10,1,2,3,0,21)", "10.1.2.3", 21 },
		{ "227-hello\n227 Entering Passive Mode (127,0,0,1,4,1)", "127.0.0.1",
		  1025 },
		{ "228 Entering Long Passive Mode |||99|", NULL, 99 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct passive p = { 0 };
		char host[INET_ADDRSTRLEN];

		print_message("%s\n", cases[i].text);
		assert_int_equal(passive_parse(cases[i].text, &p), 0);
		assert_int_equal(p.port, cases[i].port);
		assert_int_equal(p.has_host, cases[i].host != NULL);
		if (cases[i].host) {
			inet_ntop(AF_INET, p.host, host, sizeof(host));
			assert_string_equal(host, cases[i].host);
		}
	}
}

static void test_passive_bad(void **state)
{
	static const char *const cases[] = {
		"",
		"229",
		"229 ",
		"hello (|||50123|)",
		"229 (|||0|)",
		"229 (|||65536|)",
		"229 (|||123456|)",
		"229 (|||-5|)",
		"229 (|||50123)",
		"229 (||50123|)",
		"229 (|||50123!)",
		"229 (|||||)",
		"229 (   50123 )",
		"229 (111501231",
		"227 (127,0,0,1,4)",
		"227 (127,0,0,1,4,",
		"227 (127,0,0,1,4,256)",
		"227 (256,0,0,1,4,1)",
		"227 (127,0,0,1,0,0)",
		"227 (127,0,0,-1,4,1)",
		"227 (1270,0,0,1,4,1)",
		"227 (127.0.0.1.4.1)",
		"227 99999999999999999999",
		"228 Entering Long Passive Mode (4,4,127,0,0,1,2,19,136)",
		"228 (4, 4 , 127,0,0,1,2,19,136)",
	};
	const struct passive untouched = { .port = 77, .has_host = true };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct passive p = untouched;

		print_message("%s\n", cases[i]);
		assert_int_equal(passive_parse(cases[i], &p), -EPROTO);
		assert_int_equal(p.port, 77);
		assert_true(p.has_host);
	}
}

static void test_port_range(void **state)
{
	static const char *const bad[] = {
		"",	 "0", "-",  "5-", "-5",	   "6-5", "65536", "1-65536",
		"1-2-3", "a", " 1", "1 ", "1 - 2", "+1",  "0-5",   "000001",
	};
	struct port_range r = { .lo = 1, .hi = 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(port_range_parse(bad[i], &r), -EINVAL);
		assert_int_equal(r.lo, 1);
		assert_int_equal(r.hi, 2);
	}
	assert_int_equal(port_range_parse("50000-50100", &r), 0);
	assert_int_equal(r.lo, 50000);
	assert_int_equal(r.hi, 50100);
	assert_true(port_range_has(&r, 50000));
	assert_true(port_range_has(&r, 50100));
	assert_false(port_range_has(&r, 49999));
	assert_false(port_range_has(&r, 50101));
	assert_int_equal(port_range_parse("65535", &r), 0);
	assert_int_equal(r.lo, 65535);
	assert_int_equal(r.hi, 65535);
	assert_true(port_range_has(&(struct port_range){ 0 }, 1));
}

static int format(int (*fn)(const struct sockaddr *, struct buf *), const char *host,
		  uint16_t port, struct buf *ret)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	buf_clear(ret);
	if (inet_pton(AF_INET, host, &a4.sin_addr) == 1) {
		return fn((struct sockaddr *)&a4, ret);
	}
	assert_int_equal(inet_pton(AF_INET6, host, &a6.sin6_addr), 1);
	return fn((struct sockaddr *)&a6, ret);
}

static void test_active(void **state)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct sockaddr local = { .sa_family = AF_UNIX };

	(void)state;
	assert_int_equal(format(eprt_format, "10.0.0.1", 5000, &b), 0);
	assert_string_equal(buf_str(&b), "|1|10.0.0.1|5000|");
	assert_int_equal(format(eprt_format, "2001:db8::1", 65535, &b), 0);
	assert_string_equal(buf_str(&b), "|2|2001:db8::1|65535|");
	assert_int_equal(format(eprt_format, "::ffff:10.0.0.1", 1, &b), 0);
	assert_string_equal(buf_str(&b), "|1|10.0.0.1|1|");
	assert_int_equal(format(port_format, "10.0.0.1", 5000, &b), 0);
	assert_string_equal(buf_str(&b), "10,0,0,1,19,136");
	assert_int_equal(format(port_format, "::ffff:255.254.0.1", 65535, &b), 0);
	assert_string_equal(buf_str(&b), "255,254,0,1,255,255");
	assert_int_equal(format(port_format, "2001:db8::1", 5000, &b), -EAFNOSUPPORT);
	assert_int_equal(b.len, 0);
	assert_int_equal(eprt_format(&local, &b), -EAFNOSUPPORT);
	assert_int_equal(port_format(&local, &b), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passive_good),
		cmocka_unit_test(test_passive_bad),
		cmocka_unit_test(test_port_range),
		cmocka_unit_test(test_active),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
