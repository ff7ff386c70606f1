/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_WHY_H
#define GOALFS_BASE_WHY_H

/*
 * Why something failed: one sentence for the user, written once, by the
 * function that knows the fact; callers hand it up as it is. Lower case, no
 * full stop, what failed first, values included, subject quoted.
 *
 * Every function that takes a `struct why *` accepts NULL. The sentence is
 * written only on failure, and is empty when memory ran out.
 */
struct why {
	char text[512];
};

/*
 * Writes the sentence, if anybody asked, and returns `error` (a negative errno). It is one line, without control
 * characters: names out of a template may be in it.
 */
int fail(struct why *why, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "FORMAT: " before the sentence that is there, or before strerror(error). Returns `error`. */
int fail_at(struct why *why, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The sentence, or what strerror says of `error`. The pointer lives as long as `why`. */
const char *why_text(const struct why *why, int error);

#endif
