/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zstd backend against zstd: what any packer writes must come back the way `zstd
 * -dc` gives it. No packer of Debian's makes seekable files: their tables are made
 * here, by the format's description.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

#include "backends/decode/zstd.h"
#include "base/bytes.h"
#include "tests/unit/codec.h"
#include "tests/unit/memimage.h"

#define JUDGE "zstd -dc --memory=2048MB"

/* The same in frames of so many bytes each, which divides it, and which they tell. */
#define FRAMES(size, options) "split -b " size " --filter='zstd -q " options " --stream-size=" size " -c' disk"

static void test_like_zstd(void **state)
{
	codec_sh("{ %s; } > a", (const char *)*state);
	codec_assert_like(zstd_open, "a", JUDGE);
}

static void test_zeros_by_decoding(void **state)
{
	codec_sh("{ %s; } > a", (const char *)*state);
	assert_in_range(codec_assert_zeros(zstd_open, "a", JUDGE, /* exact= */ true), 8 * MiB, 9 * MiB);
}

static void test_zeros_by_frames(void **state)
{
	codec_sh("{ %s; } > a", (const char *)*state);
	assert_in_range(codec_assert_zeros(zstd_open, "a", JUDGE, /* exact= */ false), 4 * MiB, 9 * MiB);
}

/* Opens the file, and tells how much of it was read. */
static struct image *open_counting(const struct bytes *packed, uint64_t *ret_read)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(packed->p, packed->n, packed->n);
	struct image *img = NULL;
	struct why why = { 0 };

	if (zstd_open(NULL, below, &img, &why) < 0)
		fail_msg("%s", why.text);
	*ret_read = testimage_count(below).bytes;
	return img;
}

static void test_sizes_need_no_decoding(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(text_done) struct text text = TEXT_EMPTY;
	_cleanup_bytes_ struct bytes packed = { 0 };
	uint64_t reads;

	codec_sh("head -c 64M /dev/urandom > r; split -b 4M --filter='zstd -c --stream-size=$((4<<20))' r > a; "
		 "rm r");
	packed = codec_load("a");
	img = open_counting(&packed, &reads);
	assert_int_equal(img->size, 64 * MiB);
	assert_int_equal(image_units(img), 16);
	assert_in_range(reads, 1, 64 * KiB);
	image_describe(img, &text);
	assert_string_equal(text.chars, "    16 units of up to 4.00M, 0 proved zero; 16 frames\n");
}

static void test_a_large_frame_is_one_unit(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(text_done) struct text text = TEXT_EMPTY;
	_cleanup_bytes_ struct bytes packed = { 0 };
	uint64_t reads;

	codec_sh("{ cat disk; head -c 50M /dev/zero; } > b; zstd -q -c b > a; rm b");
	packed = codec_load("a");
	img = open_counting(&packed, &reads);
	assert_int_equal(image_units(img), 1);
	assert_int_equal(image_extent(img, 30 * MiB).kind, EXTENT_ZERO);
	assert_int_equal(image_extent(img, 30 * MiB).length, img->size - 30 * MiB);
	image_describe(img, &text);
	assert_non_null(strstr(text.chars, "a single frame: to read its end, all of it is decoded"));
}

static void test_many_small_frames_are_few_units(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes one = { 0 }, all = { 0 };
	struct why why;

	codec_sh("printf x | zstd -c --stream-size=1 > a");
	one = codec_load("a");
	all = (struct bytes){ malloc(one.n * 100000), one.n * 100000 };
	for (size_t i = 0; i < 100000; i++)
		memcpy(all.p + i * one.n, one.p, one.n);
	assert_int_equal(codec_open(zstd_open, all.p, all.n, &img, &why), 0);
	assert_int_equal(img->size, 100000);
	assert_int_equal(image_units(img), 1);
}

/* ---- seekable files ---- */

struct seekable {
	struct bytes file;
	uint8_t *entries; /* 12 bytes each, with a checksum */
	uint32_t n;
};

static void seekable_done(struct seekable *s)
{
	free(s->file.p);
	free(s->entries);
}

/* "disk" in frames of so many bytes; the table's entries. */
static struct seekable seekable_new(size_t frame, bool with_check)
{
	_cleanup_bytes_ struct bytes raw = codec_load("disk");
	const size_t n = div_up(raw.n, frame), room = n * ZSTD_compressBound(frame) + n * 12 + 17;
	struct seekable s = { { malloc(room), 0 }, calloc(n, 12), n };
	ZSTD_CCtx *ctx = ZSTD_createCCtx();

