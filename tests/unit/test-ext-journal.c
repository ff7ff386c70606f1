/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filesystems that were in use when their image was made: copied while the kernel
 * has them mounted, replayed, and compared block by block with what e2fsck's own
 * replay makes of them; then grown and judged as others are. Logs that no kernel of today
 * writes come from debugfs.
 */
#include "tests/unit/test.h"

#include <fcntl.h>

#include "backends/content/ext/journal.h"
#include "backends/content/ext/replay.h"
#include "base/bytes.h"
#include "tests/unit/ext.h"
#include "tests/unit/mounts.h"

/* Images in use. */

/* The log grows when it likes otherwise; what is copied must be of one moment. */
#define QUIET "loop,commit=300,noinit_itable"

/*
 * Mounts `fs`, runs the commands in it, and copies it as `dirty` before it is unmounted.
 * `sums` then has the checksums of all files that are in it.
 */
static void use(const char *options, const char *commands)
{
	extfs_must_run("mount -o " QUIET
		       "%s%s fs mnt && trap 'umount %s/mnt' EXIT && (cd mnt && set -e && %s) && "
		       "cp --sparse=always fs dirty && "
		       "(cd mnt && find . -type f -print0 | sort -z | xargs -0 sha256sum) >sums",
		       *options ? "," : "", options, extfs_top, commands);
}

/* Directories come and go, so that the blocks they had are revoked. `sync -f` writes to their places, too. */
#define WRITTEN                                                                    \
	"mkdir kept && for i in $(seq 5); do mkdir d$i && for j in $(seq 40); do " \
	"echo $i.$j >d$i/f$j; done && ln d$i/f7 kept/$i && sync -f . && rm -rf d$((i - 2)); done; sync -f ."

/* What only the log has: fsync of a directory commits it. */
#define LOGGED(n)                                                                        \
	"for i in $(seq " #n "); do mkdir m$i && touch m$i/empty && ln kept/5 m$i/l && " \
	"ln -s m$i link$i && rm -rf m$((i - 2)) && sync m$i; done; rm -rf d4; sync ."

/* Data that looks like a block of the journal, where data is written to it. */
#define ESCAPED                                                                                           \
	"for i in 1 2 3; do printf '\\300\\073\\071\\230\\000\\000\\000\\002' >e$i && seq 5000 >>e$i && " \
	"sync e$i; done"

struct row {
	const char *name, *mkfs, *options, *commands;
	uint64_t from, to;
};

static const struct row rows[] = {
	{ "default", "mkfs.ext4 -b 4096", "", WRITTEN " && " LOGGED(20), 200 * MiB, 3 * GiB },
	{ "1K blocks", "mkfs.ext4 -b 1024", "", WRITTEN " && " LOGGED(20), 60 * MiB, 700 * MiB },
	{ "no checksums", "mkfs.ext4 -b 4096 -O ^metadata_csum,uninit_bg", "", WRITTEN " && " LOGGED(20),
	  200 * MiB, 3 * GiB },
	{ "no checksums, no 64bit", "mkfs.ext4 -b 4096 -O ^metadata_csum,^64bit", "", WRITTEN " && " LOGGED(20),
	  200 * MiB, 3 * GiB },
	{ "no 64bit", "mkfs.ext4 -b 4096 -O ^64bit", "", WRITTEN " && " LOGGED(20), 200 * MiB, 3 * GiB },
	{ "ext3", "mkfs.ext3 -b 4096", "", WRITTEN " && " LOGGED(20), 200 * MiB, 3 * GiB },
	{ "ext3 1K blocks", "mkfs.ext3 -b 1024 -J size=4", "", WRITTEN " && " LOGGED(20), 60 * MiB, 700 * MiB },
	{ "round the ring", "mkfs.ext4 -b 4096 -J size=4", "", WRITTEN " && " LOGGED(150), 200 * MiB, 3 * GiB },
	{ "round the ring, ext3 1K", "mkfs.ext3 -b 1024 -J size=1", "", WRITTEN " && " LOGGED(150), 60 * MiB,
	  700 * MiB },
	{ "data in the log", "mkfs.ext4 -b 4096", "data=journal", ESCAPED, 200 * MiB, 3 * GiB },
	{ "data in the log, no checksums", "mkfs.ext4 -O ^metadata_csum", "data=journal", ESCAPED, 200 * MiB,
	  3 * GiB },
	{ "meta_bg", "mkfs.ext4 -O meta_bg,^resize_inode", "", WRITTEN " && " LOGGED(20), 200 * MiB, 10 * GiB },
	{ "meta_bg from now on", "mkfs.ext4 -b 1024 -E resize=1000000", "", WRITTEN " && " LOGGED(20), 60 * MiB,
	  2 * GiB },
	{ "orphan_file", "mkfs.ext4 -O orphan_file", "", WRITTEN " && " LOGGED(20), 200 * MiB, 3 * GiB },
	{ "fast_commit, with whole commits only", "mkfs.ext4 -O fast_commit", "", WRITTEN, 200 * MiB, 3 * GiB },
	{ "fast_commit, with old fast commits", "mkfs.ext4 -O fast_commit", "",
	  WRITTEN " && echo x >fast && sync fast && echo y >>fast && sync fast && mkdir slow && sync -f .",
	  200 * MiB, 3 * GiB },
	{ "nothing written yet", "mkfs.ext4", "", ":", 200 * MiB, 3 * GiB },
};

