/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The step @sparse: disks full of noise, with partitions of all kinds; what is left of
 * them is all that their tools want to see.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "backends/cache/cache.h"
#include "backends/cache/pool.h"
#include "backends/cache/store.h"
#include "backends/decode/xz.h"
#include "backends/layout/layout.h"
#include "backends/layout/qcow2.h"
#include "backends/layout/vdi.h"
#include "backends/layout/vhdx.h"
#include "backends/layout/vmdk.h"
#include "backends/library/library.h"
#include "backends/partition.h"
#include "backends/resize.h"
#include "backends/sparse.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"

/* Every sector another, and none of them zero. */
#define NOISE                                                                                              \
	"noise() { seq -f %%063.0f 0 $(($(numfmt --from=iec $1) / 64 - 1)) > $2; }\n"                      \
	"put() { dd if=$1 of=disk bs=1M seek=$2 conv=notrunc status=none; }\n"                             \
	"take() { dd if=$1 of=$2 bs=1M skip=$3 count=$4 status=none; }\n"                                  \
	"fat() { noise $1 part && mkfs.vfat -i 1234abcd -F $2 part > log && mcopy -i part -s tree ::/ && " \
	"mdel -i part '::/tree/gone*'; }\n"

/* The files that are on each filesystem, some of them deleted there: chains with holes among them. */
static int setup(void **state)
{
	int r = disk_dir_setup(state);

	if (r == 0)
		sh("mkdir -p tree/deep && for i in 1 2 3 4 5 6 7 8; do seq $((i * 3000)) > tree/gone$i; "
		   "seq $((i * 5000)) > tree/kept$i; seq $i 9999 > tree/deep/$i; done");
	return r;
}

static struct image *sparse_of(struct image *disk)
{
	struct image *img = NULL;
	struct why why = { "" };
	int r = sparse_open(disk, &img, &why);

	if (r != 0)
		fail_msg("sparse failed: %s", why_text(&why, r));
	assert_int_equal(img->size, disk->size);
	return img;
}

static void assert_described(struct image *img, const char *describe)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;

	image_describe(img, &t);
	assert_string_equal(t.chars ?: "", describe);
}

/* What is not a hole is as it was; returns how much that is. */
static uint64_t assert_rest_is_as_before(struct image *disk, struct image *img)
{
	static uint8_t want[64 * KiB], have[64 * KiB];
	uint64_t kept = 0;

	for (uint64_t at = 0, n; at < img->size; at += n) {
		struct extent e = image_extent(img, at);

		n = min_u64(e.length, sizeof(have));
		assert_int_equal(image_pread(img, have, n, at, NULL), 0);
		assert_int_equal(image_pread(disk, want, n, at, NULL), 0);
		if (e.kind == EXTENT_ZERO) {
			assert_true(bytes_are_zero(have, n));
			continue;
		}
		assert_memory_equal(have, want, n);
		kept += n;
	}
	return kept;
}

/* The file "disk" made sparse as the file "thin", described so. Returns what of it is no hole. */
static uint64_t thin(const char *describe)
{
	_cleanup_(image_unrefp) struct image *disk = disk_open("disk"), *img = sparse_of(disk);
	uint64_t kept;

	if (describe)
		assert_described(img, describe);
	kept = assert_rest_is_as_before(disk, img);
	assert_int_equal(image_data_bytes(img), kept);
	disk_save(img, "thin");
	return kept;
}

/* The filesystem at this MiB of the file is sound, and has the files. */
static void assert_fat_intact(const char *name, unsigned mib, unsigned length)
{
	sh("rm -rf fs out && mkdir out && dd if=%s of=fs bs=1M skip=%u count=%u conv=sparse status=none && "
	   "fsck.vfat -n fs > log && mcopy -i fs -s ::/tree out && cp -r tree want && rm want/gone* && "
	   "diff -r want out/tree && rm -r want",
	   name, mib, length);
}

