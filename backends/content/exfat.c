/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exFAT. Its label is an entry of the root directory. The boot sector says where the partition
 * begins, and a checksum of its region, that twelve sectors and their copy make, covers it:
 *
 *	0	boot sector
 *	1..10	what else a loader needs
 *	11	the checksum of those eleven, over and over
 *	12..23	the same again
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/content/facts.h"
#include "backends/content/fat/root.h"
#include "base/bytes.h"

struct disk_exfat_boot { /* little-endian */
	uint8_t jump[3];
	char system[8]; /* "EXFAT   " */
	uint8_t zero[53];
	uint8_t partition_offset[8];
	uint8_t sectors[8];
	uint8_t fat_sector[4];
	uint8_t fat_sectors[4];
	uint8_t heap_sector[4];
	uint8_t clusters[4];
	uint8_t root_cluster[4];
	uint8_t serial[4];
	uint8_t revision[2];
	uint8_t flags[2];
	uint8_t sector_shift;
	uint8_t cluster_shift;
};
_Static_assert(sizeof(struct disk_exfat_boot) == 110, "exfat boot sector");

#define EXFAT_LABEL	0x83 /* its length in units, then UTF-16 */
#define EXFAT_LABEL_MAX 11

static bool is_exfat_label(const uint8_t entry[FAT_ENTRY])
{
	return entry[0] == EXFAT_LABEL;
}

static int read_exfat_label(struct image *container, const struct disk_exfat_boot *disk, struct content *c,
			    struct why *why)
{
	struct fat_root root = {
		.fat_at = (uint64_t)get_le32(disk->fat_sector) << disk->sector_shift,
		.heap_at = (uint64_t)get_le32(disk->heap_sector) << disk->sector_shift,
		.cluster_size = UINT64_C(1) << (disk->sector_shift + disk->cluster_shift),
		.first = get_le32(disk->root_cluster),
		.mask = UINT32_MAX,
	};
	uint8_t entry[FAT_ENTRY];
	int r = fat_root_find(container, &root, is_exfat_label, entry, why);

	if (r == 0)
		content_set_label_utf16(c, entry + 2, min_u64(entry[1], EXFAT_LABEL_MAX),
					/* big_endian= */ false);
	return r < 0 ? r : 0;
}

static int exfat_probe(struct image *container, struct content *ret, struct why *why)
{
	struct content c = { .ops = &exfat_content };
	struct disk_exfat_boot disk;
	int r;

	if (container->size < 512)
		return 1;
	r = image_pread(container, &disk, sizeof(disk), 0, why);
	if (r < 0)
		return r;
	/* Sectors of 512 to 4096 bytes, clusters up to 32 MiB: the specification, 3.1.14 and 3.1.15. */
	if (memcmp(disk.system, "EXFAT   ", 8) != 0 || disk.sector_shift < 9 || disk.sector_shift > 12 ||
	    disk.cluster_shift > 25 - disk.sector_shift)
		return 1;
	content_set_size(&c, get_le64(disk.sectors), UINT64_C(1) << disk.sector_shift);
	(void)snprintf(c.uuid, sizeof(c.uuid), "%04X-%04X", get_le16(disk.serial + 2), get_le16(disk.serial));
	r = read_exfat_label(container, &disk, &c, why);
	if (r == 0)
		*ret = c;
	return r;
}

#define REGION_SECTORS 11
#define FLAGS_AT       106 /* these two fields change in use, and are not summed up */
#define PERCENT_AT     112

/* The specification, 3.4. */
static uint32_t region_checksum(const uint8_t *region, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		if (i != FLAGS_AT && i != FLAGS_AT + 1 && i != PERCENT_AT)
			sum = (sum << 31 | sum >> 1) + region[i];
	return sum;
}

/* Paints the region that begins at byte `at`, and its checksum, if it says that the partition begins at `from`. */
static int move_region(struct image *container, uint64_t at, uint32_t sector, uint64_t from, uint64_t to,
		       struct map_draft *draft, struct why *why)
{
	const size_t size = (size_t)REGION_SECTORS * sector;
	_cleanup_free_ uint8_t *region = malloc(size + sector);
	struct disk_exfat_boot *disk = (struct disk_exfat_boot *)region;
	uint32_t sum;
	int r;

	if (!region)
		return -ENOMEM;
	if (!range_ok(at, size + sector, container->size))
		return fail(why, -EBADMSG, "truncated image: the boot region of the exfat is not all there");
	r = image_pread(container, region, size + sector, at, why);
	if (r < 0)
		return r;
	if (region_checksum(region, size) != get_le32(region + size))
		return fail(why, -EBADMSG,
			    "the exfat is damaged: the boot region at byte %" PRIu64
			    " should have checksum %08" PRIx32 ", but has %08" PRIx32,
			    at, get_le32(region + size), region_checksum(region, size));
	if (get_le64(disk->partition_offset) != from)
		return 0;
	put_le64(disk->partition_offset, to);
	sum = region_checksum(region, size);
	for (uint32_t i = 0; i < sector; i += 4)
		put_le32(region + size + i, sum);
	map_draft_bytes(draft, at + offsetof(struct disk_exfat_boot, partition_offset), disk->partition_offset,
			sizeof(disk->partition_offset));
	map_draft_bytes(draft, at + size, region + size, sector);
	return 0;
}

/* An offset of 0 is one that nobody heeds. */
static int exfat_move(struct image *container, const struct content *c, uint64_t from, uint64_t to,
		      struct map_draft *draft, struct why *why)
{
	struct disk_exfat_boot disk;
	uint32_t sector;
	int r = image_pread(container, &disk, sizeof(disk), 0, why);

	if (r < 0)
		return r;
	if (disk.sector_shift < 9 || disk.sector_shift > 12)
		return fail(why, -EBADMSG, "the exfat is damaged: its sectors would be of 2^%d bytes",
			    disk.sector_shift);
	sector = UINT32_C(1) << disk.sector_shift;
	if (get_le64(disk.partition_offset) == 0 || from % sector)
		return 0;
	if (to % sector)
		return fail(why, -EOPNOTSUPP,
			    "exfat can't be moved to byte %" PRIu64 ", which is not where one of its sectors "
			    "of %" PRIu32 " bytes begins",
			    to, sector);
	r = move_region(container, 0, sector, from / sector, to / sector, draft, why);
	return r < 0 ? r
		     : move_region(container, (uint64_t)(REGION_SECTORS + 1) * sector, sector, from / sector,
				   to / sector, draft, why);
}

const struct content_ops exfat_content = {
	.name = "exfat",
	.probe = exfat_probe,
	.why_not = "exfat can't be grown offline",
	.move = exfat_move,
};
