/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: -o words, checks, what is shown. No file is read; sources:
 * test-source.c. */
#include "fs/options_row.h"
#include "tls/trust.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "command-line.h"

static struct line used; /* the last command line, after the parse */

static void assert_refused(const char *opts, const char *part)
{
	struct options o;
	struct words w;
	int r = parse(&o, &w, "host:", "/mnt", "-o", opts, NULL);

	if (r != -EINVAL || !strstr(w.text, part)) {
		fail_msg("-o %s: %d '%s', wanted '%s'", opts, r, w.text, part);
	}
	options_finish(&o); /* left zeroed: must be harmless */
}

static void test_values(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_int_equal(
		parse(&o, &w, "h:", "/m", "-o",
		      "connect_timeout=500ms,io_timeout=45,keepalive=5m,idle_timeout=1h,"
		      "readahead=128K,read_budget=1G,statfs_size=2t,max_conns=8,retry=0,"
		      "umask=027,dmask=0077,uid=0,gid=7,prot=c,tls_min=1.0,tls_max=1.2,"
		      "session_reuse=require,epsv=no,pipelining=YES,list=mlsd,nocto,"
		      "direct_io,ipv6,loglevel=trace,streams=1,neg_ttl=0,noperm_errors",
		      NULL),
		0);
	assert_int_equal(o.connect_timeout, 500);
	assert_int_equal(o.io_timeout, 45000);
	assert_int_equal(o.keepalive, 300000);
	assert_int_equal(o.idle_timeout, 3600000);
	assert_int_equal(o.readahead, 128 << 10);
	assert_int_equal(o.read_budget, 1 << 30);
	assert_true(o.statfs_size == 2ull << 40);
	assert_int_equal(o.max_conns, 8);
	assert_int_equal(o.retry, 0);
	assert_int_equal(o.umask, 027);
	assert_int_equal(o.fmask, 027); /* not given: the umask */
	assert_int_equal(o.dmask, 077);
	assert_int_equal(o.uid, 0);
	assert_int_equal(o.gid, 7);
	assert_int_equal(o.prot, PROT_CLEAR);
	assert_int_equal(o.tls_min, 0);
	assert_int_equal(o.tls_max, 2);
	assert_int_equal(o.session_reuse, TRI_YES);
	assert_int_equal(o.epsv, TRI_NO);
	assert_int_equal(o.pipelining, TRI_YES);
	assert_int_equal(o.list, LIST_MLSD);
	assert_false(o.cto);
	assert_int_equal(o.page_cache, CACHE_DIRECT);
	assert_int_equal(o.family, IP_V6);
	assert_int_equal(o.loglevel, LEVEL_TRACE);
	assert_int_equal(o.neg_ttl, 0);
	assert_true(o.noperm_errors);
	options_finish(&o);
}

static void test_defaults(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_int_equal(parse(&o, &w, "h:", "/m", NULL), 0);
	assert_int_equal(o.tls, TLS_EXPLICIT);
	assert_int_equal(o.prot, PROT_PRIVATE);
	assert_int_equal(o.session_reuse, TRI_AUTO); /* yes */
	assert_int_equal(o.tls_min, 2);
	assert_int_equal(o.tls_max, 3);
	assert_int_equal(o.connect_timeout, 10000);
	assert_int_equal(o.io_timeout, 30000);
	assert_int_equal(o.keepalive, 60000);
	assert_int_equal(o.idle_timeout, 300000);
	assert_int_equal(o.max_conns, 4);
	assert_int_equal(o.retry, 3);
	assert_int_equal(o.uid, getuid());
	assert_int_equal(o.umask, 022);
	assert_int_equal(o.dir_ttl, 30000);
	assert_int_equal(o.neg_ttl, 5000);
	assert_true(o.cto);
	assert_int_equal(o.page_cache, CACHE_AUTO);
	assert_int_equal(o.readahead, 8 << 20);
	assert_int_equal(o.read_budget, 128 << 20);
	assert_int_equal(o.streams, 2);
	assert_string_equal(o.spool_dir, "/var/tmp");
	assert_null(o.user);
	assert_null(o.netrc);
	assert_false(o.ro || o.nodelete || o.anonymous || o.syslog || o.delay_connect);
	options_finish(&o);
}

