/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes and grows what stands at the beginning of an otherwise empty image, and
 * looks for what of it is unused. The input is:
 *
 *	1 byte	log2 of the image's size in MiB, modulo 20: 1 MiB to 512 GiB; it grows to twice that
 *	1 byte	bit 0: make the superblock's checksum right, bit 1: and the descriptors', bit 2:
 *		and those of inodes and of all that looks like a part of a journal
 *	bytes	from offset 1024 on: superblock, descriptors, bitmaps, a journal ...
 *
 * What grew is read all over: it must not be larger than asked for, read within
 * bounds, and say zero only where it is zero. What is unused must lie inside.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content/content.h"
#include "backends/content/ext/geometry.h"
#include "backends/content/ext/jbd2_disk.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "tests/unit/memimage.h"

#define START EXT_SUPER_OFFSET
#define HELD  (256 * KiB)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void put_csum(uint8_t *block, uint32_t size, uint32_t at, uint32_t seed)
{
	put_be32(block + at, 0);
	put_be32(block + at, crc32c(seed, block, size));
}

/* With the first superblock's UUID: an image has one journal. Those of the data stay as they are. */
static void seal_journal(uint8_t *fs, uint32_t block_size)
{
	const uint8_t *uuid = NULL;

	for (size_t at = 0; at + block_size <= HELD; at += block_size) {
		struct disk_jbd2_header *disk = (struct disk_jbd2_header *)(fs + at);
		uint32_t type = get_be32(disk->type), seed;

		if (get_be32(disk->magic) != JBD2_MAGIC)
			continue;
		if (type == JBD2_SUPER_V2 && !uuid) {
			uuid = ((struct disk_jbd2_super *)disk)->uuid;
			put_csum(fs + at, 1024, offsetof(struct disk_jbd2_super, checksum), ~0u);
		}
		seed = uuid ? crc32c(~0u, uuid, 16) : 0;
		if (type == JBD2_COMMIT)
			put_csum(fs + at, block_size, offsetof(struct disk_jbd2_commit, checksum), seed);
		else if (type == JBD2_DESCRIPTOR || type == JBD2_REVOKE)
			put_csum(fs + at, block_size, block_size - JBD2_TAIL_SIZE, seed);
	}
}

/* Of the inodes that are looked at: the reserve's, the journal's. */
static void seal_inodes(uint8_t *fs, const struct ext_super *s)
{
	size_t descs = (s->first_data_block + UINT64_C(1)) * s->block_size, at;
	const struct disk_ext_group *d = (const struct disk_ext_group *)(fs + descs);

	if (!range_ok(descs, sizeof(*d), HELD) || s->inode_size < EXT_INODE_SIZE_MIN || s->inode_size > 4096)
		return;
	at = get_le32(d->inode_table_lo) * (size_t)s->block_size;
	for (uint32_t i = 1; i <= 8 && range_ok(at, s->inode_size, HELD); i++, at += s->inode_size) {
		struct disk_ext_inode *inode = (struct disk_ext_inode *)(fs + at);
		uint32_t csum = ext_inode_checksum(s, i, inode);

		put_le16(inode->checksum_lo, (uint16_t)csum);
		if (ext_inode_has_checksum_hi(s, inode))
			put_le16(inode->checksum_hi, (uint16_t)(csum >> 16));
	}
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
	if ((what & 4) && ext_super_read(img, &copy, &s, NULL) == 0) {
		seal_inodes(fs, &s);
		seal_journal(fs, s.block_size);
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

static void sparsify(struct image *base, const struct content *c)
{
	struct map_draft *draft = map_draft_new(base->size, base);
	struct image *img;
	struct unused u;
	struct why why;

	check(draft != NULL);
	unused_begin(&u, draft, 0);
	if (ext_content.unused(base, c, &u, &why) < 0) {
		map_draft_free(draft);
		return;
	}
	unused_end(&u);
	check(map_seal(draft, "fuzz", NULL, &img, NULL) == 0);
	read_all_over(img);
	image_unref(img);
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
	if (ext_content.probe(base, &c, NULL) == 0) {
		grow(base, &c);
		check(testimage_count(base).bytes < 96 * MiB);
		sparsify(base, &c);
	}
	image_unref(base);
	return 0;
}
