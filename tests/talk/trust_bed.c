/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trust_bed.h"

#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { LIMIT_MS = 8000 };

int must(int r)
{
	if (r < 0) {
		fail_msg("GnuTLS: %s", gnutls_strerror(r));
	}
	return r;
}

/* ---- certificates ---- */

void party_init(struct party *p, const struct spec *s)
{
	const struct party *issuer = s->issuer ? s->issuer : p;
	const char *name = s->name ? s->name : HOST;
	static unsigned char serial;
	unsigned char number[2] = { 1, ++serial };
	time_t now = time(NULL);
	bool usual = s->from == 0 && s->to == 0;
	char dn[64];

	snprintf(dn, sizeof(dn), "CN=%s", HOST);
	must(gnutls_x509_privkey_init(&p->key));
	must(gnutls_x509_privkey_generate(
		p->key, s->rsa_bits ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA,
		s->rsa_bits ? s->rsa_bits
			    : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
		0));
	must(gnutls_x509_crt_init(&p->crt));
	must(gnutls_x509_crt_set_version(p->crt, 3));
	must(gnutls_x509_crt_set_serial(p->crt, number, sizeof(number)));
	must(gnutls_x509_crt_set_dn(p->crt, s->dn ? s->dn : dn, NULL));
	must(gnutls_x509_crt_set_key(p->crt, p->key));
	must(gnutls_x509_crt_set_activation_time(p->crt,
						 now + (usual ? -1 : s->from) * DAY));
	must(gnutls_x509_crt_set_expiration_time(p->crt,
						 now + (usual ? 100 : s->to) * DAY));
	must(gnutls_x509_crt_set_basic_constraints(p->crt, s->ca, -1));
	must(gnutls_x509_crt_set_key_usage(
		p->crt, GNUTLS_KEY_DIGITAL_SIGNATURE |
				(s->ca ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
				       : GNUTLS_KEY_KEY_ENCIPHERMENT)));
	if (!s->ca) {
		must(gnutls_x509_crt_set_subject_alt_name(p->crt, GNUTLS_SAN_DNSNAME,
							  name, (unsigned)strlen(name),
							  GNUTLS_FSAN_SET));
	}
	must(gnutls_x509_crt_sign2(p->crt, issuer == p ? p->crt : issuer->crt,
				   issuer->key, s->digest ? s->digest : GNUTLS_DIG_SHA256,
				   0));
}

void party_finish(struct party *p)
{
	if (p->crt) {
		gnutls_x509_crt_deinit(p->crt);
	}
	if (p->key) {
		gnutls_x509_privkey_deinit(p->key);
	}
}

/* ---- the bed ---- */

void bed_path(const struct bed *b, const char *name, char path[static PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/%s", b->dir, name);
}

void bed_write(const struct bed *b, const char *name, const void *data, size_t len,
	       mode_t mode)
{
	char path[PATH_ROOM];
	int fd;

	bed_path(b, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

void bed_write_crt(const struct bed *b, const char *name, gnutls_x509_crt_t crt)
{
	gnutls_datum_t pem;

	must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem));
	bed_write(b, name, pem.data, pem.size, 0600);
	gnutls_free(pem.data);
}

int bed_setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	strcpy(b->dir, "/tmp/ftpsfs-trust-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	party_init(&b->ca, &(struct spec){ .dn = "CN=the authority", .ca = true });
	bed_write_crt(b, "ca.pem", b->ca.crt);
	alarm(60);
	*state = b;
	return 0;
}

int bed_teardown(void **state)
{
	struct bed *b = *state;
	char command[64];

	alarm(0);
	party_finish(&b->ca);
	party_finish(&b->leaf);
	trust_free(b->trust);
	buf_release(&b->log);
	snprintf(command, sizeof(command), "rm -rf %s", b->dir);
	assert_int_equal(system(command), 0);
	free(b);
	return 0;
}

void bed_leaf(struct bed *b, const struct spec *s)
{
	party_finish(&b->leaf);
	memset(&b->leaf, 0, sizeof(b->leaf));
	party_init(&b->leaf, s);
}

void bed_log(void *arg, enum log_level level, const char *text)
{
	struct bed *b = arg;

	(void)buf_printf(&b->log, "%d %s\n", (int)level, text);
}

/* ---- a handshake ---- */

struct server {
	struct bed *bed;
	int fd;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	gnutls_certificate_credentials_t cred;
	gnutls_session_t tls;
	unsigned n = 0;
	int r;

	must(gnutls_certificate_allocate_credentials(&cred));
	must(gnutls_certificate_set_x509_key(cred, &s->bed->leaf.crt, 1,
					     s->bed->leaf.key));
	must(gnutls_init(&tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL));
	must(gnutls_set_default_priority(tls));
	must(gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, cred));
	if (s->bed->asks_client) {
		gnutls_certificate_server_set_request(tls, GNUTLS_CERT_REQUEST);
	}
	gnutls_transport_set_int(tls, s->fd);
	gnutls_handshake_set_timeout(tls, LIMIT_MS);
	do {
		r = gnutls_handshake(tls);
	} while (r < 0 && !gnutls_error_is_fatal(r));
	s->bed->saw_client = r == 0 && gnutls_certificate_get_peers(tls, &n) && n > 0;
	gnutls_deinit(tls);
	gnutls_certificate_free_credentials(cred);
	close(s->fd);
	return NULL;
}

