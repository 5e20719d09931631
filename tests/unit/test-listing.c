/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/listing.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_time(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} good[] = {
		{ "19700101000000", 0 },
		{ "20260102030405", 1767323045 },
		{ "20260102030405.123", 1767323045 },
		{ "20260102030405.", 1767323045 },
		{ "19691231235959", -1 },
		{ "19000101000000", -2208988800 },
		{ "20000229120000", 951825600 },
		{ "20240229000000", 1709164800 },
		{ "191000102030405", 946782245 },
		{ "20161231235960", 1483228800 },
		{ "99991231235959", 253402300799 },
	};
	static const char *const bad[] = {
		"",
		"2026",
		"202601020304",
		"2026010203040x",
		"19100000000000",
		"20261302030405",
		"20260002030405",
		"20260100030405",
		"20260132030405",
		"20230229000000",
		"19000229000000",
		"20260102250000",
		"20260102236000",
		"20260102235961",
		" 20260102030405",
		"20260102030405 x",
		"-2026010203040",
		"20260102030405.1x",
		"00000101000000",
		"201000102030405",
		"20260102240001",
	};
	int64_t t = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		print_message("%s\n", bad[i]);
		assert_int_equal(listing_parse_time(bad[i], &t), -EINVAL);
		assert_int_equal(t, 42);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		print_message("%s\n", good[i].text);
		assert_int_equal(listing_parse_time(good[i].text, &t), 0);
		assert_true(t == good[i].want);
	}
}

/* Against the C library, day for day over four centuries. */
static void test_date(void **state)
{
	int64_t got;

	(void)state;
	for (int64_t day = -25567; day < 120000; day++) {
		time_t t = (time_t)(day * 86400);
		struct tm tm;

		gmtime_r(&t, &tm);
		assert_int_equal(listing_date(tm.tm_year + 1900, tm.tm_mon + 1,
					      tm.tm_mday, 0, 0, 0, &got),
				 0);
		assert_true(got == t);
	}
	assert_int_equal(listing_date(2024, 1, 1, 24, 0, 0, &got), 0);
	assert_int_equal(got, 1704153600);
	assert_int_equal(listing_date(2024, 2, 30, 0, 0, 0, &got), -EINVAL);
}

#define SIZE ENTRY_HAS_SIZE
#define MTIME ENTRY_HAS_MTIME
#define MODE ENTRY_HAS_MODE
#define PERM ENTRY_HAS_PERM

