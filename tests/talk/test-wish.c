/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Times and modes: every way to set them, servers that say yes and do nothing, and what is
 * remembered of a host. */
#include "talk.h"

#include "net/upload.h"

enum { WANTED = 1767323045 }; /* 2026-01-02 03:04:05 */

static const char plain[] = "211-Features:\n SIZE\n MDTM\n211 End";
static const char mfmt_and_mff[] = "211-Features:\n MLST type*;size*;modify*;\n MFMT\n "
				   "MFF modify;UNIX.group;UNIX.mode;\n"
				   "211 End";
static const char mff_only[] = "211-Features:\n MDTM\n MFF UNIX.mode;Modify;\n211 End";

/* A way on its first use: what the file had before, the command, what it has then. */
static void peer_tries(struct session *c, const char *before, const char *command,
		       const char *reply, const char *after)
{
	peer_expect(c, "MDTM /f");
	peer_expect(c, command);
	peer_expect(c, "MDTM /f");
	peer_say(c, "%s", before);
	peer_say(c, "%s", reply);
	peer_say(c, "%s", after);
}

static const char old[] = "213 20200102030405", set[] = "213 20260102030405";

static void assert_utime(struct remote *r, int expected)
{
	assert_int_equal(remote_utime(r, NULL, "/f", WANTED), expected);
}

SCRIPT(peer_connected, knows_mdtm_only)
{
	peer_answer(c, "SITE CHMOD 640 /f", "502 SITE not understood");
	peer_tries(c, old, "SITE UTIME 20260102030405 /f", "500 Unknown SITE command.",
		   old);
	peer_tries(c, old, "MDTM 20260102030405 /f", "213 set", set);
	peer_answer(c, "MDTM 20260102030405 /f", "213 set");
}

/* vsftpd. What was refused is not asked again, what was proven is not looked after. */
static void test_mdtm(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, plain, knows_mdtm_only, NULL);

	assert_int_equal(remote_chmod(r, NULL, "/f", 0640), -EOPNOTSUPP);
	assert_int_equal(remote_chmod(r, NULL, "/f", 0640), -EOPNOTSUPP);
	assert_utime(r, 0);
	assert_utime(r, 0);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "SITE"), 2);
}

SCRIPT(peer_connected, knows_utime)
{
	peer_tries(c, old, "SITE UTIME 20260102030405 /f", "200 done", set);
	peer_answer(c, "SITE UTIME 20260102030405 /f", "200 done");
}

static void test_utime(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, plain, knows_utime, NULL);

	assert_utime(r, 0);
	assert_utime(r, 0);
	talk_end(t);
}

SCRIPT(peer_connected, knows_other_utime)
{
	peer_tries(c, old, "SITE UTIME 20260102030405 /f", "501 syntax: path times zone",
		   old);
	peer_tries(c, old,
		   "SITE UTIME /f 20260102030405 20260102030405 20260102030405 UTC",
		   "200 done", set);
	peer_answer(c, "SITE UTIME /f 20260102030405 20260102030405 20260102030405 UTC",
		    "200 done");
}

static void test_utime_with_zone(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, plain, knows_other_utime, NULL);

	assert_utime(r, 0);
	assert_utime(r, 0);
	talk_end(t);
}

SCRIPT(peer_connected, knows_facts)
{
	peer_answer(c, "SITE CHMOD 640 /f", "500 what?");
	peer_answer(c, "MFF UNIX.mode=0640; /f", "213 UNIX.mode=0640; /f");
	peer_answer(c, "MFF UNIX.mode=4755; /f", "213 UNIX.mode=4755; /f");
	peer_tries(c, old, "MFF Modify=20260102030405; /f",
		   "213 Modify=20260102030405; /f", set);
	peer_answer(c, "MFF Modify=20260102030405; /f", "213 Modify=20260102030405; /f");
}

static void test_mff(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, mff_only, knows_facts, NULL);

	assert_int_equal(remote_chmod(r, NULL, "/f", 0640), 0);
	assert_int_equal(remote_chmod(r, NULL, "/f", 04755), 0);
	assert_utime(r, 0);
	assert_utime(r, 0);
	talk_end(t);
}

/* ---- servers that lie ---- */

static void peer_facts_of(struct session *c, const char *modify)
{
	peer_say(c, "250-Listing\n type=file;size=3;modify=%s; /f\n250 End", modify);
}

static void peer_tries_facts(struct session *c, const char *command, const char *before,
			     const char *after)
{
	peer_expect(c, "MLST /f");
	peer_expect(c, command);
	peer_expect(c, "MLST /f");
	peer_facts_of(c, before);
	peer_say(c, "213 done");
	peer_facts_of(c, after);
}

SCRIPT(peer_connected, does_nothing)
{
	peer_tries_facts(c, "MFMT 20260102030405 /f", "20200102030405", "20200102030405");
	peer_tries_facts(c, "MFF Modify=20260102030405; /f", "20200102030405",
			 "20260102030405");
	peer_answer(c, "MFF Modify=20260102030405; /f", "213 done");
}

static void test_does_nothing(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, mfmt_and_mff, does_nothing, NULL);

	assert_utime(r, 0);
	assert_utime(r, 0);
	talk_end(t);
	assert_true(talk_logged(t, "MFMT 20260102030405 /f: granted, but"));
}

/* MFMT and both of the rest take the stamp for local time, two hours east. */
SCRIPT(peer_connected, local_time)
{
	peer_tries_facts(c, "MFMT 20260102030405 /f", "20200102030405", "20260102010405");
	peer_tries_facts(c, "MFF Modify=20260102030405; /f", "20260102010405",
			 "20260102010405");
	peer_expect(c, "MLST /f");
	peer_expect(c, "SITE UTIME 20260102030405 /f");
	peer_expect(c, "MLST /f");
	peer_facts_of(c, "20260102010405");
	peer_say(c, "500 no SITE");
	peer_facts_of(c, "20260102010405");
}

