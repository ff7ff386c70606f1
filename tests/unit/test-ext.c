/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing ext2, ext3 and ext4: filesystems made by mke2fs in many ways are grown,
 * written out, and judged by e2fsck and by the kernel. The matrix has rows for
 * every run and rows for GOALFS_TEST_LONG=1.
 */
#include "tests/unit/test.h"

#include <inttypes.h>

#include "backends/content/ext/super.h"
#include "base/bytes.h"
#include "tests/unit/ext.h"
#include "tests/unit/mounts.h"

/* The matrix. */

struct row {
	const char *name;
	const char *mkfs; /* program and options */
	uint64_t from, to;
	enum { QUICK, LONG } when;
	enum {
		MOUNT,
		NO_MOUNT = 1,
		EMPTY = 2
	} how; /* slow to mount, or not known to every kernel; mke2fs -d fails on it */
};

static const struct row rows[] = {
	{ "default 6G to 20G", "mkfs.ext4", 6 * GiB, 20 * GiB },
	{ "default 6G to 2T", "mkfs.ext4", 6 * GiB, 2 * TiB },
	{ "partial last group", "mkfs.ext4", 1000 * MiB, 3 * GiB },
	{ "inside the same last group", "mkfs.ext4", 520 * MiB, 600 * MiB },
	{ "one block more", "mkfs.ext4 -b 4096", 520 * MiB, 520 * MiB + 4096 },
	{ "one block before a group border", "mkfs.ext4 -b 4096", 384 * MiB - 4096, 1 * GiB },
	{ "to one block before a group border", "mkfs.ext4 -b 4096", 384 * MiB, 1 * GiB - 4096 },
	{ "odd sizes", "mkfs.ext4 -b 4096", 777 * MiB + 8192, 5 * GiB + 123 * MiB + 4096 + 512 },
	{ "64M to 3G", "mkfs.ext4", 64 * MiB, 3 * GiB },
	{ "one group to two", "mkfs.ext4 -b 4096", 100 * MiB, 200 * MiB },
	{ "1K blocks", "mkfs.ext4 -b 1024", 300 * MiB + 5 * KiB, 2 * GiB + 3 * KiB },
	{ "2K blocks", "mkfs.ext4 -b 2048", 700 * MiB, 4 * GiB },
	{ "no flex_bg", "mkfs.ext4 -O ^flex_bg", 1 * GiB, 5 * GiB },
	{ "uninit_bg", "mkfs.ext4 -O ^metadata_csum,uninit_bg", 1 * GiB, 5 * GiB },
	{ "uninit_bg, no 64bit", "mkfs.ext4 -O ^metadata_csum,^64bit,uninit_bg", 900 * MiB, 5 * GiB },
	{ "no 64bit", "mkfs.ext4 -O ^64bit", 900 * MiB, 5 * GiB },
	{ "no checksums, flex_bg", "mkfs.ext4 -O ^metadata_csum,^uninit_bg", 900 * MiB, 5 * GiB },
	{ "ext3", "mkfs.ext3", 900 * MiB, 5 * GiB },
	{ "ext2 1K", "mkfs.ext2 -b 1024", 90 * MiB, 700 * MiB },
	{ "ext2 4K", "mkfs.ext2 -b 4096", 900 * MiB, 5 * GiB },
	{ "ext2 revision 0", "mkfs.ext2 -r 0 -b 1024", 90 * MiB, 250 * MiB },
	{ "no resize_inode", "mkfs.ext4 -O ^resize_inode", 1 * GiB, 5 * GiB },
	{ "no resize_inode, beyond its descriptor block", "mkfs.ext4 -O ^resize_inode", 1 * GiB, 60 * GiB },
	{ "meta_bg", "mkfs.ext4 -O meta_bg,^resize_inode", 1 * GiB, 20 * GiB },
	{ "meta_bg 1K", "mkfs.ext4 -b 1024 -O meta_bg,^resize_inode", 150 * MiB, 1 * GiB },
	{ "meta_bg ext2 1K", "mkfs.ext2 -b 1024 -O meta_bg,^resize_inode", 200 * MiB, 1 * GiB },
	{ "meta_bg no flex_bg", "mkfs.ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg", 139 * MiB, 1 * GiB },
	{ "no sparse_super", "mkfs.ext4 -O ^sparse_super,^resize_inode", 1 * GiB, 5 * GiB },
	{ "no sparse_super ext2 1K", "mkfs.ext2 -b 1024 -O ^sparse_super,^resize_inode", 100 * MiB, 180 * MiB },
	{ "sparse_super2", "mkfs.ext4 -O sparse_super2,^resize_inode -b 4096", 1 * GiB, 7 * GiB },
	{ "sparse_super2, one backup", "mkfs.ext4 -O sparse_super2,^resize_inode -E num_backup_sb=1 -b 4096",
	  1 * GiB, 7 * GiB },
	{ "sparse_super2, no backup", "mkfs.ext4 -O sparse_super2,^resize_inode -E num_backup_sb=0 -b 4096",
	  1 * GiB, 7 * GiB },
	{ "sparse_super2, resize_inode", "mkfs.ext4 -O sparse_super2 -b 4096", 1 * GiB, 20 * GiB },
	{ "sparse_super2, no backup, resize_inode", "mkfs.ext4 -O sparse_super2 -E num_backup_sb=0 -b 4096",
	  1 * GiB, 20 * GiB },
	{ "sparse_super2, meta_bg", "mkfs.ext4 -O sparse_super2,meta_bg,^resize_inode -b 1024", 150 * MiB,
	  1 * GiB },
	{ "metadata_csum_seed", "mkfs.ext4 -O metadata_csum_seed", 900 * MiB, 3 * GiB },
	{ "orphan_file", "mkfs.ext4 -O orphan_file", 900 * MiB, 3 * GiB },
	{ "-G 64", "mkfs.ext4 -G 64", 3 * GiB, 20 * GiB },
	{ "-G 512", "mkfs.ext4 -G 512", 3 * GiB, 40 * GiB },
	{ "-G 2", "mkfs.ext4 -G 2", 900 * MiB, 5 * GiB },
	{ "-i 1024", "mkfs.ext4 -i 1024 -b 4096", 900 * MiB, 3 * GiB },
	{ "-i 65536", "mkfs.ext4 -i 65536", 900 * MiB, 3 * GiB },
	{ "tables that fill their groups", "mkfs.ext4 -b 1024 -i 1024 -I 512 -g 4096 -E resize=8192000",
	  300 * MiB, 2 * GiB },
	{ "-I 128", "mkfs.ext4 -I 128", 900 * MiB, 3 * GiB },
	{ "-I 512", "mkfs.ext4 -I 512", 900 * MiB, 3 * GiB },
	{ "no journal", "mkfs.ext4 -O ^has_journal", 900 * MiB, 3 * GiB },
	{ "-g 8192", "mkfs.ext4 -g 8192 -b 4096", 900 * MiB, 3 * GiB },
	{ "reserve used up exactly", "mkfs.ext4 -b 1024 -E resize=2097152", 300 * MiB, 2 * GiB },
	{ "reserve exhausted, 1K", "mkfs.ext4 -b 1024 -E resize=1000000", 300 * MiB, 3 * GiB },
	{ "reserve exhausted, 4K", "mkfs.ext4 -E resize=5000000", 3 * GiB, 40 * GiB },
	{ "reserve exhausted, one group", "mkfs.ext4 -b 1024 -O ^metadata_csum -E resize=1000000", 8 * MiB,
	  1 * GiB },
	{ "mmp", "mkfs.ext4 -O mmp", 900 * MiB, 3 * GiB, QUICK, NO_MOUNT },
	{ "quota", "mkfs.ext4 -O quota,project", 900 * MiB, 3 * GiB, QUICK, NO_MOUNT | EMPTY },
	{ "inline_data, large_dir, ea_inode, casefold, verity, encrypt, stable_inodes",
	  "mkfs.ext4 -O inline_data,large_dir,ea_inode,casefold,verity,encrypt,stable_inodes", 900 * MiB,
	  3 * GiB, QUICK, NO_MOUNT },

	{ "default 6G to 12T", "mkfs.ext4", 6 * GiB, 12 * TiB, LONG },
	{ "8M to 2T, 1K blocks", "mkfs.ext4 -b 1024", 8 * MiB, 2 * TiB, LONG },
	{ "ext2 6G to 200G, 1K blocks", "mkfs.ext2 -b 1024", 6 * GiB, 200 * GiB, LONG },
	{ "ext3 6G to 2T", "mkfs.ext3", 6 * GiB, 2 * TiB, LONG },
	{ "meta_bg 6G to 2T", "mkfs.ext4 -O meta_bg,^resize_inode", 6 * GiB, 2 * TiB, LONG },
	{ "no flex_bg 6G to 2T", "mkfs.ext4 -O ^flex_bg", 6 * GiB, 2 * TiB, LONG },
	{ "-G 128", "mkfs.ext4 -G 128", 3 * GiB, 100 * GiB, LONG },
	{ "-i 4096", "mkfs.ext4 -i 4096", 3 * GiB, 20 * GiB, LONG },
	{ "no sparse_super 6G to 500G", "mkfs.ext4 -O ^sparse_super,^resize_inode", 6 * GiB, 500 * GiB, LONG },
	{ "stride", "mkfs.ext4 -E stride=16,stripe_width=64", 1 * GiB, 20 * GiB, LONG },
	{ "reserved for root", "mkfs.ext4 -m 17", 1 * GiB, 20 * GiB, LONG },
};

