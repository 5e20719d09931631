/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs/journal: what is owed survives its owner, once. A child process plays the mount that
 * dies. */
#include "fs/journal.h"
#include "fs/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static char dir[] = "/tmp/ftpsfs-journal-XXXXXX";
static char place[96]; /* of the journal of "a@h:21" */

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir)) {
		return -1;
	}
	(void)snprintf(place, sizeof(place), "%s/ftpsfs-journal-%ld/for-a@h:21", dir,
		       (long)geteuid());
	return 0;
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static struct journal *open_journal(void)
{
	struct journal *j = NULL;

	assert_int_equal(journal_open(dir, "a@h:21", &j, NULL), 0);
	return j;
}

static void add(struct journal *j, const char *path, const char *text,
		struct journal_slot *slot)
{
	struct journal_entry e = { .path = (char *)path,
				   .size = strlen(text),
				   .mtime = 1234567890,
				   .mode = 0640,
				   .replaces = true };
	struct spool *s = NULL;

	assert_int_equal(spool_new(dir, 0, &s), 0);
	assert_int_equal(spool_write(s, text, strlen(text), 0), 0);
	assert_int_equal(journal_add(j, &e, s, slot), 0);
	spool_free(s);
}

/* Runs fn in a process that dies without a word. */
static void in_child(void (*fn)(void))
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static unsigned count_files(void)
{
	DIR *d = opendir(place);
	const struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		n += e->d_name[0] != '.';
	}
	closedir(d);
	return n;
}

/* ---- what recovery found ---- */

enum { FOUND_MAX = 4 };
struct found {
	struct journal *j;
	unsigned n;
	char path[FOUND_MAX][64], text[FOUND_MAX][64];
	struct journal_slot slot[FOUND_MAX];
};

static void adopt(void *arg, struct journal_entry e, int data, struct journal_slot slot)
{
	struct found *f = arg;
	ssize_t n = pread(data, f->text[f->n], sizeof(f->text[0]) - 1, 0);

	assert_true(f->n < FOUND_MAX);
	assert_int_equal(n, e.size);
	assert_int_equal(e.mtime, 1234567890);
	assert_int_equal(e.mode, 0640);
	assert_true(e.replaces && !e.mode_required);
	(void)snprintf(f->path[f->n], sizeof(f->path[0]), "%s", e.path);
	f->slot[f->n++] = slot;
	journal_entry_release(&e);
	close(data);
}

static void recover(struct journal *j, struct found *f)
{
	int n;

	memset(f, 0, sizeof(*f));
	f->j = j;
	n = journal_recover(j, NULL, adopt, f);
	assert_int_equal(n, f->n);
}

static void forget(struct found *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		journal_remove(f->j, &f->slot[i]);
		assert_int_equal(f->slot[i].lock, -1);
	}
}

/* ---- tests ---- */

static void child_owes_two(void)
{
	struct journal_slot slot;
	struct journal *j = open_journal();

	add(j, "/dir/one", "first", &slot);
	add(j, "/dir/two =\xff", "second one", &slot);
}

static void test_survives(void **state)
{
	struct journal *j = open_journal();
	struct found f, again;

	(void)state;
	in_child(child_owes_two);
	assert_int_equal(count_files(), 4);
	recover(j, &f);
	assert_int_equal(f.n, 2);
	for (unsigned i = 0; i < 2; i++) {
		bool first = strcmp(f.path[i], "/dir/one") == 0;

		assert_string_equal(f.path[i], first ? "/dir/one" : "/dir/two =\xff");
		assert_string_equal(f.text[i], first ? "first" : "second one");
	}
	/* They are ours now: locked, though by the same process. */
	recover(j, &again);
	assert_int_equal(again.n, 0);
	forget(&f);
	assert_int_equal(count_files(), 0);
	journal_close(j);
}

static void child_looks(void)
{
	struct found f;
	struct journal *j = open_journal();

	recover(j, &f);
	_exit(f.n == 0 ? 0 : 1);
}

static void test_living_owner(void **state)
{
	struct journal *j = open_journal();
	struct journal_slot slot;
	char name[128];

	(void)state;
	add(j, "/x", "mine", &slot);
	journal_describe(j, &slot, name, sizeof(name));
	assert_non_null(strstr(name, "for-a@h:21/"));
	in_child(child_looks);
	assert_int_equal(count_files(), 2);
	journal_remove(j, &slot);
	assert_int_equal(count_files(), 0);
	journal_remove(j, &slot); /* nothing left to remove */
	journal_close(j);
}

