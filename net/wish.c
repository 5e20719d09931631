/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/wish.h"

#include "net/look.h"
#include "net/remote_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	TIME_MFMT = 1,
	TIME_MFF = 2,
	TIME_UTIME = 4,
	TIME_UTIME_UTC = 8,
	TIME_MDTM = 16,

	MODE_CHMOD = 1,
	MODE_MFF = 2,

	STAMP = 80, /* the compiler wants room for years that gmtime_r() never gives */
	GRAIN = 2, /* seconds that a file system of the server may round by (FAT) */
};

void wish_learn(struct host *host, const struct reply *feat)
{
	bool mute = !reply_is(feat, 2);
	/* Rarely listed; a refusal is remembered. */
	unsigned times = TIME_UTIME | TIME_UTIME_UTC, modes = MODE_CHMOD;

	if (mute || reply_feature(feat, "MFMT")) {
		times |= TIME_MFMT;
	}
	if (mute || !(times & TIME_MFMT)) {
		times |= TIME_MDTM; /* vsftpd */
	}
	if (mute || reply_feature_lists(feat, "MFF", "modify")) {
		times |= TIME_MFF;
	}
	if (mute || reply_feature_lists(feat, "MFF", "UNIX.mode")) {
		modes |= MODE_MFF;
	}
	host->time_ways = times;
	host->mode_ways = modes;
}

static int stamp_of(int64_t mtime, char ret[static STAMP])
{
	struct tm tm;
	time_t t = (time_t)mtime;

	if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099) {
		return -EINVAL;
	}
	snprintf(ret, STAMP, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return 0;
}

/* What is there of `ways` that was not tried: its lowest bit. */
static unsigned best_way(unsigned ways, unsigned tried)
{
	ways &= ~tried;
	return ways & -ways;
}

static int wish_end(struct wish *wish, const char *verb, int len)
{
	if (len >= (int)sizeof(wish->args)) {
		return -ENAMETOOLONG;
	}
	wish->cmd = (struct command){ verb, wish->args };
	return 1;
}

int wish_time(struct host *host, const char *path, int64_t mtime, unsigned tried,
	      struct wish *ret)
{
	char at[STAMP];
	size_t size = sizeof(ret->args);
	int r = stamp_of(mtime, at);

	if (r < 0) {
		return r;
	}
	ret->way = best_way(host->time_ways, tried);
	switch (ret->way) {
	case TIME_MFMT:
		return wish_end(ret, "MFMT",
				snprintf(ret->args, size, "%s %s", at, path));
	case TIME_MFF:
		return wish_end(ret, "MFF",
				snprintf(ret->args, size, "Modify=%s; %s", at, path));
	case TIME_UTIME:
		return wish_end(ret, "SITE",
				snprintf(ret->args, size, "UTIME %s %s", at, path));
	case TIME_UTIME_UTC:
		return wish_end(ret, "SITE",
				snprintf(ret->args, size, "UTIME %s %s %s %s UTC", path,
					 at, at, at));
	case TIME_MDTM:
		return wish_end(ret, "MDTM",
				snprintf(ret->args, size, "%s %s", at, path));
	default:
		return 0;
	}
}

int wish_mode(struct host *host, const char *path, unsigned mode, struct wish *ret)
{
	size_t size = sizeof(ret->args);

	ret->way = best_way(host->mode_ways, 0);
	switch (ret->way) {
	case MODE_CHMOD:
		return wish_end(
			ret, "SITE",
			snprintf(ret->args, size, "CHMOD %03o %s", mode & 07777, path));
	case MODE_MFF:
		return wish_end(ret, "MFF",
				snprintf(ret->args, size, "UNIX.mode=%04o; %s",
					 mode & 07777, path));
	default:
		return 0;
	}
}

int wish_time_refused(struct host *host, const struct wish *wish,
		      const struct reply *reply)
{
	int e = -reply_errno(reply);

	/* Where MDTM only asks, "20260102030405 name" is a name, and there is no such file. The
	 * other order of SITE UTIME may be the one that is known here. */
	if ((e == -ENOENT && wish->way == TIME_MDTM) ||
	    ((e == -ENOENT || e == -EINVAL) && wish->way == TIME_UTIME)) {
		e = -EOPNOTSUPP;
	}
	if (e == -EOPNOTSUPP) {
		host->time_ways &= ~wish->way;
	}
	if (look_unknown(reply) && wish->way == TIME_UTIME) {
		host->time_ways &= ~(unsigned)TIME_UTIME_UTC;
	}
	/* vsftpd and pyftpdlib refuse directories with a bare 550. */
	return e ? e : -EOPNOTSUPP;
}

int wish_mode_refused(struct host *host, const struct wish *wish,
		      const struct reply *reply)
{
	int e = -reply_errno(reply);

	if (e == -EOPNOTSUPP) {
		host->mode_ways &= ~wish->way;
	}
	return e;
}

