/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MBR: disks made by sfdisk, grown by us, judged by sfdisk and parted.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "backends/table/table.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"

static int grow(struct image *below, uint64_t size, unsigned number, struct image **ret, uint64_t *ret_length,
		struct why *why)
{
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(size, below);
	struct table_growth growth = { 0 };
	int r = table_read(below, &t, why);

	if (r != 0)
		return r;
	assert_string_equal(t.ops->name, "mbr");
	r = t.ops->grow(below, &t, number ? table_number(&t, number) : NULL, draft, &growth, why);
	*ret_length = growth.length;
	return r < 0 ? r : map_seal(take(draft), "test", NULL, ret, why);
}

/* Grows the file "disk" into the file "grown"; returns the partition's new length. */
static uint64_t grow_file(uint64_t size, unsigned number)
{
	_cleanup_(image_unrefp) struct image *below = disk_open("disk"), *img = NULL;
	struct why why = { "" };
	uint64_t length = 0;
	int r = grow(below, size, number, &img, &length, &why);

	if (r != 0)
		fail_msg("growing failed: %s", why_text(&why, r));
	disk_save(img, "grown");
	sh("sfdisk --verify -q grown");
	sh("parted -s grown unit s print > log");
	return length;
}

/* `script`: for sfdisk, behind the label. The boot sector carries code and an active flag. */
static void make_disk(const char *size, const char *script)
{
	sh("rm -f disk && truncate -s %s disk && printf 'label: dos\nlabel-id: 0xdeadbeef\n%s' | sfdisk -q "
	   "--no-tell-kernel disk "
	   "&& printf '\xeb\x63\x90 GRUB and more code' | dd of=disk conv=notrunc status=none",
	   size, script);
}

#define BOOT_AND_ROOT "start=2048,size=32768,type=83,bootable\nstart=34816,type=83\n"
#define ROOT_AND_SWAP "start=2048,size=40960,type=83,bootable\ntype=5\ntype=82,size=10240\ntype=83\n"

static void test_reads_what_sfdisk_wrote(void **state)
{
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_(image_unrefp) struct image *disk = NULL;

	make_disk("40M", BOOT_AND_ROOT);
	disk = disk_open("disk");
	assert_int_equal(table_read(disk, &t, NULL), 0);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.partition[0].start, MiB);
	assert_int_equal(t.partition[0].length, 16 * MiB);
	assert_true(t.partition[0].bootable);
	assert_int_equal(t.partition[1].number, 2);
	assert_false(t.partition[1].bootable);
	assert_string_equal(t.partition[1].kind, "83");
	assert_int_equal(testimage_count(disk).bytes, 1024);
}

static void test_reads_logical_partitions(void **state)
{
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_(image_unrefp) struct image *disk = NULL;
	_cleanup_free_ char *want = NULL;
	char have[512] = "";

	make_disk("40M", ROOT_AND_SWAP);
	disk = disk_open("disk");
	assert_int_equal(table_read(disk, &t, NULL), 0);
	for (unsigned i = 0; i < t.n; i++)
		(void)snprintf(have + strlen(have), sizeof(have) - strlen(have), "%u %ju %ju 0x%s\n",
			       t.partition[i].number, t.partition[i].start / 512, t.partition[i].length / 512,
			       t.partition[i].kind + (t.partition[i].kind[0] == '0'));
	want = sh_text("partx -g -r -o NR,START,SECTORS,TYPE disk");
	assert_string_equal(have, want);
	assert_true(t.partition[1].extended);
	assert_true(t.partition[2].logical && t.partition[3].logical);
}

static void test_grows_the_last_primary(void **state)
{
	make_disk("40M", BOOT_AND_ROOT);
	assert_int_equal(grow_file(120 * MiB, 2), (120 - 17) * MiB);
	/* CHS and count of entry 2: boot code, signature and flags are byte for byte the same. */
	sh("cmp -n 467 disk grown && cmp -i 470 -n 4 disk grown && cmp -i 478 -n $((40*1024*1024-478)) disk "
	   "grown");
	sh("test \"$(partx -g -o NR,START,SECTORS grown | tail -1 | xargs)\" = '2 34816 210944'");
	sh("for f in disk grown; do sfdisk -d $f | grep -v '^device' | sed \"s/^$f//; s/^2 \\(.*\\)size= "
	   "*[0-9]*/2 \\1/\" "
	   "> $f.dump; done; cmp disk.dump grown.dump");
}

