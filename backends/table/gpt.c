/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GUID partition table (UEFI specification, chapter 5).
 *
 *	sector 0    protective mbr: one entry of type ee, from sector 1 on
 *	1           header: where the array is, what is usable, checksums of both
 *	2..33       array of entries (128 of 128 bytes as a rule)
 *	            first_usable .. last_usable: the partitions
 *	-33..-2     backup array
 *	-1          backup header: its own place, its own checksum, the same array
 *
 * Growing moves the backup to the new end, where the array is shown a second
 * time by an alias, and changes 16 bytes of the entries that grow or move and 28
 * of the header. The sector's size is not recorded anywhere: the header stands at 512 or at 4096.
 *
 * A table whose primary is damaged is refused even if the backup is sound. The
 * guest's kernel doesn't look at the backup either, unless told so, and growth
 * would have to write a primary anew: a repair that the same template at its
 * own size doesn't get.
 */
#include "backends/table/table.h"

#include <errno.h>
#include <inttypes.h>
#include <lzma.h>
#include <stdio.h>

#include "backends/table/protective.h"
#include "backends/table/stretch.h"
#include "base/bytes.h"
#include "base/size.h"
#include "base/utf.h"

struct disk_gpt_header {  /* little-endian */
	uint8_t magic[8]; /* "EFI PART" */
	uint8_t revision[4];
	uint8_t header_size[4];
	uint8_t header_crc[4]; /* of header_size bytes, this field zero */
	uint8_t reserved[4];
	uint8_t my_lba[8];
	uint8_t alternate_lba[8];
	uint8_t first_usable[8];
	uint8_t last_usable[8]; /* inclusive */
	uint8_t disk_guid[16];
	uint8_t array_lba[8];
	uint8_t n_entries[4];
	uint8_t entry_size[4];
	uint8_t array_crc[4];
};
_Static_assert(sizeof(struct disk_gpt_header) == 92, "gpt header");

struct disk_gpt_entry {
	uint8_t type[16]; /* all zero: unused */
	uint8_t guid[16];
	uint8_t first[8];
	uint8_t last[8]; /* inclusive */
	uint8_t attributes[8];
	uint8_t name[72]; /* utf-16 */
};
_Static_assert(sizeof(struct disk_gpt_entry) == 128, "gpt entry");

#define BOOTABLE (UINT64_C(1) << 2) /* "legacy BIOS bootable" */

/* What a header may make us allocate; PARTITIONS_MAX entries of the usual size are an eighth of it. */
#define ARRAY_MAX MiB
/* Room that the specification wants reserved for the array at least. */
#define ARRAY_ROOM UINT64_C(16384)

/* A table as it was read and checked: table.raw. */
struct gpt {
	uint64_t sector, sectors; /* bytes in one; how many the disk has */
	uint64_t alternate, first_usable, last_usable, array_lba;
	uint32_t header_size, n_entries, entry_size;
	uint8_t disk_mbr[512];
	uint8_t disk_header[512];
	uint8_t disk_array[]; /* n_entries * entry_size */
};

static uint64_t array_size(const struct gpt *g)
{
	return (uint64_t)g->n_entries * g->entry_size;
}

/* Sectors that the array and what is reserved for it take at the end of the disk. */
static uint64_t array_room(const struct gpt *g)
{
	return div_up(max_u64(array_size(g), ARRAY_ROOM), g->sector);
}

static uint32_t header_crc(const uint8_t disk_header[512], uint32_t header_size)
{
	uint8_t copy[512];

	memcpy(copy, disk_header, header_size);
	memset(((struct disk_gpt_header *)copy)->header_crc, 0, 4);
	return lzma_crc32(copy, header_size, 0);
}

