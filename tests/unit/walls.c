/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "tests/unit/walls.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char walls_root[64];

int walls_set_up(void **state)
{
	(void)strcpy(walls_root, "/tmp/goalfs-test-walls.XXXXXX");
	return mkdtemp(walls_root) && chdir(walls_root) == 0 && mkdir("in", 0755) == 0 &&
			       mkdir("out", 0755) == 0 &&
			       system("umask 077; echo x >in/file; echo x >out/file") == 0
		       ? 0
		       : -1;
}

int walls_tear_down(void **state)
{
	char command[100];

	(void)snprintf(command, sizeof(command), "rm -rf %s", walls_root);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

int walls_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
