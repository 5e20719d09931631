/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to connect to and how, as plain data. Everything is owned by the caller
 * and outlives the remote made from it. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/report.h"

#include <stdbool.h>
#include <stdint.h>

struct trust;

enum tls_mode { TLS_EXPLICIT, TLS_IMPLICIT, TLS_NONE };
enum tristate { TRI_AUTO, TRI_YES, TRI_NO };
enum list_mode { LIST_AUTO, LIST_MLSD, LIST_LIST };

struct server {
	const char *host; /* name or address, without brackets */
	uint16_t port; /* host byte order */
	int family; /* AF_UNSPEC, AF_INET, AF_INET6 */
	enum tls_mode tls;
	bool prot_clear; /* PROT C */
	const struct trust *trust;
	enum tristate session_reuse; /* TRI_AUTO is "yes", TRI_YES "require" */
	const char *user, *password; /* NULL password: none known */
	const char *account; /* for ACCT, or NULL */
	const char *dir; /* as typed: "" or relative: to the login directory; "/..."
			    absolute */
	enum tristate epsv, pipelining;
	enum list_mode list;
	int64_t connect_timeout, io_timeout; /* ms */
	int64_t keepalive, idle_timeout; /* ms; 0: off */
	unsigned max_conns; /* >= 1 */
	unsigned retry; /* further tries after a lost connection */
	const struct log_hook *hook;
};

#endif
