/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside fs/probe.c and fs/probe_ask.c: a probe under way. */
#ifndef FS_PROBE_PRIVATE_H
#define FS_PROBE_PRIVATE_H

#include "fs/probe.h"
#include "fs/probe_session.h"

struct probe {
	const struct options *opt;
	const struct probe_trusts *trusts;
	const struct log_hook *hook;
	struct server base;
	struct wait wait;
	int64_t start;
	bool terminal;
	size_t main; /* the door that was logged in at first */
	struct probe_session first; /* there */
	struct report report;

	struct mutex lock;
	unsigned workers GUARDED_BY(lock); /* fewer after a 421 */
	/* Of report: ports, limit, reuse. Everything else has one job that writes it. */
};

/* ---- probe_crew.c ---- */

enum { PROBE_WORKERS = 3 };

struct job {
	void (*run)(struct probe *p, size_t door);
	size_t door;
};

/* Returns when all have run. */
void probe_run_jobs(struct probe *p, const struct job *jobs, size_t n);

/* ---- probe.c ---- */

/* One line of progress, on a terminal. */
void probe_tell(struct probe *p, const char *what, const char *more);
/* Into the report, from any worker. */
void probe_note_port(struct probe *p, uint16_t port, int connected);
void probe_note_advertised(struct probe *p, const char *address);

/* ---- probe_ask.c: what one session can tell beside the matrix ---- */

void ask_features(struct probe *p, struct probe_session *s);
void ask_reuse(struct probe *p, struct probe_session *s, const struct lane *l);
/* Whether the server's active connections come from port 20 or 989. */
void ask_source(struct probe *p, struct probe_session *s, const struct lane *l,
		struct door *d);
void ask_ports(struct probe *p, struct probe_session *s, const struct lane *l);

#endif
