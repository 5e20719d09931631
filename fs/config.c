/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/config.h"

#include "base/buf.h"
#include "fs/options_row.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <libconfig.h>
#include <string.h>
#include <sys/stat.h>

/* One file being read. */
struct reading {
	struct options *o;
	struct words *words;
	const char *file;
	bool others_read; /* of file itself; included files are asked when it matters */
	enum option_rank rank;
};

static const char *setting_file(const struct reading *rd, const config_setting_t *s)
{
	const char *file = config_setting_source_file(s);

	return file ? file : rd->file;
}

static int refuse(const struct reading *rd, const config_setting_t *s, const char *text)
{
	words_set(rd->words, "%s:%u: %s", setting_file(rd, s),
		  config_setting_source_line(s), text);
	return -EINVAL;
}

/* The scalar as the text that -o would have; what a type cannot mean is refused. Numbers
 * of umask and the like are texts, since libconfig reads 022 as twenty-two. */
static const char *wrong_type(const struct option_row *row, int type)
{
	bool text = type == CONFIG_TYPE_STRING, number;

	if (row && row->repeat) {
		return text ? NULL : "wants text in quotes, or a list of such";
	}

	number = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
	if (row && (row->flags & ROW_BARE)) {
		return type == CONFIG_TYPE_BOOL || text ? NULL : "wants true or false";
	}
	switch (row ? row->kind : KIND_BOOL) {
	case KIND_STRING:
		if (type == CONFIG_TYPE_BOOL && row->implied) {
			return NULL;
		}
		return text ? NULL : "wants text in quotes";
	case KIND_OCTAL:
		return text ? NULL : "wants text in quotes, such as \"022\"";
	case KIND_CHOICE:
		return text || type == CONFIG_TYPE_BOOL ? NULL : "wants text in quotes";
	case KIND_UINT:
		return text || number ? NULL : "wants a number";
	case KIND_SIZE:
		return text || number ? NULL : "wants a number or text such as \"8M\"";
	case KIND_DURATION:
		return text || number ? NULL : "wants seconds or text such as \"500ms\"";
	case KIND_BOOL: /* rows of ours are ROW_BARE: this is a word for FUSE or fstab */
		return text || number || type == CONFIG_TYPE_BOOL
			       ? NULL
			       : "wants a single value";
	}
	return NULL;
}

static int apply_text(const struct reading *rd, const config_setting_t *s,
		      const struct option_row *row, const char *text)
{
	_cleanup_free_ char *origin = NULL;

	/* "netrc = true" is the bare word; false leaves it off. */
	if (row && row->implied && !(row->flags & ROW_BARE) &&
	    config_setting_type(s) == CONFIG_TYPE_BOOL) {
		if (strcmp(text, "no") == 0) {
			return 0;
		}
		text = NULL;
	}
	if (asprintf(&origin, "%s:%u", setting_file(rd, s),
		     config_setting_source_line(s)) < 0) {
		origin = NULL;
		return -ENOMEM;
	}
	return options_set(rd->o, config_setting_name(s), text, rd->rank, origin,
			   rd->words);
}

static int apply_list(const struct reading *rd, const config_setting_t *s,
		      const struct option_row *row)
{
	int r = 0;

	for (int i = 0; r == 0 && i < config_setting_length(s); i++) {
		const char *text = config_setting_get_string_elem(s, i);

		if (!text) {
			char why[256];

			snprintf(why, sizeof(why), "%s wants a list of texts in quotes",
				 row->name);
			return refuse(rd, s, why);
		}
		r = apply_text(rd, s, row, text);
	}
	return r;
}

static int apply(const struct reading *rd, const config_setting_t *s)
{
	const char *name = config_setting_name(s), *wrong, *text = "";
	const struct option_row *row = option_find(name, strlen(name));
	int type = config_setting_type(s);
	char number[32];

	if (row && row->repeat &&
	    (config_setting_is_array(s) || config_setting_is_list(s))) {
		return apply_list(rd, s, row);
	}
	/* An unknown name is worse than its type: options_set() has the words for it. */
	if (row || option_is_fuse(name, strlen(name), false) ||
	    option_is_fuse(name, strlen(name), true)) {
		wrong = wrong_type(row, type);
		if (wrong) {
			char why[256];

			snprintf(why, sizeof(why), "%s %s", name, wrong);
			return refuse(rd, s, why);
		}
	}
	if (type == CONFIG_TYPE_STRING) {
		text = config_setting_get_string(s);
	} else if (type == CONFIG_TYPE_BOOL) {
		text = config_setting_get_bool(s) ? "yes" : "no";
	} else if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
		snprintf(number, sizeof(number), "%lld",
			 type == CONFIG_TYPE_INT ? (long long)config_setting_get_int(s)
						 : config_setting_get_int64(s));
		text = number;
	}
	return apply_text(rd, s, row, text);
}