static void assert_read_little(const struct grown *g)
{
	uint8_t disk[1024];
	struct read_count before = testimage_count(g->base);
	uint64_t groups;

	assert_int_equal(image_pread(g->base, disk, sizeof(disk), 1024, NULL), 0);
	groups = get_le32(disk) / get_le32(disk + 0x28);
	/* Two superblocks, the descriptors, two bitmaps, an inode, perhaps an mmp block, entries of the
	 * reserve. */
	assert_true(before.bytes <= 2048 + groups * 64 + 2 * 4096 + 512 + 1024 + 4 * 1028);
	/* Where descriptors are spread, each of their blocks is a read. */
	assert_true(before.reads <= 12 + groups / 16);
}

static void test_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(grown_done) struct grown g;
	struct content again;
	char path[512];

	extfs_make_filesystem(row->mkfs, row->from, !(row->how & EMPTY));
	if (extfs_grow_file(&g, "fs", row->to) != 0)
		fail_msg("%s", g.why.text);
	assert_read_little(&g);
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	extfs_assert_clean("grown");
	extfs_assert_shows_grown(g.img);
	assert_zeros_are_zero(g.img);
	assert_int_equal(ext_content.probe(g.img, &again, NULL), 0);
	assert_true(again.size > g.content.size && again.size <= row->to);
	if (!(row->how & NO_MOUNT))
		extfs_assert_usable("grown", again.size);
}

