/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[LEVEL_ERROR] = { "error: ", LOG_ERR },
	[LEVEL_WARN] = { "warning: ", LOG_WARNING },
	[LEVEL_INFO] = { "", LOG_INFO },
	[LEVEL_DEBUG] = { "debug: ", LOG_DEBUG },
	[LEVEL_TRACE] = { "trace: ", LOG_DEBUG },
};

/* One write(2) a line, so that lines of several processes do not mix in one file. */
static void emit(struct log *l, enum log_level level, const char *text) REQUIRES(&l->lock)
{
	char line[2200], stamp[40] = "";
	struct timespec now;
	struct tm tm;
	int n;

	if (l->mode == LOG_TO_SYSLOG) {
		syslog(levels[level].priority, "%s", text);
		return;
	}
	if (l->mode == LOG_TO_FILE && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
	    localtime_r(&now.tv_sec, &tm)) {
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S%z ", &tm);
	}
	n = snprintf(line, sizeof(line), "%sftpsfs: %s%s\n", stamp, levels[level].word,
		     text);
	if (n > (int)sizeof(line) - 1) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	for (const char *p = line; n > 0;) {
		ssize_t w = write(l->fd, p, (size_t)n);

		if (w < 0 && errno == EINTR) {
			continue;
		}
		if (w <= 0) {
			return; /* there is nowhere left to say so */
		}
		p += w;
		n -= (int)w;
	}
}

static void emit_count(struct log *l) REQUIRES(&l->lock)
{
	char text[64];

	if (l->repeats == 1) {
		emit(l, l->last_level, l->last);
	} else if (l->repeats > 1) {
		snprintf(text, sizeof(text), "last message repeated %u times",
			 l->repeats);
		emit(l, l->last_level, text);
	}
	l->repeats = 0;
}

static void log_line(void *arg, enum log_level level, const char *text)
{
	struct log *l = arg;
	int64_t now = now_ms();

	mutex_lock(&l->lock);
	if (level == l->last_level && strncmp(text, l->last, sizeof(l->last) - 1) == 0 &&
	    l->written) {
		l->repeats++;
		if (now - l->written >= LOG_REPEAT_MS) {
			emit_count(l);
			l->written = now;
		}
	} else {
		emit_count(l);
		emit(l, level, text);
		snprintf(l->last, sizeof(l->last), "%s", text);
		l->last_level = level;
		l->written = now;
	}
	mutex_unlock(&l->lock);
}

int log_open(struct log *l, enum log_mode mode, const char *file, enum log_level level,
	     struct words *words)
{
	int fd = STDERR_FILENO;

	if (mode == LOG_TO_FILE) {
		fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
			  0600);
		if (fd < 0) {
			int r = -errno;

			words_set(words, "logfile=%s: %s", file, strerror(-r));
			return r;
		}
	}
	memset(l, 0, sizeof(*l));
	mutex_init(&l->lock);
	l->mode = mode;
	l->fd = fd;
	if (mode == LOG_TO_SYSLOG) {
		openlog("ftpsfs", LOG_PID, LOG_DAEMON);
	}
	l->hook = (struct log_hook){ log_line, l, level };
	return 0;
}

void log_close(struct log *l)
{
	if (!l->hook.line) {
		return;
	}
	mutex_lock(&l->lock);
	emit_count(l);
	mutex_unlock(&l->lock);
	mutex_finish(&l->lock);
	if (l->mode == LOG_TO_FILE) {
		close(l->fd);
	} else if (l->mode == LOG_TO_SYSLOG) {
		closelog();
	}
	l->hook = (struct log_hook){ 0 };
}

const struct log_hook *log_hook(const struct log *l)
{
	return &l->hook;
}
