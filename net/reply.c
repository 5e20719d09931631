/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/reply.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* Telnet (RFC 854): from 240 up a byte behind IAC is a command, and these four
 * carry an option byte. */
enum { IAC = 0xff, IAC_FIRST_COMMAND = 240, IAC_WILL = 251, IAC_DONT = 254 };
enum { CRC_DIGITS = 8 };

void reply_release(struct reply *r)
{
	free(r->text);
	r->text = NULL;
	r->code = 0;
}

void reply_parser_release(struct reply_parser *p)
{
	buf_release(&p->text);
	buf_release(&p->line);
	*p = (struct reply_parser){ 0 };
}

/* The code a line begins with, or 0. */
static int line_code(const char *line, size_t len)
{
	if (len < 3 || line[0] < '1' || line[0] > '5' ||
	    !isdigit((unsigned char)line[1]) || !isdigit((unsigned char)line[2])) {
		return 0;
	}
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* A limit passed is the peer's fault, not a condition of ours. */
static int limit_is_eproto(int r)
{
	return r == -EMSGSIZE ? -EPROTO : r;
}

static int line_append(struct reply_parser *p, const char *data, size_t len)
{
	p->line.limit = REPLY_LINE_MAX;
	return limit_is_eproto(buf_append(&p->line, data, len));
}

/* Takes the finished line into the text. 1: the reply is complete; 0: more lines
 * follow; negative as reply_parse(). */
static int line_take(struct reply_parser *p)
{
	const char *line = p->line.data;
	size_t len = p->line.len;
	int code, r;

	while (len && line[len - 1] == '\r') {
		len--;
	}
	if (p->code == 0 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		len -= 3;
	}
	if (++p->lines > (p->listing ? REPLY_LISTING_LINES_MAX : REPLY_LINES_MAX)) {
		return -EPROTO;
	}
	code = line_code(line, len);
	if (p->code == 0) {
		if (len == 0) {
			return 0; /* some servers put blank lines between replies */
		}
		if (!code || (len > 3 && line[3] != ' ' && line[3] != '-')) {
			return -EPROTO;
		}
	}
	p->text.limit = p->listing ? REPLY_LISTING_MAX : REPLY_MAX;
	r = p->code ? buf_append(&p->text, "\n", 1) : 0;
	if (r == 0 && len) {
		r = buf_append(&p->text, line, len);
	}
	if (r < 0) {
		return limit_is_eproto(r);
	}
	if (p->code == 0) {
		p->code = code;
	}
	return code == p->code && (len == 3 || line[3] == ' ');
}

/* Hands out what is complete and makes the parser ready for the next reply. */
static int reply_take(struct reply_parser *p, struct reply *ret)
{
	if (!buf_str(&p->text)) {
		return -ENOMEM;
	}
	ret->code = p->code;
	ret->text = steal(&p->text.data);
	buf_release(&p->text);
	p->code = 0;
	p->lines = 0;
	return 0;
}

/* The byte behind an IAC, or behind IAC and a command with an option. 1: it is used
 * up; 0: it is an ordinary byte after all; negative as reply_parse(). */
static int iac_byte(struct reply_parser *p, char byte)
{
	unsigned char c = (unsigned char)byte;
	unsigned char before = p->iac;
	int r;

	p->iac = 0;
	if (before != IAC) {
		return 1; /* the option */
	}
	if (c >= IAC_WILL && c <= IAC_DONT) {
		p->iac = c;
		return 1;
	}
	if (c >= IAC_FIRST_COMMAND && c != IAC) {
		return 1;
	}
	/* Doubled, or from a server that knows nothing of telnet and sends the byte
	 * raw in a file name. */
	r = line_append(p, "\xff", 1);
	return r < 0 ? r : c == IAC;
}

static bool is_plain(char c)
{
	return c != '\n' && c != '\0' && (unsigned char)c != IAC;
}

ssize_t reply_parse(struct reply_parser *p, const char *data, size_t len, bool *ret_done,
		    struct reply *ret)
{
	size_t i = 0;

	while (i < len) {
		size_t run = 0;
		int r;

		if (p->iac) {
			r = iac_byte(p, data[i]);
			if (r < 0) {
				return r;
			}
			i += (size_t)r;
			continue;
		}
		while (i + run < len && is_plain(data[i + run])) {
			run++;
		}
		r = line_append(p, data + i, run);
		if (r < 0) {
			return r;
		}
		i += run;
		if (i == len) {
			break;
		}
		if (data[i] == '\0') {
			return -EPROTO;
		}
		if ((unsigned char)data[i++] == IAC) {
			p->iac = IAC;
			continue;
		}
		r = line_take(p);
		buf_clear(&p->line);
		if (r > 0) {
			r = reply_take(p, ret);
			*ret_done = r == 0;
			return r < 0 ? r : (ssize_t)i;
		}
		if (r < 0) {
			return r;
		}
	}
	*ret_done = false;
	return (ssize_t)len;
}

/* Behind the code and the mark that follows it. */
static const char *behind_code(const char *line)
{
	if (line_code(line, strlen(line))) {
		line += line[3] == ' ' || line[3] == '-' ? 4 : 3;
	}
	return line;
}

const char *reply_words(const struct reply *r)
{
	const char *last = r->text ? strrchr(r->text, '\n') : NULL;

	return behind_code(last ? last + 1 : r->text ? r->text : "");
}

/* What servers say when they refuse, and what it means. Order matters: the
 * first phrase found counts, so the more special come first. The phrases are
 * those of strerror(3) (ProFTPD, Pure-FTPd, pyftpdlib), of Windows (IIS), and the
 * servers' own. */
static const struct phrase {
	const char *text;
	int err;
} phrases[] = {
	{ "not empty", ENOTEMPTY },
	{ "not a directory", ENOTDIR },
	{ "directory name is invalid", ENOTDIR },
	{ "is a directory", EISDIR },
	{ "not a regular file", EISDIR },
	{ "not a plain file", EISDIR },
	{ "only retrieve regular files", EISDIR },
	{ "file exists", EEXIST },
	{ "already exist", EEXIST },
	{ "cross-device", EXDEV },
	{ "different disk drive", EXDEV },
	{ "too many levels of symbolic", ELOOP },
	{ "name too long", ENAMETOOLONG },
	{ "path too long", ENAMETOOLONG },
	{ "extension is too long", ENAMETOOLONG },
	{ "quota exceeded", EDQUOT },
	{ "exceeded quota", EDQUOT },
	{ "exceeds quota", EDQUOT },
	{ "exceed quota", EDQUOT },
	{ "exceeds your quota", EDQUOT },
	{ "over quota", EDQUOT },
	{ "quota limit", EDQUOT },
	{ "no space left", ENOSPC },
	{ "disk full", ENOSPC },
	{ "disk is full", ENOSPC },
	{ "out of space", ENOSPC },
	{ "not enough space", ENOSPC },
	{ "not enough disk", ENOSPC },
	{ "insufficient storage", ENOSPC },
	{ "insufficient disk", ENOSPC },
	{ "file too large", EFBIG },
	{ "read-only file", EROFS },
	{ "read only file", EROFS },
	{ "write protected", EROFS },
	{ "text file busy", ETXTBSY },
	{ "resource busy", EBUSY },
	{ "file busy", EBUSY },
	{ "file is busy", EBUSY },
	{ "used by another process", EBUSY },
	{ "sharing violation", EBUSY },
	{ "file is locked", EBUSY },
	{ "temporarily unavailable", EBUSY },
	{ "too many links", EMLINK },
	{ "stale file handle", ESTALE },
	{ "input/output error", EIO },
	{ "no such file", ENOENT },
	{ "no such directory", ENOENT },
	{ "no such object", ENOENT },
	{ "cannot find", ENOENT },
	{ "can't find", ENOENT },
	{ "not found", ENOENT },
	{ "does not exist", ENOENT },
	{ "doesn't exist", ENOENT },
	{ "nonexistent", ENOENT },
	{ "no files found", ENOENT },
	{ "permission denied", EACCES },
	{ "access is denied", EACCES },
	{ "access denied", EACCES },
	{ "not enough privileges", EACCES },
	{ "insufficient permission", EACCES },
	{ "insufficient privileges", EACCES },
	{ "no permission", EACCES },
	{ "operation not permitted", EPERM },
	{ "not permitted", EACCES },
	{ "not allowed", EACCES },
	{ "forbidden", EACCES },
	{ "prohibited", EACCES },
	{ "invalid argument", EINVAL },
	{ "syntax is incorrect", EINVAL },
	{ "parameter is incorrect", EINVAL },
	{ "invalid file name", EINVAL },
	{ "invalid filename", EINVAL },
	{ "illegal file name", EINVAL },
	{ "illegal filename", EINVAL },
	{ "invalid character", EINVAL },
	{ "illegal character", EINVAL },
	{ "not supported", EOPNOTSUPP },
	{ "not implemented", EOPNOTSUPP },
	{ "not understood", EOPNOTSUPP },
};

static int phrase_errno(const char *words)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
		if (strcasestr(words, phrases[i].text)) {
			return phrases[i].err;
		}
	}
	return 0;
}

