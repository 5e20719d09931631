/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel is told when the tree learns something that it was not asked about: its
 * pages, names and attributes live as long as the timeouts they were given.
 *
 * A notice may wait for a request on the same inode to end, so no handler sends one: they
 * are queued (at most NOTICES_MAX; the timeouts do the rest) and sent, without any lock, by
 * a thread that lives while there is something to send. */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include "fs/mount.h"

enum { NOTICES_MAX = 16384 };

struct notifier;

/* Until then, and where it failed (-ENOMEM), notices are dropped. */
int notify_start(struct mount *m);
/* Once the session loop has ended. False: a notice is stuck in the kernel; tree and session
 * must be left as they are. */
bool notify_stop(struct mount *m);

/* n has other bytes now, or other attributes. */
void notify_content_locked(struct tree *t, struct node *n) REQUIRES(t->lock);
/* n, still under its name, has gone from the server. */
void notify_gone_locked(struct tree *t, struct node *n) REQUIRES(t->lock);
/* n shall be forgotten by the kernel where no program uses it. */
void notify_unwanted_locked(struct tree *t, struct node *n) REQUIRES(t->lock);
/* A name that the kernel may have been told not to exist does. */
void notify_appeared_locked(struct tree *t, struct node *n) REQUIRES(t->lock);

/* Before an open is answered: waits (a second at most) until what is queued about n has been
 * sent. A notice that overtakes a read makes the kernel forget that the answer was short,
 * and it reads on in zeros. */
void notify_await(struct mount *m, struct node *n, const struct wait *w);

#endif
