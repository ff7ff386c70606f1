/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A logical volume as an image. */
#include <errno.h>

#include "backends/content/lvm/lvm.h"
#include "base/bytes.h"
#include "base/size.h"

/* A striped segment: chunk i stands in stripe i % n. Too many pieces to paint, so they are computed. */
struct stripes {
	struct computed computed;
	struct image *pv; /* owns a ref */
	uint64_t stripe;  /* bytes */
	unsigned n;
	uint64_t at[]; /* n of them: bytes of the physical volume */
};

/* Where a byte of the segment stands, and how many follow it there. */
static uint64_t stripe_place(const struct stripes *s, uint64_t offset, uint64_t *ret_length)
{
	uint64_t chunk = offset / s->stripe, in_chunk = offset % s->stripe;

	*ret_length = s->stripe - in_chunk;
	return s->at[chunk % s->n] + chunk / s->n * s->stripe + in_chunk;
}

static int stripes_read(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct stripes *s = (const struct stripes *)c;

	while (count > 0) {
		uint64_t n, at = stripe_place(s, offset, &n);
		int r;

		n = min_u64(n, count);
		r = image_pread(s->pv, buf, n, at, why);
		if (r < 0)
			return r;
		buf = (uint8_t *)buf + n;
		offset += n;
		count -= n;
	}
	return 0;
}

static void stripes_extent(const struct computed *c, uint64_t offset, struct extent *ret)
{
	const struct stripes *s = (const struct stripes *)c;
	uint64_t n, at = stripe_place(s, offset, &n);

	*ret = image_extent(s->pv, at);
	ret->length = min_u64(ret->length, n);
	if (ret->kind != EXTENT_ZERO)
		ret->kind = EXTENT_DATA;
}

static void stripes_free(struct computed *c)
{
	image_unref(((struct stripes *)c)->pv);
	free(c);
}

static struct stripes *stripes_new(struct image *pv, const struct lvm *l, const struct lvm_segment *segment)
{
	struct stripes *s = calloc(1, sizeof(*s) + segment->n_stripes * sizeof(s->at[0]));

	if (!s)
		return NULL;
	s->computed.read = stripes_read;
	s->computed.extent = stripes_extent;
	s->computed.free = stripes_free;
	computed_init(&s->computed);
	s->pv = image_ref(pv);
	s->stripe = segment->stripe;
	s->n = segment->n_stripes;
	for (unsigned i = 0; i < s->n; i++)
		s->at[i] = l->start + segment->extent[i] * l->extent;
	return s;
}

static int paint_segment(struct image *pv, const struct lvm *l, const struct lvm_segment *s,
			 struct map_draft *draft)
{
	struct stripes *stripes;

	if (s->n_stripes == 1) {
		map_draft_below(draft, s->first * l->extent, s->count * l->extent,
				l->start + s->extent[0] * l->extent);
		return 0;
	}
	stripes = stripes_new(pv, l, s);
	if (!stripes)
		return -ENOMEM;
	map_draft_computed(draft, s->first * l->extent, s->count * l->extent, &stripes->computed, 0);
	computed_unref(&stripes->computed);
	return 0;
}

int lvm_open_longer(struct image *pv, const struct lvm *l, const struct lvm_volume *v, uint64_t extents,
		    struct image **ret, struct why *why)
{
	const uint64_t length = v->size + extents * l->extent;
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	_cleanup_(text_done) struct text line = TEXT_EMPTY;
	char size[SIZE_TEXT_MAX];
	int r = 0;

	if (v->why_not[0])
		return fail(why, -EOPNOTSUPP, "logical volume '%s' of '%s' can't be read: %s", v->name,
			    l->group, v->why_not);
	draft = map_draft_new(length, pv);
	if (!draft)
		return -ENOMEM;
	map_draft_zero(draft, 0, length);
	for (unsigned i = 0; r == 0 && i < v->n_segments; i++)
		r = paint_segment(pv, l, &v->segment[i], draft);
	if (r < 0)
		return r;
	text_add(&line, "    lvm2: logical volume ");
	lvm_name(l, v, &line);
	text_add(&line, ", %s, segments: %u\n", size_human(size, length), v->n_segments);
	return map_seal(take(draft), "lv", line.chars, ret, why);
}

int lvm_open(struct image *pv, const struct lvm *l, const struct lvm_volume *v, struct image **ret,
	     struct why *why)
{
	return lvm_open_longer(pv, l, v, /* extents= */ 0, ret, why);
}

bool lvm_is_linear(const struct lvm_volume *v)
{
	for (unsigned i = 0; i < v->n_segments; i++)
		if (v->segment[i].n_stripes != 1)
			return false;
	return !v->why_not[0];
}

void lvm_put_back(const struct lvm *l, const struct lvm_volume *v, struct image *map, struct map_draft *draft)
{
	for (unsigned i = 0; i < v->n_segments; i++) {
		const struct lvm_segment *s = &v->segment[i];

		map_draft_map(draft, l->start + s->extent[0] * l->extent, s->count * l->extent, map,
			      s->first * l->extent);
	}
}
