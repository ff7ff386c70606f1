/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_NTFS_CLEAN_H
#define GOALFS_BACKENDS_CONTENT_NTFS_CLEAN_H

/*
 * Is what is on the disk all there is of a volume? Not when Windows crashed, is hibernated,
 * or wants to check it first.
 */
#include "backends/content/ntfs/log.h"
#include "backends/content/ntfs/root.h"

/*
 * Checks $Volume, $LogFile and hiberfil.sys. 0; -EOPNOTSUPP with the reason when it must be left alone;
 * -EBADMSG or another errno. `volume` is the record of $Volume, `log` and `root` are opened.
 */
int ntfs_check_clean(const struct ntfs_volume *v, struct ntfs_record *volume, struct ntfs_stream *log,
		     struct ntfs_root *root, struct why *why);

#endif
