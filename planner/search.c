/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Uniform-cost search (Dijkstra). Nodes wait in a binary heap; when one comes
 * up, its state is looked up in a tree of states: the first to come up is the
 * cheapest way there is to it. A second one is let through too, so that the
 * second-best plan shows up by itself after the best; a third is dropped, and
 * so is one that has been in its state before, for it walked in a circle.
 *
 * With two ways a state the search does twice the work of a plain one. Real
 * tables make some ten states.
 */
#include "planner/search.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <string.h>

struct offers {
	struct search *search;
	struct node *parent;
	const char *backend;
	unsigned row, n_offered;
	int error; /* 0, -E2BIG or -ENOMEM */
};

static void node_free(struct node *n)
{
	tags_done(&n->step.args);
	tags_done(&n->step.after);
	free(n);
}
DEFINE_CLEANUP(struct node *, node_free);

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Two ways of as many steps: where they first part, the earlier row goes first. */
static int way_compare(const struct node *a, const struct node *b)
{
	int parted = 0;

	for (; a != b; a = a->parent, b = b->parent) {
		int c = compare(a->row, b->row);

		c = c ? c : compare(a->nth, b->nth);
		parted = c ? c : parted;
	}
	return parted;
}

static bool before(const struct node *a, const struct node *b)
{
	int c = compare(a->cost, b->cost);

	c = c ? c : compare(a->n_steps, b->n_steps);
	return (c ? c : way_compare(a, b)) < 0;
}

static int state_compare(const void *va, const void *vb)
{
	const struct node *a = va, *b = vb;
	int c = compare(a->noticed, b->noticed);

	return c ? c : tags_compare(&a->step.after, &b->step.after);
}

static void swap(struct node **heap, size_t i, size_t j)
{
	struct node *n = heap[i];

	heap[i] = heap[j];
	heap[j] = n;
}

static void heap_push(struct search *s, struct node *n)
{
	size_t i = s->n_heap++;

	s->heap[i] = n;
	for (; i > 0 && before(s->heap[i], s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(s->heap, i, (i - 1) / 2);
}

static struct node *heap_pop(struct search *s)
{
	struct node *first = s->heap[0];
	size_t i = 0, child;

	s->heap[0] = s->heap[--s->n_heap];
	while ((child = 2 * i + 1) < s->n_heap) {
		if (child + 1 < s->n_heap && before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!before(s->heap[child], s->heap[i]))
			break;
		swap(s->heap, i, child);
		i = child;
	}
	return first;
}

/* Every node can be in the heap at once, so both arrays grow together. */
static int make_room(struct search *s)
{
	size_t room = s->room ? 2 * s->room : 32;
	struct node **list;

	if (s->n_nodes < s->room)
		return 0;
	list = reallocarray(s->node, room, sizeof(struct node *));
	if (!list)
		return -ENOMEM;
	s->node = list;
	list = reallocarray(s->heap, room, sizeof(struct node *));
	if (!list)
		return -ENOMEM;
	s->heap = list;
	s->room = room;
	return 0;
}

/* Takes the node over, also when it fails. */
static int add(struct search *s, struct node *n)
{
	_cleanup_(node_freep) struct node *node = n;
	int r = s->n_nodes < SEARCH_NODES_MAX ? make_room(s) : -E2BIG;

	if (r < 0)
		return r;
	s->node[s->n_nodes++] = take(node);
	heap_push(s, n);
	return 0;
}

int search_init(struct search *s, const struct transition *transitions, const struct tags *start,
		const struct tags *want, uint64_t noticed)
{
	_cleanup_(node_freep) struct node *n = calloc(1, sizeof(*n));

	*s = (struct search){ .transitions = transitions, .want = want };
	if (!n || tags_copy(start, &n->step.after) < 0)
		return -ENOMEM;
	n->noticed = noticed;
	return add(s, take(n));
}

static void leave(void *node)
{
}

void search_done(struct search *s)
{
	tdestroy(s->states, leave);
	for (size_t i = 0; i < s->n_nodes; i++)
		node_free(s->node[i]);
	for (size_t i = 0; i < s->n_refusals; i++)
		free(s->refusal[i]);
	free(s->node);
	free(s->heap);
	free(s->refusal);
}

static bool circled(const struct node *n)
{
	for (const struct node *p = n->parent; p; p = p->parent)
		if (state_compare(p, n) == 0)
			return true;
	return false;
}

int search_next(struct search *s, struct node **ret)
{
	*ret = NULL;
	while (s->n_heap > 0) {
		struct node *n = heap_pop(s);
		struct node *const *first = tsearch(n, &s->states, state_compare);

		if (!first)
			return -ENOMEM;
		if ((*first)->seen == 2 || (*first != n && circled(n)))
			continue;
		s->n_states += *first == n;
		(*first)->seen++;
		*ret = n;
		return 0;
	}
	return 0;
}

int search_expand(struct search *s, struct node *node)
{
	struct offers o = { .search = s, .parent = node };

	for (const struct transition *t = s->transitions; t->backend && o.error == 0; t++, o.row++) {
		o.backend = t->backend;
		o.n_offered = 0;
		t->offer(&node->step.after, s->want, &o);
	}
	return o.error;
}

/* The facts of the goal that these arguments repeat. */
static uint64_t noticed_by(const struct tags *args, const struct tags *want)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < want->n; i++)
		if (tags_is(args, want->tag[i].key, want->tag[i].value))
			bits |= UINT64_C(1) << i;
	return bits;
}

