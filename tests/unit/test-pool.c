/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/cache/pool.h"
#include "tests/unit/test.h"

/* A job that notes its turn, and may stand at a gate meanwhile. */
struct turn {
	struct job job;
	struct line *line;
	int number;
	bool stops;
};

struct line {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool closed;
	unsigned stopped;
	int order[1024];
	unsigned n;
	uint64_t memory, most_memory;
};

#define LINE                                                                                         \
	{                                                                                            \
		.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER, .closed = true \
	}

static void take_turn(struct job *job)
{
	struct turn *t = (struct turn *)job;
	struct line *l = t->line;

	(void)pthread_mutex_lock(&l->lock);
	l->order[l->n++] = t->number;
	l->memory += job->memory;
	if (l->memory > l->most_memory)
		l->most_memory = l->memory;
	if (t->stops) {
		l->stopped++;
		(void)pthread_cond_broadcast(&l->moved);
		while (l->closed)
			(void)pthread_cond_wait(&l->moved, &l->lock);
		l->stopped--;
	}
	l->memory -= job->memory;
	(void)pthread_mutex_unlock(&l->lock);
}

static void wait_stopped(struct line *l, unsigned n)
{
	(void)pthread_mutex_lock(&l->lock);
	while (l->stopped < n)
		(void)pthread_cond_wait(&l->moved, &l->lock);
	(void)pthread_mutex_unlock(&l->lock);
}

static void open_line(struct line *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->closed = false;
	(void)pthread_cond_broadcast(&l->moved);
	(void)pthread_mutex_unlock(&l->lock);
}

static struct turn turn(struct line *l, int number, bool stops)
{
	return (struct turn){ .job = { .run = take_turn }, .line = l, .number = number, .stops = stops };
}

static unsigned threads_of_process(void)
{
	char line[256];
	unsigned n = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		(void)sscanf(line, "Threads: %u", &n);
	(void)fclose(f);
	return n;
}

static void starts_no_thread_before_the_first_job(void **state)
{
	unsigned before = threads_of_process();
	struct pool *pool = pool_new(4);

	assert_int_equal(pool_threads(pool), 4);
	assert_int_equal(threads_of_process(), before);
	pool_free(pool);
}

static void runs_in_order_of_priority_then_of_coming(void **state)
{
	struct line l = LINE;
	struct pool *pool = pool_new(1);
	struct turn t[7];
	static const enum job_priority priority[] = { JOB_WAITED_FOR, JOB_BACKGROUND, JOB_AHEAD,
						      JOB_WAITED_FOR, JOB_AHEAD,      JOB_BACKGROUND,
						      JOB_WAITED_FOR };
	static const int expected[] = { 0, 3, 6, 2, 4, 1, 5 };

	for (int i = 0; i < 7; i++) {
		t[i] = turn(&l, i, i == 0);
		assert_int_equal(pool_submit(pool, &t[i].job, priority[i]), 0);
		if (i == 0)
			wait_stopped(&l, 1);
	}
	open_line(&l);
	pool_free(pool);
	assert_memory_equal(l.order, expected, sizeof(expected));
}

static void raised_job_overtakes(void **state)
{
	struct line l = LINE;
	struct pool *pool = pool_new(1);
	struct turn t[4];
	static const int expected[] = { 0, 3, 1, 2 };

	for (int i = 0; i < 4; i++) {
		t[i] = turn(&l, i, i == 0);
		assert_int_equal(pool_submit(pool, &t[i].job, i ? JOB_AHEAD : JOB_WAITED_FOR), 0);
		if (i == 0)
			wait_stopped(&l, 1);
	}
	pool_raise(pool, &t[3].job, JOB_WAITED_FOR);
	pool_raise(pool, &t[3].job, JOB_BACKGROUND); /* is no way to lower it */
	pool_raise(pool, &t[0].job, JOB_WAITED_FOR); /* runs: left alone */
	open_line(&l);
	pool_free(pool);
	assert_memory_equal(l.order, expected, sizeof(expected));
}

static void taken_job_does_not_run(void **state)
{
	struct line l = LINE;
	struct pool *pool = pool_new(1);
	struct turn t[3];
	static const int expected[] = { 0, 2 };

	for (int i = 0; i < 3; i++) {
		t[i] = turn(&l, i, i == 0);
		assert_int_equal(pool_submit(pool, &t[i].job, JOB_AHEAD), 0);
		if (i == 0)
			wait_stopped(&l, 1);
	}
	assert_false(pool_take(pool, &t[0].job));
	assert_true(pool_take(pool, &t[1].job));
	assert_false(pool_take(pool, &t[1].job));
	open_line(&l);
	pool_free(pool);
	assert_int_equal(l.n, 2);
	assert_memory_equal(l.order, expected, sizeof(expected));
}

static void jobs_run_side_by_side(void **state)
{
	struct line l = LINE;
	struct pool *pool = pool_new(3);
	struct turn t[3];

	for (int i = 0; i < 3; i++) {
		t[i] = turn(&l, i, true);
		assert_int_equal(pool_submit(pool, &t[i].job, JOB_AHEAD), 0);
	}
	wait_stopped(&l, 3); /* never, if one waited for another */
	open_line(&l);
	pool_free(pool);
}

