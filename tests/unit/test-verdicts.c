/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums of whole files, and the gate that stands on them. */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/cache/verified.h"
#include "base/lock.h"
#include "base/patience.h"
#include "tests/unit/far.h"

#define SIZE (MiB + 4321)
#define EVER (600 * 1000) /* ms; the test itself has a limit */

/* ---- a file that can be held up, and broken ---- */

struct gated {
	struct image image;
	const uint8_t *bytes;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool is_closed;	    /* guarded */
	atomic_int error;   /* what reads give */
	atomic_ullong read; /* bytes, so far */
	atomic_uint hints;
};

static int gated_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct gated *g = (struct gated *)img;
	LOCKED(&g->lock);

	while (g->is_closed) {
		if (patience_lost())
			return fail(why, -EINTR, "given up");
		lock_cond_wait_until(&g->moved, &g->lock, lock_now_ms() + PATIENCE_POLL_MS);
	}
	if (g->error)
		return fail(why, g->error, "broken");
	g->read += count;
	memcpy(buf, g->bytes + offset, count);
	return 0;
}

static int gated_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	*ret = (struct backing){ 4711, offset, img->size - offset, .ours = true };
	return 0;
}

static void gated_hint(struct image *img, uint64_t offset, uint64_t length)
{
	((struct gated *)img)->hints++;
}

static const struct image_ops gated_ops = {
	.name = "gated",
	.pread = gated_pread,
	.backing = gated_backing,
	.hint = gated_hint,
};

static struct gated *gated_new(const uint8_t *bytes, uint64_t size)
{
	struct gated *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	(void)pthread_mutex_init(&g->lock, NULL);
	lock_cond_init(&g->moved);
	g->bytes = bytes;
	image_init(&g->image, &gated_ops, size, /* below= */ NULL);
	return g;
}

static void gate(struct gated *g, bool is_closed)
{
	LOCKED(&g->lock);

	g->is_closed = is_closed;
	(void)pthread_cond_broadcast(&g->moved);
}

/* ---- each test's own ---- */

struct fixture {
	struct bench *b;
	uint8_t *bytes;
	char sha512[129], sha256[65], bad512[129], bad256[65];
	struct verdicts *v;
	struct gated *file;
	pthread_mutex_t lock;
	atomic_uint n_rejected;
	char rejected[64]; /* guarded */
};

static void on_rejected(void *arg, const char *identity)
{
	struct fixture *x = arg;
	LOCKED(&x->lock);

	(void)snprintf(x->rejected, sizeof(x->rejected), "%s", identity);
	x->n_rejected++;
}

static void digest(const char *path, const char *tool, size_t n, char *ret)
{
	_cleanup_free_ char *command = text_new("%s <%s", tool, path);
	FILE *f = popen(command, "r");

	assert_non_null(f);
	assert_int_equal(fread(ret, 1, n, f), n);
	ret[n] = '\0';
	(void)pclose(f);
}

static void open_all(struct fixture *x)
{
	bench_open_store(x->b);
	x->v = verdicts_new(
		&(struct verdicts_options){ .store = x->b->context.store, .rejected = on_rejected, .arg = x });
	assert_non_null(x->v);
	x->file = gated_new(x->bytes, SIZE);
}

static void close_all(struct fixture *x)
{
	if (x->v)
		verdicts_end(x->v);
	image_unref(&x->file->image);
	verdicts_free(x->v);
	bench_close_store(x->b);
	x->file = NULL;
	x->v = NULL;
}

