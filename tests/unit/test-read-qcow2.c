/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader of qcow2 against QEMU: whatever its tools write must come back as
 * qemu-img convert gives it, and what was damaged afterwards as that, or not at all.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/decode/qcow2.h"
#include "backends/decode/qcow2_table.h"
#include "backends/library/library.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "tests/unit/cachebench.h"
#include "tests/unit/disk.h"
#include "tests/unit/far.h"
#include "tests/unit/memimage.h"

static uint32_t noise(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* ---- files ---- */

struct bytes {
	uint8_t *p;
	size_t n;
};

static void bytes_done(struct bytes *b)
{
	free(b->p);
}
#define _cleanup_bytes_ _cleanup_(bytes_done)

static struct bytes load(const char *name)
{
	_cleanup_close_ int fd = open(disk_path(name), O_RDONLY | O_CLOEXEC);
	struct bytes b = { 0 };
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	b.n = st.st_size;
	b.p = malloc(b.n + 1);
	assert_non_null(b.p);
	assert_int_equal(read(fd, b.p, b.n), b.n);
	return b;
}

static void store(const char *name, const void *bytes, size_t count)
{
	_cleanup_close_ int fd = open(disk_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), count);
}

/* A bit of everything: text, noise, one byte many times, zeros; some of these long. */
static void fill_mixed(uint8_t *p, size_t count)
{
	uint32_t seed = 1;

	for (size_t at = 0; at < count;) {
		size_t n = min_u64(count - at, 1 + noise(&seed) % (noise(&seed) % 8 ? 9000 : 300000));
		unsigned kind = noise(&seed) % 4;

		for (size_t i = 0; i < n; i++, at++)
			p[at] = kind == 0   ? "the quick brown fox "[i % 20]
				: kind == 1 ? noise(&seed)
				: kind == 2 ? 0
					    : 0xe8;
	}
}

#define MIXED (5 * MiB + 3 * 512)

static int setup(void **state)
{
	_cleanup_free_ uint8_t *p = malloc(MIXED);

	if (!p || disk_dir_setup(state) < 0)
		return -1;
	fill_mixed(p, MIXED);
	store("mixed", p, MIXED);
	return 0;
}

/* ---- reading ---- */

static int open_bytes(const void *p, size_t n, struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(p, n, n);

	*why = (struct why){ 0 };
	return read_qcow2_open(/* opening= */ NULL, below, ret, why);
}

struct memsink {
	struct sink sink;
	uint8_t *p;
	uint64_t at, end; /* offsets in the image */
};

static int memsink_write(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct memsink *m = (struct memsink *)sink;

	assert_int_equal(offset, m->at);
	assert_true(range_ok(offset, count, m->end));
	memcpy(m->p + offset, buf, count);
	m->at += count;
	return 0;
}

/* All of it, straight or unit by unit. */
static int read_all(struct image *img, struct bytes *ret, struct why *why)
{
	_cleanup_bytes_ struct bytes b = { malloc(img->size), img->size };
	uint64_t index = 0;
	int r = 0;

	assert_non_null(b.p);
	if (image_units(img) == 0)
		r = image_pread(img, b.p, b.n, 0, why);
	for (uint64_t at = 0; r == 0 && image_units(img) && at < img->size; index++) {
		struct unit u = image_unit(img, at);
		struct memsink m = { { memsink_write }, b.p, at, at + u.length };

		assert_int_equal(u.offset, at);
		assert_int_equal(u.index, index);
		r = image_make(img, &u, &m.sink, why);
		at += u.length;
		assert_true(r < 0 || m.at == at);
	}
	if (r < 0)
		return r;
	assert_int_equal(index, image_units(img));
	*ret = b;
	b.p = NULL;
	return 0;
}

static int decode(const void *p, size_t n, struct bytes *ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	int r = open_bytes(p, n, &img, why);

	return r < 0 ? r : read_all(img, ret, why);
}

static void assert_refused(const void *p, size_t n, int error, const char *words)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct why why;
	int r = open_bytes(p, n, &img, &why);

	if (r != error || !strstr(why.text, words))
		fail_msg("got %d and '%s', wanted %d and '%s'", r, why.text, error, words);
}

static struct image *open_file(const char *name)
{
	_cleanup_(image_unrefp) struct image *below = disk_open(name);
	struct image *img;
	struct why why = { 0 };
	int r = read_qcow2_open(/* opening= */ NULL, below, &img, &why);

	if (r < 0)
		fail_msg("%s: %s", name, why_text(&why, r));
	return img;
}

/* ---- judging ---- */

/* A store and decoders, as a daemon has them; a shelf of its own for every image. */
struct kept {
	struct bench *bench;
	struct image *img;
};

static void kept_open(struct kept *k, struct image *below)
{
	struct why why = { 0 };

	*k = (struct kept){ 0 };
	if (image_units(below) == 0) {
		k->img = image_ref(below);
		return;
	}
	assert_int_equal(bench_set_up((void **)&k->bench), 0);
	bench_open_store(k->bench);
	if (cache_image_new(&k->bench->context, ID, below, &k->img, &why) < 0)
		fail_msg("%s", why.text);
}

static void kept_close(struct kept *k)
{
	image_unref(k->img);
	if (k->bench)
		(void)bench_tear_down((void **)&k->bench);
}

