/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directory listings: by MLSD, else by lines (net/remote_lines.c). */
#include "net/path.h"
#include "net/remote_private.h"
#include "net/transfer.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	READ_SIZE = 64 * 1024,
};

/* "226-Output truncated to 10000 matches" (Pure-FTPd) and the like: the rest exists all the
 * same (T55). */
static bool says_truncated(const char *text)
{
	static const char *const phrases[] = { "truncat",	  "limit reached",
					       "limit exceeded",  "only the first",
					       "incomplete list", "too many files",
					       "too many entries" };
	static const char *const things[] = { "matches", "entries", "files", "lines" };

	for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
		if (strcasestr(text, phrases[i])) {
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(things); i++) {
		if (strcasestr(text, "limited to") && strcasestr(text, things[i])) {
			return true;
		}
	}
	return false;
}

static int read_listing(struct transfer *t, const struct wait *w, struct listing *l)
{
	_cleanup_free_ char *buf = malloc(READ_SIZE);
	ssize_t n = buf ? 1 : -ENOMEM;

	while (n > 0) {
		n = transfer_read(t, w, buf, READ_SIZE);
		if (n > 0) {
			int r = listing_feed(l, buf, (size_t)n);

			n = r < 0 ? r : n;
		}
	}
	return (int)n;
}

int remote_list_trouble(struct remote *r, struct control *c, const char *path,
			const struct reply *reply)
{
	/* Where it is lost already, why has been said. */
	hook_printf(r->server->hook, control_alive(c) ? LEVEL_WARN : LEVEL_DEBUG,
		    "listing %s: %d %s", path, reply->code, reply_words(reply));
	control_set_lost(c);
	return -EIO;
}

struct listing *remote_listing_new(struct remote *r, const struct control *c,
				   enum listing_format format)
{
	struct host *h = pool_host(r->pool);
	int zone = 0;

	(void)remote_zone(r, &zone);
	struct listing *l = listing_new(format, time(NULL) + zone);
	if (l) {
		l->charset = control_charset(c);
		l->dialect = h->list_dialect;
		l->unpadded = h->list_unpadded;
	}
	return l;
}

/* Whether this is the first of such words about path, as far as we remember. */
static bool first_time(struct remote *r, const char *path)
{
	uint32_t hash = 2166136261u;
	uint32_t *slot;
	bool first;

	for (; *path; path++) {
		hash = (hash ^ (unsigned char)*path) * 16777619u;
	}
	mutex_lock(&r->lock);
	slot = &r->listing_told[hash % ARRAY_LEN(r->listing_told)];
	first = *slot != hash;
	*slot = hash;
	mutex_unlock(&r->lock);
	return first;
}

int remote_listing_end(struct remote *r, struct listing *l, const char *path,
		       const char *last_words)
{
	struct host *h = pool_host(r->pool);
	int e = listing_end(l);

	if (e < 0) {
		return e;
	}
	if (l->dialect && l->dialect != h->list_dialect) {
		h->list_dialect = l->dialect;
	}
	h->list_unpadded = h->list_unpadded || l->unpadded;
	l->incomplete = says_truncated(last_words);
	if (l->incomplete || l->rejected) {
		hook_printf(r->server->hook,
			    first_time(r, path) ? LEVEL_WARN : LEVEL_DEBUG,
			    "listing %s: %u lines not understood%s%s", path, l->rejected,
			    l->incomplete ? "; the server left some out: " : "",
			    l->incomplete ? last_words : "");
	}
	if (l->strange && !atomic_exchange(&h->months_told, true)) {
		hook_printf(r->server->hook, LEVEL_WARN,
			    "listing %s: months in a language not known here: such files "
			    "are shown without a time unless MDTM tells it",
			    path);
	}
	return 0;
}

int remote_list_fetch(struct remote *r, struct control *c, const struct wait *w,
		      const char *verb, const char *arg, const char *path,
		      struct listing **ret, struct reply *refusal)
{
	bool facts = strcmp(verb, "MLSD") == 0;
	_cleanup_(listing_freep) struct listing *l = NULL;
	_cleanup_reply_ struct reply verdict = { 0 };
	struct words words = { "" };
	struct transfer *t;
	int e, read;