static void reopen_all(struct fixture *x)
{
	close_all(x);
	open_all(x);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	_cleanup_free_ char *path = NULL;
	FILE *f;

	(void)pthread_mutex_init(&x->lock, NULL);
	assert_int_equal(bench_set_up((void **)&x->b), 0);
	x->bytes = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		x->bytes[i] = (uint8_t)(i * 31 + i / 251);
	path = text_new("%s/sum", x->b->dir);
	f = fopen(path, "we");
	assert_int_equal(fwrite(x->bytes, 1, SIZE, f), SIZE);
	(void)fclose(f);
	digest(path, "sha512sum", 128, x->sha512);
	digest(path, "sha256sum", 64, x->sha256);
	(void)unlink(path);
	(void)strcpy(x->bad512, x->sha512);
	x->bad512[127] ^= 1;
	(void)strcpy(x->bad256, x->sha256);
	x->bad256[63] ^= 1;
	open_all(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	if (x->file)
		gate(x->file, false);
	close_all(x);
	(void)bench_tear_down((void **)&x->b);
	free(x->bytes);
	free(x);
	return 0;
}

static struct promise promise(const char *identity, const char *sha512, const char *sha256)
{
	return (struct promise){
		.identity = identity, .shown = "http://a/b", .sha512 = sha512, .sha256 = sha256
	};
}

static void begin(struct fixture *x, const struct promise *p)
{
	struct why why = { "" };

	if (verdicts_begin(x->v, p, &x->file->image, &why) < 0)
		fail_msg("%s", why.text);
}

static int verify(struct fixture *x, const struct promise *p, struct why *why)
{
	begin(x, p);
	return verdicts_wait(x->v, p->identity, EVER, why);
}

static enum verdict_state state_of(struct fixture *x, const char *identity)
{
	return verdicts_state(x->v, identity, NULL, NULL);
}

/* ---- verdicts ---- */

static void right_sums_are_verified(void **state)
{
	struct fixture *x = *state;
	const struct promise all[] = {
		promise("a", x->sha512, NULL),
		promise("b", NULL, x->sha256),
		promise("c", x->sha512, x->sha256),
	};

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(state_of(x, all[i].identity), VERDICT_UNVERIFIED);
		assert_int_equal(verdicts_wait(x->v, all[i].identity, 0, NULL), -EAGAIN);
		assert_int_equal(verify(x, &all[i], NULL), 0);
		assert_int_equal(state_of(x, all[i].identity), VERDICT_VERIFIED);
	}
	assert_int_equal(x->file->read, 3 * SIZE);
	assert_int_equal(x->n_rejected, 0);
}

static void wrong_sums_are_rejected(void **state)
{
	struct fixture *x = *state;
	const struct promise all[] = {
		promise("a", x->bad512, NULL),
		promise("b", NULL, x->bad256),
		promise("c", x->bad512, x->sha256),
		promise("d", x->sha512, x->bad256),
	};

	for (size_t i = 0; i < 4; i++) {
		struct why why = { "" }, again = { "" };
		const bool is_512 = i % 2 == 0;
		char want[256];

		assert_int_equal(verify(x, &all[i], &why), -EBADMSG);
		(void)snprintf(
			want, sizeof(want),
			"'http://a/b' is rejected: its %s begins with %.16s, the library promises %.16s...",
			is_512 ? "sha512" : "sha256", is_512 ? x->sha512 : x->sha256,
			is_512 ? x->bad512 : x->bad256);
		assert_string_equal(why.text, want);
		assert_int_equal(verdicts_state(x->v, all[i].identity, NULL, &again), VERDICT_REJECTED);
		assert_string_equal(again.text, want);
	}
	verdicts_end(x->v);
	assert_int_equal(x->n_rejected, 4);
}

static void a_verdict_outlives_a_restart(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL), other = promise("b", x->sha512, NULL);

	assert_int_equal(verify(x, &p, NULL), 0);
	/* Nor is it asked for twice in one life. */
	assert_int_equal(verify(x, &p, NULL), 0);
	assert_int_equal(x->file->read, SIZE);
	reopen_all(x);
	assert_int_equal(state_of(x, "a"), VERDICT_VERIFIED);
	assert_int_equal(verify(x, &p, NULL), 0);
	assert_int_equal(x->file->read, 0);
	/* For another file it means nothing. */
	assert_int_equal(state_of(x, "b"), VERDICT_UNVERIFIED);
	assert_int_equal(verify(x, &other, NULL), 0);
	assert_int_equal(x->file->read, SIZE);
}

