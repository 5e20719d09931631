/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests that the server computes of its files: HASH (draft-bryan-ftpext-hash), or XSHA256,
 * XSHA1, XSHA, XMD5, XCRC, MD5. Only what FEAT offers is asked for. */
#ifndef NET_HASH_H
#define NET_HASH_H

#include "net/control.h"
#include "tls/digest.h"

/* For login. */
void hash_learn(struct host *host, const struct reply *feat);
bool hash_offered(struct host *host, enum digest_kind kind);

/* Of path, which has about `size` bytes: the server is given the time to read them. 0;
 * -EOPNOTSUPP: it offers none of this kind, or does not know what it offered; the errno of its
 * refusal; or as control_command(). */
int hash_on(struct control *c, const struct wait *w, const char *path, uint64_t size,
	    enum digest_kind kind, char ret[static DIGEST_HEX_MAX + 1]);

#endif
