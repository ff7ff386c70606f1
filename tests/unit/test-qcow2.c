/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qcow2 layout, judged by qemu-img: each disk is written out as the layout
 * and as raw, checked for leaks and errors, and compared.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "backends/layout/qcow2.h"
#include "backends/layout/runs.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define CLUSTER (64 * KiB)

/* A disk of any size out of ranges, in order, apart from each other; the rest is zero. */
struct range {
	uint64_t offset, length;
	enum extent_kind kind;
};

struct disk {
	struct image image;
	const struct range *range; /* borrowed */
	size_t n;
	/* When set, every second cluster is data, in place of ranges. */
	bool alternating;
};

/* No byte of data is zero, and no two clusters are the same. */
static uint8_t disk_byte(uint64_t offset)
{
	return 1 + (offset / CLUSTER * 7 + offset / 512 * 3 + offset) % 251;
}

static struct extent disk_alternate(const struct disk *d, uint64_t offset)
{
	return (struct extent){ CLUSTER - offset % CLUSTER, offset / CLUSTER % 2 ? EXTENT_ZERO : EXTENT_DATA };
}

static struct extent disk_at(const struct disk *d, uint64_t offset)
{
	size_t low = 0, high = d->n;

	if (d->alternating)
		return disk_alternate(d, offset);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (d->range[middle].offset + d->range[middle].length > offset)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == d->n)
		return (struct extent){ d->image.size - offset, EXTENT_ZERO };
	if (d->range[low].offset > offset)
		return (struct extent){ d->range[low].offset - offset, EXTENT_ZERO };
	return (struct extent){ d->range[low].length - (offset - d->range[low].offset), d->range[low].kind };
}

static void disk_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	*ret = disk_at((struct disk *)img, offset);
}

