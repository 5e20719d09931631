/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files (libconfig syntax) over the table of options. */
#ifndef FS_CONFIG_H
#define FS_CONFIG_H

#include "fs/options.h"

enum { CONFIG_SIZE_MAX = 1 << 20 };

/* Reads "defaults" with the given rank (RANK_ETC, RANK_USER, RANK_FILE) and, of "hosts",
 * the groups that match o->host and the port known so far, with the next rank. A file
 * that is not there is an error only if must_exist. Files named by @include are opened by
 * libconfig: relative names start at the working directory.
 *
 * 0; -EINVAL with file and line for what cannot be understood; -EACCES for a file that
 * holds a password and can be read by others; -ENOENT, -EIO, -ENOMEM. What was set before
 * the error stays set. (Not config_read(): libconfig exports that name.) */
int config_load(struct options *o, const char *file, enum option_rank rank,
		bool must_exist, struct words *words);

#endif
