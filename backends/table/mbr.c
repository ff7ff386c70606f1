/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The partition table of the PC's boot sector.
 *
 *	0    boot code, the disk's signature at 440
 *	446  four entries of 16 bytes: status, CHS of the first sector, type, CHS
 *	     of the last, first sector, count of sectors (32 bits, little-endian)
 *	510  55 aa
 *
 * One entry may be an extended partition. Its first sector, and each next one
 * of a chain, is such a table again (an EBR) with two entries: a logical
 * partition, its start relative to this EBR, and the next EBR, relative to the
 * extended partition. Logical ones are numbered from 5, in the chain's order.
 *
 * Growing a primary changes the count and the last CHS of its entry, 7 bytes:
 * boot code, signature (Windows and PARTUUID= go by it) and flags are not even
 * patched. Sectors are taken for 512 bytes; nothing on the disk tells.
 *
 * The signature alone says little: FAT and NTFS have it too, and code where the
 * entries would be.
 */
#include "backends/table/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/size.h"

struct disk_mbr_entry {
	uint8_t status; /* 80: active; 00 */
	uint8_t chs_first[3];
	uint8_t type;
	uint8_t chs_last[3];
	uint8_t start[4];
	uint8_t count[4];
};
_Static_assert(sizeof(struct disk_mbr_entry) == 16, "mbr entry");

#define DISK_ID	  440
#define ENTRIES	  446
#define SIGNATURE 510

#define LDM 0x42 /* Windows dynamic disks keep their database at the end of the disk */
#define EE  0xee

#define FIRST_LOGICAL 5
#define LOGICAL_MAX   128
/* start + count stay below it, in sectors: 2 TiB, less one sector. */
#define SECTORS_MAX UINT64_C(0xffffffff)
#define ALIGNMENT   MiB

struct entry {
	uint8_t status, type;
	uint32_t start, count; /* sectors */
};

static struct entry entry_at(const uint8_t sector[512], unsigned i)
{
	const struct disk_mbr_entry *disk = (const void *)(sector + ENTRIES + i * sizeof(*disk));

	return (struct entry){ disk->status, disk->type, get_le32(disk->start), get_le32(disk->count) };
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool is_signed(const uint8_t sector[512])
{
	return get_le16(sector + SIGNATURE) == 0xaa55;
}

/* Linux goes by the same rule: any other status makes it no table. And no entry at all makes an empty one. */
static bool has_entries(const uint8_t sector[512])
{
	bool any = false;

	for (unsigned i = 0; i < 4; i++) {
		struct entry e = entry_at(sector, i);

		if (e.status != 0 && e.status != 0x80)
			return false;
		any |= e.count != 0;
	}
	return any;
}

/* The boot sector of a filesystem that takes the whole disk, by the names that it writes there. */
static bool is_boot_sector(const uint8_t sector[512])
{
	return memcmp(sector + 3, "NTFS    ", 8) == 0 || memcmp(sector + 3, "EXFAT   ", 8) == 0 ||
	       memcmp(sector + 3, "-FVE-FS-", 8) == 0 || memcmp(sector + 54, "FAT", 3) == 0 ||
	       memcmp(sector + 82, "FAT32   ", 8) == 0;
}

static int add(struct table *t, struct image *disk, unsigned number, const struct entry *e, uint64_t base,
	       struct why *why)
{
	struct partition p = {
		.number = number,
		.start = (base + e->start) * SECTOR,
		.length = e->count * SECTOR,
		.bootable = e->status == 0x80,
		.extended = number < FIRST_LOGICAL && is_extended(e->type),
		.logical = number >= FIRST_LOGICAL,
	};
	char end_text[SIZE_TEXT_MAX], size_text[SIZE_TEXT_MAX];

