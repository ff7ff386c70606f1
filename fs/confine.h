/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_CONFINE_H
#define GOALFS_FS_CONFINE_H

/*
 * The daemon shuts itself in before it reads the first foreign byte, and all that it starts with it
 * (goalfs-security(7) says what that is worth):
 *
 *	privileges    no new ones; of root's capabilities only CAP_DAC_READ_SEARCH, for templates
 *	              that are somebody else's. What takes more is the warden's (warden.h).
 *	files         Landlock: read in the sources, what the sources' links lead to, --allow-read, programs and
 *	              libraries, what names and certificates are looked up in; written in the store and in a
 *	              directory for temporary files. Not with --allow-commands: commands may do what their user may.
 *	TCP           no port is listened on, but by commands
 *	system calls  what changes the machine (mounts, modules, namespaces, other processes, ...) gives EPERM
 *
 * Rules stand on what exists now. A directory that is replaced by another, or a link that comes later and leads out
 * of the sources, is not to be read until the next start.
 */
#include "backends/library/repos.h"
#include "base/why.h"
#include "fs/options.h"

/* Before there are threads. `repos` are the sources when none was given. 0 or a negative errno. */
int confine_daemon(const struct options *o, const struct repos *repos, struct why *why);

/* At the very end: removes the directory for temporary files. */
void confine_end(void);

#endif