/* At any offset, of any length, before anything else was read. */
static void assert_reads_at_random(struct image *img, const char *judge)
{
	_cleanup_close_ int fd = open(disk_path(judge), O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *have = malloc(300000), *want = malloc(300000);
	uint32_t seed = 7;

	assert_true(fd >= 0 && have && want);
	for (unsigned i = 0; i < 60; i++) {
		const uint64_t at = ((uint64_t)noise(&seed) << 20 ^ noise(&seed)) % img->size;
		const size_t count = min_u64(1 + noise(&seed) % (i % 2 ? 300000 : 5000), img->size - at);
		struct why why = { 0 };

		memset(have, 0xee, count);
		if (image_pread(img, have, count, at, &why) < 0)
			fail_msg("read of %zu at %" PRIu64 ": %s", count, at, why.text);
		assert_int_equal(pread(fd, want, count, at), count);
		if (memcmp(have, want, count) != 0)
			fail_msg("wrong bytes in %zu at %" PRIu64, count, at);
	}
}

/* Whatever QEMU knows to be zero from the tables alone is proved zero. */
static void assert_zero_where_qemu_says(struct image *img, const char *name)
{
	_cleanup_free_ char *map = sh_text("qemu-img map --output=json %s", name);
	unsigned long long start, length;

	for (const char *line = map; line && (line = strstr(line, "{ \"start\"")); line++) {
		const char *end = strchr(line, '}');

		assert_int_equal(sscanf(line, "{ \"start\": %llu, \"length\": %llu", &start, &length), 2);
		assert_non_null(end);
		if (!memmem(line, end - line, "\"zero\": true, \"data\": false", 27))
			continue;
		for (uint64_t at = start; at < start + length;) {
			struct extent e = image_extent(img, at);

			if (e.kind != EXTENT_ZERO)
				fail_msg("%" PRIu64 " is not proved zero", at);
			at += e.length;
		}
	}
}

static void assert_like_qemu(const char *name)
{
	_cleanup_(image_unrefp) struct image *img = open_file(name);
	struct kept k;

	sh("qemu-img convert -f qcow2 -O raw %s judge", name);
	assert_zero_where_qemu_says(img, name);
	kept_open(&k, img);
	assert_reads_at_random(k.img, "judge");
	/* ZERO extents are not read for this, so a wrong one shows. */
	disk_save(k.img, "ours");
	sh("test $(stat -c %%s ours) = $(stat -c %%s judge) && qemu-img compare -q -f raw -F raw ours judge");
	kept_close(&k);
}

/* The command makes `img`. */
static void test_like_qemu(void **state)
{
	sh("rm -f img; %s", (const char *)*state);
	assert_like_qemu("img");
}

#define Q     "qemu-img convert -q -f raw -O qcow2 "
#define IO    "qemu-io -f qcow2 "
#define WRITE " img >/dev/null"

/* What guests do to disks, in pieces of all sizes. */
#define TRAFFIC                                                                          \
	" -c 'write -P 1 4096 512' -c 'write -P 2 100000 70000' -c 'write -P 3 1M 300k'" \
	" -c 'write -P 4 3000000 1024' -c 'write -P 5 5M 1536' -c 'write -P 6 2M 64k'"   \
	" -c 'write -P 7 2240k 4k' -c 'write -P 8 2300k 12k' -c 'write -P 9 12345 54321'" WRITE

static void test_is_a_map_when_nothing_is_compressed(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct map_figures figures;

	sh("rm -f img; " Q "mixed img");
	img = open_file("img");
	/* Nothing to make: a map, which layouts above flatten. */
	assert_int_equal(image_units(img), 0);
	assert_true(map_figures(img, &figures));
	assert_true(figures.segments > 1 && figures.segments < 40);
}

static void test_cant_be_read_directly_when_compressed(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct backing backing;
	uint8_t byte;

	sh("rm -f img; " Q "-c mixed img");
	img = open_file("img");
	assert_int_equal(image_units(img), 6);
	assert_int_equal(image_unit(img, MIXED - 1).length, MIXED - 5 * MiB);
	/* The image below could, and would give compressed bytes. */
	assert_int_equal(image_pread(img, &byte, 1, 0, NULL), -EINVAL);
	assert_int_equal(image_backing(img, 0, &backing), -ENODATA);
	assert_true(image_make_memory(img) > 2 * MiB);
}

static void test_a_unit_is_a_large_cluster(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;

	sh("rm -f img; " Q "-c -o cluster_size=2M mixed img");
	img = open_file("img");
	assert_int_equal(image_units(img), 3);
}

static void test_describes_itself(void **state)
{
	_cleanup_(text_done) struct text plain = TEXT_EMPTY, packed = TEXT_EMPTY;
	_cleanup_(image_unrefp) struct image *a = NULL, *b = NULL;

	sh("rm -f a b; qemu-img create -q -f qcow2 a 1G; qemu-io -f qcow2 -c 'write 0 1M' a >/dev/null");
	sh("qemu-img create -q -f qcow2 -o compat=1.1,compression_type=zstd,extended_l2=on b 1G; "
	   "qemu-io -f qcow2 -c 'write -c 0 1M' -c 'write 1M 64k' b >/dev/null");
	a = open_file("a");
	b = open_file("b");
	image_describe(a, &plain);
	image_describe(b, &packed);
	assert_string_equal(plain.chars, "    qcow2 version 3, clusters of 64K, 1.00M allocated\n");
	assert_string_equal(packed.chars,
			    "    qcow2 version 3, clusters of 64K with subclusters, 1.06M allocated, "
			    "1.00M of it compressed by zstd\n");
}

/* ---- what is refused ---- */

static void assert_file_refused(int error, const char *words)
{
	_cleanup_bytes_ struct bytes b = load("img");

	assert_refused(b.p, b.n, error, words);
}

static void test_refuses_a_backing_file(void **state)
{
	sh("rm -f img; qemu-img create -q -f qcow2 -b mixed -F raw img");
	assert_file_refused(-EOPNOTSUPP, "has a backing file");
}

static void test_refuses_a_data_file(void **state)
{
	sh("rm -f img; qemu-img create -q -f qcow2 -o data_file=other img 1M; rm -f other");
	assert_file_refused(-EOPNOTSUPP, "keeps its data in another file");
}

static void test_refuses_encryption(void **state)
{
	sh("rm -f img; qemu-img create -q -f qcow2 --object secret,id=s,data=x -o "
	   "encrypt.format=aes,encrypt.key-secret=s img 1M 2>/dev/null");
	assert_file_refused(-EOPNOTSUPP, "is encrypted");
}

static void test_refuses_an_empty_disk(void **state)
{
	sh("rm -f img; qemu-img create -q -f qcow2 img 0");
	assert_file_refused(-EBADMSG, "holds an empty image");
}

/* ---- headers that no tool writes ---- */

static void put_mixed(struct bytes *ret, const char *options)
{
	sh("rm -f img; " Q "%s mixed img", options);
	*ret = load("img");
}

static void test_refuses_wrong_headers(void **state)
{
	static const struct {
		unsigned at, bytes;
		uint64_t value;
		int error;
		const char *words;
	} wrong[] = {
		{ 0, 4, 0x514649fc, -EBADMSG, "not a qcow2 file" },
		{ 4, 4, 1, -EOPNOTSUPP, "of version 1" },
		{ 4, 4, 4, -EOPNOTSUPP, "of version 4" },
		{ 8, 8, 4096, -EOPNOTSUPP, "backing file" },
		{ 20, 4, 8, -EBADMSG, "clusters of 2^8" },
		{ 20, 4, 22, -EOPNOTSUPP, "clusters of 2^22" },
		{ 20, 4, 64, -EBADMSG, "clusters of 2^64" },
		{ 24, 8, 0, -EBADMSG, "empty" },
		{ 24, 8, 1000000, -EOPNOTSUPP, "multiple of 512" },
		{ 24, 8, UINT64_C(1) << 62, -EBADMSG, "the disk needs" },
		{ 24, 8, UINT64_MAX - 511, -EBADMSG, "the disk needs" },
		{ 32, 4, 1, -EOPNOTSUPP, "encrypted" },
		{ 32, 4, 2, -EOPNOTSUPP, "encrypted" },
		{ 36, 4, 0, -EBADMSG, "the disk needs" },
		{ 36, 4, UINT32_MAX, -EOPNOTSUPP, "L1 table" },
		{ 40, 8, 0, -EBADMSG, "L1 table at byte 0" },
		{ 40, 8, 0x30200, -EBADMSG, "L1 table at byte" },
		{ 40, 8, UINT64_C(1) << 40, -EBADMSG, "cut short" },
		{ 48, 8, 0x200, -EBADMSG, "refcount table at byte" },
		{ 48, 8, UINT64_MAX - 0xffff, -EBADMSG, "refcount table at byte" },
		{ 48, 8, 0, -EBADMSG, "referred to twice" },
		{ 72, 8, 2, -EBADMSG, "marked as corrupt" },
		{ 72, 8, 4, -EOPNOTSUPP, "another file" },
		{ 72, 8, 8, -EBADMSG, "the feature bit disagrees" },
		{ 72, 8, 0x20, -EOPNOTSUPP, "bit 5, 'without a name'" },
		{ 72, 8, UINT64_C(1) << 63, -EOPNOTSUPP, "bit 63" },
		{ 96, 4, 7, -EBADMSG, "refcounts of" },
		{ 100, 4, 72, -EBADMSG, "its length" },
		{ 100, 4, 107, -EBADMSG, "its length" },
		{ 100, 4, 0x80000000, -EBADMSG, "cut short" },
		{ 100, 4, 0x18000, -EBADMSG, "exceed a cluster" },
		{ 104, 1, 1, -EBADMSG, "the feature bit disagrees" },
		{ 116, 4, 0x10000, -EBADMSG, "leaves the first cluster" },
	};
	_cleanup_bytes_ struct bytes b = { 0 };

	put_mixed(&b, "");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint8_t before[8], value[8];

		put_be64(value, wrong[i].value << (64 - 8 * wrong[i].bytes));
		memcpy(before, b.p + wrong[i].at, wrong[i].bytes);
		memcpy(b.p + wrong[i].at, value, wrong[i].bytes);
		assert_refused(b.p, b.n, wrong[i].error, wrong[i].words);
		memcpy(b.p + wrong[i].at, before, wrong[i].bytes);
	}
}

