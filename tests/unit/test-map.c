/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maps against a model: an array painted byte by byte.
 */
#include "tests/unit/test.h"

#include <inttypes.h>

#include "backends/map.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define BASE 4096

static uint8_t base_bytes[BASE];

static int setup(void **state)
{
	for (size_t i = 0; i < BASE; i++)
		base_bytes[i] = (uint8_t)(1 + i % 251);
	return 0;
}

static void assert_shows(struct image *img, const uint8_t *model, size_t count)
{
	uint8_t *buf = malloc(count);

	assert_int_equal(img->size, count);
	for (size_t step = 1; step < count; step = step * 3 + 1) {
		for (size_t at = 0; at < count; at += step)
			assert_int_equal(image_pread(img, buf + at, min_u64(step, count - at), at, NULL), 0);
		assert_memory_equal(buf, model, count);
	}
	free(buf);
}

static void test_shows_below_then_zeros(void **state)
{
	struct image *below = memimage_new(base_bytes, BASE, BASE), *img;
	uint8_t model[BASE + 100] = { 0 };

	memcpy(model, base_bytes, BASE);
	assert_int_equal(map_seal(map_draft_new(BASE + 100, below), "t", NULL, &img, NULL), 0);
	assert_shows(img, model, sizeof(model));
	assert_int_equal(image_extent(img, 0).length, BASE);
	assert_int_equal(image_extent(img, BASE).kind, EXTENT_ZERO);
	image_unref(img);
	image_unref(below);
}

static void test_later_paint_wins(void **state)
{
	struct image *below = memimage_new(base_bytes, BASE, BASE), *img;
	struct map_draft *d = map_draft_new(BASE, below);
	uint8_t model[BASE];

	memcpy(model, base_bytes, BASE);
	map_draft_bytes(d, 100, "abcdefghij", 10);
	map_draft_zero(d, 95, 10);
	map_draft_bytes(d, 98, "xy", 2);
	map_draft_bytes(d, 0, "q", 1);
	memcpy(model + 100, "abcdefghij", 10);
	memset(model + 95, 0, 10);
	memcpy(model + 98, "xy", 2);
	model[0] = 'q';
	assert_int_equal(map_seal(d, "t", NULL, &img, NULL), 0);
	assert_shows(img, model, BASE);
	image_unref(img);
	image_unref(below);
}

static void test_alias_shows_the_final_paint(void **state)
{
	struct image *below = memimage_new(base_bytes, BASE, BASE), *img;
	struct map_draft *d = map_draft_new(BASE, below);
	uint8_t model[BASE];

	map_draft_alias(d, 2000, 50, 1000);
	map_draft_alias(d, 3000, 30, 2010);   /* an alias of an alias */
	map_draft_bytes(d, 1020, "later", 5); /* painted after the aliases were */
	memcpy(model, base_bytes, BASE);
	memcpy(model + 1020, "later", 5);
	memcpy(model + 2000, model + 1000, 50);
	memcpy(model + 3000, model + 2010, 30);
	assert_int_equal(map_seal(d, "t", NULL, &img, NULL), 0);
	assert_shows(img, model, BASE);
	image_unref(img);
	image_unref(below);
}

/* Each shows what the one before it shows, so that no range of two of them is free of aliases. */
static void test_neighbouring_aliases_may_lead_through_each_other(void **state)
{
	struct image *below = memimage_new(base_bytes, BASE, BASE), *img;
	struct map_draft *d = map_draft_new(BASE, below);
	uint8_t model[BASE];

	memcpy(model, base_bytes, BASE);
	for (unsigned at = 100; at < 1000; at += 50) {
		map_draft_alias(d, at, 50, at - 50);
		memcpy(model + at, model + at - 50, 50);
	}
	assert_int_equal(map_seal(d, "t", NULL, &img, NULL), 0);
	assert_shows(img, model, BASE);
	image_unref(img);
	image_unref(below);
}

