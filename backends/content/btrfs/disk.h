/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_BTRFS_DISK_H
#define GOALFS_BACKENDS_CONTENT_BTRFS_DISK_H

/*
 * btrfs as it stands on disk; all numbers are little-endian. See
 * https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html
 *
 *	device	| 1 MiB, in it the superblock at 64 KiB | stripes of chunks ... | copies of the superblock
 *	chunk	a range of logical addresses, and the one stripe (SINGLE) or the two (DUP) that hold its bytes
 *	trees	of nodes at logical addresses: the superblock tells the roots of the chunk tree and of the
 *		tree of roots, that one the roots of all others; it holds enough chunks in an array
 *		to find the chunk tree, which holds all of them
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define BTRFS_SUPER_AT	 0x10000 /* of the first one; the copies are at 64 MiB and 256 GiB */
#define BTRFS_SUPER_SIZE 4096
#define BTRFS_MAGIC	 "_BHRfS_M"
#define BTRFS_COPIES	 2 /* besides the first */

#define BTRFS_CHECKSUM_SIZE 32 /* room for one; shorter ones are followed by zeros */
#define BTRFS_LEVELS	    8
#define BTRFS_NODE_MAX	    65536

#define BTRFS_FLAG_WRITTEN	   (UINT64_C(1) << 0)
#define BTRFS_FLAG_ERROR	   (UINT64_C(1) << 2)
#define BTRFS_FLAG_SEEDING	   (UINT64_C(1) << 32)
#define BTRFS_FLAG_METADUMP	   (UINT64_C(1) << 33)
#define BTRFS_FLAG_METADUMP_V2	   (UINT64_C(1) << 34)
#define BTRFS_FLAG_CHANGING_FSID   (UINT64_C(1) << 35)
#define BTRFS_FLAG_CHANGING_FSID_2 (UINT64_C(1) << 36)
#define BTRFS_FLAG_CHANGING_GROUPS (UINT64_C(1) << 38)
#define BTRFS_FLAG_CHANGING_DATA   (UINT64_C(1) << 39)
#define BTRFS_FLAG_CHANGING_META   (UINT64_C(1) << 40)

#define BTRFS_INCOMPAT_MIXED_BACKREF   (UINT64_C(1) << 0)
#define BTRFS_INCOMPAT_DEFAULT_SUBVOL  (UINT64_C(1) << 1)
#define BTRFS_INCOMPAT_MIXED_GROUPS    (UINT64_C(1) << 2)
#define BTRFS_INCOMPAT_COMPRESS_LZO    (UINT64_C(1) << 3)
#define BTRFS_INCOMPAT_COMPRESS_ZSTD   (UINT64_C(1) << 4)
#define BTRFS_INCOMPAT_BIG_METADATA    (UINT64_C(1) << 5)
#define BTRFS_INCOMPAT_EXTENDED_IREF   (UINT64_C(1) << 6)
#define BTRFS_INCOMPAT_RAID56	       (UINT64_C(1) << 7)
#define BTRFS_INCOMPAT_SKINNY_METADATA (UINT64_C(1) << 8)
#define BTRFS_INCOMPAT_NO_HOLES	       (UINT64_C(1) << 9)
#define BTRFS_INCOMPAT_METADATA_UUID   (UINT64_C(1) << 10)
#define BTRFS_INCOMPAT_RAID1C34	       (UINT64_C(1) << 11)
#define BTRFS_INCOMPAT_ZONED	       (UINT64_C(1) << 12)
#define BTRFS_INCOMPAT_SIMPLE_QUOTA    (UINT64_C(1) << 16)

#define BTRFS_RO_FREE_SPACE_TREE       (UINT64_C(1) << 0)
#define BTRFS_RO_FREE_SPACE_TREE_VALID (UINT64_C(1) << 1)
#define BTRFS_RO_VERITY		       (UINT64_C(1) << 2)
#define BTRFS_RO_BLOCK_GROUP_TREE      (UINT64_C(1) << 3)

enum btrfs_checksum_type {
	BTRFS_CRC32C,
	BTRFS_XXHASH64,
	BTRFS_SHA256,
	BTRFS_BLAKE2B, /* of 256 bits */
};

/* A device of the filesystem: in the chunk tree, and in the superblock that stands on it. */
struct disk_btrfs_device {
	uint8_t id[8];
	uint8_t total_bytes[8];
	uint8_t bytes_used[8];
	uint8_t io[12];
	uint8_t type[8];
	uint8_t generation[8];
	uint8_t start_offset[8];
	uint8_t group_and_speed[6];
	uint8_t uuid[16];
	uint8_t fsid[16]; /* of the filesystem that made it: another one's on a seed device */
};
static_assert(sizeof(struct disk_btrfs_device) == 98, "btrfs device item");