/* Other names, words for others, and which of two words holds. */
static void test_aliases(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_int_equal(parse(&o, &w, "h:", "/m", "-o",
			       "nconnect=2,username=al,cred=/c,actimeo=9,"
			       "no_verify_peer,no_verify_hostname",
			       NULL),
			 0);
	assert_int_equal(o.max_conns, 2);
	assert_string_equal(o.user, "al");
	assert_string_equal(o.credentials, "/c");
	assert_int_equal(o.dir_ttl, 9000);
	assert_true(o.insecure_no_verify_peer && o.insecure_no_verify_hostname);
	options_finish(&o);
	assert_int_equal(
		parse(&o, &w, "h:", "/m", "-o", "dcache_timeout=4,cache_timeout=5", NULL),
		0);
	assert_int_equal(o.dir_ttl, 5000);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m", "-o", "dir_ttl=4,noac,ro", "-w", NULL),
			 0);
	assert_int_equal(o.dir_ttl, 0);
	assert_false(o.ro);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m", "-o", "nocto,cto,netrc", NULL), 0);
	assert_true(o.cto);
	assert_string_equal(o.netrc, "");
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m", "-o", "netrc=/n", NULL), 0);
	assert_string_equal(o.netrc, "/n");
	options_finish(&o);
}

static void test_paths(void **state)
{
	struct options o;
	struct words w;
	char cwd[4096], want[4200];

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	setenv("HOME", "/home/al", 1);
	assert_int_equal(
		parse(&o, &w, "h:", "mnt", "-o", "cacert=~/ca.pem,logfile=log", NULL), 0);
	assert_string_equal(o.cacert, "/home/al/ca.pem");
	snprintf(want, sizeof(want), "%s/log", cwd);
	assert_string_equal(o.logfile, want);
	snprintf(want, sizeof(want), "%s/mnt", cwd);
	assert_string_equal(o.mountpoint, want);
	options_finish(&o);
}

static void test_refused(void **state)
{
	(void)state;
	assert_refused("max_conns=abc", "max_conns=abc: not a number");
	assert_refused("max_conns=0", "max_conns=0: must be 1 to 64");
	assert_refused("nconnect=65", "nconnect=65: must be 1 to 64");
	assert_refused("max_conns=-1", "not a number");
	assert_refused("max_conns=+1", "not a number");
	assert_refused("max_conns= 1", "not a number");
	assert_refused("max_conns=4x", "not a number");
	assert_refused("max_conns=99999999999999999999", "too large");
	assert_refused("max_conns", "needs a value: max_conns=N");
	assert_refused("max_conns=", "not a number");
	assert_refused("io_timeout=5y", "unknown unit 'y'");
	assert_refused("io_timeout=0", "must be 1s to 1h");
	assert_refused("dir_ttl=99999999999999999d", "too large");
	assert_refused("readahead=1", "must be 128K to 1G");
	assert_refused("readahead=16384P", "too large");
	assert_refused("umask=8", "not an octal number");
	assert_refused("umask=1000", "must be 0 to 0777");
	assert_refused("umask=", "not an octal number");
	assert_refused("tls=ssl", "must be one of explicit, implicit, none");
	assert_refused("ro=perhaps", "takes no value");
	assert_refused("cacert=", "is empty");
	assert_refused("user=a\nb", "line break");
	assert_refused("uid=4294967295", "must be 0 to 4294967294");
	assert_refused("tls_min=1.3,tls_max=1.2", "tls_min is above tls_max");
	assert_refused("readahead=8M,read_budget=4M", "read_budget is below readahead");
	assert_refused("ipv4,ipv6", "ipv6: contradicts ipv4");
	assert_refused("direct_io,kernel_cache", "kernel_cache: contradicts direct_io");
	assert_refused("anonymous,user=al", "anonymous and user=al contradict");
	assert_refused("syslog,logfile=/x", "contradict");
}

/* What the server's part of the options cannot be. */
static void test_server_refused(void **state)
{
	(void)state;
	assert_refused("bind=nonsense", "bind=nonsense: not an IPv4 or IPv6 address");
	assert_refused("bind=::1,ipv4", "bind=::1 and ipv4 contradict");
	assert_refused("bind=192.0.2.1,ipv6", "bind=192.0.2.1 and ipv6 contradict");
	assert_refused("active_addr=host", "active_addr=host: not an");
	assert_refused("pasv_addr=somewhere", "pasv_addr=somewhere: not an");
	assert_refused("proxy=ftp://p:1", "socks5h://host:port");
	assert_refused("proxy=http://me:hunter2@p:1", "credentials file");
	assert_refused("proxy=http://p:1,active", "proxy and mode=active");
	assert_refused("tls=none,ccc=require", "ccc=require and tls=none");
	assert_refused("quote=CCC", "quote=CCC: use ccc=");
	assert_refused("quote=SITE UMASK 022,quote=auth TLS", "quote=AUTH: use tls=");
}

