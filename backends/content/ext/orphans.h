/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_ORPHANS_H
#define GOALFS_BACKENDS_CONTENT_EXT_ORPHANS_H

/*
 * Files that were deleted while somebody had them open. The next mount frees them.
 */
#include "backends/content/ext/geometry.h"

/*
 * The kernel marks a filesystem with an orphan file as having orphans as long as it is mounted,
 * whether there are any; e2fsck takes the mark without orphans for an error. Says whether there
 * is the mark and nothing behind it. In doubt, false. Reads the file.
 */
int ext_orphans_only_claimed(struct image *img, const struct ext_geometry *g, bool *ret, struct why *why);

#endif
