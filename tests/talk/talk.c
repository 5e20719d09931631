/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "talk.h"

#include "tls/dial.h"

#include <arpa/inet.h>
#include <dirent.h>

/* A test that hangs is killed, with a core of where. */
enum { TEST_SECONDS = 60, SETTLE_MS = 3000, LOG_SHOWN = 1500 };

static unsigned count_names(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d)) {
		n++;
	}
	closedir(d);
	return n;
}

static void log_line(void *arg, enum log_level level, const char *text)
{
	struct talk *t = arg;

	mutex_lock(&t->lock);
	(void)buf_printf(&t->log, "%d %s\n", (int)level, text);
	mutex_unlock(&t->lock);
}

static void *return_at_once(void *arg)
{
	return arg;
}

int talk_setup(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));
	pthread_t first;

	assert_non_null(t);
	/* ThreadSanitizer starts a thread of its own with the program's first. */
	assert_int_equal(pthread_create(&first, NULL, return_at_once, NULL), 0);
	pthread_join(first, NULL);
	mutex_init(&t->lock);
	t->log.limit = 8u << 20;
	t->fds = count_names("/proc/self/fd");
	t->threads = count_names("/proc/self/task");
	alarm(TEST_SECONDS);
	*state = t;
	return 0;
}

static void release_client(struct talk *t)
{
	control_close(t->control);
	t->control = NULL;
	if (t->pool) {
		pool_shutdown(t->pool);
		pool_free(t->pool);
		t->pool = NULL;
	}
	remote_free(t->remote);
	t->remote = NULL;
}

int talk_teardown(void **state)
{
	struct talk *t = *state;

	alarm(0);
	if (!t->ended && t->peer) {
		/* Failed half-way: objects may be in use by threads of the test, so they stay. */
		size_t skip = t->log.len > LOG_SHOWN ? t->log.len - LOG_SHOWN : 0;

		fprintf(stderr, "--- words: %s\n--- log\n%.*s", t->words.text,
			(int)(t->log.len - skip), t->log.data ? t->log.data + skip : "");
		peer_print(t->peer);
		unlink(peer_cacert(t->peer));
		unlink(peer_other_cacert(t->peer));
		return 0;
	}
	peer_free(t->peer);
	trust_free(t->trust);
	buf_release(&t->log);
	mutex_finish(&t->lock);
	free(t);
	return 0;
}

void talk_trust(struct talk *t, const struct trust_config *config)
{
	trust_free(t->trust);
	t->trust = NULL;
	assert_int_equal(trust_new(config, &t->trust, &t->words), 0);
	t->server.trust = t->trust;
}

void talk_start(struct talk *t, const struct peer_config *config)
{
	t->peer = peer_new(config);
	t->hook = (struct log_hook){ log_line, t, LEVEL_TRACE };
	t->server = (struct server){
		.host = "127.0.0.1",
		.port = peer_port(t->peer),
		.family = AF_INET,
		.tls = config->implicit ? TLS_IMPLICIT : TLS_EXPLICIT,
		.user = "alice",
		.password = "s3cret-Pass",
		.dir = "",
		.connect_timeout = 5000,
		.io_timeout = 5000,
		.max_conns = 4,
		.prewarm = TRI_NO, /* so that scripts see EPSV with its command */
		.retry = 2,
		.hook = &t->hook,
	};
	talk_trust(t, &(struct trust_config){ .cacert = peer_cacert(t->peer) });
}

int talk_dial(struct talk *t)
{
	struct endpoints to = { .n = 1 };

	assert_int_equal(endpoint_parse("127.0.0.1", t->server.port, &to.v[0]), 0);
	t->words.text[0] = '\0';
	return control_open(&t->server, &t->host, &to, NULL, &t->control, &t->words);
}

struct control *talk_login(struct talk *t)
{
	int r = talk_dial(t);

	if (r < 0) {
		fail_msg("login: %s: %s", strerror(-r), t->words.text);
	}
	return t->control;
}

struct pool *talk_pool(struct talk *t)
{
	assert_int_equal(pool_new(&t->server, &t->pool), 0);
	return t->pool;
}

struct remote *talk_remote(struct talk *t)
{
	int r;

	assert_int_equal(remote_new(&t->server, &t->remote), 0);
	r = remote_connect(t->remote, NULL, &t->words);
	if (r < 0) {
		fail_msg("remote_connect: %s: %s", strerror(-r), t->words.text);
	}
	return t->remote;
}

struct remote *talk_serve_remote(struct talk *t, const char *feat, peer_script *first,
				 peer_script *second)
{
	talk_start(t,
		   &(struct peer_config){ .feat = feat, .scripts = { first, second } });
	return talk_remote(t);
}

struct control *talk_borrow(struct talk *t, enum pool_use use)
{
	struct control *c = NULL;
	int r = pool_borrow(t->pool, use, false, NULL, &c, &t->words);

	if (r < 0) {
		fail_msg("pool_borrow: %s: %s", strerror(-r), t->words.text);
	}
	return c;
}

void peer_idle(struct session *c)
{
	peer_login(c);
	peer_goodbye(c);
}

void peer_connected(struct session *c)
{
	peer_login(c);
}

/* Threads that end by themselves (a resolver) may take a moment. */
static unsigned settled(const char *dir, unsigned wanted)
{
	int64_t deadline = now_ms() + SETTLE_MS;
	unsigned n;

	while ((n = count_names(dir)) > wanted && now_ms() < deadline) {
		usleep(5000);
	}
	return n;
}

void talk_end(struct talk *t)
{
	bool ok;

	release_client(t);
	ok = peer_finish(t->peer);
	if (!ok) {
		fail_msg("the peer's script did not run as written");
	}
	assert_int_equal(settled("/proc/self/fd", t->fds), t->fds);
	/* A thread joined just before may have been counted at the start. */
	assert_true(settled("/proc/self/task", t->threads) <= t->threads);
	t->ended = true;
}

bool talk_logged(struct talk *t, const char *text)
{
	const char *all;
	bool found;

	mutex_lock(&t->lock);
	all = buf_str(&t->log);
	found = all && strstr(all, text);
	mutex_unlock(&t->lock);
	return found;
}

void talk_assert_words(struct talk *t, const char *part)
{
	if (!strstr(t->words.text, part)) {
		fail_msg("words do not say \"%s\": %s", part, t->words.text);
	}
}
