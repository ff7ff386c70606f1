/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_VALUE_H
#define GOALFS_LIBRARY_VALUE_H

/*
 * Values that catalogues of every kind have. Each function returns 0, -ENOMEM, or
 * a negative errno and a sentence that begins with the `key`. What is written to
 * is a malloc'ed text, and is left alone on failure.
 */
#include <stddef.h>

#include "base/why.h"

#define SHA256_DIGITS 64
#define SHA512_DIGITS 128

/* The path of a file below the `base` ("index"): not empty, no "..", no "/" in front, no URI, no controls. */
int value_path(const char *key, const char *base, const char *value, char **ret, struct why *why);

/* A hash of so many hexadecimal digits, lower-cased. What is anything else could never be met. */
int value_hash(const char *key, const char *value, size_t digits, char **ret, struct why *why);

/* The normal form of an architecture that we know. */
int value_arch(const char *key, const char *value, char **ret, struct why *why);

/*
 * The path in "file:///path" or "file://localhost/path", percent-decoded, or a plain
 * path as it is. -EINVAL for other hosts and bad escapes; -EOPNOTSUPP, without a
 * sentence, for other schemes.
 */
int value_file_uri(const char *key, const char *value, char **ret, struct why *why);

#endif
