/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/image.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/log.h"

void image_init(struct image *img, const struct image_ops *ops, uint64_t size, struct image *below)
{
	img->ops = ops;
	img->size = size;
	img->below = below;
	atomic_init(&img->refs, 1);
	img->gone = NULL;
	img->gone_arg = NULL;
}

struct image *image_ref(struct image *img)
{
	atomic_fetch_add_explicit(&img->refs, 1, memory_order_relaxed);
	return img;
}

struct image *image_ref_alive(struct image *img)
{
	unsigned refs = atomic_load_explicit(&img->refs, memory_order_relaxed);

	while (refs)
		if (atomic_compare_exchange_weak(&img->refs, &refs, refs + 1))
			return img;
	return NULL;
}

bool image_is_shared(struct image *img)
{
	return atomic_load_explicit(&img->refs, memory_order_acquire) > 1;
}

void image_unref(struct image *img)
{
	/* A loop, not a recursion: closing one may be the last ref of the next. */
	while (img && atomic_fetch_sub_explicit(&img->refs, 1, memory_order_acq_rel) == 1) {
		struct image *below = img->below;

		if (img->gone)
			img->gone(img->gone_arg);
		if (img->ops->close)
			img->ops->close(img);
		else
			free(img);
		img = below;
	}
}

/*
 * The image that has the operation: this one, or the nearest below it. Images
 * stand a handful deep and maps are flattened, so this walk is short.
 */
#define WITH(img, op)                        \
	({                                   \
		struct image *it_ = (img);   \
		while (it_ && !it_->ops->op) \
			it_ = it_->below;    \
		it_;                         \
	})

int image_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct image *it = img;
	int r;

	if (!range_ok(offset, count, img->size))
		return fail(why, -EINVAL, "read of %zu bytes at %" PRIu64 " in a %s image of %" PRIu64, count,
			    offset, img->ops->name, img->size);
	if (count == 0)
		return 0;
	/* What is below an image made in units are other bytes. */
	while (it && !it->ops->pread)
		it = it->ops->make ? NULL : it->below;
	if (!it || !range_ok(offset, count, it->size))
		return fail(why, -EINVAL, "%s can't be read directly", img->ops->name);
	r = it->ops->pread(it, buf, count, offset, why);
	assert(r <= 0);
	log_detail("%s: pread count=%zu offset=%" PRIu64 "%s", it->ops->name, count, offset,
		   r < 0 ? " failed" : "");
	return r;
}

int image_fetch(struct image *img, uint64_t offset, uint64_t length, struct why *why)
{
	const uint64_t step = 64 * KiB, end = offset + length;
	_cleanup_free_ uint8_t *buf = malloc(step);
	int r = buf ? 0 : -ENOMEM;

	image_hint(img, offset, length);
	for (uint64_t n; r == 0 && offset < end; offset += n) {
		n = min_u64(end - offset, step);
		r = image_pread(img, buf, n, offset, why);
	}
	return r;
}

struct extent image_extent(struct image *img, uint64_t offset)
{
	struct extent e = { UINT64_MAX, EXTENT_DATA };
	struct image *it;

	if (offset >= img->size)
		return (struct extent){ 0, EXTENT_ZERO };
	it = WITH(img, extent);
	if (it && offset < it->size)
		it->ops->extent(it, offset, &e);
	assert(e.length > 0);
	e.length = min_u64(e.length, img->size - offset);
	return e;
}

int image_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	struct image *it = WITH(img, backing);
	int r;

	if (!it || offset >= img->size || offset >= it->size)
		return -ENODATA;
	r = it->ops->backing(it, offset, ret);
	if (r < 0)
		return r;
	ret->length = min_u64(ret->length, img->size - offset);
	return 0;
}

void image_hint(struct image *img, uint64_t offset, uint64_t length)
{
	struct image *it = WITH(img, hint);

	if (!it || offset >= it->size || length == 0)
		return;
	it->ops->hint(it, offset, min_u64(length, it->size - offset));
}

bool image_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	struct image *it = WITH(img, is_here);

	return !it || it->ops->is_here(it, offset, length);
}

bool image_is_stale(struct image *img)
{
	struct image *it = WITH(img, is_stale);

	return it && it->ops->is_stale(it);
}

bool image_waits(struct image *img)
{
	struct image *it = WITH(img, waits);

	return it && it->ops->waits(it);
}

int image_await(struct image *img, struct why *why)
{
	struct image *it = WITH(img, await);

	return it ? it->ops->await(it, why) : 0;
}

bool image_is_far(struct image *img, const struct unit *unit)
{
	return img->ops->is_far && img->ops->is_far(img, unit);
}

int image_bring(struct image *img, const struct unit *unit, struct why *why)
{
	return img->ops->bring ? img->ops->bring(img, unit, why) : 0;
}

uint64_t image_units(struct image *img)
{
	return img->ops->units ? img->ops->units(img) : 0;
}

struct unit image_unit(struct image *img, uint64_t offset)
{
	struct unit unit;

	assert(offset < img->size);
	img->ops->unit(img, offset, &unit);
	assert(unit.offset <= offset && offset - unit.offset < unit.length &&
	       range_ok(unit.offset, unit.length, img->size));
	return unit;
}

int image_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	int r = img->ops->make(img, unit, sink, why);

	log_detail("%s: make unit=%" PRIu64 " offset=%" PRIu64 " length=%" PRIu64 "%s", img->ops->name,
		   unit->index, unit->offset, unit->length, r < 0 ? " failed" : "");
	return r;
}

uint64_t image_make_memory(struct image *img)
{
	return img->ops->make_memory ? img->ops->make_memory(img) : 0;
}

void image_describe(struct image *img, struct text *t)
{
	if (img->below)
		image_describe(img->below, t);
	if (img->ops->describe)
		img->ops->describe(img, t);
}

uint64_t image_data_bytes(struct image *img)
{
	uint64_t bytes = 0;

	for (uint64_t at = 0; at < img->size;) {
		struct extent e = image_extent(img, at);

		if (e.kind != EXTENT_ZERO)
			bytes += e.length;
		at += e.length;
	}
	return bytes;
}
