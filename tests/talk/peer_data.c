/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scripted peer's data connections, and the dialogues that most scripts share. */
#include "peer_private.h"

#include <errno.h>
#include <string.h>

static int64_t step(void)
{
	return now_ms() + PEER_STEP_MS;
}

uint16_t peer_listen(struct session *c)
{
	if (c->failed) {
		return 0;
	}
	close_fd(&c->listener);
	c->listener = peer_listen_any(&c->data_port);
	return c->data_port;
}

uint16_t peer_closed_port(void)
{
	uint16_t port;

	close(peer_listen_any(&port));
	return port;
}

void peer_epsv(struct session *c)
{
	peer_expect(c, "EPSV");
	peer_say(c, "229 Entering Extended Passive Mode (|||%u|)", peer_listen(c));
}

void peer_pasv(struct session *c, const char *host)
{
	uint16_t port;

	peer_expect(c, "PASV");
	port = peer_listen(c);
	peer_say(c, "227 Entering Passive Mode (%s,%u,%u).", host, port >> 8, port & 255);
}

void peer_data_accept(struct session *c)
{
	int fd;

	if (c->failed) {
		return;
	}
	wire_close(&c->data, WIRE_FIN);
	fd = peer_accept_any(c->listener, &c->wait, step());
	if (fd < 0) {
		peer_fail(c, "no data connection: %s", strerror(-fd));
		return;
	}
	wire_init(&c->data, fd);
	close_fd(&c->listener);
	c->listener = -1;
}

static int data_tls(struct session *c, unsigned flags)
{
	struct peer *p = c->peer;
	bool other = flags & PEER_OTHER_CERT;
	bool tickets = !p->config.no_tickets && !(flags & PEER_NO_RESUME);
	int r = wire_start_tls(&c->data, other ? &p->other : &p->identity, p->priority,
			       tickets, &c->wait, step());

	if (r == 0) {
		mutex_lock(&p->lock);
		p->facts.data++;
		p->facts.data_resumed += gnutls_session_is_resumed(c->data.tls) != 0;
		mutex_unlock(&p->lock);
	}
	return r;
}

void peer_data_tls_as(struct session *c, unsigned flags)
{
	int r;

	if (c->failed) {
		return;
	}
	r = data_tls(c, flags);
	if (r < 0) {
		peer_fail(c, "TLS handshake of the data connection: %s", strerror(-r));
	}
}

void peer_data_tls(struct session *c)
{
	peer_data_tls_as(c, 0);
}

void peer_data_tls_fails(struct session *c, unsigned flags)
{
	if (!c->failed && data_tls(c, flags) != -EPROTO) {
		peer_fail(c, "expected the client to break the data handshake off");
	}
}

void peer_data_send(struct session *c, const void *data, size_t len)
{
	int r;

	if (c->failed) {
		return;
	}
	r = wire_send(&c->data, data, len, &c->wait, step());
	if (r < 0) {
		peer_fail(c, "cannot send data: %s", strerror(-r));
	}
}

void peer_data_text(struct session *c, const char *text)
{
	peer_data_send(c, text, strlen(text));
}

size_t peer_data_recv(struct session *c, void *buf, size_t len, int *ret_end)
{
	size_t got = 0;
	ssize_t n = 1;

	while (!c->failed && got < len) {
		n = wire_recv(&c->data, (char *)buf + got, len - got, &c->wait, step());
		if (n == -ETIMEDOUT || n == -EINTR) {
			peer_fail(c, "no data: %s", strerror((int)-n));
		}
		if (n <= 0) {
			break;
		}
		got += (size_t)n;
	}
	if (ret_end) {
		*ret_end = (int)n;
	}
	return got;
}

int peer_data_await_close(struct session *c)
{
	int r;

	if (c->failed) {
		return -ECANCELED;
	}
	r = wire_await_close(&c->data, &c->wait, step());
	if (r == -ETIMEDOUT) {
		peer_fail(c, "the client did not close the data connection");
	}
	return r;
}

void peer_data_await_reset(struct session *c)
{
	struct pollfd p = { .fd = c->data.fd };

	if (!c->failed && wait_poll(&c->wait, &p, 1, step()) < 0) {
		peer_fail(c, "the client did not reset the data connection");
	}
}

void peer_data_notify(struct session *c)
{
	if (!c->failed) {
		(void)gnutls_bye(c->data.tls, GNUTLS_SHUT_WR);
	}
}

void peer_data_end(struct session *c, enum wire_end how)
{
	if (!c->failed) {
		wire_close(&c->data, how);
	}
}

/* ---- the usual dialogues ---- */

void peer_greet(struct session *c)
{
	if (c->peer->config.implicit) {
		peer_start_tls(c);
		peer_say(c, "220 ready");
		return;
	}
	peer_say(c, "220 ready");
	peer_answer(c, "AUTH TLS", "234 go ahead");
	peer_start_tls(c);
}

static bool comes_along(const struct session *c, const char *line)
{
	size_t n = strlen(line);

	return c->wire.end - c->wire.at >= n &&
	       memcmp(c->wire.in + c->wire.at, line, n) == 0;
}

void peer_settings(struct session *c)
{
	struct peer *p = c->peer;
	bool known;

	peer_answer(c, "PBSZ 0", "200 PBSZ 0");
	peer_answer(c, "PROT P", "200 protected");
	peer_answer(c, "TYPE I", "200 binary");
	peer_answer(c, "PWD", "257 \"/\" is where you are");
	mutex_lock(&p->lock);
	known = p->feat_known;
	p->feat_known = true;
	mutex_unlock(&p->lock);
	/* Logins that run side by side each ask, in the same record as PWD. */
	if (!known || comes_along(c, "FEAT")) {
		peer_answer(c, "FEAT", p->config.feat ? p->config.feat : PEER_FEAT);
		if (comes_along(c, "OPTS UTF8 ON")) {
			peer_answer(c, "OPTS UTF8 ON", "200 always");
		}
	}
}

void peer_login(struct session *c)
{
	peer_greet(c);
	peer_answer(c, "USER alice", "331 password?");
	peer_answer(c, "PASS s3cret-Pass", "230 welcome");
	peer_settings(c);
}

void peer_download(struct session *c, const char *command, const char *text)
{
	peer_epsv(c);
	peer_expect(c, command);
	peer_say(c, "150 here it comes");
	peer_data_accept(c);
	peer_data_tls(c);
	peer_data_text(c, text);
	peer_data_end(c, WIRE_NOTIFY);
	peer_say(c, "226 done");
}

size_t peer_upload(struct session *c, const char *command, void *buf, size_t len)
{
	size_t got;
	int end;

	peer_epsv(c);
	peer_expect(c, command);
	peer_say(c, "150 send it");
	peer_data_accept(c);
	peer_data_tls(c);
	got = peer_data_recv(c, buf, len, &end);
	if (!c->failed && end != 0) {
		peer_fail(c,
			  "the upload ended without close_notify, or was longer than %zu",
			  len);
	}
	return got;
}
