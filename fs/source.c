/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/source.h"

#include "fs/options.h"
#include "fs/secret.h"

#include <errno.h>
#include <string.h>

/* A run of bytes of the source. */
struct part {
	char *p;
	size_t len;
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
		return (c | 0x20) - 'a' + 10;
	}
	return -1;
}

/* Undoes %XX, into secret memory: it may be a password. NUL and line ends would end up
 * in commands: refused, raw or encoded. what names the part in errors. */
static int part_decode(struct part in, const char *what, char **ret, struct words *words)
{
	_cleanup_secret_ char *out = secret_new(in.len + 1);
	char *to = out;

	if (!out) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		if (c == '%') {
			int hi = in.len - i > 2 ? hex_digit(in.p[i + 1]) : -1;
			int lo = in.len - i > 2 ? hex_digit(in.p[i + 2]) : -1;

			if (hi < 0 || lo < 0) {
				words_set(words,
					  "the %s in the URL has a '%%' without two hex "
					  "digits behind it: write %%25",
					  what);
				return -EINVAL;
			}
			c = (char)(hi * 16 + lo);
			i += 2;
		}
		if (c == '\0' || c == '\r' || c == '\n') {
			words_set(words, "the %s in the URL contains a line end or NUL",
				  what);
			return -EINVAL;
		}
		*to++ = c;
	}
	*ret = steal(&out);
	return 0;
}

static int part_copy(struct part in, char **ret)
{
	char *copy = strndup(in.p, in.len);

	if (!copy) {
		return -ENOMEM;
	}
	free(*ret);
	*ret = copy;
	return 0;
}

/* "host" or "[v6]" -> o->host. */
static int set_host(struct options *o, struct part host, struct words *words)
{
	if (host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
		host = (struct part){ host.p + 1, host.len - 2 };
	}
	if (!host.len) {
		words_set(
			words,
			"the source names no host: ftpsfs [user@]host:[path] MOUNTPOINT");
		return -EINVAL;
	}
	for (size_t i = 0; i < host.len; i++) {
		if ((unsigned char)host.p[i] <= 0x20 || strchr("/[]@\x7f", host.p[i])) {
			words_set(words, "'%.*s' is not a host name", (int)host.len,
				  host.p);
			return -EINVAL;
		}
	}
	return part_copy(host, &o->host);
}

/* Where "[user@]host" ends: the first ':' outside brackets; NULL: none. */
static char *host_end(char *text)
{
	for (char *p = text; *p; p++) {
		if (*p == '[' && (p == text || p[-1] == '@')) {
			char *close = strchr(p, ']');

			p = close ? close : p;
		} else if (*p == ':') {
			return p;
		}
	}
	return NULL;
}

static int parse_plain(struct options *o, char *text, struct words *words)
{
	char *colon = host_end(text), *at;
	struct part host;
	int r = 0;

	if (!colon) {
		words_set(words, "'%s' is not a source: write [user@]host:[path]", text);
		return -EINVAL;
	}
	if (strpbrk(text, "\r\n")) {
		words_set(words, "the source contains a line end");
		return -EINVAL;
	}
	host = (struct part){ text, (size_t)(colon - text) };
	at = memrchr(text, '@', host.len); /* a user may be called a@b */
	if (colon[1] == ':') {
		words_set(words,
			  "'%s': write an IPv6 address in brackets: [fe80::1]:", text);
		return -EINVAL;
	}
	o->source = strdup(text);
	o->dir = strdup(colon + 1);
	if (!o->source || !o->dir) {
		return -ENOMEM;
	}
	if (at) {
		_cleanup_free_ char *user = strndup(text, (size_t)(at - text));

		host = (struct part){ at + 1, (size_t)(colon - at - 1) };
		r = user ? options_set(o, "user", user, RANK_SOURCE, "source", words)
			 : -ENOMEM;
	}
	return r < 0 ? r : set_host(o, host, words);
}

/* The URL as typed without ":password": it becomes the name of the mount. */
static int set_url_source(struct options *o, const char *url, struct part password)
{
	if (!password.p) {
		o->source = strdup(url);
	} else if (asprintf(&o->source, "%.*s%s", (int)(password.p - 1 - url), url,
			    password.p + password.len) < 0) {
		o->source = NULL;
	}
	return o->source ? 0 : -ENOMEM;
}

