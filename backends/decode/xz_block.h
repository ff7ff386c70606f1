/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_XZ_BLOCK_H
#define GOALFS_BACKENDS_DECODE_XZ_BLOCK_H

/*
 * One block of an xz file: what the index says of it, and how it is decoded.
 * Private to the xz backend.
 */
#include <lzma.h>

#include "backends/image.h"
#include "base/bytes.h"

/* As the index has it; lies inside the file, between its stream's header and its index. */
struct xz_block {
	uint64_t at;	   /* of its header, in the xz file */
	uint64_t unpadded; /* bytes there: header, payload and check */
	uint64_t offset;   /* of its bytes, in the image */
	uint64_t length;   /* of them, at least 1 */
	lzma_check check;  /* its stream's; one that liblzma can verify, or none */
};

/* With the padding to a multiple of four: up to where the next one begins. */
static inline uint64_t xz_block_room(const struct xz_block *b)
{
	return align_up(b->unpadded, 4);
}

/*
 * Reads the block's header and holds it against the index. -EBADMSG when they
 * disagree or it is damaged; -EOPNOTSUPP when its filters are not known or their
 * decoder would take more than `memory_limit`. `ret_memory` (may be NULL) is what
 * it takes.
 */
int xz_block_check(struct image *below, const struct xz_block *b, uint64_t memory_limit, uint64_t *ret_memory,
		   struct why *why);

/*
 * Decodes the block into the sink. 0 only if its check was right, its sizes are
 * those that the index says, and its padding is zero. A stream without checks
 * (check none) leaves nothing to verify but the sizes. Errors as above, and
 * those of the image below and of the sink as they are.
 */
int xz_block_decode(struct image *below, const struct xz_block *b, uint64_t memory_limit, struct sink *sink,
		    struct why *why);

#endif
