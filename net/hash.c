/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/hash.h"

#include "net/look.h"
#include "net/path.h"
#include "net/remote_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	SLOWEST =
		20 *
		1024, /* bytes a millisecond that a server is thought to read at least */
	AT_ONCE = 64 << 20, /* a larger file is asked for in a flight of its own */
};

/* host->hash_ways has a bit for each of them. */
static const struct way {
	enum digest_kind kind;
	const char *verb;
	const char *option; /* of OPTS HASH */
} ways[] = {
	{ DIGEST_SHA256, "HASH", "SHA-256" }, { DIGEST_SHA1, "HASH", "SHA-1" },
	{ DIGEST_MD5, "HASH", "MD5" },	      { DIGEST_CRC32, "HASH", "CRC32" },
	{ DIGEST_SHA256, "XSHA256", NULL },   { DIGEST_SHA1, "XSHA1", NULL },
	{ DIGEST_SHA1, "XSHA", NULL },	      { DIGEST_MD5, "XMD5", NULL },
	{ DIGEST_MD5, "MD5", NULL },	      { DIGEST_CRC32, "XCRC", NULL },
};

void hash_learn(struct host *host, const struct reply *feat)
{
	unsigned found = 0;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		const struct way *way = &ways[i];

		if (way->option ? reply_feature_lists(feat, way->verb, way->option)
				: reply_feature(feat, way->verb) != NULL) {
			found |= 1u << i;
		}
	}
	host->hash_ways = found;
}

static const struct way *best_way(struct host *host, enum digest_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (ways[i].kind == kind && (host->hash_ways & 1u << i)) {
			return &ways[i];
		}
	}
	return NULL;
}

bool hash_offered(struct host *host, enum digest_kind kind)
{
	return best_way(host, kind) != NULL;
}

/* The X verbs split their arguments at blanks. */
static int path_arg(char *ret, size_t size, const struct way *way, const char *path)
{
	const char *quote = way->verb[0] == 'X' && strchr(path, ' ') ? "\"" : "";

	return snprintf(ret, size, "%s%s%s", quote, path, quote) < (int)size
		       ? 0
		       : -ENAMETOOLONG;
}

/* OPTS HASH holds for one connection, which anybody may have had since. */
static int ask(struct control *c, const struct wait *w, const struct way *way,
	       const char *path, uint64_t size, struct reply *ret)
{
	_cleanup_free_ char *choice = NULL;
	struct command cmds[2];
	struct reply replies[2] = { { 0 } };
	int64_t timeout = control_server(c)->io_timeout + (int64_t)(size / SLOWEST);
	int r = 0;

	if (!way->option) {
		return control_command_within(c, w, way->verb, path, timeout, ret);
	}
	if (asprintf(&choice, "HASH %s", way->option) < 0) {
		choice = NULL;
		return -ENOMEM;
	}
	cmds[0] = (struct command){ "OPTS", choice };
	cmds[1] = (struct command){ way->verb, path };
	if (size <= AT_ONCE) {
		r = control_batch(c, w, cmds, 2, replies);
	} else {
		r = control_command(c, w, "OPTS", choice, &replies[0]);
		if (r == 0) {
			r = control_command_within(c, w, way->verb, path, timeout,
						   &replies[1]);
		}
	}
	reply_release(&replies[0]);
	*ret = replies[1];
	return r;
}

int hash_on(struct control *c, const struct wait *w, const char *path, uint64_t size,
	    enum digest_kind kind, char ret[static DIGEST_HEX_MAX + 1])
{
	struct host *host = control_host(c);
	const struct way *way;
	char arg[PATH_COMMAND_MAX];

	while ((way = best_way(host, kind)) != NULL) {
		_cleanup_reply_ struct reply reply = { 0 };
		int r = path_arg(arg, sizeof(arg), way, path);

		if (r == 0) {
			r = ask(c, w, way, arg, size, &reply);
		}
		if (r < 0) {
			return r;
		}
		if (reply_is(&reply, 2) && reply_digest(&reply, digest_hex_len(kind),
							way->option != NULL, ret)) {
			return 0;
		}
		if (!reply_is(&reply, 2) && !look_unknown(&reply)) {
			r = reply_errno(&reply);
			return r ? -r : -EIO;
		}
		host->hash_ways &= ~(1u << (way - ways));
	}
	return -EOPNOTSUPP;
}

/* ---- as a verb of the server ---- */

struct hash_job {
	const char *path;
	uint64_t size;
	enum digest_kind kind;
	char *hex;
};

static int hash_verb(struct remote *r, struct control *c, const struct wait *w, void *arg)
{
	const struct hash_job *job = arg;

	(void)r;
	return hash_on(c, w, job->path, job->size, job->kind, job->hex);
}

bool remote_has_hash(struct remote *r, enum digest_kind kind)
{
	struct host *host = pool_host(r->pool);

	return !host->known || hash_offered(host, kind);
}

int remote_hash(struct remote *r, const struct wait *w, const char *path, uint64_t size,
		enum digest_kind kind, char ret[static DIGEST_HEX_MAX + 1])
{
	struct hash_job job = { .path = path, .size = size, .kind = kind, .hex = ret };

	return remote_run(r, w, true, path, hash_verb, &job);
}
