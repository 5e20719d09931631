/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/secret.h"

#include "fs/options.h"
#include "fs/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { FILE_MAX = 64 * 1024 };

/* In front of each secret, in its own pages: mlock() works on pages and does not nest. */
struct secret_page {
	size_t size; /* of the mapping */
	char text[];
};

static struct secret_page *page_of(char *s)
{
	return (struct secret_page *)(void *)(s - offsetof(struct secret_page, text));
}

char *secret_new(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), total;
	struct secret_page *p;

	if (size > SIZE_MAX / 2) {
		return NULL;
	}
	total = (sizeof(*p) + size + page - 1) / page * page;
	p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		return NULL;
	}
	/* Both are best effort: a limit on locked memory must not stop a mount. */
	(void)mlock(p, total);
	(void)madvise(p, total, MADV_DONTDUMP);
	p->size = total;
	return p->text;
}

char *secret_dup(const char *text, size_t len)
{
	char *s = secret_new(len + 1);

	if (s) {
		memcpy(s, text, len);
	}
	return s;
}

void secret_free(char *s)
{
	if (s) {
		struct secret_page *p = page_of(s);
		size_t size = p->size;

		explicit_bzero(p, size);
		munmap(p, size);
	}
}

void secret_relock(char *s)
{
	if (s) {
		(void)mlock(page_of(s), page_of(s)->size);
	}
}

/* Reads fd until its end (or the first line end) into secret memory. */
static int read_secret(int fd, size_t max, bool one_line, char **ret)
{
	_cleanup_secret_ char *text = secret_new(max + 1);
	size_t len = 0;

	if (!text) {
		return -ENOMEM;
	}
	while (!one_line || !len || text[len - 1] != '\n') {
		/* By the byte: what follows the line on standard input is not ours. */
		ssize_t n =
			len < max ? read(fd, text + len, one_line ? 1 : max - len) : 0;

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if (len == max) {
			return -EFBIG;
		}
		if (n == 0) {
			break;
		}
		len += (size_t)n;
	}
	if (memchr(text, '\0', len)) {
		return -EINVAL;
	}
	*ret = steal(&text);
	return 0;
}

static int explain(struct words *words, const char *what, int r)
{
	words_set(words, "%s: %s", what,
		  r == -EFBIG	 ? "too long"
		  : r == -EINVAL ? "contains a NUL byte"
				 : strerror(-r));
	return r == -EFBIG ? -EINVAL : r;
}

/* A whole file; *ret_private: nobody but the owner can read it. */
static int read_file(const char *file, char **ret, bool *ret_private, struct words *words)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
	}
	if (r == 0) {
		r = read_secret(fd, FILE_MAX, false, ret);
	}
	if (r < 0) {
		return explain(words, file, r);
	}
	*ret_private = !(st.st_mode & 077);
	return 0;
}

static int refuse_public(const char *file, struct words *words)
{
	words_set(words, "%s holds a password and others can read it: chmod 600 %s", file,
		  file);
	return -EACCES;
}

