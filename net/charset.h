/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names between a server's character set and UTF-8. Every name of the server has one local
 * form that leads back to exactly its bytes: a byte that belongs to no character, or to one
 * that would not be written in the same way, becomes the character U+EF00 + byte (private
 * use, U+EF80 to U+EFFF), and that character becomes the byte. Pure; one thread at a time. */
#ifndef NET_CHARSET_H
#define NET_CHARSET_H

#include "base/buf.h"

struct charset;

/* For an iconv(3) name. 0 and *ret, which is NULL for UTF-8 (and a NULL name): bytes pass as
 * they are. -EINVAL: iconv does not know it; -EOPNOTSUPP: file names cannot be in it, since
 * ASCII is something else there or other characters use ASCII bytes (UTF-16, EBCDIC,
 * ISO-2022-JP); -ENOMEM. */
int charset_new(const char *name, struct charset **ret);
void charset_free(struct charset *cs); /* takes NULL */
DEFINE_CLEANUP(struct charset *, charset_free)

/* Local text -> the server's bytes, in fresh memory. cs may be NULL: a copy. -EILSEQ: no
 * such character there, or no UTF-8; -ENOMEM. */
int charset_encode(const struct charset *cs, const char *text, char **ret);
/* The server's bytes -> local text, in fresh memory. cs may be NULL. 0 or -ENOMEM. */
int charset_decode(const struct charset *cs, const char *bytes, char **ret);

/* Names that are likely to be meant, for words to the user. */
const char *const *charset_names(size_t *ret_n);

#endif
