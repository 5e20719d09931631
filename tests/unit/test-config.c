/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files, and which of several sources holds. */
#include "fs/config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char dir[] = "/tmp/ftpsfs-config-XXXXXX";
static char etc[64], user[64], file[64];

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
	if (!mkdtemp(dir)) {
		return -1;
	}
	snprintf(etc, sizeof(etc), "%s/etc.conf", dir);
	snprintf(user, sizeof(user), "%s/user.conf", dir);
	snprintf(file, sizeof(file), "%s/file.conf", dir);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	unlink(etc);
	unlink(user);
	unlink(file);
	return 0;
}

static int remove_dir(void **state)
{
	clear(state);
	return rmdir(dir);
}

/* source and -o words over the files that exist. */
static int parse(struct options *o, struct words *w, const char *source,
		 const char *words)
{
	char s[256], opts[256], mnt[] = "/mnt", dash_o[] = "-o", name[] = "ftpsfs",
				dash_f[] = "-F";
	char *argv[] = { name, s, mnt, dash_o, opts, dash_f, file, NULL };

	snprintf(s, sizeof(s), "%s", source);
	snprintf(opts, sizeof(opts), "%s", words);
	w->text[0] = '\0';
	return options_parse_with(o, access(file, F_OK) == 0 ? 7 : 5, argv, etc, user, w);
}

static void assert_refused(const char *text, int want, const char *part)
{
	struct options o;
	struct words w;
	int r;

	put(file, text, 0600);
	r = parse(&o, &w, "host:", "rw");
	if (r != want || !strstr(w.text, part)) {
		fail_msg("%s: %d '%s', wanted '%s'", text, r, w.text, part);
	}
	assert_null(o.host);
}

/* Each source sets what the ones above it leave: max_conns, dir_ttl ... fall in turn. */
static void test_precedence(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	put(etc,
	    "defaults: { max_conns = 11; retry = 11; streams = 1; neg_ttl = 11; dir_ttl "
	    "= 11;"
	    " keepalive = 11; idle_timeout = 11; };\n"
	    "hosts = ( { match = \"h\"; max_conns = 12; retry = 12; neg_ttl = 12; "
	    "dir_ttl = 12;"
	    " keepalive = 12; idle_timeout = 12; } );\n",
	    0644);
	put(user,
	    "defaults: { max_conns = 13; retry = 13; neg_ttl = 13; dir_ttl = 13;"
	    " keepalive = 13; };\n"
	    "hosts = ( { match = \"h\"; max_conns = 14; retry = 14; neg_ttl = 14;"
	    " dir_ttl = 14; } );\n",
	    0644);
	put(file,
	    "defaults: { max_conns = 15; retry = 15; neg_ttl = 15; };\n"
	    "hosts = ( { match = \"h\"; max_conns = 16; retry = 16; port = 16; user = "
	    "\"f\"; } );\n",
	    0644);
	assert_int_equal(parse(&o, &w, "u@h:", "max_conns=17"), 0);
	assert_int_equal(o.max_conns, 17);
	assert_int_equal(o.retry, 16);
	assert_int_equal(o.neg_ttl, 15000);
	assert_int_equal(o.dir_ttl, 14000);
	assert_int_equal(o.keepalive, 13000);
	assert_int_equal(o.idle_timeout, 12000);
	assert_int_equal(o.streams, 1);
	assert_int_equal(o.port, 16);
	assert_string_equal(o.user, "u"); /* the source outranks -F */
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "ftps://h:99/", "rw"), 0);
	assert_int_equal(o.max_conns, 16);
	assert_int_equal(o.port, 99);
	assert_string_equal(o.user, "f");
	options_finish(&o);
}

