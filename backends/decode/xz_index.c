/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An xz file is one or more streams, each of them
 *
 *	header  12 bytes: magic, kind of check
 *	blocks  each a multiple of 4 bytes long
 *	index   per block: its size here without padding, and the size of what it holds
 *	footer  12 bytes: size of the index, kind of check, "YZ"
 *
 * and may be followed by zeros, a multiple of 4 again. Lengths stand in the
 * footers only, so the file is walked from its end. The blocks of a later stream
 * are found first: the walk collects them backwards and turns the table round at
 * its end, when offsets can be summed up.
 */
#include "backends/decode/xz_index.h"

#include <errno.h>
#include <inttypes.h>

#include "base/size.h"

static const uint8_t magic[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

struct walk {
	struct image *below;
	const struct xz_limits *limits;
	struct xz_table table; /* backwards */
	size_t room;	       /* blocks that `table` has room for */
	unsigned streams;
	uint64_t end;	  /* of what is not walked yet */
	uint64_t padding; /* zeros skipped so far */
};

/* One stream, while it is walked. */
struct stream {
	uint64_t at, end;
	lzma_stream_flags flags; /* out of the footer */
	lzma_index *index;
};

static void stream_done(struct stream *s)
{
	lzma_index_end(s->index, /* allocator= */ NULL);
}

void xz_table_done(struct xz_table *t)
{
	free(t->block);
	*t = (struct xz_table){ 0 };
}

size_t xz_table_find(const struct xz_table *t, uint64_t offset)
{
	size_t low = 0, high = t->n;

	/* The last one that begins at or before the offset. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (t->block[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int cut_short(const struct walk *w, struct why *why)
{
	return fail(why, -EBADMSG,
		    "the xz file is cut short or has something else behind its end: there is no end of a "
		    "stream at byte %" PRIu64 " of %" PRIu64,
		    w->end, w->below->size);
}

static int walk_begin(struct walk *w, struct why *why)
{
	uint8_t bytes[sizeof(magic)];
	int r;

	if (w->below->size < 2 * LZMA_STREAM_HEADER_SIZE)
		return fail(why, -EBADMSG, "the xz file is cut short: it has %" PRIu64 " bytes",
			    w->below->size);
	r = image_pread(w->below, bytes, sizeof(bytes), 0, why);
	if (r < 0)
		return r;
	if (memcmp(bytes, magic, sizeof(magic)) != 0)
		return fail(why, -EBADMSG, "this is not an xz file: it begins otherwise");
	if (w->below->size % 4)
		return fail(why, -EBADMSG,
			    "the xz file is cut short or has something else behind its end: its %" PRIu64
			    " bytes are not a multiple of 4",
			    w->below->size);
	w->end = w->below->size;
	return 0;
}

/*
 * Skips padding backwards. Its zeros are told from a footer by the footer's last
 * four bytes, which are never all zero: they end in "YZ".
 */
static int walk_padding(struct walk *w, struct why *why)
{
	uint8_t buf[4096];
	int r;

	while (w->end) {
		size_t count = min_u64(w->end, sizeof(buf)), left = count;

		r = image_pread(w->below, buf, count, w->end - count, why);
		if (r < 0)
			return r;
		while (left && get_le32(buf + left - 4) == 0)
			left -= 4;
		w->end -= count - left;
		w->padding += count - left;
		if (left)
			return 0;
		if (w->padding > XZ_PADDING_MAX)
			return fail(why, -EOPNOTSUPP, "the xz file has more than %" PRIu64 " MiB of padding",
				    XZ_PADDING_MAX / MiB);
	}
	return cut_short(w, why);
}

/* `s->end` is known, `s->at` not yet. */
static int stream_footer(struct walk *w, struct stream *s, struct why *why)
{
	uint8_t disk_footer[LZMA_STREAM_HEADER_SIZE];
	lzma_ret e;
	int r;

	if (s->end < 2 * LZMA_STREAM_HEADER_SIZE)
		return cut_short(w, why);
	r = image_pread(w->below, disk_footer, sizeof(disk_footer), s->end - sizeof(disk_footer), why);
	if (r < 0)
		return r;
	e = lzma_stream_footer_decode(&s->flags, disk_footer);
	if (e == LZMA_FORMAT_ERROR)
		return cut_short(w, why);
	if (e == LZMA_OPTIONS_ERROR)
		return fail(why, -EOPNOTSUPP, "the xz file is of a version that this liblzma doesn't know");
	if (e != LZMA_OK)
		return fail(why, -EBADMSG,
			    "the xz file is damaged: the stream footer at byte %" PRIu64 " is wrong",
			    s->end - LZMA_STREAM_HEADER_SIZE);
	if (!lzma_check_is_supported(s->flags.check))
		return fail(why, -EOPNOTSUPP,
			    "the xz file has checks of kind %d, which can't be verified (none, crc32, crc64 "
			    "and sha256 can)",
			    (int)s->flags.check);
	if (s->flags.backward_size > s->end - 2 * LZMA_STREAM_HEADER_SIZE)
		return fail(why, -EBADMSG,
			    "the xz file is damaged or cut short: an index of %" PRIu64
			    " bytes can't end at byte %" PRIu64,
			    (uint64_t)s->flags.backward_size, s->end - LZMA_STREAM_HEADER_SIZE);
	return 0;
}

static int index_error(lzma_ret e, lzma_stream *lzma, const struct walk *w, uint64_t at, struct why *why)
{
	char need[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];

	switch (e) {
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return fail(why, -EOPNOTSUPP,
			    "the xz file has so many blocks that its index takes %s of memory, the limit is %s",
			    size_human(need, lzma_memusage(lzma)), size_human(limit, w->limits->table));
	default:
		return fail(why, -EBADMSG, "the xz file is damaged: the index at byte %" PRIu64 " is wrong",
			    at);
	}
}

/* Feeds [at, end) to the index decoder; LZMA_STREAM_END when it ended just there. */
static int index_feed(struct walk *w, lzma_stream *lzma, uint64_t at, uint64_t end, lzma_ret *ret,
		      struct why *why)
{
	const size_t chunk = 16 * KiB;
	_cleanup_free_ uint8_t *buf = malloc(chunk);
	lzma_ret e = LZMA_OK;

	if (!buf)
		return -ENOMEM;
	while (at < end && e == LZMA_OK) {
		size_t count = min_u64(end - at, chunk);
		int r = image_pread(w->below, buf, count, at, why);

		if (r < 0)
			return r;
		lzma->next_in = buf;
		lzma->avail_in = count;
		e = lzma_code(lzma, LZMA_RUN);
		at += count - lzma->avail_in;
	}
	*ret = e == LZMA_STREAM_END && at < end ? LZMA_DATA_ERROR : e;
	return 0;
}

static int stream_index(struct walk *w, struct stream *s, struct why *why)
{
	const uint64_t end = s->end - LZMA_STREAM_HEADER_SIZE, at = end - s->flags.backward_size;
	const uint64_t taken = w->room * sizeof(struct xz_block);
	lzma_stream lzma = LZMA_STREAM_INIT;
	lzma_ret e;
	int r = 0;

	e = lzma_index_decoder(&lzma, &s->index, w->limits->table > taken ? w->limits->table - taken : 1);
	if (e == LZMA_OK)
		r = index_feed(w, &lzma, at, end, &e, why);
	if (r == 0 && e != LZMA_STREAM_END)
		r = index_error(e, &lzma, w, at, why);
	lzma_end(&lzma);
	if (r < 0)
		return r;
	/* Header, blocks, index and footer, by what the index says. */
	if (lzma_index_stream_size(s->index) > s->end)
		return fail(why, -EBADMSG,
			    "the xz file is damaged or cut short: a stream of %" PRIu64
			    " bytes can't end at byte %" PRIu64,
			    (uint64_t)lzma_index_stream_size(s->index), s->end);
	s->at = s->end - lzma_index_stream_size(s->index);
	return 0;
}

static int stream_header(struct walk *w, struct stream *s, struct why *why)
{
	uint8_t disk_header[LZMA_STREAM_HEADER_SIZE];
	lzma_stream_flags flags;
	int r = image_pread(w->below, disk_header, sizeof(disk_header), s->at, why);

	if (r < 0)
		return r;
	if (lzma_stream_header_decode(&flags, disk_header) != LZMA_OK)
		return fail(why, -EBADMSG,
			    "the xz file is damaged: at byte %" PRIu64
			    ", where the index puts it, is no stream header",
			    s->at);
	if (lzma_stream_flags_compare(&flags, &s->flags) != LZMA_OK)
		return fail(why, -EBADMSG,
			    "the xz file is damaged: the stream at byte %" PRIu64
			    " has a header and a footer that disagree",
			    s->at);
	return 0;
}

static int make_room(struct walk *w, uint64_t more, struct why *why)
{
	const uint64_t most = w->limits->table / sizeof(struct xz_block);
	struct xz_table *t = &w->table;
	uint64_t want = t->n + more;
	struct xz_block *block;

	if (want <= w->room)
		return 0;
	if (want > most)
		return fail(why, -EOPNOTSUPP,
			    "the xz file has too many blocks: the memory limit allows for %" PRIu64, most);
	/* Many streams of some blocks each must not move the table for every stream. */
	want = min_u64(max_u64(want, 2 * w->room), most);
	block = realloc(t->block, want * sizeof(*block));
	if (!block)
		return -ENOMEM;
	t->block = block;
	w->room = want;
	return 0;
}

static int add_block(struct walk *w, const struct stream *s, const lzma_index_iter *it, struct why *why)
{
	struct xz_block b = {
		.at = s->at + it->block.compressed_stream_offset,
		.unpadded = it->block.unpadded_size,
		.length = it->block.uncompressed_size,
		.check = s->flags.check,
	};

	if (b.length / XZ_EXPANSION_MAX > b.unpadded)
		return fail(why, -EBADMSG,
			    "the xz file is damaged: the block at byte %" PRIu64 " can't hold %" PRIu64
			    " bytes in its %" PRIu64,
			    b.at, b.length, b.unpadded);
	if (b.length)
		w->table.block[w->table.n++] = b;
	return 0;
}

static void reverse(struct xz_block *block, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct xz_block b = block[i];

		block[i] = block[n - 1 - i];
		block[n - 1 - i] = b;
	}
}

/* Adds the stream's blocks, the last one first. */
static int stream_blocks(struct walk *w, const struct stream *s, struct why *why)
{
	struct xz_table *t = &w->table;
	size_t first = t->n;
	lzma_index_iter it;
	uint64_t memory;
	int r = make_room(w, lzma_index_block_count(s->index), why);

	if (r < 0)
		return r;
	lzma_index_iter_init(&it, s->index);
	while (!lzma_index_iter_next(&it, LZMA_INDEX_ITER_BLOCK)) {
		r = add_block(w, s, &it, why);
		if (r < 0)
			return r;
	}
	if (t->n == first)
		return 0;
	r = xz_block_check(w->below, &t->block[first], w->limits->decoder, &memory, why);
	if (r < 0)
		return r;
	t->memory = max_u64(t->memory, memory);
	reverse(&t->block[first], t->n - first);
	return 0;
}

static int walk_stream(struct walk *w, struct why *why)
{
	_cleanup_(stream_done) struct stream s = { .end = w->end };
	int r;

	if (++w->streams > XZ_STREAMS_MAX)
		return fail(why, -EOPNOTSUPP, "the xz file has more than %d streams", XZ_STREAMS_MAX);
	r = stream_footer(w, &s, why);
	if (r == 0)
		r = stream_index(w, &s, why);
	if (r == 0)
		r = stream_header(w, &s, why);
	if (r == 0)
		r = stream_blocks(w, &s, why);
	w->end = s.at;
	return r;
}

/* Turns the table round and sums up the offsets. */
static int walk_end(struct walk *w, struct why *why)
{
	struct xz_table *t = &w->table;

	reverse(t->block, t->n);
	for (size_t i = 0; i < t->n; i++) {
		t->block[i].offset = t->size;
		if (__builtin_add_overflow(t->size, t->block[i].length, &t->size) || t->size > INT64_MAX)
			return fail(why, -EBADMSG,
				    "the xz file is damaged: its blocks hold more than %" PRIu64 " bytes",
				    (uint64_t)INT64_MAX);
	}
	if (t->size == 0)
		return fail(why, -EBADMSG, "the xz file holds an empty image");
	return 0;
}

int xz_table_read(struct image *below, const struct xz_limits *limits, struct xz_table *ret, struct why *why)
{
	struct walk w = { .below = below, .limits = limits };
	int r = walk_begin(&w, why);

	while (r == 0 && w.end) {
		r = walk_padding(&w, why);
		if (r == 0)
			r = walk_stream(&w, why);
	}
	if (r == 0)
		r = walk_end(&w, why);
	if (r < 0) {
		xz_table_done(&w.table);
		return r;
	}
	*ret = w.table;
	return 0;
}
