/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_GROWN_H
#define GOALFS_BACKENDS_CONTENT_EXT_GROWN_H

/*
 * The bytes of a grown ext filesystem that follow from its geometry: descriptors
 * and their copies, superblock copies, what the resize inode lists, the bitmaps
 * of the new groups. Computed when they are read, so that a plan takes no more
 * memory for 16 TiB than for 20 GiB. A computed thing's offsets are those of the
 * filesystem.
 */
#include "backends/content/ext/geometry.h"
#include "backends/map.h"

struct ext_grown {
	struct computed computed;
	struct ext_geometry geometry;
	struct disk_ext_super super; /* as it is after growing */
	/* Descriptors of the old groups, as they are after growing: geometry.old_groups of desc_size bytes. */
	uint8_t *old_descs;
};

/* With zeroed descriptors; to be filled in before anything is read. NULL when memory ran out. */
struct ext_grown *ext_grown_new(const struct ext_geometry *g);
void ext_grown_unref(struct ext_grown *grown);
DEFINE_CLEANUP(struct ext_grown *, ext_grown_unref);

static inline struct disk_ext_group *ext_old_desc(const struct ext_grown *grown, uint32_t group)
{
	return (struct disk_ext_group *)(grown->old_descs + (size_t)group * grown->geometry.super.desc_size);
}

#endif
