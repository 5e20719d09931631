/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests asked of a server, and facts as it tells them. */
#include "talk.h"

#define SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define SHA1 "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
#define MD5 "5d41402abc4b2a76b9719d911017c592"

static const char with_hash[] =
	"211-Features:\n HASH SHA-1*;SHA-256;CRC32\n XMD5\n MLST size*;\n211 End";
static const char with_x[] =
	"211-Features:\n XSHA256\n XSHA\n XCRC filename;start;end\n MD5\n SIZE\n211 End";

static void assert_hash(struct remote *r, const char *path, enum digest_kind kind,
			const char *expected)
{
	char hex[DIGEST_HEX_MAX + 1] = "";

	assert_int_equal(remote_hash(r, NULL, path, 5, kind, hex), 0);
	assert_string_equal(hex, expected);
}

static void assert_no_hash(struct remote *r, enum digest_kind kind, int expected)
{
	char hex[DIGEST_HEX_MAX + 1];

	assert_int_equal(remote_hash(r, NULL, "/f", 5, kind, hex), expected);
}

static void peer_hash(struct session *c, const char *option, const char *path,
		      const char *reply)
{
	char line[64];

	snprintf(line, sizeof(line), "OPTS HASH %s", option);
	peer_expect(c, line);
	snprintf(line, sizeof(line), "HASH %s", path);
	peer_expect(c, line);
	peer_say(c, "200 %s", option);
	peer_say(c, "%s", reply);
}

SCRIPT(peer_connected, hashes)
{
	peer_hash(c, "SHA-256", "/a b", "213-Computing\n213 SHA-256 0-5 " SHA256 " /a b");
	peer_hash(c, "SHA-1", "/f", "213 SHA-1 0-5 " SHA1 " /f");
	peer_answer(c, "XMD5 \"/a b\"", "250 5D41402ABC4B2A76B9719D911017C592");
	peer_hash(c, "CRC32", "/f", "550 /f: No such file or directory");
	peer_hash(c, "SHA-256", "/f",
		  "213 SHA-1 0-5 " SHA1 " /f"); /* OPTS without effect */
}

static void test_hash(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, with_hash, hashes, NULL);

	assert_hash(r, "/a b", DIGEST_SHA256, SHA256);
	assert_hash(r, "/f", DIGEST_SHA1, SHA1);
	assert_hash(r, "/a b", DIGEST_MD5, MD5);
	assert_no_hash(r, DIGEST_CRC32, -ENOENT);
	assert_true(remote_has_hash(r, DIGEST_SHA256));
	assert_no_hash(r, DIGEST_SHA256, -EOPNOTSUPP);
	assert_false(remote_has_hash(r, DIGEST_SHA256));
	talk_end(t);
}

SCRIPT(peer_connected, x_verbs)
{
	peer_answer(c, "XSHA256 /f", "500 XSHA256 not understood");
	peer_answer(c, "XSHA /f", "213 " SHA1);
	peer_answer(c, "XCRC /f", "250 A686");
	peer_answer(c, "MD5 /a b", "251 \"/a b\" " MD5);
	peer_answer(c, "MD5 /f", "251 a moment please");
}

/* Offered and not known, or answered without a digest: not asked again. */
static void test_x_verbs(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, with_x, x_verbs, NULL);

	assert_no_hash(r, DIGEST_SHA256, -EOPNOTSUPP);
	assert_no_hash(r, DIGEST_SHA256, -EOPNOTSUPP);
	assert_hash(r, "/f", DIGEST_SHA1, SHA1);
	assert_hash(r, "/f", DIGEST_CRC32, "0000a686");
	assert_hash(r, "/a b", DIGEST_MD5, MD5);
	assert_no_hash(r, DIGEST_MD5, -EOPNOTSUPP);
	assert_false(remote_has_hash(r, DIGEST_MD5));
	talk_end(t);
}

SCRIPT(peer_connected, facts)
{
	peer_answer(c, "MLST /a b",
		    "250-Listing\n Type=file;Size=5;X.y=z; /a b\n250 End");
	peer_answer(c, "MLST /f", "250-Listing /x=y\n250-size=5; /f\n250 End");
	peer_answer(c, "MLST /f", "250 nothing");
	peer_answer(c, "MLST /no", "550 /no: No such file or directory");
}

static void assert_facts(struct remote *r, const char *path, const char *expected)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(remote_facts(r, NULL, path, &text), 0);
	assert_string_equal(text, expected);
}

static void test_facts(void **state)
{
	struct talk *t = *state;
	struct remote *r = talk_serve_remote(t, with_hash, facts, NULL);
	char *text = NULL;

	assert_facts(r, "/a b", "Type=file;Size=5;X.y=z;");
	assert_facts(r, "/f", "size=5;");
	assert_int_equal(remote_facts(r, NULL, "/f", &text), -EOPNOTSUPP);
	assert_int_equal(remote_facts(r, NULL, "/no", &text), -ENOENT);
	assert_null(text);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_hash),
		TALK(test_x_verbs),
		TALK(test_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
