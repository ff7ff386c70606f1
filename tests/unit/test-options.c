/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <getopt.h>

#include "base/bytes.h"
#include "base/text.h"
#include "fs/options.h"

static int parse(struct options *o, struct why *why, const char *const *args)
{
	static char *argv[16];
	int argc = 0;

	*o = (struct options){ 0 };
	*why = (struct why){ "" };
	argv[argc++] = (char *)"goalfs";
	while (*args)
		argv[argc++] = (char *)*args++;
	argv[argc] = NULL;
	optind = 0; /* getopt starts anew */
	return options_parse(argc, argv, o, why);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

#define SUM16  "0123456789abcdef"
#define SUM256 SUM16 SUM16 SUM16 SUM16

static void assert_refused_with(int error, const char *const *args, const char *reason)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, args), error);
	if (!strstr(why.text, reason))
		fail_msg("'%s' does not hold '%s'", why.text, reason);
	options_done(&o);
}

static void assert_refused(const char *const *args, const char *reason)
{
	assert_refused_with(-EINVAL, args, reason);
}

static void test_unmount(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, ARGS("--unmount", "mnt")), 0);
	assert_int_equal(o.command, COMMAND_UNMOUNT);
	assert_string_equal(o.mountpoint, "mnt");
	assert_int_equal(o.n_sources, 0);
	assert_int_equal(o.wait_s, 0);
	options_done(&o);
	assert_int_equal(parse(&o, &why, ARGS("--unmount", "--wait=30", "mnt")), 0);
	assert_int_equal(o.wait_s, 30);
	options_done(&o);
}

static void assert_shown_from_here(const char *path, const char *end)
{
	_cleanup_free_ char *cwd = get_current_dir_name(), *want = text_new("%s%s", cwd, end);

	assert_string_equal(path, want);
}

/* The daemon leaves the directory that they are relative to. */
static void test_paths_are_absolute_from_the_start(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why,
			       ARGS("--cache", "c", ".", "./", ".//./a", "../a", ".a", "/a/./b", "file:///a",
				    "http://h/a", "m")),
			 0);
	assert_shown_from_here(o.cache, "/c");
	assert_shown_from_here(o.sources[0], "");
	assert_shown_from_here(o.sources[1], "");
	assert_shown_from_here(o.sources[2], "/a");
	assert_shown_from_here(o.sources[3], "/../a");
	assert_shown_from_here(o.sources[4], "/.a");
	assert_string_equal(o.sources[5], "/a/./b");
	assert_string_equal(o.sources[6], "file:///a");
	assert_string_equal(o.sources[7], "http://h/a");
	options_done(&o);
}

static void test_sources_and_mountpoint(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, ARGS("a", "b", "c")), 0);
	assert_int_equal(o.command, COMMAND_MOUNT);
	assert_int_equal(o.n_sources, 2);
	assert_shown_from_here(o.sources[0], "/a");
	assert_shown_from_here(o.sources[1], "/b");
	assert_string_equal(o.mountpoint, "c");
	assert_true(o.check_signature);
	assert_int_equal(o.memory, 512 * MiB);
	assert_string_equal(o.formats[0], "qcow2");
	assert_string_equal(o.formats[1], "raw");
	assert_null(o.formats[2]);
	options_done(&o);
}

static void test_mount_options_as_fstab_gives_them(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(
		parse(&o, &why,
		      ARGS("a", "m", "-o", "rw,nosuid,x-systemd.automount,cache-limit=3G,no-cache,allow_other",
			   "-o", "_netdev,memory=200M,max_read=4096,no-check-signature")),
		0);
	assert_int_equal(o.cache_limit, 3 * GiB);
	assert_int_equal(o.memory, 200 * MiB);
	assert_true(o.no_cache);
	assert_false(o.check_signature);
	assert_string_equal(o.mount_options, "allow_other,max_read=4096");
	options_done(&o);
}

static void test_kernel_flags_without_meaning_are_dropped(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, ARGS("a", "m", "-o", "rw,relatime,nodiratime,lazytime,noatime")), 0);
	assert_string_equal(o.mount_options, "noatime");
	options_done(&o);
}

static void test_texts_need_no_mountpoint(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, ARGS("--plan", "x@1G.raw", "a")), 0);
	assert_int_equal(o.command, COMMAND_PLAN);
	assert_string_equal(o.subject, "x@1G.raw");
	assert_int_equal(o.n_sources, 1);
	assert_null(o.mountpoint);
	options_done(&o);
}