static int disk_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct disk *d = (const struct disk *)img;
	uint8_t *to = buf;

	while (count) {
		struct extent e = disk_at(d, offset);
		size_t n = min_u64(count, e.length);

		for (size_t i = 0; i < n; i++)
			to[i] = e.kind == EXTENT_DATA ? disk_byte(offset + i) : 0;
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static const struct image_ops disk_ops = {
	.name = "disk",
	.pread = disk_pread,
	.extent = disk_extent,
};

static struct image *disk_new(uint64_t size, const struct range *range, size_t n)
{
	struct disk *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->range = range;
	d->n = n;
	image_init(&d->image, &disk_ops, size, NULL);
	return &d->image;
}

static struct image *alternating_new(uint64_t size)
{
	struct image *img = disk_new(size, NULL, 0);

	((struct disk *)img)->alternating = true;
	return img;
}

static struct image *layout_of(struct image *below)
{
	struct image *img;
	struct why why;
	int r = qcow2_layout(below, &img, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	return img;
}

/* Every test has a directory of its own. */
struct place {
	char dir[64];
	char raw[80];
	char qcow2[80];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");

	if (!p)
		return -1;
	if (snprintf(p->dir, sizeof(p->dir), "%s/goalfs-qcow2-XXXXXX", tmp ? tmp : "/tmp") >=
		    (int)sizeof(p->dir) ||
	    !mkdtemp(p->dir))
		return -1;
	(void)snprintf(p->raw, sizeof(p->raw), "%s/raw", p->dir);
	(void)snprintf(p->qcow2, sizeof(p->qcow2), "%s/qcow2", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	(void)unlink(p->raw);
	(void)unlink(p->qcow2);
	(void)rmdir(p->dir);
	free(p);
	return 0;
}

/* Runs a command; what it prints is the caller's to free. A status other than 0 is a failure. */
static __attribute__((format(printf, 1, 2))) char *run(const char *format, ...)
{
	_cleanup_(text_done) struct text out = TEXT_EMPTY;
	char command[512], line[4096], *chars;
	va_list ap;
	FILE *f;

	va_start(ap, format);
	(void)vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		text_add(&out, "%s", line);
	assert_int_equal(text_take(&out, &chars), 0);
	if (pclose(f) != 0)
		fail_msg("%s: %s", command, chars);
	return chars;
}

static void assert_says(const char *said, const char *what)
{
	if (!strstr(said, what))
		fail_msg("'%s' expected in: %s", what, said);
}

static void check(const struct place *p)
{
	_cleanup_free_ char *said = run("qemu-img check -f qcow2 %s 2>&1", p->qcow2);

	assert_says(said, "No errors were found on the image.");
}

static void check_size(const struct place *p, uint64_t size)
{
	_cleanup_free_ char *said = run("qemu-img info -f qcow2 --output=json %s 2>&1", p->qcow2);
	char want[64];

	(void)snprintf(want, sizeof(want), "\"virtual-size\": %" PRIu64 ",", size);
	assert_says(said, want);
}

static void compare(const struct place *p)
{
	_cleanup_free_ char *said = run("qemu-img compare -f raw -F qcow2 %s %s 2>&1", p->raw, p->qcow2);

	assert_says(said, "Images are identical.");
}

/* All judges; takes the caller's ref to `below`. */
static void judge(const struct place *p, struct image *below)
{
	struct image *img = layout_of(below);

	assert_int_equal(testimage_save(below, p->raw), 0);
	assert_int_equal(testimage_save(img, p->qcow2), 0);
	check(p);
	check_size(p, below->size);
	compare(p);
	image_unref(img);
	image_unref(below);
}

static uint64_t be64_at(struct image *img, uint64_t offset)
{
	uint8_t buf[8];

	assert_int_equal(image_pread(img, buf, sizeof(buf), offset, NULL), 0);
	return get_be64(buf);
}

/* Where the data of a guest offset stands in the file, found the way a reader of qcow2 does; 0 when it is not
 * allocated. */
static uint64_t place_of(struct image *img, uint64_t guest)
{
	const uint64_t offset_mask = 0x00fffffffffffe00;
	uint64_t l1 = be64_at(img, 40), cluster = guest / CLUSTER;
	uint64_t l2 = be64_at(img, l1 + cluster / 8192 * 8), entry;

	if (l2 == 0)
		return 0;
	entry = be64_at(img, (l2 & offset_mask) + cluster % 8192 * 8);
	return entry ? (entry & offset_mask) + guest % CLUSTER : 0;
}

/* The guest sees at `guest` what the disk holds there. */
static void assert_guest_sees(struct image *img, struct image *below, uint64_t guest)
{
	uint64_t at = place_of(img, guest);
	uint8_t have[512] = { 0 }, want[512];

	assert_int_equal(image_pread(below, want, sizeof(want), guest, NULL), 0);
	if (at)
		assert_int_equal(image_pread(img, have, sizeof(have), at, NULL), 0);
	assert_memory_equal(have, want, sizeof(want));
}

/* The tables with the file's size behind them, when the data would be too much to write. */
static void save_tables(struct image *img, const char *path)
{
	uint64_t end = place_of(img, 0);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	_cleanup_free_ uint8_t *buf = malloc(MiB);

	assert_true(fd >= 0 && ftruncate(fd, img->size) == 0 && buf);
	for (uint64_t at = 0; at < end; at += MiB) {
		size_t n = min_u64(MiB, end - at);

		assert_int_equal(image_pread(img, buf, n, at, NULL), 0);
		assert_int_equal(pwrite(fd, buf, n, at), n);
	}
}

static char *described(struct image *img)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;
	char *chars;

	image_describe(img, &t);
	assert_int_equal(text_take(&t, &chars), 0);
	return chars;
}

static const uint64_t sizes[] = {
	512,
	CLUSTER - 512,
	CLUSTER,
	CLUSTER + 512,
	512 * MiB - 512,
	512 * MiB,
	512 * MiB + 512,
	20 * GiB,
	2 * TiB,
	16 * TiB - CLUSTER, /* the largest file of ext4 holds this one's raw form */
};

static void test_empty_disks_of_all_sizes(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		judge(*state, disk_new(sizes[i], NULL, 0));
}

static void test_data_in_the_last_sector_alone(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct range last = { sizes[i] - 512, 512 };

		judge(*state, disk_new(sizes[i], &last, 1));
	}
}

static void test_data_at_both_ends(void **state)
{
	for (size_t i = 1; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct range ends[] = { { 0, 512 }, { sizes[i] - 513, 513 } };

		judge(*state, disk_new(sizes[i], ends, 2));
	}
}

static void test_all_data(void **state)
{
	static const uint64_t all[] = { 512, CLUSTER - 512, CLUSTER, CLUSTER + 512, 100 * MiB - 512 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct range whole = { 0, all[i] };

		judge(*state, disk_new(all[i], &whole, 1));
	}
}

static void test_alternating_clusters(void **state)
{
	judge(*state, alternating_new(20 * MiB));
	judge(*state, alternating_new(20 * MiB + 512));
	judge(*state, alternating_new(20 * MiB + CLUSTER - 512));
}

/* 512 MiB is what one L2 table speaks for. */
static void test_data_around_the_edge_of_an_l2_table(void **state)
{
	static const struct range edges[] = {
		{ 512 * MiB - 512, 512 },		  /* before */
		{ GiB, 512 },				  /* behind, with a table between that stays empty */
		{ 3 * 512 * MiB - CLUSTER, 2 * CLUSTER }, /* across */
	};

	for (size_t i = 0; i < 3; i++)
		judge(*state, disk_new(2 * GiB, &edges[i], 1));
	judge(*state, disk_new(2 * GiB, edges, 3));
}

static void test_pieces_smaller_than_a_cluster(void **state)
{
	static const struct range pieces[] = {
		{ 1, 1 },
		{ 3, 1 },		    /* in the same cluster */
		{ CLUSTER + 100, CLUSTER }, /* across two */
		{ 2 * CLUSTER + 200, 1 },   /* in the second of them */
		{ 5 * CLUSTER - 1, 1 },
		{ 5 * CLUSTER, 1 }, /* in the next, which makes one run */
		{ 7 * CLUSTER - 512, 512 },
	};

	judge(*state, disk_new(10 * CLUSTER, pieces, sizeof(pieces) / sizeof(pieces[0])));
}

/* Too large for a raw file to compare with: qemu-io reads it instead. */
static void test_16_tebibytes(void **state)
{
	const struct place *p = *state;
	static const struct range ends[] = { { 0, MiB }, { 16 * TiB - MiB, MiB } };
	struct image *below = disk_new(16 * TiB, ends, 2), *img = layout_of(below);
	_cleanup_free_ char *map = NULL, *read = NULL;
	struct map_figures figures;
	char last[8];

	assert_int_equal(testimage_save(img, p->qcow2), 0);
	check(p);
	check_size(p, 16 * TiB);
	map = run("qemu-img map -f qcow2 --output=json %s 2>&1", p->qcow2);
	assert_says(map, "\"start\": 1048576, \"length\": 17592183947264, \"depth\": 0, \"present\": false");
	read = run("qemu-io -r -f qcow2 -c 'read -v %" PRIu64 " 1' %s 2>&1", 16 * TiB - 1, p->qcow2);
	(void)snprintf(last, sizeof(last), ":  %02x ", disk_byte(16 * TiB - 1));
	assert_says(read, last);
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 3); /* metadata, and two runs of data */
	assert_in_range(figures.memory, 1, KiB);
	image_unref(img);
	image_unref(below);
}

