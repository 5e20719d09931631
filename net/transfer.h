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

/* The same with commands that go out in front, in one record with the transfer's own (SIZE and
 * MDTM of a file that is about to be read): they cost no round trip. Their replies are the
 * caller's to release whatever is returned; code 0: none has come. */
struct transfer_job {
	const char *verb, *arg;
	uint64_t rest;
	const struct command *ahead;
	size_t n_ahead; /* 4 at most */
	struct reply *ahead_replies;
};
int transfer_begin(struct control *c, const struct wait *w,
		   const struct transfer_job *job, struct transfer **ret,
		   struct reply *ret_refusal, struct words *words);

/* Every byte that is wanted has come, so the verdict decides nothing any more: a place for
 * transfer_finish() to find out what the server bears. */
void transfer_note_whole(struct transfer *t);

/* > 0 bytes; 0: the peer ended the data in order (close_notify, or FIN on a clear
 * connection); -ECONNABORTED: it ended without close_notify, so the data may be cut short
 * (T7); -ETIMEDOUT after io_timeout without a byte; -EINTR; other: lost. */
ssize_t transfer_read(struct transfer *t, const struct wait *w, void *buf, size_t len);

/* All of it or an error. io_timeout counts from the last progress. */
int transfer_write(struct transfer *t, const struct wait *w, const void *buf, size_t len);

/* Ends the data connection (uploads: close_notify, then the server's verdict), reads the
 * final reply into *ret and frees t. 0: *ret is the server's verdict (may be a refusal:
 * look); negative: conversation lost, verdict unknown. A download asks for the next data
 * connection on the way (net/warm.h). */
int transfer_finish(struct transfer *t, const struct wait *w, struct reply *ret);

/* Gives up: closes the data connection and waits at most 2 s for the server's word; if
 * none comes the control connection is lost. Frees t. */
void transfer_abort(struct transfer *t, const struct wait *w);

#endif
