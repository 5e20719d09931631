/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a try of a connection says about the path; the range behind a few ports; the lines
 * of the matrix. Pure. */
#include "fs/probe_report.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

const char *verdict_word(enum verdict v)
{
	static const char *const words[] = {
		[VERDICT_NONE] = "not-tried",
		[VERDICT_OK] = "ok",
		[VERDICT_REFUSED] = "refused",
		[VERDICT_BLOCKED] = "blocked",
		[VERDICT_REJECTED] = "rejected",
		[VERDICT_UNREACHABLE] = "unreachable",
		[VERDICT_TLS] = "tls-fault",
		[VERDICT_REUSE] = "reuse-missed",
		[VERDICT_OUTSIDE] = "outside-range",
		[VERDICT_UNTRUSTED] = "untrusted",
		[VERDICT_LOGIN] = "login-refused",
		[VERDICT_LIMIT] = "limit",
		[VERDICT_ABSENT] = "not-applicable",
		[VERDICT_FAILED] = "failed",
	};

	return words[v];
}

const char *way_word(enum way w)
{
	static const char *const words[] = { "EPSV", "PASV", "EPRT", "PORT" };

	return words[w];
}

const char *tls_word(enum tls_mode tls)
{
	return tls == TLS_EXPLICIT   ? "explicit"
	       : tls == TLS_IMPLICIT ? "implicit"
				     : "none";
}

void reason_set(char *to, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++) {
		unsigned char c = (unsigned char)*text;
		bool control = c < 0x20 || c == 0x7f ||
			       /* U+0080 to U+009F: terminals obey those too */
			       (c >= 0x80 && c < 0xa0 && n && to[n - 1] == '\xc2');

		to[n++] = control ? '?' : (char)c;
	}
	to[n] = '\0';
}

/* ---- one try ---- */

