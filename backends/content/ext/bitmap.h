/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_BITMAP_H
#define GOALFS_BACKENDS_CONTENT_EXT_BITMAP_H

/*
 * The block bitmaps of the old filesystem.
 */
#include "backends/content/ext/descs.h"

/* With metadata_csum, of a bitmap in a block of its own: of as many bits as a group has blocks. */
uint32_t ext_bitmap_csum(const struct ext_geometry *g, const uint8_t *bytes);

/* Reads the group's bitmap into `bytes`, one block, and checks its checksum where it has one. */
int ext_block_bitmap_read(struct image *img, const struct ext_geometry *g, uint32_t group,
			  const struct disk_ext_group *d, uint8_t *bytes, struct why *why);

#endif