	if (p.start == 0)
		return fail(why, -EBADMSG, "the mbr is damaged: partition %u starts on the table itself",
			    number);
	if (!range_ok(p.start, p.length, disk->size))
		return fail(why, -EBADMSG, "truncated image: partition %u ends at %s, the disk at %s", number,
			    size_format(end_text, p.start + p.length), size_format(size_text, disk->size));
	(void)snprintf(p.kind, sizeof(p.kind), "%02x", e->type);
	if (t->id[0])
		(void)snprintf(p.id, sizeof(p.id), "%.8s-%02x", t->id, number);
	return table_add(t, &p, why);
}

/* One walk along the chain of EBRs. */
struct chain {
	struct image *disk;
	struct partition extended;  /* a copy: the table's array moves as it grows */
	uint64_t seen[LOGICAL_MAX]; /* sectors */
	unsigned n;
};

static int check_ebr(struct chain *c, uint64_t at, struct why *why)
{
	if (at * SECTOR < c->extended.start || at * SECTOR >= c->extended.start + c->extended.length)
		return fail(why, -EBADMSG,
			    "the mbr is damaged: the chain of logical partitions leaves extended partition %u "
			    "at sector "
			    "%" PRIu64,
			    c->extended.number, at);
	if (c->n == LOGICAL_MAX)
		return fail(why, -EBADMSG, "the mbr is damaged: more than %d logical partitions", LOGICAL_MAX);
	for (unsigned i = 0; i < c->n; i++)
		if (c->seen[i] == at)
			return fail(why, -EBADMSG,
				    "the mbr is damaged: the chain of logical partitions comes back to sector "
				    "%" PRIu64,
				    at);
	c->seen[c->n++] = at;
	return 0;
}

static int read_ebr(struct chain *c, uint64_t at, uint8_t ret_sector[512], struct why *why)
{
	int r = check_ebr(c, at, why);

	if (r == 0)
		r = image_pread(c->disk, ret_sector, 512, at * SECTOR, why);
	if (r < 0)
		return r;
	if (is_signed(ret_sector))
		return 0;
	if (c->n == 1)
		return 1; /* nobody has made a logical partition yet */
	return fail(why, -EBADMSG,
		    "the mbr is damaged: the chain of logical partitions breaks off at sector %" PRIu64, at);
}

static int add_logical(struct chain *c, const struct entry *e, uint64_t ebr, struct table *t, struct why *why)
{
	const struct partition *x = &c->extended, *p;
	unsigned number = table_last(t)->logical ? table_last(t)->number + 1 : FIRST_LOGICAL;
	int r = add(t, c->disk, number, e, ebr, why);

	if (r < 0)
		return r;
	p = table_last(t); /* not sorted yet: the one just added */
	if (e->start == 0 || p->start + p->length > x->start + x->length)
		return fail(why, -EBADMSG,
			    "the mbr is damaged: logical partition %u isn't inside extended partition %u",
			    number, x->number);
	return 0;
}

/* Whoever writes to such a partition cuts off the chain. */
static int check_ebrs_apart(const struct chain *c, const struct table *t, struct why *why)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct partition *p = &t->partition[i];

		for (unsigned k = 0; k < c->n && p->logical; k++)
			if (c->seen[k] * SECTOR >= p->start && c->seen[k] * SECTOR < p->start + p->length)
				return fail(why, -EBADMSG,
					    "the mbr is damaged: logical partition %u lies over the chain of "
					    "logical partitions at sector %" PRIu64,
					    p->number, c->seen[k]);
	}
	return 0;
}

static int add_chain(struct image *disk, const struct partition *extended, struct table *t, struct why *why)
{
	struct chain c = { .disk = disk, .extended = *extended };
	uint64_t base = extended->start / SECTOR, next = base;

	while (next) {
		uint8_t sector[512];
		uint64_t ebr = next;
		int r = read_ebr(&c, ebr, sector, why);

		if (r != 0)
			return r < 0 ? r : 0;
		next = 0;
		for (unsigned i = 0; i < 4; i++) {
			struct entry e = entry_at(sector, i);

			if (e.count == 0)
				continue;
			if (is_extended(e.type))
				next = next ? next : base + e.start;
			else if ((r = add_logical(&c, &e, ebr, t, why)) < 0)
				return r;
		}
	}
	return check_ebrs_apart(&c, t, why);
}

static int add_primaries(const uint8_t sector[512], struct image *disk, struct table *t, struct why *why)
{
	for (unsigned i = 0; i < 4; i++) {
		struct entry e = entry_at(sector, i);
		int r;

		if (e.count == 0)
			continue;
		if (e.type == EE)
			return fail(why, -EOPNOTSUPP,
				    "partition %u of the mbr is of type ee, but protects no gpt", i + 1);
		r = add(t, disk, i + 1, &e, 0, why);
		if (r < 0)
			return r;
	}
	return table_sort(t, why);
}

