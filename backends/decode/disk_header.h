/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_DISK_HEADER_H
#define GOALFS_BACKENDS_DECODE_DISK_HEADER_H

/*
 * Looks at the headers of a disk image before a program that isn't ours opens it. Formats
 * have places for the names of other files: backing files, data files, parents, extents. Whoever
 * can write an image could have any file of this machine read that way. So an image that names
 * one is refused, as is one that is encrypted, since nobody has its key. Nothing else is checked here:
 * what is behind the headers is the reader's.
 */
#include "backends/image.h"

/*
 * `format` is one of vmdk, vdi, vhd, vhdx, qed, parallels, dmg, qcow2, qcow, cloop, bochs. 0 when the
 * image is of that format and stands alone; -EOPNOTSUPP when it names others or is encrypted, -EBADMSG when it is something
 * else, or damaged where it matters; what reading `img` returns.
 */
int disk_header_check(struct image *img, const char *format, struct why *why);

#endif
