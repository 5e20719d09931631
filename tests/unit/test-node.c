/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Locked from setup to teardown, which no analysis can see: NO_TSA. */
static struct tree tree;

static int setup(void **state) NO_TSA
{
	(void)state;
	assert_int_equal(tree_init(&tree), 0);
	mutex_lock(&tree.lock);
	return 0;
}

static int teardown(void **state) NO_TSA
{
	(void)state;
	mutex_unlock(&tree.lock);
	tree_finish(&tree);
	return 0;
}

static void path_is(struct node *n, const char *base, const char *want) NO_TSA
{
	_cleanup_free_ char *path = node_path_locked(&tree, base, n);

	assert_string_equal(path, want);
}

static void test_names_and_paths(void **state) NO_TSA
{
	struct node *a, *b;

	(void)state;
	a = node_new_locked(&tree, tree.root, "a", ENTRY_DIR);
	b = node_new_locked(&tree, a, "b c", ENTRY_FILE);
	assert_ptr_equal(node_find_locked(&tree, tree.root, "a"), a);
	assert_ptr_equal(node_find_locked(&tree, a, "b c"), b);
	assert_null(node_find_locked(&tree, tree.root, "b c"));
	assert_null(node_find_locked(&tree, a, "b"));
	path_is(tree.root, "/", "/");
	path_is(tree.root, "/home/x", "/home/x");
	path_is(b, "/", "/a/b c");
	path_is(b, "/home/x", "/home/x/a/b c");
	path_is(b, "/home/x/", "/home/x/a/b c");
	assert_true(node_ino(&tree, tree.root) == 1);
	assert_ptr_equal(node_of(&tree, 1), tree.root);
	assert_ptr_equal(node_of(&tree, node_ino(&tree, b)), b);
	assert_true(tree.root->number == 1 && a->number == 2 && b->number == 3);
}

static void test_gone_while_held(void **state) NO_TSA
{
	struct node *a, *b, *again;

	(void)state;
	a = node_new_locked(&tree, tree.root, "a", ENTRY_DIR);
	b = node_new_locked(&tree, a, "b", ENTRY_FILE);
	b->nlookup = 3;
	b->size = 17;
	node_remove_locked(&tree, b);
	assert_true(b->flags & NODE_GONE);
	assert_null(node_find_locked(&tree, a, "b"));
	again = node_new_locked(&tree, a, "b", ENTRY_FILE);
	assert_ptr_equal(node_find_locked(&tree, a, "b"), again);
	assert_true(again->number != b->number);
	assert_true(b->size == 17);
	node_remove_locked(&tree, again);
	node_remove_locked(&tree, a);
	/* a lives on: b's path is still to be told */
	path_is(b, "/", "/a/b");
	assert_int_equal(tree.n_nodes, 2);
	mutex_unlock(&tree.lock);
	node_forget(&tree, b, 2);
	mutex_lock(&tree.lock);
	assert_int_equal(tree.n_nodes, 2);
	mutex_unlock(&tree.lock);
	node_forget(&tree, b, 1);
	mutex_lock(&tree.lock);
	assert_int_equal(tree.n_nodes, 0);
}

/* Recursion would overflow the stack here. */
static void test_deep_chain_is_freed(void **state) NO_TSA
{
	enum { DEPTH = 300000 };
	struct node **chain = calloc(DEPTH, sizeof(*chain)), *parent = tree.root;

	(void)state;
	for (size_t i = 0; i < DEPTH; i++) {
		chain[i] = parent = node_new_locked(&tree, parent, "d", ENTRY_DIR);
	}
	node_ref_locked(&tree, chain[DEPTH - 1]);
	for (size_t i = 0; i < DEPTH; i++) {
		node_remove_locked(&tree, chain[i]);
	}
	assert_int_equal(tree.n_nodes, DEPTH);
	node_unref_locked(&tree, chain[DEPTH - 1]);
	assert_int_equal(tree.n_nodes, 0);
	assert_int_equal(tree.root->refs, 1);
	free(chain);
}

static void test_many_names(void **state) NO_TSA
{
	enum { MANY = 100000 };
	char name[32];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		assert_non_null(node_new_locked(&tree, tree.root, name, ENTRY_FILE));
	}
	assert_true(tree.n_buckets * 2 >= MANY);
	for (int i = 0; i < MANY; i++) {
		struct node *n;

		snprintf(name, sizeof(name), "file-%d", i);
		n = node_find_locked(&tree, tree.root, name);
		assert_non_null(n);
		assert_string_equal(node_name(n), name);
	}
	assert_true(sizeof(struct node) <= 96);
}

