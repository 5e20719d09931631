/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: what mounts, where, and the order in which everything is read. */
#include "fs/config.h"
#include "fs/options_row.h"
#include "fs/secret.h"
#include "fs/source.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

static const char *const fuse_flags[] = {
	"allow_other",	"allow_root", "default_permissions",
	"auto_unmount", "dev",	      "nodev",
	"suid",		"nosuid",     "exec",
	"noexec",	"atime",      "noatime",
	"sync",		"async",      "dirsync",
};
static const char *const fuse_values[] = {
	"fsname",    "subtype",	   "max_read",	  "context",
	"fscontext", "defcontext", "rootcontext",
};
static const char *const fstab_flags[] = {
	"_netdev",	 "nofail",   "auto",	   "noauto",	 "user",
	"nouser",	 "users",    "owner",	   "noowner",	 "group",
	"nogroup",	 "defaults", "relatime",   "norelatime", "strictatime",
	"nostrictatime", "diratime", "nodiratime", "lazytime",	 "nolazytime",
};

static bool word_in(const char *const *list, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		if (strncmp(list[i], name, len) == 0 && !list[i][len]) {
			return true;
		}
	}
	return false;
}

bool option_is_fuse(const char *name, size_t len, bool has_value)
{
	return has_value ? word_in(fuse_values, ARRAY_LEN(fuse_values), name, len)
			 : word_in(fuse_flags, ARRAY_LEN(fuse_flags), name, len);
}

bool option_is_fstab(const char *name, size_t len, bool has_value)
{
	if (len > 2 && (name[0] == 'x' || name[0] == 'X') && name[1] == '-') {
		return true;
	}
	return has_value ? len == 7 && strncmp(name, "comment", 7) == 0
			 : word_in(fstab_flags, ARRAY_LEN(fstab_flags), name, len);
}

const char *const *option_fuse_words(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(fuse_flags);
	return fuse_flags;
}

enum key {
	KEY_PORT,
	KEY_CONFIG,
	KEY_FOREGROUND,
	KEY_DEBUG,
	KEY_SINGLE,
	KEY_NOTHING,
	KEY_VERBOSE,
	KEY_RO,
	KEY_RW,
	KEY_HELP,
	KEY_VERSION,
	KEY_PRINT_CONFIG,
	KEY_PRINT_OPTIONS,
	KEY_PROBE,
	KEY_JSON,
	KEY_FLUSH,
};

static const struct fuse_opt cli_keys[] = {
	FUSE_OPT_KEY("-p ", KEY_PORT),
	FUSE_OPT_KEY("-F ", KEY_CONFIG),
	FUSE_OPT_KEY("-f", KEY_FOREGROUND),
	FUSE_OPT_KEY("-d", KEY_DEBUG),
	FUSE_OPT_KEY("-s", KEY_SINGLE),
	FUSE_OPT_KEY("-n", KEY_NOTHING), /* mount(8): no mtab */
	FUSE_OPT_KEY("-v", KEY_VERBOSE),
	FUSE_OPT_KEY("-r", KEY_RO),
	FUSE_OPT_KEY("-w", KEY_RW),
	FUSE_OPT_KEY("-h", KEY_HELP),
	FUSE_OPT_KEY("--help", KEY_HELP),
	FUSE_OPT_KEY("-V", KEY_VERSION),
	FUSE_OPT_KEY("--version", KEY_VERSION),
	FUSE_OPT_KEY("--print-config", KEY_PRINT_CONFIG),
	FUSE_OPT_KEY("--print-options", KEY_PRINT_OPTIONS),
	FUSE_OPT_KEY("--probe", KEY_PROBE),
	FUSE_OPT_KEY("--json", KEY_JSON),
	FUSE_OPT_KEY("--flush", KEY_FLUSH),
	FUSE_OPT_END,
};

struct cli {
	struct options *o;
	struct words *words;
	const char *source, *mountpoint; /* in argv */
	int error;
};

static int cli_nonopt(struct cli *c, const char *arg)
{
	if (!c->source) {
		c->source = arg;
	} else if (!c->mountpoint) {
		c->mountpoint = arg;
	} else {
		words_set(c->words, "too many arguments: '%s' follows the mount point",
			  arg);
		return -EINVAL;
	}
	return 0;
}

