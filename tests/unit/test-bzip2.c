/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bzip2 backend against bzip2: what any packer writes must come back the way `bzip2 -dc` gives it. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "backends/decode/bzip2.h"
#include "base/bytes.h"
#include "tests/unit/codec.h"
#include "tests/unit/memimage.h"

#define JUDGE "bzip2 -dc"

static void test_like_bzip2(void **state)
{
	codec_sh("{ %s; } > a", (const char *)*state);
	codec_assert_like(bzip2_open, "a", JUDGE);
}

static void test_zeros(void **state)
{
	codec_sh("{ %s; } > a", (const char *)*state);
	assert_in_range(codec_assert_zeros(bzip2_open, "a", JUDGE, /* exact= */ true), 8 * MiB, 9 * MiB);
}

static void test_units_are_some_blocks(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(text_done) struct text text = TEXT_EMPTY;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why;

	codec_sh("head -c 12M disk | tail -c 4M | cat - mixed mixed mixed | bzip2 -1 -c > a");
	packed = codec_load("a");
	assert_int_equal(codec_open(bzip2_open, packed.p, packed.n, &img, &why), 0);
	assert_int_equal(image_units(img), 3);
	assert_in_range(image_unit(img, 0).length, 2 * MiB, 2 * MiB + 1 * MiB);
	image_describe(img, &text);
	assert_non_null(strstr(text.chars, " blocks, check crc32\n"));
}

static void test_refuses_what_follows(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };

	codec_sh("{ bzip2 -c mixed; printf garbage; } > a; { bzip2 -c mixed; printf 'BZh0 it is not'; } > b");
	packed = codec_load("a");
	codec_assert_refused(bzip2_open, packed.p, packed.n, -EBADMSG, "something else behind its end");
	bytes_done(&packed);
	packed = codec_load("b");
	codec_assert_refused(bzip2_open, packed.p, packed.n, -EBADMSG, "something else behind its end");
}

static void test_refuses_other_formats(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };

	codec_sh("gzip -c mixed > a; bzip2 -c < empty > e");
	packed = codec_load("a");
	codec_assert_refused(bzip2_open, packed.p, packed.n, -EBADMSG, "not a bzip2 file");
	bytes_done(&packed);
	packed = codec_load("e");
	codec_assert_refused(bzip2_open, packed.p, packed.n, -EBADMSG, "empty image");
}

static void test_cut_anywhere(void **state)
{
	codec_sh("head -c 200 mixed | bzip2 -c > b; bzip2 -1c mixed > a");
	codec_assert_cuts_refused(bzip2_open, "b", 1);
	codec_assert_cuts_refused(bzip2_open, "a", 9973);
}

static void test_flips(void **state)
{
	codec_sh("head -c 2000 mixed > s; { bzip2 -c s; bzip2 -1c s; bzip2 -c s; } > a; bzip2 -1c mixed > b");
	codec_assert_flips_harmless(bzip2_open, "a", JUDGE, 19);
	codec_assert_flips_harmless(bzip2_open, "b", JUDGE, 3001);
}

/* A bit of the sum over a stream's blocks, which no block knows of. */
static void test_compares_the_sum_of_blocks(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };

	codec_sh("bzip2 -1c mixed > a");
	packed = codec_load("a");
	packed.p[packed.n - 3] ^= 4;
	codec_assert_refused(bzip2_open, packed.p, packed.n, -EBADMSG, "its checksum says");
}

/* ---- marks that are none ---- */

static uint64_t get_bits(const uint8_t *p, uint64_t at, unsigned n)
{
	uint64_t v = 0;

	for (; n; n--, at++)
		v = v << 1 | (p[at / 8] >> (7 - at % 8) & 1);
	return v;
}

static void put_bits(uint8_t *p, uint64_t at, uint64_t value, unsigned n)
{
	for (; n; n--, at++) {
		p[at / 8] &= ~(0x80 >> at % 8);
		p[at / 8] |= (value >> (n - 1) & 1) << (7 - at % 8);
	}
}

#define MARK UINT64_C(0x314159265359)

/*
 * A file with marks in the data of its first block. The first bits behind a block's
 * head are a bitmap of which bytes it uses, one bit for each sixteen and then one for
 * each byte of those: if all of them are named there, used or not, nothing else of
 * the block changes for it but the number of symbols. So bytes are chosen that make
 * a mark of this bitmap, and bzip2 packs them.
 *
 * Behind 48 + 32 (head), 1 (randomised) and 24 bits (origin) come the 16 bits, which
 * are all ones here, and then the bytes' bits.
 */
static struct bytes with_marks(unsigned marks)
{
	uint8_t used[32] = { 0 }, *p = malloc(200000);
	struct bytes b = { 0 };
	size_t n = 0;

	/* Each group of sixteen has one at least. */
	for (unsigned i = 0; i < 32; i += 2)
		used[i] |= 0x80;
	for (unsigned i = 0; i < marks; i++)
		put_bits(used, 3 + i * 50, MARK, 48);
	for (unsigned round = 0; n < 200000; round++)
		for (unsigned i = 0; i < 256 && n < 200000; i++)
			if (get_bits(used, i, 1) && (round * 7 + i) % 3)
				p[n++] = i;
	codec_put("marks", p, n);
	free(p);
	codec_sh("bzip2 -c1 marks > marks.bz2");
	b = codec_load("marks.bz2");
	for (unsigned i = 0; i < marks; i++)
		assert_true(get_bits(b.p, 32 + 80 + 25 + 16 + 3 + i * 50, 48) == MARK);
	return b;
}

