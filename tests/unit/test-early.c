/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes that are had before their unit was checked, and what becomes of what was made of them. */
#include "tests/unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "backends/cache/early.h"
#include "backends/cache/making.h"
#include "backends/discover.h"
#include "backends/library/library.h"
#include "base/patience.h"
#include "planner/goal.h"
#include "planner/plan.h"
#include "planner/step.h"
#include "tests/unit/cachebench.h"
#include "tests/unit/disk.h"

#define UNIT (8 * MiB)

static void assert_early(struct bench *b, struct early *e, uint64_t offset, size_t count)
{
	struct early *was = early_set(e);

	assert_reads(b->cache, b->below, offset, count);
	assert_ptr_equal(early_set(was), e);
}

static int early_pread(struct bench *b, struct early *e, uint64_t offset)
{
	struct early *was = early_set(e);
	uint8_t byte;
	int r = image_pread(b->cache, &byte, 1, offset, NULL);

	(void)early_set(was);
	return r;
}

/* ---- reading ---- */

static void bytes_are_had_before_the_units_end(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new();
	struct image *img;
	struct backing backing;

	bench_open(b, 2 * UNIT, UNIT);
	unitimage_close_gate(b->below);
	assert_early(b, e, 1000, 5000);
	assert_early(b, e, 3 * MiB + 17, 100);
	assert_early(b, e, UNIT + 5, 2 * MiB);
	assert_true(early_waits(e));
	assert_int_equal(early_image_new(e, b->cache, &img), 0);
	assert_true(image_waits(img));
	assert_int_equal(image_backing(img, 0, &backing), -ENODATA);
	unitimage_open_gate(b->below);
	assert_int_equal(image_await(img, NULL), 0);
	assert_false(image_waits(img));
	assert_false(image_is_stale(img));
	assert_int_equal(image_backing(img, 0, &backing), 0);
	assert_reads_all(img, b->below);
	assert_int_equal(b->below->makes, 2);
	image_unref(img);
	early_unref(e);
}

/* Who is not looking early waits as ever, for the same making. */
static void *read_checked(void *arg)
{
	struct bench *b = arg;

	assert_reads(b->cache, b->below, 0, 100);
	return NULL;
}

static void others_wait_for_the_check(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new();
	pthread_t thread;

	bench_open(b, UNIT, UNIT);
	unitimage_close_gate(b->below);
	assert_int_equal(pthread_create(&thread, NULL, read_checked, b), 0);
	unitimage_wait_stopped(b->below, 1);
	assert_early(b, e, 0, 100);
	assert_int_equal(making_waiters(bench_shelf(b)), 1);
	unitimage_open_gate(b->below);
	(void)pthread_join(thread, NULL);
	assert_int_equal(early_await(e, NULL), 0);
	assert_int_equal(b->below->makes, 1);
	early_unref(e);
}

static void what_is_checked_needs_no_note(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new();

	bench_open(b, 2 * UNIT, UNIT);
	assert_reads(b->cache, b->below, 0, 100);
	assert_early(b, e, 5, 100);
	assert_false(early_waits(e));
	assert_int_equal(early_await(e, NULL), 0);
	early_unref(e);
}

static bool impatient(void *arg)
{
	return true;
}

static void bytes_not_made_yet_are_waited_for(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new();

	bench_open(b, UNIT, UNIT);
	unitimage_close_gate(b->below);
	patience_set(impatient, NULL);
	assert_int_equal(early_pread(b, e, UNIT - 1), -EINTR);
	patience_set(NULL, NULL);
	assert_false(early_waits(e));
	assert_early(b, e, 0, 1);
	patience_set(impatient, NULL);
	assert_int_equal(early_await(e, NULL), -EINTR);
	patience_set(NULL, NULL);
	assert_true(early_waits(e));
	assert_false(early_failed(e));
	unitimage_open_gate(b->below);
	assert_early(b, e, UNIT - 1, 1);
	assert_int_equal(early_await(e, NULL), 0);
	early_unref(e);
}

/* However busily it goes on. */
static void a_making_that_goes_on_is_no_reason_to_stay(void **state)
{
	struct bench *b = *state;
	uint8_t byte;

	bench_open(b, 64 * MiB, 64 * MiB);
	b->below->slow_us = 20000;
	b->below->chunk = 256 * KiB;
	patience_set(impatient, NULL);
	assert_int_equal(image_pread(b->cache, &byte, 1, 64 * MiB - 1, NULL), -EINTR);
	patience_set(NULL, NULL);
}

