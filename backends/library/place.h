/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_PLACE_H
#define GOALFS_LIBRARY_PLACE_H

/*
 * A directory held open, and the only way into what lies below it. What place.c
 * is for: to follow a name to its file without ever stepping into our own mount.
 */
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/why.h"

struct place {
	int fd;	     /* O_RDONLY | O_DIRECTORY */
	char *path;  /* canonical, as it was when it was opened */
	char *avoid; /* canonical, nothing at or below it is opened; NULL: no such place */
	/*
	 * Whoever finds that a file has changed unseen rings here, so that the
	 * watching thread looks again (a file behind a symbolic link, on NFS). An
	 * eventfd; a copy of the library's, because places outlive it.
	 */
	int bell;
	atomic_uint refs;
};

/*
 * `fd` becomes the place's, on success; the texts are copied, `bell` (-1: none)
 * is duplicated. Returns 0 or a negative errno.
 */
int place_new(int fd, const char *path, const char *avoid, int bell, struct place **ret);
struct place *place_ref(struct place *p);
void place_unref(struct place *p); /* accepts NULL */
DEFINE_CLEANUP(struct place *, place_unref);

void place_ring(struct place *p);

/* Where a name led. */
struct spot {
	int parent;	/* the directory it was found in, O_PATH; owned */
	char *leaf;	/* its name there; no symbolic link */
	char *path;	/* canonical */
	int fd;		/* O_PATH, owned; -1 when there is no such file */
	struct stat st; /* all zero when there is no such file */
};

/*
 * Follows `name` from the place, symbolic links on the way and at the end
 * included. Returns 0; -ENOENT when the last name of the way is missing, and
 * only then `ret` is still filled (parent, leaf, path: where the file would
 * appear); -EDEADLK when the way leads into `avoid`; -ELOOP; another errno.
 */
int place_walk(struct place *p, const char *name, struct spot *ret, struct why *why);
void spot_done(struct spot *s);

/*
 * Opens the regular file of a spot for reading: O_CLOEXEC | O_NOCTTY. -EINVAL
 * when it is no regular file, -ESTALE when it was replaced since the walk.
 * `ret_st` is of the opened file.
 */
int spot_open(const struct spot *s, int *ret_fd, struct stat *ret_st, struct why *why);

#endif
