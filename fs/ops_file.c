/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open files: decode, call, reply once. A handle is a pointer to the struct file that all
 * handles of the node share. */
#include "fs/attr.h"
#include "fs/dir.h"
#include "fs/file.h"
#include "fs/notify.h"
#include "fs/options.h"
#include "fs/writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

enum { CTO_MS = 3000 }; /* how old attributes may be when a file is opened (`cto`) */

static struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

static bool writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* The open that `flags` ask for; fills fi. Undone by close_handle(). */
static int open_handle(struct mount *m, struct node *n, const struct wait *w,
		       struct fuse_file_info *fi)
{
	const struct options *opt = m->opt;
	struct file *f = NULL;
	bool keep = false;
	int r = file_open(m, n, fi->flags, w, &f, &keep);

	if (r < 0) {
		return r;
	}
	if (writes(fi->flags)) {
		file_count_writer(f, 1);
	}
	fi->noflush = !writes(fi->flags) && !(fi->flags & O_TRUNC);
	fi->fh = (uintptr_t)f;
	fi->direct_io = opt->page_cache == CACHE_DIRECT;
	fi->keep_cache = opt->page_cache == CACHE_KERNEL ||
			 (opt->page_cache == CACHE_AUTO && keep);
	return 0;
}

static void close_handle(struct fuse_file_info *fi, const struct wait *w)
{
	struct file *f = file_of(fi);

	if (writes(fi->flags)) {
		file_count_writer(f, -1);
	}
	file_close(f, w);
}

/* Attributes young enough for an open. */
static int revalidate(struct mount *m, struct node *n, const struct wait *w)
{
	int64_t age =
		m->opt->cto ? MIN(m->opt->dir_ttl, (int64_t)CTO_MS) : m->opt->dir_ttl;

	return dir_refresh(m, n, age, w);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct node *n = node_of(&m->tree, ino);
	struct wait w = wait_of(req);
	int r = 0;

	if (m->opt->ro && (writes(fi->flags) || (fi->flags & O_TRUNC))) {
		r = -EROFS;
	}
	if (r == 0) {
		r = revalidate(m, n, &w);
	}
	if (r == 0) {
		notify_await(m, n, &w);
		r = open_handle(m, n, &w, fi);
	}
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else if (fuse_reply_open(req, fi) != 0) {
		/* The program was interrupted before it had the file: no release will
		 * come. */
		close_handle(fi, NULL);
	}
}

/* A name that is not there yet: exists here from now on, on the server from the first
 * settle on. *ret with a reference for the kernel. */
static int make_node(struct mount *m, struct node *parent, const char *name, mode_t mode,
		     struct node **ret)
{
	struct entry e = {
		.kind = ENTRY_FILE,
		.flags = ENTRY_HAS_SIZE | ENTRY_HAS_MTIME,
		.mtime = time(NULL),
	};
	struct node *n = NULL;
	int r = dir_name_check(name);

	if (r == 0) {
		r = dir_added(m, parent, name, &e, &n);
	}
	if (r < 0) {
		return r;
	}
	mutex_lock(&m->tree.lock);
	n->flags |= NODE_LOCAL | NODE_HAS_MODE;
	n->mode = mode & 07777;
	node_looked_up_locked(&m->tree, n);
	node_unref_locked(&m->tree, n);
	mutex_unlock(&m->tree.lock);
	dir_touched(m, parent);
	*ret = n;
	return 0;
}

/* Finds or makes the node and opens it. *ret with a reference for the kernel. */
static int do_create(struct mount *m, struct node *parent, const char *name, mode_t mode,
		     const struct wait *w, struct fuse_file_info *fi, struct node **ret)
{
	struct node *n = NULL;
	bool made = false;
	int64_t ttl;
	int r = m->opt->ro ? -EROFS : 0;

	/* What a listing does not show others may have made since. */
	if (r == 0 && (fi->flags & O_EXCL)) {
		r = dir_ask(m, parent, name, w);
		r = r == 0 ? -EEXIST : r;
	} else if (r == 0) {
		r = dir_lookup(m, parent, name, w, &n, &ttl);
	}
	if (r == -ENOENT) {
		r = make_node(m, parent, name, mode, &n);
		made = r == 0;
	}
	if (r < 0) {
		return r;
	}
	r = open_handle(m, n, w, fi);
	if (r < 0) {
		if (made) {
			dir_removed(m, n);
		}
		node_forget(&m->tree, n, 1);
		return r;
	}
	if (made) {
		file_create_mode(file_of(fi), mode);
	}
	*ret = n;
	return 0;
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct wait w = wait_of(req);
	struct fuse_entry_param e;
	struct node *n = NULL;
	int r = do_create(m, node_of(&m->tree, parent), name,
			  mode & 07777 & ~fuse_req_ctx(req)->umask, &w, fi, &n);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	mutex_lock(&m->tree.lock);
	attr_entry_locked(m, n, &e);
	mutex_unlock(&m->tree.lock);
	if (fuse_reply_create(req, &e, fi) != 0) {
		close_handle(fi, NULL);
		node_forget(&m->tree, n, 1);
	}
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct wait w = wait_of(req);
	struct file_data data = { 0 };
	int r = file_read(file_of(fi), &w, (uint64_t)off, size, &data);

	(void)ino;
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	if (data.slice.n > 0) {
		fuse_reply_iov(req, data.slice.iov, data.slice.n);
	} else {
		fuse_reply_buf(req, data.buf, data.len);
	}
	file_data_release(&data);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
		     off_t off, struct fuse_file_info *fi)
{
	struct wait w = wait_of(req);
	int r = file_write(file_of(fi), &w, buf, size, (uint64_t)off,
			   (fi->flags & O_APPEND) != 0);

	(void)ino;
	if (r < 0) {
		fuse_reply_err(req, -r);
	} else {
		fuse_reply_write(req, size);
	}
}

static void settle(fuse_req_t req, struct fuse_file_info *fi)
{
	struct wait w = wait_of(req);
	int r = file_settle(file_of(fi), &w);

	fuse_reply_err(req, -r);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct writeback *back = mount_of(req)->back;
	struct wait w = wait_of(req);

	(void)ino;
	if (back) {
		fuse_reply_err(req, -writeback_accept(back, file_of(fi), &w));
	} else {
		settle(req, fi);
	}
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		     struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	settle(req, fi);
}

/* Nobody waits for the answer, and nobody can interrupt: the timeouts bound it. */
static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	close_handle(fi, NULL);
	fuse_reply_err(req, 0);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
			 struct fuse_file_info *fi)
{
	struct wait w = wait_of(req);
	int r = off < 0 || len <= 0 ? -EINVAL
				    : file_allocate(file_of(fi), &w, mode, (uint64_t)off,
						    (uint64_t)len);

	(void)ino;
	fuse_reply_err(req, -r);
}

void ops_file_fill(struct fuse_lowlevel_ops *ops)
{
	ops->open = op_open;
	ops->create = op_create;
	ops->read = op_read;
	ops->write = op_write;
	ops->flush = op_flush;
	ops->fsync = op_fsync;
	ops->release = op_release;
	ops->fallocate = op_fallocate;
}