static void test_names_unknown_features(void **state)
{
	_cleanup_bytes_ struct bytes b = { 0 };
	uint8_t *entry;

	/* QEMU writes the names of those that it knows behind the header: one of them becomes another bit's. */
	put_mixed(&b, "");
	entry = memmem(b.p, 4096, "dirty bit", 9);
	assert_non_null(entry);
	memcpy(entry, "tele\033ort", 9);
	entry[-1] = 40;
	put_be64(b.p + 72, UINT64_C(1) << 40);
	assert_refused(b.p, b.n, -EOPNOTSUPP, "bit 40, 'tele?ort'");
}

static void test_refuses_unknown_compression(void **state)
{
	_cleanup_bytes_ struct bytes b = { 0 };

	put_mixed(&b, "-o compression_type=zstd");
	assert_int_equal(b.p[104], 1);
	b.p[104] = 2;
	assert_refused(b.p, b.n, -EOPNOTSUPP, "compressed by method 2");
}

static void test_walks_extensions_for_a_while(void **state)
{
	_cleanup_bytes_ struct bytes b = { 0 };

	put_mixed(&b, "");
	for (unsigned at = 112; at < 60000; at += 8) {
		put_be32(b.p + at, 0x12345678);
		put_be32(b.p + at + 4, 0);
	}
	assert_refused(b.p, b.n, -EBADMSG, "an extension at byte");
}

static void test_takes_a_dirty_file(void **state)
{
	sh("rm -f img; qemu-img create -q -f qcow2 -o lazy_refcounts=on img 5M; "
	   "{ " IO "-c 'write -P 1 64k 300k' -c 'write -P 2 2M 1M' -c 'flush' -c 'abort' img; true; } "
	   ">/dev/null 2>&1");
	{
		_cleanup_bytes_ struct bytes b = load("img");

		assert_int_equal(b.p[79], 1);
	}
	assert_like_qemu("img");
}

/* ---- tables that no tool writes ---- */

/* In clusters of 4K: header 0, refcounts 1 and 2, L1 3, L2 4, then data. */
#define SMALL "-o cluster_size=4k"

struct small {
	struct bytes b, right;
	uint8_t *l1, *l2;
};

static void small_done(struct small *s)
{
	bytes_done(&s->b);
	bytes_done(&s->right);
}

/* A disk of 256K; every cluster holds something else, that can be compressed. */
static void small_open(struct small *s, const char *options)
{
	uint8_t disk[256 * KiB];
	struct why why;

	fill_mixed(disk, sizeof(disk));
	for (size_t i = 0; i < sizeof(disk); i++)
		disk[i] = i % 512 < 8 ? (i / 512 + 1) >> 8 * (i % 512) : disk[i] & 0x1f;
	store("small", disk, sizeof(disk));
	sh("rm -f img; " Q SMALL "%s small img", options);
	s->b = load("img");
	s->l1 = s->b.p + get_be64(s->b.p + 40);
	s->l2 = s->b.p + (get_be64(s->l1) & UINT64_C(0x00fffffffffffe00));
	assert_int_equal(decode(s->b.p, s->b.n, &s->right, &why), 0);
	assert_memory_equal(s->right.p, disk, sizeof(disk));
}

