/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/cache.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/cache/early.h"
#include "backends/cache/making.h"
#include "backends/cache/store_private.h"
#include "backends/costs.h"
#include "backends/library/library.h"

/* Steps one hint walks: over units that are there already it goes by bits, so this is far. */
#define HINT_STEPS 4096

struct cache {
	struct image image;
	struct maker mk; /* borrows image.below; has the shelf open */
	atomic_ullong hints;
};

/* ---- reading ---- */

/*
 * The read goes past this unit: have the following ones made at the same time
 * rather than one after the other.
 */
static void start_rest(struct cache *c, uint64_t offset, uint64_t end)
{
	unsigned left = 2 * pool_threads(c->mk.pool);

	while (offset < end && left--) {
		struct extent e = image_extent(c->mk.below, offset);

		if (e.kind == EXTENT_ZERO) {
			offset += e.length;
		} else {
			struct unit u = image_unit(c->mk.below, offset);

			if (image_is_far(c->mk.below, &u))
				image_hint(c->mk.below, u.offset, u.length);
			else
				making_start(&c->mk, &u);
			offset = u.offset + u.length;
		}
	}
}

/* For who looks at it early: 1 when he was given the bytes before they were checked. */
static int read_early(struct cache *c, const struct unit *u, void *buf, size_t count, uint64_t offset,
		      struct why *why)
{
	struct early *early = early_here();
	struct making *m;
	int r = early ? making_await_bytes(&c->mk, u, buf, count, offset, &m, why) : 0;

	if (r == 1 && early_note(early, &c->image, m) < 0) {
		making_put(m);
		return -ENOMEM;
	}
	return r;
}

/* From the unit, wherever it is: the data file, memory, or the decoder. */
static int read_unit(struct cache *c, const struct unit *u, void *buf, size_t count, uint64_t offset,
		     struct why *why)
{
	for (;;) {
		_cleanup_(held_unrefp) struct held *held = NULL;
		int r;

		if (bits_get(c->mk.shelf->there, u->index) &&
		    shelf_read_unit(c->mk.shelf, buf, count, offset) == 0)
			return 0;
		r = image_is_far(c->mk.below, u) ? image_bring(c->mk.below, u, why) : 0;
		if (r == 0)
			r = read_early(c, u, buf, count, offset, why);
		if (r == 1)
			return 0;
		if (r == 0)
			r = making_await(&c->mk, u, &held, why);
		if (r < 0)
			return r;
		if (held) {
			memcpy(buf, held->bytes + (offset - u->offset), count);
			return 0;
		}
	}
}

/* The start of the range is not ready: reads some of it, at least a byte. */
static int read_slowly(struct cache *c, void *buf, size_t count, uint64_t offset, size_t *ret_count,
		       struct why *why)
{
	struct extent e = image_extent(c->mk.below, offset);
	struct unit u;

	if (e.kind == EXTENT_ZERO) {
		*ret_count = min_u64(count, e.length);
		memset(buf, 0, *ret_count);
		return 0;
	}
	u = image_unit(c->mk.below, offset);
	*ret_count = min_u64(count, u.offset + u.length - offset);
	start_rest(c, u.offset + u.length, offset + count);
	return read_unit(c, &u, buf, *ret_count, offset, why);
}

static int cache_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct cache *c = (struct cache *)img;
	uint8_t *p = buf;

	while (count) {
		size_t n = shelf_read(c->mk.shelf, p, count, offset);
		int r = 0;

		if (n == 0)
			r = read_slowly(c, p, count, offset, &n, why);
		if (r < 0)
			return r;
		p += n;
		offset += n;
		count -= n;
	}
	return 0;
}

/* ---- what is known without reading ---- */

static void cache_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	struct cache *c = (struct cache *)img;
	struct extent e = image_extent(c->mk.below, offset);
	bool is_zero;

	if (e.kind == EXTENT_DATA) {
		e.length = shelf_run(c->mk.shelf, offset, offset + e.length, /* seen_zero= */ true, &is_zero) -
			   offset;
		if (is_zero)
			e.kind = EXTENT_SEEN_ZERO;
	}
	*ret = e;
}

