/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/data.h"
#include "tls/channel.h"
#include "tls/dial.h"
#include "tls/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

enum {
	FALLBACK_MS = 5000, /* of patience where there is another way: an ALG may
			       understand PASV only, a firewall let active mode through */
	PORT_TRIES = 4, /* 425 to EPSV: the server's passive ports are used up for the
			   moment (T29) */
};

/* ---- EPSV and PASV ---- */

static bool has_pasv_addr(const struct server *s)
{
	return s->pasv_addr && strcmp(s->pasv_addr, "control") != 0;
}

static bool replys_addr(const struct server *s)
{
	return s->pasv_addr && strcmp(s->pasv_addr, "reply") == 0;
}

/* EPSV gives no address, so who wants to use one asks by PASV. */
static bool wants_epsv(struct control *c, bool six)
{
	const struct server *s = control_server(c);

	if (six || s->epsv == TRI_YES) {
		return true;
	}
	/* After CCC a firewall reads along, and more of them understand PASV. */
	return s->epsv == TRI_AUTO && !has_pasv_addr(s) && !control_host(c)->epsv_bad &&
	       !control_is_clear(c);
}

/* 0 and *ret; 1 and the refusal; -EBADMSG: the answer makes no sense, the conversation goes
 * on; other negatives: lost. */
static int ask_port(struct control *c, const struct wait *w, bool epsv, int64_t patience,
		    struct passive *ret, struct reply *refusal)
{
	for (int try = 0;; try++) {
		struct reply reply = { 0 };
		int r = control_command_within(c, w, epsv ? "EPSV" : "PASV", NULL,
					       patience, &reply);

		if (r < 0) {
			return r;
		}
		if (reply_is(&reply, 2)) {
			r = passive_parse(reply.text, ret);
			reply_release(&reply);
			return r < 0 ? -EBADMSG : 0;
		}
		if (!reply_is(&reply, 4) || reply.code == 421 || try + 1 == PORT_TRIES) {
			*refusal = reply;
			return 1;
		}
		reply_release(&reply);
		r = wait_sleep(w, now_ms() + (100 << try));
		if (r < 0) {
			return r;
		}
	}
}

/* ---- where to ---- */

static bool is_address(const struct passive *offer)
{
	static const uint8_t none[4];

	return offer->has_host && memcmp(offer->host, none, sizeof(none)) != 0;
}

static void offered_endpoint(const struct passive *offer, struct endpoint *ret)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(offer->port) };

	memcpy(&in.sin_addr, offer->host, sizeof(in.sin_addr));
	*ret = (struct endpoint){ .len = sizeof(in) };
	memcpy(&ret->addr, &in, sizeof(in));
}

static void tell_other_address(struct control *c, const struct endpoint *offered,
			       const struct endpoint *used)
{
	char one[ENDPOINT_TEXT], other[ENDPOINT_TEXT];

	if (endpoint_same_host(offered, used) ||
	    atomic_exchange(&control_host(c)->other_address_told, true)) {
		return;
	}
	endpoint_format_host(offered, one);
	endpoint_format_host(used, other);
	hook_printf(control_server(c)->hook, LEVEL_INFO, "server advertised %s, using %s",
		    one, other);
}

/* The server's own address whatever PASV says (T23), unless pasv_addr names another. */
static int choose_target(struct control *c, const struct passive *offer,
			 struct endpoint *ret, struct words *words)
{
	const struct server *s = control_server(c);
	struct endpoint offered, to;

	if (is_address(offer)) {
		offered_endpoint(offer, &offered);
	}
	if (replys_addr(s) && is_address(offer)) {
		to = offered;
	} else if (has_pasv_addr(s) && !replys_addr(s)) {
		if (endpoint_parse(s->pasv_addr, 0, &to) < 0) {
			words_set(
				words,
				"pasv_addr=%s is neither an address nor control or reply",
				s->pasv_addr);
			return -EADDRNOTAVAIL;
		}
	} else if (endpoint_peer(control_fd(c), &to) < 0) {
		control_set_lost(c);
		return -ENOTCONN;
	}
	endpoint_set_port(&to, offer->port);
	if (is_address(offer)) {
		tell_other_address(c, &offered, &to);
	}
	*ret = to;
	return 0;
}

