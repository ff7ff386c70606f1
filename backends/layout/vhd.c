/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that is laid out, all numbers big-endian:
 *
 *	dynamic   footer's copy | header | BAT | group | group | ... | footer
 *	group     gap | bitmap | block
 *	fixed     the disk | footer
 *
 * The BAT has an entry for each block of the disk: the sector of its bitmap, which
 * the block follows at once. A block that starts at a multiple of 64 KiB therefore
 * needs a bitmap that ends there, and a gap before it. The gap is a hole, and nothing
 * in the format says where a bitmap has to be (XenServer's files have such gaps, of
 * less than 4 KiB).
 *
 * What is allocated stands in guest order, so that the place of a block is its rank
 * (runs.h). All that stands between the blocks is a function of the offset; as a map,
 * a full disk would be three segments for every 2 MiB of it. So a dynamic file is an
 * image of its own kind.
 */
#include "backends/layout/vhd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "backends/layout/runs.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "base/size.h"

#define BLOCK	      (2 * MiB)
#define HEADER_SIZE   1024
#define BAT_AT	      (SECTOR + HEADER_SIZE)
#define BAT_ENTRIES   (SECTOR / 4) /* in a sector */
#define NOT_ALLOCATED UINT32_MAX

/* Where the specification ends ("Dynamic Hard Disk Image"), and Hyper-V and QEMU with it. */
#define DISK_MAX (2040 * GiB)
/* What an entry of the BAT can point at. */
#define FILE_MAX (UINT32_MAX * SECTOR)

/*
 * Blocks are aligned so, or, when so many of them are allocated that the gaps would
 * take the file above FILE_MAX, by the least that any disk asks for.
 */
#define ALIGN	    (64 * KiB)
#define ALIGN_LEAST (4 * KiB)

enum { FIXED = 2, DYNAMIC = 3 };

/* Big-endian, all of it. "Hard Disk Footer Format". */
struct disk_vhd_footer {
	char cookie[8]; /* "conectix" */
	uint8_t features[4];
	uint8_t version[4];
	uint8_t header_offset[8]; /* all ones in a fixed file */
	uint8_t timestamp[4];	  /* seconds since 2000 */
	char creator[4];
	uint8_t creator_version[4];
	char creator_system[4];
	uint8_t first_size[8];
	uint8_t size[8];
	uint8_t cylinders[2];
	uint8_t heads;
	uint8_t sectors;
	uint8_t type[4];
	uint8_t checksum[4];
	uint8_t uuid[16];
	uint8_t saved_state;
	uint8_t pad[427];
};
static_assert(sizeof(struct disk_vhd_footer) == SECTOR, "vhd footer");

/* "Dynamic Disk Header Format" */
struct disk_vhd_header {
	char cookie[8]; /* "cxsparse" */
	uint8_t next_offset[8];
	uint8_t bat_offset[8];
	uint8_t version[4];
	uint8_t bat_entries[4];
	uint8_t block_size[4];
	uint8_t checksum[4];
	uint8_t pad[984]; /* the parent, of which there is none */
};
static_assert(sizeof(struct disk_vhd_header) == HEADER_SIZE, "vhd header");

struct vhd {
	struct image image;
	uint64_t guest; /* blocks that hold the disk */
	struct runs blocks;
	uint64_t bat_end; /* in the file */
	uint64_t align;
	/* Where the first group would begin if it were whole: not behind the BAT's end. */
	uint64_t groups;
	uint64_t end; /* of the last block: the footer's place */
	struct disk_vhd_footer footer;
	struct disk_vhd_header header;
	char describe[128];
};

/* The complement of the sum of all other bytes; the field itself is zero yet. */
static void put_checksum(uint8_t field[static 4], const void *structure, size_t count)
{
	const uint8_t *bytes = structure;
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += bytes[i];
	put_be32(field, ~sum);
}

struct geometry {
	uint16_t cylinders;
	uint8_t heads;
	uint8_t sectors;
};

/*
 * The specification's appendix "CHS Calculation": ever longer tracks, the largest
 * that an ATA disk can speak of for all disks above 127 GiB.
 */
static struct geometry geometry_of(uint64_t size)
{
	const uint64_t largest = UINT64_C(65535) * 16 * 255;
	uint64_t sectors = min_u64(size / SECTOR, largest), tracks = sectors / 17;
	uint64_t heads = max_u64(div_up(tracks, 1024), 4), track = 17;

	if (sectors >= UINT64_C(65535) * 16 * 63) {
		track = 255;
		heads = 16;
	} else if (tracks >= heads * 1024 || heads > 16) {
		heads = 16;
		track = sectors / 31 >= heads * 1024 ? 63 : 31;
	}
	return (struct geometry){ sectors / track / heads, heads, track };
}

/* Made when 2000 began, as the same name is the same bytes. */
static struct disk_vhd_footer make_footer(const struct layout *how, uint64_t size)
{
	const struct geometry g = geometry_of(size);
	struct disk_vhd_footer disk = { 0 };