static void test_server_taken(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_int_equal(parse(&o, &w, "h:", "/m", "-o",
			       "bind=::1,ipv6,pasv_addr=reply,active_addr=192.0.2.1,"
			       "proxy=socks5h://me@p:1080,mode=auto,quote=CCCP 1",
			       NULL),
			 0);
	options_finish(&o);
}

/* quote and pin add up within one rank; a higher rank replaces all of it. */
static void test_repeated(void **state)
{
	struct options o;
	struct words w;
	struct server s;

	(void)state;
	assert_int_equal(options_init(&o), 0);
	assert_int_equal(options_set(&o, "quote", "A 1", RANK_ETC, "f:1", &w), 0);
	assert_int_equal(options_set(&o, "quote", "B", RANK_ETC, "f:2", &w), 0);
	assert_string_equal(o.quote, "A 1\nB");
	assert_int_equal(options_set(&o, "pin", "sha256:X", RANK_OPTION, "-o", &w), 0);
	assert_int_equal(options_set(&o, "pin", "sha256:Y", RANK_OPTION, "-o", &w), 0);
	assert_string_equal(o.pin, "sha256:X;sha256:Y");
	assert_int_equal(options_set(&o, "quote", "C", RANK_OPTION, "-o", &w), 0);
	assert_string_equal(o.quote, "C");
	assert_int_equal(options_set(&o, "quote", "D", RANK_ETC, "f:3", &w), 0);
	assert_string_equal(o.quote, "C");
	assert_int_equal(options_set(&o, "quote", "E", RANK_OPTION, "-o", &w), 0);
	options_server(&o, &s);
	assert_string_equal(s.quote, "C\nE");
	assert_int_equal(options_set(&o, "quote", "F\nG", RANK_OPTION, "-o", &w),
			 -EINVAL);
	/* Other rows: the last word. */
	assert_int_equal(options_set(&o, "cert", "/a", RANK_OPTION, "-o", &w), 0);
	assert_int_equal(options_set(&o, "cert", "/b", RANK_OPTION, "-o", &w), 0);
	assert_string_equal(o.cert, "/b");
	options_finish(&o);
}

static void check_tls_max(const char *opts, unsigned want)
{
	struct options o;
	struct words w;

	assert_int_equal(parse(&o, &w, "h:", "/m", "-o", opts, NULL), 0);
	assert_int_equal(o.tls_max, want);
	options_finish(&o);
}

static void test_ccc(void **state)
{
	(void)state;
	check_tls_max("ccc=no", 3);
	check_tls_max("ccc=yes", 2);
	check_tls_max("ccc=require", 2);
	check_tls_max("ccc=require,tls_max=1.3", 3);
	check_tls_max("ccc=require,tls_min=1.3", 3);
}

static void test_did_you_mean(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_refused("maxconns=3",
		       "unknown option 'maxconns': did you mean 'max_conns'?");
	assert_refused("conect_timeout=3", "did you mean 'connect_timeout'?");
	assert_refused("charset=CP1259", "iconv does not know it: did you mean CP125");
	assert_refused("codepage=xyzzy", "iconv -l lists what it knows");
	assert_refused("charset=UTF-16", "ASCII is something else there");
	assert_refused("timezone=CET", "use auto, UTC or an offset such as +02:00");
	assert_refused("nconect=3", "did you mean 'max_conns'?"); /* by its alias */
	assert_refused("alow_other", "did you mean 'allow_other'?");
	assert_refused("frobnicate",
		       "unknown option 'frobnicate': ftpsfs --help lists them");
	assert_refused("max_write=65536",
		       "unknown option 'max_write'"); /* libfuse refuses it */
	assert_refused("_netdev=1", "unknown option");
	assert_int_equal(parse(&o, &w, "--hlep", NULL), -EINVAL);
	assert_string_equal(w.text, "unknown argument '--hlep': did you mean '--help'?");
	assert_int_equal(parse(&o, &w, "h:", "/m", "-z", NULL), -EINVAL);
	assert_string_equal(w.text, "unknown argument '-z'");
}

