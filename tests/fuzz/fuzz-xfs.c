/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes and grows an otherwise empty image of 64 MiB into which pieces were put,
 * and asks what of it is unused. The input is:
 *
 *	1 byte	bit 0: make the superblock's checksum right, bit 1: those of AGFs and AGIs, bit 2: those of trees
 *	1 byte	log2 of the MiB that it grows by, modulo 20
 *	pieces	4 bytes where (in sectors of 512 bytes, big-endian), 2 bytes how long (in bytes), and so many bytes
 *
 * What grew is read all over: it must not be larger than asked for, read within
 * bounds, and say zero only where it is zero.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content/content.h"
#include "backends/content/unused.h"
#include "backends/content/xfs/ag.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define HELD (64 * MiB)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct pieces {
	const uint8_t *p, *end;
};

/* The next one: false at the end. */
static bool take_piece(struct pieces *pieces, uint64_t *ret_at, size_t *ret_length)
{
	if (pieces->end - pieces->p < 6)
		return false;
	*ret_at = get_be32(pieces->p) * SECTOR % HELD;
	*ret_length = min_u64(get_be16(pieces->p + 4), min_u64(pieces->end - pieces->p - 6, HELD - *ret_at));
	pieces->p += 6 + *ret_length;
	return true;
}

/* So that a damaged field can be reached behind the checksums. */
static void seal(uint8_t *fs, struct pieces pieces, unsigned what)
{
	struct image *img = memimage_new(fs, HELD, HELD);
	struct xfs_super s;
	uint64_t at;
	size_t length;

	if ((what & 1) && get_be16(fs + 102) <= XFS_SECTOR_SIZE_MAX && get_be16(fs + 102) >= 512)
		put_le32(fs + 224, xfs_checksum(fs, get_be16(fs + 102), 224));
	if (xfs_super_read(img, NULL, &s, NULL) == 0)
		while (take_piece(&pieces, &at, &length)) {
			if (!range_ok(at, XFS_BLOCK_SIZE_MAX, HELD))
				continue;
			if ((what & 2) && memcmp(fs + at, "XAGF", 4) == 0)
				xfs_agf_seal(&s, fs + at);
			if ((what & 2) && memcmp(fs + at, "XAGI", 4) == 0)
				xfs_agi_seal(&s, fs + at);
			if ((what & 4) && memcmp(fs + at, "AB3", 3) == 0)
				xfs_block_seal(&s, fs + at);
		}
	image_unref(img);
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
	for (uint64_t step = img->size / 97 + 1, where = 0; where < img->size; where += step)
		check(image_pread(img, buf, min_u64(5000, img->size - where), where, NULL) == 0);
}

static void grow(struct image *base, const struct content *c, uint64_t size)
{
	struct map_draft *draft;
	struct image *at_size, *img;
	struct why why;
	int r;

	check(map_seal(map_draft_new(size, base), "fuzz", NULL, &at_size, NULL) == 0);
	draft = map_draft_new(size, at_size);
	check(draft != NULL);
	r = xfs_content.grow(at_size, c, &(struct growth){ 0 }, draft, NULL, &why);
	if (r == 0) {
		struct content again;

		check(map_seal(draft, "fuzz", NULL, &img, NULL) == 0);
		check(xfs_content.probe(img, &again, NULL) == 0);
		check(again.size > c->size && again.size <= size);
		read_all_over(img);
		image_unref(img);
	} else {
		map_draft_free(draft);
	}
	image_unref(at_size);
}

static void find_unused(struct image *base, const struct content *c)
{
	struct map_draft *draft = map_draft_new(base->size, base);
	struct unused u;

	check(draft != NULL);
	unused_begin(&u, draft, 0);
	if (xfs_content.unused(base, c, &u, NULL) == 0) {
		unused_end(&u);
		check(u.bytes < c->size);
	}
	map_draft_free(draft);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct pieces pieces, again;
	static uint8_t fs[HELD];
	struct content c;
	struct image *base;
	size_t length;
	uint64_t at;

	if (count < 2)
		return 0;
	pieces = again = (struct pieces){ bytes + 2, bytes + count };
	while (take_piece(&again, &at, &length))
		memcpy(fs + at, again.p - length, length);
	seal(fs, pieces, bytes[0]);
	base = memimage_new(fs, sizeof(fs), sizeof(fs));
	if (xfs_content.probe(base, &c, NULL) == 0) {
		grow(base, &c, base->size + (MiB << bytes[1] % 20));
		find_unused(base, &c);
	}
	check(testimage_count(base).bytes < 128 * MiB);
	image_unref(base);
	/* Seals may have been put behind their pieces. */
	while (take_piece(&pieces, &at, &length))
		memset(fs + at, 0, min_u64(HELD - at, max_u64(length, 512)));
	memset(fs, 0, 512);
	return 0;
}