	memcpy(disk.cookie, "conectix", sizeof(disk.cookie));
	put_be32(disk.features, 2); /* the one bit that is always set */
	put_be32(disk.version, 0x00010000);
	put_be64(disk.header_offset, how->fixed ? UINT64_MAX : SECTOR);
	/*
	 * Hyper-V's mark. Of such a file QEMU takes the size from `size`, not from the
	 * geometry, as Hyper-V, Azure and VirtualBox do with all files.
	 */
	memcpy(disk.creator, "win ", sizeof(disk.creator));
	put_be32(disk.creator_version, 0x00060001); /* 6.1 */
	memcpy(disk.creator_system, "Wi2k", sizeof(disk.creator_system));
	put_be64(disk.first_size, size);
	put_be64(disk.size, size);
	put_be16(disk.cylinders, g.cylinders);
	disk.heads = g.heads;
	disk.sectors = g.sectors;
	put_be32(disk.type, how->fixed ? FIXED : DYNAMIC);
	layout_uuid(how, size, "vhd", disk.uuid);
	put_checksum(disk.checksum, &disk, sizeof(disk));
	return disk;
}

static struct disk_vhd_header make_header(uint64_t entries)
{
	struct disk_vhd_header disk = { 0 };

	memcpy(disk.cookie, "cxsparse", sizeof(disk.cookie));
	put_be64(disk.next_offset, UINT64_MAX); /* none */
	put_be64(disk.bat_offset, BAT_AT);
	put_be32(disk.version, 0x00010000);
	put_be32(disk.bat_entries, entries);
	put_be32(disk.block_size, BLOCK);
	put_checksum(disk.checksum, &disk, sizeof(disk));
	return disk;
}

/* The `n`th sector of the BAT. Behind its last entry it goes on as if there were more. */
static void make_bat(const struct vhd *v, uint8_t *sector, uint64_t n)
{
	uint64_t rank[BAT_ENTRIES];

	runs_ranks(&v->blocks, n * BAT_ENTRIES, BAT_ENTRIES, rank);
	for (uint64_t i = 0; i < BAT_ENTRIES; i++) {
		uint64_t block = v->groups + v->align + rank[i] * (v->align + BLOCK);

		put_be32(sector + 4 * i, rank[i] == RUNS_NONE ? NOT_ALLOCATED : block / SECTOR - 1);
	}
}

/* What stands before the groups. */
static void read_head(const struct vhd *v, uint8_t *buf, size_t count, uint64_t offset)
{
	while (count > 0) {
		uint8_t made[SECTOR];
		const uint8_t *from = made;
		uint64_t sector = offset / SECTOR, within = offset % SECTOR;
		uint64_t n = min_u64(count, SECTOR - within);

		if (sector == 0)
			from = (const uint8_t *)&v->footer;
		else if (offset < BAT_AT)
			from = (const uint8_t *)&v->header + (sector - 1) * SECTOR;
		else
			make_bat(v, made, sector - BAT_AT / SECTOR);
		memcpy(buf, from + within, n);
		buf += n;
		offset += n;
		count -= n;
	}
}

enum kind { HEAD, GAP, BITMAP, DATA, FOOTER };

/* From the offset asked for up to where something else begins. */
struct piece {
	enum kind kind;
	uint64_t length;
	uint64_t at; /* DATA: in the image below */
};

/* `within`: bytes into the block that is the `rank`th in the file. */
static struct piece block_piece(const struct vhd *v, uint64_t rank, uint64_t within)
{
	uint64_t at = runs_nth(&v->blocks, rank) * BLOCK + within, end = v->image.below->size;

	/* The disk may end inside its last block; what is left of that is zero. */
	if (at >= end)
		return (struct piece){ GAP, BLOCK - within };
	return (struct piece){ DATA, min_u64(BLOCK - within, end - at), at };
}

static struct piece piece_at(const struct vhd *v, uint64_t offset)
{
	const uint64_t group = v->align + BLOCK, bitmap = v->align - SECTOR;
	uint64_t within;

	if (offset < v->bat_end)
		return (struct piece){ HEAD, v->bat_end - offset };
	if (offset >= v->end)
		return (struct piece){ FOOTER, v->image.size - offset };
	within = (offset - v->groups) % group;
	if (within < bitmap)
		return (struct piece){ GAP, bitmap - within };
	if (within < v->align)
		return (struct piece){ BITMAP, v->align - within };
	return block_piece(v, (offset - v->groups) / group, within - v->align);
}

static int vhd_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct vhd *v = (const struct vhd *)img;
	uint8_t *to = buf;

	while (count > 0) {
		struct piece piece = piece_at(v, offset);
		size_t n = min_u64(count, piece.length);
		int r = 0;

		if (piece.kind == HEAD)
			read_head(v, to, n, offset);
		else if (piece.kind == FOOTER)
			memcpy(to, (const uint8_t *)&v->footer + (offset - v->end), n);
		else if (piece.kind == DATA)
			r = image_pread(img->below, to, n, piece.at, why);
		else
			/* A bitmap says of each sector of a block whether it was ever written: they all were. */
			memset(to, piece.kind == BITMAP ? 0xff : 0, n);
		if (r < 0)
			return r;
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static void vhd_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	struct piece piece = piece_at((const struct vhd *)img, offset);

	*ret = (struct extent){ piece.length, piece.kind == GAP ? EXTENT_ZERO : EXTENT_DATA };
	if (piece.kind != DATA)
		return;
	*ret = image_extent(img->below, piece.at);
	ret->length = min_u64(ret->length, piece.length);
}

