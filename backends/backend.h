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
struct net;	 /* backends/net/net.h */
struct verdicts; /* backends/cache/verdicts.h */

/* What all images of one daemon share. Constant once the mount is up; outlives every image. */
struct context {
	struct store *store; /* never NULL: without a cache directory it keeps nothing across restarts */
	struct pool *pool;   /* decoder threads */
	struct registry *registry;
	struct net *net;
	struct verdicts *verdicts;
	unsigned verify;	/* enum verify, --verify */
	uint64_t memory;	/* bytes that images, decoders and units in memory may take, --memory */
	const char *mountpoint; /* canonical path, nothing in it is ever opened; NULL without a mount */
};

/* What a backend gets to open a step. Borrowed for the call. */
struct opening {
	struct context *context;
	struct template *template; /* whose bytes the plan starts from */
	const struct step *step;
	/*
	 * What unique numbers in an output file are made from: a text that stands for the
	 * template and for all that was done to its disk, this step included, and is the
	 * same on every host. NULL: nobody will make any.
	 */
	const char *seed;
	/*
	 * What the step's bytes are: the template's identity, and behind a newline what was
	 * taken off its file so far, this step included ("xz,tar"). Keys what is stored of
	 * them. NULL: nothing was.
	 */
	const char *identity;
};

/* That, or the template's. */
const char *opening_identity(const struct opening *opening);

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
	/*
	 * The size of what `open` would give, off a few reads, for who wants no more. NULL where only
	 * opening tells. Errors as of `open`.
	 */
	int (*size)(const struct opening *opening, struct image *below, uint64_t *ret, struct why *why);
};

/* NULL when memory ran out. */
struct registry *registry_new(void);
void registry_free(struct registry *registry); /* all images must be closed; accepts NULL */
DEFINE_CLEANUP(struct registry *, registry_free);

/* What may be held in memory of all images that are open, but for their data: map_bound (map.h). */
void registry_bound_maps(uint64_t bytes, bool (*scarce)(void *arg), void *arg);

/* Ends with a row of NULLs, in the registry's order; for plan_make. */
const struct transition *registry_transitions(void);

/*
 * What a template turns out to be: `t` itself when it is local; a remote one is
 * asked for its first bytes when nothing is remembered of it. `ret` is a ref.
 */
int registry_meet(struct context *context, struct template *t, struct template **ret, struct why *why);

/*
 * Asks whether a remote template still is what was met. 1 when it is something
 * else now, which registry_meet then gives; 0 when it is the same; or an error.
 */
int registry_recheck(struct context *context, struct template *t, struct template *met, struct why *why);

/* What it is remembered to be; -ENOENT when nobody has met it. Asks nobody. */
int registry_recall(struct context *context, struct template *t, struct template **ret);

/* The file of a template that was met, as an image of its bytes as they are. */
int registry_open_file(struct context *context, struct template *met, struct image **ret, struct why *why);

/*
 * The size of what is in a local file, without what it is wrapped in, where a few reads tell;
 * -EOPNOTSUPP where they don't, or an error.
 */
int registry_size(struct context *context, struct template *t, uint64_t *ret, struct why *why);

/* How much of a remote template's file is stored, and how much there is of it; -ENOENT when nothing is known.
 * Asks nobody. */
int registry_fetched(struct context *context, struct template *t, uint64_t *ret_there, uint64_t *ret_all);

/* It has changed: the next registry_meet asks. */
void registry_forget(struct context *context, struct template *t);

/*
 * Carries out a plan. Equal beginnings of plans for one template are shared: as
 * long as such an image is open, it is the same image, so that two goals of one
 * template have one cache, and one decoder makes a unit for both.
 */
int registry_open(struct context *context, struct template *template, const struct plan *plan,
		  struct image **ret, struct why *why);

/*
 * The same for a lookup: what changes or cuts the disk is opened by bytes that no check has vouched for yet,
 * where that saves waiting. Reads of the result wait for those checks (early.h), and opening should before.
 */
int registry_look(struct context *context, struct template *template, const struct plan *plan,
		  struct image **ret, struct why *why);

#endif
