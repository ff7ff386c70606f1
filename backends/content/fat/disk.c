/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/fat/disk.h"

#include <errno.h>
#include <inttypes.h>

#include "base/size.h"

/* Linux marks the boot sector while it has the filesystem mounted. */
#define STATE_AT_16 37
#define STATE_AT_32 65
#define STATE_DIRTY 0x01

/* The second entry of the table has no cluster: two of its bits are set while all is well. */
#define CLEAN_16    0x8000
#define NO_ERROR_16 0x4000
#define CLEAN_32    UINT32_C(0x08000000)
#define NO_ERROR_32 UINT32_C(0x04000000)

static bool is_power_of_two(uint32_t n)
{
	return n && (n & (n - 1)) == 0;
}

/* The fields that the others are counted in. */
static int decode_units(const struct disk_fat_boot *disk, struct fat *f, struct why *why)
{
	f->sector = get_le16(disk->sector_size);
	if (!is_power_of_two(f->sector) || f->sector < 512 || f->sector > 4096)
		return fail(why, -EBADMSG, "the fat is damaged: its sectors would be of %" PRIu32 " bytes",
			    f->sector);
	if (!is_power_of_two(disk->cluster_sectors))
		return fail(why, -EBADMSG, "the fat is damaged: its clusters would be of %d sectors",
			    disk->cluster_sectors);
	f->cluster = disk->cluster_sectors * f->sector;
	f->reserved = get_le16(disk->reserved);
	f->n_tables = disk->n_tables;
	if (f->reserved == 0 || f->n_tables == 0)
		return fail(why, -EBADMSG,
			    "the fat is damaged: it would have %" PRIu32 " sectors before %" PRIu32 " tables",
			    f->reserved, f->n_tables);
	return 0;
}

/* A sector among the reserved ones, but not the first; 0 for anything else. */
static uint32_t reserved_sector(const struct fat *f, uint32_t sector)
{
	return sector < f->reserved ? sector : 0;
}

static int decode_fat32(const struct disk_fat_boot *disk, struct fat *f, struct why *why)
{
	f->bits = 32;
	f->table_sectors = get_le32(disk->table32);
	if (get_le16(disk->version))
		return fail(why, -EOPNOTSUPP, "fat32 of version %04x is not known", get_le16(disk->version));
	if (get_le16(disk->root_entries))
		return fail(why, -EBADMSG, "the fat is damaged: fat32 has no root directory of %d entries",
			    get_le16(disk->root_entries));
	f->info = reserved_sector(f, get_le16(disk->info));
	f->backup = reserved_sector(f, get_le16(disk->backup));
	if (disk->flags[0] & FAT_ACTIVE_ALONE)
		f->active = disk->flags[0] & 0x0f;
	if (f->active >= f->n_tables)
		return fail(why, -EBADMSG,
			    "the fat is damaged: table %" PRIu32 " of %" PRIu32 " would be the one that counts",
			    f->active, f->n_tables);
	return 0;
}

/* How many bytes the entries take, those of clusters 0 and 1 included. */
static uint64_t entries_size(const struct fat *f)
{
	return div_up(((uint64_t)f->clusters + 2) * f->bits, 8);
}

static int decode_clusters(const struct disk_fat_boot *disk, struct fat *f, struct why *why)
{
	uint64_t root = div_up(get_le16(disk->root_entries) * UINT64_C(32), f->sector), clusters;

	f->sectors = get_le16(disk->sectors16) ?: get_le32(disk->sectors32);
	f->data = f->reserved + (uint64_t)f->n_tables * f->table_sectors + root;
	if (f->data >= f->sectors)
		return fail(why, -EBADMSG,
			    "the fat is damaged: its clusters would begin at sector %" PRIu64 " of %" PRIu64,
			    f->data, f->sectors);
	clusters = (f->sectors - f->data) / (f->cluster / f->sector);
	/* The same rule as Linux has: small ones of 32 bits do exist. */
	if (f->bits != 32)
		f->bits = clusters <= FAT_CLUSTERS12_MAX ? 12 : 16;
	if (clusters == 0 || clusters > (f->bits == 32 ? FAT_CLUSTERS32_MAX : FAT_CLUSTERS16_MAX))
		return fail(why, -EBADMSG, "the fat is damaged: it would have %" PRIu64 " clusters", clusters);
	f->clusters = (uint32_t)clusters;
	if (entries_size(f) > (uint64_t)f->table_sectors * f->sector)
		return fail(why, -EBADMSG,
			    "the fat is damaged: its tables of %" PRIu32 " sectors are too short for %" PRIu32
			    " clusters",
			    f->table_sectors, f->clusters);
	return 0;
}

int fat_read(struct image *container, struct fat *ret, uint8_t ret_boot[FAT_BOOT_SIZE], struct why *why)
{
	const struct disk_fat_boot *disk = (const void *)ret_boot;
	char size_text[SIZE_TEXT_MAX], there_text[SIZE_TEXT_MAX];
	struct fat f = { 0 };
	int r;

	if (container->size < FAT_BOOT_SIZE)
		return fail(why, -EBADMSG, "truncated image: there is no boot sector");
	r = image_pread(container, ret_boot, FAT_BOOT_SIZE, 0, why);
	if (r == 0)
		r = decode_units(disk, &f, why);
	if (r < 0)
		return r;
	f.table_sectors = get_le16(disk->table16);
	if (f.table_sectors == 0)
		r = decode_fat32(disk, &f, why);
	if (r == 0)
		r = decode_clusters(disk, &f, why);
	if (r < 0)
		return r;
	if (f.sectors > container->size / f.sector)
		return fail(why, -EBADMSG, "truncated image: the fat is of %s, but only %s are there",
			    size_human(size_text, f.sectors * f.sector),
			    size_human(there_text, container->size));
	*ret = f;
	return 0;
}

static int refuse_dirty(const struct fat *f, const char *what, struct why *why)
{
	return fail(why, -EOPNOTSUPP, "fat%u is not clean: %s; run fsck.vfat", f->bits, what);
}

int fat_check_clean(struct image *container, const struct fat *f, const uint8_t boot[FAT_BOOT_SIZE],
		    struct why *why)
{
	uint8_t disk_entries[8];
	bool is_clean, is_sound;
	int r;

	if (boot[f->bits == 32 ? STATE_AT_32 : STATE_AT_16] & STATE_DIRTY)
		return refuse_dirty(f, "it was not unmounted", why);
	if (f->bits == 12)
		return 0; /* its entries have no room for those bits */
	r = image_pread(container, disk_entries, sizeof(disk_entries), fat_table_at(f, f->active), why);
	if (r < 0)
		return r;
	if (f->bits == 32) {
		is_clean = get_le32(disk_entries + 4) & CLEAN_32;
		is_sound = get_le32(disk_entries + 4) & NO_ERROR_32;
	} else {
		is_clean = get_le16(disk_entries + 2) & CLEAN_16;
		is_sound = get_le16(disk_entries + 2) & NO_ERROR_16;
	}
	if (!is_clean)
		return refuse_dirty(f, "it was not unmounted", why);
	return is_sound ? 0 : refuse_dirty(f, "errors were found in it", why);
}
