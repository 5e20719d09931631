/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts of option values, and the words that are near a mistyped one. Pure but for
 * option_path(), which asks for $HOME and the working directory. */
#include "fs/options_row.h"
#include "fs/secret.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Largest first: the formatter takes the first that divides. */
static const struct unit size_units[] = {
	{ "P", 1ull << 50 }, { "T", 1ull << 40 }, { "G", 1ull << 30 },
	{ "M", 1ull << 20 }, { "K", 1ull << 10 }, { "", 1 },
};
static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};
static const struct unit plain_units[] = { { "", 1 } };

/* "8M" -> 8 << 20; bare is the factor of a number without a suffix. */
static int number_parse(const char *text, const struct unit *units, size_t n,
			uint64_t bare, uint64_t *ret, struct words *why)
{
	const char *p = text;
	uint64_t value = 0, factor = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
			words_set(why, "too large");
			return -EINVAL;
		}
	}
	if (p == text) {
		words_set(why, "not a number");
		return -EINVAL;
	}
	if (!*p) {
		factor = bare;
	}
	for (size_t i = 0; *p && i < n; i++) {
		if (strcasecmp(p, units[i].suffix) == 0) {
			factor = units[i].factor;
		}
	}
	if (!factor) {
		words_set(why, n > 1 ? "unknown unit '%s'" : "not a number", p);
		return -EINVAL;
	}
	if (__builtin_mul_overflow(value, factor, &value) || value > INT64_MAX) {
		words_set(why, "too large");
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

static void number_format(uint64_t value, const struct unit *units, size_t n, char *ret,
			  size_t size)
{
	for (size_t i = 0; i < n; i++) {
		if (value % units[i].factor == 0 && (value || i == n - 1)) {
			snprintf(ret, size, "%" PRIu64 "%s", value / units[i].factor,
				 value ? units[i].suffix : "");
			return;
		}
	}
}

static void kind_units(enum option_kind kind, const struct unit **ret_units,
		       size_t *ret_n, uint64_t *ret_bare)
{
	*ret_bare = kind == KIND_DURATION ? 1000 : 1;
	if (kind == KIND_SIZE) {
		*ret_units = size_units;
		*ret_n = ARRAY_LEN(size_units);
	} else if (kind == KIND_DURATION) {
		*ret_units = duration_units;
		*ret_n = ARRAY_LEN(duration_units);
	} else {
		*ret_units = plain_units;
		*ret_n = ARRAY_LEN(plain_units);
	}
}

static int parse_number(const struct option_row *row, const char *text,
			union option_value *ret, struct words *why)
{
	const struct unit *units;
	size_t n;
	uint64_t bare, value;
	char min[32], max[32];
	int r;

	kind_units(row->kind, &units, &n, &bare);
	r = number_parse(text, units, n, bare, &value, why);
	if (r < 0) {
		return r;
	}
	if (value < row->min || (row->max && value > row->max)) {
		number_format(row->min, units, n, min, sizeof(min));
		number_format(row->max, units, n, max, sizeof(max));
		words_set(why, row->max ? "must be %s to %s" : "must be at least %s", min,
			  max);
		return -EINVAL;
	}
	if (row->kind == KIND_SIZE) {
		ret->size = value;
	} else if (row->kind == KIND_DURATION) {
		ret->ms = (int64_t)value;
	} else if (value > UINT32_MAX) {
		words_set(why, "too large");
		return -EINVAL;
	} else {
		ret->u = (unsigned)value;
	}
	return 0;
}

static int parse_octal(const char *text, union option_value *ret, struct words *why)
{
	size_t len = strlen(text);
	unsigned value = 0;

	if (len == 0 || len > 6 || strspn(text, "01234567") != len) {
		words_set(why, "not an octal number such as 022");
		return -EINVAL;
	}
	for (const char *p = text; *p; p++) {
		value = value * 8 + (unsigned)(*p - '0');
	}
	if (value > 0777) {
		words_set(why, "must be 0 to 0777");
		return -EINVAL;
	}
	ret->u = value;
	return 0;
}

static int parse_choice(const struct option_row *row, const char *text,
			union option_value *ret, struct words *why)
{
	char list[128] = "";
	size_t used = 0;

	for (unsigned i = 0; row->choices[i]; i++) {
		if (strcasecmp(row->choices[i], text) == 0) {
			ret->u = i;
			return 0;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 i ? ", " : "", row->choices[i]);
		used = MIN(used, sizeof(list) - 1);
	}
	words_set(why, "must be one of %s", list);
	return -EINVAL;
}

static int parse_string(const struct option_row *row, const char *text,
			union option_value *ret, struct words *why)
{
	if (strpbrk(text, "\r\n")) {
		words_set(why, "contains a line break");
		return -EINVAL;
	}
	/* An empty value is an empty password, or the row's implied one. */
	if (!*text && !(row->flags & ROW_SECRET) && !(row->implied && !*row->implied)) {
		words_set(why, "is empty");
		return -EINVAL;
	}
	if (row->flags & ROW_SECRET) {
		ret->s = secret_dup(text, strlen(text));
	} else if ((row->flags & ROW_PATH) && *text) {
		ret->s = option_path(text);
	} else {
		ret->s = strdup(text);
	}
	return ret->s ? 0 : -ENOMEM;
}

bool option_bool_parse(const char *text, bool *ret)
{
	static const char *const no[] = { "no", "false", "off", "0" };
	static const char *const yes[] = { "yes", "true", "on", "1" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*ret = strcasecmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

int option_value_parse(const struct option_row *row, const char *text,
		       union option_value *ret, struct words *ret_why)
{
	union option_value value = { 0 };
	int r = 0;

	switch (row->kind) {
	case KIND_BOOL:
		if (!option_bool_parse(text, &value.b)) {
			words_set(ret_why, "must be yes or no");
			r = -EINVAL;
		}
		break;
	case KIND_STRING:
		r = parse_string(row, text, &value, ret_why);
		break;
	case KIND_UINT:
	case KIND_SIZE:
	case KIND_DURATION:
		r = parse_number(row, text, &value, ret_why);
		break;
	case KIND_OCTAL:
		r = parse_octal(text, &value, ret_why);
		break;
	case KIND_CHOICE:
		r = parse_choice(row, text, &value, ret_why);
		break;
	}
	if (r == 0) {
		*ret = value;
	}
	return r;
}

void option_value_format(const struct option_row *row, const struct options *o, char *ret,
			 size_t size)
{
	const char *field = (const char *)o + row->offset;
	const struct unit *units;
	union option_value value = { 0 };
	size_t n;
	uint64_t bare;

	kind_units(row->kind, &units, &n, &bare);
	switch (row->kind) {
	case KIND_BOOL:
		memcpy(&value.b, field, sizeof(value.b));
		snprintf(ret, size, "%s", value.b ? "yes" : "no");
		break;
	case KIND_STRING:
		memcpy(&value.s, field, sizeof(value.s));
		if (value.s && (row->flags & ROW_SECRET)) {
			snprintf(ret, size, "***");
		} else {
			snprintf(ret, size, "%s", value.s ? value.s : "");
			/* Several commands on one line of --print-config. */
			for (char *p = ret; row->repeat && *p; p++) {
				*p = *p == '\n' ? ';' : *p;
			}
		}
		break;
	case KIND_UINT:
		memcpy(&value.u, field, sizeof(value.u));
		snprintf(ret, size, "%u", value.u);
		break;
	case KIND_OCTAL:
		memcpy(&value.u, field, sizeof(value.u));
		snprintf(ret, size, "%04o", value.u);
		break;
	case KIND_CHOICE:
		memcpy(&value.u, field, sizeof(value.u));
		snprintf(ret, size, "%s", row->choices[value.u]);
		break;
	case KIND_SIZE:
	case KIND_DURATION: /* never negative */
		memcpy(&value.size, field, sizeof(value.size));
		number_format(value.size, units, n, ret, size);
		break;
	}
}

/* Levenshtein, ASCII case ignored; words beyond the table's width are far from all. */
static unsigned distance(const char *a, size_t la, const char *b, size_t lb)
{
	enum { WIDTH = 40 };
	unsigned row[WIDTH + 1];

	if (la > WIDTH || lb > WIDTH) {
		return WIDTH;
	}
	for (unsigned j = 0; j <= lb; j++) {
		row[j] = j;
	}
	for (unsigned i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned change =
				diagonal + (strncasecmp(a + i - 1, b + j - 1, 1) != 0);

			diagonal = row[j];
			row[j] = MIN(MIN(row[j], row[j - 1]) + 1, change);
		}
	}
	return row[lb];
}

struct nearest {
	const char *word;
	unsigned best;
};

static void consider(struct nearest *near, const char *candidate, const char *word,
		     size_t len)
{
	unsigned d = distance(word, len, candidate, strlen(candidate));

	/* A third of the letters may be wrong: "conect_timeout", "maxconns". */
	if (d < near->best && d <= MAX(len / 3, (size_t)1)) {
		near->best = d;
		near->word = candidate;
	}
}

const char *word_nearest(const char *const *list, size_t n, const char *word, size_t len)
{
	struct nearest near = { NULL, UINT32_MAX };

	for (size_t i = 0; i < n; i++) {
		consider(&near, list[i], word, len);
	}
	return near.word;
}

const char *option_nearest(const char *word, size_t len)
{
	struct nearest near = { NULL, UINT32_MAX };
	const char *const *fuse;
	const struct option_row *rows;
	size_t n;

	rows = option_rows(&n);
	for (size_t i = 0; i < n; i++) {
		unsigned before = near.best;
		char aliases[128], *save = NULL;

		consider(&near, rows[i].name, word, len);
		snprintf(aliases, sizeof(aliases), "%s",
			 rows[i].aliases ? rows[i].aliases : "");
		for (char *a = strtok_r(aliases, " ", &save); a;
		     a = strtok_r(NULL, " ", &save)) {
			consider(&near, a, word, len);
		}
		if (near.best < before) {
			near.word =
				rows[i].name; /* also for an alias: its text is local */
		}
	}
	fuse = option_fuse_words(&n);
	for (size_t i = 0; i < n; i++) {
		consider(&near, fuse[i], word, len);
	}
	return near.word;
}

char *option_path(const char *text)
{
	const char *home = getenv("HOME");
	_cleanup_free_ char *cwd = NULL;
	char *path = NULL;

	if (text[0] == '/') {
		return strdup(text);
	}
	if (strncmp(text, "~/", 2) == 0 && home && *home) {
		return asprintf(&path, "%s/%s", home, text + 2) < 0 ? NULL : path;
	}
	cwd = getcwd(NULL, 0);
	if (!cwd) {
		return strdup(text);
	}
	return asprintf(&path, "%s/%s", cwd, text) < 0 ? NULL : path;
}