static void test_arguments(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_int_equal(parse(&o, &w, "-n", "-v", "-r", "-s", "-f", "h:", "-p2121", "/m",
			       "-F", "/dev/null", NULL),
			 0);
	assert_true(o.ro && o.single_thread && o.foreground && !o.debug);
	assert_int_equal(o.loglevel, LEVEL_INFO);
	assert_int_equal(o.port, 2121);
	assert_string_equal(o.config_file, "/dev/null");
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m", "-d", NULL), 0);
	assert_true(o.debug && o.foreground);
	assert_int_equal(o.loglevel, LEVEL_DEBUG);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m", "-d", "-ologlevel=trace", "-w", NULL),
			 0);
	assert_int_equal(o.loglevel, LEVEL_TRACE);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "-f", "--", "h:", "-odd", NULL), 0);
	assert_non_null(strstr(o.mountpoint, "/-odd"));
	options_finish(&o);

	assert_int_equal(parse(&o, &w, "--help", NULL), 0);
	assert_true(o.show_help);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "-V", NULL), 0);
	assert_true(o.show_version);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "--print-options", NULL), 0);
	assert_true(o.print_options);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "--print-config", NULL), 0);
	assert_true(o.print_config);
	assert_int_equal(o.port, 21);
	options_finish(&o);

	assert_int_equal(parse(&o, &w, NULL), -EINVAL);
	assert_non_null(strstr(w.text, "no source given"));
	assert_int_equal(parse(&o, &w, "h:", NULL), -EINVAL);
	assert_non_null(strstr(w.text, "no mount point given"));
	assert_int_equal(parse(&o, &w, "h:", "/m", "more", NULL), -EINVAL);
	assert_non_null(strstr(w.text, "too many arguments: 'more'"));
	assert_int_equal(parse(&o, &w, "h:", "/m", "-o", NULL), -EINVAL);
	assert_string_equal(w.text, "-o: needs an argument");
	assert_int_equal(parse(&o, &w, "h:", "/m", "-F", "/nonexistent", NULL), -ENOENT);
	assert_non_null(strstr(w.text, "/nonexistent: No such file"));
	assert_null(o.host);
}

static void test_fuse_and_fstab(void **state)
{
	struct options o;
	struct words w;

	(void)state;
	assert_int_equal(parse(&o, &w, "al@h:/a,b", "/m", "-o",
			       "rw,nosuid,nodev,allow_other,_netdev,nofail,noauto,user,"
			       "users,owner,"
			       "group,defaults,auto,relatime,x-systemd.automount,x-foo=1,"
			       "comment=hi,"
			       "max_read=65536,ro",
			       NULL),
			 0);
	assert_int_equal(o.fuse.argc, 3);
	assert_string_equal(o.fuse.argv[0], "ftpsfs");
	assert_string_equal(o.fuse.argv[1], "-o");
	assert_string_equal(o.fuse.argv[2], "nosuid,nodev,allow_other,max_read=65536,"
					    "fsname=al@h:/a\\,b,subtype=ftpsfs,ro");
	assert_true(o.ro);
	assert_string_equal(o.user, "al");
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m", "-ofsname=x,subtype=y", NULL), 0);
	assert_string_equal(o.fuse.argv[2], "fsname=x,subtype=y");
	options_finish(&o);
	/* the bare word of fstab is not a login name */
	assert_int_equal(parse(&o, &w, "h:", "/m", "-ouser", NULL), 0);
	assert_null(o.user);
	options_finish(&o);
}

static void test_server_and_trust(void **state)
{
	struct options o;
	struct words w;
	struct server s;
	struct trust_config t;

	(void)state;
	assert_int_equal(parse(&o, &w, "ftps://al@h/d", "/m", "-o",
			       "prot=C,ipv4,account=ac,cacert=/ca,"
			       "tls_hostname=n,tls_min=1.3,tls_priority=NORMAL,no_verify_"
			       "peer,list=list",
			       NULL),
			 0);
	options_server(&o, &s);
	assert_string_equal(s.host, "h");
	assert_int_equal(s.port, 990);
	assert_int_equal(s.family, AF_INET);
	assert_int_equal(s.tls, TLS_IMPLICIT);
	assert_true(s.prot_clear);
	assert_string_equal(s.user, "al");
	assert_null(s.password);
	assert_string_equal(s.account, "ac");
	assert_string_equal(s.dir, "/d");
	assert_int_equal(s.list, LIST_LIST);
	assert_int_equal(s.io_timeout, 30000);
	assert_int_equal(s.max_conns, 4);
	options_trust(&o, &t);
	assert_string_equal(t.cacert, "/ca");
	assert_string_equal(t.tls_hostname, "n");
	assert_string_equal(t.tls_min, "1.3");
	assert_string_equal(t.tls_max, "1.3");
	assert_string_equal(t.priority, "NORMAL");
	assert_true(t.insecure_no_verify_peer);
	assert_false(t.insecure_no_verify_hostname);
	options_finish(&o);
}

