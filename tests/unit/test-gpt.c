/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GPT: disks made by sgdisk, grown by us, judged by sgdisk and the kernel.
 */
#include "tests/unit/test.h"

#include <lzma.h>
#include <stdio.h>

#include "backends/table/table.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"

#define EFI_SYSTEM "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define LINUX	   "0fc63daf-8483-4772-8e79-3d69d8477de4"

/* The disk in `below` grown to `size`, the partition with that number (0: none) with it. */
static int grow(struct image *below, uint64_t size, unsigned number, struct image **ret, struct why *why)
{
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(size, below);
	const struct partition *p = NULL;
	struct table_growth growth = { 0 };
	int r = table_read(below, &t, why);

	if (r != 0)
		return r;
	if (number && !(p = table_number(&t, number)))
		return -ENOENT;
	r = t.ops->grow(below, &t, p, draft, &growth, why);
	if (r < 0)
		return r;
	r = map_seal(take(draft), "test", NULL, ret, why);
	if (r == 0 && p) {
		_cleanup_(table_done) struct table after = { 0 };

		assert_int_equal(table_read(*ret, &after, NULL), 0);
		assert_int_equal(table_number(&after, number)->length, growth.length);
	}
	return r;
}

static struct image *grow_ok(struct image *below, uint64_t size, unsigned number)
{
	struct why why = { "" };
	struct image *img;
	int r = grow(below, size, number, &img, &why);

	if (r != 0)
		fail_msg("growing failed: %s", why_text(&why, r));
	return img;
}

/* Grows the file NAME into the file "grown", and asks sgdisk and the kernel's view what they think. */
static void grow_file(const char *name, uint64_t size, unsigned number)
{
	_cleanup_(image_unrefp) struct image *below = disk_open(name), *img = grow_ok(below, size, number);

	disk_save(img, "grown");
	sh("sgdisk -v grown > verdict && grep -q 'No problems found' verdict || { cat verdict; false; }");
	sh("sfdisk --verify -q grown");
}

/* Numbers, GUIDs, names, attributes and starts of all partitions; ends too, but for one partition's. */
static char *identity(const char *name, unsigned but)
{
	return sh_text("sfdisk -d %s | grep -v '^last-lba\\|^device' | sed 's/^%s//; s/^%u \\(.*\\)size= "
		       "*[0-9]*/%u \\1/'",
		       name, name, but, but);
}

static void assert_same_identity(const char *before, const char *after, unsigned but)
{
	_cleanup_free_ char *a = identity(before, but), *b = identity(after, but);

	assert_true(strlen(a) > 40);
	assert_string_equal(a, b);
}

/*
 * Like Debian's cloud images: the root is number 1 and stands last, its entry
 * first. Made once: sgdisk sleeps a second whenever it writes.
 */
static int setup(void **state)
{
	int r = disk_dir_setup(state);

	if (r == 0)
		sh("truncate -s 40M master && sgdisk -n 14:2048:+3M -t 14:ef02 -n 15:0:+20M -t 15:ef00 -A "
		   "15:set:2 -n 1:0:0 "
		   "-c 1:'root \xc3\xa9\xf0\x9f\x90\xa7' -A 1:set:59 master > log");
	return r;
}

static void make_cloud(void)
{
	sh("rm -f cloud && cp --sparse=always master cloud");
}

static void test_reads_what_sgdisk_wrote(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL;
	_cleanup_(table_done) struct table t = { 0 };

	make_cloud();
	disk = disk_open("cloud");
	assert_int_equal(table_read(disk, &t, NULL), 0);
	assert_string_equal(t.ops->name, "gpt");
	assert_int_equal(t.sector, 512);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.partition[0].number, 14);
	assert_int_equal(t.partition[1].number, 15);
	assert_int_equal(t.partition[0].start, MiB);
	assert_int_equal(t.partition[0].length, 3 * MiB);
	assert_string_equal(t.partition[1].kind, EFI_SYSTEM);
	assert_true(t.partition[1].bootable);
	assert_ptr_equal(table_last(&t), table_number(&t, 1));
	assert_string_equal(table_last(&t)->kind, LINUX);
	assert_string_equal(table_last(&t)->label, "root \xc3\xa9\xf0\x9f\x90\xa7");
	assert_int_equal(table_last(&t)->start + table_last(&t)->length, 40 * MiB - 33 * 512);
	assert_null(table_number(&t, 2));
}

