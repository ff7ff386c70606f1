/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing LVM: physical volumes made by LVM's own tools are grown, and held against what pvresize
 * and lvextend make of a copy; vgck and pvck judge them, and LVM goes on to change them. The volume
 * that grew must be byte for byte what its filesystem becomes when it is grown alone.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <unistd.h>

#include "backends/content/lvm/lvm.h"
#include "backends/content/lvm/copies.h"
#include "backends/content/lvm/edit.h"
#include "backends/content/unused.h"
#include "backends/resize.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/lvmtools.h"
#include "tests/unit/memimage.h"

/* ---- growing ---- */

struct grown {
	struct image *at_size, *img;
	struct content content;
	struct read_count reads;
	char *describe;
	int result;
	struct why why;
};

static void grown_done(struct grown *g)
{
	image_unref(g->img);
	image_unref(g->at_size);
	free(g->describe);
}

/* As resize does it: probe the old container, grow it over the old bytes and zeros. */
static void grow_image(struct grown *g, struct image *base, uint64_t to, const char *volume)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	struct text describe = TEXT_EMPTY;

	*g = (struct grown){ 0 };
	assert_int_equal(map_seal(map_draft_new(to, base), "test", NULL, &g->at_size, &g->why), 0);
	g->result = content_probe(base, &g->content, &g->why);
	if (g->result != 0)
		return;
	draft = map_draft_new(to, g->at_size);
	assert_non_null(draft);
	g->result = g->content.ops->grow(g->at_size, &g->content, &(struct growth){ .volume = volume }, draft,
					 &describe, &g->why);
	g->reads = testimage_count(base);
	assert_int_equal(text_take(&describe, &g->describe), 0);
	if (g->result == 0)
		assert_int_equal(map_seal(take(draft), "test", NULL, &g->img, &g->why), 0);
}

static void grow_ok(struct grown *g, struct image *base, uint64_t to, const char *volume)
{
	grow_image(g, base, to, volume);
	if (g->result != 0)
		fail_msg("not grown (%d): %s", g->result, why_text(&g->why, g->result));
}

/* The file `name`, grown, as the file `as`. Returns what the plan says of it, to be freed. */
static char *grow_file(const char *name, const char *as, uint64_t to, const char *volume)
{
	_cleanup_(image_unrefp) struct image *base = disk_open(name);
	_cleanup_(grown_done) struct grown g;

	grow_ok(&g, base, to, volume);
	disk_save(g.img, as);
	return take(g.describe);
}

static void assert_grow_refused(struct image *base, const char *volume, int error, const char *reason)
{
	_cleanup_(grown_done) struct grown g;

	grow_image(&g, base, 2 * base->size, volume);
	if (g.result != error || strcmp(g.why.text, reason) != 0)
		fail_msg("%d '%s', not '%s'", g.result, g.why.text, reason);
}

static void assert_file_refused(const char *name, const char *volume, int error, const char *reason)
{
	_cleanup_(image_unrefp) struct image *base = disk_open(name);

	assert_grow_refused(base, volume, error, reason);
}

/* ---- against LVM ---- */

/* A filesystem as large as the volume, with files in it; also as the file "fs". */
static void put_filesystem(const char *pv, const char *lv, const char *options)
{
	lvm_get(pv, lv, "fs");
	sh("mkdir -p tree/etc && seq 1 20000 > tree/etc/numbers && echo root > tree/name && "
	   "n=$(stat -c %%s fs) && rm fs && truncate -s $n fs && mke2fs -q -F -t ext4 %s -d tree fs",
	   options);
	lvm_put(pv, lv, "fs");
}

/* What pvresize and lvextend leave as it is, and what they change, but for the sequence number. */
#define SHOW                                                                                             \
	"show=\"--noheadings --units b --nosuffix --separator :\"; "                                     \
	"lvm pvs $show -o pv_uuid,pe_start,pv_pe_count,pv_pe_alloc_count,vg_uuid,vg_name,pv_mda_count; " \
	"lvm lvs -a $show -o lv_name,lv_uuid,lv_size,segtype,seg_start,seg_size,seg_pe_ranges | "        \
	"sed \"s,/dev/loop[0-9]*,,\""

/* `where` are the extents that lvextend may take: it fills holes, too, which we don't. */
static void assert_as_lvm_grows(const char *lv, const char *where, uint64_t to)
{
	char line[512];

	sh("cp --sparse=always pv want && truncate -s %ju want", to);
	(void)snprintf(line, sizeof(line), "lvm pvresize -qq $l; lvm lvextend -qq -l +100%%PVS %s %s", lv,
		       where);
	lvm("want", line);
	lvm("want", "{ " SHOW "; } > want.shown");
	lvm("have", "lvm vgck $(lvm vgs --noheadings -o vg_name); lvm pvck $l; { " SHOW "; } > have.shown");
	sh("diff -u want.shown have.shown");
}

/* LVM takes over: shortens, makes another one, and finds nothing wrong with it. */
static void assert_lvm_goes_on(const char *lv)
{
	char line[512];

	(void)snprintf(line, sizeof(line),
		       "vg=%.*s; lvm lvreduce -f -qq -l -1 %s; lvm lvcreate" LVM_LINEAR
		       "-l 1 -n another $vg; lvm lvremove -qq $vg/another; lvm vgck $vg; lvm pvck $l",
		       (int)(strchr(lv, '/') - lv), lv, lv);
	sh("cp --sparse=always have changed");
	lvm("changed", line);
}

/* The filesystem "fs" grown alone, and the volume, must be the same bytes, which e2fsck likes. */
static void assert_volume_is_its_filesystem_grown(const char *lv)
{
	_cleanup_(image_unrefp) struct image *fs = disk_open("fs");
	_cleanup_(grown_done) struct grown g;
	_cleanup_free_ char *size = NULL;

	lvm_get("have", lv, "volume");
	size = sh_text("stat -c %%s volume");
	grow_ok(&g, fs, strtoull(size, NULL, 10), NULL);
	disk_save(g.img, "alone");
	sh("cmp alone volume && e2fsck -fn volume > log 2>&1 && " E2FSCK_SAID_NOTHING
	   " || { cat log >&2; false; }");
	sh("debugfs -R 'dump etc/numbers numbers' volume 2> log && cmp numbers tree/etc/numbers");
}