static void make_file(const char *name, const char *text)
{
	char path[160];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", place, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *name)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/%s", place, name);
	assert_int_equal(unlink(path), 0);
}

/* Crashes in the middle, and files that are not ours to judge. */
static void test_halves(void **state)
{
	struct journal *j = open_journal();
	struct found f;

	(void)state;
	make_file("0123456789abcdef.new", "ftpsfs jour");
	make_file("0123456789abcdef.data", "half");
	make_file("00000000000000aa.entry", "delivered, data removed");
	make_file("00000000000000bb.entry", "no journal");
	make_file("00000000000000bb.data", "whose?");
	make_file("00000000000000cc.entry", "ftpsfs journal 1\npath=/short\nsize=5\n");
	make_file("00000000000000cc.data", "whole");
	make_file("notes.txt", "a person's");
	recover(j, &f);
	assert_int_equal(f.n, 0);
	assert_int_equal(count_files(), 5);
	remove_file("00000000000000bb.entry");
	remove_file("00000000000000bb.data");
	remove_file("00000000000000cc.entry");
	remove_file("00000000000000cc.data");
	remove_file("notes.txt");
	journal_close(j);
}

static void test_not_ours_alone(void **state)
{
	struct words words = { "" };
	struct journal *j = NULL;
	char top[96];

	(void)state;
	(void)snprintf(top, sizeof(top), "%s/ftpsfs-journal-%ld", dir, (long)geteuid());
	assert_int_equal(chmod(top, 0777), 0);
	assert_int_equal(journal_open(dir, "a@h:21", &j, &words), -EPERM);
	assert_non_null(strstr(words.text, "only we"));
	assert_int_equal(chmod(top, 0700), 0);
	assert_int_equal(journal_open("/nonexistent", "a@h:21", &j, &words), -ENOENT);
	assert_int_equal(journal_open(dir, "../../x/y@h", &j, &words), 0);
	journal_close(j);
}

static void test_unsayable_path(void **state)
{
	struct journal *j = open_journal();
	struct journal_entry e = { .path = (char *)"/a\nb" };
	struct journal_slot slot = JOURNAL_SLOT_NONE;
	struct spool *s = NULL;

	(void)state;
	assert_int_equal(spool_new(dir, 0, &s), 0);
	assert_int_equal(journal_add(j, &e, s, &slot), -EINVAL);
	e.path = (char *)"relative";
	assert_int_equal(journal_add(j, &e, s, &slot), -EINVAL);
	assert_int_equal(count_files(), 0);
	spool_free(s);
	journal_close(j);
}

static void test_entry_texts(void **state)
{
	static const char *const bad[] = {
		"",
		"ftpsfs journal 2\npath=/a\nsize=1\nend\n",
		"ftpsfs journal 1\npath=/a\nsize=1\n",
		"ftpsfs journal 1\npath=/a\nend\n",
		"ftpsfs journal 1\nsize=1\nend\n",
		"ftpsfs journal 1\npath=a\nsize=1\nend\n",
		"ftpsfs journal 1\npath=/a\npath=/b\nsize=1\nend\n",
		"ftpsfs journal 1\npath=/a\nsize=-1\nend\n",
		"ftpsfs journal 1\npath=/a\nsize=99999999999999999999\nend\n",
		"ftpsfs journal 1\npath=/a\nsize=1\nmode=9999\nend\n",
		"ftpsfs journal 1\npath=/a\nsize=1\ncolour=red\nend\n",
		"ftpsfs journal 1\npath=/a\nsize=1\nnonsense\nend\n",
	};
	struct journal_entry e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(journal_entry_parse(bad[i], &e), -EINVAL);
		assert_null(e.path);
	}
	assert_int_equal(
		journal_entry_parse("ftpsfs journal 1\npath=/a=b \nsize=7\nend", &e), 0);
	assert_string_equal(e.path, "/a=b ");
	assert_int_equal(e.size, 7);
	assert_int_equal(e.mtime, -1);
	assert_int_equal(e.mode, -1);
	journal_entry_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_survives),
		cmocka_unit_test(test_living_owner),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_not_ours_alone),
		cmocka_unit_test(test_unsayable_path),
		cmocka_unit_test(test_entry_texts),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
