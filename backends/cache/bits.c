/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/bits.h"

#include <stdlib.h>

struct bits *bits_new(uint64_t n)
{
	/* calloc: the pages of a large and mostly empty bitmap cost nothing until they are written. */
	struct bits *b = calloc(1, sizeof(*b) + bits_words(n) * sizeof(b->word[0]));

	if (b)
		b->n = n;
	return b;
}

/* The bits of word `w` that lie in [from, end). */
static uint64_t mask_of(uint64_t w, uint64_t from, uint64_t end)
{
	uint64_t mask = UINT64_MAX;

	if (from > w * 64)
		mask &= UINT64_MAX << (from - w * 64);
	if (end < (w + 1) * 64)
		mask &= UINT64_MAX >> ((w + 1) * 64 - end);
	return mask;
}

void bits_put_range(struct bits *b, uint64_t from, uint64_t end, bool on)
{
	if (from >= end)
		return;
	for (uint64_t w = from / 64; w <= (end - 1) / 64; w++) {
		uint64_t mask = mask_of(w, from, end);

		if (on)
			(void)atomic_fetch_or_explicit(&b->word[w], mask, memory_order_release);
		else
			(void)atomic_fetch_and_explicit(&b->word[w], ~mask, memory_order_release);
	}
}

static uint64_t word_of(const struct bits *b, const struct bits *also, uint64_t w)
{
	uint64_t word = atomic_load_explicit(&b->word[w], memory_order_acquire);

	return also ? word & atomic_load_explicit(&also->word[w], memory_order_acquire) : word;
}

uint64_t bits_run(const struct bits *b, const struct bits *also, uint64_t from, uint64_t end, bool *ret_on)
{
	uint64_t w = from / 64, first = word_of(b, also, w);
	bool on = first >> from % 64 & 1; /* of the same load as the run, as bits change under us */
	uint64_t flip = on ? UINT64_MAX : 0;
	uint64_t other = (first ^ flip) & UINT64_MAX << from % 64; /* bits that end the run */

	*ret_on = on;
	while (!other) {
		if (++w * 64 >= end)
			return end;
		other = word_of(b, also, w) ^ flip;
	}
	return min_u64(w * 64 + (uint64_t)__builtin_ctzll(other), end);
}

void bits_mask(struct bits *b, const struct bits *by)
{
	for (uint64_t w = 0; w < bits_words(b->n); w++)
		(void)atomic_fetch_and_explicit(&b->word[w], word_of(by, NULL, w), memory_order_release);
}

uint64_t bits_count(const struct bits *b)
{
	uint64_t count = 0;

	for (uint64_t w = 0; w < bits_words(b->n); w++)
		count += (uint64_t)__builtin_popcountll(word_of(b, NULL, w));
	return count;
}
