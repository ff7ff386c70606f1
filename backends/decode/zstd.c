/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sizes of all frames are had from the cheapest place that tells them:
 *
 * 1. The seek table, if there is one: little-endian, in a skippable frame at the end,
 *
 *	frame    5e 2a 4d 18, size of what follows
 *	entries  compressed size, decoded size, by a flag low half of XXH64; 4 bytes each
 *	footer   number of entries, 4 bytes; flags, 1 byte: 0x80 checksums, 0x7c reserved;
 *	         b1 ea 92 8f
 *
 *    It is believed as far as it goes: making a unit holds each frame against it.
 * 2. The frames' headers, if all of them say what they hold; where one ends is seen
 *    by walking along its blocks.
 * 3. Else all is decoded. So it is when one frame is large: that is decoded for the
 *    first byte of it anyway, and then it is known what of it is zero.
 *
 * Without decoding, frames are proved zero as blocks of xz are (zero.h).
 */
#include "backends/decode/zstd.h"

#include <errno.h>
#include <inttypes.h>
#include <xxhash.h>

#include "backends/costs.h"
#include "backends/decode/stream.h"
#include "backends/decode/zero.h"
#include "backends/decode/zstd_frame.h"

/* Measured: 5 ms to decode. Most seekable files have frames of that size or less. */
#define UNIT (4 * MiB)

/* A frame that holds more is large. */
#define LARGE (64 * MiB)

/* zstd decodes windows of 128 MiB without being asked. */
#define DECODER_LEAST (130 * MiB)

/* ---- the seek table ---- */

#define SEEK_SKIPPABLE 0x184d2a5eu
#define SEEK_MAGIC     0x8f92eab1u
#define SEEK_FOOTER    9

/* What of it is kept in the index: stream_index.own; 0 for none. */
#define OWN_TABLE  (UINT64_C(1) << 33)
#define OWN_CHECKS (UINT64_C(1) << 32)

struct seek_entry {
	uint64_t size, holds;
	uint32_t check;
};

static uint64_t table_n(uint64_t own)
{
	return own & UINT32_MAX;
}

static unsigned entry_bytes(uint64_t own)
{
	return own & OWN_CHECKS ? 12 : 8;
}

/* Where its first entry is; its frame begins 8 bytes before. */
static uint64_t table_at(uint64_t own, uint64_t file_size)
{
	return file_size - SEEK_FOOTER - table_n(own) * entry_bytes(own);
}

/* 1 and what is there; 0 when there is no table, or one that can't be right. */
static int find_table(struct image *below, uint64_t *ret, struct why *why)
{
	uint8_t footer[SEEK_FOOTER], head[8];
	uint64_t own, bytes;
	int r;

	if (below->size < sizeof(head) + SEEK_FOOTER)
		return 0;
	r = image_pread(below, footer, sizeof(footer), below->size - SEEK_FOOTER, why);
	if (r < 0 || get_le32(footer + 5) != SEEK_MAGIC || footer[4] & 0x7c)
		return r;
	own = OWN_TABLE | (footer[4] & 0x80 ? OWN_CHECKS : 0) | get_le32(footer);
	bytes = table_n(own) * entry_bytes(own) + SEEK_FOOTER;
	if (bytes > below->size - sizeof(head))
		return 0;
	r = image_pread(below, head, sizeof(head), below->size - bytes - sizeof(head), why);
	if (r < 0 || get_le32(head) != SEEK_SKIPPABLE || get_le32(head + 4) != bytes)
		return r;
	*ret = own;
	return 1;
}

static int open_table(struct stream_in *in, struct image *below, uint64_t own, uint64_t from, uint64_t to)
{
	const uint64_t at = table_at(own, below->size);

	return stream_in_init(in, below, at + from * entry_bytes(own), at + to * entry_bytes(own), 64 * KiB);
}

static int take_entry(struct stream_in *in, uint64_t own, struct seek_entry *ret, struct why *why)
{
	uint8_t disk[12] = { 0 };
	int r = stream_in_take(in, disk, entry_bytes(own), why);

	*ret = (struct seek_entry){ get_le32(disk), get_le32(disk + 4), get_le32(disk + 8) };
	return r;
}

/* 0 and an index of it; 1 when it doesn't fit the file, or has large frames. */
static int read_entries(struct stream_in *in, uint64_t own, uint64_t end, struct stream_builder *b,
			struct why *why)
{
	uint64_t at = 0;

	for (uint64_t i = 0; i < table_n(own); i++) {
		struct seek_entry e;
		int r = take_entry(in, own, &e, why);

		if (r <= 0)
			return r < 0 ? r : 1;
		if (e.holds > LARGE || e.size > end - at)
			return 1;
		r = builder_point(b, at * 8, /* first= */ i, NULL, 0, why);
		if (r == 0)
			r = builder_claim(b, e.holds, why);
		if (r < 0)
			return r;
		at += e.size;
	}
	b->index.pieces = table_n(own);
	return at != end;
}

