/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_XFS_AG_H
#define GOALFS_BACKENDS_CONTENT_XFS_AG_H

/*
 * Reading and checking what an allocation group says of its free space: its
 * headers, and the blocks of the trees by start and by size.
 */
#include "backends/content/xfs/super.h"

#define XFS_LEVELS_MAX 9 /* XFS_BTREE_MAXLEVELS: no tree of free space is as high */

enum xfs_tree_kind { XFS_BY_START, XFS_BY_SIZE };

/* Of the AGF, what is needed. */
struct xfs_agf {
	uint32_t length; /* blocks, as all that follow */
	uint32_t roots[2];
	uint32_t levels[2];   /* by enum xfs_tree_kind; 1 to XFS_LEVELS_MAX */
	uint32_t free_blocks; /* those in the list of spare blocks not included */
	uint32_t longest;
};

/* Which sector of an AG it is. */
#define XFS_AGF_SECTOR 1
#define XFS_AGI_SECTOR 2

/* Reads an AGF or AGI into `sector`, of s->sector_size bytes, and checks it: -EBADMSG. */
int xfs_agf_read(struct image *img, const struct xfs_super *s, uint32_t ag, uint8_t *sector,
		 struct xfs_agf *ret, struct why *why);
int xfs_agi_read(struct image *img, const struct xfs_super *s, uint32_t ag, uint8_t *sector, struct why *why);

/* The checksums, of what has them. */
void xfs_agf_seal(const struct xfs_super *s, uint8_t *sector);
void xfs_agi_seal(const struct xfs_super *s, uint8_t *sector);
void xfs_block_seal(const struct xfs_super *s, uint8_t *block);

/*
 * Reads a block of a tree of free space into `block`, of s->block_size bytes,
 * and checks that it is one, of this level, of this AG, with no more records than there is
 * room for: -EBADMSG.
 */
int xfs_block_read(struct image *img, const struct xfs_super *s, uint32_t ag, enum xfs_tree_kind kind,
		   uint32_t at, unsigned level, uint8_t *block, struct why *why);

/* How many records are in a block, and how many there may be. */
uint32_t xfs_block_records(const uint8_t *block);
uint32_t xfs_block_room(const struct xfs_super *s, unsigned level);
/* The records of a leaf or the keys of a node, and the pointers of a node. */
struct disk_xfs_free *xfs_block_free(const struct xfs_super *s, uint8_t *block);
uint8_t *xfs_block_pointers(const struct xfs_super *s, uint8_t *block);

#endif
