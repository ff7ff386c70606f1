/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_BTRFS_USED_H
#define GOALFS_BACKENDS_CONTENT_BTRFS_USED_H

#include "backends/content/content.h"
#include "backends/content/unused.h"

/* The `unused` of btrfs_content. Reads the chunk tree and the free space tree, or the extent tree. */
int btrfs_unused(struct image *container, const struct content *c, struct unused *u, struct why *why);

#endif
