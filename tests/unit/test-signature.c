/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signatures that gpg made, with keys that it made for this run, in a home directory of the tests' own. */
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/library/armor.h"
#include "backends/library/index.h"
#include "backends/library/keyring.h"
#include "backends/library/signature.h"
#include "tests/unit/gpghome.h"

#define TEXT	   "[one]\nname=One\n-----x\n- y\n\nfile=one.xz\n"
#define SIGNED	   "-----BEGIN PGP SIGNED MESSAGE-----\n"
#define SIGNATURE  "-----BEGIN PGP SIGNATURE-----\n"
#define END	   "-----END PGP SIGNATURE-----\n"
#define COUNT(all) (sizeof(all) / sizeof((all)[0]))

/* NAME.key, NAME.fpr and NAME.asc for each NAME; and messages of other kinds. */
static const char script[] =
	/* Keys, all old, so that a clock that is set back doesn't find them not yet made. */
	"gpg-agent --daemon >/dev/null\n"
	"for name in good other nosign revoked; do past --quick-generate-key $name ed25519 cert,sign never; "
	"done\n"
	"past --quick-generate-key split ed25519 cert never\n"
	"past --quick-add-key $(fpr split) ed25519 sign never\n"
	"past --quick-generate-key old rsa2048 cert,sign never\n"
	"past --quick-generate-key expired ed25519 cert,sign 1d\n"
	"for name in subexpired subrevoked; do past --quick-generate-key $name ed25519 cert,sign never; done\n"
	"past --quick-add-key $(fpr subexpired) ed25519 sign 1d\n"
	"past --quick-add-key $(fpr subrevoked) ed25519 sign never\n"
	/* Messages. */
	"printf '[one]\\nname=One\\n-----x\\n- y\\n\\nfile=one.xz\\n' >text\n"
	"printf '[two]\\nname=Two\\nfile=two.xz\\n' >evil\n"
	"for name in good other nosign revoked old split subrevoked; do clear $name -u $name; done\n"
	"later -o expired.asc --clearsign -u expired text\n"
	"later -o subexpired.asc --clearsign -u $(fpr subexpired 2)! text\n"
	"later --default-sig-expire 1d --digest-algo SHA256 -o stale.asc --clearsign -u old text\n"
	"clear sha1 -u old --digest-algo SHA1\n"
	"clear both -u good -u other\n"
	"g -o kinds.gpg --sign -u good text\n"
	"g -o kinds.asc --armor --sign -u good text\n"
	"g -o good.sig --detach-sign -u good text\n"
	"g -o good.sig.asc --armor --detach-sign -u good text\n"
	"g -o evil.asc --clearsign -u other evil\n"
	"tr -d '\\n' <text | g -o unended.asc --clearsign -u good\n"
	": | g -o empty.asc --clearsign -u good\n"
	"sed 's/$/\\r/' good.asc >crlf.asc\n"
	/* What becomes of keys after they signed. */
	"edit nosign change-usage s q\n"
	"edit subrevoked 'key 1' revkey y 0 '' y\n"
	"sed 's/^:---/---/' $GNUPGHOME/openpgp-revocs.d/$(fpr revoked).rev | g --import\n"
	"for name in good other nosign revoked old split expired subexpired subrevoked; do\n"
	"	g -o $name.key --armor --export $name\n"
	"	fpr $name >$name.fpr\n"
	"done\n"
	"for name in split subexpired subrevoked; do fpr $name 2 >$name.sub.fpr; done\n"
	"g -o good.bin --export good\n"
	"g -o both.key --armor --export good other\n"
	"cat good.key other.key >joined.key\n"
	"g -o secret.key --export-secret-keys good\n"
	/* Under one text the signatures of two; then a signature that brings a text of its own. */
	"packets() { sed -n '/^-----BEGIN PGP SIGNATURE/,$p' $1 | g --dearmor; }\n"
	"armor() { g --enarmor | sed 's/ARMORED FILE/SIGNATURE/; /^Comment/d'; }\n"
	"above() { sed '/^-----BEGIN PGP SIGNATURE/,$d' $1; }\n"
	"{ above good.asc; { packets good.asc; packets evil.asc; } | armor; } >one-bad.asc\n"
	"{ above good.asc; { packets good.asc; g --dearmor <kinds.asc; } | armor; } >smuggled.asc\n"
	"g -o plain.gpg --store text\n"
	"{ cat good.sig plain.gpg; } | armor >smuggled.sig.asc\n"
	"cat good.sig plain.gpg >smuggled.sig\n";