static int check_header(const uint8_t disk_header[512], uint64_t lba, struct why *why)
{
	const struct disk_gpt_header *disk = (const void *)disk_header;
	uint32_t size = get_le32(disk->header_size), have = get_le32(disk->header_crc), want;
	uint64_t my_lba = get_le64(disk->my_lba);

	if (size < sizeof(*disk) || size > 512)
		return fail(why, -EBADMSG, "its header claims to be %" PRIu32 " bytes long", size);
	want = header_crc(disk_header, size);
	if (have != want)
		return fail(why, -EBADMSG, "its header says checksum %08" PRIx32 ", but has %08" PRIx32, have,
			    want);
	if (get_le32(disk->revision) >> 16 != 1)
		return fail(why, -EOPNOTSUPP, "the gpt is of revision %08" PRIx32 "; only 1.0 is known",
			    get_le32(disk->revision));
	if (my_lba != lba)
		return fail(why, -EBADMSG, "its header stands at sector %" PRIu64 ", but says %" PRIu64, lba,
			    my_lba);
	return 0;
}

static int check_array_claims(uint32_t n, uint32_t entry_size, struct why *why)
{
	if (entry_size < sizeof(struct disk_gpt_entry) || (entry_size & (entry_size - 1)))
		return fail(why, -EBADMSG,
			    "its entries are %" PRIu32 " bytes long, which is no power of two from 128 on",
			    entry_size);
	if (n == 0 || n > PARTITIONS_MAX || (uint64_t)n * entry_size > ARRAY_MAX)
		return fail(why, -EBADMSG,
			    "it claims %" PRIu32 " entries of %" PRIu32 " bytes; up to %d are handled", n,
			    entry_size, PARTITIONS_MAX);
	return 0;
}

static void decode_header(const uint8_t disk_header[512], struct gpt *g)
{
	const struct disk_gpt_header *disk = (const void *)disk_header;

	g->alternate = get_le64(disk->alternate_lba);
	g->first_usable = get_le64(disk->first_usable);
	g->last_usable = get_le64(disk->last_usable);
	g->array_lba = get_le64(disk->array_lba);
	g->header_size = get_le32(disk->header_size);
	g->n_entries = get_le32(disk->n_entries);
	g->entry_size = get_le32(disk->entry_size);
	memcpy(g->disk_header, disk_header, sizeof(g->disk_header));
}

static int read_array(struct image *disk, struct gpt *g, struct why *why)
{
	const struct disk_gpt_header *disk_header = (const void *)g->disk_header;
	uint32_t have, want;
	int r;

	if (g->array_lba > g->sectors || !range_ok(g->array_lba * g->sector, array_size(g), disk->size))
		return fail(why, -EBADMSG, "its array would stand at sector %" PRIu64 " of a disk of %" PRIu64,
			    g->array_lba, g->sectors);
	r = image_pread(disk, g->disk_array, array_size(g), g->array_lba * g->sector, why);
	if (r < 0)
		return r;
	have = get_le32(disk_header->array_crc);
	want = lzma_crc32(g->disk_array, array_size(g), 0);
	if (have != want)
		return fail(why, -EBADMSG, "its array should have checksum %08" PRIx32 ", but has %08" PRIx32,
			    have, want);
	return 0;
}

/* The table whose header stands at sector `lba`, by its checksums. 0; 1: no header there; or an error. */
static int load(struct image *disk, uint64_t sector, uint64_t lba, struct gpt **ret, struct why *why)
{
	_cleanup_free_ struct gpt *g = NULL;
	const struct disk_gpt_header *disk_header;
	uint8_t buf[512];
	int r;

	if (lba >= disk->size / sector)
		return 1;
	r = image_pread(disk, buf, sizeof(buf), lba * sector, why);
	if (r < 0)
		return r;
	disk_header = (const void *)buf;
	if (memcmp(disk_header->magic, "EFI PART", 8) != 0)
		return 1;
	r = check_header(buf, lba, why);
	if (r == 0)
		r = check_array_claims(get_le32(disk_header->n_entries), get_le32(disk_header->entry_size),
				       why);
	if (r < 0)
		return r;
	g = calloc(1,
		   sizeof(*g) + (size_t)get_le32(disk_header->n_entries) * get_le32(disk_header->entry_size));
	if (!g)
		return -ENOMEM;
	g->sector = sector;
	g->sectors = disk->size / sector;
	decode_header(buf, g);
	r = read_array(disk, g, why);
	if (r < 0)
		return r;
	*ret = take(g);
	return 0;
}

