/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/signals.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/read.h"
#include "base/text.h"

/* Longer than the kernel makes it (proc_pid_status), but for many groups, and those stand before the signals. */
#define STATUS_MAX (64 * 1024)

/* The line's mask, in hex; false when there is no such line. */
static bool mask_of(const char *status, const char *name, uint64_t *ret)
{
	const char *line = strstr(status, name);

	if (!line)
		return false;
	*ret = strtoull(line + strlen(name), NULL, 16);
	return true;
}

static bool waiting_in(const char *status)
{
	uint64_t of_thread, of_process, blocked;

	if (!mask_of(status, "\nSigPnd:", &of_thread) || !mask_of(status, "\nShdPnd:", &of_process) ||
	    !mask_of(status, "\nSigBlk:", &blocked))
		return true;
	return (of_thread | of_process) & ~blocked;
}

bool signals_wait_for(pid_t thread)
{
	_cleanup_free_ char *path = text_new("/proc/%d/status", (int)thread), *status = malloc(STATUS_MAX);
	_cleanup_close_ int fd = path && thread > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	size_t n;

	if (fd < 0 || !status || read_up_to(fd, path, status, STATUS_MAX - 1, 0, &n, NULL) < 0)
		return true;
	status[n] = '\0';
	return waiting_in(status);
}
