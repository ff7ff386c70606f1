/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole step: real disks with real contents, grown, judged by the tools
 * that made them.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "backends/content/content.h"
#include "backends/resize.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/grown.h"
#include "tests/unit/memimage.h"
#include "tests/unit/mounts.h"

/* Two partitions, the second from 17 MiB to the end, of 60 MiB. sgdisk sleeps a second whenever it writes. */
static int setup(void **state)
{
	int r = disk_dir_setup(state);

	if (r == 0) {
		sh("truncate -s 60M gpt && sgdisk -n 1:0:+16M -t 1:ef00 -n 2:0:0 gpt > log");
		sh("truncate -s 60M mbr && printf 'label: dos\nstart=2048,size=32768\nstart=34816\n' | "
		   "sfdisk -q --no-tell-kernel mbr");
	}
	return r;
}

#define P2_START (17 * MiB)
#define P2_GPT	 (60 * MiB - 33 * 512 - P2_START)
#define P2_MBR	 (60 * MiB - P2_START)

/* A copy of the table `kind` as the file "disk", its second partition what `make` makes of the file "part". */
static void make_disk(const char *kind, const char *make)
{
	sh("rm -f disk part && cp --sparse=always %s disk && truncate -s %ju part && { %s; } > log 2>&1 && "
	   "dd if=part of=disk bs=1M seek=17 conv=notrunc,sparse status=none",
	   kind, strcmp(kind, "gpt") == 0 ? P2_GPT : P2_MBR, make);
}

static void test_expand_none_grows_the_disk_alone(void **state)
{
	make_disk("gpt", "mkswap part");
	resize_file(HOW(.disk_only = true), "disk", "    gpt: the disk grown alone, its partitions stay\n");
	sh("sgdisk -v grown | grep -q 'No problems found'");
	sh("cmp -i 17408 -n $((60*1024*1024 - 17408 - 33*512)) disk grown");
	make_disk("mbr", "mkswap part");
	resize_file(HOW(.disk_only = true), "disk", "    mbr: the disk grown alone, its partitions stay\n");
	sh("cmp -n $((60*1024*1024)) disk grown");
}

static void test_content_none_grows_disk_and_partition(void **state)
{
	make_disk("gpt", "mkfs.xfs -q -d size=20m part 2> /dev/null || mkswap part");
	resize_file(HOW(.keep_content = true), "disk",
		    "    gpt: partition 2 grown from 43.0M to 182M\n" LEFT_TO_GUEST);
	sh("sgdisk -v grown | grep -q 'No problems found'");
	sh("cmp -i %ju:0 -n %ju grown part", (uintmax_t)P2_START, (uintmax_t)P2_GPT);
	make_disk("mbr", "mkswap part");
	resize_file(HOW(.keep_content = true), "disk",
		    "    mbr: partition 2 grown from 43.0M to 183M\n" LEFT_TO_GUEST);
	sh("sfdisk --verify -q grown && cmp -i 512 -n $((60*1024*1024 - 512)) disk grown");
}

static void test_added_room_reads_as_zeros(void **state)
{
	make_disk("gpt", "head -c $((43*1024*1024 - 33*512)) /dev/urandom > part");
	resize_file(HOW(.keep_content = true), "disk", NULL);
	sh("cmp -i %ju:0 -n %ju grown part", (uintmax_t)P2_START, (uintmax_t)P2_GPT);
	sh("cmp -i $((60*1024*1024 - 33*512)) -n 8M grown /dev/zero");
}

