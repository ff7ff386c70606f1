/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images by real tools, read by a real qemu-nbd. */
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/decode/disk_header.h"
#include "backends/decode/qemu_nbd.h"
#include "backends/library/library.h"
#include "backends/source/file.h"
#include "base/bytes.h"
#include "base/patience.h"
#include "tests/unit/fds.h"
#include "tests/unit/peer.h"

static char dir[] = "/tmp/goalfs-test-qemu-XXXXXX";

static void run(const char *command)
{
	_cleanup_free_ char *all =
		text_new("cd '%s' && { %s; } >log 2>&1 || { cat log; exit 1; }", dir, command);

	if (system(all) != 0)
		fail_msg("%s", command);
}

static int setup(void **state)
{
	(void)strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return -1;
	/* 20 MiB and a bit: text, noise, and between them nothing. */
	run("truncate -s 20972032 disk.raw && yes goal | head -c 300000 | dd of=disk.raw bs=1M seek=1 "
	    "conv=notrunc && "
	    "head -c 700000 /dev/urandom | dd of=disk.raw bs=1M seek=5 conv=notrunc && "
	    "head -c 3000 /dev/urandom | dd of=disk.raw bs=1M seek=17 conv=notrunc");
	return 0;
}

/* What is below stands in no file then, and QEMU reads it from us. */
static bool in_pieces;

static int setup_in_pieces(void **state)
{
	in_pieces = true;
	return setup(state);
}

static int teardown(void **state)
{
	in_pieces = false;
	_cleanup_free_ char *command = text_new("rm -rf '%s'", dir);

	(void)chdir("/");
	return system(command);
}

/* ---- opening ---- */

static struct image *open_file(const char *name)
{
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct why why = { "" };
	struct image *img;
	int r = file_image_new(fd, name, &img, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	(void)take_fd(fd);
	return img;
}

/* A file's bytes, as if they were decoded or fetched. */
struct pieces {
	struct image image;
	bool is_far;	      /* it would have to be asked for */
	atomic_int error;     /* what reads fail with, if not 0 */
	atomic_bool is_stuck; /* reads wait until their patience is lost */
	atomic_uint waiting;
	atomic_uint_least64_t n_read; /* bytes */
};

static int pieces_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct pieces *p = (struct pieces *)img;
	const int error = atomic_load(&p->error);

	if (error)
		return fail(why, error, "piece %d is not to be had", 7);
	atomic_fetch_add(&p->waiting, 1);
	while (atomic_load(&p->is_stuck) && !patience_lost())
		(void)usleep(1000);
	atomic_fetch_sub(&p->waiting, 1);
	if (atomic_load(&p->is_stuck))
		return fail(why, -EINTR, "given up");
	atomic_fetch_add(&p->n_read, count);
	return image_pread(img->below, buf, count, offset, why);
}

static int pieces_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	return -ENODATA;
}

static bool pieces_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	return !((struct pieces *)img)->is_far;
}

static const struct image_ops pieces_ops = {
	.name = "pieces", .pread = pieces_pread, .backing = pieces_backing, .is_here = pieces_is_here
};

static struct pieces *pieces_new(struct image *below, bool is_far)
{
	struct pieces *p = calloc(1, sizeof(*p));

	image_init(&p->image, &pieces_ops, below->size, below);
	p->is_far = is_far;
	return p;
}

static int open_over(struct image *below, const char *format, struct image **ret, struct why *why)
{
	struct template t = { .name = (char *)"it", .path = (char *)"dir/it" };
	struct step step = { .backend = "qemu-nbd" };
	const struct opening opening = { .template = &t, .step = &step };
	int r;

	assert_int_equal(tags_set(&step.args, "format", format), 0);
	r = qemu_nbd_backend.open(&opening, below, ret, why);
	tags_done(&step.args);
	return r;
}

static int try_open(const char *name, const char *format, struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *below = open_file(name);

	if (in_pieces)
		below = &pieces_new(below, /* is_far= */ false)->image;
	return open_over(below, format, ret, why);
}

