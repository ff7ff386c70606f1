/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remote objects as images, against a real server that can be asked to misbehave. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/patience.h"
#include "base/text.h"
#include "tests/unit/far.h"
#include "tests/unit/mounts.h"

#define SIZE	 (5 * MiB + 12345)
#define CHUNK	 FETCH_CHUNK
#define N_READER 4

static int setup(void **state)
{
	struct far *far = far_new();

	far_write(far, SIZE, 1);
	*state = far;
	return 0;
}

static int setup_served(void **state)
{
	int r = setup(state);

	far_serve(*state, NULL);
	return r;
}

static int teardown(void **state)
{
	far_free(*state);
	return 0;
}

/* Until so much is there: what is hinted comes when it comes. */
static void await_bytes(struct image *img, uint64_t bytes)
{
	while (fetched_bytes(img) < bytes)
		(void)usleep(1000);
}

/* ---- several readers ---- */

struct reader {
	struct far *far;
	struct image *img;
	unsigned seed, n_reads;
	pthread_t thread;
	bool is_right;
	int error;
};

static void *read_at_random(void *arg)
{
	struct reader *r = arg;
	uint8_t *buf = malloc(300000);

	r->is_right = true;
	for (unsigned i = 0; i < r->n_reads && r->is_right && r->error == 0; i++) {
		const uint64_t at = (uint64_t)rand_r(&r->seed) * 977 % r->far->size;
		const size_t n = min_u64((unsigned)rand_r(&r->seed) % 300000, r->far->size - at);

		r->error = image_pread(r->img, buf, n, at, NULL);
		r->is_right = r->error < 0 || memcmp(buf, r->far->bytes + at, n) == 0;
	}
	free(buf);
	return NULL;
}

static void start_readers(struct far *far, struct image *img, unsigned n_reads, struct reader r[N_READER])
{
	for (unsigned i = 0; i < N_READER; i++) {
		r[i] = (struct reader){ .far = far, .img = img, .seed = i + 1, .n_reads = n_reads };
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_at_random, &r[i]), 0);
	}
}

/* All have right bytes, or `error`. */
static void join_readers(struct reader r[N_READER], int error)
{
	for (unsigned i = 0; i < N_READER; i++)
		(void)pthread_join(r[i].thread, NULL);
	for (unsigned i = 0; i < N_READER; i++) {
		assert_true(r[i].is_right);
		if (r[i].error != 0)
			assert_int_equal(r[i].error, error);
	}
}

static void read_side_by_side(struct far *far, struct image *img, unsigned n_reads)
{
	struct reader r[N_READER];

	start_readers(far, img, n_reads, r);
	join_readers(r, 0);
}

/* ---- what is fetched, and what isn't ---- */

static void reads_right_and_fetches_once(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");

	assert_int_equal(img->size, SIZE);
	assert_ptr_equal(fetched_below(img), img);
	read_side_by_side(far, img, 60);
	far_assert_reads(far, img, SIZE - 1, 1);
	far_assert_reads_all(far, img, 70001);
	assert_int_equal(fetched_bytes(img), SIZE);
	assert_int_equal(far_stats(far).bytes, SIZE);
	far_assert_reads_all(far, img, 70001);
	assert_int_equal(far_stats(far).requests, 0);
	far_close(far, img);
}

static void small_objects_and_ends(void **state)
{
	static const uint64_t sizes[] = { 1, 511, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK };
	struct far *far = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct image *img;

		bench_close_store(far->bench);
		far_write(far, sizes[i], 10 + i);
		img = far_open(far, NULL, "");
		far_assert_reads(far, img, sizes[i] - 1, 1);
		far_assert_reads_all(far, img, 1000);
		assert_int_equal(far_stats(far).bytes, sizes[i]);
		far_close(far, img);
		store_forget(far->bench->context.store, STORE_FETCHED "a");
	}
}

