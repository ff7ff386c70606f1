/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NTFS grown, moved and looked at for what is free: volumes made by mkntfs in many ways, filled by ntfs-3g,
 * judged by ntfsresize, which counts every cluster of every file, ntfsfix and ntfs-3g. There are rows
 * for every run and rows for GOALFS_TEST_LONG=1.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "backends/content/content.h"
#include "backends/content/ntfs/root.h"
#include "backends/content/unused.h"
#include "backends/resize.h"
#include "base/bytes.h"
#include "tests/unit/contents.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"
#include "tests/unit/mounts.h"

/* The tools. */

/*
 * `inside FILE COMMANDS` runs them in the mounted volume. Its driver is waited for: without a
 * block device the kernel doesn't do that when it unmounts.
 */
static const char toolbox[] =
	"inside() {\n"
	"	ntfs-3g -o no_detach \"$1\" mnt >mount.log 2>&1 & driver=$!\n"
	"	until mountpoint -q mnt; do kill -0 $driver || { cat mount.log >&2; return 1; }; sleep 0.02; "
	"done\n"
	"	(cd mnt && eval \"$2\"); status=$?\n"
	"	umount mnt; wait $driver || status=1; return $status\n"
	"}\n"
	"make() {\n"
	"	rm -f \"$1\" && truncate -s \"$2\" \"$1\" && file=\"$1\" && shift 2 &&\n"
	"	mkntfs -F -Q -q \"$@\" $file >make.log 2>&1 || { cat make.log >&2; return 1; }\n"
	"}\n"
	"sound() {\n"
	"	{ ntfsresize -i -f -f -P \"$1\" && ntfsfix -n \"$1\"; } >sound.log 2>&1 &&\n"
	"	grep -q 'alternate boot sector... OK' sound.log || { cat sound.log >&2; return 1; }\n"
	"}\n";

#define tools(format, ...) sh(". ./tools && " format, ##__VA_ARGS__)

static int setup(void **state)
{
	FILE *f;

	if (disk_dir_setup(state) < 0)
		return -1;
	f = fopen(disk_path("tools"), "w");
	if (!f || fputs(toolbox, f) < 0 || fclose(f) != 0)
		return -1;
	return sh_status("mkdir -p mnt content/deep/er && cd content && : >empty && echo five >five && "
			 "seq 1 200000 >deep/numbers && seq 1 3 900000 | xz -0 >deep/er/dense && "
			 "for i in $(seq 50); do echo $i >deep/small$i; done && "
			 "find . -type f | xargs sha256sum >../sums");
}

static void populate(const char *name)
{
	tools("inside %s \'cp -r ../content/. . && seq 1 30000 >gone && cp gone kept && rm gone && "
	      "sha256sum --quiet -c ../sums && sha256sum kept >../kept'",
	      name);
}

/* Growing. */

/* Takes over `base`. */
static int grow_image(struct grown *g, struct image *base, uint64_t to)
{
	*g = (struct grown){ .fd = -1, .base = base };
	return grown_grow(g, &ntfs_content, to);
}

static int grow_file(struct grown *g, const char *name, uint64_t to)
{
	int fd = open(disk_path(name), O_RDONLY | O_CLOEXEC), r;

	assert_true(fd >= 0);
	r = grow_image(g, fdimage_new(fd, 0), to);
	g->fd = fd;
	return r;
}

/* Grows the file and writes it out as "grown". */
static void grow_ok(struct grown *g, const char *name, uint64_t to)
{
	if (grow_file(g, name, to) != 0)
		fail_msg("%s: %s", name, g->why.text);
	disk_save(g->img, "grown");
}

/* What it promises besides being right. */
static void assert_cheap(const struct grown *g)
{
	struct map_figures figures;

	assert_true(g->reads.bytes < 64 * KiB);
	assert_true(g->reads.reads < 40);
	assert_true(map_figures(g->img, &figures));
	assert_true(figures.memory < 128 * KiB);
}

/* A clean volume that the real tool grew has the same geometry and the same clusters in use. */
static void assert_like_ntfsresize(uint64_t to)
{
	tools("cp --sparse=always fs real && truncate -s %" PRIu64 " real && "
	      "ntfsresize -f -f -P real </dev/null >real.log 2>&1 || { tail -n 5 real.log >&2; exit 1; }\n"
	      "for f in grown real; do\n"
	      "	{ ntfsinfo -f -m $f | grep -E 'Volume Flags|Volume Size|Volume Version|Free Clusters'\n"
	      "	for i in 6 8; do ntfsinfo -f -v -i $i $f | sed -n '/DATA/,$p' |\n"
	      "		grep -E 'Highest|Allocated size|Data size|Initialized|HOLE'; done; } >$f.info "
	      "2>/dev/null\n"
	      "done; test $(wc -l <real.info) -ge 13 && diff grown.info real.info",
	      to);
}

/* ntfs-3g finds all files, and room for more of them than there was. */
static void assert_usable(const char *name, uint64_t size, bool fill)
{
	tools("inside %s \'sha256sum --quiet -c ../sums && sha256sum --quiet -c ../kept && "
	      "test $(($(stat -f -c %%b .) * $(stat -f -c %%S .))) -gt %" PRIu64
	      " && mkdir new && for i in $(seq 300); do echo $i >new/$i; done && cat ../content/deep/numbers "
	      ">more && "
	      "cmp more ../content/deep/numbers && %s && "
	      "sha256sum --quiet -c ../sums && test $(cat new/77) = 77'",
	      name, size / 100 * 95 - 64 * KiB,
	      fill ? "{ ! cat /dev/zero >zeros 2>../full.log; } && grep -q space ../full.log && "
		     "test $(stat -f -c %a .) -lt 200 && rm zeros && "
		     "{ seq 1 3000000 >numbers || :; } && seq 1 3000000 | head -c $(stat -c %s numbers) | cmp "
		     "- numbers"
		   : ":");
	tools("sound %s", name);
}

struct row {
	const char *name;
	const char *mkntfs;
	uint64_t from, to;
	enum { QUICK, LONG } when;
	bool fill;
};

static const struct row rows[] = {
	{ "100M to 300M", "", 100 * MiB, 300 * MiB },
	{ "40M to 120M, filled", "", 40 * MiB, 120 * MiB, QUICK, true },
	{ "6G to 20G", "", 6 * GiB, 20 * GiB },
	{ "6G to 2T", "", 6 * GiB, 2 * TiB },
	{ "the smallest", "", 2 * MiB + 512 * KiB, 40 * MiB, QUICK, true },
	{ "clusters of 512", "-c 512", 40 * MiB, 90 * MiB, QUICK, true },
	{ "clusters of 512, 50G", "-c 512", 100 * MiB, 50 * GiB },
	{ "clusters of 1K", "-c 1024", 100 * MiB, 777 * MiB + 1024 },
	{ "clusters of 2K", "-c 2048", 100 * MiB, 3 * GiB },
	{ "clusters of 8K", "-c 8192", 100 * MiB, 1 * GiB },
	{ "clusters of 16K", "-c 16384", 100 * MiB, 1 * GiB },
	{ "clusters of 64K", "-c 65536", 60 * MiB, 160 * MiB, QUICK, true },
	{ "clusters of 64K, 2T", "-c 65536", 1 * GiB, 2 * TiB },
	{ "clusters of 128K", "-c 131072", 400 * MiB, 5 * GiB },
	{ "clusters of 2M", "-c 2097152", 1 * GiB, 50 * GiB },
	{ "sectors of 1024", "-s 1024", 100 * MiB, 1 * GiB },
	{ "sectors of 4096", "-s 4096", 40 * MiB, 120 * MiB, QUICK, true },
	{ "sectors of 4096, clusters of 64K", "-s 4096 -c 65536", 200 * MiB, 3 * GiB },
	{ "with compression enabled", "-C", 100 * MiB, 1 * GiB },
	{ "without an index", "-I", 100 * MiB, 1 * GiB },
	{ "odd sizes", "", 123 * MiB + 1536, 1 * GiB + 77 * MiB + 42496 },
	{ "sectors of 4096 that don't fill it", "-s 4096", 123 * MiB + 1536, 1 * GiB + 77 * MiB + 2560 },

	{ "clusters of 4K to 16T", "", 6 * GiB, 16 * TiB - 64 * KiB, LONG },
	{ "clusters of 512 to 1T", "-c 512", 1 * GiB, 1 * TiB, LONG },
	{ "clusters of 32K", "-c 32768", 1 * GiB, 2 * TiB, LONG },
	{ "clusters of 256K", "-c 262144", 1 * GiB, 2 * TiB, LONG },
};

