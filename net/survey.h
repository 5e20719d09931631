/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --probe looks at beside ordinary sessions: a control port before any login, and
 * the passive ports that a session is offered. Nothing secret is sent here. */
#ifndef NET_SURVEY_H
#define NET_SURVEY_H

#include "net/control.h"
#include "tls/dial.h"
#include "tls/inspect.h"

/* How far it got. */
enum survey_step {
	SURVEY_RESOLVE, /* the name is unknown */
	SURVEY_DIAL, /* error: of connect(2) */
	SURVEY_GREETING, /* connected, no 220 */
	SURVEY_AUTH, /* AUTH TLS was refused */
	SURVEY_TLS, /* no handshake in any version succeeded */
	SURVEY_DONE,
};

enum { SURVEY_VERSIONS = 4, SURVEY_TEXT = 512 };

/* TLS 1.0 to 1.3, each tried on a connection of its own. */
struct survey_version {
	bool tried, offered;
	char cipher[64];
	struct words words; /* why not */
};

struct survey {
	enum survey_step step;
	int error; /* 0, or -errno of the step that failed */
	struct words words; /* one sentence of what failed */
	char address[ENDPOINT_TEXT]; /* that was connected to, or tried last */
	char local[ENDPOINT_TEXT]; /* ours */
	bool ipv6;
	bool clear; /* a greeting came in clear */
	char greeting[SURVEY_TEXT], auth[SURVEY_TEXT]; /* replies; printable, cut */
	struct survey_version versions[SURVEY_VERSIONS];
	struct certificate cert;
};

/* One control port: server's host, port, tls (explicit or implicit), family, bind, proxy
 * and connect_timeout. *ret is set in every case. */
void survey_port(const struct server *server, const struct wait *w, struct survey *ret);

/* A passive offer and whether its port can be reached. No transfer follows. */
struct survey_offer {
	uint16_t port;
	char advertised[ENDPOINT_TEXT]; /* address of a 227; "" for EPSV */
	int connected; /* 0, -errno, or 1: not tried */
};

/* Sends EPSV or PASV on c and, if timeout is not 0, connects to what is offered, at the
 * control connection's peer. 0; 1 and the refusal (the caller's); negative: lost, or
 * -EPROTO for a reply that makes no sense. */
int survey_passive(struct control *c, const struct wait *w, bool epsv, int64_t timeout,
		   struct survey_offer *ret, struct reply *ret_refusal);

/* The addresses of c's control connection. 0 or -errno. */
int survey_ends(struct control *c, char peer[static ENDPOINT_TEXT],
		char local[static ENDPOINT_TEXT], bool *ret_ipv6);

#endif
