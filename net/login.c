/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a connected socket to a logged-in session: greeting, TLS, USER and PASS, then what
 * the session needs (protection, type, features, directory) in as few flights as the
 * server takes. */
#include "net/control.h"
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
			  s->tls == TLS_EXPLICIT
				  ? " (or expects TLS at once: tls=implicit)"
				  : "");
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
	const struct server *s = control_server(c);
	char when[64];
	int r;

	reply_release(reply);
	r = control_command(c, w, verb, arg, reply);
	if (r == -EINVAL) {
		words_set(words, "the %s contains a line break",
			  strcmp(verb, "USER") == 0 ? "user name" : "password");
		return -EACCES;
	}
	if (r < 0) {
		snprintf(
			when, sizeof(when),
			"after %s (does it demand another TLS version or a certificate?)",
			verb);
		return closed(s, r, when, words);
	}
	return 0;
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
	h->mfmt = mute || reply_feature(feat, "MFMT");
	h->mdtm = mute || reply_feature(feat, "MDTM");
	h->size = mute || reply_feature(feat, "SIZE");
	h->rest = true;
	h->utf8 = reply_feature(feat, "UTF8") != NULL;
	h->pret = reply_feature(feat, "PRET") != NULL;
	h->site_chmod = true; /* rarely listed; a refusal is remembered */
	/* vsftpd sets times by MDTM and has no MFMT. */
	h->mdtm_set = !h->mfmt;
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

int control_login(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	char tls[96];
	int r = 0;

	if (s->tls == TLS_IMPLICIT) {
		r = control_start_tls(c, w, words);
	}
	if (r == 0) {
		r = greeting(c, w, words);
	}
	if (r == 0 && s->tls == TLS_EXPLICIT) {
		r = auth_tls(c, w, words);
	}
	if (r == 0) {
		r = user_pass(c, w, words);
	}
	if (r == 0) {
		r = settle_session(c, w, words);
	}
	if (r == 0) {
		r = set_options(c, w, words);
	}
	if (r < 0) {
		control_set_lost(c);
		return r;
	}
	channel_describe(control_channel(c), tls, sizeof(tls));
	hook_printf(s->hook, LEVEL_DEBUG, "logged in to %s port %u as %s, %s", s->host,
		    s->port, s->user ? s->user : "anonymous", tls);
	return 0;
}
