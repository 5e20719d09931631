/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listings by lines: CWD, then LIST, or STAT over the control connection. Neither gets a path
 * (servers take it for options or globs); CWD also shows that the directory exists, which an
 * empty listing does not. */
#include "net/remote_private.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* The lowest limit that a server has when nobody sets one (Pure-FTPd). */
enum { STAT_DOUBTFUL = 2000 - 2 };

struct way {
	struct remote *r;
	struct control *c;
	const struct wait *w;
	const char *path;
	bool stat; /* STAT in place of LIST */
};

/* ---- STAT ---- */

/* A line of the reply that may be an entry: behind "213-" and blanks. NULL: it is prose. */
static char *stat_row(char *line, bool *ret_prose)
{
	bool coded =
		strspn(line, "0123456789") == 3 && (line[3] == '-' || line[3] == ' ');

	line += coded ? 4 : 0;
	line += strspn(line, " \t");
	*ret_prose = coded &&
		     !(strchr("-dlbcpsD+", line[0]) || isdigit((unsigned char)line[0]));
	return *ret_prose || !line[0] ? NULL : line;
}

/* Feeds all but the first and the last line. words: the prose, which may speak of what was
 * left out; names must not. */
static int stat_feed(struct listing *l, char *text, char *words, size_t size)
{
	char *next = strchr(text, '\n');
	int e = 0;

	words[0] = '\0';
	while (next && e == 0) {
		char *line = next + 1, *row;
		bool prose;

		next = strchr(line, '\n');
		if (next) {
			*next = '\0';
		}
		row = stat_row(line, &prose);
		if (!next || prose) {
			strncat(words, line, size - strlen(words) - 1);
		} else if (row) {
			e = listing_feed(l, row, strlen(row));
			e = e < 0 ? e : listing_feed(l, "\n", 1);
		}
	}
	return e;
}

static int ask_stat(const struct way *way, bool all, struct listing **ret,
		    struct reply *refusal)
{
	_cleanup_(listing_freep) struct listing *l = NULL;
	_cleanup_reply_ struct reply reply = { 0 };
	char words[256];
	int e = control_command_long(way->c, way->w, "STAT", all ? "-a ." : ".", &reply);

	if (e < 0) {
		return e;
	}
	if (!reply_is(&reply, 2)) {
		*refusal = reply;
		reply = (struct reply){ 0 };
		return 1;
	}
	l = remote_listing_new(way->r, way->c, LISTING_LINES);
	e = l ? stat_feed(l, reply.text, words, sizeof(words)) : -ENOMEM;
	e = e < 0 ? e : remote_listing_end(way->r, l, way->path, words);
	if (e < 0) {
		return e;
	}
	/* FileZilla Server answers 221 to STAT with a path; others tell about the session. */
	if (reply.code < 211 || reply.code > 213 ||
	    (l->rejected && l->n == 0 && !l->dots)) {
		hook_printf(way->r->server->hook, LEVEL_WARN,
			    "listing %s: STAT shows no directory: %d %s", way->path,
			    reply.code, reply_words(&reply));
		return -EOPNOTSUPP;
	}
	/* Pure-FTPd ends here at its limit, too, and does not say so. */
	l->incomplete = l->incomplete || l->n >= STAT_DOUBTFUL;
	*ret = steal(&l);
	return 0;
}

/* ---- hidden names ---- */

/* 0 and *ret; 1: refused, *refusal; negative. */
static int ask(const struct way *way, bool all, struct listing **ret,
	       struct reply *refusal)
{
	return way->stat ? ask_stat(way, all, ret, refusal)
			 : remote_list_fetch(way->r, way->c, way->w, "LIST",
					     all ? "-a" : NULL, way->path, ret, refusal);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted_names(const struct listing *l)
{
	const char **names = calloc(l->n + 1, sizeof(*names));

	for (size_t i = 0; names && i < l->n; i++) {
		names[i] = l->entries[i].name;
	}
	if (names) {
		qsort(names, l->n, sizeof(*names), by_name);
	}
	return names;
}

/* Whether all holds what plain holds. 1, 0, -ENOMEM. */
static int includes(const struct listing *all, const struct listing *plain)
{
	_cleanup_free_ const char **a = sorted_names(all);
	_cleanup_free_ const char **p = sorted_names(plain);
	size_t at = 0;

	if (!a || !p) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < plain->n; i++, at++) {
		while (at < all->n && strcmp(a[at], p[i]) < 0) {
			at++;
		}
		if (at == all->n || strcmp(a[at], p[i]) != 0) {
			return 0;
		}
	}
	return 1;
}