static void assert_grows(const char *name, uint64_t to)
{
	_cleanup_(grown_done) struct grown g;
	char path[512];

	if (extfs_grow_file(&g, name, to) != 0)
		fail_msg("%s", g.why.text);
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	extfs_assert_clean("grown");
}

static void test_grows_what_resize2fs_has_grown(void **state)
{
	extfs_make_filesystem("mkfs.ext4", 100 * MiB, true);
	extfs_must_run("truncate -s 1500M fs && e2fsck -fp fs && resize2fs fs");
	assert_grows("fs", 5 * GiB);
}

static void test_grows_again_what_it_has_grown(void **state)
{
	extfs_make_filesystem("mkfs.ext4", 100 * MiB, true);
	assert_grows("fs", 777 * MiB);
	extfs_must_run("mv grown fs");
	assert_grows("fs", 3 * GiB);
	extfs_must_run("mv grown fs");
	assert_grows("fs", 300 * GiB);
}

/* Growing, other than that it is right. */

static void test_is_deterministic(void **state)
{
	_cleanup_(grown_done) struct grown a, b;
	uint8_t *buf = malloc(2 * MiB);

	extfs_make_filesystem("mkfs.ext4", 1 * GiB, true);
	assert_int_equal(extfs_grow_file(&a, "fs", 20 * GiB), 0);
	assert_int_equal(extfs_grow_file(&b, "fs", 20 * GiB), 0);
	assert_string_equal(a.describe, b.describe);
	for (uint64_t at = 0; at < a.img->size;) {
		struct extent e = image_extent(a.img, at), f = image_extent(b.img, at);
		size_t n = min_u64(e.length, MiB);

		assert_int_equal(e.kind, f.kind);
		assert_int_equal(e.length, f.length);
		if (e.kind == EXTENT_DATA) {
			assert_int_equal(image_pread(a.img, buf, n, at, NULL), 0);
			assert_int_equal(image_pread(b.img, buf + MiB, n, at, NULL), 0);
			assert_memory_equal(buf, buf + MiB, n);
		}
		at += e.kind == EXTENT_DATA ? n : e.length;
	}
	free(buf);
}

