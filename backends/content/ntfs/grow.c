/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing NTFS by patches, as ntfsresize does it:
 *
 *	boot sector	the number of sectors; its copy stands behind the last of them
 *	$Bitmap		a bit for each new cluster; what doesn't fit in its clusters goes into
 *			the first new ones
 *	$BadClus	is as large as the volume, and one hole
 *	root directory	repeats the size of $Bitmap
 *	$Volume		is marked as dirty, so that Windows checks all this once
 *	$LogFile	starts anew
 *
 * Each record that changes has the next sequence number, in its copy in $MFTMirr, too. Only
 * records, the log's first pages, some blocks of the root directory and one byte of $Bitmap are read.
 */
#include "backends/content/ntfs/grow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content/ntfs/clean.h"
#include "base/bytes.h"
#include "base/size.h"

/* Windows counts clusters with 32 bits. */
#define CLUSTERS_MAX UINT64_C(0xffffffff)

struct plan {
	struct ntfs_volume v;
	uint64_t old_clusters, new_clusters, new_sectors;
	struct ntfs_record volume, bitmap_record, bad_record;
	struct ntfs_stream log;
	struct ntfs_root root;
	struct ntfs_entry entry; /* of $Bitmap in the root directory */
	bool has_entry;
	struct ntfs_stream bitmap;     /* after growing */
	uint64_t bitmap_clusters;      /* new ones that it takes, from old_clusters on */
	uint8_t bitmap_edge;	       /* its byte with the bit of old_clusters: the old bits of it */
	struct ntfs_stream bad;	       /* after growing */
	uint8_t boot[NTFS_RECORD_MAX]; /* one sector */
	struct computed *ones;
};

static void plan_done(struct plan *p)
{
	ntfs_stream_done(&p->bad);
	ntfs_stream_done(&p->bitmap);
	ntfs_stream_done(&p->log);
	ntfs_root_done(&p->root);
	ntfs_volume_done(&p->v);
	if (p->ones)
		computed_unref(p->ones);
}

/* Sizes. */

/* 0, CONTENT_FITS or an error. */
static int plan_size(struct plan *p, struct why *why)
{
	const struct ntfs_boot *b = &p->v.boot;
	uint64_t sectors = p->v.img->size / b->sector;
	char most[SIZE_TEXT_MAX];

	if (b->sector < SECTOR)
		return fail(why, -EOPNOTSUPP, "ntfs with sectors of %" PRIu32 " bytes is not known here",
			    b->sector);
	p->old_clusters = b->clusters;
	p->new_sectors = sectors - 1;
	p->new_clusters = p->new_sectors / (b->cluster / b->sector);
	if (p->new_clusters <= p->old_clusters)
		return CONTENT_FITS;
	if (p->new_clusters > CLUSTERS_MAX)
		return fail(why, -EOPNOTSUPP,
			    "ntfs with clusters of %" PRIu32 " bytes can grow to %s at most: "
			    "there are no more numbers for them",
			    b->cluster, size_format(most, (CLUSTERS_MAX + 1) * b->cluster));
	return 0;
}

/* $Bitmap. */

static int read_edge(struct plan *p, struct why *why)
{
	unsigned bits = p->old_clusters % 8;
	int r;

	if (bits == 0)
		return 0;
	r = ntfs_volume_read(&p->v, &p->bitmap, &p->bitmap_edge, 1, p->old_clusters / 8, why);
	p->bitmap_edge &= (uint8_t)((1u << bits) - 1);
	return r;
}

static int check_bitmap(const struct plan *p, struct why *why)
{
	const struct ntfs_stream *s = &p->bitmap;

	if (s->initialized != s->size || s->size < div_up(p->old_clusters, 8))
		return fail(why, -EBADMSG,
			    "ntfs has a $Bitmap of %" PRIu64 " bytes (%" PRIu64 " of them written) for %" PRIu64
			    " clusters",
			    s->size, s->initialized, p->old_clusters);
	for (size_t i = 0; i < s->runs.n; i++)
		if (s->runs.run[i].cluster == NTFS_HOLE)
			return fail(why, -EBADMSG, "ntfs has a $Bitmap with holes");
	return 0;
}

