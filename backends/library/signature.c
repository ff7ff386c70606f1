/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gpg judges the mathematics, the digests and the dates; who may sign is decided
 * here. gpg sees a message only after armor.c has found it to be of the kind that
 * was asked for, and sees just that part of it.
 */
#include "backends/library/signature.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "backends/library/armor.h"
#include "backends/library/index.h"
#include "backends/library/keyring.h"
#include "base/log.h"

#define DETACHED_MAX (64 * KiB) /* one signature has some 600 bytes */

struct check {
	struct keyring *k;
	const char *shown;
	struct why *why;
};

struct date {
	char chars[16];
};

static struct date date_of(long seconds)
{
	struct date date = { "some day" };
	const time_t t = seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm))
		(void)strftime(date.chars, sizeof(date.chars), "%Y-%m-%d", &tm);
	return date;
}

/* The subkey that signed: gpg may name it by its id only, which is the fingerprint's end. */
static gpgme_subkey_t signing_subkey(gpgme_key_t key, const char *fpr)
{
	const size_t n = strlen(fpr);

	for (gpgme_subkey_t s = key->subkeys; s; s = s->next)
		if (s->fpr && strlen(s->fpr) >= n && strcasecmp(s->fpr + strlen(s->fpr) - n, fpr) == 0)
			return s;
	return NULL;
}

static int judge_revoked(const struct check *c, gpgme_key_t key, gpgme_subkey_t subkey)
{
	if (key->revoked || key->subkeys->revoked)
		return fail(c->why, -EACCES, "'%s' is signed by key %s, which is revoked", c->shown,
			    key->subkeys->fpr);
	if (subkey->revoked)
		return fail(c->why, -EACCES, "'%s' is signed by subkey %s, which is revoked", c->shown,
			    subkey->fpr);
	return 0;
}

static int judge_expired(const struct check *c, gpgme_key_t key, gpgme_subkey_t subkey)
{
	if (key->expired || key->subkeys->expired)
		return fail(c->why, -EACCES, "'%s' is signed by key %s, which expired on %s", c->shown,
			    key->subkeys->fpr, date_of(key->subkeys->expires).chars);
	if (subkey->expired)
		return fail(c->why, -EACCES, "'%s' is signed by subkey %s, which expired on %s", c->shown,
			    subkey->fpr, date_of(subkey->expires).chars);
	return 0;
}

/* gpg found no fault with the text; has it one with the key? Whatever gpg says of it. */
static int judge_key(const struct check *c, gpgme_key_t key, gpgme_subkey_t subkey)
{
	int r = judge_revoked(c, key, subkey);

	if (r == 0)
		r = judge_expired(c, key, subkey);
	if (r < 0)
		return r;
	if (!subkey->can_sign)
		return fail(c->why, -EACCES, "'%s' is signed by key %s, which is not made for signing",
			    c->shown, subkey->fpr);
	if (key->invalid || key->disabled || subkey->invalid || subkey->disabled)
		return fail(c->why, -EACCES, "'%s' is signed by key %s, which gpg finds invalid", c->shown,
			    subkey->fpr);
	return 0;
}

static bool is_weak(gpgme_hash_algo_t hash)
{
	return hash == GPGME_MD_MD5 || hash == GPGME_MD_SHA1 || hash == GPGME_MD_RMD160;
}

/* By an accepted key without fault. */
static int judge_signature(const struct check *c, const struct _gpgme_signature *s)
{
	switch (gpgme_err_code(s->status)) {
	case GPG_ERR_NO_ERROR:
		return 0;
	case GPG_ERR_SIG_EXPIRED:
		return fail(c->why, -EBADMSG, "the signature of '%s' by key %s expired on %s", c->shown, s->fpr,
			    date_of((long)s->exp_timestamp).chars);
	case GPG_ERR_KEY_EXPIRED:
		return fail(c->why, -EACCES, "'%s' is signed by key %s, which is expired", c->shown, s->fpr);
	case GPG_ERR_CERT_REVOKED:
		return fail(c->why, -EACCES, "'%s' is signed by key %s, which is revoked", c->shown, s->fpr);
	default:
		break;
	}
	/* gpgme has one code for all of gpg's other reasons. */
	if (is_weak(s->hash_algo))
		return fail(
			c->why, -EBADMSG,
			"gpg refuses the signature of '%s' by key %s, made with %s, which is too weak for it",
			c->shown, s->fpr, gpgme_hash_algo_name(s->hash_algo));
	return fail(c->why, -EBADMSG, "gpg can't check the signature of '%s' by key %s: %s", c->shown, s->fpr,
		    engine_words(s->status).chars);
}

static int unknown_key(const struct check *c, const char *fpr)
{
	return fail(c->why, -EACCES, "'%s' is signed by key %s, which is none of the keys given", c->shown,
		    fpr);
}

static int judge_signer(const struct check *c, const struct _gpgme_signature *s)
{
	_cleanup_(gpgme_key_unrefp) gpgme_key_t key = NULL;
	gpgme_subkey_t subkey;
	int r;

	if (gpgme_get_key(c->k->ctx, s->fpr, &key, /* secret= */ 0) || !key->subkeys || !key->subkeys->fpr)
		return unknown_key(c, s->fpr);
	subkey = signing_subkey(key, s->fpr);
	if (!subkey)
		return unknown_key(c, s->fpr);
	if (!keyring_accepts(c->k, key->subkeys->fpr))
		return fail(c->why, -EACCES,
			    "'%s' is signed by key %s, which is not among the accepted signers", c->shown,
			    key->subkeys->fpr);
	r = judge_key(c, key, subkey);
	if (r == 0)
		r = judge_signature(c, s);
	if (r == 0)
		log_detail("signature: '%s' is signed by %s", c->shown, key->subkeys->fpr);
	return r;
}

