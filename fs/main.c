/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments, the first connection, the fork, the session loop, the end. The only file
 * that prints to a terminal. */
#include "fs/bdi.h"
#include "fs/dir.h"
#include "fs/file.h"
#include "fs/flush.h"
#include "fs/log.h"
#include "fs/mount.h"
#include "fs/notify.h"
#include "fs/options.h"
#include "fs/probe.h"
#include "fs/room.h"
#include "fs/secret.h"
#include "fs/writeback.h"
#include "tls/trust.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/xattr.h>

/* mount(8) */
enum { EXIT_USAGE = 1, EXIT_SYSTEM = 2, EXIT_MOUNT = 32 };

enum {
	THREADS_MAX =
		64, /* with libfuse's 10, a dozen stuck reads freeze stat for seconds */
	WRITE_MAX = 1024 * 1024,
	KERNEL_READAHEAD_KIB = 1024,
};

/* Everything that lives as long as the mount, torn down in reverse by program_finish().
 */
struct program {
	struct options opt;
	struct log log;
	struct trust *trust;
	struct server server;
	struct mount mount;
	bool tree, signals, mounted;
	pthread_t hangups;
	bool hears_hangups;
	struct words words;
};

static int complain(const struct words *words, int status)
{
	fprintf(stderr, "ftpsfs: %s\n", words->text[0] ? words->text : "out of memory");
	return status;
}

static void print_line(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	fprintf(stderr, "ftpsfs: %s%s\n", level <= LEVEL_WARN ? "warning: " : "", text);
}

/* ---- session ---- */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_write = WRITE_MAX;
}

static void fill_ops(struct fuse_lowlevel_ops *ops)
{
	*ops = (struct fuse_lowlevel_ops){ .init = op_init };
	ops_tree_fill(ops);
	ops_dir_fill(ops);
	ops_file_fill(ops);
	ops_xattr_fill(ops);
}

static int session_loop(struct program *p)
{
	struct fuse_loop_config *config;
	int r;

	if (p->opt.single_thread) {
		return fuse_session_loop(p->mount.se);
	}
	config = fuse_loop_cfg_create();
	if (!config) {
		return -ENOMEM;
	}
	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
	r = fuse_session_loop_mt(p->mount.se, config);
	fuse_loop_cfg_destroy(config);
	return r;
}

/* SIGHUP forgets listings and a refused password. It is blocked everywhere and awaited
 * here, so that what it does need not be async-signal-safe. SIGUSR2 ends this thread. */
static void *hangup_thread(void *arg)
{
	struct program *p = arg;
	sigset_t set;
	int sig = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	while (sigwait(&set, &sig) == 0 && sig == SIGHUP) {
		hook_printf(p->mount.hook, LEVEL_INFO, "SIGHUP: listings forgotten");
		flush_all(&p->mount);
		pool_forgive(remote_pool(p->mount.remote));
	}
	return NULL;
}

static void hear_hangups(struct program *p)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	p->hears_hangups = pthread_create(&p->hangups, NULL, hangup_thread, p) == 0;
}

/* ---- start ---- */

static int start_log(struct program *p)
{
	bool stays = p->opt.foreground || p->opt.debug || p->opt.probe;
	enum log_mode mode = p->opt.logfile	       ? LOG_TO_FILE
			     : stays && !p->opt.syslog ? LOG_TO_STDERR
						       : LOG_TO_SYSLOG;
	struct log_hook terminal = { .line = print_line, .level = LEVEL_WARN };
	int r = log_open(&p->log, mode, p->opt.logfile, p->opt.loglevel, &p->words);

	if (r < 0) {
		return complain(&p->words, EXIT_USAGE);
	}
	p->mount.hook = log_hook(&p->log);
	options_warn(&p->opt, &terminal);
	return 0;
}

/* Passwords are in our memory from now on: no core dump, no ptrace by the user's other
 * programs. */