static void test_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(grown_done) struct grown g;
	struct content again;

	tools("make fs %" PRIu64 " %s", row->from, row->mkntfs);
	/* 2 MiB hold little. */
	if (row->from < 10 * MiB)
		tools("inside fs \'echo five >five && mkdir deep && seq 1 9 >deep/seq && sha256sum five "
		      "deep/seq >../kept' && "
		      "mv sums all-sums && cp kept sums");
	else
		populate("fs");
	grow_ok(&g, "fs", row->to);
	assert_cheap(&g);
	tools("sound grown");
	assert_like_ntfsresize(row->to);
	assert_shows_file(g.img, disk_path("grown"));
	assert_int_equal(ntfs_content.probe(g.img, &again, NULL), 0);
	assert_true(again.size > g.content.size && again.size <= row->to && again.size + 4096 > row->to);
	assert_usable("grown", row->to, row->fill);
	sh("if test -e all-sums; then mv all-sums sums; fi");
}

/* Sizes around every boundary. */

static unsigned step(unsigned quick)
{
	return getenv("GOALFS_TEST_LONG") ? 1 : quick;
}

/* Grown, it is sound, and as large as it can be; or there was nothing to gain. */
static void assert_grows(const char *name, uint64_t to)
{
	_cleanup_(grown_done) struct grown g;
	uint64_t old_clusters, new_clusters;
	uint32_t cluster;
	uint8_t boot[80];
	int r = grow_file(&g, name, to);

	if (r < 0)
		fail_msg("%s to %" PRIu64 ": %s", name, to, g.why.text);
	assert_int_equal(image_pread(g.base, boot, sizeof(boot), 0, NULL), 0);
	cluster = get_le16(boot + 11) * boot[13];
	old_clusters = get_le64(boot + 40) / boot[13];
	new_clusters = (to / get_le16(boot + 11) - 1) / boot[13];
	if (r == CONTENT_FITS) {
		assert_true(new_clusters <= old_clusters + 1);
		return;
	}
	assert_true(new_clusters > old_clusters);
	disk_save(g.img, "grown");
	tools("sound grown && ntfsinfo -f -m grown 2>/dev/null | grep -q 'in Clusters: %" PRIu64 "$' || "
	      "{ echo %" PRIu64 " clusters of %" PRIu32 " >&2; exit 1; }",
	      new_clusters, new_clusters, cluster);
}

/* A byte of $Bitmap is 8 clusters, its size is rounded to 64, a cluster of it holds 4096. */
static void test_sizes_around_the_boundaries_of_the_bitmap(void **state)
{
	const uint64_t around[] = { 10 * MiB, 10 * MiB + 32 * KiB, 12 * MiB, 14 * MiB };

	tools("make fs 10M -c 512");
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++)
		for (int sectors = -9; sectors <= 10; sectors += (int)step(i ? 2 : 4))
			if (i || sectors >= 0)
				assert_grows("fs", around[i] + (uint64_t)(sectors * 512 + (sectors & 2) * 100));
}

static void test_old_sizes_around_the_boundaries_of_the_bitmap(void **state)
{
	for (int sectors = -8; sectors <= 8; sectors += (int)step(2)) {
		tools("make fs $((12 * 1024 * 1024 + %d * 512)) -c 512", sectors);
		assert_grows("fs", 12 * MiB + 20 * 512);
		assert_grows("fs", 30 * MiB);
	}
}

static void test_sizes_in_steps_of_a_mebibyte(void **state)
{
	tools("make fs 100M");
	for (unsigned more = 1; more < 60; more += step(13))
		assert_grows("fs", (100 + more) * MiB);
	/* A cluster of $Bitmap holds 128 MiB here. */
	for (int sectors = -9; sectors <= 18; sectors += (int)step(6))
		assert_grows("fs", 128 * MiB + (uint64_t)(sectors * 512));
}

static void test_sizes_around_2_tebibytes(void **state)
{
	tools("make fs 100M -c 65536");
	assert_grows("fs", 2 * TiB - 512);
	assert_grows("fs", 2 * TiB + 512);
	assert_grows("fs", 2 * TiB + 65536);
}

/* Growing, other than that it is right. */

static void test_grows_again_what_it_has_grown(void **state)
{
	static const uint64_t sizes[] = { 130 * MiB, 131 * MiB, 400 * MiB, 5 * GiB, 70 * GiB };

	tools("make fs 100M");
	populate("fs");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		_cleanup_(grown_done) struct grown g;

		grow_ok(&g, "fs", sizes[i]);
		/* As Windows does, once it has checked it. */
		tools("sound grown && mv grown fs && ntfsfix -d fs >fix.log && "
		      "inside fs 'sha256sum --quiet -c ../sums && echo %zu >file%zu'",
		      i, i);
	}
}

static void test_grows_what_ntfsresize_has_grown(void **state)
{
	_cleanup_(grown_done) struct grown g;

	tools("make fs 100M -c 1024 && truncate -s 333M fs");
	tools("ntfsresize -f -f -P fs </dev/null >real.log 2>&1 && ntfsfix -d fs >fix.log");
	populate("fs");
	grow_ok(&g, "fs", 2 * GiB);
	assert_usable("grown", 2 * GiB, /* fill= */ false);
}

static void test_is_deterministic(void **state)
{
	_cleanup_(grown_done) struct grown a, b;
	_cleanup_free_ uint8_t *buf = malloc(2 * MiB);

	tools("make fs 100M");
	assert_int_equal(grow_file(&a, "fs", 20 * GiB), 0);
	assert_int_equal(grow_file(&b, "fs", 20 * GiB), 0);
	for (uint64_t at = 0; at < a.img->size;) {
		struct extent e = image_extent(a.img, at), f = image_extent(b.img, at);
		size_t n = min_u64(e.length, MiB);

		assert_int_equal(e.kind, f.kind);
		assert_int_equal(e.length, f.length);
		if (e.kind == EXTENT_DATA) {
			assert_int_equal(image_pread(a.img, buf, n, at, NULL), 0);
			assert_int_equal(image_pread(b.img, buf + MiB, n, at, NULL), 0);
			assert_memory_equal(buf, buf + MiB, n);
		}
		at += e.kind == EXTENT_DATA ? n : e.length;
	}
}

