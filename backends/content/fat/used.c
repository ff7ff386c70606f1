/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/fat/used.h"

#include <errno.h>

#include "backends/content/fat/disk.h"

/* Entries that are looked at together: a multiple of 2, so that FAT12's begin at a byte. */
#define PIECE_ENTRIES 16384
#define PIECE_BYTES   (PIECE_ENTRIES * 4 + 1)

#define MASK_12 0x0fff
#define MASK_32 UINT32_C(0x0fffffff)

/* The entry whose number is `i` more than that of the first in `bytes`. */
static uint32_t entry_at(const struct fat *f, const uint8_t *bytes, uint32_t i)
{
	uint32_t pair;

	if (f->bits == 32)
		return get_le32(bytes + (size_t)i * 4) & MASK_32;
	if (f->bits == 16)
		return get_le16(bytes + (size_t)i * 2);
	pair = get_le16(bytes + (size_t)i * 12 / 8);
	return i % 2 ? pair >> 4 : pair & MASK_12;
}

/* `n` clusters from number `first` on are free. */
static void add_free(const struct fat *f, uint32_t first, uint32_t n, struct unused *u)
{
	unused_add(u, fat_data_at(f) + (uint64_t)(first - 2) * f->cluster, (uint64_t)n * f->cluster);
}

static void add_piece(const struct fat *f, const uint8_t *bytes, uint32_t first, uint32_t n, struct unused *u)
{
	for (uint32_t i = 0; i < n; i++)
		if (first + i >= 2 && entry_at(f, bytes, i) == 0)
			add_free(f, first + i, 1, u);
}

int fat_unused(struct image *container, const struct content *c, struct unused *u, struct why *why)
{
	uint8_t boot[FAT_BOOT_SIZE];
	_cleanup_free_ uint8_t *bytes = malloc(PIECE_BYTES);
	struct fat f;
	int r;

	if (!bytes)
		return -ENOMEM;
	r = fat_read(container, &f, boot, why);
	if (r == 0)
		r = fat_check_clean(container, &f, boot, why);
	for (uint32_t first = 0, n, end = r == 0 ? f.clusters + 2 : 0; first < end && r == 0; first += n) {
		uint64_t at = fat_table_at(&f, f.active) + (uint64_t)first * f.bits / 8;
		struct extent e = image_extent(container, at);
		uint64_t count;

		n = (uint32_t)min_u64(end - first, PIECE_ENTRIES);
		count = div_up((uint64_t)n * f.bits, 8);
		if (e.kind != EXTENT_DATA && e.length >= count && first >= 2) {
			add_free(&f, first, n, u);
			continue;
		}
		/* FAT12's are taken by two bytes, the last one's second of which may be behind it. */
		bytes[count] = 0;
		r = image_pread(container, bytes, count, at, why);
		if (r == 0)
			add_piece(&f, bytes, first, n, u);
	}
	return r;
}
