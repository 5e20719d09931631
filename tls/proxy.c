/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/proxy.h"
#include "tls/proxy_url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

enum {
	TEXT_MAX = PROXY_TEXT_MAX,
	HTTP_HEAD_MAX = 8192,
	REQUEST_MAX = 2048,
};

/* One dialogue with a proxy. */
struct talk {
	int fd;
	const struct proxy_url *proxy;
	const char *password; /* never NULL */
	const char *host; /* where to */
	uint16_t port;
	const struct wait *w;
	int64_t deadline;
	struct words *words;
};

/* ---- bytes ---- */

static int lost(struct talk *t, int r)
{
	if (r == -ETIMEDOUT) {
		words_set(t->words, "the proxy %s did not answer in time for %s port %u",
			  t->proxy->host, t->host, t->port);
	} else if (r != -EINTR) {
		words_set(t->words,
			  "the proxy %s closed the connection without an answer: does "
			  "it speak %s, and does it let this machine in?",
			  t->proxy->host, t->proxy->socks ? "SOCKS5" : "HTTP");
		r = -EPROTO;
	}
	return r;
}

static int garbage(struct talk *t)
{
	words_set(t->words, "what answers on port %u of %s is no %s proxy",
		  t->proxy->port, t->proxy->host, t->proxy->socks ? "SOCKS5" : "HTTP");
	return -EPROTO;
}

static int await(struct talk *t, short events)
{
	struct pollfd p = { .fd = t->fd, .events = events };
	int r = wait_poll(t->w, &p, 1, t->deadline);

	return r < 0 ? lost(t, r) : 0;
}