static void test_new_inode_tables_need_no_lazy_init(void **state)
{
	_cleanup_(grown_done) struct grown g;
	char path[512];

	extfs_make_filesystem("mkfs.ext4", 1 * GiB, false);
	assert_int_equal(extfs_grow_file(&g, "fs", 4 * GiB), 0);
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	/* 8 old groups, 24 new ones. */
	extfs_must_run(
		"test $(dumpe2fs grown 2>/dev/null | grep '^Group' | tail -n 24 | grep -c ITABLE_ZEROED) = 24");
	extfs_must_run(
		"test $(dumpe2fs grown 2>/dev/null | grep '^Group' | tail -n 24 | grep -c INODE_UNINIT) = 24");
}

static void test_hides_what_stood_behind(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t buf[4096];
	char path[512];

	extfs_make_filesystem("mkfs.ext4", 1 * GiB, false);
	extfs_must_run("head -c 3M /dev/urandom >>fs");
	assert_int_equal(extfs_grow_file(&g, "fs", 4 * GiB), 0);
	assert_int_equal(image_pread(g.img, buf, sizeof(buf), 1 * GiB + MiB, NULL), 0);
	assert_true(bytes_are_zero(buf, sizeof(buf)));
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	extfs_assert_clean("grown");
}

static void test_memory_stays_small(void **state)
{
	const struct {
		uint64_t to, memory;
	} sizes[] = { { 20 * GiB, 256 * KiB }, { 2 * TiB, 256 * KiB }, { 16 * TiB, 256 * KiB } };

	extfs_make_filesystem("mkfs.ext4", 6 * GiB, true);
	for (int i = 0; i < 3; i++) {
		_cleanup_(grown_done) struct grown g;
		struct map_figures figures;

		assert_int_equal(extfs_grow_file(&g, "fs", sizes[i].to), 0);
		assert_true(map_figures(g.img, &figures));
		assert_true(figures.memory < sizes[i].memory);
	}
}

static void test_reads_a_handful_of_kilobytes(void **state)
{
	_cleanup_(grown_done) struct grown g;

	extfs_make_filesystem("mkfs.ext4", 6 * GiB, true);
	assert_int_equal(extfs_grow_file(&g, "fs", 20 * GiB), 0);
	/* The superblock twice, 48 descriptors of 64 bytes, an inode. */
	assert_int_equal(g.reads.reads, 4);
	assert_int_equal(g.reads.bytes, 2 * 1024 + 48 * 64 + 256);
}

static void test_fits_when_nothing_is_gained(void **state)
{
	const uint64_t gains[] = { 0, 1, 4095, MiB };

	extfs_make_filesystem("mkfs.ext4 -b 4096", 1 * GiB, false);
	for (int i = 0; i < 4; i++) {
		_cleanup_(grown_done) struct grown g;

		assert_int_equal(extfs_grow_file(&g, "fs", 1 * GiB + gains[i]), CONTENT_FITS);
	}
}

static void test_describes_the_growth(void **state)
{
	_cleanup_(grown_done) struct grown g;

	extfs_make_filesystem("mkfs.ext4 -b 4096", 6 * GiB, false);
	assert_int_equal(extfs_grow_file(&g, "fs", 20 * GiB), 0);
	assert_string_equal(g.describe, "ext4 grown from 6.00G to 20.0G, 48 to 160 groups");
}

