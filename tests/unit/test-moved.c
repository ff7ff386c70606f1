/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which partition takes the room, and what becomes of those behind it: layouts like
 * those of public templates.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "backends/map.h"
#include "backends/moved.h"
#include "tests/unit/disk.h"
#include "tests/unit/grown.h"
#include "tests/unit/memimage.h"
#include "tests/unit/mounts.h"

/* Files of a directory in an ext4 at sector `start` of "disk", or whatever `make` makes of the file "part". */
static void put_part(uint64_t start, uint64_t sectors, const char *make)
{
	sh("rm -f part && truncate -s %ju part && { %s; } > log 2>&1 && "
	   "dd if=part of=disk bs=512 seek=%ju conv=notrunc,sparse status=none && cp --sparse=always part "
	   "part-%ju",
	   (uintmax_t)sectors * 512, make, (uintmax_t)start, (uintmax_t)start);
}

static void new_disk(unsigned mib, const char *label, const char *script)
{
	sh("rm -f disk part-*; truncate -s %uM disk && printf 'label: %s\n%s' | sfdisk -q --no-tell-kernel "
	   "disk",
	   mib, label, script);
}

/* What put_part put at sector `from` is at sector `to` of the grown disk, byte for byte. */
static void assert_moved(uint64_t from, uint64_t to)
{
	sh("cmp -i %ju:0 -n $(stat -c %%s part-%ju) grown part-%ju", (uintmax_t)to * 512, (uintmax_t)from,
	   (uintmax_t)from);
}

static void assert_listed(const char *want)
{
	_cleanup_free_ char *have = sh_text("partx -g -r -o NR,START,SECTORS grown");

	assert_string_equal(have, want);
}

#define GUID_EFI      "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define GUID_BIOS     "21686148-6449-6e6f-744e-656564454649"
#define GUID_RESERVED "e3c9e316-0b5c-4db8-817d-f92df00215ae"
#define GUID_DATA     "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
#define GUID_RECOVERY "de94bba4-06d1-4d40-a16a-bfd50179d6ac"
#define MAKE_SWAP     "mkswap -U 01234567-89ab-cdef-0123-456789abcdef -L swap part"
#define MAKE_LUKS     "echo x | cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 part -"
#define MAKE_NOISE    "head -c 1M /dev/urandom | dd of=part conv=notrunc"

/* Root, an extended partition two sectors before the only logical one in it, swap there: Ubuntu 14.04. */
static void test_grows_a_root_before_swap_in_an_extended_partition(void **state)
{
	new_disk(60, "dos",
		 "start=2048,size=88064,type=83,bootable\nstart=92158,size=30722,type=5\n"
		 "start=92160,size=30720,type=82\n");
	put_part(2048, 88064, MAKE_EXT4);
	put_part(92160, 30720, MAKE_SWAP);
	resize_file(HOW(), "disk",
		    "    mbr: partition 1 grown from 43.0M to 183M\n"
		    "    partition 1 takes the room: partitions 2 (extended) and 5 (swap) behind it move up by "
		    "140M\n"
		    "    ext4 grown from 43.0M to 183M, 6 to 23 groups\n");
	sh("sfdisk --verify -q grown && parted -s grown unit s print > log");
	/* Libblkid shows two sectors of an extended partition, as the kernel does. */
	sh("sfdisk -d grown | grep -q '^grown2 : start= *378878, size= *30722, type=5'");
	sh("test \"$(partx -g -r -o NR,START,SECTORS grown | grep -v '^2 ')\" = \"$(printf "
	   "'1 2048 374784\n5 378880 30720')\"");
	judge_ext4(MiB, 183 * MiB);
	assert_moved(92160, 378880);
	sh("test \"$(blkid -p -O $((378880*512)) -o value -s UUID grown)\" = "
	   "01234567-89ab-cdef-0123-456789abcdef");
}

