/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/cache/making.h"
#include "base/patience.h"
#include "tests/unit/cachebench.h"
#include "tests/unit/test.h"

/* ---- reading ---- */

static void serves_the_bytes_below(void **state)
{
	struct bench *b = *state;

	bench_open(b, 5 * MiB + 12345, 1 * MiB);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 6);
	assert_reads_all(b->cache, b->below);
	assert_reads(b->cache, b->below, 0, b->cache->size);
	assert_int_equal(b->below->makes, 6);
}

/* Any offset and length, in any order: the granules at the units' edges belong to two. */
static void serves_units_that_no_granule_divides(void **state)
{
	static const uint64_t units[] = { 1000000, 65535, 65537, 4097, 100, 3 * MiB };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct bench *b = *state;
		uint64_t x = 7;

		b->proved_every = 5;
		bench_open(b, units[i] == 100 ? 200001 : 3500001, units[i]);
		for (int n = 0; n < 200; n++) {
			uint64_t offset, count;

			x = x * 6364136223846793005u + 1442695040888963407u;
			offset = (x >> 20) % b->cache->size;
			count = (x >> 50) % 9000 * (n % 9 == 0 ? 40 : 1);
			assert_reads(b->cache, b->below, offset, min_u64(count, b->cache->size - offset));
		}
		assert_reads_all(b->cache, b->below);
		bench_tear_down(state);
		bench_set_up(state);
	}
}

static void serves_again_what_an_earlier_daemon_stored(void **state)
{
	struct bench *b = *state;

	for (int round = 0; round < 3; round++) {
		bench_open(b, 3500001, 1000000);
		assert_reads(b->cache, b->below, (uint64_t)round * 1000000, 1000);
		assert_int_equal(b->below->makes, 1);
		bench_close_store(b);
	}
	bench_open(b, 3500001, 1000000);
	assert_reads(b->cache, b->below, 0, 3000000);
	assert_int_equal(b->below->makes, 0);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 1);
}

static void keeps_what_was_closed_and_opened_again(void **state)
{
	struct bench *b = *state;

	for (int temporary = 0; temporary < 2; temporary++) {
		bench_close_store(b);
		b->options.dir = temporary ? NULL : b->dir;
		bench_open(b, 4 * MiB, MiB);
		assert_reads_all(b->cache, b->below);
		for (int n = 0; n < 20; n++) {
			bench_close(b);
			bench_open(b, 4 * MiB, MiB);
			assert_reads_all(b->cache, b->below);
			assert_int_equal(b->below->makes, 0);
		}
	}
}

static void temporary_store_leaves_nothing_behind(void **state)
{
	struct bench *b = *state;
	char path[128];

	b->options.tmpdir = b->dir;
	b->options.dir = NULL;
	bench_open(b, 4 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(rmdir(b->dir), 0); /* nothing in it even now */
	assert_reads_all(b->cache, b->below);
	(void)snprintf(path, sizeof(path), "%s", b->dir);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void one_unit_may_be_the_whole_image(void **state)
{
	struct bench *b = *state;

	bench_open(b, 9 * MiB + 1, 9 * MiB + 1);
	assert_reads(b->cache, b->below, 5 * MiB, 4096);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 1);
}

static void proved_zeros_are_served_without_making(void **state)
{
	struct bench *b = *state;
	static uint8_t buf[2 * MiB], zeros[2 * MiB];

	b->proved_every = 2;
	bench_open(b, 8 * MiB, MiB);
	for (uint64_t at = MiB; at < 8 * MiB; at += 2 * MiB) {
		memset(buf, 1, MiB);
		assert_int_equal(image_pread(b->cache, buf, MiB, at, NULL), 0);
		assert_memory_equal(buf, zeros, MiB);
	}
	assert_int_equal(b->below->makes, 0);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 4);
}

