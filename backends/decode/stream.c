/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>
#include <zlib.h>

#include "backends/cache/pool.h"
#include "backends/cache/store.h"
#include "backends/costs.h"
#include "backends/library/library.h"
#include "base/patience.h"
#include "base/size.h"

/* What --memory is by default, for those who open without a daemon. */
#define DEFAULT_MEMORY (512 * MiB)

/* An index larger than that is made of longer units: a sidecar has at most 32 MiB. */
#define INDEX_MAX (20 * MiB)

struct stream {
	struct image image;
	struct image_ops ops; /* under the format's name */
	const struct stream_format *format;
	uint64_t decoder;
	struct stream_index index;
};

static struct stream_source source_of(const struct stream *s)
{
	return (struct stream_source){ .below = s->image.below, .decoder = s->decoder };
}

static void stream_close(struct image *img)
{
	struct stream *s = (struct stream *)img;

	stream_index_done(&s->index);
	free(s);
}

static void stream_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	const struct stream_index *x = &((struct stream *)img)->index;
	size_t low = 0, high = x->n_zero;

	/* The first run that ends behind the offset. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->zero[middle].offset + x->zero[middle].length <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == x->n_zero)
		*ret = (struct extent){ img->size - offset, EXTENT_DATA };
	else if (x->zero[low].offset > offset)
		*ret = (struct extent){ x->zero[low].offset - offset, EXTENT_DATA };
	else
		*ret = (struct extent){ x->zero[low].offset + x->zero[low].length - offset, EXTENT_ZERO };
}

/* The bytes below are others. */
static int stream_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	return -ENODATA;
}

/* The bytes of the file that a unit is made of. */
static void unit_range(const struct stream_index *x, size_t i, uint64_t *ret_at, uint64_t *ret_count)
{
	*ret_at = x->unit[i].at / 8;
	*ret_count = min_u64(div_up(stream_unit_end(x, i), 8), x->file_size) - *ret_at;
}

static bool unit_is_zero(struct image *img, const struct stream_unit *u)
{
	struct extent e;

	stream_extent(img, u->offset, &e);
	return e.kind == EXTENT_ZERO && e.length >= u->length;
}

/* Compressed bytes that a hint has fetched ahead of the decoders. */
#define HINT_BYTES (16 * MiB)

static void stream_hint(struct image *img, uint64_t offset, uint64_t length)
{
	const struct stream_index *x = &((struct stream *)img)->index;
	uint64_t hinted = 0;

	for (size_t i = stream_index_find(x, offset);
	     i < x->n && x->unit[i].offset < offset + length && hinted < HINT_BYTES; i++) {
		uint64_t at, count;

		if (unit_is_zero(img, &x->unit[i]))
			continue;
		unit_range(x, i, &at, &count);
		image_hint(img->below, at, count);
		hinted += count;
	}
}

static uint64_t stream_units(struct image *img)
{
	return ((struct stream *)img)->index.n;
}

static void stream_unit(struct image *img, uint64_t offset, struct unit *ret)
{
	const struct stream_index *x = &((struct stream *)img)->index;
	size_t i = stream_index_find(x, offset);

	*ret = (struct unit){ i, x->unit[i].offset, x->unit[i].length };
}

int stream_emit(struct stream_out *out, const void *buf, size_t count, struct why *why)
{
	uint64_t offset = out->unit->offset + out->made;

	if (count == 0)
		return 0;
	out->crc = crc32_z(out->crc, buf, count);
	out->made += count;
	return out->sink->write(out->sink, buf, count, offset, why);
}

int stream_decode(const struct stream_format *format, const struct stream_source *src,
		  const struct stream_index *x, size_t i, struct sink *sink, struct why *why)
{
	struct stream_out out = { .sink = sink, .unit = &x->unit[i] };
	int r = format->decode(src, x, i, &out, why);

	if (r < 0)
		return r;
	if (stream_out_left(&out))
		return fail(why, -EBADMSG,
			    "the %s file is damaged: from byte %" PRIu64 " on it holds too little",
			    format->name, x->unit[i].at / 8);
	if (x->checked && out.crc != x->unit[i].crc)
		return fail(why, -EBADMSG,
			    "what the %s file holds from byte %" PRIu64
			    " on is not what it was when it was opened",
			    format->name, x->unit[i].at / 8);
	return 0;
}

static int stream_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	const struct stream *s = (const struct stream *)img;
	const struct stream_source src = source_of(s);
	uint64_t at, count;

	unit_range(&s->index, unit->index, &at, &count);
	image_hint(img->below, at, count);
	return stream_decode(s->format, &src, &s->index, unit->index, sink, why);
}

static uint64_t stream_make_memory(struct image *img)
{
	return ((struct stream *)img)->index.memory;
}

/* Units with more compressed bytes than that are decoded while they come, as in xz.c. */
#define STREAM_FROM (32 * MiB)

static bool stream_is_far(struct image *img, const struct unit *unit)
{
	const struct stream *s = (const struct stream *)img;
	uint64_t at, count, also_at = 0, also = 0;

	unit_range(&s->index, unit->index, &at, &count);
	if (s->format->also)
		s->format->also(&s->index, unit->index, &also_at, &also);
	return count <= STREAM_FROM &&
	       (!image_is_here(img->below, at, count) || (also && !image_is_here(img->below, also_at, also)));
}