static void test_64_tebibytes_full_of_data(void **state)
{
	const struct range whole = { 0, 64 * TiB };
	struct image *below = disk_new(64 * TiB, &whole, 1), *img = layout_of(below);
	static const uint64_t at[] = { 0, 512 * MiB - 512, 512 * MiB, 33 * TiB + 12345 * CLUSTER + 512,
				       64 * TiB - 512 };
	struct map_figures figures;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		assert_guest_sees(img, below, at[i]);
	assert_int_equal(place_of(img, 64 * TiB - CLUSTER) + CLUSTER, img->size);
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 2);
	image_unref(img);
	image_unref(below);
}

static void test_tables_of_more_than_a_full_tebibyte(void **state)
{
	const struct place *p = *state;
	/* More refcount blocks than a page of their table takes. */
	const struct range whole = { 0, TiB + GiB };
	struct image *below = disk_new(TiB + GiB, &whole, 1), *img = layout_of(below);

	save_tables(img, p->qcow2);
	check(p);
	image_unref(img);
	image_unref(below);
}

/* Checkers do not look behind the end of the file; who allocates there does. */
static void test_refcounts_end_with_the_file(void **state)
{
	const struct range whole = { 0, 3 * GiB };
	struct image *below = disk_new(3 * GiB, &whole, 1), *img = layout_of(below);
	const uint64_t blocks = 2, table = be64_at(img, 48);
	uint8_t refcounts[CLUSTER];

	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t block = be64_at(img, table + 8 * i);

		assert_int_equal(image_pread(img, refcounts, CLUSTER, block, NULL), 0);
		for (uint64_t j = 0; j < CLUSTER / 2; j++)
			assert_int_equal(get_be16(refcounts + 2 * j),
					 i * (CLUSTER / 2) + j < img->size / CLUSTER);
	}
	assert_int_equal(be64_at(img, table + 8 * blocks), 0);
	image_unref(img);
	image_unref(below);
}