/* Of several faults the first is told; that a key is unknown only if there is no other. */
static int judge_all(const struct check *c, const struct _gpgme_signature *s)
{
	struct why fault = { 0 };
	bool good = false, unknown = true;
	int error = 0;

	for (; s; s = s->next) {
		const gpgme_err_code_t code = gpgme_err_code(s->status);
		struct why one = { 0 };
		int r;

		if (code == GPG_ERR_BAD_SIGNATURE)
			return fail(c->why, -EBADMSG,
				    "'%s' has a bad signature by key %s: this is not what was signed", c->shown,
				    s->fpr);
		r = judge_signer(&(struct check){ c->k, c->shown, &one }, s);
		good = good || r == 0;
		if (r < 0 && unknown && (error == 0 || code != GPG_ERR_NO_PUBKEY)) {
			fault = one;
			error = r;
			unknown = code == GPG_ERR_NO_PUBKEY;
		}
	}
	if (good)
		return 0;
	return error ? fail(c->why, error, "%s", fault.text)
		     : fail(c->why, -EBADMSG, "'%s' is not signed", c->shown);
}

/* `text` NULL: the signature brings it, and `plain` gets it. */
static int verify(const struct check *c, gpgme_data_t signature, gpgme_data_t text, gpgme_data_t plain)
{
	gpgme_error_t e = gpgme_op_verify(c->k->ctx, signature, text, plain);
	gpgme_verify_result_t result = gpgme_op_verify_result(c->k->ctx);
	int r;

	if (gpgme_err_code(e) == GPG_ERR_NO_DATA)
		return fail(c->why, -EBADMSG, "gpg finds no signature in that of '%s': it is damaged",
			    c->shown);
	if (e)
		return fail(c->why, gpgme_err_code_to_errno(gpgme_err_code(e)) ? engine_errno(e) : -EBADMSG,
			    "gpg can't check the signature of '%s': %s", c->shown, engine_words(e).chars);
	if (!result)
		return judge_all(c, NULL);
	/* Looking keys up must not take it away. */
	gpgme_result_ref(result);
	r = judge_all(c, result->signatures);
	gpgme_result_unref(result);
	return r;
}

/* A copy of the data's bytes, a newline behind the last line and a NUL behind that. */
static int copy_text(gpgme_data_t *plain, char **ret, size_t *ret_count)
{
	_cleanup_free_ char *text = NULL;
	size_t count;
	char *bytes = gpgme_data_release_and_get_mem(take(*plain), &count);

	if (bytes || count == 0)
		text = malloc(count + 2);
	if (text && count)
		memcpy(text, bytes, count);
	gpgme_free(bytes);
	if (!text)
		return -ENOMEM;
	if (count && text[count - 1] != '\n')
		text[count++] = '\n';
	text[count] = '\0';
	*ret = take(text);
	*ret_count = count;
	return 0;
}

int signature_check_clear(struct keyring *k, const void *bytes, size_t count, const char *shown, char **ret,
			  size_t *ret_count, struct why *why)
{
	const struct check c = { k, shown, why };
	_cleanup_(gpgme_data_releasep) gpgme_data_t message = NULL, plain = NULL;
	struct slice part;
	gpgme_error_t e;
	int r;

	if (count > INDEX_BYTES_MAX)
		return fail(why, -EFBIG, "'%s' has %zu bytes, a signed message may have %" PRIu64, shown, count,
			    INDEX_BYTES_MAX);
	r = armor_find_clear(bytes, count, shown, &part, why);
	if (r < 0)
		return r;
	e = gpgme_data_new_from_mem(&message, part.p, part.n, /* copy= */ 0);
	if (!e)
		e = gpgme_data_new(&plain);
	if (e)
		return engine_errno(e);
	r = verify(&c, message, /* text= */ NULL, plain);
	return r < 0 ? r : copy_text(&plain, ret, ret_count);
}

/* A file as gpgme reads it: by our own offset, so that the descriptor's stays. */
struct reading {
	int fd;
	off_t offset;
};

static ssize_t read_on(void *handle, void *buf, size_t count)
{
	struct reading *reading = handle;
	ssize_t n = pread(reading->fd, buf, count, reading->offset);

	if (n > 0)
		reading->offset += n;
	return n;
}

int signature_check_detached(struct keyring *k, const void *signature, size_t count, int fd, const char *shown,
			     struct why *why)
{
	const struct check c = { k, shown, why };
	_cleanup_(gpgme_data_releasep) gpgme_data_t data = NULL, text = NULL;
	struct gpgme_data_cbs callbacks = { .read = read_on };
	struct reading reading = { .fd = fd };
	gpgme_error_t e;
	int r;

	if (count > DETACHED_MAX)
		return fail(why, -EFBIG, "the signature of '%s' has %zu bytes, it may have %" PRIu64, shown,
			    count, DETACHED_MAX);
	r = armor_check_detached(signature, count, shown, why);
	if (r < 0)
		return r;
	e = gpgme_data_new_from_mem(&data, signature, count, /* copy= */ 0);
	if (!e)
		e = gpgme_data_new_from_cbs(&text, &callbacks, &reading);
	if (e)
		return engine_errno(e);
	return verify(&c, data, text, /* plain= */ NULL);
}
