/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NBD_ZEROS_H
#define GOALFS_BACKENDS_NBD_ZEROS_H

/*
 * The ranges of an export that its server says read as zeros. They decide layouts, so
 * they are asked for once, when the export is opened, and are kept. Only whole aligned
 * granules count, as with the holes of a file, and the list is bounded: what is
 * behind its end counts as data, on every host alike.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define ZEROS_GRANULE  (64 * KiB)
#define ZEROS_RUNS_MAX 65536

struct zeros_run {
	uint64_t start, end;
};

struct zeros {
	struct zeros_run *run; /* sorted, apart from each other; owned */
	size_t n;
	/* While it is being filled: the run that has no end yet. */
	uint64_t open_start, open_end;
};

/* Ranges in order, neighbours in pieces as they come; `size` is the export's. 0 or -ENOMEM. */
int zeros_add(struct zeros *z, uint64_t start, uint64_t end, uint64_t size);
int zeros_end(struct zeros *z, uint64_t size); /* after the last one */
void zeros_done(struct zeros *z);

/* How many bytes from `offset` on (< size) are of one kind, and which. */
uint64_t zeros_at(const struct zeros *z, uint64_t offset, uint64_t size, bool *ret_is_zero);

#endif
