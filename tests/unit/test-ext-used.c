/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ext doesn't use: on disks that were full of random bytes before mke2fs came,
 * zeros in place of what is said to be unused must make no difference to e2fsck, to the
 * kernel, to any file, nor to growing.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/content/ext/super.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "tests/unit/ext.h"
#include "tests/unit/mounts.h"

/* An image with zeros where its filesystem uses nothing. */
struct sparse {
	int fd;
	struct image *base, *img;
	struct content content;
	struct unused unused;
	struct why why;
};

static void sparse_done(struct sparse *s)
{
	image_unref(s->img);
	image_unref(s->base);
	if (s->fd >= 0)
		(void)close(s->fd);
}

/* Of s->base; what `unused` returned. */
static int make_sparse(struct sparse *s)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(s->base->size, s->base);
	int r;

	assert_non_null(draft);
	r = ext_content.probe(s->base, &s->content, &s->why);
	if (r != 0)
		return r;
	unused_begin(&s->unused, draft, 0);
	r = ext_content.unused(s->base, &s->content, &s->unused, &s->why);
	if (r != 0)
		return r;
	unused_end(&s->unused);
	assert_int_equal(map_seal(take(draft), "test", NULL, &s->img, &s->why), 0);
	return 0;
}

static int make_sparse_file(struct sparse *s, const char *name)
{
	char path[512];

	*s = (struct sparse){ .fd = open(extfs_path(path, name), O_RDONLY | O_CLOEXEC) };
	assert_true(s->fd >= 0);
	s->base = fdimage_new(s->fd, 0);
	return make_sparse(s);
}

struct row {
	const char *name;
	const char *mkfs; /* program and options */
	uint64_t size, to;
};

static const struct row rows[] = {
	{ "default", "mkfs.ext4 -b 4096", 200 * MiB, 3 * GiB },
	{ "1K blocks", "mkfs.ext4 -b 1024", 90 * MiB, 1 * GiB },
	{ "2K blocks, odd size", "mkfs.ext4 -b 2048", 100 * MiB + 2 * KiB, 1 * GiB },
	{ "uninit_bg", "mkfs.ext4 -b 1024 -O ^metadata_csum,uninit_bg", 90 * MiB, 1 * GiB },
	{ "no checksums", "mkfs.ext4 -b 1024 -O ^metadata_csum,^uninit_bg", 90 * MiB, 1 * GiB },
	{ "no flex_bg", "mkfs.ext4 -b 1024 -O ^flex_bg", 90 * MiB, 1 * GiB },
	{ "no 64bit", "mkfs.ext4 -b 1024 -O ^64bit", 90 * MiB, 1 * GiB },
	{ "meta_bg", "mkfs.ext4 -b 1024 -O meta_bg,^resize_inode", 150 * MiB, 1 * GiB },
	{ "meta_bg from now on", "mkfs.ext4 -b 1024 -E resize=200000", 90 * MiB, 2 * GiB },
	{ "sparse_super2", "mkfs.ext4 -b 1024 -O sparse_super2", 90 * MiB, 1 * GiB },
	{ "ext3", "mkfs.ext3 -b 1024", 90 * MiB, 1 * GiB },
	{ "ext2 4K", "mkfs.ext2 -b 4096", 150 * MiB, 1 * GiB },
	{ "orphan_file, fast_commit", "mkfs.ext4 -b 1024 -O orphan_file,fast_commit", 90 * MiB, 1 * GiB },
	{ "-G 64", "mkfs.ext4 -b 1024 -G 64 -g 1024", 90 * MiB, 1 * GiB },
	{ "-i 1024", "mkfs.ext4 -b 1024 -i 1024", 90 * MiB, 1 * GiB },
	{ "no journal", "mkfs.ext4 -b 1024 -O ^has_journal", 90 * MiB, 1 * GiB },
};

/* Behind what mke2fs writes the disk is full of noise, which lazy initialization would have to clear. */
static void make_noisy(const char *mkfs, uint64_t size)
{
	const char *lazy = strstr(mkfs, "ext2") || strstr(mkfs, "ext3") || strstr(mkfs, "^uninit_bg")
				   ? "nodiscard"
				   : "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
	const char *more = strstr(mkfs, "-E ");
	char options[256];

	if (more)
		(void)snprintf(options, sizeof(options), "%s,%s", mkfs, lazy);
	else
		(void)snprintf(options, sizeof(options), "%s -E %s", mkfs, lazy);
	extfs_must_run("rm -f fs && head -c %" PRIu64 " /dev/urandom >fs && %s -q -F -d content fs", size,
		       options);
	/* Some files more, and holes where others were. */
	extfs_must_run("mount -o loop,noinit_itable fs mnt && trap 'umount %s/mnt' EXIT && (cd mnt && "
		       "mkdir more && for i in $(seq 300); do echo $i >more/$i; done && "
		       "head -c 3M /dev/zero | tr '\\0' y >a && cp a b && cp a c && sync -f . && "
		       "rm -f b more/*[13579])",
		       extfs_top);
}

