/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void endpoint_format_host(const struct endpoint *e, char text[static ENDPOINT_TEXT])
{
	const struct sockaddr_in *in = (const void *)&e->addr;
	const struct sockaddr_in6 *in6 = (const void *)&e->addr;
	bool six = e->addr.ss_family == AF_INET6;

	if (!inet_ntop(six ? AF_INET6 : AF_INET,
		       six ? (const void *)&in6->sin6_addr : &in->sin_addr, text,
		       ENDPOINT_TEXT)) {
		strcpy(text, "?");
	}
}

void endpoint_format(const struct endpoint *e, char text[static ENDPOINT_TEXT])
{
	char host[ENDPOINT_TEXT];

	endpoint_format_host(e, host);
	snprintf(text, ENDPOINT_TEXT,
		 e->addr.ss_family == AF_INET6 ? "[%.45s]:%u" : "%.45s:%u", host,
		 endpoint_port(e));
}

int endpoint_parse(const char *text, uint16_t port, struct endpoint *ret)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	struct endpoint e = { 0 };
	struct in_addr four;

	/* getaddrinfo(3) knows zones (fe80::1%eth0), but takes "1" for 0.0.0.1, too. */
	if ((!strchr(text, ':') && inet_pton(AF_INET, text, &four) != 1) ||
	    getaddrinfo(text, "0", &hints, &found) != 0) {
		return -EINVAL;
	}
	memcpy(&e.addr, found->ai_addr, found->ai_addrlen);
	e.len = found->ai_addrlen;
	freeaddrinfo(found);
	endpoint_set_port(&e, port);
	*ret = e;
	return 0;
}

static struct in6_addr as_in6(const struct endpoint *e)
{
	struct in6_addr a = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (e->addr.ss_family == AF_INET6) {
		return ((const struct sockaddr_in6 *)(const void *)&e->addr)->sin6_addr;
	}
	memcpy(&a.s6_addr[12],
	       &((const struct sockaddr_in *)(const void *)&e->addr)->sin_addr, 4);
	return a;
}

bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b)
{
	struct in6_addr one = as_in6(a), other = as_in6(b);

	return memcmp(&one, &other, sizeof(one)) == 0;
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

/* IPv6 makes EACCES of a firewall's "prohibited", and EPERM is our own packet filter's no,
 * where IPv4 says EHOSTUNREACH. EACCES is left for what it means elsewhere: a port or a login
 * that is not for us. */
static int connect_error(int error)
{
	return error == EACCES || error == EPERM ? -EHOSTUNREACH : -error;
}

int dial_start(const struct endpoint *to, const struct endpoint *from, int *ret_fd)
{
	const int on = 1;
	_cleanup_close_ int fd =
		socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       IPPROTO_TCP);
	int r = 0;

	if (fd < 0) {
		return -errno;
	}
	if (from && endpoint_port(from) &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) {
		return -errno;
	}
	if (from && bind(fd, (const struct sockaddr *)&from->addr, from->len) < 0) {
		return -errno;
	}
	tune(fd);
	if (connect(fd, (const struct sockaddr *)&to->addr, to->len) < 0) {
		r = connect_error(errno);
	}
	if (r == 0 || r == -EINPROGRESS) {
		*ret_fd = fd;
		fd = -1;
	}
	return r;
}

int dial_end(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
		return -errno;
	}
	return connect_error(error);
}

