/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A download in flight: a pump thread around a transfer, and a window of bytes that
 * readers take from. One file, one moving frontier. Thread-safe: several readers may wait
 * on one stream.
 *
 * The pump borrows a connection when a reader needs bytes, and gives it back at the end
 * of the file, when the window is full and nobody has read for a while, and at once when
 * the pool is short and the window is full (after a quantum even while busy). It resumes
 * at the frontier when a connection drops, unseen by readers, until `retry` fresh
 * connections in a row brought nothing. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/remote.h"
#include "net/window.h"

struct stream;

/* path is copied. window: bytes ahead of the reader at most (options: readahead). size:
 * what the listing says, or UINT64_MAX when unknown: a transfer that ends in order before
 * it was simply a shorter file; one that ends without close_notify at exactly `size` is
 * taken as whole when 226 says so. No thread starts before the first read. */
int stream_new(struct remote *r, const char *path, uint64_t size, size_t window,
	       struct stream **ret);
/* Stops the pump (kill its connection if need be) and frees. Nobody may be in
 * stream_read(). Waits for the pump, bounded by about a second. NULL ok. */
void stream_free(struct stream *s);

/* How well this stream serves a read at off: 0 bytes are here; > 0 so many bytes beyond
 * the frontier (waiting is enough when small); -1 it would have to be re-aimed; also used
 * to pick the least recently used one. Never blocks. */
int64_t stream_distance(struct stream *s, uint64_t off);
int64_t stream_last_read(struct stream *s); /* now_ms() */

/* Bytes beyond the frontier for which waiting beats a new transfer. */
#define STREAM_REACH (1u << 20)

/* Points the pump at off unless off is in reach or another reader is still waiting for
 * the present aim. Never blocks: lets the caller claim the stream while it still holds
 * the lock under which it chose it. stream_read() does the same by itself. */
void stream_aim(struct stream *s, uint64_t off);

/* Up to len bytes at off (as many as can be had up to len, short only at end of file);
 * re-aims the pump when off is out of reach. path: the file's path now (a rename may have
 * moved it); used when the pump must ask again. 0, or the -errno of the download, -EINTR.
 */
int stream_read(struct stream *s, const struct wait *w, const char *path, uint64_t off,
		size_t len, struct slice *ret);

#endif
