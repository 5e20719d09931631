/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names in the server's character set: what is sent, what is received, what does not fit. */
#include "talk.h"

static const char utf8_feat[] = "211-Features:\n UTF8\n MLST type*;size*;modify*;perm*;"
				"UNIX.mode*;\n SIZE\n MDTM\n211 End";
static const char no_mlst[] = "211-Features:\n UTF8\n SIZE\n211 End";

static struct remote *begin(struct talk *t, const char *charset, const char *feat,
			    peer_script *script)
{
	talk_start(t, &(struct peer_config){ .feat = feat, .scripts = { script } });
	t->server.charset = charset;
	t->server.hidden = TRI_NO;
	return talk_remote(t);
}

/* No OPTS UTF8 ON: the script would see it. */
SCRIPT(peer_connected, speaks_latin1)
{
	peer_answer(c, "MKD /gr\xfcn", "257 made");
	peer_answer(c, "RNFR /\xe4", "350 go on");
	peer_answer(c, "RNTO /\xf6\xff\xff", "250 renamed"); /* IAC doubled behind it */
	peer_download(c, "MLSD /gr\xfcn",
		      "type=file;size=1; M\xe4rz\r\ntype=OS.unix=slink:\xfc"
		      "ber;size=1; l\r\n");
	peer_answer(c, "MLST /l",
		    "250-Listing\n type=OS.unix=slink:\xfc"
		    "ber; /l\n250 End");
}

static void test_latin1(void **state)
{
	struct talk *t = *state;
	struct remote *r = begin(t, "ISO-8859-1", utf8_feat, speaks_latin1);
	struct stat_result st = { 0 };
	struct listing *l = NULL;

	assert_int_equal(remote_mkdir(r, NULL, "/gr\xc3\xbcn"), 0);
	assert_int_equal(remote_rename(r, NULL, "/\xc3\xa4", "/\xc3\xb6\xc3\xbf"), 0);
	assert_int_equal(remote_list(r, NULL, "/gr\xc3\xbcn", &l), 0);
	assert_int_equal(l->n, 2);
	assert_string_equal(l->entries[0].name, "M\xc3\xa4rz");
	assert_string_equal(l->entries[1].target, "\xc3\xbc"
						  "ber");
	listing_free(l);
	assert_int_equal(remote_stat(r, NULL, "/l", &st), 0);
	assert_string_equal(st.target, "\xc3\xbc"
				       "ber");
	stat_result_release(&st);
	/* What it cannot hold is not sent, and nothing is lost. */
	assert_int_equal(remote_mkdir(r, NULL, "/\xe4\xb8\xad"), -EILSEQ);
	assert_int_equal(remote_mkdir(r, NULL, "/\xff"), -EILSEQ);
	assert_int_equal(remote_mkdir(r, NULL, "/a\nDELE b"), -EINVAL);
	talk_end(t);
	assert_int_equal(peer_count(t->peer, "MKD"), 1);
	assert_int_equal(peer_facts(t->peer).connections, 1);
}

/* A Japanese server: LIST, a backslash that is half a character, a name that is none. */
SCRIPT(peer_connected, speaks_sjis)
{
	peer_answer(c, "CWD /d", "250 there");
	peer_download(c, "LIST",
		      "-rw-r--r-- 1 u g 3 Jan  2 2020 \x95\x5c.txt\r\n"
		      "-rw-r--r-- 1 u g 3 Jan  2 2020 \x82 broken\r\n");
	peer_answer(c, "DELE /d/\x95\x5c.txt", "250 gone");
	peer_answer(c, "DELE /d/\x82 broken", "250 gone");
}

static void test_sjis(void **state)
{
	struct talk *t = *state;
	struct remote *r = begin(t, "Shift_JIS", no_mlst, speaks_sjis);
	struct listing *l = NULL;
	char path[64];

	assert_int_equal(remote_list(r, NULL, "/d", &l), 0);
	assert_int_equal(l->n, 2);
	assert_string_equal(l->entries[0].name, "\xe8\xa1\xa8.txt");
	assert_string_equal(l->entries[1].name, "\xee\xbe\x82 broken");
	for (size_t i = 0; i < l->n; i++) {
		snprintf(path, sizeof(path), "/d/%s", l->entries[i].name);
		assert_int_equal(remote_unlink(r, NULL, path), 0);
	}
	listing_free(l);
	talk_end(t);
}

static void lives_abroad(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER \xd6\xd0", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_answer(c, "PBSZ 0", "200 PBSZ 0");
	peer_answer(c, "PROT P", "200 protected");
	peer_answer(c, "TYPE I", "200 binary");
	peer_answer(c, "PWD", "257 \"/\xce\xc4\" is yours");
	peer_answer(c, "FEAT", utf8_feat);
	peer_goodbye(c);
}

static void test_home(void **state)
{
	struct talk *t = *state;
	struct remote *r;

	talk_start(t, &(struct peer_config){ .scripts = { lives_abroad } });
	t->server.charset = "GBK";
	t->server.user = "\xe4\xb8\xad";
	t->server.dir = "";
	r = talk_remote(t);
	assert_string_equal(remote_base(r), "/\xe6\x96\x87");
	talk_end(t);
}

/* Without charset= bytes are bytes. */
SCRIPT(peer_connected, holds_any_bytes)
{
	peer_download(c, "MLSD /\xe4\xff\xff", "type=file;size=1; \xc3\xff\x80\r\n");
}

static void test_bytes(void **state)
{
	static const char feat[] = "211-Features:\n MLST type*;size*;modify*;perm*;"
				   "UNIX.mode*;\n211 End";
	struct talk *t = *state;
	struct remote *r = begin(t, "UTF-8", feat, holds_any_bytes);
	struct listing *l = NULL;

	assert_int_equal(remote_list(r, NULL, "/\xe4\xff", &l), 0);
	assert_int_equal(l->n, 1);
	assert_string_equal(l->entries[0].name, "\xc3\xff\x80");
	listing_free(l);
	talk_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(test_latin1),
		TALK(test_sjis),
		TALK(test_home),
		TALK(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
