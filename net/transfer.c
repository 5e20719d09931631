/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/data.h"
#include "net/transfer_private.h"
#include "net/warm.h"
#include "tls/channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	/* How long to wait for 150 before the handshake: most servers say it first, some
	 * only after the handshake (Idea FTP Server, pyftpdlib at times). */
	PRELIMINARY_MS = 300,
	DOUBT_MS = 500, /* for its word on a ClientHello that came too early */
	LATE_MS = 1000, /* for a server's connection behind the verdict on it */
};

void transfer_free(struct transfer *t, bool reset)
{
	if (t) {
		if (t->ch) {
			channel_pass_session(t->ch, control_channel(t->c));
		}
		channel_free(t->ch, reset);
		active_free(t->active);
		reply_release(&t->final);
		reply_release(&t->rest_refusal);
		free(t);
	}
}

/* ---- start ---- */

/* Servers that demand session reuse let the handshake succeed and refuse afterwards, some (ProFTPD)
 * without saying why. */
void transfer_note_reuse(struct transfer *t, const struct reply *reply)
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

/* A final reply while some of the commands in front are unanswered. */
static void take_ahead(struct transfer *t, struct reply *reply)
{
	bool rest = t->rest && t->at_ahead + 1 == t->n_ahead;

	if (!rest) {
		t->ahead[t->at_ahead] = *reply;
	} else if (reply->code != 350) {
		t->rest_refusal = *reply;
	} else {
		reply_release(reply);
	}
	t->at_ahead++;
}