static void a_rejection_outlives_a_restart(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->bad512, NULL);
	struct why first = { "" }, why = { "" };

	assert_int_equal(verify(x, &p, &first), -EBADMSG);
	reopen_all(x);
	assert_int_equal(verdicts_state(x->v, "a", NULL, &why), VERDICT_REJECTED);
	assert_string_equal(why.text, first.text);
	why.text[0] = '\0';
	assert_int_equal(verify(x, &p, &why), -EBADMSG);
	assert_string_equal(why.text, first.text);
	assert_int_equal(x->file->read, 0);
	assert_int_equal(x->n_rejected, 1);
}

/* What can't be read just now is neither right nor wrong; a server's 403 is -EACCES. */
static void an_error_is_no_verdict(void **state)
{
	static const int errors[] = { -EIO,    -EACCES, -EBADMSG,      -ENOENT,
				      -ESTALE, -EPROTO, -EHOSTUNREACH, -ETIMEDOUT };
	struct fixture *x = *state;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		const char identity[] = { (char)('a' + i), '\0' };
		const struct promise p = promise(identity, x->sha512, NULL);
		struct why why = { "" };
		int r;

		x->file->error = errors[i];
		r = verify(x, &p, &why);
		assert_true(r < 0 && r != -EAGAIN && r != -EBADMSG);
		assert_string_equal(why.text, "broken");
		assert_int_equal(state_of(x, identity), VERDICT_UNVERIFIED);
		reopen_all(x);
		assert_int_equal(state_of(x, identity), VERDICT_UNVERIFIED);
		x->file->error = errors[i];
		(void)verify(x, &p, NULL);
		x->file->error = 0;
		assert_int_equal(verify(x, &p, NULL), 0);
	}
	assert_int_equal(x->n_rejected, 0);
}

/* Static: the verdicts keep a ref until the fixture is torn down. */
static struct strict_judge {
	struct judge judge;
	unsigned calls;
	int verdict;
} strict;

static int judge_strictly(struct judge *judge, struct image *file, struct why *why)
{
	struct strict_judge *j = (struct strict_judge *)judge;

	j->calls++;
	return j->verdict ? fail(why, j->verdict, "judged") : 0;
}

static void judge_stays(struct judge *judge)
{
}

static void a_judge_has_the_last_word(void **state)
{
	static const struct {
		int verdict, want;
		enum verdict_state state;
	} rows[] = {
		{ 0, 0, VERDICT_VERIFIED },
		{ -EBADMSG, -EBADMSG, VERDICT_REJECTED },
		{ -EACCES, -EBADMSG, VERDICT_REJECTED },
		{ -EIO, -EIO, VERDICT_UNVERIFIED },
	};
	struct fixture *x = *state;
	struct promise p = promise("z", x->bad512, NULL);

	strict = (struct strict_judge){ { 1, judge_strictly, judge_stays }, 0, 0 };
	p.judge = &strict.judge;
	assert_int_equal(verify(x, &p, NULL), -EBADMSG);
	assert_int_equal(strict.calls, 0);
	for (size_t i = 0; i < 4; i++) {
		const char identity[] = { (char)('a' + i), '\0' };
		struct why why = { "" };

		strict.calls = 0;
		strict.verdict = rows[i].verdict;
		p.identity = identity;
		p.sha512 = i % 2 ? x->sha512 : NULL;
		assert_int_equal(verify(x, &p, &why), rows[i].want);
		assert_string_equal(why.text, rows[i].verdict ? "judged" : "");
		assert_int_equal(strict.calls, 1);
		assert_int_equal(state_of(x, identity), rows[i].state);
	}
}

