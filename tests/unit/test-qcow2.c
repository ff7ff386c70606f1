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
#include "tests/unit/layouts.h"

#define CLUSTER (64 * KiB)

static int setup(void **state)
{
	return place_setup(state, "qcow2", qcow2_layout);
}

static uint64_t be64_at(struct image *img, uint64_t offset)
{
	uint8_t buf[8];

	assert_int_equal(image_pread(img, buf, sizeof(buf), offset, NULL), 0);
	return get_be64(buf);
}

/*
 * Where the data of a guest offset stands in the file, found the way a reader of
 * qcow2 does; 0 when it is not allocated.
 */
static uint64_t place_of(struct image *img, uint64_t guest)
{
	const uint64_t offset_mask = 0x00fffffffffffe00;
	const uint64_t bits = be64_at(img, 16) & 0xffffffff, entries = UINT64_C(1) << (bits - 3);
	uint64_t l1 = be64_at(img, 40), cluster = guest >> bits;
	uint64_t l2 = be64_at(img, l1 + cluster / entries * 8), entry;

	if (l2 == 0)
		return 0;
	entry = be64_at(img, (l2 & offset_mask) + cluster % entries * 8);
	return entry ? (entry & offset_mask) + guest % (UINT64_C(1) << bits) : 0;
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
		place_judge(*state, ranges_new(sizes[i], NULL, 0));
}

static void test_data_in_the_last_sector_alone(void **state)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct range last = { sizes[i] - 512, 512 };

		place_judge(*state, ranges_new(sizes[i], &last, 1));
	}
}

static void test_data_at_both_ends(void **state)
{
	for (size_t i = 1; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct range ends[] = { { 0, 512 }, { sizes[i] - 513, 513 } };

		place_judge(*state, ranges_new(sizes[i], ends, 2));
	}
}

static void test_all_data(void **state)
{
	static const uint64_t all[] = { 512, CLUSTER - 512, CLUSTER, CLUSTER + 512, 100 * MiB - 512 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct range whole = { 0, all[i] };

		place_judge(*state, ranges_new(all[i], &whole, 1));
	}
}

static void test_alternating_clusters(void **state)
{
	place_judge(*state, alternating_new(20 * MiB, CLUSTER));
	place_judge(*state, alternating_new(20 * MiB + 512, CLUSTER));
	place_judge(*state, alternating_new(20 * MiB + CLUSTER - 512, CLUSTER));
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
		place_judge(*state, ranges_new(2 * GiB, &edges[i], 1));
	place_judge(*state, ranges_new(2 * GiB, edges, 3));
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

	place_judge(*state, ranges_new(10 * CLUSTER, pieces, sizeof(pieces) / sizeof(pieces[0])));
}

/* Too large for a raw file to compare with: qemu-io reads it instead. */
static void test_16_tebibytes(void **state)
{
	const struct place *p = *state;
	static const struct range ends[] = { { 0, MiB }, { 16 * TiB - MiB, MiB } };
	struct image *below = ranges_new(16 * TiB, ends, 2), *img = place_layout(p, below);
	_cleanup_free_ char *map = NULL, *read = NULL;
	struct map_figures figures;
	char last[8];

	place_save(p, img);
	place_check(p);
	place_check_size(p, 16 * TiB);
	map = run("qemu-img map -f qcow2 --output=json %s 2>&1", p->file);
	assert_says(map, "\"start\": 1048576, \"length\": 17592183947264, \"depth\": 0, \"present\": false");
	read = run("qemu-io -r -f qcow2 -c 'read -v %" PRIu64 " 1' %s 2>&1", 16 * TiB - 1, p->file);
	(void)snprintf(last, sizeof(last), ":  %02x ", ranges_byte(16 * TiB - 1));
	assert_says(read, last);
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 3); /* metadata, and two runs of data */
	assert_in_range(figures.memory, 1, KiB);
	image_unref(img);
	image_unref(below);
}

static void test_64_tebibytes_full_of_data(void **state)
{
	const struct place *p = *state;
	const struct range whole = { 0, 64 * TiB };
	struct image *below = ranges_new(64 * TiB, &whole, 1), *img = place_layout(p, below);
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
	struct image *below = ranges_new(TiB + GiB, &whole, 1), *img = place_layout(p, below);

	place_save_head(p, img, place_of(img, 0));
	place_check(p);
	image_unref(img);
	image_unref(below);
}

