/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal of write=back: what programs were told is written and the server does not
 * have yet, as files that survive us.
 *
 * It is a directory of spool_dir, ours alone, with a subdirectory for each login. A
 * delivery that is owed is a pair: N.data, the spool under a name, and N.entry, what is to
 * be done with it. While its owner lives N.entry is locked (flock); N.new is an entry in the
 * making, so that N.data without a partner never means anything. N is random.
 *
 *  on disk            lock   meaning
 *  N.new, N.data?     held   being added
 *  N.new, N.data?     free   crashed before close() had returned: removed
 *  N.entry, N.data    held   owed by a living mount
 *  N.entry, N.data    free   owed by a dead one: journal_recover() takes it over
 *  N.entry            free   delivered, crashed in between: removed
 *
 * Thread-safe. Local disk only, no network. */
#ifndef FS_JOURNAL_H
#define FS_JOURNAL_H

#include "base/report.h"
#include "fs/journal_entry.h"

struct journal;
struct spool;

/* identity: "user@host:port", one journal each. 0; -EPERM: the directory is not ours alone;
 * other -errno, with words. */
int journal_open(const char *spool_dir, const char *identity, struct journal **ret,
		 struct words *words);
void journal_close(struct journal *j); /* leaves what is owed on disk; takes NULL */

/* An owed delivery that this process owns; its lock. */
struct journal_slot {
	char name[24]; /* N; "": none */
	int lock; /* of N.entry; -1: none */
};
#define JOURNAL_SLOT_NONE ((struct journal_slot){ .lock = -1 })

/* s: nothing absent. On success it survives us; it stays the caller's. */
int journal_add(struct journal *j, const struct journal_entry *e, struct spool *s,
		struct journal_slot *ret);
/* Delivered, or given up: forgets it and leaves JOURNAL_SLOT_NONE. Takes that, too. */
void journal_remove(struct journal *j, struct journal_slot *slot);
/* Stops owning it: who asks next takes it over. Leaves JOURNAL_SLOT_NONE. */
void journal_leave(struct journal_slot *slot);
/* The data file's name below spool_dir, for messages. */
void journal_describe(const struct journal *j, const struct journal_slot *slot, char *ret,
		      size_t size);

/* Calls adopt() for each delivery that a dead process owed: the entry, the descriptor of its
 * data and the slot become adopt()'s. What makes no sense is left where it is and told to the
 * hook. Returns how many. */
typedef void journal_adopt(void *arg, struct journal_entry e, int data,
			   struct journal_slot slot);
int journal_recover(struct journal *j, const struct log_hook *hook, journal_adopt *adopt,
		    void *arg);

#endif
