/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing XFS: filesystems made by mkfs.xfs in many ways are grown, written out,
 * and judged by xfs_repair, by the kernel, and by what the kernel's own growfs makes of them.
 * The matrix has rows for every run and rows for GOALFS_TEST_LONG=1.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "backends/content/content.h"
#include "backends/content/unused.h"
#include "backends/content/xfs/tree.h"
#include "base/bytes.h"
#include "tests/unit/contents.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"
#include "tests/unit/mounts.h"

/* mkfs.xfs makes nothing smaller than 300 MiB, but for who says so. */
#define SMALL " --unsupported"

static int setup(void **state)
{
	if (disk_dir_setup(state) < 0)
		return -1;
	return sh_status("mkdir -p mnt content/deep/er && cd content && : >empty && echo five >five && "
			 "seq 1 200000 >deep/numbers && seq 1 3 900000 | xz -0 >deep/er/dense && "
			 "ln -s deep/numbers link && for i in $(seq 50); do echo $i >deep/small$i; done && "
			 "find . -type f | xargs sha256sum >../sums && cd .. && "
			 /* The same as a prototype for mkfs, which puts it there where the kernel can't. */
			 "{ echo x; echo 0 0; echo d--755 0 0; echo : ; echo empty ---644 0 0 content/empty; "
			 "echo five ---644 0 0 content/five; echo deep d--755 0 0; "
			 "echo numbers ---644 0 0 content/deep/numbers; "
			 "for i in $(seq 50); do echo small$i ---644 0 0 content/deep/small$i; done; "
			 "echo er d--755 0 0; echo dense ---644 0 0 content/deep/er/dense; echo '$'; echo '$'; "
			 "echo '$'; } | sed '/^: $/d;/^:$/d' >proto");
}

/* Growing. */

static int grow_file(struct grown *g, const char *name, uint64_t to)
{
	*g = (struct grown){ .fd = open(disk_path(name), O_RDONLY | O_CLOEXEC) };
	assert_true(g->fd >= 0);
	g->base = fdimage_new(g->fd, 0);
	return grown_grow(g, &xfs_content, to);
}

static void must_grow(struct grown *g, const char *name, uint64_t to)
{
	if (grow_file(g, name, to) != 0)
		fail_msg("%s to %" PRIu64 ": %s", name, to, g->why.text);
}

/* Judging. */

static void make_filesystem(const char *options, uint64_t size)
{
	sh("rm -f fs grown kernel && truncate -s %" PRIu64
	   " fs && mkfs.xfs -q %s fs >log 2>&1 || { cat log; exit 1; }",
	   size, options);
}

static void put_content(void)
{
	sh("mount -t xfs -o loop fs mnt && cp -a content/. mnt/ && umount mnt");
}

static void assert_clean(const char *name)
{
	sh("xfs_repair -n %s >log 2>&1 || { cat log; exit 1; }", name);
}

/* Of the superblock. */
static uint64_t field(const char *name, const char *what)
{
	_cleanup_free_ char *text = sh_text("xfs_db -r -c 'sb 0' -c 'p %s' %s | sed 's/.* = //'", what, name);

	return strtoull(text, NULL, 10);
}

/* A copy that the kernel grows has the same groups, blocks and free blocks. */
static void assert_as_the_kernel(const char *grown, uint64_t size)
{
	static const char *const fields[] = { "dblocks", "agcount", "fdblocks", "icount", "ifree" };

	sh("cp --sparse=always fs kernel && truncate -s %" PRIu64
	   " kernel && mount -t xfs -o loop kernel mnt && "
	   "trap 'umount mnt' EXIT && xfs_growfs mnt >log 2>&1 || { cat log; exit 1; }",
	   size);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (field(grown, fields[i]) != field("kernel", fields[i]))
			fail_msg("%s is %" PRIu64 ", and %" PRIu64 " by the kernel", fields[i],
				 field(grown, fields[i]), field("kernel", fields[i]));
}

/* The kernel finds all files, fills all the room, and leaves a clean filesystem. */
static void assert_usable(const char *name)
{
	sh("mount -t xfs -o loop %s mnt && trap 'umount mnt' EXIT && (cd mnt && "
	   "{ test ! -e five || sha256sum --quiet -c ../sums; } && mkdir new && cd new && mkdir $(seq 200) && "
	   "for i in $(seq 200); do echo $i >$i/f; done && head -c 9M /dev/zero >written && "
	   "fallocate -l $(($(stat -f -c '%%a*%%S' .) * 95 / 100)) big && "
	   "{ n=0; while fallocate -l $((1<<20)) more$n 2>/dev/null; do n=$((n+1)); done; :; } && "
	   "test $(stat -f -c %%a .) -lt 20000 && sync -f . && rm -f big && cd .. && "
	   "{ test ! -e five || sha256sum --quiet -c ../sums; })",
	   name);
	assert_clean(name);
}

/* The matrix. */

struct row {
	const char *name;
	const char *options; /* of mkfs.xfs */
	uint64_t from, to;
	enum { QUICK, LONG } when;
	enum { FILL, NO_FILL, NO_MOUNT } how; /* too large to be filled; not known to every kernel: v4 */
};

