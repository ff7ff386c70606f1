/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_BZIP2_H
#define GOALFS_BACKENDS_DECODE_BZIP2_H

/*
 * The bzip2 format, any number of streams one after the other. Its blocks don't
 * depend on each other: an image made in units of some blocks.
 */
#include "backends/backend.h"

/*
 * Opens bzip2 bytes. Unless the store has the index, all of the file is decoded, by
 * all threads of the pool. `opening` lends pool and store and says how much memory
 * there is; NULL does without. What follows the last stream must be zeros: bzip2
 * ignores something else, with a warning, but it may be a stream whose first bytes
 * are damaged.
 */
int bzip2_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why);

extern const struct backend bzip2_backend;

#endif
