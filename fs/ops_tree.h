/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to ops_tree.c and ops_names.c. */
#ifndef FS_OPS_TREE_H
#define FS_OPS_TREE_H

#include "fs/mount.h"

/* The guards `ro` and `nodelete`: 0, -EROFS, -EPERM. */
int change_allowed(const struct mount *m, bool removes);

/* Passes r through. A failed change that leaves us in the dark, or contradicts what the
 * tree says of n, makes that count as old; a refusal for want of rights or room does
 * neither. 0 is no failure. */
int change_failed(struct mount *m, struct node *n, int r);

/* mknod mkdir unlink rmdir symlink link rename */
void ops_names_fill(struct fuse_lowlevel_ops *ops);

#endif
