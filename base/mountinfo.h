/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_MOUNTINFO_H
#define GOALFS_BASE_MOUNTINFO_H

/*
 * Lines of /proc/PID/mountinfo, proc_pid_mountinfo(5):
 *
 *	36 35 0:32 / /srv/goals ro,nosuid shared:7 - fuse.goalfs /srv/templates ro,user_id=0
 *	id | device  |  mountpoint           |       type        source         super
 *	   parent    root in its filesystem  any number of these, up to the dash
 *
 * Names are chosen by whoever mounts; blanks in them are escaped. What this tells
 * of a mount, no filesystem is asked for: it is known of one that does not answer.
 */
#include <stdbool.h>
#include <stdint.h>

struct mountinfo {
	uint64_t id, parent;
	unsigned major, minor;
	const char *point, *type, *source, *super; /* borrowed from the line */
};

/* Takes a line apart, in place; a newline at its end is not needed. -EBADMSG when it is no such line. */
int mountinfo_parse(char *line, struct mountinfo *ret);

/* Whether `options`, comma-separated, hold NAME=VALUE. */
bool mountinfo_has_option(const char *options, const char *name, uint64_t value);

/*
 * Calls `see` for each mount of our namespace, in the kernel's order, which is about
 * that of their age; stops at the first that it returns another value than 0 for,
 * and returns that. Lines that can't be read are passed over. Negative errno when there is no list.
 */
int mountinfo_each(int (*see)(void *arg, const struct mountinfo *m), void *arg);

#endif
