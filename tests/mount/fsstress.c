/* SPDX-License-Identifier: GPL-2.0-or-later
 * Many processes that do random things to one tree: fsstress DIR PROCESSES OPERATIONS SEED.
 * Names are few, so that the processes meet. Only answers that a local disk may give as well
 * are allowed; any other ends the run with exit status 1 and the operation on standard error.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMES = 6, DEPTH = 3, BUFFER = 60000 };

static unsigned int state; /* of this process's random numbers */
static char buffer[BUFFER];

static unsigned int pick(unsigned int limit)
{
	state = state * 1103515245u + 12345u;
	return (state >> 8) % limit;
}

/* d1/d2/f3: folders and files have names of their own, so that kinds meet seldom. */
static void make_path(char path[static 64], char kind)
{
	char *p = path;

	for (unsigned int depth = pick(DEPTH); depth > 0; depth--) {
		p += sprintf(p, "d%u/", pick(NAMES / 2));
	}
	sprintf(p, "%c%u", pick(20) == 0 ? 'x' : kind, pick(NAMES));
}

/* What other processes of this tree may bring about. */
static int is_usual(int error)
{
	static const int usual[] = { ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY,
				     EINVAL, ELOOP,  EPERM,   EBUSY,  ENXIO };

	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
		if (error == usual[i]) {
			return 1;
		}
	}
	return 0;
}

static void judge(int result, const char *what, const char *path)
{
	if (result < 0 && !is_usual(errno)) {
		fprintf(stderr, "fsstress: %s %s: %s\n", what, path, strerror(errno));
		_exit(1);
	}
}

static void finish(int fd, const char *path)
{
	int result = close(fd);

	/* a file removed, or a folder moved, while it was delivered */
	judge(result, "close", path);
}

static void do_write(const char *path)
{
	int flags = O_RDWR | O_CREAT;

	flags |= pick(3) == 0 ? O_TRUNC : 0;
	flags |= pick(4) == 0 ? O_APPEND : 0;
	flags |= pick(8) == 0 ? O_EXCL : 0;
	int fd = open(path, flags, 0644);

	judge(fd, "open to write", path);
	if (fd < 0) {
		return;
	}
	for (unsigned int n = pick(4); n > 0; n--) {
		judge((int)pwrite(fd, buffer, pick(BUFFER), pick(200000)), "write", path);
	}
	if (pick(4) == 0) {
		judge(ftruncate(fd, pick(200000)), "ftruncate", path);
	}
	if (pick(4) == 0) {
		judge(fsync(fd), "fsync", path);
	}
	finish(fd, path);
}

static void do_read(const char *path)
{
	static char into[BUFFER];
	int fd = open(path, O_RDONLY);

	judge(fd, "open to read", path);
	if (fd < 0) {
		return;
	}
	for (unsigned int n = pick(4); n > 0; n--) {
		ssize_t got = pread(fd, into, pick(BUFFER), pick(200000));

		if (got < 0 && errno != EISDIR) {
			judge(-1, "read", path);
		}
	}
	finish(fd, path);
}

static void do_map(const char *path)
{
	int fd = open(path, O_RDWR);
	struct stat st;

	judge(fd, "open to map", path);
	if (fd < 0) {
		return;
	}
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		/* others may cut the file: only msync() looks at it */
		void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (map != MAP_FAILED) {
			judge(msync(map, 4096, MS_SYNC), "msync", path);
			munmap(map, 4096);
		}
	}
	finish(fd, path);
}

static void do_list(const char *path)
{
	DIR *dir = opendir(path);

	if (dir == NULL) {
		judge(-1, "opendir", path);
		return;
	}
	errno = 0;
	while (readdir(dir) != NULL) {
	}
	if (errno != 0) {
		judge(-1, "readdir", path);
	}
	closedir(dir);
}

static void do_step(void)
{
	char file[64], folder[64], other[64];
	struct stat st;
	struct timespec times[2] = { { .tv_sec = 1500000000 },
				     { .tv_sec = 1500000000 + pick(1000) } };

	make_path(file, 'f');
	make_path(folder, 'd');
	switch (pick(16)) {
	case 0:
	case 1:
	case 2:
		do_write(file);
		break;
	case 3:
	case 4:
		do_read(file);
		break;
	case 5:
		do_map(file);
		break;
	case 6:
		do_list(folder);
		break;
	case 7:
	case 8:
		judge(mkdir(folder, 0755), "mkdir", folder);
		break;
	case 9:
		judge(rmdir(folder), "rmdir", folder);
		break;
	case 10:
		judge(unlink(file), "unlink", file);
		break;
	case 11:
		make_path(other, 'f');
		judge(rename(file, other), "rename", file);
		break;
	case 12:
		make_path(other, 'd');
		judge(rename(folder, other), "rename", folder);
		break;
	case 13:
		judge(truncate(file, pick(100000)), "truncate", file);
		break;
	case 14:
		judge(chmod(file, pick(2) ? 0644 : 0755), "chmod", file);
		judge(utimensat(AT_FDCWD, file, times, 0), "utimens", file);
		break;
	default:
		make_path(other, 'l');
		judge(symlink(file, other), "symlink", other);
		judge(lstat(other, &st), "lstat", other);
		judge(unlink(other), "unlink", other);
	}
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc != 5 || chdir(argv[1]) != 0) {
		fprintf(stderr, "fsstress DIR PROCESSES OPERATIONS SEED\n");
		return 2;
	}
	memset(buffer, 'b', sizeof(buffer));
	for (int n = 0; n < atoi(argv[2]); n++) {
		if (fork() == 0) {
			state = (unsigned int)atoi(argv[4]) * 7919u + (unsigned int)n;
			for (int i = atoi(argv[3]); i > 0; i--) {
				do_step();
			}
			_exit(0);
		}
	}
	for (int status; wait(&status) > 0;) {
		failed |= status != 0;
	}
	return failed;
}
