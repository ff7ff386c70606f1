/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that is laid out:
 *
 *	header | descriptor | directory | tables | directory | tables |   | grains
 *
 * The descriptor is a text. A grain table has 32 bits for each of 512 grains: the
 * sector of the file it stands at, or 0 for one that is not allocated. A grain
 * directory has 32 bits for each table: its sector. Both stand there twice, the
 * first being the redundant one. As the specification has it, all tables exist, also
 * those that are nothing but zeros: these are holes.
 */
#include "backends/layout/vmdk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "backends/layout/tables.h"
#include "base/bytes.h"
#include "base/size.h"

#define GRAIN	      (64 * KiB)
#define GRAIN_SECTORS (GRAIN / SECTOR)
#define GTES	      512 /* of a table; QEMU takes no more */
#define GT_SECTORS    (GTES * 4 / SECTOR)

#define DESCRIPTOR_SECTORS 20 /* as VMware and QEMU leave, who write to it */

/* QEMU takes no directory of more entries (vmdk_add_extent). */
#define TABLES_MAX (32 * MiB)
#define DISK_MAX   (TABLES_MAX * GTES * GRAIN)
/* The sector of a grain has 32 bits. */
#define FILE_MAX (SECTOR << 32)

#define SECTOR_ENTRIES (SECTOR / 4)

/* That the end of lines is as below, and that there is a redundant directory. */
#define FLAGS 3

/* Little-endian. */
struct disk_vmdk_header {
	uint8_t magic[4]; /* "KDMV" */
	uint8_t version[4];
	uint8_t flags[4];
	uint8_t capacity[8]; /* this and the next: sectors */
	uint8_t grain_size[8];
	uint8_t descriptor_offset[8];
	uint8_t descriptor_size[8];
	uint8_t gtes[4];
	uint8_t rgd_offset[8];
	uint8_t gd_offset[8];
	uint8_t overhead[8]; /* where the grains begin */
	uint8_t unclean;
	uint8_t line_ends[4]; /* tell a file that was copied as a text */
	uint8_t compression[2];
	uint8_t pad[433];
};
static_assert(sizeof(struct disk_vmdk_header) == SECTOR, "vmdk header");

enum part { HEADER, DESCRIPTOR, RGD, RGT, GD, GT, N_PARTS };

struct vmdk {
	struct tables t;
	uint64_t tables;
	char descriptor[640]; /* zeros behind the text */
};

static void fill_header(const struct tables *t, uint8_t *sector, uint64_t n)
{
	struct disk_vmdk_header *disk = (struct disk_vmdk_header *)sector;

	memcpy(disk->magic, "KDMV", 4);
	put_le32(disk->version, 1);
	put_le32(disk->flags, FLAGS);
	put_le64(disk->capacity, t->size / SECTOR);
	put_le64(disk->grain_size, GRAIN_SECTORS);
	put_le64(disk->descriptor_offset, t->first[DESCRIPTOR]);
	put_le64(disk->descriptor_size, DESCRIPTOR_SECTORS);
	put_le32(disk->gtes, GTES);
	put_le64(disk->rgd_offset, t->first[RGD]);
	put_le64(disk->gd_offset, t->first[GD]);
	put_le64(disk->overhead, t->data / SECTOR);
	memcpy(disk->line_ends, "\n \r\n", 4);
}

static void fill_descriptor(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct vmdk *v = (const struct vmdk *)t;

	if (n * SECTOR < sizeof(v->descriptor))
		memcpy(sector, v->descriptor + n * SECTOR, min_u64(SECTOR, sizeof(v->descriptor) - n * SECTOR));
}

static void fill_directory(const struct vmdk *v, uint8_t *sector, uint64_t n, enum part tables)
{
	const uint64_t at = n * SECTOR_ENTRIES;

	for (uint64_t i = 0; i < SECTOR_ENTRIES && at + i < v->tables; i++)
		put_le32(sector + 4 * i, v->t.first[tables] + (at + i) * GT_SECTORS);
}

static void fill_rgd(const struct tables *t, uint8_t *sector, uint64_t n)
{
	fill_directory((const struct vmdk *)t, sector, n, RGT);
}

static void fill_gd(const struct tables *t, uint8_t *sector, uint64_t n)
{
	fill_directory((const struct vmdk *)t, sector, n, GT);
}

static void fill_table(const struct tables *t, uint8_t *sector, uint64_t n)
{
	uint64_t rank[SECTOR_ENTRIES];

	runs_ranks(&t->blocks, n * SECTOR_ENTRIES, SECTOR_ENTRIES, rank);
	for (uint64_t i = 0; i < SECTOR_ENTRIES; i++)
		if (rank[i] != RUNS_NONE)
			put_le32(sector + 4 * i, t->data / SECTOR + rank[i] * GRAIN_SECTORS);
}

static const tables_fill fill[N_PARTS] = {
	[HEADER] = fill_header, [DESCRIPTOR] = fill_descriptor,
	[RGD] = fill_rgd,	[RGT] = fill_table,
	[GD] = fill_gd,		[GT] = fill_table,
};

/* Of sector `n` of the tables, and what follows it: whether it speaks of any grain that is allocated. */
static struct extent table_extent(const struct tables *t, uint64_t n, uint64_t end)
{
	const struct runs *grains = &t->blocks;
	size_t i = runs_find(grains, n * SECTOR_ENTRIES);
	uint64_t first = i < grains->n ? grains->run[i].first / SECTOR_ENTRIES : end;

