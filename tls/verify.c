/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificate verdicts, in words a user can act on. */
#include "tls/private.h"

#include "base/buf.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

static void describe_names(gnutls_x509_crt_t crt, struct buf *out)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned char san[256];
		size_t len = sizeof(san) - 1;
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, san, &len, NULL);

		if (type < 0) {
			break;
		}
		if (type == GNUTLS_SAN_DNSNAME) {
			(void)buf_printf(out, "%s%.*s", out->len ? ", " : "", (int)len,
					 san);
		} else if (type == GNUTLS_SAN_IPADDRESS && len == 4) {
			(void)buf_printf(out, "%s%u.%u.%u.%u", out->len ? ", " : "",
					 san[0], san[1], san[2], san[3]);
		}
	}
}

static void describe_date(time_t t, char text[static 32])
{
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(text, 32, "%Y-%m-%d", &tm) == 0) {
		strcpy(text, "?");
	}
}

/* The one reason worth naming, with its remedy. */
static void explain(unsigned status, gnutls_x509_crt_t crt, const char *host,
		    struct words *words)
{
	_cleanup_buf_ struct buf names = { 0 };
	char subject[256] = "?", issuer[256] = "?", from[32], to[32];
	size_t n = sizeof(subject);

	(void)gnutls_x509_crt_get_dn(crt, subject, &n);
	n = sizeof(issuer);
	(void)gnutls_x509_crt_get_issuer_dn(crt, issuer, &n);
	describe_date(gnutls_x509_crt_get_activation_time(crt), from);
	describe_date(gnutls_x509_crt_get_expiration_time(crt), to);
	describe_names(crt, &names);

	if (status & GNUTLS_CERT_EXPIRED) {
		words_set(words,
			  "the certificate of %s (%s) expired on %s: the server's "
			  "administrator must renew it",
			  host, subject, to);
	} else if (status & GNUTLS_CERT_NOT_ACTIVATED) {
		words_set(words,
			  "the certificate of %s (%s) is valid only from %s: is this "
			  "machine's clock right?",
			  host, subject, from);
	} else if (status & GNUTLS_CERT_REVOKED) {
		words_set(words, "the certificate of %s (%s) has been revoked", host,
			  subject);
	} else if (status & GNUTLS_CERT_UNEXPECTED_OWNER) {
		words_set(words,
			  "the certificate of %s is for another name (%s; names: %s): "
			  "mount by one of these names, "
			  "or name it with tls_hostname=",
			  host, subject, names.len ? buf_str(&names) : "none");
	} else if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA)) {
		words_set(words,
			  "the certificate of %s (%s, valid %s to %s) is not trusted: "
			  "its issuer (%s) is unknown "
			  "here; give the issuer's or the server's certificate with "
			  "cacert=FILE",
			  host, subject, from, to, issuer);
	} else if (status & GNUTLS_CERT_SIGNATURE_FAILURE) {
		words_set(words,
			  "the certificate of %s (%s) was signed with another key than "
			  "the trusted certificate of "
			  "that name (%s): it was renewed, or somebody is in between",
			  host, subject, issuer);
	} else if (status & GNUTLS_CERT_INSECURE_ALGORITHM) {
		words_set(
			words,
			"the certificate of %s (%s) is signed with an insecure algorithm",
			host, subject);
	} else {
		words_set(words,
			  "the certificate of %s (%s, issuer %s) is not valid (GnuTLS "
			  "status 0x%x)",
			  host, subject, issuer, status);
	}
}

int verify_peer(const struct trust *t, gnutls_session_t session, const char *host,
		struct words *words)
{
	const char *name = t->tls_hostname ? t->tls_hostname : host;
	const gnutls_datum_t *chain;
	gnutls_x509_crt_t crt;
	unsigned n = 0, status = 0;
	int r;

	if (!t->verify_peer) {
		return 0;
	}
	r = gnutls_certificate_verify_peers3(session, t->verify_hostname ? name : NULL,
					     &status);
	if (r == 0 && status == 0) {
		return 0;
	}
	chain = gnutls_certificate_get_peers(session, &n);
	if (r < 0 || !chain || n == 0) {
		words_set(words, "the certificate of %s could not be checked: %s", host,
			  gnutls_strerror(r));
		return -EKEYREJECTED;
	}
	if (gnutls_x509_crt_init(&crt) < 0) {
		return -ENOMEM;
	}
	if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) < 0) {
		words_set(words, "the certificate of %s could not be read", host);
	} else {
		explain(status, crt, name, words);
	}
	gnutls_x509_crt_deinit(crt);
	return -EKEYREJECTED;
}
