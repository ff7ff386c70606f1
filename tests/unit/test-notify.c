/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fs/notify.h"

static char dir[] = "/tmp/goalfs-notify.XXXXXX";
static char path[sizeof(dir) + 8];

/* A listening socket, as a manager has it; a leading '@' is the zero of the abstract namespace. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + len),
			 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void assert_heard(int manager, const char *expected)
{
	char message[512] = "";
	ssize_t n = recv(manager, message, sizeof(message) - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	assert_string_equal(message, expected);
}

static void assert_all_is_told(const char *name)
{
	int manager = listen_at(name), fd = -2;
	struct why why;

	assert_int_equal(notify_open(&fd, &why), 0);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	notify_ready(fd, "Serving '/mnt'");
	assert_heard(manager, "READY=1\nSTATUS=Serving '/mnt'");
	notify_stopping(fd, "Ending\nREADY=1");
	assert_heard(manager, "STOPPING=1\nSTATUS=Ending READY=1");
	(void)close(fd);
	(void)close(manager);
}

static void tells_a_socket_in_the_filesystem(void **state)
{
	assert_all_is_told(path);
	assert_int_equal(unlink(path), 0);
}

static void tells_an_abstract_socket(void **state)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "@goalfs-test-notify-%d", (int)getpid());
	assert_all_is_told(name);
}

static uint64_t now_us(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The manager takes a reload for its own when it began after it had asked. */
static void reload_says_when_it_began(void **state)
{
	int manager = listen_at(path), fd = -1;
	char message[512] = "";
	unsigned long long at = 0;
	uint64_t before, after;
	struct why why;

	assert_int_equal(notify_open(&fd, &why), 0);
	before = now_us();
	notify_reloading(fd);
	after = now_us();
	assert_true(recv(manager, message, sizeof(message) - 1, MSG_DONTWAIT) > 0);
	assert_int_equal(sscanf(message, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=", &at), 1);
	assert_true(at >= before && at <= after);
	(void)close(fd);
	(void)close(manager);
	assert_int_equal(unlink(path), 0);
}

static void nobody_listens_outside_of_a_service(void **state)
{
	struct why why;
	int fd = -2;

	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_int_equal(notify_open(&fd, &why), 0);
	assert_int_equal(fd, -1);
	notify_ready(fd, "");
	notify_reloading(fd);
	notify_stopping(fd, "");
}

static void children_do_not_inherit_the_address(void **state)
{
	int manager = listen_at(path), fd = -1;
	struct why why;

	assert_int_equal(notify_open(&fd, &why), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	(void)close(fd);
	(void)close(manager);
	assert_int_equal(unlink(path), 0);
}

static void a_manager_that_has_gone_is_no_error(void **state)
{
	int manager = listen_at(path), fd = -1;
	struct why why;

	assert_int_equal(notify_open(&fd, &why), 0);
	(void)close(manager);
	notify_ready(fd, "Serving");
	(void)close(fd);
	assert_int_equal(unlink(path), 0);
}

static void assert_refused(const char *name, int error)
{
	struct why why = { "" };
	int fd = -2;

	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	assert_int_equal(notify_open(&fd, &why), error);
	assert_int_equal(fd, -2);
	assert_non_null(strstr(why.text, "NOTIFY_SOCKET"));
	assert_null(getenv("NOTIFY_SOCKET"));
}

static void refuses_what_is_no_address(void **state)
{
	char long_name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	memset(long_name, 'x', sizeof(long_name));
	long_name[0] = '/';
	long_name[sizeof(long_name) - 1] = '\0';
	assert_refused(long_name, -EINVAL);
	long_name[0] = '@';
	assert_refused(long_name, -EINVAL);
	assert_refused("relative", -EINVAL);
	assert_refused("/", -EINVAL);
	assert_refused("@", -EINVAL);
	assert_refused("vsock:2:1234", -EINVAL);
	assert_refused(path, -ENOENT);
}

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_a_socket_in_the_filesystem),
		cmocka_unit_test(tells_an_abstract_socket),
		cmocka_unit_test(reload_says_when_it_began),
		cmocka_unit_test(nobody_listens_outside_of_a_service),
		cmocka_unit_test(children_do_not_inherit_the_address),
		cmocka_unit_test(a_manager_that_has_gone_is_no_error),
		cmocka_unit_test(refuses_what_is_no_address),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
