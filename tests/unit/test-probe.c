/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pure parts of --probe: verdicts, the range behind a few ports, the lines of the
 * matrix, flows, rules, the mount line, JSON strings, and its command line. */
#include "fs/probe_report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command-line.h"

static struct line used;

/* ---- verdicts ---- */

static void test_judge(void **state)
{
	static const struct {
		struct attempt a;
		enum verdict verdict;
		const char *reason; /* a part of it */
	} cases[] = {
		{ { .words = "", .tls = true, .resumed = true, .code = 226 },
		  VERDICT_OK,
		  "session resumed" },
		{ { .words = "", .tls = true, .code = 226 }, VERDICT_OK, "not resumed" },
		{ { .words = "", .code = 226 }, VERDICT_OK, "in clear" },
		{ { .error = -ETIMEDOUT, .words = "x", .timeout = 5000 },
		  VERDICT_BLOCKED,
		  "SYN to 192.0.2.1:50000 timed out (5 s)" },
		{ { .error = -ECONNREFUSED, .words = "x" },
		  VERDICT_REJECTED,
		  "192.0.2.1:50000 answered with RST" },
		{ { .error = -EHOSTUNREACH, .words = "x" },
		  VERDICT_UNREACHABLE,
		  "No route to host" },
		{ { .error = -EHOSTUNREACH,
		    .words = "it offered data port 9, outside pasv_ports=1-2" },
		  VERDICT_OUTSIDE,
		  "port 9" },
		{ { .error = -ETIMEDOUT,
		    .words = "x",
		    .way = WAY_EPRT,
		    .commanded = true,
		    .timeout = 5000 },
		  VERDICT_BLOCKED,
		  "did not connect to 192.0.2.1:50000 within 5 s" },
		{ { .error = 1,
		    .code = 425,
		    .text = "Cannot open data connection",
		    .words = "",
		    .way = WAY_PORT,
		    .commanded = true,
		    .nobody = true,
		    .tls = true },
		  VERDICT_BLOCKED,
		  "425 Cannot open" },
		{ { .error = 1,
		    .code = 425,
		    .text = "Connection refused",
		    .words = "",
		    .way = WAY_PORT,
		    .commanded = true,
		    .nobody = true,
		    .tls = true },
		  VERDICT_REJECTED,
		  "(RST)" },
		/* It came, and then the server did not like the session. */
		{ { .error = 1,
		    .code = 425,
		    .text = "Unable to build data connection",
		    .words = "",
		    .way = WAY_PORT,
		    .commanded = true,
		    .tls = true },
		  VERDICT_REUSE,
		  "session reuse" },
		{ { .error = 0,
		    .code = 522,
		    .text = "session reuse required",
		    .words = "" },
		  VERDICT_REUSE,
		  "522" },
		{ { .error = 1, .code = 500, .text = "Unknown command", .words = "" },
		  VERDICT_REFUSED,
		  "500 Unknown command" },
		{ { .error = -EPROTO,
		    .words = "data connection: TLS alert \"x\"",
		    .commanded = true },
		  VERDICT_TLS,
		  "alert" },
		{ { .error = -EKEYREJECTED, .words = "another certificate" },
		  VERDICT_UNTRUSTED,
		  "another" },
		{ { .error = -EINTR, .words = "" }, VERDICT_NONE, "time" },
		{ { .error = -ECONNABORTED, .words = "", .commanded = true },
		  VERDICT_FAILED,
		  "abort" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct attempt a = cases[i].a;
		struct cell cell = { 0 };

		a.used = "192.0.2.1:50000";
		probe_judge(&a, &cell);
		print_message("%zu: %s: %s\n", i, verdict_word(cell.verdict),
			      cell.reason);
		assert_int_equal(cell.verdict, cases[i].verdict);
		assert_non_null(strcasestr(cell.reason, cases[i].reason));
	}
}

static void test_lane_reason(void **state)
{
	char text[REASON_MAX];

	(void)state;
	probe_lane_reason(text, sizeof(text),
			  "h refuses clear data (PROT C: 534 No (never)): use prot=P");
	assert_string_equal(text, "PROT C: the server says: 534 No (never)");
	probe_lane_reason(text, sizeof(text), "something (else): happened");
	assert_string_equal(text, "something (else): happened");
	probe_lane_reason(text, sizeof(text), "half (CCC: 534");
	assert_string_equal(text, "half (CCC: 534");
}

/* A server's text cannot move the cursor. */
static void test_reason_is_printable(void **state)
{
	char text[16];

	(void)state;
	reason_set(text, sizeof(text), "a\033[2J\r\n\x7f\xc2\x9bz");
	assert_string_equal(text, "a?[2J???\xc2?z");
	reason_set(text, sizeof(text), "0123456789abcdefgh");
	assert_string_equal(text, "0123456789abcde");
}

/* ---- the range ---- */

static struct range_guess guess_of(const uint16_t *ports, size_t n)
{
	struct seen_port seen[64];
	struct range_guess g;

	assert_true(n <= ARRAY_LEN(seen));
	for (size_t i = 0; i < n; i++) {
		seen[i] = (struct seen_port){ .port = ports[i], .connected = 1 };
	}
	range_suggest(seen, n, &g);
	return g;
}

static void test_range(void **state)
{
	static const uint16_t hundred[] = { 50041, 50003, 50097, 50055, 50012, 50080,
					    50033, 50067, 50021, 50090, 50048, 50007 };
	static const uint16_t few[] = { 40001, 40000, 40001, 40002,
					40000, 40002, 40001, 40000 };
	static const uint16_t wide[] = { 33001, 60100, 41234, 52345, 48765, 37777 };
	static const uint16_t high[] = { 49301, 65100, 51234, 62345, 58765, 57777 };
	static const uint16_t steps[] = { 1500, 1501, 1502, 1503, 1505, 1506, 1507 };
	struct range_guess g = guess_of(hundred, ARRAY_LEN(hundred));

	(void)state;
	assert_true(g.known && !g.unlimited && !g.in_sequence);
	assert_int_equal(g.lo, 50000);
	assert_int_equal(g.hi, 50100);
	g = guess_of(few, ARRAY_LEN(few));
	assert_int_equal(g.lo, 40000);
	assert_int_equal(g.hi, 40002);
	g = guess_of(wide, ARRAY_LEN(wide));
	assert_true(g.unlimited);
	assert_int_equal(g.lo, 32768);
	assert_int_equal(g.hi, 60999);
	g = guess_of(high, ARRAY_LEN(high));
	assert_true(g.unlimited);
	assert_int_equal(g.lo, 49152);
	assert_int_equal(g.hi, 65535);
	assert_true(guess_of(steps, ARRAY_LEN(steps)).in_sequence);
	assert_false(guess_of(hundred, 3).known);
	assert_false(guess_of(hundred, 0).known);
}

/* What is guessed holds the real range nearly always, and is not much wider. */
static void test_range_holds(void **state)
{
	static const struct {
		uint16_t lo, hi;
	} ranges[] = {
		{ 50000, 50100 }, { 50000, 50999 }, { 12401, 12599 },
		{ 2121, 2321 },	  { 60000, 65535 }, { 30037, 30117 },
	};
	unsigned long seed = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		unsigned span = ranges[i].hi - ranges[i].lo + 1u, held = 0;

		for (unsigned try = 0; try < 200; try++) {
			uint16_t ports[22];
			struct range_guess g;

			for (size_t k = 0; k < ARRAY_LEN(ports); k++) {
				seed = seed * 1103515245u + 12345u;
				ports[k] = (uint16_t)(ranges[i].lo +
						      (seed >> 8) % 1000003u % span);
			}
			g = guess_of(ports, ARRAY_LEN(ports));
			held += g.lo <= ranges[i].lo && g.hi >= ranges[i].hi;
			assert_true(g.lo <= g.hi);
			assert_true((unsigned)(g.hi - g.lo) <= 2 * span + 20);
		}
		print_message("%u-%u: %u of 200\n", ranges[i].lo, ranges[i].hi, held);
		assert_true(held >= 160);
	}
}

