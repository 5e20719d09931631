/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes when the tree holds more nodes than dir_cache_max: the listings that were not
 * used for longest. A node stays while the kernel or anybody else refers to it, or while it
 * knows what the server does not; the kernel is asked to forget files, and what it forgets of
 * a listing that was given up goes then. */
#ifndef FS_EVICT_H
#define FS_EVICT_H

#include "fs/children.h"

/* d is the listing used last from now on. */
void evict_used_locked(struct tree *t, struct dir *d) REQUIRES(t->lock);
/* d is about to be freed. */
void evict_unlink_locked(struct tree *t, struct dir *d) REQUIRES(t->lock);

/* Looks at `work` children at most, and never at those of keep (NULL: none). */
void evict_locked(struct tree *t, size_t work, const struct dir *keep) REQUIRES(t->lock);

/* The kernel has forgotten n. True: n is gone. */
bool evict_forgotten_locked(struct tree *t, struct node *n) REQUIRES(t->lock);

#endif