static struct image *open_disk(const char *name, const char *format)
{
	struct image *img;
	struct why why = { "" };
	int r = try_open(name, format, &img, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	return img;
}

/* ---- reading ---- */

struct collect {
	struct sink sink;
	uint8_t *buf;
};

static int collect_write(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	memcpy(((struct collect *)sink)->buf + offset, buf, count);
	return 0;
}

static int make_at(struct image *img, uint64_t offset, uint8_t *all, struct why *why)
{
	struct collect c = { { collect_write }, all };
	struct unit unit = image_unit(img, offset);

	return image_make(img, &unit, &c.sink, why);
}

/* All units, against the raw bytes; and what is said to be zero is. */
static void assert_holds(struct image *img, const char *raw)
{
	_cleanup_close_ int fd = open(raw, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *want = calloc(1, img->size), *have = malloc(img->size);
	struct why why = { "" };
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(img->size, st.st_size);
	assert_int_equal(pread(fd, want, img->size, 0), st.st_size);
	for (uint64_t at = 0; at < img->size; at += QEMU_NBD_UNIT)
		if (make_at(img, at, have, &why) < 0)
			fail_msg("%s", why.text);
	assert_memory_equal(want, have, img->size);
	for (uint64_t at = 0; at < img->size;) {
		struct extent e = image_extent(img, at);

		if (e.kind == EXTENT_ZERO)
			assert_true(bytes_are_zero(want + at, e.length));
		at += e.length;
	}
}

static const struct {
	const char *format, *options, *file;
} kinds[] = {
	{ "vmdk", "-O vmdk", "a.vmdk" },
	{ "vmdk", "-O vmdk -o subformat=streamOptimized", "stream.vmdk" },
	{ "vdi", "-O vdi", "a.vdi" },
	{ "vdi", "-O vdi -o static=on", "static.vdi" },
	{ "vhd", "-O vpc", "a.vhd" },
	{ "vhd", "-O vpc -o subformat=fixed,force_size=on", "fixed.vhd" },
	{ "vhdx", "-O vhdx -o block_size=1M", "a.vhdx" },
	{ "vhdx", "-O vhdx -o subformat=fixed", "fixed.vhdx" },
	{ "qed", "-O qed", "a.qed" },
	{ "parallels", "-O parallels", "a.hds" },
	{ "qcow2", "-O qcow2", "a.qcow2" },
	{ "qcow2", "-c -O qcow2", "c.qcow2" },
	{ "qcow2", "-O qcow2 -o compat=0.10", "old.qcow2" },
	{ "qcow", "-O qcow", "a.qcow" },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void convert(size_t kind)
{
	const char *format = strcmp(kinds[kind].format, "vhd") == 0 ? "vpc" : kinds[kind].format;
	_cleanup_free_ char *command =
		text_new("qemu-img convert %s disk.raw %s && qemu-img convert -f %s -O raw %s back.raw",
			 kinds[kind].options, kinds[kind].file, format, kinds[kind].file);

	run(command);
}

static void test_formats_are_read(void **state)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		_cleanup_(image_unrefp) struct image *img = NULL;

		convert(i);
		img = open_disk(kinds[i].file, kinds[i].format);
		assert_holds(img, "back.raw");
		/* Most of it is known to be zero, but for those that are all there. */
		if (!strstr(kinds[i].options, "static") && !strstr(kinds[i].options, "fixed"))
			assert_in_range(image_data_bytes(img), 1003000, 8 * MiB);
	}
}

/* What no tool at hand makes. */
static void test_formats_by_hand_are_read(void **state)
{
	_cleanup_free_ char *script = source_path("tests/lib/disk-formats.py");
	_cleanup_free_ char *command = text_new("python3 %s .", script);
	static const char *const formats[] = { "cloop", "bochs", "dmg" };

	run(command);
	for (size_t i = 0; i < 3; i++) {
		_cleanup_free_ char *file = text_new("hand.%s", formats[i]);
		_cleanup_(image_unrefp) struct image *img = open_disk(file, formats[i]);

		assert_holds(img, "hand.raw");
	}
}

/* Whatever is missing: an error, or right bytes. QEMU would take what is behind the end of a file for zeros. */
static void test_half_an_image_is_an_error(void **state)
{
	static const unsigned percents[] = { 99, 90, 60, 30, 5 };

	for (size_t i = 0; i < N_KINDS; i++) {
		convert(i);
		for (size_t k = 0; k < sizeof(percents) / sizeof(percents[0]); k++) {
			_cleanup_(image_unrefp) struct image *img = NULL;
			_cleanup_free_ uint8_t *have = malloc(32 * MiB), *want = calloc(1, 32 * MiB);
			_cleanup_close_ int fd = open("back.raw", O_RDONLY | O_CLOEXEC);
			struct why why = { "" };
			struct stat st;

			assert_true(pread(fd, want, 32 * MiB, 0) > 0);
			assert_int_equal(stat(kinds[i].file, &st), 0);
			assert_int_equal(truncate(kinds[i].file, st.st_size / 100 * percents[k]), 0);
			if (try_open(kinds[i].file, kinds[i].format, &img, &why) < 0)
				continue;
			for (uint64_t at = 0; at < img->size; at += QEMU_NBD_UNIT)
				if (make_at(img, at, have, &why) == 0 &&
				    memcmp(have + at, want + at, min_u64(QEMU_NBD_UNIT, img->size - at)) != 0)
					fail_msg("%s at %u%%: wrong bytes at %llu", kinds[i].file, percents[k],
						 (unsigned long long)at);
		}
	}
}

/* The part of a file that an archive gives. */
struct part {
	struct image image;
	uint64_t offset;
};

static int part_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	return image_pread(img->below, buf, count, ((struct part *)img)->offset + offset, why);
}