	/* Frames that don't say what they hold: the table alone does. */
	(void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
	(void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, with_check);
	for (size_t i = 0; i < n; i++) {
		size_t count = min_u64(frame, raw.n - i * frame);
		size_t packed =
			ZSTD_compress2(ctx, s.file.p + s.file.n, room - s.file.n, raw.p + i * frame, count);

		assert_false(ZSTD_isError(packed));
		put_le32(s.entries + 12 * i, packed);
		put_le32(s.entries + 12 * i + 4, count);
		put_le32(s.entries + 12 * i + 8, XXH64(raw.p + i * frame, count, 0));
		s.file.n += packed;
	}
	(void)ZSTD_freeCCtx(ctx);
	return s;
}

/* Writes the table behind the frames. */
static void seekable_end(struct seekable *s, bool with_checks)
{
	const unsigned entry = with_checks ? 12 : 8;
	uint8_t *p = s->file.p + s->file.n;

	put_le32(p, 0x184d2a5e);
	put_le32(p + 4, s->n * entry + 9);
	p += 8;
	for (uint32_t i = 0; i < s->n; i++, p += entry)
		memcpy(p, s->entries + 12 * i, entry);
	put_le32(p, s->n);
	p[4] = with_checks ? 0x80 : 0;
	put_le32(p + 5, 0x8f92eab1);
	s->file.n = p + 9 - s->file.p;
}

static void test_seekable(void **state)
{
	static const size_t sizes[] = { 64 * KiB, 1 * MiB, 5 * MiB };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (unsigned checks = 0; checks < 4; checks++) {
			_cleanup_(seekable_done) struct seekable s = seekable_new(sizes[i], checks & 1);
			_cleanup_(image_unrefp) struct image *img = NULL;
			uint64_t reads;

			seekable_end(&s, checks & 2);
			codec_put("a", s.file.p, s.file.n);
			codec_assert_like(zstd_open, "a", JUDGE);
			(void)codec_assert_zeros(zstd_open, "a", JUDGE, false);
			img = open_counting(&s.file, &reads);
			assert_in_range(image_units(img), 5, 6);
			assert_true(reads < s.file.n / 4);
		}
}

static void test_the_table_tells_zeros(void **state)
{
	_cleanup_(seekable_done) struct seekable s = seekable_new(512 * KiB, false);

	seekable_end(&s, true);
	codec_put("a", s.file.p, s.file.n);
	assert_in_range(codec_assert_zeros(zstd_open, "a", JUDGE, false), 4 * MiB, 9 * MiB);
}

/* Right bytes, whatever it takes, or an error. */
static void assert_harmless(const struct seekable *s, bool must_fail)
{
	_cleanup_bytes_ struct bytes raw = codec_load("disk"), made = { 0 };
	struct why why;
	int r = codec_decode(zstd_open, s->file.p, s->file.n, &made, &why);

	if (r == 0 && (must_fail || made.n != raw.n || memcmp(made.p, raw.p, raw.n) != 0))
		fail_msg("a table that lies is believed");
	if (r < 0 && !why.text[0])
		fail_msg("error %d is not explained", r);
}

static void test_tables_that_lie(void **state)
{
	const uint32_t frame = 512 * KiB;

	for (unsigned lie = 0; lie < 10; lie++) {
		_cleanup_(seekable_done) struct seekable s = seekable_new(frame, false);
		uint8_t *e = s.entries + 12 * 5, *next = e + 12;
		const uint32_t size = get_le32(e), next_size = get_le32(next);

		switch (lie) {
		case 0: /* bounds shifted */
			put_le32(e, size + 1);
			put_le32(next, next_size - 1);
			break;
		case 1:
			put_le32(e, size - 7);
			put_le32(next, next_size + 7);
			break;
		case 2: /* what they hold shifted */
			put_le32(e + 4, frame + 100);
			put_le32(next + 4, frame - 100);
			break;
		case 3:
			put_le32(e + 4, 0);
			put_le32(next + 4, 2 * frame);
			break;
		case 4: /* two frames as one, and one as none */
			put_le32(e, size + next_size);
			put_le32(e + 4, 2 * frame);
			put_le32(next, 0);
			put_le32(next + 4, 0);
			break;
		case 5:
			put_le32(e + 4, 64 * MiB);
			break;
		case 6:
			put_le32(e + 4, UINT32_MAX);
			break;
		case 7:
			put_le32(e, UINT32_MAX);
			break;
		case 8: /* a checksum */
			put_le32(e + 8, 1);
			break;
		case 9: /* more of them than there are */
			s.n--;
			break;
		}
		seekable_end(&s, true);
		assert_harmless(&s, lie == 8);
	}
}

static void test_footers_that_lie(void **state)
{
	static const uint32_t counts[] = { 0, 1, 47, 49, 0x8000000, UINT32_MAX };

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		_cleanup_(seekable_done) struct seekable s = seekable_new(512 * KiB, false);

		seekable_end(&s, false);
		put_le32(s.file.p + s.file.n - 9, counts[i]);
		assert_harmless(&s, false);
		put_le32(s.file.p + s.file.n - 9, s.n);
		s.file.p[s.file.n - 5] |= 0x80;
		assert_harmless(&s, false);
		s.file.p[s.file.n - 5] = 0x40;
		assert_harmless(&s, false);
	}
}

