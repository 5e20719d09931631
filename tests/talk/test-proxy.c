/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proxies, scripted byte by byte: what is said to them, and what is made of their answers,
 * honest or not. */
#include "talk.h"

#include "tls/dial.h"
#include "tls/proxy.h"

#include <arpa/inet.h>

enum { STEPS_MAX = 3, STEP_MS = 5000 };

/* Bytes that may hold NUL. */
#define BYTES(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}
struct bytes {
	const char *at;
	size_t len;
};

struct step {
	struct bytes expect, answer;
};

enum ending { CLOSES, STAYS_SILENT, FLOODS };

struct proxy {
	struct step steps[STEPS_MAX];
	bool slow; /* one byte a packet */
	enum ending ending;

	int listener;
	uint16_t port;
	pthread_t thread;
	char trouble[256]; /* what went wrong in the thread */
};

static bool send_bytes(struct proxy *p, int fd, const struct bytes *b)
{
	size_t piece = p->slow ? 1 : b->len;

	for (size_t done = 0; done < b->len; done += piece) {
		if (send(fd, b->at + done, piece, MSG_NOSIGNAL) != (ssize_t)piece) {
			return false; /* the client need not hear everything */
		}
		if (p->slow) {
			usleep(1000);
		}
	}
	return true;
}

static bool expect_bytes(struct proxy *p, int fd, const struct bytes *b, size_t nth)
{
	char got[1024];

	assert_true(b->len <= sizeof(got));
	if (recv(fd, got, b->len, MSG_WAITALL) != (ssize_t)b->len ||
	    memcmp(got, b->at, b->len) != 0) {
		snprintf(p->trouble, sizeof(p->trouble),
			 "step %zu: other bytes than expected", nth);
		return false;
	}
	return true;
}

static void *proxy_thread(void *arg)
{
	struct proxy *p = arg;
	const struct timeval limit = { STEP_MS / 1000, 0 };
	int fd = accept(p->listener, NULL, NULL);
	char byte;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (size_t i = 0; i < STEPS_MAX && p->steps[i].expect.len; i++) {
		if (!expect_bytes(p, fd, &p->steps[i].expect, i) ||
		    !send_bytes(p, fd, &p->steps[i].answer)) {
			break;
		}
	}
	for (int i = 0; p->ending == FLOODS && i < 1 << 20; i++) {
		if (send(fd, "X-Padding: x\r\n", 14, MSG_NOSIGNAL) < 0) {
			break;
		}
	}
	if (p->ending == STAYS_SILENT && recv(fd, &byte, 1, 0) > 0) {
		snprintf(p->trouble, sizeof(p->trouble), "more came than was expected");
	}
	close(fd);
	return NULL;
}

static void proxy_start(struct proxy *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(p->listener >= 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(p->listener, 4), 0);
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&at, &len), 0);
	p->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&p->thread, NULL, proxy_thread, p), 0);
}

static void proxy_end(struct proxy *p)
{
	pthread_join(p->thread, NULL);
	close(p->listener);
	if (p->trouble[0]) {
		fail_msg("%s", p->trouble);
	}
}

/* scheme: "http://me@". The result of proxy_connect() to "ftp.example.com", port 990. */
static int ask(struct proxy *p, const char *scheme, const char *password,
	       const char *host, int64_t timeout, int *ret_fd, struct words *words)
{
	char url[64];

	proxy_start(p);
	snprintf(url, sizeof(url), "%s127.0.0.1:%u", scheme, p->port);
	return proxy_connect(url, password, host, 990, NULL, NULL, now_ms() + timeout,
			     ret_fd, words);
}

static void fails_with(struct proxy *p, const char *scheme, int error, const char *part)
{
	struct words words = { "" };
	int fd = -1;

	assert_int_equal(ask(p, scheme, "secret", "ftp.example.com", 1000, &fd, &words),
			 error);
	assert_int_equal(fd, -1);
	if (!strstr(words.text, part)) {
		fail_msg("words do not say \"%s\": %s", part, words.text);
	}
	assert_null(strstr(words.text, "secret"));
	proxy_end(p);
}

