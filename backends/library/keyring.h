/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_KEYRING_H
#define GOALFS_LIBRARY_KEYRING_H

/*
 * What keyring.c (making it) and signature.c (asking it) share:
 * a GnuPG home directory of its own, and who is accepted.
 */
#include <gpgme.h>
#include <stdbool.h>

#include "backends/library/signature.h"
#include "base/text.h"

struct keyring {
	gpgme_ctx_t ctx;
	char *home;	      /* the directory; NULL before it was made */
	int home_fd;	      /* locked as long as the keyring lives */
	bool whoever;	      /* every key of the files is accepted */
	struct text accepted; /* primary fingerprints as gpg writes them, a blank between two */
};

DEFINE_CLEANUP(gpgme_data_t, gpgme_data_release);
DEFINE_CLEANUP(gpgme_ctx_t, gpgme_release);
DEFINE_CLEANUP(gpgme_key_t, gpgme_key_unref);

/* Whether signatures of the key with this primary fingerprint count. */
bool keyring_accepts(const struct keyring *k, const char *primary);

/* The errno that says the same as gpgme's error. */
int engine_errno(gpgme_error_t e);

/* gpgme's own words. */
struct engine_words {
	char chars[128];
};
struct engine_words engine_words(gpgme_error_t e);

#endif