static bool others_can_read(const struct reading *rd, const config_setting_t *s)
{
	const char *file = config_setting_source_file(s);
	struct stat st;

	if (!file) {
		return rd->others_read;
	}
	return stat(file, &st) < 0 || (st.st_mode & 077);
}

/* Every group is checked, also those of other hosts: the password in them is as readable.
 */
static int check_secrets(const struct reading *rd, const config_setting_t *group)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(s);
		const struct option_row *row = option_find(name, strlen(name));

		if (row && (row->flags & ROW_SECRET) && others_can_read(rd, s)) {
			words_set(rd->words,
				  "%s holds a password and others can read it: chmod 600 "
				  "%s",
				  setting_file(rd, s), setting_file(rd, s));
			return -EACCES;
		}
	}
	return 0;
}

static int read_defaults(const struct reading *rd, const config_setting_t *group)
{
	int r = check_secrets(rd, group);

	for (int i = 0; r == 0 && i < config_setting_length(group); i++) {
		r = apply(rd, config_setting_get_elem(group, (unsigned)i));
	}
	return r;
}

/* "*.example.net:990", "[fe80::*]:21", "nas": host names compare without case. */
static bool glob_matches(const char *glob, const struct options *o)
{
	const char *colon = strrchr(glob, ':');
	_cleanup_free_ char *host = NULL;
	char port[16];
	size_t len = strlen(glob);

	if (!o->host) {
		return false;
	}
	/* More than one ':' without brackets is a bare IPv6 address. */
	if (colon && (glob[0] == '[' ? colon[-1] == ']' : strchr(glob, ':') == colon)) {
		snprintf(port, sizeof(port), "%u", options_port(o));
		if (fnmatch(colon + 1, port, 0) != 0) {
			return false;
		}
		len = (size_t)(colon - glob);
	}
	if (len >= 2 && glob[0] == '[' && glob[len - 1] == ']' &&
	    memchr(glob, ':', len)) {
		host = strndup(glob + 1, len - 2);
	} else {
		host = strndup(glob, len);
	}
	return host && fnmatch(host, o->host, FNM_CASEFOLD) == 0;
}

static int host_matches(const struct reading *rd, const config_setting_t *group,
			bool *ret)
{
	const config_setting_t *match = config_setting_get_member(group, "match");
	bool is_array = match &&
			(config_setting_is_array(match) || config_setting_is_list(match));
	bool found = false;

	if (!match) {
		return refuse(rd, group, "a group of hosts has no match");
	}
	if (config_setting_type(match) == CONFIG_TYPE_STRING) {
		*ret = glob_matches(config_setting_get_string(match), rd->o);
		return 0;
	}
	for (int i = 0; is_array && i < config_setting_length(match); i++) {
		const char *glob = config_setting_get_string_elem(match, i);

		if (!glob) {
			is_array = false;
		} else if (glob_matches(glob, rd->o)) {
			found = true;
		}
	}
	if (!is_array) {
		return refuse(rd, match,
			      "match wants text in quotes, or an array of such");
	}
	*ret = found;
	return 0;
}

/* Sets the keys of a group that matches, but those that an earlier group has set. The
 * others are tried on options of their own, so that a mistake does not sleep until its
 * host is used. */
static int read_host(const struct reading *rd, const config_setting_t *group,
		     struct options *scratch)
{
	struct reading trial = *rd;
	enum option_rank before[OPTIONS_ROWS_MAX];
	bool matches = false;
	int r = check_secrets(rd, group);

	if (r == 0) {
		r = host_matches(rd, group, &matches);
	}
	trial.o = scratch;
	for (size_t i = 0; i < OPTIONS_ROWS_MAX; i++) {
		before[i] = rd->o->set[i].rank;
	}
	for (int i = 0; r == 0 && i < config_setting_length(group); i++) {
		const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(s);
		const struct option_row *row = option_find(name, strlen(name));
		bool taken = row && before[option_index(row)] == rd->rank;

		if (strcmp(name, "match") != 0) {
			r = apply(matches && !taken ? rd : &trial, s);
		}
	}
	return r;
}

