/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs/spool: random writes, truncations and fetches against a model that knows for each
 * byte what it is and whether it is here. */
#include "fs/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { MODEL_MAX = 5000 };

struct model {
	size_t size, clean_size;
	char byte[MODEL_MAX];
	bool present[MODEL_MAX];
	bool modified, rewritten;
};

static char old_byte(size_t i)
{
	return (char)('A' + i % 23);
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static const char *spool_place(void **state)
{
	return *state;
}

static void model_init(struct model *m, size_t size)
{
	memset(m, 0, sizeof(*m));
	m->size = m->clean_size = size;
	for (size_t i = 0; i < size; i++) {
		m->byte[i] = old_byte(i);
	}
}

static void model_change(struct model *m, size_t off)
{
	m->modified = true;
	m->rewritten = m->rewritten || m->clean_size == 0 || off < m->clean_size;
}

static void model_grow(struct model *m, size_t size)
{
	for (size_t i = m->size; i < size; i++) {
		m->byte[i] = 0;
		m->present[i] = true;
	}
	m->size = MAX(m->size, size);
}

static void model_write(struct model *m, const char *data, size_t len, size_t off)
{
	if (len == 0) {
		return;
	}
	model_change(m, MIN(off, m->size));
	model_grow(m, off + len);
	memcpy(m->byte + off, data, len);
	memset(m->present + off, true, len);
}

static void model_truncate(struct model *m, size_t size)
{
	if (size == m->size) {
		return;
	}
	model_change(m, MIN(size, m->size));
	if (size > m->size) {
		model_grow(m, size);
		return;
	}
	m->size = size;
}

static void model_check(const struct model *m, const struct spool *s)
{
	static char buf[MODEL_MAX];
	uint64_t at = 0, off, len, append_at = 0, held = 0;
	struct stat st;

	assert_int_equal(spool_size(s), m->size);
	assert_int_equal(fstat(spool_fd(s), &st), 0);
	assert_int_equal(st.st_size, m->size);
	assert_int_equal(spool_read(s, buf, sizeof(buf), 0), m->size);
	for (size_t i = 0; i < m->size; i++) {
		if (m->present[i]) {
			assert_int_equal(buf[i], m->byte[i]);
		}
	}
	/* The absent ranges, one after the other, are exactly the model's. */
	while (at < m->size) {
		bool more = spool_missing(s, at, m->size - at, &off, &len);
		uint64_t until = more ? off : m->size;

		for (; at < until; at++) {
			assert_true(m->present[at]);
		}
		if (more) {
			assert_true(len > 0);
			for (until = off + len; at < until; at++) {
				assert_false(m->present[at]);
			}
		}
	}
	for (size_t i = 0; i < m->size; i++) {
		held += m->present[i];
	}
	assert_int_equal(spool_held(s), held);
	assert_int_equal(spool_is_modified(s), m->modified);
	assert_int_equal(spool_is_append(s, &append_at), m->modified && !m->rewritten);
	if (m->modified && !m->rewritten) {
		assert_int_equal(append_at, m->clean_size);
	}
}

/* Old bytes of the server, where they are absent; what is present must survive it. */
static void fill(struct model *m, struct spool *s, size_t off, size_t len)
{
	char data[MODEL_MAX];

	for (size_t i = 0; i < len; i++) {
		data[i] = old_byte(off + i);
	}
	assert_int_equal(spool_fill(s, data, len, off), 0);
	for (size_t i = off; i < MIN(off + len, m->size); i++) {
		m->present[i] = true;
	}
}

static void random_round(const char *dir, uint64_t seed)
{
	static struct model m;
	struct spool *s = NULL;
	char data[300];
	size_t size = random_next(&seed) % 3000;

	model_init(&m, size);
	assert_int_equal(spool_new(dir, size, &s), 0);
	for (int step = 0; step < 300; step++) {
		uint64_t x = random_next(&seed);
		size_t off = (size_t)(x >> 20) % (MODEL_MAX - sizeof(data));
		size_t len = (size_t)(x >> 40) % sizeof(data);

		switch (x % 16) {
		case 0:
			off = MIN(off, m.size + 200);
			assert_int_equal(spool_truncate(s, off), 0);
			model_truncate(&m, off);
			break;
		case 1:
			spool_set_clean(s);
			m.modified = m.rewritten = false;
			m.clean_size = m.size;
			break;
		case 2:
		case 3:
		case 4:
		case 5:
			fill(&m, s, off, len);
			break;
		default:
			if (x % 16 <= 7) {
				off = MIN(m.size, MODEL_MAX - sizeof(data));
			}
			memset(data, (int)(x >> 8) & 0xff, len);
			assert_int_equal(spool_write(s, data, len, off), 0);
			model_write(&m, data, len, off);
			break;
		}
		model_check(&m, s);
	}
	fill(&m, s, 0, MODEL_MAX);
	model_check(&m, s);
	spool_free(s);
}

static void test_random(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		random_round(spool_place(state), seed * 0x9e3779b97f4a7c15u);
	}
}

