/* SPDX-License-Identifier: GPL-2.0-or-later */
/* write=back: close() returns once what was written stands in the journal (fs/journal.h);
 * threads of ours deliver it, several files at a time.
 *
 * Only a file that is wholly in its spool can be owed. Appends to a file of the server, and
 * changes within one, are delivered at close() as with write=sync.
 *
 *  state of a file   journal entry   in the queue       leaves by
 *  not owed          no              no                 writeback_accept()
 *  owed              yes             yes, or a worker   delivered, detached; refused for good:
 *                                    has it             kept as *.ftpsfs-lost; unmounted
 *                                                       before it could be: left in the journal
 *
 * The queue holds a handle of the file. Locks: file.lock before ours. */
#ifndef FS_WRITEBACK_H
#define FS_WRITEBACK_H

#include "fs/file.h"
#include "fs/journal.h"

struct writeback;

/* Opens the journal. words on failure. */
int writeback_new(struct mount *m, struct writeback **ret, struct words *words);
/* The threads; after the last fork. The first of them delivers what a mount that died still
 * owed. Returns when that is done, so that whoever mounts sees his own files, or after a few
 * seconds: then it goes on beside the mount. What fails is logged and stays in the
 * journal. */
int writeback_start(struct writeback *b);
/* Delivers what is owed with all connections, telling progress to the log; what the server
 * does not take within a try each is left in the journal. Then frees. Takes NULL. */
void writeback_finish(struct writeback *b);

/* For flush: 0 when f has nothing to be delivered, or is owed now; else as file_settle(). */
int writeback_accept(struct writeback *b, struct file *f, const struct wait *w);
/* Waits until nothing is owed: before paths change under what stands in the journal. 0, or
 * -EINTR. */
int writeback_drain(struct writeback *b, const struct wait *w);

/* n is gone from the server: so is what stands in the journal of it. */
void writeback_removed(struct writeback *b, struct node *n);

#endif
