/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhd layout. qemu-img judges sizes and contents (it has no check of vpc), libvhdi
 * does so, too, where it is installed; checksums and the alignment are judged here.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/layout/vhd.h"
#include "base/bytes.h"
#include "tests/unit/layouts.h"
#include "tests/unit/memimage.h"
#include "tests/unit/vhdi.h"

#define BLOCK	 (2 * MiB)
#define DISK_MAX (2040 * GiB)
#define BAT	 1536

static int setup(void **state)
{
	return place_setup(state, "vpc", vhd_layout);
}

static void pread_at(struct image *img, void *buf, size_t count, uint64_t offset)
{
	assert_int_equal(image_pread(img, buf, count, offset, NULL), 0);
}

static uint32_t be32_at(struct image *img, uint64_t offset)
{
	uint8_t buf[4];

	pread_at(img, buf, sizeof(buf), offset);
	return get_be32(buf);
}

/* Of a structure: all its bytes but the checksum's own sum up to its complement. */
static void assert_sum(const uint8_t *bytes, size_t count, size_t at)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += i >= at && i < at + 4 ? 0 : bytes[i];
	assert_int_equal(get_be32(bytes + at), (uint32_t)~sum);
}

/* The footer at the end, the same one at the beginning, and the header. */
static void check_structures(struct image *img, bool fixed)
{
	uint8_t footer[512], copy[512], header[1024];

	pread_at(img, footer, sizeof(footer), img->size - 512);
	assert_memory_equal(footer, "conectix", 8);
	assert_sum(footer, sizeof(footer), 64);
	assert_int_equal(get_be32(footer + 60), fixed ? 2 : 3);
	if (fixed)
		return;
	pread_at(img, copy, sizeof(copy), 0);
	assert_memory_equal(footer, copy, sizeof(footer));
	pread_at(img, header, sizeof(header), 512);
	assert_memory_equal(header, "cxsparse", 8);
	assert_sum(header, sizeof(header), 36);
}

/* Where a guest offset stands in the file, found as a reader of vhd does; 0: nowhere. */
static uint64_t place_of(struct image *img, uint64_t guest)
{
	uint32_t entry = be32_at(img, BAT + 4 * (guest / BLOCK));

	return entry == UINT32_MAX ? 0 : (entry + UINT64_C(1)) * 512 + guest % BLOCK;
}

static void assert_guest_sees(struct image *img, struct image *below, uint64_t guest)
{
	uint64_t at = place_of(img, guest);
	uint8_t have[512] = { 0 }, want[512];

	pread_at(below, want, sizeof(want), guest);
	if (at)
		pread_at(img, have, sizeof(have), at);
	assert_memory_equal(have, want, sizeof(want));
}

/* Blocks are where the format lets them be aligned, and a bitmap of ones precedes each. */
static void check_blocks(struct image *img, uint64_t size, uint64_t align)
{
	uint8_t bitmap[512], ones[512];

	memset(ones, 0xff, sizeof(ones));
	for (uint64_t guest = 0; guest < size; guest += BLOCK) {
		uint64_t at = place_of(img, guest);

		if (at == 0)
			continue;
		assert_int_equal(at % align, 0);
		pread_at(img, bitmap, sizeof(bitmap), at - 512);
		assert_memory_equal(bitmap, ones, sizeof(bitmap));
	}
}

/* All of them. Takes the caller's ref. */
static void judge(const struct place *p, struct image *below)
{
	struct image *img = place_layout(p, below);

	check_structures(img, p->how.fixed);
	if (!p->how.fixed && below->size <= 20 * GiB)
		check_blocks(img, below->size, 64 * KiB);
	place_save(p, img);
	place_check_size(p, align_up(below->size, SECTOR));
	place_compare(p, below);
	image_unref(img);
	image_unref(below);
}

