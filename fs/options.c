/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of options, and what is done with all of its rows alike. */
#include "fs/options_row.h"
#include "fs/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* offsetof() that does not compile when the field has another type. */
#define AT(type, field)                             \
	.offset = offsetof(struct options, field) + \
		  0 * sizeof(&((struct options *)0)->field == (type *)0)
#define BOOL(field) KIND_BOOL, AT(bool, field), .implied = "yes"
#define STRING(field) KIND_STRING, AT(char *, field)
#define UINT(field) KIND_UINT, AT(unsigned, field)
#define SIZE(field) KIND_SIZE, AT(uint64_t, field)
#define DURATION(field) KIND_DURATION, AT(int64_t, field)
#define OCTAL(field) KIND_OCTAL, AT(unsigned, field)
#define CHOICE(type, field, words) KIND_CHOICE, AT(type, field), .choices = words

static const char *const tls_words[] = { "explicit", "implicit", "none", NULL };
static const char *const prot_words[] = { "P", "C", NULL };
static const char *const ccc_words[] = { "no", "yes", "require", NULL };
static const char *const mode_words[] = { "passive", "active", "auto", NULL };
static const char *const source_words[] = { "any", "default", NULL };
static const char *const write_words[] = { "sync", "back", NULL };
static const char *const upload_words[] = { "auto", "inplace", "atomic", NULL };
static const char *const verify_words[] = { "size", "hash", "no", NULL };
static const char *const version_words[] = { "1.0", "1.1", "1.2", "1.3", NULL };
static const char *const auto_words[] = { "auto", "yes", "no", NULL };
static const char *const reuse_words[] = { "yes", "require", "no", NULL };
static const char *const list_words[] = { "auto", "mlsd", "list", "stat", NULL };
static const char *const symlinks_words[] = { "contain", "follow", "raw", "hide", NULL };
static const char *const cache_words[] = { "auto_cache", "kernel_cache", "direct_io",
					   NULL };
static const char *const family_words[] = { "any", "ipv4", "ipv6", NULL };
static const char *const level_words[] = {
	"error", "warn", "info", "debug", "trace", NULL
};

/* A new option is a field of struct options and a row here (and a paragraph of
 * man/ftpsfs.1: a lint test compares). The first row of a field holds its default. */
