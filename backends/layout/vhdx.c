/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that is laid out, all numbers little-endian, each part a whole number of
 * MiB (2.1):
 *
 *	header section | log | metadata | BAT | block | block | ...
 *
 *	header section  0 file identifier, 64K and 128K headers, 192K and 256K region tables
 *	metadata        0 its table, 64K the items
 *
 * The BAT has an entry for each block, and one for the bitmap of each chunk of 2^23
 * sectors (4 GiB) behind those of its blocks (2.5). Only a file with a parent has
 * bitmaps: their entries are 0, and behind the last block there is none.
 *
 * All that is not zero before the BAT is at the beginning of seven sectors.
 */
#include "backends/layout/vhdx.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "backends/layout/tables.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/size.h"

#define BLOCK_MIN MiB
#define BLOCK_MAX (256 * MiB)

/* 2.6.2.2 */
#define DISK_MAX (64 * TiB)

/*
 * Blocks are of BLOCK_MIN as long as there are no more than this, and the table has 8
 * MiB. It is not zero anywhere, and who opens the file reads all of it.
 */
#define BLOCKS_MAX (UINT64_C(1) << 20)

#define CHUNK (8 * MiB * SECTOR) /* what one bitmap of 1 MiB speaks for (2.4) */

#define BAT_ENTRIES (SECTOR / 8) /* in a sector */

/* 2.5.1.1. The place of a block is in the entry, too: in MiB from bit 20 on, which are its bytes. */
#define STATE_ZERO    2
#define STATE_PRESENT 6

enum {
	LEAVE_BLOCKS_ALLOCATED = 1, /* file parameters, 2.6.2.1 */
	IS_VIRTUAL_DISK = 2,	    /* metadata items, 2.6.1.2 */
	IS_REQUIRED = 4,
	REQUIRED_REGION = 1, /* 2.2.3.2 */
};

#define HEADER_1     (64 * KiB)
#define HEADER_2     (128 * KiB)
#define REGIONS_1    (192 * KiB)
#define REGIONS_2    (256 * KiB)
#define HEADER_SIZE  (4 * KiB) /* what their checksums cover */
#define REGIONS_SIZE (64 * KiB)
#define ITEMS	     (64 * KiB) /* from the beginning of the metadata */

/* In the order of the file. */
enum part { HEADERS, LOG, METADATA, BAT, N_PARTS };

/* Little-endian, all of it. A GUID's first three fields are, too. */
struct guid {
	uint8_t bytes[16];
};

/* 2.2.1 */
struct disk_vhdx_identifier {
	char signature[8];    /* "vhdxfile" */
	uint8_t creator[504]; /* UTF-16; goes on for 8 bytes */
};
static_assert(sizeof(struct disk_vhdx_identifier) == SECTOR, "vhdx identifier");

/* 2.2.2 */
struct disk_vhdx_header {
	char signature[4]; /* "head" */
	uint8_t checksum[4];
	uint8_t sequence[8]; /* the higher one is in force */
	struct guid file_written;
	struct guid data_written;
	struct guid log; /* zero: nothing is in it */
	uint8_t log_version[2];
	uint8_t version[2];
	uint8_t log_length[4];
	uint8_t log_offset[8];
	uint8_t pad[432];
};
static_assert(sizeof(struct disk_vhdx_header) == SECTOR, "vhdx header");

/* 2.2.3 */
struct disk_vhdx_regions {
	char signature[4]; /* "regi" */
	uint8_t checksum[4];
	uint8_t entries[4];
	uint8_t reserved[4];
	struct disk_vhdx_region {
		struct guid guid;
		uint8_t offset[8];
		uint8_t length[4];
		uint8_t flags[4];
	} region[2];
	uint8_t pad[432];
};
static_assert(sizeof(struct disk_vhdx_regions) == SECTOR, "vhdx region table");

enum { PARAMETERS, DISK_SIZE, DISK_ID, LOGICAL, PHYSICAL, N_ITEMS };

