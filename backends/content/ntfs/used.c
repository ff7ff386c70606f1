/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an NTFS volume doesn't use. Its log, its copy of the boot sector and the tail of $MFT
 * that holds no files yet are allocated, and used.
 */
#include "backends/content/ntfs/used.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "backends/content/ntfs/clean.h"
#include "backends/content/unused.h"
#include "base/bytes.h"

#define CHUNK (64 * KiB)

struct walk {
	struct ntfs_volume v;
	struct ntfs_record volume;
	struct ntfs_stream log, bitmap;
	struct ntfs_root root;
	struct unused *u;   /* borrowed */
	uint64_t free_from; /* the cluster where a run of free ones began; NTFS_HOLE: none has */
};

static void walk_done(struct walk *w)
{
	ntfs_stream_done(&w->bitmap);
	ntfs_stream_done(&w->log);
	ntfs_root_done(&w->root);
	ntfs_volume_done(&w->v);
}

static int open_bitmap(struct walk *w, struct why *why)
{
	struct ntfs_record rec;
	int r = ntfs_volume_record(&w->v, NTFS_BITMAP, &rec, why);

	if (r == 0)
		r = ntfs_volume_stream(&w->v, &rec, NTFS_DATA, "", &w->bitmap, why);
	if (r < 0)
		return r;
	if (w->bitmap.initialized < div_up(w->v.boot.clusters, 8))
		return fail(why, -EBADMSG, "ntfs has a $Bitmap of %" PRIu64 " bytes for %" PRIu64 " clusters",
			    w->bitmap.initialized, w->v.boot.clusters);
	return 0;
}

/* A bitmap that doesn't know of the clusters without which there is no volume is none to go by. */
static int check_bitmap(const struct walk *w, struct why *why)
{
	const uint64_t needed[] = { 0, w->v.boot.mft, w->v.boot.mft_mirror, w->bitmap.runs.run[0].cluster };

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		uint8_t byte;
		int r = ntfs_volume_read(&w->v, &w->bitmap, &byte, 1, needed[i] / 8, why);

		if (r < 0)
			return r;
		if (!(byte & 1u << needed[i] % 8))
			return fail(why, -EBADMSG,
				    "ntfs has a damaged $Bitmap: cluster %" PRIu64 " can't be free", needed[i]);
	}
	return 0;
}

static void see(struct walk *w, uint64_t cluster, bool used)
{
	uint64_t size = w->v.boot.cluster;

	if (!used && w->free_from == NTFS_HOLE)
		w->free_from = cluster;
	if (!used || w->free_from == NTFS_HOLE)
		return;
	unused_add(w->u, w->free_from * size, (cluster - w->free_from) * size);
	w->free_from = NTFS_HOLE;
}

/* `at` is the byte's place in the bitmap. */
static void see_byte(struct walk *w, uint64_t at, uint8_t byte)
{
	uint8_t same = w->free_from == NTFS_HOLE ? 0xff : 0;

	if (byte == same)
		return;
	for (unsigned bit = 0; bit < 8; bit++)
		if (at * 8 + bit < w->v.boot.clusters)
			see(w, at * 8 + bit, byte & 1u << bit);
}

/* As many bytes of the bitmap as stand together, from `offset` to `end` at most. */
static int see_piece(struct walk *w, uint8_t *buf, uint64_t offset, uint64_t end, uint64_t *ret_length,
		     struct why *why)
{
	uint64_t at, length;
	struct extent e;
	int r;

	if (!ntfs_volume_find(&w->v, &w->bitmap, offset, &at, &length))
		return fail(why, -EBADMSG, "ntfs has a $Bitmap with holes");
	e = image_extent(w->v.img, at);
	length = min_u64(min_u64(length, end - offset), e.length);
	*ret_length = length;
	if (e.kind != EXTENT_DATA) {
		see(w, offset * 8, /* used= */ false);
		return 0;
	}
	*ret_length = length = min_u64(length, CHUNK);
	r = image_pread(w->v.img, buf, length, at, why);
	for (uint64_t i = 0; r == 0 && i < length; i++)
		see_byte(w, offset + i, buf[i]);
	return r;
}

static int walk_bitmap(struct walk *w, struct why *why)
{
	_cleanup_free_ uint8_t *buf = malloc(CHUNK);
	uint64_t end = div_up(w->v.boot.clusters, 8), length = 0;
	int r = buf ? 0 : -ENOMEM;

	w->free_from = NTFS_HOLE;
	for (uint64_t offset = 0; r == 0 && offset < end; offset += length)
		r = see_piece(w, buf, offset, end, &length, why);
	if (r == 0)
		see(w, w->v.boot.clusters, /* used= */ true);
	return r;
}

int ntfs_unused(struct image *container, const struct content *c, struct unused *u, struct why *why)
{
	_cleanup_(walk_done) struct walk w = { .u = u };
	int r = ntfs_volume_open(container, &w.v, why);

	if (r == 0)
		r = ntfs_check_clean(&w.v, &w.volume, &w.log, &w.root, why);
	if (r == 0)
		r = open_bitmap(&w, why);
	if (r == 0)
		r = check_bitmap(&w, why);
	return r < 0 ? r : walk_bitmap(&w, why);
}
