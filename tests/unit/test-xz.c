/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The xz backend against xz itself: whatever the tool writes must come back the
 * way `xz -dc` gives it. Files that no tool writes are put together here, with
 * right checksums over wrong facts.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/cache/pool.h"
#include "backends/cache/store.h"
#include "backends/decode/xz.h"
#include "backends/library/library.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

static char dir[] = "/tmp/goalfs-test-xz-XXXXXX";

struct bytes {
	uint8_t *p;
	size_t n;
};

static void bytes_done(struct bytes *b)
{
	free(b->p);
}
#define _cleanup_bytes_ _cleanup_(bytes_done)

/* Files and commands */

static void sh(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a command in the test's directory. */
static void sh(const char *format, ...)
{
	char inner[2048], command[4096];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(inner, sizeof(inner), format, ap);
	va_end(ap);
	(void)snprintf(command, sizeof(command), "cd %s && { %s; }", dir, inner);
	if (system(command) != 0)
		fail_msg("this failed: %s", inner);
}

static struct bytes load(const char *name)
{
	_cleanup_free_ char *path = text_new("%s/%s", dir, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct bytes b = { 0 };
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	b.n = st.st_size;
	b.p = malloc(b.n + 1);
	assert_int_equal(read(fd, b.p, b.n), b.n);
	return b;
}

static void store(const char *name, const void *bytes, size_t count)
{
	_cleanup_free_ char *path = text_new("%s/%s", dir, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), count);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

static uint32_t noise(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* `count` bytes of a bit of everything: text, noise, zeros, runs of another byte. */
static void fill_mixed(uint8_t *p, size_t count)
{
	uint32_t seed = 1;

	for (size_t at = 0; at < count;) {
		size_t n = min_u64(count - at, 1 + noise(&seed) % 5000);
		unsigned kind = noise(&seed) % 4;

		for (size_t i = 0; i < n; i++, at++)
			p[at] = kind == 0   ? "the quick brown fox "[i % 20]
				: kind == 1 ? noise(&seed)
				: kind == 2 ? 0
					    : 0xe8;
	}
}

#define MIXED 1000000

static int setup(void **state)
{
	uint8_t *p = malloc(MIXED);

	assert_non_null(mkdtemp(dir));
	assert_int_equal(setenv("XZ_OPT", "-1", 1), 0); /* what xz does where a test doesn't say, for speed */
	fill_mixed(p, MIXED);
	store("mixed", p, MIXED);
	free(p);
	return 0;
}

static int teardown(void **state)
{
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Opening and making */

struct memsink {
	struct sink sink;
	uint8_t *p;
	uint64_t base, at, end; /* offsets in the image */
};

static int memsink_write(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct memsink *m = (struct memsink *)sink;

	assert_int_equal(offset, m->at);
	assert_true(range_ok(offset, count, m->end));
	memcpy(m->p + (offset - m->base), buf, count);
	m->at += count;
	return 0;
}

static int make_unit(struct image *img, const struct unit *u, uint8_t *p, struct why *why)
{
	struct memsink m = { { memsink_write }, p, u->offset, u->offset, u->offset + u->length };
	int r = image_make(img, u, &m.sink, why);

	if (r == 0)
		assert_int_equal(m.at, m.end);
	return r;
}

static int open_bytes(const void *p, size_t n, struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(p, n, n);

	*why = (struct why){ 0 };
	return xz_open(/* opening= */ NULL, below, ret, why);
}

/* Opens the bytes and makes every unit, whatever comes of it. */
static int decode(const void *p, size_t n, struct bytes *ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes b = { 0 };
	uint64_t index = 0;
	int r = open_bytes(p, n, &img, why);

	if (r < 0)
		return r;
	b.n = img->size;
	b.p = malloc(b.n);
	assert_non_null(b.p);
	for (uint64_t at = 0; at < img->size; index++) {
		struct unit u = image_unit(img, at);

		assert_int_equal(u.index, index);
		assert_int_equal(u.offset, at);
		r = make_unit(img, &u, b.p + at, why);
		if (r < 0)
			return r;
		at += u.length;
	}
	assert_int_equal(index, image_units(img));
	*ret = b;
	b.p = NULL;
	return 0;
}

static void assert_decodes_to(const struct bytes *packed, const struct bytes *raw)
{
	_cleanup_bytes_ struct bytes made = { 0 };
	struct why why;
	int r = decode(packed->p, packed->n, &made, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	assert_int_equal(made.n, raw->n);
	assert_memory_equal(made.p, raw->p, raw->n);
}

/* The file in the test's directory gives what `xz -dc` gives. */
static void assert_like_xz(const char *name)
{
	_cleanup_bytes_ struct bytes packed = load(name), raw = { 0 };

	sh("xz -dc %s > judge", name);
	raw = load("judge");
	assert_decodes_to(&packed, &raw);
}

static void assert_refused(const void *p, size_t n, int error, const char *words)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct why why;
	int r = open_bytes(p, n, &img, &why);

	assert_int_equal(r, error);
	if (!strstr(why.text, words))
		fail_msg("'%s' is not in: %s", words, why.text);
}

/* Opens, but the making of some unit fails. */
static void assert_unmakeable(const void *p, size_t n, int error, const char *words)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes made = { 0 };
	struct why why;

	assert_int_equal(open_bytes(p, n, &img, &why), 0);
	assert_int_equal(decode(p, n, &made, &why), error);
	if (!strstr(why.text, words))
		fail_msg("'%s' is not in: %s", words, why.text);
}

/* What xz writes */

static void test_like_xz(void **state)
{
	sh("xz -T1 %s -c mixed > a.xz", (const char *)*state);
	assert_like_xz("a.xz");
}

static void test_concatenated_streams(void **state)
{
	sh("for c in none crc32 crc64 sha256; do xz --check=$c --block-size=200000 -c mixed; done > a.xz");
	assert_like_xz("a.xz");
}

static void test_stream_padding(void **state)
{
	sh("{ xz -c mixed; head -c 4 /dev/zero; xz -c mixed; head -c 8192 /dev/zero; } > a.xz");
	assert_like_xz("a.xz");
}

static void test_empty_streams_between(void **state)
{
	sh("{ xz -c < /dev/null; xz -c mixed; xz -c < /dev/null; xz -c < /dev/null; xz -c mixed; xz -c < "
	   "/dev/null; } > a.xz");
	assert_like_xz("a.xz");
}

static void test_single_byte(void **state)
{
	sh("printf x | xz -c > a.xz");
	assert_like_xz("a.xz");
}

static void test_many_blocks(void **state)
{
	/* An index longer than what is read of it at once. */
	sh("head -c 160000 mixed | xz -0 --block-size=16 -c > a.xz");
	assert_like_xz("a.xz");
}

static void test_finds_the_unit_of_any_offset(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why;

	sh("xz --block-list=1,1000,7,400000 -c mixed > a.xz");
	packed = load("a.xz");
	assert_int_equal(open_bytes(packed.p, packed.n, &img, &why), 0);
	assert_int_equal(image_unit(img, 0).length, 1);
	assert_int_equal(image_unit(img, 1).index, 1);
	assert_int_equal(image_unit(img, 1000).index, 1);
	assert_int_equal(image_unit(img, 1001).index, 2);
	assert_int_equal(image_unit(img, 1007).index, 2);
	assert_int_equal(image_unit(img, 1008).index, 3);
	assert_int_equal(image_unit(img, MIXED - 1).offset + image_unit(img, MIXED - 1).length, MIXED);
}

static void test_cant_be_read_directly(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why;
	uint8_t byte;

	sh("xz -c mixed > a.xz");
	packed = load("a.xz");
	assert_int_equal(open_bytes(packed.p, packed.n, &img, &why), 0);
	/* The image below could, and would give compressed bytes. */
	assert_int_equal(image_pread(img, &byte, 1, 0, &why), -EINVAL);
}

static void test_describes_itself(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	_cleanup_(text_done) struct text text = TEXT_EMPTY;
	struct why why;

	sh("head -c 1M /dev/zero | cat - mixed | xz --check=crc32 --block-size=512KiB -c > a.xz");
	packed = load("a.xz");
	assert_int_equal(open_bytes(packed.p, packed.n, &img, &why), 0);
	image_describe(img, &text);
	assert_string_equal(text.chars, "    4 blocks of 512K, 2 proved zero, check crc32\n");
}

/* The zero map */

/* Every whole block of zeros is a ZERO extent, and nothing else is. */
static void assert_zero_map(const char *name, uint64_t want_zero_blocks)
{
	_cleanup_bytes_ struct bytes packed = load(name), raw = { 0 };
	_cleanup_(image_unrefp) struct image *img = NULL;
	uint64_t zero_blocks = 0;
	struct why why;

	sh("xz -dc %s > judge", name);
	raw = load("judge");
	assert_int_equal(open_bytes(packed.p, packed.n, &img, &why), 0);
	for (uint64_t at = 0; at < img->size;) {
		struct unit u = image_unit(img, at);
		bool zero = bytes_are_zero(raw.p + u.offset, u.length);
		struct extent e = image_extent(img, at);

		assert_int_equal(e.kind, zero ? EXTENT_ZERO : EXTENT_DATA);
		assert_true(e.length >= u.length);
		zero_blocks += zero;
		at += u.length;
	}
	assert_int_equal(zero_blocks, want_zero_blocks);
}

#define ZEROS_AND_DATA(kib)                                                                   \
	"head -c " #kib "K mixed; head -c " #kib "K /dev/zero; head -c " #kib "K /dev/zero; " \
	"head -c " #kib "K mixed; head -c " #kib "K /dev/zero; head -c 10K /dev/zero"

static void test_zero_map(void **state)
{
	sh("{ " ZEROS_AND_DATA(64) "; } | xz --block-size=64KiB %s -c > a.xz", (const char *)*state);
	assert_zero_map("a.xz", 4);
	sh("{ " ZEROS_AND_DATA(512) "; } | xz --block-size=512KiB %s -c > a.xz", (const char *)*state);
	assert_zero_map("a.xz", 4);
}

static void test_zero_map_over_streams(void **state)
{
	sh("for c in none crc32 crc64 sha256; do { " ZEROS_AND_DATA(
		64) "; } | xz --check=$c --block-size=64KiB -c; done > a.xz");
	assert_zero_map("a.xz", 16);
}

static void test_zero_map_of_large_blocks(void **state)
{
	sh("head -c 100M /dev/zero | cat - mixed | xz -0 --block-size=16MiB -c > a.xz");
	assert_zero_map("a.xz", 6);
}

static void test_all_zero(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct why why;

	sh("head -c 10000000 /dev/zero | xz --block-size=1MiB -c > a.xz");
	packed = load("a.xz");
	assert_int_equal(open_bytes(packed.p, packed.n, &img, &why), 0);
	assert_int_equal(image_data_bytes(img), 0);
	/* Neighbours of one kind are one extent. */
	assert_int_equal(image_extent(img, 3000000).length, 7000000);
}

static void test_equal_blocks_of_ones_are_data(void **state)
{
	/* 0xff packs as small as zeros do; without a check nothing but the bytes tells them apart. */
	sh("{ head -c 1M /dev/zero | tr '\\0' '\\377'; head -c 1M /dev/zero; head -c 2M /dev/zero | tr '\\0' "
	   "'\\377'; "
	   "head -c 1M /dev/zero; } | xz --check=none --block-size=1MiB -c > a.xz");
	assert_zero_map("a.xz", 2);
}

static void test_almost_zero_is_data(void **state)
{
	sh("{ head -c 1M /dev/zero; head -c 1048575 /dev/zero; printf x; printf x; head -c 1048575 /dev/zero; "
	   "} | "
	   "xz --block-size=1MiB -c > a.xz");
	assert_zero_map("a.xz", 1);
}

/* The map is the same, and the pieces are not decoded again, which would read them again. */
static void test_zeros_proved_in_one_file_are_known_in_the_next(void **state)
{
	_cleanup_bytes_ struct bytes first = { 0 }, second = { 0 };
	_cleanup_(image_unrefp) struct image *a = NULL, *b = NULL;
	struct why why;

	/* Blocks of a size that no other test has. */
	sh("{ head -c 4M /dev/zero; cat mixed; } | xz --block-size=996KiB -c > a.xz");
	sh("{ head -c 4M /dev/zero; tac mixed; } | xz --block-size=996KiB -c > b.xz");
	first = load("a.xz");
	second = load("b.xz");
	assert_int_equal(open_bytes(first.p, first.n, &a, &why), 0);
	assert_int_equal(open_bytes(second.p, second.n, &b, &why), 0);
	assert_true(testimage_count(b->below).reads < testimage_count(a->below).reads);
	assert_zero_map("a.xz", 4);
	assert_zero_map("b.xz", 4);
}

static void test_proving_zeros_is_bounded(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	struct why why;

	/* Three sizes, each would need its own decoding: one fits, the next doesn't any more, the last does. */
	sh("head -c 280M /dev/zero | xz -0 -T1 -c --block-list=209715200,73400320,10485760 > a.xz");
	packed = load("a.xz");
	assert_int_equal(open_bytes(packed.p, packed.n, &img, &why), 0);
	assert_int_equal(image_extent(img, 0).kind, EXTENT_ZERO);
	assert_int_equal(image_extent(img, 0).length, 200 * MiB);
	assert_int_equal(image_extent(img, 200 * MiB).kind, EXTENT_DATA);
	assert_int_equal(image_extent(img, 200 * MiB).length, 70 * MiB);
	assert_int_equal(image_extent(img, 270 * MiB).kind, EXTENT_ZERO);
}

/*
 * Changes the eight bytes at `at` so that the CRC-64 of all bytes becomes
 * `want`. A CRC is linear: the difference that each bit makes is known, and a
 * sum of such differences is solved for.
 */
static void force_crc64(uint8_t *p, size_t n, size_t at, uint64_t want)
{
	uint64_t base = lzma_crc64(p, n, 0), makes[64], bits[64], left = base ^ want, flip = 0;

	for (int i = 0; i < 64; i++) {
		p[at + i / 8] ^= 1 << i % 8;
		makes[i] = lzma_crc64(p, n, 0) ^ base;
		bits[i] = UINT64_C(1) << i;
		p[at + i / 8] ^= 1 << i % 8;
	}
	for (int column = 0; column < 64; column++) {
		int pivot = column;

		while (!(makes[pivot] >> column & 1))
			assert_true(++pivot < 64);
		for (int side = 0; side < 2; side++) {
			uint64_t *row = side ? bits : makes, swap = row[pivot];

			row[pivot] = row[column];
			row[column] = swap;
		}
		for (int i = 0; i < 64; i++)
			if (i != column && makes[i] >> column & 1) {
				makes[i] ^= makes[column];
				bits[i] ^= bits[column];
			}
	}
	for (int i = 0; i < 64; i++)
		if (left >> i & 1)
			flip ^= bits[i];
	for (int i = 0; i < 8; i++)
		p[at + i] ^= flip >> 8 * i;
	assert_true(lzma_crc64(p, n, 0) == want);
}

static void test_equal_hash_is_no_proof(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	const size_t room = 240, at[2] = { 12, 12 + room };
	struct why why;

	sh("head -c 2M /dev/zero | xz --check=none -T1 --block-size=1MiB -c > a.xz; xz --robot -lvv a.xz | "
	   "grep -c '^block.*\t240\t' | grep -qx 2");
	packed = load("a.xz");
	assert_memory_equal(packed.p + at[0], packed.p + at[1], room);
	/* The second block: another payload, with sizes, header, last bytes and hash of the first. */
	packed.p[at[1] + 100] ^= 0x55;
	force_crc64(packed.p + at[1], room, at[1] + 120 - at[1], lzma_crc64(packed.p + at[0], room, 0));
	assert_int_equal(open_bytes(packed.p, packed.n, &img, &why), 0);
	assert_int_equal(image_extent(img, 0).kind, EXTENT_ZERO);
	assert_int_equal(image_extent(img, 0).length, 1 * MiB);
	assert_int_equal(image_extent(img, 1 * MiB).kind, EXTENT_DATA);
}

static void test_damaged_zeros_are_data(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_bytes_ struct bytes packed = { 0 };
	uint8_t *buf = malloc(1 * MiB);
	struct unit u;
	struct why why;

	sh("head -c 2M /dev/zero | xz -T1 --block-size=1MiB -c > a.xz");
	packed = load("a.xz");
	packed.p[12 + 120] ^= 1;
	assert_int_equal(open_bytes(packed.p, packed.n, &img, &why), 0);
	assert_int_equal(image_extent(img, 0).kind, EXTENT_DATA);
	assert_int_equal(image_extent(img, 1 * MiB).kind, EXTENT_ZERO);
	u = image_unit(img, 0);
	assert_int_equal(make_unit(img, &u, buf, &why), -EBADMSG);
	free(buf);
}

/* Damage */

/* Two streams, two blocks each, padding between and behind; a stream's own bytes in `ret_first`. */
static struct bytes small_file(const char *check, size_t *ret_first)
{
	struct bytes first;

	sh("{ head -c 9000 mixed | tr -d '\\200-\\377' | head -c 60; head -c 900 /dev/zero; } > small; "
	   "xz -T1 --check=%s --block-size=512 -c small > one.xz; "
	   "{ cat one.xz; head -c 4 /dev/zero; cat one.xz; head -c 8 /dev/zero; } > a.xz",
	   check);
	first = load("one.xz");
	*ret_first = first.n;
	free(first.p);
	return load("a.xz");
}

static void test_cut_anywhere(void **state)
{
	size_t first;
	_cleanup_bytes_ struct bytes packed = small_file("crc64", &first);

	for (size_t n = 0; n < packed.n; n++) {
		_cleanup_bytes_ struct bytes made = { 0 };
		_cleanup_free_ uint8_t *cut = malloc(n + 1); /* its own, so that the sanitizer sees its end */
		struct why why;
		int r;

		memcpy(cut, packed.p, n);
		r = decode(cut, n, &made, &why);
		/* Whole streams and whole words of padding are a file. */
		if ((n >= first && n <= first + 4 && n % 4 == 0) || (n >= 2 * first + 4 && n % 4 == 0)) {
			assert_int_equal(r, 0);
			continue;
		}
		if (r != -EBADMSG || !strstr(why.text, "the xz file"))
			fail_msg("cut to %zu bytes: %s", n, why_text(&why, r));
	}
}

/* Each bit on its own gives an error or makes no difference. */
static void test_flips(void **state)
{
	const char *check = *state;
	_cleanup_bytes_ struct bytes packed = { 0 }, raw = { 0 };
	size_t first, harmless = 0;

	packed = small_file(check, &first);
	sh("cat small small > judge");
	raw = load("judge");
	assert_decodes_to(&packed, &raw);
	for (size_t bit = 0; bit < 8 * packed.n; bit++) {
		_cleanup_bytes_ struct bytes made = { 0 };
		struct why why;
		int r;

		packed.p[bit / 8] ^= 1 << bit % 8;
		r = decode(packed.p, packed.n, &made, &why);
		if (r == 0) {
			harmless++;
			assert_int_equal(made.n, raw.n);
			assert_memory_equal(made.p, raw.p, raw.n);
		} else if (!why.text[0] || (r != -EBADMSG && r != -EOPNOTSUPP)) {
			fail_msg("bit %zu gives error %d and says '%s'", bit, r, why.text);
		}
		packed.p[bit / 8] ^= 1 << bit % 8;
	}
	/* There is hardly a bit in the format that nothing covers. */
	assert_true(harmless < 16);
}

static void test_refuses_what_follows(void **state)
{
	sh("xz -c mixed > a.xz; for t in x xyzw 'something longer than a footer'; do printf \"$t\" | cat a.xz "
	   "- > \"$t\"; done");
	for (int i = 0; i < 3; i++) {
		_cleanup_bytes_ struct bytes b =
			load((const char *[]){ "x", "xyzw", "something longer than a footer" }[i]);

		assert_refused(b.p, b.n, -EBADMSG, "something else behind its end");
	}
}

static void test_refuses_another_format(void **state)
{
	uint8_t zeros[512] = { 0 };

	assert_refused(zeros, sizeof(zeros), -EBADMSG, "not an xz file");
	assert_refused("\xfd"
		       "7zXZ",
		       6, -EBADMSG, "cut short");
}

static void test_refuses_an_empty_image(void **state)
{
	_cleanup_bytes_ struct bytes one = { 0 }, two = { 0 };

	sh("xz -c < /dev/null > one.xz; cat one.xz one.xz > two.xz");
	one = load("one.xz");
	two = load("two.xz");
	assert_refused(one.p, one.n, -EBADMSG, "holds an empty image");
	assert_refused(two.p, two.n, -EBADMSG, "holds an empty image");
}

static void test_refuses_endless_padding(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	struct why why = { 0 };

	sh("xz -c mixed > a.xz");
	packed = load("a.xz");
	below = memimage_new(packed.p, packed.n, 1 * TiB);
	assert_int_equal(xz_open(NULL, below, &img, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "padding"));
	assert_true(testimage_count(below).bytes < 100 * MiB);
}

static void test_refuses_countless_streams(void **state)
{
	const size_t most = 65536, first = 64;
	_cleanup_bytes_ struct bytes empty = { 0 }, packed = { 0 };
	_cleanup_free_ uint8_t *all = NULL;

	sh("xz -c < /dev/null > empty.xz; printf x | xz -c > a.xz");
	empty = load("empty.xz");
	packed = load("a.xz");
	all = malloc(packed.n + most * empty.n);
	memcpy(all, packed.p, packed.n);
	for (size_t i = 0; i < most; i++)
		memcpy(all + packed.n + i * empty.n, empty.p, empty.n);
	assert_decodes_to(&(struct bytes){ all, packed.n + first * empty.n },
			  &(struct bytes){ (uint8_t[]){ 'x' }, 1 });
	assert_refused(all, packed.n + most * empty.n, -EOPNOTSUPP, "streams");
}

/* An image whose bytes from `bad` on can't be read. */
struct faulty {
	struct image image;
	struct bytes bytes;
	uint64_t bad;
};

static int faulty_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct faulty *f = (struct faulty *)img;

	if (offset < f->bad && offset + count > f->bad)
		return fail(why, -EIO, "the disk is gone");
	memcpy(buf, f->bytes.p + offset, count);
	return 0;
}

static void faulty_close(struct image *img)
{
}

static const struct image_ops faulty_ops = { .name = "faulty", .pread = faulty_pread, .close = faulty_close };

static void test_read_errors_are_no_damage(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_free_ uint8_t *buf = malloc(64 * KiB);
	struct faulty f = { .bad = 0 };
	struct why why = { 0 };
	struct unit u;

	sh("{ cat mixed; head -c 128K /dev/zero; } | xz -T1 --block-size=64KiB -c > a.xz");
	packed = load("a.xz");
	f.bytes = packed;
	image_init(&f.image, &faulty_ops, packed.n, NULL);
	assert_int_equal(xz_open(NULL, &f.image, &img, &why), 0);
	/* Later, in a payload. */
	f.bad = 2000;
	u = image_unit(img, 0);
	assert_int_equal(make_unit(img, &u, buf, &why), -EIO);
	assert_string_equal(why.text, "the disk is gone");
	/* And it is not remembered. */
	f.bad = 0;
	assert_int_equal(make_unit(img, &u, buf, &why), 0);
	/* In a block that may be zero: no zero map without it. */
	image_unref(take(img));
	f.image.refs = 1;
	for (f.bad = packed.n - 1; f.bad > 0; f.bad--) {
		int r = xz_open(NULL, &f.image, &img, &why);

		if (r == 0)
			break;
		assert_int_equal(r, -EIO);
	}
	assert_true(f.bad < packed.n - 150);
	image_unref(take(img));
}

/* Files that lie: right checksums over wrong facts */

struct lie_block {
	uint64_t unpadded, length; /* as the index shall say */
};

struct liar {
	uint8_t p[512 * KiB];
	size_t n;
};

static void put_bytes(struct liar *l, const void *p, size_t n)
{
	assert_true(range_ok(l->n, n, sizeof(l->p)));
	memcpy(l->p + l->n, p, n);
	l->n += n;
}

static void put_number(struct liar *l, uint64_t number)
{
	assert_int_equal(lzma_vli_encode(number, NULL, l->p, &l->n, sizeof(l->p)), LZMA_OK);
}

static struct liar *liar_new(lzma_check check)
{
	lzma_stream_flags flags = { .version = 0, .check = check };
	struct liar *l = calloc(1, sizeof(*l));

	assert_int_equal(lzma_stream_header_encode(&flags, l->p), LZMA_OK);
	l->n = LZMA_STREAM_HEADER_SIZE;
	return l;
}

/* A real block of these bytes; returns its unpadded size. */
static uint64_t put_block(struct liar *l, const void *p, size_t n, lzma_check check)
{
	lzma_options_lzma lzma2;
	lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &lzma2 }, { LZMA_VLI_UNKNOWN, NULL } };
	lzma_block b = { .check = check, .filters = filters };

	assert_false(lzma_lzma_preset(&lzma2, 1));
	assert_int_equal(lzma_block_buffer_encode(&b, NULL, p, n, l->p, &l->n, sizeof(l->p)), LZMA_OK);
	return lzma_block_unpadded_size(&b);
}

