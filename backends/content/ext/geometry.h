/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_GEOMETRY_H
#define GOALFS_BACKENDS_CONTENT_EXT_GEOMETRY_H

/*
 * Where things stand in an ext filesystem before and after it has grown. Pure
 * arithmetic over the superblock and the new size: no I/O, nothing allocated,
 * each answer takes a few steps however large the filesystem is.
 *
 * A group's head is what it begins with: a copy of the superblock and of the
 * descriptors with the blocks reserved for more of them; where descriptors are
 * spread (meta_bg), the one block of them that stands here; or nothing.
 *
 * The bitmaps and inode tables of the new groups are placed as the kernel's
 * online resize does it, in new groups only: those of a flex group together, in
 * the first room behind the heads. Without flex_bg a flex group is one group.
 */
#include <stdbool.h>

#include "backends/content/ext/super.h"

/* More groups than this share no tables here, whatever the filesystem's own flex groups are. */
#define EXT_FLEX_MAX 128

struct ext_geometry {
	struct ext_super super; /* of the old filesystem */
	uint64_t old_blocks, new_blocks;
	uint32_t old_groups, new_groups;
	uint32_t old_desc_blocks, new_desc_blocks;
	uint32_t desc_per_block;
	uint32_t itable_blocks; /* a group's inode table */
	uint32_t flex;		/* new groups that share one room for their tables; a power of two */
	/*
	 * Descriptor blocks below head_desc_blocks (of group 0, all in a row, and of each
	 * group with a superblock) stand in heads; those from there on are spread.
	 */
	uint32_t head_desc_blocks;
	bool spread;	       /* meta_bg, after growing */
	bool starts_to_spread; /* and not before: the reserve does not hold the new descriptors */
};

/* For the filesystem as it is: -EBADMSG when its parts can't fit in its groups. */
int ext_geometry_init(struct ext_geometry *g, const struct ext_super *s, struct why *why);

/*
 * For the filesystem grown to fill `size` bytes. 0; 1 when that is not larger by
 * a useful unit; -EBADMSG when it is larger already; -EOPNOTSUPP, with the
 * largest size possible, when it can't.
 */
int ext_geometry_grow(struct ext_geometry *g, uint64_t size, struct why *why);

uint64_t ext_group_first(const struct ext_geometry *g, uint32_t group);	 /* block */
uint32_t ext_group_blocks(const struct ext_geometry *g, uint32_t group); /* the last one may be shorter */

bool ext_group_has_super(const struct ext_geometry *g, uint32_t group);
/* The next group behind `group` with a copy of the superblock; new_groups when there is none. */
uint32_t ext_next_super(const struct ext_geometry *g, uint32_t group);
/* Whether the group's own metagroup is spread. */
bool ext_group_spreads(const struct ext_geometry *g, uint32_t group);
uint32_t ext_head_blocks(const struct ext_geometry *g, uint32_t group);
/* The sum of ext_head_blocks of all groups below `group`. */
uint64_t ext_heads_below(const struct ext_geometry *g, uint32_t group);
/* The block that holds descriptor block `index`: the original, not its copies. */
uint64_t ext_desc_block(const struct ext_geometry *g, uint32_t index);

/* Whether descriptors have upper halves (64bit). */
static inline bool ext_is_big(const struct ext_geometry *g)
{
	return g->super.desc_size >= sizeof(struct disk_ext_group);
}

/* Whether blocks are reserved for descriptors and owned by the resize inode, before growing. */
bool ext_has_reserve(const struct ext_geometry *g);
/* How many are left after it. */
uint32_t ext_reserve_left(const struct ext_geometry *g);

/*
 * The tables of a flex group. Items are numbered: the block bitmaps of its
 * groups, then their inode bitmaps, then their inode tables. A run is items in a
 * row; there are at most two in each room between heads.
 */
struct ext_run {
	uint64_t block;
	uint32_t item;
	uint32_t count;
};

struct ext_flex {
	uint32_t first, count; /* groups */
	unsigned n_runs;
	struct ext_run runs[2 * EXT_FLEX_MAX]; /* in order of block */
};

/* That of a new group. A flex that already holds it is left as it is; one that is all zero holds nothing. */
void ext_flex_find(const struct ext_geometry *g, uint32_t group, struct ext_flex *flex);
/* Blocks that a run takes. */
uint64_t ext_run_blocks(const struct ext_geometry *g, const struct ext_flex *flex, const struct ext_run *run);
uint64_t ext_block_bitmap(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group);
uint64_t ext_inode_bitmap(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group);
uint64_t ext_inode_table(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group);
/* Blocks of a new group that tables take. */
uint32_t ext_table_blocks_in(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group);

#endif