/* The checksums' own verdict is, whatever a judge could not find out before. */
static void a_rejection_after_a_judge_that_failed_outlives_a_restart(void **state)
{
	struct fixture *x = *state;
	struct promise p = promise("a", x->sha512, NULL);

	strict = (struct strict_judge){ { 1, judge_strictly, judge_stays }, 0, -EIO };
	p.judge = &strict.judge;
	assert_int_equal(verify(x, &p, NULL), -EIO);
	x->bytes[SIZE / 2] ^= 1;
	assert_int_equal(verify(x, &p, NULL), -EBADMSG);
	x->bytes[SIZE / 2] ^= 1;
	reopen_all(x);
	assert_int_equal(state_of(x, "a"), VERDICT_REJECTED);
}

/* How many units had to be made to read all that is stored under the name. */
static unsigned makes_of(struct fixture *x, const char *identity)
{
	struct unitimage *below = unitimage_new(MiB, 64 * KiB, 1);
	struct image *img = bench_cache(x->b, identity, below);
	unsigned makes;

	assert_reads_all(img, below);
	makes = below->makes;
	image_unref(img);
	image_unref(&below->image);
	return makes;
}

static void a_rejection_drops_what_is_stored(void **state)
{
	static const char *const names[] = { "a", STORE_FETCHED "a", "b" };
	struct fixture *x = *state;
	const struct promise p = promise("a", x->bad512, NULL);

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(makes_of(x, names[i]), 16);
		assert_int_equal(makes_of(x, names[i]), 0);
	}
	assert_int_equal(verify(x, &p, NULL), -EBADMSG);
	reopen_all(x);
	assert_string_equal(x->rejected, "a");
	assert_int_equal(makes_of(x, "a"), 16);
	assert_int_equal(makes_of(x, STORE_FETCHED "a"), 16);
	assert_int_equal(makes_of(x, "b"), 0);
}

static void it_says_how_far_it_is(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL);
	char buf[VERDICT_TEXT_MAX];
	unsigned percent = 4711;

	gate(x->file, true);
	begin(x, &p);
	assert_int_equal(verdicts_state(x->v, "a", &percent, NULL), VERDICT_VERIFYING);
	assert_int_equal(percent, 0);
	assert_int_equal(verdicts_wait(x->v, "a", 0, NULL), -EAGAIN);
	gate(x->file, false);
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), 0);
	assert_string_equal(verdict_text(buf, VERDICT_NONE, 0), "no checksum");
	assert_string_equal(verdict_text(buf, VERDICT_UNVERIFIED, 0), "unverified");
	assert_string_equal(verdict_text(buf, VERDICT_VERIFYING, 43), "verifying 43%");
	assert_string_equal(verdict_text(buf, VERDICT_VERIFYING, 100), "verifying 100%");
	assert_string_equal(verdict_text(buf, VERDICT_VERIFIED, 43), "verified");
	assert_string_equal(verdict_text(buf, VERDICT_REJECTED, 0), "rejected");
}

static struct asking_judge {
	struct judge judge;
	struct verdicts *v;
} asking;

static int judge_asks(struct judge *judge, struct image *file, struct why *why)
{
	unsigned percent;

	return verdicts_state(((struct asking_judge *)judge)->v, "a", &percent, NULL) == VERDICT_VERIFYING &&
			       percent == 100
		       ? 0
		       : -EIO;
}

static void an_empty_file_is_soon_read(void **state)
{
	struct fixture *x = *state;
	struct gated *empty = gated_new(x->bytes, 0);
	struct promise p = promise("a", NULL, NULL);

	asking = (struct asking_judge){ { 1, judge_asks, judge_stays }, x->v };
	p.judge = &asking.judge;
	assert_int_equal(verdicts_begin(x->v, &p, &empty->image, NULL), 0);
	image_unref(&empty->image);
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), 0);
}

/* ---- several ---- */

struct waiter {
	struct fixture *x;
	const struct promise *p;
	pthread_t thread;
	int r;
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;