static void test_refuses_a_map_of_another_ground(void **state)
{
	struct image *below = memimage_new(base_bytes, BASE, BASE),
		     *other = memimage_new(base_bytes, BASE, BASE);
	struct image *map, *img;
	struct map_draft *d = map_draft_new(BASE, below);

	assert_int_equal(map_window(other, 0, BASE, &map, NULL), 0);
	map_draft_map(d, 0, 10, map, 0);
	assert_int_equal(map_seal(d, "t", NULL, &img, NULL), -EINVAL);
	image_unref(map);
	image_unref(other);
	image_unref(below);
}

static void test_refuses_an_alias_of_itself(void **state)
{
	struct map_draft *d = map_draft_new(BASE, NULL);
	struct image *img;

	map_draft_alias(d, 0, 10, 100);
	map_draft_alias(d, 100, 10, 0);
	assert_int_equal(map_seal(d, "t", NULL, &img, NULL), -EINVAL);
}

static void test_refuses_a_range_outside(void **state)
{
	struct map_draft *d = map_draft_new(BASE, NULL);
	struct image *img;

	map_draft_zero(d, BASE - 1, 2);
	assert_int_equal(map_draft_error(d), -EINVAL);
	assert_int_equal(map_seal(d, "t", NULL, &img, NULL), -EINVAL);
}

/* What growing a partition does: cut out, enlarge, patch, put back. */
static void test_a_cut_out_window_is_put_back(void **state)
{
	struct image *below = memimage_new(base_bytes, BASE, BASE), *window, *grown, *img;
	struct map_draft *d;
	struct map_figures figures;
	uint8_t model[BASE + 1000] = { 0 };

	memcpy(model, base_bytes, BASE);
	assert_int_equal(map_window(below, 1000, 2000, &window, NULL), 0);
	d = map_draft_new(3500, window);
	map_draft_bytes(d, 1990, "0123456789abcdef", 16);
	assert_int_equal(map_seal(d, "grown", NULL, &grown, NULL), 0);
	d = map_draft_new(BASE + 1000, below);
	map_draft_map(d, 1000, 3500, grown, 0);
	assert_int_equal(map_seal(d, "disk", NULL, &img, NULL), 0);
	memset(model + 1000, 0, 3500);
	memcpy(model + 1000, base_bytes + 1000, 2000);
	memcpy(model + 2990, "0123456789abcdef", 16);
	assert_shows(img, model, sizeof(model));
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 3);
	assert_int_equal(figures.patched, 16);
	image_unref(img);
	image_unref(grown);
	image_unref(window);
	image_unref(below);
}

static void test_hints_and_backing_reach_the_ground(void **state)
{
	struct image *below = memimage_new(base_bytes, BASE, BASE), *img;
	struct backing backing;

	assert_int_equal(map_window(below, 1000, 2000, &img, NULL), 0);
	image_hint(img, 0, 2000);
	assert_int_equal(image_backing(img, 0, &backing), -ENODATA);
	image_unref(img);
	image_unref(below);
}

/* A ground that writes down what it is told will be wanted. */
struct listener {
	struct image image;
	struct {
		uint64_t offset, length;
	} told[4];
	unsigned n;
};

static int listener_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	memset(buf, 1, count);
	return 0;
}

static void listener_hint(struct image *img, uint64_t offset, uint64_t length)
{
	struct listener *l = (struct listener *)img;

	assert_true(l->n < 4);
	l->told[l->n].offset = offset;
	l->told[l->n++].length = length;
}

static const struct image_ops listener_ops = {
	.name = "listener",
	.pread = listener_pread,
	.hint = listener_hint,
};

