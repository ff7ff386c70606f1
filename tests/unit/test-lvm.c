/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LVM: physical volumes made by LVM's own tools on loop devices (their metadata can be
 * written without a device mapper), what lvs and pvs say of them, and ours beside it.
 * What these tools make only with a device mapper (thin volumes, snapshots) is
 * restored from a text by vgcfgrestore.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "backends/content/lvm/lvm.h"
#include "backends/lv.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/lvmtools.h"
#include "tests/unit/memimage.h"

static struct lvm read_ok(struct image *pv)
{
	struct lvm l = { 0 };
	struct why why = { "" };
	int r = lvm_read(pv, &l, &why);

	if (r != 0)
		fail_msg("not read: %s", why_text(&why, r));
	return l;
}

/* The volume as the file "volume". */
static void save_volume(const char *disk_name, const char *name)
{
	_cleanup_(image_unrefp) struct image *disk = disk_open(disk_name), *img = NULL;
	struct why why = { "" };
	int r = lv_open(disk, name, &img, &why);

	if (r != 0)
		fail_msg("no volume '%s': %s", name, why_text(&why, r));
	disk_save(img, "volume");
}

static void assert_lv_refused(const char *disk_name, const char *name, const char *reason)
{
	_cleanup_(image_unrefp) struct image *disk = disk_open(disk_name), *img = NULL;
	struct why why = { "" };

	assert_int_equal(lv_open(disk, name, &img, &why), -EOPNOTSUPP);
	assert_string_equal(why.text, reason);
}

/* What lvs says of the segments, put together, must be the volume. */
static void assert_volume_is_what_lvs_says(const char *pv, const char *name, const char *lv)
{
	save_volume(pv, name);
	lvm_get(pv, lv, "want");
	sh("cmp want volume");
}

static void test_linear_volumes(void **state)
{
	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR "-l 3 -n root vg; "
		  "lvm lvcreate" LVM_LINEAR "-l 2 -n swap vg; lvm lvextend -qq -l +4 vg/root; "
		  "lvm lvextend -qq -l +1 vg/swap");
	assert_volume_is_what_lvs_says("pv", "vg-root", "vg/root");
	sh("test $(wc -l < places) = 3 && test $(stat -c %%s volume) = $((28 << 20))");
	assert_volume_is_what_lvs_says("pv", "vg-swap", "vg/swap");
}

static void test_small_extents_at_odd_places(void **state)
{
	lvm_noise("pv", "16M");
	lvm("pv", "lvm pvcreate -qq --dataalignment 192k $l; lvm vgcreate -qq -s 64k vg $l; "
		  "lvm lvcreate" LVM_LINEAR "-l 7 -n a vg; lvm lvcreate" LVM_LINEAR "-l 1 -n b vg; "
		  "lvm lvextend -qq -l +13 vg/a");
	assert_volume_is_what_lvs_says("pv", "vg-a", "vg/a");
	assert_volume_is_what_lvs_says("pv", "vg-b", "vg/b");
}

static void test_says_what_pvs_and_lvs_say(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(text_done) struct text have = TEXT_EMPTY;
	_cleanup_(lvm_done) struct lvm l = { 0 };

	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg-x $l; lvm lvcreate" LVM_LINEAR "-l 3 -n a vg-x; "
		  "lvm lvcreate" LVM_LINEAR "-l 2 -n b.c+d_e-f vg-x");
	lvm("pv",
	    "lvm pvs --noheadings --units b --nosuffix --separator \" \" -o "
	    "pv_uuid,vg_uuid,vg_name,vg_seqno,vg_extent_size,pe_start,pv_pe_count > want; "
	    "lvm lvs --noheadings --units b --nosuffix --separator \" \" -o lv_name,lv_uuid,lv_size >> want; "
	    "sed -i \"s/^ *//\" want");
	img = disk_open("pv");
	l = read_ok(img);
	text_add(&have, "%s %s %s %ju %ju %ju %ju\n", l.label.uuid, l.group_uuid, l.group, l.sequence, l.extent,
		 l.start, l.n_extents);
	for (unsigned i = 0; i < l.n_volumes; i++)
		text_add(&have, "%s %s %ju\n", l.volume[i].name, l.volume[i].uuid, l.volume[i].size);
	{
		_cleanup_free_ char *want = sh_text("cat want");

		assert_string_equal(have.chars, want);
	}
	assert_int_equal(l.label.size, 64 * MiB);
	assert_true(testimage_count(img).bytes < 16 * KiB);
}

