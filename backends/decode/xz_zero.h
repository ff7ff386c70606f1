/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_XZ_ZERO_H
#define GOALFS_BACKENDS_DECODE_XZ_ZERO_H

/*
 * The zero map of an xz file: which of its blocks are proved to hold nothing but
 * zeros. It decides layouts, so it is a function of the file alone: no limit
 * here depends on the machine, the memory or the time, and what can't be found
 * out is an error, not a block taken for data.
 */
#include <stdbool.h>

#include "backends/decode/xz_index.h"

/* Change it with anything that changes the map of some file. */
#define XZ_ZERO_VERSION 1

/* At most so many bytes are decoded to prove blocks zero, ... */
#define XZ_ZERO_DECODE_MAX (256 * MiB)
/* ... where starting a decoder counts as so many: files of many small blocks are bounded too. */
#define XZ_ZERO_DECODE_MIN (64 * KiB)

/* One bit a block. */
struct xz_zero {
	uint8_t *bits; /* owned */
	size_t n;      /* blocks */
};

static inline bool xz_zero_has(const struct xz_zero *z, size_t block)
{
	return z->bits[block / 8] >> block % 8 & 1;
}

/*
 * Proves blocks zero. Errors are those of the image below, and a decoder that
 * takes more than `memory_limit`; a damaged block is not zero, and no error.
 */
int xz_zero_find(struct image *below, const struct xz_table *t, uint64_t memory_limit, struct xz_zero *ret,
		 struct why *why);
void xz_zero_done(struct xz_zero *z);

/* A sidecar's bytes, and back: -ENOENT when they don't belong to this table. */
int xz_zero_pack(const struct xz_zero *z, const struct xz_table *t, void **ret, size_t *ret_count);
int xz_zero_unpack(const void *bytes, size_t count, const struct xz_table *t, struct xz_zero *ret);

#endif