static void test_reads_little(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL, *img = NULL;

	make_cloud();
	disk = disk_open("cloud");
	img = grow_ok(disk, 80 * MiB, 1);
	/* grow_ok reads the grown table too; of that, only what was not patched comes from the disk. */
	assert_true(testimage_count(disk).bytes <= 2 * (18 * KiB));
	image_unref(img);
	image_unref(disk);

	disk = disk_open("cloud");
	img = NULL;
	{
		_cleanup_(table_done) struct table t = { 0 };
		_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(80 * MiB, disk);
		struct table_growth growth;

		assert_int_equal(table_read(disk, &t, NULL), 0);
		assert_int_equal(t.ops->grow(disk, &t, table_last(&t), draft, &growth, NULL), 0);
		assert_true(testimage_count(disk).bytes <= 18 * KiB);
		assert_true(testimage_count(disk).reads <= 3);
	}
}

static void test_grows_the_last_on_the_disk_whatever_its_number(void **state)
{
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_(image_unrefp) struct image *grown = NULL;

	make_cloud();
	sh("printf 'GRUB boot code' | dd of=cloud conv=notrunc status=none");
	grow_file("cloud", 120 * MiB, 1);
	assert_same_identity("cloud", "grown", 1);
	sh("cmp -n 446 cloud grown");
	grown = disk_open("grown");
	assert_int_equal(table_read(grown, &t, NULL), 0);
	/* 33 sectors of backup cost the last MiB. */
	assert_int_equal(table_last(&t)->start + table_last(&t)->length, 119 * MiB);
}

static void test_changes_nothing_but_the_table(void **state)
{
	make_cloud();
	sh("head -c 10000000 /dev/urandom | dd of=cloud bs=1M seek=30 conv=notrunc status=none");
	grow_file("cloud", 120 * MiB, 1);
	sh("cmp -i 17408 -n $((40*1024*1024 - 17408 - 33*512)) cloud grown");
	/* Of the first 34 sectors: 4 bytes of the mbr, 28 of the header, 8 of the entry at most. */
	sh("test $(cmp -l -n 17408 cloud grown | wc -l) -le 40");
}

static void test_kernel_takes_the_grown_partition(void **state)
{
	make_cloud();
	grow_file("cloud", 120 * MiB, 1);
	/* partx, because a kernel without a gpt parser takes partitions too. */
	sh("l=$(losetup -f --show grown) && partx -a $l && cat /sys/block/${l#/dev/}/${l#/dev/}p1/size > size; "
	   "partx -d $l; losetup -d $l; test \"$(cat size)\" = $(( (119-24) * 2048 ))");
}

static void test_grows_4096_byte_sectors(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	_cleanup_(table_done) struct table t = { 0 };

	sh("truncate -s 40M big && l=$(losetup -f -b 4096 --show big) && "
	   "sgdisk -n 3:0:+10M -c 3:first -n 1:0:0 -c 1:second $l > log; r=$?; sgdisk -i 1 $l > before; "
	   "losetup -d $l; "
	   "exit $r");
	below = disk_open("big");
	assert_int_equal(table_read(below, &t, NULL), 0);
	assert_int_equal(t.sector, 4096);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.partition[0].number, 3);
	assert_int_equal(t.partition[0].start, MiB);
	assert_int_equal(t.partition[0].length, 10 * MiB);
	img = grow_ok(below, 150 * MiB, 1);
	disk_save(img, "grown");
	sh("l=$(losetup -f -b 4096 --show grown) && sgdisk -v $l > verdict; sgdisk -i 1 $l > after; losetup -d "
	   "$l; "
	   "grep -q 'No problems found' verdict || { cat verdict; false; }");
	sh("for f in before after; do grep -v '^Last sector\\|^Partition size' $f > $f.same; done; "
	   "cmp before.same after.same && ! cmp -s before after");
}

static void test_grows_the_disk_alone(void **state)
{
	make_cloud();
	grow_file("cloud", 120 * MiB, 0);
	assert_same_identity("cloud", "grown", 0);
	/* One table at the start, one at the new end, none in between. */
	sh("test \"$(grep -abo 'EFI PART' grown | cut -d: -f1 | tr '\\n' ' ')\" = \"512 $((120*1024*1024 - "
	   "512)) \"");
}

