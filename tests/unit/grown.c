/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "tests/unit/disk.h"
#include "tests/unit/grown.h"

struct image *resize_ok(const struct resize *how, const char *name)
{
	_cleanup_(image_unrefp) struct image *below = disk_open(name);
	struct image *img = NULL;
	struct why why = { "" };
	int r = resize_open(how, below, &img, &why);

	if (r != 0)
		fail_msg("resize failed: %s", why_text(&why, r));
	assert_int_equal(img->size, how->size);
	return img;
}

void resize_file(const struct resize *how, const char *name, const char *describe)
{
	_cleanup_(image_unrefp) struct image *img = resize_ok(how, name);
	_cleanup_(text_done) struct text t = TEXT_EMPTY;

	image_describe(img, &t);
	if (describe)
		assert_string_equal(t.chars, describe);
	disk_save(img, "grown");
}

void assert_refused(const struct resize *how, const char *name, int error, const char *reason)
{
	_cleanup_(image_unrefp) struct image *below = disk_open(name), *img = NULL;
	struct why why = { "" };

	assert_int_equal(resize_open(how, below, &img, &why), error);
	assert_string_equal(why.text, reason);
}

void judge_ext4(uint64_t offset, uint64_t length)
{
	sh("rm -f fs && dd if=grown of=fs bs=64K iflag=skip_bytes,count_bytes skip=%ju count=%ju conv=sparse "
	   "status=none && "
	   "truncate -s %ju fs && e2fsck -fn fs > log 2>&1 && " E2FSCK_SAID_NOTHING " || { cat log; false; }",
	   (uintmax_t)offset, (uintmax_t)length, (uintmax_t)length);
	sh("mkdir -p m && l=$(losetup -f -o %ju --sizelimit %ju --show grown) && mount $l m && "
	   "diff -r --no-dereference -x lost+found files m && fallocate -l 100M m/more && df --output=size m | "
	   "tail -1 > size; "
	   "r=$?; umount m; losetup -d $l; exit $r",
	   (uintmax_t)offset, (uintmax_t)length);
	sh("rm -f fs && dd if=grown of=fs bs=64K iflag=skip_bytes,count_bytes skip=%ju count=%ju conv=sparse "
	   "status=none && "
	   "e2fsck -fn fs > log 2>&1 && " E2FSCK_SAID_NOTHING " || { cat log; false; }",
	   (uintmax_t)offset, (uintmax_t)length);
}
