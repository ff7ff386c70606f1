/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/table/mbr_disk.h"

#include <string.h>

#include "base/bytes.h"

bool mbr_is_signed(const uint8_t sector[512])
{
	return get_le16(sector + MBR_SIGNATURE) == 0xaa55;
}

/* Geometry 255 heads, 63 sectors, as everybody writes it; beyond its reach fe ff ff. */
static void put_chs(uint8_t chs[3], uint64_t lba)
{
	uint64_t cylinder = lba / (255 * 63);

	if (cylinder > 1023) {
		memcpy(chs, "\xfe\xff\xff", 3);
		return;
	}
	chs[0] = (uint8_t)(lba / 63 % 255);
	chs[1] = (uint8_t)((lba % 63 + 1) | (cylinder >> 2 & 0xc0));
	chs[2] = (uint8_t)cylinder;
}

void mbr_entry_put(struct disk_mbr_entry *disk, uint64_t base, const struct mbr_range *old,
		   const struct mbr_range *now)
{
	put_le32(disk->start, (uint32_t)(now->start - base));
	put_le32(disk->count, (uint32_t)(now->end - now->start));
	if (now->start != old->start)
		put_chs(disk->chs_first, now->start);
	if (now->end != old->end)
		put_chs(disk->chs_last, now->end - 1);
}
