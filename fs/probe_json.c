/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as one JSON object. The schema stands in ftpsfs(1): keys may be added, none
 * changes its meaning. */
#include "fs/probe_report.h"

#include <errno.h>
#include <string.h>

/* Bytes of the UTF-8 character at p, or 0 where it is none. */
static size_t utf8_length(const unsigned char *p)
{
	size_t n = p[0] < 0x80			  ? 1
		   : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
		   : (p[0] & 0xf0) == 0xe0	  ? 3
		   : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
						  : 0;

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	/* Overlong forms, surrogates, beyond U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
		return 0;
	}
	return n;
}

void json_string(FILE *f, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	fputc('"', f);
	while (*p) {
		size_t n = utf8_length(p);

		if (n == 0) {
			fputs("\\ufffd", f);
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			fprintf(f, "\\%c", *p);
		} else if (*p < 0x20 || *p == 0x7f) {
			fprintf(f, "\\u%04x", *p);
		} else {
			fwrite(p, 1, n, f);
		}
		p += n;
	}
	fputc('"', f);
}

static void key(FILE *f, const char *name, const char *text)
{
	fprintf(f, "\"%s\": ", name);
	json_string(f, text);
}

/* "" is null. */
static void key_or_null(FILE *f, const char *name, const char *text)
{
	if (text && text[0]) {
		key(f, name, text);
	} else {
		fprintf(f, "\"%s\": null", name);
	}
}

static const char *yes_no(bool b)
{
	return b ? "true" : "false";
}

static void print_certificate(FILE *f, const struct certificate *c)
{
	if (!c->pin[0]) {
		fputs("\"certificate\": null", f);
		return;
	}
	fputs("\"certificate\": {", f);
	key(f, "subject", c->subject);
	fputs(", ", f);
	key(f, "names", c->names);
	fputs(", ", f);
	key(f, "issuer", c->issuer);
	fputs(", ", f);
	key(f, "valid_from", c->from);
	fputs(", ", f);
	key(f, "valid_to", c->to);
	fputs(", ", f);
	key(f, "pin", c->pin);
	fprintf(f, ", \"self_signed\": %s}", yes_no(c->self_signed));
}

static void print_versions(FILE *f, const struct survey *sv)
{
	bool first = true;

	fputs("\"tls_versions\": [", f);
	for (unsigned i = SURVEY_VERSIONS; i-- > 0;) {
		const struct survey_version *v = &sv->versions[i];

		if (!v->tried) {
			continue;
		}
		fprintf(f, "%s{\"version\": \"1.%u\", \"offered\": %s, ",
			first ? "" : ", ", i, yes_no(v->offered));
		first = false;
		key_or_null(f, "cipher", v->cipher);
		fputs(", ", f);
		key_or_null(f, "reason", v->offered ? "" : v->words.text);
		fputs("}", f);
	}
	fputs("]", f);
}

static void print_flow(FILE *f, const struct report *r, const struct door *d, bool active)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct rules rules;

	fprintf(f, "\"%s\": ", active ? "active" : "passive");
	if (advice_flow(r, d, active, &text) < 0 || text.len == 0) {
		fputs("null", f);
		return;
	}
	advice_rules(r, d, active, &rules);
	fputc('{', f);
	if (active) {
		fprintf(f,
			d->source ? "\"source_port\": %u, " : "\"source_port\": null, ",
			d->source);
	}
	fputs("\"flow\": [", f);
	for (const char *line = buf_str(&text); line && *line;) {
		const char *end = strchr(line, '\n');
		char one[160];

		snprintf(one, sizeof(one), "%.*s", (int)(end - line), line);
		json_string(f, one);
		line = end + 1;
		fputs(*line ? ", " : "], ", f);
	}
	key(f, "nft", rules.nft);
	fputs(", ", f);
	key(f, "iptables", rules.iptables);
	fputs("}", f);
}

static void print_door(FILE *f, const struct report *r, const struct door *d)
{
	fputs("    {", f);
	key(f, "tls", tls_word(d->tls));
	fprintf(f, ", \"port\": %u, ", d->port);
	key(f, "verdict", verdict_word(d->verdict));
	fputs(", ", f);
	key_or_null(f, "reason", d->reason);
	fputs(",\n     ", f);
	key_or_null(f, "address", d->survey.address);
	fputs(", ", f);
	key_or_null(f, "greeting", d->survey.greeting);
	fputs(", ", f);
	key_or_null(f, "auth", d->survey.auth);
	fprintf(f, ", \"login\": %s,\n     ", yes_no(d->logged_in));
	print_versions(f, &d->survey);
	fputs(",\n     ", f);
	print_certificate(f, &d->survey.cert);
	fputs(",\n     ", f);
	print_flow(f, r, d, false);
	fputs(",\n     ", f);
	print_flow(f, r, d, true);
	fputs("}", f);
}

static const char *session_word(enum session s)
{
	return s == SESSION_RESUMED ? "resumed" : s == SESSION_FRESH ? "not-resumed" : "";
}

struct printer {
	FILE *f;
	bool again;
};

