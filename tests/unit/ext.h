/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_EXT_H
#define GOALFS_TESTS_EXT_H

/*
 * ext filesystems for tests: made by mke2fs, grown, judged by e2fsck and by the
 * kernel, all in the test program's own directory.
 */
#include "tests/unit/contents.h"

extern char extfs_top[256]; /* that directory */

/* For cmocka's group. The directory holds `mnt`, and `content` with files whose checksums are in `sums`. */
int extfs_setup(void **state);
int extfs_teardown(void **state);

/* Runs a shell command in the directory; its exit status. What it printed is in `log`. */
int extfs_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Fails the test with what was printed, unless `status` is 0. */
void extfs_must(int status, const char *what);
#define extfs_must_run(...) extfs_must(extfs_run(__VA_ARGS__), #__VA_ARGS__)

char *extfs_path(char path[static 512], const char *name);
uint8_t *extfs_load(const char *name, size_t *ret_count); /* to be freed */
void extfs_store(const char *name, const uint8_t *bytes, size_t count);

/* What `grow` returned; `img` is there when it is 0. */
int extfs_grow_file(struct grown *g, const char *name, uint64_t to);
int extfs_grow_memory(struct grown *g, const uint8_t *bytes, size_t count, uint64_t to);

/* The file `fs`; with the files of `content` in it. */
void extfs_make_filesystem(const char *mkfs, uint64_t size, bool with_content);

/* assert_shows_file of the file "grown". */
void extfs_assert_shows_grown(struct image *img);
void extfs_assert_clean(const char *name); /* says e2fsck -fn */
/* The kernel finds all files, takes new ones in all the new groups, and leaves a clean filesystem. */
void extfs_assert_usable(const char *name, uint64_t size);

#endif
