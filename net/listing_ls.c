/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LIST has no standard. Every line is judged by itself: '+' begins EPLF, a figure the
 * DOS style of IIS, anything else must be `ls -l`. */
#include "net/listing.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

enum { TOKENS_MAX = 24 };

/* A column: where it begins, and how long it is. */
struct token {
	char *at;
	size_t len;
};

struct date {
	int year; /* 0: not given */
	int month, day, hour, min, sec;
	bool known; /* false: the server wrote question marks */
};

static size_t split(char *line, struct token tokens[static TOKENS_MAX])
{
	size_t n = 0;

	while (n < TOKENS_MAX) {
		line += strspn(line, " \t");
		if (!*line) {
			break;
		}
		tokens[n].at = line;
		tokens[n].len = strcspn(line, " \t");
		line += tokens[n++].len;
	}
	return n;
}

static char *token_end(const struct token *t)
{
	return t->at + t->len;
}

static bool token_is(const struct token *t, const char *text)
{
	return t->len == strlen(text) && strncasecmp(t->at, text, t->len) == 0;
}

/* The whole of s[0..len) as a number of at most 18 figures. */
static bool number(const char *s, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0 || len > 18) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i])) {
			return false;
		}
		value = value * 10 + (uint64_t)(s[i] - '0');
	}
	*ret = value;
	return true;
}

static bool token_number(const struct token *t, uint64_t *ret)
{
	return number(t->at, t->len, ret);
}

/* Figures at *p, between min and max of them; moves *p behind. */
static bool figures(const char **p, size_t min, size_t max, int *ret)
{
	size_t n = strspn(*p, "0123456789");
	uint64_t value;

	if (n < min || n > max || !number(*p, n, &value)) {
		return false;
	}
	*ret = (int)value;
	*p += n;
	return true;
}

