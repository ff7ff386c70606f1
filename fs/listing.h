/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_LISTING_H
#define GOALFS_FS_LISTING_H

/*
 * What the directory shows: the plain goals of each template, in the order of
 * their cookies. An NFS server comes back with a cookie at any time, after a restart and
 * after changes, so a cookie is a hash of the name: those behind it are the same
 * ones as before, but for what came and went.
 */
#include <stddef.h>
#include <stdint.h>

#include "backends/library/library.h"
#include "base/cleanup.h"

struct listed {
	uint64_t cookie; /* 3 to 2^62: what readdir goes on behind */
	uint64_t id;	 /* of the node that a lookup will find */
	char *name;
};

struct listing {
	struct listed *entry; /* n of them, sorted by cookie, each another one */
	size_t n, room;
};

/* `formats` as readdir shows them, NULL-terminated. 0 or -ENOMEM. */
int listing_new(struct library *library, const char *const *formats, struct listing **ret);
void listing_free(struct listing *l);
DEFINE_CLEANUP(struct listing *, listing_free);

/* The name of that id: a copy (free it), or NULL. */
char *listing_name_of(const struct listing *l, uint64_t id);

#endif
