/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_XFS_GROW_H
#define GOALFS_BACKENDS_CONTENT_XFS_GROW_H

#include "backends/content/content.h"

/* content_ops.grow for xfs. */
int xfs_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	     struct text *describe, struct why *why);

/* content_ops.unused for xfs: used.c. */
int xfs_unused(struct image *container, const struct content *c, struct unused *u, struct why *why);

#endif
