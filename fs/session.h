/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_SESSION_H
#define GOALFS_FS_SESSION_H

/*
 * From an option and a path to a mount: the mountpoint, what the kernel and
 * fusermount3 are asked for, and what they refuse.
 */
#include "base/why.h"
#include "fs/mount.h"
#include "fs/options.h"

/* `ret` is its canonical path, the caller's. -ENOENT, -ENOTDIR and whatever else stat says. */
int session_find_mountpoint(const char *path, char **ret, struct why *why);

/*
 * `goalfs DIR` is a complete command, and as easily half of one: whoever has
 * forgotten the mountpoint must not find his templates hidden below a mount.
 * -ENOTEMPTY when there is anything in it.
 */
int session_check_empty(const char *path, struct why *why);

/*
 * Makes m->session and mounts it. On error there may be a session all the same;
 * whoever releases `m` destroys it.
 */
int session_mount(const struct options *o, const char *mountpoint, struct mount *m, struct why *why);

#endif
