/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a program that was interrupted in a system call is to be let go.
 *
 * The kernel interrupts a request for any signal, and asks once; a timer of git, SIGURG of Go or
 * SIGCHLD would end mkdir() and close() with EINTR, which no disk ever does. So the pending
 * signals are looked at: they stay pending until we reply. */
#ifndef FS_INTERRUPT_H
#define FS_INTERRUPT_H

#include <stdbool.h>
#include <sys/types.h>

/* tid: the thread that waits. True for signals that end programs (INT, QUIT, TERM, HUP, KILL;
 * others without a handler have become KILL), and where nothing can be learnt. */
bool interrupt_is_meant(pid_t tid);

/* Pure: the same of the text of /proc/TID/status. */
bool interrupt_in_status(const char *status);

#endif