static bool backup_is_sound(struct image *disk)
{
	static const uint64_t sectors[] = { 512, 4096 };

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ struct gpt *g = NULL;
		uint64_t n = disk->size / sectors[i];

		if (n > 2 && load(disk, sectors[i], n - 1, &g, /* why= */ NULL) == 0)
			return true;
	}
	return false;
}

static int load_primary(struct image *disk, struct gpt **ret, struct why *why)
{
	struct why at_512 = { "" }, at_4096 = { "" };
	int r_512, r_4096;

	r_512 = load(disk, 512, 1, ret, &at_512);
	if (r_512 != 1 && r_512 != -EBADMSG)
		return r_512 < 0 ? fail(why, r_512, "%s", why_text(&at_512, r_512)) : 0;
	/* A header at 512 may be left over from a time when the sectors were smaller. */
	r_4096 = load(disk, 4096, 1, ret, &at_4096);
	if (r_4096 != 1 && r_4096 != -EBADMSG)
		return r_4096 < 0 ? fail(why, r_4096, "%s", why_text(&at_4096, r_4096)) : 0;
	return fail(why, -EBADMSG, "the gpt is damaged: %s%s",
		    r_512 < 0	 ? at_512.text
		    : r_4096 < 0 ? at_4096.text
				 : "its mbr protects it, but its header is gone",
		    backup_is_sound(disk)
			    ? "; the backup at the end of the disk is sound, gdisk can repair the template"
			    : "");
}

static int check_ranges(const struct gpt *g, struct why *why)
{
	uint64_t array_end = g->array_lba + div_up(array_size(g), g->sector);

	if (g->array_lba < 2 || array_end > g->first_usable)
		return fail(why, -EBADMSG,
			    "the gpt is damaged: its array at sector %" PRIu64
			    " ends behind the first usable sector, %" PRIu64,
			    g->array_lba, g->first_usable);
	if (g->last_usable >= g->sectors)
		return fail(why, -EBADMSG,
			    "truncated image: its gpt speaks of %" PRIu64
			    " sectors and more, the disk has %" PRIu64,
			    g->last_usable + 1, g->sectors);
	if (g->first_usable > g->last_usable)
		return fail(why, -EBADMSG, "the gpt is damaged: its usable sectors are %" PRIu64 " to %" PRIu64,
			    g->first_usable, g->last_usable);
	return 0;
}

static void guid_text(char *text, size_t size, const uint8_t guid[16])
{
	(void)snprintf(text, size, "%08" PRIx32 "-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", get_le32(guid),
		       get_le16(guid + 4), get_le16(guid + 6), guid[8], guid[9], guid[10], guid[11], guid[12],
		       guid[13], guid[14], guid[15]);
}

static int add_entry(const struct gpt *g, unsigned number, const struct disk_gpt_entry *disk_entry,
		     struct table *t, struct why *why)
{
	struct partition p = { .number = number };
	uint64_t first = get_le64(disk_entry->first), last = get_le64(disk_entry->last);

	if (first > last || first < g->first_usable || last > g->last_usable)
		return fail(why, -EBADMSG,
			    "the gpt is damaged: partition %u has the sectors %" PRIu64 " to %" PRIu64
			    ", usable are %" PRIu64 " to %" PRIu64,
			    number, first, last, g->first_usable, g->last_usable);
	p.start = first * g->sector;
	p.length = (last - first + 1) * g->sector;
	p.bootable = get_le64(disk_entry->attributes) & BOOTABLE;
	guid_text(p.kind, sizeof(p.kind), disk_entry->type);
	guid_text(p.id, sizeof(p.id), disk_entry->guid);
	(void)utf16_text(p.label, disk_entry->name, 36, /* big_endian= */ false);
	return table_add(t, &p, why);
}

