/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to connect to and how, as plain data. Everything is owned by the caller
 * and outlives the remote made from it. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/report.h"

#include "net/address.h"

#include <stdbool.h>
#include <stdint.h>

struct trust;

enum tls_mode { TLS_EXPLICIT, TLS_IMPLICIT, TLS_NONE };
enum tristate { TRI_AUTO, TRI_YES, TRI_NO };
enum data_mode { MODE_PASSIVE, MODE_ACTIVE, MODE_AUTO };
enum ccc_mode { CCC_NO, CCC_YES, CCC_REQUIRE };
enum verify_mode { VERIFY_SIZE, VERIFY_HASH, VERIFY_NO }; /* after an upload */
enum list_mode { LIST_AUTO, LIST_MLSD, LIST_LIST, LIST_STAT };

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
	const char *ftp_host; /* virtual host for HOST (RFC 7151), or NULL */
	const char *
		quote; /* commands after login on every connection, a line each, or NULL */
	enum ccc_mode ccc; /* clear the control channel after login */
	enum data_mode mode;
	enum tristate epsv, pipelining;
	/* Data connections opened ahead, and their ClientHello sent with the command. */
	enum tristate prewarm;
	/* Where to connect for PASV: NULL or "control": the control connection's peer;
	 * "reply": what the server advertises; else this address. */
	const char *pasv_addr;
	struct port_range pasv_ports; /* the server's, that the firewall lets through */
	struct port_range data_source_ports; /* ours, of outgoing data connections */
	struct port_range active_ports; /* ours, to listen on */
	const char *active_addr; /* to advertise in PORT and EPRT; NULL: the control's */
	bool active_source_default; /* accept only from the server's port 20 or 989 */
	const char *bind; /* local address of control and data, or NULL */
	/* "socks5h://[user@]host:port" or "http://...", or NULL; passive mode only. */
	const char *proxy;
	const char *proxy_password;
	enum list_mode list;
	enum verify_mode verify;
	enum tristate hidden; /* LIST -a */
	/* Of LIST's times: NULL or "auto", "UTC", "+HH:MM". */
	const char *timezone;
	const char *charset; /* of names, as iconv calls it; NULL or "UTF-8": bytes */
	int64_t connect_timeout, io_timeout; /* ms */
	int64_t keepalive, idle_timeout; /* ms; 0: off */
	unsigned max_conns; /* >= 1 */
	unsigned retry; /* further tries after a lost connection */
	const struct log_hook *hook;
};

/* What can be seen before connecting: addresses, the proxy's URL, contradictions. 0 or
 * -EINVAL with words. */

int server_check(const struct server *s, struct words *words);

/* "UTC", "+01:00", "-0330", "+2": seconds ahead of UTC. -EINVAL, also for NULL and "auto". */
int server_zone(const struct server *s, int *ret);

#endif
