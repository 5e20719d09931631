/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The times of LIST: it shows minutes, or days, of an unnamed zone. MDTM tells seconds in
 * UTC, pipelined; what the two differ by is the zone, and corrects what MDTM does not tell:
 * directories, and files beyond REFINE_MAX. */
#include "net/path.h"
#include "net/remote_private.h"

#include <errno.h>
#include <string.h>

enum {
	REFINE_MAX = 4096, /* files of one listing whose exact time is asked for */
	REFINE_MAX_SINGLY = 64, /* where each costs a round trip */
	REFINE_FLIGHT = 256,
	DAY = 86400,
};

bool remote_zone(struct remote *r, int *ret)
{
	struct host *h = pool_host(r->pool);

	if (server_zone(r->server, ret) == 0) {
		return true;
	}
	*ret = h->zone_known ? h->zone : 0;
	return h->zone_known;
}

/* Midnight may be a day without a clock. */
static bool has_clock(const struct entry *e)
{
	return e->mtime % DAY != 0;
}

/* Zones are multiples of quarters of an hour, from -12 to +14 hours. */
static bool zone_of(const struct entry *e, int64_t exact, int *ret)
{
	int64_t diff = e->mtime - (exact - exact % 60);

	if (!has_clock(e) || diff % 900 || diff < -12 * 3600 || diff > 14 * 3600) {
		return false;
	}
	*ret = (int)diff;
	return true;
}

/* Whether MDTM can be right when the user has named the zone: an hour aside is summer
 * time. */
static bool agrees(const struct entry *e, int zone, int64_t exact)
{
	int64_t diff = exact - (e->mtime - zone);

	if (!has_clock(e)) {
		return diff >= -DAY && diff < 2 * DAY;
	}
	diff = diff - (diff >= 3600 ? 3600 : diff <= -3600 + 60 ? -3600 : 0);
	return diff >= 0 && diff < 60;
}

struct refine {
	struct remote *r;
	struct control *c;
	bool named; /* zone is the user's */
	int zone;
	bool calibrated; /* by this listing */
};

static void take_time(struct refine *f, struct entry *e, int64_t exact)
{
	struct host *h = control_host(f->c);

	if (f->named && !agrees(e, f->zone, exact)) {
		return; /* this server's MDTM speaks local time, too */
	}
	if (!f->named && !f->calibrated && (e->flags & ENTRY_HAS_MTIME) &&
	    zone_of(e, exact, &f->zone)) {
		f->calibrated = true;
		h->zone = f->zone;
		h->zone_known = true;
	}
	e->mtime = exact;
	e->flags = (uint8_t)((e->flags | ENTRY_HAS_MTIME) &
			     ~(ENTRY_MTIME_COARSE | ENTRY_MONTH_STRANGE));
}

static int refine_flight(struct refine *f, const struct wait *w, const char *path,
			 struct entry **v, size_t n)
{
	struct command cmds[REFINE_FLIGHT];
	struct reply replies[REFINE_FLIGHT] = { 0 };
	char *paths[REFINE_FLIGHT] = { NULL };
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		paths[i] = path_join(path, v[i]->name);
		r = paths[i] ? r : -ENOMEM;
		cmds[i] = (struct command){ "MDTM", paths[i] };
	}
	r = r < 0 ? r : control_batch(f->c, w, cmds, n, replies);
	for (size_t i = 0; i < n; i++) {
		int64_t exact;

		if (r == 0 && replies[i].code == 213 &&
		    listing_parse_time(reply_words(&replies[i]), &exact) == 0) {
			take_time(f, v[i], exact);
		} else if (r == 0 && reply_errno(&replies[i]) == EOPNOTSUPP) {
			control_host(f->c)->mdtm = false;
		}
		reply_release(&replies[i]);
		free(paths[i]);
	}
	return r;
}

/* The latest first: they have a clock, which tells the zone, and are asked for most. */
static int by_time(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return ((*x)->mtime < (*y)->mtime) - ((*x)->mtime > (*y)->mtime);
}

static int refine_files(struct refine *f, const struct wait *w, const char *path,
			struct listing *l)
{
	struct host *h = control_host(f->c);
	size_t max = control_pipelines(f->c) ? REFINE_MAX : REFINE_MAX_SINGLY, n = 0;
	_cleanup_free_ struct entry **v = calloc(l->n + 1, sizeof(struct entry *));
	int r = v ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		struct entry *e = &l->entries[i];

		if (e->kind == ENTRY_FILE &&
		    (e->flags & (ENTRY_MTIME_COARSE | ENTRY_MONTH_STRANGE))) {
			v[n++] = e;
		}
	}
	if (n) {
		qsort(v, n, sizeof(struct entry *), by_time);
	}
	n = MIN(n, max);
	for (size_t at = 0; at < n && r == 0 && h->mdtm; at += REFINE_FLIGHT) {
		r = refine_flight(f, w, path, v + at, MIN(n - at, (size_t)REFINE_FLIGHT));
	}
	return r;
}

int remote_refine_times(struct remote *r, struct control *c, const struct wait *w,
			const char *path, struct listing *l)
{
	struct refine f = { .r = r, .c = c };
	int e;

	f.named = server_zone(r->server, &f.zone) == 0;
	if (!f.named) {
		(void)remote_zone(r, &f.zone);
	}
	e = refine_files(&f, w, path, l);
	for (size_t i = 0; i < l->n; i++) {
		if (l->entries[i].flags & ENTRY_MTIME_COARSE) {
			l->entries[i].mtime -= f.zone;
		}
	}
	return e;
}