struct row {
	const char *name;
	const char *size, *pvcreate, *vgcreate; /* options */
	const char *lines;			/* that make the volumes of the group */
	const char *lv;				/* that grows: by default too */
	const char *others;			/* a volume that must stay as it is, or NULL */
	uint64_t to;
	const char *edit; /* for lvm_restore, or NULL */
};

static const struct row rows[] = {
	/* The copy of the superblock of group 5 comes to stand there. */
	{ "a large second area, where the filesystem writes later", "64M",
	  "--pvmetadatacopies 2 --metadatasize 16m", "", "lvm lvcreate" LVM_LINEAR "-l 7 -n root vg", "vg/root",
	  NULL, 128 * MiB },
	{ "one volume that takes all", "64M", "", "", "lvm lvcreate" LVM_LINEAR "-l 15 -n root vg", "vg/root",
	  NULL, 256 * MiB },
	{ "the last one", "64M", "", "",
	  "lvm lvcreate" LVM_LINEAR "-l 2 -n swap vg; lvm lvcreate" LVM_LINEAR "-l 9 -n root vg", "vg/root",
	  "vg/swap", 200 * MiB + 512 },
	{ "another behind it", "64M", "", "",
	  "lvm lvcreate" LVM_LINEAR "-l 10 -n root vg; lvm lvcreate" LVM_LINEAR "-l 5 -n swap_1 vg", "vg/root",
	  "vg/swap_1", 300 * MiB },
	{ "two segments and two areas", "64M", "--pvmetadatacopies 2", "",
	  "lvm lvcreate" LVM_LINEAR "-l 5 -n root vg; lvm lvcreate" LVM_LINEAR
	  "-l 2 -n var vg; lvm lvextend -qq -l +4 vg/root; lvm lvextend -qq -l +1 vg/var",
	  "vg/root", "vg/var", 1100 * MiB + 70 * KiB },
	{ "room that nobody had", "64M", "", "", "lvm lvcreate" LVM_LINEAR "-l 5 -n root vg", "vg/root", NULL,
	  65 * MiB },
	{ "small extents at an odd place", "24M", "--dataalignment 192k", "-s 64k",
	  "lvm lvcreate" LVM_LINEAR "-l 7 -n swap vg; lvm lvcreate" LVM_LINEAR "-l 200 -n slash vg", "vg/slash",
	  "vg/swap", 130 * MiB + 3584 },
	{ "hyphens", "64M", "--pvmetadatacopies 2 --metadatasize 300k", "",
	  "lvm vgrename -qq vg my-vg-; lvm lvcreate" LVM_LINEAR "-l 8 -n my--root my-vg-", "my-vg-/my--root",
	  NULL, 100 * MiB },
	{ "a device that has grown before", "64M", "", "",
	  "truncate -s 96M $pv; losetup -c $l; lvm pvresize -qq $l; lvm lvcreate" LVM_LINEAR "-l 20 -n root vg",
	  "vg/root", NULL, 128 * MiB },
	{ "thin volumes beside it", "64M", "", "", "lvm lvcreate" LVM_LINEAR "-l 6 -n root vg", "vg/root", NULL,
	  128 * MiB, LVM_THIN },
};

static void check_row(const struct row *row)
{
	_cleanup_free_ char *describe = NULL;
	char line[1024];

	lvm_noise("pv", row->size);
	(void)snprintf(line, sizeof(line), "lvm pvcreate -qq %s $l; lvm vgcreate -qq %s vg $l; %s",
		       row->pvcreate, row->vgcreate, row->lines);
	lvm("pv", line);
	if (row->edit)
		lvm_restore("pv", row->edit);
	put_filesystem("pv", row->lv, "");
	if (row->others)
		lvm_get("pv", row->others, "other");
	describe = grow_file("pv", "have", row->to, NULL);
	assert_as_lvm_grows(row->lv, row->edit ? "$l:12-" : "$l", row->to);
	assert_volume_is_its_filesystem_grown(row->lv);
	if (row->others) {
		lvm_get("have", row->others, "other2");
		sh("cmp other other2");
	}
	if (!row->edit)
		assert_lvm_goes_on(row->lv);
}

static void test_grows_as_pvresize_and_lvextend_do(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("%s\n", rows[i].name);
		check_row(&rows[i]);
	}
}

/* A physical volume of that size with ext4 in vg/root, of so many extents. */
static void make_pv(const char *size, unsigned extents)
{
	char line[256];

	lvm_noise("pv", size);
	(void)snprintf(line, sizeof(line),
		       "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR
		       "-l %u -n root vg",
		       extents);
	lvm("pv", line);
	put_filesystem("pv", "vg/root", "");
}

static bool wraps(struct image *pv, uint64_t *ret_at)
{
	struct lvm_slot slot;
	struct lvm_label label;

	assert_int_equal(lvm_label_read(pv, &label, NULL), 0);
	assert_int_equal(lvm_area_slot(pv, &label.area[0], &slot, NULL), 0);
	*ret_at = slot.at;
	return slot.at + slot.count > label.area[0].size;
}

