/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_ZERO_H
#define GOALFS_BACKENDS_DECODE_ZERO_H

/*
 * Which pieces of a compressed file hold nothing but zeros, where each piece is
 * decoded by itself (a block of xz, frames of zstd). It decides layouts, so it is a
 * function of the file alone: no limit here depends on the machine, the memory or
 * the time, and what can't be found out is an error, not a piece taken for data.
 */
#include <stdbool.h>

#include "backends/image.h"
#include "base/bytes.h"

/* At most so many bytes are decoded to prove pieces zero, ... */
#define ZERO_DECODE_MAX (256 * MiB)
/* ... where starting a decoder counts as so many: files of many small pieces are bounded too. */
#define ZERO_DECODE_MIN (64 * KiB)

struct zero_piece {
	uint64_t at, size; /* compressed */
	uint64_t room;	   /* the same with padding: all that decoding it looks at */
	uint64_t length;   /* decoded */
	uint64_t kind;	   /* equal bytes decode to equal bytes within one kind */
};

/* What is looked through. */
struct zero_of {
	struct image *below; /* borrowed, as `table` is */
	const void *table;
	size_t n;
	void (*piece)(const struct zero_of *of, size_t i, struct zero_piece *ret);
	/* Decodes it and checks all that the format carries. */
	int (*decode)(const struct zero_of *of, size_t i, struct sink *sink, struct why *why);
};

/* One bit a piece. */
struct zero_map {
	uint8_t *bits; /* owned */
	size_t n;
};

static inline bool zero_has(const struct zero_map *z, size_t piece)
{
	return z->bits[piece / 8] >> piece % 8 & 1;
}

int zero_init(struct zero_map *z, size_t n); /* none of them is; 0 or -ENOMEM */
void zero_done(struct zero_map *z);

/* Errors are those of the image below, and of `decode`; a damaged piece is not zero, and no error. */
int zero_find(const struct zero_of *of, struct zero_map *ret, struct why *why);

#endif