int dial_connect(const struct endpoint *to, const struct endpoint *from,
		 const struct wait *w, int64_t deadline, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int r = dial_start(to, from, &fd);

	if (r == -EINPROGRESS) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		r = wait_poll(w, &p, 1, deadline);
		r = r < 0 ? r : dial_end(fd);
	}
	if (r < 0) {
		return r;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* ---- port ranges ---- */

static bool is_taken(int r)
{
	return r == -EADDRINUSE || r == -EADDRNOTAVAIL || r == -EACCES;
}

/* Where to begin in a range: TIME_WAIT sits on what was used last, and other programs may
 * share the range. */
static uint32_t random_below(uint32_t n)
{
	uint32_t x = (uint32_t)now_ms();

	(void)!getrandom(&x, sizeof(x), GRND_NONBLOCK);
	return x % n;
}

int dial_connect_range(const struct endpoint *to, const struct endpoint *from,
		       uint16_t lo, uint16_t hi, const struct wait *w, int64_t deadline,
		       int *ret_fd)
{
	uint32_t n = (uint32_t)hi - lo + 1, first = random_below(n);
	struct endpoint at = *from;
	int r = -EADDRINUSE;

	for (uint32_t i = 0; i < n; i++) {
		endpoint_set_port(&at, (uint16_t)(lo + (first + i) % n));
		r = dial_connect(to, &at, w, deadline, ret_fd);
		if (!is_taken(r)) {
			break;
		}
	}
	return r;
}

static int listen_at(const struct endpoint *at, int *ret_fd)
{
	/* Strangers may take places before the server comes. */
	enum { BACKLOG = 16 };
	const int on = 1;
	_cleanup_close_ int fd =
		socket(at->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       IPPROTO_TCP);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&at->addr, at->len) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		return -errno;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int dial_listen(const struct endpoint *at, uint16_t lo, uint16_t hi, int *ret_fd)
{
	uint32_t n = lo ? (uint32_t)hi - lo + 1 : 1, first = random_below(n);
	struct endpoint here = *at;
	int r = -EADDRINUSE;

	for (uint32_t i = 0; i < n; i++) {
		endpoint_set_port(&here, lo ? (uint16_t)(lo + (first + i) % n) : 0);
		r = listen_at(&here, ret_fd);
		if (!is_taken(r)) {
			break;
		}
	}
	return r;
}

int dial_accept(int listener, int *ret_fd, struct endpoint *ret_peer)
{
	struct endpoint peer = { .len = sizeof(peer.addr) };
	int fd = accept4(listener, (struct sockaddr *)&peer.addr, &peer.len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		switch (errno) {
		case EMFILE:
		case ENFILE:
		case ENOMEM:
		case ENOBUFS:
			return -errno;
		default:
			/* accept(2) also hands on what went wrong with that connection. */
			return -EAGAIN;
		}
	}
	tune(fd);
	*ret_fd = fd;
	*ret_peer = peer;
	return 0;
}

/* ---- several addresses ---- */

/* In order, but each of another family than the one before while there are both; without
 * those that `from` cannot reach. */
static void take_turns(struct endpoints *to, const struct endpoint *from)
{
	struct endpoints left = *to;
	int last = AF_UNSPEC;

	to->n = 0;
	while (left.n) {
		size_t pick = 0;

		for (size_t i = 0; i < left.n; i++) {
			if (left.v[i].addr.ss_family != last) {
				pick = i;
				break;
			}
		}
		last = left.v[pick].addr.ss_family;
		if (!from || last == from->addr.ss_family) {
			to->v[to->n++] = left.v[pick];
		}
		left.n--;
		memmove(&left.v[pick], &left.v[pick + 1],
			(left.n - pick) * sizeof(left.v[0]));
	}
}

/* Which of two failures to tell: a refusal comes from the server's machine, silence at least
 * from its network, the rest from ours (no IPv6 here). */
static int telling(int r)
{
	return r == -ECONNREFUSED ? 3 : r == -ETIMEDOUT ? 2 : r == 0 ? 0 : 1;
}

struct race {
	const struct endpoints *to;
	struct pollfd fds[ENDPOINTS_MAX];
	size_t started, open;
	int error;
	size_t at; /* of the winner, or whose error it is */
};

static void race_lost(struct race *race, size_t i, int r)
{
	if (telling(r) > telling(race->error)) {
		race->error = r;
		race->at = i;
	}
}

/* 0: one has connected, race->at; -EAGAIN: go on waiting. */
static int race_start(struct race *race, const struct endpoint *from)
{
	size_t i = race->started++;
	struct pollfd *p = &race->fds[i];
	int r;

	*p = (struct pollfd){ .fd = -1, .events = POLLOUT };
	r = dial_start(&race->to->v[i], from, &p->fd);
	if (r == 0) {
		race->at = i;
		return 0;
	}
	if (r == -EINPROGRESS) {
		race->open++;
	} else {
		race_lost(race, i, r);
	}
	return -EAGAIN;
}

static int race_look(struct race *race)
{
	for (size_t i = 0; i < race->started; i++) {
		struct pollfd *p = &race->fds[i];
		int r;

		if (p->fd < 0 || !p->revents) {
			continue;
		}
		r = dial_end(p->fd);
		if (r == 0) {
			race->at = i;
			return 0;
		}
		close(p->fd);
		p->fd = -1;
		race->open--;
		race_lost(race, i, r);
	}
	return -EAGAIN;
}

static int race_run(struct race *race, const struct endpoint *from, const struct wait *w,
		    int64_t deadline)
{
	int64_t next = 0;

	for (;;) {
		size_t open = race->open;
		bool more = race->started < race->to->n;
		int r;

		if (more && (open == 0 || now_ms() >= next)) {
			r = race_start(race, from);
			next = now_ms() + RACE_STEP_MS;
		} else if (open == 0) {
			return race->error;
		} else {
			r = wait_poll(w, race->fds, (nfds_t)race->started,
				      more ? MIN(next, deadline) : deadline);
			if (r < 0 && (r != -ETIMEDOUT || now_ms() >= deadline)) {
				return r;
			}
			r = r < 0 ? -EAGAIN : race_look(race);
			next = race->open < open ? 0 : next;
		}
		if (r == 0) {
			return 0;
		}
	}
}

int dial_race(struct endpoints *to, const struct endpoint *from, const struct wait *w,
	      int64_t deadline, int *ret_fd)
{
	struct race race = { .to = to };
	struct endpoint front;
	int r;

	take_turns(to, from);
	if (to->n == 0) {
		return -EAFNOSUPPORT;
	}
	r = race_run(&race, from, w, deadline);
	if (r == -ETIMEDOUT && race.error == -ECONNREFUSED) {
		r = race.error;
	} else if (r == -ETIMEDOUT) {
		/* The first of those that never answered. */
		for (race.at = 0;
		     race.at + 1 < race.started && race.fds[race.at].fd < 0;) {
			race.at++;
		}
	}
	for (size_t i = 0; i < race.started; i++) {
		if (r == 0 && i == race.at) {
			*ret_fd = race.fds[i].fd;
		} else {
			close_fd(&race.fds[i].fd);
		}
	}
	front = to->v[race.at];
	memmove(&to->v[1], &to->v[0], race.at * sizeof(front));
	to->v[0] = front;
	return r;
}