/* clang-format off */
static const struct option_row options_table[] = {
#define G .group = "TLS"
{"tls", NULL, CHOICE(enum tls_mode, tls, tls_words), G, .metavar = "explicit|implicit|none",
 .def = "explicit",
 .help = "how TLS begins; implicit for ftps:// and port 990"},
{"port", NULL, UINT(port), G, .metavar = "N", .def = "(21, implicit: 990)", .min = 1,
 .max = 65535,
 .help = "control port"},
{"prot", NULL, CHOICE(enum prot_mode, prot, prot_words), G, .metavar = "P|C", .def = "P",
 .help = "data connections: private or in clear"},
{"ccc", NULL, CHOICE(enum ccc_mode, ccc, ccc_words), G, .metavar = "no|yes|require",
 .def = "no",
 .help = "clear the control channel after login, for firewalls"},
{"cacert", NULL, STRING(cacert), G, .metavar = "FILE", .def = "(system store)",
 .flags = ROW_PATH,
 .help = "certificates to trust, PEM"},
{"capath", NULL, STRING(capath), G, .metavar = "DIR", .flags = ROW_PATH,
 .help = "directory of such files"},
{"crl", NULL, STRING(crl), G, .metavar = "FILE", .flags = ROW_PATH,
 .help = "revoked certificates, PEM"},
{"cert", NULL, STRING(cert), G, .metavar = "FILE|URI", .flags = ROW_PATH,
 .help = "client certificate: PEM file or PKCS#11 URI"},
{"key", NULL, STRING(key), G, .metavar = "FILE|URI", .flags = ROW_PATH,
 .help = "its key; default: in the same file"},
{"pin", NULL, STRING(pin), G, .metavar = "sha256:BASE64[;...]", .repeat = ';',
 .help = "the server's public key; replaces the CA check"},
{"tofu", NULL, STRING(tofu), G, .metavar = "FILE", .implied = "", .flags = ROW_PATH,
 .help = "trust on first use, known hosts file"},
{"tls_hostname", NULL, STRING(tls_hostname), G, .metavar = "NAME", .def = "(host)",
 .help = "name to verify and to send as SNI"},
{"tls_min", NULL, CHOICE(unsigned, tls_min, version_words), G, .metavar = "VERSION",
 .def = "1.2",
 .help = "lowest TLS version"},
{"tls_max", NULL, CHOICE(unsigned, tls_max, version_words), G, .metavar = "VERSION",
 .def = "1.3",
 .help = "highest TLS version"},
{"tls_priority", NULL, STRING(tls_priority), G, .metavar = "STRING",
 .help = "GnuTLS priority string, in place of the two above"},
{"session_reuse", NULL, CHOICE(enum tristate, session_reuse, reuse_words), G,
 .metavar = "yes|no|require", .def = "yes",
 .help = "resume the control session on data connections"},
{"insecure_no_verify_peer", "no_verify_peer", BOOL(insecure_no_verify_peer), G, .def = "no",
 .flags = ROW_BARE,
 .help = "do not verify the server's certificate"},
{"insecure_no_verify_hostname", "no_verify_hostname", BOOL(insecure_no_verify_hostname), G,
 .def = "no", .flags = ROW_BARE,
 .help = "do not verify the name in it"},
#undef G
#define G .group = "Connections"
{"mode", NULL, CHOICE(enum data_mode, mode, mode_words), G,
 .metavar = "passive|active|auto", .def = "passive",
 .help = "who opens data connections"},
{"passive", NULL, CHOICE(enum data_mode, mode, mode_words), G, .implied = "passive",
 .flags = ROW_BARE | ROW_ALONE,
 .help = "mode=passive"},
{"active", NULL, CHOICE(enum data_mode, mode, mode_words), G, .implied = "active",
 .flags = ROW_BARE | ROW_ALONE,
 .help = "mode=active"},
{"epsv", NULL, CHOICE(enum tristate, epsv, auto_words), G, .metavar = "auto|yes|no",
 .def = "auto",
 .help = "EPSV, and PASV where that fails; one of them only"},
{"pasv_addr", NULL, STRING(pasv_addr), G, .metavar = "control|reply|ADDRESS",
 .def = "control",
 .help = "where passive data connections go"},
{"pasv_ports", NULL, STRING(pasv_ports), G, .metavar = "LO-HI",
 .help = "server ports that the firewall lets through"},
{"data_source_ports", NULL, STRING(data_source_ports), G, .metavar = "LO-HI",
 .help = "local ports of passive data connections"},
{"active_ports", NULL, STRING(active_ports), G, .metavar = "LO-HI",
 .help = "local ports to listen on"},
{"active_addr", NULL, STRING(active_addr), G, .metavar = "ADDRESS",
 .help = "address to advertise for active mode"},
{"active_source_port", NULL, CHOICE(enum active_source, active_source_port, source_words), G,
 .metavar = "any|default", .def = "any",
 .help = "default: only from the server's port 20 or 989"},
{"bind", NULL, STRING(bind), G, .metavar = "ADDRESS",
 .help = "local address"},
{"proxy", NULL, STRING(proxy), G, .metavar = "URL",
 .help = "socks5h://[user@]host:port or http://..."},
{"ipv4", NULL, CHOICE(enum ip_family, family, family_words), G, .def = "any",
 .implied = "ipv4", .flags = ROW_BARE | ROW_ALONE,
 .help = "IPv4 only"},
{"ipv6", NULL, CHOICE(enum ip_family, family, family_words), G, .implied = "ipv6",
 .flags = ROW_BARE | ROW_ALONE,
 .help = "IPv6 only"},
{"connect_timeout", NULL, DURATION(connect_timeout), G, .metavar = "TIME", .def = "10",
 .min = 100, .max = 3600000,
 .help = "to connect, per attempt"},
{"io_timeout", NULL, DURATION(io_timeout), G, .metavar = "TIME", .def = "30", .min = 1000,
 .max = 3600000,
 .help = "without progress, then an error"},
{"keepalive", NULL, DURATION(keepalive), G, .metavar = "TIME", .def = "60", .max = 86400000,
 .help = "NOOP on idle connections; 0: never"},
{"idle_timeout", NULL, DURATION(idle_timeout), G, .metavar = "TIME", .def = "300",
 .max = 604800000,
 .help = "idle connections are closed; 0: never"},
{"max_conns", "nconnect", UINT(max_conns), G, .metavar = "N", .def = "4", .min = 1, .max = 64,
 .help = "most connections at once"},
{"retry", NULL, UINT(retry), G, .metavar = "N", .def = "3", .max = 100,
 .help = "further tries after a lost connection"},
{"pipelining", NULL, CHOICE(enum tristate, pipelining, auto_words), G,
 .metavar = "auto|yes|no", .def = "auto",
 .help = "several commands at a time"},
{"prewarm", NULL, CHOICE(enum tristate, prewarm, auto_words), G,
 .metavar = "auto|yes|no", .def = "auto",
 .help = "data connections opened ahead"},
{"delay_connect", NULL, BOOL(delay_connect), G, .def = "no", .flags = ROW_BARE,
 .help = "mount now, connect on first use"},
#undef G
#define G .group = "Login"
{"user", "username", STRING(user), G, .metavar = "NAME", .def = "(netrc, else the mounter)",
 .help = "login name"},
{"password", "pass", STRING(password), G, .metavar = "TEXT", .flags = ROW_SECRET,
 .help = "better: one of the next four"},
{"credentials", "cred", STRING(credentials), G, .metavar = "FILE", .flags = ROW_PATH,
 .help = "file with username=, password=, account= lines"},
{"netrc", NULL, STRING(netrc), G, .metavar = "FILE", .implied = "", .flags = ROW_PATH,
 .help = "netrc file, by itself ~/.netrc"},
{"password_stdin", NULL, BOOL(password_stdin), G, .def = "no", .flags = ROW_BARE,
 .help = "first line of standard input"},
{"askpass", NULL, STRING(askpass), G, .metavar = "PROGRAM",
 .help = "program that prints the password"},
{"anonymous", NULL, BOOL(anonymous), G, .def = "no", .flags = ROW_BARE,
 .help = "anonymous login"},
{"account", NULL, STRING(account), G, .metavar = "TEXT",
 .help = "for servers that ask for ACCT"},
{"ftp_host", NULL, STRING(ftp_host), G, .metavar = "NAME",
 .help = "virtual host (HOST)"},
{"quote", NULL, STRING(quote), G, .metavar = "COMMAND", .repeat = '\n',
 .help = "sent after login on every connection"},
#undef G
#define G .group = "Names and metadata"
{"list", NULL, CHOICE(enum list_mode, list, list_words), G, .metavar = "auto|mlsd|list|stat",
 .def = "auto",
 .help = "how directories are listed; stat: without data connections"},
{"hidden", NULL, CHOICE(enum tristate, hidden, auto_words), G, .metavar = "auto|yes|no",
 .def = "auto",
 .help = "whether LIST needs -a to show all names"},
{"charset", "codepage", STRING(charset), G, .metavar = "NAME", .def = "UTF-8",
 .help = "of names on the server, as iconv calls it"},
{"timezone", NULL, STRING(timezone), G, .metavar = "auto|UTC|+HH:MM", .def = "auto",
 .help = "of the times in LIST"},
{"symlinks", NULL, CHOICE(enum symlinks_mode, symlinks, symlinks_words), G,
 .metavar = "contain|follow|raw|hide", .def = "contain",
 .help = "links: kept inside the mount, as what they lead to, as told, not shown"},
{"uid", NULL, UINT(uid), G, .metavar = "N", .def = "(the mounter)", .max = UINT32_MAX - 1,
 .help = "owner shown"},
{"gid", NULL, UINT(gid), G, .metavar = "N", .def = "(the mounter)", .max = UINT32_MAX - 1,
 .help = "group shown"},
{"umask", NULL, OCTAL(umask), G, .metavar = "OCTAL", .def = "022",
 .help = "permission bits never shown"},
{"fmask", NULL, OCTAL(fmask), G, .metavar = "OCTAL", .def = "(umask)",
 .help = "the same for files"},
{"dmask", NULL, OCTAL(dmask), G, .metavar = "OCTAL", .def = "(umask)",
 .help = "the same for directories"},
{"noperm_errors", NULL, BOOL(noperm_errors), G, .def = "no", .flags = ROW_BARE,
 .help = "chmod, chown, utimens that cannot be done succeed"},
{"statfs_size", NULL, SIZE(statfs_size), G, .metavar = "SIZE", .def = "(AVBL, else 1P)",
 .help = "size shown by df"},
#undef G
#define G .group = "Cache, reading, writing"
{"dir_ttl", "dcache_timeout cache_timeout actimeo", DURATION(dir_ttl), G, .metavar = "TIME",
 .def = "30", .max = 604800000,
 .help = "how long listings and attributes are believed"},
{"noac", NULL, DURATION(dir_ttl), G, .implied = "0", .flags = ROW_BARE,
 .help = "dir_ttl=0"},
{"neg_ttl", NULL, DURATION(neg_ttl), G, .metavar = "TIME", .def = "5", .max = 604800000,
 .help = "the same for names seen missing"},
{"dir_cache_max", NULL, UINT(dir_cache_max), G, .metavar = "N", .def = "1000000",
 .min = 1000, .max = 100000000,
 .help = "names kept; the listings used least go first"},
{"cto", NULL, BOOL(cto), G, .def = "yes", .flags = ROW_BARE,
 .help = "open looks again at old attributes"},
{"nocto", NULL, KIND_BOOL, AT(bool, cto), G, .implied = "no", .flags = ROW_BARE,
 .help = "open trusts cached attributes"},
{"auto_cache", NULL, CHOICE(enum page_cache, page_cache, cache_words), G, .def = "auto_cache",
 .implied = "auto_cache", .flags = ROW_BARE | ROW_ALONE,
 .help = "pages kept while size and time stand"},
{"kernel_cache", NULL, CHOICE(enum page_cache, page_cache, cache_words), G,
 .implied = "kernel_cache", .flags = ROW_BARE | ROW_ALONE,
 .help = "pages always kept"},
{"direct_io", NULL, CHOICE(enum page_cache, page_cache, cache_words), G,
 .implied = "direct_io", .flags = ROW_BARE | ROW_ALONE,
 .help = "no page cache"},
{"readahead", NULL, SIZE(readahead), G, .metavar = "SIZE", .def = "8M", .min = 128 << 10,
 .max = 1 << 30,
 .help = "window of a stream"},
{"read_budget", NULL, SIZE(read_budget), G, .metavar = "SIZE", .def = "128M", .min = 1 << 20,
 .max = 1ull << 40,
 .help = "all windows together"},
{"streams", NULL, UINT(streams), G, .metavar = "N", .def = "2", .min = 1, .max = 16,
 .help = "downloads at once per file"},
{"write", NULL, CHOICE(enum write_mode, write, write_words), G, .metavar = "sync|back",
 .def = "sync",
 .help = "back: close() does not wait for the server"},
{"upload", NULL, CHOICE(enum upload_mode, upload, upload_words), G,
 .metavar = "auto|inplace|atomic", .def = "auto",
 .help = "how a file takes the place of an old one"},
{"verify", NULL, CHOICE(enum verify_mode, verify, verify_words), G, .metavar = "size|hash|no",
 .def = "size",
 .help = "what is compared with the server after an upload"},
{"spool_dir", NULL, STRING(spool_dir), G, .metavar = "DIR", .def = "/var/tmp",
 .flags = ROW_PATH,
 .help = "local files being written"},
{"spool_max", NULL, SIZE(spool_max), G, .metavar = "SIZE", .def = "0",
 .help = "bytes of them at most; 0: no limit"},
{"spool_min_free", NULL, SIZE(spool_min_free), G, .metavar = "SIZE", .def = "(5% of the disk)",
 .help = "left free on that disk"},
{"ro", NULL, BOOL(ro), G, .def = "no", .flags = ROW_BARE,
 .help = "read only"},
{"rw", NULL, KIND_BOOL, AT(bool, ro), G, .implied = "no", .flags = ROW_BARE,
 .help = "read and write"},
{"nodelete", NULL, BOOL(nodelete), G, .def = "no", .flags = ROW_BARE,
 .help = "refuse to remove files and directories"},
#undef G
#define G .group = "Log"
{"loglevel", NULL, CHOICE(enum log_level, loglevel, level_words), G,
 .metavar = "error|warn|info|debug|trace", .def = "warn",
 .help = "how much is logged"},
{"logfile", NULL, STRING(logfile), G, .metavar = "FILE", .flags = ROW_PATH,
 .help = "log to a file"},
{"syslog", NULL, BOOL(syslog), G, .def = "no", .flags = ROW_BARE,
 .help = "log to syslog"},
#undef G
};
/* clang-format on */

