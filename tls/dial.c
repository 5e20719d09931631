/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

void endpoint_format(const struct endpoint *e, char text[static ENDPOINT_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (e->addr.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)&e->addr;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, ENDPOINT_TEXT, "[%s]:%u", host, endpoint_port(e));
	} else {
		const struct sockaddr_in *in = (const void *)&e->addr;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, ENDPOINT_TEXT, "%s:%u", host, endpoint_port(e));
	}
}

uint16_t endpoint_port(const struct endpoint *e)
{
	/* sin_port and sin6_port lie in the same place. */
	return ntohs(((const struct sockaddr_in *)(const void *)&e->addr)->sin_port);
}

void endpoint_set_port(struct endpoint *e, uint16_t port)
{
	((struct sockaddr_in *)(void *)&e->addr)->sin_port = htons(port);
}

int endpoint_local(int fd, struct endpoint *ret)
{
	struct endpoint e = { .len = sizeof(e.addr) };

	if (getsockname(fd, (struct sockaddr *)&e.addr, &e.len) < 0) {
		return -errno;
	}
	*ret = e;
	return 0;
}

int endpoint_peer(int fd, struct endpoint *ret)
{
	struct endpoint e = { .len = sizeof(e.addr) };

	if (getpeername(fd, (struct sockaddr *)&e.addr, &e.len) < 0) {
		return -errno;
	}
	*ret = e;
	return 0;
}

/* Shared by the asker and the resolver thread; the last one to leave frees. */
struct question {
	struct mutex lock;
	struct cond answered;
	int refs GUARDED_BY(lock);
	bool done GUARDED_BY(lock);
	int error; /* of getaddrinfo */
	struct addrinfo *result;
	struct addrinfo hints;
	char port[8];
	char host[];
};

static void question_unref(struct question *q)
{
	bool last;

	mutex_lock(&q->lock);
	last = --q->refs == 0;
	mutex_unlock(&q->lock);
	if (!last) {
		return;
	}
	if (q->result) {
		freeaddrinfo(q->result);
	}
	cond_finish(&q->answered);
	mutex_finish(&q->lock);
	free(q);
}

static void *question_thread(void *arg)
{
	struct question *q = arg;
	struct addrinfo *result = NULL;
	int error = getaddrinfo(q->host, q->port, &q->hints, &result);

	mutex_lock(&q->lock);
	q->error = error;
	q->result = error ? NULL : result;
	q->done = true;
	cond_broadcast(&q->answered);
	mutex_unlock(&q->lock);
	question_unref(q);
	return NULL;
}

static int question_ask(const char *host, uint16_t port, int family,
			struct question **ret)
{
	size_t len = strlen(host) + 1;
	struct question *q = calloc(1, sizeof(*q) + len);
	pthread_t thread;
	int r;

	if (!q) {
		return -ENOMEM;
	}
	memcpy(q->host, host, len);
	snprintf(q->port, sizeof(q->port), "%u", port);
	q->hints.ai_family = family;
	q->hints.ai_socktype = SOCK_STREAM;
	q->hints.ai_flags = AI_NUMERICSERV;
	mutex_init(&q->lock);
	cond_init(&q->answered);
	mutex_lock(&q->lock);
	q->refs = 2;
	mutex_unlock(&q->lock);
	r = pthread_create(&thread, NULL, question_thread, q);
	if (r) {
		question_unref(q);
		question_unref(q);
		return -r;
	}
	pthread_detach(thread);
	*ret = q;
	return 0;
}

static int question_await(struct question *q, const struct wait *w, int64_t deadline)
{
	int r = 0;

	mutex_lock(&q->lock);
	while (!q->done && r == 0) {
		r = cond_wait(&q->answered, &q->lock, w, deadline);
	}
	if (q->done) {
		r = 0;
	}
	mutex_unlock(&q->lock);
	return r;
}

int dial_resolve(const char *host, uint16_t port, int family, const struct wait *w,
		 int64_t deadline, struct endpoints *ret, struct words *words)
{
	struct endpoints found = { 0 };
	struct question *q = NULL;
	int r = question_ask(host, port, family, &q);

	if (r < 0) {
		return r;
	}
	r = question_await(q, w, deadline);
	if (r == -ETIMEDOUT) {
		words_set(words,
			  "the name %s could not be resolved in time: is the name server "
			  "reachable?",
			  host);
	} else if (r == 0 && q->error) {
		r = q->error == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
		words_set(words,
			  "unknown host %s: %s; check the spelling of the server's name",
			  host, gai_strerror(q->error));
	} else if (r == 0) {
		for (struct addrinfo *a = q->result; a && found.n < ENDPOINTS_MAX;
		     a = a->ai_next) {
			memcpy(&found.v[found.n].addr, a->ai_addr, a->ai_addrlen);
			found.v[found.n++].len = a->ai_addrlen;
		}
		*ret = found;
	}
	question_unref(q);
	return r;
}

static void tune(int fd)
{
	const int on = 1, idle = 30, interval = 10, count = 3;

	/* Tuning only: a socket without these still works. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

int dial_connect(const struct endpoint *to, const struct endpoint *from,
		 const struct wait *w, int64_t deadline, int *ret_fd)
{
	_cleanup_close_ int fd =
		socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       IPPROTO_TCP);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0, r;
	socklen_t len = sizeof(error);

	if (fd < 0) {
		return -errno;
	}
	if (from && bind(fd, (const struct sockaddr *)&from->addr, from->len) < 0) {
		return -errno;
	}
	tune(fd);
	if (connect(fd, (const struct sockaddr *)&to->addr, to->len) < 0) {
		if (errno != EINPROGRESS) {
			return -errno;
		}
		r = wait_poll(w, &p, 1, deadline);
		if (r < 0) {
			return r;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
			return -errno;
		}
		if (error) {
			return -error;
		}
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}
