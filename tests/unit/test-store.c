/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/cachebench.h"
#include "tests/unit/mounts.h"
#include "tests/unit/test.h"

static bool exists(const struct bench *b, const char *identity, const char *name)
{
	char path[256];

	bench_file(b, identity, name, path);
	return access(path, F_OK) == 0;
}

static void write_file(const char *path, const void *bytes, size_t count)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), count);
	(void)close(fd);
}

static size_t read_file(const char *path, uint8_t *buf, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, buf, room);
	assert_true(n >= 0 && (size_t)n < room);
	(void)close(fd);
	return (size_t)n;
}

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* ---- bits and units ---- */

static void bits_run_agrees_with_one_bit_after_the_other(void **state)
{
	struct bits *b = bits_new(300), *also = bits_new(300);
	uint64_t x = 1;

	for (int i = 0; i < 300; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		bits_put(b, i, x >> 60 > 1 || (i > 100 && i < 250));
		bits_put(also, i, x >> 30 & 63);
	}
	for (uint64_t from = 0; from < 300; from++)
		for (uint64_t end = from + 1; end <= 300; end++)
			for (int both = 0; both < 2; both++) {
				bool on, first = bits_get(b, from) && (!both || bits_get(also, from));
				uint64_t to = from;

				while (to < end && (bits_get(b, to) && (!both || bits_get(also, to))) == first)
					to++;
				assert_int_equal(bits_run(b, both ? also : NULL, from, end, &on), to);
				assert_int_equal(on, first);
			}
	free(b);
	free(also);
}

static void bits_put_range_touches_no_others(void **state)
{
	for (uint64_t from = 0; from < 200; from += 7)
		for (uint64_t end = from; end <= 200; end += 3)
			for (int on = 0; on < 2; on++) {
				struct bits *b = bits_new(200);

				bits_put_range(b, 0, 200, !on);
				bits_put_range(b, from, end, on);
				assert_int_equal(bits_count(b), on ? end - from : 200 - (end - from));
				for (uint64_t i = from; i < end; i++)
					assert_int_equal(bits_get(b, i), on);
				free(b);
			}
}

static void units_file_holds_what_was_put_in(void **state)
{
	const struct units_of of = { "an identity", 100 * GRANULE + 1, 77, 5, 6 };
	struct bits *there = bits_new(77), *zero = bits_new(101), *there2 = bits_new(77),
		    *zero2 = bits_new(101);
	uint8_t *file = malloc(units_bytes(&of));
	struct units_hint hint;

	bits_put_range(there, 3, 77, true);
	bits_put_range(zero, 64, 101, true);
	units_encode(&of, there, zero, file);
	assert_true(units_peek((struct span){ file, units_bytes(&of) }, &hint));
	assert_int_equal(hint.n_there, 74);
	assert_string_equal(hint.identity, "an identity");
	assert_int_equal(units_decode((struct span){ file, units_bytes(&of) }, &of, there2, zero2, NULL), 0);
	for (int i = 0; i < 77; i++)
		assert_int_equal(bits_get(there2, i), i >= 3);
	for (int i = 0; i < 101; i++)
		assert_int_equal(bits_get(zero2, i), i >= 64);
	free(there);
	free(zero);
	free(there2);
	free(zero2);
	free(file);
}

/* ---- the directory ---- */

static void makes_a_private_directory(void **state)
{
	struct bench *b = *state;
	char dir[128], path[400];
	struct stat st;
	struct dirent *d;
	DIR *stream;

	(void)snprintf(dir, sizeof(dir), "%s/a/b", b->dir);
	b->options.dir = dir;
	(void)umask(0);
	bench_open(b, 4 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	store_sidecar_write(b->context.store, ID, "zeros", 1, "x", 1);
	bench_close_store(b);
	(void)umask(022);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	stream = opendir(dir);
	for (int n = 0; (d = readdir(stream)) || n != 4;)
		if (d && d->d_name[0] != '.') {
			(void)snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_mode & 07777, 0600);
			n++;
		} else if (!d) {
			fail_msg("%d files", n);
		}
	(void)closedir(stream);
}

static void refuses_a_directory_that_others_may_write(void **state)
{
	struct bench *b = *state;
	struct why why = { 0 };
	char want[400];

	assert_int_equal(chmod(b->dir, 0775), 0);
	assert_int_equal(store_open(&b->options, &b->context.store, &why), -EPERM);
	(void)snprintf(want, sizeof(want), "store '%s' can be written by others (mode 0775)", b->dir);
	assert_string_equal(why.text, want);
	assert_int_equal(chmod(b->dir, 0700), 0);
	assert_int_equal(chown(b->dir, 1234, 0), 0);
	assert_int_equal(store_open(&b->options, &b->context.store, &why), -EPERM);
	assert_non_null(strstr(why.text, "belongs to user 1234"));
}