#define COPIED	   (UINT64_C(1) << 63)
#define COMPRESSED (UINT64_C(1) << 62)

static void assert_entry_refused(struct small *s, uint8_t *entry, uint64_t value, const char *words)
{
	const uint64_t before = get_be64(entry);

	put_be64(entry, value);
	assert_refused(s->b.p, s->b.n, -EBADMSG, words);
	put_be64(entry, before);
}

static void test_refuses_wrong_l1_entries(void **state)
{
	_cleanup_(small_done) struct small s;

	small_open(&s, "");
	assert_entry_refused(&s, s.l1, COPIED, "L1 entry of cluster 0");
	assert_entry_refused(&s, s.l1, get_be64(s.l1) | 1, "L1 entry");
	assert_entry_refused(&s, s.l1, get_be64(s.l1) | COMPRESSED, "L1 entry");
	assert_entry_refused(&s, s.l1, get_be64(s.l1) | UINT64_C(1) << 56, "L1 entry");
	assert_entry_refused(&s, s.l1, get_be64(s.l1) + 512, "L1 entry");
	assert_entry_refused(&s, s.l1, COPIED | align_up(s.b.n, 4096), "an L2 table at byte");
	assert_entry_refused(&s, s.l1, COPIED | UINT64_C(0x00fffffffffff000), "an L2 table at byte");
	/* What stands there is no table; if all its entries could be, it would still be another's. */
	assert_entry_refused(&s, s.l1, COPIED | 4096 * 3, "damaged");
	assert_entry_refused(&s, s.l1, COPIED | 4096 * 5, "damaged");
}

static void test_refuses_wrong_l2_entries(void **state)
{
	_cleanup_(small_done) struct small s;
	uint8_t *entry;

	small_open(&s, "");
	entry = s.l2 + 8 * 17;
	assert_entry_refused(&s, entry, COPIED, "L2 entry of cluster 17");
	assert_entry_refused(&s, entry, get_be64(entry) | 2, "L2 entry of cluster 17");
	assert_entry_refused(&s, entry, get_be64(entry) | UINT64_C(1) << 61, "L2 entry");
	assert_entry_refused(&s, entry, get_be64(entry) + 512, "L2 entry");
	assert_entry_refused(&s, entry, COPIED | align_up(s.b.n, 4096), "a cluster at byte");
	assert_entry_refused(&s, entry, UINT64_C(0x00fffffffffff000), "a cluster at byte");
	assert_entry_refused(&s, entry, COMPRESSED | s.b.n, "compressed");
	assert_entry_refused(&s, entry, COMPRESSED | UINT64_C(1) << 57, "compressed");
	/* Other's: refcounts, L1, L2, the neighbour. */
	assert_entry_refused(&s, entry, COPIED | 4096 * 1, "referred to twice");
	assert_entry_refused(&s, entry, COPIED | 4096 * 3, "referred to twice");
	assert_entry_refused(&s, entry, 4096 * 4, "referred to twice");
	assert_entry_refused(&s, entry, get_be64(entry + 8), "referred to twice");
	assert_entry_refused(&s, entry, COMPRESSED | 4096 * 7, "referred to twice");
	assert_entry_refused(&s, entry, COMPRESSED | 100, "referred to twice");
}

/* Clusters may be shared when their refcounts say so, and with them the entries. */
static void test_takes_shared_clusters(void **state)
{
	_cleanup_(small_done) struct small s;
	_cleanup_bytes_ struct bytes have = { 0 };
	struct why why;

	small_open(&s, "");
	put_be64(s.l2 + 8 * 3, get_be64(s.l2 + 8 * 9) & ~COPIED);
	assert_refused(s.b.p, s.b.n, -EBADMSG, "referred to twice");
	put_be64(s.l2 + 8 * 9, get_be64(s.l2 + 8 * 9) & ~COPIED);
	assert_int_equal(decode(s.b.p, s.b.n, &have, &why), 0);
	memcpy(s.right.p + 3 * 4096, s.right.p + 9 * 4096, 4096);
	assert_memory_equal(have.p, s.right.p, s.right.n);
}

static void test_version_2_has_no_zero_clusters(void **state)
{
	_cleanup_(small_done) struct small s;

	small_open(&s, ",compat=0.10");
	assert_entry_refused(&s, s.l2, get_be64(s.l2) | 1, "L2 entry of cluster 0");
}

static void test_refuses_wrong_subclusters(void **state)
{
	_cleanup_bytes_ struct bytes b = { 0 };
	struct small s = { 0 };

	put_mixed(&b, "-o extended_l2=on");
	s.b = b;
	s.l2 = b.p + (get_be64(b.p + get_be64(b.p + 40)) & UINT64_C(0x00fffffffffffe00));
	assert_true(get_be64(s.l2 + 8));
	/* Allocated and zero; allocated without a place; bit 0, which the subclusters replace; compressed ones. */
	assert_entry_refused(&s, s.l2 + 8, get_be64(s.l2 + 8) | get_be64(s.l2 + 8) << 32, "subclusters entry");
	assert_entry_refused(&s, s.l2, 0, "subclusters entry");
	assert_entry_refused(&s, s.l2, get_be64(s.l2) | 1, "L2 entry");
	assert_entry_refused(&s, s.l2, COMPRESSED | 0x10000, "subclusters entry");
}

