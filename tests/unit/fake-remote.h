/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server in memory, behind net/remote.h: what fs/dir.c needs of it. */
#ifndef TESTS_UNIT_FAKE_REMOTE_H
#define TESTS_UNIT_FAKE_REMOTE_H

#include "net/remote.h"

#include <stdatomic.h>

struct fake_entry {
	char *path; /* absolute */
	char *target;
	uint64_t size;
	int64_t mtime;
	enum entry_kind kind;
};

struct remote {
	struct fake_entry *entries;
	size_t n, cap;
	char *base; /* NULL until remote_connect() */
	bool has_stat;
	bool follows; /* MLST tells what a link points to */
	bool incomplete; /* of the next listings */
	int list_error, stat_error;
	atomic_int lists, stats, connects;
	/* Called once an answer is made and before it is given: what happens in
	 * it is newer than the answer. Cleared before the call. */
	void (*during)(void *arg);
	void *during_arg;
	int delay_ms; /* of listings; the wait is asked meanwhile */
};

struct remote *fake_new(const char *base);
void fake_free(struct remote *r);
void fake_add(struct remote *r, const char *path, enum entry_kind kind, uint64_t size);
struct fake_entry *fake_find(struct remote *r, const char *path); /* NULL when missing */
void fake_del(struct remote *r, const char *path);

#endif