/* From the address the control connection has (T26); but another target may lie on another
 * network. */
static bool choose_source(struct control *c, const struct endpoint *to,
			  struct endpoint *ret)
{
	struct endpoint peer, local;

	if (endpoint_local(control_fd(c), &local) < 0 ||
	    endpoint_peer(control_fd(c), &peer) < 0 ||
	    local.addr.ss_family != to->addr.ss_family ||
	    (!control_server(c)->bind && !endpoint_same_host(&peer, to))) {
		return false;
	}
	endpoint_set_port(&local, 0);
	*ret = local;
	return true;
}

/* ---- connecting ---- */

static void dial_failed(const struct server *s, const struct endpoint *to, int r,
			int64_t timeout, struct words *words)
{
	const struct port_range *from = &s->data_source_ports;
	char text[ENDPOINT_TEXT];

	endpoint_format(to, text);
	if (from->lo && (r == -EADDRINUSE || r == -EADDRNOTAVAIL)) {
		words_set(words,
			  "no port of data_source_ports=%u-%u is free for the data "
			  "connection to %s: widen the range, or lower max_conns",
			  from->lo, from->hi, text);
	} else if (from->lo && r == -EACCES) {
		words_set(words,
			  "the ports of data_source_ports=%u-%u are not for this user: "
			  "choose some above 1023",
			  from->lo, from->hi);
	} else if (r == -ETIMEDOUT) {
		words_set(words,
			  "the data connection to %s timed out after %d s: a firewall "
			  "drops the server's passive port %u; open the server's "
			  "passive range, or try mode=active",
			  text, (int)(timeout / 1000), endpoint_port(to));
	} else if (r == -ECONNREFUSED) {
		words_set(words,
			  "the data connection to %s was refused: a firewall rejects "
			  "the server's passive port %u, or the server listens at "
			  "another address (pasv_addr)",
			  text, endpoint_port(to));
	} else if (r == -EHOSTUNREACH) {
		words_set(words,
			  "the data connection to %s failed: %s; a firewall may "
			  "prohibit the server's passive port %u",
			  text, strerror(-r), endpoint_port(to));
	} else {
		words_set(words, "the data connection to %s failed: %s", text,
			  strerror(-r));
	}
}

static int dial_direct(struct control *c, const struct wait *w, const struct endpoint *to,
		       int64_t timeout, int *ret_fd, struct words *words)
{
	const struct server *s = control_server(c);
	const struct port_range *ports = &s->data_source_ports;
	int64_t deadline = now_ms() + timeout;
	struct endpoint from;
	bool bound = choose_source(c, to, &from);
	int r;

	if (ports->lo) {
		if (!bound) {
			from = (struct endpoint){ .len = to->len };
			from.addr.ss_family = to->addr.ss_family;
		}
		r = dial_connect_range(to, &from, ports->lo, ports->hi, w, deadline,
				       ret_fd);
	} else {
		r = dial_connect(to, bound ? &from : NULL, w, deadline, ret_fd);
	}
	if (r < 0) {
		dial_failed(s, to, r, timeout, words);
	}
	return r;
}

/* The proxy resolves the name, and it is the control connection's peer: no address of ours
 * means anything behind it (T42). */
static int dial_proxy(struct control *c, const struct wait *w,
		      const struct passive *offer, int64_t timeout, int *ret_fd,
		      struct words *words)
{
	const struct server *s = control_server(c);
	const char *host = s->host;
	char text[ENDPOINT_TEXT];
	struct endpoint e;
	bool bound = s->bind && endpoint_parse(s->bind, 0, &e) == 0;

	if (replys_addr(s) && is_address(offer)) {
		struct endpoint offered;

		offered_endpoint(offer, &offered);
		endpoint_format_host(&offered, text);
		host = text;
	} else if (has_pasv_addr(s) && !replys_addr(s)) {
		host = s->pasv_addr;
	}
	return proxy_connect(s->proxy, s->proxy_password, host, offer->port,
			     bound ? &e : NULL, w, now_ms() + timeout, ret_fd, words);
}

