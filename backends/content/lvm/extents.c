/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/lvm/extents.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

void lvm_extents_done(struct lvm_extents *e)
{
	free(e->run);
	*e = (struct lvm_extents){ 0 };
}

uint64_t lvm_extents_end(const struct lvm_extents *e)
{
	return e->n ? e->run[e->n - 1].first + e->run[e->n - 1].count : 0;
}

static int add_run(struct lvm_extents *e, uint64_t first, uint64_t count)
{
	/* Doubled whenever the number is a power of two. */
	if ((e->n & (e->n - 1)) == 0) {
		struct lvm_run *more = reallocarray(e->run, e->n ? 2 * e->n : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		e->run = more;
	}
	e->run[e->n++] = (struct lvm_run){ first, count };
	return 0;
}

/* How many extents a segment takes at each of its places. What isn't striped takes at most as many as it shows. */
static uint64_t count_each(const struct lvm_node *segment)
{
	const char *type = lvm_node_string(segment, "type");
	uint64_t count = 0, stripes;

	(void)lvm_node_number(segment, "extent_count", &count);
	if (type && strcmp(type, "striped") == 0 && lvm_node_number(segment, "stripe_count", &stripes) &&
	    stripes > 0)
		count = div_up(count, stripes);
	return count;
}

/* The name of the physical volume with an extent's number behind it is a place. */
static int read_places(const struct lvm *l, const struct lvm_node *list, uint64_t count, struct lvm_extents *e,
		       struct why *why)
{
	for (const struct lvm_node *n = list->child; n && n->next; n = n->next) {
		uint64_t first = (uint64_t)n->next->number;
		int r;

		if (n->kind != LVM_STRING || strcmp(n->text, l->physical->name) != 0 ||
		    n->next->kind != LVM_NUMBER)
			continue;
		if (n->next->number < 0 || count == 0 || !range_ok(first, count, l->n_extents))
			return fail(
				why, -EBADMSG,
				"the metadata of LVM is damaged: a volume of '%s' lies behind the end of its "
				"physical volume",
				l->group);
		r = add_run(e, first, count);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_volume(const struct lvm *l, const struct lvm_node *volume, struct lvm_extents *e,
		       struct why *why)
{
	for (const struct lvm_node *s = volume->child; s; s = s->next) {
		if (s->kind != LVM_SECTION)
			continue;
		for (const struct lvm_node *list = s->child; list; list = list->next) {
			int r = list->kind == LVM_LIST ? read_places(l, list, count_each(s), e, why) : 0;

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int compare_first(const void *a, const void *b)
{
	const struct lvm_run *p = a, *q = b;

	return p->first < q->first ? -1 : p->first > q->first;
}

static int put_in_order(const struct lvm *l, struct lvm_extents *e, struct why *why)
{
	if (e->n > 0)
		qsort(e->run, e->n, sizeof(*e->run), compare_first);
	for (size_t i = 1; i < e->n; i++)
		if (e->run[i].first - e->run[i - 1].first < e->run[i - 1].count)
			return fail(why, -EBADMSG,
				    "the metadata of LVM is damaged: two volumes of '%s' claim extent %" PRIu64,
				    l->group, e->run[i].first);
	return 0;
}

int lvm_extents_read(const struct lvm *l, struct lvm_extents *ret, struct why *why)
{
	_cleanup_(lvm_extents_done) struct lvm_extents e = { 0 };
	int r = 0;

	for (unsigned i = 0; r == 0 && i < l->n_volumes; i++)
		r = read_volume(l, l->volume[i].node, &e, why);
	if (r == 0)
		r = put_in_order(l, &e, why);
	if (r < 0)
		return r;
	*ret = e;
	e = (struct lvm_extents){ 0 };
	return 0;
}