static void put_index(struct liar *l, uint64_t n_claimed, const struct lie_block *b, size_t n)
{
	size_t at = l->n;
	uint8_t crc[4];

	put_bytes(l, "", 1);
	put_number(l, n_claimed);
	for (size_t i = 0; i < n; i++) {
		put_number(l, b[i].unpadded);
		put_number(l, b[i].length);
	}
	while ((l->n - at) % 4)
		put_bytes(l, "", 1);
	put_le32(crc, lzma_crc32(l->p + at, l->n - at, 0));
	put_bytes(l, crc, sizeof(crc));
}

static void put_footer(struct liar *l, lzma_check check, uint64_t index_size)
{
	lzma_stream_flags flags = { .version = 0, .check = check, .backward_size = index_size };

	assert_true(range_ok(l->n, LZMA_STREAM_HEADER_SIZE, sizeof(l->p)));
	assert_int_equal(lzma_stream_footer_encode(&flags, l->p + l->n), LZMA_OK);
	l->n += LZMA_STREAM_HEADER_SIZE;
}

/* Index and footer, the footer telling the truth about the index. */
static void put_end(struct liar *l, lzma_check check, uint64_t n_claimed, const struct lie_block *b, size_t n)
{
	size_t at = l->n;

	put_index(l, n_claimed, b, n);
	put_footer(l, check, l->n - at);
}