	w->r = verdicts_begin(w->x->v, w->p, &w->x->file->image, NULL);
	if (w->r == 0)
		w->r = verdicts_wait(w->x->v, w->p->identity, EVER, NULL);
	return NULL;
}

static void all_wait_for_one(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL);
	struct waiter w[4];

	for (size_t i = 0; i < 4; i++) {
		w[i] = (struct waiter){ .x = x, .p = &p };
		assert_int_equal(pthread_create(&w[i].thread, NULL, wait_for_it, &w[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		(void)pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].r, 0);
	}
	assert_int_equal(x->file->read, SIZE);
}

static void the_end_releases_who_waits(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL), late = promise("b", x->sha512, NULL);
	struct waiter w[4];
	struct why why = { "" };

	gate(x->file, true);
	for (size_t i = 0; i < 4; i++) {
		w[i] = (struct waiter){ .x = x, .p = &p };
		assert_int_equal(pthread_create(&w[i].thread, NULL, wait_for_it, &w[i]), 0);
	}
	verdicts_end(x->v);
	for (size_t i = 0; i < 4; i++) {
		(void)pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].r, -ECANCELED);
	}
	assert_int_equal(verdicts_begin(x->v, &late, &x->file->image, &why), -ECANCELED);
	assert_string_equal(why.text, "the mount is ending");
	verdicts_end(x->v);
}

static bool is_lost(void *arg)
{
	return true;
}

static void who_loses_patience_leaves(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL);

	gate(x->file, true);
	begin(x, &p);
	patience_set(is_lost, NULL);
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), -EINTR);
	patience_set(NULL, NULL);
	/* The work goes on for others. */
	gate(x->file, false);
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), 0);
}

/* ---- the gate ---- */

struct reading {
	struct image *img;
	const uint8_t *bytes;
	pthread_t thread;
	int r;
	struct why why;
};

static void *read_some(void *arg)
{
	struct reading *r = arg;
	uint8_t buf[1000];

	r->r = image_pread(r->img, buf, sizeof(buf), 500000, &r->why);
	if (r->r == 0 && memcmp(buf, r->bytes + 500000, sizeof(buf)) != 0)
		r->r = 1;
	return NULL;
}

static void start_reading(struct reading *r, struct image *img, const uint8_t *bytes)
{
	*r = (struct reading){ .img = img, .bytes = bytes };
	assert_int_equal(pthread_create(&r->thread, NULL, read_some, r), 0);
}

static int read_now(struct image *img, const uint8_t *bytes, struct why *why)
{
	struct reading r = { .img = img, .bytes = bytes };

	(void)read_some(&r);
	if (why)
		*why = r.why;
	return r.r;
}

static struct image *guard(struct fixture *x, const struct promise *p, enum verify how, struct gated *below)
{
	struct image *img;

	assert_int_equal(verified_image_new(x->v, p, how, &below->image, &x->file->image, &img, NULL), 0);
	image_unref(&below->image);
	return img;
}

static void before_means_that_reads_wait(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL);
	struct gated *below = gated_new(x->bytes, SIZE);
	struct image *img = guard(x, &p, VERIFY_BEFORE, below);
	struct backing backing;
	struct reading r;

	gate(x->file, true);
	start_reading(&r, img, x->bytes);
	/* Until they are told, and then again and again. */
	while (below->hints < 3)
		(void)usleep(1000);
	assert_int_equal(below->read, 0);
	assert_int_equal(img->size, SIZE);
	assert_int_equal(image_extent(img, 5).length, SIZE - 5);
	assert_int_equal(image_backing(img, 0, &backing), -ENODATA);
	gate(x->file, false);
	(void)pthread_join(r.thread, NULL);
	assert_int_equal(r.r, 0);
	assert_int_equal(x->file->read, SIZE);
	assert_int_equal(image_backing(img, 7, &backing), 0);
	assert_int_equal(backing.fd, 4711);
	image_unref(img);
}

