/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/journal.h"

#include "fs/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { ENTRY_MAX = 16 * 1024 }; /* bytes of an entry's text */

struct journal {
	char *dir; /* relative to spool_dir */
	int fd; /* of it */
};

static const char *const suffixes[] = { ".new", ".entry", ".data" };
enum suffix { NEW, ENTRY, DATA };

static void name_of(const struct journal_slot *slot, enum suffix suffix,
		    char ret[static 32])
{
	(void)snprintf(ret, 32, "%s%s", slot->name, suffixes[suffix]);
}

static void unlink_part(const struct journal *j, const struct journal_slot *slot,
			enum suffix suffix)
{
	char name[32];

	name_of(slot, suffix, name);
	(void)unlinkat(j->fd, name, 0);
}

/* ---- the directory ---- */

/* A directory that nobody else can write to: in /var/tmp anybody may have made one of that
 * name before us. */
static int open_private(int at, const char *name, int *ret)
{
	struct stat st;
	int fd;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST) {
		return -errno;
	}
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
	}
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077)) {
		close(fd);
		return -EPERM;
	}
	*ret = fd;
	return 0;
}

/* A file name of it: no '/', no leading dot. */
static char *identity_name(const char *identity)
{
	char *name = NULL;

	if (asprintf(&name, "for-%.200s", identity) < 0) {
		return NULL;
	}
	for (char *c = name; *c; c++) {
		if (*c == '/' || (unsigned char)*c < ' ') {
			*c = '_';
		}
	}
	return name;
}

