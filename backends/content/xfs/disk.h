/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_XFS_DISK_H
#define GOALFS_BACKENDS_CONTENT_XFS_DISK_H

/*
 * XFS as it stands on disk; numbers are big-endian, checksums (of version 5) are
 * little-endian. See "XFS Algorithms & Data Structures",
 * https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git, and the kernel's
 * fs/xfs/libxfs/xfs_format.h.
 *
 * The filesystem is cut into allocation groups (AG) of equal length; the last one may be shorter. Each begins
 * with four sectors and the roots of its trees, which may have moved since:
 *
 *	| super | AGF | AGI | AGFL |  by start | by size | inodes | free inodes | reverse map | shared | free ...
 *	  sectors                     blocks                        finobt        rmapbt        reflink
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define XFS_NULL UINT32_MAX /* "no block" in any field of 32 bits, "no inode" too */

#define XFS_VERSION_MASK  0x000F /* of `version`: 4 or 5 */
#define XFS_VERSION_LOGV2 0x0400

#define XFS_RO_FINOBT	  0x1 /* a tree of the inode chunks that have free inodes */
#define XFS_RO_RMAPBT	  0x2 /* a tree of who owns which blocks */
#define XFS_RO_REFLINK	  0x4 /* a tree of the blocks that files share */
#define XFS_RO_INOBTCOUNT 0x8 /* the AGI counts the blocks of the inode trees */

#define XFS_INCOMPAT_FTYPE	 0x1
#define XFS_INCOMPAT_SPINODES	 0x2
#define XFS_INCOMPAT_META_UUID	 0x4 /* the UUID has been changed: metadata still bears the first one */
#define XFS_INCOMPAT_BIGTIME	 0x8
#define XFS_INCOMPAT_NEEDSREPAIR 0x10
#define XFS_INCOMPAT_NREXT64	 0x20
#define XFS_INCOMPAT_EXCHRANGE	 0x40
#define XFS_INCOMPAT_PARENT	 0x80

#define XFS_LOG_INCOMPAT_XATTRS 0x1

struct disk_xfs_super {
	uint8_t magic[4]; /* "XFSB" */
	uint8_t block_size[4];
	uint8_t blocks[8];
	uint8_t realtime_blocks[8];
	uint8_t realtime_extents[8];
	uint8_t uuid[16];	/* 0x20 */
	uint8_t log_start[8];	/* 0x30; 0: on another device */
	uint8_t inodes[3][8];	/* the root directory's, and the realtime part's */
	uint8_t extent_size[4]; /* 0x50 */
	uint8_t ag_blocks[4];
	uint8_t ags[4];
	uint8_t bitmap_blocks[4];
	uint8_t log_blocks[4]; /* 0x60 */
	uint8_t version[2];
	uint8_t sector_size[2];
	uint8_t inode_size[2];
	uint8_t inodes_per_block[2];
	uint8_t label[12];
	uint8_t block_log; /* 0x78 */
	uint8_t sector_log;
	uint8_t inode_log;
	uint8_t inodes_per_block_log;
	uint8_t ag_blocks_log; /* rounded up */
	uint8_t extent_size_log;
	uint8_t in_progress; /* mkfs is at work */
	uint8_t inode_percent;
	uint8_t inode_count[8]; /* 0x80 */
	uint8_t free_inodes[8];
	uint8_t free_blocks[8]; /* 0x90 */
	uint8_t free_extents[8];
	uint8_t quota[16]; /* 0xa0 */
	uint8_t flags[4];
	uint8_t inode_align[4];
	uint8_t stripe_unit[4];
	uint8_t stripe_width[4];
	uint8_t dir_block_log; /* 0xc0 */
	uint8_t log_sector_log;
	uint8_t log_sector_size[2];
	uint8_t log_unit[4]; /* bytes; its records are as long or a multiple */
	uint8_t features2[4];
	uint8_t bad_features2[4];
	uint8_t compat[4]; /* 0xd0; from here on only in version 5 */
	uint8_t ro_compat[4];
	uint8_t incompat[4];
	uint8_t log_incompat[4];
	uint8_t checksum[4]; /* 0xe0; of the whole sector */
	uint8_t sparse_align[4];
	uint8_t project_quota[8];
	uint8_t lsn[8]; /* 0xf0 */
	uint8_t meta_uuid[16];
};
static_assert(sizeof(struct disk_xfs_super) == 264, "xfs superblock");
static_assert(offsetof(struct disk_xfs_super, ag_blocks) == 84, "xfs superblock");
static_assert(offsetof(struct disk_xfs_super, label) == 108, "xfs superblock");
static_assert(offsetof(struct disk_xfs_super, free_blocks) == 144, "xfs superblock");
static_assert(offsetof(struct disk_xfs_super, log_unit) == 196, "xfs superblock");
static_assert(offsetof(struct disk_xfs_super, compat) == 208, "xfs superblock");
static_assert(offsetof(struct disk_xfs_super, checksum) == 224, "xfs superblock");

