/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is told of disks, beside what sfdisk, blkid, lsblk and the tools of LVM tell.
 * The judge is a script that makes the same object out of their answers.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include <json-c/json.h>

#include "backends/describe.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"

/*
 * judge.py DISK: what should be told of it. Sizes of contents, which blkid has not, are left out on
 * both sides; so are groups, which have a test of their own.
 */
static const char *const judge =
	"import json, subprocess, sys\n"
	"def run(*a, ok=(0,)):\n"
	"    p = subprocess.run(a, capture_output=True)\n"
	"    assert p.returncode in ok, (a, p)\n"
	"    return p.stdout\n"
	"def content(name, *offset):\n"
	"    out, got = run('blkid', '-p', *offset, '-o', 'udev', name, ok=(0, 2)), {}\n"
	"    values = dict(l.split('=', 1) for l in out.decode().splitlines())\n"
	"    unhex = lambda s: __import__('re').sub(r'(\\\\x[0-9a-f]{2})+', lambda m: "
	"bytes.fromhex(m.group().replace('\\\\x', '')).decode(), s)\n"
	"    for key, tag in (('type', 'ID_FS_TYPE'), ('label', 'ID_FS_LABEL_ENC'), ('uuid', "
	"'ID_FS_UUID_ENC')):\n"
	"        if values.get(tag):\n"
	"            got[key] = unhex(values[tag])\n"
	"    return got\n"
	"name, want = sys.argv[1], {}\n"
	"p = subprocess.run(('sfdisk', '--json', name), capture_output=True)\n"
	"t = json.loads(p.stdout)['partitiontable'] if p.returncode == 0 else None\n"
	"# Boot sectors of FAT and NTFS end like a table, too.\n"
	"if t and (t['label'] != 'dos' or t.get('partitions')):\n"
	"    want['table'] = {'dos': 'mbr'}.get(t['label'], t['label'])\n"
	"    want['id'] = t['id'].lower().removeprefix('0x')\n"
	"    want['sector-size'] = t['sectorsize']\n"
	"    want['partitions'] = []\n"
	"    for q in sorted(t.get('partitions', []), key=lambda q: (q['start'], q['type'] not in ('5', 'f', "
	"'85'))):\n"
	"        n = int(q['node'].removeprefix(name))\n"
	"        w = {'number': n, 'type': q['type'].lower() if t['label'] == 'gpt' else q['type'].zfill(2),\n"
	"             'start': q['start'] * t['sectorsize'], 'size': q['size'] * t['sectorsize']}\n"
	"        w['id'] = q['uuid'].lower() if 'uuid' in q else '%s-%02x' % (want['id'], n)\n"
	"        if q.get('name'): w['name'] = q['name']\n"
	"        if q.get('bootable') or 'LegacyBIOSBootable' in q.get('attrs', ''): w['bootable'] = True\n"
	"        if t['label'] == 'dos' and q['type'] in ('5', 'f', '85'): w['extended'] = True\n"
	"        elif t['label'] == 'dos' and n > 4: w['logical'] = True\n"
	"        if 'extended' not in w:\n"
	"            c = content(name, '-O', str(w['start']), '-S', str(w['size']))\n"
	"            if 'type' in c: w['content'] = c\n"
	"        want['partitions'].append(w)\n"
	"if not want.get('partitions'):\n"
	"    c = content(name)\n"
	"    if 'type' in c: want['content'] = c\n"
	"have = json.load(open('told'))\n"
	"def strip(o):\n"
	"    c = o.get('content', {}); c.pop('size', None); c.pop('group', None)\n"
	"strip(have)\n"
	"for q in have.get('partitions', []): strip(q)\n"
	"if have != want:\n"
	"    sys.exit('told %s\\nwant %s' % (json.dumps(have, sort_keys=True), json.dumps(want, "
	"sort_keys=True)))\n";

static int setup(void **state)
{
	int r = disk_dir_setup(state);
	FILE *f = r == 0 ? fopen(disk_path("judge.py"), "w") : NULL;

	if (f)
		(void)fputs(judge, f);
	return f && fclose(f) == 0 ? 0 : -1;
}

