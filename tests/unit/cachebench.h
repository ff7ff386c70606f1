/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_CACHEBENCH_H
#define GOALFS_TESTS_CACHEBENCH_H

/*
 * What the tests of store and cache work on: a store in a directory of its own,
 * a pool, and a cache over a test image.
 */
#include "backends/cache/cache.h"
#include "backends/cache/pool.h"
#include "backends/cache/store.h"
#include "backends/cache/store_private.h"
#include "tests/unit/unitimage.h"

#define ID "sha512:0123"

struct bench {
	char dir[64];
	struct store_options options;
	struct context context;
	unsigned zero_every, proved_every; /* of the images that bench_open makes; 3 and 0 */
	struct unitimage *below;
	struct image *cache;
};

int bench_set_up(void **state);
int bench_tear_down(void **state);

void bench_open_store(struct bench *b); /* and the pool, if they are not open */
void bench_close_store(struct bench *b);

/* A new test image, b->below, and b->cache over it, named ID. */
void bench_open(struct bench *b, uint64_t size, uint64_t unit);
void bench_close(struct bench *b);

struct image *bench_cache(struct bench *b, const char *identity, struct unitimage *below);

/* The range, or all of the image, reads as it is below. */
void assert_reads(struct image *cache, const struct unitimage *below, uint64_t offset, size_t count);
void assert_reads_all(struct image *cache, const struct unitimage *below);

/* The path of a file of the store. */
void bench_file(const struct bench *b, const char *identity, const char *name, char ret[static 256]);

struct store_figures bench_figures(struct bench *b);
struct shelf *bench_shelf(struct bench *b); /* of ID */

#endif
