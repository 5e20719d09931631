/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peer_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { FINISH_MS = 8000, TRANSCRIPT_MAX = 512 * 1024 };

const char PEER_FEAT[] =
	"211-Features:\n MLST type*;size*;modify*;perm*;UNIX.mode*;\n REST STREAM\n"
	" SIZE\n MDTM\n MFMT\n211 End";

/* ---- transcript ---- */

static void note(struct peer *p, unsigned nth, char mark, const char *text)
{
	mutex_lock(&p->lock);
	(void)buf_printf(&p->transcript, "%u %c %s\n", nth, mark, text);
	mutex_unlock(&p->lock);
}

void peer_fail(struct session *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (c->failed) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note(c->peer, c->nth, '!', text);
	mutex_lock(&c->peer->lock);
	c->peer->failed = true;
	mutex_unlock(&c->peer->lock);
	c->failed = true;
	wire_close(&c->wire, WIRE_FIN);
	wire_close(&c->data, WIRE_FIN);
	close_fd(&c->listener);
	c->listener = -1;
}

void peer_print(struct peer *p)
{
	mutex_lock(&p->lock);
	fprintf(stderr,
		"--- transcript (connection, < received, > said, ! failed)\n%.*s---\n",
		(int)p->transcript.len, p->transcript.data ? p->transcript.data : "");
	mutex_unlock(&p->lock);
}

unsigned peer_count(struct peer *p, const char *text)
{
	unsigned n = 0;
	char *line, *end;

	mutex_lock(&p->lock);
	line = (char *)(uintptr_t)buf_str(&p->transcript);
	for (; line && *line; line = end + 1) {
		char *mark = strchr(line, ' ');

		end = strchr(line, '\n');
		n += mark && mark[1] == '<' && strncmp(mark + 3, text, strlen(text)) == 0;
	}
	mutex_unlock(&p->lock);
	return n;
}

/* ---- life ---- */

static bool stopping(void *arg)
{
	struct peer *p = arg;
	bool yes;

	mutex_lock(&p->lock);
	yes = p->stopping;
	mutex_unlock(&p->lock);
	return yes;
}

int peer_listen_any(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 64) < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
		perror("listen");
		abort();
	}
	*ret_port = ntohs(at.sin_port);
	return fd;
}

int peer_accept_any(int listener, const struct wait *w, int64_t deadline)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int r = wait_poll(w, &p, 1, deadline);

	if (r < 0) {
		return r;
	}
	r = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return r < 0 ? -errno : r;
}

static void *session_thread(void *arg)
{
	struct session *c = arg;
	struct peer *p = c->peer;

	if (c->script) {
		c->script(c);
	} else {
		peer_fail(c, "a connection that no script is for");
	}
	note(p, c->nth, '.', c->failed ? "script failed" : "script ended");
	wire_close(&c->wire, WIRE_NOTIFY);
	wire_close(&c->data, WIRE_NOTIFY);
	close_fd(&c->listener);
	mutex_lock(&p->lock);
	p->running--;
	cond_broadcast(&p->changed);
	mutex_unlock(&p->lock);
	return NULL;
}

static void session_start(struct peer *p, int fd)
{
	struct session *c = calloc(1, sizeof(*c));

	mutex_lock(&p->lock);
	if (!c || p->n_sessions == SESSIONS_MAX) {
		p->failed = true;
		mutex_unlock(&p->lock);
		free(c);
		close(fd);
		return;
	}
	c->peer = p;
	c->nth = p->n_sessions;
	c->wait = (struct wait){ .cancelled = stopping, .arg = p };
	c->script = c->nth < PEER_SCRIPTS_MAX ? p->config.scripts[c->nth] : NULL;
	c->script = c->script ? c->script : p->config.more;
	wire_init(&c->wire, fd);
	c->data.fd = c->listener = -1;
	p->sessions[p->n_sessions++] = c;
	p->running++;
	if (pthread_create(&c->thread, NULL, session_thread, c) != 0) {
		abort();
	}
	mutex_unlock(&p->lock);
}

static void *accept_thread(void *arg)
{
	struct peer *p = arg;
	struct wait w = { .cancelled = stopping, .arg = p };

	for (;;) {
		int fd = peer_accept_any(p->listener, &w, now_ms() + 60000);

		if (fd >= 0) {
			session_start(p, fd);
		} else if (fd != -EAGAIN) {
			return NULL;
		}
	}
}

static void write_pem(const struct identity *id, char path[static PEER_PATH])
{
	int fd;

	snprintf(path, PEER_PATH, "/tmp/ftpsfs-talk-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, id->pem.data, id->pem.size) != (ssize_t)id->pem.size) {
		abort();
	}
	close(fd);
}

struct peer *peer_new(const struct peer_config *config)
{
	struct peer *p = calloc(1, sizeof(*p));
	const char *versions = "";

