/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/choice.h"

#include <errno.h>

/* Who names a volume means a partition that has some. */
static bool is_minor(const struct content_ops *ops, const struct resize *how)
{
	return ops->only_named || ops->read_only || (how->volume && ops->grow && !ops->has_volumes);
}

static int pass_over(struct tenants *all, const struct partition *p, const struct resize *how, bool *ret,
		     struct why *why)
{
	const struct tenant *t;
	int r;

	*ret = p->use && p->use->service;
	if (p->use && (p->use->service || p->use->no_growth))
		return 0;
	r = tenants_look(all, p, &t, why);
	if (r == 0)
		*ret = t->found == 0 ? is_minor(t->content.ops, how) : t->found == 1 && t->empty;
	return r;
}

/* By number, as somebody would name them, in the order of the disk. */
static int refuse(struct tenants *all, const struct resize *how, struct why *why)
{
	_cleanup_(text_done) struct text there = TEXT_EMPTY;
	const struct table *table = all->table;
	unsigned i = 0;

	for (; i < table->n && there.len < 160; i++) {
		const struct tenant *t;
		int r = tenants_look(all, &table->partition[i], &t, why);

		if (r < 0)
			return r;
		text_add(&there, "%s%u (%s)", there.len ? ", " : "", t->partition->number, tenant_name(t));
	}
	if (how->volume)
		return fail(why, -EOPNOTSUPP,
			    "no partition has logical volumes, and so none that is '%.150s': %s%s", how->volume,
			    there.chars ?: "there is none", i < table->n ? ", ..." : "");
	return fail(
		why, -EOPNOTSUPP,
		"no partition takes the room unless it is named: %s%s; @expand=N names one, @content=none "
		"grows disk and partition and leaves the rest to the guest, @expand=none grows the disk alone",
		there.chars ?: "some", i < table->n ? ", ..." : "");
}

int choice_make(struct tenants *all, const struct resize *how, const struct partition **ret, struct why *why)
{
	const struct table *table = all->table;
	const struct partition *last = NULL, *found = NULL;

	for (unsigned i = table->n; i-- > 0 && !found;) {
		const struct partition *p = &table->partition[i];
		bool passed_over = false;
		int r;

		if (p->extended)
			continue;
		last = last ?: p;
		r = pass_over(all, p, how, &passed_over, why);
		if (r < 0)
			return r;
		found = passed_over ? NULL : p;
	}
	*ret = found ?: how->keep_content ? last : NULL;
	return *ret ? 0 : refuse(all, how, why);
}
