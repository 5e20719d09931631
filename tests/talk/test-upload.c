/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Uploads: what counts as stored, and what becomes of one that was cut. */
#include "talk.h"

#include "net/upload.h"

enum { HUGE = 64 << 20 };

static const char no_mlst[] = "211-Features:\n SIZE\n211 End";

static struct upload_job job_of(int fd)
{
	return (struct upload_job){
		.path = "/f", .fd = fd, .size = TALK_SIZE, .mtime = -1, .mode = -1
	};
}

static int run(struct talk *t, const struct upload_job *job, struct upload_result *ret)
{
	int r = upload_run(t->remote ? t->remote : talk_remote(t), NULL, job, ret);

	close(job->fd);
	return r;
}

SCRIPT(peer_connected, stores)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_mlst(c, TALK_SIZE);
}

static void check_stored(struct talk *t, struct upload_result *result)
{
	struct upload_job job = job_of(talk_source(TALK_SIZE));

	assert_int_equal(run(t, &job, result), 0);
	assert_int_equal(result->size, TALK_SIZE);
	talk_end(t);
}

static void test_stored(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .scripts = { stores } });
	check_stored(t, &result);
	assert_int_equal(result.mtime, 1767323045);
	assert_int_equal(result.mode, 0644);
	assert_int_equal(peer_facts(t->peer).data_resumed, 1);
}

SCRIPT(peer_connected, stores_with_wishes)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_expect(c, "MFMT 20260102030405 /f");
	peer_expect(c, "SITE CHMOD 600 /f");
	peer_expect(c, "MLST /f");
	peer_say(c, "213 Modify=20260102030405; /f");
	peer_say(c, "550 CHMOD: Operation not permitted");
	peer_say(c,
		 "250-Listing\n type=file;size=%d;modify=20260102030405;UNIX.mode=0644; "
		 "/f\n250 End",
		 TALK_SIZE);
}

static void test_wishes(void **state)
{
	struct talk *t = *state;
	struct upload_job job;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .scripts = { stores_with_wishes } });
	job = job_of(talk_source(TALK_SIZE));
	job.mtime = 1767323045;
	job.mode = 0600;
	job.mode_required = true;
	assert_int_equal(run(t, &job, &result), 0);
	assert_int_equal(result.mtime_error, 0);
	assert_int_equal(result.mode_error, -EPERM);
	assert_int_equal(result.mode, 0644);
	talk_end(t);
}

SCRIPT(peer_connected, stores_empty)
{
	char byte;

	if (peer_upload(c, "STOR /f", &byte, 1) != 0) {
		peer_fail(c, "bytes of an empty file");
	}
	peer_say(c, "226 stored");
	peer_mlst(c, 0);
}

static void test_empty(void **state)
{
	struct talk *t = *state;
	struct upload_job job;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .scripts = { stores_empty } });
	job = job_of(talk_source(0));
	job.size = 0;
	assert_int_equal(run(t, &job, &result), 0);
	talk_end(t);
}

SCRIPT(peer_connected, believed)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "250 stored");
}

static void test_nothing_to_ask(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .feat = "211-Features:\n UTF9\n211 End",
					     .scripts = { believed } });
	check_stored(t, &result);
}

/* ---- stored, but not all of it ---- */

SCRIPT(peer_connected, seen_short_once)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_mlst(c, 100);
	peer_mlst(c, TALK_SIZE);
}

static void test_seen_short_once(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .scripts = { seen_short_once } });
	check_stored(t, &result);
	assert_int_equal(peer_count(t->peer, "STOR"), 1);
}

SCRIPT(peer_connected, stays_short)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_mlst(c, 0);
	peer_mlst(c, 0);
}

static void test_short_then_good(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .scripts = { stays_short, stores } });
	check_stored(t, &result);
	assert_int_equal(peer_count(t->peer, "STOR"), 2);
}

static void check_fails(struct talk *t, int expected)
{
	struct upload_job job = job_of(talk_source(TALK_SIZE));
	struct upload_result result = { .size = 77 };

	assert_int_equal(run(t, &job, &result), expected);
	assert_int_equal(result.size, 77);
	talk_end(t);
}

/* 226 and an empty file, time and again (proftpd#1931): never a success. */
static void test_short_for_ever(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .more = stays_short });
	check_fails(t, -EIO);
	assert_int_equal(peer_count(t->peer, "STOR"), 1 + t->server.retry);
}

static void stores_by_size(struct session *c)
{
	peer_connected(c);
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_answer(c, "SIZE /f", "213 12");
	peer_answer(c, "SIZE /f", "550 no such file");
	peer_goodbye(c);
}

static void test_short_then_gone(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = no_mlst, .more = stores_by_size });
	check_fails(t, -EIO);
}

SCRIPT(peer_connected, drops_without_reuse)
{
	char some[4096];

	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	peer_data_tls_as(c, PEER_NO_RESUME);
	(void)peer_data_recv(c, some, sizeof(some), NULL);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "425 Unable to build data connection: TLS session of data connection "
		    "not reused");
}

static void test_no_reuse(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .more = drops_without_reuse });
	check_fails(t, -EIO);
}

/* ---- refused ---- */

SCRIPT(peer_connected, is_not_allowed)
{
	peer_epsv(c);
	peer_answer(c, "STOR /f", "550 /f: Permission denied");
}

static void test_refused(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .scripts = { is_not_allowed } });
	check_fails(t, -EACCES);
}

static void fills_up(struct session *c, const char *verdict)
{
	static char some[64 * 1024];

	peer_connected(c);
	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	peer_data_tls(c);
	(void)peer_data_recv(c, some, sizeof(some), NULL);
	peer_say(c, "%s", verdict);
	peer_data_end(c, WIRE_RST);
	peer_goodbye(c);
}

