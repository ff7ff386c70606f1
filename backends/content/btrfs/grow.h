/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_BTRFS_GROW_H
#define GOALFS_BACKENDS_CONTENT_BTRFS_GROW_H

#include "backends/content/btrfs/chunks.h"
#include "backends/content/content.h"

/* The `grow` of btrfs_content. Reads two superblocks' worth and a node a level of the chunk tree. */
int btrfs_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	       struct text *describe, struct why *why);

/*
 * That it is of a kind that is known here, and one device holds all of it: for
 * both growing it and telling what it doesn't use. -EOPNOTSUPP with the reason.
 */
int btrfs_check_known(const struct btrfs_super *s, struct why *why);

#endif