static void test_owner_and_modes(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, ARGS("a", "m", "-o", "uid=root,gid=12345,umask=027")), 0);
	assert_true(o.has_uid && o.has_gid);
	assert_int_equal(o.uid, 0);
	assert_int_equal(o.gid, 12345);
	assert_int_equal(o.umask, 027);
	assert_string_equal(o.mount_options, "");
	options_done(&o);
	assert_int_equal(
		parse(&o, &why, ARGS("--allow-read", "/usr/../usr", "-o", "allow_read=/tmp", "a", "m")), 0);
	assert_false(o.has_uid || o.has_gid || o.umask);
	assert_string_equal(o.allow_read[0], "/usr");
	assert_string_equal(o.allow_read[1], "/tmp");
	assert_null(o.allow_read[2]);
	options_done(&o);
}

static void test_help_wins(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, ARGS("--list", "--help")), 0);
	assert_int_equal(o.command, COMMAND_HELP);
	options_done(&o);
}

static void test_without_source_those_that_are_configured(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, ARGS("mnt")), 0);
	assert_int_equal(o.n_sources, 0);
	assert_string_equal(o.mountpoint, "mnt");
	options_done(&o);
	assert_int_equal(parse(&o, &why, ARGS("--list")), 0);
	assert_int_equal(o.n_sources, 0);
	options_done(&o);
	assert_int_equal(parse(&o, &why, ARGS("none", "mnt")), 0); /* mount(8), fstab */
	assert_int_equal(o.n_sources, 0);
	options_done(&o);
}

#define FINGERPRINT "0123 4567 89AB CDEF 0123 4567 89ab cdef 0123 4567"

static void test_what_sources_are_checked_by(void **state)
{
	struct options o;
	struct why why;

	assert_int_equal(
		parse(&o, &why,
		      ARGS("--gpgkey", "/etc/passwd", "--gpgkey", "/etc//group", "--fingerprint", FINGERPRINT,
			   "-o", "verify=behind,refresh=60,fingerprint=" FINGERPRINT, "s", "t", "mnt")),
		0);
	assert_string_equal(o.key_files[1], "/etc//group");
	assert_null(o.key_files[2]);
	assert_string_equal(o.fingerprints[0], FINGERPRINT);
	assert_string_equal(o.fingerprints[1], FINGERPRINT);
	assert_int_equal(o.verify, VERIFY_BEHIND);
	assert_int_equal(o.refresh_s, 60);
	options_done(&o);
	assert_int_equal(parse(&o, &why, ARGS("s", "mnt")), 0);
	assert_int_equal(o.verify, VERIFY_AS_FITS);
	assert_int_equal(o.refresh_s, 3600);
	options_done(&o);
}

static void test_commands_are_allowed_by_name(void **state)
{
	static const char *const forms[] = { "allow-commands", "allow_commands" };
	struct options o;
	struct why why;

	assert_int_equal(parse(&o, &why, ARGS("s", "mnt")), 0);
	assert_false(o.allow_commands);
	options_done(&o);
	assert_int_equal(parse(&o, &why, ARGS("--allow-commands", "s", "mnt")), 0);
	assert_true(o.allow_commands);
	options_done(&o);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(parse(&o, &why, ARGS("-o", forms[i], "s", "mnt")), 0);
		assert_true(o.allow_commands);
		assert_string_equal(o.mount_options, "");
		options_done(&o);
	}
}

