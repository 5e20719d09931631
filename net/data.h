/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How data connections are made: which of passive and active mode, EPSV or PASV, to which
 * address and port, directly or through a proxy; and what of it works with this server. */
#ifndef NET_DATA_H
#define NET_DATA_H

#include "net/active.h"

/* Exactly one of the two is set by success. */
struct data {
	struct channel *ch; /* passive: connected */
	struct active *active; /* the server will connect once it has its command */
};

/* What comes before the transfer command. 0, words empty; 1: the server refused,
 * *ret_refusal and words; negative with words: the connection cannot be made (the control
 * connection is usable), or the conversation is lost, as control_alive() says.
 *
 * passive: EPSV, then PASV on the same connection when EPSV is refused, mangled or leads
 * nowhere; one that is not answered at all costs the conversation, and the next one begins
 * with PASV. auto: active when passive fails; the one that worked is used until it fails. */
int data_open(struct control *c, const struct wait *w, struct data *ret,
	      struct reply *ret_refusal, struct words *words);

/* For connections opened ahead: EPSV or PASV, whichever is used with this server, or NULL where
 * neither is yet; and the beginning of a connection to what the reply to it offers: 0 or
 * -EINPROGRESS and *ret_fd, as dial_start(). */
const char *data_verb(struct control *c);
int data_begin(struct control *c, const struct reply *offer, int *ret_fd);

#endif
