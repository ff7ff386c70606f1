/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gzip file is one or more members, each of them
 *
 *	header   10 bytes: 1f 8b, method 8, flags, ...; then by flags, in this order:
 *	         FEXTRA 2 bytes of length and as many, FNAME and FCOMMENT up to a NUL, FHCRC 2 bytes
 *	data     deflate blocks, at any bit
 *	trailer  CRC-32 and length (modulo 2^32) of what it holds, little-endian
 *
 * and may be followed by zeros. The first pass decodes it all. Where a unit is to
 * begin it notes the bit and what a decoder knows there: nothing at the start of a
 * member, else the 32 KiB of bytes in front. A unit may reach over many members.
 *
 * The trailer's CRC is that of a whole member, and a unit is none: the pass compares
 * it, and notes a CRC for each unit, by which what is made later is checked.
 */
#include "backends/decode/gzip.h"

#include <errno.h>
#include <inttypes.h>
#include <zlib.h>

#include "backends/costs.h"
#include "backends/decode/stream.h"
#include "backends/decode/stream_in.h"

#define FHCRC	 0x02
#define FEXTRA	 0x04
#define FNAME	 0x08
#define FCOMMENT 0x10
#define RESERVED 0xe0

/*
 * Measured: 11 ms to decode one. The windows of the Debian template's 89 units that
 * hold data take some 10 KiB each, so that the index is 0.2% of what it is for.
 */
#define UNIT (4 * MiB)

#define IN_PASS	 (256 * KiB)
#define IN_MAKE	 (64 * KiB)
#define OUT_ROOM (256 * KiB)

/* inflate's own state and window are 40 KiB. */
#define DECODER_MEMORY (IN_MAKE + OUT_ROOM + STREAM_WINDOW_MAX + 64 * KiB)

struct gunzip {
	struct stream_in in;
	z_stream z;
	uint8_t *out; /* owned; OUT_ROOM */
	bool z_ready;
};

static void gunzip_done(struct gunzip *g)
{
	if (g->z_ready)
		(void)inflateEnd(&g->z);
	free(g->out);
	stream_in_done(&g->in);
}

static int gunzip_init(struct gunzip *g, struct image *below, uint64_t at, uint64_t end, size_t room)
{
	*g = (struct gunzip){ 0 };
	g->out = malloc(OUT_ROOM);
	if (!g->out || stream_in_init(&g->in, below, at, end, room) < 0 ||
	    inflateInit2(&g->z, /* raw deflate, any window: */ -MAX_WBITS) != Z_OK)
		return -ENOMEM;
	g->z_ready = true;
	return 0;
}

static int cut_short(struct why *why)
{
	return fail(why, -EBADMSG, "the gzip file is cut short");
}

/* ---- headers ---- */

/* A header's next bytes, into its CRC. */
static int header_take(struct gunzip *g, uint8_t *buf, size_t count, uLong *crc, struct why *why)
{
	int r = stream_in_take(&g->in, buf, count, why);

	if (r == 0)
		return cut_short(why);
	*crc = crc32(*crc, buf, count);
	return r < 0 ? r : 0;
}

static int header_skip(struct gunzip *g, size_t count, uLong *crc, struct why *why)
{
	uint8_t byte;
	int r = 0;

	while (r == 0 && count--)
		r = header_take(g, &byte, 1, crc, why);
	return r;
}

static int header_skip_text(struct gunzip *g, uLong *crc, struct why *why)
{
	uint8_t byte;
	int r;

	do
		r = header_take(g, &byte, 1, crc, why);
	while (r == 0 && byte);
	return r;
}

static int header_options(struct gunzip *g, uint8_t flags, uLong *crc, struct why *why)
{
	uint8_t disk[2];
	uint16_t is;
	int r = 0;

	if (flags & FEXTRA)
		r = header_take(g, disk, sizeof(disk), crc, why);
	if (r == 0 && flags & FEXTRA)
		r = header_skip(g, get_le16(disk), crc, why);
	if (r == 0 && flags & FNAME)
		r = header_skip_text(g, crc, why);
	if (r == 0 && flags & FCOMMENT)
		r = header_skip_text(g, crc, why);
	is = *crc;
	if (r == 0 && flags & FHCRC)
		r = header_take(g, disk, sizeof(disk), crc, why);
	if (r == 0 && flags & FHCRC && get_le16(disk) != is)
		r = fail(why, -EBADMSG,
			 "the gzip file is damaged: the checksum of the header in front of byte %" PRIu64
			 " is wrong",
			 stream_in_where(&g->in));
	return r;
}

