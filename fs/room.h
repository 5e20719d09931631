/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much room the server has left, for df: asked in the background, so that statfs never
 * waits for the network. */
#ifndef FS_ROOM_H
#define FS_ROOM_H

#include "base/sync.h"

struct remote;
struct room;

struct room *room_new(struct remote *r);
/* After remote_shutdown(), which ends a question that is under way. Takes NULL, returns
 * NULL. */
struct room *room_free(struct room *room);

/* Bytes free, as of the last answer. An answer older than a few seconds has the server asked
 * again; only for the first one the caller waits, a moment at most. False: not known (yet), or
 * the server has no AVBL. */
bool room_look(struct room *room, const struct wait *w, uint64_t *ret);

#endif
