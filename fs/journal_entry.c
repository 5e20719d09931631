/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/journal_entry.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define HEADER "ftpsfs journal 1"

void journal_entry_release(struct journal_entry *e)
{
	free(e->path);
	*e = (struct journal_entry){ 0 };
}

static bool is_remote_path(const char *path)
{
	return path[0] == '/' && !strpbrk(path, "\r\n");
}

int journal_entry_format(const struct journal_entry *e, struct buf *ret)
{
	if (!is_remote_path(e->path)) {
		return -EINVAL;
	}
	return buf_printf(ret,
			  HEADER "\npath=%s\nsize=%" PRIu64 "\nmtime=%" PRId64
				 "\nmode=%d\nmode_required=%d\nreplaces=%d\nend\n",
			  e->path, e->size, e->mtime, e->mode, e->mode_required,
			  e->replaces);
}

enum { SEEN_PATH = 1, SEEN_SIZE = 2, SEEN_ALL = 3 };

static bool number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	intmax_t n;

	errno = 0;
	n = strtoimax(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max) {
		return false;
	}
	*ret = n;
	return true;
}

static int take_line(struct journal_entry *e, const char *key, const char *value,
		     unsigned *seen)
{
	int64_t n = 0;

	if (strcmp(key, "path") == 0) {
		if ((*seen & SEEN_PATH) || !is_remote_path(value)) {
			return -EINVAL;
		}
		e->path = strdup(value);
		*seen |= SEEN_PATH;
		return e->path ? 0 : -ENOMEM;
	}
	if (strcmp(key, "size") == 0 && number(value, 0, INT64_MAX, &n)) {
		e->size = (uint64_t)n;
		*seen |= SEEN_SIZE;
	} else if (strcmp(key, "mtime") == 0 && number(value, INT64_MIN, INT64_MAX, &n)) {
		e->mtime = n;
	} else if (strcmp(key, "mode") == 0 && number(value, -1, 07777, &n)) {
		e->mode = (int)n;
	} else if (strcmp(key, "mode_required") == 0 && number(value, 0, 1, &n)) {
		e->mode_required = n;
	} else if (strcmp(key, "replaces") == 0 && number(value, 0, 1, &n)) {
		e->replaces = n;
	} else {
		return -EINVAL;
	}
	return 0;
}

/* Cuts text into lines in place. */
static int take_lines(char *text, struct journal_entry *e)
{
	char *rest = text, *line = strsep(&rest, "\n");
	unsigned seen = 0;

	if (strcmp(line, HEADER) != 0) {
		return -EINVAL;
	}
	while ((line = strsep(&rest, "\n")) && strcmp(line, "end") != 0) {
		char *value = strchr(line, '=');
		int r;

		if (!value) {
			return -EINVAL;
		}
		*value++ = '\0';
		r = take_line(e, line, value, &seen);
		if (r < 0) {
			return r;
		}
	}
	return line && seen == SEEN_ALL ? 0 : -EINVAL;
}

int journal_entry_parse(const char *text, struct journal_entry *ret)
{
	_cleanup_free_ char *copy = strdup(text);
	struct journal_entry e = { .mtime = -1, .mode = -1 };
	int r = copy ? take_lines(copy, &e) : -ENOMEM;

	if (r < 0) {
		journal_entry_release(&e);
		return r;
	}
	*ret = e;
	return 0;
}
