/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An upload that takes the place of a file only once it is whole. */
#ifndef NET_REPLACE_H
#define NET_REPLACE_H

#include "net/upload.h"

/* As upload_run(), but to a hidden name in the same directory (".ftpsfs-XXXXXXXX~"), which
 * is renamed to job->path after the server has confirmed size and all: a failed upload
 * leaves the old file as it was (interop #29). keep_mode: permission bits of the old file
 * for the new one, or -1; job->mode goes first. Where the server lets us write the file but
 * not make or rename another, it is written in place. The hidden name is removed after a
 * failure; where that fails too, the log says so. */
int upload_replace(struct remote *r, const struct wait *w, const struct upload_job *job,
		   int keep_mode, struct upload_result *ret);

#endif
