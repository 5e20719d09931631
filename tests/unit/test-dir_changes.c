/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dir-bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- our own changes while the server answers ---- */

static void remove_a_add_b(void *arg)
{
	struct entry e = { .kind = ENTRY_FILE, .size = 8, .flags = ENTRY_HAS_SIZE };
	struct node *b;

	(void)arg;
	dir_removed(&m, find(m.tree.root, "a"));
	assert_int_equal(dir_added(&m, m.tree.root, "b", &e, &b), 0);
	node_unref(&m.tree, b);
}

static void test_changes_during_a_listing(void **state)
{
	struct node *root = m.tree.root;

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 1);
	look(root, "a");
	server->during = remove_a_add_b;
	list(root);
	assert_null(find(root, "a"));
	assert_non_null(find(root, "b"));
	assert_true(find(root, "b")->size == 8);
}

static void remove_a(void *arg)
{
	(void)arg;
	dir_removed(&m, find(m.tree.root, "a"));
	fake_del(server, "/home/a");
}

static void test_removal_during_a_stat(void **state)
{
	struct node *a;

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 1);
	a = look(m.tree.root, "a");
	dir_forget_all(&m);
	server->during = remove_a;
	look_missing(m.tree.root, "a");
	/* The answer that we had overtaken was asked for again, as the third question by
	 * a listing. */
	assert_int_equal(server->stats, 2);
	assert_int_equal(server->lists, 1);
	forget(a);
}

static void rename_d(void *arg)
{
	struct node *d = arg;

	assert_int_equal(dir_moved(&m, d, m.tree.root, "e"), 0);
	fake_del(server, "/home/d");
	fake_add(server, "/home/e", ENTRY_DIR, 0);
	fake_add(server, "/home/e/x", ENTRY_FILE, 5);
}

static void test_rename_during_a_listing(void **state)
{
	struct node *d;

	(void)state;
	fake_add(server, "/home/d", ENTRY_DIR, 0);
	d = look(m.tree.root, "d");
	server->during = rename_d;
	server->during_arg = d;
	list(d);
	assert_int_equal(server->lists, 2);
	assert_ptr_equal(find(m.tree.root, "e"), d);
	assert_non_null(find(d, "x"));
}

static void test_own_changes_patch_the_listing(void **state)
{
	struct entry dir = { .kind = ENTRY_DIR }, file = { .kind = ENTRY_FILE };
	struct node *root = m.tree.root, *d, *f, *t;
	struct snapshot *s = NULL;

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 1);
	fake_add(server, "/home/b", ENTRY_FILE, 1);
	fake_add(server, "/home/c", ENTRY_FILE, 1);
	assert_int_equal(dir_get(&m, root, NULL, &s), 0);
	assert_int_equal(dir_added(&m, root, "d", &dir, &d), 0);
	assert_int_equal(s->n, 4);
	dir_removed(&m, find(root, "b"));
	assert_int_equal(s->n, 4);
	assert_null(s->children[1]);
	assert_string_equal(node_name(s->children[2]), "c");
	look_missing(root, "b");
	/* a directory that we made is known to be empty */
	look_missing(d, "x");
	assert_int_equal(dir_added(&m, d, "f", &file, &f), 0);
	t = look(root, "c");
	assert_int_equal(dir_moved(&m, f, root, "c"), 0);
	assert_true(t->flags & NODE_GONE);
	assert_ptr_equal(find(root, "c"), f);
	look_missing(d, "f");
	assert_int_equal(live(s), 3); /* a, d, f as c */
	snapshot_unref(&m, s);
	assert_int_equal(server->lists, 1);
	assert_int_equal(server->stats, 0);
	forget(t);
	node_unref(&m.tree, d);
	node_unref(&m.tree, f);
}

/* A listing that ran meanwhile saw the new name and missed the old one. */
static void test_moved_after_a_listing_saw_it(void **state)
{
	struct node *root = m.tree.root, *d;

	(void)state;
	fake_add(server, "/home/d", ENTRY_DIR, 0);
	fake_add(server, "/home/d/x", ENTRY_FILE, 0);
	d = look(root, "d");
	list(d);
	fake_del(server, "/home/d");
	fake_add(server, "/home/e", ENTRY_DIR, 0);
	fake_add(server, "/home/e/x", ENTRY_FILE, 0);
	list(root);
	assert_true(d->flags & NODE_GONE);
	assert_int_equal(dir_moved(&m, d, root, "e"), 0);
	assert_ptr_equal(look(root, "e"), d);
	look(d, "x"); /* not taken for empty */
}

