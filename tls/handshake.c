/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS on a channel: how it starts, what it resumes, whom it trusts. */
#include "tls/channel_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static ssize_t pull(gnutls_transport_ptr_t p, void *data, size_t len)
{
	struct channel *ch = p;
	ssize_t n;

	if (!ch->ahead) {
		n = recv(ch->fd, data, len, 0);
		if (n > 0) {
			channel_note_first(ch, data, (size_t)n);
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
void channel_keep_session(struct channel *ch)
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

void channel_pass_session(struct channel *data, struct channel *control)
{
	/* A session that was begun anew has nothing to do with the control connection's: a
	 * server that compares the two refuses it. */
	if (!channel_is_resumed(data) || !data->ticket_new ||
	    gnutls_protocol_get_version(data->tls) < GNUTLS_TLS1_3) {
		return;
	}
	channel_keep_session(data);
	if (data->session.data && !data->ticket_new) {
		session_set(control, data->session);
		data->session = (gnutls_datum_t){ 0 };
	}
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
	if (like && resume) {
		if (like->tls) {
			channel_keep_session(like);
		}
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

bool channel_wants_certificate(const struct channel *ch)
{
	return ch->tls && gnutls_certificate_client_get_request_status(ch->tls) != 0 &&
	       !gnutls_certificate_get_ours(ch->tls);
}

bool channel_showed_certificate(const struct channel *ch)
{
	return ch->tls && gnutls_certificate_get_ours(ch->tls);
}

/* Alerts that speak of what the client has shown. */
static bool blames_certificate(gnutls_alert_description_t alert)
{
	return (alert >= GNUTLS_A_BAD_CERTIFICATE &&
		alert <= GNUTLS_A_CERTIFICATE_UNKNOWN) ||
	       alert == GNUTLS_A_UNKNOWN_CA || alert == GNUTLS_A_ACCESS_DENIED ||
	       alert == GNUTLS_A_CERTIFICATE_REQUIRED;
}

void channel_alert_words(struct channel *ch, const char *during)
{
	gnutls_alert_description_t alert = gnutls_alert_get(ch->tls);
	const char *name = gnutls_alert_get_name(alert), *hint = "";

	if (channel_wants_certificate(ch)) {
		hint = ": it wants a client certificate, give cert= and key=";
	} else if (channel_showed_certificate(ch) && blames_certificate(alert)) {
		hint = ": it does not accept the client certificate of cert=";
	} else if (alert == GNUTLS_A_PROTOCOL_VERSION) {
		hint = ": it wants another TLS version, see tls_min= and tls_max=";
	} else if (alert == GNUTLS_A_UNRECOGNIZED_NAME) {
		hint = ": it does not go by that name, see tls_hostname=";
	}
	words_set(&ch->words, "the server ended %s with the alert \"%s\"%s", during,
		  name ? name : "unknown", hint);
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
		channel_alert_words(ch, "the TLS handshake");
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
	if (ch->like && gnutls_session_is_resumed(ch->tls)) {
		ch->like->lent = true;
	}
	ch->like = NULL;
	return ch->use == CHANNEL_CONTROL ? keep_peer(ch) : 0;
}

int channel_handshake_wait(struct channel *ch, const struct wait *w, int64_t deadline)
{
	for (;;) {
		int r = channel_handshake(ch);

		if (r != -EAGAIN) {
			return r;
		}
		r = channel_await(ch, w, channel_events(ch), deadline);
		if (r == -ETIMEDOUT) {
			words_set(&ch->words,
				  "the server did not answer the TLS handshake in time");
		}
		if (r < 0) {
			return r;
		}
	}
}
