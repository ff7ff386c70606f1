/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_STREAM_H
#define GOALFS_BACKENDS_DECODE_STREAM_H

/*
 * What gzip, bzip2 and zstd have in common: streams without an index of their own,
 * that are read forward. To read them anywhere an index is made (stream_index.h),
 * mostly by decoding all of the file once, when it is opened for the first time; it
 * is kept in the store, so that neither a new mount nor an eviction asks for it again.
 *
 * That first pass runs on the thread of whoever opens, reads ahead in large pieces,
 * and ends with -EINTR when nobody waits any more.
 */
#include "backends/backend.h"
#include "backends/decode/stream_index.h"

/* Where to find what is decoded. All borrowed. */
struct stream_source {
	struct image *below;
	struct pool *pool; /* that a pass may use; NULL: none */
	uint64_t decoder;  /* bytes of memory for one decoder */
};

/* Where the decoded bytes of a unit go: no more than the unit has. */
struct stream_out {
	struct sink *sink;
	const struct stream_unit *unit;
	uint64_t made;
	uint32_t crc;
};

/* How many bytes of it are missing. */
static inline uint64_t stream_out_left(const struct stream_out *out)
{
	return out->unit->length - out->made;
}

/* count <= stream_out_left(). */
int stream_emit(struct stream_out *out, const void *buf, size_t count, struct why *why);

/* What each of them is. */
struct stream_format {
	const char *name;
	unsigned version;	/* of its index: change it with anything that changes the index of some file */
	uint64_t unit;		/* bytes that a unit is to have */
	uint64_t decoder_least; /* that one decoder may take, whatever --memory is */

	/* Fills the builder, up to builder_end. -EBADMSG tells where the file is damaged. */
	int (*index)(const struct stream_source *src, struct stream_builder *b, struct why *why);

	/* Optional: adds to what is there (zero runs, when there was no pass). */
	int (*complete)(const struct stream_source *src, struct stream_index *x, struct why *why);

	/*
	 * Decodes unit `i` until stream_out_left() is 0, with the checks that the format
	 * has for it. Whether its CRC-32 is the one in the index is looked at by the caller.
	 */
	int (*decode)(const struct stream_source *src, const struct stream_index *x, size_t i,
		      struct stream_out *out, struct why *why);

	/* Optional: what else of the file `decode` reads, besides the unit's own bytes. */
	void (*also)(const struct stream_index *x, size_t i, uint64_t *ret_at, uint64_t *ret_count);

	/* Ends the line, and may add some. */
	void (*describe)(const struct stream_index *x, struct text *t);
};

int stream_open(const struct stream_format *format, const struct opening *opening, struct image *below,
		struct image **ret, struct why *why);

/* A unit into a sink, all checks right. */
int stream_decode(const struct stream_format *format, const struct stream_source *src,
		  const struct stream_index *x, size_t i, struct sink *sink, struct why *why);

/* The offer of a step of this name, see planner/step.h. */
void stream_offer(const char *name, uint64_t fixed, uint64_t per_mib, const struct tags *state,
		  struct offers *o);

#endif
