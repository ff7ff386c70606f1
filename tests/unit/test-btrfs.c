/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing btrfs, and telling what it doesn't use: filesystems made by mkfs.btrfs in
 * many ways, used by the kernel, are grown, written out, and judged by btrfs check,
 * by the kernel and by its scrub.
 */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>

#include "backends/content/btrfs/super.h"
#include "backends/content/content.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "tests/unit/contents.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"
#include "tests/unit/mounts.h"

static int setup(void **state)
{
	if (disk_dir_setup(state) != 0)
		return -1;
	sh("mkdir -p mnt content/deep/er && cd content && : >empty && echo five >five && "
	   "seq 1 100000 >deep/numbers && seq 1 3 600000 | xz -0 >deep/er/dense && ln -s deep/numbers link && "
	   "for i in $(seq 50); do echo $i >deep/small$i; done && find . -type f | xargs sha256sum >../sums");
	return 0;
}

/* Runs a command on a mounted filesystem, in its root; it is unmounted whatever happens. */
#define ON_MOUNTED "mount -t btrfs -o loop %s mnt && { (set -e; cd mnt; %s); r=$?; umount mnt; (exit $r); }"

static void on_mounted(const char *name, const char *command)
{
	sh(ON_MOUNTED, name, command);
}

static void make_filesystem(const char *options, uint64_t size, bool with_content)
{
	sh("rm -f fs && truncate -s %" PRIu64 " fs && mkfs.btrfs -q %s %s fs >log 2>&1 || { cat log; false; }",
	   size, with_content ? "--rootdir content" : "", options);
}

static void assert_clean(const char *name)
{
	sh("btrfs check --check-data-csum %s >log 2>&1 && grep -q 'no error found' log && "
	   "! sed 's/no error found//' log | grep -iE 'error|warning|mismatch' || { cat log; false; }",
	   name);
}

/* Growing. */

static int grow_file(struct grown *g, const char *name, uint64_t to)
{
	*g = (struct grown){ .base = disk_open(name) };
	return grown_grow(g, &btrfs_content, to);
}

/* All superblocks that a device of that size has say that size, and their checksums are right. */
static void assert_supers(const char *name, uint64_t size)
{
	unsigned n = 1 + (size > 64 * MiB + 4096) + (size > 256 * GiB + 4096);

	sh("btrfs inspect-internal dump-super -fa %s >supers 2>&1; "
	   "test $(grep -c '^csum\\s.*\\[match\\]' supers) = %u && "
	   "test $(grep -c 'total_bytes\\s*%" PRIu64 "$' supers) = %u || { cat supers; false; }",
	   name, n, size, 2 * n);
	/* And the chunk tree says it, too. */
	sh("test $(btrfs inspect-internal dump-tree -t chunk %s | "
	   "grep -c 'devid 1 total_bytes %" PRIu64 " ') = 1",
	   name, size);
}

/* The kernel finds all files, takes new ones in all the new room, finds no wrong checksum. */
static void assert_usable(const char *name, uint64_t size, bool fill)
{
	char command[768];

	(void)snprintf(command, sizeof(command),
		       "sha256sum --quiet -c ../sums && "
		       "btrfs filesystem usage -b . | grep -q 'Device size:\\s*%" PRIu64 "$' && "
		       "mkdir new && for i in $(seq 100); do echo $i >new/$i; done && "
		       "if %s; then ! cat /dev/zero >big 2>../err && grep -q 'No space' ../err && "
		       "test $(stat -c %%s big) -gt %" PRIu64 "; else fallocate -l %" PRIu64 " big; fi && "
		       "sync && rm big && btrfs scrub start -B . | grep -q 'no errors found' && "
		       "sha256sum --quiet -c ../sums",
		       size, fill ? "true" : "false", size / 100 * 30, size / 100 * 60);
	on_mounted(name, command);
	assert_clean(name);
}

struct row {
	const char *name;
	const char *options; /* of mkfs.btrfs */
	uint64_t from, to;
	enum {
		MOUNT,
		FILL = 1,     /* with data, until there is no room */
		NO_MOUNT = 2, /* not by kernels with pages of 4 KiB */
	} how;
};

static const struct row rows[] = {
	{ "default", "", 120 * MiB, 300 * MiB, FILL },
	{ "6G to 20G", "", 6 * GiB, 20 * GiB },
	{ "6G to 2T", "", 6 * GiB, 2 * TiB },
	{ "across the second copy", "", 255 * GiB, 257 * GiB },
	{ "mixed, across the first copy", "-M -n 4096", 16 * MiB, 200 * MiB, FILL },
	{ "mixed, dup", "-M -m dup -d dup", 200 * MiB, 300 * MiB, FILL },
	{ "xxhash", "--csum xxhash", 300 * MiB, 1 * GiB },
	{ "sha256", "--csum sha256", 300 * MiB, 1 * GiB },
	{ "blake2", "--csum blake2", 300 * MiB, 1 * GiB },
	{ "nodes of 4K", "-n 4096", 300 * MiB, 1 * GiB },
	{ "nodes of 64K", "-n 65536", 300 * MiB, 1 * GiB },
	{ "single", "-m single", 300 * MiB, 1 * GiB },
	{ "raid0 of one device", "-m raid0 -d raid0", 300 * MiB, 1 * GiB },
	{ "data twice", "-d dup", 200 * MiB, 400 * MiB, FILL },
	{ "space cache of old", "-R ^free-space-tree -O ^skinny-metadata,^no-holes", 300 * MiB, 1 * GiB },
	{ "quota", "-R quota", 300 * MiB, 1 * GiB },
	{ "sectors of 16K", "-s 16384 -n 16384", 300 * MiB, 1 * GiB, NO_MOUNT },
	{ "less than its container", "-b 200M", 300 * MiB, 1 * GiB },
	{ "odd sizes", "", 300 * MiB + 3584, 1 * GiB + 512 },
};

