/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests of bytes, as servers compute them too: the cryptographic ones by GnuTLS, and CRC-32
 * as in zip. */
#ifndef TLS_DIGEST_H
#define TLS_DIGEST_H

#include <stddef.h>

/* The best first. */
enum digest_kind { DIGEST_SHA256, DIGEST_SHA1, DIGEST_MD5, DIGEST_CRC32, DIGEST_KINDS };

enum { DIGEST_HEX_MAX = 64 };
size_t digest_hex_len(enum digest_kind kind); /* without the NUL */

struct digest;

/* 0, -ENOMEM, or -EOPNOTSUPP where the system's policy forbids this kind (MD5). */
int digest_new(enum digest_kind kind, struct digest **ret);
void digest_add(struct digest *d, const void *data, size_t len);
/* Lower-case hex. Bytes may be added afterwards. */
void digest_hex(const struct digest *d, char ret[static DIGEST_HEX_MAX + 1]);
struct digest *digest_free(struct digest *d); /* takes NULL, returns NULL */

#endif
