/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether an XFS's log is clean: our verdict beside that of xfs_logprint, which finds the head
 * by its own copy of the kernel's code, over logs in all states that mkfs, the kernel, xfs_admin and
 * xfs_repair leave behind.
 */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/content/xfs/log.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"
#include "tests/unit/mounts.h"

/* mkfs.xfs makes nothing smaller than 300 MiB, but for who says so. */
#define SMALL " --unsupported"

static int verdict(const char *name, struct read_count *ret_reads, struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = disk_open(name);
	struct xfs_super s;
	int r;

	assert_int_equal(xfs_super_read(img, NULL, &s, why), 0);
	assert_int_equal(xfs_super_check(&s, why), 0);
	r = xfs_log_check(img, &s, why);
	if (ret_reads)
		*ret_reads = testimage_count(img);
	return r;
}

/* Ours is the tool's, and took no more than 600 KiB to find. True: clean. */
static bool assert_same_verdict(const char *name, const char *when)
{
	struct read_count reads;
	struct why why;
	int r = verdict(name, &reads, &why);
	bool is_clean = sh_status("xfs_logprint -t %s 2>&1 | grep -q 'state: <CLEAN>'", name) == 0;

	if (r != 0 && r != -EOPNOTSUPP)
		fail_msg("%s: %s", when, why.text);
	if ((r == 0) != is_clean)
		fail_msg("%s: the log is %s, and is found to be %s", when, is_clean ? "clean" : "dirty",
			 is_clean ? why.text : "clean");
	assert_true(reads.bytes < 600 * KiB);
	return is_clean;
}

static void make_filesystem(const char *options, uint64_t size)
{
	sh("rm -f fs dirty && truncate -s %" PRIu64
	   " fs && mkfs.xfs -q %s fs >log 2>&1 || { cat log; exit 1; }",
	   size, options);
}

/* Mounts, makes `n` transactions in the log, and unmounts; what stands on the disk before that is in `dirty`. */
static void use(const char *mount_options, unsigned n)
{
	sh("mount -t xfs -o loop%s fs mnt && trap 'cd ..; umount mnt' EXIT && cd mnt && "
	   "mkdir d && cd d && seq %u | xargs touch && sync -f . && rm 1 && cd .. && sync -f . && cp "
	   "--sparse=always ../fs ../dirty && rm -r d",
	   mount_options, n);
}

static void test_fresh_logs_are_clean(void **state)
{
	static const char *const options[] = {
		"",	      "-m crc=0",     "-m crc=0 -l version=1", "-l su=32k",
		"-l su=256k", "-s size=4096", "-b size=1024",	       "-l size=70m",
		"-l agnum=2",
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		make_filesystem(options[i], 400 * MiB);
		assert_true(assert_same_verdict("fs", options[i]));
	}
}

static void test_a_log_of_zeros_is_clean(void **state)
{
	make_filesystem(SMALL, 128 * MiB);
	sh("start=$(xfs_db -r -c 'sb 0' -c 'convert fsblock '$(xfs_db -r -c 'sb 0' -c 'p logstart' fs | "
	   "sed 's/.*= //')' daddr' fs | sed 's/.*(\\([0-9]*\\)).*/\\1/') && "
	   "dd if=/dev/zero of=fs conv=notrunc bs=512 seek=$start count=2 2>/dev/null");
	assert_true(assert_same_verdict("fs", "zeros"));
}

/* Mkfs leaves a log of zeros, but for its beginning. */
static bool has_gone_around(const char *name)
{
	_cleanup_(image_unrefp) struct image *img = disk_open(name);
	uint8_t last[SECTOR];
	struct xfs_super s;
	uint64_t end;

	assert_int_equal(xfs_super_read(img, NULL, &s, NULL), 0);
	end = xfs_block_offset(&s, (uint32_t)(s.log_start >> s.ag_blocks_log),
			       (uint32_t)(s.log_start & ((UINT64_C(1) << s.ag_blocks_log) - 1)) + s.log_blocks);
	assert_int_equal(image_pread(img, last, sizeof(last), end - SECTOR, NULL), 0);
	return get_be32(last) != 0;
}

/*
 * Round after round, until the log has gone around some times: clean when it is unmounted,
 * dirty while it is not. GOALFS_TEST_LONG=1 makes it more rounds.
 */
