/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by remote.c, remote_list.c and upload.c only. */
#ifndef NET_REMOTE_PRIVATE_H
#define NET_REMOTE_PRIVATE_H

#include "net/remote.h"

struct remote {
	const struct server *server;
	struct pool *pool;
	struct mutex lock;
	char *base; /* set once, under lock */
	/* Hashes of directories whose listings the log has complained about, under lock. */
	uint32_t listing_told[256];
};

/* One verb on a borrowed connection, repeated on a fresh one after a loss: always when
 * repeatable, else only if nothing of it can have reached the server. what: for the log.
 */
typedef int remote_verb(struct remote *r, struct control *c, const struct wait *w,
			void *arg);
int remote_run(struct remote *r, const struct wait *w, bool repeatable, const char *what,
	       remote_verb *fn, void *arg);

/* remote_list() and remote_stat() on a connection in hand, without retries. */
int remote_stat_on(struct remote *r, struct control *c, const struct wait *w,
		   const char *path, struct stat_result *ret);
int remote_list_on(struct remote *r, struct control *c, const struct wait *w,
		   const char *path, struct listing **ret);

/* ---- listings: remote_list.c, remote_lines.c, remote_times.c ---- */

struct list_job {
	const char *path;
	struct listing *result;
};

/* With what the host is known for. */
struct listing *remote_listing_new(struct remote *r, const struct control *c,
				   enum listing_format format);
/* listing_end(), what it teaches, and the log's word on what is missing. last_words: what
 * the server said behind it. */
int remote_listing_end(struct remote *r, struct listing *l, const char *path,
		       const char *last_words);
/* On a data connection. 0 and *ret; 1: refused, *refusal; negative. */
int remote_list_fetch(struct remote *r, struct control *c, const struct wait *w,
		      const char *verb, const char *arg, const char *path,
		      struct listing **ret, struct reply *refusal);
/* -EIO for a refusal that speaks of the data connection. */
int remote_list_trouble(struct remote *r, struct control *c, const char *path,
			const struct reply *reply);
/* By LIST or STAT; times as the server writes them. */
int remote_list_lines(struct remote *r, struct control *c, const struct wait *w,
		      struct list_job *job);
/* Makes times of LIST UTC, and exact where the server tells. */
int remote_refine_times(struct remote *r, struct control *c, const struct wait *w,
			const char *path, struct listing *l);
/* What the server's clock is ahead of UTC in its listings, seconds; false: not known. */
bool remote_zone(struct remote *r, int *ret);

/* Modifies reply->text. -EPROTO: no facts in it. */
int remote_parse_mlst(struct reply *reply, struct stat_result *ret);

#endif
