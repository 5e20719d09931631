/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sync.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Times have room for a busy machine: only what is too early, or late by much more
 * than a slice, is a fault. */
enum { LATE_MS = 2000 };

/* Cancels at a point of time. */
struct stop {
	int64_t at;
};

static bool stop_reached(void *arg)
{
	const struct stop *s = arg;

	return now_ms() >= s->at;
}

static void test_clock_runs(void **state)
{
	int64_t before = now_ms();

	(void)state;
	assert_int_equal(wait_sleep(NULL, before + 30), 0);
	assert_in_range(now_ms() - before, 30, LATE_MS);
}

static void test_sleep_cancelled(void **state)
{
	int64_t before = now_ms();
	struct stop s = { .at = before + 50 };
	struct wait w = { .cancelled = stop_reached, .arg = &s };

	(void)state;
	assert_int_equal(wait_sleep(&w, before + 60000), -EINTR);
	assert_in_range(now_ms() - before, 50, LATE_MS);
	assert_true(wait_cancelled(&w));
	assert_false(wait_cancelled(NULL));
	assert_false(wait_cancelled(&(struct wait){ 0 }));
}

static void test_poll(void **state)
{
	int fd[2];
	int64_t before;
	struct pollfd p;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	p = (struct pollfd){ .fd = fd[0], .events = POLLIN };
	before = now_ms();
	assert_int_equal(wait_poll(NULL, &p, 1, before + 250), -ETIMEDOUT);
	assert_in_range(now_ms() - before, 250, LATE_MS);
	/* A deadline in the past still looks once. */
	assert_int_equal(wait_poll(NULL, &p, 1, before - 1000), -ETIMEDOUT);
	assert_int_equal(write(fd[1], "x", 1), 1);
	assert_int_equal(wait_poll(NULL, &p, 1, before - 1000), 1);
	assert_true(p.revents & POLLIN);
	assert_int_equal(wait_poll(NULL, &p, 1, INT64_MAX), 1);
	close(fd[0]);
	close(fd[1]);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *send_signals(void *arg)
{
	pthread_t target = *(pthread_t *)arg;

	for (int i = 0; i < 5; i++) {
		(void)wait_sleep(NULL, now_ms() + 20);
		pthread_kill(target, SIGUSR1);
	}
	return NULL;
}

/* A signal is no cancellation: the wait goes on to its deadline. */
static void test_signals_do_not_end_a_wait(void **state)
{
	struct sigaction sa = { .sa_handler = on_signal };
	pthread_t self = pthread_self(), thread;
	int64_t before = now_ms();

	(void)state;
	sigaction(SIGUSR1, &sa, NULL);
	assert_int_equal(pthread_create(&thread, NULL, send_signals, &self), 0);
	assert_int_equal(wait_sleep(NULL, before + 300), 0);
	assert_true(now_ms() - before >= 300);
	pthread_join(thread, NULL);
}

struct box {
	struct mutex lock;
	struct cond changed;
	int value GUARDED_BY(&lock);
};

static void *box_fill(void *arg)
{
	struct box *b = arg;

	(void)wait_sleep(NULL, now_ms() + 30);
	mutex_lock(&b->lock);
	b->value = 7;
	cond_signal(&b->changed);
	mutex_unlock(&b->lock);
	return NULL;
}

static void test_cond(void **state)
{
	struct box b = { 0 };
	pthread_t thread;
	int64_t before = now_ms();
	struct stop s = { .at = before };
	struct wait w = { .cancelled = stop_reached, .arg = &s };
	int r = 0, value;

	(void)state;
	mutex_init(&b.lock);
	cond_init(&b.changed);
	assert_int_equal(pthread_create(&thread, NULL, box_fill, &b), 0);
	mutex_lock(&b.lock);
	while (b.value == 0 && r == 0) {
		r = cond_wait(&b.changed, &b.lock, NULL, before + 10000);
	}
	value = b.value;
	mutex_unlock(&b.lock);
	pthread_join(thread, NULL);
	assert_int_equal(value, 7);
	assert_int_equal(r, 0);
	assert_in_range(now_ms() - before, 30, LATE_MS);

	mutex_lock(&b.lock);
	before = now_ms();
	do {
		r = cond_wait(&b.changed, &b.lock, NULL, before + 250);
	} while (r == 0);
	mutex_unlock(&b.lock);
	assert_int_equal(r, -ETIMEDOUT);
	assert_in_range(now_ms() - before, 250, LATE_MS);

	mutex_lock(&b.lock);
	r = cond_wait(&b.changed, &b.lock, &w, INT64_MAX);
	mutex_unlock(&b.lock);
	assert_int_equal(r, -EINTR);
	cond_broadcast(&b.changed);
	cond_finish(&b.changed);
	mutex_finish(&b.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_runs),
		cmocka_unit_test(test_sleep_cancelled),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_signals_do_not_end_a_wait),
		cmocka_unit_test(test_cond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