static int send_all(struct talk *t, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = send(t->fd, at, len, MSG_NOSIGNAL);
		int r = 0;

		if (n >= 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = await(t, POLLOUT);
		} else if (errno != EINTR) {
			r = lost(t, -errno);
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* Exactly len bytes: what follows belongs to the server behind the proxy. */
static int recv_all(struct talk *t, void *data, size_t len)
{
	char *at = data;

	while (len) {
		ssize_t n = recv(t->fd, at, len, 0);
		int r = 0;

		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			r = await(t, POLLIN);
		} else if (n == 0 || errno != EINTR) {
			r = lost(t, n == 0 ? -ECONNRESET : -errno);
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int wants_login(struct talk *t)
{
	if (t->proxy->user[0]) {
		words_set(
			t->words,
			"the proxy %s refused the login of %s: check the user in proxy= "
			"and proxy_password= in the credentials file",
			t->proxy->host, t->proxy->user);
	} else {
		words_set(t->words,
			  "the proxy %s wants a login: give proxy=%s://USER@%s:%u and "
			  "proxy_password= in the credentials file",
			  t->proxy->host, t->proxy->socks ? "socks5h" : "http",
			  t->proxy->host, t->proxy->port);
	}
	return -EACCES;
}

/* ---- SOCKS5 ---- */

enum { SOCKS = 5, SOCKS_NONE = 0, SOCKS_PASSWORD = 2, SOCKS_REFUSES = 0xff };
enum { SOCKS_IPV4 = 1, SOCKS_NAME = 3, SOCKS_IPV6 = 4 };

static int socks_login(struct talk *t)
{
	size_t n_user = strlen(t->proxy->user), n_password = strlen(t->password);
	unsigned char text[3 + 2 * TEXT_MAX], answer[2];
	int r;

	if (n_password > TEXT_MAX) {
		words_set(t->words, "proxy_password is longer than SOCKS allows");
		return -EACCES;
	}
	text[0] = 1;
	text[1] = (unsigned char)n_user;
	memcpy(text + 2, t->proxy->user, n_user);
	text[2 + n_user] = (unsigned char)n_password;
	memcpy(text + 3 + n_user, t->password, n_password);
	r = send_all(t, text, 3 + n_user + n_password);
	explicit_bzero(text, sizeof(text));
	if (r == 0) {
		r = recv_all(t, answer, sizeof(answer));
	}
	if (r < 0) {
		return r;
	}
	return answer[1] == 0 ? 0 : wants_login(t);
}

/* A request, and the first bytes of its answer, which begin with the version. */
static int socks_ask(struct talk *t, const void *request, size_t len,
		     unsigned char *answer, size_t size)
{
	int r = send_all(t, request, len);

	if (r == 0) {
		r = recv_all(t, answer, size);
	}
	if (r < 0) {
		return r;
	}
	return answer[0] == SOCKS ? 0 : garbage(t);
}

static int socks_greet(struct talk *t)
{
	const unsigned char none[] = { SOCKS, 1, SOCKS_NONE };
	const unsigned char both[] = { SOCKS, 2, SOCKS_NONE, SOCKS_PASSWORD };
	bool user = t->proxy->user[0];
	unsigned char answer[2];
	int r = user ? socks_ask(t, both, sizeof(both), answer, sizeof(answer))
		     : socks_ask(t, none, sizeof(none), answer, sizeof(answer));

	if (r < 0) {
		return r;
	}
	if (answer[1] == SOCKS_PASSWORD && user) {
		return socks_login(t);
	}
	if (answer[1] == SOCKS_REFUSES) {
		return wants_login(t);
	}
	return answer[1] == SOCKS_NONE ? 0 : garbage(t);
}

static int socks_refusal(struct talk *t, unsigned char code)
{
	static const struct {
		int error;
		const char *text;
	} meanings[] = {
		[1] = { -EHOSTUNREACH, "could not connect" },
		[2] = { -ECONNREFUSED, "is not allowed to connect" },
		[3] = { -EHOSTUNREACH, "has no way to that network" },
		[4] = { -EHOSTUNREACH, "cannot reach or resolve that host" },
		[5] = { -ECONNREFUSED, "was refused the connection" },
		[6] = { -ETIMEDOUT, "got no answer from there" },
		[7] = { -EPROTO, "knows no CONNECT" },
		[8] = { -EHOSTUNREACH, "cannot connect to that kind of address" },
	};

	if (code >= ARRAY_LEN(meanings)) {
		return garbage(t);
	}
	words_set(t->words, "%s port %u: the proxy %s %s", t->host, t->port,
		  t->proxy->host, meanings[code].text);
	return meanings[code].error;
}

static int socks_connect(struct talk *t)
{
	unsigned char request[4 + 1 + TEXT_MAX + 2] = { SOCKS, 1, 0 };
	unsigned char answer[4], rest[1 + TEXT_MAX + 2];
	size_t n = 4, len = strlen(t->host);
	int r;

	if (inet_pton(AF_INET, t->host, request + 4) == 1) {
		request[3] = SOCKS_IPV4;
		n += 4;
	} else if (inet_pton(AF_INET6, t->host, request + 4) == 1) {
		request[3] = SOCKS_IPV6;
		n += 16;
	} else {
		request[3] = SOCKS_NAME;
		request[n++] = (unsigned char)len;
		memcpy(request + n, t->host, len);
		n += len;
	}
	request[n++] = (unsigned char)(t->port >> 8);
	request[n++] = (unsigned char)t->port;
	r = socks_ask(t, request, n, answer, sizeof(answer));
	if (r < 0) {
		return r;
	}
	if (answer[1] != 0) {
		return socks_refusal(t, answer[1]);
	}
	/* The address it connects from, which nobody needs, must be read to its end. */
	n = answer[3] == SOCKS_IPV4 ? 4 : answer[3] == SOCKS_IPV6 ? 16 : 0;
	if (answer[3] == SOCKS_NAME) {
		r = recv_all(t, rest, 1);
		n = rest[0];
	} else if (n == 0) {
		return garbage(t);
	}
	return r < 0 ? r : recv_all(t, rest, n + 2);
}

/* ---- HTTP ---- */

/* RFC 7617. Wiped by the caller, as is what it becomes part of. */
static int basic_login(const struct talk *t, char *ret, size_t size)
{
	char plain[REQUEST_MAX / 2];
	gnutls_datum_t in = { (unsigned char *)plain, 0 }, out = { 0 };
	int n = snprintf(plain, sizeof(plain), "%s:%s", t->proxy->user, t->password);
	int r = -E2BIG;

	if (n < (int)sizeof(plain)) {
		in.size = (unsigned)n;
		r = gnutls_base64_encode2(&in, &out) < 0 ? -ENOMEM : 0;
	}
	if (r == 0) {
		n = snprintf(ret, size, "Proxy-Authorization: Basic %.*s\r\n",
			     (int)out.size, out.data);
		r = n < (int)size ? 0 : -E2BIG;
		gnutls_memset(out.data, 0, out.size);
		gnutls_free(out.data);
	}
	explicit_bzero(plain, sizeof(plain));
	return r;
}

static int http_request(struct talk *t)
{
	char login[REQUEST_MAX] = "", text[2 * REQUEST_MAX];
	bool v6 = strchr(t->host, ':');
	int n, r = t->proxy->user[0] ? basic_login(t, login, sizeof(login)) : 0;

	if (r < 0) {
		words_set(t->words, "proxy_password is too long");
		return r == -E2BIG ? -EACCES : r;
	}
	n = snprintf(text, sizeof(text),
		     "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n%s\r\n",
		     v6 ? "[" : "", t->host, v6 ? "]" : "", t->port, v6 ? "[" : "",
		     t->host, v6 ? "]" : "", t->port, login);
	r = send_all(t, text, (size_t)n);
	explicit_bzero(login, sizeof(login));
	explicit_bzero(text, sizeof(text));
	return r;
}

/* Byte by byte up to the empty line, since what follows is the server's. The first line
 * stays in `line`, without its end. */
static int http_head(struct talk *t, char *line, size_t size)
{
	size_t n_line = 0;
	unsigned ends = 0; /* line feeds in a row */
	bool first = true;

	for (size_t n = 0; n < HTTP_HEAD_MAX; n++) {
		char c;
		int r = recv_all(t, &c, 1);

		if (r < 0) {
			return r;
		}
		if (c == '\0' || (n == 0 && c != 'H')) {
			return garbage(t);
		}
		if (c == '\n') {
			first = false;
			if (++ends == 2) {
				line[n_line] = '\0';
				return 0;
			}
		} else if (c != '\r') {
			ends = 0;
			if (first && n_line < size - 1) {
				line[n_line++] = isprint((unsigned char)c) ? c : '?';
			}
		}
	}
	return garbage(t);
}

static int http_refusal(struct talk *t, int code, const char *reason)
{
	/* tinyproxy says 401 to a wrong password. */
	if (code == 407 || code == 401) {
		return wants_login(t);
	}
	if (code == 403) {
		words_set(
			t->words,
			"the proxy %s is not allowed to connect to %s port %u (%s): its "
			"list of ports for CONNECT needs this one",
			t->proxy->host, t->host, t->port, reason);
		return -ECONNREFUSED;
	}
	words_set(t->words, "%s port %u: the proxy %s could not connect: %s", t->host,
		  t->port, t->proxy->host, reason);
	return code == 504 ? -ETIMEDOUT : -EHOSTUNREACH;
}

static int http_connect(struct talk *t)
{
	char line[128];
	const char *code = line + 9;
	int r = http_request(t);

	if (r == 0) {
		r = http_head(t, line, sizeof(line));
	}
	if (r < 0) {
		return r;
	}
	if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 || line[8] != ' ' ||
	    !isdigit((unsigned char)code[0]) || !isdigit((unsigned char)code[1]) ||
	    !isdigit((unsigned char)code[2]) || (code[3] && code[3] != ' ')) {
		return garbage(t);
	}
	return code[0] == '2' ? 0 : http_refusal(t, atoi(code), code);
}

/* ---- both ---- */

static int dial_proxy(const struct proxy_url *p, const struct endpoint *from,
		      const struct wait *w, int64_t deadline, int *ret_fd,
		      struct words *words)
{
	int family = from ? from->addr.ss_family : AF_UNSPEC;
	struct endpoints all = { .n = 0 };
	int r = dial_resolve(p->host, p->port, family, w, deadline, &all, words);

	if (r < 0) {
		return r;
	}
	r = all.n ? dial_race(&all, from, w, deadline, ret_fd) : -EHOSTUNREACH;
	if (r < 0 && r != -EINTR) {
		words_set(words, "cannot connect to the proxy %s port %u: %s", p->host,
			  p->port, strerror(-r));
	}
	return r;
}

int proxy_connect(const char *url, const char *password, const char *host, uint16_t port,
		  const struct endpoint *from, const struct wait *w, int64_t deadline,
		  int *ret_fd, struct words *words)
{
	struct proxy_url p;
	_cleanup_close_ int fd = -1;
	int r = proxy_url_parse(url, &p, words);

	if (r < 0) {
		return r;
	}
	if (!*host || strlen(host) > TEXT_MAX || strpbrk(host, " \t\r\n")) {
		words_set(words, "'%s' is no host name to give to a proxy", host);
		return -EINVAL;
	}
	r = dial_proxy(&p, from, w, deadline, &fd, words);
	if (r == 0) {
		struct talk t = {
			.fd = fd,
			.proxy = &p,
			.password = password ? password : "",
			.host = host,
			.port = port,
			.w = w,
			.deadline = deadline,
			.words = words,
		};

		r = p.socks ? socks_greet(&t) : http_connect(&t);
		if (r == 0 && p.socks) {
			r = socks_connect(&t);
		}
	}
	if (r < 0) {
		return r;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}