static int vhd_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	struct piece piece = piece_at((const struct vhd *)img, offset);
	int r = piece.kind == DATA ? image_backing(img->below, piece.at, ret) : -ENODATA;

	if (r == 0)
		ret->length = min_u64(ret->length, piece.length);
	return r;
}

static void vhd_hint(struct image *img, uint64_t offset, uint64_t length)
{
	for (uint64_t end = offset + length; offset < end;) {
		struct piece piece = piece_at((const struct vhd *)img, offset);

		if (piece.kind == DATA)
			image_hint(img->below, piece.at, min_u64(piece.length, end - offset));
		offset += piece.length;
	}
}

static bool vhd_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	for (uint64_t end = offset + length; offset < end;) {
		struct piece piece = piece_at((const struct vhd *)img, offset);

		if (piece.kind == DATA &&
		    !image_is_here(img->below, piece.at, min_u64(piece.length, end - offset)))
			return false;
		offset += piece.length;
	}
	return true;
}

static void vhd_describe(struct image *img, struct text *t)
{
	text_add(t, "%s", ((const struct vhd *)img)->describe);
}

static void vhd_free(struct vhd *v)
{
	runs_done(&v->blocks);
	free(v);
}
DEFINE_CLEANUP(struct vhd *, vhd_free);

static void vhd_close(struct image *img)
{
	vhd_free((struct vhd *)img);
}

static const struct image_ops vhd_ops = {
	.name = "vhd",
	.pread = vhd_pread,
	.extent = vhd_extent,
	.backing = vhd_backing,
	.hint = vhd_hint,
	.is_here = vhd_is_here,
	.describe = vhd_describe,
	.close = vhd_close,
};

/* With blocks aligned so. Returns the size of the file. */
static uint64_t vhd_place(struct vhd *v, uint64_t align)
{
	v->bat_end = BAT_AT + align_up(4 * v->guest, SECTOR);
	v->align = align;
	v->groups = align_up(v->bat_end + SECTOR, align) - align;
	v->end = v->blocks.total ? v->groups + v->blocks.total * (align + BLOCK) : v->bat_end;
	return v->end + SECTOR;
}

static int vhd_dynamic(struct image *below, const struct layout *how, uint64_t size, struct image **ret)
{
	_cleanup_(vhd_freep) struct vhd *v = calloc(1, sizeof(*v));
	char human[SIZE_TEXT_MAX];
	uint64_t file;

	if (!v)
		return -ENOMEM;
	v->guest = div_up(size, BLOCK);
	if (runs_survey(&v->blocks, below, BLOCK) < 0)
		return -ENOMEM;
	file = vhd_place(v, ALIGN);
	if (file > FILE_MAX)
		file = vhd_place(v, ALIGN_LEAST);
	v->footer = make_footer(how, size);
	v->header = make_header(v->guest);
	(void)snprintf(v->describe, sizeof(v->describe),
		       "    vhd: %" PRIu64 " of %" PRIu64 " blocks allocated, file of %s\n", v->blocks.total,
		       v->guest, size_human(human, file));
	image_init(&v->image, &vhd_ops, file, image_ref(below));
	*ret = &take(v)->image;
	return 0;
}

static int vhd_fixed(struct image *below, const struct layout *how, uint64_t size, struct image **ret,
		     struct why *why)
{
	struct map_draft *d = map_draft_new(size + SECTOR, below);
	char human[SIZE_TEXT_MAX], line[128];
	const struct disk_vhd_footer footer = make_footer(how, size);

	if (!d)
		return -ENOMEM;
	map_draft_bytes(d, size, &footer, sizeof(footer));
	(void)snprintf(line, sizeof(line), "    vhd: fixed, file of %s\n", size_human(human, size + SECTOR));
	return map_seal(d, "vhd", line, ret, why);
}

int vhd_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why)
{
	char have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];
	const uint64_t size = align_up(below->size, SECTOR);

	if (size > DISK_MAX)
		return fail(why, -EOPNOTSUPP, "a vhd file holds a disk of %s at most, not one of %s",
			    size_format(limit, DISK_MAX), size_format(have, below->size));
	if (size == 0)
		return fail(why, -EOPNOTSUPP, "a vhd file can't hold a disk of no bytes");
	return how->fixed ? vhd_fixed(below, how, size, ret, why) : vhd_dynamic(below, how, size, ret);
}

static void vhd_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	static const char *const heeds[] = { "fixed", NULL };

	layout_offer(state, want, o, "vhd", heeds);
}

static int vhd_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	const struct layout how = layout_of(opening);

	return vhd_layout(below, &how, ret, why);
}

const struct backend vhd_layout_backend = {
	.name = "vhd",
	.offer = vhd_offer,
	.open = vhd_open,
};
