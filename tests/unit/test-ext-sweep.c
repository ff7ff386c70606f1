/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing ext by any amount: from and to sizes around every border there is, of groups,
 * of flex groups, of descriptor blocks, and of the MiB that partitions are aligned to. Small
 * groups put them close together. Judged by e2fsck. Every 13th pair is tried;
 * GOALFS_TEST_LONG=1 tries all.
 */
#include "tests/unit/test.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "tests/unit/ext.h"

#define SAMPLED 13

/* Borders in groups; 0 ends them. */
struct sweep {
	const char *name, *mkfs;
	uint64_t block, group; /* bytes */
	uint64_t from[4], to[6];
};

#define SMALL "-b 1024 -g 1024 -N 256 -I 128 "

static const struct sweep sweeps[] = {
	/* 16 descriptors of 64 bytes a block, flex groups of 4. */
	{ "ext4",
	  "mkfs.ext4 " SMALL "-G 4 -J size=1 -E resize=100000",
	  KiB,
	  MiB,
	  { 5, 8, 16 },
	  { 9, 12, 16, 32, 48 } },
	{ "ext4 without flex_bg",
	  "mkfs.ext4 " SMALL "-O ^flex_bg -E resize=100000 -J size=1",
	  KiB,
	  MiB,
	  { 5, 16 },
	  { 6, 17, 32 } },
	{ "meta_bg",
	  "mkfs.ext4 " SMALL "-G 4 -J size=1 -O meta_bg,^resize_inode",
	  KiB,
	  MiB,
	  { 5, 15, 16, 17 },
	  { 18, 31, 32, 33, 48 } },
	/* The reserve ends with 48 groups. */
	{ "meta_bg from now on",
	  "mkfs.ext4 " SMALL "-G 4 -J size=1 -E resize=49152",
	  KiB,
	  MiB,
	  { 5, 16 },
	  { 32, 47, 48, 49, 50 } },
	/* 32 of 32 bytes. */
	{ "uninit_bg",
	  "mkfs.ext4 " SMALL "-G 2 -J size=1 -O ^metadata_csum,^64bit,uninit_bg -E resize=100000",
	  KiB,
	  MiB,
	  { 5, 16, 32 },
	  { 33, 64 } },
	{ "ext2", "mkfs.ext2 " SMALL "-E resize=100000", KiB, MiB, { 5, 32 }, { 6, 33, 64 } },
	{ "sparse_super2",
	  "mkfs.ext4 " SMALL "-G 4 -J size=1 -O sparse_super2 -E resize=100000",
	  KiB,
	  MiB,
	  { 5, 16 },
	  { 6, 16, 17, 32 } },
	/* Groups of 128 MiB, 16 a flex group, 64 a descriptor block. */
	{ "as mke2fs has it",
	  "mkfs.ext4 -b 4096 -N 16384",
	  4 * KiB,
	  128 * MiB,
	  { 1, 4, 16 },
	  { 5, 16, 32, 64 } },
};

/* Round a border that lies `border` bytes into the groups. */
static uint64_t size_at(const struct sweep *s, uint64_t groups, unsigned place)
{
	const int64_t off[] = {
		-(int64_t)MiB,		-(int64_t)s->block,	 -512, 0, 512, (int64_t)s->block,
		40 * (int64_t)s->block, 120 * (int64_t)s->block, MiB
	};
	/* Groups of 1 KiB blocks begin with block 1: the borders are one block behind those of the MiB. */
	uint64_t border = groups * s->group + (s->block == KiB ? KiB : 0);

	return border + (uint64_t)off[place];
}

#define PLACES 9

static void check(const struct sweep *s, uint64_t from, uint64_t to)
{
	_cleanup_(grown_done) struct grown g;
	struct content again;
	char path[512];
	int r = extfs_grow_file(&g, "fs", to);

	if (r == CONTENT_FITS) {
		assert_true(to < g.content.size + s->group);
		return;
	}
	if (r != 0)
		fail_msg("%" PRIu64 " to %" PRIu64 ": %s", from, to, g.why.text);
	assert_int_equal(ext_content.probe(g.img, &again, NULL), 0);
	assert_true(again.size > g.content.size && again.size <= to && to < again.size + s->group);
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	if (extfs_run("e2fsck -fn grown && " E2FSCK_SAID_NOTHING) != 0)
		print_error("%" PRIu64 " to %" PRIu64 "\n", from, to);
	extfs_assert_clean("grown");
}

static void test_sweep(void **state)
{
	const struct sweep *s = *state;
	unsigned dice = 0, tried = 0;

	for (unsigned i = 0; i < 4 * PLACES && s->from[i / PLACES]; i++) {
		uint64_t from = size_at(s, s->from[i / PLACES], i % PLACES);
		bool is_made = false;

		for (unsigned j = 0; j < 6 * PLACES && s->to[j / PLACES]; j++) {
			uint64_t to = size_at(s, s->to[j / PLACES], j % PLACES);

			if (to < from || (!getenv("GOALFS_TEST_LONG") && dice++ % SAMPLED))
				continue;
			if (!is_made)
				extfs_make_filesystem(s->mkfs, from, false);
			is_made = true;
			check(s, from, to);
			tried++;
		}
	}
	assert_true(tried > 10);
}

int main(void)
{
	const size_t n = sizeof(sweeps) / sizeof(sweeps[0]);
	struct CMUnitTest tests[sizeof(sweeps) / sizeof(sweeps[0])];

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){ sweeps[i].name, test_sweep, NULL, NULL, (void *)&sweeps[i] };
	return _cmocka_run_group_tests("ext-sweep", tests, n, extfs_setup, extfs_teardown);
}