/* What the ground has in place of zeros may cost a unit that nobody wants; patches are in the midst of wanted ones. */
static void test_hints_pass_over_zeros_but_not_over_patches(void **state)
{
	struct listener *l = calloc(1, sizeof(*l));
	struct map_draft *d;
	struct image *img;

	assert_non_null(l);
	image_init(&l->image, &listener_ops, 100 * KiB, NULL);
	d = map_draft_new(100 * KiB, &l->image);
	map_draft_bytes(d, 10 * KiB, "patch", 5);
	map_draft_zero(d, 20 * KiB, 4 * KiB);
	map_draft_zero(d, 50 * KiB, 10 * KiB);
	assert_int_equal(map_seal(d, "test", NULL, &img, NULL), 0);
	image_hint(img, 1 * KiB, 52 * KiB);
	assert_int_equal(l->n, 2);
	assert_int_equal(l->told[0].offset, 1 * KiB);
	assert_int_equal(l->told[0].length, 19 * KiB);
	assert_int_equal(l->told[1].offset, 24 * KiB);
	assert_int_equal(l->told[1].length, 26 * KiB);
	image_unref(img);
	image_unref(&l->image);
}

/*
 * Random worlds: maps over maps over a ground, painted at random, each against a
 * naive model that knows of every byte what it is and where it comes from.
 */
struct byte {
	uint8_t value;
	uint8_t kind;	/* of the extent */
	int64_t ground; /* offset in the ground, or what it is instead */
	int64_t alias;	/* offset in the model that it shows; -1 when none. Drafts only. */
};

#define NO_GROUND  (-1)
#define ANY_GROUND (-2) /* zero, of whatever origin */

/* An image and its model. What lies before `bias` is zero and not modelled: it only makes the offsets large. */
struct layer {
	struct image *img;
	uint64_t bias;
	size_t n;
	struct byte *byte;
	bool is_map, grounded;
};

struct ground {
	struct image image;
	const struct layer *layer;
	uint8_t *hinted; /* a mark for each byte */
};

#define LAYERS 7

struct world {
	uint64_t seed, random;
	struct layer layer[LAYERS];
	size_t n;
	int computed; /* alive */
	uint8_t *hinted;
};

static void holds(const struct world *w, bool condition, int line)
{
	if (!condition)
		fail_msg("world %" PRIu64 " is wrong, line %d", w->seed, line);
}

#define HOLDS(w, condition) holds(w, condition, __LINE__)

static uint64_t pick(struct world *w, uint64_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % n;
}

static int ground_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct layer *l = ((struct ground *)img)->layer;
	uint8_t *to = buf;

	for (; count; count--, offset++)
		*to++ = offset < l->bias ? 0 : l->byte[offset - l->bias].value;
	return 0;
}

static void ground_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	const struct layer *l = ((struct ground *)img)->layer;

	/* Kinds change at multiples of three: see world_ground. */
	if (offset < l->bias)
		*ret = (struct extent){ l->bias - offset, EXTENT_ZERO };
	else
		*ret = (struct extent){ 3 - (offset - l->bias) % 3, l->byte[offset - l->bias].kind };
}

static int ground_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	*ret = (struct backing){ 42, offset, 100 - offset % 100 };
	return 0;
}

static void ground_hint(struct image *img, uint64_t offset, uint64_t length)
{
	const struct ground *g = (const struct ground *)img;

	for (uint64_t i = max_u64(offset, g->layer->bias); i < offset + length; i++)
		g->hinted[i - g->layer->bias] = 1;
}

/* Some of the ground's bytes are elsewhere. */
static bool is_elsewhere(uint64_t offset)
{
	return offset % 61 == 7;
}

static bool ground_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	for (uint64_t i = offset; i < offset + length; i++)
		if (is_elsewhere(i))
			return false;
	return true;
}

static const struct image_ops ground_ops = {
	.name = "ground",
	.pread = ground_pread,
	.extent = ground_extent,
	.backing = ground_backing,
	.hint = ground_hint,
	.is_here = ground_is_here,
};

