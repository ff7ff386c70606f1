/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vmdk layout, judged by qemu-img: each disk is written out as the layout and as
 * raw, checked, and compared.
 */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>

#include "backends/layout/runs.h"
#include "backends/layout/vmdk.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "tests/unit/layouts.h"

#define GRAIN (64 * KiB)
#define TABLE (32 * MiB) /* what one grain table speaks for */
#define LIMIT (1024 * TiB)

/* Fields of the header. */
#define RGD	 0x30
#define GD	 0x38
#define OVERHEAD 0x40

static int setup(void **state)
{
	return place_setup(state, "vmdk", vmdk_layout);
}

static uint32_t le32_at(struct image *img, uint64_t offset)
{
	uint8_t buf[4];

	assert_int_equal(image_pread(img, buf, sizeof(buf), offset, NULL), 0);
	return get_le32(buf);
}

/* Where the data of a guest offset stands, by one of the directories; 0 when it is not allocated. */
static uint64_t place_by(struct image *img, uint64_t guest, uint64_t field)
{
	uint64_t directory = le32_at(img, field) * SECTOR;
	uint64_t table = le32_at(img, directory + guest / TABLE * 4) * SECTOR, grain;

	assert_int_not_equal(table, 0);
	grain = le32_at(img, table + guest % TABLE / GRAIN * 4) * SECTOR;
	return grain ? grain + guest % GRAIN : 0;
}

