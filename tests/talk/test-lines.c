/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listings by LIST and STAT: what -a means, directories without a data connection, the zone
 * of times, what is remembered of a host. */
#include "talk.h"

static const char no_mlst[] = "211-Features:\n REST STREAM\n SIZE\n MDTM\n211 End";
static const char no_mdtm[] = "211-Features:\n SIZE\n211 End";

#define ROW "-rw-r--r-- 1 u g 3 Jan  2 2020 "

static struct listing *list_ok(struct remote *r, const char *path, size_t n)
{
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, path, &l), 0);
	assert_int_equal(l->n, n);
	return l;
}

static void list_names(struct remote *r, const char *path, const char *first, size_t n)
{
	struct listing *l = list_ok(r, path, n);

	assert_string_equal(l->entries[0].name, first);
	listing_free(l);
}

/* ---- hidden=auto ---- */

SCRIPT(peer_connected, a_shows_more)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", ROW ".hidden\r\n" ROW "x\r\n");
	peer_download(c, "LIST", ROW "x\r\n");
	peer_answer(c, "CWD /e", "250 there");
	peer_download(c, "LIST -a", ROW "y\r\n");
}

static void test_hidden_compared(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mdtm, a_shows_more, NULL);

	list_names(r, "/d", ".hidden", 2);
	list_names(r, "/e", "y", 1);
	talk_end(t);
}

/* Takes -a for a name: of nothing, of a file, of a directory. */
SCRIPT(peer_connected, a_names_nothing)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", "");
	peer_download(c, "LIST", ROW "x\r\n");
	peer_answer(c, "CWD /e", "250 there");
	peer_download(c, "LIST", ROW "y\r\n");
}

SCRIPT(peer_connected, a_names_a_file)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", ROW "-a\r\n");
	peer_download(c, "LIST", ROW "-a\r\n" ROW "x\r\n");
	peer_answer(c, "CWD /e", "250 there");
	peer_download(c, "LIST", ROW "y\r\n");
}

SCRIPT(peer_connected, a_names_a_directory)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", ROW "inside\r\n");
	peer_download(c, "LIST", "drwxr-xr-x 1 u g 3 Jan  2 2020 -a\r\n");
	peer_answer(c, "CWD /e", "250 there");
	peer_download(c, "LIST", ROW "y\r\n");
}

static void test_hidden_is_a_name(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mdtm, a_names_nothing, NULL);

	list_names(r, "/d", "x", 1);
	list_names(r, "/e", "y", 1);
	talk_end(t);
}

static void test_hidden_is_a_file(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mdtm, a_names_a_file, NULL);

	list_names(r, "/d", "-a", 2);
	list_names(r, "/e", "y", 1);
	talk_end(t);
}

static void test_hidden_is_a_directory(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mdtm, a_names_a_directory, NULL);

	list_names(r, "/d", "-a", 1);
	list_names(r, "/e", "y", 1);
	talk_end(t);
}

/* An empty directory teaches nothing. */
SCRIPT(peer_connected, begins_empty)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", "");
	peer_download(c, "LIST", "");
	peer_answer(c, "CWD /e", "250 there");
	peer_download(c, "LIST -a", "");
	peer_download(c, "LIST", ROW "y\r\n");
	peer_answer(c, "CWD /f", "250 there");
	peer_download(c, "LIST", ROW "z\r\n");
}

static void test_hidden_begins_empty(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mdtm, begins_empty, NULL);

	listing_free(list_ok(r, "/d", 0));
	list_names(r, "/e", "y", 1);
	list_names(r, "/f", "z", 1);
	talk_end(t);
}

SCRIPT(peer_connected, lists_with_a)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", ROW "x\r\n");
}

SCRIPT(peer_connected, lists_without_a)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST", ROW "x\r\n");
}

static void check_hidden(struct talk *t, peer_script *script, enum tristate hidden)
{
	struct remote *r;

	talk_start(t, &(struct peer_config){ .feat = no_mdtm, .scripts = { script } });
	t->server.hidden = hidden;
	r = talk_remote(t);
	list_names(r, "/d", "x", 1);
	talk_end(t);
}

static void test_hidden_yes(void **state)
{
	check_hidden(*state, lists_with_a, TRI_YES);
}

static void test_hidden_no(void **state)
{
	check_hidden(*state, lists_without_a, TRI_NO);
}

/* ---- STAT ---- */