/* Clusters of 512 bytes; of the file only the tables exist, the rest reads as zeros. */
static void test_bounds_the_number_of_pieces(void **state)
{
	const uint64_t tables = 40000, l2_at = 1024 + align_up(tables * 8, 512), data = l2_at + tables * 512;
	_cleanup_bytes_ struct bytes b = { calloc(1, data), data };
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	struct why why = { 0 };

	assert_non_null(b.p);
	below = memimage_new(b.p, b.n, data + tables * 64 * 512);
	put_be32(b.p, 0x514649fb);
	put_be32(b.p + 4, 2);
	put_be32(b.p + 20, 9);
	put_be64(b.p + 24, tables * 64 * 512);
	put_be32(b.p + 36, tables);
	put_be64(b.p + 40, 1024);
	put_be64(b.p + 48, 512);
	put_be32(b.p + 56, 1);
	for (uint64_t i = 0; i < tables; i++)
		put_be64(b.p + 1024 + 8 * i, COPIED | (l2_at + 512 * i));
	/* Every second one; the others are zero. */
	for (uint64_t i = 0; i < tables * 64; i += 2)
		put_be64(b.p + l2_at + 8 * i, COPIED | (data + 512 * i));
	assert_int_equal(read_qcow2_open(NULL, below, &img, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "in more than 1048576 pieces"));
	/* 20 MiB of tables that stand together are some twenty reads. */
	assert_true(testimage_count(below).reads < 100);
	/* All of them are one piece when they stand in a row. */
	for (uint64_t i = 0; i < tables * 64; i++)
		put_be64(b.p + l2_at + 8 * i, COPIED | (data + 512 * i));
	assert_int_equal(read_qcow2_open(NULL, below, &img, &why), 0);
	/* One table for all of the disk, and each cluster in it nobody else's: a few bytes can't claim that. */
	for (uint64_t i = 0; i < tables; i++)
		put_be64(b.p + 1024 + 8 * i, l2_at);
	image_unref(take(img));
	assert_int_equal(read_qcow2_open(NULL, below, &img, &why), -EBADMSG);
}

static void test_bounds_the_bytes_of_tables(void **state)
{
	const uint64_t cluster = 2 * MiB, tables = 600;
	_cleanup_bytes_ struct bytes b = { calloc(1, 2 * cluster), 2 * cluster };
	_cleanup_(image_unrefp) struct image *below = memimage_new(b.p, b.n, (3 + tables) * cluster),
					     *img = NULL;
	struct why why = { 0 };

	put_be32(b.p, 0x514649fb);
	put_be32(b.p + 4, 2);
	put_be32(b.p + 20, 21);
	put_be64(b.p + 24, tables * (cluster / 8) * cluster);
	put_be32(b.p + 36, tables);
	put_be64(b.p + 40, cluster);
	/* All of them are one that says "nothing here", shared. */
	for (uint64_t i = 0; i < tables; i++)
		put_be64(b.p + cluster + 8 * i, 2 * cluster);
	assert_int_equal(read_qcow2_open(NULL, below, &img, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "too many or too large"));
}

/* ---- damage ---- */

/*
 * What the format lets nobody notice: the damaged file is one that QEMU reads
 * without a complaint, and so it is read here.
 */
static void assert_qemu_agrees(const struct bytes *b, const struct bytes *have, const char *how, size_t n)
{
	_cleanup_bytes_ struct bytes want = { 0 };

	store("damaged", b->p, b->n);
	if (sh_status("qemu-img convert -f qcow2 -O raw damaged judge 2>/dev/null") != 0)
		fail_msg("%s %zu: QEMU refuses what is read here", how, n);
	want = load("judge");
	if (want.n != have->n || memcmp(want.p, have->p, want.n) != 0)
		fail_msg("%s %zu: wrong bytes", how, n);
}

/* True when it opens, can be read, and differs from what was right. */
static bool differs(const struct bytes *b, const struct bytes *right, struct bytes *have)
{
	struct why why;
	int r = decode(b->p, b->n, have, &why);

	if (r < 0 && r != -EBADMSG && r != -EOPNOTSUPP)
		fail_msg("%d: %s", r, why_text(&why, r));
	assert_true(r == 0 || why.text[0]);
	return r == 0 && (have->n != right->n || memcmp(have->p, right->p, right->n) != 0);
}

static void test_header_flips(void **state)
{
	_cleanup_(small_done) struct small s;

	small_open(&s, *state);
	for (size_t bit = 0; bit < 120 * 8; bit++) {
		_cleanup_bytes_ struct bytes have = { 0 };

		/* A smaller disk, or a larger one that L1 has room for, is as good as any other. */
		s.b.p[bit / 8] ^= 0x80 >> bit % 8;
		if (differs(&s.b, &s.right, &have)) {
			assert_in_range(bit / 8, 20, 31);
			assert_qemu_agrees(&s.b, &have, "bit", bit);
		}
		s.b.p[bit / 8] ^= 0x80 >> bit % 8;
	}
}

/* Where an entry leads to what nobody claims, refcounts could tell, which are not read. */
static bool may_be_unclaimed(const struct small *s, uint64_t entry)
{
	const uint64_t at = entry & UINT64_C(0x00fffffffffffe00);

	return entry & 1 || at == 0 || at == 4096 * 2;
}

static void test_table_flips(void **state)
{
	_cleanup_(small_done) struct small s;
	uint64_t n = 0;

	small_open(&s, *state);
	for (size_t bit = 0; bit < (1 + 64) * 64; bit++) {
		uint8_t *entry = bit < 64 ? s.l1 : s.l2 + (bit / 64 - 1) * 8;
		_cleanup_bytes_ struct bytes have = { 0 };

		put_be64(entry, get_be64(entry) ^ UINT64_C(1) << bit % 64);
		if (differs(&s.b, &s.right, &have)) {
			if (!(get_be64(entry) & COMPRESSED) && !may_be_unclaimed(&s, get_be64(entry)))
				fail_msg("entry %zu as %016" PRIx64 " was taken", bit / 64, get_be64(entry));
			if (n++ % 8 == 0)
				assert_qemu_agrees(&s.b, &have, "bit", bit);
		}
		put_be64(entry, get_be64(entry) ^ UINT64_C(1) << bit % 64);
	}
}

/* Compressed clusters carry no check: what still gives a cluster is taken, by QEMU as well. */
static void test_compressed_flips(void **state)
{
	_cleanup_(small_done) struct small s;
	uint32_t seed = 3;
	unsigned noticed = 0, unnoticed = 0;

	small_open(&s, *state);
	for (unsigned i = 0; i < 400; i++) {
		_cleanup_bytes_ struct bytes have = { 0 };
		const size_t at = 5 * 4096 + noise(&seed) % (s.b.n - 5 * 4096), flip = 1 + noise(&seed) % 255;

		s.b.p[at] ^= flip;
		if (!differs(&s.b, &s.right, &have))
			noticed += !have.p;
		else if (unnoticed++ < 20)
			assert_qemu_agrees(&s.b, &have, "byte", at);
		s.b.p[at] ^= flip;
	}
	assert_true(noticed > 0 && unnoticed > 0);
}

