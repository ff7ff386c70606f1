/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_TRUST_H
#define GOALFS_LIBRARY_TRUST_H

/*
 * Whose signature a source must carry. A source with a key or a fingerprint is
 * checked; one without is believed if it is not signed. What is signed, and can't
 * be checked, is refused: whoever signed it meant it to be checked.
 */
#include <stdbool.h>
#include <stddef.h>

#include "backends/library/signature.h"

/* Borrowed texts. */
struct trust {
	bool check; /* false: --no-check-signature */
	const char *const *key_files;
	size_t n_key_files;
	const char *key_file; /* one more, may be NULL */
	const char *const *fingerprints;
	size_t n_fingerprints;
};

/* Whether there is something to check by, and it is to be checked. */
bool trust_has_keys(const struct trust *t);

/* NULL in `ret`, and 0, when there is nothing to check by, or nothing is to be checked. */
int trust_keyring(const struct trust *t, struct keyring **ret, struct why *why);

/*
 * The text that may be believed, malloc'ed with a NUL behind it that is not counted: with
 * a keyring exactly what the signature stands for, without one a copy.
 */
int trust_text(struct keyring *keyring, const char *bytes, size_t count, const char *shown, char **ret,
	       size_t *ret_count, struct why *why);

/* -EACCES with the ways out: an index is signed, and there was nothing to check it by. */
int trust_fail_unchecked(const char *shown, struct why *why);

#endif
