/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing XFS: filesystems made by mkfs.xfs in many ways are grown, written out,
 * and judged by xfs_repair, by the kernel, and by what the kernel's own growfs makes of them.
 * The matrix has rows for every run and rows for GOALFS_TEST_LONG=1.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "backends/content/content.h"
#include "backends/content/unused.h"
#include "backends/content/xfs_super.h"
#include "base/bytes.h"
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

struct grown {
	struct image *base, *at_size, *img;
	struct content content;
	struct read_count reads; /* by probe and grow */
	char *describe;
	struct why why;
};

static void grown_done(struct grown *g)
{
	image_unref(g->img);
	image_unref(g->at_size);
	image_unref(g->base);
	free(g->describe);
}

static int grow_image(struct grown *g, uint64_t to)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	struct text describe = TEXT_EMPTY;
	int r;

	assert_int_equal(map_seal(map_draft_new(to, g->base), "test", NULL, &g->at_size, &g->why), 0);
	r = xfs_content.probe(g->base, &g->content, &g->why);
	if (r != 0)
		return r;
	draft = map_draft_new(to, g->at_size);
	assert_non_null(draft);
	r = xfs_content.grow(g->at_size, &g->content, &(struct growth){ 0 }, draft, &describe, &g->why);
	g->reads = testimage_count(g->base);
	assert_int_equal(text_take(&describe, &g->describe), 0);
	if (r == 0)
		assert_int_equal(map_seal(take(draft), "test", NULL, &g->img, &g->why), 0);
	return r;
}

static int grow_file(struct grown *g, const char *name, uint64_t to)
{
	*g = (struct grown){ .base = disk_open(name) };
	return grow_image(g, to);
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

/* Every byte the map shows, at places and lengths that straddle its seams, is what the written file has. */
static void assert_reads_as(struct image *img, const char *name)
{
	uint8_t view[9000], file[9000];
	uint64_t dice = 88172645463325252u, seam = 0;
	_cleanup_close_ int fd = open(disk_path(name), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (int i = 0; i < 1500; i++) {
		uint64_t at;
		size_t n;

		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		at = i % 3 ? seam - min_u64(seam, dice % 5000) : dice % img->size;
		n = 1 + (dice >> 32) % (sizeof(view) - 1);
		seam += seam < img->size ? image_extent(img, seam).length : 0;
		if (!range_ok(at, n, img->size))
			continue;
		assert_int_equal(image_pread(img, view, n, at, NULL), 0);
		assert_int_equal(pread(fd, file, n, at), n);
		assert_memory_equal(view, file, n);
	}
}

/* Where the map says zero, it reads zero. */
static void assert_zeros_are_zero(struct image *img)
{
	uint8_t buf[4096];
	unsigned looked = 0;

	for (uint64_t at = 0; at < img->size && looked < 2000;) {
		struct extent e = image_extent(img, at);

		if (e.kind == EXTENT_ZERO) {
			size_t n = min_u64(e.length, sizeof(buf));

			assert_int_equal(image_pread(img, buf, n, at, NULL), 0);
			assert_true(bytes_are_zero(buf, n));
			assert_int_equal(image_pread(img, buf, n, at + e.length - n, NULL), 0);
			assert_true(bytes_are_zero(buf, n));
			looked++;
		}
		at += e.length;
	}
}

/* The matrix. */

struct row {
	const char *name;
	const char *options; /* of mkfs.xfs */
	uint64_t from, to;
	enum { QUICK, LONG } when;
	enum { MOUNT, NO_MOUNT } how; /* not known to every kernel: v4 */
};

static const struct row rows[] = {
	{ "default 6G to 20G", "", 6 * GiB, 20 * GiB },
	{ "short last group, to its end and past it", "-d agsize=300m", 1000 * MiB, 3 * GiB },
	{ "inside the short last group", "-d agsize=300m", 1000 * MiB, 1100 * MiB },
	{ "everything on", "-m rmapbt=1,reflink=1,finobt=1,inobtcount=1,bigtime=1 -i nrext64=1,sparse=1",
	  1 * GiB, 5 * GiB },
	{ "everything off", "-m rmapbt=0,reflink=0,finobt=0,inobtcount=0,bigtime=0 -i sparse=0", 1 * GiB,
	  5 * GiB },
	{ "rmapbt alone", "-m rmapbt=1,reflink=0,finobt=0,inobtcount=0 -d agsize=300m", 1000 * MiB, 3 * GiB },
	{ "reflink without finobt", "-m rmapbt=0,reflink=1,finobt=0,inobtcount=0", 1 * GiB, 3 * GiB },
	{ "4096 byte sectors", "-s size=4096 -d agsize=300m -m rmapbt=1", 1000 * MiB, 3 * GiB },
	{ "1K blocks", "-b size=1024 -d agsize=300m -m rmapbt=1", 1000 * MiB, 3 * GiB },
	{ "2K blocks, 1K sectors", "-b size=2048 -s size=1024 -d agsize=300m", 1000 * MiB, 3 * GiB },
	{ "stripes", "-d su=64k,sw=4,agsize=300m -m rmapbt=1", 1000 * MiB, 3 * GiB },
	{ "log of 256K stripes", "-l su=256k", 1 * GiB, 3 * GiB },
	{ "v4", "-m crc=0 -d agsize=300m", 1000 * MiB, 3 * GiB, QUICK, NO_MOUNT },
	{ "v4, finobt is not for it, 512 byte blocks", "-m crc=0 -b size=512", 500 * MiB, 3 * GiB, QUICK,
	  NO_MOUNT },
	{ "v4, log version 1, no lazy counters", "-m crc=0 -l version=1,lazy-count=0 -n ftype=0", 500 * MiB,
	  3 * GiB, QUICK, NO_MOUNT },
	{ "small groups", "-d agcount=4" SMALL, 64 * MiB, 500 * MiB },

	{ "default 6G to 2T", "", 6 * GiB, 2 * TiB, LONG },
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

	(void)snprintf(options, sizeof(options), "%s%s", row->options, row->how & NO_MOUNT ? " -p proto" : "");
	make_filesystem(options, row->from);
	if (!(row->how & NO_MOUNT))
		put_content();
	must_grow(&g, "fs", row->to);
	assert_read_little(&g);
	disk_save(g.img, "grown");
	assert_clean("grown");
	assert_reads_as(g.img, "grown");
	assert_zeros_are_zero(g.img);
	assert_int_equal(xfs_content.probe(g.img, &again, NULL), 0);
	assert_true(again.size > g.content.size && again.size <= row->to);
	if (row->how & NO_MOUNT)
		return;
	assert_as_the_kernel("grown", row->to);
	assert_usable("grown");
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_row),
	};
	const size_t n_others = 0, n_rows = sizeof(rows) / sizeof(rows[0]);
	struct CMUnitTest tests[sizeof(others) / sizeof(others[0]) + sizeof(rows) / sizeof(rows[0])];
	size_t n = 0;

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i].when == QUICK || getenv("GOALFS_TEST_LONG"))
			tests[n++] =
				(struct CMUnitTest){ rows[i].name, test_row, NULL, NULL, (void *)&rows[i] };
	memcpy(tests + n, others, n_others * sizeof(others[0]));
	return mounts_of_our_own()
		       ?: _cmocka_run_group_tests("xfs", tests, n + n_others, setup, disk_dir_teardown);
}
