/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dir-bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- lookups ---- */

static void test_lone_lookups_then_a_listing(void **state)
{
	struct node *root = m.tree.root, *a, *again;

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 3);
	fake_add(server, "/home/b", ENTRY_FILE, 4);
	fake_add(server, "/home/c", ENTRY_FILE, 5);
	a = look(root, "a");
	assert_true(a->size == 3 && a->kind == ENTRY_FILE);
	again = look(root, "a");
	assert_ptr_equal(a, again);
	assert_int_equal(server->stats, 1);
	look(root, "b");
	assert_true(look_missing(root, "x") <= options.dir_ttl);
	/* the third question listed, and proves what is missing */
	assert_int_equal(server->stats, 2);
	assert_int_equal(server->lists, 1);
	assert_ptr_equal(find(root, "a"), a);
	look(root, "c");
	look_missing(root, "y");
	assert_int_equal(server->stats, 2);
	assert_int_equal(server->lists, 1);
}

static void test_missing_outside_a_listing(void **state)
{
	(void)state;
	assert_true(look_missing(m.tree.root, "x") == options.neg_ttl);
	assert_int_equal(server->stats, 1);
	assert_int_equal(server->lists, 0);
}

static void test_without_mlst_it_lists(void **state)
{
	(void)state;
	server->has_stat = false;
	fake_add(server, "/home/a", ENTRY_DIR, 0);
	look(m.tree.root, "a");
	look_missing(m.tree.root, "b");
	assert_int_equal(server->lists, 1);
	assert_int_equal(server->stats, 0);
}

static void test_names_that_cannot_be(void **state)
{
	char name[300] = { 0 };
	struct node *n = NULL;
	int64_t ttl = 0;

	(void)state;
	assert_int_equal(dir_lookup(&m, m.tree.root, "a\rb", NULL, &n, &ttl), -EINVAL);
	assert_int_equal(dir_lookup(&m, m.tree.root, "a\nb", NULL, &n, &ttl), -EINVAL);
	memset(name, 'x', 256);
	assert_int_equal(dir_lookup(&m, m.tree.root, name, NULL, &n, &ttl),
			 -ENAMETOOLONG);
	assert_int_equal(server->stats, 0);
	name[255] = '\0';
	assert_int_equal(dir_lookup(&m, m.tree.root, name, NULL, &n, &ttl), -ENOENT);
	assert_int_equal(server->stats, 1);
}

static void test_a_refusal_is_not_absence(void **state)
{
	struct node *n = NULL;
	int64_t ttl = 0;

	(void)state;
	server->stat_error = -EACCES;
	assert_int_equal(dir_lookup(&m, m.tree.root, "a", NULL, &n, &ttl), -EACCES);
}

static void test_no_ttl_asks_each_time(void **state)
{
	(void)state;
	options.dir_ttl = 0;
	fake_add(server, "/home/a", ENTRY_FILE, 3);
	for (int i = 0; i < 5; i++) {
		look(m.tree.root, "a");
	}
	assert_int_equal(server->stats, 5);
	assert_int_equal(server->lists, 0);
	list(m.tree.root);
	list(m.tree.root);
	assert_int_equal(server->lists, 2);
}

static void test_first_connection_on_first_use(void **state)
{
	(void)state;
	free(server->base);
	server->base = NULL;
	fake_add(server, "/home/a", ENTRY_FILE, 3);
	look(m.tree.root, "a");
	assert_int_equal(server->connects, 1);
}

static void test_links_stay_links(void **state)
{
	struct node *l;

	(void)state;
	fake_add(server, "/home/l", ENTRY_SYMLINK, 0);
	fake_find(server, "/home/l")->target = strdup("d");
	server->follows = true;
	list(m.tree.root);
	l = look(m.tree.root, "l");
	assert_int_equal(dir_refresh(&m, l, 0, NULL), 0);
	assert_int_equal(server->stats, 1);
	assert_int_equal(l->kind, ENTRY_SYMLINK);
	assert_string_equal(l->target, "d");
}

/* ---- listings ---- */

static void test_errors_are_not_empty_directories(void **state)
{
	struct snapshot *s = NULL;

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 3);
	server->list_error = -EIO;
	assert_int_equal(dir_get(&m, m.tree.root, NULL, &s), -EIO);
	assert_null(s);
	server->list_error = 0;
	assert_int_equal(dir_get(&m, m.tree.root, NULL, &s), 0);
	assert_int_equal(s->n, 1);
	snapshot_unref(&m, s);
	list(m.tree.root);
	assert_int_equal(server->lists, 2);
}