static void test_refuses_contents_by_their_names(void **state)
{
	static const struct {
		const char *make, *reason;
	} cases[] = {
		{ "echo x | cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 part -",
		  "luks and can't be grown: it is encrypted: its filesystem can only be grown from inside the "
		  "guest" },
		{ "echo x | cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 part -",
		  "luks and can't be grown: it is encrypted: its filesystem can only be grown from inside the "
		  "guest" },
		{ "mkfs.exfat part", "exfat and can't be grown: exfat can't be grown offline" },
		{ "truncate -s 400M part && mkfs.f2fs part && truncate -s 43M part",
		  "f2fs and can't be grown: growing f2fs is not built yet" },
		{ "mksquashfs ../../etc/apt part -noappend",
		  "squashfs and can't be grown: read-only squashfs can't be "
		  "grown offline" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char reason[512];

		make_disk("mbr", cases[i].make);
		(void)snprintf(reason, sizeof(reason), "partition 2 is %s%s", cases[i].reason, WAYS_OUT);
		assert_refused(HOW(.partition = 2), "disk", -EOPNOTSUPP, reason);
	}
}

static void test_refuses_unknown_content(void **state)
{
	make_disk("gpt", "head -c 1M /dev/urandom | dd of=part conv=notrunc");
	assert_refused(HOW(.partition = 2), "disk", -EOPNOTSUPP,
		       "partition 2 holds nothing that is known here, so nothing that can be grown" WAYS_OUT);
}

static void test_refuses_a_partition_that_is_not_there(void **state)
{
	make_disk("gpt", "true");
	assert_refused(HOW(.partition = 5), "disk", -EOPNOTSUPP, "the image has no partition 5; it has 1, 2");
	sh("rm -f none; truncate -s 60M none");
	assert_refused(HOW(.partition = 1), "none", -EOPNOTSUPP,
		       "the image has no partition 1: it has no partition table");
}

static void test_refuses_an_empty_table(void **state)
{
	sh("rm -f empty; truncate -s 60M empty && sgdisk -o empty > log");
	assert_refused(HOW(), "empty", -EOPNOTSUPP,
		       "the gpt table of the image is empty: no partition can take the room; @expand=none "
		       "grows the disk "
		       "alone");
	resize_file(HOW(.disk_only = true), "empty", NULL);
	sh("sgdisk -v grown | grep -q 'No problems found'");
}

static void test_refuses_dynamic_disks(void **state)
{
	static const char *const reason =
		"partition 1 belongs to a dynamic disk of Windows, which only Windows can "
		"grow; @expand=none grows the disk alone";

	sh("rm -f disk; truncate -s 60M disk && echo type=42 | sfdisk -q --no-tell-kernel -X dos disk");
	assert_refused(HOW(), "disk", -EOPNOTSUPP, reason);
	assert_refused(HOW(.partition = 1, .keep_content = true), "disk", -EOPNOTSUPP, reason);
	sh("rm -f disk; truncate -s 60M disk && echo type=af9b60a0-1431-4f62-bc68-3311714a69ad | "
	   "sfdisk -q --no-tell-kernel -X gpt disk");
	assert_refused(HOW(), "disk", -EOPNOTSUPP, reason);
}

static void test_refuses_to_shrink(void **state)
{
	make_disk("gpt", "true");
	assert_refused(&(struct resize){ .size = 59 * MiB }, "disk", -EOPNOTSUPP,
		       "the template holds 60M, and images can't be made smaller than that: 59M is too small");
}

static void test_own_size_is_the_image_itself(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;

	make_disk("gpt", "true");
	below = disk_open("disk");
	assert_int_equal(resize_open(&(struct resize){ .size = 60 * MiB }, below, &img, NULL), 0);
	assert_ptr_equal(img, below);
}

static void test_too_little_room_changes_no_partition(void **state)
{
	make_disk("gpt", "mkfs.ext4 -qF part");
	resize_file(&(struct resize){ .size = 60 * MiB + 512 }, "disk",
		    "    gpt: partition 2 stays 43.0M: too little room for a MiB more\n");
	sh("sgdisk -v grown | grep -q 'No problems found'");
}

static void test_refuses_a_bare_unknown_disk(void **state)
{
	sh("rm -f none; truncate -s 60M none");
	assert_refused(
		HOW(), "none", -EOPNOTSUPP,
		"the bare disk holds nothing that is known here, so nothing that can be grown" WAYS_OUT_BARE);
	resize_file(HOW(.disk_only = true), "none", NULL);
	resize_file(HOW(.keep_content = true), "none", NULL);
}

static void test_refuses_bare_contents_by_their_names(void **state)
{
	sh("rm -f bare; truncate -s 60M bare && mkfs.vfat -F 16 bare > log");
	assert_refused(
		HOW(), "bare", -EOPNOTSUPP,
		"the bare disk: fat16 can't be grown: with more clusters it would have to become another "
		"kind" WAYS_OUT_BARE);
	resize_file(HOW(.keep_content = true), "bare", NULL);
	sh("cmp -n $((60*1024*1024)) bare grown && cmp -i $((60*1024*1024)):0 -n $((140*1024*1024)) grown "
	   "/dev/zero");
}

/* A member of a raid array in the partition, superblock of that version, written without a running array. */
static void make_raid_member(const char *kind, const char *version)
{
	/* The sizes are those of the partition; the superblock's place follows from them. */
	uint64_t size = strcmp(kind, "gpt") == 0 ? P2_GPT : P2_MBR;
	uint8_t super[4096] = { 0 };
	uint64_t at;
	FILE *f;

	make_disk(kind, "mkfs.ext4 -qF part 20M");
	put_le32(super, 0xa92b4efc);
	if (strcmp(version, "0.90") == 0) {
		at = align_down(size, 64 * KiB) - 64 * KiB;
	} else {
		at = strcmp(version, "1.0") == 0   ? align_down(size / 512 - 16, 8) * 512
		     : strcmp(version, "1.2") == 0 ? 4096
						   : 0;
		put_le32(super + 4, 1);
		put_le64(super + 144, at / 512);
	}
	f = fopen(disk_path("disk"), "r+");
	assert_int_equal(fseek(f, P2_START + at, SEEK_SET), 0);
	assert_int_equal(fwrite(super, sizeof(super), 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

static void test_never_grows_what_has_records_at_its_end(void **state)
{
	static const char *const versions[] = { "0.90", "1.0" };

	for (size_t i = 0; i < 4; i++) {
		const char *reason = "partition 2 is mdraid and can't grow at all: this member of a raid array "
				     "has its records "
				     "at the end, where they have to stay; @expand=none grows the disk alone";

		make_raid_member(i < 2 ? "gpt" : "mbr", versions[i % 2]);
		assert_refused(HOW(), "disk", -EOPNOTSUPP, reason);
		assert_refused(HOW(.keep_content = true), "disk", -EOPNOTSUPP, reason);
		resize_file(HOW(.disk_only = true), "disk", NULL);
	}
}

static void test_leaves_raid_members_of_later_versions_to_the_guest(void **state)
{
	static const char *const versions[] = { "1.1", "1.2" };

	for (size_t i = 0; i < 2; i++) {
		make_raid_member("gpt", versions[i]);
		assert_refused(HOW(), "disk", -EOPNOTSUPP,
			       "partition 2 is mdraid and can't be grown: a member of a raid array can only be "
			       "grown from "
			       "inside the guest" WAYS_OUT);
		resize_file(HOW(.keep_content = true), "disk", NULL);
	}
}

static void test_never_grows_a_bare_raid_member(void **state)
{
	sh("rm -f bare; truncate -s 60M bare && head -c 12 /dev/zero > z && "
	   "printf '\\374\\116\\053\\251' | dd of=bare bs=1 seek=$((60*1024*1024 - 65536)) conv=notrunc "
	   "status=none");
	assert_refused(HOW(.disk_only = true), "bare", -EOPNOTSUPP,
		       "the bare disk is mdraid and can't grow at all: this member of a raid array has its "
		       "records at the "
		       "end, where they have to stay");
}

/* What content_probe says of the file "part", beside what blkid says. */
static void assert_probed(const char *make, const char *name, const char *blkid_name)
{
	_cleanup_(image_unrefp) struct image *part = NULL;
	_cleanup_free_ char *label = NULL, *uuid = NULL, *type = NULL;
	struct content c;

	sh("rm -f part; truncate -s 400M part && { %s; } > log 2>&1", make);
	part = disk_open("part");
	assert_int_equal(content_probe(part, &c, NULL), 0);
	assert_string_equal(c.ops->name, name);
	type = sh_text("blkid -p -o value -s TYPE part | tr -d '\\n'");
	label = sh_text("blkid -p -o value -s LABEL part | tr -d '\\n'");
	uuid = sh_text("blkid -p -o value -s UUID part | tr -d '\\n'");
	assert_string_equal(type, blkid_name);
	assert_string_equal(type, content_type(&c));
	assert_string_equal(c.label, label);
	assert_string_equal(c.uuid, uuid);
	assert_true(testimage_count(part).bytes < 90 * KiB);
}

static void test_probes_labels_and_uuids(void **state)
{
	assert_probed("mkswap -L 'my swap' part", "swap", "swap");
	assert_probed("mkswap -p 65536 -L big part", "swap", "swap");
	assert_probed("mkfs.xfs -L root part", "xfs", "xfs");
	assert_probed("mkfs.vfat -n EFI -F 32 part", "fat", "vfat");
	assert_probed("mkfs.vfat -n EFI -F 16 part", "fat", "vfat");
	assert_probed("mkfs.vfat -F 16 part", "fat", "vfat");
	assert_probed("truncate -s 20M part && mkfs.vfat -n TINY -F 12 part", "fat", "vfat");
	assert_probed("mkfs.vfat -n OLD -F 32 part && fatlabel part NEW", "fat", "vfat");
	/* A label that was given when the root directory was full: in its second cluster. */
	assert_probed("mkfs.vfat -F 32 -s 1 part && "
		      "for i in $(seq 20); do echo > f$i; mcopy -i part f$i ::; done && fatlabel part LATE",
		      "fat", "vfat");
	assert_probed("mkfs.exfat part", "exfat", "exfat");
	assert_probed("mkfs.exfat -L 'Gr\303\266\303\237e' part", "exfat", "exfat");
	assert_probed("mkntfs -F -Q -q part", "ntfs", "ntfs");
	assert_probed("mkntfs -F -Q -q -L 'Gr\303\266\303\237e' part", "ntfs", "ntfs");
	assert_probed("mkfs.f2fs -l 'f 2 f s' part", "f2fs", "f2fs");
	assert_probed("mke2fs -t ext4 -L sixteen-letters. part", "ext", "ext4");
	assert_probed("mke2fs -t ext3 part", "ext", "ext3");
	assert_probed("mke2fs -t ext2 -L '\303\266' part", "ext", "ext2");
	assert_probed("mkfs.btrfs -L fedora part", "btrfs", "btrfs");
	assert_probed("echo x | cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 part -",
		      "luks", "crypto_LUKS");
	assert_probed("echo x | cryptsetup -q luksFormat --label vault --pbkdf pbkdf2 --pbkdf-force-iterations "
		      "1000 part -",
		      "luks", "crypto_LUKS");
}

/* Blkid doesn't put back the bytes that a record's sequence numbers took the place of; ntfslabel does. */
static void test_reads_a_label_across_a_sequence_number(void **state)
{
	static const char *const label =
		"a label of more than one sequence number, 80 letters long, as far as it goes on";
	_cleanup_(image_unrefp) struct image *part = NULL;
	struct content c;

	sh("rm -f part; truncate -s 40M part && mkntfs -F -Q -q -L '%s' part > log 2>&1 && "
	   "test \"$(ntfslabel part)\" = '%s'",
	   label, label);
	part = disk_open("part");
	assert_int_equal(content_probe(part, &c, NULL), 0);
	assert_string_equal(c.label, label);
}

static void test_probes_sizes(void **state)
{
	static const struct {
		const char *make;
		uint64_t size;
	} cases[] = {
		{ "mkswap part", 400 * MiB },
		{ "mkfs.xfs part", 400 * MiB },
		{ "mkfs.vfat -F 16 part", 13003 * 63 * 512 /* whole tracks */ },
		{ "mkntfs -F -Q part", 400 * MiB },
		{ "mkfs.exfat part", 400 * MiB },
		{ "mkfs.btrfs part", 400 * MiB },
		{ "mkfs.btrfs -b 200M part", 200 * MiB },
		{ "mkfs.f2fs part", 400 * MiB },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(image_unrefp) struct image *part = NULL;
		struct content c;

		sh("rm -f part; truncate -s 400M part && { %s; } > log 2>&1", cases[i].make);
		part = disk_open("part");
		assert_int_equal(content_probe(part, &c, NULL), 0);
		if (c.size != cases[i].size)
			fail_msg("'%s' is %ju bytes", cases[i].make, (uintmax_t)c.size);
	}
}

static void test_a_damaged_table_is_refused(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;

	make_disk("gpt", "mkswap part");
	sh("printf x | dd of=disk bs=1 seek=1100 conv=notrunc status=none");
	below = disk_open("disk");
	assert_int_equal(resize_open(HOW(), below, &img, NULL), -EBADMSG);
	assert_int_equal(resize_open(HOW(.disk_only = true), below, &img, NULL), -EBADMSG);
}

/* ext4 inside. */

static void test_grows_ext4_in_gpt(void **state)
{
	make_disk("gpt", MAKE_EXT4);
	resize_file(HOW(), "disk",
		    "    gpt: partition 2 grown from 43.0M to 182M\n    ext4 grown from 43.0M to 182M, 6 to 23 "
		    "groups\n");
	sh("sgdisk -v grown | grep -q 'No problems found'");
	judge_ext4(P2_START, 182 * MiB);
}

static void test_grows_ext4_in_mbr(void **state)
{
	make_disk("mbr", MAKE_EXT4);
	resize_file(HOW(.partition = 2), "disk",
		    "    mbr: partition 2 grown from 43.0M to 183M\n    ext4 grown from 43.0M to 183M, 6 to 23 "
		    "groups\n");
	sh("sfdisk --verify -q grown");
	judge_ext4(P2_START, 183 * MiB);
}

static void test_grows_bare_ext4(void **state)
{
	sh("rm -f part disk; truncate -s 43M part && " MAKE_EXT4 " && mv part disk");
	resize_file(HOW(), "disk",
		    "    no partition table: the disk holds one thing, if any\n"
		    "    ext4 grown from 43.0M to 200M, 6 to 25 groups\n");
	judge_ext4(0, 200 * MiB);
}

static void test_grows_what_is_grown_already(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *once = NULL, *twice = NULL;

	make_disk("gpt", MAKE_EXT4);
	below = disk_open("disk");
	assert_int_equal(resize_open(&(struct resize){ .size = 100 * MiB }, below, &once, NULL), 0);
	assert_int_equal(resize_open(HOW(), once, &twice, NULL), 0);
	disk_save(twice, "grown");
	sh("sgdisk -v grown | grep -q 'No problems found'");
	judge_ext4(P2_START, 182 * MiB);
}

static void test_hides_the_old_backup_from_a_filesystem_grown_later(void **state)
{
	/* With @content=none the guest grows it itself; what it finds in the added room is zeros. */
	make_disk("gpt", MAKE_EXT4);
	resize_file(HOW(.keep_content = true), "disk", NULL);
	sh("l=$(losetup -f -o %ju --sizelimit %ju --show grown) && e2fsck -fy $l > log 2>&1; resize2fs $l >> "
	   "log 2>&1; "
	   "r=$?; losetup -d $l; exit $r",
	   (uintmax_t)P2_START, (uintmax_t)(182 * MiB));
	judge_ext4(P2_START, 182 * MiB);
}

static void test_says_when_the_room_is_too_little_for_the_content(void **state)
{
	/* One whole group; a second one of 1 MiB would hold nothing but its own tables. */
	sh("rm -f part disk; truncate -s 128M part && mkfs.ext4 -qF -b 4096 -I 256 -i 8192 part && truncate -s "
	   "129M disk && "
	   "echo start=2048 | sfdisk -q --no-tell-kernel -X dos disk && dd if=part of=disk bs=1M seek=1 "
	   "conv=notrunc,sparse "
	   "status=none");
	resize_file(&(struct resize){ .size = 130 * MiB }, "disk",
		    "    mbr: partition 1 grown from 128M to 129M\n    ext4 stays as it is: too little room "
		    "for more of it\n");
	sh("sfdisk --verify -q grown && cmp -i 1M -n 128M disk grown && cmp -i 129M:0 -n 1M grown /dev/zero");
}

static void test_reads_little(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL;
	struct read_count count;

	make_disk("gpt", MAKE_EXT4);
	below = disk_open("disk");
	assert_int_equal(resize_open(HOW(), below, &img, NULL), 0);
	count = testimage_count(below);
	/* 17.4 KB of table, 20 KB to know the content, and what growing ext4 needs. */
	if (count.bytes > 64 * KiB || count.reads > 24)
		fail_msg("%ju bytes in %ju reads", (uintmax_t)count.bytes, (uintmax_t)count.reads);
}

static void test_refuses_truncated_filesystems(void **state)
{
	make_disk("mbr", "truncate -s 50M part && mkfs.ext4 -qF part && truncate -s 43M part");
	assert_refused(HOW(), "disk", -EBADMSG,
		       "partition 2: ext4 takes 50M, but there are only 43M: truncated image" WAYS_OUT);
}

static void test_refuses_filesystems_with_errors(void **state)
{
	make_disk("mbr", "mkfs.ext4 -qF part && debugfs -w -R 'ssv state 3' part");
	assert_refused(HOW(), "disk", -EOPNOTSUPP,
		       "partition 2: ext4 is not clean: errors were found in it; run e2fsck" WAYS_OUT);
}

static void test_refuses_what_a_hash_tree_seals(void **state)
{
	make_disk("mbr", "truncate -s 20M part && mkfs.ext4 -qF part && truncate -s 43M part && "
			 "veritysetup format --data-blocks 5120 --hash-offset 20971520 part part");
	assert_refused(HOW(), "disk", -EOPNOTSUPP,
		       "partition 2 is ext4 and can't be grown: a hash tree that seals it stands behind the "
		       "filesystem" WAYS_OUT);
}

static int no_read(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	return fail(why, -EIO, "%zu bytes are read %ju before the end", count, (uintmax_t)(192 * KiB - offset));
}

/* Probes the file with `slack` bytes behind its filesystem; its last 192 KiB can't be read. */
static int probe_without_end(uint64_t slack, struct content *ret)
{
	_cleanup_(image_unrefp) struct image *file = NULL, *img = NULL;
	struct computed *c = calloc(1, sizeof(*c));
	struct map_draft *draft;

	assert_non_null(c);
	sh("truncate -s $((20*1024*1024 + %ju)) part", (uintmax_t)slack);
	file = disk_open("part");
	draft = map_draft_new(file->size, file);
	assert_non_null(draft);
	c->read = no_read;
	computed_init(c);
	map_draft_computed(draft, file->size - 192 * KiB, 192 * KiB, c, 0);
	computed_unref(c);
	assert_int_equal(map_seal(draft, "test", NULL, &img, NULL), 0);
	return content_probe(img, ret, NULL);
}

/* There it has no room for records of others, and to look would mean to decode the template's end. */
static void test_leaves_the_end_of_a_full_partition_unread(void **state)
{
	struct content c = { 0 };

	sh("rm -f part && truncate -s 20M part && mkfs.ext4 -qF part");
	assert_int_equal(probe_without_end(0, &c), 0);
	assert_ptr_equal(c.ops, &ext_content);
	assert_int_equal(probe_without_end(3584, &c), 0);
	assert_ptr_equal(c.ops, &ext_content);
	assert_int_equal(probe_without_end(128 * KiB, &c), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand_none_grows_the_disk_alone),
		cmocka_unit_test(test_content_none_grows_disk_and_partition),
		cmocka_unit_test(test_added_room_reads_as_zeros),
		cmocka_unit_test(test_refuses_contents_by_their_names),
		cmocka_unit_test(test_refuses_unknown_content),
		cmocka_unit_test(test_refuses_a_partition_that_is_not_there),
		cmocka_unit_test(test_refuses_an_empty_table),
		cmocka_unit_test(test_refuses_dynamic_disks),
		cmocka_unit_test(test_refuses_to_shrink),
		cmocka_unit_test(test_own_size_is_the_image_itself),
		cmocka_unit_test(test_too_little_room_changes_no_partition),
		cmocka_unit_test(test_refuses_a_bare_unknown_disk),
		cmocka_unit_test(test_refuses_bare_contents_by_their_names),
		cmocka_unit_test(test_never_grows_what_has_records_at_its_end),
		cmocka_unit_test(test_leaves_raid_members_of_later_versions_to_the_guest),
		cmocka_unit_test(test_never_grows_a_bare_raid_member),
		cmocka_unit_test(test_probes_labels_and_uuids),
		cmocka_unit_test(test_reads_a_label_across_a_sequence_number),
		cmocka_unit_test(test_probes_sizes),
		cmocka_unit_test(test_a_damaged_table_is_refused),
		cmocka_unit_test(test_grows_ext4_in_gpt),
		cmocka_unit_test(test_grows_ext4_in_mbr),
		cmocka_unit_test(test_grows_bare_ext4),
		cmocka_unit_test(test_grows_what_is_grown_already),
		cmocka_unit_test(test_hides_the_old_backup_from_a_filesystem_grown_later),
		cmocka_unit_test(test_says_when_the_room_is_too_little_for_the_content),
		cmocka_unit_test(test_reads_little),
		cmocka_unit_test(test_refuses_truncated_filesystems),
		cmocka_unit_test(test_refuses_filesystems_with_errors),
		cmocka_unit_test(test_leaves_the_end_of_a_full_partition_unread),
		cmocka_unit_test(test_refuses_what_a_hash_tree_seals),
	};

	return mounts_of_our_own() ?: cmocka_run_group_tests(tests, setup, disk_dir_teardown);
}
