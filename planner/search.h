/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_PLANNER_SEARCH_H
#define GOALFS_PLANNER_SEARCH_H

/*
 * The search behind plan_make: states, cheapest first. Private to the planner.
 *
 * A state is a set of facts, together with the facts of the goal that the steps
 * so far took notice of: two roads to the same facts of which one heeded
 * `sparse` and one did not lead to different places.
 */
#include "base/why.h"
#include "planner/step.h"

/* One way to a state; the chain of parents is the way. */
struct node {
	struct node *parent; /* borrowed; NULL at the start */
	struct step step;    /* the last step of the way; `after` is the state. backend is NULL at the start */
	uint64_t cost;	     /* of the whole way */
	uint64_t noticed;    /* bit i: want->tag[i] needs no further notice */
	unsigned n_steps;
	unsigned row, nth; /* of the table, and among what the row offered */
	unsigned seen;	   /* in the first node of a state: how many nodes of that state were reached */
};

/* More states than a table of backends ever makes; a search that comes here goes round in circles. */
#define SEARCH_NODES_MAX 20000

/* More facts than fit in a name of a goal. */
#define SEARCH_WANT_MAX 64

struct search {
	const struct transition *transitions; /* borrowed */
	const struct tags *want;	      /* borrowed */
	struct node **node;		      /* n_nodes of them, all there are; owned */
	struct node **heap;		      /* n_heap of them, those not reached yet; [0] comes next */
	size_t n_nodes, n_heap, room;
	void *states; /* tsearch(3) tree of the first node of each state */
	uint64_t n_states;
	char **refusal; /* n_refusals different ones, in order of appearance; owned */
	size_t n_refusals;
};

/*
 * `noticed`: the bits that count as set from the start. search_done is due
 * whatever this returns: 0 or -ENOMEM.
 */
int search_init(struct search *s, const struct transition *transitions, const struct tags *start,
		const struct tags *want, uint64_t noticed);
void search_done(struct search *s);

/*
 * The next way in order of cost; of equal cost, fewer steps first; of as many,
 * earlier rows of the table first. Each state comes up twice at most: by its
 * cheapest way and by the next best one. NULL when there is none left.
 * Borrowed, until search_done.
 */
int search_next(struct search *s, struct node **ret);

/* Adds what all backends offer for this state. 0, -E2BIG or -ENOMEM. */
int search_expand(struct search *s, struct node *node);

#endif
