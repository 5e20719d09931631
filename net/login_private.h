/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by greet.c, login.c and clear.c only. */
#ifndef NET_LOGIN_PRIVATE_H
#define NET_LOGIN_PRIVATE_H

#include "net/control.h"

/* Greeting and, as the mode says, TLS before or behind it. */
int login_open_channel(struct control *c, const struct wait *w, struct words *words);
/* CCC as the options want it: what is secret has been said. */
int login_clear(struct control *c, const struct wait *w, struct words *words);

/* Words for a connection that was lost at this point; returns r. */
int login_closed(const struct server *s, int r, const char *when, struct words *words);
/* Service not available, or too many of us: no fault of the user's. -EUSERS. */
int login_limited(const struct server *s, const struct reply *reply, struct words *words);
/* The first read after the handshake failed and TLS is why: the words say so. A TLS 1.3
 * server that misses our certificate tells it only then, by an alert or, when our bytes
 * cross it, by a reset. */
bool login_tls_explains(struct control *c, int r, const char *when, struct words *words);

#endif