/* ---- the report ---- */

static struct report *a_report(const struct options *o)
{
	static const struct lane kinds[LANES] = {
		{ .tls = 3 },
		{ .tls = 2 },
		{ .tls = 2, .ccc = true },
		{ .tls = 3, .prot_clear = true },
		{ .tls = 2, .prot_clear = true },
		{ .tls = 2, .prot_clear = true, .ccc = true },
	};
	struct report *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->opt = o;
	strcpy(r->server, "192.0.2.1");
	strcpy(r->client, "10.0.0.2");
	for (size_t i = 0; i < DOORS; i++) {
		struct door *d = &r->doors[i];

		*d = (struct door){ .tls = i ? TLS_IMPLICIT : TLS_EXPLICIT,
				    .port = i ? 990 : 21,
				    .verdict = VERDICT_REJECTED };
		strcpy(d->reason, "RST");
		strcpy(d->survey.address, i ? "192.0.2.1:990" : "192.0.2.1:21");
		memcpy(d->lanes, kinds, sizeof(kinds));
		for (size_t j = 0; j < LANES; j++) {
			d->lanes[j].verdict = VERDICT_REFUSED;
			strcpy(d->lanes[j].reason, "no");
		}
	}
	return r;
}

static void cell_is(struct lane *l, enum way w, enum verdict v, const char *reason)
{
	l->verdict = VERDICT_OK;
	l->cells[w].verdict = v;
	snprintf(l->cells[w].reason, REASON_MAX, "%s", reason);
}

