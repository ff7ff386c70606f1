/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_TEST_H
#define GOALFS_TESTS_TEST_H

/* What every unit test includes first: cmocka and what it needs, and our fail() ahead of its macro. */
#include "base/why.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* cmocka's fail_msg() stands on its macro of that name; this one doesn't. */
#undef fail
#undef fail_msg
#define fail_msg(...)                               \
	do {                                        \
		print_error("ERROR: " __VA_ARGS__); \
		print_error("\n");                  \
		_fail(__FILE__, __LINE__);          \
	} while (0)

/*
 * For a shell, behind "e2fsck -fn X > log" in the same directory: a wrong count in the superblock is no error to it, but
 * it says "Fix? no". What could be smaller ("Optimize? no") may be left so.
 */
#define E2FSCK_SAID_NOTHING "! grep -v ptimize log | grep -q '? no$'"

#endif