static int index_by_table(const struct stream_source *src, struct stream_builder *b, struct why *why)
{
	_cleanup_(stream_in_done) struct stream_in in = { 0 };
	struct image *below = src->below;
	uint64_t own = 0;
	int r = find_table(below, &own, why);

	if (r <= 0)
		return r < 0 ? r : 1;
	if (open_table(&in, below, own, 0, table_n(own)) < 0)
		return -ENOMEM;
	b->index.own = own;
	return read_entries(&in, own, table_at(own, below->size) - 8, b, why);
}

/* ---- headers ---- */

/* 0 and an index; 1 when a frame does not say what it holds, or is large. */
static int index_by_headers(struct unzstd *z, struct stream_builder *b, struct why *why)
{
	struct zstd_header hdr;
	int kind, r = 0;

	while (r == 0 && (kind = unzstd_look(z, &hdr, why)) != ZSTD_END) {
		if (kind < 0)
			return kind;
		if (kind == ZSTD_SKIPPABLE) {
			r = unzstd_skip(z, &hdr, why);
			continue;
		}
		if (hdr.holds > LARGE) /* or not known */
			return 1;
		r = builder_point(b, stream_in_where(&z->in) * 8, 0, NULL, 0, why);
		if (r == 0)
			r = builder_claim(b, hdr.holds, why);
		if (r == 0)
			r = unzstd_walk(z, &hdr, why);
		b->index.pieces++;
	}
	return r;
}

/* ---- the pass ---- */

static int take_all(void *arg, const void *buf, size_t count, struct why *why)
{
	return builder_bytes(arg, buf, count, why);
}

static int index_by_decoding(struct unzstd *z, struct stream_builder *b, struct why *why)
{
	struct zstd_header hdr;
	int kind, r = 0;

	b->index.checked = true;
	while (r == 0 && (kind = unzstd_look(z, &hdr, why)) != ZSTD_END) {
		if (kind < 0)
			return kind;
		if (kind == ZSTD_SKIPPABLE) {
			r = unzstd_skip(z, &hdr, why);
			continue;
		}
		r = builder_point(b, stream_in_where(&z->in) * 8, 0, NULL, 0, why);
		if (r == 0)
			r = unzstd_frame(z, take_all, b, why);
		b->index.pieces++;
	}
	return r;
}

/* Begins anew: what was tried gave no index. */
static void start_over(struct stream_builder *b)
{
	struct stream_builder old = *b;

	builder_init(b, old.format, old.index.file_size, UNIT, old.limit);
	builder_done(&old);
}

/* Of the first frame, or of all that were looked at. */
static int index_at(const struct stream_source *src, struct stream_builder *b,
		    int (*index)(struct unzstd *z, struct stream_builder *b, struct why *why), struct why *why)
{
	_cleanup_(unzstd_done) struct unzstd z;
	int r = unzstd_init(&z, src->below, 0, src->below->size, src->decoder);

	if (r == 0)
		r = index(&z, b, why);
	b->index.memory = max_u64(b->index.memory, z.memory);
	return r;
}

/* The table does not tell what decoding takes. */
static int look_at_first(struct unzstd *z, struct stream_builder *b, struct why *why)
{
	struct zstd_header hdr;
	int r = unzstd_look(z, &hdr, why);

	return r < 0 ? r : 0;
}

static int zstd_index(const struct stream_source *src, struct stream_builder *b, struct why *why)
{
	int r = index_at(src, b, look_at_first, why);

	if (r == 0)
		r = index_by_table(src, b, why);
	if (r == 1) {
		start_over(b);
		r = index_at(src, b, index_by_headers, why);
	}
	if (r == 1) {
		start_over(b);
		r = index_at(src, b, index_by_decoding, why);
	}
	return r;
}

/* ---- making ---- */

struct take_unit {
	struct stream_out *out;
	XXH64_state_t *hash; /* of a frame's bytes; NULL: there is nothing to hold it against */
};

static int take_unit(void *arg, const void *buf, size_t count, struct why *why)
{
	struct take_unit *t = arg;

	if (count > stream_out_left(t->out))
		return fail(why, -EBADMSG,
			    "the zstd file is damaged: the frames from byte %" PRIu64 " on hold too much",
			    t->out->unit->at / 8);
	if (t->hash)
		(void)XXH64_update(t->hash, buf, count);
	return stream_emit(t->out, buf, count, why);
}

/* Up to `end` exactly. */
static int decode_frames(struct unzstd *z, uint64_t end, struct take_unit *t, struct why *why)
{
	while (stream_in_where(&z->in) < end) {
		struct zstd_header hdr;
		int kind = unzstd_look(z, &hdr, why), r;

		if (kind < 0)
			return kind;
		r = kind == ZSTD_FRAME ? unzstd_frame(z, take_unit, t, why) : unzstd_skip(z, &hdr, why);
		if (r < 0)
			return r;
	}
	if (stream_in_where(&z->in) != end)
		return fail(why, -EBADMSG,
			    "the zstd file is damaged: its seek table says that a frame ends at byte "
			    "%" PRIu64 ", but none does",
			    end);
	return 0;
}

