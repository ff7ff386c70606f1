/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhdx layout, judged by qemu-img, and by libvhdi where it is installed; checksums
 * are judged here.
 */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>

#include "backends/layout/runs.h"
#include "backends/layout/vhdx.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "tests/unit/layouts.h"
#include "tests/unit/memimage.h"
#include "tests/unit/vhdi.h"

#define CHUNK	 (4 * GiB)
#define DISK_MAX (64 * TiB)
#define BAT	 (3 * MiB)

static int setup(void **state)
{
	return place_setup(state, "vhdx", vhdx_layout);
}

static void pread_at(struct image *img, void *buf, size_t count, uint64_t offset)
{
	assert_int_equal(image_pread(img, buf, count, offset, NULL), 0);
}

static uint64_t le64_at(struct image *img, uint64_t offset)
{
	uint8_t buf[8];

	pread_at(img, buf, sizeof(buf), offset);
	return get_le64(buf);
}

static uint32_t le32_at(struct image *img, uint64_t offset)
{
	uint8_t buf[4];

	pread_at(img, buf, sizeof(buf), offset);
	return get_le32(buf);
}

/* CRC-32C as its definition has it, a bit at a time: what is checked does not judge itself. */
static uint32_t crc_of(const uint8_t *bytes, size_t count)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < count; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bool one = (crc ^ bytes[i] >> bit) & 1;

			crc = crc >> 1 ^ (one ? 0x82f63b78 : 0);
		}
	return ~crc;
}

static void check_sum(struct image *img, uint64_t offset, size_t count, const char *signature)
{
	_cleanup_free_ uint8_t *buf = malloc(count);
	uint32_t sum;

	assert_non_null(buf);
	pread_at(img, buf, count, offset);
	assert_memory_equal(buf, signature, 4);
	sum = get_le32(buf + 4);
	put_le32(buf + 4, 0);
	assert_int_equal(sum, crc_of(buf, count));
}

/* Both copies of all that has a checksum; QEMU reads only one of the region tables. */
static void check_sums(struct image *img)
{
	_cleanup_free_ uint8_t *one = malloc(64 * KiB), *two = malloc(64 * KiB);

	assert_true(one && two);
	check_sum(img, 64 * KiB, 4 * KiB, "head");
	check_sum(img, 128 * KiB, 4 * KiB, "head");
	assert_true(le64_at(img, 64 * KiB + 8) < le64_at(img, 128 * KiB + 8));
	check_sum(img, 192 * KiB, 64 * KiB, "regi");
	pread_at(img, one, 64 * KiB, 192 * KiB);
	pread_at(img, two, 64 * KiB, 256 * KiB);
	assert_memory_equal(one, two, 64 * KiB);
}

static uint64_t block_of(struct image *img)
{
	return le32_at(img, 2 * MiB + 64 * KiB);
}

/* The entry of the BAT for a guest offset, found as a reader of vhdx does. */
static uint64_t entry_of(struct image *img, uint64_t guest)
{
	uint64_t block = block_of(img), ratio = CHUNK / block, n = guest / block;

	return le64_at(img, BAT + 8 * (n + n / ratio));
}

