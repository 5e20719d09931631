/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dir-bed.h"
#include "fs/evict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DIRS = 8, FILES = 10 };

static struct node *dirs[DIRS];

/* /home/0 to /home/7, ten files in each, listed in order. The kernel holds the directories
 * only. */
static void fill(size_t max)
{
	char path[64], name[2] = { 0 };

	for (int d = 0; d < DIRS; d++) {
		snprintf(path, sizeof(path), "/home/%d", d);
		fake_add(server, path, ENTRY_DIR, 0);
		for (int f = 0; f < FILES; f++) {
			snprintf(path, sizeof(path), "/home/%d/%d", d, f);
			fake_add(server, path, ENTRY_FILE, 1);
		}
	}
	m.tree.max_nodes = max;
	list(m.tree.root);
	for (int d = 0; d < DIRS; d++) {
		name[0] = (char)('0' + d);
		dirs[d] = look(m.tree.root, name);
		list(dirs[d]);
	}
}

static bool listed(int d)
{
	return dirs[d]->dir->snap->loaded != NEVER;
}

static void test_oldest_listings_go(void **state)
{
	(void)state;
	fill(50);
	assert_true(n_nodes() <= 50);
	assert_false(listed(0));
	assert_null(find(dirs[0], "5"));
	assert_true(listed(DIRS - 1));
	assert_non_null(find(dirs[DIRS - 1], "5"));
	/* what is gone from memory is not gone from the server */
	forget(look(dirs[0], "5"));
	list(dirs[0]);
	assert_true(listed(0));
	assert_non_null(find(dirs[0], "9"));
	assert_true(n_nodes() <= 50);
}

static void test_used_ones_stay(void **state)
{
	struct snapshot *s = NULL;

	(void)state;
	fill(1000);
	assert_int_equal(n_nodes(), DIRS * (FILES + 1));
	/* 0 was used again, 1 is being read: 2 goes first */
	list(dirs[0]);
	assert_int_equal(dir_get(&m, dirs[1], NULL, &s), 0);
	m.tree.max_nodes = DIRS * (FILES + 1) - 5;
	dir_distrust(&m, dirs[7]);
	list(dirs[7]);
	assert_true(listed(0) && listed(1) && !listed(2) && listed(3));
	assert_int_equal(live(s), FILES);
	m.tree.max_nodes = 2 * FILES + DIRS;
	dir_distrust(&m, dirs[7]);
	list(dirs[7]);
	assert_true(listed(1) && !listed(0) && listed(7));
	assert_int_equal(live(s), FILES);
	snapshot_unref(&m, s);
}

static void test_what_somebody_holds_stays(void **state)
{
	struct entry e = { .kind = ENTRY_FILE };
	struct node *held, *dirty = NULL;
	uint64_t number;

	(void)state;
	fill(1000);
	held = look(dirs[0], "3");
	number = held->number;
	assert_int_equal(dir_added(&m, dirs[0], "mine", &e, &dirty), 0);
	dirty->flags |= NODE_DIRTY;
	node_unref(&m.tree, dirty);
	m.tree.max_nodes = 1;
	dir_distrust(&m, dirs[7]);
	list(dirs[7]);
	assert_ptr_equal(find(dirs[0], "3"), held);
	assert_ptr_equal(find(dirs[0], "mine"), dirty);
	assert_null(find(dirs[0], "4"));
	/* forgotten by the kernel it goes, for its listing has gone */
	list(m.tree.root);
	assert_int_equal(held->number, number);
	forget(held);
	assert_null(find(dirs[0], "3"));
	dirty->flags &= (uint8_t)~NODE_DIRTY;
}

/* A load that finds the tree too full looks at twice what it brought, and a little. */
static void test_work_is_bounded(void **state)
{
	struct dir *d;

	(void)state;
	fill(1000);
	d = dirs[0]->dir;
	m.tree.max_nodes = 1;
	mutex_lock(&m.tree.lock);
	evict_locked(&m.tree, 4, NULL);
	mutex_unlock(&m.tree.lock);
	assert_true(n_nodes() >= DIRS * (FILES + 1) - 4);
	for (int i = 0; i < 100; i++) {
		mutex_lock(&m.tree.lock);
		evict_locked(&m.tree, 4, NULL);
		mutex_unlock(&m.tree.lock);
	}
	assert_int_equal(n_nodes(), DIRS);
	assert_ptr_equal(dirs[0]->dir, d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_oldest_listings_go),
		T(test_used_ones_stay),
		T(test_what_somebody_holds_stays),
		T(test_work_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