/* FAT32 from 1 MiB, unknown from 50, squashfs from 60, FAT16 from 70 to 100; gaps of noise. 130 MiB. */
static void make_gpt(void)
{
	/* Once: sgdisk sleeps a second whenever it writes. */
	sh(NOISE
	   "if ! test -e gpt; then noise 130M disk && fat 40M 32 && put part 1 && fat 30M 16 && put part 70 && "
	   "mksquashfs tree squash -noappend -no-progress -quiet > log && put squash 60 && "
	   "{ sgdisk -Z disk > log 2>&1; "
	   "sgdisk -n 2:1M:+40M -n 1:50M:+5M -n 3:60M:+5M -n 7:70M:+30M disk > log && mv disk gpt; }; fi; "
	   "cp gpt disk");
}

static void test_gpt_keeps_what_is_used(void **state)
{
	uint64_t kept;

	make_gpt();
	kept = thin("    partition 2: fat, 38.0M of 40.0M unused\n"
		    "    partition 1: nothing that is known here, all of it counts as used\n"
		    "    partition 3: squashfs, all of it counts as used\n"
		    "    partition 7: fat, 28.6M of 30.0M unused\n"
		    "    outside of partitions: 49.0M unused\n"
		    "    in all: 116M of 130M unused\n");
	assert_true(kept < 15 * MiB);
	assert_fat_intact("thin", 1, 40);
	assert_fat_intact("thin", 70, 30);
	sh("sgdisk -v thin | grep -q 'No problems found' && sfdisk -d thin > a && sfdisk -d disk > b && "
	   "sed s/thin/disk/ a | cmp - b");
	sh("cmp -n $((1024*1024)) disk thin"); /* a boot loader may stand there */
	sh("cmp -i $((50*1024*1024)) -n $((5*1024*1024)) disk thin");
	sh("cmp -i $((60*1024*1024)) -n $((5*1024*1024)) disk thin");
	for (const unsigned *gap = (const unsigned[]){ 41, 9, 55, 5, 65, 5, 100, 29, 0 }; *gap; gap += 2)
		sh("cmp -i $((%u*1024*1024)):0 -n $((%u*1024*1024)) thin /dev/zero", gap[0], gap[1]);
	sh("cmp -i $((130*1024*1024 - 33*512)) disk thin");
}

/* Logical partitions from 42 and 62 MiB, each EBR a MiB before; behind them a gap in the extended one, and one behind. */
static void test_mbr_keeps_its_chain_and_what_stands_behind_each_ebr(void **state)
{
	sh(NOISE "noise 130M disk && fat 30M 16 && put part 1 && put part 42 && "
		 "dd if=/dev/zero of=disk bs=512 count=1 conv=notrunc status=none && "
		 "for at in 41 61; do dd if=/dev/zero of=disk bs=512 count=1 seek=$((at * 2048)) conv=notrunc "
		 "status=none; done; "
		 "printf 'label: dos\nstart=1M,size=30M,type=c\nstart=41M,size=60M,type=5\n"
		 "start=42M,size=18M\nstart=62M,size=9M\n' | "
		 "sfdisk -q --no-tell-kernel disk");
	/* The first logical is cut to 18 MiB, so that its filesystem reaches out of it. */
	(void)thin("    partition 1: fat, 28.6M of 30.0M unused\n"
		   "    partition 5: all of it counts as used: its fat claims 30.0M, more than there is\n"
		   "    partition 6: nothing that is known here, all of it counts as used\n"
		   "    in all: 28.6M of 130M unused\n");
	sh("cmp -i $((31*1024*1024)) disk thin"); /* the table is in doubt */
	sh(NOISE "fat 18M 16 && put part 42");
	(void)thin("    partition 1: fat, 28.6M of 30.0M unused\n"
		   "    partition 5: fat, 16.6M of 18.0M unused\n"
		   "    partition 6: nothing that is known here, all of it counts as used\n"
		   "    outside of partitions: 69.0M unused\n"
		   "    in all: 114M of 130M unused\n");
	assert_fat_intact("thin", 1, 30);
	assert_fat_intact("thin", 42, 18);
	sh("sfdisk -d thin > a && sfdisk -d disk > b && sed s/thin/disk/ a | cmp - b && sfdisk -q --verify "
	   "thin");
	for (const unsigned *same = (const unsigned[]){ 0, 1, 41, 1, 61, 10, 129, 1, 0, 0 }; same[1]; same += 2)
		sh("cmp -i $((%u*1024*1024)) -n $((%u*1024*1024)) disk thin", same[0], same[1]);
	for (const unsigned *gap = (const unsigned[]){ 31, 10, 60, 1, 71, 58, 0 }; *gap; gap += 2)
		sh("cmp -i $((%u*1024*1024)):0 -n $((%u*1024*1024)) thin /dev/zero", gap[0], gap[1]);
}

