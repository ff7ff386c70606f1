/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_NTFS_RUNS_H
#define GOALFS_BACKENDS_CONTENT_NTFS_RUNS_H

/*
 * Runs of clusters as an attribute lists them ("mapping pairs"): one byte with the
 * lengths of two numbers, then the numbers: how many clusters, and how far behind the
 * run before it starts (signed; none: a hole). A zero byte ends the list.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

#define NTFS_HOLE UINT64_MAX

struct ntfs_run {
	uint64_t cluster; /* or NTFS_HOLE */
	uint64_t length;  /* clusters, at least 1 */
};

struct ntfs_runs {
	struct ntfs_run *run; /* owned */
	size_t n;
	uint64_t clusters; /* the sum of all lengths */
};

void ntfs_runs_done(struct ntfs_runs *runs);

/*
 * Reads the list in `count` bytes. -EBADMSG when it doesn't end there, when a run lies outside
 * of the volume's `clusters`, or when there are more clusters in all than it has.
 */
int ntfs_runs_decode(struct ntfs_runs *ret, const uint8_t *bytes, size_t count, uint64_t clusters,
		     struct why *why);

/* Puts a run behind the others, or makes the last one longer. */
int ntfs_runs_append(struct ntfs_runs *runs, uint64_t cluster, uint64_t length);

/* Writes the list; returns how many bytes it takes, and writes nothing behind `room`. */
size_t ntfs_runs_encode(const struct ntfs_runs *runs, uint8_t *buf, size_t room);

#endif