static void check_rounds(const char *mkfs_options, const char *mount_options, unsigned rounds)
{
	unsigned dice = 4711, dirty = 0;
	char when[128];

	if (getenv("GOALFS_TEST_LONG"))
		rounds *= 10;
	make_filesystem(mkfs_options, 128 * MiB);
	for (unsigned i = 0; i < rounds; i++) {
		dice = dice * 1103515245 + 12345;
		use(mount_options, 1 + (dice >> 16) % (i % 3 ? 1000 : 12000));
		(void)snprintf(when, sizeof(when), "%s,%s, round %u", mkfs_options, mount_options, i);
		dirty += !assert_same_verdict("dirty", when);
		assert_true(assert_same_verdict("fs", when));
	}
	assert_int_equal(dirty, rounds);
	assert_true(has_gone_around("fs"));
}

static void test_used_logs(void **state)
{
	check_rounds(SMALL, "", 12);
}

static void test_used_logs_of_stripes(void **state)
{
	check_rounds("-l su=64k" SMALL, "", 8);
	check_rounds("-l su=256k" SMALL, ",logbsize=256k", 12);
}

static void test_used_logs_of_long_records(void **state)
{
	check_rounds(SMALL, ",logbsize=256k", 12);
}

static void test_used_logs_of_large_sectors(void **state)
{
	check_rounds("-s size=4096" SMALL, "", 6);
}

static void test_logs_that_were_written_anew(void **state)
{
	static const char *const options[] = { SMALL, "-l su=64k" SMALL, "-l su=256k" SMALL,
					       "-s size=4096" SMALL };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		make_filesystem(options[i], 128 * MiB);
		use("", 20);
		sh("xfs_admin -U generate fs >/dev/null");
		assert_true(assert_same_verdict("fs", "UUID changed"));
		sh("xfs_repair -L dirty >log 2>&1 || { cat log; exit 1; }");
		assert_true(assert_same_verdict("dirty", "repaired"));
		use("", 20);
		assert_true(assert_same_verdict("fs", "UUID changed, used again"));
	}
	make_filesystem("-m crc=0", 400 * MiB);
	sh("xfs_admin -U generate fs >/dev/null");
	assert_true(assert_same_verdict("fs", "v4, UUID changed"));
	sh("xfs_repair -L fs >log 2>&1");
	assert_true(assert_same_verdict("fs", "v4, repaired"));
}

static void test_a_frozen_or_shut_down_filesystem_is_dirty(void **state)
{
	make_filesystem(SMALL, 128 * MiB);
	sh("mount -t xfs -o loop fs mnt && trap 'umount mnt' EXIT && : >mnt/a && xfs_freeze -f mnt && "
	   "cp --sparse=always fs dirty; xfs_freeze -u mnt");
	assert_false(assert_same_verdict("dirty", "frozen"));
	sh("mount -t xfs -o loop fs mnt && trap 'umount mnt' EXIT && : >mnt/b && sync -f mnt && : >mnt/c && "
	   "xfs_io -x -c 'shutdown -f' mnt");
	assert_false(assert_same_verdict("fs", "shut down"));
}

static void test_reads_little_of_a_common_log(void **state)
{
	struct read_count reads;

	make_filesystem("", 6 * GiB);
	use("", 50);
	assert_int_equal(verdict("fs", &reads, NULL), 0);
	assert_true(reads.bytes < 20 * KiB);
	make_filesystem("-l su=256k", 6 * GiB);
	use("", 50);
	assert_int_equal(verdict("fs", &reads, NULL), 0);
	assert_true(reads.bytes < 60 * KiB);
}

static void test_says_what_to_do_with_a_dirty_log(void **state)
{
	struct why why;

	make_filesystem(SMALL, 128 * MiB);
	use("", 2);
	assert_int_equal(verdict("dirty", NULL, &why), -EOPNOTSUPP);
	assert_string_equal(why.text,
			    "its log must be replayed first: this xfs was in use when the image was made; "
			    "mount it once and unmount it");
}

static int setup(void **state)
{
	return disk_dir_setup(state) < 0 ? -1 : sh_status("mkdir mnt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh_logs_are_clean),
		cmocka_unit_test(test_a_log_of_zeros_is_clean),
		cmocka_unit_test(test_used_logs),
		cmocka_unit_test(test_used_logs_of_stripes),
		cmocka_unit_test(test_used_logs_of_long_records),
		cmocka_unit_test(test_used_logs_of_large_sectors),
		cmocka_unit_test(test_logs_that_were_written_anew),
		cmocka_unit_test(test_a_frozen_or_shut_down_filesystem_is_dirty),
		cmocka_unit_test(test_reads_little_of_a_common_log),
		cmocka_unit_test(test_says_what_to_do_with_a_dirty_log),
	};

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	return mounts_of_our_own() ?: cmocka_run_group_tests(tests, setup, disk_dir_teardown);
}
