/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_QCOW2_H
#define GOALFS_BACKENDS_LAYOUT_QCOW2_H

/*
 * The qcow2 layout: where each byte of a qcow2 file that holds `below` comes
 * from (docs/interop/qcow2.txt of QEMU). Version 3, clusters of 64 KiB, no
 * backing file; a cluster that is wholly EXTENT_ZERO in `below` is not
 * allocated, the others stand in the file in guest order.
 */
#include "backends/backend.h"

/*
 * Takes a ref of its own to `below`. The virtual size is that of `below`, rounded
 * up to a sector. Returns 0; -EOPNOTSUPP, with the limit in `why`, when the
 * format (or QEMU, which is its definition) can't hold so much; -ENOMEM.
 *
 * Memory is bounded whatever `below` says of itself: above RUNS_MAX (runs.h) runs of
 * data, the shortest holes between them are allocated too (and still read as
 * zeros, as EXTENT_ZERO), until the runs are few enough.
 */
int qcow2_layout(struct image *below, struct image **ret, struct why *why);

extern const struct backend qcow2_layout_backend;

#endif
