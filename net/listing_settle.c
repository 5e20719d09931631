/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only a whole LIST can tell. */
#include "net/listing_token.h"
#include "net/path.h"

#include <string.h>

/* Rows that agree before blanks count as layout: a few names may all begin with one. */
enum { PADDED_ROWS_MIN = 4 };

static enum dialect winner(const struct listing *l)
{
	enum dialect best = DIALECT_UNIX;

	if (l->votes[l->dialect]) {
		return l->dialect;
	}
	for (int d = DIALECT_DOS; d < DIALECT_MAX; d++) {
		best = l->votes[d] > l->votes[best] ? (enum dialect)d : best;
	}
	return l->votes[best] ? best : l->dialect;
}

/* How many blanks before each name are the layout's. */
static size_t padding(struct listing *l)
{
	if (l->dialect != DIALECT_UNIX || !l->votes[DIALECT_UNIX] || l->unpadded) {
		return 0;
	}
	l->unpadded = l->pad_min == 0;
	return l->pad_min == l->pad_max && l->votes[DIALECT_UNIX] >= PADDED_ROWS_MIN
		       ? l->pad_min
		       : 0;
}

void listing_settle(struct listing *l)
{
	size_t n = 0, pad;

	l->dialect = winner(l);
	pad = padding(l);
	for (size_t i = 0; i < l->n; i++) {
		struct entry *e = &l->entries[i];
		const char *name = e->name + pad;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
			l->dots = true;
			continue;
		}
		if (e->dialect != l->dialect || path_name_check(name, strlen(name)) < 0) {
			l->rejected++;
			continue;
		}
		e->name = name;
		l->entries[n++] = *e;
	}
	l->n = n;
}
