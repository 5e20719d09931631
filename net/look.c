/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/look.h"

#include "net/remote_private.h"

#include <string.h>

int64_t look_number(const struct reply *reply)
{
	const char *p = reply_words(reply);
	uint64_t n = 0;

	while (*p == ' ') {
		p++;
	}
	if (*p < '0' || *p > '9') {
		return -1;
	}
	while (*p >= '0' && *p <= '9') {
		if (n > (INT64_MAX - 9) / 10) {
			return -1;
		}
		n = n * 10 + (uint64_t)(*p++ - '0');
	}
	return (int64_t)n;
}

static void look_facts(const struct reply *reply, struct look *look)
{
	_cleanup_reply_ struct reply copy = { reply->code, strdup(reply->text) };
	_cleanup_(stat_result_release) struct stat_result st = { 0 };
	const struct entry *e = &st.entry;

	if (!copy.text || remote_parse_mlst(&copy, &st) < 0) {
		return;
	}
	look->has_size = e->flags & ENTRY_HAS_SIZE;
	look->size = e->size;
	look->mtime = e->flags & ENTRY_HAS_MTIME ? e->mtime : -1;
	look->mode = e->flags & ENTRY_HAS_MODE ? e->mode : -1;
	look->link =
		e->kind == ENTRY_SYMLINK || (e->kind == ENTRY_FILE && look->mode == 0777);
}

size_t look_commands(struct host *host, const char *path, struct command cmds[2])
{
	size_t n = 0;

	if (host->mlst) {
		cmds[n++] = (struct command){ "MLST", path };
		return n;
	}
	if (host->size) {
		cmds[n++] = (struct command){ "SIZE", path };
		if (host->mdtm) {
			cmds[n++] = (struct command){ "MDTM", path };
		}
	}
	return n;
}

void look_replies(struct host *host, const struct command *cmds,
		  const struct reply *replies, size_t n, struct look *look)
{
	*look = (struct look){ .mtime = -1, .mode = -1 };
	for (size_t i = 0; i < n; i++) {
		const char *verb = cmds[i].verb;
		const struct reply *reply = &replies[i];
		int64_t number;

		if (!reply_is(reply, 2)) {
			if (look_unknown(reply) && strcmp(verb, "MLST") == 0) {
				host->mlst = false;
			} else if (look_unknown(reply) && strcmp(verb, "SIZE") == 0) {
				host->size = false;
			} else if (strcmp(verb, "MDTM") != 0) {
				look->missing = true;
			}
		} else if (strcmp(verb, "MLST") == 0) {
			look_facts(reply, look);
		} else if (strcmp(verb, "SIZE") == 0) {
			number = look_number(reply);
			if (number >= 0) {
				look->has_size = true;
				look->size = (uint64_t)number;
			}
		} else {
			(void)listing_parse_time(reply_words(reply), &look->mtime);
		}
	}
}

int look_at(struct control *c, const struct wait *w, const char *path, struct look *ret)
{
	struct host *host = control_host(c);
	struct command cmds[2];
	struct reply replies[2] = { { 0 } };
	size_t n = look_commands(host, path, cmds);
	int r = n ? control_batch(c, w, cmds, n, replies) : 0;

	if (r == 0) {
		look_replies(host, cmds, replies, n, ret);
	}
	reply_release(&replies[0]);
	reply_release(&replies[1]);
	if (r == 0 && (!ret->has_size || ret->link) && host->size && n > 0 &&
	    strcmp(cmds[0].verb, "SIZE") != 0) {
		_cleanup_reply_ struct reply reply = { 0 };
		struct look facts = *ret;

		cmds[0] = (struct command){ "SIZE", path };
		r = control_command(c, w, "SIZE", path, &reply);
		if (r == 0) {
			look_replies(host, cmds, &reply, 1, ret);
			ret->mtime = facts.mtime;
			ret->mode = facts.mode;
		}
	}
	return r;
}