static void test_takes_a_text_wherever_it_stands_in_its_ring(void **state)
{
	unsigned wrapped = 0;

	lvm_noise("pv", "4M");
	lvm("pv", "lvm pvcreate -qq --dataalignment 64k --metadatasize 20k $l; lvm vgcreate -qq -s 64k vg $l; "
		  "lvm lvcreate" LVM_LINEAR "-l 1 -n root vg; "
		  "for i in $(seq 24); do lvm vgchange -qq --addtag $(printf %0100d $i) vg; cp pv pv$i; done");
	for (unsigned i = 1; i <= 24; i++) {
		_cleanup_(image_unrefp) struct image *img = NULL;
		_cleanup_(lvm_done) struct lvm l = { 0 };
		uint8_t header[64];
		char name[16];

		(void)snprintf(name, sizeof(name), "pv%u", i);
		img = disk_open(name);
		l = read_ok(img);
		assert_int_equal(l.sequence, i + 2);
		assert_int_equal(image_pread(img, header, 64, l.label.area[0].offset, NULL), 0);
		wrapped += get_le64(header + 40) + get_le64(header + 48) > l.label.area[0].size;
	}
	assert_true(wrapped > 0);
}

static void test_takes_the_sound_copy_of_two(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(lvm_done) struct lvm l = { 0 };
	struct why why = { "" };

	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq --pvmetadatacopies 2 $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR
		  "-l 3 -n root vg");
	img = disk_open("pv");
	l = read_ok(img);
	assert_int_equal(l.label.n_areas, 2);
	for (unsigned i = 0; i < 2; i++) {
		sh("cp pv damaged && printf damaged | dd of=damaged bs=1 seek=%ju conv=notrunc status=none",
		   l.label.area[i].offset + 44);
		save_volume("damaged", "vg-root");
	}
	sh("printf damaged | dd of=damaged bs=1 seek=%ju conv=notrunc status=none",
	   l.label.area[0].offset + 44);
	{
		_cleanup_(image_unrefp) struct image *damaged = disk_open("damaged"), *none = NULL;

		assert_int_equal(lv_open(damaged, "vg-root", &none, &why), -EBADMSG);
		assert_string_equal(why.text, "the metadata of LVM at byte 4096 has a damaged header");
	}
}

static void test_takes_the_newer_copy_of_two(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(lvm_done) struct lvm l = { 0 };

	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq --pvmetadatacopies 2 $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR
		  "-l 3 -n old vg");
	img = disk_open("pv");
	l = read_ok(img);
	sh("dd if=pv of=area bs=64K iflag=skip_bytes,count_bytes skip=%ju count=%ju status=none",
	   l.label.area[1].offset, l.label.area[1].size);
	lvm("pv", "lvm lvrename -qq vg old new");
	sh("dd if=area of=pv bs=64K oflag=seek_bytes seek=%ju conv=notrunc status=none",
	   l.label.area[1].offset);
	save_volume("pv", "vg-new");
	assert_lv_refused("pv", "vg-old", "there is no logical volume 'vg-old'; there are: vg-new");
}

static void test_names(void **state)
{
	lvm_noise("pv", "64M");
	lvm("pv",
	    "lvm pvcreate -qq $l; lvm vgcreate -qq vg-a $l; lvm lvcreate" LVM_LINEAR "-l 1 -n lv vg-a; "
	    "lvm lvcreate" LVM_LINEAR "-l 2 -n my-lv vg-a; lvm lvcreate" LVM_LINEAR "-l 3 -n my--lv vg-a");
	save_volume("pv", "vg--a-lv");
	sh("test $(stat -c %%s volume) = $((4 << 20))");
	save_volume("pv", "vg-a-lv");
	sh("test $(stat -c %%s volume) = $((4 << 20))");
	save_volume("pv", "vg--a-my--lv");
	sh("test $(stat -c %%s volume) = $((8 << 20))");
	save_volume("pv", "vg-a-my-lv");
	sh("test $(stat -c %%s volume) = $((8 << 20))");
	save_volume("pv", "vg-a-my--lv");
	sh("test $(stat -c %%s volume) = $((12 << 20))");
	save_volume("pv", "vg--a-my----lv");
	sh("test $(stat -c %%s volume) = $((12 << 20))");
	assert_lv_refused(
		"pv", "vg-a",
		"there is no logical volume 'vg-a'; there are: vg--a-lv, vg--a-my--lv, vg--a-my----lv");
}

