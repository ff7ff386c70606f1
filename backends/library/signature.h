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
 * `key_files`: n of them, armored or binary, each with one key or several. `fingerprints`: n_fingerprints of
 * signers that are accepted, 40 hex digits (64 of version 5 keys), case and blanks don't count. That of a
 * subkey stands for its key as a whole, as with virt-builder: all signing subkeys of a key are accepted. No
 * fingerprints: whoever's key is in the files. A fingerprint whose key is in no file is looked for in the
 * user's own keyring ($GNUPGHOME, ~/.gnupg).
 *
 * Being given is all the trust that a key needs; one that is expired or revoked is taken here and refused where
 * it signed. An error says which file or fingerprint it was: the errno of opening the file, -EBADMSG when no
 * key is in it, -EINVAL for what is no fingerprint, or when nothing is given at all, -ENOENT for a key that is
 * nowhere, or when gpg is not installed. gpgme makes the process ignore SIGPIPE.
 */
int keyring_new(const char *const *key_files, size_t n, const char *const *fingerprints, size_t n_fingerprints,
		struct keyring **ret, struct why *why);
void keyring_free(struct keyring *k); /* accepts NULL; removes the directory */
DEFINE_CLEANUP(struct keyring *, keyring_free);

/* Whether the file can be read; what is in it only keyring_new finds out. 0, or its errors. */
int key_file_check(const char *path, struct why *why);

/* Whether it can be a fingerprint at all. 0, or keyring_new's -EINVAL. */
int fingerprint_check(const char *given, struct why *why);

/* The accepted signers' primary fingerprints, 40 hex digits and more each, separated by a blank; borrowed. */
const char *keyring_fingerprints(const struct keyring *k);

/*
 * Checks a clear-signed message of at most INDEX_BYTES_MAX. 0 and, malloc'ed, with a NUL behind it that is not
 * counted, the text that gpg verified, and nothing that stood before or behind the signed part: dash-escapes
 * are undone, blanks at the ends of lines, which no signature covers, are gone, line ends are as they came,
 * and the last line always ends in a newline.
 *
 * Errors, each with its own sentence: -EBADMSG when it is not signed, signed in another way or more than once,
 * or cut off; when a signature is bad (the text was changed), expired (when), or one that gpg finds too weak or
 * can't check. -EACCES for a signer who is not accepted: the key is none of those given, or not among the
 * fingerprints; it is expired (when), revoked, not made for signing. -EFBIG. One good signature by an accepted
 * signer is enough, unless another one is bad. `shown` names the message in sentences.
 */
int signature_check_clear(struct keyring *k, const void *bytes, size_t count, const char *shown, char **ret,
			  size_t *ret_count, struct why *why);

/*
 * The same for a detached signature, armored or binary, over what `fd` holds from its start to its end.
 * The file is read once, bit by bit; the descriptor's offset stays.
 */
int signature_check_detached(struct keyring *k, const void *signature, size_t count, int fd, const char *shown,
			     struct why *why);

#endif
