/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that is laid out:
 *
 *	header | block map |   | blocks of 1 MiB
 *
 * The block map has 32 bits for each block of the disk: its rank among the
 * allocated ones, which is its place in the file, or that it is zero.
 */
#include "backends/layout/vdi.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "backends/layout/tables.h"
#include "base/bytes.h"
#include "base/size.h"

#define BLOCK MiB

/* QEMU reads the whole map at once, as INT_MAX bytes at most, in sectors: VDI_BLOCKS_IN_IMAGE_MAX. */
#define BLOCKS_MAX UINT64_C(0x1fffff80)

/* Not allocated and read as zeros. 0xffffffff would be "not allocated, whatever is read". */
#define ENTRY_ZERO 0xfffffffe

#define SECTOR_ENTRIES (SECTOR / 4)

enum { TYPE_DYNAMIC = 1, TYPE_FIXED = 2 };

/* Little-endian. */
struct disk_vdi_geometry {
	uint8_t cylinders[4];
	uint8_t heads[4];
	uint8_t sectors[4];
	uint8_t sector_size[4];
};

struct disk_vdi_header {
	char text[64]; /* for people */
	uint8_t signature[4];
	uint8_t version[4];
	uint8_t header_size[4]; /* from here on */
	uint8_t type[4];
	uint8_t flags[4];
	char comment[256];
	uint8_t map_offset[4];
	uint8_t data_offset[4];
	struct disk_vdi_geometry legacy_geometry; /* QEMU wants its sector size */
	uint8_t unused[4];
	uint8_t disk_size[8];
	uint8_t block_size[4];
	uint8_t block_extra[4];
	uint8_t blocks[4];
	uint8_t blocks_allocated[4];
	uint8_t uuid_image[16];
	uint8_t uuid_modified[16];
	uint8_t uuid_parent[16]; /* this and the next are for differences only */
	uint8_t uuid_parent_modified[16];
	struct disk_vdi_geometry geometry; /* zeros: not calculated yet */
	uint8_t pad[40];
};
static_assert(offsetof(struct disk_vdi_header, map_offset) == 0x154, "vdi header");
static_assert(offsetof(struct disk_vdi_header, disk_size) == 0x170, "vdi header");
static_assert(offsetof(struct disk_vdi_header, uuid_image) == 0x188, "vdi header");
static_assert(offsetof(struct disk_vdi_header, pad) == 0x1d8, "vdi header");
static_assert(sizeof(struct disk_vdi_header) == SECTOR, "vdi header");

enum part { HEADER, MAP, N_PARTS };

struct vdi {
	struct tables t;
	bool fixed;
	/* As in the file. VirtualBox takes neither for zeros. */
	uint8_t uuid_image[16];
	uint8_t uuid_modified[16];
};

static void fill_header(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct vdi *v = (const struct vdi *)t;
	struct disk_vdi_header *disk = (struct disk_vdi_header *)sector;

	memcpy(disk->text, "<<< goalfs VirtualBox Disk Image >>>\n", 37);
	put_le32(disk->signature, 0xbeda107f);
	put_le32(disk->version, 0x00010001);
	put_le32(disk->header_size,
		 offsetof(struct disk_vdi_header, pad) - offsetof(struct disk_vdi_header, header_size));
	put_le32(disk->type, v->fixed ? TYPE_FIXED : TYPE_DYNAMIC);
	put_le32(disk->map_offset, tables_at(t, MAP));
	put_le32(disk->data_offset, t->data);
	put_le32(disk->legacy_geometry.sector_size, SECTOR);
	put_le64(disk->disk_size, t->size);
	put_le32(disk->block_size, BLOCK);
	put_le32(disk->blocks, t->guest);
	put_le32(disk->blocks_allocated, t->blocks.total);
	memcpy(disk->uuid_image, v->uuid_image, sizeof(v->uuid_image));
	memcpy(disk->uuid_modified, v->uuid_modified, sizeof(v->uuid_modified));
	put_le32(disk->geometry.sector_size, SECTOR);
}

static void fill_map(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const uint64_t at = n * SECTOR_ENTRIES;
	uint64_t rank[SECTOR_ENTRIES];

	runs_ranks(&t->blocks, at, SECTOR_ENTRIES, rank);
	for (uint64_t i = 0; i < SECTOR_ENTRIES && at + i < t->guest; i++)
		put_le32(sector + 4 * i, rank[i] == RUNS_NONE ? ENTRY_ZERO : rank[i]);
}

static const tables_fill fill[N_PARTS] = { [HEADER] = fill_header, [MAP] = fill_map };

static struct vdi *vdi_new(uint64_t size, const struct layout *how)
{
	struct vdi *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	tables_init(&v->t, size, BLOCK, fill, N_PARTS);
	v->fixed = how->fixed;
	layout_guid(how, v->t.size, "vdi image", v->uuid_image);
	layout_guid(how, v->t.size, "vdi modification", v->uuid_modified);
	return v;
}

int vdi_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why)
{
	_cleanup_(tables_unrefp) struct tables *t = NULL;
	char have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];
	struct vdi *v;

	if (below->size == 0)
		return fail(why, -EOPNOTSUPP, "a vdi file can't hold a disk of no bytes");
	if (below->size > BLOCKS_MAX * BLOCK)
		return fail(why, -EOPNOTSUPP, "a vdi file holds a disk of %s at most, not one of %s",
			    size_format(limit, BLOCKS_MAX * BLOCK), size_format(have, below->size));
	v = vdi_new(below->size, how);
	if (!v)
		return -ENOMEM;
	t = &v->t;
	if (tables_survey(t, below, v->fixed) < 0)
		return -ENOMEM;
	/* As VirtualBox does, blocks begin at a multiple of their size. */
	tables_place(t, (uint64_t[]){ [HEADER] = 1, [MAP] = div_up(t->guest, SECTOR_ENTRIES) }, BLOCK);
	return tables_seal(t, below, "vdi", "blocks", ret, why);
}

static void vdi_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	static const char *const heeds[] = { "fixed", NULL };

	layout_offer(state, want, o, "vdi", heeds);
}

static int vdi_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	const struct layout how = layout_of(opening);

	return vdi_layout(below, &how, ret, why);
}

const struct backend vdi_layout_backend = {
	.name = "vdi",
	.offer = vdi_offer,
	.open = vdi_open,
};
