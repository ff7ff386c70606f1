/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes and grows what stands at the beginning of an otherwise empty image.
 * The input is:
 *
 *	1 byte	log2 of the image's size in MiB, modulo 20: 1 MiB to 512 GiB; it grows to twice that
 *	1 byte	bit 0: make the superblock's checksum right, bit 1: and the descriptors'
 *	bytes	from offset 1024 on: superblock, descriptors, bitmaps ...
 *
 * What grew is read all over: it must not be larger than asked for, read within
 * bounds, and say zero only where it is zero.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content/content.h"
#include "backends/content/ext_geometry.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define START EXT_SUPER_OFFSET
#define HELD  (256 * KiB)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* So that a damaged field can be reached behind the checksums. */
static void seal(uint8_t *fs, unsigned what)
{
	struct disk_ext_super *disk = (struct disk_ext_super *)(fs + START);
	struct image *img = memimage_new(fs, HELD, HELD);
	struct disk_ext_super copy;
	struct ext_super s;

	if (what & 1)
		put_le32(disk->checksum, ext_super_checksum(disk));
	if ((what & 2) && ext_super_read(img, &copy, &s, NULL) == 0 && ext_has_group_csum(&s) &&
	    s.desc_size >= 32 && s.desc_size <= EXT_DESC_SIZE_MAX) {
		size_t at = (s.first_data_block + UINT64_C(1)) * s.block_size;

		for (uint32_t i = 0; i < 64 && at < HELD && range_ok(at, s.desc_size, HELD);
		     i++, at += s.desc_size) {
			struct disk_ext_group *d = (struct disk_ext_group *)(fs + at);

			put_le16(d->checksum, ext_group_checksum(&s, i, d));
		}
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

static void grow(struct image *base, const struct content *c)
{
	uint64_t size = base->size * 2;
	struct map_draft *draft;
	struct image *at_size, *img;
	struct why why;
	int r;

	check(map_seal(map_draft_new(size, base), "fuzz", NULL, &at_size, NULL) == 0);
	draft = map_draft_new(size, at_size);
	check(draft != NULL);
	r = ext_content.grow(at_size, c, &(struct growth){ 0 }, draft, NULL, &why);
	if (r == 0) {
		struct content again;

		check(map_seal(draft, "fuzz", NULL, &img, NULL) == 0);
		check(ext_content.probe(img, &again, NULL) == 0);
		check(again.size > c->size && again.size <= size);
		read_all_over(img);
		image_unref(img);
	} else {
		map_draft_free(draft);
	}
	image_unref(at_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static uint8_t fs[HELD];
	struct content c;
	struct image *base;

	if (count < 2)
		return 0;
	memset(fs, 0, sizeof(fs));
	memcpy(fs + START, bytes + 2, min_u64(count - 2, HELD - START));
	seal(fs, bytes[1]);
	base = memimage_new(fs, sizeof(fs), MiB << bytes[0] % 20);
	if (ext_content.probe(base, &c, NULL) == 0)
		grow(base, &c);
	check(testimage_count(base).bytes < 64 * MiB);
	image_unref(base);
	return 0;
}
