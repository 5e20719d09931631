/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verify=size|hash|no: what is compared with the server once it has said 226. */
#include "talk.h"

#include "net/upload.h"

enum { AT = 100000 };

static const char with_digest[] = "211-Features:\n SIZE\n XSHA256\n211 End";
static const char without[] = "211-Features:\n SIZE\n211 End";
static const char wrong[] =
	"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/* Of the bytes that talk_source() makes. */
static char right[DIGEST_HEX_MAX + 1];

static int digest_source(void **state)
{
	_cleanup_free_ char *bytes = malloc(TALK_SIZE);
	int fd = talk_source(TALK_SIZE);
	struct digest *d = NULL;

	(void)state;
	assert_int_equal(pread(fd, bytes, TALK_SIZE, 0), TALK_SIZE);
	assert_int_equal(digest_new(DIGEST_SHA256, &d), 0);
	digest_add(d, bytes, TALK_SIZE);
	digest_hex(d, right);
	digest_free(d);
	close(fd);
	return 0;
}

static int run(struct talk *t, enum verify_mode verify, bool append, bool whole)
{
	struct upload_result result = { 0 };
	struct upload_job job = {
		.path = "/f",
		.fd = talk_source(TALK_SIZE),
		.size = TALK_SIZE,
		.append = append,
		.append_at = AT,
		.whole = whole,
		.mtime = -1,
		.mode = -1,
	};
	int r;

	t->server.verify = verify;
	r = upload_run(t->remote ? t->remote : talk_remote(t), NULL, &job, &result);
	close(job.fd);
	return r;
}

static void peer_size(struct session *c, int size)
{
	peer_expect(c, "SIZE /f");
	peer_say(c, "213 %d", size);
}

static void peer_stores(struct session *c, const char *digest)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_size(c, TALK_SIZE);
	peer_expect(c, "XSHA256 /f");
	peer_say(c, "250 %s", digest);
}

SCRIPT(peer_connected, stores)
{
	peer_stores(c, right);
}

static void test_same(void **state)
{
	struct talk *t = *state;

	talk_start(t,
		   &(struct peer_config){ .feat = with_digest, .scripts = { stores } });
	assert_int_equal(run(t, VERIFY_HASH, false, false), 0);
	talk_end(t);
}

SCRIPT(peer_connected, spoils_it)
{
	peer_stores(c, wrong);
}

static void fresh_stores(struct session *c)
{
	peer_login(c);
	peer_stores(c, right);
	peer_goodbye(c);
}

static void fresh_spoils(struct session *c)
{
	peer_login(c);
	peer_stores(c, wrong);
	peer_goodbye(c);
}

/* As large as it should be, and other bytes: sent once more. */
static void test_other_bytes_once(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = with_digest,
					     .scripts = { spoils_it, fresh_stores } });
	assert_int_equal(run(t, VERIFY_HASH, false, false), 0);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "STOR"), 2);
	assert_true(talk_logged(t, "has other bytes"));
}

static void test_other_bytes_for_ever(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = with_digest,
					     .scripts = { spoils_it },
					     .more = fresh_spoils });
	assert_int_equal(run(t, VERIFY_HASH, false, false), -EIO);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "STOR"), 1 + t->server.retry);
}

SCRIPT(peer_connected, appends_well)
{
	peer_size(c, AT);
	peer_takes(c, "APPE /f", AT);
	peer_say(c, "226 stored");
	peer_size(c, TALK_SIZE);
	peer_expect(c, "XSHA256 /f");
	peer_say(c, "250 %s", right);
}

static void test_append(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = with_digest,
					     .scripts = { appends_well } });
	assert_int_equal(run(t, VERIFY_HASH, true, true), 0);
	talk_end(t);
}

SCRIPT(peer_connected, appends_badly)
{
	peer_size(c, AT);
	peer_takes(c, "APPE /f", AT);
	peer_say(c, "226 stored");
	peer_size(c, TALK_SIZE);
	peer_expect(c, "XSHA256 /f");
	peer_say(c, "250 %s", wrong);
}

static void test_append_other_bytes(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = with_digest,
					     .scripts = { appends_badly } });
	assert_int_equal(run(t, VERIFY_HASH, true, true), -EIO);
	talk_end(t);
}

SCRIPT(peer_connected, appends_unseen)
{
	peer_size(c, AT);
	peer_takes(c, "APPE /f", AT);
	peer_say(c, "226 stored");
	peer_size(c, TALK_SIZE);
}

/* The bytes in front are not here: sizes have to do, and nobody is to blame. */
static void test_append_unknown(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = with_digest,
					     .scripts = { appends_unseen } });
	assert_int_equal(run(t, VERIFY_HASH, true, false), 0);
	talk_end(t);
	assert_false(talk_logged(t, "verify=hash"));
}

SCRIPT(peer_connected, has_no_digest)
{
	for (int i = 0; i < 2; i++) {
		peer_takes(c, "STOR /f", 0);
		peer_say(c, "226 stored");
		peer_size(c, TALK_SIZE);
	}
}

static void test_not_offered(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = without,
					     .scripts = { has_no_digest } });
	assert_int_equal(run(t, VERIFY_HASH, false, false), 0);
	assert_true(talk_logged(t, "verify=hash: the server computes no digests"));
	assert_int_equal(run(t, VERIFY_HASH, false, false), 0);
	talk_end(t);
}

SCRIPT(peer_connected, does_not_know_it)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_size(c, TALK_SIZE);
	peer_answer(c, "XSHA256 /f", "500 what?");
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
	peer_size(c, TALK_SIZE);
}

static void test_offered_in_vain(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = with_digest,
					     .scripts = { does_not_know_it } });
	assert_int_equal(run(t, VERIFY_HASH, false, false), 0);
	assert_int_equal(run(t, VERIFY_HASH, false, false), 0);
	talk_end(t);
	assert_true(talk_logged(t, "verify=hash: the server computes no digests"));
}

SCRIPT(peer_connected, is_believed)
{
	peer_takes(c, "STOR /f", 0);
	peer_say(c, "226 stored");
}

static void test_no(void **state)
{
	struct talk *t = *state;

	talk_start(t, &(struct peer_config){ .feat = with_digest,
					     .scripts = { is_believed } });
	assert_int_equal(run(t, VERIFY_NO, false, false), 0);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_same),
		TALK(test_other_bytes_once),
		TALK(test_other_bytes_for_ever),
		TALK(test_append),
		TALK(test_append_other_bytes),
		TALK(test_append_unknown),
		TALK(test_not_offered),
		TALK(test_offered_in_vain),
		TALK(test_no),
	};

	return cmocka_run_group_tests(tests, digest_source, NULL);
}
