/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exFAT. Its label is an entry of the root directory.
 */
#include <errno.h>
#include <stdio.h>

#include "backends/content/facts.h"
#include "backends/content/fat_root.h"
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

const struct content_ops exfat_content = {
	.name = "exfat",
	.probe = exfat_probe,
	.why_not = "exfat can't be grown offline",
};
