/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One control conversation: a logged-in connection on which commands go out and
 * replies come back in order. It has one owner at a time (whoever the pool lent it
 * to); nothing here is thread-safe but control_kill().
 *
 * Two planes of failure: a negative int says that the conversation is lost
 * (-ENOTCONN, -ETIMEDOUT, -EINTR, -EPROTO, -ENOMEM): control_alive() is false from then
 * on, and the connection must be dropped, since replies no longer match commands (T45).
 * 0 says that the server answered; struct reply says what. The exception is -EINVAL and
 * -ENAMETOOLONG for an argument that cannot be sent: nothing was sent, nothing is lost.
 */
#ifndef NET_CONTROL_H
#define NET_CONTROL_H

#include "base/sync.h"
#include "net/address.h"
#include "net/charset.h"
#include "net/reply.h"
#include "net/server.h"

struct channel;
struct endpoints;
struct warm;

/* What a host was found to offer or to get wrong: filled by login from FEAT, amended by
 * use. Shared by all connections of the mount through atomics, since it is only ever a
 * hint. */
struct host {
	_Atomic bool known; /* FEAT was read once */
	_Atomic bool opts_chosen; /* somebody writes, or wrote, opts_mlst */
	_Atomic bool mlst; /* MLSD and MLST */
	_Atomic bool mdtm, size, site_symlink, avbl;
	/* net/wish.h: how times and modes may be set, which of the times were verified. */
	_Atomic unsigned time_ways, time_proven, mode_ways;
	_Atomic unsigned hash_ways; /* net/hash.c */
	_Atomic bool
		no_hash_told; /* that verify=hash has to do with sizes stands in the log */
	_Atomic bool utf8;
	/* EPSV failed once and PASV worked, or EPSV was not answered (#47). */
	_Atomic bool epsv_bad;
	_Atomic bool epsv_worked;
	_Atomic bool eprt_bad; /* EPRT was refused and PORT was not */
	_Atomic bool passive_worked, active_worked; /* mode=auto goes by them */
	/* now_ms() up to which active mode is not tried again, and the port that the server
	 * came from if that is why. */
	_Atomic int64_t active_hold;
	_Atomic unsigned active_wrong_port;
	/* That PASV advertises another address stands in the log. */
	_Atomic bool other_address_told;
	_Atomic unsigned list_dialect; /* enum dialect that its LIST speaks */
	_Atomic bool list_unpadded; /* one blank before names */
	_Atomic bool list_missing; /* not implemented: STAT it is */
	_Atomic unsigned
		hidden; /* enum tristate: LIST -a shows more, or is taken for a name */
	_Atomic bool months_told; /* that months cannot be read stands in the log */
	/* What its listings' clock is ahead of UTC, seconds. */
	_Atomic int zone;
	_Atomic bool zone_known;
	_Atomic bool no_pipeline;
	_Atomic bool flew; /* a login in one flight has worked */
	_Atomic bool slow_auth; /* answers AUTH before it is ready for the handshake */
	_Atomic bool greets_first; /* implicit TLS that begins behind a 220 in clear: z/OS
				      (T66) */
	_Atomic bool ccc_refused; /* and ccc=yes: stays encrypted */
	_Atomic bool quote_told; /* what was refused of quote= stands in the log */
	_Atomic bool reuse_demanded; /* a 425/522 spoke of session reuse */
	_Atomic bool data_worked; /* a TLS data connection has worked once */
	/* enum tristate: a ClientHello in front of the reply to its command, and EPSV in front
	 * of the reply to the transfer before, do no harm. AUTO: not tried yet. */
	_Atomic unsigned early_hello, early_epsv;
	_Atomic int64_t warm_hold; /* now_ms() up to which none is opened ahead */
	char opts_mlst[160]; /* argument of OPTS that turns on the facts we want; "": none
				needed. Written once, before known */
};

struct control;

/* Dials whichever of `to` answers first (dial_race(), which reorders it; left empty when
 * none does; not looked at where server->proxy resolves) and logs in. words (may be NULL):
 * one sentence on failure. Beside the errnos above: -EACCES (login refused), -EUSERS (the
 * server's connection limit: 421, or 530 "too many"), -EKEYREJECTED (certificate not
 * trusted), -EPROTONOSUPPORT (no TLS there),
 * -ECONNREFUSED and other connect errors. */
int control_open(const struct server *server, struct host *host, struct endpoints *to,
		 const struct wait *w, struct control **ret, struct words *words);
/* Sends QUIT without waiting for the answer (T47) unless the conversation is lost; frees.
 * NULL ok. */
void control_close(struct control *c);
/* From any thread: makes the owner's waits fail at once. */
void control_kill(struct control *c);
bool control_alive(const struct control *c);

