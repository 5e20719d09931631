/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Symbolic links under the option `symlinks`. contain: targets that leave the mounted
 * directory are refused. follow: links appear as what they lead to. raw: as the server says.
 * hide: not at all. */
#ifndef FS_LINKS_H
#define FS_LINKS_H

#include "fs/mount.h"

#include <limits.h>

/* What readlink says of n, a link with a known target. -EPERM: it leads out of the mount. */
int links_show_locked(struct mount *m, const struct node *n, char ret[static PATH_MAX])
	REQUIRES(m->tree.lock);

/* readlink: the target, asked for where no listing told it. */
int links_read(struct mount *m, struct node *n, const struct wait *w,
	       char ret[static PATH_MAX]);

/* The absolute path on the server that a new link in `dir`, the server's path of a directory, is
 * to lead to. -EPERM where reading it back would be refused. Fresh memory. */
int links_target(struct mount *m, const char *dir, const char *target, char **ret);

/* What the option makes of a listing of `path`, and of a stat that ended with `error`; asks the
 * server (follow). The strings of the entries stay where they are. Loops: a link to a directory
 * that holds it stays a link, and so does one that leads nowhere; servers end the rest. */
void links_filter(struct mount *m, const struct wait *w, const char *path,
		  struct listing *l);
int links_filter_stat(struct mount *m, const struct wait *w, const char *path, int error,
		      struct stat_result *st);

/* A name that is new to us, and of which a stat says this: only a listing tells what it is. */
bool links_want_listing(const struct mount *m, const struct entry *e);

#endif