static void test_old_backup_is_gone_from_the_grown_partition(void **state)
{
	make_cloud();
	grow_file("cloud", 120 * MiB, 1);
	sh("test $(grep -abo 'EFI PART' grown | wc -l) = 2");
	sh("cmp -i $((40*1024*1024 - 33*512)) -n $((33*512)) grown /dev/zero");
}

static void test_backup_shows_the_same_array(void **state)
{
	make_cloud();
	grow_file("cloud", 120 * MiB, 1);
	sh("tail -c $((33*512)) grown | head -c 16384 > b && head -c 17408 grown | tail -c 16384 | cmp - b");
	/* The backup alone is enough for a repair. */
	sh("dd if=/dev/zero of=grown bs=512 seek=1 count=33 conv=notrunc status=none && "
	   "printf 'r\\nb\\nc\\ny\\nw\\ny\\n' | gdisk grown > log && sgdisk -v grown | grep -q 'No problems'");
	assert_same_identity("cloud", "grown", 1);
}

static void test_takes_any_size(void **state)
{
	static const uint64_t sizes[] = {
		40 * MiB + 512, 41 * MiB,      41 * MiB + 512, 57 * MiB + 12800, 2 * TiB - 512,
		2 * TiB,	2 * TiB + 512, 3 * TiB + 512,  15 * TiB,	 40 * MiB + 700,
	};

	make_cloud();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		grow_file("cloud", sizes[i], 1);
		assert_same_identity("cloud", "grown", 1);
	}
}

/* Larger than files may be here, so judged by ourselves. */
static void test_grows_beyond_16_tib(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL, *again = NULL;
	_cleanup_(table_done) struct table t = { 0 };

	make_cloud();
	below = disk_open("cloud");
	img = grow_ok(below, 16 * TiB, 1);
	again = grow_ok(img, (UINT64_C(1) << 62) + 512, 1);
	assert_int_equal(table_read(again, &t, NULL), 0);
	assert_int_equal(table_last(&t)->start + table_last(&t)->length, (UINT64_C(1) << 62) - MiB);
}

static void test_growing_twice_is_growing_once(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *step = NULL, *twice = NULL;

	make_cloud();
	grow_file("cloud", 150 * MiB, 1);
	below = disk_open("cloud");
	step = grow_ok(below, 120 * MiB, 1);
	twice = grow_ok(step, 150 * MiB, 1);
	disk_save(twice, "twice");
	sh("cmp twice grown");
}

/* The last partition ends 33 sectors before 40 MiB: the last whole MiB of 41 would give it as little. */
static void test_a_mib_more_is_a_mib_more(void **state)
{
	make_cloud();
	grow_file("cloud", 41 * MiB, 1);
	sh("test \"$(partx -g -r -n 1 -o SECTORS grown)\" = $(($(partx -g -r -n 1 -o SECTORS cloud) + 2048))");
	grow_file("cloud", 41 * MiB - 512, 1);
	assert_same_identity("cloud", "grown", 0);
}

static void test_too_little_room_leaves_the_partition(void **state)
{
	sh("rm -f cloud; truncate -s 40M cloud && sgdisk -n 1:0:38M cloud > log");
	grow_file("cloud", 40 * MiB + 512, 1);
	assert_same_identity("cloud", "grown", 1);
}

/* Numbers, GUIDs, names and attributes alone, in the order of the array. */
static char *names(const char *name)
{
	return sh_text("sfdisk -d %s | grep '^%s' | sed 's/^%s//; s/start= *[0-9]*, size= *[0-9]*, //'", name,
		       name, name);
}

static void assert_same_bytes(struct image *a, uint64_t at_a, struct image *b, uint64_t at_b, uint64_t length)
{
	_cleanup_free_ uint8_t *bytes_a = malloc(length), *bytes_b = malloc(length);

	assert_int_equal(image_pread(a, bytes_a, length, at_a, NULL), 0);
	assert_int_equal(image_pread(b, bytes_b, length, at_b, NULL), 0);
	assert_memory_equal(bytes_a, bytes_b, length);
}