static char root[GPGHOME_MAX], program[PATH_MAX];

static int setup_group(void **state)
{
	return gpghome_set_up(script, root);
}

static int teardown_group(void **state)
{
	return gpghome_tear_down(root);
}

/* No keyring leaves anything, whatever became of it. */
static int teardown(void **state)
{
	const bool left = rmdir("tmp") < 0;

	return gpghome_run("rm -rf tmp; mkdir -m 700 tmp") != 0 || left ? -1 : 0;
}

/* What a file holds, with a NUL behind it. */
static char *get(const char *name, size_t *ret_count)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *bytes;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	bytes = calloc(1, st.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, st.st_size), st.st_size);
	assert_int_equal(close(fd), 0);
	*ret_count = st.st_size;
	return bytes;
}

static void put(const char *name, const void *bytes, size_t count)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), count);
	assert_int_equal(close(fd), 0);
}

/* The fingerprint in NAME.fpr. */
static char *fingerprint(const char *name)
{
	_cleanup_free_ char *path = text_new("%s.fpr", name);
	size_t count;
	char *fpr = get(path, &count);

	assert_int_equal(count, 41);
	fpr[40] = '\0';
	return fpr;
}

static void assert_sentence(const struct why *why, int r, const char *like, const char *fpr)
{
	char want[sizeof(why->text)];

	(void)snprintf(want, sizeof(want), "%s", like);
	if (fpr) {
		char *at = strstr(want, "FPR");

		assert_non_null(at);
		(void)snprintf(at, sizeof(want) - (at - want), "%s%s", fpr, strstr(like, "FPR") + 3);
	}
	assert_string_equal(why_text(why, r), want);
}

/* Keyrings. */

static struct keyring *keyring_of(const char *key_file, const char *accepted)
{
	struct keyring *k = NULL;
	struct why why = { 0 };
	int r = keyring_new(&key_file, key_file != NULL, &accepted, accepted != NULL, &k, &why);

	if (r < 0)
		print_message("%s\n", why_text(&why, r));
	assert_int_equal(r, 0);
	return k;
}

static void assert_no_keyring(const char *key_file, const char *accepted, int error, const char *sentence)
{
	struct keyring *k = NULL;
	struct why why = { 0 };

	assert_int_equal(keyring_new(&key_file, key_file != NULL, &accepted, accepted != NULL, &k, &why),
			 error);
	assert_string_equal(why.text, sentence);
	assert_null(k);
}

static void assert_good_bytes(struct keyring *k, const char *bytes, size_t count, const char *text)
{
	_cleanup_free_ char *got = NULL;
	struct why why = { 0 };
	size_t n = 0;
	int r = signature_check_clear(k, bytes, count, "index", &got, &n, &why);

	if (r < 0)
		print_message("%s\n", why_text(&why, r));
	assert_int_equal(r, 0);
	assert_string_equal(got, text);
	assert_int_equal(n, strlen(text));
}

static void assert_good(struct keyring *k, const char *name, const char *text)
{
	size_t count;
	_cleanup_free_ char *bytes = get(name, &count);

	assert_good_bytes(k, bytes, count, text);
}

/* FPR in the sentence stands for the fingerprint `fpr`. */
static void assert_refused_bytes(struct keyring *k, const char *bytes, size_t count, int error,
				 const char *like, const char *fpr)
{
	struct why why = { 0 };
	char *got = NULL;
	size_t n = 4711;
	int r = signature_check_clear(k, bytes, count, "index", &got, &n, &why);

	assert_sentence(&why, r, like, fpr);
	assert_int_equal(r, error);
	assert_null(got);
	assert_int_equal(n, 4711);
}

static void assert_refused(struct keyring *k, const char *name, int error, const char *like, const char *fpr)
{
	size_t count;
	_cleanup_free_ char *bytes = get(name, &count);

	assert_refused_bytes(k, bytes, count, error, like, fpr);
}

