/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Painting costs an append. Sealing does the work, in three passes:
 *
 *	overlay  a sweep over all paints by offset finds the topmost at each
 *	         byte: pieces, in order, that cover the draft
 *	ground   pieces that show another map (the one below, or a placed one) are
 *	         replaced by that map's own segments, which point to the ground
 *	alias    pieces that show this map itself are replaced by what the range
 *	         shows by then; again, until none is left
 *
 * A sealed segment points at memory that some map owns: its own arena, or that
 * of a map it holds a ref to (the image below, placed maps).
 */
#include "backends/map.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/size.h"

enum kind {
	ZERO,
	BYTES,	  /* ptr: the bytes */
	COMPUTED, /* ptr: the struct computed, at: its offset */
	GROUND,	  /* at: offset in the ground */
	/* In drafts only: */
	BELOW, /* at: offset in the image below */
	ALIAS, /* at: offset in this draft */
	MAP,   /* ptr: the struct map, at: its offset */
};

struct segment {
	uint64_t start;
	uint64_t at;
	const void *ptr;
	enum kind kind;
};

/* A growing array of segments. A final one that starts at the size ends it, so that lengths are differences. */
struct segments {
	struct segment *s;
	size_t n, room;
};

struct paint {
	uint64_t offset, length;
	uint64_t at;
	const void *ptr;
	enum kind kind;
};

struct chunk {
	struct chunk *next;
	size_t used, room;
	uint8_t bytes[];
};

struct arena {
	struct chunk *chunks;
	uint64_t held;	 /* bytes handed out */
	uint64_t memory; /* bytes allocated */
};

/* What a map owns besides its segments; collected by the draft. */
struct holdings {
	struct arena arena;
	struct image **map; /* placed maps, owned refs */
	size_t n_maps;
	struct computed **computed; /* owned refs */
	size_t n_computed;
};

struct map {
	struct image image;
	struct image *ground; /* borrowed: reached through image.below; NULL when there is none */
	struct segments segments;
	struct holdings holdings;
	uint64_t memory;      /* as it is counted in `bound` */
	char *describe;	      /* may be NULL */
	struct image_ops ops; /* own copy: the name is the map's */
};

struct map_draft {
	uint64_t size;
	struct image *below; /* owns a ref; may be NULL */
	struct paint *paint;
	size_t n, room;
	struct holdings holdings;
	int error;
};

static const struct image_ops map_ops;

static bool is_map(const struct image *img)
{
	return img && img->ops->pread == map_ops.pread;
}

static struct image *ground_of(struct image *img)
{
	return is_map(img) ? ((struct map *)img)->ground : img;
}

/* What all maps take. The rest is written before there are threads. */
static struct {
	atomic_uint_fast64_t taken; /* bytes */
	uint64_t most;
	bool (*scarce)(void *arg);
	void *arg;
} bound;

void map_bound(uint64_t bytes, bool (*scarce)(void *arg), void *arg)
{
	bound.most = bytes;
	bound.scarce = scarce;
	bound.arg = arg;
}

static bool is_exceeded(void)
{
	return bound.most && atomic_load(&bound.taken) > bound.most;
}

/* Counted first, so that no two get the same room. */
static int take_memory(uint64_t memory, const char *name, struct why *why)
{
	char need[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX], most[SIZE_TEXT_MAX];
	uint64_t taken = atomic_fetch_add(&bound.taken, memory) + memory;

	if (memory <= MAP_SMALL || !is_exceeded() ||
	    (bound.scarce && bound.scarce(bound.arg) && !is_exceeded()))
		return 0;
	atomic_fetch_sub(&bound.taken, memory);
	return fail(why, -ENOMEM,
		    "the map of '%s' lies in so many pieces that it takes %s of memory: it would be %s with "
		    "those of all images in use, the limit is %s",
		    name, size_human(need, memory), size_human(all, taken), size_human(most, bound.most));
}

/* Computed things. */

void computed_init(struct computed *c)
{
	atomic_init(&c->refs, 1);
}

