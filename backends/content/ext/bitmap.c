/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ext/bitmap.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/crc.h"

uint32_t ext_bitmap_csum(const struct ext_geometry *g, const uint8_t *bytes)
{
	return crc32c(g->super.checksum_seed, bytes, g->super.blocks_per_group / 8);
}

int ext_block_bitmap_read(struct image *img, const struct ext_geometry *g, uint32_t group,
			  const struct disk_ext_group *d, uint8_t *bytes, struct why *why)
{
	uint64_t at = ext_desc_block_bitmap(g, d) * g->super.block_size;
	uint32_t csum;
	int r = image_pread(img, bytes, g->super.block_size, at, why);

	if (r < 0 || !ext_has_csum(&g->super))
		return r;
	csum = ext_bitmap_csum(g, bytes);
	if (get_le16(d->block_bitmap_csum_lo) != (csum & 0xFFFF) ||
	    (ext_is_big(g) && get_le16(d->block_bitmap_csum_hi) != csum >> 16))
		return fail(why, -EBADMSG, "the block bitmap of group %" PRIu32 " of %s has a wrong checksum",
			    group, ext_super_name(&g->super));
	return 0;
}
