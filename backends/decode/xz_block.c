/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/xz_block.h"

#include <errno.h>
#include <inttypes.h>

#include "base/size.h"

/*
 * Input and output pass through buffers that stay in the second-level cache
 * beside the decoder's own tables.
 */
#define IN_CHUNK  (64 * KiB)
#define OUT_CHUNK (256 * KiB)

struct decoder {
	struct image *below;
	const struct xz_block *block;
	lzma_stream lzma;
	lzma_block header;
	lzma_filter filters[LZMA_FILTERS_MAX + 1];
	uint64_t fed;	  /* bytes of the block read so far */
	uint64_t written; /* bytes the sink has */
	size_t in_size, out_size;
	uint8_t *in, *out; /* behind this struct, in one piece with it */
};

static void decoder_drop_filters(struct decoder *d)
{
	for (size_t i = 0; i < LZMA_FILTERS_MAX && d->filters[i].id != LZMA_VLI_UNKNOWN; i++) {
		free(d->filters[i].options);
		d->filters[i].options = NULL;
	}
}

static void decoder_free(struct decoder *d)
{
	decoder_drop_filters(d);
	lzma_end(&d->lzma);
	free(d);
}
DEFINE_CLEANUP(struct decoder *, decoder_free);

static struct decoder *decoder_new(struct image *below, const struct xz_block *b, size_t in_size,
				   size_t out_size)
{
	struct decoder *d = malloc(sizeof(*d) + in_size + out_size);

	if (!d)
		return NULL;
	*d = (struct decoder){
		.below = below,
		.block = b,
		.lzma = LZMA_STREAM_INIT,
		.header = { .check = b->check, .filters = d->filters },
		.filters = { { .id = LZMA_VLI_UNKNOWN } },
		.in_size = in_size,
		.out_size = out_size,
		.in = (uint8_t *)(d + 1),
		.out = (uint8_t *)(d + 1) + in_size,
	};
	return d;
}

static int block_damaged(const struct xz_block *b, struct why *why, const char *how)
{
	return fail(why, -EBADMSG, "the block at byte %" PRIu64 " of the xz file is damaged: %s", b->at, how);
}

/* Gets the next bytes of the block; none when it has no more. */
static int decoder_feed(struct decoder *d, struct why *why)
{
	size_t count = min_u64(d->in_size, xz_block_room(d->block) - d->fed);
	int r = image_pread(d->below, d->in, count, d->block->at + d->fed, why);

	if (r < 0)
		return r;
	d->lzma.next_in = d->in;
	d->lzma.avail_in = count;
	d->fed += count;
	return 0;
}

/* What the header leaves open is taken from the index; what it says must be the same there. */
static int decoder_compare(struct decoder *d, struct why *why)
{
	const struct xz_block *b = d->block;

	if (lzma_block_compressed_size(&d->header, b->unpadded) != LZMA_OK)
		return block_damaged(b, why, "its header and the index disagree on its compressed size");
	if (d->header.uncompressed_size != LZMA_VLI_UNKNOWN && d->header.uncompressed_size != b->length)
		return block_damaged(b, why, "its header and the index disagree on its uncompressed size");
	d->header.uncompressed_size = b->length;
	return 0;
}

/* Decodes the header, which stands at the beginning of `in`. */
static int decoder_take_header(struct decoder *d, struct why *why)
{
	const struct xz_block *b = d->block;
	lzma_ret e;

	d->header.header_size = lzma_block_header_size_decode(d->in[0]);
	/* The first byte 0 marks an index. */
	if (d->in[0] == 0 || d->header.header_size > d->lzma.avail_in || d->header.header_size >= b->unpadded)
		return block_damaged(b, why, "there is no block header");
	e = lzma_block_header_decode(&d->header, /* allocator= */ NULL, d->in);
	if (e != LZMA_OK)
		d->filters[0].id = LZMA_VLI_UNKNOWN; /* liblzma has released what it made of them */
	if (e == LZMA_MEM_ERROR)
		return -ENOMEM;
	if (e == LZMA_OPTIONS_ERROR)
		return fail(why, -EOPNOTSUPP,
			    "the block at byte %" PRIu64
			    " of the xz file uses filters that this liblzma doesn't know",
			    b->at);
	if (e != LZMA_OK)
		return block_damaged(b, why, "its header is wrong");
	d->lzma.next_in += d->header.header_size;
	d->lzma.avail_in -= d->header.header_size;
	return decoder_compare(d, why);
}

/*
 * A match reaches back no further than to the block's beginning, so a dictionary
 * larger than the block is of no use. Most templates are packed with xz -9, 64
 * MiB, in blocks of 16: what isn't claimed is neither limited nor faulted in.
 */
