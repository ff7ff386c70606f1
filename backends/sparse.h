/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_SPARSE_H
#define GOALFS_BACKENDS_SPARSE_H

/*
 * The step @sparse: what the contents of a disk don't use, and what no partition takes,
 * reads as zeros, which nobody has to fetch, to decode or to allocate. It stands on the
 * template's own disk, so that it is one map under every size and every piece of it.
 */
#include "backends/backend.h"

/*
 * Where nobody can say what is unused, all of it is used: such a disk or partition is no
 * error, its line in the plan says why. Errors are those of reading alone.
 */
int sparse_open(struct image *disk, struct image **ret, struct why *why);

extern const struct backend sparse_backend;

#endif
