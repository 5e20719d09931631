/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command line for options_parse(), for tests. Include after cmocka.h. */
#ifndef TESTS_UNIT_COMMAND_LINE_H
#define TESTS_UNIT_COMMAND_LINE_H

#include "fs/options.h"

enum { ARGS_MAX = 24 };

/* A command line in memory that may be overwritten, as argv is. */
struct line {
	char text[2048];
	char *argv[ARGS_MAX + 1];
	int argc;
};

static inline void line_make(struct line *l, const char *first, va_list ap)
{
	char *p = l->text;

	l->argc = 0;
	for (const char *arg = "ftpsfs"; arg;
	     arg = l->argc == 1 ? first : va_arg(ap, const char *)) {
		assert_true(l->argc < ARGS_MAX);
		l->argv[l->argc++] = p;
		p = stpcpy(p, arg) + 1;
	}
	l->argv[l->argc] = NULL;
}

/* options_parse() of these arguments, up to NULL, without files; *used is what it left of
 * them. */
static inline int parse_line(struct line *used, struct options *o, struct words *w,
			     const char *first, ...)
{
	va_list ap;

	w->text[0] = '\0';
	va_start(ap, first);
	line_make(used, first, ap);
	va_end(ap);
	return options_parse_with(o, used->argc, used->argv, NULL, NULL, w);
}

#define parse(...) parse_line(&used, __VA_ARGS__)

#endif
