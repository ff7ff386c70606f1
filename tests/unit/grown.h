/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_GROWN_H
#define GOALFS_TESTS_GROWN_H

/*
 * Disks of disk.h, grown by the whole step, and judged. What goes wrong fails the test.
 */
#include "backends/image.h"
#include "backends/resize.h"
#include "base/bytes.h"

#define LEFT_TO_GUEST "    its content is left to the guest\n"
#define WAYS_OUT                                                                                             \
	"; @content=none grows disk and partition and leaves the rest to the guest, @expand=none grows the " \
	"disk alone"
#define WAYS_OUT_BARE "; @content=none or @expand=none grows the disk alone and leaves the rest to the guest"

#define HOW(...) (&(struct resize){ .size = 200 * MiB, __VA_ARGS__ })

/* The file NAME grown as told, as an image. */
struct image *resize_ok(const struct resize *how, const char *name);

/* The same, as the file "grown"; its description must be `describe`, NULL: whatever it is. */
void resize_file(const struct resize *how, const char *name, const char *describe);

void assert_refused(const struct resize *how, const char *name, int error, const char *reason);

/* For a shell: the directory "files", and an ext4 with them in the file "part". */
#define MAKE_EXT4                                                                                             \
	"rm -rf files && mkdir -p files/d && seq 100000 > files/numbers && head -c 3000000 /dev/urandom > "   \
	"files/d/noise && "                                                                                   \
	"for i in $(seq 200); do echo $i > files/d/$i; done && ln -s d/noise files/link && mkfs.ext4 -qF -d " \
	"files part"

/*
 * What is at that offset of the file "grown" must pass e2fsck, mount, hold the files of
 * MAKE_EXT4, to the kernel's eyes, and take 100 MiB more.
 */
void judge_ext4(uint64_t offset, uint64_t length);

#endif
