/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gpg wants a directory for its keys. Each keyring gets one of its own and takes it
 * away when it goes. Only public keys are wanted in it, so there is nothing for
 * gpg-agent to do; no-autostart sees to it that a file with secret keys in it starts
 * none either.
 *
 * Being in the ring is all the trust that a key needs, gpg keeps no trust database
 * for it. A key's own state, revoked or expired, is another matter, and looked at
 * with each signature.
 */
#include "backends/library/keyring.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/log.h"

/* gpgme without bugs that matter here; meson.build asks for the same when building. */
#define GPGME_VERSION_MIN "1.14.0"

#define KEY_FILE_MAX (16 * MiB) /* distributions' whole keyrings have 100 KB */

/* SHA-1, of version 4 keys, and SHA-256, of version 5; short ids are easily forged. */
#define FINGERPRINT_V4	40
#define FINGERPRINT_V5	64
#define FINGERPRINT_MAX FINGERPRINT_V5

#define REMOVE_TRIES 100

static const char gpg_conf[] = "no-autostart\n"
			       "disable-dirmngr\n"
			       "trust-model always\n"
			       "no-auto-key-retrieve\n"
			       "no-auto-key-locate\n"
			       "no-auto-check-trustdb\n";

/* The engine: gpgme, and gpg under it. */

int engine_errno(gpgme_error_t e)
{
	int n = gpgme_err_code_to_errno(gpgme_err_code(e));

	return n ? -n : -EIO;
}

struct engine_words engine_words(gpgme_error_t e)
{
	struct engine_words words = { "" };

	(void)gpgme_strerror_r(e, words.chars, sizeof(words.chars));
	return words;
}

static const char *engine_version;

static void engine_begin(void)
{
	engine_version = gpgme_check_version(GPGME_VERSION_MIN);
}

/* gpgme must be asked for its version before anything else, and by one thread. */
static int engine_ready(struct why *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	gpgme_error_t e;

	(void)pthread_once(&once, engine_begin);
	if (!engine_version)
		return fail(why, -ENOSYS,
			    "signatures can't be checked: gpgme is older than " GPGME_VERSION_MIN);
	e = gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP);
	if (gpgme_err_code(e) == GPG_ERR_INV_ENGINE)
		return fail(why, -ENOENT,
			    "signatures can't be checked: gpg (GnuPG 2.1 or later) is not installed");
	if (e)
		return fail(why, engine_errno(e), "signatures can't be checked: gpgme says '%s'",
			    engine_words(e).chars);
	return 0;
}

/* `home` NULL: the user's own. */
static int context_new(const char *home, gpgme_ctx_t *ret, struct why *why)
{
	_cleanup_(gpgme_releasep) gpgme_ctx_t ctx = NULL;
	gpgme_error_t e = gpgme_new(&ctx);

	if (!e)
		e = gpgme_ctx_set_engine_info(ctx, GPGME_PROTOCOL_OpenPGP, NULL, home);
	if (e)
		return fail(why, engine_errno(e), "gpg can't be started: %s", engine_words(e).chars);
	(void)gpgme_set_offline(ctx, 1);
	*ret = take(ctx);
	return 0;
}

/* The directory. */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)remove(path);
	return 0;
}

