/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An upload that follows a writer: a thread that sends what is there of a growing local file
 * and waits for more. Thread-safe.
 *
 *  state     set by          thread                       leaves by
 *  GROWING   follow_new()    sends, or waits for bytes    follow_end(), a failure
 *  ENDED     follow_end()    sends the rest, verdict      done
 *  DONE      the thread      none                         follow_free()
 *
 * follow_free() may come in any state: what the server has by then is left as it is, unless
 * it has a hidden name (net/replace.h). */
#ifndef NET_FOLLOW_H
#define NET_FOLLOW_H

#include "net/upload.h"

struct follow;

/* job: path is copied; size, feed and wishes are not looked at (the caller sees to the
 * wishes after the end); append_at bytes of an append are not sent. replace: by
 * upload_replace() with keep_mode. end: bytes of job->fd that may be sent now. The
 * descriptor must stay open until follow_free(). margin: bytes that may be on their way, in
 * the socket buffers of both sides. 0 or -ENOMEM. */
int follow_new(struct remote *r, const struct upload_job *job, bool replace,
	       int keep_mode, uint64_t end, uint64_t margin, struct follow **ret);
/* Stops the thread: waits for it, a few seconds at most where the server is silent.
 * Takes NULL. */
void follow_free(struct follow *f);

/* The writer is ahead now. */
void follow_advance(struct follow *f, uint64_t end);
/* Bytes below the result need not be kept: they went out long enough ago to be beyond all
 * buffers on the way, and will not be read again. */
uint64_t follow_give_up(struct follow *f);
/* Waits until that would be more than `than`. 0; -ENODATA: not while the writer stands still;
 * -EINTR; or why the upload failed. */
int follow_await(struct follow *f, const struct wait *w, uint64_t than);

/* The file ends at `size`: waits for the verdict. As upload_run(); -EINTR leaves it on its
 * way, to be asked again. */
int follow_end(struct follow *f, const struct wait *w, uint64_t size,
	       struct upload_result *ret);

#endif
