/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/active.h"
#include "tls/channel.h"
#include "tls/dial.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	PORT_EXPLICIT = 20, /* ftp-data */
	PORT_IMPLICIT = 989, /* ftps-data */
	/* Callers try again at once, on a fresh connection: what just ran into a firewall
	 * would do so again, connect_timeout later. */
	HOLD_MS = 3000,
	STRANGERS_LOGGED = 5,
};

struct active {
	struct control *c;
	int listener;
	struct endpoint server; /* who may connect */
	char at[ENDPOINT_TEXT]; /* what the server was told */
	int64_t begun; /* now_ms() */
	unsigned strangers;
	uint16_t wrong_port; /* the server came from it; 0: it did not */
};

void active_free(struct active *a)
{
	if (a) {
		close_fd(&a->listener);
		free(a);
	}
}
DEFINE_CLEANUP(struct active *, active_free)

int active_fd(const struct active *a)
{
	return a->listener;
}

/* ---- listening ---- */

static int start_listening(struct active *a, struct words *words)
{
	const struct port_range *ports = &control_server(a->c)->active_ports;
	struct endpoint here;
	int r = endpoint_peer(control_fd(a->c), &a->server);

	if (r == 0) {
		r = endpoint_local(control_fd(a->c), &here);
	}
	if (r < 0) {
		control_set_lost(a->c);
		return -ENOTCONN;
	}
	r = dial_listen(&here, ports->lo, ports->hi, &a->listener);
	if (r < 0 && ports->lo) {
		words_set(words,
			  "no port of active_ports=%u-%u can be listened on (%s): "
			  "widen the range, or lower max_conns",
			  ports->lo, ports->hi, strerror(-r));
	} else if (r < 0) {
		words_set(words, "cannot listen for the server's data connection: %s",
			  strerror(-r));
	}
	return r;
}

/* What to tell the server: our listener, by the address that it sees. */
static int advertised(struct active *a, struct endpoint *ret, struct words *words)
{
	const char *addr = control_server(a->c)->active_addr;
	struct endpoint here;
	int r = endpoint_local(a->listener, &here);

	if (r == 0 && addr && endpoint_parse(addr, endpoint_port(&here), &here) < 0) {
		words_set(words, "active_addr=%s is not an IP address", addr);
		r = -EADDRNOTAVAIL;
	}
	if (r == 0) {
		*ret = here;
	}
	return r;
}

/* ---- telling the server ---- */

static int say_port(struct control *c, const struct wait *w, const struct endpoint *at,
		    bool extended, struct reply *ret)
{
	const struct server *s = control_server(c);
	_cleanup_buf_ struct buf arg = { 0 };
	const struct sockaddr *addr = (const struct sockaddr *)&at->addr;
	int r = extended ? eprt_format(addr, &arg) : port_format(addr, &arg);
	const char *text = r == 0 ? buf_str(&arg) : NULL;

	if (r < 0) {
		return r;
	}
	/* pyftpdlib connects first and answers then. */
	return text ? control_command_within(c, w, extended ? "EPRT" : "PORT", text,
					     MIN(s->connect_timeout, s->io_timeout), ret)
		    : -ENOMEM;
}

/* Servers refuse addresses that are not the control connection's, in these words. */
static bool blames_address(const struct reply *reply)
{
	static const char *const signs[] = { "illegal",	   "foreign", "address",
					     "won't open", "bounce",  "private",
					     "not match" };

	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		if (strcasestr(reply->text, signs[i])) {
			return true;
		}
	}
	return false;
}

static int refused(struct active *a, const struct reply *reply, struct words *words)
{
	const char *host = control_server(a->c)->host;

	if (blames_address(reply)) {
		words_set(words,
			  "%s will not connect to %s (%d %s): it sees this machine at "
			  "another address, behind NAT the router's; give that one as "
			  "active_addr, or use mode=passive",
			  host, a->at, reply->code, reply_words(reply));
	} else {
		words_set(words, "%s refuses active mode (%d %s): use mode=passive", host,
			  reply->code, reply_words(reply));
	}
	return -EHOSTUNREACH;
}

/* PORT can name it. */
static bool is_ipv4(const struct endpoint *at)
{
	_cleanup_buf_ struct buf arg = { 0 };

	return port_format((const struct sockaddr *)&at->addr, &arg) == 0;
}

/* EPRT, then PORT, or the one that epsv=yes or epsv=no leaves. */
static int tell_server(struct active *a, const struct wait *w, const struct endpoint *at,
		       struct reply *ret_refusal, struct words *words)
{
	struct host *h = control_host(a->c);
	const struct server *s = control_server(a->c);
	_cleanup_reply_ struct reply reply = { 0 };
	bool choice = is_ipv4(at) && s->epsv == TRI_AUTO;
	bool extended = !is_ipv4(at) || s->epsv == TRI_YES || (choice && !h->eprt_bad);
	int r = say_port(a->c, w, at, extended, &reply);

