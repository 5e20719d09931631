/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/inspect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

/* Runs when the certificate has come: some handshakes fail behind it (a client
 * certificate is demanded). */
static int verify_hook(gnutls_session_t tls)
{
	struct inspection *in = gnutls_session_get_ptr(tls);
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(tls, &n);

	if (chain && n && certificate_read(chain[0].data, chain[0].size, &in->cert) < 0) {
		in->cert = (struct certificate){ 0 };
	}
	return 0;
}

static int set_up(gnutls_session_t tls, gnutls_certificate_credentials_t cred, int fd,
		  const char *host, const char *version)
{
	char priority[128];
	unsigned char address[16];
	bool old = strcmp(version, "1.2") < 0;

	/* As tls/trust.c offers old versions: their servers sign with SHA-1. */
	snprintf(priority, sizeof(priority), "NORMAL:-VERS-ALL:+VERS-TLS%s%s", version,
		 old ? ":%COMPAT:+SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1" : "");
	gnutls_transport_set_int(tls, fd);
	gnutls_handshake_set_timeout(tls, GNUTLS_INDEFINITE_TIMEOUT);
	gnutls_session_set_verify_function(tls, verify_hook);
	if (gnutls_priority_set_direct(tls, priority, NULL) < 0 ||
	    gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, cred) < 0) {
		return -ENOMEM;
	}
	if (inet_pton(AF_INET, host, address) != 1 &&
	    inet_pton(AF_INET6, host, address) != 1 &&
	    gnutls_server_name_set(tls, GNUTLS_NAME_DNS, host, strlen(host)) < 0) {
		return -ENOMEM;
	}
	return 0;
}

static int handshake_error(gnutls_session_t tls, int r, struct words *words)
{
	switch (r) {
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		words_set(words, "the connection was cut during the TLS handshake");
		return -ECONNABORTED;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		words_set(words, "TLS alert \"%s\" from the server",
			  gnutls_alert_get_name(gnutls_alert_get(tls)));
		return -EPROTO;
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_RECORD_OVERFLOW:
		words_set(words, "the answer to the TLS handshake is no TLS");
		return -EBADMSG;
	default:
		words_set(words, "TLS handshake failed: %s", gnutls_strerror(r));
		return -EPROTO;
	}
}

static int shake(gnutls_session_t tls, int fd, const struct wait *w, int64_t deadline,
		 struct words *words)
{
	for (;;) {
		int r = gnutls_handshake(tls);
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (r >= 0) {
			return 0;
		}
		if (r != GNUTLS_E_AGAIN && gnutls_error_is_fatal(r)) {
			return handshake_error(tls, r, words);
		}
		if (r != GNUTLS_E_AGAIN && now_ms() < deadline && !wait_cancelled(w)) {
			continue; /* interrupted, or a warning */
		}
		if (gnutls_record_get_direction(tls) == 1) {
			p.events = POLLOUT;
		}
		r = wait_poll(w, &p, 1, deadline);
		if (r == -ETIMEDOUT) {
			words_set(words, "no answer to the TLS handshake");
		}
		if (r < 0) {
			return r;
		}
	}
}

int inspect_tls(int fd, const char *host, const char *version, const struct wait *w,
		int64_t deadline, struct inspection *ret, struct words *words)
{
	gnutls_certificate_credentials_t cred;
	gnutls_session_t tls;
	int r;

	*ret = (struct inspection){ 0 };
	if (gnutls_certificate_allocate_credentials(&cred) < 0) {
		return -ENOMEM;
	}
	if (gnutls_init(&tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
		gnutls_certificate_free_credentials(cred);
		return -ENOMEM;
	}
	gnutls_session_set_ptr(tls, ret);
	r = set_up(tls, cred, fd, host, version);
	if (r == 0) {
		r = shake(tls, fd, w, deadline, words);
	}
	if (r == 0) {
		snprintf(ret->version, sizeof(ret->version), "%s",
			 gnutls_protocol_get_name(gnutls_protocol_get_version(tls)));
		snprintf(ret->cipher, sizeof(ret->cipher), "%s",
			 gnutls_cipher_get_name(gnutls_cipher_get(tls)));
		(void)gnutls_bye(tls, GNUTLS_SHUT_WR);
	}
	gnutls_deinit(tls);
	gnutls_certificate_free_credentials(cred);
	return r;
}
