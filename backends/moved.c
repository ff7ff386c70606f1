/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Partitions are named by number, GUID, UUID or label nearly everywhere, and what
 * is in them counts from their start. What counts from the start of the disk:
 *
 *   the "hidden sectors" of FAT and NTFS	content_ops.move writes them anew
 *   boot code in the disk's first sector	GRUB's knows the sector of its second
 *						part, LILO's those of every file
 *   boot code in a partition's first sector	the same
 *   Windows' boot menu and drive letters	on an mbr disk the disk's signature
 *						and the partition's byte
 *   dynamic disks, BSD labels, BIOS boot	by the partition's type: table.c
 *   a suspended guest				the partition table in its memory
 *
 * Partitions with nothing known in them are left alone, unless their type says who
 * uses them, and that by the table, or they are empty.
 */
#include "backends/moved.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"

/* GRUB's boot.img, include/grub/i386/pc/boot.h: the second part's sector, 64 bits; its messages stand near the end. */
#define GRUB_SECTOR_AT 0x5c
#define GRUB_TEXT_AT   0x100
#define LILO_TEXT_AT   6

static bool is_grub(const uint8_t sector[512])
{
	return get_le16(sector + 510) == 0xaa55 &&
	       memmem(sector + GRUB_TEXT_AT, 510 - GRUB_TEXT_AT, "GRUB", 4) != NULL;
}

static bool is_lilo(const uint8_t sector[512])
{
	return get_le16(sector + 510) == 0xaa55 && memcmp(sector + LILO_TEXT_AT, "LILO", 4) == 0;
}

static bool moves(const struct moved *m, const struct partition *p)
{
	return p->start > m->behind->start;
}

static int check_boot_code(const struct moved *m, struct why *why)
{
	const struct tenants *all = m->all;
	uint64_t end = m->behind->start + m->behind->length, sector;
	uint8_t disk_sector[512];
	int r = image_pread(all->disk, disk_sector, sizeof(disk_sector), 0, why);

	if (r < 0)
		return r;
	sector = get_le64(disk_sector + GRUB_SECTOR_AT);
	if (is_grub(disk_sector) && sector < all->disk->size / all->table->sector &&
	    sector * all->table->sector >= end)
		return fail(
			why, -EOPNOTSUPP,
			"partition %u can't grow: GRUB in the disk's first sector goes on in sector %" PRIu64
			", among what would have to move; @expand=none grows the disk alone",
			m->behind->number, sector);
	if (is_lilo(disk_sector))
		return fail(why, -EOPNOTSUPP,
			    "partition %u can't grow: partitions stand behind it, and LILO in the disk's first "
			    "sector "
			    "goes by the places of files; @expand=none grows the disk alone",
			    m->behind->number);
	return 0;
}

/* A drive letter of Windows' hangs on the partition's place, as its boot menu does. */
static bool is_known_to_windows(const struct table *table, const struct tenant *t)
{
	const struct partition *p = t->partition;

	if (table->ops != &mbr_table || t->found != 0 || t->content.ops != &ntfs_content ||
	    (p->use && p->use->service))
		return false;
	for (unsigned i = 0; i < table->n; i++)
		if (table->partition[i].bootable && strcmp(table->partition[i].kind, "07") == 0)
			return true;
	return p->bootable;
}

/* Why it can't be moved; NULL: it can. */
static const char *why_it_stays(const struct table *table, const struct tenant *t)
{
	const struct partition_use *use = t->partition->use;

	if (use && use->stays)
		return use->stays;
	if (t->found < 0)
		return why_text(&t->why, t->found);
	if (t->found == 0 && t->content.ops->stays)
		return t->content.ops->stays;
	if (is_known_to_windows(table, t))
		return "Windows finds partitions of an mbr by their places";
	if (t->found == 1 && !t->empty && !(use && use->service))
		return "something may find what is in it by its place";
	return NULL;
}

