/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_command(void **state)
{
	_cleanup_buf_ struct buf b = { 0 };

	(void)state;
	assert_int_equal(path_command(&b, NULL, "NOOP", NULL), 0);
	assert_int_equal(path_command(&b, NULL, "RETR", "/a b/\xff\xf4x\xff"), 0);
	assert_int_equal(path_command(&b, NULL, "PASS", ""), 0);
	assert_string_equal(buf_str(&b),
			    "NOOP\r\nRETR /a b/\xff\xff\xf4x\xff\xff\r\nPASS \r\n");
}

/* The one place where a name could become a command. */
static void test_command_refuses_line_ends(void **state)
{
	static const char *const bad[] = { "x\r\nDELE y", "x\n", "\r", "\n", "a\rb" };
	_cleanup_buf_ struct buf b = { 0 };

	(void)state;
	assert_int_equal(path_command(&b, NULL, "CWD", "/"), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(path_command(&b, NULL, "RETR", bad[i]), -EINVAL);
		assert_int_equal(path_command(&b, NULL, bad[i], "x"), -EINVAL);
	}
	assert_int_equal(path_command(&b, NULL, "", "x"), -EINVAL);
	assert_string_equal(buf_str(&b), "CWD /\r\n");
}

static void test_command_limit(void **state)
{
	_cleanup_buf_ struct buf b = { 0 };
	char name[PATH_COMMAND_MAX];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[PATH_COMMAND_MAX - 7] = '\0'; /* "RETR " and CR LF */
	assert_int_equal(path_command(&b, NULL, "RETR", name), 0);
	assert_int_equal(b.len, PATH_COMMAND_MAX);
	buf_clear(&b);
	name[0] = '\xff';
	assert_int_equal(path_command(&b, NULL, "RETR", name), -ENAMETOOLONG);
	assert_int_equal(b.len, 0);
	b.limit = 10;
	assert_int_equal(path_command(&b, NULL, "RETR", "12345"), -EMSGSIZE);
	assert_int_equal(b.len, 0);
}

static void test_name_check(void **state)
{
	(void)state;
	assert_int_equal(path_name_check("a", 1), 0);
	assert_int_equal(path_name_check("...", 3), 0);
	assert_int_equal(path_name_check("..a", 3), 0);
	assert_int_equal(path_name_check(" ", 1), 0);
	assert_int_equal(path_name_check("a\\b;\"*\xff", 7), 0);
	assert_int_equal(path_name_check("", 0), -EINVAL);
	assert_int_equal(path_name_check(".", 1), -EINVAL);
	assert_int_equal(path_name_check("..", 2), -EINVAL);
	assert_int_equal(path_name_check("a/b", 3), -EINVAL);
	assert_int_equal(path_name_check("/", 1), -EINVAL);
	assert_int_equal(path_name_check("a\r", 2), -EINVAL);
	assert_int_equal(path_name_check("a\nb", 3), -EINVAL);
	assert_int_equal(path_name_check("a\0b", 3), -EINVAL);
}