/* Of two files: what stood behind partition `number` stands `shift` higher, with its bytes; all before is as it was. */
static void judge_partitions(const char *before, const char *after, unsigned number, uint64_t shift)
{
	_cleanup_(image_unrefp) struct image *disk = disk_open(before), *grown = disk_open(after);
	_cleanup_(table_done) struct table old = { 0 }, now = { 0 };
	uint64_t from;

	assert_int_equal(table_read(disk, &old, NULL), 0);
	assert_int_equal(table_read(grown, &now, NULL), 0);
	assert_int_equal(old.n, now.n);
	from = table_number(&old, number)->start;
	for (unsigned i = 0; i < old.n; i++) {
		struct partition want = old.partition[i], *have = &now.partition[i];
		uint64_t start = want.start, length = want.length;

		want.start += start > from ? shift : 0;
		want.length += want.number == number ? shift : 0;
		assert_memory_equal(&want, have, sizeof(want));
		assert_same_bytes(disk, start, grown, have->start, length);
	}
}

/* The cloud's layout, noise in every partition. */
static void make_noisy_cloud(void)
{
	make_cloud();
	sh("head -c $((39*1024*1024 - 33*512)) /dev/urandom | dd of=cloud bs=1M seek=1 conv=notrunc "
	   "status=none");
}

static void test_moves_what_stands_behind(void **state)
{
	static const struct {
		unsigned number;
		uint64_t size, shift;
	} cases[] = {
		{ 15, 120 * MiB, 80 * MiB },	 { 14, 120 * MiB, 80 * MiB },
		{ 15, 41 * MiB, MiB },		 { 15, 41 * MiB - 512, 0 },
		{ 14, 42 * MiB + 700, 2 * MiB }, { 14, 3 * TiB + 512, 3 * TiB - 40 * MiB },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_free_ char *before = NULL, *after = NULL;

		make_noisy_cloud();
		grow_file("cloud", cases[i].size, cases[i].number);
		judge_partitions("cloud", "grown", cases[i].number, cases[i].shift);
		before = names("cloud");
		after = names("grown");
		assert_string_equal(before, after);
		/* And the old backup's header isn't to be found where something has moved to, or not. */
		if (cases[i].size < GiB)
			sh("test \"$(grep -abo 'EFI PART' grown | cut -d: -f1 | tr '\\n' ' ')\" = \"512 %ju \"",
			   (uintmax_t)(align_down(cases[i].size, 512) - 512));
	}
}

static void test_moves_in_4096_byte_sectors(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;

	sh("rm -f big; head -c 40M /dev/urandom > big && l=$(losetup -f -b 4096 --show big) && "
	   "sgdisk -Z $l > log; sgdisk -n 3:0:+10M -c 3:first -n 1:0:0 -c 1:second $l > log; r=$?; losetup -d "
	   "$l; "
	   "exit $r");
	below = disk_open("big");
	img = grow_ok(below, 150 * MiB, 3);
	disk_save(img, "grown");
	sh("l=$(losetup -f -b 4096 --show grown) && sgdisk -v $l > verdict; losetup -d $l; "
	   "grep -q 'No problems found' verdict || { cat verdict; false; }");
	judge_partitions("big", "grown", 3, 110 * MiB);
}

static void test_kernel_takes_moved_partitions(void **state)
{
	make_cloud();
	grow_file("cloud", 120 * MiB, 14);
	sh("l=$(losetup -f --show grown) && partx -a $l && "
	   "for p in /sys/block/${l#/dev/}/${l#/dev/}p*; do echo $(cat $p/partition $p/start $p/size); done | "
	   "sort "
	   "-n > kernel; partx -d $l; losetup -d $l; partx -g -r -o NR,START,SECTORS grown | sort -n | cmp - "
	   "kernel");
}

static void test_leaves_a_hybrid_mbr_alone(void **state)
{
	make_cloud();
	sh("sgdisk -h 15 cloud > log");
	grow_file("cloud", 120 * MiB, 1);
	sh("cmp -n 512 cloud grown");
}

