/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/survey.h"
#include "tls/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Within that, most explicit servers have greeted an implicit client. */
enum { GREETING_MS = 700, AFTER_GREETING_MS = 1500 };

static const char *const versions[SURVEY_VERSIONS] = { "1.0", "1.1", "1.2", "1.3" };

/* The whole reply on one line, control characters replaced. */
static void keep_text(const char *from, char to[static SURVEY_TEXT])
{
	size_t n = 0;

	for (; *from && n + 1 < SURVEY_TEXT; from++) {
		unsigned char c = (unsigned char)*from;

		/* U+0080 to U+009F: terminals obey those too */
		bool high = c >= 0x80 && c < 0xa0 && n && to[n - 1] == '\xc2';

		to[n++] = c == '\n' ? ' ' : c < 0x20 || c == 0x7f || high ? '?' : (char)c;
	}
	to[n] = '\0';
}

static int dial_through_proxy(const struct server *s, const struct endpoint *from,
			      const struct wait *w, int *ret_fd, struct survey *sv)
{
	snprintf(sv->address, sizeof(sv->address), "%.40s:%u", s->host, s->port);
	return proxy_connect(s->proxy, s->proxy_password, s->host, s->port, from, w,
			     now_ms() + s->connect_timeout, ret_fd, &sv->words);
}

static void dial_words(const struct server *s, int r, struct survey *sv)
{
	if (r == -ETIMEDOUT) {
		words_set(&sv->words,
			  "SYN to %s timed out (%d s without any answer): a firewall "
			  "drops it, or the machine is off",
			  sv->address, (int)(s->connect_timeout / 1000));
	} else if (r == -ECONNREFUSED) {
		words_set(&sv->words,
			  "%s answered with RST: nothing listens there, or a firewall "
			  "rejects it",
			  sv->address);
	} else if (r != -EINTR) {
		words_set(&sv->words, "cannot connect to %s: %s", sv->address,
			  strerror(-r));
	}
}

/* A connected socket; *to keeps the address that answered for the next connections. */
static int dial(const struct server *s, const struct wait *w, struct endpoints *to,
		int *ret_fd, struct survey *sv)
{
	struct endpoint from, end;
	int r;

	if (s->bind && endpoint_parse(s->bind, 0, &from) < 0) {
		words_set(&sv->words, "bind=%s is not an address", s->bind);
		return -EINVAL;
	}
	sv->step = SURVEY_DIAL;
	if (s->proxy) {
		r = dial_through_proxy(s, s->bind ? &from : NULL, w, ret_fd, sv);
	} else {
		r = dial_race(to, s->bind ? &from : NULL, w,
			      now_ms() + s->connect_timeout, ret_fd);
		endpoint_format(&to->v[0], sv->address);
		if (r < 0) {
			dial_words(s, r, sv);
		} else {
			to->n = 1;
			sv->ipv6 = to->v[0].addr.ss_family == AF_INET6;
		}
	}
	if (r == 0 && endpoint_local(*ret_fd, &end) == 0) {
		endpoint_format_host(&end, sv->local);
	}
	return r;
}

/* A reply in clear; what follows it is an error, for it would be taken for TLS. */
static int read_reply(int fd, const struct wait *w, int64_t deadline, struct reply *ret)
{
	struct reply_parser parser = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool done = false;
	int r = 0;

	while (r >= 0 && !done) {
		char in[2048];
		ssize_t n, used;

		r = wait_poll(w, &p, 1, deadline);
		if (r < 0) {
			break;
		}
		if (now_ms() >= deadline) { /* a server that trickles for ever */
			r = -ETIMEDOUT;
			break;
		}
		n = recv(fd, in, sizeof(in), 0);
		if (n <= 0) {
			r = n < 0 && errno == EAGAIN ? 0 : -ECONNABORTED;
			continue;
		}
		used = reply_parse(&parser, in, (size_t)n, &done, ret);
		if (used < 0) {
			r = (int)used;
		} else if (done && used != n) {
			reply_release(ret);
			r = -EPROTO;
		}
	}
	reply_parser_release(&parser);
	return r < 0 ? r : 0;
}

