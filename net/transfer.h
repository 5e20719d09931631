/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One data connection and the transfer on it. Belongs to whoever holds the control
 * connection; exactly one of transfer_finish() and transfer_abort() ends it, after which
 * the control connection is free again (if it is still alive). */
#ifndef NET_TRANSFER_H
#define NET_TRANSFER_H

#include "net/control.h"

struct transfer;

/* The data connection (net/data.h), REST (when rest > 0), the command, the TLS handshake
 * resuming the control connection's session. 0 and *ret; or 1: the server refused,
 * *ret_refusal says how (caller's; nothing is under way, the control connection is usable unless
 * control_alive() says no); or negative: -EHOSTUNREACH/-ECONNREFUSED/-ETIMEDOUT... when
 * the data connection could not be made (control usable), or the conversation is lost.
 * words may be NULL;
 * they are also set by a refusal that says that an active connection failed. */
int transfer_open(struct control *c, const struct wait *w, const char *verb,
		  const char *arg, uint64_t rest, struct transfer **ret,
		  struct reply *ret_refusal, struct words *words);

/* > 0 bytes; 0: the peer ended the data in order (close_notify, or FIN on a clear
 * connection); -ECONNABORTED: it ended without close_notify, so the data may be cut short
 * (T7); -ETIMEDOUT after io_timeout without a byte; -EINTR; other: lost. */
ssize_t transfer_read(struct transfer *t, const struct wait *w, void *buf, size_t len);

/* All of it or an error. io_timeout counts from the last progress. */
int transfer_write(struct transfer *t, const struct wait *w, const void *buf, size_t len);

/* Ends the data connection (uploads: close_notify, then the server's verdict), reads the
 * final reply into *ret and frees t. 0: *ret is the server's verdict (may be a refusal:
 * look); negative: conversation lost, verdict unknown. */
int transfer_finish(struct transfer *t, const struct wait *w, struct reply *ret);

/* Gives up: closes the data connection and waits at most 2 s for the server's word; if
 * none comes the control connection is lost. Frees t. */
void transfer_abort(struct transfer *t, const struct wait *w);

#endif