static uint64_t place_of(struct image *img, uint64_t guest)
{
	uint64_t place = place_by(img, guest, GD);

	assert_int_equal(place, place_by(img, guest, RGD));
	assert_int_equal(place % GRAIN, place ? guest % GRAIN : 0);
	return place;
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

/* A directory's sector has 128 tables, of 4 GiB. */
static const uint64_t sizes[] = {
	512,   GRAIN - 512, GRAIN,	 GRAIN + 512,	    TABLE - 512,
	TABLE, TABLE + 512, 128 * TABLE, 128 * TABLE + 512, 20 * GiB,
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
	static const uint64_t all[] = { 512, GRAIN - 512, GRAIN, GRAIN + 512, 3 * TABLE + GRAIN - 512 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct range whole = { 0, all[i] };

		place_judge(*state, ranges_new(all[i], &whole, 1));
	}
}

static void test_fragmented(void **state)
{
	place_judge(*state, alternating_new(100 * MiB + 512, GRAIN));
	place_judge(*state, alternating_new(20 * MiB, 4 * KiB));
	place_judge(*state, alternating_new(50 * MiB - 512, 5 * GRAIN / 2));
}

static void test_data_around_the_edge_of_a_table(void **state)
{
	static const struct range edges[] = {
		{ TABLE - 512, 512 },		  /* before */
		{ 2 * TABLE, 512 },		  /* behind, with a table between that stays empty */
		{ 4 * TABLE - GRAIN, 2 * GRAIN }, /* across */
	};

	for (size_t i = 0; i < 3; i++)
		place_judge(*state, ranges_new(GiB, &edges[i], 1));
	place_judge(*state, ranges_new(GiB, edges, 3));
}

/* Tables are there twice and speak of the same grains; the file holds no more than it has to. */
static void test_grains_stand_in_order(void **state)
{
	static const struct range some[] = { { GRAIN, 1 }, { 5 * TABLE, 2 * GRAIN }, { 20 * GiB - 512, 512 } };
	struct image *below = ranges_new(20 * GiB, some, 3), *img = place_layout(*state, below);
	const uint64_t data = le32_at(img, OVERHEAD) * SECTOR;

	/* 640 tables of 2 KiB and the directory, twice. */
	assert_int_equal(data, align_up(21 * SECTOR + 2 * (640 * 4 + 640 * 2 * KiB), GRAIN));
	assert_int_equal(place_of(img, 0), 0);
	assert_int_equal(place_of(img, GRAIN), data);
	assert_int_equal(place_of(img, 5 * TABLE), data + GRAIN);
	assert_int_equal(place_of(img, 5 * TABLE + GRAIN), data + 2 * GRAIN);
	assert_int_equal(place_of(img, 20 * GiB - GRAIN), data + 3 * GRAIN);
	assert_int_equal(img->size, data + 4 * GRAIN);
	image_unref(img);
	image_unref(below);
}

static uint64_t table_sectors(struct image *img, struct extent *e, uint64_t *at)
{
	*e = image_extent(img, *at);
	*at += e->length;
	return e->length / SECTOR;
}

/* Tables without entries are holes, in both copies; what extents say is what is read. */
static void test_empty_tables_are_holes(void **state)
{
	static const struct range some[] = { { 3 * TABLE, GRAIN }, { 9 * TABLE - GRAIN, 2 * GRAIN } };
	struct image *below = ranges_new(20 * TABLE, some, 2), *img = place_layout(*state, below);
	const uint64_t data = le32_at(img, OVERHEAD) * SECTOR;
	/* From the first table on; a sector has a quarter of a table. */
	static const uint64_t holes[] = { 12, 1, 22, 2, 43 };
	static const uint64_t firsts[] = { RGD, GD };

	for (size_t i = 0; i < 2; i++) {
		uint64_t at = (le32_at(img, firsts[i]) + 1) * SECTOR;

		for (size_t j = 0; j < 4; j++) {
			struct extent e;

			assert_int_equal(table_sectors(img, &e, &at), holes[j]);
			assert_int_equal(e.kind, j % 2 ? EXTENT_DATA : EXTENT_ZERO);
		}
		assert_int_equal(image_extent(img, at).kind, EXTENT_ZERO);
	}
	for (uint64_t at = 0; at < data;) {
		struct extent e = image_extent(img, at);
		_cleanup_free_ uint8_t *buf = malloc(e.length);

		assert_int_equal(image_pread(img, buf, e.length, at, NULL), 0);
		assert_true(e.kind == EXTENT_DATA || bytes_are_zero(buf, e.length));
		/* From anywhere inside it is the same. */
		if (e.length > 1 && at + 1 < data)
			assert_int_equal(image_extent(img, at + 1).length, e.length - 1);
		at += e.length;
	}
	image_unref(img);
	image_unref(below);
}

static void test_2_tebibytes(void **state)
{
	const struct place *p = *state;
	static const struct range some[] = { { 0, 1 }, { TiB, 3 * GRAIN }, { 2 * TiB - 512, 512 } };
	struct image *below = ranges_new(2 * TiB, some, 3), *img = place_layout(p, below);
	struct map_figures figures;

	place_save(p, img);
	place_check(p);
	place_check_size(p, 2 * TiB);
	place_check_byte(p, 0, ranges_byte(0));
	place_check_byte(p, 1, 0);
	place_check_byte(p, TiB + 3 * GRAIN - 1, ranges_byte(TiB + 3 * GRAIN - 1));
	place_check_byte(p, 2 * TiB - 1, ranges_byte(2 * TiB - 1));
	/* The tables are 256 MiB, but nearly all of it is holes: beside the directories, six sectors. */
	assert_in_range(image_data_bytes(img), 0, MiB + 5 * GRAIN);
	assert_true(map_figures(img, &figures));
	assert_in_range(figures.memory, 1, KiB);
	image_unref(img);
	image_unref(below);
}

static void test_data_at_the_end_of_the_largest_disk(void **state)
{
	const struct place *p = *state;
	const struct range last = { LIMIT - 512, 512 };
	struct image *below = ranges_new(LIMIT, &last, 1), *img = place_layout(p, below);
	struct map_figures figures;

	place_save(p, img);
	place_check_size(p, LIMIT);
	place_check_byte(p, LIMIT - 1, ranges_byte(LIMIT - 1));
	place_check_byte(p, LIMIT / 2, 0);
	assert_true(map_figures(img, &figures));
	assert_in_range(figures.memory, 1, KiB);
	image_unref(img);
	image_unref(below);
}

static void test_refuses_a_disk_above_the_limit(void **state)
{
	place_refuses(*state, ranges_new(LIMIT + 512, NULL, 0), -EOPNOTSUPP,
		      "a vmdk file holds a disk of 1024T at most");
}

/* Data and tables come to 2 TiB exactly, and to a grain more. */
static void test_the_largest_file(void **state)
{
	const uint64_t size = 2 * TiB, tables = align_up(21 * SECTOR + 2 * (64 * KiB * 4 + 128 * MiB), GRAIN);
	const struct range fits = { 0, size - tables }, too_much = { 0, size - tables + 1 };
	struct image *below = ranges_new(size, &fits, 1), *img = place_layout(*state, below);

	assert_int_equal(img->size, 2 * TiB);
	assert_int_equal(place_of(img, size - tables - GRAIN), 2 * TiB - GRAIN);
	assert_guest_sees(img, below, size - tables - 512);
	assert_guest_sees(img, below, TiB + 512);
	image_unref(img);
	image_unref(below);
	place_refuses(*state, ranges_new(size, &too_much, 1), -EOPNOTSUPP, "a vmdk file may be of 2T at most");
}

static void test_refuses_a_disk_of_no_bytes(void **state)
{
	place_refuses(*state, ranges_new(0, NULL, 0), -EOPNOTSUPP, "no bytes");
}

static void test_a_size_off_sectors_is_rounded_up(void **state)
{
	const struct range whole = { 0, GRAIN + 1 };

	place_judge(*state, ranges_new(GRAIN + 1, &whole, 1));
}

/* More runs than are held: the shortest holes are allocated, and still read as zeros. */
static void test_more_runs_than_fit(void **state)
{
	const uint64_t size = (2 * RUNS_MAX + 2) * GRAIN;
	struct image *below = alternating_new(size, GRAIN), *img = place_layout(*state, below);
	_cleanup_free_ char *said = described(img);
	struct map_figures figures;

	assert_says(said, "1048577 of 1048578 grains allocated");
	assert_true(map_figures(img, &figures));
	assert_in_range(figures.segments, 2, 3);
	for (uint64_t at = 0; at < size; at += GiB + 3 * GRAIN + 512)
		assert_guest_sees(img, below, at);
	assert_int_equal(image_extent(img, place_of(img, GRAIN)).kind, EXTENT_ZERO);
	image_unref(img);
	image_unref(below);
}

static void test_describes_itself(void **state)
{
	const struct range some = { 0, 9173 * GRAIN };
	struct image *below = ranges_new(20 * GiB, &some, 1), *img = place_layout(*state, below);
	_cleanup_free_ char *said = described(img);

	assert_string_equal(said, "    vmdk: 9173 of 327680 grains allocated, file of 576M\n");
	image_unref(img);
	image_unref(below);
}

static char *descriptor_of(struct place *p, const char *seed, uint64_t size)
{
	struct image *below = ranges_new(size, NULL, 0), *img;
	char *text = calloc(1, 20 * SECTOR + 1);

	assert_non_null(text);
	p->how.seed = seed;
	img = place_layout(p, below);
	assert_int_equal(image_pread(img, text, 20 * SECTOR, SECTOR, NULL), 0);
	assert_true(bytes_are_zero(text + strlen(text), 20 * SECTOR - strlen(text)));
	image_unref(img);
	image_unref(below);
	return text;
}

/* "CID=" and "ddb.uuid.image" are all that differs. */
static void test_descriptor(void **state)
{
	_cleanup_free_ char *text = descriptor_of(*state, "one", 20 * GiB);
	unsigned cid, uuid[8];

	assert_int_equal(sscanf(text, "# Disk DescriptorFile\nversion=1\nCID=%8x\nparentCID=ffffffff\n", &cid),
			 1);
	assert_int_not_equal(cid, 0xffffffff);
	assert_says(text, "\ncreateType=\"monolithicSparse\"\n");
	assert_says(text, "\nRW 41943040 SPARSE \"disk.vmdk\"\n");
	assert_says(text, "\nddb.adapterType = \"lsilogic\"\n");
	assert_says(text, "\nddb.geometry.cylinders = \"2611\"\n");
	assert_int_equal(sscanf(strstr(text, "ddb.uuid.image"), "ddb.uuid.image = \"%8x-%4x-%4x-%4x-%4x%8x\"",
				&uuid[0], &uuid[1], &uuid[2], &uuid[3], &uuid[4], &uuid[5]),
			 6);
	assert_int_equal(uuid[2] >> 12, 4);
}

static void test_a_disk_of_less_than_a_cylinder_has_one(void **state)
{
	_cleanup_free_ char *text = descriptor_of(*state, "one", 512);

	assert_says(text, "\nRW 1 SPARSE ");
	assert_says(text, "\nddb.geometry.cylinders = \"1\"\n");
}

static void test_descriptor_at_the_limit(void **state)
{
	_cleanup_free_ char *text = descriptor_of(*state, "one", LIMIT);

	assert_says(text, "\nRW 2199023255552 SPARSE ");
	assert_says(text, "\nddb.geometry.cylinders = \"65535\"\n");
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_each_goal_has_its_own_descriptor(void **state)
{
	_cleanup_free_ char *one = descriptor_of(*state, "one", GiB), *same = descriptor_of(*state, "one", GiB);
	_cleanup_free_ char *other = descriptor_of(*state, "other", GiB),
			    *none = descriptor_of(*state, NULL, GiB);

	assert_string_equal(one, same);
	assert_string_not_equal(one, other);
	assert_string_not_equal(one, none);
	/* Both identifiers. */
	assert_memory_not_equal(strstr(one, "CID="), strstr(other, "CID="), 12);
	assert_string_not_equal(strstr(one, "ddb.uuid"), strstr(other, "ddb.uuid"));
}

static void test_qemu_reads_the_descriptor(void **state)
{
	const struct place *p = *state;
	struct image *below = ranges_new(GiB, NULL, 0), *img = place_layout(p, below);

	place_save(p, img);
	place_check_info(p, "\"create-type\": \"monolithicSparse\"");
	place_check_info(p, "\"parent-cid\": 4294967295");
	place_check_info(p, "\"cluster-size\": 65536");
	image_unref(img);
	image_unref(below);
}

static void test_the_same_bytes_twice(void **state)
{
	static const struct range some[] = { { 0, 700 }, { 5 * GRAIN + 1, GRAIN }, { 512 * MiB - 1, 2 } };

	place_same_twice(*state, ranges_new(20 * GiB, some, 3), ranges_new(20 * GiB, some, 3));
}

/* What one host has seen to be zero changes neither the size nor a byte. */
static void test_seen_zeros_do_not_change_the_layout(void **state)
{
	static const struct range fresh[] = { { 0, 512 }, { 2 * GRAIN, 2 * GRAIN } };
	static const struct range seen[] = {
		{ 0, 512 },
		{ 2 * GRAIN, GRAIN, EXTENT_SEEN_ZERO },
		{ 3 * GRAIN, GRAIN },
	};
	struct image *a_below = ranges_new(GiB, fresh, 2), *a = place_layout(*state, a_below);
	struct image *b_below = ranges_new(GiB, seen, 3), *b = place_layout(*state, b_below);
	const uint64_t data = place_of(a, 0);
	_cleanup_free_ uint8_t *a_tables = malloc(data), *b_tables = malloc(data);

	assert_int_equal(a->size, b->size);
	assert_int_equal(image_pread(a, a_tables, data, 0, NULL), 0);
	assert_int_equal(image_pread(b, b_tables, data, 0, NULL), 0);
	assert_memory_equal(a_tables, b_tables, data);
	image_unref(b);
	image_unref(b_below);
	image_unref(a);
	image_unref(a_below);
}

static void test_reads_at_any_offset_and_length(void **state)
{
	static const struct range some[] = { { 0, 700 }, { 5 * TABLE + 1, GRAIN }, { 90 * TABLE, 3 * GRAIN } };
	struct image *below = ranges_new(100 * GiB, some, 3), *img = place_layout(*state, below);

	check_reads(img, 4096);
	image_unref(img);
	image_unref(below);
}

static void test_a_copy_can_be_written_to(void **state)
{
	const struct place *p = *state;
	static const struct range some[] = { { 0, 700 }, { 300 * MiB, GRAIN } };
	struct image *below = ranges_new(GiB, some, 2), *img = place_layout(p, below);

	place_save(p, img);
	free(run("qemu-io -f vmdk -c 'write -P 7 100 512' -c 'write -P 9 900M 64k' -c 'read -P 7 100 512' "
		 "-c 'read -P 9 900M 64k' -c 'read -P 0 899M 1M' %s 2>&1",
		 p->file));
	place_check(p);
	place_check_byte(p, 300 * MiB, ranges_byte(300 * MiB));
	place_check_size(p, GiB);
	image_unref(img);
	image_unref(below);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_disks_of_all_sizes),
		TEST(test_data_at_both_ends),
		TEST(test_all_data),
		TEST(test_fragmented),
		TEST(test_data_around_the_edge_of_a_table),
		TEST(test_grains_stand_in_order),
		TEST(test_empty_tables_are_holes),
		TEST(test_2_tebibytes),
		TEST(test_data_at_the_end_of_the_largest_disk),
		TEST(test_refuses_a_disk_above_the_limit),
		TEST(test_the_largest_file),
		TEST(test_refuses_a_disk_of_no_bytes),
		TEST(test_a_size_off_sectors_is_rounded_up),
		TEST(test_more_runs_than_fit),
		TEST(test_describes_itself),
		TEST(test_descriptor),
		TEST(test_a_disk_of_less_than_a_cylinder_has_one),
		TEST(test_descriptor_at_the_limit),
		TEST(test_each_goal_has_its_own_descriptor),
		TEST(test_qemu_reads_the_descriptor),
		TEST(test_the_same_bytes_twice),
		TEST(test_seen_zeros_do_not_change_the_layout),
		TEST(test_reads_at_any_offset_and_length),
		TEST(test_a_copy_can_be_written_to),
	};

	return cmocka_run_group_tests_name("vmdk", tests, NULL, NULL);
}