static int add_entries(const struct gpt *g, struct table *t, struct why *why)
{
	for (unsigned i = 0; i < g->n_entries; i++) {
		const struct disk_gpt_entry *e = (const void *)(g->disk_array + (size_t)i * g->entry_size);
		int r;

		if (bytes_are_zero(e->type, sizeof(e->type)))
			continue;
		r = add_entry(g, i + 1, e, t, why);
		if (r < 0)
			return r;
	}
	return table_sort(t, why);
}

/* All but the room for partitions. A disk that was made larger may have old backups behind it. */
static int add_own(const struct gpt *g, uint64_t size, struct table *t)
{
	uint64_t end = (g->last_usable + 1) * g->sector;
	int r = table_own(t, 0, g->first_usable * g->sector);

	return r < 0 ? r : table_own(t, end, size - end);
}

static int gpt_read(struct image *disk, struct table *ret, struct why *why)
{
	_cleanup_free_ struct gpt *g = NULL;
	_cleanup_(table_done) struct table t = { .ops = &gpt_table };
	uint8_t disk_mbr[512];
	int r;

	if (disk->size < 3 * SECTOR)
		return 1;
	r = image_pread(disk, disk_mbr, sizeof(disk_mbr), 0, why);
	if (r < 0)
		return r;
	if (!protective_is(disk_mbr))
		return 1;
	r = load_primary(disk, &g, why);
	if (r == 0)
		r = check_ranges(g, why);
	if (r == 0)
		r = add_entries(g, &t, why);
	if (r == 0)
		r = add_own(g, disk->size, &t);
	if (r < 0)
		return r;
	memcpy(g->disk_mbr, disk_mbr, sizeof(disk_mbr));
	guid_text(t.id, sizeof(t.id), ((const struct disk_gpt_header *)g->disk_header)->disk_guid);
	t.sector = (unsigned)g->sector;
	t.raw = take(g);
	*ret = t;
	t = (struct table){ 0 };
	return 0;
}

/* What no tool should find any more: `EFI PART` where the disk used to end. */
static void paint_old_backup(const struct gpt *g, struct map_draft *draft)
{
	uint64_t first;

	if (g->alternate <= g->last_usable || g->alternate >= g->sectors)
		return;
	first = g->alternate - min_u64(g->alternate, array_room(g));
	first = max_u64(first, g->last_usable + 1);
	map_draft_zero(draft, first * g->sector, (g->alternate + 1 - first) * g->sector);
}

/* The primary header with `g`'s alternate, last_usable and array_crc changed, then the backup of it all. */
static void paint_headers(const struct gpt *g, uint64_t alternate, uint32_t array_crc, struct map_draft *draft)
{
	uint8_t buf[512];
	struct disk_gpt_header *disk = (struct disk_gpt_header *)buf;
	uint64_t last_usable = alternate - array_room(g) - 1;

	memcpy(buf, g->disk_header, sizeof(buf));
	put_le64(disk->alternate_lba, alternate);
	put_le64(disk->last_usable, last_usable);
	put_le32(disk->array_crc, array_crc);
	put_le32(disk->header_crc, header_crc(buf, g->header_size));
	map_draft_bytes(draft, g->sector, buf, g->header_size);

	put_le64(disk->my_lba, alternate);
	put_le64(disk->alternate_lba, 1);
	put_le64(disk->array_lba, last_usable + 1);
	put_le32(disk->header_crc, header_crc(buf, g->header_size));
	map_draft_zero(draft, (last_usable + 1) * g->sector,
		       map_draft_size(draft) - (last_usable + 1) * g->sector);
	map_draft_alias(draft, (last_usable + 1) * g->sector, array_size(g), g->array_lba * g->sector);
	map_draft_bytes(draft, alternate * g->sector, buf, g->header_size);
}

