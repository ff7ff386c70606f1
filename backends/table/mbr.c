/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The partition table of the PC's boot sector.
 *
 * Four entries (mbr_disk.h): status, CHS of the first sector, type, CHS of the last,
 * first sector, count of sectors, 32 bits each. One may be an extended partition. Its first sector, and each next one
 * of a chain, is such a table again (an EBR) with two entries: a logical
 * partition, its start relative to this EBR, and the next EBR, relative to the
 * extended partition. Logical ones are numbered from 5, in the chain's order.
 *
 * Growing changes entries and nothing else: boot code, signature (Windows and
 * PARTUUID= go by it) and flags are not even patched. A logical partition takes what
 * holds it along: the extended one, and the link that leads to its EBR. What
 * moves, moves with its EBRs, which stand among it, often in what looks like a gap.
 * Sectors are taken for 512 bytes; nothing on the disk tells.
 *
 * The signature alone says little: FAT and NTFS have it too, and code where the
 * entries would be.
 */
#include "backends/table/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/table/mbr_disk.h"
#include "backends/table/stretch.h"
#include "base/bytes.h"
#include "base/size.h"

#define FIRST_LOGICAL 5
#define LOGICAL_MAX   128
/* start + count stay below it, in sectors: 2 TiB, less one sector. */
#define SECTORS_MAX UINT64_C(0xffffffff)

/* One EBR of the chain. */
struct ebr {
	uint64_t at; /* sectors */
	struct disk_mbr_entry disk_entry[4];
};

/* A table as it was read and checked: table.raw. */
struct mbr {
	uint8_t disk_sector[512];
	uint64_t extended; /* where the extended partition starts, sectors; 0 when there is none */
	unsigned n;	   /* in the order of the chain */
	struct ebr ebr[LOGICAL_MAX];
};

struct entry {
	uint8_t status, type;
	uint32_t start, count; /* sectors */
};

static struct entry decode_entry(const struct disk_mbr_entry *disk)
{
	return (struct entry){ disk->status, disk->type, get_le32(disk->start), get_le32(disk->count) };
}

static struct entry entry_at(const uint8_t sector[512], unsigned i)
{
	struct disk_mbr_entry disk;

	memcpy(&disk, sector + MBR_ENTRIES + i * sizeof(disk), sizeof(disk));
	return decode_entry(&disk);
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
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
	struct partition extended; /* a copy: the table's array moves as it grows */
	struct mbr *mbr;	   /* collects them */
};

static int check_ebr(const struct chain *c, uint64_t at, struct why *why)
{
	if (at * SECTOR < c->extended.start || at * SECTOR >= c->extended.start + c->extended.length)
		return fail(why, -EBADMSG,
			    "the mbr is damaged: the chain of logical partitions leaves extended partition %u "
			    "at sector "
			    "%" PRIu64,
			    c->extended.number, at);
	if (c->mbr->n == LOGICAL_MAX)
		return fail(why, -EBADMSG, "the mbr is damaged: more than %d logical partitions", LOGICAL_MAX);
	for (unsigned i = 0; i < c->mbr->n; i++)
		if (c->mbr->ebr[i].at == at)
			return fail(why, -EBADMSG,
				    "the mbr is damaged: the chain of logical partitions comes back to sector "
				    "%" PRIu64,
				    at);
	return 0;
}

/* 0; 1 when nobody has made a logical partition yet; or an error. */
static int read_ebr(struct chain *c, uint64_t at, struct why *why)
{
	struct ebr *ebr = &c->mbr->ebr[c->mbr->n];
	uint8_t sector[512];
	int r = check_ebr(c, at, why);

	if (r == 0)
		r = image_pread(c->disk, sector, sizeof(sector), at * SECTOR, why);
	if (r < 0)
		return r;
	if (!mbr_is_signed(sector) && c->mbr->n == 0)
		return 1;
	if (!mbr_is_signed(sector))
		return fail(why, -EBADMSG,
			    "the mbr is damaged: the chain of logical partitions breaks off at sector %" PRIu64,
			    at);
	ebr->at = at;
	memcpy(ebr->disk_entry, sector + MBR_ENTRIES, sizeof(ebr->disk_entry));
	c->mbr->n++;
	return 0;
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
	/* A boot loader may stand between the two, as in front of the first partition. */
	return table_own(t, ebr * SECTOR, e->start * SECTOR);
}

