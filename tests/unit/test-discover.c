/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a template turns out to be: files of real tools in a directory, or named by an index. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/discover.h"
#include "backends/library/library.h"
#include "base/patience.h"
#include "tests/unit/cachebench.h"

struct fixture {
	struct bench *bench;
	char dir[40];
	struct library *library;
};

static void sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(bench_set_up((void **)&x->bench), 0);
	bench_open_store(x->bench);
	x->bench->context.registry = registry_new();
	assert_non_null(x->bench->context.registry);
	(void)snprintf(x->dir, sizeof(x->dir), "/tmp/goalfs-discover.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	assert_int_equal(chdir(x->dir), 0);
	/* Nothing that any format begins with, and nothing that a guest could not have written. */
	sh("head -c 3M /dev/zero | tr '\\0' x >disk && truncate -s 8M disk");
	*state = x;
	return 0;
}

static void close_library(struct fixture *x)
{
	library_close(x->library);
	x->library = NULL;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[80];
	struct bench *bench = x->bench;

	close_library(x);
	/* A job that was given up may hold an image for a moment more. */
	pool_free(take(bench->context.pool));
	registry_free(bench->context.registry);
	bench->context.registry = NULL;
	(void)snprintf(command, sizeof(command), "rm -rf %s", x->dir);
	assert_int_equal(chdir("/"), 0);
	sh(command);
	free(x);
	return bench_tear_down((void **)&bench);
}

static int look(struct fixture *x, const char *name, struct tags *facts, bool *ret_opened, struct why *why)
{
	const char *const sources[] = { x->dir };
	const struct library_options options = { .sources = sources, .n_sources = 1 };
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct template *t;
	int r;

	if (!x->library && library_open(&options, &x->library, why) < 0)
		fail_msg("%s", why->text);
	if (library_find(x->library, name, NULL, &t, why) < 0)
		fail_msg("%s", why->text);
	r = discover(&x->bench->context, t, facts, &img, why);
	if (ret_opened)
		*ret_opened = img != NULL;
	template_unref(t);
	return r;
}

static void assert_fact(const struct tags *facts, const char *key, const char *value)
{
	if (!value && tags_has(facts, key))
		fail_msg("%s is %s", key, tags_get(facts, key));
	if (value && !tags_is(facts, key, value))
		fail_msg("%s is %s, not %s", key, tags_get(facts, key) ?: "not there", value);
}

static void assert_is(struct fixture *x, const char *name, const char *codec, const char *format)
{
	_cleanup_(tags_done) struct tags facts = { 0 };
	struct why why = { "" };

	if (look(x, name, &facts, NULL, &why) < 0)
		fail_msg("%s: %s", name, why.text);
	assert_fact(&facts, "codec", codec);
	assert_fact(&facts, "format", format);
	assert_fact(&facts, "size", "8388608");
	assert_fact(&facts, "unread", strcmp(format, "raw") == 0 ? NULL : "yes");
}

static void assert_is_none(struct fixture *x, const char *name, int error, const char *part)
{
	_cleanup_(tags_done) struct tags facts = { 0 };
	struct why why = { "" };

	assert_int_equal(look(x, name, &facts, NULL, &why), error);
	if (!strstr(why.text, part))
		fail_msg("'%s' does not say '%s'", why.text, part);
}

static void one_wrapping_after_the_other_is_taken_off(void **state)
{
	struct fixture *x = *state;

	sh("cp disk plain.img && xz -c disk >packed.xz && xz -c packed.xz >twice.xz");
	sh("qemu-img convert -O qcow2 disk disk.qcow2 && cp disk.qcow2 q.img && xz -c disk.qcow2 >qx.xz");
	sh("tar -cf tarred.tar disk.qcow2 && xz -c tarred.tar >tx.xz && rm disk.qcow2");
	assert_is(x, "plain", NULL, "raw");
	assert_is(x, "packed", "xz", "raw");
	assert_is(x, "twice", "xz,xz", "raw");
	assert_is(x, "q", NULL, "qcow2");
	assert_is(x, "qx", "xz", "qcow2");
	assert_is(x, "tarred", "tar", "qcow2");
	assert_is(x, "tx", "xz,tar", "qcow2");
}

static void what_was_found_is_remembered(void **state)
{
	struct fixture *x = *state;
	_cleanup_(tags_done) struct tags facts = { 0 };
	bool opened;

	sh("qemu-img convert -O qcow2 disk q.qcow2 && xz -c q.qcow2 >qx.xz && rm q.qcow2");
	assert_int_equal(look(x, "qx", &facts, &opened, NULL), 0);
	assert_true(opened);
	tags_done(&facts);
	facts = (struct tags){ 0 };
	assert_int_equal(look(x, "qx", &facts, &opened, NULL), 0);
	assert_false(opened);
	assert_is(x, "qx", "xz", "qcow2");
	/* But not of another file in its place. */
	sh("xz -c disk >new.xz && mv new.xz qx.xz");
	close_library(x);
	assert_is(x, "qx", "xz", "raw");
}

static void who_says_raw_is_believed(void **state)
{
	struct fixture *x = *state;

	sh("qemu-img create -q -f qcow2 disk.qcow2 1M && cp disk.qcow2 a.raw && truncate -s 8M a.raw && "
	   "xz -c a.raw >b.raw.xz && rm disk.qcow2");
	assert_is(x, "a", NULL, "raw");
	assert_is(x, "b", "xz", "raw");
}