	if (first > n)
		return (struct extent){ (min_u64(first, end) - n) * SECTOR, EXTENT_ZERO };
	return (struct extent){ (div_up(runs_end(grains, i), SECTOR_ENTRIES) - n) * SECTOR, EXTENT_DATA };
}

static void vmdk_extent(const struct computed *c, uint64_t offset, struct extent *ret)
{
	const struct tables *t = (const struct tables *)c;
	unsigned part = tables_part(t, offset / SECTOR);

	*ret = (struct extent){ tables_at(t, part + 1) - offset, EXTENT_DATA };
	if (part != RGT && part != GT)
		return;
	*ret = table_extent(t, offset / SECTOR - t->first[part], t->first[part + 1] - t->first[part]);
	ret->length -= offset % SECTOR;
}

/*
 * lsilogic rather than ide, and the geometry that goes with it, are what VMware's own
 * converter writes (open-vmdk, sparse.c) and fit the SCSI controllers that its guests
 * have; QEMU and VirtualBox take any. The name of the extent should be that of the file
 * it stands in, which nobody knows here; it is not looked at in this kind, so that files
 * can be renamed.
 */
static void write_descriptor(struct vmdk *v, const struct layout *how)
{
	const uint64_t sectors = v->t.size / SECTOR;
	uint8_t cid[16], uuid[16];
	int n;

	layout_uuid(how, v->t.size, "vmdk content", cid);
	layout_uuid(how, v->t.size, "vmdk image", uuid);
	n = snprintf(v->descriptor, sizeof(v->descriptor),
		     "# Disk DescriptorFile\n"
		     "version=1\n"
		     "CID=%08" PRIx32 "\n"
		     "parentCID=ffffffff\n"
		     "createType=\"monolithicSparse\"\n"
		     "\n"
		     "# Extent description\n"
		     "RW %" PRIu64 " SPARSE \"disk.vmdk\"\n"
		     "\n"
		     "# The Disk Data Base\n"
		     "#DDB\n"
		     "\n"
		     "ddb.virtualHWVersion = \"4\"\n"
		     "ddb.geometry.cylinders = \"%" PRIu64 "\"\n"
		     "ddb.geometry.heads = \"255\"\n"
		     "ddb.geometry.sectors = \"63\"\n"
		     "ddb.adapterType = \"lsilogic\"\n"
		     "ddb.uuid.image = \"%08" PRIx32 "-%04x-%04x-%04x-%04x%08" PRIx32 "\"\n",
		     /* ffffffff would say that there is none. */
		     get_be32(cid) & 0x7fffffff, sectors, min_u64(65535, div_up(sectors, 255 * 63)),
		     get_be32(uuid), get_be16(uuid + 4), get_be16(uuid + 6), get_be16(uuid + 8),
		     get_be16(uuid + 10), get_be32(uuid + 12));
	assert(n > 0 && (size_t)n < sizeof(v->descriptor));
	(void)n;
}

static struct vmdk *vmdk_new(uint64_t size, const struct layout *how)
{
	struct vmdk *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	tables_init(&v->t, size, GRAIN, fill, N_PARTS);
	v->t.computed.extent = vmdk_extent;
	v->tables = div_up(v->t.guest, GTES);
	write_descriptor(v, how);
	return v;
}

static int vmdk_plan(struct vmdk *v, struct image *below, struct why *why)
{
	const uint64_t directory = div_up(v->tables, SECTOR_ENTRIES), tables = v->tables * GT_SECTORS;
	const uint64_t length[N_PARTS] = {
		[HEADER] = 1,	   [DESCRIPTOR] = DESCRIPTOR_SECTORS,
		[RGD] = directory, [RGT] = tables,
		[GD] = directory,  [GT] = tables,
	};
	char have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];

	if (tables_survey(&v->t, below, /* all= */ false) < 0)
		return -ENOMEM;
	tables_place(&v->t, length, GRAIN);
	if (tables_file_size(&v->t) <= FILE_MAX)
		return 0;
	return fail(why, -EOPNOTSUPP, "a vmdk file may be of %s at most, this one would be of %s",
		    size_format(limit, FILE_MAX), size_format(have, tables_file_size(&v->t)));
}

int vmdk_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why)
{
	_cleanup_(tables_unrefp) struct tables *t = NULL;
	char have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];
	struct vmdk *v;
	int r;

	if (below->size == 0)
		return fail(why, -EOPNOTSUPP, "a vmdk file can't hold a disk of no bytes");
	if (below->size > DISK_MAX)
		return fail(why, -EOPNOTSUPP, "a vmdk file holds a disk of %s at most, not one of %s",
			    size_format(limit, DISK_MAX), size_format(have, below->size));
	v = vmdk_new(below->size, how);
	if (!v)
		return -ENOMEM;
	t = &v->t;
	r = vmdk_plan(v, below, why);
	return r < 0 ? r : tables_seal(t, below, "vmdk", "grains", ret, why);
}

static void vmdk_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	static const char *const heeds[] = { NULL };

	layout_offer(state, want, o, "vmdk", heeds);
}

static int vmdk_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	const struct layout how = layout_of(opening);

	return vmdk_layout(below, &how, ret, why);
}

const struct backend vmdk_layout_backend = {
	.name = "vmdk",
	.offer = vmdk_offer,
	.open = vmdk_open,
};