/* Bytes that were cut off must not come back when the file grows again. */
static void test_shrink_and_grow(void **state)
{
	struct spool *s = NULL;
	char buf[10];
	uint64_t off, len;

	assert_int_equal(spool_new(spool_place(state), 10, &s), 0);
	assert_int_equal(spool_write(s, "xyz", 3, 4), 0);
	assert_int_equal(spool_truncate(s, 5), 0);
	assert_int_equal(spool_truncate(s, 10), 0);
	assert_true(spool_missing(s, 0, 10, &off, &len));
	assert_int_equal(off, 0);
	assert_int_equal(len, 4);
	assert_int_equal(spool_fill(s, "0123456789", 10, 0), 0);
	assert_int_equal(spool_read(s, buf, sizeof(buf), 0), 10);
	assert_memory_equal(buf, "0123x\0\0\0\0\0", 10);
	assert_false(spool_missing(s, 0, UINT64_MAX, &off, &len));
	assert_false(spool_missing(s, 11, 5, &off, &len));
	spool_free(s);
}

static void test_append(void **state)
{
	struct spool *s = NULL;
	uint64_t at = 0;

	assert_int_equal(spool_new(spool_place(state), 100, &s), 0);
	assert_false(spool_is_append(s, &at));
	assert_int_equal(spool_write(s, "a", 1, 100), 0);
	assert_true(spool_is_append(s, &at));
	assert_int_equal(at, 100);
	assert_int_equal(spool_truncate(s, 100), 0);
	assert_true(spool_is_append(s, &at));
	spool_set_clean(s);
	assert_int_equal(spool_truncate(s, 200), 0);
	assert_true(spool_is_append(s, &at));
	assert_int_equal(spool_write(s, "b", 1, 99), 0);
	assert_false(spool_is_append(s, &at));
	assert_true(spool_is_modified(s));
	spool_free(s);

	/* There is nothing to append to. */
	assert_int_equal(spool_new(spool_place(state), 0, &s), 0);
	assert_int_equal(spool_write(s, "a", 1, 0), 0);
	assert_false(spool_is_append(s, &at));
	spool_free(s);
}

static void test_limits(void **state)
{
	struct spool *s = NULL;

	assert_int_equal(spool_new("/nonexistent", 0, &s), -ENOENT);
	assert_null(s);
	assert_int_equal(spool_new(spool_place(state), 5, &s), 0);
	assert_int_equal(spool_write(s, "ab", 2, INT64_MAX - 1), -EFBIG);
	assert_int_equal(spool_truncate(s, UINT64_MAX), -EFBIG);
	assert_int_equal(spool_size(s), 5);
	assert_false(spool_is_modified(s));
	assert_int_equal(spool_write(s, "", 0, 3), 0);
	assert_false(spool_is_modified(s));
	spool_free(s);
}

static void test_keep(void **state)
{
	struct spool *s = NULL;
	char path[256], buf[16] = "";
	int fd;

	assert_int_equal(spool_new(spool_place(state), 0, &s), 0);
	assert_int_equal(spool_write(s, "kept", 4, 0), 0);
	assert_int_equal(spool_keep(s, "x.1.0.ftpsfs-lost"), 0);
	assert_int_equal(spool_keep(s, "x.1.0.ftpsfs-lost"), -EEXIST);
	spool_free(s);
	(void)snprintf(path, sizeof(path), "%s/x.1.0.ftpsfs-lost", spool_place(state));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, buf, sizeof(buf)), 4);
	assert_memory_equal(buf, "kept", 4);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