static uint8_t sample[3000];

static void test_the_liar_can_be_honest(void **state)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC32);
	const struct bytes raw = { sample, sizeof(sample) };
	struct lie_block b[2];

	b[0] = (struct lie_block){ put_block(l, sample, 1000, LZMA_CHECK_CRC32), 1000 };
	b[1] = (struct lie_block){ put_block(l, sample + 1000, 2000, LZMA_CHECK_CRC32), 2000 };
	put_end(l, LZMA_CHECK_CRC32, 2, b, 2);
	store("honest.xz", l->p, l->n);
	sh("xz -t honest.xz");
	assert_decodes_to(&(struct bytes){ l->p, l->n }, &raw);
}

/* Two blocks that the index tells wrong things about. The headers of these blocks carry both sizes. */
static struct liar *lie_in_index(int64_t more_unpadded, int64_t more_length)
{
	struct liar *l = liar_new(LZMA_CHECK_CRC32);
	struct lie_block b[2];

	b[0] = (struct lie_block){ put_block(l, sample, 1000, LZMA_CHECK_CRC32) + more_unpadded,
				   1000 + more_length };
	b[1] = (struct lie_block){ put_block(l, sample + 1000, 2000, LZMA_CHECK_CRC32) - more_unpadded,
				   2000 - more_length };
	put_end(l, LZMA_CHECK_CRC32, 2, b, 2);
	return l;
}

