/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_USED_H
#define GOALFS_BACKENDS_CONTENT_EXT_USED_H

#include "backends/content/content.h"

/* content_ops.unused for ext. */
int ext_unused(struct image *container, const struct content *c, struct unused *u, struct why *why);

#endif