static void is_kept_over_a_restart(void **state)
{
	struct far *far = *state;
	struct object o;
	struct image *img;

	bench_open_store(far->bench);
	o = far_object(far, "");
	(void)far_stats(far);
	img = far_image(far, "a", &o);
	far_assert_reads(far, img, 3 * CHUNK + 5, 2 * CHUNK);
	assert_int_equal(far_stats(far).bytes, 3 * CHUNK);
	far_close(far, img);
	bench_close_store(far->bench);

	img = far_image(far, "a", &o);
	assert_int_equal(fetched_bytes(img), 3 * CHUNK);
	far_assert_reads(far, img, 3 * CHUNK, 3 * CHUNK);
	assert_int_equal(far_stats(far).requests, 0);
	far_assert_reads_all(far, img, 100000);
	assert_int_equal(far_stats(far).bytes, SIZE - 3 * CHUNK);
	far_close(far, img);
	bench_close_store(far->bench);

	/* Complete, it needs no server. */
	peer_stop(&far->peer);
	img = far_image(far, "a", &o);
	far_assert_reads_all(far, img, 100000);
	far_close(far, img);
	object_done(&o);
}

static void a_store_that_keeps_nothing_holds_it_meanwhile(void **state)
{
	struct far *far = *state;
	struct object o;

	far->bench->options.tmpdir = far->bench->dir;
	far->bench->options.dir = NULL;
	o = far_object(far, "");
	(void)far_stats(far);
	for (int i = 0; i < 2; i++) {
		struct image *img = far_image(far, "a", &o);

		read_side_by_side(far, img, 20);
		far_assert_reads_all(far, img, 100000);
		far_close(far, img);
	}
	assert_int_equal(far_stats(far).bytes, SIZE);
	object_done(&o);
}

static void takes_a_first_chunk_that_was_fetched(void **state)
{
	struct far *far = *state;
	struct object o = far_object(far, "");
	struct image *img;

	(void)far_stats(far);
	bench_open_store(far->bench);
	assert_int_equal(fetched_image_new(far->bench->context.store, far->net, STORE_FETCHED "a", &o, o.url,
					   "", far->bytes, CHUNK, &img, NULL),
			 0);
	far_assert_reads(far, img, 0, CHUNK);
	assert_int_equal(far_stats(far).requests, 0);
	image_unref(img);
	/* Less than a chunk is none. */
	assert_int_equal(fetched_image_new(far->bench->context.store, far->net, STORE_FETCHED "b", &o, o.url,
					   "", far->bytes, CHUNK - 1, &img, NULL),
			 0);
	assert_int_equal(fetched_bytes(img), 0);
	image_unref(img);
	object_done(&o);
}

static void says_what_it_knows(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");
	struct text t = TEXT_EMPTY;
	struct backing backing;
	struct extent e = image_extent(img, 5);
	uint8_t byte;

	assert_int_equal(e.length, SIZE - 5);
	assert_int_equal(e.kind, EXTENT_DATA);
	assert_int_equal(image_backing(img, CHUNK, &backing), -ENODATA);
	far_assert_reads(far, img, CHUNK, CHUNK);
	assert_int_equal(image_backing(img, CHUNK + 5, &backing), 0);
	assert_int_equal(backing.length, CHUNK - 5);
	assert_true(backing.ours);
	assert_int_equal(pread(backing.fd, &byte, 1, (off_t)backing.offset), 1);
	assert_int_equal(byte, far->bytes[CHUNK + 5]);
	image_describe(img, &t);
	assert_non_null(strstr(t.chars, "/file, 64.0K of 5.01M fetched\n"));
	text_done(&t);
	assert_false(image_is_stale(img));
	far_close(far, img);
}

/* ---- requests ---- */

static void misses_side_by_side_make_one_request(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");
	struct far_stats s;

	far_assert_reads(far, img, 20 * CHUNK + 1, MiB);
	s = far_stats(far);
	assert_int_equal(s.requests, 1);
	assert_int_equal(s.bytes, 17 * CHUNK);
	/* What is there parts them. */
	far_assert_reads(far, img, 4 * CHUNK, 1);
	(void)far_stats(far);
	far_assert_reads(far, img, 0, 9 * CHUNK);
	s = far_stats(far);
	assert_int_equal(s.requests, 2);
	assert_int_equal(s.bytes, 8 * CHUNK);
	far_close(far, img);
}

