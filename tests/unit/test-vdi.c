/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vdi layout, judged by qemu-img: each disk is written out as the layout and as
 * raw, checked, and compared.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/layout/runs.h"
#include "backends/layout/vdi.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "tests/unit/layouts.h"

#define BLOCK MiB
#define LIMIT (UINT64_C(0x1fffff80) * BLOCK)

#define ENTRY_ZERO 0xfffffffe

static int setup(void **state)
{
	return place_setup(state, "vdi", vdi_layout);
}

static uint32_t le32_at(struct image *img, uint64_t offset)
{
	uint8_t buf[4];

	assert_int_equal(image_pread(img, buf, sizeof(buf), offset, NULL), 0);
	return get_le32(buf);
}

/* Where the data of a guest offset stands, found the way a reader of vdi does; 0 when it is not allocated. */
static uint64_t place_of(struct image *img, uint64_t guest)
{
	uint32_t entry = le32_at(img, le32_at(img, 0x154) + guest / BLOCK * 4);

	return entry == ENTRY_ZERO ? 0 : le32_at(img, 0x158) + entry * BLOCK + guest % BLOCK;
}

static void assert_guest_sees(struct image *img, struct image *below, uint64_t guest)
{
	uint64_t at = place_of(img, guest);
	uint8_t have[512] = { 0 }, want[512];

	assert_int_equal(image_pread(below, want, sizeof(want), guest, NULL), 0);
	if (at)
		assert_int_equal(image_pread(img, have, sizeof(have), at, NULL), 0);
	assert_memory_equal(have, want, sizeof(want));
}

/* 128 entries are a sector of the map, and 262016 all that stand before 1 MiB. */
static const uint64_t sizes[] = {
	512,	     BLOCK - 512,	BLOCK,	  BLOCK + 512,	  128 * BLOCK - 512,
	128 * BLOCK, 128 * BLOCK + 512, 20 * GiB, 262016 * BLOCK, 262016 * BLOCK + 512,
	2 * TiB,
};

static void test_empty_disks_of_all_sizes(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		place_judge(*state, ranges_new(sizes[i], NULL, 0));
}

static void test_data_at_both_ends(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct range ends[] = { { 0, 1 }, { sizes[i] - 511, 511 } };

		place_judge(*state, ranges_new(sizes[i], ends, 2));
	}
}

static void test_all_data(void **state)
{
	static const uint64_t all[] = { 512, BLOCK - 512, BLOCK, BLOCK + 512, 130 * BLOCK - 512 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct range whole = { 0, all[i] };

		place_judge(*state, ranges_new(all[i], &whole, 1));
	}
}

static void test_fragmented(void **state)
{
	place_judge(*state, alternating_new(300 * BLOCK + 512, BLOCK));
	place_judge(*state, alternating_new(50 * BLOCK, 64 * KiB));
	place_judge(*state, alternating_new(50 * BLOCK - 512, 5 * BLOCK / 2));
}

static void test_blocks_stand_in_order_from_a_multiple_of_their_size(void **state)
{
	static const struct range some[] = { { BLOCK, 1 }, { 5 * BLOCK, 2 * BLOCK }, { 20 * GiB - 512, 512 } };
	struct image *below = ranges_new(20 * GiB, some, 3), *img = place_layout(*state, below);

	assert_int_equal(place_of(img, 0), 0);
	assert_int_equal(place_of(img, BLOCK), BLOCK);
	assert_int_equal(place_of(img, 5 * BLOCK), 2 * BLOCK);
	assert_int_equal(place_of(img, 6 * BLOCK), 3 * BLOCK);
	assert_int_equal(place_of(img, 20 * GiB - BLOCK), 4 * BLOCK);
	assert_int_equal(img->size, 5 * BLOCK);
	image_unref(img);
	image_unref(below);
}