static void test_where_the_physical_volume_is(void **state)
{
	lvm_noise("pv", "30M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR "-l 2 -n root vg");
	save_volume("pv", "vg-root");
	sh("mv volume want");
	lvm_noise("disk", "80M");
	sh("sgdisk -n 1:2048:+8M -n 2:0:+30M disk > log && dd if=pv of=disk bs=1M seek=9 conv=notrunc "
	   "status=none");
	save_volume("disk", "vg-root");
	sh("cmp want volume");
	sh("sgdisk -n 3:0:+30M disk > log && dd if=pv of=disk bs=1M seek=39 conv=notrunc status=none");
	assert_lv_refused("disk", "vg-root",
			  "partitions 2 and 3 are both physical volumes of LVM: '@p2' or '@p3' says which");
	sh("dd if=/dev/zero of=disk bs=1M seek=9 count=1 conv=notrunc status=none; "
	   "dd if=/dev/zero of=disk bs=1M seek=39 count=1 conv=notrunc status=none");
	assert_lv_refused("disk", "vg-root",
			  "there is no physical volume of LVM among the partitions of the image");
	sh("rm -f disk && truncate -s 30M disk && mke2fs -q disk");
	assert_lv_refused("disk", "vg-root", "there is no physical volume of LVM there");
}

static void test_no_group_and_no_volumes(void **state)
{
	lvm_noise("pv", "30M");
	lvm("pv", "lvm pvcreate -qq $l");
	assert_lv_refused(
		"pv", "vg-root",
		"there is no logical volume 'vg-root': the physical volume belongs to no volume group");
	lvm("pv", "lvm vgcreate -qq vg $l");
	assert_lv_refused("pv", "vg-root", "there is no logical volume 'vg-root'; the volume group is empty");
}

static void test_striped_on_one_physical_volume(void **state)
{
	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR "-l 6 -n root vg");
	lvm_restore("pv", "t = t.replace('stripe_count = 1', 'stripe_count = 3\\nstripe_size = 128')\n"
			  "t = t.replace('\"pv0\", 0', '\"pv0\", 9, \"pv0\", 1, \"pv0\", 5')");
	lvm("pv", "test \"$(lvm lvs --noheadings -o seg_pe_ranges vg/root | xargs)\" = "
		  "\"$l:9-10 $l:1-2 $l:5-6\"");
	save_volume("pv", "vg-root");
	/* Chunks of 64 KiB, in turn. */
	sh("python3 - <<'EOT'\n"
	   "pv, chunk, extent = open('pv', 'rb').read(), 64 << 10, 4 << 20\n"
	   "at = [(1 << 20) + e * extent for e in (9, 1, 5)]\n"
	   "want = b''.join(pv[at[i %% 3] + i // 3 * chunk:][:chunk] for i in range(6 * extent // chunk))\n"
	   "assert open('volume', 'rb').read() == want\n"
	   "EOT");
}

static void test_refuses_thin_volumes(void **state)
{
	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR "-l 6 -n root vg");
	lvm_restore("pv", LVM_THIN);
	lvm("pv", "test \"$(lvm lvs --noheadings -o segtype vg/thin | xargs)\" = thin");
	assert_volume_is_what_lvs_says("pv", "vg-root", "vg/root");
	assert_lv_refused("pv", "vg-thin",
			  "logical volume 'thin' of 'vg' can't be read: it is of type 'thin'; only linear and "
			  "striped volumes can be read");
	assert_lv_refused(
		"pv", "vg-pool",
		"logical volume 'pool' of 'vg' can't be read: it is of type 'thin-pool'; only linear and "
		"striped volumes can be read");
	assert_lv_refused("pv", "vg-pool_tdata",
			  "there is no logical volume 'vg-pool_tdata'; there are: vg-pool, vg-thin, vg-root");
}

