/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs on one path: stat, and what changes something. */
#include "net/look.h"
#include "net/path.h"
#include "net/remote_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- stat ---- */

void stat_result_release(struct stat_result *s)
{
	free(s->target);
	*s = (struct stat_result){ 0 };
}

static int take_entry(struct entry *e, struct stat_result *ret)
{
	char *target = NULL;

	if (e->target) {
		target = strdup(e->target);
		if (!target) {
			return -ENOMEM;
		}
	}
	e->name = NULL;
	e->target = NULL;
	ret->entry = *e;
	ret->target = target;
	return 0;
}

/* The next line of a reply that may hold facts, which ends there from now on. */
static char *facts_line(char **at)
{
	char *facts = *at, *end;

	if (!facts) {
		return NULL;
	}
	end = strchr(facts, '\n');
	if (end) {
		*end++ = '\0';
	}
	*at = end;
	return facts + (strncmp(facts, "250-", 4) == 0 ? 4 : 0);
}

/* "250-Listing\n type=file;size=3; /a/b\n250 End": the facts stand on the one line that
 * begins with a blank; some servers forget the blank, some repeat the code. */
int remote_parse_mlst(struct reply *reply, struct stat_result *ret)
{
	for (char *at = reply->text, *facts; (facts = facts_line(&at)) != NULL;) {
		struct entry e;

		if (strchr(facts, '=') && listing_parse_facts(facts, &e) == 0 &&
		    e.kind != ENTRY_UNKNOWN) {
			return take_entry(&e, ret);
		}
	}
	return -EPROTO;
}

static int decode_target(const struct control *c, struct stat_result *st)
{
	char *target = NULL;

	if (!st->target || !control_charset(c)) {
		return 0;
	}
	if (charset_decode(control_charset(c), st->target, &target) < 0) {
		return -ENOMEM;
	}
	free(st->target);
	st->target = target;
	return 0;
}

static int stat_mlst(struct remote *r, struct control *c, const struct wait *w,
		     const char *path, struct stat_result *ret)
{
	_cleanup_reply_ struct reply reply = { 0 };
	int e = control_command(c, w, "MLST", path, &reply);

	if (e < 0) {
		return e;
	}
	if (reply_is(&reply, 2)) {
		e = remote_parse_mlst(&reply, ret);
		e = e < 0 ? e : decode_target(c, ret);
		return e == -EPROTO ? -EOPNOTSUPP : e;
	}
	e = -reply_errno(&reply);
	/* A bare 550 to MLST means that there is no such thing; 501 and the like that it
	 * cannot tell (#22). */
	if (e == 0 && reply.code == 550) {
		return -ENOENT;
	}
	if (e == -EOPNOTSUPP) {
		pool_host(r->pool)->mlst = false;
	}
	return e == -ENOENT || e == -EACCES || e == -ENOTDIR || e == -EIO ||
			       e == -ELOOP || e == -ENAMETOOLONG
		       ? e
		       : -EOPNOTSUPP;
}

static int stat_size(struct control *c, const struct wait *w, const char *path,
		     struct stat_result *ret)
{
	const struct command cmds[] = { { "SIZE", path }, { "MDTM", path } };
	_cleanup_reply_ struct reply cwd = { 0 };
	struct reply replies[2] = { 0 };
	struct entry e = { .kind = ENTRY_UNKNOWN };
	int r = control_batch(c, w, cmds, 2, replies);

	if (r == 0 && replies[0].code == 213) {
		e.kind = ENTRY_FILE;
		e.flags |= ENTRY_HAS_SIZE;
		e.size = strtoull(reply_words(&replies[0]), NULL, 10);
	}
	if (r == 0 && replies[1].code == 213 &&
	    listing_parse_time(reply_words(&replies[1]), &e.mtime) == 0) {
		e.flags |= ENTRY_HAS_MTIME;
	}
	reply_release(&replies[0]);
	reply_release(&replies[1]);
	if (r == 0 && e.kind == ENTRY_UNKNOWN) {
		r = control_command(c, w, "CWD", path, &cwd);
		if (r == 0 && reply_is(&cwd, 2)) {
			e.kind = ENTRY_DIR;
		}
	}
	if (r < 0) {
		return r;
	}
	return e.kind == ENTRY_UNKNOWN ? -ENOENT : take_entry(&e, ret);
}

struct path_job {
	const char *path;
	const char *to;
	struct stat_result *stat;
};

int remote_stat_on(struct remote *r, struct control *c, const struct wait *w,
		   const char *path, struct stat_result *ret)
{
	int e = -EOPNOTSUPP;

	if (remote_has_stat(r)) {
		e = stat_mlst(r, c, w, path, ret);
	}
	if (e == -EOPNOTSUPP && control_alive(c)) {
		e = stat_size(c, w, path, ret);
	}
	return e;
}

static int stat_verb(struct remote *r, struct control *c, const struct wait *w, void *arg)
{
	struct path_job *job = arg;

	return remote_stat_on(r, c, w, job->path, job->stat);
}

