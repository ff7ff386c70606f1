/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_SIZE_H
#define GOALFS_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A size as people write it: digits, an optional fraction, and one of K M G T
 * (powers of 1024, either case); without a letter it is whole bytes. Exact
 * integer arithmetic: the fraction of a byte counts as one byte. Leaves
 * rounding to sectors to the caller. Returns 0, -EINVAL (not a size) or
 * -ERANGE (zero, or above INT64_MAX - 511, so that rounding can't overflow).
 */
int size_parse(const char *text, uint64_t *ret);

/* Room for size_format, "9223372036854775807" and its NUL included. */
#define SIZE_TEXT_MAX 24

/*
 * The shortest exact text that size_parse reads back as the same number: "20G",
 * "1536M", "1000". Returns `buf`.
 */
char *size_format(char buf[static SIZE_TEXT_MAX], uint64_t bytes);

/* For people's eyes, rounded to three digits: "407M", "1.46G". Returns `buf`. */
char *size_human(char buf[static SIZE_TEXT_MAX], uint64_t bytes);

#endif