static void test_refuses_snapshots(void **state)
{
	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR "-l 6 -n root vg");
	lvm_restore("pv", LVM_SNAPSHOT("cow_store"));
	lvm("pv", "test \"$(lvm lvs --noheadings -o origin vg/snap | xargs)\" = root");
	assert_volume_is_what_lvs_says("pv", "vg-root", "vg/root");
	assert_lv_refused("pv", "vg-snap", "logical volume 'snap' of 'vg' can't be read: it is a snapshot");
	lvm_restore("pv", "t = t.replace('cow_store', 'merging_store')");
	assert_lv_refused("pv", "vg-snap", "logical volume 'snap' of 'vg' can't be read: it is a snapshot");
	assert_lv_refused("pv", "vg-root",
			  "logical volume 'root' of 'vg' can't be read: a snapshot is being merged into it");
}

/* ---- metadata of our own ---- */

static void assert_text_refused(const char *text, const char *reason)
{
	_cleanup_(image_unrefp) struct image *pv = lvm_pv_of(text);
	_cleanup_(lvm_done) struct lvm l = { 0 };
	struct why why = { "" };

	if (lvm_read(pv, &l, &why) != -EBADMSG || strcmp(why.text, reason) != 0)
		fail_msg("'%s', not '%s'", why.text, reason);
}

static void test_refuses_texts_that_mean_nothing(void **state)
{
#define DAMAGED(what) "the metadata of LVM is damaged: " what
	assert_text_refused("contents = \"another\"", DAMAGED("it is not about a volume group"));
	assert_text_refused("contents = \"Text Format Volume Group\"", DAMAGED("the volume group has no name"));
	assert_text_refused(LVM_GROUP(LVM_PV0, "") "vh { }", DAMAGED("it is about several volume groups"));
	assert_text_refused(LVM_GROUP("", ""),
			    DAMAGED("it doesn't know the physical volume that it stands on"));
	assert_text_refused(LVM_GROUP("pv0 { id = \"" LVM_UUID "\" }", ""),
			    DAMAGED("the extents of the physical volume"));
	assert_text_refused(
		LVM_GROUP("pv0 { id = \"" LVM_UUID "\" pe_start = 2048 pe_count = 4611686018427387904 }", ""),
		DAMAGED("the extents of the physical volume"));
	assert_text_refused(
		LVM_GROUP("pv0 { id = \"" LVM_UUID "\" pe_start = 2048 pe_count = 16 }", ""),
		"truncated image: volume group 'vg' takes 65.0M of the physical volume, but only 64.0M "
		"are there");
	assert_text_refused(LVM_GROUP(LVM_PV0, "lv { }"), DAMAGED("a volume without segments"));
	assert_text_refused(LVM_GROUP(LVM_PV0, "\"a b\" { }"), DAMAGED("a volume's name"));
	assert_text_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", "")), DAMAGED("a volume lacks segments"));
	assert_text_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("1", "1", "\"pv0\", 0"))),
			    DAMAGED("a segment that doesn't follow on the one before it"));
	assert_text_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "2", "\"pv0\", 14"))),
			    DAMAGED("a segment lies behind the end of its physical volume"));
	assert_text_refused(
		LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "9223372036854775807", "\"pv0\", 0"))),
		DAMAGED("a segment lies behind the end of its physical volume"));
	assert_text_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "16", "\"pv0\""))),
			    DAMAGED("a segment lacks stripes"));
	assert_text_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "2", "\"pv0\", -1"))),
			    DAMAGED("a segment lacks stripes"));
	assert_text_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "2", "\"pv0\""))),
			    DAMAGED("a segment lacks stripes"));
	assert_text_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "2", "\"pv0\", 1, \"pv0\", 2"))),
			    DAMAGED("a segment has stripes too many"));
	assert_text_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "2", "1, 1"))),
			    DAMAGED("a stripe that lies nowhere"));
}

static void assert_volume_refused(const char *text, const char *reason)
{
	_cleanup_(image_unrefp) struct image *pv = lvm_pv_of(text), *img = NULL;
	struct why why = { "" };

	assert_int_equal(lv_open(pv, "vg-lv", &img, &why), -EOPNOTSUPP);
	assert_string_equal(why.text, reason);
}

