/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by transfer.c (how one starts) and transfer_end.c (bytes, and how it ends) only. */
#ifndef NET_TRANSFER_PRIVATE_H
#define NET_TRANSFER_PRIVATE_H

#include "net/transfer.h"

enum {
	TRANSFER_AHEAD_MAX =
		4, /* commands in front of the transfer's own, REST included */
	VERDICT_MS =
		5000, /* for the control connection to explain a failed data connection */
};

struct transfer {
	struct control *c;
	struct channel *ch; /* NULL while the server is to connect */
	struct active *active;
	bool upload;
	bool warm; /* ch was opened ahead */
	bool early; /* its ClientHello does not wait for 150 */
	bool started; /* 150 has come */
	bool ended; /* so have the data, in order */
	bool whole; /* all bytes are here, whatever the verdict */
	bool has_final; /* the verdict came while data was still moving */
	unsigned remarks; /* 1yz replies so far */
	bool deaf; /* the control connection died: no verdict will come */
	struct reply final;

	/* Commands that went out in front, in the same record, and what came for them. */
	size_t n_ahead, at_ahead;
	struct reply *ahead; /* the caller's, for all but REST */
	bool rest; /* the last of them is REST */
	struct reply rest_refusal; /* code 0: none */
};

static inline bool is_refusal(const struct reply *r)
{
	return r->code >= 400;
}

void transfer_free(struct transfer *t, bool reset);
/* A verdict that speaks of session reuse. */
void transfer_note_reuse(struct transfer *t, const struct reply *reply);
/* Takes what the control connection says meanwhile. 0: nothing that ends the transfer; 1:
 * a refusal, in t->final. */
int transfer_listen(struct transfer *t);
/* Until the data socket is ready, or something was said: 0; negative. */
int transfer_await(struct transfer *t, const struct wait *w, short events,
		   int64_t deadline);

#endif
