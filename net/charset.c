/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum {
	CHAR_MAX_BYTES = 8, /* of one character in any set */
	OUT_MAX = 32,
};

struct charset {
	iconv_t encode, decode;
};

static const char *const names[] = {
	"UTF-8",	"ISO-8859-1",	"ISO-8859-2",	"ISO-8859-5", "ISO-8859-7",
	"ISO-8859-9",	"ISO-8859-15",	"CP437",	"CP850",      "CP852",
	"CP866",	"CP932",	"CP936",	"CP949",      "CP950",
	"CP1250",	"CP1251",	"CP1252",	"CP1253",     "CP1254",
	"CP1255",	"CP1256",	"CP1257",	"CP1258",     "BIG5",
	"BIG5-HKSCS",	"EUC-JP",	"EUC-KR",	"EUC-TW",     "GB2312",
	"GBK",		"GB18030",	"KOI8-R",	"KOI8-U",     "SHIFT_JIS",
	"WINDOWS-1250", "WINDOWS-1251", "WINDOWS-1252", "TIS-620",    "LATIN1",
	"MACINTOSH",
};

const char *const *charset_names(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(names);
	return names;
}

/* One character of len bytes. Returns the number of bytes written, 0 when it is none, or
 * cannot be written without loss. */
static size_t convert(iconv_t cd, const char *in, size_t len, char out[static OUT_MAX])
{
	char *from = (char *)in, *to = out; /* iconv(3) does not write there */
	size_t left = len, room = OUT_MAX;

	(void)iconv(cd, NULL, NULL, NULL, NULL);
	/* What waits for a combining mark comes with the second call. */
	if (iconv(cd, &from, &left, &to, &room) != 0 || left ||
	    iconv(cd, NULL, NULL, &to, &room) == (size_t)-1) {
		return 0;
	}
	return OUT_MAX - room;
}

static size_t utf8_length(unsigned char c)
{
	return c < 0x80	  ? 1
	       : c < 0xc2 ? 0
	       : c < 0xe0 ? 2
	       : c < 0xf0 ? 3
	       : c < 0xf5 ? 4
			  : 0;
}

/* U+EF80 to U+EFFF, three bytes: the byte that it stands for, or 0. */
static unsigned char escaped(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	if (u[0] != 0xee || (u[1] != 0xbe && u[1] != 0xbf) || (u[2] & 0xc0) != 0x80) {
		return 0;
	}
	return (unsigned char)(u[1] == 0xbe ? u[2] : u[2] + 0x40);
}

static int append_escape(struct buf *b, unsigned char byte)
{
	char text[3] = { '\xee', byte < 0xc0 ? '\xbe' : '\xbf',
			 (char)(byte < 0xc0 ? byte : byte - 0x40) };

	return buf_append(b, text, sizeof(text));
}

/* The character at p, which has at most max bytes: its length, and its UTF-8 in out. 0: none
 * that would lead back to the same bytes. */
static size_t decode_char(const struct charset *cs, const char *p, size_t max,
			  char out[static OUT_MAX], size_t *ret_out)
{
	char back[OUT_MAX];

	for (size_t len = 1; len <= MIN(max, (size_t)CHAR_MAX_BYTES); len++) {
		size_t n = convert(cs->decode, p, len, out);

		if (n) {
			bool same = utf8_length((unsigned char)out[0]) == n &&
				    !(n == 3 && escaped(out)) && out[0] &&
				    convert(cs->encode, out, n, back) == len &&
				    memcmp(back, p, len) == 0;

			*ret_out = n;
			return same ? len : 0;
		}
	}
	return 0;
}

int charset_decode(const struct charset *cs, const char *bytes, char **ret)
{
	size_t len = strlen(bytes);
	_cleanup_buf_ struct buf b = { .limit = 8 * len + 16 };
	int r = 0;

	for (size_t i = 0; i < len && r == 0;) {
		char out[OUT_MAX];
		size_t n = 1, used = 1;

		if (!cs || (unsigned char)bytes[i] < 0x80) {
			r = buf_append(&b, bytes + i, 1);
		} else if ((used = decode_char(cs, bytes + i, len - i, out, &n)) > 0) {
			r = buf_append(&b, out, n);
		} else {
			r = append_escape(&b, (unsigned char)bytes[i]);
			used = 1;
		}
		i += used;
	}
	if (r < 0 || !buf_str(&b)) {
		return -ENOMEM;
	}
	*ret = steal(&b.data);
	return 0;
}

int charset_encode(const struct charset *cs, const char *text, char **ret)
{
	size_t len = strlen(text);
	_cleanup_buf_ struct buf b = { .limit = 8 * len + 16 };
	int r = 0;

	for (size_t i = 0; i < len && r == 0;) {
		size_t n = cs ? utf8_length((unsigned char)text[i]) : 1;
		unsigned char byte = n == 3 && i + 3 <= len ? escaped(text + i) : 0;
		char out[OUT_MAX];
		size_t made;

		if (n == 1) {
			r = buf_append(&b, text + i, 1);
		} else if (byte) {
			r = buf_append(&b, &byte, 1);
		} else {
			made = n && i + n <= len ? convert(cs->encode, text + i, n, out)
						 : 0;
			if (!made) {
				return -EILSEQ;
			}
			r = buf_append(&b, out, made);
		}
		i += n;
	}
	if (r < 0 || !buf_str(&b)) {
		return -ENOMEM;
	}
	*ret = steal(&b.data);
	return 0;
}

/* ASCII must be ASCII, and nothing else may begin with it. */
static bool fit(const struct charset *cs)
{
	static const char *const others[] = { "\xc3\xa9",     "\xd0\x94",
					      "\xd8\xa7",     "\xe3\x81\x82",
					      "\xe4\xb8\xad", "\xed\x95\x9c",
					      "\xce\xb1" };
	char out[OUT_MAX];

	for (char c = ' '; c < 127; c++) {
		if (convert(cs->encode, &c, 1, out) != 1 || out[0] != c ||
		    convert(cs->decode, &c, 1, out) != 1 || out[0] != c) {
			return false;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (convert(cs->encode, others[i], strlen(others[i]), out) &&
		    (unsigned char)out[0] < 0x80) {
			return false;
		}
	}
	return true;
}

int charset_new(const char *name, struct charset **ret)
{
	_cleanup_(charset_freep) struct charset *cs = NULL;

	if (!name || strcasecmp(name, "UTF-8") == 0 || strcasecmp(name, "UTF8") == 0) {
		*ret = NULL;
		return 0;
	}
	if (!*name || strpbrk(name, "/, ")) {
		return -EINVAL; /* "//TRANSLIT" would change names */
	}
	cs = malloc(sizeof(*cs));
	if (!cs) {
		return -ENOMEM;
	}
	/* What Windows calls so: in JIS the backslash is another character. */
	if (strcasecmp(name, "SHIFT_JIS") == 0 || strcasecmp(name, "SJIS") == 0) {
		name = "CP932";
	}
	cs->encode = iconv_open(name, "UTF-8");
	cs->decode = iconv_open("UTF-8", name);
	if (cs->encode == (iconv_t)-1 || cs->decode == (iconv_t)-1) {
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	}
	if (!fit(cs)) {
		return -EOPNOTSUPP;
	}
	*ret = steal(&cs);
	return 0;
}

void charset_free(struct charset *cs)
{
	if (!cs) {
		return;
	}
	if (cs->encode != (iconv_t)-1) {
		iconv_close(cs->encode);
	}
	if (cs->decode != (iconv_t)-1) {
		iconv_close(cs->decode);
	}
	free(cs);
}
