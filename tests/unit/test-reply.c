/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Conversations: what the server sends, and the replies it means. */
static const struct talk {
	const char *name;
	const char *bytes;
	const char *texts[4]; /* NULL behind the last */
} talks[] = {
	{ "one line", "220 hello\r\n", { "220 hello" } },
	{ "bare LF", "220 hello\n", { "220 hello" } },
	{ "code alone", "200\r\n", { "200" } },
	{ "code and a blank", "200 \r\n", { "200 " } },
	{ "three in one packet",
	  "150 a\r\n226 b\r\n250 c\r\n",
	  { "150 a", "226 b", "250 c" } },
	{ "many lines", "230-a\r\n230-b\r\n230 c\r\n", { "230-a\n230-b\n230 c" } },
	{ "mlst",
	  "250-Begin\r\n type=file; x\r\n250 End\r\n",
	  { "250-Begin\n type=file; x\n250 End" } },
	{ "feat with a code on each line",
	  "211-F\r\n211-MDTM\r\n211-SIZE\r\n211 End\r\n",
	  { "211-F\n211-MDTM\n211-SIZE\n211 End" } },
	{ "figures inside",
	  "230-a\r\n226 not the end\r\n12345\r\n2300\r\n230x\r\n230 z\r\n",
	  { "230-a\n226 not the end\n12345\n2300\n230x\n230 z" } },
	{ "ends with the code alone", "230-a\r\n230\r\n", { "230-a\n230" } },
	{ "empty lines inside", "230-a\r\n\r\n\r\n230 b\r\n", { "230-a\n\n\n230 b" } },
	{ "empty first line text", "230-\r\n230 \r\n", { "230-\n230 " } },
	{ "blank lines before", "\r\n\r\n220 a\r\n\r\n221 b\r\n", { "220 a", "221 b" } },
	{ "byte order mark",
	  "\xef\xbb\xbf"
	  "220 a\r\n",
	  { "220 a" } },
	{ "mark inside stays",
	  "220-a\r\n\xef\xbb\xbf"
	  "b\r\n220 c\r\n",
	  { "220-a\n\xef\xbb\xbf"
	    "b\n220 c" } },
	{ "doubled CR", "220 a\r\r\n", { "220 a" } },
	{ "CR inside stays", "220 a\rb\r\n", { "220 a\rb" } },
	{ "telnet WILL",
	  "22\xff\xfb\x01"
	  "0 a\xff\xfd\n\r\n",
	  { "220 a" } },
	{ "telnet NOP",
	  "220 a\xff\xf1"
	  "b\r\n",
	  { "220 ab" } },
	{ "doubled IAC", "257 \"/\xff\xff\"\r\n", { "257 \"/\xff\"" } },
	{ "raw 0xff",
	  "257 \"/\xff"
	  "a\xff\"\xff\r\n",
	  { "257 \"/\xff"
	    "a\xff\"\xff" } },
	{ "vsftpd aborted",
	  "426 Failure writing network stream.\r\n225 No transfer to ABOR.\r\n",
	  { "426 Failure writing network stream.", "225 No transfer to ABOR." } },
	{ "Latin-1",
	  "550 gr\xfc\xdf"
	  "e\r\n",
	  { "550 gr\xfc\xdf"
	    "e" } },
};

/* Feeds bytes in pieces of `step` and checks every reply that comes. */
static void check_talk(const struct talk *t, size_t step)
{
	struct reply_parser p = { 0 };
	size_t len = strlen(t->bytes), at = 0, n = 0;

	while (at < len) {
		_cleanup_reply_ struct reply r = { 0 };
		bool done = true;
		size_t piece = MIN(step, len - at);
		ssize_t used = reply_parse(&p, t->bytes + at, piece, &done, &r);

		assert_true(used > 0 && (size_t)used <= piece);
		at += (size_t)used;
		if (!done) {
			assert_int_equal(used, piece);
			assert_null(r.text);
			continue;
		}
		assert_non_null(t->texts[n]);
		assert_string_equal(r.text, t->texts[n]);
		assert_int_equal(r.code, atoi(t->texts[n]));
		n++;
	}
	assert_null(t->texts[n]);
	reply_parser_release(&p);
}

