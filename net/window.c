/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/window.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

struct chunk {
	_Atomic unsigned refs; /* the window's one and one a pin */
	char data[CHUNK_SIZE];
};

static struct chunk *chunk_ref(struct chunk *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

static void chunk_unref(struct chunk *c)
{
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
		free(c);
	}
}

void slice_release(struct slice *s)
{
	for (int i = 0; i < s->n; i++) {
		chunk_unref(s->pin[i]);
	}
	*s = (struct slice){ 0 };
}

void window_init(struct window *w, uint64_t off)
{
	*w = (struct window){ .base = off, .end = off };
}

/* A chunk that only the window refers to cannot gain a pin meanwhile: pins are made
 * from chunks in the row, by the window's owner. */
static void let_go(struct window *w, struct chunk *c)
{
	if (w->n_spare < WINDOW_SPARES &&
	    atomic_load_explicit(&c->refs, memory_order_acquire) == 1) {
		w->spare[w->n_spare++] = c;
	} else {
		chunk_unref(c);
	}
}

void window_reset(struct window *w, uint64_t off)
{
	for (size_t i = 0; i < w->n; i++) {
		let_go(w, w->chunks[i]);
	}
	w->n = 0;
	w->base = w->end = off;
}

void window_finish(struct window *w)
{
	window_reset(w, 0);
	while (w->n_spare > 0) {
		chunk_unref(w->spare[--w->n_spare]);
	}
	free(w->chunks);
	window_init(w, 0);
}

static struct chunk *chunk_get(struct window *w)
{
	struct chunk *c;

	if (w->n_spare > 0) {
		return w->spare[--w->n_spare];
	}
	c = malloc(sizeof(*c));
	if (c) {
		atomic_init(&c->refs, 1);
	}
	return c;
}

char *window_room(struct window *w, size_t *ret_len)
{
	uint64_t used = w->end - w->base;
	size_t at = (size_t)(used % CHUNK_SIZE);

	if (used / CHUNK_SIZE == w->n) {
		struct chunk *c;

		if (w->n == w->cap) {
			size_t cap = MAX(w->cap * 2, (size_t)8);
			struct chunk **more = realloc(w->chunks, cap * sizeof(*more));

			if (!more) {
				return NULL;
			}
			w->chunks = more;
			w->cap = cap;
		}
		c = chunk_get(w);
		if (!c) {
			return NULL;
		}
		w->chunks[w->n++] = c;
	}
	*ret_len = CHUNK_SIZE - at;
	return w->chunks[w->n - 1]->data + at;
}

void window_commit(struct window *w, size_t len)
{
	assert(len <= w->n * (uint64_t)CHUNK_SIZE - (w->end - w->base));
	w->end += len;
}

bool window_has(const struct window *w, uint64_t off)
{
	return off >= w->base && off < w->end;
}

size_t window_pin(struct window *w, uint64_t off, size_t len, struct slice *ret)
{
	struct slice s = { 0 };

	if (!window_has(w, off)) {
		*ret = s;
		return 0;
	}
	len = (size_t)MIN((uint64_t)len, w->end - off);
	while (len > 0 && s.n < SLICE_IOV_MAX) {
		size_t i = (size_t)((off - w->base) / CHUNK_SIZE);
		size_t at = (size_t)((off - w->base) % CHUNK_SIZE);
		size_t part = MIN(len, CHUNK_SIZE - at);

		s.pin[s.n] = chunk_ref(w->chunks[i]);
		s.iov[s.n].iov_base = w->chunks[i]->data + at;
		s.iov[s.n].iov_len = part;
		s.n++;
		s.len += part;
		off += part;
		len -= part;
	}
	*ret = s;
	return s.len;
}

void window_trim(struct window *w, uint64_t off)
{
	size_t drop;

	/* A chunk whose last byte is not in hand may be the one being filled. */
	off = MIN(off, w->end);
	if (off < w->base + CHUNK_SIZE) {
		return;
	}
	drop = (size_t)((off - w->base) / CHUNK_SIZE);
	for (size_t i = 0; i < drop; i++) {
		let_go(w, w->chunks[i]);
	}
	w->n -= drop;
	memmove(w->chunks, w->chunks + drop, w->n * sizeof(*w->chunks));
	w->base += (uint64_t)drop * CHUNK_SIZE;
}