void offer_step(struct offers *o, const struct tags *args, const struct tags *after, uint64_t cost)
{
	_cleanup_(node_freep) struct node *n = calloc(1, sizeof(*n));

	if (o->error)
		return;
	if (!n || (args && tags_copy(args, &n->step.args) < 0) || tags_copy(after, &n->step.after) < 0) {
		o->error = -ENOMEM;
		return;
	}
	n->parent = o->parent;
	n->step.backend = o->backend;
	n->step.cost = cost ? cost : 1;
	if (__builtin_add_overflow(o->parent->cost, n->step.cost, &n->cost))
		n->cost = UINT64_MAX;
	n->noticed = o->parent->noticed | noticed_by(&n->step.args, o->search->want);
	n->n_steps = o->parent->n_steps + 1;
	n->row = o->row;
	n->nth = o->n_offered++;
	o->error = add(o->search, take(n));
}

void offer_begin(struct offer *x, struct offers *o, const struct tags *state)
{
	*x = (struct offer){ .to = o };
	x->error = tags_copy(state, &x->after);
}

void offer_set(struct offer *x, const char *key, const char *value)
{
	if (x->error == 0)
		x->error = tags_set(&x->after, key, value);
}

void offer_drop(struct offer *x, const char *key)
{
	tags_drop(&x->after, key);
}

void offer_arg(struct offer *x, const char *key, const char *value)
{
	if (x->error == 0)
		x->error = tags_set(&x->args, key, value);
}

void offer_end(struct offer *x, uint64_t cost)
{
	if (x->error == 0)
		offer_step(x->to, &x->args, &x->after, cost);
	else
		x->to->error = x->error;
	tags_done(&x->args);
	tags_done(&x->after);
}

bool offer_is_raw_disk(const struct tags *state)
{
	return offer_is_disk(state, "raw");
}

bool offer_is_disk_to_change(const struct tags *state, const struct tags *want)
{
	return offer_is_raw_disk(state) && (!tags_has(want, "sparse") || tags_has(state, "sparse"));
}

bool offer_is_wrapped(const struct tags *state, const char *codec)
{
	const char *chain = tags_get(state, "codec");
	const size_t n = strlen(codec);

	return chain && strncmp(chain, codec, n) == 0 && (chain[n] == ',' || chain[n] == '\0') &&
	       !tags_has(state, "at") && !tags_has(state, "made");
}

void offer_unwrap(struct offer *x)
{
	const char *chain = tags_get(&x->after, "codec"), *rest = chain ? strchr(chain, ',') : NULL;
	_cleanup_free_ char *copy = NULL;

	if (!rest) {
		offer_drop(x, "codec");
		return;
	}
	copy = strdup(rest + 1);
	if (copy)
		offer_set(x, "codec", copy);
	else
		x->error = -ENOMEM;
}

bool offer_is_disk(const struct tags *state, const char *format)
{
	return tags_is(state, "format", format) && !tags_has(state, "at") && !tags_has(state, "codec") &&
	       !tags_has(state, "made");
}

void offer_read_disk(struct offer *x)
{
	offer_set(x, "format", "raw");
	offer_drop(x, "unread");
	offer_drop(x, "reader");
}

static int add_refusal(struct search *s, char *sentence)
{
	_cleanup_free_ char *text = sentence;
	char **list;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_refusals; i++)
		if (strcmp(s->refusal[i], text) == 0)
			return 0;
	list = reallocarray(s->refusal, s->n_refusals + 1, sizeof(char *));
	if (!list)
		return -ENOMEM;
	list[s->n_refusals++] = take(text);
	s->refusal = list;
	return 0;
}

void offer_refusal(struct offers *o, const char *format, ...)
{
	char *sentence;
	va_list ap;

	if (o->error)
		return;
	va_start(ap, format);
	if (vasprintf(&sentence, format, ap) < 0)
		sentence = NULL;
	va_end(ap);
	o->error = add_refusal(o->search, sentence);
}
