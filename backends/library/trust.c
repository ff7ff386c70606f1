/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/library/trust.h"

#include <errno.h>
#include <string.h>

bool trust_has_keys(const struct trust *t)
{
	return t->check && t->n_key_files + t->n_fingerprints + (t->key_file != NULL) > 0;
}

int trust_keyring(const struct trust *t, struct keyring **ret, struct why *why)
{
	const size_t n = t->n_key_files + (t->key_file != NULL);
	_cleanup_free_ const char **files = calloc(n + 1, sizeof(*files));

	*ret = NULL;
	if (!trust_has_keys(t))
		return 0;
	if (!files)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_key_files; i++)
		files[i] = t->key_files[i];
	if (t->key_file)
		files[n - 1] = t->key_file;
	return keyring_new(files, n, t->fingerprints, t->n_fingerprints, ret, why);
}

int trust_text(struct keyring *keyring, const char *bytes, size_t count, const char *shown, char **ret,
	       size_t *ret_count, struct why *why)
{
	if (keyring)
		return signature_check_clear(keyring, bytes, count, shown, ret, ret_count, why);
	*ret = malloc(count + 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, bytes, count);
	(*ret)[count] = '\0';
	*ret_count = count;
	return 0;
}

int trust_fail_unchecked(const char *shown, struct why *why)
{
	return fail(why, -EACCES,
		    "'%s' is signed, but no key was given to check it by: name one with --gpgkey or "
		    "--fingerprint, or trust it as it is with --no-check-signature",
		    shown);
}