/* Where it stands in the file; 0: nowhere, it is zero. */
static uint64_t place_of(struct image *img, uint64_t guest)
{
	uint64_t entry = entry_of(img, guest);

	if (entry == 2)
		return 0;
	assert_int_equal(entry % MiB, 6);
	return align_down(entry, MiB) + guest % block_of(img);
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

static uint8_t byte_at(struct image *img, uint64_t offset)
{
	uint8_t byte;

	pread_at(img, &byte, 1, offset);
	return byte;
}

/* What the guest sees at these six places, by the byte: to compare, qemu-img reads every zero of a vhdx. */
static void check_six(const struct place *p, struct image *below, const uint64_t at[6])
{
	char reads[6][48];

	for (unsigned i = 0; i < 6; i++)
		(void)snprintf(reads[i], sizeof(reads[i]), "-c 'read -P %u %" PRIu64 " 1'",
			       byte_at(below, at[i]), at[i]);
	free(run("qemu-io -r -f vhdx %s %s %s %s %s %s %s 2>&1", reads[0], reads[1], reads[2], reads[3],
		 reads[4], reads[5], p->file));
}

static void check_bytes(const struct place *p, struct image *below)
{
	const uint64_t size = below->size;

	check_six(p, below, (uint64_t[]){ 0, 512, MiB, size / 2, size - 1025, size - 1 });
}

/* All judges, but compare for what is too large. Takes the caller's ref. */
static void judge(const struct place *p, struct image *below)
{
	struct image *img = place_layout(p, below);

	check_sums(img);
	place_save(p, img);
	place_check(p);
	place_check_size(p, align_up(below->size, SECTOR));
	if (below->size <= GiB)
		place_compare(p, below);
	else
		check_bytes(p, below);
	image_unref(img);
	image_unref(below);
}

static const uint64_t sizes[] = {
	512,
	4096,
	MiB - 512,
	MiB,
	MiB + 512,
	/* What a sector of the BAT speaks for. */
	64 * MiB - 512,
	64 * MiB,
	64 * MiB + 512,
	/* A chunk, and with it the first entry of a bitmap. */
	CHUNK - 512,
	CHUNK,
	CHUNK + 512,
	2 * CHUNK,
	2 * CHUNK + MiB,
	20 * GiB,
	/* Where the BAT outgrows its first MiB, and where blocks grow instead. */
	127 * GiB,
	128 * GiB,
	1023 * GiB,
	TiB,
	TiB + 512,
	33 * TiB,
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
		struct range ends[] = { { 0, 512 }, { sizes[i] - 513, 513 } };

		judge(*state, ranges_new(sizes[i], ends, 2));
	}
}

static void test_all_data(void **state)
{
	static const uint64_t all[] = { 512, MiB - 512, MiB, MiB + 512, 40 * MiB - 512 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct range whole = { 0, all[i] };

		judge(*state, ranges_new(all[i], &whole, 1));
	}
}

static void test_alternating_blocks(void **state)
{
	judge(*state, alternating_new(80 * MiB, MiB));
	judge(*state, alternating_new(81 * MiB - 512, MiB));
	judge(*state, alternating_new(16 * MiB, MiB / 2));
	judge(*state, alternating_new(4 * MiB + 512, 4096));
}

/* The first entry of the BAT that is no block's. */
static void test_data_around_the_edge_of_a_chunk(void **state)
{
	static const struct range edges[] = {
		{ CHUNK - 512, 512 },		  /* before */
		{ 2 * CHUNK, 512 },		  /* behind, with a chunk between that stays empty */
		{ 3 * CHUNK - 3 * MiB, 6 * MiB }, /* across */
	};
	static const uint64_t at[][6] = {
		{ CHUNK - 513, CHUNK - 512, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK },
		{ 2 * CHUNK + 511, 2 * CHUNK + 512, 3 * CHUNK - 3 * MiB - 1, 3 * CHUNK - 3 * MiB, 3 * CHUNK - 1,
		  3 * CHUNK },
		{ 3 * CHUNK + MiB - 1, 3 * CHUNK + MiB, 3 * CHUNK + 3 * MiB - 1, 3 * CHUNK + 3 * MiB,
		  3 * CHUNK + 4 * MiB, 4 * CHUNK - 1 },
	};
	struct image *below = ranges_new(4 * CHUNK, edges, 3), *img = place_layout(*state, below);

	place_save(*state, img);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		check_six(*state, below, at[i]);
	image_unref(img);
	image_unref(below);
}