/* The root in an extended partition: Ubuntu 20.04. */
static void test_grows_a_logical_root(void **state)
{
	new_disk(60, "dos",
		 "start=2048,size=18432,type=b,bootable\nstart=22526,size=100354,type=5\n"
		 "start=22528,size=100352,type=83\n");
	put_part(2048, 18432, "mkfs.vfat part");
	put_part(22528, 88064, MAKE_EXT4);
	resize_file(HOW(), "disk",
		    "    mbr: partition 5 grown from 49.0M to 189M\n    ext4 grown from 43.0M to 189M, 6 to 24 "
		    "groups\n");
	sh("sfdisk --verify -q grown && parted -s grown unit s print > log");
	sh("sfdisk -d grown | grep -q '^grown2 : start= *22526, size= *387074, type=5'");
	judge_ext4(11 * MiB, 189 * MiB);
	assert_moved(2048, 2048);
}

/* Ubuntu's cloud images: 14, 15 and then 1. And Fedora's: the root behind swap. */
static void test_grows_roots_that_stand_last(void **state)
{
	new_disk(60, "gpt",
		 "14: start=2048,size=2048,type=" GUID_BIOS "\n15: start=4096,size=20480,type=" GUID_EFI
		 "\n1: start=24576,size=90112\n");
	put_part(24576, 88064, MAKE_EXT4);
	resize_file(HOW(), "disk",
		    "    gpt: partition 1 grown from 44.0M to 187M\n    ext4 grown from 43.0M to 187M, 6 to 24 "
		    "groups\n");
	sh("sgdisk -v grown | grep -q 'No problems found'");
	judge_ext4(12 * MiB, 187 * MiB);
	new_disk(80, "gpt",
		 "start=2048,size=2048,type=" GUID_BIOS "\nstart=4096,size=20480\nstart=24576,size=20480\n"
		 "start=45056,size=90112\n");
	put_part(4096, 20480, "mkfs.ext4 -qF part");
	put_part(24576, 20480, MAKE_SWAP);
	put_part(45056, 88064, MAKE_EXT4);
	resize_file(HOW(), "disk",
		    "    gpt: partition 4 grown from 44.0M to 177M\n    ext4 grown from 43.0M to 177M, 6 to 23 "
		    "groups\n");
	judge_ext4(22 * MiB, 177 * MiB);
}

static void make_root_and_swap(void)
{
	new_disk(60, "gpt", "start=2048,size=88064\n7: start=90112,size=20480\n3: start=112640,size=8192\n");
	put_part(2048, 88064, MAKE_EXT4);
	put_part(90112, 20480, MAKE_SWAP);
	put_part(112640, 8192, "mksquashfs ../../etc/apt part -noappend");
}

static void test_grows_a_root_before_what_nobody_grows(void **state)
{
	make_root_and_swap();
	resize_file(HOW(), "disk",
		    "    gpt: partition 1 grown from 43.0M to 183M\n"
		    "    partition 1 takes the room: partitions 7 (swap) and 3 (squashfs) behind it move up by "
		    "140M\n"
		    "    ext4 grown from 43.0M to 183M, 6 to 23 groups\n");
	sh("sgdisk -v grown | grep -q 'No problems found'");
	assert_listed("1 2048 374784\n3 399360 8192\n7 376832 20480\n");
	judge_ext4(MiB, 183 * MiB);
	assert_moved(90112, 376832);
	assert_moved(112640, 399360);
}

static void test_lazy_view_is_the_file(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL, *file = NULL;
	uint8_t have[5000], want[5000];

	make_root_and_swap();
	img = resize_ok(HOW(), "disk");
	disk_save(img, "grown");
	file = disk_open("grown");
	for (uint64_t at = 1; at + sizeof(have) < img->size; at += 77777) {
		size_t count = 1 + at % sizeof(have);

		assert_int_equal(image_pread(img, have, count, at, NULL), 0);
		assert_int_equal(image_pread(file, want, count, at, NULL), 0);
		assert_memory_equal(have, want, count);
	}
}