_Static_assert(ARRAY_LEN(options_table) <= OPTIONS_ROWS_MAX, "raise OPTIONS_ROWS_MAX");
_Static_assert(sizeof(enum tls_mode) == sizeof(unsigned),
	       "choices are stored as unsigned");
_Static_assert((int)TRI_AUTO == 0 && (int)TRI_YES == 1 && (int)TRI_NO == 2, "auto_words");

const struct option_row *option_rows(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(options_table);
	return options_table;
}

const struct option_row *option_leader(const struct option_row *row)
{
	const struct option_row *leader = options_table;

	while (leader->offset != row->offset) {
		leader++;
	}
	return leader;
}

static bool row_is_called(const struct option_row *row, const char *name, size_t len)
{
	const char *p = row->aliases;

	if (strncmp(row->name, name, len) == 0 && !row->name[len]) {
		return true;
	}
	while (p && *p) {
		size_t n = strcspn(p, " ");

		if (n == len && strncmp(p, name, n) == 0) {
			return true;
		}
		p += n + (p[n] == ' ');
	}
	return false;
}

const struct option_row *option_find(const char *name, size_t len)
{
	for (size_t i = 0; len && i < ARRAY_LEN(options_table); i++) {
		if (row_is_called(&options_table[i], name, len)) {
			return &options_table[i];
		}
	}
	return NULL;
}

