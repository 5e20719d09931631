/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/remote.h"
#include "net/path.h"
#include "net/remote_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int remote_new(const struct server *server, struct remote **ret)
{
	struct remote *r = calloc(1, sizeof(*r));
	int e;

	if (!r) {
		return -ENOMEM;
	}
	r->server = server;
	e = pool_new(server, &r->pool);
	if (e < 0) {
		free(r);
		return e;
	}
	mutex_init(&r->lock);
	*ret = r;
	return 0;
}

int remote_start(struct remote *r)
{
	return pool_start(r->pool);
}

void remote_shutdown(struct remote *r)
{
	pool_shutdown(r->pool);
}

void remote_free(struct remote *r)
{
	if (!r) {
		return;
	}
	pool_shutdown(r->pool);
	pool_free(r->pool);
	mutex_finish(&r->lock);
	free(r->base);
	free(r);
}

struct pool *remote_pool(struct remote *r)
{
	return r->pool;
}

const struct server *remote_server(const struct remote *r)
{
	return r->server;
}

bool remote_has_stat(struct remote *r)
{
	struct host *h = pool_host(r->pool);

	return h->mlst && r->server->list != LIST_LIST;
}

int remote_errno(int r)
{
	switch (r) {
	case -ENOTCONN:
	case -ECONNABORTED:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EPIPE:
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -EHOSTDOWN:
	case -ENETUNREACH:
	case -ENETDOWN:
	case -EADDRNOTAVAIL:
	case -EADDRINUSE:
	case -EAFNOSUPPORT:
	case -EPROTO:
	case -EPROTONOSUPPORT:
	case -EKEYREJECTED:
	case -EUSERS:
	case -ESHUTDOWN:
		return -EIO;
	default:
		return r;
	}
}

/* ---- one verb, with its retries ---- */

static bool may_repeat(struct control *c, bool repeatable, uint64_t sent_before)
{
	return repeatable || control_said_421(c) || control_sent(c) == sent_before;
}

int remote_run(struct remote *r, const struct wait *w, bool repeatable, const char *what,
	       remote_verb *fn, void *arg)
{
	const struct server *s = r->server;

	for (unsigned try = 0;; try++) {
		struct words words = { "" };
		struct control *c;
		uint64_t sent;
		bool lost, again;
		int e = pool_borrow(r->pool, POOL_COMMAND, try > 0, w, &c, &words);

		if (e < 0) {
			if (e != -EINTR) {
				hook_printf(s->hook, LEVEL_WARN, "%s: %s", what,
					    words.text[0] ? words.text : strerror(-e));
			}
			return remote_errno(e);
		}
		sent = control_sent(c);
		e = fn(r, c, w, arg);
		lost = !control_alive(c);
		again = may_repeat(c, repeatable, sent);
		pool_return(r->pool, c);
		if (!lost || e >= 0 || e == -EINTR) {
			return remote_errno(e);
		}
		if (!again || try >= s->retry) {
			hook_printf(s->hook, LEVEL_WARN, "%s: connection lost (%s)%s",
				    what, strerror(-e),
				    again ? ""
					  : ", not repeated since the server may have "
					    "done it");
			return -EIO;
		}
		hook_printf(s->hook, LEVEL_DEBUG, "%s: connection lost (%s), once more",
			    what, strerror(-e));
	}
}

/* ---- why it was refused ---- */

/* What stands at path: vsftpd gives no reasons, so we look. */
static int look(struct remote *r, struct control *c, const struct wait *w,
		const char *path, enum entry_kind *ret)
{
	_cleanup_(stat_result_release) struct stat_result st = { 0 };
	int e = remote_stat_on(r, c, w, path, &st);

	if (e == 0 || e == -ENOENT) {
		*ret = e == 0 ? (enum entry_kind)st.entry.kind : ENTRY_UNKNOWN;
	}
	return e == -ENOENT ? 0 : e;
}

/* A directory that does not let us in looks like none at all to SIZE and CWD; its parent's
 * listing shows it. */
static bool listed_in_parent(struct remote *r, struct control *c, const struct wait *w,
			     const char *path)
{
	_cleanup_free_ char *parent = path_parent(path);
	_cleanup_(listing_freep) struct listing *l = NULL;
	const char *name = strrchr(path, '/');

	if (!parent || !name || !name[1] || remote_list_on(r, c, w, parent, &l) < 0) {
		return false;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->entries[i].name, name + 1) == 0) {
			return true;
		}
	}
	return false;
}

static int look_parent(struct remote *rem, struct control *c, const struct wait *w,
		       const char *path)
{
	_cleanup_free_ char *parent = path_parent(path);
	enum entry_kind kind = ENTRY_UNKNOWN;
	int r = parent ? look(rem, c, w, parent, &kind) : -ENOMEM;

	return r < 0		    ? r
	       : kind == ENTRY_DIR  ? -EACCES
	       : kind == ENTRY_FILE ? -ENOTDIR
				    : -ENOENT;
}