static void test_says_when_descriptors_are_spread_from_now_on(void **state)
{
	_cleanup_(grown_done) struct grown g, h;

	extfs_make_filesystem("mkfs.ext4 -b 1024 -E resize=1000000", 300 * MiB, false);
	assert_int_equal(extfs_grow_file(&g, "fs", 3 * GiB), 0);
	assert_string_equal(g.describe,
			    "ext4 grown from 300M to 3.00G, 38 to 384 groups, with meta_bg from now on because "
			    "the reserve of its descriptors ends at 1.00G (GRUB reads it since 2.04)");
	assert_int_equal(extfs_grow_file(&h, "fs", 600 * MiB), 0);
	assert_string_equal(h.describe, "ext4 grown from 300M to 600M, 38 to 75 groups");
}

/* Probing. */

static void test_probe_tells_ext2_ext3_and_ext4_apart(void **state)
{
	const char *kinds[] = { "ext2", "ext3", "ext4" };

	for (int i = 0; i < 3; i++) {
		_cleanup_(grown_done) struct grown g;

		extfs_must_run("rm -f fs && truncate -s 16M fs && "
			       "mkfs.%s -q -F -L a-label -U 01234567-89ab-cdef-0123-456789abcdef fs",
			       kinds[i]);
		(void)extfs_grow_file(&g, "fs", 16 * MiB);
		assert_string_equal(g.content.kind, kinds[i]);
		assert_string_equal(g.content.label, "a-label");
		assert_string_equal(g.content.uuid, "01234567-89ab-cdef-0123-456789abcdef");
		assert_int_equal(g.content.size, 16 * MiB);
		assert_ptr_equal(g.content.ops, &ext_content);
		extfs_must_run("test $(blkid -p -s TYPE -o value fs) = %s", kinds[i]);
	}
}

static void test_probe_leaves_others_alone(void **state)
{
	static const uint8_t nothing[4096];
	const uint64_t sizes[] = { 512, 2047, 2048, MiB };

	for (int i = 0; i < 4; i++) {
		struct image *img = memimage_new(nothing, sizeof(nothing), sizes[i]);
		struct content c;

		assert_int_equal(ext_content.probe(img, &c, NULL), 1);
		image_unref(img);
	}
}

/* Refusals: a small filesystem in memory, changed in one place. */

static void seal_super(uint8_t *fs)
{
	put_le32(fs + 1024 + 0x3FC, ext_super_checksum((struct disk_ext_super *)(fs + 1024)));
}

static void assert_refused(const uint8_t *fs, size_t count, uint64_t to, int error, const char *sentence)
{
	_cleanup_(grown_done) struct grown g;
	int r = extfs_grow_memory(&g, fs, count, to);

	if (r != error || !strstr(g.why.text, sentence))
		fail_msg("got %d, '%s'; want %d, '%s'", r, g.why.text, error, sentence);
}