static const struct row rows[] = {
	{ "default 6G to 20G", "", 6 * GiB, 20 * GiB },
	{ "short last group, to its end and past it", "-d agsize=300m", 1000 * MiB, 3 * GiB },
	{ "inside the short last group", "-d agsize=300m", 1000 * MiB, 1100 * MiB },
	{ "everything on", "-m rmapbt=1,reflink=1,finobt=1,inobtcount=1,bigtime=1 -i nrext64=1,sparse=1",
	  1 * GiB, 5 * GiB },
	{ "everything off", "-m rmapbt=0,reflink=0,finobt=0,inobtcount=0,bigtime=0 -i sparse=0", 1 * GiB,
	  5 * GiB },
	{ "rmapbt alone", "-m rmapbt=1,reflink=0,finobt=0,inobtcount=0 -d agsize=300m", 1000 * MiB, 3 * GiB,
	  LONG },
	{ "reflink without finobt", "-m rmapbt=0,reflink=1,finobt=0,inobtcount=0", 1 * GiB, 3 * GiB },
	{ "4096 byte sectors", "-s size=4096 -d agsize=300m -m rmapbt=1", 1000 * MiB, 3 * GiB },
	{ "1K blocks", "-b size=1024 -d agsize=300m -m rmapbt=1", 1000 * MiB, 3 * GiB },
	{ "2K blocks, 1K sectors", "-b size=2048 -s size=1024 -d agsize=300m", 1000 * MiB, 3 * GiB, LONG },
	{ "stripes", "-d su=64k,sw=4,agsize=300m -m rmapbt=1", 1000 * MiB, 3 * GiB },
	{ "log of 256K stripes", "-l su=256k", 1 * GiB, 3 * GiB },
	{ "v4", "-m crc=0 -d agsize=300m", 1000 * MiB, 3 * GiB, QUICK, NO_MOUNT },
	{ "v4, finobt is not for it, 512 byte blocks", "-m crc=0 -b size=512", 500 * MiB, 3 * GiB, QUICK,
	  NO_MOUNT },
	{ "v4, log version 1, no lazy counters", "-m crc=0 -l version=1,lazy-count=0 -n ftype=0", 500 * MiB,
	  3 * GiB, QUICK, NO_MOUNT },
	{ "small groups", "-d agcount=4" SMALL, 64 * MiB, 500 * MiB },

	{ "default 6G to 2T", "", 6 * GiB, 2 * TiB, LONG, NO_FILL },
};

static void assert_read_little(const struct grown *g)
{
	assert_true(g->reads.bytes < 64 * KiB);
}

static void test_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(grown_done) struct grown g;
	struct content again;
	char options[512];

	(void)snprintf(options, sizeof(options), "%s%s", row->options, row->how == NO_MOUNT ? " -p proto" : "");
	make_filesystem(options, row->from);
	if (row->how != NO_MOUNT)
		put_content();
	must_grow(&g, "fs", row->to);
	assert_read_little(&g);
	disk_save(g.img, "grown");
	assert_clean("grown");
	assert_shows_file(g.img, disk_path("grown"));
	assert_zeros_are_zero(g.img);
	assert_int_equal(xfs_content.probe(g.img, &again, NULL), 0);
	assert_true(again.size > g.content.size && again.size <= row->to);
	if (row->how == NO_MOUNT)
		return;
	assert_as_the_kernel("grown", row->to);
	if (row->how == FILL)
		assert_usable("grown");
}

/* Free space in many pieces. */

/* One file, `big`, takes all there is. What mounting keeps for itself is given up, and a file of ballast makes room for
 * changes. */
static void fill_up(void)
{
	sh("mount -t xfs -o loop fs mnt && trap 'umount mnt' EXIT && cp -a content/. mnt/ && "
	   "xfs_io -x -c 'resblks 0' mnt >log && fallocate -l 3M mnt/ballast && "
	   "fallocate -l $(($(stat -f -c '%%a*%%S' mnt) - 262144)) mnt/big && "
	   "{ for i in $(seq 60); do fallocate -o $(stat -c %%s mnt/big) -l 8192 mnt/big 2>/dev/null; done; :; "
	   "} && "
	   "rm mnt/ballast");
}

/*
 * Frees up to `n` blocks of the file `big` that are behind byte `from` of the filesystem, of each of its extents
 * every `step`th, beginning with the block `first`.
 */
static void free_some(uint64_t from, uint32_t block_size, unsigned first, unsigned step, unsigned n)
{
	_cleanup_free_ struct fiemap *map = calloc(1, sizeof(*map) + 1000 * sizeof(map->fm_extents[0]));
	_cleanup_close_ int fd = -1;
	int r;

	sh("mount -t xfs -o loop fs mnt && xfs_io -x -c 'resblks 0' mnt >log");
	fd = open(disk_path("mnt/big"), O_RDWR | O_CLOEXEC);
	map->fm_length = UINT64_MAX;
	map->fm_extent_count = 1000;
	r = fd < 0 ? -1 : ioctl(fd, FS_IOC_FIEMAP, map);
	for (uint32_t i = 0; r == 0 && i < map->fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &map->fm_extents[i];

		for (uint64_t at = first * block_size; r == 0 && at < e->fe_length; at += step * block_size)
			if (e->fe_physical + at >= from && n && n--)
				r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					      e->fe_logical + at, block_size);
	}
	if (fd >= 0)
		(void)close(take_fd(fd));
	sh("umount mnt");
	assert_int_equal(r, 0);
}