/* The key of its own is in the ring. */
static void assert_key_refused(const char *key_file, const char *name, int error, const char *like,
			       const char *fpr_of)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of(key_file, NULL);
	_cleanup_free_ char *fpr = fingerprint(fpr_of);

	assert_refused(k, name, error, like, fpr);
}

static void test_good_text_comes_through(void **state)
{
	static const char *const files[] = { "good.key", "good.bin", "both.key", "joined.key" };

	for (size_t i = 0; i < COUNT(files); i++) {
		_cleanup_(keyring_freep) struct keyring *k = keyring_of(files[i], NULL);

		assert_good(k, "good.asc", TEXT);
		assert_good(k, "good.asc", TEXT);
	}
}

static void test_ends_of_lines(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);

	assert_good(k, "crlf.asc", "[one]\r\nname=One\r\n-----x\r\n- y\r\n\r\nfile=one.xz\r\n");
	assert_good(k, "unended.asc", "[one]name=One-----x- yfile=one.xz\n");
	assert_int_equal(gpghome_run("sed 's/^name=One$/&   /' good.asc >blanks.asc"), 0);
	assert_good(k, "blanks.asc", TEXT);
}

static void test_empty_text(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);

	assert_good(k, "empty.asc", "\n");
}

static void test_what_stands_around_goes(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);

	assert_int_equal(gpghome_run("{ echo '[evil]'; cat good.asc; echo '[more]'; } >around.asc"), 0);
	assert_good(k, "around.asc", TEXT);
}

static void test_bad_signature(void **state)
{
	assert_int_equal(gpghome_run("sed 's/^name=One/name=Two/' good.asc >tampered.asc"), 0);
	assert_int_equal(gpghome_run("sed '/^- y/d; /^- - y/d' good.asc >shortened.asc"), 0);
	{
		_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);
		_cleanup_free_ char *fpr = fingerprint("good");
		static const char like[] =
			"'index' has a bad signature by key FPR: this is not what was signed";

		/* gpg itself gives the key's id only. */
		assert_refused(k, "tampered.asc", -EBADMSG, like, fpr + 24);
		assert_refused(k, "shortened.asc", -EBADMSG, like, fpr + 24);
		/* The keyring goes on to serve. */
		assert_good(k, "good.asc", TEXT);
	}
}

static void test_unknown_key(void **state)
{
	assert_key_refused("good.key", "other.asc", -EACCES,
			   "'index' is signed by key FPR, which is none of the keys given", "other");
}

static void test_key_not_among_fingerprints(void **state)
{
	_cleanup_free_ char *good = fingerprint("good"), *other = fingerprint("other");
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("both.key", other);

	assert_string_equal(keyring_fingerprints(k), other);
	assert_good(k, "other.asc", TEXT);
	assert_refused(k, "good.asc", -EACCES,
		       "'index' is signed by key FPR, which is not among the accepted signers", good);
}

static void test_keys_that_expired(void **state)
{
	assert_key_refused("expired.key", "expired.asc", -EACCES,
			   "'index' is signed by key FPR, which expired on 2020-01-02", "expired");
	assert_key_refused("subexpired.key", "subexpired.asc", -EACCES,
			   "'index' is signed by subkey FPR, which expired on 2020-01-02", "subexpired.sub");
}

static void test_keys_that_were_revoked(void **state)
{
	assert_key_refused("revoked.key", "revoked.asc", -EACCES,
			   "'index' is signed by key FPR, which is revoked", "revoked");
	assert_key_refused("subrevoked.key", "subrevoked.asc", -EACCES,
			   "'index' is signed by subkey FPR, which is revoked", "subrevoked.sub");
}

static void test_key_not_for_signing(void **state)
{
	assert_key_refused("nosign.key", "nosign.asc", -EACCES,
			   "'index' is signed by key FPR, which is not made for signing", "nosign");
}

static void test_signature_that_expired(void **state)
{
	assert_key_refused("old.key", "stale.asc", -EBADMSG,
			   "the signature of 'index' by key FPR expired on 2020-01-02", "old");
}

