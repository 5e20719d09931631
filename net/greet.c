/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The start of a conversation, up to where names and passwords may be sent: greeting, AUTH,
 * TLS, in the order of the mode. */
#include "net/login_private.h"
#include "tls/channel.h"

#include <errno.h>

int login_closed(const struct server *s, int r, const char *when, struct words *words)
{
	if (r == -ETIMEDOUT) {
		words_set(words, "%s did not answer %s in time", s->host, when);
	} else if (r != -EINTR && r != -ENOMEM) {
		words_set(words, "%s closed the connection %s", s->host, when);
	}
	return r;
}

int login_limited(const struct server *s, const struct reply *reply, struct words *words)
{
	words_set(words, "%s takes no more connections now: %d %s", s->host, reply->code,
		  reply_words(reply));
	return -EUSERS;
}

bool login_tls_explains(struct control *c, int r, const char *when, struct words *words)
{
	const struct server *s = control_server(c);
	struct channel *ch = control_channel(c);

	if (!channel_is_tls(ch)) {
		return false;
	}
	if (r == -EPROTO && channel_words(ch)[0]) {
		words_set(words, "%s: %s", s->host, channel_words(ch));
		return true;
	}
	if (r == -ENOTCONN &&
	    (channel_wants_certificate(ch) || channel_showed_certificate(ch))) {
		words_set(words, "%s closed the connection %s: it %s", s->host, when,
			  channel_wants_certificate(ch)
				  ? "asked for a client certificate and got none, give "
				    "cert= and key="
				  : "seems that it does not accept the client "
				    "certificate of cert=");
		return true;
	}
	return false;
}

static int greeting(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	/* Servers look the client up in the DNS first: 10-30 s are seen (T49). */
	int64_t deadline = now_ms() + 2 * s->connect_timeout;
	_cleanup_reply_ struct reply reply = { 0 };
	int r;

	do {
		reply_release(&reply);
		r = control_read(c, w, deadline, &reply);
	} while (r == 0 && reply_is(&reply, 1)); /* 120: ready in a while */
	if (r < 0 && login_tls_explains(c, r, "before greeting", words)) {
		return r;
	}
	if (r == -ETIMEDOUT) {
		words_set(words,
			  "%s accepted the connection on port %u but did not greet: %s",
			  s->host, s->port,
			  s->tls == TLS_EXPLICIT
				  ? "if this is an implicit TLS port, use tls=implicit"
				  : "is this an FTP server?");
		return r;
	}
	if (r == -EPROTO) {
		words_set(words, "what answers on port %u of %s is not an FTP server%s",
			  s->port, s->host,
			  s->tls != TLS_EXPLICIT ? ""
			  : channel_saw_alert(control_channel(c))
				  ? " in clear, it speaks TLS: use tls=implicit"
				  : " (or expects TLS at once: tls=implicit)");
		return r;
	}
	if (r < 0) {
		return login_closed(s, r, "before greeting", words);
	}
	if (reply_is_limit(&reply)) {
		return login_limited(s, &reply, words);
	}
	/* A 230 here would be somebody talking us out of TLS (CVE-2021-22946). */
	if (reply.code != 220) {
		words_set(words, "%s greeted with: %d %s", s->host, reply.code,
			  reply_words(&reply));
		return -EPROTO;
	}
	return 0;
}

static int auth_tls(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	_cleanup_reply_ struct reply reply = { 0 };
	int r = control_command(c, w, "AUTH", "TLS", &reply);

	if (r < 0) {
		return login_closed(s, r, "after AUTH TLS", words);
	}
	if (reply_is_limit(&reply)) {
		return login_limited(s, &reply, words);
	}
	if (reply.code != 234 && reply.code != 334) {
		words_set(words,
			  "%s refuses TLS on port %u (AUTH TLS: %d %s): nothing was "
			  "sent; tls=none would mount "
			  "without any protection",
			  s->host, s->port, reply.code, reply_words(&reply));
		return -EPROTONOSUPPORT;
	}
	return control_start_tls(c, w, words);
}

/* z/OS by default greets in clear on the implicit port and expects the handshake then. */
static int tls_behind_greeting(struct control *c, const struct wait *w,
			       struct words *words)
{
	const struct server *s = control_server(c);
	struct words why = { "" };
	int r = greeting(c, w, words);

	if (r < 0) {
		return r;
	}
	r = control_start_tls(c, w, &why);
	if (r == -EKEYREJECTED || r == -EINTR) {
		words_set(words, "%s", why.text);
	} else if (r < 0) {
		words_set(
			words,
			"%s greets in clear on port %u and takes no TLS handshake after "
			"that either (%s): try tls=explicit",
			s->host, s->port, why.text);
		control_host(c)->greets_first = false;
		r = -EPROTO;
	}
	return r;
}

int login_open_channel(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	int r = 0;

	if (s->tls == TLS_IMPLICIT && control_host(c)->greets_first) {
		return tls_behind_greeting(c, w, words);
	}
	if (s->tls == TLS_IMPLICIT) {
		r = control_start_tls(c, w, words);
	}
	if (r == 0) {
		r = greeting(c, w, words);
	}
	return r == 0 && s->tls == TLS_EXPLICIT ? auth_tls(c, w, words) : r;
}