static void test_cut_anywhere(void **state)
{
	_cleanup_(small_done) struct small s;

	small_open(&s, *state);
	for (size_t i = 0; i < s.b.n / 512 * 3; i++) {
		const size_t n = i / 3 * 512 + (size_t[]){ 0, 1, 511 }[i % 3];
		_cleanup_bytes_ struct bytes have = { 0 };
		/* A copy, so that a read behind the end shows. */
		_cleanup_bytes_ struct bytes cut = { malloc(n + 1), n };

		memcpy(cut.p, s.b.p, n);
		if (differs(&cut, &s.right, &have))
			fail_msg("cut to %zu of %zu bytes, it reads as something else", n, s.b.n);
	}
}

static void test_a_compressed_cluster_must_be_whole(void **state)
{
	_cleanup_bytes_ struct bytes b = { 0 }, have = { 0 };
	struct why why;
	uint8_t *entry;

	/* One cluster's data in the place of another's that is not as long: it gives too little, or too much. */
	put_mixed(&b, "-c");
	sh("head -c 32k mixed > half; rm -f img; " Q "-c -o cluster_size=32k half img");
	{
		_cleanup_bytes_ struct bytes half = load("img");
		uint8_t *l2 =
			half.p + (get_be64(half.p + get_be64(half.p + 40)) & UINT64_C(0x00fffffffffffe00));
		const uint64_t at = get_be64(l2) & ((UINT64_C(1) << 55) - 1);

		entry = b.p + (get_be64(b.p + get_be64(b.p + 40)) & UINT64_C(0x00fffffffffffe00));
		assert_true(get_be64(entry) & COMPRESSED);
		memcpy(b.p + (get_be64(entry) & ((UINT64_C(1) << 54) - 1)), half.p + at, 200);
	}
	assert_int_equal(decode(b.p, b.n, &have, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "can't be decompressed"));
}

static void test_read_errors_are_no_damage(void **state)
{
	/* It can't be read through this descriptor. */
	_cleanup_close_ int fd = open(disk_path("mixed"), O_WRONLY | O_CLOEXEC);
	_cleanup_(image_unrefp) struct image *below = fdimage_new(fd, 0), *img = NULL;
	struct why why = { 0 };

	assert_int_equal(read_qcow2_open(NULL, below, &img, &why), -EBADF);
}

/* ---- with a daemon's store ---- */

struct daemon {
	struct bench *bench;
	struct template template;
	struct opening opening;
};

static void daemon_start(struct daemon *d)
{
	static char identity[] = "sha512:abc";

	*d = (struct daemon){ .template.identity = identity };
	assert_int_equal(bench_set_up((void **)&d->bench), 0);
	bench_open_store(d->bench);
	d->opening = (struct opening){ &d->bench->context, &d->template, NULL, NULL };
}

static void daemon_stop(struct daemon *d)
{
	(void)bench_tear_down((void **)&d->bench);
}

/* How often the file was read to open it; it is right. */
static uint64_t open_counting(const struct daemon *d, const struct bytes *b)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(b->p, b->n, b->n), *img = NULL;
	_cleanup_bytes_ struct bytes have = { 0 }, want = { 0 };
	uint64_t reads;
	struct why why = { 0 };

	if (read_qcow2_open(&d->opening, below, &img, &why) < 0)
		fail_msg("%s", why.text);
	reads = testimage_count(below).reads;
	assert_int_equal(read_all(img, &have, &why), 0);
	assert_int_equal(decode(b->p, b->n, &want, &why), 0);
	assert_int_equal(have.n, want.n);
	assert_memory_equal(have.p, want.p, want.n);
	return reads;
}

static void test_tables_are_kept(void **state)
{
	_cleanup_bytes_ struct bytes b = { 0 };
	uint64_t first, second;
	struct daemon d;

	put_mixed(&b, (const char *)*state);
	daemon_start(&d);
	first = open_counting(&d, &b);
	second = open_counting(&d, &b);
	/* L1, and an L2 table at least. */
	assert_true(second + 2 <= first);
	bench_close_store(d.bench);
	bench_open_store(d.bench);
	d.opening.context = &d.bench->context;
	assert_int_equal(open_counting(&d, &b), second);
	daemon_stop(&d);
}

static void test_tables_of_another_file_are_not_believed(void **state)
{
	_cleanup_bytes_ struct bytes a = { 0 }, b = { 0 };
	struct daemon d;
	uint64_t first;

	put_mixed(&a, "-c");
	put_mixed(&b, "-c -o cluster_size=16k");
	daemon_start(&d);
	first = open_counting(&d, &a);
	assert_int_equal(open_counting(&d, &b), first);
	daemon_stop(&d);
}

static void test_a_sidecar_is_looked_at(void **state)
{
	struct qcow2_header h = { .size = 4 * 65536 + 512, .file = 500000, .cluster_bits = 16, .digest = 5 };
	struct qcow2_run runs[] = { { 0, 65536, QCOW2_PLAIN },
				    { 65536, 0, QCOW2_PACKED },
				    { 196608, 0, QCOW2_ZERO },
				    { 262144, 2, QCOW2_PACKED },
				    { 262656 } };
	uint64_t packed[] = { COMPRESSED | 200000, COMPRESSED | 250000, COMPRESSED | 499999 };
	const struct qcow2_table t = { .run = runs, .n = 4, .packed = packed, .n_packed = 3 };
	struct qcow2_table back;
	_cleanup_bytes_ struct bytes b = { 0 };

	assert_int_equal(qcow2_table_pack(&t, &h, (void **)&b.p, &b.n), 0);
	assert_int_equal(qcow2_table_unpack(b.p, b.n, &h, &back), 0);
	assert_int_equal(back.n, 4);
	assert_int_equal(back.run[3].offset, 262144);
	assert_int_equal(back.run[4].offset, h.size);
	qcow2_table_done(&back);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(qcow2_table_unpack(b.p, n, &h, &back), -ENOENT);
	/* Each of these is checked on its own: whatever is taken leads nowhere else. */
	for (size_t bit = 0; bit < 8 * b.n; bit++) {
		b.p[bit / 8] ^= 1 << bit % 8;
		if (qcow2_table_unpack(b.p, b.n, &h, &back) == 0) {
			for (size_t i = 0; i < back.n; i++) {
				const uint64_t length = back.run[i + 1].offset - back.run[i].offset;

				assert_true(length && length <= h.size);
				assert_true(back.run[i].kind != QCOW2_PLAIN ||
					    range_ok(back.run[i].at, length, h.file));
				assert_true(back.run[i].kind != QCOW2_PACKED ||
					    back.run[i].at + div_up(length, 65536) <= back.n_packed);
			}
			qcow2_table_done(&back);
		}
		b.p[bit / 8] ^= 1 << bit % 8;
	}
}

