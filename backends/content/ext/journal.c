/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ext/journal.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/crc.h"

/* 8 GiB in blocks of 4 KiB, eight times the largest that mke2fs makes unasked. */
#define BLOCKS_MAX (UINT32_C(1) << 21)

uint32_t ext_journal_super_checksum(const struct disk_jbd2_super *disk)
{
	struct disk_jbd2_super copy = *disk;

	put_le32(copy.checksum, 0);
	return crc32c(~0u, &copy, sizeof(copy));
}

static int check_features(struct ext_journal *j, const char *name, struct why *why)
{
	const uint32_t csum = JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_CSUM_V3;
	const uint32_t known = csum | JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT | JBD2_INCOMPAT_ASYNC_COMMIT |
			       JBD2_INCOMPAT_FAST_COMMIT;

	if (get_be32(j->disk.header.type) == JBD2_SUPER_V2) {
		j->compat = get_be32(j->disk.compat);
		j->incompat = get_be32(j->disk.incompat);
	}
	if (j->incompat & ~known)
		return fail(why, -EOPNOTSUPP,
			    "the journal of %s has features that are not known here (0x%" PRIx32 ")", name,
			    j->incompat & ~known);
	j->has_csum = j->incompat & csum;
	if ((j->incompat & csum) == csum || (j->has_csum && j->disk.checksum_type != JBD2_CHECKSUM_CRC32C))
		return fail(why, -EBADMSG, "the journal of %s claims checksums that can't be", name);
	if (j->has_csum && get_be32(j->disk.checksum) != ext_journal_super_checksum(&j->disk))
		return fail(why, -EBADMSG, "the journal of %s has a wrong checksum in its superblock", name);
	j->checksum_seed = crc32c(~0u, j->disk.uuid, sizeof(j->disk.uuid));
	return 0;
}

/* The fast commits have the last blocks; one before them is never used. */
static void take_fast_commits(struct ext_journal *j)
{
	uint32_t count = get_be32(j->disk.fast_commit_blocks);

	if (!(j->incompat & JBD2_INCOMPAT_FAST_COMMIT))
		return;
	count = count ? count : JBD2_FAST_COMMIT_BLOCKS;
	if (count > j->end || j->end - count < JBD2_MIN_BLOCKS)
		return;
	j->end -= count;
	j->fast_commits = j->end + 1;
}

static int decode(struct ext_journal *j, const struct ext_geometry *g, struct why *why)
{
	const struct disk_jbd2_super *disk = &j->disk;
	uint32_t type = get_be32(disk->header.type), blocks = get_be32(disk->blocks);
	const char *name = ext_super_name(&g->super);
	int r;

	if (get_be32(disk->header.magic) != JBD2_MAGIC || (type != JBD2_SUPER_V1 && type != JBD2_SUPER_V2))
		return fail(why, -EBADMSG, "the journal of %s has no superblock", name);
	r = check_features(j, name, why);
	if (r < 0)
		return r;
	if (get_be32(disk->block_size) != g->super.block_size || blocks > j->blocks.count)
		return fail(why, -EBADMSG, "the journal of %s claims %" PRIu32 " blocks of %" PRIu32 " bytes",
			    name, blocks, get_be32(disk->block_size));
	j->first = get_be32(disk->first);
	j->end = blocks;
	j->start = get_be32(disk->start);
	j->sequence = get_be32(disk->sequence);
	take_fast_commits(j);
	if (j->first == 0 || j->first >= j->end || (j->start && (j->start < j->first || j->start >= j->end)))
		return fail(why, -EBADMSG,
			    "the journal of %s claims a log from block %" PRIu32 ", in its blocks %" PRIu32
			    " to %" PRIu32,
			    name, j->start, j->first, j->end);
	if (get_be32(disk->error))
		return fail(why, -EOPNOTSUPP, "%s is not clean: its journal tells of an error; run e2fsck",
			    name);
	return 0;
}

static int find_blocks(struct image *img, const struct ext_geometry *g, struct ext_journal *j, struct why *why)
{
	uint32_t number = g->super.journal_inode, group = (number - 1) / g->super.inodes_per_group;
	_cleanup_free_ uint8_t *inode = malloc(g->super.inode_size);
	const struct disk_ext_inode *disk = (const struct disk_ext_inode *)inode;
	uint8_t desc[EXT_DESC_SIZE_MAX];
	uint64_t blocks;
	int r;

	if (!inode)
		return -ENOMEM;
	if (group >= g->old_groups)
		return fail(why, -EBADMSG, "%s claims inode %" PRIu32 " for its journal",
			    ext_super_name(&g->super), number);
	r = ext_desc_read(img, g, group, desc, why);
	if (r == 0)
		r = ext_inode_read(img, g, (const struct disk_ext_group *)desc, number, inode, why);
	if (r < 0)
		return r;
	blocks = (get_le32(disk->size_lo) | (uint64_t)get_le32(disk->size_hi) << 32) / g->super.block_size;
	if (blocks == 0)
		return fail(why, -EBADMSG, "the journal of %s is empty", ext_super_name(&g->super));
	if (blocks > BLOCKS_MAX)
		return fail(why, -EOPNOTSUPP, "the journal of %s has %" PRIu64 " blocks, more than %" PRIu32,
			    ext_super_name(&g->super), blocks, BLOCKS_MAX);
	return ext_blocks_read(img, g, number, inode, (uint32_t)blocks, &j->blocks, why);
}

int ext_journal_open(struct image *img, const struct ext_geometry *g, struct ext_journal *ret, struct why *why)
{
	int r;

	*ret = (struct ext_journal){ 0 };
	r = find_blocks(img, g, ret, why);
	if (r == 0)
		r = image_pread(img, &ret->disk, sizeof(ret->disk),
				ext_journal_block(ret, 0) * g->super.block_size, why);
	if (r == 0)
		r = decode(ret, g, why);
	if (r < 0)
		ext_journal_done(ret);
	return r;
}

void ext_journal_done(struct ext_journal *j)
{
	ext_blocks_done(&j->blocks);
}
