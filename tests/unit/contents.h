/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_CONTENTS_H
#define GOALFS_TESTS_CONTENTS_H

/*
 * A content grown by its own ops, without a disk around it. What goes wrong beside
 * the growth itself fails the test.
 */
#include "backends/content/content.h"
#include "tests/unit/memimage.h"

struct grown {
	int fd; /* above 0: that `base` borrows, and closed with it */
	/* `base` is the container as it was; the caller sets it, and grown_done gives it back. */
	struct image *base, *at_size, *img;
	struct content content;
	struct read_count reads; /* by probe and grow */
	char *describe;
	struct why why;
};

/* What probe or grow returned; `img` is there when it is 0. */
int grown_grow(struct grown *g, const struct content_ops *ops, uint64_t to);
void grown_done(struct grown *g);

/* Every byte the map shows, at places and lengths that straddle its seams, is what the written file has. */
void assert_shows_file(struct image *img, const char *path);
/* Where the map says zero, it reads zero. */
void assert_zeros_are_zero(struct image *img);

#endif