bool wish_time_unproven(struct host *host, const struct wish *wish)
{
	return !(host->time_proven & wish->way);
}

static bool near(int64_t a, int64_t b)
{
	return a - b <= GRAIN && b - a <= GRAIN;
}

bool wish_time_verify(struct host *host, const struct wish *wish,
		      const struct log_hook *hook, int64_t wanted, int64_t seen,
		      bool had_other)
{
	if (seen < 0 || !wish_time_unproven(host, wish)) {
		return true;
	}
	if (near(seen, wanted)) {
		if (had_other) {
			host->time_proven |= wish->way;
		}
		return true;
	}
	host->time_ways &= ~wish->way;
	hook_printf(hook, LEVEL_INFO,
		    "%s %s: granted, but the time is off by %lld s: not used again",
		    wish->cmd.verb, wish->args, (long long)(seen - wanted));
	return false;
}

/* ---- as verbs of the server ---- */

struct wish_job {
	const char *path;
	int64_t mtime;
	unsigned mode;
};

static int64_t time_told(struct host *host, const struct command *cmd,
			 const struct reply *reply)
{
	struct look look;

	look_replies(host, cmd, reply, 1, &look);
	return look.link ? -1 : look.mtime;
}

/* One way; the first time with a look before and one behind, in the same flight. */
static int try_time(struct remote *r, struct control *c, const struct wait *w,
		    const struct wish_job *job, const struct wish *wish)
{
	struct host *host = control_host(c);
	const struct command look = { host->mlst ? "MLST" : "MDTM", job->path };
	const struct command cmds[] = { look, wish->cmd, look };
	struct reply replies[3] = { { 0 } }, *reply = &replies[1];
	bool looks = wish_time_unproven(host, wish) && (host->mlst || host->mdtm);
	int e = looks ? control_batch(c, w, cmds, 3, replies)
		      : control_command(c, w, wish->cmd.verb, wish->cmd.arg, reply);

	if (e == 0 && !reply_is(reply, 2)) {
		e = wish_time_refused(host, wish, reply);
		hook_printf(remote_server(r)->hook, LEVEL_DEBUG, "%s %s: %d %s",
			    wish->cmd.verb, job->path, reply->code, reply_words(reply));
	} else if (e == 0 && looks) {
		int64_t before = time_told(host, &look, &replies[0]);
		int64_t seen = time_told(host, &look, &replies[2]);
		bool had_other = before >= 0 && !near(before, job->mtime);

		if (!wish_time_verify(host, wish, remote_server(r)->hook, job->mtime,
				      seen, had_other)) {
			e = -EOPNOTSUPP;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		reply_release(&replies[i]);
	}
	return e;
}

static int utime_verb(struct remote *r, struct control *c, const struct wait *w,
		      void *arg)
{
	const struct wish_job *job = arg;
	unsigned tried = 0;

	for (;;) {
		struct wish wish;
		int e = wish_time(control_host(c), job->path, job->mtime, tried, &wish);

		if (e <= 0) {
			return e < 0 ? e : -EOPNOTSUPP;
		}
		tried |= wish.way;
		e = try_time(r, c, w, job, &wish);
		if (e != -EOPNOTSUPP) {
			return e;
		}
	}
}

bool remote_has_utime(struct remote *r)
{
	struct host *host = pool_host(r->pool);

	return !host->known || host->time_ways;
}

bool remote_has_chmod(struct remote *r)
{
	struct host *host = pool_host(r->pool);

	return !host->known || host->mode_ways;
}

int remote_utime(struct remote *r, const struct wait *w, const char *path, int64_t mtime)
{
	struct wish_job job = { .path = path, .mtime = mtime };

	return remote_run(r, w, true, path, utime_verb, &job);
}

static int chmod_verb(struct remote *r, struct control *c, const struct wait *w,
		      void *arg)
{
	const struct wish_job *job = arg;
	struct host *host = control_host(c);
	struct wish wish;
	int e;

	while ((e = wish_mode(host, job->path, job->mode, &wish)) > 0) {
		_cleanup_reply_ struct reply reply = { 0 };

		e = control_command(c, w, wish.cmd.verb, wish.cmd.arg, &reply);
		if (e < 0 || reply_is(&reply, 2)) {
			return e;
		}
		if (wish_mode_refused(host, &wish, &reply) != -EOPNOTSUPP) {
			return remote_refusal(r, c, w, "SITE", job->path, &reply);
		}
	}
	return e < 0 ? e : -EOPNOTSUPP;
}

int remote_chmod(struct remote *r, const struct wait *w, const char *path, unsigned mode)
{
	struct wish_job job = { .path = path, .mode = mode };

	if (!remote_has_chmod(r)) {
		return -EOPNOTSUPP;
	}
	return remote_run(r, w, true, path, chmod_verb, &job);
}