/* Texts of all lengths and at all places of a small ring, old and new ones. */
static void test_writes_around_the_ring(void **state)
{
	unsigned old_wrapped = 0, new_wrapped = 0;

	lvm_noise("pv", "4M");
	lvm("pv", "lvm pvcreate -qq --dataalignment 64k --metadatasize 20k $l; lvm vgcreate -qq -s 64k vg $l; "
		  "lvm lvcreate" LVM_LINEAR "-l 16 -n root vg");
	put_filesystem("pv", "vg/root", "-O ^has_journal");
	lvm("pv", "for i in $(seq 20); do lvm vgchange -qq --addtag $(printf %0300d $i) vg; cp pv pv$i; done");
	for (unsigned i = 1; i <= 20; i++) {
		_cleanup_(image_unrefp) struct image *base = NULL;
		_cleanup_(grown_done) struct grown g;
		_cleanup_(lvm_done) struct lvm l = { 0 };
		uint64_t old_at, new_at;
		bool wrapped;
		char name[16];

		(void)snprintf(name, sizeof(name), "pv%u", i);
		base = disk_open(name);
		grow_ok(&g, base, 6 * MiB, NULL);
		old_wrapped += wraps(base, &old_at);
		wrapped = wraps(g.img, &new_at);
		new_wrapped += wrapped;
		assert_int_not_equal(old_at, new_at);
		assert_int_equal(lvm_read(g.img, &l, NULL), 0);
		assert_int_equal(l.sequence, i + 3);
		if (!wrapped && i % 8)
			continue;
		disk_save(g.img, "have");
		lvm("have", "lvm vgck vg; lvm pvck $l; lvm lvextend -qq -l -1 vg/root || "
			    "lvm vgchange -qq --addtag another vg; lvm vgck vg");
	}
	assert_true(old_wrapped > 0 && new_wrapped > 0);
}

/* The same bytes as of the filesystem grown alone, at places all over; and nothing read but metadata. */
static void test_grows_to_two_tebibytes(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL, *fs = NULL;
	_cleanup_(grown_done) struct grown g, alone;
	_cleanup_(lvm_done) struct lvm l = { 0 };
	static uint8_t have[100 * KiB], want[100 * KiB];
	struct map_figures figures;
	uint64_t size;

	make_pv("200M", 48);
	base = disk_open("pv");
	fs = disk_open("fs");
	grow_ok(&g, base, 2 * TiB, NULL);
	assert_true(g.reads.bytes < 64 * KiB);
	assert_true(map_figures(g.img, &figures));
	assert_true(figures.memory < 8 * MiB);
	assert_int_equal(lvm_read(g.img, &l, NULL), 0);
	assert_int_equal(l.n_extents, (2 * TiB - MiB) / (4 * MiB));
	size = l.volume[0].size;
	assert_int_equal(size, l.n_extents * 4 * MiB);
	grow_ok(&alone, fs, size, NULL);
	for (uint64_t i = 0; i < 2000; i++) {
		uint64_t at = i < 1000 ? i * 51 * KiB : (size / 1000 * (i - 1000)) & ~UINT64_C(0xff);

		assert_int_equal(image_pread(g.img, have, sizeof(have), MiB + at, NULL), 0);
		assert_int_equal(image_pread(alone.img, want, sizeof(want), at, NULL), 0);
		assert_memory_equal(have, want, sizeof(have));
	}
	disk_save(g.img, "have");
	lvm("have", "lvm vgck vg; test $(lvm lvs --noheadings --units b --nosuffix -o lv_size vg/root) = "
		    "2199019061248");
}

static void test_lazy_view_is_the_saved_file(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL, *saved = NULL;
	_cleanup_(grown_done) struct grown g;
	static uint8_t have[70000], want[70000];

	make_pv("64M", 9);
	base = disk_open("pv");
	grow_ok(&g, base, 150 * MiB + 512, NULL);
	disk_save(g.img, "have");
	saved = disk_open("have");
	for (uint64_t at = 0, i = 0; at + sizeof(have) < g.img->size; at += 33333 + 7 * i++ % 60000) {
		size_t n = 1 + (at * 31 + i) % sizeof(have);

		assert_int_equal(image_pread(g.img, have, n, at, NULL), 0);
		assert_int_equal(image_pread(saved, want, n, at, NULL), 0);
		assert_memory_equal(have, want, n);
	}
}

/* ---- too little room ---- */

static void test_leaves_what_fits(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL;
	_cleanup_(grown_done) struct grown less, more;
	_cleanup_free_ char *describe = NULL;

	lvm_noise("pv", "130M");
	lvm("pv", "lvm pvcreate -qq --pvmetadatacopies 2 $l; lvm vgcreate -qq -s 64k vg $l; "
		  "lvm lvcreate" LVM_LINEAR "-l 2048 -n root vg");
	put_filesystem("pv", "vg/root", "-b 4096");
	base = disk_open("pv");
	/* One group of ext4 exactly, which one extent more is no use to. */
	describe = grow_file("pv", "have", 130 * MiB + 64 * KiB, NULL);
	assert_string_equal(describe,
			    "lvm2 group 'vg': physical volume grown from 130M to 130M, volume 'root' "
			    "from 128M to 128M; its ext4 stays as it is: too little room for more of it");
	lvm("have", "lvm vgck vg; test $(lvm lvs --noheadings -o seg_pe_ranges vg/root) = $l:0-2048");
	grow_image(&less, base, 130 * MiB + 512, NULL);
	assert_int_equal(less.result, CONTENT_FITS);
	grow_image(&more, base, 130 * MiB + 512, "vg-home");
	assert_int_equal(more.result, -EOPNOTSUPP);
	assert_string_equal(more.why.text, "there is no logical volume 'vg-home'; there are: vg-root");
}

