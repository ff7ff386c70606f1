/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/layout/runs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"

void runs_done(struct runs *r)
{
	free(r->run);
	*r = (struct runs){ 0 };
}

uint64_t runs_length(const struct runs *r, size_t i)
{
	return (i + 1 < r->n ? r->run[i + 1].rank : r->total) - r->run[i].rank;
}

uint64_t runs_end(const struct runs *r, size_t i)
{
	return r->run[i].first + runs_length(r, i);
}

static int runs_grow(struct runs *r)
{
	size_t room = r->room ? 2 * r->room : 16;
	struct run *run = reallocarray(r->run, room, sizeof(*run));

	if (!run)
		return -ENOMEM;
	r->run = run;
	r->room = room;
	return 0;
}

/* Makes the last run longer, if the gap allows. `first` is not before its end. */
static bool runs_join(struct runs *r, uint64_t first, uint64_t length)
{
	uint64_t end;

	if (r->n == 0)
		return false;
	end = runs_end(r, r->n - 1);
	assert(first >= end);
	if (first - end > r->join)
		return false;
	r->total += first - end + length;
	return true;
}

/* There is room, and no join. */
static void runs_append(struct runs *r, uint64_t first, uint64_t length)
{
	r->run[r->n++] = (struct run){ first, r->total };
	r->total += length;
}

/*
 * Takes in gaps of up to twice the length of before. In place: what is written
 * is never ahead of what is read.
 */
static void runs_coarsen(struct runs *r)
{
	const struct runs old = *r;

	r->join = old.join ? 2 * old.join : 1;
	r->n = 0;
	r->total = 0;
	for (size_t i = 0; i < old.n; i++) {
		uint64_t first = old.run[i].first, length = runs_length(&old, i);

		if (!runs_join(r, first, length))
			runs_append(r, first, length);
	}
}

/*
 * What is joined in the end does not depend on when the list was found too long:
 * gaps that are joined are those of up to the last `join`.
 */
int runs_add(struct runs *r, uint64_t first, uint64_t length)
{
	while (!runs_join(r, first, length)) {
		if (r->n == RUNS_MAX) {
			runs_coarsen(r);
			continue;
		}
		if (r->n == r->room && runs_grow(r) < 0)
			return -ENOMEM;
		runs_append(r, first, length);
		break;
	}
	return 0;
}

size_t runs_find(const struct runs *r, uint64_t at)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (runs_end(r, middle) > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t runs_nth(const struct runs *r, uint64_t rank)
{
	size_t low = 0, high = r->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (r->run[middle].rank <= rank)
			low = middle;
		else
			high = middle;
	}
	return r->run[low].first + (rank - r->run[low].rank);
}

void runs_ranks(const struct runs *r, uint64_t at, size_t n, uint64_t *ret)
{
	const uint64_t end = at + n;

	for (size_t i = 0; i < n; i++)
		ret[i] = RUNS_NONE;
	for (size_t i = runs_find(r, at); i < r->n && r->run[i].first < end; i++) {
		uint64_t from = max_u64(at, r->run[i].first), to = min_u64(end, runs_end(r, i));
		uint64_t rank = r->run[i].rank + (from - r->run[i].first);

		for (; from < to; from++, rank++)
			ret[from - at] = rank;
	}
}

int runs_survey(struct runs *r, struct image *below, uint64_t block)
{
	for (uint64_t at = 0; at < below->size;) {
		struct extent e = image_extent(below, at);
		uint64_t first = at / block, end = div_up(at + e.length, block);

		if (e.kind == EXTENT_ZERO) {
			at += e.length;
			continue;
		}
		if (runs_add(r, first, end - first) < 0)
			return -ENOMEM;
		at = end * block; /* the rest of its last block is taken, whatever it is */
	}
	return 0;
}
