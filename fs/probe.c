/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of a probe: the ports without a login, one login, then everything that may run
 * side by side. Each worker holds at most one connection. */
#include "fs/probe_private.h"
#include "net/remote.h"

#include <errno.h>
#include <string.h>

enum {
	TIME_MAX_MS = 58000,
	CONNECT_MS = 5000, /* unless the user says otherwise */
	IO_MS = 10000,
	JOBS_MAX = 8,
};

enum { EXIT_WORKS = 0, EXIT_NOT_SO = 1, EXIT_NO_LOGIN = 32, EXIT_TROUBLE = 2 };

static bool time_is_up(void *arg)
{
	const struct probe *p = arg;

	return now_ms() - p->start >= TIME_MAX_MS;
}

void probe_tell(struct probe *p, const char *what, const char *more)
{
	if (p->terminal) {
		fprintf(stderr, "\r\033[Kftpsfs: probing %s: %s %s", p->report.host, what,
			more);
		fflush(stderr);
	}
}

/* ---- ports ---- */

static void note_limit(struct probe *p, const struct trace *t)
{
	if (t->limit[0]) {
		mutex_lock(&p->lock);
		reason_set(p->report.limit, sizeof(p->report.limit), t->limit);
		p->workers = 1;
		mutex_unlock(&p->lock);
	}
}

void probe_note_port(struct probe *p, uint16_t port, int connected)
{
	mutex_lock(&p->lock);
	if (port && p->report.n_ports < PORTS_SEEN_MAX) {
		p->report.ports[p->report.n_ports++] =
			(struct seen_port){ .port = port, .connected = connected };
	}
	mutex_unlock(&p->lock);
}

void probe_note_advertised(struct probe *p, const char *address)
{
	mutex_lock(&p->lock);
	if (address[0]) {
		reason_set(p->report.advertised, sizeof(p->report.advertised), address);
	}
	mutex_unlock(&p->lock);
}

/* ---- the ports before a login ---- */

static enum verdict judge_survey(const struct survey *sv)
{
	switch (sv->error) {
	case 0:
		return VERDICT_OK;
	case -EINTR:
		return VERDICT_NONE;
	case -EUSERS:
		return VERDICT_LIMIT;
	case -EPROTONOSUPPORT:
		return VERDICT_REFUSED;
	case -ETIMEDOUT:
		return sv->step == SURVEY_DIAL ? VERDICT_BLOCKED : VERDICT_FAILED;
	case -ECONNREFUSED:
		return VERDICT_REJECTED;
	default:
		return sv->step == SURVEY_TLS	 ? VERDICT_TLS
		       : sv->step <= SURVEY_DIAL ? VERDICT_UNREACHABLE
						 : VERDICT_FAILED;
	}
}

static void job_survey(struct probe *p, size_t i)
{
	struct door *d = &p->report.doors[i];
	struct server s = p->base;

	s.tls = d->tls;
	s.port = d->port;
	survey_port(&s, &p->wait, &d->survey);
	d->verdict = judge_survey(&d->survey);
	reason_set(d->reason, sizeof(d->reason),
		   d->verdict == VERDICT_NONE ? "the time was up" : d->survey.words.text);
	/* The best version that is offered, data protected, no CCC. */
	d->first = d->survey.versions[3].offered ? 0 : 1;
}

/* ---- lanes ---- */

static const struct trust *trust_of(const struct probe *p, const struct lane *l)
{
	return l->tls == 3 ? p->trusts->tls13 : p->trusts->tls12;
}

static void lane_say(struct lane *l, enum verdict v, const char *reason)
{
	l->verdict = v;
	if (v == VERDICT_REFUSED) {
		probe_lane_reason(l->reason, sizeof(l->reason), reason);
	} else {
		reason_set(l->reason, sizeof(l->reason), reason);
	}
}

static int lane_open(struct probe *p, struct door *d, struct lane *l,
		     struct probe_session *s)
{
	struct server server = p->base;
	struct words words = { "" };
	int r;

	server.tls = d->tls;
	server.port = d->port;
	r = session_init(s, &server, trust_of(p, l), l, p->hook);
	if (r == 0) {
		r = session_open(s, &p->wait, &words);
	}
	note_limit(p, &s->trace);
	lane_say(l, probe_judge_open(r, words.text, s->trace.limit[0]),
		 r == 0		 ? ""
		 : r == -EINTR	 ? "the time was up"
		 : words.text[0] ? words.text
				 : strerror(-r));
	return r;
}

