/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/channel.h"
#include "tls/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* What one recv(2) may bring on a data connection: without it GnuTLS reads each record's
 * header and body apart. */
enum { READ_AHEAD = 256 * 1024, RENEGOTIATIONS_MAX = 3 };

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
	bool tls_done;
	bool starved; /* the last pull found the socket empty */
	struct words words;
};

int channel_new(int fd, enum channel_use use, struct channel **ret)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	if (!ch) {
		close(fd);
		return -ENOMEM;
	}
	ch->fd = fd;
	ch->use = use;
	*ret = ch;
	return 0;
}

void channel_free(struct channel *ch, bool reset)
{
	const struct linger now = { .l_onoff = 1 };

	if (!ch) {
		return;
	}
	if (reset) {
		(void)setsockopt(ch->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	if (ch->tls) {
		gnutls_deinit(ch->tls);
	}
	close(ch->fd);
	if (ch->session.data) {
		gnutls_memset(ch->session.data, 0, ch->session.size);
		gnutls_free(ch->session.data);
	}
	free(ch->peer.data);
	free(ch->ahead);
	free(ch->host);
	free(ch);
}

void channel_kill(struct channel *ch)
{
	shutdown(ch->fd, SHUT_RDWR);
}

int channel_fd(const struct channel *ch)
{
	return ch->fd;
}

short channel_events(const struct channel *ch)
{
	return ch->tls && gnutls_record_get_direction(ch->tls) == 1 ? POLLOUT : POLLIN;
}

const char *channel_words(const struct channel *ch)
{
	return ch->words.text;
}

bool channel_saw_greeting(const struct channel *ch)
{
	return ch->n_first == 3 && memcmp(ch->first, "220", 3) == 0;
}

bool channel_saw_refusal(const struct channel *ch)
{
	return ch->n_first > 0 && ch->first[0] == '5';
}

static void note_first(struct channel *ch, const char *data, size_t len)
{
	while (ch->n_first < sizeof(ch->first) && len--) {
		ch->first[ch->n_first++] = *data++;
	}
}

static ssize_t pull(gnutls_transport_ptr_t p, void *data, size_t len)
{
	struct channel *ch = p;
	ssize_t n;

	if (!ch->ahead) {
		n = recv(ch->fd, data, len, 0);
		if (n > 0) {
			note_first(ch, data, (size_t)n);
		}
	} else {
		if (ch->ahead_at == ch->ahead_end) {
			n = recv(ch->fd, ch->ahead, READ_AHEAD, 0);
			if (n <= 0) {
				goto out;
			}
			ch->ahead_at = 0;
			ch->ahead_end = (size_t)n;
		}
		n = (ssize_t)MIN(len, ch->ahead_end - ch->ahead_at);
		memcpy(data, ch->ahead + ch->ahead_at, (size_t)n);
		ch->ahead_at += (size_t)n;
	}
out:
	ch->starved = n < 0;
	if (n < 0) {
		gnutls_transport_set_errno(ch->tls, errno);
	}
	return n;
}

static ssize_t push(gnutls_transport_ptr_t p, const giovec_t *iov, int n)
{
	struct channel *ch = p;
	struct msghdr msg = { .msg_iov = (void *)(uintptr_t)iov,
			      .msg_iovlen = (size_t)n };
	ssize_t r = sendmsg(ch->fd, &msg, MSG_NOSIGNAL);

	if (r < 0) {
		gnutls_transport_set_errno(ch->tls, errno);
	}
	return r;
}

/* GnuTLS asks this only where it would block for a while by itself: it must not. */
static int pull_timeout(gnutls_transport_ptr_t p, unsigned ms)
{
	struct channel *ch = p;
	struct pollfd fd = { .fd = ch->fd, .events = POLLIN };

	(void)ms;
	return ch->ahead_at < ch->ahead_end ? 1 : poll(&fd, 1, 0);
}

static int ticket_hook(gnutls_session_t tls, unsigned type, unsigned when,
		       unsigned incoming, const gnutls_datum_t *msg)
{
	struct channel *ch = gnutls_session_get_ptr(tls);

	(void)type;
	(void)when;
	(void)msg;
	if (incoming) {
		ch->ticket_new = true;
	}
	return 0;
}

/* Runs inside the handshake, before anything of ours but the hello was sent. A resumed
 * session shows no certificate: it proves the peer by the secret it shares with us. */
static int verify_hook(gnutls_session_t tls)
{
	struct channel *ch = gnutls_session_get_ptr(tls);
	const gnutls_datum_t *chain;
	unsigned n = 0;

	if (!ch->like) {
		return verify_peer(ch->trust, tls, ch->host, &ch->words) < 0 ? -1 : 0;
	}
	chain = gnutls_certificate_get_peers(tls, &n);
	if (!chain || n == 0 || chain[0].size != ch->like->peer.size ||
	    memcmp(chain[0].data, ch->like->peer.data, chain[0].size) != 0) {
		words_set(
			&ch->words,
			"the data connection shows another certificate than the control "
			"connection: somebody else may have taken the port");
		return -1;
	}
	return 0;
}

static void session_set(struct channel *ch, gnutls_datum_t fresh)
{
	if (ch->session.data) {
		gnutls_memset(ch->session.data, 0, ch->session.size);
		gnutls_free(ch->session.data);
	}
	ch->session = fresh;
}

/* The newest state to resume. Under TLS 1.3 gnutls_session_get_data2() waits some 60 ms
 * for a ticket that never came and then gives something useless, so it is asked only
 * after one did come. */
static void session_refresh(struct channel *ch)
{
	gnutls_datum_t fresh = { 0 };
	bool tls13 = gnutls_protocol_get_version(ch->tls) >= GNUTLS_TLS1_3;
	bool ticket = gnutls_session_get_flags(ch->tls) & GNUTLS_SFLAGS_SESSION_TICKET;

	if (ch->session.data && !ch->ticket_new) {
		return;
	}
	if ((tls13 && !ticket) || gnutls_session_get_data2(ch->tls, &fresh) < 0) {
		return;
	}
	ch->ticket_new = false;
	session_set(ch, fresh);
}

static int session_setup(struct channel *ch, const char *host)
{
	const char *sni = ch->trust->tls_hostname ? ch->trust->tls_hostname : host;
	unsigned char address[16];
	int r;

	gnutls_session_set_ptr(ch->tls, ch);
	gnutls_transport_set_ptr(ch->tls, ch);
	gnutls_transport_set_pull_function(ch->tls, pull);
	gnutls_transport_set_vec_push_function(ch->tls, push);
	gnutls_transport_set_pull_timeout_function(ch->tls, pull_timeout);
	gnutls_handshake_set_timeout(
		ch->tls, GNUTLS_INDEFINITE_TIMEOUT); /* ours is wait_poll()'s */
	gnutls_session_set_verify_function(ch->tls, verify_hook);
	gnutls_handshake_set_hook_function(ch->tls, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET,
					   GNUTLS_HOOK_POST, ticket_hook);
	r = gnutls_priority_set(ch->tls, ch->trust->priority);
	if (r >= 0) {
		r = gnutls_credentials_set(ch->tls, GNUTLS_CRD_CERTIFICATE,
					   ch->trust->cred);
	}
	/* RFC 6066: no addresses in SNI. */
	if (r >= 0 && inet_pton(AF_INET, sni, address) != 1 &&
	    inet_pton(AF_INET6, sni, address) != 1) {
		r = gnutls_server_name_set(ch->tls, GNUTLS_NAME_DNS, sni, strlen(sni));
	}
	return r < 0 ? -EPROTO : 0;
}

int channel_start_tls(struct channel *ch, const struct trust *trust, const char *host,
		      struct channel *like, bool resume)
{
	char peek;

	if (!like && ch->use == CHANNEL_CONTROL && ch->n_first &&
	    recv(ch->fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		words_set(&ch->words, "the server sent bytes behind its answer to AUTH: "
				      "refused, since somebody "
				      "may have put them there");
		return -EPROTO;
	}
	ch->n_first = 0;
	ch->trust = trust;
	ch->like = like;
	ch->host = strdup(host);
	if (!ch->host || gnutls_init(&ch->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK |
						       GNUTLS_NO_SIGNAL) < 0) {
		return -ENOMEM;
	}
	if (session_setup(ch, host) < 0) {
		words_set(&ch->words, "GnuTLS refused the TLS settings");
		return -EPROTO;
	}
	if (like && resume && like->tls) {
		session_refresh(like);
		if (like->session.data) {
			(void)gnutls_session_set_data(ch->tls, like->session.data,
						      like->session.size);
		}
	}
	if (ch->use == CHANNEL_DATA) {
		ch->ahead = malloc(READ_AHEAD);
		if (!ch->ahead) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* Keeps the leaf certificate, which data connections must show again. */
static int keep_peer(struct channel *ch)
{
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(ch->tls, &n);

	if (!chain || n == 0) {
		return 0;
	}
	ch->peer.data = malloc(chain[0].size);
	if (!ch->peer.data) {
		return -ENOMEM;
	}
	memcpy(ch->peer.data, chain[0].data, chain[0].size);
	ch->peer.size = chain[0].size;
	return 0;
}

static int handshake_error(struct channel *ch, int r)
{
	if (r == GNUTLS_E_CERTIFICATE_ERROR ||
	    r == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
		(void)gnutls_alert_send(ch->tls, GNUTLS_AL_FATAL,
					GNUTLS_A_BAD_CERTIFICATE);
		return -EKEYREJECTED;
	}
	if (channel_saw_greeting(ch)) {
		words_set(&ch->words, "the server greeted in clear where TLS was "
				      "expected: try tls=explicit");
		return -EPROTO;
	}
	if (r == GNUTLS_E_PREMATURE_TERMINATION || r == GNUTLS_E_PULL_ERROR ||
	    r == GNUTLS_E_PUSH_ERROR) {
		words_set(&ch->words, "the connection ended during the TLS handshake");
		return -ECONNABORTED;
	}
	if (r == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		words_set(&ch->words,
			  "the server ended the TLS handshake with the alert \"%s\"",
			  gnutls_alert_get_name(gnutls_alert_get(ch->tls)));
	} else {
		words_set(&ch->words, "TLS handshake failed: %s", gnutls_strerror(r));
		(void)gnutls_alert_send_appropriate(ch->tls, r);
	}
	return -EPROTO;
}

int channel_handshake(struct channel *ch)
{
	int r;

	do {
		r = gnutls_handshake(ch->tls);
	} while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED ||
		 r == GNUTLS_E_GOT_APPLICATION_DATA);
	if (r == GNUTLS_E_AGAIN) {
		return -EAGAIN;
	}
	if (r < 0) {
		return handshake_error(ch, r);
	}
	ch->tls_done = true;
	ch->like = NULL;
	return ch->use == CHANNEL_CONTROL ? keep_peer(ch) : 0;
}

static int await(struct channel *ch, const struct wait *w, short events, int64_t deadline)
{
	struct pollfd p = { .fd = ch->fd, .events = events };
	int r = wait_poll(w, &p, 1, deadline);

	return r < 0 ? r : 0;
}

int channel_handshake_wait(struct channel *ch, const struct wait *w, int64_t deadline)
{
	for (;;) {
		int r = channel_handshake(ch);

		if (r != -EAGAIN) {
			return r;
		}
		r = await(ch, w, channel_events(ch), deadline);
		if (r == -ETIMEDOUT) {
			words_set(&ch->words,
				  "the server did not answer the TLS handshake in time");
		}
		if (r < 0) {
			return r;
		}
	}
}

/* Renegotiation (TLS <= 1.2) is refused with a warning, a few times (T18). */
static ssize_t record_error(struct channel *ch, ssize_t r)
{
	switch (r) {
	case GNUTLS_E_AGAIN:
		return -EAGAIN;
	case GNUTLS_E_INTERRUPTED:
	case GNUTLS_E_WARNING_ALERT_RECEIVED:
		return -EINTR;
	case GNUTLS_E_REHANDSHAKE:
		if (++ch->renegotiations > RENEGOTIATIONS_MAX) {
			return -EPROTO;
		}
		(void)gnutls_alert_send(ch->tls, GNUTLS_AL_WARNING,
					GNUTLS_A_NO_RENEGOTIATION);
		return -EINTR;
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		words_set(&ch->words, "the connection was cut");
		return -ECONNABORTED;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		words_set(&ch->words, "TLS alert \"%s\" from the server",
			  gnutls_alert_get_name(gnutls_alert_get(ch->tls)));
		return -EPROTO;
	default:
		words_set(&ch->words, "TLS: %s", gnutls_strerror((int)r));
		return -EPROTO;
	}
}

static ssize_t plain_error(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN
	       : errno == EINTR			       ? -EINTR
						       : -ECONNABORTED;
}

ssize_t channel_recv(struct channel *ch, void *buf, size_t len)
{
	ssize_t r;

	do {
		if (!ch->tls) {
			r = recv(ch->fd, buf, len, 0);
			if (r > 0) {
				note_first(ch, buf, (size_t)r);
			} else if (r < 0) {
				r = plain_error();
			}
		} else {
			ch->starved = false;
			r = gnutls_record_recv(ch->tls, buf, len);
			/* GNUTLS_E_AGAIN also follows a session ticket, with data right
			 * behind it that poll(2) may not know of. */
			if (r == GNUTLS_E_AGAIN && !ch->starved) {
				r = GNUTLS_E_INTERRUPTED;
			}
			if (r < 0) {
				r = record_error(ch, r);
			}
		}
	} while (r == -EINTR);
	return r;
}

ssize_t channel_send(struct channel *ch, const void *buf, size_t len)
{
	ssize_t r;

	do {
		if (!ch->tls) {
			r = send(ch->fd, buf, len, MSG_NOSIGNAL);
			if (r < 0) {
				r = plain_error();
			}
		} else {
			r = gnutls_record_send(ch->tls, buf, len);
			if (r < 0) {
				r = record_error(ch, r);
			}
		}
	} while (r == -EINTR);
	return r;
}

bool channel_pending(const struct channel *ch)
{
	return ch->tls &&
	       (gnutls_record_check_pending(ch->tls) > 0 || ch->ahead_at < ch->ahead_end);
}

int channel_write(struct channel *ch, const struct wait *w, const void *buf, size_t len,
		  int64_t timeout)
{
	const char *at = buf;
	int64_t deadline = now_ms() + timeout;

	while (len) {
		ssize_t n = channel_send(ch, at, len);

		if (n == -EAGAIN) {
			int r = await(ch, w, POLLOUT, deadline);

			if (r < 0) {
				return r;
			}
			continue;
		}
		if (n < 0) {
			return (int)n;
		}
		at += n;
		len -= (size_t)n;
		deadline = now_ms() + timeout;
	}
	return 0;
}

int channel_finish_write(struct channel *ch, const struct wait *w, int64_t deadline)
{
	while (ch->tls && ch->tls_done) {
		int r = gnutls_bye(ch->tls, GNUTLS_SHUT_WR);

		if (r == GNUTLS_E_INTERRUPTED) {
			continue;
		}
		if (r == GNUTLS_E_AGAIN) {
			r = await(ch, w, POLLOUT, deadline);
			if (r < 0) {
				return r;
			}
			continue;
		}
		if (r < 0) {
			return -ECONNABORTED;
		}
		break;
	}
	return shutdown(ch->fd, SHUT_WR) < 0 ? -ECONNABORTED : 0;
}

bool channel_is_tls(const struct channel *ch)
{
	return ch->tls && ch->tls_done;
}

bool channel_is_resumed(const struct channel *ch)
{
	return channel_is_tls(ch) && gnutls_session_is_resumed(ch->tls);
}

void channel_describe(const struct channel *ch, char *text, size_t size)
{
	if (!channel_is_tls(ch)) {
		snprintf(text, size, "clear");
		return;
	}
	snprintf(text, size, "%s %s%s",
		 gnutls_protocol_get_name(gnutls_protocol_get_version(ch->tls)),
		 gnutls_cipher_get_name(gnutls_cipher_get(ch->tls)),
		 channel_is_resumed(ch) ? " resumed" : "");
}