static void zeros_take_no_room(void **state)
{
	struct bench *b = *state;
	char path[256];
	struct stat st;

	b->zero_every = 1; /* nothing but zeros, which nobody proved */
	bench_open(b, 64 * MiB, 16 * MiB);
	assert_reads(b->cache, b->below, 0, 64 * MiB);
	bench_file(b, ID, "raw", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 64 * MiB);
	assert_int_equal(st.st_blocks, 0);
	bench_close_store(b);
	bench_open(b, 64 * MiB, 16 * MiB);
	assert_int_equal(image_extent(b->cache, 0).kind, EXTENT_SEEN_ZERO);
	assert_int_equal(image_extent(b->cache, 0).length, 16 * MiB);
	assert_reads(b->cache, b->below, 0, 64 * MiB);
	assert_int_equal(b->below->makes, 0);
}

static void only_other_granules_take_room(void **state)
{
	struct bench *b = *state;
	char path[256];
	struct stat st;

	bench_open(b, 12 * MiB, 4 * MiB);
	assert_reads_all(b->cache, b->below);
	bench_file(b, ID, "raw", path);
	assert_int_equal(stat(path, &st), 0);
	/* A filesystem may count a block of its own for a file in many pieces. */
	assert_in_range(st.st_blocks * 512, 12 * MiB / 3 * 2, 12 * MiB / 3 * 2 + GRANULE - 1);
	assert_in_range(bench_figures(b).bytes_stored, 12 * MiB / 3 * 2, 12 * MiB / 3 * 2 + GRANULE - 1);
}

/* ---- making ---- */

struct reader {
	struct bench *b;
	uint64_t offset;
	int r;
	struct why why;
	pthread_t thread;
};

static void *read_one(void *arg)
{
	struct reader *rd = arg;
	uint8_t have[4096], want[4096];

	rd->r = image_pread(rd->b->cache, have, sizeof(have), rd->offset, &rd->why);
	unitimage_bytes(rd->b->below, want, sizeof(want), rd->offset);
	if (rd->r == 0 && memcmp(have, want, sizeof(have)) != 0)
		rd->r = 1;
	return NULL;
}

static void start_readers(struct bench *b, struct reader *rd, int n, uint64_t step)
{
	for (int i = 0; i < n; i++) {
		rd[i] = (struct reader){ .b = b, .offset = i * step };
		assert_int_equal(pthread_create(&rd[i].thread, NULL, read_one, &rd[i]), 0);
	}
}

/* Until so many readers stand and wait. */
static void wait_waiters(struct bench *b, unsigned n)
{
	while (making_waiters(bench_shelf(b)) < n)
		(void)usleep(1000);
}

static void many_readers_make_a_unit_once(void **state)
{
	struct bench *b = *state;
	struct reader rd[64];

	bench_open(b, 4 * MiB, 4 * MiB);
	unitimage_close_gate(b->below);
	start_readers(b, rd, 64, 65000);
	wait_waiters(b, 64);
	unitimage_open_gate(b->below);
	for (int i = 0; i < 64; i++) {
		(void)pthread_join(rd[i].thread, NULL);
		assert_int_equal(rd[i].r, 0);
	}
	assert_int_equal(b->below->makes, 1);
}

static void an_error_goes_to_all_who_waited(void **state)
{
	struct bench *b = *state;
	struct reader rd[64];

	bench_open(b, 4 * MiB, 4 * MiB);
	b->below->fail = 1;
	unitimage_close_gate(b->below);
	start_readers(b, rd, 64, 65000);
	wait_waiters(b, 64);
	unitimage_open_gate(b->below);
	for (int i = 0; i < 64; i++) {
		(void)pthread_join(rd[i].thread, NULL);
		assert_int_equal(rd[i].r, -EBADMSG);
		assert_string_equal(rd[i].why.text, "unit 0 is damaged");
	}
	assert_int_equal(b->below->makes, 1);
}

static void an_error_is_not_remembered(void **state)
{
	struct bench *b = *state;
	uint8_t buf[100];

	bench_open(b, 4 * MiB, MiB);
	b->below->fail = 3;
	for (int i = 0; i < 3; i++)
		assert_int_equal(image_pread(b->cache, buf, 100, 2 * MiB, NULL), -EBADMSG);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 3 + 4);
}

