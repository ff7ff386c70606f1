/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing swap space, and what of it nobody reads; judged by mkswap, and by swapon where it is allowed. */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>

#include "backends/content/content.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "tests/unit/contents.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static int grow(struct grown *g, struct image *base, uint64_t to)
{
	int r;

	*g = (struct grown){ .base = base };
	r = grown_grow(g, &swap_content, to);
	assert_ptr_equal(g->content.ops, &swap_content); /* it was probed */
	return r;
}

static void make_swap(const char *options, const char *size)
{
	sh("rm -f swap && truncate -s %s swap && mkswap %s -U " UUID " swap >log 2>&1", size, options);
}

/* What the kernel makes of it; silently nothing where it may not be asked. */
static void assert_kernel_takes(const char *name, uint64_t size)
{
	sh("l=$(losetup -f --show %s 2>log) || exit 0; trap \"swapoff $l 2>log; losetup -d $l\" EXIT; "
	   "swapon $l 2>log || { cat log >&2; ! grep -q 'Invalid' log; exit; }; "
	   "test $(swapon --show=SIZE --bytes --noheadings $l | head -n 1 | tr -d ' ') = %" PRIu64,
	   name, size);
}

static void test_grows(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_swap("-L a-label", "64M");
	assert_int_equal(grow(&g, disk_open("swap"), 100 * MiB + 1000), 0);
	assert_string_equal(g.describe, "swap grown from 64.0M to 100M");
	disk_save(g.img, "grown");
	sh("test $(blkid -p -s UUID -o value grown) = " UUID
	   " && test $(blkid -p -s LABEL -o value grown) = a-label");
	/* mkswap makes the same. */
	make_swap("-L a-label", "100M");
	sh("cmp -n $((100 * 1024 * 1024)) swap grown");
	assert_kernel_takes("grown", 100 * MiB - 4096);
}

static void test_is_grown_only_when_named(void **state)
{
	assert_true(swap_content.only_named);
}

static void test_keeps_the_page_size_of_its_machine(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_swap("-p 65536", "64M");
	assert_int_equal(grow(&g, disk_open("swap"), 100 * MiB + 70000), 0);
	disk_save(g.img, "grown");
	make_swap("-p 65536", "$((100 * 1024 * 1024 + 65536))");
	sh("cmp -n $((100 * 1024 * 1024 + 65536)) swap grown");
}

/* A first page as mkswap writes it on a big-endian machine. */
static void make_big_endian(uint8_t page[4096], uint32_t last_page, uint32_t bad_pages)
{
	memset(page, 0, 4096);
	memcpy(page + 4086, "SWAPSPACE2", 10);
	put_be32(page + 1024, 1);
	put_be32(page + 1028, last_page);
	put_be32(page + 1032, bad_pages);
}

static void test_keeps_the_byte_order_and_bad_pages(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t page[4096], want[4096], got[4096];

	make_big_endian(page, 255, 2);
	put_be32(page + 1536, 17);
	put_be32(page + 1540, 18);
	memcpy(want, page, sizeof(want));
	put_be32(want + 1028, 511);
	assert_int_equal(grow(&g, memimage_new(page, sizeof(page), MiB), 2 * MiB), 0);
	assert_int_equal(image_pread(g.img, got, sizeof(got), 0, NULL), 0);
	assert_memory_equal(got, want, sizeof(got));
}

static void test_hides_what_stood_behind(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_swap("", "4M");
	sh("head -c 1M /dev/urandom >>swap");
	assert_int_equal(grow(&g, disk_open("swap"), 8 * MiB), 0);
	disk_save(g.img, "grown");
	sh("cmp -i 4M:0 -n 4M grown /dev/zero");
}

static void test_fits_when_there_is_no_page_more(void **state)
{
	_cleanup_(grown_done) struct grown g, h;

	make_swap("", "4M");
	assert_int_equal(grow(&g, disk_open("swap"), 4 * MiB), CONTENT_FITS);
	assert_int_equal(grow(&h, disk_open("swap"), 4 * MiB + 4095), CONTENT_FITS);
}

