/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/replace.h"
#include "net/path.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

static int temp_path(const char *path, char **ret)
{
	_cleanup_free_ char *dir = path_parent(path);
	unsigned number = 0;
	char name[32];
	char *joined;

	if (!dir || getrandom(&number, sizeof(number), 0) < 0) {
		return -ENOMEM;
	}
	snprintf(name, sizeof(name), ".ftpsfs-%08x~", number);
	joined = path_join(dir, name);
	if (!joined) {
		return -ENOMEM;
	}
	*ret = joined;
	return 0;
}

/* Without the caller's wait: an interrupted upload is to leave nothing behind either. */
static void remove_temp(struct remote *r, const char *temp)
{
	int e = remote_unlink(r, NULL, temp);

	if (e < 0 && e != -ENOENT) {
		hook_printf(remote_server(r)->hook, LEVEL_ERROR,
			    "%s could not be removed: an upload that failed left it",
			    temp);
	}
}

/* The connection was lost at RNTO: was it done? */
static bool took_place(struct remote *r, const struct wait *w, const char *temp,
		       const struct upload_job *job, uint64_t size)
{
	_cleanup_(stat_result_release) struct stat_result gone = { 0 }, there = { 0 };

	return remote_stat(r, w, temp, &gone) == -ENOENT &&
	       remote_stat(r, w, job->path, &there) == 0 && there.entry.size == size;
}

/* What the server may forbid for another name though not for this one. */
static bool is_forbidden(int e)
{
	switch (e) {
	case -EACCES:
	case -EPERM:
	case -EEXIST:
	case -EINVAL:
	case -ENOENT:
	case -EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

int upload_replace(struct remote *r, const struct wait *w, const struct upload_job *job,
		   int keep_mode, struct upload_result *ret)
{
	_cleanup_free_ char *temp = NULL;
	struct upload_job aside = *job;
	struct upload_result result;
	int e = temp_path(job->path, &temp);

	if (e < 0) {
		return e;
	}
	aside.path = temp;
	aside.fresh = true;
	if (aside.mode < 0 && keep_mode >= 0) {
		aside.mode = keep_mode;
		aside.mode_required = false;
	}
	e = upload_run(r, w, &aside, &result);
	if (e == 0) {
		e = remote_rename(r, w, temp, job->path);
		if (e == -EIO && took_place(r, w, temp, job, result.size)) {
			e = 0;
		}
	}
	if (e == 0) {
		*ret = result;
		return 0;
	}
	remove_temp(r, temp);
	if (!is_forbidden(e)) {
		return e;
	}
	hook_printf(remote_server(r)->hook, LEVEL_INFO,
		    "%s: the server lets no other file take its place: written in place",
		    job->path);
	return upload_run(r, w, job, ret);
}