static void test_hides_what_stood_behind(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t buf[4096];

	tools("make fs 100M && head -c 3M /dev/urandom >>fs");
	grow_ok(&g, "fs", 300 * MiB);
	assert_int_equal(image_pread(g.img, buf, sizeof(buf), 102 * MiB, NULL), 0);
	assert_true(bytes_are_zero(buf, sizeof(buf)));
	/* The old copy of the boot sector. */
	assert_int_equal(image_pread(g.img, buf, 512, 100 * MiB - 512, NULL), 0);
	assert_true(bytes_are_zero(buf, 512));
	tools("sound grown");
}

static void test_leaves_the_check_to_windows(void **state)
{
	_cleanup_(grown_done) struct grown g;

	tools("make fs 100M");
	grow_ok(&g, "fs", 300 * MiB);
	tools("ntfsinfo -f -m grown 2>/dev/null | grep -q 'Volume Flags: 0x0001 DIRTY' && "
	      "ntfscat -f grown '$LogFile' 2>/dev/null | tr -d '\\377' | cmp - /dev/null");
}

static void test_fits_when_nothing_is_gained(void **state)
{
	static const struct {
		const char *make;
		uint64_t to;
		int result;
	} cases[] = {
		{ "make fs 100M", 100 * MiB, CONTENT_FITS },
		{ "make fs 100M", 100 * MiB + 511, CONTENT_FITS },
		/* The copy of the boot sector had a cluster's place for itself. */
		{ "make fs 100M", 100 * MiB + 512, 0 },
		/* A cluster more: all bits of $Bitmap are used up. Another one would go into $Bitmap alone. */
		{ "make fs 12582912 -c 512", 12 * MiB + 512, 0 },
		{ "make fs 12583424 -c 512", 12 * MiB + 1024, CONTENT_FITS },
		{ "make fs 12583424 -c 512", 12 * MiB + 1536, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(grown_done) struct grown g;

		tools("%s", cases[i].make);
		assert_int_equal(grow_file(&g, "fs", cases[i].to), cases[i].result);
	}
}

static void test_describes_the_growth(void **state)
{
	_cleanup_(grown_done) struct grown g;

	tools("make fs 100M");
	assert_int_equal(grow_file(&g, "fs", 300 * MiB), 0);
	assert_string_equal(g.describe,
			    "ntfs grown from 100M to 300M, 25599 to 76799 clusters; Windows checks it "
			    "once when it starts");
}

/* The directory repeats the bitmap's sizes. */
static void test_changes_the_directory_too(void **state)
{
	for (int many = 0; many < 2; many++) {
		_cleanup_(grown_done) struct grown g;
		struct ntfs_volume v;
		struct ntfs_root root;
		struct ntfs_entry entry;
		const struct disk_ntfs_name *name;

		tools("make fs 100M && if test %d = 1; then inside fs 'mkdir $(seq 2000)'; fi", many);
		grow_ok(&g, "fs", 3 * GiB);
		tools("sound grown");
		assert_int_equal(ntfs_volume_open(g.img, &v, NULL), 0);
		assert_int_equal(ntfs_root_open(&v, &root, NULL), 0);
		assert_int_equal(ntfs_root_find(&v, &root, "$bitMAP", &entry, NULL), 0);
		assert_int_equal(entry.file, NTFS_BITMAP);
		name = (const void *)((entry.in_record ? root.rec.bytes : root.block) + entry.at);
		assert_int_equal(get_le64(name->size), align_up(3 * GiB / 4096 / 8, 8));
		assert_int_equal(get_le64(name->allocated), align_up(3 * GiB / 4096 / 8, 4096));
		assert_int_equal(ntfs_root_find(&v, &root, "no-such-file", &entry, NULL), 1);
		ntfs_root_done(&root);
		ntfs_volume_done(&v);
	}
}

/* Probing. */

static void test_refuses_a_truncated_image(void **state)
{
	_cleanup_(grown_done) struct grown g, h;

	tools("make fs 64M && truncate -s 60M fs");
	assert_int_equal(grow_file(&g, "fs", 1 * GiB), -EBADMSG);
	assert_string_equal(g.why.text, "ntfs takes 67108352, but there are only 60M: truncated image");
	/* Only the copy of the boot sector is lacking: some tools make images like that. */
	tools("make fs 64M && truncate -s 67108352 fs");
	assert_int_equal(grow_file(&h, "fs", 1 * GiB), 0);
	assert_int_equal(h.content.size, 64 * MiB - 512);
}

/* What Windows keeps back. */

static void assert_refused(const char *name, int error, const char *sentence)
{
	_cleanup_(grown_done) struct grown g;
	int r = grow_file(&g, name, 1 * GiB);

	if (r != error || !strstr(g.why.text, sentence))
		fail_msg("got %d, '%s'; want %d, '%s'", r, g.why.text, error, sentence);
}

static void assert_accepted(const char *name)
{
	_cleanup_(grown_done) struct grown g;

	if (grow_file(&g, name, 1 * GiB) != 0)
		fail_msg("%s", g.why.text);
}

/* Hibernation, whatever the root directory looks like: `others` are names beside it. */
static void check_hibernation(const char *mkntfs, const char *others)
{
	tools("make fs 100M %s && inside fs '%s && { printf wake; head -c 8K /dev/zero; } >hiberfil.sys' "
	      "&& "
	      "ntfs-3g.probe --readwrite fs",
	      mkntfs, others);
	assert_accepted("fs");
	tools("inside fs 'printf hibr | dd of=hiberfil.sys conv=notrunc status=none' && "
	      "{ ntfs-3g.probe --readwrite fs 2>probe.log; test $? = 14; }");
	assert_refused(
		"fs", -EOPNOTSUPP,
		"Windows is hibernated, and keeps a part of this ntfs in its memory; start it once and shut "
		"it down");
}

static void test_refuses_a_hibernated_windows(void **state)
{
	check_hibernation("", ":");
	check_hibernation("", "mkdir $(seq 3000)");
	check_hibernation("", "mkdir $(seq -f hh%g 300) $(seq -f Gg%g 300) $(seq -f \\303\\234%g 300)");
	/* Its record is far in an $MFT of many pieces. */
	check_hibernation("-c 512", "for i in $(seq 1000); do seq $((i * 7 % 300)) >f$i; done");
	check_hibernation("-c 65536", "mkdir $(seq 1000)");
	check_hibernation("-s 4096", "mkdir $(seq 1000)");
	tools("make fs 20M && inside fs '{ printf HIBR; head -c 8K /dev/zero; } >HiberFil.SYS'");
	assert_refused("fs", -EOPNOTSUPP, "Windows is hibernated, and keeps");
	tools("make fs 20M && inside fs 'echo hibr >hiberfil.sys' && "
	      "{ ntfs-3g.probe --readwrite fs 2>probe.log; test $? = 14; }");
	assert_refused("fs", -EOPNOTSUPP, "a Windows on another volume is hibernated");
	tools("make fs 20M && inside fs 'truncate -s 8K hiberfil.sys'");
	assert_refused("fs", -EOPNOTSUPP,
		       "hiberfil.sys of this ntfs can't be read here, so that nobody knows whether Windows is "
		       "hibernated");
}

static void test_refuses_a_dirty_volume(void **state)
{
	_cleanup_(grown_done) struct grown g;

	tools("make fs 100M");
	grow_ok(&g, "fs", 200 * MiB);
	assert_refused(
		"grown", -EOPNOTSUPP,
		"ntfs is marked as dirty: Windows wants to check it first; start it once or run chkdsk /f");
}

/* A volume in memory, changed in one place. */

struct volume {
	uint8_t *bytes;
	size_t count;
	uint32_t cluster, record;
};

static void volume_done(struct volume *v)
{
	free(v->bytes);
}

static void load(struct volume *v, const char *name)
{
	_cleanup_close_ int fd = open(disk_path(name), O_RDONLY | O_CLOEXEC);
	struct ntfs_boot b;
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	v->count = st.st_size;
	v->bytes = malloc(v->count);
	assert_non_null(v->bytes);
	assert_int_equal(read(fd, v->bytes, v->count), v->count);
	assert_true(ntfs_boot_parse(v->bytes, &b));
	v->cluster = b.cluster;
	v->record = b.record;
}

static void store(const struct volume *v, const char *name)
{
	_cleanup_close_ int fd = open(disk_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, v->bytes, v->count), v->count);
}

