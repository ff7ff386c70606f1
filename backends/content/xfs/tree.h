/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_XFS_TREE_H
#define GOALFS_BACKENDS_CONTENT_XFS_TREE_H

/*
 * One of an allocation group's two trees of free space, held as a whole so that
 * the group can get longer. It keeps its blocks: records move among the leaves there are,
 * so that nobody else, no list of spare blocks and no reverse map, has to know.
 */
#include "backends/content/xfs/ag.h"
#include "backends/map.h"

/* A run of free blocks. */
struct xfs_free {
	uint32_t start, length;
};

struct xfs_tree {
	const struct xfs_super *s; /* borrowed */
	uint32_t ag;
	enum xfs_tree_kind kind;
	unsigned levels;
	/*
	 * Owned, as all arrays here. The blocks from the root down, level by level, each from left to
	 * right: their numbers, and their bytes, s->block_size each.
	 */
	uint32_t n_blocks;
	uint32_t *block;
	uint8_t *bytes;
	bool *changed;
	uint32_t first_leaf;   /* index of the left-most one */
	uint32_t n;	       /* runs, in the tree's order */
	struct xfs_free *runs; /* with room for one more */
};

/*
 * Reads it and checks that it holds f->free_blocks in runs that are in order, and in the tree by start apart from each
 * other. -EBADMSG for damage, -EOPNOTSUPP for one of more than 16 MiB.
 */
int xfs_tree_read(struct xfs_tree *t, struct image *img, const struct xfs_super *s, uint32_t ag,
		  enum xfs_tree_kind kind, const struct xfs_agf *f, struct why *why);
void xfs_tree_done(struct xfs_tree *t);

/*
 * Replaces the run `old` by `new`, which begins where it does; one without length is a run that isn't there
 * yet. -EOPNOTSUPP when all leaves are full, -EBADMSG when `old` is not in it.
 */
int xfs_tree_replace(struct xfs_tree *t, struct xfs_free old, struct xfs_free new, struct why *why);

/* Paints the blocks that have changed. */
void xfs_tree_paint(const struct xfs_tree *t, struct map_draft *draft);

#endif