static int read_hosts(const struct reading *rd, const config_setting_t *hosts)
{
	int r = 0;

	for (int i = 0; r == 0 && i < config_setting_length(hosts); i++) {
		const config_setting_t *group =
			config_setting_get_elem(hosts, (unsigned)i);

		struct options scratch;

		if (!config_setting_is_group(group)) {
			return refuse(
				rd, group,
				"hosts wants a list of groups: ( { match = ...; } )");
		}
		r = options_init(&scratch);
		if (r == 0) {
			r = read_host(rd, group, &scratch);
		}
		options_finish(&scratch);
	}
	return r;
}

static int read_root(struct reading *rd, const config_setting_t *root)
{
	static const char *const names[] = { "defaults", "hosts" };
	const config_setting_t *defaults = NULL, *hosts = NULL;
	char why[256];
	int r = 0;

	for (int i = 0; i < config_setting_length(root); i++) {
		const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
		const char *name = config_setting_name(s), *near;

		if (strcmp(name, "defaults") == 0 && config_setting_is_group(s)) {
			defaults = s;
		} else if (strcmp(name, "hosts") == 0 && config_setting_is_list(s)) {
			hosts = s;
		} else if (strcmp(name, "defaults") == 0 || strcmp(name, "hosts") == 0) {
			return refuse(rd, s,
				      *name == 'd' ? "defaults wants a group: { ... }"
						   : "hosts wants a list: ( { ... } )");
		} else {
			near = word_nearest(names, ARRAY_LEN(names), name, strlen(name));
			snprintf(why, sizeof(why), "unknown name '%s': %s%s%s", name,
				 near ? "did you mean '"
				      : "options stand inside defaults or hosts",
				 near ? near : "", near ? "'?" : "");
			return refuse(rd, s, why);
		}
	}
	if (defaults) {
		r = read_defaults(rd, defaults);
	}
	if (r == 0 && hosts) {
		rd->rank++;
		r = read_hosts(rd, hosts);
	}
	return r;
}

/* Whole, into memory: libconfig's scanner ends the process when a read fails. */
static int slurp(const char *file, struct buf *text, bool *ret_others_read,
		 struct words *words)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		words_set(words, "%s: %s", file, strerror(-r));
		return r;
	}
	text->limit = CONFIG_SIZE_MAX;
	/* At once where the size is known: growing would leave copies of a password
	 * behind. */
	r = st.st_size < CONFIG_SIZE_MAX ? buf_reserve(text, (size_t)st.st_size) : 0;
	do {
		r = buf_reserve(text, 4096);
		if (r < 0) {
			words_set(words, "%s: too large for a configuration file", file);
			return r == -EMSGSIZE ? -EINVAL : r;
		}
		n = read(fd, text->data + text->len, 4096);
		if (n < 0 && errno != EINTR) {
			r = -errno;
			words_set(words, "%s: %s", file, strerror(-r));
			return r;
		}
		text->len += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	if (text->len && memchr(text->data, '\0', text->len)) {
		words_set(words, "%s: contains NUL bytes", file);
		return -EINVAL;
	}
	*ret_others_read = st.st_mode & 077;
	return 0;
}

int config_load(struct options *o, const char *file, enum option_rank rank,
		bool must_exist, struct words *words)
{
	struct reading rd = { .o = o, .words = words, .file = file, .rank = rank };
	_cleanup_buf_ struct buf text = { 0 };
	config_t config;
	int r = slurp(file, &text, &rd.others_read, words);

	if (r < 0) {
		/* root's /etc/ftpsfs.conf may hold passwords and be closed to everybody
		 * else */
		bool absent = r == -ENOENT || r == -ENOTDIR ||
			      (r == -EACCES && rank == RANK_ETC);

		return absent && !must_exist ? 0 : r;
	}
	if (!buf_str(&text)) {
		return -ENOMEM;
	}
	config_init(&config);
	if (config_read_string(&config, buf_str(&text)) != CONFIG_TRUE) {
		words_set(words, "%s:%d: %s",
			  config_error_file(&config) ? config_error_file(&config) : file,
			  config_error_line(&config), config_error_text(&config));
		r = -EINVAL;
	} else {
		r = read_root(&rd, config_root_setting(&config));
	}
	config_destroy(&config);
	explicit_bzero(text.data, text.cap);
	return r;
}
