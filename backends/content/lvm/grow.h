/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_LVM_GROW_H
#define GOALFS_BACKENDS_CONTENT_LVM_GROW_H

#include "backends/content/content.h"

/*
 * content_ops.grow for LVM: what pvresize, lvextend -l +100%FREE and the filesystem's own tool do.
 * A physical volume without a group, and a group without volumes, grow alone; and free extents
 * between volumes stay free.
 */
int lvm_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	     struct text *describe, struct why *why);

/* content_ops.unused: extents that no volume has, and what the filesystems in linear volumes don't use. */
int lvm_unused(struct image *container, const struct content *c, struct unused *u, struct why *why);

#endif
