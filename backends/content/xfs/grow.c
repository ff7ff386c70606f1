/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing XFS by patches, to what the kernel's growfs makes of it:
 *
 *	superblock	new counts, in the first group and in the copies of all the others
 *	last group	where it was shorter than the others: its two headers, and the two trees of its free space
 *	new groups	computed (grown.c)
 *
 * A log that has to be replayed would bring back an old superblock over ours, so
 * it must be clean. First everything is read, checked and thought out; then it is painted.
 */
#include "backends/content/xfs/grow.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/content/xfs/grown.h"
#include "backends/content/xfs/log.h"
#include "backends/content/xfs/tree.h"
#include "base/bytes.h"
#include "base/size.h"

/*
 * Each old group's copy of the superblock is a segment of the map. mkfs makes groups of 16 MiB at
 * least, 1 TiB divided into 4 from 4 TiB on: those of a template of 1.5 TiB that was grown from the smallest one.
 */
#define OLD_AGS_MAX 100000

/* Of each group, for its superblock; where the device has less, it gives up (repair/sb.c). */
#define REPAIR_READS (128 * KiB)

/* XFS_MAX_AGNUMBER + 1. */
#define AGS_MAX UINT64_C(0xFFFFFFFE)

struct plan {
	struct image *img;	    /* borrowed */
	struct disk_xfs_super disk; /* the first superblock: as it is, then as it will be */
	struct xfs_super old, new;
	struct xfs_grown *grown;
	/* Of the last old group, where it gets longer: */
	uint32_t last, more; /* its number, and the blocks it gains */
	uint8_t *agf, *agi;  /* owned, s->sector_size each; NULL when it doesn't */
	struct xfs_tree trees[2];
};

static void plan_done(struct plan *p)
{
	if (p->grown)
		xfs_grown_unref(p->grown);
	free(p->agf);
	free(p->agi);
	for (int i = 0; i < 2; i++)
		xfs_tree_done(&p->trees[i]);
}

/*
 * How large it gets, by the rule of growfs: a last group that would be too short is left away. With blocks
 * of 512 and 1024 bytes growfs makes some that xfs_repair can't read; so are these. 0, 1 (fits) or an error.
 */
static int plan_geometry(struct plan *p, struct why *why)
{
	const uint64_t least = max_u64(XFS_AG_BLOCKS_MIN, REPAIR_READS / p->old.block_size);
	char most[SIZE_TEXT_MAX];
	uint64_t blocks = p->img->size / p->old.block_size, ags, rest;

	if (blocks < p->old.blocks)
		return fail(why, -EBADMSG,
			    "xfs takes %" PRIu64 " blocks of %" PRIu32 " bytes, but there are only %" PRIu64
			    ": truncated image",
			    p->old.blocks, p->old.block_size, blocks);
	ags = blocks / p->old.ag_blocks;
	rest = blocks % p->old.ag_blocks;
	if (rest >= least)
		ags++;
	else
		blocks -= rest;
	if (ags > AGS_MAX)
		return fail(why, -EOPNOTSUPP, "xfs can grow to %s at most: its group numbers end there",
			    size_format(most, AGS_MAX * p->old.ag_blocks * p->old.block_size));
	if (blocks <= p->old.blocks)
		return 1;
	if (p->old.ags > OLD_AGS_MAX)
		return fail(why, -EOPNOTSUPP,
			    "this xfs has more allocation groups (%" PRIu32 ") than can be dealt with here",
			    p->old.ags);
	p->new = p->old;
	p->new.blocks = blocks;
	p->new.ags = (uint32_t)ags;
	p->last = p->old.ags - 1;
	p->more = xfs_ag_length(&p->new, p->last) - xfs_ag_length(&p->old, p->last);
	return 0;
}

/* The last group. */

static int read_last_group(struct plan *p, struct xfs_agf *f, struct why *why)
{
	int r;

	p->agf = malloc(p->old.sector_size);
	p->agi = malloc(p->old.sector_size);
	if (!p->agf || !p->agi)
		return -ENOMEM;
	r = xfs_agf_read(p->img, &p->old, p->last, p->agf, f, why);
	if (r == 0)
		r = xfs_agi_read(p->img, &p->old, p->last, p->agi, why);
	for (int i = 0; i < 2 && r == 0; i++)
		r = xfs_tree_read(&p->trees[i], p->img, &p->old, p->last, (enum xfs_tree_kind)i, f, why);
	if (r == 0 && p->trees[XFS_BY_START].n != p->trees[XFS_BY_SIZE].n)
		return fail(why, -EBADMSG,
			    "the two trees of free space of allocation group %" PRIu32 " of xfs differ",
			    p->last);
	return r;
}

