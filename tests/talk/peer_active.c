/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scripted server's part of active mode. */
#include "peer_active.h"

#include "peer_private.h"
#include "talk.h"
#include "tls/dial.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

bool peer_own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	bool up;
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		return false;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
	close_fd(&fd);
	return up;
}

/* Takes "EPRT |1|HOST|port|" and returns the port; says nothing. */
uint16_t peer_eprt(struct session *c, const char *host)
{
	char prefix[64];
	const char *line;

	snprintf(prefix, sizeof(prefix), "EPRT |1|%s|", host);
	line = peer_expect_prefix(c, prefix);
	return *line ? (uint16_t)atoi(line + strlen(prefix)) : 0;
}

uint16_t peer_port_command(struct session *c)
{
	static const char prefix[] = "PORT 127,0,0,1,";
	const char *line = peer_expect_prefix(c, prefix), *comma = strrchr(line, ',');

	return comma ? (uint16_t)(atoi(line + strlen(prefix)) * 256 + atoi(comma + 1))
		     : 0;
}

/* A socket from host:from (0: any port) to the client's listener, or -1. */
int peer_knock(const char *host, uint16_t from, uint16_t port)
{
	struct endpoint source, to;
	int fd;

	if (endpoint_parse(host, from, &source) < 0 ||
	    endpoint_parse("127.0.0.1", port, &to) < 0 ||
	    dial_connect(&to, &source, NULL, now_ms() + PEER_STEP_MS, &fd) < 0) {
		return -1;
	}
	return fd;
}

void peer_data_connect(struct session *c, uint16_t from, uint16_t port)
{
	int fd = c->failed ? -1 : peer_knock("127.0.0.1", from, port);

	if (fd >= 0) {
		wire_init(&c->data, fd);
	} else {
		peer_fail(c, "cannot connect to the client's port %u", port);
	}
}

/* The usual transfer, behind EPRT or PORT. */
void peer_sends_to(struct session *c, uint16_t port)
{
	peer_answer(c, "RETR /f", "150 here it comes");
	peer_data_connect(c, 0, port);
	peer_data_tls(c);
	peer_data_text(c, TALK_TEXT);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

void peer_serves_eprt(struct session *c)
{
	uint16_t port = peer_eprt(c, "127.0.0.1");

	peer_say(c, "200 EPRT command successful");
	peer_sends_to(c, port);
}
