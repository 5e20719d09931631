/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside fs/probe*.c: one logged-in session on which the ways of a data connection are
 * tried in turn, and what its conversation told. One thread at a time. */
#ifndef FS_PROBE_SESSION_H
#define FS_PROBE_SESSION_H

#include "fs/probe_report.h"
#include "net/pool.h"

/* Read off the trace lines of the session, which are its only witness of single replies. */
struct trace {
	struct log_hook hook; /* for struct server; points here: not movable */
	const struct log_hook *outer; /* the log, or NULL */
	bool commanded; /* MLSD or LIST was sent */
	char offer[256]; /* the last 227 or 229 */
	char active[256]; /* argument of the last EPRT or PORT */
	char warning[REASON_MAX]; /* the first since the reset */
	char reply[REASON_MAX]; /* the last final one, "425 Cannot ..." */
	char limit[REASON_MAX]; /* a 421, or a refusal that speaks of too many */
};

void trace_init(struct trace *t, const struct log_hook *outer);
void trace_reset(struct trace *t); /* before each try; keeps limit */

/* In the words for a server that came from another port than active_source_port allows;
 * "... from port N instead of 20". */
#define WRONG_SOURCE " instead of "

struct probe_session {
	struct server server; /* changed between tries: nobody else reads it */
	struct trace trace;
	struct pool *pool;
	struct control *control; /* NULL: lost or not yet open */
	bool required; /* resumption is asked for as a condition: tells whether it worked */
	char peer[ENDPOINT_TEXT], local[ENDPOINT_TEXT];
	bool ipv6;
};

/* server is copied; tls as the lane says. Nothing is connected. 0 or -ENOMEM. s stays
 * where it is. */
int session_init(struct probe_session *s, const struct server *server,
		 const struct trust *trust, const struct lane *lane,
		 const struct log_hook *outer);
void session_finish(struct probe_session *s);

/* Logged in, again if need be: errno of control_open() and words. */
int session_open(struct probe_session *s, const struct wait *w, struct words *words);
/* Lists the login directory over one data connection and judges what came of it. */
void session_try(struct probe_session *s, const struct wait *w, enum way way,
		 struct cell *ret);
/* The port that the last try was offered; 0: none. */
uint16_t session_offered(const struct probe_session *s);

#endif