static void test_talks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
		print_message("%s\n", talks[i].name);
		for (size_t step = 1; step <= strlen(talks[i].bytes); step++) {
			check_talk(&talks[i], step);
		}
	}
}

/* Parses all of data, which must not hold a whole reply; the last result. */
static ssize_t parse_raw(const char *data, size_t len)
{
	struct reply_parser p = { 0 };
	struct reply r = { .code = -7 };
	bool done = false;
	ssize_t used = reply_parse(&p, data, len, &done, &r);

	assert_false(done);
	assert_int_equal(r.code, -7);
	assert_null(r.text);
	reply_parser_release(&p);
	return used;
}

static void test_not_a_reply(void **state)
{
	static const char *const cases[] = {
		"SSH-2.0-OpenSSH_9.2p1\r\n",
		"HTTP/1.1 400 Bad Request\r\n",
		"\x16\x03\x01\n",
		"22 a\r\n",
		"2200 a\r\n",
		"220a\r\n",
		"020 a\r\n",
		"600 a\r\n",
		" 220 a\r\n",
		"-20 a\r\n",
		"220_a\r\n",
		"2\xc2\xb2\x30 a\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse_raw(cases[i], strlen(cases[i])), -EPROTO);
	}
	assert_int_equal(parse_raw("220 a\0b\r\n", 9), -EPROTO);
	assert_int_equal(parse_raw("\0", 1), -EPROTO);
	assert_int_equal(parse_raw("\xff\0", 2), -EPROTO);
}

static void test_limits(void **state)
{
	_cleanup_buf_ struct buf b = { .limit = 1024 * 1024 };

	(void)state;
	/* a line of REPLY_LINE_MAX bytes is the longest there is */
	assert_int_equal(buf_append(&b, "220 ", 4), 0);
	while (b.len < REPLY_LINE_MAX) {
		assert_int_equal(buf_append(&b, "x", 1), 0);
	}
	assert_int_equal(parse_raw(b.data, b.len), b.len);
	assert_int_equal(buf_append(&b, "x", 1), 0);
	assert_int_equal(parse_raw(b.data, b.len), -EPROTO);

	/* lines without end, empty ones before the reply too */
	buf_clear(&b);
	assert_int_equal(buf_append(&b, "220-a\n", 6), 0);
	for (int i = 1; i < REPLY_LINES_MAX; i++) {
		assert_int_equal(buf_append(&b, "b\n", 2), 0);
	}
	assert_int_equal(parse_raw(b.data, b.len), b.len);
	assert_int_equal(buf_append(&b, "b\n", 2), 0);
	assert_int_equal(parse_raw(b.data, b.len), -EPROTO);
	buf_clear(&b);
	for (int i = 0; i <= REPLY_LINES_MAX; i++) {
		assert_int_equal(buf_append(&b, "\r\n", 2), 0);
	}
	assert_int_equal(parse_raw(b.data, b.len), -EPROTO);

	/* bytes without end */
	buf_clear(&b);
	assert_int_equal(buf_append(&b, "220-a\n", 6), 0);
	while (b.len < REPLY_MAX + 100) {
		for (int i = 0; i < 100; i++) {
			assert_int_equal(buf_append(&b, "0123456789", 10), 0);
		}
		assert_int_equal(buf_append(&b, "\n", 1), 0);
	}
	assert_int_equal(parse_raw(b.data, b.len), -EPROTO);
}

