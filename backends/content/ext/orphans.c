/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ext/orphans.h"

#include <errno.h>

#include "backends/content/ext/inode.h"
#include "base/bytes.h"

/* mke2fs makes 512 at most. */
#define BLOCKS_MAX 1024

/* 0 and its blocks; 1 when the file is not worth a look. */
static int find_blocks(struct image *img, const struct ext_geometry *g, struct ext_blocks *ret, struct why *why)
{
	uint32_t number = g->super.orphan_inode, group = (number - 1) / g->super.inodes_per_group;
	_cleanup_free_ uint8_t *inode = malloc(g->super.inode_size);
	const struct disk_ext_inode *disk = (const struct disk_ext_inode *)inode;
	uint8_t desc[EXT_DESC_SIZE_MAX];
	uint64_t blocks;
	int r;

	if (!inode)
		return -ENOMEM;
	if (number == 0 || group >= g->old_groups)
		return 1;
	r = ext_desc_read(img, g, group, desc, why);
	if (r == 0)
		r = ext_inode_read(img, g, (const struct disk_ext_group *)desc, number, inode, why);
	if (r < 0)
		return r;
	blocks = (get_le32(disk->size_lo) | (uint64_t)get_le32(disk->size_hi) << 32) / g->super.block_size;
	if (blocks == 0 || blocks > BLOCKS_MAX)
		return 1;
	return ext_blocks_read(img, g, number, inode, (uint32_t)blocks, ret, why);
}

static bool lists_none(const uint8_t *block, uint32_t block_size)
{
	size_t tail = block_size - sizeof(struct disk_ext_orphan_tail);
	const struct disk_ext_orphan_tail *disk = (const struct disk_ext_orphan_tail *)(block + tail);

	return get_le32(disk->magic) == EXT_ORPHAN_MAGIC && bytes_are_zero(block, tail);
}

static int look_for_any(struct image *img, const struct ext_geometry *g, const struct ext_blocks *blocks,
			bool *ret_none, struct why *why)
{
	uint32_t block_size = g->super.block_size;
	_cleanup_free_ uint8_t *block = malloc(block_size);
	bool none = true;
	int r = 0;

	if (!block)
		return -ENOMEM;
	for (uint32_t i = 0; i < blocks->count && none && r == 0; i++) {
		r = image_pread(img, block, block_size, ext_blocks_find(blocks, i) * block_size, why);
		none = r == 0 && lists_none(block, block_size);
	}
	*ret_none = none;
	return r;
}

int ext_orphans_only_claimed(struct image *img, const struct ext_geometry *g, bool *ret, struct why *why)
{
	struct ext_blocks blocks = { 0 };
	int r;

	*ret = false;
	if (!(g->super.compat & EXT_COMPAT_ORPHAN_FILE) || !(g->super.ro_compat & EXT_RO_ORPHAN_PRESENT))
		return 0;
	r = find_blocks(img, g, &blocks, why);
	if (r == 0)
		r = look_for_any(img, g, &blocks, ret, why);
	ext_blocks_done(&blocks);
	return r < 0 ? r : 0;
}