	if (!p) {
		abort();
	}
	p->config = *config;
	if (config->tls) {
		versions = strcmp(config->tls, "1.2") == 0 ? ":-VERS-ALL:+VERS-TLS1.2"
							   : ":-VERS-ALL:+VERS-TLS1.3";
	}
	snprintf(p->priority, sizeof(p->priority), "NORMAL%s", versions);
	mutex_init(&p->lock);
	cond_init(&p->changed);
	p->transcript.limit = TRANSCRIPT_MAX;
	identity_init(&p->identity);
	identity_init(&p->other);
	write_pem(&p->identity, p->cacert);
	write_pem(&p->other, p->other_cacert);
	p->listener = peer_listen_any(&p->port);
	if (pthread_create(&p->accepter, NULL, accept_thread, p) != 0) {
		abort();
	}
	return p;
}

bool peer_finish(struct peer *p)
{
	int64_t deadline = now_ms() + FINISH_MS;
	bool ok;

	if (p->finished) {
		return !p->failed;
	}
	mutex_lock(&p->lock);
	while (p->running > 0 && cond_wait(&p->changed, &p->lock, NULL, deadline) == 0) {
	}
	if (p->running > 0) {
		(void)buf_printf(&p->transcript, "! a script did not end\n");
		p->failed = true;
	}
	p->stopping = true;
	mutex_unlock(&p->lock);
	pthread_join(p->accepter, NULL);
	for (unsigned i = 0; i < p->n_sessions; i++) {
		pthread_join(p->sessions[i]->thread, NULL);
	}
	/* One more may have been on its way when the accepter stopped. */
	ok = !p->failed;
	close(p->listener);
	p->finished = true;
	return ok;
}

void peer_free(struct peer *p)
{
	if (!p) {
		return;
	}
	(void)peer_finish(p);
	for (unsigned i = 0; i < p->n_sessions; i++) {
		free(p->sessions[i]);
	}
	unlink(p->cacert);
	unlink(p->other_cacert);
	identity_finish(&p->identity);
	identity_finish(&p->other);
	buf_release(&p->transcript);
	cond_finish(&p->changed);
	mutex_finish(&p->lock);
	free(p);
}

/* ---- for the test ---- */

uint16_t peer_port(const struct peer *p)
{
	return p->port;
}

const char *peer_cacert(const struct peer *p)
{
	return p->cacert;
}

const char *peer_other_cacert(const struct peer *p)
{
	return p->other_cacert;
}

struct peer_facts peer_facts(struct peer *p)
{
	struct peer_facts facts;

	mutex_lock(&p->lock);
	facts = p->facts;
	facts.connections = p->n_sessions;
	mutex_unlock(&p->lock);
	return facts;
}

void peer_forget_feat(struct peer *p)
{
	mutex_lock(&p->lock);
	p->feat_known = false;
	mutex_unlock(&p->lock);
}

void peer_raise(struct peer *p, unsigned flag)
{
	mutex_lock(&p->lock);
	p->flags |= 1u << flag;
	cond_broadcast(&p->changed);
	mutex_unlock(&p->lock);
}

bool peer_await(struct peer *p, unsigned flag)
{
	int64_t deadline = now_ms() + PEER_STEP_MS;
	bool up;

	mutex_lock(&p->lock);
	while (!(p->flags & 1u << flag) && !p->stopping) {
		if (cond_wait(&p->changed, &p->lock, NULL, deadline) < 0) {
			break;
		}
	}
	up = p->flags & 1u << flag;
	mutex_unlock(&p->lock);
	return up;
}

/* ---- the control connection ---- */

unsigned peer_nth(const struct session *c)
{
	return c->nth;
}

struct peer *peer_of(struct session *c)
{
	return c->peer;
}

static int64_t step(void)
{
	return now_ms() + PEER_STEP_MS;
}

void peer_raw(struct session *c, const char *data, size_t len)
{
	int r;

	if (c->failed) {
		return;
	}
	r = wire_send(&c->wire, data, len, &c->wait, step());
	if (r < 0) {
		peer_fail(c, "cannot send: %s", strerror(-r));
	}
}

void peer_say(struct session *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL, *out = NULL;
	size_t n = 0;
	va_list ap;

	if (c->failed) {
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0) {
		abort();
	}
	va_end(ap);
	out = malloc(2 * strlen(text) + 2);
	if (!out) {
		abort();
	}
	for (const char *p = text; *p; p++) {
		if (*p == '\n') {
			out[n++] = '\r';
		}
		out[n++] = *p;
	}
	out[n++] = '\r';
	out[n++] = '\n';
	note(c->peer, c->nth, '>', text);
	peer_raw(c, out, n);
}