static void test_fixed_has_all_blocks(void **state)
{
	struct place *p = *state;

	p->how.fixed = true;
	for (size_t i = 0; i < 8; i++) {
		struct range ends[] = { { 0, 1 }, { sizes[i] - 511, 511 } };
		struct image *below = ranges_new(sizes[i], ends, 2), *img = place_layout(p, below);

		assert_int_equal(img->size, BLOCK + align_up(sizes[i], BLOCK));
		assert_int_equal(le32_at(img, 0x4c), 2);
		assert_int_equal(place_of(img, sizes[i] - 512), BLOCK + sizes[i] - 512);
		image_unref(img);
		place_judge(p, below);
	}
}

/* The zeros of a fixed file are holes, and no memory. */
static void test_fixed_is_sparse(void **state)
{
	struct place *p = *state;
	static const struct range some[] = { { 0, 512 }, { 40 * GiB, BLOCK } };
	struct image *below = ranges_new(2 * TiB, some, 2), *img;
	struct map_figures figures;

	p->how.fixed = true;
	img = place_layout(p, below);
	assert_int_equal(image_data_bytes(img), 512 + 8 * MiB + 512 + BLOCK);
	assert_true(map_figures(img, &figures));
	assert_in_range(figures.memory, 1, KiB);
	image_unref(img);
	image_unref(below);
}

static void test_64_tebibytes(void **state)
{
	const struct place *p = *state;
	static const struct range some[] = { { 0, 1 }, { 33 * TiB, 3 * BLOCK }, { 64 * TiB - 512, 512 } };
	struct image *below = ranges_new(64 * TiB, some, 3), *img = place_layout(p, below);
	struct map_figures figures;

	place_save(p, img);
	place_check(p);
	place_check_size(p, 64 * TiB);
	place_check_byte(p, 0, ranges_byte(0));
	place_check_byte(p, 1, 0);
	place_check_byte(p, 33 * TiB + 3 * BLOCK - 1, ranges_byte(33 * TiB + 3 * BLOCK - 1));
	place_check_byte(p, 64 * TiB - 1, ranges_byte(64 * TiB - 1));
	assert_true(map_figures(img, &figures));
	assert_in_range(figures.memory, 1, KiB);
	image_unref(img);
	image_unref(below);
}

static void test_full_at_the_limit(void **state)
{
	const struct range whole = { 0, LIMIT };
	struct image *below = ranges_new(LIMIT, &whole, 1), *img = place_layout(*state, below);
	static const uint64_t at[] = { 0, BLOCK - 512, 33 * TiB + 12345 * BLOCK + 512, LIMIT - 512 };
	struct map_figures figures;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		assert_guest_sees(img, below, at[i]);
	assert_int_equal(place_of(img, LIMIT - BLOCK) + BLOCK, img->size);
	assert_true(map_figures(img, &figures));
	assert_in_range(figures.memory, 1, KiB);
	image_unref(img);
	image_unref(below);
}

/* QEMU holds all of the map, 2 GiB, in memory; the file has a hole in place of it. */
static void test_qemu_opens_the_limit(void **state)
{
	const struct place *p = *state;
	struct image *below = ranges_new(LIMIT, NULL, 0), *img = place_layout(p, below);
	_cleanup_free_ char *free_kib = run("sed -n 's/^MemAvailable: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo");

	if (strtoull(free_kib, NULL, 10) < 4 * MiB) {
		image_unref(img);
		image_unref(below);
		print_message("less than 4 GiB of memory are free\n");
		skip();
	}
	place_save_head(p, img, 512);
	place_check_size(p, LIMIT);
	image_unref(img);
	image_unref(below);
}

static void test_refuses_a_disk_above_the_limit(void **state)
{
	place_refuses(*state, ranges_new(LIMIT + 512, NULL, 0), -EOPNOTSUPP,
		      "a vdi file holds a disk of 536870784M at most");
}

static void test_refuses_a_disk_of_no_bytes(void **state)
{
	place_refuses(*state, ranges_new(0, NULL, 0), -EOPNOTSUPP, "no bytes");
}