static void test_reads_little_where_something_moves(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	struct map_figures figures;
	struct read_count count;

	make_root_and_swap();
	below = disk_open("disk");
	assert_int_equal(resize_open(&(struct resize){ .size = 2 * TiB }, below, &img, NULL), 0);
	count = testimage_count(below);
	/* What is in a moved partition costs 20 KB each. */
	if (count.bytes > 110 * KiB)
		fail_msg("%ju bytes in %ju reads", (uintmax_t)count.bytes, (uintmax_t)count.reads);
	assert_true(map_figures(img, &figures));
	assert_true(figures.patched < MiB);
}

static void test_a_named_partition_grows_wherever_it_stands(void **state)
{
	make_root_and_swap();
	resize_file(HOW(.partition = 7, .keep_content = true), "disk",
		    "    gpt: partition 7 grown from 10.0M to 150M\n"
		    "    partition 7 takes the room: partition 3 (squashfs) behind it moves up by "
		    "140M\n" LEFT_TO_GUEST);
	assert_listed("1 2048 88064\n3 399360 8192\n7 90112 307200\n");
	assert_moved(2048, 2048);
	assert_moved(90112, 90112);
	assert_moved(112640, 399360);
	resize_file(HOW(.partition = 3, .keep_content = true), "disk",
		    "    gpt: partition 3 grown from 4.00M to 144M\n" LEFT_TO_GUEST);
	sh("sgdisk -v grown | grep -q 'No problems found'");
}

static void test_grows_by_any_amount_from_a_mib_on(void **state)
{
	make_root_and_swap();
	for (unsigned mib = 61; mib < 80; mib += 4) {
		_cleanup_(image_unrefp) struct image *img =
			resize_ok(&(struct resize){ .size = mib * MiB }, "disk");

		disk_save(img, "grown");
		sh("sgdisk -v grown | grep -q 'No problems found'");
		sh("test \"$(partx -g -r -n 1 -o SECTORS grown)\" = $((88064 + (%u - 60) * 2048))", mib);
		assert_moved(90112, 90112 + (mib - 60) * 2048);
	}
	resize_file(&(struct resize){ .size = 60 * MiB + 512 }, "disk",
		    "    gpt: partition 1 stays 43.0M: too little room for a MiB more\n");
	assert_listed("1 2048 88064\n3 112640 8192\n7 90112 20480\n");
}

static void test_empty_partitions_move(void **state)
{
	new_disk(60, "dos", "start=2048,size=88064\nstart=90112,size=20480\nstart=110592,size=12288,type=27\n");
	put_part(2048, 88064, MAKE_EXT4);
	put_part(110592, 12288, MAKE_NOISE);
	resize_file(HOW(), "disk",
		    "    mbr: partition 1 grown from 43.0M to 183M\n"
		    "    partition 1 takes the room: partitions 2 (empty) and 3 (Windows recovery) behind it "
		    "move up "
		    "by 140M\n"
		    "    ext4 grown from 43.0M to 183M, 6 to 23 groups\n");
	assert_moved(110592, 397312);
}

/* Windows on a gpt disk: recovery behind the partition that grows. */
static void test_moves_windows_recovery(void **state)
{
	new_disk(60, "gpt",
		 "start=2048,size=8192,type=" GUID_EFI "\nstart=10240,size=4096,type=" GUID_RESERVED
		 "\nstart=14336,size=61440,type=" GUID_DATA "\nstart=75776,size=45056,type=" GUID_RECOVERY
		 "\n");
	put_part(14336, 61440, "mkntfs -F -Q -q part");
	put_part(75776, 45056, "mkntfs -F -Q -q -L recovery part");
	resize_file(HOW(.keep_content = true), "disk",
		    "    gpt: partition 3 grown from 30.0M to 170M\n"
		    "    partition 3 takes the room: partition 4 (Windows recovery) behind it moves up by "
		    "140M\n" LEFT_TO_GUEST);
	sh("sgdisk -v grown | grep -q 'No problems found'");
	sh("test \"$(blkid -p -O $(((75776 + 140*2048)*512)) -o value -s LABEL grown)\" = recovery");
}

