/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to tell the administrator: flows, firewall rules, the mount line, the cause of a
 * failure and its remedies. Pure. */
#include "fs/options_row.h"
#include "fs/probe_report.h"

#include <errno.h>
#include <string.h>

/* ---- what works best ---- */

static bool works(const struct lane *l, enum way w)
{
	return l->verdict == VERDICT_OK && l->cells[w].verdict == VERDICT_OK;
}

static bool is_given(const struct report *r, const struct door *d)
{
	return d->tls == r->opt->tls && d->port == r->opt->port;
}

/* Higher is better: the mode that was asked for, data protected, control too, passive, the
 * newer TLS, the command that needs fewer words. */
static int score(const struct report *r, const struct door *d, const struct lane *l,
		 enum way w)
{
	return (is_given(r, d) ? 64 : 0) + (l->prot_clear ? 0 : 32) + (l->ccc ? 0 : 16) +
	       (way_is_active(w) ? 0 : 8) + (l->tls == 3 ? 4 : 0) +
	       (w == WAY_EPSV || w == WAY_EPRT ? 1 : 0);
}

bool report_best(const struct report *r, struct choice *ret)
{
	int best = -1;

	for (size_t i = 0; i < DOORS; i++) {
		const struct door *d = &r->doors[i];

		for (size_t j = 0; d->verdict == VERDICT_OK && j < LANES; j++) {
			for (enum way w = 0; w < WAYS; w++) {
				const struct lane *l = &d->lanes[j];

				if (works(l, w) && score(r, d, l, w) > best) {
					best = score(r, d, l, w);
					*ret = (struct choice){ d, l, w };
				}
			}
		}
	}
	return best >= 0;
}

/* ---- the mount line ---- */

/* Options that the choice decides. */
static bool is_decided(const char *name)
{
	static const char *const names[] = { "tls",	"port", "prot",	   "ccc",
					     "tls_min", "mode", "tls_max", "epsv" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static int add_option(struct buf *b, const char *name, const char *value)
{
	int r = buf_printf(b, "%s%s%s", b->len ? "," : "", name, value ? "=" : "");

	for (; r == 0 && value && *value; value++) {
		r = buf_printf(b, "%s%c", *value == ',' || *value == '\\' ? "\\" : "",
			       *value);
	}
	return r;
}

/* What the user typed behind -o, secrets left out. */
static int add_given(const struct report *r, bool decided_too, struct buf *b)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);

	for (size_t i = 0; i < n; i++) {
		const struct option_row *row = &rows[i];
		char value[2048];
		int e;

		if (option_leader(row) != row || (row->flags & ROW_SECRET) ||
		    r->opt->set[i].rank != RANK_OPTION ||
		    (is_decided(row->name) && !decided_too)) {
			continue;
		}
		option_value_format(row, r->opt, value, sizeof(value));
		e = add_option(b, row->name, value);
		if (e < 0) {
			return e;
		}
	}
	return 0;
}

/* TLS 1.3 is there and does not do what 1.2 does. */
static bool needs_old_tls(const struct choice *c)
{
	return c->lane->tls == 2 && !c->lane->ccc && c->door->survey.versions[3].offered;
}

static int add_chosen(const struct report *r, const struct choice *c, struct buf *b)
{
	char port[8];
	uint16_t usual = c->door->tls == TLS_IMPLICIT ? 990 : 21;
	int e = 0;

	(void)r;
	if (c->door->tls == TLS_IMPLICIT) {
		e = add_option(b, "tls", "implicit");
	}
	if (e == 0 && c->door->port != usual) {
		snprintf(port, sizeof(port), "%u", c->door->port);
		e = add_option(b, "port", port);
	}
	if (e == 0 && needs_old_tls(c)) {
		e = add_option(b, "tls_max", "1.2");
	}
	if (e == 0 && c->lane->prot_clear) {
		e = add_option(b, "prot", "C");
	}
	if (e == 0 && c->lane->ccc) {
		e = add_option(b, "ccc", "require");
	}
	if (e == 0 && way_is_active(c->way)) {
		e = add_option(b, "mode", "active");
	}
	if (e == 0 && (c->way == WAY_PASV || c->way == WAY_PORT)) {
		e = add_option(b, "epsv", "no");
	}
	return e;
}

/* For a shell, in single quotes where it would read something into it. */
static int add_quoted(struct buf *to, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789@%+=:,./_-";
	int e;

	if (text[0] && strspn(text, plain) == strlen(text)) {
		return buf_printf(to, "%s", text);
	}
	e = buf_printf(to, "'");
	for (; e == 0 && *text; text++) {
		e = *text == '\'' ? buf_printf(to, "'\\''") : buf_append(to, text, 1);
	}
	return e < 0 ? e : buf_printf(to, "'");
}

