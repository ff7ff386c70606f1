/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_ATTRIBUTES_H
#define GOALFS_FS_ATTRIBUTES_H

/*
 * What stat(2) tells of the directory and its files. A file is its template's: as old, and
 * as private, but for what the mount's options say instead. From any thread.
 */
#include <sys/stat.h>

#include "fs/mount.h"

struct stat attributes_of_root(struct mount *m);
struct stat attributes_of(const struct mount *m, const struct node *node);

#endif
