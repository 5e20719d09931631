/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by peer.c (life, the control connection) and peer_data.c. */
#ifndef TALK_PEER_PRIVATE_H
#define TALK_PEER_PRIVATE_H

#include "peer.h"

#include "base/buf.h"

enum { SESSIONS_MAX = 64, PEER_PATH = 64 };

struct peer {
	struct peer_config config;
	struct identity identity, other;
	char cacert[PEER_PATH], other_cacert[PEER_PATH];
	char priority[64];
	int listener;
	uint16_t port;
	pthread_t accepter;
	bool finished; /* the test's thread only */

	struct mutex lock;
	struct cond changed;
	bool stopping GUARDED_BY(lock);
	bool failed GUARDED_BY(lock);
	bool feat_known GUARDED_BY(lock);
	unsigned flags GUARDED_BY(lock);
	struct peer_facts facts GUARDED_BY(lock);
	struct buf transcript GUARDED_BY(lock);
	struct session *sessions[SESSIONS_MAX] GUARDED_BY(lock);
	unsigned n_sessions GUARDED_BY(lock), running GUARDED_BY(lock);
};

/* Everything else belongs to the session's thread. */
struct session {
	struct peer *peer;
	unsigned nth;
	pthread_t thread;
	peer_script *script;
	struct wait wait;
	bool failed;
	struct wire wire, data;
	int listener;
	uint16_t data_port;
	char line[16 * 1024];
};

int peer_listen_any(uint16_t *ret_port);
int peer_accept_any(int listener, const struct wait *w, int64_t deadline);

#endif
