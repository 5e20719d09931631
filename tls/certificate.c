/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/certificate.h"
#include "tls/private.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Each is looked for from the start: a certificate with thousands would take its time. */
enum { NAMES_MAX = 16 };

/* ---- text ---- */

/* Marks that reorder, break or hide text on a terminal. */
static bool misleads(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '"' || c == 0x61c ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* How many bytes the character at p has; 0: it is not to be shown. */
static size_t shown(const unsigned char *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80	 ? 1
		   : p[0] < 0xc2 ? 0
		   : p[0] < 0xe0 ? 2
		   : p[0] < 0xf0 ? 3
		   : p[0] < 0xf5 ? 4
				 : 0;
	uint32_t c = n > 1 ? p[0] & (0x7fu >> n) : p[0];

	if (n == 0 || n > left) {
		return 0;
	}
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
		return 0;
	}
	return misleads(c) ? 0 : n;
}

/* data behind the text in to[size], of which at most size - 4 bytes are used before
 * "...". */
static void put(char *to, size_t size, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t at = strlen(to);

	for (size_t i = 0; i < len;) {
		size_t n = shown(p + i, len - i);

		if (at + MAX(n, 1) + 4 > size) {
			if (at + 4 <= size) {
				memcpy(to + at, "...", 4);
			}
			return;
		}
		if (n == 0) {
			to[at++] = '?';
			i++;
			continue;
		}
		memcpy(to + at, p + i, n);
		at += n;
		i += n;
	}
	to[at] = '\0';
}

static void put_text(char *to, size_t size, const char *text)
{
	put(to, size, text, strlen(text));
}

/* ---- parts ---- */

static void read_dn(gnutls_x509_crt_t crt, bool issuer, char *to, size_t size)
{
	gnutls_datum_t dn = { 0 };
	int r = issuer ? gnutls_x509_crt_get_issuer_dn3(crt, &dn, 0)
		       : gnutls_x509_crt_get_dn3(crt, &dn, 0);

	to[0] = '\0';
	if (r < 0) {
		put_text(to, size, "?");
		return;
	}
	put(to, size, dn.data, dn.size);
	gnutls_free(dn.data);
}

static void read_name(int type, const unsigned char *san, size_t len, char *to,
		      size_t size)
{
	char address[INET6_ADDRSTRLEN] = "?";

	if (to[0]) {
		put_text(to, size, ", ");
	}
	if (type == GNUTLS_SAN_IPADDRESS) {
		if (len == 4 || len == 16) {
			(void)inet_ntop(len == 4 ? AF_INET : AF_INET6, san, address,
					sizeof(address));
		}
		put_text(to, size, address);
	} else {
		put(to, size, san, len);
	}
}

static void read_names(gnutls_x509_crt_t crt, char *to, size_t size)
{
	to[0] = '\0';
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		unsigned char san[256];
		size_t len = sizeof(san);
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, san, &len, NULL);

		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) {
			continue; /* longer than any host's name */
		}
		if (type < 0) {
			break;
		}
		if (type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_IPADDRESS) {
			read_name(type, san, len, to, size);
		}
	}
	if (!to[0]) {
		put_text(to, size, "none");
	}
}

static void read_date(time_t t, char text[static 16])
{
	struct tm tm;

	if (t == (time_t)-1 || !gmtime_r(&t, &tm) ||
	    strftime(text, 16, "%Y-%m-%d", &tm) == 0) {
		strcpy(text, "?");
	}
}

/* ---- the public key ---- */

int pin_of(gnutls_x509_crt_t crt, unsigned char ret[static PIN_BYTES])
{
	unsigned char id[PIN_BYTES];
	size_t len = sizeof(id);

	/* GnuTLS's key id is the hash of the SubjectPublicKeyInfo. */
	if (gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, id, &len) < 0 ||
	    len != sizeof(id)) {
		return -EINVAL;
	}
	memcpy(ret, id, sizeof(id));
	return 0;
}

int pin_format(const unsigned char pin[static PIN_BYTES], char text[static PIN_TEXT])
{
	const gnutls_datum_t raw = { (unsigned char *)(uintptr_t)pin, PIN_BYTES };
	gnutls_datum_t base64 = { 0 };

	if (gnutls_base64_encode2(&raw, &base64) < 0) {
		return -ENOMEM;
	}
	snprintf(text, PIN_TEXT, "sha256:%.*s", (int)base64.size,
		 (const char *)base64.data);
	gnutls_free(base64.data);
	return 0;
}

/* ---- all of it ---- */

int certificate_import(const void *der, size_t len, gnutls_x509_crt_t *ret)
{
	const gnutls_datum_t datum = { (unsigned char *)(uintptr_t)der, (unsigned)len };
	gnutls_x509_crt_t crt;

	if (gnutls_x509_crt_init(&crt) < 0) {
		return -ENOMEM;
	}
	if (gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER) < 0) {
		gnutls_x509_crt_deinit(crt);
		return -EINVAL;
	}
	*ret = crt;
	return 0;
}

int certificate_read(const void *der, size_t len, struct certificate *ret)
{
	struct certificate c = { 0 };
	unsigned char pin[PIN_BYTES];
	gnutls_x509_crt_t crt;
	int r = certificate_import(der, len, &crt);

	if (r < 0) {
		return r;
	}
	r = pin_of(crt, pin);
	if (r == 0) {
		r = pin_format(pin, c.pin);
	}
	if (r == 0) {
		read_dn(crt, false, c.subject, sizeof(c.subject));
		read_dn(crt, true, c.issuer, sizeof(c.issuer));
		read_names(crt, c.names, sizeof(c.names));
		read_date(gnutls_x509_crt_get_activation_time(crt), c.from);
		read_date(gnutls_x509_crt_get_expiration_time(crt), c.to);
		c.self_signed = gnutls_x509_crt_check_issuer(crt, crt) != 0;
		*ret = c;
	}
	gnutls_x509_crt_deinit(crt);
	return r;
}
