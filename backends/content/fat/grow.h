/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_FAT_GROW_H
#define GOALFS_BACKENDS_CONTENT_FAT_GROW_H

/* FAT grown (FAT32 alone) and moved by patches; see content.h. */
#include "backends/content/content.h"

int fat_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	     struct text *describe, struct why *why);

int fat_move(struct image *container, const struct content *c, uint64_t from, uint64_t to,
	     struct map_draft *draft, struct why *why);

#endif
