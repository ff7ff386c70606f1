/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAT32 grown, FAT of all kinds moved, free clusters told; judged by fsck.vfat, mtools
 * and, where it knows vfat, the kernel.
 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "backends/content/content.h"
#include "backends/content/fat/disk.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"
#include "tests/unit/mounts.h"

static bool kernel_knows_vfat;

/* The files that are on each filesystem, and how each is made: bytes behind its end that nobody may see later. */
static int setup(void **state)
{
	int r = disk_dir_setup(state);

	if (r != 0)
		return r;
	sh("mkdir -p tree/deep mnt && for i in 1 2 3 4 5 6; do seq $((i * 5000)) > tree/kept$i; "
	   "seq $((i * 3000)) > tree/gone$i; seq $i 9999 > tree/deep/$i; done && : > tree/empty && "
	   "cp -r tree want && rm want/gone* && (cd want && find . -type f | xargs sha256sum) > sums");
	kernel_knows_vfat = sh_status("modprobe -q vfat 2> log; grep -qw vfat /proc/filesystems") == 0;
	if (!kernel_knows_vfat)
		print_message("SKIPPED: this kernel doesn't know vfat; mtools stand in for it\n");
	return 0;
}

/* The file "fs". */
static void make(const char *options, uint64_t size)
{
	sh("rm -f fs && truncate -s %ju fs && mkfs.vfat %s fs > log && mcopy -i fs -s tree ::/ && "
	   "mdel -i fs '::/tree/gone*'",
	   (uintmax_t)size, options);
}

struct grown {
	struct image *base, *at_size, *img;
	struct content content;
	struct read_count reads;
	char *describe;
	struct why why;
};

static void grown_done(struct grown *g)
{
	image_unref(g->img);
	image_unref(g->at_size);
	image_unref(g->base);
	free(g->describe);
}

static int grow_image(struct grown *g, uint64_t to)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	struct text describe = TEXT_EMPTY;
	int r;

	assert_int_equal(map_seal(map_draft_new(to, g->base), "test", NULL, &g->at_size, &g->why), 0);
	r = content_probe(g->base, &g->content, &g->why);
	if (r != 0)
		return r;
	assert_ptr_equal(g->content.ops, &fat_content);
	draft = map_draft_new(to, g->at_size);
	assert_non_null(draft);
	g->reads = testimage_count(g->base);
	r = fat_content.grow(g->at_size, &g->content, &(struct growth){ 0 }, draft, &describe, &g->why);
	g->reads.bytes = testimage_count(g->base).bytes - g->reads.bytes;
	assert_int_equal(text_take(&describe, &g->describe), 0);
	if (r == 0)
		assert_int_equal(map_seal(take(draft), "test", NULL, &g->img, &g->why), 0);
	return r;
}

static int grow_file(struct grown *g, const char *name, uint64_t to)
{
	*g = (struct grown){ .base = disk_open(name) };
	return grow_image(g, to);
}

/* What stands in the boot sector now, after all that fat_read checks. */
static struct fat geometry_of(struct image *img)
{
	uint8_t boot[FAT_BOOT_SIZE];
	struct why why = { "" };
	struct fat f;
	int r = fat_read(img, &f, boot, &why);

	if (r != 0)
		fail_msg("%s", why_text(&why, r));
	return f;
}

/*
 * Nothing is lost, the room is used but for less than a cluster and what the alignment of
 * the tables takes, and what was aligned stays so.
 */
static void assert_geometry(const struct grown *g)
{
	const struct fat old = geometry_of(g->base), f = geometry_of(g->img);
	const uint64_t alignment = max_u64(old.cluster, 64 * KiB);
	uint64_t used = fat_data_at(&f) + (uint64_t)f.clusters * f.cluster;

	assert_true(f.clusters > old.clusters && f.clusters <= FAT_CLUSTERS32_MAX);
	assert_int_equal(f.cluster, old.cluster);
	assert_int_equal((fat_data_at(&f) - fat_data_at(&old)) % alignment, 0);
	assert_true(used <= g->img->size && f.sectors * f.sector <= g->img->size);
	if (f.clusters < FAT_CLUSTERS32_MAX && f.sectors < UINT32_MAX)
		assert_true(g->img->size - used < f.cluster + alignment + f.n_tables * f.sector);
}

static void assert_sound(const char *name)
{
	sh("fsck.vfat -n %s > log 2>&1 || { cat log; exit 1; }", name);
}

