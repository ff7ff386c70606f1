/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The step @pN: disks made by sgdisk and sfdisk, what partx says of their partitions,
 * and ours beside it.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "backends/partition.h"
#include "backends/resize.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"

static struct image *partition_ok(struct image *disk, unsigned number)
{
	struct image *img = NULL;
	struct why why = { "" };
	int r = partition_open(disk, number, &img, &why);

	if (r != 0)
		fail_msg("no partition %u: %s", number, why_text(&why, r));
	return img;
}

/* Partition N of the file "disk" as the file "part", which must be what partx says it is. */
static void save_partition(unsigned number)
{
	_cleanup_(image_unrefp) struct image *disk = disk_open("disk"), *img = partition_ok(disk, number);

	disk_save(img, "part");
	sh("set -- $(partx -g -r -o START,SECTORS -n %u:%u disk) && "
	   "test $(stat -c %%s part) = $(($2 * 512)) && cmp -i $(($1 * 512)):0 -n $(($2 * 512)) disk part",
	   number, number);
}

static void assert_refused(struct image *disk, unsigned number, int error, const char *reason)
{
	struct image *img = NULL;
	struct why why = { "" };

	assert_int_equal(partition_open(disk, number, &img, &why), error);
	assert_string_equal(why.text, reason);
}

static void assert_file_refused(unsigned number, int error, const char *reason)
{
	_cleanup_(image_unrefp) struct image *disk = disk_open("disk");

	assert_refused(disk, number, error, reason);
}

/* As much as a table can hold of, and every sector another. */
static void make_noise(const char *size)
{
	sh("rm -f disk && seq -f %%063.0f 0 $(($(numfmt --from=iec %s) / 64 - 1)) > disk", size);
}

static void test_gpt_partitions_in_any_order(void **state)
{
	make_noise("24M");
	sh("sgdisk -n 14:2048:+1M -n 15:0:+2M -n 1:0:0 disk > log");
	save_partition(14);
	save_partition(15);
	save_partition(1);
	assert_file_refused(2, -EOPNOTSUPP, "the image has no partition 2; it has 1, 14, 15");
}

static void test_mbr_partitions(void **state)
{
	make_noise("24M");
	sh("printf 'label: dos\nstart=2048,size=4099\nstart=8192,type=83\n' | sfdisk -q --no-tell-kernel disk");
	save_partition(1);
	save_partition(2);
	assert_file_refused(5, -EOPNOTSUPP, "the image has no partition 5; it has 1, 2");
}

static void test_logical_partitions(void **state)
{
	make_noise("40M");
	sh("printf 'label: "
	   "dos\nstart=2048,size=4096\ntype=5\nsize=4096\nsize=2049\nsize=8192,type=82\n' "
	   "| sfdisk -q --no-tell-kernel disk");
	save_partition(1);
	save_partition(5);
	save_partition(6);
	save_partition(7);
	assert_file_refused(2, -EOPNOTSUPP,
			    "partition 2 is an extended one, which only holds others: ask for one of 5, 6, 7");
	assert_file_refused(8, -EOPNOTSUPP, "the image has no partition 8; it has 1, 2, 5, 6, 7");
}

static void test_logical_partitions_out_of_disk_order(void **state)
{
	make_noise("40M");
	sh("printf 'label: dos\nstart=2048,type=f\nstart=40960,size=4096\nstart=4096,size=4096\n' | "
	   "sfdisk -q --no-tell-kernel disk");
	save_partition(5);
	save_partition(6);
}

static void test_many_logical_partitions(void **state)
{
	make_noise("40M");
	sh("{ printf 'label: dos\ntype=5\n'; for i in $(seq 18); do echo size=1024; done; } | "
	   "sfdisk -q --no-tell-kernel disk");
	for (unsigned i = 5; i < 5 + 18; i++)
		save_partition(i);
}

static void test_empty_tables(void **state)
{
	sh("rm -f disk && truncate -s 8M disk && sgdisk -o disk > log");
	assert_file_refused(1, -EOPNOTSUPP, "the image has no partition 1: its gpt table is empty");
	sh("rm -f disk && truncate -s 8M disk && printf 'label: dos\ntype=5\n' | sfdisk -q --no-tell-kernel "
	   "disk");
	assert_file_refused(1, -EOPNOTSUPP,
			    "partition 1 is an extended one, which only holds others: there are none in it");
	sh("rm -f disk && truncate -s 8M disk && mke2fs -q disk");
	assert_file_refused(1, -EOPNOTSUPP, "the image has no partition 1: it has no partition table");
}

static void test_a_damaged_table_is_an_error(void **state)
{
	make_noise("24M");
	sh("sgdisk -n 1:0:0 disk > log && printf x | dd of=disk bs=1 seek=1060 conv=notrunc status=none");
	{
		_cleanup_(image_unrefp) struct image *disk = disk_open("disk");
		struct image *img = NULL;
		struct why why = { "" };

		assert_int_equal(partition_open(disk, 1, &img, &why), -EBADMSG);
		assert_non_null(strstr(why.text, "the gpt is damaged: its array should have checksum"));
	}
}

/* A primary from sector 8, an extended partition from 16, and what `put` says in its records. */
static uint8_t head[64 * 512];

static void put_entry(unsigned sector, unsigned i, uint8_t type, uint32_t start, uint32_t count)
{
	uint8_t *e = head + sector * 512 + 446 + i * 16;

	e[4] = type;
	put_le32(e + 8, start);
	put_le32(e + 12, count);
	put_le16(head + sector * 512 + 510, 0xaa55);
}