static void test_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(grown_done) struct grown g = { 0 };
	uint64_t size = row->to / 4096 * 4096;

	make_filesystem(row->options, row->from, /* with_content= */ true);
	if (grow_file(&g, "fs", row->to) != 0)
		fail_msg("%s", g.why.text);
	disk_save(g.img, "grown");
	assert_shows_file(g.img, disk_path("grown"));
	assert_clean("grown");
	assert_supers("grown", size);
	assert_int_equal(btrfs_content.probe(g.img, &g.content, NULL), 0);
	assert_int_equal(g.content.size, size);
	if (row->how != NO_MOUNT)
		assert_usable("grown", size, row->how == FILL);
}

static void assert_grows(const char *name, uint64_t to)
{
	_cleanup_(grown_done) struct grown g;

	if (grow_file(&g, name, to) != 0)
		fail_msg("%s", g.why.text);
	disk_save(g.img, "grown");
	assert_clean("grown");
	assert_supers("grown", to / 4096 * 4096);
}

static void test_grows_with_a_changed_uuid(void **state)
{
	make_filesystem("", 300 * MiB, true);
	sh("btrfstune -m fs");
	assert_grows("fs", 1 * GiB);
	assert_usable("grown", 1 * GiB, false);
	make_filesystem("", 300 * MiB, true);
	sh("btrfstune -f -u fs >log");
	assert_grows("fs", 1 * GiB);
}

/* With 4 KiB nodes 30 chunks fill a leaf. */
static void make_large_chunk_tree(void)
{
	make_filesystem("-n 4096", 100 * GiB, true);
	on_mounted("fs", "for i in $(seq 70); do fallocate -l 1G $i; done");
	sh("btrfs inspect-internal dump-super fs | grep -q 'chunk_root_level.*1'");
}

static void test_grows_a_chunk_tree_of_two_levels(void **state)
{
	make_large_chunk_tree();
	assert_grows("fs", 300 * GiB);
	on_mounted("grown", "sha256sum --quiet -c ../sums && fallocate -l 100G more");
	assert_clean("grown");
}

static void test_grows_again_what_it_has_grown(void **state)
{
	make_filesystem("-M", 40 * MiB, true);
	assert_grows("fs", 64 * MiB);
	sh("mv grown fs");
	assert_grows("fs", 65 * MiB);
	sh("mv grown fs");
	assert_grows("fs", 300 * MiB);
	assert_usable("grown", 300 * MiB, true);
	sh("mv grown fs");
	assert_grows("fs", 300 * GiB);
}

static void test_grows_what_the_kernel_has_grown(void **state)
{
	make_filesystem("", 300 * MiB, true);
	sh("truncate -s 500M fs");
	on_mounted("fs", "btrfs filesystem resize max . >../log");
	assert_grows("fs", 900 * MiB);
	assert_usable("grown", 900 * MiB, false);
}

/* A step of a MiB, and each sector around the place of the first copy. */
static void test_grows_by_any_amount(void **state)
{
	make_filesystem("-M -n 4096", 40 * MiB, true);
	for (uint64_t to = 41 * MiB; to < 70 * MiB; to += 3 * MiB)
		assert_grows("fs", to);
	for (uint64_t to = 64 * MiB - 1024; to <= 64 * MiB + 10 * KiB; to += 1536)
		assert_grows("fs", to);
}

static void test_fits_when_no_sector_is_gained(void **state)
{
	const uint64_t gains[] = { 0, 1, 512, 4095 };

	make_filesystem("", 300 * MiB, false);
	for (int i = 0; i < 4; i++) {
		_cleanup_(grown_done) struct grown g;

		assert_int_equal(grow_file(&g, "fs", 300 * MiB + gains[i]), CONTENT_FITS);
	}
	assert_grows("fs", 300 * MiB + 4096);
}

static void test_hides_what_stood_behind(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t buf[4096];

	make_filesystem("", 300 * MiB, false);
	sh("head -c 3M /dev/urandom >>fs");
	assert_int_equal(grow_file(&g, "fs", 400 * MiB), 0);
	for (uint64_t at = 300 * MiB; at < 303 * MiB; at += sizeof(buf)) {
		assert_int_equal(image_pread(g.img, buf, sizeof(buf), at, NULL), 0);
		assert_true(bytes_are_zero(buf, sizeof(buf)));
	}
}

