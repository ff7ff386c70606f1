/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_UNITIMAGE_H
#define GOALFS_TESTS_UNITIMAGE_H

/*
 * An image made in units, for tests: its bytes are a function of offset and seed,
 * some granules of 64 KiB are zero, some units are proved zero; making can be
 * counted, slowed down, stopped, made to fail.
 */
#include <pthread.h>
#include <stdbool.h>

#include "backends/image.h"

struct unitimage {
	struct image image;
	uint64_t unit; /* bytes of each unit, but the last */
	uint64_t seed;
	unsigned zero_every;   /* each such granule is zero; 0: none */
	unsigned proved_every; /* each such unit is zero, and says so; 0: none */
	uint64_t chunk;	       /* bytes a write */
	uint64_t memory;

	atomic_uint makes;		 /* begun */
	atomic_uint making, most_making; /* at once */
	atomic_int fail;		 /* so many makes give garbage, and then -EBADMSG */
	atomic_int error;		 /* what they give instead, when set */
	atomic_uint slow_us;		 /* each chunk sleeps */

	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool closed;	    /* makes stop half-way while this is set */
	unsigned stopped;   /* so many stand there */
	unsigned order[64]; /* the units of the first makes */
};

struct unitimage *unitimage_new(uint64_t size, uint64_t unit, uint64_t seed);

/* The right bytes. */
void unitimage_bytes(const struct unitimage *u, void *buf, size_t count, uint64_t offset);

void unitimage_close_gate(struct unitimage *u);
void unitimage_open_gate(struct unitimage *u);
void unitimage_wait_stopped(struct unitimage *u, unsigned n); /* until so many stand at the gate */

#endif
