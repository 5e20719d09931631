/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A question on the terminal, answered without echo. */
#ifndef FS_PROMPT_H
#define FS_PROMPT_H

#include <stddef.h>

/* Asks on /dev/tty and stores the line, without its end, in ret (size bytes with the
 * NUL). The terminal is restored before any signal takes effect: SIGINT, SIGTERM, SIGHUP
 * and SIGQUIT then do what they are set to do, SIGTSTP stops and the question is asked
 * again afterwards. 0; -ENXIO without a terminal; -EINTR when a signal was handled and
 * the process lives on, or at end of file; -EMSGSIZE; -errno. Blocks. */
int prompt_read(const char *question, char *ret, size_t size);

#endif
