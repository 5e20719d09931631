/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/proxy_url.h"

#include "tls/proxy.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* The URL is not repeated: a password may have been put into it. */
static int bad_url(const char *why, struct words *words)
{
	words_set(words, "proxy: the URL %s", why);
	return -EINVAL;
}

static int copy_part(char ret[static PROXY_TEXT_MAX + 1], const char *text, size_t len)
{
	if (len > PROXY_TEXT_MAX) {
		return -EINVAL;
	}
	memcpy(ret, text, len);
	ret[len] = '\0';
	return 0;
}

/* "host", "[v6]"; no blanks or control characters: it becomes part of a request. */
static int parse_host(const char *text, size_t len, struct proxy_url *p)
{
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] <= 0x20 || strchr("/[]@\x7f", text[i])) {
			return -EINVAL;
		}
	}
	return len ? copy_part(p->host, text, len) : -EINVAL;
}

static int parse_port(const char *text, size_t len, uint16_t *ret)
{
	unsigned port = 0;

	if (len == 0 || len > 5) {
		return -EINVAL;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return -EINVAL;
		}
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	if (port == 0 || port > UINT16_MAX) {
		return -EINVAL;
	}
	*ret = (uint16_t)port;
	return 0;
}

int proxy_url_parse(const char *url, struct proxy_url *ret, struct words *words)
{
	static const struct {
		const char *scheme;
		bool socks;
	} schemes[] = { { "socks5h://", true },
			{ "socks5://", true },
			{ "http://", false } };
	struct proxy_url p = { .port = 0 };
	const char *at = NULL, *user_end, *colon;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(schemes) && !at; i++) {
		size_t n = strlen(schemes[i].scheme);

		if (strncasecmp(url, schemes[i].scheme, n) == 0) {
			at = url + n;
			p.socks = schemes[i].socks;
		}
	}
	if (!at) {
		return bad_url("must be socks5h://host:port or http://host:port", words);
	}
	len = strcspn(at, "/");
	if (at[len] && at[len + 1]) {
		return bad_url("has a path, which a proxy has not", words);
	}
	user_end = memrchr(at, '@', len);
	if (user_end) {
		if (memchr(at, ':', (size_t)(user_end - at))) {
			return bad_url("must not hold a password: write "
				       "proxy_password= into the credentials file",
				       words);
		}
		if (user_end == at ||
		    copy_part(p.user, at, (size_t)(user_end - at)) < 0) {
			return bad_url("has no user name of 1 to 255 bytes before @",
				       words);
		}
		len -= (size_t)(user_end + 1 - at);
		at = user_end + 1;
	}
	colon = memrchr(at, ':', len);
	if (!colon ||
	    parse_port(colon + 1, len - (size_t)(colon + 1 - at), &p.port) < 0) {
		return bad_url("names no port", words);
	}
	if (parse_host(at, (size_t)(colon - at), &p) < 0) {
		return bad_url("names no host", words);
	}
	*ret = p;
	return 0;
}

int proxy_check(const char *url, struct words *words)
{
	struct proxy_url p;

	return proxy_url_parse(url, &p, words);
}
