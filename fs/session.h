/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_SESSION_H
#define GOALFS_FS_SESSION_H

/*
 * From options to a mount: what the kernel and fusermount3 are asked for, and
 * what they refuse.
 */
#include "base/why.h"
#include "fs/mount.h"
#include "fs/options.h"

/* As libfuse takes them behind -o, for the warden; but for allow_other, which is tried. malloc'ed; NULL without memory. */
char *session_options(const struct options *o);

/* Whether libfuse knows the mount options: -EINVAL when it doesn't; it has printed which by then. */
int session_check(const struct options *o, struct why *why);

/*
 * Makes m->session and has the warden mount it, for other users as well where that is allowed; a log
 * line says when it is not. -EPERM for an
 * allow_other that was asked for and is not allowed.
 */
int session_mount(const struct options *o, const char *mountpoint, struct mount *m, struct why *why);

/* Takes the mount off, whoever uses it, if it is still there. */
void session_unmount(struct mount *m, const char *mountpoint);

#endif