static const uint64_t sizes[] = {
	512,
	1024,
	BLOCK - 512,
	BLOCK,
	BLOCK + 512,
	/* What a sector of the BAT speaks for. */
	256 * MiB - 512,
	256 * MiB,
	256 * MiB + 512,
	/* No geometry has such sizes. */
	GiB + 7 * 512,
	20 * GiB,
	20 * GiB + 512,
	/* Where geometries get longer tracks, and where they end. */
	UINT64_C(65535) * 16 * 63 * 512 - 512,
	UINT64_C(65535) * 16 * 63 * 512,
	UINT64_C(65535) * 16 * 255 * 512,
	UINT64_C(65535) * 16 * 255 * 512 + 512,
	2 * 1000 * GiB + 512,
	DISK_MAX - 512,
	DISK_MAX,
};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void test_empty_disks_of_all_sizes(void **state)
{
	for (size_t i = 0; i < N_SIZES; i++)
		judge(*state, ranges_new(sizes[i], NULL, 0));
}

static void test_data_in_the_last_sector_alone(void **state)
{
	for (size_t i = 0; i < N_SIZES; i++) {
		struct range last = { sizes[i] - 512, 512 };

		judge(*state, ranges_new(sizes[i], &last, 1));
	}
}

static void test_data_at_both_ends(void **state)
{
	for (size_t i = 1; i < N_SIZES; i++) {
		struct range ends[] = { { 0, 512 }, { sizes[i] - 512, 512 } };

		judge(*state, ranges_new(sizes[i], ends, 2));
	}
}

static void test_all_data(void **state)
{
	static const uint64_t all[] = { 512, BLOCK - 512, BLOCK, BLOCK + 512, 20 * BLOCK - 512 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct range whole = { 0, all[i] };

		judge(*state, ranges_new(all[i], &whole, 1));
	}
}

static void test_alternating_blocks(void **state)
{
	judge(*state, alternating_new(40 * BLOCK, BLOCK));
	judge(*state, alternating_new(41 * BLOCK - 512, BLOCK));
	judge(*state, alternating_new(16 * BLOCK, BLOCK / 2));
	judge(*state, alternating_new(4 * BLOCK + 512, 4096));
}

static void test_data_around_the_edge_of_a_sector_of_the_bat(void **state)
{
	static const struct range edges[] = {
		{ 256 * MiB - 512, 512 },	  /* before */
		{ 512 * MiB, 512 },		  /* behind, with a sector between that stays empty */
		{ 768 * MiB - BLOCK, 2 * BLOCK }, /* across */
	};

	for (size_t i = 0; i < 3; i++)
		judge(*state, ranges_new(GiB, &edges[i], 1));
	judge(*state, ranges_new(GiB, edges, 3));
}

static const struct range pieces[] = {
	{ 1, 1 },
	{ 3, 1 },		/* in the same block */
	{ BLOCK + 100, BLOCK }, /* across two */
	{ 2 * BLOCK + 200, 1 }, /* in the second of them */
	{ 5 * BLOCK - 1, 1 },
	{ 5 * BLOCK, 1 }, /* in the next, which makes one run */
	{ 7 * BLOCK - 512, 512 },
	{ 9 * BLOCK + 5, 700 }, /* in the last, which is cut short */
};

#define N_PIECES (sizeof(pieces) / sizeof(pieces[0]))

static void test_pieces_smaller_than_a_block(void **state)
{
	judge(*state, ranges_new(9 * BLOCK + 4096, pieces, N_PIECES));
}

static void test_a_size_off_sectors_is_rounded_up(void **state)
{
	struct place *p = *state;
	const struct range whole = { 0, BLOCK + 1 };

	judge(p, ranges_new(BLOCK + 1, &whole, 1));
	p->how.fixed = true;
	judge(p, ranges_new(BLOCK + 1, &whole, 1));
}

static void test_fixed(void **state)
{
	struct place *p = *state;

	p->how.fixed = true;
	for (size_t i = 0; i < N_SIZES; i++) {
		struct range ends[] = { { 0, 300 }, { sizes[i] - 100, 100 } };

		judge(p, ranges_new(sizes[i], ends, 2));
	}
	judge(p, ranges_new(9 * BLOCK + 4096, pieces, N_PIECES));
}

static void test_fixed_is_the_disk_and_a_footer(void **state)
{
	struct place *p = *state;
	struct image *below = ranges_new(9 * BLOCK + 4096, pieces, N_PIECES), *img;
	uint8_t have[700], want[700];

	p->how.fixed = true;
	img = place_layout(p, below);
	assert_int_equal(img->size, below->size + 512);
	pread_at(img, have, sizeof(have), 9 * BLOCK + 5);
	pread_at(below, want, sizeof(want), 9 * BLOCK + 5);
	assert_memory_equal(have, want, sizeof(want));
	image_unref(img);
	image_unref(below);
}

