/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes, grows, moves and thins out a FAT or an exFAT at the beginning of an otherwise
 * empty image. The input is:
 *
 *	1 byte	log2 of the image's size in MiB, modulo 20: 1 MiB to 512 GiB; it grows to twice that
 *	bytes	from offset 0 on
 *
 * The same is done with single bytes of it changed, since few of what a fuzzer would try
 * are replayed. What comes of it is read all over.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content/content.h"
#include "backends/content/fat/disk.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define HELD	 (256 * KiB)
#define VARIANTS 300

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void read_all_over(struct image *img)
{
	static uint8_t buf[64 * KiB];
	uint64_t at = 0;

	for (int i = 0; i < 50 && at < img->size; i++) {
		struct extent e = image_extent(img, at);
		size_t n = min_u64(e.length, sizeof(buf));

		check(image_pread(img, buf, n, at, NULL) == 0);
		check(e.kind != EXTENT_ZERO || bytes_are_zero(buf, n));
		at += e.length;
	}
}

/* A draft over the image becomes what is read all over, or nothing on an error. */
static void finish(struct map_draft *draft, int r, struct image **ret)
{
	if (r != 0) {
		map_draft_free(draft);
		return;
	}
	check(map_seal(draft, "fuzz", NULL, ret, NULL) == 0);
	read_all_over(*ret);
}

static void grow(struct image *base, const struct content *c)
{
	_cleanup_(image_unrefp) struct image *at_size = NULL, *img = NULL;
	uint64_t size = base->size * 2;
	struct map_draft *draft;
	struct why why = { "" };
	struct fat old, f;
	uint8_t boot[FAT_BOOT_SIZE];

	check(map_seal(map_draft_new(size, base), "fuzz", NULL, &at_size, NULL) == 0);
	draft = map_draft_new(size, at_size);
	check(draft != NULL);
	finish(draft, c->ops->grow(at_size, c, &(struct growth){ 0 }, draft, NULL, &why), &img);
	if (!img)
		return;
	check(fat_read(at_size, &old, boot, NULL) == 0 && fat_read(img, &f, boot, NULL) == 0);
	check(f.clusters > old.clusters && f.sectors * f.sector <= size);
}

static void thin_out(struct image *base, const struct content *c)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct map_draft *draft = map_draft_new(base->size, base);
	struct why why = { "" };
	struct unused u;
	int r;

	check(draft != NULL);
	unused_begin(&u, draft, 0);
	r = c->ops->unused(base, c, &u, &why);
	check(r == 0 || why.text[0]);
	unused_end(&u);
	finish(draft, r, &img);
}

static void move(struct image *base, const struct content *c)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct map_draft *draft = map_draft_new(base->size, base);
	struct why why = { "" };
	int r;

	check(draft != NULL);
	r = c->ops->move(base, c, MiB, 5 * GiB, draft, &why);
	check(r == 0 || why.text[0]);
	finish(draft, r, &img);
}

static void try(const uint8_t *fs, uint64_t size)
{
	_cleanup_(image_unrefp) struct image *base = memimage_new(fs, HELD, size);
	struct content c;

	if (content_probe(base, &c, NULL) != 0)
		return;
	if (c.ops == &fat_content) {
		grow(base, &c);
		thin_out(base, &c);
	}
	if (c.ops == &fat_content || c.ops == &exfat_content)
		move(base, &c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static uint8_t fs[HELD];
	uint64_t dice = 88172645463325252u, size;

	if (count < 2)
		return 0;
	size = MiB << bytes[0] % 20;
	memset(fs, 0, sizeof(fs));
	memcpy(fs, bytes + 1, min_u64(count - 1, HELD));
	try(fs, size);
	for (int i = 0; i < VARIANTS; i++) {
		size_t at;
		uint8_t before;

		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		/* Half of them in what says where everything is. */
		at = dice % (i % 2 ? 128 : count);
		before = fs[at];
		fs[at] = (uint8_t)(dice >> 32);
		try(fs, size);
		fs[at] = before;
	}
	return 0;
}
