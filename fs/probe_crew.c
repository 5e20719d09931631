/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs side by side, as many as the server takes. */
#include "fs/probe_private.h"

#include <stdatomic.h>

struct crew {
	struct probe *p;
	const struct job *jobs;
	size_t n;
	_Atomic size_t next;
	_Atomic unsigned hands;
};

static bool may_go_on(struct crew *crew, unsigned me)
{
	unsigned workers;

	mutex_lock(&crew->p->lock);
	workers = crew->p->workers;
	mutex_unlock(&crew->p->lock);
	return me < workers;
}

static void *crew_thread(void *arg)
{
	struct crew *crew = arg;
	unsigned me = atomic_fetch_add(&crew->hands, 1);

	while (may_go_on(crew, me)) {
		size_t i = atomic_fetch_add(&crew->next, 1);

		if (i >= crew->n) {
			break;
		}
		crew->jobs[i].run(crew->p, crew->jobs[i].door);
	}
	return NULL;
}

void probe_run_jobs(struct probe *p, const struct job *jobs, size_t n)
{
	struct crew crew = { .p = p, .jobs = jobs, .n = n };
	pthread_t threads[PROBE_WORKERS];
	size_t started = 0;

	while (started < PROBE_WORKERS - 1 && started + 1 < n &&
	       pthread_create(&threads[started], NULL, crew_thread, &crew) == 0) {
		started++;
	}
	/* Whoever came first goes on to the last job: there is always one worker. */
	(void)crew_thread(&crew);
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
	}
}
