/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One socket, in clear or under TLS. One owner, one thread at a time; only channel_kill()
 * may come from another thread while the owner lives.
 *
 * The plain functions channel_recv, channel_send and channel_handshake never block:
 * -EAGAIN means poll channel_fd() for channel_events(). The others wait. */
#ifndef TLS_CHANNEL_H
#define TLS_CHANNEL_H

#include "base/report.h"
#include "base/sync.h"
#include "tls/trust.h"

#include <sys/types.h>

struct channel;

enum channel_use {
	CHANNEL_CONTROL, /* reads no byte beyond the TLS record it needs (CCC, RFC 4217
			    section 6) */
	CHANNEL_DATA, /* reads ahead in large pieces */
};

/* fd: connected and non-blocking; owned from here on, also on failure. */
int channel_new(int fd, enum channel_use use, struct channel **ret);
/* Closes. reset: with RST, so that the server's port is not left in TIME_WAIT (FileZilla
 * Server runs out of passive ports otherwise); only when nothing unsent matters. Takes
 * NULL. */
void channel_free(struct channel *ch, bool reset);
void channel_kill(
	struct channel *ch); /* shutdown(2): the owner's waits end with an error */

int channel_fd(const struct channel *ch);
short channel_events(const struct channel *ch);

/* In clear: open, and the peer has sent nothing. Never blocks. */
bool channel_is_quiet(const struct channel *ch);

/* Prepares TLS as client; channel_handshake() then does it. host: the name to verify and
 * to send as SNI unless trust overrides it. like: NULL on a control connection, which is
 * verified against trust; on a data connection the control channel (owned by this thread
 * too): its session is resumed and its certificate must be shown again (RFC 4217 section
 * 10, T1). The plain receive buffer must be empty, else -EPROTO (response injection,
 * CVE-2021-22947; only what the kernel has not delivered yet is beyond this check, and
 * that is read as TLS). words of a failure: channel_words(). */
int channel_start_tls(struct channel *ch, const struct trust *trust, const char *host,
		      struct channel *like, bool resume);
/* 0 done; -EAGAIN; -EKEYREJECTED: certificate refused; -EPROTO: not TLS or a TLS fault;
 * -ECONNABORTED: cut. */
int channel_handshake(struct channel *ch);
int channel_handshake_wait(struct channel *ch, const struct wait *w, int64_t deadline);
/* What went wrong last, "" if nothing. */
const char *channel_words(const struct channel *ch);
/* The peer's first bytes were "220": it spoke FTP in clear where TLS was expected. */
bool channel_saw_greeting(const struct channel *ch);
/* They were "5": it took our handshake for commands. */
bool channel_saw_refusal(const struct channel *ch);
/* In clear: they were a TLS alert, which is no FTP: this is a port for implicit TLS. */
bool channel_saw_alert(const struct channel *ch);
/* The server asked for a client certificate and we have shown none. Many ask without
 * need: it matters only where the server then ended the connection, which under TLS 1.3
 * happens after the handshake. */
bool channel_wants_certificate(const struct channel *ch);
bool channel_showed_certificate(const struct channel *ch);

/* > 0 bytes; 0: orderly end (close_notify; in clear FIN); -EAGAIN; -ECONNABORTED: ended
 * without close_notify, or reset; -EPROTO. */
ssize_t channel_recv(struct channel *ch, void *buf, size_t len);
/* > 0 bytes taken; -EAGAIN: call again with the same bytes; -ECONNABORTED; -EPROTO. */
ssize_t channel_send(struct channel *ch, const void *buf, size_t len);
/* Bytes are here that poll(2) does not know of. */
bool channel_pending(const struct channel *ch);

/* All of buf, or an error. timeout in ms, counted from the last progress. */
int channel_write(struct channel *ch, const struct wait *w, const void *buf, size_t len,
		  int64_t timeout);

/* close_notify if under TLS, then FIN. Waits only for room in the socket. 0 or an error
 * of the socket. */
int channel_finish_write(struct channel *ch, const struct wait *w, int64_t deadline);

/* The first half of it: close_notify alone. */
int channel_notify(struct channel *ch, const struct wait *w, int64_t deadline);

/* Back to clear text on a control channel whose server has agreed to it (CCC) and is at
 * rest: close_notify, then the server's, which it may have sent already, send on ours, or
 * never send: at the deadline that is no fault. Not one byte of clear text is swallowed,
 * also when it lies in one packet with the close_notify. Data connections are started
 * `like` this channel as before. */
int channel_stop_tls(struct channel *ch, const struct wait *w, int64_t deadline);

/* At the end of a data connection: a TLS 1.3 ticket that came on it is what the next one
 * resumes. ProFTPD's tickets live 15840 s, and each resumption brings a new one. Never
 * between control connections: servers compare. */
void channel_pass_session(struct channel *data, struct channel *control);
/* A data connection has resumed this control channel's session before. */
bool channel_session_lent(const struct channel *ch);

/* Facts, for status and log. */
bool channel_is_tls(const struct channel *ch);
bool channel_is_resumed(const struct channel *ch);
void channel_describe(const struct channel *ch, char *text,
		      size_t size); /* "TLS1.3 AES-128-GCM resumed" */

#endif