static void set(struct cell *ret, enum verdict v, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void set(struct cell *ret, enum verdict v, const char *fmt, ...)
{
	char text[REASON_MAX];
	va_list ap;

	ret->verdict = v;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reason_set(ret->reason, sizeof(ret->reason), text);
}

static bool says(const char *text, const char *what)
{
	return text && strcasestr(text, what);
}

/* The server was to connect to us, and says that it could not. */
static bool says_cannot_connect(const struct attempt *a)
{
	return a->nobody && a->commanded &&
	       (a->code == 425 || a->code == 426 || says(a->text, "timed out") ||
		says(a->text, "refused") || says(a->text, "not connect") ||
		says(a->text, "open data"));
}

static void judge_refusal(const struct attempt *a, struct cell *ret)
{
	const char *text = a->text ? a->text : "";
	bool named = says(text, "reuse") || says(text, "resum");

	ret->code = a->code;
	if (named ||
	    (a->tls && !a->resumed && !a->nobody && (a->code == 522 || a->code == 425))) {
		set(ret, VERDICT_REUSE,
		    "session reuse is demanded and was not obtained: %d %s", a->code,
		    text);
	} else if (says_cannot_connect(a) && says(text, "refused")) {
		set(ret, VERDICT_REJECTED,
		    "the server was rejected (RST) when it connected to %s: %d %s",
		    a->used, a->code, text);
	} else if (says_cannot_connect(a)) {
		set(ret, VERDICT_BLOCKED, "the server could not connect to %s: %d %s",
		    a->used, a->code, text);
	} else {
		set(ret, VERDICT_REFUSED, "the server says: %d %s", a->code, text);
	}
}

static void judge_dial(const struct attempt *a, struct cell *ret)
{
	bool ports = says(a->words, "outside pasv_ports") || says(a->words, "instead of");
	int seconds = (int)((a->timeout + 999) / 1000);

	switch (ports ? -ERANGE : a->error) {
	case -ETIMEDOUT:
		if (way_is_active(a->way)) {
			set(ret, VERDICT_BLOCKED,
			    "the server did not connect to %s within %d s", a->used,
			    seconds);
		} else {
			set(ret, VERDICT_BLOCKED, "SYN to %s timed out (%d s)", a->used,
			    seconds);
		}
		break;
	case -ECONNREFUSED:
		set(ret, VERDICT_REJECTED, "%s answered with RST", a->used);
		break;
	case -ERANGE:
		set(ret, VERDICT_OUTSIDE, "%s", a->words);
		break;
	default:
		set(ret, VERDICT_UNREACHABLE, "%s: %s", a->used, strerror(-a->error));
		break;
	}
}

static bool is_dial_error(int error)
{
	return error == -ETIMEDOUT || error == -ECONNREFUSED || error == -EHOSTUNREACH ||
	       error == -ENETUNREACH || error == -EHOSTDOWN || error == -ENETDOWN;
}

void probe_judge(const struct attempt *a, struct cell *ret)
{
	const char *text = a->words[0] ? a->words : strerror(-a->error);

	if (a->error == 0 && a->code < 400) {
		if (a->tls) {
			ret->session = a->resumed ? SESSION_RESUMED : SESSION_FRESH;
		}
		set(ret, VERDICT_OK, "%s",
		    !a->tls	 ? "data in clear"
		    : a->resumed ? "session resumed"
				 : "session not resumed, and not demanded");
	} else if (a->error == 1 || a->error == 0) {
		judge_refusal(a, ret);
	} else if (a->error == -EINTR) {
		set(ret, VERDICT_NONE, "the time was up");
	} else if (is_dial_error(a->error) && (!a->commanded || way_is_active(a->way))) {
		judge_dial(a, ret);
	} else if (a->error == -EKEYREJECTED) {
		set(ret, VERDICT_UNTRUSTED, "%s", text);
	} else if (says(text, "alert") || says(text, "handshake")) {
		set(ret, VERDICT_TLS, "%s", text);
	} else {
		set(ret, VERDICT_FAILED, "%s", text);
	}
}

enum verdict probe_judge_open(int error, const char *words, bool said_limit)
{
	switch (error) {
	case 0:
		return VERDICT_OK;
	case -EINTR:
		return VERDICT_NONE;
	case -EACCES:
		return VERDICT_LOGIN;
	case -EUSERS:
		return VERDICT_LIMIT;
	case -EKEYREJECTED:
		return VERDICT_UNTRUSTED;
	case -EPROTONOSUPPORT:
		return VERDICT_REFUSED;
	case -ECONNREFUSED:
		return VERDICT_REJECTED;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return VERDICT_UNREACHABLE;
	case -ETIMEDOUT:
		return says(words, "did not answer within") ? VERDICT_BLOCKED
							    : VERDICT_FAILED;
	default:
		return said_limit				    ? VERDICT_LIMIT
		       : says(words, "TLS") || says(words, "alert") ? VERDICT_TLS
								    : VERDICT_FAILED;
	}
}

enum verdict probe_judge_words(const char *words)
{
	static const struct {
		const char *what;
		enum verdict verdict;
	} rows[] = {
		{ "pasv_ports", VERDICT_OUTSIDE },
		{ "not resumed", VERDICT_REUSE },
		{ "did not resume", VERDICT_REUSE },
		{ "timed out", VERDICT_BLOCKED },
		{ "did not connect", VERDICT_BLOCKED },
		{ "could not connect", VERDICT_BLOCKED },
		{ "Connection refused", VERDICT_REJECTED },
		{ "a firewall rejects", VERDICT_REJECTED },
		{ "No route", VERDICT_UNREACHABLE },
		{ "alert", VERDICT_TLS },
		{ "refuse", VERDICT_REFUSED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (says(words, rows[i].what)) {
			return rows[i].verdict;
		}
	}
	return VERDICT_FAILED;
}

/* "... (CCC: 534 No): do this" -> "CCC: the server says: 534 No": the remedy is for
 * people who mount. */
void probe_lane_reason(char *to, size_t size, const char *words)
{
	static const char *const verbs[] = { "CCC", "PROT C", "PROT P", "AUTH TLS" };

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		size_t len = strlen(verbs[i]);
		const char *at = strchr(words, '('), *end = strrchr(words, ')');

		for (; at; at = strchr(at + 1, '(')) {
			if (strncmp(at + 1, verbs[i], len) == 0 &&
			    strncmp(at + 1 + len, ": ", 2) == 0 && end > at) {
				char text[REASON_MAX];

				snprintf(text, sizeof(text), "%s: the server says: %.*s",
					 verbs[i], (int)(end - at - 3 - (long)len),
					 at + 3 + len);
				reason_set(to, size, text);
				return;
			}
		}
	}
	reason_set(to, size, words);
}

bool cell_is_network(const struct cell *c)
{
	return c->verdict == VERDICT_BLOCKED || c->verdict == VERDICT_REJECTED ||
	       c->verdict == VERDICT_UNREACHABLE || c->verdict == VERDICT_OUTSIDE ||
	       c->verdict == VERDICT_ABSENT;
}

/* ---- the range ---- */

/* People configure ranges that begin and end at round numbers: the roundest one not further
 * away than slack, else slack itself. A rule that is a little too wide does less harm than
 * one that is too narrow. */
static const unsigned round_steps[] = { 10000, 5000, 1000, 500, 100, 50 };

static unsigned round_down(unsigned port, unsigned slack)
{
	for (size_t i = 0; i < ARRAY_LEN(round_steps); i++) {
		unsigned down = port - port % round_steps[i];

		if (port - down <= slack && down >= 1024) {
			return down;
		}
	}
	return MAX((port - MIN(slack, port)) / 10 * 10, 1024u);
}

/* Ends are written 50099 or 50100. */
static unsigned round_up(unsigned port, unsigned slack)
{
	if (port + slack >= 65535) {
		return 65535;
	}
	for (size_t i = 0; i < ARRAY_LEN(round_steps); i++) {
		unsigned step = round_steps[i];
		unsigned up = (port + step - 1) / step * step;

		if (step >= 100 && port % step == step - 1) {
			return port;
		}
		if (up - port <= slack) {
			return up;
		}
	}
	return MIN((port + slack + 9) / 10 * 10, 65535u);
}

static bool goes_up(const struct seen_port *ports, size_t n)
{
	size_t ups = 0;

	for (size_t i = 1; i < n; i++) {
		int step = (int)ports[i].port - (int)ports[i - 1].port;

		ups += step > 0 && step <= 4;
	}
	return n > 4 && ups + 1 >= n - n / 8;
}

static size_t count_distinct(const struct seen_port *ports, size_t n)
{
	size_t distinct = 0;

	for (size_t i = 0; i < n; i++) {
		bool again = false;

		for (size_t j = 0; j < i && !again; j++) {
			again = ports[j].port == ports[i].port;
		}
		distinct += !again;
	}
	return distinct;
}

void range_suggest(const struct seen_port *ports, size_t n, struct range_guess *ret)
{
	struct range_guess g = { .lo = 65535 };
	size_t distinct = count_distinct(ports, n);
	unsigned slack;

	for (size_t i = 0; i < n; i++) {
		g.lo = MIN(g.lo, ports[i].port);
		g.hi = MAX(g.hi, ports[i].port);
	}
	if (n < 4) {
		*ret = (struct range_guess){ 0 };
		return;
	}
	g.known = true;
	g.in_sequence = goes_up(ports, n);
	/* Of a range drawn from at random, what lies beyond the extremes is about the
	 * mean gap; four times that to be safe. Ports that came again and again are
	 * all. */
	slack = 4 * (unsigned)((g.hi - g.lo) / (distinct > 1 ? distinct - 1 : 1)) + 2;
	if (distinct * 2 <= n) {
		*ret = g;
		return;
	}
	if (g.hi - g.lo > 15000) {
		g.unlimited = true;
		g.lo = g.lo >= 49152 ? 49152 : g.lo >= 32768 ? 32768 : 1024;
		g.hi = g.lo == 32768 && g.hi <= 60999 ? 60999 : 65535;
	} else {
		g.lo = (uint16_t)round_down(g.lo, slack);
		g.hi = (uint16_t)round_up(g.hi, slack);
	}
	*ret = g;
}

bool report_partial(const struct report *r)
{
	size_t reached = 0, silent = 0;

	for (size_t i = 0; i < r->n_ports; i++) {
		reached += r->ports[i].connected == 0;
		silent += r->ports[i].connected == -ETIMEDOUT;
	}
	return reached && silent > 1;
}

/* ---- the lines of the matrix ---- */

static bool same_verdict(const struct cell *a, const struct cell *b)
{
	return a->verdict == b->verdict && strcmp(a->reason, b->reason) == 0;
}

static bool lane_is_one(const struct lane *l)
{
	for (enum way w = 1; w < WAYS; w++) {
		if (!same_verdict(&l->cells[0], &l->cells[w])) {
			return false;
		}
	}
	return l->cells[0].verdict != VERDICT_OK;
}

static void lane_rows(const struct door *d, const struct lane *l,
		      void (*fn)(const struct row *row, void *arg), void *arg)
{
	struct row row = {
		.door = d,
		.lane = l,
		.version = l->tls == 3 ? "1.3" : "1.2",
		.prot = l->prot_clear ? "C" : "P",
		.ccc = l->ccc ? "yes" : "no",
		.way = "any",
		.verdict = l->verdict,
		.reason = l->reason,
	};

	if (l->verdict != VERDICT_OK) {
		fn(&row, arg);
		return;
	}
	if (lane_is_one(l)) {
		row.verdict = l->cells[0].verdict;
		row.reason = l->cells[0].reason;
		fn(&row, arg);
		return;
	}
	for (enum way w = 0; w < WAYS; w++) {
		row.cell = &l->cells[w];
		row.way = way_word(w);
		row.verdict = l->cells[w].verdict;
		row.reason = l->cells[w].reason;
		fn(&row, arg);
	}
}

void report_rows(const struct report *r, void (*fn)(const struct row *row, void *arg),
		 void *arg)
{
	for (size_t i = 0; i < DOORS; i++) {
		const struct door *d = &r->doors[i];
		const struct row row = {
			.door = d,
			.version = "any",
			.prot = "any",
			.ccc = "any",
			.way = "any",
			.verdict = d->verdict,
			.reason = d->reason,
		};

		if (d->verdict != VERDICT_OK) {
			fn(&row, arg);
			continue;
		}
		for (size_t j = 0; j < LANES; j++) {
			lane_rows(d, &d->lanes[j], fn, arg);
		}
	}
}
