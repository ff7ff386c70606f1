/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "tests/unit/ext.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "tests/unit/memimage.h"

char extfs_top[256];

/* Foreign tools. */

int extfs_run(const char *format, ...)
{
	char words[1024], command[1536];
	va_list ap;
	int status;

	va_start(ap, format);
	(void)vsnprintf(words, sizeof(words), format, ap);
	va_end(ap);
	(void)snprintf(command, sizeof(command), "cd %s && { %s ; } >log 2>&1", extfs_top, words);
	status = system(command);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 127); /* the tool is missing */
	return WEXITSTATUS(status);
}

void extfs_must(int status, const char *what)
{
	char show[512];

	if (status == 0)
		return;
	(void)snprintf(show, sizeof(show), "head -n 40 %s/log >&2", extfs_top);
	(void)!system(show);
	fail_msg("%s: exit status %d", what, status);
}

char *extfs_path(char path[static 512], const char *name)
{
	(void)snprintf(path, 512, "%s/%s", extfs_top, name);
	return path;
}

int extfs_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(extfs_top, sizeof(extfs_top), "%s/goalfs-ext-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(extfs_top))
		return -1;
	return extfs_run(
		"mkdir -p mnt content/deep/er && cd content && : >empty && echo five >five && "
		"seq 1 200000 >deep/numbers && seq 1 3 900000 | xz -0 >deep/er/dense && ln -s deep/numbers "
		"link && "
		"for i in $(seq 50); do echo $i >deep/small$i; done && "
		"find . -type f | xargs sha256sum >../sums");
}

int extfs_teardown(void **state)
{
	return extfs_run("rm -rf %s", extfs_top);
}

/* Growing. */

int extfs_grow_file(struct grown *g, const char *name, uint64_t to)
{
	char path[512];

	*g = (struct grown){ .fd = open(extfs_path(path, name), O_RDONLY | O_CLOEXEC) };
	assert_true(g->fd >= 0);
	g->base = fdimage_new(g->fd, 0);
	return grown_grow(g, &ext_content, to);
}

void extfs_make_filesystem(const char *mkfs, uint64_t size, bool with_content)
{
	extfs_must_run("rm -f fs && truncate -s %" PRIu64 " fs && %s -q -F %s fs", size, mkfs,
		       with_content ? "-d content" : "");
}

void extfs_assert_clean(const char *name)
{
	extfs_must_run("e2fsck -fn %s && " E2FSCK_SAID_NOTHING, name);
}

void extfs_assert_shows_grown(struct image *img)
{
	char path[512];

	assert_shows_file(img, extfs_path(path, "grown"));
}

void extfs_assert_usable(const char *name, uint64_t size)
{
	struct statvfs vfs;
	char path[512];

	extfs_must_run("mount -t ext4 -o loop %s mnt", name);
	assert_int_equal(statvfs(extfs_path(path, "mnt"), &vfs), 0);
	extfs_must_run(
		"trap 'umount %s/mnt' EXIT; (cd mnt && sha256sum --quiet -c ../sums && "
		"mkdir new && cd new && mkdir $(seq 100) && for i in $(seq 100); do echo $i >$i/f; done && "
		"head -c 20M /dev/zero >written && { fallocate -l $(($(stat -f -c '%%a*%%S' .) * 9 / 10)) big "
		"|| "
		"fallocate -l 1 big 2>&1 | grep 'not supported'; } && rm -f big && cd .. && "
		"sha256sum --quiet -c ../sums)",
		extfs_top);
	/* What the tables take is not counted: half of all, in one row. */
	assert_in_range((uint64_t)vfs.f_blocks * vfs.f_frsize, size / 100 * 45, size);
	extfs_assert_clean(name);
}

uint8_t *extfs_load(const char *name, size_t *ret_count)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	uint8_t *bytes;
	char path[512];

	fd = open(extfs_path(path, name), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	bytes = malloc(st.st_size);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, st.st_size), st.st_size);
	*ret_count = st.st_size;
	return bytes;
}

void extfs_store(const char *name, const uint8_t *bytes, size_t count)
{
	_cleanup_close_ int fd = -1;
	char path[512];

	fd = open(extfs_path(path, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), count);
}

int extfs_grow_memory(struct grown *g, const uint8_t *bytes, size_t count, uint64_t to)
{
	*g = (struct grown){ .fd = -1, .base = memimage_new(bytes, count, count) };
	return grown_grow(g, &ext_content, to);
}