	if (r == 0 && extended && choice && reply_is(&reply, 5)) {
		reply_release(&reply);
		r = say_port(a->c, w, at, false, &reply);
		if (r == 0 && reply_is(&reply, 2)) {
			h->eprt_bad = true;
			hook_printf(
				s->hook, LEVEL_INFO,
				"EPRT does not work with %s, PORT does: PORT from now on",
				s->host);
		}
	}
	if (r == -ETIMEDOUT) {
		active_failed(a, r, NULL, words);
	}
	if (r < 0 || reply_is(&reply, 2)) {
		return r;
	}
	if (reply_is(&reply, 4)) {
		if (reply.code == 425 || reply.code == 421) {
			active_failed(a, 1, &reply, words);
		}
		*ret_refusal = reply;
		reply = (struct reply){ 0 };
		return 1;
	}
	return refused(a, &reply, words);
}

/* What to say of a server that came, but from another port. */
static void wrong_port_words(const struct server *s, unsigned port, struct words *words)
{
	words_set(words,
		  "%s connects from port %u instead of %d: use active_source_port=any, "
		  "or let the server use that port",
		  s->host, port, s->tls == TLS_IMPLICIT ? PORT_IMPLICIT : PORT_EXPLICIT);
}

static bool held(struct control *c, struct words *words)
{
	const struct server *s = control_server(c);
	struct host *h = control_host(c);

	if (h->active_worked || now_ms() >= h->active_hold) {
		return false;
	}
	if (h->active_wrong_port) {
		wrong_port_words(s, h->active_wrong_port, words);
	} else {
		words_set(words,
			  "%s could not connect to us a moment ago: a firewall or NAT "
			  "on this side stops it; use mode=passive or open active_ports",
			  s->host);
	}
	return true;
}

int active_open(struct control *c, const struct wait *w, struct active **ret,
		struct reply *ret_refusal, struct words *words)
{
	_cleanup_(active_freep) struct active *a = NULL;
	struct endpoint at;
	int r;

	if (control_server(c)->proxy) {
		words_set(words,
			  "active mode does not work through a proxy: use mode=passive");
		return -EHOSTUNREACH;
	}
	if (held(c, words)) {
		return -ETIMEDOUT;
	}
	a = calloc(1, sizeof(*a));
	if (!a) {
		return -ENOMEM;
	}
	a->c = c;
	a->listener = -1;
	a->begun = now_ms();
	r = start_listening(a, words);
	if (r == 0) {
		r = advertised(a, &at, words);
	}
	if (r < 0) {
		return r;
	}
	endpoint_format(&at, a->at);
	r = tell_server(a, w, &at, ret_refusal, words);
	if (r == 0) {
		*ret = steal(&a);
	}
	return r;
}

/* ---- the server's connection ---- */

/* Why this one is not the server's, or NULL. */
static const char *objection(struct active *a, const struct endpoint *peer)
{
	const struct server *s = control_server(a->c);
	uint16_t wanted = s->tls == TLS_IMPLICIT ? PORT_IMPLICIT : PORT_EXPLICIT;

	if (!endpoint_same_host(peer, &a->server)) {
		return "not the server";
	}
	if (s->active_source_default && endpoint_port(peer) != wanted) {
		a->wrong_port = endpoint_port(peer);
		return s->tls == TLS_IMPLICIT
			       ? "not from port 989 as active_source_port=default wants"
			       : "not from port 20 as active_source_port=default wants";
	}
	return NULL;
}

int active_accept(struct active *a, struct channel **ret)
{
	struct endpoint peer;
	char text[ENDPOINT_TEXT];
	const char *why;
	int fd, r = dial_accept(a->listener, &fd, &peer);

	if (r < 0) {
		return r;
	}
	why = objection(a, &peer);
	if (why) {
		close(fd);
		endpoint_format(&peer, text);
		if (a->strangers++ < STRANGERS_LOGGED) {
			hook_printf(control_server(a->c)->hook, LEVEL_WARN,
				    "closed a connection from %s to %s: %s", text, a->at,
				    why);
		}
		return -EAGAIN;
	}
	/* One data connection, then the door is shut. */
	close_fd(&a->listener);
	a->listener = -1;
	r = channel_new(fd, CHANNEL_DATA, ret);
	if (r == 0) {
		control_host(a->c)->active_worked = true;
	}
	return r;
}

void active_failed(struct active *a, int r, const struct reply *reply,
		   struct words *words)
{
	const struct server *s = control_server(a->c);
	struct host *h = control_host(a->c);
	struct words why = { "" };

	if (r != -ETIMEDOUT && !reply && !a->wrong_port) {
		return; /* it says nothing about active mode */
	}
	if (!h->active_worked) {
		h->active_wrong_port = a->wrong_port;
		h->active_hold = now_ms() + HOLD_MS;
	}
	/* mode=auto looks again at what works. */
	h->active_worked = false;
	if (a->wrong_port) {
		wrong_port_words(s, a->wrong_port, &why);
	} else if (reply) {
		words_set(&why,
			  "%s could not connect to %s (%d %s): a firewall or NAT on "
			  "this side stops it; use mode=passive or open active_ports",
			  s->host, a->at, reply->code, reply_words(reply));
	} else {
		words_set(&why,
			  "%s did not connect to %s within %d s: a firewall or NAT on "
			  "this side drops it; use mode=passive or open active_ports",
			  s->host, a->at, (int)((now_ms() - a->begun + 500) / 1000));
	}
	if (reply) {
		/* Callers that are refused show the reply alone. */
		hook_printf(s->hook, LEVEL_WARN, "%s", why.text);
	}
	words_set(words, "%s", why.text);
}