static int target_verb(struct remote *r, struct control *c, const struct wait *w,
		       void *arg)
{
	struct path_job *job = arg;

	(void)r;
	return stat_size(c, w, job->path, job->stat);
}

int remote_stat_target(struct remote *r, const struct wait *w, const char *path,
		       struct stat_result *ret)
{
	struct path_job job = { .path = path, .stat = ret };

	return remote_run(r, w, true, path, target_verb, &job);
}

int remote_stat(struct remote *r, const struct wait *w, const char *path,
		struct stat_result *ret)
{
	struct path_job job = { .path = path, .stat = ret };

	return remote_run(r, w, true, path, stat_verb, &job);
}

/* ---- changes ---- */

static int plain_verb(struct remote *r, struct control *c, const struct wait *w,
		      const char *verb, const char *path)
{
	_cleanup_reply_ struct reply reply = { 0 };
	int e = control_command(c, w, verb, path, &reply);

	if (e < 0) {
		return e;
	}
	return reply_is(&reply, 2) ? 0 : remote_refusal(r, c, w, verb, path, &reply);
}

static int mkdir_verb(struct remote *r, struct control *c, const struct wait *w,
		      void *arg)
{
	return plain_verb(r, c, w, "MKD", ((struct path_job *)arg)->path);
}

static int rmdir_verb(struct remote *r, struct control *c, const struct wait *w,
		      void *arg)
{
	return plain_verb(r, c, w, "RMD", ((struct path_job *)arg)->path);
}

static int unlink_verb(struct remote *r, struct control *c, const struct wait *w,
		       void *arg)
{
	return plain_verb(r, c, w, "DELE", ((struct path_job *)arg)->path);
}

int remote_mkdir(struct remote *r, const struct wait *w, const char *path)
{
	struct path_job job = { .path = path };

	return remote_run(r, w, false, path, mkdir_verb, &job);
}

int remote_rmdir(struct remote *r, const struct wait *w, const char *path)
{
	struct path_job job = { .path = path };

	return remote_run(r, w, false, path, rmdir_verb, &job);
}

int remote_unlink(struct remote *r, const struct wait *w, const char *path)
{
	struct path_job job = { .path = path };

	return remote_run(r, w, false, path, unlink_verb, &job);
}

/* One RNFR and RNTO: 0 and the two replies. */
static int rename_pair(struct control *c, const struct wait *w, const char *from,
		       const char *to, struct reply replies[static 2])
{
	const struct command cmds[] = { { "RNFR", from }, { "RNTO", to } };

	reply_release(&replies[0]);
	reply_release(&replies[1]);
	return control_batch(c, w, cmds, 2, replies);
}

static bool renamed(const struct reply replies[static 2])
{
	return reply_is(&replies[0], 3) && reply_is(&replies[1], 2);
}

/* IIS, Serv-U and others refuse to rename over what exists (#30): the old file steps aside under
 * a name of ours, and comes back if the new one cannot take its place. 0, 1 when it
 * was not that, negative. */
static int rename_aside(struct remote *r, struct control *c, const struct wait *w,
			const struct path_job *job, struct reply replies[static 2])
{
	_cleanup_(stat_result_release) struct stat_result old = { 0 };
	struct reply aside[2] = { 0 };
	_cleanup_reply_ struct reply gone = { 0 };
	char *backup = NULL;
	int e = remote_stat_on(r, c, w, job->to, &old);

	if (e < 0 || old.entry.kind != ENTRY_FILE) {
		return e == -ENOENT || e == 0 ? 1 : e;
	}
	if (asprintf(&backup, "%s.ftpsfs-%lx~", job->to, (unsigned long)now_ms()) < 0) {
		return -ENOMEM;
	}
	e = rename_pair(c, w, job->to, backup, aside);
	if (e == 0 && !renamed(aside)) {
		e = 1;
	} else if (e == 0) {
		e = rename_pair(c, w, job->path, job->to, replies);
		if (e == 0 && !renamed(replies)) {
			e = rename_pair(c, w, backup, job->to, aside);
			e = e == 0 ? 1 : e;
		} else if (e == 0) {
			e = control_command(c, w, "DELE", backup, &gone);
		}
	}
	if (e < 0 || (gone.code && !reply_is(&gone, 2))) {
		hook_printf(r->server->hook, LEVEL_ERROR,
			    "renaming over %s: the old file is left as %s", job->to,
			    backup);
	}
	reply_release(&aside[0]);
	reply_release(&aside[1]);
	free(backup);
	return e;
}

static bool says_target_exists(const struct reply *reply)
{
	int e = reply_errno(reply);

	return (reply->code == 550 || reply->code == 553) &&
	       (e == 0 || e == EEXIST || e == EACCES);
}

