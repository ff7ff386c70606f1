/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_PASSTHROUGH_H
#define GOALFS_FS_PASSTHROUGH_H

/*
 * FUSE passthrough (Linux 6.9, Documentation/filesystems/fuse-passthrough.rst):
 * reads and mmaps of a file that lies as a whole in another one are done by the
 * kernel. Needs CAP_SYS_ADMIN, which is the warden's; where it can't be had, all of this does nothing.
 *
 * All opens of an inode that are open at one time must be of one kind, and
 * passthrough ones must share one backing id: a node's struct passing keeps that.
 */
#include <stdbool.h>
#include <stdint.h>

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include "fs/nodes.h"

struct passthrough;
struct warden;

/*
 * Before the loop starts: asks for it in the INIT reply, and for look-ups and listings of
 * the directory side by side. There it is told, too, if file handles mean nothing after
 * a restart (`exportable` false), which libfuse can't before 3.17: name_to_handle_at(2)
 * then fails with EOPNOTSUPP, and nobody exports the mount. NULL without memory.
 */
struct passthrough *passthrough_new(struct fuse_session *session, struct warden *warden, bool exportable);
void passthrough_free(struct passthrough *p); /* after the session was destroyed; accepts NULL */

/*
 * Counts an open of a node whose image is `img`, under the mount's lock. True
 * when it passes through: then it has to be answered with
 * passthrough_reply_open.
 */
bool passthrough_opened(struct passthrough *p, struct passing *passing, struct image *img);
void passthrough_closed(struct passthrough *p, struct passing *passing);

int passthrough_reply_open(fuse_req_t req, const struct passing *passing, const struct fuse_file_info *fi);

#endif
