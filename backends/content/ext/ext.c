/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/content/content.h"
#include "backends/content/ext/grow.h"
#include "backends/content/ext/super.h"
#include "backends/content/ext/used.h"
#include "backends/content/facts.h"
#include "base/size.h"

static int ext_probe(struct image *container, struct content *ret, struct why *why)
{
	char claimed[SIZE_TEXT_MAX], there[SIZE_TEXT_MAX];
	struct disk_ext_super disk;
	struct ext_super s;
	uint64_t size;
	int r = ext_super_read(container, &disk, &s, why);

	if (r != 0)
		return r;
	size = s.blocks * s.block_size;
	if (size > container->size)
		return fail(why, -EBADMSG, "%s takes %s, but there are only %s: truncated image",
			    ext_super_name(&s), size_format(claimed, size),
			    size_format(there, container->size));
	*ret = (struct content){ .ops = &ext_content, .kind = ext_super_name(&s), .size = size };
	content_set_label(ret, s.label, sizeof(s.label));
	content_set_uuid(ret, s.uuid);
	return 0;
}

const struct content_ops ext_content = {
	.name = "ext",
	.probe = ext_probe,
	.grow = ext_grow,
	.unused = ext_unused,
};