static void check_stat(struct talk *t, peer_script *script, const char *names)
{
	struct listing *l = NULL;
	struct remote *r;
	char got[256] = "";

	talk_start(t, &(struct peer_config){ .feat = no_mdtm, .scripts = { script } });
	t->server.list = LIST_STAT;
	r = talk_remote(t);
	assert_int_equal(remote_list(r, NULL, "/d e", &l), 0);
	for (size_t i = 0; i < l->n; i++) {
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s|",
			 l->entries[i].name);
	}
	assert_string_equal(got, names);
	listing_free(l);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "EPSV"), 0);
	assert_int_equal(peer_facts(t->peer).data, 0);
}

/* vsftpd: lines as they are */
SCRIPT(peer_connected, stat_plain)
{
	peer_answer(c, "CWD /d e", "250 there");
	peer_answer(c, "STAT -a .",
		    "213-Status follows:\ndrwxr-xr-x 2 u g 4096 Jan  2 2020 .\n" ROW
		    "truncated\n" ROW " x \n213 End of status");
}

/* ProFTPD: behind a blank; a device; a name that looks like the end */
SCRIPT(peer_connected, stat_indented)
{
	peer_answer(c, "CWD /d e", "250 there");
	peer_answer(c, "STAT -a .",
		    "212-Status of .:\n drwxr-xr-x 2 u g 4096 Jan  2 2020 .\n " ROW
		    "x\n " ROW "213 End\n\n212 End of status");
}

/* Pure-FTPd: prose with the code in the middle */
SCRIPT(peer_connected, stat_prose)
{
	peer_answer(c, "CWD /d e", "250 there");
	peer_answer(c, "STAT -a .",
		    "213-STAT\n" ROW ".\n" ROW "x\n213-Options: -a -l \n213 3 matches "
		    "total");
}

/* every line with its code, DOS style */
SCRIPT(peer_connected, stat_coded)
{
	peer_answer(c, "CWD /d e", "250 there");
	peer_answer(c, "STAT -a .", "550 -a .: no such file");
	peer_answer(c, "STAT .",
		    "211-Listing\n211-01-02-24  03:04PM       <DIR>          x y\n211 "
		    "End");
}

static void test_stat(void **state)
{
	check_stat(*state, stat_plain, "truncated| x |");
	assert_false(talk_logged(*state, "left some out"));
}

static void test_stat_indented(void **state)
{
	check_stat(*state, stat_indented, "x|213 End|");
}

static void test_stat_prose(void **state)
{
	check_stat(*state, stat_prose, "x|");
}

static void test_stat_coded(void **state)
{
	check_stat(*state, stat_coded, "x y|");
}

/* More than an ordinary reply may hold. */
SCRIPT(peer_connected, stat_much)
{
	char row[96];

	peer_answer(c, "CWD /d", "250 there");
	peer_expect(c, "STAT -a .");
	peer_say(c, "213-Status:\n" ROW ".");
	for (int i = 0; i < 20000; i++) {
		snprintf(row, sizeof(row), ROW "file-%06d\r\n", i);
		peer_raw(c, row, strlen(row));
	}
	peer_say(c, "213 End");
}

static void test_stat_much(void **state)
{
	struct talk *t = *state;
	struct remote *r;

	talk_start(t, &(struct peer_config){ .feat = no_mdtm, .scripts = { stat_much } });
	t->server.list = LIST_STAT;
	r = talk_remote(t);
	list_names(r, "/d", "file-000000", 20000);
	talk_end(t);
}

SCRIPT(peer_connected, stat_truncated)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_answer(c, "STAT -a .",
		    "213-STAT\n" ROW ".\n" ROW
		    "x\n213-Output truncated to 2 matches\n213 "
		    "2 matches total");
	peer_answer(c, "CWD /d", "250 there");
	peer_answer(c, "STAT -a .",
		    "213-STAT\n" ROW ".\n" ROW
		    "x\n213-Output truncated to 2 matches\n213 "
		    "2 matches total");
}

static void test_stat_truncated(void **state)
{
	struct talk *t = *state;
	struct listing *l;
	struct remote *r;

	talk_start(t, &(struct peer_config){ .feat = no_mdtm,
					     .scripts = { stat_truncated } });
	t->server.list = LIST_STAT;
	r = talk_remote(t);
	for (int i = 0; i < 2; i++) {
		l = list_ok(r, "/d", 1);
		assert_true(l->incomplete);
		listing_free(l);
	}
	assert_true(talk_logged(t, "1 listing /d: "));
	assert_true(talk_logged(t, "3 listing /d: ")); /* the second time: debug */
	talk_end(t);
}

