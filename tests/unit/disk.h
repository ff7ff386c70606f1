/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_DISK_H
#define GOALFS_TESTS_DISK_H

/*
 * Real disks for tests: sparse files in a private directory, made and judged by
 * the usual tools, which are run there. A tool that fails or is missing fails
 * the test. The whole process has one directory.
 */
#include "backends/image.h"

/* For cmocka's group setup and teardown: makes the directory, and removes it with all that is in it. */
int disk_dir_setup(void **state);
int disk_dir_teardown(void **state);

/* "/tmp/goalfs-test-abc123/NAME", valid for the next 8 calls. */
const char *disk_path(const char *name);

/* A shell's command line in that directory; must succeed. */
void sh(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same; returns what it wrote to standard output, to be freed. */
char *sh_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What it returned, for commands that may fail. */
int sh_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The file NAME as an image that owns its descriptor. */
struct image *disk_open(const char *name);

/* The image as the file NAME. */
void disk_save(struct image *img, const char *name);

#endif