int advice_mount_line(const struct report *r, const struct choice *best, struct buf *ret)
{
	_cleanup_buf_ struct buf options = { 0 }, source = { 0 };
	const struct options *o = r->opt;
	bool as_given = r->given == VERDICT_OK;
	const char *user = options_rank(o, "user") == RANK_SOURCE ? o->user : NULL;
	int e = add_given(r, as_given, &options);

	/* A port in "host:port" is not part of a mount's source. */
	if (e == 0 && as_given && options_rank(o, "port") == RANK_SOURCE) {
		char port[8];

		snprintf(port, sizeof(port), "%u", o->port);
		e = add_option(&options, "port", port);
	}
	if (e == 0 && as_given && options_rank(o, "tls") == RANK_SOURCE) {
		e = add_option(&options, "tls", tls_word(o->tls));
	}
	if (e == 0 && !as_given) {
		e = add_chosen(r, best, &options);
	}
	if (e == 0) {
		e = buf_printf(&source,
			       strchr(o->host, ':') ? "%s%s[%s]:%s" : "%s%s%s:%s",
			       user ? user : "", user ? "@" : "", o->host, o->dir);
	}
	if (e == 0) {
		e = buf_printf(ret, "ftpsfs ");
	}
	if (e == 0) {
		e = source.len && buf_str(&source) ? add_quoted(ret, buf_str(&source))
						   : -ENOMEM;
	}
	if (e == 0) {
		e = buf_printf(ret, " MOUNTPOINT");
	}
	if (e == 0 && options.len) {
		e = buf_printf(ret, " -o ");
	}
	if (e == 0 && options.len) {
		e = buf_str(&options) ? add_quoted(ret, buf_str(&options)) : -ENOMEM;
	}
	return e;
}

/* ---- flows and rules ---- */

/* With brackets away: "192.0.2.1". */
static void server_address(const struct report *r, const struct door *d,
			   char text[static ENDPOINT_TEXT])
{
	const char *from = d->survey.address;
	const char *end = strrchr(from, ':');

	if (r->server[0]) {
		snprintf(text, ENDPOINT_TEXT, "%s", r->server);
	} else {
		from += from[0] == '[';
		end = end && end > from && end[-1] == ']' ? end - 1 : end;
		snprintf(text, ENDPOINT_TEXT, "%.*s", end ? (int)(end - from) : 0, from);
	}
}

bool range_format(const struct range_guess *g, char *text, size_t size)
{
	if (g->known) {
		snprintf(text, size, "%u-%u", g->lo, g->hi);
	}
	return g->known;
}

/* The user's pasv_ports, unless the server keeps to none of it. */
bool advice_ports(const struct report *r, char *text, size_t size)
{
	struct port_range given;

	if (r->opt->pasv_ports && port_range_parse(r->opt->pasv_ports, &given) == 0) {
		bool any = r->n_ports == 0;

		for (size_t i = 0; i < r->n_ports; i++) {
			any = any || port_range_has(&given, r->ports[i].port);
		}
		if (any) {
			snprintf(text, size, "%s", r->opt->pasv_ports);
			return true;
		}
	}
	return range_format(&r->range, text, size);
}

static bool any_works(const struct door *d, bool active)
{
	for (size_t j = 0; d->verdict == VERDICT_OK && j < LANES; j++) {
		for (enum way w = 0; w < WAYS; w++) {
			if (way_is_active(w) == active && works(&d->lanes[j], w)) {
				return true;
			}
		}
	}
	return false;
}

static unsigned usual_port(const struct door *d)
{
	return d->tls == TLS_IMPLICIT ? 989 : 20;
}

static bool from_usual_port(const struct report *r, const struct door *d)
{
	return d->source == usual_port(d) || r->opt->active_source_port == SOURCE_DEFAULT;
}

/* Who connects in active mode, as far as it was seen. */
static void active_client(const struct report *r, const struct door *d,
			  char text[static 64])
{
	if (from_usual_port(r, d)) {
		snprintf(text, 64, "server:%u", usual_port(d));
	} else if (d->source) {
		snprintf(text, 64, "server (ports > 1023)");
	} else {
		snprintf(text, 64, "server (%u or > 1023)", usual_port(d));
	}
}

static int flow_line(struct buf *b, const char *from, const char *to, const char *what)
{
	return buf_printf(b, "%-22s => %-28s %s\n", from, to, what);
}

int advice_flow(const struct report *r, const struct door *d, bool active,
		struct buf *ret)
{
	char to[64], from[64], ports[32];
	const char *own = r->opt->active_ports ? r->opt->active_ports : "1024-65535";
	int e;