static void test_refuses_a_disk_above_the_limit(void **state)
{
	struct image *below = disk_new(2048 * TiB + 512, NULL, 0), *img;
	struct why why;

	assert_int_equal(qcow2_layout(below, &img, &why), -EOPNOTSUPP);
	assert_says(why.text, "2048T at most");
	image_unref(below);
}

static void test_an_empty_disk_at_the_limit(void **state)
{
	const struct place *p = *state;
	struct image *below = disk_new(2048 * TiB, NULL, 0), *img = layout_of(below);

	assert_int_equal(testimage_save(img, p->qcow2), 0);
	check(p);
	check_size(p, 2048 * TiB);
	image_unref(img);
	image_unref(below);
}

static void test_refuses_a_file_above_the_limit(void **state)
{
	struct range whole = { 0, 2048 * TiB };
	struct image *below = disk_new(2048 * TiB, &whole, 1), *img;
	struct why why;

	assert_int_equal(qcow2_layout(below, &img, &why), -EOPNOTSUPP);
	assert_says(why.text, "2048T at most");
	image_unref(below);
}

static void test_a_size_off_sectors_is_rounded_up(void **state)
{
	const struct place *p = *state;
	const struct range whole = { 0, CLUSTER + 1 };
	struct image *below = disk_new(CLUSTER + 1, &whole, 1), *img = layout_of(below);

	assert_int_equal(testimage_save(below, p->raw), 0);
	assert_int_equal(testimage_save(img, p->qcow2), 0);
	check(p);
	check_size(p, CLUSTER + 512);
	compare(p);
	image_unref(img);
	image_unref(below);
}

static void test_a_disk_of_no_bytes(void **state)
{
	judge(*state, disk_new(0, NULL, 0));
}

static void test_file_is_whole_clusters(void **state)
{
	const struct range last = { CLUSTER, 512 };
	struct image *below = disk_new(CLUSTER + 512, &last, 1), *img = layout_of(below);

	/* Header, refcount table and block, L1, L2, one cluster of data. */
	assert_int_equal(img->size, 6 * CLUSTER);
	image_unref(img);
	image_unref(below);
}

static void test_describes_itself(void **state)
{
	const struct range some = { 0, 9216 * CLUSTER };
	struct image *below = disk_new(20 * GiB, &some, 1), *img = layout_of(below);
	_cleanup_free_ char *said = described(img);

	assert_string_equal(said, "    qcow2: 9216 of 327680 clusters allocated, file of 576M\n");
	image_unref(img);
	image_unref(below);
}

