/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_UNIT_WALLS_H
#define GOALFS_TESTS_UNIT_WALLS_H

/*
 * For tests of what a confined process can do. They run in a directory of their own, in which in/ and
 * out/ have a file each that is its owner's alone.
 */

/* The directory's path. */
extern char walls_root[64];

/* For cmocka_run_group_tests. */
int walls_set_up(void **state);
int walls_tear_down(void **state);

/* In a child, since no wall is taken down again. The line of the first check that failed, 0 when there is none. */
int walls_child(int (*fn)(void));

/* For a child's functions. An exit status has 8 bits; the checks of a function stand close enough together. */
#define CHECK(condition)                           \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 250 + 1; \
	} while (0)

#endif
