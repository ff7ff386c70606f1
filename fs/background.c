/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/background.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"

struct background {
	int pipe; /* to the waiting parent; -1 in the foreground */
};

/* Nothing comes through the pipe if the child ends first; it has said why on standard error. */
static void wait_for(pid_t child, int pipe) __attribute__((noreturn));

static void wait_for(pid_t child, int pipe)
{
	int status;
	char byte;

	if (read(pipe, &byte, 1) == 1)
		_exit(0);
	if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	_exit(1);
}

int background_enter(bool foreground, struct background **ret, struct why *why)
{
	_cleanup_free_ struct background *bg = calloc(1, sizeof(*bg));
	int ends[2];
	pid_t child;

	if (!bg)
		return -ENOMEM;
	bg->pipe = -1;
	if (!foreground) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return fail(why, -errno, "pipe: %s", strerror(errno));
		child = fork();
		if (child < 0)
			return fail(why, -errno, "fork: %s", strerror(errno));
		if (child > 0) {
			(void)close(ends[1]);
			wait_for(child, ends[0]);
		}
		(void)close(ends[0]);
		bg->pipe = ends[1];
	}
	*ret = take(bg);
	return 0;
}

void background_ready(struct background *bg)
{
	int null;

	if (bg->pipe < 0)
		return;
	/*
	 * Not before: the kernel tells by the process group that it is an automount
	 * which mounts here, and makes all others that come by wait for that.
	 */
	(void)setsid();
	/* The directory we were started in is not to be kept busy. */
	(void)!chdir("/");
	log_to_syslog();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		for (int fd = 0; fd <= 2; fd++)
			(void)dup2(null, fd);
		(void)close(null);
	}
	(void)!write(bg->pipe, "r", 1);
	(void)close(bg->pipe);
	bg->pipe = -1;
}

void background_done(struct background *bg)
{
	if (bg->pipe >= 0)
		(void)close(bg->pipe);
	free(bg);
}