static void describe(char *to, size_t size, const struct door *d, const struct lane *l,
		     enum way way)
{
	snprintf(to, size, "TLS 1.%u PROT %c%s %s", l->tls, l->prot_clear ? 'C' : 'P',
		 l->ccc ? " CCC" : "", way < WAYS ? way_word(way) : "ports");
	(void)d;
}

/* The four ways on an open session. like: a lane that was tried in full, from which is
 * taken what cannot differ; or NULL. */
static void lane_ways(struct probe *p, struct door *d, struct lane *l,
		      struct probe_session *s, const struct lane *like)
{
	for (enum way w = 0; w < WAYS; w++) {
		struct cell *cell = &l->cells[w];
		char what[64];

		if (like && cell_is_network(&like->cells[w])) {
			*cell = like->cells[w];
			cell->copied = true;
			continue;
		}
		describe(what, sizeof(what), d, l, w);
		probe_tell(p, tls_word(d->tls), what);
		session_try(s, &p->wait, w, cell);
		note_limit(p, &s->trace);
		probe_note_advertised(p, cell->advertised);
		if (!way_is_active(w)) {
			probe_note_port(p, session_offered(s),
					cell->verdict == VERDICT_BLOCKED ? -ETIMEDOUT
					: cell->verdict == VERDICT_REJECTED
						? -ECONNREFUSED
					: cell->verdict == VERDICT_OK ? 0
								      : 1);
		}
	}
}

static void lane_run(struct probe *p, struct door *d, struct lane *l,
		     const struct lane *like)
{
	struct probe_session s;

	if (!d->survey.versions[l->tls].offered) {
		lane_say(l, VERDICT_TLS, d->survey.versions[l->tls].words.text);
		return;
	}
	if (lane_open(p, d, l, &s) == 0) {
		lane_ways(p, d, l, &s, like);
	}
	session_finish(&s);
}

/* ---- jobs ---- */

static void job_first(struct probe *p, size_t i)
{
	struct door *d = &p->report.doors[i];
	struct lane *l = &d->lanes[d->first];

	lane_ways(p, d, l, &p->first, NULL);
	ask_features(p, &p->first);
	ask_reuse(p, &p->first, l);
	ask_source(p, &p->first, l, d);
	ask_ports(p, &p->first, l);
	session_finish(&p->first);
}

/* A server that protects its control connection only. */
static bool refuses_protection(const struct lane *l)
{
	return l->verdict == VERDICT_REFUSED && strncmp(l->reason, "PROT P", 6) == 0;
}

static void job_other(struct probe *p, size_t i)
{
	struct door *d = &p->report.doors[i];

	lane_run(p, d, &d->lanes[d->first], NULL);
	if (refuses_protection(&d->lanes[d->first])) {
		d->first += LANES_CLEAR;
		lane_run(p, d, &d->lanes[d->first], NULL);
	}
	d->logged_in = d->lanes[d->first].verdict == VERDICT_OK;
}

/* The control channel in clear may make a firewall open what is closed otherwise. */
static void job_ccc(struct probe *p, size_t i)
{
	struct door *d = &p->report.doors[i];
	struct lane *private = &d->lanes[LANE_CCC], *clear = &d->lanes[LANE_CCC_CLEAR];

	lane_run(p, d, private, NULL);
	if (private->verdict == VERDICT_OK) {
		lane_run(p, d, clear, private);
	} else {
		lane_say(clear, private->verdict, private->reason);
	}
}

static void job_rest(struct probe *p, size_t i)
{
	static const size_t order[] = { 0, 1, LANES_CLEAR, LANES_CLEAR + 1 };
	struct door *d = &p->report.doors[i];
	const struct lane *first = &d->lanes[d->first];

	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		struct lane *l = &d->lanes[order[k]];

		if (l == first || l->verdict != VERDICT_NONE) {
			continue;
		}
		/* PROT is refused whatever the TLS version. */
		if (l->tls == 2 && l[-1].verdict == VERDICT_REFUSED) {
			lane_say(l, l[-1].verdict, l[-1].reason);
		} else {
			lane_run(p, d, l, first);
		}
	}
}

