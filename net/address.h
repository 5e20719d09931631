/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts of EPSV, PASV, EPRT and PORT (RFC 959, 2428), and port ranges.
 * Pure; fuzzed by tests/fuzz/fuzz-address.c. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* What the server offers for a passive data connection. host[0] == 0: no address
 * given (EPSV), use the control connection's. */
struct passive {
	uint8_t host[4];
	bool has_host;
	uint16_t port; /* host byte order, never 0 */
};

/* text: a whole reply's text to EPSV or PASV. Takes both syntaxes for either command
 * (T24): "229 ... (|||port|)" with any delimiter from 33 to 126, and "227 ...
 * h1,h2,h3,h4,p1,p2" with or without parentheses, blanks, '='. 0 or -EPROTO. */
int passive_parse(const char *text, struct passive *ret);

struct port_range {
	uint16_t lo, hi; /* both 0: any */
};

/* "50000-50100" or "50000". 0 or -EINVAL. */
int port_range_parse(const char *text, struct port_range *ret);
static inline bool port_range_has(const struct port_range *r, uint16_t port)
{
	return r->lo == 0 || (port >= r->lo && port <= r->hi);
}

/* The argument of EPRT ("|1|10.0.0.1|5000|", RFC 2428) and of PORT
 * ("10,0,0,1,19,136"; -EAFNOSUPPORT for IPv6 that is not v4-mapped). */
int eprt_format(const struct sockaddr *addr, struct buf *ret);
int port_format(const struct sockaddr *addr, struct buf *ret);

#endif
