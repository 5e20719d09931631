/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user asked for: one table of options read by the -o parser, the
 * configuration files, --help, --print-config and --print-options.
 *
 * A value that is set carries the rank of where it came from, so the order in
 * which the sources are read does not matter: a lower rank never replaces a
 * higher one. Within one rank the last word wins, except among the hosts of one
 * file, where the first matching group wins per option. */
#ifndef FS_OPTIONS_H
#define FS_OPTIONS_H

#include "base/report.h"
#include "net/server.h"

#include <fuse_opt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum option_rank {
	RANK_BUILTIN,
	RANK_ETC, /* /etc/ftpsfs.conf: defaults, then hosts */
	RANK_ETC_HOST,
	RANK_USER, /* ~/.config/ftpsfs/ftpsfs.conf */
	RANK_USER_HOST,
	RANK_FILE, /* -F FILE */
	RANK_FILE_HOST,
	RANK_SOURCE, /* [user@]host:path or the URL */
	RANK_OPTION, /* -o, -p, -r and the like */
};

enum prot_mode { PROT_PRIVATE, PROT_CLEAR };
enum page_cache { CACHE_AUTO, CACHE_KERNEL, CACHE_DIRECT };
enum upload_mode { UPLOAD_AUTO, UPLOAD_INPLACE, UPLOAD_ATOMIC };
enum symlinks_mode { LINKS_CONTAIN, LINKS_FOLLOW, LINKS_RAW, LINKS_HIDE };
enum write_mode { WRITE_SYNC, WRITE_BACK };
enum active_source { SOURCE_ANY, SOURCE_DEFAULT };
enum ip_family { IP_ANY, IP_V4, IP_V6 };

struct option_row;
struct trust_config; /* tls/trust.h */

/* Where the value of a row came from. text is "built in", "-o",
 * "/etc/ftpsfs.conf:12"; owned. */
struct option_origin {
	enum option_rank rank;
	const struct option_row *row; /* which of the rows that share the field */
	char *text;
};

enum { OPTIONS_ROWS_MAX = 160 };

/* Plain data; strings are owned and NULL when not given. Every row of the table
 * fills one field. */
struct options {
	/* TLS */
	enum tls_mode tls;
	unsigned port; /* never 0 after options_parse() */
	enum prot_mode prot;
	enum ccc_mode ccc;
	char *cacert, *capath, *crl; /* none: system store */
	char *cert, *key; /* files or PKCS#11 URIs */
	char *key_password; /* secret memory; from the credentials file */
	char *pin; /* "sha256:BASE64", separated by ; */
	char *tofu; /* known hosts file; "": the usual one */
	char *tls_hostname, *tls_priority;
	unsigned tls_min, tls_max; /* 0..3: TLS 1.0..1.3 */
	enum tristate session_reuse; /* as struct server means it */
	bool insecure_no_verify_peer, insecure_no_verify_hostname;

	/* connections */
	enum data_mode mode;
	enum tristate epsv, pipelining, prewarm;
	char *pasv_addr; /* "control", "reply" or an address */
	char *pasv_ports, *data_source_ports, *active_ports; /* "LO-HI", checked */
	char *active_addr;
	enum active_source active_source_port;
	char *bind; /* local address */
	char *proxy; /* URL without secrets */
	char *proxy_password; /* secret memory; from the credentials file */
	enum ip_family family;
	int64_t connect_timeout, io_timeout, keepalive, idle_timeout; /* ms */
	unsigned max_conns, retry;
	bool delay_connect;

	/* login; see fs/secret.h */
	char *user;
	char *password; /* secret memory */
	char *account;
	char *credentials, *askpass;
	char *netrc; /* "": ~/.netrc */
	bool password_stdin, anonymous;
	char *ftp_host; /* for HOST */
	char *quote; /* commands after login, a line each */
	bool password_exposed; /* stood in -o or the URL: worth a warning */

	/* names and metadata */
	enum list_mode list;
	enum tristate hidden;
	char *timezone;
	char *charset;
	enum symlinks_mode symlinks;
	unsigned uid, gid, umask;
	unsigned fmask, dmask; /* after options_parse() the umask when not given */
	bool noperm_errors;
	uint64_t statfs_size; /* 0: not given */

	/* caches, reading, writing */
	int64_t dir_ttl, neg_ttl; /* ms */
	unsigned dir_cache_max; /* nodes */
	bool cto;
	enum page_cache page_cache;
	uint64_t readahead, read_budget;
	unsigned streams;
	enum write_mode write;
	enum upload_mode upload;
	enum verify_mode verify;
	char *spool_dir;
	uint64_t spool_max; /* bytes; 0: no limit */
	uint64_t spool_min_free; /* bytes; 0: a share of the disk */
	bool ro, nodelete;

	/* log */
	enum log_level loglevel;
	char *logfile; /* absolute */
	bool syslog;

	/* the command line */
	char *source; /* as typed, without a password: the mount's fsname */
	char *host; /* without brackets */
	char *dir; /* "", "relative" or "/absolute" */
	char *mountpoint; /* absolute */
	char *config_file;
	bool foreground, debug, single_thread;
	bool show_help, show_version, print_config, print_options;
	bool probe, json, flush;
	struct fuse_args fuse; /* for fuse_session_new(): argv[0], "-o", options */

	/* private */
	char *fuse_opts;
	struct option_origin set[OPTIONS_ROWS_MAX]; /* by first row of the field */
};

/* Built-in values. 0 or -ENOMEM; o need not be initialised before. */
int options_init(struct options *o);
void options_finish(struct options *o); /* takes the zeroed; wipes secrets */

/* Command line, configuration files, checks. o need not be initialised; on
 * failure it is left zeroed. A password found in argv is copied and its bytes
 * there overwritten. 0; -EINVAL with one sentence for the user; -ENOENT,
 * -EACCES, -EIO for a configuration file; -ENOMEM. With show_help, show_version or
 * print_options no file is read and nothing else is required. */
int options_parse(struct options *o, int argc, char **argv, struct words *words);

/* The same with the names of the two standing configuration files (NULL: none). */
int options_parse_with(struct options *o, int argc, char **argv, const char *etc_file,
		       const char *user_file, struct words *words);

/* Sets one option by name or alias: a row of the table, an option for FUSE, or a
 * word of fstab that is ignored. text is NULL where no value was given. origin is quoted
 * in errors when the rank is that of a file. 0, -EINVAL with words, -ENOMEM. */
int options_set(struct options *o, const char *name, const char *text,
		enum option_rank rank, const char *origin, struct words *words);

/* Derives what depends on several options and refuses contradictions. */
int options_check(struct options *o, struct words *words);

/* The rank that the value of a row (by its name) has. */
enum option_rank options_rank(const struct options *o, const char *name);
/* The control port as known so far: 21 or 990 where none was given. */
unsigned options_port(const struct options *o);

/* The results point into o. Call after secret_find(). */
void options_server(const struct options *o, struct server *ret);
void options_trust(const struct options *o, struct trust_config *ret);

/* One line to the hook for each dangerous setting in force: at every mount. */
void options_warn(const struct options *o, const struct log_hook *hook);

void options_help(FILE *f);
void options_print(const struct options *o, FILE *f); /* values and origins, no secrets */
void options_list(FILE *f); /* a row a line: name and aliases */

#endif
