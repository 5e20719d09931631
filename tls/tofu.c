/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trust on first use: the file of GnuTLS's own store functions, a line a key:
 * |g0|host|port|expiration|base64 */
#include "tls/private.h"

#include "base/sync.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { LOCK_MS = 3000, LOCK_TURN_MS = 20 };

/* ---- where ---- */

static char *usual_file(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user;
	char *path;

	/* At boot, mount(8) may have no HOME. */
	if (!home || home[0] != '/') {
		user = getpwuid(geteuid());
		home = user ? user->pw_dir : NULL;
	}
	if (!home || home[0] != '/') {
		return NULL;
	}
	return asprintf(&path, "%s/.config/ftpsfs/known_hosts", home) < 0 ? NULL : path;
}

/* ~/.config and ~/.config/ftpsfs. What fails here shows when the file is opened. */
static void make_folders(const char *file)
{
	_cleanup_free_ char *path = strdup(file);
	char *last = path ? strrchr(path, '/') : NULL, *above;

	if (!last) {
		return;
	}
	*last = '\0';
	above = strrchr(path, '/');
	if (above && above != path) {
		*above = '\0';
		(void)mkdir(path, 0700);
		*above = '/';
	}
	(void)mkdir(path, 0700);
}

/* Who can write to it decides whom we trust. */
static int check_owner(const char *file, const struct stat *st, struct words *words)
{
	if (!S_ISREG(st->st_mode)) {
		words_set(words, "tofu=%s: not a file", file);
		return -EINVAL;
	}
	if ((st->st_uid != geteuid() && st->st_uid != 0) || (st->st_mode & 022)) {
		words_set(words,
			  "tofu=%s: others can write to it and so choose whom we trust: "
			  "make it yours, and chmod 600 it",
			  file);
		return -EACCES;
	}
	return 0;
}

int tofu_load(struct trust *t, const struct trust_config *c, struct words *words)
{
	struct stat st;

	t->tofu_usual = !*c->tofu;
	t->tofu = t->tofu_usual ? usual_file() : strdup(c->tofu);
	if (!t->tofu) {
		words_set(words, "tofu: no home directory for its file: name one with "
				 "tofu=FILE");
		return -ENOENT;
	}
	snprintf(t->service, sizeof(t->service), "%s", c->service[0] ? c->service : "21");
	t->hook = c->hook;
	if (stat(t->tofu, &st) < 0) {
		return 0; /* to be made on first use */
	}
	if (access(t->tofu, R_OK) < 0) {
		int r = -errno;

		words_set(words, "tofu=%s: %s", t->tofu, strerror(-r));
		return r;
	}
	return check_owner(t->tofu, &st, words);
}

/* ---- reading ---- */

/* 0: known; GNUTLS_E_CERTIFICATE_KEY_MISMATCH; GNUTLS_E_NO_CERTIFICATE_FOUND; others. */
static int lookup(const struct trust *t, const char *host, const gnutls_datum_t *leaf)
{
	return gnutls_verify_stored_pubkey(t->tofu, NULL, host, t->service,
					   GNUTLS_CRT_X509, leaf, 0);
}

/* ---- writing ---- */

static int lock_file(const struct trust *t, int fd, struct words *words)
{
	int64_t deadline = now_ms() + LOCK_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (now_ms() > deadline) {
			words_set(words, "tofu=%s: another program keeps it locked",
				  t->tofu);
			return -EBUSY;
		}
		(void)wait_sleep(NULL, now_ms() + LOCK_TURN_MS);
	}
	return 0;
}

static int open_file(const struct trust *t, struct words *words)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (t->tofu_usual) {
		make_folders(t->tofu);
	}
	fd = open(t->tofu, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		words_set(words,
			  "tofu=%s: the server's key cannot be stored there: %s; make it "
			  "writable, or name another file",
			  t->tofu, strerror(-r));
		return r;
	}
	r = check_owner(t->tofu, &st, words);
	if (r == 0) {
		r = lock_file(t, fd, words);
	}
	if (r < 0) {
		return r;
	}
	r = fd;
	fd = -1;
	return r;
}

/* GnuTLS appends: an unfinished line of somebody's editor would swallow ours. */
static bool end_line(int fd, off_t size)
{
	char last = '\n';

	return size == 0 || (pread(fd, &last, 1, size - 1) == 1 &&
			     (last == '\n' || write(fd, "\n", 1) == 1));
}

/* GnuTLS does not tell of a full disk: what is stored must be found again, else the file
 * is put back as it was. */
static int append(const struct trust *t, int fd, const char *host,
		  const gnutls_datum_t *leaf, struct words *words)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || !end_line(fd, st.st_size)) {
		r = GNUTLS_E_FILE_ERROR;
	} else {
		r = gnutls_store_pubkey(t->tofu, NULL, host, t->service, GNUTLS_CRT_X509,
					leaf, 0, 0);
		if (r >= 0 && lookup(t, host, leaf) < 0) {
			r = GNUTLS_E_FILE_ERROR;
			(void)!ftruncate(fd, st.st_size);
		}
	}
	if (r < 0 || fsync(fd) < 0) {
		words_set(words, "tofu=%s: the server's key could not be stored%s%s",
			  t->tofu, r < 0 ? ": " : "", r < 0 ? gnutls_strerror(r) : "");
		return -EIO;
	}
	return 0;
}

static int store(const struct trust *t, const char *host, const gnutls_datum_t *leaf,
		 const char *pin, enum tofu_verdict *ret, struct words *words)
{
	_cleanup_close_ int fd = open_file(t, words);
	int r;

	if (fd < 0) {
		return fd;
	}
	/* Another mount may have been quicker. */
	r = lookup(t, host, leaf);
	if (r == GNUTLS_E_NO_CERTIFICATE_FOUND) {
		r = append(t, fd, host, leaf, words);
		if (r < 0) {
			return r;
		}
		hook_printf(t->hook, LEVEL_INFO,
			    "tofu: first connection to %s port %s: its key, pin=%s, is "
			    "now kept in %s",
			    host, t->service, pin, t->tofu);
	}
	*ret = r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH ? TOFU_CHANGED : TOFU_KNOWN;
	return 0;
}

void tofu_fold(char *host)
{
	for (; *host; host++) {
		*host = (char)tolower((unsigned char)*host);
	}
}

int tofu_check(const struct trust *t, const char *host, const gnutls_datum_t *leaf,
	       const char *pin, enum tofu_verdict *ret, struct words *words)
{
	int r;

	for (const char *p = host; *p; p++) {
		if (*p == '|' || (unsigned char)*p <= ' ') {
			words_set(words, "tofu: no host has the name \"%.255s\"", host);
			return -EINVAL;
		}
	}
	r = lookup(t, host, leaf);
	if (r == 0 || r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
		*ret = r == 0 ? TOFU_KNOWN : TOFU_CHANGED;
		return 0;
	}
	if (r == GNUTLS_E_NO_CERTIFICATE_FOUND || access(t->tofu, F_OK) < 0) {
		return store(t, host, leaf, pin, ret, words);
	}
	words_set(words, "tofu=%s: %s", t->tofu, gnutls_strerror(r));
	return -EIO;
}
