/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The password of the mount: where it is looked for, and memory to hold it. */
#ifndef FS_SECRET_H
#define FS_SECRET_H

#include "base/report.h"

#include <stdbool.h>

struct options;

/* The longest password, in bytes. */
enum { SECRET_MAX = 4096 };

/* Zeroed memory for a string, in pages of its own: locked where RLIMIT_MEMLOCK allows,
 * kept out of core dumps, wiped by secret_free(). NULL on ENOMEM. */
char *secret_new(size_t size);
char *secret_dup(const char *text, size_t len); /* adds the NUL */
void secret_free(char *s); /* takes NULL */
/* A child of fork(2) does not inherit locks: lock again in the daemon. Takes NULL. */
void secret_relock(char *s);
DEFINE_CLEANUP(char *, secret_free)
#define _cleanup_secret_ _cleanup_(secret_freep)

/* Fills o->user and o->password, and o->account, o->key_password and o->proxy_password where
 * a credentials file names them, from what o says: the password given, credentials,
 * password_stdin, askpass, netrc, the systemd credential "ftpsfs.password", a prompt on the
 * terminal. A source given with a higher rank is asked before one with a lower rank.
 * may_prompt: whether somebody sits at the terminal. May block for as long as that takes.
 *
 * 0; -EACCES with words when a file can be read by others or when no password was
 * found; -ENOENT, -EIO, -EINVAL with words for a file or program that failed; -EINTR when
 * the prompt was interrupted; -ENOMEM. */
int secret_find(struct options *o, bool may_prompt, struct words *words);

/* The pure parts. */

struct login {
	const char *user, *password, *account; /* in text; NULL: not there */
	const char *key_password, *proxy_password;
};

/* The next line of *text, ended by NUL in place of LF or CR LF; NULL at the end. */
char *secret_next_line(char **text);

/* Credentials file as mount.cifs reads it: "username=", "password=", "account=" lines; ours
 * are "key_password=" and "proxy_password=". text is modified and must outlive *ret. */
void secret_parse_credentials(char *text, struct login *ret);

/* The entry of a netrc file for host (and for user, unless NULL), else its "default".
 * text is modified and must outlive *ret. False when there is none. What is not
 * understood is skipped. ret_passwords: whether any entry holds a password. */
bool secret_parse_netrc(char *text, const char *host, const char *user, struct login *ret,
			bool *ret_passwords);

#endif
