/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What btrfs doesn't use: what belongs to no chunk, and what is free inside
 * chunks. The free space tree tells that, or, where there is none that is valid, the gaps
 * between the extents of the extent tree. Free logical addresses are free in every copy.
 *
 * Three things are used that no tree tells of: the first MiB, which is left to boot
 * loaders and the superblock, and the superblock's copies. The trees may call them
 * free, for the kernel leaves them out by itself.
 *
 * The superblock counts the bytes in use. Where the trees come to another number, they are not believed.
 */
#include "backends/content/btrfs/used.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "backends/content/btrfs/grow.h"
#include "backends/content/btrfs/tree.h"
#include "base/bytes.h"

/* The kernel keeps that much around a copy of the superblock for itself. */
#define COPY_KEPT  (64 * KiB)
#define FIRST_KEPT MiB

struct used {
	struct unused *to; /* borrowed */
	struct disk_btrfs_super disk;
	struct btrfs_super super;
	struct btrfs_chunks of_super, chunks;
	struct btrfs_trees trees;

	uint64_t free; /* logical bytes, so far */

	/* The run that may still get longer. Logical, in `chunk`. */
	const struct btrfs_chunk *chunk;
	uint64_t start, end;
	uint32_t runs; /* that came to their end in `chunk` */

	uint64_t at;		 /* all of `chunk` below has been told of */
	uint32_t claimed;	 /* runs in `chunk`, as the free space tree counts them */
	struct btrfs_chunk gone; /* one that only the free space tree knows */
};

static void used_done(struct used *x)
{
	btrfs_chunks_done(&x->of_super);
	btrfs_chunks_done(&x->chunks);
}

/* Places on the device. */

/* All of [start, end) but [from, to); what is left behind it in `start`. */
static uint64_t add_around(struct used *x, uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
	if (end <= from || start >= to)
		return start;
	if (start < from)
		unused_add(x->to, start, from - start);
	return min_u64(to, end);
}

static void add_place(struct used *x, uint64_t start, uint64_t end)
{
	start = add_around(x, start, end, 0, FIRST_KEPT);
	for (unsigned i = 0; i < BTRFS_COPIES; i++)
		start = add_around(x, start, end, btrfs_copy_at(i), btrfs_copy_at(i) + COPY_KEPT);
	if (start < end)
		unused_add(x->to, start, end - start);
}

/* Outside of chunks. */

struct stripe {
	uint64_t start, end;
};