static void test_refusals_say_what(void **state)
{
	assert_refused(ARGS("-v"), "no mountpoint");
	assert_refused(ARGS("https://u:secret@server/f.iso"), "no mountpoint given behind the URL:");
	assert_refused(ARGS("--list", "--print-cache"), "exclude each other");
	assert_refused(ARGS("--verify", "later", "a", "b"), "'later'");
	assert_refused(ARGS("--unmount", "--wait", "soon", "a"), "--wait 'soon' is not a number of seconds");
	assert_refused(ARGS("--unmount"), "needs one mountpoint");
	assert_refused(ARGS("--unmount", "a", "b"), "needs one mountpoint");
	assert_refused(ARGS("--unmount", "--list", "a"), "exclude each other");
	assert_refused(ARGS("--refresh", "-1", "a", "b"), "'-1'");
	assert_refused(ARGS("--cacert", "/nowhere", "a", "b"), "'/nowhere': No such file");
	assert_refused_with(-ENOENT, ARGS("--gpgkey", "nowhere", "a", "b"), "/nowhere' can't be opened");
	assert_refused(ARGS("--gpgkey", "/dev/null", "a", "b"), "'/dev/null' is not a regular file");
	assert_refused(ARGS("--allow-read", "/nowhere", "a", "b"), "'/nowhere': No such file");
	assert_refused(ARGS("--uid", "no such user", "a", "b"), "is no user");
	assert_refused(ARGS("--uid", "-1", "a", "b"), "is no user");
	assert_refused(ARGS("--uid", "4294967295", "a", "b"), "is no user");
	assert_refused(ARGS("--uid", "", "a", "b"), "is no user");
	assert_refused(ARGS("--gid", "99999999999999999999", "a", "b"), "is no group");
	assert_refused(ARGS("--umask", "8", "a", "b"), "octal");
	assert_refused(ARGS("--umask", "1000", "a", "b"), "octal");
	assert_refused(ARGS("--list", "--notes", "x", "a"), "exclude each other");
	assert_refused(ARGS("--memory", "5M", "a", "b"), "128M");
	assert_refused(ARGS("--cache-limit", "much", "a", "b"), "'much'");
	assert_refused(ARGS("--formats", "qcow2,floppy", "a", "b"), "'floppy'");
	assert_refused(ARGS("--formats", "@20G.floppy", "a", "b"), "'@20G.floppy'");
	assert_refused(ARGS("--formats", "@20G", "a", "b"), "'@20G'");
	assert_refused(ARGS("--formats", "@20G@30G.raw", "a", "b"), "'@20G@30G.raw'");
	assert_refused(ARGS("--formats", "@aarch64@20G.raw", "a", "b"), "'@aarch64@20G.raw'");
	assert_refused(ARGS("--formats", "@20G.raw.plan", "a", "b"), "'@20G.raw.plan'");
	assert_refused(ARGS("--list-format", "xml", "a"), "'xml'");
	assert_refused(ARGS("--list-format", "long", "a"), "--list-format goes with --list");
	assert_refused(ARGS("--wait", "3", "a", "b"), "--wait goes with --unmount");
	assert_refused(ARGS("--decoders", "0", "a", "b"), "'0'");
	assert_refused(ARGS("a", "b", "-o", "memory"), "needs a value");
	assert_refused(ARGS("a", "b", "-o", "no-cache=1"), "takes no value");
	assert_refused(ARGS("--frobnicate", "a", "b"), "'--frobnicate'");
	assert_refused(ARGS("-zf", "a", "b"), "'-z'");
	assert_refused(ARGS("a", "b", "-fz"), "'-z'");
	assert_refused(ARGS("--foreground=no", "a", "b"), "--foreground takes no value");
	assert_refused(ARGS("a", "b", "--cache"), "--cache needs a value");
}

/* Before any of them is opened, and by whatever command. */
static void test_sources_that_can_be_none_are_refused(void **state)
{
	assert_refused(ARGS("", "m"), "a source's name is empty");
	assert_refused(ARGS("--list", "file:///a#sha256=1"), "sha256 '1' is not a SHA-256");
	assert_refused(ARGS("file:///a#foo", "m"), "'#foo' behind a source is no checksum");
	assert_refused(ARGS("file://host/a", "m"), "'file://host/a' is not on this machine");
	assert_refused(ARGS("a", "http://h:port/x", "m"), "the http URL has no host, or a port");
	assert_refused(ARGS("s3://bucket", "m"), "'s3://bucket' is not of the form s3://BUCKET/KEY");
	assert_refused(ARGS("https://u:secret@h/index.asc#sha256=" SUM256, "m"),
		       "source 'https://h/index.asc': a checksum goes with a single template file only");
	assert_refused_with(-EOPNOTSUPP, ARGS("foo://h/x", "m"), "'foo://h/x': such URIs can't be fetched");
	assert_refused(ARGS("--fingerprint", "abc", "a", "m"), "'abc' is no fingerprint");
	assert_refused(ARGS("--fingerprint", FINGERPRINT, "--fingerprint", FINGERPRINT, "a", "m"),
		       "2 fingerprints for 1 sources");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources_and_mountpoint),
		cmocka_unit_test(test_paths_are_absolute_from_the_start),
		cmocka_unit_test(test_unmount),
		cmocka_unit_test(test_mount_options_as_fstab_gives_them),
		cmocka_unit_test(test_kernel_flags_without_meaning_are_dropped),
		cmocka_unit_test(test_texts_need_no_mountpoint),
		cmocka_unit_test(test_owner_and_modes),
		cmocka_unit_test(test_help_wins),
		cmocka_unit_test(test_without_source_those_that_are_configured),
		cmocka_unit_test(test_what_sources_are_checked_by),
		cmocka_unit_test(test_commands_are_allowed_by_name),
		cmocka_unit_test(test_refusals_say_what),
		cmocka_unit_test(test_sources_that_can_be_none_are_refused),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