/* What an upload on its way has sent makes room. */
static void test_give_up(void **state)
{
	static char block[64 * 1024];
	struct spool *s = NULL;
	struct stat before, after;

	assert_int_equal(spool_new(spool_place(state), 1000, &s), 0);
	for (uint64_t at = 1000; at < 1000 + 4 * sizeof(block); at += sizeof(block)) {
		assert_int_equal(spool_write(s, block, sizeof(block), at), 0);
		assert_true(spool_is_forward(s));
	}
	assert_int_equal(spool_held(s), 4 * sizeof(block));
	assert_false(spool_is_gone(s, 0, UINT64_MAX));
	assert_int_equal(fstat(spool_fd(s), &before), 0);
	assert_int_equal(spool_give_up(s, 500), 0); /* the server's, not ours */
	assert_int_equal(spool_give_up(s, 1000 + 2 * sizeof(block)), 0);
	assert_int_equal(spool_give_up(s, 1000 + sizeof(block)), 0); /* is already */
	assert_int_equal(fstat(spool_fd(s), &after), 0);
	assert_true(after.st_blocks < before.st_blocks);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(spool_held(s), 2 * sizeof(block));
	assert_false(spool_is_gone(s, 0, 1000));
	assert_true(spool_is_gone(s, 0, 1001));
	assert_true(spool_is_gone(s, 1000 + 2 * sizeof(block) - 1, 1));
	assert_false(spool_is_gone(s, 1000 + 2 * sizeof(block), UINT64_MAX));
	assert_int_equal(spool_write(s, "on", 2, spool_size(s)), 0);
	assert_true(spool_is_forward(s));
	assert_int_equal(spool_give_up(s, UINT64_MAX), 0);
	assert_int_equal(spool_held(s), 0);
	spool_free(s);
}

static void test_forward(void **state)
{
	struct spool *s = NULL;

	assert_int_equal(spool_new(spool_place(state), 0, &s), 0);
	assert_false(spool_is_forward(s));
	spool_set_modified(s);
	assert_true(spool_is_forward(s));
	assert_int_equal(spool_write(s, "abc", 3, 0), 0);
	assert_int_equal(spool_write(s, "d", 1, 10), 0); /* over a gap */
	assert_true(spool_is_forward(s));
	assert_int_equal(spool_write(s, "x", 1, 10), 0);
	assert_false(spool_is_forward(s));
	assert_int_equal(spool_write(s, "y", 1, 11), 0);
	assert_false(spool_is_forward(s));
	spool_set_clean(s);
	assert_int_equal(spool_write(s, "z", 1, 12), 0);
	assert_true(spool_is_forward(s));
	assert_int_equal(spool_truncate(s, 5), 0);
	assert_false(spool_is_forward(s));
	spool_free(s);
}

static void test_zero(void **state)
{
	struct spool *s = NULL;
	char buf[11] = "";

	assert_int_equal(spool_new(spool_place(state), 0, &s), 0);
	assert_int_equal(spool_write(s, "0123456789", 10, 0), 0);
	spool_set_clean(s);
	assert_int_equal(spool_zero(s, 20, 5), 0);
	assert_false(spool_is_modified(s));
	assert_int_equal(spool_zero(s, 3, 4), 0);
	assert_int_equal(spool_zero(s, 9, UINT64_MAX), 0);
	assert_true(spool_is_modified(s));
	assert_int_equal(spool_read(s, buf, 10, 0), 10);
	assert_memory_equal(buf,
			    "012\0\0\0\0"
			    "78\0",
			    10);
	spool_free(s);
}

static int setup(void **state)
{
	static char dir[] = "/tmp/ftpsfs-test-spool-XXXXXX";

	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

/* Nothing may be left behind: the spools never had names. */
static int teardown(void **state)
{
	return rmdir(spool_place(state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),	cmocka_unit_test(test_shrink_and_grow),
		cmocka_unit_test(test_append),	cmocka_unit_test(test_limits),
		cmocka_unit_test(test_keep),	cmocka_unit_test(test_give_up),
		cmocka_unit_test(test_forward), cmocka_unit_test(test_zero),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