static void test_refuses_header_and_index_that_disagree(void **state)
{
	static const int64_t lies[] = { 1, -1, 4, -4, 500, -500 };

	for (size_t i = 0; i < 6; i++) {
		_cleanup_free_ struct liar *l = lie_in_index(0, lies[i]);

		assert_refused(l->p, l->n, -EBADMSG, "disagree on its uncompressed size");
	}
}

static void test_refuses_shifted_block_bounds(void **state)
{
	static const int64_t lies[] = { 1, -1, 4, -4, 40, -40 };

	for (size_t i = 0; i < 6; i++) {
		_cleanup_free_ struct liar *l = lie_in_index(lies[i], 0);

		assert_refused(l->p, l->n, -EBADMSG, "the xz file");
	}
}

/*
 * The same of blocks whose header leaves the sizes open, as xz -T1 writes them:
 * they are found out when they are made.
 */
static void test_index_lies_show_when_made(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 }, raw = load("mixed");
	struct lie_block b[2] = { 0 };
	lzma_stream_flags flags;
	lzma_index *index;
	lzma_index_iter it;
	size_t at = 0;
	uint64_t memory = UINT64_MAX;

	sh("head -c 1000 mixed | xz -T1 --check=crc32 --block-size=500 -c > a.xz");
	packed = load("a.xz");
	assert_int_equal(lzma_stream_footer_decode(&flags, packed.p + packed.n - 12), LZMA_OK);
	at = packed.n - 12 - flags.backward_size;
	assert_int_equal(lzma_index_buffer_decode(&index, &memory, NULL, packed.p, &at, packed.n - 12),
			 LZMA_OK);
	lzma_index_iter_init(&it, index);
	for (int i = 0; i < 2; i++) {
		assert_false(lzma_index_iter_next(&it, LZMA_INDEX_ITER_BLOCK));
		b[i] = (struct lie_block){ it.block.unpadded_size, it.block.uncompressed_size };
	}
	for (int lie = -2; lie <= 2; lie++) {
		_cleanup_free_ struct liar *l = calloc(1, sizeof(*l));
		struct lie_block told[2] = { { b[0].unpadded, b[0].length + lie },
					     { b[1].unpadded, b[1].length - lie } };

		put_bytes(l, packed.p, packed.n - 12 - flags.backward_size);
		put_end(l, LZMA_CHECK_CRC32, 2, told, 2);
		if (lie)
			assert_unmakeable(l->p, l->n, -EBADMSG, "is damaged");
		else
			assert_decodes_to(&(struct bytes){ l->p, l->n }, &(struct bytes){ raw.p, 1000 });
	}
	lzma_index_end(index, NULL);
}

