/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_NTFS_LOG_H
#define GOALFS_BACKENDS_CONTENT_NTFS_LOG_H

/*
 * $LogFile. It begins with two restart pages, the newer of which counts; one whose client list is empty, or
 * that is marked as clean, has nothing to be replayed. A log of nothing but 0xFF is new, and clean.
 */
#include "backends/content/ntfs/volume.h"

/* The clusters of the log. */
int ntfs_log_open(const struct ntfs_volume *v, struct ntfs_stream *ret, struct why *why);

/*
 * 0 when there is nothing to replay. -EOPNOTSUPP when there is, or may be; or when Windows keeps more
 * of the volume in memory than is on the disk (fast startup).
 */
int ntfs_log_check(const struct ntfs_volume *v, const struct ntfs_stream *log, struct why *why);

/* Paints the whole log as new, as ntfsresize does. `ones` computes 0xFF everywhere. */
void ntfs_log_reset(const struct ntfs_volume *v, const struct ntfs_stream *log, struct computed *ones,
		    struct map_draft *draft);

#endif