/* Of the last group. */
static uint32_t count_runs(const char *name, unsigned *ret_levels)
{
	_cleanup_(image_unrefp) struct image *img = disk_open(name);
	struct xfs_tree t;
	struct xfs_super s;
	struct xfs_agf f;
	uint8_t sector[512];
	uint32_t n;

	assert_int_equal(xfs_super_read(img, NULL, &s, NULL), 0);
	assert_int_equal(xfs_agf_read(img, &s, s.ags - 1, sector, &f, NULL), 0);
	assert_int_equal(xfs_tree_read(&t, img, &s, s.ags - 1, XFS_BY_START, &f, NULL), 0);
	n = t.n;
	*ret_levels = t.levels;
	xfs_tree_done(&t);
	return n;
}

static void check_fragmented(const char *options, uint64_t last_group, uint32_t block_size, unsigned first,
			     unsigned levels)
{
	const uint64_t to[] = { 100 * MiB + block_size, 119 * MiB, 120 * MiB, 300 * MiB };
	unsigned n;

	make_filesystem(options, 100 * MiB);
	fill_up();
	free_some(last_group, block_size, first, 2, UINT_MAX);
	assert_clean("fs");
	assert_true(count_runs("fs", &n) > 2000);
	assert_int_equal(n, levels);
	for (int i = 0; i < 4; i++) {
		_cleanup_(grown_done) struct grown g;

		must_grow(&g, "fs", to[i]);
		disk_save(g.img, "grown");
		assert_clean("grown");
		assert_shows_file(g.img, disk_path("grown"));
		assert_as_the_kernel("grown", to[i]);
	}
	assert_usable("grown");
}

/* The last block of the group is free in one, and used in the other. */
static void test_extends_a_group_whose_trees_have_levels(void **state)
{
	check_fragmented("-d agsize=40m" SMALL, 80 * MiB, 4096, 0, 2);
	check_fragmented("-d agsize=40m -m rmapbt=1" SMALL, 80 * MiB, 4096, 1, 2);
}

static void test_extends_a_group_whose_trees_have_more_levels(void **state)
{
	check_fragmented("-b size=1024 -d agsize=60m" SMALL, 60 * MiB, 1024, 0, 3);
}

/* What is unused. */

static void check_unused(const char *options, uint64_t size)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	_cleanup_(image_unrefp) struct image *base = NULL, *sparse = NULL;
	_cleanup_free_ char *spare = NULL;
	struct unused u;
	struct content c;
	struct why why;

	sh("rm -f fs && head -c %" PRIu64 " /dev/urandom >fs && mkfs.xfs -K -f -q %s fs >log 2>&1 && "
	   "mount -t xfs -o loop fs mnt && cp -a content/. mnt/ && mkdir mnt/gone && "
	   "for i in $(seq 300); do head -c ${i}00 /dev/urandom >mnt/gone/$i; done && sync -f mnt && "
	   "rm mnt/gone/*[13579] && umount mnt",
	   size, options);
	base = disk_open("fs");
	draft = map_draft_new(base->size, base);
	assert_int_equal(xfs_content.probe(base, &c, NULL), 0);
	unused_begin(&u, draft, 0);
	if (xfs_content.unused(base, &c, &u, &why) != 0)
		fail_msg("%s", why.text);
	unused_end(&u);
	assert_int_equal(map_seal(take(draft), "test", NULL, &sparse, NULL), 0);
	disk_save(sparse, "grown");
	assert_clean("grown");
	assert_usable("grown");
	/* All that is free, but what the groups keep for their trees. */
	spare = sh_text(
		"for i in $(seq 0 $(($(xfs_db -r -c 'sb 0' -c 'p agcount' fs | sed 's/.*= //') - 1))); do "
		"xfs_db -r -c \"agf $i\" -c 'p flcount btreeblks' fs; done | "
		"awk '{ n += $3 } END { print n }'");
	assert_int_equal(u.bytes,
			 (field("fs", "fdblocks") - strtoull(spare, NULL, 10)) * field("fs", "blocksize"));
}

static void test_unused_is_all_that_is_free(void **state)
{
	check_unused(SMALL, 64 * MiB);
	check_unused("-b size=1024 -m rmapbt=1 -d agsize=20m" SMALL, 50 * MiB);
	check_unused("-s size=4096 -m reflink=0,finobt=0,inobtcount=0" SMALL, 64 * MiB);
}

static int find_unused(struct image *img, struct unused *u, struct map_draft **ret, struct why *why)
{
	struct content c;
	int r = xfs_content.probe(img, &c, why);

	assert_int_equal(r, 0);
	*ret = map_draft_new(img->size, img);
	unused_begin(u, *ret, 0);
	r = xfs_content.unused(img, &c, u, why);
	unused_end(u);
	return r;
}

/* In order, so that runs that touch are one; from trees of more than one level; and it grows then, too. */
static void test_unused_of_fragments(void **state)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	_cleanup_(grown_done) struct grown g = { .fd = -1 };
	struct image *base;
	struct unused u;

	make_filesystem("-b size=1024 -d agsize=40m" SMALL, 100 * MiB);
	fill_up();
	free_some(0, 1024, 0, 16, UINT_MAX);
	base = disk_open("fs");
	assert_int_equal(find_unused(base, &u, &draft, NULL), 0);
	assert_true(u.runs > 4000 && u.runs * 1024 <= u.bytes);
	assert_int_equal(map_seal(take(draft), "test", NULL, &g.base, NULL), 0);
	image_unref(base);
	disk_save(g.base, "sparse");
	assert_clean("sparse");
	g.base = (image_unref(g.base), disk_open("sparse"));
	if (grown_grow(&g, &xfs_content, 200 * MiB) != 0)
		fail_msg("%s", g.why.text);
	disk_save(g.img, "grown");
	assert_clean("grown");
	assert_usable("grown");
}

