/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mountinfo.h"
#include "base/text.h"

/* A daemon that crashed again and again, and was started by somebody who did not look. */
#define STALE_MAX 64

void mounted_done(struct mounted *m)
{
	free(take(m->path));
}

/* The name of what a descriptor is for, as the kernel knows it: no filesystem is asked. */
static char *path_of_fd(int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0 || n == sizeof(path) - 1)
		return NULL;
	path[n] = '\0';
	return strdup(path);
}

static int mount_id_of_fd(int fd, uint64_t *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[40], line[128];

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "mnt_id: %" SCNu64, ret) == 1)
			return 0;
	return -ENOENT;
}

static int see_mount(void *arg, const struct mountinfo *m)
{
	struct mounted *mounted = arg;

	if (m->id != mounted->id)
		return 0;
	mounted->major = m->major;
	mounted->minor = m->minor;
	mounted->is_goalfs = strcmp(m->type, MOUNTPOINT_TYPE) == 0;
	mounted->is_top = strcmp(m->point, mounted->path) == 0;
	mounted->owner = mountinfo_has_option(m->super, "user_id", geteuid()) ? geteuid() : UINT64_MAX;
	return 1;
}

/*
 * O_PATH opens nothing: it works on a mount whose daemon is gone, and without
 * O_DIRECTORY it does not make an automount mount what is just being mounted.
 */
int mounted_find(const char *path, struct mounted *ret, struct why *why)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	_cleanup_(mounted_done) struct mounted m = { 0 };
	int r;

	if (fd < 0)
		return fail(why, -errno, "mountpoint '%s': %s", path, strerror(errno));
	m.path = path_of_fd(fd);
	r = m.path ? mount_id_of_fd(fd, &m.id) : -ENOENT;
	if (r == 0)
		r = mountinfo_each(see_mount, &m);
	if (r <= 0)
		return fail(why, r ?: -ENOENT, "mountpoint '%s': /proc does not tell what is mounted there",
			    path);
	*ret = m;
	m.path = NULL;
	return 0;
}

extern char **environ;

/* As an ordinary user: only what is ours, and nothing that the user could not do. */
static int run_fusermount(const char *path, bool lazily, struct why *why)
{
	char *const argv[] = { (char *)"fusermount3", (char *)"-u", (char *)(lazily ? "-qz" : "-q"),
			       (char *)"--",	      (char *)path, NULL };
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t child;
	int status, r;

	sigemptyset(&none);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawnp(&child, argv[0], NULL, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	if (r)
		return fail(why, -r, "fusermount3: %s", strerror(r));
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return fail(why, -errno, "fusermount3: %s", strerror(errno));
	/* It does not tell by its status why; in nearly all cases it is this. */
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? 0
		       : fail(why, -EBUSY, "'%s' can't be unmounted", path);
}

int mountpoint_unmount(const char *path, bool lazily, struct why *why)
{
	if (geteuid() != 0)
		return run_fusermount(path, lazily, why);
	if (umount2(path, UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)) < 0)
		return fail(why, -errno, "'%s' can't be unmounted: %s", path, strerror(errno));
	return 0;
}

static int take_off_stale(const struct mounted *m, struct why *why)
{
	int r;

	if (!m->is_top || !m->is_goalfs || m->owner != geteuid())
		return fail(why, -ENOTCONN,
			    "mountpoint '%s' belongs to a mount %s whose daemon is gone: unmount it first",
			    m->path, m->is_goalfs ? "of another user" : "of another type");
	r = mountpoint_unmount(m->path, /* lazily= */ true, why);
	if (r == 0)
		log_note("'%s' was still mounted, by a goalfs that has gone; that mount was taken off",
			 m->path);
	return r;
}

/*
 * What the kernel remembers of a directory it tells after the daemon's end, too:
 * it has to ask, and then knows of others' mounts only that they are not for us.
 */
static int look_behind(const struct mounted *m, mode_t *ret, struct why *why)
{
	struct statx st;

	if (statx(AT_FDCWD, m->path, AT_STATX_FORCE_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0) {
		if (errno == EACCES && m->is_top && m->is_goalfs)
			return fail(why, -EBUSY, "a goalfs of another user is mounted on '%s'", m->path);
		return errno == ENOTCONN ? -ENOTCONN
					 : fail(why, -errno, "mountpoint '%s': %s", m->path, strerror(errno));
	}
	*ret = st.stx_mode;
	return 0;
}

/* 0 and the path; 1 when something was taken off, and what is below has to be looked at. */
static int look_at(const char *path, char **ret, struct why *why)
{
	_cleanup_(mounted_done) struct mounted m = { 0 };
	mode_t mode;
	int r = mounted_find(path, &m, why);

	if (r < 0)
		return r;
	r = look_behind(&m, &mode, why);
	if (r == -ENOTCONN)
		r = take_off_stale(&m, why) ?: 1;
	if (r)
		return r;
	if (!S_ISDIR(mode))
		return fail(why, -ENOTDIR, "mountpoint '%s' is not a directory", path);
	if (m.is_top && m.is_goalfs)
		return fail(why, -EBUSY,
			    "a goalfs is mounted on '%s' already: goalfs --unmount it first, or choose another "
			    "mountpoint",
			    m.path);
	*ret = take(m.path);
	return 0;
}

int mountpoint_find(const char *path, char **ret, struct why *why)
{
	int r = 1;

	for (unsigned n = 0; r == 1 && n < STALE_MAX; n++)
		r = look_at(path, ret, why);
	return r == 1 ? fail(why, -ENOTCONN, "mountpoint '%s': too many mounts whose daemon is gone", path) : r;
}

int mountpoint_check_empty(const char *path, struct why *why)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int r = 0;

	while (dir && r == 0 && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = fail(why, -ENOTEMPTY,
				 "'%s' is not empty: is it a source, and the mountpoint is missing? "
				 "goalfs SOURCE... MOUNTPOINT; without a source a mountpoint must be empty",
				 path);
	if (dir)
		(void)closedir(dir);
	return r;
}
