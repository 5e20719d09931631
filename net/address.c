/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* A decimal number of at most digits figures and at most max. Returns behind it, or
 * NULL. */
static const char *number(const char *p, size_t digits, unsigned max, unsigned *ret)
{
	unsigned value = 0;
	size_t n = 0;

	for (; isdigit((unsigned char)*p); p++) {
		if (++n > digits) {
			return NULL;
		}
		value = value * 10 + (unsigned)(*p - '0');
	}
	if (n == 0 || value > max) {
		return NULL;
	}
	*ret = value;
	return p;
}

/* dddPORTd at p, the delimiter d being anything printable but a digit. */
static bool epsv_at(const char *p, struct passive *ret)
{
	unsigned port;
	const char *end;

	if (p[0] < 33 || p[0] > 126 || isdigit((unsigned char)p[0]) || p[1] != p[0] ||
	    p[2] != p[0]) {
		return false;
	}
	end = number(p + 3, 5, UINT16_MAX, &port);
	if (!end || *end != p[0] || port == 0) {
		return false;
	}
	*ret = (struct passive){ .port = (uint16_t)port };
	return true;
}

/* RFC 2428 allows even a digit as the delimiter; then only the parenthesis tells where
 * the port ends. */
static bool epsv_digit_at(const char *p, struct passive *ret)
{
	char port_text[6] = "";
	size_t n = strspn(p, "0123456789");
	unsigned port;

	if (n < 5 || n > 9 || p[n] != ')' || p[1] != p[0] || p[2] != p[0] ||
	    p[n - 1] != p[0]) {
		return false;
	}
	memcpy(port_text, p + 3, n - 4);
	if (!number(port_text, 5, UINT16_MAX, &port) || port == 0) {
		return false;
	}
	*ret = (struct passive){ .port = (uint16_t)port };
	return true;
}

static bool epsv_find(const char *text, struct passive *ret)
{
	for (const char *p = text; (p = strchr(p, '(')); p++) {
		if (epsv_at(p + 1, ret) || epsv_digit_at(p + 1, ret)) {
			return true;
		}
	}
	for (const char *p = text; *p; p++) {
		if (epsv_at(p, ret)) {
			return true;
		}
	}
	return false;
}

/* Exactly six numbers with commas between at p. */
static bool pasv_at(const char *p, struct passive *ret)
{
	unsigned v[6];
	struct passive found = { .has_host = true };

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		p = number(p, 3, 255, &v[i]);
		if (!p) {
			return false;
		}
		p += strspn(p, " ");
		if ((*p == ',') != (i + 1 < ARRAY_LEN(v))) {
			return false;
		}
		if (*p == ',') {
			p += 1 + strspn(p + 1, " ");
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(found.host); i++) {
		found.host[i] = (uint8_t)v[i];
	}
	found.port = (uint16_t)(v[4] << 8 | v[5]);
	if (found.port == 0) {
		return false;
	}
	*ret = found;
	return true;
}

static bool pasv_find(const char *text, struct passive *ret)
{
	char before = '\0'; /* the last byte that is no blank */

	for (const char *p = text; *p; p++) {
		/* Six of more numbers in a row would be six wrong ones (LPSV). */
		if (isdigit((unsigned char)*p) && before != ',' &&
		    !isdigit((unsigned char)before) && pasv_at(p, ret)) {
			return true;
		}
		if (*p != ' ') {
			before = *p;
		}
	}
	return false;
}

int passive_parse(const char *text, struct passive *ret)
{
	struct passive found;
	bool ok;

	if (strspn(text, "0123456789") != 3) {
		return -EPROTO;
	}
	/* The code says what is likelier; servers mix them up (T24). */
	if (strncmp(text, "229", 3) == 0) {
		ok = epsv_find(text + 3, &found) || pasv_find(text + 3, &found);
	} else {
		ok = pasv_find(text + 3, &found) || epsv_find(text + 3, &found);
	}
	if (!ok) {
		return -EPROTO;
	}
	*ret = found;
	return 0;
}

int port_range_parse(const char *text, struct port_range *ret)
{
	unsigned lo, hi;
	const char *p = number(text, 5, UINT16_MAX, &lo);

	if (!p) {
		return -EINVAL;
	}
	hi = lo;
	if (*p == '-') {
		p = number(p + 1, 5, UINT16_MAX, &hi);
	}
	if (!p || *p || lo == 0 || hi < lo) {
		return -EINVAL;
	}
	*ret = (struct port_range){ .lo = (uint16_t)lo, .hi = (uint16_t)hi };
	return 0;
}

/* Splits an address into its IPv4 part, mapped ones included, or its IPv6 part. Returns
 * the family of what was filled in, or -EAFNOSUPPORT. */
static int split(const struct sockaddr *addr, struct in_addr *ret4, struct in6_addr *ret6,
		 uint16_t *ret_port)
{
	struct sockaddr_in a4;
	struct sockaddr_in6 a6;

	switch (addr->sa_family) {
	case AF_INET:
		memcpy(&a4, addr, sizeof(a4));
		*ret4 = a4.sin_addr;
		*ret_port = ntohs(a4.sin_port);
		return AF_INET;
	case AF_INET6:
		memcpy(&a6, addr, sizeof(a6));
		*ret_port = ntohs(a6.sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&a6.sin6_addr)) {
			memcpy(ret4, &a6.sin6_addr.s6_addr[12], sizeof(*ret4));
			return AF_INET;
		}
		*ret6 = a6.sin6_addr;
		return AF_INET6;
	default:
		return -EAFNOSUPPORT;
	}
}

int eprt_format(const struct sockaddr *addr, struct buf *ret)
{
	char host[INET6_ADDRSTRLEN];
	struct in_addr a4;
	struct in6_addr a6;
	uint16_t port;
	int family = split(addr, &a4, &a6, &port);

	if (family < 0) {
		return family;
	}
	inet_ntop(family, family == AF_INET ? (const void *)&a4 : &a6, host,
		  sizeof(host));
	return buf_printf(ret, "|%d|%s|%u|", family == AF_INET ? 1 : 2, host, port);
}

int port_format(const struct sockaddr *addr, struct buf *ret)
{
	struct in_addr a4;
	struct in6_addr a6;
	uint16_t port;
	uint8_t h[4];
	int family = split(addr, &a4, &a6, &port);

	if (family != AF_INET) {
		return -EAFNOSUPPORT;
	}
	memcpy(h, &a4, sizeof(h));
	return buf_printf(ret, "%u,%u,%u,%u,%u,%u", h[0], h[1], h[2], h[3], port >> 8,
			  port & 0xff);
}
