/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_TABLE_STRETCH_H
#define GOALFS_BACKENDS_TABLE_STRETCH_H

/*
 * Where the bytes of a disk come to lie when a partition of it grows. What stands
 * behind the partition moves up as one block, the gaps with it: nobody can tell
 * what somebody keeps in one.
 *
 *	old   .. [ grows )  [ next ) [ another )
 *	new   .. [ grows                )  [ next ) [ another )
 *	                 <--- shift --->
 *
 * The shift is a multiple of 1 MiB, so that what was aligned stays so, for guests
 * and for the units of the store. Where nothing stands behind, nothing moves, and
 * the partition ends at the last whole MiB.
 */
#include "backends/map.h"
#include "backends/table/table.h"

/* All in bytes of the disk. */
struct stretch {
	uint64_t start, end; /* the partition as it is */
	uint64_t new_end;    /* as it will be */
	uint64_t behind_end; /* where what stands behind it ends; `end` when nothing does */
	uint64_t shift;
};

/*
 * `p` NULL: no partition grows, everything stays. `behind_end` as above;
 * `usable_end`: what partitions may use of the grown disk. Room for less than a
 * MiB is none.
 */
struct stretch stretch_of(const struct partition *p, uint64_t behind_end, uint64_t usable_end);

/* Where the range [start, end) starts and ends then. It holds the partition, or part of neither it nor the block. */
uint64_t stretch_start(const struct stretch *s, uint64_t start);
uint64_t stretch_end(const struct stretch *s, uint64_t start, uint64_t end);

/* Paints the block at its new place, as it is below; what the partition gained is painted over afterwards. */
void stretch_paint(const struct stretch *s, struct map_draft *draft);

struct table_growth stretch_growth(const struct stretch *s);

#endif