static void test_second_judge(void **state)
{
	struct place *p = *state;
	const struct range far = { 300 * MiB - 5000, 10000 };

	if (!vhdi_is_there())
		skip();
	judge(p, ranges_new(9 * BLOCK + 4096, pieces, N_PIECES));
	vhdi_compare(p, "dynamic");
	judge(p, alternating_new(40 * BLOCK - 512, BLOCK));
	vhdi_compare(p, "dynamic");
	judge(p, ranges_new(500 * MiB - 512, &far, 1));
	vhdi_compare(p, "dynamic");
	p->how.fixed = true;
	judge(p, ranges_new(9 * BLOCK + 4096, pieces, N_PIECES));
	vhdi_compare(p, "fixed");
}

static void test_refuses_a_disk_above_the_limit(void **state)
{
	struct place *p = *state;

	place_refuses(p, ranges_new(DISK_MAX + 1, NULL, 0), -EOPNOTSUPP, "2040G at most");
	p->how.fixed = true;
	place_refuses(p, ranges_new(DISK_MAX + 512, NULL, 0), -EOPNOTSUPP, "2040G at most");
}

static void test_refuses_a_disk_of_no_bytes(void **state)
{
	place_refuses(*state, ranges_new(0, NULL, 0), -EOPNOTSUPP, "a disk of no bytes");
}

/* Bytes of memory that this process has in use. */
static uint64_t resident(void)
{
	unsigned long all, here;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &here), 2);
	(void)fclose(f);
	return here * sysconf(_SC_PAGESIZE);
}

/* The last entry of the BAT still reaches, with less room between blocks. Memory does not grow with them. */
static void test_the_limit_full_of_data(void **state)
{
	const struct place *p = *state;
	const struct range whole = { 0, DISK_MAX };
	struct image *below = ranges_new(DISK_MAX, &whole, 1), *img;
	uint64_t before = resident(), blocks = 0;
	static const uint64_t at[] = { 0, BLOCK - 512, BLOCK, TiB + 12345 * BLOCK + 512, DISK_MAX - 512 };

	img = place_layout(p, below);
	for (uint64_t offset = 0; offset < img->size;) {
		struct extent e = image_extent(img, offset);

		blocks += e.kind == EXTENT_DATA && e.length == BLOCK;
		offset += e.length;
	}
	assert_int_equal(blocks, DISK_MAX / BLOCK);
	assert_true(resident() < before + 32 * MiB); /* segments would take 100 MB */
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		assert_guest_sees(img, below, at[i]);
		assert_int_equal((place_of(img, at[i]) - at[i] % BLOCK) % 4096, 0);
	}
	assert_int_equal(place_of(img, DISK_MAX - 512) + 1024, img->size);
	assert_true(img->size <= UINT64_C(512) * UINT32_MAX);
	check_structures(img, false);
	place_save_head(p, img, BAT + 4 * DISK_MAX / BLOCK);
	place_check_size(p, DISK_MAX);
	image_unref(img);
	image_unref(below);
}

/* The most blocks that can be aligned to 64 KiB are; with one more, none is. */
static void test_alignment_gives_way_only_at_the_limit(void **state)
{
	const struct place *p = *state;
	struct range most = { 0, 0 };
	uint64_t blocks = 1016000;

	for (;; blocks++) {
		struct image *below, *img;
		bool aligned;

		most.length = blocks * BLOCK;
		below = ranges_new(most.length, &most, 1);
		img = place_layout(p, below);
		aligned = place_of(img, 0) % (64 * KiB) == 0 && place_of(img, BLOCK) % (64 * KiB) == 0;
		assert_guest_sees(img, below, most.length - 512);
		image_unref(img);
		image_unref(below);
		if (!aligned)
			break;
	}
	/* The last file that was aligned ended less than a block before the end of what can be addressed. */
	assert_true(blocks * (BLOCK + 64 * KiB) > UINT64_C(512) * UINT32_MAX - 8 * MiB);
	assert_true((blocks - 1) * (BLOCK + 64 * KiB) < UINT64_C(512) * UINT32_MAX);
}