static void value_release(const struct option_row *row, char *s)
{
	if (row->flags & ROW_SECRET) {
		secret_free(s);
	} else {
		free(s);
	}
}

static void row_store(struct options *o, const struct option_row *row,
		      const union option_value *value)
{
	char *field = (char *)o + row->offset;
	char *old;

	switch (row->kind) {
	case KIND_BOOL:
		memcpy(field, &value->b, sizeof(value->b));
		break;
	case KIND_STRING:
		memcpy(&old, field, sizeof(old));
		value_release(row, old);
		memcpy(field, &value->s, sizeof(value->s));
		break;
	case KIND_UINT:
	case KIND_OCTAL:
	case KIND_CHOICE:
		memcpy(field, &value->u, sizeof(value->u));
		break;
	case KIND_SIZE:
		memcpy(field, &value->size, sizeof(value->size));
		break;
	case KIND_DURATION:
		memcpy(field, &value->ms, sizeof(value->ms));
		break;
	}
}

/* What a word without a value, or a word that takes none but was given yes or no,
 * stands for. *text becomes NULL where it changes nothing ("direct_io = false"). */
static int row_implied(const struct option_row *row, const char **text, struct words *why)
{
	bool yes = true;

	if (!*text && !row->implied) {
		words_set(why, "needs a value: %s=%s", row->name, row->metavar);
		return -EINVAL;
	}
	if (*text && !(row->flags & ROW_BARE)) {
		return 0;
	}
	if (*text && !option_bool_parse(*text, &yes)) {
		words_set(why, "takes no value");
		return -EINVAL;
	}
	if (yes) {
		*text = row->implied;
	} else if (row->kind == KIND_BOOL) {
		*text = strcmp(row->implied, "yes") == 0 ? "no" : "yes";
	} else {
		*text = NULL;
	}
	return 0;
}

