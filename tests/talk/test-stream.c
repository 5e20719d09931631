/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Downloads in flight: bytes are right and all there whatever happens to the connection. */
#include "talk.h"

#include "net/stream.h"

enum { SIZE = 1 << 20, PIECE = 64 * 1024 };

static char bytes[SIZE];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (char)(i * 131 >> 5);
	}
}

/* One RETR from `from` on, up to the data connection's TLS. */
static void begin(struct session *c, size_t from)
{
	char line[32];

	peer_epsv(c);
	if (from) {
		snprintf(line, sizeof(line), "REST %zu", from);
		peer_answer(c, line, "350 from there");
	}
	peer_answer(c, "RETR /f", "150 here");
	peer_data_accept(c);
	peer_data_tls(c);
}

static void sends(struct session *c, size_t from, size_t to)
{
	begin(c, from);
	peer_data_send(c, bytes + from, to - from);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

static struct stream *start(struct talk *t, const struct peer_config *config,
			    uint64_t size)
{
	struct stream *s = NULL;

	fill();
	talk_start(t, config);
	t->server.io_timeout = 2000;
	assert_int_equal(stream_new(talk_remote(t), "/f", size, 8 << 20, &s), 0);
	return s;
}

/* Reads len bytes at off: 0 and they are right, or the error. */
static int read_at(struct stream *s, size_t off, size_t len, size_t *ret_len)
{
	struct slice slice = { 0 };
	size_t at = off;
	int r = stream_read(s, NULL, "/f", off, len, &slice);

	if (r < 0) {
		return r;
	}
	for (int i = 0; i < slice.n; i++) {
		assert_memory_equal(slice.iov[i].iov_base, bytes + at,
				    slice.iov[i].iov_len);
		at += slice.iov[i].iov_len;
	}
	assert_int_equal(at - off, slice.len);
	*ret_len = slice.len;
	slice_release(&slice);
	return 0;
}

static void read_from(struct stream *s, size_t off, size_t size)
{
	size_t len = 1;

	while (len > 0) {
		assert_int_equal(read_at(s, off, PIECE, &len), 0);
		off += len;
	}
	assert_int_equal(off, size);
}

static void read_whole(struct stream *s, size_t size)
{
	read_from(s, 0, size);
}

static void end(struct talk *t, struct stream *s)
{
	stream_free(s);
	talk_end(t);
}

/* ---- in order ---- */

static void sends_all(struct session *c)
{
	peer_connected(c);
	sends(c, 0, SIZE);
	peer_goodbye(c);
}

static void test_whole(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { sends_all } }, SIZE);

	read_whole(s, SIZE);
	end(t, s);
	assert_int_equal(peer_count(t->peer, "RETR"), 1);
}

static void test_size_unknown(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { sends_all } }, UINT64_MAX);

	read_whole(s, SIZE);
	end(t, s);
	assert_int_equal(peer_count(t->peer, "RETR"), 1);
}

static void sends_less(struct session *c)
{
	peer_connected(c);
	sends(c, 0, SIZE / 2);
	peer_goodbye(c);
}

/* It ended in order and 226 says so: the file is shorter than it was listed. */
static void test_shorter(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { sends_less } }, SIZE);

	read_whole(s, SIZE / 2);
	end(t, s);
}

static void sends_nothing(struct session *c)
{
	peer_connected(c);
	sends(c, 0, 0);
	peer_goodbye(c);
}

static void test_empty(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { sends_nothing } }, 0);

	read_whole(s, 0);
	end(t, s);
}

/* A server that only ever ends with FIN: all listed bytes came, and 226. */
static void ends_with_fin(struct session *c)
{
	peer_connected(c);
	begin(c, 0);
	peer_data_send(c, bytes, SIZE);
	peer_data_end(c, WIRE_FIN);
	peer_say(c, "226 done");
	peer_goodbye(c);
}

static void test_fin_at_size(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { ends_with_fin } }, SIZE);

	read_whole(s, SIZE);
	end(t, s);
	assert_int_equal(peer_count(t->peer, "RETR"), 1);
}