static const struct facts_case {
	const char *line;
	struct entry want; /* name NULL: -EINVAL */
} facts_cases[] = {
	{ "type=file;size=3;modify=20260102030405; name",
	  { .name = "name",
	    .kind = ENTRY_FILE,
	    .flags = SIZE | MTIME,
	    .size = 3,
	    .mtime = 1767323045 } },
	{ " Type=FILE;Size=3; /a/b c",
	  { .name = "/a/b c", .kind = ENTRY_FILE, .flags = SIZE, .size = 3 } },
	/* ProFTPD */
	{ "modify=20260102030405;perm=adfrw;size=5;type=file;unique=801U2;UNIX.group="
	  "1000;"
	  "UNIX.groupname=users;UNIX.mode=0644;UNIX.owner=1000;UNIX.ownername=me; a.txt",
	  { .name = "a.txt",
	    .kind = ENTRY_FILE,
	    .flags = SIZE | MTIME | MODE | PERM,
	    .size = 5,
	    .mtime = 1767323045,
	    .mode = 0644,
	    .perm = PERM_BIT('a') | PERM_BIT('d') | PERM_BIT('f') | PERM_BIT('r') |
		    PERM_BIT('w') } },
	{ "size=4096;type=dir;UNIX.mode=01777; d",
	  { .name = "d", .kind = ENTRY_DIR, .flags = MODE, .mode = 01777 } },
	{ "type=cdir;sizd=4096;perm=; .",
	  { .name = ".", .kind = ENTRY_DIR, .flags = PERM } },
	{ "type=pdir; ..", { .name = "..", .kind = ENTRY_DIR } },
	/* pyftpdlib */
	{ "modify=20260102030405;perm=r;size=0;type=file;unix.mode=100600;unique=1; x",
	  { .name = "x",
	    .kind = ENTRY_FILE,
	    .flags = SIZE | MTIME | PERM | MODE,
	    .mode = 0600,
	    .mtime = 1767323045,
	    .perm = PERM_BIT('r') } },
	/* FileZilla Server */
	{ "type=file;size=7;modify=20260102030405.000;perms=awr; f",
	  { .name = "f",
	    .kind = ENTRY_FILE,
	    .flags = SIZE | MTIME | PERM,
	    .size = 7,
	    .mtime = 1767323045,
	    .perm = PERM_BIT('a') | PERM_BIT('w') | PERM_BIT('r') } },
	/* symlinks in their dialects */
	{ "type=OS.unix=symlink; l", { .name = "l", .kind = ENTRY_SYMLINK } },
	{ "type=OS.unix=slink; l", { .name = "l", .kind = ENTRY_SYMLINK } },
	{ "type=OS.unix=slink:; l", { .name = "l", .kind = ENTRY_SYMLINK } },
	{ "type=OS.unix=slink:/t; l",
	  { .name = "l", .kind = ENTRY_SYMLINK, .target = "/t" } },
	{ "type=os.UNIX=SLINK:a b c;size=3; l",
	  { .name = "l",
	    .kind = ENTRY_SYMLINK,
	    .target = "a b c",
	    .flags = SIZE,
	    .size = 3 } },
	{ "type=x.unix=slink:../t; l",
	  { .name = "l", .kind = ENTRY_SYMLINK, .target = "../t" } },
	{ "type=OS.unix=fifo; p", { .name = "p", .kind = ENTRY_OTHER } },
	{ "type=OS.unix=blkdev-8/0; b", { .name = "b", .kind = ENTRY_OTHER } },
	{ "size=1; untyped",
	  { .name = "untyped", .kind = ENTRY_UNKNOWN, .flags = SIZE, .size = 1 } },
	{ "type=; untyped", { .name = "untyped", .kind = ENTRY_UNKNOWN } },
	/* names that look like facts; blanks */
	{ "type=file; a; b=c; d", { .name = "a; b=c; d", .kind = ENTRY_FILE } },
	{ "type=file;  two", { .name = " two", .kind = ENTRY_FILE } },
	{ "type=file; end ", { .name = "end ", .kind = ENTRY_FILE } },
	{ "type=file;  ", { .name = " ", .kind = ENTRY_FILE } },
	{ "type=file; a -> b", { .name = "a -> b", .kind = ENTRY_FILE } },
	/* NcFTPd: no ';' before the blank; names with "; " in them then */
	{ "type=file;size=3 name",
	  { .name = "name", .kind = ENTRY_FILE, .flags = SIZE, .size = 3 } },
	{ "type=file;size=3 a; b",
	  { .name = "a; b", .kind = ENTRY_FILE, .flags = SIZE, .size = 3 } },
	/* group names with blanks */
	{ "type=file;UNIX.groupname=Domain Users;size=3; f",
	  { .name = "f", .kind = ENTRY_FILE, .flags = SIZE, .size = 3 } },
	{ "type=file;UNIX.ownername=Some One; f", { .name = "f", .kind = ENTRY_FILE } },
	/* facts that make no sense leave the name */
	{ "type=file;size=-1;modify=yesterday;unix.mode=rwx; f",
	  { .name = "f", .kind = ENTRY_FILE } },
	{ "type=file;size=99999999999999999999;foo;;bar=; f",
	  { .name = "f", .kind = ENTRY_FILE } },
	{ "type=file;size=9223372036854775808; f", { .name = "f", .kind = ENTRY_FILE } },
	{ "type=file;size=9223372036854775807; f",
	  { .name = "f", .kind = ENTRY_FILE, .flags = SIZE, .size = INT64_MAX } },
	{ "type=file;modify=20230229000000;size=; f",
	  { .name = "f", .kind = ENTRY_FILE } },
	{ "type=file;unix.mode=77777777; f", { .name = "f", .kind = ENTRY_FILE } },
	/* as a line of the MLST reply */
	{ "250-type=dir; /x", { .name = "/x", .kind = ENTRY_DIR } },
	{ "250 type=dir; /x", { .name = "/x", .kind = ENTRY_DIR } },
	{ "", { 0 } },
	{ " ", { 0 } },
	{ "  ", { 0 } },
	{ " name", { 0 } },
	{ "name", { 0 } },
	{ "foo; name", { 0 } },
	{ "type=file", { 0 } },
	{ "type=file;", { 0 } },
	{ "type=file; ", { 0 } },
	{ "type=file;size=3;", { 0 } },
	{ "-rw-r--r-- 1 u g 5 Jan 1 12:00 name=x; y", { 0 } },
	{ "250 End", { 0 } },
};