/* Checkers do not look behind the end of the file; who allocates there does. */
static void test_refcounts_end_with_the_file(void **state)
{
	const struct place *p = *state;
	const struct range whole = { 0, 3 * GiB };
	struct image *below = ranges_new(3 * GiB, &whole, 1), *img = place_layout(p, below);
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
	place_refuses(*state, ranges_new(2048 * TiB + 512, NULL, 0), -EOPNOTSUPP,
		      "with clusters of 64K holds a disk of 2048T at most");
}

static void test_an_empty_disk_at_the_limit(void **state)
{
	const struct place *p = *state;
	struct image *below = ranges_new(2048 * TiB, NULL, 0), *img = place_layout(p, below);

	place_save(p, img);
	place_check(p);
	place_check_size(p, 2048 * TiB);
	image_unref(img);
	image_unref(below);
}

static void test_refuses_a_file_above_the_limit(void **state)
{
	const struct range whole = { 0, 2048 * TiB };

	place_refuses(*state, ranges_new(2048 * TiB, &whole, 1), -EOPNOTSUPP,
		      "with clusters of 64K may be of 2048T at most");
}

static void test_a_size_off_sectors_is_rounded_up(void **state)
{
	const struct place *p = *state;
	const struct range whole = { 0, CLUSTER + 1 };
	struct image *below = ranges_new(CLUSTER + 1, &whole, 1), *img = place_layout(p, below);

	place_save(p, img);
	place_check(p);
	place_check_size(p, CLUSTER + 512);
	place_compare(p, below);
	image_unref(img);
	image_unref(below);
}

static void test_a_disk_of_no_bytes(void **state)
{
	place_judge(*state, ranges_new(0, NULL, 0));
}

static void test_file_is_whole_clusters(void **state)
{
	const struct place *p = *state;
	const struct range last = { CLUSTER, 512 };
	struct image *below = ranges_new(CLUSTER + 512, &last, 1), *img = place_layout(p, below);

	/* Header, refcount table and block, L1, L2, one cluster of data. */
	assert_int_equal(img->size, 6 * CLUSTER);
	image_unref(img);
	image_unref(below);
}

static void test_describes_itself(void **state)
{
	const struct place *p = *state;
	const struct range some = { 0, 9216 * CLUSTER };
	struct image *below = ranges_new(20 * GiB, &some, 1), *img = place_layout(p, below);
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
	struct image *below = ranges_new(MiB, seen, 6), *img = place_layout(p, below);
	struct image *fresh_below = ranges_new(MiB, fresh, 3), *fresh_img = place_layout(p, fresh_below);
	uint64_t data = place_of(img, 0);
	_cleanup_free_ uint8_t *a = malloc(data), *b = malloc(data);

	assert_int_equal(img->size, fresh_img->size);
	assert_int_equal(image_pread(img, a, data, 0, NULL), 0);
	assert_int_equal(image_pread(fresh_img, b, data, 0, NULL), 0);
	assert_memory_equal(a, b, data);
	image_unref(fresh_img);
	image_unref(fresh_below);
	place_save(p, img);
	place_check(p);
	place_compare(p, below);
	image_unref(img);
	image_unref(below);
}

static void test_extents_are_those_of_the_disk(void **state)
{
	const struct place *p = *state;
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
	struct image *below = ranges_new(MiB, some, 4), *img = place_layout(p, below);
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
	static const struct range some[] = {
		{ 0, 700 },	      { 5 * CLUSTER + 1, CLUSTER }, { 9 * CLUSTER, 3 * CLUSTER },
		{ 512 * MiB - 1, 2 }, { 700 * MiB, 512 },	    { 2 * GiB + 511, 1 },
	};
	struct image *below = ranges_new(2 * GiB + 512, some, 6), *img = place_layout(*state, below);

	check_reads(img, CLUSTER);
	image_unref(img);
	image_unref(below);
}

/* A copy is as good as any qcow2: what a guest writes to it leaves it consistent. */
static void test_a_copy_can_be_written_to(void **state)
{
	const struct place *p = *state;
	static const struct range some[] = { { 0, 700 }, { 300 * MiB, CLUSTER } };
	struct image *below = ranges_new(GiB, some, 2), *img = place_layout(p, below);

	place_save(p, img);
	free(run("qemu-io -f qcow2 -c 'write -P 7 100 512' -c 'write -P 8 %" PRIu64
		 " 200k' -c 'write -P 9 900M 64k' "
		 "-c 'read -P 7 100 512' -c 'read -P 8 %" PRIu64 " 200k' %s 2>&1",
		 300 * MiB - 100 * KiB, 300 * MiB - 100 * KiB, p->file));
	place_check(p);
	image_unref(img);
	image_unref(below);
}