static void test_refuses_by_the_superblock(void **state)
{
	const struct {
		unsigned at, bytes;
		uint32_t set;
		int error;
		const char *sentence;
	} changes[] = {
		{ 0x3A, 2, 3, -EOPNOTSUPP, "ext4 is not clean: errors were found in it" },
		{ 0x3A, 2, 0, -EOPNOTSUPP, "ext4 is not clean: it was not unmounted" },
		{ 0x60, 4, 0x2CA, -EOPNOTSUPP, "this is the journal of an ext filesystem" },
		{ 0x60, 4, 0x800002C2, -EOPNOTSUPP, "not known here (incompat 0x80000000, ro_compat 0x0)" },
		{ 0x60, 4, 0x2D2, -EBADMSG, "resize_inode and meta_bg" },
		{ 0x64, 4, 0x80046B, -EOPNOTSUPP, "not known here (incompat 0x0, ro_compat 0x800000)" },
		{ 0x64, 4, 0x66B, -EOPNOTSUPP, "bigalloc" },
		{ 0x64, 4, 0x146B, -EOPNOTSUPP, "never to be written" },
		{ 0x64, 4, 0x446B, -EOPNOTSUPP, "never to be written" },
		{ 0x64, 4, 0x46A, -EBADMSG, "resize_inode without sparse_super" },
		{ 0x04, 4, 0xFFFFFFFF, -EBADMSG, "truncated image" },
		{ 0x150, 4, 0xFFFFFFFF, -EBADMSG, "claims 1" },
		{ 0x00, 4, 16, -EBADMSG, "claims 16 inodes in" },
		{ 0x08, 4, 0xFFFFFFFF, -EBADMSG, "reserves 4294967295" },
		{ 0x14, 4, 1, -EBADMSG, "claims block 1 for the first" },
		{ 0x18, 4, 7, -EBADMSG, "blocks of 2^17 bytes" },
		{ 0x18, 4, 0xFFFFFFFF, -EBADMSG, "blocks of 2^" },
		{ 0x1C, 4, 5, -EBADMSG, "clusters of 2^5 KiB" },
		{ 0x20, 4, 0, -EBADMSG, "claims 0 blocks a group" },
		{ 0x20, 4, 32769, -EBADMSG, "claims 32769 blocks a group" },
		{ 0x20, 4, 8, -EBADMSG, "claims" },
		{ 0x28, 4, 0, -EBADMSG, "claims 0 inodes a group" },
		{ 0x28, 4, 12, -EBADMSG, "claims 12 inodes a group" },
		{ 0x28, 4, 65536, -EBADMSG, "claims 65536 inodes a group" },
		{ 0x4C, 4, 2, -EBADMSG, "unknown revision 2" },
		{ 0x58, 2, 100, -EBADMSG, "inodes of 100 bytes" },
		{ 0x58, 2, 64, -EBADMSG, "inodes of 64 bytes" },
		{ 0x58, 2, 8192, -EBADMSG, "inodes of 8192 bytes" },
		{ 0xFE, 2, 48, -EBADMSG, "group descriptors of 48 bytes" },
		{ 0xFE, 2, 32, -EBADMSG, "group descriptors of 32 bytes" },
		{ 0xFE, 2, 2048, -EBADMSG, "group descriptors of 2048 bytes" },
		{ 0xCE, 2, 0xFFFF, -EBADMSG, "reserves 65535 blocks for descriptors" },
		{ 0xCE, 2, 5, -EBADMSG, "not the reserve" },
		{ 0x175, 1, 2, -EBADMSG, "checksum type 2" },
	};
	_cleanup_free_ uint8_t *fs = NULL, *changed = NULL;
	size_t count;

	extfs_make_filesystem("mkfs.ext4 -b 4096", 64 * MiB, false);
	fs = extfs_load("fs", &count);
	changed = malloc(count);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(changed, fs, count);
		for (unsigned b = 0; b < changes[i].bytes; b++)
			changed[1024 + changes[i].at + b] = (uint8_t)(changes[i].set >> 8 * b);
		seal_super(changed);
		assert_refused(changed, count, 1 * GiB, changes[i].error, changes[i].sentence);
	}
}

static void test_refuses_bigalloc(void **state)
{
	_cleanup_(grown_done) struct grown g;

	extfs_make_filesystem("mkfs.ext4 -O bigalloc", 64 * MiB, false);
	assert_int_equal(extfs_grow_file(&g, "fs", 1 * GiB), -EOPNOTSUPP);
	assert_string_equal(g.why.text, "ext4 with bigalloc can't be dealt with here");
}

static void test_refuses_a_truncated_image(void **state)
{
	_cleanup_(grown_done) struct grown g;

	extfs_make_filesystem("mkfs.ext4", 64 * MiB, false);
	extfs_must_run("truncate -s 60M fs");
	assert_int_equal(extfs_grow_file(&g, "fs", 1 * GiB), -EBADMSG);
	assert_string_equal(g.why.text, "ext4 takes 64M, but there are only 60M: truncated image");
}