static void test_nobody_can_tell_what_a_dirty_xfs_uses(void **state)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct unused u;
	struct why why;

	make_filesystem(SMALL, 64 * MiB);
	sh("mount -t xfs -o loop fs mnt && trap 'umount mnt' EXIT && : >mnt/a && sync -f mnt && "
	   "cp --sparse=always fs dirty");
	img = disk_open("dirty");
	assert_int_equal(find_unused(img, &u, &draft, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "its log must be replayed first"));
	assert_int_equal(u.bytes, 0);
}

/* Sizes. */

static void check_size(uint64_t to, bool ask_the_kernel)
{
	_cleanup_(grown_done) struct grown g;
	struct content again;
	int r = grow_file(&g, "fs", to);

	if (r == CONTENT_FITS) {
		assert_true(to < g.content.size + 64 * 4096);
		return;
	}
	if (r < 0)
		fail_msg("to %" PRIu64 ": %s", to, g.why.text);
	disk_save(g.img, "grown");
	assert_clean("grown");
	assert_int_equal(xfs_content.probe(g.img, &again, NULL), 0);
	assert_true(again.size > g.content.size && again.size <= to && to - again.size < 64 * 4096);
	if (ask_the_kernel)
		assert_as_the_kernel("grown", to);
}

/* GOALFS_TEST_LONG=1 asks the kernel about each, and takes steps of a MiB. */
static void test_sizes_around_the_ends_of_groups(void **state)
{
	const int64_t blocks[] = { -65, -64, -63, -1, 0, 1, 62, 63, 64, 65, 66, 128 };
	bool all = getenv("GOALFS_TEST_LONG");
	unsigned n = 0;

	make_filesystem("-d agsize=24m" SMALL, 64 * MiB);
	put_content();
	for (uint64_t end = 72 * MiB; end <= 120 * MiB; end += 24 * MiB)
		for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
			if (all || end != 96 * MiB || i % 3 == 0)
				check_size(end + blocks[i] * 4096 + (i % 2 ? 512 : 0), all || n++ % 4 == 0);
	for (uint64_t to = 64 * MiB; all && to < 130 * MiB; to += MiB)
		check_size(to, n++ % 4 == 0);
	check_size(64 * MiB + 4096, true);
	check_size(64 * MiB + 4095, true);
	check_size(64 * MiB, true);
	/* A short last group of as few blocks as there may be, with all the trees there are. */
	make_filesystem("-d agsize=24m -m rmapbt=1" SMALL, 72 * MiB);
	check_size(72 * MiB + 64 * 4096, true);
	sh("mv grown fs");
	check_size(72 * MiB + 65 * 4096, true);
	check_size(96 * MiB, true);
	check_size(100 * MiB, true);
}

/* growfs makes a last group of 64 blocks, and xfs_repair fails to read 128 KiB of it. */
static void test_last_group_is_one_that_repair_can_read(void **state)
{
	const uint64_t blocks[] = { 1024, 512 };

	for (int i = 0; i < 2; i++) {
		char options[64];

		(void)snprintf(options, sizeof(options), "-d agsize=24m -b size=%" PRIu64 "%s" SMALL, blocks[i],
			       blocks[i] == 512 ? " -m crc=0" : "");
		make_filesystem(options, 72 * MiB);
		check_size(72 * MiB + 64 * blocks[i], false);
		check_size(72 * MiB + 128 * KiB - blocks[i], false);
		check_size(72 * MiB + 128 * KiB, false);
		check_size(96 * MiB + 64 * blocks[i], false);
	}
}

static void test_sizes_beyond_2T(void **state)
{
	const uint64_t sizes[] = { 2 * TiB - 4096, 2 * TiB + 4096, 16 * TiB - 512, 16 * TiB };

	make_filesystem("", 6 * GiB);
	put_content();
	for (int i = 0; i < 4; i++) {
		_cleanup_(grown_done) struct grown g;
		struct content again;

		must_grow(&g, "fs", sizes[i]);
		assert_int_equal(xfs_content.probe(g.img, &again, NULL), 0);
		assert_true(sizes[i] - again.size < 64 * 4096);
		/* A file of 16 TiB is more than ext4 holds. */
		if (!getenv("GOALFS_TEST_LONG") || sizes[i] > 3 * TiB)
			continue;
		disk_save(g.img, "grown");
		assert_clean("grown");
	}
}

static void test_grows_again_what_it_has_grown(void **state)
{
	const uint64_t sizes[] = { 70 * MiB, 77 * MiB + 4096, 300 * MiB, 2 * GiB };

	make_filesystem("-d agsize=24m -m rmapbt=1" SMALL, 64 * MiB);
	put_content();
	for (int i = 0; i < 4; i++) {
		_cleanup_(grown_done) struct grown g;

		must_grow(&g, "fs", sizes[i]);
		disk_save(g.img, "grown");
		assert_clean("grown");
		sh("mv grown fs");
	}
	assert_usable("fs");
}

