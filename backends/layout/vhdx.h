/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_VHDX_H
#define GOALFS_BACKENDS_LAYOUT_VHDX_H

/*
 * The vhdx layout: where each byte of a VHDX file that holds `below` comes from
 * ([MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format"; numbers in the source are
 * its sections). Version 1, sectors of 512 bytes on a medium of 4096, an empty log.
 * Dynamic: a block that is wholly EXTENT_ZERO in `below` is marked as zero, the
 * others stand in the file in guest order. Or fixed: all of them do.
 *
 * `cluster` is the size of a block, 1M to 256M. By default it is as small as the
 * table of blocks allows, 1M for a disk of up to 1T: what a filesystem spreads over
 * the disk takes a whole block each, and Microsoft advises it for Linux guests ("Best
 * Practices for running Linux on Hyper-V").
 */
#include "backends/layout/layout.h"

/*
 * Takes a ref of its own to `below`. The virtual size is that of `below`, rounded
 * up to a sector. Returns 0; -EINVAL when `cluster` is not a size of blocks;
 * -EOPNOTSUPP, with the limit in `why`, when the format can't hold so much, or
 * nothing at all; -ENOMEM.
 *
 * Memory is bounded as qcow2_layout's is.
 */
int vhdx_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why);

extern const struct backend vhdx_layout_backend;

#endif