/* The file `dirty` as the file `replayed`. */
static struct ext_replayed replay(void)
{
	struct image *img, *replayed = NULL;
	struct ext_replayed counts;
	struct why why = { 0 };
	char path[512];
	int fd = open(extfs_path(path, "dirty"), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	img = fdimage_new(fd, 0);
	if (ext_replay(img, &replayed, &counts, &why) != 0)
		fail_msg("%s", why.text);
	assert_int_equal(testimage_save(replayed, extfs_path(path, "replayed")), 0);
	image_unref(replayed);
	image_unref(img);
	(void)close(fd);
	return counts;
}

/*
 * All but the two superblocks, which differ in times and counters: that of the
 * filesystem, and that of the journal, which is in the first block of inode 8.
 */
static void assert_replayed_as_by_e2fsck(void)
{
	extfs_must_run("rm -f judge && cp --sparse=always dirty judge && e2fsck -y -E journal_only judge && "
		       "bs=$(dumpe2fs -h judge | sed -n 's/^Block size: *//p') && "
		       "j=$(debugfs -R 'bmap <8> 0' judge 2>/dev/null) && "
		       "for f in judge replayed; do "
		       "dd if=/dev/zero of=$f bs=1024 seek=1 count=1 conv=notrunc && "
		       "dd if=/dev/zero of=$f bs=$bs seek=$j count=1 conv=notrunc; done && cmp judge replayed");
}

static void test_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(grown_done) struct grown g;
	struct ext_replayed counts;
	struct content again;
	char path[512];

	extfs_make_filesystem(row->mkfs, row->from, true);
	use(row->options, row->commands);
	counts = replay();
	if (strcmp(row->commands, ":") != 0)
		assert_true(counts.transactions > 0 && counts.blocks > 0);
	if (strstr(row->commands, "link"))
		extfs_must_run("! cmp -s -i 8K dirty replayed");
	/* Where descriptors are spread e2fsck writes their copies, too. */
	if (!strstr(row->mkfs, "meta_bg"))
		assert_replayed_as_by_e2fsck();
	if (extfs_grow_file(&g, "dirty", row->to) != 0)
		fail_msg("%s", g.why.text);
	assert_non_null(strstr(g.describe, ", its journal replayed ("));
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	extfs_assert_clean("grown");
	extfs_assert_shows_grown(g.img);
	assert_zeros_are_zero(g.img);
	assert_int_equal(ext_content.probe(g.img, &again, NULL), 0);
	extfs_assert_usable("grown", again.size);
}

/* Logs as debugfs writes them: the older tags with checksums, revocations, escaped data. */

struct written_log {
	const char *name, *mkfs, *open; /* of debugfs: how the journal is opened */
};

