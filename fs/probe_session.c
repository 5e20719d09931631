/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/probe_session.h"
#include "net/transfer.h"

#include <errno.h>
#include <string.h>

/* Of a listing, enough to see that data flow. */
enum { LISTED_MAX = 1024 * 1024 };

/* ---- the trace ---- */

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void trace_sent(struct trace *t, const char *line)
{
	if (starts(line, "MLSD") || starts(line, "LIST")) {
		t->commanded = true;
	} else if (starts(line, "EPRT ") || starts(line, "PORT ")) {
		reason_set(t->active, sizeof(t->active), line + 5);
	}
}

static void trace_got(struct trace *t, const char *line)
{
	if (starts(line, "227") || starts(line, "229")) {
		reason_set(t->offer, sizeof(t->offer), line);
	}
	if (line[0] >= '2' && line[0] <= '5' && line[1] && line[2] && line[3] == ' ') {
		reason_set(t->reply, sizeof(t->reply), line);
	}
	if (starts(line, "421") ||
	    (starts(line, "530") && strcasestr(line, "too many"))) {
		reason_set(t->limit, sizeof(t->limit), line);
	}
}

/* "#40112 > MLSD", "#40112 in clear < 226 ..." */
static void trace_line(void *arg, enum log_level level, const char *line)
{
	struct trace *t = arg;
	const char *out = level == LEVEL_TRACE ? strstr(line, " > ") : NULL;
	const char *in = level == LEVEL_TRACE ? strstr(line, " < ") : NULL;

	if (out && (!in || out < in)) {
		trace_sent(t, out + 3);
	} else if (in) {
		trace_got(t, in + 3);
	} else if (level <= LEVEL_WARN && !t->warning[0]) {
		reason_set(t->warning, sizeof(t->warning), line);
	}
	hook_printf(t->outer, level, "%s", line);
}

void trace_init(struct trace *t, const struct log_hook *outer)
{
	*t = (struct trace){
		.hook = { .line = trace_line, .arg = t, .level = LEVEL_TRACE },
		.outer = outer,
	};
}

void trace_reset(struct trace *t)
{
	t->commanded = false;
	t->offer[0] = t->active[0] = t->warning[0] = t->reply[0] = '\0';
}

/* ---- life ---- */

int session_init(struct probe_session *s, const struct server *server,
		 const struct trust *trust, const struct lane *lane,
		 const struct log_hook *outer)
{
	*s = (struct probe_session){ .server = *server };
	trace_init(&s->trace, outer);
	s->server.hook = &s->trace.hook;
	s->server.trust = trust;
	s->server.prot_clear = lane->prot_clear;
	s->server.ccc = lane->ccc ? CCC_REQUIRE : CCC_NO;
	s->required = server->session_reuse != TRI_NO;
	return pool_new(&s->server, &s->pool);
}

static void give_back(struct probe_session *s)
{
	if (s->control) {
		pool_return(s->pool, s->control);
		s->control = NULL;
	}
}

void session_finish(struct probe_session *s)
{
	give_back(s);
	if (s->pool) {
		(void)pool_shutdown(s->pool);
		pool_free(s->pool);
		s->pool = NULL;
	}
}

int session_open(struct probe_session *s, const struct wait *w, struct words *words)
{
	int r;

	/* Some servers close the connection behind their refusal (vsftpd after 522). */
	if (s->control && control_check(s->control) == 0) {
		return 0;
	}
	give_back(s);
	r = pool_borrow(s->pool, POOL_COMMAND, false, w, &s->control, words);
	if (r == 0) {
		r = survey_ends(s->control, s->peer, s->local, &s->ipv6);
	}
	return r;
}

/* ---- one try ---- */

uint16_t session_offered(const struct probe_session *s)
{
	struct passive offer;

	return s->trace.offer[0] && passive_parse(s->trace.offer, &offer) == 0
		       ? offer.port
		       : 0;
}

static void join(char to[static ENDPOINT_TEXT], const char *host, unsigned port)
{
	snprintf(to, ENDPOINT_TEXT, strchr(host, ':') ? "[%.46s]:%u" : "%.46s:%u", host,
		 port);
}

static void passive_ends(const struct probe_session *s, struct cell *ret)
{
	const char *host = s->peer;
	struct passive offer;

	if (!s->trace.offer[0] || passive_parse(s->trace.offer, &offer) < 0) {
		return;
	}
	if (offer.has_host) {
		snprintf(ret->advertised, sizeof(ret->advertised), "%u.%u.%u.%u",
			 offer.host[0], offer.host[1], offer.host[2], offer.host[3]);
	}
	if (s->server.pasv_addr && strcmp(s->server.pasv_addr, "control") != 0) {
		host = strcmp(s->server.pasv_addr, "reply") != 0 ? s->server.pasv_addr
		       : offer.has_host				 ? ret->advertised
								 : s->peer;
	}
	join(ret->used, host, offer.port);
}

