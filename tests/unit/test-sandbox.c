/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "tests/unit/walls.h"

/* There is a link from within to without, too. */
static int set_up(void **state)
{
	return walls_set_up(state) == 0 && symlink("../out/file", "in/link") == 0 ? 0 : -1;
}

static int open_error(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static int read_only(void)
{
	struct sandbox s = { -1 };
	DIR *dir;

	CHECK(sandbox_new(&s, 0) == 0);
	sandbox_allow_path(&s, "in", SANDBOX_READ | SANDBOX_LIST);
	sandbox_allow_path(&s, "nothing", SANDBOX_READ);
	CHECK(!sandbox_is_up());
	CHECK(sandbox_enter(&s) == 0);
	sandbox_done(&s);
	CHECK(sandbox_is_up());
	CHECK(open_error("in/file", O_RDONLY) == 0);
	CHECK(open_error("in/file", O_RDWR) == EACCES);
	CHECK(open_error("in/file", O_RDONLY | O_TRUNC) == EACCES);
	CHECK(open_error("in/new", O_WRONLY | O_CREAT) == EACCES);
	CHECK(open_error("out/file", O_RDONLY) == EACCES);
	CHECK(open_error("in/link", O_RDONLY) == EACCES);
	CHECK(open_error("in/../out/file", O_RDONLY) == EACCES);
	CHECK(open_error("/etc/passwd", O_RDONLY) == EACCES);
	CHECK(unlink("in/file") < 0 && rmdir("out") < 0 && mkdir("in/d", 0700) < 0);
	CHECK((dir = opendir("in")) && closedir(dir) == 0);
	CHECK(!opendir("out"));
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return 0;
}

static int keep(void)
{
	struct sandbox s = { -1 };

	CHECK(sandbox_new(&s, 0) == 0);
	sandbox_allow_path(&s, "in", SANDBOX_READ | SANDBOX_LIST | SANDBOX_WRITE | SANDBOX_MAKE);
	sandbox_allow_path(&s, "out", SANDBOX_RMDIR);
	CHECK(sandbox_enter(&s) == 0);
	CHECK(open_error("in/new", O_RDWR | O_CREAT | O_EXCL) == 0);
	CHECK(rename("in/new", "in/newer") == 0 && link("in/newer", "in/new") == 0 && unlink("in/new") == 0);
	CHECK(truncate("in/newer", 100) == 0);
	CHECK(mkdir("in/d", 0700) == 0 && rmdir("in/d") == 0);
	CHECK(mknod("in/pipe", S_IFIFO | 0600, 0) < 0 && symlink("x", "in/symlink") < 0);
	CHECK(open_error("out/file", O_RDONLY) == EACCES);
	CHECK(rmdir("out/file") < 0 && errno == ENOTDIR);
	CHECK(unlink("out/file") < 0 && errno == EACCES);
	CHECK(rename("in/newer", "out/newer") < 0);
	return 0;
}

static void *nothing(void *arg)
{
	return arg;
}

static int calls(void)
{
	const int forbidden[] = { SYS_mount, SYS_unshare, SYS_ptrace };
	struct sandbox s = { -1 };
	pthread_t thread;
	int status;
	pid_t pid;

	CHECK(sandbox_enter(&s) == 0);
	CHECK(!sandbox_is_up());
	CHECK(sandbox_forbid_calls(forbidden, 3, EPERM) == 0);
	CHECK(sandbox_forbid_namespaces() == 0);
	CHECK(open_error("/etc/passwd", O_RDONLY) == 0);
	CHECK(mount("none", walls_root, "tmpfs", 0, NULL) < 0 && errno == EPERM);
	CHECK(unshare(CLONE_FILES) < 0 && errno == EPERM);
	CHECK(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) < 0 && errno == EPERM);
	CHECK(syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL) < 0 && errno == EPERM);
	CHECK(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
	CHECK(ioctl(0, TIOCSTI, "x") < 0 && errno == EPERM);
	/* What all of that is about to leave alone. */
	CHECK(ioctl(0, FIONREAD, &status) == 0 || errno != EPERM);
	CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
	pid = fork();
	if (pid == 0)
		_exit(7);
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
	return 0;
}

static int too_many_calls(void)
{
	int many[SANDBOX_CALLS_MAX + 1];

	for (size_t i = 0; i < SANDBOX_CALLS_MAX + 1; i++)
		many[i] = SYS_mount;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(sandbox_forbid_calls(many, SANDBOX_CALLS_MAX + 1, EPERM) == -E2BIG);
	CHECK(sandbox_forbid_calls(many, SANDBOX_CALLS_MAX, EPERM) == 0);
	CHECK(mount("none", walls_root, "tmpfs", 0, NULL) < 0 && errno == EPERM);
	CHECK(open_error("/etc/passwd", O_RDONLY) == 0);
	return 0;
}

static int capabilities(void)
{
	const uint64_t kept = UINT64_C(1) << CAP_DAC_READ_SEARCH;

	CHECK(sandbox_keep_capabilities(kept) == 0);
	CHECK(!sandbox_has_capability(CAP_SYS_ADMIN) && !sandbox_has_capability(CAP_CHOWN));
	CHECK(sandbox_has_capability(CAP_DAC_READ_SEARCH) == (geteuid() == 0));
	if (geteuid() == 0) {
		CHECK(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0);
		CHECK(prctl(PR_CAPBSET_READ, CAP_DAC_READ_SEARCH, 0, 0, 0) == 1);
	}
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) < 0);
	/* A program that is started has no more. */
	CHECK(system("grep -q '^CapEff:.*0000000000000004' /proc/self/status || [ $(id -u) != 0 ]") == 0);
	CHECK(mount("none", walls_root, "tmpfs", 0, NULL) < 0 && errno == EPERM);
	return 0;
}

static void what_may_be_read_may_only_be_read(void **state)
{
	assert_int_equal(walls_child(read_only), 0);
}

static void what_is_kept_may_be_changed(void **state)
{
	assert_int_equal(walls_child(keep), 0);
}

static void forbidden_calls_fail_and_others_go_on(void **state)
{
	assert_int_equal(walls_child(calls), 0);
}

static void as_many_calls_as_there_is_room_for(void **state)
{
	assert_int_equal(walls_child(too_many_calls), 0);
}

static void other_capabilities_are_gone(void **state)
{
	assert_int_equal(walls_child(capabilities), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_may_be_read_may_only_be_read, set_up, walls_tear_down),
		cmocka_unit_test_setup_teardown(what_is_kept_may_be_changed, set_up, walls_tear_down),
		cmocka_unit_test_setup_teardown(forbidden_calls_fail_and_others_go_on, set_up, walls_tear_down),
		cmocka_unit_test_setup_teardown(as_many_calls_as_there_is_room_for, set_up, walls_tear_down),
		cmocka_unit_test_setup_teardown(other_capabilities_are_gone, set_up, walls_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