static void test_reads_and_holds_little(void **state)
{
	const uint64_t sizes[] = { 20 * GiB, 2 * TiB };

	make_filesystem("", 6 * GiB, true);
	for (int i = 0; i < 2; i++) {
		_cleanup_(grown_done) struct grown g;
		struct map_figures figures;

		assert_int_equal(grow_file(&g, "fs", sizes[i]), 0);
		/* The superblock twice, and a leaf. */
		assert_int_equal(g.reads.reads, 3);
		assert_int_equal(g.reads.bytes, 2 * 4096 + 16384);
		assert_true(map_figures(g.img, &figures));
		assert_true(figures.memory < 64 * KiB);
		assert_true(figures.patched < 16 * KiB);
	}
}

static void test_reads_little_of_a_large_chunk_tree(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_large_chunk_tree();
	assert_int_equal(grow_file(&g, "fs", 200 * GiB), 0);
	assert_int_equal(g.reads.bytes, 2 * 4096 + 2 * 4096);
}

static void test_is_deterministic(void **state)
{
	_cleanup_(grown_done) struct grown a, b;

	make_filesystem("", 300 * MiB, true);
	assert_int_equal(grow_file(&a, "fs", 2 * GiB), 0);
	assert_int_equal(grow_file(&b, "fs", 2 * GiB), 0);
	assert_string_equal(a.describe, b.describe);
	assert_string_equal(a.describe, "btrfs grown from 300M to 2.00G");
	disk_save(a.img, "grown");
	assert_shows_file(b.img, disk_path("grown"));
}

static void test_probe_tells_label_uuid_and_size(void **state)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct content c;

	make_filesystem("-b 200M -L a-label -U 01234567-89ab-cdef-0123-456789abcdef", 300 * MiB, false);
	img = disk_open("fs");
	assert_int_equal(btrfs_content.probe(img, &c, NULL), 0);
	assert_string_equal(c.label, "a-label");
	assert_string_equal(c.uuid, "01234567-89ab-cdef-0123-456789abcdef");
	assert_int_equal(c.size, 200 * MiB);
	assert_ptr_equal(c.ops, &btrfs_content);
}

static void test_probe_leaves_others_alone(void **state)
{
	static const uint8_t nothing[4096];
	const uint64_t sizes[] = { 512, 68 * KiB - 1, 68 * KiB, MiB };

	for (int i = 0; i < 4; i++) {
		struct image *img = memimage_new(nothing, sizeof(nothing), sizes[i]);
		struct content c;

		assert_int_equal(btrfs_content.probe(img, &c, NULL), 1);
		image_unref(img);
	}
}

/* Refusals of real filesystems. */

static void assert_file_refused(const char *name, const char *sentence)
{
	_cleanup_(grown_done) struct grown g;
	int r = grow_file(&g, name, 20 * GiB);

	if (r != -EOPNOTSUPP || strcmp(g.why.text, sentence) != 0)
		fail_msg("got %d, '%s'; want '%s'", r, g.why.text, sentence);
}

static void test_refuses_several_devices(void **state)
{
	sh("truncate -s 300M a b && mkfs.btrfs -q -d single -m raid1 a b >log");
	assert_file_refused("a", "btrfs is spread over 2 devices, of which this is one");
	assert_file_refused("b", "btrfs is spread over 2 devices, of which this is one");
	sh("rm a b");
}

static void test_refuses_a_seed_device(void **state)
{
	make_filesystem("", 300 * MiB, false);
	sh("btrfstune -S 1 fs");
	assert_file_refused("fs",
			    "btrfs is a seed device, which is never written to; btrfstune -S 0 ends that");
}

static void test_refuses_zones(void **state)
{
	make_filesystem("-O zoned -d single -m single", 4 * GiB, false);
	assert_file_refused("fs", "btrfs is zoned, its device has zones of a fixed size");
}

static void make_log_tree(void)
{
	make_filesystem("", 300 * MiB, true);
	on_mounted("fs", "sync && echo new >new && sync new && cp ../fs ../dirty");
	sh("! btrfs inspect-internal dump-super dirty | grep -q '^log_root[[:space:]]*0$'");
}

static void test_refuses_a_log_tree(void **state)
{
	make_log_tree();
	assert_file_refused("dirty",
			    "its log tree must be replayed first: this btrfs was in use when the image "
			    "was made; mount it once");
}

/* In use, but without a log tree: what is committed stands. */
static void test_grows_a_snapshot_of_a_mounted_one(void **state)
{
	make_filesystem("", 300 * MiB, true);
	on_mounted("fs", "cp -r deep deeper && sync && echo late >late && cp ../fs ../busy");
	assert_grows("busy", 1 * GiB);
	assert_usable("grown", 1 * GiB, false);
}

static void test_refuses_a_truncated_image(void **state)
{
	_cleanup_(grown_done) struct grown g;

	make_filesystem("", 300 * MiB, false);
	sh("truncate -s 299M fs");
	assert_int_equal(grow_file(&g, "fs", 1 * GiB), -EBADMSG);
	assert_string_equal(g.why.text, "btrfs takes 300M, but there are only 299M: truncated image");
}

/* A small filesystem in memory, changed in one place. */

static uint8_t *load(const char *name, size_t *ret_count)
{
	_cleanup_(image_unrefp) struct image *img = disk_open(name);
	uint8_t *bytes = malloc(img->size);

	assert_non_null(bytes);
	assert_int_equal(image_pread(img, bytes, img->size, 0, NULL), 0);
	*ret_count = img->size;
	return bytes;
}

