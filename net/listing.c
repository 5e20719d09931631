/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/listing.h"
#include "net/listing_token.h"
#include "net/path.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* Strings are cut from chunks that never move, since entries point into them. */
struct listing_arena {
	struct listing_arena *next;
	size_t used, size;
	char data[];
};

enum { CHUNK_MIN = 1024, CHUNK_MAX = 64 * 1024 };

/* What readlink(2) can hand to a program. */
enum { TARGET_MAX = 4095 };

struct listing *listing_new(enum listing_format format, time_t now)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (l) {
		l->format = format;
		l->now = now;
		l->first = true;
		l->pad_min = SIZE_MAX;
	}
	return l;
}

void listing_free(struct listing *l)
{
	if (!l) {
		return;
	}
	while (l->arena) {
		struct listing_arena *next = l->arena->next;

		free(l->arena);
		l->arena = next;
	}
	free(l->entries);
	free(l->line);
	free(l);
}

/* s must fit: make_room() came before. */
static const char *arena_copy(struct listing *l, const char *s)
{
	size_t len = strlen(s) + 1;
	char *copy = l->arena->data + l->arena->used;

	memcpy(copy, s, len);
	l->arena->used += len;
	return copy;
}

/* Room for one more entry and for bytes of its strings. */
static int make_room(struct listing *l, size_t bytes)
{
	if (l->n >= LISTING_ENTRIES_MAX || bytes > LISTING_BYTES_MAX - l->arena_bytes) {
		return -EMSGSIZE;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct entry *more = reallocarray(l->entries, cap, sizeof(*more));

		if (!more) {
			return -ENOMEM;
		}
		l->entries = more;
		l->cap = cap;
	}
	if (!l->arena || l->arena->size - l->arena->used < bytes) {
		/* Doubling keeps small directories small and big ones quick. */
		size_t size =
			l->arena ? MIN(l->arena->size * 2, (size_t)CHUNK_MAX) : CHUNK_MIN;
		struct listing_arena *chunk;

		size = MAX(size, bytes);
		chunk = malloc(sizeof(*chunk) + size);
		if (!chunk) {
			return -ENOMEM;
		}
		*chunk = (struct listing_arena){ .next = l->arena, .size = size };
		l->arena = chunk;
	}
	l->arena_bytes += bytes;
	return 0;
}

static int entry_add(struct listing *l, const struct entry *e)
{
	size_t bytes = strlen(e->name) + 1 + (e->target ? strlen(e->target) + 1 : 0);
	int r = make_room(l, bytes);
	struct entry *copy;

	if (r < 0) {
		return r;
	}
	copy = &l->entries[l->n++];
	*copy = *e;
	copy->name = arena_copy(l, e->name);
	if (e->target) {
		copy->target = arena_copy(l, e->target);
	}
	return 0;
}

static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

int listing_date(int year, int month, int day, int hour, int min, int sec, int64_t *ret)
{
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int64_t days, y = year;

	if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 ||
	    day > month_days[month - 1] + (leap && month == 2) || hour < 0 || min < 0 ||
	    sec < 0 || min > 59 || sec > 60 || hour > 24 ||
	    (hour == 24 && min + sec > 0)) {
		return -EINVAL;
	}
	/* Years that begin in March put the odd day last; 719468 is 1 March of year 0
	 * to 1 January 1970. */
	if (month <= 2) {
		y--;
		month += 12;
	}
	days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * (month - 3) + 2) / 5 + day -
	       1 - 719468;
	*ret = ((days * 24 + hour) * 60 + min) * 60 + sec;
	return 0;
}

