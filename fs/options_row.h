/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside fs/options*.c and fs/config.c: a row of the option table, and the
 * texts of its values. */
#ifndef FS_OPTIONS_ROW_H
#define FS_OPTIONS_ROW_H

#include "fs/options.h"

enum option_kind {
	KIND_BOOL, /* bool */
	KIND_STRING, /* char * */
	KIND_UINT, /* unsigned */
	KIND_SIZE, /* uint64_t, bytes: "8M" */
	KIND_DURATION, /* int64_t, ms: "30", "30s", "500ms", "5m" */
	KIND_OCTAL, /* unsigned */
	KIND_CHOICE, /* an enum whose values index choices[] */
};

enum {
	ROW_BARE = 1, /* takes no value: the word means `implied` */
	ROW_SECRET = 2, /* locked memory, wiped from argv, never printed */
	ROW_PATH = 4, /* made absolute, "~/" expanded */
	ROW_ALONE = 8, /* refuses another row for the same field at the same rank */
};

struct option_row {
	const char *name;
	const char *aliases; /* separated by blanks, or NULL */
	enum option_kind kind;
	size_t offset; /* in struct options; rows may share a field */
	const char *group; /* heading of --help */
	const char *metavar;
	const char *def; /* parsed at init; "(...)" is only shown; NULL: none or see the
			    leader */
	const char *help;
	const char *implied; /* the value when none is given; NULL: one is needed */
	unsigned flags;
	const char *const *choices;
	uint64_t min, max; /* numbers; max 0: no limit */
	char repeat; /* strings: what joins the values of a row that is given several times
			with the same rank; 0: the last word wins */
};

const struct option_row *option_rows(size_t *ret_n);
/* By name or alias, len bytes of it; NULL when there is none. */
const struct option_row *option_find(const char *name, size_t len);
/* The first row of the same field: origins are kept there. */
const struct option_row *option_leader(const struct option_row *row);
static inline size_t option_index(const struct option_row *row)
{
	return (size_t)(option_leader(row) - option_rows(&(size_t){ 0 }));
}

union option_value {
	bool b;
	unsigned u;
	uint64_t size;
	int64_t ms;
	char *s; /* owned; NULL: not given */
};

/* text -> value. On -EINVAL ret_why says what is wrong with it ("not a number"). */
int option_value_parse(const struct option_row *row, const char *text,
		       union option_value *ret, struct words *ret_why);
/* The field of o as text; "" for strings that are not given. */
void option_value_format(const struct option_row *row, const struct options *o, char *ret,
			 size_t size);
bool option_bool_parse(const char *text, bool *ret);

/* Words that FUSE or mount(8) know: len bytes without "=value". */
bool option_is_fuse(const char *name, size_t len, bool has_value);
bool option_is_fstab(const char *name, size_t len, bool has_value);
const char *const *option_fuse_words(size_t *ret_n);

/* The known word nearest to a mistyped one, or NULL when none is near. */
const char *option_nearest(const char *word, size_t len);
/* The nearest of n words. */
const char *word_nearest(const char *const *list, size_t n, const char *word, size_t len);

/* "dir/name" or "name" under the working directory, "~/" under $HOME. Fresh; NULL on
 * ENOMEM. */
char *option_path(const char *text);

#endif
