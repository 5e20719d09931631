/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The truth about directories: an error is never an empty one, a part never the whole. */
#include "talk.h"

static const char facts[] =
	"type=dir;modify=20260102030405;perm=flcdmpe;UNIX.mode=0755; sub\r\n"
	"type=file;size=3;modify=20260102030406;perm=adfrw;UNIX.mode=0644; a b\r\n";
static const char no_mlst[] = "211-Features:\n REST STREAM\n SIZE\n MDTM\n211 End";

/* ---- listings ---- */

SCRIPT(peer_connected, lists_facts)
{
	peer_download(c, "MLSD /d", facts);
}

static void test_mlsd(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, lists_facts, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 2);
	assert_string_equal(l->entries[0].name, "sub");
	assert_int_equal(l->entries[0].kind, ENTRY_DIR);
	assert_string_equal(l->entries[1].name, "a b");
	assert_int_equal(l->entries[1].size, 3);
	assert_false(l->incomplete);
	listing_free(l);
	talk_end(t);
}

SCRIPT(peer_connected, lists_nothing)
{
	peer_download(c, "MLSD /d", "");
	peer_answer(c, "CWD /d", "250 there"); /* not even ".": is it one? */
	peer_download(c, "MLSD /e", "");
	peer_answer(c, "CWD /e", "550 /e: No such file or directory");
}

static void test_mlsd_empty(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, lists_nothing, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 0);
	listing_free(l);
	assert_int_equal(remote_list(r, NULL, "/e", &l), -ENOENT);
	talk_end(t);
}

SCRIPT(peer_connected, lists_lines)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a",
		      "total 1\r\ndrwxr-xr-x 2 u g 4096 Jan  2 03:04 .\r\n"
		      "-rw-r--r-- 1 u g    3 Jan  2 2020 a b\r\n");
	peer_answer(c, "MDTM /d/a b", "213 20200102030405");
}

static void test_list(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, lists_lines, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 1);
	assert_string_equal(l->entries[0].name, "a b");
	assert_int_equal(l->entries[0].mtime, 1577934245);
	listing_free(l);
	talk_end(t);
}

SCRIPT(peer_connected, lists_no_lines)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", "");
	peer_download(c, "LIST", ""); /* what -a means is not known yet */
}

static void test_list_empty(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, lists_no_lines, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 0);
	listing_free(l);
	talk_end(t);
}

/* 226 at once, and the data connection closed without a handshake: nothing to send. */
SCRIPT(peer_connected, lists_without_handshake)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_epsv(c);
	peer_answer(c, "LIST -a", "150 here\n226 done");
	peer_data_accept(c);
	peer_data_end(c, WIRE_FIN);
}

static void test_list_no_handshake(void **state)
{
	struct talk *t = *state;
	struct remote *r;
	struct listing *l = NULL;

	talk_start(t, &(struct peer_config){ .feat = no_mlst,
					     .scripts = { lists_without_handshake,
							  lists_without_handshake,
							  lists_without_handshake } });
	t->server.retry = 2;
	r = talk_remote(t);
	/* Nobody proved that the data connection's end was the server's: no empty directory. */
	assert_int_equal(remote_list(r, NULL, "/d", &l), -EIO);
	assert_null(l);
	talk_end(t);
}

SCRIPT(peer_connected, finds_no_files)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_epsv(c);
	peer_answer(c, "LIST -a", "550 No files found.");
	peer_epsv(c);
	peer_answer(c, "LIST", "550 No files found.");
	/* That was no word on what -a means: the next directory is asked in the same way. */
	peer_answer(c, "CWD /e", "250 there");
	peer_download(c, "LIST -a", "");
	peer_download(c, "LIST", "");
}

static void test_no_files_found(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, finds_no_files, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 0);
	listing_free(l);
	l = NULL;
	assert_int_equal(remote_list(r, NULL, "/e", &l), 0);
	listing_free(l);
	talk_end(t);
}

SCRIPT(peer_connected, takes_a_for_a_name)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_epsv(c);
	peer_answer(c, "LIST -a", "550 -a: No such file or directory");
	peer_download(c, "LIST", "-rw-r--r-- 1 u g    3 Jan  2 2020 x\r\n");
	peer_answer(c, "MDTM /d/x", "213 20200102030405");
	peer_answer(c, "CWD /e", "250 there");
	peer_download(c, "LIST", "");
}

static void test_list_a_is_a_name(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, takes_a_for_a_name, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 1);
	listing_free(l);
	l = NULL;
	assert_int_equal(remote_list(r, NULL, "/e", &l), 0);
	assert_int_equal(l->n, 0);
	listing_free(l);
	talk_end(t);
}