static int two(const char *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

int listing_parse_time(const char *text, int64_t *ret)
{
	size_t n = strspn(text, "0123456789");
	int year;

	if (n == 14) {
		year = two(text) * 100 + two(text + 2);
	} else if (n == 15 && strncmp(text, "19", 2) == 0) {
		/* "19" and the years since 1900 in three figures */
		year = 1900 + (text[2] - '0') * 100 + two(text + 3);
		text++;
	} else {
		return -EINVAL;
	}
	if (text[14] == '.' ? text[15 + strspn(text + 15, "0123456789")] : text[14]) {
		return -EINVAL;
	}
	return listing_date(year, two(text + 4), two(text + 6), two(text + 8),
			    two(text + 10), two(text + 12), ret);
}

/* The values of facts. What makes no sense leaves the entry as it was. */

static void fact_type(struct entry *e, char *value)
{
	char *target = strchr(value, ':');

	e->target = NULL;
	if (!*value) {
		e->kind = ENTRY_UNKNOWN;
	} else if (strcasecmp(value, "file") == 0) {
		e->kind = ENTRY_FILE;
	} else if (strcasecmp(value, "dir") == 0 || strcasecmp(value, "cdir") == 0 ||
		   strcasecmp(value, "pdir") == 0) {
		e->kind = ENTRY_DIR;
	} else if (strcasestr(value, "=slink") || strcasestr(value, "=symlink") ||
		   strcasecmp(value, "slink") == 0 || strcasecmp(value, "symlink") == 0) {
		e->kind = ENTRY_SYMLINK;
		e->target = target && target[1] ? target + 1 : NULL;
	} else {
		e->kind = ENTRY_OTHER;
	}
}

static void fact_size(struct entry *e, char *value)
{
	char *end;
	unsigned long long size;

	if (!isdigit((unsigned char)*value)) {
		return;
	}
	errno = 0;
	size = strtoull(value, &end, 10);
	if (errno || *end || size > INT64_MAX) {
		return;
	}
	e->size = size;
	e->flags |= ENTRY_HAS_SIZE;
}

static void fact_modify(struct entry *e, char *value)
{
	if (listing_parse_time(value, &e->mtime) == 0) {
		e->flags |= ENTRY_HAS_MTIME;
	}
}

static void fact_perm(struct entry *e, char *value)
{
	e->perm = 0;
	for (; *value; value++) {
		char c = (char)(*value | 0x20);

		if (c >= 'a' && c <= 'z') {
			e->perm |= PERM_BIT(c);
		}
	}
	e->flags |= ENTRY_HAS_PERM;
}

static void fact_mode(struct entry *e, char *value)
{
	size_t n;

	value += strncmp(value, "0o", 2) == 0 ? 2 : 0; /* pyftpdlib under Python 3 */
	n = strspn(value, "01234567");
	/* Seven figures hold a whole st_mode. */
	if (n == 0 || n > 7 || value[n]) {
		return;
	}
	e->mode = (uint16_t)(strtoul(value, NULL, 8) & 07777);
	e->flags |= ENTRY_HAS_MODE;
}

static const struct fact {
	const char *name;
	void (*take)(struct entry *e, char *value);
} facts[] = {
	{ "type", fact_type }, { "size", fact_size },  { "modify", fact_modify },
	{ "perm", fact_perm }, { "perms", fact_perm }, { "unix.mode", fact_mode },
};

/* Values with blanks in them are against the RFC, but servers write group names
 * ("Domain Users") and link targets as they are. */
static bool value_may_have_blanks(const char *name, const char *value)
{
	size_t n = strcspn(value, ":; ");

	return strcasestr(name, "owner") || strcasestr(name, "group") ||
	       (strcasecmp(name, "type") == 0 && value[n] == ':' && n >= 4 &&
		strncasecmp(value + n - 4, "link", 4) == 0);
}

/* Takes the fact at p. Returns what is behind it, or NULL when none is there. */
static char *fact_parse(char *p, struct entry *e)
{
	char *value = p + strcspn(p, "=; "), *end;
	char stop;

	if (*value == ';') {
		return value + 1; /* a name without a value */
	}
	if (*value != '=') {
		return NULL;
	}
	*value++ = '\0';
	end = value + strcspn(value, "; ");
	if (*end == ' ' && value_may_have_blanks(p, value) && strchr(end, ';')) {
		end += strcspn(end, ";");
	}
	stop = *end;
	if (!stop) {
		return NULL;
	}
	*end = '\0';
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		if (strcasecmp(p, facts[i].name) == 0) {
			facts[i].take(e, value);
		}
	}
	/* NcFTPd leaves out the last ';'. The blank is written back for the caller. */
	if (stop == ' ') {
		*end = ' ';
		return end;
	}
	return end + 1;
}

