/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as names in several character sets: each must lead back to itself and make no
 * separator; any text that can be sent must be what comes back. */
#include "net/charset.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const sets[] = { "ISO-8859-1", "GB18030", "CP932",
					    "BIG5-HKSCS", "EUC-KR",  "EUC-TW",
					    "CP1258",	  "KOI8-R",  "ASCII",
					    "UTF-8" };
	static struct charset *open[ARRAY_LEN(sets)]; /* iconv_open() takes its time */
	_cleanup_free_ char *bytes = NULL, *local = NULL, *back = NULL, *sent = NULL;
	size_t i;

	if (size == 0) {
		return 0;
	}
	i = data[0] % ARRAY_LEN(sets);
	bytes = strndup((const char *)data + 1, size - 1);
	must(bytes && (open[i] || charset_new(sets[i], &open[i]) == 0));
	must(charset_decode(open[i], bytes, &local) == 0);
	must((strpbrk(bytes, "/\r\n") != NULL) == (strpbrk(local, "/\r\n") != NULL));
	must(charset_encode(open[i], local, &back) == 0);
	must(strcmp(back, bytes) == 0);
	if (charset_encode(open[i], bytes, &sent) == 0) {
		must((strpbrk(bytes, "/\r\n") != NULL) ==
		     (strpbrk(sent, "/\r\n") != NULL));
	}
	return 0;
}