/* What STAT is for on other servers: no directory at all. */
SCRIPT(peer_connected, stat_tells_of_itself)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_answer(
		c, "STAT -a .",
		"211-FTP server status:\n     Connected to 10.0.0.1\n     Logged in as "
		"alice\n211 End of status");
	peer_answer(c, "CWD /d", "250 there");
	peer_answer(c, "STAT -a .", "221 /d");
}

static void test_stat_is_no_listing(void **state)
{
	struct talk *t = *state;
	struct listing *l = NULL;
	struct remote *r;

	talk_start(t, &(struct peer_config){ .feat = no_mdtm,
					     .scripts = { stat_tells_of_itself } });
	t->server.list = LIST_STAT;
	r = talk_remote(t);
	assert_int_equal(remote_list(r, NULL, "/d", &l), -EOPNOTSUPP);
	assert_int_equal(remote_list(r, NULL, "/d", &l), -EOPNOTSUPP);
	assert_null(l);
	talk_end(t);
}

/* Neither MLSD nor LIST: the last way, and it is remembered. */
SCRIPT(peer_connected, has_only_stat)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_epsv(c);
	peer_answer(c, "LIST -a", "502 not implemented");
	peer_epsv(c);
	peer_answer(c, "LIST", "502 not implemented");
	peer_answer(c, "STAT -a .", "213-Status:\n" ROW ".\n" ROW "x\n213 End");
	peer_answer(c, "CWD /e", "250 there");
	peer_answer(c, "STAT -a .", "213-Status:\n" ROW ".\n" ROW "y\n213 End");
}

static void test_only_stat(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mdtm, has_only_stat, NULL);

	list_names(r, "/d", "x", 1);
	list_names(r, "/e", "y", 1);
	talk_end(t);
}

/* ---- the zone ---- */

static int64_t minutes_ago(int minutes, int zone, char *ret, size_t size)
{
	int64_t at = (int64_t)time(NULL) - minutes * 60;
	time_t shown = (time_t)(at + zone);
	struct tm tm;

	strftime(ret, size, "%b %e %H:%M", gmtime_r(&shown, &tm));
	return at;
}

static void row_at(char *ret, size_t size, const char *type, const char *date,
		   const char *name)
{
	snprintf(ret, size, "%srw-r--r-- 1 u g 3 %s %s\r\n", type, date, name);
}

enum { ZONE = 5 * 3600 + 1800 };

/* A recent file, an old one without a clock, a directory: local time, half past. */
SCRIPT(peer_connected, lists_in_india)
{
	char date[32], rows[512], answer[64];
	time_t at = (time_t)minutes_ago(90, ZONE, date, sizeof(date));
	struct tm tm;

	if (strstr(date, " 00:00")) {
		date[strlen(date) - 1]++; /* would be taken for a day without a clock */
		at += 60;
	}
	row_at(rows, sizeof(rows), "d", date, "dir");
	row_at(rows + strlen(rows), sizeof(rows) - strlen(rows), "-", "Jan  2  2020",
	       "old");
	row_at(rows + strlen(rows), sizeof(rows) - strlen(rows), "-", date, "new");
	row_at(rows + strlen(rows), sizeof(rows) - strlen(rows), "-", date, "refused");
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", rows);
	peer_download(c, "LIST", rows);
	strftime(answer, sizeof(answer), "213 %Y%m%d%H%M%S", gmtime_r(&at, &tm));
	for (int i = 0; i < 3; i++) {
		const char *line = peer_expect_prefix(c, "MDTM /d/");

		peer_say(c, "%s",
			 strstr(line, "new")   ? answer
			 : strstr(line, "old") ? "213 20200101224455"
					       : "550 not for you");
	}
	/* without a file: by what was learnt */
	rows[strchr(rows, '\n') + 1 - rows] = '\0';
	peer_answer(c, "CWD /e", "250 there");
	peer_download(c, "LIST -a", rows);
}

static void test_zone_learnt(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, lists_in_india, NULL);
	struct listing *l = list_ok(r, "/d", 4);
	int64_t now = time(NULL);

	for (size_t i = 0; i < l->n; i++) {
		const struct entry *e = &l->entries[i];

		if (strcmp(e->name, "old") == 0) {
			assert_true(e->mtime == 1577918695);
			assert_false(e->flags & ENTRY_MTIME_COARSE);
		} else {
			assert_true(e->mtime > now - 92 * 60 && e->mtime < now - 88 * 60);
		}
	}
	listing_free(l);
	l = list_ok(r, "/e", 1);
	assert_true(l->entries[0].mtime > now - 92 * 60 &&
		    l->entries[0].mtime < now - 88 * 60);
	listing_free(l);
	talk_end(t);
}

