/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs: what is repeated after a loss and what is not, and what a refusal means. */
#include "talk.h"

static const char no_mlst[] = "211-Features:\n REST STREAM\n SIZE\n MDTM\n211 End";

/* ---- repeated or not ---- */

static void loses_dele(struct session *c)
{
	peer_connected(c);
	peer_expect(c, "DELE /a");
	peer_close(c, WIRE_FIN);
}

static void test_dele_lost(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, loses_dele, NULL);

	assert_int_equal(remote_unlink(r, NULL, "/a"), -EIO);
	assert_true(talk_logged(t, "not repeated"));
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "DELE"), 1);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

static void loses_rename(struct session *c)
{
	peer_connected(c);
	peer_expect(c, "RNFR /a");
	peer_expect(c, "RNTO /b");
	peer_close(c, WIRE_RST);
}

static void test_rename_lost(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, loses_rename, NULL);

	assert_int_equal(remote_rename(r, NULL, "/a", "/b"), -EIO);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "RN"), 2);
}

static void loses_mlst(struct session *c)
{
	peer_connected(c);
	peer_expect(c, "MLST /a");
	peer_close(c, WIRE_FIN);
}

SCRIPT(peer_connected, answers_mlst)
{
	peer_answer(
		c, "MLST /a",
		"250-Listing /a\n type=file;size=3;modify=20260102030405; /a\n250 End");
}

static void test_mlst_lost(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, loses_mlst, answers_mlst);
	struct stat_result st = { 0 };

	assert_int_equal(remote_stat(r, NULL, "/a", &st), 0);
	assert_int_equal(st.entry.kind, ENTRY_FILE);
	assert_int_equal(st.entry.size, 3);
	assert_int_equal(st.entry.mtime, 1767323045);
	stat_result_release(&st);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 2);
}

static void stalls_mlst(struct session *c)
{
	peer_connected(c);
	peer_expect(c, "MLST /a");
	peer_expect_end(c);
}

static void test_mlst_stalls(void **state)
{
	struct talk *t = *state;
	struct stat_result st = { 0 };
	struct remote *r;

	talk_start(t, &(struct peer_config){ .scripts = { stalls_mlst, answers_mlst } });
	t->server.io_timeout = 500;
	r = talk_remote(t);
	assert_int_equal(remote_stat(r, NULL, "/a", &st), 0);
	stat_result_release(&st);
	talk_end(t);
}

static void says_421_to_dele(struct session *c)
{
	peer_connected(c);
	peer_answer(c, "DELE /a", "421 Timeout (no operation for 300 seconds)");
	peer_close(c, WIRE_FIN);
}

SCRIPT(peer_connected, deletes)
{
	peer_answer(c, "DELE /a", "250 deleted");
}

/* 421 says that it was not done. */
static void test_dele_421(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, says_421_to_dele, deletes);

	assert_int_equal(remote_unlink(r, NULL, "/a"), 0);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "DELE"), 2);
}

static void dies_before_dele(struct session *c)
{
	peer_connected(c);
	(void)peer_await(peer_of(c), 0);
	peer_close(c, WIRE_FIN);
	peer_raise(peer_of(c), 1);
}

static void test_dele_on_dead(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, dies_before_dele, deletes);

	peer_raise(t->peer, 0);
	assert_true(peer_await(t->peer, 1));
	usleep(50000);
	assert_int_equal(remote_unlink(r, NULL, "/a"), 0);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "DELE"), 1);
}

static bool is_true(void *arg)
{
	return peer_count(arg, "MLST") > 0;
}

/* A cancelled verb is not repeated, and its connection not used again. */
static void test_cancelled(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, stalls_mlst, answers_mlst);
	struct wait w = { .cancelled = is_true, .arg = t->peer };
	struct stat_result st = { 0 };
	int64_t begin = now_ms();

	assert_int_equal(remote_stat(r, &w, "/a", &st), -EINTR);
	assert_true(now_ms() - begin < 1000);
	assert_int_equal(remote_stat(r, NULL, "/a", &st), 0);
	stat_result_release(&st);
	talk_end(t);
}

static void refuses_line_breaks(struct session *c)
{
	peer_connected(c);
	peer_answer(c, "DELE /a", "250 deleted");
	peer_goodbye(c);
}

static void test_line_break(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, refuses_line_breaks, NULL);
	struct listing *l = NULL;
	struct stat_result st = { 0 };

	assert_int_equal(remote_unlink(r, NULL, "/a\r\nDELE /b"), -EINVAL);
	assert_int_equal(remote_mkdir(r, NULL, "/a\nMKD /b"), -EINVAL);
	assert_int_equal(remote_rename(r, NULL, "/a", "/b\r\nDELE /c"), -EINVAL);
	assert_int_equal(remote_chmod(r, NULL, "/a\r\nDELE /b", 0600), -EINVAL);
	assert_int_equal(remote_utime(r, NULL, "/a\r\nDELE /b", 1), -EINVAL);
	assert_int_equal(remote_stat(r, NULL, "/a\r\nDELE /b", &st), -EINVAL);
	assert_int_equal(remote_unlink(r, NULL, "/a"), 0);
	talk_end(t);
	assert_null(l);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