static void test_marks_in_data(void **state)
{
	for (unsigned marks = 1; marks <= 5; marks++) {
		struct bytes packed = with_marks(marks);

		bytes_done(&packed);
		codec_assert_like(bzip2_open, "marks.bz2", JUDGE);
		codec_sh("bzip2 -c1 disk > d; cat d marks.bz2 d marks.bz2 marks.bz2 > a");
		if (marks == 1)
			codec_assert_like(bzip2_open, "a", JUDGE);
	}
	codec_sh("cat marks.bz2 marks.bz2 marks.bz2 > kept-marks");
	codec_assert_index_kept(bzip2_open, "kept-marks", JUDGE);
}

static void test_a_mark_of_an_end_in_data(void **state)
{
	_cleanup_bytes_ struct bytes packed = with_marks(1);
	_cleanup_bytes_ struct bytes made = { 0 };
	struct why why;

	/* Not a block any more, but it must be found out without harm. */
	put_bits(packed.p, 32 + 80 + 25 + 16 + 3, UINT64_C(0x177245385090), 48);
	assert_int_equal(codec_decode(bzip2_open, packed.p, packed.n, &made, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "can't be decoded"));
}

static void test_nothing_but_marks_is_refused(void **state)
{
	_cleanup_bytes_ struct bytes packed = { calloc(1, 1 * MiB), 1 * MiB };

	memcpy(packed.p, "BZh9", 4);
	for (uint64_t at = 32; at + 48 <= packed.n * 8; at += 48)
		put_bits(packed.p, at, MARK, 48);
	codec_assert_refused(bzip2_open, packed.p, packed.n, -EBADMSG, "");
}

/* ---- with a daemon ---- */

static void test_all_threads_take_part(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why = { 0 };
	struct daemon d;

	codec_sh("cat disk mixed | lbzip2 -1 -c > a");
	packed = codec_load("a");
	below = memimage_new(packed.p, packed.n, packed.n);
	daemon_start(&d, NULL, 512 * MiB);
	assert_int_equal(bzip2_open(&d.opening, below, &img, &why), 0);
	codec_assert_makes(img, "a", JUDGE);
	image_unref(take(img));
	daemon_stop(&d);
}

/* Damage is told of its place, whatever the threads were at. */
static void test_threads_find_the_same_damage(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why alone, together = { 0 };
	struct daemon d;

	codec_sh("bzip2 -1 -c disk > a");
	packed = codec_load("a");
	daemon_start(&d, NULL, 512 * MiB);
	for (size_t i = 1; i < 8; i++) {
		_cleanup_(image_unrefp) struct image *below = memimage_new(packed.p, packed.n, packed.n);
		struct image *img = NULL;
		int r;

		packed.p[packed.n / 8 * i] ^= 0x10;
		packed.p[packed.n / 8 * i + 1] ^= 0x10;
		r = codec_open(bzip2_open, packed.p, packed.n, &img, &alone);
		assert_int_equal(bzip2_open(&d.opening, below, &img, &together), r);
		assert_int_equal(r, -EBADMSG);
		assert_string_equal(alone.text, together.text);
		packed.p[packed.n / 8 * i] ^= 0x10;
		packed.p[packed.n / 8 * i + 1] ^= 0x10;
	}
	daemon_stop(&d);
}

static void test_index_is_kept(void **state)
{
	codec_sh("bzip2 -1c disk > kept");
	codec_assert_index_kept(bzip2_open, "kept", JUDGE);
}

static void test_gives_up(void **state)
{
	codec_sh("bzip2 -1c disk > a");
	codec_assert_gives_up(bzip2_open, "a");
}

#define LIKE(command)                                                                    \
	{                                                                                \
		"like " command, test_like_bzip2, NULL, NULL, (void *)(uintptr_t)command \
	}
#define ZEROS(command)                                                                  \
	{                                                                               \
		"zeros of " command, test_zeros, NULL, NULL, (void *)(uintptr_t)command \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LIKE("bzip2 -c mixed"),
		LIKE("bzip2 -1c mixed"),
		LIKE("bzip2 -c disk"),
		LIKE("bzip2 -3c disk"),
		LIKE("pbzip2 -c disk"),
		LIKE("pbzip2 -b1 -1 -c disk"),
		LIKE("lbzip2 -c disk"),
		LIKE("lbzip2 -1 -c disk"),
		LIKE("printf x | bzip2 -c"),
		LIKE("head -c 60M /dev/zero | bzip2 -c"),
		LIKE("bzip2 -1c mixed; for i in 1 2 3; do head -c 3M /dev/zero | lbzip2 -1 -c; printf x | "
		     "bzip2 -1c; done"),
		LIKE("bzip2 -c < empty; bzip2 -1c mixed; bzip2 -c < empty; bzip2 -c < empty; bzip2 -9c mixed; "
		     "bzip2 -c < "
		     "empty"),
		LIKE("bzip2 -c mixed; head -c 600000 /dev/zero"),
		ZEROS("bzip2 -c disk"),
		ZEROS("lbzip2 -1 -c disk"),
		ZEROS("pbzip2 -b1 -c disk"),
		cmocka_unit_test(test_units_are_some_blocks),
		cmocka_unit_test(test_refuses_what_follows),
		cmocka_unit_test(test_refuses_other_formats),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_compares_the_sum_of_blocks),
		cmocka_unit_test(test_marks_in_data),
		cmocka_unit_test(test_a_mark_of_an_end_in_data),
		cmocka_unit_test(test_nothing_but_marks_is_refused),
		cmocka_unit_test(test_all_threads_take_part),
		cmocka_unit_test(test_threads_find_the_same_damage),
		cmocka_unit_test(test_index_is_kept),
		cmocka_unit_test(test_gives_up),
	};

	return cmocka_run_group_tests_name("bzip2", tests, codec_setup, codec_teardown);
}