static int part_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	return image_backing(img->below, ((struct part *)img)->offset + offset, ret);
}

static const struct image_ops part_ops = { .name = "part", .pread = part_pread, .backing = part_backing };

static void test_disk_inside_a_file_is_read(void **state)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		_cleanup_free_ char *command =
			text_new("tar -cf all.tar disk.raw %s disk.raw && stat -c %%s %s >size", kinds[i].file,
				 kinds[i].file);
		_cleanup_(image_unrefp) struct image *img = NULL, *below = NULL;
		struct part *part = calloc(1, sizeof(*part));
		struct why why = { "" };
		struct stat st;

		convert(i);
		run(command);
		assert_int_equal(stat(kinds[i].file, &st), 0);
		image_init(&part->image, &part_ops, st.st_size, open_file("all.tar"));
		below = &part->image;
		part->offset = 512 + align_up(20972032, 512) + 512;
		if (open_over(below, kinds[i].format, &img, &why) < 0)
			fail_msg("%s: %s", kinds[i].file, why.text);
		assert_holds(img, "back.raw");
	}
}

/* ---- the child ---- */

static pid_t only_child(void)
{
	pid_t pid = 0;
	DIR *d = opendir("/proc/self/task");
	struct dirent *entry;

	while ((entry = readdir(d))) {
		char path[64], line[64] = "";
		_cleanup_fclose_ FILE *f = NULL;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f && fgets(line, sizeof(line), f))
			pid = atoi(line);
	}
	(void)closedir(d);
	return pid;
}

static void test_child_that_dies_is_replaced_and_ends_with_its_image(void **state)
{
	_cleanup_free_ uint8_t *all = malloc(32 * MiB);
	const unsigned before = fds_open();
	struct image *img;

	convert(0);
	img = open_disk(kinds[0].file, kinds[0].format);
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = only_child();
		struct why why = { "" };

		assert_true(pid > 0);
		(void)kill(pid, SIGKILL);
		if (make_at(img, i * QEMU_NBD_UNIT, all, &why) < 0)
			fail_msg("%s", why.text);
		assert_true(only_child() > 0);
		assert_true(only_child() != pid);
	}
	assert_holds(img, "back.raw");
	image_unref(img);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(fds_open(), before);
}

/* ---- in pieces ---- */

static struct pieces *open_in_pieces(size_t kind, bool is_far, struct image **ret)
{
	struct pieces *p = pieces_new(open_file(kinds[kind].file), is_far);
	struct why why = { "" };

	if (open_over(&p->image, kinds[kind].format, ret, &why) < 0)
		fail_msg("%s", why.text);
	return p;
}