static int by_start(const void *a, const void *b)
{
	const struct stripe *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int add_gaps(struct used *x, struct why *why)
{
	_cleanup_free_ struct stripe *stripes = calloc(x->chunks.n * BTRFS_STRIPES + 1, sizeof(*stripes));
	uint64_t at = 0;
	size_t n = 0;

	if (!stripes)
		return -ENOMEM;
	for (size_t i = 0; i < x->chunks.n; i++) {
		const struct btrfs_chunk *c = &x->chunks.chunk[i];

		for (unsigned j = 0; j < c->n_stripes; j++)
			stripes[n++] = (struct stripe){ c->stripes[j], c->stripes[j] + c->length };
	}
	qsort(stripes, n, sizeof(*stripes), by_start);
	for (size_t i = 0; i < n; i++) {
		if (stripes[i].start < at)
			return fail(why, -EBADMSG,
				    "btrfs claims two chunks to stand at %" PRIu64 " of the device",
				    stripes[i].start);
		add_place(x, at, stripes[i].start);
		at = stripes[i].end;
	}
	add_place(x, at, x->super.device.total_bytes);
	return 0;
}

/* Inside of chunks. */

static void end_run(struct used *x)
{
	uint64_t length = x->end - x->start;

	if (length == 0)
		return;
	for (unsigned i = 0; i < x->chunk->n_stripes; i++) {
		uint64_t place = x->chunk->stripes[i] + (x->start - x->chunk->logical);

		add_place(x, place, place + length);
	}
	if (x->chunk != &x->gone)
		x->free += length;
	x->runs++;
	x->start = x->end;
}

/* [start, end) of the chunk is free. */
static void add_free(struct used *x, uint64_t start, uint64_t end)
{
	if (start != x->end) {
		end_run(x);
		x->start = start;
	}
	x->end = end;
}

static void begin_chunk(struct used *x, const struct btrfs_chunk *chunk)
{
	x->chunk = chunk;
	x->start = x->end = x->at = chunk->logical;
	x->runs = 0;
}

/* The free space tree. */

static int end_group(struct used *x, struct why *why)
{
	if (!x->chunk)
		return 0;
	end_run(x);
	if (x->runs != x->claimed)
		return fail(why, -EBADMSG,
			    "the free space tree of btrfs counts %" PRIu32 " runs at %" PRIu64
			    ", there are %" PRIu32,
			    x->claimed, x->chunk->logical, x->runs);
	return 0;
}

/* mkfs.btrfs up to 6.2 forgets to take block groups out that it made for itself at first. */
static const struct btrfs_chunk *gone_chunk(struct used *x, uint64_t start, uint64_t length)
{
	if (length > UINT64_MAX - start || btrfs_chunks_touch(&x->chunks, start, length))
		return NULL;
	x->gone = (struct btrfs_chunk){ .logical = start, .length = length };
	return &x->gone;
}

static int begin_group(struct used *x, const struct btrfs_item *item, struct why *why)
{
	const struct disk_btrfs_free_space_info *disk = (const struct disk_btrfs_free_space_info *)item->bytes;
	uint64_t start = item->key.objectid, length = item->key.offset;
	const struct btrfs_chunk *chunk = btrfs_chunks_find(&x->chunks, start, length);
	int r = end_group(x, why);

	if (r < 0)
		return r;
	if (!chunk)
		chunk = gone_chunk(x, start, length);
	if (item->size < sizeof(*disk) || !chunk || chunk->logical != start || chunk->length != length)
		return fail(why, -EBADMSG,
			    "the free space tree of btrfs has a block group at %" PRIu64
			    ", where another chunk is",
			    start);
	begin_chunk(x, chunk);
	x->claimed = get_le32(disk->extents);
	return 0;
}

static void add_bits(struct used *x, uint64_t start, uint64_t sectors, const uint8_t *bits)
{
	const uint64_t size = x->super.sectorsize;

	for (uint64_t i = 0; i < sectors; i++) {
		if (i % 8 == 0 && bits[i / 8] == 0)
			i += 7;
		else if (bits[i / 8] & 1u << i % 8)
			add_free(x, start + i * size, start + (i + 1) * size);
	}
}

static int visit_free_space(void *arg, const struct btrfs_item *item, struct why *why)
{
	uint64_t start = item->key.objectid, length = item->key.offset, sectors;
	struct used *x = arg;

	if (item->key.type == BTRFS_FREE_SPACE_INFO)
		return begin_group(x, item, why);
	sectors = length / x->super.sectorsize;
	if (!x->chunk || start < x->at || start % x->super.sectorsize != 0 ||
	    length % x->super.sectorsize != 0 || !range_ok(start - x->chunk->logical, length, x->chunk->length))
		return fail(why, -EBADMSG, "the free space tree of btrfs is damaged at %" PRIu64, start);
	x->at = start + length;
	if (item->key.type == BTRFS_FREE_SPACE_EXTENT)
		add_free(x, start, start + length);
	else if (item->key.type == BTRFS_FREE_SPACE_BITMAP && item->size == div_up(sectors, 8))
		add_bits(x, start, sectors, item->bytes);
	else
		return fail(why, -EBADMSG, "the free space tree of btrfs is damaged at %" PRIu64, start);
	return 0;
}

static const struct btrfs_key first_key = { 0, 0, 0 }, last_key = { UINT64_MAX, UINT8_MAX, UINT64_MAX };

static int by_free_space_tree(struct used *x, const struct btrfs_root *root, struct why *why)
{
	int r = btrfs_walk(&x->trees, root, &first_key, &last_key, visit_free_space, x, why);

	return r < 0 ? r : end_group(x, why);
}

/* The extent tree: what stands between extents is free. */

/* All chunks before the one that holds `logical` are told of to their end. */
static void go_on_to(struct used *x, uint64_t logical)
{
	const struct btrfs_chunk *all_end = x->chunks.chunk + x->chunks.n;

	while (x->chunk < all_end && logical >= x->chunk->logical + x->chunk->length) {
		add_free(x, x->at, x->chunk->logical + x->chunk->length);
		end_run(x);
		if (++x->chunk < all_end)
			begin_chunk(x, x->chunk);
	}
}

static int visit_extent(void *arg, const struct btrfs_item *item, struct why *why)
{
	uint64_t start = item->key.objectid, length;
	struct used *x = arg;

	if (item->key.type != BTRFS_EXTENT_ITEM && item->key.type != BTRFS_METADATA_ITEM)
		return 0;
	length = item->key.type == BTRFS_EXTENT_ITEM ? item->key.offset : x->super.nodesize;
	go_on_to(x, start);
	if (x->chunk == x->chunks.chunk + x->chunks.n || start < x->at || length == 0 ||
	    !range_ok(start - x->chunk->logical, length, x->chunk->length))
		return fail(why, -EBADMSG,
			    "the extent tree of btrfs has %" PRIu64 " bytes at %" PRIu64
			    ", where they can't be",
			    length, start);
	if (start > x->at)
		add_free(x, x->at, start);
	x->at = start + length;
	return 0;
}

static int by_extent_tree(struct used *x, const struct btrfs_root *root, struct why *why)
{
	int r;

	if (x->chunks.n == 0)
		return 0;
	begin_chunk(x, x->chunks.chunk);
	r = btrfs_walk(&x->trees, root, &first_key, &last_key, visit_extent, x, why);
	if (r < 0)
		return r;
	go_on_to(x, UINT64_MAX);
	return 0;
}

/* All of it. */

static int visit_chunk(void *arg, const struct btrfs_item *item, struct why *why)
{
	struct used *x = arg;

	return btrfs_chunks_add(&x->chunks, &x->super, item->key.offset, item->bytes, item->size, why);
}

static int read_chunks(struct used *x, struct why *why)
{
	const struct btrfs_key from = { BTRFS_CHUNKS, BTRFS_CHUNK_ITEM, 0 };
	const struct btrfs_key to = { BTRFS_CHUNKS, BTRFS_CHUNK_ITEM, UINT64_MAX };
	int r = btrfs_chunks_of_super(&x->of_super, &x->super, &x->disk, why);

	if (r < 0)
		return r;
	x->trees.chunks = &x->of_super;
	r = btrfs_walk(&x->trees, &x->super.chunks, &from, &to, visit_chunk, x, why);
	x->trees.chunks = &x->chunks;
	return r;
}

static int read_super(struct used *x, struct why *why)
{
	int r = btrfs_super_read(x->trees.img, &x->disk, &x->super, why);

	if (r == 1)
		return fail(why, -EBADMSG, "there is no btrfs superblock");
	if (r == 0)
		r = btrfs_check_known(&x->super, why);
	if (r < 0)
		return r;
	if (x->super.device.total_bytes > x->trees.img->size)
		return fail(why, -EBADMSG, "btrfs takes more bytes than there are: truncated image");
	if (x->super.log_root != 0)
		return fail(
			why, -EOPNOTSUPP,
			"its log tree must be replayed first: what it uses of this btrfs is told nowhere else");
	return 0;
}

static int add_free_of_chunks(struct used *x, struct why *why)
{
	const uint64_t both = BTRFS_RO_FREE_SPACE_TREE | BTRFS_RO_FREE_SPACE_TREE_VALID;
	bool has_free_space = (x->super.compat_ro & both) == both;
	struct btrfs_root root;
	int r = btrfs_find_root(&x->trees, has_free_space ? BTRFS_FREE_SPACE_TREE : BTRFS_EXTENT_TREE, &root,
				why);

	if (r == 1)
		return fail(why, -EBADMSG, "btrfs has no %s tree", has_free_space ? "free space" : "extent");
	if (r < 0)
		return r;
	return has_free_space ? by_free_space_tree(x, &root, why) : by_extent_tree(x, &root, why);
}

static int check_sum(const struct used *x, struct why *why)
{
	uint64_t all = 0;

	for (size_t i = 0; i < x->chunks.n; i++)
		all += x->chunks.chunk[i].length;
	if (all - x->free != x->super.bytes_used)
		return fail(why, -EBADMSG,
			    "the trees of btrfs have %" PRIu64 " bytes in use, its superblock says %" PRIu64,
			    all - x->free, x->super.bytes_used);
	return 0;
}

int btrfs_unused(struct image *container, const struct content *c, struct unused *u, struct why *why)
{
	_cleanup_(used_done) struct used x = { .to = u, .trees = { .img = container } };
	int r;

	x.trees.super = &x.super;
	r = read_super(&x, why);
	if (r == 0)
		r = read_chunks(&x, why);
	if (r == 0)
		r = add_gaps(&x, why);
	if (r == 0)
		r = add_free_of_chunks(&x, why);
	return r < 0 ? r : check_sum(&x, why);
}
