/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stddef.h>

#include "backends/content/facts.h"
#include "base/bytes.h"

#define SUPER_AT (64 * KiB)

struct disk_btrfs_super { /* little-endian; the beginning of it */
	uint8_t checksum[32];
	uint8_t fsid[16];
	uint8_t bytenr[8];
	uint8_t flags[8];
	uint8_t magic[8]; /* "_BHRfS_M" */
	uint8_t trees[0xc9 - 0x48];
	struct {
		uint8_t devid[8];
		uint8_t total_bytes[8];
		uint8_t rest[82];
	} device; /* the one that this superblock stands on */
	char label[256];
};
_Static_assert(offsetof(struct disk_btrfs_super, device) == 0xc9, "btrfs device item");
_Static_assert(offsetof(struct disk_btrfs_super, label) == 0x12b, "btrfs label");

static int btrfs_probe(struct image *container, struct content *ret, struct why *why)
{
	struct content c = { .ops = &btrfs_content };
	struct disk_btrfs_super disk;
	int r;

	if (!range_ok(SUPER_AT, sizeof(disk), container->size))
		return 1;
	r = image_pread(container, &disk, sizeof(disk), SUPER_AT, why);
	if (r < 0)
		return r;
	if (memcmp(disk.magic, "_BHRfS_M", 8) != 0)
		return 1;
	c.size = get_le64(disk.device.total_bytes);
	content_set_uuid(&c, disk.fsid);
	content_set_label(&c, disk.label, sizeof(disk.label));
	*ret = c;
	return 0;
}

const struct content_ops btrfs_content = {
	.name = "btrfs",
	.probe = btrfs_probe,
	.why_not = "growing btrfs is not built yet",
};
