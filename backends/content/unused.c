/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/unused.h"

#include "base/bytes.h"

void unused_begin(struct unused *u, struct map_draft *draft, uint64_t runs)
{
	*u = (struct unused){ .draft = draft, .runs = runs };
}

static void paint_run(struct unused *u)
{
	uint64_t length = u->end - u->start;

	if (length == 0 || (u->runs >= UNUSED_RUNS_MAX && length < UNUSED_RUN_LONG))
		return;
	map_draft_zero(u->draft, u->start, length);
	u->runs++;
	u->bytes += length;
}

void unused_add(struct unused *u, uint64_t offset, uint64_t length)
{
	uint64_t size = map_draft_size(u->draft);

	if (offset >= size)
		return;
	length = min_u64(length, size - offset);
	if (offset != u->end) {
		paint_run(u);
		u->start = offset;
	}
	u->end = offset + length;
}

void unused_end(struct unused *u)
{
	paint_run(u);
	u->start = u->end;
}