/* A name with a line break in a directory to list: EPSV may have gone out, the name must not. */
static void epsv_at_most(struct session *c)
{
	peer_connected(c);
	peer_epsv(c);
	peer_expect_prefix(c, "QUIT");
}

static void test_line_break_listing(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, epsv_at_most, NULL);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/a\r\nDELE /b", &l), -EINVAL);
	assert_null(l);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "DELE"), 0);
}

/* ---- one name ---- */

static const char *const mlst_shapes[] = {
	"250-Listing\n type=file;size=3; /f\n250 End",
	"250-Listing\ntype=file;size=3; /f\n250 End",
	"250-Listing\n250-type=file;size=3; /f\n250 End",
	"250-\n Type=file;Size=3; f\n250 End",
	"250 type=file;size=3; /f",
	"250-x=y is a greeting\n type=file;size=3; /f\n250 End",
	"250-Listing\n\n type=file;size=3; /f=g; h\n\n250 End",
};

SCRIPT(peer_connected, varies_mlst)
{
	for (size_t i = 0; i < ARRAY_LEN(mlst_shapes); i++) {
		peer_answer(c, "MLST /f", mlst_shapes[i]);
	}
}

static void test_mlst_shapes(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, varies_mlst, NULL);

	for (size_t i = 0; i < ARRAY_LEN(mlst_shapes); i++) {
		struct stat_result st = { 0 };
		int e = remote_stat(r, NULL, "/f", &st);

		if (e != 0 || st.entry.kind != ENTRY_FILE || st.entry.size != 3) {
			fail_msg("%d, kind %d, size %d: %s", e, st.entry.kind,
				 (int)st.entry.size, mlst_shapes[i]);
		}
		assert_null(st.entry.name);
		stat_result_release(&st);
	}
	talk_end(t);
}

/* No facts in it, or 501: SIZE, MDTM, CWD tell instead (#22). */
SCRIPT(peer_connected, is_mute_on_mlst)
{
	peer_answer(c, "MLST /f", "250 End");
	peer_answer(c, "SIZE /f", "213 3");
	peer_answer(c, "MDTM /f", "213 20260102030405.123");
	peer_answer(c, "MLST /d", "501 cannot");
	peer_answer(c, "SIZE /d", "550 not a plain file");
	peer_answer(c, "MDTM /d", "550 not a plain file");
	peer_answer(c, "CWD /d", "250 there");
	peer_answer(c, "MLST /n", "550 cannot");
}

static void test_mlst_mute(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, NULL, is_mute_on_mlst, NULL);
	struct stat_result st = { 0 };

	assert_int_equal(remote_stat(r, NULL, "/f", &st), 0);
	assert_int_equal(st.entry.kind, ENTRY_FILE);
	assert_int_equal(st.entry.size, 3);
	assert_int_equal(st.entry.mtime, 1767323045);
	stat_result_release(&st);
	assert_int_equal(remote_stat(r, NULL, "/d", &st), 0);
	assert_int_equal(st.entry.kind, ENTRY_DIR);
	stat_result_release(&st);
	assert_int_equal(remote_stat(r, NULL, "/n", &st), -ENOENT);
	talk_end(t);
}

/* ---- refusals without a reason (vsftpd) ---- */

static void look(struct session *c, const char *path, const char *size, const char *cwd)
{
	char line[128];

	snprintf(line, sizeof(line), "SIZE %s", path);
	peer_answer(c, line, size);
	snprintf(line, sizeof(line), "MDTM %s", path);
	peer_answer(c, line, "550 Could not get file modification time.");
	if (cwd) {
		snprintf(line, sizeof(line), "CWD %s", path);
		peer_answer(c, line, cwd);
	}
}

static const char no_size[] = "550 Could not get file size.";
static const char no_cwd[] = "550 Failed to change directory.";
static const char bare_dele[] = "550 Delete operation failed.";

SCRIPT(peer_connected, gives_no_reasons)
{
	peer_answer(c, "DELE /n", bare_dele);
	look(c, "/n", no_size, no_cwd);
	peer_answer(c, "DELE /d", bare_dele);
	look(c, "/d", no_size, "250 there");
	peer_answer(c, "DELE /f", bare_dele);
	look(c, "/f", "213 3", NULL);
	peer_answer(c, "MKD /d", "550 Create directory operation failed.");
	look(c, "/d", no_size, "250 there");
	peer_answer(c, "MKD /n/x", "550 Create directory operation failed.");
	look(c, "/n/x", no_size, no_cwd);
	look(c, "/n", no_size, no_cwd);
	peer_answer(c, "RMD /f", "550 Remove directory operation failed.");
	look(c, "/f", "213 3", NULL);
	peer_answer(c, "RMD /d", "550 Remove directory operation failed.");
	look(c, "/d", no_size, "250 there");
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST -a",
		      "drwxr-xr-x 2 u g 4096 Jan  2 2020 .\r\n"
		      "-rw-r--r-- 1 u g    3 Jan  2 2020 x\r\n");
	peer_answer(c, "MDTM /d/x", "213 20200102030405");
	peer_expect(c, "RNFR /n");
	peer_expect(c, "RNTO /m");
	peer_say(c, "550 RNFR command failed.");
	peer_say(c, "503 RNFR required first.");
	look(c, "/n", no_size, no_cwd);
}

