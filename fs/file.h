/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An open file. All handles of one node share one struct file: up to `streams` downloads
 * while it is clean, a spool once it is written to. What a program wrote is on the server
 * when flush, fsync or release has returned 0
 * ("settled"); until then it is in the spool and the node is NODE_DIRTY.
 *
 * Locks: file.lock guards the fields; it is never held over the network. Work that needs
 * the network (settling, fetching the part of an old file that a writer did not replace)
 * is done by one thread at a time, which owns the file by file->busy; others wait on
 * file->idle, interruptibly. Order: file.lock before tree.lock; never the other way
 * round. */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "fs/mount.h"
#include "net/stream.h"

struct file;

/* Opens n (referenced by the file while open). flags as open(2): O_TRUNC empties at once
 * (spool, settled at flush even if nothing is written). The caller has refreshed the
 * node. *ret_keep: pages the kernel has of it are still right. */
int file_open(struct mount *m, struct node *n, int flags, const struct wait *w,
	      struct file **ret, bool *ret_keep);
/* One handle less. The last one settles what is left (errors can only be logged then),
 * keeps an undeliverable spool under a name in spool_dir, and frees. */
void file_close(struct file *f, const struct wait *w);

/* Reads: exactly one of the two answers is filled: bytes pinned in a stream's window
 * (slice->n > 0), or data read from the spool into *ret_buf (malloc, caller's). */
struct file_data {
	struct slice slice;
	char *buf;
	size_t len; /* bytes in all, whichever of the two; 0 at end of file */
};
void file_data_release(struct file_data *d);
int file_read(struct file *f, const struct wait *w, uint64_t off, size_t len,
	      struct file_data *ret);
/* append: at the end of the file, whatever off says. */
int file_write(struct file *f, const struct wait *w, const char *data, size_t len,
	       uint64_t off, bool append);
/* fallocate(2): mode 0 makes the file longer where it is too short, FALLOC_FL_PUNCH_HOLE and
 * FALLOC_FL_ZERO_RANGE write zeros; what a server cannot be told (room to keep) is taken for
 * done. -EOPNOTSUPP: other modes. */
int file_allocate(struct file *f, const struct wait *w, int mode, uint64_t off,
		  uint64_t len);
/* Delivers everything written so far; 0 when the server has it. */
int file_settle(struct file *f, const struct wait *w);

/* By node, open or not (used by setattr, rename, unlink). */
int file_truncate(struct mount *m, struct node *n, uint64_t size, const struct wait *w);
/* If n is open and unsettled: settle (rename wants the server to have it). Else 0. */
int file_settle_node(struct mount *m, struct node *n, const struct wait *w);
/* Settles every file that is uploaded while it is written, and waits for all that is owed:
 * paths are about to change. */
int file_settle_pending(struct mount *m, const struct wait *w);
/* After the last request: settles and closes what is still open, whoever held it. */
void file_settle_all(struct mount *m);
/* n is about to be unlinked or replaced: if it is open, fetch what its readers may still
 * want into the spool and serve it from there from now on; nothing will be uploaded any
 * more. A node that is NODE_LOCAL only is just detached. */
int file_detach(struct mount *m, struct node *n, const struct wait *w);
/* The unlink failed: takes file_detach() back. */
void file_reattach(struct mount *m, struct node *n);
/* Times and modes set while unsettled wait for the settle. true: taken, the caller need
 * not ask the server. */
bool file_defer_mtime(struct mount *m, struct node *n, int64_t mtime);
bool file_defer_mode(struct mount *m, struct node *n, unsigned mode);
/* The mode a program asked for when it created the file: sent with the first settle, and
 * no error when refused. */
void file_create_mode(struct file *f, unsigned mode);
/* A handle that may write came (+1) or is about to be closed (-1): file_truncate() leaves
 * the settling to such handles. */
void file_count_writer(struct file *f, int step);

#endif
