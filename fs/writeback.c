/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/writeback.h"

#include "fs/dir.h"
#include "fs/file_private.h"
#include "fs/options.h"
#include "net/replace.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	WORKERS_MAX = 8,
	RETRY_MIN_MS = 1000, /* after a failure that may pass */
	RETRY_MAX_MS = 60 * 1000,
	PROGRESS_MS = 5000,
	RECOVER_MS = 10 * 1000, /* that a mount waits for what an earlier one owed */
};

/* A file that is owed. */
struct debt {
	struct debt *next;
	struct file *file; /* a handle of it */
	uint64_t size; /* when it was accepted: for the count */
	int64_t due; /* now_ms() before which it is not tried */
	int64_t pause; /* after the next failure */
};

struct writeback {
	struct mount *m;
	struct journal *journal;

	struct mutex lock; /* behind file.lock */
	struct cond changed;
	struct debt *queue GUARDED_BY(lock);
	unsigned files GUARDED_BY(lock), busy GUARDED_BY(lock);
	uint64_t bytes GUARDED_BY(lock);
	bool recovered GUARDED_BY(lock); /* what others left has been dealt with */
	bool finishing GUARDED_BY(
		lock); /* one more try each, then the journal keeps it */
	pthread_t worker[WORKERS_MAX];
	unsigned workers;
};

/* ---- accepting ---- */

/* Whether the journal can hold all that is to be delivered. */
static bool is_whole_locked(struct file *f) REQUIRES(f->lock)
{
	uint64_t at, n;

	return f->spool && spool_is_modified(f->spool) &&
	       !spool_missing(f->spool, 0, spool_size(f->spool), &at, &n);
}

static int describe_locked(struct file *f, struct journal_entry *ret) REQUIRES(f->lock)
{
	int keep_mode = -1;
	bool replaces = file_replaces_locked(f, &keep_mode);
	char *path = node_path(&f->m->tree, remote_base(f->m->remote), f->n);

	if (!path) {
		return -ENOMEM;
	}
	*ret = (struct journal_entry){
		.path = path,
		.size = spool_size(f->spool),
		.mtime = f->has_mtime ? f->mtime : -1,
		.mode = f->has_mode ? (int)f->mode : keep_mode,
		.mode_required = f->has_mode && f->mode_required,
		.replaces = replaces,
	};
	return 0;
}

static void enqueue_locked(struct writeback *b, struct debt *d) REQUIRES(b->lock)
{
	struct debt **at = &b->queue;

	while (*at) {
		at = &(*at)->next;
	}
	d->next = NULL;
	*at = d;
	cond_broadcast(&b->changed);
}

static void owe(struct writeback *b, struct file *f, struct debt *d, uint64_t size)
{
	*d = (struct debt){ .file = f, .size = size, .pause = RETRY_MIN_MS };
	mutex_lock(&b->m->tree.lock);
	f->handles++;
	mutex_unlock(&b->m->tree.lock);
	mutex_lock(&b->lock);
	b->files++;
	b->bytes += size;
	enqueue_locked(b, d);
	mutex_unlock(&b->lock);
}

/* f is busy, by us. A second close() of a file that is owed already writes its entry anew: its
 * data is the same file. */
static int note_locked(struct writeback *b, struct file *f) REQUIRES(f->lock)
{
	struct journal_slot slot = JOURNAL_SLOT_NONE, old = f->owed;
	struct journal_entry e = { 0 };
	struct spool *spool = f->spool;
	int r = describe_locked(f, &e);

	if (r < 0) {
		return r;
	}
	mutex_unlock(&f->lock);
	r = journal_add(b->journal, &e, spool, &slot);
	journal_entry_release(&e);
	mutex_lock(&f->lock);
	if (r == 0) {
		f->owed = slot;
		journal_remove(b->journal, &old);
	}
	return r;
}

int writeback_accept(struct writeback *b, struct file *f, const struct wait *w)
{
	struct debt *d = calloc(1, sizeof(*d));
	bool accepted = false;
	int r;

	if (!d) {
		return -ENOMEM;
	}
	mutex_lock(&f->lock);
	r = file_own_locked(f, w);
	if (r == 0 && file_unsettled_locked(f) && f->error == 0 && is_whole_locked(f)) {
		bool queued = f->owed.lock >= 0;

		f->busy = true;
		accepted = note_locked(b, f) == 0;
		file_busy_end_locked(f);
		if (accepted && !queued) {
			owe(b, f, d, spool_size(f->spool));
			d = NULL;
		}
	}
	mutex_unlock(&f->lock);
	free(d);
	/* Not to be owed, or the local disk is full: delivered while the program waits. */
	return r < 0 || accepted ? r : file_settle(f, w);
}

/* ---- delivering ---- */

