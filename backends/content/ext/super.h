/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_SUPER_H
#define GOALFS_BACKENDS_CONTENT_EXT_SUPER_H

/*
 * The superblock, decoded, and the checksums that are seeded by it.
 */
#include <stdbool.h>

#include "backends/content/ext/disk.h"
#include "backends/image.h"

struct ext_super {
	uint32_t rev; /* 0: without features, sizes and reserve */
	uint64_t blocks;
	uint64_t reserved_blocks; /* for root */
	uint32_t block_size;	  /* bytes */
	uint32_t first_data_block;
	uint32_t blocks_per_group;
	uint32_t inodes;
	uint32_t inodes_per_group;
	uint32_t inode_size;
	uint32_t desc_size;
	uint32_t reserved_gdt_blocks;
	uint32_t first_meta_bg;
	uint32_t backup_groups[2]; /* with sparse_super2 */
	uint32_t log_groups_per_flex;
	uint32_t log_cluster_size;
	uint32_t last_orphan;
	uint32_t journal_inode; /* 0: there is none, or it is on a device of its own */
	uint32_t orphan_inode;	/* the file that lists orphans; 0: there is none */
	uint32_t compat, incompat, ro_compat;
	uint32_t state;
	uint64_t mmp_block;
	uint32_t checksum_seed;
	uint8_t uuid[16];
	uint8_t label[16]; /* not terminated when full */
};

/* "ext2", "ext3", "ext4", as blkid tells them apart; or "ext journal". */
const char *ext_super_name(const struct ext_super *s);

/* metadata_csum; and the descriptors at least, which gdt_csum has too. */
bool ext_has_csum(const struct ext_super *s);
bool ext_has_group_csum(const struct ext_super *s);

/*
 * Reads the superblock and decodes it. 0; 1 when there is none; -EBADMSG when
 * its checksum or one of the fields that any use needs is wrong. Of the geometry
 * nothing is checked but the block size.
 */
int ext_super_read(struct image *container, struct disk_ext_super *ret_disk, struct ext_super *ret,
		   struct why *why);

/* That the fields fit each other: -EBADMSG when they can't be what any mkfs made. */
int ext_super_check(const struct ext_super *s, struct why *why);

uint32_t ext_super_checksum(const struct disk_ext_super *disk);

/* Of a descriptor of `s->desc_size` bytes, whichever kind `s` has: needs ext_has_group_csum. */
uint16_t ext_group_checksum(const struct ext_super *s, uint32_t group, const void *desc);

/* Of an inode of `s->inode_size` bytes: both halves, of which small inodes keep the lower. */
uint32_t ext_inode_checksum(const struct ext_super *s, uint32_t number, const void *inode);

/* Whether an inode has room for the upper half of its checksum. */
bool ext_inode_has_checksum_hi(const struct ext_super *s, const void *inode);

#endif