	if (!any_works(d, active)) {
		return 0;
	}
	snprintf(to, sizeof(to), "server:%u tcp", d->port);
	e = flow_line(ret, "client (ports > 1023)", to, "control, outbound");
	if (e < 0) {
		return e;
	}
	if (!active) {
		if (!advice_ports(r, ports, sizeof(ports))) {
			snprintf(ports, sizeof(ports), "passive ports");
		}
		snprintf(to, sizeof(to), "server:%s tcp", ports);
		snprintf(from, sizeof(from),
			 r->opt->data_source_ports ? "client:%.30s"
						   : "client (ports > 1023)",
			 r->opt->data_source_ports);
		return flow_line(ret, from, to, "data, outbound");
	}
	active_client(r, d, from);
	snprintf(to, sizeof(to), "client:%s tcp", own);
	return flow_line(ret, from, to, "data, inbound");
}

void advice_rules(const struct report *r, const struct door *d, bool active,
		  struct rules *ret)
{
	char address[ENDPOINT_TEXT], ports[32] = "1024-65535", colons[32];
	char control[8];
	struct port_range range;
	bool v6;

	server_address(r, d, address);
	v6 = strchr(address, ':') != NULL;
	if (active && r->opt->active_ports) {
		snprintf(ports, sizeof(ports), "%s", r->opt->active_ports);
	} else if (!active && !advice_ports(r, ports, sizeof(ports))) {
		ports[0] = '\0'; /* the control port alone: the rest is not known yet */
	}
	snprintf(colons, sizeof(colons), "%s", ports);
	if (strchr(colons, '-')) {
		*strchr(colons, '-') = ':';
	}
	if (active) {
		char source[8] = "";

		if (from_usual_port(r, d)) {
			snprintf(source, sizeof(source), "%u", usual_port(d));
		}
		snprintf(ret->nft, sizeof(ret->nft),
			 "nft insert rule inet filter input %s saddr %s %s%s%stcp dport "
			 "%s "
			 "accept",
			 v6 ? "ip6" : "ip", address, source[0] ? "tcp sport " : "",
			 source, source[0] ? " " : "", ports);
		snprintf(ret->iptables, sizeof(ret->iptables),
			 "%s -I INPUT -p tcp -s %s%s%s --dport %s -j ACCEPT",
			 v6 ? "ip6tables" : "iptables", address,
			 source[0] ? " --sport " : "", source, colons);
		return;
	}
	/* nft refuses intervals that overlap. */
	if (port_range_parse(ports, &range) == 0 && port_range_has(&range, d->port)) {
		snprintf(control, sizeof(control), "%s", "");
	} else {
		snprintf(control, sizeof(control), "%u", d->port);
	}
	snprintf(ret->nft, sizeof(ret->nft),
		 "nft insert rule inet filter output %s daddr %s tcp dport { %s%s%s } "
		 "accept",
		 v6 ? "ip6" : "ip", address, control, control[0] && ports[0] ? ", " : "",
		 ports);
	snprintf(ret->iptables, sizeof(ret->iptables),
		 "%s -I OUTPUT -p tcp -d %s -m multiport --dports %s%s%s -j ACCEPT",
		 v6 ? "ip6tables" : "iptables", address, control,
		 control[0] && ports[0] ? "," : "", colons);
}

/* ---- causes ---- */

static const struct door *given_door(const struct report *r)
{
	return &r->doors[r->opt->tls == TLS_IMPLICIT];
}

static int closed_remedies(const struct report *r, const struct door *d, struct buf *b)
{
	struct rules rules;

	switch (d->verdict) {
	case VERDICT_BLOCKED:
	case VERDICT_UNREACHABLE:
		advice_rules(r, d, false, &rules);
		return buf_printf(b,
				  "let TCP port %u of the server through, outbound, and "
				  "probe again for the data ports: %s\n"
				  "check that the server's machine is up and the address "
				  "%s is right\n",
				  d->port, rules.nft, d->survey.address);
	case VERDICT_REJECTED:
		return buf_printf(b,
				  "check that the server runs and on which port: port=N "
				  "(21 is usual for explicit TLS, 990 for implicit)\n");
	case VERDICT_LOGIN:
		return buf_printf(b, "check user name and password: nothing else was "
				     "tried, not to lock the account\n");
	case VERDICT_LIMIT:
		return buf_printf(b, "close other connections to the server, or wait\n");
	case VERDICT_TLS:
		return buf_printf(b, d->survey.clear && d->tls == TLS_IMPLICIT
					     ? "use tls=explicit on this port\n"
					     : "ask the server's administrator which TLS "
					       "versions it offers: tls_min, tls_max\n");
	case VERDICT_FAILED:
		return d->survey.step == SURVEY_GREETING
			       ? buf_printf(b, "if the port speaks implicit TLS: "
					       "tls=implicit\n")
			       : 0;
	default:
		return 0;
	}
}