struct computed *computed_ref(struct computed *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void computed_unref(struct computed *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (c->free)
		c->free(c);
	else
		free(c);
}

/* Holdings. */

static void *arena_take(struct arena *a, size_t count)
{
	const size_t least = 32 << 10;
	struct chunk *c = a->chunks;

	if (!c || c->room - c->used < count) {
		size_t room = count > least ? count : least;

		c = malloc(sizeof(*c) + room);
		if (!c)
			return NULL;
		*c = (struct chunk){ .next = a->chunks, .room = room };
		a->chunks = c;
		a->memory += sizeof(*c) + room;
	}
	c->used += count;
	a->held += count;
	return c->bytes + c->used - count;
}

/* Appends a pointer to a growing array whose length is a power of two when it is full. */
static int append_ptr(void ***array, size_t *n, void *ptr)
{
	if ((*n & (*n - 1)) == 0) {
		void **grown = realloc(*array, (*n ? 2 * *n : 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*array = grown;
	}
	(*array)[(*n)++] = ptr;
	return 0;
}

static void holdings_done(struct holdings *h)
{
	for (size_t i = 0; i < h->n_maps; i++)
		image_unref(h->map[i]);
	for (size_t i = 0; i < h->n_computed; i++)
		computed_unref(h->computed[i]);
	free(h->map);
	free(h->computed);
	while (h->arena.chunks) {
		struct chunk *c = h->arena.chunks;

		h->arena.chunks = c->next;
		free(c);
	}
	*h = (struct holdings){ 0 };
}

/* The draft. */

struct map_draft *map_draft_new(uint64_t size, struct image *below)
{
	struct map_draft *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->size = size;
	map_draft_zero(d, 0, size);
	if (below) {
		d->below = image_ref(below);
		map_draft_below(d, 0, min_u64(size, below->size), 0);
	}
	if (d->error) {
		map_draft_free(d);
		return NULL;
	}
	return d;
}

void map_draft_free(struct map_draft *d)
{
	if (!d)
		return;
	holdings_done(&d->holdings);
	image_unref(d->below);
	free(d->paint);
	free(d);
}

uint64_t map_draft_size(const struct map_draft *d)
{
	return d->size;
}

int map_draft_error(const struct map_draft *d)
{
	return d->error;
}

static void paint(struct map_draft *d, const struct paint *p)
{
	if (d->error || p->length == 0)
		return;
	if (!range_ok(p->offset, p->length, d->size)) {
		d->error = -EINVAL;
		return;
	}
	if (d->n == d->room) {
		size_t room = d->room ? 2 * d->room : 16;
		struct paint *grown = realloc(d->paint, room * sizeof(*grown));

		if (!grown) {
			d->error = -ENOMEM;
			return;
		}
		d->paint = grown;
		d->room = room;
	}
	d->paint[d->n++] = *p;
}

/* A range that is read from must exist, too. */
static void paint_from(struct map_draft *d, const struct paint *p, uint64_t size)
{
	if (p->length && !range_ok(p->at, p->length, size))
		d->error = d->error ? d->error : -EINVAL;
	paint(d, p);
}

void map_draft_zero(struct map_draft *d, uint64_t offset, uint64_t length)
{
	paint(d, &(struct paint){ offset, length, .kind = ZERO });
}

void map_draft_bytes(struct map_draft *d, uint64_t offset, const void *bytes, size_t count)
{
	const size_t worth_a_hole = 512;
	void *held;

	if (d->error || count == 0)
		return;
	if (count >= worth_a_hole && bytes_are_zero(bytes, count)) {
		map_draft_zero(d, offset, count);
		return;
	}
	held = arena_take(&d->holdings.arena, count);
	if (!held) {
		d->error = -ENOMEM;
		return;
	}
	memcpy(held, bytes, count);
	paint(d, &(struct paint){ offset, count, .ptr = held, .kind = BYTES });
}

void map_draft_below(struct map_draft *d, uint64_t offset, uint64_t length, uint64_t at)
{
	paint_from(d, &(struct paint){ offset, length, at, .kind = BELOW }, d->below ? d->below->size : 0);
}

void map_draft_alias(struct map_draft *d, uint64_t offset, uint64_t length, uint64_t at)
{
	paint_from(d, &(struct paint){ offset, length, at, .kind = ALIAS }, d->size);
}

void map_draft_computed(struct map_draft *d, uint64_t offset, uint64_t length, struct computed *c, uint64_t at)
{
	struct holdings *h = &d->holdings;

	/* Many segments in a row may show one thing; it is held once. */
	if (!h->n_computed || h->computed[h->n_computed - 1] != c) {
		if (append_ptr((void ***)&h->computed, &h->n_computed, c) < 0) {
			d->error = -ENOMEM;
			return;
		}
		(void)computed_ref(c);
	}
	paint(d, &(struct paint){ offset, length, at, c, COMPUTED });
}

void map_draft_map(struct map_draft *d, uint64_t offset, uint64_t length, struct image *map, uint64_t at)
{
	struct holdings *h = &d->holdings;

	if (!is_map(map) || (ground_of(map) && ground_of(map) != ground_of(d->below))) {
		d->error = d->error ? d->error : -EINVAL;
		return;
	}
	if (append_ptr((void ***)&h->map, &h->n_maps, map) < 0) {
		d->error = -ENOMEM;
		return;
	}
	(void)image_ref(map);
	paint_from(d, &(struct paint){ offset, length, at, map, MAP }, map->size);
}

/* Segments. */

/* Whether `next` goes on where a segment of `length` bytes like `s` ends. */
static bool continues(const struct segment *s, uint64_t length, const struct segment *next)
{
	if (s->kind != next->kind)
		return false;
	switch (s->kind) {
	case ZERO:
		return true;
	case BYTES:
		return (const uint8_t *)s->ptr + length == next->ptr;
	default:
		return s->ptr == next->ptr && s->at + length == next->at;
	}
}

static int segments_add(struct segments *to, const struct segment *s)
{
	if (to->n) {
		const struct segment *last = &to->s[to->n - 1];

		if (continues(last, s->start - last->start, s))
			return 0;
	}
	if (to->n == to->room) {
		size_t room = to->room ? to->room + to->room / 2 : 16;
		struct segment *grown = realloc(to->s, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		to->s = grown;
		to->room = room;
	}
	to->s[to->n++] = *s;
	return 0;
}

static int segments_end(struct segments *to, uint64_t size)
{
	/* Its own `at` can't continue anything: nothing lies before offset 0 of the ground. */
	int r = segments_add(to, &(struct segment){ size, .at = 0, .kind = GROUND });

	if (r == 0)
		to->n--; /* the end is not counted */
	return r;
}

/* Gives back what was kept for growing; the end stays. */
static void segments_trim(struct segments *s)
{
	struct segment *trimmed = realloc(s->s, (s->n + 1) * sizeof(*trimmed));

	if (!trimmed)
		return;
	s->s = trimmed;
	s->room = s->n + 1;
}

static void segments_done(struct segments *s)
{
	free(s->s);
	*s = (struct segments){ 0 };
}

/* The index of the segment that holds `offset`. */
static size_t segments_find(const struct segments *s, uint64_t offset)
{
	size_t low = 0, high = s->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (s->s[middle].start <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static struct segment segment_from(const struct segment *s, uint64_t delta)
{
	struct segment part = *s;

	if (part.kind == BYTES)
		part.ptr = (const uint8_t *)part.ptr + delta;
	else if (part.kind != ZERO)
		part.at += delta;
	return part;
}

/* Adds what [at, at + length) of `from` shows, as segments that start at `start`. */
static int segments_show(struct segments *to, uint64_t start, uint64_t length, const struct segments *from,
			 uint64_t at)
{
	size_t i = segments_find(from, at);
	uint64_t end = at + length;

	for (; at < end; i++) {
		uint64_t next = min_u64(from->s[i + 1].start, end);
		struct segment part = segment_from(&from->s[i], at - from->s[i].start);
		int r;

		part.start = start;
		r = segments_add(to, &part);
		if (r < 0)
			return r;
		start += next - at;
		at = next;
	}
	return 0;
}

/* Sealing, pass 1: overlay. */

struct overlay {
	const struct map_draft *d;
	const struct paint **by_offset;
	/* A heap of the paints under the brush, the latest on top. Paints that ended stay until they surface. */
	const struct paint **heap;
	size_t n_heap;
};

static int compare_offset(const void *a, const void *b)
{
	const struct paint *p = *(const struct paint *const *)a, *q = *(const struct paint *const *)b;

	return p->offset < q->offset ? -1 : p->offset > q->offset;
}

static void heap_push(struct overlay *o, const struct paint *p)
{
	size_t i = o->n_heap++;

	/* Paints lie in one array in painting order, so the later has the higher address. */
	for (; i && o->heap[(i - 1) / 2] < p; i = (i - 1) / 2)
		o->heap[i] = o->heap[(i - 1) / 2];
	o->heap[i] = p;
}

static void heap_pop(struct overlay *o)
{
	const struct paint *last = o->heap[--o->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < o->n_heap) {
		if (child + 1 < o->n_heap && o->heap[child + 1] > o->heap[child])
			child++;
		if (o->heap[child] < last)
			break;
		o->heap[i] = o->heap[child];
		i = child;
	}
	o->heap[i] = last;
}

static int overlay_sweep(struct overlay *o, struct segments *to)
{
	const struct map_draft *d = o->d;
	size_t next = 0;
	int r;

	for (uint64_t at = 0; at < d->size;) {
		const struct paint *top;
		uint64_t end;

		while (next < d->n && o->by_offset[next]->offset <= at)
			heap_push(o, o->by_offset[next++]);
		while (o->heap[0]->offset + o->heap[0]->length <= at)
			heap_pop(o);
		/* The draft's first paint covers it all, so that there is a top everywhere. */
		top = o->heap[0];
		end = top->offset + top->length;
		/* A later paint may begin before this one ends; an earlier one lies below it. */
		for (size_t i = next; i < d->n && o->by_offset[i]->offset < end; i++) {
			if (o->by_offset[i] > top)
				end = o->by_offset[i]->offset;
			else if (i == next)
				heap_push(o, o->by_offset[next++]);
		}
		r = segments_add(to, &(struct segment){ at, top->at + (at - top->offset),
							top->kind == BYTES
								? (const uint8_t *)top->ptr + (at - top->offset)
								: top->ptr,
							top->kind });
		if (r < 0)
			return r;
		at = end;
	}
	return segments_end(to, d->size);
}

static int overlay_paints(const struct map_draft *d, struct segments *to)
{
	_cleanup_free_ const struct paint **by_offset = malloc((d->n + 1) * sizeof(*by_offset));
	_cleanup_free_ const struct paint **heap = malloc((d->n + 1) * sizeof(*heap));

	if (!by_offset || !heap)
		return -ENOMEM;
	for (size_t i = 0; i < d->n; i++)
		by_offset[i] = &d->paint[i];
	qsort(by_offset, d->n, sizeof(*by_offset), compare_offset);
	return overlay_sweep(&(struct overlay){ d, by_offset, heap }, to);
}

/* Pass 2: ground. */

static int show_below(const struct map_draft *d, struct segments *to, const struct segment *s, uint64_t length)
{
	struct segment ground = *s;

	if (is_map(d->below))
		return segments_show(to, s->start, length, &((struct map *)d->below)->segments, s->at);
	ground.kind = GROUND;
	return segments_add(to, &ground);
}

static int reach_ground(const struct map_draft *d, const struct segments *from, struct segments *to)
{
	int r = 0;

	for (size_t i = 0; i < from->n && r == 0; i++) {
		const struct segment *s = &from->s[i];
		uint64_t length = s[1].start - s->start;

		if (s->kind == BELOW)
			r = show_below(d, to, s, length);
		else if (s->kind == MAP)
			r = segments_show(to, s->start, length, &((const struct map *)s->ptr)->segments, s->at);
		else
			r = segments_add(to, s);
	}
	return r < 0 ? r : segments_end(to, d->size);
}

/*
 * Pass 3: alias. One round; returns 1 when aliases are left. Goes piece by
 * piece: an alias may show others in part (neighbours that were painted one by
 * one have become one segment), and wait with that part alone. A round that
 * resolves nothing proves that each alias that is left leads to aliases only, in
 * a circle.
 */
struct round {
	const struct segments *from;
	struct segments *to;
	bool left, resolved;
};

static int resolve_alias(struct round *round, const struct segment *s, uint64_t length)
{
	const struct segment *shown = &round->from->s[segments_find(round->from, s->at)];
	uint64_t n;
	int r = 0;

	for (uint64_t done = 0; done < length && r == 0; done += n, shown++) {
		struct segment part = segment_from(s, done);

		n = min_u64(shown[1].start - part.at, length - done);
		if (shown->kind == ALIAS)
			round->left = true;
		else {
			round->resolved = true;
			part = segment_from(shown, part.at - shown->start);
		}
		part.start = s->start + done;
		r = segments_add(round->to, &part);
	}
	return r;
}

static int resolve_aliases(uint64_t size, const struct segments *from, struct segments *to)
{
	struct round round = { from, to };
	int r = 0;

	for (size_t i = 0; i < from->n && r == 0; i++) {
		const struct segment *s = &from->s[i];

		r = s->kind == ALIAS ? resolve_alias(&round, s, s[1].start - s->start) : segments_add(to, s);
	}
	if (r == 0)
		r = segments_end(to, size);
	if (r < 0)
		return r;
	return !round.left ? 0 : round.resolved ? 1 : -EINVAL;
}

static int make_segments(const struct map_draft *d, struct segments *ret)
{
	_cleanup_(segments_done) struct segments from = { 0 }, to = { 0 };
	int r;

	if (d->error)
		return d->error;
	r = overlay_paints(d, &from);
	if (r == 0)
		r = reach_ground(d, &from, &to);
	if (r < 0)
		return r;
	do {
		segments_done(&from);
		from = to;
		to = (struct segments){ 0 };
		r = resolve_aliases(d->size, &from, &to);
	} while (r == 1);
	if (r < 0)
		return r;
	segments_trim(&to);
	*ret = to;
	to = (struct segments){ 0 };
	return 0;
}

static uint64_t own_memory(const struct segments *s, const struct holdings *h)
{
	return s->room * sizeof(struct segment) + h->arena.memory;
}

/* The sealed map. */

static const struct computed *computed_at(const struct segment *s)
{
	return s->ptr;
}

static int segment_read(struct map *m, const struct segment *s, void *buf, size_t count, uint64_t delta,
			struct why *why)
{
	switch (s->kind) {
	case ZERO:
		memset(buf, 0, count);
		return 0;
	case BYTES:
		memcpy(buf, (const uint8_t *)s->ptr + delta, count);
		return 0;
	case COMPUTED:
		return computed_at(s)->read(computed_at(s), buf, count, s->at + delta, why);
	default:
		return image_pread(m->ground, buf, count, s->at + delta, why);
	}
}

static int map_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct map *m = (struct map *)img;
	const struct segment *s = &m->segments.s[segments_find(&m->segments, offset)];
	uint8_t *to = buf;

	for (; count; s++) {
		size_t n = min_u64(count, s[1].start - offset);
		int r = segment_read(m, s, to, n, offset - s->start, why);

		if (r < 0)
			return r;
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static struct extent segment_extent(struct map *m, const struct segment *s, uint64_t offset)
{
	uint64_t delta = offset - s->start, length = s[1].start - offset;
	struct extent e = { length, EXTENT_DATA };

	if (s->kind == ZERO)
		e.kind = EXTENT_ZERO;
	else if (s->kind == GROUND)
		e = image_extent(m->ground, s->at + delta);
	else if (s->kind == COMPUTED && computed_at(s)->extent)
		computed_at(s)->extent(computed_at(s), s->at + delta, &e);
	e.length = min_u64(e.length, length);
	return e;
}

static void map_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	/* Joins neighbours, so that a run of patches is one extent; a bound keeps each call short. */
	const unsigned most_joined = 256;
	struct map *m = (struct map *)img;
	const struct segment *s = &m->segments.s[segments_find(&m->segments, offset)];

	*ret = segment_extent(m, s, offset);
	for (unsigned i = 0; i < most_joined; i++) {
		uint64_t at = offset + ret->length;
		struct extent e;

		if (at >= img->size)
			return;
		while (s[1].start <= at)
			s++;
		e = segment_extent(m, s, at);
		if (e.kind != ret->kind)
			return;
		ret->length += e.length;
	}
}

static int map_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	struct map *m = (struct map *)img;
	const struct segment *s = &m->segments.s[segments_find(&m->segments, offset)];
	int r;

	if (s->kind != GROUND)
		return -ENODATA;
	r = image_backing(m->ground, s->at + (offset - s->start), ret);
	if (r == 0)
		ret->length = min_u64(ret->length, s[1].start - offset);
	return r;
}

/*
 * Patches between two ranges of the ground don't part them; zeros do, for what the ground
 * has in their place may be a unit that nobody wants.
 */
static void map_hint(struct image *img, uint64_t offset, uint64_t length)
{
	const uint64_t gap = 1 * MiB;
	struct map *m = (struct map *)img;
	const struct segment *s = &m->segments.s[segments_find(&m->segments, offset)];
	uint64_t end = offset + length, run_at = 0, run_end = 0;

	for (; offset < end; offset = s[1].start, s++) {
		uint64_t at = s->at + (offset - s->start);
		uint64_t n = min_u64(end, s[1].start) - offset;

		if (s->kind != GROUND && s->kind != ZERO)
			continue;
		if (run_end > run_at && (s->kind == ZERO || at < run_end || at - run_end > gap)) {
			image_hint(m->ground, run_at, run_end - run_at);
			run_at = run_end = 0;
		}
		if (s->kind == ZERO)
			continue;
		if (run_end == run_at)
			run_at = at;
		run_end = at + n;
	}
	if (run_end > run_at)
		image_hint(m->ground, run_at, run_end - run_at);
}

static bool map_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	struct map *m = (struct map *)img;
	const struct segment *s = &m->segments.s[segments_find(&m->segments, offset)];

	for (uint64_t end = offset + length; offset < end; offset = s[1].start, s++)
		if (s->kind == GROUND &&
		    !image_is_here(m->ground, s->at + (offset - s->start), min_u64(end, s[1].start) - offset))
			return false;
	return true;
}

static void map_describe(struct image *img, struct text *t)
{
	struct map *m = (struct map *)img;

	if (m->describe)
		text_add(t, "%s", m->describe);
}

static void map_close(struct image *img)
{
	struct map *m = (struct map *)img;

	atomic_fetch_sub(&bound.taken, m->memory);
	segments_done(&m->segments);
	holdings_done(&m->holdings);
	free(m->describe);
	free(m);
}

static const struct image_ops map_ops = {
	.name = "map",
	.pread = map_pread,
	.extent = map_extent,
	.backing = map_backing,
	.hint = map_hint,
	.is_here = map_is_here,
	.describe = map_describe,
	.close = map_close,
};

/* What a goal costs in memory, for who looks into it with -v, and for the bench. */
static void log_figures(struct map *m)
{
	struct map_figures f;

	if (log_shows(LOG_DETAIL) && map_figures(&m->image, &f))
		log_detail("%s: map segments=%" PRIu64 " patched=%" PRIu64 " memory=%" PRIu64, m->ops.name,
			   f.segments, f.patched, f.memory);
}

int map_seal(struct map_draft *draft, const char *name, const char *describe, struct image **ret,
	     struct why *why)
{
	_cleanup_(map_draft_freep) struct map_draft *d = draft;
	_cleanup_free_ struct map *m = calloc(1, sizeof(*m));
	_cleanup_free_ char *describe_copy = describe ? strdup(describe) : NULL;
	int r;

	if (!m || (describe && !describe_copy))
		return -ENOMEM;
	r = make_segments(d, &m->segments);
	if (r == -EINVAL)
		return fail(why, r, "the map of '%s' is not consistent", name);
	if (r < 0)
		return r;
	m->memory = own_memory(&m->segments, &d->holdings);
	r = take_memory(m->memory, name, why);
	if (r < 0) {
		segments_done(&m->segments);
		return r;
	}
	m->ops = map_ops;
	m->ops.name = name;
	m->ground = ground_of(d->below);
	m->holdings = d->holdings;
	d->holdings = (struct holdings){ 0 };
	m->describe = take(describe_copy);
	image_init(&m->image, &m->ops, d->size, take(d->below));
	log_figures(m);
	*ret = &take(m)->image;
	return 0;
}

int map_window(struct image *img, uint64_t offset, uint64_t length, struct image **ret, struct why *why)
{
	struct map_draft *d = map_draft_new(length, img);

	if (!d)
		return -ENOMEM;
	map_draft_below(d, 0, length, offset);
	return map_seal(d, "window", /* describe= */ NULL, ret, why);
}

bool map_figures(struct image *img, struct map_figures *ret)
{
	const struct map *m = (const struct map *)img;

	if (!is_map(img))
		return false;
	*ret = (struct map_figures){
		.segments = m->segments.n,
		.patched = m->holdings.arena.held,
		.memory = m->memory,
	};
	for (size_t i = 0; i < m->holdings.n_maps; i++) {
		struct map_figures placed;

		if (map_figures(m->holdings.map[i], &placed)) {
			ret->patched += placed.patched;
			ret->memory += placed.memory;
		}
	}
	return true;
}
