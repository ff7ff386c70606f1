/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gzip backend against gzip: what any packer writes must come back the way `gzip -dc` gives it. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "backends/decode/gzip.h"
#include "base/bytes.h"
#include "tests/unit/codec.h"
#include "tests/unit/memimage.h"

#define JUDGE "gzip -dc"

static void test_like_gzip(void **state)
{
	codec_sh("{ %s; } > a", (const char *)*state);
	codec_assert_like(gzip_open, "a", JUDGE);
}

static void test_zeros(void **state)
{
	codec_sh("{ %s; } > a", (const char *)*state);
	assert_in_range(codec_assert_zeros(gzip_open, "a", JUDGE, /* exact= */ true), 8 * MiB, 9 * MiB);
}

static void test_has_restart_points(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(text_done) struct text text = TEXT_EMPTY;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why;

	codec_sh("gzip -1 -c disk > a");
	packed = codec_load("a");
	assert_int_equal(codec_open(gzip_open, packed.p, packed.n, &img, &why), 0);
	assert_in_range(image_units(img), 4, 6);
	assert_true(image_unit(img, 23 * MiB).length < 9 * MiB); /* a deflate block holds some MiB of zeros */
	image_describe(img, &text);
	assert_non_null(strstr(text.chars, "proved zero; 1 member, check crc32\n"));
}

static void test_a_unit_reads_its_own_bytes(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why = { 0 };
	uint64_t before;
	struct unit u;
	uint8_t byte;

	codec_sh("gzip -1 -c disk > a");
	packed = codec_load("a");
	below = memimage_new(packed.p, packed.n, packed.n);
	assert_int_equal(gzip_open(NULL, below, &img, &why), 0);
	/* The image below could be read, and would give compressed bytes. */
	assert_int_equal(image_pread(img, &byte, 1, 0, &why), -EINVAL);
	before = testimage_count(below).bytes;
	u = image_unit(img, 20 * MiB);
	assert_int_equal(image_bring(img, &u, &why), 0);
	assert_in_range(testimage_count(below).bytes - before, 1, packed.n / 3);
}

static void test_refuses_what_follows(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };

	codec_sh("{ gzip -c mixed; printf garbage; } > a");
	packed = codec_load("a");
	codec_assert_refused(gzip_open, packed.p, packed.n, -EBADMSG, "something else behind its end");
	bytes_done(&packed);
	codec_sh("{ gzip -c mixed; head -c 1000 /dev/zero; gzip -c mixed; } > a");
	packed = codec_load("a");
	codec_assert_refused(gzip_open, packed.p, packed.n, -EBADMSG, "something else behind its end");
}

static void test_refuses_other_formats(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };

	codec_sh("bzip2 -c mixed > a; gzip -c < empty > e");
	packed = codec_load("a");
	codec_assert_refused(gzip_open, packed.p, packed.n, -EBADMSG, "not a gzip file");
	bytes_done(&packed);
	packed = codec_load("e");
	codec_assert_refused(gzip_open, packed.p, packed.n, -EBADMSG, "empty image");
	packed.p[3] = 0x20;
	codec_assert_refused(gzip_open, packed.p, packed.n, -EOPNOTSUPP, "flags 0x20");
}

/* A header with all its options, by hand: gzip writes none but the name. */
static void test_takes_all_headers(void **state)
{
	static const uint8_t head[] = "\x1f\x8b\x08\x1e\0\0\0\0\0\3"
				      "\x05\0extra"
				      "name\0"
				      "comment";
	_cleanup_bytes_ struct bytes packed = { 0 }, rest = { 0 };
	uint16_t crc = crc32(0, head, sizeof(head));

	codec_sh("gzip -nc mixed | tail -c +11 > rest");
	rest = codec_load("rest");
	packed.n = sizeof(head) + 2 + rest.n;
	packed.p = malloc(packed.n);
	memcpy(packed.p, head, sizeof(head));
	put_le16(packed.p + sizeof(head), crc);
	memcpy(packed.p + sizeof(head) + 2, rest.p, rest.n);
	codec_put("a", packed.p, packed.n);
	codec_assert_like(gzip_open, "a", JUDGE);
	put_le16(packed.p + sizeof(head), crc + 1);
	codec_assert_refused(gzip_open, packed.p, packed.n, -EBADMSG, "checksum of the header");
}

static void test_cut_anywhere(void **state)
{
	codec_sh("{ gzip -c mixed | head -c 100000; } > a; head -c 3000 mixed | gzip -c > b; cat b b > c");
	codec_assert_cuts_refused(gzip_open, "a", 4999);
	codec_assert_cuts_refused(gzip_open, "b", 1);
}

