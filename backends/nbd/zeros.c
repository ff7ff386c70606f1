/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nbd/zeros.h"

#include <errno.h>
#include <stdlib.h>

void zeros_done(struct zeros *z)
{
	free(z->run);
	*z = (struct zeros){ 0 };
}

/* The open run is complete: its whole granules are noted. */
static int note_open(struct zeros *z, uint64_t size)
{
	const uint64_t start = align_up(z->open_start, ZEROS_GRANULE);
	/* A run up to the end of the export keeps its last, short granule. */
	const uint64_t end = z->open_end < size ? align_down(z->open_end, ZEROS_GRANULE) : size;

	z->open_start = z->open_end = 0;
	if (start >= end || z->n == ZEROS_RUNS_MAX)
		return 0;
	/* Grows at the powers of two. */
	if ((z->n & (z->n - 1)) == 0) {
		struct zeros_run *grown = reallocarray(z->run, z->n ? 2 * z->n : 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		z->run = grown;
	}
	z->run[z->n++] = (struct zeros_run){ start, end };
	return 0;
}

int zeros_add(struct zeros *z, uint64_t start, uint64_t end, uint64_t size)
{
	int r = 0;

	if (z->open_end != start || z->open_start == z->open_end) {
		r = note_open(z, size);
		z->open_start = start;
	}
	z->open_end = end;
	return r;
}

int zeros_end(struct zeros *z, uint64_t size)
{
	return note_open(z, size);
}

uint64_t zeros_at(const struct zeros *z, uint64_t offset, uint64_t size, bool *ret_is_zero)
{
	size_t low = 0, high = z->n;

	/* The first run that ends behind the offset. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (z->run[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_is_zero = low < z->n && z->run[low].start <= offset;
	if (low == z->n)
		return size - offset;
	return (*ret_is_zero ? z->run[low].end : z->run[low].start) - offset;
}
