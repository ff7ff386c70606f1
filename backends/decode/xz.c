/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/xz.h"

#include <errno.h>
#include <inttypes.h>

#include "backends/cache/pool.h"
#include "backends/cache/store.h"
#include "backends/costs.h"
#include "backends/decode/xz_index.h"
#include "backends/decode/xz_zero.h"
#include "backends/library/library.h"
#include "base/size.h"

/* What --memory is by default, for those who open without a daemon. */
#define DEFAULT_MEMORY (512 * MiB)

/* Neighbouring blocks of one kind. */
struct run {
	uint64_t end; /* in the image */
	enum extent_kind kind;
};

struct xz {
	struct image image;
	struct xz_limits limits;
	struct xz_table table;
	struct run *run; /* they cover the image */
	size_t n_runs;
	uint64_t n_zero; /* blocks */
};

static void xz_close(struct image *img)
{
	struct xz *x = (struct xz *)img;

	xz_table_done(&x->table);
	free(x->run);
	free(x);
}

static void xz_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	struct xz *x = (struct xz *)img;
	size_t low = 0, high = x->n_runs - 1;

	/* The first one that ends behind the offset. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->run[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = (struct extent){ x->run[low].end - offset, x->run[low].kind };
}

/* The bytes below are others. */
static int xz_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	return -ENODATA;
}

/* Compressed bytes that a hint has fetched ahead of the decoders. */
#define HINT_BYTES (16 * MiB)

/* What the image below is to have ready: the blocks that are not known to be zero. */
static void xz_hint(struct image *img, uint64_t offset, uint64_t length)
{
	const struct xz *x = (const struct xz *)img;
	const struct xz_table *t = &x->table;
	uint64_t hinted = 0;

	for (size_t i = xz_table_find(t, offset);
	     i < t->n && t->block[i].offset < offset + length && hinted < HINT_BYTES; i++) {
		struct extent e;

		xz_extent(img, t->block[i].offset, &e);
		if (e.kind == EXTENT_ZERO)
			continue;
		image_hint(img->below, t->block[i].at, xz_block_room(&t->block[i]));
		hinted += xz_block_room(&t->block[i]);
	}
}

static uint64_t xz_units(struct image *img)
{
	return ((struct xz *)img)->table.n;
}

static void xz_unit(struct image *img, uint64_t offset, struct unit *ret)
{
	const struct xz_table *t = &((struct xz *)img)->table;
	size_t i = xz_table_find(t, offset);

	*ret = (struct unit){ i, t->block[i].offset, t->block[i].length };
}

static int xz_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	struct xz *x = (struct xz *)img;

	const struct xz_block *b = &x->table.block[unit->index];

	image_hint(img->below, b->at, xz_block_room(b));
	return xz_block_decode(img->below, b, x->limits.decoder, sink, why);
}

/*
 * Blocks with more compressed bytes than that are decoded while they come: to wait
 * for all of them first would take as long again. There are few of them to a
 * template, mostly one.
 */
#define STREAM_FROM (32 * MiB)

static bool xz_is_far(struct image *img, const struct unit *unit)
{
	const struct xz_block *b = &((struct xz *)img)->table.block[unit->index];

	return xz_block_room(b) <= STREAM_FROM && !image_is_here(img->below, b->at, xz_block_room(b));
}

/* Read, and thrown away: the image below keeps what it has fetched. */
static int xz_bring(struct image *img, const struct unit *unit, struct why *why)
{
	const struct xz_block *b = &((struct xz *)img)->table.block[unit->index];

	return image_fetch(img->below, b->at, xz_block_room(b), why);
}

/* A block may need more than its stream's first one showed, but never more than the limit. */
static uint64_t xz_make_memory(struct image *img)
{
	return ((struct xz *)img)->table.memory;
}

/* "16M" when all blocks but the last are of one size. */
static void describe_sizes(const struct xz_table *t, struct text *out)
{
	uint64_t least = UINT64_MAX, most = 0;
	char size[SIZE_TEXT_MAX];

	for (size_t i = 0; i < t->n; i++) {
		most = max_u64(most, t->block[i].length);
		if (i + 1 < t->n)
			least = min_u64(least, t->block[i].length);
	}
	text_add(out, "    %zu block%s of %s%s", t->n, t->n == 1 ? "" : "s",
		 least < most && t->n > 1 ? "up to " : "", size_format(size, most));
}

static const char *check_name(lzma_check check)
{
	switch (check) {
	case LZMA_CHECK_NONE:
		return "none";
	case LZMA_CHECK_CRC32:
		return "crc32";
	case LZMA_CHECK_CRC64:
		return "crc64";
	case LZMA_CHECK_SHA256:
		return "sha256";
	default:
		return "unknown";
	}
}

static void describe_check(const struct xz_table *t, struct text *out)
{
	bool none = false, differ = false;

	for (size_t i = 0; i < t->n; i++) {
		none |= t->block[i].check == LZMA_CHECK_NONE;
		differ |= t->block[i].check != t->block[0].check;
	}
	text_add(out, "check %s", differ ? "differs by stream" : check_name(t->block[0].check));
	if (none)
		text_add(out, "\n    %s no check: damage there can't be noticed",
			 differ ? "some of it carries" : "the file carries");
}