static void test_refuses_record_counts(void **state)
{
	static const uint64_t counts[] = { 0,	     1, 3, 100, 1000000, UINT64_C(1) << 32, UINT64_C(1) << 62,
					   INT64_MAX };

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC32);
		_cleanup_(image_unrefp) struct image *img = NULL;
		struct lie_block b[2];
		struct why why;
		int r;

		b[0] = (struct lie_block){ put_block(l, sample, 1000, LZMA_CHECK_CRC32), 1000 };
		b[1] = (struct lie_block){ put_block(l, sample + 1000, 2000, LZMA_CHECK_CRC32), 2000 };
		put_end(l, LZMA_CHECK_CRC32, counts[i], b, 2);
		r = open_bytes(l->p, l->n, &img, &why);
		assert_true(r == -EBADMSG || r == -EOPNOTSUPP);
		assert_non_null(strstr(why.text, "index"));
	}
}

static void test_refuses_sums_that_overflow(void **state)
{
	static const uint64_t sizes[] = { INT64_MAX, INT64_MAX / 2 + 1, INT64_MAX & ~UINT64_C(3),
					  UINT64_C(1) << 62 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		_cleanup_free_ struct liar *length = liar_new(LZMA_CHECK_CRC32),
					   *unpadded = liar_new(LZMA_CHECK_CRC32);
		uint64_t n = put_block(length, sample, 1000, LZMA_CHECK_CRC32);

		(void)put_block(unpadded, sample, 1000, LZMA_CHECK_CRC32);
		put_end(length, LZMA_CHECK_CRC32, 2, (struct lie_block[]){ { n, sizes[i] }, { n, sizes[i] } },
			2);
		put_end(unpadded, LZMA_CHECK_CRC32, 2,
			(struct lie_block[]){ { sizes[i], 1000 }, { sizes[i], 1000 } }, 2);
		assert_refused(length->p, length->n, -EBADMSG, "");
		assert_refused(unpadded->p, unpadded->n, -EBADMSG, "");
	}
}