static void reading_on_makes_them_longer(void **state)
{
	struct far *far = *state;
	struct image *img;
	struct far_stats s;

	far_write(far, 24 * MiB, 2);
	img = far_open(far, NULL, "");
	far_assert_reads_all(far, img, CHUNK);
	s = far_stats(far);
	assert_int_equal(s.bytes, 24 * MiB);
	if (s.requests > 16)
		fail_msg("%u requests for 24M", s.requests);
	far_close(far, img);
}

/* The first chunk alone, since nobody knows; the second one with what lies behind it, in one. */
static void a_reader_waits_in_front_of_what_he_will_read(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");

	far_assert_reads(far, img, 0, CHUNK);
	assert_int_equal(far_stats(far).requests, 1);
	far_assert_reads(far, img, CHUNK, CHUNK);
	await_bytes(img, 4 * CHUNK);
	assert_int_equal(far_stats(far).requests, 1);
	far_close(far, img);
}

static void so_many_at_once_and_no_more(void **state)
{
	struct far *far = *state;
	const char *const slow[] = { "--delay-ms", "30", NULL };
	struct image *img;
	struct far_stats s;

	far_write(far, 40 * MiB, 2);
	far_serve(far, slow);
	img = far_open(far, NULL, "");
	image_hint(img, 0, img->size);
	read_side_by_side(far, img, 20);
	await_bytes(img, img->size);
	s = far_stats(far);
	assert_int_equal(s.bytes, img->size);
	if (s.in_flight_most > FETCH_FLIGHTS)
		fail_msg("%u requests at once", s.in_flight_most);
	far_close(far, img);
}

static void small_hints_wait_for_company(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");
	struct far_stats s;

	for (uint64_t i = 10; i < 13; i++)
		image_hint(img, i * CHUNK, CHUNK);
	assert_int_equal(far_stats(far).requests, 0);
	far_assert_reads(far, img, 0, 1);
	await_bytes(img, 4 * CHUNK);
	s = far_stats(far);
	assert_int_equal(s.requests, 2);
	assert_int_equal(s.bytes, 4 * CHUNK);
	far_assert_reads(far, img, 10 * CHUNK, 3 * CHUNK);
	assert_int_equal(far_stats(far).requests, 0);
	/* The last chunk is a short one. */
	far_assert_reads(far, img, SIZE - 1, 1);
	assert_int_equal(fetched_bytes(img), 4 * CHUNK + SIZE % CHUNK);
	(void)far_stats(far);
	/* A reader who comes before takes them along. */
	image_hint(img, 21 * CHUNK, CHUNK);
	far_assert_reads(far, img, 20 * CHUNK, 1);
	await_bytes(img, 6 * CHUNK + SIZE % CHUNK);
	assert_int_equal(far_stats(far).requests, 1);
	far_close(far, img);
}

static void large_hints_go_at_once(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");
	struct far_stats s;

	image_hint(img, MiB, MiB);
	await_bytes(img, MiB);
	s = far_stats(far);
	assert_int_equal(s.requests, 1);
	assert_int_equal(s.bytes, MiB);
	/* Of what is there nothing is asked for again; behind the end there is nothing. */
	image_hint(img, MiB, MiB);
	image_hint(img, SIZE - 1, UINT64_C(1) << 40);
	assert_int_equal(far_stats(far).requests, 0);
	far_close(far, img);
}

/* ---- servers that know no ranges ---- */

