/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole LISTs, as kinds of servers write them: which dialect it is, where names begin, and
 * what becomes of months in other languages. */
#include "net/listing_token.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1710504000 }; /* 2024-03-15 12:00:00 UTC */
#define JAN1_2024 1704067200

static struct listing *feed(const char *text, enum dialect known)
{
	struct listing *l = listing_new(LISTING_LINES, NOW);

	assert_non_null(l);
	l->dialect = known;
	assert_int_equal(listing_feed(l, text, strlen(text)), 0);
	assert_int_equal(listing_end(l), 0);
	return l;
}

/* names: what must come out, separated by '|'. */
static void check(const char *text, enum dialect known, enum dialect dialect,
		  unsigned rejected, const char *names)
{
	_cleanup_(listing_freep) struct listing *l = feed(text, known);
	char got[1024] = "";

	for (size_t i = 0; i < l->n; i++) {
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s",
			 i ? "|" : "", l->entries[i].name);
	}
	assert_string_equal(got, names);
	assert_int_equal(l->dialect, dialect);
	assert_int_equal(l->rejected, rejected);
}

static const struct sample {
	const char *text;
	enum dialect dialect;
	const char *names;
} samples[] = {
	/* NetWare */
	{ "total 0\r\n"
	  "d [RWCEAFMS] Admin                          512 Jan 16 18:53 login\r\n"
	  "- [RWCEAFMS] Admin                       214059 Oct 20 2023 cx.exe\r\n"
	  "d[RWCEMFA] Admin 512 Oct 1 2023 glued\r\n",
	  DIALECT_UNIX, "login|cx.exe|glued" },
	/* the unix side of z/OS, with an external link */
	{ "total 64\r\n"
	  "drwxr-xr-x   4 OMVSKERN SYS1        8192 Jan 29 09:11 bin\r\n"
	  "-rw-------   1 IBMUSER  SYS1         211 Feb 27 2023 .sh_history\r\n"
	  "erwxrwxrwx   1 OMVSKERN SYS1          14 Jan 29 09:11 lib -> CEE.SCEERUN\r\n",
	  DIALECT_UNIX, "bin|.sh_history|lib -> CEE.SCEERUN" },
	/* QNAP: a group with blanks, ACL marks */
	{ "drwxrwx---+  5 admin    administrators  4096 Mar 14 2023 Public\r\n"
	  "drwxrwx---+  5 admin    Domain Users    4096 Mar 14 2023 Team Share\r\n"
	  "-rw-rw-rw-@  1 guest    everyone          12 Mar 14 2023 @Recycle\r\n",
	  DIALECT_UNIX, "Public|Team Share|@Recycle" },
	/* cameras: no owners, or nothing but a size */
	{ "drwxrwxrwx 1 0 0 0 Jan 01 2024 20240101\r\n"
	  "-rwxrwxrwx 1 user 123456 2024/01/02 03:04 A01.jpg\r\n"
	  "-rw-rw-rw- 123456 2024-01-02 03:04 B.mp4\r\n",
	  DIALECT_UNIX, "20240101|A01.jpg|B.mp4" },
	/* IIS in both of its date formats, the other clocks of Windows, a German one */
	{ "01-02-24  03:04PM       <DIR>          aspnet_client\r\n"
	  "01-02-2024  03:04PM                  689 iisstart.htm\r\n"
	  "01-02-24  03:04p                     689 short\r\n"
	  "02.01.2024  15:04                    689 Akte 1.txt\r\n"
	  "01-02-24  03:04PM       <SYMLINKD>     web [D:\\web]\r\n",
	  DIALECT_DOS, "aspnet_client|iisstart.htm|short|Akte 1.txt|web" },
	{ "+i8388621.48594,m825718503,r,s280,\tdjb.html\r\n"
	  "+i8388621.50690,m824255907,/,\t514\r\n",
	  DIALECT_EPLF, "djb.html|514" },
	/* "total" in other languages is no entry */
	{ "insgesamt 12\r\n-rw-r--r-- 1 u g 5 Mai  1 2023 a\r\n", DIALECT_UNIX, "a" },
	{ "\xe5\x90\x88\xe8\xa8\x88 8\r\n-rw-r--r-- 1 u g 5 3\xe6\x9c\x88  1 2023 a\r\n",
	  DIALECT_UNIX, "a" },
};