static void seal(uint8_t *block, size_t count)
{
	assert_int_equal(btrfs_checksum(BTRFS_CRC32C, block, count, block, NULL), 0);
}

static int grow_memory(struct grown *g, const uint8_t *bytes, size_t count)
{
	*g = (struct grown){ .base = memimage_new(bytes, count, count) };
	return grown_grow(g, &btrfs_content, 300 * MiB);
}

static void assert_refused(const uint8_t *fs, size_t count, int error, const char *sentence)
{
	_cleanup_(grown_done) struct grown g;
	int r = grow_memory(&g, fs, count);

	if (r != error || !strstr(g.why.text, sentence))
		fail_msg("got %d, '%s'; want %d, '%s'", r, g.why.text, error, sentence);
}

static void test_refuses_by_the_superblock(void **state)
{
	const struct {
		unsigned at, bytes;
		uint64_t set;
		int error;
		const char *sentence;
	} changes[] = {
		{ 0x38, 8, 1 | 1ULL << 33, -EOPNOTSUPP, "a dump of the metadata" },
		{ 0x38, 8, 1 | 1ULL << 34, -EOPNOTSUPP, "a dump of the metadata" },
		{ 0x38, 8, 1 | 1ULL << 35, -EOPNOTSUPP, "was interrupted; btrfstune finishes it" },
		{ 0x38, 8, 1 | 1ULL << 36, -EOPNOTSUPP, "was interrupted; btrfstune finishes it" },
		{ 0x38, 8, 1 | 1ULL << 40, -EOPNOTSUPP, "was interrupted; btrfstune finishes it" },
		{ 0x38, 8, 1 | 1ULL << 2, -EOPNOTSUPP, "btrfs is not clean: errors were found in it" },
		{ 0x38, 8, 1 | 1ULL << 50, -EOPNOTSUPP, "flags that are not known here (0x4000000000000)" },
		{ 0xbc, 8, 0x341 | 1ULL << 13, -EOPNOTSUPP, "not known here (incompat 0x2000, compat_ro 0x0)" },
		{ 0xbc, 8, 0x341 | 1ULL << 63, -EOPNOTSUPP, "(incompat 0x8000000000000000, compat_ro 0x0)" },
		{ 0xb4, 8, 0x10, -EOPNOTSUPP, "not known here (incompat 0x0, compat_ro 0x10)" },
		{ 0x70, 8, 41 * MiB, -EOPNOTSUPP, "btrfs rescue fix-device-size repairs that" },
		{ 0x88, 8, 2, -EOPNOTSUPP, "spread over 2 devices" },
		{ 0xc9, 8, 2, -EOPNOTSUPP, "on another device, of id 1" },
		{ 0x88, 8, 0, -EBADMSG, "claims no devices" },
		{ 0x30, 8, 64 * MiB, -EBADMSG, "claims to stand at 67108864" },
		{ 0x90, 4, 512, -EBADMSG, "sectors of 512 and nodes of 4096" },
		{ 0x90, 4, 8192, -EBADMSG, "sectors of 8192 and nodes of 4096" },
		{ 0x94, 4, 12288, -EBADMSG, "nodes of 12288" },
		{ 0x94, 4, 131072, -EBADMSG, "nodes of 131072" },
		{ 0xa0, 4, 2049, -EBADMSG, "claims 2049 bytes of chunks" },
		{ 0xa0, 4, 0, -EBADMSG, "where no chunk is" },
		{ 0xa0, 4, 50, -EBADMSG, "the chunks in the btrfs superblock are damaged" },
		/* The array: a key, a chunk, its stripe. */
		{ 0x333, 1, 1, -EBADMSG, "the chunks in the btrfs superblock are damaged" },
		{ 0x334, 8, 1048577, -EBADMSG, "a chunk of 4194304 bytes at 1048577" },
		{ 0x33c, 8, 0, -EBADMSG, "a chunk of 0 bytes" },
		{ 0x33c, 8, 1ULL << 63, -EBADMSG, "a chunk of 9223372036854775808 bytes" },
		{ 0x354, 8, 0x12, -EOPNOTSUPP, "stored as RAID (type 0x12)" },
		{ 0x354, 8, 0x22, -EBADMSG, "claims 1 stripes" },
		{ 0x368, 2, 2, -EBADMSG, "the chunks in the btrfs superblock are damaged" },
		{ 0x368, 2, 0, -EBADMSG, "claims 0 stripes" },
		{ 0x36c, 8, 7, -EOPNOTSUPP, "on another device, of id 7" },
		{ 0x374, 8, 39 * MiB, -EBADMSG, "to stand at 40894464 of the device" },
		{ 0x374, 8, MiB + 1, -EBADMSG, "to stand at 1048577 of the device" },
		{ 0xc4, 2, 4, -EBADMSG, "unknown checksum type 4" },
		{ 0xc4, 2, 1, -EBADMSG, "wrong checksum" },
		{ 0xc6, 1, 8, -EBADMSG, "claims trees of 9 and 1 levels" },
		{ 0xc7, 1, 255, -EBADMSG, "claims trees of 1 and 256 levels" },
		{ 0xc7, 1, 1, -EBADMSG, "is not the one that belongs there" },
		{ 0x58, 8, 1ULL << 63, -EBADMSG, "where no chunk is" },
		{ 0xa4, 8, 12345, -EBADMSG, "is not the one that belongs there" },
		{ 0x20, 8, 12345, -EBADMSG, "is not the one that belongs there" },
		{ 0xd1, 8, 30 * MiB, -EOPNOTSUPP, "fix-device-size" },
		{ 0xd1, 8, 1ULL << 62, -EBADMSG, "truncated image" },
	};
	_cleanup_free_ uint8_t *fs = NULL, *changed = NULL;
	size_t count;

	make_filesystem("-M -n 4096", 40 * MiB, false);
	fs = load("fs", &count);
	changed = malloc(count);
	assert_non_null(changed);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(changed, fs, count);
		for (unsigned b = 0; b < changes[i].bytes; b++)
			changed[BTRFS_SUPER_AT + changes[i].at + b] = (uint8_t)(changes[i].set >> 8 * b);
		seal(changed + BTRFS_SUPER_AT, BTRFS_SUPER_SIZE);
		assert_refused(changed, count, changes[i].error, changes[i].sentence);
	}
}