static void test_refuses_more_than_lzma_can_pack(void **state)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_NONE);
	uint64_t n;

	/* No sizes in the header that could contradict: 12 bytes of it, and some of payload. */
	put_bytes(l, "\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3", 12);
	put_bytes(l, sample, 100);
	n = 112;
	put_end(l, LZMA_CHECK_NONE, 1, &(struct lie_block){ n, 1 * GiB }, 1);
	assert_refused(l->p, l->n, -EBADMSG, "can't hold 1073741824 bytes");
}

/* A header of one LZMA2 filter with this dictionary byte and no sizes. */
static void put_bare_header(struct liar *l, uint8_t dictionary)
{
	uint8_t header[12] = { 2, 0, 0x21, 1, dictionary };

	put_le32(header + 8, lzma_crc32(header, 8, 0));
	put_bytes(l, header, sizeof(header));
}

static void test_refuses_a_huge_dictionary(void **state)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_NONE);

	put_bare_header(l, 40); /* 4 GiB - 1 */
	memset(l->p + l->n, 1, 400 * KiB);
	l->n += 400 * KiB;
	put_end(l, LZMA_CHECK_NONE, 1, &(struct lie_block){ 12 + 400 * KiB, 3 * GiB }, 1);
	assert_refused(l->p, l->n, -EOPNOTSUPP, "takes 3.00G of memory to decode, the limit is 128M");
}

static void test_a_dictionary_larger_than_its_block_costs_nothing(void **state)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC64);
	_cleanup_(image_unrefp) struct image *img = NULL;
	uint64_t n = put_block(l, sample, sizeof(sample), LZMA_CHECK_CRC64);
	const struct bytes raw = { sample, sizeof(sample) };
	uint8_t *header = l->p + LZMA_STREAM_HEADER_SIZE, *lzma2;
	size_t header_size = lzma_block_header_size_decode(*header);
	struct why why;

	lzma2 = memmem(header, header_size, "\x21\x01", 2);
	assert_non_null(lzma2);
	lzma2[2] = 40; /* 4 GiB - 1 */
	put_le32(header + header_size - 4, lzma_crc32(header, header_size - 4, 0));
	put_end(l, LZMA_CHECK_CRC64, 1, &(struct lie_block){ n, sizeof(sample) }, 1);
	assert_decodes_to(&(struct bytes){ l->p, l->n }, &raw);
	assert_int_equal(open_bytes(l->p, l->n, &img, &why), 0);
	assert_true(image_make_memory(img) < 1 * MiB);
}

static void test_refuses_an_index_of_another_size(void **state)
{
	static const uint64_t sizes[] = { 4, 8, 16, 400, 1024, 1 * MiB, LZMA_BACKWARD_SIZE_MAX };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC32);
		uint64_t n = put_block(l, sample, 1000, LZMA_CHECK_CRC32);
		size_t at = l->n;

		put_index(l, 1, &(struct lie_block){ n, 1000 }, 1);
		assert_int_equal(l->n - at, 12);
		put_footer(l, LZMA_CHECK_CRC32, sizes[i]);
		assert_refused(l->p, l->n, -EBADMSG, "index");
	}
}

static void test_refuses_header_and_footer_that_disagree(void **state)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC32);
	uint64_t n = put_block(l, sample, 1000, LZMA_CHECK_CRC32);

	put_end(l, LZMA_CHECK_NONE, 1, &(struct lie_block){ n, 1000 }, 1);
	assert_refused(l->p, l->n, -EBADMSG, "disagree");
}

static void test_refuses_checks_that_cant_be_verified(void **state)
{
	for (unsigned check = 0; check <= LZMA_CHECK_ID_MAX; check++) {
		_cleanup_free_ struct liar *l = liar_new(check);

		if (lzma_check_is_supported(check))
			continue;
		put_bare_header(l, 0);
		put_bytes(l, sample, 400);
		put_end(l, check, 1, &(struct lie_block){ 412, 1000 }, 1);
		assert_refused(l->p, l->n, -EOPNOTSUPP, "can't be verified");
	}
}