/* ---- damage ---- */

static void damage_found_later_fails_all_reads(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new();
	struct why why = { "" };
	struct image *img;
	uint8_t byte;

	bench_open(b, 2 * UNIT, UNIT);
	b->below->fail = 1;
	unitimage_close_gate(b->below);
	assert_int_equal(early_pread(b, e, 7), 0);
	assert_int_equal(early_image_new(e, b->cache, &img), 0);
	unitimage_open_gate(b->below);
	assert_int_equal(image_pread(img, &byte, 1, UNIT + 1, &why), -EBADMSG);
	assert_string_equal(why.text, "unit 0 is damaged");
	assert_true(image_is_stale(img));
	/* Right when it is made again: but what was looked at before was not. */
	assert_reads(b->cache, b->below, 0, 100);
	assert_int_equal(image_await(img, NULL), -EBADMSG);
	assert_int_equal(image_pread(img, &byte, 1, UNIT + 1, NULL), -EBADMSG);
	image_unref(img);
	early_unref(e);
}

/* Its bytes are taken back with it: who comes later is given those of the next making. */
static void bytes_of_a_making_that_failed_are_gone(void **state)
{
	for (int n = 0; n < 20; n++) {
		struct bench *b = *state;
		struct early *e = early_new();

		bench_open(b, UNIT, UNIT);
		b->below->fail = 1;
		if (early_pread(b, e, 1) == 0)
			assert_int_equal(early_await(e, NULL), -EBADMSG);
		early_unref(e);
		e = early_new();
		assert_early(b, e, 0, UNIT);
		assert_int_equal(early_await(e, NULL), 0);
		early_unref(e);
		bench_tear_down(state);
		bench_set_up(state);
	}
}

static void what_stands_on_anothers_bytes_shares_their_fate(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new(), *other = early_new();

	bench_open(b, 2 * UNIT, UNIT);
	unitimage_close_gate(b->below);
	b->below->fail = 1;
	assert_int_equal(early_pread(b, other, 7), 0);
	assert_int_equal(early_join(e, other), 0);
	assert_int_equal(early_join(other, e), 0);
	early_unref(other);
	unitimage_open_gate(b->below);
	assert_int_equal(early_await(e, NULL), -EBADMSG);
	early_unref(e);
}

/* A unit in memory can only be had as a whole, and is nobody's to keep. */
static void units_in_memory_are_waited_for(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new();

	b->options.limit = MiB;
	b->options.memory = 4 * UNIT;
	bench_open(b, 2 * UNIT, UNIT);
	assert_early(b, e, 0, 100);
	assert_false(early_waits(e));
	early_unref(e);
}

/* A look at a unit that finds no room half-way, and is made once more. Returns what became of it. */
static int look_before_it_is_full(void **state, int n_garbage)
{
	for (;;) {
		struct bench *b = *state;
		struct early *e = early_new();
		bool was_early;
		int r;

		b->options.limit = 20 * MiB; /* of which 16 are reserved first */
		b->options.memory = 100 * MiB;
		b->zero_every = 0;
		bench_open(b, 40 * MiB, 40 * MiB);
		b->below->slow_us = 1000;
		b->below->fail = n_garbage;
		assert_int_equal(early_pread(b, e, 2 * MiB), 0);
		was_early = early_waits(e);
		r = early_await(e, NULL);
		assert_int_equal(early_await(e, NULL), r);
		assert_reads_all(b->cache, b->below);
		early_unref(e);
		bench_tear_down(state);
		bench_set_up(state);
		/* On a slow machine it is over before he comes to look. */
		if (was_early)
			return r;
	}
}

/* The second attempt is right, and says nothing of what was had of the first one. */
static void bytes_of_a_spoilt_attempt_are_not_vouched_for(void **state)
{
	assert_int_equal(look_before_it_is_full(state, 1), -EIO);
}

static void bytes_of_a_spoilt_attempt_may_be_right(void **state)
{
	assert_int_equal(look_before_it_is_full(state, 0), 0);
}

static void one_that_nobody_awaits_lets_all_be_closed(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new();

	bench_open(b, 2 * UNIT, UNIT);
	b->below->slow_us = 1000;
	assert_early(b, e, 0, 100);
	assert_early(b, e, UNIT, 100);
	bench_close(b);
	early_unref(e);
}

/* ---- several at once ---- */