static void all_or_nothing_is_fetched_once(void **state)
{
	struct far *far = *state;
	struct object o = far_object(far, "/fault/no-range");
	struct image *img;

	assert_false(o.has_ranges);
	free(o.url);
	/* Another path, so that what was cut off when it was met is not counted here. */
	o.url = peer_url(&far->peer, "/fault/no-range:1/file");
	img = far_image(far, "a", &o);
	(void)far_stats(far);
	read_side_by_side(far, img, 20);
	far_assert_reads_all(far, img, 100000);
	assert_int_equal(far_stats(far).requests, 1);
	far_close(far, img);
	object_done(&o);
}

/* A server that did ranges once, and now sends all of it: what came is taken. */
static void ranges_that_end_from_the_first_byte(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, "", "/fault/no-range");
	struct far_stats s;

	far_assert_reads(far, img, 0, 1);
	far_assert_reads_all(far, img, 100000);
	s = far_stats(far);
	assert_int_equal(s.requests, 1);
	assert_int_equal(s.bytes, SIZE);
	far_close(far, img);
}

static void ranges_that_end_in_the_middle(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, "", "/fault/no-range");
	struct far_stats s;

	far_assert_reads(far, img, 3 * MiB, 1);
	far_assert_reads_all(far, img, 100000);
	s = far_stats(far);
	assert_int_equal(s.requests, 2);
	far_close(far, img);
}

/* Several requests are refused at once, and all who wait are served nevertheless. */
static void ranges_that_end_for_several(void **state)
{
	struct far *far = *state;
	const char *const slow[] = { "--delay-ms", "100", NULL };
	struct image *img;

	far_serve(far, slow);
	for (int i = 0; i < 3; i++) {
		_cleanup_free_ char *faults = text_new("/fault/no-range:%d/", i), *name = text_new("n%d", i);
		struct object o = far_object(far, "");

		free(o.url);
		o.url = peer_url(&far->peer, "%sfile", faults);
		img = far_image(far, name, &o);
		read_side_by_side(far, img, 10);
		far_close(far, img);
		object_done(&o);
	}
}

/* ---- another object ---- */

static void assert_stale(struct far *far, struct image *img, uint64_t offset, const char *part)
{
	far_assert_fails(img, offset, 10, -ESTALE, part);
	assert_true(image_is_stale(img));
	/* For good; but what is there stays what it was. */
	far_assert_fails(img, offset, 10, -ESTALE, "changed on its server");
	far_assert_reads(far, img, 0, CHUNK);
}

static void changes_between_two_ranges(void **state)
{
	static const struct {
		const char *faults, *part;
	} rows[] = {
		{ "/fault/changes:2", "changed on its server: its ETag was" },
		{ "/fault/changes-etag:2", "changed on its server: its ETag was" },
		{ "/fault/changes-length:2", "changed on its server: it had 5255225 bytes, now 5255224" },
	};
	struct far *far = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image *img = far_open(far, "", rows[i].faults);

		far_assert_reads(far, img, 0, CHUNK);
		assert_false(image_is_stale(img));
		assert_stale(far, img, MiB, rows[i].part);
		far_close(far, img);
		store_forget(far->bench->context.store, STORE_FETCHED "a");
		bench_close_store(far->bench);
	}
}

/* Its ETag is what decides. */
static void another_time_is_no_change(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, "", "/fault/changes-time:2");

	far_assert_reads(far, img, 0, CHUNK);
	far_assert_reads_all(far, img, 100000);
	far_close(far, img);
}

static void the_new_object_is_another_image(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, ""), *new;
	struct object o;

	far_assert_reads(far, img, 0, CHUNK);
	far_write(far, 3 * MiB, 2);
	far_assert_fails(img, MiB, 10, -ESTALE, "changed on its server");
	o = far_object(far, "");
	new = far_image(far, "b", &o);
	far_assert_reads_all(far, new, 100000);
	far_assert_fails(img, MiB, 10, -ESTALE, "changed on its server");
	far_close(far, new);
	far_close(far, img);
	object_done(&o);
}