static int stream_bring(struct image *img, const struct unit *unit, struct why *why)
{
	const struct stream *s = (const struct stream *)img;
	uint64_t at, count, also_at = 0, also = 0;
	int r;

	unit_range(&s->index, unit->index, &at, &count);
	if (s->format->also)
		s->format->also(&s->index, unit->index, &also_at, &also);
	r = image_fetch(img->below, at, count, why);
	return r == 0 ? image_fetch(img->below, also_at, also, why) : r;
}

static void stream_describe(struct image *img, struct text *t)
{
	const struct stream *s = (const struct stream *)img;
	const struct stream_index *x = &s->index;
	uint64_t longest = 0, zeros = 0;
	char size[SIZE_TEXT_MAX], zero[SIZE_TEXT_MAX];

	for (size_t i = 0; i < x->n; i++)
		longest = max_u64(longest, x->unit[i].length);
	for (size_t i = 0; i < x->n_zero; i++)
		zeros += x->zero[i].length;
	text_add(t, "    %zu unit%s of up to %s, %s proved zero; ", x->n, x->n == 1 ? "" : "s",
		 size_human(size, longest), size_human(zero, zeros));
	s->format->describe(x, t);
}

static const struct image_ops stream_ops = {
	.extent = stream_extent,
	.backing = stream_backing,
	.hint = stream_hint,
	.units = stream_units,
	.unit = stream_unit,
	.make = stream_make,
	.make_memory = stream_make_memory,
	.is_far = stream_is_far,
	.bring = stream_bring,
	.describe = stream_describe,
	.close = stream_close,
};

/* ---- the index ---- */

#define FINGERPRINT 4096 /* bytes: a template may be packed twice in one format */

static int take_fingerprint(struct image *below, uint64_t *ret, struct why *why)
{
	uint8_t buf[FINGERPRINT];
	size_t count = min_u64(sizeof(buf), below->size);
	int r = image_pread(below, buf, count, 0, why);

	*ret = XXH3_64bits(buf, count);
	return r;
}

static int load_index(const struct stream_format *format, const struct opening *opening, struct image *below,
		      uint64_t fingerprint, struct stream_index *ret)
{
	_cleanup_free_ void *bytes = NULL;
	size_t count;
	int r;

	if (!opening)
		return -ENOENT;
	r = store_sidecar_read(opening->context->store, opening_identity(opening), format->name,
			       format->version, &bytes, &count);
	return r < 0 ? r : stream_index_unpack(bytes, count, below->size, fingerprint, ret);
}

static void save_index(const struct stream_format *format, const struct opening *opening, uint64_t fingerprint,
		       const struct stream_index *x)
{
	_cleanup_free_ void *bytes = NULL;
	size_t count;

	if (opening && stream_index_pack(x, fingerprint, &bytes, &count) == 0)
		store_sidecar_write(opening->context->store, opening_identity(opening), format->name,
				    format->version, bytes, count);
}

static int make_index(const struct stream_format *format, const struct stream_source *src, uint64_t limit,
		      struct stream_index *ret, struct why *why)
{
	_cleanup_(builder_done) struct stream_builder b;
	int r;

	builder_init(&b, format->name, src->below->size, format->unit, limit);
	r = format->index(src, &b, why);
	if (r == 0)
		r = builder_end(&b, ret, why);
	if (r == 0 && format->complete)
		r = format->complete(src, ret, why);
	return r;
}

static int stream_fill(struct stream *s, const struct opening *opening, struct image *below, struct why *why)
{
	const uint64_t memory = opening ? opening->context->memory : DEFAULT_MEMORY;
	struct pool *pool = opening ? opening->context->pool : NULL;
	struct stream_source src = { .below = below, .pool = pool };
	uint64_t fingerprint;
	int r;

	s->decoder = max_u64(memory / 2 / (pool ? pool_threads(pool) : 2), s->format->decoder_least);
	src.decoder = s->decoder;
	r = take_fingerprint(below, &fingerprint, why);
	if (r < 0 || load_index(s->format, opening, below, fingerprint, &s->index) == 0)
		return r;
	if (patience_is_casual())
		return fail(why, -EAGAIN, "to know what is in the %s all of it would have to be read",
			    s->format->name);
	r = make_index(s->format, &src, min_u64(memory / 8, INDEX_MAX), &s->index, why);
	if (r == 0)
		save_index(s->format, opening, fingerprint, &s->index);
	return r;
}

int stream_open(const struct stream_format *format, const struct opening *opening, struct image *below,
		struct image **ret, struct why *why)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->format = format;
	r = stream_fill(s, opening, below, why);
	if (r < 0) {
		stream_close(&s->image);
		return r;
	}
	s->ops = stream_ops;
	s->ops.name = format->name;
	image_init(&s->image, &s->ops, s->index.size, image_ref(below));
	*ret = &s->image;
	return 0;
}

void stream_offer(const char *name, uint64_t fixed, uint64_t per_mib, const struct tags *state,
		  struct offers *o)
{
	struct offer x;

	if (!offer_is_wrapped(state, name))
		return;
	offer_begin(&x, o, state);
	offer_unwrap(&x);
	offer_set(&x, "made", "unit");
	offer_end(&x, cost_of(state, fixed, per_mib));
}