static void collect(const struct row *row, void *arg)
{
	struct buf *b = arg;

	assert_int_equal(buf_printf(b, "%s %s %s %s %s %s %s\n", tls_word(row->door->tls),
				    row->version, row->prot, row->ccc, row->way,
				    verdict_word(row->verdict), row->reason),
			 0);
}

static void test_rows(void **state)
{
	struct options o = { .tls = TLS_EXPLICIT, .port = 21 };
	struct report *r = a_report(&o);
	_cleanup_buf_ struct buf text = { 0 };
	struct door *d = &r->doors[0];

	(void)state;
	d->verdict = VERDICT_OK;
	for (enum way w = 0; w < WAYS; w++) {
		cell_is(&d->lanes[0], w, w == WAY_EPSV ? VERDICT_OK : VERDICT_BLOCKED,
			"x");
		/* All alike and failed: one line. */
		cell_is(&d->lanes[1], w, VERDICT_REFUSED, "y");
		/* All alike and fine: four. */
		cell_is(&d->lanes[3], w, VERDICT_OK, "z");
	}
	report_rows(r, collect, &text);
	assert_string_equal(buf_str(&text), "explicit 1.3 P no EPSV ok x\n"
					    "explicit 1.3 P no PASV blocked x\n"
					    "explicit 1.3 P no EPRT blocked x\n"
					    "explicit 1.3 P no PORT blocked x\n"
					    "explicit 1.2 P no any refused y\n"
					    "explicit 1.2 P yes any refused no\n"
					    "explicit 1.3 C no EPSV ok z\n"
					    "explicit 1.3 C no PASV ok z\n"
					    "explicit 1.3 C no EPRT ok z\n"
					    "explicit 1.3 C no PORT ok z\n"
					    "explicit 1.2 C no any refused no\n"
					    "explicit 1.2 C yes any refused no\n"
					    "implicit any any any any rejected RST\n");
	free(r);
}