static int set_decoded(struct options *o, struct part in, const char *name,
		       struct words *words)
{
	_cleanup_secret_ char *text = NULL;
	int r = part_decode(in, name, &text, words);

	return r < 0 ? r : options_set(o, name, text, RANK_SOURCE, "URL", words);
}

/* "user[:password]" */
static int parse_login(struct options *o, struct part login, struct part *ret_password,
		       struct words *words)
{
	char *colon = memchr(login.p, ':', login.len);
	struct part user = login;
	int r = 0;

	if (colon) {
		user.len = (size_t)(colon - login.p);
		*ret_password = (struct part){ colon + 1, login.len - user.len - 1 };
		r = set_decoded(o, *ret_password, "password", words);
		memset(ret_password->p, 'x', ret_password->len);
		o->password_exposed = true;
	}
	if (r == 0 && user.len) {
		r = set_decoded(o, user, "user", words);
	}
	return r;
}

/* "host", "host:port", "[v6]", "[v6]:port"; a zone is written fe80::1%25eth0 (RFC 6874)
 */
static int parse_hostport(struct options *o, struct part at, struct words *words)
{
	_cleanup_secret_ char *text = NULL;
	char *colon;
	int r = part_decode(at, "host", &text, words);

	if (r < 0) {
		return r;
	}
	colon = host_end(text);
	if (!colon) {
		return set_host(o, (struct part){ text, strlen(text) }, words);
	}
	/* What is no number may be a piece of a password: it is not repeated. */
	if (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
		words_set(
			words,
			"the port in the URL is not a number; an IPv6 address stands in "
			"brackets, '/' and '@' in a password are written %%2F and %%40");
		return -EINVAL;
	}
	r = options_set(o, "port", colon + 1, RANK_SOURCE, "URL", words);
	return r < 0 ? r
		     : set_host(o, (struct part){ text, (size_t)(colon - text) }, words);
}

/* The path of a URL is absolute here: "/a", "//a" (RFC 1738 for the root) and "/%2Fa"
 * alike. */
static int parse_url_path(struct options *o, char *path, struct words *words)
{
	_cleanup_secret_ char *text = NULL;
	const char *p;
	int r = part_decode((struct part){ path, strlen(path) }, "path", &text, words);

	if (r < 0) {
		return r;
	}
	p = text;
	while (p[0] == '/' && p[1] == '/') {
		p++;
	}
	o->dir = strdup(p);
	return o->dir ? 0 : -ENOMEM;
}

static int parse_url(struct options *o, char *url, char *authority, const char *tls,
		     struct words *words)
{
	size_t len = strcspn(authority, "/");
	char *at = memrchr(authority, '@', len);
	struct part host = { authority, len }, password = { NULL, 0 };
	int r = 0;

	if (at) {
		host = (struct part){ at + 1, (size_t)(authority + len - at - 1) };
		r = parse_login(o, (struct part){ authority, (size_t)(at - authority) },
				&password, words);
	}
	if (r == 0) {
		r = options_set(o, "tls", tls, RANK_SOURCE, "URL", words);
	}
	if (r == 0) {
		r = parse_hostport(o, host, words);
	}
	if (r == 0) {
		r = parse_url_path(o, authority + len, words);
	}
	return r < 0 ? r : set_url_source(o, url, password);
}

int source_parse(struct options *o, char *text, struct words *words)
{
	char *sep = strstr(text, "://");
	size_t scheme = sep ? (size_t)(sep - text) : 0;

	if (!sep || strcspn(text, ":@/[") != scheme) {
		return parse_plain(o, text, words);
	}
	if (scheme == 4 && strncasecmp(text, "ftps", 4) == 0) {
		return parse_url(o, text, sep + 3, "implicit", words);
	}
	if (scheme == 5 && strncasecmp(text, "ftpes", 5) == 0) {
		return parse_url(o, text, sep + 3, "explicit", words);
	}
	words_set(words,
		  "%.*s:// is not known: ftpes:// is explicit TLS, ftps:// implicit; a "
		  "server without TLS is mounted as host:path with -o tls=none",
		  (int)scheme, text);
	return -EINVAL;
}