static void test_words(void **state)
{
	static const char *const cases[][2] = {
		{ "550 No such file", "No such file" },
		{ "550-One\n550 Two", "Two" },
		{ "550-One\n550", "" },
		{ "200", "" },
		{ "200 ", "" },
		{ "250-a\n 550 b\n250 c", "c" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply r = { .code = 550, .text = (char *)cases[i][0] };

		assert_string_equal(reply_words(&r), cases[i][1]);
	}
	assert_string_equal(reply_words(&(struct reply){ 0 }), "");
}

static void test_errno(void **state)
{
	static const struct {
		const char *text;
		int err;
	} cases[] = {
		/* ProFTPD, Pure-FTPd: strerror */
		{ "550 /a/b: No such file or directory", ENOENT },
		{ "550 Can't change directory to x: No such file or directory", ENOENT },
		{ "550 Sorry, but that file doesn't exist", ENOENT },
		{ "550 x: Directory not empty", ENOTEMPTY },
		{ "550 Can't remove directory: Directory not empty", ENOTEMPTY },
		{ "550 x: Not a directory", ENOTDIR },
		{ "550 x: Is a directory", EISDIR },
		{ "550 x: not a regular file", EISDIR },
		{ "550 I can only retrieve regular files", EISDIR },
		{ "550 Can't create directory: File exists", EEXIST },
		{ "521 \"/x\" directory already exists", EEXIST },
		{ "550 Rename x: Invalid cross-device link", EXDEV },
		{ "550 x: Too many levels of symbolic links", ELOOP },
		{ "550 x: File name too long", ENAMETOOLONG },
		{ "550 x: Permission denied", EACCES },
		{ "550 x: Operation not permitted", EPERM },
		{ "550 x: Read-only file system", EROFS },
		{ "550 x: Text file busy", ETXTBSY },
		{ "550 x: Device or resource busy", EBUSY },
		{ "451 x: File too large", EFBIG },
		{ "451 x: No space left on device", ENOSPC },
		{ "552 Transfer aborted: Disk quota exceeded", EDQUOT },
		{ "550 x: Input/output error", EIO },
		{ "553 x: Invalid argument", EINVAL },
		/* pyftpdlib */
		{ "550 No such file or directory.", ENOENT },
		{ "550 [Errno 2] No such file or directory: '/x'", ENOENT },
		{ "501 No such directory.", ENOENT },
		{ "550 Not enough privileges.", EACCES },
		{ "550 Is a directory.", EISDIR },
		{ "426 No space left on device; transfer aborted.", ENOSPC },
		/* vsftpd: no reason, but for these */
		{ "550 Failed to open file.", 0 },
		{ "550 Delete operation failed.", 0 },
		{ "550 Create directory operation failed.", 0 },
		{ "550 Permission denied.", EACCES },
		{ "553 Could not create file.", EACCES },
		{ "500 Unknown command.", EOPNOTSUPP },
		/* FileZilla */
		{ "550 Couldn't open the file or directory", 0 },
		{ "550 Couldn't open the file", 0 },
		{ "425 Unable to build data connection: TLS session of data connection "
		  "not resumed.",
		  EIO },
		{ "425 Error reading from file: 5", EIO },
		{ "500 Wrong command.", EOPNOTSUPP },
		/* IIS */
		{ "550 The system cannot find the file specified. ", ENOENT },
		{ "550-The system cannot find the path specified.\n Win32 error:   "
		  "x\n550 "
		  "End",
		  ENOENT },
		{ "550 Access is denied. ", EACCES },
		{ "550 Cannot create a file when that file already exists. ", EEXIST },
		{ "550 The directory is not empty. ", ENOTEMPTY },
		{ "550 The directory name is invalid. ", ENOTDIR },
		{ "550 The process cannot access the file because it is being used by "
		  "another "
		  "process. ",
		  EBUSY },
		{ "550 The filename, directory name, or volume label syntax is "
		  "incorrect. ",
		  EINVAL },
		{ "550 There is not enough space on the disk. ", ENOSPC },
		/* names that look like reasons */
		{ "550 /not a directory/x: No such file or directory", ENOENT },
		{ "550 Directory not empty: Permission denied", EACCES },
		{ "550 quota exceeded.txt: File exists", EEXIST },
		{ "550 a: b: Permission denied", EACCES },
		/* any case */
		{ "550 NO SUCH FILE", ENOENT },
		/* the code alone */
		{ "450 x", EBUSY },
		{ "452 x", ENOSPC },
		{ "552 x", ENOSPC },
		{ "552 Your quota", EDQUOT },
		{ "530 Login incorrect.", EACCES },
		{ "530 home directory does not exist", EACCES },
		{ "532 Need account", EACCES },
		{ "553 x", EACCES },
		{ "534 x", EACCES },
		{ "500 x", EOPNOTSUPP },
		{ "502 x", EOPNOTSUPP },
		{ "504 x", EOPNOTSUPP },
		{ "501 x", EINVAL },
		{ "421 Timeout.", EIO },
		{ "425 Unable to build data connection: Operation not permitted", EIO },
		{ "426 Failure reading network stream.", EIO },
		{ "522 SSL connection failed: session reuse required", EIO },
		{ "451 Local error", EIO },
		{ "503 Bad sequence", EIO },
		{ "550", 0 },
		{ "550 ", 0 },
		{ "550-Access is denied\n550 ", 0 },
		/* no refusals */
		{ "250 not a directory", 0 },
		{ "350 File exists, ready for destination name", 0 },
		{ "150 x", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply r = { .code = atoi(cases[i].text),
				   .text = (char *)cases[i].text };

		print_message("%s\n", r.text);
		assert_int_equal(reply_errno(&r), cases[i].err);
	}
}

static void test_limit_words(void **state)
{
	static const struct {
		const char *text;
		bool limit;
	} cases[] = {
		{ "421 There are too many connections from your internet address.",
		  true },
		{ "421 50 users (the maximum) are already logged in, sorry", true },
		{ "421 Timeout.", true },
		{ "421 Service not available", true },
		{ "530 Sorry, the maximum number of clients (2) from your host are "
		  "already "
		  "connected.",
		  true },
		{ "530 only 2 per host", true },
		{ "530 Too many users logged in", true },
		{ "530 This user has exceeded the simultaneous login limit", true },
		{ "530-x\n530 Server overloaded, try again later", true },
		{ "530 Login incorrect.", false },
		{ "530 Login authentication failed", false },
		{ "530 Too many failed login attempts", false },
		{ "530 Maximum login attempts exceeded", false },
		{ "421 Too many wrong password tries", false },
		{ "530 User cannot log in.", false },
		{ "550 Too many connections", false },
		{ "230 too many", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply r = { .code = atoi(cases[i].text),
				   .text = (char *)cases[i].text };

		print_message("%s\n", r.text);
		assert_int_equal(reply_is_limit(&r), cases[i].limit);
	}
}

static void test_feature(void **state)
{
	struct reply pro = {
		.code = 211,
		.text = (char *)"211-Features:\n AUTH TLS\n MLST modify*;perm*;\n"
				" REST STREAM\n SIZE\n UTF8\n TVFSX\n211 End"
	};
	struct reply coded = {
		.code = 211,
		.text = (char *)"211-Ext\n211-mlst   Type*;\n211-PRET\n211 END"
	};
	struct reply none = { .code = 211, .text = (char *)"211 no-features" };
	static const char facts[] = "modify*;perm*;\n";

	(void)state;
	assert_memory_equal(reply_feature(&pro, "MLST"), facts, strlen(facts));
	assert_memory_equal(reply_feature(&pro, "AUTH"), "TLS\n", 4);
	assert_memory_equal(reply_feature(&pro, "auth tls"), "\n", 1);
	assert_non_null(reply_feature(&pro, "REST STREAM"));
	assert_non_null(reply_feature(&pro, "REST"));
	assert_non_null(reply_feature(&pro, "SIZE"));
	assert_null(reply_feature(&pro, "MLSD"));
	assert_null(reply_feature(&pro, "TVFS"));
	assert_null(reply_feature(&pro, "MLS"));
	assert_null(reply_feature(&pro, "Features"));
	assert_memory_equal(reply_feature(&coded, "MLST"), "Type*;\n", 7);
	assert_non_null(reply_feature(&coded, "PRET"));
	assert_null(reply_feature(&none, "no-features"));
	assert_null(reply_feature(&(struct reply){ 0 }, "SIZE"));
}

static void test_path(void **state)
{
	static const char *const cases[][2] = {
		{ "257 \"/\" is the current directory", "/" },
		{ "257 \"/a\"\"b\" is cwd", "/a\"b" },
		{ "257 \"\"\"\" x", "\"" },
		{ "257 \"/a b/\" created", "/a b/" },
		{ "257-\"/x\" is it\n257 End", "/x" },
		{ "257 \"relative\"", "relative" },
		{ "257 /home/me is current directory.", "/home/me" },
		{ "257 /home/my dir", "/home/my dir" },
		{ "257 /new directory created", "/new" },
		{ "257 /", "/" },
		{ "257 \"/a", NULL },
		{ "257 \"/a\n\"", NULL },
		{ "257 \"\" is current", NULL },
		{ "257 \"/a\rb\"", NULL },
		{ "257 is current", NULL },
		{ "257 ", NULL },
		{ "257", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply r = { .code = 257, .text = (char *)cases[i][0] };
		_cleanup_free_ char *path = reply_path(&r);

		print_message("%s\n", r.text);
		if (cases[i][1]) {
			assert_non_null(path);
			assert_string_equal(path, cases[i][1]);
		} else {
			assert_null(path);
		}
	}
	assert_null(reply_path(&(struct reply){ 0 }));
}

#define SHA1 "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
#define MD5 "5d41402abc4b2a76b9719d911017c592"
#define OTHER_MD5 "00000000000000000000000000000000"

static void test_digest(void **state)
{
	static const struct {
		const char *words;
		size_t digits;
		bool of_hash;
		const char *hex; /* NULL: none */
	} rows[] = {
		/* ProFTPD */
		{ "SHA-1 0-5 " SHA1 " /f", 40, true, SHA1 },
		{ "CRC32 0-5 3610a686 /f", 8, true, "3610a686" },
		{ "5D41402ABC4B2A76B9719D911017C592", 32, false, MD5 },
		{ "/a b 5D41402ABC4B2A76B9719D911017C592", 32, false, MD5 },
		/* The draft of MD5, and others */
		{ "\"/f\" " MD5, 32, false, MD5 },
		{ "MD5 0-5 " MD5, 32, true, MD5 },
		/* Names and ranges that look like digests */
		{ "CRC32 0-12345678 3610a686 /f", 8, true, "3610a686" },
		{ "MD5 0-5 " MD5 " /x " OTHER_MD5, 32, true, MD5 },
		{ "/x " OTHER_MD5 " " MD5, 32, false, MD5 },
		/* Leading zeros left out */
		{ "A686", 8, false, "0000a686" },
		{ "0", 8, false, "00000000" },
		/* Not it */
		{ "", 32, false, NULL },
		{ "done", 32, false, NULL },
		{ "SHA-1 0-5 " SHA1 " /f", 32, true, NULL },
		{ "MD5 100-5000 " MD5 " /f", 32, true, NULL },
		{ MD5 "0", 32, false, NULL },
		{ "3610a6860", 8, false, NULL },
		{ "5d41402abc4b2a76b9719d911017c59g", 32, false, NULL },
		{ MD5 " done", 32, false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char hex[41], text[200];
		const struct reply reply = { 213, text };
		bool found;

		snprintf(text, sizeof(text), "213 %s", rows[i].words);
		found = reply_digest(&reply, rows[i].digits, rows[i].of_hash, hex);

		assert_int_equal(found, rows[i].hex != NULL);
		if (rows[i].hex) {
			assert_string_equal(hex, rows[i].hex);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_talks),	cmocka_unit_test(test_not_a_reply),
		cmocka_unit_test(test_limits),	cmocka_unit_test(test_words),
		cmocka_unit_test(test_errno),	cmocka_unit_test(test_limit_words),
		cmocka_unit_test(test_feature), cmocka_unit_test(test_path),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