/* quote=A,quote=B is both; one of a higher rank alone. */
static int row_join(const struct options *o, const struct option_row *row,
		    enum option_rank rank, union option_value *value)
{
	const struct option_origin *set = &o->set[option_index(row)];
	char *old, *both;

	memcpy(&old, (const char *)o + row->offset, sizeof(old));
	if (!row->repeat || !old || set->rank != rank || rank == RANK_BUILTIN) {
		return 0;
	}
	if (asprintf(&both, "%s%c%s", old, row->repeat, value->s) < 0) {
		return -ENOMEM;
	}
	free(value->s);
	value->s = both;
	return 0;
}

static int row_set(struct options *o, const struct option_row *row, const char *text,
		   enum option_rank rank, const char *origin, struct words *why)
{
	struct option_origin *set = &o->set[option_index(row)];
	union option_value value = { 0 };
	char *copy;
	int r = row_implied(row, &text, why);

	if (r < 0 || !text) {
		return r;
	}
	if ((row->flags & ROW_ALONE) && set->rank == rank && rank != RANK_BUILTIN &&
	    set->row != row) {
		words_set(why, "contradicts %s", set->row->name);
		return -EINVAL;
	}
	r = option_value_parse(row, text, &value, why);
	if (r < 0) {
		return r;
	}
	r = row->kind == KIND_STRING ? row_join(o, row, rank, &value) : 0;
	copy = r < 0 || rank < set->rank ? NULL : strdup(origin);
	if (!copy) {
		if (row->kind == KIND_STRING) {
			value_release(row, value.s);
		}
		return rank < set->rank ? 0 : -ENOMEM;
	}
	row_store(o, row, &value);
	free(set->text);
	*set = (struct option_origin){ rank, row, copy };
	return 0;
}