static void test_writes_the_chs_that_sfdisk_writes(void **state)
{
	static const unsigned mib[] = { 41, 120, 1000, 7000, 8032, 9000, 30000 };

	for (size_t i = 0; i < sizeof(mib) / sizeof(*mib); i++) {
		make_disk("40M", BOOT_AND_ROOT);
		(void)grow_file(mib[i] * MiB, 2);
		sh("rm -f disk && truncate -s %uM disk && printf 'label: "
		   "dos\nstart=2048,size=32768\nstart=34816\n' | "
		   "sfdisk -q --no-tell-kernel disk",
		   mib[i]);
		sh("cmp -i 462 -n 16 disk grown");
	}
}

static void test_grows_a_primary_whatever_its_number(void **state)
{
	make_disk("40M", "4: start=2048,size=2048\n1: start=20480,type=83\n");
	assert_int_equal(grow_file(120 * MiB, 1), 110 * MiB);
	sh("cmp -i 494 -n 18 disk grown");
}

static void test_kernel_takes_the_grown_partition(void **state)
{
	make_disk("40M", BOOT_AND_ROOT);
	(void)grow_file(120 * MiB, 2);
	sh("l=$(losetup -f --show grown) && partx -a $l && cat /sys/block/${l#/dev/}/${l#/dev/}p2/size > size; "
	   "partx -d $l; losetup -d $l; test \"$(cat size)\" = $(( 103 * 2048 ))");
}

static void test_the_disk_alone_stays_as_it_is(void **state)
{
	make_disk("40M", BOOT_AND_ROOT);
	(void)grow_file(120 * MiB, 0);
	sh("cmp -n $((40*1024*1024)) disk grown");
	(void)grow_file(3 * TiB, 0);
	sh("cmp -n $((40*1024*1024)) disk grown");
}

static void test_takes_any_size(void **state)
{
	make_disk("40M", BOOT_AND_ROOT);
	assert_int_equal(grow_file(40 * MiB + 512, 2),
			 23 * MiB); /* ends where the disk ended: nothing to gain */
	assert_int_equal(grow_file(41 * MiB, 2), 24 * MiB);
	assert_int_equal(grow_file(41 * MiB + 512, 2), 24 * MiB);
	assert_int_equal(grow_file(42 * MiB - 512, 2), 24 * MiB);
	assert_int_equal(grow_file(42 * MiB - 100, 2), 24 * MiB);
	assert_int_equal(grow_file(2 * TiB - MiB, 2), 2 * TiB - 18 * MiB);
	assert_int_equal(grow_file(2 * TiB - 512, 2), 2 * TiB - 18 * MiB);
	assert_int_equal(grow_file(2 * TiB, 2), 2 * TiB - 18 * MiB);
}

static void assert_grow_refused(unsigned number, uint64_t size, const char *reason)
{
	_cleanup_(image_unrefp) struct image *below = disk_open("disk"), *img = NULL;
	struct why why = { "" };
	uint64_t length;

	assert_int_equal(grow(below, size, number, &img, &length, &why), -EOPNOTSUPP);
	assert_string_equal(why.text, reason);
}

static void test_refuses_more_than_2_tib(void **state)
{
	make_disk("40M", BOOT_AND_ROOT);
	assert_grow_refused(
		2, 3 * TiB,
		"partition 2 can't grow on a disk of 3T: an mbr reaches up to 2T; @2T is the most it can "
		"use, @expand=none grows the disk alone");
	assert_grow_refused(
		2, 2 * TiB + 512,
		"partition 2 can't grow on a disk of 2199023256064: an mbr reaches up to 2T; @2T is the most "
		"it can use, @expand=none grows the disk alone");
}

/* Layouts in which something stands behind what grows, or holds it. All of 40 MiB, with noise in every sector. */

#define PRIMARIES                                                                                            \
	"start=2048,size=20480,type=83,bootable\nstart=24576,size=4096,type=82\nstart=30720,size=8192,type=" \
	"83\n"
/* An extended partition as Debian's installer makes it: two sectors before its only logical one. */
#define DEBIAN                                                                                                \
	"start=2048,size=40960,type=83,bootable\nstart=45054,size=36866,type=5\nstart=45056,size=36864,type=" \
	"82\n"
