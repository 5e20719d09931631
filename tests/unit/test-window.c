/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net/window: random operations against a model that is just arithmetic: the byte at
 * offset x of generation g is byte_at(g, x). */
#include "net/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static char byte_at(unsigned generation, uint64_t off)
{
	uint64_t x = (off + 1) * 0x9e3779b97f4a7c15u + generation * 0x517cc1b727220a95u;

	return (char)(x >> 56);
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Puts len bytes behind the end, in as many rooms as it takes. */
static void append(struct window *w, unsigned generation, size_t len)
{
	while (len > 0) {
		size_t room = 0;
		char *p = window_room(w, &room);
		size_t part = MIN(len, room);

		assert_non_null(p);
		assert_true(room > 0);
		for (size_t i = 0; i < part; i++) {
			p[i] = byte_at(generation, w->end + i);
		}
		window_commit(w, part);
		len -= part;
	}
}

static void check_slice(const struct slice *s, unsigned generation, uint64_t off)
{
	size_t len = 0;

	for (int i = 0; i < s->n; i++) {
		const char *p = s->iov[i].iov_base;

		assert_true(s->iov[i].iov_len > 0);
		for (size_t k = 0; k < s->iov[i].iov_len; k++) {
			assert_int_equal(p[k], byte_at(generation, off + len + k));
		}
		len += s->iov[i].iov_len;
	}
	assert_int_equal(len, s->len);
}

static void test_empty(void **state)
{
	struct window w;
	struct slice s;

	(void)state;
	window_init(&w, 1000);
	assert_int_equal(w.base, 1000);
	assert_int_equal(w.end, 1000);
	assert_false(window_has(&w, 1000));
	assert_int_equal(window_pin(&w, 1000, 10, &s), 0);
	assert_int_equal(s.n, 0);
	slice_release(&s);
	window_trim(&w, 5000);
	assert_int_equal(w.base, 1000);
	window_finish(&w);
}

/* Space handed out stays good while readers pin and trim in front of it. */
static void test_room_survives_trim(void **state)
{
	struct window w;
	struct slice s;
	size_t room;
	char *p;

	(void)state;
	window_init(&w, 0);
	append(&w, 1, 2 * CHUNK_SIZE + 10);
	p = window_room(&w, &room);
	assert_int_equal(room, CHUNK_SIZE - 10);
	window_trim(&w, w.end);
	assert_int_equal(w.base, 2 * CHUNK_SIZE);
	p[0] = byte_at(1, 2 * CHUNK_SIZE + 10);
	window_commit(&w, 1);
	assert_int_equal(window_pin(&w, 2 * CHUNK_SIZE, 100, &s), 11);
	check_slice(&s, 1, 2 * CHUNK_SIZE);
	slice_release(&s);
	window_finish(&w);
}

/* At the very end of a full chunk nothing of the last one is in use yet. */
static void test_trim_at_boundary(void **state)
{
	struct window w;
	size_t room;

	(void)state;
	window_init(&w, 7);
	append(&w, 1, CHUNK_SIZE);
	window_trim(&w, 7 + CHUNK_SIZE - 1);
	assert_int_equal(w.base, 7);
	assert_non_null(window_room(&w, &room));
	assert_int_equal(room, CHUNK_SIZE);
	window_trim(&w, 7 + CHUNK_SIZE);
	assert_int_equal(w.base, 7 + CHUNK_SIZE);
	assert_int_equal(w.end, w.base);
	append(&w, 1, 5);
	assert_true(window_has(&w, w.base + 4));
	assert_false(window_has(&w, w.base + 5));
	window_finish(&w);
}

/* A pinned chunk outlives trims, resets and the window, and is not handed out again. */
static void test_pins_outlive(void **state)
{
	struct window w;
	struct slice s;

	(void)state;
	window_init(&w, 0);
	append(&w, 1, 3 * CHUNK_SIZE);
	assert_int_equal(window_pin(&w, CHUNK_SIZE - 50, 100, &s), 100);
	assert_int_equal(s.n, 2);
	window_trim(&w, w.end);
	append(&w, 1, CHUNK_SIZE);
	window_reset(&w, 1 << 30);
	append(&w, 2, 6 * CHUNK_SIZE);
	check_slice(&s, 1, CHUNK_SIZE - 50);
	window_finish(&w);
	check_slice(&s, 1, CHUNK_SIZE - 50);
	slice_release(&s);
	assert_int_equal(s.n, 0);
}

static void test_pin_limit(void **state)
{
	struct window w;
	struct slice s;
	size_t want = (size_t)CHUNK_SIZE * (SLICE_IOV_MAX + 2);

	(void)state;
	window_init(&w, 0);
	append(&w, 1, want);
	assert_int_equal(window_pin(&w, 1, want, &s),
			 (size_t)CHUNK_SIZE * SLICE_IOV_MAX - 1);
	assert_int_equal(s.n, SLICE_IOV_MAX);
	slice_release(&s);
	window_finish(&w);
}

struct held {
	struct slice slice;
	unsigned generation;
	uint64_t off;
};

static void test_random(void **state)
{
	struct held held[8] = { 0 };
	struct window w;
	uint64_t seed = 88172645463325252u, base = 0, end = 0;
	unsigned generation = 1;

	(void)state;
	window_init(&w, 0);
	for (int step = 0; step < 20000; step++) {
		uint64_t x = random_next(&seed);
		struct held *h = &held[x % ARRAY_LEN(held)];
		uint64_t at = base + (random_next(&seed) % (end - base + 1000));

		switch ((x >> 8) % 16) {
		case 0:
			base = end = x >> 20;
			generation++;
			window_reset(&w, base);
			break;
		case 1:
		case 2:
			window_trim(&w, at);
			while (base + CHUNK_SIZE <= MIN(at, end)) {
				base += CHUNK_SIZE;
			}
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			slice_release(&h->slice);
			h->generation = generation;
			h->off = at;
			(void)window_pin(&w, at, (x >> 16) % 3000, &h->slice);
			assert_int_equal(h->slice.len,
					 at < end ? MIN((x >> 16) % 3000, end - at) : 0);
			break;
		default:
			append(&w, generation, (x >> 16) % 20000);
			end += (x >> 16) % 20000;
			break;
		}
		assert_int_equal(w.base, base);
		assert_int_equal(w.end, end);
		assert_int_equal(window_has(&w, at), at >= base && at < end);
		h = &held[step % (int)ARRAY_LEN(held)];
		check_slice(&h->slice, h->generation, h->off);
	}
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		check_slice(&held[i].slice, held[i].generation, held[i].off);
		slice_release(&held[i].slice);
	}
	window_finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_room_survives_trim),
		cmocka_unit_test(test_trim_at_boundary),
		cmocka_unit_test(test_pins_outlive),
		cmocka_unit_test(test_pin_limit),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