/* The most runs that are laid out exactly. */
static void test_64_gibibytes_of_alternating_clusters(void **state)
{
	const struct place *p = *state;
	struct image *below = alternating_new(64 * GiB, CLUSTER), *img = place_layout(p, below);
	struct map_figures figures;

	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 1 + RUNS_MAX);
	for (uint64_t at = 0; at < 64 * GiB; at += GiB - 3 * CLUSTER + 512) {
		assert_guest_sees(img, below, at);
		assert_int_equal(place_of(img, at) == 0, at / CLUSTER % 2);
	}
	place_save_head(p, img, place_of(img, 0));
	place_check(p);
	place_check_size(p, 64 * GiB);
	image_unref(img);
	image_unref(below);
}

static void test_more_runs_than_that_take_in_the_holes(void **state)
{
	const struct place *p = *state;
	struct image *below = alternating_new(64 * GiB + 2 * CLUSTER, CLUSTER), *img = place_layout(p, below);
	_cleanup_free_ char *said = described(img);
	struct map_figures figures;

	assert_says(said, "1048577 of 1048578 clusters allocated");
	assert_true(map_figures(img, &figures));
	assert_int_equal(figures.segments, 2);
	for (uint64_t at = 0; at < 64 * GiB; at += GiB - 3 * CLUSTER + 512)
		assert_guest_sees(img, below, at);
	assert_int_equal(image_extent(img, place_of(img, CLUSTER)).kind, EXTENT_ZERO);
	place_save_head(p, img, place_of(img, 0));
	place_check(p);
	image_unref(img);
	image_unref(below);
}

/* Where the short holes are, at the beginning or at the end, makes no difference. */
static void test_only_the_shortest_holes_are_taken_in(void **state)
{
	const struct place *p = *state;
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
		below = ranges_new(at, range, 2 * HALF);
		img = place_layout(p, below);
		said = described(img);
		(void)snprintf(want, sizeof(want), "    qcow2: %" PRIu64 " of ", allocated - !short_first);
		assert_says(said, want);
		for (unsigned i = 0; i < 2 * HALF; i += 9973)
			assert_guest_sees(img, below, range[i].offset);
		image_unref(img);
		image_unref(below);
	}
}

/* Every size of clusters, in both versions. The sizes of disks are about what one table of L2 speaks for. */
static void test_all_cluster_sizes(void **state)
{
	struct place *p = *state;

	for (uint64_t cluster = 512; cluster <= 2 * MiB; cluster *= 2) {
		const uint64_t table = cluster / 8 * cluster;
		const uint64_t disks[] = { 512,		cluster,     cluster + 512,
					   table - 512, table + 512, 3 * table + 512 };

		p->how.cluster = cluster;
		for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
			struct range ends[] = { { 0, 1 }, { disks[i] - 256, 256 } };
			char say[64];

			p->how.compat = i % 2 ? "0.10" : "1.1";
			place_judge(p, ranges_new(disks[i], ends, 2));
			place_check_info(p, i % 2 ? "\"compat\": \"0.10\"" : "\"compat\": \"1.1\"");
			(void)snprintf(say, sizeof(say), "\"cluster-size\": %" PRIu64 ",", cluster);
			place_check_info(p, say);
		}
	}
}

static void test_small_and_large_clusters_full_and_fragmented(void **state)
{
	static const uint64_t clusters[] = { 512, 4 * KiB, 2 * MiB };
	struct place *p = *state;

	for (size_t i = 0; i < 3; i++) {
		const struct range whole = { 0, 20 * MiB + 512 };

		p->how.cluster = clusters[i];
		place_judge(p, ranges_new(20 * MiB + 512, &whole, 1));
		place_judge(p, alternating_new(20 * MiB + 512, clusters[i]));
		place_judge(p, alternating_new(20 * MiB, 3 * clusters[i] / 2));
	}
}

/* The header of version 2 ends at 72; nothing behind it but the end of extensions. */
static void test_version_2_has_a_short_header(void **state)
{
	const struct range some = { 0, 512 };
	static const uint8_t zeros[CLUSTER - 72];
	struct place *p = *state;
	struct image *below = ranges_new(MiB, &some, 1), *img;
	uint8_t header[CLUSTER];

	p->how.compat = "0.10";
	img = place_layout(p, below);
	assert_int_equal(image_pread(img, header, sizeof(header), 0, NULL), 0);
	assert_int_equal(get_be32(header + 4), 2);
	assert_memory_equal(header + 72, zeros, sizeof(zeros));
	image_unref(img);
	image_unref(below);
}