static int words_errno(const char *words)
{
	const char *tail = NULL;
	int err;

	/* "name: reason": a file may be called "file exists", so the reason is
	 * looked at alone first. */
	for (const char *p = words; (p = strstr(p, ": ")); p++) {
		tail = p + 2;
	}
	err = tail ? phrase_errno(tail) : 0;
	return err ? err : phrase_errno(words);
}

static int code_errno(int code, const char *words)
{
	switch (code) {
	case 450:
		return EBUSY;
	case 452:
	case 552:
		return strcasestr(words, "quota") ? EDQUOT : ENOSPC;
	case 500:
	case 502:
	case 504:
		return EOPNOTSUPP;
	case 501:
		return EINVAL;
	case 530:
	case 532:
	case 533:
	case 534:
	case 553:
		return EACCES;
	case 521: /* "directory exists" of some to MKD, "PROT P needed" of others */
	case 550:
		return 0;
	default:
		return EIO;
	}
}

int reply_errno(const struct reply *r)
{
	const char *words = reply_words(r);
	int err;

	if (r->code < 400) {
		return 0;
	}
	/* IIS explains in the first line and says "550 End" in the last. */
	if (strcasecmp(words, "End") == 0 && strchr(r->text, '\n')) {
		words = behind_code(r->text);
	}
	/* About the login, where "home directory does not exist" is no ENOENT. */
	if (r->code == 530 || r->code == 532) {
		return EACCES;
	}
	err = words_errno(words);
	/* About a connection ("425 Unable to build data connection: Operation not
	 * permitted"): of what is said about files only a full disk is meant. */
	if (r->code >= 420 && r->code < 430) {
		return err == ENOSPC || err == EDQUOT || err == EFBIG ? err : EIO;
	}
	return err ? err : code_errno(r->code, words);
}

