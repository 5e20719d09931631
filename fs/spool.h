/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local copy of a file being written: an unlinked file, and the ranges of it that are
 * filled. Not thread-safe: struct file serialises the calls (uploads read the descriptor
 * meanwhile, which is fine as long as nobody writes).
 *
 * Invariants: the extents are sorted, not empty, do not touch, and lie in [0, size). A
 * byte of [0, size) that is in no extent ("absent") lies below remote_valid, and is what
 * the server's file has there. The descriptor's file is size bytes long and reads as
 * zeros where nothing was written. "Given up" bytes are a range of present ones that is no
 * longer here, since an upload under way has sent it (spool_give_up()): nothing may read
 * them, and the spool is good for no more than the end of that upload. */
#ifndef FS_SPOOL_H
#define FS_SPOOL_H

#include "base/defs.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spool;

/* A spool of a file of which the server has remote_size bytes (0: a new or emptied one),
 * all absent. dir must exist. 0 or -errno. */
int spool_new(const char *dir, uint64_t remote_size, struct spool **ret);
struct spool *spool_free(struct spool *s); /* takes NULL, returns NULL */

uint64_t spool_size(const struct spool *s);
int spool_fd(const struct spool *s); /* stays the spool's */

/* All of it or -errno; then what fitted is in the spool. A gap behind the old end becomes
 * zeros. */
int spool_write(struct spool *s, const void *data, size_t len, uint64_t off);
/* Bytes read, short only at the end. Nothing in the range may be absent. */
ssize_t spool_read(const struct spool *s, void *buf, size_t len, uint64_t off);
int spool_truncate(struct spool *s, uint64_t size);

/* The first absent range within [off, off + len); false: all is here. */
bool spool_missing(const struct spool *s, uint64_t off, uint64_t len, uint64_t *ret_off,
		   uint64_t *ret_len);
/* Old bytes from the server: fills absent bytes only. 0 or -errno. */
int spool_fill(struct spool *s, const void *data, size_t len, uint64_t off);

/* What changed since spool_new() or spool_set_clean(). An append: bytes behind the old
 * end, which was not 0, and nothing else. */
bool spool_is_modified(const struct spool *s);
bool spool_is_append(const struct spool *s, uint64_t *ret_append_at);
void spool_set_modified(struct spool *s); /* as if rewritten: a new or emptied file */
void spool_set_clean(struct spool *s); /* the server has it all now */

/* Bytes of the local disk that it takes. */
uint64_t spool_held(const struct spool *s);
/* The disk gets back what was written of [0, end), where all writing went forward. 0, or
 * -errno (-EOPNOTSUPP: a filesystem that cannot). */
int spool_give_up(struct spool *s, uint64_t end);
/* Whether a given-up byte lies in [off, off + len). */
bool spool_is_gone(const struct spool *s, uint64_t off, uint64_t len);
/* Whether all that changed was written in one go from the end that the server knows: 0, or
 * clean_size of an append. */
bool spool_is_forward(const struct spool *s);

/* Zeros in [off, off + len), within the size; they take no room. */
int spool_zero(struct spool *s, uint64_t off, uint64_t len);

/* Gives the spool a name in its directory, which is not replaced: -EEXIST. Absent ranges
 * are holes, and so is what was given up. */
int spool_keep(struct spool *s, const char *name);

#endif