static void assert_files(const char *name)
{
	sh("rm -rf out && mkdir out && mcopy -i %s -s ::/tree out && diff -r want out/tree", name);
}

/* All that is free, or 100 MB of it, takes bytes and gives them back; whoever reads them finds nothing else changed. */
static void assert_fills_up(const char *name)
{
	sh("free=$(mdir -i %s :: | sed -n 's/^ *\\([0-9 ]*\\) bytes free$/\\1/p' | tr -d ' ') && test $free "
	   "-gt 0 && "
	   "n=$((free < 100000000 ? free : 100000000)) && yes | head -c $n > big && mcopy -i %s big ::/ && "
	   "test $n -lt $free -o $(mdir -i %s :: | sed -n 's/^ *\\([0-9 ]*\\) bytes free$/\\1/p' | tr -d ' ') "
	   "= 0 && "
	   "mcopy -i %s -n ::/big back && cmp big back && rm big back",
	   name, name, name, name);
	assert_sound(name);
	assert_files(name);
}

static void assert_mounts(const char *name, uint64_t size)
{
	if (!kernel_knows_vfat)
		return;
	sh("mount -t vfat -o loop %s mnt && { (cd mnt/tree && sha256sum --quiet -c ../../sums) && "
	   "test $(df -B1 --output=size mnt | tail -n 1) -gt %ju && cp -r want mnt/again && "
	   "head -c 20M /dev/zero > mnt/zeros; r=$?; umount mnt; exit $r; }",
	   name, (uintmax_t)(size / 100 * 95));
	assert_sound(name);
}

static const struct {
	const char *options;
	uint64_t from, to;
} rows[] = {
	{ "-F 32 -s 1", 40 * MiB, 90 * MiB },
	{ "-F 32", 300 * MiB, 2 * GiB },
	{ "-F 32 -s 8 -f 1", 300 * MiB, 1 * GiB + 512 },
	{ "-F 32 -s 1 -R 33", 40 * MiB + 512, 99 * MiB + 1536 },
	{ "-F 32 -s 1 -R 3 -b 2", 40 * MiB, 41 * MiB },
	{ "-F 32 -S 4096 -s 1", 300 * MiB, 700 * MiB },
	{ "-F 32 -s 128", 5 * GiB, 21 * GiB },
	{ "-F 32 -s 16 -a", 600 * MiB, 10 * GiB },
};

static void test_grows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_(grown_done) struct grown g;

		make(rows[i].options, rows[i].from);
		if (grow_file(&g, "fs", rows[i].to) != 0)
			fail_msg("%s: %s", rows[i].options, g.why.text);
		assert_true(g.reads.bytes < 8 * KiB);
		assert_geometry(&g);
		disk_save(g.img, "grown");
		assert_sound("grown");
		assert_files("grown");
		assert_fills_up("grown");
		assert_mounts("grown", rows[i].to);
	}
}

static void test_tells_what_it_did(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make("-F 32 -s 8", 512 * MiB);
	assert_int_equal(grow_file(&g, "fs", 4 * GiB), 0);
	assert_string_equal(g.describe,
			    "fat32 grown from 512M to 4.00G, 130811 to 1046524 clusters, moved up by 7.00M");
}

static void test_two_tebibytes_take_no_memory(void **state)
{
	_cleanup_(grown_done) struct grown g, limited;
	struct map_figures figures;

	make("-F 32 -s 128", 6 * GiB);
	assert_int_equal(grow_file(&g, "fs", 2 * TiB), 0);
	assert_geometry(&g);
	assert_true(map_figures(g.img, &figures));
	assert_true(figures.memory < 64 * KiB);
	assert_true(g.reads.bytes < 8 * KiB);
	/* 32 bits count the sectors, 28 the clusters: what is behind them stays unused. */
	make("-F 32 -s 8", 300 * MiB);
	assert_int_equal(grow_file(&limited, "fs", 3 * TiB), 0);
	assert_int_equal(geometry_of(limited.img).clusters, FAT_CLUSTERS32_MAX);
	assert_geometry(&limited);
}