static void test_version_2_can_be_written_to(void **state)
{
	struct place *p = *state;
	static const struct range some[] = { { 0, 700 }, { 300 * MiB, CLUSTER } };
	struct image *below = ranges_new(GiB, some, 2), *img;

	p->how.compat = "0.10";
	p->how.cluster = 4 * KiB;
	img = place_layout(p, below);
	place_save(p, img);
	free(run("qemu-io -f qcow2 -c 'write -P 7 100 512' -c 'write -P 9 900M 64k' -c 'read -P 7 100 512' %s "
		 "2>&1",
		 p->file));
	place_check(p);
	image_unref(img);
	image_unref(below);
}

static void test_refuses_what_no_cluster_is(void **state)
{
	static const uint64_t wrong[] = { 1, 256, 513, 3 * KiB, 2 * MiB + 512, 4 * MiB };
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		p->how.cluster = wrong[i];
		place_refuses(p, ranges_new(MiB, NULL, 0), -EINVAL, "a power of two from 512 to 2M, not '");
	}
}

static void test_refuses_unknown_versions(void **state)
{
	static const char *const wrong[] = { "", "0.1", "1.0", "2", "v3", "1.10" };
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		p->how.compat = wrong[i];
		place_refuses(p, ranges_new(MiB, NULL, 0), -EINVAL, "compat=0.10 and compat=1.1, not with");
	}
}

/* The limit of a disk grows with the square of the cluster, the one of the file in step, up to 2^56. */
static void test_limits_follow_the_cluster(void **state)
{
	static const struct {
		uint64_t cluster, disk;
		const char *disk_limit, *file_limit;
	} limits[] = {
		{ 512, 128 * GiB, "holds a disk of 128G at most", "may be of 128G at most" },
		{ 4 * KiB, 8 * TiB, "holds a disk of 8T at most", "may be of 8T at most" },
		{ 2 * MiB, 2048 * KiB * TiB, "holds a disk of 2097152T at most", "may be of 65536T at most" },
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct range whole = { 0, limits[i].disk };
		struct image *below = ranges_new(limits[i].disk, NULL, 0), *img;

		p->how.cluster = limits[i].cluster;
		img = place_layout(p, below);
		place_save(p, img);
		place_check_size(p, limits[i].disk);
		place_check(p);
		image_unref(img);
		image_unref(below);
		place_refuses(p, ranges_new(limits[i].disk + 512, NULL, 0), -EOPNOTSUPP, limits[i].disk_limit);
		place_refuses(p, ranges_new(limits[i].disk, &whole, 1), -EOPNOTSUPP, limits[i].file_limit);
	}
}

/* What QEMU takes at the limit it could also read from. */
static void test_data_at_the_end_of_the_largest_disk(void **state)
{
	const uint64_t size = 2048 * KiB * TiB;
	const struct range last = { size - 512, 512 };
	struct place *p = *state;
	struct image *below = ranges_new(size, &last, 1), *img;

	p->how.cluster = 2 * MiB;
	img = place_layout(p, below);
	place_save(p, img);
	place_check(p);
	place_check_byte(p, size - 1, ranges_byte(size - 1));
	image_unref(img);
	image_unref(below);
}

static void test_the_same_bytes_twice(void **state)
{
	static const struct range some[] = { { 0, 700 }, { 5 * CLUSTER + 1, CLUSTER }, { 512 * MiB - 1, 2 } };

	place_same_twice(*state, ranges_new(GiB, some, 3), ranges_new(GiB, some, 3));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, place_teardown)

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
		TEST(test_all_cluster_sizes),
		TEST(test_small_and_large_clusters_full_and_fragmented),
		TEST(test_version_2_has_a_short_header),
		TEST(test_version_2_can_be_written_to),
		TEST(test_refuses_what_no_cluster_is),
		TEST(test_refuses_unknown_versions),
		TEST(test_limits_follow_the_cluster),
		TEST(test_data_at_the_end_of_the_largest_disk),
		TEST(test_the_same_bytes_twice),
	};

	return cmocka_run_group_tests_name("qcow2", tests, NULL, NULL);
}
