/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node as struct stat, under uid, gid and masks. */
#ifndef FS_ATTR_H
#define FS_ATTR_H

#include "fs/mount.h"

#include <sys/stat.h>

/* Modes: the server's UNIX.mode, else 0644/0755 narrowed by perm facts (no 'w' and no
 * 'a': no write bits ...), else 0644/0755; then umask/fmask/dmask taken away where given.
 * Directories: nlink 2, size 4096. Blocks of 512 bytes. */
void attr_fill_locked(struct mount *m, const struct node *n, struct stat *st)
	REQUIRES(m->tree.lock);

/* What a lookup-like reply says of n, with what is left of the ttl. For ENTRY_UNKNOWN no
 * inode: the kernel will ask. */
void attr_entry_locked(struct mount *m, struct node *n, struct fuse_entry_param *ret)
	REQUIRES(m->tree.lock);

/* Replies an entry whose nlookup was raised; an interrupted kernel has not taken it: then
 * it is lowered again. */
void attr_reply_entry(fuse_req_t req, struct mount *m, struct node *n);

#endif