	e = transfer_open(c, w, verb, arg, 0, &t, refusal, &words);
	if (e < 0 && e != -EINTR) {
		hook_printf(r->server->hook, LEVEL_WARN, "listing %s: %s", path,
			    words.text[0] ? words.text : strerror(-e));
	}
	/* It is not the listing that was refused. */
	if (e == 1 && words.text[0] && !reply_is_passing(refusal)) {
		hook_printf(r->server->hook, LEVEL_WARN, "listing %s: %s", path,
			    words.text);
		return -EIO;
	}
	if (e != 0) {
		return e;
	}
	l = remote_listing_new(r, c, facts ? LISTING_FACTS : LISTING_LINES);
	read = l ? read_listing(t, w, l) : -ENOMEM;
	if (read < 0 && read != -ECONNABORTED) {
		transfer_abort(t, NULL);
		control_set_lost(c);
		return read;
	}
	e = transfer_finish(t, w, &verdict);
	if (e < 0) {
		return e;
	}
	/* Without close_notify the server's 226 is the only witness that this was all
	 * (T7); with it, still the final word. */
	if (!reply_is(&verdict, 2)) {
		*refusal = verdict;
		verdict = (struct reply){ 0 };
		return 1;
	}
	e = remote_listing_end(r, l, path, verdict.text);
	if (e == 0) {
		*ret = steal(&l);
	}
	return e;
}

/* Some servers show a directory that does not exist as an empty one. */
static int confirm_directory(struct remote *r, struct control *c, const struct wait *w,
			     const char *path)
{
	_cleanup_reply_ struct reply reply = { 0 };
	int e = control_command(c, w, "CWD", path, &reply);

	return e < 0 || reply_is(&reply, 2)
		       ? e
		       : remote_refusal(r, c, w, "CWD", path, &reply);
}

static int list_facts(struct remote *r, struct control *c, const struct wait *w,
		      struct list_job *job)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	int e = remote_list_fetch(r, c, w, "MLSD", job->path, job->path, &job->result,
				  &refusal);

	if (e == 0 && job->result->n == 0 && !job->result->dots) {
		return confirm_directory(r, c, w, job->path);
	}
	if (e != 1) {
		return e;
	}
	if (reply_is_passing(&refusal)) {
		return remote_list_trouble(r, c, job->path, &refusal);
	}
	if (reply_errno(&refusal) == EOPNOTSUPP && r->server->list == LIST_AUTO) {
		pool_host(r->pool)->mlst = false;
		return -EOPNOTSUPP;
	}
	return remote_refusal(r, c, w, "MLSD", job->path, &refusal);
}

static int list_verb(struct remote *r, struct control *c, const struct wait *w, void *arg)
{
	struct list_job *job = arg;
	int e = -EOPNOTSUPP;

	listing_free(job->result); /* of an attempt that was lost half-way */
	job->result = NULL;
	if ((pool_host(r->pool)->mlst && r->server->list == LIST_AUTO) ||
	    r->server->list == LIST_MLSD) {
		e = list_facts(r, c, w, job);
	}
	if (e == -EOPNOTSUPP && control_alive(c) && r->server->list != LIST_MLSD) {
		e = remote_list_lines(r, c, w, job);
		e = e < 0 ? e : remote_refine_times(r, c, w, job->path, job->result);
	}
	return e;
}

static int finish_job(struct list_job *job, int e, struct listing **ret)
{
	if (e < 0) {
		listing_free(job->result);
		return e;
	}
	*ret = job->result;
	return 0;
}

static int links_verb(struct remote *r, struct control *c, const struct wait *w,
		      void *arg)
{
	struct list_job *job = arg;

	listing_free(job->result);
	job->result = NULL;
	return remote_list_lines(r, c, w, job);
}

int remote_links(struct remote *r, const struct wait *w, const char *path,
		 struct listing **ret)
{
	struct list_job job = { .path = path };
	int e = remote_run(r, w, true, path, links_verb, &job);

	return finish_job(&job, e, ret);
}

int remote_list_on(struct remote *r, struct control *c, const struct wait *w,
		   const char *path, struct listing **ret)
{
	struct list_job job = { .path = path };
	int e = list_verb(r, c, w, &job);

	return finish_job(&job, e, ret);
}

int remote_list(struct remote *r, const struct wait *w, const char *path,
		struct listing **ret)
{
	struct list_job job = { .path = path };
	int e = remote_run(r, w, true, path, list_verb, &job);

	return finish_job(&job, e, ret);
}
