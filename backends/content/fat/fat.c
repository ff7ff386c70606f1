/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAT12, FAT16 and FAT32. The label that counts is the one in the root directory:
 * nobody keeps the boot sector's up to date.
 */
#include <errno.h>
#include <stdio.h>

#include "backends/content/facts.h"
#include "backends/content/fat/disk.h"
#include "backends/content/fat/grow.h"
#include "backends/content/fat/root.h"
#include "backends/content/fat/used.h"

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
	.grow = fat_grow,
	.only_named = true,
	.unused = fat_unused,
	.move = fat_move,
};