static void start_chain(void)
{
	memset(head, 0, sizeof(head));
	put_entry(0, 0, 0x83, 8, 8);
	put_entry(0, 1, 0x05, 16, 1000);
	put_entry(16, 0, 0x83, 1, 8);
	put_entry(16, 1, 0x05, 20, 20); /* to 36 */
	put_entry(36, 0, 0x83, 1, 8);
}

static void assert_chain_refused(const char *reason)
{
	_cleanup_(image_unrefp) struct image *disk = memimage_new(head, sizeof(head), 4 * MiB);

	/* Whichever is asked for: where one record is wrong none is to be trusted. */
	assert_refused(disk, 1, -EBADMSG, reason);
	assert_refused(disk, 5, -EBADMSG, reason);
	assert_refused(disk, 6, -EBADMSG, reason);
}

static void test_damaged_chains_are_errors(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = memimage_new(head, sizeof(head), 4 * MiB), *img = NULL;

	start_chain();
	img = partition_ok(disk, 6);
	assert_int_equal(img->size, 8 * 512);
	put_entry(36, 1, 0x05, 0, 8);
	assert_chain_refused("the mbr is damaged: the chain of logical partitions comes back to sector 16");
	put_entry(36, 1, 0x05, 20, 8);
	assert_chain_refused("the mbr is damaged: the chain of logical partitions comes back to sector 36");
	put_entry(36, 1, 0x05, 4000, 8);
	assert_chain_refused("the mbr is damaged: the chain of logical partitions leaves extended partition 2 "
			     "at sector 4016");
	put_entry(36, 1, 0x05, 40, 8);
	assert_chain_refused("the mbr is damaged: the chain of logical partitions breaks off at sector 56");
	start_chain();
	put_entry(16, 0, 0x83, 30, 30);
	put_entry(36, 0, 0x83, 1, 20);
	assert_chain_refused("mbr table is damaged: partitions 6 and 5 overlap");
	start_chain();
	put_entry(16, 0, 0x83, 1, 20);
	assert_chain_refused(
		"the mbr is damaged: logical partition 5 lies over the chain of logical partitions at "
		"sector 36");
	start_chain();
	put_entry(36, 0, 0x83, 1, 9000);
	assert_chain_refused("truncated image: partition 6 ends at 4626944, the disk at 4M");
	put_entry(36, 0, 0x83, 1, 1000);
	assert_chain_refused("the mbr is damaged: logical partition 6 isn't inside extended partition 2");
}

static void test_a_partition_of_the_grown_disk(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL, *grown = NULL, *img = NULL;
	struct resize how = { .size = 200 * MiB };

	sh("rm -f disk part && truncate -s 60M disk && sgdisk -n 1:0:+16M -n 2:0:0 disk > log && "
	   "truncate -s $((60*1048576 - 17*1048576 - 33*512)) part && mke2fs -q -t ext4 part && "
	   "dd if=part of=disk bs=1M seek=17 conv=notrunc,sparse status=none");
	disk = disk_open("disk");
	assert_int_equal(resize_open(&how, disk, &grown, NULL), 0);
	img = partition_ok(grown, 2);
	assert_int_equal(img->size, 182 * MiB);
	disk_save(img, "part");
	sh("e2fsck -fn part > log 2>&1 && " E2FSCK_SAID_NOTHING
	   " && dumpe2fs -h part 2>&1 | grep -q '^Block count: *'$((182 * 1024 / "
	   "4))'$' || "
	   "dumpe2fs -h part 2>&1 | grep -q '^Block count: *'$((182 * 1024))'$'");
}

static void test_extents_are_the_disks(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL, *img = NULL;
	struct extent e;

	sh("rm -f disk && truncate -s 24M disk && sgdisk -n 1:0:0 disk > log && "
	   "printf x | dd of=disk bs=1M seek=5 conv=notrunc status=none");
	disk = disk_open("disk");
	img = partition_ok(disk, 1);
	e = image_extent(img, 0);
	assert_int_equal(e.kind, EXTENT_ZERO);
	assert_int_equal(image_extent(img, 4 * MiB).kind, EXTENT_DATA);
	assert_int_equal(image_extent(img, 5 * MiB).kind, EXTENT_ZERO);
}

static void test_describes_itself(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL, *img = NULL;
	_cleanup_(text_done) struct text t = TEXT_EMPTY;

	sh("rm -f disk && truncate -s 24M disk && sgdisk -n 3:4096:+4M disk > log");
	disk = disk_open("disk");
	img = partition_ok(disk, 3);
	image_describe(img, &t);
	assert_string_equal(t.chars, "    gpt: partition 3, 4.00M from byte 2097152 on\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt_partitions_in_any_order),
		cmocka_unit_test(test_mbr_partitions),
		cmocka_unit_test(test_logical_partitions),
		cmocka_unit_test(test_logical_partitions_out_of_disk_order),
		cmocka_unit_test(test_many_logical_partitions),
		cmocka_unit_test(test_empty_tables),
		cmocka_unit_test(test_a_damaged_table_is_an_error),
		cmocka_unit_test(test_damaged_chains_are_errors),
		cmocka_unit_test(test_a_partition_of_the_grown_disk),
		cmocka_unit_test(test_extents_are_the_disks),
		cmocka_unit_test(test_describes_itself),
	};

	return cmocka_run_group_tests(tests, disk_dir_setup, disk_dir_teardown);
}