/* What another try may mend. */
static bool may_pass(int error)
{
	switch (error) {
	case -EIO:
	case -EINTR:
	case -ENOMEM:
	case -ENOSPC:
	case -EDQUOT:
	case -EBUSY:
		return true;
	default:
		return false;
	}
}

static struct debt *take_due_locked(struct writeback *b) REQUIRES(b->lock)
{
	int64_t now = now_ms();

	for (struct debt **at = &b->queue; *at; at = &(*at)->next) {
		struct debt *d = *at;

		if (b->finishing || d->due <= now) {
			*at = d->next;
			return d;
		}
	}
	return NULL;
}

/* The slot of f, which is owed no more. */
static struct journal_slot clear(struct file *f)
{
	struct journal_slot slot;

	mutex_lock(&f->lock);
	slot = f->owed;
	f->owed = JOURNAL_SLOT_NONE;
	mutex_unlock(&f->lock);
	return slot;
}

/* f has been delivered: the journal knows it, too. False: it was written to again meanwhile,
 * and perhaps accepted again. */
static bool is_paid(struct writeback *b, struct file *f)
{
	bool paid;

	mutex_lock(&f->lock);
	paid = !file_unsettled_locked(f);
	if (paid) {
		journal_remove(b->journal, &f->owed);
	}
	mutex_unlock(&f->lock);
	return paid;
}

/* The end of a debt, paid or not. */
static void strike(struct writeback *b, struct debt *d)
{
	mutex_lock(&b->lock);
	b->files--;
	b->bytes -= d->size;
	mutex_unlock(&b->lock);
	file_drop(d->file, NULL);
	free(d);
}

/* The mount ends: the next one finds it in the journal. */
static void leave(struct writeback *b, struct debt *d, int error)
{
	_cleanup_free_ char *path =
		node_path(&b->m->tree, remote_base(b->m->remote), d->file->n);
	struct journal_slot slot = clear(d->file);
	char name[512];

	journal_describe(b->journal, &slot, name, sizeof(name));
	hook_printf(
		b->m->hook, LEVEL_ERROR,
		"%s: not delivered before the end (%s); the next mount of this server "
		"delivers it, from %s/%s",
		path ? path : "?", strerror(-error), b->m->opt->spool_dir, name);
	mutex_lock(&d->file->lock);
	d->file->worthless = true;
	mutex_unlock(&d->file->lock);
	journal_leave(&slot);
	strike(b, d);
}

/* Another try later; false: the mount ends. */
static bool put_off(struct writeback *b, struct debt *d)
{
	bool later;

	mutex_lock(&b->lock);
	later = !b->finishing;
	if (later) {
		d->due = now_ms() + d->pause;
		d->pause = MIN(d->pause * 2, (int64_t)RETRY_MAX_MS);
		enqueue_locked(b, d);
	}
	mutex_unlock(&b->lock);
	return later;
}

static void pay(struct writeback *b, struct debt *d)
{
	int r = file_settle(d->file, NULL);

	if (r == 0 && is_paid(b, d->file)) {
		strike(b, d);
	} else if (r < 0 && !may_pass(r)) {
		/* Refused for good: the last close keeps it as *.ftpsfs-lost and says so. */
		struct journal_slot slot = clear(d->file);

		strike(b, d);
		journal_remove(b->journal, &slot);
	} else if (!put_off(b, d)) {
		leave(b, d, r);
	}
}

static void *worker_main(void *arg)
{
	struct writeback *b = arg;

	mutex_lock(&b->lock);
	for (;;) {
		struct debt *d = take_due_locked(b);

		if (!d && b->finishing && !b->busy) {
			break;
		}
		if (!d) {
			(void)cond_wait(&b->changed, &b->lock, NULL,
					now_ms() + RETRY_MIN_MS);
			continue;
		}
		b->busy++;
		mutex_unlock(&b->lock);
		pay(b, d);
		mutex_lock(&b->lock);
		b->busy--;
		cond_broadcast(&b->changed);
	}
	mutex_unlock(&b->lock);
	return NULL;
}

/* Somebody waits for all of it: nothing is put off. Then what is left has just failed. */
int writeback_drain(struct writeback *b, const struct wait *w)
{
	int64_t started = now_ms();
	int r = 0;

	mutex_lock(&b->lock);
	for (struct debt *d = b->queue; d; d = d->next) {
		d->due = 0;
	}
	cond_broadcast(&b->changed);
	while (r == 0 && b->files > 0) {
		bool untried = b->busy > 0;

		for (const struct debt *d = b->queue; d; d = d->next) {
			untried = untried || d->due <= started;
		}
		r = untried ? cond_wait(&b->changed, &b->lock, w, INT64_MAX / 2) : -EBUSY;
	}
	mutex_unlock(&b->lock);
	return r;
}