static void test_snapshot_does_not_grow_for_ever(void **state)
{
	struct entry e = { .kind = ENTRY_FILE };
	struct snapshot *s = NULL;

	(void)state;
	list(m.tree.root);
	for (int i = 0; i < 10000; i++) {
		struct node *n;

		assert_int_equal(dir_added(&m, m.tree.root, "tmp", &e, &n), 0);
		dir_removed(&m, n);
		node_unref(&m.tree, n);
	}
	assert_int_equal(dir_get(&m, m.tree.root, NULL, &s), 0);
	assert_true(s->cap < 64);
	assert_int_equal(live(s), 0);
	snapshot_unref(&m, s);
	assert_int_equal(n_nodes(), 0);
}

static void test_handles_keep_their_snapshot(void **state)
{
	struct snapshot *old = NULL, *fresh = NULL;

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 1);
	fake_add(server, "/home/b", ENTRY_FILE, 1);
	assert_int_equal(dir_get(&m, m.tree.root, NULL, &old), 0);
	fake_del(server, "/home/a");
	dir_forget_all(&m);
	assert_int_equal(dir_get(&m, m.tree.root, NULL, &fresh), 0);
	assert_ptr_not_equal(old, fresh);
	assert_int_equal(old->n, 2);
	assert_int_equal(live(old), 1);
	assert_int_equal(fresh->n, 1);
	snapshot_unref(&m, old);
	snapshot_unref(&m, fresh);
	assert_int_equal(n_nodes(), 1);
}

/* ---- fresh attributes ---- */

static void test_refresh(void **state)
{
	struct node *root = m.tree.root, *a;

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 1);
	a = look(root, "a");
	fake_find(server, "/home/a")->size = 2;
	assert_int_equal(dir_refresh(&m, a, 30000, NULL), 0);
	assert_true(a->size == 1);
	assert_int_equal(dir_refresh(&m, a, 0, NULL), 0);
	assert_true(a->size == 2);
	assert_int_equal(dir_refresh(&m, root, 0, NULL), 0);
	assert_int_equal(server->stats, 2);
	fake_find(server, "/home/a")->kind = ENTRY_DIR;
	assert_int_equal(dir_refresh(&m, a, 0, NULL), -ESTALE);
	assert_int_equal(dir_refresh(&m, a, 0, NULL), -ENOENT);
	forget(a);
	a = look(root, "a");
	fake_del(server, "/home/a");
	server->stat_error = -EIO;
	assert_int_equal(dir_refresh(&m, a, 0, NULL), -EIO);
	assert_false(a->flags & NODE_GONE);
	server->stat_error = 0;
	assert_int_equal(dir_refresh(&m, a, 0, NULL), -ENOENT);
	assert_true(a->flags & NODE_GONE);
	forget(a);
	assert_int_equal(n_nodes(), 0);
}

static void test_three_stale_siblings_list(void **state)
{
	struct node *n[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		char path[] = { '/', 'h', 'o', 'm', 'e', '/', (char)('a' + i), 0 };

		fake_add(server, path, ENTRY_FILE, 1);
	}
	list(m.tree.root);
	for (int i = 0; i < 4; i++) {
		n[i] = find(m.tree.root, (char[]){ (char)('a' + i), 0 });
	}
	dir_forget_all(&m);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(dir_refresh(&m, n[i], 30000, NULL), 0);
	}
	assert_int_equal(server->stats, 2);
	assert_int_equal(server->lists, 2);
}

static void test_distrust(void **state)
{
	(void)state;
	list(m.tree.root);
	look_missing(m.tree.root, "a");
	fake_add(server, "/home/a", ENTRY_DIR, 0);
	dir_distrust(&m, m.tree.root);
	look(m.tree.root, "a");
}

/* ---- many threads ---- */

static void *get_thread(void *arg)
{
	struct snapshot *s = NULL;

	(void)arg;
	return dir_get(&m, m.tree.root, NULL, &s) == 0 ? s : NULL;
}

static void test_one_load_for_all(void **state)
{
	enum { THREADS = 8 };
	pthread_t t[THREADS];

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 1);
	server->delay_ms = 200;
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&t[i], NULL, get_thread, NULL), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *s = NULL;

		pthread_join(t[i], &s);
		assert_non_null(s);
		assert_int_equal(((struct snapshot *)s)->n, 1);
		snapshot_unref(&m, s);
	}
	assert_int_equal(server->lists, 1);
}