/* Two may open one template at the same moment, over one decoder; the later one puts its own away. */
static void anothers_close_stops_nothing_that_is_noted(void **state)
{
	struct bench *b = *state;
	struct early *e = early_new();
	struct image *second;

	bench_open(b, UNIT, UNIT);
	second = bench_cache(b, ID, b->below);
	unitimage_close_gate(b->below);
	assert_early(b, e, 0, 100);
	image_unref(second);
	unitimage_open_gate(b->below);
	assert_int_equal(early_await(e, NULL), 0);
	early_unref(e);
}

/* One who waits, and is held up on his way to the next note. */
struct late {
	struct early *early;
	pthread_t thread;
	atomic_bool stands, may_go;
	int r;
};

static bool stand(void *arg)
{
	struct late *l = arg;

	l->stands = true;
	while (!l->may_go)
		(void)usleep(1000);
	return false;
}

static void *await_late(void *arg)
{
	struct late *l = arg;

	patience_set(stand, l);
	l->r = early_await(l->early, NULL);
	return NULL;
}

/* Others find that all so far was right, and look on, before he has come as far. */
static void who_is_late_awaits_what_was_noted_meanwhile(void **state)
{
	struct bench *b = *state;
	struct late late = { .early = early_new() };

	bench_open(b, 2 * UNIT, UNIT);
	unitimage_close_gate(b->below);
	assert_early(b, late.early, 0, 100);
	assert_int_equal(pthread_create(&late.thread, NULL, await_late, &late), 0);
	while (!late.stands)
		(void)usleep(1000);
	unitimage_open_gate(b->below);
	assert_int_equal(early_await(late.early, NULL), 0);
	unitimage_close_gate(b->below);
	b->below->fail = 1;
	assert_int_equal(early_pread(b, late.early, UNIT), 0);
	late.may_go = true;
	unitimage_open_gate(b->below);
	(void)pthread_join(late.thread, NULL);
	assert_int_equal(late.r, -EBADMSG);
	assert_int_equal(early_await(late.early, NULL), -EBADMSG);
	early_unref(late.early);
}

/* ---- goals ---- */

struct shop {
	struct bench *bench;
	struct library *library;
	struct template *template;
	struct plan *plan;
};

/* A plan for `name`, of the library that is the tests' directory. */
static void shop_open(struct shop *s, struct bench *b, const char *name)
{
	const char *const sources[] = { disk_path(".") };
	const struct library_options options = { .sources = sources, .n_sources = 1 };
	_cleanup_(goal_done) struct goal goal = { 0 };
	_cleanup_(tags_done) struct tags start = { 0 };
	struct why why = { "" };

	*s = (struct shop){ .bench = b };
	bench_open_store(b);
	b->context.registry = registry_new();
	if (library_open(&options, &s->library, &why) < 0 || goal_parse(name, &goal, &why) < 0 ||
	    library_find(s->library, goal.template, NULL, &s->template, &why) < 0 ||
	    discover(&b->context, s->template, &start, NULL, &why) < 0 ||
	    plan_make(registry_transitions(), &start,
		      &(struct plan_goal){ &goal.want, plan_image_must, plan_image_without }, &s->plan,
		      &why) < 0)
		fail_msg("%s", why.text);
}

static void shop_close(struct shop *s)
{
	plan_free(s->plan);
	template_unref(s->template);
	library_close(s->library);
	/* What nobody waited for is made to its end, and holds images meanwhile. */
	pool_free(take(s->bench->context.pool));
	registry_free(s->bench->context.registry);
	s->bench->context.registry = NULL;
	bench_close_store(s->bench);
}

static int shop_look(struct shop *s, struct image **ret)
{
	return registry_look(&s->bench->context, s->template, s->plan, ret, NULL);
}

static int shop_open_image(struct shop *s, struct image **ret)
{
	return registry_open(&s->bench->context, s->template, s->plan, ret, NULL);
}

static int make_template(void **state)
{
	if (disk_dir_setup(state) < 0)
		return -1;
	sh("truncate -s 64M disk && sgdisk -n 1:1M:0 disk >/dev/null && mkdir files "
	   "&& "
	   "head -c 20M /dev/urandom >files/random && truncate -s 63M part && "
	   "mkfs.ext4 -q -E root_owner=0:0 -d files part 62M 2>&1 && dd if=part of=disk bs=1M seek=1 "
	   "conv=notrunc "
	   "status=none && xz -1 --block-size=16MiB -c disk >t.xz && rm part");
	return 0;
}

