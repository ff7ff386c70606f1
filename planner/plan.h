/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_PLANNER_PLAN_H
#define GOALFS_PLANNER_PLAN_H

/*
 * The planner: uniform-cost search (Dijkstra) from a template's facts to a
 * goal's. Text in, text out; no I/O, no threads of its own, reentrant.
 */
#include "base/text.h"
#include "base/why.h"
#include "planner/step.h"

struct plan {
	struct tags start, want; /* what it leads from and to, as plan_make was told */
	struct step *step;	 /* n_steps of them, in order; 0 when the template is the goal */
	size_t n_steps;
	uint64_t cost;	/* sum, microseconds */
	char *searched; /* for people, lines indented by four blanks: what else was considered or refused */
};

/*
 * What a plan has to reach. Besides `must` and `without`, no fact of `want` may
 * fall by the wayside. Each has to
 *
 *   - hold at the end (arch, which every step hands on), or
 *   - be repeated by a step of the plan among its arguments (expand=2), or
 *   - be void: it only says how another comes about (goal_key_serves), and the
 *     template has that one already (expand=2 at the template's own size).
 *
 * So a backend that heeds a fact says so by its arguments, and a fact that no
 * backend heeds yet leads to a refusal by itself.
 */
struct plan_goal {
	const struct tags *want;    /* these facts hold at the end ... */
	const char *const *must;    /* ... as far as their keys stand here (NULL-terminated) */
	const char *const *without; /* and no fact of these keys does (NULL-terminated) */
};

/* format and size; at, codec, made, template, unread: what an image goal must and must not hold. */
extern const char *const plan_image_must[];
extern const char *const plan_image_without[];

/*
 * Finds the cheapest plan. `transitions` ends with a row of NULLs. Of equal
 * cost the plan with fewer steps wins, of as many the one whose step is earlier
 * in the table where they part, so that the same input gives the same plan.
 * Returns 0; -ENOENT when there is none, with the reason (what was refused, or
 * what no backend can do); -E2BIG when the search grew out of bounds; -ENOMEM.
 */
int plan_make(const struct transition *transitions, const struct tags *start, const struct plan_goal *goal,
	      struct plan **ret, struct why *why);
void plan_free(struct plan *plan); /* accepts NULL */
DEFINE_CLEANUP(struct plan *, plan_free);

/* "file > xz > cache > resize(expand=2 size=20G) > qcow2"; "nothing to do" for a plan without steps */
void plan_line(const struct plan *plan, struct text *out);

/*
 * "0.150 s", right-aligned in `width`. Always in seconds, so that the eye can
 * compare, and what costs anything is never shown as nothing.
 */
void plan_cost_text(uint64_t cost, int width, struct text *out);

/* Step by step with costs, what was considered, for people. Ends with a newline. */
void plan_text(const struct plan *plan, struct text *out);

/* The same page for a goal that has no plan; `reason` is plan_make's (or another's) sentence. */
void plan_none_text(const struct tags *start, const struct tags *want, const char *reason, struct text *out);

#endif
