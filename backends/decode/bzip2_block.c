/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/bzip2_block.h"

#include <bzlib.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define MARK_BITS   48
#define MARK_BLOCK  UINT64_C(0x314159265359)
#define MARK_END    UINT64_C(0x177245385090)
#define HEAD_BITS   (MARK_BITS + 32) /* a mark and the CRC behind it */
#define HEADER_BITS 32

#define STEP  (256 * KiB) /* bytes read at once */
#define SLACK 8		  /* bytes behind the end of the buffer that may be looked at */
#define ROOM  (BZIP2_BLOCK_MAX + 64 + STEP)
#define OUT   (256 * KiB)

int bzip2_cutter_init(struct bzip2_cutter *c, struct image *below, uint64_t at, uint64_t end, unsigned level)
{
	*c = (struct bzip2_cutter){ .stop = end * 8,
				    .base = at,
				    .at = at * 8,
				    .in_stream = level,
				    .ends_at_stop = level,
				    .level = level };
	c->buf = calloc(1, ROOM + SLACK);
	/* All whole bytes of a mark are known at each of the eight bits where it may begin in the byte. */
	for (unsigned bit = 0; bit < 8; bit++) {
		c->may_start[MARK_BLOCK >> (24 + bit) & 0xff] = true;
		c->may_start[MARK_END >> (24 + bit) & 0xff] = true;
	}
	return c->buf ? stream_in_init(&c->in, below, at, end, STEP) : -ENOMEM;
}

void bzip2_cutter_done(struct bzip2_cutter *c)
{
	stream_in_done(&c->in);
	free(c->buf);
}

/* ---- bits ---- */

static void drop_front(struct bzip2_cutter *c)
{
	size_t gone = min_u64(c->at / 8 - c->base, c->n);

	memmove(c->buf, c->buf + gone, c->n - gone);
	c->n -= gone;
	c->base += gone;
}

/* Whether the file reaches up to this bit, which is in the buffer then. It is near to `at`. */
static int reach(struct bzip2_cutter *c, uint64_t bit, struct why *why)
{
	while ((c->base + c->n) * 8 < bit) {
		size_t count;
		int r = stream_in_fill(&c->in, why);

		if (r <= 0)
			return r;
		if (ROOM - c->n < STEP)
			drop_front(c);
		count = min_u64(c->in.n - c->in.pos, ROOM - c->n);
		memcpy(c->buf + c->n, c->in.buf + c->in.pos, count);
		c->in.pos += count;
		c->n += count;
	}
	return 1;
}

/* At most 56 of them, in reach. */
static uint64_t bits(const struct bzip2_cutter *c, uint64_t at, unsigned count)
{
	return get_be64(c->buf + (at / 8 - c->base)) << at % 8 >> (64 - count);
}

static void go_to(struct bzip2_cutter *c, uint64_t at)
{
	c->at = at;
	if (at / 8 >= c->base && at / 8 <= c->base + c->n)
		return;
	c->base = at / 8;
	c->n = 0;
	stream_in_seek(&c->in, c->base);
}

/* ---- marks ---- */

static bool is_mark(uint64_t bits48)
{
	return bits48 == MARK_BLOCK || bits48 == MARK_END;
}

/* The first bit at or behind `from`, of this byte, where a mark begins; or 0. */
static uint64_t mark_in(const struct bzip2_cutter *c, uint64_t byte, uint64_t from)
{
	for (uint64_t at = max_u64(byte * 8, from); at < byte * 8 + 8 && at + MARK_BITS <= c->stop; at++)
		if (is_mark(bits(c, at, MARK_BITS)))
			return at;
	return 0;
}

/* 1 and the first mark at or behind `from`, as far as a block that begins at c->at may reach; or 0. */
static int find_mark(struct bzip2_cutter *c, uint64_t from, uint64_t *ret, struct why *why)
{
	const uint64_t end = min_u64(c->at / 8 + BZIP2_BLOCK_MAX, c->stop / 8);
	uint64_t byte = from / 8;

	while (byte < end) {
		/* A mark that begins in a byte reaches into the seventh from there, or ends with the sixth. */
		uint64_t upto = min_u64(align_down(byte, STEP) + STEP, end);
		int r = reach(c, min_u64((upto + 6) * 8, c->in.end * 8), why);

		if (r <= 0)
			return r;
		for (; byte < upto; byte++) {
			if (!c->may_start[c->buf[byte + 2 - c->base]])
				continue;
			*ret = mark_in(c, byte, from);
			if (*ret)
				return 1;
		}
	}
	return 0;
}