/* As much of it as version 4 has. */
#define XFS_SUPER_V4_SIZE offsetof(struct disk_xfs_super, compat)

/* Free space of an AG. */
struct disk_xfs_agf {
	uint8_t magic[4]; /* "XAGF" */
	uint8_t version[4];
	uint8_t ag[4];
	uint8_t length[4];   /* blocks */
	uint8_t roots[3][4]; /* by start, by size, reverse map */
	uint8_t levels[3][4];
	uint8_t list_first[4]; /* 0x28 */
	uint8_t list_last[4];
	uint8_t list_count[4];
	uint8_t free_blocks[4];
	uint8_t longest[4];
	uint8_t tree_blocks[4]; /* those of the three trees, without their roots */
	uint8_t uuid[16];	/* 0x40; version 5, as all that follows */
	uint8_t rmap_blocks[4];
	uint8_t refcount_blocks[4];
	uint8_t refcount_root[4];
	uint8_t refcount_level[4];
	uint8_t spare[112];
	uint8_t lsn[8]; /* 0xd0 */
	uint8_t checksum[4];
	uint8_t spare2[4];
};
static_assert(sizeof(struct disk_xfs_agf) == 224, "xfs AGF");
static_assert(offsetof(struct disk_xfs_agf, checksum) == 216, "xfs AGF");

/* Inodes of an AG. */
struct disk_xfs_agi {
	uint8_t magic[4]; /* "XAGI" */
	uint8_t version[4];
	uint8_t ag[4];
	uint8_t length[4]; /* blocks */
	uint8_t count[4];
	uint8_t root[4];
	uint8_t level[4];
	uint8_t free_count[4];
	uint8_t new_inode[4];
	uint8_t dir_inode[4];
	uint8_t unlinked[64][4]; /* 0x28 */
	uint8_t uuid[16];	 /* 0x128; version 5, as all that follows */
	uint8_t checksum[4];
	uint8_t pad[4];
	uint8_t lsn[8];
	uint8_t free_root[4];
	uint8_t free_level[4];
	uint8_t inode_tree_blocks[4];
	uint8_t free_tree_blocks[4];
};
static_assert(sizeof(struct disk_xfs_agi) == 344, "xfs AGI");
static_assert(offsetof(struct disk_xfs_agi, checksum) == 312, "xfs AGI");

/* Blocks that are kept for the trees. Block numbers follow; in version 4 the sector has nothing else. */
struct disk_xfs_agfl {
	uint8_t magic[4]; /* "XAFL" */
	uint8_t ag[4];
	uint8_t uuid[16];
	uint8_t lsn[8];
	uint8_t checksum[4];
};
static_assert(sizeof(struct disk_xfs_agfl) == 36, "xfs AGFL");

/* A block of a tree; in version 4 it ends after `right`. */
struct disk_xfs_block {
	uint8_t magic[4];
	uint8_t level[2]; /* 0: a leaf */
	uint8_t records[2];
	uint8_t left[4], right[4]; /* neighbours on this level, or XFS_NULL */
	uint8_t sector[8];	   /* where it stands on the disk, in sectors of 512 bytes */
	uint8_t lsn[8];
	uint8_t uuid[16];
	uint8_t ag[4];
	uint8_t checksum[4];
};
static_assert(sizeof(struct disk_xfs_block) == 56, "xfs tree block");

#define XFS_BLOCK_V4_SIZE offsetof(struct disk_xfs_block, sector)

/*
 * In trees of free space records and the keys of nodes alike. Behind a node's keys, which have the room of as
 * many as fit, stand block numbers of 4 bytes.
 */
struct disk_xfs_free {
	uint8_t start[4];
	uint8_t length[4];
};

struct disk_xfs_rmap {
	uint8_t start[4];
	uint8_t length[4];
	uint8_t owner[8];
	uint8_t offset[8];
};
static_assert(sizeof(struct disk_xfs_rmap) == 24, "xfs reverse map");

#define XFS_OWNER_FS	   (-3)
#define XFS_OWNER_AG	   (-5)
#define XFS_OWNER_INODES   (-6)
#define XFS_OWNER_REFCOUNT (-8)

/* The head of a record in the log; what the log says of itself is in sectors of 512 bytes. */
struct disk_xfs_log_record {
	uint8_t magic[4]; /* XFS_LOG_MAGIC */
	uint8_t cycle[4];
	uint8_t version[4];
	uint8_t length[4]; /* bytes, without heads */
	uint8_t lsn[8];
	uint8_t tail_lsn[8];
	uint8_t checksum[4];
	uint8_t previous[4];
	uint8_t operations[4];
	uint8_t cycle_data[256];
	uint8_t format[4];
	uint8_t uuid[16];
	uint8_t size[4]; /* bytes, of the buffer it was made in */
};
static_assert(sizeof(struct disk_xfs_log_record) == 324, "xfs log record");

#define XFS_LOG_MAGIC	0xFEEDBABE
#define XFS_LOG_UNMOUNT 0x20 /* of an operation's flags, its byte 9 */

#endif