/* Works, and the server's first bytes, sent in one packet with the proxy's answer, are whole. */
static void works(struct proxy *p, const char *scheme, const char *password,
		  const char *host)
{
	struct words words = { "" };
	char got[64];
	int fd = -1, r = ask(p, scheme, password, host, 5000, &fd, &words);
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	if (r < 0) {
		fail_msg("%s", words.text);
	}
	assert_int_equal(wait_poll(NULL, &ready, 1, now_ms() + 5000), 1);
	if (p->slow) {
		usleep(100000);
	}
	assert_int_equal(recv(fd, got, sizeof(got), 0), 7);
	assert_memory_equal(got, "220 hi\n", 7);
	close(fd);
	proxy_end(p);
}

/* ---- SOCKS5 ---- */

#define HELLO BYTES("\5\1\0")
#define HELLO_LOGIN BYTES("\5\2\0\2")
#define NO_LOGIN BYTES("\5\0")
#define WANTS_LOGIN BYTES("\5\2")
#define LOGIN BYTES("\1\2me\6secret")
#define TO_NAME BYTES("\5\1\0\3\17ftp.example.com\3\336")
#define GREETING "220 hi\n"

static void test_socks(void **state)
{
	struct proxy p = { .steps = { { HELLO, NO_LOGIN },
				      { TO_NAME,
					BYTES("\5\0\0\1\0\0\0\0\0\0" GREETING) } } };

	(void)state;
	works(&p, "socks5h://", NULL, "ftp.example.com");
}

static void test_socks_slow(void **state)
{
	struct proxy p = { .steps = { { HELLO, NO_LOGIN },
				      { TO_NAME,
					BYTES("\5\0\0\1\0\0\0\0\0\0" GREETING) } },
			   .slow = true };

	(void)state;
	works(&p, "socks5://", NULL, "ftp.example.com");
}

static void test_socks_login(void **state)
{
	struct proxy p = { .steps = {
				   { HELLO_LOGIN, WANTS_LOGIN },
				   { LOGIN, BYTES("\1\0") },
				   { TO_NAME, BYTES("\5\0\0\3\4name\0\25" GREETING) } } };

	(void)state;
	works(&p, "socks5h://me@", "secret", "ftp.example.com");
}

/* Addresses go as such, and so may the answer. */
static void test_socks_addresses(void **state)
{
	struct proxy v4 = { .steps = { { HELLO, NO_LOGIN },
				       { BYTES("\5\1\0\1\300\0\2\1\3\336"),
					 BYTES("\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
					       "\0\25" GREETING) } } };
	struct proxy v6 = { .steps = {
				    { HELLO, NO_LOGIN },
				    { BYTES("\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"
					    "\3\336"),
				      BYTES("\5\0\0\1\0\0\0\0\0\0" GREETING) } } };

	(void)state;
	works(&v4, "socks5h://", NULL, "192.0.2.1");
	works(&v6, "socks5h://", NULL, "2001:db8::1");
}