static void world_ground(struct world *w)
{
	struct ground *g = calloc(1, sizeof(*g));
	struct layer *l = &w->layer[w->n++];

	*l = (struct layer){ .img = &g->image,
			     .bias = pick(w, 2) ? UINT64_C(1) << 62 : 0,
			     .n = 1 + pick(w, 3000) };
	l->grounded = true;
	l->byte = calloc(l->n, sizeof(*l->byte));
	w->hinted = calloc(l->n, 1);
	g->layer = l;
	g->hinted = w->hinted;
	for (size_t i = 0; i < l->n; i++) {
		struct byte *b = &l->byte[i];

		b->kind = i % 3 ? b[-1].kind : pick(w, 8) ? EXTENT_DATA : 1 + pick(w, 2);
		b->value = b->kind == EXTENT_DATA ? pick(w, 256) : 0;
		b->ground = l->bias + i;
		b->alias = -1;
	}
	image_init(&g->image, &ground_ops, l->bias + l->n, NULL);
}

static struct byte byte_at(const struct layer *l, uint64_t offset)
{
	if (!l || offset < l->bias || offset - l->bias >= l->n)
		return (struct byte){ 0, EXTENT_ZERO, ANY_GROUND, -1 };
	return l->byte[offset - l->bias];
}

/* A computed thing whose bytes are told by its offset; every eighth page of ten bytes is zero, and says so if
 * it can. */
struct worded {
	struct computed computed;
	struct world *w;
};

static uint8_t worded_byte(uint64_t offset)
{
	return offset / 10 % 8 ? 1 + offset % 255 : 0;
}

static int worded_read(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	for (size_t i = 0; i < count; i++)
		((uint8_t *)buf)[i] = worded_byte(offset + i);
	return 0;
}

static void worded_extent(const struct computed *c, uint64_t offset, struct extent *ret)
{
	*ret = (struct extent){ 10 - offset % 10, offset / 10 % 8 ? EXTENT_DATA : EXTENT_ZERO };
}

static void worded_free(struct computed *c)
{
	struct worded *d = (struct worded *)c;

	d->w->computed--;
	free(d);
}

/* A draft being painted, with its model. */
struct painting {
	struct world *w;
	struct map_draft *draft;
	const struct layer *below;
	struct layer *l;
};

/* A range of the layer's model, mostly short. */
static void pick_range(struct world *w, const struct layer *l, size_t *ret_at, size_t *ret_length)
{
	*ret_at = pick(w, l->n);
	*ret_length = min_u64(pick(w, pick(w, 4) ? 40 : 1000), l->n - *ret_at);
}

static void paint_zero(struct painting *p)
{
	size_t at, n;

	pick_range(p->w, p->l, &at, &n);
	map_draft_zero(p->draft, p->l->bias + at, n);
	for (size_t i = 0; i < n; i++)
		p->l->byte[at + i] = (struct byte){ 0, EXTENT_ZERO, NO_GROUND, -1 };
}

static void paint_bytes(struct painting *p)
{
	size_t at, n;
	uint8_t bytes[1000] = { 0 };
	bool zero = pick(p->w, 4) == 0;

	pick_range(p->w, p->l, &at, &n);
	for (size_t i = 0; i < n; i++) {
		bytes[i] = zero ? 0 : 1 + pick(p->w, 255);
		/* Many zeros are a hole even so. */
		p->l->byte[at + i] =
			(struct byte){ bytes[i], zero && n >= 512 ? EXTENT_ZERO : EXTENT_DATA, NO_GROUND, -1 };
	}
	map_draft_bytes(p->draft, p->l->bias + at, bytes, n);
}

/* [from, from + ...) of another layer at a random place of this one. */
static void paint_layer(struct painting *p, const struct layer *other, bool as_map)
{
	size_t at, n, from;

	pick_range(p->w, p->l, &at, &n);
	from = pick(p->w, other->n);
	n = min_u64(n, other->n - from);
	if (as_map)
		map_draft_map(p->draft, p->l->bias + at, n, other->img, other->bias + from);
	else
		map_draft_below(p->draft, p->l->bias + at, n, other->bias + from);
	for (size_t i = 0; i < n; i++)
		p->l->byte[at + i] = other->byte[from + i];
}