/* 2.6.1 */
struct disk_vhdx_metadata {
	char signature[8]; /* "metadata" */
	uint8_t reserved[2];
	uint8_t entries[2];
	uint8_t reserved2[20];
	struct disk_vhdx_entry {
		struct guid guid;
		uint8_t offset[4]; /* from the beginning of the metadata */
		uint8_t length[4];
		uint8_t flags[4];
		uint8_t reserved[4];
	} item[N_ITEMS];
	uint8_t pad[320];
};
static_assert(sizeof(struct disk_vhdx_metadata) == SECTOR, "vhdx metadata table");

/* 2.6.2, in an order of our own. */
struct disk_vhdx_items {
	uint8_t block_size[4];
	uint8_t parameters[4];
	uint8_t disk_size[8];
	struct guid disk;
	uint8_t logical_sector[4];
	uint8_t physical_sector[4];
	uint8_t pad[472];
};
static_assert(sizeof(struct disk_vhdx_items) == SECTOR, "vhdx items");

/* 2.2.3.2 */
static const struct guid bat_region = { { 0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11,
					  0x5e, 0x9b, 0xfd, 0x4a, 0x08 } };
static const struct guid metadata_region = { { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57,
					       0x5f, 0x05, 0x0f, 0x88, 0x6e } };

struct vhdx {
	struct tables t;
	bool fixed;
	uint64_t in_chunk; /* blocks of a chunk: its ratio */
	uint64_t entries;  /* of the BAT */
	struct guid file_written, data_written, disk;
};

static uint64_t part_length(const struct vhdx *x, enum part part)
{
	return tables_at(&x->t, part + 1) - tables_at(&x->t, part);
}

static struct guid guid_of(const struct layout *how, uint64_t size, const char *what)
{
	struct guid g;

	layout_guid(how, size, what, g.bytes);
	return g;
}

/* The CRC-32C of `size` bytes, of which those behind this sector are zero; the field itself is zero yet. */
static void put_checksum(uint8_t field[static 4], const void *sector, uint64_t size)
{
	static const uint8_t zeros[SECTOR];
	uint32_t crc = crc32c(UINT32_MAX, sector, SECTOR);

	for (uint64_t at = SECTOR; at < size; at += SECTOR)
		crc = crc32c(crc, zeros, SECTOR);
	put_le32(field, ~crc);
}

static void fill_identifier(struct disk_vhdx_identifier *disk)
{
	static const char creator[] = "goalfs";

	memcpy(disk->signature, "vhdxfile", sizeof(disk->signature));
	for (size_t i = 0; i < sizeof(creator); i++)
		put_le16(disk->creator + 2 * i, creator[i]);
}

static void fill_header(const struct vhdx *x, struct disk_vhdx_header *disk, uint64_t sequence)
{
	memcpy(disk->signature, "head", sizeof(disk->signature));
	put_le64(disk->sequence, sequence);
	disk->file_written = x->file_written;
	disk->data_written = x->data_written;
	put_le16(disk->version, 1);
	put_le32(disk->log_length, part_length(x, LOG));
	put_le64(disk->log_offset, tables_at(&x->t, LOG));
	put_checksum(disk->checksum, disk, HEADER_SIZE);
}

static void put_region(const struct vhdx *x, struct disk_vhdx_region *disk, const struct guid *guid,
		       enum part part)
{
	disk->guid = *guid;
	put_le64(disk->offset, tables_at(&x->t, part));
	put_le32(disk->length, part_length(x, part));
	put_le32(disk->flags, REQUIRED_REGION);
}

static void fill_regions(const struct vhdx *x, struct disk_vhdx_regions *disk)
{
	memcpy(disk->signature, "regi", sizeof(disk->signature));
	put_le32(disk->entries, 2);
	put_region(x, &disk->region[0], &bat_region, BAT);
	put_region(x, &disk->region[1], &metadata_region, METADATA);
	put_checksum(disk->checksum, disk, REGIONS_SIZE);
}

static void fill_headers(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct vhdx *x = (const struct vhdx *)t;

	switch (n * SECTOR) {
	case 0:
		fill_identifier((struct disk_vhdx_identifier *)sector);
		break;
	case HEADER_1:
	case HEADER_2:
		fill_header(x, (struct disk_vhdx_header *)sector, n * SECTOR / HEADER_1);
		break;
	case REGIONS_1:
	case REGIONS_2:
		fill_regions(x, (struct disk_vhdx_regions *)sector);
		break;
	}
}

