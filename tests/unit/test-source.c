/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sources and URLs, and what is left of a password in argv. */
#include "fs/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "command-line.h"

static struct line used; /* the last command line, after the parse */

static void test_sources(void **state)
{
	static const struct {
		const char *source, *user, *host, *dir;
		unsigned port;
		enum tls_mode tls;
		const char *shown; /* NULL: as given */
	} cases[] = {
		{ "host:", NULL, "host", "", 21, TLS_EXPLICIT, NULL },
		{ "host:dir/sub", NULL, "host", "dir/sub", 21, TLS_EXPLICIT, NULL },
		{ "host:/dir", NULL, "host", "/dir", 21, TLS_EXPLICIT, NULL },
		{ "al@host:/a@b:c", "al", "host", "/a@b:c", 21, TLS_EXPLICIT, NULL },
		{ "al@corp@host:x", "al@corp", "host", "x", 21, TLS_EXPLICIT, NULL },
		{ "[::1]:/x", NULL, "::1", "/x", 21, TLS_EXPLICIT, NULL },
		{ "al@[fe80::1%eth0]:x", "al", "fe80::1%eth0", "x", 21, TLS_EXPLICIT,
		  NULL },
		{ "host:100%25", NULL, "host", "100%25", 21, TLS_EXPLICIT, NULL },
		{ "ftps://host/a/b", NULL, "host", "/a/b", 990, TLS_IMPLICIT, NULL },
		{ "FTPS://host", NULL, "host", "", 990, TLS_IMPLICIT, NULL },
		{ "ftps://host:2121//a", NULL, "host", "/a", 2121, TLS_IMPLICIT, NULL },
		{ "ftpes://host:990/%2Fa", NULL, "host", "/a", 990, TLS_EXPLICIT, NULL },
		{ "ftpes://host/", NULL, "host", "/", 21, TLS_EXPLICIT, NULL },
		{ "ftpes://a%40b@h/x%20y%3f?z", "a@b", "h", "/x y??z", 21, TLS_EXPLICIT,
		  NULL },
		{ "ftpes://al:pw@h:2121/d", "al", "h", "/d", 2121, TLS_EXPLICIT,
		  "ftpes://al@h:2121/d" },
		{ "ftps://[::1]:9990/d", NULL, "::1", "/d", 9990, TLS_IMPLICIT, NULL },
		{ "ftps://[fe80::1%25eth0]/d", NULL, "fe80::1%eth0", "/d", 990,
		  TLS_IMPLICIT, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct options o;
		struct words w;

		if (parse(&o, &w, cases[i].source, "/mnt", NULL) < 0) {
			fail_msg("%s: %s", cases[i].source, w.text);
		}
		assert_string_equal(o.host, cases[i].host);
		assert_string_equal(o.dir, cases[i].dir);
		assert_int_equal(o.port, cases[i].port);
		assert_int_equal(o.tls, cases[i].tls);
		assert_true(!o.user == !cases[i].user);
		if (o.user) {
			assert_string_equal(o.user, cases[i].user);
		}
		assert_string_equal(o.source,
				    cases[i].shown ? cases[i].shown : cases[i].source);
		assert_string_equal(o.mountpoint, "/mnt");
		options_finish(&o);
	}
}

static void test_bad_sources(void **state)
{
	static const struct {
		const char *source, *part;
	} cases[] = {
		{ "host", "not a source" },
		{ "", "not a source" },
		{ ":/x", "names no host" },
		{ "al@:x", "names no host" },
		{ "::1:/x", "in brackets" },
		{ "fe80::1:/x", "in brackets" },
		{ "ho st:x", "not a host name" },
		{ "host:a\nDELE b", "line end" },
		{ "ftp://host/", "ftp:// is not known" },
		{ "sftp://host/", "sftp:// is not known" },
		{ "ftps:///x", "names no host" },
		{ "ftps://host/a%0d%0ab", "line end" },
		{ "ftps://host/a%00b", "line end or NUL" },
		{ "ftps://host/100%", "without two hex digits" },
		{ "ftps://host/100%2", "without two hex digits" },
		{ "ftps://host/%zz", "without two hex digits" },
		{ "ftps://a%0Ab@host/", "line end" },
		{ "ftps://host:0/", "port=0: must be 1 to 65535" },
		{ "ftps://host:65536/", "must be 1 to 65535" },
		{ "ftps://host:ab/", "not a number" },
		{ "ftps://host:/", "not a number" },
		{ "ftps://[::1/", "not a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct options o;
		struct words w;
		int r = parse(&o, &w, cases[i].source, "/mnt", NULL);

		if (r != -EINVAL || !strstr(w.text, cases[i].part)) {
			fail_msg("%s: %d '%s'", cases[i].source, r, w.text);
		}
	}
}

static void test_tls_and_port(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_int_equal(parse(&o, &w, "h:", "/m", "-p", "990", NULL), 0);
	assert_int_equal(o.tls, TLS_IMPLICIT);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m", "-oport=990,tls=explicit", NULL), 0);
	assert_int_equal(o.tls, TLS_EXPLICIT);
	assert_int_equal(o.port, 990);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m", "-o", "tls=implicit", NULL), 0);
	assert_int_equal(o.port, 990);
	options_finish(&o);
	/* -o outranks the URL, wherever it stands */
	assert_int_equal(parse(&o, &w, "-otls=explicit,port=2121,user=eve",
			       "ftps://al@h:3/", "/m", NULL),
			 0);
	assert_int_equal(o.tls, TLS_EXPLICIT);
	assert_int_equal(o.port, 2121);
	assert_string_equal(o.user, "eve");
	options_finish(&o);
}

static void test_password_is_wiped(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_int_equal(parse(&o, &w, "ftpes://al:s%40cr%3Aet@h/d", "/m", NULL), 0);
	assert_string_equal(o.password, "s@cr:et");
	assert_true(o.password_exposed);
	assert_string_equal(used.argv[1], "ftpes://al:xxxxxxxxxxx@h/d");
	assert_string_equal(o.source, "ftpes://al@h/d");
	options_finish(&o);

	assert_int_equal(
		parse(&o, &w, "h:", "/m", "-o", "ro,pass=a\\,b\\\\c=d,nodelete", NULL),
		0);
	assert_string_equal(o.password, "a,b\\c=d");
	assert_true(o.password_exposed && o.ro && o.nodelete);
	assert_string_equal(used.argv[4], "ro,pass=xxxxxxxxx,nodelete");
	options_finish(&o);

	assert_int_equal(parse(&o, &w, "h:", "/m", "-opassword=\\054x", NULL), 0);
	assert_string_equal(o.password, ",x");
	assert_string_equal(used.argv[3], "-opassword=xxxxx");
	options_finish(&o);

	/* also when something else is wrong, and never in the words */
	assert_int_equal(parse(&o, &w, "h:", "/m", "-opassword=hush,nonsense", NULL),
			 -EINVAL);
	assert_string_equal(used.argv[3], "-opassword=xxxx,nonsense");
	assert_null(strstr(w.text, "hush"));
	assert_int_equal(parse(&o, &w, "ftps://al:hu/sh@h/", "/m", NULL), -EINVAL);
	assert_null(strstr(w.text, "hu"));
	assert_int_equal(parse(&o, &w, "h:", "/m", NULL), 0);
	assert_false(o.password_exposed);
	options_finish(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_bad_sources),
		cmocka_unit_test(test_tls_and_port),
		cmocka_unit_test(test_password_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