/* Whether entries of the hybrid mbr and of the gpt are about the same places, as before. */
static void assert_hybrid(const char *name, const char *want)
{
	_cleanup_free_ char *have =
		sh_text("sfdisk --label-nested dos -d %s | "
			"sed -n 's/^%s\\([0-9]*\\) : start= *\\([0-9]*\\), size= *\\([0-9]*\\), "
			"type=\\([0-9a-f]*\\).*/\\1 \\2 \\3 \\4/p'",
			name, name);

	assert_string_equal(have, want);
}

static void test_copies_in_a_hybrid_mbr_go_along(void **state)
{
	/* Copies of 15 and 1; what protects stands before them, and goes with 14, which has no copy. */
	make_noisy_cloud();
	sh("sgdisk -h 15:1 cloud > log");
	assert_hybrid("cloud", "1 1 8191 ee\n2 8192 40960 ef\n3 49152 32735 83\n");
	grow_file("cloud", 120 * MiB, 1);
	assert_hybrid("grown", "1 1 8191 ee\n2 8192 40960 ef\n3 49152 194560 83\n");
	grow_file("cloud", 120 * MiB, 15);
	assert_hybrid("grown", "1 1 8191 ee\n2 8192 204800 ef\n3 212992 32735 83\n");
	judge_partitions("cloud", "grown", 15, 80 * MiB);
	grow_file("cloud", 120 * MiB, 14);
	assert_hybrid("grown", "1 1 172031 ee\n2 172032 40960 ef\n3 212992 32735 83\n");
	grow_file("cloud", 120 * MiB, 0);
	sh("cmp -n 512 cloud grown");
}

static void test_the_end_of_a_hybrid_mbr_protects_the_new_end(void **state)
{
	/* A last entry ee from behind the copy to the end of the disk. */
	make_cloud();
	sh("sgdisk -h 14 cloud > log && printf '\\356\\0\\0\\0\\0\\040\\0\\0\\0\\040\\001\\0' | "
	   "dd of=cloud bs=1 seek=$((446 + 3*16 + 4)) conv=notrunc status=none");
	assert_hybrid("cloud", "1 1 2047 ee\n2 2048 6144 ef\n4 8192 73728 ee\n");
	grow_file("cloud", 120 * MiB, 1);
	assert_hybrid("grown", "1 1 2047 ee\n2 2048 6144 ef\n4 8192 237568 ee\n");
}

static void test_refuses_copies_that_cannot_go_along(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	struct why why = { "" };

	make_cloud();
	sh("sgdisk -h 15:1 cloud > log");
	below = disk_open("cloud");
	assert_int_equal(grow(below, 3 * TiB, 15, &img, &why), -EOPNOTSUPP);
	assert_string_equal(why.text,
			    "entry 2 of the hybrid mbr would reach beyond sector 4294967295, where no mbr "
			    "can; @expand=none grows the disk alone");
	/* The copy of 15 a sector shorter than it. */
	sh("printf '\\377\\237' | dd of=cloud bs=1 seek=$((446 + 16 + 12)) conv=notrunc status=none");
	assert_int_equal(grow(below, 120 * MiB, 15, &img, &why), -EOPNOTSUPP);
	assert_string_equal(
		why.text, "entry 2 of the hybrid mbr covers no whole partition of the gpt, so that nobody can "
			  "tell what becomes of it when one grows; @expand=none grows the disk alone");
	img = grow_ok(below, 120 * MiB, 1);
}

static void test_protective_entry_covers_the_disk(void **state)
{
	_cleanup_free_ char *mbr = NULL;

	make_cloud();
	grow_file("cloud", 120 * MiB, 1);
	mbr = sh_text("od -An -tu4 -j458 -N4 grown");
	assert_int_equal(strtoull(mbr, NULL, 10), 120 * 2048 - 1);
	grow_file("cloud", 3 * TiB, 1);
	free(mbr);
	mbr = sh_text("od -An -tu4 -j458 -N4 grown");
	assert_int_equal(strtoull(mbr, NULL, 10), UINT32_MAX);
}

/* Damage: the head of a disk in memory. */

#define HEAD 17408

static uint8_t head[HEAD];
static const uint64_t disk_size = 40 * MiB;

static void load_head(void)
{
	_cleanup_(image_unrefp) struct image *disk = NULL;

	make_cloud();
	disk = disk_open("cloud");
	assert_int_equal(image_pread(disk, head, HEAD, 0, NULL), 0);
}

