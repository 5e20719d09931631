/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside net/listing_*.c: the columns of a LIST line and the dates in them. Pure. */
#ifndef NET_LISTING_TOKEN_H
#define NET_LISTING_TOKEN_H

#include "net/listing.h"

enum { TOKENS_MAX = 24 };

/* A column: where it begins, and how long it is. */
struct token {
	char *at;
	size_t len;
};

size_t tokens_split(char *line, struct token tokens[static TOKENS_MAX]);
static inline char *token_end(const struct token *t)
{
	return t->at + t->len;
}
bool token_is(const struct token *t, const char *text); /* in any case */

/* The whole of s[0..len), or of t, as a number of at most 18 figures. */
bool number_parse(const char *s, size_t len, uint64_t *ret);
bool token_number(const struct token *t, uint64_t *ret);
/* Figures at *p, between min and max of them; moves *p behind. */
bool token_figures(const char **p, size_t min, size_t max, int *ret);
/* "HH:MM", "HH:MM:SS", "HH:MM:SS.frac" for the whole of t. */
struct date;
bool token_clock(const struct token *t, struct date *d, bool *ret_seconds);

struct date {
	int year; /* 0: not given */
	int month, day, hour, min, sec;
	bool known; /* false: question marks, or a month in a language we cannot read */
	bool strange; /* the latter */
};

/* The date at t[0] of `ls -l` in its forms. sized: a number stands before it, so that a
 * word nobody knows may be taken for a month. Returns the number of tokens, 0: none. */
size_t date_at(const struct token *t, size_t n, bool sized, struct date *ret);
/* Sets the time of e, unless the date does not exist: then the name alone is kept. now:
 * the year of dates without one is the latest that is not more than a day after it. */
void date_take(const struct date *d, time_t now, struct entry *e);

/* 1 to 12; 0: no month, or one that means several in several languages. */
int month_find(const char *s, size_t len);

/* At the end of a LIST: the dialect that most lines speak wins, and what only another one
 * could read is dropped; blanks that stand before every name belong to the layout. */
void listing_settle(struct listing *l);

/* The lines of one dialect each, as listing_parse_ls(). */
int listing_parse_dos(char *line, time_t now, struct entry *ret);
int listing_parse_eplf(char *line, struct entry *ret);

#endif
