/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_XZ_INDEX_H
#define GOALFS_BACKENDS_DECODE_XZ_INDEX_H

/*
 * Where each byte of an xz file's contents is: the table of its blocks, out of
 * the indexes of its streams. Private to the xz backend.
 */
#include "backends/decode/xz_block.h"

/* More streams than this are refused: empty ones cost nothing to write. */
#define XZ_STREAMS_MAX 65536

/* Longer stream padding is refused rather than read through. */
#define XZ_PADDING_MAX (64 * MiB)

/*
 * No block holds more bytes than this times its own size: at LZMA's best, 14
 * binary decisions at a probability of 2017/2048 each make a match of 273 bytes,
 * 1:7089, and no other filter of the format changes the size.
 */
#define XZ_EXPANSION_MAX 8192

/* The dictionary of xz -9 and what its decoder takes besides: whatever the memory, this much is allowed. */
#define XZ_DECODER_MIN (66 * MiB)

struct xz_limits {
	uint64_t table;	  /* bytes of memory for the table */
	uint64_t decoder; /* and for one block's decoder */
};

struct xz_table {
	struct xz_block *block; /* owned; by offset, without gaps; those that hold nothing are left out */
	size_t n;
	uint64_t size;	 /* bytes of all of them */
	uint64_t memory; /* that a decoder takes, by the first block of each stream */
};

/*
 * Reads footer, index and header of all streams, from the file's end to its
 * beginning, and the header of the first block of each. All that is said twice
 * is compared. -EBADMSG when the file is damaged, cut short, followed by
 * something else, or holds nothing; -EOPNOTSUPP when it holds something that
 * can't be decoded or verified here, or beyond the limits.
 */
int xz_table_read(struct image *below, const struct xz_limits *limits, struct xz_table *ret, struct why *why);
void xz_table_done(struct xz_table *t);

/* The one that holds `offset` (< size). */
size_t xz_table_find(const struct xz_table *t, uint64_t offset);

#endif