/* Where a filesystem of that kind keeps its chunk tree, a leaf that begins with the device's item. */
#define CHUNK_LEAF MiB

static void test_refuses_by_the_chunk_tree(void **state)
{
	const struct {
		unsigned at, bytes;
		uint64_t set;
		int error;
		const char *sentence;
	} changes[] = {
		{ 0x20, 8, 12345, -EBADMSG, "not the one that belongs there" },
		{ 0x30, 8, 2 * MiB, -EBADMSG, "not the one that belongs there" },
		{ 0x50, 8, 12345, -EBADMSG, "not the one that belongs there" },
		{ 0x58, 8, 2, -EBADMSG, "not the one that belongs there" },
		{ 0x60, 4, 160, -EBADMSG, "claims 160 items" },
		{ 0x60, 4, UINT32_MAX, -EBADMSG, "claims 4294967295 items" },
		{ 0x60, 4, 0, -EBADMSG, "has no device item" },
		{ 0x64, 1, 1, -EBADMSG, "not the one that belongs there" },
		{ 101, 8, 1 << 20, -EBADMSG, "keys out of order" },
		{ 109, 1, 215, -EBADMSG, "has no device item" },
		{ 110, 8, 2, -EBADMSG, "the device item in the chunk tree of btrfs is damaged" },
		{ 118, 4, 4000, -EBADMSG, "an item outside it" },
		{ 118, 4, UINT32_MAX, -EBADMSG, "an item outside it" },
		{ 122, 4, 97, -EBADMSG, "the device item in the chunk tree of btrfs is damaged" },
	}, in_item[] = {
		{ 0, 8, 2, -EBADMSG, "the device item in the chunk tree of btrfs is damaged" },
		{ 8, 8, 41 * MiB, -EBADMSG, "disagree on the device" },
		{ 66, 1, 0xEE, -EBADMSG, "disagree on the device" },
		{ 82, 8, 12345, -EOPNOTSUPP, "stands on a seed device" },
	};
	_cleanup_free_ uint8_t *fs = NULL, *changed = NULL;
	size_t count, item;

	make_filesystem("-M -n 4096", 40 * MiB, false);
	fs = load("fs", &count);
	changed = malloc(count);
	assert_non_null(changed);
	item = 101 + get_le32(fs + CHUNK_LEAF + 118);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes) + sizeof(in_item) / sizeof(*in_item); i++) {
		size_t n = sizeof(changes) / sizeof(*changes), at = CHUNK_LEAF + (i < n ? 0 : item);
		const __typeof__(*changes) *c = i < n ? &changes[i] : (const void *)&in_item[i - n];

		memcpy(changed, fs, count);
		for (unsigned b = 0; b < c->bytes; b++)
			changed[at + c->at + b] = (uint8_t)(c->set >> 8 * b);
		seal(changed + CHUNK_LEAF, 4096);
		assert_refused(changed, count, c->error, c->sentence);
	}
}

static void test_refuses_a_logical_volume(void **state)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	_cleanup_(grown_done) struct grown g = { 0 };

	make_filesystem("", 300 * MiB, false);
	g.base = disk_open("fs");
	draft = map_draft_new(g.base->size, g.base);
	assert_int_equal(btrfs_content.grow(g.base, &g.content, &(struct growth){ .volume = "vg-root" }, draft,
					    NULL, &g.why),
			 -EOPNOTSUPP);
	assert_string_equal(g.why.text, "btrfs has no logical volumes, so none that is named 'vg-root'");
}

/* What is read of an image. */

struct range {
	uint64_t at;
	size_t count;
};

struct spy {
	struct image image;
	struct range ranges[64];
	size_t n;
};

static int spy_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct spy *spy = (struct spy *)img;

	assert_true(spy->n < sizeof(spy->ranges) / sizeof(*spy->ranges));
	spy->ranges[spy->n++] = (struct range){ offset, count };
	return image_pread(img->below, buf, count, offset, why);
}

static const struct image_ops spy_ops = { .name = "spy", .pread = spy_pread };

static struct spy *spy_new(const uint8_t *bytes, size_t count)
{
	struct spy *spy = calloc(1, sizeof(*spy));

	assert_non_null(spy);
	image_init(&spy->image, &spy_ops, count, memimage_new(bytes, count, count));
	return spy;
}