static int cli_word(struct cli *c, const char *arg)
{
	static const char *const longs[] = { "--help",	       "--version",
					     "--print-config", "--print-options",
					     "--probe",	       "--json",
					     "--flush" };
	_cleanup_free_ char *name = NULL;
	const char *equals = strchr(arg, '='), *near;
	const struct option_row *row;

	if (arg[0] == '-') {
		near = word_nearest(longs, ARRAY_LEN(longs), arg, strlen(arg));
		words_set(c->words, "unknown argument '%s'%s%s%s", arg,
			  near ? ": did you mean '" : "", near ? near : "",
			  near ? "'?" : "");
		return -EINVAL;
	}
	name = equals ? strndup(arg, (size_t)(equals - arg)) : strdup(arg);
	if (!name) {
		return -ENOMEM;
	}
	row = option_find(name, strlen(name));
	if (row && (row->flags & ROW_SECRET) && equals) {
		return 0; /* taken by take_secrets(); what stands here now is 'x's */
	}
	return options_set(c->o, name, equals ? equals + 1 : NULL, RANK_OPTION, "-o",
			   c->words);
}

static int cli_key(struct cli *c, int key, const char *arg)
{
	struct options *o = c->o;

	switch (key) {
	case KEY_PORT:
		return options_set(o, "port", arg + 2, RANK_OPTION, "-p", c->words);
	case KEY_CONFIG:
		free(o->config_file);
		o->config_file = option_path(arg + 2);
		return o->config_file ? 0 : -ENOMEM;
	case KEY_RO:
		return options_set(o, "ro", NULL, RANK_OPTION, "-r", c->words);
	case KEY_RW:
		return options_set(o, "rw", NULL, RANK_OPTION, "-w", c->words);
	case KEY_VERBOSE: /* weaker than a loglevel given anywhere on the command line */
		return options_set(o, "loglevel", "info", RANK_SOURCE, "-v", c->words);
	case KEY_DEBUG:
		o->debug = o->foreground = true;
		return options_set(o, "loglevel", "debug", RANK_SOURCE, "-d", c->words);
	case KEY_FOREGROUND:
		o->foreground = true;
		break;
	case KEY_SINGLE:
		o->single_thread = true;
		break;
	case KEY_HELP:
		o->show_help = true;
		break;
	case KEY_VERSION:
		o->show_version = true;
		break;
	case KEY_PRINT_CONFIG:
		o->print_config = true;
		break;
	case KEY_PRINT_OPTIONS:
		o->print_options = true;
		break;
	case KEY_PROBE:
		o->probe = true;
		break;
	case KEY_JSON:
		o->json = true;
		break;
	case KEY_FLUSH:
		o->flush = true;
		break;
	default:
		break;
	}
	return 0;
}

/* fuse_opt's callback: 0 takes the argument, -1 ends the parse. */
static int cli_arg(void *data, const char *arg, int key, struct fuse_args *out)
{
	struct cli *c = data;

	(void)out;
	if (key == FUSE_OPT_KEY_NONOPT) {
		c->error = cli_nonopt(c, arg);
	} else if (key == FUSE_OPT_KEY_OPT) {
		c->error = cli_word(c, arg);
	} else {
		c->error = cli_key(c, key, arg);
	}
	return c->error < 0 ? -1 : 0;
}

/* Undoes fuse_opt's escapes: "\," and "\054" are a comma. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' &&
		    p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
			*to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + p[3] - '0');
			p += 3;
		} else {
			p += p[0] == '\\' && p[1];
			*to++ = *p;
		}
	}
	*to = '\0';
}

/* Copies each secret of an -o group and overwrites it in place: before fuse_opt
 * reads argv, since it would leave copies in freed memory. */