static int rename_verb(struct remote *r, struct control *c, const struct wait *w,
		       void *arg)
{
	const struct path_job *job = arg;
	struct reply replies[2] = { 0 };
	int e = rename_pair(c, w, job->path, job->to, replies);

	if (e == 0 && reply_is(&replies[0], 3) && says_target_exists(&replies[1])) {
		e = rename_aside(r, c, w, job, replies);
		e = e == 1 ? 0 : e;
	}
	if (e == 0 && !reply_is(&replies[0], 3)) {
		e = remote_refusal(r, c, w, "RNFR", job->path, &replies[0]);
	} else if (e == 0 && !reply_is(&replies[1], 2)) {
		e = remote_refusal(r, c, w, "RNTO", job->to, &replies[1]);
	}
	reply_release(&replies[0]);
	reply_release(&replies[1]);
	return e;
}

int remote_rename(struct remote *r, const struct wait *w, const char *from,
		  const char *to)
{
	struct path_job job = { .path = from, .to = to };

	return remote_run(r, w, false, from, rename_verb, &job);
}

/* ProFTPD takes a quoted name that has blanks for the link, though not for the target. */
static int symlink_args(char *ret, size_t size, const char *target, const char *path)
{
	bool blank = strchr(path, ' ') != NULL;
	const char *quote = blank ? "\"" : "";

	if (strchr(target, ' ') || (blank && strchr(path, '"'))) {
		return -EPERM;
	}
	return snprintf(ret, size, "SYMLINK %s %s%s%s", target, quote, path, quote) <
			       (int)size
		       ? 0
		       : -ENAMETOOLONG;
}

static int symlink_verb(struct remote *r, struct control *c, const struct wait *w,
			void *arg)
{
	const struct path_job *job = arg;
	_cleanup_reply_ struct reply reply = { 0 };
	char args[PATH_COMMAND_MAX];
	int e = symlink_args(args, sizeof(args), job->to, job->path);

	if (e == 0 && !control_host(c)->site_symlink) {
		e = -EPERM;
	}
	if (e == 0) {
		e = control_command(c, w, "SITE", args, &reply);
	}
	if (e < 0 || reply_is(&reply, 2)) {
		return e;
	}
	hook_printf(r->server->hook, LEVEL_DEBUG, "SITE %s: %d %s", args, reply.code,
		    reply_words(&reply));
	e = -reply_errno(&reply);
	/* The directory is there, so it is the target that is missing: ProFTPD wants one. */
	return e == 0 || e == -ENOENT || e == -EOPNOTSUPP || e == -EINVAL ? -EPERM : e;
}

int remote_symlink(struct remote *r, const struct wait *w, const char *target,
		   const char *path)
{
	struct path_job job = { .path = path, .to = target };

	return remote_run(r, w, false, path, symlink_verb, &job);
}

struct facts_job {
	const char *path;
	char *facts;
};

static int facts_verb(struct remote *r, struct control *c, const struct wait *w,
		      void *arg)
{
	struct facts_job *job = arg;
	_cleanup_reply_ struct reply reply = { 0 };
	int e = control_command(c, w, "MLST", job->path, &reply);

	if (e < 0) {
		return e;
	}
	if (!reply_is(&reply, 2)) {
		return remote_refusal(r, c, w, "MLST", job->path, &reply);
	}
	for (char *at = reply.text, *facts; (facts = facts_line(&at)) != NULL;) {
		facts += *facts == ' ';
		if (strchr(facts, '=') && strcspn(facts, "=") < strcspn(facts, " ")) {
			job->facts = strndup(facts, strcspn(facts, " "));
			return job->facts ? 0 : -ENOMEM;
		}
	}
	return -EOPNOTSUPP;
}

int remote_facts(struct remote *r, const struct wait *w, const char *path, char **ret)
{
	struct facts_job job = { .path = path };
	int e = remote_has_stat(r) ? remote_run(r, w, true, path, facts_verb, &job)
				   : -EOPNOTSUPP;

	if (e == 0) {
		*ret = job.facts;
	}
	return e;
}

static int room_verb(struct remote *r, struct control *c, const struct wait *w, void *arg)
{
	_cleanup_reply_ struct reply reply = { 0 };
	uint64_t *bytes = arg;
	int e = control_command(c, w, "AVBL", r->base, &reply);
	int64_t number;

	if (e < 0) {
		return e;
	}
	number = reply_is(&reply, 2) ? look_number(&reply) : -1;
	if (number >= 0) {
		*bytes = (uint64_t)number;
		return 0;
	}
	control_host(c)->avbl = false;
	hook_printf(r->server->hook, LEVEL_DEBUG, "AVBL: %d %s", reply.code,
		    reply_words(&reply));
	return -EOPNOTSUPP;
}

bool remote_has_room(struct remote *r)
{
	return pool_host(r->pool)->avbl && r->base;
}

int remote_room(struct remote *r, const struct wait *w, uint64_t *ret)
{
	return remote_has_room(r) ? remote_run(r, w, true, "AVBL", room_verb, ret)
				  : -EOPNOTSUPP;
}
