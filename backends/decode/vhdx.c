/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/vhdx.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define REGIONS	    (192 * KiB) /* the first of two equal tables */
#define TABLE_BYTES (64 * KiB)
#define ENTRY	    32	 /* bytes, in both tables */
#define ENTRIES_MAX 2047 /* in both */
#define HAS_PARENT  2	 /* a flag among the file parameters */

/* GUIDs as they stand in the file. */
static const uint8_t metadata_region[16] = { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
					     0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e };
static const uint8_t blocks_region[16] = { 0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
					   0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08 };
static const uint8_t parameters_item[16] = { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
					     0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b };
static const uint8_t sector_item[16] = { 0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47,
					 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f };
static const uint8_t locator_item[16] = { 0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45,
					  0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c };

/* What the tables say. */
struct layout {
	uint64_t blocks;	/* where the block allocation table is */
	uint32_t block, sector; /* bytes */
	bool has_parent;
};

static int read_at(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	if (!range_ok(offset, count, img->size))
		return fail(why, -EBADMSG, "its tables lie outside, or it can't hold its headers");
	return image_pread(img, buf, count, offset, why);
}

static const uint8_t *find_entry(const uint8_t *entries, size_t n, const uint8_t *guid)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(entries + ENTRY * i, guid, 16) == 0)
			return entries + ENTRY * i;
	return NULL;
}

static int read_regions(struct image *img, uint8_t *table, uint64_t *ret_metadata, uint64_t *ret_blocks,
			struct why *why)
{
	const uint8_t *metadata, *blocks;
	int r = read_at(img, table, TABLE_BYTES, REGIONS, why);

	if (r < 0)
		return r;
	if (memcmp(table, "regi", 4) != 0 || get_le32(table + 8) > ENTRIES_MAX)
		return fail(why, -EBADMSG, "its region table is damaged");
	metadata = find_entry(table + 16, get_le32(table + 8), metadata_region);
	blocks = find_entry(table + 16, get_le32(table + 8), blocks_region);
	if (!metadata || !blocks)
		return fail(why, -EBADMSG, "its region table lacks a region");
	*ret_metadata = get_le64(metadata + 16);
	*ret_blocks = get_le64(blocks + 16);
	return 0;
}

/* The first bytes of an item, which are at most 8 here. */
static int read_item(struct image *img, uint64_t metadata, const uint8_t *table, const uint8_t *guid,
		     uint8_t *buf, size_t count, struct why *why)
{
	const uint8_t *entry = find_entry(table + ENTRY, get_le16(table + 10), guid);

	if (!entry)
		return fail(why, -EBADMSG, "its metadata table lacks an item");
	/* The table was read from there, so this does not overflow. */
	return read_at(img, buf, count, metadata + get_le32(entry + 16), why);
}

static int read_metadata(struct image *img, uint64_t at, uint8_t *table, struct layout *ret, struct why *why)
{
	uint8_t parameters[8], sector[4];
	int r = read_at(img, table, TABLE_BYTES, at, why);

	if (r < 0)
		return r;
	if (memcmp(table, "metadata", 8) != 0 || get_le16(table + 10) > ENTRIES_MAX)
		return fail(why, -EBADMSG, "its metadata table is damaged");
	r = read_item(img, at, table, parameters_item, parameters, sizeof(parameters), why);
	if (r == 0)
		r = read_item(img, at, table, sector_item, sector, sizeof(sector), why);
	if (r < 0)
		return r;
	ret->block = get_le32(parameters);
	ret->sector = get_le32(sector);
	ret->has_parent = (get_le32(parameters + 4) & HAS_PARENT) ||
			  find_entry(table + ENTRY, get_le16(table + 10), locator_item);
	return 0;
}

static int read_layout(struct image *img, struct layout *ret, struct why *why)
{
	_cleanup_free_ uint8_t *table = malloc(TABLE_BYTES);
	uint64_t metadata = 0;
	int r = table ? read_regions(img, table, &metadata, &ret->blocks, why) : -ENOMEM;

	return r < 0 ? r : read_metadata(img, metadata, table, ret, why);
}

int vhdx_check(struct image *img, struct why *why)
{
	struct layout l = { 0 };
	uint8_t magic[8];
	int r = read_at(img, magic, sizeof(magic), 0, why);

	if (r < 0)
		return r;
	if (memcmp(magic, "vhdxfile", 8) != 0)
		return fail(why, -EBADMSG, "this is not a vhdx image");
	r = read_layout(img, &l, why);
	if (r == 0 && l.has_parent)
		return fail(why, -EOPNOTSUPP, "it names a parent, and other files are not followed");
	return r;
}

/* Not present, undefined, zero, unmapped, and what an early version took for that. */
static bool is_zero_state(const uint8_t *entry)
{
	const unsigned state = entry[0] & 7;

	return state <= 3 || state == 5;
}

/* Behind so many blocks' entries stands one of a bitmap, which only disks with a parent use. */
static uint64_t chunk_of(const struct layout *l)
{
	return (UINT64_C(1) << 23) * l->sector / l->block;
}

static bool is_sound(const struct layout *l)
{
	return (l->sector == 512 || l->sector == 4096) && l->block >= 1 * MiB && l->block <= 256 * MiB &&
	       (l->block & (l->block - 1)) == 0;
}

#define PIECE (64 * KiB) /* of the table at once */

/* The table of `n` entries, a piece at a time. */
static int add_blocks(struct image *img, const struct layout *l, uint64_t n, uint64_t size, struct zeros *z,
		      struct why *why)
{
	_cleanup_free_ uint8_t *piece = malloc(PIECE);
	const uint64_t chunk = chunk_of(l);
	uint64_t have = UINT64_MAX;
	int r = piece ? 0 : -ENOMEM;

	for (uint64_t b = 0; r == 0 && b * l->block < size; b++) {
		const uint64_t at = (b + b / chunk) * 8, from = align_down(at, PIECE);

		if (from != have)
			r = read_at(img, piece, min_u64(PIECE, n * 8 - from), l->blocks + from, why);
		have = from;
		if (r == 0 && is_zero_state(piece + (at - from)))
			r = zeros_add(z, b * l->block, min_u64((b + 1) * l->block, size), size);
	}
	return r < 0 ? r : zeros_end(z, size);
}

int vhdx_zeros(struct image *img, uint64_t size, struct zeros *ret, struct why *why)
{
	struct zeros z = { 0 };
	struct layout l = { 0 };
	uint64_t blocks, n;
	int r = read_layout(img, &l, why);

	if (r < 0)
		return r;
	if (!is_sound(&l))
		return fail(why, -EBADMSG, "its blocks or sectors have a size that can't be");
	blocks = div_up(size, l.block);
	n = blocks + blocks / chunk_of(&l);
	if (n > img->size / 8 || !range_ok(l.blocks, n * 8, img->size))
		return fail(why, -EBADMSG, "its tables lie outside");
	r = add_blocks(img, &l, n, size, &z, why);
	if (r < 0)
		zeros_done(&z);
	else
		*ret = z;
	return r;
}
