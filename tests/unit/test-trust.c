/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The syntax of pins. */
#include "tls/private.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define EMPTY \
	"sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" /* SHA-256 of nothing */
#define ZEROS "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static int load(const char *text, struct trust *t, struct words *words)
{
	memset(t, 0, sizeof(*t));
	memset(words, 0, sizeof(*words));
	return pin_load(t, text, words);
}

static void test_good(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		bool empty, zeros;
	} cases[] = {
		{ EMPTY, 1, true, false },	    { ZEROS, 1, false, true },
		{ EMPTY ";" ZEROS, 2, true, true }, { ZEROS ";" ZEROS, 2, false, true },
		{ ";;" EMPTY ";", 1, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct words words;
		struct trust t;

		assert_int_equal(load(cases[i].text, &t, &words), 0);
		assert_int_equal(t.n_pins, cases[i].n);
		assert_int_equal(pin_known(&t, EMPTY), cases[i].empty);
		assert_int_equal(pin_known(&t, ZEROS), cases[i].zeros);
		assert_false(pin_known(&t, "sha256:"));
		free(t.pins);
	}
}

static void test_bad(void **state)
{
	/* The piece that is to be named stands behind the text. */
	static const char *const cases[][2] = {
		{ "x", "\"x\"" },
		{ "sha256:", "\"sha256:\"" },
		{ "sha256:short", "sha256:short" },
		{ EMPTY ";sha256:short;" ZEROS, "\"sha256:short\"" },
		{ "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "SHA256:47" },
		{ "sha512:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "sha512:47" },
		/* 33 bytes, 31 bytes, no =, a blank, bits behind the end, another alphabet */
		{ "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAA\"" },
		{ "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "AA==\"" },
		{ "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "SuFU\"" },
		{ "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF =", "SuF =\"" },
		{ "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", "SuFV=\"" },
		{ "sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", "Sa-_TI" },
		{ "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=," EMPTY, "uFU=," },
		{ "", "no pin" },
		{ ";;", "no pin" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct words words;
		struct trust t;

		if (load(cases[i][0], &t, &words) != -EINVAL) {
			fail_msg("taken: %s", cases[i][0]);
		}
		if (!strstr(words.text, cases[i][1])) {
			fail_msg("%s: \"%s\" not said: %s", cases[i][0], cases[i][1],
				 words.text);
		}
		free(t.pins);
	}
}

static void test_many(void **state)
{
	char text[66 * PIN_TEXT] = "";
	struct words words;
	struct trust t;
	int n = 0;

	(void)state;
	while (n < 64) {
		strcat(text, n++ ? ";" ZEROS : EMPTY);
	}
	assert_int_equal(load(text, &t, &words), 0);
	assert_int_equal(t.n_pins, 64);
	free(t.pins);
	strcat(text, ";" ZEROS);
	assert_int_equal(load(text, &t, &words), -EINVAL);
	free(t.pins);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