int listing_parse_facts(char *line, struct entry *ret)
{
	struct entry e = { 0 };
	bool any = false;

	if (strspn(line, "0123456789") == 3 && (line[3] == ' ' || line[3] == '-')) {
		line += 4;
	}
	if (*line == ' ') {
		line++;
	}
	while (*line != ' ') {
		any = any || line[strcspn(line, "=; ")] == '=';
		line = fact_parse(line, &e);
		if (!line) {
			return -EINVAL;
		}
	}
	if (!any || !line[1]) {
		return -EINVAL;
	}
	e.name = line + 1;
	if (e.kind == ENTRY_DIR) {
		e.size = 0;
		e.flags &= (uint8_t)~ENTRY_HAS_SIZE;
	}
	*ret = e;
	return 0;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* RFC 3659 lets the directory itself be listed by its whole path: neither an entry nor
 * a fault. */
static bool names_itself(const char *line)
{
	const char *type = strcasestr(line, "type=");
	const char *blank = strchr(line, ' ');

	return type && blank && type < blank &&
	       (strncasecmp(type + 5, "cdir;", 5) == 0 ||
		strncasecmp(type + 5, "pdir;", 5) == 0);
}

static void note_line(struct listing *l, const struct entry *e)
{
	size_t pad = strspn(e->name, " ");

	l->votes[e->dialect]++;
	if (e->dialect == DIALECT_UNIX) {
		l->pad_min = MIN(l->pad_min, pad);
		l->pad_max = MAX(l->pad_max, pad);
	}
}

static int line_reject(struct listing *l)
{
	l->rejected++;
	return 0;
}

/* Its strings are still the server's bytes. */
static int entry_take(struct listing *l, struct entry *e)
{
	_cleanup_free_ char *name = NULL, *target = NULL;

	if (l->charset) {
		if (charset_decode(l->charset, e->name, &name) < 0 ||
		    (e->target && charset_decode(l->charset, e->target, &target) < 0)) {
			return -ENOMEM;
		}
		e->name = name;
		e->target = target;
	}
	if (strlen(e->name) > LISTING_NAME_MAX ||
	    path_name_check(e->name, strlen(e->name)) < 0) {
		return line_reject(l);
	}
	if (e->target && strlen(e->target) > TARGET_MAX) {
		e->target = NULL;
	}
	return entry_add(l, e);
}

/* The line in l->line, len bytes without its end, a NUL behind. */
static int line_take(struct listing *l, size_t len)
{
	char *line = l->line;
	struct entry e;
	bool itself;
	int r;

	if (len && line[len - 1] == '\r') {
		line[--len] = '\0';
	}
	if (l->first && strncmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		len -= 3;
	}
	l->first = false;
	if (len == 0) {
		return 0;
	}
	if (strlen(line) != len) {
		return line_reject(l);
	}
	itself = l->format == LISTING_FACTS && strchr(line, '/') && names_itself(line);
	r = l->format == LISTING_FACTS ? listing_parse_facts(line, &e)
				       : listing_parse_ls(line, l->now, &e);
	if (r == -ENODATA) {
		return 0;
	}
	if (r == 0 && l->format == LISTING_LINES) {
		note_line(l, &e);
	}
	if (r == 0 && is_dots(e.name)) {
		l->dots = true;
	}
	if (r == 0 && (is_dots(e.name) || (itself && strchr(e.name, '/')))) {
		return 0;
	}
	l->strange += r == 0 && (e.flags & ENTRY_MONTH_STRANGE);
	return r < 0 ? line_reject(l) : entry_take(l, &e);
}

/* Adds to the line that is being received; a line too long is remembered as such. */
static int line_append(struct listing *l, const char *data, size_t len)
{
	if (l->line_too_long || len > LISTING_LINE_MAX - l->line_len) {
		l->line_too_long = true;
		return 0;
	}
	if (l->line_len + len >= l->line_cap) {
		size_t cap = MAX(l->line_cap * 2, l->line_len + len + 1);
		char *more = realloc(l->line, MAX(cap, (size_t)256));

		if (!more) {
			return -ENOMEM;
		}
		l->line = more;
		l->line_cap = MAX(cap, (size_t)256);
	}
	memcpy(l->line + l->line_len, data, len);
	l->line_len += len;
	l->line[l->line_len] = '\0';
	return 0;
}

static int line_end(struct listing *l)
{
	size_t len = l->line_len;
	bool too_long = l->line_too_long;

	l->line_len = 0;
	l->line_too_long = false;
	if (too_long) {
		l->rejected++;
		l->first = false;
		return 0;
	}
	return line_take(l, len);
}

int listing_feed(struct listing *l, const char *data, size_t len)
{
	while (len) {
		const char *lf = memchr(data, '\n', len);
		size_t n = lf ? (size_t)(lf - data) : len;
		int r = line_append(l, data, n);

		if (r == 0 && lf) {
			r = line_end(l);
		}
		if (r < 0) {
			return r;
		}
		n += lf != NULL;
		data += n;
		len -= n;
	}
	return 0;
}

int listing_end(struct listing *l)
{
	int r = l->line_len || l->line_too_long ? line_end(l) : 0;

	if (l->format == LISTING_LINES) {
		listing_settle(l);
	}

	/* Listings are kept for long: what growing took too much goes back. */
	free(l->line);
	l->line = NULL;
	l->line_cap = 0;
	if (l->n && l->n < l->cap) {
		struct entry *fit = reallocarray(l->entries, l->n, sizeof(*fit));

		if (fit) {
			l->entries = fit;
			l->cap = l->n;
		}
	}
	return r;
}