static void xz_describe(struct image *img, struct text *t)
{
	struct xz *x = (struct xz *)img;

	describe_sizes(&x->table, t);
	text_add(t, ", %" PRIu64 " proved zero, ", x->n_zero);
	describe_check(&x->table, t);
	text_add(t, "\n");
	if (x->table.n == 1 && img->size > 64 * MiB)
		text_add(t, "    a single block: to read its end, all of it is decoded\n");
}

static const struct image_ops xz_ops = {
	.name = "xz",
	.extent = xz_extent,
	.backing = xz_backing,
	.hint = xz_hint,
	.units = xz_units,
	.unit = xz_unit,
	.make = xz_make,
	.make_memory = xz_make_memory,
	.is_far = xz_is_far,
	.bring = xz_bring,
	.describe = xz_describe,
	.close = xz_close,
};

/* Turns the bits into runs. */
static int make_runs(struct xz *x, const struct zero_map *zero)
{
	const struct xz_table *t = &x->table;
	size_t n = 1;

	for (size_t i = 0; i < t->n; i++) {
		x->n_zero += zero_has(zero, i);
		n += i && zero_has(zero, i) != zero_has(zero, i - 1);
	}
	x->run = calloc(n, sizeof(*x->run));
	if (!x->run)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		x->n_runs += i == 0 || zero_has(zero, i) != zero_has(zero, i - 1);
		x->run[x->n_runs - 1] = (struct run){ t->block[i].offset + t->block[i].length,
						      zero_has(zero, i) ? EXTENT_ZERO : EXTENT_DATA };
	}
	return 0;
}

/*
 * The store's sidecar saves a decode and the reading of all small blocks. It is a
 * copy of what xz_zero_find would find: the store answers for its bytes, the
 * template's identity for the file's, and whether it belongs to this very table
 * is looked at here.
 */
static int load_zero(const struct opening *opening, const struct xz_table *t, struct zero_map *ret)
{
	_cleanup_free_ void *bytes = NULL;
	size_t count;
	int r;

	if (!opening)
		return -ENOENT;
	r = store_sidecar_read(opening->context->store, opening_identity(opening), "zero", XZ_ZERO_VERSION,
			       &bytes, &count);
	return r < 0 ? r : xz_zero_unpack(bytes, count, t, ret);
}

static void save_zero(const struct opening *opening, const struct xz_table *t, const struct zero_map *zero)
{
	_cleanup_free_ void *bytes = NULL;
	size_t count;

	if (opening && xz_zero_pack(zero, t, &bytes, &count) == 0)
		store_sidecar_write(opening->context->store, opening_identity(opening), "zero", XZ_ZERO_VERSION,
				    bytes, count);
}

static int xz_fill(struct xz *x, const struct opening *opening, struct image *below, struct why *why)
{
	_cleanup_(zero_done) struct zero_map zero = { 0 };
	int r = xz_table_read(below, &x->limits, &x->table, why);

	if (r < 0)
		return r;
	if (load_zero(opening, &x->table, &zero) < 0) {
		r = xz_zero_find(below, &x->table, x->limits.decoder, &zero, why);
		if (r < 0)
			return r;
		save_zero(opening, &x->table, &zero);
	}
	return make_runs(x, &zero);
}

/*
 * An eighth of all memory for the table (40 bytes a block), half of it for the
 * decoders, which may all be at work at once.
 */
static struct xz_limits limits_of(const struct context *context)
{
	uint64_t memory = context ? context->memory : DEFAULT_MEMORY;
	unsigned threads = context ? pool_threads(context->pool) : 2;

	return (struct xz_limits){ .table = memory / 8,
				   .decoder = max_u64(memory / 2 / threads, XZ_DECODER_MIN) };
}

int xz_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	struct xz *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->limits = limits_of(opening ? opening->context : NULL);
	r = xz_fill(x, opening, below, why);
	if (r < 0) {
		xz_close(&x->image);
		return r;
	}
	image_init(&x->image, &xz_ops, x->table.size, image_ref(below));
	*ret = &x->image;
	return 0;
}

static int xz_size(const struct opening *opening, struct image *below, uint64_t *ret, struct why *why)
{
	const struct xz_limits limits = limits_of(opening->context);
	struct xz_table table = { 0 };
	int r = xz_table_read(below, &limits, &table, why);

	if (r == 0)
		*ret = table.size;
	xz_table_done(&table);
	return r;
}

static void xz_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (!offer_is_wrapped(state, "xz"))
		return;
	offer_begin(&x, o, state);
	offer_unwrap(&x);
	offer_set(&x, "made", "unit");
	offer_end(&x, cost_of(state, COST_XZ_OPEN + COST_XZ_FIRST, COST_XZ_PER_MIB));
}

const struct backend xz_backend = {
	.name = "xz",
	.offer = xz_offer,
	.open = xz_open,
	.size = xz_size,
};