static void test_grows_one_whose_uuid_was_changed(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_filesystem("-d agsize=24m -m rmapbt=1" SMALL, 64 * MiB);
	put_content();
	sh("xfs_admin -U 01234567-89ab-cdef-0123-456789abcdef fs >log");
	must_grow(&g, "fs", 300 * MiB);
	assert_string_equal(g.content.uuid, "01234567-89ab-cdef-0123-456789abcdef");
	disk_save(g.img, "grown");
	assert_clean("grown");
	assert_as_the_kernel("grown", 300 * MiB);
	assert_usable("grown");
}

/* Growing, other than that it is right. */

static void test_is_deterministic(void **state)
{
	_cleanup_(grown_done) struct grown a, b;
	_cleanup_free_ uint8_t *buf = malloc(2 * MiB);

	make_filesystem("-d agsize=300m", 1000 * MiB);
	must_grow(&a, "fs", 20 * GiB);
	must_grow(&b, "fs", 20 * GiB);
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
}

static void test_hides_what_stood_behind(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t buf[4096];

	make_filesystem(SMALL, 64 * MiB);
	sh("head -c 3M /dev/urandom >>fs");
	must_grow(&g, "fs", 200 * MiB);
	assert_int_equal(image_pread(g.img, buf, sizeof(buf), 65 * MiB, NULL), 0);
	assert_true(bytes_are_zero(buf, sizeof(buf)));
	disk_save(g.img, "grown");
	assert_clean("grown");
}

static void test_memory_stays_small(void **state)
{
	const uint64_t sizes[] = { 20 * GiB, 2 * TiB, 16 * TiB };

	make_filesystem("", 6 * GiB);
	for (int i = 0; i < 3; i++) {
		_cleanup_(grown_done) struct grown g;
		struct map_figures figures;

		must_grow(&g, "fs", sizes[i]);
		assert_true(map_figures(g.img, &figures));
		assert_true(figures.memory < 64 * KiB);
	}
}

static void test_reads_a_handful_of_kilobytes(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_filesystem("", 6 * GiB);
	put_content();
	must_grow(&g, "fs", 20 * GiB);
	/* The superblock three times, some 17 sectors of the log and 4 KiB before its head. */
	assert_true(g.reads.bytes < 16 * KiB);
	assert_true(g.reads.reads < 32);
}

static void test_fits_when_nothing_is_gained(void **state)
{
	const uint64_t gains[] = { 0, 1, 4095, 4096, 63 * 4096 };

	make_filesystem(SMALL, 64 * MiB);
	for (int i = 0; i < 5; i++) {
		_cleanup_(grown_done) struct grown g;

		assert_int_equal(grow_file(&g, "fs", 64 * MiB + gains[i]), CONTENT_FITS);
	}
}

static void test_describes_the_growth(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_filesystem("", 6 * GiB);
	must_grow(&g, "fs", 20 * GiB);
	assert_string_equal(g.describe, "xfs grown from 6.00G to 20.0G, 4 to 14 allocation groups");
}

static void test_probe_tells_label_uuid_and_size(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_filesystem("-L twelve-chars -m uuid=01234567-89ab-cdef-0123-456789abcdef" SMALL, 64 * MiB);
	assert_int_equal(grow_file(&g, "fs", 64 * MiB), CONTENT_FITS);
	assert_string_equal(g.content.label, "twelve-chars");
	assert_string_equal(g.content.uuid, "01234567-89ab-cdef-0123-456789abcdef");
	assert_int_equal(g.content.size, 64 * MiB);
	assert_ptr_equal(g.content.ops, &xfs_content);
}

static void test_probe_leaves_others_alone(void **state)
{
	static const uint8_t nothing[4096];
	const uint64_t sizes[] = { 100, 512, 2048, MiB };

	for (int i = 0; i < 4; i++) {
		struct image *img = memimage_new(nothing, sizeof(nothing), sizes[i]);
		struct content c;

		assert_int_equal(xfs_content.probe(img, &c, NULL), 1);
		image_unref(img);
	}
}

/* Refusals: a small filesystem in memory, changed in one place. */

static uint8_t *load(const char *name, size_t *ret_count)
{
	_cleanup_close_ int fd = open(disk_path(name), O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	bytes = malloc(st.st_size);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, st.st_size), st.st_size);
	*ret_count = st.st_size;
	return bytes;
}

static int grow_memory(struct grown *g, const uint8_t *bytes, size_t count, uint64_t to)
{
	*g = (struct grown){ .fd = -1, .base = memimage_new(bytes, count, count) };
	return grown_grow(g, &xfs_content, to);
}

static void assert_refused(const uint8_t *bytes, size_t count, uint64_t to, int error, const char *sentence)
{
	_cleanup_(grown_done) struct grown g;
	int r = grow_memory(&g, bytes, count, to);

	if (r != error)
		fail_msg("%d (%s) instead of %d (%s)", r, r < 0 ? g.why.text : "", error, sentence);
	if (!strstr(g.why.text, sentence))
		fail_msg("'%s' lacks '%s'", g.why.text, sentence);
}

