/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that come, go and move: mknod, mkdir, unlink, rmdir, rename. */
#include "fs/ops_tree.h"

#include "fs/attr.h"
#include "fs/children.h"
#include "fs/dir.h"
#include "fs/file.h"
#include "fs/links.h"
#include "fs/options.h"
#include "fs/writeback.h"
#include "net/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DIR_MODE_USUAL = 0755 }; /* what servers give a new directory unasked */

/* The node of a name that the kernel has just looked up; with a reference. */
static int child_get(struct mount *m, struct node *parent, const char *name,
		     const struct wait *w, struct node **ret)
{
	struct node *n;
	int64_t ttl;
	int r;

	mutex_lock(&m->tree.lock);
	n = node_find_locked(&m->tree, parent, name);
	if (n) {
		node_ref_locked(&m->tree, n);
	}
	mutex_unlock(&m->tree.lock);
	if (!n) {
		r = dir_lookup(m, parent, name, w, &n, &ttl);
		if (r < 0) {
			return r;
		}
		node_ref(&m->tree, n);
		node_forget(&m->tree, n, 1);
	}
	*ret = n;
	return 0;
}

/* Hands our reference to the kernel. */
static void reply_new(fuse_req_t req, struct mount *m, struct node *n)
{
	mutex_lock(&m->tree.lock);
	node_looked_up_locked(&m->tree, n);
	node_unref_locked(&m->tree, n);
	mutex_unlock(&m->tree.lock);
	attr_reply_entry(req, m, n);
}

/* ---- new names ---- */

/* An empty upload makes the file. */
static int upload_new(struct mount *m, struct node *n, unsigned mode,
		      const struct wait *w)
{
	struct file *f = NULL;
	bool keep;
	int r = file_open(m, n, O_WRONLY | O_CREAT | O_TRUNC, w, &f, &keep);

	if (r < 0) {
		return r;
	}
	file_create_mode(f, mode);
	r = file_settle(f, w);
	if (r < 0) {
		(void)file_detach(m, n, w); /* an empty file is not worth keeping */
	}
	file_close(f, w);
	return r;
}

static int do_mknod(struct mount *m, struct node *parent, const char *name, mode_t mode,
		    const struct wait *w, struct node **ret)
{
	struct entry e = { .kind = ENTRY_FILE,
			   .flags = ENTRY_HAS_SIZE | ENTRY_HAS_MTIME };
	struct node *n = NULL;
	int r = change_allowed(m, false);

	if (r == 0 && !S_ISREG(mode)) {
		r = -EPERM;
	}
	if (r < 0) {
		return r;
	}
	/* STOR would replace what somebody else has put there meanwhile. */
	r = dir_ask(m, parent, name, w);
	if (r != -ENOENT) {
		return r < 0 ? r : -EEXIST;
	}
	e.mtime = time(NULL);
	r = dir_added(m, parent, name, &e, &n);
	if (r < 0) {
		return r;
	}
	mutex_lock(&m->tree.lock);
	n->flags |= NODE_LOCAL;
	mutex_unlock(&m->tree.lock);
	r = upload_new(m, n, mode & 07777, w);
	if (r < 0) {
		dir_removed(m, n);
		node_unref(&m->tree, n);
		return change_failed(m, parent, r);
	}
	dir_touched(m, parent);
	*ret = n;
	return 0;
}

static int do_mkdir(struct mount *m, struct node *parent, const char *name, unsigned mode,
		    const struct wait *w, struct node **ret)
{
	_cleanup_free_ char *dir = NULL, *path = NULL;
	struct entry e = { .kind = ENTRY_DIR, .flags = ENTRY_HAS_MTIME };
	int r = change_allowed(m, false);

	if (r == 0) {
		r = dir_name_check(name);
	}
	if (r == 0) {
		r = dir_path(m, parent, w, &dir);
	}
	if (r < 0) {
		return r;
	}
	path = path_join(dir, name);
	if (!path) {
		return -ENOMEM;
	}
	r = remote_mkdir(m->remote, w, path);
	if (r < 0) {
		return change_failed(m, parent, r);
	}
	if (mode != DIR_MODE_USUAL && remote_chmod(m->remote, w, path, mode) == 0) {
		e.mode = (uint16_t)mode;
		e.flags |= ENTRY_HAS_MODE;
	}
	e.mtime = time(NULL);
	r = dir_added(m, parent, name, &e, ret);
	dir_touched(m, parent);
	return r;
}

