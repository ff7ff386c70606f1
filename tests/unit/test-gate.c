/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <pthread.h>
#include <semaphore.h>

#include "fs/gate.h"

struct job {
	struct gate_work work;
	struct gate *gate;
	sem_t *hold;	/* waited for inside; NULL: none */
	sem_t *entered; /* posted inside; NULL: none */
	unsigned *order, *next_order;
	pthread_t thread;
};

static void run(struct gate_work *work)
{
	struct job *job = (struct job *)work;

	if (job->order)
		*job->order = ++*job->next_order;
	if (job->entered)
		sem_post(job->entered);
	if (job->hold)
		sem_wait(job->hold);
}

static void *pass(void *arg)
{
	struct job *job = arg;

	gate_pass(job->gate, &job->work);
	return NULL;
}

static void test_runs_at_once_while_there_is_room(void **state)
{
	struct gate *gate = gate_new(1);
	unsigned order = 0, next = 0;
	struct job job = { { run, NULL }, gate, .order = &order, .next_order = &next };

	gate_pass(gate, &job.work);
	assert_int_equal(order, 1);
	gate_pass(gate, &job.work);
	assert_int_equal(order, 2);
	gate_free(gate);
}

static void test_nobody_waits_at_a_full_gate(void **state)
{
	struct gate *gate = gate_new(1);
	sem_t hold, entered;
	unsigned order[2] = { 0 }, next = 0;
	struct job first = { { run, NULL }, gate, .hold = &hold, .entered = &entered };
	struct job queued[2] = {
		{ { run, NULL }, gate, .order = &order[0], .next_order = &next },
		{ { run, NULL }, gate, .order = &order[1], .next_order = &next },
	};

	sem_init(&hold, 0, 0);
	sem_init(&entered, 0, 0);
	pthread_create(&first.thread, NULL, pass, &first);
	sem_wait(&entered);
	/* Both return at once though the one inside is held. */
	gate_pass(gate, &queued[0].work);
	gate_pass(gate, &queued[1].work);
	assert_int_equal(order[0] + order[1], 0);
	sem_post(&hold);
	pthread_join(first.thread, NULL);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 2);
	gate_free(gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_at_once_while_there_is_room),
		cmocka_unit_test(test_nobody_waits_at_a_full_gate),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
