/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes in hand of one stream: a row of chunks that grows at the end and is trimmed
 * at the front. Pure memory: no I/O and no lock; whoever owns the window serialises the
 * calls. Only slice_release() may come from any thread at any time.
 *
 * Invariants: the bytes in hand are [base, end); chunks[i] holds [base + i * CHUNK_SIZE,
 * ...), all full but the last; a chunk never moves, and bytes below end never change, so
 * that pinned slices stay good without a lock while the last chunk is still being filled.
 */
#ifndef NET_WINDOW_H
#define NET_WINDOW_H

#include "base/defs.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum { CHUNK_SIZE = 256 * 1024 };

/* Kept behind the highest read: the kernel's read-ahead requests arrive out of order. */
#define WINDOW_BEHIND (1u << 20)

struct chunk;

/* Bytes lent from the window: iov points into pinned chunks, valid until slice_release().
 */
enum { SLICE_IOV_MAX = 8 };
struct slice {
	struct iovec iov[SLICE_IOV_MAX];
	struct chunk *pin[SLICE_IOV_MAX];
	int n;
	size_t len; /* bytes in all; 0: end of file */
};
void slice_release(struct slice *s); /* takes the zeroed, leaves it zeroed */

enum { WINDOW_SPARES = 4 };
struct window {
	uint64_t base, end;
	struct chunk **chunks;
	size_t n, cap;
	struct chunk *spare[WINDOW_SPARES]; /* trimmed and unpinned: spares the page
					       faults of new memory */
	size_t n_spare;
};

void window_init(struct window *w, uint64_t off); /* empty, at off */
void window_finish(struct window *w);
/* Forgets all and starts at off. No space of window_room() may be in use. */
void window_reset(struct window *w, uint64_t off);

/* Space behind end, at least one byte, contiguous. Stays valid through pins and trims
 * until the next window_commit(), which takes the first len bytes of it into hand. NULL
 * on ENOMEM. */
char *window_room(struct window *w, size_t *ret_len);
void window_commit(struct window *w, size_t len);

bool window_has(const struct window *w, uint64_t off); /* the byte at off is in hand */

/* Pins up to len bytes from off on; returns how many, in *ret (0 and *ret zeroed when off
 * is not in hand). Fewer than asked for at end, or when SLICE_IOV_MAX chunks are full. */
size_t window_pin(struct window *w, uint64_t off, size_t len, struct slice *ret);

/* Lets go of whole chunks below off. */
void window_trim(struct window *w, uint64_t off);

#endif