static int read_head(uint64_t size, struct why *why)
{
	_cleanup_(image_unrefp) struct image *disk = memimage_new(head, HEAD, size);
	_cleanup_(table_done) struct table t = { 0 };

	return table_read(disk, &t, why);
}

/* Makes the checksums right again after a field was changed. */
static void sign_head(void)
{
	uint8_t *h = head + 512;

	put_le32(h + 88, lzma_crc32(head + 1024, get_le32(h + 80) * get_le32(h + 84), 0));
	put_le32(h + 16, 0);
	put_le32(h + 16, lzma_crc32(h, 92, 0));
}

static void test_refuses_each_flipped_byte(void **state)
{
	load_head();
	assert_int_equal(read_head(disk_size, NULL), 0);
	for (size_t i = 512; i < HEAD; i++) {
		if (i >= 512 + 92 && i < 1024)
			continue; /* not the header's any more */
		head[i] ^= 0x10;
		assert_int_equal(read_head(disk_size, NULL), -EBADMSG);
		head[i] ^= 0x10;
	}
	assert_int_equal(read_head(disk_size, NULL), 0);
}

static void test_refuses_any_truncation(void **state)
{
	struct why why = { "" };

	load_head();
	for (uint64_t size = 512; size < disk_size - 33 * 512; size = size * 2 + 512)
		assert_in_range(-read_head(size, NULL), 1, INT32_MAX);
	assert_int_equal(read_head(disk_size - 34 * 512, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "truncated image"));
	/* Only the backup is cut off: growth writes it anew. */
	assert_int_equal(read_head(disk_size - 512, NULL), 0);
}

/* Changes one field of the signed table and expects the refusal to name it. */
static void assert_refused(size_t at, const void *bytes, size_t count, const char *reason)
{
	struct why why = { "" };

	load_head();
	memcpy(head + at, bytes, count);
	sign_head();
	assert_int_equal(read_head(disk_size, &why), -EBADMSG);
	if (!strstr(why.text, reason))
		fail_msg("'%s' doesn't say '%s'", why.text, reason);
}

#define ENTRY(number) (1024 + ((number)-1) * 128)
#define LE64(v)	      ((uint8_t *)&(uint64_t){ htole64(v) })
#define LE32(v)	      ((uint8_t *)&(uint32_t){ htole32(v) })

static void test_refuses_overlapping_entries(void **state)
{
	assert_refused(ENTRY(14) + 40, LE64(8192), 8, "partitions 14 and 15 overlap");
}

static void test_refuses_entries_out_of_range(void **state)
{
	assert_refused(ENTRY(1) + 40, LE64(UINT64_MAX), 8, "partition 1 has the sectors");
	assert_refused(ENTRY(1) + 40, LE64(0), 8, "partition 1 has the sectors");
	assert_refused(ENTRY(1) + 32, LE64(0), 8, "partition 1 has the sectors");
	assert_refused(ENTRY(1) + 32, LE64(UINT64_MAX), 8, "partition 1 has the sectors");
}

static void test_refuses_headers_that_claim_nonsense(void **state)
{
	assert_refused(512 + 48, LE64(UINT64_MAX), 8, "truncated image");
	assert_refused(512 + 48, LE64(33), 8, "usable sectors are 34 to 33");
	assert_refused(512 + 40, LE64(33), 8, "ends behind the first usable sector");
	assert_refused(512 + 24, LE64(2), 8, "stands at sector 1, but says 2");
}

static void test_refuses_arrays_that_claim_nonsense(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 127, 129, 192, UINT32_MAX };
	struct why why;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		load_head();
		put_le32(head + 512 + 84, sizes[i]);
		put_le32(head + 512 + 16, 0);
		put_le32(head + 512 + 16, lzma_crc32(head + 512, 92, 0));
		assert_int_equal(read_head(disk_size, &why), -EBADMSG);
		assert_non_null(strstr(why.text, "no power of two"));
	}
	load_head();
	put_le32(head + 512 + 80, UINT32_MAX);
	put_le32(head + 512 + 16, 0);
	put_le32(head + 512 + 16, lzma_crc32(head + 512, 92, 0));
	assert_int_equal(read_head(disk_size, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "4294967295 entries"));
}

