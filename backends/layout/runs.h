/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_RUNS_H
#define GOALFS_BACKENDS_LAYOUT_RUNS_H

/*
 * Which blocks of a disk a dynamic format allocates (clusters of qcow2, grains of
 * vmdk, blocks of vdi and vhd), as a sorted list of runs. What is allocated stands
 * in the file in the order of the disk and without gaps, so that the place of a
 * block is its rank: how many allocated ones stand before it. A table of the
 * format is then no array in memory but a binary search when it is read.
 *
 * Memory is bounded: above RUNS_MAX runs the shortest gaps between them are
 * allocated, too, until the runs are few enough.
 */
#include <stddef.h>
#include <stdint.h>

#include "backends/image.h"

/* As many as a disk of 64 GiB has at the very worst with blocks of 64 KiB. 16 bytes each, and a segment in the map. */
#define RUNS_MAX (UINT64_C(1) << 19)

/* [first, first + length), and how many stand in all the runs before it. */
struct run {
	uint64_t first;
	uint64_t rank;
};

/* Sorted; between neighbours is a gap of more than `join`. Empty when zeroed. */
struct runs {
	struct run *run; /* owned; n of them */
	size_t n;
	size_t room;
	uint64_t total; /* the length of all */
	uint64_t join;
};

void runs_done(struct runs *r);

/* In ascending order, not overlapping. 0 or -ENOMEM. */
int runs_add(struct runs *r, uint64_t first, uint64_t length);

/*
 * Adds the blocks (of `block` bytes) of `below` that are not wholly EXTENT_ZERO.
 * EXTENT_SEEN_ZERO is what one host has found out so far, and the layout has to be
 * the same on all of them: it is allocated. 0 or -ENOMEM.
 */
int runs_survey(struct runs *r, struct image *below, uint64_t block);

uint64_t runs_length(const struct runs *r, size_t i);
uint64_t runs_end(const struct runs *r, size_t i); /* of run i */

/* The first run that ends behind `at`; n when there is none. */
size_t runs_find(const struct runs *r, uint64_t at);

/* What stands in the runs at this rank (< total). */
uint64_t runs_nth(const struct runs *r, uint64_t rank);

#define RUNS_NONE UINT64_MAX

/* The ranks of [at, at + n), for a table that has an entry for each; RUNS_NONE for what is in no run. */
void runs_ranks(const struct runs *r, uint64_t at, size_t n, uint64_t *ret);

#endif