static void test_volumes_that_lie_elsewhere(void **state)
{
#define CANT "logical volume 'lv' of 'vg' can't be read: "
	assert_volume_refused(
		LVM_GROUP(LVM_PV0 " pv1 { id = \"other\" }", LVM_LV("lv", LVM_SEGMENT("0", "2", "\"pv1\", 0"))),
		CANT "a part of it lies on another physical volume of its group");
	assert_volume_refused(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "2", "\"pvmove0\", 0"))),
			      CANT "it stands on another volume");
	assert_volume_refused(
		LVM_GROUP(LVM_PV0, LVM_LV("lv", "segment1 { start_extent = 0 extent_count = 16 "
						"type = \"striped\" stripe_count = 2 stripe_size = 128 "
						"stripes = [\"pv0\", 0, \"pv0\", 0] }")),
		CANT "it is larger than the physical volume");
}

static void test_damaged_disks(void **state)
{
	static const struct {
		size_t at;
		int error;
		const char *reason;
	} cases[] = {
		{ 512 + 40, 1, "" }, /* the label: none then */
		{ 4096 + 30, -EBADMSG, "the metadata of LVM at byte 4096 has a damaged header" },
		{ 4096 + 600, -EBADMSG, "the metadata of LVM at byte 4096 has a wrong checksum" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(image_unrefp) struct image *pv =
			lvm_pv_of(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "2", "\"pv0\", 0"))));
		_cleanup_(lvm_done) struct lvm l = { 0 };
		struct why why = { "" };

		lvm_pv_bytes[cases[i].at] ^= 1;
		assert_int_equal(lvm_read(pv, &l, &why), cases[i].error);
		assert_string_equal(why.text, cases[i].reason);
	}
}

static void test_headers_that_claim_too_much(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		const char *reason;
	} cases[] = {
		{ 40, 100, "claims a text of 358 bytes at 100 of 1044480" },
		{ 40, MiB, "claims a text of 358 bytes at 1048576 of 1044480" },
		{ 48, MiB, "claims a text of 1048576 bytes at 512 of 1044480" },
		{ 48, UINT64_MAX, "claims a text of 18446744073709551615 bytes at 512 of 1044480" },
		{ 24, 8192, "says that it is elsewhere" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(image_unrefp) struct image *pv =
			lvm_pv_of(LVM_GROUP(LVM_PV0, LVM_LV("lv", LVM_SEGMENT("0", "2", "\"pv0\", 0"))));
		_cleanup_(lvm_done) struct lvm l = { 0 };
		char reason[160];
		struct why why = { "" };

		put_le64(lvm_pv_bytes + 4096 + cases[i].at, cases[i].value);
		put_le32(lvm_pv_bytes + 4096, lvm_crc(lvm_pv_bytes + 4100, 508));
		assert_int_equal(lvm_read(pv, &l, &why), -EBADMSG);
		(void)snprintf(reason, sizeof(reason), "the metadata of LVM at byte 4096 %s", cases[i].reason);
		assert_string_equal(why.text, reason);
	}
}

/* ---- the grammar ---- */

static struct lvm_text *parse_ok(const char *text)
{
	struct lvm_text *t = NULL;
	struct why why = { "" };

	if (lvm_text_parse(text, strlen(text), &t, &why) < 0)
		fail_msg("'%s': %s", text, why.text);
	return t;
}

