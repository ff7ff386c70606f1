/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NBD_CONFINE_H
#define GOALFS_BACKENDS_NBD_CONFINE_H

/*
 * A child process that reads foreign bytes is held to them. Images can name other files,
 * and parsers have bugs; the child needs its program, the libraries of that, and
 * the descriptors that it was handed, and may have nothing else:
 *
 *	no new privileges   always
 *	files               Landlock, where the kernel has it (5.13): what stands below /usr and
 *	                    /lib can be read, so can the files behind the descriptors (QEMU opens
 *	                    them anew by /proc/self/fd/N); nothing can be written, made or listed
 *	TCP, signals        Landlock, where it knows them (6.7, 6.12)
 *	sockets             no new ones, by seccomp, on processors that this was written for
 *	memory, core files  2 GiB of data, none
 *
 * Neither needs a privilege, and each that is missing leaves the others.
 */
#include <stddef.h>

#include "base/sandbox.h"

/* Made before the fork, since that allocates nothing; confine_done in the parent. */
struct confinement {
	struct sandbox sandbox;
};

void confine_prepare(struct confinement *c, const int *fds, size_t n_fds);
void confine_done(struct confinement *c);

/* In the child, before exec: async-signal-safe. 0 or a negative errno. */
int confine_self(const struct confinement *c);

#endif
