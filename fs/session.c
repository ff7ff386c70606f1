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
#include "fs/libfuse.h"
#include "fs/mountpoint.h"
#include "fs/warden.h"

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

char *session_options(const struct options *o)
{
	_cleanup_free_ char *shown = net_url_brief(o->n_sources ? o->sources[0] : "goalfs");
	_cleanup_free_ char *source = shown ? escape_option(shown) : NULL;

	/* The type comes last and counts: by it a mount is known to be one of ours. */
	return source ? text_new("ro,nosuid,nodev,default_permissions,fsname=%s%s%s,subtype=goalfs", source,
				 *o->mount_options ? "," : "", o->mount_options)
		      : NULL;
}

static int new_session(const struct options *o, struct mount *m, struct fuse_session **ret, struct why *why)
{
	_cleanup_free_ char *options = session_options(o);
	int r = options ? libfuse_session(options, &mount_ops, m, ret) : -ENOMEM;

	return r == -EINVAL ? fail(why, r, "the mount options were not accepted") : r;
}

int session_check(const struct options *o, struct why *why)
{
	struct fuse_session *session = NULL;
	int r = new_session(o, /* m= */ NULL, &session, why);

	if (session)
		fuse_session_destroy(session);
	return r;
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
	int r = new_session(o, m, &m->session, why), fd = -1;
	char device[32];

	if (r < 0)
		return r;
	/* The session gets the descriptor of a mount that the warden has made. */
	r = warden_mount(m->warden, for_others, &fd);
	if (r == 0) {
		(void)snprintf(device, sizeof(device), "/dev/fd/%d", fd);
		if (fuse_session_mount(m->session, device) == 0)
			return 0;
		closep(&fd);
	}
	fuse_session_destroy(take(m->session));
	return r == -ESTALE ? fail(why, r, "'%s' is another directory than when goalfs was started", mountpoint)
			    : mount_failure(o, mountpoint, why);
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
 * Somebody may have unmounted it, and it lives on in a mount namespace of somebody
 * else's (a container): then another one may be mounted here by now, and is not ours to take off.
 * Our end of the device goes first: whoever unmounts may look at the directory, and nobody answers any more.
 */
void session_unmount(struct mount *m, const char *mountpoint)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const bool is_ours = has_gone(m) || !is_replaced(m, mountpoint);

	if (null >= 0)
		(void)dup3(null, fuse_session_fd(m->session), O_CLOEXEC);
	if (is_ours)
		(void)warden_unmount(m->warden);
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
