/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_SIGNATURE_H
#define GOALFS_LIBRARY_SIGNATURE_H

/*
 * OpenPGP signatures, checked by gpgme in a keyring of its own: a directory that
 * is made for it and removed with it, and holds nothing but the keys that were
 * given. The user's own keyring is only read to export a key named by fingerprint.
 *
 * Threads: a keyring belongs to one thread at a time.
 */
#include <stddef.h>

#include "base/cleanup.h"
#include "base/why.h"

struct keyring;

/*
 * `key_files`: n of them, PEM or binary, each with one key or several. `fingerprints`: n_fingerprints of signers that
 * are accepted, hex, case and blanks don't count; of primary keys or signing
 * subkeys; none: whoever's key is in the files. A fingerprint whose key is in no file is
 * looked for in the user's own keyring ($GNUPGHOME, ~/.gnupg). An error says which file or
 * fingerprint it was.
 */
int keyring_new(const char *const *key_files, size_t n, const char *const *fingerprints, size_t n_fingerprints,
		struct keyring **ret, struct why *why);
void keyring_free(struct keyring *k); /* accepts NULL; removes the directory */
DEFINE_CLEANUP(struct keyring *, keyring_free);

/* The accepted signers' primary fingerprints, 40 hex digits and more each, separated by a blank; borrowed. */
const char *keyring_fingerprints(const struct keyring *k);

/*
 * Checks a clear-signed message. 0 and, malloc'ed, with a NUL behind it that is not
 * counted, exactly the text that the signature stands for, and nothing that stood before
 * or behind the signed part. Every signature's own fault has its own sentence: no
 * signature at all, bad (the text was changed), by a key that is not
 * accepted (naming it), key or signature expired (when), key revoked, key not usable for signing.
 * One good signature by an accepted signer is enough, unless another one is bad.
 * `shown` names the message in sentences. -EBADMSG, or -EACCES for a signer who is not accepted.
 */
int signature_check_clear(struct keyring *k, const void *bytes, size_t count, const char *shown, char **ret,
			  size_t *ret_count, struct why *why);

/* The same for a detached signature over what `fd` holds from its start to its end. */
int signature_check_detached(struct keyring *k, const void *signature, size_t count, int fd, const char *shown,
			     struct why *why);

#endif