/* ---- damage and limits ---- */

static void test_refuses_what_follows(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };

	codec_sh("{ zstd -c mixed; head -c 100 /dev/zero; } > a");
	packed = codec_load("a");
	codec_assert_refused(zstd_open, packed.p, packed.n, -EBADMSG, "something else behind its end");
}

static void test_refuses_other_formats(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };

	codec_sh("bzip2 -c mixed > a; zstd -c < empty > e");
	packed = codec_load("a");
	codec_assert_refused(zstd_open, packed.p, packed.n, -EBADMSG, "not a zstd file");
	bytes_done(&packed);
	packed = codec_load("e");
	codec_assert_refused(zstd_open, packed.p, packed.n, -EBADMSG, "empty image");
}

static void test_refuses_legacy_frames(void **state)
{
	uint8_t frame[100] = { 0x27, 0xb5, 0x2f, 0xfd };

	codec_assert_refused(zstd_open, frame, sizeof(frame), -EOPNOTSUPP, "before 0.8");
}

static void test_refuses_dictionaries(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };

	codec_sh("split -b 500 mixed piece.; zstd -q --train piece.* -o dict --maxdict=2000 --dictID=77; "
		 "rm piece.*; zstd -q -c -D dict mixed > a");
	packed = codec_load("a");
	codec_assert_refused(zstd_open, packed.p, packed.n, -EOPNOTSUPP, "needs dictionary 77");
}

static void test_memory_bounds_the_window(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	struct why why = { 0 };
	struct daemon d;

	codec_sh("head -c 400M /dev/zero | zstd -q -1 --long=28 -c > a");
	packed = codec_load("a");
	below = memimage_new(packed.p, packed.n, packed.n);
	daemon_start(&d, NULL, 512 * MiB);
	assert_int_equal(zstd_open(&d.opening, below, &img, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "takes 25"));
	assert_non_null(strstr(why.text, "of memory to decode, the limit is 130M"));
	daemon_stop(&d);
	daemon_start(&d, NULL, 2 * GiB);
	assert_int_equal(zstd_open(&d.opening, below, &img, &why), 0);
	assert_in_range(image_make_memory(img), 256 * MiB, 260 * MiB);
	image_unref(take(img));
	daemon_stop(&d);
}

/* What a frame says it holds, and doesn't. */
static void test_claims_are_not_believed(void **state)
{
	static const uint64_t claims[] = {
		0, 1, 299999, 300001, 64 * MiB, 65 * MiB, INT64_MAX, UINT64_MAX - 1
	};

	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		_cleanup_bytes_ struct bytes packed = { 0 }, made = { 0 };
		uint8_t head[14] = { 0x28, 0xb5, 0x2f, 0xfd, /* 8 bytes of size, a window: */ 0xc0, 0x58 };
		struct why why;
		size_t skip;

		codec_sh("cat mixed | zstd -c --no-check > a");
		packed = codec_load("a");
		assert_int_equal(packed.p[4], 0); /* neither */
		skip = 6;
		made.p = malloc(packed.n + sizeof(head));
		put_le64(head + 6, claims[i]);
		memcpy(made.p, head, sizeof(head));
		memcpy(made.p + sizeof(head), packed.p + skip, packed.n - skip);
		made.n = packed.n - skip + sizeof(head);
		{
			_cleanup_bytes_ struct bytes none = { 0 };

			assert_int_equal(codec_decode(zstd_open, made.p, made.n, &none, &why), -EBADMSG);
		}
	}
}

