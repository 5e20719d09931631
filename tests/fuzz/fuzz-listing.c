/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every dialect on the same bytes, in one piece and in pieces: the entries must be the
 * same, and no name may be one that a command line or a directory cannot hold. */
#include "net/listing.h"
#include "net/path.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1770000000 };

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_entry(const struct entry *e)
{
	must(path_name_check(e->name, strlen(e->name)) == 0);
	must(strlen(e->name) <= LISTING_NAME_MAX);
	must(!e->target || (e->kind == ENTRY_SYMLINK && e->target[0]));
	must(e->kind <= ENTRY_OTHER);
	must(e->mode <= 07777 && e->size <= INT64_MAX);
	must((e->flags & ENTRY_HAS_SIZE) || e->size == 0);
	must((e->flags & ENTRY_HAS_MTIME) ||
	     (e->mtime == 0 && !(e->flags & ENTRY_MTIME_COARSE)));
	must((e->flags & ENTRY_HAS_MODE) || e->mode == 0);
	must((e->flags & ENTRY_HAS_PERM) || e->perm == 0);
	must((e->flags & ENTRY_HAS_NLINK) || e->nlink == 0);
	must(!(e->flags & ENTRY_MONTH_STRANGE) || !(e->flags & ENTRY_HAS_MTIME));
	must(e->dialect < DIALECT_MAX);
	must(e->kind != ENTRY_DIR || !(e->flags & ENTRY_HAS_SIZE));
}

static struct listing *parse(enum listing_format format, const char *data, size_t size,
			     size_t step)
{
	struct listing *l = listing_new(format, NOW);

	must(l != NULL);
	if (format == LISTING_LINES) {
		l->dialect = (enum dialect)(size % DIALECT_MAX);
		l->unpadded = size % 7 == 0;
	}
	for (size_t at = 0; at < size; at += step) {
		must(listing_feed(l, data + at, MIN(step, size - at)) == 0);
	}
	must(listing_end(l) == 0);
	for (size_t i = 0; i < l->n; i++) {
		check_entry(&l->entries[i]);
		must(format == LISTING_FACTS || l->entries[i].dialect == l->dialect);
	}
	return l;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void try_format(enum listing_format format, const char *data, size_t size)
{
	_cleanup_(listing_freep) struct listing *whole = parse(format, data, size, size);
	_cleanup_(listing_freep) struct listing *pieces =
		parse(format, data, size, 1 + size / 9);

	must(whole->n == pieces->n && whole->rejected == pieces->rejected);
	for (size_t i = 0; i < whole->n; i++) {
		const struct entry *a = &whole->entries[i], *b = &pieces->entries[i];

		must(same_text(a->name, b->name) && same_text(a->target, b->target));
		must(a->size == b->size && a->mtime == b->mtime && a->mode == b->mode);
		must(a->kind == b->kind && a->flags == b->flags && a->perm == b->perm);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	int64_t when;

	if (size == 0 || !text) {
		return 0;
	}
	try_format(LISTING_FACTS, (const char *)data, size);
	try_format(LISTING_LINES, (const char *)data, size);
	(void)listing_parse_time(text, &when);
	return 0;
}