static void test_origins(void **state)
{
	struct options o;
	struct words w;
	char *text = NULL, want[256];
	size_t len;
	FILE *mem;

	(void)state;
	put(etc, "defaults:\n{\n  retry = 5;\n  dir_ttl = \"500ms\";\n};\n", 0644);
	assert_int_equal(parse(&o, &w, "h:", "dir_ttl=7"), 0);
	mem = open_memstream(&text, &len);
	assert_non_null(mem);
	options_print(&o, mem);
	fclose(mem);
	snprintf(want, sizeof(want), "\nretry=5                                 # %s:3\n",
		 etc);
	assert_non_null(strstr(text, want));
	assert_non_null(strstr(text, "\ndir_ttl=7s                              # -o\n"));
	free(text);
	options_finish(&o);
}

static void test_hosts(void **state)
{
	static const char text[] =
		"hosts = (\n"
		"  { match = [ \"ftp.example.com\", \"*.example.net:990\" ]; user = "
		"\"alice\"; retry = 1; },\n"
		"  { match = \"[fe80::*]:21\"; user = \"six\"; },\n"
		"  { match = \"*.EXAMPLE.*\"; user = \"bob\"; streams = 1; nconnect = 2; "
		"},\n"
		"  { match = ( \"*\" ); max_conns = 3; neg_ttl = 1; }\n"
		");\n";
	static const struct {
		const char *source, *user;
		unsigned retry, streams, max_conns;
	} cases[] = {
		{ "ftp.example.com:", "alice", 1, 1, 2 },
		{ "a.example.net:", "bob", 3, 1, 2 }, /* port 21 */
		{ "ftps://a.example.net/", "alice", 1, 1, 2 },
		{ "ftpes://a.example.net:990/", "alice", 1, 1, 2 },
		{ "[fe80::1]:", "six", 3, 2, 3 },
		{ "ftps://[fe80::1]/", NULL, 3, 2, 3 },
		{ "nas:", NULL, 3, 2, 3 },
	};

	(void)state;
	put(user, text, 0644);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct options o;
		struct words w;

		if (parse(&o, &w, cases[i].source, "rw") < 0) {
			fail_msg("%s: %s", cases[i].source, w.text);
		}
		assert_true(!o.user == !cases[i].user);
		if (o.user) {
			assert_string_equal(o.user, cases[i].user);
		}
		assert_int_equal(o.retry, cases[i].retry);
		assert_int_equal(o.streams, cases[i].streams);
		assert_int_equal(o.max_conns, cases[i].max_conns);
		assert_int_equal(o.neg_ttl, 1000);
		options_finish(&o);
	}
}

static void test_types(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	put(file,
	    "defaults: { ro = true; cto = false; direct_io = true; kernel_cache = "
	    "false;\n"
	    "netrc = true; epsv = false; tls = \"implicit\"; umask = \"027\"; port = "
	    "2121;\n"
	    "statfs_size = 10000000000L; readahead = \"1M\"; cred = \"/c\"; nodelete = "
	    "\"yes\";\n"
	    "allow_other = true; nosuid = false; max_read = 65536; fsname = \"a,b\"; "
	    "};\n",
	    0644);
	assert_int_equal(parse(&o, &w, "h:", "dev"), 0);
	assert_true(o.ro && !o.cto && o.nodelete);
	assert_int_equal(o.page_cache, CACHE_DIRECT);
	assert_string_equal(o.netrc, "");
	assert_int_equal(o.epsv, TRI_NO);
	assert_int_equal(o.tls, TLS_IMPLICIT);
	assert_int_equal(o.umask, 027);
	assert_int_equal(o.port, 2121);
	assert_true(o.statfs_size == 10000000000ull);
	assert_int_equal(o.readahead, 1 << 20);
	assert_string_equal(o.credentials, "/c");
	assert_string_equal(o.fuse.argv[2], "dev,allow_other,max_read=65536,fsname=a\\,b,"
					    "subtype=ftpsfs,ro");
	options_finish(&o);

	assert_refused("defaults: {\n umask = 022; };", -EINVAL,
		       "file.conf:2: umask wants text in quotes");
	assert_refused("defaults: { tls_min = 1.2; };", -EINVAL,
		       ":1: tls_min wants text in quotes");
	assert_refused("defaults: { user = 7; };", -EINVAL, "user wants text in quotes");
	assert_refused("defaults: { user = true; };", -EINVAL,
		       "user wants text in quotes");
	assert_refused("defaults: { ro = 1; };", -EINVAL, "ro wants true or false");
	assert_refused("defaults: { port = true; };", -EINVAL, "port wants a number");
	assert_refused("defaults: { port = 2.5; };", -EINVAL, "port wants a number");
	assert_refused("defaults: { dir_ttl = { x = 1; }; };", -EINVAL,
		       "dir_ttl wants seconds");
	assert_refused("defaults: { readahead = [ 1, 2 ]; };", -EINVAL,
		       "readahead wants a number");
	assert_refused("defaults: { allow_other = [ 1 ]; };", -EINVAL,
		       "wants a single value");
	assert_refused("defaults: { port = 0; };", -EINVAL,
		       "file.conf:1: port=0: must be 1 to 65535");
	assert_refused("defaults: { port = -5; };", -EINVAL, "port=-5: not a number");
}

