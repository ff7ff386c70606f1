/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/lv.h"

#include <errno.h>
#include <string.h>

#include "backends/content/lvm/lvm.h"
#include "backends/costs.h"
#include "backends/partition.h"
#include "backends/table/table.h"

/* Each label that is looked for may cost a template another block decoded. */
#define LOOK_MAX 128

static void lv_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	const char *name = tags_get(want, "lv");
	struct offer x;

	if (!name || !partition_is_ready(state, want) || tags_has(state, "lv") ||
	    (tags_has(want, "partition") && !tags_has(state, "partition")))
		return;
	offer_begin(&x, o, state);
	offer_arg(&x, "lv", name);
	offer_set(&x, "lv", name);
	offer_drop(&x, "grow");
	offer_drop(&x, "lvgrow");
	offer_end(&x, cost_of(state, COST_LV_OPEN, COST_MAP_PER_MIB));
}

/* 0, 1: no physical volume, or an error. */
static int is_physical(struct image *disk, const struct partition *p, struct why *why)
{
	_cleanup_(image_unrefp) struct image *window = NULL;
	struct lvm_label label;
	int r = map_window(disk, p->start, p->length, &window, why);

	return r < 0 ? r : lvm_label_read(window, &label, why);
}

/* Of the partitions the one that is a physical volume. 0 and its number; 1 when none is; or an error. */
static int find_physical(struct image *disk, const struct table *t, unsigned *ret, struct why *why)
{
	unsigned found = 0;

	if (t->n > LOOK_MAX)
		return fail(
			why, -EOPNOTSUPP,
			"the image has %u partitions, too many to look for a physical volume: '@pN' says which",
			t->n);
	for (unsigned i = 0; i < t->n; i++) {
		const struct partition *p = &t->partition[i];
		int r = p->extended ? 1 : is_physical(disk, p, why);

		if (r < 0)
			return r;
		if (r == 0 && found)
			return fail(why, -EOPNOTSUPP,
				    "partitions %u and %u are both physical volumes of LVM: '@p%u' or '@p%u' "
				    "says which",
				    found, p->number, found, p->number);
		if (r == 0)
			found = p->number;
	}
	*ret = found;
	return found ? 0 : 1;
}

/* The image itself, which is a partition or a disk without any. */
static int whole_is_physical(struct image *disk, struct image **ret, struct why *why)
{
	struct lvm_label label;
	int r = lvm_label_read(disk, &label, why);

	if (r == 0)
		*ret = image_ref(disk);
	return r;
}

static int open_physical(struct image *disk, struct image **ret, struct why *why)
{
	_cleanup_(table_done) struct table t = { 0 };
	struct why reason = { "" };
	unsigned number = 0;
	int error = table_read(disk, &t, &reason), r = 1;

	if (error == 0)
		r = find_physical(disk, &t, &number, why);
	if (error == 0 && r == 0)
		return partition_open(disk, number, ret, why);
	if (r == 1)
		r = whole_is_physical(disk, ret, why);
	if (r != 1)
		return r;
	if (error < 0)
		return fail(why, error, "%s", why_text(&reason, error));
	return fail(why, -EOPNOTSUPP, "there is no physical volume of LVM %s",
		    error == 0 ? "among the partitions of the image" : "there");
}

static int refuse_name(const struct lvm *l, const char *name, struct why *why)
{
	_cleanup_(text_done) struct text names = TEXT_EMPTY;

	if (!l->text)
		return fail(why, -EOPNOTSUPP,
			    "there is no logical volume '%s': the physical volume belongs to no volume group",
			    name);
	lvm_names(l, &names);
	return fail(why, -EOPNOTSUPP, "there is no logical volume '%s'; %s%s", name,
		    names.len ? "there are: " : "the volume group is empty", names.chars ?: "");
}

int lv_open(struct image *disk, const char *name, struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *pv = NULL;
	_cleanup_(lvm_done) struct lvm l = { 0 };
	const struct lvm_volume *volume;
	int r = open_physical(disk, &pv, why);

	if (r == 0)
		r = lvm_read(pv, &l, why);
	if (r < 0)
		return r;
	volume = lvm_find(&l, name);
	return volume ? lvm_open(pv, &l, volume, ret, why) : refuse_name(&l, name, why);
}

static int lv_open_step(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	const char *name = tags_get(&opening->step->args, "lv");

	return name ? lv_open(below, name, ret, why) : fail(why, -EINVAL, "an lv step without a name");
}

const struct backend lv_backend = {
	.name = "lv",
	.offer = lv_offer,
	.open = lv_open_step,
};