static void test_flows_and_rules(void **state)
{
	struct options o = { .tls = TLS_EXPLICIT, .port = 21 };
	struct report *r = a_report(&o);
	_cleanup_buf_ struct buf passive = { 0 }, active = { 0 }, none = { 0 };
	struct rules rules;

	(void)state;
	r->range = (struct range_guess){ .known = true, .lo = 50000, .hi = 50100 };
	for (size_t i = 0; i < DOORS; i++) {
		r->doors[i].verdict = VERDICT_OK;
	}
	cell_is(&r->doors[0].lanes[0], WAY_PASV, VERDICT_OK, "");
	cell_is(&r->doors[1].lanes[1], WAY_EPRT, VERDICT_OK, "");
	assert_int_equal(advice_flow(r, &r->doors[0], false, &passive), 0);
	assert_string_equal(buf_str(&passive),
			    "client (ports > 1023)  => server:21 tcp                "
			    "control, outbound\n"
			    "client (ports > 1023)  => server:50000-50100 tcp       "
			    "data, outbound\n");
	assert_int_equal(advice_flow(r, &r->doors[0], true, &none), 0);
	assert_int_equal(advice_flow(r, &r->doors[1], false, &none), 0);
	assert_int_equal(none.len, 0);
	o.active_ports = (char[]){ "6000-6010" };
	o.active_source_port = SOURCE_DEFAULT;
	assert_int_equal(advice_flow(r, &r->doors[1], true, &active), 0);
	assert_string_equal(
		buf_str(&active),
		"client (ports > 1023)  => server:990 tcp               control, "
		"outbound\n"
		"server:989             => client:6000-6010 tcp         data, inbound\n");
	advice_rules(r, &r->doors[0], false, &rules);
	assert_string_equal(
		rules.nft,
		"nft insert rule inet filter output ip daddr 192.0.2.1 tcp dport "
		"{ 21, 50000-50100 } accept");
	assert_string_equal(
		rules.iptables,
		"iptables -I OUTPUT -p tcp -d 192.0.2.1 -m multiport --dports "
		"21,50000:50100 -j ACCEPT");
	advice_rules(r, &r->doors[1], true, &rules);
	assert_string_equal(
		rules.nft,
		"nft insert rule inet filter input ip saddr 192.0.2.1 tcp sport 989 tcp "
		"dport 6000-6010 accept");
	r->range.known = false;
	advice_rules(r, &r->doors[0], false, &rules);
	assert_string_equal(
		rules.nft,
		"nft insert rule inet filter output ip daddr 192.0.2.1 tcp dport "
		"{ 21 } accept");
	r->range.known = true;
	/* nft takes no intervals that overlap. */
	r->doors[0].port = 50050;
	strcpy(r->server, "2001:db8::1");
	advice_rules(r, &r->doors[0], false, &rules);
	assert_string_equal(
		rules.nft, "nft insert rule inet filter output ip6 daddr 2001:db8::1 tcp "
			   "dport { 50000-50100 } accept");
	free(r);
}

static void test_partial(void **state)
{
	struct options o = { .tls = TLS_EXPLICIT, .port = 21 };
	struct report *r = a_report(&o);
	_cleanup_buf_ struct buf cause = { 0 }, remedies = { 0 };

	(void)state;
	r->n_ports = 3;
	r->ports[0] = (struct seen_port){ 50001, 0 };
	r->ports[1] = (struct seen_port){ 50002, -ETIMEDOUT };
	r->ports[2] = (struct seen_port){ 50003, 1 };
	assert_false(report_partial(r));
	r->ports[2].connected = -ETIMEDOUT;
	assert_true(report_partial(r));
	r->range = (struct range_guess){ .known = true, .lo = 50000, .hi = 50100 };
	r->given = VERDICT_BLOCKED;
	assert_int_equal(advice_cause(r, &cause, &remedies), 0);
	assert_non_null(strstr(buf_str(&remedies), "passive ports 50000-50100"));
	assert_null(strstr(buf_str(&remedies), "mount with"));
	r->ports[0].connected = -ETIMEDOUT;
	assert_false(report_partial(r));
	free(r);
}

/* ---- the mount line ---- */

static void line_is(struct report *r, const char *expected)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct choice best = { 0 };

	assert_true(report_best(r, &best));
	assert_int_equal(advice_mount_line(r, &best, &b), 0);
	assert_string_equal(buf_str(&b), expected);
}

static void test_mount_line(void **state)
{
	struct words w;
	struct options o;
	struct report *r;

	(void)state;
	assert_int_equal(
		parse(&o, &w, "--probe", "al@host:2121", "-o",
		      "password=geheim,pin=sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		      "AAAAAAAAAAA=",
		      NULL),
		0);
	r = a_report(&o);
	r->doors[0].port = 2121;
	r->doors[0].verdict = r->doors[1].verdict = VERDICT_OK;
	r->given = VERDICT_OK;
	cell_is(&r->doors[0].lanes[0], WAY_EPSV, VERDICT_OK, "");
	line_is(r, "ftpsfs al@host: MOUNTPOINT -o "
		   "pin=sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,port=2121");
	r->given = VERDICT_BLOCKED;
	cell_is(&r->doors[0].lanes[0], WAY_EPSV, VERDICT_BLOCKED, "");
	cell_is(&r->doors[0].lanes[0], WAY_PORT, VERDICT_OK, "");
	line_is(r, "ftpsfs al@host: MOUNTPOINT -o "
		   "pin=sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,port=2121,"
		   "mode=active,epsv=no");
	/* Only the other port, only in clear, only with the old TLS. */
	r->doors[0].verdict = VERDICT_REJECTED;
	r->doors[1].survey.versions[3].offered = true;
	cell_is(&r->doors[1].lanes[4], WAY_EPSV, VERDICT_OK, "");
	line_is(r, "ftpsfs al@host: MOUNTPOINT -o "
		   "pin=sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,tls=implicit,"
		   "tls_max=1.2,prot=C");
	free(r);
	options_finish(&o);
}