int transfer_listen(struct transfer *t)
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
		if (t->at_ahead < t->n_ahead && !reply_is(&reply, 1)) {
			take_ahead(t, &reply);
			continue;
		}
		if (reply_is(&reply, 1)) {
			t->started = t->at_ahead == t->n_ahead;
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

int transfer_await(struct transfer *t, const struct wait *w, short events,
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

		r = transfer_listen(t);
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

/* Whether the ClientHello may go out with the command. The first time on a download, which can
 * be tried again on another connection. */
static bool speaks_early(const struct transfer *t)
{
	const struct server *s = control_server(t->c);
	unsigned known = control_host(t->c)->early_hello;

	return !t->active && s->prewarm != TRI_NO && !s->proxy &&
	       control_pipelines(t->c) &&
	       (known == TRI_YES || (known == TRI_AUTO && !t->upload && s->retry > 0));
}

static int start_tls(struct transfer *t)
{
	const struct server *s = control_server(t->c);

	return channel_start_tls(t->ch, s->trust, s->host, control_channel(t->c),
				 s->session_reuse != TRI_NO);
}

/* The handshake, begun at once where the host takes it, else once 150 has come or a moment has
 * passed; then 150, if it is still to come, a moment long. 0, 1 refused, negative. */
static int start_data(struct transfer *t, const struct wait *w, bool tls)
{
	const struct server *s = control_server(t->c);
	int64_t patience = now_ms() + (tls ? (int64_t)PRELIMINARY_MS : s->io_timeout);
	int64_t deadline = now_ms() + s->io_timeout;
	bool shaking = false, done = false;

	t->early = tls && speaks_early(t);
	for (;;) {
		int r = transfer_listen(t);
		bool told = t->started || t->has_final || now_ms() >= patience;

		if (r != 0 || t->rest_refusal.code) {
			return r != 0 ? r : -EREMOTEIO;
		}
		if (t->deaf) {
			return -ENOTCONN;
		}
		if (told && (!tls || done)) {
			return 0;
		}
		if (!shaking && tls && (told || t->early)) {
			r = start_tls(t);
			if (r < 0) {
				return r;
			}
			shaking = true;
		}
		if (shaking && !done) {
			r = channel_handshake(t->ch);
			if (r < 0 && r != -EAGAIN) {
				return r;
			}
			done = r == 0;
			if (done && !t->early) {
				return 0;
			}
			if (done) {
				patience = now_ms() + PRELIMINARY_MS;
				continue;
			}
		}
		r = transfer_await(t, w, shaking && !done ? channel_events(t->ch) : 0,
				   shaking && !done ? deadline : patience);
		if (r < 0 && (r != -ETIMEDOUT || !tls || (shaking && !done))) {
			return r;
		}
	}
}

/* A refused REST with the command right behind it: the transfer begins at byte 0, so it must
 * end. 1 and REST's reply in t->final. */
static int undo_rest(struct transfer *t, const struct wait *w)
{
	int64_t deadline = now_ms() + VERDICT_MS;

	channel_free(t->ch, true);
	t->ch = NULL;
	while (!t->deaf && !t->has_final) {
		struct reply reply = { 0 };

		if (control_read(t->c, w, deadline, &reply) < 0) {
			break; /* lost, which is as good an end */
		}
		t->has_final = !reply_is(&reply, 1);
		reply_release(&reply);
	}
	reply_release(&t->final);
	t->final = t->rest_refusal;
	t->rest_refusal = (struct reply){ 0 };
	t->has_final = true;
	if (!is_refusal(&t->final)) {
		t->final.code = 501; /* 2yz to REST: it did not understand it as one */
	}
	return 1;
}

/* A data connection cut at an early ClientHello, while the conversation lives: that was why.
 * Also where it had worked: it may have overtaken its command (pyftpdlib). */
static bool note_early(struct transfer *t, int r)
{
	const struct server *s = control_server(t->c);
	struct host *h = control_host(t->c);

	if (!t->early || t->deaf ||
	    (r != -ECONNABORTED && r != -EPROTO && r != -ETIMEDOUT)) {
		return false;
	}
	h->early_hello = TRI_NO;
	hook_printf(s->hook, LEVEL_INFO,
		    "%s resets data connections that begin before its 150: they wait for "
		    "it from now on",
		    s->host);
	return true;
}

/* The data connection failed while starting: does the server say why? 1 and t->final, or
 * r. */
static int ask_verdict(struct transfer *t, const struct wait *w, int r,
		       struct words *words)
{
	bool doubt = note_early(t, r);
	int64_t patience = doubt ? DOUBT_MS : VERDICT_MS;

	if (r == -EKEYREJECTED || r == -EINTR || r == -ENOMEM) {
		words_set(words, "%s", channel_words(t->ch));
		return r;
	}
	words_set(words, "data connection: %s",
		  channel_words(t->ch)[0] ? channel_words(t->ch) : strerror(-r));
	channel_kill(t->ch);
	for (int64_t deadline = now_ms() + patience; !t->deaf && !t->has_final;) {
		struct reply reply = { 0 };

		if (control_read(t->c, w, deadline, &reply) < 0) {
			break;
		}
		if (reply_is(&reply, 1)) {
			reply_release(&reply);
		} else if (t->at_ahead < t->n_ahead) {
			take_ahead(t, &reply);
		} else {
			t->final = reply;
			t->has_final = true;
		}
	}
	return t->has_final && is_refusal(&t->final) ? 1 : r;
}

/* One by one, where the host or a middlebox wants it so. 0, 1: REST was refused; negative. */
static int send_slowly(struct transfer *t, const struct wait *w,
		       const struct command *cmds, size_t n)
{
	for (; t->at_ahead < t->n_ahead;) {
		const struct command *cmd = &cmds[t->at_ahead];
		struct reply reply = { 0 };
		int r = control_command(t->c, w, cmd->verb, cmd->arg, &reply);

		if (r < 0) {
			return r;
		}
		take_ahead(t, &reply);
	}
	if (t->rest_refusal.code) {
		t->has_final = true; /* nothing is under way */
		return undo_rest(t, w);
	}
	return control_send(t->c, w, cmds[n - 1].verb, cmds[n - 1].arg);
}

/* What goes in front, REST, then the command, with nothing between these two (FileZilla Server
 * forgets REST otherwise). 0, 1 refused, negative. */
static int send_command(struct transfer *t, const struct wait *w,
			const struct transfer_job *job)
{
	struct command cmds[TRANSFER_AHEAD_MAX + 2];
	char text[24];
	size_t n = 0;

	if (job->n_ahead > TRANSFER_AHEAD_MAX) {
		return -EINVAL;
	}
	while (n < job->n_ahead) {
		cmds[n] = job->ahead[n];
		job->ahead_replies[n++] = (struct reply){ 0 };
	}
	t->ahead = job->ahead_replies;
	t->rest = job->rest > 0;
	if (t->rest) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)job->rest);
		cmds[n++] = (struct command){ "REST", text };
	}
	t->n_ahead = n;
	cmds[n++] = (struct command){ job->verb, job->arg };
	/* A refused REST must not have STOR behind it: that would cut the file. */
	return control_pipelines(t->c) && !(t->rest && t->upload)
		       ? control_send_all(t->c, w, cmds, n)
		       : send_slowly(t, w, cmds, n);
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

