/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "backends/content/content.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* The input is the container's start; with `whole` also its end, where some records stand. */
static void probe(const uint8_t *bytes, size_t count, bool whole)
{
	_cleanup_(image_unrefp) struct image *img = memimage_new(bytes, count, whole ? count : 64 * MiB);
	struct content c;
	struct why why = { "" };
	int r = content_probe(img, &c, &why);

	MUST(r <= 1);
	if (r < 0)
		MUST(why.text[0]);
	if (r != 0)
		return;
	MUST(c.ops && c.ops->name && (c.ops->grow || c.ops->why_not));
	MUST(memchr(c.label, '\0', sizeof(c.label)) && memchr(c.uuid, '\0', sizeof(c.uuid)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	probe(bytes, min_u64(count, 64 * MiB), false);
	if (count)
		probe(bytes, count, true);
	return 0;
}