static const struct written_log written_logs[] = {
	{ "csum v1 none, 32bit", "mkfs.ext4 -O ^64bit,^metadata_csum", "jo" },
	{ "csum v2, 32bit", "mkfs.ext4 -O ^64bit", "jo -c -v 2" },
	{ "csum v2, 64bit", "mkfs.ext4 -O 64bit", "jo -c -v 2" },
	{ "csum v3, 32bit", "mkfs.ext4 -O ^64bit", "jo -c -v 3" },
	{ "csum v3, 64bit", "mkfs.ext4 -O 64bit", "jo -c -v 3" },
	{ "csum v2, 1K blocks", "mkfs.ext4 -b 1024", "jo -c -v 2" },
};

static void test_written_log(void **state)
{
	const struct written_log *log = *state;
	struct ext_replayed counts;

	extfs_make_filesystem(log->mkfs, 64 * MiB, true);
	/* Three of blocks that are free, and one of them taken back. */
	extfs_must_run(
		"cp fs dirty && (printf '\\300\\073\\071\\230'; seq 100000) | head -c 400K >data && "
		"printf '%s\\njw -b 12000,12001,12002,13000-13050 data\\njw -r 12001 data\\n"
		"jw -b 12002,12005 data\\njw -r 12005,12000 data\\njw -b 12000 data\\njc\\n' >commands && "
		"debugfs -w -f commands dirty && dumpe2fs -h dirty && "
		"dumpe2fs -h dirty | grep needs_recovery",
		log->open);
	counts = replay();
	assert_int_equal(counts.transactions, 5);
	/* 54 and 2 and 1 of them, less 12000 of the first, 12001 and 12005. */
	assert_int_equal(counts.blocks, 57 - 3);
	assert_replayed_as_by_e2fsck();
}

/* What the plan says, what is left to the next mount, and what is refused. */

static void test_says_how_much_was_replayed(void **state)
{
	_cleanup_(grown_done) struct grown g;
	struct ext_replayed counts;
	char path[512];

	extfs_make_filesystem("mkfs.ext4 -b 4096", 64 * MiB, false);
	use("", "touch a && sync a && mkdir b && sync b");
	counts = replay();
	assert_int_equal(extfs_grow_file(&g, "dirty", 1 * GiB), 0);
	assert_non_null(
		strstr(g.describe, "ext4 grown from 64.0M to 1.00G, 1 to 8 groups, its journal replayed ("));
	assert_null(strstr(g.describe, "orphans"));
	/* The log once, with a descriptor and a commit a transaction and what stands behind; and little else. */
	assert_true(g.reads.bytes <= (counts.blocks + 2 * counts.transactions + 1) * 4096 + 16 * KiB);
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	extfs_must_run("dumpe2fs -h grown && ! dumpe2fs -h grown | grep needs_recovery && "
		       "dumpe2fs -h grown | grep -E 'Journal start: +0$'");
}

/* They are freed by the mount: e2fsck -fn, which may not do it, complains. */
static void check_orphans(const char *mkfs)
{
	_cleanup_(grown_done) struct grown g;
	char path[512];

	extfs_make_filesystem(mkfs, 200 * MiB, true);
	use("", "head -c 9M /dev/zero >gone && sync gone && exec 3<gone && rm gone && sync .");
	assert_int_equal(extfs_grow_file(&g, "dirty", 1 * GiB), 0);
	assert_non_null(
		strstr(g.describe, ", its orphans left to the next mount (e2fsck -n finds fault with them)"));
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	assert_int_not_equal(extfs_run("e2fsck -fn grown"), 0);
	extfs_assert_usable("grown", 1 * GiB);
}

static void test_leaves_orphans_to_the_next_mount(void **state)
{
	check_orphans("mkfs.ext4");
	check_orphans("mkfs.ext4 -O orphan_file");
}