static void test_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		check(samples[i].text, DIALECT_NONE, samples[i].dialect, 0,
		      samples[i].names);
	}
}

#define UNIX1 "-rw-r--r-- 1 u g 5 Jan  1 2024 "
#define DOS1 "01-02-24  03:04PM                12345 "

static void test_votes(void **state)
{
	(void)state;
	check(UNIX1 "a\n" UNIX1 "b\n" DOS1 "c\n", DIALECT_NONE, DIALECT_UNIX, 1, "a|b");
	check(UNIX1 "a\n" DOS1 "b\n" DOS1 "c\n", DIALECT_NONE, DIALECT_DOS, 1, "b|c");
	/* what the host is known for wins against any number */
	check(UNIX1 "a\n" DOS1 "b\n" DOS1 "c\n", DIALECT_UNIX, DIALECT_UNIX, 2, "a");
	/* but an administrator may have changed it */
	check(DOS1 "b\n" DOS1 "c\n", DIALECT_UNIX, DIALECT_DOS, 0, "b|c");
	check("", DIALECT_DOS, DIALECT_DOS, 0, "");
	check("", DIALECT_NONE, DIALECT_NONE, 0, "");
	check("rubbish here\n", DIALECT_NONE, DIALECT_NONE, 1, "");
	/* a name with a line end in it cannot speak for another dialect */
	check(UNIX1 "x\n+r,s5,\t../etc/passwd\n" UNIX1 "y\n", DIALECT_NONE, DIALECT_UNIX,
	      1, "x|y");
}

#define PADDED UNIX1 "  "

static void test_blanks(void **state)
{
	_cleanup_(listing_freep) struct listing *l = feed(UNIX1 "a\n", DIALECT_NONE);

	(void)state;
	assert_true(l->unpadded);
	/* names' own */
	check(UNIX1 " a\n" UNIX1 "b \n" UNIX1 " \n" UNIX1 "   c\n", DIALECT_NONE,
	      DIALECT_UNIX, 0, " a|b | |   c");
	check(UNIX1 " a\n" UNIX1 " b\n", DIALECT_NONE, DIALECT_UNIX, 0, " a| b");
	/* the layout's: all rows alike, those of the dots too */
	check(PADDED ".\n" PADDED "..\n" PADDED "a\n" PADDED "b \n", DIALECT_NONE,
	      DIALECT_UNIX, 0, "a|b ");
	check(PADDED "a\n" PADDED "b\n" PADDED "c\n" PADDED " d\n", DIALECT_NONE,
	      DIALECT_UNIX, 0, "  a|  b|  c|   d");

	/* A host that was seen to write one blank does not begin to pad. */
	listing_free(l);
	l = listing_new(LISTING_LINES, NOW);
	l->unpadded = true;
	for (int i = 0; i < 8; i++) {
		static const char row[] = UNIX1 " a\n";

		assert_int_equal(listing_feed(l, row, strlen(row)), 0);
	}
	assert_int_equal(listing_end(l), 0);
	assert_int_equal(l->n, 8);
	assert_string_equal(l->entries[7].name, " a");
}