/* Nothing is in it. */
static void fill_log(const struct tables *t, uint8_t *sector, uint64_t n)
{
}

struct item {
	struct guid guid;
	size_t at, length;
	uint32_t flags;
};

#define ITEM(field) offsetof(struct disk_vhdx_items, field), sizeof(((struct disk_vhdx_items *)0)->field)

static const struct item items[N_ITEMS] = {
	/* The block's size, and what follows it. */
	[PARAMETERS] = { { { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44,
			     0xe7, 0x6b } },
			 offsetof(struct disk_vhdx_items, block_size),
			 8,
			 IS_REQUIRED },
	[DISK_SIZE] = { { { 0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b,
			    0xf4, 0xb8 } },
			ITEM(disk_size),
			IS_REQUIRED | IS_VIRTUAL_DISK },
	[DISK_ID] = { { { 0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00,
			  0xc7, 0x46 } },
		      ITEM(disk),
		      IS_REQUIRED | IS_VIRTUAL_DISK },
	[LOGICAL] = { { { 0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa,
			  0xab, 0x5f } },
		      ITEM(logical_sector),
		      IS_REQUIRED | IS_VIRTUAL_DISK },
	[PHYSICAL] = { { { 0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51,
			   0xc5, 0x56 } },
		       ITEM(physical_sector),
		       IS_REQUIRED | IS_VIRTUAL_DISK },
};

static void fill_metadata_table(struct disk_vhdx_metadata *disk)
{
	memcpy(disk->signature, "metadata", sizeof(disk->signature));
	put_le16(disk->entries, N_ITEMS);
	for (size_t i = 0; i < N_ITEMS; i++) {
		disk->item[i].guid = items[i].guid;
		put_le32(disk->item[i].offset, ITEMS + items[i].at);
		put_le32(disk->item[i].length, items[i].length);
		put_le32(disk->item[i].flags, items[i].flags);
	}
}

static void fill_items(const struct vhdx *x, struct disk_vhdx_items *disk)
{
	put_le32(disk->block_size, x->t.block);
	put_le32(disk->parameters, x->fixed ? LEAVE_BLOCKS_ALLOCATED : 0);
	put_le64(disk->disk_size, x->t.size);
	disk->disk = x->disk;
	put_le32(disk->logical_sector, SECTOR);
	put_le32(disk->physical_sector, 4096);
}

static void fill_metadata(const struct tables *t, uint8_t *sector, uint64_t n)
{
	if (n == 0)
		fill_metadata_table((struct disk_vhdx_metadata *)sector);
	else if (n == ITEMS / SECTOR)
		fill_items((const struct vhdx *)t, (struct disk_vhdx_items *)sector);
}

static void fill_bat(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct vhdx *x = (const struct vhdx *)t;
	const uint64_t cycle = x->in_chunk + 1, first = n * BAT_ENTRIES;
	uint64_t block = first / cycle * x->in_chunk + first % cycle;
	uint64_t rank[BAT_ENTRIES], *r = rank;

	runs_ranks(&t->blocks, block, BAT_ENTRIES, rank);
	for (uint64_t i = 0; i < BAT_ENTRIES && first + i < x->entries; i++) {
		if ((first + i) % cycle == x->in_chunk)
			continue;
		put_le64(sector + 8 * i,
			 *r == RUNS_NONE ? STATE_ZERO : (t->data + *r * t->block) | STATE_PRESENT);
		r++;
	}
}

static const tables_fill fill[N_PARTS] = {
	[HEADERS] = fill_headers,
	[LOG] = fill_log,
	[METADATA] = fill_metadata,
	[BAT] = fill_bat,
};

