/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/complete.h"

#include <errno.h>

#include "backends/costs.h"
#include "backends/library/library.h"
#include "base/bytes.h"
#include "base/patience.h"
#include "base/text.h"

#define STEP (256 * KiB)

static bool is_whole(struct image *img)
{
	struct backing b;

	return image_backing(img, 0, &b) == 0 && b.length == img->size;
}

/*
 * Reads a byte of each stretch: what is made or fetched is so by the unit. Other images
 * of the store may be evicted for it, this one is in use.
 */
static int complete_open(const struct opening *opening, struct image *below, struct image **ret,
			 struct why *why)
{
	uint8_t byte;
	int r = 0;

	if (patience_is_casual() && !is_whole(below))
		return fail(why, -EAGAIN, "to know what is in '%s' all of it would have to be here",
			    opening->template->path);

	for (uint64_t at = 0; r == 0 && at < below->size; at += STEP) {
		const uint64_t n = min_u64(STEP, below->size - at);

		if (image_is_here(below, at, n))
			continue;
		image_hint(below, at, min_u64(32 * MiB, below->size - at));
		for (uint64_t i = 0; r == 0 && i < n; i += 4 * KiB)
			r = image_is_here(below, at + i, min_u64(4 * KiB, n - i))
				    ? 0
				    : image_pread(below, &byte, 1, at + i, why);
	}
	if (r < 0)
		return r;
	if (!is_whole(below))
		return fail(why, -ENOSPC,
			    "there is no room to store all of '%s', which has to stand in one file",
			    opening->template->path);
	*ret = image_ref(below);
	return 0;
}

static void complete_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	const char *format = tags_get(state, "format");
	struct offer x;

	if (!format || !offer_is_disk(state, format) || !tags_has(state, "unread") || tags_has(state, "whole"))
		return;
	offer_begin(&x, o, state);
	offer_set(&x, "whole", "yes");
	offer_end(&x, cost_of(state, COST_COMPLETE_OPEN, COST_COMPLETE_PER_MIB));
}

const struct backend complete_backend = {
	.name = "complete",
	.offer = complete_offer,
	.open = complete_open,
};