static bool has_any(const char *words, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasestr(words, list[i])) {
			return true;
		}
	}
	return false;
}

bool reply_is_limit(const struct reply *r)
{
	/* Wrong passwords are counted by servers too; to take such a refusal for
	 * a limit of connections would mean to try again, up to a lock-out. */
	static const char *const blame[] = {
		"attempt",    "password",     "incorrect",
		"login fail", "failed login", "failures",
	};
	static const char *const limit[] = {
		"too many",	     "maximum",		"max ",		"limit",
		"overloaded",	     "try again later", "try later",	"try back later",
		"number of connect", "more connection", "already conn", "already logged",
		"simultaneous",	     "concurrent",	"per host",	"per ip",
		"per user",	     "per client",	"sessions",	"no more users",
	};
	const char *words = reply_words(r);

	if ((r->code != 421 && r->code != 530) ||
	    has_any(words, blame, ARRAY_LEN(blame))) {
		return false;
	}
	return r->code == 421 || has_any(words, limit, ARRAY_LEN(limit));
}

const char *reply_feature(const struct reply *feat, const char *name)
{
	size_t len = strlen(name);
	const char *line = feat->text ? strchr(feat->text, '\n') : NULL;

	for (; line; line = strchr(line, '\n')) {
		line++;
		line = behind_code(line); /* some put "211-" on every line */
		line += strspn(line, " \t");
		if (strncasecmp(line, name, len) == 0 && strchr(" \t\n", line[len])) {
			return line + len + strspn(line + len, " \t");
		}
	}
	return NULL;
}