/* Compared in a window: 4 GiB of zeros would take a while. */
static void test_across_the_edge_of_a_chunk(void **state)
{
	const struct place *p = *state;
	static const struct range across[] = { { CHUNK - 2 * MiB - 5000, 3 * MiB } };
	struct image *below = ranges_new(CHUNK + 4 * MiB, across, 1), *img = place_layout(p, below);
	const uint64_t offset = CHUNK - 4 * MiB, size = 8 * MiB;
	_cleanup_free_ char *said = NULL;

	place_save(p, img);
	assert_int_equal(testimage_save(below, p->raw), 0);
	said = run("qemu-img compare --image-opts driver=raw,offset=%" PRIu64 ",size=%" PRIu64
		   ",file.driver=vhdx,file.file.driver=file,file.file.filename=%s "
		   "driver=raw,offset=%" PRIu64 ",size=%" PRIu64 ",file.driver=file,file.filename=%s 2>&1",
		   offset, size, p->file, offset, size, p->raw);
	assert_says(said, "Images are identical.");
	image_unref(img);
	image_unref(below);
}

static const struct range pieces[] = {
	{ 1, 1 },
	{ 3, 1 },	      /* in the same block */
	{ MiB + 100, MiB },   /* across two */
	{ 2 * MiB + 200, 1 }, /* in the second of them */
	{ 5 * MiB - 1, 1 },
	{ 5 * MiB, 1 }, /* in the next, which makes one run */
	{ 7 * MiB - 512, 512 },
	{ 9 * MiB + 5, 700 }, /* in the last, which is cut short */
};

#define N_PIECES (sizeof(pieces) / sizeof(pieces[0]))

static void test_pieces_smaller_than_a_block(void **state)
{
	judge(*state, ranges_new(9 * MiB + 4096, pieces, N_PIECES));
}

static void test_blocks_of_all_sizes(void **state)
{
	struct place *p = *state;
	static const struct range some[] = { { 0, 512 }, { CHUNK - 1, 2 }, { 5 * CHUNK, 512 } };

	for (uint64_t block = MiB; block <= 256 * MiB; block *= 2) {
		struct image *below = ranges_new(5 * CHUNK + 1024, some, 3), *img;
		char want[64];

		p->how.cluster = block;
		img = place_layout(p, below);
		assert_int_equal(block_of(img), block);
		/* The entries of bitmaps, of which there are none. */
		for (uint64_t i = 1; i <= 5; i++)
			assert_int_equal(le64_at(img, BAT + 8 * (i * (CHUNK / block + 1) - 1)), 0);
		image_unref(img);
		judge(p, below);
		(void)snprintf(want, sizeof(want), "\"cluster-size\": %" PRIu64 ",", block);
		place_check_info(p, want);
	}
}

static void test_default_block(void **state)
{
	static const struct {
		uint64_t size, block;
	} want[] = {
		{ 512, MiB },		{ 20 * GiB, MiB },	{ TiB, MiB },
		{ TiB + 512, 2 * MiB }, { 16 * TiB, 16 * MiB }, { DISK_MAX - 512, 64 * MiB },
		{ DISK_MAX, 64 * MiB },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct image *below = ranges_new(want[i].size, NULL, 0), *img = place_layout(*state, below);

		assert_int_equal(block_of(img), want[i].block);
		image_unref(img);
		image_unref(below);
	}
}

static void test_refuses_blocks_of_other_sizes(void **state)
{
	static const uint64_t wrong[] = { 512, 64 * KiB, MiB / 2, 3 * MiB, 512 * MiB, MiB + 512 };
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		p->how.cluster = wrong[i];
		place_refuses(p, ranges_new(GiB, NULL, 0), -EINVAL, "a power of two from 1M to 256M");
	}
}

static void test_fixed(void **state)
{
	struct place *p = *state;
	static const uint64_t fixed[] = {
		512, MiB, MiB + 512, 64 * MiB - 512, CHUNK + 512, 20 * GiB, 15 * TiB
	};

	p->how.fixed = true;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		struct range ends[] = { { 0, 300 }, { fixed[i] - 100, 100 } };
		struct image *below = ranges_new(fixed[i], ends, 2), *img = place_layout(p, below);

		assert_int_equal(le32_at(img, 2 * MiB + 64 * KiB + 4), 1);
		for (uint64_t at = 0; at < fixed[i]; at += fixed[i] / 7 + 1)
			assert_int_equal(entry_of(img, at) % MiB, 6);
		image_unref(img);
		judge(p, below);
	}
	judge(p, ranges_new(9 * MiB + 4096, pieces, N_PIECES));
}

