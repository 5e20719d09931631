/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/charset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *set, const char *bytes, const char *text)
{
	_cleanup_(charset_freep) struct charset *cs = NULL;
	_cleanup_free_ char *local = NULL, *back = NULL;

	assert_int_equal(charset_new(set, &cs), 0);
	assert_int_equal(charset_decode(cs, bytes, &local), 0);
	assert_string_equal(local, text);
	assert_int_equal(charset_encode(cs, local, &back), 0);
	assert_string_equal(back, bytes);
}

static void test_names(void **state)
{
	(void)state;
	check("ISO-8859-1",
	      "gr\xfc\xdf"
	      "e.txt",
	      "gr\xc3\xbc\xc3\x9f"
	      "e.txt");
	check("CP1252", "\x80 100", "\xe2\x82\xac 100");
	check("KOI8-R", "\xcd\xc9\xd2", "\xd0\xbc\xd0\xb8\xd1\x80");
	check("GBK", "\xd6\xd0\xce\xc4 a", "\xe4\xb8\xad\xe6\x96\x87 a");
	/* the second byte is a backslash in ASCII */
	check("CP932", "\x95\x5c", "\xe8\xa1\xa8");
	check("BIG5", "\xa5\x5c", "\xe5\x8a\x9f");
	check("EUC-KR", "\xc7\xd1", "\xed\x95\x9c");
	/* four bytes with figures in them */
	check("GB18030", "\x81\x30\x81\x30", "\xc2\x80");
	check(NULL, "\xff\xfe x", "\xff\xfe x");
	check("utf8", "\xff\xfe x", "\xff\xfe x");
	check("ISO-8859-1", "", "");
}

/* Bytes that are no character, or one that would be written otherwise, keep their place. */
static void test_unconvertible(void **state)
{
	(void)state;
	check("ASCII", "a\xe4z", "a\xee\xbf\xa4z");
	check("ASCII", "\x80\xbf\xc0\xff",
	      "\xee\xbe\x80\xee\xbe\xbf\xee\xbf\x80\xee\xbf\xbf");
	/* a lead byte alone, and before something that cannot follow it */
	check("GBK", "\xd6", "\xee\xbf\x96");
	check("GBK", "\xd6 x", "\xee\xbf\x96 x");
	check("CP932", "\x81/", "\xee\xbe\x81/");
	/* two codes for one character: only one of them is the one that is sent */
	check("CP932", "\x81\xe0", "\xe2\x89\x92");
	check("CP932", "\x87\x90", "\xee\xbe\x87\xee\xbe\x90");
	/* the private characters themselves, where a set has them: U+EF84 */
	check("GB18030", "\x83\x38\x8a\x33",
	      "\xee\xbe\x83"
	      "8\xee\xbe\x8a"
	      "3");
}

/* Every string of two bytes leads back to itself. */
static void test_round_trip(void **state)
{
	size_t n;
	const char *const *names = charset_names(&n);
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(charset_freep) struct charset *cs = NULL;
		int r = charset_new(names[i], &cs);

		print_message("%s: %d\n", names[i], r);
		assert_true(r == 0 || r == -EOPNOTSUPP);
		refused += r != 0;
		for (unsigned pair = 0x0101; r == 0 && pair < 0x10000; pair++) {
			char bytes[3] = { (char)(pair >> 8), (char)pair, '\0' };
			_cleanup_free_ char *local = NULL, *back = NULL;

			if (!bytes[1] || pair >> 8 < 0x80) {
				continue;
			}
			assert_int_equal(charset_decode(cs, bytes, &local), 0);
			if (strchr(bytes, '/') == NULL && strchr(local, '/')) {
				fail_msg("%04x makes a slash", pair);
			}
			assert_int_equal(charset_encode(cs, local, &back), 0);
			if (strcmp(back, bytes) != 0) {
				fail_msg("%04x", pair);
			}
		}
	}
	assert_int_equal(refused, 0);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		int want;
	} cases[] = {
		{ "no-such-set", -EINVAL },
		{ "", -EINVAL },
		{ "ISO-8859-1//TRANSLIT", -EINVAL },
		{ "UTF-16", -EOPNOTSUPP },
		{ "UTF-7", -EOPNOTSUPP },
		{ "EBCDIC-US", -EOPNOTSUPP },
		{ "IBM037", -EOPNOTSUPP },
		{ "ISO-2022-JP", -EOPNOTSUPP },
	};
	_cleanup_(charset_freep) struct charset *cs = NULL;
	char *out = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].name);
		assert_int_equal(charset_new(cases[i].name, &cs), cases[i].want);
		assert_null(cs);
	}
	/* what the server could not hold */
	assert_int_equal(charset_new("ISO-8859-1", &cs), 0);
	assert_int_equal(charset_encode(cs, "\xe4\xb8\xad", &out), -EILSEQ);
	assert_int_equal(charset_encode(cs, "a\xff", &out), -EILSEQ);
	assert_int_equal(charset_encode(cs, "\xc3", &out), -EILSEQ);
	assert_int_equal(charset_encode(cs, "\xee\xbe", &out), -EILSEQ);
	assert_null(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_unconvertible),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