static int open_dirs(struct journal *j, const char *spool_dir, const char *top,
		     const char *name)
{
	_cleanup_close_ int spool = open(spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int mine = -1;
	int r = spool < 0 ? -errno : open_private(spool, top, &mine);

	return r < 0 ? r : open_private(mine, name, &j->fd);
}

int journal_open(const char *spool_dir, const char *identity, struct journal **ret,
		 struct words *words)
{
	_cleanup_free_ char *name = identity_name(identity);
	struct journal *j = calloc(1, sizeof(*j));
	char top[40];
	int r;

	(void)snprintf(top, sizeof(top), "ftpsfs-journal-%ld", (long)geteuid());
	if (!j || !name || asprintf(&j->dir, "%s/%s", top, name) < 0) {
		free(j);
		return -ENOMEM;
	}
	r = open_dirs(j, spool_dir, top, name);
	if (r < 0) {
		words_set(words, "the journal of write=back cannot be kept in %s/%s: %s",
			  spool_dir, j->dir,
			  r == -EPERM ? "it is not a directory that only we can enter"
				      : strerror(-r));
		free(j->dir);
		free(j);
		return r;
	}
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (j) {
		close(j->fd);
		free(j->dir);
		free(j);
	}
}

void journal_describe(const struct journal *j, const struct journal_slot *slot, char *ret,
		      size_t size)
{
	(void)snprintf(ret, size, "%s/%s%s", j->dir, slot->name, suffixes[DATA]);
}

/* ---- adding, removing ---- */

static int write_text(int fd, const struct buf *text)
{
	ssize_t n = write(fd, text->data, text->len);

	if (n < 0) {
		return -errno;
	}
	if ((size_t)n != text->len) {
		return -ENOSPC;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int open_slot(struct journal *j, struct journal_slot *slot)
{
	uint64_t n;
	char name[32];

	if (getrandom(&n, sizeof(n), 0) != sizeof(n)) {
		return -EIO;
	}
	(void)snprintf(slot->name, sizeof(slot->name), "%016llx", (unsigned long long)n);
	name_of(slot, NEW, name);
	slot->lock = openat(j->fd, name,
			    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (slot->lock < 0) {
		return -errno;
	}
	return flock(slot->lock, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int fill_slot(struct journal *j, struct journal_slot *slot, const struct buf *text,
		     struct spool *s)
{
	_cleanup_free_ char *data = NULL;
	char from[32], to[32];
	int r = write_text(slot->lock, text);

	if (r == 0 &&
	    asprintf(&data, "%s/%s%s", j->dir, slot->name, suffixes[DATA]) < 0) {
		data = NULL;
		r = -ENOMEM;
	}
	if (r == 0) {
		r = spool_keep(s, data);
	}
	if (r == 0) {
		name_of(slot, NEW, from);
		name_of(slot, ENTRY, to);
		r = renameat(j->fd, from, j->fd, to) < 0 ? -errno : 0;
	}
	if (r == 0) {
		r = fsync(j->fd) < 0 ? -errno : 0;
	}
	return r;
}

int journal_add(struct journal *j, const struct journal_entry *e, struct spool *s,
		struct journal_slot *ret)
{
	_cleanup_buf_ struct buf text = { .limit = ENTRY_MAX };
	struct journal_slot slot = JOURNAL_SLOT_NONE;
	int r = journal_entry_format(e, &text);

	if (r == 0) {
		r = open_slot(j, &slot);
	}
	if (r == 0) {
		r = fill_slot(j, &slot, &text, s);
	}
	if (r < 0) {
		journal_remove(j, &slot);
		return r;
	}
	*ret = slot;
	return 0;
}

void journal_remove(struct journal *j, struct journal_slot *slot)
{
	if (slot->lock >= 0) {
		/* The lock last: nobody may take an entry over whose data is going. */
		unlink_part(j, slot, DATA);
		unlink_part(j, slot, ENTRY);
		unlink_part(j, slot, NEW);
		close(slot->lock);
	}
	*slot = JOURNAL_SLOT_NONE;
}

void journal_leave(struct journal_slot *slot)
{
	close_fd(&slot->lock);
	*slot = JOURNAL_SLOT_NONE;
}

/* ---- taking over ---- */

/* "N.entry" -> N; false: another kind of name. */
static bool slot_of(const char *name, enum suffix suffix, struct journal_slot *ret)
{
	size_t n = strspn(name, "0123456789abcdef");

	if (n != 16 || strcmp(name + n, suffixes[suffix]) != 0) {
		return false;
	}
	*ret = JOURNAL_SLOT_NONE;
	memcpy(ret->name, name, n);
	ret->name[n] = '\0';
	return true;
}

/* Its lock, unless a living process has it, or it went meanwhile. */
static bool lock_slot(struct journal *j, struct journal_slot *slot, enum suffix suffix)
{
	char name[32];
	struct stat st;

	name_of(slot, suffix, name);
	slot->lock = openat(j->fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (slot->lock < 0) {
		return false;
	}
	if (flock(slot->lock, LOCK_EX | LOCK_NB) == 0 && fstat(slot->lock, &st) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink > 0) {
		return true;
	}
	close(slot->lock);
	slot->lock = -1;
	return false;
}

static int read_entry(int fd, struct journal_entry *ret)
{
	_cleanup_free_ char *text = malloc(ENTRY_MAX + 1);
	ssize_t n = text ? pread(fd, text, ENTRY_MAX, 0) : -1;

	if (n < 0) {
		return text ? -errno : -ENOMEM;
	}
	text[n] = '\0';
	return strlen(text) == (size_t)n ? journal_entry_parse(text, ret) : -EINVAL;
}

/* 0; 1: there is nothing left to do; negative: it makes no sense. */
static int open_owed(struct journal *j, const struct journal_slot *slot,
		     struct journal_entry *e, int *ret_data)
{
	char name[32];
	struct stat st;
	int fd, r;

	name_of(slot, DATA, name);
	fd = openat(j->fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? 1 : -errno;
	}
	r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (r == 0) {
		r = read_entry(slot->lock, e);
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	/* The program may have gone on writing to it. */
	e->size = (uint64_t)st.st_size;
	*ret_data = fd;
	return 0;
}

static int take_over(struct journal *j, struct journal_slot *slot,
		     const struct log_hook *hook, journal_adopt *adopt, void *arg)
{
	struct journal_entry e = { 0 };
	int data = -1, r = open_owed(j, slot, &e, &data);

	if (r == 0) {
		adopt(arg, e, data, *slot);
		return 1;
	}
	if (r == 1) {
		journal_remove(j, slot);
	} else {
		hook_printf(hook, LEVEL_ERROR, "journal: %s/%s.entry is left alone: %s",
			    j->dir, slot->name,
			    r == -EINVAL ? "it makes no sense" : strerror(-r));
		journal_leave(slot);
	}
	return 0;
}

int journal_recover(struct journal *j, const struct log_hook *hook, journal_adopt *adopt,
		    void *arg)
{
	int fd = openat(j->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		close_fd(&fd);
		return 0;
	}
	while ((d = readdir(dir))) {
		struct journal_slot slot;

		if (slot_of(d->d_name, NEW, &slot) && lock_slot(j, &slot, NEW)) {
			journal_remove(j, &slot);
		} else if (slot_of(d->d_name, ENTRY, &slot) &&
			   lock_slot(j, &slot, ENTRY)) {
			n += take_over(j, &slot, hook, adopt, arg);
		}
	}
	(void)closedir(dir);
	return n;
}
