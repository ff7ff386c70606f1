/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/cache/pool.h"
#include "backends/cache/store.h"
#include "base/bytes.h"
#include "base/patience.h"
#include "tests/unit/codec.h"
#include "tests/unit/memimage.h"

#define TEMPLATE "/tmp/goalfs-test-codec-XXXXXX"
char codec_dir[] = TEMPLATE;

void bytes_done(struct bytes *b)
{
	free(b->p);
}

/* ---- files and commands ---- */

void codec_sh(const char *format, ...)
{
	char inner[2048], command[4096];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(inner, sizeof(inner), format, ap);
	va_end(ap);
	(void)snprintf(command, sizeof(command), "cd %s && { %s; }", codec_dir, inner);
	if (system(command) != 0)
		fail_msg("this failed: %s", inner);
}

struct bytes codec_load(const char *name)
{
	_cleanup_free_ char *path = text_new("%s/%s", codec_dir, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct bytes b = { 0 };
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	b.n = st.st_size;
	b.p = malloc(b.n + 1);
	assert_int_equal(read(fd, b.p, b.n), b.n);
	return b;
}

void codec_put(const char *name, const void *p, size_t n)
{
	_cleanup_free_ char *path = text_new("%s/%s", codec_dir, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
}

static uint32_t noise(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* A bit of everything: text, noise, zeros, runs of another byte. */
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

/* Mixed bytes, with runs of zeros around every length and place that could be special. */
static void fill_disk(uint8_t *p, size_t count)
{
	static const struct {
		uint64_t at, n;
	} zeros[] = {
		{ 0, 100 },
		{ 64 * KiB, 64 * KiB },
		{ 200 * KiB, 64 * KiB - 1 },
		{ 300 * KiB + 1, 64 * KiB },
		{ 400 * KiB - 1, 70 * KiB + 7 },
		{ 1 * MiB - 3, 64 * KiB + 3 },
		{ 3 * MiB + 4096, 5 * MiB },
		{ 12 * MiB + 511, 3 * MiB + 1 },
		{ 24 * MiB - 80 * KiB, 80 * KiB },
	};

	fill_mixed(p, count);
	for (size_t i = 0; i < count; i += 32 * KiB)
		p[i] = 1;
	for (size_t i = 0; i < sizeof(zeros) / sizeof(*zeros); i++) {
		memset(p + zeros[i].at, 0, zeros[i].n);
		if (zeros[i].at)
			p[zeros[i].at - 1] = 2;
		if (zeros[i].at + zeros[i].n < count)
			p[zeros[i].at + zeros[i].n] = 3;
	}
}

#define MIXED 300000
#define DISK  (24 * MiB)

int codec_setup(void **state)
{
	uint8_t *p = malloc(DISK);

	(void)strcpy(codec_dir, TEMPLATE);
	assert_non_null(mkdtemp(codec_dir));
	fill_mixed(p, MIXED);
	codec_put("mixed", p, MIXED);
	fill_disk(p, DISK);
	codec_put("disk", p, DISK);
	codec_put("empty", p, 0);
	free(p);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

int codec_teardown(void **state)
{
	return nftw(codec_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- decoding ---- */

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

int codec_open(codec_open_fn *open_it, const void *p, size_t n, struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(p, n, n);

	*why = (struct why){ 0 };
	return open_it(/* opening= */ NULL, below, ret, why);
}

static uint64_t next_unit(struct image *img, uint64_t at, uint64_t index)
{
	struct unit u = image_unit(img, at);

	assert_int_equal(u.index, index);
	assert_int_equal(u.offset, at);
	return at + u.length;
}

/* Where each of them begins. */
static uint64_t *list_units(struct image *img)
{
	uint64_t n = image_units(img), *at = calloc(n + 1, sizeof(*at));

	for (uint64_t i = 0; i < n; i++)
		at[i + 1] = next_unit(img, at[i], i);
	assert_int_equal(at[n], img->size);
	return at;
}

static int make_all(struct image *img, struct bytes *ret, struct why *why)
{
	_cleanup_free_ uint64_t *at = list_units(img);
	_cleanup_bytes_ struct bytes b = { malloc(img->size), img->size };
	uint64_t n = image_units(img);
	uint32_t seed = 7;
	int r = 0;

	for (uint64_t i = n; r == 0 && i > 0; i--) {
		uint64_t pick = noise(&seed) % i, offset = at[pick];
		struct unit u = image_unit(img, offset);

		r = make_unit(img, &u, b.p + offset, why);
		at[pick] = at[i - 1];
	}
	if (r == 0) {
		*ret = b;
		b.p = NULL;
	}
	return r;
}

int codec_decode(codec_open_fn *open_it, const void *p, size_t n, struct bytes *ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	int r = codec_open(open_it, p, n, &img, why);

	return r < 0 ? r : make_all(img, ret, why);
}

static struct bytes judged(const char *name, const char *judge)
{
	codec_sh("%s < %s > judged", judge, name);
	return codec_load("judged");
}

static void assert_same(const struct bytes *made, const struct bytes *want)
{
	assert_int_equal(made->n, want->n);
	assert_memory_equal(made->p, want->p, want->n);
}

void codec_assert_like(codec_open_fn *open_it, const char *name, const char *judge)
{
	_cleanup_bytes_ struct bytes packed = codec_load(name), want = judged(name, judge), made = { 0 };
	struct why why;
	int r = codec_decode(open_it, packed.p, packed.n, &made, &why);

	if (r < 0)
		fail_msg("%s: %s", name, why_text(&why, r));
	assert_same(&made, &want);
}

int codec_make(struct image *img, const struct unit *unit, struct why *why)
{
	_cleanup_free_ uint8_t *p = malloc(unit->length);

	return make_unit(img, unit, p, why);
}

void codec_assert_makes(struct image *img, const char *name, const char *judge)
{
	_cleanup_bytes_ struct bytes want = judged(name, judge), made = { 0 };
	struct why why = { 0 };

	if (make_all(img, &made, &why) < 0)
		fail_msg("%s: %s", name, why.text);
	assert_same(&made, &want);
}

/* Whether [at, at + 4096) lies in a run of zeros of 64 KiB at least. */
static bool should_be_zero(const struct bytes *b, uint64_t at)
{
	uint64_t start = at, end = at;

	while (start > 0 && at - start < 64 * KiB && b->p[start - 1] == 0)
		start--;
	while (end < b->n && end - at < 68 * KiB && b->p[end] == 0)
		end++;
	return end >= min_u64(at + 4096, b->n) && end - start >= 64 * KiB;
}

uint64_t codec_assert_zeros(codec_open_fn *open_it, const char *name, const char *judge, bool exact)
{
	_cleanup_bytes_ struct bytes packed = codec_load(name), raw = judged(name, judge);
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct why why;

	assert_int_equal(codec_open(open_it, packed.p, packed.n, &img, &why), 0);
	for (uint64_t at = 0; at < img->size;) {
		struct extent e = image_extent(img, at);

		if (e.kind == EXTENT_ZERO && !bytes_are_zero(raw.p + at, e.length))
			fail_msg("%s: not zero at %llu", name, (unsigned long long)at);
		for (uint64_t i = align_up(at, 4096); exact && i < at + e.length; i += 4096)
			if (should_be_zero(&raw, i) != (e.kind == EXTENT_ZERO))
				fail_msg("%s: kind %d at %llu", name, e.kind, (unsigned long long)i);
		at += e.length;
	}
	return img->size - image_data_bytes(img);
}

/* ---- damage ---- */

void codec_assert_refused(codec_open_fn *open_it, const void *p, size_t n, int error, const char *words)
{
	_cleanup_bytes_ struct bytes made = { 0 };
	struct why why;
	int r = codec_decode(open_it, p, n, &made, &why);

	if (r != error || !strstr(why.text, words))
		fail_msg("%d, not %d, or '%s' is not in: %s", r, error, words, why.text);
}

void codec_assert_cuts_refused(codec_open_fn *open_it, const char *name, size_t step)
{
	_cleanup_bytes_ struct bytes packed = codec_load(name);

	for (size_t n = 0; n < packed.n; n += step) {
		_cleanup_free_ uint8_t *part = malloc(n + 1); /* of its own, for the sanitizer to see */
		_cleanup_bytes_ struct bytes made = { 0 };
		struct why why;

		memcpy(part, packed.p, n);
		if (codec_decode(open_it, part, n, &made, &why) != -EBADMSG || !why.text[0])
			fail_msg("%s: cut at %zu of %zu it is taken, or not explained", name, n, packed.n);
	}
}

void codec_assert_flips_harmless(codec_open_fn *open_it, const char *name, const char *judge, size_t step)
{
	_cleanup_bytes_ struct bytes packed = codec_load(name), want = judged(name, judge);
	unsigned errors = 0;

	for (size_t i = 0; i < packed.n; i += step) {
		_cleanup_bytes_ struct bytes made = { 0 };
		struct why why;
		int r;

		packed.p[i] ^= 1 << i / step % 8;
		r = codec_decode(open_it, packed.p, packed.n, &made, &why);
		if (r == 0)
			assert_same(&made, &want);
		else if ((r != -EBADMSG && r != -EOPNOTSUPP && r != -EFBIG) || !why.text[0])
			fail_msg("%s: flipped at %zu: %s", name, i, why_text(&why, r));
		errors += r < 0;
		packed.p[i] ^= 1 << i / step % 8;
	}
	assert_true(errors > packed.n / step / 2);
}

/* ---- with a daemon ---- */

void daemon_start(struct daemon *d, const char *store_dir, uint64_t memory)
{
	struct store_options options = { .dir = store_dir, .tmpdir = codec_dir, .memory = 1 * MiB };
	struct why why = { 0 };

	*d = (struct daemon){ .template.identity = codec_dir, .context.memory = memory };
	if (store_open(&options, &d->context.store, &why) < 0)
		fail_msg("%s", why.text);
	d->context.pool = pool_new(2);
	assert_non_null(d->context.pool);
	d->opening = (struct opening){ &d->context, &d->template, NULL };
}

void daemon_stop(struct daemon *d)
{
	pool_free(d->context.pool);
	store_close(d->context.store);
}

/* Opens it and makes all units; returns how many bytes opening has read. */
static uint64_t open_with(struct daemon *d, codec_open_fn *open_it, const struct bytes *packed,
			  struct bytes *ret)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(packed->p, packed->n, packed->n),
					     *img = NULL;
	struct why why = { 0 };
	uint64_t bytes;
	int r = open_it(&d->opening, below, &img, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	bytes = testimage_count(below).bytes;
	r = make_all(img, ret, &why);
	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	return bytes;
}

void codec_assert_index_kept(codec_open_fn *open_it, const char *name, const char *judge)
{
	_cleanup_bytes_ struct bytes packed = codec_load(name), want = judged(name, judge), first = { 0 },
				     again = { 0 }, other = { 0 };
	_cleanup_free_ char *store_dir = text_new("%s/store-%s", codec_dir, name);
	struct daemon d;

	daemon_start(&d, store_dir, 512 * MiB);
	assert_true(open_with(&d, open_it, &packed, &first) > 4096);
	assert_same(&first, &want);
	daemon_stop(&d);
	daemon_start(&d, store_dir, 512 * MiB);
	assert_true(open_with(&d, open_it, &packed, &again) <= 4096);
	assert_same(&again, &want);
	daemon_stop(&d);

	/* Of other bytes, it is not believed: the same file with another behind it. */
	codec_sh("cat %s %s > twice", name, name);
	bytes_done(&packed);
	packed = codec_load("twice");
	daemon_start(&d, store_dir, 512 * MiB);
	assert_true(open_with(&d, open_it, &packed, &other) > 4096);
	assert_int_equal(other.n, 2 * want.n);
	daemon_stop(&d);
}

static bool lost_after(void *arg)
{
	unsigned *left = arg;

	return *left == 0 || --*left == 0;
}

void codec_assert_gives_up(codec_open_fn *open_it, const char *name)
{
	_cleanup_bytes_ struct bytes packed = codec_load(name);
	_cleanup_(image_unrefp) struct image *below = memimage_new(packed.p, packed.n, packed.n), *img = NULL;
	unsigned left = 3;
	struct why why = { 0 };
	struct daemon d;

	daemon_start(&d, NULL, 512 * MiB);
	patience_set(lost_after, &left);
	assert_int_equal(open_it(&d.opening, below, &img, &why), -EINTR);
	patience_set(NULL, NULL);
	assert_true(testimage_count(below).bytes < packed.n);
	daemon_stop(&d);
}
