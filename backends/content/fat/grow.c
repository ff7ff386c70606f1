/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing FAT32. The tables stand in front of the clusters and have to get longer, so that
 * all clusters move up; as a map that is one segment:
 *
 *	reserved  table  table  clusters
 *	reserved  table 0000  table 0000  clusters 00000000000000
 *
 * A cluster keeps its number, and so every entry of a table and of a directory stays right.
 * What changes is the boot sector, how many clusters FSInfo says are free, and the copies
 * of both. The clusters move by a multiple of their size and of 64 KiB, so that what was
 * aligned in the image stays aligned.
 *
 * How many clusters a FAT has decides what kind it is, so FAT12 and FAT16 can't grow; not
 * even where they would stay what they are, for their few clusters are large already.
 */
#include "backends/content/fat/grow.h"

#include <errno.h>
#include <inttypes.h>

#include "backends/content/fat/disk.h"
#include "base/size.h"

#define SHIFT_ALIGNMENT (64 * KiB)

struct disk_fat_info {
	uint8_t magic[4]; /* "RRaA" */
	uint8_t zero[480];
	uint8_t magic2[4]; /* "rrAa" */
	uint8_t free[4];   /* clusters; all ones: not known */
	uint8_t next[4];
};
_Static_assert(sizeof(struct disk_fat_info) == 496, "FSInfo");

#define FREE_UNKNOWN UINT32_MAX

/* ---- how large ---- */

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* `f` with tables of this length, and as many clusters as they and `sectors` allow; 0 in it: no room for any. */
static struct fat with_tables(const struct fat *f, uint32_t table_sectors, uint64_t sectors)
{
	const uint64_t per_cluster = f->cluster / f->sector;
	const uint64_t entries = (uint64_t)table_sectors * f->sector / 4;
	struct fat g = *f;

	g.table_sectors = table_sectors;
	g.data = f->reserved + (uint64_t)f->n_tables * table_sectors;
	g.clusters = 0;
	if (g.data >= sectors)
		return g;
	g.clusters =
		(uint32_t)min_u64(min_u64((sectors - g.data) / per_cluster, entries - 2), FAT_CLUSTERS32_MAX);
	/* Everybody counts the clusters from this size, and then finds no entries for more. */
	g.sectors = sectors;
	if ((sectors - g.data) / per_cluster > g.clusters)
		g.sectors = g.data + g.clusters * per_cluster;
	return g;
}

/*
 * The most clusters that `size` bytes have room for: with the tables as they are, which
 * may be longer than needed, or with longer ones.
 */
static struct fat grown_geometry(const struct fat *f, uint64_t size)
{
	const uint64_t sectors = min_u64(size / f->sector, UINT32_MAX);
	/* All tables together grow by a multiple of the alignment. */
	const uint64_t alignment = max_u64(f->cluster, SHIFT_ALIGNMENT),
		       all = (uint64_t)f->n_tables * f->sector;
	const uint64_t step = alignment / greatest_common_divisor(alignment, all);
	const struct fat as_is = with_tables(f, f->table_sectors, sectors);
	uint64_t most = min_u64(sectors / (f->cluster / f->sector), FAT_CLUSTERS32_MAX);
	uint64_t room = (uint64_t)f->table_sectors * f->sector / 4 - 2, needed, low = 0, high;
	struct fat best = as_is;

	if (room >= most)
		return as_is;
	needed = div_up((most + 2) * 4, f->sector) - f->table_sectors;
	/* The fewest steps with which tables no longer limit what there is room for. */
	high = div_up(needed, step);
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		struct fat g = with_tables(f, (uint32_t)(f->table_sectors + middle * step), sectors);

		if (g.sectors < sectors && g.clusters < FAT_CLUSTERS32_MAX && g.clusters)
			low = middle;
		else
			high = middle;
	}
	/* One step less limits them, but may still leave room for more than the step takes. */
	for (uint64_t n = high - 1; n <= high; n++) {
		struct fat longer = with_tables(f, (uint32_t)(f->table_sectors + n * step), sectors);

		if (longer.clusters > best.clusters)
			best = longer;
	}
	return best;
}

/* ---- what must not be grown ---- */

static int check_growable(struct image *grown, const struct fat *f, const uint8_t boot[FAT_BOOT_SIZE],
			  struct why *why)
{
	const struct disk_fat_boot *disk = (const void *)boot;

	if (f->bits != 32)
		return fail(why, -EOPNOTSUPP,
			    "fat%u can't be grown: with more clusters it would have to become another kind",
			    f->bits);
	if (memcmp(disk->system, "SYSLINUX", 8) == 0)
		return fail(why, -EOPNOTSUPP,
			    "fat32 that boots by syslinux can't be grown: its boot sector has noted down where "
			    "the files are that would move");
	return fat_check_clean(grown, f, boot, why);
}

/* ---- painting ---- */

static void paint_boot(const struct fat *g, uint64_t at, struct map_draft *draft)
{
	uint8_t disk[4];

	put_le32(disk, (uint32_t)g->sectors);
	map_draft_bytes(draft, at + offsetof(struct disk_fat_boot, sectors32), disk, 4);
	map_draft_bytes(draft, at + offsetof(struct disk_fat_boot, sectors16), "\0", 2);
	put_le32(disk, g->table_sectors);
	map_draft_bytes(draft, at + offsetof(struct disk_fat_boot, table32), disk, 4);
}

