/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/prompt.h"

#include "base/defs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>

enum { AGAIN = 1 };

static void tty_puts(int tty, const char *text)
{
	/* nothing useful can be done when the terminal is gone: the read will tell */
	ssize_t n = write(tty, text, strlen(text));

	(void)n;
}

/* One line from the terminal, or the number of a signal in *ret_signal. */
static int read_line(int tty, int signals, char *ret, size_t size, int *ret_signal)
{
	struct pollfd fds[] = { { .fd = tty, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;
	ssize_t n;

	while (poll(fds, 2, -1) < 0) {
		if (errno != EINTR) {
			return -errno;
		}
	}
	if (fds[1].revents) {
		n = read(signals, &info, sizeof(info));
		*ret_signal = n == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
		return 0;
	}
	/* In canonical mode one read is one line. */
	do {
		n = read(tty, ret, size);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return -errno;
	}
	if (n == 0) {
		return -EINTR;
	}
	if (ret[n - 1] == '\n') {
		n--;
	} else if ((size_t)n == size) {
		return -EMSGSIZE;
	}
	ret[n] = '\0';
	return 0;
}

/* The question once, with the terminal as it was afterwards. AGAIN: stopped and
 * continued. */
static int ask(int tty, int signals, const char *question, char *ret, size_t size)
{
	struct termios was, quiet;
	int sig = 0, r;

	if (tcgetattr(tty, &was) < 0) {
		return -ENXIO;
	}
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ECHONL | ICANON | ISIG;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0) {
		return -errno;
	}
	tty_puts(tty, question);
	r = read_line(tty, signals, ret, size, &sig);
	(void)tcsetattr(tty, TCSAFLUSH, &was);
	if (r == 0 && sig) {
		sigset_t one, before;

		tty_puts(tty, "\n");
		explicit_bzero(ret, size);
		sigemptyset(&one);
		sigaddset(&one, sig);
		raise(sig);
		sigprocmask(SIG_UNBLOCK, &one, &before); /* it acts here */
		sigprocmask(SIG_SETMASK, &before, NULL);
		r = sig == SIGTSTP ? AGAIN : -EINTR;
	}
	return r;
}

int prompt_read(const char *question, char *ret, size_t size)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	_cleanup_close_ int signals = -1;
	sigset_t set, before;
	int r;

	if (tty < 0) {
		return -ENXIO;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0) {
		return -errno;
	}
	sigprocmask(SIG_BLOCK, &set, &before);
	do {
		r = ask(tty, signals, question, ret, size);
	} while (r == AGAIN);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
