/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same bytes in one piece and in pieces must give the same replies, and what reads
 * a reply must live with every one of them. */
#include "net/reply.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void use(const struct reply *r)
{
	_cleanup_free_ char *path = reply_path(r);
	const char *words = reply_words(r);
	const char *end = r->text + strlen(r->text);
	const char *feature = reply_feature(r, "REST STREAM");
	char hex[65];
	int err = reply_errno(r);

	must(r->code >= 100 && r->code <= 599);
	must(words >= r->text && words <= end);
	must(!feature || (feature > r->text && feature <= end));
	must(err >= 0 && (err == 0 || r->code >= 400));
	must(!reply_is_limit(r) || r->code == 421 || r->code == 530);
	(void)reply_feature_lists(r, "HASH", "MD5");
	for (size_t digits = 8; digits < sizeof(hex); digits *= 2) {
		must(!reply_digest(r, digits, digits == 32, hex) ||
		     (strlen(hex) == digits &&
		      strspn(hex, "0123456789abcdef") == digits));
	}
	must(!path || (path[0] && !strpbrk(path, "\r\n")));
}

/* Appends every reply of data, taken in pieces of step bytes, to out; the last result. */
static ssize_t parse(const char *data, size_t size, size_t step, struct buf *out)
{
	struct reply_parser p = { 0 };
	size_t at = 0;
	ssize_t used = 0;

	while (at < size) {
		_cleanup_reply_ struct reply r = { 0 };
		size_t piece = MIN(step, size - at);
		bool done = false;

		used = reply_parse(&p, data + at, piece, &done, &r);
		if (used < 0) {
			break;
		}
		must(used > 0 && (size_t)used <= piece &&
		     (done || (size_t)used == piece));
		at += (size_t)used;
		if (done) {
			use(&r);
			must(buf_printf(out, "%d %s\n", r.code, r.text) == 0);
		}
	}
	reply_parser_release(&p);
	return used < 0 ? used : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf whole = { .limit = 64 * 1024 * 1024 };
	_cleanup_buf_ struct buf pieces = { .limit = 64 * 1024 * 1024 };
	ssize_t r;

	if (size == 0) {
		return 0;
	}
	r = parse((const char *)data, size, size, &whole);
	must(parse((const char *)data, size, 1 + size / 7, &pieces) == r);
	must(strcmp(buf_str(&whole), buf_str(&pieces)) == 0);
	buf_clear(&pieces);
	must(parse((const char *)data, size, 1, &pieces) == r);
	must(strcmp(buf_str(&whole), buf_str(&pieces)) == 0);
	return 0;
}
