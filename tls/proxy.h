/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections through a proxy: SOCKS5 (RFC 1928, 1929) and HTTP CONNECT (RFC 9110 section 9.3.6).
 * The proxy resolves the name. */
#ifndef TLS_PROXY_H
#define TLS_PROXY_H

#include "tls/dial.h"

/* url: "socks5h://[user@]host:port", "socks5://..." (the same) or
 * "http://[user@]host:port". A connected, non-blocking socket tuned as dial_connect() does
 * it, with the tunnel open and no byte read beyond the proxy's answer. from: local address
 * or NULL. -EINVAL: not such a URL; -EACCES: the proxy wants another login; -ECONNREFUSED,
 * -EHOSTUNREACH, -ETIMEDOUT, -EINTR, -EPROTO with words that say whether the proxy or what
 * lies behind it failed. */
int proxy_connect(const char *url, const char *password, const char *host, uint16_t port,
		  const struct endpoint *from, const struct wait *w, int64_t deadline,
		  int *ret_fd, struct words *words);

/* 0 or -EINVAL with words: for the option parser's check at mount time. */
int proxy_check(const char *url, struct words *words);

#endif
