/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_STREAM_INDEX_H
#define GOALFS_BACKENDS_DECODE_STREAM_INDEX_H

/*
 * Where a decoder can begin in a compressed stream, what there is decoded from
 * there on, and what of it is zero. Private to the stream decoders (stream.h).
 *
 * A unit reaches from one such place to the next: a unit is what is made at once.
 * Places that come closer together than a unit is long are left out, so that
 * millions of tiny members, blocks or frames cost no memory.
 */
#include <stdbool.h>

#include "backends/image.h"
#include "base/bytes.h"

/* More than a store takes (cache/shelf.c). */
#define STREAM_SIZE_MAX (16 * TiB)

/* Shorter runs of zeros are data; longer ones too, where there are more than STREAM_ZEROS_MAX. */
#define STREAM_ZERO_LEAST (64 * KiB)
#define STREAM_ZEROS_MAX  (UINT64_C(1) << 18)

/* Where a format's usual way to find its next unit fails, see bzip2.c. */
#define STREAM_ODD_MAX 4096

/* What units whose kind asks for decoded bytes in front of them (gzip) may ask for. */
#define STREAM_WINDOW_MAX (32 * KiB)

struct stream_run {
	uint64_t offset, length;
};

struct stream_unit {
	uint64_t at;		 /* bits of the file: where a decoder begins */
	uint64_t offset, length; /* of its bytes in the image; at least 1 of them */
	uint64_t first;		 /* the format's own */
	uint8_t *window;	 /* owned; decoded bytes in front of it, packed; NULL: needs none */
	uint32_t window_len;
	uint32_t crc; /* CRC-32 of its bytes, where the index has been `checked` */
};

struct stream_index {
	uint64_t file_size;	  /* compressed */
	uint64_t size;		  /* decoded */
	uint64_t memory;	  /* that one decoder takes */
	uint64_t pieces;	  /* members, blocks or frames there are */
	uint64_t own;		  /* the format's own */
	bool checked;		  /* all of it was decoded once, and the format's checks were right */
	struct stream_unit *unit; /* owned, as are the following; they cover the image */
	size_t n, room;
	struct stream_run *zero; /* in order, apart from each other */
	size_t n_zero, room_zero;
	struct stream_run *odd; /* in order of offset; both in bits of the file */
	size_t n_odd, room_odd;
};

void stream_index_done(struct stream_index *x);

/* The unit that holds `offset` (< size). */
size_t stream_index_find(const struct stream_index *x, uint64_t offset);

/* Where in the file, in bits, the next unit begins, or the file ends. */
static inline uint64_t stream_unit_end(const struct stream_index *x, size_t i)
{
	return i + 1 < x->n ? x->unit[i + 1].at : x->file_size * 8;
}

/* The unit's window into `ret` (STREAM_WINDOW_MAX bytes): its length, 0 when it has none, or -EBADMSG. */
int stream_unit_window(const struct stream_unit *u, uint8_t *ret);

/* Proved zero; runs come in order of offset. 0 or -ENOMEM. */
int stream_index_zero(struct stream_index *x, uint64_t offset, uint64_t length);

/* A sidecar's bytes, and back: -ENOENT when they don't belong to a file that begins like that. */
int stream_index_pack(const struct stream_index *x, uint64_t fingerprint, void **ret, size_t *ret_count);
int stream_index_unpack(const void *bytes, size_t count, uint64_t file_size, uint64_t fingerprint,
			struct stream_index *ret);

/* ---- decoded bytes, summed up ---- */

struct stream_piece {
	uint64_t length;
	uint32_t crc;
	uint64_t zeros; /* it ends with so many */
	/* Runs of STREAM_ZERO_LEAST at least, and one at the beginning; not that at the end. Owned. */
	struct stream_run *zero;
	size_t n_zero, room_zero;
};

int stream_piece_feed(struct stream_piece *p, const void *buf, size_t count); /* 0 or -ENOMEM */
void stream_piece_reset(struct stream_piece *p);			      /* keeps its memory */
void stream_piece_done(struct stream_piece *p);

/* ---- putting it together, forward ---- */

struct stream_builder {
	const char *format; /* for sentences */
	struct stream_index index;
	uint64_t target;  /* bytes that a unit is to have */
	uint64_t limit;	  /* bytes of memory for the index */
	uint64_t windows; /* bytes in all of them */
	uint64_t zero_least;
	struct stream_piece now; /* not in the index yet */
	/* Of what came since builder_mark. */
	uint32_t mark_crc;
	uint64_t mark_length;
};

void builder_init(struct stream_builder *b, const char *format, uint64_t file_size, uint64_t unit,
		  uint64_t limit);
void builder_done(struct stream_builder *b); /* what builder_end has not handed out */

/* A decoder can begin at this bit, before the bytes that come next. The window's bytes are copied. */
int builder_point(struct stream_builder *b, uint64_t at, uint64_t first, const void *window, size_t window_len,
		  struct why *why);

/* Whether that would make a unit here: a window is only worth having if it would. */
bool builder_wants_point(const struct stream_builder *b);

/* The next bytes: as such, summed up, or their number alone. -EINTR when this thread's patience is lost. */
int builder_bytes(struct stream_builder *b, const void *buf, size_t count, struct why *why);
int builder_piece(struct stream_builder *b, const struct stream_piece *p, struct why *why);
int builder_claim(struct stream_builder *b, uint64_t length, struct why *why);

/* Begins a checksum, and tells it: of the bytes since then. */
int builder_mark(struct stream_builder *b, struct why *why);
int builder_since_mark(struct stream_builder *b, uint32_t *ret_crc, uint64_t *ret_length, struct why *why);

int builder_odd(struct stream_builder *b, uint64_t from, uint64_t to, struct why *why);

int builder_end(struct stream_builder *b, struct stream_index *ret, struct why *why);

#endif