/* Every nth byte of all that growing reads, damaged in turn. */
static void check_damage(const char *options)
{
	size_t count, step = getenv("GOALFS_TEST_LONG") ? 1 : 67;
	_cleanup_free_ uint8_t *fs = NULL;
	struct grown g = { 0 };
	struct spy *spy;

	make_filesystem(options, 40 * MiB, false);
	fs = load("fs", &count);
	spy = spy_new(fs, count);
	g.base = image_ref(&spy->image);
	assert_int_equal(grown_grow(&g, &btrfs_content, 80 * MiB), 0);
	grown_done(&g);
	assert_int_equal(spy->n, 3);
	for (size_t i = 0; i < spy->n; i++)
		for (size_t at = i; at < spy->ranges[i].count; at += step) {
			uint8_t *damaged = fs + spy->ranges[i].at + at;
			bool magic = spy->ranges[i].at == BTRFS_SUPER_AT && at >= 64 && at < 72;

			*damaged ^= 0x10;
			assert_int_equal(grow_memory(&g, fs, count), magic ? 1 : -EBADMSG);
			assert_true(magic || g.why.text[0]);
			grown_done(&g);
			*damaged ^= 0x10;
		}
	image_unref(&spy->image);
}

static void test_sees_all_damage(void **state)
{
	check_damage("-M -n 4096");
	check_damage("-M -n 4096 --csum xxhash");
	check_damage("-M -n 4096 --csum sha256");
	check_damage("-M -n 4096 --csum blake2");
}

/* A copy that nobody read is hidden by the one that was. */
static void test_both_copies_of_the_leaf_are_alike(void **state)
{
	_cleanup_(grown_done) struct grown g;
	uint8_t one[16384], two[16384];

	make_filesystem("", 300 * MiB, true);
	assert_int_equal(grow_file(&g, "fs", 1 * GiB), 0);
	/* As mkfs places them: chunk root 22036480, stripes at 22020096 and 30408704. */
	sh("btrfs inspect-internal dump-super -f fs | grep -A 14 '^sys_chunk' | tr -s '\n\t ' ' ' | "
	   "grep -q 'offset 22020096 .*offset 30408704'");
	assert_int_equal(image_pread(g.img, one, sizeof(one), 22036480, NULL), 0);
	assert_int_equal(image_pread(g.img, two, sizeof(two), 22036480 + 30408704 - 22020096, NULL), 0);
	assert_memory_equal(one, two, sizeof(one));
	assert_int_equal(btrfs_checksum_check(BTRFS_CRC32C, two, sizeof(two), NULL), 0);
}

/* Unused. */

struct told {
	struct image *base, *img; /* `img`: with zeros where nothing is used */
	struct unused unused;
	struct why why;
};

static void told_done(struct told *t)
{
	image_unref(t->img);
	image_unref(t->base);
}

/* `t->base` is there. */
static int tell_image(struct told *t)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(t->base->size, t->base);
	struct content c;
	int r;

	assert_non_null(draft);
	r = btrfs_content.probe(t->base, &c, &t->why);
	if (r != 0)
		return r;
	unused_begin(&t->unused, draft, 0);
	r = btrfs_content.unused(t->base, &c, &t->unused, &t->why);
	if (r != 0)
		return r;
	unused_end(&t->unused);
	assert_int_equal(map_seal(take(draft), "test", NULL, &t->img, &t->why), 0);
	return 0;
}

static int tell_file(struct told *t, const char *name)
{
	*t = (struct told){ .base = disk_open(name) };
	return tell_image(t);
}

/* Nothing that is not written is zero, so that what is taken for unused by mistake shows. */
static void make_noisy(const char *options, uint64_t size)
{
	sh("rm -f fs && yes 'this is no longer anything' | head -c %" PRIu64
	   " >fs && mkfs.btrfs -q -K %s fs >log 2>&1 || "
	   "{ cat log; false; }",
	   size, options);
}

/* What the kernel says is in use, each copy counted; then what is kept besides. */
static uint64_t bytes_in_use(const char *name)
{
	_cleanup_free_ char *text = NULL;

	sh(ON_MOUNTED, name, "btrfs filesystem df -b . >../df");
	text = sh_text(
		"grep -v ^GlobalReserve df | tr -d ':,' | "
		"awk '{ sub(/.*used=/, \"\", $NF); sum += $NF * ($2 == \"DUP\" ? 2 : 1) } END { print sum }'");
	return strtoull(text, NULL, 10);
}

/* It is as sound as before, holds the same, and is as small as can be. */
static void assert_only_unused_is_gone(const char *name)
{
	uint64_t in_use = bytes_in_use(name), used;
	_cleanup_(told_done) struct told t;

	if (tell_file(&t, name) != 0)
		fail_msg("%s", t.why.text);
	disk_save(t.img, "sparse");
	assert_clean("sparse");
	used = t.base->size - t.unused.bytes;
	/* The first MiB, and a copy of the superblock. */
	if (used < in_use + MiB || used > in_use + MiB + 64 * KiB)
		fail_msg("%" PRIu64 " bytes are used, of which %" PRIu64 " hold something", used, in_use);
	sh(ON_MOUNTED, "sparse",
	   "sha256sum --quiet -c ../sums-now && btrfs scrub start -B . | grep -q 'no errors found' && "
	   "mkdir after && for i in $(seq 200); do seq $i >after/$i; done && sync && "
	   "sha256sum --quiet -c ../sums-now");
	assert_clean("sparse");
}

