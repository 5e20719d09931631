/* SPDX-License-Identifier: GPL-2.0-or-later
 * One file, random reads, writes, maps, truncations, holes and reopenings, each compared with
 * a copy in memory, as the fsx of LTP does: fsx FILE OPERATIONS SEED ALIGNMENT.
 * ALIGNMENT is what offsets and lengths are multiples of: 1, or 512, or a page.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST = 256 * 1024, PART = 64 * 1024, PAGE = 4096 };

static unsigned int state;
static unsigned int align_to = 1;
static char model[LONGEST], buffer[LONGEST];
static unsigned int size; /* of the file */
static int fd, number;
static const char *path;

static unsigned int pick(unsigned int limit)
{
	state = state * 1103515245u + 12345u;
	return limit ? (state >> 4) % limit : 0;
}

static void fail(const char *what, unsigned int off, unsigned int length)
{
	fprintf(stderr, "fsx: operation %d: %s %u at %u, size %u: %s\n", number, what,
		length, off, size, errno ? strerror(errno) : "wrong bytes");
	exit(1);
}

static void place(unsigned int limit, unsigned int *off, unsigned int *length)
{
	*off = pick(limit) / align_to * align_to;
	*length = (pick(PART) + align_to) / align_to * align_to;
	if (*length > limit - *off) {
		*length = limit - *off;
	}
}

static void fill(unsigned int off, unsigned int length)
{
	for (unsigned int i = 0; i < length; i++) {
		buffer[i] = (char)((number + (int)((off + i) / 8) * 7) & 0xff);
	}
}

static void put(unsigned int off, unsigned int length)
{
	if (off > size) {
		memset(model + size, 0, off - size);
	}
	memcpy(model + off, buffer, length);
	size = off + length > size ? off + length : size;
}

static void do_read(void)
{
	unsigned int off, length;

	place(LONGEST, &off, &length);
	unsigned int due = off >= size ? 0 : length < size - off ? length : size - off;
	ssize_t got = pread(fd, buffer, length, off);

	if (got != (ssize_t)due || memcmp(buffer, model + off, due) != 0) {
		fail("read", off, length);
	}
}

static void do_write(void)
{
	unsigned int off, length;

	place(LONGEST, &off, &length);
	fill(off, length);
	if (pwrite(fd, buffer, length, off) != (ssize_t)length) {
		fail("write", off, length);
	}
	put(off, length);
}

static void do_map(int writes)
{
	unsigned int off, length;

	if (size == 0) {
		return;
	}
	place(size, &off, &length);
	unsigned int skip = off % PAGE;
	char *map = mmap(NULL, length + skip, writes ? PROT_READ | PROT_WRITE : PROT_READ,
			 MAP_SHARED, fd, off - skip);

	if (map == MAP_FAILED || memcmp(map + skip, model + off, length) != 0) {
		fail("map to read", off, length);
	}
	if (writes) {
		fill(off, length);
		memcpy(map + skip, buffer, length);
		put(off, length);
		if (pick(2) && msync(map, length + skip, MS_SYNC) != 0) {
			fail("msync", off, length);
		}
	}
	/* behind the end the last page is zero */
	unsigned int last = (off + length) % PAGE;
	for (unsigned int i = last; off + length == size && last && i < PAGE; i++) {
		if (map[skip + length - last + i] != 0) {
			fail("map behind the end", off, length);
		}
	}
	munmap(map, length + skip);
}

static void do_truncate(void)
{
	unsigned int to = pick(LONGEST) / align_to * align_to;

	if ((pick(2) ? ftruncate(fd, to) : truncate(path, to)) != 0) {
		fail("truncate", to, 0);
	}
	if (to > size) {
		memset(model + size, 0, to - size);
	}
	size = to;
}

static void do_hole(void)
{
	unsigned int off, length;

	place(LONGEST, &off, &length);
	if (length == 0) {
		return;
	}
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, off, length) != 0) {
		if (errno != EOPNOTSUPP) {
			fail("punch", off, length);
		}
		errno = 0;
		return;
	}
	if (off < size) {
		memset(model + off, 0, length < size - off ? length : size - off);
	}
}

static void do_reopen(void)
{
	struct stat st;

	if (close(fd) != 0 || stat(path, &st) != 0 || st.st_size != (off_t)size) {
		fail("close and stat", (unsigned int)st.st_size, 0);
	}
	fd = open(path, O_RDWR);
	if (fd < 0) {
		fail("open", 0, 0);
	}
}

static void do_sync(void)
{
	if (fsync(fd) != 0) {
		fail("fsync", 0, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "fsx FILE OPERATIONS SEED ALIGNMENT\n");
		return 2;
	}
	path = argv[1];
	state = (unsigned int)atoi(argv[3]);
	align_to = (unsigned int)atoi(argv[4]);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0) {
		fail("create", 0, 0);
	}
	for (number = 1; number <= atoi(argv[2]); number++) {
		unsigned int n = pick(40);

		errno = 0;
		if (n < 12) {
			do_read();
		} else if (n < 22) {
			do_write();
		} else if (n < 34) {
			do_map(n & 1);
		} else if (n < 36) {
			do_truncate();
		} else if (n < 37) {
			do_hole();
		} else if (n < 39) {
			do_reopen();
		} else {
			do_sync();
		}
	}
	do_reopen();
	if (pread(fd, buffer, LONGEST, 0) != (ssize_t)size ||
	    memcmp(buffer, model, size) != 0) {
		fail("all", 0, size);
	}
	return 0;
}