static void test_socks_refusals(void **state)
{
	static const struct {
		struct step steps[STEPS_MAX];
		const char *scheme;
		int error;
		const char *part;
	} cases[] = {
		{ { { HELLO, BYTES("\5\377") } },
		  "socks5h://",
		  -EACCES,
		  "wants a login" },
		{ { { HELLO_LOGIN, BYTES("\5\377") } },
		  "socks5h://me@",
		  -EACCES,
		  "refused the login of me" },
		{ { { HELLO_LOGIN, WANTS_LOGIN }, { LOGIN, BYTES("\1\1") } },
		  "socks5h://me@",
		  -EACCES,
		  "refused the login of me" },
		/* A login that was not offered. */
		{ { { HELLO, WANTS_LOGIN } }, "socks5h://", -EPROTO, "no SOCKS5 proxy" },
		{ { { HELLO, BYTES("\4\0") } },
		  "socks5h://",
		  -EPROTO,
		  "no SOCKS5 proxy" },
		{ { { HELLO, BYTES("HTTP/1.1 400 Bad\r\n\r\n") } },
		  "socks5h://",
		  -EPROTO,
		  "no SOCKS5 proxy" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\5\5\0\1\0\0\0\0\0\0") } },
		  "socks5h://",
		  -ECONNREFUSED,
		  "was refused the connection" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\5\2\0\1\0\0\0\0\0\0") } },
		  "socks5h://",
		  -ECONNREFUSED,
		  "not allowed" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\5\4\0\1\0\0\0\0\0\0") } },
		  "socks5h://",
		  -EHOSTUNREACH,
		  "cannot reach or resolve" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\5\6\0\1\0\0\0\0\0\0") } },
		  "socks5h://",
		  -ETIMEDOUT,
		  "no answer" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\5\231\0\1\0\0\0\0\0\0") } },
		  "socks5h://",
		  -EPROTO,
		  "no SOCKS5 proxy" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\5\0\0\11\0\0\0\0\0\0") } },
		  "socks5h://",
		  -EPROTO,
		  "no SOCKS5 proxy" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\4\0\0\1\0\0\0\0\0\0") } },
		  "socks5h://",
		  -EPROTO,
		  "no SOCKS5 proxy" },
		/* Cut short. */
		{ { { HELLO, BYTES("\5") } },
		  "socks5h://",
		  -EPROTO,
		  "without an answer" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\5\0\0\1\0\0") } },
		  "socks5h://",
		  -EPROTO,
		  "without an answer" },
		{ { { HELLO, NO_LOGIN }, { TO_NAME, BYTES("\5\0\0\3\377abc") } },
		  "socks5h://",
		  -EPROTO,
		  "without an answer" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxy p = { .ending = CLOSES };

		memcpy(p.steps, cases[i].steps, sizeof(p.steps));
		fails_with(&p, cases[i].scheme, cases[i].error, cases[i].part);
	}
}

/* ---- HTTP ---- */

#define CONNECT                                                                       \
	BYTES("CONNECT ftp.example.com:990 HTTP/1.1\r\nHost: ftp.example.com:990\r\n" \
	      "\r\n")
/* me:secret */
#define CONNECT_LOGIN                                                                 \
	BYTES("CONNECT ftp.example.com:990 HTTP/1.1\r\nHost: ftp.example.com:990\r\n" \
	      "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n")
#define OK_HEAD "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"

static void test_http(void **state)
{
	struct proxy p = { .steps = { { CONNECT, BYTES(OK_HEAD GREETING) } } };
	struct proxy old = { .steps = {
				     { CONNECT, BYTES("HTTP/1.0 200\n\n" GREETING) } } };
	struct proxy slow = { .steps = { { CONNECT, BYTES(OK_HEAD GREETING) } },
			      .slow = true };
	struct proxy login = { .steps = { { CONNECT_LOGIN, BYTES(OK_HEAD GREETING) } } };
	struct proxy v6 = { .steps = {
				    { BYTES("CONNECT [2001:db8::1]:990 HTTP/1.1\r\nHost: "
					    "[2001:db8::1]:990\r\n\r\n"),
				      BYTES(OK_HEAD GREETING) } } };

	(void)state;
	works(&p, "http://", NULL, "ftp.example.com");
	works(&old, "http://", NULL, "ftp.example.com");
	works(&slow, "http://", NULL, "ftp.example.com");
	works(&login, "http://me@", "secret", "ftp.example.com");
	works(&v6, "http://", NULL, "2001:db8::1");
}

static void test_http_refusals(void **state)
{
	static const struct {
		struct step step;
		const char *scheme;
		int error;
		const char *part;
	} cases[] = {
		{ { CONNECT, BYTES("HTTP/1.1 407 Log in\r\n\r\n") },
		  "http://",
		  -EACCES,
		  "wants a login" },
		{ { CONNECT_LOGIN, BYTES("HTTP/1.1 407 Log in\r\n\r\n") },
		  "http://me@",
		  -EACCES,
		  "refused the login of me" },
		{ { CONNECT, BYTES("HTTP/1.1 403 Forbidden\r\n\r\n") },
		  "http://",
		  -ECONNREFUSED,
		  "403 Forbidden" },
		{ { CONNECT, BYTES("HTTP/1.1 502 Bad\33[2J Gateway\r\n\r\n") },
		  "http://",
		  -EHOSTUNREACH,
		  "502 Bad?[2J Gateway" },
		{ { CONNECT, BYTES("HTTP/1.1 504 Late\r\n\r\n") },
		  "http://",
		  -ETIMEDOUT,
		  "504 Late" },
		{ { CONNECT, BYTES("HTTP/1.1 2000 OK\r\n\r\n") },
		  "http://",
		  -EPROTO,
		  "no HTTP proxy" },
		{ { CONNECT, BYTES("HTTP/1.1 2\r\n\r\n") },
		  "http://",
		  -EPROTO,
		  "no HTTP proxy" },
		{ { CONNECT, BYTES("HTTP/2 200 OK\r\n\r\n") },
		  "http://",
		  -EPROTO,
		  "no HTTP proxy" },
		{ { CONNECT, BYTES("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n") },
		  "http://",
		  -EPROTO,
		  "no HTTP proxy" },
		{ { CONNECT, BYTES("220 ftp.example.com FTP\r\n") },
		  "http://",
		  -EPROTO,
		  "no HTTP proxy" },
		{ { CONNECT, BYTES("HTTP/1.1 200 OK\r\n") },
		  "http://",
		  -EPROTO,
		  "without an answer" },
		{ { CONNECT, BYTES("") }, "http://", -EPROTO, "without an answer" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxy p = { .ending = CLOSES };

		p.steps[0] = cases[i].step;
		fails_with(&p, cases[i].scheme, cases[i].error, cases[i].part);
	}
}

/* ---- both ---- */

static void test_silence(void **state)
{
	struct proxy socks = { .steps = { { HELLO, BYTES("\5") } },
			       .ending = STAYS_SILENT };
	struct proxy http = { .steps = { { CONNECT, BYTES("HTTP/1.1 200 OK\r\n") } },
			      .ending = STAYS_SILENT };

	(void)state;
	fails_with(&socks, "socks5h://", -ETIMEDOUT, "did not answer in time");
	fails_with(&http, "http://", -ETIMEDOUT, "did not answer in time");
}

/* A head without an end. */
static void test_flood(void **state)
{
	struct proxy p = { .steps = { { CONNECT, BYTES("HTTP/1.1 200 OK\r\n") } },
			   .ending = FLOODS };

	(void)state;
	fails_with(&p, "http://", -EPROTO, "no HTTP proxy");
}

static void test_interrupted(void **state)
{
	struct proxy p = { .steps = { { HELLO, BYTES("\5") } }, .ending = STAYS_SILENT };
	int64_t stop = now_ms() + 300;
	struct wait w = { .cancelled = talk_is_after, .arg = &stop };
	char url[64];
	int fd = -1;

	(void)state;
	proxy_start(&p);
	snprintf(url, sizeof(url), "socks5h://127.0.0.1:%u", p.port);
	assert_int_equal(proxy_connect(url, NULL, "ftp.example.com", 990, NULL, &w,
				       now_ms() + 20000, &fd, NULL),
			 -EINTR);
	assert_true(now_ms() < stop + 1000);
	proxy_end(&p);
}

static void test_urls(void **state)
{
	static const char *const good[] = { "socks5h://p:1", "SOCKS5://p:65535",
					    "http://me@p:8080/", "http://[::1]:3128",
					    "socks5h://a@b@p:1" };
	static const char *const bad[] = { "",
					   "p:1080",
					   "socks4://p:1",
					   "https://p:1",
					   "http://p",
					   "http://p:",
					   "http://p:0",
					   "http://p:65536",
					   "http://p:1x",
					   "http://:1",
					   "http://@p:1",
					   "http://p:1/path",
					   "http://p q:1",
					   "http://p\r\nX: y:1",
					   "http://me:hunter2@p:1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct words words = { "" };

		if (proxy_check(good[i], &words) < 0) {
			fail_msg("%s: %s", good[i], words.text);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct words words = { "" };

		assert_int_equal(proxy_check(bad[i], &words), -EINVAL);
		assert_true(words.text[0]);
		assert_null(strstr(words.text, "hunter2"));
	}
}

/* What cannot be a name never reaches the proxy. */
static void test_hosts(void **state)
{
	char longest[300];
	const char *const bad[] = { "", "a b", "a\r\nb", longest };

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int fd = -1;

		assert_int_equal(proxy_connect("http://127.0.0.1:9", NULL, bad[i], 21,
					       NULL, NULL, now_ms() + 1000, &fd, NULL),
				 -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socks),
		cmocka_unit_test(test_socks_slow),
		cmocka_unit_test(test_socks_login),
		cmocka_unit_test(test_socks_addresses),
		cmocka_unit_test(test_socks_refusals),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_refusals),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_hosts),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