static void test_refuses_a_filesystem_in_use_elsewhere(void **state)
{
	_cleanup_free_ uint8_t *fs = NULL;
	struct disk_ext_mmp *mmp;
	size_t count;

	extfs_make_filesystem("mkfs.ext4 -O mmp,^metadata_csum -b 4096", 64 * MiB, false);
	fs = extfs_load("fs", &count);
	mmp = (struct disk_ext_mmp *)(fs + get_le64(fs + 1024 + 0x168) * 4096);
	put_le32(mmp->sequence, 17);
	assert_refused(fs, count, 1 * GiB, -EOPNOTSUPP, "in use elsewhere");
	put_le32(mmp->magic, 17);
	assert_refused(fs, count, 1 * GiB, -EBADMSG, "mmp block of ext4 is damaged");
	put_le64(fs + 1024 + 0x168, count / 4096);
	assert_refused(fs, count, 1 * GiB, -EBADMSG, "mmp block at");
}

static void test_refuses_what_its_numbers_cannot_count(void **state)
{
	_cleanup_(grown_done) struct grown g, h;

	extfs_make_filesystem("mkfs.ext4 -O ^64bit -b 4096", 64 * MiB, false);
	assert_int_equal(extfs_grow_file(&g, "fs", 17 * TiB), -EOPNOTSUPP);
	assert_string_equal(g.why.text,
			    "ext4 can grow to 17179869180K at most: its block and inode numbers end there");
	/* The one block that 16T has too many is left. */
	assert_int_equal(extfs_grow_file(&h, "fs", 16 * TiB), 0);
}

static void test_refuses_more_descriptors_than_sparse_super2_has_room_for(void **state)
{
	_cleanup_(grown_done) struct grown g;

	extfs_make_filesystem("mkfs.ext4 -O sparse_super2,^resize_inode -b 4096", 1 * GiB, false);
	assert_int_equal(extfs_grow_file(&g, "fs", 20 * GiB), -EOPNOTSUPP);
	assert_string_equal(g.why.text,
			    "ext4 can grow to 8G at most: it has sparse_super2, and its descriptors have no "
			    "more room");
}

static void test_refuses_more_descriptors_than_revision_0_has_room_for(void **state)
{
	_cleanup_(grown_done) struct grown g;

	extfs_make_filesystem("mkfs.ext2 -r 0 -b 1024", 90 * MiB, false);
	assert_int_equal(extfs_grow_file(&g, "fs", 400 * MiB), -EOPNOTSUPP);
	assert_string_equal(g.why.text,
			    "ext2 can grow to 262145K at most: it is of revision 0, and its descriptors have "
			    "no more room");
}

/* Damage. */

struct range {
	size_t at, count;
};

/* What growing reads of a filesystem of one head with its descriptors in a row: see assert_read_little. */
static size_t structures_of(const uint8_t *fs, struct range ranges[static 5])
{
	const uint8_t *super = fs + 1024;
	size_t block_size = 1024u << get_le32(super + 0x18), first = get_le32(super + 0x14);
	size_t desc_size = get_le32(super + 0x60) & 0x80 ? 64 : 32;
	size_t groups = get_le32(super) / get_le32(super + 0x28);
	const uint8_t *descs = fs + (first + 1) * block_size, *last = descs + (groups - 1) * desc_size;
	size_t inode = get_le32(descs + 8) * block_size + 6 * (size_t)get_le16(super + 0x58);

	ranges[0] = (struct range){ 1024, 1024 };
	ranges[1] = (struct range){ (first + 1) * block_size, groups * desc_size };
	ranges[2] = (struct range){ get_le32(last) * block_size, block_size };
	ranges[3] = (struct range){ inode, get_le16(super + 0x58) };
	/* Two of the entries that list the reserve: they become descriptors. */
	ranges[4] = (struct range){ get_le32(fs + inode + 0x28 + 13 * 4) * block_size + 4, 8 };
	return 5;
}

/* Whether a byte at `at` of a structure is covered by a checksum, in filesystems that have them. */
static bool is_covered(const uint8_t *fs, size_t structure, size_t at)
{
	uint32_t blocks_per_group = get_le32(fs + 1024 + 0x20);

	return structure < 2 || (structure == 2 && at < blocks_per_group / 8) || structure == 3;
}

/*
 * Each byte of them damaged in turn: growing refuses, or it makes nothing worse. A
 * filesystem that e2fsck takes for sound before is sound after.
 */
