/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directory listings: MLSD, else CWD and LIST without an argument (servers take it for
 * options or globs). */
#include "net/path.h"
#include "net/remote_private.h"
#include "net/transfer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	READ_SIZE = 64 * 1024,
	REFINE_MAX = 4096, /* files of one LIST whose exact time is asked for */
	REFINE_FLIGHT = 256,
};

struct list_job {
	const char *path;
	struct listing *result;
};

/* "226-Output truncated to 10000 matches" (Pure-FTPd): the rest exists all the same
 * (T55). */
static bool says_truncated(const char *text)
{
	return strcasestr(text, "truncat") || strcasestr(text, "limit reached");
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

static int data_trouble(struct remote *r, struct control *c, const char *path,
			const struct reply *reply)
{
	/* Where it is lost already, why has been said. */
	hook_printf(r->server->hook, control_alive(c) ? LEVEL_WARN : LEVEL_DEBUG,
		    "listing %s: %d %s", path, reply->code, reply_words(reply));
	control_set_lost(c);
	return -EIO;
}

/* 0 and *ret; 1: refused, *refusal; negative. */
static int fetch(struct remote *r, struct control *c, const struct wait *w,
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
	if (e != 0) {
		return e;
	}
	l = listing_new(facts ? LISTING_FACTS : LISTING_LINES, time(NULL));
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
	e = listing_end(l);
	if (e < 0) {
		return e;
	}
	l->incomplete = says_truncated(verdict.text);
	if (l->incomplete || l->rejected) {
		hook_printf(r->server->hook, LEVEL_WARN,
			    "listing %s: %u lines not understood%s%s", path, l->rejected,
			    l->incomplete ? "; the server left some out: " : "",
			    l->incomplete ? reply_words(&verdict) : "");
	}
	*ret = steal(&l);
	return 0;
}

/* ---- exact times ---- */

/* LIST shows minutes, or days, of an unnamed zone; MDTM tells seconds in UTC. What the
 * zone is off by shows in any file listed with a clock time, and corrects the
 * directories, which MDTM refuses. */
static int64_t zone_of(const struct entry *e, int64_t exact)
{
	int64_t diff = exact - exact % 60 - e->mtime;
	int64_t quarter = (diff >= 0 ? diff + 450 : diff - 450) / 900 * 900;

	return diff == quarter && diff >= -14 * 3600 && diff <= 14 * 3600 ? quarter : 0;
}

static int refine_flight(struct control *c, const struct wait *w, struct entry **v,
			 char **paths, size_t n, int64_t *zone)
{
	struct command cmds[REFINE_FLIGHT];
	struct reply replies[REFINE_FLIGHT] = { 0 };
	int r;

	for (size_t i = 0; i < n; i++) {
		cmds[i] = (struct command){ "MDTM", paths[i] };
	}
	r = control_batch(c, w, cmds, n, replies);
	for (size_t i = 0; i < n; i++) {
		int64_t exact;

		if (r == 0 && replies[i].code == 213 &&
		    listing_parse_time(reply_words(&replies[i]), &exact) == 0) {
			*zone = *zone ? *zone : zone_of(v[i], exact);
			v[i]->mtime = exact;
			v[i]->flags = (uint8_t)((v[i]->flags | ENTRY_HAS_MTIME) &
						~ENTRY_MTIME_COARSE);
		} else if (r == 0 && reply_errno(&replies[i]) == EOPNOTSUPP) {
			control_host(c)->mdtm = false;
		}
		reply_release(&replies[i]);
	}
	return r;
}

static int refine_times(struct control *c, const struct wait *w, const char *path,
			struct listing *l)
{
	struct entry *v[REFINE_FLIGHT];
	char *paths[REFINE_FLIGHT];
	int64_t zone = 0;
	size_t n = 0, asked = 0;
	int r = 0;

	for (size_t i = 0;
	     i < l->n && r == 0 && control_host(c)->mdtm && asked < REFINE_MAX; i++) {
		struct entry *e = &l->entries[i];

		if (e->kind == ENTRY_FILE && (e->flags & ENTRY_MTIME_COARSE)) {
			paths[n] = path_join(path, e->name);
			v[n] = e;
			asked++;
			if (!paths[n++]) {
				r = -ENOMEM;
			}
		}
		if (n == REFINE_FLIGHT || (n && (i + 1 == l->n || asked == REFINE_MAX))) {
			r = r < 0 ? r : refine_flight(c, w, v, paths, n, &zone);
			while (n) {
				free(paths[--n]);
			}
		}
	}
	while (n) {
		free(paths[--n]);
	}
	for (size_t i = 0; i < l->n && zone; i++) {
		if (l->entries[i].flags & ENTRY_MTIME_COARSE) {
			l->entries[i].mtime += zone;
		}
	}
	return r;
}

/* ---- the two ways ---- */

static int list_facts(struct remote *r, struct control *c, const struct wait *w,
		      struct list_job *job)
{
	_cleanup_reply_ struct reply refusal = { 0 };
	int e = fetch(r, c, w, "MLSD", job->path, job->path, &job->result, &refusal);

	if (e != 1) {
		return e;
	}
	if (reply_is_passing(&refusal)) {
		return data_trouble(r, c, job->path, &refusal);
	}
	if (reply_errno(&refusal) == EOPNOTSUPP && r->server->list == LIST_AUTO) {
		pool_host(r->pool)->mlst = false;
		return -EOPNOTSUPP;
	}
	return remote_refusal(r, c, w, "MLSD", job->path, &refusal);
}

/* 450 and 550 are some servers' way to say that a directory is empty (T54): CWD has shown
 * that it is one. */
static bool says_empty(const struct reply *reply)
{
	return (reply->code == 450 || reply->code == 550) &&
	       (reply_errno(reply) == ENOENT || strcasestr(reply->text, "no files") ||
		strcasestr(reply->text, "no members"));
}

static int list_lines(struct remote *r, struct control *c, const struct wait *w,
		      struct list_job *job)
{
	struct host *h = pool_host(r->pool);
	_cleanup_reply_ struct reply refusal = { 0 };
	int e = control_command(c, w, "CWD", job->path, &refusal);

	if (e < 0) {
		return e;
	}
	if (!reply_is(&refusal, 2)) {
		return remote_refusal(r, c, w, "CWD", job->path, &refusal);
	}
	reply_release(&refusal);
	e = fetch(r, c, w, "LIST", h->list_a_bad ? NULL : "-a", job->path, &job->result,
		  &refusal);
	if (e == 1 && !h->list_a_bad && reply_is(&refusal, 5) &&
	    !reply_is_passing(&refusal)) {
		/* It may take -a for a name; "no files" in an empty directory looks the same. */
		reply_release(&refusal);
		e = fetch(r, c, w, "LIST", NULL, job->path, &job->result, &refusal);
		h->list_a_bad = e == 0;
	}
	if (e == 1 && says_empty(&refusal)) {
		job->result = listing_new(LISTING_LINES, 0);
		return job->result ? 0 : -ENOMEM;
	}
	if (e == 1) {
		return reply_is_passing(&refusal)
			       ? data_trouble(r, c, job->path, &refusal)
			       : remote_refusal(r, c, w, "LIST", job->path, &refusal);
	}
	return e;
}

static int list_verb(struct remote *r, struct control *c, const struct wait *w, void *arg)
{
	struct list_job *job = arg;
	int e = -EOPNOTSUPP;

	listing_free(job->result); /* of an attempt that was lost half-way */
	job->result = NULL;
	if (remote_has_stat(r) || r->server->list == LIST_MLSD) {
		e = list_facts(r, c, w, job);
	}
	if (e == -EOPNOTSUPP && control_alive(c) && r->server->list != LIST_MLSD) {
		e = list_lines(r, c, w, job);
		e = e < 0 ? e : refine_times(c, w, job->path, job->result);
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
	return list_lines(r, c, w, job);
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
