/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a daemon that was taken over could do to the files of its user. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/confine.h"
#include "tests/unit/walls.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* The daemon that the child becomes; one file it may read, the other one not even that. */
static bool allow_commands;
static int (*in_daemon)(void);

static int become_daemon(void)
{
	char in[100], *allow_read[] = { in, NULL };
	const struct options o = { .no_cache = true,
				   .allow_commands = allow_commands,
				   .allow_read = allow_read };
	const struct repos repos = { 0 };
	struct why why = { "" };
	int r;

	(void)snprintf(in, sizeof(in), "%s/in", walls_root);
	r = confine_daemon(&o, &repos, &why) < 0 ? 255 : in_daemon();
	confine_end();
	return r;
}

static int run_in_daemon(bool commands, int (*fn)(void))
{
	allow_commands = commands;
	in_daemon = fn;
	return walls_child(become_daemon);
}

#define CHECK_EPERM(call) CHECK((call) < 0 && errno == EPERM)

/* Its owner's list of users, as setfacl writes it: user 12345 may read and write. */
static const uint8_t acl[] = {
	2, 0,	 0,    0,    1,	   0,	 6,    0, 0xff, 0xff, 0xff, 0xff, 2,	0,    6,
	0, 0x39, 0x30, 0,    0,	   4,	 0,    0, 0,	0xff, 0xff, 0xff, 0xff, 0x10, 0,
	6, 0,	 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,	0,    0xff, 0xff, 0xff, 0xff,
};

static int open_up(void)
{
	const int fd = open("in/file", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(open("out/file", O_RDONLY | O_CLOEXEC) < 0);
	CHECK_EPERM(chmod("out/file", 0666));
	CHECK_EPERM(chmod("out/file", 04700));
	CHECK_EPERM(fchmodat(AT_FDCWD, "out/file", 0604, 0));
	CHECK(syscall(SYS_fchmodat2, AT_FDCWD, "out/file", 0640, 0) < 0 && (errno == EPERM || errno == ENOSYS));
	CHECK_EPERM(fchmod(fd, 0644));
	CHECK_EPERM(setxattr("out/file", "system.posix_acl_access", acl, sizeof(acl), 0));
	CHECK_EPERM(fsetxattr(fd, "system.posix_acl_access", acl, sizeof(acl), 0));
	CHECK_EPERM(chown("out/file", geteuid(), getegid()));
	CHECK_EPERM(lchown("out/file", geteuid(), getegid()));
	CHECK_EPERM(fchown(fd, geteuid(), getegid()));
	CHECK(truncate("out/file", 0) < 0);
	/* To narrow them is no harm, and the store does it. */
	CHECK(fchmod(fd, 0600) == 0 && chmod("in", 0700) == 0 && fchmodat(AT_FDCWD, "in/file", 0400, 0) == 0);
	return 0;
}

static int do_as_user(void)
{
	CHECK(chmod("out/file", 0644) == 0);
	CHECK(chown("out/file", geteuid(), getegid()) == 0);
	CHECK(truncate("out/file", 0) == 0);
	return 0;
}

static void no_file_is_opened_up_for_others(void **state)
{
	struct stat st;

	assert_int_equal(run_in_daemon(/* allow_commands= */ false, open_up), 0);
	assert_int_equal(stat("out/file", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 2);
}

static void commands_do_what_their_user_may(void **state)
{
	assert_int_equal(run_in_daemon(/* allow_commands= */ true, do_as_user), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_file_is_opened_up_for_others, walls_set_up, walls_tear_down),
		cmocka_unit_test_setup_teardown(commands_do_what_their_user_may, walls_set_up, walls_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
