/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/warm.h"

#include "net/data.h"
#include "tls/channel.h"
#include "tls/dial.h"

#include <errno.h>

enum {
	KEEP_MS = 10 * 1000, /* a port of the server is held meanwhile */
	CONNECT_MS = 3000, /* then a new EPSV is the better try */
	HOLD_MS = 60 * 1000, /* TIME_WAIT, which is what uses ports up */
};

/* Passive ports are shared by all connections, and each keeps one more. */
static bool few_ports(const struct server *s)
{
	const struct port_range *ports = &s->pasv_ports;

	return ports->lo && (unsigned)ports->hi - ports->lo + 1 < 2 * s->max_conns;
}

const char *warm_verb(struct control *c)
{
	const struct server *s = control_server(c);
	const struct host *h = control_host(c);

	if (s->prewarm == TRI_NO || s->tls == TLS_NONE || s->prot_clear ||
	    !control_pipelines(c) || !h->data_worked || now_ms() < h->warm_hold ||
	    (s->prewarm == TRI_AUTO && few_ports(s))) {
		return NULL;
	}
	return data_verb(c);
}

void warm_hold(struct control *c, const char *why)
{
	struct host *h = control_host(c);

	if (now_ms() >= h->warm_hold) {
		hook_printf(control_server(c)->hook, LEVEL_DEBUG,
			    "no data connections ahead for %d s: %s", HOLD_MS / 1000,
			    why);
	}
	h->warm_hold = now_ms() + HOLD_MS;
}

void warm_begin(struct control *c, const struct reply *reply)
{
	struct warm *warm = control_warm(c);
	int fd, r;

	if (!control_alive(c)) {
		return;
	}
	if (!reply_is(reply, 2)) {
		warm_hold(c, reply_words(reply));
		return;
	}
	warm_drop(c);
	r = data_begin(c, reply, &fd);
	if (r < 0 && r != -EINPROGRESS) {
		return;
	}
	warm->connecting = r == -EINPROGRESS;
	warm->since = now_ms();
	if (channel_new(fd, CHANNEL_DATA, &warm->ch) < 0) {
		warm->ch = NULL;
	}
}

static bool is_old(const struct warm *warm)
{
	return now_ms() - warm->since >= KEEP_MS;
}

bool control_is_warm(struct control *c)
{
	const struct warm *warm = control_warm(c);

	return warm->ch && !is_old(warm);
}

bool warm_better(struct control *a, struct control *b)
{
	bool warm = control_is_warm(a);

	return warm != control_is_warm(b) ? warm
					  : control_last_used(a) > control_last_used(b);
}

int warm_take(struct control *c, const struct wait *w, struct channel **ret)
{
	struct warm *warm = control_warm(c);
	int r = 0;

	warm_expire(c);
	if (!warm->ch) {
		*ret = NULL;
		return 0;
	}
	if (warm->connecting) {
		struct pollfd p = { .fd = channel_fd(warm->ch), .events = POLLOUT };

		r = wait_poll(w, &p, 1, warm->since + CONNECT_MS);
		if (r == -EINTR) {
			return r;
		}
		r = r < 0 ? r : dial_end(p.fd);
		warm->connecting = false;
	}
	if (r < 0) {
		warm_hold(c, "one did not connect");
	}
	if (r < 0 || !channel_is_quiet(warm->ch)) {
		warm_drop(c);
	}
	*ret = warm->ch;
	warm->ch = NULL;
	return 0;
}

void warm_drop(struct control *c)
{
	struct warm *warm = control_warm(c);

	channel_free(warm->ch, true);
	warm->ch = NULL;
}

void warm_expire(struct control *c)
{
	struct warm *warm = control_warm(c);

	if (warm->ch && is_old(warm)) {
		warm_drop(c);
	}
}
