/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_BTRFS_TREE_H
#define GOALFS_BACKENDS_CONTENT_BTRFS_TREE_H

/*
 * Walks through trees. A node is believed when it is what its parent says: its
 * checksum, its address, its generation, its level, its tree, its first key;
 * and keys only ascend. So no node is seen twice, and a walk ends.
 */
#include "backends/content/btrfs/chunks.h"

struct btrfs_key {
	uint64_t objectid;
	uint8_t type;
	uint64_t offset;
};

/* What a walk stands on. All borrowed. */
struct btrfs_trees {
	struct image *img;
	const struct btrfs_super *super;
	const struct btrfs_chunks *chunks; /* those that hold the nodes */
	uint64_t nodes;			   /* that were read so far */
};

/* An item in its leaf. Valid during the call. */
struct btrfs_item {
	struct btrfs_key key;
	const uint8_t *bytes; /* `size` of them, inside the leaf */
	size_t size;
	const uint8_t *leaf; /* nodesize bytes */
	uint64_t bytenr;     /* the leaf's logical address */
};

/* 0 goes on; 1 ends the walk; a negative errno ends it, too, and is what it returns. */
typedef int btrfs_visit(void *arg, const struct btrfs_item *item, struct why *why);

/*
 * Shows `visit` the items with keys of [from, to], in order; reads the nodes that
 * can have some, and no others. 0, or 1 where `visit` ended it; -EBADMSG for damage;
 * -EOPNOTSUPP when it would take more nodes than a walk may.
 */
int btrfs_walk(struct btrfs_trees *trees, const struct btrfs_root *root, const struct btrfs_key *from,
	       const struct btrfs_key *to, btrfs_visit *visit, void *arg, struct why *why);

/* Finds a tree by the tree of roots. 0; 1 when there is none. */
int btrfs_find_root(struct btrfs_trees *trees, uint64_t tree, struct btrfs_root *ret, struct why *why);

#endif