#define UBUNTU \
	"start=2048,size=4096,type=b,bootable\nstart=8190,size=73730,type=5\nstart=8192,size=73728,type=83\n"
#define THREE_LOGICALS                                                                                 \
	"start=2048,size=4096,type=83\nstart=8192,size=40960,type=f\nstart=61440,size=20480,type=83\n" \
	"start=10240,size=8192,type=82\nstart=20480,size=8192,type=83\nstart=30720,size=10240,type=83\n"
#define ROOM_IN_EXTENDED                                          \
	"start=2048,size=4096\nstart=8192,size=65536,type=5\n4: " \
	"start=75776,size=4096\nstart=10240,size=8192\n"
#define OUT_OF_ORDER                                                                                         \
	"start=2048,size=4096\nstart=8192,size=73728,type=5\nstart=40960,size=8192\nstart=10240,size=4096\n" \
	"start=63488,size=18432\nstart=20480,size=8192,type=82\n"

static void fill_disk(const char *script)
{
	sh("test -s noise || head -c 40M /dev/urandom > noise");
	sh("cp noise disk && dd if=/dev/zero of=disk bs=512 count=1 conv=notrunc status=none && "
	   "printf 'label: dos\nlabel-id: 0xdeadbeef\n%s' | sfdisk -q --wipe never --wipe-partitions never "
	   "--no-tell-kernel disk",
	   script);
}

static void assert_same_bytes(struct image *a, uint64_t at_a, struct image *b, uint64_t at_b, uint64_t length)
{
	_cleanup_free_ uint8_t *bytes_a = malloc(length), *bytes_b = malloc(length);

	assert_int_equal(image_pread(a, bytes_a, length, at_a, NULL), 0);
	assert_int_equal(image_pread(b, bytes_b, length, at_b, NULL), 0);
	assert_memory_equal(bytes_a, bytes_b, length);
}

/* All but places and lengths is the same; what moved has its bytes; what grew, the old ones at its start. */
static void judge_partitions(unsigned number, uint64_t shift)
{
	_cleanup_(image_unrefp) struct image *disk = disk_open("disk"), *grown = disk_open("grown");
	_cleanup_(table_done) struct table old = { 0 }, now = { 0 };
	uint64_t from;

	assert_int_equal(table_read(disk, &old, NULL), 0);
	assert_int_equal(table_read(grown, &now, NULL), 0);
	assert_int_equal(old.n, now.n);
	from = table_number(&old, number)->start;
	for (unsigned i = 0; i < old.n; i++) {
		struct partition want = old.partition[i], *have = &now.partition[i];

		want.start += want.start > from ? shift : 0;
		if (want.number != number && !want.extended)
			assert_int_equal(have->length, want.length);
		assert_true(have->length >= want.length);
		if (!want.extended)
			assert_same_bytes(disk, old.partition[i].start, grown, have->start, want.length);
		want.length = have->length;
		assert_memory_equal(&want, have, sizeof(want));
	}
}

/* Every byte of the table is what sfdisk writes for such partitions: at 0, and in the MiB before each. */
static void judge_bytes(void)
{
	_cleanup_(image_unrefp) struct image *grown = NULL, *remade = NULL;
	_cleanup_(table_done) struct table t = { 0 };

	sh("sfdisk -d grown > dump && cp --sparse=always grown remade && "
	   "sfdisk -q --wipe never --wipe-partitions never --no-tell-kernel remade < dump");
	grown = disk_open("grown");
	remade = disk_open("remade");
	assert_int_equal(table_read(grown, &t, NULL), 0);
	assert_same_bytes(grown, 0, remade, 0, MiB);
	for (unsigned i = 0; i < t.n; i++)
		assert_same_bytes(grown, t.partition[i].start - MiB, remade, t.partition[i].start - MiB,
				  MiB + 512);
}

/* As libblkid has it, which reads the chain like the kernel. */
static void judge_listing(void)
{
	_cleanup_(image_unrefp) struct image *grown = disk_open("grown");
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_free_ char *listed = sh_text("partx -g -r -o NR,START,SECTORS grown");

	assert_int_equal(table_read(grown, &t, NULL), 0);
	for (unsigned i = 0; i < t.n; i++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "%u %ju %ju\n", t.partition[i].number,
			       t.partition[i].start / 512, t.partition[i].length / 512);
		if (!strstr(listed, line))
			fail_msg("'%s' is not in '%s'", line, listed);
	}
}

