/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report for people. */
#include "fs/probe_report.h"

#include <string.h>
#include <time.h>

static void print_today(char text[static 16])
{
	time_t now = time(NULL);
	struct tm tm;

	if (!gmtime_r(&now, &tm) || strftime(text, 16, "%Y-%m-%d", &tm) == 0) {
		text[0] = '\0';
	}
}

static void print_certificate(FILE *f, const struct certificate *c)
{
	char today[16];

	if (!c->pin[0]) {
		return;
	}
	print_today(today);
	fprintf(f, "  certificate  %s\n", c->subject);
	fprintf(f, "               names: %s\n", c->names);
	fprintf(f, "               valid %s to %s%s\n", c->from, c->to,
		!today[0]		     ? ""
		: strcmp(c->to, today) < 0   ? ": EXPIRED"
		: strcmp(c->from, today) > 0 ? ": NOT YET VALID"
					     : "");
	fprintf(f, "               issuer: %s%s\n", c->issuer,
		c->self_signed ? " (self-signed)" : "");
	fprintf(f, "               pin=%s\n", c->pin);
}

static void print_versions(FILE *f, const struct survey *sv)
{
	for (unsigned i = SURVEY_VERSIONS; i-- > 0;) {
		const struct survey_version *v = &sv->versions[i];

		if (v->tried) {
			fprintf(f, "  TLS 1.%u      %s\n", i,
				v->offered ? v->cipher : v->words.text);
		}
	}
}

static void print_door(FILE *f, const struct door *d)
{
	const struct survey *sv = &d->survey;

	fprintf(f, "%s TLS, port %u: %s\n", tls_word(d->tls), d->port,
		verdict_word(d->verdict));
	if (sv->step <= SURVEY_DIAL) {
		return;
	}
	fprintf(f, "  address      %s\n", sv->address);
	if (sv->greeting[0]) {
		fprintf(f, "  greeting     %s\n", sv->greeting);
	}
	if (sv->auth[0]) {
		fprintf(f, "  AUTH TLS     %s\n", sv->auth);
	}
	print_versions(f, sv);
	print_certificate(f, &sv->cert);
}

static void print_row(const struct row *row, void *arg)
{
	FILE *f = arg;

	fprintf(f, "%-8s  %5u  %-3s  %-4s  %-3s  %-4s  %-14s  %s%s\n",
		tls_word(row->door->tls), row->door->port, row->version, row->prot,
		row->ccc, row->way, verdict_word(row->verdict), row->reason,
		row->cell && row->cell->copied ? " (as above)" : "");
}

/* Each port once, in rising order; the ones that answered, or that did not. */
static void print_port_list(FILE *f, const struct report *r, const char *label,
			    bool (*wanted)(int connected))
{
	unsigned last = 0;
	bool any = false;

	for (;;) {
		unsigned next = 65536;

		for (size_t i = 0; i < r->n_ports; i++) {
			unsigned port = r->ports[i].port;

			if (port > last && port < next && wanted(r->ports[i].connected)) {
				next = port;
			}
		}
		if (next > 65535) {
			break;
		}
		if (!any) {
			fprintf(f, "  %-12s", label);
		}
		any = true;
		fprintf(f, " %u", next);
		last = next;
	}
	if (any) {
		fputc('\n', f);
	}
}

static bool is_seen(int connected)
{
	(void)connected;
	return true;
}

static bool is_reached(int connected)
{
	return connected == 0;
}

static bool is_silent(int connected)
{
	return connected < 0;
}

static bool some(const struct report *r, bool (*wanted)(int connected))
{
	for (size_t i = 0; i < r->n_ports; i++) {
		if (wanted(r->ports[i].connected)) {
			return true;
		}
	}
	return false;
}

