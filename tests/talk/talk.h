/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every talk test needs around the peer: the client's settings, its log, and at the end
 * the proof that scripts ran as written and that no descriptor and no thread was left behind. */
#ifndef TALK_TALK_H
#define TALK_TALK_H

#include "peer.h"

#include "net/remote.h"
#include "net/transfer.h"
#include "tls/trust.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct talk {
	struct peer *peer;
	struct trust *trust;
	struct server server; /* to be changed between talk_start() and the first use */
	struct host host; /* for talk_dial() */
	struct words words;
	struct control *control;
	struct pool *pool;
	struct remote *remote;

	struct log_hook hook;
	struct mutex lock;
	struct buf log; /* under lock */
	unsigned fds, threads; /* before the test */
	bool ended;
};

/* name() is a script: login (peer_login or peer_connected), what follows in braces, then QUIT or
 * the end. LAST_SCRIPT: the end only. */
#define SCRIPT(login, name) SCRIPT_AFTER(login, name, peer_goodbye)
#define LAST_SCRIPT(login, name) SCRIPT_AFTER(login, name, peer_expect_end)
#define SCRIPT_AFTER(login, name, last)             \
	static void name##_body(struct session *c); \
	static void name(struct session *c)         \
	{                                           \
		login(c);                           \
		name##_body(c);                     \
		last(c);                            \
	}                                           \
	static void name##_body(struct session *c)

int talk_setup(void **state);
int talk_teardown(void **state);
#define TALK(name) cmocka_unit_test_setup_teardown(name, talk_setup, talk_teardown)

void talk_start(struct talk *t, const struct peer_config *config);
/* Another trust than in the peer's certificate. */
void talk_trust(struct talk *t, const struct trust_config *config);

/* control_open() to the peer, into t->control; words in t->words. */
int talk_dial(struct talk *t);
/* The same, and it must work. */
struct control *talk_login(struct talk *t);
struct pool *talk_pool(struct talk *t);
/* A remote, connected: the peer's script must go on with peer_connected(). */
struct remote *talk_remote(struct talk *t);
void peer_connected(struct session *c); /* login, and CWD / of the first connection */

/* talk_start() and talk_remote() of a server with this FEAT and one or two connections' scripts. */
struct remote *talk_serve_remote(struct talk *t, const char *feat, peer_script *first,
				 peer_script *second);

/* pool_borrow() from t->pool that must work; peer_idle: a script for connections that stay idle. */
struct control *talk_borrow(struct talk *t, enum pool_use use);
void peer_idle(struct session *c);

/* One data connection on t->control, of /f. */
extern const char TALK_TEXT[]; /* what talk_download_ok() expects in it */
void talk_serve(struct talk *t, peer_script *script); /* talk_start() and talk_login() */
int talk_open(struct talk *t, const char *verb, uint64_t rest, struct transfer **ret,
	      struct reply *refusal);
struct transfer *talk_open_ok(struct talk *t, const char *verb);
/* All bytes up to the end, which is returned: 0 or the error. */
int talk_read_all(struct transfer *tr, char *buf, size_t size, size_t *ret_len);
void talk_finish_with(struct talk *t, struct transfer *tr, int code);
void talk_download_ok(struct talk *t);
void talk_noop_ok(struct talk *t); /* the connection is in step */

/* An upload's source, /f of TALK_SIZE bytes: talk_source() makes a local copy (a descriptor, which
 * the test closes; `size` may be larger, with a hole behind them). */
enum { TALK_SIZE = 300000 };
int talk_source(size_t size);
/* Takes the bytes [from, TALK_SIZE) by command; the verdict is left to the script. */
void peer_takes(struct session *c, const char *command, size_t from);
void peer_mlst(struct session *c, size_t size); /* MLST /f */

/* Whether now_ms() has passed *(int64_t *)arg: for a struct wait. */
bool talk_is_after(void *arg);

/* Frees the client's objects, waits for the scripts, and asserts all of it. Every test ends with
 * it, but for what it asserts of the transcript. */
void talk_end(struct talk *t);

bool talk_logged(struct talk *t, const char *text);
void talk_assert_words(struct talk *t, const char *part);

#endif