static void a_damaged_unit_leaves_no_trace(void **state)
{
	struct bench *b = *state;
	char path[256];
	struct stat st;
	uint8_t buf[100];

	bench_open(b, 40 * MiB, 20 * MiB);
	b->below->fail = 1000;
	for (int i = 0; i < 10; i++)
		assert_int_equal(image_pread(b->cache, buf, 100, (uint64_t)i * 4 * MiB, NULL), -EBADMSG);
	bench_file(b, ID, "raw", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(bench_figures(b).bytes_stored, 0);
	assert_int_equal(bench_figures(b).units_made, 0);
	assert_int_equal(image_extent(b->cache, 0).kind, EXTENT_DATA);
	bench_close_store(b);
	bench_open(b, 40 * MiB, 20 * MiB);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 2);
}

static bool is_lost(void *arg)
{
	return *(atomic_bool *)arg;
}

static void *read_impatiently(void *arg)
{
	static atomic_bool lost = true;

	patience_set(is_lost, &lost);
	return read_one(arg);
}

static void who_lost_patience_leaves_and_the_unit_is_made(void **state)
{
	struct bench *b = *state;
	struct reader rd[2] = { { .b = b }, { .b = b } };

	bench_open(b, MiB, MiB);
	unitimage_close_gate(b->below);
	assert_int_equal(pthread_create(&rd[0].thread, NULL, read_impatiently, &rd[0]), 0);
	assert_int_equal(pthread_create(&rd[1].thread, NULL, read_one, &rd[1]), 0);
	(void)pthread_join(rd[0].thread, NULL);
	assert_int_equal(rd[0].r, -EINTR);
	unitimage_open_gate(b->below);
	(void)pthread_join(rd[1].thread, NULL);
	assert_int_equal(rd[1].r, 0);
	assert_int_equal(b->below->makes, 1);
}

/* An image over a cache: its making reads, on a decoder thread, what another decoder thread must make. */
struct outer {
	struct image image;
};

static uint64_t outer_units(struct image *img)
{
	return div_up(img->size, 64 * KiB);
}

static void outer_unit(struct image *img, uint64_t offset, struct unit *ret)
{
	ret->index = offset / (64 * KiB);
	ret->offset = ret->index * (64 * KiB);
	ret->length = min_u64(64 * KiB, img->size - ret->offset);
}

static int outer_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	_cleanup_free_ uint8_t *buf = malloc(unit->length);
	int r = image_pread(img->below, buf, unit->length, unit->offset, why);

	return r < 0 ? r : sink->write(sink, buf, unit->length, unit->offset, why);
}

static const struct image_ops outer_ops = {
	.name = "outer",
	.units = outer_units,
	.unit = outer_unit,
	.make = outer_make,
};

static void a_cache_may_stand_on_a_cache(void **state)
{
	struct bench *b = *state;
	struct image *outer = calloc(1, sizeof(*outer)), *top;
	struct reader rd[64];

	bench_open(b, 4 * MiB, 128 * KiB);
	b->context.memory = 1; /* and nothing fits beside it */
	b->below->memory = 100;
	image_init(outer, &outer_ops, b->cache->size, b->cache);
	assert_int_equal(cache_image_new(&b->context, "outer", outer, &top, NULL), 0);
	image_unref(outer);
	b->cache = top;
	start_readers(b, rd, 64, 65000);
	for (int i = 0; i < 64; i++) {
		(void)pthread_join(rd[i].thread, NULL);
		assert_int_equal(rd[i].r, 0);
	}
	assert_reads_all(b->cache, b->below);
}

/* Is made once nobody who makes it has to wait for it. */
static struct {
	atomic_bool is_stuck, is_lost;
	atomic_uint makes;
} slow;

