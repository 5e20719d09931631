/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/links.h"

#include "fs/dir.h"
#include "fs/options.h"
#include "net/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FOLLOWED_MAX = 1000 }; /* links of one directory; more stay links */

int links_show_locked(struct mount *m, const struct node *n, char ret[static PATH_MAX])
{
	const char *base = remote_base(m->remote) ? remote_base(m->remote) : "/";
	_cleanup_free_ char *dir = NULL;

	if (m->opt->symlinks == LINKS_RAW) {
		return snprintf(ret, PATH_MAX, "%s", n->target) < PATH_MAX
			       ? 0
			       : -ENAMETOOLONG;
	}
	dir = node_path_locked(&m->tree, base, n->parent);
	return dir ? path_contain(base, dir, n->target, ret) : -ENOMEM;
}

/* ---- reading and making ---- */

/* 1: not known yet. */
static int show(struct mount *m, struct node *n, char ret[static PATH_MAX])
{
	int r;

	mutex_lock(&m->tree.lock);
	r = n->kind != ENTRY_SYMLINK ? -EINVAL
	    : n->target		     ? links_show_locked(m, n, ret)
				     : 1;
	mutex_unlock(&m->tree.lock);
	return r;
}

int links_read(struct mount *m, struct node *n, const struct wait *w,
	       char ret[static PATH_MAX])
{
	int r = show(m, n, ret);

	if (r == 1) {
		r = dir_learn_links(m, n, w);
		r = r < 0 ? r : show(m, n, ret);
	}
	return r == 1 ? -EIO : r;
}

int links_target(struct mount *m, const char *dir, const char *target, char **ret)
{
	const char *base = remote_base(m->remote),
		   *rest = path_below(m->opt->mountpoint, target);
	_cleanup_free_ char *joined = NULL;
	char shown[PATH_MAX];
	char *clean;
	int r;

	if (target[0] == '/' && rest) {
		joined = path_join(base, rest);
	} else if (target[0] == '/') {
		/* A path of this machine, which is another one on the server. */
		joined = m->opt->symlinks == LINKS_RAW ? strdup(target) : NULL;
		if (!joined) {
			return m->opt->symlinks == LINKS_RAW ? -ENOMEM : -EPERM;
		}
	} else {
		r = m->opt->symlinks == LINKS_RAW
			    ? 0
			    : path_contain(base, dir, target, shown);
		if (r < 0) {
			return r;
		}
		joined = path_join(dir, target);
	}
	clean = joined ? path_clean(joined) : NULL;
	if (!clean) {
		return -ENOMEM;
	}
	*ret = clean;
	return 0;
}

/* ---- follow, hide ---- */

/* Whether a link in dir leads to dir or to a directory that holds it, as far as texts tell. */
static bool leads_up(const char *dir, const char *target)
{
	_cleanup_free_ char *joined =
		target[0] == '/' ? strdup(target) : path_join(dir, target);
	_cleanup_free_ char *clean = joined ? path_clean(joined) : NULL;

	return !clean || path_below(clean, dir);
}

static const char *target_in(const struct listing *links, const char *name)
{
	for (size_t i = 0; links && i < links->n; i++) {
		if (links->entries[i].target &&
		    strcmp(links->entries[i].name, name) == 0) {
			return links->entries[i].target;
		}
	}
	return NULL;
}

static void become(struct entry *e, const struct entry *target)
{
	e->kind = target->kind;
	e->size = target->size;
	e->mtime = target->mtime;
	e->flags = target->flags;
	e->target = NULL;
}

/* One link of a listing. *links: a LIST of the same directory, made when first needed. */
static void follow(struct mount *m, const struct wait *w, const char *dir,
		   struct entry *e, struct listing **links)
{
	_cleanup_free_ char *path = path_join(dir, e->name);
	_cleanup_(stat_result_release) struct stat_result st = { 0 };
	const char *target = e->target;

	if (!path || remote_stat_target(m->remote, w, path, &st) < 0) {
		return;
	}
	if (st.entry.kind == ENTRY_DIR && !target && !*links) {
		(void)remote_links(m->remote, w, dir, links);
	}
	if (st.entry.kind == ENTRY_DIR && !target) {
		target = target_in(*links, e->name);
	}
	if (st.entry.kind != ENTRY_DIR || (target && !leads_up(dir, target))) {
		become(e, &st.entry);
	}
}

void links_filter(struct mount *m, const struct wait *w, const char *path,
		  struct listing *l)
{
	_cleanup_(listing_freep) struct listing *links = NULL;
	size_t to = 0, followed = 0;

	if (m->opt->symlinks != LINKS_FOLLOW && m->opt->symlinks != LINKS_HIDE) {
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		struct entry *e = &l->entries[i];

		if (e->kind == ENTRY_SYMLINK && m->opt->symlinks == LINKS_HIDE) {
			continue;
		}
		if (e->kind == ENTRY_SYMLINK && followed++ < FOLLOWED_MAX) {
			follow(m, w, path, e, &links);
		}
		l->entries[to++] = *e;
	}
	l->n = to;
}

/* MLST of ProFTPD shows a link as the file or directory it leads to, but with the size
 * and mode of the link itself: believed, the file would be cut to the length of the
 * link's target. MLSD knows better. */
static bool may_be_link(const struct entry *e)
{
	return (e->flags & ENTRY_HAS_MODE) && e->mode == 0777 && e->kind != ENTRY_SYMLINK;
}

bool links_want_listing(const struct mount *m, const struct entry *e)
{
	return may_be_link(e) ||
	       (e->kind == ENTRY_SYMLINK && m->opt->symlinks == LINKS_FOLLOW);
}

int links_filter_stat(struct mount *m, const struct wait *w, const char *path, int error,
		      struct stat_result *st)
{
	_cleanup_(stat_result_release) struct stat_result target = { 0 };
	struct entry *e = &st->entry;
	bool link = error == 0 && e->kind == ENTRY_SYMLINK;

	if (link && m->opt->symlinks == LINKS_HIDE) {
		return -ENOENT;
	}
	if (m->opt->symlinks != LINKS_FOLLOW || error < 0 || (!link && !may_be_link(e)) ||
	    remote_stat_target(m->remote, w, path, &target) < 0) {
		return error;
	}
	if (link || target.entry.size != e->size) {
		become(e, &target.entry);
	}
	return error;
}