/* Of a new volume: all of $MFT is in one piece. */
static uint8_t *place_of(const struct volume *v, uint64_t number)
{
	return v->bytes + get_le64(v->bytes + 48) * v->cluster + number * v->record;
}

static void take_out(const struct volume *v, uint64_t number, struct ntfs_record *rec)
{
	*rec = (struct ntfs_record){ .number = number, .size = v->record };
	memcpy(rec->bytes, place_of(v, number), rec->size);
	assert_int_equal(ntfs_record_check(rec, NULL), 0);
}

/* And its copy. */
static void put_back(const struct volume *v, struct ntfs_record *rec)
{
	ntfs_sequence_redo(rec->bytes, rec->size);
	memcpy(place_of(v, rec->number), rec->bytes, rec->size);
	if (rec->number < 4)
		memcpy(v->bytes + get_le64(v->bytes + 56) * v->cluster + rec->number * rec->size, rec->bytes,
		       rec->size);
}

static int grow_memory(struct grown *g, const struct volume *v)
{
	return grow_image(g, memimage_new(v->bytes, v->count, v->count), 80 * MiB);
}

static void assert_volume_refused(const struct volume *v, int error, const char *sentence)
{
	_cleanup_(grown_done) struct grown g;
	int r = grow_memory(&g, v);

	if (r != error || !strstr(g.why.text, sentence))
		fail_msg("got %d, '%s'; want %d, '%s'", r, g.why.text, error, sentence);
}

struct change {
	enum ntfs_file file;
	enum ntfs_type type;
	const char *name;
	unsigned at; /* from the attribute's start */
	uint64_t set;
	unsigned bytes;
	int error;
	const char *sentence;
};

#define FLAGS 12
#define INFO  24 /* the value of $Volume's information */

static void test_refuses_by_the_attributes(void **state)
{
	static const struct change changes[] = {
		{ NTFS_VOLUME, NTFS_VOLUME_INFORMATION, "", INFO + 8, 1, 1, -EOPNOTSUPP,
		  "ntfs of version 1.1 is not known here" },
		{ NTFS_VOLUME, NTFS_VOLUME_INFORMATION, "", INFO + 9, 2, 1, -EOPNOTSUPP,
		  "ntfs of version 3.2 is not known here" },
		{ NTFS_VOLUME, NTFS_VOLUME_INFORMATION, "", INFO + 10, 1, 2, -EOPNOTSUPP, "marked as dirty" },
		{ NTFS_VOLUME, NTFS_VOLUME_INFORMATION, "", INFO + 10, 0x4000, 2, -EOPNOTSUPP,
		  "chkdsk was at work" },
		{ NTFS_VOLUME, NTFS_VOLUME_INFORMATION, "", INFO + 10, 0x8000, 2, 0, "" },
		{ NTFS_VOLUME, NTFS_VOLUME_INFORMATION, "", 16, 4, 4, -EBADMSG,
		  "damaged attribute 0x70 of $Volume" },
		{ NTFS_BITMAP, NTFS_DATA, "", FLAGS, 1, 2, -EOPNOTSUPP,
		  "compressed, encrypted or sparse $Bitmap" },
		{ NTFS_BAD, NTFS_DATA, "$Bad", FLAGS, 0x8000, 2, -EOPNOTSUPP, "sparse $BadClus" },
		{ NTFS_LOG, NTFS_DATA, "", FLAGS, 0x4000, 2, -EOPNOTSUPP, "encrypted or sparse $LogFile" },
		{ NTFS_MFT, NTFS_DATA, "", FLAGS, 1, 2, -EOPNOTSUPP, "sparse $MFT" },
		{ NTFS_MFT_MIRROR, NTFS_DATA, "", FLAGS, 1, 2, -EOPNOTSUPP, "sparse $MFTMirr" },
		{ NTFS_BITMAP, NTFS_DATA, "", 16, 1, 8, -EOPNOTSUPP, "$Bitmap spread over several records" },
		{ NTFS_BITMAP, NTFS_DATA, "", 24, 7, 8, -EBADMSG, "sizes of $Bitmap that don't fit its runs" },
		{ NTFS_BITMAP, NTFS_DATA, "", 40, 8192, 8, -EBADMSG, "sizes of $Bitmap" },
		{ NTFS_BITMAP, NTFS_DATA, "", 48, 8, 8, -EBADMSG, "sizes of $Bitmap" },
		{ NTFS_BITMAP, NTFS_DATA, "", 56, 8, 8, -EBADMSG, "(8 of them written)" },
		{ NTFS_BITMAP, NTFS_DATA, "", 32, 72, 2, -EBADMSG, "damaged record of $Bitmap" },
		{ NTFS_BITMAP, NTFS_DATA, "", 64, 0, 1, -EBADMSG, "sizes of $Bitmap" },
		{ NTFS_BITMAP, NTFS_DATA, "", 64, 0x01, 1, -EBADMSG, "without holes|$Bitmap with holes|runs" },
		{ NTFS_BITMAP, NTFS_DATA, "", 64, 0xFF, 1, -EBADMSG, "list of runs that is damaged" },
		{ NTFS_BITMAP, NTFS_DATA, "", 66, 0x7FFF, 2, -EBADMSG, "outside of its" },
		{ NTFS_BAD, NTFS_DATA, "$Bad", 9, 3, 1, -EBADMSG, "lacks attribute 0x80 of $BadClus" },
	};
	_cleanup_(volume_done) struct volume v = { 0 };

	tools("make fs 20M");
	load(&v, "fs");
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *c = &changes[i];
		struct ntfs_record rec, changed;
		uint8_t set[8];

		take_out(&v, c->file, &rec);
		changed = rec;
		put_le64(set, c->set);
		memcpy((uint8_t *)ntfs_record_find(&changed, c->type, c->name) + c->at, set, c->bytes);
		put_back(&v, &changed);
		if (c->error)
			assert_volume_refused(&v, c->error, strchr(c->sentence, '|') ? "runs" : c->sentence);
		put_back(&v, &rec);
	}
}