static void test_grows_alone_without_volumes(void **state)
{
	_cleanup_free_ char *orphan = NULL, *empty = NULL;

	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq --pvmetadatacopies 2 $l");
	orphan = grow_file("pv", "have", 100 * MiB, NULL);
	assert_string_equal(orphan,
			    "lvm2: physical volume grown from 64.0M to 100M, which belongs to no group");
	assert_file_refused(
		"pv", "/dev/vg/root", -EOPNOTSUPP,
		"there is no logical volume '/dev/vg/root': the physical volume belongs to no volume "
		"group");
	lvm("have",
	    "lvm pvck $l; test $(lvm pvs --noheadings --units m -o dev_size,pv_size | xargs | tr \" \" -) = "
	    "100.00m-100.00m; lvm vgcreate -qq vg $l; "
	    "test $(lvm vgs --noheadings -o vg_extent_count) = 24");
	lvm("pv", "lvm vgcreate -qq vg $l");
	empty = grow_file("pv", "have", 100 * MiB, NULL);
	assert_string_equal(empty,
			    "lvm2 group 'vg': physical volume grown from 64.0M to 100M, no volumes in it");
	lvm("have", "lvm vgck vg; lvm pvck $l; test $(lvm vgs --noheadings -o vg_extent_count) = 24");
}

/* ---- which volume ---- */

static void assert_grows(const char *volume, const char *name)
{
	_cleanup_(image_unrefp) struct image *base = disk_open("pv");
	_cleanup_(grown_done) struct grown g;
	char what[64];

	grow_ok(&g, base, 256 * MiB, volume);
	(void)snprintf(what, sizeof(what), "volume '%s' from ", name);
	if (!strstr(g.describe, what))
		fail_msg("not '%s': %s", name, g.describe);
}

static void test_chooses_the_root(void **state)
{
	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq v-g $l; lvm lvcreate" LVM_LINEAR
		  "-l 4 -n a v-g; lvm lvcreate" LVM_LINEAR "-l 4 -n b-c v-g; lvm lvcreate" LVM_LINEAR
		  "-l 2 -n d v-g");
	put_filesystem("pv", "v-g/b-c", "");
	/* The only one with anything in it. */
	assert_grows(NULL, "b-c");
	put_filesystem("pv", "v-g/a", "");
	assert_file_refused("pv", NULL, -EOPNOTSUPP,
			    "several logical volumes of 'v-g' could take the room (v--g-a, v--g-b--c); "
			    "'@lvexpand=VG-LV' says which");
	static const char *const spellings[] = { "v--g-b--c", "v-g-b-c", "v-g/b-c", "/dev/v-g/b-c",
						 "/dev/mapper/v--g-b--c" };
	for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++)
		assert_grows(spellings[i], "b-c");
	assert_grows("/dev/v-g/a", "a");
	assert_file_refused("pv", "/dev/sda3", -EOPNOTSUPP,
			    "there is no logical volume '/dev/sda3'; there are: v--g-a, v--g-b--c, v--g-d");
	assert_file_refused("pv", "/dev/v-g/d", -EOPNOTSUPP,
			    "logical volume 'd' of 'v-g' can't be grown: it holds nothing that is known here");
	sh("e2label fs /");
	lvm_put("pv", "v-g/a", "fs");
	assert_grows(NULL, "a");
	lvm("pv", "lvm lvrename -qq v-g b-c lv_root");
	assert_grows(NULL, "lv_root");
	lvm("pv", "lvm lvrename -qq v-g a ROOT");
	assert_grows(NULL, "ROOT");
	sh("e2label fs data");
	lvm_put("pv", "v-g/ROOT", "fs");
	assert_file_refused("pv", NULL, -EOPNOTSUPP,
			    "several logical volumes of 'v-g' could take the room (v--g-ROOT, v--g-lv_root); "
			    "'@lvexpand=VG-LV' says which");
}

static void test_refuses_what_a_volume_holds(void **state)
{
	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR "-l 6 -n root vg");
	assert_file_refused(
		"pv", NULL, -EOPNOTSUPP,
		"logical volume 'root' of 'vg' can't be grown: it holds nothing that is known here");
	sh("truncate -s 24M fs && printf 'LUKS\\272\\276\\0\\2' | dd of=fs conv=notrunc status=none");
	lvm_put("pv", "vg/root", "fs");
	assert_file_refused("pv", NULL, -EOPNOTSUPP,
			    "logical volume 'root' of 'vg' is luks and can't be grown: it is encrypted: its "
			    "filesystem can only be grown from inside the guest");
	sh("rm fs && truncate -s 24M fs");
	lvm("fs", "lvm pvcreate -qq $l; lvm vgcreate -qq inner $l");
	lvm_put("pv", "vg/root", "fs");
	assert_file_refused(
		"pv", NULL, -EOPNOTSUPP,
		"logical volume 'root' of 'vg' can't be grown: it holds a physical volume of another "
		"group");
	sh("rm fs && truncate -s 24M fs && mke2fs -q -t ext4 fs && "
	   "printf x | dd of=fs bs=1 seek=1400 conv=notrunc status=none");
	lvm_put("pv", "vg/root", "fs");
	assert_file_refused("pv", NULL, -EBADMSG,
			    "logical volume 'root' of 'vg': ext4 superblock has a wrong checksum");
	sh("rm fs && truncate -s 30M fs && mke2fs -q -t ext4 fs && truncate -s 24M fs");
	lvm_put("pv", "vg/root", "fs");
	assert_file_refused(
		"pv", NULL, -EBADMSG,
		"logical volume 'root' of 'vg': ext4 takes 30M, but there are only 24M: truncated image");
}

/* ---- types ---- */