static void home_remove(const char *home)
{
	/* gpgme doesn't wait for a gpg that it gave up, which may still put something in. */
	for (int i = 0; i < REMOVE_TRIES && access(home, F_OK) == 0; i++) {
		if (i > 0)
			(void)usleep(10 * 1000);
		(void)nftw(home, remove_one, /* descriptors= */ 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	}
}

static char *home_below(const char *parent)
{
	_cleanup_free_ char *home = NULL;

	if (!parent || parent[0] != '/')
		return NULL;
	home = text_new("%s/goalfs-keys.XXXXXX", parent);
	return home && mkdtemp(home) ? take(home) : NULL;
}

static int write_conf(const char *home, int home_fd, struct why *why)
{
	_cleanup_close_ int fd = openat(home_fd, "gpg.conf", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	const size_t count = sizeof(gpg_conf) - 1;

	if (fd < 0 || write(fd, gpg_conf, count) != (ssize_t)count)
		return fail(why, errno ? -errno : -EIO, "'%s/gpg.conf' can't be written: %s", home,
			    strerror(errno));
	return 0;
}

static int home_new(struct keyring *k, struct why *why)
{
	k->home = home_below(getenv("TMPDIR"));
	if (!k->home)
		k->home = home_below("/tmp");
	if (!k->home)
		k->home = home_below(getenv("XDG_RUNTIME_DIR"));
	if (!k->home)
		return fail(why, -errno,
			    "no directory for keys can be made below $TMPDIR, /tmp or $XDG_RUNTIME_DIR: %s",
			    strerror(errno));
	k->home_fd = open(k->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->home_fd < 0)
		return fail(why, -errno, "'%s' can't be opened: %s", k->home, strerror(errno));
	/* systemd-tmpfiles passes by what is locked, however old it looks. */
	(void)flock(k->home_fd, LOCK_EX | LOCK_NB);
	return write_conf(k->home, k->home_fd, why);
}

/* Who is accepted. */

bool keyring_accepts(const struct keyring *k, const char *primary)
{
	const size_t n = strlen(primary);

	for (const char *p = k->accepted.chars; p && *p; p += strcspn(p, " "), p += *p == ' ')
		if (strcspn(p, " ") == n && strncasecmp(p, primary, n) == 0)
			return true;
	return false;
}

static void accept_key(struct keyring *k, const char *primary)
{
	if (!keyring_accepts(k, primary))
		text_add(&k->accepted, "%s%s", k->accepted.len ? " " : "", primary);
}

/* Imports; counts the keys that gpg took, and accepts them if whoever's key is given is accepted. */
static int import(struct keyring *k, gpgme_data_t data, unsigned *ret, struct why *why)
{
	gpgme_error_t e = gpgme_op_import(k->ctx, data);
	gpgme_import_result_t result = gpgme_op_import_result(k->ctx);

	*ret = 0;
	for (gpgme_import_status_t s = result ? result->imports : NULL; s; s = s->next) {
		if (s->result || !s->fpr)
			continue;
		++*ret;
		if (k->whoever)
			accept_key(k, s->fpr);
	}
	/* It also fails over secret keys, but has taken their public halves by then. */
	if (e && *ret == 0 && gpgme_err_code(e) != GPG_ERR_NO_DATA && gpgme_err_code(e) != GPG_ERR_BAD_DATA)
		return fail(why, engine_errno(e), "gpg can't read it: %s", engine_words(e).chars);
	return 0;
}

static int open_key_file(const char *path, int *ret, struct why *why)
{
	/* Nonblocking: a FIFO would keep us here. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(why, -errno, "the key file '%s' can't be opened: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(why, -EINVAL, "the key file '%s' is not a regular file", path);
	if (st.st_size > KEY_FILE_MAX)
		return fail(why, -EFBIG,
			    "the key file '%s' has %" PRIu64 " bytes, at most %" PRIu64 " are read", path,
			    (uint64_t)st.st_size, KEY_FILE_MAX);
	*ret = take_fd(fd);
	return 0;
}

int key_file_check(const char *path, struct why *why)
{
	_cleanup_close_ int fd = -1;

	return open_key_file(path, &fd, why);
}

static int import_file(struct keyring *k, const char *path, struct why *why)
{
	_cleanup_(gpgme_data_releasep) gpgme_data_t data = NULL;
	_cleanup_close_ int fd = -1;
	gpgme_error_t e;
	unsigned n;
	int r = open_key_file(path, &fd, why);

	if (r < 0)
		return r;
	e = gpgme_data_new_from_fd(&data, fd);
	if (e)
		return engine_errno(e);
	r = import(k, data, &n, why);
	if (r < 0)
		return fail_at(why, r, "the key file '%s'", path);
	if (n == 0)
		return fail(why, -EBADMSG, "the key file '%s' holds no OpenPGP key that gpg takes", path);
	return 0;
}

/* Fingerprints. */

/* Blanks go, as gpg prints them for people. */
static int normal_fingerprint(const char *given, char ret[FINGERPRINT_MAX + 1], struct why *why)
{
	size_t n = 0;

	for (const char *p = given; *p; p++) {
		if (isspace((unsigned char)*p))
			continue;
		if (!isxdigit((unsigned char)*p) || n == FINGERPRINT_MAX) {
			n = 0;
			break;
		}
		ret[n++] = (char)toupper((unsigned char)*p);
	}
	ret[n] = '\0';
	if (n != FINGERPRINT_V4 && n != FINGERPRINT_V5)
		return fail(why, -EINVAL, "'%s' is no fingerprint: that is 40 hex digits, or 64", given);
	return 0;
}

int fingerprint_check(const char *given, struct why *why)
{
	char fingerprint[FINGERPRINT_MAX + 1];

	return normal_fingerprint(given, fingerprint, why);
}

/* Accepts the key if the ring has it: returns 1; else 0. */
static int accept_from_ring(struct keyring *k, const char *fingerprint, struct why *why)
{
	_cleanup_(gpgme_key_unrefp) gpgme_key_t key = NULL;
	gpgme_error_t e = gpgme_get_key(k->ctx, fingerprint, &key, /* secret= */ 0);

	if (gpgme_err_code(e) == GPG_ERR_EOF)
		return 0;
	if (e || !key->subkeys || !key->subkeys->fpr)
		return fail(why, engine_errno(e), "the key %s can't be looked up: %s", fingerprint,
			    engine_words(e).chars);
	accept_key(k, key->subkeys->fpr);
	return 1;
}

/* gpg would make the directory if it were not there; we only look. */
static bool user_has_keyring(void)
{
	const char *home = getenv("GNUPGHOME"), *user = getenv("HOME");
	_cleanup_free_ char *path =
		home && *home ? text_new("%s", home) : text_new("%s/.gnupg", user ? user : "");

	return path && access(path, R_OK | X_OK) == 0;
}

static int import_from_user(struct keyring *k, const char *fingerprint, struct why *why)
{
	_cleanup_(gpgme_releasep) gpgme_ctx_t user = NULL;
	_cleanup_(gpgme_data_releasep) gpgme_data_t data = NULL;
	gpgme_error_t e;
	unsigned n;
	int r;

	if (!user_has_keyring())
		return 0;
	r = context_new(/* home= */ NULL, &user, why);
	if (r < 0)
		return r;
	e = gpgme_data_new(&data);
	if (!e)
		e = gpgme_op_export(user, fingerprint, /* mode= */ 0, data);
	if (e)
		return fail(why, engine_errno(e), "the key %s can't be exported from your keyring: %s",
			    fingerprint, engine_words(e).chars);
	if (gpgme_data_seek(data, 0, SEEK_END) <= 0)
		return 0;
	(void)gpgme_data_seek(data, 0, SEEK_SET);
	return import(k, data, &n, why);
}

static int accept_fingerprint(struct keyring *k, const char *given, struct why *why)
{
	char fingerprint[FINGERPRINT_MAX + 1];
	int r = normal_fingerprint(given, fingerprint, why);

	if (r < 0)
		return r;
	r = accept_from_ring(k, fingerprint, why);
	if (r == 0) {
		r = import_from_user(k, fingerprint, why);
		if (r == 0)
			r = accept_from_ring(k, fingerprint, why);
	}
	if (r == 0)
		return fail(why, -ENOENT, "the key %s is in no key file and not in your keyring", fingerprint);
	return r < 0 ? r : 0;
}

/* All of it. */

static int fill(struct keyring *k, const char *const *key_files, size_t n, const char *const *fingerprints,
		size_t n_fingerprints, struct why *why)
{
	int r = home_new(k, why);

	if (r == 0)
		r = context_new(k->home, &k->ctx, why);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = import_file(k, key_files[i], why);
	for (size_t i = 0; r == 0 && i < n_fingerprints; i++)
		r = accept_fingerprint(k, fingerprints[i], why);
	return r < 0 ? r : k->accepted.error;
}

int keyring_new(const char *const *key_files, size_t n, const char *const *fingerprints, size_t n_fingerprints,
		struct keyring **ret, struct why *why)
{
	_cleanup_(keyring_freep) struct keyring *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->home_fd = -1;
	k->whoever = n_fingerprints == 0;
	if (n == 0 && n_fingerprints == 0)
		return fail(why, -EINVAL, "signatures can't be checked without a key");
	r = engine_ready(why);
	if (r == 0)
		r = fill(k, key_files, n, fingerprints, n_fingerprints, why);
	if (r < 0)
		return r;
	log_detail("keyring: accepts %s", k->accepted.chars);
	*ret = take(k);
	return 0;
}

void keyring_free(struct keyring *k)
{
	if (!k)
		return;
	if (k->ctx)
		gpgme_release(k->ctx);
	if (k->home)
		home_remove(k->home);
	closep(&k->home_fd);
	text_done(&k->accepted);
	free(k->home);
	free(k);
}

const char *keyring_fingerprints(const struct keyring *k)
{
	return k->accepted.chars;
}
