/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A data connection opened ahead of its command: one a control connection, passive mode under
 * TLS only. It saves two round trips: EPSV and TCP are over before somebody waits.
 *
 * Nothing here waits but warm_take(), and only for TCP. The connection says nothing before its
 * command does (pyftpdlib resets those that do), and is trusted no more than any other: the
 * handshake is to come. Whatever is wrong with it, the answer is a transfer without it. */
#ifndef NET_WARM_H
#define NET_WARM_H

#include "net/control.h"

/* Zeroed: none. */
struct warm {
	struct channel *ch;
	bool connecting;
	int64_t since; /* now_ms() */
};

/* The command to send for the next one, or NULL where none is wanted now. */
const char *warm_verb(struct control *c);
/* Its reply: begins the connection, or learns why not. */
void warm_begin(struct control *c, const struct reply *reply);

/* One is there, or about to be, and fit for use as far as can be seen without asking. */
bool control_is_warm(struct control *c);
/* Which of two idle connections to lend: the warm one, else the one used last, so that others
 * may grow old and go. */
bool warm_better(struct control *a, struct control *b);
/* Hands it out, connected, and owned by the caller then; NULL: none. -EINTR. */
int warm_take(struct control *c, const struct wait *w, struct channel **ret);
void warm_drop(struct control *c);
/* Server ports are few and idle ones held in vain: drops one that is too old. */
void warm_expire(struct control *c);
/* It made trouble: none for a while, on any connection of this host. */
void warm_hold(struct control *c, const char *why);

#endif
