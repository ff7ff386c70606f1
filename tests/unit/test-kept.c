/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kept indexes, in a real directory. */
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/library/index.h"
#include "backends/library/kept.h"
#include "base/cleanup.h"
#include "base/text.h"

#define URL  "http://example.org/index.asc"
#define TEXT "[a]\nfile=a.xz\n\0with a NUL"
#define HEAD "url: " URL "\n"

static char root[64];
static int dirfd_;

static int setup(void **state)
{
	(void)snprintf(root, sizeof(root), "/tmp/goalfs-kept.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	dirfd_ = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	_cleanup_free_ char *command = text_new("rm -rf '%s'", root);

	(void)close(dirfd_);
	return command ? system(command) : -1;
}

/* The only file; malloc'ed. Fails when there are others beside it. */
static char *only_file(void)
{
	DIR *dir = opendir(root);
	struct dirent *d;
	char *path = NULL;

	assert_non_null(dir);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.') {
			assert_null(path);
			path = text_new("%s/%s", root, d->d_name);
		}
	(void)closedir(dir);
	return path;
}

static void write_kept(const char *url, const char *etag, const char *modified)
{
	const struct kept k = { (char *)TEXT, sizeof(TEXT) - 1, (char *)etag, (char *)modified };

	assert_int_equal(kept_write(dirfd_, url, &k), 0);
}

static void assert_kept(const char *url, const char *etag, const char *modified)
{
	struct kept k = { 0 };

	assert_int_equal(kept_read(dirfd_, url, &k), 0);
	assert_int_equal(k.count, sizeof(TEXT) - 1);
	assert_memory_equal(k.bytes, TEXT, sizeof(TEXT)); /* and the NUL behind */
	assert_int_equal(k.etag != NULL, etag != NULL);
	assert_int_equal(k.last_modified != NULL, modified != NULL);
	if (etag)
		assert_string_equal(k.etag, etag);
	if (modified)
		assert_string_equal(k.last_modified, modified);
	kept_done(&k);
	assert_null(k.bytes);
}

static void assert_not_kept(const char *url)
{
	struct kept k = { 0 };

	assert_int_equal(kept_read(dirfd_, url, &k), -ENOENT);
	assert_null(k.bytes);
	assert_null(k.etag);
	assert_null(k.last_modified);
}

static void comes_back_as_it_was_kept(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	assert_not_kept(URL);
	write_kept(URL, "W/\"1 2\"", "Sat, 21 Nov 2026 10:00:00 GMT");
	assert_kept(URL, "W/\"1 2\"", "Sat, 21 Nov 2026 10:00:00 GMT");
	/* Another one takes its place. */
	write_kept(URL, NULL, NULL);
	assert_kept(URL, NULL, NULL);
	path = only_file();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void each_url_has_its_own(void **state)
{
	write_kept(URL, "\"1\"", NULL);
	write_kept(URL "?", "\"2\"", NULL);
	assert_kept(URL, "\"1\"", NULL);
	assert_kept(URL "?", "\"2\"", NULL);
	assert_not_kept("http://example.org/index");
}

static void nowhere_is_no_place(void **state)
{
	const struct kept k = { (char *)TEXT, sizeof(TEXT) - 1, NULL, NULL };
	struct kept back = { 0 };

	assert_int_equal(kept_write(-1, URL, &k), -EBADF);
	assert_int_equal(kept_read(-1, URL, &back), -ENOENT);
}

/* ---- damage ---- */

static int parse(const char *bytes, size_t count)
{
	_cleanup_free_ char *copy = malloc(count ? count : 1);
	struct kept k = { 0 };
	int r;

	memcpy(copy, bytes, count);
	r = kept_parse(copy, count, URL, &k);
	assert_int_equal(k.bytes != NULL, r == 0);
	kept_done(&k);
	return r;
}

/* Behind the first line that fits. */
static int parse_rest(const char *rest)
{
	_cleanup_free_ char *file = malloc(KEPT_LINE + strlen(rest) + 1);

	kept_line(rest, strlen(rest), file);
	(void)strcpy(file + KEPT_LINE, rest);
	return parse(file, KEPT_LINE + strlen(rest));
}

static void damage_is_noticed(void **state)
{
	static const char rest[] = HEAD "etag: \"1\"\nmodified: x\nbytes: 3\n\nabc";
	char file[KEPT_LINE + sizeof(rest) + 1] = { 0 };
	const size_t count = KEPT_LINE + strlen(rest);

	assert_int_equal(parse_rest(rest), 0);
	kept_line(rest, strlen(rest), file);
	(void)strcpy(file + KEPT_LINE, rest);
	for (size_t n = 0; n < count; n++)
		assert_int_equal(parse(file, n), -EBADMSG);
	assert_int_equal(parse(file, count + 1), -EBADMSG);
	for (size_t i = 0; i < count; i++) {
		file[i] ^= 1;
		assert_int_equal(parse(file, count), -EBADMSG);
		file[i] ^= 1;
	}
	assert_int_equal(parse(file, count), 0);
}

static void bad_heads_are_refused(void **state)
{
	static const char *const bad[] = {
		"url: http://example.org/index\nbytes: 3\n\nabc",
		"bytes: 3\n\nabc",
		HEAD "\nabc",
		HEAD "bytes: 3\n",
		HEAD "bytes: 3",
		HEAD "bytes: \n\nabc",
		HEAD "bytes: 4\n\nabc",
		HEAD "bytes: 3x\n\nabc",
		HEAD "bytes: -18446744073709551613\n\nabc",
		HEAD "bytes: 18446744073709551619\n\nabc",
		HEAD "bytes: 3\nbytes: 3\n\nabc",
		HEAD "size: 3\nbytes: 3\n\nabc",
		/* They become lines of a request. */
		HEAD "etag: \"1\"\rX: y\nbytes: 3\n\nabc",
		HEAD "modified: \x1b[1m\nbytes: 3\n\nabc",
	};

	assert_int_equal(parse_rest(HEAD "bytes: 3\n\nabc"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_rest(bad[i]) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
}

static void damaged_files_count_as_none(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	write_kept(URL, "\"1\"", NULL);
	path = only_file();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	assert_not_kept(URL);
	/* The next one heals it. */
	write_kept(URL, "\"1\"", NULL);
	assert_kept(URL, "\"1\"", NULL);
	assert_int_equal(truncate(path, INDEX_BYTES_MAX + 10 * 1024 * 1024), 0);
	assert_not_kept(URL);
	assert_int_equal(truncate(path, 0), 0);
	assert_not_kept(URL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_not_kept(URL); /* and nobody waits for a writer */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_not_kept(URL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_not_kept(URL);
}

/* As on a full disk: the old one stays, and nothing beside it. */
static void what_does_not_fit_changes_nothing(void **state)
{
	struct rlimit was, small = { 100, 100 };
	const struct kept k = { calloc(1, 10000), 10000, NULL, NULL };
	int r;

	write_kept(URL, "\"1\"", NULL);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = kept_write(dirfd_, URL, &k);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	free(k.bytes);
	assert_true(r < 0);
	assert_kept(URL, "\"1\"", NULL);
	free(only_file());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back_as_it_was_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(each_url_has_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(nowhere_is_no_place, setup, teardown),
		cmocka_unit_test(damage_is_noticed),
		cmocka_unit_test(bad_heads_are_refused),
		cmocka_unit_test_setup_teardown(damaged_files_count_as_none, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_changes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
