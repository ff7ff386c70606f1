/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_PARTITION_H
#define GOALFS_BACKENDS_PARTITION_H

/*
 * The step @pN: one partition of a disk, as an image of its own. Of the grown disk
 * where the goal has a size too: that stays the disk's, and so does the fact `size`,
 * for nobody knows a partition's before the disk is read.
 */
#include "backends/backend.h"

/*
 * Whether something may be cut out of this state: a raw disk that is as the goal wants it,
 * in size and in what is zero. What was cut out once counts as well.
 */
bool partition_is_ready(const struct tags *state, const struct tags *want);

/*
 * -EOPNOTSUPP with those numbers that exist, when there is no such partition or the
 * disk has no table; and for an extended one, which is a chain of records with
 * logical partitions between them. (Linux shows its first two sectors as a device, so that
 * LILO can be written there; nobody reads anything from it.)
 */
int partition_open(struct image *disk, unsigned number, struct image **ret, struct why *why);

extern const struct backend partition_backend;

#endif
