/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes of a channel with a server whose certificates are made here, one fault each. */
#ifndef TALK_TRUST_BED_H
#define TALK_TRUST_BED_H

#include "base/buf.h"
#include "tls/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/x509.h>

enum { DAY = 86400, PATH_ROOM = 128 };

#define HOST "ftp.example.org"

int must(int r); /* of GnuTLS */

struct party {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
};

struct spec {
	const char *dn; /* NULL: CN=HOST */
	const char *name; /* DNS name; NULL: HOST */
	const struct party *issuer; /* NULL: itself */
	bool ca;
	int from, to; /* days from now; both 0: -1 and 100 */
	gnutls_digest_algorithm_t digest; /* 0: SHA-256 */
	unsigned rsa_bits; /* 0: ECDSA */
};

void party_init(struct party *p, const struct spec *s);
void party_finish(struct party *p);

struct bed {
	char dir[32];
	struct party ca; /* ca.pem in dir */
	struct party leaf; /* what the server shows */
	struct trust *trust;
	struct words words; /* of the last handshake or refused configuration */
	struct buf log;
	bool asks_client; /* the server wants a certificate */
	bool saw_client; /* and got one */
};

int bed_setup(void **state);
int bed_teardown(void **state);
#define BED(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

void bed_path(const struct bed *b, const char *name, char path[static PATH_ROOM]);
void bed_write(const struct bed *b, const char *name, const void *data, size_t len,
	       mode_t mode);
void bed_write_crt(const struct bed *b, const char *name, gnutls_x509_crt_t crt);
void bed_leaf(struct bed *b, const struct spec *s); /* another leaf */
void bed_log(void *arg, enum log_level level, const char *text);

/* The channel's verdict on b->leaf, as HOST or as host. */
int shake(struct bed *b, const struct trust_config *c);
int shake_as(struct bed *b, const struct trust_config *c, const char *host);
/* With ca.pem and nothing else. */
int shake_ca(struct bed *b);
/* The error of trust_new(). */
int refused_config(struct bed *b, const struct trust_config *c);

void says(const struct bed *b, const char *part);
void is_silent_about(const struct bed *b, const char *part);

/* "sha256:..." of the leaf's key, computed apart from the code under test. */
void pin_of_leaf(const struct bed *b, char pin[static 64]);
/* What the words offer to paste is this key's pin, and with it the handshake succeeds. */
void remedy_works(struct bed *b);

#endif
