/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_GROW_H
#define GOALFS_BACKENDS_CONTENT_EXT_GROW_H

#include "backends/content/content.h"

/* content_ops.grow for ext. */
int ext_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	     struct text *describe, struct why *why);

#endif