/* 1 and the line without its CR LF, 0 at the end, negative. A bare LF is part of the line. */
static int read_line(struct session *c, int64_t deadline)
{
	size_t n = 0;

	for (;;) {
		struct wire *w = &c->wire;
		ssize_t r;

		while (w->at < w->end && n < sizeof(c->line) - 1) {
			c->line[n++] = w->in[w->at++];
			if (n >= 2 && memcmp(c->line + n - 2, "\r\n", 2) == 0) {
				c->line[n - 2] = '\0';
				note(c->peer, c->nth, '<', c->line);
				return 1;
			}
		}
		if (n == sizeof(c->line) - 1) {
			return -EMSGSIZE;
		}
		r = wire_recv(w, w->in, sizeof(w->in), &c->wait, deadline);
		w->at = w->end = 0;
		if (r <= 0) {
			c->line[0] = '\0';
			note(c->peer, c->nth, '<',
			     r ? strerrorname_np((int)-r) : "(end)");
			return (int)r;
		}
		w->end = (size_t)r;
	}
}

const char *peer_expect_prefix(struct session *c, const char *prefix)
{
	int r;

	if (c->failed) {
		return "";
	}
	r = read_line(c, step());
	if (r <= 0) {
		peer_fail(c, "expected \"%s\", but: %s", prefix,
			  r ? strerror(-r) : "the end");
		return "";
	}
	if (strncmp(c->line, prefix, strlen(prefix)) != 0) {
		peer_fail(c, "expected \"%s\", got \"%s\"", prefix, c->line);
		return "";
	}
	return c->line;
}

void peer_expect(struct session *c, const char *line)
{
	const char *got = peer_expect_prefix(c, line);

	if (!c->failed && strcmp(got, line) != 0) {
		peer_fail(c, "expected \"%s\", got \"%s\"", line, got);
	}
}

void peer_answer(struct session *c, const char *line, const char *reply)
{
	peer_expect(c, line);
	peer_say(c, "%s", reply);
}

void peer_skip_flight(struct session *c)
{
	while (!c->failed && c->wire.at < c->wire.end) {
		(void)peer_expect_prefix(c, "");
	}
}

void peer_expect_quiet(struct session *c, int64_t ms)
{
	if (c->failed) {
		return;
	}
	if (c->wire.at < c->wire.end || read_line(c, now_ms() + ms) != -ETIMEDOUT) {
		peer_fail(c, "expected silence");
	}
}

void peer_expect_end(struct session *c)
{
	int r;

	if (c->failed) {
		return;
	}
	r = read_line(c, step());
	if (r == 1 || r == -ETIMEDOUT || r == -EINTR) {
		peer_fail(c, "expected the end, got \"%s\"",
			  r == 1 ? c->line : strerror(-r));
	}
}

void peer_goodbye(struct session *c)
{
	int r;

	if (c->failed) {
		return;
	}
	r = read_line(c, step());
	if (r == -ETIMEDOUT || r == -EINTR || (r == 1 && strcmp(c->line, "QUIT") != 0)) {
		peer_fail(c, "expected QUIT or the end, got \"%s\"",
			  r == 1 ? c->line : strerror(-r));
	}
	wire_close(&c->wire, WIRE_NOTIFY);
}

static int start_tls(struct session *c)
{
	struct peer *p = c->peer;
	size_t len = sizeof(p->facts.sni);
	unsigned type;
	int r = wire_start_tls(&c->wire, &p->identity, p->priority, !p->config.no_tickets,
			       &c->wait, step());

	if (r == 0) {
		mutex_lock(&p->lock);
		p->facts.sni[0] = '\0';
		(void)gnutls_server_name_get(c->wire.tls, p->facts.sni, &len, &type, 0);
		mutex_unlock(&p->lock);
	}
	note(p, c->nth, '=', r ? "TLS failed" : "TLS");
	return r;
}

void peer_start_tls(struct session *c)
{
	int r;

	if (c->failed) {
		return;
	}
	if (c->wire.at < c->wire.end) {
		peer_fail(c, "bytes in clear behind the last command before TLS");
		return;
	}
	r = start_tls(c);
	if (r < 0) {
		peer_fail(c, "TLS handshake: %s", strerror(-r));
	}
}

void peer_start_tls_fails(struct session *c)
{
	if (!c->failed && start_tls(c) != -EPROTO) {
		peer_fail(c, "expected the client to break the handshake off");
	}
}

size_t peer_flood(struct session *c, const char *text, size_t limit, int64_t ms)
{
	int64_t deadline = now_ms() + ms;
	size_t sent = 0, len = strlen(text);

	note(c->peer, c->nth, '>', "(flood)");
	while (!c->failed && sent < limit && now_ms() < deadline) {
		if (wire_send(&c->wire, text, len, &c->wait, deadline) < 0) {
			break;
		}
		sent += len;
	}
	return sent;
}

void peer_close(struct session *c, enum wire_end how)
{
	if (!c->failed) {
		note(c->peer, c->nth, '=', "close");
		wire_close(&c->wire, how);
	}
}

void peer_sleep(struct session *c, int64_t ms)
{
	if (!c->failed) {
		(void)wait_sleep(&c->wait, now_ms() + ms);
	}
}
