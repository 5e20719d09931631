/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the server says it has of one file: MLST, else SIZE and MDTM. Private to the
 * uploads, which put the commands at the end of a batch of their own. */
#ifndef NET_LOOK_H
#define NET_LOOK_H

#include "net/control.h"

struct look {
	bool has_size, missing;
	bool link; /* these may be the size and time of a link, not of what it leads to */
	uint64_t size;
	int64_t mtime; /* -1 unknown */
	int mode; /* -1 unknown */
};

/* How many of cmds the host calls for; 0: it can tell nothing. They point to path. */
size_t look_commands(struct host *host, const char *path, struct command cmds[2]);
/* What the answers mean. A verb the host turns out not to know is not used again. */
void look_replies(struct host *host, const struct command *cmds,
		  const struct reply *replies, size_t n, struct look *look);
/* Both, on c: 0 or as control_batch(). The facts may lack a size, and some servers refuse
 * MLST for names they have: then SIZE has the last word. */
int look_at(struct control *c, const struct wait *w, const char *path, struct look *ret);

/* The number at the beginning of what a reply says, "213 4711"; -1: there is none. */
int64_t look_number(const struct reply *reply);

/* The server does not have this verb, whatever the argument. */
static inline bool look_unknown(const struct reply *reply)
{
	return reply->code == 500 || reply->code == 502 || reply->code == 504;
}

#endif