static void *await_run(void *arg)
{
	struct reading *r = arg;

	r->r = image_await(r->img, NULL);
	return NULL;
}

static void before_can_be_waited_for_without_reading(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL), bad = promise("b", x->bad512, NULL);
	struct gated *below = gated_new(x->bytes, SIZE);
	struct image *img = guard(x, &p, VERIFY_BEFORE, below);
	struct reading r = { .img = img };
	struct backing backing;

	assert_false(image_waits(&below->image));
	assert_true(image_waits(img));
	gate(x->file, true);
	assert_int_equal(pthread_create(&r.thread, NULL, await_run, &r), 0);
	while (below->hints < 3)
		(void)usleep(1000);
	assert_true(image_waits(img));
	gate(x->file, false);
	(void)pthread_join(r.thread, NULL);
	assert_int_equal(r.r, 0);
	assert_false(image_waits(img));
	assert_int_equal(image_backing(img, 7, &backing), 0);
	image_unref(img);

	below = gated_new(x->bytes, SIZE);
	img = guard(x, &bad, VERIFY_BEFORE, below);
	assert_int_equal(image_await(img, NULL), -EBADMSG);
	assert_true(image_waits(img));
	assert_int_equal(below->read, 0);
	image_unref(img);

	below = gated_new(x->bytes, SIZE);
	img = guard(x, &bad, VERIFY_BEHIND, below);
	assert_false(image_waits(img));
	image_unref(img);
}

static void before_lets_nothing_bad_through(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->bad512, NULL);
	struct gated *below = gated_new(x->bytes, SIZE);
	struct image *img = guard(x, &p, VERIFY_BEFORE, below);
	struct backing backing;
	struct why why = { "" };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(read_now(img, x->bytes, &why), -EBADMSG);
		assert_non_null(strstr(why.text, "is rejected"));
	}
	assert_int_equal(below->read, 0);
	assert_int_equal(x->file->read, SIZE);
	assert_int_equal(image_backing(img, 0, &backing), -ENODATA);
	image_unref(img);
	reopen_all(x);
	below = gated_new(x->bytes, SIZE);
	img = guard(x, &p, VERIFY_BEFORE, below);
	assert_int_equal(read_now(img, x->bytes, NULL), -EBADMSG);
	assert_int_equal(x->file->read, 0);
	image_unref(img);
}

static void before_tries_again_after_an_error(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL);
	struct gated *below = gated_new(x->bytes, SIZE);
	struct image *img = guard(x, &p, VERIFY_BEFORE, below);
	struct why why = { "" };

	x->file->error = -EACCES;
	assert_int_equal(read_now(img, x->bytes, &why), -EIO);
	assert_string_equal(why.text, "broken");
	x->file->error = 0;
	assert_int_equal(read_now(img, x->bytes, NULL), 0);
	/* A verdict is final: nobody reads the file any more. */
	x->file->error = -EIO;
	assert_int_equal(read_now(img, x->bytes, NULL), 0);
	image_unref(img);
}

static void behind_means_that_reads_go_on(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL);
	struct gated *below = gated_new(x->bytes, SIZE);
	struct image *img = guard(x, &p, VERIFY_BEHIND, below);
	struct backing backing;

	gate(x->file, true);
	assert_int_equal(read_now(img, x->bytes, NULL), 0);
	assert_int_equal(state_of(x, "a"), VERDICT_VERIFYING);
	assert_int_equal(image_backing(img, 0, &backing), -ENODATA);
	gate(x->file, false);
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), 0);
	assert_int_equal(read_now(img, x->bytes, NULL), 0);
	assert_int_equal(image_backing(img, 0, &backing), 0);
	image_unref(img);
}