static void test_a_size_off_sectors_is_rounded_up(void **state)
{
	const struct range whole = { 0, BLOCK + 1 };

	place_judge(*state, ranges_new(BLOCK + 1, &whole, 1));
}

/* More runs than are held: the shortest holes are allocated, and still read as zeros. */
static void test_more_runs_than_fit(void **state)
{
	const uint64_t size = (2 * RUNS_MAX + 2) * BLOCK;
	struct image *below = alternating_new(size, BLOCK), *img = place_layout(*state, below);
	_cleanup_free_ char *said = described(img);
	struct map_figures figures;

	assert_says(said, "1048577 of 1048578 blocks allocated");
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 3); /* tables, the hole behind them, and all the rest */
	for (uint64_t at = 0; at < size; at += TiB / 10 + 512)
		assert_guest_sees(img, below, align_down(at, 512));
	assert_int_equal(image_extent(img, place_of(img, BLOCK)).kind, EXTENT_ZERO);
	image_unref(img);
	image_unref(below);
}

static void test_describes_itself(void **state)
{
	const struct range some = { 0, 575 * BLOCK };
	struct image *below = ranges_new(20 * GiB, &some, 1), *img = place_layout(*state, below);
	_cleanup_free_ char *said = described(img);

	assert_string_equal(said, "    vdi: 575 of 20480 blocks allocated, file of 576M\n");
	image_unref(img);
	image_unref(below);
}

/* What VirtualBox wants of a header, and QEMU doesn't mind. */
static void test_header_as_virtualbox_wants_it(void **state)
{
	static const uint8_t none[16];
	struct image *below = ranges_new(GiB, NULL, 0), *img = place_layout(*state, below);
	uint8_t header[512];

	assert_int_equal(image_pread(img, header, sizeof(header), 0, NULL), 0);
	assert_int_equal(get_le32(header + 0x40), 0xbeda107f);
	assert_int_equal(get_le32(header + 0x44), 0x00010001);
	assert_int_equal(get_le32(header + 0x48), 400);
	assert_int_equal(get_le32(header + 0x4c), 1);
	assert_int_equal(get_le32(header + 0x168), 1024 - 512); /* of the old geometry */
	assert_int_equal(get_le32(header + 0x1d4), 512);	/* and of the new one */
	assert_memory_not_equal(header + 0x188, none, 16);
	assert_memory_not_equal(header + 0x198, none, 16);
	assert_memory_not_equal(header + 0x188, header + 0x198, 16);
	assert_memory_equal(header + 0x1a8, none, 16);
	assert_memory_equal(header + 0x1b8, none, 16);
	/* Version 4, which is a little-endian number in the file. */
	assert_int_equal(header[0x188 + 7] >> 4, 4);
	assert_int_equal(header[0x188 + 8] >> 6, 2);
	image_unref(img);
	image_unref(below);
}

static void uuid_for(struct place *p, const char *seed, uint64_t size, uint8_t *ret)
{
	struct image *below = ranges_new(size, NULL, 0), *img;

	p->how.seed = seed;
	img = place_layout(p, below);
	assert_int_equal(image_pread(img, ret, 16, 0x188, NULL), 0);
	image_unref(img);
	image_unref(below);
}

static void test_each_goal_has_its_own_uuid(void **state)
{
	uint8_t one[16], same[16], other[16], larger[16], none[16];

	uuid_for(*state, "one", GiB, one);
	uuid_for(*state, "one", GiB, same);
	uuid_for(*state, "other", GiB, other);
	uuid_for(*state, "one", 2 * GiB, larger);
	uuid_for(*state, NULL, GiB, none);
	assert_memory_equal(one, same, 16);
	assert_memory_not_equal(one, other, 16);
	assert_memory_not_equal(one, larger, 16);
	assert_memory_not_equal(one, none, 16);
}