/* An FSInfo at this sector counts `more` free clusters. One that claims more than there are doesn't know. */
static int paint_info(struct image *grown, const struct fat *old, uint32_t sector, uint32_t more,
		      struct map_draft *draft, struct why *why)
{
	const uint64_t at = (uint64_t)sector * old->sector;
	struct disk_fat_info disk;
	uint32_t n_free;
	int r = image_pread(grown, &disk, sizeof(disk), at, why);

	if (r < 0 || memcmp(disk.magic, "RRaA", 4) != 0 || memcmp(disk.magic2, "rrAa", 4) != 0)
		return r;
	n_free = get_le32(disk.free);
	put_le32(disk.free, n_free <= old->clusters ? n_free + more : FREE_UNKNOWN);
	map_draft_bytes(draft, at + offsetof(struct disk_fat_info, free), disk.free, 4);
	return 0;
}

static int paint_backup(struct image *grown, const struct fat *old, const struct fat *g,
			struct map_draft *draft, struct why *why)
{
	const uint64_t at = (uint64_t)old->backup * old->sector;
	uint8_t boot[FAT_BOOT_SIZE];
	int r;

	if (!old->backup)
		return 0;
	r = image_pread(grown, boot, sizeof(boot), at, why);
	if (r < 0 || get_le16(boot + FAT_SIGNATURE) != 0xaa55)
		return r;
	paint_boot(g, at, draft);
	/* The copy of the sectors that the boot sector begins has them in the same order. */
	if (!old->info || old->backup + old->info >= old->reserved)
		return 0;
	return paint_info(grown, old, old->backup + old->info, g->clusters - old->clusters, draft, why);
}

static void paint_moved(const struct fat *old, const struct fat *g, struct map_draft *draft)
{
	const uint64_t start = fat_table_at(old, 0), entries = ((uint64_t)old->clusters + 2) * 4;

	map_draft_zero(draft, start, map_draft_size(draft) - start);
	for (uint32_t i = 0; i < old->n_tables; i++)
		map_draft_below(draft, fat_table_at(g, i), entries, fat_table_at(old, i));
	map_draft_below(draft, fat_data_at(g), (uint64_t)old->clusters * old->cluster, fat_data_at(old));
}

static void describe_growth(const struct fat *old, const struct fat *g, struct text *describe)
{
	char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX], shift[SIZE_TEXT_MAX];

	if (!describe)
		return;
	text_add(describe, "fat32 grown from %s to %s, %" PRIu32 " to %" PRIu32 " clusters",
		 size_human(have, old->sectors * old->sector), size_human(want, g->sectors * g->sector),
		 old->clusters, g->clusters);
	if (g->data > old->data)
		text_add(describe, ", moved up by %s", size_human(shift, fat_data_at(g) - fat_data_at(old)));
}

int fat_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	     struct text *describe, struct why *why)
{
	uint8_t boot[FAT_BOOT_SIZE];
	struct fat old, g;
	int r = fat_read(grown, &old, boot, why);

	if (r == 0)
		r = check_growable(grown, &old, boot, why);
	if (r < 0)
		return r;
	g = grown_geometry(&old, grown->size);
	if (g.clusters <= old.clusters)
		return CONTENT_FITS;
	paint_moved(&old, &g, draft);
	paint_boot(&g, 0, draft);
	if (old.info)
		r = paint_info(grown, &old, old.info, g.clusters - old.clusters, draft, why);
	if (r == 0)
		r = paint_backup(grown, &old, &g, draft, why);
	if (r == 0)
		describe_growth(&old, &g, describe);
	return r;
}

/* ---- moving ---- */

/*
 * What stands before the partition, in sectors, if the boot sector at `at` says so: many
 * were made with a 0 there, or somewhere else.
 */
static void paint_hidden(const uint8_t boot[FAT_BOOT_SIZE], uint64_t at, uint64_t from, uint64_t to,
			 struct map_draft *draft)
{
	uint8_t disk_to[4];

	if (get_le32(boot + offsetof(struct disk_fat_boot, hidden)) != from)
		return;
	put_le32(disk_to, (uint32_t)to);
	map_draft_bytes(draft, at + offsetof(struct disk_fat_boot, hidden), disk_to, sizeof(disk_to));
}

int fat_move(struct image *container, const struct content *c, uint64_t from, uint64_t to,
	     struct map_draft *draft, struct why *why)
{
	uint8_t boot[FAT_BOOT_SIZE], backup[FAT_BOOT_SIZE];
	struct fat f;
	int r = fat_read(container, &f, boot, why);

	if (r < 0)
		return r;
	if (from % f.sector || from == 0 || get_le32(boot + offsetof(struct disk_fat_boot, hidden)) == 0)
		return 0;
	if (to % f.sector || to / f.sector > UINT32_MAX)
		return fail(why, -EOPNOTSUPP,
			    "fat%u can't be moved to byte %" PRIu64
			    ": it has 32 bits to say in which sector of %" PRIu32 " bytes it begins",
			    f.bits, to, f.sector);
	paint_hidden(boot, 0, from / f.sector, to / f.sector, draft);
	if (!f.backup)
		return 0;
	r = image_pread(container, backup, sizeof(backup), (uint64_t)f.backup * f.sector, why);
	if (r == 0 && get_le16(backup + FAT_SIGNATURE) == 0xaa55)
		paint_hidden(backup, (uint64_t)f.backup * f.sector, from / f.sector, to / f.sector, draft);
	return r;
}
