/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_VHD_H
#define GOALFS_BACKENDS_LAYOUT_VHD_H

/*
 * The vhd layout: where each byte of a VHD file that holds `below` comes from.
 * The format is that of Microsoft's "Virtual Hard Disk Image Format
 * Specification", version 1.0 (2006); QEMU calls it vpc. Dynamic, with blocks of
 * 2 MiB: one that is wholly EXTENT_ZERO in `below` is not allocated, the others
 * stand in the file in guest order. Or fixed: the disk, and behind it the footer.
 *
 * The virtual size is exact. Readers that go by the geometry of cylinders, heads
 * and sectors instead would round it down; the creator that the footer names is one
 * whose files are read by the size (block/vpc.c of QEMU).
 */
#include "backends/layout/layout.h"

/*
 * Takes a ref of its own to `below`. The virtual size is that of `below`, rounded
 * up to a sector. Returns 0; -EOPNOTSUPP, with the limit in `why`, when the
 * format can't hold so much, or nothing at all; -ENOMEM.
 *
 * Memory is that of a list of runs (runs.h), whatever `below` says of itself.
 */
int vhd_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why);

extern const struct backend vhd_layout_backend;

#endif
