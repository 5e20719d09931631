/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lookups and attributes: decode, call, reply once. The do_*() functions talk to
 * the server and the tree and return a -errno; the handlers know FUSE. */
#include "fs/ops_tree.h"

#include "fs/attr.h"
#include "fs/dir.h"
#include "fs/file.h"
#include "fs/flush.h"
#include "fs/links.h"
#include "fs/options.h"
#include "fs/room.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { STATFS_BLOCK = 4096 };
#define ROOM_UNKNOWN (UINT64_C(1) << 50) /* 1 PiB */

/* ---- reading ---- */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	struct wait w = wait_of(req);
	struct node *n = NULL;
	int64_t ttl = 0;
	int r = dir_lookup(m, node_of(&m->tree, parent), name, &w, &n, &ttl);

	if (r == 0) {
		attr_reply_entry(req, m, n);
	} else if (r == -ENOENT && ttl > 0) {
		/* Inode 0: the kernel remembers that there is none, so that a flush must reach
		 * it there; not for long, since asking us again costs no question to the server. */
		struct fuse_entry_param e = {
			.entry_timeout = (double)MIN(ttl, m->opt->neg_ttl) / 1000,
		};

		misses_add(m->misses, parent, name);
		fuse_reply_entry(req, &e);
	} else {
		fuse_reply_err(req, -r);
	}
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	struct mount *m = mount_of(req);

	node_forget(&m->tree, node_of(&m->tree, ino), nlookup);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *forgets)
{
	struct mount *m = mount_of(req);

	for (size_t i = 0; i < count; i++) {
		node_forget(&m->tree, node_of(&m->tree, forgets[i].ino),
			    forgets[i].nlookup);
	}
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, struct mount *m, struct node *n)
{
	struct stat st;
	int64_t left;

	mutex_lock(&m->tree.lock);
	attr_fill_locked(m, n, &st);
	left = dir_ttl_left_locked(m, n);
	mutex_unlock(&m->tree.lock);
	fuse_reply_attr(req, &st, (double)left / 1000);
}

/* An unlinked file that is still open, or a directory that somebody still stands in, keeps the
 * attributes it had. */
static bool outlives_its_name(struct mount *m, const struct node *n)
{
	bool outlives;

	mutex_lock(&m->tree.lock);
	outlives = (n->flags & NODE_GONE) &&
		   (n->kind == ENTRY_DIR || (n->kind == ENTRY_FILE && n->file));
	mutex_unlock(&m->tree.lock);
	return outlives;
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct node *n = node_of(&m->tree, ino);
	struct wait w = wait_of(req);
	int r = 0;

	(void)fi;
	if (n != m->tree.root && !outlives_its_name(m, n)) {
		r = dir_refresh(m, n, m->opt->dir_ttl, &w);
	}
	if (r < 0) {
		/* Gone: if the kernel came by a path, it looks that up once more. */
		fuse_reply_err(req, r == -ENOENT ? ESTALE : -r);
	} else {
		reply_attr(req, m, n);
	}
}

static bool in_group(fuse_req_t req, gid_t gid)
{
	gid_t groups[64];
	int n;

	if (fuse_req_ctx(req)->gid == gid) {
		return true;
	}
	n = fuse_req_getgroups(req, (int)ARRAY_LEN(groups), groups);
	for (int i = 0; i < MIN(n, (int)ARRAY_LEN(groups)); i++) {
		if (groups[i] == gid) {
			return true;
		}
	}
	return false;
}

/* access(2) and chdir(2), by the attributes as they are shown: no question to the server, whose
 * own idea of rights open(2) meets. */
static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct mount *m = mount_of(req);
	uid_t uid = fuse_req_ctx(req)->uid;
	struct stat st;
	unsigned may;

	mutex_lock(&m->tree.lock);
	attr_fill_locked(m, node_of(&m->tree, ino), &st);
	mutex_unlock(&m->tree.lock);
	if (uid == 0) {
		may = R_OK | W_OK;
		may |= S_ISDIR(st.st_mode) || (st.st_mode & 0111) ? X_OK : 0;
	} else if (uid == st.st_uid) {
		may = st.st_mode >> 6;
	} else {
		may = in_group(req, st.st_gid) ? st.st_mode >> 3 : st.st_mode;
	}
	fuse_reply_err(req, (unsigned)mask & ~may & 7 ? EACCES : 0);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_of(req);
	struct wait w = wait_of(req);
	uint64_t total = m->opt->statfs_size, left = total ? total : ROOM_UNKNOWN;
	struct statvfs st = {
		.f_bsize = STATFS_BLOCK,
		.f_frsize = STATFS_BLOCK,
		.f_namemax = 255,
	};

	(void)ino;
	(void)room_look(m->room, &w, &left);
	st.f_bfree = st.f_bavail = left / STATFS_BLOCK;
	st.f_blocks = MAX(total, left) / STATFS_BLOCK;
	fuse_reply_statfs(req, &st);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_of(req);
	struct node *n = node_of(&m->tree, ino);
	struct wait w = wait_of(req);
	char out[PATH_MAX];
	int r = dir_refresh(m, n, m->opt->dir_ttl, &w);

	if (r == 0) {
		r = links_read(m, n, &w, out);
	}
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else {
		fuse_reply_readlink(req, out);
	}
}

/* ---- changing ---- */

int change_allowed(const struct mount *m, bool removes)
{
	if (m->opt->ro) {
		return -EROFS;
	}
	return removes && m->opt->nodelete ? -EPERM : 0;
}

