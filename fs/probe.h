/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ftpsfs --probe: which ways of connecting work on this path, and what stops the others.
 * Needs neither a mount nor root; lists directories, writes nothing on the server. */
#ifndef FS_PROBE_H
#define FS_PROBE_H

#include "fs/options.h"

/* One with the options as given, and two that offer a single TLS version each. */
struct probe_trusts {
	const struct trust *given, *tls12, *tls13;
};

/* Call after secret_find(). Prints the report to standard output, as text or (o->json) as
 * one JSON object, and progress to standard error if that is a terminal. hook: for log
 * lines, or NULL. Takes about a minute at most. The exit status: 0 the options as given
 * would work; 1 they would not; 32 no control connection could log in; 2 out of memory. */
int probe_run(const struct options *o, const struct probe_trusts *trusts,
	      const struct log_hook *hook);

#endif
