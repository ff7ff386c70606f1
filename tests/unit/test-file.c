/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/source/file.h"
#include "base/bytes.h"

static char path[] = "/tmp/goalfs-test-file-XXXXXX";
static int writer = -1;

/* A fresh file, open for writing as `writer`. */
static int setup(void **state)
{
	(void)strcpy(path + sizeof(path) - 7, "XXXXXX");
	writer = mkostemp(path, O_CLOEXEC);
	return writer < 0;
}

static int teardown(void **state)
{
	(void)close(writer);
	return unlink(path);
}

static void put(const void *bytes, size_t count, uint64_t offset)
{
	assert_int_equal(pwrite(writer, bytes, count, offset), count);
}

static void put_filled(uint64_t offset, size_t count, int byte)
{
	_cleanup_free_ uint8_t *buf = malloc(count);

	memset(buf, byte, count);
	put(buf, count, offset);
}

static struct image *open_file(void)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct why why = { 0 };
	struct image *img;
	int r;

	assert_true(fd >= 0);
	r = file_image_new(fd, path, &img, &why);
	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	(void)take_fd(fd);
	return img;
}

static void assert_extent(struct image *img, uint64_t offset, uint64_t length, enum extent_kind kind)
{
	struct extent e = image_extent(img, offset);

	assert_int_equal(e.kind, kind);
	assert_int_equal(e.length, length);
}

static void test_reads_any_range(void **state)
{
	uint8_t bytes[5000], buf[5000];
	_cleanup_(image_unrefp) struct image *img = NULL;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	put(bytes, sizeof(bytes), 0);
	img = open_file();
	assert_int_equal(img->size, sizeof(bytes));
	for (size_t at = 0; at < sizeof(bytes); at += 619) {
		assert_int_equal(image_pread(img, buf, sizeof(bytes) - at, at, NULL), 0);
		assert_memory_equal(buf, bytes + at, sizeof(bytes) - at);
	}
	assert_int_equal(image_pread(img, buf, 2, sizeof(bytes) - 1, NULL), -EINVAL);
}

static void test_holes_are_zero(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;

	put_filled(0, 1 * MiB, 1);
	put_filled(3 * MiB, 1 * MiB, 1);
	assert_int_equal(ftruncate(writer, 8 * MiB + 100), 0);
	img = open_file();
	assert_extent(img, 0, 1 * MiB, EXTENT_DATA);
	assert_extent(img, 1 * MiB, 2 * MiB, EXTENT_ZERO);
	assert_extent(img, 2 * MiB + 5, 1 * MiB - 5, EXTENT_ZERO);
	assert_extent(img, 3 * MiB, 1 * MiB, EXTENT_DATA);
	assert_extent(img, 4 * MiB - 1, 1, EXTENT_DATA);
	assert_extent(img, 4 * MiB, 4 * MiB + 100, EXTENT_ZERO);
	assert_int_equal(image_data_bytes(img), 2 * MiB);
}

static void test_holes_are_whole_granules(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;

	/* Data from 4K to 8K and from 60K to 68K, and again at 320K: whole granules lie between 128K and 320K.
	 */
	put_filled(4 * KiB, 4 * KiB, 1);
	put_filled(60 * KiB, 8 * KiB, 1);
	put_filled(320 * KiB, 4 * KiB, 1);
	assert_int_equal(ftruncate(writer, 400 * KiB), 0);
	img = open_file();
	assert_extent(img, 0, 128 * KiB, EXTENT_DATA);
	assert_extent(img, 128 * KiB, 192 * KiB, EXTENT_ZERO);
	assert_extent(img, 320 * KiB, 64 * KiB, EXTENT_DATA);
	assert_extent(img, 384 * KiB, 16 * KiB, EXTENT_ZERO);
}

static void test_all_hole(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;

	assert_int_equal(ftruncate(writer, 1 * TiB), 0);
	img = open_file();
	assert_extent(img, 0, 1 * TiB, EXTENT_ZERO);
}