/* Around each place where a table gets longer by a sector, or by a step of the alignment; fsck sees every 200th. */
static void test_any_size(void **state)
{
	static const struct {
		const char *options;
		uint64_t from;
	} kinds[] = { { "-F 32 -s 1", 40 * MiB },
		      { "-F 32 -s 2 -f 1", 70 * MiB },
		      { "-F 32 -s 64", 2200 * MiB } };
	unsigned n = 0, fits = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		_cleanup_(image_unrefp) struct image *base = NULL;

		make(kinds[i].options, kinds[i].from);
		base = disk_open("fs");
		for (uint64_t delta = 512; delta < 12 * MiB;
		     delta += delta % (64 * KiB) < 4 * 512 ? 512 : 31 * 512) {
			_cleanup_(grown_done) struct grown g = { .base = image_ref(base) };
			int r = grow_image(&g, kinds[i].from + delta);

			if (r < 0)
				fail_msg("%s", g.why.text);
			if (r == CONTENT_FITS) {
				/* At worst a step of the tables, and not quite a cluster. */
				assert_true(delta < max_u64(64 * KiB, 64 * 512) + 64 * 512 + 64 * KiB);
				fits++;
				continue;
			}
			assert_geometry(&g);
			if (n++ % 200)
				continue;
			disk_save(g.img, "grown");
			assert_sound("grown");
			assert_files("grown");
		}
	}
	assert_true(n > 500 && fits > 0);
}

/* Every byte at once is what single reads at odd places give. */
static void test_reads_alike_anywhere(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t view[9000], file[9000];
	uint64_t dice = 88172645463325252u, seam = 0;
	struct image *saved;

	make("-F 32 -s 1 -R 33", 40 * MiB);
	assert_int_equal(grow_file(&g, "fs", 300 * MiB), 0);
	disk_save(g.img, "grown");
	saved = disk_open("grown");
	for (int i = 0; i < 3000; i++) {
		uint64_t at;
		size_t n;

		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		at = i % 3 ? seam - min_u64(seam, dice % 5000) : dice % g.img->size;
		n = 1 + (dice >> 32) % (sizeof(view) - 1);
		seam += seam < g.img->size ? image_extent(g.img, seam).length : 0;
		if (!range_ok(at, n, g.img->size))
			continue;
		assert_int_equal(image_pread(g.img, view, n, at, NULL), 0);
		assert_int_equal(image_pread(saved, file, n, at, NULL), 0);
		assert_memory_equal(view, file, n);
	}
	image_unref(saved);
}

static void test_hides_what_stood_behind(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make("-F 32 -s 1", 40 * MiB);
	sh("yes | head -c 9M >> fs");
	assert_int_equal(grow_file(&g, "fs", 100 * MiB), 0);
	disk_save(g.img, "grown");
	assert_sound("grown");
	sh("! grep -q 'y$' grown");
}

static void test_grows_again_what_it_has_grown(void **state)
{
	make("-F 32 -s 1", 40 * MiB);
	for (uint64_t to = 40 * MiB + 7 * 512, i = 0; i < 5; i++) {
		_cleanup_(grown_done) struct grown g;

		to += to / 3 / 512 * 512;
		assert_int_equal(grow_file(&g, "fs", to), 0);
		disk_save(g.img, "grown");
		sh("mv grown fs");
	}
	assert_sound("fs");
	assert_files("fs");
	assert_fills_up("fs");
}

static void test_backup_and_info_agree(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t boot[512], backup[512];
	uint8_t info[4], info_backup[4];

	make("-F 32 -s 1", 40 * MiB);
	/* Newer mkfs writes the second FSInfo, too. */
	sh("dd if=fs of=fs bs=512 skip=1 seek=7 count=1 conv=notrunc status=none");
	assert_int_equal(grow_file(&g, "fs", 100 * MiB), 0);
	assert_int_equal(image_pread(g.img, boot, 512, 0, NULL), 0);
	assert_int_equal(image_pread(g.img, backup, 512, 6 * 512, NULL), 0);
	assert_memory_equal(boot, backup, 512);
	assert_int_equal(image_pread(g.img, info, 4, 512 + 488, NULL), 0);
	assert_int_equal(image_pread(g.img, info_backup, 4, 7 * 512 + 488, NULL), 0);
	assert_memory_equal(info, info_backup, 4);
}

static void assert_refused(uint64_t to, int error, const char *reason)
{
	_cleanup_(grown_done) struct grown g;

	assert_int_equal(grow_file(&g, "fs", to), error);
	assert_string_equal(g.why.text, reason);
}

static void test_refuses_what_cannot_grow(void **state)
{
	make("-F 12", 4 * MiB);
	assert_refused(100 * MiB, -EOPNOTSUPP,
		       "fat12 can't be grown: with more clusters it would have to become another kind");
	make("-F 16", 40 * MiB);
	assert_refused(100 * MiB, -EOPNOTSUPP,
		       "fat16 can't be grown: with more clusters it would have to become another kind");
	make("-F 32", 40 * MiB);
	sh("printf SYSLINUX | dd of=fs bs=1 seek=3 conv=notrunc status=none");
	assert_refused(100 * MiB, -EOPNOTSUPP,
		       "fat32 that boots by syslinux can't be grown: its boot sector has noted down where the "
		       "files are that would move");
}

