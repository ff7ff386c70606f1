/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/gate.h"

#include <pthread.h>

struct gate {
	pthread_mutex_t lock;
	unsigned most, inside;
	struct gate_work *first, **end; /* the queue */
};

struct gate *gate_new(unsigned most_inside)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	pthread_mutex_init(&g->lock, NULL);
	g->most = most_inside;
	g->end = &g->first;
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	pthread_mutex_destroy(&g->lock);
	free(g);
}

/* Leaves, or takes the next work along and stays inside. */
static struct gate_work *next_work(struct gate *g)
{
	struct gate_work *work;

	pthread_mutex_lock(&g->lock);
	work = g->first;
	if (work) {
		g->first = work->next;
		if (!g->first)
			g->end = &g->first;
	} else {
		g->inside--;
	}
	pthread_mutex_unlock(&g->lock);
	return work;
}

void gate_pass(struct gate *g, struct gate_work *work)
{
	pthread_mutex_lock(&g->lock);
	if (g->inside == g->most) {
		work->next = NULL;
		*g->end = work;
		g->end = &work->next;
		work = NULL;
	} else {
		g->inside++;
	}
	pthread_mutex_unlock(&g->lock);
	while (work) {
		work->run(work);
		work = next_work(g);
	}
}
