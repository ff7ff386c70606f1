/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs of unused bytes, and what they make of a draft. */
#include "tests/unit/test.h"

#include <inttypes.h>

#include "backends/content/unused.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define SIZE (16 * MiB)

static uint8_t *bytes;

static int setup(void **state)
{
	bytes = malloc(SIZE);
	if (bytes)
		memset(bytes, 0xa5, SIZE);
	return bytes ? 0 : -1;
}

static int teardown(void **state)
{
	free(bytes);
	return 0;
}

static struct map_draft *begin(struct unused *u, uint64_t runs)
{
	struct image *below = memimage_new(bytes, SIZE, SIZE);
	struct map_draft *draft = map_draft_new(SIZE, below);

	assert_non_null(draft);
	image_unref(below);
	unused_begin(u, draft, runs);
	return draft;
}

static struct image *end(struct unused *u)
{
	struct image *img = NULL;

	unused_end(u);
	assert_int_equal(map_seal(u->draft, "test", NULL, &img, NULL), 0);
	return img;
}

/* From `at` on stand `length` bytes of this kind and no more; what they read as fits. Returns their end. */
static uint64_t assert_run(struct image *img, uint64_t at, uint64_t length, enum extent_kind kind)
{
	_cleanup_free_ uint8_t *buf = malloc(length);
	struct extent e = image_extent(img, at);

	assert_int_equal(e.kind, kind);
	assert_int_equal(e.length, length);
	assert_non_null(buf);
	assert_int_equal(image_pread(img, buf, length, at, NULL), 0);
	for (uint64_t i = 0; i < length; i++)
		if (buf[i] != (kind == EXTENT_ZERO ? 0 : 0xa5))
			fail_msg("byte %" PRIu64 " is %02x", at + i, buf[i]);
	return at + length;
}

static void test_runs_are_zero_and_no_byte_more(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;
	uint64_t at = 0;

	(void)begin(&u, 0);
	unused_add(&u, 1, 511);
	unused_add(&u, 4096, 1);
	img = end(&u);
	assert_int_equal(u.bytes, 512);
	assert_int_equal(u.runs, 2);
	at = assert_run(img, at, 1, EXTENT_DATA);
	at = assert_run(img, at, 511, EXTENT_ZERO);
	at = assert_run(img, at, 3584, EXTENT_DATA);
	at = assert_run(img, at, 1, EXTENT_ZERO);
	(void)assert_run(img, at, SIZE - at, EXTENT_DATA);
}

static void test_nothing_unused_changes_nothing(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;

	(void)begin(&u, 0);
	unused_add(&u, 4096, 0);
	img = end(&u);
	assert_int_equal(u.bytes, 0);
	assert_int_equal(u.runs, 0);
	(void)assert_run(img, 0, SIZE, EXTENT_DATA);
}

static void test_runs_that_touch_are_one(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;

	(void)begin(&u, 0);
	for (uint64_t at = 0; at < MiB; at += 4096)
		unused_add(&u, at, 4096);
	img = end(&u);
	assert_int_equal(u.bytes, MiB);
	assert_int_equal(u.runs, 1);
	(void)assert_run(img, 0, MiB, EXTENT_ZERO);
}

static void test_runs_come_in_any_order(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;
	uint64_t at = 0;

	(void)begin(&u, 0);
	unused_add(&u, 8192, 4096);
	unused_add(&u, 0, 4096);
	unused_add(&u, 4096, 4096);
	img = end(&u);
	assert_int_equal(u.bytes, 3 * 4096);
	assert_int_equal(u.runs, 2);
	at = assert_run(img, at, 3 * 4096, EXTENT_ZERO);
	(void)assert_run(img, at, SIZE - at, EXTENT_DATA);
}

static void test_runs_are_cut_at_the_end(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;

	(void)begin(&u, 0);
	unused_add(&u, SIZE - 10, 11);
	unused_add(&u, SIZE, 1);
	unused_add(&u, UINT64_MAX, UINT64_MAX);
	img = end(&u);
	assert_int_equal(u.bytes, 10);
	assert_int_equal(u.runs, 1);
	(void)assert_run(img, 0, SIZE - 10, EXTENT_DATA);
	(void)assert_run(img, SIZE - 10, 10, EXTENT_ZERO);
}

static void test_length_does_not_wrap_around(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;

	(void)begin(&u, 0);
	unused_add(&u, 4096, UINT64_MAX - 1);
	img = end(&u);
	assert_int_equal(u.bytes, SIZE - 4096);
	(void)assert_run(img, 0, 4096, EXTENT_DATA);
}

/* Every second 64 bytes: more runs than are painted. */
static void test_of_too_many_runs_only_long_ones_are_painted(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;

	(void)begin(&u, 0);
	for (uint64_t i = 0; i < UNUSED_RUNS_MAX + 10; i++)
		unused_add(&u, i * 128, 64);
	unused_add(&u, 14 * MiB, UNUSED_RUN_LONG - 1);
	unused_add(&u, 15 * MiB, UNUSED_RUN_LONG);
	img = end(&u);
	assert_int_equal(u.runs, UNUSED_RUNS_MAX + 1);
	assert_int_equal(u.bytes, UNUSED_RUNS_MAX * 64 + UNUSED_RUN_LONG);
	(void)assert_run(img, (UNUSED_RUNS_MAX - 1) * 128, 64, EXTENT_ZERO);
	(void)assert_run(img, UNUSED_RUNS_MAX * 128, 15 * MiB - UNUSED_RUNS_MAX * 128, EXTENT_DATA);
	(void)assert_run(img, 15 * MiB, UNUSED_RUN_LONG, EXTENT_ZERO);
}

static void test_runs_of_others_count(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;

	(void)begin(&u, UNUSED_RUNS_MAX - 1);
	unused_add(&u, 0, 64);
	unused_add(&u, 128, 64);
	img = end(&u);
	assert_int_equal(u.runs, UNUSED_RUNS_MAX);
	assert_int_equal(u.bytes, 64);
	(void)assert_run(img, 64, SIZE - 64, EXTENT_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_are_zero_and_no_byte_more),
		cmocka_unit_test(test_nothing_unused_changes_nothing),
		cmocka_unit_test(test_runs_that_touch_are_one),
		cmocka_unit_test(test_runs_come_in_any_order),
		cmocka_unit_test(test_runs_are_cut_at_the_end),
		cmocka_unit_test(test_length_does_not_wrap_around),
		cmocka_unit_test(test_of_too_many_runs_only_long_ones_are_painted),
		cmocka_unit_test(test_runs_of_others_count),
	};

	return cmocka_run_group_tests_name("unused", tests, setup, teardown);
}