static void print_row(const struct row *row, void *arg)
{
	struct printer *p = arg;
	FILE *f = p->f;
	static const struct cell none;
	const struct cell *c = row->cell ? row->cell : &none;

	fputs(p->again ? ",\n    {" : "    {", f);
	p->again = true;
	key(f, "tls", tls_word(row->door->tls));
	fprintf(f, ", \"port\": %u, ", row->door->port);
	key(f, "tls_version", row->version);
	fputs(", ", f);
	key(f, "prot", row->prot);
	fputs(", ", f);
	key(f, "ccc", row->ccc);
	fputs(", ", f);
	key(f, "data", row->way);
	fputs(", ", f);
	key(f, "verdict", verdict_word(row->verdict));
	fputs(", ", f);
	key_or_null(f, "reason", row->reason);
	fputs(", ", f);
	key_or_null(f, "address", c->used);
	fputs(", ", f);
	key_or_null(f, "advertised", c->advertised);
	fputs(", ", f);
	key_or_null(f, "session", session_word(c->session));
	fprintf(f, ", \"reply\": ");
	fprintf(f, c->code ? "%d" : "null", c->code);
	fprintf(f, ", \"copied\": %s}", yes_no(c->copied));
}

static void print_ports(FILE *f, const struct report *r)
{
	char range[32];

	fputs("  \"passive_ports\": {\"seen\": [", f);
	for (size_t i = 0; i < r->n_ports; i++) {
		fprintf(f, "%s%u", i ? ", " : "", r->ports[i].port);
	}
	fputs("], \"reached\": [", f);
	for (size_t i = 0, n = 0; i < r->n_ports; i++) {
		if (r->ports[i].connected == 0) {
			fprintf(f, "%s%u", n++ ? ", " : "", r->ports[i].port);
		}
	}
	fputs("], \"not_reached\": [", f);
	for (size_t i = 0, n = 0; i < r->n_ports; i++) {
		if (r->ports[i].connected < 0) {
			fprintf(f, "%s%u", n++ ? ", " : "", r->ports[i].port);
		}
	}
	fputs("], ", f);
	key_or_null(f, "suggested",
		    range_format(&r->range, range, sizeof(range)) ? range : "");
	fprintf(f, ", \"unlimited\": %s, \"in_sequence\": %s, ",
		yes_no(r->range.unlimited), yes_no(r->range.in_sequence));
	key_or_null(f, "advertised_address", r->advertised);
	fputs("},\n", f);
}

static void print_lines(FILE *f, const char *name, const char *text)
{
	fprintf(f, "  \"%s\": [", name);
	while (*text) {
		const char *end = strchrnul(text, '\n');
		char one[4096];

		snprintf(one, sizeof(one), "%.*s", (int)(end - text), text);
		json_string(f, one);
		text = *end ? end + 1 : end;
		fputs(*text ? ", " : "", f);
	}
	fputs("],\n", f);
}

static void print_advice(FILE *f, const struct report *r)
{
	_cleanup_buf_ struct buf cause = { 0 }, remedies = { 0 }, line = { 0 };
	struct choice best = { 0 };

	if (report_best(r, &best) || r->given == VERDICT_OK) {
		(void)advice_mount_line(r, &best, &line);
	}
	(void)advice_cause(r, &cause, &remedies);
	fputs("  ", f);
	key_or_null(f, "mount", line.len ? buf_str(&line) : "");
	fputs(",\n  ", f);
	key_or_null(f, "cause", cause.len ? buf_str(&cause) : "");
	fputs(",\n", f);
	print_lines(f, "remedies",
		    remedies.len && buf_str(&remedies) ? buf_str(&remedies) : "");
}

void report_print_json(const struct report *r, FILE *f)
{
	struct printer p = { .f = f };

	fputs("{\n  \"schema\": 1,\n  ", f);
	key(f, "host", r->host);
	fputs(",\n  ", f);
	key_or_null(f, "server", r->server);
	fputs(",\n  ", f);
	key_or_null(f, "client", r->client);
	fputs(",\n  \"given\": {", f);
	key(f, "verdict", verdict_word(r->given));
	fputs(", ", f);
	key_or_null(f, "reason", r->given_reason);
	fputs("},\n  \"control\": [\n", f);
	for (size_t i = 0; i < DOORS; i++) {
		print_door(f, r, &r->doors[i]);
		fputs(i + 1 < DOORS ? ",\n" : "\n", f);
	}
	fputs("  ],\n  \"cells\": [\n", f);
	report_rows(r, print_row, &p);
	fputs("\n  ],\n", f);
	print_lines(f, "features", r->features);
	fputs("  \"session_reuse\": {\"demanded\": ", f);
	fputs(r->reuse == VERDICT_NONE ? "null" : yes_no(r->reuse == VERDICT_REUSE), f);
	fputs(", ", f);
	key_or_null(f, "reason", r->reuse_reason);
	fputs("},\n  ", f);
	key_or_null(f, "connection_limit", r->limit);
	fputs(",\n", f);
	print_ports(f, r);
	print_advice(f, r);
	fprintf(f,
		"  \"stopped\": %s,\n  \"out_of_time\": %s,\n  \"milliseconds\": "
		"%lld\n}\n",
		yes_no(r->stopped), yes_no(r->out_of_time), (long long)r->took);
}
