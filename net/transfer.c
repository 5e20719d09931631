/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/transfer.h"
#include "net/data.h"
#include "tls/channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	/* How long to wait for 150 before the handshake: most servers say it first, some
	 * only after the handshake (Idea FTP Server, pyftpdlib at times). Never the
	 * handshake before the command: pyftpdlib resets a data connection that speaks
	 * early. */
	PRELIMINARY_MS = 300,
	VERDICT_MS =
		5000, /* for the control connection to explain a failed data connection */
	/* An upload through a proxy ends with close_notify alone, and with FIN only where
	 * no verdict follows: microsocks takes FIN for the end of both directions, drops the
	 * rest, and the server loses the tail. */
	NOTIFY_MS = 3000,
	ABORT_MS = 2000,
	LATE_MS = 1000, /* for a server's connection behind the verdict on it */
};

struct transfer {
	struct control *c;
	struct channel *ch; /* NULL while the server is to connect */
	struct active *active;
	bool upload;
	bool started; /* 150 has come */
	bool has_final; /* the verdict came while data was still moving */
	unsigned remarks; /* 1yz replies so far */
	bool deaf; /* the control connection died: no verdict will come */
	struct reply final;
};

static bool is_refusal(const struct reply *r)
{
	return r->code >= 400;
}

static void transfer_free(struct transfer *t, bool reset)
{
	if (t) {
		if (t->ch) {
			channel_pass_session(t->ch, control_channel(t->c));
		}
		channel_free(t->ch, reset);
		active_free(t->active);
		reply_release(&t->final);
		free(t);
	}
}

/* ---- start ---- */

/* Servers that demand session reuse let the handshake succeed and refuse afterwards, some (ProFTPD)
 * without saying why. */
static void note_reuse(struct transfer *t, const struct reply *reply)
{
	const struct server *s = control_server(t->c);
	bool named = strcasestr(reply->text, "reuse") || strcasestr(reply->text, "resum");
	bool tls = t->ch && s->tls != TLS_NONE && !s->prot_clear;
	bool fresh = tls && channel_is_tls(t->ch) && !channel_is_resumed(t->ch);
	/* The refusal may overtake the end of the handshake. */
	bool unresumed = tls && !channel_is_resumed(t->ch);

	if (reply->code != 425 && reply->code != 522) {
		return;
	}
	if (named) {
		control_host(t->c)->reuse_demanded = true;
	}
	/* The session has expired (ProFTPD: 15840 s): a new login brings a new one, and the
	 * operation is repeated on that. */
	if ((named || unresumed) && channel_session_lent(control_channel(t->c))) {
		control_set_lost(t->c);
		hook_printf(s->hook, LEVEL_INFO,
			    "%s no longer resumes the TLS session of this connection (%d "
			    "%s): a new login",
			    s->host, reply->code, reply_words(reply));
	} else if (named || fresh) {
		hook_printf(s->hook, LEVEL_WARN,
			    "%s refuses the data connection (%d %s): its TLS session was "
			    "not resumed, "
			    "which this server seems to demand%s",
			    s->host, reply->code, reply_words(reply),
			    s->session_reuse == TRI_NO ? "; drop session_reuse=no" : "");
	}
}

/* Takes what the control connection says meanwhile. 0: nothing that ends the transfer; 1:
 * a refusal, in t->final. */
static int listen_control(struct transfer *t)
{
	while (!t->deaf && !t->has_final) {
		struct reply reply = { 0 };
		int r = control_try_read(t->c, &reply);

		if (r == 0) {
			return 0;
		}
		if (r < 0) {
			t->deaf = true;
			return 0;
		}
		if (reply_is(&reply, 1)) {
			t->started = true;
			reply_release(&reply);
			if (++t->remarks > CONTROL_REMARKS_MAX) {
				control_set_lost(t->c);
				t->deaf = true;
			}
			continue;
		}
		t->final = reply;
		t->has_final = true;
	}
	return t->has_final && is_refusal(&t->final) ? 1 : 0;
}

/* Until the data socket is ready, listening to the control connection. 0 ready or
 * something was said; negative. */
