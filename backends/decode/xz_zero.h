/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_XZ_ZERO_H
#define GOALFS_BACKENDS_DECODE_XZ_ZERO_H

/* The zero map of an xz file: which of its blocks are proved to hold nothing but zeros (zero.h). */
#include "backends/decode/xz_index.h"
#include "backends/decode/zero.h"

/* Change it with anything that changes the map of some file, here or in zero.c. */
#define XZ_ZERO_VERSION 1

/*
 * Proves blocks zero. Errors are those of the image below, and a decoder that
 * takes more than `memory_limit`; a damaged block is not zero, and no error.
 */
int xz_zero_find(struct image *below, const struct xz_table *t, uint64_t memory_limit, struct zero_map *ret,
		 struct why *why);

/* A sidecar's bytes, and back: -ENOENT when they don't belong to this table. */
int xz_zero_pack(const struct zero_map *z, const struct xz_table *t, void **ret, size_t *ret_count);
int xz_zero_unpack(const void *bytes, size_t count, const struct xz_table *t, struct zero_map *ret);

#endif