static void test_second_judge(void **state)
{
	struct place *p = *state;
	const struct range far = { 700 * MiB - 5000, 10000 };

	if (!vhdi_is_there())
		skip();
	judge(p, ranges_new(9 * MiB + 4096, pieces, N_PIECES));
	vhdi_compare(p, "dynamic");
	judge(p, alternating_new(80 * MiB - 512, MiB));
	vhdi_compare(p, "dynamic");
	p->how.cluster = 32 * MiB;
	judge(p, ranges_new(GiB - 512, &far, 1));
	vhdi_compare(p, "dynamic");
}

static void test_second_judge_of_fixed(void **state)
{
	struct place *p = *state;

	if (!vhdi_is_there())
		skip();
	p->how.fixed = true;
	judge(p, ranges_new(9 * MiB + 4096, pieces, N_PIECES));
	vhdi_compare(p, "fixed");
}

static void check_full(const struct place *p)
{
	const struct range whole = { 0, DISK_MAX };
	struct image *below = ranges_new(DISK_MAX, &whole, 1), *img = place_layout(p, below);
	static const uint64_t at[] = {
		0, MiB, CHUNK - 512, CHUNK, TiB, DISK_MAX / 2, 33 * TiB + 12345 * MiB + 512, DISK_MAX - 512
	};
	struct map_figures figures;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		assert_guest_sees(img, below, at[i]);
	assert_int_equal(place_of(img, DISK_MAX - 512) + 512, img->size);
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 2);
	assert_in_range(figures.memory, 1, KiB);
	image_unref(img);
	image_unref(below);
}

static void test_the_limit_full_of_data(void **state)
{
	struct place *p = *state;

	check_full(p);
	/* With half a GiB of BAT. */
	p->how.cluster = MiB;
	check_full(p);
	p->how.cluster = 256 * MiB;
	check_full(p);
}

/* The tables of a file that would be too much to write. */
static void test_a_tebibyte_full_of_data(void **state)
{
	const struct place *p = *state;
	const struct range whole = { 0, TiB - GiB };
	struct image *below = ranges_new(TiB - GiB, &whole, 1), *img = place_layout(p, below);

	place_save_head(p, img, place_of(img, 0));
	place_check(p);
	place_check_size(p, TiB - GiB);
	image_unref(img);
	image_unref(below);
}

static void test_refuses_a_disk_above_the_limit(void **state)
{
	struct place *p = *state;

	place_refuses(p, ranges_new(DISK_MAX + 1, NULL, 0), -EOPNOTSUPP, "64T at most");
	p->how.fixed = true;
	place_refuses(p, ranges_new(DISK_MAX + 512, NULL, 0), -EOPNOTSUPP, "64T at most");
}

static void test_refuses_a_disk_of_no_bytes(void **state)
{
	place_refuses(*state, ranges_new(0, NULL, 0), -EOPNOTSUPP, "a disk of no bytes");
}

static void test_a_size_off_sectors_is_rounded_up(void **state)
{
	const struct range whole = { 0, MiB + 1 };

	judge(*state, ranges_new(MiB + 1, &whole, 1));
}

/* All in the order and of the lengths that the header says; nothing stands behind the last block. */
static void test_file_is_no_longer_than_it_needs(void **state)
{
	static const struct range some[] = { { 0, 512 }, { 20 * GiB - 512, 512 } };
	struct image *below = ranges_new(20 * GiB, some, 2), *img = place_layout(*state, below);

	assert_int_equal(img->size, 4 * MiB + 2 * MiB);
	image_unref(img);
	image_unref(below);
}