static void check_entry(const struct entry *got, const struct entry *want)
{
	assert_string_equal(got->name, want->name);
	if (want->target) {
		assert_non_null(got->target);
		assert_string_equal(got->target, want->target);
	} else {
		assert_null(got->target);
	}
	assert_int_equal(got->kind, want->kind);
	assert_int_equal(got->flags, want->flags);
	assert_true(got->size == want->size);
	assert_true(got->mtime == want->mtime);
	assert_int_equal(got->mode, want->mode);
	assert_int_equal(got->perm, want->perm);
	assert_int_equal(got->nlink, want->nlink);
}

static void test_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(facts_cases); i++) {
		const struct facts_case *c = &facts_cases[i];
		_cleanup_free_ char *line = strdup(c->line);
		struct entry e = { .size = 77 };

		print_message("%s\n", c->line);
		if (!c->want.name) {
			assert_int_equal(listing_parse_facts(line, &e), -EINVAL);
			assert_int_equal(e.size, 77);
			continue;
		}
		assert_int_equal(listing_parse_facts(line, &e), 0);
		check_entry(&e, &c->want);
	}
}

static const char mlsd[] = "type=cdir;modify=20260101000000; .\r\n"
			   "type=pdir; ..\r\n"
			   "type=cdir; /the/directory itself\r\n"
			   "type=cdir; old-proftpd\r\n"
			   "type=file;size=1; a\n"
			   "\r\n"
			   "nonsense\r\n"
			   "type=file; with/slash\r\n"
			   "type=file; with\rcr\r\n"
			   "type=file; cr-at-end\r\r\n"
			   "type=OS.unix=slink:target; link\r\n"
			   "type=file;  blank\r\n"
			   "type=file; .\r\n"
			   "type=dir; last";

static void check_mlsd(const struct listing *l)
{
	static const char *const names[] = { "old-proftpd", "a", "link", " blank",
					     "last" };

	assert_int_equal(l->n, ARRAY_LEN(names));
	assert_int_equal(l->rejected, 4);
	for (size_t i = 0; i < l->n; i++) {
		assert_string_equal(l->entries[i].name, names[i]);
	}
	assert_int_equal(l->entries[0].kind, ENTRY_DIR);
	assert_int_equal(l->entries[1].size, 1);
	assert_string_equal(l->entries[2].target, "target");
}

static void test_feed_in_pieces(void **state)
{
	(void)state;
	for (size_t step = 1; step <= strlen(mlsd); step++) {
		_cleanup_(listing_freep) struct listing *l =
			listing_new(LISTING_FACTS, 0);

		for (size_t at = 0; at < strlen(mlsd); at += step) {
			assert_int_equal(
				listing_feed(l, mlsd + at, MIN(step, strlen(mlsd) - at)),
				0);
		}
		assert_int_equal(listing_end(l), 0);
		check_mlsd(l);
	}
	listing_free(NULL);
}

static void test_feed_edges(void **state)
{
	static const char text[] =
		"\xef\xbb\xbftype=file; a\r\ntype=file; \xef\xbb\xbf\r\n"
		"type=file; nul\0byte\r\n";
	_cleanup_(listing_freep) struct listing *l = listing_new(LISTING_FACTS, 0);
	_cleanup_(listing_freep) struct listing *empty = listing_new(LISTING_LINES, 0);

	(void)state;
	assert_int_equal(listing_feed(l, text, sizeof(text) - 1), 0);
	assert_int_equal(listing_end(l), 0);
	assert_int_equal(l->n, 2);
	assert_string_equal(l->entries[0].name, "a");
	assert_string_equal(l->entries[1].name, "\xef\xbb\xbf");
	assert_int_equal(l->rejected, 1);
	assert_int_equal(listing_feed(empty, "", 0), 0);
	assert_int_equal(listing_end(empty), 0);
	assert_int_equal(empty->n, 0);
	assert_int_equal(empty->rejected, 0);
}

