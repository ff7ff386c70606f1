/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The magic of a swap area ends its first page, and so tells how large the pages are of
 * the machine that made it; the header stands at 1024, a list of bad pages at 1536.
 * Pages are counted from that first one, which is never swapped to. All the other pages
 * are only read after they were written, in the same uptime: a hibernated
 * guest, whose memory is there, has another magic.
 */
#include <errno.h>
#include <inttypes.h>

#include "backends/content/facts.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "base/size.h"

#define HEADER_AT    1024
#define BAD_PAGES_AT 1536

struct disk_swap_header { /* in the byte order of its machine */
	uint8_t version[4];
	uint8_t last_page[4];
	uint8_t bad_pages[4];
	uint8_t uuid[16];
	char label[16];
};
_Static_assert(sizeof(struct disk_swap_header) == 44, "swap header");

static const char magic_bytes[10] = "SWAPSPACE2";

struct swap {
	uint64_t page; /* bytes */
	uint64_t pages;
	uint32_t bad_pages;
	bool is_big_endian;
	bool is_known; /* of version 1, as all are that have this magic; else the rest means nothing */
	struct disk_swap_header disk;
};

/* 0 and the page's size; 1 when there is no magic; or an error. */
static int find_page(struct image *container, uint64_t *ret, struct why *why)
{
	for (uint64_t page = 4 * KiB; page <= 64 * KiB; page *= 2) {
		char magic[sizeof(magic_bytes)];
		int r;

		if (page > container->size)
			return 1;
		r = image_pread(container, magic, sizeof(magic), page - sizeof(magic), why);
		if (r < 0)
			return r;
		if (memcmp(magic, magic_bytes, sizeof(magic)) == 0) {
			*ret = page;
			return 0;
		}
	}
	return 1;
}

static uint32_t get_field(const struct swap *s, const uint8_t field[4])
{
	return s->is_big_endian ? get_be32(field) : get_le32(field);
}

/* 0; 1 when there is no magic; or an error. */
static int read_header(struct image *container, struct swap *ret, struct why *why)
{
	struct swap s = { 0 };
	int r = find_page(container, &s.page, why);

	if (r == 0)
		r = image_pread(container, &s.disk, sizeof(s.disk), HEADER_AT, why);
	if (r != 0)
		return r;
	s.is_big_endian = get_be32(s.disk.version) == 1;
	s.is_known = get_field(&s, s.disk.version) == 1;
	s.pages = (uint64_t)get_field(&s, s.disk.last_page) + 1;
	s.bad_pages = get_field(&s, s.disk.bad_pages);
	*ret = s;
	return 0;
}

static int swap_probe(struct image *container, struct content *ret, struct why *why)
{
	struct content c = { .ops = &swap_content };
	struct swap s;
	int r = read_header(container, &s, why);

	if (r != 0)
		return r;
	if (s.is_known)
		content_set_size(&c, s.pages, s.page);
	content_set_uuid(&c, s.disk.uuid);
	content_set_label(&c, s.disk.label, sizeof(s.disk.label));
	*ret = c;
	return 0;
}

/* For those who do more than look. */
static int read_sound_header(struct image *container, struct swap *ret, struct why *why)
{
	int r = read_header(container, ret, why);

	if (r < 0)
		return r;
	if (r == 1)
		return fail(why, -EBADMSG, "there is no swap header");
	if (!ret->is_known)
		return fail(why, -EOPNOTSUPP, "swap of the unknown version %" PRIu32,
			    get_le32(ret->disk.version));
	if (ret->pages < 2)
		return fail(why, -EBADMSG, "swap claims to have no pages");
	if (ret->pages > container->size / ret->page)
		return fail(why, -EBADMSG,
			    "swap claims %" PRIu64 " pages of %" PRIu64 " bytes, but there are only %" PRIu64
			    ": truncated image",
			    ret->pages, ret->page, container->size / ret->page);
	if (ret->bad_pages > (ret->page - sizeof(magic_bytes) - BAD_PAGES_AT) / 4)
		return fail(why, -EBADMSG, "swap claims %" PRIu32 " bad pages, more than its header can list",
			    ret->bad_pages);
	return 0;
}

static int swap_grow(struct image *grown, const struct content *c, const struct growth *how,
		     struct map_draft *draft, struct text *describe, struct why *why)
{
	char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX];
	uint64_t pages, end;
	uint8_t last[4];
	struct swap s;
	int r = read_sound_header(grown, &s, why);

	if (r < 0)
		return r;
	/* As mkswap does it: what 32 bits can't count is left. */
	pages = min_u64(grown->size / s.page, UINT32_MAX);
	if (pages <= s.pages)
		return CONTENT_FITS;
	if (s.is_big_endian)
		put_be32(last, (uint32_t)(pages - 1));
	else
		put_le32(last, (uint32_t)(pages - 1));
	end = s.pages * s.page;
	map_draft_zero(draft, end, grown->size - end);
	map_draft_bytes(draft, HEADER_AT + offsetof(struct disk_swap_header, last_page), last, sizeof(last));
	if (describe)
		text_add(describe, "swap grown from %s to %s", size_human(have, end),
			 size_human(want, pages * s.page));
	return 0;
}

static int swap_unused(struct image *container, const struct content *c, struct unused *u, struct why *why)
{
	struct swap s;
	int r = read_sound_header(container, &s, why);

	if (r == 0)
		unused_add(u, s.page, (s.pages - 1) * s.page);
	return r;
}

const struct content_ops swap_content = {
	.name = "swap",
	.probe = swap_probe,
	.grow = swap_grow,
	.only_named = true, /* nobody asks for more of it */
	.unused = swap_unused,
};