/* What a start that has worked tells of the host. */
static void note_start(struct transfer *t)
{
	struct host *h = control_host(t->c);

	h->data_worked = true;
	if (t->early && h->early_hello == TRI_AUTO) {
		h->early_hello = TRI_YES;
	}
}

static int transfer_start(struct transfer *t, const struct wait *w,
			  const struct transfer_job *job, struct words *words)
{
	const struct server *s = control_server(t->c);
	bool tls = s->tls != TLS_NONE && !s->prot_clear;
	int r = send_command(t, w, job);

	if (r == 0) {
		r = t->active ? await_server(t, w, words) : 0;
		if (r == 0) {
			r = start_data(t, w, tls);
			r = r == -EREMOTEIO ? undo_rest(t, w)
			    : r < 0	    ? ask_verdict(t, w, r, words)
					    : r;
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
		note_start(t);
	}
	return r;
}

/* The data connection, one opened ahead if there is one, and the start. As transfer_open(). */
static int open_once(struct transfer *t, const struct wait *w,
		     const struct transfer_job *job, struct reply *refusal,
		     struct words *words)
{
	struct data data = { 0 };
	int r = warm_take(t->c, w, &t->ch);

	t->warm = t->ch != NULL;
	if (r == 0 && !t->ch) {
		r = data_open(t->c, w, &data, refusal, words);
		t->ch = data.ch;
		t->active = data.active;
	}
	if (r == 0) {
		r = transfer_start(t, w, job, words);
		if (r == 1) {
			*refusal = t->final;
			t->final = (struct reply){ 0 };
			transfer_note_reuse(t, refusal);
		}
		if (r != 0 && job->rest) {
			forget_rest(t->c, w);
		}
	}
	return r;
}

/* The connection opened ahead did not do, and the server says so. */
static bool warm_failed(const struct transfer *t, int r, const struct reply *refusal)
{
	return t->warm && r == 1 && control_alive(t->c) &&
	       (refusal->code == 425 || refusal->code == 426);
}

static void release_ahead(const struct transfer_job *job)
{
	for (size_t i = 0; i < job->n_ahead; i++) {
		reply_release(&job->ahead_replies[i]);
	}
}

int transfer_begin(struct control *c, const struct wait *w,
		   const struct transfer_job *job, struct transfer **ret,
		   struct reply *ret_refusal, struct words *words)
{
	for (;;) {
		struct transfer *t = calloc(1, sizeof(*t));
		struct reply refusal = { 0 };
		bool again;
		int r;

		if (!t) {
			return -ENOMEM;
		}
		t->c = c;
		t->upload = is_upload(job->verb);
		r = open_once(t, w, job, &refusal, words);
		if (r == 0) {
			*ret = t;
			return 0;
		}
		again = warm_failed(t, r, &refusal);
		transfer_free(t, true);
		if (!again) {
			if (r == 1) {
				*ret_refusal = refusal;
			}
			return r;
		}
		warm_hold(c, reply_words(&refusal));
		reply_release(&refusal);
		release_ahead(job);
	}
}

int transfer_open(struct control *c, const struct wait *w, const char *verb,
		  const char *arg, uint64_t rest, struct transfer **ret,
		  struct reply *ret_refusal, struct words *words)
{
	const struct transfer_job job = { .verb = verb, .arg = arg, .rest = rest };

	return transfer_begin(c, w, &job, ret, ret_refusal, words);
}