/* An attribute list, with nothing in it, takes the place of the file's name; the data are of no known type. */
static void test_refuses_data_in_other_records(void **state)
{
	static const struct {
		enum ntfs_file file;
		const char *name, *sentence;
	} cases[] = {
		{ NTFS_BITMAP, "", "ntfs with $Bitmap spread over several records is not known here" },
		{ NTFS_BAD, "$Bad", "ntfs with $BadClus spread over several records is not known here" },
		{ NTFS_MFT, "", "ntfs with $MFT spread over several records is not known here" },
		{ NTFS_LOG, "", "ntfs with $LogFile spread over several records is not known here" },
	};
	_cleanup_(volume_done) struct volume v = { 0 };

	tools("make fs 20M");
	load(&v, "fs");
	for (int i = 0; i < 4; i++) {
		struct ntfs_record rec, changed;

		take_out(&v, cases[i].file, &rec);
		changed = rec;
		put_le32(ntfs_record_find(&changed, 0x30, "")->type, NTFS_ATTRIBUTE_LIST);
		put_le32(ntfs_record_find(&changed, NTFS_DATA, cases[i].name)->type, 0x81);
		put_back(&v, &changed);
		assert_volume_refused(&v, -EOPNOTSUPP, cases[i].sentence);
		/* Only the beginning of it. */
		changed = rec;
		put_le32(ntfs_record_find(&changed, 0x30, "")->type, NTFS_ATTRIBUTE_LIST);
		put_le64((uint8_t *)ntfs_record_find(&changed, NTFS_DATA, cases[i].name) + 40, GiB);
		ntfs_sequence_redo(changed.bytes, changed.size);
		assert_int_equal(ntfs_sequence_undo(changed.bytes, changed.size, "", NULL), 0);
		put_back(&v, &changed);
		/* What is needed of $MFT is there. */
		if (cases[i].file == NTFS_BITMAP || cases[i].file == NTFS_LOG)
			assert_volume_refused(&v, -EOPNOTSUPP, cases[i].sentence);
		put_back(&v, &rec);
	}
}

static void test_refuses_a_bitmap_inside_its_record(void **state)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	struct disk_ntfs_attribute *a;
	struct ntfs_record rec;

	tools("make fs 20M");
	load(&v, "fs");
	take_out(&v, NTFS_BITMAP, &rec);
	a = ntfs_record_find(&rec, NTFS_DATA, "");
	a->non_resident = 0;
	put_le32((uint8_t *)a + 16, 8);
	put_le16((uint8_t *)a + 20, 24);
	put_back(&v, &rec);
	assert_volume_refused(&v, -EOPNOTSUPP, "ntfs with $Bitmap inside of its record is not known here");
}

static void test_refuses_bad_clusters(void **state)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	struct ntfs_stream s;
	struct ntfs_record rec;

	tools("make fs 20M");
	load(&v, "fs");
	take_out(&v, NTFS_BAD, &rec);
	assert_int_equal(ntfs_record_stream(&rec, NTFS_DATA, "$Bad", v.cluster, 5119, &s, NULL), 0);
	s.runs.run[0].length -= 20;
	s.runs.clusters -= 20;
	assert_int_equal(ntfs_runs_append(&s.runs, 4000, 1), 0);
	assert_int_equal(ntfs_runs_append(&s.runs, NTFS_HOLE, 19), 0);
	assert_int_equal(
		ntfs_record_replace(&rec, ntfs_record_find(&rec, NTFS_DATA, "$Bad"), v.cluster, &s, NULL), 0);
	ntfs_stream_done(&s);
	put_back(&v, &rec);
	store(&v, "bad");
	tools("ntfsresize -i -f bad 2>&1 | grep -q 'at least 1 bad sector'");
	assert_volume_refused(&v, -EOPNOTSUPP, "ntfs with bad clusters must not be grown");
}

/* All blocks of the directory have the same damage: any of them may be the one that is looked into. */
static void test_refuses_a_damaged_directory(void **state)
{
	static const struct {
		unsigned at;
		uint8_t set;
		const char *sentence;
	} changes[] = {
		{ 0, 'B', "damaged root directory" }, { 4, 0, "update sequence" },
		{ 6, 1, "update sequence" },	      { 16, 0x77, "damaged root directory" },
		{ 24, 1, "damaged root directory" },  { 25, 0xff, "damaged root directory" },
		{ 30, 1, "damaged root directory" },  { 510, 0xaa, "not written all" },
	};
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_free_ uint8_t *before = NULL;
	struct ntfs_stream s;
	struct ntfs_record rec;

	tools("make fs 5M && inside fs 'mkdir $(seq 100)'");
	load(&v, "fs");
	before = malloc(v.count);
	memcpy(before, v.bytes, v.count);
	take_out(&v, NTFS_ROOT, &rec);
	assert_int_equal(ntfs_record_stream(&rec, NTFS_INDEX_ALLOCATION, "$I30", v.cluster, 1279, &s, NULL), 0);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		for (size_t run = 0; run < s.runs.n; run++)
			for (uint64_t n = 0; n < s.runs.run[run].length; n++)
				v.bytes[(s.runs.run[run].cluster + n) * 4096 + changes[i].at] = changes[i].set;
		assert_volume_refused(&v, -EBADMSG, changes[i].sentence);
		memcpy(v.bytes, before, v.count);
	}
	ntfs_stream_done(&s);
}

/* The file's name takes all the room that is left in the record. */
static void test_refuses_a_full_record(void **state)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_(grown_done) struct grown g;
	struct disk_ntfs_attribute *a;
	struct ntfs_record rec;
	uint32_t used, more;
	uint8_t *end;

	tools("make fs 12582912 -c 512");
	load(&v, "fs");
	take_out(&v, NTFS_BITMAP, &rec);
	used = get_le32(rec.bytes + 24);
	more = rec.size - used;
	a = ntfs_record_find(&rec, 0x30, "");
	end = (uint8_t *)a + get_le32(a->length);
	memmove(end + more, end, (size_t)(rec.bytes + used - end));
	memset(end, 0, more);
	put_le32(a->length, get_le32(a->length) + more);
	put_le32(rec.bytes + 24, used + more);
	put_back(&v, &rec);
	assert_int_equal(grow_memory(&g, &v), -EOPNOTSUPP);
	assert_string_equal(g.why.text, "ntfs has no room in the record of $Bitmap for one more run");
}

static void test_refuses_what_its_numbers_cannot_count(void **state)
{
	_cleanup_(grown_done) struct grown g, h;

	tools("make fs 100M -c 512");
	assert_int_equal(grow_file(&g, "fs", 2 * TiB + 512), -EOPNOTSUPP);
	assert_string_equal(
		g.why.text,
		"ntfs with clusters of 512 bytes can grow to 2T at most: there are no more numbers for them");
	assert_int_equal(grow_file(&h, "fs", 2 * TiB), 0);
}

static void test_refuses_small_sectors(void **state)
{
	_cleanup_(volume_done) struct volume v = { 0 };

	tools("make fs 20M");
	load(&v, "fs");
	put_le64(v.bytes + 40, get_le64(v.bytes + 40) * 2);
	put_le16(v.bytes + 11, 256);
	v.bytes[13] = 16;
	assert_volume_refused(&v, -EOPNOTSUPP, "ntfs with sectors of 256 bytes is not known here");
}

static void test_refuses_logical_volumes(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL;
	struct content c = { .ops = &ntfs_content };
	struct map_draft *draft;
	struct why why;

	tools("make fs 20M");
	base = disk_open("fs");
	draft = map_draft_new(base->size, base);
	assert_int_equal(
		ntfs_content.grow(base, &c, &(struct growth){ .volume = "VG-root" }, draft, NULL, &why),
		-EOPNOTSUPP);
	assert_string_equal(why.text, "ntfs has no logical volumes: there is no 'VG-root'");
	map_draft_free(draft);
}

