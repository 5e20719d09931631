/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of tls/ only. */
#ifndef TLS_PRIVATE_H
#define TLS_PRIVATE_H

#include "tls/trust.h"

#include <gnutls/gnutls.h>

struct trust {
	gnutls_certificate_credentials_t cred;
	gnutls_priority_t priority;
	char *tls_hostname;
	bool verify_peer, verify_hostname;
};

/* Judges the peer's chain for a control connection: 0, or -EKEYREJECTED with words. */
int verify_peer(const struct trust *t, gnutls_session_t session, const char *host,
		struct words *words);

#endif