static void test_refuses_filters_nobody_knows(void **state)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC32);
	uint8_t header[12] = { 2, 0, 0x3f, 1, 0 };

	put_le32(header + 8, lzma_crc32(header, 8, 0));
	put_bytes(l, header, sizeof(header));
	put_bytes(l, sample, 400);
	put_end(l, LZMA_CHECK_CRC32, 1, &(struct lie_block){ 412, 1000 }, 1);
	assert_refused(l->p, l->n, -EOPNOTSUPP, "filters");
}

static void test_refuses_a_gap_between_blocks_and_index(void **state)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC32);
	uint64_t n = put_block(l, sample, 1000, LZMA_CHECK_CRC32);

	put_bytes(l, "\0\0\0", 4);
	put_end(l, LZMA_CHECK_CRC32, 1, &(struct lie_block){ n, 1000 }, 1);
	assert_refused(l->p, l->n, -EBADMSG, "no stream header");
}

static void test_block_padding_must_be_zero(void **state)
{
	/* One of four neighbouring lengths leaves padding. */
	for (size_t count = 100; count < 104; count++) {
		_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC32);
		uint64_t n = put_block(l, sample, count, LZMA_CHECK_CRC32);

		if (n % 4 == 0)
			continue;
		/* Padding is in front of the check. */
		l->p[l->n - 4 - 1] = 1;
		put_end(l, LZMA_CHECK_CRC32, 1, &(struct lie_block){ n, count }, 1);
		assert_unmakeable(l->p, l->n, -EBADMSG, "is damaged");
	}
}

static void test_blocks_that_hold_nothing_are_left_out(void **state)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_CRC32);
	const struct bytes raw = { sample, 1000 };
	struct lie_block b[3];

	b[0] = (struct lie_block){ put_block(l, sample, 0, LZMA_CHECK_CRC32), 0 };
	b[1] = (struct lie_block){ put_block(l, sample, 1000, LZMA_CHECK_CRC32), 1000 };
	b[2] = (struct lie_block){ put_block(l, sample, 0, LZMA_CHECK_CRC32), 0 };
	put_end(l, LZMA_CHECK_CRC32, 3, b, 3);
	assert_decodes_to(&(struct bytes){ l->p, l->n }, &raw);
}

/* With a daemon's context */

struct daemon {
	struct context context;
	struct template template;
	struct opening opening;
};

static void daemon_start(struct daemon *d, const char *store_dir, uint64_t memory)
{
	struct store_options options = { .dir = store_dir, .tmpdir = dir, .memory = 1 * MiB };
	struct why why = { 0 };

	*d = (struct daemon){ .template.identity = dir, .context.memory = memory };
	if (store_open(&options, &d->context.store, &why) < 0)
		fail_msg("%s", why.text);
	d->context.pool = pool_new(2);
	assert_non_null(d->context.pool);
	d->opening = (struct opening){ &d->context, &d->template, NULL };
}

static void daemon_stop(struct daemon *d)
{
	store_close(d->context.store);
	pool_free(d->context.pool);
}

/* Opens the file; returns how often it was read for that, and which of the image is zero. */
static uint64_t open_counting(const struct daemon *d, const char *name, uint64_t *ret_zero)
{
	_cleanup_bytes_ struct bytes packed = load(name);
	_cleanup_(image_unrefp) struct image *below = memimage_new(packed.p, packed.n, packed.n), *img = NULL;
	struct why why = { 0 };

	if (xz_open(&d->opening, below, &img, &why) < 0)
		fail_msg("%s", why.text);
	*ret_zero = img->size - image_data_bytes(img);
	return testimage_count(below).reads;
}

static void test_zero_map_is_kept(void **state)
{
	_cleanup_free_ char *store_dir = text_new("%s/store", dir);
	uint64_t zero, first, again;
	struct daemon d;

	sh("{ cat mixed; head -c 100M /dev/zero; } | xz -0 --block-size=1MiB -c > a.xz");
	daemon_start(&d, store_dir, 512 * MiB);
	first = open_counting(&d, "a.xz", &zero);
	assert_in_range(zero, 99 * MiB, 100 * MiB);
	daemon_stop(&d);
	daemon_start(&d, store_dir, 512 * MiB);
	again = open_counting(&d, "a.xz", &zero);
	assert_in_range(zero, 99 * MiB, 100 * MiB);
	daemon_stop(&d);
	assert_true(again + 99 < first);
}

static void test_zero_map_of_another_table_is_not_believed(void **state)
{
	_cleanup_free_ char *store_dir = text_new("%s/store-of-two", dir);
	struct daemon d;
	uint64_t zero;

	sh("head -c 8M /dev/zero | xz --block-size=1MiB -c > zeros.xz; "
	   "head -c 8M /dev/zero | tr '\\0' x | xz --block-size=512KiB -c > xs.xz");
	daemon_start(&d, store_dir, 512 * MiB);
	(void)open_counting(&d, "zeros.xz", &zero);
	assert_int_equal(zero, 8 * MiB);
	(void)open_counting(&d, "xs.xz", &zero);
	assert_int_equal(zero, 0);
	daemon_stop(&d);
}

/* A file of one block that claims this dictionary, and enough bytes to have a use for it. */
static int open_with_dictionary(const struct daemon *d, uint8_t dictionary, struct why *why)
{
	_cleanup_free_ struct liar *l = liar_new(LZMA_CHECK_NONE);
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;

	put_bare_header(l, dictionary);
	memset(l->p + l->n, 1, 400 * KiB);
	l->n += 400 * KiB;
	put_end(l, LZMA_CHECK_NONE, 1, &(struct lie_block){ 12 + 400 * KiB, 3 * GiB }, 1);
	below = memimage_new(l->p, l->n, l->n);
	return xz_open(&d->opening, below, &img, why);
}

static void test_memory_bounds_the_dictionary(void **state)
{
	struct why why = { 0 };
	struct daemon d;

	daemon_start(&d, NULL, 1 * GiB);
	assert_int_equal(open_with_dictionary(&d, 31, &why), 0); /* 192 MiB: xz --lzma2=dict=192MiB */
	assert_int_equal(open_with_dictionary(&d, 33, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "takes 384M of memory to decode, the limit is 256M"));
	daemon_stop(&d);
}