static void test_parses_the_grammar(void **state)
{
	static const char *const text = "# first\na=1 b = -2\tc=\"x \\\"y\\\" \\\\\"d='#'\n"
					"s{t { u=[] v=[1,\"two\",'three' 4] }}e=1.5 f=word # end";
	_cleanup_(lvm_text_freep) struct lvm_text *t = parse_ok(text);
	const struct lvm_node *root = lvm_text_root(t), *inner, *list;
	uint64_t number;

	assert_true(lvm_node_number(root, "a", &number) && number == 1);
	assert_false(lvm_node_number(root, "b", &number));
	assert_string_equal(lvm_node_string(root, "c"), "x \"y\" \\");
	assert_string_equal(lvm_node_string(root, "d"), "#");
	assert_string_equal(lvm_node_string(root, "e"), "1.5");
	assert_string_equal(lvm_node_string(root, "f"), "word");
	inner = lvm_node_find(lvm_node_find(root, "s", LVM_SECTION), "t", LVM_SECTION);
	assert_null(lvm_node_find(inner, "u", LVM_LIST)->child);
	list = lvm_node_find(inner, "v", LVM_LIST);
	assert_true(lvm_node_lists(inner, "v", "two") && lvm_node_lists(inner, "v", "three"));
	assert_false(lvm_node_lists(inner, "v", "1"));
	assert_int_equal(list->child->next->next->next->number, 4);
	/* Where it was read: enough to write another value in its place. */
	assert_memory_equal(text + list->start, "[1,\"two\",'three' 4]", list->end - list->start);
	assert_memory_equal(text + inner->start, "t { u=", 6);
	assert_int_equal(text[inner->end - 1], '}');
}

static void test_refuses_what_is_no_grammar(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "a", "line 1 of the metadata of LVM: neither '{' nor '=' behind a name" },
		{ "a=\n", "line 2 of the metadata of LVM: no value where one should be" },
		{ "\n\na={", "line 3 of the metadata of LVM: no value where one should be" },
		{ "a {", "line 1 of the metadata of LVM: a section without an end" },
		{ "a { } }", "line 1 of the metadata of LVM: a '}' too many" },
		{ "a=[1", "line 1 of the metadata of LVM: no value where one should be" },
		{ "a=\"b", "line 1 of the metadata of LVM: a text without an end" },
		{ "a='b\\'", NULL },
		{ "a=\"b\\\"", "line 1 of the metadata of LVM: a text without an end" },
		{ "a=[[1]]", "line 1 of the metadata of LVM: no value where one should be" },
		{ "=1", "line 1 of the metadata of LVM: no name where one should be" },
		{ "", NULL },
		{ "a{b{c{d{e{f{g{h{i{j{k{l{m{n{o{p{}}}}}}}}}}}}}}}}",
		  "line 1 of the metadata of LVM: sections too deep in one another" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(lvm_text_freep) struct lvm_text *t = NULL;
		struct why why = { "" };
		int r = lvm_text_parse(cases[i].text, strlen(cases[i].text), &t, &why);

		assert_int_equal(r, cases[i].reason ? -EBADMSG : 0);
		assert_string_equal(why.text, cases[i].reason ?: "");
	}
}

static void test_bounds_what_a_text_takes(void **state)
{
	_cleanup_free_ char *text = malloc(4 * MiB);
	_cleanup_(lvm_text_freep) struct lvm_text *t = NULL;
	struct why why = { "" };

	for (size_t i = 0; i < 4 * MiB; i += 4)
		memcpy(text + i, "a=0 ", 4);
	assert_int_equal(lvm_text_parse(text, 4 * MiB, &t, &why), -EBADMSG);
	assert_string_equal(why.text, "line 1 of the metadata of LVM: too much in it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linear_volumes),
		cmocka_unit_test(test_small_extents_at_odd_places),
		cmocka_unit_test(test_says_what_pvs_and_lvs_say),
		cmocka_unit_test(test_takes_a_text_wherever_it_stands_in_its_ring),
		cmocka_unit_test(test_takes_the_sound_copy_of_two),
		cmocka_unit_test(test_takes_the_newer_copy_of_two),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_where_the_physical_volume_is),
		cmocka_unit_test(test_no_group_and_no_volumes),
		cmocka_unit_test(test_striped_on_one_physical_volume),
		cmocka_unit_test(test_refuses_thin_volumes),
		cmocka_unit_test(test_refuses_snapshots),
		cmocka_unit_test(test_refuses_texts_that_mean_nothing),
		cmocka_unit_test(test_volumes_that_lie_elsewhere),
		cmocka_unit_test(test_damaged_disks),
		cmocka_unit_test(test_headers_that_claim_too_much),
		cmocka_unit_test(test_parses_the_grammar),
		cmocka_unit_test(test_refuses_what_is_no_grammar),
		cmocka_unit_test(test_bounds_what_a_text_takes),
	};

	return cmocka_run_group_tests(tests, lvm_setup, disk_dir_teardown);
}
