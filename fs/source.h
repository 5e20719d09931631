/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The source of a mount: "[user@]host:[path]" or a URL. */
#ifndef FS_SOURCE_H
#define FS_SOURCE_H

#include "base/report.h"

struct options;

/* Fills o->source, host, dir, and with RANK_SOURCE user, password, port and tls. A
 * password in text is overwritten there. 0, -EINVAL with words, -ENOMEM. */
int source_parse(struct options *o, char *text, struct words *words);

#endif