bool reply_feature_lists(const struct reply *feat, const char *name, const char *word)
{
	const char *words = reply_feature(feat, name);
	size_t len = strlen(word);

	while (words && *words && *words != '\n') {
		size_t n = strcspn(words, "; \n");

		if ((n == len || (n == len + 1 && words[len] == '*')) &&
		    strncasecmp(words, word, len) == 0) {
			return true;
		}
		words += n;
		words += *words == ';' || *words == ' ';
	}
	return false;
}

/* The path of a quoted reply; p is behind the first quote. */
static char *quoted_path(const char *p)
{
	char *path = malloc(strlen(p) + 1);
	size_t n = 0;

	if (!path) {
		return NULL;
	}
	for (; *p && *p != '\n'; p++) {
		if (*p == '"' && *++p != '"') {
			path[n] = '\0';
			return path;
		}
		path[n++] = *p;
	}
	free(path);
	return NULL;
}

/* "/home/me is current directory", or the path alone. */
static char *bare_path(const char *words)
{
	static const char *const tails[] = {
		" is current", " is the current",    " is your current",
		" is cwd",     " is working",	     " is the working",
		" created",    " directory created",
	};
	size_t n = strcspn(words, "\n");

	if (words[0] != '/') {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		const char *tail = strcasestr(words, tails[i]);

		if (tail && (size_t)(tail - words) < n) {
			n = (size_t)(tail - words);
		}
	}
	while (n > 1 && words[n - 1] == ' ') {
		n--;
	}
	return strndup(words, n);
}

char *reply_path(const struct reply *r)
{
	const char *words = r->text ? behind_code(r->text) : "";
	const char *quote = strchr(words, '"');
	char *path = quote ? quoted_path(quote + 1) : bare_path(words);

	/* An empty path names nothing, and one with CR could never be sent. */
	if (path && (path[0] == '\0' || strchr(path, '\r'))) {
		free(path);
		path = NULL;
	}
	return path;
}

bool reply_is_passing(const struct reply *r)
{
	switch (r->code) {
	case 421:
	case 425:
	case 426:
	case 451:
	case 522:
		return true;
	default:
		return false;
	}
}

/* Some leave out the leading zeros of a CRC. */
static bool take_hex(const char *token, size_t len, size_t digits, char *ret)
{
	size_t zeros = digits == CRC_DIGITS && len < digits ? digits - len : 0;

	if (len + zeros != digits || strspn(token, "0123456789abcdefABCDEF") < len) {
		return false;
	}
	memset(ret, '0', zeros);
	for (size_t i = 0; i < len; i++) {
		char c = token[i];

		ret[zeros + i] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
	}
	ret[digits] = '\0';
	return true;
}

bool reply_digest(const struct reply *r, size_t digits, bool of_hash, char *ret)
{
	const char *words = reply_words(r);
	bool found = false;

	/* In a reply to HASH the name comes last, in the others the digest does: a file may be
	 * named as a digest. */
	for (size_t n = 0; *words; n++) {
		size_t len = strcspn(words, " ");

		if (of_hash && n == 1 && memchr(words, '-', len) &&
		    strncmp(words, "0-", 2) != 0) {
			return false;
		}
		if (len > 0 && !(of_hash && (found || n < 2))) {
			found = take_hex(words, len, digits, ret);
		}
		words += len;
		words += *words == ' ';
	}
	return found;
}
