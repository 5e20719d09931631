/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/interrupt.h"

#include "base/defs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SIGNAL_BIT(sig) (UINT64_C(1) << ((sig)-1))

static bool signals(const char *status, const char *key, uint64_t *ret)
{
	const char *line = strstr(status, key);
	unsigned long long set;

	if (!line || sscanf(line + strlen(key), "%llx", &set) != 1) {
		return false;
	}
	*ret = set;
	return true;
}

bool interrupt_in_status(const char *status)
{
	const uint64_t ends = SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGQUIT) |
			      SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGHUP) |
			      SIGNAL_BIT(SIGKILL);
	uint64_t own, shared, blocked;

	if (!signals(status, "\nSigPnd:", &own) ||
	    !signals(status, "\nShdPnd:", &shared) ||
	    !signals(status, "\nSigBlk:", &blocked)) {
		return true;
	}
	return (own | (shared & ~blocked)) & ends;
}

bool interrupt_is_meant(pid_t tid)
{
	char path[40], status[4096];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);
	if (n <= 0) {
		return true;
	}
	status[n] = '\0';
	return interrupt_in_status(status);
}
