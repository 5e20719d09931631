/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct extent {
	uint64_t start, end;
};

struct spool {
	char *dir;
	int fd;
	bool nameless; /* made by O_TMPFILE: can be linked */
	uint64_t size;
	uint64_t remote_valid; /* absent bytes are below it */
	uint64_t clean_size; /* at the last spool_set_clean() */
	bool modified, rewritten; /* rewritten: more than an append */
	bool forward; /* see spool_is_forward() */
	uint64_t gone_from, gone_to; /* given up */
	struct extent *ext;
	size_t n, cap;
	uint64_t present; /* bytes in all extents */
};

static void check(const struct spool *s)
{
#ifndef NDEBUG
	uint64_t at = 0, present = 0;

	for (size_t i = 0; i < s->n; i++) {
		assert(s->ext[i].start < s->ext[i].end);
		assert(i == 0 || s->ext[i].start > at);
		at = s->ext[i].end;
		present += at - s->ext[i].start;
	}
	assert(present == s->present);
	assert(at <= s->size);
	assert(s->remote_valid <= s->size);
	assert(s->remote_valid == s->size || (s->n > 0 && at == s->size));
	assert(s->modified || !s->rewritten);
	assert(s->gone_from <= s->gone_to && s->gone_to <= s->size);
	assert(s->gone_from == s->gone_to || s->forward);
#else
	(void)s;
#endif
}

/* ---- extents ---- */

/* The first extent that ends at or behind off: the one that holds off, or touches it, or
 * the next. */
static size_t extent_at(const struct spool *s, uint64_t off)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->ext[mid].end < off) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

/* Adding one range makes at most one extent more. */
static int extents_reserve(struct spool *s)
{
	struct extent *more;
	size_t cap;

	if (s->n < s->cap) {
		return 0;
	}
	cap = MAX(s->cap * 2, (size_t)16);
	more = reallocarray(s->ext, cap, sizeof(*more));
	if (!more) {
		return -ENOMEM;
	}
	s->ext = more;
	s->cap = cap;
	return 0;
}

/* Marks [start, end) as present. Room was reserved. */
static void extents_add(struct spool *s, uint64_t start, uint64_t end)
{
	size_t first = extent_at(s, start), last = first;

	if (start >= end) {
		return;
	}
	while (last < s->n && s->ext[last].start <= end) {
		s->present -= s->ext[last].end - s->ext[last].start;
		start = MIN(start, s->ext[last].start);
		end = MAX(end, s->ext[last].end);
		last++;
	}
	if (first == last) {
		assert(s->n < s->cap);
		memmove(s->ext + first + 1, s->ext + first,
			(s->n - first) * sizeof(*s->ext));
		s->n++;
	} else {
		memmove(s->ext + first + 1, s->ext + last,
			(s->n - last) * sizeof(*s->ext));
		s->n -= last - first - 1;
	}
	s->ext[first] = (struct extent){ start, end };
	s->present += end - start;
}

static void extents_cut(struct spool *s, uint64_t size)
{
	struct extent *last;

	while (s->n > 0 && s->ext[s->n - 1].start >= size) {
		last = &s->ext[--s->n];
		s->present -= last->end - last->start;
	}
	last = s->n > 0 ? &s->ext[s->n - 1] : NULL;
	if (last && last->end > size) {
		s->present -= last->end - size;
		last->end = size;
	}
}

bool spool_missing(const struct spool *s, uint64_t off, uint64_t len, uint64_t *ret_off,
		   uint64_t *ret_len)
{
	uint64_t end = len > s->size || off > s->size - len ? s->size : off + len;
	size_t i = extent_at(s, off);

	/* Touching ends do not occur, so that at most two extents matter. */
	while (i < s->n && s->ext[i].start <= off) {
		off = MAX(off, s->ext[i].end);
		i++;
	}
	if (off >= end) {
		return false;
	}
	if (i < s->n) {
		end = MIN(end, s->ext[i].start);
	}
	*ret_off = off;
	*ret_len = end - off;
	return true;
}

/* ---- the file ---- */

