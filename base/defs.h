/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words the compiler understands and C lacks: release by scope, hand over by
 * name, and clang's thread-safety attributes (empty for gcc). */
#ifndef BASE_DEFS_H
#define BASE_DEFS_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* steal(&p) yields p and leaves NULL behind: ownership moves, visibly. */
static inline void *steal_ptr(void *pp)
{
	void *p = *(void **)pp;

	*(void **)pp = NULL;
	return p;
}
#define steal(pp) (0 ? *(pp) : steal_ptr(pp))

static inline void free_ptr(void *pp)
{
	free(*(void **)pp);
}
#define _cleanup_free_ _cleanup_(free_ptr)

static inline void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}
#define _cleanup_close_ _cleanup_(close_fd)

/* DEFINE_CLEANUP(struct x *, x_free) makes x_freep for _cleanup_(). */
#define DEFINE_CLEANUP(type, fn)          \
	static inline void fn##p(type *p) \
	{                                 \
		if (*p) {                 \
			fn(*p);           \
		}                         \
	}

/* https://clang.llvm.org/docs/ThreadSafetyAnalysis.html */
#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
#define CAPABILITY(name) TSA(capability(name))
/* For readers only: clang 14 cannot resolve members of the same struct in C. */
#define GUARDED_BY(m)
#define REQUIRES(m) TSA(requires_capability(m))
#define EXCLUDES(m) TSA(locks_excluded(m))
#define ACQUIRES(m) TSA(acquire_capability(m))
#define RELEASES(m) TSA(release_capability(m))
#define NO_TSA TSA(no_thread_safety_analysis)

#endif