static void jobs_keep_within_the_memory(void **state)
{
	struct line l = LINE;
	struct pool *pool = pool_new(4);
	struct turn t[200];

	l.closed = false;
	pool_set_memory(pool, 100);
	for (int i = 0; i < 200; i++) {
		t[i] = turn(&l, i, true);
		t[i].job.memory = 30 + i % 5;
		assert_int_equal(pool_submit(pool, &t[i].job, i % JOB_PRIORITIES), 0);
	}
	pool_free(pool);
	assert_int_equal(l.n, 200);
	assert_in_range(l.most_memory, 30, 100);
}

static void job_too_large_is_overtaken_and_runs_alone(void **state)
{
	struct line l = LINE;
	struct pool *pool = pool_new(2);
	struct turn t[4];

	pool_set_memory(pool, 100);
	for (int i = 0; i < 3; i++) {
		t[i] = turn(&l, i, i == 0 || i == 2);
		t[i].job.memory = i == 1 ? 1000 : 40;
		assert_int_equal(pool_submit(pool, &t[i].job, JOB_WAITED_FOR), 0);
	}
	wait_stopped(&l, 2);
	open_line(&l);
	pool_free(pool);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.order[2], 1);
	assert_int_equal(l.most_memory, 1000);
}

/* Small ones that come again and again; one large one among them. */
struct crowd {
	struct pool *pool;
	atomic_uint n;	   /* that have run */
	atomic_uint large; /* how many had, when the large one's turn came */
	atomic_uint here;
	atomic_bool may_go;
};

struct one {
	struct job job;
	struct crowd *crowd;
};

static void come_again(struct job *job)
{
	struct crowd *c = ((struct one *)job)->crowd;

	c->here++;
	while (!c->may_go)
		(void)usleep(1000);
	if (job->memory > 100)
		c->large = c->n;
	else if (++c->n < 20000)
		assert_int_equal(pool_submit(c->pool, job, JOB_WAITED_FOR), 0);
}

static void job_too_large_has_its_turn_in_a_crowd(void **state)
{
	struct crowd c = { .pool = pool_new(2) };
	struct one one[5];

	pool_set_memory(c.pool, 100);
	for (int i = 0; i < 5; i++) {
		one[i] = (struct one){ { .run = come_again, .memory = i == 2 ? 1000 : 40 }, &c };
		assert_int_equal(pool_submit(c.pool, &one[i].job, JOB_WAITED_FOR), 0);
	}
	while (c.here < 2)
		(void)usleep(1000);
	c.may_go = true;
	pool_free(c.pool);
	assert_in_range(c.large, 0, 10000);
}

/* Does itself what stands behind it, as one that needs it would. */
struct taker {
	struct job job, next;
	struct pool *pool;
	atomic_bool may_take, took;
};

static void take_next_one(struct job *job)
{
	struct taker *t = (struct taker *)job;

	while (!t->may_take)
		(void)usleep(1000);
	t->took = pool_take(t->pool, &t->next);
}

static void *let_it_take(void *arg)
{
	struct taker *t = arg;

	/* Until the other thread has seen that the pool ends, and waits for room. */
	(void)usleep(200 * 1000);
	t->may_take = true;
	return NULL;
}

static void ends_when_the_last_job_is_taken(void **state)
{
	struct pool *pool = pool_new(2);
	struct taker t = { .job = { .run = take_next_one, .memory = 60 }, .pool = pool };
	pthread_t thread;

	t.next = (struct job){ .run = take_next_one, .memory = 60 };
	pool_set_memory(pool, 100);
	assert_int_equal(pool_submit(pool, &t.job, JOB_WAITED_FOR), 0);
	assert_int_equal(pool_submit(pool, &t.next, JOB_AHEAD), 0);
	assert_int_equal(pthread_create(&thread, NULL, let_it_take, &t), 0);
	pool_free(pool);
	(void)pthread_join(thread, NULL);
	assert_true(t.took);
}

static void free_itself(struct job *job)
{
	free(job);
}

static void job_may_free_itself(void **state)
{
	struct pool *pool = pool_new(2);

	for (int i = 0; i < 100; i++) {
		struct job *job = calloc(1, sizeof(*job));

		job->run = free_itself;
		assert_int_equal(pool_submit(pool, job, JOB_BACKGROUND), 0);
	}
	pool_free(pool);
}

static void note_where(struct job *job)
{
	*(bool *)(job + 1) = pool_is_here();
}

static void knows_its_own_threads(void **state)
{
	struct {
		struct job job;
		bool is_here;
	} j = { .job = { .run = note_where } };
	struct pool *pool = pool_new(1);

	assert_int_equal(pool_submit(pool, &j.job, JOB_AHEAD), 0);
	pool_free(pool);
	assert_true(j.is_here);
	assert_false(pool_is_here());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_no_thread_before_the_first_job),
		cmocka_unit_test(runs_in_order_of_priority_then_of_coming),
		cmocka_unit_test(raised_job_overtakes),
		cmocka_unit_test(taken_job_does_not_run),
		cmocka_unit_test(jobs_run_side_by_side),
		cmocka_unit_test(jobs_keep_within_the_memory),
		cmocka_unit_test(job_too_large_is_overtaken_and_runs_alone),
		cmocka_unit_test(job_too_large_has_its_turn_in_a_crowd),
		cmocka_unit_test(ends_when_the_last_job_is_taken),
		cmocka_unit_test(job_may_free_itself),
		cmocka_unit_test(knows_its_own_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
