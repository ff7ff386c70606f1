/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ext/descs.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"

static uint64_t get_split32(const struct ext_geometry *g, const uint8_t lo[4], const uint8_t hi[4])
{
	return get_le32(lo) | (ext_is_big(g) ? (uint64_t)get_le32(hi) << 32 : 0);
}

uint64_t ext_desc_block_bitmap(const struct ext_geometry *g, const struct disk_ext_group *d)
{
	return get_split32(g, d->block_bitmap_lo, d->block_bitmap_hi);
}

uint64_t ext_desc_inode_bitmap(const struct ext_geometry *g, const struct disk_ext_group *d)
{
	return get_split32(g, d->inode_bitmap_lo, d->inode_bitmap_hi);
}

uint64_t ext_desc_inode_table(const struct ext_geometry *g, const struct disk_ext_group *d)
{
	return get_split32(g, d->inode_table_lo, d->inode_table_hi);
}

bool ext_desc_is_block_uninit(const struct ext_geometry *g, const struct disk_ext_group *d)
{
	return ext_has_group_csum(&g->super) && (get_le16(d->flags) & EXT_GROUP_BLOCK_UNINIT);
}

/* Inside the filesystem, and without flex_bg inside the group whose tables they are. */
static bool may_stand_at(const struct ext_geometry *g, uint32_t group, uint64_t block, uint64_t count)
{
	uint64_t first = ext_group_first(g, group);

	if (block <= g->super.first_data_block || !range_ok(block, count, g->old_blocks))
		return false;
	return (g->super.incompat & EXT_INCOMPAT_FLEX_BG) ||
	       (block >= first && range_ok(block - first, count, g->super.blocks_per_group));
}

static int check_desc(const struct ext_geometry *g, uint32_t group, const struct disk_ext_group *d,
		      struct why *why)
{
	const char *name = ext_super_name(&g->super);

	if (ext_has_group_csum(&g->super) && get_le16(d->checksum) != ext_group_checksum(&g->super, group, d))
		return fail(why, -EBADMSG, "the descriptor of group %" PRIu32 " of %s has a wrong checksum",
			    group, name);
	if (!may_stand_at(g, group, ext_desc_block_bitmap(g, d), 1) ||
	    !may_stand_at(g, group, ext_desc_inode_bitmap(g, d), 1) ||
	    !may_stand_at(g, group, ext_desc_inode_table(g, d), g->itable_blocks))
		return fail(why, -EBADMSG, "group %" PRIu32 " of %s has its tables where they can't be", group,
			    name);
	if (get_le16(d->free_blocks_lo) > g->super.blocks_per_group ||
	    get_le16(d->free_inodes_lo) > g->super.inodes_per_group ||
	    (ext_is_big(g) && (get_le16(d->free_blocks_hi) || get_le16(d->free_inodes_hi))))
		return fail(why, -EBADMSG,
			    "group %" PRIu32 " of %s claims more free blocks or inodes than it has", group,
			    name);
	return 0;
}

struct stretch {
	uint64_t block, count;
};

static int compare_stretch(const void *a, const void *b)
{
	const struct stretch *s = a, *t = b;

	return s->block < t->block ? -1 : s->block > t->block;
}

/*
 * No table may lie on another one, or in a head. Only asked where no checksum vouches for the descriptors:
 * e2fsck then notices such damage and falls back on a copy, but growing rewrites the copies.
 */
static int check_overlaps(const struct ext_grown *grown, struct why *why)
{
	const struct ext_geometry *g = &grown->geometry;
	_cleanup_free_ struct stretch *all = calloc(g->old_groups, 4 * sizeof(*all));
	size_t n = 0;

	if (!all)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->old_groups; i++) {
		const struct disk_ext_group *d = ext_old_desc(grown, i);

		all[n++] = (struct stretch){ ext_group_first(g, i), ext_head_blocks(g, i) };
		all[n++] = (struct stretch){ ext_desc_block_bitmap(g, d), 1 };
		all[n++] = (struct stretch){ ext_desc_inode_bitmap(g, d), 1 };
		all[n++] = (struct stretch){ ext_desc_inode_table(g, d), g->itable_blocks };
	}
	qsort(all, n, sizeof(*all), compare_stretch);
	for (size_t i = 0, top = 0; i < n; i++) {
		if (all[i].count == 0)
			continue;
		if (i > top && all[i].block < all[top].block + all[top].count)
			return fail(why, -EBADMSG, "the tables of %s overlap at block %" PRIu64,
				    ext_super_name(&g->super), all[i].block);
		top = i;
	}
	return 0;
}

static int read_blocks(struct image *img, const struct ext_grown *grown, uint32_t index, uint32_t count,
		       struct why *why)
{
	const struct ext_geometry *g = &grown->geometry;
	uint64_t block_size = g->super.block_size, at = index * block_size;
	uint64_t all = (uint64_t)g->old_groups * g->super.desc_size;

	return image_pread(img, grown->old_descs + at, min_u64(count * block_size, all - at),
			   ext_desc_block(g, index) * block_size, why);
}

int ext_descs_read(struct image *img, const struct ext_grown *grown, struct why *why)
{
	const struct ext_geometry *g = &grown->geometry;
	uint32_t in_head = (uint32_t)min_u64(g->head_desc_blocks, g->old_desc_blocks);
	int r = in_head ? read_blocks(img, grown, 0, in_head, why) : 0;

	for (uint32_t i = in_head; i < g->old_desc_blocks && r == 0; i++)
		r = read_blocks(img, grown, i, 1, why);
	for (uint32_t i = 0; i < g->old_groups && r == 0; i++)
		r = check_desc(g, i, ext_old_desc(grown, i), why);
	if (r == 0 && !ext_has_group_csum(&g->super))
		r = check_overlaps(grown, why);
	return r;
}

int ext_desc_read(struct image *img, const struct ext_geometry *g, uint32_t group,
		  uint8_t ret[EXT_DESC_SIZE_MAX], struct why *why)
{
	uint64_t at = ext_desc_block(g, group / g->desc_per_block) * g->super.block_size +
		      (uint64_t)(group % g->desc_per_block) * g->super.desc_size;
	int r = image_pread(img, ret, g->super.desc_size, at, why);

	return r < 0 ? r : check_desc(g, group, (const struct disk_ext_group *)ret, why);
}
