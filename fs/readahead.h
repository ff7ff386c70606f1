/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_READAHEAD_H
#define GOALFS_FS_READAHEAD_H

/*
 * Sees whether an open file is read in sequence (holes skipped, the kernel's own
 * readahead a little out of order) and tells the image what comes next. The
 * window doubles while the reader goes on and falls back when it jumps.
 */
#include <pthread.h>
#include <stdint.h>

#include "backends/image.h"

struct readahead {
	pthread_mutex_t lock; /* guards all below */
	uint64_t next;	      /* where a sequential reader goes on */
	uint64_t run;	      /* bytes read in sequence */
	uint64_t told_to;     /* up to here the image has been told */
	uint64_t told;	      /* bytes of data it was told of and that were not read yet */
	uint64_t most;	      /* bytes of data to tell ahead, at most */
};

void readahead_init(struct readahead *ra, uint64_t most);
void readahead_done(struct readahead *ra);

/* Before a read is served. */
void readahead_note(struct readahead *ra, struct image *img, uint64_t offset, uint64_t count);

#endif
