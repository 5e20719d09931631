/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TLS handshake that trusts nobody and says nothing: what a server shows before any
 * login, for --probe. No secret may follow on such a connection. */
#ifndef TLS_INSPECT_H
#define TLS_INSPECT_H

#include "base/report.h"
#include "base/sync.h"
#include "tls/certificate.h"

#include <stdbool.h>

struct inspection {
	char version[16]; /* "TLS1.3" */
	char cipher[64];
	/* Also of a handshake that failed behind it; pin[0] == 0: none was seen. */
	struct certificate cert;
};

/* On a connected non-blocking fd, which stays the caller's and is of no use afterwards.
 * host: sent as SNI unless it is an address. version: "1.0" to "1.3", the only one
 * offered. 0; -EPROTO (an alert or another fault), -EBADMSG (not TLS at all),
 * -ECONNABORTED (cut), -ETIMEDOUT, all with words; -EINTR, -ENOMEM. *ret is set in every
 * case. */
int inspect_tls(int fd, const char *host, const char *version, const struct wait *w,
		int64_t deadline, struct inspection *ret, struct words *words);

#endif
