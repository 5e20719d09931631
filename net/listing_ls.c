/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LIST has no standard. Every line is judged by itself: '+' begins EPLF, a figure the
 * DOS style of IIS, anything else must be `ls -l`. */
#include "net/listing_token.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* Where the date begins. Owners can be called Jan and files can look like dates, so
 * the usual column is tried first, then any behind a number, then any; a month that
 * nobody knows counts in the usual column, and behind a number when all else failed.
 * 0: no date. */
static size_t find_date(const struct token *t, size_t n, struct date *ret,
			size_t *ret_used)
{
	enum { USUAL, SIZED, ANY, STRANGE, PASSES };
	static const size_t usual = 5; /* mode links owner group size date */
	uint64_t size;

	for (int pass = USUAL; pass < PASSES; pass++) {
		size_t from = pass == USUAL ? usual : 2;
		size_t to = pass == USUAL ? MIN(usual + 1, n) : n;

		for (size_t i = from; i < to; i++) {
			bool sized = token_number(&t[i - 1], &size);

			if (!sized && pass != ANY) {
				continue;
			}
			*ret_used = date_at(&t[i], n - i,
					    pass == USUAL || pass == STRANGE, ret);
			if (*ret_used) {
				return i;
			}
		}
	}
	return 0;
}

static bool kind_of(char c, struct entry *e)
{
	static const char known[] = "-dlbcpsDPCnwme?";

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
	/* "d [RWCEAFMS]", "d[RWCEAFMS]" */
	if (t[0].len == 1) {
		return n > 1 && t[1].at[0] == '[' && token_end(&t[1])[-1] == ']';
	}
	if (t[0].at[1] == '[') {
		return token_end(&t[0])[-1] == ']';
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
	return number_parse(rest, (size_t)(token_end(&t[0]) - rest), &links);
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
	size_t n = tokens_split(line, t), at, used;
	struct entry e = { .dialect = DIALECT_UNIX };
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

/* "total 12", "insgesamt 12": a word and a number are no entry in any language. */
static bool is_total(const char *line)
{
	const char *p = line;

	while (isalpha((unsigned char)*p) || (unsigned char)*p >= 0x80) {
		p++;
	}
	return p - line > 1 && p[strspn(p, " \t0123456789")] == '\0' &&
	       ((p[0] && isdigit((unsigned char)p[strlen(p) - 1])) ||
		strncasecmp(line, "total", 5) == 0);
}

int listing_parse_ls(char *line, time_t now, struct entry *ret)
{
	if (line[strspn(line, " \t")] == '\0' || is_total(line)) {
		return -ENODATA;
	}
	if (line[0] == '+') {
		return listing_parse_eplf(line, ret);
	}
	if (isdigit((unsigned char)line[0])) {
		return listing_parse_dos(line, now, ret);
	}
	return parse_unix(line, now, ret);
}