static void check_eq(char *got, const char *want)
{
	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

static void test_join_and_parent(void **state)
{
	(void)state;
	check_eq(path_join("/", "x"), "/x");
	check_eq(path_join("/a", "x"), "/a/x");
	check_eq(path_join("/a/", "x"), "/a/x");
	check_eq(path_join("", "x"), "x");
	check_eq(path_join("a b", " x "), "a b/ x ");
	check_eq(path_parent("/a/b"), "/a");
	check_eq(path_parent("/a"), "/");
	check_eq(path_parent("/"), "/");
	check_eq(path_parent("a"), "");
	check_eq(path_parent("a/b/c"), "a/b");
}

static void test_clean(void **state)
{
	static const char *const cases[][2] = {
		{ "/", "/" },
		{ "//", "/" },
		{ "", "" },
		{ ".", "" },
		{ "./", "" },
		{ "/.", "/" },
		{ "/a//b/", "/a/b" },
		{ "/a/./b", "/a/b" },
		{ "/a/../b", "/b" },
		{ "/a/b/..", "/a" },
		{ "/..", "/" },
		{ "/../../a", "/a" },
		{ "/a/../../..", "/" },
		{ "a", "a" },
		{ "a/", "a" },
		{ "./a/.//b", "a/b" },
		{ "a/..", "" },
		{ "a/../b", "b" },
		{ "..", ".." },
		{ "../..", "../.." },
		{ "../a/..", ".." },
		{ "../../a/b/..", "../../a" },
		{ "a/../../b", "../b" },
		{ "...", "..." },
		{ "/..a/.b", "/..a/.b" },
		{ "/ a / ", "/ a / " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_eq(path_clean(cases[i][0]), cases[i][1]);
	}
}

static void test_contain(void **state)
{
	static const struct {
		const char *base, *target, *dir;
		const char *shown; /* NULL: refused */
	} rows[] = {
		{ "/", "a", "/", "a" },
		{ "/", "", "/x/y/z", NULL },
		{ "/", "./a/", "/", "./a/" },
		{ "/", "../a", "/", NULL },
		{ "/", "../a", "/x", "../a" },
		{ "/", "../../a", "/x", NULL },
		{ "/", "..", "/x", ".." },
		{ "/", "..", "/", NULL },
		{ "/", ".//..//..", "/x/y", ".//..//.." },
		{ "/", ".//..//..", "/x", NULL },
		{ "/", "...", "/", "..." },
		{ "/", "..a", "/", "..a" },
		{ "/", ".", "/", "." },
		/* ".." behind a name might go up from wherever another link led. */
		{ "/", "a/../b", "/", "b" },
		{ "/", "a/..", "/", "." },
		{ "/", "a/../..", "/", NULL },
		{ "/", "a/../..", "/x", ".." },
		{ "/", "../a/../b", "/x", "../b" },
		{ "/", "a/b/../../../c", "/", NULL },
		{ "/", "/a", "/", "a" },
		{ "/", "/a", "/x/y", "../../a" },
		{ "/", "/", "/", "." },
		{ "/", "/", "/x/y", "../.." },
		{ "/", "/x/y/f", "/x/y", "f" },
		{ "/", "/x/f", "/x/y", "../f" },
		{ "/", "/x/yes", "/x/y", "../yes" },
		{ "/", "/x/y", "/x/y", "." },
		{ "/", "/x", "/x/y", ".." },
		{ "/pub", "/pub/x/f", "/pub/x", "f" },
		{ "/", "/../../etc", "/x", "../etc" },
		{ "/pub", "/pub/a/b", "/pub/x", "../a/b" },
		{ "/pub/", "/pub/a", "/pub", "a" },
		{ "/pub", "/pub", "/pub", "." },
		{ "/pub", "/pub//a", "/pub", "a" },
		{ "/pub", "/public", "/pub", NULL },
		{ "/pub", "/etc/passwd", "/pub/x/y/z", NULL },
		{ "/pub", "/pub/../etc", "/pub/x/y/z", NULL },
		{ "/pub", "/pub/a/../../etc", "/pub/x/y/z", NULL },
		{ "/pub", "/x/../pub/a", "/pub", "a" },
	};
	char shown[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = path_contain(rows[i].base, rows[i].dir, rows[i].target, shown);

		if (rows[i].shown) {
			assert_int_equal(r, 0);
			assert_string_equal(shown, rows[i].shown);
		} else {
			assert_int_equal(r, -EPERM);
		}
	}
}

static void test_contain_long(void **state)
{
	char target[PATH_MAX + 8], shown[PATH_MAX];

	(void)state;
	memset(target, 'x', sizeof(target));
	target[PATH_MAX - 1] = '\0';
	assert_int_equal(path_contain("/", "/", target, shown), 0);
	target[PATH_MAX - 1] = 'x';
	target[PATH_MAX] = '\0';
	assert_int_equal(path_contain("/", "/", target, shown), -ENAMETOOLONG);
	target[0] = '/';
	target[PATH_MAX - 1] = '\0';
	assert_int_equal(path_contain("/", "/", target, shown), 0);
	assert_int_equal(path_contain("/", "/y", target, shown), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_command_refuses_line_ends),
		cmocka_unit_test(test_command_limit),
		cmocka_unit_test(test_name_check),
		cmocka_unit_test(test_join_and_parent),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_contain),
		cmocka_unit_test(test_contain_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