/* A journal in pieces, so that its map is a tree. */
static void test_finds_a_journal_in_pieces(void **state)
{
	_cleanup_(grown_done) struct grown g;
	char path[512];

	extfs_make_filesystem("mkfs.ext4 -b 4096 -N 8192 -O ^has_journal", 64 * MiB, false);
	extfs_must_run("mount -o loop fs mnt && trap 'umount %s/mnt' EXIT && (cd mnt && "
		       "for i in $(seq 2000); do fallocate -l 12K a$i && fallocate -l 8K b$i || break; done; "
		       "rm -f a* && sync -f .)",
		       extfs_top);
	extfs_must_run("tune2fs -j -J size=8 fs && test $(debugfs -R 'ex <8>' fs | wc -l) -gt 20");
	use("", "mkdir kept && cp b1 kept/5 && sync -f . && " LOGGED(20));
	(void)replay();
	assert_replayed_as_by_e2fsck();
	assert_int_equal(extfs_grow_file(&g, "dirty", 1 * GiB), 0);
	assert_int_equal(testimage_save(g.img, extfs_path(path, "grown")), 0);
	extfs_assert_clean("grown");
}

static void assert_refused(const char *name, int error, const char *sentence)
{
	_cleanup_(grown_done) struct grown g;
	int r = extfs_grow_file(&g, name, 1 * GiB);

	if (r != error || !strstr(g.why.text, sentence))
		fail_msg("got %d, '%s'; want %d, '%s'", r, g.why.text, error, sentence);
}

static void test_refuses_fast_commits(void **state)
{
	extfs_make_filesystem("mkfs.ext4 -O fast_commit", 200 * MiB, true);
	use("", "touch a && sync -f . && echo b >a && sync a && echo c >>a && sync a");
	assert_refused("dirty", -EOPNOTSUPP, "has fast commits, which only the kernel and e2fsck can replay");
}

static void test_refuses_a_journal_on_another_device(void **state)
{
	extfs_must_run("rm -f journal fs && truncate -s 64M fs journal && mke2fs -q -F -b 4096 -O journal_dev "
		       "journal && "
		       "l=$(losetup -f --show journal) && trap \"losetup -d $l\" EXIT && "
		       "mkfs.ext4 -q -F -b 4096 -J device=$l fs && cp fs dirty && "
		       "debugfs -w -R 'feature needs_recovery' dirty");
	assert_refused("dirty", -EOPNOTSUPP, "its journal must be replayed first, and is on another device");
	assert_refused("journal", -EOPNOTSUPP, "this is the journal of an ext filesystem, not a filesystem");
}

static void test_refuses_errors_that_the_journal_tells_of(void **state)
{
	extfs_make_filesystem("mkfs.ext4 -b 4096 -O ^metadata_csum", 64 * MiB, false);
	use("", "touch a && sync a");
	extfs_must_run("j=$(debugfs -R 'bmap <8> 0' dirty 2>/dev/null) && printf '\\377\\377\\377\\373' | "
		       "dd of=dirty bs=1 seek=$((j * 4096 + 32)) conv=notrunc");
	assert_refused("dirty", -EOPNOTSUPP, "ext4 is not clean: its journal tells of an error; run e2fsck");
}

/* Damage. */

struct spot {
	unsigned at, bytes; /* of the journal's superblock */
	uint32_t set;
	int error;
	const char *sentence;
};

static const struct spot spots[] = {
	{ 0x00, 4, 0, -EBADMSG, "the journal of ext4 has no superblock" },
	{ 0x04, 4, 7, -EBADMSG, "the journal of ext4 has no superblock" },
	{ 0x0C, 4, 1024, -EBADMSG, "claims 1024 blocks of 1024 bytes" },
	{ 0x10, 4, 4097, -EBADMSG, "claims 4097 blocks of 4096 bytes" },
	{ 0x14, 4, 0, -EBADMSG, "claims a log from block" },
	{ 0x14, 4, 1024, -EBADMSG, "claims a log from block" },
	{ 0x1C, 4, 1024, -EBADMSG, "claims a log from block 1024" },
	{ 0x1C, 4, 0xFFFFFFFF, -EBADMSG, "claims a log from block" },
	{ 0x24, 4, 1, -EOPNOTSUPP, "has checksums that are not known here" },
	{ 0x28, 4, 0x106, -EOPNOTSUPP, "the journal of ext4 has features that are not known here (0x100)" },
	{ 0x28, 4, 0x1A, -EBADMSG, "claims checksums that can't be" },
	{ 0x28, 4, 0x06, -EOPNOTSUPP, "has checksums that are not known here" },
	{ 0x50, 1, 1, -EBADMSG, "claims checksums that can't be" },
};