static bool is_one_of(const char *verb, const char *verbs)
{
	const char *at = strstr(verbs, verb);

	return at && (at[strlen(verb)] == ' ' || at[strlen(verb)] == '\0');
}

/* The errno of a refusal without a reason, from what stands at path now. */
static int deduce(struct remote *rem, struct control *c, const struct wait *w,
		  const char *verb, const char *path)
{
	enum entry_kind kind = ENTRY_UNKNOWN;
	int r = look(rem, c, w, path, &kind);

	if (r < 0) {
		return r;
	}
	if (strcmp(verb, "MKD") == 0 && kind != ENTRY_UNKNOWN) {
		return -EEXIST;
	}
	if (kind == ENTRY_DIR && is_one_of(verb, "RMD RNTO")) {
		_cleanup_(listing_freep) struct listing *l = NULL;

		r = remote_list_on(rem, c, w, path, &l);
		return r < 0 ? r : l->n ? -ENOTEMPTY : -EACCES;
	}
	if (kind == ENTRY_DIR) {
		return is_one_of(verb, "CWD MLSD LIST STAT RNFR SITE") ? -EACCES
								       : -EISDIR;
	}
	if (kind == ENTRY_FILE) {
		return is_one_of(verb, "RMD CWD MLSD LIST STAT") ? -ENOTDIR : -EACCES;
	}
	if (is_one_of(verb, "STOR APPE MKD RNTO")) {
		return look_parent(rem, c, w, path);
	}
	return is_one_of(verb, "CWD MLSD LIST STAT") && listed_in_parent(rem, c, w, path)
		       ? -EACCES
		       : -ENOENT;
}

static bool is_everyday(int e)
{
	return e == -ENOENT || e == -EEXIST || e == -ENOTEMPTY || e == -EISDIR ||
	       e == -ENOTDIR;
}

int remote_refusal(struct remote *r, struct control *c, const struct wait *w,
		   const char *verb, const char *path, const struct reply *reply)
{
	int e = -reply_errno(reply);

	/* EINVAL may say the same: Pure-FTPd's words for DELE of a directory, others' for
	 * MLSD of a file. */
	if ((e == 0 || e == -EINVAL) && control_alive(c)) {
		int found = deduce(r, c, w, verb, path);

		e = e == 0 || found == -EISDIR || found == -ENOTDIR ? found : e;
	}
	if (e == 0) {
		e = -EIO;
	}
	hook_printf(r->server->hook, is_everyday(e) ? LEVEL_DEBUG : LEVEL_WARN,
		    "%s %s: %d %s (%s)", verb, path, reply->code, reply_words(reply),
		    strerror(-e));
	return e;
}

/* ---- the mounted directory ---- */

static char *choose_base(const char *home, const char *dir)
{
	_cleanup_free_ char *joined = NULL;

	if (dir[0] == '/') {
		return path_clean(dir);
	}
	joined = path_join(home, dir);
	return joined ? path_clean(dir[0] ? joined : home) : NULL;
}

/* Most logins have asked already. */
static int enter(struct control *c, const struct wait *w, const char *base,
		 struct reply *ret)
{
	const struct reply *known = control_entered(c);

	if (known->code == 0) {
		return control_command(c, w, "CWD", base, ret);
	}
	ret->text = strdup(known->text);
	ret->code = known->code;
	return ret->text ? 0 : -ENOMEM;
}

int remote_connect(struct remote *r, const struct wait *w, struct words *words)
{
	const struct server *s = r->server;
	_cleanup_free_ char *base = NULL;
	_cleanup_reply_ struct reply reply = { 0 };
	struct control *c;
	int e = pool_borrow(r->pool, POOL_COMMAND, false, w, &c, words);

	if (e < 0) {
		return e;
	}
	base = choose_base(control_home(c), s->dir ? s->dir : "");
	e = base ? enter(c, w, base, &reply) : -ENOMEM;
	pool_return(r->pool, c);
	if (e < 0) {
		words_set(words, "%s closed the connection after CWD %s", s->host,
			  base ? base : "");
		return e;
	}
	if (!reply_is(&reply, 2)) {
		words_set(words, "%s has no directory %s for this login: %d %s", s->host,
			  base, reply.code, reply_words(&reply));
		return -ENOENT;
	}
	mutex_lock(&r->lock);
	if (!r->base) {
		r->base = steal(&base);
	}
	mutex_unlock(&r->lock);
	return 0;
}

const char *remote_base(const struct remote *r)
{
	return r->base;
}
