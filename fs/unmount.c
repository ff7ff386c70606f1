/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/unmount.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/text.h"
#include "fs/holders.h"
#include "fs/mountpoint.h"

#define TRY_AGAIN_MS 100
#define HOLDERS_MAX  10
/* The daemon puts down what it holds within moments; if not, it still has a mount somewhere. */
#define END_MS 30000

/*
 * A descriptor for the daemon's process, or -1 when it can't be told: the number is
 * that of its own namespace, so whoever has it here must at least be called like it.
 * -ENOTCONN when it has gone.
 */
static int open_daemon(const char *path)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_close_ int fd = -1;
	char digits[16] = "", file[48], name[32] = "";
	long pid;

	if (getxattr(path, UNMOUNT_XATTR_DAEMON, digits, sizeof(digits) - 1) <= 0)
		return errno == ENOTCONN ? -ENOTCONN : -1;
	pid = strtol(digits, NULL, 10);
	if (pid <= 0)
		return -1;
	fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	(void)snprintf(file, sizeof(file), "/proc/%ld/comm", pid);
	f = fopen(file, "re");
	if (!f || !fgets(name, sizeof(name), f) || strncmp(name, "goalfs", strlen("goalfs")) != 0)
		return -1;
	return take_fd(fd);
}

static void say_holders(const char *path)
{
	_cleanup_(text_done) struct text lines = TEXT_EMPTY;
	int n = holders_of(path, HOLDERS_MAX, &lines);
	char *save = NULL;

	if (n <= 0)
		log_note("no process holds '%s' that can be seen here; an NFS export may, or a process of "
			 "another user",
			 path);
	for (char *line = n > 0 ? strtok_r(lines.chars, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		log_note("%s", line);
	if (n > HOLDERS_MAX)
		log_note("and %d more", n - HOLDERS_MAX);
}

static int unmount_when_free(const char *path, unsigned wait_s, struct why *why)
{
	const int64_t until = lock_now_ms() + (int64_t)wait_s * 1000;
	bool said = false;
	int r;

	while ((r = mountpoint_unmount(path, /* lazily= */ false, why)) == -EBUSY) {
		const int64_t left = until - lock_now_ms();

		if (!said)
			say_holders(path);
		said = true;
		if (left <= 0)
			return fail(why, -EBUSY, "'%s' is in use", path);
		(void)usleep((useconds_t)min_u64(TRY_AGAIN_MS, (uint64_t)left) * 1000);
	}
	return r;
}

static int wait_for_daemon(const char *path, int daemon, struct why *why)
{
	struct pollfd end = { .fd = daemon, .events = POLLIN };
	const int64_t until = lock_now_ms() + END_MS;
	int n;

	do
		n = poll(&end, 1, (int)(until - lock_now_ms()));
	while (n < 0 && errno == EINTR && until > lock_now_ms());
	return n > 0 ? 0
		     : fail(why, -ETIMEDOUT,
			    "'%s' was unmounted, but its daemon has not ended; is it mounted in another "
			    "namespace, too?",
			    path);
}

int unmount(const struct options *o, struct why *why)
{
	_cleanup_(mounted_done) struct mounted m = { 0 };
	_cleanup_close_ int daemon = -1;
	int r = mounted_find(o->mountpoint, &m, why);

	if (r < 0)
		return r;
	if (!m.is_top || !m.is_goalfs)
		return fail(why, -EINVAL, "no goalfs is mounted on '%s'", m.path);
	if (geteuid() != 0 && m.owner != geteuid())
		return fail(why, -EPERM, "'%s' was mounted by another user", m.path);
	/* The directory we were started in is not to be what keeps it busy. */
	(void)!chdir("/");
	daemon = open_daemon(m.path);
	/* Of no use to those who use it. */
	if (daemon == -ENOTCONN)
		return mountpoint_unmount(m.path, /* lazily= */ true, why);
	r = unmount_when_free(m.path, o->wait_s, why);
	return r == 0 && daemon >= 0 ? wait_for_daemon(m.path, daemon, why) : r;
}
