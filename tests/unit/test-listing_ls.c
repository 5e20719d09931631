/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/listing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIZE ENTRY_HAS_SIZE
#define MODE ENTRY_HAS_MODE
#define NLINK ENTRY_HAS_NLINK
#define COARSE (ENTRY_HAS_MTIME | ENTRY_MTIME_COARSE)
#define USUAL (SIZE | MODE | COARSE | NLINK)

enum { NOW = 1710504000 }; /* 2024-03-15 12:00:00 UTC */

struct ls_case {
	const char *line;
	struct entry want; /* name NULL: -EINVAL */
};

static void check_cases(const struct ls_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *line = strdup(cases[i].line);
		const struct entry *want = &cases[i].want;
		struct entry e = { .size = 77 };

		print_message("%s\n", line);
		if (!want->name) {
			assert_int_equal(listing_parse_ls(line, NOW, &e), -EINVAL);
			assert_int_equal(e.size, 77);
			continue;
		}
		assert_int_equal(listing_parse_ls(line, NOW, &e), 0);
		assert_string_equal(e.name, want->name);
		if (want->target) {
			assert_non_null(e.target);
			assert_string_equal(e.target, want->target);
		} else {
			assert_null(e.target);
		}
		assert_int_equal(e.kind, want->kind);
		assert_int_equal(e.flags, want->flags);
		assert_true(e.size == want->size);
		assert_true(e.mtime == want->mtime);
		assert_int_equal(e.mode, want->mode);
		assert_int_equal(e.nlink, want->nlink);
		assert_int_equal(e.perm, 0);
		assert_int_not_equal(e.dialect, DIALECT_NONE);
	}
}

#define FILE644 .kind = ENTRY_FILE, .mode = 0644, .nlink = 1
#define JAN1_2024 1704067200

