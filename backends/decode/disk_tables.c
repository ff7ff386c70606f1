/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/disk_tables.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/patience.h"

/* Tables are read in pieces of that size. */
#define PIECE (64 * KiB)

/* So many tables are listed at most: QEMU's own limit for qcow2 (QCOW_MAX_L1_SIZE), and far beyond any real disk. */
#define LISTED_MAX (32 * MiB / 8)

/* A table, and where the data that its entries stand for ends. */
struct table {
	uint64_t at; /* in the file */
	uint64_t n;  /* entries */
	unsigned width;
	/* The end of an entry's data, 0 for one that has none, UINT64_MAX for one that can't be. */
	uint64_t (*end)(const struct table *t, const uint8_t *entry, uint64_t index);
	/* For that, as the format has them. */
	uint64_t base, unit, block, every;
	unsigned bits;	/* of a cluster's size */
	uint64_t guest; /* where its first entry is in the disk, and where that ends */
	uint64_t virtual_size;
};

static int fail_short(const struct image *img, uint64_t end, struct why *why)
{
	return fail(why, -EBADMSG, "it is not all there: it has %" PRIu64 " bytes, and data up to %" PRIu64,
		    img->size, end);
}

static int fail_table(struct why *why)
{
	return fail(why, -EBADMSG, "the table of its data lies outside");
}

/* Adds up to where it ends; UINT64_MAX when that is nowhere. */
static uint64_t end_of(uint64_t start, uint64_t times, uint64_t unit, uint64_t length)
{
	uint64_t end;

	if (__builtin_mul_overflow(times, unit, &end) || __builtin_add_overflow(end, start, &end) ||
	    __builtin_add_overflow(end, length, &end))
		return UINT64_MAX;
	return end;
}

