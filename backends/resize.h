/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_RESIZE_H
#define GOALFS_BACKENDS_RESIZE_H

/*
 * The step @SIZE: a disk grown with its partition table, one partition and its
 * content, by patches; tables and contents say how, this puts them together.
 */
#include "backends/backend.h"

struct resize {
	uint64_t size;	    /* bytes, of the grown disk */
	unsigned partition; /* number; 0: as choice.h has it */
	bool disk_only;	    /* expand=none */
	bool keep_content;  /* content=none: disk and partition only */
	const char *volume; /* lvexpand: the logical volume that takes the room; NULL: not said; borrowed */
};

int resize_open(const struct resize *how, struct image *below, struct image **ret, struct why *why);

extern const struct backend resize_backend;

#endif