/* The range lies behind the new end: 416 tells nothing of ETags, but enough. */
static void a_shorter_object_is_another(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");
	uint8_t *bytes = malloc(CHUNK);

	far_assert_reads(far, img, 0, CHUNK);
	memcpy(bytes, far->bytes, CHUNK);
	far_put(far, "file", bytes, 100);
	assert_stale(far, img, 4 * MiB, "changed on its server");
	free(bytes);
	far_close(far, img);
}

static void all_who_wait_hear_of_it(void **state)
{
	struct far *far = *state;
	const char *const slow[] = { "--delay-ms", "50", NULL };
	struct reader r[N_READER];
	struct image *img;

	far_serve(far, slow);
	img = far_open(far, "", "/fault/changes:3");
	start_readers(far, img, 30, r);
	join_readers(r, -ESTALE);
	assert_true(image_is_stale(img));
	far_close(far, img);
}

/* Neither a length nor a range says so beforehand. */
static void more_than_the_object_has(void **state)
{
	struct far *far = *state;
	struct object o = far_object(far, "");
	struct image *img;

	o.length = 3 * CHUNK + 100;
	o.has_ranges = false;
	free(o.url);
	o.url = peer_url(&far->peer, "/fault/no-range+chunked/file");
	img = far_image(far, "a", &o);
	far_assert_reads(far, img, 0, 10);
	while (!image_is_stale(img))
		(void)usleep(1000);
	far_assert_reads(far, img, 0, 3 * CHUNK);
	far_close(far, img);
	object_done(&o);
}

static void less_than_the_object_has(void **state)
{
	struct far *far = *state;
	struct object o = far_object(far, "");
	struct image *img;

	o.length = SIZE + MiB;
	o.has_ranges = false;
	free(o.url);
	o.url = peer_url(&far->peer, "/fault/no-range+chunked/file");
	img = far_image(far, "a", &o);
	far_assert_fails(img, SIZE, 10, -EIO, "ended after 5255225 of 6303801 bytes");
	far_assert_reads(far, img, 0, 4 * MiB);
	far_close(far, img);
	object_done(&o);
}

/* ---- faults ---- */

static void passing_faults_end_in_right_bytes(void **state)
{
	static const char *const faults[] = {
		"status:503,2",	 "status:500,1",  "drop:2",	   "cut:100000,2",
		"reset:70000,2", "stall:70000,1", "stall:-1,1",	   "cut:0,1",
		"chunked",	 "close",	  "range-total:*", "short-range:300000",
		"redirect:302",	 "drip:16384,0",  "no-range:4",	   "length:0+cut:1,1",
	};
	struct far *far = *state;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		_cleanup_free_ char *path = text_new("/fault/%s", faults[i]);
		struct object o = far_object(far, "");
		struct image *img;

		print_message("%s\n", faults[i]);
		free(o.url);
		o.url = peer_url(&far->peer, "%s/file", path);
		img = far_image(far, faults[i], &o);
		far_assert_reads(far, img, MiB + 5, 300000);
		read_side_by_side(far, img, 5);
		far_assert_reads_all(far, img, MiB);
		far_close(far, img);
		object_done(&o);
	}
}

static void nonsense_is_an_error(void **state)
{
	static const struct {
		const char *faults;
		int error;
	} rows[] = {
		{ "range-start:1", -EPROTO },
		{ "range-start:-1", -EPROTO },
		{ "no-content-range", -EPROTO },
		{ "bad-content-range", -EPROTO },
		{ "multipart", -EPROTO },
		{ "gzip", -EPROTO },
		{ "range-total:1", -ESTALE },
		{ "no-validators", -ESTALE },
		{ "loop", -EPROTO },
		{ "status:404", -ENOENT },
		{ "status:403", -EACCES },
		{ "status:503", -EIO },
		{ "drop", -EIO },
		{ "unchanged", -EPROTO },
		{ "cut:0", -EIO },
		/* Last, for it leaves bytes behind in the connection. */
		{ "length:-5", -EPROTO },
	};
	struct far *far = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object o = far_object(far, "");
		struct image *img;

		print_message("%s\n", rows[i].faults);
		free(o.url);
		o.url = peer_url(&far->peer, "/fault/%s/file", rows[i].faults);
		img = far_image(far, rows[i].faults, &o);
		far_assert_fails(img, MiB, 1000, rows[i].error, "");
		assert_int_equal(fetched_bytes(img), 0);
		far_close(far, img);
		object_done(&o);
	}
}

