/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lends whole logged-in control connections, at most server->max_conns and never more
 * than the server was found to allow. Thread-safe. Never dials under its lock. Waiters
 * are served in order. Rule for callers: an operation that holds a connection never waits
 * for another one (interop #4). */
#ifndef NET_POOL_H
#define NET_POOL_H

#include "net/control.h"

struct pool;

enum pool_use {
	POOL_COMMAND, /* short: stat, list, rename */
	POOL_TRANSFER, /* long: downloads and uploads; leaves one connection to commands
			  when there are two or more */
	POOL_AHEAD, /* for what nobody has asked for yet: only what is idle, see below */
};

int pool_new(const struct server *server, struct pool **ret);
/* Starts the keep-alive thread: after the last fork. From then on further connections are made
 * on threads of their own, as many as requests wait for one, and who waits takes what is free
 * first. */
int pool_start(struct pool *p);
/* Kills what is lent, closes the rest (QUIT), waits until all is returned (bounded). */
void pool_shutdown(struct pool *p);
void pool_free(struct pool *p); /* after pool_shutdown; takes NULL */

/* A healthy connection. Blocks while all are busy. -EINTR; -ETIMEDOUT after io_timeout of
 * nothing returned; -EACCES once the server has refused the password (no further login
 * attempt until pool_forgive()); -ESHUTDOWN; or why dialling failed. words may be NULL.
 * fresh: dial a new one even if idle ones are there (they may be as dead as the one that
 * just failed). */
int pool_borrow(struct pool *p, enum pool_use use, bool fresh, const struct wait *w,
		struct control **ret, struct words *words);
/* POOL_AHEAD never waits and never takes what a request could want: -EAGAIN when somebody waits
 * or too little is idle. A further connection may be on its way then: try again with the next
 * piece of work. Let go when pool_is_short(). */
/* Gives it back; closes it when it is lost or owes replies. */
void pool_return(struct pool *p, struct control *c);

/* Somebody waits for a connection: idle holders should let go. Cheap. */
bool pool_is_short(struct pool *p);
/* How many connections the server was found to allow, max_conns at most. */
unsigned pool_limit(struct pool *p);
/* Forget a refused password and hold-downs (SIGHUP). */
void pool_forgive(struct pool *p);

struct host *pool_host(struct pool *p);
const struct server *pool_server(const struct pool *p);

#endif
