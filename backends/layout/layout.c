/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/layout/layout.h"

#include <inttypes.h>
#include <string.h>

#include "backends/costs.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/text.h"

struct layout layout_of(const struct opening *opening)
{
	const struct tags *args = &opening->step->args;
	struct layout how = {
		.seed = opening->seed,
		.compat = tags_get(args, "compat"),
		.fixed = tags_has(args, "fixed"),
	};

	(void)tags_get_u64(args, "cluster", &how.cluster);
	return how;
}

bool layout_wanted(const struct tags *state, const struct tags *want, const char *format)
{
	return tags_is(want, "format", format) && offer_is_raw_disk(state) && tags_has(state, "size");
}

void layout_offer(const struct tags *state, const struct tags *want, struct offers *o, const char *format,
		  const char *const *heeds)
{
	struct offer x;

	if (!layout_wanted(state, want, format))
		return;
	offer_begin(&x, o, state);
	for (; *heeds; heeds++)
		if (tags_has(want, *heeds))
			offer_arg(&x, *heeds, tags_get(want, *heeds));
	offer_set(&x, "format", format);
	offer_end(&x, cost_of(state, COST_LAYOUT_OPEN, COST_MAP_PER_MIB));
}

void layout_uuid(const struct layout *how, uint64_t size, const char *what, uint8_t ret[static 16])
{
	uint8_t digest[32] = { 0 };
	char number[32];
	gcry_buffer_t parts[] = {
		{ .data = (void *)(how->seed ?: ""), .len = strlen(how->seed ?: "") },
		{ .data = number, .len = snprintf(number, sizeof(number), "\n%" PRIu64 "\n", size) },
		{ .data = (void *)what, .len = strlen(what) },
	};

	(void)digest_ready(); /* the program ends at its start where it is not */
	(void)gcry_md_hash_buffers(GCRY_MD_SHA256, 0, digest, parts, sizeof(parts) / sizeof(parts[0]));
	memcpy(ret, digest, 16);
	ret[6] = (ret[6] & 0x0f) | 0x40; /* version 4 */
	ret[8] = (ret[8] & 0x3f) | 0x80; /* variant 1 */
}

void layout_guid(const struct layout *how, uint64_t size, const char *what, uint8_t ret[static 16])
{
	uint8_t uuid[16];

	layout_uuid(how, size, what, uuid);
	put_le32(ret + 0, get_be32(uuid + 0));
	put_le16(ret + 4, get_be16(uuid + 4));
	put_le16(ret + 6, get_be16(uuid + 6));
	memcpy(ret + 8, uuid + 8, 8);
}