/* To open it is to read what it says of itself, and to read a bit is to read a bit. */
static void test_little_is_read_for_little(void **state)
{
	_cleanup_free_ uint8_t *all = malloc(32 * MiB);

	for (size_t i = 0; i < N_KINDS; i++) {
		struct image *img;
		struct why why = { "" };
		struct pieces *p;

		convert(i);
		p = open_in_pieces(i, /* is_far= */ false, &img);
		/* Where a vmdk may have its descriptor QEMU reads 1 MiB, of a vhdx's regions each that is in use. */
		if (atomic_load(&p->n_read) > 3 * MiB)
			fail_msg("%s: %llu bytes to open it", kinds[i].file, (unsigned long long)p->n_read);
		assert_int_equal(make_at(img, 17 * MiB, all, &why), 0);
		if (atomic_load(&p->n_read) > 5 * MiB)
			fail_msg("%s: %llu bytes for 1 MiB", kinds[i].file, (unsigned long long)p->n_read);
		image_unref(img);
		image_unref(&p->image);
	}
}

static void test_reason_is_that_of_the_piece(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_free_ uint8_t *all = malloc(32 * MiB);
	struct why why = { "" };
	struct pieces *p;

	convert(0);
	p = open_in_pieces(0, /* is_far= */ false, &img);
	atomic_store(&p->error, -EHOSTUNREACH);
	assert_int_equal(make_at(img, 5 * MiB, all, &why), -EHOSTUNREACH);
	assert_string_equal(why.text, "piece 7 is not to be had");
	atomic_store(&p->error, 0);
	assert_holds(img, "back.raw");
	image_unref(&p->image);
}

static void *make_often(void *arg)
{
	_cleanup_free_ uint8_t *all = malloc(32 * MiB);
	static struct why wrong;
	struct image *img = arg;

	for (uint64_t i = 0; i < 100; i++) {
		struct why why = { "" };

		if (make_at(img, i * MiB % img->size, all, &why) == -EHOSTUNREACH)
			continue;
		wrong = why;
		return wrong.text;
	}
	return NULL;
}

static void test_reason_is_told_to_all_who_read(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	pthread_t thread[4];
	struct pieces *p;
	void *wrong[4];

	convert(0);
	p = open_in_pieces(0, /* is_far= */ false, &img);
	atomic_store(&p->error, -EHOSTUNREACH);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, make_often, img), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(thread[i], &wrong[i]), 0);
	for (size_t i = 0; i < 4; i++)
		if (wrong[i])
			fail_msg("%s", (char *)wrong[i]);
	image_unref(&p->image);
}

static void test_reason_for_not_opening_is_that_of_the_piece(void **state)
{
	struct pieces *p;
	struct image *img;
	struct why why = { "" };

	convert(0);
	p = pieces_new(open_file(kinds[0].file), /* is_far= */ false);
	atomic_store(&p->error, -ETIMEDOUT);
	assert_int_equal(open_over(&p->image, "vmdk", &img, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "piece 7 is not to be had"));
	image_unref(&p->image);
}

/* A decoder is not to wait for a server: who reads brings it. */
static void test_far_units_are_brought(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_free_ uint8_t *all = malloc(32 * MiB);
	struct collect c = { { collect_write }, all };
	struct why why = { "" };
	struct unit first, other;
	uint64_t n;
	struct pieces *p;

	convert(0);
	p = open_in_pieces(0, /* is_far= */ true, &img);
	first = image_unit(img, 1 * MiB);
	other = image_unit(img, 5 * MiB);
	assert_true(image_is_far(img, &first));
	assert_false(image_is_here(img, 1 * MiB, 1));
	assert_int_equal(image_bring(img, &first, &why), 0);
	assert_false(image_is_far(img, &first));
	assert_true(image_is_here(img, 1 * MiB, MiB));
	assert_false(image_is_here(img, 1 * MiB, MiB + 1));
	assert_true(image_is_far(img, &other));
	atomic_store(&p->error, -EIO);
	assert_int_equal(image_bring(img, &other, &why), -EIO);
	assert_true(image_is_far(img, &other));
	/* What was brought is there, whatever happens meanwhile; once. */
	assert_int_equal(image_make(img, &first, &c.sink, &why),
			 -EIO); /* the look that it is still the same file */
	atomic_store(&p->error, 0);
	assert_int_equal(image_bring(img, &first, &why), 0);
	n = atomic_load(&p->n_read);
	assert_int_equal(image_make(img, &first, &c.sink, &why), 0);
	assert_in_range(atomic_load(&p->n_read) - n, 0, 1);
	assert_true(image_is_far(img, &first));
	assert_holds(img, "back.raw");
	image_unref(&p->image);
}