/* Columns and dates in their variants. */
static const struct ls_case columns[] = {
	{ "-rw-r--r--    1 1000     users           5 Jan 01 12:00 a b",
	  { .name = "a b",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 43200 } },
	{ "-rw-r--r-- 1 u g 5 Jan  1  2020 f",
	  { .name = "f", FILE644, .flags = USUAL, .size = 5, .mtime = 1577836800 } },
	/* in the future: last year's; up to a day ahead: clocks differ */
	{ "-rw-r--r-- 1 u g 5 Mar 16 11:59 f",
	  { .name = "f", FILE644, .flags = USUAL, .size = 5, .mtime = NOW + 86340 } },
	{ "-rw-r--r-- 1 u g 5 Mar 16 12:01 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = NOW + 86460 - 366 * 86400 } },
	{ "-rw-r--r-- 1 u g 5 Dec 31 23:59 f",
	  { .name = "f", FILE644, .flags = USUAL, .size = 5, .mtime = JAN1_2024 - 60 } },
	{ "-rw-r--r-- 1 u g 5 Feb 29 12:00 f",
	  { .name = "f", FILE644, .flags = USUAL, .size = 5, .mtime = 1709208000 } },
	{ "-rw-r--r-- 1 u g 5 Feb 29 2020 f",
	  { .name = "f", FILE644, .flags = USUAL, .size = 5, .mtime = 1582934400 } },
	/* no such day: the name is kept */
	{ "-rw-r--r-- 1 u g 5 Feb 29 2023 f",
	  { .name = "f", FILE644, .flags = SIZE | MODE | NLINK, .size = 5 } },
	{ "-rw-r--r-- 1 u g 5 Jan  1 25:00 f",
	  { .name = "f", FILE644, .flags = SIZE | MODE | NLINK, .size = 5 } },
	{ "-rw-r--r-- 1 u g 5 Jan  1 24:00 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 86400 } },
	{ "-rw-r--r-- 1 u g 5 Jan 1 7:05 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 25500 } },
	{ "-rw-r--r-- 1 u g 5 1 Jan 12:00 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 43200 } },
	{ "-rw-r--r-- 1 u g 5 12 JAN 2024 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 11 * 86400 } },
	{ "-rw-r--r-- 1 u g 5 Jan  1 12:00:05 2024 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 43205 } },
	{ "-rw-r--r-- 1 u g 5 2024-01-01 12:00 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 43200 } },
	{ "-rw-r--r-- 1 u g 5 2024-01-01 12:00:01.123456789 +0100 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 43201 } },
	{ "-rw-r--r-- 1 u g 5 2024-01-01 12:00 +0100 f",
	  { .name = "+0100 f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 + 43200 } },
	/* FileZilla Server */
	{ "-rw-rw-rw- 1 ftp ftp            1234 Jan 01  2024 f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .mode = 0666,
	    .nlink = 1,
	    .flags = USUAL,
	    .size = 1234,
	    .mtime = JAN1_2024 } },
	{ "-rw-rw-rw- 1 ftp ftp            1234 ??? ?? ????? f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .mode = 0666,
	    .nlink = 1,
	    .flags = SIZE | MODE | NLINK,
	    .size = 1234 } },
	/* columns left out */
	{ "-rw-r--r-- 1 u 5 Jan  1 2024 f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .mode = 0644,
	    .flags = SIZE | MODE | COARSE,
	    .size = 5,
	    .mtime = JAN1_2024 } },
	{ "-rw-r--r-- u g 5 Jan  1 2024 f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .mode = 0644,
	    .flags = SIZE | MODE | COARSE,
	    .size = 5,
	    .mtime = JAN1_2024 } },
	{ "-rw-r--r-- u 5 Jan  1 2024 f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .mode = 0644,
	    .flags = SIZE | MODE | COARSE,
	    .size = 5,
	    .mtime = JAN1_2024 } },
	{ "-rw-r--r-- 5 Jan  1 2024 f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .mode = 0644,
	    .flags = SIZE | MODE | COARSE,
	    .size = 5,
	    .mtime = JAN1_2024 } },
	/* and too many */
	{ "-rw-r--r-- 1 Some One Domain Users 5 Jan  1 2024 f",
	  { .name = "f", FILE644, .flags = USUAL, .size = 5, .mtime = JAN1_2024 } },
	{ "-rw-r--r-- 1 jan may 5 Jan  1 2024 Feb 2 2022 f",
	  { .name = "Feb 2 2022 f",
	    FILE644,
	    .flags = USUAL,
	    .size = 5,
	    .mtime = JAN1_2024 } },
	/* group and size grown together */
	{ "-rw-r--r-- 1 u longgroup12345 Jan  1 2024 f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .mode = 0644,
	    .flags = MODE | COARSE,
	    .mtime = JAN1_2024 } },
	{ "-rw-r--r--12 u g 5 Jan  1 2024 f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .mode = 0644,
	    .flags = SIZE | MODE | COARSE,
	    .size = 5,
	    .mtime = JAN1_2024 } },
	{ "-rw-r--r-- 1 u g 123456789012345678 Jan  1 2024 f",
	  { .name = "f",
	    FILE644,
	    .flags = USUAL,
	    .size = 123456789012345678,
	    .mtime = JAN1_2024 } },
	/* NetWare */
	{ "d [RWCEAFMS] Admin                 512 Jan  1 2024 sys",
	  { .name = "sys", .kind = ENTRY_DIR, .flags = COARSE, .mtime = JAN1_2024 } },
	{ "- [RWCEAFMS] Admin                 512 Jan  1 2024 f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .flags = SIZE | COARSE,
	    .size = 512,
	    .mtime = JAN1_2024 } },
};

static void test_unix_columns(void **state)
{
	(void)state;
	check_cases(columns, ARRAY_LEN(columns));
}

#define LINE(mode) mode " 1 u g 5 Jan  1 2024 f"
#define FLAGS644 .name = "f", FILE644, .flags = USUAL, .size = 5, .mtime = JAN1_2024
#define DIRECTORY                                                                   \
	.name = "f", .kind = ENTRY_DIR, .flags = MODE | COARSE | NLINK, .nlink = 1, \
	.mtime = JAN1_2024
#define OTHER                                                                         \
	.name = "f", .kind = ENTRY_OTHER, .flags = MODE | COARSE | NLINK, .nlink = 1, \
	.mtime = JAN1_2024

static const struct ls_case modes[] = {
	{ LINE("-rw-r--r--+"), { FLAGS644 } },
	{ LINE("-rw-r--r--."), { FLAGS644 } },
	{ LINE("-rw-r--r--@"), { FLAGS644 } },
	{ LINE("drwxr-xr-x"), { DIRECTORY, .mode = 0755 } },
	{ LINE("drwxrwxrwt"), { DIRECTORY, .mode = 01777 } },
	{ LINE("drwxrwxrwT"), { DIRECTORY, .mode = 01776 } },
	{ LINE("drwxrwsr-x+"), { DIRECTORY, .mode = 02775 } },
	{ LINE("drwxr-Sr-x"), { DIRECTORY, .mode = 02745 } },
	{ LINE("drwsr-lr-x"), { DIRECTORY, .mode = 06745 } },
	{ LINE("drwSr-xr-x"), { DIRECTORY, .mode = 04655 } },
	{ LINE("d---------"), { DIRECTORY, .mode = 0 } },
	{ LINE("prw-r--r--"), { OTHER, .mode = 0644 } },
	{ LINE("srwxrwxrwx"), { OTHER, .mode = 0777 } },
	{ "brw-rw---- 1 root disk 8, 0 Jan  1 2024 f", { OTHER, .mode = 0660 } },
	{ "crw-rw-rw- 1 root root   1,   3 Jan  1 2024 f", { OTHER, .mode = 0666 } },
	{ "crw-rw-rw- 1 root root 1,3 Jan  1 2024 f", { OTHER, .mode = 0666 } },
	{ LINE("drwxr-xr-"), { 0 } },
	{ LINE("drwxr-xr-y"), { 0 } },
	{ LINE("drwtr-xr-x"), { 0 } },
	{ LINE("xrwxr-xr-x"), { 0 } },
	{ LINE("drwxr-xr-xx"), { 0 } },
	{ LINE("-rw-r--r--+x"), { 0 } },
};

static void test_unix_modes(void **state)
{
	(void)state;
	check_cases(modes, ARRAY_LEN(modes));
}

#define LINK(size) "lrwxrwxrwx 1 u g " size " Jan  1 2024 "
#define SYMLINK                                                          \
	.kind = ENTRY_SYMLINK, .mode = 0777, .nlink = 1, .flags = USUAL, \
	.mtime = JAN1_2024
#define NAMED(n)                                                       \
	{                                                              \
		"-rw-r--r-- 1 u g 5 Jan  1 2024 " n,                   \
		{                                                      \
			.name = n, FILE644, .flags = USUAL, .size = 5, \
			.mtime = JAN1_2024                             \
		}                                                      \
	}

static const struct ls_case names[] = {
	{ LINK("3") "l -> abc", { SYMLINK, .name = "l", .target = "abc", .size = 3 } },
	{ LINK("3") "l -> ../a b",
	  { SYMLINK, .name = "l", .target = "../a b", .size = 3 } },
	{ LINK("1") "a -> b -> c",
	  { SYMLINK, .name = "a -> b", .target = "c", .size = 1 } },
	{ LINK("6") "a -> b -> c",
	  { SYMLINK, .name = "a", .target = "b -> c", .size = 6 } },
	{ LINK("11") "a -> b -> c -> d",
	  { SYMLINK, .name = "a", .target = "b -> c -> d", .size = 11 } },
	/* a size that fits none: the first */
	{ LINK("99") "a -> b -> c",
	  { SYMLINK, .name = "a", .target = "b -> c", .size = 99 } },
	{ LINK("0") "l -> ", { SYMLINK, .name = "l" } },
	{ LINK("1") "l", { SYMLINK, .name = "l", .size = 1 } },
	{ LINK("1") "l ->", { SYMLINK, .name = "l ->", .size = 1 } },
	{ LINK("1") " -> x", { SYMLINK, .name = " -> x", .size = 1 } },
	/* an arrow is just a name elsewhere */
	NAMED("a -> b"),
	/* every blank but the one after the date is the name's */
	NAMED(" x"),
	NAMED("   x  "),
	NAMED(" "),
	NAMED("123"),
	NAMED("a;b=c"),
	NAMED("gr\xc3\xbc\xc3\x9f"
	      "e"),
	NAMED("\xff\xfe"),
	NAMED("."),
	NAMED(".."),
	NAMED("12:00 name"),
	NAMED("a b c d e f g h i j k l m n o p q r s t u v w x y z"),
	{ "-rw-r--r-- 1 u g 5 Jan  1 2024", { 0 } },
	{ "-rw-r--r-- 1 u g 5 Jan  1 2024 ", { 0 } },
};

static void test_unix_names(void **state)
{
	(void)state;
	check_cases(names, ARRAY_LEN(names));
}

#define PM_0304 (JAN1_2024 + 86400 + 15 * 3600 + 240)
#define DOS_DIR .kind = ENTRY_DIR, .flags = COARSE, .mtime = PM_0304
#define DOS_FILE .kind = ENTRY_FILE, .flags = COARSE | SIZE, .size = 12345

static const struct ls_case dos[] = {
	{ "01-02-24  03:04PM       <DIR>          name", { DOS_DIR, .name = "name" } },
	{ "01-02-2024  03:04PM       <DIR>          name", { DOS_DIR, .name = "name" } },
	{ "2024-01-02  03:04PM       <DIR>          name", { DOS_DIR, .name = "name" } },
	{ "01/02/2024  03:04 PM    <DIR>          two words",
	  { DOS_DIR, .name = "two words" } },
	{ "01-02-24  15:04       <DIR>          24 hours",
	  { DOS_DIR, .name = "24 hours" } },
	{ "01-02-24  03:04PM       <DIR>            two", { DOS_DIR, .name = "  two" } },
	{ "01-02-24  03:04PM <DIR> narrow", { DOS_DIR, .name = "narrow" } },
	{ "01-02-24  03:04PM                12345 file.txt",
	  { DOS_FILE, .name = "file.txt", .mtime = PM_0304 } },
	{ "01-02-24  03:04PM                12345  lead",
	  { DOS_FILE, .name = " lead", .mtime = PM_0304 } },
	{ "01-02-24  12:04AM                12345 f",
	  { DOS_FILE, .name = "f", .mtime = JAN1_2024 + 86400 + 240 } },
	{ "01-02-24  12:04PM                12345 f",
	  { DOS_FILE, .name = "f", .mtime = JAN1_2024 + 86400 + 43440 } },
	{ "01-02-70  12:00AM                12345 f",
	  { DOS_FILE, .name = "f", .mtime = 86400 } },
	{ "02-30-24  12:00AM                12345 f",
	  { .kind = ENTRY_FILE, .flags = SIZE, .size = 12345, .name = "f" } },
	{ "01-02-24  03:04PM       <JUNCTION>     j [C:\\some dir]",
	  { DOS_DIR, .name = "j" } },
	{ "01-02-24  03:04PM       <SYMLINKD>     Film [2010] [C:\\Film [2010]]",
	  { DOS_DIR, .name = "Film [2010]" } },
	{ "01-02-24  03:04PM       <SYMLINK>      s [t]",
	  { .kind = ENTRY_FILE, .flags = COARSE, .mtime = PM_0304, .name = "s" } },
	{ "01-02-24  03:04PM       <SYMLINKD>     bare", { DOS_DIR, .name = "bare" } },
	{ "01-02-24  03:04PM       <SYMLINKD>     [x]", { DOS_DIR, .name = "[x]" } },
	{ "01-02-24  03:04PM       <DIR>          d [x]", { DOS_DIR, .name = "d [x]" } },
	{ "01-02-24  03:04PM       <DIR>          ", { 0 } },
	{ "01-02-24  03:04PM       <DIR>", { 0 } },
	{ "01-02-24  03:04PM       <WHAT>          name", { 0 } },
	{ "01-02-24  13:04PM       <DIR>          name", { 0 } },
	{ "01-02-24  0304PM       <DIR>          name", { 0 } },
	{ "01-02  03:04PM       <DIR>          name", { 0 } },
	{ "01-02/24  03:04PM       <DIR>          name", { 0 } },
	{ "01-02-24-25  03:04PM       <DIR>          name", { 0 } },
	{ "01-02-24  03:04PM  12,345 name", { 0 } },
	{ "226 Transfer complete", { 0 } },
	{ "1", { 0 } },
};

static void test_dos(void **state)
{
	(void)state;
	check_cases(dos, ARRAY_LEN(dos));
}

static const struct ls_case eplf[] = {
	{ "+i8388621.48594,m825718503,r,s280,\tdjb.html",
	  { .name = "djb.html",
	    .kind = ENTRY_FILE,
	    .flags = SIZE | ENTRY_HAS_MTIME,
	    .size = 280,
	    .mtime = 825718503 } },
	{ "+i8388621.50690,m824255907,/,\t514",
	  { .name = "514",
	    .kind = ENTRY_DIR,
	    .flags = ENTRY_HAS_MTIME,
	    .mtime = 824255907 } },
	{ "+r,up644,\t a\tb ",
	  { .name = " a\tb ", .kind = ENTRY_FILE, .flags = MODE, .mode = 0644 } },
	{ "+s5,/,\td", { .name = "d", .kind = ENTRY_DIR } },
	{ "+\tx", { .name = "x", .kind = ENTRY_UNKNOWN } },
	{ "+sx,m,up9,,r\tx", { .name = "x", .kind = ENTRY_FILE } },
	{ "+r,\t", { 0 } },
	{ "+r, name", { 0 } },
	{ "+", { 0 } },
};

static void test_eplf(void **state)
{
	(void)state;
	check_cases(eplf, ARRAY_LEN(eplf));
}

static const struct ls_case refused[] = {
	{ "ls: cannot open directory '.': Permission denied", { 0 } },
	{ "-", { 0 } },
	{ "-rw-r--r--", { 0 } },
	{ "-rw-r--r-- 1 u g 5 Jan 32 2024 f", { 0 } },
	{ "-rw-r--r-- 1 u g 5 Jan 0 2024 f", { 0 } },
	{ "-rw-r--r-- 1 u g 5 Jan 1 12 f", { 0 } },
	{ "d [RWCEAFMS", { 0 } },
	{ "X.DIR;1      1   1-JAN-2024 12:00:00  [SYSTEM]  (RWE,RWE,RE,)", { 0 } },
	{ "No files found", { 0 } },
};

static void test_refused(void **state)
{
	static const char *const nothing[] = { "",	  " ",	   "\t  ",    "total 12",
					       "total 0", "total", "Total 5 " };

	(void)state;
	check_cases(refused, ARRAY_LEN(refused));
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
		_cleanup_free_ char *line = strdup(nothing[i]);
		struct entry e = { .size = 77 };

		assert_int_equal(listing_parse_ls(line, NOW, &e), -ENODATA);
		assert_int_equal(e.size, 77);
	}
}

/* In a year without 29 February the file is of the last that had one. */
static void test_leap_day_and_new_year(void **state)
{
	char leap[] = "-rw-r--r-- 1 u g 5 Feb 29 12:00 f";
	char ahead[] = "-rw-r--r-- 1 u g 5 Jan  1 03:00 f";
	struct entry e;

	(void)state;
	assert_int_equal(listing_parse_ls(leap, 1773576000, &e), 0); /* 2026-03-15 */
	assert_int_equal(e.mtime, 1709208000);
	/* 31 December, and the server is hours ahead */
	assert_int_equal(listing_parse_ls(ahead, JAN1_2024 - 3600, &e), 0);
	assert_int_equal(e.mtime, JAN1_2024 + 3 * 3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix_columns),
		cmocka_unit_test(test_unix_modes),
		cmocka_unit_test(test_unix_names),
		cmocka_unit_test(test_dos),
		cmocka_unit_test(test_eplf),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_leap_day_and_new_year),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