static void narrows_modes_that_it_finds(void **state)
{
	struct bench *b = *state;
	char path[400];
	struct stat st;
	struct dirent *d;
	DIR *stream;

	bench_open(b, 4 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	bench_close_store(b);
	run("chmod 0755 %s && chmod 0644 %s/*", b->dir, b->dir);
	bench_open(b, 4 * MiB, MiB);
	bench_close_store(b);
	assert_int_equal(stat(b->dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	stream = opendir(b->dir);
	while ((d = readdir(stream))) {
		(void)snprintf(path, sizeof(path), "%s/%s", b->dir, d->d_name);
		assert_int_equal(stat(path, &st), 0);
		if (S_ISREG(st.st_mode) && strcmp(d->d_name, "lock") != 0)
			assert_int_equal(st.st_mode & 07777, 0600);
	}
	(void)closedir(stream);
}

static void refuses_a_link_of_somebody_else(void **state)
{
	struct bench *b = *state;
	struct why why = { 0 };
	char link[200];

	(void)snprintf(link, sizeof(link), "%s-link", b->dir);
	assert_int_equal(symlink(b->dir, link), 0);
	b->options.dir = link;
	assert_int_equal(store_open(&b->options, &b->context.store, &why), 0);
	store_close(b->context.store);
	assert_int_equal(lchown(link, 1234, 0), 0);
	assert_int_equal(store_open(&b->options, &b->context.store, &why), -EPERM);
	assert_non_null(strstr(why.text, "is a link that user 1234 has made"));
	assert_int_equal(unlink(link), 0);
	b->context.store = NULL;
}

/* Runs in a child, which says over the pipe that it is ready, and stays until it is killed. */
static pid_t start_holder(struct bench *b, const char *holder)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		b->options.holder = holder;
		if (store_open(&b->options, &b->context.store, NULL) == 0)
			(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void second_daemon_is_told_who_has_it(void **state)
{
	struct bench *b = *state;
	struct why why = { 0 };
	char want[400];
	pid_t pid = start_holder(b, "/mnt/guests");

	assert_int_equal(store_open(&b->options, &b->context.store, &why), -EBUSY);
	(void)snprintf(want, sizeof(want), "store '%s' is in use by goalfs pid %d, mounted on '/mnt/guests'",
		       b->dir, pid);
	assert_string_equal(why.text, want);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(store_open(&b->options, &b->context.store, &why), 0);
}

/* On the same mountpoint there is only one at a time: the other one is about to end. */
static void predecessor_is_given_time_to_end(void **state)
{
	struct bench *b = *state;
	struct why why = { 0 };
	pid_t pid = start_holder(b, "/mnt/guests"), killer = fork();

	if (killer == 0) {
		(void)usleep(200 * 1000);
		(void)kill(pid, SIGKILL);
		_exit(0);
	}
	b->options.holder = "/mnt/guests";
	assert_int_equal(store_open(&b->options, &b->context.store, &why), 0);
	(void)waitpid(killer, NULL, 0);
	(void)waitpid(pid, NULL, 0);
}

static void lock_survives_going_to_the_background(void **state)
{
	struct bench *b = *state;
	struct store *second;
	struct why why = { 0 };
	char want[400];
	int ready[2];
	pid_t pid;
	char c;

	b->options.holder = "/m";
	assert_int_equal(store_open(&b->options, &b->context.store, &why), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		bench_open(b, MiB, MiB);
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(b->context.store->lockfd); /* as the parent's exit does */
	b->context.store->lockfd = -1;
	b->options.holder = NULL;
	assert_int_equal(store_open(&b->options, &second, &why), -EBUSY);
	(void)snprintf(want, sizeof(want), "store '%s' is in use by goalfs pid %d, mounted on '/m'", b->dir,
		       pid);
	assert_string_equal(why.text, want);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void litter_is_removed_and_other_files_are_not(void **state)
{
	static const char key[] = "0123456789abcdef0123456789abcdef";
	static const char *const litter[] = { "raw", "units", "zeros", "units.7.tmp", "zeros.0.tmp" };
	struct bench *b = *state;
	char path[256];

	for (size_t i = 0; i < 5; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s.%s", b->dir, key, litter[i]);
		write_file(path,
			   "goalfs-u\0\0\0\0............................................................"
			   "............................................",
			   110);
	}
	(void)snprintf(path, sizeof(path), "%s/README", b->dir);
	write_file(path, "mine", 4);
	bench_open(b, 2 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	store_sidecar_write(b->context.store, ID, "zeros", 1, "x", 1);
	bench_close_store(b);
	bench_open_store(b);
	assert_int_equal(access(path, F_OK), 0);
	for (size_t i = 0; i < 5; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s.%s", b->dir, key, litter[i]);
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_true(exists(b, ID, "raw") && exists(b, ID, "units") && exists(b, ID, "zeros"));
}

static void counts_what_it_finds(void **state)
{
	struct bench *b = *state;
	uint64_t bytes;

	bench_open(b, 6 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	bench_close(b);
	while (!exists(b, ID, "units"))
		(void)usleep(1000);
	bench_close_store(b);
	bench_open_store(b);
	bytes = bench_figures(b).bytes_stored;
	assert_in_range(bytes, 4 * MiB + 512, 4 * MiB + 16384);
}

/* ---- sidecars ---- */

static void assert_sidecar(struct store *s, const char *identity, const char *name, unsigned version,
			   const char *want)
{
	size_t count = 0;
	void *have = NULL;
	int r = store_sidecar_read(s, identity, name, version, &have, &count);

	if (!want) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(count, strlen(want));
	assert_memory_equal(have, want, count);
	free(have);
}

static void check_sidecars(struct bench *b, bool again)
{
	struct store *s = b->context.store;

	if (!again) {
		assert_sidecar(s, "a", "zeros", 1, NULL);
		store_sidecar_write(s, "a", "zeros", 1, "old", 3);
		store_sidecar_write(s, "a", "zeros", 1, "newer", 5);
		store_sidecar_write(s, "a", "xz-index", 7, "", 0);
		store_sidecar_write(s, "b", "zeros", 1, "others", 6);
		store_sidecar_write(s, "b", "units", 1, "not a name for one", 6);
	}
	assert_sidecar(s, "a", "zeros", 1, "newer");
	assert_sidecar(s, "a", "xz-index", 7, "");
	assert_sidecar(s, "b", "zeros", 1, "others");
	assert_sidecar(s, "b", "units", 1, NULL);
	assert_sidecar(s, "c", "zeros", 1, NULL);
}

static void sidecars_are_kept(void **state)
{
	struct bench *b = *state;

	bench_open_store(b);
	check_sidecars(b, false);
	bench_close_store(b);
	bench_open_store(b);
	check_sidecars(b, true);
	assert_sidecar(b->context.store, "a", "zeros", 2, NULL);
}

static void sidecars_of_a_temporary_store_live_as_long_as_it(void **state)
{
	struct bench *b = *state;

	b->options.dir = NULL;
	bench_open_store(b);
	check_sidecars(b, false);
	bench_close_store(b);
	bench_open_store(b);
	assert_sidecar(b->context.store, "a", "zeros", 1, NULL);
}

static void damaged_sidecars_are_not_there(void **state)
{
	struct bench *b = *state;
	uint8_t file[200];
	char path[256];
	size_t n;

	bench_open_store(b);
	store_sidecar_write(b->context.store, ID, "zeros", 1, "some bytes", 10);
	bench_file(b, ID, "zeros", path);
	n = read_file(path, file, sizeof(file));
	for (size_t i = 0; i < n; i++) {
		file[i] ^= 0x10;
		write_file(path, file, n);
		file[i] ^= 0x10;
		assert_sidecar(b->context.store, ID, "zeros", 1, NULL);
		assert_false(exists(b, ID, "zeros"));
		write_file(path, file, i);
		assert_sidecar(b->context.store, ID, "zeros", 1, NULL);
	}
	write_file(path, file, n);
	assert_sidecar(b->context.store, ID, "zeros", 1, "some bytes");
}

/* ---- damage ---- */

#define SIZE 500001
#define UNIT 70001

/* Units 1, 3 and 4 of 8 are there: what is claimed beyond them would read as zeros. */
static void store_some(struct bench *b)
{
	bench_open(b, SIZE, UNIT);
	assert_reads(b->cache, b->below, 1 * UNIT, 10);
	assert_reads(b->cache, b->below, 3 * UNIT, 2 * UNIT);
	bench_close_store(b);
}

/* Whatever the files hold, the bytes are right; returns how many units were not there. */
static unsigned reopen(struct bench *b)
{
	unsigned makes;

	bench_open(b, SIZE, UNIT);
	assert_reads_all(b->cache, b->below);
	makes = b->below->makes;
	bench_close_store(b);
	return makes;
}

static void each_damaged_byte_of_a_units_file_is_found(void **state)
{
	struct bench *b = *state;
	uint8_t file[400];
	char path[256];
	size_t n = 1;

	bench_file(b, ID, "units", path);
	for (size_t i = 0; i < n; i++) {
		store_some(b);
		n = read_file(path, file, sizeof(file));
		file[i] ^= (uint8_t)(1 << i % 8);
		write_file(path, file, n);
		if (reopen(b) != 8)
			fail_msg("byte %zu may be damaged", i);
		run("rm %s/*.*", b->dir);
	}
	assert_in_range(n, 96, 300);
	store_some(b);
	assert_int_equal(reopen(b), 5);
}

static void shortened_or_lengthened_units_files_count_for_nothing(void **state)
{
	struct bench *b = *state;
	uint8_t file[401] = { 0 };
	char path[256];
	size_t n;

	bench_file(b, ID, "units", path);
	for (size_t cut = 0; cut < 200; cut += 3) {
		store_some(b);
		n = read_file(path, file, 400);
		write_file(path, file, cut < n ? n - cut - 1 : n + 1);
		assert_int_equal(reopen(b), 8);
		run("rm %s/*.*", b->dir);
	}
}

static void a_units_file_for_another_template_counts_for_nothing(void **state)
{
	struct bench *b = *state;
	struct unitimage *other = unitimage_new(SIZE, UNIT, 2);
	struct image *cache;
	char mine[256], others[256];

	bench_open_store(b);
	cache = bench_cache(b, "sha512:4567", other);
	assert_reads_all(cache, other);
	image_unref(cache);
	image_unref(&other->image);
	bench_close_store(b);
	for (int with_data = 0; with_data < 2; with_data++) {
		store_some(b);
		bench_file(b, ID, "units", mine);
		bench_file(b, "sha512:4567", "units", others);
		run("cp %s %s", others, mine);
		bench_file(b, ID, "raw", mine);
		bench_file(b, "sha512:4567", "raw", others);
		if (with_data)
			run("ln -f %s %s", others, mine); /* even the inode fits */
		assert_int_equal(reopen(b), 8);
	}
}

static void other_units_or_another_size_count_for_nothing(void **state)
{
	struct bench *b = *state;

	store_some(b);
	bench_open(b, SIZE, UNIT + 1);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 8);
	bench_close_store(b);
	bench_open(b, SIZE + 1, UNIT + 1);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 8);
}

static void a_data_file_that_is_not_the_one_counts_for_nothing(void **state)
{
	static const char *const damage[] = {
		"rm $f",
		"truncate -s 400000 $f",
		"truncate -s 500002 $f",
		"truncate -s 0 $f",
		"mv $f $f-; truncate -s 500001 $f",
		"rm $f; mkdir $f",
		"rm $f; mkfifo $f",
		"mv $f $f-; ln -s $f- $f",
	};
	struct bench *b = *state;
	char path[256];

	bench_file(b, ID, "raw", path);
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		store_some(b);
		run("f=%s; %s", path, damage[i]);
		if (reopen(b) != 8)
			fail_msg("after: %s", damage[i]);
		run("rm -rf %s*", path);
	}
}

/* All of the data file, as the kernel would hand it on. */
static void assert_backed(struct bench *b)
{
	uint8_t *have = malloc(b->cache->size), *want = malloc(b->cache->size);
	struct backing backing;

	assert_int_equal(image_backing(b->cache, 0, &backing), 0);
	assert_int_equal(backing.length, b->cache->size);
	assert_int_equal(pread(backing.fd, have, b->cache->size, (off_t)backing.offset), b->cache->size);
	unitimage_bytes(b->below, want, b->cache->size, 0);
	assert_memory_equal(have, want, b->cache->size);
	free(have);
	free(want);
}

/* What a daemon that was killed while it made units left: bytes that nobody claims. */
static void bytes_that_are_not_claimed_are_wiped(void **state)
{
	struct bench *b = *state;
	uint8_t garbage[UNIT];
	char path[256];
	int fd;

	store_some(b);
	memset(garbage, 0xbb, sizeof(garbage));
	bench_file(b, ID, "raw", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	for (off_t unit = 0; unit < 8; unit++)
		if (unit != 1 && unit != 3 && unit != 4) {
			size_t n = min_u64(UNIT, SIZE - unit * UNIT);

			assert_int_equal(pwrite(fd, garbage, n, unit * UNIT), n);
		}
	(void)close(fd);
	bench_open(b, SIZE, UNIT);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 5);
	assert_backed(b);
}

static void granules_zero_in_no_unit_mean_nothing(void **state)
{
	struct bench *b = *state;
	struct bits *there = bits_new(8), *zero = bits_new(8);
	struct units_of of;
	uint8_t file[400];
	char path[256];

	store_some(b);
	bench_open(b, SIZE, UNIT);
	of = bench_shelf(b)->of;
	of.identity = ID;
	bits_put_range(there, 3, 5, true);
	bits_put_range(zero, 0, 8, true);
	/* Those that unit 3 and 4 hold as a whole, or together. */
	bits_put_range(zero, div_up(3 * UNIT, GRANULE), 5 * UNIT / GRANULE, false);
	units_encode(&of, there, zero, file);
	bench_close_store(b);
	bench_file(b, ID, "units", path);
	write_file(path, file, units_bytes(&of));
	assert_int_equal(reopen(b), 6);
	free(there);
	free(zero);
}

static void deleting_the_store_under_a_daemon_harms_nobody(void **state)
{
	struct bench *b = *state;
	struct unitimage *other = unitimage_new(SIZE, UNIT, 2);
	struct image *cache;

	bench_open(b, SIZE, UNIT);
	assert_reads(b->cache, b->below, 0, SIZE / 2);
	run("rm -rf %s", b->dir);
	assert_reads_all(b->cache, b->below);
	cache = bench_cache(b, "another", other); /* and what can't be stored is served */
	assert_reads_all(cache, other);
	image_unref(cache);
	image_unref(&other->image);
	bench_close_store(b);
	assert_int_equal(mkdir(b->dir, 0700), 0);
	assert_int_equal(reopen(b), 8);
}

static void shortening_the_data_file_under_a_daemon_gives_no_wrong_byte(void **state)
{
	struct bench *b = *state;
	char path[256];

	bench_file(b, ID, "raw", path);
	for (int to = 0; to < SIZE; to += 90000) {
		struct backing none;

		bench_open(b, SIZE, UNIT);
		assert_reads(b->cache, b->below, 0, SIZE - UNIT);
		assert_int_equal(truncate(path, to), 0);
		/* Of the last unit first, whose writing would bring the length back. */
		assert_reads(b->cache, b->below, SIZE - 1, 1);
		assert_reads_all(b->cache, b->below);
		assert_reads_all(b->cache, b->below);
		assert_int_equal(b->below->makes, 8 + 7); /* all of them once more, to memory */
		assert_int_equal(image_backing(b->cache, 0, &none), -ENODATA);
		bench_close_store(b);
		assert_false(exists(b, ID, "units"));
	}
	assert_int_equal(reopen(b), 8);
}

static void *read_whole(void *arg)
{
	struct bench *b = arg;

	assert_reads_all(b->cache, b->below);
	return NULL;
}

/* The rest of the unit would bring the length back. */
static void shortening_it_in_the_middle_of_a_unit_gives_no_wrong_byte(void **state)
{
	struct bench *b = *state;
	pthread_t thread;
	char path[256];

	bench_file(b, ID, "raw", path);
	bench_open(b, 8 * MiB, 8 * MiB);
	unitimage_close_gate(b->below);
	assert_int_equal(pthread_create(&thread, NULL, read_whole, b), 0);
	unitimage_wait_stopped(b->below, 1);
	assert_int_equal(truncate(path, 0), 0);
	unitimage_open_gate(b->below);
	(void)pthread_join(thread, NULL);
	bench_close_store(b);
	bench_open(b, 8 * MiB, 8 * MiB);
	assert_reads_all(b->cache, b->below);
}

static struct shelf *shelf_of(struct context *context, const char *identity)
{
	char key[KEY_TEXT];
	LOCKED(&context->store->lock);

	store_key(identity, key);
	return store_entry(context->store, key)->shelf;
}

/* One daemon has units that it has not recorded yet when another one opens the same template. */
static void open_beside(struct context *first, struct context *second, const char *identity)
{
	struct unitimage *below = unitimage_new(8 * MiB, MiB, 1);
	struct image *one, *other;

	assert_int_equal(cache_image_new(first, identity, &below->image, &one, NULL), 0);
	assert_reads(one, below, 0, MiB);
	assert_int_equal(shelf_flush(shelf_of(first, identity)), 0);
	assert_reads(one, below, MiB, 2 * MiB);
	assert_int_equal(cache_image_new(second, identity, &below->image, &other, NULL), 0);
	assert_reads(one, below, 0, 3 * MiB);
	assert_reads_all(other, below);
	assert_reads_all(one, below);
	image_unref(one);
	image_unref(other);
	image_unref(&below->image);
}

/*
 * Somebody took the lock for a dead daemon's, or deleted all that was there. What is open with one
 * is not the other's to put in order.
 */
static void two_daemons_on_one_directory_read_right_bytes(void **state)
{
	struct bench *b = *state;
	struct context other = { .pool = pool_new(1) };
	char lock[128];

	bench_open_store(b);
	(void)snprintf(lock, sizeof(lock), "%s/lock", b->dir);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(store_open(&b->options, &other.store, NULL), 0);
	open_beside(&b->context, &other, "older first");
	open_beside(&other, &b->context, "younger first");
	bench_close_store(b);
	pool_free(other.pool);
	store_close(other.store);
	bench_open(b, 8 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
}

/* What the store asks of its directory, in order: 'u' and 'r' remove a units or a data file, 's' syncs. */
static char asked[64];
static atomic_uint n_asked;

static void note_asked(char what)
{
	const unsigned n = n_asked++;

	if (n < sizeof(asked) - 1)
		asked[n] = what;
}

int unlinkat(int dirfd, const char *file, int flags)
{
	const char *end = strrchr(file, '.');

	if (end && (strcmp(end, ".units") == 0 || strcmp(end, ".raw") == 0))
		note_asked(end[1]);
	return (int)syscall(SYS_unlinkat, dirfd, file, flags);
}

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		note_asked('s');
	return (int)syscall(SYS_fsync, fd);
}

/* Or a crash could bring the claim back, beside a new file that got the old one's inode. */
static void a_claim_is_gone_for_good_before_its_data(void **state)
{
	struct bench *b = *state;

	for (int open = 0; open < 2; open++) {
		bench_open(b, MiB, MiB);
		assert_reads_all(b->cache, b->below);
		if (!open)
			bench_close_store(b);
		bench_open_store(b);
		if (open)
			assert_int_equal(shelf_flush(bench_shelf(b)), 0);
		memset(asked, 0, sizeof(asked));
		n_asked = 0;
		store_forget(b->context.store, ID);
		bench_close_store(b);
		assert_false(exists(b, ID, "raw"));
		assert_string_equal(asked, open ? "usur" : "usr");
	}
}

/* ---- crashes ---- */

#define CRASH_SIZE (8 * MiB + 777)
#define CRASH_UNIT 300001

/* What the store claims now is right; returns how many units that is. */
static uint64_t check_claims(struct bench *b, const char *identity, uint64_t seed)
{
	struct unitimage *below = unitimage_new(CRASH_SIZE, CRASH_UNIT, seed);
	struct image *cache;
	uint64_t there = 0;

	below->zero_every = 3;
	cache = bench_cache(b, identity, below);
	for (uint64_t at = 0; at < CRASH_SIZE;) {
		struct backing have;

		if (image_backing(cache, at, &have) < 0) {
			at += min_u64(GRANULE, CRASH_SIZE - at);
			continue;
		}
		assert_reads(cache, below, at, have.length);
		there += have.length;
		at += have.length;
	}
	assert_int_equal(below->makes, 0);
	image_unref(cache);
	image_unref(&below->image);
	return there;
}

static _Noreturn void *read_always(void *arg)
{
	struct bench *b = arg;
	uint64_t x = (uint64_t)getpid();
	uint8_t buf[4096];

	for (;;) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		(void)image_pread(b->cache, buf, 4096, (x >> 30) % (CRASH_SIZE - 4096), NULL);
	}
}

/* Shared with the child: how often it has recorded any units. */
static atomic_uint *recorded;

/* A child that can't begin, because its disk is gone already, has nothing to fail. */
static void open_in_child(struct bench *b)
{
	b->context.pool = pool_new(2);
	if (store_open(&b->options, &b->context.store, NULL) < 0)
		for (;;)
			(void)pause();
}

/* Never returns: makes units in no order, some of them damaged, and records them as fast as it goes. */
static void work_until_killed(struct bench *b)
{
	pthread_t thread;

	open_in_child(b);
	b->below = unitimage_new(CRASH_SIZE, CRASH_UNIT, 1);
	b->below->zero_every = 3;
	b->below->fail = 5;
	b->below->slow_us = 100;
	b->cache = bench_cache(b, ID, b->below);
	(void)pthread_create(&thread, NULL, read_always, b);
	(void)pthread_create(&thread, NULL, read_always, b);
	for (struct shelf *sh = bench_shelf(b);;) {
		bool any = bits_count(sh->there) > 0;

		if (shelf_flush(sh) == 0 && any)
			++*recorded;
	}
}

static pid_t start_child(struct bench *b, void (*work)(struct bench *b))
{
	pid_t pid;

	if (!recorded)
		recorded = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*recorded = 0;
	pid = fork();
	if (pid == 0)
		work(b);
	return pid;
}

/* The nth of many: some at once, some after a while, some after the child has recorded so much. */
static void wait_for_moment(unsigned n)
{
	while (n % 3 == 2 && *recorded < n / 3)
		(void)usleep(100);
	(void)usleep(n % 3 == 0 ? n * 100 : n * 1500);
}

static void after_kill_it_claims_only_what_is_there(void **state)
{
	struct bench *b = *state;
	uint64_t claimed = 0;

	for (unsigned n = 0; n < 30; n++) {
		pid_t pid = start_child(b, work_until_killed);

		wait_for_moment(n);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		bench_open_store(b);
		claimed += check_claims(b, ID, 1);
		bench_close_store(b);
		if (n % 5 == 4)
			run("rm -f %s/*.*", b->dir);
	}
	assert_true(claimed > 0);
}

/* Templates come and go under a limit that holds one and a half of them. */
static void evict_until_killed(struct bench *b)
{
	b->options.limit = 8 * MiB;
	open_in_child(b);
	for (uint64_t n = 0;; n++) {
		struct unitimage *below = unitimage_new(CRASH_SIZE, CRASH_UNIT, n % 4);
		struct image *cache;
		char id[10];
		uint8_t buf[CRASH_UNIT];

		below->zero_every = 3;
		(void)snprintf(id, sizeof(id), "id%d", (int)(n % 4));
		cache = bench_cache(b, id, below);
		for (uint64_t at = 0; at < CRASH_SIZE - CRASH_UNIT; at += CRASH_UNIT)
			(void)image_pread(cache, buf, CRASH_UNIT, at, NULL);
		image_unref(cache);
		image_unref(&below->image);
		++*recorded;
	}
}

static uint64_t check_all_claims(struct bench *b)
{
	uint64_t claimed = 0;

	for (uint64_t i = 0; i < 4; i++) {
		char id[10];

		(void)snprintf(id, sizeof(id), "id%d", (int)i);
		claimed += check_claims(b, id, i);
	}
	return claimed;
}

static void after_kill_evicted_units_are_not_claimed(void **state)
{
	struct bench *b = *state;
	uint64_t claimed = 0;

	for (unsigned n = 0; n < 12; n++) {
		pid_t pid = start_child(b, evict_until_killed);

		wait_for_moment(3 * n + 2);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		bench_open_store(b);
		claimed += check_all_claims(b);
		bench_close_store(b);
	}
	assert_true(claimed > 0);
}

/* A filesystem of its own, over a file that stays when it is shut down. */
static void mount_loop(struct bench *b, char dir[static 128], const char *type, unsigned mib)
{
	(void)snprintf(dir, 128, "%s/mnt", b->dir);
	run("mkdir -p %s && truncate -s %uM %s/disk && mkfs.%s -q %s/disk && mount -o loop %s/disk %s", dir,
	    mib, b->dir, type, b->dir, b->dir, dir);
	run("chmod 700 %s", dir);
	b->options.dir = dir;
}

static void unmount(struct bench *b)
{
	bench_close_store(b);
	run("umount %s/mnt", b->dir);
}

#ifndef FS_IOC_SHUTDOWN
#define FS_IOC_SHUTDOWN _IOR('X', 125, __u32)
#endif
#define SHUTDOWN_NO_LOG_FLUSH 2

/*
 * The filesystem is shut down under a child that works on it, as if the machine
 * had lost its power: what was not synced to its disk is gone, what was stays.
 */
static void crash(struct bench *b, const char *dir, void (*work)(struct bench *b), unsigned n)
{
	__u32 how = SHUTDOWN_NO_LOG_FLUSH;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid = start_child(b, work);

	wait_for_moment(n);
	assert_int_equal(ioctl(fd, FS_IOC_SHUTDOWN, &how), 0);
	(void)close(fd);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	run("umount %s && mount -o loop %s/disk %s", dir, b->dir, dir);
	bench_open_store(b);
}

static void after_a_crash_of_the_machine_it_claims_only_what_is_there(void **state)
{
	struct bench *b = *state;
	uint64_t claimed = 0;
	char dir[128];

	mount_loop(b, dir, "ext4", 64);
	for (unsigned n = 0; n < 12; n++) {
		crash(b, dir, work_until_killed, n);
		claimed += check_claims(b, ID, 1);
		bench_close_store(b);
		if (n % 3 == 2)
			run("rm -f %s/*.*", dir);
	}
	unmount(b);
	assert_true(claimed > 0);
}

static void after_a_crash_of_the_machine_evicted_units_are_not_claimed(void **state)
{
	struct bench *b = *state;
	char dir[128];

	mount_loop(b, dir, "ext4", 64);
	for (unsigned n = 0; n < 6; n++) {
		crash(b, dir, evict_until_killed, 3 * n + 2);
		(void)check_all_claims(b);
		bench_close_store(b);
	}
	unmount(b);
}

/* ---- room ---- */

static uint64_t free_bytes(const char *dir)
{
	struct statvfs fs;

	assert_int_equal(statvfs(dir, &fs), 0);
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* Zero granules take no room: 2/3 of an image's bytes are on disk. */
static void full_disk_is_served_around(void **state)
{
	static const char *const types[] = { "tmpfs", "ext4" };
	struct bench *b = *state;
	char dir[128];

	for (int i = 0; i < 2; i++) {
		if (i == 0) {
			(void)snprintf(dir, sizeof(dir), "%s/mnt", b->dir);
			run("mkdir %s && mount -t %s -o size=8m,mode=700 none %s", dir, types[i], dir);
			b->options.dir = dir;
		} else {
			mount_loop(b, dir, types[i], 12);
		}
		bench_open(b, 30 * MiB + 5, MiB);
		assert_reads_all(b->cache, b->below);
		assert_reads_all(b->cache, b->below);
		assert_int_equal(b->below->makes, 31); /* the rest is in memory */
		assert_in_range(bench_figures(b).bytes_stored, 4 * MiB, 12 * MiB);
		bench_close_store(b);
		bench_open(b, 30 * MiB + 5, MiB);
		assert_reads_all(b->cache, b->below);
		assert_in_range(b->below->makes, 10, 27);
		unmount(b);
	}
}

/* The filesystem says that there is room, until the write. */
static void disk_that_fills_half_way_is_served_around(void **state)
{
	struct bench *b = *state;
	char dir[128], path[160];
	int fd;

	(void)snprintf(dir, sizeof(dir), "%s/mnt", b->dir);
	run("mkdir %s && mount -t tmpfs -o size=8m,mode=700 none %s", dir, dir);
	b->options.dir = dir;
	b->context.pool = pool_new(1);
	bench_open(b, 30 * MiB, 6 * MiB);
	unitimage_close_gate(b->below);
	image_hint(b->cache, 0, MiB);
	unitimage_wait_stopped(b->below, 1);
	(void)snprintf(path, sizeof(path), "%s/others", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (fallocate(fd, 0, 0, (off_t)(8 * MiB - free_bytes(dir) + 64 * KiB)) == 0)
		;
	unitimage_open_gate(b->below);
	assert_reads_all(b->cache, b->below);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 5 + 1); /* the one that the disk spoilt, once more */
	(void)close(fd);
	/* There is room again. */
	assert_int_equal(unlink(path), 0);
	b->context.store->full_until = 0;
	bench_close_store(b);
	bench_open(b, 30 * MiB, 6 * MiB);
	assert_reads_all(b->cache, b->below);
	assert_true(bench_figures(b).bytes_stored > 0);
	unmount(b);
}

static void unit_that_fits_nowhere_is_an_error_that_says_so(void **state)
{
	struct bench *b = *state;
	struct why why = { 0 };
	char dir[128], want[400];
	uint8_t buf[10];

	(void)snprintf(dir, sizeof(dir), "%s/mnt", b->dir);
	run("mkdir %s && mount -t tmpfs -o size=4m,mode=700 none %s", dir, dir);
	b->options.dir = dir;
	b->options.memory = 2 * MiB;
	bench_open(b, 16 * MiB, 8 * MiB);
	for (int i = 0; i < 2; i++)
		assert_int_equal(image_pread(b->cache, buf, 10, 0, &why), -ENOSPC);
	(void)snprintf(want, sizeof(want),
		       "no room in '%s' and the 2.00M of memory for such cases can't hold a unit of 8.00M; "
		       "free some space, or raise the limits of cache or memory",
		       dir);
	assert_string_equal(why.text, want);
	assert_int_equal(bench_figures(b).bytes_stored, 0);
	bench_close(b);
	bench_open(b, 8 * MiB, MiB); /* the same store, other templates */
	assert_reads_all(b->cache, b->below);
	unmount(b);
}

/* More than a limit leaves, if it were not mostly zeros: room is taken as it is needed. */
static void large_unit_takes_no_more_room_than_its_data(void **state)
{
	struct bench *b = *state;

	b->options.limit = 50 * MiB;
	b->options.memory = MiB;
	bench_open(b, 60 * MiB, 60 * MiB);
	assert_reads(b->cache, b->below, 59 * MiB, MiB);
	assert_int_equal(bench_figures(b).bytes_stored, 40 * MiB);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 1);
}

static void min_free_is_left_free(void **state)
{
	struct bench *b = *state;
	char dir[128];

	mount_loop(b, dir, "ext4", 40);
	b->options.min_free = 16 * MiB;
	bench_open(b, 60 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	assert_reads_all(b->cache, b->below);
	assert_in_range(free_bytes(dir), 16 * MiB - 256 * KiB, 18 * MiB);
	unmount(b);
}

/* What the flusher is at counts as in use, and is not evicted. */
static bool is_settled(struct store *s)
{
	LOCKED(&s->lock);

	for (const struct entry *e = s->entries; e; e = e->next)
		if (e->busy || e->pins || e->users || e->shelf)
			return false;
	return true;
}

static void store_whole(struct bench *b, const char *identity, uint64_t size)
{
	struct unitimage *below = unitimage_new(size, MiB, 3);
	struct image *cache = bench_cache(b, identity, below);

	assert_reads_all(cache, below);
	image_unref(cache);
	image_unref(&below->image);
	/* Recorded and put away, so that the next one may be the reason to evict it. */
	while (!exists(b, identity, "units") || !is_settled(b->context.store))
		(void)usleep(1000);
}

static void evicts_the_least_recently_used_down_to_the_low_mark(void **state)
{
	struct bench *b = *state;

	b->options.limit = 20 * MiB;
	bench_open_store(b);
	store_whole(b, "a", 4 * MiB);
	store_whole(b, "b", 4 * MiB);
	store_whole(b, "c", 4 * MiB);
	store_whole(b, "d", 4 * MiB);
	store_whole(b, "a", 4 * MiB); /* is now the newest; no bytes more */
	assert_int_equal(bench_figures(b).units_evicted, 0);
	store_whole(b, "e", 4 * MiB); /* passes 19M, so down to 16M: b goes, and that is enough */
	assert_false(exists(b, "b", "raw") || exists(b, "b", "units"));
	assert_true(exists(b, "a", "raw") && exists(b, "d", "raw") && exists(b, "e", "raw"));
	assert_in_range(bench_figures(b).units_evicted, 4, 8);
	assert_in_range(bench_figures(b).bytes_stored, 12 * MiB, 20 * MiB);
}

static void remembers_over_a_restart_what_was_used_last(void **state)
{
	struct bench *b = *state;

	b->options.limit = 20 * MiB;
	bench_open_store(b);
	for (char id[] = "a"; *id < 'e'; ++*id)
		store_whole(b, id, 4 * MiB);
	store_whole(b, "a", 4 * MiB);
	bench_close_store(b);
	bench_open_store(b);
	store_whole(b, "e", 4 * MiB);
	assert_true(exists(b, "a", "raw"));
	assert_false(exists(b, "b", "raw"));
}

static void what_is_in_use_is_not_evicted(void **state)
{
	struct bench *b = *state;
	struct unitimage *other = unitimage_new(8 * MiB, MiB, 2);
	struct image *cache;

	b->options.limit = 8 * MiB;
	b->zero_every = 0;
	bench_open(b, 6 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	cache = bench_cache(b, "other", other);
	assert_reads_all(cache, other);
	assert_reads_all(cache, other);
	assert_int_equal(other->makes, 8); /* two on disk, the rest in memory */
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 6);
	assert_in_range(bench_figures(b).bytes_stored, 7 * MiB, 8 * MiB);
	assert_int_equal(bench_figures(b).units_evicted, 0);
	image_unref(cache);
	image_unref(&other->image);
}

/* What a mount would keep open for a while, in case somebody comes back. */
struct lingering {
	struct image *image;
	atomic_uint calls;
};

static bool close_lingering(void *arg)
{
	struct lingering *l = arg;
	const bool any = l->image != NULL;

	image_unref(take(l->image));
	l->calls++;
	return any;
}

static void wait_for_calls(struct lingering *l, unsigned n)
{
	while (l->calls < n)
		(void)usleep(1000);
}

static void what_lingers_is_closed_when_room_is_wanted(void **state)
{
	struct bench *b = *state;
	struct unitimage *gone = unitimage_new(6 * MiB, MiB, 2);
	struct lingering lingering = { NULL, 0 };

	b->options.limit = 8 * MiB;
	b->zero_every = 0;
	bench_open(b, 6 * MiB, MiB);
	lingering.image = bench_cache(b, "gone", gone);
	assert_reads_all(lingering.image, gone);
	store_when_scarce(b->context.store, close_lingering, &lingering);
	assert_reads(b->cache, b->below, 0, 3 * MiB); /* there is no room for all of it, so far */
	wait_for_calls(&lingering, 1);
	/* The next that are made find that what was closed can go. */
	for (uint64_t n = 0; bench_figures(b).units_evicted == 0; n++)
		assert_reads(b->cache, b->below, n % 6 * MiB, MiB);
	assert_int_equal(bench_figures(b).units_evicted, 6);
	assert_reads_all(b->cache, b->below);
	store_when_scarce(b->context.store, NULL, NULL);
	image_unref(&gone->image);
}

static void temporary_store_evicts_too(void **state)
{
	struct bench *b = *state;

	b->options.dir = NULL;
	b->options.tmpdir = b->dir;
	b->options.limit = 8 * MiB;
	b->zero_every = 0;
	bench_open_store(b);
	for (int n = 0; n < 5; n++) {
		struct unitimage *below = unitimage_new(6 * MiB, MiB, n);
		struct image *cache;
		char id[10];

		(void)snprintf(id, sizeof(id), "id%d", n);
		cache = bench_cache(b, id, below);
		assert_reads_all(cache, below);
		image_unref(cache);
		image_unref(&below->image);
		assert_in_range(bench_figures(b).bytes_stored, 6 * MiB, 8 * MiB);
	}
	assert_int_equal(bench_figures(b).units_evicted, 4 * 6);
}

static void evicting_takes_the_sidecars_last(void **state)
{
	struct bench *b = *state;

	b->options.limit = 8 * MiB;
	bench_open_store(b);
	store_sidecar_write(b->context.store, "a", "zeros", 1, "x", 1);
	store_whole(b, "a", 6 * MiB);
	store_sidecar_write(b->context.store, "b", "zeros", 1, "x", 1);
	store_whole(b, "b", 6 * MiB);
	assert_false(exists(b, "a", "raw"));
	while (room_evict_one(b->context.store))
		;
	assert_false(exists(b, "b", "raw"));
	assert_true(exists(b, "a", "zeros"));
	assert_true(exists(b, "b", "zeros"));
	assert_true(room_evict_sidecars(b->context.store));
	assert_true(room_evict_sidecars(b->context.store));
	assert_false(exists(b, "a", "zeros"));
	assert_false(exists(b, "b", "zeros"));
	assert_false(room_evict_sidecars(b->context.store));
}

static void sidecars_go_where_nothing_fits_otherwise(void **state)
{
	struct bench *b = *state;
	_cleanup_free_ void *bytes = calloc(1, 2 * MiB);

	b->options.limit = 4 * MiB;
	bench_open_store(b);
	store_sidecar_write(b->context.store, "a", "large", 1, bytes, 2 * MiB);
	bench_open(b, 3 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(bits_count(bench_shelf(b)->there), 3);
	assert_false(exists(b, "a", "large"));
}

static void fetched_data_outlives_what_was_made_later(void **state)
{
	struct bench *b = *state;

	bench_open_store(b);
	store_whole(b, STORE_FETCHED "a", 2 * MiB);
	store_whole(b, "b", 2 * MiB);
	bench_close_store(b);
	bench_open_store(b); /* it is known after a restart, too */
	assert_true(room_evict_one(b->context.store));
	assert_true(exists(b, STORE_FETCHED "a", "raw"));
	assert_false(exists(b, "b", "raw"));
	assert_true(room_evict_one(b->context.store));
	assert_false(exists(b, STORE_FETCHED "a", "raw"));
}

static void forgotten_data_is_gone_open_or_not(void **state)
{
	struct bench *b = *state;

	bench_open_store(b);
	store_whole(b, "closed", 2 * MiB);
	store_forget(b->context.store, "closed");
	assert_false(exists(b, "closed", "raw"));
	assert_false(exists(b, "closed", "units"));
	store_forget(b->context.store, "never there");
	store_whole(b, "file", 2 * MiB);
	store_whole(b, "file\nxz", 2 * MiB);
	store_whole(b, "file\nxz,tar", 2 * MiB);
	store_whole(b, "filed", 2 * MiB);
	store_whole(b, "another\nxz", 2 * MiB);
	store_forget(b->context.store, "file");
	assert_false(exists(b, "file", "raw") || exists(b, "file\nxz", "raw") ||
		     exists(b, "file\nxz,tar", "raw"));
	assert_true(exists(b, "filed", "raw") && exists(b, "another\nxz", "raw"));
	bench_open(b, 4 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 4);
	store_forget(b->context.store, ID);
	assert_int_equal(bits_count(bench_shelf(b)->there), 0);
	assert_reads_all(b->cache, b->below); /* made anew */
	assert_int_equal(b->below->makes, 8);
	bench_close(b);
	bench_close_store(b);
	assert_false(exists(b, ID, "units"));
	assert_false(exists(b, ID, "raw"));
}

static void forgotten_units_are_gone_from_memory(void **state)
{
	struct bench *b = *state;

	b->options.limit = 1; /* nothing can be stored */
	bench_open(b, 4 * MiB, MiB);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 4);
	store_forget(b->context.store, ID);
	assert_reads_all(b->cache, b->below);
	assert_int_equal(b->below->makes, 8);
}

/* One who reads and writes sidecars until told to stop. */
struct noter {
	struct store *store;
	pthread_t thread;
	size_t count;
	unsigned times;
	atomic_bool began, ended;
};

static void *read_sidecars(void *arg)
{
	struct noter *n = arg;

	n->began = true;
	for (unsigned i = 0; i < n->times; i++)
		assert_sidecar(n->store, ID, "zeros", 1, NULL);
	return NULL;
}

static void forgetting_beside_sidecars_harms_nobody(void **state)
{
	struct bench *b = *state;
	struct noter n = { .times = 20000 };

	bench_open_store(b);
	n.store = b->context.store;
	assert_int_equal(pthread_create(&n.thread, NULL, read_sidecars, &n), 0);
	for (int i = 0; i < 20000; i++)
		store_forget(b->context.store, ID);
	(void)pthread_join(n.thread, NULL);
}

static void *write_sidecars(void *arg)
{
	struct noter *n = arg;
	_cleanup_free_ void *bytes = calloc(1, n->count);

	for (unsigned i = 0; i < n->times; i++) {
		store_sidecar_write(n->store, ID, "zeros", 1, bytes, n->count);
		n->began = true;
	}
	n->ended = true;
	return NULL;
}

/* A lost shelf gives way to a new one as soon as nobody is at work on it. */
static void a_lost_shelf_is_replaced_beside_sidecars(void **state)
{
	struct bench *b = *state;
	struct noter n = { .times = 50, .count = 4 * MiB };

	bench_open_store(b);
	n.store = b->context.store;
	assert_int_equal(pthread_create(&n.thread, NULL, write_sidecars, &n), 0);
	while (!n.began)
		(void)usleep(1000);
	while (!n.ended) {
		bench_open(b, MiB, MiB);
		store_forget(b->context.store, ID);
		bench_close(b);
	}
	(void)pthread_join(n.thread, NULL);
}

static void memory_holds_the_units_used_last_and_no_more(void **state)
{
	struct bench *b = *state;

	b->options.limit = 1; /* nothing can be stored */
	b->options.memory = 4 * MiB + 4 * KiB;
	bench_open(b, 16 * MiB, MiB);
	for (uint64_t at = 0; at < 16 * MiB; at += MiB) {
		assert_reads(b->cache, b->below, at, 100);
		assert_in_range(memory_taken(b->context.store->memory), MiB, 4 * MiB + 4 * KiB);
	}
	assert_int_equal(b->below->makes, 16);
	assert_reads(b->cache, b->below, 12 * MiB, 4 * MiB);
	assert_int_equal(b->below->makes, 16);
	assert_reads(b->cache, b->below, 12 * MiB, 1); /* 13 is now the oldest */
	assert_reads(b->cache, b->below, 0, 1);
	assert_reads(b->cache, b->below, 12 * MiB, 1);
	assert_int_equal(b->below->makes, 17);
	assert_reads(b->cache, b->below, 13 * MiB, 1);
	assert_int_equal(b->below->makes, 18);
	bench_close(b);
	while (memory_taken(b->context.store->memory))
		(void)usleep(1000);
}

/* ---- all at once ---- */

struct worker {
	struct bench *b;
	pthread_t thread;
	unsigned number;
	unsigned wrong, errors;
};

static void work_on(struct worker *w, uint64_t which, uint64_t x)
{
	struct unitimage *below = unitimage_new(3 * MiB + 1, which % 2 ? 300001 : 128 * KiB, which);
	struct image *cache = NULL;
	uint8_t have[20000], want[20000];
	char id[10];

	(void)snprintf(id, sizeof(id), "id%d", (int)which);
	below->zero_every = 4;
	below->proved_every = 5;
	below->fail = 1;
	if (cache_image_new(&w->b->context, id, &below->image, &cache, NULL) < 0)
		abort();
	for (int n = 0; n < 40; n++) {
		uint64_t offset, count;
		int r;

		x = x * 6364136223846793005u + 1442695040888963407u;
		offset = (x >> 20) % (below->image.size - 1);
		count = min_u64(1 + (x >> 50) % sizeof(have), below->image.size - offset);
		if (n % 7 == 0)
			image_hint(cache, offset, MiB);
		if (n % 11 == 0)
			(void)image_extent(cache, offset);
		r = image_pread(cache, have, count, offset, NULL);
		unitimage_bytes(below, want, count, offset);
		w->errors += r < 0;
		w->wrong += r == 0 && memcmp(have, want, count) != 0;
	}
	image_unref(cache);
	image_unref(&below->image);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned n = 0; n < 12; n++)
		work_on(w, (w->number + n) % 5, w->number * 1000 + n);
	return NULL;
}

static void many_at_once_read_right_bytes(void **state)
{
	struct bench *b = *state;
	struct worker w[6];

	b->options.limit = 9 * MiB;
	b->options.memory = 2 * MiB;
	bench_open_store(b);
	for (unsigned i = 0; i < 6; i++) {
		w[i] = (struct worker){ .b = b, .number = i };
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < 6; i++) {
		(void)pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].wrong, 0);
		assert_in_range(w[i].errors, 0, 6 * 12); /* of the makes that were told to fail */
	}
	bench_close_store(b);
	bench_open_store(b);
	for (uint64_t i = 0; i < 5; i++) {
		char id[10];
		struct unitimage *below = unitimage_new(3 * MiB + 1, i % 2 ? 300001 : 128 * KiB, i);
		struct image *cache;

		(void)snprintf(id, sizeof(id), "id%d", (int)i);
		below->zero_every = 4;
		below->proved_every = 5;
		cache = bench_cache(b, id, below);
		assert_reads_all(cache, below);
		image_unref(cache);
		image_unref(&below->image);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_set_up, bench_tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bits_run_agrees_with_one_bit_after_the_other),
		TEST(bits_put_range_touches_no_others),
		TEST(units_file_holds_what_was_put_in),
		TEST(makes_a_private_directory),
		TEST(refuses_a_directory_that_others_may_write),
		TEST(narrows_modes_that_it_finds),
		TEST(refuses_a_link_of_somebody_else),
		TEST(second_daemon_is_told_who_has_it),
		TEST(predecessor_is_given_time_to_end),
		TEST(lock_survives_going_to_the_background),
		TEST(litter_is_removed_and_other_files_are_not),
		TEST(counts_what_it_finds),
		TEST(sidecars_are_kept),
		TEST(sidecars_of_a_temporary_store_live_as_long_as_it),
		TEST(damaged_sidecars_are_not_there),
		TEST(each_damaged_byte_of_a_units_file_is_found),
		TEST(shortened_or_lengthened_units_files_count_for_nothing),
		TEST(a_units_file_for_another_template_counts_for_nothing),
		TEST(other_units_or_another_size_count_for_nothing),
		TEST(a_data_file_that_is_not_the_one_counts_for_nothing),
		TEST(bytes_that_are_not_claimed_are_wiped),
		TEST(granules_zero_in_no_unit_mean_nothing),
		TEST(deleting_the_store_under_a_daemon_harms_nobody),
		TEST(shortening_the_data_file_under_a_daemon_gives_no_wrong_byte),
		TEST(shortening_it_in_the_middle_of_a_unit_gives_no_wrong_byte),
		TEST(two_daemons_on_one_directory_read_right_bytes),
		TEST(a_claim_is_gone_for_good_before_its_data),
		TEST(after_kill_it_claims_only_what_is_there),
		TEST(after_kill_evicted_units_are_not_claimed),
		TEST(after_a_crash_of_the_machine_it_claims_only_what_is_there),
		TEST(after_a_crash_of_the_machine_evicted_units_are_not_claimed),
		TEST(full_disk_is_served_around),
		TEST(disk_that_fills_half_way_is_served_around),
		TEST(unit_that_fits_nowhere_is_an_error_that_says_so),
		TEST(large_unit_takes_no_more_room_than_its_data),
		TEST(min_free_is_left_free),
		TEST(evicts_the_least_recently_used_down_to_the_low_mark),
		TEST(remembers_over_a_restart_what_was_used_last),
		TEST(what_is_in_use_is_not_evicted),
		TEST(what_lingers_is_closed_when_room_is_wanted),
		TEST(temporary_store_evicts_too),
		TEST(evicting_takes_the_sidecars_last),
		TEST(sidecars_go_where_nothing_fits_otherwise),
		TEST(fetched_data_outlives_what_was_made_later),
		TEST(forgotten_data_is_gone_open_or_not),
		TEST(forgotten_units_are_gone_from_memory),
		TEST(forgetting_beside_sidecars_harms_nobody),
		TEST(a_lost_shelf_is_replaced_beside_sidecars),
		TEST(memory_holds_the_units_used_last_and_no_more),
		TEST(many_at_once_read_right_bytes),
	};

	if (mounts_of_our_own() != 0)
		return 1;
	/* A /tmp that syncs at once. */
	if (mount("none", "/tmp", "tmpfs", 0, "mode=1777") < 0) {
		perror("tmpfs");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