static void test_refuses_types(void **state)
{
	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR "-l 6 -n root vg");
	put_filesystem("pv", "vg/root", "");
	sh("cp pv plain");
	lvm_restore("pv", LVM_THIN);
	assert_file_refused(
		"pv", "vg-thin", -EOPNOTSUPP,
		"logical volume 'thin' of 'vg' can't be grown: it is of type 'thin', and only linear "
		"ones can");
	assert_file_refused("pv", "vg-pool", -EOPNOTSUPP,
			    "logical volume 'pool' of 'vg' can't be grown: it is of type 'thin-pool', and only "
			    "linear ones can");
	lvm_restore("pv", "t = t.replace('device_id = 1', 'device_id = 1\\nexternal_origin = \"root\"')");
	assert_file_refused("pv", NULL, -EOPNOTSUPP,
			    "logical volume 'root' of 'vg' can't be grown: it has snapshots");
	sh("cp plain pv");
	lvm_restore("pv", LVM_SNAPSHOT("cow_store"));
	assert_file_refused("pv", NULL, -EOPNOTSUPP,
			    "logical volume 'root' of 'vg' can't be grown: it has snapshots");
	assert_file_refused("pv", "vg-snap", -EOPNOTSUPP,
			    "logical volume 'snap' of 'vg' can't be grown: it is a snapshot");
	sh("cp plain pv");
	lvm_restore("pv", "t = t.replace('stripe_count = 1', 'stripe_count = 3\\nstripe_size = 128')\n"
			  "t = t.replace('\"pv0\", 0', '\"pv0\", 9, \"pv0\", 1, \"pv0\", 5')");
	assert_file_refused(
		"pv", NULL, -EOPNOTSUPP,
		"logical volume 'root' of 'vg' can't be grown: it is striped, and only linear ones can");
}

/* ---- metadata of our own ---- */

#define PV(status)                                                                                        \
	"pv0 { id = \"" LVM_UUID "\" status = [\"ALLOCATABLE\"" status "] pe_start = 2048 pe_count = 15 " \
	"dev_size = 131072 # 64 Megabytes\n }"
#define GROUP_OF(status, pvs, lvs)                                                               \
	"contents = \"Text Format Volume Group\"\nvg { seqno = 1\nextent_size = 8192\nstatus = " \
	"[\"READ\"" status "]\nphysical_volumes { " pvs " }\nlogical_volumes { " lvs " } }\n"
#define GROUP(lvs) GROUP_OF(", \"WRITE\"", PV(""), lvs)
#define ROOT	   LVM_LV("root", LVM_SEGMENT("0", "2", "\"pv0\", 0"))

static void assert_text_refused(const char *text, int error, const char *reason)
{
	_cleanup_(image_unrefp) struct image *pv = lvm_pv_of(text);

	assert_grow_refused(pv, NULL, error, reason);
}

static void test_refuses_groups(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ GROUP_OF(", \"WRITE\", \"EXPORTED\"", PV(""), ROOT),
		  "is exported (vgimport makes it usable)" },
		{ GROUP_OF(", \"WRITE\"", PV(", \"EXPORTED\""), ROOT),
		  "is exported (vgimport makes it usable)" },
		{ GROUP_OF(", \"WRITE\", \"PARTIAL\"", PV(""), ROOT),
		  "is partial: a physical volume was missing when it was last changed" },
		{ GROUP_OF(", \"WRITE\"", PV("] flags = [\"MISSING\""), ROOT),
		  "is partial: a physical volume was missing when it was last changed" },
		{ GROUP_OF(", \"WRITE\", \"CLUSTERED\"", PV(""), ROOT),
		  "is locked for several hosts to share" },
		{ GROUP_OF(", \"WRITE\"] lock_type = \"sanlock\" f = [", PV(""), ROOT),
		  "is locked for several hosts to share" },
		{ GROUP_OF("", PV(""), ROOT), "may only be read" },
		{ GROUP_OF(", \"WRITE\"] format = \"lvm1\" f = [", PV(""), ROOT), "is not of the format lvm2" },
		{ GROUP_OF(", \"WRITE\"",
			   "pv0 { id = \"" LVM_UUID "\" status = [] pe_start = 2048 pe_count = 15 }", ROOT),
		  "has a physical volume that nothing may be allocated on (pvchange -x y)" },
		{ GROUP_OF(", \"WRITE\"", PV("") " pv1 { id = \"other\" }", ROOT),
		  "has 2 physical volumes, and only one that has a single one can grow" },
		{ GROUP("pvmove0 { status = [\"PVMOVE\"] segment_count = 1 segment1 { start_extent = 0 "
			"extent_count = 1 type = \"mirror\" mirrors = [\"pv0\", 3, \"pv0\", 4] } }" ROOT),
		  "is in the middle of a pvmove" },
		{ GROUP("x { status = [\"VISIBLE\", \"LOCKED\"] segment_count = 1 " LVM_SEGMENT(
			  "0", "1", "\"pvmove0\", 0") "}" ROOT),
		  "is in the middle of a pvmove" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char reason[256];

		(void)snprintf(reason, sizeof(reason), "volume group 'vg' %s", cases[i].reason);
		assert_text_refused(cases[i].text, -EOPNOTSUPP, reason);
	}
}

#define OF_TYPE(type)                                                                                          \
	"root { status = [\"VISIBLE\"] segment_count = 1 segment1 { start_extent = 0 extent_count = 2 type = " \
	"\"" type "\" } }"