static void test_identifiers_are_those_of_the_goal(void **state)
{
	struct place *p = *state;
	struct image *below = ranges_new(MiB, NULL, 0), *img = place_layout(p, below), *other;
	uint8_t header[80], again[80], disk[16], disk_again[16];
	const uint64_t disk_at = 2 * MiB + 64 * KiB + 16;

	pread_at(img, header, sizeof(header), 64 * KiB);
	pread_at(img, disk, sizeof(disk), disk_at);
	assert_memory_not_equal(header + 16, header + 32, 16);
	/* The third field is little-endian, and a version 4 begins it. */
	assert_int_equal(disk[7] >> 4, 4);
	assert_int_equal(header[16 + 7] >> 4, 4);
	/* No log. */
	assert_true(bytes_are_zero(header + 48, 18));
	image_unref(img);
	p->how.seed = "another";
	other = place_layout(p, below);
	pread_at(other, again, sizeof(again), 64 * KiB);
	pread_at(other, disk_again, sizeof(disk_again), disk_at);
	assert_memory_not_equal(header + 16, again + 16, 16);
	assert_memory_not_equal(disk, disk_again, 16);
	image_unref(other);
	image_unref(below);
}

static void test_same_bytes_twice(void **state)
{
	struct place *p = *state;

	place_same_twice(p, ranges_new(9 * MiB + 4096, pieces, N_PIECES),
			 ranges_new(9 * MiB + 4096, pieces, N_PIECES));
	p->how.fixed = true;
	place_same_twice(p, ranges_new(9 * MiB + 4096, pieces, N_PIECES),
			 ranges_new(9 * MiB + 4096, pieces, N_PIECES));
}

static void test_describes_itself(void **state)
{
	const struct range some = { 0, 576 * MiB };
	struct image *below = ranges_new(20 * GiB, &some, 1), *img = place_layout(*state, below);
	_cleanup_free_ char *said = described(img);

	assert_string_equal(said, "    vhdx: 576 of 20480 blocks allocated, file of 580M\n");
	image_unref(img);
	image_unref(below);
}

/* What one host has seen to be zero changes neither the size nor a byte. */
static void test_seen_zeros_do_not_change_the_layout(void **state)
{
	static const struct range fresh[] = { { 0, 512 }, { 2 * MiB, 4 * MiB } };
	static const struct range seen[] = {
		{ 0, 512 },
		{ 2 * MiB, 512, EXTENT_SEEN_ZERO },
		{ 2 * MiB + 512, MiB },
		{ 3 * MiB + 512, 3 * MiB - 512, EXTENT_SEEN_ZERO },
	};
	struct image *below = ranges_new(9 * MiB, seen, 4), *img = place_layout(*state, below);
	struct image *fresh_below = ranges_new(9 * MiB, fresh, 2);
	struct image *fresh_img = place_layout(*state, fresh_below);
	_cleanup_free_ uint8_t *a = malloc(4 * MiB), *b = malloc(4 * MiB);

	assert_int_equal(img->size, fresh_img->size);
	pread_at(img, a, 4 * MiB, 0);
	pread_at(fresh_img, b, 4 * MiB, 0);
	assert_memory_equal(a, b, 4 * MiB);
	image_unref(fresh_img);
	image_unref(fresh_below);
	image_unref(img);
	judge(*state, below);
}

/* Each extent that is said to be zero is; what is not zero before the blocks is seven sectors and the BAT. */
static void test_extents(void **state)
{
	static const struct range some[] = { { 0, 512 }, { MiB, MiB }, { 3 * MiB, 512 } };
	static const struct extent want[] = {
		{ 512, EXTENT_DATA },	    { 64 * KiB - 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },	    { 64 * KiB - 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },	    { 64 * KiB - 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },	    { 64 * KiB - 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },	    { 2 * MiB - 256 * KiB - 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },	    { 64 * KiB - 512, EXTENT_ZERO },
		{ 512, EXTENT_DATA },	    { MiB - 64 * KiB - 512, EXTENT_ZERO },
		{ MiB + 512, EXTENT_DATA }, /* the BAT, and the first range */
		{ MiB - 512, EXTENT_ZERO }, { MiB + 512, EXTENT_DATA },
		{ MiB - 512, EXTENT_ZERO },
	};
	struct image *below = ranges_new(9 * MiB, some, 3), *img = place_layout(*state, below);
	uint64_t at = 0;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct extent e = image_extent(img, at);
		_cleanup_free_ uint8_t *bytes = malloc(e.length);

		assert_int_equal(e.kind, want[i].kind);
		assert_int_equal(e.length, want[i].length);
		pread_at(img, bytes, e.length, at);
		assert_int_equal(bytes_are_zero(bytes, e.length), e.kind == EXTENT_ZERO);
		at += e.length;
		/* Also from the middle of one. */
		assert_int_equal(image_extent(img, at - 1).kind, e.kind);
	}
	assert_int_equal(at, img->size);
	image_unref(img);
	image_unref(below);
}