/* The channel's verdict on b->leaf; its words in b->words. */
static int shake_with(struct bed *b, const struct trust *trust, const char *host)
{
	struct server server = { .bed = b };
	struct channel *ch;
	pthread_t thread;
	int fds[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	server.fd = fds[1];
	assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
	assert_int_equal(channel_new(fds[0], CHANNEL_CONTROL, &ch), 0);
	r = channel_start_tls(ch, trust, host, NULL, false);
	if (r == 0) {
		r = channel_handshake_wait(ch, NULL, now_ms() + LIMIT_MS);
	}
	words_set(&b->words, "%s", channel_words(ch));
	channel_free(ch, false);
	pthread_join(thread, NULL);
	return r;
}

int shake_as(struct bed *b, const struct trust_config *c, const char *host)
{
	struct words words = { "" };
	int r;

	trust_free(b->trust);
	b->trust = NULL;
	r = trust_new(c, &b->trust, &words);
	if (r < 0) {
		fail_msg("trust_new: %s", words.text);
	}
	return shake_with(b, b->trust, host);
}

int shake(struct bed *b, const struct trust_config *c)
{
	return shake_as(b, c, HOST);
}

int refused_config(struct bed *b, const struct trust_config *c)
{
	struct trust *none = NULL;
	int r;

	b->words.text[0] = '\0';
	r = trust_new(c, &none, &b->words);
	assert_null(none);
	return r;
}

void says(const struct bed *b, const char *part)
{
	if (!strstr(b->words.text, part)) {
		fail_msg("not said: \"%s\" in: %s", part, b->words.text);
	}
}

void is_silent_about(const struct bed *b, const char *part)
{
	if (strstr(b->words.text, part)) {
		fail_msg("said: \"%s\" in: %s", part, b->words.text);
	}
}

void pin_of_leaf(const struct bed *b, char pin[static 64])
{
	gnutls_datum_t der, base64;
	gnutls_pubkey_t key;
	unsigned char hash[32];
	const gnutls_datum_t raw = { hash, sizeof(hash) };

	must(gnutls_pubkey_init(&key));
	must(gnutls_pubkey_import_x509(key, b->leaf.crt, 0));
	must(gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der));
	must(gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, hash));
	must(gnutls_base64_encode2(&raw, &base64));
	snprintf(pin, 64, "sha256:%.*s", (int)base64.size, (const char *)base64.data);
	gnutls_free(base64.data);
	gnutls_free(der.data);
	gnutls_pubkey_deinit(key);
}

void remedy_works(struct bed *b)
{
	char pin[64], offered[64], expected[80];
	const char *at = strstr(b->words.text, "-o pin=");

	pin_of_leaf(b, pin);
	snprintf(expected, sizeof(expected), "-o pin=%s", pin);
	says(b, expected);
	snprintf(offered, sizeof(offered), "%.51s", at + strlen("-o pin="));
	assert_string_equal(offered, pin);
	assert_int_equal(shake(b, &(struct trust_config){ .pin = offered }), 0);
}

int shake_ca(struct bed *b)
{
	char path[PATH_ROOM];

	bed_path(b, "ca.pem", path);
	return shake(b, &(struct trust_config){ .cacert = path });
}
