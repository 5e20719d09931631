/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What we trust and what we present: immutable once made, shared by every
 * connection of the mount. */
#ifndef TLS_TRUST_H
#define TLS_TRUST_H

#include "base/report.h"

#include <stdbool.h>

struct trust_config {
	const char *cacert; /* PEM file; NULL and no capath: the system store */
	const char *tls_hostname; /* name to verify and to send as SNI; NULL: the host */
	const char *tls_min; /* "1.0" .. "1.3"; NULL: 1.2 */
	const char *tls_max; /* NULL: 1.3 */
	const char *priority; /* GnuTLS priority string; NULL: made from the two above */
	bool insecure_no_verify_peer;
	bool insecure_no_verify_hostname;
};

struct trust;

/* Reads and checks everything now, so that a mistake shows at mount time. The
 * strings are copied. 0, -ENOMEM, or -EINVAL/-ENOENT/-EACCES with words. */
int trust_new(const struct trust_config *config, struct trust **ret, struct words *words);
void trust_free(struct trust *t); /* takes NULL */
DEFINE_CLEANUP(struct trust *, trust_free)

#endif
