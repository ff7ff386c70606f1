/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_XFS_GROWN_H
#define GOALFS_BACKENDS_CONTENT_XFS_GROWN_H

/*
 * The bytes of a grown XFS that follow from its geometry: copies of the
 * superblock, and the headers and empty trees with which new allocation groups begin. Computed
 * when they are read, so that a plan takes no more memory for 16 TiB than for 20
 * GiB. A computed thing's offsets are those of the filesystem.
 */
#include "backends/content/xfs/super.h"
#include "backends/map.h"

struct xfs_grown {
	struct computed computed;
	struct xfs_super super;	    /* as it is after growing */
	struct disk_xfs_super copy; /* what stands in all groups but the first; its checksum not yet right */
	uint32_t old_ags;	    /* of those only the copy of the superblock may be asked for */
};

/* `disk` is the first superblock, and `s` what it says, after growing. NULL when memory ran out. */
struct xfs_grown *xfs_grown_new(const struct disk_xfs_super *disk, const struct xfs_super *s, uint32_t old_ags);
void xfs_grown_unref(struct xfs_grown *grown);
DEFINE_CLEANUP(struct xfs_grown *, xfs_grown_unref);

#endif
