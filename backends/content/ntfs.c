/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boot sector says where the master file table is; its fourth record is that of
 * the file $Volume, one attribute of which is the label.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/content/facts.h"
#include "base/bytes.h"

struct disk_ntfs_boot { /* little-endian */
	uint8_t jump[3];
	char system[8]; /* "NTFS    " */
	uint8_t sector_size[2];
	uint8_t cluster_sectors; /* from 0xf4 on a power of two, negated */
	uint8_t unused[26];
	uint8_t sectors[8]; /* one less than there are: the last is the copy of this one */
	uint8_t mft[8];	    /* cluster */
	uint8_t mft_mirror[8];
	int8_t record_clusters; /* negative: a power of two, negated, of bytes */
	uint8_t unused2[7];
	uint8_t serial[8];
};
_Static_assert(sizeof(struct disk_ntfs_boot) == 80, "ntfs boot sector");

#define VOLUME_RECORD	3
#define VOLUME_NAME	0x60
#define ATTRIBUTES_END	UINT32_C(0xffffffff)
#define RECORD_MAX	4096
#define SEQUENCE_SECTOR 512

struct geometry {
	uint64_t sector, cluster, record; /* bytes */
};

/* False when they are none that Windows knows. */
static bool read_geometry(const struct disk_ntfs_boot *disk, struct geometry *ret)
{
	uint64_t sector = get_le16(disk->sector_size), sectors = disk->cluster_sectors;

	if (sectors > 0x80)
		sectors = UINT64_C(1) << min_u64(256 - sectors, 12);
	if (sector < 256 || sector > 4096 || (sector & (sector - 1)) || sectors == 0)
		return false;
	ret->sector = sector;
	ret->cluster = sector * sectors;
	ret->record = disk->record_clusters > 0 ? ret->cluster * (uint64_t)disk->record_clusters
						: UINT64_C(1) << min_u64(-disk->record_clusters, 30);
	return ret->record >= 512 && ret->record <= RECORD_MAX;
}

/* The last two bytes of each sector of a record stand elsewhere, their number in their place. */
static bool undo_sequence(uint8_t *record, uint64_t size)
{
	uint16_t at = get_le16(record + 4), n = get_le16(record + 6);

	if (n != size / SEQUENCE_SECTOR + 1 || !range_ok(at, n * 2, size))
		return false;
	for (unsigned i = 1; i < n; i++) {
		uint8_t *end = record + i * SEQUENCE_SECTOR - 2;

		if (memcmp(end, record + at, 2) != 0)
			return false;
		memcpy(end, record + at + 2 * i, 2);
	}
	return true;
}

static void find_name(const uint8_t *record, uint64_t size, struct content *c)
{
	uint64_t at = get_le16(record + 20), length;

	for (; range_ok(at, 24, size) && get_le32(record + at) != ATTRIBUTES_END; at += length) {
		const uint8_t *attribute = record + at;
		uint32_t count = get_le32(attribute + 16);
		uint16_t offset = get_le16(attribute + 20);

		length = get_le32(attribute + 4);
		if (length < 24 || !range_ok(at, length, size))
			return;
		/* Byte 8: it stands elsewhere. A name never does. */
		if (get_le32(attribute) != VOLUME_NAME || attribute[8])
			continue;
		if (range_ok(offset, count, length))
			content_set_label_utf16(c, attribute + offset, count / 2, /* big_endian= */ false);
		return;
	}
}

/* No label is better than none of the rest: what is damaged is passed over. */
static int read_label(struct image *container, const struct disk_ntfs_boot *disk, const struct geometry *g,
		      struct content *c, struct why *why)
{
	uint8_t record[RECORD_MAX];
	uint64_t at;
	int r;

	if (__builtin_mul_overflow(get_le64(disk->mft), g->cluster, &at) ||
	    __builtin_add_overflow(at, VOLUME_RECORD * g->record, &at) ||
	    !range_ok(at, g->record, container->size))
		return 0;
	r = image_pread(container, record, g->record, at, why);
	if (r == 0 && memcmp(record, "FILE", 4) == 0 && undo_sequence(record, g->record))
		find_name(record, g->record, c);
	return r;
}

static int ntfs_probe(struct image *container, struct content *ret, struct why *why)
{
	struct content c = { .ops = &ntfs_content };
	uint8_t sector[512];
	const struct disk_ntfs_boot *disk = (const void *)sector;
	struct geometry g;
	int r;

	if (container->size < sizeof(sector))
		return 1;
	r = image_pread(container, sector, sizeof(sector), 0, why);
	if (r < 0)
		return r;
	if (memcmp(disk->system, "NTFS    ", 8) != 0 || get_le16(sector + 510) != 0xaa55 ||
	    !read_geometry(disk, &g))
		return 1;
	content_set_size(&c, get_le64(disk->sectors) + 1, g.sector);
	(void)snprintf(c.uuid, sizeof(c.uuid), "%016" PRIX64, get_le64(disk->serial));
	r = read_label(container, disk, &g, &c, why);
	if (r == 0)
		*ret = c;
	return r;
}

const struct content_ops ntfs_content = {
	.name = "ntfs",
	.probe = ntfs_probe,
	.why_not = "growing ntfs is not built yet",
};
