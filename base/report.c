/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/report.h"

#include <stdarg.h>
#include <stdio.h>

void words_set(struct words *w, const char *fmt, ...)
{
	va_list ap;

	if (!w) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
}

void hook_printf(const struct log_hook *hook, enum log_level level, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	if (!hook || !hook->line || level > hook->level) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (char *p = line; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			*p = '?';
		}
	}
	hook->line(hook->arg, level, line);
}
