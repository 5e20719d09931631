/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server as verbs on absolute paths. Every function blocks on the network, takes no
 * lock of its caller, and returns 0 or a -errno that fits a program: the server's refusal
 * (ENOENT, EEXIST, ENOTEMPTY, EACCES, ENOTDIR, EISDIR, ENOSPC, EDQUOT, EROFS, EOPNOTSUPP,
 * EINVAL ...), -EINTR, or -EIO when the connection is the trouble. Refusals that give no
 * reason (vsftpd) are looked into. Failures are logged through the hook with the server's
 * words.
 *
 * Retry rule: a dead connection is replaced and the verb sent again when it only
 * looks; one that changes something is sent again only if it was never sent. */
#ifndef NET_REMOTE_H
#define NET_REMOTE_H

#include "net/listing.h"
#include "net/pool.h"
#include "tls/digest.h"

struct remote;

int remote_new(const struct server *server, struct remote **ret);
int remote_start(struct remote *r); /* threads; after the last fork */
void remote_free(struct remote *r); /* shuts the pool down; takes NULL */
void remote_shutdown(struct remote *r);

/* Makes the first connection and finds the directory to mount: the errno of
 * control_open() and words. */
int remote_connect(struct remote *r, const struct wait *w, struct words *words);
/* The mounted directory, absolute; valid after remote_connect(), constant from then on.
 * Before it (delay_connect) NULL. */
const char *remote_base(const struct remote *r);

struct pool *remote_pool(struct remote *r);
/* A lone remote_stat() costs one command (MLST); otherwise listing the directory tells
 * more. */
bool remote_has_stat(struct remote *r);
/* As far as is known: a server that was never asked is thought able. */
bool remote_has_utime(struct remote *r);
bool remote_has_chmod(struct remote *r);

int remote_list(struct remote *r, const struct wait *w, const char *path,
		struct listing **ret);

/* The same by LIST, for the link targets that MLSD does not show (ProFTPD, Pure-FTPd);
 * times are coarse. */
int remote_links(struct remote *r, const struct wait *w, const char *path,
		 struct listing **ret);

/* A stat result that owns its strings. entry.name is NULL. */
struct stat_result {
	struct entry entry;
	char *target;
};
/* entry.kind is never ENTRY_UNKNOWN on success. Without MLST only what SIZE, MDTM and CWD
 * tell. */
int remote_stat(struct remote *r, const struct wait *w, const char *path,
		struct stat_result *ret);
void stat_result_release(struct stat_result *s);

/* What a link leads to, as the server's SIZE, MDTM and CWD follow it: never a link. */
int remote_stat_target(struct remote *r, const struct wait *w, const char *path,
		       struct stat_result *ret);

/* Both absolute. -EPERM: the server cannot, not to this target, or the names cannot be
 * told to it (SITE SYMLINK separates by blanks); -EEXIST, -EACCES, -ENOSPC ... */
int remote_symlink(struct remote *r, const struct wait *w, const char *target,
		   const char *path);
int remote_mkdir(struct remote *r, const struct wait *w, const char *path);
int remote_rmdir(struct remote *r, const struct wait *w, const char *path);
int remote_unlink(struct remote *r, const struct wait *w, const char *path);
int remote_rename(struct remote *r, const struct wait *w, const char *from,
		  const char *to);
/* By the ways of net/wish.h, whichever the server goes. -EOPNOTSUPP: none (times of
 * directories: vsftpd, pyftpdlib). mtime in seconds since 1970 UTC. */
int remote_chmod(struct remote *r, const struct wait *w, const char *path, unsigned mode);
int remote_utime(struct remote *r, const struct wait *w, const char *path, int64_t mtime);

/* Bytes that may still be stored in the mounted directory (AVBL). -EOPNOTSUPP: not offered, as
 * remote_has_room() says once that is known. */
bool remote_has_room(struct remote *r);
int remote_room(struct remote *r, const struct wait *w, uint64_t *ret);
/* The facts of MLST as the server tells them, "type=file;size=3;...": *ret is fresh.
 * -EOPNOTSUPP where there is no MLST. */
int remote_facts(struct remote *r, const struct wait *w, const char *path, char **ret);
/* A digest of path, as hash_on(). As far as is known, remote_has_hash() says. */
bool remote_has_hash(struct remote *r, enum digest_kind kind);
int remote_hash(struct remote *r, const struct wait *w, const char *path, uint64_t size,
		enum digest_kind kind, char ret[static DIGEST_HEX_MAX + 1]);

/* Makes an errno for a program of what a connection-level failure was: what the network,
 * TLS or the pool reports (ENOTCONN, ETIMEDOUT, ECONNREFUSED, EPROTO, EUSERS ...) is
 * -EIO, everything else stays. */
int remote_errno(int r);

/* For stream.c and upload.c: the errno (negative) for a refused or failed transfer of
 * path; looks closer (SIZE, CWD on c) when the reply gives no reason; logs verb, path and
 * the server's words. */
int remote_refusal(struct remote *r, struct control *c, const struct wait *w,
		   const char *verb, const char *path, const struct reply *reply);

const struct server *remote_server(const struct remote *r);

#endif
