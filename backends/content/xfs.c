/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "backends/content/facts.h"
#include "base/bytes.h"

struct disk_xfs_super {	  /* big-endian; the beginning of it */
	uint8_t magic[4]; /* "XFSB" */
	uint8_t block_size[4];
	uint8_t blocks[8];
	uint8_t realtime[16];
	uint8_t uuid[16];
	uint8_t places[60];
	uint8_t label[12];
};
_Static_assert(sizeof(struct disk_xfs_super) == 120, "xfs superblock");

static int xfs_probe(struct image *container, struct content *ret, struct why *why)
{
	struct content c = { .ops = &xfs_content };
	struct disk_xfs_super disk;
	int r;

	if (container->size < sizeof(disk))
		return 1;
	r = image_pread(container, &disk, sizeof(disk), 0, why);
	if (r < 0)
		return r;
	if (memcmp(disk.magic, "XFSB", 4) != 0)
		return 1;
	content_set_size(&c, get_be64(disk.blocks), get_be32(disk.block_size));
	content_set_uuid(&c, disk.uuid);
	content_set_label(&c, disk.label, sizeof(disk.label));
	*ret = c;
	return 0;
}

const struct content_ops xfs_content = {
	.name = "xfs",
	.probe = xfs_probe,
	.why_not = "growing xfs is not built yet",
};