static void check_damage(const char *mkfs, bool has_checksums)
{
	_cleanup_free_ uint8_t *fs = NULL;
	size_t count, n, step = getenv("GOALFS_TEST_LONG") ? 3 : 149;
	unsigned worse = 0;
	struct range ranges[5];
	char path[512];

	extfs_make_filesystem(mkfs, 20 * MiB, false);
	fs = extfs_load("fs", &count);
	n = structures_of(fs, ranges);
	for (size_t i = 0; i < n; i++)
		for (size_t at = i; at < ranges[i].count; at += step) {
			_cleanup_(grown_done) struct grown g;
			size_t where = ranges[i].at + at;

			fs[where] ^= 0x10;
			if (extfs_grow_memory(&g, fs, count, 80 * MiB) == 0) {
				assert_false(has_checksums && is_covered(fs, i, at));
				extfs_store("damaged", fs, count);
				assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
				if (extfs_run("e2fsck -fn damaged && " E2FSCK_SAID_NOTHING) == 0 &&
				    extfs_run("e2fsck -fn grown && " E2FSCK_SAID_NOTHING) != 0) {
					print_error("byte %zu of structure %zu\n", at, i);
					worse++;
				}
			}
			fs[where] ^= 0x10;
		}
	assert_int_equal(worse, 0);
}

static void test_damage_under_checksums(void **state)
{
	check_damage("mkfs.ext4 -b 1024 -g 2048 -N 256", true);
}

static void test_damage_without_checksums(void **state)
{
	check_damage("mkfs.ext3 -b 1024 -g 2048 -N 256", false);
}

static void test_damage_without_checksums_with_flex_bg(void **state)
{
	check_damage("mkfs.ext4 -b 1024 -g 2048 -N 256 -O ^metadata_csum,^uninit_bg", false);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_grows_what_resize2fs_has_grown),
		cmocka_unit_test(test_grows_again_what_it_has_grown),
		cmocka_unit_test(test_is_deterministic),
		cmocka_unit_test(test_new_inode_tables_need_no_lazy_init),
		cmocka_unit_test(test_hides_what_stood_behind),
		cmocka_unit_test(test_memory_stays_small),
		cmocka_unit_test(test_reads_a_handful_of_kilobytes),
		cmocka_unit_test(test_fits_when_nothing_is_gained),
		cmocka_unit_test(test_describes_the_growth),
		cmocka_unit_test(test_says_when_descriptors_are_spread_from_now_on),
		cmocka_unit_test(test_probe_tells_ext2_ext3_and_ext4_apart),
		cmocka_unit_test(test_probe_leaves_others_alone),
		cmocka_unit_test(test_refuses_by_the_superblock),
		cmocka_unit_test(test_refuses_bigalloc),
		cmocka_unit_test(test_refuses_a_truncated_image),
		cmocka_unit_test(test_refuses_a_filesystem_in_use_elsewhere),
		cmocka_unit_test(test_refuses_what_its_numbers_cannot_count),
		cmocka_unit_test(test_refuses_more_descriptors_than_sparse_super2_has_room_for),
		cmocka_unit_test(test_refuses_more_descriptors_than_revision_0_has_room_for),
		cmocka_unit_test(test_damage_under_checksums),
		cmocka_unit_test(test_damage_without_checksums),
		cmocka_unit_test(test_damage_without_checksums_with_flex_bg),
	};
	const size_t n_others = sizeof(others) / sizeof(others[0]), n_rows = sizeof(rows) / sizeof(rows[0]);
	struct CMUnitTest tests[sizeof(others) / sizeof(others[0]) + sizeof(rows) / sizeof(rows[0])];
	size_t n = 0;

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i].when == QUICK || getenv("GOALFS_TEST_LONG"))
			tests[n++] =
				(struct CMUnitTest){ rows[i].name, test_row, NULL, NULL, (void *)&rows[i] };
	memcpy(tests + n, others, sizeof(others));
	return mounts_of_our_own()
		       ?: _cmocka_run_group_tests("ext", tests, n + n_others, extfs_setup, extfs_teardown);
}
