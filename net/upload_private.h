/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by upload.c (sending, and the stages) and upload_after.c (what is asked for and
 * looked at once the server has confirmed). */
#ifndef NET_UPLOAD_PRIVATE_H
#define NET_UPLOAD_PRIVATE_H

#include "net/upload.h"
#include "tls/digest.h"

enum upload_stage { SEND, PAUSED, DOUBT, AFTER };

struct upload {
	struct remote *remote;
	const struct wait *wait;
	const struct upload_job *job;
	const struct log_hook *hook;
	enum upload_stage stage;
	unsigned silent; /* how often the server cut the data without a word */
	int64_t shift; /* the server had so many bytes more than append_at */
	uint64_t size; /* the whole file's: the job's, or what the feed has told last */
	uint64_t sent; /* bytes of it that went out, at most */
	bool begun; /* an APPE may have left something behind */
	bool opened; /* the server has opened the file for us: what it has is ours */
	bool no_resume; /* going on by APPE was refused */
	bool mode_sent, mtime_sent;
	/* verify=hash: of the bytes [0, digested); undigested: it cannot be had. */
	struct digest *digest;
	enum digest_kind digest_kind;
	uint64_t digested;
	bool undigested;
	struct upload_result result;
};

/* Beside 0 and negative errnos, which are final: */
enum { TRY_AGAIN = 1 };

/* A lost conversation is worth another; what was wrong with us is not. */
int upload_lost(int r);
/* What the server has when all is done. */
uint64_t upload_whole(const struct upload *u);

/* Bytes that went out. */
void upload_digest(struct upload *u, const char *data, size_t len, uint64_t at);
/* 0: they are what the server has, or it cannot be told; TRY_AGAIN, negative as above. */
int upload_verify(struct upload *u, struct control *c);
/* Stage AFTER: wishes and look on c. 0: done; TRY_AGAIN, or SEND again; negative: final. */
int upload_after(struct upload *u, struct control *c);
/* What the batch could not carry: the whole ladder of ways to set a time, on whatever
 * connection is free. */
void upload_late_wishes(struct upload *u);

#endif
