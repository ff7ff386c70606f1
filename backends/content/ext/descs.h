/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_DESCS_H
#define GOALFS_BACKENDS_CONTENT_EXT_DESCS_H

/*
 * The group descriptors of the old filesystem.
 */
#include "backends/content/ext/grown.h"

/*
 * Reads them into grown->old_descs and checks them: checksums where there are
 * any, counts, and that all tables lie inside the filesystem and where they may.
 */
int ext_descs_read(struct image *img, const struct ext_grown *grown, struct why *why);

/* One of them alone, `desc_size` bytes, with the same checks. `group` is an old one. */
int ext_desc_read(struct image *img, const struct ext_geometry *g, uint32_t group,
		  uint8_t ret[EXT_DESC_SIZE_MAX], struct why *why);

/* Where a group's tables stand: blocks. */
uint64_t ext_desc_block_bitmap(const struct ext_geometry *g, const struct disk_ext_group *d);
uint64_t ext_desc_inode_bitmap(const struct ext_geometry *g, const struct disk_ext_group *d);
uint64_t ext_desc_inode_table(const struct ext_geometry *g, const struct disk_ext_group *d);

/* Whether the group's block bitmap was never written. */
bool ext_desc_is_block_uninit(const struct ext_geometry *g, const struct disk_ext_group *d);

#endif
