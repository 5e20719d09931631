/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/listing_token.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

size_t tokens_split(char *line, struct token tokens[static TOKENS_MAX])
{
	size_t n = 0;

	while (n < TOKENS_MAX) {
		line += strspn(line, " \t");
		if (!*line) {
			break;
		}
		tokens[n].at = line;
		tokens[n].len = strcspn(line, " \t");
		line += tokens[n++].len;
	}
	return n;
}

bool token_is(const struct token *t, const char *text)
{
	return t->len == strlen(text) && strncasecmp(t->at, text, t->len) == 0;
}

bool number_parse(const char *s, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0 || len > 18) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i])) {
			return false;
		}
		value = value * 10 + (uint64_t)(s[i] - '0');
	}
	*ret = value;
	return true;
}

bool token_number(const struct token *t, uint64_t *ret)
{
	return number_parse(t->at, t->len, ret);
}

bool token_figures(const char **p, size_t min, size_t max, int *ret)
{
	size_t n = strspn(*p, "0123456789");
	uint64_t value;

	if (n < min || n > max || !number_parse(*p, n, &value)) {
		return false;
	}
	*ret = (int)value;
	*p += n;
	return true;
}