static void test_the_same_bytes_twice(void **state)
{
	static const struct range some[] = { { 0, 700 }, { 5 * BLOCK + 1, BLOCK }, { 512 * MiB - 1, 2 } };
	struct place *p = *state;

	place_same_twice(p, ranges_new(GiB, some, 3), ranges_new(GiB, some, 3));
	p->how.fixed = true;
	place_same_twice(p, ranges_new(100 * MiB, some, 2), ranges_new(100 * MiB, some, 2));
}

/* What one host has seen to be zero changes neither the size nor a byte. */
static void test_seen_zeros_do_not_change_the_layout(void **state)
{
	static const struct range fresh[] = { { 0, 512 }, { 2 * BLOCK, 2 * BLOCK } };
	static const struct range seen[] = {
		{ 0, 512 },
		{ 2 * BLOCK, BLOCK, EXTENT_SEEN_ZERO },
		{ 3 * BLOCK, BLOCK },
	};
	struct image *a_below = ranges_new(GiB, fresh, 2), *a = place_layout(*state, a_below);
	struct image *b_below = ranges_new(GiB, seen, 3), *b = place_layout(*state, b_below);
	uint8_t a_tables[8192], b_tables[8192];

	assert_int_equal(a->size, b->size);
	assert_int_equal(image_pread(a, a_tables, sizeof(a_tables), 0, NULL), 0);
	assert_int_equal(image_pread(b, b_tables, sizeof(b_tables), 0, NULL), 0);
	assert_memory_equal(a_tables, b_tables, sizeof(a_tables));
	image_unref(b);
	image_unref(b_below);
	image_unref(a);
	image_unref(a_below);
}

static void test_reads_at_any_offset_and_length(void **state)
{
	static const struct range some[] = { { 0, 700 }, { 5 * BLOCK + 1, BLOCK }, { 90 * BLOCK, 3 * BLOCK } };
	struct image *below = ranges_new(TiB, some, 3), *img = place_layout(*state, below);

	check_reads(img, 4096);
	image_unref(img);
	image_unref(below);
}

static void test_a_copy_can_be_written_to(void **state)
{
	struct place *p = *state;
	static const struct range some[] = { { 0, 700 }, { 300 * MiB, BLOCK } };

	for (int fixed = 0; fixed < 2; fixed++) {
		struct image *below = ranges_new(GiB, some, 2), *img;

		p->how.fixed = fixed;
		img = place_layout(p, below);
		place_save(p, img);
		free(run("qemu-io -f vdi -c 'write -P 7 100 512' -c 'write -P 9 900M 64k' "
			 "-c 'read -P 7 100 512' -c 'read -P 9 900M 64k' -c 'read -P 0 899M 1M' %s 2>&1",
			 p->file));
		place_check(p);
		place_check_byte(p, 300 * MiB, ranges_byte(300 * MiB));
		image_unref(img);
		image_unref(below);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_disks_of_all_sizes),
		TEST(test_data_at_both_ends),
		TEST(test_all_data),
		TEST(test_fragmented),
		TEST(test_blocks_stand_in_order_from_a_multiple_of_their_size),
		TEST(test_fixed_has_all_blocks),
		TEST(test_fixed_is_sparse),
		TEST(test_64_tebibytes),
		TEST(test_full_at_the_limit),
		TEST(test_qemu_opens_the_limit),
		TEST(test_refuses_a_disk_above_the_limit),
		TEST(test_refuses_a_disk_of_no_bytes),
		TEST(test_a_size_off_sectors_is_rounded_up),
		TEST(test_more_runs_than_fit),
		TEST(test_describes_itself),
		TEST(test_header_as_virtualbox_wants_it),
		TEST(test_each_goal_has_its_own_uuid),
		TEST(test_the_same_bytes_twice),
		TEST(test_seen_zeros_do_not_change_the_layout),
		TEST(test_reads_at_any_offset_and_length),
		TEST(test_a_copy_can_be_written_to),
	};

	return cmocka_run_group_tests_name("vdi", tests, NULL, NULL);
}
