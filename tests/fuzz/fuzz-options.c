/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer target: bytes -> a command line, a credentials and a netrc file. The first
 * byte picks; arguments are separated by line ends. No file is read: -F is left out. */
#include "fs/options.h"
#include "fs/secret.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARGS_MAX = 16 };

static void fuzz_arguments(char *text)
{
	char name[] = "ftpsfs", *argv[ARGS_MAX + 2] = { name }, *save = NULL;
	struct words words;
	struct options o;
	int argc = 1, r;

	for (char *a = strtok_r(text, "\n", &save); a && argc <= ARGS_MAX;
	     a = strtok_r(NULL, "\n", &save)) {
		if (strncmp(a, "-F", 2) == 0) {
			return;
		}
		argv[argc++] = a;
	}
	r = options_parse_with(&o, argc, argv, NULL, NULL, &words);
	if (r == 0 && !o.show_help && !o.show_version && !o.print_options) {
		assert(o.port >= 1 && o.port <= 65535 && o.max_conns >= 1);
		assert(!o.host || (*o.host && !strpbrk(o.host, "\r\n/")));
		assert(!o.dir || !strpbrk(o.dir, "\r\n"));
		assert(!o.user || (*o.user && !strpbrk(o.user, "\r\n")));
		assert(o.tls_min <= o.tls_max && o.fmask <= 0777 && o.dir_ttl >= 0);
	}
	if (r < 0) {
		assert(words.text[0] && !o.host);
	}
	options_finish(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login login;
	bool passwords;
	char *text;

	if (!size || size > 4096 || !(text = strndup((const char *)data + 1, size - 1))) {
		return 0;
	}
	if (data[0] == 'c') {
		secret_parse_credentials(text, &login);
	} else if (data[0] == 'n') {
		(void)secret_parse_netrc(text, "host", NULL, &login, &passwords);
	} else {
		fuzz_arguments(text);
	}
	free(text);
	return 0;
}
