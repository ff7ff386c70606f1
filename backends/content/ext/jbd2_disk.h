/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_JBD2_DISK_H
#define GOALFS_BACKENDS_CONTENT_EXT_JBD2_DISK_H

/*
 * The journal of ext3 and ext4 as it stands in the blocks of its inode; all
 * numbers are big-endian. See
 * https://www.kernel.org/doc/html/latest/filesystems/ext4/journal.html
 *
 *	| 0 superblock | first: the log, a ring of blocks ... | last: fast commits |
 *
 * A transaction in the log, any number of descriptors and revocations:
 *
 *	| descriptor | data | data ... | revocation | descriptor | data ... | commit |
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define JBD2_MAGIC 0xC03B3998u

#define JBD2_DESCRIPTOR 1
#define JBD2_COMMIT	2
#define JBD2_SUPER_V1	3 /* without features */
#define JBD2_SUPER_V2	4
#define JBD2_REVOKE	5

#define JBD2_COMPAT_CHECKSUM 0x1

#define JBD2_INCOMPAT_REVOKE	   0x1
#define JBD2_INCOMPAT_64BIT	   0x2
#define JBD2_INCOMPAT_ASYNC_COMMIT 0x4
#define JBD2_INCOMPAT_CSUM_V2	   0x8
#define JBD2_INCOMPAT_CSUM_V3	   0x10
#define JBD2_INCOMPAT_FAST_COMMIT  0x20

#define JBD2_CHECKSUM_CRC32C 4

/* Begins every block of the log but data. */
struct disk_jbd2_header {
	uint8_t magic[4];
	uint8_t type[4];
	uint8_t sequence[4]; /* the transaction's number */
};
static_assert(sizeof(struct disk_jbd2_header) == 12, "jbd2 header");

struct disk_jbd2_super {
	struct disk_jbd2_header header;
	uint8_t block_size[4];
	uint8_t blocks[4]; /* 0x10 */
	uint8_t first[4];
	uint8_t sequence[4]; /* of the first transaction in the log */
	uint8_t start[4];    /* where it begins; 0: there is none */
	uint8_t error[4];    /* 0x20 */
	uint8_t compat[4];
	uint8_t incompat[4];
	uint8_t ro_compat[4];
	uint8_t uuid[16]; /* 0x30 */
	uint8_t users[4]; /* 0x40 */
	uint8_t copy[4];
	uint8_t limits[8];
	uint8_t checksum_type; /* 0x50 */
	uint8_t pad[3];
	uint8_t fast_commit_blocks[4];
	uint8_t head[4];
	uint8_t rest[160];
	uint8_t checksum[4]; /* 0xfc */
	uint8_t user_ids[768];
};
static_assert(sizeof(struct disk_jbd2_super) == 1024, "jbd2 superblock");
static_assert(offsetof(struct disk_jbd2_super, fast_commit_blocks) == 0x54, "jbd2 superblock");
static_assert(offsetof(struct disk_jbd2_super, checksum) == 0xfc, "jbd2 superblock");

#define JBD2_FAST_COMMIT_BLOCKS 256 /* where the superblock says 0 */
#define JBD2_MIN_BLOCKS		1024

/* What a descriptor says of one data block; there are two layouts, the older one of several lengths. */
struct disk_jbd2_tag3 {
	uint8_t block_lo[4];
	uint8_t flags[4];
	uint8_t block_hi[4];
	uint8_t checksum[4];
};
static_assert(sizeof(struct disk_jbd2_tag3) == 16, "jbd2 tag");

struct disk_jbd2_tag {
	uint8_t block_lo[4];
	uint8_t checksum[2];
	uint8_t flags[2];
	uint8_t block_hi[4]; /* with 64BIT */
};
static_assert(sizeof(struct disk_jbd2_tag) == 12, "jbd2 tag");

#define JBD2_TAG_ESCAPED   0x1 /* the data began with JBD2_MAGIC: zeros stand in its place */
#define JBD2_TAG_SAME_UUID 0x2 /* else a UUID follows the tag */
#define JBD2_TAG_LAST	   0x8
#define JBD2_UUID_SIZE	   16

/* Descriptors and revocations end with their checksum, where there are any. */
#define JBD2_TAIL_SIZE 4

struct disk_jbd2_revoke {
	struct disk_jbd2_header header;
	uint8_t used[4]; /* bytes of this block, these 16 included; block numbers follow */
};
static_assert(sizeof(struct disk_jbd2_revoke) == 16, "jbd2 revocation");

struct disk_jbd2_commit {
	struct disk_jbd2_header header;
	uint8_t checksum_type;
	uint8_t checksum_size;
	uint8_t pad[2];
	uint8_t checksum[4]; /* 0x10 */
};
static_assert(offsetof(struct disk_jbd2_commit, checksum) == 0x10, "jbd2 commit");

/* Fast commits are ext4's own: little-endian. The first block of theirs begins with this. */
struct disk_fast_commit_head {
	uint8_t tag[2];
	uint8_t length[2];
	uint8_t features[4];
	uint8_t sequence[4];
};
static_assert(sizeof(struct disk_fast_commit_head) == 12, "fast commit");

#define FAST_COMMIT_HEAD 9

#endif