static bool is_lost;

static bool lost(void *arg)
{
	return __atomic_load_n(&is_lost, __ATOMIC_SEQ_CST);
}

static void *bring(void *arg)
{
	struct image *img = arg;
	struct unit unit = image_unit(img, 5 * MiB);
	static struct why why;

	patience_set(lost, NULL);
	return image_bring(img, &unit, &why) == -EINTR ? arg : NULL;
}

/* A server that is silent: who reads may leave, and the image can be closed. */
static void test_waiting_for_a_piece_ends(void **state)
{
	const unsigned before = fds_open();
	pthread_t thread;
	struct pieces *p;
	struct image *img;
	void *ret;

	convert(0);
	p = open_in_pieces(0, /* is_far= */ true, &img);
	atomic_store(&p->is_stuck, true);
	assert_int_equal(pthread_create(&thread, NULL, bring, img), 0);
	while (atomic_load(&p->waiting) == 0)
		(void)usleep(1000);
	__atomic_store_n(&is_lost, true, __ATOMIC_SEQ_CST);
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_ptr_equal(ret, img);
	assert_true(atomic_load(&p->waiting) > 0);
	image_unref(img);
	assert_int_equal(atomic_load(&p->waiting), 0);
	image_unref(&p->image);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(fds_open(), before);
}

/* ---- the file ---- */

static void test_replaced_file_is_noticed(void **state)
{
	_cleanup_free_ uint8_t *all = malloc(32 * MiB);
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct why why = { "" };

	convert(0);
	img = open_disk(kinds[0].file, kinds[0].format);
	assert_int_equal(make_at(img, 0, all, &why), 0);
	run("sleep 0.02; printf x | dd of=a.vmdk bs=1 seek=200000 conv=notrunc");
	assert_int_equal(make_at(img, 0, all, &why), -ESTALE);
}

/* As the store's files are without a cache directory: nobody else can open them, and a confined child must. */
static void test_file_without_a_name_is_read(void **state)
{
	_cleanup_close_ int from = -1, fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_(image_unrefp) struct image *img = NULL, *below = NULL;
	struct why why = { "" };
	struct stat st;

	convert(0);
	from = open(kinds[0].file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(from, &st), 0);
	assert_int_equal(copy_file_range(from, NULL, fd, NULL, st.st_size, 0), st.st_size);
	assert_int_equal(file_image_new(fd, "it", &below, &why), 0);
	fd = -1;
	if (open_over(below, kinds[0].format, &img, &why) < 0)
		fail_msg("%s", why.text);
	assert_holds(img, "back.raw");
}

static void test_missing_program_is_named(void **state)
{
	_cleanup_free_ char *path = strdup(getenv("PATH"));
	struct image *img;
	struct why why = { "" };

	convert(0);
	(void)setenv("PATH", "/nowhere", 1);
	assert_int_equal(try_open(kinds[0].file, kinds[0].format, &img, &why), -EOPNOTSUPP);
	(void)setenv("PATH", path, 1);
	assert_string_equal(why.text,
			    "'dir/it' is a vmdk image, which is read by qemu-nbd, and that is not installed "
			    "(package qemu-utils, or qemu-img)");
}

/* ---- what is not read ---- */