/* Free blocks as dumpe2fs counts them, in bytes; and those of the journal. */
static uint64_t free_bytes(const struct sparse *s)
{
	uint8_t disk[1024];

	assert_int_equal(image_pread(s->base, disk, sizeof(disk), 1024, NULL), 0);
	return (uint64_t)get_le32(disk + 0xC) * (1024u << get_le32(disk + 0x18));
}

static void test_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(sparse_done) struct sparse s;
	_cleanup_(grown_done) struct grown g;
	char path[512];

	make_noisy(row->mkfs, row->size);
	if (make_sparse_file(&s, "fs") != 0)
		fail_msg("%s", s.why.text);
	assert_int_equal(testimage_save(s.img, extfs_path(path, "sparse")), 0);
	extfs_assert_clean("sparse");
	assert_true(s.unused.bytes >= free_bytes(&s));
	if (extfs_grow_file(&g, "sparse", row->to) != 0)
		fail_msg("%s", g.why.text);
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	extfs_assert_clean("grown");
	extfs_assert_shows_grown(g.img);
	extfs_assert_usable("grown", row->to);
	extfs_assert_usable("sparse", row->size);
}

/* How much it is, and what it costs. */

static void test_gives_tables_and_journal_that_nobody_reads(void **state)
{
	_cleanup_(sparse_done) struct sparse s;

	/* 32 MiB of inode tables and 8 MiB of journal; 1 MiB is reserved for descriptors. */
	extfs_make_filesystem("mkfs.ext4 -b 4096 -N 131072 -J size=8 -E lazy_itable_init=1", 1 * GiB, false);
	if (make_sparse_file(&s, "fs") != 0)
		fail_msg("%s", s.why.text);
	assert_true(s.content.size - s.unused.bytes < 2 * MiB);
	/* Group 0's reserve lists its copies: 4K for each 4K of them. */
	assert_true(s.content.size - s.unused.bytes > 64 * KiB);
	assert_true(s.unused.runs < 60);
}

static void test_gives_nothing_of_a_full_filesystem(void **state)
{
	_cleanup_(sparse_done) struct sparse s;

	extfs_make_filesystem("mkfs.ext2 -b 4096 -N 64 -O ^resize_inode", 64 * MiB, false);
	extfs_must_run("mount -o loop fs mnt && trap 'umount %s/mnt' EXIT && { yes >mnt/full || :; }",
		       extfs_top);
	assert_int_equal(make_sparse_file(&s, "fs"), 0);
	assert_int_equal(s.unused.bytes, 0);
}

static void test_reads_descriptors_and_bitmaps(void **state)
{
	_cleanup_(sparse_done) struct sparse s;
	struct read_count reads;

	extfs_make_filesystem("mkfs.ext4 -b 4096", 2 * GiB, true);
	assert_int_equal(make_sparse_file(&s, "fs"), 0);
	reads = testimage_count(s.base);
	/*
	 * Two superblocks, 16 descriptors and one of them again, the journal's inode and superblock, and
	 * bitmaps: of the groups that have tables, files, a superblock or the journal, and of the last.
	 */
	assert_true(reads.bytes <= 2 * 1024 + 17 * 64 + 256 + 1024 + 10 * 4096);
}

/* What it keeps its hands off. */

static void assert_kept(const char *name, int error, const char *sentence)
{
	_cleanup_(sparse_done) struct sparse s;
	int r = make_sparse_file(&s, name);

	if (r != error || !strstr(s.why.text, sentence))
		fail_msg("got %d, '%s'; want %d, '%s'", r, s.why.text, error, sentence);
}

static void test_keeps_all_of_a_filesystem_in_use(void **state)
{
	extfs_make_filesystem("mkfs.ext4 -b 4096", 64 * MiB, false);
	extfs_must_run(
		"mount -o loop fs mnt && trap 'umount %s/mnt' EXIT && touch mnt/a && sync mnt/a && cp fs dirty",
		extfs_top);
	assert_kept("dirty", -EOPNOTSUPP, "its journal must be replayed first");
	extfs_must_run("cp fs errors && debugfs -w -R 'ssv state 3' errors");
	assert_kept("errors", -EOPNOTSUPP, "ext4 is not clean: errors were found in it");
	extfs_must_run("cp fs open && debugfs -w -R 'ssv state 0' open");
	assert_kept("open", -EOPNOTSUPP, "ext4 is not clean: it was not unmounted");
}

static void test_keeps_all_of_what_it_does_not_know(void **state)
{
	extfs_make_filesystem("mkfs.ext4 -O bigalloc", 64 * MiB, false);
	assert_kept("fs", -EOPNOTSUPP, "ext4 with bigalloc can't be dealt with here");
}