/* The log. */

struct page {
	uint64_t at, lsn;
	const char *magic; /* default: "RSTR" */
	unsigned version;  /* 0xMMmm; default: 1.1 */
	uint16_t flags;
	bool in_use, torn;
};

/* As Windows writes it: pages of 4 KiB, one client. */
static void write_page(uint8_t *log, const struct page *p)
{
	uint8_t *page = log + p->at;
	struct disk_ntfs_restart_page *disk = (void *)page;
	uint8_t *area = page + 0x30;

	memset(page, 0, 4096);
	memcpy(disk->block.magic, p->magic ?: "RSTR", 4);
	put_le16(disk->block.sequence_at, 0x1e);
	put_le16(disk->block.sequence_count, 9);
	put_le32(disk->page_size, 4096);
	put_le32(disk->log_page_size, 4096);
	put_le16(disk->area_at, 0x30);
	put_le16(disk->minor, (p->version ?: 0x101) & 0xff);
	put_le16(disk->major, (uint16_t)((p->version ?: 0x101) >> 8));
	put_le64(area, p->lsn);
	put_le16(area + 8, 1);
	put_le16(area + 10, p->in_use ? 0xffff : 0);
	put_le16(area + 12, p->in_use ? 0 : 0xffff);
	put_le16(area + 14, p->flags);
	put_le32(area + 16, 67 - 20); /* for a log of 512 KiB */
	put_le16(area + 20, 0x40 + 160);
	put_le16(area + 22, 0x40);
	put_le64(area + 24, 512 * KiB);
	put_le16(area + 0x40 + 16, 0xffff); /* the client's neighbours: none */
	put_le16(area + 0x40 + 18, 0xffff);
	ntfs_sequence_redo(page, 4096);
	if (p->torn)
		put_le16(page + 4094, 0x7777);
}

/* What ntfs-3g says of it: 0, 14 hibernated, 15 unclean. */
static void check_log(struct volume *v, uint8_t *log, const struct page *one, const struct page *two, int probe,
		      const char *sentence)
{
	_cleanup_free_ uint8_t *before = malloc(8192);

	memcpy(before, log, 8192);
	if (one)
		write_page(log, one);
	if (two)
		write_page(log, two);
	store(v, "logged");
	tools("ntfs-3g.probe --readwrite logged 2>probe.log; status=$?\n"
	      "test $status = %d || { echo $status >&2; cat probe.log >&2; exit 1; }",
	      probe);
	if (sentence) {
		assert_volume_refused(v, -EOPNOTSUPP, sentence);
	} else {
		_cleanup_(grown_done) struct grown g;

		if (grow_memory(&g, v) != 0)
			fail_msg("%s", g.why.text);
		disk_save(g.img, "grown");
		tools("sound grown && ntfscat -f grown '$LogFile' 2>ntfscat.log | tr -d '\\377' | cmp - "
		      "/dev/null");
	}
	memcpy(log, before, 8192);
}

#define PAGE(...) (&(struct page){ __VA_ARGS__ })
#define SECOND	  .at = 4096

static void test_the_newer_page_of_the_log_decides(void **state)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	struct ntfs_stream s;
	struct ntfs_record rec;
	uint8_t *log;

	tools("make fs 20M");
	load(&v, "fs");
	take_out(&v, NTFS_LOG, &rec);
	assert_int_equal(ntfs_record_stream(&rec, NTFS_DATA, "", v.cluster, 5119, &s, NULL), 0);
	log = v.bytes + s.runs.run[0].cluster * v.cluster;
	ntfs_stream_done(&s);
	check_log(&v, log, PAGE(.lsn = 7), PAGE(SECOND, .lsn = 5), 0, NULL);
	check_log(&v, log, PAGE(.lsn = 7), NULL, 0, NULL);
	check_log(&v, log, NULL, PAGE(SECOND, .lsn = 7), 0, NULL);
	check_log(&v, log, PAGE(.lsn = 7, .in_use = true), PAGE(SECOND, .lsn = 5), 15,
		  "must be replayed first");
	check_log(&v, log, PAGE(.lsn = 5), PAGE(SECOND, .lsn = 7, .in_use = true), 15,
		  "must be replayed first");
	check_log(&v, log, PAGE(.lsn = 5, .in_use = true), PAGE(SECOND, .lsn = 7), 0, NULL);
	check_log(&v, log, PAGE(.lsn = 5, .in_use = true, .flags = 2), NULL, 0, NULL);
	check_log(&v, log, PAGE(.lsn = 7, .version = 0x200), NULL, 14, "put to sleep (fast startup)");
	check_log(&v, log, PAGE(.lsn = 7, .version = 0x300), PAGE(SECOND, .lsn = 3, .version = 0x300), 15,
		  "log of version 3.0 is not known");
	check_log(&v, log, PAGE(.magic = "CHKD", .lsn = 7), NULL, 0, NULL);
	memset(log, 0, 4096);
	check_log(&v, log, NULL, NULL, 15, "nobody knows whether it has to be replayed");
	memcpy(log, "RCRD", 4);
	check_log(&v, log, NULL, NULL, 15, "nobody knows whether it has to be replayed");
	check_log(&v, log, PAGE(.lsn = 7, .torn = true), NULL, 15,
		  "nobody knows whether it has to be replayed");
	check_log(&v, log, PAGE(.lsn = 7, .torn = true), PAGE(SECOND, .lsn = 5), 15,
		  "nobody knows whether it has to be replayed");
}

/* Moving. */

static int move_file(struct image *base, uint64_t from, uint64_t to, struct image **ret, struct why *why)
{
	struct map_draft *draft = map_draft_new(base->size, base);
	struct content c;
	int r;

	assert_int_equal(ntfs_content.probe(base, &c, NULL), 0);
	r = ntfs_content.move(base, &c, from, to, draft, why);
	if (r < 0) {
		map_draft_free(draft);
		return r;
	}
	return map_seal(draft, "test", NULL, ret, why);
}

static void check_move(const char *make, uint64_t from, uint64_t to, uint32_t hidden)
{
	_cleanup_(image_unrefp) struct image *base = NULL, *img = NULL;
	struct why why;

	tools("%s", make);
	base = disk_open("fs");
	assert_int_equal(move_file(base, from, to, &img, &why), 0);
	disk_save(img, "grown");
	tools("sound grown && test \"$(od -An -t u4 -j 28 -N 4 grown)\" -eq %" PRIu32 " && "
	      "test \"$(od -An -t u4 -j $(($(stat -c %%s grown) - 512 + 28)) -N 4 grown)\" -eq %" PRIu32,
	      hidden, hidden);
}

static void test_move_changes_both_boot_sectors(void **state)
{
	_cleanup_(image_unrefp) struct image *base = NULL, *img = NULL;
	struct why why;

	check_move("make fs 20M -p 2048", MiB, 5 * MiB, 10240);
	/* It has never said where it is. */
	check_move("make fs 20M", MiB, 5 * MiB, 0);
	check_move("make fs 20M -p 63", MiB, 5 * MiB, 63);
	/* The copy stands at the end of the partition, not behind the last sector that counts. */
	check_move("make fs 20M -p 2048 && ntfsresize -f -f -P -s 15000064 fs >real.log 2>&1 && ntfsfix -d fs "
		   ">fix.log",
		   MiB, 5 * MiB, 10240);
	tools("make fs 20M -p 2048");
	base = disk_open("fs");
	assert_int_equal(move_file(base, MiB, 3 * TiB, &img, &why), -EOPNOTSUPP);
	assert_string_equal(
		why.text, "ntfs can't be moved to byte 3298534883328: its boot sector has no number for that");
}