static int add_logicals(struct image *disk, struct table *t, struct why *why)
{
	const struct partition *extended = NULL;
	int r;

	for (unsigned i = 0; i < t->n; i++) {
		if (!t->partition[i].extended)
			continue;
		if (extended)
			return fail(why, -EOPNOTSUPP, "partitions %u and %u are both extended ones",
				    extended->number, t->partition[i].number);
		extended = &t->partition[i];
	}
	if (!extended)
		return 0;
	r = add_chain(disk, extended, t, why);
	return r < 0 ? r : table_sort(t, why);
}

static int mbr_read(struct image *disk, struct table *ret, struct why *why)
{
	_cleanup_(table_done) struct table t = { .ops = &mbr_table, .sector = SECTOR };
	_cleanup_free_ uint8_t *sector = malloc(512);
	int r;

	if (!sector)
		return -ENOMEM;
	if (disk->size < SECTOR)
		return 1;
	r = image_pread(disk, sector, 512, 0, why);
	if (r < 0)
		return r;
	if (!is_signed(sector) || !has_entries(sector))
		return 1;
	if (get_le32(sector + DISK_ID))
		(void)snprintf(t.id, sizeof(t.id), "%08" PRIx32, get_le32(sector + DISK_ID));
	r = add_primaries(sector, disk, &t, is_boot_sector(sector) ? NULL : why);
	if ((r == -EBADMSG || r == -EOPNOTSUPP) && is_boot_sector(sector))
		return 1;
	if (r == 0)
		r = add_logicals(disk, &t, why);
	if (r < 0)
		return r;
	t.raw = take(sector);
	*ret = t;
	t = (struct table){ 0 };
	return 0;
}

/* Geometry 255 heads, 63 sectors, as everybody writes it; beyond its reach fe ff ff. */
static void put_chs(uint8_t chs[3], uint64_t lba)
{
	uint64_t cylinder = lba / (255 * 63);

	if (cylinder > 1023) {
		memcpy(chs, "\xfe\xff\xff", 3);
		return;
	}
	chs[0] = (uint8_t)(lba / 63 % 255);
	chs[1] = (uint8_t)((lba % 63 + 1) | (cylinder >> 2 & 0xc0));
	chs[2] = (uint8_t)cylinder;
}

static int check_growable(const uint8_t sector[512], const struct table *t, const struct partition *p,
			  uint64_t size, struct why *why)
{
	char size_text[SIZE_TEXT_MAX];

	if (p->logical || p->extended)
		return fail(why, -EOPNOTSUPP,
			    "partition %u is %s partition of an mbr, and growing those is not built yet; "
			    "@expand=none grows "
			    "the disk alone",
			    p->number, p->logical ? "a logical" : "an extended");
	if (entry_at(sector, p->number - 1).type == LDM)
		return fail(why, -EOPNOTSUPP,
			    "partition %u belongs to a dynamic disk of Windows, which only Windows can grow; "
			    "@expand=none "
			    "grows the disk alone",
			    p->number);
	if (size > (SECTORS_MAX + 1) * SECTOR)
		return fail(why, -EOPNOTSUPP,
			    "partition %u can't grow on a disk of %s: an mbr reaches up to 2T; @2T is the most "
			    "it can use, "
			    "@expand=none grows the disk alone",
			    p->number, size_format(size_text, size));
	return table_check_last(t, p, why);
}

static int mbr_grow(struct image *disk, const struct table *t, const struct partition *partition,
		    struct map_draft *draft, struct table_growth *ret, struct why *why)
{
	struct disk_mbr_entry entry;
	uint64_t size = map_draft_size(draft), at, end;
	int r;

	if (!partition)
		return 0;
	r = check_growable(t->raw, t, partition, size, why);
	if (r < 0)
		return r;
	end = align_down(min_u64(size, SECTORS_MAX * SECTOR), ALIGNMENT);
	if (end <= partition->start + partition->length) {
		*ret = (struct table_growth){ .length = partition->length };
		return 0;
	}
	at = ENTRIES + (partition->number - 1) * sizeof(entry);
	memcpy(&entry, (const uint8_t *)t->raw + at, sizeof(entry));
	put_chs(entry.chs_last, end / SECTOR - 1);
	put_le32(entry.count, (uint32_t)((end - partition->start) / SECTOR));
	map_draft_bytes(draft, at, &entry, sizeof(entry));
	*ret = (struct table_growth){ .length = end - partition->start };
	return map_draft_error(draft);
}

const struct table_ops mbr_table = {
	.name = "mbr",
	.read = mbr_read,
	.grow = mbr_grow,
};
