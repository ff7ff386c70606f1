/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_FAT_USED_H
#define GOALFS_BACKENDS_CONTENT_FAT_USED_H

/* Which clusters are free; see content.h. Reads the table, but for what is known to be zero of it. */
#include "backends/content/content.h"
#include "backends/content/unused.h"

int fat_unused(struct image *container, const struct content *c, struct unused *u, struct why *why);

#endif