/* The entries of partitions that grow or move; `array` is the array with them changed. */
static void paint_entries(const struct gpt *g, const struct table *t, const struct stretch *s, uint8_t *array,
			  struct map_draft *draft)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct partition *p = &t->partition[i];
		size_t at = (size_t)(p->number - 1) * g->entry_size;
		struct disk_gpt_entry *disk = (struct disk_gpt_entry *)(array + at);
		uint64_t start = stretch_start(s, p->start),
			 end = stretch_end(s, p->start, p->start + p->length);

		if (start == p->start && end == p->start + p->length)
			continue;
		put_le64(disk->first, start / g->sector);
		put_le64(disk->last, end / g->sector - 1);
		map_draft_bytes(draft, g->array_lba * g->sector + at + offsetof(struct disk_gpt_entry, first),
				disk->first, sizeof(disk->first) + sizeof(disk->last));
	}
}

static int paint_array(const struct gpt *g, const struct table *t, const struct stretch *s,
		       struct map_draft *draft, uint32_t *ret_crc)
{
	_cleanup_free_ uint8_t *array = malloc(array_size(g));

	if (!array)
		return -ENOMEM;
	memcpy(array, g->disk_array, array_size(g));
	paint_entries(g, t, s, array, draft);
	*ret_crc = lzma_crc32(array, array_size(g), 0);
	return 0;
}

/* The last sector of the grown disk that partitions may use, once the backup has its room behind it. */
static int new_last_usable(const struct gpt *g, const struct table *t, uint64_t size, uint64_t *ret,
			   struct why *why)
{
	const struct partition *last = table_last(t);
	uint64_t sectors = size / g->sector, room = array_room(g) + 2;
	uint64_t end = last ? last->start + last->length : g->first_usable * g->sector;
	char end_text[SIZE_TEXT_MAX], size_text[SIZE_TEXT_MAX];

	if (sectors < room || sectors - room + 1 < end / g->sector)
		return fail(why, -EOPNOTSUPP,
			    "the gpt needs %" PRIu64
			    " bytes behind its last partition, which ends at %s, for its backup: a disk "
			    "of %s leaves too little",
			    (room - 1) * g->sector, size_format(end_text, end), size_format(size_text, size));
	*ret = sectors - room;
	return 0;
}

static struct stretch plan_growth(const struct gpt *g, const struct table *t, const struct partition *partition,
				  uint64_t last_usable)
{
	const struct partition *last = table_last(t);

	return stretch_of(partition, last ? last->start + last->length : 0, (last_usable + 1) * g->sector);
}

static int gpt_grow(struct image *disk, const struct table *t, const struct partition *partition,
		    struct map_draft *draft, struct table_growth *ret, struct why *why)
{
	const struct gpt *g = t->raw;
	const struct protective mbr = {
		.disk_mbr = g->disk_mbr,
		.sector = g->sector,
		.old_sectors = g->sectors,
		.new_sectors = map_draft_size(draft) / g->sector,
	};
	uint64_t last_usable = 0;
	uint32_t array_crc = 0;
	struct stretch s;
	int r;

	r = new_last_usable(g, t, map_draft_size(draft), &last_usable, why);
	if (r < 0)
		return r;
	s = plan_growth(g, t, partition, last_usable);
	paint_old_backup(g, draft);
	stretch_paint(&s, draft);
	r = protective_paint(&mbr, &s, draft, why);
	if (r == 0)
		r = paint_array(g, t, &s, draft, &array_crc);
	if (r < 0)
		return r;
	paint_headers(g, last_usable + array_room(g) + 1, array_crc, draft);
	*ret = stretch_growth(&s);
	return map_draft_error(draft);
}

const struct table_ops gpt_table = {
	.name = "gpt",
	.read = gpt_read,
	.grow = gpt_grow,
};