static bool is_outside(const struct server *s, const struct passive *offer,
		       struct words *words)
{
	const struct port_range *ports = &s->pasv_ports;

	if (port_range_has(ports, offer->port)) {
		return false;
	}
	words_set(words,
		  "%s offered data port %u, outside pasv_ports=%u-%u: set the server's "
		  "passive range to %u-%u, or open its own range in the firewall and "
		  "give it as pasv_ports",
		  s->host, offer->port, ports->lo, ports->hi, ports->lo, ports->hi);
	return true;
}

static int dial_offer(struct control *c, const struct wait *w,
		      const struct passive *offer, int64_t timeout, struct channel **ret,
		      struct words *words)
{
	struct endpoint to;
	int fd, r;

	if (control_server(c)->proxy) {
		r = dial_proxy(c, w, offer, timeout, &fd, words);
	} else {
		r = choose_target(c, offer, &to, words);
		if (r == 0) {
			r = dial_direct(c, w, &to, timeout, &fd, words);
		}
	}
	return r < 0 ? r : channel_new(fd, CHANNEL_DATA, ret);
}

/* ---- passive ---- */

struct attempt {
	bool epsv;
	bool outside; /* the port offered is none that the firewall lets through */
	int64_t patience, timeout; /* for the answer, for the connection */
};

static int attempt_passive(struct control *c, const struct wait *w, struct attempt *a,
			   struct channel **ret, struct reply *refusal,
			   struct words *words)
{
	const struct server *s = control_server(c);
	const char *verb = a->epsv ? "EPSV" : "PASV";
	struct passive offer;
	int r = ask_port(c, w, a->epsv, a->patience, &offer, refusal);

	if (r == -EBADMSG) {
		words_set(words,
			  "%s answers %s with no usable port: a firewall may have "
			  "rewritten it; try epsv=%s or mode=active",
			  s->host, verb, a->epsv ? "no" : "yes");
		return -EPROTO;
	}
	if (r == -ETIMEDOUT) {
		words_set(words, "%s did not answer %s within %d s", s->host, verb,
			  (int)(a->patience / 1000));
	}
	if (r == 1) {
		words_set(words, "%s refuses %s: %d %s", s->host, verb, refusal->code,
			  reply_words(refusal));
	}
	if (r != 0) {
		return r;
	}
	a->outside = is_outside(s, &offer, words);
	return a->outside ? -EHOSTUNREACH
			  : dial_offer(c, w, &offer, a->timeout, ret, words);
}

static int open_passive(struct control *c, const struct wait *w, struct channel **ret,
			struct reply *refusal, struct words *words)
{
	const struct server *s = control_server(c);
	struct host *h = control_host(c);
	struct endpoint peer;
	bool six = !s->proxy && endpoint_peer(control_fd(c), &peer) == 0 &&
		   peer.addr.ss_family == AF_INET6;
	struct attempt a = { .epsv = wants_epsv(c, six),
			     .patience = s->io_timeout,
			     .timeout = s->connect_timeout };
	bool may_pasv = a.epsv && s->epsv == TRI_AUTO && !six;
	int r;

	if (may_pasv && !h->epsv_worked) {
		a.patience = MIN(a.patience, (int64_t)FALLBACK_MS);
	}
	if (may_pasv || (s->mode == MODE_AUTO && !h->passive_worked)) {
		a.timeout = MIN(a.timeout, (int64_t)FALLBACK_MS);
	}
	r = attempt_passive(c, w, &a, ret, refusal, words);
	if (r == 0) {
		h->epsv_worked = h->epsv_worked || a.epsv;
		return 0;
	}
	if (r == -ETIMEDOUT && may_pasv && !control_alive(c) && !h->epsv_worked) {
		h->epsv_bad = true;
		hook_printf(s->hook, LEVEL_INFO,
			    "%s does not answer EPSV: PASV from now on", s->host);
	}
	if (r == -EINTR || r == -ENOMEM || !may_pasv || a.outside || !control_alive(c)) {
		return r;
	}
	reply_release(refusal);
	a.epsv = false;
	a.patience = s->io_timeout;
	a.timeout = s->mode == MODE_AUTO ? a.timeout : s->connect_timeout;
	r = attempt_passive(c, w, &a, ret, refusal, words);
	if (r == 0 && !atomic_exchange(&h->epsv_bad, true)) {
		hook_printf(s->hook, LEVEL_INFO,
			    "EPSV does not work with %s, PASV does: PASV from now on",
			    s->host);
	}
	return r;
}