/* The file `dirty`, and where its journal's blocks stand in it. */
struct dirty {
	uint8_t *fs; /* owned */
	size_t count;
	size_t journal[200]; /* of its first blocks: bytes */
};

static void load_dirty(struct dirty *d)
{
	char path[512];
	FILE *f;

	extfs_must_run("for i in $(seq 0 199); do echo bmap \\<8\\> $i; done >asked && "
		       "debugfs -f asked dirty | grep -v debugfs >where");
	f = fopen(extfs_path(path, "where"), "r");
	assert_non_null(f);
	for (size_t i = 0; i < sizeof(d->journal) / sizeof(d->journal[0]); i++) {
		assert_int_equal(fscanf(f, "%zu", &d->journal[i]), 1);
		d->journal[i] *= 4096;
	}
	(void)fclose(f);
	d->fs = extfs_load("dirty", &d->count);
}

static void test_refuses_damaged_superblocks(void **state)
{
	struct dirty d;
	size_t journal;

	extfs_make_filesystem("mkfs.ext4 -b 4096 -J size=4", 64 * MiB, false);
	use("", "touch a && sync a");
	load_dirty(&d);
	journal = d.journal[0];
	for (size_t i = 0; i < sizeof(spots) / sizeof(spots[0]); i++) {
		_cleanup_(grown_done) struct grown g;
		struct disk_jbd2_super *disk = (struct disk_jbd2_super *)(d.fs + journal), was = *disk;
		int r;

		for (unsigned b = 0; b < spots[i].bytes; b++)
			d.fs[journal + spots[i].at + b] =
				(uint8_t)(spots[i].set >> 8 * (spots[i].bytes - 1 - b));
		put_be32(disk->checksum, ext_journal_super_checksum(disk));
		r = extfs_grow_memory(&g, d.fs, d.count, 1 * GiB);
		if (r != spots[i].error || !strstr(g.why.text, spots[i].sentence))
			fail_msg("row %zu: got %d, '%s'; want %d, '%s'", i, r, g.why.text, spots[i].error,
				 spots[i].sentence);
		*disk = was;
	}
	d.fs[journal + 0x40] ^= 1;
	{
		_cleanup_(grown_done) struct grown g;

		assert_int_equal(extfs_grow_memory(&g, d.fs, d.count, 1 * GiB), -EBADMSG);
		assert_string_equal(g.why.text, "the journal of ext4 has a wrong checksum in its superblock");
	}
	free(d.fs);
}

/*
 * With checksums every byte of the log counts but the first twelve of a block, which tell
 * whether the log goes on there: no replay knows an end from a damaged beginning.
 */
static void test_refuses_a_damaged_log(void **state)
{
	struct ext_replayed counts;
	unsigned refused = 0;
	struct dirty d;

	extfs_make_filesystem("mkfs.ext4 -b 4096 -J size=4", 64 * MiB, false);
	use("", "for i in 1 2 3 4 5; do mkdir m$i && sync m$i; done");
	counts = replay();
	load_dirty(&d);
	/* The log begins behind the superblock; a transaction has two blocks more than data at least. */
	for (size_t block = 1; block <= counts.blocks + 2 * counts.transactions; block++)
		for (size_t at = 12; at < 4096; at += 227) {
			_cleanup_(grown_done) struct grown g;
			size_t where = d.journal[block] + at;

			d.fs[where] ^= 0x20;
			assert_int_equal(extfs_grow_memory(&g, d.fs, d.count, 1 * GiB), -EBADMSG);
			assert_non_null(strstr(g.why.text, "the journal of ext4 is damaged: block "));
			d.fs[where] ^= 0x20;
			refused++;
		}
	assert_true(refused > 100);
	free(d.fs);
}

