/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_BACKEND_H
#define GOALFS_BACKENDS_BACKEND_H

/*
 * A backend: what can carry out a step. Each declares itself once, as data, at
 * the end of its file, and is one line in registry.c.
 */
#include "backends/image.h"
#include "planner/plan.h"

struct template; /* backends/library/library.h */
struct store;	 /* backends/cache/store.h */
struct pool;	 /* backends/cache/pool.h */
struct registry; /* the images that are open, registry.c */

/* What all images of one daemon share. Constant once the mount is up; outlives every image. */
struct context {
	struct store *store; /* never NULL: without a cache directory it keeps nothing across restarts */
	struct pool *pool;   /* decoder threads */
	struct registry *registry;
	uint64_t memory;	/* bytes that images, decoders and units in memory may take, --memory */
	const char *mountpoint; /* canonical path, nothing in it is ever opened; NULL without a mount */
};

/* What a backend gets to open a step. Borrowed for the call. */
struct opening {
	struct context *context;
	struct template *template; /* whose bytes the plan starts from */
	const struct step *step;
};

struct backend {
	const char *name;
	/* See planner/step.h. */
	void (*offer)(const struct tags *state, const struct tags *want, struct offers *o);
	/*
	 * Opens the step over `below` (NULL for a source), taking a ref of its own
	 * if it keeps it. Checks all that can be checked cheaply: what opens must be
	 * readable to its end, short of damage in places not read yet. Returns 0;
	 * -EBADMSG for damaged input; -EOPNOTSUPP for what can't be done with this
	 * input; another negative errno; always with one sentence in `why`.
	 */
	int (*open)(const struct opening *opening, struct image *below, struct image **ret, struct why *why);
};

/* NULL when memory ran out. */
struct registry *registry_new(void);
void registry_free(struct registry *registry); /* all images must be closed; accepts NULL */
DEFINE_CLEANUP(struct registry *, registry_free);

/* Ends with a row of NULLs, in the registry's order; for plan_make. */
const struct transition *registry_transitions(void);

/*
 * Carries out a plan. Equal beginnings of plans for one template are shared: as
 * long as such an image is open, it is the same image, so that two goals of one
 * template have one cache, and one decoder makes a unit for both.
 */
int registry_open(struct context *context, struct template *template, const struct plan *plan,
		  struct image **ret, struct why *why);

#endif