/* Every second block: the most runs that there can be. */
static void test_the_limit_in_fragments(void **state)
{
	const struct place *p = *state;
	struct image *below = alternating_new(DISK_MAX, BLOCK), *img;
	uint64_t before = resident();

	img = place_layout(p, below);
	assert_true(resident() < before + 64 * MiB);
	for (uint64_t at = 0; at < DISK_MAX; at += 37 * GiB - 3 * BLOCK + 512) {
		assert_guest_sees(img, below, at);
		assert_int_equal(place_of(img, at) == 0, at / BLOCK % 2);
	}
	place_save_head(p, img, BAT + 4 * DISK_MAX / BLOCK);
	place_check_size(p, DISK_MAX);
	image_unref(img);
	image_unref(below);
}

static void geometry_of(struct image *img, uint8_t ret[4])
{
	pread_at(img, ret, 4, img->size - 512 + 56);
}

/* QEMU's own is the same where a disk is a whole number of cylinders: it rounds others up. */
static void test_geometry_is_that_of_the_specification(void **state)
{
	const struct place *p = *state;
	static const struct {
		uint64_t cylinders, heads, sectors;
	} known[] = {
		{ 1, 4, 17 },	  { 1023, 4, 17 },  { 1023, 5, 17 },   { 1023, 16, 17 },  { 1000, 16, 31 },
		{ 1023, 16, 31 }, { 2080, 16, 63 }, { 41610, 16, 63 }, { 65534, 16, 63 }, { 20000, 16, 255 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint64_t size = known[i].cylinders * known[i].heads * known[i].sectors * 512;
		struct image *below = ranges_new(size, NULL, 0), *img = place_layout(p, below);
		uint8_t have[4], want[4];
		_cleanup_close_ int fd = -1;

		geometry_of(img, have);
		assert_int_equal(get_be16(have), known[i].cylinders);
		assert_int_equal(have[2], known[i].heads);
		assert_int_equal(have[3], known[i].sectors);
		free(run("qemu-img create -f vpc %s %" PRIu64 " 2>&1", p->file, size));
		fd = open(p->file, O_RDONLY | O_CLOEXEC);
		assert_int_equal(pread(fd, want, sizeof(want), 56), sizeof(want));
		assert_memory_equal(have, want, sizeof(want));
		image_unref(img);
		image_unref(below);
	}
}

/* Nothing depends on when or where it was made. */
static void test_identifiers_are_those_of_the_goal(void **state)
{
	struct place *p = *state;
	struct image *below = ranges_new(MiB, NULL, 0), *img = place_layout(p, below), *other;
	uint8_t footer[512], again[512];

	pread_at(img, footer, sizeof(footer), 0);
	assert_int_equal(get_be32(footer + 24), 0);
	assert_int_equal(footer[68 + 6] >> 4, 4);
	image_unref(img);
	p->how.seed = "another";
	other = place_layout(p, below);
	pread_at(other, again, sizeof(again), 0);
	assert_memory_not_equal(footer + 68, again + 68, 16);
	image_unref(other);
	image_unref(below);
}

static void test_same_bytes_twice(void **state)
{
	struct place *p = *state;

	place_same_twice(p, ranges_new(9 * BLOCK + 4096, pieces, N_PIECES),
			 ranges_new(9 * BLOCK + 4096, pieces, N_PIECES));
	p->how.fixed = true;
	place_same_twice(p, ranges_new(9 * BLOCK + 4096, pieces, N_PIECES),
			 ranges_new(9 * BLOCK + 4096, pieces, N_PIECES));
}

static void test_file_is_no_longer_than_it_needs(void **state)
{
	static const struct range some[] = { { 0, 512 }, { 9 * BLOCK, 512 } };
	struct image *below = ranges_new(GiB, some, 2), *img = place_layout(*state, below);

	/* Head and first bitmap in 64 KiB, a block, the gap with its bitmap, a block, the footer. */
	assert_int_equal(img->size, 2 * (64 * KiB + BLOCK) + 512);
	image_unref(img);
	image_unref(below);
}

static void test_describes_itself(void **state)
{
	const struct range some = { 0, 288 * BLOCK };
	struct image *below = ranges_new(20 * GiB, &some, 1), *img = place_layout(*state, below);
	_cleanup_free_ char *said = described(img);

	assert_string_equal(said, "    vhd: 288 of 10240 blocks allocated, file of 594M\n");
	image_unref(img);
	image_unref(below);
}

/* What one host has seen to be zero changes neither the size nor a byte. */
static void test_seen_zeros_do_not_change_the_layout(void **state)
{
	static const struct range fresh[] = { { 0, 512 }, { 2 * BLOCK, 4 * BLOCK } };
	static const struct range seen[] = {
		{ 0, 512 },
		{ 2 * BLOCK, 512, EXTENT_SEEN_ZERO },
		{ 2 * BLOCK + 512, BLOCK },
		{ 3 * BLOCK + 512, 3 * BLOCK - 512, EXTENT_SEEN_ZERO },
	};
	struct image *below = ranges_new(9 * BLOCK, seen, 4), *img = place_layout(*state, below);
	struct image *fresh_below = ranges_new(9 * BLOCK, fresh, 2);
	struct image *fresh_img = place_layout(*state, fresh_below);
	uint64_t data = place_of(img, 0);
	_cleanup_free_ uint8_t *a = malloc(data), *b = malloc(data);

	assert_int_equal(img->size, fresh_img->size);
	pread_at(img, a, data, 0);
	pread_at(fresh_img, b, data, 0);
	assert_memory_equal(a, b, data);
	image_unref(fresh_img);
	image_unref(fresh_below);
	image_unref(img);
	judge(*state, below);
}

static void test_extents_are_those_of_the_disk(void **state)
{
	static const struct range some[] = {
		{ 0, 512 },
		{ BLOCK, BLOCK },
		{ 2 * BLOCK, BLOCK, EXTENT_SEEN_ZERO },
		{ 9 * BLOCK, 512 },
	};
	static const struct extent want[] = {
		{ 2048, EXTENT_DATA }, /* footer, header, BAT */
		{ 61 * KiB + 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },
		{ 512, EXTENT_DATA },
		{ BLOCK - 512, EXTENT_ZERO },
		{ 63 * KiB + 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },
		{ BLOCK, EXTENT_DATA },
		{ 63 * KiB + 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },
		{ BLOCK, EXTENT_SEEN_ZERO },
		{ 63 * KiB + 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },
		{ 512, EXTENT_DATA },
		{ 512, EXTENT_ZERO },	       /* of the disk */
		{ BLOCK - 1024, EXTENT_ZERO }, /* behind its end */
		{ 512, EXTENT_DATA },	       /* the footer */
	};
	struct image *below = ranges_new(9 * BLOCK + 1024, some, 4), *img = place_layout(*state, below);
	uint64_t at = 0;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct extent e = image_extent(img, at);

		assert_int_equal(e.kind, want[i].kind);
		assert_int_equal(e.length, want[i].length);
		at += e.length;
	}
	assert_int_equal(at, img->size);
	image_unref(img);
	image_unref(below);
}