SCRIPT(peer_connected, has_no_such_directory)
{
	peer_answer(c, "CWD /d", "550 /d: No such file or directory");
}

static void test_list_missing(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, has_no_such_directory, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), -ENOENT);
	assert_null(l);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "LIST"), 0);
}

/* ---- listings that lie ---- */

static void begin_listing(struct session *c)
{
	peer_connected(c);
	peer_epsv(c);
	peer_answer(c, "MLSD /d", "150 here");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_send(c, facts, strlen(facts) / 2);
}

static void cuts_listing(struct session *c)
{
	begin_listing(c);
	peer_data_end(c, WIRE_FIN);
	peer_close(c, WIRE_FIN);
}

static void cuts_listing_426(struct session *c)
{
	begin_listing(c);
	peer_data_end(c, WIRE_RST);
	peer_say(c, "426 Connection closed; transfer aborted.");
	peer_goodbye(c);
}

/* In order on the data connection, and then no verdict. */
static void lists_without_verdict(struct session *c)
{
	begin_listing(c);
	peer_data_end(c, WIRE_NOTIFY);
	peer_close(c, WIRE_FIN);
}

static void lists_with_425(struct session *c)
{
	begin_listing(c);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "425 TLS session of data connection not resumed.");
	peer_goodbye(c);
}

static void check_never_short(struct talk *t, peer_script *script)
{
	struct listing *l = NULL;
	struct remote *r;

	talk_start(t, &(struct peer_config){ .more = script });
	r = talk_remote(t);
	assert_int_equal(remote_list(r, NULL, "/d", &l), -EIO);
	assert_null(l);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 1 + t->server.retry);
}

static void test_listing_cut(void **state)
{
	check_never_short(*state, cuts_listing);
}

static void test_listing_426(void **state)
{
	check_never_short(*state, cuts_listing_426);
}

static void test_listing_no_verdict(void **state)
{
	check_never_short(*state, lists_without_verdict);
}

static void test_listing_425(void **state)
{
	check_never_short(*state, lists_with_425);
}

static void test_listing_second_try(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, cuts_listing, lists_facts);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 2);
	listing_free(l);
	talk_end(t);
}

/* A cut at a line's end with a 226 behind it: the server says that this was all (T7). */
SCRIPT(peer_connected, ends_without_notify)
{
	peer_epsv(c);
	peer_answer(c, "MLSD /d", "150 here");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, facts);
	peer_data_end(c, WIRE_FIN);
	peer_say(c, "226 done");
}

static void test_listing_no_notify(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, ends_without_notify, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 2);
	listing_free(l);
	talk_end(t);
}

SCRIPT(peer_connected, truncates)
{
	peer_epsv(c);
	peer_answer(c, "MLSD /d", "150 here");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, facts);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226-Output truncated to 2 matches\n226 2 matches total");
}

static void test_truncated(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, truncates, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 2);
	assert_true(l->incomplete);
	listing_free(l);
	assert_true(talk_logged(t, "left some out"));
	talk_end(t);
}

SCRIPT(peer_connected, lists_bad_names)
{
	peer_download(c, "MLSD /d",
		      "type=file;size=1; ../../etc/passwd\r\ntype=file;size=1; "
		      "ok\r\ntype=cdir; .\r\n"
		      "type=pdir; ..\r\ntype=file;size=1; a/b\r\n");
}

static void test_bad_names(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, lists_bad_names, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 1);
	assert_string_equal(l->entries[0].name, "ok");
	assert_int_equal(l->rejected, 2);
	listing_free(l);
	talk_end(t);
}

SCRIPT(peer_connected, has_no_mlsd_after_all)
{
	peer_epsv(c);
	peer_answer(c, "MLSD /d", "502 not implemented");
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a", "");
	peer_download(c, "LIST", "");
}

static void test_mlsd_502(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, has_no_mlsd_after_all, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	listing_free(l);
	assert_false(remote_has_stat(r));
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_mlsd),
		TALK(test_mlsd_empty),
		TALK(test_list),
		TALK(test_list_empty),
		TALK(test_list_no_handshake),
		TALK(test_no_files_found),
		TALK(test_list_a_is_a_name),
		TALK(test_list_missing),
		TALK(test_listing_cut),
		TALK(test_listing_426),
		TALK(test_listing_no_verdict),
		TALK(test_listing_425),
		TALK(test_listing_second_try),
		TALK(test_listing_no_notify),
		TALK(test_truncated),
		TALK(test_bad_names),
		TALK(test_mlsd_502),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
