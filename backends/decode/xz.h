/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_XZ_H
#define GOALFS_BACKENDS_DECODE_XZ_H

/*
 * The xz format (https://xz.tukaani.org/format/xz-file-format.txt): random
 * access by block through the index, any number of streams, stream padding. An
 * image made in units, one a block; single-block files are one unit.
 */
#include "backends/backend.h"

/*
 * Opens xz bytes. Reads the streams' footers, indexes and headers, and proves
 * blocks zero (zero.c); `opening` lends the store for the zero map and says how
 * much memory there is, NULL does without. Needs nothing of a plan: tests and
 * fuzz entries call it directly.
 *
 * Half of context->memory, divided by the pool's threads, is what one decoder may
 * take (never less than xz -9 needs), an eighth is for the table of blocks. A
 * dictionary counts with as much of it as its block can use. Streams without
 * checks (--check=none) are accepted: there is nothing to verify them by.
 */
int xz_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why);

extern const struct backend xz_backend;

#endif
