/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's read-ahead on our mount. */
#ifndef FS_BDI_H
#define FS_BDI_H

/* FUSE mounts start with 128 KiB, which costs a request and a reply for each; /sys lets root say
 * more. Reads no attribute of the mount, which would be a question to ourselves. 0 or
 * -errno (-EACCES for other users): nothing depends on it. */
int bdi_set_readahead(const char *mountpoint, unsigned kib);

#endif
