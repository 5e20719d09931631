/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scripted FTPS server on 127.0.0.1. Each control connection it accepts runs one script on
 * a thread of its own: what it expects, what it says, what it does on the data connection.
 *
 * A step that fails (another line than expected, a deadline, an end that was not asked for) is
 * recorded with the transcript, ends the connection, and makes every later step of that script do
 * nothing; peer_finish() tells. So scripts are straight lines without error handling. */
#ifndef TALK_PEER_H
#define TALK_PEER_H

#include "wire.h"

struct peer;
struct session; /* one control connection, as its script sees it */

typedef void peer_script(struct session *c);

enum { PEER_SCRIPTS_MAX = 8, PEER_STEP_MS = 10000 };

struct peer_config {
	bool implicit;
	const char *tls; /* "1.2", "1.3"; NULL: either */
	bool no_tickets; /* no session can be resumed */
	/* Answer to FEAT, lines joined by '\n'; NULL: PEER_FEAT. */
	const char *feat;
	/* The nth connection runs the nth script; those beyond run `more`, or are a failure. */
	peer_script *scripts[PEER_SCRIPTS_MAX];
	peer_script *more;
};

/* MLST with all facts on, REST, SIZE, MDTM, MFMT: nothing that calls for OPTS. */
extern const char PEER_FEAT[];

struct peer *peer_new(const struct peer_config *config);
/* Waits for the scripts to end, a while, and stops them. False: a step failed or a script hung;
 * peer_print() shows it. */
bool peer_finish(struct peer *p);
void peer_print(struct peer *p); /* failures and transcript, to stderr */
void peer_free(struct peer *p); /* takes NULL; finishes if need be */

/* ---- for the test ---- */

uint16_t peer_port(const struct peer *p);
/* PEM files: of the certificate shown, and of the other one. */
const char *peer_cacert(const struct peer *p);
const char *peer_other_cacert(const struct peer *p);

struct peer_facts {
	unsigned connections; /* control */
	unsigned data,
		data_resumed; /* TLS data connections, and how many resumed a session */
	char sni[256]; /* of the last control handshake */
};
struct peer_facts peer_facts(struct peer *p);
/* How many lines so far, on all connections, begin with text. */
unsigned peer_count(struct peer *p, const char *text);
/* The next login will bring FEAT again (the test uses a new struct host). */
void peer_forget_feat(struct peer *p);

/* ---- steps: the control connection ---- */

unsigned peer_nth(const struct session *c); /* 0 for the first connection */
/* '\n' between lines of one reply becomes CR LF, and CR LF is added. */
void peer_say(struct session *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void peer_raw(struct session *c, const char *data, size_t len);
void peer_expect(struct session *c, const char *line);
/* Returns the whole line, valid until the next step; "" after a failure. */
const char *peer_expect_prefix(struct session *c, const char *prefix);
/* expect and say in one. */
void peer_answer(struct session *c, const char *line, const char *reply);
/* What came in the same record as the last line is not answered. */
void peer_skip_flight(struct session *c);
/* Nothing comes for ms. */
void peer_expect_quiet(struct session *c, int64_t ms);
/* The client ends the connection without another word (an alert is none). */
void peer_expect_end(struct session *c);
/* QUIT or just the end. */
void peer_goodbye(struct session *c);
void peer_start_tls(struct session *c);
void peer_start_tls_fails(struct session *c); /* the client breaks the handshake off */
/* Says text over and over, until the client ends it, ms have passed or limit bytes are out:
 * how many. */
size_t peer_flood(struct session *c, const char *text, size_t limit, int64_t ms);
void peer_close(struct session *c, enum wire_end how);
void peer_sleep(struct session *c, int64_t ms);
/* Lets the test and a script meet: the flag is raised by one and awaited by the other. */
void peer_raise(struct peer *p, unsigned flag);
bool peer_await(struct peer *p, unsigned flag); /* false: deadline */
struct peer *peer_of(struct session *c);
void peer_fail(struct session *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The usual dialogues. */
void peer_greet(struct session *c); /* 220, AUTH TLS (or TLS first); up to USER */
void peer_login(
	struct session
		*c); /* greet, USER, PASS, the session's settings, FEAT if it comes */
void peer_settings(struct session *c); /* the part behind PASS */

/* ---- steps: the data connection ---- */

uint16_t peer_listen(struct session *c); /* a fresh passive port */
void peer_epsv(struct session *c); /* expects EPSV, listens, says 229 */
uint16_t peer_closed_port(void); /* nobody listens there */
/* Expects PASV and advertises host ("10,1,2,3"). */
void peer_pasv(struct session *c, const char *host);
void peer_data_accept(struct session *c);
void peer_data_tls(struct session *c); /* accept must have been done */
enum { PEER_NO_RESUME = 1, PEER_OTHER_CERT = 2 };
void peer_data_tls_as(struct session *c, unsigned flags);
void peer_data_tls_fails(struct session *c, unsigned flags);
void peer_data_send(struct session *c, const void *data, size_t len);
void peer_data_text(struct session *c, const char *text);
/* Up to len bytes, fewer at the end; *ret_end (may be NULL) as wire_recv() said at the end: 0 in
 * order. */
size_t peer_data_recv(struct session *c, void *buf, size_t len, int *ret_end);
/* Reads nothing and waits until the client has reset the connection, or closed both ways. */
void peer_data_await_reset(struct session *c);
/* After the end in order: how the client closes the socket: 0 FIN, or -ECONNRESET. */
int peer_data_await_close(struct session *c);
void peer_data_notify(struct session *c); /* close_notify; the socket stays open */
void peer_data_end(struct session *c, enum wire_end how);

/* EPSV, command, 150, data, 226. */
void peer_download(struct session *c, const char *command, const char *text);
/* EPSV, command, 150; the data goes to buf; the verdict is left to the script. */
size_t peer_upload(struct session *c, const char *command, void *buf, size_t len);

#endif
