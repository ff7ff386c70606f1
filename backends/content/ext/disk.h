/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_DISK_H
#define GOALFS_BACKENDS_CONTENT_EXT_DISK_H

/*
 * ext2, ext3 and ext4 as they stand on disk; all numbers are little-endian. See
 * https://www.kernel.org/doc/html/latest/filesystems/ext4/globals.html
 *
 *	| 0 boot | 1024 superblock | descriptors | reserved | bitmaps, inode tables, data ...   group 0
 *	|         superblock copy  | descriptors | reserved | ...                               groups 1, 3, 5,
 *7, 9, 25 ... |         data ...                                                                      the
 *others
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define EXT_SUPER_OFFSET 1024
#define EXT_MAGIC	 0xEF53

#define EXT_STATE_VALID 0x1
#define EXT_STATE_ERROR 0x2

#define EXT_COMPAT_HAS_JOURNAL	 0x4
#define EXT_COMPAT_RESIZE_INODE	 0x10
#define EXT_COMPAT_SPARSE_SUPER2 0x200
#define EXT_COMPAT_ORPHAN_FILE	 0x1000

#define EXT_INCOMPAT_FILETYPE	 0x2
#define EXT_INCOMPAT_RECOVER	 0x4
#define EXT_INCOMPAT_JOURNAL_DEV 0x8
#define EXT_INCOMPAT_META_BG	 0x10
#define EXT_INCOMPAT_EXTENTS	 0x40
#define EXT_INCOMPAT_64BIT	 0x80
#define EXT_INCOMPAT_MMP	 0x100
#define EXT_INCOMPAT_FLEX_BG	 0x200
#define EXT_INCOMPAT_EA_INODE	 0x400
#define EXT_INCOMPAT_CSUM_SEED	 0x2000
#define EXT_INCOMPAT_LARGEDIR	 0x4000
#define EXT_INCOMPAT_INLINE_DATA 0x8000
#define EXT_INCOMPAT_ENCRYPT	 0x10000
#define EXT_INCOMPAT_CASEFOLD	 0x20000

#define EXT_RO_SPARSE_SUPER   0x1
#define EXT_RO_LARGE_FILE     0x2
#define EXT_RO_BTREE_DIR      0x4
#define EXT_RO_HUGE_FILE      0x8
#define EXT_RO_GDT_CSUM	      0x10
#define EXT_RO_DIR_NLINK      0x20
#define EXT_RO_EXTRA_ISIZE    0x40
#define EXT_RO_QUOTA	      0x100
#define EXT_RO_BIGALLOC	      0x200
#define EXT_RO_METADATA_CSUM  0x400
#define EXT_RO_READONLY	      0x1000
#define EXT_RO_PROJECT	      0x2000
#define EXT_RO_SHARED_BLOCKS  0x4000
#define EXT_RO_VERITY	      0x8000
#define EXT_RO_ORPHAN_PRESENT 0x10000

#define EXT_CHECKSUM_CRC32C 1

struct disk_ext_super {
	uint8_t inodes[4];
	uint8_t blocks_lo[4];
	uint8_t reserved_blocks_lo[4];
	uint8_t free_blocks_lo[4];
	uint8_t free_inodes[4]; /* 0x10 */
	uint8_t first_data_block[4];
	uint8_t log_block_size[4]; /* 1024 << x */
	uint8_t log_cluster_size[4];
	uint8_t blocks_per_group[4]; /* 0x20 */
	uint8_t clusters_per_group[4];
	uint8_t inodes_per_group[4];
	uint8_t mount_time[4];
	uint8_t write_time[4]; /* 0x30 */
	uint8_t mount_count[2];
	uint8_t max_mount_count[2];
	uint8_t magic[2];
	uint8_t state[2];
	uint8_t errors[2];
	uint8_t minor_rev[2];
	uint8_t last_check[4]; /* 0x40 */
	uint8_t check_interval[4];
	uint8_t creator_os[4];
	uint8_t rev[4];
	uint8_t reserved_uid[2]; /* 0x50 */
	uint8_t reserved_gid[2];
	uint8_t first_inode[4];
	uint8_t inode_size[2];
	uint8_t group[2]; /* of the group this copy stands in */
	uint8_t compat[4];
	uint8_t incompat[4]; /* 0x60 */
	uint8_t ro_compat[4];
	uint8_t uuid[16];
	uint8_t label[16];
	uint8_t last_mounted[64];
	uint8_t algorithms[4];
	uint8_t prealloc[2];
	uint8_t reserved_gdt_blocks[2];
	uint8_t journal_uuid[16]; /* 0xd0 */
	uint8_t journal_inode[4];
	uint8_t journal_dev[4];
	uint8_t last_orphan[4];
	uint8_t hash_seed[16];
	uint8_t hash_version;
	uint8_t journal_backup_type;
	uint8_t desc_size[2];
	uint8_t default_mount_opts[4]; /* 0x100 */
	uint8_t first_meta_bg[4];
	uint8_t mkfs_time[4];
	uint8_t journal_blocks[68];
	uint8_t blocks_hi[4]; /* 0x150 */
	uint8_t reserved_blocks_hi[4];
	uint8_t free_blocks_hi[4];
	uint8_t extra_isize[4];
	uint8_t flags[4]; /* 0x160 */
	uint8_t raid_stride[2];
	uint8_t mmp_interval[2];
	uint8_t mmp_block[8];
	uint8_t raid_stripe_width[4]; /* 0x170 */
	uint8_t log_groups_per_flex;
	uint8_t checksum_type;
	uint8_t pad[2];
	uint8_t kbytes_written[8];
	uint8_t snapshot_and_errors[200]; /* 0x180 */
	uint8_t overhead_clusters[4];	  /* 0x248 */
	uint8_t backup_groups[2][4];
	uint8_t encryption[20];
	uint8_t lost_found_inode[4];
	uint8_t project_quota_inode[4];
	uint8_t checksum_seed[4]; /* 0x270 */
	uint8_t times_hi[8];
	uint8_t encoding[4];
	uint8_t orphan_inode[4]; /* 0x280 */
	uint8_t rest[376];
	uint8_t checksum[4]; /* 0x3fc */
};
static_assert(sizeof(struct disk_ext_super) == 1024, "ext superblock");
static_assert(offsetof(struct disk_ext_super, magic) == 0x38, "ext superblock");
static_assert(offsetof(struct disk_ext_super, uuid) == 0x68, "ext superblock");
static_assert(offsetof(struct disk_ext_super, desc_size) == 0xFE, "ext superblock");
static_assert(offsetof(struct disk_ext_super, mmp_block) == 0x168, "ext superblock");
static_assert(offsetof(struct disk_ext_super, overhead_clusters) == 0x248, "ext superblock");
static_assert(offsetof(struct disk_ext_super, checksum_seed) == 0x270, "ext superblock");
static_assert(offsetof(struct disk_ext_super, orphan_inode) == 0x280, "ext superblock");