static void paint_below(struct painting *p)
{
	if (p->below)
		paint_layer(p, p->below, false);
}

static void paint_map(struct painting *p)
{
	const struct layer *other = &p->w->layer[pick(p->w, p->w->n)];

	if (other->is_map && (!other->grounded || (p->below && p->below->grounded)))
		paint_layer(p, other, true);
}

/* Mostly one that can't lead to itself, as it shows what lies before it. */
static void paint_alias(struct painting *p)
{
	size_t at, n, from;

	pick_range(p->w, p->l, &at, &n);
	from = pick(p->w, 8) ? pick(p->w, at + 1) : pick(p->w, p->l->n);
	n = min_u64(n, p->l->n - max_u64(at, from));
	map_draft_alias(p->draft, p->l->bias + at, n, p->l->bias + from);
	for (size_t i = 0; i < n; i++)
		p->l->byte[at + i].alias = from + i;
}

static void paint_computed(struct painting *p)
{
	size_t at, n;
	uint64_t from = pick(p->w, 2) ? pick(p->w, 1000) : UINT64_MAX / 2 + pick(p->w, 1000);
	struct worded *c = calloc(1, sizeof(*c));

	*c = (struct worded){ .computed = { .read = worded_read, .free = worded_free }, .w = p->w };
	if (pick(p->w, 2))
		c->computed.extent = worded_extent;
	computed_init(&c->computed);
	p->w->computed++;
	for (unsigned pieces = 1 + pick(p->w, 3); pieces; pieces--) {
		pick_range(p->w, p->l, &at, &n);
		map_draft_computed(p->draft, p->l->bias + at, n, &c->computed, from);
		for (size_t i = 0; i < n; i++) {
			uint8_t value = worded_byte(from + i);

			p->l->byte[at + i] =
				(struct byte){ value, c->computed.extent && !value ? EXTENT_ZERO : EXTENT_DATA,
					       NO_GROUND, -1 };
		}
	}
	computed_unref(&c->computed);
}

static void (*const paints[])(struct painting *p) = {
	paint_zero, paint_bytes, paint_below, paint_map, paint_alias, paint_computed,
};

/* What the byte shows once all paint is dry; false when that is itself. */
static bool dry(struct layer *l, size_t at)
{
	size_t to = at;

	for (size_t steps = 0; l->byte[to].alias >= 0; steps++) {
		if (steps > l->n)
			return false;
		to = l->byte[to].alias;
	}
	if (to != at) {
		int64_t alias = l->byte[at].alias;

		l->byte[at] = l->byte[to];
		l->byte[at].alias = alias; /* others may lead through it */
	}
	return true;
}

static bool dry_all(struct layer *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!dry(l, i))
			return false;
	for (size_t i = 0; i < l->n; i++)
		l->byte[i].alias = -1;
	return true;
}

/* One more layer, over any of those there are. */
static void world_paint(struct world *w)
{
	struct layer *l = &w->layer[w->n];
	const struct layer *below = pick(w, 16) ? &w->layer[pick(w, w->n)] : NULL;
	struct painting p = { w, NULL, below, l };
	int expected;

	*l = (struct layer){ .bias = pick(w, 2) ? UINT64_C(1) << 62 : 0,
			     .n = 1 + pick(w, 3000),
			     .is_map = true };
	l->grounded = below && below->grounded;
	l->byte = calloc(l->n, sizeof(*l->byte));
	p.draft = map_draft_new(l->bias + l->n, below ? below->img : NULL);
	map_draft_zero(p.draft, 0, l->bias);
	for (size_t i = 0; i < l->n; i++)
		l->byte[i] = byte_at(below, l->bias + i);
	for (unsigned i = pick(w, 30); i; i--)
		paints[pick(w, sizeof(paints) / sizeof(paints[0]))](&p);
	expected = dry_all(l) ? 0 : -EINVAL;
	HOLDS(w, map_draft_error(p.draft) == 0);
	HOLDS(w, map_seal(p.draft, "world", NULL, &l->img, NULL) == expected);
	if (expected == 0)
		w->n++;
	else
		free(l->byte);
}