static const struct {
	const char *format, *make;
	int error;
	const char *what;
} refused[] = {
	{ "qcow2", "qemu-img create -f qcow2 -F raw -b disk.raw x", -EOPNOTSUPP, "a backing file" },
	{ "qcow2", "qemu-img create -f qcow2 -o data_file=d x 1M", -EOPNOTSUPP, "a data file" },
	{ "qcow2", "qemu-img create -f qcow2 x 1M && printf '\\x02' | dd of=x bs=1 seek=35 conv=notrunc",
	  -EOPNOTSUPP, "encrypted" },
	{ "qcow", "qemu-img create -f qcow x 1M && printf '\\x01' | dd of=x bs=1 seek=39 conv=notrunc",
	  -EOPNOTSUPP, "encrypted" },
	{ "qcow", "qemu-img create -f qcow -F raw -b disk.raw x", -EOPNOTSUPP, "a backing file" },
	{ "qed", "qemu-img create -f qed -F raw -b disk.raw x", -EOPNOTSUPP, "a backing file" },
	{ "vmdk", "qemu-img create -f vmdk base 1M && qemu-img create -f vmdk -F vmdk -b base x", -EOPNOTSUPP,
	  "a parent" },
	{ "vmdk", "qemu-img create -f vmdk -o subformat=monolithicFlat x 1M", -EOPNOTSUPP, "several files" },
	{ "vmdk", "qemu-img create -f vmdk -o subformat=twoGbMaxExtentSparse x 1M", -EOPNOTSUPP,
	  "several files" },
	/* A header without a capacity: QEMU would go by the descriptor. */
	{ "vmdk",
	  "qemu-img create -f vmdk x 1M && dd if=/dev/zero of=x bs=1 seek=12 count=8 conv=notrunc && "
	  "sed -i s/SPARSE/FLAT../ x",
	  -EOPNOTSUPP, "a descriptor" },
	{ "vmdk", "qemu-img create -f vmdk x 1M && sed -i 's/ SPARSE / FLAT   /' x", -EOPNOTSUPP,
	  "other files" },
	{ "vmdk", "qemu-img create -f vmdk x 1M && sed -i 's/monolithicSparse/twoGbMaxExtentSp/' x",
	  -EOPNOTSUPP, "other files" },
	{ "vmdk",
	  "qemu-img create -f vmdk x 1M && printf '\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f' | dd of=x bs=1 "
	  "seek=28 conv=notrunc",
	  -EBADMSG, "lies outside" },
	{ "vdi", "qemu-img create -f vdi x 1M && printf '\\x04' | dd of=x bs=1 seek=76 conv=notrunc",
	  -EOPNOTSUPP, "a parent" },
	{ "vdi", "qemu-img create -f vdi x 1M && printf '\\x04' | dd of=x bs=1 seek=445 conv=notrunc",
	  -EOPNOTSUPP, "a parent" },
	{ "vhd", "qemu-img create -f vpc x 1M && printf '\\x04' | dd of=x bs=1 seek=63 conv=notrunc",
	  -EOPNOTSUPP, "a parent" },
	{ "vhdx",
	  "qemu-img create -f vhdx x 1M && python3 -c \"import mmap; f = open('x', 'r+b'); m = "
	  "mmap.mmap(f.fileno(), 0); "
	  "at = m.find(b'metadata'); e = m.find(bytes.fromhex('3767a1ca36fa434db3b633f0aa44e76b'), at); "
	  "o = at + int.from_bytes(m[e + 16:e + 20], 'little'); m[o + 4] = 2\"",
	  -EOPNOTSUPP, "a parent" },
	{ "vhdx", "qemu-img create -f vhdx x 1M && truncate -s 200K x", -EBADMSG, "can't hold its headers" },
	{ "vmdk", "cp disk.raw x", -EOPNOTSUPP, "several files" },
	{ "vdi", "cp disk.raw x", -EBADMSG, "not a vdi image" },
	{ "vhd", "cp disk.raw x", -EBADMSG, "not a vhd image" },
	{ "vhdx", "cp disk.raw x", -EBADMSG, "not a vhdx image" },
	{ "qed", "cp disk.raw x", -EBADMSG, "not a qed image" },
	{ "qcow", "cp disk.raw x", -EBADMSG, "not a qcow image" },
	{ "qcow2", "cp disk.raw x", -EBADMSG, "not a qcow2 image" },
	{ "parallels", "cp disk.raw x", -EBADMSG, "not a parallels image" },
	{ "dmg", "cp disk.raw x", -EBADMSG, "not a dmg image" },
	{ "cloop", "cp disk.raw x", -EBADMSG, "not a cloop image" },
	{ "bochs", "cp disk.raw x", -EBADMSG, "not a bochs image" },
	{ "vdi", "printf x >x", -EBADMSG, "can't hold its headers" },
	/* One table in all the places of a list: small files that would take hours to look through. */
	{ "qcow2",
	  "python3 -c \"import struct; open('x', 'wb').write((b'QFI\\xfb' + struct.pack('>IQIIQIIQQIIQ', 2, 0, "
	  "0, "
	  "16, 1 << 40, 0, 1000, 1 << 16, 0, 0, 0, 0)).ljust(1 << 16, b'\\0') + struct.pack('>Q', 1 << 16) * "
	  "(1 << 17))\"",
	  -EBADMSG, "lie over each other" },
	{ "qcow",
	  "python3 -c \"import struct; open('x', 'wb').write((b'QFI\\xfb' + struct.pack('>IQIIQBBHIQ', 1, 0, "
	  "0, 0, "
	  "1 << 32, 12, 9, 0, 0, 1 << 16)).ljust(1 << 16, b'\\0') + struct.pack('>Q', 1 << 16) * (1 << 17))\"",
	  -EBADMSG, "lie over each other" },
	{ "vmdk",
	  "qemu-img create -f vmdk x 1M && truncate -s 2M x && python3 -c \"import struct; f = open('x', "
	  "'r+b'); "
	  "f.seek(12); f.write(struct.pack('<Q', 1 << 31)); f.seek(56); f.write(struct.pack('<Q', 1024)); "
	  "f.seek(1 << 19); f.write(struct.pack('<I', 2048) * (1 << 15))\"",
	  -EBADMSG, "lie over each other" },
	/* Of holes, such a list costs nothing. */
	{ "qcow2",
	  "python3 -c \"import struct; f = open('x', 'wb'); f.write(b'QFI\\xfb' + struct.pack('>IQIIQIIQQIIQ', "
	  "2, 0, "
	  "0, 16, 1 << 40, 0, 1 << 31, 1 << 16, 0, 0, 0, 0)); f.truncate(1 << 35)\"",
	  -EOPNOTSUPP, "more than 4194304 tables" },
	{ "vmfs", "cp disk.raw x", -EINVAL, "a step without a format" },
};