static void put_be(uint8_t *p, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static void seal(uint8_t *bytes, size_t size, size_t checksum)
{
	put_le32(bytes + checksum, xfs_checksum(bytes, size, checksum));
}

static void test_refuses_by_the_superblock(void **state)
{
	static const struct {
		size_t at;
		unsigned bytes;
		uint64_t set;
		int error;
		const char *sentence;
	} changes[] = {
		{ 4, 4, 1000, -EBADMSG, "claims blocks of 1000 bytes" },
		{ 4, 4, 131072, -EBADMSG, "claims blocks of 131072 bytes" },
		{ 120, 1, 13, -EBADMSG, "claims blocks of 4096 bytes" },
		{ 120, 1, 200, -EBADMSG, "claims blocks of 4096 bytes" },
		{ 102, 2, 513, -EBADMSG, "claims sectors of 513 bytes" },
		{ 102, 2, 0, -EBADMSG, "claims sectors of 0 bytes" },
		{ 8, 8, UINT64_MAX, -EBADMSG, "claims 18446744073709551615 blocks" },
		{ 8, 8, UINT64_C(1) << 51, -EBADMSG, "claims 2251799813685248 blocks" },
		{ 8, 8, 16385, -EBADMSG, "truncated image" },
		{ 8, 8, 12288 + 63, -EBADMSG, "claims 12351 blocks in 4 groups of 4096" },
		{ 16, 8, 1, -EOPNOTSUPP, "keeps a part of its files on a second, realtime disk" },
		{ 48, 8, 0, -EOPNOTSUPP, "has its log on another disk" },
		{ 48, 8, UINT64_C(4) << 12, -EBADMSG, "at block 0 of group 4" },
		{ 48, 8, 4095, -EBADMSG, "at block 4095 of group 0" },
		{ 48, 8, UINT64_MAX, -EBADMSG, "claims a log of" },
		{ 84, 4, 63, -EBADMSG, "claims 63 blocks an allocation group" },
		{ 84, 4, 0, -EBADMSG, "claims 0 blocks an allocation group" },
		{ 84, 4, 2048, -EBADMSG, "claims 2048 blocks an allocation group" },
		{ 84, 4, UINT32_MAX, -EBADMSG, "claims 4294967295 blocks an allocation group" },
		{ 124, 1, 13, -EBADMSG, "2^13 rounded up" },
		{ 124, 1, 64, -EBADMSG, "2^64 rounded up" },
		{ 88, 4, 0, -EBADMSG, "in 0 groups" },
		{ 88, 4, 3, -EBADMSG, "in 3 groups" },
		{ 88, 4, UINT32_MAX, -EBADMSG, "in 4294967295 groups" },
		{ 96, 4, 0, -EBADMSG, "claims a log of 0 blocks" },
		{ 96, 4, UINT32_MAX, -EBADMSG, "claims a log of 4294967295 blocks" },
		{ 126, 1, 1, -EBADMSG, "its mkfs was interrupted" },
		{ 144, 8, 16385, -EBADMSG, "claims 16385 free blocks of 16384" },
		{ 212, 4, 0x1F, -EOPNOTSUPP,
		  "features that are not known here (incompat 0x0, ro_compat 0x10)" },
		{ 216, 4, 0x13, -EOPNOTSUPP, "marked as in need of repair; run xfs_repair" },
		{ 216, 4, 0x103, -EOPNOTSUPP,
		  "features that are not known here (incompat 0x100, ro_compat 0x0)" },
		{ 220, 4, 2, -EOPNOTSUPP, "the log of this xfs has features that are not known here (0x2)" },
		{ 32, 1, 0x55, -EBADMSG, "the log of this xfs belongs to another filesystem" },
		{ 100, 2, 0xB4A3, -EOPNOTSUPP, "of version 3, and only 4 and 5 are known here" },
	};
	_cleanup_free_ uint8_t *fs = NULL, *changed = NULL;
	size_t count;

	make_filesystem(SMALL, 64 * MiB);
	fs = load("fs", &count);
	changed = malloc(count);
	memcpy(changed, fs, count);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(changed, fs, 512);
		put_be(changed + changes[i].at, changes[i].set, changes[i].bytes);
		seal(changed, 512, 224);
		assert_refused(changed, count, 1 * GiB, changes[i].error, changes[i].sentence);
	}
	memcpy(changed, fs, 512);
	changed[130] ^= 1;
	assert_refused(changed, count, 1 * GiB, -EBADMSG, "xfs superblock has a wrong checksum");
}

static void test_refuses_an_external_log_and_a_realtime_part(void **state)
{
	_cleanup_(grown_done) struct grown g, h;

	sh("rm -f fs log-disk && truncate -s 400M fs && truncate -s 100M log-disk && "
	   "mkfs.xfs -q -l logdev=log-disk,size=64m fs >log 2>&1");
	assert_int_equal(grow_file(&g, "fs", 1 * GiB), -EOPNOTSUPP);
	assert_string_equal(g.why.text,
			    "this xfs has its log on another disk, so that nobody can tell if it is clean");
	sh("rm -f fs && truncate -s 400M fs && mkfs.xfs -q -r rtdev=log-disk,size=64m fs >log 2>&1");
	assert_int_equal(grow_file(&h, "fs", 1 * GiB), -EOPNOTSUPP);
	assert_string_equal(h.why.text, "this xfs keeps a part of its files on a second, realtime disk");
}

