/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Appends: nothing is sent twice, nothing behind bytes that are not the expected ones. */
#include "talk.h"

#include "net/upload.h"

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

enum { AT = 100000 };

static int run_append(struct talk *t, struct upload_result *result)
{
	struct upload_job job = job_of(talk_source(TALK_SIZE));

	job.append = true;
	job.append_at = AT;
	return run(t, &job, result);
}

SCRIPT(peer_connected, appends)
{
	peer_mlst(c, AT);
	peer_takes(c, "APPE /f", AT);
	peer_say(c, "226 stored");
	peer_mlst(c, TALK_SIZE);
}

static void test_append(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .scripts = { appends } });
	assert_int_equal(run_append(t, &result), 0);
	talk_end(t);
}

SCRIPT(peer_connected, has_grown)
{
	peer_mlst(c, AT + 5);
}

static void test_append_stale(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){ .scripts = { has_grown } });
	assert_int_equal(run_append(t, &result), -ESTALE);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "APPE"), 0);
	assert_int_equal(peer_count(t->peer, "EPSV"), 0);
}

static void loses_append(struct session *c)
{
	peer_connected(c);
	peer_mlst(c, AT);
	peer_takes(c, "APPE /f", AT);
	peer_close(c, WIRE_RST);
}

SCRIPT(peer_connected, has_some_of_the_append)
{
	peer_mlst(c, AT + 50000);
	peer_mlst(c, AT + 50000);
	peer_takes(c, "APPE /f", AT + 50000);
	peer_say(c, "226 stored");
	peer_mlst(c, TALK_SIZE);
}

/* What has arrived is not sent twice. */
static void test_append_continued(void **state)
{
	struct talk *t = *state;
	struct upload_result result = { 0 };

	talk_start(t, &(struct peer_config){
			      .scripts = { loses_append, has_some_of_the_append } });
	assert_int_equal(run_append(t, &result), 0);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_append),
		TALK(test_append_stale),
		TALK(test_append_continued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