static void learn_hidden(const struct way *way, enum tristate verdict)
{
	pool_host(way->r->pool)->hidden = verdict;
	hook_printf(way->r->server->hook, LEVEL_DEBUG, "%s -a %s here",
		    way->stat ? "STAT" : "LIST",
		    verdict == TRI_YES ? "is an option"
				       : "is taken for a name or refused");
}

/* 450 and 550 are some servers' way to say that a directory is empty (T54): CWD has shown
 * that it is one. */
static bool says_empty(const struct reply *reply)
{
	return (reply->code == 450 || reply->code == 550) &&
	       (reply_errno(reply) == ENOENT || strcasestr(reply->text, "no files") ||
		strcasestr(reply->text, "no members"));
}

/* What -a brought is compared with what comes without it, once a host (#12, #14, T53): it
 * counts only if nothing is missing. all: what it brought, or NULL when refused. */
static int compare_hidden(const struct way *way, struct listing *all,
			  struct listing **ret, struct reply *refusal)
{
	_cleanup_(listing_freep) struct listing *rest = all, *plain = NULL;
	bool empty_said = !all && says_empty(refusal);
	_cleanup_reply_ struct reply old = { 0 };
	int e, has;

	old = *refusal;
	*refusal = (struct reply){ 0 };
	e = ask(way, false, &plain, refusal);
	if (e != 0 && all && control_alive(way->c)) {
		reply_release(refusal);
		*ret = steal(&rest);
		return 0;
	}
	if (e != 0) {
		return e;
	}
	has = all ? includes(all, plain) : 0;
	if (has < 0) {
		return has;
	}
	if (has && plain->n) {
		learn_hidden(way, TRI_YES);
	} else if (!has && (plain->n || !empty_said)) {
		learn_hidden(way, TRI_NO);
	}
	*ret = has ? steal(&rest) : steal(&plain);
	return 0;
}

/* 0 and *ret; 1: refused, *refusal; negative. */
static int ask_hidden(const struct way *way, struct listing **ret, struct reply *refusal)
{
	const struct server *s = way->r->server;
	struct host *h = pool_host(way->r->pool);
	enum tristate want = s->hidden != TRI_AUTO ? s->hidden : (enum tristate)h->hidden;
	_cleanup_(listing_freep) struct listing *all = NULL;
	int e = ask(way, want != TRI_NO, &all, refusal);

	if (want != TRI_AUTO || e < 0 || !control_alive(way->c) ||
	    (e == 1 && (!reply_is(refusal, 5) || reply_is_passing(refusal)))) {
		*ret = steal(&all);
		return e;
	}
	/* A name in place of an option would not show ".". */
	if (e == 0 && all->dots) {
		learn_hidden(way, TRI_YES);
		*ret = steal(&all);
		return 0;
	}
	return compare_hidden(way, steal(&all), ret, refusal);
}

/* ---- the two ways ---- */

static int list_by(struct way *way, struct list_job *job)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	int e = ask_hidden(way, &job->result, &refusal);

	if (e == 1 && says_empty(&refusal)) {
		job->result = listing_new(LISTING_LINES, 0);
		return job->result ? 0 : -ENOMEM;
	}
	if (e == 1 && reply_is_passing(&refusal)) {
		return remote_list_trouble(way->r, way->c, job->path, &refusal);
	}
	return e == 1 ? remote_refusal(way->r, way->c, way->w,
				       way->stat ? "STAT" : "LIST", job->path, &refusal)
		      : e;
}

int remote_list_lines(struct remote *r, struct control *c, const struct wait *w,
		      struct list_job *job)
{
	struct host *h = pool_host(r->pool);
	struct way way = { r, c, w, job->path, false };
	_cleanup_reply_ struct reply reply = { 0 };
	int e = control_command(c, w, "CWD", job->path, &reply);

	if (e < 0) {
		return e;
	}
	if (!reply_is(&reply, 2)) {
		return remote_refusal(r, c, w, "CWD", job->path, &reply);
	}
	way.stat = r->server->list == LIST_STAT || h->list_missing;
	e = list_by(&way, job);
	if (e == -EOPNOTSUPP && control_alive(c) && !way.stat &&
	    r->server->list == LIST_AUTO) {
		hook_printf(r->server->hook, LEVEL_INFO,
			    "%s has neither MLSD nor LIST: listing by STAT",
			    r->server->host);
		h->list_missing = true;
		way.stat = true;
		e = list_by(&way, job);
	}
	return e;
}
