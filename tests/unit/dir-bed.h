/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of fs/dir.c share: a mount of a server in memory, made anew for each test. */
#ifndef TESTS_UNIT_DIR_BED_H
#define TESTS_UNIT_DIR_BED_H

#include "fake-remote.h"
#include "fs/dir.h"
#include "fs/options.h"

extern struct options options;
extern struct mount m;
extern struct remote *server;

int dir_bed_setup(void **state);
int dir_bed_teardown(void **state);

/* A lookup whose kernel reference stays until forget(). */
struct node *look(struct node *parent, const char *name);
int64_t look_missing(struct node *parent, const char *name); /* the ttl of the absence */
void forget(struct node *n);
void list(struct node *n);
struct node *find(struct node *parent, const char *name);
size_t n_nodes(void);
size_t live(const struct snapshot *s);

#define T(name) cmocka_unit_test_setup_teardown(name, dir_bed_setup, dir_bed_teardown)

#endif
