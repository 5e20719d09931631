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

/* Modifies reply->text. -EPROTO: no facts in it. */
int remote_parse_mlst(struct reply *reply, struct stat_result *ret);

#endif