static void test_refuses_a_log_to_replay(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_filesystem(SMALL, 64 * MiB);
	sh("mount -t xfs -o loop fs mnt && trap 'umount mnt' EXIT && echo new >mnt/new && sync -f mnt && "
	   "cp --sparse=always fs dirty");
	assert_int_equal(grow_file(&g, "dirty", 1 * GiB), -EOPNOTSUPP);
	assert_non_null(strstr(g.why.text, "its log must be replayed first"));
}

static void test_refuses_a_truncated_image(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_filesystem(SMALL, 64 * MiB);
	sh("truncate -s 60M fs");
	assert_int_equal(grow_file(&g, "fs", 1 * GiB), -EBADMSG);
	assert_string_equal(g.why.text, "xfs takes 64M, but there are only 60M: truncated image");
}

/* Features of newer kernels that change nothing of what is grown. */
static void test_grows_with_features_that_do_not_matter(void **state)
{
	_cleanup_free_ uint8_t *fs = NULL;
	_cleanup_(grown_done) struct grown g;
	size_t count;

	make_filesystem(SMALL, 64 * MiB);
	fs = load("fs", &count);
	put_be32(fs + 216, get_be32(fs + 216) | XFS_INCOMPAT_EXCHRANGE | XFS_INCOMPAT_PARENT);
	seal(fs, 512, 224);
	assert_int_equal(grow_memory(&g, fs, count, 1 * GiB), 0);
}

/* Damage. */

struct range {
	uint64_t at, count;
};

/* What growing reads of the last group, and the superblock. */
static unsigned structures_of(const uint8_t *fs, struct range ranges[static 5])
{
	uint64_t block = get_be32(fs + 4), sector = get_be16(fs + 102);
	uint64_t ag = (get_be32(fs + 88) - 1) * (uint64_t)get_be32(fs + 84) * block;
	const uint8_t *agf = fs + ag + sector;

	ranges[0] = (struct range){ 0, sector };
	ranges[1] = (struct range){ ag + sector, sector };
	ranges[2] = (struct range){ ag + 2 * sector, sector };
	ranges[3] = (struct range){ ag + get_be32(agf + 16) * block, block };
	ranges[4] = (struct range){ ag + get_be32(agf + 20) * block, block };
	return 5;
}

