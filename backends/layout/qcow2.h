/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_QCOW2_H
#define GOALFS_BACKENDS_LAYOUT_QCOW2_H

/*
 * The qcow2 layout: where each byte of a qcow2 file that holds `below` comes
 * from (docs/interop/qcow2.txt of QEMU). No backing file; a cluster that is wholly
 * EXTENT_ZERO in `below` is not allocated, the others stand in the file in guest
 * order. `compat` is 1.1 (version 3 of the format, the default) or 0.10 (version 2);
 * `cluster` 512 to 2M (default 64K). There is no fixed form.
 */
#include "backends/layout/layout.h"

/*
 * Takes a ref of its own to `below`. The virtual size is that of `below`, rounded
 * up to a sector. Returns 0; -EINVAL for a compat or cluster that isn't one, and
 * -EOPNOTSUPP when the format (or QEMU, which is its definition) can't hold so much
 * in clusters of that size, with the limit in `why`; -ENOMEM.
 *
 * Memory is bounded whatever `below` says of itself: above RUNS_MAX (runs.h) runs of
 * data, the shortest holes between them are allocated too (and still read as
 * zeros, as EXTENT_ZERO), until the runs are few enough.
 */
int qcow2_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why);

extern const struct backend qcow2_layout_backend;

#endif
