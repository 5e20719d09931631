/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The downloads of an open file: which of them serves a read. */
#include "fs/file_private.h"

#include "fs/options.h"

#include <errno.h>

void file_retire_locked(struct file *f)
{
	for (size_t i = 0; i < FILE_SLOTS; i++) {
		f->slots[i].retired = f->slots[i].stream != NULL;
	}
}

void file_reap(struct file *f)
{
	struct stream *s;

	do {
		s = NULL;
		mutex_lock(&f->lock);
		for (size_t i = 0; i < FILE_SLOTS && !s; i++) {
			struct slot *slot = &f->slots[i];

			if (slot->retired && slot->users == 0) {
				s = slot->stream;
				*slot = (struct slot){ 0 };
				cond_broadcast(&f->idle);
			}
		}
		mutex_unlock(&f->lock);
		stream_free(s);
	} while (s);
}

static int add_stream_locked(struct file *f, struct slot *slot, const char *path)
	REQUIRES(f->lock)
{
	const struct options *opt = f->m->opt;
	size_t window = (size_t)MIN(opt->readahead, (uint64_t)1 << 30);

	return stream_new(f->m->remote, path, f->seen_size, window, &slot->stream);
}

/* The stream that has the bytes, else the one about to have them, else a new one, else
 * the one that was not read for longest. NULL: all slots are taken by retired ones. */
static struct slot *choose_locked(struct file *f, uint64_t off) REQUIRES(f->lock)
{
	unsigned limit = MAX(1u, MIN(f->m->opt->streams, (unsigned)FILE_STREAMS_MAX)),
		 active = 0;
	struct slot *near = NULL, *oldest = NULL, *empty = NULL;
	int64_t distance = INT64_MAX;

	for (size_t i = 0; i < FILE_SLOTS; i++) {
		struct slot *slot = &f->slots[i];
		int64_t d;

		if (!slot->stream) {
			empty = empty ? empty : slot;
			continue;
		}
		if (slot->retired) {
			continue;
		}
		active++;
		d = stream_distance(slot->stream, off);
		if (d >= 0 && d < distance) {
			near = slot;
			distance = d;
		}
		if (!oldest ||
		    stream_last_read(slot->stream) < stream_last_read(oldest->stream)) {
			oldest = slot;
		}
	}
	if (near) {
		return near;
	}
	return active < limit ? empty : oldest;
}

int file_stream_locked(struct file *f, const struct wait *w, uint64_t off, size_t len,
		       struct slice *ret)
{
	struct mount *m = f->m;
	_cleanup_free_ char *path = node_path(&m->tree, remote_base(m->remote), f->n);
	struct slot *slot;
	bool reap;
	int r = 0;

	if (!path) {
		return -ENOMEM;
	}
	while (!(slot = choose_locked(f, off))) {
		r = cond_wait(&f->idle, &f->lock, w, INT64_MAX / 2);
		if (r < 0) {
			return r;
		}
	}
	if (!slot->stream) {
		r = add_stream_locked(f, slot, path);
		if (r < 0) {
			return r;
		}
	}
	stream_aim(slot->stream, off);
	slot->users++;
	mutex_unlock(&f->lock);

	r = stream_read(slot->stream, w, path, off, len, ret);

	mutex_lock(&f->lock);
	slot->users--;
	reap = slot->retired && slot->users == 0;
	if (reap) {
		mutex_unlock(&f->lock);
		file_reap(f);
		mutex_lock(&f->lock);
	}
	return r == -ETIMEDOUT ? -EIO : r;
}
