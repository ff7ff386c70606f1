/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_PATH_H
#define GOALFS_BASE_PATH_H

/* Makes the directory and those above it that are missing, each with mode 0700. 0 or a negative errno. */
int path_make_dirs(const char *dir);

/*
 * The path from the root, free it: the working directory before a relative one, without the "./" that one begins
 * with. Text alone: what links in it lead to may change. NULL without memory, or when the directory is gone.
 */
char *path_absolute(const char *path);

#endif