static int slow_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	_cleanup_free_ uint8_t *buf = calloc(1, unit->length);

	atomic_fetch_add(&slow.makes, 1);
	while (atomic_load(&slow.is_stuck) && !patience_lost())
		(void)usleep(1000);
	if (atomic_load(&slow.is_stuck))
		return fail(why, -EINTR, "given up");
	return sink->write(sink, buf, unit->length, unit->offset, why);
}

static const struct image_ops slow_ops = {
	.name = "slow", .units = outer_units, .unit = outer_unit, .make = slow_make
};

static void *read_slow(void *arg)
{
	struct reader *rd = arg;
	uint8_t buf[100];

	rd->r = image_pread(rd->b->cache, buf, sizeof(buf), rd->offset, &rd->why);
	return NULL;
}

/* As a thread of nbd/server.c that serves an image which is closed. */
static void *read_slow_standing_in(void *arg)
{
	pool_stand_in();
	patience_set(is_lost, &slow.is_lost);
	return read_slow(arg);
}

/* It makes the unit itself; others have joined it, whose patience is not lost. */
static void who_stood_in_and_left_takes_nobody_along(void **state)
{
	struct bench *b = *state;
	struct reader rd[2] = { { .b = b }, { .b = b } };
	struct image *below = calloc(1, sizeof(*below));
	struct why why;

	bench_open_store(b);
	image_init(below, &slow_ops, MiB, NULL);
	assert_int_equal(cache_image_new(&b->context, ID, below, &b->cache, &why), 0);
	atomic_store(&slow.is_stuck, true);
	assert_int_equal(pthread_create(&rd[0].thread, NULL, read_slow_standing_in, &rd[0]), 0);
	while (atomic_load(&slow.makes) == 0)
		(void)usleep(1000);
	assert_int_equal(pthread_create(&rd[1].thread, NULL, read_slow, &rd[1]), 0);
	wait_waiters(b, 2);
	atomic_store(&slow.is_lost, true);
	(void)pthread_join(rd[0].thread, NULL);
	assert_int_equal(rd[0].r, -EINTR);
	atomic_store(&slow.is_stuck, false);
	(void)pthread_join(rd[1].thread, NULL);
	assert_int_equal(rd[1].r, 0);
	assert_int_equal(slow.makes, 2);
	image_unref(below);
}

static void makes_keep_within_the_memory(void **state)
{
	struct bench *b = *state;
	struct reader rd[32];

	b->context.pool = pool_new(4);
	b->context.memory = 64 * MiB;
	bench_open_store(b);
	b->below = unitimage_new(8 * MiB, 256 * KiB, 1);
	b->below->memory = 30 * MiB;
	b->below->slow_us = 100;
	b->cache = bench_cache(b, ID, b->below);
	start_readers(b, rd, 32, 256 * KiB);
	for (int i = 0; i < 32; i++) {
		(void)pthread_join(rd[i].thread, NULL);
		assert_int_equal(rd[i].r, 0);
	}
	assert_int_equal(b->below->most_making, 2);
}

static void two_images_of_one_template_share_all(void **state)
{
	struct bench *b = *state;
	struct image *second;

	bench_open(b, 4 * MiB, MiB);
	second = bench_cache(b, ID, b->below);
	assert_reads(b->cache, b->below, 0, 2 * MiB);
	assert_reads_all(second, b->below);
	assert_int_equal(b->below->makes, 4);
	image_unref(b->cache);
	b->cache = second;
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 4);
}

static void a_template_that_only_claims_to_be_another_is_refused(void **state)
{
	struct bench *b = *state;
	struct unitimage *other = unitimage_new(4 * MiB, 2 * MiB, 2);
	struct image *second;
	struct why why = { 0 };

	bench_open(b, 4 * MiB, MiB);
	assert_int_equal(cache_image_new(&b->context, ID, &other->image, &second, &why), -ESTALE);
	assert_string_equal(why.text, "two templates claim to be 'sha512:0123', but their units differ");
	assert_reads_all(b->cache, b->below);
	image_unref(&other->image);
}

/* ---- readahead ---- */

