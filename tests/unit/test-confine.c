/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a daemon that was taken over could do to the files of its user. In a child: no wall is taken down again. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/confine.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static char root[64];

/* One file may be read, the other one not even that. */
static int set_up(void **state)
{
	(void)strcpy(root, "/tmp/goalfs-test-confine.XXXXXX");
	return mkdtemp(root) && chdir(root) == 0 && mkdir("in", 0755) == 0 && mkdir("out", 0755) == 0 &&
			       system("umask 077; echo x >in/file; echo x >out/file") == 0
		       ? 0
		       : -1;
}

static int tear_down(void **state)
{
	char command[100];

	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

/* The line of the first check that fails in a daemon, 0 when there is none. */
static int in_daemon(bool allow_commands, int (*fn)(void))
{
	char in[100], *allow_read[] = { in, NULL };
	const struct options o = { .no_cache = true,
				   .allow_commands = allow_commands,
				   .allow_read = allow_read };
	const struct repos repos = { 0 };
	struct why why = { "" };
	int status;
	pid_t pid;

	(void)snprintf(in, sizeof(in), "%s/in", root);
	pid = fork();
	if (pid == 0) {
		status = confine_daemon(&o, &repos, &why) < 0 ? 255 : fn();
		confine_end();
		_exit(status);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define CHECK(condition)                           \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 250 + 1; \
	} while (0)

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

	assert_int_equal(in_daemon(/* allow_commands= */ false, open_up), 0);
	assert_int_equal(stat("out/file", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 2);
}

static void commands_do_what_their_user_may(void **state)
{
	assert_int_equal(in_daemon(/* allow_commands= */ true, do_as_user), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_file_is_opened_up_for_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(commands_do_what_their_user_may, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
