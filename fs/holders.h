/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_HOLDERS_H
#define GOALFS_FS_HOLDERS_H

/*
 * Who uses a mount: processes that have something of it open or mapped, or stand
 * in it, loop devices, and mounts below. Found by the names that the kernel has for what they
 * use; nothing below the mountpoint is looked at, so a mount that does not answer can be asked about.
 *
 * Processes of other users are seen by root alone, and what the kernel itself
 * holds (an NFS server's exports) by nobody.
 */
#include <stddef.h>

#include "base/text.h"

/*
 * Adds a line for each of the first `most`, "cat (process 4711) has 'a.raw' open", without a
 * newline at the end. `path` is canonical. Returns how many there are in all, or -ENOMEM.
 */
int holders_of(const char *path, size_t most, struct text *out);

#endif