static void behind_means_that_reads_fail_at_last(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->bad512, NULL);
	struct gated *below = gated_new(x->bytes, SIZE);
	struct image *img = guard(x, &p, VERIFY_BEHIND, below);
	struct backing backing;
	struct reading r;
	struct why why = { "" };

	gate(x->file, true);
	assert_int_equal(read_now(img, x->bytes, NULL), 0);
	/* One is under way when the verdict comes. */
	gate(below, true);
	start_reading(&r, img, x->bytes);
	gate(x->file, false);
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), -EBADMSG);
	gate(below, false);
	(void)pthread_join(r.thread, NULL);
	assert_int_equal(r.r, -EBADMSG);
	assert_int_equal(read_now(img, x->bytes, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "is rejected"));
	assert_int_equal(image_backing(img, 0, &backing), -ENODATA);
	image_unref(img);
}

static void behind_does_not_mind_errors(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL);
	struct gated *below = gated_new(x->bytes, SIZE);
	struct image *img = guard(x, &p, VERIFY_BEHIND, below);

	x->file->error = -EHOSTUNREACH;
	assert_int_equal(read_now(img, x->bytes, NULL), 0);
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), -EHOSTUNREACH);
	x->file->error = 0;
	/* Not with every read. */
	assert_int_equal(read_now(img, x->bytes, NULL), 0);
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), -EHOSTUNREACH);
	image_unref(img);
	verified_again_ms = 0;
	img = guard(x, &p, VERIFY_BEHIND, gated_new(x->bytes, SIZE));
	assert_int_equal(read_now(img, x->bytes, NULL), 0);
	verified_again_ms = 30000;
	assert_int_equal(verdicts_wait(x->v, "a", EVER, NULL), 0);
	image_unref(img);
}

static void the_end_releases_readers(void **state)
{
	struct fixture *x = *state;
	const struct promise p = promise("a", x->sha512, NULL);
	struct image *img = guard(x, &p, VERIFY_BEFORE, gated_new(x->bytes, SIZE));
	struct reading r;

	gate(x->file, true);
	start_reading(&r, img, x->bytes);
	while (state_of(x, "a") != VERDICT_VERIFYING)
		(void)usleep(1000);
	verdicts_end(x->v);
	(void)pthread_join(r.thread, NULL);
	assert_int_equal(r.r, -ECANCELED);
	image_unref(img);
}

static void it_says_what_reads_do(void **state)
{
	static const struct {
		enum verify how;
		bool is_good;
		const char *before, *after;
	} rows[] = {
		{ VERIFY_BEFORE, true,
		  "unverified; reads wait until the whole file is here and its checksum is right",
		  "verified; reads need not wait" },
		{ VERIFY_BEHIND, false,
		  "unverified; reads do not wait, and fail if the checksum turns out wrong",
		  "rejected; reads fail" },
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < 2; i++) {
		const struct promise p =
			promise(rows[i].is_good ? "a" : "b", rows[i].is_good ? x->sha512 : x->bad512, NULL);
		struct image *img = guard(x, &p, rows[i].how, gated_new(x->bytes, SIZE));
		struct text t = TEXT_EMPTY;

		image_describe(img, &t);
		assert_non_null(strstr(t.chars, rows[i].before));
		text_done(&t);
		(void)verify(x, &p, NULL);
		t = TEXT_EMPTY;
		image_describe(img, &t);
		assert_non_null(strstr(t.chars, rows[i].after));
		text_done(&t);
		image_unref(img);
	}
}

/* ---- a real server ---- */

/* 2 MiB that are served, and promised by their digest. */
static struct far *far_promised(struct promise *ret, char sha256[static 65])
{
	struct far *far = far_new();
	_cleanup_free_ char *path = NULL;

	far_write(far, 2 * MiB, 1);
	far_serve(far, NULL);
	path = text_new("%s/file", far->www);
	digest(path, "sha256sum", 64, sha256);
	*ret = promise("a", NULL, NULL);
	ret->sha256 = sha256;
	return far;
}