static void test_weak_digest(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("old.key", NULL);
	_cleanup_free_ char *conf = text_new("%s/gpg.conf", k->home), *fpr = fingerprint("old");
	FILE *f = fopen(conf, "a");

	assert_good(k, "old.asc", TEXT);
	assert_non_null(f);
	assert_true(fputs("weak-digest SHA1\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_refused(
		k, "sha1.asc", -EBADMSG,
		"gpg refuses the signature of 'index' by key FPR, made with SHA1, which is too weak for it",
		fpr);
	assert_good(k, "old.asc", TEXT);
}

static void test_several_signatures(void **state)
{
	_cleanup_free_ char *good = fingerprint("good"), *other = fingerprint("other");
	_cleanup_(keyring_freep) struct keyring *one = keyring_of("other.key", NULL);
	_cleanup_(keyring_freep) struct keyring *both = keyring_of("both.key", other);
	_cleanup_(keyring_freep) struct keyring *neither = keyring_of("split.key", NULL);

	assert_good(one, "both.asc", TEXT);
	assert_good(both, "both.asc", TEXT);
	assert_refused(neither, "both.asc", -EACCES,
		       "'index' is signed by key FPR, which is none of the keys given", good);
	/* A bad one counts when its key is known, accepted or not. */
	assert_refused(both, "one-bad.asc", -EBADMSG,
		       "'index' has a bad signature by key FPR: this is not what was signed", other + 24);
}

static void test_unknown_signers_are_told_last(void **state)
{
	_cleanup_free_ char *old = fingerprint("old");
	_cleanup_(keyring_freep) struct keyring *known = keyring_of("old.key", NULL);

	assert_int_equal(gpghome_run("g() { gpg --batch --quiet --no-tty --yes \"$@\"; };"
				     "packets() { sed -n '/^-----BEGIN PGP SIGNATURE/,$p' $1 | g --dearmor; };"
				     "{ sed '/^-----BEGIN PGP SIGNATURE/,$d' stale.asc;"
				     "  { packets good.asc; packets stale.asc; } | g --enarmor |"
				     "  sed 's/ARMORED FILE/SIGNATURE/; /^Comment/d'; } >mixed.asc 2>>log"),
			 0);
	assert_refused(known, "mixed.asc", -EBADMSG,
		       "the signature of 'index' by key FPR expired on 2020-01-02", old);
}

/* Fingerprints. */

static void test_fingerprints_of_key_and_subkey(void **state)
{
	_cleanup_free_ char *primary = fingerprint("split"), *subkey = fingerprint("split.sub");
	const char *const each[] = { primary, subkey };

	for (size_t i = 0; i < COUNT(each); i++) {
		_cleanup_(keyring_freep) struct keyring *k = keyring_of("split.key", each[i]);

		assert_string_equal(keyring_fingerprints(k), primary);
		assert_good(k, "split.asc", TEXT);
	}
}

static void test_fingerprint_as_people_write_it(void **state)
{
	_cleanup_free_ char *fpr = fingerprint("good");
	char written[64] = "";

	for (size_t i = 0; i < 40; i++)
		(void)snprintf(written + strlen(written), sizeof(written) - strlen(written), "%s%c",
			       i && i % 4 == 0 ? " " : "", i % 3 ? fpr[i] | 0x20 : fpr[i]);
	{
		_cleanup_(keyring_freep) struct keyring *k = keyring_of("both.key", written);

		assert_string_equal(keyring_fingerprints(k), fpr);
		assert_good(k, "good.asc", TEXT);
	}
}

static void test_keys_of_the_users_own_ring(void **state)
{
	_cleanup_free_ char *good = fingerprint("good"), *subkey = fingerprint("split.sub"),
			    *split = fingerprint("split");
	const char *const both[] = { good, subkey };
	_cleanup_free_ char *want = text_new("%s %s", good, split);
	_cleanup_(keyring_freep) struct keyring *k = NULL;
	struct why why = { 0 };

	assert_int_equal(keyring_new(NULL, 0, both, 2, &k, &why), 0);
	assert_string_equal(keyring_fingerprints(k), want);
	assert_good(k, "good.asc", TEXT);
	assert_good(k, "split.asc", TEXT);
}

static void test_no_ring_is_made_for_the_user(void **state)
{
	_cleanup_free_ char *ring = strdup(getenv("GNUPGHOME")), *fpr = fingerprint("good");
	_cleanup_free_ char *want = text_new("the key %s is in no key file and not in your keyring", fpr);

	assert_int_equal(unsetenv("GNUPGHOME"), 0);
	assert_no_keyring("other.key", fpr, -ENOENT, want);
	assert_int_equal(access("home/.gnupg", F_OK), -1);
	assert_int_equal(setenv("GNUPGHOME", ring, 1), 0);
}

static void test_fingerprints_that_are_none(void **state)
{
	assert_no_keyring("good.key", "9173 8F73", -EINVAL,
			  "'9173 8F73' is no fingerprint: that is 40 hex digits, or 64");
	assert_no_keyring("good.key", "", -EINVAL, "'' is no fingerprint: that is 40 hex digits, or 64");
	assert_no_keyring(
		"good.key", "F7774FB1AD074A7E8C8767EA91738F73E1B768AX", -EINVAL,
		"'F7774FB1AD074A7E8C8767EA91738F73E1B768AX' is no fingerprint: that is 40 hex digits, or "
		"64");
	assert_no_keyring("good.key", "F7774FB1AD074A7E8C8767EA91738F73E1B768A0", -ENOENT,
			  "the key F7774FB1AD074A7E8C8767EA91738F73E1B768A0 is in no key file and not in your "
			  "keyring");
	assert_no_keyring(NULL, NULL, -EINVAL, "signatures can't be checked without a key");
}

/* Key files. */

static void test_several_files(void **state)
{
	static const char *const files[] = { "good.bin", "other.key", "good.key" };
	_cleanup_free_ char *good = fingerprint("good"), *other = fingerprint("other"),
			    *want = text_new("%s %s", good, other);
	_cleanup_(keyring_freep) struct keyring *k = NULL;

	assert_int_equal(keyring_new(files, 3, NULL, 0, &k, /* why= */ NULL), 0);
	assert_string_equal(keyring_fingerprints(k), want);
	assert_good(k, "good.asc", TEXT);
	assert_good(k, "other.asc", TEXT);
}

static void test_key_files_that_are_none(void **state)
{
	put("nothing", "", 0);
	assert_no_keyring("missing", NULL, -ENOENT,
			  "the key file 'missing' can't be opened: No such file or directory");
	assert_no_keyring("tmp", NULL, -EINVAL, "the key file 'tmp' is not a regular file");
	assert_no_keyring("nothing", NULL, -EBADMSG,
			  "the key file 'nothing' holds no OpenPGP key that gpg takes");
	assert_no_keyring("text", NULL, -EBADMSG, "the key file 'text' holds no OpenPGP key that gpg takes");
	assert_no_keyring("good.sig", NULL, -EBADMSG,
			  "the key file 'good.sig' holds no OpenPGP key that gpg takes");
	assert_int_equal(truncate("nothing", 16 * MiB + 1), 0);
	assert_no_keyring("nothing", NULL, -EFBIG,
			  "the key file 'nothing' has 16777217 bytes, at most 16777216 are read");
}

/* Processes whose command line names the keyrings' directories. */
static unsigned agents(void)
{
	_cleanup_free_ char *below = text_new("%s/tmp", root);
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(proc);
	while ((entry = readdir(proc))) {
		char line[8192], path[300];
		ssize_t count;
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		count = read(fd, line, sizeof(line));
		assert_int_equal(close(fd), 0);
		n += count > 0 && memmem(line, count, below, strlen(below));
	}
	(void)closedir(proc);
	return n;
}

static void test_secret_keys_start_no_agent(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("secret.key", NULL);

	assert_good(k, "good.asc", TEXT);
	assert_int_equal(agents(), 0);
}

static void test_directory_is_private_and_goes(void **state)
{
	struct keyring *k = keyring_of("good.key", NULL);
	_cleanup_free_ char *home = strdup(k->home);
	struct stat st;

	assert_int_equal(stat(home, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	keyring_free(k);
	assert_int_equal(stat(home, &st), -1);
	keyring_free(NULL);
}

/* In a process of its own, since gpgme looks for gpg once. */
static int without_gpg(void)
{
	static const char *const file = "good.key";
	struct keyring *k = NULL;
	struct why why = { 0 };
	int r = keyring_new(&file, 1, NULL, 0, &k, &why);

	if (r == -ENOENT &&
	    strcmp(why.text, "signatures can't be checked: gpg (GnuPG 2.1 or later) is not installed") == 0)
		return 0;
	(void)fprintf(stderr, "%d: %s\n", r, why_text(&why, r));
	return 1;
}

static void test_gpg_not_installed(void **state)
{
	_cleanup_free_ char *command = text_new("PATH=/nowhere exec '%s' --without-gpg", program);

	assert_int_equal(gpghome_run(command), 0);
}

/* Messages that are no clear-signed text. */

static void test_messages_of_other_kinds(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);

	assert_refused(k, "text", -EBADMSG, "'index' is not signed", NULL);
	assert_refused(k, "kinds.gpg", -EBADMSG, "'index' is not clear-signed: it begins as binary messages do",
		       NULL);
	assert_refused(k, "kinds.asc", -EBADMSG,
		       "'index' is not clear-signed: in line 1 begins an OpenPGP message of another kind",
		       NULL);
	assert_refused(k, "good.sig.asc", -EBADMSG,
		       "'index' is not clear-signed: in line 1 begins an OpenPGP message of another kind",
		       NULL);
	assert_refused(k, "smuggled.asc", -EBADMSG,
		       "the signature of 'index' holds something else than signatures", NULL);
	assert_refused_bytes(k, "", 0, -EBADMSG, "'index' is not signed", NULL);
	assert_refused_bytes(k, NULL, INDEX_BYTES_MAX + 1, -EFBIG,
			     "'index' has 67108865 bytes, a signed message may have 67108864", NULL);
}

static void test_two_messages(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("both.key", NULL);
	size_t count;
	_cleanup_free_ char *bytes = get("good.asc", &count), *want = NULL;
	unsigned lines = 0;

	for (size_t i = 0; i < count; i++)
		lines += bytes[i] == '\n';
	want = text_new("'index' has more than one signed part, another begins in line %u", lines + 1);
	assert_int_equal(gpghome_run("cat good.asc other.asc >two.asc; cat good.asc kinds.asc >two-kinds.asc"),
			 0);
	assert_refused(k, "two.asc", -EBADMSG, want, NULL);
	assert_refused(k, "two-kinds.asc", -EBADMSG, want, NULL);
}

/* However it is cut, no text comes out. */
static void test_message_cut_off(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);
	size_t count;
	_cleanup_free_ char *bytes = get("good.asc", &count);

	for (size_t n = 0; n < count - 1; n++) {
		struct slice part;

		assert_int_equal(armor_find_clear(bytes, n, "index", &part, /* why= */ NULL), -EBADMSG);
	}
	assert_refused_bytes(k, bytes, count - 30, -EBADMSG, "'index' is cut off: its signature has no end",
			     NULL);
	assert_refused_bytes(k, bytes, 70, -EBADMSG,
			     "'index' is cut off: it has a signed text but no signature", NULL);
	/* Only the newline behind the last line. */
	assert_good_bytes(k, bytes, count - 1, TEXT);
}

/* Some of its bytes are not signed themselves, so gpg may shrug; but no other text comes out. */
static void test_damaged_signature(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);
	size_t count, refused = 0;
	_cleanup_free_ char *bytes = get("good.asc", &count);
	char *from = strstr(bytes, SIGNATURE) + strlen(SIGNATURE) + 1;

	for (char *at = from; at < strstr(bytes, END); at += 5) {
		_cleanup_free_ char *text = NULL;
		const char was = *at;
		size_t n;

		*at = was == 'A' ? 'B' : 'A';
		if (signature_check_clear(k, bytes, count, "index", &text, &n, NULL) < 0)
			refused++;
		else
			assert_string_equal(text, TEXT);
		*at = was;
	}
	assert_true(refused > 5);
	assert_good_bytes(k, bytes, count, TEXT);
}