/* ---- by several at once, and from far ---- */

struct reader {
	struct image *img;
	const struct bytes *want;
	uint32_t seed;
	bool ok;
};

static void *read_some(void *arg)
{
	struct reader *rd = arg;
	_cleanup_free_ uint8_t *buf = malloc(200000);

	for (unsigned i = 0; i < 40; i++) {
		const uint64_t at = noise(&rd->seed) % rd->want->n;
		const size_t count = min_u64(1 + noise(&rd->seed) % 200000, rd->want->n - at);

		if (image_pread(rd->img, buf, count, at, NULL) < 0 || memcmp(buf, rd->want->p + at, count) != 0)
			return NULL;
	}
	rd->ok = true;
	return NULL;
}

static void test_many_readers(void **state)
{
	_cleanup_bytes_ struct bytes want = load("mixed");
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct reader rd[4];
	pthread_t thread[4];
	struct kept k;

	sh("rm -f img; " Q "-c %s mixed img", (const char *)*state);
	img = open_file("img");
	kept_open(&k, img);
	for (unsigned i = 0; i < 4; i++) {
		rd[i] = (struct reader){ k.img, &want, i };
		assert_int_equal(pthread_create(&thread[i], NULL, read_some, &rd[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		(void)pthread_join(thread[i], NULL);
		assert_true(rd[i].ok);
	}
	kept_close(&k);
}

static bool first_far(struct image *img, struct unit *ret)
{
	for (uint64_t at = 0; at < img->size; at += ret->length) {
		*ret = image_unit(img, at);
		if (image_is_far(img, ret))
			return true;
	}
	return false;
}

/* Over a network a disk's tables are read, and then what is asked for. */
static void test_from_a_server(void **state)
{
	_cleanup_bytes_ struct bytes b = { 0 };
	_cleanup_(image_unrefp) struct image *img = NULL, *cache = NULL;
	struct far *far = far_new();
	struct why why = { 0 };
	struct far_stats opened;
	struct unit u;
	int r;

	sh("rm -f img; head -c 15M /dev/urandom | base64 -w 0 > large; " Q "-c -o cluster_size=8k large img");
	b = load("img");
	far_put(far, "file", b.p, b.n);
	far_serve(far, NULL);
	r = read_qcow2_open(NULL, far_open(far, NULL, ""), &img, &why);
	if (r < 0)
		fail_msg("%s", why.text);
	/* Header, L1 and three tables of L2: some of them may come with others. */
	opened = far_stats(far);
	assert_true(opened.requests <= 5 && opened.bytes < b.n / 8);
	assert_true(first_far(img, &u));
	assert_int_equal(image_bring(img, &u, &why), 0);
	assert_false(image_is_far(img, &u));
	image_hint(img, 0, img->size);
	if (cache_image_new(&far->bench->context, ID, img, &cache, &why) < 0)
		fail_msg("%s", why.text);
	assert_reads_at_random(cache, "large");
	image_unref(take(cache));
	image_unref(take(img));
	far_free(far);
}

#define LIKE(command)                                                                           \
	{                                                                                       \
		"like qemu: " command, test_like_qemu, NULL, NULL, (void *)(uintptr_t)(command) \
	}
#define WITH(test, options)                                                       \
	{                                                                         \
#test " " options, test, NULL, NULL, (void *)(uintptr_t)(options) \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LIKE(Q "mixed img"),
		LIKE(Q "-o compat=0.10 mixed img"),
		LIKE(Q "-o cluster_size=512 mixed img"),
		LIKE(Q "-o cluster_size=1k,compat=0.10 mixed img"),
		LIKE(Q "-o cluster_size=4k mixed img"),
		LIKE(Q "-o cluster_size=2M mixed img"),
		LIKE(Q "-c mixed img"),
		LIKE(Q "-c -o compat=0.10 mixed img"),
		LIKE(Q "-c -o cluster_size=512 mixed img"),
		LIKE(Q "-c -o cluster_size=4k mixed img"),
		LIKE(Q "-c -o cluster_size=256k mixed img"),
		LIKE(Q "-c -o cluster_size=2M mixed img"),
		LIKE(Q "-c -o cluster_size=2M,compat=0.10 mixed img"),
		LIKE(Q "-c -o compression_type=zstd mixed img"),
		LIKE(Q "-c -o compression_type=zstd,cluster_size=512 mixed img"),
		LIKE(Q "-c -o compression_type=zstd,cluster_size=2M mixed img"),
		LIKE(Q "-c -o compression_type=zstd,extended_l2=on mixed img"),
		LIKE(Q "-c -o extended_l2=on,cluster_size=16k mixed img"),
		LIKE(Q "-c -W -m 8 mixed img"),
		LIKE("head -c 512 mixed > one; " Q "one img"),
		LIKE("head -c 512 mixed > one; " Q "-c one img"),
		LIKE("head -c 66048 mixed > one; " Q "-c one img"),
		LIKE("head -c 66048 mixed > one; " Q "one img"),
		LIKE(Q "-c mixed img; " IO TRAFFIC),
		LIKE(Q "-c -o compression_type=zstd,cluster_size=16k,extended_l2=on mixed img; " IO TRAFFIC),
		LIKE(Q "-c -o cluster_size=512 mixed img; " IO TRAFFIC),
		LIKE(Q "mixed img; " IO
		       "-c 'write -z 64k 256k' -c 'write -z -u 1M 512k' -c 'discard 3M 1M'" WRITE),
		LIKE(Q "-o cluster_size=4k mixed img; " IO
		       "-c 'write -z 4k 256k' -c 'write -z -u 1M 512k' -c 'discard 3M 1M'" WRITE
		       "; " IO TRAFFIC),
		LIKE(Q "-c mixed img; " IO
		       "-c 'write -z 64k 256k' -c 'write -z -u 1M 512k' -c 'discard 3M 1M'" WRITE),
		LIKE(Q "-o compat=0.10 mixed img; " IO "-c 'discard 1M 2M' -c 'write -P 3 1500k 7k'" WRITE),
		LIKE("qemu-img create -q -f qcow2 -o extended_l2=on img 6M; " IO TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=2M img 6M; " IO TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=16k img 6M; " IO TRAFFIC
		     "; " IO "-c 'write -z 4096 512' -c 'write -z 1100k 30k' -c 'discard 100k 50k'" WRITE),
		LIKE("qemu-img create -q -f qcow2 -o extended_l2=on,preallocation=metadata img 6000128; " IO
			     TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o preallocation=metadata img 6000128; " IO TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o preallocation=metadata img 6000128"),
		LIKE("qemu-img create -q -f qcow2 -o preallocation=metadata,compat=0.10 img 6000128; " IO
			     TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o preallocation=falloc img 6000128; " IO TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o preallocation=full,cluster_size=4k img 6000128; " IO
			     TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o lazy_refcounts=on img 6M; " IO TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o refcount_bits=1 img 6M; " IO TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 -o refcount_bits=64,cluster_size=512 img 6M; " IO TRAFFIC),
		LIKE("qemu-img create -q -f qcow2 img 6M"),
		LIKE("qemu-img create -q -f qcow2 img 6M; " IO "-c 'write 6143k 512'" WRITE),
		LIKE(Q "mixed img; qemu-img snapshot -c a img; " IO TRAFFIC "; qemu-img snapshot -c b img; " IO
		       "-c 'write -z 1M 100k' -c 'write -P 77 0 1M'" WRITE),
		LIKE(Q "-c mixed img; qemu-img snapshot -c a img; " IO TRAFFIC "; qemu-img snapshot -a a img"),
		LIKE(Q "mixed img; qemu-img bitmap --add --enable img b; " IO TRAFFIC),
		LIKE(Q "mixed img; qemu-img resize -q img +100M; " IO "-c 'write -P 9 90M 1M'" WRITE),
		LIKE(Q "mixed img; qemu-img resize -q --shrink img 2000384"),
		LIKE(Q "-o compat=0.10 mixed img; qemu-img amend -o compat=1.1 img"),
		LIKE(Q "mixed img; qemu-img amend -o compat=0.10 img"),
		LIKE("qemu-img create -q -f qcow2 img 2T; " IO
		     "-c 'write -P 1 0 64k' -c 'write -P 2 1T 5k' -c 'write -P 3 2000G 100k'" WRITE),
		LIKE("qemu-img create -q -f qcow2 -o cluster_size=512 img 10G; " IO
		     "-c 'write -P 1 0 64k' -c 'write -P 2 5G 5k' -c 'write -c -P 3 9G 1k'" WRITE),
		LIKE("qemu-img create -q -f qcow2 -o cluster_size=2M,extended_l2=on img 3T; " IO
		     "-c 'write -P 1 0 64k' -c 'write -P 2 1T 5k' -c 'write -c -P 3 2T 2M'" WRITE),
		cmocka_unit_test(test_is_a_map_when_nothing_is_compressed),
		cmocka_unit_test(test_cant_be_read_directly_when_compressed),
		cmocka_unit_test(test_a_unit_is_a_large_cluster),
		cmocka_unit_test(test_describes_itself),
		cmocka_unit_test(test_refuses_a_backing_file),
		cmocka_unit_test(test_refuses_a_data_file),
		cmocka_unit_test(test_refuses_encryption),
		cmocka_unit_test(test_refuses_an_empty_disk),
		cmocka_unit_test(test_refuses_wrong_headers),
		cmocka_unit_test(test_names_unknown_features),
		cmocka_unit_test(test_refuses_unknown_compression),
		cmocka_unit_test(test_walks_extensions_for_a_while),
		cmocka_unit_test(test_takes_a_dirty_file),
		cmocka_unit_test(test_refuses_wrong_l1_entries),
		cmocka_unit_test(test_refuses_wrong_l2_entries),
		cmocka_unit_test(test_takes_shared_clusters),
		cmocka_unit_test(test_version_2_has_no_zero_clusters),
		cmocka_unit_test(test_refuses_wrong_subclusters),
		cmocka_unit_test(test_bounds_the_number_of_pieces),
		cmocka_unit_test(test_bounds_the_bytes_of_tables),
		WITH(test_header_flips, ""),
		WITH(test_header_flips, ",compat=0.10"),
		WITH(test_header_flips, " -c"),
		WITH(test_table_flips, ""),
		WITH(test_table_flips, ",compat=0.10"),
		WITH(test_table_flips, " -c"),
		WITH(test_compressed_flips, " -c"),
		WITH(test_compressed_flips, ",compression_type=zstd -c"),
		WITH(test_cut_anywhere, ""),
		WITH(test_cut_anywhere, " -c"),
		WITH(test_cut_anywhere, ",compression_type=zstd -c"),
		cmocka_unit_test(test_a_compressed_cluster_must_be_whole),
		cmocka_unit_test(test_read_errors_are_no_damage),
		WITH(test_tables_are_kept, ""),
		WITH(test_tables_are_kept, "-c"),
		cmocka_unit_test(test_tables_of_another_file_are_not_believed),
		cmocka_unit_test(test_a_sidecar_is_looked_at),
		WITH(test_many_readers, ""),
		WITH(test_many_readers, "-o compression_type=zstd"),
		cmocka_unit_test(test_from_a_server),
	};

	return cmocka_run_group_tests_name("read-qcow2", tests, setup, disk_dir_teardown);
}
