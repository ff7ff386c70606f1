/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_CACHED_H
#define GOALFS_FS_CACHED_H

/* The commands about the cache, in virt-builder's ways. All of the context is open, and nobody else has the store. */
#include "backends/backend.h"
#include "backends/library/library.h"

/* --print-cache: a line a remote template. */
int cached_print(struct context *context, struct library *library, const char *dir, struct text *out);

/*
 * --cache-all-templates: fetches all remote templates, and verifies what their
 * index promises. Shows on standard error how far it is when that is a terminal. One that can't be
 * had does not keep the others away; the error is the last one's.
 */
int cached_fetch_all(struct context *context, struct library *library, struct why *why);

/* --delete-cache: all that the store holds, and the indexes (`kept_dirfd`, or -1). */
int cached_delete(struct context *context, int kept_dirfd, struct why *why);

#endif
