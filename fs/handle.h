/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_HANDLE_H
#define GOALFS_FS_HANDLE_H

/* The files that are open: the mount's list of them. From any thread. */
#include <stdbool.h>
#include <sys/types.h>

#include "fs/nodes.h"
#include "fs/readahead.h"

struct mount;

struct handle {
	struct node *node;   /* owns a ref */
	struct image *image; /* owns a ref; NULL for a text */
	struct readahead readahead;
	bool passes;  /* reads are the kernel's */
	pid_t opener; /* for the log: the process that has opened it; 0: in no namespace of ours */
	struct handle *next, **prev; /* in the mount's list */
};

/*
 * Counts it as open. Takes over the refs of `node` and `img`, which is NULL for a text; on
 * failure, NULL when memory ran out, they stay the caller's. `opener` as in the struct.
 */
struct handle *handle_new(struct mount *m, struct node *node, struct image *img, pid_t opener);

/* Releases it: at RELEASE, or at the end of the mount. */
void handle_close(struct mount *m, struct handle *h);

/* Log lines that name who has files open: those are about to lose them. */
void handles_say_open(struct mount *m);

#endif