static bool filesystem_tells_extents(void)
{
	struct fiemap map = { .fm_length = FIEMAP_MAX_OFFSET };

	return ioctl(writer, FS_IOC_FIEMAP, &map) == 0;
}

/* The kernel calls pages of such a file a hole until they were read, then data. */
static void test_what_was_read_changes_no_extent(void **state)
{
	_cleanup_(image_unrefp) struct image *before = NULL, *after = NULL;
	_cleanup_free_ uint8_t *buf = malloc(1 * MiB);

	if (!filesystem_tells_extents())
		skip(); /* tmpfs doesn't; SEEK_HOLE is all there is to ask */
	put_filled(0, 64 * KiB, 1);
	assert_int_equal(fallocate(writer, 0, 64 * KiB, 1 * MiB), 0);
	assert_int_equal(ftruncate(writer, 2 * MiB), 0);
	before = open_file();
	assert_int_equal(image_pread(before, buf, 512 * KiB, 256 * KiB, NULL), 0);
	after = open_file();
	assert_int_equal(image_data_bytes(before), image_data_bytes(after));
	assert_extent(before, 0, 1 * MiB + 64 * KiB, EXTENT_DATA);
	assert_extent(after, 0, 1 * MiB + 64 * KiB, EXTENT_DATA);
}

static void test_is_its_own_backing(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct backing b;
	char byte;

	put("0123456789", 10, 0);
	img = open_file();
	assert_int_equal(image_backing(img, 3, &b), 0);
	assert_int_equal(b.length, 7);
	assert_int_equal(pread(b.fd, &byte, 1, b.offset), 1);
	assert_int_equal(byte, '3');
}

static void assert_stale(struct image *img)
{
	struct backing b;
	struct why why = { 0 };
	char byte;

	assert_int_equal(image_pread(img, &byte, 1, 0, &why), -ESTALE);
	assert_non_null(strstr(why.text, path));
	assert_int_equal(image_backing(img, 0, &b), -ESTALE);
}

static void test_notices_growth(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;

	put("0123456789", 10, 0);
	img = open_file();
	put("x", 1, 10);
	assert_stale(img);
}

static void test_notices_truncation(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;

	put("0123456789", 10, 0);
	img = open_file();
	assert_int_equal(ftruncate(writer, 5), 0);
	assert_stale(img);
}

/* Opened in the very tick of the clock in which it was written; a change follows at once. */
static void test_notices_rewriting_however_soon(void **state)
{
	for (int i = 0; i < 20; i++) {
		_cleanup_(image_unrefp) struct image *img = NULL;

		put("0123456789", 10, 0);
		img = open_file();
		put("9", 1, 5);
		assert_stale(img);
	}
}

static void test_reading_leaves_it_fresh(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	char byte;

	put("0123456789", 10, 0);
	img = open_file();
	assert_int_equal(chmod(path, 0400), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(image_pread(img, &byte, 1, i, NULL), 0);
}

static void test_refuses_an_empty_file(void **state)
{
	struct why why = { 0 };
	struct image *img;

	assert_int_equal(file_image_new(writer, path, &img, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "is empty"));
}

static void test_refuses_a_directory(void **state)
{
	_cleanup_close_ int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct why why = { 0 };
	struct image *img;

	assert_int_equal(file_image_new(fd, "/tmp", &img, &why), -EOPNOTSUPP);
	assert_string_equal(why.text, "'/tmp' is not a regular file");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_reads_any_range),
		TEST(test_holes_are_zero),
		TEST(test_holes_are_whole_granules),
		TEST(test_all_hole),
		TEST(test_what_was_read_changes_no_extent),
		TEST(test_is_its_own_backing),
		TEST(test_notices_growth),
		TEST(test_notices_truncation),
		TEST(test_notices_rewriting_however_soon),
		TEST(test_reading_leaves_it_fresh),
		TEST(test_refuses_an_empty_file),
		TEST(test_refuses_a_directory),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
