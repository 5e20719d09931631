/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to file.c (open, read, write, close) and settle.c (what goes to the server).
 *
 *  state     spool         node flags   reads from       leaves by
 *  CLEAN     none          -            streams          write, truncate, O_TRUNC, detach
 *  COPIED    not modified  -            spool, streams   write; a change on the server
 *                                                        (-> CLEAN)
 *  DIRTY     modified      NODE_DIRTY   spool, streams   settle (-> COPIED), detach
 *  FOLLOWED  forward       NODE_DIRTY   spool            settle (-> COPIED, or CLEAN where a
 *                                                        part was given up), a write
 *                                                        elsewhere (-> DIRTY, after a settle
 *                                                        where a part was given up), detach
 *  DETACHED  all present   NODE_DIRTY   spool            last close, reattach
 *
 * busy may be set in any state: one thread then has the file to itself over the network,
 * and only reads of what is present go on beside it. */
#ifndef FS_FILE_PRIVATE_H
#define FS_FILE_PRIVATE_H

#include "fs/file.h"
#include "fs/journal.h"
#include "fs/spool.h"
#include "net/follow.h"

enum {
	FILE_STREAMS_MAX = 8,
	FILE_SLOTS =
		2 *
		FILE_STREAMS_MAX, /* retired ones live on until their last reader left */
};

struct slot {
	struct stream *stream;
	unsigned users;
	bool retired;
};

struct file {
	struct mount *m;
	struct node *n; /* referenced */
	bool followed GUARDED_BY(m->tree.lock); /* follow is set */
	unsigned handles GUARDED_BY(m->tree.lock), writers GUARDED_BY(m->tree.lock);

	struct mutex lock; /* before tree.lock and the streams' locks */
	struct cond idle; /* busy was cleared, a slot or a handle became free */
	bool busy GUARDED_BY(lock);
	bool detached GUARDED_BY(lock);
	bool worthless GUARDED_BY(
		lock); /* nobody was told that it was written: no need to keep it */
	bool no_append GUARDED_BY(
		lock); /* an APPE failed: how much the server has is unsure */
	bool only_appends GUARDED_BY(lock); /* what changed was written with O_APPEND */
	int error GUARDED_BY(lock); /* of the last settle; 0 once written to again */
	struct spool *spool GUARDED_BY(lock);
	uint64_t held GUARDED_BY(lock); /* of the spool, as counted in mount->spooled */
	/* The upload on its way while the spool is written forward, or NULL. */
	struct follow *follow GUARDED_BY(lock);
	bool follow_ended GUARDED_BY(lock); /* it was told the end */
	struct journal_slot owed GUARDED_BY(lock); /* fs/writeback.h */
	bool no_follow GUARDED_BY(lock); /* this writer does not go forward only */
	struct slot slots[FILE_SLOTS] GUARDED_BY(lock);

	/* What the streams and a clean spool are copies of. */
	bool seen GUARDED_BY(lock);
	bool proven GUARDED_BY(lock); /* node_is_proven_locked() when they were made */
	uint64_t seen_size GUARDED_BY(lock);
	int64_t seen_mtime GUARDED_BY(lock);

	/* Wanted on the server with or after the next delivery. */
	bool has_mtime GUARDED_BY(lock), has_mode GUARDED_BY(lock),
		mode_required GUARDED_BY(lock);
	int64_t mtime GUARDED_BY(lock);
	unsigned mode GUARDED_BY(lock);
};

/* The file of n, one handle more. NULL when it is not open. */
struct file *file_pin(struct mount *m, struct node *n);
/* The same, opened when it is not. */
int file_get(struct mount *m, struct node *n, struct file **ret);
/* One handle less, as file_close(). */
void file_drop(struct file *f, const struct wait *w);

/* Waits until nobody is busy with f. 0 or -EINTR. */
int file_own_locked(struct file *f, const struct wait *w) REQUIRES(f->lock);
void file_check_locked(struct file *f) REQUIRES(f->lock);

/* Makes a spool of what the server has, all absent; nothing when there is one. */
int file_spool_locked(struct file *f) REQUIRES(f->lock);
/* Emptied, to be delivered even if nothing is written. */
int file_empty_locked(struct file *f) REQUIRES(f->lock);
/* The spool was changed by a program: so are the node's size and time. */
void file_touched_locked(struct file *f) REQUIRES(f->lock);
/* Forgets streams and clean copies when the server's file is no longer what they were
 * made of. */
void file_compare_locked(struct file *f) REQUIRES(f->lock);

/* Bytes of the server's file. Gives up f->lock meanwhile. */
int file_stream_locked(struct file *f, const struct wait *w, uint64_t off, size_t len,
		       struct slice *ret) REQUIRES(f->lock);
void file_retire_locked(struct file *f) REQUIRES(f->lock);
/* Frees retired streams; may take a moment. */
void file_reap(struct file *f) EXCLUDES(f->lock);

/* Counts what the spool holds. After every change of it. */
void file_account_locked(struct file *f) REQUIRES(f->lock);

/* file_follow.c. Before a write of len bytes at off: stops a follower that cannot go that
 * way, and finds room (spool_max, spool_min_free): -ENOSPC, -EINTR, or why the upload under
 * way failed. May give up f->lock. */
int file_follow_prepare_locked(struct file *f, const struct wait *w, uint64_t off,
			       uint64_t len) REQUIRES(f->lock);
/* After one. */
void file_follow_written_locked(struct file *f) REQUIRES(f->lock);
/* Before the spool is changed in another way than by a forward write: no follower is left.
 * Where it has given bytes up the server has all now, and there is no spool any more. */
int file_unfollow_locked(struct file *f, const struct wait *w) REQUIRES(f->lock);
/* The end of the spool is the end of the file: f is busy. 0 and *ret; 1: the upload was not
 * begun, the spool is to be delivered otherwise; negative. */
int file_follow_end_locked(struct file *f, const struct wait *w,
			   struct upload_result *ret) REQUIRES(f->lock);
/* The last handle is gone: whatever is on its way ends. */
void file_follow_free(struct file *f) EXCLUDES(f->lock);
/* Room for len bytes from the server. */
bool file_has_room_locked(struct file *f, uint64_t len) REQUIRES(f->lock);

/* settle.c. Delivers what is dirty; f is nobody's. */
int file_settle_locked(struct file *f, const struct wait *w) REQUIRES(f->lock);
void file_busy_end_locked(struct file *f) REQUIRES(f->lock);
/* Whether an upload costs old bytes if it fails half-way. *ret_mode: the old file's, -1
 * unknown. */
bool file_replaces_locked(struct file *f, int *ret_mode) REQUIRES(f->lock);
/* The server has no bytes under its name yet. */
bool file_is_fresh_locked(struct file *f) REQUIRES(f->lock);
/* settle.c. Makes [off, off + len) present; gives up f->lock meanwhile. */
int file_fetch_locked(struct file *f, const struct wait *w, uint64_t off, uint64_t len)
	REQUIRES(f->lock);
bool file_unsettled_locked(struct file *f) REQUIRES(f->lock);
/* Gives what could not be delivered a name and says so in the log. */
void file_keep_lost(struct file *f) EXCLUDES(f->lock);

#endif
