/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/stream_in.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/patience.h"

/* How far ahead the image below is told: enough for several connections to a server. */
#define AHEAD (32 * MiB)

int stream_in_init(struct stream_in *in, struct image *below, uint64_t at, uint64_t end, size_t room)
{
	*in = (struct stream_in){ .below = below, .at = at, .end = end, .hinted = at };
	in->room = max_u64(min_u64(room, end - at), 1);
	in->buf = malloc(in->room);
	return in->buf ? 0 : -ENOMEM;
}

void stream_in_done(struct stream_in *in)
{
	free(in->buf);
	*in = (struct stream_in){ 0 };
}

/* Again when half of it was read: a hint costs little, but not nothing. */
static void hint_ahead(struct stream_in *in)
{
	uint64_t to = min_u64(in->at + AHEAD, in->end);

	if (in->hinted >= min_u64(in->at + AHEAD / 2, in->end))
		return;
	image_hint(in->below, max_u64(in->hinted, in->at), to - max_u64(in->hinted, in->at));
	in->hinted = to;
}

static int read_at(struct stream_in *in, void *buf, size_t count, uint64_t at, struct why *why)
{
	if (patience_lost())
		return fail(why, -EINTR, "given up decoding at byte %" PRIu64, at);
	hint_ahead(in);
	return image_pread(in->below, buf, count, at, why);
}

int stream_in_fill(struct stream_in *in, struct why *why)
{
	size_t count = min_u64(in->room, in->end - in->at);
	int r;

	if (in->pos < in->n)
		return 1;
	if (count == 0)
		return 0;
	r = read_at(in, in->buf, count, in->at, why);
	if (r < 0)
		return r;
	in->at += count;
	in->pos = 0;
	in->n = count;
	return 1;
}

int stream_in_peek(struct stream_in *in, uint8_t *buf, size_t count, struct why *why)
{
	const uint64_t at = stream_in_where(in);
	int r = 0;

	count = min_u64(count, in->end - at);
	if (count <= in->n - in->pos)
		memcpy(buf, in->buf + in->pos, count);
	else
		r = read_at(in, buf, count, at, why);
	return r < 0 ? r : (int)count;
}

int stream_in_take(struct stream_in *in, void *buf, size_t count, struct why *why)
{
	uint8_t *p = buf;

	while (count) {
		int r = stream_in_fill(in, why);
		size_t n = min_u64(count, in->n - in->pos);

		if (r <= 0)
			return r;
		memcpy(p, in->buf + in->pos, n);
		in->pos += n;
		p += n;
		count -= n;
	}
	return 1;
}

void stream_in_seek(struct stream_in *in, uint64_t at)
{
	uint64_t start = in->at - in->n;

	if (at >= start && at <= in->at) {
		in->pos = at - start;
		return;
	}
	in->at = at;
	in->pos = in->n = 0;
}
