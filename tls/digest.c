/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/digest.h"

#include "base/defs.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdint.h>
#include <stdio.h>

struct digest {
	enum digest_kind kind;
	gnutls_hash_hd_t hash; /* of all but CRC-32 */
	uint32_t crc;
	uint32_t table[256];
};

static const struct {
	gnutls_digest_algorithm_t algorithm;
	size_t bytes;
} kinds[DIGEST_KINDS] = {
	[DIGEST_SHA256] = { GNUTLS_DIG_SHA256, 32 },
	[DIGEST_SHA1] = { GNUTLS_DIG_SHA1, 20 },
	[DIGEST_MD5] = { GNUTLS_DIG_MD5, 16 },
	[DIGEST_CRC32] = { GNUTLS_DIG_NULL, 4 },
};

size_t digest_hex_len(enum digest_kind kind)
{
	return kinds[kind].bytes * 2;
}

static void make_table(uint32_t table[static 256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++) {
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
		}
		table[i] = c;
	}
}

int digest_new(enum digest_kind kind, struct digest **ret)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (!d) {
		return -ENOMEM;
	}
	d->kind = kind;
	d->crc = UINT32_MAX;
	if (kind == DIGEST_CRC32) {
		make_table(d->table);
	} else if (gnutls_hash_init(&d->hash, kinds[kind].algorithm) < 0) {
		free(d);
		return -EOPNOTSUPP;
	}
	*ret = d;
	return 0;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (d->kind != DIGEST_CRC32) {
		(void)gnutls_hash(d->hash, data, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		d->crc = d->table[(d->crc ^ p[i]) & 0xff] ^ d->crc >> 8;
	}
}

static void crc_bytes(uint32_t crc, uint8_t ret[static 4])
{
	for (int i = 0; i < 4; i++) {
		ret[i] = (uint8_t)(~crc >> (24 - 8 * i));
	}
}

void digest_hex(const struct digest *d, char ret[static DIGEST_HEX_MAX + 1])
{
	uint8_t bytes[DIGEST_HEX_MAX / 2] = { 0 };
	gnutls_hash_hd_t copy;

	if (d->kind == DIGEST_CRC32) {
		crc_bytes(d->crc, bytes);
	} else {
		copy = gnutls_hash_copy(d->hash);
		if (copy) {
			gnutls_hash_deinit(copy, bytes);
		}
	}
	for (size_t i = 0; i < kinds[d->kind].bytes; i++) {
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	}
}

struct digest *digest_free(struct digest *d)
{
	if (d && d->hash) {
		gnutls_hash_deinit(d->hash, NULL);
	}
	free(d);
	return NULL;
}