static int check_table(struct image *img, const struct table *t, struct why *why)
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE);
	const uint64_t per_piece = PIECE / t->width;

	if (!buf)
		return -ENOMEM;
	if (t->n > img->size / t->width || !range_ok(t->at, t->n * t->width, img->size))
		return fail_table(why);
	for (uint64_t i = 0; i < t->n; i += per_piece) {
		const uint64_t n = min_u64(per_piece, t->n - i);
		int r = patience_lost() ? fail(why, -EINTR, "given up looking through the table of its data")
					: image_pread(img, buf, n * t->width, t->at + i * t->width, why);

		for (uint64_t k = 0; r == 0 && k < n; k++) {
			const uint64_t end = t->end(t, buf + k * t->width, i + k);

			if (end > img->size)
				r = fail_short(img, end, why);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* The list of so many tables, `width` bytes for each. */
static int check_list(const struct image *img, uint64_t at, uint64_t n, unsigned width, struct why *why)
{
	if (n > img->size / width || !range_ok(at, n * width, img->size))
		return fail_table(why);
	return n > LISTED_MAX ? fail(why, -EOPNOTSUPP,
				     "it has more than %" PRIu64 " tables of where its data are", LISTED_MAX)
			      : 0;
}

/*
 * One of those. Each stands somewhere else, so that all of them have room in the file (`left` of it is not taken
 * yet): or else a file of some MiB could have us look at a table a million times.
 */
static int check_listed(struct image *img, const struct table *t, uint64_t *left, struct why *why)
{
	const uint64_t bytes = t->n * t->width;

	if (bytes > *left)
		return fail(why, -EBADMSG, "the tables of its data lie over each other");
	*left -= bytes;
	return check_table(img, t, why);
}

/* ---- vdi: block/vdi.c ---- */

/* The last two numbers stand for blocks that are not there. */
static uint64_t vdi_end(const struct table *t, const uint8_t *entry, uint64_t index)
{
	const uint32_t block = get_le32(entry);

	return block >= 0xfffffffe ? 0 : end_of(t->base, block, t->block, t->block);
}

static int check_vdi(struct image *img, struct why *why)
{
	struct table t = { .width = 4, .end = vdi_end };
	uint8_t h[456];
	int r = image_pread(img, h, sizeof(h), 0, why);

	t.at = get_le32(h + 340);
	t.base = get_le32(h + 344);
	t.block = get_le32(h + 376);
	t.n = get_le32(h + 384);
	return r < 0 ? r : check_table(img, &t, why);
}

/* ---- vhd: a bitmap, of whole sectors, before each block ---- */

static uint64_t vhd_end(const struct table *t, const uint8_t *entry, uint64_t index)
{
	const uint32_t sector = get_be32(entry);

	return sector == UINT32_MAX ? 0 : end_of(t->base, sector, SECTOR, t->block);
}

static int check_vhd(struct image *img, struct why *why)
{
	struct table t = { .width = 4, .end = vhd_end };
	uint8_t f[512], h[512];
	uint64_t at;
	int r = image_pread(img, f, sizeof(f), 0, why);

	/* A fixed one is all there when its end is. */
	if (r < 0 || memcmp(f, "conectix", 8) != 0 || get_be32(f + 60) != 3)
		return r;
	at = get_be64(f + 16);
	if (!range_ok(at, sizeof(h), img->size))
		return fail_table(why);
	r = image_pread(img, h, sizeof(h), at, why);
	if (r < 0)
		return r;
	t.at = get_be64(h + 16);
	t.n = get_be32(h + 28);
	t.block = get_be32(h + 32);
	t.base = align_up(div_up(t.block / SECTOR, 8), SECTOR);
	return check_table(img, &t, why);
}

/* ---- parallels: block/parallels.c ---- */

static uint64_t parallels_end(const struct table *t, const uint8_t *entry, uint64_t index)
{
	const uint32_t n = get_le32(entry);

	return n == 0 ? 0 : end_of(0, n, t->unit, t->block);
}

static int check_parallels(struct image *img, struct why *why)
{
	struct table t = { .at = 64, .width = 4, .end = parallels_end };
	uint8_t h[64];
	int r = image_pread(img, h, sizeof(h), 0, why);

	t.n = get_le32(h + 32);
	t.block = get_le32(h + 28) * SECTOR;
	/* The later kind counts in clusters. */
	t.unit = memcmp(h, "WithouFreSpacExt", 16) == 0 ? t.block : SECTOR;
	return r < 0 ? r : check_table(img, &t, why);
}

/* ---- vmdk ---- */

#define VMDK_GRAINS_AT_END   UINT64_MAX
#define VMDK_FOOTER_FROM_END UINT64_C(1024)
#define VMDK_COMPRESSED	     (UINT32_C(1) << 16)
#define VMDK_ZEROED_GRAINS   (UINT32_C(1) << 2) /* grain 1 is one of zeros */
#define VMDK_MARKER	     UINT64_C(12)	/* before a compressed grain: its place, its length */

static uint64_t vmdk_end(const struct table *t, const uint8_t *entry, uint64_t index)
{
	const uint32_t sector = get_le32(entry);

	if (sector == 0 || (sector == 1 && t->every))
		return 0;
	return end_of(0, sector, SECTOR, t->block);
}

/* A directory of tables. */
static int vmdk_check_directory(struct image *img, uint64_t at, uint64_t n, struct table *t, struct why *why)
{
	uint64_t left = img->size;
	int r = check_list(img, at, n, 4, why);

	for (uint64_t i = 0; r == 0 && i < n; i++) {
		uint8_t entry[4];

		r = image_pread(img, entry, sizeof(entry), at + i * 4, why);
		t->at = get_le32(entry) * SECTOR;
		if (r == 0 && t->at)
			r = check_listed(img, t, &left, why);
	}
	return r;
}

static int check_vmdk(struct image *img, struct why *why)
{
	struct table t = { .width = 4, .end = vmdk_end };
	uint64_t capacity, grain;
	uint8_t h[512];
	int r = image_pread(img, h, sizeof(h), 0, why);

	if (r == 0 && get_le64(h + 56) == VMDK_GRAINS_AT_END)
		r = image_pread(img, h, sizeof(h), img->size - VMDK_FOOTER_FROM_END, why);
	if (r < 0)
		return r;
	capacity = get_le64(h + 12);
	grain = get_le64(h + 20);
	t.n = get_le32(h + 44);
	t.every = get_le32(h + 8) & VMDK_ZEROED_GRAINS;
	/* QEMU's own limits: tables of 512, grains of 64 MiB. */
	if (t.n == 0 || t.n > 512 || grain == 0 || grain > 131072 || get_le64(h + 56) > UINT64_MAX / SECTOR)
		return fail_table(why);
	/* A compressed grain has its length with it, and a checksum: its beginning is enough. */
	t.block = get_le32(h + 8) & VMDK_COMPRESSED ? VMDK_MARKER : grain * SECTOR;
	return vmdk_check_directory(img, get_le64(h + 56) * SECTOR, div_up(capacity, grain * t.n), &t, why);
}

/* ---- qcow2, qcow: tables of tables ---- */

#define QCOW_COMPRESSED	    (UINT64_C(1) << 62)
#define QCOW_OLD_COMPRESSED (UINT64_C(1) << 63)
#define QCOW_OFFSET	    UINT64_C(0x00fffffffffffe00)
#define QCOW_EXTENDED	    (UINT64_C(1) << 4) /* among the incompatible features: entries of 16 bytes */

/* What lies at the offset of a cluster must be there as far as the disk goes. */
static uint64_t cluster_end(const struct table *t, uint64_t offset, uint64_t index)
{
	const uint64_t at = t->guest + (index << t->bits);

	if (offset == 0 || at >= t->virtual_size)
		return 0;
	return end_of(offset, 0, 0, min_u64(UINT64_C(1) << t->bits, t->virtual_size - at));
}

static uint64_t qcow2_end(const struct table *t, const uint8_t *entry, uint64_t index)
{
	const uint64_t e = get_be64(entry);
	const unsigned shift = 62 - (t->bits - 8);
	const uint64_t offset = e & ((UINT64_C(1) << shift) - 1);
	const uint64_t sectors = (e & (QCOW_COMPRESSED - 1)) >> shift;

	/* Its last sector may be cut short, where the file ends. */
	if (e & QCOW_COMPRESSED)
		return end_of(align_down(offset, SECTOR), sectors, SECTOR, offset % SECTOR ? 1 : 0);
	return cluster_end(t, e & QCOW_OFFSET, index);
}

static uint64_t qcow_end(const struct table *t, const uint8_t *entry, uint64_t index)
{
	const uint64_t e = get_be64(entry);
	const unsigned shift = 63 - t->bits;

	if (e & QCOW_OLD_COMPRESSED)
		return end_of(e & ((UINT64_C(1) << shift) - 1), 0, 0,
			      (e >> shift) & ((UINT64_C(1) << t->bits) - 1));
	return cluster_end(t, e, index);
}

/* The directory has `n` tables, of entries as `t` says. */
static int check_tables(struct image *img, uint64_t at, uint64_t n, uint64_t mask, struct table *t,
			struct why *why)
{
	uint64_t left = img->size;
	int r = check_list(img, at, n, 8, why);

	for (uint64_t i = 0; r == 0 && i < n; i++, t->guest += t->n << t->bits) {
		uint8_t entry[8];

		r = image_pread(img, entry, sizeof(entry), at + i * 8, why);
		t->at = get_be64(entry) & mask;
		if (r == 0 && t->at)
			r = check_listed(img, t, &left, why);
	}
	return r;
}

static int check_qcow2(struct image *img, struct why *why)
{
	struct table t = { .width = 8, .end = qcow2_end };
	uint8_t h[80] = { 0 };
	int r = image_pread(img, h, min_u64(sizeof(h), img->size), 0, why);

	if (r < 0)
		return r;
	t.bits = get_be32(h + 20);
	t.virtual_size = get_be64(h + 24);
	/* QEMU says better what is wrong with it. */
	if (t.bits < 9 || t.bits > 21 || t.virtual_size > INT64_MAX)
		return 0;
	if (get_be32(h + 4) > 2 && get_be64(h + 72) & QCOW_EXTENDED)
		t.width = 16;
	t.n = (UINT64_C(1) << t.bits) / t.width;
	return check_tables(img, get_be64(h + 40), get_be32(h + 36), QCOW_OFFSET, &t, why);
}

static int check_qcow(struct image *img, struct why *why)
{
	struct table t = { .width = 8, .end = qcow_end };
	uint8_t h[48];
	int r = image_pread(img, h, sizeof(h), 0, why);

	if (r < 0)
		return r;
	t.bits = h[32];
	t.virtual_size = get_be64(h + 24);
	if (t.bits < 9 || t.bits > 16 || h[33] < 6 || h[33] > 13 || t.virtual_size > INT64_MAX)
		return 0;
	t.n = UINT64_C(1) << h[33];
	return check_tables(img, get_be64(h + 40), div_up(t.virtual_size, t.n << t.bits), UINT64_MAX, &t, why);
}

int disk_tables_check(struct image *img, const char *format, struct why *why)
{
	static const struct {
		const char *format;
		int (*check)(struct image *img, struct why *why);
	} checks[] = {
		{ "vdi", check_vdi },	{ "vhd", check_vhd },	  { "parallels", check_parallels },
		{ "vmdk", check_vmdk }, { "qcow2", check_qcow2 }, { "qcow", check_qcow },
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (strcmp(checks[i].format, format) == 0)
			return checks[i].check(img, why);
	return 0;
}