static void decoder_trim_dictionary(struct decoder *d)
{
	for (size_t i = 0; i < LZMA_FILTERS_MAX && d->filters[i].id != LZMA_VLI_UNKNOWN; i++) {
		lzma_options_lzma *lzma2 = d->filters[i].options;

		if (d->filters[i].id == LZMA_FILTER_LZMA2)
			lzma2->dict_size =
				min_u64(lzma2->dict_size, max_u64(d->block->length, LZMA_DICT_SIZE_MIN));
	}
}

/* What the decoder will take, by the dictionary that the header claims. */
static int decoder_weigh(struct decoder *d, uint64_t limit, uint64_t *ret, struct why *why)
{
	char a[SIZE_TEXT_MAX], b[SIZE_TEXT_MAX];
	uint64_t need;

	decoder_trim_dictionary(d);
	need = lzma_raw_decoder_memusage(d->filters);
	if (need == UINT64_MAX)
		return fail(why, -EOPNOTSUPP,
			    "the block at byte %" PRIu64 " of the xz file uses filters that can't be combined",
			    d->block->at);
	need += sizeof(*d) + IN_CHUNK + OUT_CHUNK;
	if (need > limit)
		return fail(why, -EOPNOTSUPP,
			    "the block at byte %" PRIu64
			    " of the xz file takes %s of memory to decode, the limit is %s",
			    d->block->at, size_human(a, need), size_human(b, limit));
	if (ret)
		*ret = need;
	return 0;
}

int xz_block_check(struct image *below, const struct xz_block *b, uint64_t memory_limit, uint64_t *ret_memory,
		   struct why *why)
{
	_cleanup_(decoder_freep) struct decoder *d = decoder_new(below, b, LZMA_BLOCK_HEADER_SIZE_MAX, 0);
	int r;

	if (!d)
		return -ENOMEM;
	r = decoder_feed(d, why);
	if (r == 0)
		r = decoder_take_header(d, why);
	if (r == 0)
		r = decoder_weigh(d, memory_limit, ret_memory, why);
	return r;
}

static int decoder_start(struct decoder *d, uint64_t memory_limit, struct why *why)
{
	lzma_ret e;
	int r = decoder_feed(d, why);

	if (r == 0)
		r = decoder_take_header(d, why);
	if (r == 0)
		r = decoder_weigh(d, memory_limit, /* ret= */ NULL, why);
	if (r < 0)
		return r;
	e = lzma_block_decoder(&d->lzma, &d->header);
	if (e == LZMA_MEM_ERROR)
		return -ENOMEM;
	if (e != LZMA_OK)
		return fail(why, -EOPNOTSUPP,
			    "the block at byte %" PRIu64
			    " of the xz file uses filter options that this liblzma doesn't know",
			    d->block->at);
	d->lzma.next_out = d->out;
	d->lzma.avail_out = d->out_size;
	return 0;
}

static int decoder_flush(struct decoder *d, struct sink *sink, struct why *why)
{
	size_t count = d->out_size - d->lzma.avail_out;
	int r = 0;

	if (count)
		r = sink->write(sink, d->out, count, d->block->offset + d->written, why);
	d->written += count;
	d->lzma.next_out = d->out;
	d->lzma.avail_out = d->out_size;
	return r;
}

/* liblzma has compared check, sizes and padding; what is left is that it saw all of the block. */
static int decoder_end(struct decoder *d, struct sink *sink, struct why *why)
{
	int r = decoder_flush(d, sink, why);

	if (r < 0)
		return r;
	if (d->lzma.avail_in || d->fed != xz_block_room(d->block) || d->written != d->block->length)
		return block_damaged(d->block, why, "it ends too early");
	return 0;
}

int xz_block_decode(struct image *below, const struct xz_block *b, uint64_t memory_limit, struct sink *sink,
		    struct why *why)
{
	_cleanup_(decoder_freep) struct decoder *d =
		decoder_new(below, b, min_u64(xz_block_room(b), IN_CHUNK), min_u64(b->length, OUT_CHUNK));
	lzma_ret e = LZMA_OK;
	int r;

	if (!d)
		return -ENOMEM;
	r = decoder_start(d, memory_limit, why);
	while (r == 0 && e == LZMA_OK) {
		if (d->lzma.avail_in == 0)
			r = decoder_feed(d, why);
		if (r == 0 && d->lzma.avail_out == 0)
			r = decoder_flush(d, sink, why);
		if (r == 0)
			e = lzma_code(&d->lzma, LZMA_RUN);
	}
	if (r < 0)
		return r;
	if (e == LZMA_MEM_ERROR)
		return -ENOMEM;
	if (e != LZMA_STREAM_END)
		return block_damaged(b, why, "its data or their check are wrong");
	return decoder_end(d, sink, why);
}
