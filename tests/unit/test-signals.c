/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <signal.h>
#include <sys/wait.h>

#include "fs/signals.h"

/* A child that has blocked `blocked` (0: none), and is stopped: what is sent to it then waits. */
static pid_t stopped_child(int blocked)
{
	pid_t pid = fork();
	sigset_t set;
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		sigemptyset(&set);
		if (blocked)
			sigaddset(&set, blocked);
		(void)sigprocmask(SIG_SETMASK, &set, NULL);
		(void)raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_none_waits(void **state)
{
	pid_t pid = stopped_child(0);

	assert_false(signals_wait_for(pid));
	end(pid);
}

static void test_one_waits(void **state)
{
	pid_t pid = stopped_child(0);

	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_true(signals_wait_for(pid));
	end(pid);
}

static void test_a_blocked_one_does_not_count(void **state)
{
	pid_t pid = stopped_child(SIGUSR1);

	assert_int_equal(kill(pid, SIGUSR1), 0);
	assert_false(signals_wait_for(pid));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_true(signals_wait_for(pid));
	end(pid);
}

static void test_unknown_threads_may_have_some(void **state)
{
	pid_t pid = stopped_child(0);

	end(pid);
	assert_true(signals_wait_for(pid));
	assert_true(signals_wait_for(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_waits),
		cmocka_unit_test(test_one_waits),
		cmocka_unit_test(test_a_blocked_one_does_not_count),
		cmocka_unit_test(test_unknown_threads_may_have_some),
	};

	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
