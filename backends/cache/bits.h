/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_BITS_H
#define GOALFS_BACKENDS_CACHE_BITS_H

/*
 * A bitmap that readers look at without a lock: a bit is set (released) after
 * what it speaks for is done, and who sees it set (acquires) sees that too.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct bits {
	uint64_t n;
	_Atomic uint64_t word[]; /* bits_words(n); those past n are never set */
};

static inline uint64_t bits_words(uint64_t n)
{
	return div_up(n, 64);
}

struct bits *bits_new(uint64_t n); /* all clear; free() it; NULL when memory ran out */

static inline bool bits_get(const struct bits *b, uint64_t i)
{
	return atomic_load_explicit(&b->word[i / 64], memory_order_acquire) >> i % 64 & 1;
}

static inline void bits_put(struct bits *b, uint64_t i, bool on)
{
	uint64_t mask = UINT64_C(1) << i % 64;

	if (on)
		(void)atomic_fetch_or_explicit(&b->word[i / 64], mask, memory_order_release);
	else
		(void)atomic_fetch_and_explicit(&b->word[i / 64], ~mask, memory_order_release);
}

/* The bits of [from, end), which may be empty. */
void bits_put_range(struct bits *b, uint64_t from, uint64_t end, bool on);

/*
 * Where the run of equal bits that starts at `from` ends, at most at `end`, and
 * which they are; from < end <= n. Word by word. With `also`, of (b AND also).
 */
uint64_t bits_run(const struct bits *b, const struct bits *also, uint64_t from, uint64_t end, bool *ret_on);

/* Clears what is not set in `by`, of the same length. */
void bits_mask(struct bits *b, const struct bits *by);

uint64_t bits_count(const struct bits *b);

#endif