/* An error is nobody's memory: the read after the fault is over is as good as any. */
static void the_next_read_tries_again(void **state)
{
	static const struct {
		const char *faults;
		int error;
	} rows[] = {
		{ "status:503,2", -EIO },    { "stall:-1,2", -ETIMEDOUT }, { "status:404,1", -ENOENT },
		{ "status:403,1", -EACCES }, { "cut:0,2", -EIO },
	};
	struct far *far = *state;

	far->options.tries = 2;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object o = far_object(far, "");
		struct image *img;

		print_message("%s\n", rows[i].faults);
		free(o.url);
		o.url = peer_url(&far->peer, "/fault/%s/file", rows[i].faults);
		img = far_image(far, rows[i].faults, &o);
		far_assert_fails(img, MiB, 1000, rows[i].error, "/file");
		far_assert_reads(far, img, MiB, 1000);
		far_assert_reads_all(far, img, MiB);
		assert_false(image_is_stale(img));
		far_close(far, img);
		object_done(&o);
	}
}

static void a_server_that_is_gone(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");

	far_assert_reads(far, img, 0, CHUNK);
	peer_stop(&far->peer);
	far_assert_fails(img, MiB, 1, -EHOSTUNREACH, "can't be reached");
	far_assert_reads(far, img, 0, CHUNK);
	assert_false(image_is_stale(img));
	far_close(far, img);
}

/* ---- redirects ---- */

static struct image *open_redirected(struct far *far, const char *name, const char *first, const char *final)
{
	struct object o = far_object(far, "");
	struct image *img;

	free(o.url);
	o.url = peer_url(&far->peer, "%s/file", first);
	o.final_url = peer_url(&far->peer, "%s/file", final);
	(void)far_stats(far);
	img = far_image(far, name, &o);
	object_done(&o);
	return img;
}

static void goes_straight_to_where_it_led(void **state)
{
	struct far *far = *state;
	struct image *img = open_redirected(far, "a", "/fault/redirect:302", "");
	struct object o = far_object(far, "/fault/redirect:301");
	_cleanup_free_ char *want = peer_url(&far->peer, "/file");

	assert_string_equal(o.final_url, want);
	object_done(&o);
	(void)far_stats(far);
	far_assert_reads(far, img, 0, MiB);
	assert_int_equal(far_stats(far).requests, 1);
	far_close(far, img);
}

static void asks_again_when_that_has_expired(void **state)
{
	static const char *const faults[] = { "status:403", "status:404", "status:410", "status:401",
					      "status:400", "drop",	  "status:503" };
	struct far *far = *state;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		_cleanup_free_ char *final = text_new("/fault/%s", faults[i]);
		struct image *img = open_redirected(far, faults[i], "/fault/redirect:302", final);

		print_message("%s\n", faults[i]);
		read_side_by_side(far, img, 10);
		far_assert_reads_all(far, img, MiB);
		far_close(far, img);
	}
}

/* Several requests are under way when it expires. */
static void asks_again_for_all(void **state)
{
	struct far *far = *state;
	const char *const slow[] = { "--delay-ms", "100", NULL };

	far_serve(far, slow);
	for (int i = 0; i < 3; i++) {
		_cleanup_free_ char *name = text_new("a%d", i);
		struct image *img = open_redirected(far, name, "", "/fault/status:403");

		read_side_by_side(far, img, 5);
		far_close(far, img);
	}
}

static void an_error_at_both_ends_is_an_error(void **state)
{
	struct far *far = *state;
	struct image *img = open_redirected(far, "a", "/fault/status:404", "/fault/status:403");

	far_assert_fails(img, 0, 1, -ENOENT, "/fault/status:404/file' answers 404");
	far_assert_fails(img, MiB, 1, -ENOENT, "/fault/status:404/file' answers 404");
	far_close(far, img);
}

