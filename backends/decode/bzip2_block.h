/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_BZIP2_BLOCK_H
#define GOALFS_BACKENDS_DECODE_BZIP2_BLOCK_H

/*
 * Where the blocks of a bzip2 file are, and how one is decoded by itself. Private
 * to the bzip2 backend. There is no specification but the program
 * (https://sourceware.org/bzip2/); a stream is a sequence of bits:
 *
 *	"BZh", '1' to '9'		hundreds of kB that a block holds at most
 *	blocks: 31 41 59 26 53 59	at any bit; then the CRC-32 of what the block holds, ...
 *	end:    17 72 45 38 50 90	and a CRC of all the blocks' CRCs; zeros up to a whole byte
 */
#include "backends/decode/stream.h"
#include "backends/decode/stream_in.h"

/*
 * No block takes more: 18002 groups of 50 symbols of at most 20 bits, and the
 * tables in front of them (decompress.c, BZ_MAX_SELECTORS).
 */
#define BZIP2_BLOCK_MAX (5 * MiB / 2)

/* libbz2 takes 3.6 MiB, and a block stands twice in memory. */
#define BZIP2_DECODER_MEMORY (10 * MiB)

/* Takes blocks out of a file, forward. Offsets and lengths are in bits. */
struct bzip2_cutter {
	struct stream_in in;
	uint64_t stop;			/* of the file: it ends here */
	bool ends_at_stop;		/* and so does a block that has no end before: it is a unit's last */
	const struct stream_index *odd; /* borrowed; whose ends are not where they seem to be; may be NULL */
	uint64_t base;			/* bytes; of the file: where `buf` begins */
	uint8_t *buf;			/* owned */
	size_t n;
	uint64_t at;	   /* what comes next; in `buf` as far as that reaches */
	bool in_stream;	   /* that is a block or the stream's end, not a stream */
	bool knows_blocks; /* all blocks of the stream so far */
	unsigned level;
	uint32_t combined;   /* of their CRCs */
	bool may_start[256]; /* where the third byte is like that a mark may begin in the first */
};

struct bzip2_block {
	uint64_t from, to;
	unsigned level;
	uint32_t crc;
	uint32_t combined; /* the cutter's, behind it */
};

/* Bytes [at, end) of the file; the first bit is that of a stream, or within one of this level. 0 or -ENOMEM. */
int bzip2_cutter_init(struct bzip2_cutter *c, struct image *below, uint64_t at, uint64_t end, unsigned level);
void bzip2_cutter_done(struct bzip2_cutter *c);

/*
 * 1 and the next block, by the first mark behind its beginning; 0 at the end of the
 * file; or an error. After an error nothing has moved. A mark may also stand in a
 * block's data by chance: it is then found too short when it is decoded.
 */
int bzip2_cut(struct bzip2_cutter *c, struct bzip2_block *ret, struct why *why);

/* Has the block end at the mark behind instead, and goes on behind it. 1, 0 when there is none, or an error. */
int bzip2_extend(struct bzip2_cutter *c, struct bzip2_block *b, struct why *why);

/* A block's bits as a file of one block, malloc'ed; b->to must be in the cutter's reach: it was cut just now. */
uint8_t *bzip2_wrap(const struct bzip2_cutter *c, const struct bzip2_block *b, size_t *ret_count);

/*
 * Decodes such a file. 0; 1 when it is damaged, cut short, or goes on behind its
 * end; or an error of memory or of `give`.
 */
int bzip2_unwrap(const uint8_t *file, size_t count, stream_give_fn *give, void *arg, struct why *why);

#endif