/* An encrypted root that is last: nobody wants the /boot before it to have the room. */
static void test_never_grows_boot_for_an_encrypted_root(void **state)
{
	new_disk(60, "gpt", "start=2048,size=40960\nstart=43008,size=20480\nstart=63488,size=57344\n");
	put_part(2048, 40960, "mkfs.ext4 -qF part");
	put_part(43008, 20480, MAKE_LUKS);
	put_part(63488, 57344, MAKE_SWAP);
	assert_refused(
		HOW(), "disk", -EOPNOTSUPP,
		"partition 2 is luks and can't be grown: it is encrypted: its filesystem can only be grown "
		"from inside the guest" WAYS_OUT);
	resize_file(HOW(.keep_content = true), "disk",
		    "    gpt: partition 2 grown from 10.0M to 150M\n"
		    "    partition 2 takes the room: partition 3 (swap) behind it moves up by "
		    "140M\n" LEFT_TO_GUEST);
	assert_moved(43008, 43008);
	/* But who asks for it gets it. */
	resize_file(HOW(.partition = 1), "disk", NULL);
	assert_moved(43008, 43008 + 140 * 2048);
	assert_moved(63488, 63488 + 140 * 2048);
	put_part(43008, 20480, MAKE_NOISE);
	assert_refused(HOW(), "disk", -EOPNOTSUPP,
		       "partition 2 holds nothing that is known here, so nothing that can be grown" WAYS_OUT);
	put_part(43008, 20480, "mkfs.ext4 -qF part 20M && truncate -s 10M part");
	assert_refused(HOW(), "disk", -EBADMSG,
		       "partition 2: ext4 takes 20M, but there are only 10M: truncated image" WAYS_OUT);
}

static void test_refuses_when_there_is_nothing_to_grow(void **state)
{
	new_disk(60, "gpt",
		 "start=2048,size=40960,type=" GUID_EFI "\nstart=43008,size=20480\n9: start=63488,size=20480\n"
		 "start=83968,size=8192\n");
	put_part(2048, 40960, "mkfs.vfat -F 16 part");
	put_part(43008, 20480, MAKE_SWAP);
	put_part(83968, 8192, "mksquashfs ../../etc/apt part -noappend");
	assert_refused(HOW(), "disk", -EOPNOTSUPP,
		       "no partition takes the room unless it is named: 1 (EFI system), 2 (swap), 9 (empty), 3 "
		       "(squashfs); @expand=N names one, @content=none grows disk and partition and leaves the "
		       "rest to "
		       "the guest, @expand=none grows the disk alone");
	assert_refused(
		HOW(.volume = "vg-root"), "disk", -EOPNOTSUPP,
		"no partition has logical volumes, and so none that is 'vg-root': 1 (EFI system), 2 (swap), "
		"9 (empty), 3 (squashfs)");
	resize_file(HOW(.keep_content = true), "disk",
		    "    gpt: partition 3 grown from 4.00M to 158M\n" LEFT_TO_GUEST);
}

/* A root of 20 MiB, and behind it something that stays where it is. */
static void assert_stays(const char *label, const char *script, const char *make, int error, const char *reason)
{
	char text[512];

	new_disk(60, label, script);
	put_part(2048, 40960, "mkfs.ext4 -qF part");
	put_part(43008, 40960, make);
	(void)snprintf(text, sizeof(text),
		       "partition 1 can't grow: partition 2 (%s; @expand=none grows the disk alone", reason);
	assert_refused(HOW(.partition = 1), "disk", error, text);
	assert_refused(HOW(.partition = 1, .keep_content = true), "disk", error, text);
	resize_file(HOW(.disk_only = true), "disk", NULL);
}