static void a_servers_refusal_is_no_verdict(void **state)
{
	char sha256[65];
	struct promise p;
	struct far *far = far_promised(&p, sha256);
	struct verdicts *v;
	struct image *img;
	int r, n_failed = 0;

	/* Several requests are under way at once; somebody waits for one of them that is refused. */
	img = far_open(far, "", "/fault/status:403,8");
	v = verdicts_new(&(struct verdicts_options){ .store = far->bench->context.store });
	do {
		assert_int_equal(verdicts_begin(v, &p, img, NULL), 0);
		r = verdicts_wait(v, "a", EVER, NULL);
		n_failed += r < 0;
		assert_true(r == 0 || r == -EIO);
		assert_int_equal(verdicts_state(v, "a", NULL, NULL),
				 r < 0 ? VERDICT_UNVERIFIED : VERDICT_VERIFIED);
	} while (r < 0);
	assert_in_range(n_failed, 1, 8);
	assert_in_range(far_stats(far).bytes, 2 * MiB, 2 * MiB + 8 * 3); /* and "no" */
	/* All of it is there now. */
	far_assert_reads_all(far, img, 100000);
	assert_int_equal(far_stats(far).requests, 0);
	verdicts_free(v);
	far_close(far, img);
	far_free(far);
}

static void verify_far(struct verdicts *v, const struct promise *p, struct image *img)
{
	assert_int_equal(verdicts_begin(v, p, img, NULL), 0);
	assert_int_equal(verdicts_wait(v, "a", EVER, NULL), 0);
	assert_true(verdicts_is_good(v, "a", img));
}

/* Who does not know what was verified would take anything for it that comes under the same name. */
static void a_verdict_counts_for_who_knows_the_file(void **state)
{
	char sha256[65];
	struct promise p;
	struct far *far = far_promised(&p, sha256);
	struct verdicts *v;
	struct image *img;

	img = far_open(far, "", "");
	v = verdicts_new(&(struct verdicts_options){ .store = far->bench->context.store });
	assert_false(verdicts_is_good(v, "a", img));
	verify_far(v, &p, img);
	far_close(far, img);
	verdicts_free(v);
	bench_close_store(far->bench);

	img = far_open(far, "", "");
	v = verdicts_new(&(struct verdicts_options){ .store = far->bench->context.store });
	assert_true(verdicts_is_good(v, "a", img));
	far_close(far, img);
	store_forget(far->bench->context.store, STORE_FETCHED "a");
	img = far_open(far, "", "");
	assert_int_equal(verdicts_state(v, "a", NULL, NULL), VERDICT_VERIFIED);
	assert_false(verdicts_is_good(v, "a", img));
	verify_far(v, &p, img);
	assert_in_range(far_stats(far).bytes, 2 * MiB, 3 * MiB);
	far_close(far, img);
	verdicts_free(v);
	far_free(far);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(right_sums_are_verified),
		TEST(wrong_sums_are_rejected),
		TEST(a_verdict_outlives_a_restart),
		TEST(a_rejection_outlives_a_restart),
		TEST(an_error_is_no_verdict),
		TEST(a_judge_has_the_last_word),
		TEST(a_rejection_after_a_judge_that_failed_outlives_a_restart),
		TEST(a_rejection_drops_what_is_stored),
		TEST(it_says_how_far_it_is),
		TEST(an_empty_file_is_soon_read),
		TEST(all_wait_for_one),
		TEST(the_end_releases_who_waits),
		TEST(who_loses_patience_leaves),
		TEST(before_means_that_reads_wait),
		TEST(before_can_be_waited_for_without_reading),
		TEST(before_lets_nothing_bad_through),
		TEST(before_tries_again_after_an_error),
		TEST(behind_means_that_reads_go_on),
		TEST(behind_means_that_reads_fail_at_last),
		TEST(behind_does_not_mind_errors),
		TEST(the_end_releases_readers),
		TEST(it_says_what_reads_do),
		cmocka_unit_test(a_servers_refusal_is_no_verdict),
		cmocka_unit_test(a_verdict_counts_for_who_knows_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