/* "HH:MM", "HH:MM:SS", "HH:MM:SS.frac" for the whole of t. */
static bool token_clock(const struct token *t, struct date *d, bool *ret_seconds)
{
	const char *p = t->at;

	d->sec = 0;
	*ret_seconds = false;
	if (!figures(&p, 1, 2, &d->hour) || *p++ != ':' || !figures(&p, 2, 2, &d->min)) {
		return false;
	}
	if (*p == ':') {
		p++;
		if (!figures(&p, 2, 2, &d->sec)) {
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

static int token_month(const struct token *t)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (int i = 0; t->len == 3 && i < 12; i++) {
		if (strncasecmp(t->at, names + 3 * i, 3) == 0) {
			return i + 1;
		}
	}
	return 0;
}

static bool token_day(const struct token *t, int *ret)
{
	uint64_t day;

	if (t->len > 2 || !token_number(t, &day) || day < 1 || day > 31) {
		return false;
	}
	*ret = (int)day;
	return true;
}

/* "2024-01-02 03:04[:05[.6]] [+0100]" at t[0]. Returns the number of tokens, 0: none. */
static size_t date_iso(const struct token *t, size_t n, struct date *d)
{
	const char *p = t[0].at;
	bool seconds;

	if (n < 2 || !figures(&p, 4, 4, &d->year) || *p++ != '-' ||
	    !figures(&p, 2, 2, &d->month) || *p++ != '-' || !figures(&p, 2, 2, &d->day) ||
	    p != token_end(&t[0]) || !token_clock(&t[1], d, &seconds)) {
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
	d->month = token_month(&t[0]);
	if (!(d->month && token_day(&t[1], &d->day))) {
		d->month = token_month(&t[1]);
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

static size_t date_at(const struct token *t, size_t n, struct date *ret)
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
	if (used) {
		*ret = d;
	}
	return used;
}

/* Where the date begins. Owners can be called Jan and files can look like dates, so
 * the usual column is tried first, then any behind a number, then any. 0: no date. */
static size_t find_date(const struct token *t, size_t n, struct date *ret,
			size_t *ret_used)
{
	static const size_t usual = 5; /* mode links owner group size date */
	uint64_t size;

	for (int pass = 0; pass < 3; pass++) {
		size_t from = pass == 0 ? usual : 2;
		size_t to = pass == 0 ? MIN(usual + 1, n) : n;

		for (size_t i = from; i < to; i++) {
			if (pass < 2 && !token_number(&t[i - 1], &size)) {
				continue;
			}
			*ret_used = date_at(&t[i], n - i, ret);
			if (*ret_used) {
				return i;
			}
		}
	}
	return 0;
}

/* Sets the time of e, unless the date does not exist: then the name alone is kept. */
static void date_take(const struct date *d, time_t now, struct entry *e)
{
	int64_t t, year = 1970 + (int64_t)now / 31556952;
	int first = (int)MIN(MAX(year, (int64_t)1), (int64_t)9998) + 1;
	int last = first - 10; /* so that 29 February finds a leap year over 1900 too */

	if (!d->known) {
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

static bool kind_of(char c, struct entry *e)
{
	static const char known[] = "-dlbcpsDPCnwm?";

	if (!c || !strchr(known, c)) {
		return false;
	}
	e->kind = c == '-'   ? ENTRY_FILE
		  : c == 'd' ? ENTRY_DIR
		  : c == 'l' ? ENTRY_SYMLINK
			     : ENTRY_OTHER;
	return true;
}

/* "rwsr-xr-t" -> bits. False when it is something else. */
static bool mode_bits(const char *p, uint16_t *ret)
{
	static const char set_letters[] = "sst", set_alone[] = "SST";
	unsigned mode = 0;

	for (unsigned i = 0; i < 9; i++) {
		unsigned bit = 0400u >> i, special = 04000u >> (i / 3);
		char c = p[i];

		if (c == "rwx"[i % 3]) {
			mode |= bit;
		} else if (i % 3 == 2 && c == set_letters[i / 3]) {
			mode |= bit | special;
		} else if (i % 3 == 2 && (c == set_alone[i / 3] ||
					  (i == 5 && (c == 'l' || c == 'L')))) {
			mode |= special; /* l: set-group-id without x is mandatory locking
					  */
		} else if (c != '-') {
			return false;
		}
	}
	*ret = (uint16_t)mode;
	return true;
}

/* The first column: type, rights, perhaps a mark ('+' ACL, '.' SELinux, '@' attributes),
 * perhaps the link count glued on. Or NetWare's "d [RWCEAFMS]". */
static bool mode_parse(const struct token *t, size_t n, struct entry *e)
{
	const char *rest;
	uint64_t links;

	if (!kind_of(t[0].at[0], e)) {
		return false;
	}
	if (t[0].len == 1) {
		return n > 1 && t[1].at[0] == '[' && token_end(&t[1])[-1] == ']';
	}
	if (t[0].len < 10 || !mode_bits(t[0].at + 1, &e->mode)) {
		return false;
	}
	e->flags |= ENTRY_HAS_MODE;
	rest = t[0].at + 10;
	if (*rest && strchr("+.@*", *rest)) {
		rest++;
	}
	if (rest == token_end(&t[0])) {
		return true;
	}
	return number(rest, (size_t)(token_end(&t[0]) - rest), &links);
}

/* "name -> target". With several arrows the size column, which is the length of the
 * target, tells which; else the first. */
static void split_target(char *name, uint64_t size, struct entry *e)
{
	static const char arrow[] = " -> ";
	size_t mark = sizeof(arrow) - 1;
	char *at = strstr(name, arrow), *end = name + strlen(name);

	if (!at || at == name) {
		return;
	}
	for (char *p = at; p; p = strstr(p + 1, arrow)) {
		if ((uint64_t)(end - (p + mark)) == size) {
			at = p;
			break;
		}
	}
	*at = '\0';
	e->target = at[mark] ? at + mark : NULL;
}

static int parse_unix(char *line, time_t now, struct entry *ret)
{
	struct token t[TOKENS_MAX];
	size_t n = split(line, t), at, used;
	struct entry e = { 0 };
	struct date date = { 0 };
	uint64_t size = UINT64_MAX, links;
	char *name;

	if (!mode_parse(t, n, &e)) {
		return -EINVAL;
	}
	at = find_date(t, n, &date, &used);
	if (!at) {
		return -EINVAL;
	}
	/* Exactly one blank: more belong to the name. */
	name = token_end(&t[at + used - 1]);
	if (!name[0] || !name[1]) {
		return -EINVAL;
	}
	name++;
	/* A size glued to a long group name stays unknown, as where group and size meet
	 * cannot be told; the number of a device is none. */
	if (e.kind != ENTRY_OTHER && token_number(&t[at - 1], &size) &&
	    e.kind != ENTRY_DIR) {
		e.size = size;
		e.flags |= ENTRY_HAS_SIZE;
	}
	/* With fewer columns it could as well be a numeric owner. */
	if (at >= 5 && token_number(&t[1], &links) && links <= UINT32_MAX) {
		e.nlink = (uint32_t)links;
		e.flags |= ENTRY_HAS_NLINK;
	}
	date_take(&date, now, &e);
	if (e.kind == ENTRY_SYMLINK) {
		split_target(name, size, &e);
	}
	e.name = name;
	*ret = e;
	return 0;
}

/* "01-02-24", "01-02-2024", "2024-01-02", with '-' or '/'; month first as in IIS. */
static bool dos_date(const struct token *t, struct date *d)
{
	const char *p = t->at;
	int v[3];
	bool year_first = strspn(p, "0123456789") == 4;
	char sep = 0;

	for (int i = 0; i < 3; i++) {
		if (!figures(&p, 1, 4, &v[i])) {
			return false;
		}
		if (i < 2) {
			sep = i ? sep : *p;
			if (!strchr("-/", *p) || *p++ != sep) {
				return false;
			}
		}
	}
	if (p != token_end(t)) {
		return false;
	}
	d->year = year_first ? v[0] : v[2];
	d->month = year_first ? v[1] : v[0];
	d->day = year_first ? v[2] : v[1];
	if (d->year < 100) {
		d->year += d->year < 70 ? 2000 : 1900;
	}
	return true;
}

/* "03:04PM" or "15:04". */
static bool dos_clock(const struct token *t, struct date *d)
{
	struct token clock = *t;
	const char *half = token_end(t) - 2;
	bool seconds, pm = false, am = false;

	if (t->len > 4) {
		pm = strncasecmp(half, "PM", 2) == 0;
		am = strncasecmp(half, "AM", 2) == 0;
	}
	if (am || pm) {
		clock.len -= 2;
	}
	if (!token_clock(&clock, d, &seconds)) {
		return false;
	}
	if (am || pm) {
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

static int parse_dos(char *line, time_t now, struct entry *ret)
{
	struct token t[TOKENS_MAX];
	size_t n = split(line, t), size_at = 2;
	struct date d = { .known = true };
	struct entry e = { 0 };
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
	} else if (*fact == 's' && number(fact + 1, len - 1, &value)) {
		e->size = value;
		e->flags |= ENTRY_HAS_SIZE;
	} else if (*fact == 'm' && number(fact + 1, len - 1, &value)) {
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
static int parse_eplf(char *line, struct entry *ret)
{
	char *name = strchr(line, '\t');
	struct entry e = { 0 };

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

static bool is_total(const char *line)
{
	return strncasecmp(line, "total", 5) == 0 &&
	       line[5 + strspn(line + 5, " \t0123456789")] == '\0';
}

int listing_parse_ls(char *line, time_t now, struct entry *ret)
{
	if (line[strspn(line, " \t")] == '\0' || is_total(line)) {
		return -ENODATA;
	}
	if (line[0] == '+') {
		return parse_eplf(line, ret);
	}
	if (isdigit((unsigned char)line[0])) {
		return parse_dos(line, now, ret);
	}
	return parse_unix(line, now, ret);
}