/* Of "|1|192.0.2.1|50000|" or "192,0,2,1,195,80". */
static void active_ends(const struct probe_session *s, struct cell *ret)
{
	char reply[300], host[64];
	struct passive at;
	unsigned port;

	if (sscanf(s->trace.active, "|%*1[12]|%63[^|]|%5u|", host, &port) == 2) {
		join(ret->used, host, port);
		return;
	}
	snprintf(reply, sizeof(reply), "227 (%s)", s->trace.active);
	if (s->trace.active[0] && passive_parse(reply, &at) == 0 && at.has_host) {
		snprintf(host, sizeof(host), "%u.%u.%u.%u", at.host[0], at.host[1],
			 at.host[2], at.host[3]);
		join(ret->used, host, at.port);
	}
}

/* 0, or the error of reading; the final reply is the server's verdict. */
static int drain(struct transfer *t, const struct wait *w, struct reply *ret)
{
	char sink[16 * 1024];
	size_t total = 0;
	ssize_t n;
	int r;

	while ((n = transfer_read(t, w, sink, sizeof(sink))) > 0) {
		total += (size_t)n;
		if (total > LISTED_MAX) {
			transfer_abort(t, w);
			return 0;
		}
	}
	r = transfer_finish(t, w, ret);
	return r < 0 ? r : n < 0 && ret->code < 400 ? (int)n : 0;
}

static bool wanted_resumption(const struct words *words)
{
	return strstr(words->text, "did not resume") != NULL;
}

/* 1: refused, *reply says how; 0: *reply is the final one; negative. */
static int list_once(struct probe_session *s, const struct wait *w, struct reply *reply,
		     struct words *words)
{
	struct transfer *t = NULL;
	bool facts = control_host(s->control)->mlst;
	int r;

	s->server.session_reuse = s->server.session_reuse == TRI_NO ? TRI_NO
				  : s->required			    ? TRI_YES
								    : TRI_AUTO;
	trace_reset(&s->trace);
	words_set(words, "%s", "");
	r = transfer_open(s->control, w, facts ? "MLSD" : "LIST", NULL, 0, &t, reply,
			  words);
	return r == 0 ? drain(t, w, reply) : r;
}

/* What was learnt on the way to the last try is not to colour the next. */
static void forget(struct probe_session *s, enum way way)
{
	struct host *h = pool_host(s->pool);

	h->epsv_bad = false;
	h->eprt_bad = false;
	h->active_hold = 0;
	s->server.mode = way_is_active(way) ? MODE_ACTIVE : MODE_PASSIVE;
	s->server.epsv = way == WAY_EPSV || way == WAY_EPRT ? TRI_YES : TRI_NO;
}

static bool cannot_be(const struct probe_session *s, enum way way, struct cell *ret)
{
	const char *why = NULL;

	if (s->ipv6 && (way == WAY_PASV || way == WAY_PORT)) {
		why = "IPv4 only, and the control connection is IPv6";
	} else if (s->server.proxy && way_is_active(way)) {
		why = "there is no active mode through a proxy";
	}
	if (why) {
		ret->verdict = VERDICT_ABSENT;
		reason_set(ret->reason, sizeof(ret->reason), why);
	}
	return why != NULL;
}

void session_try(struct probe_session *s, const struct wait *w, enum way way,
		 struct cell *ret)
{
	_cleanup_reply_ struct reply reply = { 0 };
	struct words words = { "" };
	struct attempt a = { .way = way, .timeout = s->server.connect_timeout };
	int r = session_open(s, w, &words);

	if (r < 0) {
		ret->verdict = probe_judge_open(r, words.text, s->trace.limit[0]);
		reason_set(ret->reason, sizeof(ret->reason),
			   r == -EINTR	   ? "the time was up"
			   : words.text[0] ? words.text
					   : strerror(-r));
		return;
	}
	if (cannot_be(s, way, ret)) {
		return;
	}
	forget(s, way);
	r = list_once(s, w, &reply, &words);
	if ((r == -ECONNABORTED && s->required && wanted_resumption(&words)) ||
	    (r == -ENOTCONN && !s->trace.commanded)) {
		s->required = s->required && r == -ENOTCONN;
		r = session_open(s, w, &words);
		if (r == 0) {
			reply_release(&reply);
			r = list_once(s, w, &reply, &words);
		}
	}
	if (way_is_active(way)) {
		active_ends(s, ret);
	} else {
		passive_ends(s, ret);
	}
	a.error = r;
	a.code = reply.text ? reply.code : 0;
	a.text = reply.text ? reply_words(&reply) : "";
	if (way_is_active(way) && strstr(words.text, WRONG_SOURCE)) {
		a.error = -EHOSTUNREACH;
	} else if (way_is_active(way) && r == 1 && words.text[0]) {
		a.nobody = true;
	} else if (way_is_active(way) && r < 0 && s->trace.reply[0] >= '4') {
		/* Nobody came, and this is what the server said instead. */
		a.error = 1;
		a.nobody = true;
		a.code = atoi(s->trace.reply);
		a.text = s->trace.reply + 4;
	}
	a.words = words.text;
	a.commanded = s->trace.commanded;
	a.tls = !s->server.prot_clear;
	a.resumed = a.tls && s->required && s->server.session_reuse != TRI_NO;
	a.used = ret->used[0] ? ret->used : "the server's data port";
	probe_judge(&a, ret);
}