static void test_move(void **state) NO_TSA
{
	struct node *a, *b, *n, *target;

	(void)state;
	a = node_new_locked(&tree, tree.root, "a", ENTRY_DIR);
	b = node_new_locked(&tree, tree.root, "b", ENTRY_DIR);
	n = node_new_locked(&tree, a, "n", ENTRY_FILE);
	target = node_new_locked(&tree, b, "t", ENTRY_FILE);
	target->nlookup = 1;
	assert_int_equal(node_move_locked(&tree, n, b, "t"), 0);
	assert_null(node_find_locked(&tree, a, "n"));
	assert_ptr_equal(node_find_locked(&tree, b, "t"), n);
	assert_true(target->flags & NODE_GONE);
	assert_int_equal(a->refs, 1);
	path_is(n, "/", "/b/t");
	/* onto itself */
	assert_int_equal(node_move_locked(&tree, n, b, "t"), 0);
	assert_int_equal(n->refs, 1);
	/* a gone one comes back */
	n->nlookup = 1;
	node_remove_locked(&tree, n);
	assert_int_equal(node_move_locked(&tree, n, a, "back"), 0);
	assert_false(n->flags & NODE_GONE);
	assert_ptr_equal(node_find_locked(&tree, a, "back"), n);
	assert_int_equal(n->refs, 1);
	assert_int_equal(b->refs, 2); /* its own, and of target, which is gone but held */
}

static void test_update(void **state) NO_TSA
{
	struct entry e = { .size = 10,
			   .mtime = 1700000123,
			   .mode = 0640,
			   .kind = ENTRY_FILE,
			   .flags = ENTRY_HAS_SIZE | ENTRY_HAS_MTIME | ENTRY_HAS_MODE };
	struct node *n = node_new_locked(&tree, tree.root, "n", ENTRY_FILE);

	(void)state;
	assert_true(n->checked == INT64_MIN);
	node_update_locked(&tree, n, &e, 5);
	assert_true(n->size == 10 && n->mtime == 1700000123 && n->mode == 0640 &&
		    n->checked == 5);
	assert_int_equal(n->flags, NODE_HAS_MODE);

	/* a LIST line of the same minute says less, not something else */
	e = (struct entry){ .size = 10,
			    .mtime = 1700000100,
			    .kind = ENTRY_FILE,
			    .flags = ENTRY_HAS_SIZE | ENTRY_HAS_MTIME |
				     ENTRY_MTIME_COARSE };
	node_update_locked(&tree, n, &e, 6);
	assert_true(n->mtime == 1700000123 && n->checked == 6);
	assert_int_equal(n->flags, NODE_HAS_MODE);
	e.mtime = 1700000123 / 86400 * 86400;
	node_update_locked(&tree, n, &e, 6);
	assert_true(n->mtime == 1700000123);
	/* another minute, or another size, is another time */
	e.mtime = 1700000040;
	node_update_locked(&tree, n, &e, 6);
	assert_true(n->mtime == 1700000040);
	assert_true(n->flags & NODE_COARSE);
	e.mtime = 1700000123;
	e.flags &= (uint8_t)~ENTRY_MTIME_COARSE;
	node_update_locked(&tree, n, &e, 6);
	assert_false(n->flags & NODE_COARSE);
	e.mtime = 1700000100;
	e.size = 11;
	e.flags |= ENTRY_MTIME_COARSE;
	node_update_locked(&tree, n, &e, 6);
	assert_true(n->mtime == 1700000100 && n->size == 11);
}

static void test_update_spares_what_is_ours(void **state) NO_TSA
{
	struct entry e = { .size = 10,
			   .mtime = 1700000123,
			   .kind = ENTRY_FILE,
			   .flags = ENTRY_HAS_SIZE | ENTRY_HAS_MTIME };
	struct entry link = { .target = "over/there", .kind = ENTRY_SYMLINK };
	struct node *n = node_new_locked(&tree, tree.root, "n", ENTRY_FILE);
	struct node *d = node_new_locked(&tree, tree.root, "d", ENTRY_DIR);
	struct node *s = node_new_locked(&tree, tree.root, "s", ENTRY_SYMLINK);

	(void)state;
	n->size = 1;
	n->mtime = 2;
	n->flags = NODE_DIRTY;
	node_update_locked(&tree, n, &e, 5);
	assert_true(n->size == 1 && n->mtime == 2 && n->checked == 5);
	d->mtime = 3;
	d->flags = NODE_KEEP_MTIME;
	node_update_locked(&tree, d, &e, 5);
	assert_true(d->mtime == 3);
	node_update_locked(&tree, s, &link, 5);
	assert_string_equal(s->target, "over/there");
	link.target = NULL; /* MLST tells none: the known one stays */
	node_update_locked(&tree, s, &link, 6);
	assert_string_equal(s->target, "over/there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names_and_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_while_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deep_chain_is_freed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update_spares_what_is_ours, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
