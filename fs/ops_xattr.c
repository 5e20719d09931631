/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extended attributes: a few of our own, under user.ftpsfs. They are never listed, as other
 * file systems do it with computed ones: cp -a and rsync -X would ask the server to read every
 * file in order to copy its digests. */
#include "fs/dir.h"
#include "fs/file.h"
#include "fs/flush.h"
#include "fs/options.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char prefix[] = "user.ftpsfs.";

static const char *const digests[DIGEST_KINDS] = {
	[DIGEST_SHA256] = "sha256",
	[DIGEST_SHA1] = "sha1",
	[DIGEST_MD5] = "md5",
	[DIGEST_CRC32] = "crc32",
};

/* What follows the prefix, or NULL. */
static const char *own_name(const char *name)
{
	size_t len = sizeof(prefix) - 1;

	return strncmp(name, prefix, len) == 0 ? name + len : NULL;
}

/* n's path, once the server has all that was written to n. */
static int settled_path(struct mount *m, struct node *n, const struct wait *w, char **ret)
{
	int r = n->kind == ENTRY_FILE ? file_settle_node(m, n, w) : 0;

	if (r == 0 && (n->flags & NODE_GONE)) {
		r = -ENODATA;
	}
	return r < 0 ? r : dir_path(m, n, w, ret);
}

static int get_digest(struct mount *m, struct node *n, enum digest_kind kind,
		      bool only_size, const struct wait *w, char **ret)
{
	_cleanup_free_ char *path = NULL;
	char hex[DIGEST_HEX_MAX + 1] = "";
	uint64_t size;
	int r;

	if (n->kind != ENTRY_FILE) {
		return -ENODATA;
	}
	if (!remote_has_hash(m->remote, kind)) {
		return -EOPNOTSUPP;
	}
	if (only_size) { /* known without having it computed */
		memset(hex, '0', digest_hex_len(kind));
	} else {
		r = settled_path(m, n, w, &path);
		mutex_lock(&m->tree.lock);
		size = n->size;
		mutex_unlock(&m->tree.lock);
		if (r == 0) {
			r = remote_hash(m->remote, w, path, size, kind, hex);
		}
		if (r < 0) {
			return r;
		}
	}
	*ret = strdup(hex);
	return *ret ? 0 : -ENOMEM;
}

static int get_facts(struct mount *m, struct node *n, const struct wait *w, char **ret)
{
	_cleanup_free_ char *path = NULL;
	int r = settled_path(m, n, w, &path);

	return r < 0 ? r : remote_facts(m->remote, w, path, ret);
}

/* -s: the notifications to the kernel come from the thread that hears SIGHUP. */
static int get_flush(fuse_req_t req, struct mount *m, bool only_size, char **ret)
{
	uid_t uid = fuse_req_ctx(req)->uid;

	if (uid != 0 && uid != getuid()) {
		return -EPERM;
	}
	if (!only_size && m->opt->single_thread) {
		dir_forget_all(m);
		kill(getpid(), SIGHUP);
	} else if (!only_size) {
		flush_all(m);
	}
	*ret = strdup("done");
	return *ret ? 0 : -ENOMEM;
}

/* No network but for our own: the kernel asks for security.capability at every write. */
static int get_value(fuse_req_t req, struct node *n, const char *name, bool only_size,
		     char **ret)
{
	struct mount *m = mount_of(req);
	struct wait w = wait_of(req);
	const char *own = own_name(name);

	if (!own) {
		return strncmp(name, "user.", 5) == 0 ? -ENODATA : -EOPNOTSUPP;
	}
	for (size_t i = 0; i < DIGEST_KINDS; i++) {
		if (strcmp(own, digests[i]) == 0) {
			return get_digest(m, n, (enum digest_kind)i, only_size, &w, ret);
		}
	}
	if (strcmp(own, "facts") == 0) {
		return get_facts(m, n, &w, ret);
	}
	return strcmp(own, "flush") == 0 ? get_flush(req, m, only_size, ret) : -ENODATA;
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_of(req);
	_cleanup_free_ char *value = NULL;
	int r = get_value(req, node_of(&m->tree, ino), name, size == 0, &value);
	size_t len = r == 0 ? strlen(value) : 0;

	if (r < 0) {
		fuse_reply_err(req, -r);
	} else if (size == 0) {
		fuse_reply_xattr(req, len);
	} else if (size < len) {
		fuse_reply_err(req, ERANGE);
	} else {
		fuse_reply_buf(req, value, len);
	}
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	(void)ino;
	if (size == 0) {
		fuse_reply_xattr(req, 0);
	} else {
		fuse_reply_buf(req, NULL, 0);
	}
}

/* The kernel holds the inode until we reply, so the flush comes behind. */
static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			const char *value, size_t size, int flags)
{
	struct mount *m = mount_of(req);
	const char *own = own_name(name);
	uid_t uid = fuse_req_ctx(req)->uid;

	(void)ino;
	(void)value;
	(void)size;
	(void)flags;
	if (!own || strcmp(own, "flush") != 0) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	if (uid != 0 && uid != getuid()) {
		fuse_reply_err(req, EPERM);
		return;
	}
	dir_forget_all(m);
	fuse_reply_err(req, 0);
	if (m->opt->single_thread) {
		kill(getpid(), SIGHUP);
	} else {
		flush_all(m);
	}
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	(void)ino;
	(void)name;
	fuse_reply_err(req, EOPNOTSUPP);
}

void ops_xattr_fill(struct fuse_lowlevel_ops *ops)
{
	ops->getxattr = op_getxattr;
	ops->listxattr = op_listxattr;
	ops->setxattr = op_setxattr;
	ops->removexattr = op_removexattr;
}
