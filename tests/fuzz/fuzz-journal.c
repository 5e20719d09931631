/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer target: bytes -> an entry of the write-back journal. What is understood must be
 * written and read back the same. */
#include "fs/journal_entry.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_entry e = { 0 }, again = { 0 };
	struct buf text = { 0 };
	char *copy = strndup((const char *)data, size);

	if (copy && journal_entry_parse(copy, &e) == 0) {
		int r = journal_entry_format(&e, &text);

		assert(r == 0 || size > BUF_LIMIT_DEFAULT / 2);
		if (r == 0) {
			assert(journal_entry_parse(buf_str(&text), &again) == 0);
			assert(strcmp(e.path, again.path) == 0);
			assert(e.size == again.size && e.mtime == again.mtime);
			assert(e.mode == again.mode && e.replaces == again.replaces);
			assert(e.mode_required == again.mode_required);
		}
	}
	journal_entry_release(&e);
	journal_entry_release(&again);
	buf_release(&text);
	free(copy);
	return 0;
}
