/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The style of IIS, and EPLF. */
#include "net/listing_token.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* "01-02-24", "01-02-2024", "2024-01-02", with '-' or '/': month first as in IIS;
 * "02.01.2024": day first, as wherever points are written. */
static bool dos_date(const struct token *t, struct date *d)
{
	const char *p = t->at;
	int v[3];
	bool year_first = strspn(p, "0123456789") == 4;
	char sep = 0;

	for (int i = 0; i < 3; i++) {
		if (!token_figures(&p, 1, 4, &v[i])) {
			return false;
		}
		if (i < 2) {
			sep = i ? sep : *p;
			if (!*p || !strchr("-/.", *p) || *p++ != sep) {
				return false;
			}
		}
	}
	if (p != token_end(t)) {
		return false;
	}
	if (sep == '.' && !year_first) {
		int day = v[0];

		v[0] = v[1];
		v[1] = day;
	}
	d->year = year_first ? v[0] : v[2];
	d->month = year_first ? v[1] : v[0];
	d->day = year_first ? v[2] : v[1];
	if (d->year < 100) {
		d->year += d->year < 70 ? 2000 : 1900;
	}
	return true;
}

/* "03:04PM", "03:04p" or "15:04". */
static bool dos_clock(const struct token *t, struct date *d)
{
	struct token clock = *t;
	size_t mark = strcspn(t->at, "aApP");
	bool seconds, half = mark < t->len;
	bool pm = half && (t->at[mark] | 0x20) == 'p';

	if (half) {
		size_t rest = t->len - mark;

		if (rest > 2 || (rest == 2 && (t->at[mark + 1] | 0x20) != 'm')) {
			return false;
		}
		clock.len = mark;
	}
	if (!token_clock(&clock, d, &seconds)) {
		return false;
	}
	if (half) {
		if (d->hour < 1 || d->hour > 12) {
			return false;
		}
		d->hour = d->hour % 12 + (pm ? 12 : 0);
	}
	return true;
}

/* "name [target]": the brackets that close the line. */
static void cut_dos_target(char *name)
{
	size_t len = strlen(name);
	int depth = 0;

	if (!len || name[len - 1] != ']') {
		return;
	}
	for (size_t i = len; i-- > 0;) {
		depth += name[i] == ']' ? 1 : name[i] == '[' ? -1 : 0;
		if (depth == 0) {
			if (i > 1 && name[i - 1] == ' ') {
				name[i - 1] = '\0';
			}
			return;
		}
	}
}

/* What stands in place of a size. The link kinds are shown as what they lead to: their
 * targets are paths of the server's drives, which mean nothing here. */
static const struct dos_tag {
	const char *text;
	enum entry_kind kind;
	bool link;
} dos_tags[] = {
	{ "<DIR>", ENTRY_DIR, false },
	{ "<JUNCTION>", ENTRY_DIR, true },
	{ "<SYMLINKD>", ENTRY_DIR, true },
	{ "<SYMLINK>", ENTRY_FILE, true },
};

/* Where the size is: fills in e and returns the name, or NULL. */
static char *dos_size(const struct token *t, struct entry *e)
{
	char *name = token_end(t);
	uint64_t size;

	if (token_number(t, &size)) {
		e->kind = ENTRY_FILE;
		e->size = size;
		e->flags |= ENTRY_HAS_SIZE;
		return *name ? name + 1 : NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(dos_tags); i++) {
		if (token_is(t, dos_tags[i].text)) {
			/* The column is 15 wide; blanks beyond it belong to the name. */
			size_t blanks = strspn(name, " ");

			e->kind = (uint8_t)dos_tags[i].kind;
			name += MIN(blanks, 15 - t->len);
			if (dos_tags[i].link) {
				cut_dos_target(name);
			}
			return name;
		}
	}
	return NULL;
}

int listing_parse_dos(char *line, time_t now, struct entry *ret)
{
	struct token t[TOKENS_MAX];
	size_t n = tokens_split(line, t), size_at = 2;
	struct date d = { .known = true };
	struct entry e = { .dialect = DIALECT_DOS };
	char *name;

	if (n < 4 || !dos_date(&t[0], &d)) {
		return -EINVAL;
	}
	if (token_is(&t[2], "AM") || token_is(&t[2], "PM")) {
		/* "03:04 PM": closes the gap, where both are in one line anyway */
		memmove(token_end(&t[1]), t[2].at, 2);
		t[1].len += 2;
		size_at = 3;
	}
	if (!dos_clock(&t[1], &d)) {
		return -EINVAL;
	}
	name = dos_size(&t[size_at], &e);
	if (!name || !*name) {
		return -EINVAL;
	}
	date_take(&d, now, &e);
	e.name = name;
	*ret = e;
	return 0;
}

static void eplf_fact(const char *fact, size_t len, struct entry *e)
{
	uint64_t value;

	if (len == 1 && *fact == '/') {
		e->kind = ENTRY_DIR;
	} else if (len == 1 && *fact == 'r' && e->kind == ENTRY_UNKNOWN) {
		e->kind = ENTRY_FILE;
	} else if (*fact == 's' && number_parse(fact + 1, len - 1, &value)) {
		e->size = value;
		e->flags |= ENTRY_HAS_SIZE;
	} else if (*fact == 'm' && number_parse(fact + 1, len - 1, &value)) {
		e->mtime = (int64_t)value;
		e->flags |= ENTRY_HAS_MTIME;
	} else if (len > 2 && len < 7 && fact[0] == 'u' && fact[1] == 'p' &&
		   strspn(fact + 2, "01234567") == len - 2) {
		e->mode = (uint16_t)(strtoul(fact + 2, NULL, 8) & 07777);
		e->flags |= ENTRY_HAS_MODE;
	}
}

/* "+i8388621.29609,m824255902,/,\tname" (cr.yp.to/ftp/list/eplf.html); its times are
 * exact. */
int listing_parse_eplf(char *line, struct entry *ret)
{
	char *name = strchr(line, '\t');
	struct entry e = { .dialect = DIALECT_EPLF };

	if (!name || !name[1]) {
		return -EINVAL;
	}
	for (char *p = line + 1; p < name;) {
		size_t len = strcspn(p, ",\t");

		if (len) {
			eplf_fact(p, len, &e);
		}
		p += len + 1;
	}
	if (e.kind == ENTRY_DIR) {
		e.size = 0;
		e.flags &= (uint8_t)~ENTRY_HAS_SIZE;
	}
	e.name = name + 1;
	*ret = e;
	return 0;
}