static void test_xz_9_needs_no_memory_option(void **state)
{
	struct why why = { 0 };
	struct daemon d;

	daemon_start(&d, NULL, 16 * MiB);
	assert_int_equal(open_with_dictionary(&d, 28, &why), 0);
	assert_int_equal(open_with_dictionary(&d, 29, &why), -EOPNOTSUPP);
	daemon_stop(&d);
}

static void test_memory_bounds_the_table(void **state)
{
	_cleanup_bytes_ struct bytes packed = { 0 };
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	struct why why = { 0 };
	struct daemon d;

	sh("head -c 160000 mixed | xz -0 --block-size=16 -c > a.xz");
	packed = load("a.xz");
	below = memimage_new(packed.p, packed.n, packed.n);
	daemon_start(&d, NULL, 1 * MiB);
	assert_int_equal(xz_open(&d.opening, below, &img, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "blocks"));
	daemon_stop(&d);
}

#define LIKE_XZ(options)                                                                 \
	{                                                                                \
		"like xz " options, test_like_xz, NULL, NULL, (void *)(uintptr_t)options \
	}
#define ZERO_MAP(options)                                                                        \
	{                                                                                        \
		"zero map of xz " options, test_zero_map, NULL, NULL, (void *)(uintptr_t)options \
	}
#define FLIPS(check)                                                                    \
	{                                                                               \
		"flips, check " check, test_flips, NULL, NULL, (void *)(uintptr_t)check \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LIKE_XZ("-6"),
		LIKE_XZ("-6 --block-size=65536"),
		LIKE_XZ("--block-size=333333"),
		LIKE_XZ("--block-size=333334 -T2"),
		LIKE_XZ("--block-size=1000000"),
		LIKE_XZ("-0 --block-size=512KiB"),
		LIKE_XZ("-9e --block-size=512KiB"),
		LIKE_XZ("--check=none --block-size=200000"),
		LIKE_XZ("--check=crc32 --block-size=200000"),
		LIKE_XZ("--check=crc64 --block-size=200000"),
		LIKE_XZ("--check=sha256 --block-size=200000"),
		LIKE_XZ("--x86 --lzma2=preset=1 --block-size=400000"),
		LIKE_XZ("--arm --delta=dist=3 --lzma2=preset=1 --block-size=400000"),
		LIKE_XZ("--delta=dist=256 --lzma2=dict=4KiB --block-size=400000"),
		LIKE_XZ("--lzma2=preset=6,lc=0,lp=4,pb=4 --block-size=400000"),
		cmocka_unit_test(test_concatenated_streams),
		cmocka_unit_test(test_stream_padding),
		cmocka_unit_test(test_empty_streams_between),
		cmocka_unit_test(test_single_byte),
		cmocka_unit_test(test_many_blocks),
		cmocka_unit_test(test_finds_the_unit_of_any_offset),
		cmocka_unit_test(test_cant_be_read_directly),
		cmocka_unit_test(test_describes_itself),
		ZERO_MAP("-6 -T1"),
		ZERO_MAP("-6 -T2"),
		ZERO_MAP("-0"),
		ZERO_MAP("-9e"),
		ZERO_MAP("--check=none"),
		ZERO_MAP("--check=crc32"),
		ZERO_MAP("--check=sha256"),
		ZERO_MAP("--x86 --delta --lzma2=preset=3,nice=2"),
		cmocka_unit_test(test_zero_map_over_streams),
		cmocka_unit_test(test_zero_map_of_large_blocks),
		cmocka_unit_test(test_all_zero),
		cmocka_unit_test(test_equal_blocks_of_ones_are_data),
		cmocka_unit_test(test_almost_zero_is_data),
		cmocka_unit_test(test_zeros_proved_in_one_file_are_known_in_the_next),
		cmocka_unit_test(test_proving_zeros_is_bounded),
		cmocka_unit_test(test_equal_hash_is_no_proof),
		cmocka_unit_test(test_damaged_zeros_are_data),
		cmocka_unit_test(test_cut_anywhere),
		FLIPS("crc32"),
		FLIPS("crc64"),
		FLIPS("sha256"),
		cmocka_unit_test(test_refuses_what_follows),
		cmocka_unit_test(test_refuses_another_format),
		cmocka_unit_test(test_refuses_an_empty_image),
		cmocka_unit_test(test_refuses_endless_padding),
		cmocka_unit_test(test_refuses_countless_streams),
		cmocka_unit_test(test_read_errors_are_no_damage),
		cmocka_unit_test(test_the_liar_can_be_honest),
		cmocka_unit_test(test_refuses_header_and_index_that_disagree),
		cmocka_unit_test(test_refuses_shifted_block_bounds),
		cmocka_unit_test(test_index_lies_show_when_made),
		cmocka_unit_test(test_refuses_record_counts),
		cmocka_unit_test(test_refuses_sums_that_overflow),
		cmocka_unit_test(test_refuses_more_than_lzma_can_pack),
		cmocka_unit_test(test_refuses_a_huge_dictionary),
		cmocka_unit_test(test_a_dictionary_larger_than_its_block_costs_nothing),
		cmocka_unit_test(test_refuses_an_index_of_another_size),
		cmocka_unit_test(test_refuses_header_and_footer_that_disagree),
		cmocka_unit_test(test_refuses_checks_that_cant_be_verified),
		cmocka_unit_test(test_refuses_filters_nobody_knows),
		cmocka_unit_test(test_refuses_a_gap_between_blocks_and_index),
		cmocka_unit_test(test_block_padding_must_be_zero),
		cmocka_unit_test(test_blocks_that_hold_nothing_are_left_out),
		cmocka_unit_test(test_zero_map_is_kept),
		cmocka_unit_test(test_zero_map_of_another_table_is_not_believed),
		cmocka_unit_test(test_memory_bounds_the_dictionary),
		cmocka_unit_test(test_xz_9_needs_no_memory_option),
		cmocka_unit_test(test_memory_bounds_the_table),
	};

	fill_mixed(sample, sizeof(sample));
	return cmocka_run_group_tests_name("xz", tests, setup, teardown);
}