/* The outside of messages. */

static void assert_shape(const char *bytes, size_t count, const char *sentence)
{
	struct why why = { 0 };
	struct slice part;

	assert_int_equal(armor_find_clear(bytes, count, "m", &part, &why), -EBADMSG);
	assert_string_equal(why.text, sentence);
}

#define assert_shape_text(text, sentence) assert_shape(text, sizeof(text) - 1, sentence)

static void test_texts_that_could_be_read_in_two_ways(void **state)
{
	assert_shape_text(SIGNED "NotDashEscaped: yes\n\na\n" SIGNATURE,
			  "line 2 of 'm' is no header of a signed text: only 'Hash:' may stand there");
	assert_shape_text(SIGNED "Hash: SHA512\fx\n\na\n" SIGNATURE,
			  "line 2 of 'm' is no header of a signed text: only 'Hash:' may stand there");
	assert_shape_text(SIGNED "[a]\n" SIGNATURE,
			  "line 2 of 'm' is no header of a signed text: only 'Hash:' may stand there");
	assert_shape_text(SIGNED "\n-a\n" SIGNATURE,
			  "line 3 of 'm' begins with '-', which signing would escape");
	assert_shape_text(SIGNED "\n" SIGNED, "line 3 of 'm' begins with '-', which signing would escape");
	assert_shape_text(SIGNED "\na\0b\n" SIGNATURE, "line 3 of 'm' holds a NUL byte");
}