/* Where it is known to end, although it doesn't seem to; or 0. */
static uint64_t odd_end(const struct bzip2_cutter *c, uint64_t from)
{
	size_t low = 0, high = c->odd ? c->odd->n_odd : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->odd->odd[middle].offset < from)
			low = middle + 1;
		else
			high = middle;
	}
	if (c->odd && low < c->odd->n_odd && c->odd->odd[low].offset == from)
		return from + c->odd->odd[low].length;
	return 0;
}

static int find_end(struct bzip2_cutter *c, uint64_t *ret, struct why *why)
{
	int r;

	*ret = odd_end(c, c->at);
	if (*ret)
		return reach(c, *ret, why);
	r = find_mark(c, c->at + HEAD_BITS, ret, why);
	if (r != 0 || !c->ends_at_stop || c->stop > c->at + BZIP2_BLOCK_MAX * 8)
		return r;
	*ret = c->stop;
	return reach(c, *ret, why);
}

/* ---- streams ---- */

static int cut_short(struct why *why)
{
	return fail(why, -EBADMSG, "the bzip2 file is cut short");
}

/* Reads on beside the buffer, up to the end of the file. */
static int find_nonzero(struct bzip2_cutter *c, struct why *why)
{
	uint8_t byte;
	int r;

	stream_in_seek(&c->in, c->at / 8);
	while ((r = stream_in_byte(&c->in, &byte, why)) > 0)
		if (byte)
			return fail(why, -EBADMSG,
				    "the bzip2 file is damaged or has something else behind its end: no stream "
				    "begins at byte %" PRIu64,
				    c->at / 8);
	return r;
}

/* Nothing but zeros may be left. */
static int take_padding(struct bzip2_cutter *c, struct why *why)
{
	int r = find_nonzero(c, why);

	c->n = 0;
	c->base = c->at / 8;
	stream_in_seek(&c->in, c->base);
	return r;
}

static bool is_header(uint32_t header)
{
	return header >> 8 == ('B' << 16 | 'Z' << 8 | 'h') && (header & 0xff) >= '1' && (header & 0xff) <= '9';
}

/* 1 when a stream has begun, 0 at the end of the file. */
static int begin_stream(struct bzip2_cutter *c, struct why *why)
{
	int r = reach(c, c->at + 1, why);

	if (r <= 0)
		return c->at ? r : cut_short(why);
	if (c->at && c->buf[c->at / 8 - c->base] != 'B')
		return take_padding(c, why);
	r = reach(c, c->at + HEADER_BITS, why);
	if (r <= 0)
		return r < 0 ? r : cut_short(why);
	if (!is_header(bits(c, c->at, HEADER_BITS)))
		return c->at ? take_padding(c, why)
			     : fail(why, -EBADMSG, "this is not a bzip2 file: it begins otherwise");
	c->level = bits(c, c->at + 24, 8) - '0';
	c->in_stream = c->knows_blocks = true;
	c->combined = 0;
	c->at += HEADER_BITS;
	return 1;
}

static int end_stream(struct bzip2_cutter *c, struct why *why)
{
	if (c->knows_blocks && bits(c, c->at + MARK_BITS, 32) != c->combined)
		return fail(why, -EBADMSG,
			    "the bzip2 file is damaged: the stream that ends at byte %" PRIu64
			    " does not hold the blocks that its checksum says",
			    c->at / 8);
	c->in_stream = false;
	c->at = align_up(c->at + HEAD_BITS, 8);
	return 1;
}

static int take_block(struct bzip2_cutter *c, struct bzip2_block *ret, struct why *why)
{
	struct bzip2_block b = { .from = c->at, .level = c->level, .crc = bits(c, c->at + MARK_BITS, 32) };
	int r = find_end(c, &b.to, why);

	if (r <= 0)
		return r < 0 ? r
			     : fail(why, -EBADMSG,
				    "the bzip2 file is damaged or cut short: the block at byte %" PRIu64
				    " has no end",
				    c->at / 8);
	c->combined = (c->combined << 1 | c->combined >> 31) ^ b.crc;
	c->at = b.to;
	b.combined = c->combined;
	*ret = b;
	return 1;
}