/* Turns a bit of a file, or turns it back. */
static void turn_bit(const char *name, uint64_t at)
{
	_cleanup_close_ int fd = open(disk_path(name), O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* A filesystem that xfs_repair takes for sound before is sound after. */
static bool is_worse(const struct grown *g)
{
	disk_save(g->img, "grown");
	return sh_status("xfs_repair -n fs >log 2>&1") == 0 && sh_status("xfs_repair -n grown >log 2>&1") != 0;
}

/* Each byte of what is read damaged in turn: growing refuses, or it makes nothing worse. */
static void check_damage(const char *options, uint64_t size, bool has_checksums)
{
	size_t count, step = getenv("GOALFS_TEST_LONG") ? 3 : has_checksums ? 37 : 97;
	struct range ranges[5];
	uint8_t *fs;
	unsigned n;

	make_filesystem(options, size);
	fs = load("fs", &count);
	n = structures_of(fs, ranges);
	free(fs);
	for (unsigned i = 0; i < n; i++)
		for (uint64_t at = i; at < ranges[i].count && (has_checksums || at < 400);
		     at += at < 64 ? 5 : step) {
			_cleanup_(grown_done) struct grown g;
			int r;

			turn_bit("fs", ranges[i].at + at);
			r = grow_file(&g, "fs", count + 80 * MiB);
			if (r == 0 ? has_checksums || is_worse(&g)
				   : r != -EBADMSG && r != -EOPNOTSUPP && r != 1)
				fail_msg("byte %" PRIu64 " of structure %u: %d", at, i, r);
			turn_bit("fs", ranges[i].at + at);
		}
}

static void test_damage_under_checksums(void **state)
{
	check_damage("-d agsize=24m" SMALL, 64 * MiB, true);
}

static void test_damage_without_checksums(void **state)
{
	check_damage("-m crc=0 -d agsize=24m" SMALL, 64 * MiB, false);
}

/* As many runs as the root holds: there is no room for one more, but where the last one gets longer. */
static void test_refuses_to_extend_a_group_whose_trees_are_full(void **state)
{
	const uint32_t room = (4096 - 16) / 8;
	_cleanup_free_ uint8_t *fs = NULL;
	_cleanup_(grown_done) struct grown g, h;
	struct range ranges[5];
	size_t count;
	uint32_t length;

	make_filesystem("-m crc=0 -d agsize=24m" SMALL, 64 * MiB);
	fs = load("fs", &count);
	structures_of(fs, ranges);
	length = get_be32(fs + ranges[1].at + 12);
	for (uint32_t i = 0; i < room; i++)
		for (unsigned tree = 3; tree <= 4; tree++) {
			put_be32(fs + ranges[tree].at + 16 + (size_t)i * 8, 100 + 2 * i);
			put_be32(fs + ranges[tree].at + 16 + (size_t)i * 8 + 4, 1);
			put_be16(fs + ranges[tree].at + 6, (uint16_t)room);
		}
	put_be32(fs + ranges[1].at + 52, room);
	put_be32(fs + ranges[1].at + 56, 1);
	assert_refused(
		fs, count, 1 * GiB, -EOPNOTSUPP,
		"the free space of the last allocation group of this xfs fills its trees, so that they can't "
		"take more of it; the guest can grow it with xfs_growfs");
	for (unsigned tree = 3; tree <= 4; tree++)
		put_be32(fs + ranges[tree].at + 16 + (size_t)(room - 1) * 8, length - 1);
	assert_int_equal(grow_memory(&g, fs, count, 1 * GiB), 0);
	for (unsigned tree = 3; tree <= 4; tree++) {
		put_be32(fs + ranges[tree].at + 16 + (size_t)(room - 1) * 8, length - 2);
		put_be16(fs + ranges[tree].at + 6, (uint16_t)(room - 1));
	}
	put_be32(fs + ranges[1].at + 52, room - 1);
	assert_int_equal(grow_memory(&h, fs, count, 1 * GiB), 0);
}

/* A free space tree that says what its AGF and the other tree don't, its checksum right. */
static void test_refuses_trees_that_contradict(void **state)
{
	static const struct {
		unsigned structure;
		size_t at;
		uint32_t set;
		const char *sentence;
	} changes[] = {
		{ 1, 52, 5, "is damaged" },		  /* less free than in one run */
		{ 3, 60, 1, "is not what its AGF says" }, /* a run's length */
		{ 4, 56, 20, "is out of order" },	  /* a run's start */
		{ 3, 60, 0, "is out of order" },
		{ 3, 60, UINT32_MAX, "is out of order" },
		{ 3, 56, UINT32_MAX, "is out of order" },
		{ 3, 8, 3, "is damaged" },	    /* a neighbour */
		{ 3, 4, 0x00010001, "is damaged" }, /* a level */
		{ 3, 4, 0x0000FFFF, "is damaged" }, /* records */
		{ 3, 48, 1, "belongs elsewhere" },  /* the group */
		{ 1, 28, 10, "is damaged" },	    /* levels */
		{ 1, 28, 2, "is damaged" },
		{ 1, 16, 4000000, "is damaged" }, /* a root */
		{ 1, 16, 2, "is not one" },
		{ 1, 12, 3000, "has another length than the superblock" },
		{ 2, 12, 3000, "has another length than the superblock" },
		{ 1, 8, 1, "is damaged" }, /* the group */
		{ 1, 64, 2, "belongs to another filesystem" },
		{ 2, 0, 2, "is not one" },
	};
	static const size_t checksums[] = { 224, 216, 312, 52, 52 };
	_cleanup_free_ uint8_t *fs = NULL;
	struct range ranges[5];
	uint8_t *longest;
	size_t count;

	make_filesystem("-d agsize=24m" SMALL, 64 * MiB);
	fs = load("fs", &count);
	structures_of(fs, ranges);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct range *range = &ranges[changes[i].structure];
		uint8_t kept[4096];

		memcpy(kept, fs + range->at, range->count);
		put_be32(fs + range->at + changes[i].at, changes[i].set);
		seal(fs + range->at, range->count, checksums[changes[i].structure]);
		assert_refused(fs, count, 1 * GiB, -EBADMSG, changes[i].sentence);
		memcpy(fs + range->at, kept, range->count);
	}
	longest = fs + ranges[4].at + 56 + (get_be16(fs + ranges[4].at + 6) - 1) * (size_t)8;
	put_be32(longest, get_be32(longest) - 1);
	seal(fs + ranges[4].at, ranges[4].count, 52);
	assert_refused(fs, count, 1 * GiB, -EBADMSG, "by size, lacks a run that is in the other tree");
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_extends_a_group_whose_trees_have_levels),
		cmocka_unit_test(test_extends_a_group_whose_trees_have_more_levels),
		cmocka_unit_test(test_refuses_to_extend_a_group_whose_trees_are_full),
		cmocka_unit_test(test_unused_is_all_that_is_free),
		cmocka_unit_test(test_unused_of_fragments),
		cmocka_unit_test(test_nobody_can_tell_what_a_dirty_xfs_uses),
		cmocka_unit_test(test_sizes_around_the_ends_of_groups),
		cmocka_unit_test(test_last_group_is_one_that_repair_can_read),
		cmocka_unit_test(test_sizes_beyond_2T),
		cmocka_unit_test(test_grows_again_what_it_has_grown),
		cmocka_unit_test(test_grows_one_whose_uuid_was_changed),
		cmocka_unit_test(test_is_deterministic),
		cmocka_unit_test(test_hides_what_stood_behind),
		cmocka_unit_test(test_memory_stays_small),
		cmocka_unit_test(test_reads_a_handful_of_kilobytes),
		cmocka_unit_test(test_fits_when_nothing_is_gained),
		cmocka_unit_test(test_describes_the_growth),
		cmocka_unit_test(test_probe_tells_label_uuid_and_size),
		cmocka_unit_test(test_probe_leaves_others_alone),
		cmocka_unit_test(test_refuses_by_the_superblock),
		cmocka_unit_test(test_refuses_an_external_log_and_a_realtime_part),
		cmocka_unit_test(test_refuses_a_log_to_replay),
		cmocka_unit_test(test_refuses_a_truncated_image),
		cmocka_unit_test(test_grows_with_features_that_do_not_matter),
		cmocka_unit_test(test_damage_under_checksums),
		cmocka_unit_test(test_damage_without_checksums),
		cmocka_unit_test(test_refuses_trees_that_contradict),
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
		       ?: _cmocka_run_group_tests("xfs", tests, n + n_others, setup, disk_dir_teardown);
}
