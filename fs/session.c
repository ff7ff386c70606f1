/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/session.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/net/net.h"
#include "base/text.h"

/* A mount whose daemon died answers ENOTCONN to everything. */
int session_find_mountpoint(const char *path, char **ret, struct why *why)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return fail(why, -errno,
			    errno == ENOTCONN ? "mountpoint '%s' belongs to a mount whose daemon is gone: "
						"fusermount3 -u it first"
					      : "mountpoint '%s': %s",
			    path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(why, -ENOTDIR, "mountpoint '%s' is not a directory", path);
	*ret = realpath(path, NULL);
	return *ret ? 0 : fail(why, -errno, "mountpoint '%s': %s", path, strerror(errno));
}

int session_check_empty(const char *path, struct why *why)
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

/* Whether fusermount3 would let others in; only for the choice of allow_other. */
static bool may_let_others_in(void)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/fuse.conf", "re");
	char line[256];

	if (geteuid() == 0)
		return true;
	while (f && fgets(line, sizeof(line), f))
		if (strspn(line, " \t") + strlen("user_allow_other") <= strlen(line) &&
		    strncmp(line + strspn(line, " \t"), "user_allow_other", strlen("user_allow_other")) == 0)
			return true;
	return false;
}

/* libfuse splits its options at commas that no backslash precedes. */
static char *escape_option(const char *value)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;
	char *escaped;

	for (; *value; value++)
		text_add(&t, "%s%c", *value == ',' || *value == '\\' ? "\\" : "", *value);
	return text_take(&t, &escaped) < 0 ? NULL : escaped;
}

static int new_session(const struct options *o, struct mount *m, struct why *why)
{
	_cleanup_free_ char *shown = net_url_shown(o->n_sources ? o->sources[0] : "goalfs");
	_cleanup_free_ char *source = shown ? escape_option(shown) : NULL;
	_cleanup_free_ char *options = text_new(
		"ro,nosuid,nodev,default_permissions,subtype=goalfs,fsname=%s%s%s%s", source ?: "",
		may_let_others_in() ? ",allow_other" : "", *o->mount_options ? "," : "", o->mount_options);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

	if (!source || !options || fuse_opt_add_arg(&args, "goalfs") < 0 || fuse_opt_add_arg(&args, "-o") < 0 ||
	    fuse_opt_add_arg(&args, options) < 0)
		return -ENOMEM;
	m->session = fuse_session_new(&args, &mount_ops, sizeof(mount_ops), m);
	fuse_opt_free_args(&args);
	/* libfuse has printed which option it does not know. */
	return m->session ? 0 : fail(why, -EINVAL, "the mount options were not accepted");
}

/* libfuse has printed what it knows, which is the least of it where there is no device. */
static int mount_failure(const char *mountpoint, struct why *why)
{
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return fail(why, -errno, "'%s' can't be mounted on: /dev/fuse: %s", mountpoint,
			    strerror(errno));
	return fail(why, -EIO, "'%s' can't be mounted on", mountpoint);
}

int session_mount(const struct options *o, const char *mountpoint, struct mount *m, struct why *why)
{
	int r = new_session(o, m, why);

	if (r < 0)
		return r;
	return fuse_session_mount(m->session, mountpoint) < 0 ? mount_failure(mountpoint, why) : 0;
}