/* ---- full disks ---- */

static void a_full_store_leaves_it_to_memory(void **state)
{
	struct far *far = *state;
	struct image *img;

	far->bench->options.limit = 600 * KiB;
	img = far_open(far, NULL, "");
	read_side_by_side(far, img, 30);
	far_assert_reads_all(far, img, 100000);
	/* All fits into the two. */
	assert_int_equal(far_stats(far).bytes, SIZE);
	assert_true(fetched_bytes(img) > 400 * KiB);
	assert_true(fetched_bytes(img) <= 600 * KiB);
	far_close(far, img);
}

/* Memory for a few chunks only: they come and go, but whoever waits gets his. */
static void little_memory_is_enough(void **state)
{
	struct far *far = *state;
	struct image *img;

	far->bench->options.limit = 100 * KiB;
	far->bench->options.memory = 20 * CHUNK;
	img = far_open(far, NULL, "");
	far_assert_reads_all(far, img, CHUNK);
	far_assert_reads_all(far, img, 300000);
	read_side_by_side(far, img, 5);
	far_close(far, img);
}

/* What was thrown out comes again, and nothing in the answer tells that it is another. */
static void what_comes_again_must_be_what_it_was(void **state)
{
	struct far *far = *state;
	_cleanup_free_ char *forge = text_new("%s/forge", far->www);
	struct image *img;

	far->bench->options.limit = 100 * KiB;
	far->bench->options.memory = 20 * CHUNK;
	img = far_open(far, NULL, "/fault/forged:forge");
	far_assert_reads_all(far, img, CHUNK);
	far_put(far, "forge", "", 0);
	far_assert_fails(img, 0, SIZE, -ESTALE, "changed on its server, which does not say so");
	assert_true(image_is_stale(img));
	far_close(far, img);
	bench_close_store(far->bench);
	/* Whoever opens it next knows as well, and not that it was forged, but that it is. */
	img = far_open(far, NULL, "/fault/forged:forge");
	far_assert_fails(img, 0, SIZE, -ESTALE, "changed on its server, which does not say so");
	assert_true(fetched_is_broken(img));
	far_close(far, img);
	assert_int_equal(unlink(forge), 0);
	img = far_open(far, NULL, "/fault/forged:forge");
	far_assert_reads_all(far, img, CHUNK);
	far_close(far, img);
}

static void no_memory_at_all_is_an_error(void **state)
{
	struct far *far = *state;
	struct image *img;

	far->bench->options.limit = 100 * KiB;
	far->bench->options.memory = CHUNK / 2;
	img = far_open(far, NULL, "");
	far_assert_reads(far, img, 0, 1);
	far_assert_fails(img, MiB, 1, -ENOSPC, "fits neither into the store");
	far_close(far, img);
}

