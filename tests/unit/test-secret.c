/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the password comes from. The prompt runs on a pseudo terminal. */
#include "fs/options.h"
#include "fs/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include <cmocka.h>

static char dir[] = "/tmp/ftpsfs-secret-XXXXXX";
static char file[64];

static void put(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) < 0, 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int make_dir(void **state)
{
	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	setenv("USER", "mounter", 1);
	if (!mkdtemp(dir)) {
		return -1;
	}
	setenv("HOME", dir, 1);
	snprintf(file, sizeof(file), "%s/file", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

/* Options with a host, and up to two words "name=value" or "name" set with ranks. */
static void make(struct options *o, const char *name1, const char *value1,
		 enum option_rank rank1, const char *name2, const char *value2,
		 enum option_rank rank2)
{
	struct words w;

	assert_int_equal(options_init(o), 0);
	assert_non_null(o->host = strdup("ftp.example.com"));
	if (name1) {
		assert_int_equal(options_set(o, name1, value1, rank1, "test", &w), 0);
	}
	if (name2) {
		assert_int_equal(options_set(o, name2, value2, rank2, "test", &w), 0);
	}
}

static void assert_found(struct options *o, const char *user, const char *password)
{
	struct words w = { "" };
	int r = secret_find(o, false, &w);

	if (r < 0) {
		fail_msg("%d: %s", r, w.text);
	}
	assert_string_equal(o->user, user);
	assert_string_equal(o->password, password);
	options_finish(o);
}

static void assert_missing(struct options *o, int want, const char *part)
{
	struct words w = { "" };
	int r = secret_find(o, false, &w);

	if (r != want || !strstr(w.text, part)) {
		fail_msg("%d '%s', wanted '%s'", r, w.text, part);
	}
	options_finish(o);
}

static void test_memory(void **state)
{
	char *s = secret_dup("hush", 4), *big = secret_new(100000);

	(void)state;
	assert_string_equal(s, "hush");
	secret_relock(s);
	secret_relock(NULL);
	assert_string_equal(s, "hush");
	assert_int_equal(big[99999], 0);
	memset(big, 'x', 100000);
	secret_free(s);
	secret_free(big);
	secret_free(NULL);
	assert_null(secret_new(SIZE_MAX));
}

static void test_parse_credentials(void **state)
{
	char text[] =
		"# comment\r\n  \tusername=al=ice \r\npassword= s,p#\"a\\ce\nnonsense\n"
		"account=ac\ndomain=x";
	char empty[] = "", last[] = "pass=x";
	struct login l;

	(void)state;
	secret_parse_credentials(text, &l);
	assert_string_equal(l.user, "al=ice "); /* verbatim behind the '=' */
	assert_string_equal(l.password, " s,p#\"a\\ce");
	assert_string_equal(l.account, "ac");
	secret_parse_credentials(empty, &l);
	assert_true(!l.user && !l.password && !l.account);
	secret_parse_credentials(last, &l);
	assert_string_equal(l.password, "x");
}

static void test_parse_netrc(void **state)
{
	static const char netrc[] =
		"# machine no login no\n"
		"machine a login al password pa account ac\n"
		"machine b\n\tlogin \"b \\\"l\\\"\"\n\tpassword \"p b\"\n"
		"macdef init\nmachine c login wrong password wrong\ncd /x\n\n"
		"machine C login cl password cp\n"
		"machine c login second password sp\n"
		"default login dl password dp\n";
	static const struct {
		const char *host, *user, *want_user, *want_password;
	} cases[] = {
		{ "a", NULL, "al", "pa" },
		{ "A", NULL, "al", "pa" },
		{ "b", NULL, "b \"l\"", "p b" },
		{ "c", NULL, "cl", "cp" },
		{ "c", "second", "second", "sp" },
		{ "a", "dl", "dl", "dp" }, /* the default may have it */
		{ "other", NULL, "dl", "dp" },
		{ "other", "dl", "dl", "dp" },
		{ "no", "no", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[sizeof(netrc)];
		struct login l = { 0 };
		bool passwords;

		memcpy(text, netrc, sizeof(netrc));
		assert_int_equal(secret_parse_netrc(text, cases[i].host, cases[i].user,
						    &l, &passwords),
				 cases[i].want_user != NULL);
		assert_true(passwords);
		if (cases[i].want_user) {
			assert_string_equal(l.user, cases[i].want_user);
			assert_string_equal(l.password, cases[i].want_password);
		}
	}
}

static void test_parse_netrc_odd(void **state)
{
	static const char *const odd[] = {
		"",
		"machine",
		"machine h",
		"machine h login",
		"login x",
		"machine h password \"open",
		"machine h login \"a\\",
		"macdef x",
		"macdef x\nmachine h login y",
		"default",
		"\"\"",
		"#",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		char text[64];
		struct login l = { 0 };
		bool passwords;

		snprintf(text, sizeof(text), "%s", odd[i]);
		(void)secret_parse_netrc(text, "h", NULL, &l, &passwords);
		assert_int_equal(passwords, strstr(odd[i], "password") != NULL);
		assert_true(!l.user || strcmp(l.user, "y") != 0); /* no word of a macro */
	}
}

static void test_given(void **state)
{
	struct options o;

	(void)state;
	make(&o, "user", "al", RANK_SOURCE, "password", "pw", RANK_OPTION);
	assert_found(&o, "al", "pw");
	make(&o, "password", "pw", RANK_OPTION, NULL, NULL, 0);
	assert_found(&o, "mounter", "pw"); /* $USER */
	make(&o, "password", "", RANK_OPTION, NULL, NULL, 0);
	assert_found(&o, "mounter", "");
	make(&o, "user", "al", RANK_SOURCE, NULL, NULL, 0);
	assert_missing(&o, -EACCES,
		       "no password for al@ftp.example.com: give credentials=FILE");
	unsetenv("USER");
	make(&o, "password", "pw", RANK_OPTION, NULL, NULL, 0);
	assert_int_equal(secret_find(&o, false, NULL), 0);
	assert_non_null(o.user);
	options_finish(&o);
	setenv("USER", "mounter", 1);
}

static void test_anonymous(void **state)
{
	struct options o;

	(void)state;
	make(&o, "anonymous", NULL, RANK_OPTION, "user", "al", RANK_SOURCE);
	assert_found(&o, "anonymous", "anonymous@example.com");
	make(&o, "user", "ftp", RANK_SOURCE, NULL, NULL, 0);
	assert_found(&o, "ftp", "anonymous@example.com");
	make(&o, "user", "ftp", RANK_SOURCE, "password", "me@x", RANK_OPTION);
	assert_found(&o, "ftp", "me@x");
}

static void test_credentials(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	put(file, "username=bob\npassword=bp\naccount=ac\n", 0600);
	make(&o, "credentials", file, RANK_OPTION, NULL, NULL, 0);
	assert_int_equal(secret_find(&o, false, &w), 0);
	assert_string_equal(o.account, "ac");
	assert_found(&o, "bob", "bp");
	/* the password given comes first at the same rank, not from a lower one */
	make(&o, "credentials", file, RANK_OPTION, "password", "pw", RANK_OPTION);
	assert_found(&o, "bob", "pw");
	make(&o, "credentials", file, RANK_OPTION, "password", "pw", RANK_ETC);
	assert_found(&o, "bob", "bp");
	make(&o, "credentials", file, RANK_ETC, "password", "pw", RANK_OPTION);
	assert_found(&o, "bob", "pw");
	/* its user goes with its password, but for one named closer to the mount */
	make(&o, "credentials", file, RANK_OPTION, "user", "al", RANK_ETC);
	assert_found(&o, "bob", "bp");
	make(&o, "credentials", file, RANK_ETC, "user", "al", RANK_SOURCE);
	assert_found(&o, "al", "bp");

	put(file, "username=bob\npassword=bp\n", 0640);
	make(&o, "credentials", file, RANK_OPTION, NULL, NULL, 0);
	assert_missing(&o, -EACCES,
		       "file holds a password and others can read it: chmod 600 /tmp/");
	make(&o, "credentials", "/nonexistent", RANK_OPTION, NULL, NULL, 0);
	assert_missing(&o, -ENOENT, "/nonexistent: No such file");
	make(&o, "credentials", "/dev/zero", RANK_OPTION, NULL, NULL, 0);
	assert_missing(&o, -EINVAL, "/dev/zero: too long");
	put(file, "username=bob\r\npassword=b\rp\r\n", 0600);
	make(&o, "credentials", file, RANK_OPTION, NULL, NULL, 0);
	assert_missing(&o, -EINVAL, "contains a line end");
}

/* The passwords of the key and of the proxy come from the credentials file only, whoever
 * knows the login. */
static void test_more_passwords(void **state)
{
	static const char text[] = "username=alice\npassword=pw\nkey_password=k p=1\n"
				   "proxy_password=pp\n";
	struct options o;
	struct words w;

	(void)state;
	put(file, text, 0600);
	make(&o, "credentials", file, RANK_OPTION, "proxy", "http://p:1", RANK_OPTION);
	assert_int_equal(secret_find(&o, false, &w), 0);
	assert_string_equal(o.user, "alice");
	assert_string_equal(o.key_password, "k p=1");
	assert_string_equal(o.proxy_password, "pp");
	options_finish(&o);

	/* The login is known from nearer: the file's is left alone. */
	make(&o, "credentials", file, RANK_ETC, "proxy", "http://p:1", RANK_ETC);
	assert_int_equal(options_set(&o, "user", "bob", RANK_OPTION, "t", &w), 0);
	assert_int_equal(options_set(&o, "password", "bobs", RANK_OPTION, "t", &w), 0);
	assert_int_equal(secret_find(&o, false, &w), 0);
	assert_string_equal(o.user, "bob");
	assert_string_equal(o.password, "bobs");
	assert_string_equal(o.proxy_password, "pp");
	options_finish(&o);

	make(&o, "credentials", file, RANK_OPTION, "anonymous", NULL, RANK_OPTION);
	assert_int_equal(options_set(&o, "key", "/k", RANK_OPTION, "t", &w), 0);
	assert_int_equal(secret_find(&o, false, &w), 0);
	assert_string_equal(o.user, "anonymous");
	assert_string_equal(o.password, "anonymous@example.com");
	assert_string_equal(o.key_password, "k p=1");
	options_finish(&o);

	put(file, text, 0644);
	make(&o, "credentials", file, RANK_OPTION, "proxy", "http://p:1", RANK_OPTION);
	assert_missing(&o, -EACCES, "chmod 600");
}

static void test_netrc(void **state)
{
	struct options o;
	char home[80];

	(void)state;
	put(file, "machine ftp.example.com login bob password bp\n", 0600);
	make(&o, "netrc", file, RANK_OPTION, NULL, NULL, 0);
	assert_found(&o, "bob", "bp");
	make(&o, "netrc", file, RANK_OPTION, "user", "al", RANK_SOURCE);
	assert_missing(&o, -EACCES, "no password for al@");
	assert_int_equal(chmod(file, 0644), 0);
	make(&o, "netrc", file, RANK_OPTION, NULL, NULL, 0);
	assert_missing(&o, -EACCES, "chmod 600");
	put(file, "machine ftp.example.com login bob\n", 0644); /* nothing secret in it */
	make(&o, "netrc", file, RANK_OPTION, "password", "pw", RANK_OPTION);
	assert_found(&o, "bob", "pw");
	/* by itself it is ~/.netrc, which need not be there */
	make(&o, "netrc", NULL, RANK_OPTION, "password", "pw", RANK_OPTION);
	assert_found(&o, "mounter", "pw");
	snprintf(home, sizeof(home), "%s/.netrc", dir);
	put(home, "default login hl password hp\n", 0600);
	make(&o, "netrc", NULL, RANK_OPTION, NULL, NULL, 0);
	assert_found(&o, "hl", "hp");
	make(&o, NULL, NULL, 0, NULL, NULL, 0);
	assert_missing(&o, -EACCES, "no password for mounter@"); /* only when asked for */
	unlink(home);
}

static void test_stdin(void **state)
{
	struct options o;
	int fds[2], was = dup(STDIN_FILENO);
	char rest[8];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "s p\r\nrest", 9), 9);
	assert_true(dup2(fds[0], STDIN_FILENO) == STDIN_FILENO);
	make(&o, "password_stdin", NULL, RANK_OPTION, NULL, NULL, 0);
	assert_found(&o, "mounter", "s p");
	assert_int_equal(read(STDIN_FILENO, rest, sizeof(rest)), 4); /* not eaten */
	close(fds[1]);
	make(&o, "password_stdin", NULL, RANK_OPTION, NULL, NULL, 0);
	assert_missing(&o, -EACCES, "standard input is empty");
	dup2(was, STDIN_FILENO);
	close(was);
	close(fds[0]);
}

static void test_askpass(void **state)
{
	struct options o;

	(void)state;
	put(file, "#!/bin/sh\necho \"$1\" | tr -d '\\n'; echo; echo more\n", 0700);
	make(&o, "askpass", file, RANK_OPTION, "user", "al", RANK_SOURCE);
	assert_found(&o, "al", "Password for al@ftp.example.com: ");
	put(file, "#!/bin/sh\necho x; exit 1\n", 0700);
	make(&o, "askpass", file, RANK_OPTION, NULL, NULL, 0);
	assert_missing(&o, -EACCES, "it failed or was cancelled");
	make(&o, "askpass", "/bin/echo x; echo y", RANK_OPTION, NULL, NULL,
	     0); /* no shell */
	assert_missing(&o, -ENOENT, "No such file");
	make(&o, "askpass", "yes", RANK_OPTION, NULL, NULL,
	     0); /* never ends, found in PATH */
	assert_missing(&o, -EINVAL, "too long");
}

static void test_systemd(void **state)
{
	struct options o;
	char name[96];

	(void)state;
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	make(&o, NULL, NULL, 0, NULL, NULL, 0);
	assert_missing(&o, -EACCES, "no password");
	snprintf(name, sizeof(name), "%s/ftpsfs.password", dir);
	put(name, "unit pw\n", 0440);
	make(&o, NULL, NULL, 0, NULL, NULL, 0);
	assert_found(&o, "mounter", "unit pw");
	make(&o, "password", "pw", RANK_ETC, NULL, NULL, 0);
	assert_found(&o, "mounter", "pw");
	unlink(name);
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* In the child: a new session on the slave side; exit status 0 means all was as it should
 * be. */
static void prompt_child(const char *slave, bool wants_answer, bool dies)
{
	struct options o;
	struct termios t;
	int tty, r;

	setsid();
	tty = open(slave, O_RDWR);
	if (tty < 0 || ioctl(tty, TIOCSCTTY, 0) < 0 || options_init(&o) < 0) {
		_exit(2);
	}
	signal(SIGINT, dies ? SIG_DFL : SIG_IGN); /* the latter lets the process live */
	o.host = strdup("h");
	r = secret_find(&o, true, NULL);
	if (tcgetattr(tty, &t) < 0 || !(t.c_lflag & ECHO)) {
		_exit(3);
	}
	if (wants_answer ? r != 0 || strcmp(o.password, "typed pw") != 0 : r != -EINTR) {
		_exit(4);
	}
	options_finish(&o);
	_exit(0);
}

static void run_prompt(const char *typed, bool wants_answer, bool dies)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), status;
	char seen[256] = "", *slave;
	struct termios t;
	size_t len = 0;
	pid_t pid;

	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	assert_non_null(slave = ptsname(master));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(master);
		prompt_child(slave, wants_answer, dies);
	}
	while (!strstr(seen, "Password for mounter@h: ")) {
		ssize_t n = read(master, seen + len, sizeof(seen) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
		seen[len] = '\0';
	}
	assert_int_equal(write(master, typed, strlen(typed)), strlen(typed));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, dies ? SIGINT : 0);
	assert_int_equal(tcgetattr(master, &t), 0);
	assert_true(t.c_lflag & ECHO);
	/* what came back since: no echo of the password */
	assert_int_equal(fcntl(master, F_SETFL, O_NONBLOCK), 0);
	len = 0;
	for (ssize_t n; (n = read(master, seen + len, sizeof(seen) - 1 - len)) > 0;) {
		len += (size_t)n;
	}
	seen[len] = '\0';
	assert_null(strstr(seen, "typed"));
	close(master);
}

static void test_prompt(void **state)
{
	(void)state;
	run_prompt("typed pw\n", true, false);
	run_prompt("\004", false, false); /* end of file */
}

static void test_prompt_interrupted(void **state)
{
	(void)state;
	run_prompt("\003", false, false);
	run_prompt("\003", false, true); /* echo is back before it dies */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_parse_credentials),
		cmocka_unit_test(test_parse_netrc),
		cmocka_unit_test(test_parse_netrc_odd),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_more_passwords),
		cmocka_unit_test(test_netrc),
		cmocka_unit_test(test_stdin),
		cmocka_unit_test(test_askpass),
		cmocka_unit_test(test_systemd),
		cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_prompt_interrupted),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
