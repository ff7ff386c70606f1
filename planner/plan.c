/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a search to a plan, or to the reason why there is none.
 *
 * A search that ends without a plan has seen every state there is, so the
 * reason can be read off them: a fact that none of them holds is what no
 * backend can bring about.
 */
#include "planner/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "planner/goal.h"
#include "planner/search.h"

/* How much further to look, once the plan is found, for the next best one: it is only told. */
#define RUNNER_UP_NODES 1000

const char *const plan_image_must[] = { "format", "size", NULL };
/* In the order in which a template comes apart: the first that stays is what holds up the rest. */
const char *const plan_image_without[] = { "at", "codec", "made", "template", "unread", NULL };

static bool listed(const char *const *list, const char *key)
{
	for (; *list; list++)
		if (strcmp(*list, key) == 0)
			return true;
	return false;
}

/* The facts of `want` that need no step's notice: `must` watches over them, or they are void. */
static uint64_t unheeded(const struct plan_goal *goal, const struct tags *start)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < goal->want->n; i++) {
		const char *key = goal->want->tag[i].key, *serves = goal_key_serves(key);
		const char *served = serves ? tags_get(goal->want, serves) : NULL;

		if (listed(goal->must, key) || (serves && (!served || tags_is(start, serves, served))))
			bits |= UINT64_C(1) << i;
	}
	return bits;
}

static bool fact_met(const struct plan_goal *goal, const struct node *n, size_t i)
{
	const struct tag *tag = &goal->want->tag[i];

	if (tags_is(&n->step.after, tag->key, tag->value))
		return true;
	return !listed(goal->must, tag->key) && (n->noticed & UINT64_C(1) << i);
}

static size_t missing(const struct plan_goal *goal, const struct node *n)
{
	size_t count = 0;

	for (size_t i = 0; i < goal->want->n; i++)
		count += !fact_met(goal, n, i);
	return count;
}

static size_t too_many(const struct plan_goal *goal, const struct node *n)
{
	size_t count = 0;

	for (const char *const *key = goal->without; *key; key++)
		count += tags_has(&n->step.after, *key);
	return count;
}

static bool reached(const struct plan_goal *goal, const struct node *n)
{
	return too_many(goal, n) == 0 && missing(goal, n) == 0;
}

static int step_copy(const struct step *from, struct step *ret)
{
	int r = tags_copy(&from->args, &ret->args);

	if (r == 0)
		r = tags_copy(&from->after, &ret->after);
	ret->backend = from->backend;
	ret->cost = from->cost;
	return r;
}

/* The way to `n` as a plan, without its start, goal and search. */
static int plan_of(const struct node *n, struct plan **ret)
{
	_cleanup_(plan_freep) struct plan *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->cost = n->cost;
	if (n->n_steps > 0) {
		p->step = calloc(n->n_steps, sizeof(*p->step));
		if (!p->step)
			return -ENOMEM;
	}
	p->n_steps = n->n_steps;
	for (; n->parent; n = n->parent) {
		r = step_copy(&n->step, &p->step[n->n_steps - 1]);
		if (r < 0)
			return r;
	}
	*ret = take(p);
	return 0;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_steps; i++) {
		tags_done(&plan->step[i].args);
		tags_done(&plan->step[i].after);
	}
	tags_done(&plan->start);
	tags_done(&plan->want);
	free(plan->step);
	free(plan->searched);
	free(plan);
}

/* The next way that reaches the goal; NULL when there is none. Goals are not gone beyond. */
static int next_reached(struct search *s, const struct plan_goal *goal, size_t nodes_max, struct node **ret)
{
	int r;

	for (;;) {
		r = search_next(s, ret);
		if (r < 0 || !*ret || reached(goal, *ret))
			return r;
		if (s->n_nodes > nodes_max)
			return -E2BIG;
		r = search_expand(s, *ret);
		if (r < 0)
			return r;
	}
}

static int tell_runner_up(const struct node *n, struct text *t)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	int r = plan_of(n, &p);

	if (r < 0)
		return r;
	text_add(t, "    next best: ");
	plan_line(p, t);
	text_add(t, ", ");
	plan_cost_text(p->cost, /* width= */ 0, t);
	text_add(t, "\n");
	return 0;
}

/* Searches on for a moment, and says all that the search saw. */
static int tell_searched(struct search *s, const struct plan_goal *goal, char **ret)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;
	struct node *second = NULL;
	int r = next_reached(s, goal, s->n_nodes + RUNNER_UP_NODES, &second);

	if (r == -E2BIG)
		text_add(&t, "    no other plan near, the search was cut short\n");
	else if (r == 0 && !second)
		text_add(&t, "    no other plan leads there\n");
	else if (r == 0)
		r = tell_runner_up(second, &t);
	if (r == -ENOMEM)
		return r;
	for (size_t i = 0; i < s->n_refusals; i++)
		text_add(&t, "    refused: %s\n", s->refusal[i]);
	text_add(&t, "    %" PRIu64 " states explored\n", s->n_states);
	return text_take(&t, ret);
}

/* The value that `key` has had from the start in all states, or NULL. */
static const char *unchanged(const struct search *s, const char *key)
{
	const char *value = tags_get(&s->node[0]->step.after, key);

	for (size_t i = 0; value && i < s->n_nodes; i++)
		if (!tags_is(&s->node[i]->step.after, key, value))
			return NULL;
	return value;
}

static bool unknown(const struct search *s, const char *key)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (tags_has(&s->node[i]->step.after, key))
			return false;
	return true;
}