struct disk_btrfs_super {
	uint8_t checksum[BTRFS_CHECKSUM_SIZE]; /* of all that follows */
	uint8_t fsid[16];
	uint8_t bytenr[8]; /* where this copy stands */
	uint8_t flags[8];
	uint8_t magic[8]; /* 0x40 */
	uint8_t generation[8];
	uint8_t root[8]; /* logical, as all roots */
	uint8_t chunk_root[8];
	uint8_t log_root[8]; /* 0x60 */
	uint8_t log_root_generation[8];
	uint8_t total_bytes[8];
	uint8_t bytes_used[8]; /* of logical addresses */
	uint8_t root_dir[8];   /* 0x80 */
	uint8_t num_devices[8];
	uint8_t sectorsize[4];
	uint8_t nodesize[4];
	uint8_t leafsize[4];
	uint8_t stripesize[4];
	uint8_t chunk_array_size[4]; /* 0xa0 */
	uint8_t chunk_root_generation[8];
	uint8_t compat[8];
	uint8_t compat_ro[8];
	uint8_t incompat[8];
	uint8_t checksum_type[2]; /* 0xc4 */
	uint8_t root_level;
	uint8_t chunk_root_level;
	uint8_t log_root_level;
	struct disk_btrfs_device device; /* 0xc9 */
	char label[256];		 /* 0x12b */
	uint8_t cache_generation[8];
	uint8_t uuid_tree_generation[8];
	uint8_t metadata_uuid[16]; /* 0x23b; what nodes carry where it differs from the fsid */
	uint8_t reserved[224];
	uint8_t chunk_array[2048]; /* 0x32b */
	uint8_t backup_roots[4][168];
	uint8_t padding[565];
};
static_assert(sizeof(struct disk_btrfs_super) == BTRFS_SUPER_SIZE, "btrfs superblock");
static_assert(offsetof(struct disk_btrfs_super, incompat) == 0xbc, "btrfs superblock");
static_assert(offsetof(struct disk_btrfs_super, device) == 0xc9, "btrfs superblock");
static_assert(offsetof(struct disk_btrfs_super, metadata_uuid) == 0x23b, "btrfs superblock");
static_assert(offsetof(struct disk_btrfs_super, chunk_array) == 0x32b, "btrfs superblock");

#define BTRFS_PROFILES	     UINT64_C(0x7f8) /* the bits of a chunk's type that say how it is stored */
#define BTRFS_PROFILE_SINGLE 0
#define BTRFS_PROFILE_RAID0  0x8
#define BTRFS_PROFILE_DUP    0x20

struct disk_btrfs_stripe {
	uint8_t device[8];
	uint8_t offset[8]; /* on that device */
	uint8_t device_uuid[16];
};
static_assert(sizeof(struct disk_btrfs_stripe) == 32, "btrfs stripe");

/* Its key's offset is the logical address where it starts. */
struct disk_btrfs_chunk {
	uint8_t length[8];
	uint8_t owner[8];
	uint8_t stripe_length[8];
	uint8_t type[8];
	uint8_t io[12];
	uint8_t num_stripes[2];
	uint8_t sub_stripes[2];
	/* struct disk_btrfs_stripe each */
};
static_assert(sizeof(struct disk_btrfs_chunk) == 48, "btrfs chunk");

struct disk_btrfs_key {
	uint8_t objectid[8];
	uint8_t type;
	uint8_t offset[8];
};
static_assert(sizeof(struct disk_btrfs_key) == 17, "btrfs key");

struct disk_btrfs_header {
	uint8_t checksum[BTRFS_CHECKSUM_SIZE]; /* of the rest of the node */
	uint8_t fsid[16];
	uint8_t bytenr[8]; /* logical */
	uint8_t flags[8];
	uint8_t chunk_tree_uuid[16];
	uint8_t generation[8];
	uint8_t owner[8]; /* the tree */
	uint8_t items[4];
	uint8_t level; /* 0: a leaf */
};
static_assert(sizeof(struct disk_btrfs_header) == 101, "btrfs node header");

/* In a node that is no leaf, behind the header. */
struct disk_btrfs_pointer {
	struct disk_btrfs_key key; /* the first in there */
	uint8_t bytenr[8];
	uint8_t generation[8];
};
static_assert(sizeof(struct disk_btrfs_pointer) == 33, "btrfs node pointer");

/* In a leaf, behind the header. */
struct disk_btrfs_item {
	struct disk_btrfs_key key;
	uint8_t offset[4]; /* of its bytes, from the header's end */
	uint8_t size[4];
};
static_assert(sizeof(struct disk_btrfs_item) == 25, "btrfs item");

/* Trees, which are objects of the tree of roots. */
#define BTRFS_ROOT_TREE	      1
#define BTRFS_EXTENT_TREE     2
#define BTRFS_CHUNK_TREE      3
#define BTRFS_FREE_SPACE_TREE 10

/* Objects of the chunk tree. */
#define BTRFS_DEVICES 1
#define BTRFS_CHUNKS  256

/* Types of items. */
#define BTRFS_ROOT_ITEM		132
#define BTRFS_EXTENT_ITEM	168 /* key: start, -, length */
#define BTRFS_METADATA_ITEM	169 /* key: start, -, level; a node long */
#define BTRFS_FREE_SPACE_INFO	198 /* key: start, -, length of the block group, which is a chunk */
#define BTRFS_FREE_SPACE_EXTENT 199 /* key: start, -, length */
#define BTRFS_FREE_SPACE_BITMAP 200 /* key: start, -, length; a bit a sector, set where it is free */
#define BTRFS_DEVICE_ITEM	216
#define BTRFS_CHUNK_ITEM	228

/* A root item; its beginning, which is all there was at first. */
struct disk_btrfs_root {
	uint8_t inode[160];
	uint8_t generation[8];
	uint8_t root_dir[8];
	uint8_t bytenr[8];
	uint8_t limits[24];
	uint8_t flags[8];
	uint8_t refs[4];
	uint8_t drop[18];
	uint8_t level;
};
static_assert(sizeof(struct disk_btrfs_root) == 239, "btrfs root item");
static_assert(offsetof(struct disk_btrfs_root, bytenr) == 176, "btrfs root item");

struct disk_btrfs_free_space_info {
	uint8_t extents[4]; /* runs of free bytes in the block group, however they are stored */
	uint8_t flags[4];
};
static_assert(sizeof(struct disk_btrfs_free_space_info) == 8, "btrfs free space info");

#endif
