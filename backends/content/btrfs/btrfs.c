/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "backends/content/btrfs/grow.h"
#include "backends/content/btrfs/super.h"
#include "backends/content/btrfs/used.h"
#include "backends/content/facts.h"
#include "base/size.h"

static int btrfs_probe(struct image *container, struct content *ret, struct why *why)
{
	char claimed[SIZE_TEXT_MAX], there[SIZE_TEXT_MAX];
	struct disk_btrfs_super disk;
	struct btrfs_super s;
	int r = btrfs_super_read(container, &disk, &s, why);

	if (r != 0)
		return r;
	if (s.device.total_bytes > container->size)
		return fail(why, -EBADMSG, "btrfs takes %s, but there are only %s: truncated image",
			    size_format(claimed, s.device.total_bytes), size_format(there, container->size));
	*ret = (struct content){ .ops = &btrfs_content, .size = s.device.total_bytes };
	content_set_uuid(ret, s.fsid);
	content_set_label(ret, disk.label, sizeof(disk.label));
	return 0;
}

const struct content_ops btrfs_content = {
	.name = "btrfs",
	.probe = btrfs_probe,
	.grow = btrfs_grow,
	.unused = btrfs_unused,
};
