/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/control.h"
#include "net/path.h"
#include "net/warm.h"
#include "tls/channel.h"
#include "tls/dial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	IN_SIZE = 16 * 1024,
	/* Commands of one flight: few enough that neither side's socket buffers fill
	 * while the other does not read. */
	FLIGHT_COMMANDS = 64,
	FLIGHT_BYTES = 8 * 1024,
	/* A server that answers AUTH before it is ready for TLS (ftp-srv) takes a quick
	 * ClientHello for commands. */
	SLOW_AUTH_MS = 250,
	NOT_LOGGED_IN = 530,
	CLOSE_NOTIFY_MS = 3000, /* the server's, after CCC; some never send it */
};

struct control {
	const struct server *server;
	struct host *host;
	struct channel *ch;
	unsigned id; /* for the trace: its local port */
	struct reply_parser parser;
	size_t in_at, in_end;
	unsigned owed;
	bool lost, said_421;
	bool clear; /* CCC was agreed on */
	uint64_t sent;
	char *home;
	struct reply entered;
	struct charset *charset; /* NULL: names pass as they are */
	int64_t last_used;
	struct warm warm;
	struct buf out;
	char in[IN_SIZE];
};

static int lose(struct control *c, int r)
{
	c->lost = true;
	return r;
}

/* ---- sending ---- */

static bool is_secret(const char *verb)
{
	return strcmp(verb, "PASS") == 0 || strcmp(verb, "ACCT") == 0;
}

static void trace_sent(struct control *c, const char *verb, const char *arg)
{
	hook_printf(c->server->hook, LEVEL_TRACE, "#%u%s > %s%s%s", c->id,
		    c->clear ? " in clear" : "", verb, arg ? " " : "",
		    !arg	      ? ""
		    : is_secret(verb) ? "****"
				      : arg);
}

static int queue(struct control *c, const char *verb, const char *arg)
{
	int r = 0;

	if (c->clear && is_secret(verb)) {
		return lose(c, -EPROTO);
	}
	r = path_command(&c->out, c->charset, verb, arg);
	if (r == 0) {
		trace_sent(c, verb, arg);
	}
	return r;
}

static int flush(struct control *c, const struct wait *w, unsigned commands)
{
	int r = c->lost ? -ENOTCONN : 0;

	/* A reply that nobody asked for (a second 226, T11; 421) would be taken for the answer
	 * to this command. */
	if (r == 0 && c->owed == 0) {
		r = control_check(c);
	}
	if (r == 0) {
		r = channel_write(c->ch, w, c->out.data, c->out.len,
				  c->server->io_timeout);
	}
	if (c->out.data) {
		explicit_bzero(c->out.data, c->out.len);
	}
	buf_clear(&c->out);
	if (r < 0) {
		return lose(c, r == -ECONNABORTED ? -ENOTCONN : r);
	}
	c->owed += commands;
	c->sent += commands;
	return 0;
}

int control_send(struct control *c, const struct wait *w, const char *verb,
		 const char *arg)
{
	int r = queue(c, verb, arg);

	return r < 0 ? r : flush(c, w, 1);
}

/* ---- receiving ---- */

static void trace_reply(struct control *c, const struct reply *reply)
{
	const char *line = reply->text;

	if (!c->server->hook || c->server->hook->level < LEVEL_TRACE) {
		return;
	}
	while (line) {
		const char *end = strchr(line, '\n');

		hook_printf(c->server->hook, LEVEL_TRACE, "#%u%s < %.*s", c->id,
			    c->clear ? " in clear" : "",
			    end ? (int)(end - line) : (int)strlen(line), line);
		line = end ? end + 1 : NULL;
	}
}

