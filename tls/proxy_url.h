/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The URL of a proxy. Pure. */
#ifndef TLS_PROXY_URL_H
#define TLS_PROXY_URL_H

#include "base/report.h"

#include <stdbool.h>
#include <stdint.h>

/* A name, a user, a password: SOCKS has one byte for their lengths. */
enum { PROXY_TEXT_MAX = 255 };

struct proxy_url {
	bool socks; /* else HTTP */
	char user[PROXY_TEXT_MAX + 1]; /* "": no login */
	char host[PROXY_TEXT_MAX + 1]; /* without brackets */
	uint16_t port; /* never 0 */
};

/* "socks5h://[user@]host:port", "socks5://...", "http://...". 0, or -EINVAL with words that
 * do not repeat the URL. */
int proxy_url_parse(const char *url, struct proxy_url *ret, struct words *words);

#endif