int change_failed(struct mount *m, struct node *n, int r)
{
	switch (-r) {
	case 0:
	case EACCES:
	case EPERM:
	case EROFS:
	case ENOSPC:
	case EDQUOT:
	case EOPNOTSUPP:
	case EINVAL:
	case ENAMETOOLONG:
		break;
	default:
		dir_distrust(m, n);
	}
	return r;
}

static bool forgiven(const struct mount *m, int r)
{
	return m->opt->noperm_errors && (r == -EPERM || r == -EACCES || r == -EOPNOTSUPP);
}

static int do_chmod(struct mount *m, struct node *n, unsigned mode, const struct wait *w)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	bool gone, same, told;
	int r;

	if (n->kind == ENTRY_SYMLINK) {
		return -EOPNOTSUPP; /* SITE CHMOD would go through to the target */
	}
	mutex_lock(&m->tree.lock);
	attr_fill_locked(m, n, &st);
	gone = n->flags & NODE_GONE;
	told = n->flags & NODE_HAS_MODE;
	mutex_unlock(&m->tree.lock);
	same = (st.st_mode & 07777) == mode;
	if (same && told) {
		return 0;
	}
	if (!gone && !(n->kind == ENTRY_FILE && file_defer_mode(m, n, mode))) {
		r = dir_path(m, n, w, &path);
		if (r == 0) {
			r = remote_chmod(m->remote, w, path, mode);
		}
		/* A server that knows no modes has this one, as far as anybody can see. */
		if (r < 0) {
			return forgiven(m, r) || (same && r == -EOPNOTSUPP) ? 0 : r;
		}
	}
	mutex_lock(&m->tree.lock);
	n->mode = (uint16_t)mode;
	n->flags |= NODE_HAS_MODE;
	n->stamp = ++m->tree.clock;
	mutex_unlock(&m->tree.lock);
	if (mode & 07000) {
		/* vsftpd says yes and leaves them out, pyftpdlib never tells them. */
		dir_distrust(m, n);
		dir_distrust(m, n->parent ? n->parent : n);
	}
	return 0;
}

static int do_utime(struct mount *m, struct node *n, int64_t mtime, const struct wait *w)
{
	_cleanup_free_ char *path = NULL;
	/* No verb sets the time of a link itself: they would go through to the target. */
	bool done, keep = n->kind == ENTRY_SYMLINK;
	int r;

	if (keep) {
		done = true;
	} else if (n->kind == ENTRY_FILE && file_defer_mtime(m, n, mtime)) {
		done = true;
	} else {
		mutex_lock(&m->tree.lock);
		/* The time of a directory that something was made in is a guess of ours. */
		done = (n->flags & NODE_GONE) ||
		       (n->mtime == mtime && n->kind == ENTRY_FILE &&
			!(n->flags & NODE_COARSE));
		mutex_unlock(&m->tree.lock);
	}
	if (!done) {
		r = dir_path(m, n, w, &path);
		if (r == 0) {
			r = remote_utime(m->remote, w, path, mtime);
		}
		/* cp -a, tar and rsync would fail on every directory of a server
		 * that cannot do this for directories. */
		keep = r == -EOPNOTSUPP && n->kind == ENTRY_DIR;
		if (r < 0 && !keep) {
			return forgiven(m, r) ? 0 : r;
		}
	}
	mutex_lock(&m->tree.lock);
	n->mtime = mtime;
	n->flags &= (uint8_t)~NODE_COARSE;
	if (keep) {
		n->flags |= NODE_KEEP_MTIME;
	}
	n->stamp = ++m->tree.clock;
	mutex_unlock(&m->tree.lock);
	return 0;
}

static int do_setattr(struct mount *m, struct node *n, const struct stat *st, int set,
		      const struct wait *w)
{
	bool owner = ((set & FUSE_SET_ATTR_UID) && st->st_uid != (uid_t)-1 &&
		      st->st_uid != m->uid) ||
		     ((set & FUSE_SET_ATTR_GID) && st->st_gid != (gid_t)-1 &&
		      st->st_gid != m->gid);
	int r = change_allowed(m, false);

	if (r == 0 && owner && !m->opt->noperm_errors) {
		r = -EPERM;
	}
	if (r == 0 && (set & FUSE_SET_ATTR_SIZE)) {
		r = n->kind == ENTRY_FILE ? file_truncate(m, n, (uint64_t)st->st_size, w)
					  : -EINVAL;
	}
	if (r == 0 && (set & FUSE_SET_ATTR_MODE)) {
		r = do_chmod(m, n, st->st_mode & 07777, w);
	}
	if (r == 0 && (set & FUSE_SET_ATTR_MTIME_NOW)) {
		/* With a new size the server sets the time itself. */
		r = set & FUSE_SET_ATTR_SIZE ? 0 : do_utime(m, n, time(NULL), w);
	} else if (r == 0 && (set & FUSE_SET_ATTR_MTIME)) {
		r = do_utime(m, n, st->st_mtim.tv_sec, w);
	}
	return r;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set,
		       struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct node *n = node_of(&m->tree, ino);
	struct wait w = wait_of(req);
	int r = do_setattr(m, n, st, set, &w);

	(void)fi;
	if (r < 0) {
		fuse_reply_err(req, -change_failed(m, n, r));
	} else {
		reply_attr(req, m, n);
	}
}

void ops_tree_fill(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = op_lookup;
	ops->forget = op_forget;
	ops->forget_multi = op_forget_multi;
	ops->getattr = op_getattr;
	ops->access = op_access;
	ops->setattr = op_setattr;
	ops->readlink = op_readlink;
	ops->statfs = op_statfs;
	ops_names_fill(ops);
}
