/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket of a control connection, and what a login that fails teaches for the next. */
#include "net/control.h"
#include "tls/dial.h"
#include "tls/proxy.h"

#include <errno.h>
#include <string.h>

static void dial_words(const struct endpoint *at, const struct server *s, int r,
		       struct words *words)
{
	char text[ENDPOINT_TEXT];

	endpoint_format(at, text);
	if (r == -ECONNREFUSED) {
		words_set(words,
			  "%s (%s) refused the connection: does an FTPS server listen on "
			  "port %u there?",
			  s->host, text, s->port);
	} else if (r == -ETIMEDOUT) {
		words_set(words,
			  "%s (%s) did not answer within %d s: it is down, or a firewall "
			  "drops port %u",
			  s->host, text, (int)(s->connect_timeout / 1000), s->port);
	} else if (r == -EHOSTUNREACH) {
		words_set(words,
			  "cannot connect to %s (%s): %s; the network is down, or a "
			  "firewall "
			  "prohibits port %u",
			  s->host, text, strerror(-r), s->port);
	} else if (s->bind && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) {
		words_set(words,
			  r == -EAFNOSUPPORT ? "bind=%s: %s has no address of that kind"
					     : "bind=%s is not an address of this "
					       "machine: cannot connect to %s from it",
			  s->bind, s->host);
	} else {
		words_set(words, "cannot connect to %s (%s): %s", s->host, text,
			  strerror(-r));
	}
}

int control_dial(const struct server *s, struct endpoints *to, const struct wait *w,
		 int *ret_fd, struct words *words)
{
	int64_t deadline = now_ms() + s->connect_timeout;
	struct endpoint from;
	int r;

	if (s->bind && endpoint_parse(s->bind, 0, &from) < 0) {
		words_set(words, "bind=%s is not an address of this machine", s->bind);
		return -EADDRNOTAVAIL;
	}
	if (s->proxy) {
		/* It resolves the name, too: `to` is not looked at. */
		return proxy_connect(s->proxy, s->proxy_password, s->host, s->port,
				     s->bind ? &from : NULL, w, deadline, ret_fd, words);
	}
	r = dial_race(to, s->bind ? &from : NULL, w, deadline, ret_fd);
	if (r < 0) {
		dial_words(&to->v[0], s, r, words);
		to->n = 0;
	}
	return r;
}

/* A wrong password is told once: servers count. */
static bool lesson_helps(int r)
{
	return r < 0 && r != -EINTR && r != -EACCES && r != -EUSERS;
}

int control_open(const struct server *server, struct host *host, struct endpoints *to,
		 const struct wait *w, struct control **ret, struct words *words)
{
	const struct {
		_Atomic bool *learnt;
		const char *text;
	} lessons[] = {
		{ &host->slow_auth, "is slow after AUTH: waiting a moment" },
		{ &host->greets_first, "greets before implicit TLS: handshake after it" },
		{ &host->no_pipeline, "mixes up pipelined commands: one at a time" },
	};
	bool known[ARRAY_LEN(lessons)];
	int r;

	for (size_t i = 0; i < ARRAY_LEN(lessons); i++) {
		known[i] = *lessons[i].learnt;
	}
	r = control_dial_and_login(server, host, to, w, ret, words);
	for (size_t i = 0; i < ARRAY_LEN(lessons) && lesson_helps(r); i++) {
		if (!known[i] && *lessons[i].learnt) {
			hook_printf(server->hook, LEVEL_INFO, "%s %s", server->host,
				    lessons[i].text);
			r = control_dial_and_login(server, host, to, w, ret, words);
			/* It was no lesson: the server fails all the same. */
			*lessons[i].learnt = !lesson_helps(r);
		}
	}
	return r;
}