/* The journal is not all: what is odd about it costs no more than its own blocks. */
static void test_keeps_an_odd_journal(void **state)
{
	_cleanup_(sparse_done) struct sparse plain, odd;

	extfs_make_filesystem("mkfs.ext4 -b 4096 -O ^metadata_csum -J size=8", 64 * MiB, false);
	assert_int_equal(make_sparse_file(&plain, "fs"), 0);
	extfs_must_run("j=$(debugfs -R 'bmap <8> 0' fs 2>/dev/null) && cp fs odd && printf '\\100' | "
		       "dd of=odd bs=1 seek=$((j * 4096 + 40)) conv=notrunc");
	assert_int_equal(make_sparse_file(&odd, "odd"), 0);
	assert_int_equal(plain.unused.bytes - odd.unused.bytes, 8 * MiB - 4096);
	/* A log that nobody says must be replayed is left alone, too. */
	extfs_must_run("j=$(debugfs -R 'bmap <8> 0' fs 2>/dev/null) && cp fs odd && printf '\\001' | "
		       "dd of=odd bs=1 seek=$((j * 4096 + 31)) conv=notrunc");
	sparse_done(&odd);
	assert_int_equal(make_sparse_file(&odd, "odd"), 0);
	assert_int_equal(plain.unused.bytes - odd.unused.bytes, 8 * MiB - 4096);
}

/* Damage. */

static int make_sparse_memory(struct sparse *s, const uint8_t *bytes, size_t count)
{
	*s = (struct sparse){ .fd = -1, .base = memimage_new(bytes, count, count) };
	return make_sparse(s);
}

/* `at` is damaged, and nothing is unused any more. */
static void assert_noticed(uint8_t *fs, size_t count, size_t at, const char *sentence)
{
	_cleanup_(sparse_done) struct sparse s;

	fs[at] ^= 0x40;
	if (make_sparse_memory(&s, fs, count) != -EBADMSG || !strstr(s.why.text, sentence))
		fail_msg("byte %zu: got '%s', want '%s'", at, s.why.text, sentence);
	fs[at] ^= 0x40;
}

static void test_notices_damage_under_checksums(void **state)
{
	_cleanup_free_ uint8_t *fs = NULL;
	const uint8_t *descs;
	size_t count, bitmap;

	extfs_make_filesystem("mkfs.ext4 -b 1024 -g 2048", 20 * MiB, false);
	fs = extfs_load("fs", &count);
	descs = fs + 2048;
	bitmap = (size_t)get_le32(descs) * 1024;
	for (size_t at = 0; at < 1024; at += 31)
		if (at < 0x38 || at >= 0x3A) /* its magic */
			assert_noticed(fs, count, 1024 + at, "");
	for (size_t at = 0; at < 10 * 64; at += 7)
		assert_noticed(fs, count, 2048 + at, "the descriptor of group");
	for (size_t at = 0; at < 2048 / 8; at += 13)
		assert_noticed(fs, count, bitmap + at,
			       "the block bitmap of group 0 of ext4 has a wrong checksum");
	assert_noticed(fs, count, (size_t)get_le32(descs + 8) * 1024 + 7 * 256 + 0x30,
		       "inode 8 of ext4 has a wrong checksum");
}

static void test_notices_damage_without_checksums(void **state)
{
	_cleanup_free_ uint8_t *fs = NULL;
	size_t count, bitmap;

	extfs_make_filesystem("mkfs.ext2 -b 1024 -g 2048", 20 * MiB, false);
	fs = extfs_load("fs", &count);
	bitmap = (size_t)get_le32(fs + 2048) * 1024;
	assert_noticed(fs, count, bitmap + 100, "free blocks, but its bitmap has");
	assert_noticed(fs, count, 2048 + 0xC, "free blocks, but its bitmap has");
	assert_noticed(fs, count, 2048 + 32, "overlap");
}

static void test_notices_a_truncated_image(void **state)
{
	extfs_make_filesystem("mkfs.ext4 -b 4096", 64 * MiB, false);
	extfs_must_run("truncate -s 60M fs");
	assert_kept("fs", -EBADMSG, "truncated image");
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_gives_tables_and_journal_that_nobody_reads),
		cmocka_unit_test(test_gives_nothing_of_a_full_filesystem),
		cmocka_unit_test(test_reads_descriptors_and_bitmaps),
		cmocka_unit_test(test_keeps_all_of_a_filesystem_in_use),
		cmocka_unit_test(test_keeps_all_of_what_it_does_not_know),
		cmocka_unit_test(test_keeps_an_odd_journal),
		cmocka_unit_test(test_notices_damage_under_checksums),
		cmocka_unit_test(test_notices_damage_without_checksums),
		cmocka_unit_test(test_notices_a_truncated_image),
	};
	const size_t n_rows = sizeof(rows) / sizeof(rows[0]);
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0]) + sizeof(others) / sizeof(others[0])];
	size_t n = 0;

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	for (size_t i = 0; i < n_rows; i++)
		tests[n++] = (struct CMUnitTest){ rows[i].name, test_row, NULL, NULL, (void *)&rows[i] };
	memcpy(tests + n, others, sizeof(others));
	n += sizeof(others) / sizeof(others[0]);
	return mounts_of_our_own()
		       ?: _cmocka_run_group_tests("ext-used", tests, n, extfs_setup, extfs_teardown);
}