static void test_refuses_what_is_not_clean(void **state)
{
	make("-F 32 -s 1", 40 * MiB);
	sh("printf '\\1' | dd of=fs bs=1 seek=65 conv=notrunc status=none");
	assert_refused(100 * MiB, -EOPNOTSUPP, "fat32 is not clean: it was not unmounted; run fsck.vfat");
	make("-F 32 -s 1", 40 * MiB);
	sh("printf '\\7' | dd of=fs bs=1 seek=$((32 * 512 + 7)) conv=notrunc status=none");
	assert_refused(100 * MiB, -EOPNOTSUPP, "fat32 is not clean: it was not unmounted; run fsck.vfat");
	make("-F 32 -s 1", 40 * MiB);
	sh("printf '\\13' | dd of=fs bs=1 seek=$((32 * 512 + 7)) conv=notrunc status=none");
	assert_refused(100 * MiB, -EOPNOTSUPP, "fat32 is not clean: errors were found in it; run fsck.vfat");
}

static void test_only_who_names_it_means_it(void **state)
{
	assert_true(fat_content.only_named);
	assert_null(exfat_content.grow);
	assert_non_null(exfat_content.why_not);
}

static void test_refuses_damage(void **state)
{
	static const struct {
		unsigned at;
		const char *bytes, *reason;
	} cases[] = {
		{ 11, "\\1\\2", "the fat is damaged: its sectors would be of 513 bytes" },
		{ 13, "\\3", "the fat is damaged: its clusters would be of 3 sectors" },
		{ 14, "\\0\\0", "the fat is damaged: it would have 0 sectors before 2 tables" },
		{ 16, "\\0", "the fat is damaged: it would have 32 sectors before 0 tables" },
		{ 17, "\\1", "the fat is damaged: fat32 has no root directory of 1 entries" },
		{ 32, "\\2\\100\\1\\0", "truncated image: the fat is of 40.0M, but only 40.0M are there" },
		{ 32, "\\1\\0\\0\\0", "the fat is damaged: its clusters would begin at sector 1292 of 1" },
		{ 36, "\\1\\0",
		  "the fat is damaged: its tables of 1 sectors are too short for 81886 clusters" },
		{ 40, "\\202", "the fat is damaged: table 2 of 2 would be the one that counts" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(image_unrefp) struct image *base = NULL;
		_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(100 * MiB, NULL);
		struct content c = { .ops = &fat_content };
		struct why why = { "" };

		make("-F 32 -s 1", 40 * MiB);
		sh("printf '%s' | dd of=fs bs=1 seek=%u conv=notrunc status=none", cases[i].bytes, cases[i].at);
		base = disk_open("fs");
		assert_int_equal(fat_content.grow(base, &c, &(struct growth){ 0 }, draft, NULL, &why),
				 -EBADMSG);
		assert_string_equal(why.text, cases[i].reason);
	}
	make("-F 32 -s 1", 40 * MiB);
	sh("printf '\\1' | dd of=fs bs=1 seek=42 conv=notrunc status=none");
	assert_refused(100 * MiB, -EOPNOTSUPP, "fat32 of version 0001 is not known");
}

/* Whatever a byte of the boot sector is: an error, or a filesystem that its own reader accepts. */
static void test_any_byte_may_be_wrong(void **state)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	_cleanup_(image_unrefp) struct image *fs = NULL;
	uint8_t *bytes = malloc(64 * KiB);

	make("-F 32 -s 1", 40 * MiB);
	fs = disk_open("fs");
	assert_non_null(bytes);
	for (unsigned at = 11; at < 66; at++)
		for (unsigned i = 0; i < sizeof(values); i++) {
			_cleanup_(grown_done) struct grown g = { 0 };

			assert_int_equal(image_pread(fs, bytes, 64 * KiB, 0, NULL), 0);
			bytes[at] = values[i];
			g.base = memimage_new(bytes, 64 * KiB, 40 * MiB);
			if (grow_image(&g, 80 * MiB) == 0)
				(void)geometry_of(g.img);
			else
				assert_null(g.img);
		}
	free(bytes);
}

/* ---- unused ---- */