static void test_long_line(void **state)
{
	struct text t = TEXT_EMPTY;

	text_add(&t, SIGNED "\n%0*d\n", ARMOR_LINE_MAX + 1, 0);
	assert_int_equal(t.error, 0);
	assert_shape(t.chars, t.len, "line 3 of 'm' has 16385 bytes, in a signed message 16384 are allowed");
	text_done(&t);
}

static void test_signatures_that_are_none(void **state)
{
	assert_shape_text(SIGNED "\na\n" SIGNATURE "\n" END, "the signature of 'm' is empty");
	assert_shape_text(SIGNED "\na\n" SIGNATURE "wgA=\n\n" END,
			  "line 5 of 'm' is no header of a signature: there is no ':'");
	assert_shape_text(SIGNED "\na\n" SIGNATURE "\nw g\n" END, "line 6 of 'm' is not a signature's base64");
	assert_shape_text(SIGNED "\na\n" SIGNATURE "\nwgA=\nwgA=\n" END,
			  "line 7 of 'm' is not a signature's base64");
	assert_shape_text(SIGNED "\na\n" SIGNATURE "\nwgU=\n=abcd\n" END, "the signature of 'm' is cut off");
	assert_shape_text(SIGNED "\na\n" SIGNATURE "\ni/8=\n" END, "the signature of 'm' is cut off");
	assert_shape_text(SIGNED "\na\n" SIGNATURE "\nywA=\n" END,
			  "the signature of 'm' holds something else than signatures");
	assert_shape_text(SIGNED "\na\n" SIGNATURE "\nAAAA\n" END,
			  "the signature of 'm' is damaged: it is no OpenPGP packet");
	assert_shape_text(SIGNED "\na\n" SIGNATURE "\n"
				 "wgDCAMIAwgDCAMIAwgDCAMIAwgDCAMIAwgDCAMIAwgDCAMIA\n" END,
			  "'m' has more than 16 signatures");
}