static void test_refuses_volumes_of_other_types(void **state)
{
	static const struct {
		const char *text, *type;
	} cases[] = {
		{ GROUP(OF_TYPE("raid1")), "raid1" },	    { GROUP(OF_TYPE("mirror")), "mirror" },
		{ GROUP(OF_TYPE("cache")), "cache" },	    { GROUP(OF_TYPE("vdo")), "vdo" },
		{ GROUP(OF_TYPE("raid5_ls")), "raid5_ls" }, { GROUP(OF_TYPE("writecache")), "writecache" },
		{ GROUP(OF_TYPE("a b")), "unknown" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char reason[256];

		(void)snprintf(
			reason, sizeof(reason),
			"logical volume 'root' of 'vg' can't be grown: it is of type '%s', and only linear "
			"ones can",
			cases[i].type);
		assert_text_refused(cases[i].text, -EOPNOTSUPP, reason);
	}
	assert_text_refused(
		GROUP(OF_TYPE("raid1") "home {" OF_TYPE(
			"raid1") "status = [\"VISIBLE\"] segment_count = 1 "
				 "segment1 { start_extent = 0 extent_count = 1 type = \"vdo\" } }"
				 "var { status = [\"VISIBLE\"] segment_count = 1 segment1 { "
				 "start_extent = 0 extent_count = 1 type = \"vdo\" } }"),
		-EOPNOTSUPP,
		"logical volume 'root' of 'vg' can't be grown: it is of type 'raid1', and only linear ones "
		"can");
	assert_text_refused(
		GROUP("home { status = [\"VISIBLE\"] segment_count = 1 segment1 { start_extent = 0 "
		      "extent_count = 1 type = \"vdo\" } } var { status = [\"VISIBLE\"] segment_count = 1 "
		      "segment1 { start_extent = 0 extent_count = 1 type = \"vdo\" } }"),
		-EOPNOTSUPP, "none of the logical volumes of 'vg' holds what can be grown");
}

static void test_refuses_damaged_groups(void **state)
{
#define CLAIM(name, first) LVM_LV(name, LVM_SEGMENT("0", "2", "\"pv0\", " first))
	assert_text_refused(GROUP(CLAIM("a", "3") CLAIM("b", "4")), -EBADMSG,
			    "the metadata of LVM is damaged: two volumes of 'vg' claim extent 4");
	assert_text_refused(
		GROUP(ROOT "m { segment_count = 1 segment1 { start_extent = 0 extent_count = 4 type = "
			   "\"mirror\" mirrors = [\"pv0\", 12] } }"),
		-EBADMSG,
		"the metadata of LVM is damaged: a volume of 'vg' lies behind the end of its physical "
		"volume");
	assert_text_refused(GROUP(ROOT
				  "m { segment_count = 1 segment1 { start_extent = 0 extent_count = 4 type = "
				  "\"mirror\" mirrors = [\"pv0\", 1, \"x\", 0] } }"),
			    -EBADMSG, "the metadata of LVM is damaged: two volumes of 'vg' claim extent 1");
	assert_text_refused(
		"contents = \"Text Format Volume Group\"\nvg { seqno = 4294967295 extent_size = 8192\n"
		"status = [\"WRITE\"] physical_volumes { " PV("") " } }",
		-EBADMSG, "the metadata of LVM is damaged: its sequence number is 4294967295");
	assert_text_refused(
		"contents = \"Text Format Volume Group\"\nvg { seqno = 1 extent_size = 8192\n"
		"status = [\"WRITE\"] physical_volumes { pv0 { id = \"" LVM_UUID
		"\" pe_start = 0 pe_count = 1 } } }",
		-EBADMSG,
		"the metadata of LVM at byte 4096, 1044480 bytes long, stands where something else is");
}

static void test_refuses_an_interrupted_change(void **state)
{
	_cleanup_(image_unrefp) struct image *pv = lvm_pv_of(GROUP(ROOT));

	put_le64(lvm_pv_bytes + 4096 + 64, 2048);
	put_le32(lvm_pv_bytes + 4096, lvm_crc(lvm_pv_bytes + 4100, 508));
	assert_grow_refused(
		pv, NULL, -EOPNOTSUPP,
		"a change of LVM's metadata was interrupted, which the guest's own tools have to settle");
}

static void test_refuses_copies_that_differ(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct lvm_label label;
	struct lvm_slot slot;

	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq --pvmetadatacopies 2 $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR
		  "-l 6 -n root vg");
	put_filesystem("pv", "vg/root", "");
	img = disk_open("pv");
	assert_int_equal(lvm_label_read(img, &label, NULL), 0);
	assert_int_equal(lvm_area_slot(img, &label.area[1], &slot, NULL), 0);
	sh("dd if=pv of=area bs=64K iflag=skip_bytes,count_bytes skip=%ju count=%ju status=none",
	   label.area[1].offset, label.area[1].size);
	sh("cp pv damaged && printf damaged | dd of=damaged bs=1 seek=%ju conv=notrunc status=none",
	   label.area[1].offset + slot.at + 30);
	assert_file_refused("damaged", NULL, -EBADMSG,
			    "the metadata of LVM at byte 66060288 has a wrong checksum");
	lvm("pv", "lvm lvrename -qq vg root new");
	sh("dd if=area of=pv bs=64K oflag=seek_bytes seek=%ju conv=notrunc status=none", label.area[1].offset);
	assert_file_refused("pv", NULL, -EOPNOTSUPP,
			    "the copies of LVM's metadata differ, which the guest's own tools have to settle");
}

static void test_refuses_a_copy_that_is_switched_off(void **state)
{
	_cleanup_(image_unrefp) struct image *pv = lvm_pv_of(GROUP(ROOT));

	put_le32(lvm_pv_bytes + 4096 + 60, 1);
	put_le32(lvm_pv_bytes + 4096, lvm_crc(lvm_pv_bytes + 4100, 508));
	assert_grow_refused(pv, NULL, -EOPNOTSUPP,
			    "a copy of LVM's metadata is switched off (pvchange --metadataignore)");
}

/* A text with a comment of so many bytes at its end. */
static char *text_of(size_t length)
{
	static const char group[] = GROUP("") "#";
	char *text = malloc(length + 1);

	memcpy(text, group, sizeof(group) - 1);
	memset(text + sizeof(group) - 1, 'x', length - (sizeof(group) - 1));
	text[length] = '\0';
	return text;
}

static void test_refuses_texts_too_long_for_their_ring(void **state)
{
	/* Half of the ring, but for a sector; its NUL counts; "17" and "31" are no longer than what they replace, */
	/* and the comment behind dev_size goes, but its number has a digit less before it is doubled. */
	const size_t most = (MiB - 4096 - 512) / 2 - 512 - 1 + strlen(" # 64 Megabytes");

	for (int longer = 0; longer < 2; longer++) {
		_cleanup_free_ char *text = text_of(most + (size_t)longer);
		_cleanup_(image_unrefp) struct image *pv = lvm_pv_of(text);
		_cleanup_(grown_done) struct grown g;
		_cleanup_(lvm_done) struct lvm l = { 0 };

		grow_image(&g, pv, 128 * MiB, NULL);
		assert_int_equal(g.result, longer ? -EOPNOTSUPP : 0);
		if (longer)
			assert_string_equal(g.why.text,
					    "volume group 'vg' has 521473 bytes of metadata, too many for "
					    "an area of 1044480");
		else
			assert_int_equal(lvm_read(g.img, &l, NULL), 0);
	}
}