static int take_header(struct gunzip *g, struct why *why)
{
	const uint64_t at = stream_in_where(&g->in);
	uLong crc = crc32(0, NULL, 0);
	uint8_t disk[10];
	int r = header_take(g, disk, 2, &crc, why);

	if (r < 0)
		return r;
	if (disk[0] != 0x1f || disk[1] != 0x8b)
		return at == 0 ? fail(why, -EBADMSG, "this is not a gzip file: it begins otherwise")
			       : fail(why, -EBADMSG,
				      "the gzip file is damaged or has something else behind its end: no "
				      "member "
				      "begins at byte %" PRIu64,
				      at);
	r = header_take(g, disk + 2, sizeof(disk) - 2, &crc, why);
	if (r < 0)
		return r;
	if (disk[2] != Z_DEFLATED || disk[3] & RESERVED)
		return fail(why, -EOPNOTSUPP,
			    "the gzip member at byte %" PRIu64
			    " uses method %d and flags 0x%02x, which nobody knows",
			    at, disk[2], disk[3]);
	r = header_options(g, disk[3], &crc, why);
	return r == 0 && inflateReset(&g->z) != Z_OK ? -ENOMEM : r;
}

/* ---- data ---- */

/*
 * Decodes on: until the output is full, the member has ended (Z_STREAM_END), or, with
 * Z_BLOCK, a block has. At the end of the input there may still be something in hand.
 */
static int inflate_some(struct gunzip *g, int flush, int *ret, struct why *why)
{
	int filled = stream_in_fill(&g->in, why);
	uint64_t at = stream_in_where(&g->in);

	if (filled < 0)
		return filled;
	g->z.next_in = g->in.buf + g->in.pos;
	g->z.avail_in = g->in.n - g->in.pos;
	*ret = inflate(&g->z, flush);
	g->in.pos = g->in.n - g->z.avail_in;
	if (*ret == Z_MEM_ERROR)
		return -ENOMEM;
	if (*ret == Z_BUF_ERROR && !filled)
		return cut_short(why);
	if (*ret != Z_OK && *ret != Z_STREAM_END && *ret != Z_BUF_ERROR)
		return fail(why, -EBADMSG, "the gzip file is damaged behind byte %" PRIu64 ": %s", at,
			    g->z.msg ? g->z.msg : "its data are wrong");
	return 0;
}

/* ---- the pass ---- */

static int give(struct gunzip *g, struct stream_builder *b, struct why *why)
{
	size_t count = OUT_ROOM - g->z.avail_out;

	g->z.next_out = g->out;
	g->z.avail_out = OUT_ROOM;
	return builder_bytes(b, g->out, count, why);
}

/* A block has ended, and another follows. */
static int note_block(struct gunzip *g, struct stream_builder *b, struct why *why)
{
	uint8_t window[STREAM_WINDOW_MAX];
	uInt count = 0;
	int r;

	if (!builder_wants_point(b))
		return 0;
	r = give(g, b, why);
	if (r < 0)
		return r;
	if (inflateGetDictionary(&g->z, window, &count) != Z_OK)
		return -ENOMEM;
	return builder_point(b, stream_in_where(&g->in) * 8 - (g->z.data_type & 7), 0, window, count, why);
}

#define AT_BLOCK   128 /* of data_type */
#define LAST_BLOCK 64

static int pass_data(struct gunzip *g, struct stream_builder *b, struct why *why)
{
	int state = Z_OK, r = 0;

	g->z.next_out = g->out;
	g->z.avail_out = OUT_ROOM;
	while (r == 0 && state != Z_STREAM_END) {
		r = inflate_some(g, Z_BLOCK, &state, why);
		if (r == 0 && g->z.avail_out == 0)
			r = give(g, b, why);
		if (r == 0 && state == Z_OK && g->z.data_type & AT_BLOCK && !(g->z.data_type & LAST_BLOCK))
			r = note_block(g, b, why);
	}
	return r == 0 ? give(g, b, why) : r;
}

static int pass_trailer(struct gunzip *g, uint64_t at, struct stream_builder *b, struct why *why)
{
	uint8_t disk[8];
	uint64_t length;
	uint32_t crc;
	int r = stream_in_take(&g->in, disk, sizeof(disk), why);

	if (r <= 0)
		return r < 0 ? r : cut_short(why);
	r = builder_since_mark(b, &crc, &length, why);
	if (r == 0 && (get_le32(disk) != crc || get_le32(disk + 4) != (uint32_t)length))
		r = fail(why, -EBADMSG,
			 "the gzip file is damaged: the member from byte %" PRIu64 " to %" PRIu64
			 " does not hold what its checksum says",
			 at, stream_in_where(&g->in));
	return r;
}

