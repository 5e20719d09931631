/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One delivery that is still owed, as text: what write=back needs to know of it after a
 * crash. Pure; fuzzed by tests/fuzz/fuzz-journal.c. */
#ifndef FS_JOURNAL_ENTRY_H
#define FS_JOURNAL_ENTRY_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct journal_entry {
	char *path; /* remote, absolute; owned */
	uint64_t size; /* bytes of the local copy, which is the whole file */
	int64_t mtime; /* wanted on the server, seconds UTC; -1: as it comes */
	int mode; /* permission bits; -1: as it comes */
	bool mode_required; /* false: a mode of creation */
	bool replaces; /* the server has an old file there: replaced when the new one is whole */
};

void journal_entry_release(
	struct journal_entry *e); /* takes the zeroed, leaves it zeroed */

/* "key=value" lines behind a first line with the format's name. 0; -EINVAL for a path that
 * cannot be written so (not absolute, or with a line break); -ENOMEM, -EMSGSIZE. */
int journal_entry_format(const struct journal_entry *e, struct buf *ret);

/* The same back. 0, -ENOMEM, or -EINVAL: not ours, or not whole. */
int journal_entry_parse(const char *text, struct journal_entry *ret);

#endif
