/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growable byte buffer with a hard limit.
 *
 * Invariants: data is NULL or points to cap bytes of which the first len are
 * in use; len <= limit. A zeroed struct buf is a valid empty buffer whose
 * limit is BUF_LIMIT_DEFAULT. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/defs.h"

enum { BUF_LIMIT_DEFAULT = 64 * 1024 };

struct buf {
	char *data;
	size_t len, cap;
	size_t limit; /* 0: BUF_LIMIT_DEFAULT */
};

/* All return 0, -ENOMEM, or -EMSGSIZE where the limit would be passed (then
 * nothing was added). */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int buf_reserve(struct buf *b, size_t more); /* room for more bytes at data + len */

/* The contents with a NUL behind them (not counted in len); NULL on ENOMEM.
 * Owned by b, valid until its next change. */
const char *buf_str(struct buf *b);
void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */
void buf_clear(struct buf *b); /* len = 0, memory kept */
void buf_release(struct buf *b); /* frees, leaves a valid empty buffer */

#define _cleanup_buf_ _cleanup_(buf_release)

#endif