static int pass_member(struct gunzip *g, struct stream_builder *b, struct why *why)
{
	const uint64_t at = stream_in_where(&g->in);
	int r = builder_point(b, at * 8, 0, NULL, 0, why);

	if (r == 0)
		r = builder_mark(b, why);
	if (r == 0)
		r = take_header(g, why);
	if (r == 0)
		r = pass_data(g, b, why);
	return r == 0 ? pass_trailer(g, at, b, why) : r;
}

/* 1 when another member follows, 0 at the end. */
static int pass_between(struct gunzip *g, struct why *why)
{
	const uint64_t at = stream_in_where(&g->in);
	uint8_t byte;
	int r = stream_in_fill(&g->in, why);

	if (r <= 0 || g->in.buf[g->in.pos])
		return r;
	while ((r = stream_in_byte(&g->in, &byte, why)) > 0)
		if (byte)
			return fail(why, -EBADMSG,
				    "the gzip file is damaged or has something else behind its end: no member "
				    "begins at byte %" PRIu64,
				    at);
	return r;
}

static int gzip_index(const struct stream_source *src, struct stream_builder *b, struct why *why)
{
	_cleanup_(gunzip_done) struct gunzip g;
	int r = gunzip_init(&g, src->below, 0, src->below->size, IN_PASS);

	b->index.memory = DECODER_MEMORY;
	b->index.checked = true;
	if (r == 0 && src->below->size == 0)
		r = cut_short(why);
	do {
		if (r >= 0)
			r = pass_member(&g, b, why);
		b->index.pieces++;
		if (r == 0)
			r = pass_between(&g, why);
	} while (r > 0);
	return r;
}

/* ---- making ---- */

/* At a block: the bits of its first byte that are the block's, and the bytes in front of it. */
static int resume(struct gunzip *g, const struct stream_unit *u, struct why *why)
{
	uint8_t window[STREAM_WINDOW_MAX], byte;
	const unsigned bit = u->at % 8;
	int count = stream_unit_window(u, window), r = 1;

	if (count < 0)
		return fail(why, count, "the index of the gzip file is damaged");
	if (bit)
		r = stream_in_byte(&g->in, &byte, why);
	if (r <= 0)
		return r < 0 ? r : cut_short(why);
	if ((bit && inflatePrime(&g->z, 8 - bit, byte >> bit) != Z_OK) ||
	    inflateSetDictionary(&g->z, window, count) != Z_OK)
		return -ENOMEM;
	return 0;
}

/* The member has ended, but the unit hasn't. Its trailer was compared when the index was made. */
static int next_member(struct gunzip *g, struct why *why)
{
	uint8_t trailer[8];
	int r = stream_in_take(&g->in, trailer, sizeof(trailer), why);

	if (r <= 0)
		return r < 0 ? r : cut_short(why);
	return take_header(g, why);
}

static int gzip_decode(const struct stream_source *src, const struct stream_index *x, size_t i,
		       struct stream_out *out, struct why *why)
{
	const struct stream_unit *u = &x->unit[i];
	const uint64_t end = min_u64(div_up(stream_unit_end(x, i), 8), x->file_size);
	_cleanup_(gunzip_done) struct gunzip g;
	int r = gunzip_init(&g, src->below, u->at / 8, end, IN_MAKE), state = Z_OK;

	if (r == 0)
		r = u->window ? resume(&g, u, why) : take_header(&g, why);
	while (r == 0 && stream_out_left(out)) {
		const size_t room = min_u64(OUT_ROOM, stream_out_left(out));

		g.z.next_out = g.out;
		g.z.avail_out = room;
		while (r == 0 && state != Z_STREAM_END && g.z.avail_out)
			r = inflate_some(&g, Z_NO_FLUSH, &state, why);
		if (r == 0)
			r = stream_emit(out, g.out, room - g.z.avail_out, why);
		if (r == 0 && state == Z_STREAM_END && stream_out_left(out)) {
			r = next_member(&g, why);
			state = Z_OK;
		}
	}
	return r;
}

static void gzip_describe(const struct stream_index *x, struct text *t)
{
	text_add(t, "%" PRIu64 " member%s, check crc32\n", x->pieces, x->pieces == 1 ? "" : "s");
}

static const struct stream_format gzip_format = {
	.name = "gzip",
	.version = 1,
	.unit = UNIT,
	.index = gzip_index,
	.decode = gzip_decode,
	.describe = gzip_describe,
};

int gzip_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	return stream_open(&gzip_format, opening, below, ret, why);
}

static void gzip_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	stream_offer("gzip", COST_GZIP_OPEN, COST_GZIP_PER_MIB, state, o);
}

const struct backend gzip_backend = {
	.name = "gzip",
	.offer = gzip_offer,
	.open = gzip_open,
};
