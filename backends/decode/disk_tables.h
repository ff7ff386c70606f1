/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_DISK_TABLES_H
#define GOALFS_BACKENDS_DECODE_DISK_TABLES_H

/*
 * Whether a disk image is all there. What a file doesn't hold any more, because its download was
 * cut off, QEMU reads as zeros: its formats ask their file for bytes behind its end, and
 * get some. So the tables that say where data lies are read once, before it sees the image, and must lead into
 * the file: of vmdk, vdi, vhd, parallels, qcow2 and qcow. vhdx and qed are checked by QEMU itself; of the others (dmg,
 * cloop, bochs) nothing is looked at: their data is compressed, or the format is dead.
 */
#include "backends/image.h"

/*
 * The headers must have passed disk_header_check. 0, or -EBADMSG for an image that ends before its
 * data, or whose tables can't be: what they claim, and the time that it takes, is bounded by the file's
 * size. -EOPNOTSUPP for more tables than QEMU takes, -EINTR when this thread's patience is lost.
 */
int disk_tables_check(struct image *img, const char *format, struct why *why);

#endif