static void test_bare_filesystem_takes_the_disk(void **state)
{
	static const char *const kinds[][2] = {
		{ "fat 3M 12", "    the disk: fat, 1.64M of 3.00M unused\n" },
		{ "fat 30M 16", "    the disk: fat, 28.6M of 30.0M unused\n" },
		{ "fat 40M 32", "    the disk: fat, 38.0M of 40.0M unused\n" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		unsigned mib = i == 0 ? 3 : i == 1 ? 30 : 40;

		sh(NOISE "%s && mv part disk", kinds[i][0]);
		(void)thin(kinds[i][1]);
		assert_fat_intact("thin", 0, mib);
	}
}

static void assert_untouched(const char *describe)
{
	assert_int_equal(thin(describe), sh_status("exit $(($(stat -c %%s disk) >> 20))") * MiB);
	sh("cmp disk thin");
}

static void test_what_nobody_knows_is_used(void **state)
{
	sh(NOISE "noise 20M disk");
	assert_untouched("    the disk: nothing that is known here, all of it counts as used\n");
	sh("mksquashfs tree squash -noappend -no-progress -quiet > log && dd if=squash of=disk conv=notrunc "
	   "status=none");
	assert_untouched("    the disk: squashfs, all of it counts as used\n");
	/* Partitions, none of which holds anything that is known: perhaps the sectors are larger. */
	sh(NOISE
	   "noise 60M disk && fat 20M 16 && dd if=part of=disk bs=4096 seek=2560 conv=notrunc status=none && "
	   "dd if=/dev/zero of=disk bs=512 count=1 conv=notrunc status=none && "
	   "printf 'label: dos\nstart=2560,size=5120,type=c\n' | sfdisk -q --no-tell-kernel disk");
	assert_untouched("    partition 1: nothing that is known here, all of it counts as used\n");
}

static void test_damage_is_used(void **state)
{
	make_gpt();
	sh("printf x | dd of=disk bs=1 seek=1030 conv=notrunc status=none");
	{
		_cleanup_(image_unrefp) struct image *disk = disk_open("disk"), *img = sparse_of(disk);
		_cleanup_(text_done) struct text t = TEXT_EMPTY;

		image_describe(img, &t);
		assert_non_null(
			strstr(t.chars, "    the disk: all of it counts as used: the gpt is damaged: "));
		assert_int_equal(image_data_bytes(img), disk->size);
	}
	/* The second partition's tables too short; the rest is beyond doubt. */
	make_gpt();
	sh("printf '\\1' | dd of=disk bs=1 seek=$((70*1024*1024 + 22)) conv=notrunc status=none");
	(void)thin(
		"    partition 2: fat, 38.0M of 40.0M unused\n"
		"    partition 1: nothing that is known here, all of it counts as used\n"
		"    partition 3: squashfs, all of it counts as used\n"
		"    partition 7: fat, all of it counts as used: the fat is damaged: its tables of 1 sectors "
		"are too short for 15350 clusters\n"
		"    outside of partitions: 49.0M unused\n"
		"    in all: 87.0M of 130M unused\n");
}

static void test_dirty_filesystem_is_used(void **state)
{
	sh(NOISE
	   "fat 40M 32 && mv part disk && printf '\\1' | dd of=disk bs=1 seek=65 conv=notrunc status=none");
	assert_untouched(
		"    the disk: fat, all of it counts as used: fat32 is not clean: it was not unmounted; "
		"run fsck.vfat\n");
}

/* Its data stands where the gaps between partitions are. */
static void test_media_with_partitions_stay_whole(void **state)
{
	sh("rm -rf m && mkdir m && cp -r tree m && genisoimage -quiet -R -o iso m && truncate -s 40M iso && "
	   "mkfs.vfat -C esp 4096 > log && dd if=esp of=iso bs=1M seek=30 conv=notrunc status=none && "
	   "printf 'label: dos\nstart=16384,size=8192\nstart=61440,size=8192,type=ef\n' | sfdisk -q "
	   "--no-tell-kernel iso && mv iso disk && rm esp");
	{
		_cleanup_(image_unrefp) struct image *disk = disk_open("disk"), *img = sparse_of(disk);

		assert_described(img,
				 "    the disk: iso9660 as well as partitions, all of it counts as used\n");
		assert_int_equal(image_data_bytes(img), image_data_bytes(disk));
	}
}

static void test_empty_table_is_used(void **state)
{
	sh(NOISE "noise 20M disk && dd if=/dev/zero of=disk bs=1M count=1 conv=notrunc status=none && "
		 "sgdisk -o disk > log 2>&1");
	assert_int_equal(thin(""), 20 * MiB);
}

/* One map stands under all that is done to the disk. */
static void test_steps_stand_on_it(void **state)
{
	const struct resize how = { .size = 300 * MiB, .partition = 7, .keep_content = true };
	_cleanup_(image_unrefp) struct image *disk = NULL, *img = NULL, *grown = NULL, *part = NULL;
	uint64_t kept;

	make_gpt();
	disk = disk_open("disk");
	img = sparse_of(disk);
	kept = image_data_bytes(img);
	assert_int_equal(resize_open(&how, img, &grown, NULL), 0);
	disk_save(grown, "grown");
	sh("sgdisk -v grown | grep -q 'No problems found'");
	assert_fat_intact("grown", 1, 40);
	assert_fat_intact("grown", 70, 30);
	assert_true(image_data_bytes(grown) <= kept + 64 * KiB);
	assert_int_equal(partition_open(grown, 2, &part, NULL), 0);
	disk_save(part, "part2");
	assert_fat_intact("part2", 0, 40);
	assert_true(image_data_bytes(part) < 2 * MiB);
}

static void test_formats_allocate_what_is_left(void **state)
{
	static const struct {
		const char *format;
		int (*make)(struct image *, const struct layout *, struct image **, struct why *);
		uint64_t block;
	} formats[] = {
		{ "qcow2", qcow2_layout, 64 * KiB },
		{ "vmdk", vmdk_layout, 64 * KiB },
		{ "vdi", vdi_layout, MiB },
		{ "vhdx", vhdx_layout, 0 },
	};
	_cleanup_(image_unrefp) struct image *disk = NULL, *img = NULL;
	const struct layout how = { 0 };

	sh(NOISE "fat 40M 32 && mv part disk");
	disk = disk_open("disk");
	img = sparse_of(disk);
	disk_save(img, "thin");
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		_cleanup_(image_unrefp) struct image *all = NULL, *few = NULL;

		assert_int_equal(formats[i].make(disk, &how, &all, NULL), 0);
		assert_int_equal(formats[i].make(img, &how, &few, NULL), 0);
		assert_true(all->size > 40 * MiB);
		if (formats[i].block)
			assert_true(few->size < 5 * MiB);
		else
			assert_true(few->size < all->size);
		disk_save(few, "few");
		sh("qemu-img compare -q -f %s -F raw few thin", formats[i].format);
	}
}