/* 0, CONTENT_FITS when the room would go into the bitmap alone, or an error. */
static int plan_bitmap(struct plan *p, struct why *why)
{
	uint64_t have, size = align_up(div_up(p->new_clusters, 8), 8);
	int r = ntfs_volume_record(&p->v, NTFS_BITMAP, &p->bitmap_record, why);

	if (r == 0)
		r = ntfs_volume_stream(&p->v, &p->bitmap_record, NTFS_DATA, "", &p->bitmap, why);
	if (r == 0)
		r = check_bitmap(p, why);
	if (r == 0)
		r = read_edge(p, why);
	if (r < 0)
		return r;
	have = p->bitmap.runs.clusters * p->v.boot.cluster;
	p->bitmap.size = p->bitmap.initialized = max_u64(size, p->bitmap.size);
	if (p->bitmap.size > have)
		p->bitmap_clusters = div_up(p->bitmap.size - have, p->v.boot.cluster);
	if (p->bitmap_clusters >= p->new_clusters - p->old_clusters)
		return CONTENT_FITS;
	if (p->bitmap_clusters)
		r = ntfs_runs_append(&p->bitmap.runs, p->old_clusters, p->bitmap_clusters);
	if (r < 0)
		return r;
	return ntfs_record_replace(&p->bitmap_record, ntfs_record_find(&p->bitmap_record, NTFS_DATA, ""),
				   p->v.boot.cluster, &p->bitmap, why);
}

/* Its directory entry, where a copy of its sizes is. */
static int plan_entry(struct plan *p, struct why *why)
{
	int r = ntfs_root_find(&p->v, &p->root, "$Bitmap", &p->entry, why);
	struct disk_ntfs_name *name;

	if (r != 0)
		return r < 0 ? r : 0;
	name = (void *)((p->entry.in_record ? p->root.rec.bytes : p->root.block) + p->entry.at);
	put_le64(name->allocated, p->bitmap.runs.clusters * p->v.boot.cluster);
	put_le64(name->size, p->bitmap.size);
	p->has_entry = true;
	return 0;
}

/* $BadClus and $Volume. */

static int plan_bad(struct plan *p, struct why *why)
{
	struct ntfs_stream *s = &p->bad;
	bool written;
	int r = ntfs_volume_record(&p->v, NTFS_BAD, &p->bad_record, why);

	if (r == 0)
		r = ntfs_record_stream(&p->bad_record, NTFS_DATA, "$Bad", p->v.boot.cluster, CLUSTERS_MAX, s,
				       why);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->runs.n; i++)
		if (s->runs.run[i].cluster != NTFS_HOLE)
			return fail(
				why, -EOPNOTSUPP,
				"ntfs with bad clusters must not be grown: they are those of another disk; run "
				"chkdsk /b or ntfsfix -b");
	written = s->initialized;
	ntfs_stream_done(s);
	s->size = p->new_clusters * p->v.boot.cluster;
	s->initialized = written ? s->size : 0;
	r = ntfs_runs_append(&s->runs, NTFS_HOLE, p->new_clusters);
	if (r < 0)
		return r;
	return ntfs_record_replace(&p->bad_record, ntfs_record_find(&p->bad_record, NTFS_DATA, "$Bad"),
				   p->v.boot.cluster, s, why);
}

static int mark_dirty(struct plan *p, struct why *why)
{
	struct disk_ntfs_information *disk;
	uint32_t length;
	uint8_t *value;
	int r = ntfs_record_value(&p->volume, NTFS_VOLUME_INFORMATION, "", sizeof(*disk), &value, &length, why);

	if (r < 0)
		return r;
	disk = (void *)value;
	put_le16(disk->flags, get_le16(disk->flags) | NTFS_IS_DIRTY);
	return 0;
}

static int make_boot(struct plan *p, struct why *why)
{
	int r = image_pread(p->v.img, p->boot, p->v.boot.sector, 0, why);

	put_le64(((struct disk_ntfs_boot *)p->boot)->sectors, p->new_sectors);
	return r;
}

/* Painting. */

static int read_ones(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	memset(buf, 0xFF, count);
	return 0;
}

static int make_ones(struct plan *p)
{
	p->ones = calloc(1, sizeof(*p->ones));
	if (!p->ones)
		return -ENOMEM;
	computed_init(p->ones);
	p->ones->read = read_ones;
	return 0;
}

/* A byte of the grown bitmap that is not before the edge. */
static uint8_t bitmap_byte(const struct plan *p, uint64_t at)
{
	uint8_t byte = at == p->old_clusters / 8 ? p->bitmap_edge : 0;

	for (unsigned bit = 0; bit < 8; bit++) {
		uint64_t cluster = at * 8 + bit;

		if (cluster >= p->old_clusters &&
		    (cluster < p->old_clusters + p->bitmap_clusters || cluster >= p->new_clusters))
			byte |= (uint8_t)(1u << bit);
	}
	return byte;
}

