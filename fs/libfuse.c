/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/libfuse.h"

#include <errno.h>
#include <stddef.h>

int libfuse_session(const char *options, const struct fuse_lowlevel_ops *ops, void *userdata,
		    struct fuse_session **ret)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = -ENOMEM;

	/* The first one is the program's name, as for main. */
	if (fuse_opt_add_arg(&args, "goalfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
	    fuse_opt_add_arg(&args, options) == 0) {
		*ret = fuse_session_new(&args, ops, sizeof(*ops), userdata);
		r = *ret ? 0 : -EINVAL;
	}
	fuse_opt_free_args(&args);
	return r;
}
