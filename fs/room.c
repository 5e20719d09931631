/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/room.h"

#include "net/remote.h"

enum {
	YOUNG_MS = 5000,
	FIRST_MS = 500, /* a df that would otherwise show nonsense waits so long */
};

struct room {
	struct remote *remote;
	struct mutex lock; /* a leaf */
	struct cond answered;
	pthread_t thread;
	bool joinable GUARDED_BY(lock); /* thread is to be joined */
	bool asking GUARDED_BY(lock), known GUARDED_BY(lock);
	int64_t asked_at GUARDED_BY(lock);
	uint64_t bytes GUARDED_BY(lock);
};

struct room *room_new(struct remote *r)
{
	struct room *room = calloc(1, sizeof(*room));

	if (room) {
		room->remote = r;
		mutex_init(&room->lock);
		cond_init(&room->answered);
	}
	return room;
}

struct room *room_free(struct room *room)
{
	if (room) {
		if (room->joinable) {
			pthread_join(room->thread, NULL);
		}
		cond_finish(&room->answered);
		mutex_finish(&room->lock);
	}
	free(room);
	return NULL;
}

static void *ask(void *arg)
{
	struct room *room = arg;
	uint64_t bytes = 0;
	int r = remote_room(room->remote, NULL, &bytes);

	mutex_lock(&room->lock);
	if (r == 0) {
		room->known = true;
		room->bytes = bytes;
	}
	room->asking = false;
	cond_broadcast(&room->answered);
	mutex_unlock(&room->lock);
	return NULL;
}

/* The thread before has said its last word under the lock: joining it takes no time. */
static void start_locked(struct room *room) REQUIRES(room->lock)
{
	if (room->joinable) {
		pthread_join(room->thread, NULL);
	}
	room->asking = room->joinable =
		pthread_create(&room->thread, NULL, ask, room) == 0;
	room->asked_at = now_ms();
}

bool room_look(struct room *room, const struct wait *w, uint64_t *ret)
{
	int64_t deadline = now_ms() + FIRST_MS;
	bool known;

	if (!remote_has_room(room->remote)) {
		return false;
	}
	mutex_lock(&room->lock);
	if (!room->asking && (!room->asked_at || now_ms() - room->asked_at >= YOUNG_MS)) {
		start_locked(room);
	}
	while (room->asking && !room->known &&
	       cond_wait(&room->answered, &room->lock, w, deadline) == 0) {
	}
	known = room->known;
	*ret = known ? room->bytes : *ret;
	mutex_unlock(&room->lock);
	return known;
}
