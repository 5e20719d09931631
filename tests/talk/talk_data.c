/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The moves of tests that transfer: downloads and uploads of one file, /f. */
#include "talk.h"

#include <sys/mman.h>

const char TALK_TEXT[] = "what the file says\n";

void talk_serve(struct talk *t, peer_script *script)
{
	talk_start(t, &(struct peer_config){ .scripts = { script } });
	(void)talk_login(t);
}

int talk_open(struct talk *t, const char *verb, uint64_t rest, struct transfer **ret,
	      struct reply *refusal)
{
	return transfer_open(t->control, NULL, verb, "/f", rest, ret, refusal, &t->words);
}

/* transfer_open() that must work. */
struct transfer *talk_open_ok(struct talk *t, const char *verb)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	struct transfer *tr = NULL;
	int r = talk_open(t, verb, 0, &tr, &refusal);

	if (r != 0) {
		fail_msg("transfer_open: %d %s: %s", r, t->words.text,
			 refusal.text ? refusal.text : "");
	}
	return tr;
}

int talk_read_all(struct transfer *tr, char *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size) {
		n = transfer_read(tr, NULL, buf + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	*ret_len = len;
	return (int)n;
}

void talk_finish_with(struct talk *t, struct transfer *tr, int code)
{
	_cleanup_reply_ struct reply reply = { 0 };

	assert_int_equal(transfer_finish(tr, NULL, &reply), 0);
	assert_int_equal(reply.code, code);
	assert_int_equal(control_owed(t->control), 0);
}

void talk_download_ok(struct talk *t)
{
	struct transfer *tr = talk_open_ok(t, "RETR");
	char buf[256];
	size_t len;

	assert_int_equal(talk_read_all(tr, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, strlen(TALK_TEXT));
	assert_memory_equal(buf, TALK_TEXT, len);
	talk_finish_with(t, tr, 226);
}

void talk_noop_ok(struct talk *t)
{
	_cleanup_reply_ struct reply reply = { 0 };

	assert_true(control_alive(t->control));
	assert_int_equal(control_owed(t->control), 0);
	assert_int_equal(control_command(t->control, NULL, "NOOP", NULL, &reply), 0);
	assert_int_equal(reply.code, 200);
}

bool talk_is_after(void *arg)
{
	return now_ms() >= *(int64_t *)arg;
}

/* ---- uploads ---- */

static char source_byte(size_t i)
{
	return (char)(i * 131 >> 5);
}

int talk_source(size_t size)
{
	static char bytes[TALK_SIZE];
	size_t n = MIN(size, sizeof(bytes));
	int fd = memfd_create("source", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = source_byte(i);
	}
	assert_int_equal(pwrite(fd, bytes, n, 0), n);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

void peer_takes(struct session *c, const char *command, size_t from)
{
	char *got = malloc(TALK_SIZE + 1);
	size_t n = peer_upload(c, command, got, TALK_SIZE + 1), same = 0;

	while (same < n && got[same] == source_byte(from + same)) {
		same++;
	}
	if (n != TALK_SIZE - from || same != n) {
		peer_fail(c, "%zu bytes came, of which %zu as they should be", n, same);
	}
	free(got);
}

void peer_mlst(struct session *c, size_t size)
{
	peer_expect(c, "MLST /f");
	peer_say(c,
		 "250-Listing\n type=file;size=%zu;modify=20260102030405;UNIX.mode=0644; "
		 "/f\n250 End",
		 size);
}