static int add_fuse(struct options *o, const char *name, const char *text)
{
	_cleanup_free_ char *word = NULL;
	bool yes;

	if (text && option_is_fuse(name, strlen(name), false)) {
		if (option_bool_parse(text, &yes) && !yes) {
			return 0;
		}
		text = NULL;
	}
	if (asprintf(&word, "%s%s%s", name, text ? "=" : "", text ? text : "") < 0) {
		word = NULL;
		return -ENOMEM;
	}
	return fuse_opt_add_opt_escaped(&o->fuse_opts, word) < 0 ? -ENOMEM : 0;
}

static void unknown_words(struct words *words, const char *prefix, const char *sep,
			  const char *name)
{
	const char *near = option_nearest(name, strlen(name));

	if (near) {
		words_set(words, "%s%sunknown option '%s': did you mean '%s'?", prefix,
			  sep, name, near);
	} else {
		words_set(words, "%s%sunknown option '%s': ftpsfs --help lists them",
			  prefix, sep, name);
	}
}

int options_set(struct options *o, const char *name, const char *text,
		enum option_rank rank, const char *origin, struct words *words)
{
	bool in_file = rank >= RANK_ETC && rank <= RANK_FILE_HOST;
	const char *prefix = in_file ? origin : "", *sep = in_file ? ": " : "";
	const struct option_row *row = option_find(name, strlen(name));
	struct words why = { "" };
	int r;

	/* "user" alone is a word of fstab, "user=NAME" is ours. */
	if (option_is_fstab(name, strlen(name), text != NULL)) {
		return 0;
	}
	if (!row) {
		if (option_is_fuse(name, strlen(name), text != NULL) ||
		    (in_file && text && option_is_fuse(name, strlen(name), false))) {
			return add_fuse(o, name, text);
		}
		unknown_words(words, prefix, sep, name);
		return -EINVAL;
	}
	r = row_set(o, row, text, rank, origin, &why);
	if (r == -EINVAL && text) {
		words_set(words, "%s%s%s=%s: %s", prefix, sep, name,
			  row->flags & ROW_SECRET ? "***" : text, why.text);
	} else if (r == -EINVAL) {
		words_set(words, "%s%s%s: %s", prefix, sep, name, why.text);
	} else if (r < 0) {
		words_set(words, "out of memory");
	}
	return r;
}

int options_init(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->uid = getuid();
	o->gid = getgid();
	for (size_t i = 0; i < ARRAY_LEN(options_table); i++) {
		const struct option_row *row = &options_table[i];
		struct option_origin *set = &o->set[option_index(row)];
		union option_value value = { 0 };
		int r = 0;

		if (option_leader(row) != row) {
			continue;
		}
		*set = (struct option_origin){ RANK_BUILTIN, row, strdup("built in") };
		if (row->def && row->def[0] != '(') {
			r = option_value_parse(row, row->def, &value, NULL);
			if (r == 0) {
				row_store(o, row, &value);
			}
		}
		if (r < 0 || !set->text) {
			options_finish(o);
			return -ENOMEM;
		}
	}
	return 0;
}

void options_finish(struct options *o)
{
	const union option_value none = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(options_table); i++) {
		row_store(o, &options_table[i], &none);
		free(o->set[i].text);
	}
	secret_free(o->key_password);
	secret_free(o->proxy_password);
	free(o->source);
	free(o->host);
	free(o->dir);
	free(o->mountpoint);
	free(o->config_file);
	free(o->fuse_opts);
	fuse_opt_free_args(&o->fuse);
	memset(o, 0, sizeof(*o));
}

enum option_rank options_rank(const struct options *o, const char *name)
{
	const struct option_row *row = option_find(name, strlen(name));

	return row ? o->set[option_index(row)].rank : RANK_BUILTIN;
}
