/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake-remote.h"

#include <errno.h>
#include <string.h>

struct remote *fake_new(const char *base)
{
	struct remote *r = calloc(1, sizeof(*r));

	r->base = strdup(base);
	r->has_stat = true;
	return r;
}

void fake_free(struct remote *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->entries[i].path);
		free(r->entries[i].target);
	}
	free(r->entries);
	free(r->base);
	free(r);
}

void fake_add(struct remote *r, const char *path, enum entry_kind kind, uint64_t size)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 16;
		r->entries = realloc(r->entries, r->cap * sizeof(*r->entries));
	}
	r->entries[r->n++] = (struct fake_entry){
		.path = strdup(path),
		.size = size,
		.mtime = 1000000007,
		.kind = kind,
	};
}

struct fake_entry *fake_find(struct remote *r, const char *path)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->entries[i].path, path) == 0) {
			return &r->entries[i];
		}
	}
	return NULL;
}

void fake_del(struct remote *r, const char *path)
{
	struct fake_entry *e = fake_find(r, path);

	free(e->path);
	free(e->target);
	*e = r->entries[--r->n];
}

static void answer_made(struct remote *r)
{
	void (*during)(void *arg) = r->during;

	r->during = NULL;
	if (during) {
		during(r->during_arg);
	}
}

const char *remote_base(const struct remote *r)
{
	return r->base;
}

int remote_connect(struct remote *r, const struct wait *w, struct words *words)
{
	(void)w;
	(void)words;
	atomic_fetch_add(&r->connects, 1);
	r->base = strdup("/home");
	return 0;
}

bool remote_has_stat(struct remote *r)
{
	return r->has_stat;
}

int remote_errno(int r)
{
	return r;
}

/* The fake's listings own their strings one by one. */
void listing_free(struct listing *l)
{
	if (!l) {
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		free((char *)l->entries[i].name);
		free((char *)l->entries[i].target);
	}
	free(l->entries);
	free(l);
}

static struct entry entry_of(const struct fake_entry *f)
{
	return (struct entry){
		.size = f->size,
		.mtime = f->mtime,
		.kind = (uint8_t)f->kind,
		.flags = ENTRY_HAS_MTIME | (f->kind == ENTRY_FILE ? ENTRY_HAS_SIZE : 0),
	};
}

static struct listing *listing_of(struct remote *r, const char *path)
{
	struct listing *l = calloc(1, sizeof(*l));
	size_t len = strcmp(path, "/") ? strlen(path) : 0;

	l->entries = calloc(r->n + 1, sizeof(*l->entries));
	l->incomplete = r->incomplete;
	for (size_t i = 0; i < r->n; i++) {
		const struct fake_entry *f = &r->entries[i];
		struct entry e = entry_of(f);

		if (strncmp(f->path, path, len) != 0 || f->path[len] != '/' ||
		    strchr(f->path + len + 1, '/')) {
			continue;
		}
		e.name = strdup(f->path + len + 1);
		e.target = f->target ? strdup(f->target) : NULL;
		l->entries[l->n++] = e;
	}
	return l;
}

int remote_list(struct remote *r, const struct wait *w, const char *path,
		struct listing **ret)
{
	struct fake_entry *dir = fake_find(r, path);
	struct listing *l;
	int error = r->list_error;

	atomic_fetch_add(&r->lists, 1);
	if (!error && strcmp(path, r->base) != 0 && !dir) {
		error = -ENOENT;
	} else if (!error && dir && dir->kind != ENTRY_DIR) {
		error = -ENOTDIR;
	}
	l = error ? NULL : listing_of(r, path);
	if (r->delay_ms) {
		int slept = wait_sleep(w, now_ms() + r->delay_ms);

		error = slept < 0 ? slept : error;
	}
	answer_made(r);
	if (error) {
		listing_free(l);
		return error;
	}
	*ret = l;
	return 0;
}

int remote_links(struct remote *r, const struct wait *w, const char *path,
		 struct listing **ret)
{
	return remote_list(r, w, path, ret);
}

int remote_stat(struct remote *r, const struct wait *w, const char *path,
		struct stat_result *ret)
{
	struct fake_entry *f = fake_find(r, path);
	struct stat_result st = { 0 };
	int error = r->stat_error ? r->stat_error : f ? 0 : -ENOENT;

	(void)w;
	atomic_fetch_add(&r->stats, 1);
	if (!error) {
		st.entry = entry_of(f);
		if (f->kind == ENTRY_SYMLINK && r->follows) {
			st.entry.kind = ENTRY_DIR;
		} else if (f->target) {
			st.target = strdup(f->target);
		}
	}
	answer_made(r);
	if (!error) {
		*ret = st;
	}
	return error;
}

int remote_stat_target(struct remote *r, const struct wait *w, const char *path,
		       struct stat_result *ret)
{
	return remote_stat(r, w, path, ret);
}

void stat_result_release(struct stat_result *s)
{
	free(s->target);
}
