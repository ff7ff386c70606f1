/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "backends/net/net.h"
#include "base/log.h"
#include "base/text.h"
#include "fs/mountpoint.h"

/* Whether fusermount3 would let others in: what it reads, read as it does. */
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

/* Among options as libfuse takes them apart. */
static bool has_option(const char *options, const char *name)
{
	const size_t len = strlen(name);

	for (; *options; options += strcspn(options, ","), options += *options == ',')
		if (strcspn(options, ",") == len && strncmp(options, name, len) == 0)
			return true;
	return false;
}

static int new_session(const struct options *o, bool for_others, struct mount *m, struct why *why)
{
	_cleanup_free_ char *shown = net_url_brief(o->n_sources ? o->sources[0] : "goalfs");
	_cleanup_free_ char *source = shown ? escape_option(shown) : NULL;
	_cleanup_free_ char *options =
		text_new("ro,nosuid,nodev,default_permissions,subtype=goalfs,fsname=%s%s%s%s", source ?: "",
			 for_others ? ",allow_other" : "", *o->mount_options ? "," : "", o->mount_options);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

	if (!source || !options || fuse_opt_add_arg(&args, "goalfs") < 0 || fuse_opt_add_arg(&args, "-o") < 0 ||
	    fuse_opt_add_arg(&args, options) < 0)
		return -ENOMEM;
	m->session = fuse_session_new(&args, &mount_ops, sizeof(mount_ops), m);
	fuse_opt_free_args(&args);
	/* libfuse has printed which option it does not know. */
	return m->session ? 0 : fail(why, -EINVAL, "the mount options were not accepted");
}

/* libfuse and fusermount3 have printed what they know, which is the least of it where there is no device. */
static int mount_failure(const struct options *o, const char *mountpoint, struct why *why)
{
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return fail(why, -errno, "'%s' can't be mounted on: /dev/fuse: %s", mountpoint,
			    strerror(errno));
	if (has_option(o->mount_options, "allow_other") && !may_let_others_in())
		return fail(why, -EPERM,
			    "'%s' can't be mounted on: allow_other takes a line 'user_allow_other' in "
			    "/etc/fuse.conf",
			    mountpoint);
	return fail(why, -EIO, "'%s' can't be mounted on", mountpoint);
}

static int mount_as(const struct options *o, const char *mountpoint, bool for_others, struct mount *m,
		    struct why *why)
{
	int r = new_session(o, for_others, m, why);

	if (r < 0)
		return r;
	if (fuse_session_mount(m->session, mountpoint) == 0)
		return 0;
	fuse_session_destroy(take(m->session));
	return mount_failure(o, mountpoint, why);
}

/* What stands at the mountpoint is ours by its device, which no other mount gets as long as we hold /dev/fuse. */
static void remember_device(struct mount *m, const char *mountpoint)
{
	_cleanup_(mounted_done) struct mounted found = { 0 };

	if (mounted_find(mountpoint, &found, NULL) == 0 && found.is_goalfs)
		m->device = makedev(found.major, found.minor);
}

/* Unmounted everywhere. Then the path is not to be touched: the next one may be waiting there, for us to end. */
static bool has_gone(const struct mount *m)
{
	struct pollfd device = { .fd = fuse_session_fd(m->session) };

	return poll(&device, 1, 0) == 1 && device.revents & POLLERR;
}

static bool is_replaced(const struct mount *m, const char *mountpoint)
{
	_cleanup_(mounted_done) struct mounted found = { 0 };

	return m->device && mounted_find(mountpoint, &found, NULL) == 0 &&
	       makedev(found.major, found.minor) != m->device;
}

/*
 * libfuse unmounts unless poll says of the device what it says of a pipe that nobody
 * reads. It has to be called all the same: only there it frees what it has.
 */
static void let_go(struct fuse_session *session)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	(void)close(ends[0]);
	if (dup3(ends[1], fuse_session_fd(session), O_CLOEXEC) >= 0)
		fuse_session_unmount(session);
	(void)close(ends[1]);
}

/*
 * Somebody may have unmounted it, and it lives on in a mount namespace of somebody
 * else's (a container): then another one may be mounted here by now, and is not ours to take off.
 */
void session_unmount(struct mount *m, const char *mountpoint)
{
	if (!has_gone(m) && is_replaced(m, mountpoint))
		let_go(m->session);
	else
		fuse_session_unmount(m->session);
}

/*
 * A library is for everybody, so others are let in wherever that is allowed. Who
 * has said who is let in gets that, or an error.
 */
int session_mount(const struct options *o, const char *mountpoint, struct mount *m, struct why *why)
{
	const bool said =
		has_option(o->mount_options, "allow_other") || has_option(o->mount_options, "allow_root");
	const bool for_others = !said && may_let_others_in();
	int r = mount_as(o, mountpoint, for_others, m, why);

	if (r == -EIO && for_others) {
		why->text[0] = '\0';
		r = mount_as(o, mountpoint, /* for_others= */ false, m, why);
		if (r == 0)
			log_warn("only user %u can look into '%s': it could not be mounted with allow_other",
				 (unsigned)geteuid(), mountpoint);
	} else if (r == 0 && !said && !for_others) {
		log_note("only user %u can look into '%s', since /etc/fuse.conf has no line 'user_allow_other'",
			 (unsigned)geteuid(), mountpoint);
	}
	if (r == 0)
		remember_device(m, mountpoint);
	return r;
}
