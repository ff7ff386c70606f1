/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_UNMOUNT_H
#define GOALFS_FS_UNMOUNT_H

/* goalfs --unmount: the other end of a mount's life, done from outside of its daemon. */
#include "base/why.h"
#include "fs/options.h"

/*
 * The extended attribute of the mount's root that holds the number of its daemon's
 * process, in digits: umount(8) returns before that has ended.
 */
#define UNMOUNT_XATTR_DAEMON "user.goalfs.daemon"

/*
 * Unmounts o->mountpoint and returns when its daemon has ended. While it is in use,
 * waits for o->wait_s seconds; -EBUSY then, with lines in the log that say who uses
 * it. -EINVAL when no goalfs is mounted there.
 */
int unmount(const struct options *o, struct why *why);

#endif