static void test_moves_what_stands_behind(void **state)
{
	static const struct {
		const char *script;
		unsigned number;
		unsigned mib;	       /* of the grown disk */
		uint64_t grows, shift; /* MiB */
	} cases[] = {
		{ PRIMARIES, 1, 120, 101, 101 },
		{ PRIMARIES, 2, 120, 101, 101 },
		{ PRIMARIES, 3, 120, 101, 0 },
		{ PRIMARIES, 1, 41, 22, 22 },
		{ PRIMARIES, 1, 9000, 8981, 8981 },
		{ DEBIAN, 1, 120, 80, 80 },
		{ DEBIAN, 1, 41, 1, 1 },
		{ DEBIAN, 5, 120, 80, 0 },
		{ UBUNTU, 5, 120, 80, 0 },
		{ UBUNTU, 5, 41, 1, 0 },
		{ UBUNTU, 1, 120, 80, 80 },
		{ THREE_LOGICALS, 1, 120, 80, 80 },
		{ THREE_LOGICALS, 5, 120, 80, 80 },
		{ THREE_LOGICALS, 6, 120, 80, 80 },
		{ THREE_LOGICALS, 7, 120, 80, 80 },
		{ THREE_LOGICALS, 3, 120, 80, 0 },
		{ THREE_LOGICALS, 6, 9000, 8960, 8960 },
		{ ROOM_IN_EXTENDED, 5, 120, 81, 81 },
		{ ROOM_IN_EXTENDED, 1, 120, 81, 81 },
		{ OUT_OF_ORDER, 5, 120, 80, 80 },
		{ OUT_OF_ORDER, 6, 120, 80, 80 },
		{ OUT_OF_ORDER, 7, 120, 80, 0 },
		{ OUT_OF_ORDER, 8, 120, 80, 80 },
		{ OUT_OF_ORDER, 1, 120, 80, 80 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(image_unrefp) struct image *disk = NULL;
		_cleanup_(table_done) struct table t = { 0 };
		uint64_t length;

		fill_disk(cases[i].script);
		disk = disk_open("disk");
		assert_int_equal(table_read(disk, &t, NULL), 0);
		length = grow_file(cases[i].mib * MiB, cases[i].number);
		if (length - table_number(&t, cases[i].number)->length != cases[i].grows * MiB)
			fail_msg("case %zu: grown by %ju", i,
				 (uintmax_t)(length - table_number(&t, cases[i].number)->length));
		judge_partitions(cases[i].number, cases[i].shift * MiB);
		judge_bytes();
		judge_listing();
	}
}

static void test_free_space_in_the_extended_one_is_used_first(void **state)
{
	make_disk("40M", "start=2048,size=4096\nstart=8192,size=73728,type=5\nstart=10240,size=8192\n");
	assert_int_equal(grow_file(40 * MiB + 512, 5), 35 * MiB);
	sh("test \"$(partx -g -r -o START,SECTORS grown | tail -1)\" = '10240 71680'");
	sh("sfdisk -d grown | grep -q '^grown2 : start= *8192, size= *73728,'");
	assert_int_equal(grow_file(120 * MiB, 5), 115 * MiB);
	sh("sfdisk -d grown | grep -q '^grown2 : start= *8192, size= *237568,'");
}

static void test_gaps_move_along(void **state)
{
	/* Between partitions 1 and 2 is a gap of 1 MiB, and 3 ends before the disk does. */
	_cleanup_(image_unrefp) struct image *disk = NULL, *grown = NULL;

	fill_disk(PRIMARIES);
	(void)grow_file(120 * MiB, 1);
	disk = disk_open("disk");
	grown = disk_open("grown");
	assert_same_bytes(disk, 11 * MiB, grown, 112 * MiB, 8 * MiB);
	assert_same_bytes(disk, 19 * MiB, grown, 19 * MiB, 21 * MiB);
}

static void test_partitions_move_by_whole_mib(void **state)
{
	fill_disk(DEBIAN);
	assert_int_equal(grow_file(41 * MiB - 512, 1), 20 * MiB);
	judge_partitions(1, 0);
	assert_int_equal(grow_file(41 * MiB + 512, 1), 21 * MiB);
	judge_partitions(1, MiB);
	assert_int_equal(grow_file(43 * MiB - 100, 1), 22 * MiB);
	judge_partitions(1, 2 * MiB);
	/* The last sector that 32 bits can count is not the last of 2 TiB. */
	assert_int_equal(grow_file(2 * TiB, 1), 2 * TiB - 40 * MiB + 19 * MiB);
	judge_partitions(1, 2 * TiB - 41 * MiB);
}

static void test_kernel_takes_moved_partitions(void **state)
{
	fill_disk(THREE_LOGICALS);
	(void)grow_file(120 * MiB, 6);
	sh("l=$(losetup -f --show grown) && partx -a $l && "
	   "for p in /sys/block/${l#/dev/}/${l#/dev/}p*; do echo $(cat $p/partition $p/start $p/size); done | "
	   "sort -n > "
	   "kernel; partx -d $l; losetup -d $l; partx -g -r -o NR,START,SECTORS grown > seen; test -s seen && "
	   "grep -v '^2 ' seen > a; grep -v '^2 ' kernel | cmp - a");
}

static void test_refuses_the_extended_one_itself(void **state)
{
	make_disk("40M", ROOT_AND_SWAP);
	assert_grow_refused(
		2, 80 * MiB,
		"partition 2 is an extended one, which only holds others and grows with the last of "
		"them: @expand= takes one of 5, 6; @expand=none grows the disk alone");
	make_disk("40M", "start=2048,size=40960,type=5\n");
	assert_grow_refused(
		1, 80 * MiB,
		"partition 1 is an extended one, which only holds others and grows with the last of "
		"them: there are none in it; @expand=none grows the disk alone");
}

static void test_knows_what_types_mean(void **state)
{
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_(image_unrefp) struct image *disk = NULL;

	make_disk("40M", "size=2048,type=ef\nsize=2048,type=27\nsize=2048,type=42\nsize=2048,type=83\n");
	disk = disk_open("disk");
	assert_int_equal(table_read(disk, &t, NULL), 0);
	assert_true(table_number(&t, 1)->use->service);
	assert_string_equal(table_number(&t, 1)->use->name, "EFI system");
	assert_string_equal(table_number(&t, 2)->use->name, "Windows recovery");
	assert_non_null(table_number(&t, 3)->use->no_growth);
	assert_null(table_number(&t, 4)->use);
}

/* Disks in memory. */

static uint8_t head[64 * 512];

static void put_entry(unsigned sector, unsigned i, uint8_t type, uint32_t start, uint32_t count)
{
	uint8_t *e = head + sector * 512 + 446 + i * 16;

	e[4] = type;
	put_le32(e + 8, start);
	put_le32(e + 12, count);
	put_le16(head + sector * 512 + 510, 0xaa55);
}

static int read_head(struct table *ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *disk = memimage_new(head, sizeof(head), 40 * MiB);

	return table_read(disk, ret, why);
}

static void assert_damaged(const char *reason)
{
	_cleanup_(table_done) struct table t = { 0 };
	struct why why = { "" };

	assert_int_equal(read_head(&t, &why), -EBADMSG);
	if (!strstr(why.text, reason))
		fail_msg("'%s' doesn't say '%s'", why.text, reason);
}

static void assert_no_table(void)
{
	_cleanup_(table_done) struct table t = { 0 };

	assert_int_equal(read_head(&t, NULL), 1);
}

static void start_over(void)
{
	memset(head, 0, sizeof(head));
}

static void test_refuses_overlapping_partitions(void **state)
{
	start_over();
	put_entry(0, 0, 0x83, 2048, 4096);
	put_entry(0, 2, 0x83, 6143, 4096);
	assert_damaged("partitions 1 and 3 overlap");
}

static void test_refuses_partitions_beyond_the_disk(void **state)
{
	start_over();
	put_entry(0, 1, 0x83, 2048, 40 * 2048);
	assert_damaged("truncated image: partition 2 ends at 41M, the disk at 40M");
	put_entry(0, 1, 0x83, UINT32_MAX, UINT32_MAX);
	assert_damaged("truncated image: partition 2");
}

static void test_refuses_a_partition_on_the_table(void **state)
{
	start_over();
	put_entry(0, 0, 0xa5, 0, 50000);
	assert_damaged("partition 1 starts on the table itself");
}

static void test_refuses_loops_of_logical_partitions(void **state)
{
	start_over();
	put_entry(0, 0, 0x05, 8, 4096);
	put_entry(8, 0, 0x83, 1, 8);
	put_entry(8, 1, 0x05, 20, 20);
	put_entry(28, 0, 0x83, 1, 8);
	put_entry(28, 1, 0x05, 0, 20);
	assert_damaged("comes back to sector 8");
	put_entry(28, 1, 0x05, 20, 20);
	assert_damaged("comes back to sector 28");
}

static void test_refuses_chains_that_leave_the_extended_partition(void **state)
{
	start_over();
	put_entry(0, 0, 0x0f, 8, 40);
	put_entry(8, 0, 0x83, 1, 8);
	put_entry(8, 1, 0x05, 40, 20);
	assert_damaged("leaves extended partition 1 at sector 48");
	put_entry(8, 1, 0x05, UINT32_MAX, 20);
	assert_damaged("leaves extended partition 1 at sector 4294967303");
	put_entry(8, 1, 0, 0, 0);
	put_entry(8, 0, 0x83, 1, 40);
	assert_damaged("logical partition 5 isn't inside extended partition 1");
}

static void test_refuses_chains_that_break_off(void **state)
{
	start_over();
	put_entry(0, 0, 0x05, 8, 4096);
	put_entry(8, 0, 0x83, 1, 8);
	put_entry(8, 1, 0x05, 20, 20);
	assert_damaged("breaks off at sector 28");
}

static void test_refuses_endless_chains(void **state)
{
	uint8_t *disk = calloc(200, 512);
	_cleanup_(image_unrefp) struct image *img = memimage_new(disk, 200 * 512, MiB);
	_cleanup_(table_done) struct table t = { 0 };
	struct why why;

	start_over();
	put_entry(0, 0, 0x05, 1, 199);
	memcpy(disk, head, 512);
	for (unsigned i = 1; i < 200; i++) {
		put_entry(1, 1, 0x05, i, 1);
		memcpy(disk + i * 512, head + 512, 512);
	}
	assert_int_equal(table_read(img, &t, &why), -EBADMSG);
	assert_string_equal(why.text, "the mbr is damaged: more than 128 logical partitions");
	free(disk);
}

static void test_an_extended_partition_may_be_empty(void **state)
{
	_cleanup_(table_done) struct table t = { 0 };

	start_over();
	put_entry(0, 0, 0x05, 8, 4096);
	assert_int_equal(read_head(&t, NULL), 0);
	assert_int_equal(t.n, 1);
}

static void test_a_signature_alone_is_no_table(void **state)
{
	start_over();
	assert_no_table();
	put_le16(head + 510, 0xaa55);
	assert_no_table();
	put_entry(0, 0, 0x83, 2048, 2048);
	put_le16(head + 510, 0);
	assert_no_table();
}

static void test_boot_code_is_no_table(void **state)
{
	/* Windows' FAT32 boot sector has text there; other code has statuses that are none. */
	static const char *text =
		"Remove disks or other media.\xff\r\nDisk error\xff\r\nPress any key to restart\r\n";

	start_over();
	put_le16(head + 510, 0xaa55);
	memcpy(head + 430, text, strlen(text));
	assert_no_table();
	/* Statuses that pass, in a sector that says what it is. */
	start_over();
	memcpy(head + 54, "FAT16   ", 8);
	put_entry(0, 0, 0x6f, 0x65732072, 0x2e7465);
	assert_no_table();
	memset(head + 54, 0, 8);
	memcpy(head + 82, "FAT32   ", 8);
	assert_no_table();
	memset(head + 82, 0, 8);
	assert_damaged("truncated image");
}

static void test_bare_filesystems_have_no_table(void **state)
{
	static const char *const makes[] = {
		"mkfs.vfat -F 32 fs", "mkfs.vfat -F 16 fs", "mkfs.vfat -F 12 fs", "mkntfs -F -Q -q fs",
		"mkfs.ext4 -qF fs",   "mkfs.exfat fs",	    "mkfs.btrfs -q fs",	  "mkfs.xfs -q fs",
	};

	for (size_t i = 0; i < sizeof(makes) / sizeof(*makes); i++) {
		_cleanup_(image_unrefp) struct image *disk = NULL;
		_cleanup_(table_done) struct table t = { 0 };

		sh("rm -f fs && truncate -s %dM fs && %s > log 2>&1", strstr(makes[i], "-F 12") ? 10 : 310,
		   makes[i]);
		disk = disk_open("fs");
		if (table_read(disk, &t, NULL) != 1)
			fail_msg("'%s' makes a partition table?", makes[i]);
	}
}

static void test_a_table_in_a_used_boot_sector_is_one(void **state)
{
	/* GRUB keeps the parameters of the FAT that stood there before the disk was partitioned. */
	_cleanup_(image_unrefp) struct image *disk = NULL;
	_cleanup_(table_done) struct table t = { 0 };

	sh("rm -f disk && truncate -s 40M disk && mkfs.vfat -F 16 disk > log");
	sh("printf 'start=2048\n' | sfdisk -q --no-tell-kernel --wipe never -X dos disk && "
	   "printf 'FAT16   ' | dd of=disk bs=1 seek=54 conv=notrunc status=none");
	disk = disk_open("disk");
	assert_int_equal(table_read(disk, &t, NULL), 0);
	assert_int_equal(t.n, 1);
}

static void test_refuses_a_protective_entry_out_of_place(void **state)
{
	_cleanup_(table_done) struct table t = { 0 };
	struct why why = { "" };

	start_over();
	put_entry(0, 0, 0xee, 2, 4096);
	assert_int_equal(read_head(&t, &why), -EOPNOTSUPP);
	assert_string_equal(why.text, "partition 1 of the mbr is of type ee, but protects no gpt");
	put_entry(0, 0, 0xee, 1, 4096);
	assert_damaged("its mbr protects it, but its header is gone");
}

static void test_names_foreign_tables(void **state)
{
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_(image_unrefp) struct image *disk = NULL;
	struct why why = { "" };

	for (unsigned i = 0; i < 2; i++) {
		static const char *const labels[] = { "sun", "sgi" }, *const names[] = { "a sun", "an sgi",
											 "an apple" };

		sh("rm -f foreign && truncate -s 40M foreign && echo label: %s | sfdisk -q --no-tell-kernel "
		   "foreign",
		   labels[i]);
		image_unref(disk);
		disk = disk_open("foreign");
		assert_int_equal(table_read(disk, &t, &why), -EOPNOTSUPP);
		if (!strstr(why.text, names[i]))
			fail_msg("'%s' doesn't say '%s'", why.text, names[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_sfdisk_wrote),
		cmocka_unit_test(test_reads_logical_partitions),
		cmocka_unit_test(test_grows_the_last_primary),
		cmocka_unit_test(test_writes_the_chs_that_sfdisk_writes),
		cmocka_unit_test(test_grows_a_primary_whatever_its_number),
		cmocka_unit_test(test_kernel_takes_the_grown_partition),
		cmocka_unit_test(test_the_disk_alone_stays_as_it_is),
		cmocka_unit_test(test_takes_any_size),
		cmocka_unit_test(test_refuses_more_than_2_tib),
		cmocka_unit_test(test_moves_what_stands_behind),
		cmocka_unit_test(test_free_space_in_the_extended_one_is_used_first),
		cmocka_unit_test(test_gaps_move_along),
		cmocka_unit_test(test_partitions_move_by_whole_mib),
		cmocka_unit_test(test_kernel_takes_moved_partitions),
		cmocka_unit_test(test_refuses_the_extended_one_itself),
		cmocka_unit_test(test_knows_what_types_mean),
		cmocka_unit_test(test_refuses_overlapping_partitions),
		cmocka_unit_test(test_refuses_partitions_beyond_the_disk),
		cmocka_unit_test(test_refuses_a_partition_on_the_table),
		cmocka_unit_test(test_refuses_loops_of_logical_partitions),
		cmocka_unit_test(test_refuses_chains_that_leave_the_extended_partition),
		cmocka_unit_test(test_refuses_chains_that_break_off),
		cmocka_unit_test(test_refuses_endless_chains),
		cmocka_unit_test(test_an_extended_partition_may_be_empty),
		cmocka_unit_test(test_a_signature_alone_is_no_table),
		cmocka_unit_test(test_boot_code_is_no_table),
		cmocka_unit_test(test_bare_filesystems_have_no_table),
		cmocka_unit_test(test_a_table_in_a_used_boot_sector_is_one),
		cmocka_unit_test(test_refuses_a_protective_entry_out_of_place),
		cmocka_unit_test(test_names_foreign_tables),
	};

	return cmocka_run_group_tests(tests, disk_dir_setup, disk_dir_teardown);
}
