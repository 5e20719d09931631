/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/attr.h"

#include "fs/dir.h"
#include "fs/links.h"
#include "fs/options.h"

#include <string.h>

/* 'c'reate, 'd'elete, ... : RFC 3659, 7.5.5 */
static unsigned bits_of_file(uint32_t perm)
{
	unsigned mode = 0;

	if (perm & PERM_BIT('r')) {
		mode |= 0444;
	}
	if (perm & (PERM_BIT('w') | PERM_BIT('a'))) {
		mode |= 0222;
	}
	return mode;
}

static unsigned bits_of_dir(uint32_t perm)
{
	unsigned mode = 0;

	if (perm & PERM_BIT('l')) {
		mode |= 0444;
	}
	if (perm & PERM_BIT('e')) {
		mode |= 0111;
	}
	if (perm & (PERM_BIT('c') | PERM_BIT('m') | PERM_BIT('p'))) {
		mode |= 0222;
	}
	return mode;
}

/* The built-in mask shapes the modes that we make up; only one that the user
 * gave hides what the server says. */
static bool mask_given(const struct options *o, bool dir)
{
	return options_rank(o, dir ? "dmask" : "fmask") > RANK_BUILTIN ||
	       options_rank(o, "umask") > RANK_BUILTIN;
}

static unsigned permissions(const struct mount *m, const struct node *n)
{
	bool dir = n->kind == ENTRY_DIR;
	unsigned mask = dir ? m->opt->dmask : m->opt->fmask;
	unsigned mode = dir ? 0777 : 0666;

	if (n->flags & NODE_HAS_MODE) {
		mode = n->mode;
		return (mode & mask) && mask_given(m->opt, dir) ? mode & ~mask : mode;
	}
	if (n->perm & NODE_PERM_GIVEN) {
		mode &= dir ? bits_of_dir(n->perm) : bits_of_file(n->perm);
	}
	return mode & ~mask;
}

/* As long as what readlink will say. */
static uint64_t link_size_locked(struct mount *m, const struct node *n)
	REQUIRES(m->tree.lock)
{
	char shown[PATH_MAX];

	return strlen(links_show_locked(m, n, shown) == 0 ? shown : n->target);
}

void attr_fill_locked(struct mount *m, const struct node *n, struct stat *st)
{
	/* ENTRY_OTHER is shown as a socket: of all special files the one that
	 * open(2) refuses without acting on this machine. */
	static const mode_t types[] = {
		[ENTRY_UNKNOWN] = 0,	  [ENTRY_FILE] = S_IFREG,
		[ENTRY_DIR] = S_IFDIR,	  [ENTRY_SYMLINK] = S_IFLNK,
		[ENTRY_OTHER] = S_IFSOCK,
	};
	unsigned mode = n->kind == ENTRY_SYMLINK ? 0777 : permissions(m, n);
	uint64_t size = n->size;

	if (n->kind == ENTRY_DIR) {
		size = 4096;
	} else if (n->kind == ENTRY_SYMLINK && n->target) {
		size = link_size_locked(m, n);
	}
	*st = (struct stat){
		.st_ino = n->number,
		.st_mode = types[n->kind] | mode,
		.st_nlink = n->kind == ENTRY_DIR ? 2 : 1,
		.st_uid = m->uid,
		.st_gid = m->gid,
		.st_size = (off_t)MIN(size, (uint64_t)INT64_MAX),
		.st_mtim.tv_sec = n->mtime,
		.st_ctim.tv_sec = n->mtime,
		.st_atim.tv_sec = n->mtime,
	};
	st->st_blocks = (blkcnt_t)(((uint64_t)st->st_size + 511) / 512);
	if (n->flags & NODE_GONE) {
		st->st_nlink = 0;
	}
}

void attr_entry_locked(struct mount *m, struct node *n, struct fuse_entry_param *ret)
{
	double left = (double)dir_ttl_left_locked(m, n) / 1000;

	*ret = (struct fuse_entry_param){ .attr_timeout = left, .entry_timeout = left };
	if (n->kind != ENTRY_UNKNOWN) {
		ret->ino = node_ino(&m->tree, n);
	}
	attr_fill_locked(m, n, &ret->attr);
}

void attr_reply_entry(fuse_req_t req, struct mount *m, struct node *n)
{
	struct fuse_entry_param e;

	mutex_lock(&m->tree.lock);
	attr_entry_locked(m, n, &e);
	mutex_unlock(&m->tree.lock);
	if (fuse_reply_entry(req, &e) != 0) {
		node_forget(&m->tree, n, 1);
	}
}
