/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_PATH_H
#define GOALFS_BASE_PATH_H

/* Makes the directory and those above it that are missing, each with mode 0700. 0 or a negative errno. */
int path_make_dirs(const char *dir);

#endif
