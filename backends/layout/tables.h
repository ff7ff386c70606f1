/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_TABLES_H
#define GOALFS_BACKENDS_LAYOUT_TABLES_H

/*
 * The file of a dynamic format: tables first, then the blocks of the disk that are
 * allocated, in its order and without gaps:
 *
 *	part | part | ... |   | block | block | ...
 *
 * What the parts are is the format's. Each is a whole number of sectors, and none
 * of it is held in memory: a sector is computed when it is read, out of the list of
 * allocated blocks. The blocks are one segment for each run of them.
 */
#include "backends/layout/runs.h"
#include "backends/map.h"

/* More than any format has. */
#define TABLES_PARTS 8

struct tables;

/* Makes the `n`th sector of a part; it comes zeroed. Pure, like struct computed's read. */
typedef void (*tables_fill)(const struct tables *t, uint8_t *sector, uint64_t n);

/* Embedded as the first member of each format's own struct. Constant once it is sealed. */
struct tables {
	struct computed computed;
	uint64_t size;		 /* the virtual one: that of the disk, rounded up to a sector */
	uint64_t block;		 /* bytes */
	uint64_t guest;		 /* how many blocks the disk has */
	struct runs blocks;	 /* those that are allocated */
	const tables_fill *fill; /* one for each part */
	unsigned parts;
	uint64_t first[TABLES_PARTS + 1]; /* where each part begins, and after the last its end; sectors */
	uint64_t data;			  /* where the blocks begin, bytes */
	/* Gives back what the format holds besides; may be NULL. */
	void (*release)(struct tables *t);
};

/*
 * Sets all but `blocks` and the places, which come zeroed. What `t` is embedded in
 * was allocated with malloc, and is freed with its last ref; there is one now.
 */
void tables_init(struct tables *t, uint64_t size, uint64_t block, const tables_fill *fill, unsigned parts);
void tables_unref(struct tables *t); /* accepts NULL */
DEFINE_CLEANUP(struct tables *, tables_unref);

/* Finds out which blocks of `below` are allocated: those that hold data, or all. 0 or -ENOMEM. */
int tables_survey(struct tables *t, struct image *below, bool all);

/* The parts, of so many sectors each, one behind the other; the blocks at the next multiple of `align` bytes. */
void tables_place(struct tables *t, const uint64_t *sectors, uint64_t align);

uint64_t tables_at(const struct tables *t, unsigned part); /* where it begins, bytes */
unsigned tables_part(const struct tables *t, uint64_t sector);
uint64_t tables_file_size(const struct tables *t);

/*
 * Makes the image over `below`, which it takes a ref of its own to. `name` is the
 * format's, `what` how it calls its blocks ("clusters"), both literals.
 */
int tables_seal(struct tables *t, struct image *below, const char *name, const char *what, struct image **ret,
		struct why *why);

#endif