/* The seven sectors are data, and the BAT; what is between them is not. */
static void vhdx_extent(const struct computed *c, uint64_t offset, struct extent *ret)
{
	const struct tables *t = (const struct tables *)c;
	const uint64_t metadata = tables_at(t, METADATA), bat = tables_at(t, BAT);
	const uint64_t filled[] = { 0, HEADER_1, HEADER_2, REGIONS_1, REGIONS_2, metadata, metadata + ITEMS };

	*ret = (struct extent){ bat - offset, EXTENT_ZERO };
	if (offset >= bat)
		*ret = (struct extent){ tables_at(t, N_PARTS) - offset, EXTENT_DATA };
	for (size_t i = sizeof(filled) / sizeof(filled[0]); i-- > 0 && offset < filled[i] + SECTOR;) {
		if (offset < filled[i])
			*ret = (struct extent){ filled[i] - offset, EXTENT_ZERO };
		else
			*ret = (struct extent){ filled[i] + SECTOR - offset, EXTENT_DATA };
	}
}

/* 2.5: `blocks` of them, and the bitmaps between them. */
static uint64_t bat_entries(uint64_t blocks, uint64_t block)
{
	return blocks + (blocks - 1) / (CHUNK / block);
}

static uint64_t default_block(uint64_t size)
{
	uint64_t block = BLOCK_MIN;

	while (div_up(size, block) > BLOCKS_MAX)
		block *= 2;
	return block;
}

static int check_block(uint64_t block, struct why *why)
{
	char have[SIZE_TEXT_MAX];

	if (block >= BLOCK_MIN && block <= BLOCK_MAX && (block & (block - 1)) == 0)
		return 0;
	return fail(why, -EINVAL, "blocks of vhdx are a power of two from 1M to 256M, not '%s'",
		    size_format(have, block));
}

static int check_size(uint64_t size, struct why *why)
{
	char have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];

	if (size > DISK_MAX)
		return fail(why, -EOPNOTSUPP, "a vhdx file holds a disk of %s at most, not one of %s",
			    size_format(limit, DISK_MAX), size_format(have, size));
	if (size == 0)
		return fail(why, -EOPNOTSUPP, "a vhdx file can't hold a disk of no bytes");
	return 0;
}

static struct vhdx *vhdx_new(uint64_t size, const struct layout *how)
{
	struct vhdx *x = calloc(1, sizeof(*x));
	uint64_t block = how->cluster ?: default_block(size);

	if (!x)
		return NULL;
	tables_init(&x->t, size, block, fill, N_PARTS);
	x->t.computed.extent = vhdx_extent;
	x->fixed = how->fixed;
	x->in_chunk = CHUNK / block;
	x->entries = bat_entries(x->t.guest, block);
	x->file_written = guid_of(how, x->t.size, "vhdx file");
	x->data_written = guid_of(how, x->t.size, "vhdx data");
	x->disk = guid_of(how, x->t.size, "vhdx disk");
	return x;
}

int vhdx_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why)
{
	_cleanup_(tables_unrefp) struct tables *t = NULL;
	struct vhdx *x;
	uint64_t sectors[N_PARTS] = {
		[HEADERS] = MiB / SECTOR,
		[LOG] = MiB / SECTOR,
		[METADATA] = MiB / SECTOR,
	};
	int r = check_size(below->size, why);

	if (r == 0 && how->cluster)
		r = check_block(how->cluster, why);
	if (r < 0)
		return r;
	x = vhdx_new(below->size, how);
	if (!x)
		return -ENOMEM;
	t = &x->t;
	r = tables_survey(t, below, x->fixed);
	if (r < 0)
		return r;
	sectors[BAT] = align_up(8 * x->entries, MiB) / SECTOR;
	tables_place(t, sectors, MiB);
	return tables_seal(t, below, "vhdx", "blocks", ret, why);
}

static void vhdx_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	static const char *const heeds[] = { "cluster", "fixed", NULL };
	uint64_t block;
	struct why why;

	if (!layout_wanted(state, want, "vhdx"))
		return;
	if (tags_get_u64(want, "cluster", &block) && check_block(block, &why) < 0)
		offer_refusal(o, "%s", why.text);
	else
		layout_offer(state, want, o, "vhdx", heeds);
}

static int vhdx_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	const struct layout how = layout_of(opening);

	return vhdx_layout(below, &how, ret, why);
}

const struct backend vhdx_layout_backend = {
	.name = "vhdx",
	.offer = vhdx_offer,
	.open = vhdx_open,
};