static void test_refuses_to_move_what_is_found_by_its_place(void **state)
{
	static const char *const plain = "start=2048,size=40960\nstart=43008,size=40960\n";

	assert_stays("gpt", "start=2048,size=40960\nstart=43008,size=40960,type=" GUID_BIOS "\n", MAKE_NOISE,
		     -EOPNOTSUPP,
		     "BIOS boot, 20.0M) stands behind it and can't be moved: the boot code in the disk's first "
		     "sector "
		     "finds it by its place");
	assert_stays("gpt", plain, MAKE_NOISE, -EOPNOTSUPP,
		     "nothing known, 20.0M) stands behind it and can't be moved: something may find what is in "
		     "it by "
		     "its place");
	assert_stays("dos", "start=2048,size=40960\nstart=43008,size=40960,type=a6\n", "true", -EOPNOTSUPP,
		     "OpenBSD, 20.0M) stands behind it and can't be moved: its bsd label may count from the "
		     "start of "
		     "the disk");
	assert_stays(
		"dos", "start=2048,size=40960\nstart=43008,size=40960,type=42\n", "true", -EOPNOTSUPP,
		"dynamic disk, 20.0M) stands behind it and can't be moved: its dynamic disk has a database of "
		"where everything stands");
	assert_stays(
		"dos", "start=2048,size=40960\nstart=43008,size=40960,type=7,bootable\n",
		"mkntfs -F -Q -q part", -EOPNOTSUPP,
		"ntfs, 20.0M) stands behind it and can't be moved: Windows finds partitions of an mbr by their "
		"places");
	assert_stays(
		"dos", "start=2048,size=40960,type=7,bootable\nstart=43008,size=40960,type=7\n",
		"mkntfs -F -Q -q part", -EOPNOTSUPP,
		"ntfs, 20.0M) stands behind it and can't be moved: Windows finds partitions of an mbr by their "
		"places");
	assert_stays("gpt", plain, "printf S1SUSPEND | dd of=part bs=1 seek=4086 conv=notrunc", -EOPNOTSUPP,
		     "hibernation image, 20.0M) stands behind it and can't be moved: the suspended guest in it "
		     "knows "
		     "the partitions by their places");
	assert_stays(
		"gpt", plain, "mkfs.ext4 -qF part 50M && truncate -s 20M part", -EBADMSG,
		"damaged, 20.0M) stands behind it and can't be moved: ext4 takes 50M, but there are only 20M: "
		"truncated image");
	assert_stays(
		"gpt", plain,
		"mkfs.ext4 -qF part && printf 'GRUB ' | dd of=part bs=1 seek=384 conv=notrunc && "
		"printf '\\125\\252' | dd of=part bs=1 seek=510 conv=notrunc",
		-EOPNOTSUPP,
		"ext4, 20.0M) stands behind it and can't be moved: boot code in its first sector finds the "
		"rest of "
		"it by its place");
}

static void test_moves_ntfs_that_windows_does_not_start_from(void **state)
{
	new_disk(60, "dos", "start=2048,size=40960\nstart=43008,size=40960,type=7\n");
	put_part(2048, 40960, "mkfs.ext4 -qF part");
	put_part(43008, 40960, "mkntfs -F -Q -q -L data part");
	resize_file(HOW(.partition = 1), "disk", NULL);
	sh("test \"$(blkid -p -O $(((43008 + 159*2048)*512)) -o value -s LABEL grown)\" = data");
}

/* The disk's first sector: "GRUB" among its messages, and the sector where it goes on. */
static void put_boot_code(const char *text, unsigned at, unsigned sector)
{
	sh("printf '%s' | dd of=disk bs=1 seek=%u conv=notrunc status=none && "
	   "printf '\\%o\\%o\\%o\\0\\0\\0\\0\\0' | dd of=disk bs=1 seek=92 conv=notrunc status=none",
	   text, at, sector & 255, sector >> 8 & 255, sector >> 16);
}