/* What isn't changed stays as it is, comments of others included. */
static void test_changes_a_few_numbers(void **state)
{
	_cleanup_(image_unrefp) struct image *pv = lvm_pv_of(GROUP("") "# end\n");
	_cleanup_(grown_done) struct grown g;
	_cleanup_(lvm_done) struct lvm l = { 0 };
	_cleanup_(lvm_copies_done) struct lvm_copies c = { 0 };

	grow_ok(&g, pv, 128 * MiB, NULL);
	assert_int_equal(lvm_read(g.img, &l, NULL), 0);
	assert_int_equal(lvm_copies_read(g.img, &l, &c, NULL), 0);
	assert_string_equal(c.text,
			    "contents = \"Text Format Volume Group\"\nvg { seqno = 2\nextent_size = 8192\n"
			    "status = [\"READ\", \"WRITE\"]\nphysical_volumes { pv0 { id = \"" LVM_UUID
			    "\" status = [\"ALLOCATABLE\"] pe_start = 2048 pe_count = 31 "
			    "dev_size = 262144\n } }\nlogical_volumes {  } }\n# end\n");
}

/* ---- damage ---- */

/* One byte after the other, of label, header and text: never a patch on what a checksum doesn't vouch for. */
static void test_damaged_bytes(void **state)
{
	_cleanup_(image_unrefp) struct image *pv = lvm_pv_of(GROUP(""));
	static const struct {
		size_t from, to;
	} ranges[] = { { 512, 1024 }, { 4096, 4096 + 512 }, { 4096 + 512, 4096 + 512 + sizeof(GROUP("")) } };

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		for (size_t at = ranges[i].from; at < ranges[i].to; at += 3) {
			_cleanup_(grown_done) struct grown g;

			lvm_pv_bytes[at] ^= 0x10;
			grow_image(&g, pv, 128 * MiB, NULL);
			assert_true(i == 0 ? g.result == 1 : g.result == -EBADMSG);
			lvm_pv_bytes[at] ^= 0x10;
		}
	}
}

static void test_truncated_images(void **state)
{
	make_pv("64M", 15);
	sh("cp pv short && truncate -s 63M short");
	assert_file_refused("short", NULL, -EBADMSG,
			    "the physical volume takes 64M, but there are only 63M: truncated image");
	sh("truncate -s 96M pv");
	lvm("pv", "lvm pvresize -qq $l; lvm lvextend -qq -l +100%FREE vg/root");
	sh("truncate -s 90M pv");
	assert_file_refused(
		"pv", NULL, -EBADMSG,
		"truncated image: volume group 'vg' takes 93.0M of the physical volume, but only 90.0M are "
		"there");
}

/* ---- on a disk ---- */

static void test_grows_in_a_partition(void **state)
{
	_cleanup_(image_unrefp) struct image *disk = NULL, *img = NULL, *none = NULL, *bare = NULL;
	struct why why = { "" };
	struct resize how = { .size = 300 * MiB, .volume = "/dev/vg/root" };

	make_pv("64M", 12);
	sh("rm -f disk && truncate -s 70M disk && sgdisk -n 1:2048:+2M -n 2:0:+64M disk > log && "
	   "dd if=pv of=disk bs=1M seek=3 conv=notrunc status=none");
	disk = disk_open("disk");
	assert_int_equal(resize_open(&how, disk, &img, &why), 0);
	disk_save(img, "grown");
	sh("sgdisk -v grown > log && rm -f have && dd if=grown of=have bs=1M skip=3 count=296 status=none");
	assert_volume_is_its_filesystem_grown("vg/root");
	lvm("have", "lvm vgck vg");
	how.volume = "vg-home";
	assert_int_equal(resize_open(&how, disk, &none, &why), -EOPNOTSUPP);
	assert_string_equal(why.text,
			    "partition 2: there is no logical volume 'vg-home'; there are: vg-root; "
			    "@content=none grows disk and partition and leaves the rest to the guest, "
			    "@expand=none grows the disk alone");
	bare = disk_open("fs");
	assert_int_equal(resize_open(&how, bare, &none, &why), -EOPNOTSUPP);
	assert_string_equal(why.text,
			    "the bare disk is ext4 and has no logical volume 'vg-home'; "
			    "@content=none or @expand=none grows the disk alone and leaves the rest to the "
			    "guest");
}

/* ---- what is unused ---- */

static struct image *without_unused(struct image *pv, uint64_t *ret_bytes)
{
	struct map_draft *draft = map_draft_new(pv->size, pv);
	struct content c = { 0 };
	struct image *img = NULL;
	struct unused u;
	struct why why = { "" };

	assert_int_equal(content_probe(pv, &c, &why), 0);
	unused_begin(&u, draft, 0);
	if (c.ops->unused(pv, &c, &u, &why) != 0)
		fail_msg("unused: %s", why.text);
	unused_end(&u);
	*ret_bytes = u.bytes;
	assert_int_equal(map_seal(draft, "test", NULL, &img, &why), 0);
	return img;
}

