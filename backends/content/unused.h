/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_UNUSED_H
#define GOALFS_BACKENDS_CONTENT_UNUSED_H

/*
 * Collects what a content doesn't use, and paints zeros there: zeros that need not be
 * fetched, decoded, or allocated by a format. Belongs to one thread.
 */
#include "backends/map.h"

/*
 * A filesystem has some thousands of runs. One of which every other block is free would have
 * millions, each a segment in memory: from here on only long ones are worth it.
 */
#define UNUSED_RUNS_MAX 100000
#define UNUSED_RUN_LONG (64 * 1024)

struct unused {
	struct map_draft *draft; /* borrowed; stands over the container */
	uint64_t bytes;		 /* painted so far */
	uint64_t runs;
	uint64_t start, end; /* the run that may still get longer */
};

/* Starts anew over `draft`; `runs` are those that other contents of the disk have taken. */
void unused_begin(struct unused *u, struct map_draft *draft, uint64_t runs);

/*
 * [offset, offset + length) of the container; cut at its end. In any order, but
 * runs that touch are one only when they come one after the other. A run that is given twice counts twice.
 */
void unused_add(struct unused *u, uint64_t offset, uint64_t length);

/* Paints the last run. Errors of the draft are map_seal's to tell. */
void unused_end(struct unused *u);

#endif