static void world_window(struct world *w)
{
	const struct layer *below = &w->layer[pick(w, w->n)];
	struct layer *l = &w->layer[w->n++];
	uint64_t at = pick(w, below->n);

	*l = (struct layer){ .n = 1 + pick(w, below->n - at), .is_map = true, .grounded = below->grounded };
	l->byte = calloc(l->n, sizeof(*l->byte));
	memcpy(l->byte, below->byte + at, l->n * sizeof(*l->byte));
	HOLDS(w, map_window(below->img, below->bias + at, l->n, &l->img, NULL) == 0);
}

static void check_bytes(struct world *w, const struct layer *l)
{
	uint8_t buf[3000];
	size_t n;

	for (size_t at = 0; at < l->n; at += n) {
		n = min_u64(1 + pick(w, pick(w, 2) ? 30 : 3000), l->n - at);
		HOLDS(w, image_pread(l->img, buf, n, l->bias + at, NULL) == 0);
		for (size_t i = 0; i < n; i++)
			HOLDS(w, buf[i] == l->byte[at + i].value);
	}
}

static void check_extents(struct world *w, const struct layer *l)
{
	for (size_t at = 0; at < l->n;) {
		struct extent e = image_extent(l->img, l->bias + at);

		HOLDS(w, e.length > 0 && e.length <= l->n - at);
		for (; e.length; e.length--, at++)
			HOLDS(w, e.kind == l->byte[at].kind);
	}
}

static void check_backing(struct world *w, const struct layer *l)
{
	for (size_t at = pick(w, 10); at < l->n; at += 1 + pick(w, 50)) {
		struct backing b;
		int r = image_backing(l->img, l->bias + at, &b);

		if (l->byte[at].ground == ANY_GROUND)
			continue;
		HOLDS(w, (r == 0) == (l->byte[at].ground != NO_GROUND));
		if (r < 0)
			continue;
		HOLDS(w, b.fd == 42 && b.length > 0 && b.length <= l->n - at);
		for (size_t i = 0; i < b.length; i++)
			HOLDS(w, l->byte[at + i].ground == (int64_t)(b.offset + i));
	}
}

static void check_hint(struct world *w, const struct layer *l)
{
	const struct layer *ground = &w->layer[0];
	size_t at, n;

	pick_range(w, l, &at, &n);
	memset(w->hinted, 0, ground->n);
	image_hint(l->img, l->bias + at, n);
	for (size_t i = at; i < at + n; i++)
		if (l->byte[i].ground >= 0)
			HOLDS(w, w->hinted[l->byte[i].ground - ground->bias]);
}

static void check_is_here(struct world *w, const struct layer *l)
{
	bool is_here = true;
	size_t at, n;

	pick_range(w, l, &at, &n);
	for (size_t i = at; i < at + n; i++) {
		if (l->byte[i].ground == ANY_GROUND)
			return;
		is_here &= l->byte[i].ground < 0 || !is_elsewhere(l->byte[i].ground);
	}
	HOLDS(w, image_is_here(l->img, l->bias + at, n) == is_here);
}

static void check_layer(struct world *w, const struct layer *l)
{
	HOLDS(w, l->img->size == l->bias + l->n);
	check_bytes(w, l);
	check_extents(w, l);
	check_backing(w, l);
	check_hint(w, l);
	check_is_here(w, l);
}