static int greeting(const struct server *s, int fd, const struct wait *w,
		    struct survey *sv)
{
	_cleanup_reply_ struct reply reply = { 0 };
	/* Servers look clients up in the DNS first (T49). */
	int64_t deadline = now_ms() + 2 * s->connect_timeout;
	int r;

	sv->step = SURVEY_GREETING;
	do {
		reply_release(&reply);
		r = read_reply(fd, w, deadline, &reply);
	} while (r == 0 && reply_is(&reply, 1));
	if (r == 0) {
		sv->clear = true;
		keep_text(reply.text, sv->greeting);
		if (reply.code != 220) {
			words_set(&sv->words, "%s greeted with: %s", sv->address,
				  sv->greeting);
			r = reply_is_limit(&reply) ? -EUSERS : -EPROTO;
		}
	} else if (r == -ETIMEDOUT) {
		words_set(&sv->words,
			  "%s accepts connections and does not greet: does this port "
			  "speak implicit TLS?",
			  sv->address);
	} else if (r == -EPROTO) {
		words_set(&sv->words, "what answers at %s is not an FTP server",
			  sv->address);
	} else if (r == -ECONNABORTED) {
		words_set(&sv->words, "%s closed the connection before greeting",
			  sv->address);
	}
	return r;
}

static int auth(const struct server *s, int fd, const struct wait *w, struct survey *sv)
{
	static const char line[] = "AUTH TLS\r\n";
	_cleanup_reply_ struct reply reply = { 0 };
	int r;

	sv->step = SURVEY_AUTH;
	if (send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(line) - 1) {
		words_set(&sv->words, "%s closed the connection after greeting",
			  sv->address);
		return -ECONNABORTED;
	}
	r = read_reply(fd, w, now_ms() + 2 * s->connect_timeout, &reply);
	if (r < 0) {
		words_set(&sv->words, "%s does not answer AUTH TLS", sv->address);
		return r;
	}
	keep_text(reply.text, sv->auth);
	if (reply.code != 234 && reply.code != 334) {
		words_set(&sv->words, "%s refuses TLS: AUTH TLS was answered with: %s",
			  sv->address, sv->auth);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

/* An implicit port that greets in clear is an explicit one, or a mainframe whose handshake
 * comes behind the greeting (T66). i: the version's turn; the first one waits. */
static int greeting_before_tls(const struct server *s, int fd, const struct wait *w,
			       unsigned i, struct survey *sv)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool first = i + 1 == SURVEY_VERSIONS;
	char start[3];

	if (!first && !sv->clear) {
		return 0;
	}
	if (wait_poll(w, &p, 1, now_ms() + GREETING_MS) == -EINTR) {
		return -EINTR;
	}
	if (recv(fd, start, sizeof(start), MSG_PEEK | MSG_DONTWAIT) != sizeof(start) ||
	    memcmp(start, "220", 3) != 0) {
		return 0;
	}
	return greeting(s, fd, w, sv);
}

/* One version on one connection. 0, also when this version is not offered; negative: the
 * port does not do at all. */
static int try_version(const struct server *s, const struct wait *w, struct endpoints *to,
		       unsigned i, struct survey *sv)
{
	_cleanup_close_ int fd = -1;
	struct survey_version *v = &sv->versions[i];
	struct inspection in;
	int64_t patience = s->connect_timeout;
	int r = dial(s, w, to, &fd, sv);

	if (r == 0 && s->tls == TLS_EXPLICIT) {
		r = greeting(s, fd, w, sv);
		if (r == 0) {
			r = auth(s, fd, w, sv);
		}
	}
	if (r < 0) {
		return r;
	}
	if (s->tls == TLS_IMPLICIT) {
		r = greeting_before_tls(s, fd, w, i, sv);
		if (r < 0) {
			return r;
		}
	}
	if (s->tls == TLS_IMPLICIT && sv->clear) {
		patience = MIN(patience, (int64_t)AFTER_GREETING_MS);
	}
	v->tried = true;
	r = inspect_tls(fd, s->host, versions[i], w, now_ms() + patience, &in, &v->words);
	if (r < 0 && s->tls == TLS_IMPLICIT && sv->clear) {
		sv->step = SURVEY_TLS;
		words_set(&sv->words, "%s greets in clear: this port speaks explicit TLS",
			  sv->address);
		return r == -EINTR || r == -ENOMEM ? r : -EPROTO;
	}
	if (in.cert.pin[0]) {
		sv->cert = in.cert;
	}
	if (r == 0) {
		v->offered = true;
		snprintf(v->cipher, sizeof(v->cipher), "%s", in.cipher);
	}
	if (r == -EBADMSG) {
		sv->step = SURVEY_TLS;
		words_set(&sv->words, "no TLS at %s: %s", sv->address, v->words.text);
		return -EPROTO;
	}
	return r == -EINTR || r == -ENOMEM ? r : 0;
}

void survey_port(const struct server *s, const struct wait *w, struct survey *ret)
{
	struct endpoints to = { 0 };
	bool any = false;
	int r = 0;

	*ret = (struct survey){ .step = SURVEY_RESOLVE };
	if (!s->proxy) {
		r = dial_resolve(s->host, s->port, s->family, w,
				 now_ms() + s->connect_timeout, &to, &ret->words);
	}
	for (unsigned i = SURVEY_VERSIONS; r == 0 && i-- > 0;) {
		r = try_version(s, w, &to, i, ret);
		any = any || ret->versions[i].offered;
	}
	if (r == 0 || any) {
		ret->step = any ? SURVEY_DONE : SURVEY_TLS;
		if (!any) {
			r = -EPROTO;
			words_set(&ret->words, "no TLS at %s: %s", ret->address,
				  ret->versions[3].words.text);
		}
	}
	ret->error = any ? 0 : r;
}

/* ---- passive offers ---- */

int survey_ends(struct control *c, char peer[static ENDPOINT_TEXT],
		char local[static ENDPOINT_TEXT], bool *ret_ipv6)
{
	struct endpoint a, b;
	int r = endpoint_peer(control_fd(c), &a);

	if (r == 0) {
		r = endpoint_local(control_fd(c), &b);
	}
	if (r == 0) {
		endpoint_format_host(&a, peer);
		endpoint_format_host(&b, local);
		*ret_ipv6 = a.addr.ss_family == AF_INET6;
	}
	return r;
}

static int reach(struct control *c, const struct wait *w, uint16_t port, int64_t timeout)
{
	const struct linger now = { .l_onoff = 1 };
	struct endpoint to, from;
	int fd, r = endpoint_peer(control_fd(c), &to);

	if (r == 0) {
		r = endpoint_local(control_fd(c), &from);
	}
	if (r < 0) {
		return r;
	}
	endpoint_set_port(&to, port);
	endpoint_set_port(&from, 0);
	r = dial_connect(&to, &from, w, now_ms() + timeout, &fd);
	if (r == 0) {
		/* RST: no TIME_WAIT on the port, neither here nor there. */
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
	}
	return r;
}

int survey_passive(struct control *c, const struct wait *w, bool epsv, int64_t timeout,
		   struct survey_offer *ret, struct reply *ret_refusal)
{
	struct survey_offer offer = { .connected = 1 };
	struct reply reply = { 0 };
	struct passive got;
	int r = control_command(c, w, epsv ? "EPSV" : "PASV", NULL, &reply);

	if (r < 0) {
		return r;
	}
	if (!reply_is(&reply, 2)) {
		*ret_refusal = reply;
		return 1;
	}
	r = passive_parse(reply.text, &got);
	reply_release(&reply);
	if (r < 0) {
		return r;
	}
	offer.port = got.port;
	if (got.has_host) {
		snprintf(offer.advertised, sizeof(offer.advertised), "%u.%u.%u.%u",
			 got.host[0], got.host[1], got.host[2], got.host[3]);
	}
	if (timeout && !control_server(c)->proxy) {
		offer.connected = reach(c, w, got.port, timeout);
		if (offer.connected == -EINTR) {
			return -EINTR;
		}
	}
	*ret = offer;
	return 0;
}