/* ---- ahead ---- */

const char *data_verb(struct control *c)
{
	const struct server *s = control_server(c);
	const struct host *h = control_host(c);
	struct endpoint peer;
	bool six = endpoint_peer(control_fd(c), &peer) == 0 &&
		   peer.addr.ss_family == AF_INET6;

	/* Source ports of a range are few, and one that waits would hold one. */
	if (s->mode == MODE_ACTIVE || s->proxy || s->data_source_ports.lo ||
	    (s->mode == MODE_AUTO && !h->passive_worked)) {
		return NULL;
	}
	return wants_epsv(c, six) ? "EPSV" : "PASV";
}

int data_begin(struct control *c, const struct reply *reply, int *ret_fd)
{
	struct words words = { "" };
	struct passive offer;
	struct endpoint to, from;
	int r = passive_parse(reply->text, &offer);

	if (r < 0 || is_outside(control_server(c), &offer, &words)) {
		return -EBADMSG;
	}
	r = choose_target(c, &offer, &to, &words);
	return r < 0 ? r
		     : dial_start(&to, choose_source(c, &to, &from) ? &from : NULL,
				  ret_fd);
}

/* ---- which mode ---- */

/* Why passive mode does not do, for the log and for the words when active does not either. */
static void passive_failed(struct control *c, int r, const struct reply *refusal,
			   struct words *words)
{
	if (r == 1) {
		words_set(words, "%d %s", refusal->code, reply_words(refusal));
	}
	hook_printf(control_server(c)->hook, LEVEL_INFO,
		    "passive mode does not work (%s): trying active", words->text);
}

static int open_auto(struct control *c, const struct wait *w, struct data *ret,
		     struct reply *refusal, struct words *words)
{
	struct host *h = control_host(c);
	struct words passive = { "" }, active = { "" };
	bool worked = h->passive_worked;
	int r;

	if (h->active_worked) {
		r = active_open(c, w, &ret->active, refusal, words);
		h->active_worked = r == 0 || r == -EINTR;
		return r;
	}
	r = open_passive(c, w, &ret->ch, refusal, &passive);
	if (r == 0) {
		h->passive_worked = true;
		return 0;
	}
	h->passive_worked = worked && r == -EINTR;
	/* What has worked before is not given up for one failure; the next one tries all. */
	if (worked || r == -EINTR || r == -ENOMEM || !control_alive(c) ||
	    control_server(c)->proxy) {
		words_set(words, "%s", passive.text);
		return r;
	}
	passive_failed(c, r, refusal, &passive);
	reply_release(refusal);
	r = active_open(c, w, &ret->active, refusal, &active);
	if (r < 0) {
		words_set(words, "passive: %.480s; active: %.480s", passive.text,
			  active.text);
	}
	return r;
}

int data_open(struct control *c, const struct wait *w, struct data *ret,
	      struct reply *ret_refusal, struct words *words)
{
	struct data data = { 0 };
	int r;

	switch (control_server(c)->mode) {
	case MODE_ACTIVE:
		r = active_open(c, w, &data.active, ret_refusal, words);
		break;
	case MODE_AUTO:
		r = open_auto(c, w, &data, ret_refusal, words);
		break;
	case MODE_PASSIVE:
	default:
		r = open_passive(c, w, &data.ch, ret_refusal, words);
	}
	if (r == 0) {
		words_set(words, "%s", ""); /* of a way that did not work */
		*ret = data;
	}
	return r;
}
