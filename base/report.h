/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two ways in which words leave the lower layers, which themselves never
 * print: a buffer that travels up beside an errno (at mount time), and a hook
 * that takes one line at a time (afterwards). */
#ifndef BASE_REPORT_H
#define BASE_REPORT_H

#include "base/defs.h"

/* One sentence for a person: what happened and what to do about it. */
struct words {
	char text[2048];
};

/* Replaces what w holds. w may be NULL: then nobody wants to know. */
void words_set(struct words *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

enum log_level {
	LEVEL_ERROR,
	LEVEL_WARN,
	LEVEL_INFO,
	LEVEL_DEBUG,
	LEVEL_TRACE,
};

/* Where log lines go. line() gets one line without a newline; it may be called
 * from any thread and must not call back. Lines above `level` are not made. */
struct log_hook {
	void (*line)(void *arg, enum log_level level, const char *text);
	void *arg;
	enum log_level level;
};

/* hook may be NULL. Control characters in the result are replaced by '?', so
 * that a server cannot forge log lines. */
void hook_printf(const struct log_hook *hook, enum log_level level, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