void writeback_removed(struct writeback *b, struct node *n)
{
	struct file *f = file_pin(b->m, n);
	struct journal_slot slot;

	if (f) {
		slot = clear(f);
		journal_remove(b->journal, &slot);
		file_drop(f, NULL);
	}
}

/* ---- what others left ---- */

struct recovery {
	struct writeback *b;
	const struct wait *wait;
};

static void deliver_owed(void *arg, struct journal_entry e, int data,
			 struct journal_slot slot)
{
	struct recovery *rec = arg;
	struct mount *m = rec->b->m;
	const struct upload_job job = {
		.path = e.path,
		.fd = data,
		.size = e.size,
		.mtime = e.mtime,
		.mode = e.mode,
		.mode_required = e.mode_required,
	};
	struct upload_result result;
	int r = e.replaces ? upload_replace(m->remote, rec->wait, &job, e.mode, &result)
			   : upload_run(m->remote, rec->wait, &job, &result);

	if (r == 0) {
		hook_printf(m->hook, LEVEL_WARN,
			    "%s: %llu bytes delivered that an earlier mount still owed",
			    e.path, (unsigned long long)e.size);
		journal_remove(rec->b->journal, &slot);
	} else {
		hook_printf(
			m->hook, LEVEL_ERROR,
			"%s: %llu bytes that an earlier mount still owed could not be "
			"delivered (%s): they stay in the journal",
			e.path, (unsigned long long)e.size, strerror(-r));
		journal_leave(&slot);
	}
	close(data);
	journal_entry_release(&e);
}

static bool is_finishing(void *arg)
{
	struct writeback *b = arg;
	bool yes;

	mutex_lock(&b->lock);
	yes = b->finishing;
	mutex_unlock(&b->lock);
	return yes;
}

static void *first_worker_main(void *arg)
{
	struct writeback *b = arg;
	struct wait w = { .cancelled = is_finishing, .arg = b };
	struct recovery rec = { .b = b, .wait = &w };

	if (journal_recover(b->journal, b->m->hook, deliver_owed, &rec) > 0) {
		dir_forget_all(b->m); /* somebody may have looked meanwhile */
	}
	mutex_lock(&b->lock);
	b->recovered = true;
	cond_broadcast(&b->changed);
	mutex_unlock(&b->lock);
	return worker_main(b);
}

/* ---- life ---- */

int writeback_new(struct mount *m, struct writeback **ret, struct words *words)
{
	const struct options *o = m->opt;
	_cleanup_free_ char *identity = NULL;
	struct writeback *b = calloc(1, sizeof(*b));
	int r = -ENOMEM;

	if (b && asprintf(&identity, "%s@%s:%u", o->user ? o->user : "anonymous", o->host,
			  o->port) < 0) {
		identity = NULL;
	}
	if (b && identity) {
		r = journal_open(o->spool_dir, identity, &b->journal, words);
	}
	if (r < 0) {
		free(b);
		return r;
	}
	b->m = m;
	mutex_init(&b->lock);
	cond_init(&b->changed);
	*ret = b;
	return 0;
}

int writeback_start(struct writeback *b)
{
	unsigned want = MIN(MAX(b->m->opt->max_conns, 2u) - 1, (unsigned)WORKERS_MAX);

	int64_t deadline = now_ms() + RECOVER_MS;
	int r = 0;

	while (b->workers < want && r == 0) {
		r = pthread_create(&b->worker[b->workers], NULL,
				   b->workers ? worker_main : first_worker_main, b);
		b->workers += r == 0;
	}
	mutex_lock(&b->lock);
	while (b->workers && !b->recovered &&
	       cond_wait(&b->changed, &b->lock, NULL, deadline) == 0) {
	}
	mutex_unlock(&b->lock);
	return b->workers ? 0 : -r;
}

static void await_end(struct writeback *b)
{
	int64_t tell = now_ms() + PROGRESS_MS;

	mutex_lock(&b->lock);
	b->finishing = true;
	cond_broadcast(&b->changed);
	while (b->files > 0) {
		(void)cond_wait(&b->changed, &b->lock, NULL, tell);
		if (b->files > 0 && now_ms() >= tell) {
			hook_printf(
				b->m->hook, LEVEL_WARN,
				"unmounted; %u files (%llu bytes) still to be delivered",
				b->files, (unsigned long long)b->bytes);
			tell = now_ms() + PROGRESS_MS;
		}
	}
	mutex_unlock(&b->lock);
}

void writeback_finish(struct writeback *b)
{
	if (!b) {
		return;
	}
	if (b->workers) {
		await_end(b);
	}
	for (unsigned i = 0; i < b->workers; i++) {
		pthread_join(b->worker[i], NULL);
	}
	journal_close(b->journal);
	cond_finish(&b->changed);
	mutex_finish(&b->lock);
	free(b);
}
