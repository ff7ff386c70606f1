/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_STREAM_IN_H
#define GOALFS_BACKENDS_DECODE_STREAM_IN_H

/*
 * Compressed bytes, taken forward out of the image below in large pieces. Private
 * to the stream decoders.
 */
#include "backends/image.h"
#include "base/bytes.h"

struct stream_in {
	struct image *below; /* borrowed */
	uint64_t at, end;    /* of the file: what has not been read yet */
	uint64_t hinted;     /* up to here the image below knows that it will be wanted */
	uint8_t *buf;	     /* owned */
	size_t room, pos, n; /* [pos, n) of `buf` is what has not been taken yet */
};

/* From `at` to `end`, with a buffer of at most `room` bytes. 0 or -ENOMEM. */
int stream_in_init(struct stream_in *in, struct image *below, uint64_t at, uint64_t end, size_t room);
void stream_in_done(struct stream_in *in);

/* Where the next byte to be taken stands in the file. */
static inline uint64_t stream_in_where(const struct stream_in *in)
{
	return in->at - (in->n - in->pos);
}

/*
 * Sees to it that there is something in the buffer: 1, or 0 at the end. -EINTR when
 * this thread's patience is lost; else errors are those of the image below.
 */
int stream_in_fill(struct stream_in *in, struct why *why);

/* Takes one byte, with the same results. */
static inline int stream_in_byte(struct stream_in *in, uint8_t *ret, struct why *why)
{
	int r = in->pos < in->n ? 1 : stream_in_fill(in, why);

	if (r > 0)
		*ret = in->buf[in->pos++];
	return r;
}

/* Looks at the bytes that come next, at most `count`: how many there are, or an error. */
int stream_in_peek(struct stream_in *in, uint8_t *buf, size_t count, struct why *why);

/* Takes exactly `count`; 0 when the end comes first, and then some may be gone. */
int stream_in_take(struct stream_in *in, void *buf, size_t count, struct why *why);

/* Goes on at another place, not behind `end`. */
void stream_in_seek(struct stream_in *in, uint64_t at);

/* Whom decoded bytes are given to, forward; an error of it ends the decoding. */
typedef int stream_give_fn(void *arg, const void *buf, size_t count, struct why *why);

#endif