struct lines {
	unsigned n;
	char all[2048];
};

static void collect(void *arg, enum log_level level, const char *text)
{
	struct lines *l = arg;

	assert_int_equal(level, LEVEL_WARN);
	l->n++;
	strncat(l->all, text, sizeof(l->all) - strlen(l->all) - 1);
}

static void test_warnings(void **state)
{
	struct options o;
	struct words w;
	struct lines got = { 0 };
	struct log_hook hook = { collect, &got, LEVEL_WARN };

	(void)state;
	assert_int_equal(parse(&o, &w, "h:", "/m", NULL), 0);
	options_warn(&o, &hook);
	assert_int_equal(got.n, 0);
	options_finish(&o);
	assert_int_equal(parse(&o, &w, "h:", "/m",
			       "-oprot=C,no_verify_peer,pass=s3,tls_min=1.1", NULL),
			 0);
	options_warn(&o, &hook);
	assert_int_equal(got.n, 4);
	assert_non_null(strstr(got.all, "prot=C"));
	assert_non_null(strstr(got.all, "insecure_no_verify_peer"));
	assert_non_null(strstr(got.all, "credentials=FILE"));
	assert_null(strstr(got.all, "s3"));
	options_finish(&o);
	got = (struct lines){ 0 };
	assert_int_equal(parse(&o, &w, "h:", "/m", "-otls=none,no_verify_hostname", NULL),
			 0);
	options_warn(&o, &hook);
	assert_int_equal(got.n, 1);
	assert_non_null(strstr(got.all, "tls=none"));
	options_finish(&o);
}

/* What f writes, in fresh memory. */
static char *shown(void (*f)(const struct options *, FILE *), const struct options *o)
{
	char *text = NULL;
	size_t len;
	FILE *mem = open_memstream(&text, &len);

	assert_non_null(mem);
	f(o, mem);
	fclose(mem);
	return text;
}

static void help(const struct options *o, FILE *f)
{
	(void)o;
	options_help(f);
}

static void list(const struct options *o, FILE *f)
{
	(void)o;
	options_list(f);
}

static void test_shown(void **state)
{
	struct options o;
	struct words w;
	size_t n;
	const struct option_row *rows = option_rows(&n);
	char *text;

	(void)state;
	assert_int_equal(parse(&o, &w, "al@h:", "/m",
			       "-opass=s3cret,dir_ttl=90,nocto,direct_io", NULL),
			 0);
	text = shown(options_print, &o);
	assert_null(strstr(text, "s3cret"));
	assert_non_null(strstr(text, "password=*** "));
	assert_non_null(strstr(text, "\ndir_ttl=90s "));
	assert_non_null(strstr(text, "\nnocto  "));
	assert_non_null(strstr(text, "\ndirect_io  "));
	assert_non_null(
		strstr(text, "\nuser=al                                 # source\n"));
	assert_non_null(
		strstr(text, "max_conns=4                             # built in\n"));
	free(text);
	options_finish(&o);

	text = shown(help, NULL);
	for (size_t i = 0; i < n; i++) {
		char want[64];

		snprintf(want, sizeof(want), "\n  %s", rows[i].name);
		assert_non_null(strstr(text, want));
	}
	free(text);
	text = shown(list, NULL);
	assert_non_null(strstr(text, "\ndir_ttl dcache_timeout cache_timeout actimeo\n"));
	assert_non_null(strstr(text, "\nnetrc\n"));
	free(text);
}

/* The table itself: what the code takes for granted about its rows. */
static void test_table(void **state)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct option_row *row = &rows[i];
		union option_value v = { 0 };

		assert_ptr_equal(option_find(row->name, strlen(row->name)), row);
		assert_true((row->flags & ROW_BARE) ? row->implied && !row->metavar
						    : row->metavar != NULL);
		assert_int_equal(option_leader(row)->kind, row->kind);
		if (row->def && row->def[0] != '(') {
			assert_int_equal(option_value_parse(row, row->def, &v, NULL), 0);
		}
		if (row->kind == KIND_STRING) {
			free(v.s);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_server_refused),
		cmocka_unit_test(test_server_taken),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_ccc),
		cmocka_unit_test(test_did_you_mean),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_fuse_and_fstab),
		cmocka_unit_test(test_server_and_trust),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
