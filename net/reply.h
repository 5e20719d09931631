/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies of the control connection (RFC 959 section 4.2): an incremental
 * parser, and one table that makes an errno of what the server said. Pure: no
 * I/O, no globals; fuzzed by tests/fuzz/fuzz-reply.c. */
#ifndef NET_REPLY_H
#define NET_REPLY_H

#include "base/buf.h"

#include <stdbool.h>

/* Limits on what a server can make us keep (T34). */
enum { REPLY_LINE_MAX = 16 * 1024, REPLY_LINES_MAX = 4000, REPLY_MAX = 256 * 1024 };
/* The same for a directory that comes as a reply (STAT). */
enum { REPLY_LISTING_LINES_MAX = 4000000, REPLY_LISTING_MAX = 512 * 1024 * 1024 };

/* A whole reply. text is never NULL after a successful parse: the lines without
 * CR LF, joined by '\n', a single NUL behind the last; "250-Begin\n type=file; x\n250
 * End". */
struct reply {
	int code; /* 100..599 */
	char *text;
};

void reply_release(struct reply *r); /* takes the zeroed, leaves it zeroed */
#define _cleanup_reply_ _cleanup_(reply_release)

static inline bool reply_is(const struct reply *r, int digit)
{
	return r->code / 100 == digit;
}

/* The text of the last line without its code, for messages: "No such file". */
const char *reply_words(const struct reply *r);

/* Accumulates bytes until a reply is complete. Zeroed = ready. */
struct reply_parser {
	struct buf text; /* complete lines so far, '\n' behind each but the last */
	struct buf line; /* the line being received */
	unsigned lines;
	bool listing; /* the higher limits; set by the caller */
	int code; /* of the first line of a multi-line reply; 0 before it */
	unsigned char
		iac; /* 0xFF, or the command behind it, when the rest is still to come */
};

/* Consumes bytes up to and including the end of one reply. Returns the number
 * of bytes consumed (<= len) and sets *ret_done; when done, *ret holds the reply
 * (owned by the caller) and the parser is ready for the next. Negative: -EPROTO
 * (not a reply, or a limit passed) or -ENOMEM; the conversation is lost then.
 * Telnet commands (IAC and one more byte, WILL to DONT two) are dropped, 0xFF 0xFF
 * is one 0xFF, and so is 0xFF before a byte that is no command; a UTF-8 BOM and blank
 * lines before the first line are dropped, bare LF ends a line, NUL bytes are refused.
 * Lines inside a multi-line reply may begin with anything; it ends only at the same code
 * followed by a blank (RFC 959) or by the end of line. */
ssize_t reply_parse(struct reply_parser *p, const char *data, size_t len, bool *ret_done,
		    struct reply *ret);
void reply_parser_release(struct reply_parser *p);

/* The errno (positive) that a refusal means to a program, judged by the server's
 * words first (strerror texts and the phrases of known servers, in any case),
 * then by the code: 452/552 ENOSPC or, with "quota", EDQUOT; 450 EBUSY; 553/533/534
 * EACCES; 500/502/504 EOPNOTSUPP; 501 EINVAL; others EIO. The words of 530/532 (always
 * EACCES) are not looked at, and those of 42x (EIO) only for a full disk. 0: a refusal
 * that gives no reason (a bare 550, as vsftpd sends): find out by another look. Also 0
 * for what is no refusal (codes under 400). */
int reply_errno(const struct reply *r);

/* 421, or a 530 to USER/PASS that speaks of too many connections: the server's
 * limit, not the user's password. False for both when the words blame the login. */
bool reply_is_limit(const struct reply *r);

/* 421, 425, 426, 451, 522: trouble of a connection or of the moment, which says nothing
 * about the file. Another connection may do better. */
bool reply_is_passing(const struct reply *r);

/* Finds a feature line in a FEAT reply, case-insensitively: "MLST", "REST STREAM".
 * Returns what follows the name on its line (leading blanks skipped; up to '\n' or the
 * end), or NULL when the feature is not there. "MLST" does not match "MLSTX". */
const char *reply_feature(const struct reply *feat, const char *name);

/* Whether the words of that line, separated by ';' or blanks, name this one, perhaps with a '*':
 * "HASH SHA-1*;MD5". */
bool reply_feature_lists(const struct reply *feat, const char *name, const char *word);

/* The digest of so many hex digits in the last line of a reply: "SHA-256 0-5 2cf2... /f" of HASH,
 * "2CF2..." or "\"/f\" 2cf2..." of XSHA256 and the like. ret: digits + 1 bytes, lower case. False:
 * there is none, or HASH speaks of a part of the file. */
bool reply_digest(const struct reply *r, size_t digits, bool of_hash, char *ret);

/* The path between quotes of a 257 reply, "" undoubled; also unquoted replies
 * (interop T39). Allocated; NULL when there is none (or an empty one) or on ENOMEM. */
char *reply_path(const struct reply *r);

#endif
