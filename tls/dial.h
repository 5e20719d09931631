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
/* "192.0.2.1", "2001:db8::1". */
void endpoint_format_host(const struct endpoint *e, char text[static ENDPOINT_TEXT]);
/* An address literal, without a name server. 0 or -EINVAL. */
int endpoint_parse(const char *text, uint16_t port, struct endpoint *ret);
/* The same address, whatever the ports; 192.0.2.1 is ::ffff:192.0.2.1. */
bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b);
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
 * -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH (prohibited, too), -EINTR ... */
int dial_connect(const struct endpoint *to, const struct endpoint *from,
		 const struct wait *w, int64_t deadline, int *ret_fd);

/* Its halves, which do not wait. start: *ret_fd and 0, or -EINPROGRESS: poll it for POLLOUT, then
 * ask dial_end() how it went; other errors leave no socket. */
int dial_start(const struct endpoint *to, const struct endpoint *from, int *ret_fd);
int dial_end(int fd);

/* The same from a local port of [lo, hi]: a random one, then the next while it is in use.
 * -EADDRINUSE or -EADDRNOTAVAIL: none is free; -EACCES: not for us (below 1024). */
int dial_connect_range(const struct endpoint *to, const struct endpoint *from,
		       uint16_t lo, uint16_t hi, const struct wait *w, int64_t deadline,
		       int *ret_fd);

/* The first of several addresses to answer (RFC 8305 in small): families take turns, an
 * attempt begins RACE_STEP_MS after the last one, or as soon as that has failed. Addresses
 * of another family than from's are left out. `to` comes back reordered with the winner in
 * front; after a failure with the address in front whose error is returned, the one that
 * tells most. to->n must not be 0. */
enum { RACE_STEP_MS = 250 };
int dial_race(struct endpoints *to, const struct endpoint *from, const struct wait *w,
	      int64_t deadline, int *ret_fd);

/* A listening, non-blocking socket on this address, on a port of [lo, hi] (lo 0: any), found
 * as above. */
int dial_listen(const struct endpoint *at, uint16_t lo, uint16_t hi, int *ret_fd);
/* A socket as dial_connect() makes it. -EAGAIN: nobody has connected. */
int dial_accept(int listener, int *ret_fd, struct endpoint *ret_peer);

#endif