/* The free clusters of the file "fs" overwritten by zeros, of a filesystem that was full of something else. */
static void assert_unused(unsigned bits, const char *options, uint64_t size)
{
	_cleanup_(image_unrefp) struct image *base = NULL, *img = NULL;
	struct map_draft *draft;
	struct content c;
	struct unused u;
	struct fat f;

	sh("rm -f fs && yes 0123456789abcdef | head -c %ju > fs && mkfs.vfat %s fs > log && mcopy -i fs -s "
	   "tree ::/ && "
	   "mdel -i fs '::/tree/gone*'",
	   (uintmax_t)size, options);
	base = disk_open("fs");
	assert_int_equal(content_probe(base, &c, NULL), 0);
	f = geometry_of(base);
	assert_int_equal(f.bits, bits);
	draft = map_draft_new(size, base);
	unused_begin(&u, draft, 0);
	assert_int_equal(fat_content.unused(base, &c, &u, NULL), 0);
	unused_end(&u);
	assert_int_equal(map_seal(draft, "test", NULL, &img, NULL), 0);
	disk_save(img, "thin");
	assert_sound("thin");
	assert_files("thin");
	sh("test %ju = $(mdir -i fs :: | sed -n 's/^ *\\([0-9 ]*\\) bytes free$/\\1/p' | tr -d ' ')",
	   (uintmax_t)u.bytes);
	assert_fills_up("thin");
}

static void test_free_clusters_are_unused(void **state)
{
	assert_unused(12, "-F 12", 4 * MiB);
	assert_unused(12, "-F 12 -s 1 -f 1", 2 * MiB);
	assert_unused(16, "-F 16", 30 * MiB);
	assert_unused(16, "-F 16 -s 1", 30 * MiB + 512);
	assert_unused(32, "-F 32 -s 1", 40 * MiB);
}

static void test_table_that_is_zero_is_not_read(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL;
	struct map_draft *draft;
	struct content c;
	struct unused u;

	make("-F 32 -s 1", 2 * GiB);
	sh("cp --sparse=always fs thin && mv thin fs"); /* mkfs writes zeros */
	base = disk_open("fs");
	assert_int_equal(content_probe(base, &c, NULL), 0);
	draft = map_draft_new(2 * GiB, base);
	unused_begin(&u, draft, 0);
	assert_int_equal(fat_content.unused(base, &c, &u, NULL), 0);
	unused_end(&u);
	assert_true(u.bytes > 1900 * MiB);
	/* Of 16 MiB. */
	assert_true(testimage_count(base).bytes < 256 * KiB);
	map_draft_free(draft);
}

/* ---- moving ---- */

static uint32_t read_u32(struct image *img, uint64_t at)
{
	uint8_t disk[4];

	assert_int_equal(image_pread(img, disk, 4, at, NULL), 0);
	return get_le32(disk);
}

static struct image *move_fs(uint64_t from, uint64_t to)
{
	struct image *base = disk_open("fs"), *img = NULL;
	struct map_draft *draft = map_draft_new(base->size, base);
	struct content c;
	struct why why = { "" };
	int r = content_probe(base, &c, &why);

	if (r == 0)
		r = c.ops->move(base, &c, from, to, draft, &why);
	if (r != 0)
		fail_msg("%s", why_text(&why, r));
	assert_int_equal(map_seal(draft, "test", NULL, &img, NULL), 0);
	image_unref(base);
	return img;
}

