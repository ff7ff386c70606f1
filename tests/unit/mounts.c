/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/mounts.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

int mounts_of_our_own(void)
{
	/* EINVAL: the root is no mount point, in a chroot. What is mounted there is nobody's business. */
	if (unshare(CLONE_NEWNS) == 0 &&
	    (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 || errno == EINVAL))
		return 0;
	perror("these tests mount filesystems, and must run as root");
	return 1;
}