static void test_flips(void **state)
{
	codec_sh("head -c 20000 mixed > s; { gzip -c s; gzip -1c s; gzip -nc s; } > a; gzip -1c disk > b");
	codec_assert_flips_harmless(gzip_open, "a", JUDGE, 17);
	codec_assert_flips_harmless(gzip_open, "b", JUDGE, 400009);
}

/* What has changed since the index was made must not be made. */
static void test_index_vouches_for_bytes(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why = { 0 };
	unsigned errors = 0;

	/* Stored blocks: any byte of data may be another, and only checksums can tell. */
	codec_sh("pigz -0 -c disk > a");
	packed = codec_load("a");
	below = memimage_new(packed.p, packed.n, packed.n);
	assert_int_equal(gzip_open(NULL, below, &img, &why), 0);
	packed.p[packed.n / 2 + 12345] ^= 1;
	for (uint64_t at = 0; at < img->size;) {
		struct unit u = image_unit(img, at);
		int r = codec_make(img, &u, &why);

		if (r < 0)
			assert_non_null(strstr(why.text, "not what it was"));
		errors += r < 0;
		at += u.length;
	}
	assert_int_equal(errors, 1);
}

static void test_countless_members_are_few_units(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes one = { 0 }, all = { 0 };
	struct why why;

	codec_sh("printf x | gzip -nc > a");
	one = codec_load("a");
	all = (struct bytes){ malloc(one.n * 100000), one.n * 100000 };
	for (size_t i = 0; i < 100000; i++)
		memcpy(all.p + i * one.n, one.p, one.n);
	assert_int_equal(codec_open(gzip_open, all.p, all.n, &img, &why), 0);
	assert_int_equal(img->size, 100000);
	assert_int_equal(image_units(img), 1);
}

static void test_little_memory_makes_long_units(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why = { 0 };
	struct daemon d;

	codec_sh("cat disk disk disk disk | gzip -1c > a");
	packed = codec_load("a");
	below = memimage_new(packed.p, packed.n, packed.n);
	daemon_start(&d, NULL, 64 * KiB);
	assert_int_equal(gzip_open(&d.opening, below, &img, &why), 0);
	assert_in_range(image_units(img), 2, 12);
	codec_assert_makes(img, "a", JUDGE);
	image_unref(take(img));
	daemon_stop(&d);
}

static void test_index_is_kept(void **state)
{
	codec_sh("gzip -1c disk > kept");
	codec_assert_index_kept(gzip_open, "kept", JUDGE);
}

static void test_gives_up(void **state)
{
	codec_sh("gzip -1c disk > a");
	codec_assert_gives_up(gzip_open, "a");
	codec_sh("head -c 100M /dev/zero | gzip -1c > a");
	codec_assert_gives_up(gzip_open, "a");
}

#define LIKE(command)                                                                   \
	{                                                                               \
		"like " command, test_like_gzip, NULL, NULL, (void *)(uintptr_t)command \
	}
#define ZEROS(command)                                                                  \
	{                                                                               \
		"zeros of " command, test_zeros, NULL, NULL, (void *)(uintptr_t)command \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LIKE("gzip -c mixed"),
		LIKE("gzip -c disk"),
		LIKE("gzip -1 -c disk"),
		LIKE("gzip -9 -c disk"),
		LIKE("gzip --rsyncable -c disk"),
		LIKE("pigz -c disk"),
		LIKE("pigz -0 -c disk"),
		LIKE("pigz -i -b 128 -c disk"),
		LIKE("pigz -11 -c mixed"),
		LIKE("bgzip -c disk"),
		LIKE("bgzip -l 0 -c disk"),
		LIKE("printf x | gzip -c"),
		LIKE("gzip -c < empty; gzip -c mixed; gzip -c < empty; gzip -c < empty; gzip -1c disk; gzip -c "
		     "< empty"),
		LIKE("gzip -c mixed; head -c 100000 /dev/zero"),
		ZEROS("gzip -c disk"),
		ZEROS("pigz -0 -c disk"),
		ZEROS("bgzip -c disk"),
		cmocka_unit_test(test_has_restart_points),
		cmocka_unit_test(test_a_unit_reads_its_own_bytes),
		cmocka_unit_test(test_refuses_what_follows),
		cmocka_unit_test(test_refuses_other_formats),
		cmocka_unit_test(test_takes_all_headers),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_index_vouches_for_bytes),
		cmocka_unit_test(test_countless_members_are_few_units),
		cmocka_unit_test(test_little_memory_makes_long_units),
		cmocka_unit_test(test_index_is_kept),
		cmocka_unit_test(test_gives_up),
	};

	return cmocka_run_group_tests_name("gzip", tests, codec_setup, codec_teardown);
}
