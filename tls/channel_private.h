/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by channel.c and handshake.c only. */
#ifndef TLS_CHANNEL_PRIVATE_H
#define TLS_CHANNEL_PRIVATE_H

#include "tls/channel.h"

#include "tls/private.h"

/* What one recv(2) may bring on a data connection: without it GnuTLS reads each record's
 * header and body apart. */
enum { READ_AHEAD = 256 * 1024 };

struct channel {
	int fd;
	enum channel_use use;
	gnutls_session_t tls; /* NULL: in clear */
	const struct trust *trust;
	char *host;
	struct channel *like; /* while a data handshake runs */

	gnutls_datum_t session; /* what data connections resume; empty: nothing yet */
	bool ticket_new; /* a ticket came since session was taken */
	gnutls_datum_t peer; /* leaf certificate, DER */

	char *ahead; /* READ_AHEAD bytes, CHANNEL_DATA under TLS only */
	size_t ahead_at, ahead_end;
	char first[3]; /* of what the peer sent, to tell FTP in clear from TLS */
	size_t n_first;
	unsigned renegotiations;
	bool tls_done, notified; /* our close_notify is out */
	bool notify_due; /* in clear again, and the server's close_notify has not come */
	bool lent; /* a data connection has resumed `session` */
	bool starved; /* the last pull found the socket empty */
	struct words words;
};

int channel_await(struct channel *ch, const struct wait *w, short events,
		  int64_t deadline);
void channel_note_first(struct channel *ch, const char *data, size_t len);
/* Takes the newest state that data connections can resume. */
void channel_keep_session(struct channel *ch);
/* The words of a fatal alert; during: "the TLS handshake" or the like. */
void channel_alert_words(struct channel *ch, const char *during);

#endif
