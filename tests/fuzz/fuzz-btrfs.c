/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes and grows a btrfs, and asks what it doesn't use. The input is:
 *
 *	1 byte	log2 of the image's size in MiB, modulo 20: 1 MiB to 512 GiB; it grows to twice that
 *	1 byte	bit 0: make the superblock's checksum right, bit 1: and those of the nodes
 *	pieces	what isn't zero: 4 bytes sector, 2 bytes n (little-endian), n sectors of 512 bytes
 *
 * What is told to be unused must lie inside the filesystem, and what grew must read
 * within bounds, and say zero only where it is zero.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content/btrfs/super.h"
#include "backends/content/content.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static struct image *finish(struct map_draft *draft)
{
	struct image *img;

	check(map_seal(draft, "fuzz", NULL, &img, NULL) == 0);
	return img;
}

/* Calls `each` for every piece that lies in the image. */
static void for_pieces(struct span input, uint64_t size,
		       void (*each)(void *arg, uint64_t at, struct span bytes), void *arg)
{
	uint32_t sector;
	uint16_t n;
	struct span piece;

	while (span_take_le32(&input, &sector) == 0 && span_take_le16(&input, &n) == 0) {
		piece.len = min_u64(n * SECTOR, input.len);
		if (span_take(&input, piece.len, &piece.p) == 0 && range_ok(sector * SECTOR, piece.len, size))
			each(arg, sector * SECTOR, piece);
	}
}

static void paint_piece(void *arg, uint64_t at, struct span bytes)
{
	map_draft_bytes(arg, at, bytes.p, bytes.len);
}

struct sealing {
	struct image *img;
	struct map_draft *draft; /* over it */
	const struct btrfs_super *super;
};

static void seal_block(const struct sealing *s, uint64_t at, size_t count)
{
	static uint8_t block[BTRFS_NODE_MAX];

	if (!range_ok(at, count, s->img->size))
		return;
	check(image_pread(s->img, block, count, at, NULL) == 0);
	check(btrfs_checksum(s->super->checksum_type, block, count, block, NULL) == 0);
	map_draft_bytes(s->draft, at, block, BTRFS_CHECKSUM_SIZE);
}

/* A node begins where a piece does. */
static void seal_node(void *arg, uint64_t at, struct span bytes)
{
	if (at != BTRFS_SUPER_AT && at % 4096 == 0)
		seal_block(arg, at, ((struct sealing *)arg)->super->nodesize);
}

/* So that a damaged field can be reached behind the checksums. Takes the image over. */
static struct image *seal(struct image *img, struct span pieces, unsigned what)
{
	struct btrfs_super super = { 0 };
	struct disk_btrfs_super disk;
	struct sealing s = { .super = &super };

	if ((what & 1) && range_ok(BTRFS_SUPER_AT, sizeof(disk), img->size)) {
		check(image_pread(img, &disk, sizeof(disk), BTRFS_SUPER_AT, NULL) == 0);
		super.checksum_type = get_le16(disk.checksum_type) % 4;
		s.img = img;
		s.draft = map_draft_new(img->size, img);
		seal_block(&s, BTRFS_SUPER_AT, sizeof(disk));
		img = finish(s.draft);
		image_unref(s.img);
	}
	if ((what & 2) && btrfs_super_read(img, &disk, &super, NULL) == 0) {
		s.img = img;
		s.draft = map_draft_new(img->size, img);
		for_pieces(pieces, img->size, seal_node, &s);
		img = finish(s.draft);
		image_unref(s.img);
	}
	return img;
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
	uint64_t size = base->size * 2;
	struct image *at_size = finish(map_draft_new(size, base)), *img;
	struct map_draft *draft = map_draft_new(size, at_size);
	struct why why = { "" };
	int r = btrfs_content.grow(at_size, c, &(struct growth){ 0 }, draft, NULL, &why);

	if (r == 0) {
		struct content again;

		img = finish(draft);
		check(btrfs_content.probe(img, &again, NULL) == 0);
		check(again.size > c->size && again.size <= size);
		read_all_over(img);
		image_unref(img);
	} else {
		check(r == CONTENT_FITS || why.text[0]);
		map_draft_free(draft);
	}
	image_unref(at_size);
}

static void tell_unused(struct image *base, const struct content *c)
{
	struct map_draft *draft = map_draft_new(base->size, base);
	struct why why = { "" };
	struct image *img;
	struct unused u;
	int r;

	unused_begin(&u, draft, 0);
	r = btrfs_content.unused(base, c, &u, &why);
	unused_end(&u);
	check(u.end <= c->size);
	if (r == 0) {
		struct content again;

		check(u.bytes <= c->size);
		img = finish(draft);
		check(btrfs_content.probe(img, &again, NULL) == 0);
		read_all_over(img);
		image_unref(img);
	} else {
		check(r < 0 && why.text[0]);
		map_draft_free(draft);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct span pieces = { bytes + 2, count - 2 };
	struct map_draft *draft;
	struct image *base;
	struct content c;

	if (count < 2)
		return 0;
	draft = map_draft_new(MiB << bytes[0] % 20, NULL);
	for_pieces(pieces, map_draft_size(draft), paint_piece, draft);
	base = seal(finish(draft), pieces, bytes[1]);
	if (btrfs_content.probe(base, &c, NULL) == 0) {
		grow(base, &c);
		tell_unused(base, &c);
	}
	image_unref(base);
	return 0;
}
