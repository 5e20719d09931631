/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/digest.h"

#include "base/defs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(enum digest_kind kind, const char *text, const char *expected)
{
	char hex[DIGEST_HEX_MAX + 1];
	struct digest *d = NULL;
	size_t half = strlen(text) / 2;

	assert_int_equal(digest_new(kind, &d), 0);
	digest_add(d, text, half);
	digest_hex(d, hex); /* changes nothing */
	digest_add(d, text + half, strlen(text) - half);
	digest_hex(d, hex);
	assert_string_equal(hex, expected);
	assert_int_equal(strlen(hex), digest_hex_len(kind));
	assert_null(digest_free(d));
}

static void test_known(void **state)
{
	(void)state;
	check(DIGEST_SHA256, "hello",
	      "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	check(DIGEST_SHA1, "hello", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
	check(DIGEST_MD5, "hello", "5d41402abc4b2a76b9719d911017c592");
	check(DIGEST_CRC32, "hello", "3610a686");
	check(DIGEST_CRC32, "123456789", "cbf43926");
	check(DIGEST_CRC32, "", "00000000");
	check(DIGEST_SHA256, "",
	      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
