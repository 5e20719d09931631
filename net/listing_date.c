/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/listing_token.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

bool token_clock(const struct token *t, struct date *d, bool *ret_seconds)
{
	const char *p = t->at;

	d->sec = 0;
	*ret_seconds = false;
	if (!token_figures(&p, 1, 2, &d->hour) || *p++ != ':' ||
	    !token_figures(&p, 2, 2, &d->min)) {
		return false;
	}
	if (*p == ':') {
		p++;
		if (!token_figures(&p, 2, 2, &d->sec)) {
			return false;
		}
		*ret_seconds = true;
		if (*p == '.') {
			p++;
			p += strspn(p, "0123456789");
		}
	}
	return p == token_end(t);
}

/* "2", "02", "2." (German), "2\u65e5" (Japanese, Chinese), "2\uc77c" (Korean). */
static bool token_day(const struct token *t, int *ret)
{
	static const char *const marks[] = { ".", ",", "\xe6\x97\xa5", "\xec\x9d\xbc" };
	struct token figures = *t;
	uint64_t day;

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		size_t n = strlen(marks[i]);

		if (t->len > n && memcmp(token_end(t) - n, marks[i], n) == 0) {
			figures.len = t->len - n;
			break;
		}
	}
	if (figures.len > 2 || !token_number(&figures, &day) || day < 1 || day > 31) {
		return false;
	}
	*ret = (int)day;
	return true;
}

static bool is_clock_or_year(const struct token *t)
{
	struct date d;
	uint64_t year;
	bool seconds;

	return token_clock(t, &d, &seconds) || (t->len == 4 && token_number(t, &year));
}

/* Letters of any script, and points: what a month can be written with. */
static bool is_word(const struct token *t)
{
	size_t letters = 0;

	for (size_t i = 0; i < t->len; i++) {
		unsigned char c = (unsigned char)t->at[i];

		if (!isalpha(c) && c < 0x80 && c != '.' && !isdigit(c)) {
			return false;
		}
		letters += isalpha(c) || c >= 0x80;
	}
	return letters && t->len < 24;
}

/* "2024-01-02 03:04[:05[.6]] [+0100]" at t[0], also with '/' or '.'. Returns the
 * number of tokens, 0: none. */
static size_t date_iso(const struct token *t, size_t n, struct date *d)
{
	const char *p = t[0].at;
	bool seconds;
	char mark;

	if (n < 2 || !token_figures(&p, 4, 4, &d->year) || !(mark = *p++) ||
	    !strchr("-/.", mark) || !token_figures(&p, 2, 2, &d->month) || *p++ != mark ||
	    !token_figures(&p, 2, 2, &d->day) || p != token_end(&t[0]) ||
	    !token_clock(&t[1], d, &seconds)) {
		return 0;
	}
	/* A zone comes with seconds only (--full-time); without them it is a name. */
	if (seconds && n > 2 && t[2].len == 5 &&
	    (t[2].at[0] == '+' || t[2].at[0] == '-') &&
	    strspn(t[2].at + 1, "0123456789") == 4) {
		return 3;
	}
	return 2;
}

/* "Jan 2 03:04", "Jan 2 2024", "2 Jan 2024", "Jan 2 03:04:05 2024" at t[0]. Returns the
 * number of tokens, 0: none. */
static size_t date_month(const struct token *t, size_t n, struct date *d)
{
	uint64_t year;
	bool seconds;

	if (n < 3) {
		return 0;
	}
	d->month = month_find(t[0].at, t[0].len);
	if (!(d->month && token_day(&t[1], &d->day))) {
		d->month = month_find(t[1].at, t[1].len);
		if (!(d->month && token_day(&t[0], &d->day))) {
			return 0;
		}
	}
	if (t[2].len == 4 && token_number(&t[2], &year)) {
		d->year = (int)year;
		return 3;
	}
	if (!token_clock(&t[2], d, &seconds)) {
		return 0;
	}
	if (seconds && n > 3 && t[3].len == 4 && token_number(&t[3], &year)) {
		d->year = (int)year;
		return 4;
	}
	return 3;
}

/* A month that nobody knows, between a size, a day and a clock or a year: the name behind
 * it is certain, the time is not (T52). */
static size_t date_strange(const struct token *t, size_t n, struct date *d)
{
	int day;

	for (size_t i = 0; n > 2 && i < 2; i++) {
		const struct token *word = &t[i], *other = &t[1 - i];

		if (is_word(word) && token_day(other, &day) && is_clock_or_year(&t[2])) {
			d->known = false;
			d->strange = true;
			return 3;
		}
	}
	return 0;
}

size_t date_at(const struct token *t, size_t n, bool sized, struct date *ret)
{
	struct date d = { .known = true };
	size_t used = date_iso(t, n, &d);

	if (!used) {
		d = (struct date){ .known = true };
		used = date_month(t, n, &d);
	}
	/* FileZilla Server, when it does not know */
	if (!used && n > 2 && token_is(&t[0], "???") && token_is(&t[1], "??") &&
	    token_is(&t[2], "?????")) {
		d.known = false;
		used = 3;
	}
	if (!used && sized) {
		used = date_strange(t, n, &d);
	}
	if (used) {
		*ret = d;
	}
	return used;
}

void date_take(const struct date *d, time_t now, struct entry *e)
{
	int64_t t, year = 1970 + (int64_t)now / 31556952;
	int first = (int)MIN(MAX(year, (int64_t)1), (int64_t)9998) + 1;
	int last = first - 10; /* so that 29 February finds a leap year over 1900 too */

	if (!d->known) {
		e->flags |= d->strange ? ENTRY_MONTH_STRANGE : 0;
		return;
	}
	if (d->year) {
		first = last = d->year;
	}
	for (int y = first; y >= last; y--) {
		if (listing_date(y, d->month, d->day, d->hour, d->min, d->sec, &t) == 0 &&
		    (d->year || t <= (int64_t)now + 86400)) {
			e->mtime = t;
			e->flags |= ENTRY_HAS_MTIME | ENTRY_MTIME_COARSE;
			return;
		}
	}
}