/* The options as they stand, as a mount uses them. */
static void job_given(struct probe *p, size_t i)
{
	struct report *r = &p->report;
	struct server server = p->base;
	struct listing *listing = NULL;
	struct remote *remote = NULL;
	struct words words = { "" };
	struct trace trace;
	bool connected;
	int e;

	(void)i;
	trace_init(&trace, p->hook);
	server.hook = &trace.hook;
	server.trust = p->trusts->given;
	e = remote_new(&server, &remote);
	if (e == 0) {
		probe_tell(p, "options as given", "");
		e = remote_connect(remote, &p->wait, &words);
	}
	connected = e == 0;
	if (connected) {
		trace_reset(&trace);
		e = remote_list(remote, &p->wait, remote_base(remote), &listing);
		words_set(&words, "%s", trace.warning);
	}
	listing_free(listing);
	remote_free(remote);
	note_limit(p, &trace);
	r->given = probe_judge_open(e, words.text, trace.limit[0]);
	if (connected && e < 0 && e != -EINTR) {
		r->given = probe_judge_words(words.text);
	}
	reason_set(r->given_reason, sizeof(r->given_reason),
		   e == 0	   ? "they work"
		   : e == -EINTR   ? "the time was up"
		   : words.text[0] ? words.text
				   : strerror(-e));
}

/* ---- the order ---- */

static void set_lanes(struct door *d)
{
	static const struct lane kinds[LANES] = {
		{ .tls = 3 },
		{ .tls = 2 },
		{ .tls = 2, .ccc = true },
		{ .tls = 3, .prot_clear = true },
		{ .tls = 2, .prot_clear = true },
		{ .tls = 2, .prot_clear = true, .ccc = true },
	};

	memcpy(d->lanes, kinds, sizeof(kinds));
}

/* A port that was given belongs to the mode that was given; else both modes are tried on
 * it, unless it is one of the two that everybody knows. */
static void set_doors(struct probe *p)
{
	const struct options *o = p->opt;
	struct door *explicit = &p->report.doors[0], *implicit = &p->report.doors[1];
	bool tls_given = options_rank(o, "tls") != RANK_BUILTIN;

	*explicit = (struct door){ .tls = TLS_EXPLICIT, .port = 21 };
	*implicit = (struct door){ .tls = TLS_IMPLICIT, .port = 990 };
	if (options_rank(o, "port") != RANK_BUILTIN) {
		if (o->tls != TLS_IMPLICIT && o->port != 990) {
			explicit->port = (uint16_t)o->port;
		}
		if (o->tls == TLS_IMPLICIT || (!tls_given && o->port != 21)) {
			implicit->port = (uint16_t)o->port;
		}
	}
	set_lanes(explicit);
	set_lanes(implicit);
}

/* The mode that was given does not fit the port that was given: does the other one? */
static void look_again(struct probe *p)
{
	size_t given = p->opt->tls == TLS_IMPLICIT;
	struct door *d = &p->report.doors[given], *other = &p->report.doors[1 - given];
	bool fits = given ? d->survey.clear
			  : d->survey.step == SURVEY_GREETING && !d->survey.clear;

	if (d->verdict != VERDICT_OK && fits && other->port != d->port &&
	    other->verdict != VERDICT_OK) {
		other->port = d->port;
		job_survey(p, 1 - given);
	}
}

static void survey_doors(struct probe *p)
{
	const struct job surveys[] = { { job_survey, 0 }, { job_survey, 1 } };
	struct door *explicit = &p->report.doors[0], *implicit = &p->report.doors[1];

	if (explicit->port != implicit->port) {
		probe_run_jobs(p, surveys, DOORS);
		look_again(p);
		return;
	}
	job_survey(p, 0);
	if (explicit->verdict != VERDICT_OK) {
		job_survey(p, 1);
		return;
	}
	/* It cannot be both. */
	implicit->verdict = VERDICT_ABSENT;
	memcpy(implicit->survey.address, explicit->survey.address, ENDPOINT_TEXT);
	reason_set(implicit->reason, sizeof(implicit->reason),
		   "this port speaks explicit TLS");
}

/* One login before all others: a wrong password is to be tried once. */
static bool log_in_first(struct probe *p)
{
	size_t given = p->opt->tls == TLS_IMPLICIT;

	for (size_t n = 0; n < DOORS && !p->report.stopped; n++) {
		size_t i = n == 0 ? given : 1 - given;
		struct door *d = &p->report.doors[i];
		struct lane *l = &d->lanes[d->first];
		int e;

		if (d->verdict != VERDICT_OK) {
			continue;
		}
		probe_tell(p, tls_word(d->tls), "login");
		e = lane_open(p, d, l, &p->first);
		if (refuses_protection(l)) {
			session_finish(&p->first);
			d->first += LANES_CLEAR;
			l = &d->lanes[d->first];
			e = lane_open(p, d, l, &p->first);
		}
		if (e == 0) {
			p->main = i;
			d->logged_in = true;
			memcpy(p->report.server, p->first.peer, ENDPOINT_TEXT);
			memcpy(p->report.client, p->first.local, ENDPOINT_TEXT);
			return true;
		}
		session_finish(&p->first);
		p->report.stopped = l->verdict == VERDICT_LOGIN;
		d->verdict = l->verdict;
		reason_set(d->reason, sizeof(d->reason), l->reason);
	}
	return false;
}