static void an_index_is_held_to_its_word(void **state)
{
	struct fixture *x = *state;

	sh("qemu-img convert -O qcow2 disk q.bin && xz -c disk >x.bin && qemu-img create -q -f qcow2 r.bin 1M "
	   "&& "
	   "truncate -s 8M r.bin && for n in q x; do printf "
	   "'[%s]\\narch=%s\\nfile=%s.bin\\nsize=8388608\\n\\n[%s-bad]\\narch=%s\\nfile=%s.bin\\nsize="
	   "8388096\\n\\n' "
	   "$n $(uname -m) $n $n $(uname -m) $n; done >index && "
	   "printf '[r]\\narch=%s\\nfile=r.bin\\nformat=raw\\nsize=8388608\\n' $(uname -m) >>index");
	assert_is(x, "q", NULL, "qcow2");
	assert_is(x, "x", "xz", "raw");
	assert_is(x, "r", NULL, "raw");
	assert_is_none(x, "q-bad", -EBADMSG, "holds an image of 8388608 bytes, the index says size=8388096");
	assert_is_none(x, "x-bad", -EBADMSG, "holds an image of 8388608 bytes, the index says size=8388096");
}

/* A listing, or the survey of a library of hundreds, is not to fetch and decode them all. */
static void who_looks_around_does_not_have_files_read(void **state)
{
	struct fixture *x = *state;
	_cleanup_(tags_done) struct tags facts = { 0 };
	struct why why = { "" };

	sh("gzip -c disk >g.gz && qemu-img convert -O vmdk disk v.vmdk && cp v.vmdk w.vmdk && xz w.vmdk");
	sh("cp v.vmdk l.vmdk && truncate -s 100M l.vmdk && xz -T1 -0 l.vmdk");
	(void)patience_casual(true);
	assert_is_none(x, "g", -EAGAIN, "all of it would have to be read");
	assert_is(x, "w", "xz", "vmdk");
	assert_is(x, "v", NULL, "vmdk");
	/* All of it is one block, and no byte of that is had before all were checked. */
	assert_is_none(x, "l", -EAGAIN, "most of it would have to be decoded");
	(void)patience_casual(false);
	assert_is(x, "l", "xz", "vmdk");
	assert_is(x, "g", "gzip", "raw");
	/* What somebody has asked for is known, then. */
	(void)patience_casual(true);
	assert_int_equal(look(x, "g", &facts, NULL, &why), 0);
	(void)patience_casual(false);
}

/* A size that is no multiple of a sector is not for the reader in the process. QEMU takes what it takes. */
static void what_our_reader_does_not_know_is_qemus(void **state)
{
	struct fixture *x = *state;
	_cleanup_(tags_done) struct tags facts = { 0 };
	struct why why = { "" };

	sh("qemu-img convert -O qcow2 disk odd.qcow2 && printf '\\000\\000\\000\\000\\000\\177\\377\\001' | "
	   "dd of=odd.qcow2 bs=1 seek=24 conv=notrunc status=none");
	if (look(x, "odd", &facts, NULL, &why) < 0)
		fail_msg("%s", why.text);
	assert_fact(&facts, "reader", "qemu");
	assert_fact(&facts, "size", "8388096");
}

static void what_can_not_be_read_is_refused(void **state)
{
	struct fixture *x = *state;

	sh("cp disk d && for i in 1 2 3 4 5 6; do xz -c d >e && mv e d; done && mv d deep.xz");
	sh("printf 'PK\\003\\004' | xz -c >zip.xz");
	sh("qemu-img create -q -f raw base.bin 1M && qemu-img create -q -f qcow2 -F raw -b base.bin b.qcow2 "
	   "8M");
	sh("qemu-img convert -O qcow2 disk cut.qcow2 && truncate -s 200K cut.qcow2");
	assert_is_none(x, "deep", -EOPNOTSUPP, "wrapped more than 4 times");
	assert_is_none(x, "zip", -EOPNOTSUPP, "is zip data");
	assert_is_none(x, "b", -EOPNOTSUPP, "backing file");
	assert_is_none(x, "cut", -EBADMSG, "");
}

static void assert_medium(struct fixture *x, const char *name)
{
	_cleanup_(tags_done) struct tags facts = { 0 };
	struct why why = { "" };

	if (look(x, name, &facts, NULL, &why) < 0)
		fail_msg("%s: %s", name, why.text);
	assert_fact(&facts, "format", "iso");
}

static void medium_in_a_wrapping_is_what_it_is_called(void **state)
{
	struct fixture *x = *state;

	sh("truncate -s 1M m && printf '\\001CD001\\001' | dd of=m bs=1 seek=32768 conv=notrunc status=none");
	sh("xz -c m >whole.iso.xz && xz --block-size=4KiB -c m >pieces.iso.xz && gzip -c m >zipped.iso.gz");
	sh("xz -c disk >x.iso.xz && xz --block-size=4KiB -c disk >xs.iso.xz && echo text | xz -c "
	   ">short.iso.xz");
	sh("qemu-img convert -O qcow2 disk q && xz -c q >q.iso.xz");
	assert_medium(x, "whole");
	assert_medium(x, "pieces");
	assert_medium(x, "zipped");
	assert_is_none(x, "x", -EBADMSG, "x.iso.xz' is called an ISO 9660 image, and is none");
	assert_is_none(x, "xs", -EBADMSG, "xs.iso.xz' is called an ISO 9660 image, and is none");
	assert_is_none(x, "short", -EBADMSG, "short.iso.xz' is called an ISO 9660 image, and is none");
	assert_is_none(x, "q", -EBADMSG, "q.iso.xz' is called an ISO 9660 image, and is qcow2");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_wrapping_after_the_other_is_taken_off),
		TEST(what_was_found_is_remembered),
		TEST(who_says_raw_is_believed),
		TEST(medium_in_a_wrapping_is_what_it_is_called),
		TEST(an_index_is_held_to_its_word),
		TEST(who_looks_around_does_not_have_files_read),
		TEST(what_our_reader_does_not_know_is_qemus),
		TEST(what_can_not_be_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