/* On a disk. */

static void test_grows_in_its_partition(void **state)
{
	_cleanup_(image_unrefp) struct image *below = NULL, *img = NULL, *refused = NULL;
	struct why why = { "" };

	tools("make fs 20M -p 2048 && inside fs 'seq 1 1000 >numbers' && rm -f disk && truncate -s 22M disk && "
	      "sgdisk -n 1:2048:43007 -t 1:0700 disk >sgdisk.log && "
	      "dd if=fs of=disk bs=1M seek=1 conv=notrunc,sparse status=none");
	below = disk_open("disk");
	assert_int_equal(resize_open(&(struct resize){ .size = 300 * MiB, .partition = 1 }, below, &img, &why),
			 0);
	disk_save(img, "disk-grown");
	tools("sgdisk -v disk-grown | grep -q 'No problems found' && "
	      "dd if=disk-grown of=grown bs=1M skip=1 count=298 conv=sparse status=none && sound grown && "
	      "inside grown 'test $(tail -n 1 numbers) = 1000 && test $(df --output=size -m . | tail -n 1) -ge "
	      "296'");
	assert_int_equal(
		resize_open(&(struct resize){ .size = 400 * MiB, .partition = 1 }, img, &refused, &why),
		-EOPNOTSUPP);
	assert_string_equal(
		why.text,
		"partition 1: ntfs is marked as dirty: Windows wants to check it first; start it once or run "
		"chkdsk /f; @content=none grows disk and partition and leaves the rest to the guest, "
		"@expand=none grows the disk alone");
}

/* What is free. */

struct sparse {
	struct image *base, *img;
	struct unused u;
	struct read_count reads;
	struct why why;
};

static void sparse_done(struct sparse *s)
{
	image_unref(s->img);
	image_unref(s->base);
}

static int make_sparse(struct sparse *s, struct image *base)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(base->size, base);
	struct content c;
	int r;

	*s = (struct sparse){ .base = base };
	assert_int_equal(ntfs_content.probe(base, &c, NULL), 0);
	unused_begin(&s->u, draft, 0);
	r = ntfs_content.unused(base, &c, &s->u, &s->why);
	s->reads = testimage_count(base);
	if (r < 0)
		return r;
	unused_end(&s->u);
	return map_seal(take(draft), "sparse", NULL, &s->img, &s->why);
}

/* All that is free is zeros, then; and it grows on that. */
static void check_unused(const char *mkntfs)
{
	_cleanup_(sparse_done) struct sparse s;
	_cleanup_(grown_done) struct grown g;
	_cleanup_free_ char *free_bytes = NULL;

	tools("rm -f fs && openssl enc -aes-128-ctr -pass pass:x -nosalt -pbkdf2 </dev/zero 2>/dev/null | "
	      "head -c 60M >fs && mkntfs -F -Q -q %s fs >make.log 2>&1",
	      mkntfs);
	populate("fs");
	free_bytes = sh_text(". ./tools && inside fs 'echo $(($(stat -f -c %%f .) * $(stat -f -c %%S .)))'");
	assert_int_equal(make_sparse(&s, disk_open("fs")), 0);
	assert_int_equal(s.u.bytes, strtoull(free_bytes, NULL, 10));
	disk_save(s.img, "grown");
	tools("sound grown && inside grown 'sha256sum --quiet -c ../sums && sha256sum --quiet -c ../kept'");
	assert_int_equal(grow_image(&g, image_ref(s.img), 200 * MiB), 0);
	disk_save(g.img, "grown");
	tools("sound grown");
	assert_usable("grown", 200 * MiB, /* fill= */ false);
}

static void test_free_clusters_need_not_be_there(void **state)
{
	check_unused("");
	check_unused("-c 512");
	check_unused("-c 65536");
	check_unused("-s 4096");
}

static void test_zeros_of_the_bitmap_are_not_read(void **state)
{
	_cleanup_(sparse_done) struct sparse s;

	tools("make fs 200G && fallocate -d fs");
	assert_int_equal(make_sparse(&s, disk_open("fs")), 0);
	assert_true(s.u.bytes > 199 * GiB);
	/* Of 6.25 MiB. */
	assert_true(s.reads.bytes < 128 * KiB);
}

static void test_nothing_is_free_unless_it_is_clean(void **state)
{
	_cleanup_(grown_done) struct grown g;
	_cleanup_(sparse_done) struct sparse dirty, hibernated;

	tools("make fs 20M");
	grow_ok(&g, "fs", 30 * MiB);
	assert_int_equal(make_sparse(&dirty, disk_open("grown")), -EOPNOTSUPP);
	assert_non_null(strstr(dirty.why.text, "marked as dirty"));
	tools("inside fs '{ printf HIBR; head -c 8K /dev/zero; } >hiberfil.sys'");
	assert_int_equal(make_sparse(&hibernated, disk_open("fs")), -EOPNOTSUPP);
	assert_non_null(strstr(hibernated.why.text, "Windows is hibernated"));
}

/* What bits of no cluster say is no matter: the copy of the boot sector stands where they would be. */
static void test_bits_of_no_cluster_free_nothing(void **state)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_(sparse_done) struct sparse s, before;
	struct ntfs_stream bitmap;
	struct ntfs_record rec;
	uint8_t buf[512];

	tools("make fs 20M");
	load(&v, "fs");
	assert_int_equal(make_sparse(&before, memimage_new(v.bytes, v.count, v.count)), 0);
	take_out(&v, NTFS_BITMAP, &rec);
	assert_int_equal(ntfs_record_stream(&rec, NTFS_DATA, "", v.cluster, 5119, &bitmap, NULL), 0);
	v.bytes[bitmap.runs.run[0].cluster * v.cluster + 5119 / 8] &= 0x7f;
	ntfs_stream_done(&bitmap);
	assert_int_equal(make_sparse(&s, memimage_new(v.bytes, v.count, v.count)), 0);
	assert_int_equal(s.u.bytes, before.u.bytes);
	assert_int_equal(image_pread(s.img, buf, sizeof(buf), v.count - 512, NULL), 0);
	assert_memory_equal(buf, v.bytes, 512);
}

static void test_a_bitmap_without_the_volume_itself_is_damaged(void **state)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_(sparse_done) struct sparse s;
	struct ntfs_stream bitmap;
	struct ntfs_record rec;

	tools("make fs 20M");
	load(&v, "fs");
	take_out(&v, NTFS_BITMAP, &rec);
	assert_int_equal(ntfs_record_stream(&rec, NTFS_DATA, "", v.cluster, 5119, &bitmap, NULL), 0);
	memset(v.bytes + bitmap.runs.run[0].cluster * v.cluster, 0, v.cluster);
	ntfs_stream_done(&bitmap);
	assert_int_equal(make_sparse(&s, memimage_new(v.bytes, v.count, v.count)), -EBADMSG);
	assert_string_equal(s.why.text, "ntfs has a damaged $Bitmap: cluster 0 can't be free");
}

/* Damage. */

/*
 * Bytes of every structure that is read damaged in turn: growing refuses, or it makes nothing worse. A
 * volume that the tools take for sound before is sound after.
 */