static void test_mount_line_is_safe(void **state)
{
	struct words w;
	struct options o;
	struct report *r;

	(void)state;
	assert_int_equal(
		parse(&o, &w, "--probe", "host:/a b", "-o", "account=x'\\,y;$z", NULL),
		0);
	r = a_report(&o);
	r->doors[0].verdict = VERDICT_OK;
	cell_is(&r->doors[0].lanes[2], WAY_PASV, VERDICT_OK, "");
	line_is(r, "ftpsfs 'host:/a b' MOUNTPOINT -o "
		   "'account=x'\\''\\,y;$z,ccc=require,epsv=no'");
	free(r);
	options_finish(&o);
}

/* ---- JSON ---- */

static void json_is(const char *text, const char *expected)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);

	assert_non_null(f);
	json_string(f, text);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(out, expected);
	free(out);
}

static void test_json_string(void **state)
{
	(void)state;
	json_is("", "\"\"");
	json_is("a\"b\\c/", "\"a\\\"b\\\\c/\"");
	json_is("\n\x01\x7f", "\"\\u000a\\u0001\\u007f\"");
	json_is("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	/* cut, overlong, surrogate, beyond the end, a lone continuation */
	json_is("x\xc3", "\"x\\ufffd\"");
	json_is("\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\"");
	json_is("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
	json_is("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	json_is("\x80z\xff", "\"\\ufffdz\\ufffd\"");
}

/* ---- the command line ---- */

static void test_sources(void **state)
{
	static const struct {
		const char *source, *host;
		unsigned port;
		enum tls_mode tls;
	} cases[] = {
		{ "host", "host", 21, TLS_EXPLICIT },
		{ "host:", "host", 21, TLS_EXPLICIT },
		{ "host:990", "host", 990, TLS_IMPLICIT },
		{ "al@host:2121", "host", 2121, TLS_EXPLICIT },
		{ "host:/dir", "host", 21, TLS_EXPLICIT },
		{ "host:dir", "host", 21, TLS_EXPLICIT },
		{ "[::1]", "::1", 21, TLS_EXPLICIT },
		{ "[::1]:2121", "::1", 2121, TLS_EXPLICIT },
		{ "ftps://host:2121/x", "host", 2121, TLS_IMPLICIT },
	};
	struct words w;
	struct options o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].source);
		assert_int_equal(parse(&o, &w, "--probe", cases[i].source, NULL), 0);
		assert_true(o.probe && !o.json);
		assert_string_equal(o.host, cases[i].host);
		assert_int_equal(o.port, cases[i].port);
		assert_int_equal(o.tls, cases[i].tls);
		options_finish(&o);
	}
	assert_int_equal(parse(&o, &w, "--probe", "host:70000", NULL), -EINVAL);
	assert_int_equal(parse(&o, &w, "--probe", NULL), -EINVAL);
	assert_non_null(strstr(w.text, "no server given"));
	assert_int_equal(parse(&o, &w, "--probe", "host", "/mnt", NULL), -EINVAL);
	assert_non_null(strstr(w.text, "mounts nothing"));
	assert_int_equal(parse(&o, &w, "--json", "host:", "/mnt", NULL), -EINVAL);
	assert_non_null(strstr(w.text, "--probe"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_lane_reason),
		cmocka_unit_test(test_reason_is_printable),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_range_holds),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_flows_and_rules),
		cmocka_unit_test(test_partial),
		cmocka_unit_test(test_mount_line),
		cmocka_unit_test(test_mount_line_is_safe),
		cmocka_unit_test(test_json_string),
		cmocka_unit_test(test_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
