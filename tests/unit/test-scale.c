/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A million names: what they cost, and that no step looks at all of them. What was quadratic
 * would run into the time limit of the test. */
#include "dir-bed.h"
#include "fs/children.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 1000000, SOME = 100000, COST_MAX = 120 };

static struct entry *entries;
static char *names;
static size_t names_len;

/* Of every length between 8 and 39. */
static struct listing listing_of(size_t n)
{
	char *at;

	entries = calloc(n, sizeof(*entries));
	at = names = malloc(n * 40);
	assert_non_null(entries);
	assert_non_null(names);
	for (size_t i = 0; i < n; i++) {
		entries[i] = (struct entry){
			.name = at,
			.size = i,
			.mtime = 1700000000,
			.kind = ENTRY_FILE,
			.flags = ENTRY_HAS_SIZE | ENTRY_HAS_MTIME,
		};
		at += sprintf(at, "%0*zu", (int)(8 + i % 32), i) + 1;
	}
	names_len = (size_t)(at - names);
	return (struct listing){ .entries = entries, .n = n };
}

static void listing_gone(void)
{
	free(entries);
	free(names);
}

/* Chunks with their heads, and what was mapped by itself. 0 where malloc is not glibc's. */
static size_t heap_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void merge(const struct listing *l)
{
	struct dir *d = NULL;

	mutex_lock(&m.tree.lock);
	assert_int_equal(children_of_locked(&m.tree, m.tree.root, &d), 0);
	assert_int_equal(children_merge_locked(&m.tree, m.tree.root, l, m.tree.clock), 0);
	mutex_unlock(&m.tree.lock);
}

static struct node *root_child(size_t slot)
{
	return m.tree.root->dir->snap->children[slot];
}

static void test_what_an_entry_costs(void **state)
{
	static const size_t counts[] = { SOME, 300000, MANY };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct listing l = listing_of(counts[i]);
		size_t before = heap_used(), used;

		merge(&l);
		used = heap_used() - before - names_len;
		printf("%zu entries: %.1f bytes each beyond the name\n", l.n,
		       (double)used / (double)l.n);
		assert_true(before == 0 || used <= l.n * COST_MAX);
		listing_gone();
		assert_int_equal(dir_bed_teardown(NULL), 0);
		assert_int_equal(dir_bed_setup(NULL), 0);
	}
}

/* An order that has nothing to do with that of the listing. */
static size_t shuffled(size_t i, size_t n)
{
	return (i * 7919 + 13) % n;
}

static void test_removed_in_any_order(void **state)
{
	struct listing l = listing_of(MANY);

	(void)state;
	merge(&l);
	for (size_t i = 0; i < MANY; i++) {
		dir_removed(&m, root_child(shuffled(i, MANY)));
	}
	assert_int_equal(n_nodes(), 0);
	listing_gone();
}

static void test_moved_and_made_in_any_order(void **state)
{
	struct listing l = listing_of(SOME);
	struct entry e = { .kind = ENTRY_FILE };
	struct snapshot *s;

	(void)state;
	merge(&l);
	for (size_t i = 0; i < SOME; i++) {
		struct node *n = find(m.tree.root, entries[shuffled(i, SOME)].name),
			    *made;
		char name[32];

		snprintf(name, sizeof(name), "new %zu", i);
		assert_int_equal(dir_moved(&m, n, m.tree.root, name), 0);
		assert_string_equal(node_name(n), name);
		snprintf(name, sizeof(name), "made %zu", i);
		assert_int_equal(dir_added(&m, m.tree.root, name, &e, &made), 0);
		node_unref(&m.tree, made);
	}
	assert_int_equal(n_nodes(), 2 * SOME);
	s = m.tree.root->dir->snap;
	assert_int_equal(live(s), 2 * SOME);
	for (size_t i = 0; i < s->n; i++) {
		assert_true(!s->children[i] || s->children[i]->slot == i);
	}
	/* the first listing again: it knows the old names only */
	merge(&l);
	assert_int_equal(n_nodes(), SOME);
	assert_int_equal(m.tree.root->dir->snap->n, SOME);
	listing_gone();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_an_entry_costs),
		T(test_removed_in_any_order),
		T(test_moved_and_made_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