/* Paints bytes [from, to) of the bitmap, all 0 or, with `ones`, all 0xFF. */
static void paint_bytes(const struct plan *p, struct map_draft *draft, uint64_t from, uint64_t to,
			struct computed *ones)
{
	uint64_t at, length;

	for (; from < to && ntfs_volume_find(&p->v, &p->bitmap, from, &at, &length); from += length) {
		length = min_u64(length, to - from);
		if (ones)
			map_draft_computed(draft, at, length, ones, 0);
		else
			map_draft_zero(draft, at, length);
	}
}

static void paint_byte(const struct plan *p, struct map_draft *draft, uint64_t at)
{
	uint8_t byte = bitmap_byte(p, at);

	ntfs_volume_paint(&p->v, &p->bitmap, draft, &byte, 1, at);
}

/* The clusters [from, to) are marked as used. */
static void paint_used(const struct plan *p, struct map_draft *draft, uint64_t from, uint64_t to)
{
	if (from >= to)
		return;
	paint_bytes(p, draft, div_up(from, 8), to / 8, p->ones);
	paint_byte(p, draft, from / 8);
	if (to % 8)
		paint_byte(p, draft, to / 8);
}

static void paint_bitmap(const struct plan *p, struct map_draft *draft)
{
	paint_bytes(p, draft, p->old_clusters / 8, p->bitmap.size, /* ones= */ NULL);
	if (p->old_clusters % 8)
		paint_byte(p, draft, p->old_clusters / 8);
	paint_used(p, draft, p->old_clusters, p->old_clusters + p->bitmap_clusters);
	/* There are bits of no cluster at the end. */
	paint_used(p, draft, p->new_clusters, p->bitmap.size * 8);
}

static void paint_entry(struct plan *p, struct map_draft *draft)
{
	if (!p->has_entry)
		return;
	if (p->entry.in_record) {
		ntfs_volume_paint_record(&p->v, &p->root.rec, draft);
		return;
	}
	ntfs_sequence_redo(p->root.block, p->root.block_size);
	ntfs_volume_paint(&p->v, &p->root.blocks, draft, p->root.block, p->root.block_size, p->entry.block);
}

static void paint(struct plan *p, struct map_draft *draft)
{
	const struct ntfs_boot *b = &p->v.boot;
	uint64_t old_end = p->old_clusters * b->cluster;

	map_draft_zero(draft, old_end, map_draft_size(draft) - old_end);
	map_draft_bytes(draft, 0, p->boot, b->sector);
	map_draft_bytes(draft, p->new_sectors * b->sector, p->boot, b->sector);
	paint_bitmap(p, draft);
	paint_entry(p, draft);
	ntfs_volume_paint_record(&p->v, &p->bitmap_record, draft);
	ntfs_volume_paint_record(&p->v, &p->bad_record, draft);
	ntfs_volume_paint_record(&p->v, &p->volume, draft);
	ntfs_log_reset(&p->v, &p->log, p->ones, draft);
}

static void describe_growth(const struct plan *p, struct text *describe)
{
	char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX];

	if (describe)
		text_add(describe,
			 "ntfs grown from %s to %s, %" PRIu64 " to %" PRIu64
			 " clusters; Windows checks it once when it starts",
			 size_human(have, p->old_clusters * p->v.boot.cluster),
			 size_human(want, p->new_clusters * p->v.boot.cluster), p->old_clusters,
			 p->new_clusters);
}

/* All checks, and all that is painted. 0, CONTENT_FITS or an error. */
static int make_plan(struct plan *p, struct image *grown, struct why *why)
{
	int r = ntfs_volume_open(grown, &p->v, why);

	if (r == 0)
		r = plan_size(p, why);
	if (r == 0)
		r = ntfs_check_clean(&p->v, &p->volume, &p->log, &p->root, why);
	if (r == 0)
		r = plan_bitmap(p, why);
	if (r == 0)
		r = plan_entry(p, why);
	if (r == 0)
		r = plan_bad(p, why);
	if (r == 0)
		r = mark_dirty(p, why);
	if (r == 0)
		r = make_boot(p, why);
	return r == 0 ? make_ones(p) : r;
}

int ntfs_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	      struct text *describe, struct why *why)
{
	_cleanup_(plan_done) struct plan p = { 0 };
	int r;

	if (how->volume)
		return fail(why, -EOPNOTSUPP, "ntfs has no logical volumes: there is no '%s'", how->volume);
	r = make_plan(&p, grown, why);
	if (r != 0)
		return r;
	paint(&p, draft);
	describe_growth(&p, describe);
	return 0;
}
