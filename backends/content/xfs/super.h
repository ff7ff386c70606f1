/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_XFS_SUPER_H
#define GOALFS_BACKENDS_CONTENT_XFS_SUPER_H

/*
 * The superblock, decoded, and what follows from it: where AGs and their parts
 * stand, and the checksum that all metadata has.
 */
#include <stdbool.h>

#include "backends/content/xfs/disk.h"
#include "backends/image.h"

#define XFS_BLOCK_SIZE_MAX  65536
#define XFS_SECTOR_SIZE_MAX 32768
#define XFS_AG_BLOCKS_MIN   64 /* the kernel's XFS_MIN_AG_BLOCKS: a shorter last AG is left away */

struct xfs_super {
	unsigned version;
	uint32_t block_size, sector_size; /* bytes */
	uint64_t blocks, free_blocks, realtime_blocks;
	uint32_t ags;
	uint32_t ag_blocks;
	unsigned ag_blocks_log;
	uint64_t log_start; /* an AG and the block in it, see xfs_super_check */
	uint32_t log_blocks;
	uint32_t log_unit; /* bytes */
	bool log_v2;
	bool in_progress;
	uint32_t ro_compat, incompat, log_incompat; /* 0 before version 5 */
	uint8_t uuid[16];
	uint8_t meta_uuid[16]; /* what metadata bears */
	uint8_t label[12];     /* not terminated when full */
};

/* Version 5: metadata says whose it is and has checksums. */
static inline bool xfs_has_csum(const struct xfs_super *s)
{
	return s->version == 5;
}

/*
 * Reads the superblock and decodes it. 0; 1 when there is none; -EBADMSG when
 * its checksum or one of the fields that any use needs is wrong, among them its
 * size. `ret_disk` may be NULL.
 */
int xfs_super_read(struct image *container, struct disk_xfs_super *ret_disk, struct xfs_super *ret,
		   struct why *why);

/*
 * That somebody may change what it describes, or believe what it says is free:
 * -EBADMSG when the fields can't be what any mkfs made, -EOPNOTSUPP with the
 * reason for features and states that are not dealt with. The log is log.h's.
 */
int xfs_super_check(const struct xfs_super *s, struct why *why);

/* The complement of the CRC-32C of `size` bytes, with zeros in the 4 bytes at `at`, where it goes, little-endian. */
uint32_t xfs_checksum(const void *bytes, size_t size, size_t at);

/* Blocks in an AG of a filesystem of s->blocks. */
uint32_t xfs_ag_length(const struct xfs_super *s, uint32_t ag);
/* Byte offsets of an AG, and of a block of it. */
uint64_t xfs_ag_offset(const struct xfs_super *s, uint32_t ag);
uint64_t xfs_block_offset(const struct xfs_super *s, uint32_t ag, uint32_t block);

/* Where mkfs and growfs place the roots of a new AG's trees: block numbers. Those of trees it doesn't have are 0. */
struct xfs_roots {
	uint32_t by_start, by_size, inodes, free_inodes, rmap, refcount;
	uint32_t end; /* the first block behind them: free, as all that follow */
};
struct xfs_roots xfs_new_roots(const struct xfs_super *s);

#endif