/* Something that the template is and that no step ends. */
static bool tell_stuck(const struct search *s, const struct plan_goal *goal, struct text *t)
{
	const char *at = unchanged(s, "at"), *codec = unchanged(s, "codec"), *format = unchanged(s, "format");

	if (at && listed(goal->without, "at"))
		text_add(t, "no backend fetches templates from '%s'", at);
	else if (codec && listed(goal->without, "codec"))
		text_add(t, "no backend reads %s compression", codec);
	else if (format && listed(goal->must, "format") && strcmp(format, "raw") != 0 &&
		 !tags_is(s->want, "format", format))
		text_add(t, "no backend reads %s templates", format);
	else if (listed(goal->must, "format") && unknown(s, "format"))
		text_add(t, "the template's format is not known");
	return t->len > 0;
}

/* People wrote the tag, and without it the goal's format can be had. */
static bool is_of_no_use(const struct search *s, const struct tag *tag)
{
	const struct goal_key *k = goal_keys();
	const char *format = tags_get(s->want, "format");

	while (k->key && strcmp(k->key, tag->key) != 0)
		k++;
	if (!format || (!k->key && (strcmp(tag->key, "size") != 0 || unknown(s, "size"))))
		return false;
	for (size_t i = 0; i < s->n_nodes; i++)
		if (tags_is(&s->node[i]->step.after, "format", format))
			return true;
	return false;
}

static void tell_missing(const struct search *s, size_t i, struct text *t)
{
	struct tag *tag = &s->want->tag[i];
	const struct tags alone = { tag, 1 };

	text_add(t, "%s", t->len ? "; " : "");
	if (strcmp(tag->key, "format") == 0) {
		text_add(t, "no backend makes %s", tag->value);
		return;
	}
	if (strcmp(tag->key, "size") == 0 && unknown(s, "size"))
		text_add(t, "the template's own size is not known, so ");
	if (is_of_no_use(s, tag))
		text_add(t, "%s has no use for ", tags_get(s->want, "format"));
	else
		text_add(t, "nothing brings about ");
	tags_text(&alone, t);
}

static bool met_somewhere(const struct search *s, const struct plan_goal *goal, size_t i)
{
	for (size_t k = 0; k < s->n_nodes; k++)
		if (fact_met(goal, s->node[k], i))
			return true;
	return false;
}

/* Each fact that holds in no state at all. Those that serve another are idle without it: they come last. */
static bool tell_unreachable(const struct search *s, const struct plan_goal *goal, struct text *t)
{
	for (int serving = 0; serving <= 1 && t->len == 0; serving++)
		for (size_t i = 0; i < goal->want->n; i++)
			if (!goal_key_serves(goal->want->tag[i].key) == !serving && !met_somewhere(s, goal, i))
				tell_missing(s, i, t);
	return t->len > 0;
}

/* The state that lacks least; among such, the one with the least too many. */
static const struct node *nearest_to(const struct search *s, const struct plan_goal *goal)
{
	const struct node *nearest = s->node[0];

	for (size_t k = 1; k < s->n_nodes; k++) {
		size_t have = missing(goal, nearest), now = missing(goal, s->node[k]);

		if (now < have || (now == have && too_many(goal, s->node[k]) < too_many(goal, nearest)))
			nearest = s->node[k];
	}
	return nearest;
}

/* Each can be had alone, but not all at once. */
static void tell_nearest(const struct search *s, const struct plan_goal *goal, struct text *t)
{
	const struct node *nearest = nearest_to(s, goal);

	for (size_t i = 0; i < goal->want->n; i++)
		if (!fact_met(goal, nearest, i)) {
			tell_missing(s, i, t);
			text_add(t, " together with the rest");
		}
	for (const char *const *key = goal->without; *key; key++)
		if (tags_has(&nearest->step.after, *key))
			text_add(t, "%sno backend leads away from %s=%s", t->len ? "; " : "", *key,
				 tags_get(&nearest->step.after, *key));
}

static int no_plan(const struct search *s, const struct plan_goal *goal, struct why *why)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;

	for (size_t i = 0; i < s->n_refusals; i++)
		text_add(&t, "%s%s", i ? "; " : "", s->refusal[i]);
	if (t.len == 0 && !tell_stuck(s, goal, &t) && !tell_unreachable(s, goal, &t))
		tell_nearest(s, goal, &t);
	if (t.error)
		return -ENOMEM;
	return fail(why, -ENOENT, "%s", t.chars);
}

static int too_big(int error, struct why *why)
{
	if (error != -E2BIG)
		return error;
	return fail(why, -E2BIG, "the search for a plan was given up after %d states", SEARCH_NODES_MAX);
}

static int plan_search(struct search *s, const struct tags *start, const struct plan_goal *goal,
		       struct plan **ret, struct why *why)
{
	_cleanup_(plan_freep) struct plan *p = NULL;
	struct node *n;
	int r = next_reached(s, goal, SIZE_MAX, &n);

	if (r < 0)
		return too_big(r, why);
	if (!n)
		return no_plan(s, goal, why);
	r = plan_of(n, &p);
	if (r == 0)
		r = tags_copy(start, &p->start);
	if (r == 0)
		r = tags_copy(goal->want, &p->want);
	if (r == 0)
		r = tell_searched(s, goal, &p->searched);
	if (r == 0)
		*ret = take(p);
	return r;
}

int plan_make(const struct transition *transitions, const struct tags *start, const struct plan_goal *goal,
	      struct plan **ret, struct why *why)
{
	_cleanup_(search_done) struct search s = { 0 };
	int r;

	if (goal->want->n > SEARCH_WANT_MAX)
		return fail(why, -E2BIG, "%zu facts are asked for, %d are the most", goal->want->n,
			    SEARCH_WANT_MAX);
	r = search_init(&s, transitions, start, goal->want, unheeded(goal, start));
	return r < 0 ? r : plan_search(&s, start, goal, ret, why);
}
