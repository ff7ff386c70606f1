/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ext/super.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc.h"

const char *ext_super_name(const struct ext_super *s)
{
	const uint32_t old_incompat = EXT_INCOMPAT_FILETYPE | EXT_INCOMPAT_RECOVER | EXT_INCOMPAT_META_BG;
	const uint32_t old_ro = EXT_RO_SPARSE_SUPER | EXT_RO_LARGE_FILE | EXT_RO_BTREE_DIR;

	if (s->incompat & EXT_INCOMPAT_JOURNAL_DEV)
		return "ext journal";
	if ((s->incompat & ~old_incompat) || (s->ro_compat & ~old_ro))
		return "ext4";
	return s->compat & EXT_COMPAT_HAS_JOURNAL ? "ext3" : "ext2";
}

bool ext_has_csum(const struct ext_super *s)
{
	return s->ro_compat & EXT_RO_METADATA_CSUM;
}

bool ext_has_group_csum(const struct ext_super *s)
{
	return s->ro_compat & (EXT_RO_METADATA_CSUM | EXT_RO_GDT_CSUM);
}

uint32_t ext_super_checksum(const struct disk_ext_super *disk)
{
	return crc32c(~0u, disk, offsetof(struct disk_ext_super, checksum));
}

/* Revision 0 knows neither features nor sizes. */
static void decode_rev1(const struct disk_ext_super *disk, struct ext_super *s)
{
	s->compat = get_le32(disk->compat);
	s->incompat = get_le32(disk->incompat);
	s->ro_compat = get_le32(disk->ro_compat);
	s->inode_size = get_le16(disk->inode_size);
	s->reserved_gdt_blocks = get_le16(disk->reserved_gdt_blocks);
	s->first_meta_bg = get_le32(disk->first_meta_bg);
	s->log_groups_per_flex = disk->log_groups_per_flex;
	s->mmp_block = get_le64(disk->mmp_block);
	s->backup_groups[0] = get_le32(disk->backup_groups[0]);
	s->backup_groups[1] = get_le32(disk->backup_groups[1]);
	s->last_orphan = get_le32(disk->last_orphan);
	s->orphan_inode = get_le32(disk->orphan_inode);
	s->journal_inode = get_le32(disk->journal_inode);
	if (!(s->incompat & EXT_INCOMPAT_64BIT))
		return;
	s->desc_size = get_le16(disk->desc_size);
	s->blocks |= (uint64_t)get_le32(disk->blocks_hi) << 32;
	s->reserved_blocks |= (uint64_t)get_le32(disk->reserved_blocks_hi) << 32;
}

static void decode(const struct disk_ext_super *disk, struct ext_super *s)
{
	*s = (struct ext_super){
		.rev = get_le32(disk->rev),
		.blocks = get_le32(disk->blocks_lo),
		.reserved_blocks = get_le32(disk->reserved_blocks_lo),
		.first_data_block = get_le32(disk->first_data_block),
		.blocks_per_group = get_le32(disk->blocks_per_group),
		.inodes = get_le32(disk->inodes),
		.inodes_per_group = get_le32(disk->inodes_per_group),
		.inode_size = EXT_INODE_SIZE_MIN,
		.desc_size = EXT_DESC_SIZE_MIN,
		.log_cluster_size = get_le32(disk->log_cluster_size),
		.state = get_le16(disk->state),
	};
	memcpy(s->uuid, disk->uuid, sizeof(s->uuid));
	memcpy(s->label, disk->label, sizeof(s->label));
	if (s->rev != 0)
		decode_rev1(disk, s);
	s->checksum_seed = s->incompat & EXT_INCOMPAT_CSUM_SEED ? get_le32(disk->checksum_seed)
								: crc32c(~0u, s->uuid, sizeof(s->uuid));
}

int ext_super_read(struct image *container, struct disk_ext_super *ret_disk, struct ext_super *ret,
		   struct why *why)
{
	struct disk_ext_super disk;
	struct ext_super s;
	uint32_t log_block_size;
	int r;

	if (container->size < EXT_SUPER_OFFSET + sizeof(disk))
		return 1;
	r = image_pread(container, &disk, sizeof(disk), EXT_SUPER_OFFSET, why);
	if (r < 0)
		return r;
	if (get_le16(disk.magic) != EXT_MAGIC)
		return 1;
	decode(&disk, &s);
	if (s.rev > 1)
		return fail(why, -EBADMSG, "ext superblock has the unknown revision %" PRIu32, s.rev);
	if (ext_has_csum(&s) && disk.checksum_type != EXT_CHECKSUM_CRC32C)
		return fail(why, -EBADMSG, "ext superblock has the unknown checksum type %u",
			    disk.checksum_type);
	if (ext_has_csum(&s) && get_le32(disk.checksum) != ext_super_checksum(&disk))
		return fail(why, -EBADMSG, "%s superblock has a wrong checksum", ext_super_name(&s));
	log_block_size = get_le32(disk.log_block_size);
	if (log_block_size > 6)
		return fail(why, -EBADMSG, "ext superblock claims blocks of 2^%" PRIu64 " bytes",
			    (uint64_t)log_block_size + 10);
	s.block_size = 1024u << log_block_size;
	if (s.blocks > UINT64_MAX / s.block_size)
		return fail(why, -EBADMSG, "ext superblock claims %" PRIu64 " blocks", s.blocks);
	*ret = s;
	*ret_disk = disk;
	return 0;
}

static bool is_power_of_2(uint32_t n)
{
	return n && (n & (n - 1)) == 0;
}