static void test_damage(void **state)
{
	static const enum ntfs_file files[] = { NTFS_MFT,  NTFS_MFT_MIRROR, NTFS_LOG, NTFS_VOLUME,
						NTFS_ROOT, NTFS_BITMAP,	    NTFS_BAD };
	_cleanup_(volume_done) struct volume v = { 0 };
	unsigned worse = 0, refused = 0;

	tools("make fs 5M");
	load(&v, "fs");
	for (int i = -1; i < 7; i++) {
		uint8_t *base = i < 0 ? v.bytes : place_of(&v, files[i]);
		size_t count = i < 0 ? 80 : get_le32(base + 24);

		for (size_t at = (size_t)(i + 1); at < count; at += step(i < 0 ? 5 : 19)) {
			_cleanup_(grown_done) struct grown g;

			base[at] ^= 0x10;
			if (grow_memory(&g, &v) != 0) {
				refused++;
			} else {
				store(&v, "damaged");
				disk_save(g.img, "grown");
				if (sh_status(". ./tools && sound damaged 2>/dev/null && ! sound grown") == 0) {
					print_error("byte %zu of structure %d\n", at, i);
					worse++;
				}
			}
			base[at] ^= 0x10;
		}
	}
	assert_true(refused > 20);
	assert_int_equal(worse, 0);
}

/* Runs. */

static void test_runs_come_back_as_they_went(void **state)
{
	static const struct ntfs_run runs[] = { { 4, 1 },	  { 5000000000, 3 },
						{ 127, 128 },	  { NTFS_HOLE, 70000 },
						{ 0, 255 },	  { 32768, 32767 },
						{ 1, 0x7fffffff } };
	struct ntfs_runs a = { 0 }, b;
	uint8_t buf[128], exact[64];
	size_t n;

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		assert_int_equal(ntfs_runs_append(&a, runs[i].cluster, runs[i].length), 0);
	n = ntfs_runs_encode(&a, buf, sizeof(buf));
	assert_true(n <= sizeof(exact));
	memcpy(exact, buf, n);
	assert_int_equal(ntfs_runs_decode(&b, exact, n, UINT64_C(1) << 40, NULL), 0);
	assert_int_equal(b.n, sizeof(runs) / sizeof(runs[0]));
	assert_memory_equal(b.run, runs, sizeof(runs));
	assert_int_equal(b.clusters, a.clusters);
	ntfs_runs_done(&b);
	for (size_t cut = 1; cut < n; cut++)
		assert_int_equal(ntfs_runs_decode(&b, exact, cut, UINT64_C(1) << 40, NULL), -EBADMSG);
	/* Fewer clusters than there are runs of. */
	assert_int_equal(ntfs_runs_decode(&b, exact, n, 5000000002, NULL), -EBADMSG);
	ntfs_runs_done(&a);
}

static void test_runs_that_touch_are_one(void **state)
{
	struct ntfs_runs runs = { 0 };
	uint8_t buf[8];

	assert_int_equal(ntfs_runs_append(&runs, 100, 28), 0);
	assert_int_equal(ntfs_runs_append(&runs, 128, 100), 0);
	assert_int_equal(runs.n, 1);
	assert_int_equal(ntfs_runs_encode(&runs, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "\x12\x80\x00\x64\x00", 5);
	ntfs_runs_done(&runs);
}

static void test_damaged_runs_are_refused(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t count;
	} lists[] = {
		{ { 0x10, 1, 0 }, 3 },				   /* no length */
		{ { 0x11, 0, 5, 0 }, 4 },			   /* of 0 clusters */
		{ { 0x11, 0xff, 5, 0 }, 4 },			   /* of -1 */
		{ { 0x11, 1, 0xff, 0 }, 4 },			   /* before the first cluster */
		{ { 0x11, 1, 100, 0 }, 4 },			   /* behind the last */
		{ { 0x11, 2, 99, 0 }, 4 },			   /* longer than the volume */
		{ { 0x11, 60, 0, 0x11, 60, 10, 0 }, 7 },	   /* more clusters than there are */
		{ { 0x19, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0 }, 12 }, /* a number of 9 bytes */
		{ { 0x91, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0 }, 12 }, /* the same */
		{ { 0x11, 1, 5 }, 3 },				   /* without an end */
		{ { 0x18, 0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0 }, 11 }, /* the least number there is */
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct ntfs_runs runs;
		struct why why = { "" };

		assert_int_equal(ntfs_runs_decode(&runs, lists[i].bytes, lists[i].count, 100, &why), -EBADMSG);
		assert_true(why.text[0]);
	}
}

#define TEST(name)                            \
	{                                     \
#name, name, NULL, NULL, NULL \
	}

int main(void)
{
	const struct CMUnitTest others[] = {
		TEST(test_runs_come_back_as_they_went),
		TEST(test_runs_that_touch_are_one),
		TEST(test_damaged_runs_are_refused),
		TEST(test_sizes_around_the_boundaries_of_the_bitmap),
		TEST(test_old_sizes_around_the_boundaries_of_the_bitmap),
		TEST(test_sizes_in_steps_of_a_mebibyte),
		TEST(test_sizes_around_2_tebibytes),
		TEST(test_grows_again_what_it_has_grown),
		TEST(test_grows_what_ntfsresize_has_grown),
		TEST(test_is_deterministic),
		TEST(test_hides_what_stood_behind),
		TEST(test_leaves_the_check_to_windows),
		TEST(test_fits_when_nothing_is_gained),
		TEST(test_describes_the_growth),
		TEST(test_changes_the_directory_too),
		TEST(test_refuses_a_truncated_image),
		TEST(test_refuses_a_hibernated_windows),
		TEST(test_refuses_a_dirty_volume),
		TEST(test_refuses_by_the_attributes),
		TEST(test_refuses_data_in_other_records),
		TEST(test_refuses_a_bitmap_inside_its_record),
		TEST(test_refuses_bad_clusters),
		TEST(test_refuses_a_damaged_directory),
		TEST(test_refuses_a_full_record),
		TEST(test_refuses_what_its_numbers_cannot_count),
		TEST(test_refuses_small_sectors),
		TEST(test_refuses_logical_volumes),
		TEST(test_the_newer_page_of_the_log_decides),
		TEST(test_move_changes_both_boot_sectors),
		TEST(test_grows_in_its_partition),
		TEST(test_free_clusters_need_not_be_there),
		TEST(test_zeros_of_the_bitmap_are_not_read),
		TEST(test_nothing_is_free_unless_it_is_clean),
		TEST(test_bits_of_no_cluster_free_nothing),
		TEST(test_a_bitmap_without_the_volume_itself_is_damaged),
		TEST(test_damage),
	};
	const size_t n_others = sizeof(others) / sizeof(others[0]), n_rows = sizeof(rows) / sizeof(rows[0]);
	struct CMUnitTest tests[sizeof(others) / sizeof(others[0]) + sizeof(rows) / sizeof(rows[0])];
	size_t n = 0;

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i].when == QUICK || getenv("GOALFS_TEST_LONG"))
			tests[n++] =
				(struct CMUnitTest){ rows[i].name, test_row, NULL, NULL, (void *)&rows[i] };
	memcpy(tests + n, others, sizeof(others));
	return mounts_of_our_own()
		       ?: _cmocka_run_group_tests("ntfs", tests, n + n_others, setup, disk_dir_teardown);
}