/* From what is in hand: 1 and *ret, 0 not enough, -EPROTO, -ENOMEM. */
static int parse(struct control *c, struct reply *ret)
{
	struct reply reply = { 0 };
	bool done = false;
	ssize_t n;

	if (c->in_at == c->in_end) {
		return 0;
	}
	n = reply_parse(&c->parser, c->in + c->in_at, c->in_end - c->in_at, &done,
			&reply);
	if (n < 0) {
		return lose(c, (int)n);
	}
	c->in_at += (size_t)n;
	if (!done) {
		return 0;
	}
	trace_reply(c, &reply);
	c->last_used = now_ms();
	if (!reply_is(&reply, 1) && c->owed) {
		c->owed--;
	}
	if (reply.code == 421) {
		c->lost = c->said_421 =
			true; /* the server closes it (RFC 959), whatever we do */
	}
	*ret = reply;
	return 1;
}

int control_try_read(struct control *c, struct reply *ret)
{
	for (;;) {
		int r = parse(c, ret);
		ssize_t n;

		if (r != 0) {
			return r;
		}
		n = channel_recv(c->ch, c->in, sizeof(c->in));
		if (n == -EAGAIN) {
			return 0;
		}
		if (n <= 0) {
			return lose(c, n == -EPROTO ? -EPROTO : -ENOTCONN);
		}
		c->in_at = 0;
		c->in_end = (size_t)n;
	}
}

int control_read(struct control *c, const struct wait *w, int64_t deadline,
		 struct reply *ret)
{
	for (;;) {
		struct pollfd p = { .fd = control_fd(c), .events = POLLIN };
		int r;

		/* Also here: a server that never pauses would keep us from wait_poll(). */
		if (now_ms() >= deadline || wait_cancelled(w)) {
			return lose(c, wait_cancelled(w) ? -EINTR : -ETIMEDOUT);
		}
		r = control_try_read(c, ret);
		if (r != 0) {
			return r < 0 ? r : 0;
		}
		r = wait_poll(w, &p, 1, deadline);
		if (r < 0) {
			return lose(c, r);
		}
	}
}

/* The final reply: 1yz before it are only remarks here. */
static int read_final(struct control *c, const struct wait *w, int64_t timeout,
		      struct reply *ret)
{
	int64_t deadline = now_ms() + timeout;

	for (int remarks = 0; remarks < CONTROL_REMARKS_MAX; remarks++) {
		struct reply reply = { 0 };
		int r = control_read(c, w, deadline, &reply);

		if (r < 0) {
			return r;
		}
		if (!reply_is(&reply, 1)) {
			*ret = reply;
			return 0;
		}
		reply_release(&reply);
	}
	return lose(c, -EPROTO);
}

int control_command_within(struct control *c, const struct wait *w, const char *verb,
			   const char *arg, int64_t timeout, struct reply *ret)
{
	int r = control_send(c, w, verb, arg);

	return r < 0 ? r : read_final(c, w, timeout, ret);
}

int control_command(struct control *c, const struct wait *w, const char *verb,
		    const char *arg, struct reply *ret)
{
	return control_command_within(c, w, verb, arg, c->server->io_timeout, ret);
}

int control_command_long(struct control *c, const struct wait *w, const char *verb,
			 const char *arg, struct reply *ret)
{
	int r;

	c->parser.listing = true;
	r = control_command(c, w, verb, arg, ret);
	c->parser.listing = false;
	return r;
}

int control_resync(struct control *c, const struct wait *w, int64_t deadline)
{
	int r = control_send(c, w, "NOOP", NULL);

	for (int i = 0; r == 0 && i < 4; i++) {
		_cleanup_reply_ struct reply reply = { 0 };

		r = control_read(c, w, deadline, &reply);
		if (r == 0 && reply.code == 200) {
			c->owed = 0;
			return 0;
		}
	}
	return lose(c, r < 0 ? r : -EPROTO);
}

/* ---- batches ---- */

bool control_pipelines(const struct control *c)
{
	/* Middleboxes that read clear channels expect one command a packet (T46). */
	return channel_is_tls(c->ch) && c->server->pipelining != TRI_NO &&
	       !c->host->no_pipeline;
}