#define SUMS "find . -type f -print0 | xargs -0 sha256sum >../sums-now"

static const struct row kinds[] = {
	{ "unused: free space tree", "", 200 * MiB },
	{ "unused: extent tree", "-R ^free-space-tree", 200 * MiB },
	{ "unused: extent tree with large keys", "-R ^free-space-tree -O ^skinny-metadata -n 4096", 200 * MiB },
	{ "unused: nodes of 4K, sha256", "-n 4096 --csum sha256", 200 * MiB },
	{ "unused: mixed", "-M -n 4096", 64 * MiB },
	{ "unused: mixed, dup", "-M -m dup -d dup -n 4096", 200 * MiB },
	{ "unused: single, raid0", "-m single -d raid0", 200 * MiB },
	{ "unused: data twice", "-d dup", 400 * MiB },
};

/*
 * Two subvolumes, a snapshot, holes where files were, block groups that have been moved: in images
 * with some room, because the kernel gives up a balance in too little.
 */
static void test_unused(void **state)
{
	const struct row *row = *state;

	make_noisy(row->options, row->from);
	on_mounted("fs",
		   "cp -a ../content/. . && btrfs subvolume create one >../log && "
		   "btrfs subvolume create two >>../log && cp -r ../content/deep one && "
		   "for i in $(seq 600); do head -c 9000 ../content/deep/numbers >two/$i; done && sync && "
		   "btrfs subvolume snapshot one snap >>../log && rm -r one/deep/er && rm two/*[13579] && "
		   "echo more >>snap/deep/numbers && fallocate -l 3M reserved && "
		   "truncate -s 10M sparse && sync && btrfs balance start --full-balance . >>../log && "
		   "rm two/*2 && sync && " SUMS);
	assert_only_unused_is_gone("fs");
}

static void test_unused_of_a_fresh_filesystem(void **state)
{
	make_noisy("", 120 * MiB);
	sh(": >sums-now");
	sh(ON_MOUNTED, "fs", "echo one >one && " SUMS);
	assert_only_unused_is_gone("fs");
	/* And mkfs's own, which no kernel has touched. */
	make_noisy("--rootdir content", 160 * MiB);
	sh("cp fs untouched");
	{
		_cleanup_(told_done) struct told t;

		assert_int_equal(tell_file(&t, "untouched"), 0);
		disk_save(t.img, "sparse");
		assert_clean("sparse");
	}
}

/* The kernel writes bitmaps where they are smaller than extents. */
static void test_unused_by_bitmaps(void **state)
{
	make_noisy("-M -n 4096", 64 * MiB);
	on_mounted("fs", "for i in $(seq 3000); do head -c 4096 ../content/deep/numbers >$i; done; sync; "
			 "rm *[13579]; sync; " SUMS);
	sh("btrfs inspect-internal dump-tree fs | grep -q FREE_SPACE_BITMAP");
	assert_only_unused_is_gone("fs");
}

static void test_unused_of_a_large_one_is_its_chunks(void **state)
{
	_cleanup_(told_done) struct told t;

	make_large_chunk_tree();
	assert_int_equal(tell_file(&t, "fs"), 0);
	/* 70 GiB are reserved for files; the extents say so though nothing is written there. */
	assert_in_range(t.unused.bytes, 29 * GiB, 30 * GiB);
	assert_true(testimage_count(t.base).bytes < 64 * KiB);
	disk_save(t.img, "sparse");
	assert_clean("sparse");
}

static void test_what_is_sparse_grows(void **state)
{
	_cleanup_(told_done) struct told t;
	_cleanup_(grown_done) struct grown g = { 0 };

	make_noisy("--rootdir content", 160 * MiB);
	assert_int_equal(tell_file(&t, "fs"), 0);
	g.base = image_ref(t.img);
	assert_int_equal(grown_grow(&g, &btrfs_content, 300 * MiB), 0);
	disk_save(g.img, "grown");
	assert_clean("grown");
	assert_supers("grown", 300 * MiB);
	assert_usable("grown", 300 * MiB, false);
}

static void assert_not_told(const char *name, int error, const char *sentence)
{
	_cleanup_(told_done) struct told t;
	int r = tell_file(&t, name);

	if (r != error || strcmp(t.why.text, sentence) != 0)
		fail_msg("got %d, '%s'; want %d, '%s'", r, t.why.text, error, sentence);
}

static void test_unused_is_not_told_of_others(void **state)
{
	make_log_tree();
	assert_not_told("dirty", -EOPNOTSUPP,
			"its log tree must be replayed first: what it uses of this btrfs is told nowhere else");
	make_filesystem("-O zoned -d single -m single", 4 * GiB, false);
	assert_not_told("fs", -EOPNOTSUPP, "btrfs is zoned, its device has zones of a fixed size");
	sh("truncate -s 300M a b && mkfs.btrfs -q -d single -m raid1 a b >log");
	assert_not_told("a", -EOPNOTSUPP, "btrfs is spread over 2 devices, of which this is one");
	sh("rm a b");
}