static void test_reads_at_any_offset_and_length(void **state)
{
	struct place *p = *state;
	struct image *below = ranges_new(9 * MiB + 4096, pieces, N_PIECES), *img = place_layout(p, below);

	check_reads(img, 64 * KiB);
	image_unref(img);
	image_unref(below);
}

/* A copy is as good as any vhdx: what a guest writes to it leaves it consistent. */
static void test_a_copy_can_be_written_to(void **state)
{
	const struct place *p = *state;
	static const struct range some[] = { { 0, 700 }, { 300 * MiB, MiB } };
	struct image *below = ranges_new(5 * GiB + 512, some, 2), *img = place_layout(p, below);

	place_save(p, img);
	free(run("qemu-io -f vhdx -c 'write -P 7 512 512' -c 'write -P 8 299M 4M' -c 'write -P 9 4500M 64k' "
		 "-c 'read -P 7 512 512' -c 'read -P 8 299M 4M' -c 'read -P 9 4500M 64k' -c 'read -P 0 4501M "
		 "1M' "
		 "%s 2>&1",
		 p->file));
	place_check(p);
	place_check_size(p, 5 * GiB + 512);
	image_unref(img);
	image_unref(below);
}

/* The most runs that are laid out exactly; with more, holes are taken in. */
static void test_more_runs_than_the_most_take_in_the_holes(void **state)
{
	struct place *p = *state;
	struct image *below = alternating_new(2 * RUNS_MAX * MiB, MiB), *img;
	struct map_figures figures;

	p->how.cluster = MiB;
	img = place_layout(p, below);
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 1 + RUNS_MAX);
	for (uint64_t at = 0; at < TiB; at += 19 * GiB - 3 * MiB + 512) {
		assert_guest_sees(img, below, at);
		assert_int_equal(place_of(img, at) == 0, at / MiB % 2);
	}
	image_unref(img);
	image_unref(below);

	below = alternating_new((2 * RUNS_MAX + 2) * MiB, MiB);
	img = place_layout(p, below);
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 2);
	for (uint64_t at = 0; at < TiB; at += 19 * GiB - 3 * MiB + 512)
		assert_guest_sees(img, below, at);
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
		TEST(test_data_around_the_edge_of_a_chunk),
		TEST(test_across_the_edge_of_a_chunk),
		TEST(test_pieces_smaller_than_a_block),
		TEST(test_blocks_of_all_sizes),
		TEST(test_default_block),
		TEST(test_refuses_blocks_of_other_sizes),
		TEST(test_fixed),
		TEST(test_second_judge),
		TEST(test_second_judge_of_fixed),
		TEST(test_the_limit_full_of_data),
		TEST(test_a_tebibyte_full_of_data),
		TEST(test_refuses_a_disk_above_the_limit),
		TEST(test_refuses_a_disk_of_no_bytes),
		TEST(test_a_size_off_sectors_is_rounded_up),
		TEST(test_file_is_no_longer_than_it_needs),
		TEST(test_identifiers_are_those_of_the_goal),
		TEST(test_same_bytes_twice),
		TEST(test_describes_itself),
		TEST(test_seen_zeros_do_not_change_the_layout),
		TEST(test_extents),
		TEST(test_reads_at_any_offset_and_length),
		TEST(test_a_copy_can_be_written_to),
		TEST(test_more_runs_than_the_most_take_in_the_holes),
	};

	return cmocka_run_group_tests_name("vhdx", tests, NULL, NULL);
}
