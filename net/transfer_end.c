/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/data.h"
#include "net/transfer_private.h"
#include "net/warm.h"
#include "tls/channel.h"

#include <errno.h>
#include <string.h>

enum {
	/* An upload through a proxy ends with close_notify alone, and with FIN only where
	 * no verdict follows: microsocks takes FIN for the end of both directions, drops the
	 * rest, and the server loses the tail. */
	NOTIFY_MS = 3000,
	ABORT_MS = 2000,
};

/* ---- bytes ---- */

/* A refusal that came while data was moving ends it: transfer_finish() tells. */
static int stall(struct transfer *t, const struct wait *w, short events, int64_t deadline)
{
	int r = transfer_await(t, w, events, deadline);

	return r < 0 ? r : transfer_listen(t) ? -ECONNABORTED : 0;
}

ssize_t transfer_read(struct transfer *t, const struct wait *w, void *buf, size_t len)
{
	int64_t deadline = 0;

	for (;;) {
		ssize_t n = channel_recv(t->ch, buf, len);
		int r;

		if (n != -EAGAIN) {
			t->ended = n == 0;
			return n;
		}
		if (!deadline) {
			deadline = now_ms() + control_server(t->c)->io_timeout;
		}
		r = stall(t, w, channel_events(t->ch), deadline);
		if (r < 0) {
			return r;
		}
	}
}

int transfer_write(struct transfer *t, const struct wait *w, const void *buf, size_t len)
{
	int64_t timeout = control_server(t->c)->io_timeout;
	int64_t deadline = now_ms() + timeout;
	const char *at = buf;

	while (len) {
		ssize_t n = channel_send(t->ch, at, len);

		if (n == -EAGAIN) {
			int r = stall(t, w, POLLOUT, deadline);

			if (r < 0) {
				return r;
			}
			continue;
		}
		if (n < 0) {
			return (int)n;
		}
		at += n;
		len -= (size_t)n;
		deadline = now_ms() + timeout;
	}
	return 0;
}

/* ---- end ---- */

/* Until the verdict is there. The data connection is read meanwhile: what a TLS 1.3
 * server sends on it (tickets) would otherwise make our close a reset, and the server
 * lose the tail (T6). */
static int await_verdict(struct transfer *t, const struct wait *w, int64_t timeout)
{
	int64_t deadline = now_ms() + timeout;
	bool drained = false;

	for (;;) {
		char sink[4096];
		int r;

		(void)transfer_listen(t);
		if (t->has_final) {
			return 0;
		}
		if (t->deaf) {
			return -ENOTCONN;
		}
		if (!drained) {
			ssize_t n = channel_recv(t->ch, sink, sizeof(sink));

			drained = n <= 0 && n != -EAGAIN;
			if (n > 0 && now_ms() < deadline) {
				continue;
			}
		}
		struct pollfd fds[2] = {
			{ .fd = control_fd(t->c), .events = POLLIN },
			{ .fd = drained ? -1 : channel_fd(t->ch), .events = POLLIN },
		};
		r = wait_poll(w, fds, 2, deadline);
		if (r < 0) {
			return r;
		}
	}
}

/* ---- the next one ---- */

void transfer_note_whole(struct transfer *t)
{
	t->whole = true;
}

/* EPSV behind a download, in front of its verdict where that is known to do no harm: servers
 * wait for our close before they read on, but pyftpdlib takes commands at any time, and what
 * was under way is over then. */
static bool ask_next(struct transfer *t, const struct wait *w)
{
	struct host *h = control_host(t->c);
	const char *verb = t->upload || !t->ended ? NULL : warm_verb(t->c);

	if (!verb) {
		return false;
	}
	(void)transfer_listen(t);
	if (t->deaf ||
	    (t->has_final ? is_refusal(&t->final)
			  : h->early_epsv == TRI_NO ||
				    (h->early_epsv == TRI_AUTO && !t->whole))) {
		return false;
	}
	return control_send(t->c, w, verb, NULL) == 0;
}

static void early_epsv_bad(struct transfer *t)
{
	const struct server *s = control_server(t->c);

	if (control_host(t->c)->early_epsv != TRI_NO) {
		hook_printf(s->hook, LEVEL_INFO,
			    "%s loses its reply to a transfer when the next is prepared: "
			    "one after the other from now on",
			    s->host);
	}
	control_host(t->c)->early_epsv = TRI_NO;
	control_set_lost(t->c);
}

/* The verdict was waited for with r; EPSV is out and its reply to come. untold: it was sent
 * before there was a verdict. */
static int take_next(struct transfer *t, const struct wait *w, int r, bool untold)
{
	_cleanup_reply_ struct reply reply = { 0 };
	bool unproven = control_host(t->c)->early_epsv != TRI_YES;

	/* 227 and 229 answer EPSV: there is no verdict. */
	if (untold && (r == -ETIMEDOUT ||
		       (r == 0 && (t->final.code == 227 || t->final.code == 229 ||
				   (unproven && is_refusal(&t->final)))))) {
		early_epsv_bad(t);
		return -EPROTO;
	}
	if (r < 0) {
		return r;
	}
	if (control_read(t->c, w, now_ms() + VERDICT_MS, &reply) < 0) {
		if (untold) {
			early_epsv_bad(t);
		}
		return 0;
	}
	if (untold && reply_is(&reply, 2)) {
		control_host(t->c)->early_epsv = TRI_YES;
	}
	warm_begin(t->c, &reply);
	return 0;
}

int transfer_finish(struct transfer *t, const struct wait *w, struct reply *ret)
{
	struct control *c = t->c;
	int64_t timeout = control_server(c)->io_timeout;
	bool asked = false, untold;
	int r = -ETIMEDOUT;

	/* Servers hold 226 back until they have seen our end of the data connection
	 * (ProFTPD 10.8 s, vsftpd for ever). An error here is the data connection's; the
	 * verdict decides. */
	if (control_server(c)->proxy && t->upload && channel_is_tls(t->ch)) {
		(void)channel_notify(t->ch, w, now_ms() + timeout);
		r = await_verdict(t, w, MIN(timeout, (int64_t)NOTIFY_MS));
	}
	if (r == -ETIMEDOUT) {
		(void)channel_finish_write(t->ch, w, now_ms() + timeout);
		asked = ask_next(t, w);
		untold = !t->has_final;
		r = await_verdict(t, w,
				  asked && untold ? MIN(timeout, (int64_t)VERDICT_MS)
						  : timeout);
		r = asked ? take_next(t, w, r, untold) : r;
	}
	if (r == 0) {
		if (is_refusal(&t->final)) {
			transfer_note_reuse(t, &t->final);
		}
		*ret = t->final;
		t->final = (struct reply){ 0 };
	} else {
		control_set_lost(c);
	}
	transfer_free(t, !t->upload);
	return r;
}

void transfer_abort(struct transfer *t, const struct wait *w)
{
	struct control *c = t->c;
	int64_t deadline = now_ms() + ABORT_MS;
	bool settled = t->has_final, deaf = t->deaf;

	transfer_free(t, true);
	while (!settled && !deaf) {
		struct reply reply = { 0 };
		int r = control_read(c, w, deadline, &reply);

		if (r < 0) {
			return;
		}
		settled = !reply_is(&reply, 1);
		reply_release(&reply);
		if (!settled) {
			(void)control_resync(c, w, deadline);
			return;
		}
	}
	if (deaf) {
		control_set_lost(c);
	}
}