static int open_nameless(const char *dir, bool *ret_nameless)
{
	_cleanup_free_ char *path = NULL;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0) {
		*ret_nameless = true;
		return fd;
	}
	/* EISDIR is what kernels and filesystems without it answer. */
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
		return -errno;
	}
	if (asprintf(&path, "%s/.ftpsfs-XXXXXX", dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	(void)unlink(path);
	*ret_nameless = false;
	return fd;
}

static int set_length(struct spool *s, uint64_t size)
{
	if (size > INT64_MAX) {
		return -EFBIG;
	}
	return ftruncate(s->fd, (off_t)size) < 0 ? -errno : 0;
}

int spool_new(const char *dir, uint64_t remote_size, struct spool **ret)
{
	struct spool *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		return -ENOMEM;
	}
	s->fd = -1;
	s->dir = strdup(dir);
	r = s->dir ? open_nameless(dir, &s->nameless) : -ENOMEM;
	if (r >= 0) {
		s->fd = r;
		r = set_length(s, remote_size);
	}
	if (r < 0) {
		spool_free(s);
		return r;
	}
	s->size = s->remote_valid = s->clean_size = remote_size;
	*ret = s;
	return 0;
}

struct spool *spool_free(struct spool *s)
{
	if (s) {
		close_fd(&s->fd);
		free(s->dir);
		free(s->ext);
		free(s);
	}
	return NULL;
}

uint64_t spool_size(const struct spool *s)
{
	return s->size;
}

int spool_fd(const struct spool *s)
{
	return s->fd;
}

static ssize_t write_at(int fd, const char *data, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, data + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return done ? (ssize_t)done : n < 0 ? -errno : -EIO;
		}
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* off: the first byte that is another one now. */
static void note_change(struct spool *s, uint64_t off)
{
	s->forward =
		off == s->size && (s->forward || (!s->modified && off == s->clean_size));
	s->modified = true;
	if (off < s->clean_size || s->clean_size == 0) {
		s->rewritten = true;
	}
}

int spool_write(struct spool *s, const void *data, size_t len, uint64_t off)
{
	ssize_t n;
	int r;

	if (len == 0) {
		return 0;
	}
	if (off > INT64_MAX - len) {
		return -EFBIG;
	}
	r = extents_reserve(s);
	if (r < 0) {
		return r;
	}
	n = write_at(s->fd, data, len, off);
	if (n < 0) {
		return (int)n;
	}
	note_change(s, MIN(off, s->size));
	/* A gap is zeros of ours, not absent. */
	extents_add(s, off > s->size ? s->size : off, off + (size_t)n);
	s->size = MAX(s->size, off + (size_t)n);
	check(s);
	return (size_t)n == len ? 0 : -ENOSPC;
}

static ssize_t read_at(int fd, char *buf, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			break;
		}
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t spool_read(const struct spool *s, void *buf, size_t len, uint64_t off)
{
	if (off >= s->size) {
		return 0;
	}
	len = (size_t)MIN((uint64_t)len, s->size - off);
	assert(!spool_is_gone(s, off, len));
	return read_at(s->fd, buf, len, off);
}

int spool_truncate(struct spool *s, uint64_t size)
{
	int r;

	if (size == s->size) {
		return 0;
	}
	r = extents_reserve(s);
	if (r == 0) {
		r = set_length(s, size);
	}
	if (r < 0) {
		return r;
	}
	assert(!spool_is_gone(s, size, UINT64_MAX - size));
	note_change(s, MIN(size, s->size));
	if (size < s->size) {
		extents_cut(s, size);
		s->remote_valid = MIN(s->remote_valid, size);
	} else {
		extents_add(s, s->size, size);
	}
	s->size = size;
	check(s);
	return 0;
}

int spool_fill(struct spool *s, const void *data, size_t len, uint64_t off)
{
	uint64_t at, n, end = off + len;

	while (off < end && spool_missing(s, off, end - off, &at, &n)) {
		ssize_t w;
		int r = extents_reserve(s);

		if (r < 0) {
			return r;
		}
		w = write_at(s->fd, (const char *)data + (len - (end - at)), (size_t)n,
			     at);
		if (w < 0) {
			return (int)w;
		}
		extents_add(s, at, at + (size_t)w);
		check(s);
		if ((uint64_t)w < n) {
			return -ENOSPC;
		}
		off = at + n;
	}
	return 0;
}