static void test_refuses_to_move_what_boot_code_goes_on_in(void **state)
{
	new_disk(60, "dos", "start=2048,size=40960\nstart=43008,size=20480\n");
	put_part(2048, 40960, "mkfs.ext4 -qF part");
	put_part(43008, 20480, MAKE_SWAP);
	/* As usual: behind the first sector, before all partitions; or in the one that grows. */
	put_boot_code("GRUB ", 0x180, 1);
	resize_file(HOW(), "disk", NULL);
	put_boot_code("GRUB ", 0x180, 43007);
	resize_file(HOW(), "disk", NULL);
	put_boot_code("GRUB ", 0x180, 43008);
	assert_refused(
		HOW(), "disk", -EOPNOTSUPP,
		"partition 1 can't grow: GRUB in the disk's first sector goes on in sector 43008, among what "
		"would have to move; @expand=none grows the disk alone");
	put_boot_code("xxxxx", 0x180, 43008);
	resize_file(HOW(), "disk", NULL);
	put_boot_code("LILO", 6, 0);
	assert_refused(
		HOW(), "disk", -EOPNOTSUPP,
		"partition 1 can't grow: partitions stand behind it, and LILO in the disk's first sector goes "
		"by the places of files; @expand=none grows the disk alone");
}

/* What grub-install would write, from where Debian keeps it. */
static void test_knows_the_real_boot_code_of_grub(void **state)
{
	if (sh_status("test -f /usr/lib/grub/i386-pc/boot.img") != 0)
		skip();
	new_disk(60, "dos", "start=2048,size=40960\nstart=43008,size=20480\n");
	put_part(2048, 40960, "mkfs.ext4 -qF part");
	put_part(43008, 20480, MAKE_SWAP);
	sh("dd if=/usr/lib/grub/i386-pc/boot.img of=disk bs=440 count=1 conv=notrunc status=none");
	resize_file(HOW(), "disk", NULL);
	sh("printf '\\1\\250' | dd of=disk bs=1 seek=92 conv=notrunc status=none");
	assert_refused(HOW(), "disk", -EOPNOTSUPP,
		       "partition 1 can't grow: GRUB in the disk's first sector goes on in sector 43009, among "
		       "what would have to move; @expand=none grows the disk alone");
	new_disk(60, "dos", "start=2048,size=40960\nstart=43008,size=20480\n");
	put_part(2048, 40960, "mkfs.ext4 -qF part");
	put_part(43008, 20480,
		 "mkfs.ext4 -qF part && dd if=/usr/lib/grub/i386-pc/boot.img of=part conv=notrunc");
	assert_refused(
		HOW(.partition = 1), "disk", -EOPNOTSUPP,
		"partition 1 can't grow: partition 2 (ext4, 10.0M) stands behind it and can't be moved: boot "
		"code in its first sector finds the rest of it by its place; @expand=none grows the disk "
		"alone");
}

static void test_looks_into_so_many_partitions_only(void **state)
{
	sh("rm -f disk; truncate -s 60M disk && { printf 'label: gpt\ntable-length: "
	   "200\nstart=2048,size=20480\n'; for i in $(seq 129); do echo "
	   "start=$((22528 + i * 8)),size=8; done; } | sfdisk -q --no-tell-kernel disk");
	put_part(2048, 20480, "mkfs.ext4 -qF part");
	assert_refused(
		HOW(), "disk", -EOPNOTSUPP,
		"the disk has more than 128 partitions that would have to be looked into; @expand=none grows "
		"the disk alone");
	assert_refused(
		HOW(.partition = 1), "disk", -EOPNOTSUPP,
		"the disk has more than 128 partitions that would have to be looked into; @expand=none grows "
		"the disk alone");
	resize_file(HOW(.partition = 30, .keep_content = true), "disk", NULL);
	sh("sgdisk -v grown | grep -q 'No problems found'");
}

static void test_refuses_mbr_disks_beyond_its_reach(void **state)
{
	new_disk(60, "dos", "start=2048,size=40960\nstart=43008,size=20480\n");
	put_part(2048, 40960, "mkfs.ext4 -qF part");
	put_part(43008, 20480, MAKE_SWAP);
	assert_refused(
		&(struct resize){ .size = 3 * TiB }, "disk", -EOPNOTSUPP,
		"partition 1 can't grow on a disk of 3T: an mbr reaches up to 2T; @2T is the most it can use, "
		"@expand=none grows the disk alone");
}

/* A content that says where it stands, in its first bytes. */

static int write_place(struct image *container, const struct content *c, uint64_t from, uint64_t to,
		       struct map_draft *draft, struct why *why)
{
	uint8_t place[8];