/* Images go in any order, as the names of a mount do; those that are left stay what they were. */
static void world_end(struct world *w)
{
	size_t order[LAYERS] = { 0 };

	for (size_t i = 0; i < w->n; i++) {
		size_t j = pick(w, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (size_t i = 0; i < w->n; i++) {
		image_unref(w->layer[order[i]].img);
		w->layer[order[i]].img = NULL;
		for (size_t j = 0; j < w->n; j++)
			if (w->layer[j].img)
				check_layer(w, &w->layer[j]);
	}
	HOLDS(w, w->computed == 0);
	for (size_t i = 0; i < w->n; i++)
		free(w->layer[i].byte);
	free(w->hinted);
}

/* ---- what all of them take ---- */

#define MANY	  (64 * MiB)
#define MANY_TAKE (MANY / SECTOR * 32) /* a piece takes 32 bytes */

/* One that shows each second sector of what is below. */
static int seal_many(struct image *below, struct image **ret, struct why *why)
{
	struct map_draft *d = map_draft_new(MANY, below);

	assert_non_null(d);
	for (uint64_t at = 0; at < MANY; at += 2 * SECTOR)
		map_draft_zero(d, at, SECTOR);
	return map_seal(d, "many", NULL, ret, why);
}

static bool close_unused(void *arg)
{
	struct image **unused = arg;
	const bool any = *unused;

	image_unref(take(*unused));
	return any;
}

static void test_all_maps_together_are_bounded(void **state)
{
	struct image *below = memimage_new(base_bytes, BASE, MANY), *one, *other, *small, *unused = NULL;
	struct map_figures f;
	struct why why = { "" };

	map_bound(MANY_TAKE * 3 / 2, close_unused, &unused);
	assert_int_equal(seal_many(below, &one, NULL), 0);
	assert_true(map_figures(one, &f));
	assert_in_range(f.memory, MANY_TAKE, MANY_TAKE + 4096);
	assert_int_equal(seal_many(below, &other, &why), -ENOMEM);
	if (!strstr(why.text, "with those of all images in use, the limit is 6"))
		fail_msg("%s", why.text);
	/* Small ones are not what fills the memory. */
	assert_int_equal(map_seal(map_draft_new(BASE, below), "small", NULL, &small, NULL), 0);
	image_unref(small);
	/* It fits as soon as one is closed, by whomever. */
	unused = one;
	assert_int_equal(seal_many(below, &other, NULL), 0);
	assert_null(unused);
	image_unref(other);
	assert_int_equal(seal_many(below, &one, NULL), 0);
	map_bound(0, NULL, NULL);
	assert_int_equal(seal_many(below, &other, NULL), 0);
	image_unref(one);
	image_unref(other);
	image_unref(below);
}

static void test_random_worlds(void **state)
{
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct world w = { .seed = seed, .random = seed * 0x9e3779b97f4a7c15 };

		world_ground(&w);
		for (unsigned i = 0; i < 10 && w.n < LAYERS; i++) {
			if (pick(&w, 4))
				world_paint(&w);
			else
				world_window(&w);
		}
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shows_below_then_zeros),
		cmocka_unit_test(test_later_paint_wins),
		cmocka_unit_test(test_alias_shows_the_final_paint),
		cmocka_unit_test(test_neighbouring_aliases_may_lead_through_each_other),
		cmocka_unit_test(test_refuses_a_map_of_another_ground),
		cmocka_unit_test(test_refuses_an_alias_of_itself),
		cmocka_unit_test(test_refuses_a_range_outside),
		cmocka_unit_test(test_a_cut_out_window_is_put_back),
		cmocka_unit_test(test_hints_and_backing_reach_the_ground),
		cmocka_unit_test(test_hints_pass_over_zeros_but_not_over_patches),
		cmocka_unit_test(test_all_maps_together_are_bounded),
		cmocka_unit_test(test_random_worlds),
	};

	return cmocka_run_group_tests_name("map", tests, setup, NULL);
}
