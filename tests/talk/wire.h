/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's end of a socket, in clear or under TLS, for the scripted peer. Non-blocking
 * underneath; every call waits at most until its deadline. */
#ifndef TALK_WIRE_H
#define TALK_WIRE_H

#include "base/sync.h"

#include <gnutls/gnutls.h>
#include <sys/types.h>

/* What a server shows: a certificate made in memory, and the key of its session tickets. */
struct identity {
	gnutls_certificate_credentials_t cred;
	gnutls_datum_t ticket_key;
	gnutls_datum_t pem;
};

/* Self-signed, for localhost and 127.0.0.1, fit to be given as cacert. Aborts on failure. */
void identity_init(struct identity *id);
void identity_finish(struct identity *id);

enum wire_end {
	WIRE_NOTIFY, /* close_notify, then FIN */
	WIRE_FIN, /* FIN only: a cut, under TLS */
	WIRE_RST,
};

struct wire {
	int fd; /* -1: none */
	gnutls_session_t tls;
	size_t at, end;
	char in[16 * 1024];
};

void wire_init(struct wire *w, int fd); /* takes fd and makes it non-blocking */
/* id's ticket key is used unless tickets is false. 0, -ETIMEDOUT, -EINTR, or -EPROTO when the
 * client gave up. priority: of GnuTLS. */
int wire_start_tls(struct wire *w, const struct identity *id, const char *priority,
		   bool tickets, const struct wait *wait, int64_t deadline);
/* > 0; 0: orderly end; -ECONNABORTED: FIN without close_notify under TLS; -ECONNRESET;
 * -EPROTO: a TLS alert or fault; -ETIMEDOUT; -EINTR. */
ssize_t wire_recv(struct wire *w, void *buf, size_t len, const struct wait *wait,
		  int64_t deadline);
int wire_send(struct wire *w, const void *buf, size_t len, const struct wait *wait,
	      int64_t deadline);
/* Reads the bare socket: 0 FIN, -ECONNRESET, -ETIMEDOUT, -EINTR. Bytes are skipped. */
int wire_await_close(struct wire *w, const struct wait *wait, int64_t deadline);
void wire_close(struct wire *w, enum wire_end how); /* closed already: nothing */

#endif
