/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for libFuzzer's main: runs the target once over every file of the folders
 * given, with any compiler and any sanitizer. */
#include "base/defs.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1024 * 1024 };

static int run_file(const char *dir, const char *name)
{
	_cleanup_free_ uint8_t *data = NULL;
	uint8_t *exact;
	char path[4096];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	data = malloc(INPUT_MAX);
	if (!f || !data) {
		perror(path);
		return -1;
	}
	n = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	/* A buffer of just that size lets the address sanitizer see a byte too far. */
	exact = malloc(n ? n : 1);
	if (!exact) {
		return -1;
	}
	memcpy(exact, data, n);
	printf("%s (%zu bytes)\n", path, n);
	fflush(stdout);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

/* How many files were run; -1 on trouble. */
static int run_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	if (!d) {
		perror(dir);
		return -1;
	}
	while (n >= 0 && (e = readdir(d))) {
		if (e->d_name[0] != '.') {
			n = run_file(dir, e->d_name) < 0 ? -1 : n + 1;
		}
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = run_dir(argv[i]);

		if (n < 0) {
			return 1;
		}
		total += n;
	}
	printf("%d inputs\n", total);
	return total ? 0 : 1; /* an empty corpus proves nothing */
}