static void a_full_disk_leaves_it_to_memory(void **state)
{
	struct far *far = *state;
	char dir[96];
	struct image *img;

	(void)snprintf(dir, sizeof(dir), "%s/mnt", far->bench->dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	if (mount("none", dir, "tmpfs", 0, "size=2m,mode=700") < 0)
		skip();
	far->bench->options.dir = dir;
	img = far_open(far, NULL, "");
	read_side_by_side(far, img, 30);
	far_assert_reads_all(far, img, 100000);
	assert_int_equal(far_stats(far).bytes, SIZE);
	far_close(far, img);
	bench_close_store(far->bench);
	img = far_open(far, NULL, "");
	far_assert_reads_all(far, img, 100000);
	far_close(far, img);
	bench_close_store(far->bench);
}

/* Somebody cuts the data file short under us. */
static void a_shortened_data_file_is_fetched_again(void **state)
{
	struct far *far = *state;
	struct image *img = far_open(far, NULL, "");
	char path[256];

	far_assert_reads_all(far, img, MiB);
	bench_file(far->bench, STORE_FETCHED "a", "raw", path);
	assert_int_equal(truncate(path, MiB), 0);
	far_assert_reads_all(far, img, MiB);
	far_close(far, img);
}

/* ---- leaving early ---- */

static bool is_lost(void *arg)
{
	return true;
}

static void who_loses_patience_leaves(void **state)
{
	struct far *far = *state;
	struct image *img;

	far->options.stall_ms = 3600 * 1000;
	img = far_open(far, "", "/fault/stall:-1");
	patience_set(is_lost, NULL);
	far_assert_fails(img, MiB, 1, -EINTR, "given up waiting for 'http://");
	patience_set(NULL, NULL);
	far_close(far, img);
}

static void closes_while_a_server_stalls(void **state)
{
	struct far *far = *state;
	struct image *img;

	far->options.stall_ms = 3600 * 1000;
	img = far_open(far, "", "/fault/stall:100000");
	image_hint(img, 0, SIZE);
	far_assert_reads(far, img, 0, CHUNK);
	far_close(far, img);
	/* And the engine goes on to serve others. */
	bench_close_store(far->bench);
	img = far_open(far, NULL, "");
	far_assert_reads_all(far, img, MiB);
	far_close(far, img);
}

static void closes_while_bytes_are_coming(void **state)
{
	struct far *far = *state;

	for (int i = 0; i < 20; i++) {
		struct image *img = far_open(far, NULL, "");

		image_hint(img, 0, SIZE);
		if (i % 2)
			far_assert_reads(far, img, (uint64_t)i * CHUNK, 1);
		far_close(far, img);
		store_forget(far->bench->context.store, STORE_FETCHED "a");
	}
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup_served, teardown)
#define TEST(test)   cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(reads_right_and_fetches_once),
		SERVED(small_objects_and_ends),
		SERVED(is_kept_over_a_restart),
		SERVED(a_store_that_keeps_nothing_holds_it_meanwhile),
		SERVED(takes_a_first_chunk_that_was_fetched),
		SERVED(says_what_it_knows),
		SERVED(misses_side_by_side_make_one_request),
		SERVED(reading_on_makes_them_longer),
		SERVED(a_reader_waits_in_front_of_what_he_will_read),
		TEST(so_many_at_once_and_no_more),
		SERVED(small_hints_wait_for_company),
		SERVED(large_hints_go_at_once),
		SERVED(all_or_nothing_is_fetched_once),
		SERVED(ranges_that_end_from_the_first_byte),
		SERVED(ranges_that_end_in_the_middle),
		TEST(ranges_that_end_for_several),
		SERVED(changes_between_two_ranges),
		SERVED(another_time_is_no_change),
		SERVED(the_new_object_is_another_image),
		SERVED(a_shorter_object_is_another),
		TEST(all_who_wait_hear_of_it),
		SERVED(more_than_the_object_has),
		SERVED(less_than_the_object_has),
		SERVED(passing_faults_end_in_right_bytes),
		SERVED(nonsense_is_an_error),
		SERVED(the_next_read_tries_again),
		SERVED(a_server_that_is_gone),
		SERVED(goes_straight_to_where_it_led),
		SERVED(asks_again_when_that_has_expired),
		TEST(asks_again_for_all),
		SERVED(an_error_at_both_ends_is_an_error),
		SERVED(a_full_store_leaves_it_to_memory),
		SERVED(little_memory_is_enough),
		SERVED(what_comes_again_must_be_what_it_was),
		SERVED(no_memory_at_all_is_an_error),
		SERVED(a_full_disk_leaves_it_to_memory),
		SERVED(a_shortened_data_file_is_fetched_again),
		SERVED(who_loses_patience_leaves),
		SERVED(closes_while_a_server_stalls),
		SERVED(closes_while_bytes_are_coming),
	};

	return mounts_of_our_own() ?: cmocka_run_group_tests(tests, NULL, NULL);
}