static void test_reads_at_any_offset_and_length(void **state)
{
	struct place *p = *state;
	struct image *below = ranges_new(9 * BLOCK + 4096, pieces, N_PIECES), *img = place_layout(p, below);

	check_reads(img, 64 * KiB);
	image_unref(img);
	p->how.fixed = true;
	img = place_layout(p, below);
	check_reads(img, 64 * KiB);
	image_unref(img);
	image_unref(below);
}

/* An image that tells what it was asked. */
struct asked {
	struct image image;
	uint64_t hinted[8];
	size_t n;
	uint64_t away; /* this byte is not here */
};

static int asked_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	memset(buf, 1, count);
	return offset == 0 ? fail(why, -EIO, "no first byte") : 0;
}

static int asked_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	*ret = (struct backing){ .fd = 0, .offset = offset, .length = img->size - offset };
	return 0;
}

static void asked_hint(struct image *img, uint64_t offset, uint64_t length)
{
	struct asked *a = (struct asked *)img;

	assert_true(a->n + 2 <= sizeof(a->hinted) / sizeof(a->hinted[0]));
	a->hinted[a->n++] = offset;
	a->hinted[a->n++] = length;
}

static bool asked_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	const struct asked *a = (const struct asked *)img;

	return a->away < offset || a->away >= offset + length;
}

