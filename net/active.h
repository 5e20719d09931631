/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Active mode: we listen, the server connects. The TLS client is still us.
 *
 * Where: on the control connection's own address, which is what the server's check of the
 * argument (its own guard against bounces) and a firewall's rule expect; active_ports and
 * active_addr say otherwise. Who: only the machine at the other end of the control
 * connection; others are closed, logged, and waited past. */
#ifndef NET_ACTIVE_H
#define NET_ACTIVE_H

#include "net/control.h"

struct active;

/* Listens and tells the server where: EPRT, and PORT where EPRT is refused (remembered in
 * struct host). 0; 1: a passing refusal, *ret_refusal; negative with words: -EHOSTUNREACH
 * when the server will not, -EADDRINUSE when no port is free, -ETIMEDOUT while a failure
 * of a moment ago makes another try pointless; or the conversation is lost. */
int active_open(struct control *c, const struct wait *w, struct active **ret,
		struct reply *ret_refusal, struct words *words);
void active_free(struct active *a); /* stops listening; takes NULL */

int active_fd(const struct active *a);
/* The server's connection: 0; -EAGAIN: not yet (poll active_fd()); other errors. Looks at one
 * connection a call. Never blocks. */
int active_accept(struct active *a, struct channel **ret);

/* The wait for it has ended with r; reply: what the server said instead, or NULL. Learns from
 * it and tells in words, of a reply in the log too. */
void active_failed(struct active *a, int r, const struct reply *reply,
		   struct words *words);

#endif