static int cache_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	struct cache *c = (struct cache *)img;
	struct shelf *sh = c->mk.shelf;
	bool is_ready;
	uint64_t end;

	end = shelf_run(sh, offset, img->size, /* seen_zero= */ false, &is_ready);
	if (!is_ready || sh->lost || sh->fd < 0)
		return -ENODATA;
	*ret = (struct backing){ sh->fd, offset, end - offset, .ours = true };
	return 0;
}

/*
 * Queues what is not made yet and can be made without waiting for a server; what
 * else is wanted is on its way by then, and will be hinted at again.
 */
static void cache_hint(struct image *img, uint64_t offset, uint64_t length)
{
	struct cache *c = (struct cache *)img;
	const uint64_t end = offset + length, hint = ++c->hints;
	const unsigned limit = 2 * pool_threads(c->mk.pool) + 2;

	image_hint(c->mk.below, offset, length);
	for (unsigned steps = 0; offset < end && steps < HINT_STEPS; steps++) {
		struct extent e;
		struct unit u;
		bool is_ready;
		uint64_t run = shelf_run(c->mk.shelf, offset, end, /* seen_zero= */ false, &is_ready);

		if (is_ready) {
			offset = run;
			continue;
		}
		e = image_extent(c->mk.below, offset);
		if (e.kind == EXTENT_ZERO) {
			offset += e.length;
			continue;
		}
		u = image_unit(c->mk.below, offset);
		if (!bits_get(c->mk.shelf->there, u.index) && !image_is_far(c->mk.below, &u) &&
		    !making_ahead(&c->mk, &u, hint, limit))
			return;
		offset = u.offset + u.length;
	}
}

static bool cache_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	bool is_ready;

	return shelf_run(((struct cache *)img)->mk.shelf, offset, offset + length, /* seen_zero= */ false,
			 &is_ready) == offset + length &&
	       is_ready;
}

static void cache_describe(struct image *img, struct text *t)
{
	const struct shelf *sh = ((struct cache *)img)->mk.shelf;

	text_add(t, "    %s %s, %" PRIu64 " of %" PRIu64 " units there",
		 sh->store->keeps ? "store" : "temporary files in", sh->store->name, bits_count(sh->there),
		 sh->of.n_units);
	if (sh->n_proved)
		text_add(t, ", %" PRIu64 " known to be zero", sh->n_proved);
	text_add(t, "\n");
}

static void cache_close(struct image *img)
{
	struct cache *c = (struct cache *)img;

	making_abandon(&c->mk);
	store_shelf_close(c->mk.shelf);
	free(c);
}

static const struct image_ops cache_ops = {
	.name = "cache",
	.pread = cache_pread,
	.extent = cache_extent,
	.backing = cache_backing,
	.hint = cache_hint,
	.is_here = cache_is_here,
	.describe = cache_describe,
	.close = cache_close,
};

int cache_image_new(struct context *context, const char *identity, struct image *below, struct image **ret,
		    struct why *why)
{
	_cleanup_free_ struct cache *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	if (image_units(below) == 0)
		return fail(why, -EINVAL, "a %s image is not made in units", below->ops->name);
	if (context->memory)
		pool_set_memory(context->pool, context->memory);
	c->mk = (struct maker){ .pool = context->pool, .below = below };
	r = store_shelf_open(context->store, identity, below, &c->mk.shelf, why);
	if (r < 0)
		return r;
	image_init(&c->image, &cache_ops, below->size, image_ref(below));
	*ret = &c->image;
	(void)take(c);
	return 0;
}

/* What is not made in units stands as it is in what is below, and needs no keeping. */
static int cache_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	if (image_units(below) == 0) {
		*ret = image_ref(below);
		return 0;
	}
	return cache_image_new(opening->context, opening_identity(opening), below, ret, why);
}

/* ---- the step ---- */

static void cache_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (!tags_has(state, "made"))
		return;
	offer_begin(&x, o, state);
	offer_drop(&x, "made");
	offer_end(&x, cost_of(state, COST_CACHE_OPEN, COST_CACHE_PER_MIB));
}

const struct backend cache_backend = {
	.name = "cache",
	.offer = cache_offer,
	.open = cache_open,
};