/* Its free space reaches farther: the last run, where that reached the end, or a new one. */
static int lengthen_last_group(struct plan *p, struct why *why)
{
	const struct xfs_tree *t = &p->trees[XFS_BY_START];
	struct xfs_free old, new;
	struct disk_xfs_agf *agf;
	struct xfs_agf f;
	int r;

	if (p->more == 0)
		return 0;
	r = read_last_group(p, &f, why);
	if (r < 0)
		return r;
	old = t->n ? t->runs[t->n - 1] : (struct xfs_free){ 0 };
	if (old.start + old.length != f.length)
		old = (struct xfs_free){ f.length, 0 };
	new = (struct xfs_free){ old.start, old.length + p->more };
	for (int i = 0; i < 2 && r == 0; i++)
		r = xfs_tree_replace(&p->trees[i], old, new, why);
	if (r < 0)
		return r;
	agf = (struct disk_xfs_agf *)p->agf;
	put_be32(agf->length, f.length + p->more);
	put_be32(agf->free_blocks, f.free_blocks + p->more);
	put_be32(agf->longest, (uint32_t)max_u64(f.longest, new.length));
	put_be32(((struct disk_xfs_agi *)p->agi)->length, f.length + p->more);
	xfs_agf_seal(&p->old, p->agf);
	xfs_agi_seal(&p->old, p->agi);
	return 0;
}

/* The superblock. */

static int plan_super(struct plan *p, struct why *why)
{
	const struct xfs_roots roots = xfs_new_roots(&p->new);
	uint64_t added = p->new.blocks - p->old.blocks, taken;

	taken = (uint64_t)(p->new.ags - p->old.ags) * roots.end;
	p->new.free_blocks = p->old.free_blocks + added - taken;
	put_be64(p->disk.blocks, p->new.blocks);
	put_be32(p->disk.ags, p->new.ags);
	put_be64(p->disk.free_blocks, p->new.free_blocks);
	p->grown = xfs_grown_new(&p->disk, &p->new, p->old.ags);
	return p->grown ? 0 : -ENOMEM;
}

/* Its checksum is that of the whole sector, of which we know no more than the beginning. */
static int seal_super(struct plan *p, struct why *why)
{
	const size_t checksum = offsetof(struct disk_xfs_super, checksum);
	_cleanup_free_ uint8_t *sector = NULL;
	int r;

	if (!xfs_has_csum(&p->old))
		return 0;
	sector = malloc(p->old.sector_size);
	if (!sector)
		return -ENOMEM;
	r = image_pread(p->img, sector, p->old.sector_size, 0, why);
	if (r < 0)
		return r;
	memcpy(sector, &p->disk, sizeof(p->disk));
	put_le32(p->disk.checksum, xfs_checksum(sector, p->old.sector_size, checksum));
	return 0;
}

/* Painting. */

static void paint_computed(const struct plan *p, struct map_draft *draft, uint64_t offset, uint64_t length)
{
	map_draft_computed(draft, offset, length, &p->grown->computed, offset);
}

static void paint_last_group(const struct plan *p, struct map_draft *draft)
{
	uint64_t offset = xfs_ag_offset(&p->old, p->last), sector = p->old.sector_size;

	if (p->more == 0)
		return;
	map_draft_bytes(draft, offset + XFS_AGF_SECTOR * sector, p->agf, sector);
	map_draft_bytes(draft, offset + XFS_AGI_SECTOR * sector, p->agi, sector);
	for (int i = 0; i < 2; i++)
		xfs_tree_paint(&p->trees[i], draft);
}

static void paint(const struct plan *p, struct map_draft *draft)
{
	const struct xfs_super *s = &p->new;
	uint64_t old_end = p->old.blocks * s->block_size, new_end = s->blocks * s->block_size;
	uint64_t first_new = xfs_ag_offset(s, p->old.ags);

	map_draft_zero(draft, old_end, map_draft_size(draft) - old_end);
	map_draft_bytes(draft, 0, &p->disk, xfs_has_csum(s) ? sizeof(p->disk) : XFS_SUPER_V4_SIZE);
	for (uint32_t i = 1; i < p->old.ags; i++)
		paint_computed(p, draft, xfs_ag_offset(s, i), s->sector_size);
	paint_last_group(p, draft);
	if (s->ags > p->old.ags)
		paint_computed(p, draft, first_new, new_end - first_new);
}

static void describe_growth(const struct plan *p, struct text *describe)
{
	char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX];

	if (!describe)
		return;
	text_add(describe, "xfs grown from %s to %s, %" PRIu32 " to %" PRIu32 " allocation groups",
		 size_human(have, p->old.blocks * p->old.block_size),
		 size_human(want, p->new.blocks * p->new.block_size), p->old.ags, p->new.ags);
}

int xfs_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	     struct text *describe, struct why *why)
{
	_cleanup_(plan_done) struct plan p = { .img = grown };
	int r = xfs_super_read(p.img, &p.disk, &p.old, why);

	if (r == 1)
		return fail(why, -EBADMSG, "there is no xfs superblock");
	if (r == 0)
		r = xfs_super_check(&p.old, why);
	if (r == 0)
		r = plan_geometry(&p, why);
	if (r != 0)
		return r == 1 ? CONTENT_FITS : r;
	r = xfs_log_check(p.img, &p.old, why);
	if (r == 0)
		r = lengthen_last_group(&p, why);
	if (r == 0)
		r = plan_super(&p, why);
	if (r == 0)
		r = seal_super(&p, why);
	if (r < 0)
		return r;
	paint(&p, draft);
	describe_growth(&p, describe);
	return 0;
}
