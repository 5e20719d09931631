/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/bdi.h"

#include "base/defs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* /proc/self/mountinfo writes blanks, tabs, newlines and backslashes as \ooo. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; out++) {
		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
			*out = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 +
				      (s[3] - '0'));
			s += 4;
		} else {
			*out = *s++;
		}
	}
	*out = '\0';
}

/* "36 35 98:0 / /mnt rw,..." -> "98:0" of the topmost mount on mountpoint. */
static int device_of(const char *mountpoint, char ret[static 32])
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	int r = -ENOENT;

	if (!f) {
		return -errno;
	}
	while (getline(&line, &size, f) > 0) {
		char *save = NULL, *field[5] = { NULL };

		for (int i = 0; i < 5; i++) {
			field[i] = strtok_r(i ? NULL : line, " ", &save);
		}
		if (!field[4]) {
			continue;
		}
		unescape(field[4]);
		if (strcmp(field[4], mountpoint) == 0 && strlen(field[2]) < 32 &&
		    strspn(field[2], "0123456789:") == strlen(field[2])) {
			strcpy(ret, field[2]);
			r = 0;
		}
	}
	fclose(f);
	return r;
}

int bdi_set_readahead(const char *mountpoint, unsigned kib)
{
	_cleanup_close_ int fd = -1;
	char device[32], path[96], text[16];
	int len, r = device_of(mountpoint, device);

	if (r < 0) {
		return r;
	}
	snprintf(path, sizeof(path), "/sys/class/bdi/%s/read_ahead_kb", device);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	len = snprintf(text, sizeof(text), "%u", kib);
	if (fd < 0 || write(fd, text, (size_t)len) != len) {
		return -errno;
	}
	return 0;
}