/* Until nothing is queued or made any more. */
static void wait_idle(struct bench *b)
{
	struct shelf *sh = bench_shelf(b);

	for (bool idle = false; !idle; (void)usleep(1000)) {
		LOCKED(&sh->lock);

		idle = !sh->makings;
	}
}

static void hint_makes_ahead(void **state)
{
	struct bench *b = *state;

	bench_open(b, 8 * MiB, MiB);
	image_hint(b->cache, MiB, 3 * MiB);
	wait_idle(b);
	assert_int_equal(b->below->makes, 3);
	assert_reads(b->cache, b->below, MiB, 3 * MiB);
	assert_int_equal(b->below->makes, 3);
}

static void hints_queue_few_and_the_newest_wins(void **state)
{
	struct bench *b = *state;

	b->context.pool = pool_new(1);
	bench_open(b, 64 * MiB, MiB);
	unitimage_close_gate(b->below);
	image_hint(b->cache, 0, MiB);
	unitimage_wait_stopped(b->below, 1);
	image_hint(b->cache, 10 * MiB, 30 * MiB); /* 10 .. 13 have room in the queue */
	image_hint(b->cache, 50 * MiB, 2 * MiB);  /* in place of 10 and 11 */
	unitimage_open_gate(b->below);
	wait_idle(b);
	assert_int_equal(b->below->makes, 5);
	assert_int_equal(b->below->order[1], 12);
	assert_int_equal(b->below->order[2], 13);
	assert_int_equal(b->below->order[3], 50);
	assert_int_equal(b->below->order[4], 51);
}

static void a_reader_overtakes_readahead(void **state)
{
	struct bench *b = *state;
	struct reader rd[2];

	b->context.pool = pool_new(1);
	bench_open(b, 64 * MiB, MiB);
	unitimage_close_gate(b->below);
	image_hint(b->cache, 0, 4 * MiB);
	unitimage_wait_stopped(b->below, 1);
	rd[0] = (struct reader){ .b = b, .offset = 3 * MiB };
	assert_int_equal(pthread_create(&rd[0].thread, NULL, read_one, &rd[0]), 0);
	wait_waiters(b, 1);
	unitimage_open_gate(b->below);
	(void)pthread_join(rd[0].thread, NULL);
	wait_idle(b);
	assert_int_equal(b->below->makes, 4);
	assert_int_equal(b->below->order[1], 3);
}

static void closing_stops_what_nobody_waits_for(void **state)
{
	struct bench *b = *state;
	struct unitimage *below;

	b->context.pool = pool_new(1);
	bench_open(b, 8 * MiB, 2 * MiB);
	below = b->below;
	unitimage_close_gate(below);
	image_hint(b->cache, 0, 8 * MiB);
	unitimage_wait_stopped(below, 1);
	image_unref(b->cache);
	b->cache = NULL;
	unitimage_open_gate(below);
	while (below->making)
		(void)usleep(1000);
	assert_int_equal(below->makes, 1);
	assert_int_equal(bench_figures(b).units_made, 0);
	b->cache = bench_cache(b, ID, below);
	assert_reads_all(b->cache, below);
}

/* ---- extents and backing ---- */

static void extents_get_finer_as_units_are_made(void **state)
{
	struct bench *b = *state;
	struct extent e;

	b->zero_every = 4;
	b->proved_every = 3;
	bench_open(b, 4 * MiB, MiB);
	e = image_extent(b->cache, 192 * KiB);
	assert_int_equal(e.kind, EXTENT_DATA);
	assert_reads(b->cache, b->below, 0, 1);
	e = image_extent(b->cache, 192 * KiB);
	assert_int_equal(e.kind, EXTENT_SEEN_ZERO);
	assert_int_equal(e.length, 64 * KiB);
	e = image_extent(b->cache, 10);
	assert_int_equal(e.kind, EXTENT_DATA);
	assert_int_equal(e.length, 192 * KiB - 10);
	e = image_extent(b->cache, 2 * MiB + 192 * KiB); /* proved stays proved */
	assert_int_equal(e.kind, EXTENT_ZERO);
	assert_int_equal(image_data_bytes(b->cache), 3 * MiB);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(image_data_bytes(b->cache), 3 * MiB); /* whatever was made */
}