static int await_both(struct transfer *t, const struct wait *w, short events,
		      int64_t deadline)
{
	struct pollfd fds[2] = {
		{ .fd = channel_fd(t->ch), .events = events },
		{ .fd = t->deaf || t->has_final ? -1 : control_fd(t->c),
		  .events = POLLIN },
	};
	int r = wait_poll(w, fds, 2, deadline);

	return r < 0 ? r : 0;
}

/* Active mode: until the server has connected, or says why it does not. 0; 1 refused;
 * negative. */
static int await_server(struct transfer *t, const struct wait *w, struct words *words)
{
	const struct server *s = control_server(t->c);
	int64_t deadline = now_ms() + s->connect_timeout;
	int r;

	for (;;) {
		bool over = t->has_final;

		r = listen_control(t);
		if (r != 0 || t->deaf) {
			break;
		}
		if (t->has_final && !over) {
			deadline = MIN(deadline, now_ms() + LATE_MS);
		}
		r = active_accept(t->active, &t->ch);
		if (r != -EAGAIN) {
			return r;
		}
		struct pollfd fds[2] = {
			{ .fd = active_fd(t->active), .events = POLLIN },
			{ .fd = t->has_final ? -1 : control_fd(t->c), .events = POLLIN },
		};
		/* Strangers that keep coming would keep us from wait_poll()'s look at the
		 * clock. */
		r = now_ms() < deadline ? wait_poll(w, fds, 2, deadline) : -ETIMEDOUT;
		if (r < 0) {
			break;
		}
	}
	if (r == 0) {
		r = -ENOTCONN;
		words_set(words,
			  "%s closed the connection while we waited for its data "
			  "connection",
			  s->host);
	}
	if (r != -EINTR) {
		active_failed(t->active, r, t->has_final ? &t->final : NULL, words);
	}
	return r;
}

/* Waits for 150 a moment, then does the TLS handshake whatever has been said, unless it
 * was no. 0, 1 refused, negative. */
static int start_data(struct transfer *t, const struct wait *w, bool tls)
{
	const struct server *s = control_server(t->c);
	int64_t patience = now_ms() + (tls ? (int64_t)PRELIMINARY_MS : s->io_timeout);
	int64_t deadline = now_ms() + s->io_timeout;
	bool shaking = false;

	for (;;) {
		int r = listen_control(t);

		if (r != 0) {
			return r;
		}
		if (t->deaf) {
			return -ENOTCONN;
		}
		if (!shaking && (t->started || t->has_final || now_ms() >= patience)) {
			if (!tls) {
				return 0;
			}
			r = channel_start_tls(t->ch, s->trust, s->host,
					      control_channel(t->c),
					      s->session_reuse != TRI_NO);
			if (r < 0) {
				return r;
			}
			shaking = true;
		}
		if (shaking) {
			r = channel_handshake(t->ch);
			if (r != -EAGAIN) {
				return r;
			}
		}
		r = await_both(t, w, shaking ? channel_events(t->ch) : 0,
			       shaking ? deadline : patience);
		if (r < 0 && (r != -ETIMEDOUT || shaking || !tls)) {
			return r;
		}
	}
}

/* The data connection failed while starting: does the server say why? 1 and t->final, or
 * r. */
static int ask_verdict(struct transfer *t, const struct wait *w, int r,
		       struct words *words)
{
	if (r == -EKEYREJECTED || r == -EINTR || r == -ENOMEM) {
		words_set(words, "%s", channel_words(t->ch));
		return r;
	}
	words_set(words, "data connection: %s",
		  channel_words(t->ch)[0] ? channel_words(t->ch) : strerror(-r));
	channel_kill(t->ch);
	for (int64_t deadline = now_ms() + VERDICT_MS; !t->deaf && !t->has_final;) {
		struct reply reply = { 0 };

		if (control_read(t->c, w, deadline, &reply) < 0) {
			break;
		}
		if (reply_is(&reply, 1)) {
			reply_release(&reply);
			continue;
		}
		t->final = reply;
		t->has_final = true;
	}
	return t->has_final && is_refusal(&t->final) ? 1 : r;
}

/* REST, then the command, with nothing between them (FileZilla Server forgets REST
 * otherwise). 0, 1 refused, negative. */