bool spool_is_modified(const struct spool *s)
{
	return s->modified;
}

bool spool_is_append(const struct spool *s, uint64_t *ret_append_at)
{
	if (!s->modified || s->rewritten) {
		return false;
	}
	*ret_append_at = s->clean_size;
	return true;
}

void spool_set_modified(struct spool *s)
{
	s->forward = s->size == 0;
	s->modified = s->rewritten = true;
}

void spool_set_clean(struct spool *s)
{
	assert(s->gone_from == s->gone_to);
	s->modified = s->rewritten = s->forward = false;
	s->clean_size = s->size;
}

/* ---- room ---- */

uint64_t spool_held(const struct spool *s)
{
	return s->present - (s->gone_to - s->gone_from);
}

static int punch(struct spool *s, uint64_t off, uint64_t len)
{
	return fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
			 (off_t)len) < 0
		       ? -errno
		       : 0;
}

int spool_give_up(struct spool *s, uint64_t end)
{
	uint64_t from = MAX(s->gone_to, s->clean_size);
	int r;

	assert(s->forward);
	end = MIN(end, s->size);
	if (end <= from) {
		return 0;
	}
	r = punch(s, from, end - from);
	if (r == 0) {
		s->gone_from = s->gone_from == s->gone_to ? from : s->gone_from;
		s->gone_to = end;
		check(s);
	}
	return r;
}

bool spool_is_gone(const struct spool *s, uint64_t off, uint64_t len)
{
	return s->gone_from < s->gone_to && off < s->gone_to &&
	       (len > s->gone_from || off + len > s->gone_from);
}

bool spool_is_forward(const struct spool *s)
{
	return s->modified && s->forward;
}

int spool_zero(struct spool *s, uint64_t off, uint64_t len)
{
	static const char zeros[64 * 1024];
	int r;

	len = off >= s->size ? 0 : MIN(len, s->size - off);
	if (len == 0) {
		return 0;
	}
	r = extents_reserve(s);
	if (r == 0) {
		r = punch(s, off, len);
	}
	for (uint64_t at = off; r == -EOPNOTSUPP && at < off + len; at += sizeof(zeros)) {
		size_t part = (size_t)MIN(sizeof(zeros), off + len - at);
		ssize_t n = write_at(s->fd, zeros, part, at);

		r = n < 0 ? (int)n : (size_t)n < part ? -ENOSPC : -EOPNOTSUPP;
	}
	if (r < 0 && r != -EOPNOTSUPP) {
		return r;
	}
	note_change(s, off);
	extents_add(s, off, off + len);
	check(s);
	return 0;
}

/* ---- keeping ---- */

/* An unlinked file with a past cannot be linked again: copied then. */
static int copy_to(struct spool *s, const char *path)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	char block[16384];
	int r = 0;

	if (fd < 0) {
		return -errno;
	}
	for (uint64_t off = 0; off < s->size && r >= 0;) {
		ssize_t n = read_at(s->fd, block, sizeof(block), off);

		if (n <= 0) {
			r = n < 0 ? (int)n : -EIO;
			break;
		}
		n = write_at(fd, block, (size_t)n, off);
		if (n < 0) {
			r = (int)n;
			break;
		}
		off += (uint64_t)n;
	}
	if (r == 0 && fsync(fd) < 0) {
		r = -errno;
	}
	if (r < 0) {
		(void)unlink(path);
	}
	return r;
}

int spool_keep(struct spool *s, const char *name)
{
	_cleanup_free_ char *path = NULL;
	char self[64];

	if (asprintf(&path, "%s/%s", s->dir, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (!s->nameless) {
		return copy_to(s, path);
	}
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", s->fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0) {
		(void)fsync(s->fd);
		return 0;
	}
	return errno == EEXIST ? -EEXIST : copy_to(s, path);
}
