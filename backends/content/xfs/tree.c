/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/xfs/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

/* Some two million runs in blocks of 4 KiB: more is no template. */
#define TREE_MAX (16 * MiB)

void xfs_tree_done(struct xfs_tree *t)
{
	free(t->block);
	free(t->bytes);
	free(t->changed);
	free(t->runs);
}

static int fail_tree(const struct xfs_tree *t, const char *what, struct why *why)
{
	return fail(why, -EBADMSG, "the free space of allocation group %" PRIu32 " of xfs, by %s, %s", t->ag,
		    t->kind == XFS_BY_START ? "start" : "size", what);
}

static uint8_t *bytes_of(const struct xfs_tree *t, uint32_t i)
{
	return t->bytes + (size_t)i * t->s->block_size;
}

static uint32_t records_of(const struct xfs_tree *t, uint32_t i)
{
	return xfs_block_records(bytes_of(t, i));
}

static int add_block(struct xfs_tree *t, uint32_t block, struct why *why)
{
	uint32_t *blocks;

	/* Doubled whenever it is a power of two. */
	if ((t->n_blocks & (t->n_blocks - 1)) == 0) {
		blocks = reallocarray(t->block, t->n_blocks ? t->n_blocks * (size_t)2 : 1, sizeof(*blocks));
		if (!blocks)
			return -ENOMEM;
		t->block = blocks;
	}
	if (t->n_blocks >= TREE_MAX / t->s->block_size)
		return fail(
			why, -EOPNOTSUPP,
			"the free space of the last allocation group of this xfs is in too many pieces to be "
			"extended here");
	t->block[t->n_blocks++] = block;
	return 0;
}

/* Reads the blocks [first, end), all those of a level, which must be in a row. */
static int read_level(struct xfs_tree *t, struct image *img, uint32_t first, uint32_t end, unsigned level,
		      struct why *why)
{
	uint8_t *bytes = reallocarray(t->bytes, end, t->s->block_size);

	if (!bytes)
		return -ENOMEM;
	t->bytes = bytes;
	for (uint32_t i = first; i < end; i++) {
		const struct disk_xfs_block *disk = (const struct disk_xfs_block *)bytes_of(t, i);
		int r = xfs_block_read(img, t->s, t->ag, t->kind, t->block[i], level, bytes_of(t, i), why);

		if (r < 0)
			return r;
		if (get_be32(disk->left) != (i == first ? XFS_NULL : t->block[i - 1]) ||
		    get_be32(disk->right) != (i + 1 == end ? XFS_NULL : t->block[i + 1]) ||
		    (records_of(t, i) == 0 && t->levels > 1))
			return fail_tree(t, "is damaged", why);
	}
	return 0;
}

static int read_blocks(struct xfs_tree *t, struct image *img, struct why *why)
{
	uint32_t first = 0;

	for (unsigned level = t->levels - 1;; level--) {
		uint32_t end = t->n_blocks;
		int r = read_level(t, img, first, end, level, why);

		if (r < 0)
			return r;
		t->first_leaf = first;
		if (level == 0)
			return 0;
		for (uint32_t i = first; i < end; i++)
			for (uint32_t k = 0; k < records_of(t, i); k++) {
				r = add_block(
					t, get_be32(xfs_block_pointers(t->s, bytes_of(t, i)) + (size_t)k * 4),
					why);
				if (r < 0)
					return r;
			}
		first = end;
	}
}

/* The order of the tree. */
static int compare(const struct xfs_tree *t, struct xfs_free a, struct xfs_free b)
{
	if (t->kind == XFS_BY_SIZE && a.length != b.length)
		return a.length < b.length ? -1 : 1;
	return a.start == b.start ? 0 : a.start < b.start ? -1 : 1;
}

static int check_runs(const struct xfs_tree *t, const struct xfs_agf *f, struct why *why)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		struct xfs_free run = t->runs[i];

		if (run.length == 0 || !range_ok(run.start, run.length, f->length) ||
		    (i > 0 && compare(t, t->runs[i - 1], run) >= 0) ||
		    (i > 0 && t->kind == XFS_BY_START &&
		     t->runs[i - 1].start + t->runs[i - 1].length >= run.start))
			return fail_tree(t, "is out of order", why);
		sum += run.length;
	}
	return sum == f->free_blocks ? 0 : fail_tree(t, "is not what its AGF says", why);
}

static int take_runs(struct xfs_tree *t)
{
	uint64_t n = 0;

	for (uint32_t i = t->first_leaf; i < t->n_blocks; i++)
		n += records_of(t, i);
	t->changed = calloc(t->n_blocks, sizeof(*t->changed));
	t->runs = calloc(n + 1, sizeof(*t->runs));
	if (!t->changed || !t->runs)
		return -ENOMEM;
	for (uint32_t i = t->first_leaf; i < t->n_blocks; i++) {
		const struct disk_xfs_free *disk = xfs_block_free(t->s, bytes_of(t, i));

		for (uint32_t k = 0; k < records_of(t, i); k++, disk++)
			t->runs[t->n++] = (struct xfs_free){ get_be32(disk->start), get_be32(disk->length) };
	}
	return 0;
}

