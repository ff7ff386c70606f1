/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_LIBFUSE_H
#define GOALFS_FS_LIBFUSE_H

/*
 * libfuse's sessions. The daemon has one that answers requests, the warden one that
 * mounts; both are made of the same options.
 */
#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

/*
 * `options` as they follow -o. 0; -EINVAL for options that libfuse does not know, about which it has
 * printed a line; -ENOMEM.
 */
int libfuse_session(const char *options, const struct fuse_lowlevel_ops *ops, void *userdata,
		    struct fuse_session **ret);

#endif