/* Every nth byte of all that is read, damaged in turn. */
static void check_unused_damage(const char *options)
{
	size_t count, step = getenv("GOALFS_TEST_LONG") ? 1 : 59;
	_cleanup_free_ uint8_t *fs = NULL;
	struct told t = { 0 };
	struct spy *spy;

	make_filesystem(options, 40 * MiB, true);
	fs = load("fs", &count);
	spy = spy_new(fs, count);
	t.base = image_ref(&spy->image);
	assert_int_equal(tell_image(&t), 0);
	told_done(&t);
	assert_true(spy->n >= 5);
	for (size_t i = 0; i < spy->n; i++)
		for (size_t at = i; at < spy->ranges[i].count; at += step) {
			uint8_t *damaged = fs + spy->ranges[i].at + at;
			bool magic = spy->ranges[i].at == BTRFS_SUPER_AT && at >= 64 && at < 72;

			*damaged ^= 0x10;
			t = (struct told){ .base = memimage_new(fs, count, count) };
			assert_int_equal(tell_image(&t), magic ? 1 : -EBADMSG);
			assert_true(magic || t.why.text[0]);
			told_done(&t);
			*damaged ^= 0x10;
		}
	image_unref(&spy->image);
}

static void test_unused_sees_all_damage(void **state)
{
	check_unused_damage("-M -n 4096");
	check_unused_damage("-M -n 4096 -R ^free-space-tree");
}

/* Checksums that are right, over trees that are wrong: the sum tells. */
static void test_unused_is_not_believed_against_the_superblock(void **state)
{
	_cleanup_free_ uint8_t *fs = NULL;
	struct told t = { 0 };
	uint8_t *used;
	size_t count;

	make_filesystem("-M -n 4096", 40 * MiB, true);
	fs = load("fs", &count);
	used = fs + BTRFS_SUPER_AT + 0x78;
	put_le64(used, get_le64(used) + 4096);
	seal(fs + BTRFS_SUPER_AT, BTRFS_SUPER_SIZE);
	t.base = memimage_new(fs, count, count);
	assert_int_equal(tell_image(&t), -EBADMSG);
	assert_non_null(strstr(t.why.text, "bytes in use, its superblock says"));
	told_done(&t);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_grows_with_a_changed_uuid),
		cmocka_unit_test(test_grows_a_chunk_tree_of_two_levels),
		cmocka_unit_test(test_grows_again_what_it_has_grown),
		cmocka_unit_test(test_grows_what_the_kernel_has_grown),
		cmocka_unit_test(test_grows_by_any_amount),
		cmocka_unit_test(test_grows_a_snapshot_of_a_mounted_one),
		cmocka_unit_test(test_fits_when_no_sector_is_gained),
		cmocka_unit_test(test_hides_what_stood_behind),
		cmocka_unit_test(test_reads_and_holds_little),
		cmocka_unit_test(test_reads_little_of_a_large_chunk_tree),
		cmocka_unit_test(test_is_deterministic),
		cmocka_unit_test(test_probe_tells_label_uuid_and_size),
		cmocka_unit_test(test_probe_leaves_others_alone),
		cmocka_unit_test(test_refuses_several_devices),
		cmocka_unit_test(test_refuses_a_seed_device),
		cmocka_unit_test(test_refuses_zones),
		cmocka_unit_test(test_refuses_a_log_tree),
		cmocka_unit_test(test_refuses_a_truncated_image),
		cmocka_unit_test(test_refuses_by_the_superblock),
		cmocka_unit_test(test_refuses_by_the_chunk_tree),
		cmocka_unit_test(test_refuses_a_logical_volume),
		cmocka_unit_test(test_sees_all_damage),
		cmocka_unit_test(test_both_copies_of_the_leaf_are_alike),
		cmocka_unit_test(test_unused_of_a_fresh_filesystem),
		cmocka_unit_test(test_unused_by_bitmaps),
		cmocka_unit_test(test_unused_of_a_large_one_is_its_chunks),
		cmocka_unit_test(test_what_is_sparse_grows),
		cmocka_unit_test(test_unused_is_not_told_of_others),
		cmocka_unit_test(test_unused_sees_all_damage),
		cmocka_unit_test(test_unused_is_not_believed_against_the_superblock),
	};
	const size_t n_rows = sizeof(rows) / sizeof(rows[0]), n_kinds = sizeof(kinds) / sizeof(kinds[0]);
	const size_t n_others = sizeof(others) / sizeof(others[0]);
	struct CMUnitTest tests[sizeof(others) / sizeof(others[0]) + sizeof(rows) / sizeof(rows[0]) +
				sizeof(kinds) / sizeof(kinds[0])];

	cmocka_set_test_filter(getenv("GOALFS_TEST_ONLY"));
	for (size_t i = 0; i < n_rows; i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, test_row, NULL, NULL, (void *)&rows[i] };
	for (size_t i = 0; i < n_kinds; i++)
		tests[n_rows + i] =
			(struct CMUnitTest){ kinds[i].name, test_unused, NULL, NULL, (void *)&kinds[i] };
	memcpy(tests + n_rows + n_kinds, others, sizeof(others));
	return mounts_of_our_own()
		       ?: _cmocka_run_group_tests("btrfs", tests, n_rows + n_kinds + n_others, setup,
						  disk_dir_teardown);
}
