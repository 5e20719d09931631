/* SPDX-License-Identifier: GPL-2.0-or-later */
/* df does not wait for the server. */
#include "fs/room.h"

#include "net/remote.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* A server that answers AVBL once it is let go. */
struct remote {
	struct mutex lock;
	struct cond let_go;
	bool offers, released;
	unsigned asked;
	int error;
	uint64_t bytes;
};

bool remote_has_room(struct remote *r)
{
	return r->offers;
}

int remote_room(struct remote *r, const struct wait *w, uint64_t *ret)
{
	int error;

	mutex_lock(&r->lock);
	r->asked++;
	while (!r->released) {
		(void)cond_wait(&r->let_go, &r->lock, w, INT64_MAX);
	}
	error = r->error;
	*ret = r->bytes;
	mutex_unlock(&r->lock);
	return error;
}

static struct remote server;
static struct room *room;

static int setup(void **state)
{
	(void)state;
	server = (struct remote){ .offers = true, .bytes = 4711 };
	mutex_init(&server.lock);
	cond_init(&server.let_go);
	room = room_new(&server);
	return 0;
}

static void release(void)
{
	mutex_lock(&server.lock);
	server.released = true;
	cond_broadcast(&server.let_go);
	mutex_unlock(&server.lock);
}

static int teardown(void **state)
{
	(void)state;
	release();
	assert_null(room_free(room));
	cond_finish(&server.let_go);
	mutex_finish(&server.lock);
	return 0;
}

static unsigned asked(void)
{
	unsigned n;

	mutex_lock(&server.lock);
	n = server.asked;
	mutex_unlock(&server.lock);
	return n;
}

static void test_answered(void **state)
{
	uint64_t bytes = 1;

	(void)state;
	release();
	assert_true(room_look(room, NULL, &bytes));
	assert_int_equal(bytes, 4711);
	server.bytes = 5;
	bytes = 1;
	assert_true(room_look(room, NULL, &bytes)); /* still young */
	assert_int_equal(bytes, 4711);
	assert_int_equal(asked(), 1);
}

static void test_not_answered(void **state)
{
	uint64_t bytes = 1;

	(void)state;
	assert_false(room_look(room, NULL, &bytes));
	assert_int_equal(bytes, 1);
	assert_false(room_look(room, NULL, &bytes)); /* waits for the same answer */
	release();
	while (!room_look(room, NULL, &bytes)) {
	}
	assert_int_equal(bytes, 4711);
	assert_int_equal(asked(), 1);
}

static void test_refused(void **state)
{
	uint64_t bytes = 1;

	(void)state;
	server.error = -EOPNOTSUPP;
	release();
	assert_false(room_look(room, NULL, &bytes));
	assert_false(room_look(room, NULL, &bytes));
	assert_int_equal(bytes, 1);
	assert_int_equal(asked(), 1);
}

static void test_not_offered(void **state)
{
	uint64_t bytes = 1;

	(void)state;
	server.offers = false;
	assert_false(room_look(room, NULL, &bytes));
	assert_int_equal(asked(), 0);
}

#define ROOM(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM(test_answered),
		ROOM(test_not_answered),
		ROOM(test_refused),
		ROOM(test_not_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
