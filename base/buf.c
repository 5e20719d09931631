/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int buf_reserve(struct buf *b, size_t more)
{
	size_t limit = b->limit ? b->limit : BUF_LIMIT_DEFAULT;
	size_t cap;
	char *p;

	if (more > limit || b->len > limit - more) {
		return -EMSGSIZE;
	}
	if (b->len + more < b->cap) {
		return 0; /* one spare byte always: buf_str() needs it */
	}
	cap = MAX(b->cap * 2, (size_t)256);
	while (cap <= b->len + more) {
		cap *= 2;
	}
	p = realloc(b->data, cap);
	if (!p) {
		return -ENOMEM;
	}
	b->data = p;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	int r = buf_reserve(b, len);

	if (r < 0) {
		return r;
	}
	if (len) {
		memcpy(b->data + b->len, data, len);
	}
	b->len += len;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n, r;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	r = n < 0 ? -EINVAL : buf_reserve(b, (size_t)n);
	if (r == 0) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	return r;
}

const char *buf_str(struct buf *b)
{
	if (b->len >= b->cap && buf_reserve(b, 0) < 0) {
		return NULL;
	}
	b->data[b->len] = '\0';
	return b->data;
}

void buf_consume(struct buf *b, size_t n)
{
	n = MIN(n, b->len);
	if (n) {
		memmove(b->data, b->data + n, b->len - n);
	}
	b->len -= n;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
}

void buf_release(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}
