/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes, grows, moves and looks for free clusters in a small volume. The input is:
 *
 *	1 byte		the image's size in MiB, modulo 8, and one
 *	1 byte		bit 0: make the update sequences of the records, blocks and pages right
 *	pieces		of the volume that are not zero:
 *	  2 bytes	where, in 512 bytes
 *	  1 byte	how much, in 512 bytes
 *	  1 byte	0: the bytes follow; else one byte follows, which all of them are
 *
 * What grew is read all over: it must not be larger than asked for, read within
 * bounds, and say zero only where it is zero.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content/content.h"
#include "backends/content/ntfs/record.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define HELD (8 * MiB)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static uint8_t volume[HELD];

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void lay_out(const uint8_t *bytes, size_t count)
{
	memset(volume, 0, sizeof(volume));
	for (size_t at = 0; range_ok(at, 5, count);) {
		size_t where = get_le16(bytes + at) * SECTOR, n = bytes[at + 2] * SECTOR, room;
		bool filled = bytes[at + 3];

		where = min_u64(where, HELD);
		room = min_u64(n, HELD - where);
		at += 4;
		if (filled)
			memset(volume + where, bytes[at], room);
		else
			memcpy(volume + where, bytes + at, min_u64(room, count - at));
		at += filled ? 1 : min_u64(n, count - at);
	}
}

/* So that a damaged field can be reached behind them. */
static void seal(uint64_t size)
{
	for (uint64_t at = 0; at + 4096 <= size; at += SECTOR) {
		bool record = memcmp(volume + at, "FILE", 4) == 0;
		uint64_t length = record ? 1024 : 4096;
		uint16_t sequence = get_le16(volume + at + 4);

		if (!record && memcmp(volume + at, "INDX", 4) != 0 && memcmp(volume + at, "RSTR", 4) != 0)
			continue;
		if (sequence > SECTOR - 2)
			continue;
		for (uint64_t end = SECTOR; end <= length; end += SECTOR)
			memcpy(volume + at + end - 2, volume + at + sequence, 2);
	}
}

static void read_all_over(struct image *img)
{
	static uint8_t buf[64 * KiB];
	uint64_t at = 0;

	for (int i = 0; i < 200 && at < img->size; i++) {
		struct extent e = image_extent(img, at);
		size_t n = min_u64(e.length, sizeof(buf));

		check(image_pread(img, buf, n, at, NULL) == 0);
		check(e.kind != EXTENT_ZERO || bytes_are_zero(buf, n));
		at += e.length;
	}
}

static void grow(struct image *base, const struct content *c)
{
	uint64_t size = base->size * 3;
	struct map_draft *draft;
	struct image *at_size, *img;
	struct why why = { "" };
	int r;

	check(map_seal(map_draft_new(size, base), "fuzz", NULL, &at_size, NULL) == 0);
	draft = map_draft_new(size, at_size);
	check(draft != NULL);
	r = ntfs_content.grow(at_size, c, &(struct growth){ 0 }, draft, NULL, &why);
	check(testimage_count(base).bytes < 2 * MiB);
	check(r <= CONTENT_FITS && (r >= 0 || why.text[0]));
	if (r == 0) {
		struct content again;

		check(map_seal(draft, "fuzz", NULL, &img, NULL) == 0);
		check(ntfs_content.probe(img, &again, NULL) == 0);
		check(again.size > c->size && again.size <= size);
		read_all_over(img);
		image_unref(img);
	} else {
		map_draft_free(draft);
	}
	image_unref(at_size);
}

static void look_for_free(struct image *base, const struct content *c)
{
	struct map_draft *draft = map_draft_new(base->size, base);
	struct image *img;
	struct unused u;

	check(draft != NULL);
	unused_begin(&u, draft, 0);
	if (ntfs_content.unused(base, c, &u, NULL) == 0) {
		unused_end(&u);
		check(u.bytes < base->size);
		check(map_seal(draft, "fuzz", NULL, &img, NULL) == 0);
		read_all_over(img);
		image_unref(img);
	} else {
		map_draft_free(draft);
	}
}

static void move(struct image *base, const struct content *c)
{
	struct map_draft *draft = map_draft_new(base->size, base);

	check(draft != NULL);
	(void)ntfs_content.move(base, c, MiB, 5 * MiB, draft, NULL);
	check(map_draft_error(draft) == 0);
	map_draft_free(draft);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct image *base;
	struct content c;

	if (count < 2)
		return 0;
	lay_out(bytes + 2, count - 2);
	base = memimage_new(volume, HELD, (bytes[0] % 8 + 1) * MiB);
	if (bytes[1] & 1)
		seal(base->size);
	if (ntfs_content.probe(base, &c, NULL) == 0) {
		grow(base, &c);
		look_for_free(base, &c);
		move(base, &c);
	}
	image_unref(base);
	return 0;
}