/* A log without checksums, each byte of its descriptors changed: no crash, nothing outside the image. */
static void test_survives_a_damaged_log_without_checksums(void **state)
{
	struct ext_replayed counts;
	struct dirty d;

	extfs_make_filesystem("mkfs.ext3 -b 4096 -J size=4", 64 * MiB, false);
	use("", "for i in 1 2 3 4 5; do mkdir m$i && sync m$i; done; rm -rf m1; sync .");
	counts = replay();
	load_dirty(&d);
	for (size_t block = 0; block <= counts.blocks + 2 * counts.transactions; block++)
		for (size_t at = 0; at < 128; at += 3) {
			_cleanup_(grown_done) struct grown g;
			size_t where = d.journal[block] + at;
			uint8_t was = d.fs[where];

			d.fs[where] ^= 0xFF;
			(void)extfs_grow_memory(&g, d.fs, d.count, 1 * GiB);
			d.fs[where] = was;
		}
	free(d.fs);
}

/* What was committed last and only half written counts for nothing. */
static void test_drops_what_was_not_committed(void **state)
{
	struct ext_replayed all, less;
	struct dirty d;
	size_t i;

	extfs_make_filesystem("mkfs.ext4 -b 4096 -J size=4", 64 * MiB, false);
	use("", "for i in 1 2 3 4 5; do mkdir m$i && sync m$i; done");
	all = replay();
	load_dirty(&d);
	for (i = 199; i > 1; i--)
		if (get_be32(d.fs + d.journal[i]) == JBD2_MAGIC &&
		    get_be32(d.fs + d.journal[i] + 4) == JBD2_COMMIT)
			break;
	assert_true(i > 1);
	memset(d.fs + d.journal[i], 0, 4096);
	memset(d.fs + d.journal[i - 1] + 1000, 0x55, 100); /* nor is its last block all there */
	extfs_store("dirty", d.fs, d.count);
	less = replay();
	assert_int_equal(less.transactions, all.transactions - 1);
	assert_replayed_as_by_e2fsck();
	free(d.fs);
}

static void test_memory_stays_small(void **state)
{
	_cleanup_(grown_done) struct grown g;
	struct map_figures figures;

	extfs_make_filesystem("mkfs.ext4 -b 4096", 200 * MiB, true);
	use("", WRITTEN " && " LOGGED(100));
	assert_int_equal(extfs_grow_file(&g, "dirty", 20 * GiB), 0);
	assert_true(map_figures(g.img, &figures));
	assert_true(figures.memory < 256 * KiB);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_says_how_much_was_replayed),
		cmocka_unit_test(test_leaves_orphans_to_the_next_mount),
		cmocka_unit_test(test_finds_a_journal_in_pieces),
		cmocka_unit_test(test_refuses_fast_commits),
		cmocka_unit_test(test_refuses_a_journal_on_another_device),
		cmocka_unit_test(test_refuses_errors_that_the_journal_tells_of),
		cmocka_unit_test(test_refuses_damaged_superblocks),
		cmocka_unit_test(test_refuses_a_damaged_log),
		cmocka_unit_test(test_survives_a_damaged_log_without_checksums),
		cmocka_unit_test(test_drops_what_was_not_committed),
		cmocka_unit_test(test_memory_stays_small),
	};
	const size_t n_rows = sizeof(rows) / sizeof(rows[0]),
		     n_logs = sizeof(written_logs) / sizeof(written_logs[0]);
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0]) +
				sizeof(written_logs) / sizeof(written_logs[0]) +
				sizeof(others) / sizeof(others[0])];
	size_t n = 0;

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	for (size_t i = 0; i < n_rows; i++)
		tests[n++] = (struct CMUnitTest){ rows[i].name, test_row, NULL, NULL, (void *)&rows[i] };
	for (size_t i = 0; i < n_logs; i++)
		tests[n++] = (struct CMUnitTest){ written_logs[i].name, test_written_log, NULL, NULL,
						  (void *)&written_logs[i] };
	memcpy(tests + n, others, sizeof(others));
	n += sizeof(others) / sizeof(others[0]);
	return mounts_of_our_own()
		       ?: _cmocka_run_group_tests("ext-journal", tests, n, extfs_setup, extfs_teardown);
}
