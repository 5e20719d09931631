/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directory listings: MLSD/MLST facts (RFC 3659 section 7) and LIST lines ->
 * struct entry. Pure; fuzzed by tests/fuzz/fuzz-listing.c. */
#ifndef NET_LISTING_H
#define NET_LISTING_H

#include "base/defs.h"
#include "net/charset.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum entry_kind {
	ENTRY_UNKNOWN, /* facts without a type */
	ENTRY_FILE,
	ENTRY_DIR,
	ENTRY_SYMLINK,
	ENTRY_OTHER, /* device, fifo, socket: shown, not opened */
};

enum {
	ENTRY_HAS_SIZE = 1,
	ENTRY_HAS_MTIME = 2,
	ENTRY_HAS_MODE = 4, /* from UNIX.mode or an ls mode column */
	ENTRY_HAS_PERM = 8, /* perm fact: what this login may do */
	ENTRY_MTIME_COARSE =
		16, /* LIST: minutes or days, zone unknown; never for facts */
	ENTRY_HAS_NLINK = 32,
	ENTRY_MONTH_STRANGE = 64, /* LIST: a month in no language we read; no time */
};

/* What LIST lines can be. */
enum dialect { DIALECT_NONE, DIALECT_UNIX, DIALECT_DOS, DIALECT_EPLF, DIALECT_MAX };

/* perm fact letters (RFC 3659 7.5.5) as bits, PERM_BIT('w'). */
#define PERM_BIT(c) (1u << ((c) - 'a'))

/* One name of a directory. Strings belong to the listing (or to the buffer given
 * to listing_parse_facts). Fields without their ENTRY_HAS_ flag are 0. */
struct entry {
	const char *name; /* raw bytes of the server, NUL-terminated, passes
			     path_name_check() */
	const char *target; /* symlinks whose target the listing shows, else NULL */
	uint64_t size; /* bytes */
	int64_t mtime; /* seconds since 1970, UTC for facts; LIST: as if its clock were
			  UTC */
	uint32_t perm; /* PERM_BIT()s */
	uint32_t nlink;
	uint16_t mode; /* permission bits, 07777 */
	uint8_t kind; /* enum entry_kind */
	uint8_t flags; /* ENTRY_HAS_* */
	uint8_t dialect; /* enum dialect of its LIST line; NONE for facts */
};

enum listing_format {
	LISTING_FACTS, /* MLSD */
	LISTING_LINES, /* LIST or STAT: unix, DOS/IIS, EPLF */
};

/* Limits on what a server can make us keep. */
enum { LISTING_LINE_MAX = 32 * 1024 };
#define LISTING_ENTRIES_MAX 4000000u
/* Of names and targets together; and of one name: the kernel refuses a whole directory
 * for one that is longer. */
enum { LISTING_BYTES_MAX = 512 * 1024 * 1024, LISTING_NAME_MAX = 1024 };

struct listing {
	struct entry *entries; /* in the server's order; without "." and ".." */
	size_t n;
	unsigned rejected; /* senseless lines, and names we refuse ('/', CR, NUL, too
			      long) */
	bool incomplete; /* set by the caller: the server said it left some out (T55) */
	/* Of the server's names, set by the caller before the first byte; NULL: bytes. */
	const struct charset *charset;
	/* LIST: what the host is known for, set by the caller before the first byte; at the
	 * end what this listing teaches. A dialect that is given yields only to a listing in
	 * which no line speaks it. */
	enum dialect dialect;
	bool unpadded; /* exactly one blank stands before names: more are theirs */
	bool dots; /* "." or ".." was listed */
	unsigned strange; /* entries without a time for a month in no language we read */
	/* private */
	enum listing_format format;
	time_t now;
	size_t cap;
	struct listing_arena *arena;
	size_t arena_bytes;
	char *line;
	size_t line_len, line_cap;
	bool first, line_too_long;
	unsigned votes[DIALECT_MAX]; /* lines, also those of "." and ".." */
	size_t pad_min, pad_max; /* blanks before unix names beyond the one */
};

/* now: the year of LIST lines without one is guessed from it (the latest date that is not
 * more than a day after now). NULL on ENOMEM. */
struct listing *listing_new(enum listing_format format, time_t now);
void listing_free(struct listing *l); /* takes NULL */
DEFINE_CLEANUP(struct listing *, listing_free)

/* Adds bytes as they stream in; lines end at CR LF or LF and may be split anywhere. 0,
 * -ENOMEM, or -EMSGSIZE beyond LISTING_ENTRIES_MAX or LISTING_BYTES_MAX. A bad line is
 * counted, never fatal; so is one longer than LISTING_LINE_MAX. */
int listing_feed(struct listing *l, const char *data, size_t len);
/* End of the data: takes a last line without a line end. */
int listing_end(struct listing *l);

/* One line of facts: "type=file;size=3;modify=20260102030405; name". A leading blank or
 * "250-" or "250 ", as in MLST replies, is skipped. The strings of *ret point into line,
 * which is modified. The name may be a whole path here (MLST): *ret->name is what follows
 * the blank, unchecked.
 * FileZilla Server says perms= for perm=; facts are case-insensitive; modify may have a
 * fraction; OS.unix=slink[:target], OS.unix=symlink, x.unix=... are symlinks. type=cdir
 * and pdir are directories like others: ProFTPD <= 1.3.5a says cdir for real entries, so
 * only names decide (T50). `size` of directories (sizd) is ignored, and so is a fact that
 * makes no sense: the name is kept. 0 or -EINVAL (no fact at all, or no name). */
int listing_parse_facts(char *line, struct entry *ret);

/* One LIST line, unix or DOS or EPLF; strings as above, the name unchecked. "total 12"
 * and blank lines: -ENODATA (no entry, no fault). 0 or -EINVAL. Defined in listing_ls.c.
 */
int listing_parse_ls(char *line, time_t now, struct entry *ret);

/* A date of the calendar (UTC) -> seconds since 1970. Hour 24 is the next day's 0. 0 or
 * -EINVAL (30 February). */
int listing_date(int year, int month, int day, int hour, int min, int sec, int64_t *ret);

/* "20260102030405[.frac]" -> seconds UTC (as in MDTM and modify=); years of the form
 * 19100 are understood. 0 or -EINVAL. */
int listing_parse_time(const char *text, int64_t *ret);

#endif
