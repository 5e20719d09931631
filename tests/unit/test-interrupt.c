/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/interrupt.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool of(int own, int shared, int blocked)
{
	char text[256];

	(void)snprintf(
		text, sizeof(text),
		"Name:\tx\nThreads:\t1\nSigQ:\t0/5\nSigPnd:\t%016llx\nShdPnd:\t%016llx\n"
		"SigBlk:\t%016llx\nSigIgn:\t0000000000000000\n",
		own ? 1ull << (own - 1) : 0, shared ? 1ull << (shared - 1) : 0,
		blocked ? 1ull << (blocked - 1) : 0);
	return interrupt_in_status(text);
}

static void test_status(void **state)
{
	(void)state;
	assert_false(of(0, 0, 0));
	assert_false(of(0, SIGALRM, 0));
	assert_false(of(SIGURG, SIGCHLD, 0));
	assert_true(of(0, SIGINT, 0));
	assert_true(of(0, SIGTERM, 0));
	assert_true(of(0, SIGHUP, 0));
	assert_true(of(SIGKILL, SIGALRM, 0));
	assert_false(of(0, SIGINT, SIGINT)); /* another thread's */
}

/* What makes no sense lets the program go. */
static void test_nonsense(void **state)
{
	(void)state;
	assert_true(interrupt_in_status(""));
	assert_true(interrupt_in_status("\nSigPnd:\tzz\nShdPnd:\t0\nSigBlk:\t0\n"));
	assert_true(interrupt_in_status("\nSigPnd:\t0\n"));
	assert_true(interrupt_is_meant(0));
}

static void test_self(void **state)
{
	sigset_t set;

	(void)state;
	assert_false(interrupt_is_meant(gettid()));
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	assert_int_equal(raise(SIGTERM), 0); /* to this thread */
	assert_true(interrupt_is_meant(gettid()));
	assert_int_equal(sigwaitinfo(&set, NULL), SIGTERM);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_self),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