	if (image_pread(container, place, sizeof(place), 0, why) < 0 || get_le64(place) != from)
		return fail(why, -EBADMSG, "it says %ju", (uintmax_t)get_le64(place));
	put_le64(place, to);
	map_draft_bytes(draft, 0, place, sizeof(place));
	return 0;
}

static const struct content_ops placed_content = { .name = "placed", .move = write_place };

static void test_lets_contents_say_where_they_stand_now(void **state)
{
	uint8_t *bytes = calloc(4, MiB);
	struct partition partitions[] = {
		{ .number = 1, .start = MiB, .length = MiB },
		{ .number = 2, .start = 2 * MiB, .length = MiB },
		{ .number = 3, .start = 3 * MiB, .length = MiB },
	};
	struct table table = { .ops = &mbr_table, .sector = 512, .n = 3, .partition = partitions };
	_cleanup_(image_unrefp) struct image *disk = memimage_new(bytes, 4 * MiB, 4 * MiB), *img = NULL;
	struct map_draft *draft = map_draft_new(20 * MiB, disk);
	_cleanup_(tenants_done) struct tenants all = { 0 };
	const struct moved moved = { &all, &partitions[0], 10 * MiB };
	const struct tenant *t;
	struct why why = { "" };
	uint8_t have[8];

	put_le64(bytes + 2 * MiB, 2 * MiB);
	assert_int_equal(tenants_init(&all, disk, &table), 0);
	assert_int_equal(tenants_look(&all, &partitions[1], &t, NULL), 0);
	all.tenant[1]->found = 0;
	all.tenant[1]->content.ops = &placed_content;
	map_draft_below(draft, 12 * MiB, 2 * MiB, 2 * MiB);
	assert_int_equal(moved_check(&moved, NULL), 0);
	assert_int_equal(moved_paint(&moved, draft, NULL), 0);
	put_le64(bytes + 2 * MiB, 1);
	assert_int_equal(moved_paint(&moved, draft, &why), -EBADMSG);
	assert_string_equal(why.text, "partition 1 can't grow: partition 2 has to move: it says 1");
	assert_int_equal(map_seal(draft, "test", NULL, &img, NULL), 0);
	assert_int_equal(image_pread(img, have, sizeof(have), 12 * MiB, NULL), 0);
	assert_int_equal(get_le64(have), 12 * MiB);
	assert_int_equal(image_pread(img, have, sizeof(have), 13 * MiB, NULL), 0);
	assert_int_equal(get_le64(have), 0);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_a_root_before_swap_in_an_extended_partition),
		cmocka_unit_test(test_grows_a_logical_root),
		cmocka_unit_test(test_grows_roots_that_stand_last),
		cmocka_unit_test(test_grows_a_root_before_what_nobody_grows),
		cmocka_unit_test(test_lazy_view_is_the_file),
		cmocka_unit_test(test_reads_little_where_something_moves),
		cmocka_unit_test(test_a_named_partition_grows_wherever_it_stands),
		cmocka_unit_test(test_grows_by_any_amount_from_a_mib_on),
		cmocka_unit_test(test_empty_partitions_move),
		cmocka_unit_test(test_moves_windows_recovery),
		cmocka_unit_test(test_never_grows_boot_for_an_encrypted_root),
		cmocka_unit_test(test_refuses_when_there_is_nothing_to_grow),
		cmocka_unit_test(test_refuses_to_move_what_is_found_by_its_place),
		cmocka_unit_test(test_moves_ntfs_that_windows_does_not_start_from),
		cmocka_unit_test(test_refuses_to_move_what_boot_code_goes_on_in),
		cmocka_unit_test(test_knows_the_real_boot_code_of_grub),
		cmocka_unit_test(test_looks_into_so_many_partitions_only),
		cmocka_unit_test(test_refuses_mbr_disks_beyond_its_reach),
		cmocka_unit_test(test_lets_contents_say_where_they_stand_now),
	};

	return mounts_of_our_own() ?: cmocka_run_group_tests(tests, disk_dir_setup, disk_dir_teardown);
}
