/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verify=hash: what went out is digested on its way, and compared with what the server makes of
 * the file that it has. */
#include "net/upload_private.h"

#include "net/hash.h"
#include "net/remote_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	PART = 256 * 1024,
	/* ProFTPD answers from memory while time and size of a file are the same. */
	NEXT_SECOND_MS = 1100,
};

static bool wanted(const struct upload *u)
{
	return remote_server(u->remote)->verify == VERIFY_HASH && !u->undigested;
}

/* The best kind that both sides know. */
static bool begin(struct upload *u)
{
	struct host *host = pool_host(u->remote->pool);

	for (unsigned kind = 0; !u->digest && kind < DIGEST_KINDS; kind++) {
		if (hash_offered(host, (enum digest_kind)kind) &&
		    digest_new((enum digest_kind)kind, &u->digest) == 0) {
			u->digest_kind = (enum digest_kind)kind;
		}
	}
	return u->digest != NULL;
}

/* What an append leaves out and the local file may have all the same. */
static bool catch_up(struct upload *u, uint64_t to)
{
	_cleanup_free_ char *part = u->job->whole ? malloc(PART) : NULL;

	while (part && u->digested < to) {
		ssize_t n = pread(u->job->fd, part,
				  (size_t)MIN(to - u->digested, (uint64_t)PART),
				  (off_t)u->digested);

		if (n <= 0) {
			break;
		}
		digest_add(u->digest, part, (size_t)n);
		u->digested += (uint64_t)n;
	}
	return u->digested >= to;
}

void upload_digest(struct upload *u, const char *data, size_t len, uint64_t at)
{
	uint64_t known;

	if (!wanted(u)) {
		return;
	}
	if (!begin(u) || !catch_up(u, at)) {
		u->undigested = true;
		return;
	}
	known = u->digested - at; /* what is sent again */
	if (known < len) {
		digest_add(u->digest, data + known, len - (size_t)known);
		u->digested = at + len;
	}
}

static void tell_once(struct upload *u, struct host *host)
{
	if (!host->no_hash_told) {
		host->no_hash_told = true;
		hook_printf(u->hook, LEVEL_WARN,
			    "verify=hash: the server computes no digests that could be "
			    "compared (no HASH, XSHA256 ...): sizes are");
	}
}

int upload_verify(struct upload *u, struct control *c)
{
	struct host *host = control_host(c);
	char ours[DIGEST_HEX_MAX + 1], theirs[DIGEST_HEX_MAX + 1];
	int r;

	if (remote_server(u->remote)->verify != VERIFY_HASH) {
		return 0;
	}
	if (!wanted(u) || !begin(u) || u->digested != u->size || u->shift != 0) {
		if (!u->digest) {
			tell_once(u, host);
		}
		return 0;
	}
	r = hash_on(c, u->wait, u->job->path, u->size, u->digest_kind, theirs);
	if (r < 0 && !control_alive(c)) {
		return upload_lost(r);
	}
	if (r < 0) {
		tell_once(u, host);
		return 0;
	}
	digest_hex(u->digest, ours);
	if (strcmp(ours, theirs) == 0) {
		return 0;
	}
	hook_printf(
		u->hook, LEVEL_WARN,
		"%s: the server confirmed the upload, but has other bytes (its digest is "
		"%s, ours %s)",
		u->job->path, theirs, ours);
	u->stage = SEND;
	u->no_resume = true;
	if (u->job->append) {
		return -EIO; /* what stood in front of it is not ours to send again */
	}
	r = wait_sleep(u->wait, now_ms() + NEXT_SECOND_MS);
	return r < 0 ? r : TRY_AGAIN;
}
