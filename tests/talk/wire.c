/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static void must(int r)
{
	if (r < 0) {
		abort();
	}
}

static void certify(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	static unsigned char serial;
	unsigned char number[2] = { 1, __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED) };
	struct in_addr ip = { .s_addr = htonl(INADDR_LOOPBACK) };
	time_t now = time(NULL);
	char dn[32];

	must(gnutls_x509_crt_set_version(crt, 3));
	must(gnutls_x509_crt_set_serial(crt, number, sizeof(number)));
	/* Another name each, so that an unknown one is an unknown issuer and not a wrong
	 * signature. */
	snprintf(dn, sizeof(dn), "CN=scripted peer %u", number[1]);
	must(gnutls_x509_crt_set_dn(crt, dn, NULL));
	must(gnutls_x509_crt_set_key(crt, key));
	must(gnutls_x509_crt_set_activation_time(crt, now - 3600));
	must(gnutls_x509_crt_set_expiration_time(crt, now + 86400));
	must(gnutls_x509_crt_set_basic_constraints(crt, 1, -1));
	must(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE |
							GNUTLS_KEY_KEY_CERT_SIGN));
	must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "localhost", 9,
						  GNUTLS_FSAN_SET));
	must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &ip,
						  sizeof(ip), GNUTLS_FSAN_APPEND));
	must(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0));
}

void identity_init(struct identity *id)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;

	must(gnutls_x509_privkey_init(&key));
	must(gnutls_x509_privkey_generate(
		key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
		0));
	must(gnutls_x509_crt_init(&crt));
	certify(crt, key);
	must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &id->pem));
	must(gnutls_certificate_allocate_credentials(&id->cred));
	must(gnutls_certificate_set_x509_key(id->cred, &crt, 1, key));
	must(gnutls_session_ticket_key_generate(&id->ticket_key));
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

void identity_finish(struct identity *id)
{
	gnutls_certificate_free_credentials(id->cred);
	gnutls_free(id->ticket_key.data);
	gnutls_free(id->pem.data);
	memset(id, 0, sizeof(*id));
}

void wire_init(struct wire *w, int fd)
{
	const int on = 1;

	must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
	/* Each reply must leave when it is said, whatever else is on its way. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	w->fd = fd;
	w->tls = NULL;
	w->at = w->end = 0;
}

static int await(struct wire *w, short events, const struct wait *wait, int64_t deadline)
{
	struct pollfd p = { .fd = w->fd, .events = events };
	int r = wait_poll(wait, &p, 1, deadline);

	return r < 0 ? r : 0;
}

static short direction(const struct wire *w)
{
	return gnutls_record_get_direction(w->tls) ? POLLOUT : POLLIN;
}

int wire_start_tls(struct wire *w, const struct identity *id, const char *priority,
		   bool tickets, const struct wait *wait, int64_t deadline)
{
	must(gnutls_init(&w->tls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL));
	must(gnutls_priority_set_direct(w->tls, priority, NULL));
	must(gnutls_credentials_set(w->tls, GNUTLS_CRD_CERTIFICATE, id->cred));
	if (tickets) {
		must(gnutls_session_ticket_enable_server(w->tls, &id->ticket_key));
	}
	gnutls_handshake_set_timeout(w->tls, GNUTLS_INDEFINITE_TIMEOUT);
	gnutls_transport_set_int(w->tls, w->fd);
	for (;;) {
		int r = gnutls_handshake(w->tls);

		if (r == 0) {
			return 0;
		}
		if (r == GNUTLS_E_AGAIN) {
			r = await(w, direction(w), wait, deadline);
			if (r < 0) {
				return r;
			}
		} else if (gnutls_error_is_fatal(r)) {
			return -EPROTO;
		}
	}
}

static ssize_t tls_error(ssize_t r)
{
	switch (r) {
	case GNUTLS_E_AGAIN:
		return -EAGAIN;
	case GNUTLS_E_PREMATURE_TERMINATION:
		return -ECONNABORTED;
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		return -ECONNRESET;
	default:
		return gnutls_error_is_fatal((int)r) ? -EPROTO : -EAGAIN;
	}
}

ssize_t wire_recv(struct wire *w, void *buf, size_t len, const struct wait *wait,
		  int64_t deadline)
{
	for (;;) {
		ssize_t n;
		int r;

		if (w->tls) {
			n = gnutls_record_recv(w->tls, buf, len);
			n = n < 0 ? tls_error(n) : n;
		} else {
			n = recv(w->fd, buf, len, 0);
			n = n < 0 ? -errno : n;
		}
		if (n != -EAGAIN) {
			return n;
		}
		r = await(w, POLLIN, wait, deadline);
		if (r < 0) {
			return r;
		}
	}
}

int wire_send(struct wire *w, const void *buf, size_t len, const struct wait *wait,
	      int64_t deadline)
{
	const char *at = buf;

	while (len) {
		ssize_t n;
		int r;

		if (w->tls) {
			n = gnutls_record_send(w->tls, at, len);
			n = n < 0 ? tls_error(n) : n;
		} else {
			n = send(w->fd, at, len, MSG_NOSIGNAL);
			n = n < 0 ? -errno : n;
		}
		if (n == -EAGAIN) {
			r = await(w, POLLOUT, wait, deadline);
			if (r < 0) {
				return r;
			}
			continue;
		}
		if (n < 0) {
			return (int)n;
		}
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int wire_await_close(struct wire *w, const struct wait *wait, int64_t deadline)
{
	for (;;) {
		char sink[4096];
		ssize_t n = recv(w->fd, sink, sizeof(sink), 0);
		int r;

		if (n == 0) {
			return 0;
		}
		if (n < 0 && errno != EAGAIN) {
			return -errno;
		}
		if (n < 0) {
			r = await(w, POLLIN, wait, deadline);
			if (r < 0) {
				return r;
			}
		}
	}
}

void wire_close(struct wire *w, enum wire_end how)
{
	const struct linger now = { .l_onoff = 1 };

	if (w->fd < 0) {
		return;
	}
	if (w->tls && how == WIRE_NOTIFY) {
		(void)gnutls_bye(w->tls, GNUTLS_SHUT_WR);
	}
	if (how == WIRE_RST) {
		(void)setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	} else {
		/* close() with unread bytes would make a reset of it. */
		char sink[4096];

		shutdown(w->fd, SHUT_WR);
		while (recv(w->fd, sink, sizeof(sink), MSG_DONTWAIT) > 0) {
		}
	}
	if (w->tls) {
		gnutls_deinit(w->tls);
	}
	close(w->fd);
	w->fd = -1;
	w->tls = NULL;
}