static int take_secrets(struct options *o, char *group, struct words *words)
{
	char *p = group;

	while (*p) {
		char *item = p, *value;
		const struct option_row *row;

		while (*p && *p != ',') {
			p += 1 + (p[0] == '\\' && p[1]);
		}
		value = memchr(item, '=', (size_t)(p - item));
		row = value ? option_find(item, (size_t)(value - item)) : NULL;
		if (row && (row->flags & ROW_SECRET)) {
			_cleanup_secret_ char *copy = NULL;
			int r = -ENOMEM;

			value++;
			copy = secret_dup(value, (size_t)(p - value));
			memset(value, 'x', (size_t)(p - value));
			if (copy) {
				unescape(copy);
				r = options_set(o, row->name, copy, RANK_OPTION, "-o",
						words);
			}
			if (r < 0) {
				return r;
			}
			o->password_exposed = true;
		}
		p += *p == ',';
	}
	return 0;
}

/* Follows fuse_opt's own idea of which arguments are -o groups. */
static int scan_secrets(struct options *o, int argc, char **argv, struct words *words)
{
	int r = 0;

	for (int i = 1; i < argc && r == 0; i++) {
		char *a = argv[i];
		bool takes = a[0] == '-' && a[1] && strchr("opF", a[1]);

		if (strcmp(a, "--") == 0) {
			break;
		}
		if (takes && !a[2] && i + 1 == argc) {
			words_set(words, "%s: needs an argument", a);
			return -EINVAL;
		}
		if (takes && a[1] == 'o') {
			r = take_secrets(o, a[2] ? a + 2 : argv[i + 1], words);
		}
		i += takes && !a[2];
	}
	return r;
}

/* For --probe "host" and "host:port" are enough; the rest is a source as always. */
static int probe_source(struct options *o, char *text, struct words *words)
{
	_cleanup_free_ char *longer = NULL;
	char *close = strrchr(text, ']'), *colon = strchr(close ? close : text, ':');
	int r;

	if (strstr(text, "://") || strchr(text, '/')) {
		return source_parse(o, text, words);
	}
	if (!colon) {
		r = asprintf(&longer, "%s:", text);
	} else if (colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
		r = options_set(o, "port", colon + 1, RANK_SOURCE, "source", words);
		if (r < 0) {
			return r;
		}
		r = asprintf(&longer, "%.*s", (int)(colon + 1 - text), text);
	} else {
		return source_parse(o, text, words);
	}
	if (r < 0) {
		longer = NULL;
		return -ENOMEM;
	}
	return source_parse(o, longer, words);
}

static int parse_arguments(struct cli *c, int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	int r = scan_secrets(c->o, argc, argv, c->words);

	if (r < 0) {
		return r;
	}
	/* fuse_opt allocates argv[0] anew; what passes through is added later. */
	r = fuse_opt_parse(&args, c, cli_keys, cli_arg);
	fuse_opt_free_args(&args);
	if (r < 0) {
		return c->error < 0 ? c->error : -ENOMEM;
	}
	for (int i = 1; c->source && !c->o->flush && i < argc; i++) {
		if (argv[i] == c->source) {
			return c->o->probe ? probe_source(c->o, argv[i], c->words)
					   : source_parse(c->o, argv[i], c->words);
		}
	}
	return 0;
}

static int read_files(struct options *o, const char *etc_file, const char *user_file,
		      struct words *words)
{
	int r = 0;

	if (etc_file) {
		r = config_load(o, etc_file, RANK_ETC, false, words);
	}
	if (r == 0 && user_file) {
		r = config_load(o, user_file, RANK_USER, false, words);
	}
	if (r == 0 && o->config_file) {
		r = config_load(o, o->config_file, RANK_FILE, true, words);
	}
	return r;
}

static bool has_fuse_opt(const struct options *o, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = o->fuse_opts; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, len) == 0) {
			return true;
		}
	}
	return false;
}