/* The first cell of the kind in a lane that was tried in full. */
static const struct cell *cell_of(const struct door *d, bool active)
{
	const struct lane *l = &d->lanes[d->first];

	return &l->cells[active ? WAY_EPRT : WAY_EPSV];
}

static int data_remedies(const struct report *r, const struct door *d, struct buf *b)
{
	const struct cell *passive = cell_of(d, false), *active = cell_of(d, true);
	struct rules rules;
	char ports[32];
	int e = 0;

	if (cell_is_network(passive) && passive->verdict != VERDICT_ABSENT) {
		bool known = advice_ports(r, ports, sizeof(ports));

		advice_rules(r, d, false, &rules);
		e = buf_printf(b,
			       "open the server's passive ports%s%s, outbound (ask its "
			       "administrator for the exact range): %s\n",
			       known ? " " : "", known ? ports : "", rules.nft);
		if (e == 0 && d->lanes[LANE_CCC].verdict == VERDICT_OK) {
			e = buf_printf(b, "or let the firewall read the control channel: "
					  "ccc=require, which this server allows, and "
					  "its FTP helper\n");
		}
	}
	if (e == 0 && cell_is_network(active) && active->verdict != VERDICT_ABSENT) {
		advice_rules(r, d, true, &rules);
		e = buf_printf(b,
			       "or active mode: mode=active,active_ports=LO-HI and let "
			       "these ports in: %s\n",
			       rules.nft);
	}
	if (e == 0 && passive->verdict == VERDICT_OUTSIDE &&
	    advice_ports(r, ports, sizeof(ports))) {
		e = buf_printf(b, "then mount with pasv_ports=%s\n", ports);
	}
	if (e == 0 && passive->verdict == VERDICT_REUSE) {
		e = buf_printf(b, "session_reuse=yes (the default)\n");
	}
	return e;
}

static int partial_remedies(const struct report *r, const struct door *d, struct buf *b)
{
	struct rules rules;
	char ports[32];

	advice_rules(r, d, false, &rules);
	if (!advice_ports(r, ports, sizeof(ports))) {
		return 0;
	}
	return buf_printf(
		b,
		"open all of the server's passive ports %s (ask its administrator "
		"for the exact range): %s\n"
		"or have the server's passive range set to the ports that are "
		"open\n",
		ports, rules.nft);
}

static int no_data_cause(const struct door *d, struct buf *b)
{
	const struct cell *passive = cell_of(d, false), *active = cell_of(d, true);

	if (strcmp(passive->reason, active->reason) == 0) {
		return buf_printf(b,
				  "the control connection to port %u works, but no data "
				  "connection: %s",
				  d->port, passive->reason);
	}
	return buf_printf(b,
			  "the control connection to port %u works, but no data "
			  "connection: passive %s (%s), active %s (%s)",
			  d->port, verdict_word(passive->verdict), passive->reason,
			  verdict_word(active->verdict), active->reason);
}

int advice_cause(const struct report *r, struct buf *ret_cause, struct buf *ret_remedies)
{
	const struct door *d = given_door(r);
	struct choice best;
	int e;

	if (r->given == VERDICT_OK) {
		return 0;
	}
	if (report_partial(r)) {
		e = buf_printf(ret_cause, "%s", r->given_reason);
		return e < 0 ? e : partial_remedies(r, d, ret_remedies);
	}
	if (report_best(r, &best)) {
		e = buf_printf(ret_cause, "%s", r->given_reason);
		if (e == 0) {
			e = buf_printf(ret_remedies, "mount with: ");
		}
		if (e == 0) {
			e = advice_mount_line(r, &best, ret_remedies);
		}
		if (e == 0) {
			e = buf_printf(ret_remedies, "\n");
		}
		if (e == 0) {
			e = d->verdict == VERDICT_OK
				    ? data_remedies(r, d, ret_remedies)
				    : closed_remedies(r, d, ret_remedies);
		}
		return e;
	}
	if (d->verdict != VERDICT_OK && r->doors[0].verdict != r->doors[1].verdict) {
		/* The other door may at least have let us in. */
		d = r->doors[0].verdict == VERDICT_OK	? &r->doors[0]
		    : r->doors[1].verdict == VERDICT_OK ? &r->doors[1]
							: d;
	}
	if (d->verdict != VERDICT_OK) {
		e = buf_printf(ret_cause, "%s", d->reason);
		return e < 0 ? e : closed_remedies(r, d, ret_remedies);
	}
	e = no_data_cause(d, ret_cause);
	return e < 0 ? e : data_remedies(r, d, ret_remedies);
}
