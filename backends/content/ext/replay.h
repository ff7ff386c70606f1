/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_REPLAY_H
#define GOALFS_BACKENDS_CONTENT_EXT_REPLAY_H

/*
 * A filesystem that was in use when its image was made, as it is after recovery.
 */
#include "backends/content/ext/super.h"
#include "backends/map.h"

struct ext_replayed {
	uint32_t transactions;
	uint32_t blocks; /* that the log holds newer than the filesystem has them */
};

/*
 * For a container whose superblock says that its journal must be replayed: gives a sealed
 * map over it in which that has been done. Committed blocks are shown where the log has
 * them, so that they take no memory of their own. What was not committed is left out, as
 * the kernel does it. -EBADMSG for a damaged journal, -EOPNOTSUPP with the reason for one
 * that can't be replayed here.
 *
 * Reads the log's own blocks; where it has checksums of the data, the data too.
 */
int ext_replay(struct image *container, struct image **ret, struct ext_replayed *ret_counts, struct why *why);

#endif
