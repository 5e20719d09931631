/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where log lines end: standard error, syslog or a file. Identical lines that follow
 * each other are written once, then counted. */
#ifndef FS_LOG_H
#define FS_LOG_H

#include "base/report.h"
#include "base/sync.h"

enum log_mode { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE };

enum {
	LOG_REPEAT_MS = 30000
}; /* a count is written at least that often while lines repeat */

struct log {
	struct log_hook hook; /* hook.level may be changed while nobody logs */
	struct mutex lock;
	enum log_mode mode; /* constant, as is fd */
	int fd;
	char last[2048] GUARDED_BY(lock);
	enum log_level last_level GUARDED_BY(lock);
	unsigned repeats GUARDED_BY(lock); /* of last, not yet written */
	int64_t written GUARDED_BY(lock); /* when last, or its count, was */
};

/* file: for LOG_TO_FILE, created with mode 0600 and appended to. 0, or -errno of its open
 * with words. Not movable once open: the hook points at it. */
int log_open(struct log *l, enum log_mode mode, const char *file, enum log_level level,
	     struct words *words);
void log_close(struct log *l); /* writes a pending count; takes the zeroed */

/* Thread-safe; lives as long as l. */
const struct log_hook *log_hook(const struct log *l);

#endif