static void test_a_directory_that_went(void **state)
{
	struct snapshot *s = NULL;
	struct node *d, *f;

	(void)state;
	fake_add(server, "/home/d", ENTRY_DIR, 0);
	fake_add(server, "/home/f", ENTRY_DIR, 0);
	d = look(m.tree.root, "d");
	f = look(m.tree.root, "f");
	fake_del(server, "/home/d");
	fake_find(server, "/home/f")->kind = ENTRY_FILE;
	assert_int_equal(dir_get(&m, d, NULL, &s), -ENOENT);
	assert_true(d->flags & NODE_GONE);
	assert_int_equal(dir_get(&m, f, NULL, &s), -ENOTDIR);
	assert_true(f->flags & NODE_GONE);
	assert_int_equal(look(m.tree.root, "f")->kind, ENTRY_FILE);
	assert_int_equal(dir_get(&m, look(m.tree.root, "f"), NULL, &s), -ENOTDIR);
	forget(d);
	forget(f);
}

static void test_reload_keeps_drops_and_replaces(void **state)
{
	struct node *root = m.tree.root, *keep, *turn, *turned, *vanish;

	(void)state;
	fake_add(server, "/home/keep", ENTRY_FILE, 1);
	fake_add(server, "/home/turn", ENTRY_FILE, 1);
	fake_add(server, "/home/vanish", ENTRY_DIR, 0);
	fake_add(server, "/home/vanish/x", ENTRY_DIR, 0);
	fake_add(server, "/home/vanish/x/y", ENTRY_FILE, 0);
	list(root);
	keep = look(root, "keep");
	turn = look(root, "turn");
	vanish = look(root, "vanish");
	list(vanish);
	list(look(vanish, "x"));
	assert_non_null(find(find(vanish, "x"), "y"));
	fake_find(server, "/home/keep")->size = 2;
	fake_find(server, "/home/turn")->kind = ENTRY_DIR;
	fake_del(server, "/home/vanish");
	fake_add(server, "/home/keep", ENTRY_FILE,
		 9); /* a name twice: the first counts */
	dir_forget_all(&m);
	list(root);
	assert_ptr_equal(find(root, "keep"), keep);
	assert_true(keep->size == 2);
	turned = find(root, "turn");
	assert_ptr_not_equal(turned, turn);
	assert_int_equal(turned->kind, ENTRY_DIR);
	assert_true(turn->flags & NODE_GONE);
	assert_true(vanish->flags & NODE_GONE);
	assert_null(find(vanish, "x"));
	forget(keep);
	forget(turn);
	forget(vanish);
}

static void test_incomplete_proves_nothing(void **state)
{
	struct node *root = m.tree.root, *a;

	(void)state;
	fake_add(server, "/home/a", ENTRY_FILE, 1);
	fake_add(server, "/home/b", ENTRY_FILE, 1);
	list(root);
	a = look(root, "a");
	fake_del(server, "/home/a");
	fake_add(server, "/home/later", ENTRY_FILE, 1);
	server->incomplete = true;
	dir_forget_all(&m);
	list(root);
	assert_ptr_equal(find(root, "a"), a);
	/* a missing name is asked for in spite of the fresh listing */
	look_missing(root, "z");
	assert_int_equal(server->stats, 1);
	/* and so is one that the listing did not refresh */
	look_missing(root, "a");
	assert_int_equal(server->stats, 2);
	forget(a);
}

static void test_what_is_ours_survives_a_listing(void **state)
{
	struct entry e = { .kind = ENTRY_FILE };
	struct node *root = m.tree.root, *local, *dirty;

	(void)state;
	list(root);
	assert_int_equal(dir_added(&m, root, "local", &e, &local), 0);
	assert_int_equal(dir_added(&m, root, "dirty", &e, &dirty), 0);
	local->flags |= NODE_LOCAL;
	dirty->flags |= NODE_DIRTY;
	dirty->size = 77;
	fake_add(server, "/home/dirty", ENTRY_FILE, 1);
	dir_forget_all(&m);
	list(root);
	assert_ptr_equal(find(root, "local"), local);
	assert_ptr_equal(find(root, "dirty"), dirty);
	assert_true(dirty->size == 77);
	assert_int_equal(dir_refresh(&m, local, 0, NULL), 0);
	assert_int_equal(server->stats, 0);
	node_unref(&m.tree, local);
	node_unref(&m.tree, dirty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lone_lookups_then_a_listing),
		T(test_missing_outside_a_listing),
		T(test_without_mlst_it_lists),
		T(test_names_that_cannot_be),
		T(test_a_refusal_is_not_absence),
		T(test_no_ttl_asks_each_time),
		T(test_first_connection_on_first_use),
		T(test_links_stay_links),
		T(test_errors_are_not_empty_directories),
		T(test_a_directory_that_went),
		T(test_reload_keeps_drops_and_replaces),
		T(test_incomplete_proves_nothing),
		T(test_what_is_ours_survives_a_listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
