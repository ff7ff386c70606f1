/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_VMDK_H
#define GOALFS_BACKENDS_LAYOUT_VMDK_H

/*
 * The vmdk layout: VMware's monolithicSparse, a hosted sparse extent of version 1
 * with its descriptor inside (VMware, Virtual Disk Format 1.1 and 5.0). Grains of
 * 64 KiB; a grain that is wholly EXTENT_ZERO in `below` is not allocated. No fixed
 * form: the fully allocated kinds are two files.
 */
#include "backends/layout/layout.h"

/*
 * As qcow2_layout: a size that is no multiple of a sector is rounded up; -EOPNOTSUPP for
 * a disk of no bytes, one above 1 PiB (QEMU takes no larger grain directory), and one
 * that would need a file above 2 TiB (places are 32 bits of sectors). VMware's own programs
 * are said to take no disk of 2 TiB and more in this form; QEMU does.
 */
int vmdk_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why);

extern const struct backend vmdk_layout_backend;

#endif
