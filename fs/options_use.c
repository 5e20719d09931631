/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is made of the options once they are all read: checks, the data that the lower
 * layers want, and what is shown to people. */
#include "fs/options_row.h"
#include "net/charset.h"
#include "tls/trust.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

unsigned options_port(const struct options *o)
{
	if (o->port) {
		return o->port;
	}
	return o->tls == TLS_IMPLICIT ? 990 : 21;
}

/* The ranks stay: what is derived is still nobody's choice. */
static void derive(struct options *o)
{
	if (options_rank(o, "tls") == RANK_BUILTIN && o->port == 990) {
		o->tls = TLS_IMPLICIT;
	}
	o->port = options_port(o);
	/* Under TLS 1.3 a close_notify ends one direction only: where the clear text begins
	 * is then less clear than under 1.2. */
	if (o->ccc != CCC_NO && options_rank(o, "tls_max") == RANK_BUILTIN) {
		o->tls_max = MIN(o->tls_max, MAX(o->tls_min, 2u));
	}
	if (options_rank(o, "fmask") == RANK_BUILTIN) {
		o->fmask = o->umask;
	}
	if (options_rank(o, "dmask") == RANK_BUILTIN) {
		o->dmask = o->umask;
	}
}

static bool ports_ok(const char *name, const char *text, struct words *words)
{
	struct port_range range;

	if (text && port_range_parse(text, &range) < 0) {
		words_set(words, "%s=%s: not a range of ports such as 50000-50100", name,
			  text);
		return false;
	}
	return true;
}

static bool charset_ok(const char *name, struct words *words)
{
	struct charset *cs = NULL;
	size_t n;
	const char *const *names = charset_names(&n);
	const char *near = name ? word_nearest(names, n, name, strlen(name)) : NULL;
	int r = charset_new(name, &cs);

	charset_free(cs);
	if (r == -EOPNOTSUPP) {
		words_set(words,
			  "charset=%s: names of FTP cannot be in it, since ASCII is "
			  "something else there",
			  name);
	} else if (r < 0) {
		words_set(words, "charset=%s: iconv does not know it%s%s%s", name,
			  near ? ": did you mean " : " (iconv -l lists what it knows)",
			  near ? near : "", near ? "?" : "");
	}
	return r == 0;
}

int options_check(struct options *o, struct words *words)
{
	enum option_rank anonymous = options_rank(o, "anonymous");
	struct server server;

	derive(o);
	if (o->tls_min > o->tls_max) {
		words_set(words, "tls_min is above tls_max: no TLS version is left");
		return -EINVAL;
	}
	if (!charset_ok(o->charset, words)) {
		return -EINVAL;
	}
	if (!ports_ok("pasv_ports", o->pasv_ports, words) ||
	    !ports_ok("data_source_ports", o->data_source_ports, words) ||
	    !ports_ok("active_ports", o->active_ports, words)) {
		return -EINVAL;
	}
	if (o->pin && o->tofu && options_rank(o, "pin") == options_rank(o, "tofu")) {
		words_set(words, "pin and tofu contradict each other: give one");
		return -EINVAL;
	}
	options_server(o, &server);
	if (server_check(&server, words) < 0) {
		return -EINVAL;
	}
	if (o->read_budget < o->readahead) {
		words_set(words,
			  "read_budget is below readahead: not one window would fit");
		return -EINVAL;
	}
	if (o->syslog && o->logfile &&
	    options_rank(o, "syslog") == options_rank(o, "logfile")) {
		words_set(words, "syslog and logfile contradict each other: give one");
		return -EINVAL;
	}
	/* One of them may come from a file and be overruled on the command line. */
	if (o->anonymous && o->user && options_rank(o, "user") == anonymous) {
		words_set(words, "anonymous and user=%s contradict each other", o->user);
		return -EINVAL;
	}
	if (o->user && options_rank(o, "user") > anonymous) {
		o->anonymous = false;
	}
	return 0;
}

/* options_check() has seen that it parses. */
static void set_ports(const char *text, struct port_range *ret)
{
	if (text) {
		(void)port_range_parse(text, ret);
	}
}

void options_server(const struct options *o, struct server *ret)
{
	static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6 };

	*ret = (struct server){
		.host = o->host,
		.port = (uint16_t)options_port(o),
		.family = families[o->family],
		.tls = o->tls,
		.prot_clear = o->prot == PROT_CLEAR,
		.session_reuse = o->session_reuse,
		.user = o->user,
		.password = o->password,
		.account = o->account,
		.dir = o->dir,
		.ftp_host = o->ftp_host,
		.quote = o->quote,
		.ccc = o->ccc,
		.mode = o->mode,
		.epsv = o->epsv,
		.pasv_addr = o->pasv_addr,
		.active_addr = o->active_addr,
		.active_source_default = o->active_source_port == SOURCE_DEFAULT,
		.bind = o->bind,
		.proxy = o->proxy,
		.proxy_password = o->proxy_password,
		.pipelining = o->pipelining,
		.prewarm = o->prewarm,
		.list = o->list,
		.verify = o->verify,
		.hidden = o->hidden,
		.timezone = o->timezone,
		.charset = o->charset,
		.connect_timeout = o->connect_timeout,
		.io_timeout = o->io_timeout,
		.keepalive = o->keepalive,
		.idle_timeout = o->idle_timeout,
		.max_conns = o->max_conns,
		.retry = o->retry,
	};
	set_ports(o->pasv_ports, &ret->pasv_ports);
	set_ports(o->data_source_ports, &ret->data_source_ports);
	set_ports(o->active_ports, &ret->active_ports);
}