/* What one host has seen to be zero changes neither the size nor a byte. */
static void test_seen_zeros_do_not_change_the_layout(void **state)
{
	const struct place *p = *state;
	static const struct range fresh[] = { { 0, 512 }, { 2 * CLUSTER, 4 * CLUSTER }, { 9 * CLUSTER, 100 } };
	static const struct range seen[] = {
		{ 0, 512 },
		{ 2 * CLUSTER, 512, EXTENT_SEEN_ZERO },
		{ 2 * CLUSTER + 512, CLUSTER },
		{ 3 * CLUSTER + 512, 2 * CLUSTER, EXTENT_SEEN_ZERO },
		{ 5 * CLUSTER + 512, CLUSTER - 512 },
		{ 9 * CLUSTER, 100, EXTENT_SEEN_ZERO },
	};
	struct image *below = disk_new(MiB, seen, 6), *img = layout_of(below);
	struct image *fresh_below = disk_new(MiB, fresh, 3), *fresh_img = layout_of(fresh_below);
	uint64_t data = place_of(img, 0);
	_cleanup_free_ uint8_t *a = malloc(data), *b = malloc(data);

	assert_int_equal(img->size, fresh_img->size);
	assert_int_equal(image_pread(img, a, data, 0, NULL), 0);
	assert_int_equal(image_pread(fresh_img, b, data, 0, NULL), 0);
	assert_memory_equal(a, b, data);
	image_unref(fresh_img);
	image_unref(fresh_below);
	assert_int_equal(testimage_save(below, p->raw), 0);
	assert_int_equal(testimage_save(img, p->qcow2), 0);
	check(p);
	compare(p);
	image_unref(img);
	image_unref(below);
}

static void test_extents_are_those_of_the_disk(void **state)
{
	static const struct range some[] = {
		{ 0, 512 },
		{ CLUSTER, CLUSTER },
		{ 2 * CLUSTER, CLUSTER, EXTENT_SEEN_ZERO },
		{ 5 * CLUSTER - 512, 512 },
	};
	static const struct extent want[] = {
		{ 5 * CLUSTER + 512, EXTENT_DATA }, /* metadata, and the first range */
		{ CLUSTER - 512, EXTENT_ZERO },	    { CLUSTER, EXTENT_DATA }, { CLUSTER, EXTENT_SEEN_ZERO },
		{ CLUSTER - 512, EXTENT_ZERO },	    { 512, EXTENT_DATA },
	};
	struct image *below = disk_new(MiB, some, 4), *img = layout_of(below);
	uint64_t at = 0;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct extent e = image_extent(img, at);

		assert_int_equal(e.kind, want[i].kind);
		assert_int_equal(e.length, want[i].length);
		at += e.length;
	}
	assert_int_equal(at, img->size);
	image_unref(img);
	image_unref(below);
}

static void test_reads_at_any_offset_and_length(void **state)
{
	const struct place *p = *state;
	static const struct range some[] = {
		{ 0, 700 },	      { 5 * CLUSTER + 1, CLUSTER }, { 9 * CLUSTER, 3 * CLUSTER },
		{ 512 * MiB - 1, 2 }, { 700 * MiB, 512 },	    { 2 * GiB + 511, 1 },
	};
	struct image *below = disk_new(2 * GiB + 512, some, 6), *img = layout_of(below);
	_cleanup_free_ uint8_t *whole = malloc(img->size), *buf = malloc(img->size);
	_cleanup_close_ int fd = -1;
	uint64_t random = 1;

	assert_int_equal(testimage_save(img, p->qcow2), 0);
	fd = open(p->qcow2, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, whole, img->size, 0), img->size);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t at, n;

		random = random * 6364136223846793005 + 1442695040888963407;
		at = (random >> 20) % img->size;
		/* Half of them across an edge of clusters. */
		if (i % 2)
			at -= min_u64(at, at % CLUSTER + i % 50);
		n = min_u64((random >> 12) % (i % 3 ? 200 : 3 * CLUSTER), img->size - at);
		assert_int_equal(image_pread(img, buf, n, at, NULL), 0);
		assert_memory_equal(buf, whole + at, n);
	}
	image_unref(img);
	image_unref(below);
}

/* A copy is as good as any qcow2: what a guest writes to it leaves it consistent. */
static void test_a_copy_can_be_written_to(void **state)
{
	const struct place *p = *state;
	static const struct range some[] = { { 0, 700 }, { 300 * MiB, CLUSTER } };
	struct image *below = disk_new(GiB, some, 2), *img = layout_of(below);

	assert_int_equal(testimage_save(img, p->qcow2), 0);
	free(run("qemu-io -f qcow2 -c 'write -P 7 100 512' -c 'write -P 8 %" PRIu64
		 " 200k' -c 'write -P 9 900M 64k' "
		 "-c 'read -P 7 100 512' -c 'read -P 8 %" PRIu64 " 200k' %s 2>&1",
		 300 * MiB - 100 * KiB, 300 * MiB - 100 * KiB, p->qcow2));
	check(p);
	image_unref(img);
	image_unref(below);
}