static bool flag_set(void *arg)
{
	return atomic_load((atomic_bool *)arg);
}

struct leader {
	atomic_bool interrupted;
	int result;
};

static void *leader_thread(void *arg)
{
	struct leader *l = arg;
	struct wait w = { .cancelled = flag_set, .arg = &l->interrupted };
	struct snapshot *s = NULL;

	l->result = dir_get(&m, m.tree.root, &w, &s);
	return NULL;
}

static void test_leader_is_interrupted(void **state)
{
	struct leader leader = { 0 };
	pthread_t t, waiter;
	void *s = NULL;

	(void)state;
	server->delay_ms = 1000;
	assert_int_equal(pthread_create(&t, NULL, leader_thread, &leader), 0);
	while (server->lists == 0) {
		wait_sleep(NULL, now_ms() + 5);
	}
	assert_int_equal(pthread_create(&waiter, NULL, get_thread, NULL), 0);
	wait_sleep(NULL, now_ms() + 50);
	atomic_store(&leader.interrupted, true);
	pthread_join(t, NULL);
	assert_int_equal(leader.result, -EINTR);
	pthread_join(waiter, &s);
	assert_non_null(s);
	snapshot_unref(&m, s);
	assert_int_equal(server->lists, 2);
}

static void test_failed_leader_fails_its_waiters(void **state)
{
	struct leader leader = { 0 };
	pthread_t t, waiter;
	void *s = NULL;

	(void)state;
	server->delay_ms = 300;
	server->list_error = -EIO;
	assert_int_equal(pthread_create(&t, NULL, leader_thread, &leader), 0);
	while (server->lists == 0) {
		wait_sleep(NULL, now_ms() + 5);
	}
	assert_int_equal(pthread_create(&waiter, NULL, get_thread, NULL), 0);
	pthread_join(t, NULL);
	pthread_join(waiter, &s);
	assert_int_equal(leader.result, -EIO);
	assert_null(s);
	assert_int_equal(server->lists, 1);
}

/* ---- size ---- */

static void test_100000_entries(void **state)
{
	enum { MANY = 100000 };
	char path[64];
	int64_t begun;
	struct snapshot *s = NULL;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "/home/file-%07d", i);
		fake_add(server, path, ENTRY_FILE, (uint64_t)i);
	}
	begun = now_ms();
	list(m.tree.root);
	dir_forget_all(&m);
	assert_int_equal(dir_get(&m, m.tree.root, NULL, &s), 0);
	print_message("two listings of %d: %d ms\n", MANY, (int)(now_ms() - begun));
	assert_true(now_ms() - begun < 5000);
	assert_int_equal(s->n, MANY);
	begun = now_ms();
	for (size_t i = 0; i < MANY; i++) {
		dir_removed(&m, s->children[i]);
	}
	print_message("all removed: %d ms\n", (int)(now_ms() - begun));
	assert_true(now_ms() - begun < 5000);
	snapshot_unref(&m, s);
	assert_int_equal(n_nodes(), 0);
}

/* What the server makes as deep as it likes is taken down without recursion. */
static void test_deep_tree_vanishes(void **state)
{
	enum { DEPTH = 100000 };
	struct entry e = { .kind = ENTRY_DIR };
	struct node *n = m.tree.root;

	(void)state;
	for (int i = 0; i < DEPTH; i++) {
		struct node *child;

		assert_int_equal(dir_added(&m, n, "d", &e, &child), 0);
		node_unref(&m.tree, child);
		n = child;
	}
	assert_int_equal(n_nodes(), DEPTH);
	dir_removed(&m, find(m.tree.root, "d"));
	assert_int_equal(n_nodes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_changes_during_a_listing),
		T(test_removal_during_a_stat),
		T(test_rename_during_a_listing),
		T(test_own_changes_patch_the_listing),
		T(test_moved_after_a_listing_saw_it),
		T(test_snapshot_does_not_grow_for_ever),
		T(test_handles_keep_their_snapshot),
		T(test_refresh),
		T(test_three_stale_siblings_list),
		T(test_distrust),
		T(test_one_load_for_all),
		T(test_leader_is_interrupted),
		T(test_failed_leader_fails_its_waiters),
		T(test_100000_entries),
		T(test_deep_tree_vanishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
