/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_LAYOUTS_H
#define GOALFS_TESTS_LAYOUTS_H

/*
 * What the tests of the layouts have in common: disks of any size that hold data here
 * and there, and qemu-img as the judge of the files that are made of them. Whatever
 * does not hold fails the test.
 */
#include "backends/layout/layout.h"

/* Data, or zeros of another kind; what lies in no range is EXTENT_ZERO. */
struct range {
	uint64_t offset, length;
	enum extent_kind kind;
};

/*
 * Ranges in order, apart from each other, borrowed. No byte of data is zero, and no
 * two clusters of 64 KiB are the same.
 */
struct image *ranges_new(uint64_t size, const struct range *range, size_t n);

/* Every second block of this size is data, the first one too. */
struct image *alternating_new(uint64_t size, uint64_t block);

/* The byte of data at this offset of such a disk. */
uint8_t ranges_byte(uint64_t offset);

/* The layout under test, and a directory for its files. */
struct place {
	const char *format; /* as qemu-img calls it */
	int (*make)(struct image *below, const struct layout *how, struct image **ret, struct why *why);
	struct layout how; /* what is asked for; a test may change it */
	char dir[64];
	char raw[80];
	char file[80];
};

/* For cmocka's setup and teardown of each test; setup returns 0, or -1. */
int place_setup(void **state, const char *format,
		int (*make)(struct image *, const struct layout *, struct image **, struct why *));
int place_teardown(void **state);

struct image *place_layout(const struct place *p, struct image *below);

/* The layout refuses this disk: takes the caller's ref. */
void place_refuses(const struct place *p, struct image *below, int error, const char *sentence);

/* Into p->file, holes as holes. */
void place_save(const struct place *p, struct image *img);

/* The first `end` bytes alone, with the file's size behind them: when the data would be too much to write. */
void place_save_head(const struct place *p, struct image *img, uint64_t end);

void place_check(const struct place *p);			/* qemu-img check */
void place_check_size(const struct place *p, uint64_t size);	/* qemu-img info */
void place_check_info(const struct place *p, const char *what); /* what it says in JSON */
void place_compare(const struct place *p,
		   struct image *below); /* qemu-img compare, with a raw file of the disk */

/* All of these. Takes the caller's ref to `below`. */
void place_judge(const struct place *p, struct image *below);

/* What the guest sees at some offset, by qemu-io. */
void place_check_byte(const struct place *p, uint64_t offset, uint8_t byte);

/* Two layouts of equal disks are the same file, however it is read. Takes both refs. */
void place_same_twice(const struct place *p, struct image *below, struct image *again);

/* Reads of img, anywhere and of any length, give what one read of the whole gives. */
void check_reads(struct image *img, uint64_t edge);

/* What image_describe says, to be freed. */
char *described(struct image *img);

/* Runs a command; what it prints is the caller's to free. A status other than 0 is a failure. */
char *run(const char *format, ...) __attribute__((format(printf, 1, 2)));
void assert_says(const char *said, const char *what);

#endif