static int set_string(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy) {
		return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

/* What is already known stays: each source only fills gaps. */
static int take_login(struct options *o, const struct login *login)
{
	int r = 0;

	if (login->user && *login->user && !o->user) {
		r = set_string(&o->user, login->user);
	}
	if (r == 0 && login->account && !o->account) {
		r = set_string(&o->account, login->account);
	}
	if (r == 0 && login->password && !o->password) {
		o->password = secret_dup(login->password, strlen(login->password));
		r = o->password ? 0 : -ENOMEM;
	}
	return r;
}

static int take_secret(char **field, const char *text)
{
	if (!text || *field) {
		return 0;
	}
	*field = secret_dup(text, strlen(text));
	return *field ? 0 : -ENOMEM;
}

/* Of the client key and the proxy: nothing else tells them. */
static bool wants_more(const struct options *o)
{
	return (o->proxy && !o->proxy_password) ||
	       ((o->cert || o->key) && !o->key_password);
}

static int from_credentials(struct options *o, struct words *words)
{
	_cleanup_secret_ char *text = NULL;
	struct login login;
	bool is_private;
	int r;

	if (!o->credentials) {
		return 0;
	}
	r = read_file(o->credentials, &text, &is_private, words);
	if (r < 0) {
		return r;
	}
	if (!is_private) {
		return refuse_public(o->credentials, words);
	}
	secret_parse_credentials(text, &login);
	r = take_secret(&o->key_password, login.key_password);
	if (r == 0) {
		r = take_secret(&o->proxy_password, login.proxy_password);
	}
	if (r < 0 || o->anonymous || (o->user && o->password)) {
		return r; /* read for the others only */
	}
	/* Its password belongs to its user, unless the user was named closer to the
	 * mount. */
	if (login.user && *login.user &&
	    options_rank(o, "user") < options_rank(o, "credentials")) {
		free(steal(&o->user));
	}
	return take_login(o, &login);
}

static int from_netrc(struct options *o, struct words *words)
{
	_cleanup_secret_ char *text = NULL;
	_cleanup_free_ char *file = NULL;
	struct login login = { 0 };
	bool is_private, passwords;
	const char *home = getenv("HOME");
	int r;

	if (!o->netrc) {
		return 0;
	}
	if (*o->netrc) {
		file = strdup(o->netrc);
	} else if (asprintf(&file, "%s/.netrc", home ? home : "") < 0) {
		file = NULL;
	}
	if (!file) {
		return -ENOMEM;
	}
	r = read_file(file, &text, &is_private, words);
	if (r == -ENOENT && !*o->netrc) {
		return 0;
	}
	if (r < 0) {
		return r;
	}
	secret_parse_netrc(text, o->host, o->user, &login, &passwords);
	if (passwords && !is_private) {
		return refuse_public(file, words);
	}
	return take_login(o, &login);
}

/* Takes the first line of *text as the password. */
static int take_line(struct options *o, char *text)
{
	char *line = secret_next_line(&text);
	const struct login login = { .password = line ? line : "" };

	return take_login(o, &login);
}

static int from_stdin(struct options *o, struct words *words)
{
	_cleanup_secret_ char *text = NULL;
	int r;

	if (!o->password_stdin) {
		return 0;
	}
	r = read_secret(STDIN_FILENO, SECRET_MAX, true, &text);
	if (r < 0) {
		return explain(words, "password_stdin", r);
	}
	if (!*text) {
		words_set(words, "password_stdin: standard input is empty");
		return -EACCES;
	}
	return take_line(o, text);
}

/* Runs program with one argument and hands out the read end of its output. */
static int spawn_reader(const char *program, const char *question, pid_t *ret_pid,
			int *ret_fd)
{
	char *const argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)question,
			       NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return -errno;
	}
	r = posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
		if (r == 0) {
			r = posix_spawnp(ret_pid, program, &actions, NULL, argv, environ);
		}
		posix_spawn_file_actions_destroy(&actions);
	}
	close(fds[1]);
	if (r != 0) {
		close(fds[0]);
		return -r;
	}
	*ret_fd = fds[0];
	return 0;
}

static int from_askpass(struct options *o, struct words *words)
{
	_cleanup_secret_ char *text = NULL;
	_cleanup_free_ char *question = NULL;
	_cleanup_close_ int fd = -1;
	int r, status = -1;
	pid_t pid;

	if (!o->askpass) {
		return 0;
	}
	if (asprintf(&question, "Password for %s%s%s: ", o->user ? o->user : "",
		     o->user ? "@" : "", o->host) < 0) {
		question = NULL;
		return -ENOMEM;
	}
	r = spawn_reader(o->askpass, question, &pid, &fd);
	if (r < 0) {
		return explain(words, o->askpass, r);
	}
	r = read_secret(fd, SECRET_MAX, false, &text);
	close(fd); /* a program that goes on writing must not be waited for */
	fd = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (r < 0) {
		return explain(words, o->askpass, r);
	}
	if (status != 0) {
		words_set(words, "askpass=%s: it failed or was cancelled", o->askpass);
		return -EACCES;
	}
	return take_line(o, text);
}

static int from_systemd(struct options *o, struct words *words)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	_cleanup_secret_ char *text = NULL;
	_cleanup_free_ char *file = NULL;
	bool is_private;
	int r;

	if (!dir || o->password) {
		return 0;
	}
	if (asprintf(&file, "%s/ftpsfs.password", dir) < 0) {
		file = NULL;
		return -ENOMEM;
	}
	if (access(file, F_OK) < 0) {
		return 0;
	}
	/* systemd keeps the mode, 0400 or 0440 for the unit's user */
	r = read_file(file, &text, &is_private, words);
	return r < 0 ? r : take_line(o, text);
}