static int send_command(struct transfer *t, const struct wait *w, const char *verb,
			const char *arg, uint64_t rest)
{
	char text[24];
	int r;

	if (rest) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)rest);
		r = control_command(t->c, w, "REST", text, &t->final);
		if (r < 0) {
			return r;
		}
		if (t->final.code != 350) {
			t->has_final = true;
			if (!is_refusal(&t->final)) {
				t->final.code = 501; /* 2yz to REST: it did not understand
							it as one */
			}
			return 1;
		}
		reply_release(&t->final);
	}
	return control_send(t->c, w, verb, arg);
}

/* A REST whose transfer was refused stays pending on some servers (pyftpdlib) and would
 * spoil the next one (T37). */
static void forget_rest(struct control *c, const struct wait *w)
{
	_cleanup_reply_ struct reply reply = { 0 };

	if (control_alive(c) && control_owed(c) == 0) {
		(void)control_command(c, w, "REST", "0", &reply);
	}
}

static bool is_upload(const char *verb)
{
	return strcmp(verb, "STOR") == 0 || strcmp(verb, "APPE") == 0;
}

/* T4: a server that demands reuse drops what an un-resumed upload sends; stop before the
 * first byte. */
static bool must_not_write(struct transfer *t)
{
	const struct server *s = control_server(t->c);

	return channel_is_tls(t->ch) && !channel_is_resumed(t->ch) &&
	       (s->session_reuse == TRI_YES ||
		(t->upload && control_host(t->c)->reuse_demanded));
}

static int transfer_start(struct transfer *t, const struct wait *w, const char *verb,
			  const char *arg, uint64_t rest, struct words *words)
{
	const struct server *s = control_server(t->c);
	bool tls = s->tls != TLS_NONE && !s->prot_clear;
	int r = send_command(t, w, verb, arg, rest);

	if (r == 0) {
		r = t->active ? await_server(t, w, words) : 0;
		if (r == 0) {
			r = start_data(t, w, tls);
			r = r < 0 ? ask_verdict(t, w, r, words) : r;
		}
		if (r < 0 && r != -EINVAL && r != -ENAMETOOLONG) {
			control_set_lost(t->c); /* a command is out and nobody will read
						   its answer */
		}
	}
	if (r == 0 && must_not_write(t)) {
		words_set(words, "the server did not resume the TLS session on the data "
				 "connection");
		control_set_lost(t->c);
		return -ECONNABORTED;
	}
	if (r == 0 && tls) {
		control_host(t->c)->data_worked = true;
	}
	return r;
}

int transfer_open(struct control *c, const struct wait *w, const char *verb,
		  const char *arg, uint64_t rest, struct transfer **ret,
		  struct reply *ret_refusal, struct words *words)
{
	struct transfer *t = calloc(1, sizeof(*t));
	struct reply refusal = { 0 };
	struct data data = { 0 };
	int r;

	if (!t) {
		return -ENOMEM;
	}
	t->c = c;
	t->upload = is_upload(verb);
	r = data_open(c, w, &data, &refusal, words);
	if (r == 0) {
		t->ch = data.ch;
		t->active = data.active;
		r = transfer_start(t, w, verb, arg, rest, words);
		if (r == 1) {
			refusal = t->final;
			t->final = (struct reply){ 0 };
			note_reuse(t, &refusal);
		}
		if (r != 0 && rest) {
			forget_rest(c, w);
		}
	}
	if (r == 0) {
		*ret = t;
		return 0;
	}
	transfer_free(t, true);
	if (r == 1) {
		*ret_refusal = refusal;
	}
	return r;
}

/* ---- bytes ---- */

/* A refusal that came while data was moving ends it: transfer_finish() tells. */
static int stall(struct transfer *t, const struct wait *w, short events, int64_t deadline)
{
	int r = await_both(t, w, events, deadline);

	return r < 0 ? r : listen_control(t) ? -ECONNABORTED : 0;
}

ssize_t transfer_read(struct transfer *t, const struct wait *w, void *buf, size_t len)
{
	int64_t deadline = 0;

	for (;;) {
		ssize_t n = channel_recv(t->ch, buf, len);
		int r;

		if (n != -EAGAIN) {
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

		(void)listen_control(t);
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

int transfer_finish(struct transfer *t, const struct wait *w, struct reply *ret)
{
	struct control *c = t->c;
	int64_t timeout = control_server(c)->io_timeout;
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
		r = await_verdict(t, w, timeout);
	}
	if (r == 0) {
		if (is_refusal(&t->final)) {
			note_reuse(t, &t->final);
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