static void test_tells_what_is_unused(void **state)
{
	_cleanup_(image_unrefp) struct image *pv = NULL, *sparse = NULL, *saved = NULL;
	_cleanup_free_ char *describe = NULL;
	static uint8_t buf[4 * MiB];
	uint64_t bytes;

	/* 62 MiB less 2 KiB: an area at each end, 15 extents and a rest; 4, 5 and 11 to 14 are free. */
	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq --pvmetadatacopies 2 $l; lvm vgcreate -qq vg $l; "
		  "lvm lvcreate" LVM_LINEAR "-l 4 -n root vg; lvm lvcreate" LVM_LINEAR
		  "-l 2 -n gone vg; lvm lvcreate" LVM_LINEAR
		  "-l 3 -n data vg; lvm lvextend -qq -l +2 vg/root; lvm lvremove -qq vg/gone");
	put_filesystem("pv", "vg/root", "");
	lvm_get("pv", "vg/data", "data");
	pv = disk_open("pv");
	sparse = without_unused(pv, &bytes);
	assert_true(ext_content.unused ? bytes > 6 * 4 * MiB + 2 * MiB : bytes == 6 * 4 * MiB + 2 * MiB);
	for (unsigned i = 0; i < 15; i++) {
		bool free = i == 4 || i == 5 || i > 10;

		assert_int_equal(image_pread(sparse, buf, sizeof(buf), MiB + i * 4 * MiB, NULL), 0);
		assert_true(!free || bytes_are_zero(buf, sizeof(buf)));
	}
	disk_save(sparse, "have");
	lvm("have", "lvm vgck vg; lvm pvck $l; lvm pvs");
	lvm_get("have", "vg/data", "data2");
	lvm_get("have", "vg/root", "volume");
	sh("cmp data data2 && e2fsck -fn volume > log 2>&1 && " E2FSCK_SAID_NOTHING
	   " && debugfs -R 'dump etc/numbers numbers' volume 2> "
	   "log && "
	   "cmp numbers tree/etc/numbers");
	/* And it grows as well as before. */
	saved = disk_open("have");
	describe = grow_file("have", "have2", 200 * MiB, "vg-root");
	sh("mv have2 have");
	lvm("have", "lvm vgck vg; lvm pvck $l");
	lvm_get("have", "vg/root", "volume");
	sh("e2fsck -fn volume > log 2>&1 && " E2FSCK_SAID_NOTHING);
}

/* The store of a snapshot is used, and so is all that its origin had when it was made. */
static void test_leaves_alone_what_others_show(void **state)
{
	_cleanup_(image_unrefp) struct image *pv = NULL, *sparse = NULL;
	uint64_t bytes;

	make_pv("64M", 6);
	lvm_restore("pv", LVM_SNAPSHOT("cow_store"));
	pv = disk_open("pv");
	sparse = without_unused(pv, &bytes);
	assert_int_equal(bytes, 8 * 4 * MiB + 3 * MiB);
	disk_save(sparse, "have");
	lvm_get("have", "vg/root", "volume");
	sh("cmp fs volume");
}

/* As in a partition: nobody knows what somebody keeps there. */
static void test_leaves_alone_what_stands_behind_a_filesystem(void **state)
{
	_cleanup_(image_unrefp) struct image *pv = NULL, *sparse = NULL;
	uint64_t bytes;

	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l; lvm vgcreate -qq vg $l; lvm lvcreate" LVM_LINEAR "-l 6 -n root vg");
	lvm_get("pv", "vg/root", "volume");
	sh("mke2fs -q -F -t ext4 -E nodiscard volume 8M");
	lvm_put("pv", "vg/root", "volume");
	pv = disk_open("pv");
	sparse = without_unused(pv, &bytes);
	assert_true(bytes > 9 * 4 * MiB + 3 * MiB); /* and something of the filesystem */
	disk_save(sparse, "have");
	lvm_get("have", "vg/root", "volume2");
	sh("e2fsck -fn volume2 > log 2>&1 && " E2FSCK_SAID_NOTHING " && cmp -i 8M volume volume2");
}

static void test_in_doubt_all_is_used(void **state)
{
	_cleanup_(image_unrefp) struct image *pv = NULL;
	struct map_draft *draft;
	struct content c;
	struct unused u;
	struct why why = { "" };

	lvm_noise("pv", "64M");
	lvm("pv", "lvm pvcreate -qq $l");
	pv = disk_open("pv");
	assert_int_equal(content_probe(pv, &c, &why), 0);
	draft = map_draft_new(pv->size, pv);
	unused_begin(&u, draft, 0);
	assert_int_equal(c.ops->unused(pv, &c, &u, &why), -EOPNOTSUPP);
	assert_string_equal(why.text, "the physical volume belongs to no volume group");
	assert_int_equal(u.bytes, 0);
	map_draft_free(draft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_as_pvresize_and_lvextend_do),
		cmocka_unit_test(test_writes_around_the_ring),
		cmocka_unit_test(test_grows_to_two_tebibytes),
		cmocka_unit_test(test_lazy_view_is_the_saved_file),
		cmocka_unit_test(test_leaves_what_fits),
		cmocka_unit_test(test_grows_alone_without_volumes),
		cmocka_unit_test(test_chooses_the_root),
		cmocka_unit_test(test_refuses_what_a_volume_holds),
		cmocka_unit_test(test_refuses_types),
		cmocka_unit_test(test_refuses_groups),
		cmocka_unit_test(test_refuses_volumes_of_other_types),
		cmocka_unit_test(test_refuses_damaged_groups),
		cmocka_unit_test(test_refuses_an_interrupted_change),
		cmocka_unit_test(test_refuses_copies_that_differ),
		cmocka_unit_test(test_refuses_a_copy_that_is_switched_off),
		cmocka_unit_test(test_refuses_texts_too_long_for_their_ring),
		cmocka_unit_test(test_changes_a_few_numbers),
		cmocka_unit_test(test_damaged_bytes),
		cmocka_unit_test(test_truncated_images),
		cmocka_unit_test(test_grows_in_a_partition),
		cmocka_unit_test(test_tells_what_is_unused),
		cmocka_unit_test(test_leaves_alone_what_others_show),
		cmocka_unit_test(test_leaves_alone_what_stands_behind_a_filesystem),
		cmocka_unit_test(test_in_doubt_all_is_used),
	};

	return cmocka_run_group_tests(tests, lvm_setup, disk_dir_teardown);
}