/* ---- cut ---- */

enum { CUT_AT = 300000 };

static void cuts_data(struct session *c)
{
	peer_connected(c);
	begin(c, 0);
	peer_data_send(c, bytes, CUT_AT);
	peer_sleep(c, 100);
	peer_data_end(c, WIRE_FIN);
	peer_say(c, "426 Connection closed; transfer aborted.");
	peer_goodbye(c);
}

static void cuts_all(struct session *c)
{
	peer_connected(c);
	begin(c, 0);
	peer_data_send(c, bytes, CUT_AT);
	peer_sleep(c, 100);
	peer_data_end(c, WIRE_RST);
	peer_close(c, WIRE_RST);
}

/* 226 for a part, without close_notify: the size says that it was no end. */
static void cuts_and_says_226(struct session *c)
{
	peer_connected(c);
	begin(c, 0);
	peer_data_send(c, bytes, CUT_AT);
	peer_sleep(c, 100);
	peer_data_end(c, WIRE_FIN);
	peer_say(c, "226 done");
	peer_goodbye(c);
}

static void stalls(struct session *c)
{
	peer_connected(c);
	begin(c, 0);
	peer_data_send(c, bytes, CUT_AT);
	(void)peer_data_await_close(c);
	peer_say(c, "426 gone");
	peer_goodbye(c);
}

static void sends_rest(struct session *c)
{
	peer_connected(c);
	sends(c, CUT_AT, SIZE);
	peer_goodbye(c);
}

static void check_resumed(struct talk *t, peer_script *first)
{
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { first, sends_rest } }, SIZE);

	read_whole(s, SIZE);
	end(t, s);
	assert_int_equal(peer_count(t->peer, "RETR"), 2);
}

static void test_cut(void **state)
{
	check_resumed(*state, cuts_data);
}

static void test_cut_all(void **state)
{
	check_resumed(*state, cuts_all);
}

static void test_cut_226(void **state)
{
	check_resumed(*state, cuts_and_says_226);
}

static void test_stall(void **state)
{
	check_resumed(*state, stalls);
}

static void cuts_at_once(struct session *c)
{
	peer_connected(c);
	begin(c, 0);
	peer_data_end(c, WIRE_RST);
	peer_close(c, WIRE_FIN);
}

static void test_gives_up(void **state)
{
	struct talk *t = *state;
	struct stream *s = start(t, &(struct peer_config){ .more = cuts_at_once }, SIZE);
	size_t len = 0;

	assert_int_equal(read_at(s, 0, PIECE, &len), -EIO);
	end(t, s);
	assert_int_equal(peer_facts(t->peer).connections, 1 + t->server.retry);
}

/* ---- refused ---- */

static void has_no_file(struct session *c)
{
	peer_connected(c);
	peer_epsv(c);
	peer_answer(c, "RETR /f", "550 /f: No such file or directory");
	peer_goodbye(c);
}

static void test_missing(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { has_no_file } }, SIZE);
	size_t len = 0;

	assert_int_equal(read_at(s, 0, PIECE, &len), -ENOENT);
	end(t, s);
}

static void cannot_rest(struct session *c)
{
	peer_connected(c);
	peer_epsv(c);
	peer_answer(c, "REST 500000", "502 not implemented");
	peer_answer(c, "RETR /f", "150 from byte 0");
	peer_data_accept(c);
	peer_data_await_reset(c);
	peer_say(c, "426 gone");
	peer_answer(c, "REST 0", "502 not implemented");
	peer_goodbye(c);
}

/* Never the bytes from 0 in their place. */
static void test_rest_refused(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { cannot_rest } }, SIZE);
	size_t len = 0;

	assert_int_equal(read_at(s, 500000, PIECE, &len), -EIO);
	end(t, s);
}

/* ---- re-aimed, cancelled, freed ---- */

enum { FAR = 900000 };

