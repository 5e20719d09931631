/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What we trust and what we present: immutable once made, shared by every
 * connection of the mount. */
#ifndef TLS_TRUST_H
#define TLS_TRUST_H

#include "base/report.h"

#include <stdbool.h>

struct trust_config {
	const char *cacert; /* PEM file; NULL and no capath: the system store */
	const char *capath; /* directory of PEM files */
	const char *crl; /* PEM file of revoked certificates */
	const char *cert,
		*key; /* client certificate and key: PEM files or PKCS#11 URIs */
	/* Of an encrypted key, or the token's PIN; NULL. The one string that is not
	 * copied: it must outlive the trust, as a token asks for it again after fork(2). */
	const char *key_password;
	const char *pin; /* "sha256:BASE64[;sha256:BASE64...]" of acceptable public keys
			    (SPKI); a match replaces the CA check, also of the dates */
	/* Known hosts file: trust on first use, in place of the CA check. NULL: off; "":
	 * ~/.config/ftpsfs/known_hosts. */
	const char *tofu;
	char service[8]; /* what tofu files the host under: the port, as text */
	const struct log_hook *hook; /* told when tofu stores a key; may be NULL */
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
