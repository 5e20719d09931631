/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remote paths, and the one choke point through which every command line goes:
 * nothing with CR, LF or NUL in it ever reaches the wire. Pure. */
#ifndef NET_PATH_H
#define NET_PATH_H

#include "base/buf.h"
#include "net/charset.h"

#include <limits.h>

/* Appends "VERB" or "VERB arg" and CR LF to out, with each 0xFF byte of arg doubled
 * (telnet IAC, RFC 854: ProFTPD stores \xff\xf4x as x otherwise), after it was put into the
 * server's character set (NULL: as it is). arg may be NULL. -EILSEQ: it has no such character;
 * -EINVAL when verb or arg contains CR, LF (arg is a C string: NUL cannot occur),
 * -ENAMETOOLONG when the line would pass PATH_COMMAND_MAX bytes (FileZilla Server closes
 * at 4096; others take more), -EMSGSIZE beyond the limit of out, -ENOMEM. Nothing is
 * added then. */
enum { PATH_COMMAND_MAX = 8192 };
int path_command(struct buf *out, const struct charset *cs, const char *verb,
		 const char *arg);

/* -EINVAL when a single name (a directory entry) cannot be a remote name: empty, ".",
 * "..", or containing '/', CR, LF or NUL. len bytes. 0 otherwise. */
int path_name_check(const char *name, size_t len);

/* dir + "/" + name in fresh memory ("/" + "x" is "/x"; dir "" gives "name"). NULL on
 * ENOMEM. */
char *path_join(const char *dir, const char *name);

/* The directory part ("/a/b" -> "/a", "/a" -> "/", "a" -> "") in fresh memory; NULL on
 * ENOMEM. */
char *path_parent(const char *path);

/* Folds "//", "/./" and trailing "/" of a path typed by the user, and resolves ".." by
 * text; "/" and leading ".." of a relative path stay. Fresh memory; NULL on ENOMEM. */
char *path_clean(const char *path);

/* What follows base in path: "" or a relative path. NULL: it does not lie there. */
const char *path_below(const char *base, const char *path);

/* What readlink says of a target told by the server, for a link in the directory dir, which lies
 * in the mounted one, base (both clean). Absolute targets are the server's paths: those inside
 * base become relative, as short as can be. Where ".." follows a name the path is folded by its
 * text: nobody can be led out through another link. -EPERM: it leads out; -ENAMETOOLONG. */
int path_contain(const char *base, const char *dir, const char *target,
		 char ret[static PATH_MAX]);

#endif
