/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dir-bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct options options;
struct mount m;
struct remote *server;

int dir_bed_setup(void **state)
{
	(void)state;
	options = (struct options){ .dir_ttl = 30000, .neg_ttl = 5000 };
	server = fake_new("/home");
	m = (struct mount){ .opt = &options, .remote = server };
	return tree_init(&m.tree);
}

int dir_bed_teardown(void **state)
{
	(void)state;
	tree_finish(&m.tree);
	fake_free(server);
	return 0;
}

/* A lookup whose kernel reference stays until forget(). */
struct node *look(struct node *parent, const char *name)
{
	struct node *n = NULL;
	int64_t ttl = -1;

	assert_int_equal(dir_lookup(&m, parent, name, NULL, &n, &ttl), 0);
	assert_true(ttl >= 0 && ttl <= options.dir_ttl);
	return n;
}

int64_t look_missing(struct node *parent, const char *name)
{
	struct node *n = NULL;
	int64_t ttl = -1;

	assert_int_equal(dir_lookup(&m, parent, name, NULL, &n, &ttl), -ENOENT);
	assert_null(n);
	return ttl;
}

void forget(struct node *n)
{
	node_forget(&m.tree, n, 1);
}

void list(struct node *n)
{
	struct snapshot *s = NULL;

	assert_int_equal(dir_get(&m, n, NULL, &s), 0);
	snapshot_unref(&m, s);
}

struct node *find(struct node *parent, const char *name)
{
	struct node *n;

	mutex_lock(&m.tree.lock);
	n = node_find_locked(&m.tree, parent, name);
	mutex_unlock(&m.tree.lock);
	return n;
}

size_t n_nodes(void)
{
	size_t n;

	mutex_lock(&m.tree.lock);
	n = m.tree.n_nodes;
	mutex_unlock(&m.tree.lock);
	return n;
}

size_t live(const struct snapshot *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		n += s->children[i] && !(s->children[i]->flags & NODE_GONE);
	}
	return n;
}