static int decode_entry(struct unzstd *z, const struct seek_entry *e, struct take_unit *t, struct why *why)
{
	const uint64_t at = stream_in_where(&z->in), made = t->out->made;
	int r;

	if (t->hash)
		(void)XXH64_reset(t->hash, /* seed= */ 0);
	r = decode_frames(z, at + e->size, t, why);
	if (r == 0 &&
	    (t->out->made - made != e->holds || (t->hash && (uint32_t)XXH64_digest(t->hash) != e->check)))
		r = fail(why, -EBADMSG,
			 "the zstd file is damaged: the frame at byte %" PRIu64
			 " does not hold what the seek table says",
			 at);
	return r;
}

static void entries_of(const struct stream_index *x, size_t i, uint64_t *ret_from, uint64_t *ret_to)
{
	*ret_from = x->unit[i].first;
	*ret_to = i + 1 < x->n ? x->unit[i + 1].first : table_n(x->own);
}

static int decode_by_table(struct unzstd *z, struct image *below, const struct stream_index *x, size_t i,
			   struct take_unit *t, struct why *why)
{
	_cleanup_(stream_in_done) struct stream_in in = { 0 };
	struct seek_entry e;
	uint64_t from, to;
	int r;

	entries_of(x, i, &from, &to);
	if (open_table(&in, below, x->own, from, to) < 0)
		return -ENOMEM;
	while ((r = take_entry(&in, x->own, &e, why)) > 0) {
		r = decode_entry(z, &e, t, why);
		if (r < 0)
			break;
	}
	return r;
}

static int zstd_decode(const struct stream_source *src, const struct stream_index *x, size_t i,
		       struct stream_out *out, struct why *why)
{
	const uint64_t end = stream_unit_end(x, i) / 8;
	struct take_unit t = { .out = out };
	_cleanup_(unzstd_done) struct unzstd z;
	int r = unzstd_init(&z, src->below, x->unit[i].at / 8, end, src->decoder);

	if (r == 0 && x->own & OWN_CHECKS) {
		t.hash = XXH64_createState();
		r = t.hash ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = x->own ? decode_by_table(&z, src->below, x, i, &t, why) : decode_frames(&z, end, &t, why);
	(void)XXH64_freeState(t.hash);
	return r;
}

static void zstd_also(const struct stream_index *x, size_t i, uint64_t *ret_at, uint64_t *ret_count)
{
	uint64_t from, to;

	*ret_at = *ret_count = 0;
	if (!x->own)
		return;
	entries_of(x, i, &from, &to);
	*ret_at = table_at(x->own, x->file_size) + from * entry_bytes(x->own);
	*ret_count = (to - from) * entry_bytes(x->own);
}

/* ---- zeros ---- */

struct proof {
	struct zero_of of;
	const struct stream_source *src;
};

static void unit_piece(const struct zero_of *of, size_t i, struct zero_piece *ret)
{
	const struct stream_index *x = of->table;
	const uint64_t at = x->unit[i].at / 8, size = stream_unit_end(x, i) / 8 - at;

	*ret = (struct zero_piece){ at, size, size, x->unit[i].length, /* kind= */ 0 };
}

static const struct stream_format zstd_format;

static int unit_decode(const struct zero_of *of, size_t i, struct sink *sink, struct why *why)
{
	return stream_decode(&zstd_format, ((const struct proof *)of)->src, of->table, i, sink, why);
}

static int zstd_complete(const struct stream_source *src, struct stream_index *x, struct why *why)
{
	const struct proof p = { { src->below, x, x->n, unit_piece, unit_decode }, src };
	_cleanup_(zero_done) struct zero_map zero = { 0 };
	int r = x->checked ? 0 : zero_find(&p.of, &zero, why);

	for (size_t i = 0; r == 0 && !x->checked && i < x->n; i++)
		if (zero_has(&zero, i))
			r = stream_index_zero(x, x->unit[i].offset, x->unit[i].length);
	return r;
}

static void zstd_describe(const struct stream_index *x, struct text *t)
{
	text_add(t, "%" PRIu64 " frame%s%s\n", x->pieces, x->pieces == 1 ? "" : "s",
		 x->own & OWN_CHECKS ? ", seek table with checksums"
		 : x->own	     ? ", seek table"
				     : "");
	if (x->n == 1 && x->size > LARGE)
		text_add(t, "    a single frame: to read its end, all of it is decoded\n");
}

static const struct stream_format zstd_format = {
	.name = "zstd",
	.version = 1,
	.unit = UNIT,
	.decoder_least = DECODER_LEAST,
	.index = zstd_index,
	.complete = zstd_complete,
	.decode = zstd_decode,
	.also = zstd_also,
	.describe = zstd_describe,
};

int zstd_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	return stream_open(&zstd_format, opening, below, ret, why);
}

static void zstd_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	stream_offer("zstd", COST_ZSTD_OPEN, COST_ZSTD_PER_MIB, state, o);
}

const struct backend zstd_backend = {
	.name = "zstd",
	.offer = zstd_offer,
	.open = zstd_open,
};