/* Lists of texts for the rows that add up; the first matching host's counts. */
static void test_lists(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	put(etc,
	    "defaults : { quote = [ \"A 1\", \"B\" ]; pin = ( \"sha256:X\", \"sha256:Y\" "
	    "); };\n"
	    "hosts = ( { match = \"h\"; quote = [ \"C\", \"D\" ]; },\n"
	    "          { match = \"*\"; quote = [ \"E\" ]; } );\n",
	    0644);
	assert_int_equal(parse(&o, &w, "h:", "ro"), 0);
	assert_string_equal(o.quote, "C\nD");
	assert_string_equal(o.pin, "sha256:X;sha256:Y");
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "other:", "ro"), 0);
	assert_string_equal(o.quote, "E");
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "quote=F"), 0);
	assert_string_equal(o.quote, "F");
	options_finish(&o);
	clear(state);
	put(file, "defaults : { quote = \"A\"; };\n", 0644);
	assert_int_equal(parse(&o, &w, "h:", "ro"), 0);
	assert_string_equal(o.quote, "A");
	options_finish(&o);
	clear(state);
	assert_refused("defaults : { quote = [ 1, 2 ]; };", -EINVAL, "list of texts");
	assert_refused("defaults : { quote = 1; };", -EINVAL, "list of such");
	assert_refused("defaults : { cert = [ \"a\", \"b\" ]; };", -EINVAL,
		       "text in quotes");
}

static void test_mistakes(void **state)
{
	(void)state;
	assert_refused(
		"defaults: {\n\n max_con = 3; };", -EINVAL,
		"file.conf:3: unknown option 'max_con': did you mean 'max_conns'?");
	assert_refused("defualts: { };", -EINVAL,
		       ":1: unknown name 'defualts': did you mean 'defaults'?");
	assert_refused("max_conns = 3;", -EINVAL,
		       "options stand inside defaults or hosts");
	assert_refused("defaults = ( 1 );", -EINVAL, "defaults wants a group");
	assert_refused("hosts: { };", -EINVAL, "hosts wants a list");
	assert_refused("hosts = ( 1 );", -EINVAL, "hosts wants a list of groups");
	assert_refused("hosts = ( { user = \"x\"; } );", -EINVAL, "has no match");
	assert_refused("hosts = ( { match = 1; } );", -EINVAL, "match wants text");
	assert_refused("hosts = ( { match = [ 1 ]; } );", -EINVAL, "match wants text");
	assert_refused("defaults: {\n user = ;\n};", -EINVAL,
		       "file.conf:2: syntax error");
	assert_refused("@include \"/nonexistent\"\n", -EINVAL,
		       "file.conf:1: cannot open include file");
	/* in the group of another host, too */
	assert_refused("hosts = (\n { match = \"x\";\n max_con = 3; } );", -EINVAL,
		       "file.conf:3: unknown");
	assert_refused("hosts = ( { match = \"x\"; port = 0; } );", -EINVAL, "port=0");
}

