/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a connected socket to a logged-in session: greeting, TLS, USER and PASS, then what
 * the session needs (protection, type, features, directory) in as few flights as the
 * server takes. */
#include "net/hash.h"
#include "net/login_private.h"
#include "net/path.h"
#include "net/wish.h"
#include "tls/channel.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int refused_login(const struct server *s, const struct reply *reply,
			 struct words *words)
{
	if (reply_is_limit(reply)) {
		return login_limited(s, reply, words);
	}
	words_set(words,
		  "%s refused the login of %s: %d %s; check user name and password",
		  s->host, s->user ? s->user : "anonymous", reply->code,
		  reply_words(reply));
	return -EACCES;
}

/* Words for a login step that was not answered, or could not be sent. */
static int not_said(struct control *c, int r, const char *verb, struct words *words)
{
	/* Then the handshake lies behind, and many ask for certificates without need. */
	bool is_password = strcmp(verb, "PASS") == 0 || strcmp(verb, "ACCT") == 0;
	char when[64];

	if (r == -EINVAL || r == -EILSEQ) {
		words_set(words, "the %s contains a %s",
			  strcmp(verb, "USER") == 0 ? "user name" : "password",
			  r == -EINVAL ? "line break" : "character that charset= lacks");
		return -EACCES;
	}
	snprintf(when, sizeof(when), "after %s", verb);
	if (!is_password && login_tls_explains(c, r, when, words)) {
		return r;
	}
	snprintf(when, sizeof(when), "after %s (does it demand another TLS version?)",
		 verb);
	return login_closed(control_server(c), r, when, words);
}

/* One step of the login dialogue. */
static int say(struct control *c, const struct wait *w, const char *verb, const char *arg,
	       struct reply *reply, struct words *words)
{
	int r;

	reply_release(reply);
	r = control_command(c, w, verb, arg, reply);
	return r < 0 ? not_said(c, r, verb, words) : 0;
}

