/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disk in a tar. GNU tar writes them, and bsdtar, in every form they have. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/decode/tar.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define DISK_BYTES 300000

struct fixture {
	char dir[40];
	uint8_t disk[DISK_BYTES];
	uint8_t *tar;
	size_t count;
};

static void sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	FILE *f;

	assert_non_null(x);
	(void)snprintf(x->dir, sizeof(x->dir), "/tmp/goalfs-tar.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	assert_int_equal(chdir(x->dir), 0);
	for (size_t i = 0; i < DISK_BYTES; i++)
		x->disk[i] = (uint8_t)(i * 2654435761u >> 13);
	f = fopen("disk.vmdk", "w");
	assert_non_null(f);
	assert_int_equal(fwrite(x->disk, 1, DISK_BYTES, f), DISK_BYTES);
	assert_int_equal(fclose(f), 0);
	sh("echo '<Envelope/>' >machine.ovf && echo 'SHA256(disk.vmdk)= 00' >machine.mf");
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[80];

	(void)snprintf(command, sizeof(command), "rm -rf %s", x->dir);
	assert_int_equal(chdir("/"), 0);
	sh(command);
	free(x->tar);
	free(x);
	return 0;
}

static void load(struct fixture *x)
{
	FILE *f = fopen("x.tar", "r");
	struct stat st;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	free(x->tar);
	x->count = (size_t)st.st_size;
	x->tar = malloc(x->count);
	assert_int_equal(fread(x->tar, 1, x->count, f), x->count);
	(void)fclose(f);
}

static int open_tar(struct fixture *x, struct image **ret, struct why *why)
{
	struct image *below = memimage_new(x->tar, x->count, x->count);
	int r = tar_open(NULL, below, ret, why);

	image_unref(below);
	return r;
}

static void assert_holds_the_disk(struct fixture *x)
{
	_cleanup_free_ uint8_t *buf = malloc(DISK_BYTES);
	struct why why = { "" };
	struct image *img;

	load(x);
	if (open_tar(x, &img, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(img->size, DISK_BYTES);
	assert_int_equal(image_pread(img, buf, DISK_BYTES, 0, NULL), 0);
	assert_memory_equal(buf, x->disk, DISK_BYTES);
	image_unref(img);
}

static void assert_refused(struct fixture *x, int error, const char *part)
{
	struct why why = { "" };
	struct image *img;

	load(x);
	assert_int_equal(open_tar(x, &img, &why), error);
	if (!strstr(why.text, part))
		fail_msg("'%s' does not say '%s'", why.text, part);
}

static void every_form_of_tar(void **state)
{
	static const char *const forms[] = { "--format=ustar", "--format=gnu", "--format=pax",
					     "--format=oldgnu" };
	struct fixture *x = *state;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char command[200];

		(void)snprintf(command, sizeof(command), "tar -c %s -f x.tar machine.ovf machine.mf disk.vmdk",
			       forms[i]);
		sh(command);
		assert_holds_the_disk(x);
	}
}

static void long_names_and_extra_headers(void **state)
{
	struct fixture *x = *state;

	sh("d=$(printf 'long-%.0s' $(seq 40)) && mkdir -p $d/$d && mv disk.vmdk $d/$d/${d}disk.vmdk && "
	   "ln -s $d/$d/$d/nowhere link.vmdk && tar -c --format=gnu -f x.tar link.vmdk $d");
	assert_holds_the_disk(x);
	sh("tar -c --format=pax --pax-option=comment:=$(seq -s . 3000) -f x.tar link.vmdk long-*");
	assert_holds_the_disk(x);
	sh("tar -c --format=pax --pax-option=globexthdr.name=g,comment=hello -f x.tar link.vmdk long-*");
	assert_holds_the_disk(x);
	sh("bsdtar -c --format pax -f x.tar machine.ovf long-*");
	assert_holds_the_disk(x);
}

static void a_disk_of_any_name(void **state)
{
	struct fixture *x = *state;

	sh("mv disk.vmdk disk.raw && tar -cf x.tar machine.ovf disk.raw");
	assert_holds_the_disk(x);
	sh("mv disk.raw DISK.IMG && tar -cf x.tar DISK.IMG machine.mf");
	assert_holds_the_disk(x);
	sh("mkdir a && mv DISK.IMG a/b.qcow2 && cp machine.mf a/._b.qcow2 && tar -cf x.tar a/._b.qcow2 "
	   "a/b.qcow2");
	assert_holds_the_disk(x);
}

static void what_has_no_single_disk_is_refused(void **state)
{
	struct fixture *x = *state;

	sh("tar -cf x.tar machine.ovf machine.mf");
	assert_refused(x, -EOPNOTSUPP, "holds no disk");
	sh("cp disk.vmdk other.vmdk && tar -cf x.tar disk.vmdk machine.ovf other.vmdk");
	assert_refused(x, -EOPNOTSUPP,
		       "holds 2 disks, and which one is meant can't be told: disk.vmdk, other.vmdk");
	/* Whoever reads that has a terminal. */
	sh("a=$(printf '\\033]0;x\\007\\302\\233m\\n.img') && cp disk.vmdk \"$a\" && tar -cf x.tar disk.vmdk "
	   "\"$a\"");
	assert_refused(x, -EOPNOTSUPP, "can't be told: disk.vmdk,  ]0;x   m .img");
	sh(": >empty.raw && tar -cf x.tar empty.raw");
	assert_refused(x, -EBADMSG, "is empty");
	sh("truncate -s 1M sparse.raw && tar -cSf x.tar sparse.raw");
	assert_refused(x, -EOPNOTSUPP, "as a sparse file");
	sh("tar --format=pax -cSf x.tar sparse.raw");
	assert_refused(x, -EOPNOTSUPP, "as a sparse file");
}

/* Each byte of the headers, and each length: right bytes or an error. */
static void damage_is_an_error_or_harmless(void **state)
{
	struct fixture *x = *state;
	size_t count;

	sh("tar -c --format=pax -f x.tar machine.ovf disk.vmdk");
	load(x);
	count = x->count;
	for (size_t at = 0; at < 3072; at++) {
		struct image *img = NULL;

		x->tar[at] ^= 0x15;
		if (open_tar(x, &img, NULL) == 0)
			assert_int_equal(img->size, DISK_BYTES);
		image_unref(img);
		x->tar[at] ^= 0x15;
	}
	for (x->count = 0; x->count < count; x->count += 500) {
		struct image *img = NULL;

		if (open_tar(x, &img, NULL) == 0)
			assert_true(x->count > DISK_BYTES);
		image_unref(img);
	}
	x->count = count;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_form_of_tar),
		TEST(long_names_and_extra_headers),
		TEST(a_disk_of_any_name),
		TEST(what_has_no_single_disk_is_refused),
		TEST(damage_is_an_error_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