/* Detached signatures. */

static int check_detached(struct keyring *k, const char *signature, const char *name, struct why *why)
{
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	size_t count;
	_cleanup_free_ char *bytes = get(signature, &count);
	int r;

	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
	r = signature_check_detached(k, bytes, count, fd, "file", why);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
	return r;
}

static void assert_detached_refused(struct keyring *k, const char *signature, const char *name, int error,
				    const char *like, const char *fpr)
{
	struct why why = { 0 };
	int r = check_detached(k, signature, name, &why);

	assert_sentence(&why, r, like, fpr);
	assert_int_equal(r, error);
}

static void test_detached(void **state)
{
	_cleanup_free_ char *fpr = fingerprint("good");
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);
	_cleanup_(keyring_freep) struct keyring *wrong = keyring_of("other.key", NULL);

	assert_int_equal(gpghome_run("{ cat text; echo; } >longer; printf '' >none"), 0);
	assert_int_equal(check_detached(k, "good.sig", "text", NULL), 0);
	assert_int_equal(check_detached(k, "good.sig.asc", "text", NULL), 0);
	assert_detached_refused(k, "good.sig", "longer", -EBADMSG,
				"'file' has a bad signature by key FPR: this is not what was signed", fpr + 24);
	assert_detached_refused(k, "good.sig.asc", "none", -EBADMSG,
				"'file' has a bad signature by key FPR: this is not what was signed", fpr + 24);
	assert_detached_refused(wrong, "good.sig", "text", -EACCES,
				"'file' is signed by key FPR, which is none of the keys given", fpr);
}