/* The sources that options name, asked by rank: a credentials file from the command
 * line comes before a password from /etc/ftpsfs.conf. */
static int find_given(struct options *o, struct words *words)
{
	static const struct {
		const char *row;
		int (*find)(struct options *o, struct words *words);
		bool names_user;
	} sources[] = {
		{ "credentials", from_credentials, true },
		{ "password_stdin", from_stdin, false },
		{ "askpass", from_askpass, false },
		{ "netrc", from_netrc, true },
	};
	_cleanup_secret_ char *given = steal(&o->password);
	int given_rank = (int)options_rank(o, "password"), r = 0;

	for (int rank = RANK_OPTION; r == 0 && rank >= RANK_BUILTIN; rank--) {
		if (!o->password && given_rank == rank) {
			o->password = steal(&given);
		}
		for (size_t i = 0; r == 0 && i < ARRAY_LEN(sources); i++) {
			bool wanted = !o->password ||
				      (!o->user && sources[i].names_user) ||
				      (i == 0 && wants_more(o));

			if (wanted && (int)options_rank(o, sources[i].row) == rank) {
				r = sources[i].find(o, words);
			}
		}
	}
	return r;
}

static int default_user(struct options *o)
{
	const char *user = getenv("USER");

	if (!user || !*user) {
		const struct passwd *pw = getpwuid(getuid());

		user = pw ? pw->pw_name : "root";
	}
	return set_string(&o->user, user);
}

static int prompt_password(struct options *o, struct words *words)
{
	_cleanup_free_ char *question = NULL;
	_cleanup_secret_ char *text = secret_new(SECRET_MAX + 1);
	int r;

	if (!text || asprintf(&question, "Password for %s@%s: ", o->user, o->host) < 0) {
		question = NULL;
		return -ENOMEM;
	}
	r = prompt_read(question, text, SECRET_MAX + 1);
	if (r == -EINTR) {
		words_set(words, "the password prompt was interrupted");
	} else if (r == 0) {
		o->password = steal(&text);
	}
	return r;
}

static int find_anonymous(struct options *o, struct words *words)
{
	int r = wants_more(o) ? from_credentials(o, words) : 0;

	return r < 0 ? r : set_string(&o->user, "anonymous");
}

static int find(struct options *o, bool may_prompt, struct words *words)
{
	static const char dummy[] = "anonymous@example.com";
	int r = o->anonymous ? find_anonymous(o, words) : find_given(o, words);

	if (r == 0 && !o->user) {
		r = default_user(o);
	}
	if (r == 0 && o->anonymous) {
		secret_free(o->password);
		o->password = NULL;
	}
	/* Servers want something that looks like an address; it need not be one. */
	if (r == 0 && !o->password &&
	    (strcmp(o->user, "anonymous") == 0 || strcmp(o->user, "ftp") == 0)) {
		o->password = secret_dup(dummy, strlen(dummy));
		return o->password ? 0 : -ENOMEM;
	}
	if (r == 0 && !o->password) {
		r = from_systemd(o, words);
	}
	if (r == 0 && !o->password && may_prompt) {
		r = prompt_password(o, words);
		r = r == -ENXIO ? 0 : r; /* no terminal after all */
	}
	return r;
}

int secret_find(struct options *o, bool may_prompt, struct words *words)
{
	int r = find(o, may_prompt, words);

	if (r == -ENOMEM) {
		words_set(words, "out of memory");
	}
	if (r == 0 && !o->password) {
		words_set(words,
			  "no password for %s@%s: give credentials=FILE, netrc, "
			  "askpass=PROGRAM "
			  "or password_stdin",
			  o->user, o->host);
		return -EACCES;
	}
	/* They become arguments of commands. */
	if (r == 0 && (strpbrk(o->user, "\r\n") || strpbrk(o->password, "\r\n") ||
		       (o->account && strpbrk(o->account, "\r\n")))) {
		words_set(words, "user, password or account contains a line end");
		return -EINVAL;
	}
	return r;
}
