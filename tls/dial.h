/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Name to address to connected socket, within a deadline and interruptibly. */
#ifndef TLS_DIAL_H
#define TLS_DIAL_H

#include "base/report.h"
#include "base/sync.h"

#include <sys/socket.h>

struct endpoint {
	struct sockaddr_storage addr;
	socklen_t len;
};

enum { ENDPOINTS_MAX = 16, ENDPOINT_TEXT = 64 };

struct endpoints {
	struct endpoint v[ENDPOINTS_MAX];
	size_t n;
};

/* "192.0.2.1:21", "[2001:db8::1]:21". */
void endpoint_format(const struct endpoint *e, char text[static ENDPOINT_TEXT]);
uint16_t endpoint_port(const struct endpoint *e); /* host byte order */
void endpoint_set_port(struct endpoint *e, uint16_t port);
int endpoint_local(int fd, struct endpoint *ret); /* getsockname */
int endpoint_peer(int fd, struct endpoint *ret);

/* getaddrinfo(3), on a thread of its own since it knows neither deadline nor interrupt.
 * -EHOSTUNREACH with words for a name that does not resolve; -ETIMEDOUT, -EINTR, -ENOMEM.
 */
int dial_resolve(const char *host, uint16_t port, int family, const struct wait *w,
		 int64_t deadline, struct endpoints *ret, struct words *words);

/* A connected, non-blocking, close-on-exec socket with TCP_NODELAY (a data record and the
 * close_notify behind it would otherwise meet Nagle and delayed ACK: 40 ms a small
 * upload) and TCP keep-alive after 30 s, so that NAT devices keep an idle control
 * connection and a dead peer is noticed. from: local address to bind to, or NULL.
 * -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -EINTR ... */
int dial_connect(const struct endpoint *to, const struct endpoint *from,
		 const struct wait *w, int64_t deadline, int *ret_fd);

#endif