static int check_sizes(const struct ext_super *s, struct why *why)
{
	bool big = s->incompat & EXT_INCOMPAT_64BIT;

	if (s->log_cluster_size != (uint32_t)__builtin_ctz(s->block_size) - 10)
		return fail(why, -EBADMSG,
			    "ext superblock claims clusters of 2^%" PRIu32 " KiB with blocks of %" PRIu32
			    " bytes",
			    s->log_cluster_size, s->block_size);
	if (!is_power_of_2(s->inode_size) || s->inode_size < EXT_INODE_SIZE_MIN ||
	    s->inode_size > s->block_size)
		return fail(why, -EBADMSG, "ext superblock claims inodes of %" PRIu32 " bytes", s->inode_size);
	if (big && (!is_power_of_2(s->desc_size) || s->desc_size < sizeof(struct disk_ext_group) ||
		    s->desc_size > EXT_DESC_SIZE_MAX))
		return fail(why, -EBADMSG, "ext superblock claims group descriptors of %" PRIu32 " bytes",
			    s->desc_size);
	return 0;
}

int ext_super_check(const struct ext_super *s, struct why *why)
{
	/* A group's bitmap is one block, whole bytes of which are in use; and its counts have 16 bits. */
	uint32_t most = (uint32_t)min_u64(s->block_size * UINT64_C(8), UINT16_MAX - 7);
	uint32_t first = s->block_size == 1024;
	uint64_t groups;
	int r = check_sizes(s, why);

	if (r < 0)
		return r;
	if (s->blocks_per_group == 0 || s->blocks_per_group > most || s->blocks_per_group % 8)
		return fail(why, -EBADMSG, "ext superblock claims %" PRIu32 " blocks a group",
			    s->blocks_per_group);
	if (s->inodes_per_group < s->block_size / s->inode_size || s->inodes_per_group > most ||
	    s->inodes_per_group % 8)
		return fail(why, -EBADMSG, "ext superblock claims %" PRIu32 " inodes a group",
			    s->inodes_per_group);
	if (s->first_data_block != first)
		return fail(why, -EBADMSG,
			    "ext superblock claims block %" PRIu32 " for the first, with blocks of %" PRIu32
			    " bytes",
			    s->first_data_block, s->block_size);
	if (s->blocks <= s->first_data_block)
		return fail(why, -EBADMSG, "ext superblock claims %" PRIu64 " blocks", s->blocks);
	groups = div_up(s->blocks - s->first_data_block, s->blocks_per_group);
	if (groups > UINT32_MAX || groups * s->inodes_per_group != s->inodes)
		return fail(why, -EBADMSG,
			    "ext superblock claims %" PRIu32 " inodes in %" PRIu64 " groups of %" PRIu32,
			    s->inodes, groups, s->inodes_per_group);
	/* One block lists the reserve. */
	if (s->reserved_gdt_blocks > s->block_size / 4)
		return fail(why, -EBADMSG, "ext superblock reserves %" PRIu32 " blocks for descriptors",
			    s->reserved_gdt_blocks);
	if (s->reserved_blocks > s->blocks)
		return fail(why, -EBADMSG, "ext superblock reserves %" PRIu64 " of %" PRIu64 " blocks",
			    s->reserved_blocks, s->blocks);
	return 0;
}

static uint16_t group_crc16(const struct ext_super *s, const uint8_t *number, const uint8_t *desc)
{
	const size_t at = offsetof(struct disk_ext_group, checksum), behind = at + 2;
	uint16_t crc = crc16(0xFFFF, s->uuid, sizeof(s->uuid));

	crc = crc16(crc, number, 4);
	crc = crc16(crc, desc, at);
	return crc16(crc, desc + behind, s->desc_size - behind);
}

uint16_t ext_group_checksum(const struct ext_super *s, uint32_t group, const void *desc)
{
	const size_t at = offsetof(struct disk_ext_group, checksum), behind = at + 2;
	const uint8_t *bytes = desc;
	uint8_t number[4];
	uint32_t crc;

	put_le32(number, group);
	if (!ext_has_csum(s))
		return group_crc16(s, number, bytes);
	crc = crc32c(s->checksum_seed, number, sizeof(number));
	crc = crc32c(crc, bytes, at);
	crc = crc32c(crc, "\0", 2);
	crc = crc32c(crc, bytes + behind, s->desc_size - behind);
	return (uint16_t)crc;
}

bool ext_inode_has_checksum_hi(const struct ext_super *s, const void *inode)
{
	const struct disk_ext_inode *disk = inode;

	/* extra_isize counts from behind the first 128 bytes; it must reach over checksum_hi. */
	return s->inode_size > EXT_INODE_SIZE_MIN && get_le16(disk->extra_isize) >= 4;
}

uint32_t ext_inode_checksum(const struct ext_super *s, uint32_t number, const void *inode)
{
	const struct disk_ext_inode *disk = inode;
	const size_t lo = offsetof(struct disk_ext_inode, checksum_lo),
		     hi = offsetof(struct disk_ext_inode, checksum_hi);
	const uint8_t *bytes = inode;
	uint8_t le[4];
	uint32_t crc;

	put_le32(le, number);
	crc = crc32c(s->checksum_seed, le, sizeof(le));
	crc = crc32c(crc, disk->generation, sizeof(disk->generation));
	crc = crc32c(crc, bytes, lo);
	crc = crc32c(crc, "\0", 2);
	if (!ext_inode_has_checksum_hi(s, inode))
		return crc32c(crc, bytes + lo + 2, s->inode_size - lo - 2);
	crc = crc32c(crc, bytes + lo + 2, hi - lo - 2);
	crc = crc32c(crc, "\0", 2);
	return crc32c(crc, bytes + hi + 2, s->inode_size - hi - 2);
}
