/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Levels, places and the folding of repeated lines. */
#include "fs/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void read_back(const char *file, char *ret, size_t size)
{
	FILE *f = fopen(file, "r");
	size_t n;

	assert_non_null(f);
	n = fread(ret, 1, size - 1, f);
	ret[n] = '\0';
	fclose(f);
}

static void test_log(void **state)
{
	char file[] = "/tmp/ftpsfs-log-XXXXXX", text[4096], *end;
	struct log l;
	struct words w;
	struct stat st;

	(void)state;
	assert_true(close(mkstemp(file)) == 0);
	unlink(file);
	assert_int_equal(log_open(&l, LOG_TO_FILE, file, LEVEL_INFO, &w), 0);
	hook_printf(log_hook(&l), LEVEL_WARN, "one\ntwo");
	hook_printf(log_hook(&l), LEVEL_DEBUG, "not at this level");
	for (int i = 0; i < 5; i++) {
		hook_printf(log_hook(&l), LEVEL_INFO, "again");
	}
	hook_printf(log_hook(&l), LEVEL_ERROR,
		    "again"); /* another level: not the same line */
	hook_printf(log_hook(&l), LEVEL_ERROR, "again");
	log_close(&l);
	log_close(&l);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	read_back(file, text, sizeof(text));
	assert_non_null(end = strstr(text, " ftpsfs: warning: one?two\n"));
	assert_int_equal(end - text, 24); /* 2026-01-02T03:04:05+0000 */
	assert_non_null(end = strstr(end, " ftpsfs: again\n"));
	assert_non_null(end = strstr(end, "last message repeated 4 times\n"));
	assert_non_null(end = strstr(end, " ftpsfs: error: again\n"));
	assert_non_null(strstr(
		end + 1, " ftpsfs: error: again\n")); /* a single repeat is the line */
	assert_null(strstr(text, "not at this level"));
	unlink(file);
	assert_int_equal(log_open(&l, LOG_TO_FILE, "/nonexistent/log", LEVEL_INFO, &w),
			 -ENOENT);
	assert_non_null(strstr(w.text, "logfile=/nonexistent/log: No such file"));
}

static void test_log_stderr(void **state)
{
	char file[] = "/tmp/ftpsfs-err-XXXXXX", text[256];
	int fd = mkstemp(file), was = dup(STDERR_FILENO);
	struct log l;

	(void)state;
	assert_true(fd >= 0 && was >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	assert_int_equal(log_open(&l, LOG_TO_STDERR, NULL, LEVEL_WARN, NULL), 0);
	hook_printf(log_hook(&l), LEVEL_WARN, "watch out");
	log_close(&l);
	dup2(was, STDERR_FILENO);
	close(was);
	close(fd);
	read_back(file, text, sizeof(text));
	assert_string_equal(text, "ftpsfs: warning: watch out\n");
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
