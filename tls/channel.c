/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/channel_private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { RENEGOTIATIONS_MAX = 3 };

int channel_new(int fd, enum channel_use use, struct channel **ret)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	if (!ch) {
		close(fd);
		return -ENOMEM;
	}
	ch->fd = fd;
	ch->use = use;
	*ret = ch;
	return 0;
}

void channel_free(struct channel *ch, bool reset)
{
	const struct linger now = { .l_onoff = 1 };

	if (!ch) {
		return;
	}
	if (reset) {
		(void)setsockopt(ch->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	if (ch->tls) {
		gnutls_deinit(ch->tls);
	}
	close(ch->fd);
	if (ch->session.data) {
		gnutls_memset(ch->session.data, 0, ch->session.size);
		gnutls_free(ch->session.data);
	}
	free(ch->peer.data);
	free(ch->ahead);
	free(ch->host);
	free(ch);
}

void channel_kill(struct channel *ch)
{
	shutdown(ch->fd, SHUT_RDWR);
}

int channel_fd(const struct channel *ch)
{
	return ch->fd;
}

short channel_events(const struct channel *ch)
{
	return ch->tls && gnutls_record_get_direction(ch->tls) == 1 ? POLLOUT : POLLIN;
}

bool channel_is_quiet(const struct channel *ch)
{
	char peek;

	return recv(ch->fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

const char *channel_words(const struct channel *ch)
{
	return ch->words.text;
}

bool channel_saw_greeting(const struct channel *ch)
{
	return ch->n_first == 3 && memcmp(ch->first, "220", 3) == 0;
}

bool channel_saw_alert(const struct channel *ch)
{
	return ch->n_first >= 2 && ch->first[0] == 0x15 && ch->first[1] == 0x03;
}

bool channel_saw_refusal(const struct channel *ch)
{
	return ch->n_first > 0 && ch->first[0] == '5';
}

void channel_note_first(struct channel *ch, const char *data, size_t len)
{
	while (ch->n_first < sizeof(ch->first) && len--) {
		ch->first[ch->n_first++] = *data++;
	}
}

int channel_await(struct channel *ch, const struct wait *w, short events,
		  int64_t deadline)
{
	struct pollfd p = { .fd = ch->fd, .events = events };
	int r = wait_poll(w, &p, 1, deadline);

	return r < 0 ? r : 0;
}

/* Renegotiation (TLS <= 1.2) is refused with a warning, a few times (T18). */
static ssize_t record_error(struct channel *ch, ssize_t r)
{
	switch (r) {
	case GNUTLS_E_AGAIN:
		return -EAGAIN;
	case GNUTLS_E_INTERRUPTED:
	case GNUTLS_E_WARNING_ALERT_RECEIVED:
		return -EINTR;
	case GNUTLS_E_REHANDSHAKE:
		if (++ch->renegotiations > RENEGOTIATIONS_MAX) {
			return -EPROTO;
		}
		(void)gnutls_alert_send(ch->tls, GNUTLS_AL_WARNING,
					GNUTLS_A_NO_RENEGOTIATION);
		return -EINTR;
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		words_set(&ch->words, "the connection was cut");
		return -ECONNABORTED;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		channel_alert_words(ch, "the connection");
		return -EPROTO;
	default:
		words_set(&ch->words, "TLS: %s", gnutls_strerror((int)r));
		return -EPROTO;
	}
}

/* ---- clear text behind TLS ---- */

enum { RECORD_HEADER = 5, PARTIAL_MS = 10 };
enum next { NEXT_NOTHING, NEXT_PARTIAL, NEXT_RECORD, NEXT_CLEAR };

/* What the kernel holds next, looked at without taking it: GnuTLS would take the first
 * bytes of clear text for the header of a record and they would be gone. */
static int peek_next(struct channel *ch, enum next *ret)
{
	unsigned char head[RECORD_HEADER];
	ssize_t n = recv(ch->fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
	int queued = 0;

	if (n == 0) {
		return -ECONNABORTED;
	}
	if (n < 0) {
		*ret = NEXT_NOTHING;
		return errno == EAGAIN || errno == EINTR ? 0 : -ECONNABORTED;
	}
	/* The content types of TLS are 20 to 24; replies begin with a digit. */
	if (head[0] < 20 || head[0] > 24) {
		*ret = NEXT_CLEAR;
		return 0;
	}
	if (n == RECORD_HEADER && ioctl(ch->fd, SIOCINQ, &queued) == 0 &&
	    queued >= RECORD_HEADER + (head[3] << 8 | head[4])) {
		*ret = NEXT_RECORD;
	} else {
		*ret = NEXT_PARTIAL;
	}
	return 0;
}

/* What came of the close_notify after we had stopped waiting for it. It cannot be deciphered
 * any more, which no longer matters: the channel is in clear. */
static int skip_late_notify(struct channel *ch)
{
	unsigned char record[RECORD_HEADER + 256];
	enum next next;
	int r = peek_next(ch, &next);

	if (r < 0 || next == NEXT_NOTHING || next == NEXT_PARTIAL) {
		return r < 0 ? r : -EAGAIN;
	}
	ch->notify_due = false;
	if (next == NEXT_RECORD) {
		ssize_t n = recv(ch->fd, record, RECORD_HEADER, 0);
		size_t len = record[3] << 8 | record[4];

		if (n != RECORD_HEADER || len > sizeof(record) - RECORD_HEADER ||
		    recv(ch->fd, record, len, 0) != (ssize_t)len) {
			return -EPROTO;
		}
	}
	return 0;
}

/* ---- bytes ---- */

static ssize_t plain_error(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN
	       : errno == EINTR			       ? -EINTR
						       : -ECONNABORTED;
}

static ssize_t plain_recv(struct channel *ch, void *buf, size_t len)
{
	ssize_t r;

	if (ch->notify_due) {
		r = skip_late_notify(ch);
		if (r < 0) {
			return r;
		}
	}
	r = recv(ch->fd, buf, len, 0);
	if (r > 0) {
		channel_note_first(ch, buf, (size_t)r);
	}
	return r < 0 ? plain_error() : r;
}

ssize_t channel_recv(struct channel *ch, void *buf, size_t len)
{
	ssize_t r;

	do {
		if (!ch->tls) {
			r = plain_recv(ch, buf, len);
		} else {
			ch->starved = false;
			r = gnutls_record_recv(ch->tls, buf, len);
			/* GNUTLS_E_AGAIN also follows a session ticket, with data right
			 * behind it that poll(2) may not know of. */
			if (r == GNUTLS_E_AGAIN && !ch->starved) {
				r = GNUTLS_E_INTERRUPTED;
			}
			if (r < 0) {
				r = record_error(ch, r);
			}
		}
	} while (r == -EINTR);
	return r;
}

ssize_t channel_send(struct channel *ch, const void *buf, size_t len)
{
	ssize_t r;

	do {
		if (!ch->tls) {
			r = send(ch->fd, buf, len, MSG_NOSIGNAL);
			if (r < 0) {
				r = plain_error();
			}
		} else {
			r = gnutls_record_send(ch->tls, buf, len);
			if (r < 0) {
				r = record_error(ch, r);
			}
		}
	} while (r == -EINTR);
	return r;
}

bool channel_pending(const struct channel *ch)
{
	return ch->tls &&
	       (gnutls_record_check_pending(ch->tls) > 0 || ch->ahead_at < ch->ahead_end);
}

int channel_write(struct channel *ch, const struct wait *w, const void *buf, size_t len,
		  int64_t timeout)
{
	const char *at = buf;
	int64_t deadline = now_ms() + timeout;

	while (len) {
		ssize_t n = channel_send(ch, at, len);

		if (n == -EAGAIN) {
			int r = channel_await(ch, w, POLLOUT, deadline);

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

/* Our close_notify: what we send afterwards is in clear. */
int channel_notify(struct channel *ch, const struct wait *w, int64_t deadline)
{
	while (!ch->notified) {
		int r = gnutls_bye(ch->tls, GNUTLS_SHUT_WR);

		if (r == GNUTLS_E_AGAIN) {
			r = channel_await(ch, w, POLLOUT, deadline);
			if (r < 0) {
				return r;
			}
		} else if (r < 0 && r != GNUTLS_E_INTERRUPTED) {
			return -ECONNABORTED;
		} else {
			ch->notified = r == 0;
		}
	}
	return 0;
}

int channel_finish_write(struct channel *ch, const struct wait *w, int64_t deadline)
{
	if (channel_is_tls(ch)) {
		int r = channel_notify(ch, w, deadline);

		if (r < 0) {
			return r;
		}
	}
	return shutdown(ch->fd, SHUT_WR) < 0 ? -ECONNABORTED : 0;
}

/* ---- back to clear text ---- */

/* Record by record until the server's close_notify, clear text, or the deadline: there are
 * servers that never send one. */
static int await_notify(struct channel *ch, const struct wait *w, int64_t deadline)
{
	for (;;) {
		enum next next;
		char sink[256];
		int r = peek_next(ch, &next);

		if (r < 0 || next == NEXT_CLEAR) {
			return r;
		}
		if (next == NEXT_RECORD) {
			ssize_t n = channel_recv(ch, sink, sizeof(sink));

			if (n == 0 || (n < 0 && n != -EAGAIN)) {
				return (int)n;
			}
			if (n > 0) {
				words_set(&ch->words, "the server sent more under TLS "
						      "where it should have ended TLS");
				return -EPROTO;
			}
			continue; /* a ticket or a warning */
		}
		r = next == NEXT_NOTHING ? channel_await(ch, w, POLLIN, deadline)
					 : wait_sleep(w, now_ms() + PARTIAL_MS);
		if (r == -ETIMEDOUT) {
			ch->notify_due = true;
			return 0;
		}
		if (r == 0 && next == NEXT_PARTIAL && now_ms() >= deadline) {
			words_set(&ch->words, "the server stopped in the middle of a "
					      "TLS record");
			r = -EPROTO;
		}
		if (r < 0) {
			return r;
		}
	}
}

int channel_stop_tls(struct channel *ch, const struct wait *w, int64_t deadline)
{
	int r;

	channel_keep_session(ch);
	r = channel_notify(ch, w, deadline);
	if (r == 0) {
		r = await_notify(ch, w, deadline);
	}
	if (r < 0) {
		return r;
	}
	gnutls_deinit(ch->tls);
	ch->tls = NULL;
	ch->tls_done = false;
	return 0;
}

/* ---- facts ---- */

bool channel_session_lent(const struct channel *ch)
{
	return ch->lent;
}

bool channel_is_tls(const struct channel *ch)
{
	return ch->tls && ch->tls_done;
}

bool channel_is_resumed(const struct channel *ch)
{
	return channel_is_tls(ch) && gnutls_session_is_resumed(ch->tls);
}

void channel_describe(const struct channel *ch, char *text, size_t size)
{
	if (!channel_is_tls(ch)) {
		snprintf(text, size, "clear");
		return;
	}
	snprintf(text, size, "%s %s%s",
		 gnutls_protocol_get_name(gnutls_protocol_get_version(ch->tls)),
		 gnutls_cipher_get_name(gnutls_cipher_get(ch->tls)),
		 channel_is_resumed(ch) ? " resumed" : "");
}