static void test_detached_that_brings_a_text(void **state)
{
	static const char none[] = "what should be the signature of 'file' is no detached signature";
	static const char other[] = "the signature of 'file' holds something else than signatures";
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);

	assert_detached_refused(k, "good.asc", "evil", -EBADMSG, none, NULL);
	assert_detached_refused(k, "kinds.asc", "evil", -EBADMSG, none, NULL);
	assert_detached_refused(k, "kinds.gpg", "evil", -EBADMSG, other, NULL);
	assert_detached_refused(k, "smuggled.sig", "text", -EBADMSG, other, NULL);
	assert_detached_refused(k, "smuggled.sig.asc", "text", -EBADMSG, other, NULL);
	assert_detached_refused(k, "text", "text", -EBADMSG, none, NULL);
	assert_detached_refused(k, "none", "text", -EBADMSG, none, NULL);
}

/* Longer than any pipe or buffer, and changed near its end. */
static void test_detached_over_a_large_file(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);

	put("large", "x", 1);
	assert_int_equal(truncate("large", 64 * MiB), 0);
	assert_int_equal(
		gpghome_run(
			"gpg --batch --quiet --no-tty --yes --passphrase '' --pinentry-mode loopback -u good "
			"-o large.sig --detach-sign large 2>>log"),
		0);
	assert_int_equal(check_detached(k, "large.sig", "large", NULL), 0);
	assert_int_equal(gpghome_run("printf y | dd of=large bs=1 seek=50000000 conv=notrunc 2>>log"), 0);
	assert_int_equal(check_detached(k, "large.sig", "large", NULL), -EBADMSG);
}

static void test_detached_over_what_cannot_be_read(void **state)
{
	_cleanup_(keyring_freep) struct keyring *k = keyring_of("good.key", NULL);
	struct why why = { 0 };

	assert_int_equal(check_detached(k, "good.sig", ".", &why), -EISDIR);
	assert_string_equal(why.text, "gpg can't check the signature of 'file': Is a directory");
}

#define in_ring(test) cmocka_unit_test_teardown(test, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		in_ring(test_good_text_comes_through),
		in_ring(test_ends_of_lines),
		in_ring(test_empty_text),
		in_ring(test_what_stands_around_goes),
		in_ring(test_bad_signature),
		in_ring(test_unknown_key),
		in_ring(test_key_not_among_fingerprints),
		in_ring(test_keys_that_expired),
		in_ring(test_keys_that_were_revoked),
		in_ring(test_key_not_for_signing),
		in_ring(test_signature_that_expired),
		in_ring(test_weak_digest),
		in_ring(test_several_signatures),
		in_ring(test_unknown_signers_are_told_last),
		in_ring(test_fingerprints_of_key_and_subkey),
		in_ring(test_fingerprint_as_people_write_it),
		in_ring(test_keys_of_the_users_own_ring),
		in_ring(test_no_ring_is_made_for_the_user),
		in_ring(test_fingerprints_that_are_none),
		in_ring(test_several_files),
		in_ring(test_key_files_that_are_none),
		in_ring(test_secret_keys_start_no_agent),
		in_ring(test_directory_is_private_and_goes),
		in_ring(test_gpg_not_installed),
		in_ring(test_messages_of_other_kinds),
		in_ring(test_two_messages),
		in_ring(test_message_cut_off),
		in_ring(test_damaged_signature),
		in_ring(test_texts_that_could_be_read_in_two_ways),
		in_ring(test_long_line),
		in_ring(test_signatures_that_are_none),
		in_ring(test_detached),
		in_ring(test_detached_that_brings_a_text),
		in_ring(test_detached_over_a_large_file),
		in_ring(test_detached_over_what_cannot_be_read),
	};

	if (argc == 2 && strcmp(argv[1], "--without-gpg") == 0)
		return without_gpg();
	if (!realpath("/proc/self/exe", program))
		return 1;
	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