static void harden(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int start_remote(struct program *p)
{
	struct trust_config config = { 0 };
	int r;

	if (secret_find(&p->opt, isatty(STDIN_FILENO) || isatty(STDERR_FILENO),
			&p->words) < 0) {
		return complain(&p->words, EXIT_MOUNT);
	}
	options_trust(&p->opt, &config);
	config.hook = p->mount.hook;
	if (p->opt.tls != TLS_NONE && trust_new(&config, &p->trust, &p->words) < 0) {
		return complain(&p->words, EXIT_USAGE);
	}
	options_server(&p->opt, &p->server);
	p->server.trust = p->trust;
	p->server.hook = p->mount.hook;
	r = remote_new(&p->server, &p->mount.remote);
	if (r == 0 && !p->opt.delay_connect) {
		r = remote_connect(p->mount.remote, NULL, &p->words);
	}
	if (r < 0 && !p->words.text[0]) {
		words_set(&p->words, "cannot connect to %s: %s", p->server.host,
			  strerror(-r));
	}
	return r < 0 ? complain(&p->words, EXIT_MOUNT) : 0;
}

static int start_mount(struct program *p, const struct fuse_lowlevel_ops *ops)
{
	struct mount *m = &p->mount;

	m->opt = &p->opt;
	m->uid = p->opt.uid;
	m->gid = p->opt.gid;
	m->auto_cache = p->opt.page_cache == CACHE_AUTO;
	m->misses = misses_new();
	m->room = room_new(m->remote);
	if (!m->misses || !m->room || tree_init(&m->tree) < 0) {
		return complain(&p->words, EXIT_SYSTEM);
	}
	p->tree = true;
	m->tree.max_nodes = p->opt.dir_cache_max;
	if (p->opt.write == WRITE_BACK && writeback_new(m, &m->back, &p->words) < 0) {
		return complain(&p->words, EXIT_SYSTEM);
	}
	m->se = fuse_session_new(&p->opt.fuse, ops, sizeof(*ops), m);
	if (!m->se) {
		words_set(&p->words, "libfuse refused the mount options");
		return complain(&p->words, EXIT_USAGE);
	}
	if (fuse_set_signal_handlers(m->se) < 0) {
		words_set(&p->words, "cannot set signal handlers");
		return complain(&p->words, EXIT_SYSTEM);
	}
	p->signals = true;
	if (fuse_session_mount(m->se, p->opt.mountpoint) < 0) {
		/* libfuse has printed the reason. */
		words_set(&p->words, "cannot mount on %s", p->opt.mountpoint);
		return complain(&p->words, EXIT_MOUNT);
	}
	p->mounted = true;
	return 0;
}

static int serve(struct program *p)
{
	int r;

	if (fuse_daemonize(p->opt.foreground || p->opt.debug) < 0) {
		words_set(&p->words, "cannot go into the background");
		return complain(&p->words, EXIT_SYSTEM);
	}
	secret_relock(p->opt.password);
	secret_relock(p->opt.key_password);
	secret_relock(p->opt.proxy_password);
	hear_hangups(p);
	r = remote_start(p->mount.remote);
	if (r == 0 && p->mount.back) {
		r = writeback_start(p->mount.back);
	}
	if (r == 0) {
		/* A thread that waits for the kernel wants another one to answer it. */
		r = p->opt.single_thread ? 0 : notify_start(&p->mount);
	}
	if (r == 0) {
		hook_printf(p->mount.hook, LEVEL_INFO, "%s mounted on %s", p->opt.source,
			    p->opt.mountpoint);
		(void)bdi_set_readahead(p->opt.mountpoint, KERNEL_READAHEAD_KIB);
		r = session_loop(p);
		hook_printf(p->mount.hook, LEVEL_INFO, "%s unmounted", p->opt.mountpoint);
	}
	/* > 0 is the signal that ended the loop: an orderly end. */
	return r < 0 ? EXIT_SYSTEM : 0;
}

static void program_finish(struct program *p)
{
	struct mount *m = &p->mount;
	bool quiet = !p->tree || notify_stop(m);

	if (p->mounted) {
		fuse_session_unmount(m->se);
		writeback_finish(steal(&m->back));
		file_settle_all(m);
	}
	writeback_finish(m->back);
	if (p->hears_hangups) {
		pthread_kill(p->hangups, SIGUSR2);
		pthread_join(p->hangups, NULL);
	}
	if (m->remote) {
		remote_shutdown(m->remote);
	}
	if (p->signals) {
		fuse_remove_signal_handlers(m->se);
	}
	if (m->se && quiet) {
		fuse_session_destroy(m->se);
	}
	if (p->tree && quiet) {
		tree_finish(&m->tree);
	}
	misses_free(m->misses);
	room_free(m->room);
	remote_free(m->remote);
	trust_free(p->trust);
	log_close(&p->log);
	options_finish(&p->opt);
}

/* ---- --probe ---- */

/* The options' trust, and one that offers a single TLS version: "1.2", "1.3", or NULL for
 * what the options say. */
static int make_trust(struct program *p, const char *version, struct trust **ret)
{
	struct trust_config config = { 0 };

	options_trust(&p->opt, &config);
	config.hook = p->mount.hook;
	if (version) {
		config.tls_min = config.tls_max = version;
		config.priority = NULL;
	}
	return trust_new(&config, ret, &p->words);
}

static int run_probe(struct program *p)
{
	_cleanup_(trust_freep) struct trust *tls12 = NULL, *tls13 = NULL;
	struct probe_trusts trusts;
	bool logs = p->opt.logfile || p->opt.syslog ||
		    options_rank(&p->opt, "loglevel") != RANK_BUILTIN;

	if (secret_find(&p->opt, isatty(STDIN_FILENO) || isatty(STDERR_FILENO),
			&p->words) < 0) {
		return complain(&p->words, EXIT_USAGE);
	}
	if (make_trust(p, NULL, &p->trust) < 0 || make_trust(p, "1.2", &tls12) < 0 ||
	    make_trust(p, "1.3", &tls13) < 0) {
		return complain(&p->words, EXIT_USAGE);
	}
	trusts = (struct probe_trusts){ p->trust, tls12, tls13 };
	return probe_run(&p->opt, &trusts, logs ? p->mount.hook : NULL);
}

static int run(struct program *p)
{
	struct fuse_lowlevel_ops ops;
	int r = start_log(p);

	fill_ops(&ops);
	if (r == 0) {
		harden();
		if (p->opt.probe) {
			return run_probe(p);
		}
		r = start_remote(p);
	}
	if (r == 0) {
		r = start_mount(p, &ops);
	}
	return r ? r : serve(p);
}

/* ---- --flush ---- */

static int run_flush(const char *mountpoint)
{
	char value[16];

	if (getxattr(mountpoint, "user.ftpsfs.flush", value, sizeof(value)) >= 0) {
		return 0;
	}
	if (errno == EPERM) {
		fprintf(stderr,
			"ftpsfs: %s: only root and the user who mounted it may do this\n",
			mountpoint);
	} else if (errno == ENODATA || errno == EOPNOTSUPP) {
		fprintf(stderr, "ftpsfs: %s is not a mount of ftpsfs\n", mountpoint);
	} else {
		fprintf(stderr, "ftpsfs: %s: %s\n", mountpoint, strerror(errno));
	}
	return EXIT_USAGE;
}

/* --help and the like: true when that was all that was wanted. */
static bool only_talk(const struct options *o)
{
	if (o->show_help) {
		options_help(stdout);
	} else if (o->show_version) {
		printf("ftpsfs %s (libfuse %s)\n", FTPSFS_VERSION, fuse_pkgversion());
	} else if (o->print_options) {
		options_list(stdout);
	} else if (o->print_config) {
		options_print(o, stdout);
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct program *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		return EXIT_SYSTEM;
	}
	r = options_parse(&p->opt, argc, argv, &p->words);
	if (r < 0) {
		r = complain(&p->words, r == -ENOMEM ? EXIT_SYSTEM : EXIT_USAGE);
		free(p);
		return r;
	}
	if (only_talk(&p->opt)) {
		options_finish(&p->opt);
		free(p);
		return 0;
	}
	if (p->opt.flush) {
		r = run_flush(p->opt.mountpoint);
		options_finish(&p->opt);
	} else {
		r = run(p);
		program_finish(p);
	}
	free(p);
	return r;
}