SCRIPT(peer_connected, lists_a_known_day)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST",
		      "-rw-r--r-- 1 u g 3 2024-01-02 03:04 honest\r\n"
		      "-rw-r--r-- 1 u g 3 2024-01-01 03:04 lying\r\n"
		      "drwxr-xr-x 1 u g 3 2024-01-01 03:04 dir\r\n");
	peer_answer(c, "MDTM /d/honest", "213 20240102010455");
	peer_answer(c, "MDTM /d/lying", "213 20240101030455"); /* local time */
}

static void test_zone_given(void **state)
{
	struct talk *t = *state;
	struct listing *l;
	struct remote *r;

	talk_start(t, &(struct peer_config){ .feat = no_mlst,
					     .scripts = { lists_a_known_day } });
	t->server.hidden = TRI_NO;
	t->server.timezone = "+02:00";
	r = talk_remote(t);
	l = list_ok(r, "/d", 3);
	assert_true(l->entries[0].mtime == 1704157495);
	assert_false(l->entries[0].flags & ENTRY_MTIME_COARSE);
	assert_true(l->entries[1].mtime == 1704071040); /* 01:04 UTC */
	assert_true(l->entries[1].flags & ENTRY_MTIME_COARSE);
	assert_true(l->entries[2].mtime == 1704071040);
	listing_free(l);
	talk_end(t);
}

static void test_zone_texts(void **state)
{
	static const struct {
		const char *text;
		int want; /* -1: refused */
	} cases[] = {
		{ "UTC", 0 },	       { "utc", 0 },	     { "+00:00", 0 },
		{ "+02:00", 7200 },    { "-03:30", -12600 }, { "+0530", 19800 },
		{ "+5", 18000 },       { "-11", -39600 },    { "+14:00", 50400 },
		{ "+15:00", -1 },      { "+02:60", -1 },     { "02:00", -1 },
		{ "Europe/Rome", -1 }, { "+", -1 },	     { "", -1 },
		{ "+02:00x", -1 },     { "auto", -1 },	     { "+2:", -1 },
		{ "+ 2", -1 },	       { "+-2", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct server s = { .timezone = cases[i].text };
		int zone = 77;
		int e = server_zone(&s, &zone);

		print_message("%s\n", cases[i].text);
		assert_int_equal(e, cases[i].want == -1 ? -EINVAL : 0);
		assert_int_equal(zone, cases[i].want == -1 ? 77 : cases[i].want);
	}
}

/* ---- words ---- */

SCRIPT(peer_connected, lists_in_greek)
{
	static const char rows[] =
		"-rw-r--r-- 1 u g 3 \xce\x99\xce\xb1\xce\xbd  2 2020 x\r\n";

	for (int i = 0; i < 2; i++) {
		peer_answer(c, "CWD /d", "250 there");
		peer_download(c, "LIST", rows);
		peer_answer(c, "MDTM /d/x", i ? "550 no" : "213 20200102030405");
	}
}

static void test_months_told_once(void **state)
{
	struct talk *t = *state;
	struct listing *l;
	struct remote *r;

	talk_start(t, &(struct peer_config){ .feat = no_mlst,
					     .scripts = { lists_in_greek } });
	t->server.hidden = TRI_NO;
	r = talk_remote(t);
	l = list_ok(r, "/d", 1);
	assert_true(talk_logged(t, "a language not known here"));
	assert_true(l->entries[0].mtime == 1577934245); /* MDTM knows */
	listing_free(l);
	l = list_ok(r, "/d", 1);
	assert_false(l->entries[0].flags & ENTRY_HAS_MTIME);
	listing_free(l);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_hidden_compared),
		TALK(test_hidden_is_a_name),
		TALK(test_hidden_is_a_file),
		TALK(test_hidden_is_a_directory),
		TALK(test_hidden_begins_empty),
		TALK(test_hidden_yes),
		TALK(test_hidden_no),
		TALK(test_stat),
		TALK(test_stat_indented),
		TALK(test_stat_prose),
		TALK(test_stat_coded),
		TALK(test_stat_much),
		TALK(test_stat_truncated),
		TALK(test_stat_is_no_listing),
		TALK(test_only_stat),
		TALK(test_zone_learnt),
		TALK(test_zone_given),
		TALK(test_months_told_once),
		cmocka_unit_test(test_zone_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
