/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/xfs/super.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc.h"

uint32_t xfs_checksum(const void *bytes, size_t size, size_t at)
{
	uint32_t crc = crc32c(~UINT32_C(0), bytes, at);

	crc = crc32c(crc, "\0\0\0", 4);
	return ~crc32c(crc, (const uint8_t *)bytes + at + 4, size - at - 4);
}

static bool is_power_of_2(uint32_t n, unsigned log)
{
	return log < 32 && n == UINT32_C(1) << log;
}

/* The sector it stands in, as far as it goes, is covered by the checksum. */
static int check_sum(struct image *container, const struct disk_xfs_super *disk, struct why *why)
{
	uint32_t size = get_be16(disk->sector_size);
	_cleanup_free_ uint8_t *sector = NULL;
	int r;

	if (container->size < size)
		return fail(why, -EBADMSG, "xfs superblock claims sectors of %" PRIu32 " bytes", size);
	sector = malloc(size);
	if (!sector)
		return -ENOMEM;
	memcpy(sector, disk, sizeof(*disk));
	r = image_pread(container, sector + sizeof(*disk), size - sizeof(*disk), sizeof(*disk), why);
	if (r < 0)
		return r;
	if (get_le32(disk->checksum) != xfs_checksum(sector, size, offsetof(struct disk_xfs_super, checksum)))
		return fail(why, -EBADMSG, "xfs superblock has a wrong checksum");
	return 0;
}

static void decode(const struct disk_xfs_super *disk, struct xfs_super *s)
{
	*s = (struct xfs_super){
		.version = get_be16(disk->version) & XFS_VERSION_MASK,
		.block_size = get_be32(disk->block_size),
		.sector_size = get_be16(disk->sector_size),
		.blocks = get_be64(disk->blocks),
		.free_blocks = get_be64(disk->free_blocks),
		.realtime_blocks = get_be64(disk->realtime_blocks),
		.ags = get_be32(disk->ags),
		.ag_blocks = get_be32(disk->ag_blocks),
		.ag_blocks_log = disk->ag_blocks_log,
		.log_start = get_be64(disk->log_start),
		.log_blocks = get_be32(disk->log_blocks),
		.log_unit = get_be32(disk->log_unit),
		.log_v2 = get_be16(disk->version) & XFS_VERSION_LOGV2,
		.in_progress = disk->in_progress,
	};
	memcpy(s->uuid, disk->uuid, sizeof(s->uuid));
	memcpy(s->meta_uuid, disk->uuid, sizeof(s->meta_uuid));
	memcpy(s->label, disk->label, sizeof(s->label));
	if (!xfs_has_csum(s))
		return;
	s->ro_compat = get_be32(disk->ro_compat);
	s->incompat = get_be32(disk->incompat);
	s->log_incompat = get_be32(disk->log_incompat);
	if (s->incompat & XFS_INCOMPAT_META_UUID)
		memcpy(s->meta_uuid, disk->meta_uuid, sizeof(s->meta_uuid));
}

int xfs_super_read(struct image *container, struct disk_xfs_super *ret_disk, struct xfs_super *ret,
		   struct why *why)
{
	struct disk_xfs_super disk;
	uint64_t size;
	int r;

	if (container->size < SECTOR)
		return 1;
	r = image_pread(container, &disk, sizeof(disk), 0, why);
	if (r < 0)
		return r;
	if (memcmp(disk.magic, "XFSB", 4) != 0)
		return 1;
	decode(&disk, ret);
	if (ret->block_size < 512 || ret->block_size > XFS_BLOCK_SIZE_MAX ||
	    !is_power_of_2(ret->block_size, disk.block_log))
		return fail(why, -EBADMSG, "xfs superblock claims blocks of %" PRIu32 " bytes",
			    ret->block_size);
	if (ret->sector_size < 512 || ret->sector_size > XFS_SECTOR_SIZE_MAX ||
	    !is_power_of_2(ret->sector_size, disk.sector_log))
		return fail(why, -EBADMSG, "xfs superblock claims sectors of %" PRIu32 " bytes",
			    ret->sector_size);
	if (xfs_has_csum(ret)) {
		r = check_sum(container, &disk, why);
		if (r < 0)
			return r;
	}
	if (__builtin_mul_overflow(ret->blocks, ret->block_size, &size) || size > INT64_MAX)
		return fail(why, -EBADMSG, "xfs superblock claims %" PRIu64 " blocks", ret->blocks);
	if (ret_disk)
		*ret_disk = disk;
	return 0;
}

/* What must not be touched. */