#define EXT_GROUP_INODE_UNINIT 0x1 /* its inode bitmap was never written */
#define EXT_GROUP_BLOCK_UNINIT 0x2 /* nor its block bitmap: only the group's own metadata is in use */
#define EXT_GROUP_INODE_ZEROED 0x4 /* its inode table reads as zeros: no lazy initialization by the kernel */

/* A group descriptor; without the 64bit feature it ends after `checksum`. */
struct disk_ext_group {
	uint8_t block_bitmap_lo[4];
	uint8_t inode_bitmap_lo[4];
	uint8_t inode_table_lo[4];
	uint8_t free_blocks_lo[2];
	uint8_t free_inodes_lo[2];
	uint8_t used_dirs_lo[2]; /* 0x10 */
	uint8_t flags[2];
	uint8_t exclude_bitmap_lo[4];
	uint8_t block_bitmap_csum_lo[2];
	uint8_t inode_bitmap_csum_lo[2];
	uint8_t itable_unused_lo[2];
	uint8_t checksum[2];
	uint8_t block_bitmap_hi[4]; /* 0x20 */
	uint8_t inode_bitmap_hi[4];
	uint8_t inode_table_hi[4];
	uint8_t free_blocks_hi[2];
	uint8_t free_inodes_hi[2];
	uint8_t used_dirs_hi[2]; /* 0x30 */
	uint8_t itable_unused_hi[2];
	uint8_t exclude_bitmap_hi[4];
	uint8_t block_bitmap_csum_hi[2];
	uint8_t inode_bitmap_csum_hi[2];
	uint8_t reserved[4];
};
static_assert(sizeof(struct disk_ext_group) == 64, "ext group descriptor");
static_assert(offsetof(struct disk_ext_group, block_bitmap_hi) == 32, "ext group descriptor");

