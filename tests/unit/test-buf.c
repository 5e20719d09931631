/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_grows(void **state)
{
	_cleanup_buf_ struct buf b = { 0 };
	char want[3000];

	(void)state;
	for (size_t i = 0; i < sizeof(want); i++) {
		want[i] = (char)i;
		assert_int_equal(buf_append(&b, &want[i], 1), 0);
		assert_true(b.len <= b.cap);
	}
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
}

static void test_limit_adds_nothing(void **state)
{
	_cleanup_buf_ struct buf b = { .limit = 10 };

	(void)state;
	assert_int_equal(buf_append(&b, "123456789", 9), 0);
	assert_int_equal(buf_append(&b, "ab", 2), -EMSGSIZE);
	assert_int_equal(buf_printf(&b, "%d", 12), -EMSGSIZE);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -EMSGSIZE);
	assert_string_equal(buf_str(&b), "123456789");
	assert_int_equal(buf_append(&b, "a", 1), 0);
	assert_int_equal(buf_append(&b, "", 0), 0);
	assert_string_equal(buf_str(&b), "123456789a");
	assert_int_equal(b.len, 10);
}

static void test_default_limit(void **state)
{
	_cleanup_buf_ struct buf b = { 0 };

	(void)state;
	assert_int_equal(buf_reserve(&b, BUF_LIMIT_DEFAULT), 0);
	assert_int_equal(buf_reserve(&b, BUF_LIMIT_DEFAULT + 1), -EMSGSIZE);
}

static void test_printf(void **state)
{
	_cleanup_buf_ struct buf b = { 0 };
	char longer[700];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(buf_printf(&b, "%s|%d", "a", 7), 0);
	assert_string_equal(buf_str(&b), "a|7");
	assert_int_equal(buf_printf(&b, "%s", longer), 0);
	assert_int_equal(b.len, 3 + strlen(longer));
	assert_string_equal(buf_str(&b) + 3, longer);
}

static void test_empty_has_a_string(void **state)
{
	_cleanup_buf_ struct buf b = { 0 };

	(void)state;
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.len, 0);
}

static void test_consume_and_clear(void **state)
{
	_cleanup_buf_ struct buf b = { 0 };

	(void)state;
	buf_consume(&b, 3);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_append(&b, "hello", 5), 0);
	buf_consume(&b, 2);
	assert_string_equal(buf_str(&b), "llo");
	buf_consume(&b, 0);
	assert_string_equal(buf_str(&b), "llo");
	buf_consume(&b, 99);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_append(&b, "x", 1), 0);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_true(b.cap > 0);
	buf_release(&b);
	assert_null(b.data);
	buf_release(&b);
	assert_int_equal(buf_append(&b, "again", 5), 0);
	assert_string_equal(buf_str(&b), "again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_limit_adds_nothing),
		cmocka_unit_test(test_default_limit),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_empty_has_a_string),
		cmocka_unit_test(test_consume_and_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