static void disk_fills_up(struct session *c)
{
	fills_up(c, "552 Disk full");
}

static void quota_fills_up(struct session *c)
{
	fills_up(c, "552 Quota exceeded");
}

static void check_full(struct talk *t, peer_script *script, int expected)
{
	struct upload_job job;
	struct upload_result result;

	talk_start(t, &(struct peer_config){ .scripts = { script } });
	job = job_of(talk_source(HUGE));
	job.size = HUGE;
	assert_int_equal(run(t, &job, &result), expected);
	talk_end(t);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

static void test_disk_full(void **state)
{
	check_full(*state, disk_fills_up, -ENOSPC);
}

static void test_quota(void **state)
{
	check_full(*state, quota_fills_up, -EDQUOT);
}

SCRIPT(peer_connected, hears_epsv_at_most)
{
	peer_epsv(c);
}

static void test_line_break(void **state)
{
	struct talk *t = *state;
	struct upload_job job;
	struct upload_result result;

	talk_start(t, &(struct peer_config){ .scripts = { hears_epsv_at_most } });
	job = job_of(talk_source(TALK_SIZE));
	job.path = "/f\r\nDELE /g";
	assert_int_equal(run(t, &job, &result), -EINVAL);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "DELE"), 0);
}

/* ---- cut ---- */

static void loses_verdict(struct session *c)
{
	peer_connected(c);
	peer_takes(c, "STOR /f", 0);
	peer_close(c, WIRE_FIN);
}

SCRIPT(peer_connected, has_it)
{
	peer_mlst(c, TALK_SIZE);
	peer_mlst(c, TALK_SIZE);
}

static void test_verdict_lost(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .scripts = { loses_verdict, has_it } });
	check_stored(t, &result);
	assert_int_equal(peer_count(t->peer, "STOR"), 1);
}

SCRIPT(peer_connected, has_half_of_it)
{
	peer_mlst(c, TALK_SIZE / 2);
	stores_body(c);
}

static void test_verdict_lost_and_bytes(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t,
		   &(struct peer_config){ .scripts = { loses_verdict, has_half_of_it } });
	check_stored(t, &result);
	assert_int_equal(peer_count(t->peer, "STOR"), 2);
}

static void cuts_halfway(struct session *c)
{
	static char some[64 * 1024];

	peer_connected(c);
	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	peer_data_tls(c);
	(void)peer_data_recv(c, some, sizeof(some), NULL);
	peer_data_end(c, WIRE_RST);
	peer_say(c, "426 Connection closed; transfer aborted.");
	peer_goodbye(c);
}

static void drops_halfway(struct session *c)
{
	static char some[64 * 1024];

	peer_connected(c);
	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	peer_data_tls(c);
	(void)peer_data_recv(c, some, sizeof(some), NULL);
	peer_data_end(c, WIRE_RST);
	peer_close(c, WIRE_RST);
}

SCRIPT(peer_connected, stores_whatever_was_thought)
{
	/* Whether all had left the client when it was cut depends on socket buffers. */
	static char got[TALK_SIZE + 1];
	const char *line = peer_expect_prefix(c, "");

	if (strcmp(line, "MLST /f") == 0) {
		peer_say(c, "250-Listing\n type=file;size=65536; /f\n250 End");
		stores_body(c);
		return;
	}
	peer_say(c, "229 Entering Extended Passive Mode (|||%u|)", peer_listen(c));
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	peer_data_tls(c);
	if (peer_data_recv(c, got, sizeof(got), NULL) != TALK_SIZE) {
		peer_fail(c, "not all bytes came");
	}
	peer_say(c, "226 stored");
	peer_mlst(c, TALK_SIZE);
}

static void check_cut(struct talk *t, peer_script *script)
{
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){
			      .scripts = { script, stores_whatever_was_thought } });
	check_stored(t, &result);
	assert_int_equal(peer_count(t->peer, "STOR"), 2);
}

static void test_cut(void **state)
{
	check_cut(*state, cuts_halfway);
}

static void test_dropped(void **state)
{
	check_cut(*state, drops_halfway);
}

static void stops_reading(struct session *c)
{
	static char some[64 * 1024];

	peer_connected(c);
	peer_epsv(c);
	peer_answer(c, "STOR /f", "150 send it");
	peer_data_accept(c);
	peer_data_tls(c);
	(void)peer_data_recv(c, some, sizeof(some), NULL);
	peer_data_await_reset(c);
	peer_say(c, "426 aborted");
	peer_goodbye(c);
}

static void test_cancelled(void **state)
{
	struct talk *t = *state;
	int64_t begin, when;
	struct wait w = { .cancelled = talk_is_after, .arg = &when };
	struct upload_job job;
	struct upload_result result;

	talk_start(t, &(struct peer_config){ .scripts = { stops_reading } });
	(void)talk_remote(t);
	job = job_of(talk_source(HUGE));
	job.size = HUGE;
	begin = now_ms();
	when = begin + 500;
	assert_int_equal(upload_run(t->remote, &w, &job, &result), -EINTR);
	assert_in_range(now_ms() - begin, 500, 1500);
	close(job.fd);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_stored),
		TALK(test_wishes),
		TALK(test_empty),
		TALK(test_nothing_to_ask),
		TALK(test_seen_short_once),
		TALK(test_short_then_good),
		TALK(test_short_for_ever),
		TALK(test_short_then_gone),
		TALK(test_no_reuse),
		TALK(test_refused),
		TALK(test_disk_full),
		TALK(test_quota),
		TALK(test_line_break),
		TALK(test_verdict_lost),
		TALK(test_verdict_lost_and_bytes),
		TALK(test_cut),
		TALK(test_dropped),
		TALK(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
