/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a certificate says, as text that is fit for a terminal. */
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include "base/defs.h"

#include <stdbool.h>

/* "sha256:" and the base64 of 32 bytes */
enum { PIN_BYTES = 32, PIN_TEXT = 7 + 44 + 1 };

/* Every text is cut to its room ("..." behind it), and what could move a cursor, hide, or
 * end the quotation marks around it is replaced by '?': the server writes these. */
struct certificate {
	char subject[160];
	char names[256]; /* DNS names and addresses, separated by ", "; "none" */
	char issuer[160];
	char from[16], to[16]; /* 2026-01-31, UTC */
	char pin[PIN_TEXT]; /* as the option pin= takes it */
	bool self_signed;
};

/* der: one certificate. 0, -EINVAL when it cannot be read, -ENOMEM. */
int certificate_read(const void *der, size_t len, struct certificate *ret);

#endif
