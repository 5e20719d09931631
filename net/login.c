/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a connected socket to a logged-in session: greeting, TLS, USER and PASS, then what
 * the session needs (protection, type, features, directory) in as few flights as the
 * server takes. */
#include "net/control.h"
#include "net/hash.h"
#include "net/wish.h"
#include "tls/channel.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int closed(const struct server *s, int r, const char *when, struct words *words)
{
	if (r == -ETIMEDOUT) {
		words_set(words, "%s did not answer %s in time", s->host, when);
	} else if (r != -EINTR && r != -ENOMEM) {
		words_set(words, "%s closed the connection %s", s->host, when);
	}
	return r;
}

/* Service not available, or too many of us: no fault of the user's. */
static int limited(const struct server *s, const struct reply *reply, struct words *words)
{
	words_set(words, "%s takes no more connections now: %d %s", s->host, reply->code,
		  reply_words(reply));
	return -EUSERS;
}

/* The first read after the handshake failed and TLS is why: the words say so. A TLS 1.3
 * server that misses our certificate tells it only then, by an alert or, when our bytes
 * cross it, by a reset. */
static bool tls_explains(struct control *c, int r, const char *when, struct words *words)
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
	if (r < 0 && tls_explains(c, r, "before greeting", words)) {
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
		return closed(s, r, "before greeting", words);
	}
	if (reply_is_limit(&reply)) {
		return limited(s, &reply, words);
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
		return closed(s, r, "after AUTH TLS", words);
	}
	if (reply_is_limit(&reply)) {
		return limited(s, &reply, words);
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

static int refused_login(const struct server *s, const struct reply *reply,
			 struct words *words)
{
	if (reply_is_limit(reply)) {
		return limited(s, reply, words);
	}
	words_set(words,
		  "%s refused the login of %s: %d %s; check user name and password",
		  s->host, s->user ? s->user : "anonymous", reply->code,
		  reply_words(reply));
	return -EACCES;
}

/* One step of the login dialogue. */
static int say(struct control *c, const struct wait *w, const char *verb, const char *arg,
	       struct reply *reply, struct words *words)
{
	/* Then the handshake lies behind, and many ask for certificates without need. */
	bool is_password = strcmp(verb, "PASS") == 0 || strcmp(verb, "ACCT") == 0;
	char when[64];
	int r;

	reply_release(reply);
	r = control_command(c, w, verb, arg, reply);
	if (r == -EINVAL) {
		words_set(words, "the %s contains a line break",
			  strcmp(verb, "USER") == 0 ? "user name" : "password");
		return -EACCES;
	}
	snprintf(when, sizeof(when), "after %s", verb);
	if (r == 0 || (!is_password && tls_explains(c, r, when, words))) {
		return r;
	}
	snprintf(when, sizeof(when), "after %s (does it demand another TLS version?)",
		 verb);
	return closed(control_server(c), r, when, words);
}

/* RFC 7151. Servers answer 220, WS_FTP 200. */
static int choose_host(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	_cleanup_reply_ struct reply reply = { 0 };
	int r = s->ftp_host ? say(c, w, "HOST", s->ftp_host, &reply, words) : 0;

	if (r < 0 || !s->ftp_host || reply_is(&reply, 2)) {
		return r;
	}
	if (reply_is_limit(&reply)) {
		return limited(s, &reply, words);
	}
	/* vsftpd says 530 to all that it does not know before the login. */
	if (reply.code == 500 || reply.code == 502 || reply.code == 530) {
		words_set(words,
			  "%s knows no virtual hosts (HOST: %d %s): drop ftp_host=",
			  s->host, reply.code, reply_words(&reply));
	} else if (reply.code == 503 && s->tls != TLS_NONE) {
		/* ProFTPD: it chose by SNI, and the certificate has been shown. */
		words_set(words,
			  "%s takes no HOST under TLS (%d %s), it goes by the name in "
			  "the handshake: use tls_hostname=%s in place of ftp_host=",
			  s->host, reply.code, reply_words(&reply), s->ftp_host);
	} else {
		words_set(words,
			  "%s does not have that virtual host %s (HOST: %d %s): check "
			  "ftp_host=",
			  s->host, s->ftp_host, reply.code, reply_words(&reply));
	}
	return -EPROTONOSUPPORT;
}

static int user_pass(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	_cleanup_reply_ struct reply reply = { 0 };
	int r = say(c, w, "USER", s->user ? s->user : "anonymous", &reply, words);

	if (r == 0 && reply.code == 331) {
		if (!s->password) {
			words_set(words,
				  "%s asks for the password of %s and none is known: use "
				  "credentials=FILE",
				  s->host, s->user ? s->user : "anonymous");
			return -EACCES;
		}
		r = say(c, w, "PASS", s->password, &reply, words);
	}
	if (r == 0 && reply.code == 332) {
		if (!s->account) {
			words_set(words,
				  "%s asks for an account: give account= or put it into "
				  "the credentials file",
				  s->host);
			return -EACCES;
		}
		r = say(c, w, "ACCT", s->account, &reply, words);
	}
	if (r < 0) {
		return r;
	}
	/* 230, 232 (certificate was enough, RFC 4217), 202 (PASS or ACCT superfluous). */
	return reply_is(&reply, 2) ? 0 : refused_login(s, &reply, words);
}

/* ---- features ---- */

/* Facts we use; pyftpdlib sends UNIX.mode only when asked. */
static const char *const wanted_facts[] = { "type",	 "size",       "modify",  "perm",
					    "unix.mode", "unix.owner", "unix.uid" };

/* "type*;size*;unix.mode;" -> the OPTS argument that turns the wanted ones on, "" when
 * all of them are. */
static void choose_facts(const char *facts, char *ret, size_t size)
{
	bool off = false;
	size_t len = (size_t)snprintf(ret, size, "MLST ");

	while (*facts && *facts != '\n') {
		size_t n = strcspn(facts, ";\n*");
		bool star = facts[n] == '*';

		for (size_t i = 0; i < ARRAY_LEN(wanted_facts); i++) {
			if (strlen(wanted_facts[i]) == n &&
			    strncasecmp(facts, wanted_facts[i], n) == 0 &&
			    len + n + 2 < size) {
				len += (size_t)snprintf(ret + len, size - len, "%.*s;",
							(int)n, facts);
				off = off || !star;
			}
		}
		facts += n + star;
		facts += *facts == ';';
	}
	if (!off) {
		ret[0] = '\0';
	}
}

static void learn_features(struct host *h, const struct reply *feat)
{
	const char *mlst = reply_feature(feat, "MLST");

	/* A server without FEAT (500) is asked for everything and shows what it cannot
	 * do. */
	bool mute = !reply_is(feat, 2);

	h->mlst = mlst != NULL;
	h->mdtm = mute || reply_feature(feat, "MDTM");
	h->size = mute || reply_feature(feat, "SIZE");
	h->utf8 = reply_feature(feat, "UTF8") != NULL;
	h->site_symlink = reply_feature(feat, "SITE SYMLINK") != NULL;
	h->avbl = reply_feature(feat, "AVBL") != NULL;
	wish_learn(h, feat);
	hash_learn(h, feat);
	if (mlst && !atomic_exchange(&h->opts_chosen, true)) {
		choose_facts(mlst, h->opts_mlst, sizeof(h->opts_mlst));
	}
	h->known = true;
}

/* ---- what a session needs ---- */

enum { SET_PBSZ, SET_PROT, SET_TYPE, SET_PWD, SET_FEAT, SET_MAX };

static int check_protection(struct control *c, const struct reply *replies,
			    struct words *words)
{
	const struct server *s = control_server(c);

	if (s->tls != TLS_NONE && !reply_is(&replies[SET_PROT], 2)) {
		words_set(words, "%s refuses %s data connections (PROT %c: %d %s)%s",
			  s->host, s->prot_clear ? "clear" : "encrypted",
			  s->prot_clear ? 'C' : 'P', replies[SET_PROT].code,
			  reply_words(&replies[SET_PROT]),
			  s->prot_clear ? ": use prot=P" : "");
		return -EPROTONOSUPPORT;
	}
	if (!reply_is(&replies[SET_TYPE], 2)) {
		words_set(words, "%s refuses binary transfers (TYPE I: %d %s)", s->host,
			  replies[SET_TYPE].code, reply_words(&replies[SET_TYPE]));
		return -EPROTO;
	}
	return 0;
}

/* Replies that belong to other commands than they should: a server that answers a flight
 * out of order. */
static bool out_of_order(const struct reply *replies)
{
	return replies[SET_PWD].code != 257 &&
	       (replies[SET_TYPE].code == 257 || replies[SET_FEAT].code == 257 ||
		replies[SET_PROT].code == 257 || replies[SET_PBSZ].code == 257);
}

static int settle_session(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	struct host *h = control_host(c);
	const struct command cmds[SET_MAX] = {
		[SET_PBSZ] = { "PBSZ", "0" },
		[SET_PROT] = { "PROT", s->prot_clear ? "C" : "P" },
		[SET_TYPE] = { "TYPE", "I" },
		[SET_PWD] = { "PWD", NULL },
		[SET_FEAT] = { "FEAT", NULL },
	};
	struct reply replies[SET_MAX] = { 0 };
	size_t first = s->tls == TLS_NONE ? SET_TYPE : SET_PBSZ;
	size_t last = h->known ? SET_PWD : SET_FEAT;
	int r = control_batch(c, w, cmds + first, last - first + 1, replies + first);

	if (r < 0) {
		r = closed(s, r, "after the login", words);
	} else if (out_of_order(replies)) {
		h->no_pipeline = true;
		words_set(words, "%s answers commands out of order", s->host);
		r = -EPROTO;
	} else {
		r = check_protection(c, replies, words);
	}
	if (r == 0) {
		r = control_set_home(c, &replies[SET_PWD]);
	}
	if (r == 0 && !h->known) {
		learn_features(h, &replies[SET_FEAT]);
	}
	for (size_t i = 0; i < SET_MAX; i++) {
		reply_release(&replies[i]);
	}
	return r;
}

/* Refusals do not matter: the server then sends what it sends. */
static int set_options(struct control *c, const struct wait *w, struct words *words)
{
	struct host *h = control_host(c);
	struct command cmds[2];
	struct reply replies[2] = { 0 };
	size_t n = 0;
	int r;

	if (h->utf8) {
		cmds[n++] = (struct command){ "OPTS", "UTF8 ON" };
	}
	if (h->opts_mlst[0]) {
		cmds[n++] = (struct command){ "OPTS", h->opts_mlst };
	}
	if (n == 0) {
		return 0;
	}
	r = control_batch(c, w, cmds, n, replies);
	for (size_t i = 0; i < n; i++) {
		reply_release(&replies[i]);
	}
	return r < 0 ? closed(control_server(c), r, "after OPTS", words) : 0;
}

/* What the user wants to be said on every connection; a refusal is told once. */
static int quote(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	_cleanup_free_ char *text = s->quote ? strdup(s->quote) : NULL;
	char *rest = text, *line;
	bool told = s->quote && atomic_exchange(&control_host(c)->quote_told, true);

	if (s->quote && !text) {
		return -ENOMEM;
	}
	while ((line = strsep(&rest, "\n")) != NULL) {
		_cleanup_reply_ struct reply reply = { 0 };
		char *verb = strsep(&line, " ");
		int r;

		if (!*verb) {
			continue;
		}
		r = control_command(c, w, verb, line, &reply);
		if (r < 0) {
			return closed(s, r, "after a command of quote=", words);
		}
		if (reply.code >= 400) {
			hook_printf(s->hook, told ? LEVEL_DEBUG : LEVEL_WARN,
				    "quote: %s refuses %s%s%s: %d %s", s->host, verb,
				    line ? " " : "", line ? line : "", reply.code,
				    reply_words(&reply));
		}
	}
	return 0;
}

/* ---- in clear again ---- */

/* The last step: what is secret has been said. */
/* Linux's nf_conntrack_ftp, and NAT by it, reads commands only from the start of a line, and
 * knows of one only behind a line that ended in clear: without this it misses the first PASV
 * or EPRT. */
static int first_clear_line(struct control *c, const struct wait *w, struct words *words)
{
	_cleanup_reply_ struct reply reply = { 0 };
	int r = control_command(c, w, "NOOP", NULL, &reply);

	return r < 0 ? closed(control_server(c), r, "after CCC", words) : 0;
}

static int clear_control(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	struct host *h = control_host(c);
	_cleanup_reply_ struct reply reply = { 0 };
	int r;

	if (s->ccc == CCC_NO || s->tls == TLS_NONE || h->ccc_refused) {
		return 0;
	}
	r = control_command(c, w, "CCC", NULL, &reply);
	if (r < 0) {
		return closed(s, r, "after CCC", words);
	}
	if (reply_is(&reply, 2)) {
		r = control_stop_tls(c, w, words);
		if (r == 0) {
			r = first_clear_line(c, w, words);
		}
		return r;
	}
	if (s->ccc == CCC_REQUIRE) {
		words_set(words,
			  "%s refuses to clear the control channel (CCC: %d %s): the "
			  "server must allow it, or drop ccc=require",
			  s->host, reply.code, reply_words(&reply));
		return -EPROTONOSUPPORT;
	}
	h->ccc_refused = true;
	hook_printf(s->hook, LEVEL_WARN,
		    "%s refuses to clear the control channel (CCC: %d %s): it stays "
		    "encrypted, and a firewall that wants to read it cannot",
		    s->host, reply.code, reply_words(&reply));
	return 0;
}

/* ---- all of it ---- */

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

static int open_channel(struct control *c, const struct wait *w, struct words *words)
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

int control_login(struct control *c, const struct wait *w, struct words *words)
{
	static int (*const steps[])(struct control * c, const struct wait *w,
				    struct words *words) = {
		open_channel, choose_host, user_pass, settle_session, set_options, quote,
	};
	const struct server *s = control_server(c);
	char tls[96];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(steps); i++) {
		r = steps[i](c, w, words);
	}
	channel_describe(control_channel(c), tls, sizeof(tls));
	if (r == 0) {
		r = clear_control(c, w, words);
	}
	if (r < 0) {
		control_set_lost(c);
		return r;
	}
	hook_printf(s->hook, LEVEL_DEBUG, "logged in to %s port %u as %s, %s%s", s->host,
		    s->port, s->user ? s->user : "anonymous", tls,
		    control_is_clear(c) ? ", then clear" : "");
	return 0;
}
