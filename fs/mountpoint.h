/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_MOUNTPOINT_H
#define GOALFS_FS_MOUNTPOINT_H

/*
 * The directory that is mounted on: what stands there before, and how it is
 * taken off again.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/why.h"

#define MOUNTPOINT_TYPE "fuse.goalfs"

/* A mount, found by a path into it. */
struct mounted {
	char *path; /* the path given, canonical; owned */
	uint64_t id;
	uint64_t owner;	       /* who mounted it; UINT64_MAX: the type doesn't say */
	unsigned major, minor; /* the device number of what is in it */
	bool is_goalfs;	       /* its type */
	bool is_top;	       /* the path is where it is mounted */
};

/*
 * Asks the kernel alone, not the filesystem, which may not answer any more.
 * mounted_done after 0; else a negative errno and the sentence.
 */
int mounted_find(const char *path, struct mounted *ret, struct why *why);
void mounted_done(struct mounted *m);

/*
 * `ret` is the directory's canonical path, the caller's. A goalfs of this user whose
 * daemon is gone is taken off first. -EBUSY when one is mounted there and alive; -ENOENT,
 * -ENOTDIR and whatever else stat says.
 */
int mountpoint_find(const char *path, char **ret, struct why *why);

/*
 * `goalfs DIR` is a complete command, and as easily half of one: whoever has
 * forgotten the mountpoint must not find his templates hidden below a mount.
 * -ENOTEMPTY when there is anything in it.
 */
int mountpoint_check_empty(const char *path, struct why *why);

/*
 * Takes off what is mounted at the canonical `path`. -EBUSY when it is in use;
 * `lazily`, it is only detached then, and ends when nobody uses it any more.
 * Waits for a fusermount3 where it takes one. It must not be asked by a thread that the mount's requests wait for.
 */
int mountpoint_unmount(const char *path, bool lazily, struct why *why);

#endif
