/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an XFS doesn't use: the runs in the trees of free space by start, leaf by leaf from the left.
 * The spare blocks of the groups' lists are in no tree and so count as used, as
 * does the log: finding its head reads sectors all over it. Damage may be found when some groups' runs have been
 * told already.
 */
#include <errno.h>
#include <inttypes.h>

#include "backends/content/unused.h"
#include "backends/content/xfs/ag.h"
#include "backends/content/xfs/grow.h"
#include "backends/content/xfs/log.h"
#include "base/bytes.h"

struct walk {
	struct image *img;	   /* borrowed */
	const struct xfs_super *s; /* borrowed */
	struct unused *u;	   /* borrowed */
	uint8_t *bytes;		   /* owned: a sector or a block */
	uint32_t ag;
	struct xfs_agf agf;
	uint32_t end; /* of the run before: block */
	uint64_t sum; /* free blocks so far */
};

static int fail_walk(const struct walk *w, const char *what, struct why *why)
{
	return fail(why, -EBADMSG, "the free space of allocation group %" PRIu32 " of xfs, by start, %s", w->ag,
		    what);
}

static int find_left_leaf(const struct walk *w, uint32_t *ret, struct why *why)
{
	uint32_t at = w->agf.roots[XFS_BY_START];

	for (unsigned level = w->agf.levels[XFS_BY_START] - 1; level > 0; level--) {
		int r = xfs_block_read(w->img, w->s, w->ag, XFS_BY_START, at, level, w->bytes, why);

		if (r < 0)
			return r;
		if (xfs_block_records(w->bytes) == 0)
			return fail_walk(w, "has an empty block", why);
		at = get_be32(xfs_block_pointers(w->s, w->bytes));
	}
	*ret = at;
	return 0;
}

static int add_leaf(struct walk *w, struct why *why)
{
	const struct disk_xfs_free *disk = xfs_block_free(w->s, w->bytes);
	uint32_t n = xfs_block_records(w->bytes);

	for (uint32_t i = 0; i < n; i++, disk++) {
		uint32_t start = get_be32(disk->start), length = get_be32(disk->length);

		/* Runs that touched would be one; the first blocks of a group are never free. */
		if (start <= w->end || length == 0 || !range_ok(start, length, w->agf.length))
			return fail_walk(w, "is out of order", why);
		unused_add(w->u, xfs_block_offset(w->s, w->ag, start), (uint64_t)length * w->s->block_size);
		w->end = start + length;
		w->sum += length;
	}
	return 0;
}

/* Ends, because each leaf has runs, and each run is behind the one before. */
static int walk_leaves(struct walk *w, struct why *why)
{
	const struct disk_xfs_block *disk = (const struct disk_xfs_block *)w->bytes;
	uint32_t at = XFS_NULL, before = XFS_NULL;
	int r = find_left_leaf(w, &at, why);

	while (r == 0 && at != XFS_NULL) {
		r = xfs_block_read(w->img, w->s, w->ag, XFS_BY_START, at, 0, w->bytes, why);
		if (r < 0)
			return r;
		if (get_be32(disk->left) != before ||
		    (xfs_block_records(w->bytes) == 0 && w->agf.levels[XFS_BY_START] > 1))
			return fail_walk(w, "is damaged", why);
		r = add_leaf(w, why);
		before = at;
		at = get_be32(disk->right);
		if (xfs_block_records(w->bytes) == 0 && at != XFS_NULL)
			return fail_walk(w, "is damaged", why);
	}
	return r;
}

static int walk_group(struct walk *w, struct why *why)
{
	int r = xfs_agf_read(w->img, w->s, w->ag, w->bytes, &w->agf, why);

	w->end = 0;
	w->sum = 0;
	if (r == 0)
		r = walk_leaves(w, why);
	if (r == 0 && w->sum != w->agf.free_blocks)
		return fail_walk(w, "is not what its AGF says", why);
	return r;
}

int xfs_unused(struct image *container, const struct content *c, struct unused *u, struct why *why)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	struct walk w = { .img = container, .u = u };
	struct xfs_super s;
	int r = xfs_super_read(container, NULL, &s, why);

	if (r == 1)
		return fail(why, -EBADMSG, "there is no xfs superblock");
	if (r == 0)
		r = xfs_super_check(&s, why);
	if (r == 0)
		r = xfs_log_check(container, &s, why);
	if (r < 0)
		return r;
	bytes = malloc(s.block_size); /* no less than a sector */
	if (!bytes)
		return -ENOMEM;
	w.s = &s;
	w.bytes = bytes;
	for (w.ag = 0; w.ag < s.ags && r == 0; w.ag++)
		r = walk_group(&w, why);
	return r;
}
