/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An upload of a local file: STOR or APPE, its verdict, and what the server says it has
 * afterwards. */
#ifndef NET_UPLOAD_H
#define NET_UPLOAD_H

#include "net/remote.h"

/* A file that is still being written while it is uploaded. */
enum { UPLOAD_PAUSE = 1 };
struct upload_feed {
	/* The file's first *ret_end bytes may be sent; all before `at` are. Waits until that
	 * is more than `at`, or equal to it: then this was the end. 0; UPLOAD_PAUSE, unless
	 * `idle` (no connection is held meanwhile): nothing comes for a while, the connection
	 * is to be let go; negative: the upload ends with that. */
	int (*more)(void *arg, uint64_t at, bool idle, uint64_t *ret_end);
	/* Sending begins, or goes on, at `at`: whether the bytes from there on are still in
	 * the local file. They are held until they are sent, then. */
	bool (*hold)(void *arg, uint64_t at);
	void *arg;
};

struct upload_job {
	const char *path; /* remote, absolute */
	int fd; /* local source, read with pread */
	uint64_t size; /* the whole file's size when done; with a feed the feed tells */
	const struct upload_feed *feed; /* or NULL */
	bool fresh; /* the server had no content there before: what it has is ours, and a
		       large upload that was cut goes on behind it by APPE */
	bool append; /* send only [append_at, size) with APPE; the server's file has
			append_at bytes now */
	uint64_t append_at;
	bool whole; /* with append: fd has the bytes in front of append_at, too */
	bool append_anywhere; /* O_APPEND: behind whatever the server has when it begins */
	/* Wanted afterwards, sent in one batch with the size check; -1: leave as it
	 * comes. */
	int64_t mtime; /* seconds UTC */
	int mode; /* permission bits */
	bool mode_required; /* false: a refused SITE CHMOD is not an error (creation
			       modes) */
};

/* What the server has now. */
struct upload_result {
	uint64_t size;
	int64_t mtime; /* -1: the server did not say */
	int mode; /* -1: unknown */
	int mtime_error,
		mode_error; /* 0 or -errno: the bytes are there, but this was refused */
};

/* 0 only when the server has confirmed the transfer (226/250) and has exactly job->size
 * bytes (SIZE or MLST; servers that offer neither are believed). A lost
 * connection starts STOR over (see `fresh`), and continues APPE from the size the server has,
 * on up to server->retry fresh connections in a row without progress. -ENOSPC, -EDQUOT,
 * -EACCES, -EISDIR, -ENOENT, -EROFS, -EIO, -EINTR; -ESTALE: before an append the server's
 * file did not have append_at bytes, nothing was sent. The size verified after a 226 may be
 * short once (T48): looked at twice. server->verify: hash compares digests, too, where the server
 * has them and all bytes are known; no believes the 226. */
int upload_run(struct remote *r, const struct wait *w, const struct upload_job *job,
	       struct upload_result *ret);

#endif
