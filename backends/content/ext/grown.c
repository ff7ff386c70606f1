/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading finds out what piece of metadata stands at an offset and how far it
 * reaches, then fills the part of it that was asked for:
 *
 *	heads of all groups	SUPER  DESCS  LISTS (group 0's reserve)  NOTHING (the other reserves)
 *	rooms of new groups	BLOCK_BITMAP  INODE_BITMAP  NOTHING (inode tables, free blocks)
 *
 * Of old groups only the heads may be asked for. With descriptor checksums most
 * bitmaps are NOTHING too: their groups are flagged as uninitialized.
 */
#include "backends/content/ext/grown.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc.h"

enum what { NOTHING, SUPER, DESCS, LISTS, BLOCK_BITMAP, INODE_BITMAP };

struct piece {
	enum what what;
	uint64_t block, blocks;
	uint32_t group; /* SUPER, bitmaps: whose */
	uint32_t index; /* DESCS: descriptor block that is the first here; LISTS: reserved block, counted as one
			 */
};

/* Which groups have their bitmaps written. */

static bool inode_bitmap_is_written(const struct ext_geometry *g)
{
	return !ext_has_group_csum(&g->super);
}

/*
 * A group whose block bitmap is not written may have nothing in it but its head and its own tables. The last
 * one's is always written: e2fsck insists.
 */
static bool block_bitmap_is_written(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group)
{
	if (!ext_has_group_csum(&g->super) || group == g->new_groups - 1)
		return true;
	return flex->count > 1 && ext_table_blocks_in(g, flex, group) > 0;
}

/* What stands where. */

static struct piece head_piece(const struct ext_geometry *g, uint32_t group, uint32_t place)
{
	uint64_t first = ext_group_first(g, group);
	uint32_t in_head = (uint32_t)min_u64(g->new_desc_blocks, g->head_desc_blocks);
	bool super = ext_group_has_super(g, group);
	uint32_t index = place - super;

	if (super && place == 0)
		return (struct piece){ SUPER, first, 1, .group = group };
	if (ext_group_spreads(g, group))
		return (struct piece){ DESCS, first + super, 1, .index = group / g->desc_per_block };
	if (index < in_head)
		return (struct piece){ DESCS, first + 1, in_head, .index = 0 };
	if (group == 0 && ext_reserve_left(g))
		return (struct piece){ LISTS, first + place, 1, .index = index };
	return (struct piece){ NOTHING, first + 1 + in_head, g->head_desc_blocks - in_head };
}

static struct piece bitmap_piece(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t item,
				 uint64_t block)
{
	uint32_t group = flex->first + item % flex->count;
	struct piece p = { item < flex->count ? BLOCK_BITMAP : INODE_BITMAP, block, 1, .group = group };

	if (p.what == BLOCK_BITMAP ? !block_bitmap_is_written(g, flex, group) : !inode_bitmap_is_written(g))
		p.what = NOTHING;
	return p;
}

/* `block` is behind the head of a new group. */
static struct piece room_piece(const struct ext_geometry *g, struct ext_flex *flex, uint32_t group,
			       uint64_t block)
{
	uint64_t end = ext_group_first(g, group) + ext_group_blocks(g, group);

	ext_flex_find(g, group, flex);
	for (unsigned i = 0; i < flex->n_runs; i++) {
		const struct ext_run *run = &flex->runs[i];

		if (block < run->block) {
			end = min_u64(end, run->block);
			break;
		}
		/* An inode table is as empty as the free blocks behind it. */
		if (run->item < 2 * flex->count && block - run->block < run->count)
			return bitmap_piece(g, flex, run->item + (uint32_t)(block - run->block), block);
	}
	return (struct piece){ NOTHING, block, end - block };
}

static struct piece find_piece(const struct ext_geometry *g, struct ext_flex *flex, uint64_t block)
{
	uint32_t group, place;

	assert(block >= g->super.first_data_block && block < g->new_blocks);
	group = (uint32_t)((block - g->super.first_data_block) / g->super.blocks_per_group);
	place = (uint32_t)(block - ext_group_first(g, group));
	if (place < ext_head_blocks(g, group))
		return head_piece(g, group, place);
	return room_piece(g, flex, group, block);
}

/* Filling: `count` bytes of a piece from its byte `at` on. */

static void fill_super(const struct ext_grown *grown, uint8_t *buf, size_t count, uint64_t at, uint32_t group)
{
	struct disk_ext_super disk = grown->super;
	size_t held = at < sizeof(disk) ? min_u64(count, sizeof(disk) - at) : 0;

	/* As libext2fs writes its copies. */
	put_le16(disk.group, (uint16_t)min_u64(group, UINT16_MAX));
	put_le16(disk.state, get_le16(disk.state) & ~EXT_STATE_VALID);
	if (ext_has_csum(&grown->geometry.super))
		put_le32(disk.checksum, ext_super_checksum(&disk));
	if (held)
		memcpy(buf, (const uint8_t *)&disk + at, held);
	memset(buf + held, 0, count - held);
}

/* Sets the bits [from, to) of a bitmap, of which `buf` holds `count` bytes from byte `at` on. */
static void set_bits(uint8_t *buf, size_t count, uint64_t at, uint64_t from, uint64_t to)
{
	from = max_u64(from, at * 8);
	to = min_u64(to, (at + count) * 8);
	for (; from < to && from % 8; from++)
		buf[from / 8 - at] |= (uint8_t)(1u << from % 8);
	if (from >= to)
		return;
	memset(buf + (from / 8 - at), 0xFF, (to - from) / 8);
	for (from = align_down(to, 8); from < to; from++)
		buf[from / 8 - at] |= (uint8_t)(1u << from % 8);
}

static void fill_block_bitmap(const struct ext_geometry *g, const struct ext_flex *flex, uint8_t *buf,
			      size_t count, uint64_t at, uint32_t group)
{
	uint64_t first = ext_group_first(g, group), blocks = ext_group_blocks(g, group);

	memset(buf, 0, count);
	set_bits(buf, count, at, 0, ext_head_blocks(g, group));
	for (unsigned i = 0; i < flex->n_runs; i++) {
		const struct ext_run *run = &flex->runs[i];
		uint64_t from = max_u64(run->block, first);
		uint64_t to = min_u64(run->block + ext_run_blocks(g, flex, run), first + blocks);

		if (from < to)
			set_bits(buf, count, at, from - first, to - first);
	}
	set_bits(buf, count, at, blocks,
		 (uint64_t)g->super.block_size * 8); /* there is no more of this group */
}

static void fill_inode_bitmap(const struct ext_geometry *g, uint8_t *buf, size_t count, uint64_t at)
{
	memset(buf, 0, count);
	set_bits(buf, count, at, g->super.inodes_per_group, (uint64_t)g->super.block_size * 8);
}

static uint32_t block_bitmap_csum(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group)
{
	uint32_t crc = g->super.checksum_seed;
	uint8_t part[512];

	for (uint64_t at = 0, end = g->super.blocks_per_group / 8; at < end;) {
		size_t n = min_u64(sizeof(part), end - at);

		fill_block_bitmap(g, flex, part, n, at, group);
		crc = crc32c(crc, part, n);
		at += n;
	}
	return crc;
}

static void put_split32(uint8_t lo[4], uint8_t hi[4], uint64_t v, bool big)
{
	put_le32(lo, (uint32_t)v);
	if (big)
		put_le32(hi, (uint32_t)(v >> 32));
}

static void put_split16(uint8_t lo[2], uint8_t hi[2], uint32_t v, bool big)
{
	put_le16(lo, (uint16_t)v);
	if (big)
		put_le16(hi, (uint16_t)(v >> 16));
}

static uint16_t new_group_flags(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group)
{
	if (!ext_has_group_csum(&g->super))
		return 0;
	/*
	 * All that is new reads as zeros, so that the inode tables are zeroed already and the kernel has no
	 * lazy initialization to do.
	 */
	return EXT_GROUP_INODE_UNINIT | EXT_GROUP_INODE_ZEROED |
	       (block_bitmap_is_written(g, flex, group) ? 0 : EXT_GROUP_BLOCK_UNINIT);
}

/* `desc` has desc_size zeroed bytes. */
static void make_desc(const struct ext_geometry *g, struct ext_flex *flex, uint32_t group, uint8_t *desc)
{
	struct disk_ext_group *disk = (struct disk_ext_group *)desc;
	bool big = ext_is_big(g);
	uint32_t used;

	ext_flex_find(g, group, flex);
	used = ext_head_blocks(g, group) + ext_table_blocks_in(g, flex, group);
	put_split32(disk->block_bitmap_lo, disk->block_bitmap_hi, ext_block_bitmap(g, flex, group), big);
	put_split32(disk->inode_bitmap_lo, disk->inode_bitmap_hi, ext_inode_bitmap(g, flex, group), big);
	put_split32(disk->inode_table_lo, disk->inode_table_hi, ext_inode_table(g, flex, group), big);
	put_le16(disk->free_blocks_lo, (uint16_t)(ext_group_blocks(g, group) - used));
	put_le16(disk->free_inodes_lo, (uint16_t)g->super.inodes_per_group);
	put_le16(disk->flags, new_group_flags(g, flex, group));
	if (!ext_has_group_csum(&g->super))
		return;
	put_le16(disk->itable_unused_lo, (uint16_t)g->super.inodes_per_group);
	if (ext_has_csum(&g->super) && block_bitmap_is_written(g, flex, group))
		put_split16(disk->block_bitmap_csum_lo, disk->block_bitmap_csum_hi,
			    block_bitmap_csum(g, flex, group), big);
	put_le16(disk->checksum, ext_group_checksum(&g->super, group, desc));
}

/* `at` counts from the first descriptor of all. */
static void fill_descs(const struct ext_grown *grown, struct ext_flex *flex, uint8_t *buf, size_t count,
		       uint64_t at)
{
	const struct ext_geometry *g = &grown->geometry;
	uint32_t size = g->super.desc_size;

	while (count) {
		uint64_t group = at / size;
		size_t from = at % size, n = min_u64(count, size - from);
		uint8_t desc[EXT_DESC_SIZE_MAX] = { 0 };

		if (group < g->old_groups)
			memcpy(desc, ext_old_desc(grown, (uint32_t)group), size);
		else if (group < g->new_groups)
			make_desc(g, flex, (uint32_t)group, desc);
		memcpy(buf, desc + from, n);
		buf += n;
		at += n;
		count -= n;
	}
}

/* A block of group 0's reserve lists the same block of all other groups that have a copy of it, in their order.
 */
static void fill_list(const struct ext_geometry *g, uint8_t *buf, size_t count, uint64_t at, uint32_t index)
{
	uint64_t entry = 0;

	memset(buf, 0, count);
	for (uint32_t group = ext_next_super(g, 0); group < g->new_groups;
	     group = ext_next_super(g, group), entry += 4) {
		uint64_t from = max_u64(entry, at), to = min_u64(entry + 4, at + count);
		uint8_t block[4];

		put_le32(block, (uint32_t)(ext_group_first(g, group) + 1 + index));
		if (from < to)
			memcpy(buf + (from - at), block + (from - entry), to - from);
	}
}

static void fill_piece(const struct ext_grown *grown, struct ext_flex *flex, const struct piece *p,
		       uint8_t *buf, size_t count, uint64_t at)
{
	const struct ext_geometry *g = &grown->geometry;

	switch (p->what) {
	case NOTHING:
		memset(buf, 0, count);
		break;
	case SUPER:
		fill_super(grown, buf, count, at, p->group);
		break;
	case DESCS:
		fill_descs(grown, flex, buf, count, (uint64_t)p->index * g->super.block_size + at);
		break;
	case LISTS:
		fill_list(g, buf, count, at, p->index);
		break;
	case BLOCK_BITMAP:
		fill_block_bitmap(g, flex, buf, count, at, p->group);
		break;
	case INODE_BITMAP:
		fill_inode_bitmap(g, buf, count, at);
		break;
	}
}

/* The computed thing. */

static int grown_read(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct ext_grown *grown = (const struct ext_grown *)c;
	uint32_t block_size = grown->geometry.super.block_size;
	struct ext_flex flex;
	uint8_t *to = buf;

	flex.first = flex.count = 0;
	while (count) {
		struct piece p = find_piece(&grown->geometry, &flex, offset / block_size);
		uint64_t at = offset - p.block * block_size;
		size_t n = min_u64(count, p.blocks * block_size - at);

		fill_piece(grown, &flex, &p, to, n, at);
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static void grown_extent(const struct computed *c, uint64_t offset, struct extent *ret)
{
	const struct ext_grown *grown = (const struct ext_grown *)c;
	uint32_t block_size = grown->geometry.super.block_size;
	struct ext_flex flex;
	struct piece p;

	flex.first = flex.count = 0;
	p = find_piece(&grown->geometry, &flex, offset / block_size);
	ret->length = (p.block + p.blocks) * block_size - offset;
	ret->kind = p.what == NOTHING ? EXTENT_ZERO : EXTENT_DATA;
}

static void grown_free(struct computed *c)
{
	struct ext_grown *grown = (struct ext_grown *)c;

	free(grown->old_descs);
	free(grown);
}

struct ext_grown *ext_grown_new(const struct ext_geometry *g)
{
	struct ext_grown *grown = calloc(1, sizeof(*grown));

	if (!grown)
		return NULL;
	computed_init(&grown->computed);
	grown->computed.read = grown_read;
	grown->computed.extent = grown_extent;
	grown->computed.free = grown_free;
	grown->geometry = *g;
	grown->old_descs = calloc(g->old_groups, g->super.desc_size);
	if (!grown->old_descs) {
		ext_grown_unref(grown);
		return NULL;
	}
	return grown;
}

void ext_grown_unref(struct ext_grown *grown)
{
	computed_unref(&grown->computed);
}