int xfs_tree_read(struct xfs_tree *t, struct image *img, const struct xfs_super *s, uint32_t ag,
		  enum xfs_tree_kind kind, const struct xfs_agf *f, struct why *why)
{
	int r;

	*t = (struct xfs_tree){ .s = s, .ag = ag, .kind = kind, .levels = f->levels[kind] };
	r = add_block(t, f->roots[kind], why);
	if (r == 0)
		r = read_blocks(t, img, why);
	if (r == 0)
		r = take_runs(t);
	return r ?: check_runs(t, f, why);
}

/* Writes the runs back into the leaves, of which each has as many as it says. */
static void put_runs(struct xfs_tree *t)
{
	const struct xfs_free *run = t->runs;

	for (uint32_t i = t->first_leaf; i < t->n_blocks; i++) {
		struct disk_xfs_free *disk = xfs_block_free(t->s, bytes_of(t, i));

		for (uint32_t k = 0; k < records_of(t, i); k++, disk++, run++) {
			if (get_be32(disk->start) == run->start && get_be32(disk->length) == run->length)
				continue;
			put_be32(disk->start, run->start);
			put_be32(disk->length, run->length);
			t->changed[i] = true;
		}
	}
}

/* A key is the first record below: of the child, its first record or key. From the bottom up, nodes before children. */
static void put_keys(struct xfs_tree *t)
{
	uint32_t child = t->n_blocks;

	for (uint32_t i = t->first_leaf; i-- > 0;) {
		struct disk_xfs_free *keys = xfs_block_free(t->s, bytes_of(t, i));

		child -= records_of(t, i);
		for (uint32_t k = 0; k < records_of(t, i); k++) {
			const struct disk_xfs_free *first = xfs_block_free(t->s, bytes_of(t, child + k));

			if (memcmp(&keys[k], first, sizeof(*first)) == 0)
				continue;
			keys[k] = *first;
			t->changed[i] = true;
		}
	}
}

/* Makes room for one more record in the leaf that would hold the `place`th, or in the nearest that has room. */
static int add_record(struct xfs_tree *t, uint32_t place, struct why *why)
{
	uint32_t room = xfs_block_room(t->s, 0), best = 0, leaf = t->first_leaf;
	struct disk_xfs_block *disk;

	while (leaf + 1 < t->n_blocks && place >= records_of(t, leaf))
		place -= records_of(t, leaf++);
	for (uint32_t i = t->first_leaf; i < t->n_blocks; i++)
		if (records_of(t, i) < room &&
		    (best == 0 || labs((long)i - leaf) < labs((long)best - 1 - leaf)))
			best = i + 1;
	if (best == 0)
		return fail(
			why, -EOPNOTSUPP,
			"the free space of the last allocation group of this xfs fills its trees, so that they "
			"can't take more of it; the guest can grow it with xfs_growfs");
	disk = (struct disk_xfs_block *)bytes_of(t, best - 1);
	put_be16(disk->records, (uint16_t)(get_be16(disk->records) + 1));
	t->changed[best - 1] = true;
	return 0;
}

/* The index of the first run that is not before `run`. */
static uint32_t place_of(const struct xfs_tree *t, struct xfs_free run)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare(t, t->runs[middle], run) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void remove_run(struct xfs_tree *t, uint32_t place)
{
	t->n--;
	memmove(t->runs + place, t->runs + place + 1, (t->n - place) * sizeof(*t->runs));
}

static void insert_run(struct xfs_tree *t, uint32_t place, struct xfs_free run)
{
	memmove(t->runs + place + 1, t->runs + place, (t->n - place) * sizeof(*t->runs));
	t->runs[place] = run;
	t->n++;
}

int xfs_tree_replace(struct xfs_tree *t, struct xfs_free old, struct xfs_free new, struct why *why)
{
	uint32_t place;
	int r;

	if (old.length) {
		place = place_of(t, old);
		if (place == t->n || compare(t, t->runs[place], old) != 0 ||
		    t->runs[place].length != old.length)
			return fail_tree(t, "lacks a run that is in the other tree", why);
		remove_run(t, place);
	} else {
		r = add_record(t, place_of(t, new), why);
		if (r < 0)
			return r;
	}
	insert_run(t, place_of(t, new), new);
	put_runs(t);
	put_keys(t);
	for (uint32_t i = 0; i < t->n_blocks; i++)
		if (t->changed[i])
			xfs_block_seal(t->s, bytes_of(t, i));
	return 0;
}

void xfs_tree_paint(const struct xfs_tree *t, struct map_draft *draft)
{
	for (uint32_t i = 0; i < t->n_blocks; i++)
		if (t->changed[i])
			map_draft_bytes(draft, xfs_block_offset(t->s, t->ag, t->block[i]), bytes_of(t, i),
					t->s->block_size);
}