static void test_other_hosts_set_nothing(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	put(file,
	    "hosts = ( { match = \"x\"; port = 7; user = \"u\"; allow_other = true; ro = "
	    "true; } );",
	    0644);
	assert_int_equal(parse(&o, &w, "h:", "dev"), 0);
	assert_int_equal(o.port, 21);
	assert_null(o.user);
	assert_false(o.ro);
	assert_string_equal(o.fuse.argv[2], "dev,fsname=h:,subtype=ftpsfs");
	options_finish(&o);
}

static void test_files(void **state)
{
	struct options o;
	struct words w;
	FILE *f;

	(void)state;
	assert_int_equal(parse(&o, &w, "h:", "rw"), 0); /* none there */
	options_finish(&o);
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(config_load(&o, "/nonexistent", RANK_FILE, true, &w), -ENOENT);
	assert_int_equal(config_load(&o, "/nonexistent", RANK_USER, false, &w), 0);
	assert_int_equal(config_load(&o, "/tmp", RANK_FILE, true, &w), -EISDIR);
	assert_string_equal(w.text, "/tmp: Is a directory");
	assert_int_equal(config_load(&o, "/dev/zero", RANK_FILE, true, &w), -EINVAL);
	assert_string_equal(w.text, "/dev/zero: too large for a configuration file");
	f = fopen(file, "w");
	assert_non_null(f);
	fwrite("a\0b", 1, 3, f);
	fclose(f);
	assert_int_equal(config_load(&o, file, RANK_FILE, true, &w), -EINVAL);
	assert_non_null(strstr(w.text, "NUL"));
	options_finish(&o);
}

static void test_passwords(void **state)
{
	static const char text[] = "defaults: { password = \"s3\"; };";
	struct options o;
	struct words w;
	char include[256];

	(void)state;
	put(file, text, 0600);
	assert_int_equal(parse(&o, &w, "h:", "rw"), 0);
	assert_string_equal(o.password, "s3");
	assert_false(o.password_exposed);
	options_finish(&o);
	for (mode_t mode = 0640; mode; mode = mode == 0640 ? 0604 : 0) {
		put(file, text, mode);
		assert_int_equal(parse(&o, &w, "h:", "rw"), -EACCES);
		assert_non_null(strstr(
			w.text,
			"file.conf holds a password and others can read it: chmod 600 "));
	}
	/* a group that does not match is as readable */
	put(file, "hosts = ( { match = \"x\"; pass = \"s3\"; } );", 0644);
	assert_int_equal(parse(&o, &w, "h:", "rw"), -EACCES);
	/* it is the file that holds it that counts */
	put(user, "pass = \"s3\";", 0644);
	snprintf(include, sizeof(include), "defaults: {\n@include \"%s\"\n};", user);
	put(file, include, 0600);
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(config_load(&o, file, RANK_FILE, true, &w), -EACCES);
	assert_non_null(strstr(w.text, "user.conf holds a password"));
	assert_int_equal(chmod(user, 0600), 0);
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(config_load(&o, file, RANK_FILE, true, &w), 0);
	assert_string_equal(o.password, "s3");
	options_finish(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_precedence, clear),
		cmocka_unit_test_teardown(test_origins, clear),
		cmocka_unit_test_teardown(test_hosts, clear),
		cmocka_unit_test_teardown(test_types, clear),
		cmocka_unit_test_teardown(test_lists, clear),
		cmocka_unit_test_teardown(test_mistakes, clear),
		cmocka_unit_test_teardown(test_other_hosts_set_nothing, clear),
		cmocka_unit_test_teardown(test_files, clear),
		cmocka_unit_test_teardown(test_passwords, clear),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