/* Queues as many as fit one flight; returns how many, or the first one's error. */
static int queue_flight(struct control *c, const struct command *cmds, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < FLIGHT_COMMANDS && c->out.len < FLIGHT_BYTES; i++) {
		int r = queue(c, cmds[i].verb, cmds[i].arg);

		if (r < 0) {
			buf_clear(&c->out);
			return r;
		}
	}
	return (int)i;
}

int control_send_all(struct control *c, const struct wait *w, const struct command *cmds,
		     size_t n)
{
	int flight = queue_flight(c, cmds, n);

	return flight < 0 ? flight : flush(c, w, (unsigned)flight);
}

/* A 530 to one of the first `login` commands is the last reply that is waited for. */
static int batch(struct control *c, const struct wait *w, const struct command *cmds,
		 size_t n, int64_t timeout, size_t login, struct reply *replies)
{
	/* One flight after another, or one command after another. */
	size_t step = control_pipelines(c) ? FLIGHT_COMMANDS : 1;

	memset(replies, 0, n * sizeof(*replies));
	for (size_t done = 0; done < n;) {
		int flight = queue_flight(c, cmds + done, MIN(n - done, step));
		int r = flight < 0 ? flight : flush(c, w, (unsigned)flight);

		for (int i = 0; r == 0 && i < flight; i++, done++) {
			r = read_final(c, w, timeout, &replies[done]);
			if (r == -ETIMEDOUT && i > 0) {
				/* It answered the first and lost the rest. */
				c->host->no_pipeline = true;
			}
			if (r == 0 && done < login &&
			    replies[done].code == NOT_LOGGED_IN) {
				return 0;
			}
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int control_batch(struct control *c, const struct wait *w, const struct command *cmds,
		  size_t n, struct reply *replies)
{
	return batch(c, w, cmds, n, c->server->io_timeout, 0, replies);
}

int control_batch_login(struct control *c, const struct wait *w,
			const struct command *cmds, size_t n, size_t login,
			int64_t timeout, struct reply *replies)
{
	return batch(c, w, cmds, n, timeout, login, replies);
}

/* ---- life ---- */

int control_start_tls(struct control *c, const struct wait *w, struct words *words)
{
	int r;

	if (c->host->slow_auth && c->server->tls == TLS_EXPLICIT) {
		r = wait_sleep(w, now_ms() + SLOW_AUTH_MS);
		if (r < 0) {
			return lose(c, r);
		}
	}
	if (c->in_at != c->in_end) {
		words_set(words, "the server sent bytes behind its answer to AUTH: "
				 "refused, since somebody may "
				 "have put them there");
		return lose(c, -EPROTO);
	}
	r = channel_start_tls(c->ch, c->server->trust, c->server->host, NULL, false);
	if (r == 0) {
		r = channel_handshake_wait(c->ch, w,
					   now_ms() + c->server->connect_timeout);
	}
	if (r < 0) {
		words_set(words, "%s", channel_words(c->ch));
		if (c->server->tls == TLS_EXPLICIT && channel_saw_refusal(c->ch)) {
			c->host->slow_auth = true;
		}
		if (c->server->tls == TLS_IMPLICIT && channel_saw_greeting(c->ch)) {
			c->host->greets_first = true;
		}
		return lose(c, r == -ECONNABORTED ? -ENOTCONN : r);
	}
	return 0;
}

int control_stop_tls(struct control *c, const struct wait *w, struct words *words)
{
	int r = -EPROTO;

	if (c->in_at != c->in_end || channel_pending(c->ch)) {
		words_set(words, "the server sent more behind its answer to CCC");
	} else {
		r = channel_stop_tls(c->ch, w, now_ms() + CLOSE_NOTIFY_MS);
		if (r < 0 && r != -EINTR) {
			words_set(words,
				  "the way back to clear text after CCC failed: %s",
				  channel_words(c->ch)[0] ? channel_words(c->ch)
							  : strerror(-r));
		}
	}
	if (r < 0) {
		return lose(c, r == -ECONNABORTED ? -ENOTCONN : r);
	}
	c->clear = true;
	return 0;
}

bool control_is_clear(const struct control *c)
{
	return c->clear;
}

int control_dial_and_login(const struct server *server, struct host *host,
			   struct endpoints *to, const struct wait *w,
			   struct control **ret, struct words *words)
{
	struct control *c;
	struct endpoint local;
	int fd, r = control_dial(server, to, w, &fd, words);

	if (r < 0) {
		return r;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->server = server;
	c->host = host;
	c->out.limit = 2 * FLIGHT_BYTES + PATH_COMMAND_MAX;
	c->id = endpoint_local(fd, &local) == 0 ? endpoint_port(&local) : 0;
	r = channel_new(fd, CHANNEL_CONTROL, &c->ch);
	if (r == 0) {
		r = charset_new(server->charset, &c->charset);
	}
	if (r == 0) {
		r = control_login(c, w, words);
	}
	if (r < 0) {
		control_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void control_close(struct control *c)
{
	if (!c) {
		return;
	}
	if (c->ch && !c->lost && c->owed == 0 && queue(c, "QUIT", NULL) == 0) {
		/* One try each, no waiting: the socket's buffer has room or it does not
		 * matter. */
		(void)channel_send(c->ch, c->out.data, c->out.len);
		(void)channel_finish_write(c->ch, NULL, 0);
	}
	warm_drop(c);
	channel_free(c->ch, false);
	reply_parser_release(&c->parser);
	buf_release(&c->out);
	charset_free(c->charset);
	free(c->home);
	reply_release(&c->entered);
	free(c);
}

void control_kill(struct control *c)
{
	channel_kill(c->ch);
}

bool control_alive(const struct control *c)
{
	return !c->lost;
}

void control_set_lost(struct control *c)
{
	c->lost = true;
}

unsigned control_owed(const struct control *c)
{
	return c->owed;
}

uint64_t control_sent(const struct control *c)
{
	return c->sent;
}

bool control_said_421(const struct control *c)
{
	return c->said_421;
}

int control_check(struct control *c)
{
	struct reply reply = { 0 };
	int r;

	if (c->lost || c->owed) {
		return -ENOTCONN;
	}
	/* Whatever an idle server says beside tickets is good-bye (421), or a reply that
	 * nobody asked for. */
	r = control_try_read(c, &reply);
	if (r > 0) {
		reply_release(&reply);
		return lose(c, -ENOTCONN);
	}
	return r < 0 ? -ENOTCONN : 0;
}

int control_fd(const struct control *c)
{
	return channel_fd(c->ch);
}

bool control_pending(const struct control *c)
{
	return c->in_at != c->in_end || channel_pending(c->ch);
}

struct warm *control_warm(struct control *c)
{
	return &c->warm;
}

struct channel *control_channel(struct control *c)
{
	return c->ch;
}

const struct server *control_server(const struct control *c)
{
	return c->server;
}

struct host *control_host(const struct control *c)
{
	return c->host;
}

const struct charset *control_charset(const struct control *c)
{
	return c->charset;
}

const char *control_home(const struct control *c)
{
	return c->home;
}

const struct reply *control_entered(const struct control *c)
{
	return &c->entered;
}

void control_set_entered(struct control *c, struct reply *take)
{
	reply_release(&c->entered);
	c->entered = *take;
	*take = (struct reply){ 0 };
}

int64_t control_last_used(const struct control *c)
{
	return c->last_used;
}

/* ---- the directory ---- */

int control_set_home(struct control *c, const struct reply *pwd)
{
	_cleanup_free_ char *raw = reply_path(pwd), *path = NULL;
	char *clean;

	if (raw && charset_decode(c->charset, raw, &path) < 0) {
		return -ENOMEM;
	}

	/* A server that does not say where we are: absolute paths then start at its root.
	 */
	clean = path_clean(path && path[0] == '/' ? path : "/");
	if (!clean) {
		return -ENOMEM;
	}
	free(c->home);
	c->home = clean;
	return 0;
}
