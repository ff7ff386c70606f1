/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_POOL_H
#define GOALFS_BACKENDS_CACHE_POOL_H

/*
 * The decoder threads: jobs with priorities, run to their end. Started lazily
 * (after the daemon has forked), joined by pool_free.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct pool;

enum job_priority {
	/*
	 * Somebody looks at what it makes first, and then at another one: it begins at once,
	 * beside as many others as there are threads, and is not waited for to its end.
	 */
	JOB_LOOKED_AT,
	JOB_WAITED_FOR, /* a reader waits */
	JOB_AHEAD,	/* readahead */
	JOB_BACKGROUND,
	JOB_PRIORITIES, /* count */
};

/* Embedded by the caller, zeroed; owned by the pool from pool_submit until `run` was called. */
struct job {
	/* Called once, on a pool thread, without locks. May free the job. */
	void (*run)(struct job *job);
	uint64_t memory; /* bytes that `run` takes at most; 0 stands for negligible */
	/* Private to the pool. */
	struct job *next, *prev;
	enum job_priority priority;
	bool queued;
	unsigned n_overtaken;
};

/* `threads` 0: one per online CPU; as many more for what is looked at. NULL when memory ran out. */
struct pool *pool_new(unsigned threads);

/* Runs what is queued, then joins. Accepts NULL. */
void pool_free(struct pool *pool);
DEFINE_CLEANUP(struct pool *, pool_free);

unsigned pool_threads(const struct pool *pool);

/*
 * The memory that running jobs may take together; no limit until set. A job
 * that does not fit is overtaken by those that do, but not for ever, and runs alone if it must.
 */
void pool_set_memory(struct pool *pool, uint64_t bytes);

/* First in, first out within a priority. -EAGAIN when no thread could be started at all. */
int pool_submit(struct pool *pool, struct job *job, enum job_priority priority);

/* Raises a job that is still queued; one that runs or has run is left alone. */
void pool_raise(struct pool *pool, struct job *job, enum job_priority priority);

/* Takes a job that is still queued back to the caller. False: it runs or has run. */
bool pool_take(struct pool *pool, struct job *job);

/*
 * Whether this is a pool's thread. One that waited for a job that is queued
 * behind it would wait for ever; it takes the job and runs it itself.
 */
bool pool_is_here(void);

/* A pool's threads wait for this one, which is none of theirs: from now on what was just said is true of it, too. */
void pool_stand_in(void);

#endif
