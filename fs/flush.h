/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forgetting on demand (SIGHUP, --flush): what we know of names and attributes, and what the
 * kernel was told of them. */
#ifndef FS_FLUSH_H
#define FS_FLUSH_H

#include "fs/mount.h"

/* The names that the kernel was told are missing, the latest of them. */
struct misses;
struct misses *misses_new(void);
struct misses *misses_free(struct misses *s); /* takes NULL, returns NULL */
void misses_add(struct misses *s, fuse_ino_t parent, const char *name);

/* May wait for whoever holds a directory in the kernel: not from the only thread of a
 * session. */
void flush_all(struct mount *m);

#endif