/* The most runs that are laid out exactly. */
static void test_64_gibibytes_of_alternating_clusters(void **state)
{
	const struct place *p = *state;
	struct image *below = alternating_new(64 * GiB), *img = layout_of(below);
	struct map_figures figures;

	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 1 + RUNS_MAX);
	for (uint64_t at = 0; at < 64 * GiB; at += GiB - 3 * CLUSTER + 512) {
		assert_guest_sees(img, below, at);
		assert_int_equal(place_of(img, at) == 0, at / CLUSTER % 2);
	}
	save_tables(img, p->qcow2);
	check(p);
	check_size(p, 64 * GiB);
	image_unref(img);
	image_unref(below);
}

static void test_more_runs_than_that_take_in_the_holes(void **state)
{
	const struct place *p = *state;
	struct image *below = alternating_new(64 * GiB + 2 * CLUSTER), *img = layout_of(below);
	_cleanup_free_ char *said = described(img);
	struct map_figures figures;

	assert_says(said, "1048577 of 1048578 clusters allocated");
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 2);
	for (uint64_t at = 0; at < 64 * GiB; at += GiB - 3 * CLUSTER + 512)
		assert_guest_sees(img, below, at);
	assert_int_equal(image_extent(img, place_of(img, CLUSTER)).kind, EXTENT_ZERO);
	save_tables(img, p->qcow2);
	check(p);
	image_unref(img);
	image_unref(below);
}

/* Where the short holes are, at the beginning or at the end, makes no difference. */
static void test_only_the_shortest_holes_are_taken_in(void **state)
{
	enum { HALF = RUNS_MAX / 2 + 1 };
	_cleanup_free_ struct range *range = calloc(2 * HALF, sizeof(*range));

	for (int short_first = 0; short_first < 2; short_first++) {
		uint64_t at = 0, allocated = 3 * HALF;
		_cleanup_free_ char *said = NULL;
		struct image *below, *img;
		char want[64];

		for (unsigned i = 0; i < 2 * HALF; i++) {
			bool is_short = (i < HALF) == short_first;

			range[i] = (struct range){ at, CLUSTER };
			at += is_short ? 2 * CLUSTER : 3 * CLUSTER;
		}
		/* At the border one hole more, or less, is a short one. */
		below = disk_new(at, range, 2 * HALF);
		img = layout_of(below);
		said = described(img);
		(void)snprintf(want, sizeof(want), "    qcow2: %" PRIu64 " of ", allocated - !short_first);
		assert_says(said, want);
		for (unsigned i = 0; i < 2 * HALF; i += 9973)
			assert_guest_sees(img, below, range[i].offset);
		image_unref(img);
		image_unref(below);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_disks_of_all_sizes),
		TEST(test_data_in_the_last_sector_alone),
		TEST(test_data_at_both_ends),
		TEST(test_all_data),
		TEST(test_alternating_clusters),
		TEST(test_data_around_the_edge_of_an_l2_table),
		TEST(test_pieces_smaller_than_a_cluster),
		TEST(test_16_tebibytes),
		TEST(test_64_tebibytes_full_of_data),
		TEST(test_tables_of_more_than_a_full_tebibyte),
		TEST(test_refcounts_end_with_the_file),
		TEST(test_refuses_a_disk_above_the_limit),
		TEST(test_an_empty_disk_at_the_limit),
		TEST(test_refuses_a_file_above_the_limit),
		TEST(test_a_size_off_sectors_is_rounded_up),
		TEST(test_a_disk_of_no_bytes),
		TEST(test_file_is_whole_clusters),
		TEST(test_describes_itself),
		TEST(test_seen_zeros_do_not_change_the_layout),
		TEST(test_extents_are_those_of_the_disk),
		TEST(test_reads_at_any_offset_and_length),
		TEST(test_a_copy_can_be_written_to),
		TEST(test_64_gibibytes_of_alternating_clusters),
		TEST(test_more_runs_than_that_take_in_the_holes),
		TEST(test_only_the_shortest_holes_are_taken_in),
	};

	return cmocka_run_group_tests_name("qcow2", tests, NULL, NULL);
}
