/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char iac = '\xff';

static size_t count_iac(const char *s)
{
	size_t n = 0;

	for (; (s = strchr(s, iac)); s++) {
		n++;
	}
	return n;
}

static int append_command(struct buf *out, const char *verb, const char *arg)
{
	size_t len = strlen(verb) + 2;
	int r;

	if (!verb[0] || strpbrk(verb, "\r\n") || (arg && strpbrk(arg, "\r\n"))) {
		return -EINVAL;
	}
	if (arg) {
		len += 1 + strlen(arg) + count_iac(arg);
	}
	if (len > PATH_COMMAND_MAX) {
		return -ENAMETOOLONG;
	}
	/* With the room made nothing below can fail: never half a command. */
	r = buf_reserve(out, len);
	if (r < 0) {
		return r;
	}
	(void)buf_append(out, verb, strlen(verb));
	if (arg) {
		(void)buf_append(out, " ", 1);
		for (; *arg; arg++) {
			(void)buf_append(out, arg, 1);
			if (*arg == iac) {
				(void)buf_append(out, arg, 1);
			}
		}
	}
	return buf_append(out, "\r\n", 2);
}

int path_command(struct buf *out, const struct charset *cs, const char *verb,
		 const char *arg)
{
	char *converted = NULL;
	int r;

	if (!cs || !arg) {
		return append_command(out, verb, arg);
	}
	r = charset_encode(cs, arg, &converted);
	if (r == 0) {
		r = append_command(out, verb, converted);
		/* It may be a password. */
		explicit_bzero(converted, strlen(converted));
		free(converted);
	}
	return r;
}

int path_name_check(const char *name, size_t len)
{
	if (len == 0 || (len == 1 && name[0] == '.') ||
	    (len == 2 && name[0] == '.' && name[1] == '.')) {
		return -EINVAL;
	}
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '/' || name[i] == '\r' || name[i] == '\n' || !name[i]) {
			return -EINVAL;
		}
	}
	return 0;
}

char *path_join(const char *dir, const char *name)
{
	size_t d = strlen(dir), n = strlen(name);
	bool slash = d && dir[d - 1] != '/';
	char *path = malloc(d + slash + n + 1);

	if (!path) {
		return NULL;
	}
	memcpy(path, dir, d);
	if (slash) {
		path[d++] = '/';
	}
	memcpy(path + d, name, n + 1);
	return path;
}

char *path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash) {
		return strdup("");
	}
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Drops the last part of what is in path[0..len): the new length, or len itself where
 * there is nothing above (a relative path of nothing, or of ".." only). */
static size_t drop_last(const char *path, size_t len)
{
	size_t at = len;

	while (at && path[at - 1] != '/') {
		at--;
	}
	if (len - at == 0 || (len - at == 2 && memcmp(path + at, "..", 2) == 0)) {
		return len;
	}
	return at > 1 ? at - 1 : at;
}

char *path_clean(const char *path)
{
	char *out = malloc(strlen(path) + 1);
	bool absolute = path[0] == '/';
	size_t n = 0;

	if (!out) {
		return NULL;
	}
	if (absolute) {
		out[n++] = '/';
	}
	for (const char *p = path; *p;) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 2 && memcmp(p, "..", 2) == 0) {
			size_t shorter = drop_last(out, n);

			if (shorter != n || absolute) {
				n = shorter;
				p += len;
				continue;
			}
		}
		if (len && !(len == 1 && *p == '.')) {
			if (n && out[n - 1] != '/') {
				out[n++] = '/';
			}
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
	}
	out[n] = '\0';
	return out;
}

/* How many levels a path leads up at its beginning; *ret_late: ".." comes behind a name, too. */
static unsigned levels_up(const char *path, bool *ret_late)
{
	unsigned up = 0;
	bool named = false;

	*ret_late = false;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			*ret_late = *ret_late || named;
			up++;
		} else if (len > 1 || (len == 1 && path[0] != '.')) {
			named = true;
		}
		path += len;
		path += *path == '/';
	}
	return up;
}

const char *path_below(const char *base, const char *path)
{
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/') {
		len--;
	}
	if (strncmp(path, base, len) != 0 || (path[len] != '/' && path[len] != '\0')) {
		return NULL;
	}
	path += len;
	while (*path == '/') {
		path++;
	}
	return path;
}

/* The components of a clean relative path. */
static size_t components(const char *path)
{
	size_t n = *path != '\0';

	for (; *path; path++) {
		n += *path == '/';
	}
	return n;
}

/* The way from one directory to a path, both clean and relative to the same: as short as it can
 * be, which is how people write it. */
static int way_between(const char *from, const char *to, char ret[static PATH_MAX])
{
	size_t up, used = 0;

	for (;;) {
		size_t len = strcspn(from, "/");

		if (len == 0 || strcspn(to, "/") != len || memcmp(from, to, len) != 0) {
			break;
		}
		from += len + (from[len] == '/');
		to += len + (to[len] == '/');
	}
	up = components(from);
	if (up * 3 + strlen(to) + 2 > PATH_MAX) {
		return -ENAMETOOLONG;
	}
	for (; up > 0; up--, used += 3) {
		memcpy(ret + used, "../", 3);
	}
	if (*to) {
		strcpy(ret + used, to);
	} else if (used > 0) {
		ret[used - 1] = '\0';
	} else {
		strcpy(ret, ".");
	}
	return 0;
}

int path_contain(const char *base, const char *dir, const char *target,
		 char ret[static PATH_MAX])
{
	_cleanup_free_ char *clean = NULL;
	const char *from = path_below(base, dir), *rest;
	bool late;

	if (!from) {
		return -EPERM;
	}
	if (target[0] == '/') {
		clean = path_clean(target);
		rest = clean ? path_below(base, clean) : NULL;
		return rest ? way_between(from, rest, ret) : clean ? -EPERM : -ENOMEM;
	}
	(void)levels_up(target, &late);
	if (late) {
		clean = path_clean(target);
		if (!clean) {
			return -ENOMEM;
		}
		target = *clean ? clean : ".";
	}
	if (!*target || levels_up(target, &late) > components(from)) {
		return -EPERM;
	}
	return snprintf(ret, PATH_MAX, "%s", target) < PATH_MAX ? 0 : -ENAMETOOLONG;
}