static void test_moves(void **state)
{
	static const struct {
		const char *options;
		uint64_t size;
		unsigned sector, backup;
	} cases[] = {
		{ "-F 12 -h 2048", 4 * MiB, 512, 0 },
		{ "-F 16 -h 2048", 30 * MiB, 512, 0 },
		{ "-F 32 -h 2048", 40 * MiB, 512, 6 },
		{ "-F 32 -S 4096 -s 1 -h 256", 300 * MiB, 4096, 6 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(image_unrefp) struct image *img = NULL, *elsewhere = NULL;

		make(cases[i].options, cases[i].size);
		img = move_fs(MiB, 5 * GiB);
		assert_int_equal(read_u32(img, 28), 5 * GiB / cases[i].sector);
		if (cases[i].backup)
			assert_int_equal(read_u32(img, cases[i].backup * cases[i].sector + 28),
					 5 * GiB / cases[i].sector);
		disk_save(img, "moved");
		assert_sound("moved");
		assert_files("moved");
		sh("test $(cmp -l fs moved | wc -l) -le 8");
		/* It never said where it stands. */
		elsewhere = move_fs(2 * MiB, 5 * GiB);
		disk_save(elsewhere, "moved");
		sh("cmp fs moved");
	}
}

static void test_refuses_to_move_out_of_its_numbers(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL;
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	struct content c;
	struct why why = { "" };

	make("-F 32 -h 2048", 40 * MiB);
	base = disk_open("fs");
	draft = map_draft_new(base->size, base);
	assert_int_equal(content_probe(base, &c, NULL), 0);
	assert_int_equal(c.ops->move(base, &c, MiB, 3 * TiB, draft, &why), -EOPNOTSUPP);
	assert_string_equal(why.text,
			    "fat32 can't be moved to byte 3298534883328: it has 32 bits to say in which "
			    "sector of 512 bytes it begins");
}

/* mkfs.exfat says 0 of a file: as if it had been made at `sector`, by this test's own sum. */
static void place_exfat(uint64_t sector)
{
	static uint8_t region[12 * 512];
	FILE *f = fopen(disk_path("fs"), "r+");

	assert_non_null(f);
	for (unsigned copy = 0; copy < 2; copy++) {
		uint32_t sum = 0;

		assert_int_equal(fseek(f, copy * sizeof(region), SEEK_SET), 0);
		assert_int_equal(fread(region, 512, 12, f), 12);
		put_le64(region + 64, sector);
		for (unsigned i = 0; i < 11 * 512; i++)
			if (i != 106 && i != 107 && i != 112)
				sum = ((sum & 1) ? UINT32_C(0x80000000) : 0) + (sum >> 1) + region[i];
		for (unsigned i = 0; i < 512; i += 4)
			put_le32(region + 11 * 512 + i, sum);
		assert_int_equal(fseek(f, copy * sizeof(region), SEEK_SET), 0);
		assert_int_equal(fwrite(region, 512, 12, f), 12);
	}
	assert_int_equal(fclose(f), 0);
}

static void test_exfat_moves(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL, *unsaid = NULL;

	sh("rm -f fs && truncate -s 40M fs && mkfs.exfat fs > log 2>&1");
	unsaid = move_fs(MiB, 5 * GiB);
	disk_save(unsaid, "moved");
	sh("cmp fs moved");
	place_exfat(2048);
	sh("fsck.exfat -n fs > log 2>&1");
	img = move_fs(MiB, 5 * GiB);
	assert_int_equal(read_u32(img, 64), 5 * GiB / 512);
	assert_int_equal(read_u32(img, 12 * 512 + 64), 5 * GiB / 512);
	disk_save(img, "moved");
	sh("fsck.exfat -n moved > log 2>&1 || { cat log; exit 1; }");
}

static void test_damaged_exfat_does_not_move(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL;
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	struct content c;
	struct why why = { "" };

	sh("rm -f fs && truncate -s 40M fs && mkfs.exfat fs > log 2>&1");
	place_exfat(2048);
	sh("printf x | dd of=fs bs=1 seek=200 conv=notrunc status=none");
	base = disk_open("fs");
	draft = map_draft_new(base->size, base);
	assert_int_equal(content_probe(base, &c, NULL), 0);
	assert_int_equal(c.ops->move(base, &c, MiB, 5 * GiB, draft, &why), -EBADMSG);
	assert_non_null(
		strstr(why.text, "the exfat is damaged: the boot region at byte 0 should have checksum "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_tells_what_it_did),
		cmocka_unit_test(test_two_tebibytes_take_no_memory),
		cmocka_unit_test(test_any_size),
		cmocka_unit_test(test_reads_alike_anywhere),
		cmocka_unit_test(test_hides_what_stood_behind),
		cmocka_unit_test(test_grows_again_what_it_has_grown),
		cmocka_unit_test(test_backup_and_info_agree),
		cmocka_unit_test(test_refuses_what_cannot_grow),
		cmocka_unit_test(test_refuses_what_is_not_clean),
		cmocka_unit_test(test_only_who_names_it_means_it),
		cmocka_unit_test(test_refuses_damage),
		cmocka_unit_test(test_any_byte_may_be_wrong),
		cmocka_unit_test(test_free_clusters_are_unused),
		cmocka_unit_test(test_table_that_is_zero_is_not_read),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_refuses_to_move_out_of_its_numbers),
		cmocka_unit_test(test_exfat_moves),
		cmocka_unit_test(test_damaged_exfat_does_not_move),
	};

	if (mounts_of_our_own())
		return 1;
	return cmocka_run_group_tests_name("fat", tests, setup, disk_dir_teardown);
}