static void reply_made(fuse_req_t req, struct mount *m, struct node *n, int r)
{
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else {
		reply_new(req, m, n);
	}
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		     dev_t rdev)
{
	struct mount *m = mount_of(req);
	struct wait w = wait_of(req);
	struct node *n = NULL;
	int r = do_mknod(m, node_of(&m->tree, parent), name,
			 mode & ~fuse_req_ctx(req)->umask, &w, &n);

	(void)rdev;
	reply_made(req, m, n, r);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct mount *m = mount_of(req);
	struct wait w = wait_of(req);
	struct node *n = NULL;
	int r = do_mkdir(m, node_of(&m->tree, parent), name,
			 mode & 07777 & ~fuse_req_ctx(req)->umask, &w, &n);

	reply_made(req, m, n, r);
}

static int do_symlink(struct mount *m, struct node *parent, const char *name,
		      const char *target, const struct wait *w, struct node **ret)
{
	_cleanup_free_ char *dir = NULL, *path = NULL, *there = NULL;
	struct entry e = { .kind = ENTRY_SYMLINK, .flags = ENTRY_HAS_MTIME };
	int r = change_allowed(m, false);

	if (r == 0 && m->opt->symlinks == LINKS_HIDE) {
		r = -EPERM;
	}
	if (r == 0) {
		r = dir_name_check(name);
	}
	if (r == 0) {
		r = dir_path(m, parent, w, &dir);
	}
	if (r == 0) {
		r = links_target(m, dir, target, &there);
	}
	if (r < 0) {
		return r;
	}
	path = path_join(dir, name);
	if (!path) {
		return -ENOMEM;
	}
	r = remote_symlink(m->remote, w, there, path);
	if (r < 0) {
		return change_failed(m, parent, r);
	}
	e.mtime = time(NULL);
	e.target = there;
	r = dir_added(m, parent, name, &e, ret);
	dir_touched(m, parent);
	return r;
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	struct mount *m = mount_of(req);
	struct wait w = wait_of(req);
	struct node *n = NULL;
	int r = do_symlink(m, node_of(&m->tree, parent), name, target, &w, &n);

	reply_made(req, m, n, r);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino;
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

/* ---- names that go ---- */

/* n is referenced; dir is RMD's case. */
static int remove_node(struct mount *m, struct node *n, bool dir, const struct wait *w)
{
	_cleanup_free_ char *path = NULL;
	bool local;
	int r = 0;

	if (n->kind == ENTRY_FILE) {
		r = file_detach(m, n, w);
	}
	if (r < 0) {
		return r;
	}
	mutex_lock(&m->tree.lock);
	local = n->flags & NODE_LOCAL;
	if (children_any_local_locked(&m->tree, n)) {
		r = -ENOTEMPTY;
	}
	mutex_unlock(&m->tree.lock);
	if (r == 0 && !local) {
		r = dir_path(m, n, w, &path);
		if (r == 0) {
			r = dir ? remote_rmdir(m->remote, w, path)
				: remote_unlink(m->remote, w, path);
		}
	}
	if (r == 0 || r == -ENOENT) {
		if (m->back) {
			writeback_removed(m->back, n);
		}
		dir_removed(m, n);
	} else if (n->kind == ENTRY_FILE) {
		file_reattach(m, n);
	}
	return r;
}

static void remove_name(fuse_req_t req, fuse_ino_t ino, const char *name, bool dir)
{
	struct mount *m = mount_of(req);
	struct node *parent = node_of(&m->tree, ino), *n = NULL;
	struct wait w = wait_of(req);
	int r = change_allowed(m, true);

	if (r == 0) {
		r = child_get(m, parent, name, &w, &n);
	}
	if (r == 0) {
		r = remove_node(m, n, dir, &w);
		if (r == 0) {
			dir_touched(m, parent);
		} else {
			/* Not empty, say: then what we know of it is old, too. */
			(void)change_failed(m, n, r);
			(void)change_failed(m, parent, r);
		}
		node_unref(&m->tree, n);
	}
	fuse_reply_err(req, -r);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, false);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, true);
}

/* ---- rename ---- */

