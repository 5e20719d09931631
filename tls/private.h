/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of tls/ only. */
#ifndef TLS_PRIVATE_H
#define TLS_PRIVATE_H

#include "tls/certificate.h"
#include "tls/trust.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

struct trust {
	gnutls_certificate_credentials_t cred;
	gnutls_priority_t priority;
	char *tls_hostname;
	bool verify_peer, verify_hostname;

	unsigned char (*pins)[PIN_BYTES]; /* any of them, in place of the CA check */
	size_t n_pins;

	char *tofu; /* known hosts file, in place of the CA check; NULL: off */
	bool tofu_usual; /* it is ours: its folders are made */
	char service[8];
	const struct log_hook *hook;

	const char *key_password; /* the caller's: see trust.h */
};

/* Judges the peer's chain for a control connection: 0, or -EKEYREJECTED with words. */
int verify_peer(const struct trust *t, gnutls_session_t session, const char *host,
		struct words *words);

/* ---- certificate.c ---- */

int certificate_import(const void *der, size_t len, gnutls_x509_crt_t *ret);
/* SHA-256 of the SubjectPublicKeyInfo, and "sha256:BASE64". 0, -EINVAL, -ENOMEM. */
int pin_of(gnutls_x509_crt_t crt, unsigned char ret[static PIN_BYTES]);
int pin_format(const unsigned char pin[static PIN_BYTES], char text[static PIN_TEXT]);

/* ---- pin.c ---- */

/* The option's text; -EINVAL with words that name the piece that is none. */
int pin_load(struct trust *t, const char *text, struct words *words);
bool pin_known(const struct trust *t, const char *pin_text);

/* ---- tofu.c ---- */

/* Where the keys are kept, and whether that can be read. */
int tofu_load(struct trust *t, const struct trust_config *c, struct words *words);

/* As the file has it: names are the same in capitals. */
void tofu_fold(char *host);

enum tofu_verdict {
	TOFU_KNOWN, /* or first seen, and stored now */
	TOFU_CHANGED, /* another key is stored for host */
};

/* host: folded; leaf: the certificate, DER; pin: its text. < 0 with words when the file
 * cannot be used. */
int tofu_check(const struct trust *t, const char *host, const gnutls_datum_t *leaf,
	       const char *pin, enum tofu_verdict *ret, struct words *words);

/* ---- identity.c ---- */

/* Client certificate and key. */
int identity_load(struct trust *t, const struct trust_config *c, struct words *words);

#endif
