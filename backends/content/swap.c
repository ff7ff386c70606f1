/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The magic of a swap area ends its first page, and so tells how large the pages are of
 * the machine that made it; the header stands at 1024.
 */
#include <errno.h>

#include "backends/content/facts.h"
#include "base/bytes.h"

#define HEADER_AT 1024

struct disk_swap_header { /* in the byte order of its machine */
	uint8_t version[4];
	uint8_t last_page[4];
	uint8_t bad_pages[4];
	uint8_t uuid[16];
	char label[16];
};
_Static_assert(sizeof(struct disk_swap_header) == 44, "swap header");

/* 0 and the page's size; 1 when there is no magic; or an error. */
static int find_page(struct image *container, uint64_t *ret, struct why *why)
{
	for (uint64_t page = 4 * KiB; page <= 64 * KiB; page *= 2) {
		char magic[10];
		int r;

		if (page > container->size)
			return 1;
		r = image_pread(container, magic, sizeof(magic), page - sizeof(magic), why);
		if (r < 0)
			return r;
		if (memcmp(magic, "SWAPSPACE2", sizeof(magic)) == 0) {
			*ret = page;
			return 0;
		}
	}
	return 1;
}

static int swap_probe(struct image *container, struct content *ret, struct why *why)
{
	struct content c = { .ops = &swap_content };
	struct disk_swap_header disk;
	uint64_t page = 0;
	int r = find_page(container, &page, why);

	if (r == 0)
		r = image_pread(container, &disk, sizeof(disk), HEADER_AT, why);
	if (r != 0)
		return r;
	if (get_le32(disk.version) == 1)
		content_set_size(&c, (uint64_t)get_le32(disk.last_page) + 1, page);
	else if (get_be32(disk.version) == 1)
		content_set_size(&c, (uint64_t)get_be32(disk.last_page) + 1, page);
	content_set_uuid(&c, disk.uuid);
	content_set_label(&c, disk.label, sizeof(disk.label));
	*ret = c;
	return 0;
}

const struct content_ops swap_content = {
	.name = "swap",
	.probe = swap_probe,
	.why_not = "growing swap space is not built yet",
	.only_named = true,
};