/* RFC 7151. Servers answer 220, WS_FTP 200. Alone: the password is for that host only. */
static int choose_host(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	_cleanup_reply_ struct reply reply = { 0 };
	int r = s->ftp_host ? say(c, w, "HOST", s->ftp_host, &reply, words) : 0;

	if (r < 0 || !s->ftp_host || reply_is(&reply, 2)) {
		return r;
	}
	if (reply_is_limit(&reply)) {
		return login_limited(s, &reply, words);
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

static int no_password(const struct server *s, struct words *words)
{
	words_set(
		words,
		"%s asks for the password of %s and none is known: use credentials=FILE",
		s->host, s->user ? s->user : "anonymous");
	return -EACCES;
}

static int no_account(const struct server *s, struct words *words)
{
	words_set(words,
		  "%s asks for an account: give account= or put it into the credentials "
		  "file",
		  s->host);
	return -EACCES;
}

/* One at a time. */
static int user_pass(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	_cleanup_reply_ struct reply reply = { 0 };
	int r = say(c, w, "USER", s->user ? s->user : "anonymous", &reply, words);

	if (r == 0 && reply.code == 331) {
		r = s->password ? say(c, w, "PASS", s->password, &reply, words)
				: no_password(s, words);
	}
	if (r == 0 && reply.code == 332) {
		r = s->account ? say(c, w, "ACCT", s->account, &reply, words)
			       : no_account(s, words);
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

/* ---- the flight ---- */

/* In the order of sending. What is needed first stands first: what does not fit the server's
 * first flight is held back by its Nagle for one round trip. */
enum step {
	SAY_USER,
	SAY_PASS,
	SAY_ACCT,
	SET_PBSZ,
	SET_PROT,
	SET_TYPE,
	SET_PWD,
	SET_CWD,
	SET_FEAT,
	SET_UTF8,
	SET_MLST,
	STEPS,
};

struct flight {
	struct command cmds[STEPS]; /* verb NULL: not asked */
	struct reply replies[STEPS]; /* code 0: not answered */
	char *dir;
};

static void flight_release(struct flight *f)
{
	for (size_t i = 0; i < STEPS; i++) {
		reply_release(&f->replies[i]);
	}
	free(f->dir);
}

static int fly(struct control *c, const struct wait *w, int64_t timeout, struct flight *f)
{
	struct command cmds[STEPS];
	struct reply replies[STEPS];
	size_t n = 0, login = 0;
	int r;

	for (size_t i = 0; i < STEPS; i++) {
		if (f->cmds[i].verb) {
			cmds[n++] = f->cmds[i];
			login += i < SET_PBSZ;
		}
	}
	r = control_batch_login(c, w, cmds, n, login, timeout, replies);
	n = 0;
	for (size_t i = 0; i < STEPS; i++) {
		if (f->cmds[i].verb) {
			f->replies[i] = replies[n++];
		}
	}
	return r;
}

/* The mounted directory is asked for on the first connection, where its name is known. */
static int plan_dir(struct control *c, struct flight *f)
{
	const char *dir = control_server(c)->dir;

	if (control_host(c)->known || !dir || dir[0] != '/' || strpbrk(dir, "\r\n")) {
		return 0;
	}
	f->dir = path_clean(dir);
	f->cmds[SET_CWD] = (struct command){ "CWD", f->dir };
	return f->dir ? 0 : -ENOMEM;
}

static void plan_login(struct control *c, struct flight *f)
{
	const struct server *s = control_server(c);

	f->cmds[SAY_USER] = (struct command){ "USER", s->user ? s->user : "anonymous" };
	f->cmds[SAY_PASS] = (struct command){ "PASS", s->password };
	if (s->account) {
		f->cmds[SAY_ACCT] = (struct command){ "ACCT", s->account };
	}
}

static void plan_settings(struct control *c, struct flight *f)
{
	const struct server *s = control_server(c);
	struct host *h = control_host(c);

	if (s->tls != TLS_NONE) {
		f->cmds[SET_PBSZ] = (struct command){ "PBSZ", "0" };
		f->cmds[SET_PROT] = (struct command){ "PROT", s->prot_clear ? "C" : "P" };
	}
	f->cmds[SET_TYPE] = (struct command){ "TYPE", "I" };
	f->cmds[SET_PWD] = (struct command){ "PWD", NULL };
	if (!h->known) {
		f->cmds[SET_FEAT] = (struct command){ "FEAT", NULL };
	}
	/* Asked for unseen where it costs nothing; a refusal does not matter. With charset= the
	 * server is to stay in its own. */
	if (!control_charset(c) && (h->known ? h->utf8 : control_pipelines(c))) {
		f->cmds[SET_UTF8] = (struct command){ "OPTS", "UTF8 ON" };
	}
	if (h->known && h->opts_mlst[0]) {
		f->cmds[SET_MLST] = (struct command){ "OPTS", h->opts_mlst };
	}
}

/* ---- what came of it ---- */

static int check_protection(const struct server *s, const struct reply *replies,
			    struct words *words)
{
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

/* The reply that decides on a login sent in one flight. */
static const struct reply *verdict(const struct flight *f)
{
	const struct reply *v = &f->replies[SAY_USER];

	if (v->code == 331) {
		v = &f->replies[SAY_PASS];
	}
	return v->code == 332 && f->cmds[SAY_ACCT].verb ? &f->replies[SAY_ACCT] : v;
}

/* A login refused out of order: pyftpdlib takes 3 s for its 530 to PASS and answers what stands
 * behind it meanwhile, 530 too. NULL: there was none, or somebody was welcome. */
static const struct reply *late_refusal(const struct flight *f)
{
	const struct reply *last = NULL;

	for (size_t i = 0; i < STEPS; i++) {
		if (f->replies[i].code == 230 || f->replies[i].code == 232) {
			return NULL;
		}
		if (f->replies[i].code == 530) {
			last = &f->replies[i];
		}
	}
	return last;
}

/* Replies that belong to other commands than they should, or to a server that begins with one
 * command before it has done the one before. */
static bool mixed_up(const struct flight *f)
{
	bool whole = f->cmds[SAY_USER].verb;
	int code = whole ? verdict(f)->code : 230;

	if (code == 331 || (code >= 500 && code <= 503)) {
		return true;
	}
	for (size_t i = SET_PBSZ; i < STEPS && code / 100 == 2; i++) {
		int own = f->replies[i].code;

		if ((whole && i <= SET_PWD && (own == 530 || own == 503)) ||
		    (i != SET_PWD && own == 257 && f->replies[SET_PWD].code != 257)) {
			return true;
		}
	}
	return false;
}

static int judge_login(struct control *c, const struct flight *f, int r,
		       struct words *words)
{
	const struct server *s = control_server(c);
	const struct reply *v = verdict(f);
	bool user = r == -EINVAL ? strpbrk(f->cmds[SAY_USER].arg, "\r\n") != NULL
				 : f->replies[SAY_USER].code == 0;

	if (v->code == 332) {
		return no_account(s, words);
	}
	if (v->code && !reply_is(v, 2)) {
		return refused_login(s, v, words);
	}
	return v->code || r == 0 ? 0 : not_said(c, r, user ? "USER" : "PASS", words);
}

/* r: of fly(). The verdict on the login counts before what became of the connection behind it:
 * many hang up after a refusal. */
static int judge(struct control *c, const struct flight *f, int r, struct words *words)
{
	const struct server *s = control_server(c);

	for (size_t i = 0; i < STEPS; i++) {
		if (f->replies[i].code == 421) {
			return login_limited(s, &f->replies[i], words);
		}
	}
	if (f->cmds[SAY_USER].verb && r != -ETIMEDOUT && late_refusal(f)) {
		return refused_login(s, late_refusal(f), words);
	}
	if (control_pipelines(c) && mixed_up(f)) {
		control_host(c)->no_pipeline = true;
		words_set(words, "%s answers commands out of order", s->host);
		return -EPROTO;
	}
	if (f->cmds[SAY_USER].verb) {
		int refused = judge_login(c, f, r, words);

		if (refused < 0) {
			return refused;
		}
	}
	return r < 0 ? login_closed(s, r, "after the login", words)
		     : check_protection(s, f->replies, words);
}

/* A server that answered the first command and lost the rest, or hung up on it. */
static bool lost_the_rest(const struct flight *f, int r)
{
	return (r == -ETIMEDOUT || r == -ENOTCONN) && f->cmds[SAY_USER].verb &&
	       f->replies[SAY_USER].code && !verdict(f)->code;
}

/* What only FEAT could tell to ask for. Refusals do not matter: the server then sends what it
 * sends. */
static int set_options(struct control *c, const struct wait *w, const struct flight *done,
		       struct words *words)
{
	struct flight f = { 0 };
	int r = 0;

	plan_settings(c, &f);
	for (size_t i = 0; i < STEPS; i++) {
		if (done->cmds[i].verb || i < SET_UTF8) {
			f.cmds[i].verb = NULL;
		}
	}
	if (f.cmds[SET_UTF8].verb || f.cmds[SET_MLST].verb) {
		r = fly(c, w, control_server(c)->io_timeout, &f);
	}
	flight_release(&f);
	return r < 0 ? login_closed(control_server(c), r, "after OPTS", words) : 0;
}

static int settle(struct control *c, const struct wait *w, struct flight *f,
		  struct words *words)
{
	const struct server *s = control_server(c);
	bool home = f->replies[SET_PWD].code == 257 && s->dir && !s->dir[0];
	struct host *h = control_host(c);
	int r = control_set_home(c, &f->replies[SET_PWD]);

	if (r == 0 && f->cmds[SET_FEAT].verb && !h->known) {
		learn_features(h, &f->replies[SET_FEAT]);
	}
	if (r == 0) {
		r = set_options(c, w, f, words);
	}
	if (r == 0) {
		control_set_entered(c, &f->replies[home ? SET_PWD : SET_CWD]);
	}
	return r;
}

/* From USER to the last of the settings: in one flight where the host takes it. */
static int enter(struct control *c, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(c);
	struct host *h = control_host(c);
	bool whole = control_pipelines(c) && s->password;
	/* Whether it does is not known the first time. */
	bool trial = whole && !h->flew;
	struct flight f = { 0 };
	int r = whole ? 0 : user_pass(c, w, words);

	if (r < 0) {
		return r;
	}
	if (whole) {
		plan_login(c, &f);
	}
	plan_settings(c, &f);
	r = plan_dir(c, &f);
	if (r == 0) {
		r = fly(c, w,
			trial ? MIN(s->connect_timeout, s->io_timeout) : s->io_timeout,
			&f);
		if (trial && lost_the_rest(&f, r)) {
			h->no_pipeline = true;
		}
		r = judge(c, &f, r, words);
	}
	if (r == 0) {
		h->flew = h->flew || whole;
		r = settle(c, w, &f, words);
	}
	flight_release(&f);
	return r;
}

/* ---- what else ---- */

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
			return login_closed(s, r, "after a command of quote=", words);
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

/* ---- all of it ---- */

int control_login(struct control *c, const struct wait *w, struct words *words)
{
	static int (*const steps[])(struct control * c, const struct wait *w,
				    struct words *words) = {
		login_open_channel,
		choose_host,
		enter,
		quote,
	};
	const struct server *s = control_server(c);
	char tls[96];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(steps); i++) {
		r = steps[i](c, w, words);
	}
	channel_describe(control_channel(c), tls, sizeof(tls));
	if (r == 0) {
		r = login_clear(c, w, words);
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