static void is_left(struct session *c)
{
	peer_connected(c);
	begin(c, 0);
	peer_data_send(c, bytes, PIECE);
	(void)peer_data_await_close(c);
	peer_say(c, "426 you left");
	sends(c, 5 * PIECE, SIZE);
	peer_goodbye(c);
}

/* Backwards out of reach: the same connection asks again. */
static void is_left_backwards(struct session *c)
{
	peer_connected(c);
	begin(c, FAR);
	peer_data_send(c, bytes + FAR, 4096);
	(void)peer_data_await_close(c);
	peer_say(c, "426 you left");
	sends(c, 0, SIZE);
	peer_goodbye(c);
}

static void test_reaim(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { is_left_backwards } }, SIZE);
	size_t len = 0;

	assert_int_equal(read_at(s, FAR, 4096, &len), 0);
	assert_int_equal(len, 4096);
	read_whole(s, SIZE);
	end(t, s);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

/* The reader goes; the pump, and with it the connection, stays in order. */
static void test_cancelled(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { is_left } }, SIZE);
	int64_t begin_ms, when;
	struct wait w = { .cancelled = talk_is_after, .arg = &when };
	struct slice slice = { 0 };
	size_t len = 0;

	assert_int_equal(read_at(s, 0, PIECE, &len), 0);
	begin_ms = now_ms();
	when = begin_ms + 150;
	assert_int_equal(stream_read(s, &w, "/f", PIECE, PIECE, &slice), -EINTR);
	assert_in_range(now_ms() - begin_ms, 100, 550);
	assert_int_equal(slice.n, 0);
	stream_free(s);
	/* What is left of it: a stream that starts elsewhere on the same connection. */
	assert_int_equal(stream_new(t->remote, "/f", SIZE, 8 << 20, &s), 0);
	read_from(s, 5 * PIECE, SIZE);
	end(t, s);
}

static void never_answers(struct session *c)
{
	peer_connected(c);
	peer_expect(c, "EPSV");
	peer_raise(peer_of(c), 0);
	peer_expect_end(c);
}

static void *free_later(void *arg)
{
	struct talk *t = arg;

	(void)peer_await(t->peer, 0);
	remote_shutdown(t->remote);
	return NULL;
}

/* The file system ends while a reader waits. */
static void test_shutdown(void **state)
{
	struct talk *t = *state;
	struct stream *s =
		start(t, &(struct peer_config){ .scripts = { never_answers } }, SIZE);
	pthread_t ender;
	size_t len = 0;
	int64_t begin_ms = now_ms();

	assert_int_equal(pthread_create(&ender, NULL, free_later, t), 0);
	assert_int_equal(read_at(s, 0, PIECE, &len), -EIO);
	assert_true(now_ms() - begin_ms < 2500);
	pthread_join(ender, NULL);
	end(t, s);
}

static void sends_some_for_ever(struct session *c)
{
	peer_connected(c);
	begin(c, 0);
	peer_data_send(c, bytes, PIECE);
	peer_expect_end(c);
}

/* A server that answers nothing any more must not hold whoever closes a file. */
static void test_free_bounded(void **state)
{
	struct talk *t = *state;
	struct stream *s = start(
		t, &(struct peer_config){ .scripts = { sends_some_for_ever } }, SIZE);
	int64_t begin_ms;
	size_t len = 0;

	assert_int_equal(read_at(s, 0, PIECE, &len), 0);
	begin_ms = now_ms();
	stream_free(s);
	assert_true(now_ms() - begin_ms < 2500);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_whole),	 TALK(test_size_unknown), TALK(test_shorter),
		TALK(test_empty),	 TALK(test_fin_at_size),  TALK(test_cut),
		TALK(test_cut_all),	 TALK(test_cut_226),	  TALK(test_stall),
		TALK(test_gives_up),	 TALK(test_missing),	  TALK(test_rest_refused),
		TALK(test_reaim),	 TALK(test_cancelled),	  TALK(test_shutdown),
		TALK(test_free_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