static void test_ends_where_its_numbers_do(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t last[4];

	make_swap("", "4M");
	assert_int_equal(grow(&g, disk_open("swap"), 17 * TiB), 0);
	assert_int_equal(image_pread(g.img, last, 4, 1028, NULL), 0);
	assert_int_equal(get_le32(last), UINT32_MAX - 1);
}

static void assert_refused(const uint8_t page[4096], uint64_t size, int error, const char *sentence)
{
	_cleanup_(grown_done) struct grown g;
	struct map_draft *draft;
	struct unused u;
	struct why why;

	assert_int_equal(grow(&g, memimage_new(page, 4096, size), 64 * MiB), error);
	assert_string_equal(g.why.text, sentence);
	draft = map_draft_new(size, g.base);
	unused_begin(&u, draft, 0);
	assert_int_equal(swap_content.unused(g.base, &g.content, &u, &why), error);
	map_draft_free(draft);
}

static void test_refuses_damage(void **state)
{
	uint8_t page[4096];

	make_big_endian(page, 0, 0);
	assert_refused(page, MiB, -EBADMSG, "swap claims to have no pages");
	make_big_endian(page, 255, 638);
	assert_refused(page, MiB, -EBADMSG, "swap claims 638 bad pages, more than its header can list");
	make_big_endian(page, 255, 0);
	put_le32(page + 1024, 2);
	assert_refused(page, MiB, -EOPNOTSUPP, "swap of the unknown version 2");
}

static void test_refuses_a_truncated_image(void **state)
{
	struct image *img;
	struct map_draft *draft;
	struct content c;
	struct unused u;
	struct why why;
	uint8_t page[4096];

	make_big_endian(page, 255, 0);
	img = memimage_new(page, sizeof(page), MiB - 1);
	draft = map_draft_new(MiB - 1, img);
	assert_int_equal(swap_content.probe(img, &c, NULL), 0);
	unused_begin(&u, draft, 0);
	assert_int_equal(swap_content.unused(img, &c, &u, &why), -EBADMSG);
	assert_string_equal(why.text,
			    "swap claims 256 pages of 4096 bytes, but there are only 255: truncated image");
	map_draft_free(draft);
	image_unref(img);
}

static void test_uses_nothing_but_its_first_page(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL, *img = NULL;
	struct map_draft *draft;
	struct content c;
	struct unused u;

	sh("rm -f swap && head -c 4M /dev/urandom >swap && mkswap -U " UUID " swap >log 2>&1 && "
	   "head -c 1000 /dev/urandom >>swap");
	base = disk_open("swap");
	assert_int_equal(swap_content.probe(base, &c, NULL), 0);
	draft = map_draft_new(base->size, base);
	unused_begin(&u, draft, 0);
	assert_int_equal(swap_content.unused(base, &c, &u, NULL), 0);
	unused_end(&u);
	assert_int_equal(u.bytes, 4 * MiB - 4096);
	assert_int_equal(map_seal(draft, "test", NULL, &img, NULL), 0);
	disk_save(img, "sparse");
	sh("cmp -n 4096 swap sparse && cmp -i 4M swap sparse && cmp -i 4096:0 -n $((4 * 1024 * 1024 - 4096)) "
	   "sparse "
	   "/dev/zero");
	assert_kernel_takes("sparse", 4 * MiB - 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_is_grown_only_when_named),
		cmocka_unit_test(test_keeps_the_page_size_of_its_machine),
		cmocka_unit_test(test_keeps_the_byte_order_and_bad_pages),
		cmocka_unit_test(test_hides_what_stood_behind),
		cmocka_unit_test(test_fits_when_there_is_no_page_more),
		cmocka_unit_test(test_ends_where_its_numbers_do),
		cmocka_unit_test(test_refuses_damage),
		cmocka_unit_test(test_refuses_a_truncated_image),
		cmocka_unit_test(test_uses_nothing_but_its_first_page),
	};

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	return cmocka_run_group_tests(tests, disk_dir_setup, disk_dir_teardown);
}