static void test_deduced(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, gives_no_reasons, NULL);

	assert_int_equal(remote_unlink(r, NULL, "/n"), -ENOENT);
	assert_int_equal(remote_unlink(r, NULL, "/d"), -EISDIR);
	assert_int_equal(remote_unlink(r, NULL, "/f"), -EACCES);
	assert_int_equal(remote_mkdir(r, NULL, "/d"), -EEXIST);
	assert_int_equal(remote_mkdir(r, NULL, "/n/x"), -ENOENT);
	assert_int_equal(remote_rmdir(r, NULL, "/f"), -ENOTDIR);
	assert_int_equal(remote_rmdir(r, NULL, "/d"), -ENOTEMPTY);
	assert_int_equal(remote_rename(r, NULL, "/n", "/m"), -ENOENT);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

/* As IIS: no renaming over what exists (#30). */
static void rename_exchange(struct session *c, const char *from, const char *to,
			    const char *verdict)
{
	char line[128];

	snprintf(line, sizeof(line), "RNFR %s", from);
	peer_expect(c, line);
	if (to) {
		snprintf(line, sizeof(line), "RNTO %s", to);
		peer_expect(c, line);
	} else {
		peer_expect_prefix(c, "RNTO /b.ftpsfs-");
	}
	peer_say(c, "350 go on");
	peer_say(c, "%s", verdict);
}

SCRIPT(peer_connected, refuses_overwriting)
{
	rename_exchange(c, "/a", "/b",
			"550 Cannot create a file when that file already exists.");
	look(c, "/b", "213 3", NULL);
	rename_exchange(c, "/b", NULL, "250 moved");
	rename_exchange(c, "/a", "/b", "250 moved");
	peer_expect_prefix(c, "DELE /b.ftpsfs-");
	peer_say(c, "250 deleted");
}

static void test_rename_over_by_stepping_aside(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, refuses_overwriting, NULL);

	assert_int_equal(remote_rename(r, NULL, "/a", "/b"), 0);
	talk_end(t);
}

SCRIPT(peer_connected, refuses_for_good)
{
	rename_exchange(c, "/a", "/b", "553 Not allowed.");
	look(c, "/b", "213 3", NULL);
	rename_exchange(c, "/b", NULL, "250 moved");
	rename_exchange(c, "/a", "/b", "553 Not allowed.");
	/* The old file comes back. */
	peer_expect_prefix(c, "RNFR /b.ftpsfs-");
	peer_expect(c, "RNTO /b");
	peer_say(c, "350 go on");
	peer_say(c, "250 moved");
}

static void test_rename_over_refused_restores(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, no_mlst, refuses_for_good, NULL);

	assert_int_equal(remote_rename(r, NULL, "/a", "/b"), -EACCES);
	talk_end(t);
}

SCRIPT(peer_connected, tells_room)
{
	peer_answer(c, "AVBL /", "213 12345678901");
	peer_answer(c, "AVBL /", "213-of this disk\n213 0 bytes");
	peer_answer(c, "AVBL /", "213 plenty");
}

/* An answer without a number is as good as none: not asked again. */
static void test_room(void **state)
{
	static const char feat[] = "211-Features:\n AVBL\n211 End";
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, feat, tells_room, NULL);
	uint64_t bytes = 0;

	assert_true(remote_has_room(r));
	assert_int_equal(remote_room(r, NULL, &bytes), 0);
	assert_true(bytes == 12345678901);
	assert_int_equal(remote_room(r, NULL, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(remote_room(r, NULL, &bytes), -EOPNOTSUPP);
	assert_false(remote_has_room(r));
	assert_int_equal(remote_room(r, NULL, &bytes), -EOPNOTSUPP);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_dele_lost),
		TALK(test_rename_lost),
		TALK(test_mlst_lost),
		TALK(test_mlst_stalls),
		TALK(test_dele_421),
		TALK(test_dele_on_dead),
		TALK(test_cancelled),
		TALK(test_line_break),
		TALK(test_line_break_listing),
		TALK(test_mlst_shapes),
		TALK(test_mlst_mute),
		TALK(test_deduced),
		TALK(test_room),
		TALK(test_rename_over_by_stepping_aside),
		TALK(test_rename_over_refused_restores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
