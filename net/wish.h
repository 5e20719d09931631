/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Times and modes that the server is to set: the ways there are, and which of them this host
 * was found to go.
 *
 * Times, in the order tried: MFMT, MFF Modify=, SITE UTIME stamp path, SITE UTIME path stamp
 * stamp stamp UTC, MDTM stamp path. A way is verified when it is first used: some servers say
 * 213 and do nothing, or take the stamp for local time. One that lies, or whose verb is
 * unknown, is not used again. Modes: SITE CHMOD, else MFF UNIX.mode=. */
#ifndef NET_WISH_H
#define NET_WISH_H

#include "net/control.h"
#include "net/path.h"

struct wish {
	struct command cmd; /* arg points to args */
	unsigned way; /* one bit: of host->time_ways or host->mode_ways */
	char args[PATH_COMMAND_MAX];
};

/* The ways worth trying, judged by FEAT, for login. */
void wish_learn(struct host *host, const struct reply *feat);

/* The command for the best way that is not in `tried`: 1; 0: there is none; -EINVAL or
 * -ENAMETOOLONG. path is absolute, mtime in seconds since 1970 UTC. */
int wish_time(struct host *host, const char *path, int64_t mtime, unsigned tried,
	      struct wish *ret);
int wish_mode(struct host *host, const char *path, unsigned mode, struct wish *ret);

/* The errno (negative) of a refusal; -EOPNOTSUPP: another way may do. An unknown verb is
 * forgotten. */
int wish_time_refused(struct host *host, const struct wish *wish,
		      const struct reply *reply);
/* 0: no reason was given. */
int wish_mode_refused(struct host *host, const struct wish *wish,
		      const struct reply *reply);

/* Whether a granted way is still to be proven. */
bool wish_time_unproven(struct host *host, const struct wish *wish);
/* seen: the time that the server tells afterwards, -1 if it does not. had_other: the file is
 * known to have had another time before. False: the server lied, the way is forgotten. */
bool wish_time_verify(struct host *host, const struct wish *wish,
		      const struct log_hook *hook, int64_t wanted, int64_t seen,
		      bool had_other);

#endif
