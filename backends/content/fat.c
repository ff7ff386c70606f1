/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAT12, FAT16, FAT32 and exFAT. The label that counts is the one in the root
 * directory: nobody keeps the boot sector's up to date.
 */
#include <errno.h>
#include <stdio.h>

#include "backends/content/facts.h"
#include "backends/content/fat_root.h"
#include "base/bytes.h"

/* ---- FAT ---- */

struct disk_fat_boot { /* little-endian */
	uint8_t jump[3];
	char system[8];
	uint8_t sector_size[2];
	uint8_t cluster_sectors;
	uint8_t reserved[2]; /* sectors before the first table */
	uint8_t n_tables;
	uint8_t root_entries[2]; /* 0 in FAT32 */
	uint8_t sectors16[2];
	uint8_t media;
	uint8_t table16[2]; /* sectors */
	uint8_t geometry[8];
	uint8_t sectors32[4];
	/* What follows is FAT32's. */
	uint8_t table32[4];
	uint8_t flags[4];
	uint8_t root_cluster[4];
};
_Static_assert(sizeof(struct disk_fat_boot) == 48, "fat boot sector");

#define ATTRIBUTES   11
#define VOLUME	     0x08
#define DIRECTORY    0x10
#define LONG_NAME    0x0f
#define DELETED	     0xe5
#define CLUSTER_BITS 28

/* A label is an entry for no file: it has no clusters. */
static bool is_label(const uint8_t entry[FAT_ENTRY])
{
	return entry[0] != DELETED && (entry[ATTRIBUTES] & 0x3f) != LONG_NAME &&
	       (entry[ATTRIBUTES] & (VOLUME | DIRECTORY)) == VOLUME && get_le16(entry + 20) == 0 &&
	       get_le16(entry + 26) == 0;
}

static int read_label(struct image *container, const struct disk_fat_boot *disk, bool is_32, struct content *c,
		      struct why *why)
{
	uint64_t sector = get_le16(disk->sector_size), reserved = get_le16(disk->reserved) * sector;
	uint64_t table = is_32 ? get_le32(disk->table32) : get_le16(disk->table16);
	uint64_t behind = reserved + disk->n_tables * table * sector;
	struct fat_root root = { 0 };
	uint8_t entry[FAT_ENTRY];
	int r;

	if (is_32)
		root = (struct fat_root){
			.fat_at = reserved,
			.heap_at = behind,
			.cluster_size = disk->cluster_sectors * sector,
			.first = get_le32(disk->root_cluster),
			.mask = (UINT32_C(1) << CLUSTER_BITS) - 1,
		};
	else
		root = (struct fat_root){ .at = behind, .length = get_le16(disk->root_entries) * UINT64_C(32) };
	if (is_32 ? root.cluster_size < FAT_ENTRY : root.length == 0)
		return 0;
	r = fat_root_find(container, &root, is_label, entry, why);
	if (r == 0 && memcmp(entry, "NO NAME    ", 11) != 0)
		content_set_label(c, entry, 11);
	return r < 0 ? r : 0;
}

static bool is_fat(const uint8_t sector[512])
{
	return get_le16(sector + 510) == 0xaa55 && (sector[0] == 0xeb || sector[0] == 0xe9);
}

static int fat_probe(struct image *container, struct content *ret, struct why *why)
{
	struct content c = { .ops = &fat_content };
	uint8_t sector[512];
	const struct disk_fat_boot *disk = (const void *)sector;
	const uint8_t *serial;
	bool is_32;
	int r;

	if (container->size < sizeof(sector))
		return 1;
	r = image_pread(container, sector, sizeof(sector), 0, why);
	if (r < 0)
		return r;
	is_32 = memcmp(sector + 82, "FAT32   ", 8) == 0;
	if (!is_fat(sector) || (!is_32 && memcmp(sector + 54, "FAT", 3) != 0))
		return 1;
	content_set_size(&c, get_le16(disk->sectors16) ?: get_le32(disk->sectors32),
			 get_le16(disk->sector_size));
	serial = sector + (is_32 ? 67 : 39);
	(void)snprintf(c.uuid, sizeof(c.uuid), "%04X-%04X", get_le16(serial + 2), get_le16(serial));
	r = read_label(container, disk, is_32, &c, why);
	if (r == 0)
		*ret = c;
	return r;
}

const struct content_ops fat_content = {
	.name = "fat",
	.type = "vfat",
	.probe = fat_probe,
	.why_not = "growing fat is not built yet",
	.only_named = true,
};

/* ---- exFAT ---- */

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

const struct content_ops exfat_content = {
	.name = "exfat",
	.probe = exfat_probe,
	.why_not = "exfat can't be grown offline",
};
