/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_UNITS_H
#define GOALFS_BACKENDS_CACHE_UNITS_H

/*
 * The file KEY.units: which units of a template stand in KEY.raw, and which of
 * its granules are known to be zero. Bytes in, bits out; no I/O.
 */
#include "backends/cache/bits.h"
#include "base/span.h"
#include "base/why.h"

/* Counts in keys and headers: whoever changes the layout, or what a bit means, counts it up. */
#define STORE_VERSION 1

#define GRANULE (64 * KiB)

/* What a units file must be for. */
struct units_of {
	const char *identity; /* borrowed */
	uint64_t size;	      /* of the image */
	uint64_t n_units;
	uint64_t layout; /* a hash of where the units begin and end */
	uint64_t inode;	 /* of the data file it speaks for */
};

static inline uint64_t units_granules(const struct units_of *of)
{
	return div_up(of->size, GRANULE);
}

/* The exact length of the file. */
size_t units_bytes(const struct units_of *of);

/*
 * A snapshot: first of `there`, then of `zero`, so that for each unit it claims
 * it holds all that is known of its granules. Exactly units_bytes() bytes go to `ret`.
 */
void units_encode(const struct units_of *of, const struct bits *there, const struct bits *zero, uint8_t *ret);

/* Sets bits only when all of it fits: -EBADMSG (damaged), -ESTALE (right, but for something else). */
int units_decode(struct span s, const struct units_of *of, struct bits *there, struct bits *zero,
		 struct why *why);

#define UNITS_HEADER 96 /* bytes before the identity */
#define UNITS_PEEK   (UNITS_HEADER + 16)

/* What the first UNITS_PEEK bytes of a file tell. A hint; no checksum was looked at. */
struct units_hint {
	uint64_t n_there;  /* how many units it claims */
	char identity[16]; /* how it begins */
};

/* Whether this version wrote it. */
bool units_peek(struct span s, struct units_hint *ret);

#endif