static void test_long_lines(void **state)
{
	_cleanup_(listing_freep) struct listing *l = listing_new(LISTING_FACTS, 0);
	char block[1000];

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_int_equal(listing_feed(l, "type=file; ", 11), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(listing_feed(l, block, sizeof(block)), 0);
	}
	assert_true(l->line_cap <= 2 * LISTING_LINE_MAX);
	assert_int_equal(listing_feed(l, "\r\ntype=file; a\r\n", 16), 0);
	assert_int_equal(l->rejected, 1);
	/* longer than any name can be shown, though the line is not too long */
	assert_int_equal(listing_feed(l, "type=file; ", 11), 0);
	assert_int_equal(listing_feed(l, block, sizeof(block)), 0);
	assert_int_equal(listing_feed(l, block, 25), 0);
	assert_int_equal(listing_feed(l, "\r\ntype=file; ", 13), 0);
	assert_int_equal(listing_feed(l, block, sizeof(block)), 0);
	assert_int_equal(listing_feed(l, block, 24), 0);
	assert_int_equal(listing_end(l), 0);
	assert_int_equal(l->rejected, 2);
	assert_int_equal(l->n, 2);
	assert_string_equal(l->entries[0].name, "a");
	assert_int_equal(strlen(l->entries[1].name), LISTING_NAME_MAX);
}

static void test_lines_dialects_mix(void **state)
{
	static const char text[] = "total 12\r\n"
				   "drwxr-xr-x 2 u g 4096 Jan  1 2024 .\r\n"
				   "-rw-r--r-- 1 u g 5 Jan  1 2024 unix\r\n"
				   "01-02-24  03:04PM       <DIR>          dos\r\n"
				   "+r,s5,\teplf\r\n"
				   "-rw-r--r-- 1 u g 5 Jan  1 2024 cr\rmiddle\r\n"
				   "-rw-r--r-- 1 u g 5 Jan  1 2024 sla/sh\r\n"
				   "rubbish\r\n";
	_cleanup_(listing_freep) struct listing *l =
		listing_new(LISTING_LINES, 1770000000);

	(void)state;
	assert_int_equal(listing_feed(l, text, strlen(text)), 0);
	assert_int_equal(listing_end(l), 0);
	/* A line in another dialect than the rest is a name read wrongly. */
	assert_int_equal(l->n, 1);
	assert_int_equal(l->rejected, 5);
	assert_int_equal(l->dialect, DIALECT_UNIX);
	assert_true(l->dots);
	assert_string_equal(l->entries[0].name, "unix");
}

static void check_many(enum listing_format format, const char *line)
{
	enum { COUNT = 100000 };
	_cleanup_(listing_freep) struct listing *l = listing_new(format, 1770000000);
	_cleanup_buf_ struct buf b = { .limit = 64 * 1024 * 1024 };
	struct timespec before, after;
	long ms;

	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(
			buf_printf(&b, "%s some-file-name-%06d.dat\r\n", line, i), 0);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	for (size_t at = 0; at < b.len; at += 16384) {
		assert_int_equal(
			listing_feed(l, b.data + at, MIN((size_t)16384, b.len - at)), 0);
	}
	assert_int_equal(listing_end(l), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	ms = (after.tv_sec - before.tv_sec) * 1000 +
	     (after.tv_nsec - before.tv_nsec) / 1000000;
	print_message("%d entries in %ld ms of CPU\n", COUNT, ms);
	assert_int_equal(l->n, COUNT);
	assert_int_equal(l->rejected, 0);
	assert_int_equal(l->cap, COUNT);
	assert_string_equal(l->entries[0].name, "some-file-name-000000.dat");
	assert_string_equal(l->entries[COUNT - 1].name, "some-file-name-099999.dat");
	assert_true(ms < 2000); /* 30 ms is usual; sanitizers and valgrind need more */
}

static void test_many(void **state)
{
	(void)state;
	check_many(LISTING_FACTS,
		   "modify=20260102030405;perm=adfrw;size=5;type=file;unique=801U2;"
		   "UNIX.group=1000;UNIX.groupname=users;UNIX.mode=0644;"
		   "UNIX.owner=1000;UNIX.ownername=me;");
	check_many(LISTING_LINES,
		   "-rw-r--r--    1 1000     users        123456 Jan 01 12:00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_feed_in_pieces),
		cmocka_unit_test(test_feed_edges),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_lines_dialects_mix),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