/* What is told of it, as a text; to be freed. */
static char *told(struct image *disk)
{
	struct json_object *o = json_object_new_object();
	char *text;

	assert_int_equal(disk_describe(disk, o), 0);
	text = strdup(
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	(void)json_object_put(o);
	return text;
}

/* What is told of the file "disk" is what the judge tells. Returns what was read for it. */
static struct read_count assert_told_right(void)
{
	_cleanup_(image_unrefp) struct image *disk = disk_open("disk");
	_cleanup_free_ char *text = told(disk);
	FILE *f = fopen(disk_path("told"), "w");

	assert_non_null(f);
	(void)fputs(text, f);
	assert_int_equal(fclose(f), 0);
	sh("python3 judge.py disk");
	return testimage_count(disk);
}

/* The file "part", of `mib`, made by `make`, at that MiB of the file "disk". */
static void put_part(unsigned at_mib, unsigned mib, const char *make)
{
	sh("rm -f part; truncate -s %uM part && { %s; } > log 2>&1 && "
	   "dd if=part of=disk bs=1M seek=%u conv=notrunc,sparse status=none",
	   mib, make, at_mib);
}

#define ROOT_GUID "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"

static void test_a_disk_with_everything(void **state)
{
	static const struct {
		unsigned mib;
		const char *type, *name, *make;
	} parts[] = {
		{ 1, "ef02", "BIOS boot", "true" },
		{ 10, "ef00", "EFI \303\251", "mkfs.vfat -n ESP part" },
		{ 40, "8300", "/boot", "mke2fs -q -t ext3 -L boot part" },
		{ 310, "8300", "/", "mkfs.xfs -q -L root part" },
		{ 120, "8300", "", "mkfs.btrfs -q -L '\303\274 home' part" },
		{ 4, "8200", "swap", "mkswap -L swap part" },
		{ 40, "0700", "Basic data", "mkntfs -F -Q -q -L 'Daten \342\202\254' part" },
		{ 10, "0700", "sticks", "mkfs.exfat -L stick part" },
		{ 20, "8309", "secret",
		  "echo x | cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --label v "
		  "part -" },
		{ 20, "8300", "", "mksquashfs /etc/apt part -noappend" },
		{ 20, "8300", "", "genisoimage -quiet -J -V 'A Label That Is Quite Long' -o part /etc/apt" },
		{ 60, "8300", "", "mkfs.f2fs -l flash part" },
		{ 20, "fd00", "", "true" },
	};
	unsigned at = 1;
	struct read_count count;

	sh("rm -f disk && truncate -s 800M disk && sgdisk -U 11223344-5566-7788-99aa-bbccddeeff00 disk > log");
	for (unsigned i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		/* The numbers against the order on the disk. */
		sh("sgdisk -n %u:%uM:+%uM -t %u:%s -c %u:'%s' disk > log", 20 - i, at, parts[i].mib, 20 - i,
		   parts[i].type, 20 - i, parts[i].name);
		put_part(at, parts[i].mib, parts[i].make);
		at += parts[i].mib;
	}
	sh("sgdisk -A 19:set:2 disk > log");
	count = assert_told_right();
	assert_true(count.bytes < 2 * MiB);
}

static void test_logical_partitions(void **state)
{
	sh("rm -f disk && truncate -s 100M disk && "
	   "printf 'label: dos\nlabel-id: 0x0badf00d\nstart=2048,size=40960,bootable\nstart=43008,type=f\n"
	   "size=20480,type=82\nsize=40960\n' | sfdisk -q --no-tell-kernel disk");
	put_part(1, 20, "mke2fs -q -t ext4 -L 'a b' part");
	put_part(22, 10, "mkswap part");
	put_part(33, 20, "mke2fs -q -t ext2 part");
	(void)assert_told_right();
}

static void test_sectors_of_4096_bytes(void **state)
{
	/* Sfdisk takes the sector from the device. */
	sh("rm -f disk && truncate -s 100M disk && l=$(losetup -b 4096 -f --show disk) && "
	   "{ sgdisk -n 1:256:+20M -c 1:large $l > log; sfdisk -d $l | grep -q '^sector-size: 4096'; r=$?; "
	   "losetup -d $l; test $r = 0; }");
	put_part(1, 20, "mke2fs -q -t ext4 part");
	{
		_cleanup_(image_unrefp) struct image *disk = disk_open("disk");
		_cleanup_free_ char *text = told(disk);

		assert_non_null(strstr(text, "\"sector-size\":4096"));
		assert_non_null(strstr(text, "\"name\":\"large\",\"start\":1048576,\"size\":20971520,"
					     "\"content\":{\"type\":\"ext4\""));
	}
}

static void test_bare_contents(void **state)
{
	static const char *const makes[] = {
		"mke2fs -q -t ext4 -L bare disk",
		"mkfs.vfat -F 32 -n BARE disk",
		"mkfs.exfat disk",
		"mkntfs -F -Q -q disk",
		"mkfs.btrfs -q disk",
		"mkswap disk",
		"true",
		"sgdisk -o disk",
		"genisoimage -quiet -V 'plain' -o disk /etc/apt",
		"genisoimage -quiet -J -V '12345678901234567' -o disk /etc/apt",
		"genisoimage -quiet -J -V 'sixteen_letters.' -o disk /etc/apt",
		"xorriso -as mkisofs -quiet -J -V 'Mixed Case' -o disk /etc/apt",
		"xorriso -as mkisofs -quiet -J -joliet-long -V 'Mixed Case beyond 16 letters' -o disk /etc/apt",
		"xorriso -as mkisofs -quiet -V 'no joliet' -o disk /etc/apt",
	};

	for (size_t i = 0; i < sizeof(makes) / sizeof(*makes); i++) {
		sh("rm -f disk && truncate -s 300M disk && { %s; } > log 2>&1", makes[i]);
		(void)assert_told_right();
	}
}

static void test_sizes_of_filesystems(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL;
	_cleanup_free_ char *text = NULL, *want = NULL;
	char line[64];

	sh("rm -f disk && genisoimage -quiet -no-pad -o disk /etc/apt");
	disk = disk_open("disk");
	text = told(disk);
	want = sh_text("stat -c %%s disk | tr -d '\\n'");
	(void)snprintf(line, sizeof(line), "\"size\":%s}}", want);
	assert_non_null(strstr(text, line));
}

static void test_a_stick_image_for_cds(void **state)
{
	/* A table that claims more than is there, as many such images have. */
	sh("rm -f disk && genisoimage -quiet -V HYBRID -o disk /etc/apt && "
	   "printf '\\0\\0\\0\\0\\27\\0\\0\\0\\1\\0\\0\\0\\377\\377\\377\\0' | dd of=disk bs=1 seek=446 "
	   "conv=notrunc "
	   "status=none && printf '\\125\\252' | dd of=disk bs=1 seek=510 conv=notrunc status=none");
	{
		_cleanup_(image_unrefp) struct image *disk = disk_open("disk");
		_cleanup_free_ char *text = told(disk);

		assert_non_null(strstr(text, "\"why\":\"truncated image: partition 1 ends at"));
		assert_non_null(strstr(text, "\"content\":{\"type\":\"iso9660\",\"label\":\"HYBRID\""));
	}
}

static void test_a_damaged_table_says_why(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL;
	_cleanup_free_ char *text = NULL;

	sh("rm -f disk && truncate -s 24M disk && sgdisk -n 1:0:0 disk > log && "
	   "printf x | dd of=disk bs=1 seek=1060 conv=notrunc status=none");
	disk = disk_open("disk");
	text = told(disk);
	assert_memory_equal(text, "{\"why\":\"the gpt is damaged: its array should have checksum ", 55);
}

static void test_a_damaged_content_says_why(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL;
	_cleanup_free_ char *text = NULL;

	sh("rm -f disk && truncate -s 64M disk && mke2fs -q -t ext4 disk && truncate -s 24M disk");
	disk = disk_open("disk");
	text = told(disk);
	assert_string_equal(
		text, "{\"content\":{\"why\":\"ext4 takes 64M, but there are only 24M: truncated image\"}}");
}

static void test_logical_volumes(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL;
	_cleanup_free_ char *text = NULL, *want = NULL;

	sh("rm -f disk part && truncate -s 80M disk part && sgdisk -n 1:2048:+64M -t 1:8e00 disk > log && "
	   "truncate -s 64M part && mkdir -p etc run && export LVM_SYSTEM_DIR=$PWD/etc "
	   "LVM_SUPPRESS_FD_WARNINGS=1 && "
	   "l=$(losetup -f --show part) && lvm() { c=$1; shift; command $c -qq --driverloaded n --config "
	   "\"devices{use_devicesfile=0 filter=[\\\"a|^$l\\$|\\\",\\\"r|.*|\\\"]} backup{backup=0 archive=0} "
	   "global{locking_dir=\\\"$PWD/run\\\"}\" \"$@\"; } && "
	   "{ lvm pvcreate $l && lvm vgcreate vg-x $l && lvm lvcreate -an -Zn -Wn -l 4 -n root vg-x && "
	   "lvm lvcreate -an -Zn -Wn -l 2 -n my-swap vg-x; r=$?; "
	   "lvm pvs --noheadings -o pv_uuid,vg_uuid $l | xargs > uuids; lvm lvs --noheadings -o lv_uuid vg-x | "
	   "xargs >> "
	   "uuids; losetup -d $l; test $r = 0; } 2> log");
	sh("rm -f fs && truncate -s 16M fs && mke2fs -q -t ext4 -L top fs && blkid -p -o value -s UUID fs >> "
	   "uuids && "
	   "dd if=fs of=part bs=1M seek=1 conv=notrunc status=none && "
	   "dd if=part of=disk bs=1M seek=1 conv=notrunc,sparse status=none");
	disk = disk_open("disk");
	text = told(disk);
	want = sh_text("set -- $(xargs < uuids); printf "
		       "'\"content\":{\"type\":\"LVM2_member\",\"uuid\":\"%%s\",\"size\":67108864,"
		       "\"group\":{\"name\":\"vg-x\",\"uuid\":\"%%s\",\"volumes\":["
		       "{\"name\":\"root\",\"lv\":\"vg--x-root\",\"uuid\":\"%%s\",\"size\":16777216,"
		       "\"content\":{\"type\":\"ext4\",\"label\":\"top\",\"uuid\":\"%%s\",\"size\":16777216}},"
		       "{\"name\":\"my-swap\",\"lv\":\"vg--x-my--swap\",\"uuid\":\"%%s\",\"size\":8388608}]}}' "
		       "$1 $2 $4 $5 $3");
	if (!strstr(text, want))
		fail_msg("%s\nlacks\n%s", text, want);
}

static void test_looks_into_no_more_than_a_few(void **state)
{
	struct json_object *o = json_object_new_object(), *partitions, *content;
	_cleanup_(image_unrefp) struct image *disk = NULL;
	const char *why;

	sh("rm -f disk && truncate -s 200M disk && { for i in $(seq 100); do echo 2048:$i; done; } > log && "
	   "{ echo label: gpt; for i in $(seq 100); do echo size=2048; done; } | sfdisk -q --no-tell-kernel "
	   "disk");
	sh("for i in $(seq 100); do mkswap -q part 2> log || { truncate -s 1M part && mkswap -q part; }; "
	   "dd if=part of=disk bs=1M seek=$i conv=notrunc status=none; done");
	disk = disk_open("disk");
	assert_int_equal(disk_describe(disk, o), 0);
	assert_true(json_object_object_get_ex(o, "partitions", &partitions));
	assert_int_equal(json_object_array_length(partitions), 100);
	assert_true(json_object_object_get_ex(json_object_array_get_idx(partitions, 63), "content", &content));
	assert_false(json_object_object_get_ex(content, "why", NULL));
	assert_true(json_object_object_get_ex(json_object_array_get_idx(partitions, 64), "content", &content));
	assert_true(json_object_object_get_ex(content, "why", &content));
	why = json_object_get_string(content);
	assert_string_equal(why, "not looked into: only the first 64 contents of a disk are");
	(void)json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_disk_with_everything),
		cmocka_unit_test(test_logical_partitions),
		cmocka_unit_test(test_sectors_of_4096_bytes),
		cmocka_unit_test(test_bare_contents),
		cmocka_unit_test(test_sizes_of_filesystems),
		cmocka_unit_test(test_a_stick_image_for_cds),
		cmocka_unit_test(test_a_damaged_table_says_why),
		cmocka_unit_test(test_a_damaged_content_says_why),
		cmocka_unit_test(test_logical_volumes),
		cmocka_unit_test(test_looks_into_no_more_than_a_few),
	};

	return cmocka_run_group_tests(tests, setup, disk_dir_teardown);
}
