/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directory handles. Offset 1 follows ".", 2 follows "..", i + 3 follows
 * children[i] of the handle's snapshot: real indices, so that a directory of any
 * size is read in one go. */
#include "fs/attr.h"
#include "fs/dir.h"

#include <errno.h>
#include <string.h>

enum {
	DOTS = 2,
	READ_MAX = 1024 * 1024,
	ENTRY_MIN = 24, /* no packed entry is smaller */
};

/* Of one handle the kernel reads one piece at a time. */
struct dir_handle {
	struct snapshot *snap; /* NULL until the first read */
	bool begun; /* offset 0 was read: asked for again, it is a rewinddir() */
};

static struct dir_handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct dir_handle *)(uintptr_t)fi->fh;
}

/* Nothing is listed yet: df opens the mount point and must not wait for the server. */
static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir_handle *h = calloc(1, sizeof(*h));

	(void)ino;
	if (!h) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	fi->fh = (uintptr_t)h;
	if (fuse_reply_open(req, fi) != 0) { /* interrupted: no releasedir will come */
		free(h);
	}
}

/* The directory as it is now: for the first read, and for rewinddir(). */
static int rewind_handle(struct mount *m, struct node *n, struct dir_handle *h,
			 const struct wait *w)
{
	struct snapshot *fresh = NULL, *old;
	int r = dir_get(m, n, w, &fresh);

	if (r < 0) {
		return r;
	}
	mutex_lock(&m->tree.lock);
	old = h->snap;
	h->snap = fresh;
	mutex_unlock(&m->tree.lock);
	snapshot_unref(m, old);
	return 0;
}

/* A reply in the making, and whose nlookup it raises. */
struct packed {
	fuse_req_t req;
	char *buf;
	size_t size, used;
	struct node **nodes;
	size_t n_nodes;
	bool plus;
};

/* false: no room. */
static bool pack(struct packed *p, const char *name, const struct fuse_entry_param *e,
		 off_t next)
{
	char *at = p->buf + p->used;
	size_t left = p->size - p->used, need;

	need = p->plus ? fuse_add_direntry_plus(p->req, at, left, name, e, next)
		       : fuse_add_direntry(p->req, at, left, name, &e->attr, next);
	if (need > left) {
		return false;
	}
	p->used += need;
	return true;
}

static bool pack_dot_locked(struct mount *m, struct packed *p, struct node *n, off_t off)
	REQUIRES(m->tree.lock)
{
	struct fuse_entry_param e = { 0 };

	if (off == 1 && n->parent) {
		n = n->parent;
	}
	attr_fill_locked(m, n, &e.attr);
	return pack(p, off == 0 ? "." : "..", &e, off + 1);
}

static bool pack_child_locked(struct mount *m, struct packed *p, struct node *c,
			      off_t next) REQUIRES(m->tree.lock)
{
	struct fuse_entry_param e;

	if (!c || (c->flags & NODE_GONE)) {
		return true;
	}
	attr_entry_locked(m, c, &e);
	if (!pack(p, node_name(c), &e, next)) {
		return false;
	}
	if (p->plus && e.ino) {
		node_looked_up_locked(&m->tree, c);
		p->nodes[p->n_nodes++] = c;
	}
	return true;
}

static void pack_all_locked(struct mount *m, struct packed *p, struct node *n,
			    struct dir_handle *h, off_t off) REQUIRES(m->tree.lock)
{
	const struct snapshot *s = h->snap;
	bool room = true;

	h->begun = true;
	for (; room && off < DOTS; off++) {
		room = pack_dot_locked(m, p, n, off);
	}
	for (; room && (uint64_t)off - DOTS < s->n; off++) {
		room = pack_child_locked(m, p, s->children[off - DOTS], off + 1);
	}
}

static void read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi, bool plus)
{
	struct mount *m = mount_of(req);
	struct node *n = node_of(&m->tree, ino);
	struct dir_handle *h = handle_of(fi);
	struct wait w = wait_of(req);
	_cleanup_free_ char *buf = NULL;
	_cleanup_free_ struct node **nodes = NULL;
	struct packed p = { .req = req,
			    .size = MIN(size, (size_t)READ_MAX),
			    .plus = plus };
	int r = 0;

	if (off < 0) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (!h->snap || (off == 0 && h->begun)) {
		r = rewind_handle(m, n, h, &w);
	}
	p.buf = buf = malloc(p.size);
	p.nodes = nodes = calloc(p.size / ENTRY_MIN + 1, sizeof(struct node *));
	if (r < 0 || !buf || !nodes) {
		fuse_reply_err(req, r < 0 ? -r : ENOMEM);
		return;
	}
	mutex_lock(&m->tree.lock);
	pack_all_locked(m, &p, n, h, off);
	mutex_unlock(&m->tree.lock);
	if (fuse_reply_buf(req, p.buf, p.used) != 0) {
		/* The kernel has not taken the references. */
		for (size_t i = 0; i < p.n_nodes; i++) {
			node_forget(&m->tree, p.nodes[i], 1);
		}
	}
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	read_dir(req, ino, size, off, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			   struct fuse_file_info *fi)
{
	read_dir(req, ino, size, off, fi, true);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir_handle *h = handle_of(fi);

	(void)ino;
	snapshot_unref(mount_of(req), h->snap);
	free(h);
	fuse_reply_err(req, 0);
}

/* Changes are on the server when the call that made them has returned. */
static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
			struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, 0);
}

void ops_dir_fill(struct fuse_lowlevel_ops *ops)
{
	ops->opendir = op_opendir;
	ops->readdir = op_readdir;
	ops->readdirplus = op_readdirplus;
	ops->releasedir = op_releasedir;
	ops->fsyncdir = op_fsyncdir;
}