/* fsname is the source as typed: umount and mount -a find the fstab line by it. */
static int fill_fuse_args(struct options *o, const char *program)
{
	_cleanup_free_ char *fsname = NULL;

	if (o->source && !has_fuse_opt(o, "fsname=")) {
		if (asprintf(&fsname, "fsname=%s", o->source) < 0) {
			fsname = NULL;
			return -ENOMEM;
		}
		if (fuse_opt_add_opt_escaped(&o->fuse_opts, fsname) < 0) {
			return -ENOMEM;
		}
	}
	if ((!has_fuse_opt(o, "subtype=") &&
	     fuse_opt_add_opt(&o->fuse_opts, "subtype=ftpsfs") < 0) ||
	    (o->ro && fuse_opt_add_opt(&o->fuse_opts, "ro") < 0) ||
	    fuse_opt_add_arg(&o->fuse, program) < 0 ||
	    fuse_opt_add_arg(&o->fuse, "-o") < 0 ||
	    fuse_opt_add_arg(&o->fuse, o->fuse_opts) < 0) {
		return -ENOMEM;
	}
	return 0;
}

/* --flush MOUNTPOINT: no server, no files. */
static int take_flush(const struct cli *c)
{
	if (!c->source || c->mountpoint || c->o->probe) {
		words_set(c->words,
			  "--flush goes with a mount point: ftpsfs --flush MOUNTPOINT");
		return -EINVAL;
	}
	c->o->mountpoint = option_path(c->source);
	return c->o->mountpoint ? 0 : -ENOMEM;
}

/* What goes with --probe and what does not. */
static int check_arguments(const struct cli *c, struct words *words)
{
	const struct options *o = c->o;

	if (o->json && !o->probe) {
		words_set(words, "--json goes with --probe");
		return -EINVAL;
	}
	if (o->probe && !o->host) {
		words_set(words, "no server given: ftpsfs --probe [user@]host[:port] "
				 "[-o option,...] [--json]");
		return -EINVAL;
	}
	if (o->probe && c->mountpoint) {
		words_set(words, "--probe mounts nothing: '%s' is one argument too many",
			  c->mountpoint);
		return -EINVAL;
	}
	return 0;
}

static int parse(struct options *o, int argc, char **argv, const char *etc_file,
		 const char *user_file, struct words *words)
{
	struct cli c = { .o = o, .words = words };
	int r = parse_arguments(&c, argc, argv);

	if (r < 0 || o->show_help || o->show_version || o->print_options) {
		return r;
	}
	if (o->flush) {
		return take_flush(&c);
	}
	r = check_arguments(&c, words);
	if (r < 0) {
		return r;
	}
	if (!o->print_config && !o->probe && (!o->host || !c.mountpoint)) {
		words_set(words,
			  "no %s given: ftpsfs [user@]host:[path] MOUNTPOINT [-o "
			  "option,...]",
			  o->host ? "mount point" : "source");
		return -EINVAL;
	}
	if (c.mountpoint) {
		o->mountpoint = option_path(c.mountpoint);
	}
	if (c.mountpoint && !o->mountpoint) {
		return -ENOMEM;
	}
	r = read_files(o, etc_file, user_file, words);
	if (r == 0) {
		r = options_check(o, words);
	}
	return r < 0 ? r : fill_fuse_args(o, argc > 0 ? argv[0] : "ftpsfs");
}

int options_parse_with(struct options *o, int argc, char **argv, const char *etc_file,
		       const char *user_file, struct words *words)
{
	int r = options_init(o);

	if (r == 0) {
		r = parse(o, argc, argv, etc_file, user_file, words);
	}
	if (r == -ENOMEM) {
		words_set(words, "out of memory");
	}
	if (r < 0) {
		options_finish(o);
	}
	return r;
}

/* $XDG_CONFIG_HOME or ~/.config; at boot mount(8) may leave HOME unset. */
static char *user_config(void)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path = NULL;

	if (!home || !*home) {
		const struct passwd *pw = getpwuid(getuid());

		home = pw ? pw->pw_dir : "/";
	}
	if (base && base[0] == '/') {
		return asprintf(&path, "%s/ftpsfs/ftpsfs.conf", base) < 0 ? NULL : path;
	}
	return asprintf(&path, "%s/.config/ftpsfs/ftpsfs.conf", home) < 0 ? NULL : path;
}

int options_parse(struct options *o, int argc, char **argv, struct words *words)
{
	_cleanup_free_ char *user_file = user_config();

	return options_parse_with(o, argc, argv, "/etc/ftpsfs.conf", user_file, words);
}
