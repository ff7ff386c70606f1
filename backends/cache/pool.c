/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/cache/lock.h"

/* Few enough to be soon over, and so many that a large job among small ones leaves no thread idle for long. */
#define OVERTAKEN_MAX 32

struct queue {
	struct job *first, *last;
};

struct pool {
	pthread_mutex_t lock;	  /* guards all below */
	pthread_cond_t more;	  /* a job came, memory came free, or it is time to end */
	pthread_cond_t looked_at; /* the same, for the extra threads */
	struct queue queue[JOB_PRIORITIES];
	uint64_t memory, memory_taken;
	unsigned n_queued, n_idle;
	bool ending;
	unsigned n_threads, n_started;
	unsigned n_extra;   /* threads that only do what is looked at, at most n_threads */
	pthread_t thread[]; /* n_threads, and behind them the extra ones */
};

static _Thread_local bool is_here;

bool pool_is_here(void)
{
	return is_here;
}

void pool_stand_in(void)
{
	is_here = true;
}

static void enqueue(struct pool *pool, struct job *job, enum job_priority priority)
{
	struct queue *q = &pool->queue[priority];

	job->priority = priority;
	job->queued = true;
	job->n_overtaken = 0;
	job->next = NULL;
	job->prev = q->last;
	*(q->last ? &q->last->next : &q->first) = job;
	q->last = job;
	pool->n_queued++;
}

static void dequeue(struct pool *pool, struct job *job)
{
	struct queue *q = &pool->queue[job->priority];

	*(job->prev ? &job->prev->next : &q->first) = job->next;
	*(job->next ? &job->next->prev : &q->last) = job->prev;
	job->queued = false;
	pool->n_queued--;
}

static bool fits(const struct pool *pool, const struct job *job)
{
	return pool->memory_taken == 0 || job->memory == 0 ||
	       (pool->memory_taken <= pool->memory && job->memory <= pool->memory - pool->memory_taken);
}

/*
 * The next job that may run now, out of its queue; NULL when there is none. The first one that does not
 * fit is overtaken so many times, and then those behind it wait until it does: jobs run to their end
 * without any that is queued, so that all memory comes free.
 */
static struct job *take_next(struct pool *pool, enum job_priority least)
{
	struct job *overtaken = NULL;

	for (int p = 0; p <= least; p++)
		for (struct job *job = pool->queue[p].first; job; job = job->next) {
			if (fits(pool, job)) {
				if (overtaken)
					overtaken->n_overtaken++;
				dequeue(pool, job);
				return job;
			}
			if (job->n_overtaken >= OVERTAKEN_MAX)
				return NULL;
			overtaken = overtaken ?: job;
		}
	return NULL;
}

static void run_one(struct pool *pool, struct job *job)
{
	uint64_t memory = job->memory; /* the job may free itself */

	pool->memory_taken += memory;
	(void)pthread_mutex_unlock(&pool->lock);
	job->run(job);
	(void)pthread_mutex_lock(&pool->lock);
	pool->memory_taken -= memory;
	/*
	 * What did not fit may fit now, and more than one of them. What others waited for at the pool's
	 * end may have been taken out of the queue meanwhile, by the job itself.
	 */
	if (pool->n_queued || pool->ending)
		(void)pthread_cond_broadcast(&pool->more);
	if (pool->queue[JOB_LOOKED_AT].first)
		(void)pthread_cond_broadcast(&pool->looked_at);
}

static void *work(void *arg)
{
	struct pool *pool = arg;
	LOCKED(&pool->lock);

	is_here = true;
	for (;;) {
		struct job *job = take_next(pool, JOB_BACKGROUND);

		if (job) {
			run_one(pool, job);
		} else if (pool->ending && pool->n_queued == 0) {
			return NULL;
		} else {
			pool->n_idle++;
			(void)pthread_cond_wait(&pool->more, &pool->lock);
			pool->n_idle--;
		}
	}
}

/* An extra thread. */
static void *work_on_looked_at(void *arg)
{
	struct pool *pool = arg;
	LOCKED(&pool->lock);

	is_here = true;
	while (!pool->ending) {
		struct job *job = take_next(pool, JOB_LOOKED_AT);

		if (job)
			run_one(pool, job);
		else
			(void)pthread_cond_wait(&pool->looked_at, &pool->lock);
	}
	return NULL;
}

struct pool *pool_new(unsigned threads)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	struct pool *pool;

	if (threads == 0)
		threads = online > 0 ? (unsigned)online : 1;
	pool = calloc(1, sizeof(*pool) + 2 * threads * sizeof(pool->thread[0]));
	if (!pool)
		return NULL;
	pool->n_threads = threads;
	pool->memory = UINT64_MAX;
	(void)pthread_mutex_init(&pool->lock, NULL);
	(void)pthread_cond_init(&pool->more, NULL);
	(void)pthread_cond_init(&pool->looked_at, NULL);
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	(void)pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	(void)pthread_cond_broadcast(&pool->more);
	(void)pthread_cond_broadcast(&pool->looked_at);
	(void)pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->n_started; i++)
		(void)pthread_join(pool->thread[i], NULL);
	for (unsigned i = 0; i < pool->n_extra; i++)
		(void)pthread_join(pool->thread[pool->n_threads + i], NULL);
	(void)pthread_cond_destroy(&pool->more);
	(void)pthread_cond_destroy(&pool->looked_at);
	(void)pthread_mutex_destroy(&pool->lock);
	free(pool);
}

unsigned pool_threads(const struct pool *pool)
{
	return pool->n_threads;
}

void pool_set_memory(struct pool *pool, uint64_t bytes)
{
	LOCKED(&pool->lock);

	pool->memory = bytes;
}

/*
 * Where all threads are at work for long, one more is started for what somebody only looks at.
 * Called when the job is in its queue.
 */
static void have_it_looked_at(struct pool *pool)
{
	if (pool->n_idle == 0 && pool->n_started == pool->n_threads && pool->n_extra < pool->n_threads &&
	    lock_thread_start(&pool->thread[pool->n_threads + pool->n_extra], "goalfs-look", work_on_looked_at,
			      pool) == 0)
		pool->n_extra++;
	(void)pthread_cond_signal(&pool->looked_at);
}

int pool_submit(struct pool *pool, struct job *job, enum job_priority priority)
{
	LOCKED(&pool->lock);

	assert(!job->queued);
	/* An idle thread may have been woken already, for a job that still stands in a queue: count those too.
	 */
	if (pool->n_queued >= pool->n_idle && pool->n_started < pool->n_threads &&
	    lock_thread_start(&pool->thread[pool->n_started], "goalfs-decode", work, pool) == 0)
		pool->n_started++;
	if (pool->n_started == 0)
		return -EAGAIN;
	enqueue(pool, job, priority);
	(void)pthread_cond_signal(&pool->more);
	if (priority == JOB_LOOKED_AT)
		have_it_looked_at(pool);
	return 0;
}

void pool_raise(struct pool *pool, struct job *job, enum job_priority priority)
{
	LOCKED(&pool->lock);

	if (!job->queued || job->priority <= priority)
		return;
	dequeue(pool, job);
	enqueue(pool, job, priority);
	if (priority == JOB_LOOKED_AT)
		have_it_looked_at(pool);
}

bool pool_take(struct pool *pool, struct job *job)
{
	LOCKED(&pool->lock);

	if (!job->queued)
		return false;
	dequeue(pool, job);
	return true;
}
