/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_EXT_H
#define GOALFS_TESTS_EXT_H

/*
 * ext filesystems for tests: made by mke2fs, grown, judged by e2fsck and by the
 * kernel, all in the test program's own directory.
 */
#include "backends/content/content.h"
#include "tests/unit/memimage.h"

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

struct extfs_grown {
	int fd;
	struct image *base, *at_size, *img;
	struct content content;
	struct read_count reads; /* by probe and grow */
	char *describe;
	struct why why;
};

void extfs_grown_done(struct extfs_grown *g);

/* What `grow` returned; `img` is there when it is 0. */
int extfs_grow_image(struct extfs_grown *g, uint64_t to); /* of g->base */
int extfs_grow_file(struct extfs_grown *g, const char *name, uint64_t to);
int extfs_grow_memory(struct extfs_grown *g, const uint8_t *bytes, size_t count, uint64_t to);

/* The file `fs`; with the files of `content` in it. */
void extfs_make_filesystem(const char *mkfs, uint64_t size, bool with_content);

void extfs_assert_clean(const char *name); /* says e2fsck -fn */
/* Every byte the map shows, at places and lengths that straddle its seams, is what the written file has. */
void extfs_assert_reads_as(struct image *img, const char *name);
/* Where the map says zero, it reads zero. */
void extfs_assert_zeros_are_zero(struct image *img);
/* The kernel finds all files, takes new ones in all the new groups, and leaves a clean filesystem. */
void extfs_assert_usable(const char *name, uint64_t size);

#endif