/* What stands at the new name: *ret NULL, or referenced. Only where it matters
 * is the server asked; else what the kernel has just looked up will do. */
static int rename_target(struct mount *m, struct node *parent, const char *name,
			 unsigned flags, const struct wait *w, struct node **ret)
{
	struct node *n;
	int r;

	if ((flags & RENAME_NOREPLACE) || m->opt->nodelete) {
		r = child_get(m, parent, name, w, ret);
		if (r == 0) {
			return flags & RENAME_NOREPLACE ? -EEXIST : 0;
		}
		return r == -ENOENT ? 0 : r;
	}
	mutex_lock(&m->tree.lock);
	n = node_find_locked(&m->tree, parent, name);
	if (n) {
		node_ref_locked(&m->tree, n);
		*ret = n;
	}
	mutex_unlock(&m->tree.lock);
	return 0;
}

static int rename_on_server(struct mount *m, struct node *n, struct node *parent,
			    const char *name, const struct wait *w)
{
	_cleanup_free_ char *from = NULL, *dir = NULL, *to = NULL;
	int r = dir_path(m, n, w, &from);

	if (r == 0) {
		r = dir_path(m, parent, w, &dir);
	}
	if (r < 0) {
		return r;
	}
	to = path_join(dir, name);
	return to ? remote_rename(m->remote, w, from, to) : -ENOMEM;
}

static int rename_node(struct mount *m, struct node *n, struct node *target,
		       struct node *parent, const char *name, const struct wait *w)
{
	bool replaces = target && target->kind == ENTRY_FILE;
	/* Below a directory paths change that uploads on their way, and the journal, go by. */
	int r = n->kind == ENTRY_FILE  ? file_settle_node(m, n, w)
		: n->kind == ENTRY_DIR ? file_settle_pending(m, w)
				       : 0;

	if (r == 0 && replaces) {
		r = file_detach(m, target, w);
	}
	mutex_lock(&m->tree.lock);
	if (r == 0 && target && children_any_local_locked(&m->tree, target)) {
		r = -ENOTEMPTY;
	}
	mutex_unlock(&m->tree.lock);
	if (r < 0) {
		return r;
	}
	r = rename_on_server(m, n, parent, name, w);
	if (r == 0) {
		if (m->back && replaces) {
			writeback_removed(m->back, target);
		}
		/* It is done: if the tree cannot follow, it looks again. */
		(void)dir_moved(m, n, parent, name);
	} else if (replaces) {
		file_reattach(m, target);
	}
	return r;
}

static int do_rename(struct mount *m, struct node *parent, const char *name,
		     struct node *new_parent, const char *new_name, unsigned flags,
		     const struct wait *w)
{
	struct node *n = NULL, *target = NULL;
	int r = flags & ~(unsigned)RENAME_NOREPLACE ? -EINVAL : change_allowed(m, false);

	if (r == 0) {
		r = dir_name_check(new_name);
	}
	if (r == 0) {
		r = child_get(m, parent, name, w, &n);
	}
	if (r == 0) {
		r = rename_target(m, new_parent, new_name, flags, w, &target);
	}
	if (r == 0 && target && target != n && m->opt->nodelete) {
		r = -EPERM;
	}
	if (r == 0 && target != n) {
		r = rename_node(m, n, target, new_parent, new_name, w);
		if (r == 0) {
			dir_touched(m, parent);
			dir_touched(m, new_parent);
		}
		(void)change_failed(m, n, r);
		(void)change_failed(m, parent, r);
		(void)change_failed(m, new_parent, r);
	}
	if (target) {
		node_unref(&m->tree, target);
	}
	if (n) {
		node_unref(&m->tree, n);
	}
	return r;
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct mount *m = mount_of(req);
	struct wait w = wait_of(req);
	int r = do_rename(m, node_of(&m->tree, parent), name,
			  node_of(&m->tree, new_parent), new_name, flags, &w);

	fuse_reply_err(req, -r);
}

void ops_names_fill(struct fuse_lowlevel_ops *ops)
{
	ops->mknod = op_mknod;
	ops->mkdir = op_mkdir;
	ops->unlink = op_unlink;
	ops->rmdir = op_rmdir;
	ops->symlink = op_symlink;
	ops->link = op_link;
	ops->rename = op_rename;
}