static int check_features(const struct xfs_super *s, struct why *why)
{
	const uint32_t known_ro = XFS_RO_FINOBT | XFS_RO_RMAPBT | XFS_RO_REFLINK | XFS_RO_INOBTCOUNT;
	const uint32_t known_incompat = XFS_INCOMPAT_FTYPE | XFS_INCOMPAT_SPINODES | XFS_INCOMPAT_META_UUID |
					XFS_INCOMPAT_BIGTIME | XFS_INCOMPAT_NREXT64 | XFS_INCOMPAT_EXCHRANGE |
					XFS_INCOMPAT_PARENT;

	if (s->version != 4 && s->version != 5)
		return fail(why, -EOPNOTSUPP, "this xfs is of version %u, and only 4 and 5 are known here",
			    s->version);
	if (s->in_progress)
		return fail(why, -EBADMSG, "this xfs was never finished: its mkfs was interrupted");
	if (s->incompat & XFS_INCOMPAT_NEEDSREPAIR)
		return fail(why, -EOPNOTSUPP, "this xfs is marked as in need of repair; run xfs_repair");
	if ((s->incompat & ~known_incompat) || (s->ro_compat & ~known_ro))
		return fail(why, -EOPNOTSUPP,
			    "xfs has features that are not known here (incompat 0x%" PRIx32
			    ", ro_compat 0x%" PRIx32 ")",
			    s->incompat & ~known_incompat, s->ro_compat & ~known_ro);
	if (s->log_incompat & ~(uint32_t)XFS_LOG_INCOMPAT_XATTRS)
		return fail(why, -EOPNOTSUPP,
			    "the log of this xfs has features that are not known here (0x%" PRIx32 ")",
			    s->log_incompat & ~(uint32_t)XFS_LOG_INCOMPAT_XATTRS);
	if (s->realtime_blocks)
		return fail(why, -EOPNOTSUPP, "this xfs keeps a part of its files on a second, realtime disk");
	if (s->log_start == 0)
		return fail(why, -EOPNOTSUPP,
			    "this xfs has its log on another disk, so that nobody can tell if it is clean");
	return 0;
}

static int check_ags(const struct xfs_super *s, struct why *why)
{
	uint64_t ag_blocks = s->ag_blocks;

	if (s->sector_size > s->block_size)
		return fail(why, -EBADMSG,
			    "xfs superblock claims sectors of %" PRIu32 " bytes in blocks of %" PRIu32,
			    s->sector_size, s->block_size);
	/* An AG is 1 TiB at most (XFS_AG_MAX_BYTES). */
	if (ag_blocks < XFS_AG_BLOCKS_MIN || ag_blocks > TiB / s->block_size || s->ag_blocks_log > 31 ||
	    ag_blocks > UINT64_C(1) << s->ag_blocks_log || ag_blocks <= UINT64_C(1) << s->ag_blocks_log >> 1)
		return fail(why, -EBADMSG,
			    "xfs superblock claims %" PRIu32 " blocks an allocation group, 2^%u rounded up",
			    s->ag_blocks, s->ag_blocks_log);
	if (s->ags == 0 || s->blocks > s->ags * ag_blocks ||
	    s->blocks < (s->ags - 1) * ag_blocks + XFS_AG_BLOCKS_MIN)
		return fail(why, -EBADMSG,
			    "xfs superblock claims %" PRIu64 " blocks in %" PRIu32 " groups of %" PRIu32,
			    s->blocks, s->ags, s->ag_blocks);
	if (s->free_blocks > s->blocks)
		return fail(why, -EBADMSG, "xfs superblock claims %" PRIu64 " free blocks of %" PRIu64,
			    s->free_blocks, s->blocks);
	return 0;
}

static int check_log_place(const struct xfs_super *s, struct why *why)
{
	uint64_t ag = s->log_start >> s->ag_blocks_log;
	uint64_t block = s->log_start & ((UINT64_C(1) << s->ag_blocks_log) - 1);

	if (ag >= s->ags || s->log_blocks == 0 ||
	    !range_ok(block, s->log_blocks, xfs_ag_length(s, (uint32_t)ag)))
		return fail(why, -EBADMSG,
			    "xfs superblock claims a log of %" PRIu32 " blocks at block %" PRIu64
			    " of group %" PRIu64,
			    s->log_blocks, block, ag);
	return 0;
}

int xfs_super_check(const struct xfs_super *s, struct why *why)
{
	int r = check_features(s, why);

	if (r == 0)
		r = check_ags(s, why);
	return r ?: check_log_place(s, why);
}

/* Places. */

uint32_t xfs_ag_length(const struct xfs_super *s, uint32_t ag)
{
	return (uint32_t)min_u64(s->ag_blocks, s->blocks - (uint64_t)ag * s->ag_blocks);
}

uint64_t xfs_ag_offset(const struct xfs_super *s, uint32_t ag)
{
	return (uint64_t)ag * s->ag_blocks * s->block_size;
}

uint64_t xfs_block_offset(const struct xfs_super *s, uint32_t ag, uint32_t block)
{
	return xfs_ag_offset(s, ag) + (uint64_t)block * s->block_size;
}

struct xfs_roots xfs_new_roots(const struct xfs_super *s)
{
	struct xfs_roots roots = { 0 };
	uint32_t next = 3 * s->sector_size / s->block_size + 1; /* behind the AGFL, the fourth sector */

	roots.by_start = next++;
	roots.by_size = next++;
	roots.inodes = next++;
	if (s->ro_compat & XFS_RO_FINOBT)
		roots.free_inodes = next++;
	if (s->ro_compat & XFS_RO_RMAPBT)
		roots.rmap = next++;
	if (s->ro_compat & XFS_RO_REFLINK)
		roots.refcount = next++;
	roots.end = next;
	return roots;
}