/* A sparse map doesn't depend on what somebody has found out before. */
static void test_same_map_whether_read_or_known_to_be_zero(void **state)
{
	_cleanup_(image_unrefp) struct image *holes = NULL, *full = NULL, *a = NULL, *b = NULL;

	make_gpt();
	sh("cp --sparse=always disk holes && cp --sparse=never disk full");
	holes = disk_open("holes");
	full = disk_open("full");
	a = sparse_of(holes);
	b = sparse_of(full);
	disk_save(a, "a");
	disk_save(b, "b");
	sh("cmp a b");
}

/* Compressed in blocks of 64 KiB, cached as ever: those that nobody uses are never made. */
static void test_unused_units_are_never_decoded(void **state)
{
	const struct store_options options = { .tmpdir = disk_path(""), .memory = MiB };
	struct template template = { .identity = (char *)"t" };
	struct context context = { .memory = 512 * MiB };
	const struct opening opening = { &context, &template, NULL };
	_cleanup_(image_unrefp) struct image *packed = NULL, *xz = NULL, *cache = NULL, *img = NULL;
	static uint8_t buf[MiB];
	struct store_figures figures;
	uint64_t wanted = 0, opened;
	unsigned at_ends = 0;

	make_gpt();
	sh("xz -kf -0 --block-size=64KiB disk");
	assert_int_equal(store_open(&options, &context.store, NULL), 0);
	context.pool = pool_new(2);
	packed = disk_open("disk.xz");
	assert_int_equal(xz_open(&opening, packed, &xz, NULL), 0);
	assert_int_equal(cache_image_new(&context, "t", xz, &cache, NULL), 0);
	img = sparse_of(cache);
	store_figures(context.store, &figures);
	opened = figures.units_made;
	for (uint64_t unit = 0; unit < img->size; unit += 64 * KiB) {
		uint64_t n = min_u64(64 * KiB, img->size - unit);
		struct extent e = image_extent(img, unit);

		if (e.kind != EXTENT_ZERO || e.length < n)
			wanted++;
		else
			at_ends +=
				image_extent(cache, unit).kind != EXTENT_ZERO && image_is_here(cache, unit, n);
	}
	for (uint64_t at = 0; at < img->size; at += sizeof(buf)) {
		image_hint(img, at, min_u64(8 * MiB, img->size - at));
		assert_int_equal(image_pread(img, buf, min_u64(sizeof(buf), img->size - at), at, NULL), 0);
	}
	image_unref(take(img));
	image_unref(take(cache));
	pool_free(context.pool);
	store_figures(context.store, &figures);
	/* Opening looks for records of RAID at the end of each partition. */
	assert_true(at_ends <= 4);
	assert_true(opened < 30);
	assert_int_equal(figures.units_made, wanted + at_ends);
	store_close(context.store);
}

