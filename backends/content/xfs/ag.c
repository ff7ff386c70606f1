/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/xfs/ag.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

#define AGF_CHECKSUM   offsetof(struct disk_xfs_agf, checksum)
#define AGI_CHECKSUM   offsetof(struct disk_xfs_agi, checksum)
#define BLOCK_CHECKSUM offsetof(struct disk_xfs_block, checksum)

static const char *const tree_names[] = {
	[XFS_BY_START] = "free space by start", [XFS_BY_SIZE] = "free space by size"
};
static const char *const magics[][2] = {
	[XFS_BY_START] = { "ABTB", "AB3B" }, [XFS_BY_SIZE] = { "ABTC", "AB3C" }
};

static int fail_header(const char *name, uint32_t ag, const char *what, struct why *why)
{
	return fail(why, -EBADMSG, "the %s of allocation group %" PRIu32 " of xfs %s", name, ag, what);
}

static int read_sector(struct image *img, const struct xfs_super *s, uint32_t ag, unsigned number,
		       uint8_t *sector, struct why *why)
{
	return image_pread(img, sector, s->sector_size,
			   xfs_ag_offset(s, ag) + (uint64_t)number * s->sector_size, why);
}

/* What both headers begin with, and the sums that version 5 has in different places. */
static int check_header(const struct xfs_super *s, uint32_t ag, const char *name, const uint8_t *sector,
			size_t uuid, size_t checksum, struct why *why)
{
	const struct disk_xfs_agf *disk = (const struct disk_xfs_agf *)sector;

	if (get_be32(disk->version) != 1 || get_be32(disk->ag) != ag)
		return fail_header(name, ag, "is damaged", why);
	if (xfs_has_csum(s) && get_le32(sector + checksum) != xfs_checksum(sector, s->sector_size, checksum))
		return fail_header(name, ag, "has a wrong checksum", why);
	if (xfs_has_csum(s) && memcmp(sector + uuid, s->meta_uuid, sizeof(s->meta_uuid)) != 0)
		return fail_header(name, ag, "belongs to another filesystem", why);
	if (get_be32(disk->length) != xfs_ag_length(s, ag))
		return fail_header(name, ag, "has another length than the superblock", why);
	return 0;
}

static bool agf_is_sane(const struct xfs_agf *f)
{
	for (int i = 0; i < 2; i++)
		if (f->roots[i] >= f->length || f->levels[i] == 0 || f->levels[i] > XFS_LEVELS_MAX)
			return false;
	return f->longest <= f->free_blocks && f->free_blocks < f->length;
}

int xfs_agf_read(struct image *img, const struct xfs_super *s, uint32_t ag, uint8_t *sector,
		 struct xfs_agf *ret, struct why *why)
{
	const struct disk_xfs_agf *disk = (const struct disk_xfs_agf *)sector;
	int r = read_sector(img, s, ag, XFS_AGF_SECTOR, sector, why);

	if (r < 0)
		return r;
	if (memcmp(disk->magic, "XAGF", 4) != 0)
		return fail_header("AGF", ag, "is not one", why);
	r = check_header(s, ag, "AGF", sector, offsetof(struct disk_xfs_agf, uuid), AGF_CHECKSUM, why);
	if (r < 0)
		return r;
	*ret = (struct xfs_agf){
		.length = get_be32(disk->length),
		.free_blocks = get_be32(disk->free_blocks),
		.longest = get_be32(disk->longest),
	};
	for (int i = 0; i < 2; i++) {
		ret->roots[i] = get_be32(disk->roots[i]);
		ret->levels[i] = get_be32(disk->levels[i]);
	}
	return agf_is_sane(ret) ? 0 : fail_header("AGF", ag, "is damaged", why);
}

int xfs_agi_read(struct image *img, const struct xfs_super *s, uint32_t ag, uint8_t *sector, struct why *why)
{
	int r = read_sector(img, s, ag, XFS_AGI_SECTOR, sector, why);

	if (r < 0)
		return r;
	if (memcmp(sector, "XAGI", 4) != 0)
		return fail_header("AGI", ag, "is not one", why);
	return check_header(s, ag, "AGI", sector, offsetof(struct disk_xfs_agi, uuid), AGI_CHECKSUM, why);
}

static void seal(const struct xfs_super *s, uint8_t *bytes, size_t size, size_t checksum)
{
	if (xfs_has_csum(s))
		put_le32(bytes + checksum, xfs_checksum(bytes, size, checksum));
}

void xfs_agf_seal(const struct xfs_super *s, uint8_t *sector)
{
	seal(s, sector, s->sector_size, AGF_CHECKSUM);
}

void xfs_agi_seal(const struct xfs_super *s, uint8_t *sector)
{
	seal(s, sector, s->sector_size, AGI_CHECKSUM);
}

void xfs_block_seal(const struct xfs_super *s, uint8_t *block)
{
	seal(s, block, s->block_size, BLOCK_CHECKSUM);
}

/* Blocks of trees. */

static uint32_t header_size(const struct xfs_super *s)
{
	return xfs_has_csum(s) ? sizeof(struct disk_xfs_block) : XFS_BLOCK_V4_SIZE;
}

uint32_t xfs_block_records(const uint8_t *block)
{
	return get_be16(((const struct disk_xfs_block *)block)->records);
}

uint32_t xfs_block_room(const struct xfs_super *s, unsigned level)
{
	return (s->block_size - header_size(s)) /
	       (uint32_t)(sizeof(struct disk_xfs_free) + (level ? sizeof(uint32_t) : 0));
}

struct disk_xfs_free *xfs_block_free(const struct xfs_super *s, uint8_t *block)
{
	return (struct disk_xfs_free *)(block + header_size(s));
}

uint8_t *xfs_block_pointers(const struct xfs_super *s, uint8_t *block)
{
	return (uint8_t *)(xfs_block_free(s, block) + xfs_block_room(s, 1));
}

static int fail_block(uint32_t ag, enum xfs_tree_kind kind, uint32_t at, const char *what, struct why *why)
{
	return fail(why, -EBADMSG, "block %" PRIu32 " of allocation group %" PRIu32 " of xfs, of its %s, %s",
		    at, ag, tree_names[kind], what);
}

int xfs_block_read(struct image *img, const struct xfs_super *s, uint32_t ag, enum xfs_tree_kind kind,
		   uint32_t at, unsigned level, uint8_t *block, struct why *why)
{
	const struct disk_xfs_block *disk = (const struct disk_xfs_block *)block;
	uint64_t offset = xfs_block_offset(s, ag, at);
	int r;

	if (at >= xfs_ag_length(s, ag))
		return fail_block(ag, kind, at, "is outside of the group", why);
	r = image_pread(img, block, s->block_size, offset, why);
	if (r < 0)
		return r;
	if (memcmp(disk->magic, magics[kind][xfs_has_csum(s)], 4) != 0)
		return fail_block(ag, kind, at, "is not one", why);
	if (xfs_has_csum(s) && get_le32(disk->checksum) != xfs_checksum(block, s->block_size, BLOCK_CHECKSUM))
		return fail_block(ag, kind, at, "has a wrong checksum", why);
	if (xfs_has_csum(s) && (get_be64(disk->sector) != offset / SECTOR || get_be32(disk->ag) != ag ||
				memcmp(disk->uuid, s->meta_uuid, sizeof(disk->uuid)) != 0))
		return fail_block(ag, kind, at, "belongs elsewhere", why);
	if (get_be16(disk->level) != level || get_be16(disk->records) > xfs_block_room(s, level))
		return fail_block(ag, kind, at, "is damaged", why);
	return 0;
}