static void print_ports(FILE *f, const struct report *r)
{
	char range[32];

	if (!r->n_ports) {
		return;
	}
	fprintf(f, "\npassive ports offered in %zu replies\n", r->n_ports);
	print_port_list(f, r, "seen", is_seen);
	if (some(r, is_silent)) {
		print_port_list(f, r, "reached", is_reached);
		print_port_list(f, r, "not reached", is_silent);
	}
	if (range_format(&r->range, range, sizeof(range))) {
		fprintf(f, "  suggests     pasv_ports=%s%s\n", range,
			r->range.unlimited
				? " (no static range seems to be configured: ask the "
				  "server's administrator for one)"
			: r->range.in_sequence
				? " at least (the ports come one after the other)"
				: " (a guess: ask the server's administrator)");
	}
	if (r->advertised[0]) {
		fprintf(f, "  PASV says    %s%s%s%s\n", r->advertised,
			strcmp(r->advertised, r->server) == 0 ? "" : ", used was ",
			strcmp(r->advertised, r->server) == 0 ? "" : r->server,
			strcmp(r->advertised, r->server) == 0
				? ""
				: " (pasv_addr=control): the server does not know its "
				  "outer address");
	}
}

/* Lines of text, indented. */
static void print_lines(FILE *f, const char *indent, struct buf *text)
{
	const char *line = text->len ? buf_str(text) : NULL;

	while (line && *line) {
		const char *end = strchrnul(line, '\n');

		fprintf(f, "%s%.*s\n", indent, (int)(end - line), line);
		line = *end ? end + 1 : end;
	}
}

static void print_mode(FILE *f, const struct report *r, const struct door *d, bool active)
{
	_cleanup_buf_ struct buf flow = { 0 };
	struct rules rules;

	if (advice_flow(r, d, active, &flow) < 0 || flow.len == 0) {
		return;
	}
	advice_rules(r, d, active, &rules);
	fprintf(f, "\n%s TLS, %s\n", tls_word(d->tls), active ? "active" : "passive");
	print_lines(f, "  ", &flow);
	fprintf(f, "  %s\n  %s\n", rules.nft, rules.iptables);
}

static void print_flows(FILE *f, const struct report *r)
{
	struct choice best;

	if (!report_best(r, &best)) {
		return;
	}
	fprintf(f,
		"\nflows that work: server = %s, client = %s; the rules are for this "
		"machine, on a router the chain is forward\n",
		r->server, r->client);
	for (size_t i = 0; i < DOORS; i++) {
		print_mode(f, r, &r->doors[i], false);
		print_mode(f, r, &r->doors[i], true);
	}
}

static void print_features(FILE *f, const struct report *r)
{
	if (r->features[0]) {
		fputs("\nFEAT: ", f);
		for (const char *p = r->features; *p; p++) {
			if (*p != '\n') {
				fputc(*p, f);
			} else if (p[1]) {
				fputs(", ", f);
			}
		}
		fputc('\n', f);
	}
	if (r->reuse != VERDICT_NONE) {
		fprintf(f, "session reuse: %s%s%s\n",
			r->reuse == VERDICT_OK ? "not demanded" : "demanded",
			r->reuse == VERDICT_OK ? "" : "; without it: ",
			r->reuse == VERDICT_OK ? "" : r->reuse_reason);
	}
	if (r->limit[0]) {
		fprintf(f, "connection limit met: %s\n", r->limit);
	}
}

static void print_end(FILE *f, const struct report *r)
{
	_cleanup_buf_ struct buf cause = { 0 }, remedies = { 0 }, line = { 0 };
	struct choice best = { 0 };

	if (r->stopped) {
		fputs("\nThe server refused the login: nothing more was tried, not to "
		      "lock the account.\n",
		      f);
	}
	if (r->out_of_time) {
		fputs("\nThe time was up before everything was tried.\n", f);
	}
	fprintf(f, "\noptions as given: %s\n", verdict_word(r->given));
	if (advice_cause(r, &cause, &remedies) == 0) {
		print_lines(f, "cause: ", &cause);
		print_lines(f, "remedy: ", &remedies);
	}
	if ((report_best(r, &best) || r->given == VERDICT_OK) &&
	    advice_mount_line(r, &best, &line) == 0) {
		print_lines(f, "mount: ", &line);
	}
}

void report_print_text(const struct report *r, FILE *f)
{
	for (size_t i = 0; i < DOORS; i++) {
		print_door(f, &r->doors[i]);
	}
	fprintf(f, "\n%-8s  %5s  %-3s  %-4s  %-3s  %-4s  %-14s  %s\n", "TLS", "port",
		"ver", "PROT", "CCC", "data", "verdict", "reason");
	report_rows(r, print_row, f);
	print_features(f, r);
	print_ports(f, r);
	print_flows(f, r);
	print_end(f, r);
}