static void run_matrix(struct probe *p)
{
	struct report *r = &p->report;
	size_t main = p->main, other = 1 - main;
	bool both = r->doors[other].verdict == VERDICT_OK;
	struct job jobs[JOBS_MAX];
	size_t n = 0;

	jobs[n++] = (struct job){ job_first, main };
	jobs[n++] = (struct job){ job_given, 0 };
	if (both) {
		jobs[n++] = (struct job){ job_other, other };
	}
	probe_run_jobs(p, jobs, n);
	if (both && r->doors[other].lanes[r->doors[other].first].verdict != VERDICT_OK) {
		struct door *d = &r->doors[other];

		d->verdict = d->lanes[d->first].verdict;
		reason_set(d->reason, sizeof(d->reason), d->lanes[d->first].reason);
		both = false;
	}
	n = 0;
	for (size_t i = 0; i < DOORS; i++) {
		if (i == main || both) {
			jobs[n++] = (struct job){ job_ccc, i };
			jobs[n++] = (struct job){ job_rest, i };
		}
	}
	probe_run_jobs(p, jobs, n);
}

/* A listing that came through by luck is no mount that works. */
static void judge_partial(struct probe *p)
{
	struct report *r = &p->report;

	if (report_partial(r) && r->given == VERDICT_OK && p->opt->mode == MODE_PASSIVE) {
		r->given = VERDICT_BLOCKED;
		reason_set(r->given_reason, sizeof(r->given_reason),
			   "the firewall lets only a part of the server's passive ports "
			   "through: transfers work now and then");
	}
}

static void run(struct probe *p)
{
	struct report *r = &p->report;

	set_doors(p);
	probe_tell(p, "looking at the ports", "");
	survey_doors(p);
	if (log_in_first(p)) {
		run_matrix(p);
	} else {
		size_t given = p->opt->tls == TLS_IMPLICIT;

		r->given = r->doors[given].verdict;
		reason_set(r->given_reason, sizeof(r->given_reason),
			   r->doors[given].reason);
	}
	judge_partial(p);
	range_suggest(r->ports, r->n_ports, &r->range);
	r->took = now_ms() - p->start;
	r->out_of_time = time_is_up(p);
	if (p->terminal) {
		fputs("\r\033[K", stderr);
	}
}

static void set_base(struct probe *p, const struct options *o)
{
	options_server(o, &p->base);
	p->base.retry = 0;
	p->base.max_conns = 1;
	p->base.prewarm = TRI_NO; /* each connection by the way that is asked about */
	p->base.keepalive = p->base.idle_timeout = 0;
	if (options_rank(o, "connect_timeout") == RANK_BUILTIN) {
		p->base.connect_timeout = CONNECT_MS;
	}
	if (options_rank(o, "io_timeout") == RANK_BUILTIN) {
		p->base.io_timeout = IO_MS;
	}
}

static int exit_status(const struct report *r)
{
	if (r->given == VERDICT_OK) {
		return EXIT_WORKS;
	}
	return r->doors[0].logged_in || r->doors[1].logged_in ? EXIT_NOT_SO
							      : EXIT_NO_LOGIN;
}

int probe_run(const struct options *o, const struct probe_trusts *trusts,
	      const struct log_hook *hook)
{
	struct probe *p = calloc(1, sizeof(*p));
	int status;

	if (!p) {
		return EXIT_TROUBLE;
	}
	p->opt = o;
	p->trusts = trusts;
	p->hook = hook;
	p->start = now_ms();
	p->terminal = isatty(STDERR_FILENO);
	p->wait = (struct wait){ .cancelled = time_is_up, .arg = p };
	p->report.opt = o;
	reason_set(p->report.host, sizeof(p->report.host), o->host);
	mutex_init(&p->lock);
	p->workers = PROBE_WORKERS;
	set_base(p, o);
	run(p);
	if (o->json) {
		report_print_json(&p->report, stdout);
	} else {
		report_print_text(&p->report, stdout);
	}
	status = exit_status(&p->report);
	mutex_finish(&p->lock);
	free(p);
	return status;
}
