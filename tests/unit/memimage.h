/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_MEMIMAGE_H
#define GOALFS_TESTS_MEMIMAGE_H

/*
 * Images for tests: over memory or over an open file, counting what is read.
 */
#include "backends/image.h"

struct read_count {
	uint64_t reads;
	uint64_t bytes;
};

/* `bytes` is borrowed; behind `count` bytes up to `size` the image is zero (and says so). */
struct image *memimage_new(const void *bytes, size_t count, uint64_t size);

/* The file's bytes, holes as ZERO extents; `size` 0 takes the file's. The descriptor is borrowed. */
struct image *fdimage_new(int fd, uint64_t size);

/* What was read of an image of the two kinds above, since it was made. */
struct read_count testimage_count(const struct image *img);

/*
 * Writes the image into a file, holes as holes (the file is made or truncated to
 * the image's size). 0 or a negative errno.
 */
int testimage_save(struct image *img, const char *path);

#endif