static void test_what_names_other_files_is_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct why why = { "" };
		struct image *img;
		int r;

		run("rm -f x");
		run(refused[i].make);
		r = try_open("x", refused[i].format, &img, &why);
		if (r != refused[i].error || !strstr(why.text, refused[i].what))
			fail_msg("%s: %d, %s", refused[i].make, r, why.text);
		assert_int_equal(only_child(), 0);
	}
}

/* What our look at the headers lets pass and QEMU doesn't: its reason comes up, and into the log. */
static void test_refusal_of_the_child_is_the_reason(void **state)
{
	_cleanup_close_ int before = dup(STDERR_FILENO), log = -1;
	struct why why = { "" };
	struct image *img;
	int r;

	run("qemu-img create -f qcow2 x 1M && printf '\\x7f' | dd of=x bs=1 seek=20 conv=notrunc");
	log = open("stderr", O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	assert_true(dup2(log, STDERR_FILENO) >= 0);
	r = try_open("x", "qcow2", &img, &why);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	assert_true(r < 0);
	if (!strstr(why.text, "'dir/it' can't be opened: qemu-nbd: ") || !strstr(why.text, "luster size"))
		fail_msg("%s", why.text);
	run("grep -q 'it: qemu-nbd: .*luster size' stderr");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

#define IN_PIECES(test)                                                    \
	{                                                                  \
#test ", in pieces", test, setup_in_pieces, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_formats_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_formats_by_hand_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_an_image_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_inside_a_file_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_that_dies_is_replaced_and_ends_with_its_image, setup,
						teardown),
		IN_PIECES(test_formats_are_read),
		IN_PIECES(test_formats_by_hand_are_read),
		IN_PIECES(test_half_an_image_is_an_error),
		IN_PIECES(test_child_that_dies_is_replaced_and_ends_with_its_image),
		IN_PIECES(test_replaced_file_is_noticed),
		IN_PIECES(test_refusal_of_the_child_is_the_reason),
		cmocka_unit_test_setup_teardown(test_little_is_read_for_little, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reason_is_that_of_the_piece, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reason_is_told_to_all_who_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reason_for_not_opening_is_that_of_the_piece, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_far_units_are_brought, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting_for_a_piece_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced_file_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_without_a_name_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing_program_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_names_other_files_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusal_of_the_child_is_the_reason, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