int bzip2_cut(struct bzip2_cutter *c, struct bzip2_block *ret, struct why *why)
{
	for (;;) {
		int r = c->in_stream ? reach(c, c->at + HEAD_BITS, why) : begin_stream(c, why);
		uint64_t mark;

		if (r == 0 && c->in_stream)
			return cut_short(why);
		if (r <= 0)
			return r;
		if (reach(c, c->at + HEAD_BITS, why) <= 0)
			continue;
		mark = bits(c, c->at, MARK_BITS);
		if (mark == MARK_BLOCK)
			return take_block(c, ret, why);
		if (mark != MARK_END)
			return fail(why, -EBADMSG,
				    "the bzip2 file is damaged: neither a block nor a stream's end at byte "
				    "%" PRIu64,
				    c->at / 8);
		r = end_stream(c, why);
		if (r < 0)
			return r;
	}
}

int bzip2_extend(struct bzip2_cutter *c, struct bzip2_block *b, struct why *why)
{
	int r;

	go_to(c, b->from);
	r = find_mark(c, b->to + 1, &b->to, why);
	if (r <= 0)
		return r;
	c->in_stream = true;
	c->level = b->level;
	c->combined = b->combined;
	c->at = b->to;
	return 1;
}

/* ---- one block ---- */

static size_t put_bits(uint8_t *p, size_t at, uint64_t value, unsigned count)
{
	while (count--) {
		p[at / 8] |= (value >> count & 1) << (7 - at % 8);
		at++;
	}
	return at;
}

uint8_t *bzip2_wrap(const struct bzip2_cutter *c, const struct bzip2_block *b, size_t *ret_count)
{
	const uint8_t *from = c->buf + (b->from / 8 - c->base);
	const unsigned shift = b->from % 8;
	const uint64_t n_bits = b->to - b->from;
	uint8_t *file = calloc(1, n_bits / 8 + 32), *p = file + 4;
	size_t at = HEADER_BITS + n_bits;

	if (!file)
		return NULL;
	memcpy(file, "BZh", 3);
	file[3] = '0' + b->level;
	for (uint64_t i = 0; i < div_up(n_bits, 8); i++)
		p[i] = (from[i] << 8 | from[i + 1]) >> (8 - shift);
	if (at % 8)
		file[at / 8] &= 0xff00 >> at % 8;
	else
		file[at / 8] = 0;
	at = put_bits(file, at, MARK_END, MARK_BITS);
	at = put_bits(file, at, b->crc, 32);
	*ret_count = div_up(at, 8);
	return file;
}

static int unwrap(bz_stream *bz, uint8_t *out, stream_give_fn *give, void *arg, struct why *why)
{
	int e = BZ_OK, r = 0;

	while (r == 0 && e == BZ_OK) {
		bz->next_out = (char *)out;
		bz->avail_out = OUT;
		e = BZ2_bzDecompress(bz);
		/* All input is there, so that nothing to say means that more is wanted. */
		if (e == BZ_OK && bz->avail_out)
			return 1;
		if (e == BZ_OK || e == BZ_STREAM_END)
			r = give(arg, out, OUT - bz->avail_out, why);
	}
	if (r < 0)
		return r;
	if (e == BZ_MEM_ERROR)
		return -ENOMEM;
	return e != BZ_STREAM_END || bz->avail_in;
}

int bzip2_unwrap(const uint8_t *file, size_t count, stream_give_fn *give, void *arg, struct why *why)
{
	bz_stream bz = { .next_in = (char *)file, .avail_in = count };
	_cleanup_free_ uint8_t *out = malloc(OUT);
	int r;

	if (!out || BZ2_bzDecompressInit(&bz, /* verbosity= */ 0, /* small= */ 0) != BZ_OK)
		return -ENOMEM;
	r = unwrap(&bz, out, give, arg, why);
	(void)BZ2_bzDecompressEnd(&bz);
	return r;
}