static void test_local_time(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, mfmt_and_mff, local_time, NULL);

	assert_utime(r, -EOPNOTSUPP);
	assert_false(remote_has_utime(r));
	assert_utime(r, -EOPNOTSUPP);
	talk_end(t);
}

/* The file had this very time before: that proves nothing. */
SCRIPT(peer_connected, had_it_already)
{
	peer_tries_facts(c, "MFMT 20260102030405 /f", "20260102030405", "20260102030405");
	peer_tries_facts(c, "MFMT 20260102030405 /f", "20200102030405", "20260102030405");
	peer_answer(c, "MFMT 20260102030405 /f", "213 done");
}

static void test_proof(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, mfmt_and_mff, had_it_already, NULL);

	assert_utime(r, 0);
	assert_utime(r, 0);
	assert_utime(r, 0);
	talk_end(t);
}

/* Refused for this file: no reason to think ill of the verb. */
SCRIPT(peer_connected, refuses_one)
{
	peer_expect(c, "MLST /f");
	peer_expect(c, "MFMT 20260102030405 /f");
	peer_expect(c, "MLST /f");
	peer_facts_of(c, "20200102030405");
	peer_say(c, "550 /f: Operation not permitted");
	peer_facts_of(c, "20200102030405");
	peer_tries_facts(c, "MFMT 20260102030405 /f", "20200102030405", "20260102030405");
}

static void test_refused_for_one(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, mfmt_and_mff, refuses_one, NULL);

	assert_utime(r, -EPERM);
	assert_utime(r, 0);
	talk_end(t);
}

/* ---- behind an upload ---- */

static void run_upload(struct talk *t, struct upload_result *ret)
{
	struct upload_job job = { .path = "/f",
				  .fd = talk_source(TALK_SIZE),
				  .size = TALK_SIZE,
				  .mtime = WANTED,
				  .mode = -1 };

	assert_int_equal(upload_run(t->remote, NULL, &job, ret), 0);
	close(job.fd);
}

static void peer_stores(struct session *c, const char *command, const char *modify)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_expect(c, command);
	peer_expect(c, "MLST /f");
	peer_say(c, "213 done");
	peer_say(c, "250-Listing\n type=file;size=%d;modify=%s; /f\n250 End", TALK_SIZE,
		 modify);
}

SCRIPT(peer_connected, lies_after_upload)
{
	peer_stores(c, "MFMT 20260102030405 /f", "20261126101112");
	peer_tries_facts(c, "MFF Modify=20260102030405; /f", "20261126101112",
			 "20260102030405");
	peer_stores(c, "MFF Modify=20260102030405; /f", "20260102030405");
}

/* The lie is found by the look that is made anyway; the other ways follow at once. */
static void test_upload_lied_to(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	(void)talk_serve_remote(t, mfmt_and_mff, lies_after_upload, NULL);
	run_upload(t, &result);
	assert_int_equal(result.mtime_error, 0);
	assert_int_equal(result.mtime, WANTED);
	run_upload(t, &result);
	assert_int_equal(result.mtime_error, 0);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "MFMT"), 1);
}

/* ---- links ---- */

static const char makes_links[] = "211-Features:\n MDTM\n SIZE\n SITE SYMLINK\n211 End";

SCRIPT(peer_connected, links)
{
	peer_answer(c, "SITE SYMLINK /a/b /c", "200 done");
	peer_answer(c, "SITE SYMLINK /a \"/my link\"", "200 done");
	peer_answer(c, "SITE SYMLINK /no /c", "550 SYMLINK: No such file or directory");
	peer_answer(c, "SITE SYMLINK /a /c", "550 SYMLINK: File exists");
	peer_answer(c, "SITE SYMLINK /a /x", "550 SYMLINK: Permission denied");
	peer_answer(c, "SITE SYMLINK /a /x", "550 no");
}

/* Names that SITE SYMLINK would take for two are not sent. */
static void test_symlink(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, makes_links, links, NULL);

	assert_int_equal(remote_symlink(r, NULL, "/a/b", "/c"), 0);
	assert_int_equal(remote_symlink(r, NULL, "/a", "/my link"), 0);
	assert_int_equal(remote_symlink(r, NULL, "/a b", "/c"), -EPERM);
	assert_int_equal(remote_symlink(r, NULL, "/a", "/my \"link\""), -EPERM);
	assert_int_equal(remote_symlink(r, NULL, "/a\nNOOP", "/c"), -EINVAL);
	assert_int_equal(remote_symlink(r, NULL, "/no", "/c"), -EPERM);
	assert_int_equal(remote_symlink(r, NULL, "/a", "/c"), -EEXIST);
	assert_int_equal(remote_symlink(r, NULL, "/a", "/x"), -EACCES);
	assert_int_equal(remote_symlink(r, NULL, "/a", "/x"), -EPERM);
	talk_end(t);
}

SCRIPT(peer_connected, nothing_asked)
{
	(void)c;
}

static void test_symlink_not_offered(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, plain, nothing_asked, NULL);

	assert_int_equal(remote_symlink(r, NULL, "/a", "/b"), -EPERM);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_mdtm),
		TALK(test_utime),
		TALK(test_utime_with_zone),
		TALK(test_mff),
		TALK(test_does_nothing),
		TALK(test_local_time),
		TALK(test_proof),
		TALK(test_refused_for_one),
		TALK(test_upload_lied_to),
		TALK(test_symlink),
		TALK(test_symlink_not_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
