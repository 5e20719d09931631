/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What credentials and netrc files say. Pure. */
#include "base/defs.h"
#include "fs/secret.h"

#include <string.h>
#include <strings.h>

char *secret_next_line(char **text)
{
	char *line = *text;
	size_t len = strcspn(line, "\n");

	if (!*line) {
		return NULL;
	}
	*text = line + len + (line[len] == '\n');
	line[len] = '\0';
	if (len && line[len - 1] == '\r') {
		line[len - 1] = '\0';
	}
	return line;
}

void secret_parse_credentials(char *text, struct login *ret)
{
	*ret = (struct login){ 0 };
	for (char *line; (line = secret_next_line(&text));) {
		const struct {
			const char *key;
			const char **value;
		} keys[] = {
			{ "username=", &ret->user },
			{ "user=", &ret->user },
			{ "password=", &ret->password },
			{ "pass=", &ret->password },
			{ "account=", &ret->account },
			{ "key_password=", &ret->key_password },
			{ "proxy_password=", &ret->proxy_password },
		};

		line += strspn(line, " \t");
		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			size_t n = strlen(keys[i].key);

			if (strncmp(line, keys[i].key, n) == 0) {
				*keys[i].value = line + n;
			}
		}
	}
}

/* A netrc token: blanks separate, "..." may hold blanks and \x escapes. NULL at the end.
 */
static char *netrc_token(char **text)
{
	char *p = *text + strspn(*text, " \t\r\n"), *start = p, *to;

	if (!*p) {
		*text = p;
		return NULL;
	}
	if (*p != '"') {
		p += strcspn(p, " \t\r\n");
		*text = p + (*p != '\0');
		*p = '\0';
		return start;
	}
	start = to = ++p;
	while (*p && *p != '"') {
		p += *p == '\\' && p[1];
		*to++ = *p++;
	}
	*text = p + (*p == '"');
	*to = '\0';
	return start;
}

/* A macro's text ends at an empty line. */
static void netrc_skip_macro(char **text)
{
	char *end = strstr(*text, "\n\n"), *crlf = strstr(*text, "\n\r\n");

	if (crlf && (!end || crlf < end)) {
		end = crlf;
	}
	*text = end ? end + 1 : *text + strlen(*text);
}

/* The first entry that fits is taken, as every netrc reader does; with a user asked for,
 * an entry of another login does not fit. */
static bool netrc_fits(const struct login *entry, const char *user)
{
	return !user || !entry->user || strcmp(user, entry->user) == 0;
}

bool secret_parse_netrc(char *text, const char *host, const char *user, struct login *ret,
			bool *ret_passwords)
{
	struct login entry = { 0 };
	bool ours = false, found = false;

	*ret_passwords = false;
	for (char *token; (token = netrc_token(&text));) {
		bool machine = strcmp(token, "machine") == 0;
		const char **field = NULL;

		if (machine || strcmp(token, "default") == 0) {
			char *name = machine ? netrc_token(&text) : NULL;

			if (ours && !found && netrc_fits(&entry, user)) {
				*ret = entry;
				found = true;
			}
			entry = (struct login){ 0 };
			ours = !machine || (name && strcasecmp(name, host) == 0);
		} else if (strcmp(token, "login") == 0) {
			field = &entry.user;
		} else if (strcmp(token, "password") == 0) {
			field = &entry.password;
			*ret_passwords = true;
		} else if (strcmp(token, "account") == 0) {
			field = &entry.account;
		} else if (strcmp(token, "macdef") == 0) {
			netrc_skip_macro(&text);
		} else if (token[0] == '#' && *text) {
			text += strcspn(text, "\n"); /* a comment, as curl has them */
		}
		if (field) {
			*field = netrc_token(&text);
		}
	}
	if (ours && !found && netrc_fits(&entry, user)) {
		*ret = entry;
		found = true;
	}
	return found;
}
