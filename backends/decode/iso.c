/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/iso.h"

static void iso_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (tags_is(want, "format", "iso")) {
		if (offer_is_raw_disk(state))
			offer_refusal(o, "the template is a disk; .iso is for installation media");
		return;
	}
	if (!offer_is_disk(state, "iso"))
		return;
	offer_begin(&x, o, state);
	offer_read_disk(&x);
	offer_end(&x, 1);
}

static int iso_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	*ret = image_ref(below);
	return 0;
}

const struct backend iso_backend = {
	.name = "iso",
	.offer = iso_offer,
	.open = iso_open,
};
