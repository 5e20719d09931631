/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/server.h"

#include "tls/dial.h"
#include "tls/proxy.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int check_address(const char *name, const char *text, struct words *words)
{
	struct endpoint e;

	if (text && endpoint_parse(text, 0, &e) < 0) {
		words_set(words, "%s=%s: not an IPv4 or IPv6 address", name, text);
		return -EINVAL;
	}
	return 0;
}

static int check_bind(const struct server *s, struct words *words)
{
	struct endpoint e;

	if (check_address("bind", s->bind, words) < 0) {
		return -EINVAL;
	}
	if (s->bind && s->family != AF_UNSPEC && endpoint_parse(s->bind, 0, &e) == 0 &&
	    e.addr.ss_family != s->family) {
		words_set(words, "bind=%s and %s contradict each other", s->bind,
			  s->family == AF_INET ? "ipv4" : "ipv6");
		return -EINVAL;
	}
	return 0;
}

/* Commands that would change under our feet what login has settled. */
static int check_quote(const char *quote, struct words *words)
{
	static const struct {
		const char *verb, *instead;
	} ours[] = {
		{ "AUTH", "tls=" },	      { "CCC", "ccc=" },
		{ "PROT", "prot=" },	      { "HOST", "ftp_host=" },
		{ "USER", "user=" },	      { "PASS", "credentials=" },
		{ "ACCT", "account=" },	      { "REIN", "another mount" },
		{ "QUIT", "fusermount3 -u" },
	};

	for (const char *line = quote; line; line = strchr(line, '\n')) {
		size_t n;

		line += line != quote;
		n = strcspn(line, " \n");
		for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
			if (strlen(ours[i].verb) == n &&
			    strncasecmp(ours[i].verb, line, n) == 0) {
				words_set(words, "quote=%s: use %s", ours[i].verb,
					  ours[i].instead);
				return -EINVAL;
			}
		}
	}
	return 0;
}

int server_zone(const struct server *s, int *ret)
{
	const char *t = s->timezone;
	int sign = t && *t == '-' ? -1 : 1;
	unsigned hours = 0, minutes = 0;
	int end = -1;

	if (t && (strcasecmp(t, "UTC") == 0 || strcasecmp(t, "GMT") == 0)) {
		*ret = 0;
		return 0;
	}
	if (!t || (*t != '+' && *t != '-') || !isdigit((unsigned char)t[1])) {
		return -EINVAL;
	}
	(void)sscanf(t + 1, "%2u%n:%2u%n", &hours, &end, &minutes, &end);
	if (strlen(t) == 5 && t[1 + (size_t)end]) {
		(void)sscanf(t + 1, "%2u%2u%n", &hours, &minutes, &end);
	}
	if (end < 0 || t[1 + (size_t)end] || hours > 14 || minutes > 59) {
		return -EINVAL;
	}
	*ret = sign * (int)(hours * 3600 + minutes * 60);
	return 0;
}

int server_check(const struct server *s, struct words *words)
{
	bool named = s->pasv_addr && strcmp(s->pasv_addr, "control") != 0 &&
		     strcmp(s->pasv_addr, "reply") != 0;
	int zone;

	if (check_bind(s, words) < 0 ||
	    check_address("active_addr", s->active_addr, words) < 0 ||
	    check_address("pasv_addr", named ? s->pasv_addr : NULL, words) < 0 ||
	    (s->proxy && proxy_check(s->proxy, words) < 0) ||
	    check_quote(s->quote, words) < 0) {
		return -EINVAL;
	}
	if (s->proxy && s->mode == MODE_ACTIVE) {
		words_set(words, "proxy and mode=active contradict each other: through a "
				 "proxy data connections are passive");
		return -EINVAL;
	}
	if (s->timezone && strcasecmp(s->timezone, "auto") != 0 &&
	    server_zone(s, &zone) < 0) {
		words_set(words, "timezone=%s: use auto, UTC or an offset such as +02:00",
			  s->timezone);
		return -EINVAL;
	}
	if (s->tls == TLS_NONE && s->ccc == CCC_REQUIRE) {
		words_set(words, "ccc=require and tls=none contradict each other: there "
				 "is nothing to clear");
		return -EINVAL;
	}
	return 0;
}
