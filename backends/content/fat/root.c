/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/fat/root.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

/* Labels are made together with the filesystem, and so stand first; whoever gives one later may find no room there. */
#define SEARCH_MAX (64 * KiB)
#define PIECE	   4096

/* What looks through a directory. `left`: bytes that may still be read. */
struct search {
	struct image *container;
	bool (*is_it)(const uint8_t entry[FAT_ENTRY]);
	uint8_t *ret;
	uint64_t left;
	struct why *why;
};

#define ENDED 2 /* besides 0, 1 and errors: behind it is nothing */

static int search_piece(struct search *s, uint64_t at, uint64_t length)
{
	uint8_t buf[PIECE];
	int r;

	if (!range_ok(at, length, s->container->size))
		return ENDED;
	r = image_pread(s->container, buf, length, at, s->why);
	for (uint64_t i = 0; r == 0 && i + FAT_ENTRY <= length; i += FAT_ENTRY) {
		if (buf[i] == 0)
			return ENDED;
		if (s->is_it(buf + i)) {
			memcpy(s->ret, buf + i, FAT_ENTRY);
			return 0;
		}
	}
	return r < 0 ? r : 1;
}

static int search_range(struct search *s, uint64_t at, uint64_t length)
{
	int r = 1;

	while (r == 1 && length > 0 && s->left > 0) {
		uint64_t n = min_u64(min_u64(length, PIECE), s->left);

		r = search_piece(s, at, n);
		at += n;
		length -= n;
		s->left -= n;
	}
	return r;
}

static int search_chain(struct search *s, const struct fat_root *root)
{
	uint32_t cluster = root->first;
	int r = 1;

	while (r == 1 && s->left > 0 && cluster >= 2) {
		uint8_t next[4];
		uint64_t at;

		/* 32 bits times what is below 2^57 at most: checked, for exFAT's clusters may be that large. */
		if (__builtin_mul_overflow(cluster - 2, root->cluster_size, &at) ||
		    __builtin_add_overflow(at, root->heap_at, &at))
			return ENDED;
		r = search_range(s, at, root->cluster_size);
		if (r != 1 || s->left == 0)
			return r;
		if (!range_ok(root->fat_at + UINT64_C(4) * cluster, sizeof(next), s->container->size))
			return ENDED;
		r = image_pread(s->container, next, sizeof(next), root->fat_at + UINT64_C(4) * cluster, s->why);
		if (r < 0)
			return r;
		cluster = get_le32(next) & root->mask;
		r = 1;
	}
	return r;
}

int fat_root_find(struct image *container, const struct fat_root *root,
		  bool (*is_it)(const uint8_t entry[FAT_ENTRY]), uint8_t ret[FAT_ENTRY], struct why *why)
{
	struct search s = { container, is_it, ret, SEARCH_MAX, why };
	int r = root->length ? search_range(&s, root->at, root->length) : search_chain(&s, root);

	return r == ENDED ? 1 : r;
}
