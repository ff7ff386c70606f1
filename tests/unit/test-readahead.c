/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "base/bytes.h"
#include "fs/readahead.h"

#define SIZE	 (1 * GiB)
#define HOLE_AT	 (64 * MiB)
#define HOLE_END (512 * MiB)

/* An image that remembers what it was told. */
struct told {
	struct image image;
	uint64_t from, to; /* the hull of all hints */
	uint64_t bytes;
	unsigned hints;
};

static int told_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	return -EIO;
}

static void told_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	if (offset < HOLE_AT)
		*ret = (struct extent){ HOLE_AT - offset, EXTENT_DATA };
	else if (offset < HOLE_END)
		*ret = (struct extent){ HOLE_END - offset, EXTENT_ZERO };
	else
		*ret = (struct extent){ SIZE - offset, EXTENT_DATA };
}

static void told_hint(struct image *img, uint64_t offset, uint64_t length)
{
	struct told *t = (struct told *)img;

	assert_true(length > 0);
	t->from = t->hints ? min_u64(t->from, offset) : offset;
	t->to = max_u64(t->to, offset + length);
	t->bytes += length;
	t->hints++;
}

static void told_close(struct image *img)
{
}

static const struct image_ops told_ops = {
	.name = "told",
	.pread = told_pread,
	.extent = told_extent,
	.hint = told_hint,
	.close = told_close,
};

struct fixture {
	struct told told;
	struct readahead ra;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ 0 };
	image_init(&f.told.image, &told_ops, SIZE, NULL);
	readahead_init(&f.ra, 32 * MiB);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	readahead_done(&((struct fixture *)*state)->ra);
	return 0;
}

static void read_through(struct fixture *f, uint64_t from, uint64_t to)
{
	for (; from < to; from += 128 * KiB)
		readahead_note(&f->ra, &f->told.image, from, 128 * KiB);
}

static void test_random_reads_tell_nothing(void **state)
{
	struct fixture *f = *state;

	for (uint64_t at = 0; at < 60 * MiB; at += 10 * MiB)
		readahead_note(&f->ra, &f->told.image, (at * 7) % (60 * MiB), 4 * KiB);
	assert_int_equal(f->told.hints, 0);
}

static void test_a_sequential_reader_is_told_ahead(void **state)
{
	struct fixture *f = *state;

	read_through(f, 0, 16 * MiB);
	assert_true(f->told.to >= 16 * MiB + 16 * MiB);
	assert_true(f->told.to <= 16 * MiB + 32 * MiB);
	/* In steps, and nothing twice. */
	assert_true(f->told.hints < 32);
	assert_true(f->told.bytes <= f->told.to);
}

static void test_holes_are_not_counted(void **state)
{
	struct fixture *f = *state;

	read_through(f, 32 * MiB, HOLE_AT);
	assert_true(f->told.to >= HOLE_END + 16 * MiB);
}

static void test_a_reader_that_skips_a_hole_stays_sequential(void **state)
{
	struct fixture *f = *state;

	read_through(f, 32 * MiB, HOLE_AT);
	f->told.hints = 0;
	read_through(f, HOLE_END, HOLE_END + 24 * MiB);
	assert_true(f->told.hints > 0);
	assert_true(f->told.from >= HOLE_END + 16 * MiB);
}

static void test_requests_out_of_order_are_one_reader(void **state)
{
	struct fixture *f = *state;

	for (uint64_t at = 0; at < 8 * MiB; at += 256 * KiB) {
		readahead_note(&f->ra, &f->told.image, at + 128 * KiB, 128 * KiB);
		readahead_note(&f->ra, &f->told.image, at, 128 * KiB);
	}
	assert_true(f->told.to >= 24 * MiB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_reads_tell_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_sequential_reader_is_told_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holes_are_not_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_reader_that_skips_a_hole_stays_sequential, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_requests_out_of_order_are_one_reader, setup, teardown),
	};

	return cmocka_run_group_tests_name("readahead", tests, NULL, NULL);
}