/* Rows of files are made absolute: a token's URI is none. */
static const char *file_or_uri(const char *path)
{
	const char *uri = path ? strstr(path, "/pkcs11:") : NULL;

	return uri ? uri + 1 : path;
}

void options_trust(const struct options *o, struct trust_config *ret)
{
	static const char *const versions[] = { "1.0", "1.1", "1.2", "1.3" };

	*ret = (struct trust_config){
		.cacert = o->cacert,
		.capath = o->capath,
		.crl = o->crl,
		.cert = file_or_uri(o->cert),
		.key = file_or_uri(o->key),
		.key_password = o->key_password,
		.tls_hostname = o->tls_hostname,
		.tls_min = versions[o->tls_min],
		.tls_max = versions[o->tls_max],
		.priority = o->tls_priority,
		.insecure_no_verify_peer = o->insecure_no_verify_peer,
		.insecure_no_verify_hostname = o->insecure_no_verify_hostname,
	};
	/* Given with the same rank they were refused; else the nearer one counts. */
	if (!o->tofu || options_rank(o, "pin") > options_rank(o, "tofu")) {
		ret->pin = o->pin;
	} else {
		ret->tofu = o->tofu;
	}
	snprintf(ret->service, sizeof(ret->service), "%hu", (uint16_t)options_port(o));
}

void options_warn(const struct options *o, const struct log_hook *hook)
{
	const struct {
		bool when;
		const char *text;
	} warnings[] = {
		{ o->tls == TLS_NONE,
		  "tls=none: password, names and data travel in clear" },
		{ o->tls != TLS_NONE && o->prot == PROT_CLEAR,
		  "prot=C: names of listings and data of files travel in clear" },
		{ o->tls != TLS_NONE && o->insecure_no_verify_peer && !o->pin && !o->tofu,
		  "insecure_no_verify_peer: the certificate is not verified, anybody in "
		  "between can read the password and the data" },
		{ o->tls != TLS_NONE && o->insecure_no_verify_hostname &&
			  !o->insecure_no_verify_peer && !o->pin && !o->tofu,
		  "insecure_no_verify_hostname: any server with a trusted certificate is "
		  "taken for this one" },
		{ o->tls != TLS_NONE && !o->tls_priority && o->tls_min < 2,
		  "tls_min below 1.2: TLS 1.0 and 1.1 have known weaknesses" },
		{ o->password_exposed,
		  "a password on the command line can be seen by others until it is "
		  "wiped, and "
		  "stays in the shell's history: use credentials=FILE" },
	};

	for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
		if (warnings[i].when) {
			hook_printf(hook, LEVEL_WARN, "%s", warnings[i].text);
		}
	}
}

static void help_row(const struct option_row *row, FILE *f)
{
	char left[96];
	const char *def = row->def;

	snprintf(left, sizeof(left), "%s%s%s%s%s", row->name,
		 row->metavar && row->implied ? "[" : "", row->metavar ? "=" : "",
		 row->metavar ? row->metavar : "",
		 row->metavar && row->implied ? "]" : "");
	fprintf(f, "  %-31s %s", left, row->help);
	if (def && !(row->flags & ROW_BARE)) {
		fprintf(f, def[0] == '(' ? " %s" : " (%s)", def);
	}
	fputc('\n', f);
}

void options_help(FILE *f)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);
	const char *group = "";

	fputs("usage: ftpsfs [user@]host:[path] MOUNTPOINT [-o option,...]\n"
	      "       ftpsfs ftps://[user@]host[:port]/path MOUNTPOINT     implicit TLS\n"
	      "       ftpsfs ftpes://[user@]host[:port]/path MOUNTPOINT    explicit TLS\n"
	      "       ftpsfs --probe [user@]host[:port] [-o ...] [--json]  what the way "
	      "allows\n"
	      "       ftpsfs --flush MOUNTPOINT                            forget "
	      "listings\n\n"
	      "  -p PORT  -F CONFIG  -f foreground  -d debug  -s single-threaded\n"
	      "  -h, --help  -V, --version  --print-config  --print-options\n",
	      f);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(group, rows[i].group) != 0) {
			group = rows[i].group;
			fprintf(f, "\n%s:\n", group);
		}
		help_row(&rows[i], f);
	}
	fputs("\nFUSE's own options pass through: allow_other, default_permissions, "
	      "auto_unmount, ...\nSizes: 128K, 8M, 1G. Times: 30 or 30s, 500ms, 5m, 1h. "
	      "See ftpsfs(1).\n",
	      f);
}

/* Rows that share a field ("cto", "nocto") are shown as the one whose word says the
 * value. */
static const char *shown_word(const struct option_row *leader, const char *value)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (const struct option_row *row = leader; row < rows + n; row++) {
		if (row->offset == leader->offset && row != leader &&
		    strcmp(row->implied, value) == 0) {
			return row->name;
		}
	}
	return strcmp(leader->implied, value) == 0 ? leader->name : NULL;
}

void options_print(const struct options *o, FILE *f)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++) {
		char value[1024], line[1200];
		const char *word = NULL;

		if (option_leader(&rows[i]) != &rows[i]) {
			continue;
		}
		option_value_format(&rows[i], o, value, sizeof(value));
		if (rows[i].flags & ROW_BARE) {
			word = shown_word(&rows[i], value);
		}
		if (word) {
			snprintf(line, sizeof(line), "%s", word);
		} else {
			snprintf(line, sizeof(line), "%s=%s", rows[i].name, value);
		}
		fprintf(f, "%-39s # %s\n", line, o->set[i].text);
	}
}

void options_list(FILE *f)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s%s%s\n", rows[i].name, rows[i].aliases ? " " : "",
			rows[i].aliases ? rows[i].aliases : "");
	}
}
