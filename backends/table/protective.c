/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/table/protective.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "backends/table/mbr_disk.h"
#include "base/bytes.h"

static struct disk_mbr_entry entry_at(const struct protective *p, size_t at)
{
	struct disk_mbr_entry disk;

	memcpy(&disk, p->disk_mbr + at, sizeof(disk));
	return disk;
}

bool protective_is(const uint8_t disk_mbr[512])
{
	const struct protective p = { .disk_mbr = disk_mbr };

	if (!mbr_is_signed(disk_mbr))
		return false;
	for (size_t at = MBR_ENTRIES; at < MBR_SIGNATURE; at += sizeof(struct disk_mbr_entry)) {
		struct disk_mbr_entry disk = entry_at(&p, at);

		if (disk.type == MBR_EE && get_le32(disk.start) == 1)
			return true;
	}
	return false;
}

static bool is_hybrid(const struct protective *p)
{
	unsigned n = 0;

	for (size_t at = MBR_ENTRIES; at < MBR_SIGNATURE; at += sizeof(struct disk_mbr_entry))
		n += !bytes_are_zero(p->disk_mbr + at, sizeof(struct disk_mbr_entry));
	return n > 1;
}

/* All ones cover any disk. The CHS of such an entry says nothing, and stays. */
static void paint_to_end(const struct protective *p, size_t at, struct map_draft *draft)
{
	struct disk_mbr_entry disk = entry_at(p, at);
	uint8_t disk_count[4];

	if (get_le32(disk.count) == UINT32_MAX)
		return;
	put_le32(disk_count, (uint32_t)min_u64(p->new_sectors - get_le32(disk.start), UINT32_MAX));
	map_draft_bytes(draft, at + offsetof(struct disk_mbr_entry, count), disk_count, sizeof(disk_count));
}

/* Part of the partition that grows, or part of what moves: where would it be then? */
static int check_whole(const struct stretch *s, uint64_t start, uint64_t end, unsigned number, struct why *why)
{
	bool before = end <= s->start, holds = start <= s->start && end >= s->end;
	bool moves = start >= s->end && end <= s->behind_end;

	if (before || holds || moves)
		return 0;
	return fail(why, -EOPNOTSUPP,
		    "entry %u of the hybrid mbr covers no whole partition of the gpt, so that nobody can tell "
		    "what becomes of it when one grows; @expand=none grows the disk alone",
		    number);
}

static int paint_copy(const struct protective *p, size_t at, const struct stretch *s, struct map_draft *draft,
		      struct why *why)
{
	struct disk_mbr_entry disk = entry_at(p, at);
	unsigned number = (unsigned)((at - MBR_ENTRIES) / sizeof(disk)) + 1;
	struct mbr_range old = { .start = get_le32(disk.start) }, now;
	int r = 0;

	if (get_le32(disk.count) == 0)
		return 0;
	old.end = old.start + get_le32(disk.count);
	if (disk.type == MBR_EE && old.end >= p->old_sectors) {
		if (old.start < p->new_sectors)
			paint_to_end(p, at, draft);
		return 0;
	}
	if (disk.type != MBR_EE)
		r = check_whole(s, old.start * p->sector, old.end * p->sector, number, why);
	if (r < 0)
		return r;
	now.start = stretch_start(s, old.start * p->sector) / p->sector;
	now.end = stretch_end(s, old.start * p->sector, old.end * p->sector) / p->sector;
	now.end = min_u64(now.end, p->new_sectors);
	if (now.start == old.start && now.end == old.end)
		return 0;
	if (now.end > UINT32_MAX)
		return fail(why, -EOPNOTSUPP,
			    "entry %u of the hybrid mbr would reach beyond sector %u, where no mbr can; "
			    "@expand=none grows the disk alone",
			    number, UINT32_MAX);
	mbr_entry_put(&disk, 0, &old, &now);
	map_draft_bytes(draft, at, &disk, sizeof(disk));
	return 0;
}

int protective_paint(const struct protective *p, const struct stretch *s, struct map_draft *draft,
		     struct why *why)
{
	bool hybrid = is_hybrid(p);

	for (size_t at = MBR_ENTRIES; at < MBR_SIGNATURE; at += sizeof(struct disk_mbr_entry)) {
		int r = 0;

		if (hybrid)
			r = paint_copy(p, at, s, draft, why);
		else if (entry_at(p, at).type == MBR_EE)
			paint_to_end(p, at, draft);
		if (r < 0)
			return r;
	}
	return 0;
}
