/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts that name an address or a port, and what makes a path fit for the wire. */
#include "net/address.h"
#include "net/path.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void try_passive(const char *text)
{
	struct passive p = { 0 }, again;
	char line[80];

	if (passive_parse(text, &p) < 0) {
		must(p.port == 0);
		return;
	}
	must(p.port != 0);
	if (p.has_host) {
		snprintf(line, sizeof(line), "227 x (%u,%u,%u,%u,%u,%u)", p.host[0],
			 p.host[1], p.host[2], p.host[3], p.port >> 8, p.port & 0xff);
	} else {
		snprintf(line, sizeof(line), "229 x (|||%u|)", p.port);
	}
	must(passive_parse(line, &again) == 0);
	must(memcmp(p.host, again.host, sizeof(p.host)) == 0 && p.port == again.port &&
	     p.has_host == again.has_host);
}

static void try_range(const char *text)
{
	struct port_range r;

	if (port_range_parse(text, &r) == 0) {
		must(r.lo >= 1 && r.lo <= r.hi);
		must(port_range_has(&r, r.lo) && port_range_has(&r, r.hi));
	}
}

static void try_path(const char *text)
{
	_cleanup_buf_ struct buf b = { 0 };
	_cleanup_free_ char *clean = path_clean(text);
	_cleanup_free_ char *again = clean ? path_clean(clean) : NULL;
	_cleanup_free_ char *parent = path_parent(text);
	_cleanup_free_ char *joined = parent ? path_join(parent, "x") : NULL;

	must(clean && again && strcmp(clean, again) == 0);
	must(strlen(clean) <= strlen(text) && !strstr(clean, "//"));
	must((clean[0] == '/') == (text[0] == '/'));
	must(clean[0] != '/' || strncmp(clean, "/..", 3) != 0 ||
	     (clean[3] && clean[3] != '/'));
	must(joined && joined[strlen(joined) - 1] == 'x');
	if (path_command(&b, NULL, "CWD", text) == 0) {
		must(b.len <= PATH_COMMAND_MAX);
		must(strcspn(buf_str(&b), "\r\n") == b.len - 2);
		must(memcmp(b.data + b.len - 2, "\r\n", 2) == 0);
	} else {
		must(b.len == 0);
	}
	if (path_name_check(text, strlen(text)) == 0) {
		must(text[0] && strcmp(text, ".") && strcmp(text, "..") &&
		     !strpbrk(text, "/\r\n"));
	}
}

/* A contained path goes up at its beginning only, and not further than it may. */
static void try_contain(const char *text)
{
	char shown[PATH_MAX];
	unsigned up = 0;
	const char *p = shown;

	if (path_contain("/a/b", "/a/b/c/d", text, shown) < 0) {
		return;
	}
	must(shown[0] && shown[0] != '/');
	for (; *p; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");

		if (len == 2 && strncmp(p, "..", 2) == 0) {
			must(up < 2);
			up++;
		} else if (len > 1 || *p != '.') {
			up = 2;
		}
		p += len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);

	if (text) {
		try_passive(text);
		try_range(text);
		try_path(text);
		try_contain(text);
	}
	return 0;
}