static void test_cut_anywhere(void **state)
{
	codec_sh("head -c 3000 mixed | zstd -c > b; zstd -qc mixed > a; " FRAMES("2097152", "") " > c");
	codec_assert_cuts_refused(zstd_open, "b", 3);
	codec_assert_cuts_refused(zstd_open, "a", 997);
	codec_assert_cuts_refused(zstd_open, "c", 999983);
}

static void test_flips(void **state)
{
	codec_sh("head -c 20000 mixed > s; { zstd -qc s; zstd -q -19 -c s; cat s | zstd -qc; } > a; " FRAMES(
		"2097152", "--check") " > b");
	codec_assert_flips_harmless(zstd_open, "a", JUDGE, 101);
	codec_assert_flips_harmless(zstd_open, "b", JUDGE, 400009);
}

static void test_index_is_kept(void **state)
{
	codec_sh("cat disk | zstd -qc > kept; " FRAMES("1048576", "") " > kept-frames");
	codec_assert_index_kept(zstd_open, "kept", JUDGE);
	codec_assert_index_kept(zstd_open, "kept-frames", JUDGE);
}

static void test_gives_up(void **state)
{
	codec_sh("cat disk disk disk | zstd -qc > a");
	codec_assert_gives_up(zstd_open, "a");
	codec_sh("split -b 100 --filter='zstd -q -c' mixed > a");
	codec_assert_gives_up(zstd_open, "a");
}

#define LIKE(command)                                                                   \
	{                                                                               \
		"like " command, test_like_zstd, NULL, NULL, (void *)(uintptr_t)command \
	}
#define ZEROS(how, command)                                                                      \
	{                                                                                        \
		"zeros of " command, test_zeros_by_##how, NULL, NULL, (void *)(uintptr_t)command \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LIKE("zstd -qc mixed"),
		LIKE("zstd -qc disk"),
		LIKE("zstd -q -1 --no-check -c disk"),
		LIKE("zstd -q -19 -c mixed"),
		LIKE("zstd -q -B1M --single-thread -c disk"),
		LIKE("zstd -q -T2 -B1M -c disk"),
		LIKE("zstd -q --long=27 -c disk"),
		LIKE("cat disk | zstd -qc --long=27"),
		LIKE("cat disk | zstd -qc"),
		LIKE("zstd -qc disk; cat mixed | zstd -qc; zstd -qc < empty; zstd -qc mixed"),
		LIKE("zstd -qc < empty; zstd -qc mixed; zstd -qc < empty"),
		LIKE(FRAMES("1048576", "")),
		LIKE(FRAMES("524288", "--no-check")),
		LIKE("split -b 3000000 --filter='zstd -qc' disk"),
		LIKE("head -c 1M mixed > s; for i in 1 2 3 4; do zstd -qc s; printf "
		     "'\\120\\052\\115\\030\\3\\0\\0\\0abc'; "
		     "done"),
		LIKE("printf x | zstd -qc"),
		LIKE("pzstd -q -p 2 -c disk"),
		ZEROS(decoding, "cat disk | zstd -qc"),
		ZEROS(decoding, "split -b 5M --filter='cat | zstd -qc' disk"),
		ZEROS(frames, "split -b 512K --filter='zstd -q -c --stream-size=$((512<<10))' disk"),
		ZEROS(frames, "split -b 64K --filter='zstd -q --no-check -c --stream-size=$((64<<10))' disk"),
		cmocka_unit_test(test_sizes_need_no_decoding),
		cmocka_unit_test(test_a_large_frame_is_one_unit),
		cmocka_unit_test(test_many_small_frames_are_few_units),
		cmocka_unit_test(test_seekable),
		cmocka_unit_test(test_the_table_tells_zeros),
		cmocka_unit_test(test_tables_that_lie),
		cmocka_unit_test(test_footers_that_lie),
		cmocka_unit_test(test_refuses_what_follows),
		cmocka_unit_test(test_refuses_other_formats),
		cmocka_unit_test(test_refuses_legacy_frames),
		cmocka_unit_test(test_refuses_dictionaries),
		cmocka_unit_test(test_memory_bounds_the_window),
		cmocka_unit_test(test_claims_are_not_believed),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_index_is_kept),
		cmocka_unit_test(test_gives_up),
	};

	return cmocka_run_group_tests_name("zstd", tests, codec_setup, codec_teardown);
}
