/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_UTF_H
#define GOALFS_BASE_UTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the UTF-8 character at `p` (shortest form, no surrogates, no C1 controls), or 0. NUL ends it. */
size_t utf8_length(const unsigned char *p);

/* What utf16_text needs at most for `n` units, its NUL included. */
#define UTF16_TEXT_MAX(n) (3 * (n) + 1)

/*
 * `n` UTF-16 units, or those before a zero one, as UTF-8: what is no character, or
 * controls a terminal, becomes U+FFFD. `text` has room for UTF16_TEXT_MAX(n). Returns its length.
 */
size_t utf16_text(char *text, const uint8_t *units, size_t n, bool big_endian);

/*
 * Makes one line of it that does nothing to a terminal, whatever names and servers' words are in it: blanks take
 * the place of control characters. What is no UTF-8 stays.
 */
void utf8_one_line(char *text);

#endif