/* Whoever writes to such a partition cuts off the chain. */
static int check_ebrs_apart(const struct mbr *m, const struct table *t, struct why *why)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct partition *p = &t->partition[i];

		for (unsigned k = 0; k < m->n && p->logical; k++)
			if (m->ebr[k].at * SECTOR >= p->start && m->ebr[k].at * SECTOR < p->start + p->length)
				return fail(why, -EBADMSG,
					    "the mbr is damaged: logical partition %u lies over the chain of "
					    "logical partitions at sector %" PRIu64,
					    p->number, m->ebr[k].at);
	}
	return 0;
}

static int add_chain(struct image *disk, const struct partition *extended, struct mbr *mbr, struct table *t,
		     struct why *why)
{
	struct chain c = { .disk = disk, .extended = *extended, .mbr = mbr };
	uint64_t next = extended->start / SECTOR;

	mbr->extended = next;
	while (next) {
		const struct ebr *ebr = &mbr->ebr[mbr->n];
		int r = read_ebr(&c, next, why);

		if (r >= 0 && table_own(t, next * SECTOR, SECTOR) < 0)
			return -ENOMEM;
		if (r != 0)
			return r < 0 ? r : 0;
		next = 0;
		for (unsigned i = 0; i < 4; i++) {
			struct entry e = decode_entry(&ebr->disk_entry[i]);

			if (e.count == 0)
				continue;
			if (is_extended(e.type))
				next = next ? next : mbr->extended + e.start;
			else if ((r = add_logical(&c, &e, ebr->at, t, why)) < 0)
				return r;
		}
	}
	return check_ebrs_apart(mbr, t, why);
}

static int add_primaries(const uint8_t sector[512], struct image *disk, struct table *t, struct why *why)
{
	for (unsigned i = 0; i < 4; i++) {
		struct entry e = entry_at(sector, i);
		int r;

		if (e.count == 0)
			continue;
		if (e.type == MBR_EE)
			return fail(why, -EOPNOTSUPP,
				    "partition %u of the mbr is of type ee, but protects no gpt", i + 1);
		r = add(t, disk, i + 1, &e, 0, why);
		if (r < 0)
			return r;
	}
	return table_sort(t, why);
}

static int add_logicals(struct image *disk, struct mbr *mbr, struct table *t, struct why *why)
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
	r = add_chain(disk, extended, mbr, t, why);
	return r < 0 ? r : table_sort(t, why);
}

/*
 * The first sector; and the last MiB, where Windows' dynamic disks have their database and
 * RAID firmware its records.
 */
static int add_own(uint64_t size, struct table *t)
{
	uint64_t end = size - min_u64(size, MiB);
	int r = table_own(t, 0, SECTOR);

	return r < 0 ? r : table_own(t, end, size - end);
}

static int mbr_read(struct image *disk, struct table *ret, struct why *why)
{
	_cleanup_(table_done) struct table t = { .ops = &mbr_table, .sector = SECTOR };
	_cleanup_free_ struct mbr *mbr = calloc(1, sizeof(*mbr));
	int r;

	if (!mbr)
		return -ENOMEM;
	if (disk->size < SECTOR)
		return 1;
	r = image_pread(disk, mbr->disk_sector, sizeof(mbr->disk_sector), 0, why);
	if (r < 0)
		return r;
	if (!mbr_is_signed(mbr->disk_sector) || !has_entries(mbr->disk_sector))
		return 1;
	if (get_le32(mbr->disk_sector + MBR_DISK_ID))
		(void)snprintf(t.id, sizeof(t.id), "%08" PRIx32, get_le32(mbr->disk_sector + MBR_DISK_ID));
	r = add_primaries(mbr->disk_sector, disk, &t, is_boot_sector(mbr->disk_sector) ? NULL : why);
	if ((r == -EBADMSG || r == -EOPNOTSUPP) && is_boot_sector(mbr->disk_sector))
		return 1;
	if (r == 0)
		r = add_logicals(disk, mbr, &t, why);
	if (r == 0)
		r = add_own(disk->size, &t);
	if (r < 0)
		return r;
	t.raw = take(mbr);
	*ret = t;
	t = (struct table){ 0 };
	return 0;
}

static int refuse_extended(const struct table *t, const struct partition *extended, struct why *why)
{
	_cleanup_(text_done) struct text inside = TEXT_EMPTY;

	for (unsigned i = 0; i < t->n && inside.len < 100; i++)
		if (t->partition[i].logical)
			text_add(&inside, "%s%u", inside.len ? ", " : "", t->partition[i].number);
	return fail(why, -EOPNOTSUPP,
		    "partition %u is an extended one, which only holds others and grows with the last of them: "
		    "%s%s; @expand=none grows the disk alone",
		    extended->number, inside.len ? "@expand= takes one of " : "there are none in it",
		    inside.chars ?: "");
}