static void test_names_a_sound_backup_but_does_not_use_it(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	struct why why = { "" };

	make_cloud();
	sh("printf x | dd of=cloud bs=1 seek=600 conv=notrunc status=none");
	below = disk_open("cloud");
	assert_int_equal(grow(below, 80 * MiB, 1, &img, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "the gpt is damaged: its header says checksum"));
	assert_non_null(strstr(why.text, "the backup at the end of the disk is sound"));
	sh("printf x | dd of=cloud bs=1 seek=$((40*1024*1024 - 500)) conv=notrunc status=none");
	assert_int_equal(grow(below, 80 * MiB, 1, &img, &why), -EBADMSG);
	assert_null(strstr(why.text, "backup"));
}

static void test_needs_no_backup(void **state)
{
	make_cloud();
	sh("truncate -s -33b cloud 2> log || truncate -s $((40*1024*1024 - 33*512)) cloud");
	grow_file("cloud", 120 * MiB, 1);
	assert_same_identity("cloud", "grown", 1);
}

static void test_is_none_without_a_protective_mbr(void **state)
{
	load_head();
	head[510] = 0;
	assert_int_equal(read_head(disk_size, NULL), 1);
}

static void test_refuses_a_disk_without_room_for_the_backup(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL, *img = NULL;
	struct why why = { "" };

	load_head();
	/* A table that gives all to partition 1, as if its backup were elsewhere. */
	put_le64(head + 512 + 48, disk_size / 512 - 1);
	put_le64(head + ENTRY(1) + 40, disk_size / 512 - 1);
	sign_head();
	disk = memimage_new(head, HEAD, disk_size);
	assert_int_equal(grow(disk, disk_size + 512, 0, &img, &why), -EOPNOTSUPP);
	assert_string_equal(why.text,
			    "the gpt needs 16896 bytes behind its last partition, which ends at 40M, for its "
			    "backup: a disk of 41943552 leaves too little");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_sgdisk_wrote),
		cmocka_unit_test(test_reads_little),
		cmocka_unit_test(test_grows_the_last_on_the_disk_whatever_its_number),
		cmocka_unit_test(test_changes_nothing_but_the_table),
		cmocka_unit_test(test_kernel_takes_the_grown_partition),
		cmocka_unit_test(test_grows_4096_byte_sectors),
		cmocka_unit_test(test_grows_the_disk_alone),
		cmocka_unit_test(test_old_backup_is_gone_from_the_grown_partition),
		cmocka_unit_test(test_backup_shows_the_same_array),
		cmocka_unit_test(test_takes_any_size),
		cmocka_unit_test(test_grows_beyond_16_tib),
		cmocka_unit_test(test_growing_twice_is_growing_once),
		cmocka_unit_test(test_a_mib_more_is_a_mib_more),
		cmocka_unit_test(test_too_little_room_leaves_the_partition),
		cmocka_unit_test(test_moves_what_stands_behind),
		cmocka_unit_test(test_moves_in_4096_byte_sectors),
		cmocka_unit_test(test_kernel_takes_moved_partitions),
		cmocka_unit_test(test_leaves_a_hybrid_mbr_alone),
		cmocka_unit_test(test_copies_in_a_hybrid_mbr_go_along),
		cmocka_unit_test(test_the_end_of_a_hybrid_mbr_protects_the_new_end),
		cmocka_unit_test(test_refuses_copies_that_cannot_go_along),
		cmocka_unit_test(test_protective_entry_covers_the_disk),
		cmocka_unit_test(test_refuses_each_flipped_byte),
		cmocka_unit_test(test_refuses_any_truncation),
		cmocka_unit_test(test_refuses_overlapping_entries),
		cmocka_unit_test(test_refuses_entries_out_of_range),
		cmocka_unit_test(test_refuses_headers_that_claim_nonsense),
		cmocka_unit_test(test_refuses_arrays_that_claim_nonsense),
		cmocka_unit_test(test_names_a_sound_backup_but_does_not_use_it),
		cmocka_unit_test(test_needs_no_backup),
		cmocka_unit_test(test_is_none_without_a_protective_mbr),
		cmocka_unit_test(test_refuses_a_disk_without_room_for_the_backup),
	};

	return cmocka_run_group_tests(tests, setup, disk_dir_teardown);
}