static void assert_backing(struct bench *b, uint64_t offset, uint64_t length)
{
	struct backing have;
	uint8_t *buf = malloc(length), *want = malloc(length);

	assert_int_equal(image_backing(b->cache, offset, &have), 0);
	assert_int_equal(have.offset, offset);
	assert_int_equal(have.length, length);
	assert_true(have.ours);
	assert_int_equal(pread(have.fd, buf, length, (off_t)have.offset), length);
	unitimage_bytes(b->below, want, length, offset);
	assert_memory_equal(buf, want, length);
	free(buf);
	free(want);
}

static void backing_reaches_as_far_as_units_are_there(void **state)
{
	struct bench *b = *state;
	struct backing none;

	b->zero_every = 4;
	b->proved_every = 4; /* unit 3 */
	bench_open(b, 6 * MiB + 5, MiB);
	assert_int_equal(image_backing(b->cache, 0, &none), -ENODATA);
	assert_reads(b->cache, b->below, 2 * MiB, 1);
	assert_int_equal(image_backing(b->cache, 0, &none), -ENODATA);
	assert_backing(b, 2 * MiB + 7, 2 * MiB - 7); /* units 2 and 3 */
	assert_reads_all(b->cache, b->below);
	assert_backing(b, 0, 6 * MiB + 5);
}

static void whole_image_is_backed_whatever_the_units_size(void **state)
{
	struct bench *b = *state;

	b->zero_every = 5;
	b->proved_every = 3;
	bench_open(b, 5500000, 1000000);
	assert_reads_all(b->cache, b->below);
	assert_backing(b, 0, 5500000);
	bench_close_store(b);
	bench_open(b, 5500000, 1000000);
	assert_backing(b, 0, 5500000);
	assert_int_equal(b->below->makes, 0);
}

static void describes_itself(void **state)
{
	struct bench *b = *state;
	char want[200], *have;
	struct text t = TEXT_EMPTY;

	b->proved_every = 5;
	bench_open(b, 10 * MiB, MiB);
	assert_reads(b->cache, b->below, 0, 3 * MiB);
	image_describe(b->cache, &t);
	assert_int_equal(text_take(&t, &have), 0);
	(void)snprintf(want, sizeof(want), "    store %s, 3 of 10 units there, 2 known to be zero\n", b->dir);
	assert_string_equal(have, want);
	free(have);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_set_up, bench_tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(serves_the_bytes_below),
		TEST(serves_units_that_no_granule_divides),
		TEST(serves_again_what_an_earlier_daemon_stored),
		TEST(keeps_what_was_closed_and_opened_again),
		TEST(temporary_store_leaves_nothing_behind),
		TEST(one_unit_may_be_the_whole_image),
		TEST(proved_zeros_are_served_without_making),
		TEST(zeros_take_no_room),
		TEST(only_other_granules_take_room),
		TEST(many_readers_make_a_unit_once),
		TEST(an_error_goes_to_all_who_waited),
		TEST(an_error_is_not_remembered),
		TEST(a_damaged_unit_leaves_no_trace),
		TEST(who_lost_patience_leaves_and_the_unit_is_made),
		TEST(a_cache_may_stand_on_a_cache),
		TEST(who_stood_in_and_left_takes_nobody_along),
		TEST(makes_keep_within_the_memory),
		TEST(two_images_of_one_template_share_all),
		TEST(a_template_that_only_claims_to_be_another_is_refused),
		TEST(hint_makes_ahead),
		TEST(hints_queue_few_and_the_newest_wins),
		TEST(a_reader_overtakes_readahead),
		TEST(closing_stops_what_nobody_waits_for),
		TEST(extents_get_finer_as_units_are_made),
		TEST(backing_reaches_as_far_as_units_are_there),
		TEST(whole_image_is_backed_whatever_the_units_size),
		TEST(describes_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