#define EXT_DESC_SIZE_MIN 32
#define EXT_DESC_SIZE_MAX 1024

/* The inode that owns the blocks reserved for more descriptors; inode numbers start at 1. */
#define EXT_RESIZE_INODE 7
#define EXT_DIND_BLOCK	 13

/* As much of an inode as there is at least, and the fields behind it that hold its checksum. */
struct disk_ext_inode {
	uint8_t mode[2];
	uint8_t uid_lo[2];
	uint8_t size_lo[4];
	uint8_t times[16];
	uint8_t gid_lo[2];
	uint8_t links[2];
	uint8_t sectors_lo[4]; /* 0x1c; sectors of 512 bytes */
	uint8_t flags[4];
	uint8_t osd1[4];
	uint8_t block[15][4];  /* 0x28 */
	uint8_t generation[4]; /* 0x64 */
	uint8_t acl_lo[4];
	uint8_t size_hi[4];
	uint8_t obsolete_fragment[4];
	uint8_t sectors_hi[2]; /* 0x74 */
	uint8_t acl_hi[2];
	uint8_t uid_gid_hi[4];
	uint8_t checksum_lo[2]; /* 0x7c */
	uint8_t reserved[2];
	uint8_t extra_isize[2]; /* 0x80; from here on only where inodes are larger than 128 bytes */
	uint8_t checksum_hi[2];
};
static_assert(sizeof(struct disk_ext_inode) == 0x84, "ext inode");
static_assert(offsetof(struct disk_ext_inode, sectors_hi) == 0x74, "ext inode");

#define EXT_INODE_SIZE_MIN 128

#define EXT_INODE_EXTENTS 0x80000 /* flags: `block` is the root of an extent tree */

/* A node of it: this, then entries of the same size; in a block of its own a checksum behind `max` entries. */
struct disk_ext_extents {
	uint8_t magic[2];
	uint8_t entries[2];
	uint8_t max[2];
	uint8_t depth[2]; /* 0: the entries are extents, else nodes below */
	uint8_t generation[4];
};
static_assert(sizeof(struct disk_ext_extents) == 12, "ext extents");

#define EXT_EXTENTS_MAGIC     0xF30A
#define EXT_EXTENTS_DEPTH_MAX 5

struct disk_ext_extent {
	uint8_t logical[4];
	uint8_t count[2]; /* above EXT_EXTENT_MAX: allocated, but not yet written */
	uint8_t physical_hi[2];
	uint8_t physical_lo[4];
};
static_assert(sizeof(struct disk_ext_extent) == 12, "ext extent");

#define EXT_EXTENT_MAX 0x8000

struct disk_ext_extent_node {
	uint8_t logical[4];
	uint8_t physical_lo[4];
	uint8_t physical_hi[2];
	uint8_t unused[2];
};
static_assert(sizeof(struct disk_ext_extent_node) == 12, "ext extent node");

/* Without extents: this many blocks, then blocks of block numbers, one, two and three levels of them. */
#define EXT_DIRECT_BLOCKS 12

/* Ends each block of the file that lists orphans; before it inode numbers, 0 where none is. */
struct disk_ext_orphan_tail {
	uint8_t magic[4];
	uint8_t checksum[4];
};
static_assert(sizeof(struct disk_ext_orphan_tail) == 8, "ext orphan file");

#define EXT_ORPHAN_MAGIC 0x0B10CA04

/* Multiple mount protection: who has the filesystem open. */
struct disk_ext_mmp {
	uint8_t magic[4];
	uint8_t sequence[4];
	uint8_t rest[0x3F4];
	uint8_t checksum[4]; /* 0x3fc */
};
static_assert(sizeof(struct disk_ext_mmp) == 1024, "ext mmp block");

#define EXT_MMP_MAGIC 0x004D4D50
#define EXT_MMP_CLEAN 0xFF4D4D50

#endif
