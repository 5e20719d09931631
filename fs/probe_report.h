/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside fs/probe*.c: what a probe found, as plain data, and what is made of it. All texts
 * that came from the server are printable and cut to size. */
#ifndef FS_PROBE_REPORT_H
#define FS_PROBE_REPORT_H

#include "fs/options.h"
#include "net/survey.h"

#include <stdio.h>

enum verdict {
	VERDICT_NONE, /* not tried: the time was up, or the probe stopped */
	VERDICT_OK,
	VERDICT_REFUSED, /* by the server, whose reply is the reason */
	VERDICT_BLOCKED, /* no answer to the SYN */
	VERDICT_REJECTED, /* RST */
	VERDICT_UNREACHABLE, /* ICMP, or no route */
	VERDICT_TLS, /* an alert, or no TLS */
	VERDICT_REUSE, /* session reuse is demanded and was not obtained */
	VERDICT_OUTSIDE, /* of pasv_ports */
	VERDICT_UNTRUSTED, /* the certificate */
	VERDICT_LOGIN, /* name or password */
	VERDICT_LIMIT, /* too many connections */
	VERDICT_ABSENT, /* cannot be: PASV over IPv6 */
	VERDICT_FAILED, /* anything else */
};

enum session { SESSION_NONE, SESSION_RESUMED, SESSION_FRESH };

/* How a data connection is asked for. */
enum way { WAY_EPSV, WAY_PASV, WAY_EPRT, WAY_PORT, WAYS };

enum { REASON_MAX = 400, STORY_MAX = 2048 };

struct cell {
	enum verdict verdict;
	bool copied; /* seen in another lane, where it could not differ */
	enum session session;
	int code; /* of the reply that refused it; 0: none */
	char reason[REASON_MAX];
	char used[ENDPOINT_TEXT]; /* where the data connection went or was to go */
	char advertised[ENDPOINT_TEXT]; /* by the server, in a 227 */
};

/* One kind of session, which serves four cells. */
struct lane {
	unsigned tls; /* 2, 3 */
	bool prot_clear, ccc;
	enum verdict verdict; /* VERDICT_OK: logged in, look at the cells */
	char reason[STORY_MAX];
	struct cell cells[WAYS];
};

/* In this order: TLS 1.3, 1.2 and 1.2 with CCC, first with PROT P, then with C. */
enum { LANES = 6, LANE_CCC = 2, LANE_CCC_CLEAR = 5, LANES_CLEAR = 3 };

/* A control port in one TLS mode. */
struct door {
	enum tls_mode tls;
	uint16_t port;
	enum verdict verdict; /* VERDICT_OK: TLS is offered; look at the lanes */
	char reason[STORY_MAX];
	struct survey survey;
	struct lane lanes[LANES];
	unsigned first; /* the lane that was tried in full */
	bool logged_in;
	unsigned source; /* where an active connection came from; 0: not known */
};

enum { DOORS = 2, PORTS_SEEN_MAX = 200, OFFERS = 20, FEATURES_MAX = 4096 };

struct seen_port {
	uint16_t port;
	int connected; /* 0, -errno, 1: not tried */
};

struct range_guess {
	uint16_t lo, hi;
	bool known; /* false: too few ports seen */
	bool unlimited; /* the server seems to have no range configured */
	bool in_sequence; /* one after the other: the end was not seen */
};

struct report {
	const struct options *opt;
	char host[256];
	char server[ENDPOINT_TEXT], client[ENDPOINT_TEXT]; /* of a session, "" none */
	bool stopped; /* the server refused the login: nothing more was tried */
	bool out_of_time;
	int64_t took; /* ms */

	struct door doors[DOORS];
	enum verdict given; /* the options as they stand */
	char given_reason[STORY_MAX];

	char features[FEATURES_MAX]; /* a line each */
	enum verdict reuse; /* of a data connection without resumption: OK, REUSE.. */
	char reuse_reason[REASON_MAX];
	char limit[REASON_MAX]; /* the server's words about too many connections */