static int check_boot_sector(const struct tenant *t, const char **ret_stays, struct why *why)
{
	uint8_t sector[512];
	int r;

	if (t->window->size < sizeof(sector))
		return 0;
	r = image_pread(t->window, sector, sizeof(sector), 0, why);
	if (r == 0 && (is_grub(sector) || is_lilo(sector)))
		*ret_stays = "boot code in its first sector finds the rest of it by its place";
	return r;
}

static int check_one(const struct moved *m, const struct partition *p, struct why *why)
{
	const struct tenant *t;
	const char *stays;
	char size[SIZE_TEXT_MAX];
	int r;

	if (p->extended)
		return 0;
	r = tenants_look(m->all, p, &t, why);
	if (r < 0)
		return r;
	stays = why_it_stays(m->all->table, t);
	if (!stays)
		r = check_boot_sector(t, &stays, why);
	if (r < 0 || !stays)
		return r;
	return fail(
		why, t->found == -EBADMSG ? -EBADMSG : -EOPNOTSUPP,
		"partition %u can't grow: partition %u (%s, %s) stands behind it and can't be moved: %.250s; "
		"@expand=none grows the disk alone",
		m->behind->number, p->number, tenant_name(t), size_human(size, p->length), stays);
}

int moved_check(const struct moved *m, struct why *why)
{
	const struct table *table = m->all->table;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < table->n; i++)
		if (moves(m, &table->partition[i]))
			r = check_one(m, &table->partition[i], why);
	return r < 0 ? r : check_boot_code(m, why);
}

static int paint_one(const struct moved *m, const struct tenant *t, struct map_draft *draft, struct why *why)
{
	const struct partition *p = t->partition;
	_cleanup_(map_draft_freep) struct map_draft *content = map_draft_new(p->length, t->window);
	_cleanup_(image_unrefp) struct image *result = NULL;
	int r;

	if (!content)
		return -ENOMEM;
	r = t->content.ops->move(t->window, &t->content, p->start, p->start + m->shift, content, why);
	if (r == 0)
		r = map_seal(take(content), "moved", /* describe= */ NULL, &result, why);
	if (r < 0)
		return r;
	map_draft_map(draft, p->start + m->shift, p->length, result, 0);
	return map_draft_error(draft);
}

int moved_paint(const struct moved *m, struct map_draft *draft, struct why *why)
{
	const struct table *table = m->all->table;

	for (unsigned i = 0; i < table->n; i++) {
		const struct partition *p = &table->partition[i];
		const struct tenant *t;
		int r;

		if (!moves(m, p))
			continue;
		r = tenants_look(m->all, p, &t, why);
		if (r == 0 && !p->extended && t->found == 0 && t->content.ops->move)
			r = paint_one(m, t, draft, why);
		if (r < 0)
			return fail_at(why, r, "partition %u can't grow: partition %u has to move",
				       m->behind->number, p->number);
	}
	return 0;
}

/* A comma between the first ones, "and" before the last. */
static const char *before(unsigned i, unsigned n)
{
	return i == 0 ? "" : i + 1 == n ? " and " : ", ";
}

int moved_describe(const struct moved *m, struct text *describe, struct why *why)
{
	const unsigned most = 6;
	const struct table *table = m->all->table;
	const struct partition *first = m->behind + 1;
	unsigned n = (unsigned)(table->partition + table->n - first), shown = n > most ? most - 1 : n;
	char size[SIZE_TEXT_MAX];

	text_add(describe, "    partition %u takes the room: partition%s ", m->behind->number,
		 n > 1 ? "s" : "");
	for (unsigned i = 0; i < shown; i++) {
		const struct tenant *t;
		int r = tenants_look(m->all, first + i, &t, why);

		if (r < 0)
			return r;
		text_add(describe, "%s%u (%s)", before(i, shown < n ? n : shown), first[i].number,
			 tenant_name(t));
	}
	if (shown < n)
		text_add(describe, " and %u more", n - shown);
	text_add(describe, " behind it move%s up by %s\n", n > 1 ? "" : "s", size_human(size, m->shift));
	return 0;
}