static void assert_same_bytes(struct image *a, struct image *b)
{
	static uint8_t x[MiB], y[MiB];

	assert_int_equal(a->size, b->size);
	for (uint64_t at = 0, n; at < a->size; at += n) {
		n = min_u64(sizeof(x), a->size - at);
		assert_int_equal(image_pread(a, x, n, at, NULL), 0);
		assert_int_equal(image_pread(b, y, n, at, NULL), 0);
		assert_memory_equal(x, y, n);
	}
}

static void a_look_and_a_read_find_the_same(void **state)
{
	struct bench *b = *state;
	struct shop s;
	struct image *seen, *read;

	shop_open(&s, b, "t@300M.qcow2");
	assert_int_equal(shop_look(&s, &seen), 0);
	disk_save(seen, "seen");
	image_unref(seen);
	shop_close(&s);
	bench_tear_down(state);
	bench_set_up(state);

	b = *state;
	shop_open(&s, b, "t@300M.qcow2");
	assert_int_equal(shop_open_image(&s, &read), 0);
	seen = disk_open("seen");
	assert_same_bytes(seen, read);
	image_unref(seen);
	image_unref(read);
	shop_close(&s);
}

static void one_that_looks_joins_one_that_looked(void **state)
{
	struct bench *b = *state;
	struct image *first, *second, *read;
	struct shop s;

	shop_open(&s, b, "t@300M.raw");
	assert_int_equal(shop_look(&s, &first), 0);
	assert_int_equal(shop_look(&s, &second), 0);
	assert_int_equal(shop_open_image(&s, &read), 0);
	assert_int_equal(image_await(second, NULL), 0);
	assert_int_equal(image_await(first, NULL), 0);
	assert_same_bytes(first, second);
	assert_same_bytes(first, read);
	image_unref(first);
	image_unref(second);
	image_unref(read);
	shop_close(&s);
}

/*
 * XORs a byte near the end of the first block: what growth looks at stands far before it. The time stays, as
 * when a disk loses a bit.
 */
static void flip(void)
{
	sh("touch -r t.xz time && python3 -c \"f = open('t.xz', 'r+b'); f.seek(10 << 20); b = f.read(1); "
	   "f.seek(10 << 20); f.write(bytes([b[0] ^ 1]))\" && touch -r time t.xz");
}

static void nothing_is_read_of_what_damage_was_found_under(void **state)
{
	struct bench *b = *state;
	struct image *img = NULL, *read;
	struct shop s;
	uint8_t byte;
	int r;

	shop_open(&s, b, "t@300M.raw");
	flip();
	/* Whether a look is over before the damage is come to is a matter of time; a read never is. */
	r = shop_look(&s, &img);
	if (r == 0) {
		assert_int_equal(image_pread(img, &byte, 1, 299 * MiB, NULL), -EBADMSG);
		assert_true(image_is_stale(img));
	} else {
		assert_int_equal(r, -EBADMSG);
	}
	assert_int_equal(shop_open_image(&s, &read), -EBADMSG);
	flip();
	/* Other bytes than those that the look was at: it is looked again, and what stood on them stays worthless. */
	assert_int_equal(shop_open_image(&s, &read), 0);
	assert_int_equal(image_pread(read, &byte, 1, 299 * MiB, NULL), 0);
	if (img)
		assert_int_equal(image_pread(img, &byte, 1, 299 * MiB, NULL), -EBADMSG);
	image_unref(img);
	image_unref(read);
	shop_close(&s);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_set_up, bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_are_had_before_the_units_end),
		TEST(others_wait_for_the_check),
		TEST(what_is_checked_needs_no_note),
		TEST(bytes_not_made_yet_are_waited_for),
		TEST(a_making_that_goes_on_is_no_reason_to_stay),
		TEST(damage_found_later_fails_all_reads),
		TEST(bytes_of_a_making_that_failed_are_gone),
		TEST(what_stands_on_anothers_bytes_shares_their_fate),
		TEST(units_in_memory_are_waited_for),
		TEST(bytes_of_a_spoilt_attempt_are_not_vouched_for),
		TEST(bytes_of_a_spoilt_attempt_may_be_right),
		TEST(one_that_nobody_awaits_lets_all_be_closed),
		TEST(anothers_close_stops_nothing_that_is_noted),
		TEST(who_is_late_awaits_what_was_noted_meanwhile),
		TEST(a_look_and_a_read_find_the_same),
		TEST(one_that_looks_joins_one_that_looked),
		TEST(nothing_is_read_of_what_damage_was_found_under),
	};

	return cmocka_run_group_tests(tests, make_template, disk_dir_teardown);
}
