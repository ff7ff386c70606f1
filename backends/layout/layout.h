/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LAYOUT_LAYOUT_H
#define GOALFS_BACKENDS_LAYOUT_LAYOUT_H

/*
 * What the layouts have in common. A layout says where each byte of an output file
 * comes from: it is a map over the disk, with the format's own tables as computed
 * segments. It is compact, and the same on every host.
 */
#include "backends/backend.h"

/* What a goal asks of its output file. */
struct layout {
	const char *seed;   /* borrowed; opening.seed. May be NULL in tests: then as "" */
	const char *compat; /* borrowed; the version of the format, NULL: the default */
	uint64_t cluster;   /* bytes, a size of the format's blocks; 0: the default */
	bool fixed;	    /* fully allocated */
};

/* Out of the step's arguments. */
struct layout layout_of(const struct opening *opening);

/* Whether the goal wants `format` and the state is what a layout stands on: a raw disk of a known size. */
bool layout_wanted(const struct tags *state, const struct tags *want, const char *format);

/*
 * Offers the step when it is wanted; `heeds` are the keys of the goal's facts that this layout takes
 * notice of ("cluster", "fixed", ...; NULL-terminated), which become its
 * arguments. The backend's name is the format's.
 */
void layout_offer(const struct tags *state, const struct tags *want, struct offers *o, const char *format,
		  const char *const *heeds);

/*
 * Sixteen bytes for an identifier called `what` in the file: a version 4 UUID (RFC
 * 4122) in network byte order, made from the seed, the disk's size and `what`, so that each
 * goal has its own and the same goal the same everywhere.
 */
void layout_uuid(const struct layout *how, uint64_t size, const char *what, uint8_t ret[static 16]);

/* The same as Microsoft and VirtualBox store it: the first three fields are little-endian numbers. */
void layout_guid(const struct layout *how, uint64_t size, const char *what, uint8_t ret[static 16]);

#endif