static const struct month {
	const char *text;
	int month; /* 0: kept without a time */
} months[] = {
	{ "Jan", 1 },
	{ "janv.", 1 },
	{ "ene", 1 },
	{ "Gen", 1 },
	{ "sty", 1 },
	{ "\xd1\x8f\xd0\xbd\xd0\xb2", 1 },
	{ "1\xe6\x9c\x88", 1 },
	{ "f\xc3\xa9vr.", 2 },
	{ "f\xe9vr.", 2 },
	{ "M\xc3\xa4r", 3 },
	{ "M\xe4r", 3 },
	{ "mrt", 3 },
	{ "\xd0\xbc\xd0\xb0\xd1\x80", 3 },
	{ "Abr", 4 },
	{ "Mai", 5 },
	{ "mag", 5 },
	{ "\xd0\xbc\xd0\xb0\xd1\x8f", 5 },
	{ "juin", 6 },
	{ "giu", 6 },
	{ "juil.", 7 },
	{ "lug", 7 },
	{ "ao\xc3\xbbt", 8 },
	{ "ago", 8 },
	{ "Sept", 9 },
	{ "set", 9 },
	{ "Okt", 10 },
	{ "out", 10 },
	{ "10\xec\x9b\x94", 10 },
	{ "nov.", 11 },
	{ "Dez", 12 },
	{ "d\xc3\xa9"
	  "c.",
	  12 },
	{ "dic", 12 },
	{ "12\xe6\x9c\x88", 12 },
	/* means two months, or none */
	{ "lis", 0 },
	{ "srp", 0 },
	{ "lip", 0 },
	{ "jui", 0 },
	{ "13\xe6\x9c\x88", 0 },
	{ "Foo", 0 },
	{ "\xce\x99\xce\xb1\xce\xbd", 0 },
};

static void test_months(void **state)
{
	static const char *const forms[] = { "-rw-r--r-- 1 u g 5 %s  1 2023 a b\n",
					     "-rw-r--r-- 1 u g 5 1 %s 2023 a b\n",
					     "-rw-r--r-- 1 u 5 %s 1. 2023 a b\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(months) * ARRAY_LEN(forms); i++) {
		const struct month *m = &months[i / ARRAY_LEN(forms)];
		_cleanup_(listing_freep) struct listing *l = NULL;
		int64_t want = 0;
		char line[128];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(line, sizeof(line), forms[i % ARRAY_LEN(forms)], m->text);
#pragma GCC diagnostic pop
		print_message("%s", line);
		l = feed(line, DIALECT_NONE);
		assert_int_equal(l->n, 1);
		assert_string_equal(l->entries[0].name, "a b");
		assert_int_equal(l->entries[0].size, 5);
		assert_int_equal(l->strange, m->month == 0);
		if (m->month) {
			assert_int_equal(listing_date(2023, m->month, 1, 0, 0, 0, &want),
					 0);
		}
		assert_true(l->entries[0].mtime == want);
		assert_int_equal(!(l->entries[0].flags & ENTRY_HAS_MTIME), m->month == 0);
	}
	assert_int_equal(month_find("", 0), 0);
	assert_int_equal(month_find(".", 1), 0);
	assert_int_equal(month_find("jan feb", 7), 0);
}

/* A word where a month could stand, and none does. */
static void test_no_month(void **state)
{
	(void)state;
	check("-rw-r--r-- 1 ftp 12 2024 Jan  1 12:00 f\n", DIALECT_NONE, DIALECT_UNIX, 0,
	      "f");
	check("-rw-r--r-- u g x Foo 1 2024 f\n", DIALECT_NONE, DIALECT_NONE, 1, "");
	check("-rw-r--r-- 1 u g 5 Foo 32 2024 f\n", DIALECT_NONE, DIALECT_NONE, 1, "");
	check("-rw-r--r-- 1 u g 5 Foo- 3 2024 f\n", DIALECT_NONE, DIALECT_NONE, 1, "");
	check("-rw-r--r-- 1 u g 5 Foo 3 24:0 f\n", DIALECT_NONE, DIALECT_NONE, 1, "");
}

/* What a server can put behind a name. */
static void test_injection(void **state)
{
	(void)state;
	check(UNIX1 "a/b\n" UNIX1 "../x\n" UNIX1 "c\rd\n" UNIX1 "e\n" UNIX1 "..\n",
	      DIALECT_NONE, DIALECT_UNIX, 3, "e");
	check(DOS1 "a/b\n" DOS1 "c\n", DIALECT_NONE, DIALECT_DOS, 1, "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),	 cmocka_unit_test(test_votes),
		cmocka_unit_test(test_blanks),	 cmocka_unit_test(test_months),
		cmocka_unit_test(test_no_month), cmocka_unit_test(test_injection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