static int check_growable(const struct table *t, const struct partition *p, uint64_t size, struct why *why)
{
	char size_text[SIZE_TEXT_MAX];

	if (p->extended)
		return refuse_extended(t, p, why);
	if (size > (SECTORS_MAX + 1) * SECTOR)
		return fail(why, -EOPNOTSUPP,
			    "partition %u can't grow on a disk of %s: an mbr reaches up to 2T; @2T is the most "
			    "it can use, "
			    "@expand=none grows the disk alone",
			    p->number, size_format(size_text, size));
	return 0;
}

/* EBRs are asked, too: one that a deleted partition left behind is no partition, but a part of the chain. */
static uint64_t end_of_what_is_behind(const struct table *t, const struct partition *p)
{
	const struct mbr *m = t->raw;
	uint64_t end = p->start + p->length, last = end;

	for (unsigned i = 0; i < t->n; i++)
		if (t->partition[i].start >= end)
			last = max_u64(last, t->partition[i].start + t->partition[i].length);
	for (unsigned i = 0; i < m->n; i++)
		if (m->ebr[i].at * SECTOR >= end)
			last = max_u64(last, (m->ebr[i].at + 1) * SECTOR);
	if (last == end)
		return end;
	/* Free space at the end of an extended partition is a part of it, where something moves. */
	for (unsigned i = 0; i < t->n; i++)
		if (t->partition[i].extended)
			last = max_u64(last, t->partition[i].start + t->partition[i].length);
	return last;
}

static struct mbr_range range_then(const struct stretch *s, const struct mbr_range *old)
{
	return (struct mbr_range){
		stretch_start(s, old->start * SECTOR) / SECTOR,
		stretch_end(s, old->start * SECTOR, old->end * SECTOR) / SECTOR,
	};
}

/*
 * Paints the entry, which stands at byte `at` of the grown disk, where it is another
 * than before. Its start is relative to sector `base`, which is sector `new_base` then.
 */
static void paint_entry(const struct disk_mbr_entry *disk_entry, uint64_t base, uint64_t new_base,
			const struct stretch *s, uint64_t at, struct map_draft *draft)
{
	struct disk_mbr_entry disk = *disk_entry;
	struct entry e = decode_entry(&disk);
	struct mbr_range old = { base + e.start, base + e.start + e.count }, now = range_then(s, &old);

	if (e.count == 0 || (now.start == old.start && now.end == old.end))
		return;
	/* Of what nobody goes by, a second link or a count that lies, any number may stand there. */
	if (now.start - new_base > SECTORS_MAX || now.end - now.start > SECTORS_MAX)
		return;
	mbr_entry_put(&disk, new_base, &old, &now);
	map_draft_bytes(draft, at, &disk, sizeof(disk));
}

static void paint_entries(const struct mbr *m, const struct stretch *s, struct map_draft *draft)
{
	uint64_t extended = stretch_start(s, m->extended * SECTOR) / SECTOR;
	const uint64_t size = sizeof(struct disk_mbr_entry);

	for (unsigned i = 0; i < 4; i++) {
		struct disk_mbr_entry disk;

		memcpy(&disk, m->disk_sector + MBR_ENTRIES + i * size, size);
		paint_entry(&disk, 0, 0, s, MBR_ENTRIES + i * size, draft);
	}
	for (unsigned k = 0; k < m->n; k++) {
		const struct ebr *ebr = &m->ebr[k];
		uint64_t at = stretch_start(s, ebr->at * SECTOR);

		for (unsigned i = 0; i < 4; i++) {
			bool link = is_extended(ebr->disk_entry[i].type);

			paint_entry(&ebr->disk_entry[i], link ? m->extended : ebr->at,
				    link ? extended : at / SECTOR, s, at + MBR_ENTRIES + i * size, draft);
		}
	}
}

static int mbr_grow(struct image *disk, const struct table *t, const struct partition *partition,
		    struct map_draft *draft, struct table_growth *ret, struct why *why)
{
	uint64_t size = map_draft_size(draft);
	struct stretch s;
	int r;

	if (!partition)
		return 0;
	r = check_growable(t, partition, size, why);
	if (r < 0)
		return r;
	s = stretch_of(partition, end_of_what_is_behind(t, partition), min_u64(size, SECTORS_MAX * SECTOR));
	stretch_paint(&s, draft);
	paint_entries(t->raw, &s, draft);
	*ret = stretch_growth(&s);
	return map_draft_error(draft);
}

const struct table_ops mbr_table = {
	.name = "mbr",
	.read = mbr_read,
	.grow = mbr_grow,
};
