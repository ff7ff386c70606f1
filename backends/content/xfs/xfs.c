/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "backends/content/facts.h"
#include "backends/content/xfs/grow.h"
#include "backends/content/xfs/super.h"
#include "base/size.h"

static int xfs_probe(struct image *container, struct content *ret, struct why *why)
{
	char claimed[SIZE_TEXT_MAX], there[SIZE_TEXT_MAX];
	struct xfs_super s;
	uint64_t size;
	int r = xfs_super_read(container, /* ret_disk= */ NULL, &s, why);

	if (r != 0)
		return r;
	size = s.blocks * s.block_size;
	if (size > container->size)
		return fail(why, -EBADMSG, "xfs takes %s, but there are only %s: truncated image",
			    size_format(claimed, size), size_format(there, container->size));
	*ret = (struct content){ .ops = &xfs_content, .size = size };
	content_set_uuid(ret, s.uuid);
	content_set_label(ret, s.label, sizeof(s.label));
	return 0;
}

const struct content_ops xfs_content = {
	.name = "xfs",
	.probe = xfs_probe,
	.grow = xfs_grow,
	.unused = xfs_unused,
};
