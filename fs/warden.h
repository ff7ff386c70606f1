/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_WARDEN_H
#define GOALFS_FS_WARDEN_H

/*
 * The warden: a small process beside the daemon that keeps the privileges which the daemon
 * gives up before it reads the first foreign byte (confine.h). It mounts one
 * directory with options that were settled before, unmounts it, and hands files to the kernel for
 * passthrough; it reads nothing but the daemon's short requests.
 *
 * Of root's capabilities it keeps two, CAP_SYS_ADMIN for these three things, and CAP_DAC_READ_SEARCH for the
 * way to a mountpoint in a directory of somebody else. For an ordinary user it is what may
 * still run fusermount3, which is setuid, after the daemon may gain no privileges any more.
 *
 * It ends with the daemon, however that ends. A crash leaves the dead mount in its place.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/why.h"

struct warden;

/*
 * Starts it: before there are threads, and before the confinement. `options` are libfuse's, as they follow -o.
 * 0 or a negative errno.
 */
int warden_start(const char *mountpoint, const char *options, struct warden **ret, struct why *why);

/* Asks it to end, and waits until it has. Accepts NULL. */
void warden_end(struct warden *w);
DEFINE_CLEANUP(struct warden *, warden_end);

/*
 * Mounts, `shared` with allow_other. The descriptor of the mount's /dev/fuse is the caller's. On failure fusermount3
 * or libfuse has written on standard error what it knows. Can be tried again. -ESTALE for root when
 * the mountpoint is another directory than at the start; nothing was written then.
 */
int warden_mount(struct warden *w, bool shared, int *ret_fd);

/* From any thread. The unmounting is lazy. 0 or a negative errno. */
int warden_unmount(struct warden *w);

/* FUSE_DEV_IOC_BACKING_OPEN and _CLOSE, from any thread: the id (> 0), or a negative errno. */
int warden_backing_open(struct warden *w, int fd);
void warden_backing_close(struct warden *w, int id);

#endif
