/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One mount: what every FUSE handler gets as its userdata. */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "base/sync.h"
#include "fs/interrupt.h"
#include "fs/node.h"
#include "net/remote.h"

#include <fuse_lowlevel.h>

struct options;
struct writeback;

struct mount {
	const struct options *opt;
	struct remote *remote;
	const struct log_hook *hook;
	struct writeback *back; /* write=back, or NULL */
	struct tree tree;
	struct fuse_session *se;
	bool auto_cache; /* the session keeps pages while size and mtime stand */
	uid_t uid; /* presented owner */
	gid_t gid;
	struct misses *misses; /* fs/flush.h */
	_Atomic unsigned followed; /* files that are uploaded while they are written */
	_Atomic uint64_t spooled; /* bytes that all spools hold on the local disk */
	struct room *room; /* fs/room.h */
};

static inline struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* The struct wait of a FUSE request, on the handler's stack: cancelled when the program was
 * interrupted, or the session is to end (SIGTERM): what is still to be delivered is then
 * delivered by file_settle_all(). */
static inline bool wait_req_interrupted(void *arg)
{
	fuse_req_t req = arg;

	return (fuse_req_interrupted(req) &&
		interrupt_is_meant(fuse_req_ctx(req)->pid)) ||
	       fuse_session_exited(mount_of(req)->se);
}
static inline struct wait wait_of(fuse_req_t req)
{
	return (struct wait){ .cancelled = wait_req_interrupted, .arg = req };
}

/* The handlers, each file fills its part of the table. */
void ops_tree_fill(struct fuse_lowlevel_ops *ops);
void ops_dir_fill(struct fuse_lowlevel_ops *ops);
void ops_file_fill(struct fuse_lowlevel_ops *ops);
void ops_xattr_fill(struct fuse_lowlevel_ops *ops);

#endif