static const struct image_ops asked_ops = {
	.name = "asked",
	.pread = asked_pread,
	.backing = asked_backing,
	.hint = asked_hint,
	.is_here = asked_is_here,
};

static void test_questions_are_handed_on(void **state)
{
	struct asked *a = calloc(1, sizeof(*a));
	const uint64_t first = 64 * KiB, second = 2 * 64 * KiB + BLOCK;
	static const uint64_t hints[] = { BLOCK - 10, 10, BLOCK, 20 };
	struct backing b;
	struct image *img;
	struct why why;
	uint8_t byte;

	assert_non_null(a);
	image_init(&a->image, &asked_ops, 2 * BLOCK + 512, NULL);
	a->away = BLOCK + 5;
	img = place_layout(*state, &a->image);
	assert_int_equal(image_backing(img, 0, &b), -ENODATA);
	assert_int_equal(image_backing(img, second - 1, &b), -ENODATA); /* a bitmap */
	assert_int_equal(image_backing(img, second + 5, &b), 0);
	assert_int_equal(b.offset, BLOCK + 5);
	assert_int_equal(b.length, BLOCK - 5);
	assert_int_equal(image_backing(img, img->size - 512, &b), -ENODATA);
	image_hint(img, second - 64 * KiB - 10, 64 * KiB + 30);
	assert_int_equal(a->n, 4);
	assert_memory_equal(a->hinted, hints, sizeof(hints));
	assert_true(image_is_here(img, 0, second + 5));
	assert_false(image_is_here(img, 0, second + 6));
	assert_true(image_is_here(img, second + 6, img->size - second - 6));
	assert_int_equal(image_pread(img, &byte, 1, first, &why), -EIO);
	assert_string_equal(why.text, "no first byte");
	image_unref(img);
	image_unref(&a->image);
}

/* A copy is as good as any vhd: a guest can write to it. */
static void test_a_copy_can_be_written_to(void **state)
{
	const struct place *p = *state;
	static const struct range some[] = { { 0, 700 }, { 300 * MiB, BLOCK } };
	struct image *below = ranges_new(GiB + 512, some, 2), *img = place_layout(p, below);

	place_save(p, img);
	free(run("qemu-io -f vpc -c 'write -P 7 512 512' -c 'write -P 8 299M 4M' -c 'write -P 9 900M 64k' "
		 "-c 'read -P 7 512 512' -c 'read -P 8 299M 4M' -c 'read -P 9 900M 64k' %s 2>&1",
		 p->file));
	place_check_size(p, GiB + 512);
	image_unref(img);
	image_unref(below);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_disks_of_all_sizes),
		TEST(test_data_in_the_last_sector_alone),
		TEST(test_data_at_both_ends),
		TEST(test_all_data),
		TEST(test_alternating_blocks),
		TEST(test_data_around_the_edge_of_a_sector_of_the_bat),
		TEST(test_pieces_smaller_than_a_block),
		TEST(test_a_size_off_sectors_is_rounded_up),
		TEST(test_fixed),
		TEST(test_fixed_is_the_disk_and_a_footer),
		TEST(test_second_judge),
		TEST(test_refuses_a_disk_above_the_limit),
		TEST(test_refuses_a_disk_of_no_bytes),
		TEST(test_the_limit_full_of_data),
		TEST(test_alignment_gives_way_only_at_the_limit),
		TEST(test_the_limit_in_fragments),
		TEST(test_geometry_is_that_of_the_specification),
		TEST(test_identifiers_are_those_of_the_goal),
		TEST(test_same_bytes_twice),
		TEST(test_file_is_no_longer_than_it_needs),
		TEST(test_describes_itself),
		TEST(test_seen_zeros_do_not_change_the_layout),
		TEST(test_extents_are_those_of_the_disk),
		TEST(test_reads_at_any_offset_and_length),
		TEST(test_questions_are_handed_on),
		TEST(test_a_copy_can_be_written_to),
	};

	return cmocka_run_group_tests_name("vhd", tests, NULL, NULL);
}