	struct seen_port ports[PORTS_SEEN_MAX]; /* in the order they were offered */
	size_t n_ports;
	char advertised[ENDPOINT_TEXT]; /* address in a 227, and what was used */
	struct range_guess range;
};

/* ---- probe_judge.c: pure ---- */

const char *verdict_word(enum verdict v);
const char *way_word(enum way w);
static inline bool way_is_active(enum way w)
{
	return w == WAY_EPRT || w == WAY_PORT;
}
const char *tls_word(enum tls_mode tls);

/* A copy that fits and in which control characters are '?': the server writes these. */
void reason_set(char *to, size_t size, const char *text);

/* What one try of a data connection came to. */
struct attempt {
	int error; /* of transfer_open() or of what followed; 1: refused, see reply */
	int code; /* the refusing reply, or the last one */
	const char *text; /* its words */
	const char *words; /* ours, "" none */
	enum way way;
	bool commanded; /* MLSD or LIST had been sent */
	bool nobody; /* active: the server did not connect to us */
	bool tls, resumed;
	const char *used; /* "192.0.2.1:50000" */
	int64_t timeout; /* ms */
};
/* verdict, code and reason of ret. */
void probe_judge(const struct attempt *a, struct cell *ret);
/* The same for a session that could not be opened. */
enum verdict probe_judge_open(int error, const char *words, bool said_limit);
/* Of a sentence where nothing better is at hand. */
enum verdict probe_judge_words(const char *words);
/* Why a lane could not be opened, in short. */
void probe_lane_reason(char *to, size_t size, const char *words);
/* A cell that failed below TLS fails alike whatever TLS version and PROT are. */
bool cell_is_network(const struct cell *c);

/* n ports in the order seen -> the range the server seems to have. */
void range_suggest(const struct seen_port *ports, size_t n, struct range_guess *ret);

/* Some passive ports answer and some do not: what works, works now and then. */
bool report_partial(const struct report *r);

/* One line of the matrix; strings live as long as the report. */
struct row {
	const struct door *door;
	const struct lane *lane; /* NULL: the whole door */
	const struct cell *cell; /* NULL: the whole lane */
	const char *version; /* "1.3", "any" */
	const char *prot; /* "P", "C", "any" */
	const char *ccc; /* "no", "yes", "any" */
	const char *way; /* "EPSV", "any" */
	enum verdict verdict;
	const char *reason;
};
/* Calls fn for each line, in order. What cannot differ is one line. */
void report_rows(const struct report *r, void (*fn)(const struct row *row, void *arg),
		 void *arg);

/* ---- probe_advice.c: pure ---- */

/* The best combination that works, or NULL fields. */
struct choice {
	const struct door *door;
	const struct lane *lane;
	enum way way;
};
bool report_best(const struct report *r, struct choice *ret);
/* The mount line for it, with what the user gave; -ENOMEM. */
int advice_mount_line(const struct report *r, const struct choice *best, struct buf *ret);
/* Flow of a working mode, a line each, as firewall administrators write it; the modes of
 * door d: active or passive. "" where it does not work. */
int advice_flow(const struct report *r, const struct door *d, bool active,
		struct buf *ret);
/* nft and iptables rules for a working or wanted mode. */
struct rules {
	char nft[256], iptables[256];
};
void advice_rules(const struct report *r, const struct door *d, bool active,
		  struct rules *ret);
bool range_format(const struct range_guess *g, char *text, size_t size);
/* The ports of passive data connections: "50000-50100". false: not known. */
bool advice_ports(const struct report *r, char *text, size_t size);
/* When the options as given do not work: the cause in one sentence, and remedies, a line
 * each. */
int advice_cause(const struct report *r, struct buf *ret_cause, struct buf *ret_remedies);

/* ---- probe_text.c, probe_json.c ---- */

void report_print_text(const struct report *r, FILE *f);
void report_print_json(const struct report *r, FILE *f);
void json_string(FILE *f, const char *text); /* quoted; bad UTF-8 becomes U+FFFD */

#endif