/* One command and its final reply (1yz replies before it are skipped). arg may be NULL.
 * *ret is owned by the caller. */
int control_command(struct control *c, const struct wait *w, const char *verb,
		    const char *arg, struct reply *ret);
/* The same with another patience (ms) than io_timeout. */
int control_command_within(struct control *c, const struct wait *w, const char *verb,
			   const char *arg, int64_t timeout, struct reply *ret);

/* The same for STAT of a directory, whose reply may have LISTING_ENTRIES_MAX lines. */
int control_command_long(struct control *c, const struct wait *w, const char *verb,
			 const char *arg, struct reply *ret);

/* Whether control_batch() sends more than one at a time. */
bool control_pipelines(const struct control *c);

/* n commands, pipelined in one TLS record where the host can, else one by one; replies[i]
 * answers cmds[i] (all must be released by the caller, also after an error: unfilled ones
 * are zeroed). */
struct command {
	const char *verb, *arg;
};
int control_batch(struct control *c, const struct wait *w, const struct command *cmds,
		  size_t n, struct reply *replies);
/* The same for logins: with another patience (ms) for each reply than io_timeout, and at an end
 * with a 530, not logged in, to one of the first `login` commands. What stands behind that is
 * still owed. */
int control_batch_login(struct control *c, const struct wait *w,
			const struct command *cmds, size_t n, size_t login,
			int64_t timeout, struct reply *replies);

/* More 1yz replies than this to one command are no conversation. */
enum { CONTROL_REMARKS_MAX = 100 };

/* Several in one record, whatever the host is known for; control_read() reads the replies. */
int control_send_all(struct control *c, const struct wait *w, const struct command *cmds,
		     size_t n);
/* The halves, for transfers. read takes any reply, preliminary ones too. */
int control_send(struct control *c, const struct wait *w, const char *verb,
		 const char *arg);
int control_read(struct control *c, const struct wait *w, int64_t deadline,
		 struct reply *ret);
/* A reply if one is complete without waiting: 1 and *ret, 0 none yet, negative as above.
 */
int control_try_read(struct control *c, struct reply *ret);
/* The descriptor to poll for control_try_read(), and whether bytes are already here. */
int control_fd(const struct control *c);
bool control_pending(const struct control *c);

/* Commands that were sent and not answered: when not 0 the connection cannot be lent. */
unsigned control_owed(const struct control *c);
void control_set_lost(struct control *c); /* the owner knows better: never reuse */
/* After a transfer that ended without its final reply (Pure-FTPd answers a closed
 * download with a second 150 and nothing else): NOOP, and replies are dropped until its
 * own comes. 0: in step again; negative: lost. */
int control_resync(struct control *c, const struct wait *w, int64_t deadline);

/* How many commands were ever sent: tells whether a lost verb can have reached the
 * server. */
uint64_t control_sent(const struct control *c);
/* The last reply was 421: whatever was asked was not done (RFC 959). */
bool control_said_421(const struct control *c);

/* An idle connection is healthy when nothing but TLS tickets arrived: 0, or -ENOTCONN.
 * Never blocks. */
int control_check(struct control *c);

/* After CCC: commands and replies are in clear from here on. PASS and ACCT are never sent
 * on it any more, nothing is pipelined, data connections keep TLS. */
bool control_is_clear(const struct control *c);

struct channel *control_channel(struct control *c);
struct warm *control_warm(struct control *c); /* net/warm.h */
const struct server *control_server(const struct control *c);
struct host *control_host(const struct control *c);
/* Of names on the wire; NULL: none, they are bytes. */
const struct charset *control_charset(const struct control *c);
const char *control_home(
	const struct control *c); /* PWD after login, absolute, cleaned */
/* What the login's flight has found out about server->dir: the reply to CWD, or to PWD where
 * it is the login directory. code 0: it was not asked. */
const struct reply *control_entered(const struct control *c);
int64_t control_last_used(const struct control *c); /* now_ms() of the last reply */

/* Between control.c, connect.c and login.c only. */
/* A connected socket, by whatever way the options name: through the proxy, from `bind`. */
int control_dial(const struct server *s, struct endpoints *to, const struct wait *w,
		 int *ret_fd, struct words *words);
/* control_open() without its second try. */
int control_dial_and_login(const struct server *server, struct host *host,
			   struct endpoints *to, const struct wait *w,
			   struct control **ret, struct words *words);
int control_login(struct control *c, const struct wait *w, struct words *words);
int control_start_tls(struct control *c, const struct wait *w, struct words *words);
int control_stop_tls(struct control *c, const struct wait *w, struct words *words);
int control_set_home(struct control *c, const struct reply *pwd);
void control_set_entered(struct control *c, struct reply *take); /* leaves it zeroed */

#endif