static int failing_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	return offset >= 2 * MiB ? fail(why, -EIO, "the disk is on fire")
				 : image_pread(img->below, buf, count, offset, why);
}

/* It may go well the next time, and then the bytes would be others. */
static void test_failed_reads_are_no_answer(void **state)
{
	static const struct image_ops ops = { .name = "failing", .pread = failing_pread };
	struct image *failing = calloc(1, sizeof(*failing)), *img = NULL;
	struct why why = { "" };

	make_gpt();
	image_init(failing, &ops, 130 * MiB, disk_open("disk"));
	assert_int_equal(sparse_open(failing, &img, &why), -EIO);
	assert_non_null(strstr(why.text, "the disk is on fire"));
	image_unref(failing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt_keeps_what_is_used),
		cmocka_unit_test(test_mbr_keeps_its_chain_and_what_stands_behind_each_ebr),
		cmocka_unit_test(test_bare_filesystem_takes_the_disk),
		cmocka_unit_test(test_what_nobody_knows_is_used),
		cmocka_unit_test(test_damage_is_used),
		cmocka_unit_test(test_dirty_filesystem_is_used),
		cmocka_unit_test(test_media_with_partitions_stay_whole),
		cmocka_unit_test(test_empty_table_is_used),
		cmocka_unit_test(test_steps_stand_on_it),
		cmocka_unit_test(test_formats_allocate_what_is_left),
		cmocka_unit_test(test_same_map_whether_read_or_known_to_be_zero),
		cmocka_unit_test(test_unused_units_are_never_decoded),
		cmocka_unit_test(test_failed_reads_are_no_answer),
	};

	return cmocka_run_group_tests_name("sparse", tests, setup, disk_dir_teardown);
}
