/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_XFS_LOG_H
#define GOALFS_BACKENDS_CONTENT_XFS_LOG_H

#include "backends/content/xfs/super.h"

/*
 * Whether the log is clean, so that the filesystem is as its metadata says: 0;
 * -EOPNOTSUPP when it has to be replayed first; -EBADMSG when there is no making
 * sense of it. `s` has passed xfs_super_check. Reads some 17 sectors and 4 KiB,
 * 600 KiB at worst.
 */
int xfs_log_check(struct image *img, const struct xfs_super *s, struct why *why);

#endif
