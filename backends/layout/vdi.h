/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_VDI_H
#define GOALFS_BACKENDS_LAYOUT_VDI_H

/*
 * The vdi layout: VirtualBox's disk, version 1.1, as VirtualBox (VDICore.h) and QEMU
 * (block/vdi.c) read it. Blocks of 1 MiB, the only ones QEMU takes; a block that is
 * wholly EXTENT_ZERO in `below` is not allocated. With `fixed` it is VirtualBox's
 * preallocated kind, in which all blocks are, and those are holes.
 */
#include "backends/layout/layout.h"

/*
 * As qcow2_layout: a size that is no multiple of a sector is rounded up; -EOPNOTSUPP for
 * a disk of no bytes, which VirtualBox refuses, and one of more blocks than QEMU takes.
 */
int vdi_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why);

extern const struct backend vdi_layout_backend;

#endif
