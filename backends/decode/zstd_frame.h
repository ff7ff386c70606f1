/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_ZSTD_FRAME_H
#define GOALFS_BACKENDS_DECODE_ZSTD_FRAME_H

/*
 * Frames of zstd (RFC 8878, 3.1): what their headers say, where they end, and how
 * one is decoded. Private to the zstd backend.
 *
 *	magic    fd2fb528
 *	header   2 to 14 bytes: flags, window, dictionary, size of what it holds
 *	blocks   3 bytes of type, size and whether it is the last; then its data
 *	check    4 bytes, by a flag: low half of XXH64 of what it holds
 *
 * A skippable frame is a magic of 184d2a50 to 184d2a5f, a size, and as many bytes.
 */
#include <stdbool.h>
#include <zstd.h>

#include "backends/decode/stream_in.h"

#define ZSTD_SIZE_UNKNOWN UINT64_MAX

enum zstd_kind {
	ZSTD_END, /* of the file */
	ZSTD_FRAME,
	ZSTD_SKIPPABLE,
};

struct zstd_header {
	uint64_t bytes;	 /* magic and header; all of a skippable frame */
	uint64_t holds;	 /* decoded bytes, or ZSTD_SIZE_UNKNOWN */
	uint64_t memory; /* that decoding it takes */
	bool has_check;
};

/* Frames, one after the other. */
struct unzstd {
	struct stream_in in;
	ZSTD_DCtx *ctx;	 /* owned */
	uint8_t *out;	 /* owned */
	uint64_t limit;	 /* bytes of memory that decoding may take */
	uint64_t memory; /* that it took at most */
};

int unzstd_init(struct unzstd *z, struct image *below, uint64_t at, uint64_t end,
		uint64_t limit); /* or -ENOMEM */
void unzstd_done(struct unzstd *z);

/* What comes next, without taking it: an enum zstd_kind, or an error. */
int unzstd_look(struct unzstd *z, struct zstd_header *ret, struct why *why);

/* Takes the skippable frame that comes next. */
int unzstd_skip(struct unzstd *z, const struct zstd_header *hdr, struct why *why);

/* Takes the frame that comes next, and looks at its blocks' headers only. */
int unzstd_walk(struct unzstd *z, const struct zstd_header *hdr, struct why *why);

/* Decodes the frame that comes next; 0 when its end was reached and all checks were right. */
int unzstd_frame(struct unzstd *z, stream_give_fn *give, void *arg, struct why *why);

#endif
